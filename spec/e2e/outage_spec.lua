--- Everything is down: what an outage costs the providers, and how soon it is over.
--
-- A thousand requests at once stand for minutes of traffic: what bounds the attempts counts requests, not time.
local house = require "support.house"

local CONFIG = [[
return {
  workers = 1,
  providers = {
    a = { kind = "openai", base_url = "%s/v1", key = "sk-a" },
    b = { kind = "openai", base_url = "%s/v1", key = "sk-b" },
    c = { kind = "openai", base_url = "%s/v1", key = "sk-c" },
  },
  models = {
    dead = { "a/fault-status-500", "b/fault-status-503", "c/fault-reset-after" },
    alone = { "a/fault-status-502" },
    throttled = { "a/fault-status-429", "b/fault-status-429" },
    mixed = { "a/fault-status-500-2", "b/hello", "c/hello" },
  },
  policy = "policies/fallback.lua",
  breaker = { failures = 5, open = "1s" },
}]]

describe("an outage", function()
  local mock, gateway

  setup(function()
    mock = house.mock()
    gateway = house.start { config = (CONFIG:gsub("%%s", mock.origin)) }
  end)
  teardown(function()
    local status = gateway:stop()
    mock:stop()
    assert.equal(0, status)
  end)

  local REQUESTS = 1000

  local function attempts_of(model)
    local before, statuses = mock:stats().requests, {}
    for _ = 1, REQUESTS do
      local answer = gateway:chat { model = model }
      statuses[answer.status] = (statuses[answer.status] or 0) + 1
    end
    return mock:stats().requests - before, statuses
  end

  for _, model in ipairs { "dead", "alone", "throttled" } do
    it("of all targets of '" .. model .. "' costs at most 1.2 attempts a request, and no request is called a success", function()
      local attempts, statuses = attempts_of(model)
      assert.is_truthy(attempts <= 1.2 * REQUESTS, ("%d attempts"):format(attempts))
      assert.is_nil(statuses[200])
    end)
  end

  it("of one target of three is seen by no client", function()
    local _, statuses = attempts_of "mixed"
    assert.same({ [200] = REQUESTS }, statuses)
  end)
end)
