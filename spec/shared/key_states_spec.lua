--- Keys of providers: refused and throttled ones are set aside, the others go on in turn; by example, then against a model over random events.
-- SEQUENCES=1000000 for a night; SEED=n SEQUENCES=1 repeats one that failed.
-- Asked for by the million, and busted looks a global up in all its contexts.
local assert, error, ipairs, math, os, pairs, pcall, table, tonumber, tostring =
  assert, error, ipairs, math, os, pairs, pcall, table, tonumber, tostring

local key_states = require("gateway.runtime").key_states

describe("the keys of a provider", function()
  local states, pool

  before_each(function()
    states = key_states.new(100)
    pool = { states:find("groq", "one"), states:find("groq", "two"), states:find("groq", "three") }
  end)

  local function chosen(now, count)
    local list = {}
    for turn = 0, (count or 6) - 1 do
      list[#list + 1] = key_states.choose(pool, turn, now)
    end
    return table.concat(list, " ")
  end

  it("are used in turn", function()
    assert.equal("1 2 3 1 2 3", chosen(10))
  end)

  it("are left out for a minute when they were refused, twice as long each time, an hour at most", function()
    local now = 10
    for refusal = 1, 9 do
      pool[2]:refused(now)
      local span = math.min(60 * 2 ^ (refusal - 1), 3600)
      assert.near(now + span, pool[2]:aside_until(), 1e-3)
      assert.equal("1 3 3 1 3 3", chosen(now + span - 1))
      now = now + span
      assert.equal("1 2 3 1 2 3", chosen(now))
    end
    pool[2]:worked()
    pool[2]:refused(now)
    assert.near(now + 60, pool[2]:aside_until(), 1e-3)
  end)

  it("are left out as long as the provider says when they were throttled", function()
    for hint, span in pairs { [7] = 7, [0.5] = 0.5, [1e6] = 3600 } do
      pool[1]:throttled(10, hint)
      assert.near(10 + span, pool[1]:aside_until(), 1e-3)
      pool[1]:reset()
    end
    pool[1]:throttled(10)
    assert.near(11, pool[1]:aside_until(), 1e-3)
  end)

  it("stay out for the longest that was said, whoever says it last", function()
    pool[1]:throttled(10, 30)
    pool[1]:throttled(11)
    pool[1]:throttled(12, 5)
    assert.near(40, pool[1]:aside_until(), 1e-3)
    pool[2]:throttled(10, 600)
    pool[2]:refused(11)
    assert.near(610, pool[2]:aside_until(), 1e-3)
  end)

  it("are refused once, however many asked with one at the same moment", function()
    for _ = 1, 8 do
      pool[1]:refused(10)
    end
    assert.near(70, pool[1]:aside_until(), 1e-3)
    pool[1]:refused(70)
    assert.near(190, pool[1]:aside_until(), 1e-3)
  end)

  it("stay out when they were refused, whatever is said of how often they may be used", function()
    pool[1]:refused(10)
    pool[1]:throttled(11, 1)
    assert.near(70, pool[1]:aside_until(), 1e-3)
    pool[2]:throttled(10, 5)
    pool[2]:refused(11)
    assert.near(71, pool[2]:aside_until(), 1e-3)
  end)

  it("serve all the same when none is left: the one that comes back first", function()
    pool[1]:throttled(10, 30)
    pool[2]:throttled(10, 5)
    pool[3]:refused(10)
    assert.equal("2 2 2 2 2 2", chosen(11))
    assert.is_false(key_states.has_other(pool, 2, 11))
    assert.is_true(key_states.has_other(pool, 1, 16))
  end)

  it("are found again by provider and key, and by nothing else", function()
    pool[1]:refused(10)
    assert.is_truthy(states:find("groq", "one"):aside_until() > 10)
    assert.equal(0, states:find("openai", "one"):aside_until())
    assert.equal(0, states:find("groqone", ""):aside_until())
  end)

  it("beyond the limit are never set aside", function()
    local few = key_states.new(1)
    assert.is_truthy(few:find("a", "b"))
    assert.is_nil(few:find("a", "c"))
    assert.is_truthy(few:find("a", "b"))
  end)
end)

-- ---------------------------------------------------------------- random events against a model

local function one_of(list) return list[math.random(#list)] end

--- What each call does to a key, in plain words. Times are eighths of a second, so that both sides mean the same moment.
local say = {
  refused = function(key, now)
    if key.till <= now or key.refusals == 0 then
      key.till = math.max(key.till, now + math.min(60 * 2 ^ key.refusals, 3600))
      key.refusals = key.refusals + 1
    end
  end,
  throttled = function(key, now, hint)
    if key.till <= now or key.refusals == 0 then
      key.till = math.max(key.till, now + math.min(hint or 1, 3600))
    end
  end,
  worked = function(key)
    if key.refusals > 0 then
      key.refusals, key.till = 0, 0
    end
  end,
  reset = function(key) key.refusals, key.till = 0, 0 end,
}

local function expected_choice(keys, turn, now)
  local soonest
  for i = 0, #keys - 1 do
    local index = (turn + i) % #keys + 1
    if keys[index].till <= now then
      return index
    elseif not soonest or keys[index].till < keys[soonest].till then
      soonest = index
    end
  end
  return soonest
end

local SPANS, HINTS = { 0, 0, 0.125, 1, 7.5, 60, 240, 3600 }, { nil, 0, 0.5, 30, 1e6 }
local EVENTS = { "refused", "refused", "throttled", "throttled", "worked", "reset" }

local function random_keys(seed)
  math.randomseed(seed)
  local states, pool, keys, now = key_states.new(10), {}, {}, 1000
  for i = 1, math.random(5) do
    pool[i], keys[i] = states:find("p", "key-" .. i), { till = 0, refusals = 0 }
  end
  for _ = 1, 30 do
    now = now + one_of(SPANS)
    local at, what = math.random(#keys), one_of(EVENTS)
    local hint = what == "throttled" and one_of(HINTS) or nil
    local face = math.random(2) == 1 and pool[at] or states:find("p", "key-" .. at)
    face[what](face, now, hint)
    say[what](keys[at], now, hint)
    if pool[at]:aside_until() ~= keys[at].till then
      error(("%s: until %s, not %s"):format(what, keys[at].till, pool[at]:aside_until()))
    end
    assert(keys[at].till <= now + 3600, "set aside for more than an hour")
    local turn, others = math.random(0, 1 << 40), false
    assert(key_states.choose(pool, turn, now) == expected_choice(keys, turn, now), "choose")
    for i, key in ipairs(keys) do
      others = others or i ~= at and key.till <= now
    end
    assert(key_states.has_other(pool, at, now) == others, "has_other")
  end
end

local seed = tonumber(os.getenv "SEED") or os.time()
local sequences = tonumber(os.getenv "SEQUENCES") or 10000

describe(("random refusals of keys (SEED=%d)"):format(seed), function()
  it("set aside what the model says", function()
    for i = 0, sequences - 1 do
      local ok, message = pcall(random_keys, seed + i)
      assert(ok, ok or ("SEED=%d SEQUENCES=1: %s"):format(seed + i, tostring(message)))
    end
  end)
end)
