--- How a target is doing: breaker, cool-down and measures case by case, then long random traffic against a slow
-- reference of the breaker. SEQUENCES=1000000 for a night; SEED=n SEQUENCES=1 repeats one that failed.
-- Asked for by the million, and busted looks a global up in all its contexts.
local assert, error, ipairs, math, os, pairs, pcall, setmetatable, table, tonumber, tostring =
  assert, error, ipairs, math, os, pairs, pcall, setmetatable, table, tonumber, tostring

local health = require("gateway.runtime").health

local start = 1000 -- seconds; no case depends on it
local seed = tonumber(os.getenv("SEED")) or os.time()
local sequences = tonumber(os.getenv "SEQUENCES") or 10000

local function fresh_record(settings)
  local record = assert(health.new(10, 1):find("openai/gpt-4o", start, settings))
  return record
end

local function attempt(record, now, outcome)
  local taken, probe = record:begin(now)
  assert(taken, "the attempt was refused")
  record:finish(now, probe, outcome)
  return probe
end

local function failed(kind, hint)
  return { failure = { kind = kind or "unavailable", retry_after_s = hint } }
end

local ok = { ok = true, duration_ms = 100 }

local function fail_times(record, count, now, kind)
  for _ = 1, count do
    attempt(record, now, failed(kind))
  end
end

-- Opened at `start`; returns the record and when it may be probed.
local function opened(settings)
  local record = fresh_record(settings)
  fail_times(record, settings and settings.failures or 5, start)
  local view = record:view(start)
  assert.equal("open", view.breaker)
  return record, view.retry_at
end

-- Opened, probed twice with success; returns the record and when it closed.
local function recovered()
  local record, at = opened()
  attempt(record, at, ok)
  attempt(record, at, ok)
  assert.equal("closed", record:view(at).breaker)
  return record, at
end

