--- When a generation that a reload brought is lost: under a held clock.
local probation = require("gateway.runtime").probation

local SECOND <const> = 1000000
local NOW <const> = 5000 * SECOND -- no case depends on it
local USERS <const> = { "alice", "bob", "carol", "dave" }

--- `calls` in turn, each `failing` of them one that fails (1: all, 2: every second one, …) -> the call with which it was lost, or nil.
local function run(one, calls, failing, users, now)
  local lost
  for i = 1, calls do
    local said = one:call(now or NOW)
    if i % failing == 0 then
      said = one:failure(USERS[i // failing % users + 1], now or NOW) or said
    end
    assert.is_falsy(said and lost, "it was said twice")
    lost = lost or said and i or nil
  end
  return lost
end

describe("a probation", function()
  it("is lost with the 20th call where all fail, and so it is where half of them do", function()
    assert.equal(20, run(probation.new(4, NOW), 40, 1, 4))
    assert.equal(20, run(probation.new(4, NOW), 40, 2, 4))
    assert.is_nil(run(probation.new(4, NOW), 300, 3, 4))
  end)

  it("looks at what was before as well: half of all, not of the last ones", function()
    local one = probation.new(4, NOW)
    assert.is_nil(run(one, 30, 1000, 4))
    assert.equal(30, run(one, 40, 1, 4))
  end)

  it("is lost with a call that ends well, where the failures stood before", function()
    local one = probation.new(4, NOW)
    assert.is_nil(run(one, 12, 1, 4))
    assert.is_nil(run(one, 7, 1000, 4))
    assert.is_false(one:is_lost())
    assert.is_nil(run(one, 1, 1000, 4))
    assert.is_true(one:is_lost()) -- who looks finds it
    one:again(4, NOW)
    assert.is_nil(run(one, 12, 1, 4))
    assert.equal(9, run(one, 20, 1000, 4)) -- and so does the next call: the 20 before it are over
  end)

  it("wants three users where three are known, and else whoever there is", function()
    for known, lost in pairs { [0] = 20, [1] = 20, [2] = 20 } do
      assert.equal(lost, run(probation.new(known, NOW), 100, 1, 1))
    end
    for _, known in ipairs { 3, 4, 1000 } do
      assert.is_nil(run(probation.new(known, NOW), 100, 1, 2))
      assert.equal(20, run(probation.new(known, NOW), 100, 1, 3))
    end
  end)

  it("ends after ten seconds: nothing is counted any more", function()
    local one = probation.new(1, NOW)
    assert.is_nil(run(one, 19, 1, 1))
    assert.is_nil(run(one, 100, 1, 1, NOW + 10 * SECOND))
    assert.equal(1, run(one, 1, 1, 1, NOW + 10 * SECOND - 1))
  end)

  it("begun again knows nothing of before", function()
    local one = probation.new(4, NOW)
    assert.equal(20, run(one, 25, 1, 4))
    one:again(1, NOW + SECOND)
    assert.is_false(one:looks_good())
    assert.is_nil(run(one, 19, 1, 1, NOW + SECOND))
    assert.equal(1, run(one, 1, 1, 1, NOW + SECOND))
  end)

  it("looks good when it was asked and fewer than half failed", function()
    local one = probation.new(4, NOW)
    assert.is_false(one:looks_good())
    one:call(NOW)
    assert.is_true(one:looks_good())
    one:failure("alice", NOW)
    assert.is_false(one:looks_good())
    run(one, 2, 1000, 1)
    assert.is_true(one:looks_good())
  end)
end)
