--- The room for request bodies: one user may not hold it all.
local memory = require("gateway.runtime").memory

local MB = 1024 * 1024

describe("the room for request bodies", function()
  local bodies

  before_each(function() bodies = memory.bodies(90 * MB, 10 * MB) end)

  --- How many of `size` bytes a user gets.
  local function fill(user, size, now)
    local count = 0
    while bodies:take(user, size, now or 0) do
      count = count + 1
    end
    return count
  end

  it("leaves a third to others, whoever comes alone", function()
    assert.equal(60, fill(1, MB))
    assert.equal(30, fill(2, MB))
    assert.equal(90 * MB, bodies:held())
  end)

  it("gives one user a third while others hold some", function()
    assert.is_true(bodies:take(2, MB, 0))
    assert.equal(30, fill(1, MB))
    bodies:give(2, MB)
    assert.equal(30, fill(1, MB))
  end)

  it("gives one user a third while others were refused", function()
    assert.equal(60, fill(1, MB))
    assert.equal(30, fill(2, MB))
    assert.is_false(bodies:take(3, MB, 1000))
    bodies:give(1, 40 * MB)
    bodies:give(2, 30 * MB)
    assert.equal(10, fill(1, MB, 2000)) -- the third one was told to come again in a second
    assert.is_true(bodies:take(3, MB, 3000))
  end)

  it("knows who holds none any more", function()
    assert.is_true(bodies:take(2, MB, 0))
    bodies:give(2, MB)
    assert.equal(60, fill(1, MB))
    bodies:give(1, 60 * MB)
    assert.equal(0, bodies:held())
    assert.equal(60, fill(3, MB, 10 * 1000000))
  end)

  it("has room for one body of the largest size for each, where there is so much", function()
    bodies = memory.bodies(30 * MB, 20 * MB)
    assert.is_true(bodies:has_room(1, 20 * MB, 0))
    assert.is_true(bodies:take(1, 20 * MB, 0))
    assert.is_false(bodies:take(1, 1, 0))
    assert.is_true(bodies:take(2, 10 * MB, 0))
    assert.is_false(bodies:take(2, 1, 0))
  end)

  it("comes out even over a random run", function()
    local has, users = {}, 40
    math.randomseed(7)
    for now = 1, 20000 do
      local user, bytes = math.random(users), math.random(3 * MB)
      if math.random(2) == 1 and has[user] then
        bodies:give(user, has[user])
        has[user] = nil
      elseif bodies:take(user, bytes, now * 1000) then
        has[user] = (has[user] or 0) + bytes
      end
      local sum, holders, most = 0, 0, 0
      for _, held in pairs(has) do
        sum, holders, most = sum + held, holders + 1, math.max(most, held)
      end
      assert.equal(sum, bodies:held())
      assert.is_true(sum <= 90 * MB and most <= 60 * MB)
    end
    for user, held in pairs(has) do
      bodies:give(user, held)
    end
    assert.equal(0, bodies:held())
  end)
end)
