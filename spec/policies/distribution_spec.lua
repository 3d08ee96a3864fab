--- Where requests go in the long run, by strategy: shares over 10,000 requests, and what happens when a target gets slow or dies.
-- Asked for by the million, and busted looks a global up in all its contexts.
local assert, ipairs, math, pairs, setmetatable, table, tostring = assert, ipairs, math, pairs, setmetatable, table, tostring

local runtime = require "gateway.runtime"
local testing = require "gateway.testing"

local REQUESTS = 10000

local default = testing.load "policies/default.lua"

--- Chance that comes out the same every time, 0 <= x < 1 (a linear congruence, 2^31).
local function chance(seed)
  local state = seed
  return function()
    state = (state * 1103515245 + 12345) & 0x7fffffff
    return state / 0x80000000
  end
end

--- How often each target is first over REQUESTS requests.
local function shares(strategy, targets, facts)
  local counts, random = {}, chance(42)
  for turn = 1, REQUESTS do
    local given = facts and facts(turn) or {}
    given.targets, given.strategy, given.turn, given.random = targets, strategy, turn, random()
    local first = default.route(testing.request(given))[1].name
    counts[first] = (counts[first] or 0) + 1
  end
  return counts
end

local function assert_share(expected, count, message)
  assert.is_true(math.abs((count or 0) - expected * REQUESTS) <= 0.01 * REQUESTS,
    ("%s: %s of %d, expected %g"):format(message, tostring(count), REQUESTS, expected * REQUESTS))
end

local function target(name, facts)
  facts = facts or {}
  facts.name = name
  return testing.target(facts)
end

describe("over 10,000 requests", function()
  it("round_robin is even within 1 %", function()
    local targets = { target "a/m", target "b/m", target "c/m" }
    local counts = shares("round_robin", targets)
    for _, one in ipairs(targets) do
      assert_share(1 / 3, counts[one.name], one.name)
    end
  end)

  it("weighted and priority share by weight within 1 %", function()
    local targets = { target("a/m", { weight = 5 }), target("b/m", { weight = 2.5 }), target("c/m", { weight = 2.5 }), target("d/m", { weight = 0 }) }
    for _, strategy in ipairs { "weighted", "priority" } do
      local counts = shares(strategy, targets)
      assert_share(0.5, counts["a/m"], strategy)
      assert_share(0.25, counts["b/m"], strategy)
      assert_share(0.25, counts["c/m"], strategy)
      assert.is_nil(counts["d/m"])
    end
  end)

  it("cost_optimized takes the cheapest always", function()
    local targets = {
      target("wordy/m", { price = { input = 1, output = 20 } }), target "unpriced/m", target("dense/m", { price = { input = 4, output = 4 } }),
    }
    local function prompt(turn)
      return { estimate = { input_tokens = turn, output_tokens = 200 } }
    end
    local counts = shares("cost_optimized", targets, prompt)
    -- the prompt grows by one token a turn: 4 (n + 200) < n + 20 * 200 as long as 3 n < 3200
    assert.same({ ["dense/m"] = 1066, ["wordy/m"] = REQUESTS - 1066 }, counts)
  end)

  it("quality and score take the best always", function()
    local targets = { target("good/m", { quality = 0.8, leaderboard = 0.9 }), target("best/m", { quality = 0.9, leaderboard = 0.8 }) }
    assert.same({ ["best/m"] = REQUESTS }, shares("quality", targets))
    assert.same({ ["good/m"] = REQUESTS }, shares("score", targets))
  end)

  it("lowest_latency spreads the load among the fastest, and the slow are asked now and then", function()
    local targets = { target("a/m", { first_token_ms = 100 }), target("b/m", { first_token_ms = 105 }), target("slow/m", { first_token_ms = 500 }) }
    local counts = shares("lowest_latency", targets)
    assert_share(0.496, counts["a/m"], "a/m")
    assert_share(0.496, counts["b/m"], "b/m")
    assert_share(0.008, counts["slow/m"], "slow/m")
  end)
end)

-- ---------------------------------------------------------------- in time

--- A pool under a held clock: each target answers after its own time, and its health is measured as in the gateway.
local pool = {}
pool.__index = pool

--- `times`: name -> seconds of an answer.
function pool.new(times)
  local self = setmetatable({ table = runtime.health.new(16, 1), times = times, health = {}, names = {}, flying = {}, now = 1000 }, pool)
  for name in pairs(times) do
    self.names[#self.names + 1] = name
    self.health[name] = self.table:find(name, self.now)
  end
  table.sort(self.names)
  return self
end

function pool:targets()
  local list, unfit = {}, {}
  for _, name in ipairs(self.names) do
    local view = self.health[name]:view(self.now)
    local fit, reason = self.health[name]:is_fit(self.now, 1)
    local into = fit and list or unfit
    into[#into + 1] = target(name, {
      first_token_ms = view.first_token_ms, per_token_ms = view.per_token_ms or 0, in_flight = view.in_flight,
      samples = view.samples, breaker = view.breaker, reason = reason,
    })
  end
  return list, unfit
