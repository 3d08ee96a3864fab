--- Everything is down: what an outage costs the providers, and how soon it is over.
--
-- A thousand requests at once stand for minutes of traffic: what bounds the attempts counts requests, not time.
local launch = require "support.launch"
local pair = require "support.pair"
local socket = require "socket"

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
  local mock, gateway, start, stop = pair.of(launch.mock, { config = CONFIG })
  setup(start)
  teardown(stop)

  local REQUESTS = 1000

  local function attempts_of(model)
    local before, statuses, began = mock:stats().requests, {}, socket.gettime()
    for _ = 1, REQUESTS do
      local answer = gateway:chat { model = model }
      statuses[answer.status] = (statuses[answer.status] or 0) + 1
    end
    return mock:stats().requests - before, statuses, socket.gettime() - began
  end

  for _, model in ipairs { "dead", "alone", "throttled" } do
    it("U41 of all targets of '" .. model .. "' costs at most 1.2 attempts a request, and no request is called a success", function()
      local attempts, statuses, seconds = attempts_of(model)
      local probes = 3 * math.floor(seconds / 10) -- of three targets: a slow machine gives them more time to be tried
      assert.is_truthy(attempts <= 1.2 * REQUESTS + probes, ("%d attempts in %.1f s"):format(attempts, seconds))
      assert.is_nil(statuses[200])
    end)
  end

  it("U41 of one target of three is seen by no client", function()
    local _, statuses = attempts_of "mixed"
    assert.same({ [200] = REQUESTS }, statuses)
  end)
end)

-- Everything is down: what then is the policy's to say.
local STRICT = [[
local policy = {}
function policy.route(request)
  local well, soonest = {}, nil
  for _, target in ipairs(request.targets) do
    if target.breaker == "closed" then
      well[#well + 1] = target
    else
      soonest = math.min(soonest or 300, target.cooldown_s)
    end
  end
  if #well > 0 then
    return well
  end
  return nil, { status = 503, code = "all_down", message = "every target is down", retry_after_s = soonest }
end
return policy]]

describe("when everything is down", function()
  local mock, gateway

  local function start(policy)
    mock = launch.mock()
    local config = CONFIG:gsub("%%s", mock.origin):gsub('open = "1s"', 'open = "120s"'):gsub("policies/fallback.lua", "policies/" .. policy .. ".lua")
    gateway = launch.start { config = config, policies = { strict = STRICT } }
    for _ = 1, 30 do
      gateway:chat { model = "dead" }
    end
    assert.equal("open", gateway:get("/admin/providers/a/circuit-breaker"):json().state)
  end
  after_each(function()
    assert.equal(0, gateway:stop())
    mock:stop()
  end)

  it("a policy may refuse: 503 at once, with the time to come back, and nobody is asked", function()
    start "strict"
    local before = mock:stats().requests
    for _ = 1, 20 do
      local answer = gateway:chat { model = "dead" }
      assert.same({ 503, "all_down" }, { answer.status, answer:json().error.code })
      local wait = tonumber(answer.headers["retry-after"])
      assert.is_true(wait >= 1 and wait <= 150, wait)
      local record = gateway:record(answer.id)
      assert.same({}, record.attempts)
      assert.is_true(record.duration_ms < 20000) -- for nothing of that time is waited
    end
    assert.equal(before, mock:stats().requests)
  end)

  it("else one of them is the last resort", function()
    start "fallback"
    local before = mock:stats().requests
    for _ = 1, 20 do
      local answer = gateway:chat { model = "dead" }
      assert.is_true(answer.status == 502 or answer.status == 503, answer.status)
    end
    local asked = mock:stats().requests - before
    assert.is_true(asked >= 20 and asked <= 24, asked)
  end)
end)
