-- bytes_spec.lua -- slices, and buffers that grow up to a limit.
-- SPDX-License-Identifier: MIT
local base = require("gateway.runtime").base
local slice = base.slice

describe("a slice", function()
  it("compares without case in ASCII only", function()
    assert.is_true(slice.equals_nocase("Content-Type", "cONTENT-tYPE"))
    assert.is_true(slice.equals_nocase("", ""))
    for _, pair in ipairs({ { "a", "b" }, { "a", "aa" }, { "", "a" }, { "@", "`" }, { "[", "{" }, { "\xc3\xa9", "\xc3\x89" }, { "a\0b", "a\0c" },
      { "-", "\r" } }) do
      assert.is_false(slice.equals_nocase(pair[1], pair[2]))
    end
  end)

  it("knows what it starts with", function()
    assert.is_true(slice.starts_with("abc", "ab"))
    assert.is_true(slice.starts_with("abc", "abc"))
    assert.is_true(slice.starts_with("abc", ""))
    assert.is_true(slice.starts_with("", ""))
    assert.is_false(slice.starts_with("ab", "abc"))
    assert.is_false(slice.starts_with("", "a"))
    assert.is_false(slice.starts_with("abc", "b"))
  end)

  it("is trimmed of four blanks", function()
    assert.equal("a b", slice.trim(" \t\r\na b\n\r\t "))
    assert.equal("", slice.trim(" \t\r\n"))
    assert.equal("", slice.trim(""))
    assert.equal("\va\f", slice.trim("\va\f"))
    assert.equal("a", slice.trim("a"))
  end)

  it("finds the first occurrence", function()
    assert.equal(0, slice.find("abab", "ab"))
    assert.equal(1, slice.find("abab", "ba"))
    assert.equal(3, slice.find("a\0ab", "b"))
    assert.equal(0, slice.find("abc", ""))
    assert.is_nil(slice.find("abc", "abcd"))
    assert.is_nil(slice.find("abc", "d"))
    assert.is_nil(slice.find("", "a"))
  end)

  it("becomes a number of digits only", function()
    for text, number in pairs({ ["0"] = 0, ["7"] = 7, ["0042"] = 42, ["9223372036854775807"] = math.maxinteger }) do
      assert.equal(number, slice.to_int(text))
    end
    for _, text in ipairs({ "", " 1", "1 ", "+1", "-1", "1.0", "0x1", "1e3", "9223372036854775808", "9223372036854775810", "99999999999999999999",
      "18446744073709551617", "1\0", "\xd9\xa1" }) do
      assert.is_nil(slice.to_int(text), text)
    end
  end)
end)

describe("a buffer", function()
  it("grows by whatever comes", function()
    local buffer = base.buffer(1000000)
    local parts = {}
    for i = 1, 2000 do
      local part = ("%d,"):format(i):rep(i % 7)
      parts[i] = part
      buffer:append(part)
    end
    assert.equal(table.concat(parts), buffer:text())
    assert.is_false(buffer:overflow())
  end)

  it("appends nothing where not all has room, and nothing from then on", function()
    local buffer = base.buffer(10)
    buffer:append("12345")
    buffer:append("123456")
    assert.is_true(buffer:overflow())
    buffer:append("1")
    buffer:byte(65)
    buffer:int(1)
    buffer:printf("x", 1)
    assert.is_false(buffer:reserve(0))
    assert.equal("12345", buffer:text())
    buffer:clear()
    assert.is_false(buffer:overflow())
    buffer:append("1234567890")
    assert.same({ "1234567890", false }, { buffer:text(), buffer:overflow() })
    buffer:append("")
    assert.is_false(buffer:overflow())
    buffer:byte(65)
    assert.is_true(buffer:overflow())
  end)

  for name, call in pairs({
    append = function(buffer) buffer:append("abc:-7") end,
    printf = function(buffer) buffer:printf("abc", -7) end,
    int = function(buffer) buffer:int(-12345) end,
    byte = function(buffer) for _ = 1, 6 do buffer:byte(98) end end,
    reserve = function(buffer) return buffer:reserve(6) end,
  }) do
    it("is filled to the last byte of its limit by " .. name, function()
      local buffer = base.buffer(6)
      call(buffer)
      assert.is_false(buffer:overflow())
      buffer = base.buffer(5)
      call(buffer)
      assert.is_true(buffer:overflow())
      if name ~= "byte" then assert.equal("", buffer:text()) end
    end)
  end

  it("writes numbers", function()
    for _, number in ipairs({ 0, 1, -1, 9, 10, -10, 1234567890, math.maxinteger, math.mininteger }) do
      local buffer = base.buffer(20)
      buffer:int(number)
      assert.equal(("%d"):format(number), buffer:text())
    end
  end)

  it("prints", function()
    local buffer = base.buffer(100000)
    buffer:printf("a", 1)
    buffer:printf(("b"):rep(5000), -2)
    assert.equal("a:1" .. ("b"):rep(5000) .. ":-2", buffer:text())
  end)

  it("is consumed from its front", function()
    local buffer = base.buffer(100)
    buffer:append("abcdef")
    buffer:consume(2)
    assert.equal("cdef", buffer:text())
    buffer:consume(0)
    assert.equal("cdef", buffer:text())
    buffer:append("gh")
    buffer:consume(5)
    assert.equal("h", buffer:text())
    buffer:consume(1000)
    assert.equal("", buffer:text())
    buffer:consume(1)
    buffer:append(("x"):rep(100))
    assert.equal(100, #buffer:text())
  end)

  it("says overflow only when it means it", function()
    local buffer = base.buffer(0)
    assert.is_true(buffer:reserve(0))
    buffer:append("")
    assert.is_false(buffer:overflow())
    assert.is_false(buffer:reserve(1))
    assert.is_true(buffer:overflow())
  end)

  it("can be used again after it was freed", function()
    local buffer = base.buffer(4)
    buffer:append("12345")
    buffer:free()
    assert.same({ "", false }, { buffer:text(), buffer:overflow() })
    buffer:append("1234")
    assert.equal("1234", buffer:text())
    buffer:append("5")
    assert.is_true(buffer:overflow())
  end)
end)
