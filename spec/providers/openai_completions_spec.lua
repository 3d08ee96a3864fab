--- The dialects that answer with one text, POST /v1/completions and POST /completion: what they cannot say is refused, never lost.

local cjson = require "cjson"
local stream = require "support.stream"
local wire = require("gateway.runtime").wire

local json = cjson.new()

local function chunk(delta, finish)
  return ('data: {"id":"chatcmpl-1","created":7,"model":"gpt-x","choices":[{"index":0,"delta":%s,"finish_reason":%s}]}\n\n'):format(delta,
    finish and '"' .. finish .. '"' or "null")
end
local DONE = "data: [DONE]\n\n"
local CALL = '{"tool_calls":[{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":"{}"}}]}'

local function streamed(client, text)
  return wire.answer { client = client, vendor = "groq", model = "m", id = ("0"):rep(32), stream = true, pieces = { text }, wants_end = true }
end

local function whole(client, message, finish)
  return wire.answer { client = client, vendor = "groq", model = "m", id = ("0"):rep(32), body =
    ('{"id":"c","created":7,"model":"gpt-x","choices":[{"index":0,"message":%s,"finish_reason":"%s"}],"usage":{"prompt_tokens":3,"completion_tokens":2}}')
      :format(message, finish or "stop") }
end

for _, client in ipairs { "completions", "simple" } do
  describe(client, function()
    it("fail where the provider calls a tool that it was not given", function()
      local calls = '{"role":"assistant","content":"a","tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{}"}}]}'
      for _, got in ipairs { streamed(client, chunk(CALL) .. chunk("{}", "tool_calls") .. DONE), whole(client, calls, "tool_calls"),
        streamed(client, chunk '{"content":"a"}' .. chunk(CALL) .. chunk("{}", "tool_calls") .. DONE) } do
        assert.is_false(got.ended)
        assert.same({ "unavailable", "the provider called a tool that it was not given" }, { got.failure.kind, got.failure.message })
        assert.is_nil((got.out or ""):find("[DONE]", 1, true))
      end
    end)

    it("say a refusal", function()
      local got = json.decode(whole(client, '{"role":"assistant","content":null,"refusal":"I will not"}').out)
      assert.equal("I will not", client == "simple" and got.content or got.choices[1].text)
      local text = {}
      for _, event in ipairs(stream.events(streamed(client, chunk '{"refusal":"I "}' .. chunk '{"refusal":"will not"}' .. chunk("{}", "stop") .. DONE).out)) do
        text[#text + 1] = event.data ~= "[DONE]" and (event.data.content or event.data.choices[1].text) or nil
      end
      assert.equal("I will not", table.concat(text))
    end)
  end)
end

describe("the number of answers", function()
  it("is refused where no model makes that many", function()
    for _, client in ipairs { "openai", "completions" } do
      local body = '{"model":"m","messages":[{"role":"user","content":"a"}],"prompt":"a","n":%s}'
      assert.equal(3, assert(wire.facts(body:format "3", client)) and 3)
      assert.truthy(wire.facts(body:format "128", client))
      for _, n in ipairs { "129", "9223372036854775807", "0", "-1", "1.5", '"2"' } do
        local got, why = wire.facts(body:format(n), client)
        assert.is_nil(got)
        assert.same({ "invalid_parameter", "n" }, { why.kind, why.param }, n)
      end
    end
  end)
end)
