local units = require "gateway.units"

describe("units", function()
  it("reads durations as seconds", function()
    for text, seconds in pairs {
      ["500ms"] = 0.5, ["8s"] = 8, ["5m"] = 300, ["2min"] = 120, ["1h"] = 3600, ["1d"] = 86400, ["1.5s"] = 1.5, ["0s"] = 0,
      [" 10 s "] = 10,
    } do
      assert.equal(seconds, units.duration(text), text)
    end
  end)

  it("says what it expected of a duration", function()
    for _, text in ipairs { "", "8", "s", "-1s", "8 sheep", "8ss", "1e3s", "0x10s", "8s8s", "500d", "1..5s", ("9"):rep(300) .. "s" } do
      local seconds, message = units.duration(text)
      assert.is_nil(seconds, text)
      assert.truthy(message:find('expected a duration such as "500ms"', 1, true), message)
      assert.is_true(#message < 200)
    end
    assert.truthy(select(2, units.duration(8)):find("got 8", 1, true))
    assert.truthy(select(2, units.duration {}):find("got a table", 1, true))
    assert.truthy(select(2, units.duration(nil)):find("got nil", 1, true))
  end)

  it("reads sizes as bytes", function()
    assert.equal(65536, units.size "64KB")
    assert.equal(33554432, units.size "32MB")
    assert.equal(1536, units.size "1.5KB")
    assert.equal(7, units.size "7B")
    assert.equal("integer", math.type(units.size "1GB"))
    assert.equal(4096, units.size(4096))
    for _, value in ipairs { "64", "64kb", "-1KB", -1, 1.5, "9999999TB", true } do
      local bytes, message = units.size(value)
      assert.is_nil(bytes, tostring(value))
      assert.truthy(message:find("expected a size", 1, true))
    end
  end)

  it("reads counts", function()
    assert.equal(100000, units.count "100k")
    assert.equal(10000000, units.count "10M")
    assert.equal(1500, units.count "1.5k")
    assert.equal(5, units.count(5))
    for _, value in ipairs { "", "k", "-5", -5, 0.5, "1.0005k", "10Q" } do
      assert.is_nil((units.count(value)), tostring(value))
    end
  end)

  it("reads rates, several in one string", function()
    assert.same({ { count = 60, seconds = 60 } }, units.rates "60/min")
    assert.same({ { count = 100000, seconds = 86400 } }, units.rates "100k/day")
    assert.same({ { count = 5, seconds = 1 }, { count = 1000, seconds = 3600 } }, units.rates "5/s 1000/hour")
    for _, text in ipairs { "", "60", "60/fortnight", "/min", "0/min", "60/min x", "-1/s", "60 / min" } do
      local list, message = units.rates(text)
      assert.is_nil(list, text)
      assert.truthy(message:find('expected rates such as "60/min"', 1, true))
    end
  end)
end)
