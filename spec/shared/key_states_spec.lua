--- Keys of providers: refused and throttled ones are set aside, the others go on in turn.
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
    end
    pool[1]:reset()
    pool[1]:throttled(10)
    assert.near(11, pool[1]:aside_until(), 1e-3)
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
