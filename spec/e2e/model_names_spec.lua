--- Names of models whose segments lead elsewhere: a key's `lab/good*` must not let `lab/good/../secret` pass, at any route and in any spelling.
local launch = require "support.launch"
local http = require "support.http"
local pair = require "support.pair"

local CONFIG = [[
return {
  workers = 1,
  policy = "policies/mine.lua",
  providers = {
    lab   = { kind = "openai", base_url = "%s/v1", key = "sk-lab-provider-key" },
    azure = { base_url = "%s", key = "azure-provider-key", api_version = "2024-10-21" },
  },
  models = { planned = { "lab/hello" } },
  keys = { { key = "key-of-good", user = "good", models = { "lab/good*", "azure/good*", "planned" } }, { key = "key-of-all", user = "all" } },
}]]

local POLICY = [[
return {
  route = function(request)
    return request.client.user == "lost" and { "lab/good/../secret" } or request.targets
  end,
}]]

local ROUTES = {
  ["/v1/chat/completions"] = { messages = { { role = "user", content = "x" } } },
  ["/v1/messages"] = { max_tokens = 5, messages = { { role = "user", content = "x" } } },
  ["/v1/messages/count_tokens"] = { messages = { { role = "user", content = "x" } } },
  ["/v1/responses"] = { input = "x" }, ["/v1/completions"] = { prompt = "x" }, ["/v1/embeddings"] = { input = "x" },
  ["/completion"] = { messages = { { role = "user", content = "x" } } },
}

local ELSEWHERE = { "lab/good/../secret", "lab/good/%2e%2e/secret", "lab/good%2f..%2fsecret", "lab/good/%252e%252e/secret", "lab/good\\..\\secret",
  "lab/good/./secret", "lab/good//secret", "lab/good/..", "lab/good/", "lab/good\1", "azure/good/../../secret", "azure/good/%2E%2E" }

describe("a name of a model whose segments lead elsewhere", function()
  local mock, gateway, start, stop = pair.of(launch.mock, { config = CONFIG, policies = { mine = POLICY } })
  setup(start)
  teardown(stop)

  it("is a 404 at every route, for a key with patterns as for one without, and no provider hears of it", function()
    for path, fields in pairs(ROUTES) do
      for _, name in ipairs(ELSEWHERE) do
        for _, key in ipairs { "key-of-good", "key-of-all" } do
          local body = { model = name }
          for field, value in pairs(fields) do
            body[field] = value
          end
          local answer = gateway:request { path = path, body = body, key = key }
          local failure = answer:json().error
          assert.same({ 404, true }, { answer.status, (failure.code or failure.type):find "not_found" ~= nil }, path .. " " .. name .. answer.body)
        end
      end
    end
    assert.same({}, mock:ledger())
  end)

  it("is a 404 where it is looked up", function()
    for _, name in ipairs(ELSEWHERE) do
      local coded = name:gsub("[^%w/]", function(byte) return ("%%%02X"):format(byte:byte()) end)
      for _, key in ipairs { "key-of-good", "key-of-all" } do
        local connection = http.connect { port = gateway.port }
        assert(connection:send(("GET /v1/models/%s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n"):format(coded, key)))
        local status = connection:answer():read().status -- 400: the path itself leads elsewhere
        assert.is_true(status == 404 or status == 400, name .. " " .. status)
        connection:close()
      end
    end
  end)

  it("is no target of a policy's plan either", function()
    local answer = gateway:chat({ model = "planned", user = "lost" }, { key = "key-of-all" })
    assert.same({ 500, "policy_unknown_target" }, { answer.status, answer:json().error.code })
    assert.same({}, mock:ledger())
  end)

  it("is none where a star stands for a slash that leads nowhere else", function()
    for _, name in ipairs { "lab/good", "lab/good/deep", "lab/good-1.5..2", "lab/goods/.hidden" } do
      assert.equal(200, gateway:chat({ model = name }, { key = "key-of-good" }).status, name)
    end
    assert.equal(403, gateway:chat({ model = "lab/bad" }, { key = "key-of-good" }).status)
  end)
end)
