--- Limits: all or none, never more than promised in any window, settled exactly once; against a small model over random histories.
-- SEQUENCES=1000000 for a night; SEED=n SEQUENCES=1 repeats one that failed.
-- Asked for by the million, and busted looks a global up in all its contexts.
local assert, error, ipairs, math, os, pairs, pcall, setmetatable, table, tonumber, tostring =
  assert, error, ipairs, math, os, pairs, pcall, setmetatable, table, tonumber, tostring

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

  it("are no reason to refuse who asks for none, also when more were used than there are", function()
    limiter:charge(rules, ALICE, 0, 100):settle(30, 1100)
    assert.equal(5, passing(rules, 5, 31, 0))
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

  it("in absurd numbers neither overflow nor open anything", function()
    local daily, drip = { limit { tokens = "1000/day" } }, { limit { name = "drip", tokens = "1/day", burst = 100 } }
    for i = 1, 40 do
      for _, which in ipairs { daily, drip } do
        limiter = i % 10 == 1 and runtime.limiter.new() or limiter
        local taken = limiter:charge(which, ALICE, i * 1e6, 1)
        if taken then
          taken:settle(i * 1e6, math.maxinteger)
        end
        for _ = 1, 10 do -- many at once that all come to far more than they said
          local other = limiter:charge(which, BOB, i * 1e6, 0)
          if other then
            other:settle(i * 1e6, math.maxinteger)
          end
        end
        local _, verdict = limiter:look(which, ALICE, i * 1e6, 1)
        assert.equal(0, verdict.tokens.remaining)
        assert.is_nil((limiter:charge(which, ALICE, i * 1e6, 1)))
        assert.is_true(verdict.retry_after > 0)
      end
    end
    for _, tokens in ipairs { math.maxinteger, 1 << 50, 1 << 51 } do
      local _, verdict = limiter:charge({ limit { tokens = "1000/min" } }, { user = "x" }, 0, tokens)
      assert.is_nil(verdict.retry_after)
    end
    local most = { limit { name = "most", requests = "1000000000000000/s", tokens = "1000000G/day" } }
    assert.equal(3, passing(most, 5, 0, 1 << 48))
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

  it("and is a bucket fills up at the rate it has now, and misses no more than was taken", function()
    local slow, fast = { limit { requests = "1/day", burst = 10 } }, { limit { requests = "86400/day", burst = 10 } }
    assert.equal(10, passing(slow, 20, 0))
    assert.equal(0, passing(fast, 5, 1))
    assert.equal(1, passing(fast, 5, 2), "one a second from now on, not ten days later")
    assert.equal(5, passing(fast, 20, 7))
    assert.equal(0, passing(slow, 1, 7))
    assert.equal(0, passing(slow, 1, 86400))
    assert.equal(1, passing(slow, 5, 86408))
  end)

  it("gives a bucket back what it took, however slowly it fills by now", function()
    local quick, slow = { limit { tokens = "600/min", burst = 100 } }, { limit { tokens = "6/min", burst = 100 } }
    local first, second = limiter:charge(quick, ALICE, 0, 50), limiter:charge(quick, ALICE, 0, 50)
    limiter:look(slow, ALICE, 0, 0)
    first:settle(0, 0)
    assert.equal(50, passing(slow, 200, 0, 1))
    second:settle(0, 50)
    assert.equal(0, passing(slow, 1, 0, 1))
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

  it("remembers nobody who was refused, so that asking for ever new names crowds nobody out", function()
    limiter = runtime.limiter.new(10)
    local mine, each = limit { name = "mine", per = "user", requests = "3/day" }, limit { name = "each", per = { "user", "model" }, requests = "5/day" }
    limiter:charge({ mine }, BOB, 0)
    for i = 1, 100 do
      limiter:charge({ mine, each }, { user = "alice", model = "m" .. i }, i)
      limiter:look({ each }, { user = "alice", model = "n" .. i }, i)
    end
    assert.same({ 5, 0 }, { limiter:count(), limiter:evictions() })
    local _, verdict = limiter:look({ mine }, BOB, 101)
    assert.equal(2, verdict.requests.remaining)
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

  it("bears any name: with NUL, of a megabyte, more of them than it holds", function()
    local each = limit { name = "each", per = "user", requests = "1/day" }
    for _, user in ipairs { "a", "a\0", "a\0b", "a\0c", "", "%00", "\255\0\n" } do
      assert.equal(1, passing({ each }, 3, 0, nil, { user = user }))
    end
    local long = ("u"):rep(1 << 20)
    assert.equal(1, passing({ each }, 3, 0, nil, { user = long .. "1" }))
    assert.equal(1, passing({ limit { name = "both", per = { "model", "user" }, requests = "1/day" } }, 3, 0, nil, { user = "b", model = long }))
    limiter = runtime.limiter.new(1 << 14)
    name_many(100000, 0, each)
    local count, evictions = limiter:count(), limiter:evictions()
    assert.is_true(count <= 1 << 14)
    assert.equal(100000, count + evictions)
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

--- The promises once more, in plain tables: every taking is remembered and counts until its slot has left the window; a bucket is what is
-- missing from it; slots are counted. A table of records, the one named longest ago first.
local Model = {}
Model.__index = Model

local function key_of(meter)
  return ("%s %d %s"):format(meter.unit, meter.seconds or 0, meter.burst and "bucket" or "")
end

function Model.new(size)
  return setmetatable({ size = size, records = {}, order = {} }, Model)
end

local function pass_time(meter, now)
  if meter.burst then
    meter.missing = math.max(0, meter.missing - (now - meter.at) * meter.count / (meter.seconds * 1e6))
    meter.at = now
  elseif meter.seconds then
    local width, takings, first, used = math.ceil(meter.seconds * 1e6 / 63), meter.takings, 1, 0
    local oldest = now // width - 64
    while takings[first] and takings[first].at // width <= oldest do
      first = first + 1
    end
    if first > 1 then -- a list of its own: who asks what will be keeps what is
      takings = table.move(takings, first, #takings, 1, {})
    end
    for i = 1, #takings do
      used = used + takings[i].amount
    end
    meter.takings, meter.used = takings, used
  end
end

--- The record's meter for this promise, which from now on is as large as the promise says.
local function follow(record, promise, now)
  local key = promise.key
  local meter = record.meters[key]
  if not meter then
    meter = { unit = promise.unit, seconds = promise.seconds, takings = {}, used = 0, missing = 0, at = now, burst = promise.burst }
    record.meters[key] = meter
  end
  meter.count = meter.count or promise.count
  pass_time(meter, now)
  meter.changed = meter.changed or meter.count ~= promise.count
  meter.count, meter.burst = promise.count, promise.burst
  return meter
end

local function left_of(meter)
  return meter.burst and meter.burst - meter.missing or meter.count - meter.used
end

local function take(meter, amount, now)
  local taking = { at = now, amount = amount }
  if meter.burst then
    meter.missing = meter.missing + amount
  elseif meter.seconds then
    meter.takings[#meter.takings + 1] = taking
  else
    meter.used = meter.used + amount
  end
  return taking
end

function Model:touch(name)
  for i, known in ipairs(self.order) do
    if known == name then
      table.remove(self.order, i)
    end
  end
  table.insert(self.order, name)
end

function Model:forget(name)
  for i, known in ipairs(self.order) do
    if known == name then
      table.remove(self.order, i)
    end
  end
  self.records[name] = nil
end

--- The record, made when it is new; nil: all are in use.
function Model:find(name)
  local record = self.records[name]
  if not record then
    if #self.order == self.size then
      local free
      for _, known in ipairs(self.order) do
        free = free or (self.records[known].open == 0 and known)
      end
      if not free then
        return nil
      end
      self:forget(free)
    end
    record = { meters = {}, open = 0, fresh = true, times = {} }
    self.records[name] = record
  end
  self:touch(name)
  return record
end

local function amount_for(promise, tokens)
  return promise.unit == "tokens" and tokens or 1
end

--- asks: { { name =, promises = } … } -> verdict: "fits", "refused", or "either" where a hair decides; and what each holds.
function Model:charge(asks, tokens, now)
  local verdict, holds, seen, left = "fits", {}, {}, {}
  for _, ask in ipairs(asks) do
    local record = not seen[ask.name] and self:find(ask.name)
    if record then
      record.open = record.open + 1
      local hold = { name = ask.name, record = record, taken = {} }
      holds[#holds + 1] = hold
      for i, promise in ipairs(ask.promises) do
        local meter, amount = follow(record, promise, now), amount_for(promise, tokens)
        hold.taken[i] = { meter = meter, amount = amount, unit = promise.unit }
        local over = amount - left_of(meter)
        if amount > 0 and meter.burst and math.abs(over) < 1e-6 and amount <= meter.burst then
          verdict = verdict == "fits" and "either" or verdict
        elseif amount > 0 and over > 0 then
          verdict = "refused"
        end
      end
    elseif not seen[ask.name] then
      verdict = "refused"
    end
    seen[ask.name] = true
  end
  for _, hold in ipairs(holds) do
    hold.record.open = hold.record.open - 1
    for _, taken in ipairs(hold.taken) do
      local remaining = math.max(0, left_of(taken.meter))
      if remaining < (left[taken.unit] or math.huge) then
        left[taken.unit] = remaining
      end
    end
  end
  return verdict, holds, left
end

--- A charge that is refused, or only looks, leaves no record.
function Model:let_go(holds)
  for _, hold in ipairs(holds) do
    if hold.record.fresh then
      self:forget(hold.name)
    end
  end
end

function Model:take(holds, now)
  for _, hold in ipairs(holds) do
    hold.record.open, hold.record.fresh = hold.record.open + 1, false
    for _, taken in ipairs(hold.taken) do
      taken.taking = take(taken.meter, taken.amount, now)
    end
  end
end

function Model:settle(holds, requests, tokens, now)
  for _, hold in ipairs(holds) do
    hold.record.open = hold.record.open - 1
    for _, taken in ipairs(hold.taken) do
      local meter = taken.meter
      local real = taken.unit == "tokens" and (tokens or taken.amount) or taken.unit == "requests" and requests or 0
      pass_time(meter, now)
      if real > taken.amount then
        take(meter, real - taken.amount, now)
      elseif meter.burst then
        meter.missing = math.max(0, meter.missing - (taken.amount - real))
      elseif meter.seconds then
        taken.taking.amount = real
      else
        meter.used = meter.used - (taken.amount - real)
      end
    end
  end
end

local function one_of(list) return list[math.random(#list)] end

--- Meters for a limit of this name: several windows and slots, or one bucket (of a rate that whole microseconds can keep).
local function random_promises()
  if math.random(3) == 1 then
    local unit = one_of { "requests", "tokens" }
    return { { unit = unit, seconds = one_of { 1, 60 }, count = one_of { 1, 2, 10, 50 }, burst = unit == "tokens" and math.random(40) or math.random(6) } }
  end
  local promises = {}
  for _, seconds in ipairs { 1, 60, 3600 } do
    if math.random(3) == 1 then
      promises[#promises + 1] = { unit = "requests", seconds = seconds, count = math.random(6) }
    end
    if math.random(4) == 1 then
      promises[#promises + 1] = { unit = "tokens", seconds = seconds, count = math.random(60) }
    end
  end
  if #promises == 0 or #promises < 6 and math.random(3) == 1 then
    promises[#promises + 1] = { unit = "concurrent", count = math.random(3) }
  end
  return promises
end

--- A reload: other numbers for the same promises, or others altogether.
local function changed(promises)
  if math.random(4) == 1 then
    return random_promises()
  end
  local copy = {}
  for i, promise in ipairs(promises) do
    copy[i] = { unit = promise.unit, seconds = promise.seconds, count = one_of { 1, 2, 4, 10, 50 }, burst = promise.burst and math.random(20) }
  end
  return copy
end

local PER = { a = {}, b = { "user" } }
local USERS, ASKS = { "ann", "bob", "cat" }, { { "a" }, { "b" }, { "a", "b" }, { "b", "a" }, { "b", "b" }, { "a", "b", "a" } }
local NAMES = { "a", "b" }
local JUMPS = { 1, 999, 15873, 15874, 250000, 999999, 1000000, 1000001, 1015873, 1015874, 20000000, 60000000, 60952381, 60952382, 3600000000 }

local function random_history(seed, tally)
  math.randomseed(seed)
  local size = math.random(4) == 1 and math.random(3) or 4096
  local real, reference, now = runtime.limiter.new(size), Model.new(size), 1000000 + math.random(2000000)
  local promises, rules, open = {}, {}, {}
  local function load(name, list)
    for _, promise in ipairs(list) do
      promise.key = key_of(promise)
    end
    promises[name] = list
    rules[name] = runtime.limit.rule { name = name, per = PER[name], meters = list }
  end
  load("a", random_promises())
  load("b", random_promises())
  local lasts = size == 4096 and #JUMPS or #JUMPS - 4 -- a small table must not forget by age, which the model does not

  local function ask(taking)
    local user, tokens = one_of(USERS), math.random(0, 25)
    local asked, asks = {}, {}
    for i, name in ipairs(one_of(ASKS)) do
      asked[i], asks[i] = rules[name], { name = name == "b" and "b/" .. user or "a", promises = promises[name] }
    end
    local verdict, holds, left = reference:charge(asks, tokens, now)
    local reservation, facts = real[taking and "charge" or "look"](real, asked, { user = user }, now / 1e6, tokens)
    local fits = reservation ~= nil
    if verdict ~= "either" and fits ~= (verdict == "fits") then
      error(("the model says %s"):format(verdict))
    end
    tally[fits and "fits" or "refused"] = (tally[fits and "fits" or "refused"] or 0) + 1
    if fits and taking then
      reference:take(holds, now)
      open[#open + 1] = { reservation = reservation, holds = holds }
    else
      reference:let_go(holds)
      for unit, remaining in pairs(left) do
        local told = facts[unit] and facts[unit].remaining
        local least, most = math.floor(remaining - 1e-5), math.floor(remaining + 1e-5)
        if not (told >= least and told <= most) then
          error(("%s: %s remain, not %s"):format(unit, remaining, told))
        end
      end
    end
    local wait = facts.retry_after
    if not fits and taking and wait and facts.unit ~= "concurrent" and facts.count > 0 then
      -- without other charges exactly the ask with the longest wait has capacity
      local later, rule, name = now + math.ceil(wait * 1e6 - 0.5), nil, nil
      for _, this in ipairs(asks) do
        if facts.record == "limit:" .. this.name then
          rule, name = this, this.name
        end
      end
      local record = reference.records[name]
      if record then
        for _, promise in ipairs(rule.promises) do
          local meter = record.meters[promise.key]
          if promise.unit == facts.unit and (promise.seconds or 0) == (facts.seconds or 0) then
            local copy = { unit = meter.unit, seconds = meter.seconds, burst = meter.burst, count = meter.count, missing = meter.missing,
              at = meter.at, takings = meter.takings, used = meter.used }
            pass_time(copy, later)
            assert(left_of(copy) + 1e-6 >= amount_for(promise, tokens), "Retry-After is too short")
          end
        end
      end
    end
  end

  for _ = 1, 30 do
    local dice = math.random(20)
    if dice <= 8 then
      ask(true)
    elseif dice == 9 then
      ask(false)
    elseif dice <= 13 and #open > 0 then
      local pick = table.remove(open, math.random(#open))
      if math.random(4) == 1 then
        pick.reservation:cancel(now / 1e6)
        reference:settle(pick.holds, 0, 0, now)
      else
        local tokens = math.random(5) > 1 and math.random(0, 40) or nil
        pick.reservation:settle(now / 1e6, tokens)
        reference:settle(pick.holds, 1, tokens, now)
      end
      pick.reservation:settle(now / 1e6, 1000) -- again does nothing
      pick.reservation:cancel(now / 1e6)
    elseif dice <= 19 then
      now = now + JUMPS[math.random(lasts)]
    else
      local name = one_of(NAMES)
      load(name, changed(promises[name]))
    end
    if size ~= 4096 then
      local count = 0
      for _ in pairs(reference.records) do
        count = count + 1
      end
      assert(real:count() == count, "records")
    end
  end
  -- A request that ends gives everything back: slots are free again, and a day later so is the rest.
  for _, pick in ipairs(open) do
    pick.reservation:settle(now / 1e6, 0)
  end
  for name, rule in pairs(rules) do
    for _, user in ipairs(USERS) do
      local _, facts = real:look({ rule }, { user = user }, now / 1e6 + 1e9)
      for _, promise in ipairs(promises[name]) do
        local told = facts[promise.unit]
        if told.remaining ~= told.limit then
          error(promise.unit .. " leaked")
        end
      end
    end
  end
end

local seed = tonumber(os.getenv "SEED") or os.time()
local sequences = tonumber(os.getenv "SEQUENCES") or 10000

describe(("random histories (SEED=%d)"):format(seed), function()
  it("agree with the model", function()
    local tally = {}
    for i = 0, sequences - 1 do
      local ok, message = pcall(random_history, seed + i, tally)
      assert(ok, ok or ("SEED=%d SEQUENCES=1: %s"):format(seed + i, tostring(message)))
    end
    assert.is_true(sequences < 1000 or (tally.fits > sequences and tally.refused > sequences))
  end)
end)
