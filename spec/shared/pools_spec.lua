--- What belongs to a model name as a whole: its turn goes on where it was, whoever asks; its spare attempts run out and come again.
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
