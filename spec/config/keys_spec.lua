--- keys and admin of a config: one key is one caller's, however it is given, and nothing is no key.
local config = require "gateway.config"
local runtime = require "gateway.runtime"

local KEY = "sk-alice-secret-0001"

local function sha256(text)
  return runtime.text.to_hex(runtime.text.sha256(text))
end

local function check(text)
  text = "return { providers = { mock = {} },\n" .. text .. "\n}"
  local raw = assert(load(text, "@gateway.lua", "t", {}))()
  return config.check(raw, { file = "gateway.lua", text = text, env = function() end, read = function() end, vendors = runtime.config.vendors() })
end

-- what stands in the config, the place and the words of the complaint
local REFUSED = {
  { "two users' key", ([[keys = { { key = "%s", user = "a" },
    { key = "%s", user = "b" } }]]):format(KEY, KEY), "gateway.lua:3: keys[2]: the same key as keys[1]" },
  { "two users' key, once as its hash", ([[keys = { { sha256 = "%s", user = "a" },
    { key = "%s", user = "b" } }]]):format(sha256(KEY):upper(), KEY), "gateway.lua:3: keys[2]: the same key as keys[1]" },
  { "one user's key, twice", ([[keys = { { key = "%s", user = "a" },
    { key = "%s", user = "a", tier = "pro" } }]]):format(KEY, KEY), "gateway.lua:3: keys[2]: the same key as keys[1]" },
  { "a user's and the admin's", ([[keys = { { key = "sk-another-0001", user = "b" }, { key = "%s", user = "a" } },
    admin = { key = "%s" }]]):format(KEY, KEY), "gateway.lua:3: admin.key: the same key as keys[2]" },
  { "a user's by its hash and the admin's", ([[keys = { { sha256 = "%s", user = "a" } },
    admin = { key = "%s" }]]):format(sha256(KEY), KEY), "gateway.lua:3: admin.key: the same key as keys[1]" },
  { "models of which none is left", [[keys = { { key = "sk-another-0001", user = "a", models = { nil } } }]],
    "gateway.lua:2: keys[1].models: expected at least one model or pattern" },
  { "models in words of which none is left", [[keys = { { key = "sk-another-0001", user = "a", models = ", " } }]],
    "gateway.lua:2: keys[1].models: expected at least one model or pattern" },
  { "no key at all", [[keys = { { key = "", user = "a" } }]], "gateway.lua:2: keys[1].key: expected a key of 8 to 512 characters" },
  { "no admin key at all", [[admin = { key = "" }]], "gateway.lua:2: admin.key: expected a key of 8 to 512 characters" },
  { "the hash of nothing", ([[keys = { { sha256 = "%s", user = "a" } }]]):format(sha256 ""), "keys[1].sha256: this is the SHA-256 of nothing" },
  { "the hash of a line's end", ([[keys = { { sha256 = "%s", user = "a" } }]]):format(sha256 "\n"), "keys[1].sha256: this is the SHA-256 of nothing" },
}

describe("a key that is", function()
  for _, case in ipairs(REFUSED) do
    it(case[1] .. " is refused at load", function()
      local checked, message = check(case[2])
      assert.is_nil(checked)
      assert.is_truthy(message:find(case[3], 1, true), message)
      assert.is_nil(message:find(KEY, 1, true) or message:find(sha256(KEY), 1, true))
    end)
  end

  it("each caller's own is taken", function()
    local checked = assert(check([[keys = { { key = "sk-another-0001", user = "a" }, { key = "sk-another-0002", user = "a" } },
      admin = { key = "sk-another-0003" }]]))
    assert.equal(2, #checked.users)
    local built = assert(runtime.config.build(checked, "gateway.lua"))
    assert.equal("a", built:user("sk-another-0002", 0).user)
  end)

  it("the same but for a letter is another", function()
    assert.is_truthy(check(([[keys = { { key = "%s", user = "a" }, { key = "%sx", user = "b" } }, admin = { key = "%s" }]]):format(KEY, KEY, KEY:upper())))
  end)
end)
