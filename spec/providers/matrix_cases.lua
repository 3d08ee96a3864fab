--- The cases of the matrix: every client's dialect against every provider's wire, for everything a conversation can hold.
--
-- cases.run(client, wire, feature) writes a request in the client's dialect, has it encoded for the wire, reads it there with a reader of its own, plays a
-- scripted answer of that wire back, whole and streamed, and reads what the client gets with a reader of its own. What is wrong raises. What a pair
-- cannot carry comes back as the words in which it is said: { "dropped", names } or { "refused", param }; { "unsaid" } where the dialect has no words.
-- SPDX-License-Identifier: MIT
local cjson = require "cjson"
local dialects = require "support.dialects"
local stream = require "support.stream"
local wire = require("gateway.runtime").wire
local wires = require "support.wires"

-- Each must be there: a wire or a dialect that is missing fails.
local cases = {
  wires = { "openai", "anthropic", "gemini", "cohere", "ollama", "bedrock" },
  clients = { "openai", "anthropic", "responses", "completions", "simple" },
}

local json = cjson.new()
json.decode_max_depth(200)

-- ------------------------------------------------------------------ what is asked and what is said

local CITY = { type = "object", properties = { city = { type = "string" } }, required = { "city" }, additionalProperties = false }
local ORDER = { type = "object", properties = { name = { type = "string" }, qty = { type = "integer" } }, required = { "name", "qty" },
  additionalProperties = false }
local TOOLS = {
  { name = "get_weather", description = "Weather of a \"city\" \\ ☃", schema = CITY },
  { name = "get_time", description = "Local time", schema = CITY },
}
local PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
local GREETING = "Grüße, \"Oslo\"? \\n is no newline,\nthis is: ☃ 😀"

local function user(...)
  return { role = "user", parts = { ... } }
end

local function call(id, name, arguments)
  return { id = id, name = name, arguments = arguments }
end

local ASKS = {
  text = { system = "Be brief.", turns = { user { text = GREETING } }, params = { max_tokens = 100, temperature = 0.5 } },
  tools = { turns = { user { text = "Weather?" } }, tools = TOOLS, choice = "auto" },
  parallel = { turns = { user { text = "Weather and time?" } }, tools = TOOLS },
  results = { tools = TOOLS, turns = {
    user { text = "Weather and time?" },
    { role = "assistant", parts = { { text = "Looking." }, { call = call("call_1", "get_weather", '{"city":"Oslo"}') },
      { call = call("call_2", "get_time", '{"city":"Rome \\"☃\\""}') } } },
    { role = "user", results = { { id = "call_1", text = "-3 °C \"cold\"\n" }, { id = "call_2", text = "14:05" } } },
    user { text = "And now?" },
  } },
  image = { turns = { user({ text = "What is this?" }, { image = { media_type = "image/png", data = PIXEL } }) } },
  image_url = { turns = { user({ text = "What is this?" }, { image = { url = "https://img.example.com/a.jpg" } }) } },
  schema = { turns = { user { text = "Order a pen, as JSON." } }, schema = ORDER },
  thinking = { turns = { user { text = "Think." } }, effort = "low", params = { max_tokens = 4000 } },
}

local TEXT = { text = { "Grüße ", "aus \"Oslo\"", " ☃😀\n", "\\o/" }, finish = "stop" }
local SAYS = {
  text = TEXT, image = TEXT, image_url = TEXT, results = TEXT,
  tools = { calls = { { id = "call_7", name = "get_weather", arguments = { '{"city":', '"Os', 'lo ☃"}' } } }, finish = "tool_calls" },
  parallel = { text = { "Looking", "." }, finish = "tool_calls", calls = {
    { id = "call_7", name = "get_weather", arguments = { '{"city"', ':"Oslo"}' } }, { id = "call_8", name = "get_time", arguments = { "{}" } },
  } },
  schema = { text = { '{"name":"pen",', '"qty":2}' }, is_json = true, finish = "stop" },
  thinking = { reasoning = { "Hmm, ", "\"let\" me see ☃." }, signature = "c2lnbmF0dXJl+/==", text = { "42", "." }, finish = "stop" },
}
cases.features = { "text", "tools", "parallel", "choice", "results", "image", "image_url", "schema", "thinking", "stream", "error", "cut" }

