--- The routes beside chat completions, as their clients see them: completions, embeddings, the gateway's own form; and pools of keys.
local cjson = require "cjson"
local launch = require "support.launch"
local pair = require "support.pair"

local CONFIG = [[
return {
  workers = 1,
  providers = {
    openai = { base_url = "%s/v1", key = "sk-openai-provider-key" },
    anthropic = { base_url = "%s/v1", key = "sk-ant-provider-key" },
    strict = { kind = "anthropic", base_url = "%s/v1", key = "sk-ant-strict", drop_params = false },
    pool   = { kind = "openai", base_url = "%s/v1", key = { "sk-1-refused", "sk-2-good", "sk-3-throttled" } },
    poor   = { kind = "openai", base_url = "%s/v1", key = { "sk-1-refused", "sk-2-refused" } },
  },
  models = {
    smart = { { "openai/hello", price = { 1, 2 } } },
    claude = { "anthropic/claude-hello" }, strict = { "strict/claude-hello" },
    pooled = { "pool/hello" }, poor = { "poor/hello" },
  },
  strategy = "round_robin",
}]]

--- The data of each event, decoded; "[DONE]" as it is.
local function events(body)
  local list = {}
  for data in body:gmatch "data: ([^\n]+)\n" do
    list[#list + 1] = data == "[DONE]" and data or cjson.decode(data)
  end
  return list
end

describe("dialects", function()
  local mock, gateway, start, stop = pair.of(launch.mock, { config = CONFIG })
  setup(start)
  teardown(stop)

  local function post(path, body, headers)
    return gateway:request { method = "POST", path = path, body = type(body) == "table" and cjson.encode(body) or body, headers = headers }
  end

  local function logged(id)
    return gateway:record(id)
  end

  describe("completions", function()
    it("are asked of a chat where the provider knows no other way", function()
      local answer = post("/v1/completions", { model = "claude", prompt = "Hello there", max_tokens = 50 })
      local body = answer:json()
      assert.equal(200, answer.status)
      assert.equal("text_completion", body.object)
      assert.matches("^cmpl%-%x+$", body.id)
      assert.matches("Hello there$", body.choices[1].text)
      assert.equal("stop", body.choices[1].finish_reason)
      assert.equal(cjson.null, body.choices[1].logprobs)
      assert.equal(body.usage.prompt_tokens + body.usage.completion_tokens, body.usage.total_tokens)
    end)

    it("stream, with usage when asked for", function()
      local answer = post("/v1/completions", { model = "claude", prompt = "Hello", stream = true, stream_options = { include_usage = true } })
      local list, text = events(answer.body), ""
      assert.equal("[DONE]", list[#list])
      for i = 1, #list - 1 do
        assert.equal("text_completion", list[i].object)
        text = text .. (list[i].choices[1] and list[i].choices[1].text or "")
      end
      assert.matches("Hello$", text)
      assert.is_truthy(list[#list - 1].usage.total_tokens > 0)
    end)

    it("that no chat can say are refused by name", function()
      for param, value in pairs { suffix = "x", echo = true, best_of = 3, logprobs = 5 } do
        local answer = post("/v1/completions", { model = "claude", prompt = "Hello", max_tokens = 5, [param] = value })
        assert.equal(400, answer.status)
        assert.equal(param, answer:json().error.param)
      end
      for _, prompt in ipairs { '["a","b"]', "[1,2,3]", "[[1,2],[3]]" } do
        local answer = post("/v1/completions", ('{"model":"claude","prompt":%s}'):format(prompt))
        assert.equal(400, answer.status)
        assert.equal("prompt", answer:json().error.param)
      end
    end)

    it("without a prompt are refused", function()
      local answer = post("/v1/completions", { model = "claude" })
      assert.equal(400, answer.status)
      assert.equal("prompt", answer:json().error.param)
    end)
  end)

  describe("embeddings", function()
    it("pass the client's bytes and the provider's answer", function()
      local answer = post("/v1/embeddings", { model = "smart", input = { "one text", "another" }, dimensions = 4 })
      local body = answer:json()
      assert.equal(200, answer.status)
      assert.equal("openai", answer.headers["x-provider"])
      assert.equal(2, #body.data)
      assert.equal(4, #body.data[1].embedding)
      assert.equal(1, body.data[2].index)
      assert.equal(3, body.usage.prompt_tokens)
      local line = logged(answer.id)
      assert.equal(3, line.tokens.input)
      assert.equal(3e-6, line.cost_usd)
    end)

    it("come in base64, the same numbers", function()
      local numbers = post("/v1/embeddings", { model = "smart", input = "a text" }):json().data[1].embedding
      local text = post("/v1/embeddings", { model = "smart", input = "a text", encoding_format = "base64" }):json().data[1].embedding
      local bytes = require("mime").unb64(text)
      for i, number in ipairs(numbers) do
        assert.is_truthy(math.abs(number - string.unpack("<f", bytes, 4 * i - 3)) < 1e-6)
      end
      assert.equal(4 * #numbers, #bytes)
    end)

    it("of a provider that has none are refused before anything is sent", function()
      local before = mock:stats().requests
      local answer = post("/v1/embeddings", { model = "claude", input = "x" })
      assert.equal(400, answer.status)
      assert.equal(before, mock:stats().requests)
    end)

    it("fail as the provider fails", function()
      local answer = post("/v1/embeddings", { model = "openai/fault-status-429-retry-7", input = "x" })
      assert.equal(429, answer.status)
      assert.equal("7", answer.headers["retry-after"])
    end)

    it("want an input", function()
      for _, input in ipairs { '""', "[]", "{}", "null", "[{}]" } do
        local answer = post("/v1/embeddings", ('{"model":"smart","input":%s}'):format(input))
        assert.equal(400, answer.status)
        assert.equal("input", answer:json().error.param)
      end
    end)
  end)

  describe("/completion", function()
    it("answers with content, provider, usage and cost", function()
      local answer = post("/completion", { model = "smart", messages = { { role = "user", content = "Hi" } } })
      local body = answer:json()
      assert.equal(200, answer.status)
      assert.matches("Hi$", body.content)
      assert.equal("openai", body.provider)
      assert.equal("hello", body.model)
      assert.equal(false, body.cached)
      assert.matches("^%x+$", body.request_id)
      assert.equal((body.usage.prompt_tokens + 2 * body.usage.completion_tokens) / 1e6, body.cost_usd)
    end)

    it("takes any target when no model is named", function()
      local answer = post("/completion", { messages = { { role = "user", content = "Hi" } }, provider = "openai" })
      assert.equal(200, answer.status)
      assert.equal("openai", answer:json().provider)
    end)

    it("streams pieces of content", function()
      local answer = post("/completion", { model = "claude", stream = true, messages = { { role = "user", content = "Hi you" } } })
      local list, text = events(answer.body), ""
      assert.equal("[DONE]", list[#list])
      for i = 1, #list - 1 do
        text = text .. list[i].content
      end
      assert.matches("Hi you$", text)
    end)

    it("refuses what its answer could not say", function()
      local tool = { type = "function", ["function"] = { name = "f", parameters = { type = "object" } } }
      for param, value in pairs { tools = { tool }, n = 2 } do
        local answer = post("/completion", { model = "claude", messages = { { role = "user", content = "Hi" } }, [param] = value })
        assert.equal(400, answer.status)
        assert.equal(param, answer:json().error.param)
      end
    end)
  end)

  describe("/v1/messages", function()
    local function message(fields)
      local body = { model = "smart", max_tokens = 100, messages = { { role = "user", content = "Hi you" } } }
      for name, value in pairs(fields or {}) do
        body[name] = value
      end
      return body
    end

    for _, model in ipairs { "smart", "claude" } do
      it("answers in Anthropic's shape, whoever answers: " .. model, function()
        local answer = post("/v1/messages", message { model = model })
        local body = answer:json()
        assert.equal(200, answer.status)
        assert.same({ "message", "assistant", "end_turn" }, { body.type, body.role, body.stop_reason })
        assert.matches("Hi you$", body.content[1].text)
        assert.is_truthy(body.usage.input_tokens > 0 and body.usage.output_tokens > 0)
        assert.matches("^%x+$", answer.headers["request-id"])
      end)

      it("streams Anthropic's events: " .. model, function()
        local answer = post("/v1/messages", message { model = model, stream = true })
        local names = {}
        for name in answer.body:gmatch "event: ([%w_]+)\n" do
          if name ~= "ping" and names[#names] ~= name then
            names[#names + 1] = name
          end
        end
        assert.equal("message_start content_block_start content_block_delta content_block_stop message_delta message_stop",
          table.concat(names, " "))
        assert.is_nil(answer.body:find("[DONE]", 1, true))
      end)
    end

    it("fails in Anthropic's shape, with the request's id", function()
      for model, expected in pairs { ["openai/fault-status-429-retry-7"] = { 429, "rate_limit_error" }, nobody = { 404, "not_found_error" },
        ["openai/fault-status-500"] = { 500, "api_error" } } do
        local answer = post("/v1/messages", message { model = model })
        local body = answer:json()
        assert.same(expected, { answer.status, body.error.type })
        assert.equal("error", body.type)
        assert.equal(answer.headers["request-id"], body.request_id)
      end
      assert.equal(400, post("/v1/messages", { model = "smart", messages = {} }).status)
    end)

    it("ends a cut stream with an error event and nothing else", function()
      local answer = post("/v1/messages", message { model = "openai/fault-cut-event-3", stream = true })
      assert.is_truthy(answer.body:find("event: error\n", 1, true))
      assert.is_nil(answer.body:find("message_stop", 1, true))
    end)

    it("counts tokens: what the provider says, or an estimate that says so", function()
      local body = { model = "claude", messages = { { role = "user", content = "one two three" } } }
      local exact = post("/v1/messages/count_tokens", body)
      assert.equal(3, exact:json().input_tokens)
      assert.is_nil(exact.headers["x-tokens-estimated"])
      body.model = "smart"
      local estimated = post("/v1/messages/count_tokens", body)
      assert.equal(200, estimated.status)
      assert.is_truthy(estimated:json().input_tokens > 3)
      assert.equal("true", estimated.headers["x-tokens-estimated"])
    end)

    it("has a list of models of its own shape", function()
      local list = gateway:get("/v1/models", { ["anthropic-version"] = "2023-06-01" }):json()
      assert.is_false(list.has_more)
      assert.equal(list.data[1].id, list.first_id)
      assert.equal(list.data[#list.data].id, list.last_id)
      assert.equal("model", list.data[1].type)
      assert.matches("^%d+%-%d+%-%d+T", list.data[1].created_at)
    end)
  end)

  describe("parameters that a wire cannot carry", function()
    it("are left out and named", function()
      local answer = gateway:chat { model = "claude", seed = 7, logit_bias = { ["1"] = 2 } }
      assert.equal(200, answer.status)
      assert.matches("seed", answer.headers["x-dropped-params"])
      assert.matches("logit_bias", answer.headers["x-dropped-params"])
    end)

    it("are named however long or odd their names are", function()
      local body = '{"model":"%s","messages":[{"role":"user","content":"Hello there"}],"%s":1,"r\\u00e9d\\r\\nX-Evil: é":2%s}'
      local function ask(model, long, more)
        return gateway:request { path = "/v1/chat/completions", body = body:format(model, long, more or "") }
      end
      local answer = ask("claude", ("x"):rep(5000))
      assert.equal(200, answer.status)
      assert.equal(("x"):rep(79) .. "..., r\\u00e9d\\r\\nX-Evil: ??", answer.headers["x-dropped-params"])
      local many = {}
      for i = 1, 250 do -- the 257th would be refused
        many[i] = (',"parameter_%d":1'):format(i)
      end
      answer = ask("claude", "x", table.concat(many))
      assert.equal(200, answer.status)
      assert.matches("^x, .*parameter_1, parameter_2, .*, %.%.%.$", answer.headers["x-dropped-params"])
      assert.is_truthy(#answer.headers["x-dropped-params"] < 1200)
      answer = ask("strict", ("x"):rep(5000))
      assert.same({ 400, "unsupported_parameter", ("x"):rep(79) .. "..." },
        { answer.status, answer:json().error.code, answer:json().error.param })
    end)

    it("are refused where the config wants that", function()
      local answer = gateway:chat { model = "strict", seed = 7 }
      assert.equal(400, answer.status)
      assert.equal("seed", answer:json().error.param)
      assert.equal(200, gateway:chat({ model = "strict" }).status)
    end)
  end)

  describe("a pool of keys", function()
    it("U23 goes on with another key at once when one is refused or throttled, and leaves those alone", function()
      for _ = 1, 12 do
        assert.equal(200, gateway:chat({ model = "pooled" }).status)
      end
      local keys = {}
      for _, row in ipairs(mock:ledger(function(row) return row.auth == "used" or row.auth == "good" or row.auth == "tled" end)) do
        keys[row.auth] = (keys[row.auth] or 0) + 1
      end
      assert.equal(12, keys.good)
      assert.equal(1, keys.used)
      assert.equal(1, keys.tled)
    end)

    it("of which none is taken says what the provider said", function()
      local answer = gateway:chat { model = "poor" }
      assert.equal(401, answer.status)
      assert.equal("2", answer.headers["x-attempts"])
    end)
  end)

  it("estimate the usage of a stream that was cut, and say so", function()
    local answer = gateway:stream { model = "openai/fault-cut-event-5" }
    local line = logged(answer.id)
    assert.is_true(line.tokens.estimated)
    assert.is_truthy(line.tokens.output > 0)
  end)
end)