describe("the breaker", function()
  it("opens on five failures in a row, not on four", function()
    local record = fresh_record()
    fail_times(record, 4, start)
    assert.equal("closed", record:view(start).breaker)
    assert.equal(4, record:view(start).consecutive_failures)
    attempt(record, start, ok)
    fail_times(record, 4, start)
    assert.equal("closed", record:view(start).breaker)
    assert.is_true(record:begin(start))
    record:finish(start, false, failed())
    assert.equal("open", record:view(start).breaker)
    assert.is_false(record:begin(start))
    assert.same({ false, "breaker" }, { record:is_fit(start, 0) })
  end)

  it("opens when half of ten or more in 30 s failed", function()
    local record = fresh_record { failures = 100 }
    for i = 1, 4 do
      attempt(record, start + i, ok)
      attempt(record, start + i, failed())
    end
    attempt(record, start + 5, ok)
    assert.equal("closed", record:view(start + 5).breaker)
    attempt(record, start + 5, failed())
    assert.equal("open", record:view(start + 5).breaker)
  end)

  it("forgets after 30 s, and one failure in a hundred is nothing", function()
    local record = fresh_record { failures = 100 }
    for _ = 1, 9 do
      attempt(record, start, failed())
    end
    attempt(record, start + 31, failed())
    assert.equal("closed", record:view(start + 31).breaker)
    assert.equal(0, record:view(start + 31).success_rate)
    assert.equal(1, record:view(start + 62).success_rate)
    for _ = 1, 99 do
      attempt(record, start + 70, ok)
    end
    attempt(record, start + 70, failed())
    assert.equal("closed", record:view(start + 70).breaker)
    assert.equal(0.99, record:view(start + 70).success_rate)
  end)

  it("counts only what is the target's fault", function()
    local neutral = { "rate_limited", "auth", "quota", "invalid_request", "model_not_found", "canceled" }
    for _, kind in ipairs(neutral) do
      local record = fresh_record()
      for _ = 1, 50 do
        record:begin_anyway(start)
        record:finish(start, false, failed(kind))
      end
      local view = record:view(start)
      assert.same({ "closed", 0, 1, 50 }, { view.breaker, view.failures, view.success_rate, view.requests })
    end
    for _, kind in ipairs { "unavailable", "overloaded", "timeout" } do
      local record = fresh_record()
      fail_times(record, 5, start, kind)
      assert.equal("open", record:view(start).breaker)
    end
  end)

  it("is not moved by cancels, however many, nor is its count reset by them", function()
    local record = fresh_record()
    fail_times(record, 4, start)
    for _ = 1, 5000 do
      attempt(record, start, { neutral = true, failure = { kind = "unavailable" } })
    end
    assert.equal("closed", record:view(start).breaker)
    attempt(record, start, failed("rate_limited"))
    record:begin_anyway(start)
    record:finish(start, false, failed())
    assert.equal("open", record:view(start).breaker)
  end)

  it("lets one probe through at a time when its time has come", function()
    local record, at = opened()
    assert.is_false(record:begin(at - 0.001))
    assert.is_false((record:is_fit(at - 0.001, 0)))
    assert.is_true((record:is_fit(at, 0)))
    assert.same({ true, true }, { record:begin(at) })
    assert.equal("half_open", record:view(at).breaker)
    assert.same({ false, false }, { record:begin(at) })
    assert.same({ false, "breaker" }, { record:is_fit(at, 0) })
    record:finish(at, true, ok)
    assert.same({ true, true }, { record:begin(at) })
    record:finish(at, true, ok)
    assert.equal("closed", record:view(at).breaker)
    assert.is_nil(record:view(at).opened_at)
    assert.equal(0, record:view(at).in_flight)
  end)

  it("frees the probe's slot whatever became of the probe", function()
    for _, outcome in ipairs { { neutral = true }, failed("rate_limited", 0), failed("invalid_request"), failed("quota", 9) } do
      local record, at = opened()
      assert.is_true(attempt(record, at, outcome))
      assert.equal("half_open", record:view(at).breaker)
      assert.is_true(attempt(record, at + 10, ok))
    end
  end)

  it("opens again, for twice as long, when a probe fails: up to 300 s, spread by 20 %", function()
    local record, at = opened()
    local nominal = 5
    for _ = 1, 9 do
      attempt(record, at, ok) -- one success is not enough
      attempt(record, at, failed())
      nominal = math.min(nominal * 2, 300)
      local view = record:view(at)
      assert.equal("open", view.breaker)
      local share = (view.retry_at - at) / nominal
      assert.is_true(share >= 0.8 and share <= 1.2, "open for " .. share .. " of the nominal time")
      at = view.retry_at
    end
    assert.equal(300, nominal)
    local _, late = opened { failures = 1, open = 1000 }
    assert.is_true(late - start <= 360)
  end)

  it("spreads targets that fell together", function()
    local records, seen = health.new(100, 42), {}
    local least, most = 1e9, 0
    for i = 1, 100 do
      local record = records:find("p/" .. i, start)
      fail_times(record, 5, start)
      local span = record:view(start).retry_at - start
      seen[span], least, most = true, math.min(least, span), math.max(most, span)
      record:release()
    end
    assert.is_true(least >= 4 and least < 4.4 and most <= 6 and most > 5.6)
    local distinct = 0
    for _ in pairs(seen) do
      distinct = distinct + 1
    end
    assert.is_true(distinct > 90)
  end)

  it("begins with the short time again only when the slow start was survived", function()
    local record, at = recovered()
    fail_times(record, 5, at + 29)
    assert.is_true(record:view(at + 29).retry_at - (at + 29) >= 8)
    record, at = recovered()
    fail_times(record, 5, at + 30)
    assert.is_true(record:view(at + 30).retry_at - (at + 30) <= 6)
  end)

  it("is moved by probes only while it is not closed", function()
    local record = fresh_record()
    for _ = 1, 20 do
      record:begin(start)
    end
    for _ = 1, 5 do
      record:finish(start, false, failed())
    end
    local at = record:view(start).retry_at
    for _ = 1, 5 do
      record:finish(start, false, ok)
      record:finish(at, false, ok)
      record:finish(at, false, failed())
    end
    assert.equal("half_open", record:view(at).breaker)
    assert.is_true(attempt(record, at, ok))
    assert.is_true(attempt(record, at, ok))
    assert.equal("closed", record:view(at).breaker)
  end)

  it("warms up for 30 s from a tenth", function()
    local record, at = recovered()
    assert.same({ true, 0.1 }, { record:view(at).warming, record:view(at).warm_share })
    assert.same({ false, "warming" }, { record:is_fit(at, 0.1) })
    assert.is_true((record:is_fit(at, 0.09)))
    assert.is_true(math.abs(record:view(at + 15).warm_share - 0.55) < 1e-6)
    assert.is_true(record:view(at + 29.9).warming)
    assert.same({ false, 1 }, { record:view(at + 30).warming, record:view(at + 30).warm_share })
    assert.is_true((record:is_fit(at + 30, 0.999)))
    assert.is_false(fresh_record():view(start).warming)
  end)

  it("takes settings from the config, also for a record that is there already", function()
    local records = health.new(10, 1)
    local record = records:find("a/b", start, { failures = 2, open = 60 })
    fail_times(record, 2, start)
    assert.is_true(record:view(start).retry_at - start >= 48)
    record:reset(start)
    assert.equal("closed", record:view(start).breaker)
    records:find("a/b", start, { failures = 3 })
    fail_times(record, 2, start)
    assert.equal("closed", record:view(start).breaker)
    fail_times(record, 1, start)
    assert.is_true(record:view(start).retry_at - start <= 6)
  end)

  it("tells its history, oldest first, the half-open time as it was due", function()
    local record, at = opened()
    record:view(at + 100)
    attempt(record, at + 100, ok)
    attempt(record, at + 101, ok)
    local changes = {
      { state = "open", at = start }, { state = "half_open", at = at }, { state = "closed", at = at + 101 },
    }
    assert.same(changes, record:history(at + 101))
    for i = 1, 4 do
      fail_times(record, 5, at + 200 + i)
      record:reset(at + 200 + i)
    end
    local history = record:history(at + 300)
    assert.equal(8, #history)
    assert.equal("closed", history[8].state)
    assert.equal(at + 201, history[1].at)
  end)

  it("is closed by hand, cool-down and slow start included", function()
    local record = opened()
    record:begin_anyway(start)
    record:finish(start, false, failed("rate_limited", 60))
    record:reset(start)
    assert.same({ true, nil }, { record:is_fit(start, 0.99) })
    fail_times(record, 4, start)
    assert.equal("closed", record:view(start).breaker)
  end)
end)

describe("the cool-down", function()
  local cases = {
    -- kind, hint, seconds
    { "rate_limited", nil, 5 }, { "rate_limited", 7, 7 }, { "rate_limited", 0, 1 }, { "rate_limited", 0.2, 1 },
    { "rate_limited", 1e9, 60 }, { "rate_limited", 59.5, 59.5 },
    { "quota", nil, 60 }, { "quota", 20, 20 }, { "auth", nil, 60 }, { "auth", 3, 60 }, { "overloaded", 12, 12 }, { "overloaded", nil, nil },
    { "unavailable", 30, nil },
  }
  for _, case in ipairs(cases) do
    local kind, hint, span = case[1], case[2], case[3]
    it(("%s with hint %s: %s s"):format(kind, tostring(hint), tostring(span)), function()
      local record = fresh_record()
      attempt(record, start, failed(kind, hint))
      assert.equal(span and start + span, record:view(start).cooldown_until)
      if span then
        assert.same({ false, "cooldown" }, { record:is_fit(start + span - 0.001, 0) })
        assert.is_false(record:begin(start + span - 0.001))
        assert.is_true((record:begin(start + span)))
      end
      assert.same({ true, nil }, { record:is_fit(start + (span or 0), 0) })
      assert.is_nil(record:view(start + 61).cooldown_until)
    end)
  end

  it("ends with the later of two", function()
    local record = fresh_record()
    record:begin_anyway(start)
    record:begin_anyway(start)
    record:finish(start, false, failed("rate_limited", 30))
    record:finish(start + 1, false, failed("rate_limited", 2))
    assert.equal(start + 30, record:view(start + 1).cooldown_until)
  end)

  it("does not stop a last resort", function()
    local record = fresh_record()
    attempt(record, start, failed("rate_limited", 30))
    record:begin_anyway(start)
    assert.equal(1, record:view(start).in_flight)
  end)
end)

describe("measures", function()
  it("are absent until there is something to measure", function()
    local view = fresh_record():view(start)
    assert.same({ 0, 1 }, { view.samples, view.success_rate })
    for _, name in ipairs { "first_token_ms", "per_token_ms", "p50_ms", "p95_ms", "p99_ms", "first_token_p95_ms" } do
      assert.is_nil(view[name])
    end
  end)

  it("average the first token and the time per token, the last ones most", function()
    local record = fresh_record()
    for _ = 1, 100 do
      attempt(record, start, { ok = true, duration_ms = 1200, first_token_ms = 200, output_tokens = 100 })
    end
    local view = record:view(start)
    assert.is_true(math.abs(view.first_token_ms - 200) < 0.001 and math.abs(view.per_token_ms - 10) < 0.001)
    for i = 1, 60 do -- one a second
      attempt(record, start + i, { ok = true, duration_ms = 2800, first_token_ms = 800, output_tokens = 100 })
    end
    view = record:view(start + 60)
    assert.is_true(view.first_token_ms > 700 and view.first_token_ms < 800)
    assert.is_true(view.per_token_ms > 18 and view.per_token_ms < 20)
  end)

  it("take an answer in one piece for its time per token only", function()
    local record = fresh_record()
    attempt(record, start, { ok = true, duration_ms = 1000, output_tokens = 100 })
    assert.is_nil(record:view(start).first_token_ms)
    assert.is_true(math.abs(record:view(start).per_token_ms - 10) < 0.001)
    attempt(record, start, { ok = true, duration_ms = 1000, first_token_ms = 500, output_tokens = 0 })
    attempt(record, start, { ok = true, duration_ms = 1500, output_tokens = 100 })
    assert.is_true(math.abs(record:view(start).per_token_ms - 10) < 0.001)
  end)

  it("know the percentiles within five per cent, and forget slowly", function()
    local record = fresh_record()
    for i = 1, 1000 do
      attempt(record, start, { ok = true, duration_ms = i, first_token_ms = i / 10 })
    end
    local view = record:view(start)
    for name, true_value in pairs { p50_ms = 500, p95_ms = 950, p99_ms = 990, first_token_p95_ms = 95 } do
      assert.is_true(math.abs(view[name] / true_value - 1) < 0.05, name .. " is " .. view[name])
    end
    for i = 1, 20 do
      for _ = 1, 10 do
        attempt(record, start + 60 * i, { ok = true, duration_ms = 5000 })
      end
    end
    assert.is_true(record:view(start + 1200).p50_ms > 4700)
  end)

  it("bear absurd numbers", function()
    local record = fresh_record()
    for _, ms in ipairs { 0, -5, 1e12, 0.001 } do
      attempt(record, start, { ok = true, duration_ms = ms, first_token_ms = ms, output_tokens = 7 })
    end
    local view = record:view(start)
    assert.is_true(view.per_token_ms >= 0 and view.p99_ms < 2e6 and view.p50_ms > 0)
  end)

  it("count what was used, by whomever it was cut short", function()
    local record = fresh_record()
    attempt(record, start, { ok = true, input_tokens = 10, output_tokens = 20 })
    attempt(record, start, { neutral = true, input_tokens = 1, output_tokens = 2 })
    attempt(record, start, { failure = { kind = "timeout" }, input_tokens = 100 })
    local view = record:view(start)
    assert.same({ 111, 22 }, { view.input_tokens, view.output_tokens })
    assert.same({ 1, 1, 3, 1 }, { view.successes, view.failures, view.requests, view.samples })
  end)
end)

describe("the table", function()
  it("finds a record again by its name", function()
    local records = health.new(10, 1)
    fail_times(records:find("a/m", start), 5, start)
    assert.equal("open", records:find("a/m", start):view(start).breaker)
    assert.equal("closed", records:find("a/n", start):view(start).breaker)
  end)

  it("keeps what is referenced, evicts what nobody named for an hour, and counts it", function()
    local records = health.new(10, 1)
    local held, left = records:find("held", start), records:find("left", start)
    held:begin(start)
    left:begin(start)
    left:release()
    records:evict(start + 3599)
    assert.equal(0, records:evictions())
    records:evict(start + 3600)
    assert.equal(1, records:evictions())
    assert.equal(0, records:find("left", start + 3600):view(start + 3600).in_flight)
    assert.equal(1, held:view(start + 3600).in_flight)
    held:release()
    records:evict(start + 3600 + 3599) -- named as long as it was held
    assert.equal(1, records:find("held", start + 7200):view(start + 7200).in_flight)
  end)

  it("does a little of it with every look-up, so that a table nobody sweeps forgets as well", function()
    local records = health.new(10, 1)
    for i = 1, 4 do
      records:find("left/" .. i, start):release()
    end
    records:find("other", start + 3599):release()
    assert.equal(0, records:evictions())
    records:find("other", start + 3600)
    records:find("other", start + 3600)
    assert.equal(4, records:evictions())
  end)

  it("when full gives up the record that was unnamed longest, and none in use", function()
    local records, held = health.new(3, 1), {}
    for i = 1, 3 do
      held[i] = records:find("t/" .. i, start + i)
      held[i]:begin(start)
    end
    assert.is_nil(records:find("t/4", start + 4))
    held[1]:release()
    held[2]:release()
    local fourth = records:find("t/4", start + 5)
    assert.equal(1, records:evictions())
    assert.equal(1, records:find("t/2", start + 6):view(start + 6).in_flight)
    assert.is_nil(records:find("t/1", start + 7))
    fourth:release()
    assert.equal(0, records:find("t/1", start + 8):view(start + 8).in_flight)
  end)

  it("costs about the same for a new name when full, however large it is: clients make names", function()
    local function seconds(limit)
      local records = health.new(limit, seed)
      for i = 1, limit do
        records:find("full/" .. i, start + i / 100):release()
      end
      local best = math.huge
      for round = 1, 3 do -- of a machine that is busy with others
        local began = os.clock()
        for i = 1, 2000 do
          records:find(("new/%d/%d"):format(round, i), start + (limit + i) / 100):release()
        end
        best = math.min(best, os.clock() - began)
      end
      assert.equal(6000, records:evictions())
      return best
    end
    local small, large = seconds(1000), seconds(16000)
    assert.is_true(large < 6 * small, ("%.4f s of 1,000 records, %.4f s of 16,000"):format(small, large))
  end)

  it("holds many", function()
    local records, held = health.new(5000, seed), {}
    for i = 1, 5000 do
      held[i] = assert(records:find("p/" .. i, start))
    end
    held[4321]:begin(start)
    assert.equal(1, records:find("p/4321", start):view(start).in_flight)
    assert.is_nil(records:find("p/0", start))
  end)
end)

-- The reference: every outcome since the breaker closed is kept in a list; the window is looked up in it.
local Reference = {}
Reference.__index = Reference

function Reference.new(settings)
  return setmetatable({
    settings = settings, state = "closed", outcomes = {}, row = 0, probing = false, passed = 0, k = 0, cool = 0,
    in_flight = 0,
  }, Reference)
end

function Reference:pass(now)
  if self.state == "open" and now >= self.retry_at then
    self.state, self.passed = "half_open", 0
  end
end

function Reference:fit(now)
  self:pass(now)
  return self.state ~= "open" and not (self.state == "half_open" and self.probing) and now >= self.cool
end

function Reference:open(now, view)
  local warming = self.closed_at and now - self.closed_at < 30
  self.k = (self.state == "half_open" or warming) and self.k + 1 or 0
  local nominal = math.min(self.settings.open * 2 ^ self.k, 300)
  local share = (view.retry_at - now) / nominal
  assert(share > 0.7999 and share < 1.2001, "the open time")
  self.state, self.retry_at, self.closed_at = "open", view.retry_at, nil
end

function Reference:window(now)
  local outcomes, good, first = self.outcomes, 0, 1
  while outcomes[first] and now // 3 - outcomes[first].at // 3 >= 10 do
    first = first + 1
  end
  if first > 1 then
    outcomes = table.move(outcomes, first, #outcomes, 1, {})
    self.outcomes = outcomes
  end
  for i = 1, #outcomes do
    good = good + (outcomes[i].ok and 1 or 0)
  end
  return good, #outcomes - good
end

local blamed = { unavailable = true, timeout = true, overloaded = true }

function Reference:finish(now, probe, outcome, view)
  self:pass(now)
  self.in_flight = self.in_flight - 1
  if probe then
    self.probing = false
  end
  if outcome.neutral then
    return
  elseif outcome.ok then
    self.row = 0
    self.outcomes[#self.outcomes + 1] = { at = now, ok = true }
    if probe and self.state == "half_open" then
      self.passed = self.passed + 1
      if self.passed == 2 then
        self.state, self.outcomes, self.closed_at = "closed", {}, now
      end
    end
    return
  end
  local kind, hint = outcome.failure.kind, outcome.failure.retry_after_s
  if kind == "rate_limited" or kind == "quota" or kind == "auth" or kind == "overloaded" and hint then
    local span = kind ~= "auth" and hint or (kind == "rate_limited" and 5 or 60)
    self.cool = math.max(self.cool, now + math.max(1, math.min(60, span)))
  end
  if blamed[kind] then
    self.row = self.row + 1
    self.outcomes[#self.outcomes + 1] = { at = now, ok = false }
    local good, bad = self:window(now)
    local tripped = self.row >= self.settings.failures or good + bad >= 10 and bad >= good
    if self.state == "closed" and tripped or self.state == "half_open" and probe then
      self:open(now, view)
    end
  end
end

local function one_of(list) return list[math.random(#list)] end

local function random_outcome(badness)
  local dice = math.random()
  if dice < 0.1 then
    return { neutral = true }
  elseif dice > badness then
    return { ok = true, duration_ms = math.random(5000) }
  end
  return failed(one_of { "unavailable", "timeout", "overloaded", "unavailable", "rate_limited", "auth", "quota" },
    math.random(4) == 1 and math.random(0, 70) or nil)
end

-- One random sequence of begins and ends with time in between; raises where the two disagree.
local function random_traffic(this_seed, tally)
  math.randomseed(this_seed)
  local settings = { failures = math.random(2, 8), open = math.random(1, 20) }
  local record = health.new(1, this_seed):find("t", start, settings)
  local reference, open, now = Reference.new(settings), {}, start
  local badness = math.random()
  for _ = 1, 40 do
    if math.random(3) == 1 then
      now = now + one_of { 0.25, 1, 3, 10, 40 }
    elseif math.random(20) == 1 then
      badness = math.random()
    end
    local dice = math.random(10)
    if dice <= 5 then
      local fit = reference:fit(now)
      assert((record:is_fit(now, 0)) == fit, "is_fit")
      local taken, probe = record:begin(now)
      assert(taken == fit and probe == (fit and reference.state == "half_open"), "begin")
      if taken then
        reference.in_flight, reference.probing = reference.in_flight + 1, probe or reference.probing
        open[#open + 1] = { probe = probe }
      end
    elseif dice == 6 then
      record:begin_anyway(now)
      reference.in_flight = reference.in_flight + 1
      open[#open + 1] = { probe = false }
    elseif #open > 0 then
      local ending = table.remove(open, math.random(#open))
      local outcome = random_outcome(badness)
      record:finish(now, ending.probe, outcome)
      reference:finish(now, ending.probe, outcome, record:view(now))
    end
    reference:pass(now)
    local view = record:view(now)
    tally[view.breaker] = (tally[view.breaker] or 0) + 1
    local good, bad = reference:window(now)
    local rate = good + bad > 0 and good / (good + bad) or 1
    if view.breaker ~= reference.state then
      error("breaker " .. view.breaker .. ", expected " .. reference.state)
    end
    assert(view.in_flight == reference.in_flight, "in_flight")
    assert(view.success_rate == rate, "success_rate")
    assert(view.cooldown_until == (reference.cool > now and reference.cool or nil), "cooldown")
    local closed_at = reference.state == "closed" and reference.closed_at
    assert(view.warming == (closed_at and now - closed_at < 30 or false), "warming")
  end
end

describe(("random traffic (SEED=%d)"):format(seed), function()
  it("moves the breaker as the reference says", function()
    local tally = {}
    for i = 0, sequences - 1 do
      local passed, message = pcall(random_traffic, seed + i, tally)
      assert(passed, passed or ("SEED=%d SEQUENCES=1: %s"):format(seed + i, tostring(message)))
    end
    for _, state in ipairs { "closed", "open", "half_open" } do
      assert.is_true(sequences < 10000 or tally[state] > sequences / 10, state .. " was hardly ever seen")
    end
  end)
end)

describe("a check", function()
  it("takes a target out, and brings it back through the slow start", function()
    local record = fresh_record()
    record:check(true, start)
    assert.same({ true }, { record:is_fit(start, 0.99) })
    record:check(false, start)
    assert.same({ false, "check" }, { record:is_fit(start, 0) })
    assert.same({ true, "closed" }, { record:view(start).down, record:view(start).breaker })
    record:check(true, start + 5)
    assert.is_false(record:view(start + 5).down)
    assert.is_true(record:is_fit(start + 5, 0.09))
    assert.same({ false, "warming" }, { record:is_fit(start + 5, 0.11) })
    record:check(true, start + 20) -- the slow start goes on, it does not begin again
    assert.is_true(record:is_fit(start + 20, 0.5))
    assert.is_true(record:is_fit(start + 35, 0.999))
  end)

  it("moves neither the breaker nor any measure", function()
    local record = fresh_record()
    local before = record:view(start)
    for i = 1, 100 do
      record:check(false, start + i)
    end
    local after = record:view(start)
    after.down = false
    for _, view in ipairs { before, after } do
      for name, value in pairs(view) do
        view[name] = value == value and value or "not a number"
      end
    end
    assert.same(before, after)
    assert.same({}, record:history(start + 100))
  end)

  it("does not hide what traffic says: an open breaker is named first, and stays open when the check comes back", function()
    local record, retry_at = opened()
    record:check(false, start)
    assert.same({ false, "breaker" }, { record:is_fit(start, 0) })
    record:check(true, start)
    assert.same({ false, "breaker" }, { record:is_fit(start, 0) })
    record:check(false, start)
    assert.same({ false, "check" }, { record:is_fit(retry_at, 0) })
    assert.equal("half_open", record:view(retry_at).breaker)
    assert.is_true(attempt(record, retry_at, ok), "who sends there all the same is the probe")
    attempt(record, retry_at, ok)
    assert.equal("closed", record:view(retry_at).breaker)
    assert.same({ false, "check" }, { record:is_fit(retry_at, 0) })
  end)

  it("lets traffic count that comes all the same", function()
    local record = fresh_record()
    record:check(false, start)
    fail_times(record, 5, start)
    assert.equal("open", record:view(start).breaker)
    record:reset(start)
    assert.same({ false, "check" }, { record:is_fit(start, 0) }, "what a check says stands")
  end)
end)
