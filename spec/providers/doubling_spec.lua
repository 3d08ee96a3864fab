--- One body stops a worker: what a list costs must grow as the list does, in every dialect, asked and answered, whole and streamed.
--
-- Each list is read (and written for every wire) eight times as long: that may take sixteen times as long, no more. A list that is walked for each of its
-- members takes sixty-four times as long. Only ratios of CPU time count, the least of several tries, so that a busy machine changes nothing.
-- LENGTH=n: the longer lists have n members (4,000; `make night`: 32,000), and every wire is tried, not one of them for each list.
-- SPDX-License-Identifier: MIT
local long_answers = require "support.long_answers"
local long_requests = require "support.long_requests"
local wire = require("gateway.runtime").wire

local LENGTH = math.tointeger(tonumber(os.getenv "LENGTH" or "4000"))
local ALL = os.getenv "LENGTH" ~= nil
local TIMES, MAX_RATIO, TRIES = 8, 16, 8

--- Seconds of CPU, the least of a few.
local function seconds(run, subject, tries)
  local best = math.huge
  for _ = 1, tries do
    collectgarbage "stop"
    local began = os.clock()
    run(subject)
    best = math.min(best, os.clock() - began)
    collectgarbage "restart"
  end
  return best
end

--- How many times as long the longer one takes. What is noise on the way goes with more tries.
local function ratio(run, short, long)
  local few, many = seconds(run, short, 3), seconds(run, long, 1)
  for _ = 1, TRIES do
    if many / few <= MAX_RATIO then
      break
    end
    collectgarbage()
    few, many = math.min(few, seconds(run, short, 5)), math.min(many, seconds(run, long, 2))
  end
  return many / few
end

local function grows_as_the_list(name, run, short, long)
  local found = ratio(run, short, long)
  assert.is_truthy(found <= MAX_RATIO, ("%s: %d times as much takes %.0f times as long"):format(name, TIMES, found))
end

