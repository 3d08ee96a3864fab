--- Two attempts side by side: one answers, the other is cancelled at its provider; a client who leaves ends both.
-- SPDX-License-Identifier: MIT
local launch = require "support.launch"
local http = require "support.http"
local pair = require "support.pair"

local CONFIG = [[
return {
  workers = 1,
  policy = "policies/mine.lua",
  providers = {
    first = { kind = "openai", base_url = "%s/v1", key = "sk-first-provider-key" },
    second = { kind = "%s", base_url = "%s", key = "sk-second-provider-key" },
  },
  models = {
    late = { "first/fault-stall-head", "second/hello" },
    silent = { "first/fault-stall-first", "second/hello" },
    dumb = { "first/fault-stall-event-1", "second/hello" },
    quick = { "first/slow-100", "second/fault-stall-head" },
    both = { "first/fault-stall-head", "second/fault-stall-head" },
    billed = { { "first/fault-stall-head", price = { 3, 15 } }, "second/hello" },
    budget = { "first/slow-60", "second/hello" },
    neither = { "first/fault-stall-head", "second/fault-status-500" },
  },
  retry = { uncertain = true },
  timeouts = { connect = "60s", first_token = "60s", idle = "60s", headers = "60s", total = "60s" },
  breaker = { failures = 1000 },
}]]

local POLICY = [[
return {
  route = function(request)
    local first, second = request.targets[1], request.targets[2]
    return { { target = first, hedge_after = "40ms", timeout = request.model == "neither" and "1s" or nil }, second }
  end,
}]]

for _, kind in ipairs { "openai", "anthropic" } do
  describe("a hedge at " .. kind, function()
    local mock, gateway, start, stop = pair.of(launch.mock, {
      config = CONFIG:format("%s", kind, kind == "openai" and "%s/v1" or "%s"), policies = { mine = POLICY },
    })
    setup(start)
    teardown(stop)
    before_each(function() mock:reset() end)

    local function outcomes_of(id)
      local list = {}
      for i, attempt in ipairs(gateway:record(id).attempts) do
        list[i] = { attempt.outcome, attempt.hedge or false }
      end
      return list
    end

    local function is_left_alone(model)
      local rows = mock:ledger_when(function(row) return row.model == model end, function(rows) return rows[1] and rows[1].outcome == "client_closed" end)
      return rows[1] and rows[1].outcome
    end

    for _, model in ipairs { "late", "silent", "dumb" } do
      local hung = ({ late = "fault-stall-head", silent = "fault-stall-first", dumb = "fault-stall-event-1" })[model]

      it("answers a stream where the first is " .. model, function()
        local answer = gateway:stream { model = model }
        assert.equal(200, answer.status)
        assert.is_true(answer.done)
        assert.equal("This is the mock provider. You said: Hello there", answer.text)
        assert.equal("second", answer.headers["x-provider"])
        assert.same({ { "cancelled", false }, { "ok", true } }, outcomes_of(answer.id))
        assert.equal("client_closed", is_left_alone(hung))
      end)
    end

    it("answers whole where the first is late", function()
      local answer = gateway:chat { model = "late" }
      assert.equal(200, answer.status)
      assert.equal("second", answer.headers["x-provider"])
      assert.same({ { "cancelled", false }, { "ok", true } }, outcomes_of(answer.id))
      assert.equal("client_closed", is_left_alone "fault-stall-head")
    end)

    it("is cancelled when the first comes after all", function()
      for _, ask in ipairs { "chat", "stream" } do
        local outcomes
        http.eventually(function() -- where the machine stands still the first may be there before the hedge is due, or is heard of: not each time
          local answer = gateway[ask](gateway, { model = "quick" })
          assert.equal(200, answer.status)
          assert.equal("first", answer.headers["x-provider"])
          outcomes = outcomes_of(answer.id)
          return #outcomes == 2 and #mock:ledger(function(row) return row.model == "fault-stall-head" end) > 0
        end)
        assert.same({ { "ok", false }, { "cancelled", true } }, outcomes)
        assert.equal("client_closed", is_left_alone "fault-stall-head")
        mock:reset()
      end
    end)

    it("ends with its first when the client leaves", function()
      for _, stream in ipairs { true, false } do
        local id = launch.next_id()
        local connection = http.connect { port = gateway.port }
        assert(connection:send(http.format { path = "/v1/chat/completions", headers = { ["X-Request-ID"] = id },
          body = launch.body { model = "both", stream = stream } }))
        local function of_both(row) return row.model == "fault-stall-head" end
        assert.equal(2, #mock:ledger_when(of_both, function(rows) return #rows == 2 end))
        connection:close()
        local rows = mock:ledger_when(of_both, function(found)
          return found[1].outcome == "client_closed" and found[2].outcome == "client_closed"
        end)
        assert.same({ "client_closed", "client_closed" }, { rows[1].outcome, rows[2].outcome })
        assert.same({ { "cancelled", false }, { "cancelled", true } }, outcomes_of(id))
        assert.equal("client_closed", gateway:record(id).cause)
        mock:reset()
      end
    end)

    it("is in the log with what its loser may cost, and in the provider's sums", function()
      local function input_of(name)
        for _, provider in ipairs(gateway:get("/providers"):json().providers) do
          if provider.provider == name then
            return provider.tokens.input
          end
        end
      end
      local before = input_of "first"
      local answer = gateway:chat { model = "billed" }
      assert.equal("second", answer.headers["x-provider"])
      local record = gateway:record(answer.id)
      local lost = record.attempts[1].tokens
      assert.is_true(lost.estimated)
      assert.is_true(lost.input > 0 and lost.output == 0)
      assert.is_true(math.abs(record.attempts[1].cost_usd - 3 * lost.input / 1e6) < 1e-12)
      assert.is_nil(record.attempts[2].tokens) -- the winner's are the request's
      assert.is_truthy(record.tokens)
      assert.equal(lost.input, input_of "first" - before)
    end)

    it("is begun for one request of fifty, ten apart", function()
      local hedged = 0
      for _ = 1, 60 do
        hedged = hedged + (gateway:chat({ model = "budget" }).headers["x-attempts"] == "2" and 1 or 0)
      end
      assert.equal(11, hedged)
    end)

    it("fails only when both did", function()
      local outcomes
      http.eventually(function() -- where the machine stands still for all of that second, the other one comes behind the first and not beside it
        local answer = gateway:chat { model = "neither" }
        assert.is_truthy(answer.status == 504 or answer.status == 502, answer.status)
        outcomes = outcomes_of(answer.id)
        assert.equal(2, #outcomes)
        return outcomes[2][2] and answer.status == 504
      end)
      assert.same({ { "timeout", false }, { "unavailable", true } }, outcomes)
    end)
  end)
end
