--- Any key learns the names of all providers: what a key may not use it does not hear of, in no refusal, no list, no header, and not by asking twice.
local launch = require "support.launch"

local CONFIG = [[
return {
  workers = 1,
  providers = { mine = { kind = "mock" }, secret = { kind = "mock" }, other = { kind = "mock" } },
  models = { smart = { "mine/hello" }, smarter = { "mine/hello", "other/hello" }, smartest = { "secret/hello" }, ["secret-smart"] = { "secret/hello" },
    blind = { { "mine/hello", capabilities = { tools = false } } } },
  keys = {
    { key = "sk-alice-secret-0001", user = "alice", models = { "smart", "smarter", "blind", "mine/*" } },
    { key = "sk-bob-secret-00002", user = "bob" },
    { key = "sk-carol-secret-0003", user = "carol", models = { "sec*" } },
    { key = "sk-dave-secret-00004", user = "dave", models = { "smart*r" } },
  },
  admin = { key = "sk-admin-secret-0005" },
}]]

local ALICE, BOB, CAROL, DAVE, ADMIN = "sk-alice-secret-0001", "sk-bob-secret-00002", "sk-carol-secret-0003", "sk-dave-secret-00004", "sk-admin-secret-0005"
local TOOL = { { type = "function", ["function"] = { name = "look", parameters = { type = "object" } } } }

describe("the names of providers", function()
  local gateway

  setup(function() gateway = launch.start { config = CONFIG, env = { HOST = "0.0.0.0" } } end)
  teardown(function() assert.equal(0, gateway:stop()) end)

  local function chat(key, fields, headers)
    return gateway:chat(fields, { key = key, headers = headers })
  end

  it("that a key may not use are in no answer to it", function()
    for _, fields in ipairs { { model = "smart", provider = "nosuch" }, { model = "smart", provider = "secret" }, { model = "smart", provider = "other" },
      { model = "smartes" }, { model = "secret-smrt" }, { model = "secre/hello" }, { model = "mine/hell" }, { model = "blind", tools = TOOL },
      { model = "smartest" }, { model = "secret/hello" }, { model = "smartest", provider = "secret" }, { model = "smart", routing_strategy = "nosuch" },
      { model = "smart" }, { model = "smart", stream = true } } do
      for _, path in ipairs { "/v1/chat/completions", "/v1/messages", "/completion", "/v1/responses" } do
        fields.max_tokens = 9
        local answer = gateway:chat(fields, { key = ALICE, path = path })
        assert.is_nil((answer.head .. answer.body):find("secret", 1, true), answer.body)
      end
    end
    for _, name in ipairs { "nosuch", "secret" } do
      local answer = chat(ALICE, { model = "smart" }, { ["X-Provider"] = name })
      assert.same({ 400, "Unknown provider. Providers that are on: mine, other" }, { answer.status, answer:json().error.message })
    end
    for _, path in ipairs { "/v1/models", "/v1/models/secret%2Fhello", "/v1/models/smartest", "/providers", "/health", "/nothing" } do
      local answer = gateway:request { path = path, key = ALICE }
      assert.is_nil((answer.head .. answer.body):find("secret", 1, true), answer.body)
    end
  end)

  it("are not to be guessed: one that is not the key's is as unknown as one that there is not", function()
    for _, model in ipairs { "smart", "smartest", "mine/anything", "nosuch" } do
      local said = {}
      for i, name in ipairs { "nosuch", "secret" } do
        local answer = chat(ALICE, { model = model, provider = name })
        said[i] = answer.status .. answer.body
        local path = gateway:request { path = "/v1/models/" .. name .. "%2Fhello", key = ALICE }
        said[i] = said[i] .. path.status .. path.body
      end
      assert.equal(said[1], said[2])
    end
  end)

  it("near to a mistyped model are those the key may use", function()
    assert.matches("Did you mean 'smarter', 'smart', 'smartest'%?", chat(BOB, { model = "smartar" }):json().error.message)
    assert.matches("Did you mean 'smarter'%?", chat(DAVE, { model = "smartar" }):json().error.message)
    assert.equal(403, chat(ALICE, { model = "smartes" }).status)
    local answer = chat(CAROL, { model = "secret-smar" })
    assert.equal("The model 'secret-smar' does not exist or its provider is not on. Did you mean 'secret-smart'?", answer:json().error.message)
  end)

  it("are there for a key that leads to them, by a model or by the beginning of a name", function()
    assert.equal("Unknown provider. Providers that are on: mine, other, secret", chat(BOB, { model = "smart", provider = "x" }):json().error.message)
    assert.equal("Unknown provider. Providers that are on: secret", chat(CAROL, { model = "secret-smart", provider = "x" }):json().error.message)
    assert.equal(200, chat(ALICE, { model = "smarter", provider = "other" }).status)
    assert.equal(200, chat(CAROL, { model = "secret/hello", provider = "secret" }).status)
    assert.equal("no_able_target", chat(ALICE, { model = "smart", provider = "other" }):json().error.code)
    assert.equal(403, chat(DAVE, { model = "smart", provider = "mine" }).status)
  end)

  it("on /health are the admin's to see, on a listener that others reach", function()
    for _, key in ipairs { "", ALICE, BOB, "sk-nobody-knows-this" } do
      local names = {}
      for name in pairs(gateway:request({ path = "/health", headers = { ["X-API-Key"] = key } }):json()) do
        names[#names + 1] = name
      end
      table.sort(names)
      assert.same({ "status", "uptime_s", "version" }, names)
    end
    assert.is_table(gateway:request({ path = "/health", key = ADMIN }):json().providers.secret)
  end)
end)