--- In the short form one of them, each time another.
local turn = 0
local function some(names)
  turn = turn + 1
  return ALL and names or { names[turn % #names + 1] }
end

local WIRES = { "openai", "anthropic", "gemini", "cohere", "ollama", "bedrock" }
local MODELS = { openai = "gpt-4o", anthropic = "claude-sonnet-4-5", gemini = "gemini-2.0-flash", cohere = "command-a", ollama = "q",
  bedrock = "anthropic.claude-3" }

local function encode(case, vendor, body)
  return wire.encode { client = case.client, vendor = vendor, foreign = true, model = MODELS[vendor], body = body }
end

describe("what a request's lists cost grows as they do", function()
  for _, case in ipairs(long_requests) do
    it(case.name, function()
      local short, long = case.make(LENGTH // TIMES), case.make(LENGTH)
      assert(wire.facts(short, case.client))
      grows_as_the_list("facts", function(body) wire.facts(body, case.client) end, short, long)
      local taken = 0
      for _, vendor in ipairs(case.to or WIRES) do
        local made, complaint = encode(case, vendor, case.make(2))
        assert(made or complaint.kind == "unsupported_parameter", complaint and complaint.message)
        taken = taken + (made and 1 or 0)
      end
      assert.is_truthy(taken > 0 or case.to and #case.to == 0, "no wire takes it")
      for _, vendor in ipairs(some(case.to and #case.to > 0 and case.to or WIRES)) do
        grows_as_the_list(vendor, function(body) encode(case, vendor, body) end, short, long)
      end
    end)
  end
end)

describe("what an answer's lists cost grows as they do", function()
  for _, case in ipairs(long_answers) do
    it(case.name, function()
      local function answer(said, client)
        return wire.answer { client = client, vendor = case.vendor, foreign = case.foreign, model = "m", stream = case.stream, include_usage = true,
          pieces = case.stream and said or nil, body = not case.stream and said or nil, id = ("0"):rep(32), request = case.request }
      end
      for _, client in ipairs(case.clients) do
        local one = answer(case.make(2), client)
        assert.is_truthy(one.ended and not one.failure, one.failure and one.failure.message)
      end
      local short, long = case.make(LENGTH // TIMES), case.make(LENGTH)
      for _, client in ipairs(some(case.clients)) do
        grows_as_the_list("for " .. client, function(said) answer(said, client) end, short, long)
      end
    end)
  end
end)

describe("what makes no sense in greater numbers", function()
  local function body(count, frame)
    local members = {}
    for i = 1, count do
      members[i] = ('"k%d":1'):format(i)
    end
    return frame:format(table.concat(members, ","))
  end
  local FRAMES = {
    openai = '{"model":"m","messages":[{"role":"user","content":"hi"}],%s}',
    simple = '{"messages":[{"role":"user","content":"hi"}],%s}',
    anthropic = '{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"hi"}],%s}',
    count_tokens = '{"model":"m","messages":[{"role":"user","content":"hi"}],%s}',
    responses = '{"model":"m","input":"hi",%s}',
  }
  for client, frame in pairs(FRAMES) do
    it("is refused by name: unknown members, in " .. client, function()
      local case = { client = client }
      assert.is_truthy(encode(case, "gemini", body(256, frame)))
      local made, complaint = encode(case, "gemini", body(257, frame))
      assert.is_nil(made)
      assert.equal("k257", complaint.param)
      assert.matches("256", complaint.message)
    end)
  end

  it("is refused by name: files for a provider that takes few", function()
    local function files(count)
      local list = {}
      for i = 1, count do
        list[i] = ('{"type":"file","file":{"filename":"f%d.pdf","file_data":"data:application/pdf;base64,AAAA"}}'):format(i)
      end
      return '{"model":"m","messages":[{"role":"user","content":[' .. table.concat(list, ",") .. "]}]}"
    end
    assert.is_truthy(encode({ client = "openai" }, "bedrock", files(100)))
    local made, complaint = encode({ client = "openai" }, "bedrock", files(101))
    assert.is_nil(made)
    assert.equal("messages", complaint.param)
    assert.matches("more than 100", complaint.message)
  end)

  it("is refused by name: a schema that every level of it looks through again", function()
    local function schema(bytes)
      local deep = ('{"type":"object","properties":{"a":'):rep(25) .. '{"type":"string","description":"' .. ("x"):rep(bytes) .. '"}' .. ("}}"):rep(25)
      return '{"model":"m","messages":[{"role":"user","content":"hi"}],"reasoning_effort":"low",'
        .. '"response_format":{"type":"json_schema","json_schema":{"name":"s","schema":' .. deep .. "}}}"
    end
    for vendor, model in pairs { anthropic = "claude-sonnet-4-5", bedrock = "anthropic.claude-sonnet-4-5" } do
      local function ask(bytes)
        return wire.encode { vendor = vendor, model = model, body = schema(bytes) }
      end
      assert.is_truthy(ask(1000000))
      local made, complaint = ask(1100000)
      assert.is_nil(made)
      assert.same({ "response_format", "the schema is too large for this model: more than 1 MB" }, { complaint.param, complaint.message })
    end
  end)
end)

describe("tools that may be called", function()
  local TOOLS = '"tools":[{"type":"function","function":{"name":"a"}},{"type":"function","function":{"name":"b"}},{"type":"function","function":{"name":"ab"}}]'
  it("are those of the list, by their whole names", function()
    local made = assert(encode({ client = "openai" }, "anthropic", '{"model":"m","messages":[{"role":"user","content":"x"}],' .. TOOLS .. [[,
      "tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"auto","tools":[{"type":"function","function":{"name":"ab"}},
      {"type":"function","function":{"name":"c"}}]}}}]]))
    assert.is_truthy(made:find('"name":"ab"', 1, true))
    assert.is_nil(made:find('"name":"a"', 1, true))
    assert.is_nil(made:find('"name":"b"', 1, true))
  end)

  it("are held in no more memory than the tools take, however long the list is", function()
    local list = ('{"type":"function","function":{"name":"c"}},'):rep(600000) .. '{"type":"function","function":{"name":"b"}}'
    local made = assert(encode({ client = "openai" }, "anthropic", '{"model":"m","messages":[{"role":"user","content":"x"}],' .. TOOLS
      .. ',"tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"auto","tools":[' .. list .. "]}}}"))
    assert.is_truthy(made:find('"name":"b"', 1, true))
    assert.is_nil(made:find('"name":"a"', 1, true))
  end)
end)