end

--- Answers that are due by now are measured.
function pool:land()
  for i = #self.flying, 1, -1 do
    local one = self.flying[i]
    if one.at <= self.now then
      table.remove(self.flying, i)
      local ms = one.took * 1000
      self.health[one.name]:finish(one.at, one.probe, one.failed and { failure = { kind = "unavailable" } } or
        { ok = true, duration_ms = ms, first_token_ms = ms / 2, output_tokens = 100 })
    end
  end
end

--- One request by this strategy -> who got it. `facts` go with it.
function pool:send(strategy, facts)
  self:land()
  facts.targets, facts.unfit = self:targets()
  facts.strategy, facts.estimate = strategy, { output_tokens = 100 }
  local name = default.route(testing.request(facts))[1].name
  local _, probe = self.health[name]:begin(self.now)
  local took = self.times[name]
  self.flying[#self.flying + 1] = { name = name, probe = probe, took = took or 0.01, failed = not took, at = self.now + (took or 0.01) }
  return name
end

--- `rate` requests a second for so many seconds -> how many each got.
function pool:run(strategy, seconds, rate, random, facts)
  local counts = {}
  for i = 1, seconds * rate do
    self.now = self.now + 1 / rate
    local given = facts and facts(i) or {}
    given.turn, given.random = i, random()
    local name = self:send(strategy, given)
    counts[name] = (counts[name] or 0) + 1
  end
  return counts
end

describe("in time", function()
  it("U43 lowest_latency: when the fastest gets ten times slower, 80 % go to the new fastest within 10 s", function()
    local times, random = { ["a/m"] = 0.2, ["b/m"] = 0.4, ["c/m"] = 0.8 }, chance(7)
    local one = pool.new(times)
    one:run("lowest_latency", 20, 50, random)
    local before = one:run("lowest_latency", 5, 50, random)
    assert.is_true(before["a/m"] >= 0.95 * 250, "the fastest has the load at first")
    times["a/m"] = 2
    one:run("lowest_latency", 9, 50, random)
    local after = one:run("lowest_latency", 1, 50, random)
    assert.is_true((after["b/m"] or 0) >= 0.8 * 50, tostring(after["b/m"]))
    local later = one:run("lowest_latency", 10, 50, random)
    assert.is_true(later["b/m"] >= 0.95 * 500, tostring(later["b/m"]))
  end)

  it("lowest_latency: who is fast again is found again", function()
    local times, random = { ["a/m"] = 2, ["b/m"] = 0.4 }, chance(8)
    local one = pool.new(times)
    one:run("lowest_latency", 20, 50, random)
    times["a/m"] = 0.2
    one:run("lowest_latency", 60, 50, random)
    local after = one:run("lowest_latency", 10, 50, random)
    assert.is_true((after["a/m"] or 0) >= 0.8 * 500, tostring(after["a/m"]))
  end)

  it("least_busy: a target twice as slow gets about half as much", function()
    local one = pool.new { ["a/m"] = 1, ["b/m"] = 1, ["slow/m"] = 2 }
    local counts = one:run("least_busy", 60, 50, chance(9))
    assert.is_true(math.abs(counts["a/m"] - counts["b/m"]) < 0.05 * counts["a/m"])
    assert.near(0.5, counts["slow/m"] / counts["a/m"], 0.1)
  end)

  it("sticky: 95 % of all turns go where their conversation began, also while a target is down", function()
    local times, random = { ["a/m"] = 0.1, ["b/m"] = 0.1, ["c/m"] = 0.1, ["d/m"] = 0.1 }, chance(10)
    local one, homes, kept, turns = pool.new(times), {}, 0, 0
    local function play(seconds, count)
      for i = 1, seconds * 100 do
        one.now = one.now + 0.01
        local conversation = ("%016x"):format(math.floor(random() * 500))
        local name = one:send("sticky", { affinity = conversation, turn = i, random = random() })
        homes[conversation] = homes[conversation] or name
        if count then
          turns, kept = turns + 1, kept + (homes[conversation] == name and 1 or 0)
        end
      end
    end
    play(30)
    play(60, true)
    assert.is_true(kept >= 0.95 * turns, ("%d of %d"):format(kept, turns))
    times["b/m"] = false
    play(2)
    for conversation, home in pairs(homes) do
      homes[conversation] = home ~= "b/m" and home or nil
    end
    kept, turns = 0, 0
    play(10, true)
    assert.is_true(kept >= 0.95 * turns, ("%d of %d while one is down"):format(kept, turns))
  end)
end)
