-- eventstream_spec.lua -- frames of an AWS event stream: read whole, never by half, and never with a wrong checksum.
-- SPDX-License-Identifier: MIT
local eventstream = require("gateway.runtime").eventstream
local make = require "support.eventstream"

local function with_crc(prelude, rest)
  local text = prelude .. string.pack(">I4", make.crc32(prelude)) .. rest
  return text .. string.pack(">I4", make.crc32(text))
end

describe("the checksum of the specs", function()
  it("is zlib's", function()
    assert.equal(0xcbf43926, make.crc32 "123456789")
    assert.equal(0, make.crc32 "")
  end)
end)

describe("a frame", function()
  it("is an event, an exception or an error", function()
    local text = make.event("messageStart", '{"role":"assistant"}')
    local length, frame = eventstream.read(text)
    assert.equal(#text, length)
    assert.same({ name = "messageStart", payload = '{"role":"assistant"}', is_error = false }, frame)
    text = make.exception("throttlingException", '{"message":"slow"}')
    length, frame = eventstream.read(text .. "more")
    assert.equal(#text, length)
    assert.same({ name = "throttlingException", payload = '{"message":"slow"}', is_error = true }, frame)
    frame = select(2, eventstream.read(make.error("InternalError", "it broke")))
    assert.same({ name = "InternalError", payload = "it broke", is_error = true }, frame)
  end)

  it("matches one written down elsewhere", function()
    -- AWS's own examples for the encoding: the empty message, and a payload with one header of type int32
    local empty = "\0\0\0\x10\0\0\0\0\x05\xc2\x48\xeb\x7d\x98\xc8\xff"
    assert.equal(empty, make.raw("", ""))
    local length, frame = eventstream.read(empty)
    assert.equal(16, length)
    assert.same({ name = "", payload = "", is_error = false }, frame)
  end)

  it("may have headers of every type", function()
    local types = { { 0, "" }, { 1, "" }, { 2, "a" }, { 3, "ab" }, { 4, "abcd" }, { 5, "abcdefgh" }, { 6, "\0\3xyz" }, { 7, "\0\0" },
      { 8, "abcdefgh" }, { 9, "0123456789abcdef" } }
    local headers = {}
    for _, header in ipairs(types) do
      headers[#headers + 1] = make.header("h" .. header[1], header[2], header[1])
    end
    headers[#headers + 1] = make.header(":event-type", "e")
    local text = make.raw(table.concat(headers), "p")
    local length, frame = eventstream.read(text)
    assert.equal(#text, length)
    assert.same({ name = "e", payload = "p", is_error = false }, frame)
  end)

  it("is not read before it is whole", function()
    local text = make.event("contentBlockDelta", '{"delta":{"text":"Zo\xc3\xab"}}')
    for i = 0, #text - 1 do
      assert.equal(0, (eventstream.read(text:sub(1, i))), i)
    end
  end)

  it("is broken by any changed bit", function()
    local text = make.event("m", '{"a":1}')
    for i = 1, #text do
      for bit = 0, 7 do
        local changed = text:sub(1, i - 1) .. string.char(text:byte(i) ~ (1 << bit)) .. text:sub(i + 1)
        assert.equal(-1, (eventstream.read(changed)), ("byte %d bit %d"):format(i, bit))
      end
    end
  end)

  it("is broken by lengths that cannot be, although the checksum holds", function()
    for _, case in ipairs { { 0, 0 }, { 15, 0 }, { 16, 1 }, { 40, 25 }, { 0xffffffff, 0 }, { 40, 0xffffffff } } do
      assert.equal(-1, (eventstream.read(with_crc(string.pack(">I4I4", case[1], case[2]), ("x"):rep(24)))), case[1] .. " " .. case[2])
    end
    assert.equal(-1, (eventstream.read(with_crc(string.pack(">I4I4", 200000, 128 * 1024 + 1), ("x"):rep(199984)), 1 << 20)))
  end)

  it("is broken by headers that do not parse, although the checksums hold", function()
    for _, headers in ipairs { "\5ab", "\1a", "\1a\10", "\1a\255", "\1a\7\0", "\1a\7\0\5abcd", "\1a\4abc", make.header("a", "b") .. "\1" } do
      assert.equal(-1, (eventstream.read(make.raw(headers, ""))), ("%q"):format(headers))
    end
  end)

  it("is broken when it is larger than allowed", function()
    local text = make.event("m", ("x"):rep(1000))
    assert.equal(#text, (eventstream.read(text, #text)))
    assert.equal(-1, (eventstream.read(text, #text - 1)))
    assert.equal(-1, (eventstream.read(text:sub(1, 12), #text - 1)), "known from its first twelve bytes")
  end)
end)

describe("a stream", function()
  local EVENTS = { { name = "messageStart", data = "{}" }, { name = "e", data = "" }, { name = "contentBlockDelta", data = '{"t":"Zo\xc3\xab"}' },
    { name = "throttlingException", data = '{"message":"m"}' } }
  local STREAM = make.event("messageStart", "{}") .. make.event("e", "") .. make.event("contentBlockDelta", '{"t":"Zo\xc3\xab"}')
    .. make.exception("throttlingException", '{"message":"m"}')

  it("gives the same events wherever it is cut", function()
    for i = 0, #STREAM do
      assert.same(EVENTS, (eventstream.cut { STREAM:sub(1, i), STREAM:sub(i + 1) }), i)
    end
    local bytes = {}
    for i = 1, #STREAM do
      bytes[i] = STREAM:sub(i, i)
    end
    assert.same(EVENTS, (eventstream.cut(bytes)))
  end)

  it("ends where a frame is broken, however it is cut", function()
    local one, bad = make.event("a", "{}"), make.event("b", "{}")
    bad = bad:sub(1, -2) .. string.char(bad:byte(-1) ~ 1)
    local text = one .. bad .. one
    for i = 0, #text do
      local events, broken, too_big = eventstream.cut { text:sub(1, i), text:sub(i + 1) }
      assert.same({ { name = "a", data = "{}" } }, events, i)
      assert.is_true(broken)
      assert.is_false(too_big)
    end
  end)

  it("gives nothing for half a frame", function()
    local events, broken = eventstream.cut { STREAM:sub(1, -2) }
    assert.equal(3, #events)
    assert.is_false(broken)
  end)

  it("does not wait for a frame above the limit", function()
    local events, broken = eventstream.cut { make.event("m", ("x"):rep(eventstream.event_max)):sub(1, 64) }
    assert.same({}, events)
    assert.is_true(broken)
  end)
end)
