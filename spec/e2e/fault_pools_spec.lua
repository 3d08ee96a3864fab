--- What becomes of requests when much of their pool is down, or their plan goes in circles, or tries again (rows U24, U26, U39 and U40 of the matrix of
-- upstream faults).
local launch = require "support.launch"

local PARTS = { "a", "b", "c", "d", "e", "f", "g", "h", "i", "j" }

--- Ten targets of which the first `dead` answer with a 500.
local function pool(dead)
  local targets = {}
  for i, name in ipairs(PARTS) do
    targets[i] = ('"%s/%s"'):format(name, i <= dead and "fault-status-500@" .. dead or "hello@" .. dead)
  end
  return table.concat(targets, ", ")
end

-- What may be better a moment later, and what is not.
local PASSING, LASTING = { 408, 500, 502, 503, 504, 529 }, { 400, 401, 402, 403, 404, 405, 409, 413, 422, 424, 451 }

local function retried()
  local lines = {}
  for _, form in ipairs { "whole", "stream" } do
    for _, list in ipairs { PASSING, LASTING } do
      for _, status in ipairs(list) do
        lines[#lines + 1] = ('["retried-%d-%s"] = { "a/fault-status-%d@%s" },'):format(status, form, status, form)
      end
    end
  end
  return table.concat(lines, " ")
end

local CONFIG = [[
return {
  workers = 1,
  providers = { %s },
  models = {
    ["429"] = { "a/fault-status-429-retry-9", "b/fault-status-429-retry-3", "c/fault-status-429-retry-7" },
    ["429-two"] = { "a/fault-status-429-retry-9@2", "b/fault-status-429-retry-4@2" },
    ["429-many"] = { "a/fault-status-429-retry-9@3", "b/fault-status-429-retry-8@3", "c/fault-status-429-retry-7@3", "d/fault-status-429-retry-6@3" },
    ["429-mute"] = { "a/fault-status-429", "b/fault-status-429" },
    ["429-500"] = { "a/fault-status-429-retry-9@4", "b/fault-status-500@4" },
    %s
    half = { %s }, most = { %s }, all = { %s },
    circle = { "a/fault-status-500@5", "b/fault-status-503@5" },
    again = { "a/fault-status-500@6" },
    wide = { "a/fault-status-500@7", "b/fault-status-500@7", "c/fault-status-500@7", "d/fault-status-500@7", "e/fault-status-500@7" },
    untranslatable = { "strict/x", "strict/y" },
  },
  policy = "policies/mine.lua",
  retry = { attempts = 3 },
  breaker = { failures = 5, open = "60s" },
}]]

-- A recover that names everything again, the failed first: these must not be asked twice. `again` is tried up to 15 times by its step's own word.
local POLICY = [[
local round_robin = require "policies.round_robin"
return {
  route = function(request)
    if request.model == "again" or request.model == "untranslatable" or request.model:find "^retried" then
      local plan = {}
      for i, target in ipairs(request.targets) do
        plan[i] = { target = target, retries = 15 }
      end
      return plan
    end
    return request.model:find "^429" and request.targets or round_robin.route(request)
  end,
  recover = function(request, failure, rest)
    if request.model == "circle" or request.model == "untranslatable" then
      return { request.targets[1], request.targets[2], request.targets[1] }
    end
    return rest
  end,
}]]

describe("a pool", function()
  local mock, gateway

  setup(function()
    mock = launch.mock()
    local providers = { ('strict = { kind = "anthropic", base_url = "%s", key = "sk-strict", drop_params = false },'):format(mock.origin) }
    for _, name in ipairs(PARTS) do
      providers[#providers + 1] = ('%s = { kind = "openai", base_url = "%s/v1", key = "sk-%s" },'):format(name, mock.origin, name)
    end
    gateway = launch.start { config = CONFIG:format(table.concat(providers, " "), retried(), pool(5), pool(9), pool(10)), policies = { mine = POLICY } }
  end)
  teardown(function()
    assert.equal(0, gateway:stop())
    mock:stop()
  end)

  local function ask(form, fields)
    return form == "whole" and gateway:chat(fields) or gateway:stream(fields)
  end

  --- Status, code, attempts; and the log and the ledger say the same.
  local function outcome(answer)
    local record = gateway:record(answer.id)
    local attempts = #record.attempts
    assert.equal(tostring(attempts), answer.headers["x-attempts"])
    local body = answer:json()
    return answer.status, body and body.error and body.error.code, attempts, #mock:ledger(record.request_id), record
  end

  for _, form in ipairs { "whole", "stream" } do
    it("U24 is tried again, three times in all, where that may help, " .. form, function()
      for _, status in ipairs(PASSING) do
        local _, _, attempts, heard = outcome(ask(form, { model = ("retried-%d-%s"):format(status, form) }))
        assert.same({ 3, 3 }, { attempts, heard }, status)
      end
    end)

    it("U23 is not tried again where it cannot help, " .. form, function()
      for _, status in ipairs(LASTING) do
        local answer = ask(form, { model = ("retried-%d-%s"):format(status, form) })
        local _, _, attempts, heard = outcome(answer)
        assert.same({ 1, 1 }, { attempts, heard }, status)
        assert.is_truthy(answer.status >= 400 and answer.status < 500, status)
        assert.equal("false", answer.headers["x-should-retry"])
      end
    end)

    it("U26 that is throttled says when the first of it is free again, " .. form, function()
      for model, expected in pairs {
        ["429"] = { 3, 3 }, ["429-two"] = { 4, 2 }, ["429-many"] = { 7, 3 },
      } do
        for _, part in ipairs(PARTS) do
          gateway:request { method = "POST", path = "/admin/providers/" .. part .. "/circuit-breaker/reset", body = "" }
        end
        local answer = ask(form, { model = model })
        local status, code, attempts, heard, record = outcome(answer)
        local wait, passed = tonumber(answer.headers["retry-after"]), record.duration_ms // 1000 + 1 -- of which something may be over by then
        assert.is_truthy(wait == expected[1] or record.duration_ms > 500 and wait < expected[1] and wait >= expected[1] - passed, wait)
        assert.is_nil(answer.headers["x-should-retry"])
        assert.same({ 429, "rate_limit_exceeded", expected[2], expected[2] }, { status, code, attempts, heard }, model)
        assert.same({}, { record.tokens, record.cost_usd })
      end
      local answer = ask(form, { model = "429-mute" })
      assert.same({ 429, "false" }, { answer.status, answer.headers["x-should-retry"] })
      assert.is_nil(answer.headers["retry-after"])
    end)

    it("U26 of which one is throttled and one broken is broken, " .. form, function()
      local status, code, attempts, heard = outcome(ask(form, { model = "429-500" }))
      assert.same({ 502, "upstream_error", 2, 2 }, { status, code, attempts, heard })
    end)

    it("U40 whose plan goes in circles asks nobody twice, " .. form, function()
      local status, _, attempts, heard = outcome(ask(form, { model = "circle" }))
      assert.is_truthy(status == 502 or status == 503)
      assert.same({ 2, 2 }, { attempts, heard })
    end)

    it("U40 is asked three times at most, " .. form, function()
      for _, model in ipairs { "again", "wide" } do
        local status, code, attempts, heard = outcome(ask(form, { model = model }))
        assert.same({ 502, "upstream_error", 3, 3 }, { status, code, attempts, heard }, model)
      end
    end)

    it("U40 is not asked at all for what cannot be said to it, and each of it tries once, " .. form, function()
      local answer = ask(form, { model = "untranslatable", logit_bias = { ["50256"] = -100 } })
      local status, code, attempts, heard, record = outcome(answer)
      assert.same({ 400, "unsupported_parameter", 2, 0 }, { status, code, attempts, heard })
      assert.same({}, { record.tokens, record.cost_usd })
      assert.equal(0, gateway:get("/admin/providers/strict/circuit-breaker"):json().failures)
    end)
  end

  local function count(model, requests)
    local statuses, before = {}, mock:stats().requests
    for _ = 1, requests do
      local answer = gateway:chat { model = model }
      statuses[answer.status] = (statuses[answer.status] or 0) + 1
    end
    return statuses, mock:stats().requests - before
  end

  local function open_breakers(dead)
    local count_open = 0
    for i = 1, dead do
      for _, target in ipairs(gateway:get("/admin/providers/" .. PARTS[i] .. "/circuit-breaker"):json().targets) do
        count_open = count_open + ((target.target:find("@" .. dead, 1, true) and target.state == "open") and 1 or 0)
      end
    end
    return count_open
  end

  -- Until a breaker has seen its five failures a request may meet three that are dead.
  it("U39 of which half is dead soon asks the dead no more, and serves everybody", function()
    local learning = count("half", 100)
    assert.is_truthy((learning[502] or 0) <= 25 // 3, (learning[502] or 0) .. " failed")
    assert.equal(100, (learning[502] or 0) + learning[200])
    assert.equal(5, open_breakers(5))
    local statuses, asked = count("half", 50)
    assert.same({ { [200] = 50 }, 50 }, { statuses, asked })
  end)

  it("U39 of which most is dead still serves by whoever lives, with three attempts a request at most", function()
    count("most", 200)
    local statuses, asked = count("most", 100)
    assert.is_truthy(asked <= 300)
    assert.is_truthy((statuses[200] or 0) >= 90, (statuses[200] or 0) .. " of 100 were served")
  end)

  it("U39 of which all is dead refuses, with few more attempts than requests", function()
    count("all", 200)
    local statuses, asked = count("all", 100)
    assert.same({ [502] = 100 }, statuses)
    assert.is_truthy(asked <= 120, asked .. " attempts")
  end)
end)
