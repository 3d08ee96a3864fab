-- arena_spec.lua -- memory that dies with its request: pieces that do not touch, a limit, blocks that come back.
-- SPDX-License-Identifier: MIT
local base = require("gateway.runtime").base

-- Sizes around everything that could matter: the alignment, half a block, a block, more.
local SIZES = { 0, 1, 7, 15, 16, 17, 100, 2000, 2023, 2024, 2039, 2040, 2041, 2048, 4063, 4064, 4065, 4079, 4080, 4081, 4095, 4096, 4097, 10000, 1, 3,
  70000, 5 }

local function text_of(i, size) return string.char(33 + i % 90):rep(size) end

describe("an arena", function()
  for _, cached in ipairs({ false, true }) do
    it("keeps its pieces apart" .. (cached and ", with a cache" or ""), function()
      local arena = base.arena(64 * 1024 * 1024, cached)
      for _ = 1, 3 do
        local texts = {}
        for i = 1, 1500 do
          local size = SIZES[(i * 7 + i // 13) % #SIZES + 1]
          local piece
          if i % 3 == 0 then
            piece = arena:zalloc(size)
            texts[piece] = ("\0"):rep(size)
          elseif i % 3 == 1 then
            piece = arena:copy(text_of(i, size))
            texts[piece] = text_of(i, size)
          else
            piece = arena:printf(text_of(i, size), i)
            texts[piece] = text_of(i, size) .. ":" .. i
          end
          assert.is_true(arena:aligned(piece))
        end
        for piece, text in ipairs(texts) do
          assert.is_true(arena:read(piece) == text, piece)
        end
        assert.is_false(arena:overflow())
        arena:free()
        assert.equal(0, arena:used())
      end
    end)
  end

  it("gives something for nothing", function()
    local arena = base.arena(1000)
    assert.is_number(arena:zalloc(0))
    assert.is_number(arena:copy(""))
    assert.is_false(arena:overflow())
  end)

  it("gives nothing past its limit, and nothing from then on", function()
    for _, limit in ipairs({ 0, 1, 15, 100, 4096, 10000, 50000 }) do
      for _, size in ipairs({ 1, 16, 1000, 3000, 5000 }) do
        local arena, given = base.arena(limit, true), 0
        while arena:zalloc(size) do
          given = given + size
        end
        assert.is_true(given <= limit and arena:used() <= limit)
        assert.is_true(arena:overflow())
        assert.is_nil(arena:zalloc(1))
        assert.is_nil(arena:copy(""))
        assert.is_nil(arena:printf("", 1))
        arena:free()
        assert.is_false(arena:overflow())
      end
    end
    local arena = base.arena(1000)
    assert.is_nil(arena:zalloc(math.maxinteger))
    arena:free()
    assert.is_nil(arena:zalloc(-1)) -- SIZE_MAX
  end)

  it("can be nearly filled", function()
    local arena = base.arena(100000)
    local count = 0
    while arena:zalloc(160) do
      count = count + 1
    end
    assert.is_true(count * 160 >= 100000 - 2 * 160)
  end)

  it("gives its blocks back to the cache and takes them again", function()
    local arena = base.arena(1000000, true)
    assert.equal(0, arena:spare())
    for _ = 1, 100 do
      arena:zalloc(1000)
    end
    assert.equal(0, arena:spare())
    arena:free()
    local spare = arena:spare()
    assert.is_true(spare >= 25 and spare <= 100)
    for _ = 1, 100 do
      arena:zalloc(1000)
    end
    assert.equal(0, arena:spare())
    arena:free()
    assert.equal(spare, arena:spare())
  end)

  it("keeps large blocks and more than it needs out of the cache", function()
    local arena = base.arena(100000000, true)
    for _ = 1, 10 do
      arena:zalloc(10000)
    end
    arena:free()
    assert.equal(0, arena:spare())
    for _ = 1, 2000 do
      arena:zalloc(2000)
    end
    arena:free()
    assert.equal(256, arena:spare())
  end)

  it("without a cache keeps nothing", function()
    local arena = base.arena(100000)
    arena:zalloc(100)
    arena:free()
    assert.equal(0, arena:spare())
  end)
end)
