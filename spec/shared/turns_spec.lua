--- Counters by name: each goes on where it was, whoever asks.
local turns = require("gateway.runtime").turns

describe("turns", function()
  it("count each name by itself", function()
    local table_of_turns = turns.new(100)
    for i = 0, 9 do
      assert.equal(i, table_of_turns:next "smart")
    end
    assert.equal(0, table_of_turns:next "fast")
    assert.equal(10, table_of_turns:next "smart")
    assert.equal(0, table_of_turns:next "")
  end)

  it("keep many names apart", function()
    local table_of_turns = turns.new(1000)
    for _ = 1, 2 do
      for i = 1, 1000 do
        table_of_turns:next("model-" .. i)
      end
    end
    for i = 1, 1000 do
      assert.equal(2, table_of_turns:next("model-" .. i))
    end
  end)

  it("share one counter among the names beyond the limit", function()
    local table_of_turns = turns.new(2)
    assert.same({ 0, 0, 0, 1, 2 }, { table_of_turns:next "a", table_of_turns:next "b", table_of_turns:next "c", table_of_turns:next "d",
      table_of_turns:next "c" })
    assert.same({ 1, 1 }, { table_of_turns:next "a", table_of_turns:next "b" })
    assert.equal(0, turns.new(0):next "a")
  end)
end)
