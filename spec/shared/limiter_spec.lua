--- Limits: all or none, never more than promised in any window, settled exactly once; against a small model over random histories.
local runtime = require "gateway.runtime"
local limits = require "gateway.limits"

local function limit(spec)
  spec.name = spec.name or "x"
  return assert(limits.read(spec))
end

local ALICE, BOB = { user = "alice", model = "m" }, { user = "bob", model = "m" }

local limiter
before_each(function() limiter = runtime.limiter.new() end)

--- How many of `asked` pass at this moment, each with so many tokens.
local function passing(rules, asked, now, tokens, who)
  local passed = 0
  for _ = 1, asked do
    passed = passed + (limiter:charge(rules, who or ALICE, now, tokens) and 1 or 0)
  end
  return passed
end

describe("a window", function()
  it("lets ten pass where ten remain and a thousand ask", function()
    local ten = { limit { requests = "10/min" } }
    assert.equal(10, passing(ten, 1000, 5))
    assert.equal(0, passing(ten, 1000, 5.5))
  end)

  it("counts its oldest slot whole: all of it is there again after a window and a 63rd", function()
    local rules = { limit { requests = "10/min" } }
    assert.equal(10, passing(rules, 10, 0))
    assert.equal(0, passing(rules, 1, 60))
    assert.equal(0, passing(rules, 1, 60.9))
    assert.equal(10, passing(rules, 20, 61))
  end)

  -- Whatever the pattern: at most what was promised in any window, wherever it begins; at ten times the limit at most 3 % less.
  for name, gap in pairs {
    flood = function() return 0.0601 end,
    bursts = function(i) return i % 300 == 0 and 29.7 or 0 end,
    ["idle then burst"] = function(i) return i % 400 == 0 and 75 or 0.001 end,
    random = function() return -0.06 * math.log(1 - math.random()) end,
  } do
    it("never holds more than promised: " .. name, function()
      math.randomseed(7)
      local rules, times, now = { limit { requests = "100/min" } }, {}, 0
      for i = 1, 12000 do
        now = now + gap(i)
        if limiter:charge(rules, ALICE, now) then
          times[#times + 1] = now
        end
      end
      for i = 101, #times do
        assert.is_true(times[i] - times[i - 100] >= 60, ("101 requests within %.3f s"):format(times[i] - times[i - 100]))
      end
      if name == "flood" or name == "random" then
        local fair = 100 * now / 60
        assert.is_true(#times >= 0.97 * fair, ("%d of %.0f"):format(#times, fair))
      end
    end)
  end

  it("may be several at once: 100/min and 5/s", function()
    local rules, times, now = { limit { requests = "100/min 5/s" } }, {}, 0
    for i = 1, 20000 do
      now = i * 0.011
      if limiter:charge(rules, ALICE, now) then
        times[#times + 1] = now
      end
    end
    for i, time in ipairs(times) do
      assert.is_true(i <= 5 or time - times[i - 5] >= 1)
      assert.is_true(i <= 100 or time - times[i - 100] >= 60)
    end
    assert.is_true(#times > 0.95 * 100 * now / 60)
  end)

  it("says what is left, when it is all there again, and how long to wait", function()
    local rules = { limit { requests = "3/min" } }
    local _, verdict = limiter:charge(rules, ALICE, 630)
    assert.same({ limit = 3, remaining = 2 }, { limit = verdict.requests.limit, remaining = verdict.requests.remaining })
    assert.is_true(verdict.requests.reset >= 690 and verdict.requests.reset <= 691)
    limiter:charge(rules, ALICE, 650)
    limiter:charge(rules, ALICE, 650)
    local refused
    refused, verdict = limiter:charge(rules, ALICE, 660)
    assert.is_nil(refused)
    assert.same({ "x", "limit:x", "requests", 3, 60 }, { verdict.limit, verdict.record, verdict.unit, verdict.count, verdict.seconds })
    assert.equal(0, verdict.requests.remaining)
    assert.is_true(verdict.retry_after >= 30 and verdict.retry_after <= 31)
    assert.matches("^Limit 'x' of 3 requests per minute reached%. Try again in 30%.%d s%.$", verdict.message)
    assert.is_nil((limiter:charge(rules, ALICE, 660 + verdict.retry_after - 0.001)))
    assert.is_truthy((limiter:charge(rules, ALICE, 660 + verdict.retry_after)))
  end)

  it("shows the window that leaves least", function()
    local _, verdict = limiter:charge({ limit { requests = "100/min 5/s" } }, ALICE, 10)
    assert.same({ 5, 4 }, { verdict.requests.limit, verdict.requests.remaining })
    for i = 1, 98 do
      limiter:charge({ limit { requests = "100/min 5/s" } }, ALICE, 10 + i * 0.3)
    end
    _, verdict = limiter:look({ limit { requests = "100/min 5/s" } }, ALICE, 42)
    assert.same({ 100, 1 }, { verdict.requests.limit, verdict.requests.remaining })
  end)

  it("is not moved by a clock that lags a little", function()
    local rules = { limit { requests = "2/s" } }
    assert.is_truthy((limiter:charge(rules, ALICE, 5.02)))
    assert.is_truthy((limiter:charge(rules, ALICE, 5.00)))
    assert.is_nil((limiter:charge(rules, ALICE, 4.99)))
    assert.is_nil((limiter:charge(rules, ALICE, 6.00)))
    assert.is_truthy((limiter:charge(rules, ALICE, 6.05)))
  end)
end)

describe("a bucket", function()
  it("lets its burst pass at once and then its rate, promising nothing per window", function()
    local rules = { limit { requests = "60/min", burst = 10 } }
    assert.equal(10, passing(rules, 100, 50))
    assert.equal(0, passing(rules, 1, 50.999))
    assert.equal(1, passing(rules, 5, 51))
    assert.equal(3, passing(rules, 5, 54))
    assert.equal(10, passing(rules, 100, 500))
  end)

  it("is exact for rates that do not divide a second", function()
    local rules, passed = { limit { requests = "7/s", burst = 7 } }, 0
    assert.equal(7, passing(rules, 10, 0))
    for i = 1, 100000 do
      passed = passed + passing(rules, 1, i / 1000)
    end
    assert.is_true(math.abs(passed - 700) <= 1, passed)
  end)

  it("says what is left and how long to wait", function()
    local rules = { limit { requests = "6/min", burst = 3 } }
    local _, verdict = limiter:charge(rules, ALICE, 100)
    assert.same({ limit = 3, remaining = 2, reset = 110 }, verdict.requests)
    passing(rules, 2, 101)
    _, verdict = limiter:charge(rules, ALICE, 102)
    assert.same({ 8, 3, 0 }, { verdict.retry_after, verdict.count, verdict.requests.remaining })
  end)

  it("holds tokens as well, and takes what was used beyond them from its future", function()
    local rules = { limit { tokens = "600/min", burst = 100 } }
    local taken = limiter:charge(rules, ALICE, 0, 80)
    assert.is_nil((limiter:charge(rules, ALICE, 0, 30)))
    taken:settle(0, 150)
    assert.equal(0, passing(rules, 1, 5.9, 10))
    assert.equal(1, passing(rules, 1, 6, 10))
    limiter:charge({ limit { name = "y", tokens = "600/min", burst = 100 } }, ALICE, 10, 100):settle(10, 20)
    assert.equal(8, passing({ limit { name = "y", tokens = "600/min", burst = 100 } }, 20, 10, 10))
  end)
end)

describe("slots", function()
  it("are held until they are settled, once", function()
    local rules = { limit { concurrent = 2 } }
    local first, second = limiter:charge(rules, ALICE, 1), limiter:charge(rules, ALICE, 1)
    local third, verdict = limiter:charge(rules, ALICE, 100000)
    assert.is_nil(third)
    assert.same({ "concurrent", 2, 1 }, { verdict.unit, verdict.count, verdict.retry_after })
    assert.equal("Limit 'x' of 2 requests at a time reached.", verdict.message)
    first:settle(2)
    first:settle(2)
    first:cancel(2)
    assert.equal(1, passing(rules, 5, 3))
    second:cancel(4)
    assert.equal(1, passing(rules, 5, 5))
  end)
end)

describe("tokens", function()
  local rules = { limit { tokens = "1000/min" } }

  it("are reserved, and trued up to what was used", function()
    local taken = limiter:charge(rules, ALICE, 0, 900)
    assert.equal(0, passing(rules, 1, 1, 200))
    taken:settle(1, 100)
    taken:settle(1, 0)
    assert.equal(4, passing(rules, 10, 2, 200))
  end)

  it("beyond what was reserved count when they were used", function()
    limiter:charge(rules, ALICE, 0, 100):settle(30, 1100)
    local _, verdict = limiter:look(rules, ALICE, 31, 1)
    assert.equal(0, verdict.tokens.remaining)
    assert.equal(0, passing(rules, 1, 62, 1), "1000 of them were used at 30")
    assert.equal(1, passing(rules, 1, 91, 1000))
  end)

  it("stay as they were reserved where nobody knows", function()
    limiter:charge(rules, ALICE, 0, 900):settle(1)
    assert.equal(1, passing(rules, 5, 2, 100))
  end)

  it("are given back when nothing was sent, with the request", function()
    local both = { limit { requests = "1/min", tokens = "1000/min" } }
    limiter:charge(both, ALICE, 0, 1000):cancel(1)
    assert.equal(1, passing(both, 2, 2, 1000))
  end)

  it("of a window that has left are not given back again", function()
    local old = limiter:charge(rules, ALICE, 0, 500)
    limiter:charge(rules, ALICE, 70, 600)
    old:settle(71, 0)
    assert.equal(0, passing(rules, 1, 72, 401))
    assert.equal(1, passing(rules, 1, 72, 400))
  end)

  it("more than there can be never pass, and there is nothing to wait for", function()
    local taken, verdict = limiter:charge(rules, ALICE, 0, 1001)
    assert.is_nil(taken)
    assert.is_nil(verdict.retry_after)
    assert.equal("Limit 'x' of 1000 tokens per minute: this request asks for more than that at once.", verdict.message)
    assert.equal(1, passing(rules, 1, 0, 1000))
  end)
end)

describe("several limits", function()
  local wide, narrow = limit { name = "wide", requests = "100/min", concurrent = 50 }, limit { name = "narrow", per = "user", requests = "3/min" }

  it("are charged all or none", function()
    assert.equal(3, passing({ wide, narrow }, 50, 0))
    local _, verdict = limiter:look({ wide }, ALICE, 0)
    assert.equal(97, verdict.requests.remaining)
    assert.equal(47, verdict.concurrent.remaining)
    _, verdict = limiter:look({ narrow, wide }, ALICE, 0)
    assert.same({ "narrow", "limit:narrow/alice" }, { verdict.limit, verdict.record })
  end)

  it("name the one to wait longest for", function()
    local slow = limit { name = "slow", requests = "1/hour" }
    limiter:charge({ slow }, ALICE, 0)
    passing({ narrow }, 3, 0)
    for _, order in ipairs { { slow, narrow, wide }, { wide, narrow, slow }, { narrow, slow } } do
      local _, verdict = limiter:charge(order, ALICE, 1)
      assert.equal("slow", verdict.limit)
    end
  end)

  it("charge one that is named twice once", function()
    assert.equal(3, passing({ narrow, narrow }, 10, 0))
  end)

  it("count each subject by itself", function()
    assert.equal(3, passing({ narrow }, 10, 0, nil, ALICE))
    assert.equal(3, passing({ narrow }, 10, 0, nil, BOB))
    local both = limit { name = "both", per = { "user", "model" }, requests = "1/min" }
    for _, who in ipairs { { user = "a", model = "b/c" }, { user = "a/b", model = "c" }, { user = "a%2Fb", model = "c" }, { user = "a", model = "c" } } do
      assert.equal(1, passing({ both }, 5, 0, nil, who))
    end
    local _, verdict = limiter:charge({ both }, { user = "a/b", model = "c/d" }, 0)
    assert.is_nil(verdict.record)
    _, verdict = limiter:charge({ both }, { user = "a/b", model = "c/d" }, 0)
    assert.equal("limit:both/a%2Fb/c/d", verdict.record)
  end)

  it("cost nothing where there is none", function()
    assert.is_truthy((limiter:charge({}, ALICE, 0)))
    assert.equal(0, limiter:count())
  end)
end)

describe("a limit that changed", function()
  it("is found again by its name, with what it counted", function()
    assert.equal(5, passing({ limit { requests = "5/min", tokens = "100/day" } }, 9, 0, 10))
    assert.equal(3, passing({ limit { requests = "8/min", tokens = "100/day" } }, 9, 1, 10))
    assert.equal(0, passing({ limit { requests = "2/min", tokens = "100/day" } }, 9, 2, 10))
    assert.equal(2, passing({ limit { requests = "100/s", tokens = "100/day" } }, 9, 3, 10), "the day did not begin again")
    assert.equal(1, limiter:count())
  end)

  it("gives back what it holds, whatever it has become", function()
    local held = {}
    for i = 1, 40 do
      held[i] = limiter:charge({ limit { requests = i .. "/min " .. 2 * i .. "/hour", concurrent = 50, tokens = "1000/min" } }, ALICE, 0, 10)
      held[i] = held[i] or limiter:charge({ limit { concurrent = 50, tokens = "1000/min" } }, ALICE, 0, 10)
      held[#held + 1] = limiter:charge({ limit { tokens = ("%d/s"):format(1000 + i), burst = 1000 } }, ALICE, 0, 10)
    end
    for _, reservation in pairs(held) do
      reservation:settle(1, 0)
    end
    local _, verdict = limiter:look({ limit { concurrent = 50, tokens = "1000/min" } }, ALICE, 1)
    assert.same({ 50, 1000 }, { verdict.concurrent.remaining, verdict.tokens.remaining })
  end)

  it("may come and go with two generations that serve side by side", function()
    local old, new = { limit { requests = "10/min" } }, { limit { requests = "20/hour" } }
    for _ = 1, 30 do
      limiter:charge(old, ALICE, 0)
      limiter:charge(new, ALICE, 0)
    end
    assert.equal(0, passing(old, 1, 1))
    assert.equal(0, passing(new, 1, 1))
  end)
end)

describe("the table", function()
  local function name_many(count, now, rule)
    for i = 1, count do
      limiter:charge({ rule }, { user = "user-" .. i }, now):settle(now)
    end
  end

  it("forgets what holds nothing and was not named for an hour", function()
    name_many(100, 0, limit { per = "user", requests = "5/min" })
    limiter:evict(3600)
    assert.same({ 100, 0 }, { limiter:count(), limiter:evictions() })
    limiter:charge({ limit { per = "user", requests = "5/min" } }, { user = "user-7" }, 3000)
    limiter:evict(3601)
    assert.same({ 1, 99 }, { limiter:count(), limiter:evictions() })
  end)

  it("does not forget a day that somebody has used up", function()
    local daily = limit { per = "user", tokens = "10/day" }
    limiter:charge({ daily }, ALICE, 0, 10):settle(0)
    name_many(10, 1, limit { name = "other", per = "user", requests = "5/min" })
    limiter:evict(7200)
    assert.equal(1, limiter:count())
    assert.is_nil((limiter:charge({ daily }, ALICE, 7201, 1)))
    local held = limiter:charge({ limit { name = "held", concurrent = 1 } }, ALICE, 7202)
    limiter:evict(900000)
    assert.equal(1, limiter:count(), "only what is held is left")
    held:settle(900001)
    limiter:evict(900001)
    assert.equal(0, limiter:count())
  end)

  it("does a little of it with every charge", function()
    limiter = runtime.limiter.new(1000) -- small enough for one shard
    local rule = limit { per = "user", requests = "5/min" }
    name_many(100, 0, rule)
    for i = 1, 50 do
      limiter:charge({ rule }, ALICE, 4000 + i)
    end
    assert.equal(1, limiter:count())
  end)

  it("gives up what was named longest ago when it is full, never what is in use", function()
    limiter = runtime.limiter.new(10)
    local rule, daily = limit { per = "user", concurrent = 2 }, limit { name = "daily", per = "user", requests = "1/day" }
    local held = {}
    for i = 1, 9 do
      held[i] = limiter:charge({ rule }, { user = "holder-" .. i }, 0)
    end
    name_many(50, 1, daily)
    assert.same({ 10, 49 }, { limiter:count(), limiter:evictions() })
    assert.is_nil((limiter:charge({ daily }, { user = "user-50" }, 2)))
    held[10] = limiter:charge({ rule }, { user = "holder-10" }, 3)
    local _, verdict = limiter:charge({ rule }, { user = "one-more" }, 4)
    assert.same({ 1, "Too many callers are being counted right now." }, { verdict.retry_after, verdict.message })
    assert.is_truthy((limiter:charge({ rule }, { user = "holder-1" }, 4)))
    held[3]:settle(5)
    assert.is_truthy((limiter:charge({ rule }, { user = "one-more" }, 6)))
  end)
end)

-- ---------------------------------------------------------------- random histories against a model

--- A meter as its promise says it: every taking is remembered, and counts until its slot has left.
local model = {}
model.__index = model

function model.new(rates, slots)
  local self = setmetatable({ meters = {} }, model)
  for unit, list in pairs(rates) do
    for _, rate in ipairs(list) do
      self.meters[#self.meters + 1] = { unit = unit, count = rate[1], width = math.ceil(rate[2] * 1e6 / 63), takings = {} }
    end
  end
  self.slots, self.held = slots, 0
  return self
end

local function used(meter, now)
  local present, sum = now // meter.width, 0
  for _, taking in ipairs(meter.takings) do
    if taking.at // meter.width > present - 64 then
      sum = sum + taking.amount
    end
  end
  return sum
end

function model:fits(now, tokens)
  for _, meter in ipairs(self.meters) do
    if used(meter, now) + (meter.unit == "tokens" and tokens or 1) > meter.count then
      return false
    end
  end
  return not self.slots or self.held < self.slots
end

function model:take(now, tokens)
  local takings = {}
  for i, meter in ipairs(self.meters) do
    takings[i] = { at = now, amount = meter.unit == "tokens" and tokens or 1 }
    table.insert(meter.takings, takings[i])
  end
  self.held = self.held + 1
  return takings
end

function model:settle(now, takings, requests, tokens)
  for i, meter in ipairs(self.meters) do
    local real = meter.unit == "tokens" and tokens or requests
    if real > takings[i].amount then
      table.insert(meter.takings, { at = now, amount = real - takings[i].amount })
    else
      takings[i].amount = real
    end
  end
  self.held = self.held - 1
end

describe("random histories", function()
  local SHAPES = {
    { { requests = "20/min" }, { requests = { { 20, 60 } } } },
    { { requests = "100/min 5/s", tokens = "5k/min 60k/hour", concurrent = 4 },
      { requests = { { 100, 60 }, { 5, 1 } }, tokens = { { 5000, 60 }, { 60000, 3600 } } }, 4 },
    { { tokens = "900/s" }, { tokens = { { 900, 1 } } } },
    { { requests = "3/s 50/hour", concurrent = 2 }, { requests = { { 3, 1 }, { 50, 3600 } } }, 2 },
  }
  local STEPS = tonumber(os.getenv "LIMITER_STEPS") or 4000

  for index, shape in ipairs(SHAPES) do
    it("agree with the model, shape " .. index, function()
      math.randomseed(index)
      local rules, reference, open, now = { limit(shape[1]) }, model.new(shape[2], shape[3]), {}, 1000000
      for step = 1, STEPS do
        local jump = math.random(100)
        now = now + (jump > 97 and math.random(90000000) or jump > 60 and math.random(400000) or math.random(0, 3000))
        local tokens = math.random(0, 400)
        local at = ("step %d at %d us"):format(step, now)
        if #open > 0 and math.random() < 0.4 then
          local pick = table.remove(open, math.random(#open))
          if math.random() < 0.2 then
            pick.reservation:cancel(now / 1e6)
            reference:settle(now, pick.takings, 0, 0)
          else
            local real = math.random(0, 500)
            pick.reservation:settle(now / 1e6, real)
            reference:settle(now, pick.takings, 1, real)
          end
        else
          local fits = reference:fits(now, tokens)
          local reservation, verdict = limiter:charge(rules, ALICE, now / 1e6, tokens)
          assert.equal(fits, reservation ~= nil, at)
          if reservation then
            open[#open + 1] = { reservation = reservation, takings = reference:take(now, tokens) }
          elseif verdict.retry_after and verdict.unit ~= "concurrent" and #open == 0 then
            assert.is_true(reference:fits(now + math.ceil(verdict.retry_after * 1e6), tokens), at)
            assert.is_false(reference:fits(now + math.floor(verdict.retry_after * 1e6) - 1, tokens), at)
          end
        end
        for _, unit in ipairs { "requests", "tokens" } do
          local _, verdict = limiter:look(rules, ALICE, now / 1e6)
          local least
          for _, meter in ipairs(reference.meters) do
            if meter.unit == unit then
              least = math.min(least or math.huge, math.max(0, meter.count - used(meter, now)))
            end
          end
          assert.equal(least, verdict[unit] and verdict[unit].remaining, at)
        end
        if step % 500 == 0 then -- what has left long ago slows the model only
          for _, meter in ipairs(reference.meters) do
            local kept = {}
            for _, taking in ipairs(meter.takings) do
              kept[#kept + 1] = taking.at // meter.width > now // meter.width - 64 and taking or nil
            end
            meter.takings = kept
          end
        end
      end
    end)
  end
end)
