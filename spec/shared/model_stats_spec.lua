--- What belongs to a model name as a whole: its turn goes on where it was, for every worker; its spare attempts run out and come again; by example, then
-- against a model over random events. SEQUENCES=1000000 for a night; SEED=n SEQUENCES=1 repeats one that failed.
-- Asked for by the million, and busted looks a global up in all its contexts.
local assert, math, os, pcall, tonumber, tostring = assert, math, os, pcall, tonumber, tostring

local pools = require("gateway.runtime").pools

describe("turns", function()
  it("count each name by itself", function()
    local table_of_pools = pools.new(100)
    for i = 0, 9 do
      assert.equal(i, table_of_pools:next "smart")
    end
    assert.equal(0, table_of_pools:next "fast")
    assert.equal(10, table_of_pools:next "smart")
    assert.equal(0, table_of_pools:next "")
  end)

  it("keep many names apart", function()
    local table_of_pools = pools.new(1000)
    for _ = 1, 2 do
      for i = 1, 1000 do
        table_of_pools:next("model-" .. i)
      end
    end
    for i = 1, 1000 do
      assert.equal(2, table_of_pools:next("model-" .. i))
    end
  end)

  it("share one counter among the names beyond the limit", function()
    local table_of_pools = pools.new(2)
    assert.same({ 0, 0, 0, 1, 2 }, { table_of_pools:next "a", table_of_pools:next "b", table_of_pools:next "c", table_of_pools:next "d",
      table_of_pools:next "c" })
    assert.same({ 1, 1 }, { table_of_pools:next "a", table_of_pools:next "b" })
    assert.equal(0, pools.new(0):next "a")
  end)
end)

describe("spare attempts", function()
  local function spend_all(pool)
    local spent = 0
    while pool:has_spare "m" do
      pool:spend "m"
      spent = spent + 1
    end
    return spent
  end

  it("are ten for a pool that nobody used yet", function()
    local pool = pools.new(10)
    assert.equal(10, spend_all(pool))
    assert.is_true(pool:has_spare "another")
  end)

  it("come with requests, one for six, so that an outage costs no more than 1.17 attempts a request", function()
    local pool, attempts = pools.new(10), 0
    spend_all(pool)
    for _ = 1, 12000 do
      pool:request "m"
      attempts = attempts + 1
      for _ = 1, 3 do -- as many as a client might wish
        if pool:has_spare "m" then
          pool:spend "m"
          attempts = attempts + 1
        end
      end
    end
    assert.equal(14000, attempts)
  end)

  it("are saved up to a hundred", function()
    local pool = pools.new(10)
    for _ = 1, 100000 do
      pool:request "m"
    end
    assert.equal(100, spend_all(pool))
  end)
end)

describe("hedges", function()
  it("are ten for a pool that nobody used yet, and then one for fifty requests: 2 %", function()
    local pool, hedges = pools.new(10), 0
    for _ = 1, 10000 do
      pool:request "m"
      if pool:has_hedge "m" then -- as many as a policy might wish
        pool:hedge "m"
        hedges = hedges + 1
      end
    end
    assert.equal(10 + 10000 // 50 - 1, hedges) -- what the first request would bring did not fit
  end)

  it("are saved up to ten", function()
    local pool, hedges = pools.new(10), 0
    for _ = 1, 10000 do
      pool:request "m"
    end
    while pool:has_hedge "m" do
      pool:hedge "m"
      hedges = hedges + 1
    end
    assert.equal(10, hedges)
  end)
end)

describe("the length of answers", function()
  it("is unknown before sixteen were counted", function()
    local pool = pools.new(10)
    for _ = 1, 15 do
      pool:answered("m", 100)
    end
    assert.equal(-1, pool:output_p95 "m")
    pool:answered("m", 100)
    assert.is_true(pool:output_p95 "m" >= 100)
    assert.equal(-1, pool:output_p95 "another")
  end)

  it("is that of all but one of twenty, at most a quarter over", function()
    for _, tokens in ipairs { 1, 2, 3, 5, 8, 100, 127, 128, 129, 1000, 4096, 100000, (1 << 24) - 1 } do
      local pool = pools.new(10)
      for i = 1, 320 do
        pool:answered("m", i % 21 == 0 and 1 << 40 or tokens)
      end
      local p95 = pool:output_p95 "m"
      assert.is_true(p95 >= tokens and p95 <= tokens * 1.25 + 1, ("%d for %d"):format(p95, tokens))
    end
  end)

  it("is that of late", function()
    local pool = pools.new(10)
    for _ = 1, 5000 do
      pool:answered("m", 1000)
    end
    for _ = 1, 30000 do
      pool:answered("m", 10)
    end
    assert.is_true(pool:output_p95 "m" <= 13, pool:output_p95 "m")
    pool:answered("m", -1) -- nothing that comes from outside breaks it
    pool:answered("m", math.maxinteger)
  end)
end)

-- ---------------------------------------------------------------- random events against a model

local NAMES = { "a", "b", "c", "", "a\0b" }

--- Spare attempts in sixths: a request brings one, an attempt takes six; ten attempts to begin with, a hundred saved up at most.
local function random_events(seed)
  math.randomseed(seed)
  local limit = math.random(0, 4)
  local real, pool_of, made, spent, came = pools.new(limit), {}, 0, 0, 0
  local rest = { turn = 0, spare = 60 }
  local eager = math.random(6) -- how many attempts a request would like
  local function model(name)
    if not pool_of[name] and made < limit then
      made, pool_of[name] = made + 1, { turn = 0, spare = 60 }
    end
    return pool_of[name] or rest
  end
  for _ = 1, 40 do
    local name = NAMES[math.random(#NAMES)]
    local pool = model(name)
    if math.random(4) == 1 then
      assert(real:next(name) == pool.turn, "turn")
      pool.turn = pool.turn + 1
    end
    for _ = 1, math.random(400) == 1 and 700 or 1 do
      real:request(name)
      came, pool.spare = came + 1, math.min(600, pool.spare + 1)
    end
    for _ = 1, math.random(0, eager) do
      assert(real:has_spare(name) == (pool.spare >= 6), "has_spare")
      if pool.spare >= 6 then
        real:spend(name)
        spent, pool.spare = spent + 1, pool.spare - 6
      end
    end
    if math.random(12) == 1 then -- two that decided at the same moment
      real:spend(name)
      spent, pool.spare = spent + 1, pool.spare - 6
    end
  end
  assert(spent <= came / 6 + 10 * (made + 1) + 40, "an outage would cost more than a sixth")
end

local seed = tonumber(os.getenv "SEED") or os.time()
local sequences = tonumber(os.getenv "SEQUENCES") or 10000

describe(("random spending (SEED=%d)"):format(seed), function()
  it("leaves what the model says", function()
    for i = 0, sequences - 1 do
      local ok, message = pcall(random_events, seed + i)
      assert(ok, ok or ("SEED=%d SEQUENCES=1: %s"):format(seed + i, tostring(message)))
    end
  end)
end)
