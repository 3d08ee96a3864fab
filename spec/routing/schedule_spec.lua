--- When checks are due and what a row of them comes to: under a held clock, over many seeds.
local schedule = require("gateway.runtime").schedule

local SECOND <const> = 1000000
local start = 5000 * SECOND -- no case depends on it

describe("a schedule", function()
  it("begins within `every`, at most two seconds, and never all at once", function()
    local earliest, latest = math.huge, 0
    for seed = 1, 500 do
      local slow, fast = schedule.new(3600 * SECOND, 0, seed, start):due(), schedule.new(SECOND, 0, seed, start):due()
      assert.is_truthy(slow >= start and slow <= start + 2 * SECOND)
      assert.is_truthy(fast >= start and fast <= start + SECOND)
      earliest, latest = math.min(earliest, slow), math.max(latest, slow)
    end
    assert.is_truthy(latest - earliest > 1.9 * SECOND, "they came in step")
  end)

  it("is moved by at most a fifth either way, each time anew, and on the mean not at all", function()
    local sum, seen, low, high = 0, {}, math.huge, 0
    for seed = 1, 100 do
      local one, asked = schedule.new(10 * SECOND, 0, seed, start), start
      for _ = 1, 20 do
        local span = one:next(true, asked) - asked
        asked = asked + span
        low, high, sum, seen[span] = math.min(low, span), math.max(high, span), sum + span, true
      end
    end
    assert.is_truthy(low >= 8 * SECOND and high <= 12 * SECOND, ("%d..%d"):format(low, high))
    assert.is_truthy(low < 8.1 * SECOND and high > 11.9 * SECOND)
    assert.is_truthy(math.abs(sum / 2000 - 10 * SECOND) < 0.1 * SECOND)
    local different = 0
    for _ in pairs(seen) do
      different = different + 1
    end
    assert.is_truthy(different > 1900)
  end)

  it("of checks does not care how they went", function()
    local one = schedule.new(10 * SECOND, 0, 1, start)
    for _ = 1, 40 do
      local span = one:next(false, start) - start
      assert.is_truthy(span >= 8 * SECOND and span <= 12 * SECOND)
    end
  end)

  it("with a retry comes sooner after a failure, doubling up to `every`", function()
    local one = schedule.new(60 * SECOND, 10 * SECOND, 1, start)
    for _ = 1, 2 do
      for _, expected in ipairs { 10, 20, 40, 60, 60, 60 } do
        local span = (one:next(false, start) - start) / SECOND
        assert.is_truthy(span >= 0.8 * expected and span <= 1.2 * expected, ("%g, not about %g"):format(span, expected))
      end
      assert.is_truthy(one:next(true, start) - start >= 48 * SECOND)
    end
    one:set(SECOND, 10 * SECOND)
    assert.is_truthy(one:next(false, start) - start <= 1.2 * SECOND, "a retry is never later than the next time")
    for _ = 1, 100 do
      assert.is_truthy(one:next(false, start) - start <= 1.2 * SECOND)
    end
  end)

  it("takes another `every`", function()
    local one = schedule.new(3600 * SECOND, 0, 1, start)
    one:set(SECOND, 0)
    assert.is_truthy(one:next(true, start) - start <= 1.2 * SECOND)
  end)
end)

describe("a tally", function()
  -- "-" failure, "+" success -> what changed at each: "d" down, "u" up, "." nothing
  local function told(fall, rise, row)
    local tally, told_so = schedule.tally(fall, rise), {}
    for sign in row:gmatch "." do
      local changed, down = tally:count(sign == "+")
      told_so[#told_so + 1] = changed and (down and "d" or "u") or "."
    end
    return table.concat(told_so)
  end

  it("is up until `fall` failures in a row, and down until `rise` successes in a row", function()
    for _, case in ipairs {
      { 3, 2, "+++---", ".....d" },
      { 3, 2, "--+--+--", "........" },
      { 3, 2, "-------", "..d...." },
      { 3, 2, "---++++", "..d.u.." },
      { 3, 2, "---+-+-+-", "..d......" },
      { 3, 2, "---++---++", "..d.u..d.u" },
      { 1, 1, "-+-+", "dudu" },
      { 2, 3, "--++-+++", ".d.....u" },
    } do
      assert.equal(case[4], told(case[1], case[2], case[3]), case[3])
    end
  end)

  it("takes other numbers from the next answer on", function()
    local tally = schedule.tally(5, 2)
    tally:count(false)
    tally:count(false)
    tally:set(3, 1)
    assert.same({ true, true }, { tally:count(false) })
    assert.same({ true, false }, { tally:count(true) })
  end)
end)
