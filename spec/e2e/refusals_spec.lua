--- What a client hears where a provider's refusal is cut, a page, or a copy of what it was sent; and what is refused before it is asked.
local pair = require "support.pair"
local scripted = require "support.scripted"

local KEY = "Very+Odd/Key=of-the-house"
local CONFIG = [[
return {
  workers = 1,
  providers = {
    lab = { kind = "openai", base_url = "%s/v1", key = "]] .. KEY .. [[" },
    anew = { kind = "vllm", base_url = "%s/v1" },
    aws = { kind = "bedrock", base_url = "%s", region = "us-east-1", key = "bedrock-key-0123456789" },
    claude = { kind = "anthropic", base_url = "%s/v1", key = "sk-ant-0123456789" },
  },
  retry = { attempts = 1 },
}]]

describe("a refusal", function()
  local server, gateway, start, stop = pair.of(scripted.start, { config = CONFIG })
  setup(start)
  teardown(stop)

  it("whose body is cut is still what its status says", function()
    for status, code in pairs { [401] = "invalid_api_key", [404] = "model_not_found", [429] = "rate_limit_exceeded" } do
      server:answer(status, "application/json", '{"error":{"message":"So it', "Content-Length: 500\r\n")
      for _, stream in ipairs { false, true } do
        local answer = gateway:chat { model = "lab/m", stream = stream }
        assert.same({ status, code }, { answer.status, answer:json().error.code }, answer.body)
      end
    end
  end)

  it("that repeats our key does not tell it", function()
    server:answer(400, "application/json", ('{"error":{"message":"what is %s, I ask, %s?"}}'):format(KEY, KEY))
    local answer = gateway:chat { model = "lab/m" }
    assert.same({ 400, "what is ***, I ask, ***?" }, { answer.status, answer:json().error.message })
  end)

  it("that is a page is said in our own words, with its status (U22)", function()
    for status, own in pairs { [502] = 502, [503] = 503, [504] = 504, [500] = 502 } do
      server:answer(status, "text/html", "<html><body><h1>secret</h1>" .. ("x"):rep(100000) .. "</body></html>")
      local answer = gateway:chat { model = "lab/m" }
      assert.equal(own, answer.status)
      assert.same({ "server_error", ("the provider answered %d with an HTML page"):format(status) },
        { (answer:json().error.type:gsub("timeout_error", "server_error")), answer:json().error.message })
    end
  end)

  it("to count tokens is an estimate, where the provider's dialect is not the client's", function()
    local function count(model)
      return gateway:request { method = "POST", path = "/v1/messages/count_tokens",
        body = '{"model":"' .. model .. '","messages":[{"role":"user","content":"one two three"}]}' }
    end
    for _, words in ipairs { '{"message":"The provided model doesn\'t support counting tokens."}', '{"__type":"UnknownOperationException"}' } do
      server:answer(words:find "Unknown" and 404 or 400, "application/json", words)
      local answer = count "aws/m"
      assert.same({ 200, "true" }, { answer.status, answer.headers["x-tokens-estimated"] }, answer.body)
      assert.is_truthy(answer:json().input_tokens > 3)
    end
    server:answer(400, "application/json", '{"type":"error","error":{"type":"invalid_request_error","message":"no"}}')
    assert.equal(400, count("claude/m").status)
    server:answer(403, "application/json", '{"__type":"AccessDeniedException","message":"no"}')
    assert.equal(500, count("aws/m").status)
  end)

  it("comes before more answers are made than can be told", function()
    for n, status in pairs { [32] = 200, [33] = 400, [128] = 400 } do
      server:answer(200, "application/json", '{"id":"c","created":1,"model":"m","choices":[{"index":0,"message":{"content":"a"},"finish_reason":"stop"}]}')
      local answer = gateway:chat { model = "anew/m", n = n }
      assert.equal(status, answer.status, answer.body)
      assert.equal(status == 400 and "n" or nil, status == 400 and answer:json().error.param or nil)
      assert.equal(200, gateway:chat({ model = "lab/m", n = n }).status) -- its bytes go back as they come
    end
  end)
end)
