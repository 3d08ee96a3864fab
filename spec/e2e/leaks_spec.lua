--- What requests hold comes back whatever becomes of them: clients that leave in every state, hedges that lose, waits that end, reloads in between.
-- SPDX-License-Identifier: MIT
local launch = require "support.launch"
local pair = require "support.pair"
local http = require "support.http"

local CONFIG = [[
return {
  workers = 2,
  policy = "policies/mine.lua",
  providers = {
    one = { kind = "openai", base_url = "%s/v1", key = "sk-one", limits = { concurrent = 6, tokens = "1000000/h" } },
    two = { kind = "openai", base_url = "%s/v1", key = "sk-two", limits = { concurrent = 6 } },
    gone = { kind = "openai", base_url = "http://127.0.0.1:1/v1", key = "sk-gone", limits = { concurrent = 1 } },
  },
  models = {
    quick = { "one/slow-5", "two/slow-5" }, slow = { "one/slow-120", "two/slow-120" }, stream = { "two/gap-10", "one/gap-10" },
    hung = { "one/fault-stall-head", "two/hello" }, mute = { "two/fault-stall-first", "one/gap-5" }, both = { "one/fault-stall-head", "two/fault-stall-head" },
    broken = { "one/fault-reset-after", "two/fault-cut-event-3" }, refused = { "gone/hello", "one/fault-status-500" },
  },
  timeouts = { connect = "60s", headers = "%s", first_token = "%s", idle = "%s", total = "%s" },
  keys = { { key = "key-of-alice", user = "alice" }, { key = "key-of-bob", user = "bob" } },
  admin = { key = "key-of-admin" },
  breaker = { failures = 1000 },
}]]

local function config(origin, patience, total)
  return CONFIG:format(origin, origin, patience, patience, patience, total)
end

local POLICY = [[
local limit = require "gateway.limit"
local mine = limit { name = "mine", per = "user", concurrent = %d, tokens = "900M/day" }
local all = limit { name = "all", concurrent = %d }

return {
  admit = function(request)
    return { mine, all }
  end,
  route = function(request)
    if #request.targets == 0 then
      return nil, { wait = "150ms", priority = request.turn %% 10 }
    end
    local plan = {}
    for i, target in ipairs(request.targets) do
      plan[i] = { target = target, hedge_after = "15ms", retries = 1 }
    end
    return plan
  end,
}]]

local MODELS = { "quick", "slow", "stream", "hung", "mute", "both", "broken", "refused" }

describe("what requests hold", function()
  local mock, gateway, start, stop = pair.of(launch.mock, {
    config = config("%s", "400ms", "5s"), policies = { mine = POLICY:format(12, 40) }, key = "key-of-alice",
  })
  setup(start)
  teardown(stop)

  local function load(limits_of_user, limit_of_all)
    gateway:edit_policy("mine", POLICY:format(limits_of_user, limit_of_all))
    assert.equal(200, gateway:request({ method = "POST", path = "/admin/reload", body = "", key = "key-of-admin" }).status)
  end

  --- A request whose client waits for all of it, or leaves after a while, politely or not.
  local function ask()
    local connection = http.connect { port = gateway.port }
    assert(connection:send(http.format { path = "/v1/chat/completions",
      headers = { Authorization = "Bearer key-of-" .. (math.random(2) == 1 and "alice" or "bob") },
      body = launch.body { model = MODELS[math.random(#MODELS)], stream = math.random(2) == 1, max_tokens = 1000 } }))
    if math.random(2) == 1 then
      http.pause(math.random() ^ 3 * 0.2)
      connection[math.random(2) == 1 and "close" or "reset"](connection)
      return
    end
    local answer = assert(connection:answer())
    answer:read()
    connection:close()
    return answer.status
  end

  --- So many streams at a provider, all at once: they must find room.
  local function fill(provider, count, open)
    local jobs = {}
    for i = 1, count do
      jobs[i] = function()
        local answer = gateway:open_stream { model = provider .. "/fault-stall-event-6" } -- until its client leaves
        open[#open + 1] = answer
      end
    end
    http.all(jobs)
    for _, answer in ipairs(open) do
      assert.equal(200, answer.status)
    end
  end

  it("comes back, whatever becomes of them", function()
    local seed, statuses, asked = tonumber(os.getenv "SEED") or os.time(), {}, 0
    math.randomseed(seed)
    local jobs = {}
    for i = 1, 40 do
      jobs[i] = function()
        while asked < 600 do
          asked = asked + 1
          local status = ask() or "left"
          statuses[status] = (statuses[status] or 0) + 1
        end
      end
    end
    jobs[#jobs + 1] = function()
      for i = 1, 6 do
        http.pause(0.3)
        load(12 - i % 3, 40 - i)
      end
    end
    http.all(jobs)
    for _, status in ipairs { "left", 200, 429, 502, 503, 504 } do
      assert.is_true((statuses[status] or 0) > 0, ("SEED=%d: nobody got %s"):format(seed, status))
    end
    gateway:edit_config(config(mock.origin, "60s", "60s")) -- who stands still for a while now is no fault
    load(100, 12)
    assert.is_truthy(http.eventually(function()
      local flying = 0
      for _, provider in ipairs(gateway:request({ method = "GET", path = "/providers", key = "key-of-admin" }):json().providers) do
        flying = flying + provider.in_flight
      end
      return flying == 0
    end), ("SEED=%d: attempts are in flight"):format(seed))

    local open = {}
    fill("one", 6, open)
    assert.equal(503, gateway:chat({ model = "one/hello" }).status)
    fill("two", 6, open)
    local refused = gateway:chat { model = "refused" }
    assert.same({ 429, "Limit 'all' of 12 requests at a time reached." }, { refused.status, refused:json().error.message })
    load(12, 100)
    refused = gateway:chat { model = "refused" }
    assert.same({ 429, "Limit 'mine' of 12 requests at a time reached." }, { refused.status, refused:json().error.message })
    for _, answer in ipairs(open) do
      answer:close()
    end
    assert.is_truthy(http.eventually(function() return gateway:chat({ model = "one/hello" }).status == 200 end))
  end)
end)
