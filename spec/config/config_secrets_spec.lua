--- A complaint about gateway.lua goes to terminals, logs and tickets: nothing that may be a key or a password is repeated in it.
local config = require "gateway.config"
local configs = require "support.configs"

local SECRET = "s3cr3t"

-- Values in the wrong place, with a mistyped scheme, or of the wrong type; each once put a secret into a complaint.
local WRONG = {
  [[providers = { lab = { kind = "openai", base_url = "htps://user:s3cr3t@host/v1" } }]],
  [[providers = { lab = { kind = "openai", base_url = "https:/user:s3cr3t@host/v1" } }]],
  [[providers = { lab = { kind = "openai", base_url = "user:s3cr3t@host/v1" } }]],
  [[providers = { lab = { kind = "openai", base_url = "htps://host/v1?key=s3cr3t" } }]],
  [[providers = { lab = { kind = "openai", base_url = "htps://host/s3cr3t" } }]],
  [[providers = { lab = { kind = "openai", base_url = "https://user:s3cr3t/v1" } }]],
  [[providers = { lab = { kind = "openai", base_url = "s3cr3t" } }]],
  [[providers = { lab = { kind = "openai", base_url = "http://h/v1", proxy = "htp://user:s3cr3t@proxy" } }]],
  [[providers = { lab = { kind = "openai", base_url = "http://h/v1", proxy = "http://user:s3cr3t" } }]],
  [[providers = { azure = { base_url = "htps://u:s3cr3t@x.openai.azure.com", key = "k" } }]],
  [[providers = { ollama = { base_url = "htps://u:s3cr3t@host" } }]],
  [[providers = { openai = "s3cr3t" }]],
  [[providers = { openai = { ["s3cr3t-1"] = true } }]],
  [[providers = { openai = { key = { a = "s3cr3t" } } }]],
  [[providers = { openai = { key = { ["s3cr3t"] = 1 } } }]],
  [[providers = { openai = { key = { { "s3cr3t" } } } }]],
  [[providers = { openai = { key = "a s3cr3t" } }]],
  [[providers = { mock = { headers = "X-Key: s3cr3t" } }]],
  [[providers = { mock = { headers = { "X-Key: s3cr3t" } } }]],
  [[providers = { mock = { headers = { ["X-Key: s3cr3t"] = "x" } } }]],
  [[providers = "s3cr3t"]],
  [[providers = { mock = {} }, keys = "s3cr3t-key-1"]],
  [[providers = { mock = {} }, keys = { "s3cr3t-key-1" }]],
  [[providers = { mock = {} }, keys = { ["s3cr3t-key-1"] = { user = "a" } }]],
  [[providers = { mock = {} }, keys = { { ["s3cr3t-key-1"] = "a" } }]],
  [[providers = { mock = {} }, keys = { { key = "s3cr3t", user = "a" } }]],
  [[providers = { mock = {} }, admin = "s3cr3t-key-1"]],
  [[providers = { mock = {} }, admin = { key = "s3cr3t key" }]],
  [[providers = { mock = {} }, admin = { ["s3cr3t-key"] = 1 }]],
  [[providers = { mock = {} }, leaderboard = "htps://user:s3cr3t@host/b.json"]],
  [[providers = { mock = {} }, leaderboard = "http://host/s3cr3t"]],
  [[providers = { mock = {} }, models = { a = "htps://user:s3cr3t@host" }]],
  [[providers = { lab = { kind = "openai", base_url = "s3cr3t-of-mine:@host/v1" } }]],
  [[providers = { lab = { kind = "openai", base_url = "s3cr3t-of-mine://host/v1" } }]],
  [[providers = { openai = { key = "k", proxy = "s3cr3t:x@host" } }]],
  [[providers = { lab = { kind = "https://user:s3cr3t@host" } }]],
  [[providers = { bedrock = { key = "k", region = "user:s3cr3t@host" } }]],
  [[providers = { azure = { key = "k", base_url = "https://a.openai.azure.com", api_version = "user:s3cr3t@host" } }]],
  [[providers = { vertex_ai = { credentials = "ya29.s3cr3t" } }]],
  [[providers = { mock = {} }, leaderboard = "user:s3cr3t@host/b.json"]],
  [[providers = { mock = {} }, prices = "https://host/p.json?token=s3cr3t"]],
  [[providers = { mock = {} }, prices = "user:s3cr3t@host/p.json"]],
}

describe("config: a complaint repeats no credentials", function()
  for _, text in ipairs(WRONG) do
    it(text, function()
      local message = configs.complaint(("return { %s }"):format(text))
      assert.is_nil(message:find(SECRET, 1, true), message)
      assert.matches("^gateway.lua:1: ", message) -- and still says where, and what was expected
      assert.is_truthy(message:find "expected" or message:find "there is no provider" or message:find "No such file", message)
    end)
  end

  it("neither does what the compiler says of a file that is no Lua", function()
    for _, text in ipairs { [[return { key = "sk" "s3cr3t" }]], [[return { key = "sk-s3cr3t]] .. "\n}", [[return { key = sk s3cr3t }]],
      [[return { key = 12s3cr3t }]], [[return { key = "\s3cr3t" }]] } do
      local _, message = load(text, "@gateway.lua")
      message = config.without_text(message)
      assert.is_nil(message:find(SECRET, 1, true), message)
      assert.matches("^gateway.lua:1: ", message)
    end
    local _, message = pcall(load("return { key = gsk_s3cr3tOfMine42 - more }", "@gateway.lua", "t", {}))
    assert.equal("gateway.lua:1: attempt to perform arithmetic on a nil value", config.without_text(message)) -- no quotes
    _, message = pcall(load("return { key = evn 'KEY' }", "@gateway.lua", "t", {}))
    assert.matches("a nil value %(global 'evn'%)$", config.without_text(message))
    _, message = load("return { a = }", "@gateway.lua")
    assert.equal("gateway.lua:1: unexpected symbol near '}'", config.without_text(message)) -- signs say where, and are no secrets
  end)
end)
