--- Keys: found by their digest, good until they expire, narrowed by patterns.
local keyring = require("gateway.runtime").keyring

describe("keyring", function()
  it("finds each of many users by their key, and nobody by another", function()
    local users = {}
    for i = 1, 3000 do
      users[i] = { key = "key-" .. i, user = "user-" .. i }
    end
    local ring = keyring.new(users)
    assert.equal(3000, ring:count())
    for i = 1, 3000 do
      local index, user = ring:find("key-" .. i, 0)
      assert.same({ i, "user-" .. i }, { index, user })
    end
    for _, key in ipairs { "", "key-0", "key-3001", "key-1 ", "KEY-1", "key-1\0", ("x"):rep(100000) } do
      assert.is_nil(ring:find(key, 0))
    end
  end)

  it("an empty ring knows nobody, not even the empty key", function()
    local ring = keyring.new {}
    assert.equal(0, ring:count())
    assert.is_nil(ring:find("", 0))
    assert.is_nil(ring:find("key", 0))
  end)

  it("a look-up costs the same whether its key is good, expired, wrong or missing", function()
    local users = {}
    for i = 1, 1000 do
      users[i] = { key = ("sk-%020d"):format(i), user = "user-" .. i, expires = i % 2 == 0 and 100 or nil }
    end
    local ring = keyring.new(users)
    local keys, least = { good = "sk-00000000000000000501", expired = "sk-00000000000000000500", wrong = "sk-x0000000000000000500", missing = "" }, {}
    for _ = 1, 200 do -- the least of many: what another program takes is not counted
      for what, key in pairs(keys) do
        local began = os.clock()
        for _ = 1, 100 do
          ring:find(key, 1000)
        end
        least[what] = math.min(least[what] or math.huge, os.clock() - began)
      end
    end
    for what in pairs(keys) do
      assert.is_true(least[what] < 2 * least.wrong and least.wrong < 2 * least[what], ("%s: %g, wrong: %g"):format(what, least[what], least.wrong))
    end
  end)

  it("an expired key has its user still, and has expired from that second on", function()
    local ring = keyring.new { { key = "short", user = "a", expires = 100 }, { key = "long", user = "b" } }
    assert.same({ 1, "a", false }, { ring:find("short", 99.999) })
    assert.same({ 1, "a", true }, { ring:find("short", 100) })
    assert.same({ 1, "a", true }, { ring:find("short", 1e9) })
    assert.same({ 2, "b", false }, { ring:find("long", 1e9) })
  end)
end)

describe("patterns of models", function()
  -- pattern, what it describes, what it does not
  for _, case in ipairs {
    { "gpt-4o", { "gpt-4o" }, { "gpt-4o-mini", "gpt-4", "", "GPT-4o" } },
    { "gpt-4o*", { "gpt-4o", "gpt-4o-mini" }, { "gpt-4", "xgpt-4o" } },
    { "*-mini", { "gpt-4o-mini", "-mini" }, { "gpt-4o-mini-x", "mini" } },
    { "mock/*", { "mock/", "mock/a/b" }, { "mock", "xmock/a" } },
    { "*", { "", "anything" }, {} },
    { "**", { "", "anything" }, {} },
    { "a*b*c", { "abc", "aXbYc", "abbcc", "abcbc" }, { "acb", "ab", "abcd" } },
    { "", { "" }, { "a" } },
    { "a.c", { "a.c" }, { "abc" } },
    { "[ab]", { "[ab]" }, { "a" } },
  } do
    it(("%q"):format(case[1]), function()
      for _, text in ipairs(case[2]) do
        assert.is_true(keyring.matches(case[1], text), text)
      end
      for _, text in ipairs(case[3]) do
        assert.is_false(keyring.matches(case[1], text), text)
      end
    end)
  end

  it("agree with a plain definition on random texts", function()
    local function describes(pattern, text) -- by trying every length of every star
      local first = pattern:sub(1, 1)
      if first == "" then
        return text == ""
      elseif first == "*" then
        return describes(pattern:sub(2), text) or (text ~= "" and describes(pattern, text:sub(2)))
      end
      return text:sub(1, 1) == first and describes(pattern:sub(2), text:sub(2))
    end
    math.randomseed(7)
    local letters = { "a", "b", "*" }
    for _ = 1, 5000 do
      local pattern, text = {}, {}
      for i = 1, math.random(0, 6) do
        pattern[i] = letters[math.random(3)]
      end
      for i = 1, math.random(0, 8) do
        text[i] = letters[math.random(2)]
      end
      pattern, text = table.concat(pattern), table.concat(text)
      assert.equal(describes(pattern, text), keyring.matches(pattern, text), pattern .. " " .. text)
    end
  end)

  it("take time linear in the product of lengths, whatever the stars", function()
    assert.is_false(keyring.matches(("a*"):rep(100) .. "b", ("a"):rep(20000)))
  end)

  it("a user without patterns may use everything, one with patterns only what they describe", function()
    assert.is_true(keyring.may_use({}, "gpt-4o"))
    assert.is_true(keyring.may_use({ "claude*", "gpt-4o*" }, "gpt-4o-mini"))
    assert.is_false(keyring.may_use({ "claude*", "gpt-4o*" }, "gpt-5"))
  end)
end)
