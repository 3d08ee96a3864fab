-- hash_spec.lua -- digests against published vectors, hexadecimal, comparison.
-- SPDX-License-Identifier: MIT
local runtime = require "gateway.runtime"
local base, to_hex, sha256 = runtime.base, runtime.text.to_hex, runtime.text.sha256
local hash = base.hash

describe("hash.sha256", function()
  -- FIPS 180-4 examples
  local VECTORS = {
    [""] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq = "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
    [("a"):rep(1000000)] = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0",
  }
  for text, digest in pairs(VECTORS) do
    it("digests " .. #text .. " bytes", function() assert.equal(digest, to_hex(sha256(text))) end)
  end
end)

describe("hash.sip", function()
  -- SipHash-2-4 of the bytes 00, 00 01, … under the key 00 01 … 0f (Aumasson and Bernstein's vectors, little-endian)
  local KEY, text = {}, {}
  for i = 0, 15 do
    KEY[i + 1] = string.char(i)
  end
  KEY = table.concat(KEY)
  for i = 0, 62 do
    text[i + 1] = string.char(i)
  end
  text = table.concat(text)
  local VECTORS = {
    [0] = "310e0edd47db6f72", [1] = "fd67dc93c539f874", [2] = "5a4fa9d909806c0d", [3] = "2d7efbd796666785", [7] = "37d1018bf50002ab",
    [8] = "6224939a79f5f593", [15] = "e545be4961ca29a1", [16] = "db9bc2577fcc2a3f", [63] = "724506eb4c328a95",
  }
  for len, digest in pairs(VECTORS) do
    it("digests " .. len .. " bytes", function()
      assert.equal(digest, to_hex(string.pack("<i8", hash.sip(KEY, text:sub(1, len)))))
    end)
  end

  it("depends on the key", function() assert.not_equal(hash.sip(KEY, "x"), hash.sip(KEY:reverse(), "x")) end)
end)

describe("hexadecimal", function()
  it("goes there and back", function()
    for byte = 0, 255 do
      local text = string.char(byte, 255 - byte)
      local hex = ("%02x%02x"):format(byte, 255 - byte)
      assert.equal(hex, to_hex(text))
      assert.equal(text, hash.from_hex(hex, 2))
      assert.equal(text, hash.from_hex(hex:upper(), 2))
    end
  end)

  it("takes digits only, and as many as asked for", function()
    for _, hex in ipairs({ "", "a", "abc", "abcde", "abcdef", "abc ", " abc", "abcg", "0xab", "ab-c", "ab\0c", "abc\xff" }) do
      assert.is_nil(hash.from_hex(hex, 2), hex)
    end
    assert.equal("", hash.from_hex("", 0))
  end)
end)

describe("hash.equal", function()
  it("finds one different bit anywhere", function()
    local text = sha256("x")
    assert.is_true(hash.equal(text, sha256("x")))
    assert.is_true(hash.equal("", ""))
    for i = 1, 32 do
      for bit = 0, 7 do
        local other = text:sub(1, i - 1) .. string.char(text:byte(i) ~ (1 << bit)) .. text:sub(i + 1)
        assert.is_false(hash.equal(text, other))
      end
    end
  end)
end)

describe("hash.random", function()
  it("gives as many bytes as asked for, other ones each time", function()
    assert.equal("", hash.random(0))
    assert.equal(16, #hash.random(16))
    assert.not_equal(hash.random(16), hash.random(16))
    local text = hash.random(100000)
    assert.equal(100000, #text)
    assert.not_equal(("\0"):rep(256), text:sub(-256)) -- more than one call of the kernel gives at once
  end)
end)

describe("clock_format", function()
  it("writes RFC 3339 in UTC", function()
    assert.equal("1970-01-01T00:00:00.000Z", base.clock_format(0))
    assert.equal("1970-01-01T00:00:00.000Z", base.clock_format(999))
    assert.equal("1970-01-01T00:00:00.001Z", base.clock_format(1000))
    assert.equal("2000-02-29T23:59:59.999Z", base.clock_format(951868799999999))
    assert.equal("2026-11-21T05:52:34.123Z", base.clock_format(1795240354123456))
  end)

  it("stays in its 24 bytes whatever the clock says", function()
    assert.equal("1970-01-01T00:00:00.000Z", base.clock_format(-1))
    assert.equal("1970-01-01T00:00:00.000Z", base.clock_format(math.mininteger))
    assert.equal("9999-12-31T23:59:59.999Z", base.clock_format(math.maxinteger))
    assert.equal("9999-12-31T23:59:59.999Z", base.clock_format(253402300799999999))
  end)
end)
