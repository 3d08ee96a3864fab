--- What an answer costs: by the catalog or a table of the owner's, the same whole and streamed.
-- SPDX-License-Identifier: MIT
local cjson = require "cjson"
local launch = require "support.launch"
local pair = require "support.pair"
local process = require "support.process"
local scripted = require "support.scripted"

local CONFIG = [[
return {
  workers = 1, prices = %s,
  providers = { lab = { kind = "openai", base_url = "%s", models = {
    short = { base_model = "claude-haiku-4-5" }, long = { base_model = "claude-sonnet-4-5" }, vectors = { base_model = "text-embedding-3-small" },
  } } },
}]]

local TABLE = '{"claude-haiku-4-5":{"litellm_provider":"anthropic","mode":"chat","input_cost_per_token":%s,"output_cost_per_token":1e-05}}'

describe("prices", function()
  local provider, gateway, start, stop = pair.of(scripted.start, { config = CONFIG:format("nil", "%s") })
  setup(start)
  teardown(stop)

  local function say(stream, input, output, cached)
    local usage = cjson.encode { prompt_tokens = input, completion_tokens = output, total_tokens = input + output,
      prompt_tokens_details = { cached_tokens = cached } }
    if stream then
      provider:answer(200, "text/event-stream", ([[
data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":"Hi"}}]}

data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}

data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[],"usage":%s}

data: [DONE]

]]):format(usage))
    else
      provider:answer(200, "application/json", ([[{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,
        "message":{"role":"assistant","content":"Hi"},"finish_reason":"stop"}],"usage":%s}]]):format(usage))
    end
  end

  local function cost(model, ...)
    local costs = {}
    for i, stream in ipairs { false, true } do
      say(stream, ...)
      local answer = stream and gateway:stream { model = model } or gateway:chat { model = model }
      assert.equal(200, answer.status)
      costs[i] = gateway:record(answer.id).cost_usd
    end
    assert.equal(costs[1], costs[2]) -- streamed or not
    return costs[1]
  end

  it("count input, cache and output apart", function()
    assert.equal(((1000 - 400) * 1 + 400 * 0.1 + 10 * 5) / 1e6, cost("lab/short", 1000, 10, 400))
  end)

  it("of a long prompt hold for all of it, from the first token above the threshold on", function()
    assert.equal((199000 * 3 + 1000 * 0.3 + 100 * 15) / 1e6, cost("lab/long", 200000, 100, 1000))
    assert.equal((199001 * 6 + 1000 * 0.6 + 100 * 22.5) / 1e6, cost("lab/long", 200001, 100, 1000))
  end)

  it("of models that make vectors: what came in", function()
    provider:answer(200, "application/json",
      '{"object":"list","model":"m","data":[{"object":"embedding","index":0,"embedding":[1]}],"usage":{"prompt_tokens":500,"total_tokens":500}}')
    local answer = gateway:request { path = "/v1/embeddings", body = { model = "lab/vectors", input = "Hi" } }
    assert.equal(200, answer.status)
    assert.equal(500 * 0.02 / 1e6, gateway:record(answer.id).cost_usd)
  end)

  it("a model that makes vectors is not asked to talk, nor the other way round", function()
    provider:forget()
    local talk = gateway:chat { model = "lab/vectors" }
    local vectors = gateway:request { path = "/v1/embeddings", body = { model = "lab/short", input = "Hi" } }
    assert.same({ 400, 400 }, { talk.status, vectors.status })
    assert.matches("chat", talk:json().error.message)
    assert.matches("embeddings", vectors:json().error.message)
    assert.is_false(provider:was_asked())
  end)

  it("come from a file, which is watched", function()
    local other = launch.start { config = CONFIG:format('"prices.json"', provider.origin), files = { ["prices.json"] = TABLE:format "2e-06" } }
    say(false, 100, 10, 0)
    assert.equal((100 * 2 + 10 * 10) / 1e6, other:record(other:chat({ model = "lab/short" }).id).cost_usd)
    process.write_file(other.folder .. "/prices.json", TABLE:format "4e-06")
    local generation = other:generation()
    assert.is_truthy(launch.http.eventually(function() return other:generation() > generation end))
    assert.equal((100 * 4 + 10 * 10) / 1e6, other:record(other:chat({ model = "lab/short" }).id).cost_usd)
    other:stop()
  end)
end)
