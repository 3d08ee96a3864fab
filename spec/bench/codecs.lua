--- What the wires cost alone: MB in a second of CPU for a request read in a client's dialect and written for a wire, and for a wire's answer, whole and
-- streamed, read and written in the dialect of the client. No sockets, no gateway: the module that specs use, called from here.
--
--     lua5.4 spec/bench/codecs.lua [SECONDS]      run at the project's root; the module is found with BUILD (build)
--
-- A line each: wire, client, request bytes, request MB/s, answer bytes, answer MB/s, stream bytes, stream MB/s, ns of one event of the stream.
-- MB are 10^6 bytes that came in; the best of five rounds. Bodies are fixtures made as long as people's: a conversation with tools of 16 KB, an answer
-- of 4 KB, a stream of 300 pieces in reads of 16 KB. Counted with the work: the call from Lua and one copy of the result into Lua. With a client of the
-- wire's own dialect it is the translation through the neutral form, which the gateway itself spares such a client.

package.path = "lua/?.lua;lua/?/init.lua;spec/?.lua;" .. package.path
package.cpath = (os.getenv "BUILD" or "build") .. "/lua/?.so;" .. package.cpath

local cjson = require "cjson"
local fixtures = require "support.fixtures"
local wire = require("gateway.runtime").wire

local SECONDS = tonumber(arg[1]) or 0.1
local ROUNDS, REQUEST_BYTES, ANSWER_BYTES, EVENTS, READ_BYTES = 5, 16000, 4000, 300, 16384
local PROSE = 'The river rose in the night; by dawn it stood at the "Old Mill", Zoë said.\nNobody had slept. '

--- A body of a fixture: "wire/case".
local function read(path, field)
  local folder, name = path:match "^(.-)/(.+)$"
  return (assert(fixtures.cases(folder)[name][field], path))
end

-- ------------------------------------------------------------------ bodies

local IDS = { id = true, tool_call_id = true, tool_use_id = true, call_id = true }

--- A copy of a turn with ids of its own and as much text as people write.
local function turn(value, mark)
  if type(value) ~= "table" then
    return value
  end
  local copy = {}
  for key, inner in pairs(value) do
    if IDS[key] then
      copy[key] = inner .. mark
    elseif (key == "content" or key == "text" or key == "output") and type(inner) == "string" then
      copy[key] = inner .. " " .. PROSE:rep(3)
    else
      copy[key] = turn(inner, mark)
    end
  end
  return copy
end

local function encode(value)
  return (cjson.encode(value):gsub('"summary":{}', '"summary":[]'):gsub('"annotations":{}', '"annotations":[]'))
end

--- The fixture's turns again and again; `fixed` of them, at the beginning, only once.
local function request(path, field, list, fixed)
  local body = cjson.decode(read(path, field))
  local turns, count = body[list], 0
  body.model, body[list] = "m", {}
  repeat
    count = count + 1
    for i, one in ipairs(turns) do
      if i > fixed or count == 1 then
        table.insert(body[list], turn(one, "_" .. count))
      end
    end
    local text = encode(body)
  until #text >= REQUEST_BYTES
  return encode(body)
end

