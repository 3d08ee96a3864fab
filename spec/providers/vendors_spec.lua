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

describe("content", function()
  local BODY = [[{"model":"x","messages":[{"role":"user","content":[{"type":"text","text":"a"},%s]},{"role":"assistant","content":null,"refusal":"no"},
    {"role":"user","content":"b"}],"seed":1,"max_completion_tokens":5}]]

  it("of files goes as OpenAI says it, but to Mistral in its own word", function()
    local file = '{"type":"file","file":{"filename":"a.pdf","file_data":"data:application/pdf;base64,JVBERi0="}}'
    assert.same(json.decode(file), sent("together", BODY:format(file)).messages[1].content[2])
    assert.same({ type = "document_url", document_url = "data:application/pdf;base64,JVBERi0=" },
      sent("mistral", BODY:format(file)).messages[1].content[2])
  end)

  it("of a file that was uploaded is its id, never an empty file", function()
    local file = '{"type":"file","file":{"file_id":"file-1"}}'
    for _, name in ipairs { "together", "mistral", "openai" } do
      assert.same(json.decode(file), sent(name, BODY:format(file)).messages[1].content[2], name)
    end
  end)

  it("of a prompt in several blocks keeps them apart, a line each where one string must do", function()
    local body = [[{"model":"x","messages":[{"role":"system","content":[{"type":"text","text":"a."},{"type":"text","text":""},
      {"type":"text","text":"b."}]},{"role":"user","content":[{"type":"text","text":"c"},{"type":"text","text":"d"}]}]}]]
    for _, name in ipairs { "cohere", "ollama" } do
      local messages = sent(name, body).messages
      assert.same({ "a.\nb.", "cd" }, { messages[1].content, messages[2].content }, name)
    end
  end)

  it("that was a refusal is text for whoever knows no refusals", function()
    local image = '{"type":"image_url","image_url":{"url":"data:image/png;base64,iVBORw0KGgo="}}'
    for _, name in ipairs { "together", "mistral", "deepseek" } do
      assert.equal("no", sent(name, BODY:format(image)).messages[2].content, name)
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
    for name, role in pairs { mistral = "system", deepseek = "system", vllm = "system", groq = "system", together = "system", openrouter = "system",
      openai = "developer", xai = "developer" } do
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

  it("do not hear what says nothing, and need not be told", function()
    local ask = [[{"model":"x","messages":[{"role":"user","content":"u"}],"n":1,"presence_penalty":0,"parallel_tool_calls":true,"logprobs":false}]]
    for _, name in ipairs { "groq", "deepseek", "together" } do
      local body, dropped = sent(name, ask)
      assert.equal(name ~= "groq" and 0 or nil, body.presence_penalty)
      assert.same({}, dropped, name)
    end
    assert.is_true(select(2, sent("deepseek", (ask:gsub('"n":1', '"n":2')))).n)
  end)

  it("are told to reason in their own words", function()
    local ask = '{"model":"x","messages":[{"role":"user","content":"u"}],"reasoning_effort":"%s"}'
    assert.same({ effort = "low" }, sent("openrouter", ask:format "low").reasoning)
    assert.is_nil(sent("openrouter", ask:format "low").reasoning_effort)
    assert.same({ type = "enabled" }, sent("deepseek", ask:format "high").thinking)
    assert.same({ type = "disabled" }, sent("deepseek", ask:format "none").thinking)
    for said, heard in pairs { minimal = "low", low = "low", medium = "high", high = "high", xhigh = "max" } do
      assert.equal(heard, sent("deepseek", ask:format(said)).reasoning_effort)
    end
    for said, heard in pairs { none = "none", minimal = "none", low = "high", high = "high" } do
      assert.equal(heard, sent("mistral", ask:format(said)).reasoning_effort)
    end
    assert.equal("low", sent("openai", ask:format "low").reasoning_effort)
  end)
end)

describe("a model that reasons", function()
  local FULL_SAMPLING = [["max_tokens":5,"temperature":0.5,"top_p":0.5,"presence_penalty":0.1,"frequency_penalty":0.1,"logprobs":true,
    "top_logprobs":2,"logit_bias":{"1":2},"stop":"x","parallel_tool_calls":false,"seed":1]]

  local function asked(vendor, model, members, fields)
    local call = { vendor = vendor, model = model, body = ([[{"model":"x",%s,"messages":[{"role":"user","content":"u"}]}]]):format(members) }
    for name, value in pairs(fields or {}) do
      call[name] = value
    end
    local body, dropped = wire.encode(call)
    return json.decode(body), dropped
  end

  it("gets no sampling of OpenAI's, and is told so by name", function()
    for _, model in ipairs { "o3", "o4-mini", "o1", "o3-mini-2025-01-31", "gpt-5", "gpt-5-mini", "gpt-5.1", "gpt-5.4-nano", "ft:o4-mini:x",
      "codex-mini-latest" } do
      local body, dropped = asked("openai", model, FULL_SAMPLING)
      assert.equal(5, body.max_completion_tokens, model)
      for _, name in ipairs { "max_tokens", "temperature", "top_p", "presence_penalty", "frequency_penalty", "logprobs", "top_logprobs", "logit_bias" } do
        assert.is_nil(body[name], model)
        assert.equal(name ~= "max_tokens", dropped:find(name, 1, true) ~= nil, name)
      end
      assert.equal(1, body.seed)
    end
  end)

  it("is known by its base model where its name says nothing", function()
    assert.equal(5, asked("azure", "prod", FULL_SAMPLING, { base_model = "o3", dated_api = true, api_version = "2025-01-01" }).max_completion_tokens)
    assert.equal(5, asked("azure", "o3-team", FULL_SAMPLING, { base_model = "gpt-4o" }).max_tokens)
  end)

  it("is not any other model", function()
    for _, model in ipairs { "gpt-4o", "gpt-5-chat-latest", "gpt-5.1-chat-latest", "gpt-4.1", "o", "omni-1", "olmo-2", "chatgpt-4o-latest" } do
      local body, dropped = asked("openai", model, FULL_SAMPLING)
      assert.equal(5, body.max_tokens, model)
      assert.equal("", dropped)
    end
    assert.equal(5, asked("vllm", "o3", FULL_SAMPLING).max_tokens)
  end)

  it("takes sampling beside no effort where it is new enough", function()
    local members = FULL_SAMPLING .. ',"reasoning_effort":"none"'
    assert.equal(0.5, asked("openai", "gpt-5.1", members).temperature)
    assert.equal(5, asked("openai", "gpt-5.1", members).max_completion_tokens)
    assert.is_nil(asked("openai", "gpt-5", members).temperature)
  end)

  it("may refuse stops or calls one by one", function()
    for model, takes in pairs { o3 = { false, true }, ["o4-mini"] = { false, true }, ["o3-mini"] = { true, false },
      o1 = { true, false }, ["gpt-5"] = { true, true } } do
      local body = asked("openai", model, FULL_SAMPLING)
      assert.same(takes, { body.stop == "x", body.parallel_tool_calls == false }, model)
    end
  end)

  it("refuses at xAI what others take", function()
    local members = FULL_SAMPLING .. ',"reasoning_effort":"low"'
    local efforts = { ["grok-3-mini"] = "low", ["grok-4.3"] = "low" }
    for _, model in ipairs { "grok-4", "grok-4-1-fast-reasoning", "grok-code-fast-1", "grok-3-mini", "grok-4.3" } do
      local body = asked("xai", model, members)
      assert.is_nil(body.stop or body.presence_penalty or body.frequency_penalty or body.logit_bias, model)
      assert.equal(0.5, body.temperature)
      assert.equal(efforts[model], body.reasoning_effort, model)
    end
    local body = asked("xai", "grok-4-1-fast-non-reasoning", members)
    assert.same({ "x", 0.1 }, { body.stop, body.presence_penalty })
    assert.is_nil(body.reasoning_effort)
  end)
end)

describe("Azure", function()
  local function head(fields)
    fields.vendor, fields.key, fields.origin, fields.path = "azure", "k", "https://h", fields.path or "/openai"
    return (wire.head(fields))
  end

  it("has the deployment as one segment of the path, whatever it is called", function()
    for name, segment in pairs { ["a/../b"] = "a%2F..%2Fb", ["a?x=1"] = "a%3Fx%3D1", ["a#b"] = "a%23b", ["a b"] = "a%20b", ["a\r\nX: y"] = "a%0D%0AX%3A%20y",
      ["a%2fb"] = "a%252fb", ["\xc3\xab"] = "%C3%AB", ["a-b_c.d~e"] = "a-b_c.d~e" } do
      assert.equal("https://h/openai/deployments/" .. segment .. "/chat/completions?api-version=2024-10-21",
        head { model = name, dated_api = true, api_version = "2024-10-21" })
    end
  end)

  it("never lets a deployment climb out of its folder", function()
    for name, segment in pairs { ["."] = "%2E", [".."] = "%2E%2E" } do
      assert.equal("https://h/openai/deployments/" .. segment .. "/embeddings?api-version=2024-10-21",
        head { client = "embeddings", model = name, dated_api = true, api_version = "2024-10-21" })
    end
  end)

  it("may have a version of its newer API", function()
    assert.equal("https://h/openai/v1/chat/completions?api-version=preview", head { model = "m", path = "/openai/v1", api_version = "preview" })
    assert.equal("https://h/openai/v1/chat/completions", head { model = "m", path = "/openai/v1", api_version = "v1" })
  end)

  it("is spoken to as its version knows it", function()
    local ask = [[{"model":"x","max_completion_tokens":5,"stream":true,"messages":[{"role":"developer","content":"d"},{"role":"user","content":"u"}]}]]
    local function asked(version)
      return json.decode((wire.encode { vendor = "azure", model = "m", base_model = "gpt-4o", dated_api = true, api_version = version, body = ask }))
    end
    local old, new = asked "2024-06-01", asked "2025-01-01-preview"
    assert.same({ 5, nil, "system" }, { old.max_tokens, old.stream_options, old.messages[1].role })
    assert.same({ 5, { include_usage = true }, "developer" }, { new.max_completion_tokens, new.stream_options, new.messages[1].role })
  end)
end)
