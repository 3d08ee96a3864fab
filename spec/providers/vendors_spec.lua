--- Each vendor's quirks, on one request that has everything in it.

local cjson = require "cjson"
local wire = require("gateway.runtime").wire

local json = cjson.new()

local FULL = [[{"model":"x","messages":[{"role":"developer","content":"d"},{"role":"user","content":"u"}],"max_completion_tokens":5,"seed":3,
  "user":"someone","logprobs":true,"top_logprobs":2,"logit_bias":{"1":2},"presence_penalty":0.5,"stop":["a","b"],"store":false,"metadata":{"a":"b"},
  "own_field":[1],"routing_strategy":"weighted","fallback":false,"stream":true,"stream_options":{"include_usage":false}}]]

local function sent(vendor, body)
  local text, dropped = wire.encode { body = body or FULL, vendor = vendor, model = "m" }
  assert.is_string(text)
  local names = {}
  for name in dropped:gmatch "[^, ]+" do
    names[name] = true
  end
  return json.decode(text), names
end

-- Wires whose model and whose wish for a stream stand in the path.
local IN_PATH = { bedrock = true, gemini = true }

describe("a vendor", function()
  it("is known by its name and by its prefixes", function()
    local names = {}
    for _, name in ipairs(wire.vendors()) do
      assert.is_nil(names[name], name .. " twice")
      names[name] = true
    end
    for _, name in ipairs { "openai", "anthropic", "mock", "groq", "together", "mistral", "openrouter", "deepseek", "xai", "vllm", "github" } do
      assert.is_true(names[name], name)
    end
    for _, name in ipairs { "together_ai", "hosted_vllm" } do
      assert.equal("m", sent(name).model)
    end
    assert.has_error(function()
      sent "nobody"
    end, "unknown vendor")
  end)

  it("never hears of the gateway's own fields", function()
    for _, name in ipairs(wire.vendors()) do
      local body = sent(name)
      if not IN_PATH[wire.vendor(name).wire] then
        assert.equal("m", body.model)
        assert.is_true(body.stream)
      end
      assert.is_nil(body.routing_strategy)
      assert.is_nil(body.fallback)
    end
  end)
end)

describe("openai", function()
  it("gets everything as it was", function()
    local body, dropped = sent "openai"
    local want = json.decode(FULL)
    want.model, want.routing_strategy, want.fallback, want.stream_options = "m", nil, nil, { include_usage = true }
    assert.same(want, body)
    assert.same({}, dropped)
  end)
end)

describe("mistral", function()
  it("gets nothing it would refuse, and is told so by name", function()
    local body, dropped = sent "mistral"
    assert.same({
      model = "m", messages = { { role = "system", content = "d" }, { role = "user", content = "u" } }, max_tokens = 5, random_seed = 3,
      presence_penalty = 0.5, stop = { "a", "b" }, metadata = { a = "b" }, stream = true,
    }, body)
    assert.same({ user = true, logprobs = true, top_logprobs = true, logit_bias = true, store = true, own_field = true }, dropped)
  end)

  it("gets ids of nine, the same for a call and its result", function()
    local function ids(id)
      local body = sent("mistral", ([[{"model":"x","messages":[{"role":"user","content":"u"},
        {"role":"assistant","content":null,"tool_calls":[{"id":"%s","type":"function","function":{"name":"f","arguments":"{}"}}]},
        {"role":"tool","tool_call_id":"%s","content":"r"}]}]]):format(id, id))
      assert.equal("", body.messages[2].content)
      return body.messages[2].tool_calls[1].id, body.messages[3].tool_call_id
    end
    for _, id in ipairs { "call_0123456789abcdef", "", "short", "toolu_01-x" } do
      local call, result = ids(id)
      assert.equal(call, result)
      assert.matches("^%w%w%w%w%w%w%w%w%w$", call)
    end
    assert.not_equal(ids "call_a", ids "call_b")
    assert.equal("abcDEF123", (ids "abcDEF123"))
  end)
end)

describe("others", function()
  it("get max_tokens where they know no other name", function()
    for _, name in ipairs { "together", "mistral", "deepseek" } do
      local body = sent(name)
      assert.equal(5, body.max_tokens, name)
      assert.is_nil(body.max_completion_tokens)
    end
    for _, name in ipairs { "openai", "groq", "openrouter", "xai", "vllm" } do
      assert.equal(5, sent(name).max_completion_tokens, name)
    end
  end)

  it("get system where they know no developer", function()
    for name, role in pairs { mistral = "system", deepseek = "system", vllm = "system", openai = "developer" } do
      assert.equal(role, sent(name).messages[1].role, name)
    end
  end)

  it("are asked for usage where that is not refused", function()
    for name, asked in pairs { openai = true, groq = true, vllm = true, together = false, mistral = false } do
      assert.same(asked and { include_usage = true } or nil, sent(name).stream_options, name)
    end
  end)

  it("do not get what they refuse", function()
    local groq, groq_dropped = sent "groq"
    assert.is_nil(groq.logprobs or groq.top_logprobs or groq.logit_bias)
    assert.is_true(groq_dropped.logprobs and groq_dropped.top_logprobs and groq_dropped.logit_bias)
    local xai, xai_dropped = sent "xai"
    assert.is_nil(xai.stop or xai.presence_penalty or xai.logit_bias)
    assert.is_true(xai_dropped.stop and xai_dropped.presence_penalty)
  end)

  it("are told to reason in their own words", function()
    local ask = '{"model":"x","messages":[{"role":"user","content":"u"}],"reasoning_effort":"%s"}'
    assert.same({ effort = "low" }, sent("openrouter", ask:format "low").reasoning)
    assert.is_nil(sent("openrouter", ask:format "low").reasoning_effort)
    assert.same({ type = "enabled" }, sent("deepseek", ask:format "high").thinking)
    assert.same({ type = "disabled" }, sent("deepseek", ask:format "none").thinking)
    assert.equal("low", sent("openai", ask:format "low").reasoning_effort)
  end)
end)