--- What a dialect must be able to say for a feature.
local NEEDS = { text = "text", tools = "tools", parallel = "tools", choice = "tools", results = "tools", image = "image", image_url = "image",
  schema = "schema", thinking = "thinking", stream = "text", error = "text", cut = "text" }

-- ------------------------------------------------------------------ small things

local function check(holds, what, ...)
  if not holds then
    error(what:format(...), 2)
  end
  return holds
end

--- Equal JSON values; nil when they are, else where they are not.
local function differ(expected, got, path)
  if type(expected) ~= "table" or type(got) ~= "table" then
    return expected ~= got and ("%s: expected %s, got %s"):format(path, tostring(expected), tostring(got)) or nil
  end
  for key, value in pairs(expected) do
    local found = differ(value, got[key], path .. "." .. key)
    if found then
      return found
    end
  end
  for key, value in pairs(got) do
    if expected[key] == nil then
      return ("%s.%s: expected nothing, got %s"):format(path, key, tostring(value))
    end
  end
end

cases.differ = differ

local function same(expected, got, what)
  local found = differ(expected, got, what)
  if found then
    error(found, 2)
  end
end

--- The tables in one, later ones over earlier ones.
local function with(...)
  local all = {}
  for i = 1, select("#", ...) do
    for key, value in pairs((select(i, ...)) or {}) do
      all[key] = value
    end
  end
  return all
end

--- Whether a list such as "seed, n" has this name.
local function is_named(dropped, name)
  return (", " .. dropped .. ", "):find(", " .. name .. ", ", 1, true) ~= nil
end

--- What wire.* is asked about a pair.
local function pair(client, name, fields)
  return with({ client = client, vendor = wires[name].vendor, model = wires[name].model, foreign = true, key = "test-key", region = "us-east-1",
    id = "0123456789abcdef0123456789abcdef", created = 1700000000, asked = "asked", include_usage = true }, fields)
end
cases.pair = pair

--- The same JSON with every character beyond ASCII, and every slash, as an escape: what Python and PHP write by default.
local function escaped(text)
  return (text:gsub("[\xc2-\xf4][\x80-\xbf]+", function(char)
    local code = utf8.codepoint(char)
    if code < 0x10000 then
      return ("\\u%04x"):format(code)
    end
    return ("\\u%04x\\u%04x"):format(0xd800 + ((code - 0x10000) >> 10), 0xdc00 + ((code - 0x10000) & 0x3ff))
  end):gsub("([^\\])/", "%1\\/"))
end

-- ------------------------------------------------------------------ the request

