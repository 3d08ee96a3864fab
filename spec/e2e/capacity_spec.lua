--- What providers let us send: `limits` of the config's providers and targets.
local launch = require "support.launch"
local http = require "support.http"
local pair = require "support.pair"

local CONFIG = [[
return {
  workers = 1,
  providers = {
    few  = { kind = "openai", base_url = "%s/v1", key = "sk-few", limits = { requests = "3/h" } },
    slots = { kind = "openai", base_url = "%s/v1", key = "sk-slots", limits = { concurrent = 2 } },
    free = { kind = "openai", base_url = "%s/v1", key = "sk-free" },
    tokens = { kind = "openai", base_url = "%s/v1", key = "sk-tokens", limits = { tokens = "1000/h" } },
  },
  models = {
    few = { "few/hello" },
    spill = { { "few/other", priority = 1, limits = { requests = "2/h" } }, { "free/hello", priority = 2 } },
    slots = { { "slots/fault-stall-head", priority = 1 }, { "free/fault-stall-head", priority = 2 } },
    after = { { "slots/hello", priority = 1 }, { "free/hello", priority = 2 } },
    tokens = { "tokens/hello" },
  },
  policy = "policies/priority.lua",
}]]

describe("limits of providers and targets", function()
  local mock, gateway, start, stop = pair.of(launch.mock, { config = CONFIG })
  setup(start)
  teardown(stop)

  it("leave a full target out, and everybody goes on with the rest", function()
    local served = {}
    for i = 1, 5 do
      local answer = gateway:chat { model = "spill" }
      assert.equal(200, answer.status)
      served[i] = answer.headers["x-provider"]
    end
    assert.same({ "few", "few", "free", "free", "free" }, served)
  end)

  it("are never broken, and say when there is room again", function()
    assert.equal(200, gateway:chat({ model = "few" }).status) -- the third of this provider's three
    for _ = 1, 3 do
      local answer = gateway:chat { model = "few" }
      assert.equal(503, answer.status)
      assert.matches("limit", answer:json().error.message)
      assert.is_truthy(tonumber(answer.headers["retry-after"]) > 60)
    end
    assert.equal(3, #mock:ledger(function(row) return row.auth == "-few" end))
  end)

  it("of concurrency count streams and answers alike", function()
    local clients, served = {}, {}
    for i = 1, 6 do -- none of them is answered before it leaves
      clients[i] = http.connect { port = gateway.port }
      assert(clients[i]:send(http.format { path = "/v1/chat/completions", body = launch.body { model = "slots", stream = i % 2 == 0 } }))
    end
    for _, row in ipairs(mock:ledger_when(function(row) return row.model == "fault-stall-head" end, function(rows) return #rows == 6 end)) do
      served[row.auth] = (served[row.auth] or 0) + 1
    end
    assert.same({ lots = 2, free = 4 }, served) -- the ends of their keys
    assert.equal("free", gateway:chat({ model = "after" }).headers["x-provider"])
    for _, client in ipairs(clients) do
      client:close()
    end
    assert.is_truthy(http.eventually(function() return gateway:chat({ model = "after" }).headers["x-provider"] == "slots" end))
  end)

  it("of tokens reserve what a request may use, and give back what it did not", function()
    assert.equal(400, gateway:chat({ model = "tokens", max_tokens = 2000 }).status) -- there will never be room for that
    for _ = 1, 5 do -- 900 each would never fit: what was not used is given back
      assert.equal(200, gateway:chat({ model = "tokens", max_tokens = 900 }).status)
    end
  end)

  it("of tokens are not touched by counts, which nobody bills", function()
    local long = ("word "):rep(1500)
    for _ = 1, 3 do
      local answer = gateway:request { method = "POST", path = "/v1/messages/count_tokens",
        body = { model = "tokens", messages = { { role = "user", content = long } } } }
      assert.equal(200, answer.status)
      assert.is_truthy(answer:json().input_tokens > 1000)
    end
    assert.equal(200, gateway:chat({ model = "tokens", max_tokens = 900 }).status)
  end)

  it("are checked when the config is loaded", function()
    for limits, expected in pairs { ['{ requests = "many" }'] = "providers.few.limits", ["{}"] = "providers.few.limits",
      ['{ per = "user", requests = "1/s" }'] = "providers.few.limits.per" } do
      local text = ('return { providers = { few = { kind = "openai", base_url = "http://127.0.0.1:1/v1", key = "k", limits = %s } } }'):format(limits)
      local status, _, err = launch.run { config = text, arguments = { "check", "gateway.lua" } }
      assert.equal(1, status)
      assert.is_truthy(err:find(expected, 1, true), err)
    end
  end)
end)
