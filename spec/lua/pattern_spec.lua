local pattern = require "gateway.pattern"

describe("pattern.any", function()
  it("takes a star for any run of characters and everything else for itself", function()
    for _, case in ipairs {
      { "gpt-4o", "gpt-4o", true }, { "gpt-4o", "gpt-4o-mini", false }, { "gpt-4o*", "gpt-4o-mini", true }, { "gpt-4o*", "gpt-4o", true },
      { "*", "", true }, { "*", "anything/at all", true }, { "", "", true }, { "", "x", false }, { "*-mini", "gpt-4o-mini", true },
      { "*-mini", "mini", false }, { "mock/*", "mock/echo", true }, { "mock/*", "hammock/x", false }, { "a*b*c", "aXbYc", true },
      { "a*b*c", "abc", true }, { "a*b*c", "ac", false }, { "a*b*c", "abcb", false }, { "*a*", "bab", true }, { "**", "x", true },
      { "a*a", "a", false }, { "a*a", "aa", true }, { "ab*ba", "aba", false }, { "gpt.4", "gptx4", false }, { "%a*", "abc", false },
      { "[a]*", "a", false }, { "*ab*ab", "abab", true }, { "*ab*ab", "ab", false }, { "GPT*", "gpt", false },
    } do
      assert.equal(case[3], pattern.any({ case[1] }, case[2]), case[1] .. " / " .. case[2])
    end
  end)

  it("looks at every pattern of the list", function()
    assert.is_true(pattern.any({ "a", "b*", "c" }, "bcd"))
    assert.is_false(pattern.any({ "a", "b", "c" }, "d"))
    assert.is_false(pattern.any({}, "d"))
    assert.has_error(function() pattern.any("a*", "a") end, "pattern.any: expected a list of patterns, got string")
  end)

  it("is short work whatever it is asked", function()
    local glob = ("*a"):rep(500)
    local runtime = require "gateway.runtime"
    local ok, result = runtime.call.run(pattern.any, 100000, 1 << 20, 1, { glob }, ("a"):rep(499) .. "b")
    assert.same({ true, false }, { ok, result })
    assert.is_false(pattern.any({ "*" }, ("x"):rep(5000)), "no name is that long")
    assert.is_false(pattern.any({ 7 }, "7"))
  end)
end)