--- An ask as the flat list that the wires' readers give.
local function items_of(ask)
  local items = {}
  local function add_text(role, text)
    local last = items[#items]
    if last and last.kind == "text" and last.role == role then
      last.text = last.text .. "|" .. text
    else
      items[#items + 1] = { kind = "text", role = role, text = text }
    end
  end
  for _, turn in ipairs(ask.turns) do
    for _, result in ipairs(turn.results or {}) do
      items[#items + 1] = { kind = "result", id = result.id, text = result.text }
    end
    for _, part in ipairs(turn.parts or {}) do
      if part.text then
        add_text(turn.role, part.text)
      elseif part.image then
        items[#items + 1] = with(part.image, { kind = "image", role = "user" })
      else
        items[#items + 1] = { kind = "call", id = part.call.id, name = part.call.name, arguments = json.decode(part.call.arguments) }
      end
    end
  end
  return items
end

--- What a wire says beside what was asked, in the reader's words: names of results, a picture without its type, placeholder signatures.
local function harmonize(expected, got)
  for i, item in ipairs(got) do
    local wanted = expected[i] or {}
    item.cached = nil
    if item.kind == "result" then
      item.name = nil
    elseif item.kind == "image" and item.data and not item.media_type then
      item.media_type = wanted.media_type
    elseif item.signature == "skip_thought_signature_validator" then
      item.signature = nil
    end
  end
  return got
end

local function check_asked(feature, client, ask, read)
  same(items_of(ask), harmonize(items_of(ask), read.items), "items")
  if client ~= "completions" then
    same({ ask.system }, read.system, "system")
  end
  if ask.tools then
    check(#read.tools == #ask.tools, "%d tools instead of %d", #read.tools, #ask.tools)
    for i, tool in ipairs(ask.tools) do
      same({ name = tool.name, description = tool.description, schema = tool.schema },
        { name = read.tools[i].name, description = read.tools[i].description, schema = read.tools[i].schema }, "tools")
    end
    check(read.choice == nil or read.choice == "auto", "a choice of tools that nobody made")
  end
  if ask.schema then
    same(ask.schema, read.schema, "schema")
  end
  if feature == "thinking" then
    check(read.thinks, "thinking was not asked for")
  else
    check(not read.thinks, "thinking was asked for")
  end
  for name, value in pairs(ask.params or {}) do
    if not (feature == "thinking" and name == "max_tokens") then -- may have to grow by the budget
      check(read.params[name] == value, "%s is %s", name, tostring(read.params[name]))
    end
  end
end

--- The request at the wire: read, or nil and the words in which it was refused.
local function sent(client, name, ask, fields)
  local body = dialects[client].request(ask)
  body = ask.escaped and escaped(body) or body
  local facts, complaint = wire.facts(body, client)
  if not facts then
    return nil, { "refused", complaint.param or complaint.kind }, body
  end
  check(facts.stream == (ask.stream or false), "facts say stream %s", tostring(facts.stream))
  local text, dropped = wire.encode(pair(client, name, with(fields or {}, { body = body })))
  if not text then
    check(dropped.kind == "unsupported_parameter" or dropped.kind == "invalid_parameter", "refused as %s", dropped.kind)
    check(dropped.message and dropped.param, "a refusal names the parameter and says why")
    return nil, { "refused", dropped.param }, body
  end
  local read = wires[name].read(json.decode(text))
  read.dropped, read.text = dropped, text
  return read, nil, body
end
cases.sent = sent

-- ------------------------------------------------------------------ the answer

local function joined(pieces)
  return table.concat(pieces or {})
end

local function expected_usage(vector, client)
  local function known(count)
    return count > 0 and count or 0
  end
  local read, written = known(vector.cache_read), known(vector.cache_write)
  return { prompt = vector.input + read + written, completion = vector.output, cached = read, written = written,
    reasoning = client == "anthropic" and 0 or known(vector.reasoning) }
end

local function check_said(client, name, said, heard, what)
  local dialect = dialects[client]
  if said.is_json then -- as a tool's arguments its members may come in another order
    same(json.decode(joined(said.text)), json.decode(heard.text), what .. ": text")
  else
    check(heard.text == joined(said.text), "%s: text is %q", what, heard.text)
  end
  if not dialect.no_finish then
    check(heard.finish == said.finish, "%s: finish is %s", what, tostring(heard.finish))
  end
  local reasoning = dialect.says.tools and joined(said.reasoning) or ""
  check(heard.reasoning == reasoning, "%s: reasoning is %q", what, heard.reasoning)
  check(#heard.calls == #(said.calls or {}), "%s: %d calls", what, #heard.calls)
  for i, one in ipairs(said.calls or {}) do
    local got = heard.calls[i]
    check(got.name == one.name, "%s: call %d is %s", what, i, got.name)
    check(one.id == nil or got.id == one.id, "%s: call %d has the id %s", what, i, tostring(got.id))
    same(json.decode(joined(one.arguments)), json.decode(got.arguments), what .. ": arguments")
  end
  if heard.usage or not (what == "streamed" and dialect.no_streamed_usage) then
    same(expected_usage(wires[name].usage, client), heard.usage, what .. ": usage")
  end
end

local SIGNED = { openai = { anthropic = true, bedrock = true }, anthropic = { anthropic = true, bedrock = true } }

--- A scripted answer, whole and streamed, to a request whose body is `body`. `as` writes JSON differently.
local function check_answer(client, name, scripted, expected, body, as)
  local dialect = dialects[client]
  local text = wires[name].answer(scripted)
  local answer = wire.answer(pair(client, name, { request = body, body = as and as(text) or text }))
  check(answer.ended and not answer.failure, "the whole answer failed: %s", answer.failure and answer.failure.message or "no end")
  same(wires[name].usage, answer.usage, "usage")
  local whole = dialect.read(answer.out)
  check_said(client, name, expected, whole, "whole")
  local pieces = wires[name].stream(scripted)
  for i = 1, as and name ~= "bedrock" and #pieces or 0 do -- whose frames have lengths
    pieces[i] = as(pieces[i])
  end
  local streamed = wire.answer(pair(client, name, { request = body, stream = true, pieces = pieces }))
  check(streamed.ended and not streamed.failure, "the stream failed: %s", streamed.failure and streamed.failure.message or "no end")
  same(answer.usage, streamed.usage, "usage, streamed")
  local heard = dialect.hear(streamed.out)
  check(heard.ended and not heard.error, "the client's stream has no end")
  check_said(client, name, expected, heard, "streamed")
  if expected.signature and (SIGNED[client] or {})[name] then
    check(whole.signature == expected.signature, "the signature is %s", tostring(whole.signature))
    check(heard.signature == expected.signature, "the signature, streamed, is %s", tostring(heard.signature))
  end
end

--- Where the schema became a tool the answer is a call of it.
local function scripted_for(read, feature)
  local said = SAYS[feature]
  if feature == "schema" and read.forced then
    return { calls = { { id = "call_7", name = read.forced, arguments = said.text } }, finish = "tool_calls" }
  end
  return said
end

-- ------------------------------------------------------------------ features

local run = {}

local function conversation(client, name, feature)
  local ask = ASKS[feature]
  if client == "completions" and feature == "text" then
    ask = with(ask, {})
    ask.system = nil
  end
  local read, refused, body = sent(client, name, ask)
  if not read then
    return refused
  elseif read.dropped ~= "" then
    return { "dropped", read.dropped }
  end
  check_asked(feature, client, ask, read)
  local streamed = check(sent(client, name, with(ask, { stream = true })))
  check(streamed.streams == nil or streamed.streams == true, "the stream was not asked for")
  check(not read.streams, "a stream was asked for")
  check_answer(client, name, scripted_for(read, feature), SAYS[feature], body)
  if feature == "text" then
    for _, finish in ipairs(wires[name].finishes) do
      local said = with(TEXT, { finish = finish })
      check_answer(client, name, said, said, body)
    end
  end
  return { "carried" }
end

for _, feature in ipairs { "text", "tools", "parallel", "results", "image", "image_url", "schema", "thinking" } do
  run[feature] = conversation
end

-- What is wished of the tools -> whether a wire was told so. The one tool that is left and must be called is a named one.
local WISHES = {
  { { choice = "required" }, function(read) return read.choice == "required" end },
  { { choice = "none" }, function(read) return read.choice == "none" or #read.tools == 0 end },
  { { named = "get_time" }, function(read)
    return read.choice == "get_time" or (read.choice == "required" and #read.tools == 1 and read.tools[1].name == "get_time")
  end },
}

function run.choice(client, name)
  local outcome = { "carried" }
  for _, wish in ipairs(WISHES) do
    local read, refused = sent(client, name, with({ turns = ASKS.tools.turns, tools = TOOLS }, wish[1]))
    if refused then
      check(refused[2] == "tool_choice", "a choice of tools is refused as %s", refused[2])
      outcome = refused
    elseif is_named(read.dropped, "tool_choice") then
      outcome = { "dropped", "tool_choice" }
    else
      check(wish[2](read), "a choice of tools is lost: %s", wish[1].choice or wish[1].named)
    end
  end
  return outcome
end

local played = {}

local function play(client, name, pieces)
  local key = client .. " " .. name
  played[key] = played[key] or pair(client, name, { stream = true, wants_end = true })
  played[key].pieces = pieces
  return wire.answer(played[key])
end

--- What a client hears of a stream: before the first content a failure is an answer of its own.
local function hear(client, answer)
  local failure = answer.failure
  if failure and not answer.content then
    return { text = "", error = dialects[client].refusal(failure.body) }
  end
  return dialects[client].hear((answer.out or "") .. (failure and failure.body or ""))
end

function run.stream(client, name)
  local raw = table.concat((wires[name].stream(SAYS.parallel)))
  if not dialects[client].says.tools then
    raw = table.concat((wires[name].stream(SAYS.text)))
  end
  local first
  local ways = stream.cuts(raw)
  for i = 1, #ways do
    if client == "openai" or i % 5 == 1 or i == #ways then -- what the wire's reader makes of it is the same for every client
      local answer = play(client, name, ways[i])
      first = first or answer.out
      check(answer.ended and answer.out == first, "cut at %d the stream says something else", #ways[i][1])
    end
  end
  return { "carried" }
end

-- By failure.kind: the status a client of that dialect sees, and the class.
local STATUSES = {
  openai = { rate_limited = 429, auth = 401, context_length = 400, overloaded = 503 },
  anthropic = { rate_limited = 429, auth = 500, context_length = 400, overloaded = 529 },
}
local TYPES = {
  openai = { rate_limited = "rate_limit_error", auth = "authentication_error", context_length = "invalid_request_error", overloaded = "server_error" },
  anthropic = { rate_limited = "rate_limit_error", auth = "api_error", context_length = "invalid_request_error", overloaded = "overloaded_error" },
}

local function check_refusal(client, name, refusal)
  local family = client == "anthropic" and client or "openai"
  local status, type = STATUSES[family][refusal.kind], TYPES[family][refusal.kind]
  if refusal.status == 403 and family == "openai" then -- a provider that says "forbidden" of its key
    status, type = 403, "permission_error"
  end
  local answer = wire.answer(pair(client, name, { status = refusal.status, body = refusal.body, headers = refusal.headers or {} }))
  local failure = check(answer.failure, "a refusal that is none")
  check(failure.kind == refusal.kind, "%s is taken for %s", refusal.kind, failure.kind)
  check(failure.status == status, "%s has the status %d", refusal.kind, failure.status)
  check(dialects[client].refusal(failure.body).type == type, "%s has the type %s", refusal.kind, failure.body)
  if refusal.kind == "rate_limited" and (refusal.headers or {})["x-amzn-errortype"] == nil then
    check(failure.retry_after_s == 7, "the hint to wait is %s", tostring(failure.retry_after_s))
  end
end

run["error"] = function(client, name)
  for _, refusal in ipairs(wires[name].refusals) do
    check_refusal(client, name, refusal)
  end
  local pieces = wires[name].stream(TEXT)
  for before = 0, #pieces - 1 do
    local broken = table.move(pieces, 1, before, 1, {})
    broken[before + 1] = wires[name].breaks
    local answer = play(client, name, broken)
    if not (answer.ended and before >= #pieces - 2) then -- behind the end marker nothing is read
      check(answer.failure and not answer.ended, "an error after %d events is no failure", before)
      local heard = hear(client, answer)
      check(heard.error and not heard.ended, "an error after %d events ends well", before)
      check(joined(TEXT.text):sub(1, #heard.text) == heard.text, "a text that was never said: %q", heard.text)
    end
  end
  return { "carried" }
end

function run.cut(client, name)
  local said = dialects[client].says.tools and SAYS.parallel or SAYS.text
  local pieces, whole_at = wires[name].stream(said)
  local raw = table.concat(pieces)
  for len = 0, #raw - 1, client == "openai" and 1 or 5 do
    local answer = play(client, name, { raw:sub(1, len) })
    if len < whole_at then
      check(not answer.ended, "an end after %d of %d bytes", len, whole_at)
      local heard = hear(client, answer)
      check(heard.error and not heard.ended, "cut at %d the client's stream ends well", len)
    end
  end
  check(play(client, name, { raw }).ended, "the whole stream has no end")
  return { "carried" }
end

local outcomes = {}

local function run_once(client, name, feature)
  local key = client .. " " .. name .. " " .. feature
  outcomes[key] = outcomes[key] or run[feature](client, name, feature)
  return outcomes[key]
end

--- One case, run once. What a dialect cannot say is not asked, but it is tried: it must be refused by name, never taken for said.
function cases.run(client, name, feature)
  if dialects[client].says[NEEDS[feature]] then
    return run_once(client, name, feature)
  end
  local outcome = { "unsaid" }
  if feature == "tools" then
    local read, refused = sent(client, name, ASKS.tools)
    check(not read and refused[2] == "tools", "tools that the dialect cannot answer with are not refused")
    outcome[2] = "tools"
  end
  return outcome
end

-- ------------------------------------------------------------------ the same wire on both sides

--- The client's own bytes with edits: the wire's reader finds the same in them, and the answer goes back as it came.
function cases.run_same(client, feature)
  local ask = ASKS[feature]
  local body = dialects[client].request(ask)
  local asked = pair(client, client, { foreign = false, body = body })
  local edited = check(wire.edited(asked), "no edits")
  local read = wires[client].read(json.decode(edited))
  check(read.model == wires[client].model, "the model is %s", tostring(read.model))
  check_asked(feature, client, ask, read)
  if wire.passes(asked) then
    local raw = table.concat((wires[client].stream(SAYS[feature])))
    local answer = wire.answer(with(asked, { stream = true, pass = true, pieces = { raw } }))
    check(answer.ended and answer.out == raw, "the bytes are not those that came")
    same(wires[client].usage, answer.usage, "usage")
    check_said(client, client, SAYS[feature], dialects[client].hear(answer.out), "passed")
  end
end

-- ------------------------------------------------------------------ the same in other bytes

--- A request and an answer whose JSON is all escapes say the same.
function cases.run_escaped(client, name, feature)
  if not dialects[client].says[NEEDS[feature]] then
    return
  end
  local ask = with(ASKS[feature], { escaped = true })
  ask.system = client ~= "completions" and ask.system or nil
  local read, _, body = sent(client, name, ask)
  if read then
    check_asked(feature, client, ask, read)
    check_answer(client, name, scripted_for(read, feature), SAYS[feature], body, escaped)
  end
end

--- OpenAI's wire may bring the pieces of two calls by turns; a client whose dialect has them one after the other gets them so.
function cases.run_by_turns(client)
  local pieces = wires.openai.stream(SAYS.parallel)
  local calls, at = { {}, {} }, nil
  for i = #pieces, 1, -1 do
    if pieces[i]:find('"tool_calls":[', 1, true) then
      local delta = json.decode(pieces[i]:sub(7)).choices[1].delta.tool_calls[1]
      table.insert(calls[delta.index + 1], 1, table.remove(pieces, i))
      at = i
    end
  end
  for i = math.max(#calls[1], #calls[2]), 1, -1 do
    for index = 2, 1, -1 do
      if calls[index][i] then
        table.insert(pieces, at, calls[index][i])
      end
    end
  end
  local answer = play(client, "openai", pieces)
  check(answer.ended and not answer.failure, "the stream failed")
  check_said(client, "openai", SAYS.parallel, dialects[client].hear(answer.out), "streamed")
end

-- ------------------------------------------------------------------ parameters, one at a time

cases.params = { max_tokens = 77, temperature = 0.25, top_p = 0.5, stop = { "END" }, seed = 7, presence_penalty = 0.5, frequency_penalty = 0.25,
  logit_bias = { ["50256"] = -1 }, logprobs = true, top_logprobs = 2, n = 2, user = "user-1", metadata = { team = "ml" }, service_tier = "flex",
  verbosity = "low", parallel_tool_calls = false, prompt_cache_key = "key-1", store = false, unheard_of = "x" }

cases.params.top_k = 5

--- Parameters that a dialect has, in order.
function cases.params_of(client)
  local list = {}
  for name in pairs(cases.params) do
    if not dialects[client].params or dialects[client].params[name] then
      list[#list + 1] = name
    end
  end
  table.sort(list)
  return list
end

--- One parameter at a wire: "carried", "dropped" by name, or "refused" by name; anything else raises.
function cases.run_param(client, name, param)
  local ask = { turns = { user { text = "Hi" } }, params = { [param] = cases.params[param] } }
  if param == "parallel_tool_calls" then
    ask.tools = TOOLS
  elseif param == "top_logprobs" then
    ask.params.logprobs = true
  end
  local ok, read, refused = pcall(sent, client, name, ask)
  if not ok and name == "openai" and read:find "a field this provider does not know" then
    return { "carried" } -- OpenAI's own and what it may add: passed on
  end
  check(ok, "%s", tostring(read))
  local own = (dialects[client].params or {})[param] or param
  if refused then
    check(refused[2] == param or refused[2] == own, "%s is refused as %s", param, refused[2])
    return refused
  end
  local named, carried = is_named(read.dropped, param) or is_named(read.dropped, own), read.params[param] ~= nil
  check(named or carried, "%s is lost; dropped: %q", param, read.dropped)
  check(not (named and carried), "%s is sent and said to be dropped", param)
  return { named and "dropped" or "carried", param }
end

return cases
