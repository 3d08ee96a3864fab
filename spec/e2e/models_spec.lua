--- What models there are, told to clients of both dialects; and what a translated request for embeddings loses, told by name.
-- SPDX-License-Identifier: MIT
local pair = require "support.pair"
local scripted = require "support.scripted"

local CONFIG = [[
return {
  workers = 1,
  providers = { lab = { kind = "openai", base_url = "%s" }, own = { kind = "ollama", base_url = "%s" } },
  models = { a = "lab/x", b = "lab/x", c = "lab/x", d = "lab/org/x" },
}]]

describe("models", function()
  local provider, gateway, start, stop = pair.of(scripted.start, { config = CONFIG })
  setup(start)
  teardown(stop)

  local CLIENTS = { ["anthropic-version"] = "2023-06-01", ["x-api-key"] = "any" }

  local function ids(query, header)
    local page = gateway:get("/v1/models" .. query, { [header or "anthropic-version"] = CLIENTS[header or "anthropic-version"] }):json()
    local names = {}
    for i, model in ipairs(page.data) do
      assert.equal("model", model.type)
      names[i] = model.id
    end
    assert.same({ names[1], names[#names] }, { page.first_id, page.last_id })
    return names, page.has_more
  end

  it("have Anthropic's shape for its clients, by either of the headers that they send", function()
    for header in pairs(CLIENTS) do
      assert.same({ "a", "auto", "b", "c", "d" }, (ids("", header)))
      local answer = gateway:get("/v1/models/nobody", { [header] = CLIENTS[header] })
      assert.same({ 404, "error", "not_found_error" }, { answer.status, answer:json().type, answer:json().error.type })
    end
    assert.equal("list", gateway:get("/v1/models"):json().object)
    assert.equal("model_not_found", gateway:get("/v1/models/nobody"):json().error.code)
  end)

  it("come in pages for them", function()
    assert.same({ { "a", "auto" }, true }, { ids "?limit=2" })
    assert.same({ { "b", "c" }, true }, { ids "?limit=2&after_id=auto" })
    assert.same({ { "d" }, false }, { ids "?limit=2&after_id=c" })
    assert.same({ { "b", "c" }, true }, { ids "?limit=2&before_id=d" })
    assert.same({ { "a" }, false }, { ids "?before_id=auto" })
    assert.same({ { "a", "auto", "b", "c", "d" }, false }, { ids "?limit=1000&after_id=nobody" })
    assert.equal(5, #gateway:get("/v1/models?limit=1"):json().data) -- OpenAI's clients know no pages
  end)

  it("are found by names with an encoded slash", function()
    for _, path in ipairs { "lab/org/x", "lab%2Forg%2Fx", "lab%2forg/x" } do
      assert.equal("lab/org/x", gateway:get("/v1/models/" .. path):json().id)
    end
  end)

  it("that make vectors: what another dialect does not carry is named, never lost", function()
    provider:answer(200, "application/json", '{"model":"m","embeddings":[[0.5]],"prompt_eval_count":1}')
    local answer = gateway:request { path = "/v1/embeddings", body = { model = "own/m", input = "Hi", user = "u", truncate = true, own_field = 1,
      provider = "own" } }
    assert.equal(200, answer.status)
    local names = {}
    for name in answer.headers["x-dropped-params"]:gmatch "[^, ]+" do
      names[#names + 1] = name
    end
    table.sort(names)
    assert.same({ "own_field", "truncate", "user" }, names)
    answer = gateway:request { path = "/v1/embeddings", body = { model = "own/m", input = "Hi", encoding_format = "int8" } }
    assert.same({ 400, "encoding_format" }, { answer.status, answer:json().error.param })
  end)
end)
