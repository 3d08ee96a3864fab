local runtime = require "gateway.runtime"
local order = runtime.order

local function targets(...)
  local list = {}
  for i, facts in ipairs { ... } do
    if type(facts) == "string" then
      facts = { name = facts }
    end
    list[i] = facts
  end
  return list
end

local function names(list)
  local all = {}
  for i, target in ipairs(list) do
    all[i] = type(target) == "table" and target.name or target
  end
  return table.concat(all, " ")
end

--- How often each target is first over `turns` turns.
local function shares(list, turns, from)
  local counts = {}
  for turn = from or 0, (from or 0) + turns - 1 do
    local first = order.weighted(list, turn)[1].name
    counts[first] = (counts[first] or 0) + 1
  end
  return counts
end

describe("order.rotate", function()
  local list = targets("a", "b", "c")

  it("begins one further at every turn", function()
    assert.equal("a b c", names(order.rotate(list, 0)))
    assert.equal("b c a", names(order.rotate(list, 1)))
    assert.equal("c a b", names(order.rotate(list, 2)))
    assert.equal("a b c", names(order.rotate(list, 3)))
    assert.equal("a b c", names(list), "the list itself stays")
  end)

  it("takes any turn there can be", function()
    for _, turn in ipairs { -1, math.maxinteger, math.mininteger } do
      assert.equal(3, #order.rotate(list, turn))
    end
    assert.same({}, order.rotate({}, 5))
    assert.equal("a", names(order.rotate(targets "a", 5)))
  end)

  it("takes names and read-only lists", function()
    assert.equal("b a", names(order.rotate({ "a", "b" }, 1)))
    local view = setmetatable({}, { __index = list, __len = function() return 3 end })
    assert.equal("b c a", names(order.rotate(view, 1)))
  end)

  it("says what it expected", function()
    assert.has_error(function() order.rotate(nil, 1) end, "order.rotate: expected a list of targets, got nil")
    assert.has_error(function() order.rotate(list) end, "order.rotate: expected request.turn, got no value")
    assert.has_error(function() order.rotate(list, "x") end, "order.rotate: expected request.turn, got string")
    assert.has_error(function() order.rotate(list, 0.5) end, "order.rotate: expected request.turn, got number")
    local liar = setmetatable({}, { __len = function() return 1 << 40 end })
    assert.has_error(function() order.rotate(liar, 1) end, "order.rotate: a list of at most 4096 targets")
  end)
end)

describe("order.by", function()
  it("puts the smallest first, and keeps equals as they came", function()
    local list = targets({ name = "a", x = 2 }, { name = "b", x = 1 }, { name = "c", x = 2 }, { name = "d", x = 1 })
    assert.equal("b d a c", names(order.by(list, "x")))
    assert.equal("a c b d", names(order.by(list, "-x")))
  end)

  it("puts what is unknown last, whichever way it runs", function()
    local list = targets({ name = "a" }, { name = "b", x = 2 }, { name = "c", x = 0 / 0 }, { name = "d", x = 1 })
    assert.equal("d b a c", names(order.by(list, "x")))
    assert.equal("b d a c", names(order.by(list, "-x")))
    assert.equal("d b a c", names(order.by(list, function(target) return target.x end)))
  end)

  it("sorts by a function", function()
    local list = targets({ name = "a", x = 1, y = 3 }, { name = "b", x = 1, y = 1 })
    assert.equal("b a", names(order.by(list, function(target) return target.x * target.y end)))
    assert.equal("a b", names(order.by(list, function(target) return -target.y end)))
  end)

  it("is a stable sort of any list", function()
    local state = 7
    for n = 0, 40 do
      local list = {}
      for i = 1, n do
        state = (state * 1103515245 + 12345) % 2147483648
        list[i] = { name = tostring(i), x = state % 5, i = i }
      end
      local expected = { table.unpack(list) }
      table.sort(expected, function(a, b)
        if a.x ~= b.x then return a.x < b.x end
        return a.i < b.i
      end)
      assert.equal(names(expected), names(order.by(list, "x")))
    end
  end)

  it("lets those within the margin of the best take turns", function()
    local list = targets({ name = "a", x = 100 }, { name = "b", x = 109 }, { name = "c", x = 112 }, { name = "d" })
    assert.equal("a b c d", names(order.by(list, "x", { margin = 0.1, turn = 0 })))
    assert.equal("b a c d", names(order.by(list, "x", { margin = 0.1, turn = 1 })))
    assert.equal("a b c d", names(order.by(list, "x", { margin = 0.1, turn = 2 })))
    assert.equal("c a b d", names(order.by(list, "x", { margin = 0.2, turn = 2 })))
    local high = targets({ name = "a", x = 80 }, { name = "b", x = 95 }, { name = "c", x = 100 })
    assert.equal("c b a", names(order.by(high, "-x", { margin = 0.1, turn = 0 })))
    assert.equal("b c a", names(order.by(high, "-x", { margin = 0.1, turn = 1 })))
    assert.equal("b a", names(order.by(targets("a", "b"), "x", { margin = 0.1, turn = 1 })), "while nothing is known of anybody")
    assert.equal("a b", names(order.by(targets("a", "b"), "x")), "without a margin they stay")
  end)

  it("says what it expected", function()
    local list = targets({ name = "a", x = "1" }, "b")
    assert.has_error(function() order.by(list, "x") end, "order.by: 'x' of a target is a string, not a number")
    assert.has_error(function() order.by(list, 1) end, "order.by: expected the name of a fact or a function, got number")
    assert.has_error(function() order.by(list, function() return "1" end) end, "order.by: the key of a target is a string, not a number")
    assert.has_error(function() order.by({ 1 }, "x") end, "order.by: item 1 is a number, not a target")
    assert.has_error(function() order.by({}, "x", { margin = "10%", turn = 1 }) end, "order.by: margin: expected a share such as 0.1")
    assert.has_error(function() order.by({}, "x", { margin = -1, turn = 1 }) end, "order.by: margin: expected a share such as 0.1")
    assert.has_error(function() order.by({}, "x", { margin = 1 }) end, "order.by: turn: expected request.turn, got nil")
    assert.has_error(function() order.by({}, "x", 3) end, "order.by: expected options { margin, turn }, got number")
  end)
end)

describe("order.weighted", function()
  it("shares exactly by weight over a round, wherever it begins", function()
    local list = targets({ name = "a", weight = 5 }, { name = "b", weight = 3 }, { name = "c", weight = 2 })
    for _, from in ipairs { 0, 1, 7, 12345, math.maxinteger - 100 } do
      assert.same({ a = 5, b = 3, c = 2 }, shares(list, 10, from))
    end
    assert.same({ a = 500, b = 300, c = 200 }, shares(list, 1000, 13))
  end)

  it("spreads turns as evenly as weights allow", function()
    local list = targets({ name = "a", weight = 3 }, { name = "b", weight = 1 })
    local seen = {}
    for turn = 0, 7 do
      seen[#seen + 1] = order.weighted(list, turn)[1].name
    end
    assert.equal("aabaaaba", table.concat(seen))
    -- never more than one away from the exact share, at any time
    local many = targets({ name = "a", weight = 17 }, { name = "b", weight = 5 }, { name = "c", weight = 29 }, { name = "d", weight = 1 })
    local counts = { a = 0, b = 0, c = 0, d = 0 }
    for turn = 0, 51 do
      local first = order.weighted(many, turn)[1].name
      counts[first] = counts[first] + 1
      for _, target in ipairs(many) do
        assert.is_true(math.abs(counts[target.name] - (turn + 1) * target.weight / 52) <= 1.5)
      end
    end
    assert.same({ a = 17, b = 5, c = 29, d = 1 }, counts)
  end)

  it("is exact for any mix of weights", function()
    local state = 11
    for n = 1, 12 do
      local list, expected, round = {}, {}, 0
      for i = 1, n do
        state = (state * 1103515245 + 12345) % 2147483648
        list[i] = { name = "t" .. i, weight = state % 20 + 1 }
        expected[list[i].name] = list[i].weight
        round = round + list[i].weight
      end
      assert.same(expected, shares(list, round))
      assert.same(expected, shares(list, round, 3 * round))
    end
  end)

  it("takes weights that are no whole numbers, huge ones, and none", function()
    local list = targets({ name = "a", weight = 0.5 }, { name = "b", weight = 1.5 })
    assert.same({ a = 500, b = 1500 }, shares(list, 2000))
    local unequal = targets({ name = "a", weight = 1e12 }, { name = "b", weight = 1 })
    assert.same({ a = 1000 }, shares(unequal, 1000))
    assert.same({ a = 500, b = 500 }, shares(targets("a", "b"), 1000))
    assert.same({ a = 2, b = 1 }, shares(targets({ name = "a", weight = 2 }, "b"), 3))
  end)

  it("shares by weight among those left, whoever is left out", function()
    local list = targets({ name = "a", weight = 5 }, { name = "b", weight = 1 }, { name = "c", weight = 3 }, { name = "d", weight = 1 })
    for _, out in ipairs(list) do
      local counts, round = {}, 0
      for _, target in ipairs(list) do
        round = round + (target ~= out and target.weight or 0)
      end
      for turn = 0, 10 * round - 1 do -- of 10 turns each, so often as the others' round is long
        local now = order.weighted(list, turn)
        assert.equal(4, #now)
        local first = now[1] ~= out and now[1].name or now[2].name
        counts[first] = (counts[first] or 0) + 1
      end
      for _, target in ipairs(list) do
        assert.equal(target ~= out and 10 * target.weight or nil, counts[target.name])
      end
    end
  end)

  it("gives equal targets each other's place equally often", function()
    local list, seconds = targets({ name = "a", weight = 5 }, { name = "b", weight = 1 }, { name = "c", weight = 1 }), {}
    for turn = 0, 7 * 20 - 1 do
      local now = order.weighted(list, turn)
      if now[1].name == "a" then
        seconds[now[2].name] = (seconds[now[2].name] or 0) + 1
      end
    end
    assert.same({ b = 50, c = 50 }, seconds)
  end)

  it("keeps weight 0 for the end", function()
    local list = targets({ name = "a", weight = 0 }, { name = "b", weight = 2 }, { name = "c", weight = 1 }, { name = "d", weight = -1 })
    for turn = 0, 5 do
      local now = names(order.weighted(list, turn))
      assert.truthy(now == "b c a d" or now == "c b a d", now)
    end
    assert.equal("a", names(order.weighted(targets { name = "a", weight = 0 }, 0)))
    assert.same({}, order.weighted({}, 0))
  end)

  it("stays within its budget for a long list", function()
    local list = {}
    for i = 1, 4096 do
      list[i] = { name = tostring(i), weight = i % 7 + 1 }
    end
    local ok, result = runtime.call.run(order.weighted, 1000000, 1 << 20, 1, list, 123456)
    assert.is_true(ok)
    assert.equal(4096, #result)
  end)
end)

describe("order.rendezvous", function()
  local list = targets("p/a", "p/b", "p/c", "p/d")

  it("gives one affinity one order", function()
    assert.equal(names(order.rendezvous(list, "k1")), names(order.rendezvous(list, "k1")))
    assert.equal("p/a p/b p/c p/d", names(order.rendezvous(list, nil)))
  end)

  it("does not depend on the order of the list", function()
    local turned = order.rotate(list, 2)
    for i = 1, 50 do
      assert.equal(names(order.rendezvous(list, "k" .. i)), names(order.rendezvous(turned, "k" .. i)))
    end
  end)

  it("spreads conversations evenly, and moves only those of the target that left", function()
    local counts, fewer = {}, targets("p/a", "p/b", "p/d")
    for i = 1, 4000 do
      local before = order.rendezvous(list, "conversation-" .. i)
      counts[before[1].name] = (counts[before[1].name] or 0) + 1
      local after = order.rendezvous(fewer, "conversation-" .. i)
      assert.equal(before[1].name == "p/c" and before[2].name or before[1].name, after[1].name)
    end
    for _, target in ipairs(list) do
      assert.is_true(counts[target.name] > 850 and counts[target.name] < 1150, counts[target.name])
    end
  end)

  it("takes names and numbers, and says what it expected", function()
    assert.equal(names(order.rendezvous(list, "k")), names(order.rendezvous({ "p/a", "p/b", "p/c", "p/d" }, "k")))
    assert.equal(4, #order.rendezvous(list, 12345))
    assert.has_error(function() order.rendezvous({ {} }, "k") end, "order.rendezvous: item 1 is not a target")
    assert.has_error(function() order.rendezvous(list, {}) end, "order.rendezvous: expected request.affinity, got table")
  end)
end)

describe("order.least_of_two", function()
  it("takes the one with less for its weight of the two drawn", function()
    local list = targets({ name = "a", in_flight = 5, weight = 1 }, { name = "b", in_flight = 1, weight = 1 })
    for _, random in ipairs { 0, 0.3, 0.6, 0.999999, 1 } do
      assert.equal("b a", names(order.least_of_two(list, "in_flight", random)))
    end
    local heavy = targets({ name = "a", in_flight = 5, weight = 10 }, { name = "b", in_flight = 1, weight = 1 })
    assert.equal("a b", names(order.least_of_two(heavy, "in_flight", 0.5)))
    assert.equal("b a", names(order.least_of_two(targets({ name = "a" }, { name = "b", in_flight = 9 }), "in_flight", 0.1)))
  end)

  it("draws every pair equally often, and loses nobody", function()
    local list, pairs_seen = targets({ name = "a" }, { name = "b" }, { name = "c" }, { name = "d" }), {}
    for i = 0, 11999 do
      local now = order.least_of_two(list, "in_flight", (i + 0.5) / 12000)
      assert.equal(4, #now)
      local pair = now[1].name < now[2].name and now[1].name .. now[2].name or now[2].name .. now[1].name
      pairs_seen[pair] = (pairs_seen[pair] or 0) + 1
    end
    assert.same({ ab = 2000, ac = 2000, ad = 2000, bc = 2000, bd = 2000, cd = 2000 }, pairs_seen)
  end)

  it("takes short lists, and says what it expected", function()
    assert.same({}, order.least_of_two({}, "in_flight", 0.5))
    assert.equal("a", names(order.least_of_two(targets "a", "in_flight", 0.5)))
    assert.has_error(function() order.least_of_two({}, "x", 2) end, "order.least_of_two: expected request.random, got number")
    assert.has_error(function() order.least_of_two({}, "x", 0 / 0) end, "order.least_of_two: expected request.random, got number")
    assert.has_error(function() order.least_of_two({}, nil, 0) end, "order.least_of_two: expected the name of a fact, got nil")
  end)
end)
