--- Long conversations with interleaved thinking and parallel tools: every turn's answer goes back as the client's SDK gives it back, and all that was ever
-- said stands in the next request byte for byte: texts, signatures, ids, arguments, cache markers. When the provider changes in between, the
-- signatures of the one are not sent to the other.
--
-- Conversations are drawn from seeds; a failure names its own.

-- Asked for by the million, and busted looks a global up in all its contexts.
local assert, ipairs, setmetatable, table = assert, ipairs, setmetatable, table

local cases = require "providers.matrix_cases"
local cjson = require "cjson"
local dialects = require "support.dialects"
local wire = require("gateway.runtime").wire
local wires = require "support.wires"

local json = cjson.new()
json.decode_max_depth(200)

local SEEDS, TURNS = 12, 5

local function assert_same(expected, got, seed, turn)
  if cases.differ(expected, got, "items") then
    assert.same(expected, got, ("seed %d, turn %d"):format(seed, turn))
    error(cases.differ(expected, got, "items"))
  end
end

-- ------------------------------------------------------------------ drawing

local Draw = {}
Draw.__index = Draw

local function draw_from(seed)
  return setmetatable({ state = seed * 2654435761 + 1 }, Draw)
end

function Draw:upto(n)
  self.state = self.state * 6364136223846793005 + 1442695040888963407
  return ((self.state >> 33) % n) + 1
end

function Draw:text(alphabet, len)
  local out, state, size = {}, self.state, #alphabet
  for i = 1, len do -- as upto does
    state = state * 6364136223846793005 + 1442695040888963407
    out[i] = alphabet[(state >> 33) % size + 1]
  end
  self.state = state
  return table.concat(out)
end

