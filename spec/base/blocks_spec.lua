--- Blocks of memory by their size, in random order: none lies over another, each keeps what stands in it.
local blocks = require("gateway.runtime").blocks

local SEED = tonumber(os.getenv "SEED") or 1

local function size()
  local kind = math.random(10)
  return kind == 1 and 0 or kind == 2 and math.random(500, 530) or kind == 3 and math.random(2000) or math.random(64)
end

describe("blocks", function()
  it("keeps what stands in each, whatever the order", function()
    math.randomseed(SEED)
    local set = blocks.new(64)
    for step = 1, 20000 do
      local index, bytes = math.random(64), size()
      assert(set:resize(index, bytes), ("SEED=%d, step %d: block %d to %d bytes"):format(SEED, step, index, bytes))
    end
  end)

  it("crosses the border between small and large both ways", function()
    local set = blocks.new(3)
    for _, bytes in ipairs { 16, 512, 513, 100000, 513, 512, 1, 0, 511, 0, 513, 0 } do
      assert.is_true(set:resize(1, 40) and set:resize(2, bytes) and set:resize(3, bytes), bytes)
    end
  end)
end)