--- The text of a whole answer in place of what the fixture says.
local function answer(path, said)
  local prose = cjson.encode(PROSE:rep(ANSWER_BYTES // #PROSE)):gsub("%%", "%%%%")
  local body, count = read(path, "answer"):gsub('"' .. said:gsub("%p", "%%%0") .. '"', prose, 1)
  assert(count == 1, path)
  return body
end

local function sse(text)
  local events = {}
  for event in text:gmatch "(.-\n\r?\n)" do
    events[#events + 1] = event
  end
  return events
end

local function lines(text)
  local events = {}
  for event in text:gmatch "[^\n]+\n?" do
    events[#events + 1] = event
  end
  return events
end

local function frames(text)
  local events, at = {}, 1
  while at <= #text do
    local length = (">I4"):unpack(text, at)
    events[#events + 1] = text:sub(at, at + length - 1)
    at = at + length
  end
  return events
end

--- The fixture's stream with its first piece of text said EVENTS times, in reads of READ_BYTES.
local function stream(path, split, piece)
  local events, out, found = split(read(path, "stream")), {}, false
  for _, event in ipairs(events) do
    local again = not found and event:find(piece, 1, true)
    found = found or again
    out[#out + 1] = event:rep(again and EVENTS or 1)
  end
  assert(found, path)
  local whole, pieces = table.concat(out), {}
  for at = 1, #whole, READ_BYTES do
    pieces[#pieces + 1] = whole:sub(at, at + READ_BYTES - 1)
  end
  return pieces, #whole
end

local CLIENTS = { "openai", "anthropic", "responses" }
local REQUESTS = {
  openai = request("bedrock/tool_result_roundtrip", "asks", "messages", 0),
  anthropic = request("anthropic/tool_result_roundtrip", "sent", "messages", 0),
  responses = request("inbound_responses/tools_roundtrip", "asks", "input", 1),
}

local WIRES = {
  { "openai", "openai_compat/xai_usage_reasoning", "Hello!", "openai_compat/openrouter_stream", sse, "Hello" },
  { "anthropic", "anthropic/text_basic", "Bonjour !", "anthropic/stream_text", sse, "Hel" },
  { "gemini", "gemini/text_basic", "The Danube.", "gemini/stream_text", sse, "Hel" },
  { "cohere", "cohere/text_basic", "Bye!", "cohere/stream_text", sse, "Hel" },
  { "ollama", "ollama/text_basic", "Bye!", "ollama/stream_text", lines, "Hel" },
  { "bedrock", "bedrock/text_basic", "Bye!", "bedrock/stream_text", frames, "Hel" },
}

-- ------------------------------------------------------------------ figures

--- CPU seconds of one call: the least of ROUNDS.
local function cost(work)
  local count, best = 1, nil
  repeat
    count = count * 2
    local began = os.clock()
    for _ = 1, count do
      work()
    end
  until os.clock() - began >= SECONDS / 8
  for _ = 1, ROUNDS do
    local began = os.clock()
    for _ = 1, count do
      work()
    end
    local spent = (os.clock() - began) / count
    best = best and math.min(best, spent) or spent
  end
  return best
end

local function answered(call)
  local got = wire.answer(call)
  assert(got.ended and not got.failure, got.failure and got.failure.message or "the answer did not end")
  assert(#got.out > 500 and got.finish == "stop", got.finish)
  return got
end

for _, row in ipairs(WIRES) do
  local vendor, basic, said, path, split, piece = table.unpack(row)
  local whole = answer(basic, said)
  local pieces, bytes = stream(path, split, piece)
  for _, client in ipairs(CLIENTS) do
    -- `foreign`: the wire itself, where the vendor speaks the client's dialect as well
    local function call(fields)
      for name, value in pairs { client = client, vendor = vendor, model = "m", id = "id", created = 1767225600, foreign = true, max_output = 1000 } do
        fields[name] = value
      end
      return fields
    end
    local ask, tell, flow = call { body = REQUESTS[client] }, call { body = whole }, call { stream = true, pieces = pieces }
    local written, complaint = wire.encode(ask)
    assert(written, complaint and complaint.message)
    assert(#written > REQUEST_BYTES / 2)
    answered(tell)
    answered(flow)
    local encode_s = cost(function() wire.encode(ask) end)
    local answer_s = cost(function() wire.answer(tell) end)
    local stream_s = cost(function() wire.answer(flow) end)
    print(("%s %s %d %.1f %d %.1f %d %.1f %.0f"):format(vendor, client, #ask.body, #ask.body / encode_s / 1e6, #whole, #whole / answer_s / 1e6,
      bytes, bytes / stream_s / 1e6, stream_s / EVENTS * 1e9))
  end
end