local WORDS = { "a ", "Oslo ", "\"q\" ", "\\ ", "\n", "ü", "☃", "😀", "\t", "</script> ", "0 ", "\u{7f}", "x" }
local BASE64, NAMES = {}, {}
for byte in ("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"):gmatch "." do
  BASE64[#BASE64 + 1] = byte
  if byte:find "%w" then
    NAMES[#NAMES + 1] = byte
  end
end

--- Said in pieces, not empty and not blank at either end.
function Draw:pieces()
  local pieces = { "(" .. self:text(WORDS, self:upto(4)) }
  for _ = 1, self:upto(3) do
    pieces[#pieces + 1] = self:text(WORDS, self:upto(5))
  end
  pieces[#pieces + 1] = ")"
  return pieces
end

function Draw:signature()
  return self:text(BASE64, 20 + self:upto(200)) .. "=="
end

function Draw:call(tool)
  local value = json.encode(self:text(WORDS, self:upto(6)))
  local cut = self:upto(#value)
  while value:byte(cut + 1) and value:byte(cut + 1) & 0xc0 == 0x80 do -- providers cut between characters
    cut = cut + 1
  end
  return { id = "toolu_" .. self:text(NAMES, 8 + self:upto(20)), name = tool, arguments = { '{"city":' .. value:sub(1, cut), value:sub(cut + 1) .. "}" } }
end

-- Which providers think aloud between calls with a signature of their own, and which sign calls.
local CLAUDE = { anthropic = true, bedrock = true }

--- One answer: thinking, text, calls; thinking again between the calls where the provider does so.
function Draw:answer(name, last)
  local blocks, signatures = {}, {}
  local function think()
    local block = { reasoning = self:pieces(), signature = self:signature() }
    blocks[#blocks + 1] = block
    if CLAUDE[name] then
      signatures[#signatures + 1] = block.signature
    end
  end
  think()
  blocks[#blocks + 1] = { text = self:pieces() }
  local calls = {}
  for i = 1, last and 0 or 1 + self:upto(3) do
    if i > 1 and CLAUDE[name] and self:upto(2) == 1 then
      think()
    end
    calls[i] = self:call(i % 2 == 1 and "get_weather" or "get_time")
    if name == "gemini" and i == 1 then
      calls[i].signature = self:signature()
      signatures[#signatures + 1] = calls[i].signature
    end
    blocks[#blocks + 1] = { call = calls[i] }
  end
  return { blocks = blocks, finish = last and "stop" or "tool_calls" }, calls, signatures
end

-- ------------------------------------------------------------------ holding the conversation

local MARK = { type = "ephemeral", ttl = "1h" }
local CITY = { type = "object", properties = { city = { type = "string" } }, required = { "city" }, additionalProperties = false }

local function new_ask()
  return {
    system = "Be brief.", system_cached = MARK, effort = "low", params = { max_tokens = 8000 },
    tools = { { name = "get_weather", description = "Weather", schema = CITY }, { name = "get_time", description = "Time", schema = CITY, cached = MARK } },
    turns = { { role = "user", parts = { { text = "Weather and time?" }, { text = "A long document.", cached = MARK } } } },
  }
end

local MODELS = { gemini = "gemini-3.5-flash" }

--- Says the answer, whole or streamed, and has the client take it into its conversation.
local function take(draw, client, name, ask, last)
  local said, calls, signatures = draw:answer(name, last)
  local streamed = draw:upto(2) == 1
  local id = ("%016x%016x"):format(draw:upto(1 << 30), draw:upto(1 << 30)) -- every request has its own
  local call = cases.pair(client, name, { model = MODELS[name], request = dialects[client].request(ask), stream = streamed, id = id })
  if streamed then
    call.pieces = wires[name].stream(said)
  else
    call.body = wires[name].answer(said)
  end
  local answer = wire.answer(call)
  assert(answer.ended and not answer.failure, answer.failure and answer.failure.message)
  local heard = dialects[client][streamed and "hear" or "read"](answer.out)
  local results = {}
  for i, one in ipairs(calls) do
    results[i] = { id = heard.calls[i].id, text = table.concat(draw:pieces()) }
    assert(heard.calls[i].name == one.name)
  end
  dialects[client].reply(ask, heard, results)
  return said, results, signatures
end

--- The flat list that stands in the request for what was said and answered.
local function remember(items, said, results)
  for _, block in ipairs(said.blocks) do
    if block.reasoning then
      items[#items + 1] = { kind = "reasoning", text = table.concat(block.reasoning), signature = block.signature }
    elseif block.text then
      items[#items + 1] = { kind = "text", role = "assistant", text = table.concat(block.text) }
    else
      items[#items + 1] = { kind = "call", id = block.call.id, name = block.call.name, arguments = json.decode(table.concat(block.call.arguments)),
        signature = block.call.signature }
    end
  end
  for _, result in ipairs(results) do
    items[#items + 1] = { kind = "result", id = result.id, text = result.text }
  end
end

--- OpenAI's message has one list of thinking blocks and one of calls: the order between the two lists is not its own.
local function thinking_first(items)
  local list, turn = {}, {}
  local function flush()
    for _, reasoning in ipairs { true, false } do
      for _, item in ipairs(turn) do
        if (item.kind == "reasoning") == reasoning then
          list[#list + 1] = item
        end
      end
    end
    turn = {}
  end
  for _, item in ipairs(items) do
    if item.kind == "result" then
      flush()
      list[#list + 1] = item
    else
      turn[#turn + 1] = item
    end
  end
  flush()
  return list
end

local function without(items, kind)
  local list = {}
  for _, item in ipairs(items) do
    if item.kind ~= kind then
      list[#list + 1] = item
    end
  end
  return list
end

local FIRST = { kind = "text", role = "user", text = "Weather and time?|A long document." }

--- What `name` must be told of the conversation so far when it said everything itself.
local function expected_at(client, name, items)
  local list = { FIRST }
  table.move(client == "openai" and thinking_first(items) or items, 1, #items, 2, list)
  return name == "gemini" and without(list, "reasoning") or list -- Google takes signatures of calls back, not thoughts
end

local function request_at(client, name, ask)
  local read, refused = cases.sent(client, name, ask, { model = MODELS[name] })
  assert(read, refused and "refused: " .. refused[2])
  return read
end

local function plain(items)
  for _, item in ipairs(items) do
    item.cached, item.is_error = nil, nil
    if item.kind == "result" then
      item.name = nil
    end
  end
  return items
end

local CACHED = {
  anthropic = MARK, bedrock = { type = "default", ttl = "1h" },
}

local function check_marks(name, read)
  assert.same(CACHED[name], read.items[1].cached)
  assert.same(CACHED[name], read.tools[2].cached)
  assert.same(CACHED[name], read.system_cached)
end

local THINKERS = { "anthropic", "bedrock", "gemini" }
-- Dialects in which a client can give signatures back.
local SIGNING = { "openai", "anthropic", "responses" }

--- Gemini 3 refuses a turn whose first call is not signed: by Google's own signature or by the word that stands for none.
local function check_signed(items)
  local before
  for _, item in ipairs(items) do
    if item.kind == "call" and before ~= "call" then
      assert.is_string(item.signature)
    end
    before = item.kind
  end
end

local function has(list, name)
  for _, other in ipairs(list) do
    if other == name then
      return true
    end
  end
  return false
end

for _, client in ipairs(SIGNING) do
  for _, name in ipairs(THINKERS) do
    if has(cases.clients, client) and has(cases.wires, name) then
      it(("%s with %s: %d turns, byte for byte"):format(client, name, TURNS), function()
        for seed = 1, SEEDS do
          local draw, ask, items = draw_from(seed), new_ask(), {}
          for turn = 1, TURNS do
            remember(items, take(draw, client, name, ask, turn == TURNS))
            local read = request_at(client, name, ask)
            if CACHED[name] and client ~= "responses" then -- which has no words for them
              check_marks(name, read)
            end
            assert_same(expected_at(client, name, items), plain(read.items), seed, turn)
          end
        end
      end)
    end
  end
end

local function contains_any(text, signatures)
  for _, signature in ipairs(signatures) do
    local escaped = signature:gsub("/", "\\/")
    if text:find(signature, 1, true) or text:find(escaped, 1, true) then
      return signature
    end
  end
end

--- Calls and results keep their pairs, whatever their ids are at the new provider.
local function pairs_of(items)
  local calls, open = {}, {}
  for _, item in ipairs(items) do
    if item.kind == "call" then
      calls[#calls + 1] = { item.name, item.arguments }
      open[#open + 1] = item.id
    elseif item.kind == "result" then
      local called = table.remove(open, 1)
      if called ~= item.id then
        assert.equal(called, item.id)
      end
      calls[#calls + 1] = item.text
    end
  end
  return calls
end

for _, client in ipairs(SIGNING) do
  for _, name in ipairs { "gemini", "ollama" } do
    if has(cases.clients, client) and has(cases.wires, name) then
      it(("%s with %s: calls without ids get ids of their own, and keep them"):format(client, name), function()
        for seed = 1, SEEDS do
          local draw, ask, seen = draw_from(2000 + seed), new_ask(), {}
          function draw:call(tool)
            local call = Draw.call(self, tool)
            call.id = nil
            return call
          end
          for _ = 1, 3 do
            local _, results = take(draw, client, name, ask)
            for _, result in ipairs(results) do
              assert.matches("^[%w_-]+$", result.id)
              assert.is_nil(seen[result.id])
              seen[result.id] = true
            end
            local read = request_at(client, name, ask)
            pairs_of(read.items)
          end
        end
      end)
    end
  end
end

for _, client in ipairs(SIGNING) do
  for _, from in ipairs(THINKERS) do
    for _, to in ipairs(wires.names) do
      if from ~= to and has(cases.clients, client) and has(cases.wires, from) and has(cases.wires, to) then
        it(("%s: from %s to %s at turn three, without the signatures of the first"):format(client, from, to), function()
          for seed = 1, SEEDS do
            local draw, ask, items, old = draw_from(1000 + seed), new_ask(), {}, {}
            for turn = 1, TURNS do
              local name = turn < 3 and from or to
              local said, results, signatures = take(draw, client, name, ask, turn == TURNS)
              remember(items, said, results)
              if turn < 3 then
                table.move(signatures, 1, #signatures, #old + 1, old)
              end
              if turn >= 2 then
                local read = request_at(client, to, ask)
                if not (CLAUDE[from] and CLAUDE[to]) then
                  local edited = wire.edited(cases.pair(client, to, { foreign = false, body = dialects[client].request(ask) }))
                  assert.is_nil(contains_any(read.text .. (edited or ""), old), ("seed %d, turn %d"):format(seed, turn))
                end
                assert_same(pairs_of(items), pairs_of(read.items), seed, turn)
                if to == "gemini" then
                  check_signed(read.items)
                end
              end
            end
          end
        end)
      end
    end
  end
end

it("Google's own OpenAI endpoint gets its signatures back as they came, no other one does", function()
  local body = json.encode { model = "asked", messages = { { role = "user", content = "u" }, { role = "assistant", content = cjson.null, tool_calls = {
    { id = "a", type = "function", extra_content = { google = { thought_signature = "c2ln" } }, ["function"] = { name = "f", arguments = "{}" } } } },
    { role = "tool", tool_call_id = "a", content = "1" } } }
  local google = wire.edited { client = "openai", vendor = "openai", model = "gemini-3.5-flash", body = body,
    origin = "https://generativelanguage.googleapis.com" }
  assert.matches('"c2ln"', google)
  local call = { client = "openai", vendor = "openai", model = "gpt-4o", body = body, origin = "https://api.openai.com" }
  assert.is_nil(wire.edited(call))
  assert.is_nil((wire.encode(call)):find("c2ln", 1, true))
end)
