--- When a function that uses up its budget is left alone: not for what one user does, and not for ever.
-- SPDX-License-Identifier: MIT
local stops = require("gateway.runtime").stops

local SECOND = 1000000

--- Many calls, then one stop of each of these users -> whether the last one was once too often.
local function after(calls, users, known, now)
  local one, off = stops.new(), false
  for _ = 1, calls do
    one:called(now or 0)
  end
  for _, user in ipairs(users) do
    off = one:add(user, known, now or 0)
  end
  return off, one
end

describe("a function that is stopped", function()
  it("is left alone when it was for three users, and for a tenth of a minute's calls", function()
    assert.is_true((after(30, { 1, 2, 3 }, 3)))
    assert.is_false((after(31, { 1, 2, 3 }, 3)))
    assert.is_true((after(31, { 1, 2, 3, 1 }, 100000)))
    assert.is_false((after(3, { 1, 2 }, 3)))
  end)

  it("is not for what one or two users do, however often", function()
    local one = select(2, after(0, {}, 3))
    for i = 1, 1000 do
      one:called(i)
      assert.is_false(one:add(i % 2, 3, i))
    end
    assert.is_true(one:add(7, 3, 1001))
  end)

  it("is at half of the calls, three at least, where fewer than three users are known", function()
    for known = 0, 2 do
      assert.is_true((after(6, { 0, 0, 0 }, known)))
      assert.is_false((after(7, { 0, 0, 0 }, known)))
      assert.is_false((after(2, { 0, 1 }, known)))
    end
  end)

  it("counts what happened within a minute, whenever that began", function()
    for start = 0, 70 * SECOND, 7 * SECOND do
      local one = stops.new()
      for second = 0, 1000 do -- forty seconds from one stop to the next: never three within a minute
        local now = start + second * SECOND
        one:called(now)
        if second % 40 == 0 then
          assert.is_false(one:add(second // 40 % 3, 3, now), second)
        end
      end
    end
    local one = stops.new()
    one:add(1, 3, 0)
    one:add(2, 3, 49 * SECOND)
    assert.is_true(one:add(3, 3, 50 * SECOND))
  end)

  it("is tried again after 60 seconds, and all begins anew", function()
    local off, one = after(1, { 1, 2, 3 }, 3, 5 * SECOND)
    assert.is_true(off)
    assert.same({ 60 * SECOND, 1, 0, 0 },
      { one:off(5 * SECOND), one:off(65 * SECOND - 1), one:off(65 * SECOND), one:off(1000 * SECOND) })
    assert.is_false(one:add(1, 3, 66 * SECOND))
    assert.equal(0, one:off(66 * SECOND))
    one:add(2, 3, 67 * SECOND)
    assert.is_true(one:add(3, 3, 68 * SECOND))
    assert.equal(60 * SECOND, one:off(68 * SECOND))
  end)

  it("is left alone no longer for those that were still under way", function()
    local _, one = after(1, { 1, 2, 3 }, 3)
    for user = 1, 9 do
      assert.is_false(one:add(user, 3, 10 * SECOND))
    end
    assert.equal(0, one:off(60 * SECOND))
  end)
end)
