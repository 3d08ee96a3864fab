--- The stock config and every example run as they are: with keys, and without any.
local launch = require "support.launch"
local lfs = require "lfs"
local process = require "support.process"
local provider = require "support.provider"

local KEYS = {
  OPENAI_API_KEY = "sk-openai-0123456789", ANTHROPIC_API_KEY = "sk-ant-0123456789", GROQ_API_KEY = "gsk-0123456789", GITHUB_TOKEN = "ghp-0123456789",
  TOGETHER_API_KEY = "tg-0123456789", MISTRAL_API_KEY = "ms-0123456789", OPENROUTER_API_KEY = "or-0123456789", DEEPSEEK_API_KEY = "ds-0123456789",
  XAI_API_KEY = "xai-0123456789", OPENAI_KEY_1 = "sk-one-0123456789", LOCAL_URL = "http://127.0.0.1:9",
  CORS_ORIGINS = "https://a.example.com, https://b.example.com", GATEWAY_KEY = "key-of-the-owner", GATEWAY_ADMIN_KEY = "key-of-the-admin",
}

local function check(path, env)
  local folder = process.temporary_directory()
  local run = process.start { command = { provider.program(), "check", path }, env = env, directory = folder, name = "check" }
  local status = run:wait(10)
  run:kill()
  local said = run:out() .. run:err()
  os.execute("rm -rf " .. process.quote(folder))
  return status, said
end

describe("a config that is shipped", function()
  local here = lfs.currentdir()
  local files = { "gateway.lua" }
  for name in lfs.dir(here .. "/examples") do
    if name:find "%.lua$" then
      files[#files + 1] = "examples/" .. name
    end
  end
  table.sort(files)

  it("there are some", function()
    assert.is_true(#files >= 5)
  end)

  for _, name in ipairs(files) do
    it(name .. " is sound with keys and without", function()
      for _, keys in ipairs { {}, KEYS } do
        local status, said = check(here .. "/" .. name, keys)
        assert.same({ 0, "ok\n" }, { status, launch.last_line(said) }, said)
      end
    end)
  end

  it("gateway.lua serves others than this machine only with a key, or when told to in words", function()
    local status, said = check(here .. "/gateway.lua", { HOST = "0.0.0.0" })
    assert.equal(1, status)
    assert.matches("listen: 0%.0%.0%.0 can be reached from outside", said)
    assert.equal(0, (check(here .. "/gateway.lua", { HOST = "0.0.0.0", GATEWAY_KEY = "key-of-the-owner" })))
    assert.equal(0, (check(here .. "/gateway.lua", { HOST = "0.0.0.0", GATEWAY_OPEN = "true" })))
  end)
end)
