--- What one user sends is no reason to take a policy, or an adapter, from all: too large for it is that user's affair, and stops count by users.
local launch = require "support.launch"
local http = require "support.http"
local scripted = require "support.scripted"

-- What the policy reads of a request, and where, a header says: each caller's own.
local POLICY = [[
local function read(request, step)
  local what = request.client.headers["x-title"]
  if what == step .. "-body" then
    return #request.body().messages
  elseif what == step .. "-walk" then -- reading is half of it
    local bytes = 0
    for _, message in ipairs(request.body().messages) do
      for _ in message.content:gmatch "." do bytes = bytes + 1 end
    end
  elseif what == step .. "-metadata" then
    return request.client.metadata.a
  elseif what == step .. "-loop" then
    while true do end
  elseif what == step .. "-hog" then
    local all = {}
    while true do all[#all + 1] = ("x"):rep(1000) end
  end
end

return {
  admit = function(request) read(request, "admit") return {} end,
  route = function(request) read(request, "route") return request.targets end,
  recover = function(request, failure, rest) read(request, "recover") return rest end,
}
]]

local CONFIG = [[return {
  workers = 1, providers = { mock = {}, house = { kind = "house.lua", base_url = "ORIGIN", key = "house-key-1" } },
  models = { failing = { "mock/fault-status-500", "mock/good" }, spare = { { "house/m", priority = 1 }, { "mock/good", priority = 2 } } },
  policy = "policies/mine.lua", breaker = { failures = 1000 }, keys = { KEYS },
}]]

local function keys(...)
  local list = {}
  for i, user in ipairs { ... } do
    list[i] = ('{ key = "key-of-%s", user = "%s" }, { key = "other-key-of-%s", user = "%s" }'):format(user, user, user, user)
  end
  return table.concat(list, ", ")
end

--- A body of so many bytes: many short messages, which make many values.
local function messages(bytes)
  local list, content = {}, ("x"):rep(60)
  for i = 1, bytes // 100 do
    list[i] = { role = i % 2 == 1 and "user" or "assistant", content = content }
  end
  return list
end

local LARGE = messages(408000)

describe("what one user sends", function()
  local gateway, server

  local function start(users, origin)
    local config = CONFIG:gsub("KEYS", users):gsub("ORIGIN", origin or "http://127.0.0.1:9")
    gateway = launch.start { config = config, policies = { mine = POLICY }, files = { ["house.lua"] = io.open("examples/providers/house.lua"):read "a" } }
  end

  local function ask(user, what, fields)
    fields.model = fields.model or "mock/good"
    return gateway:chat(fields, { key = "key-of-" .. user, headers = { ["X-Title"] = what } })
  end

  local function assert_served(...)
    for _, user in ipairs { ... } do
      local answer = ask(user, "nothing", {})
      assert.equal(200, answer.status, answer.body)
    end
  end

  after_each(function()
    assert.equal(0, gateway:stop())
    if server then
      server:stop()
      server = nil
    end
  end)

  it("is refused where it is too large for what the policy reads of it, and costs the others nothing", function()
    start(keys("alice", "bob", "carol"))
    local metadata, count = {}, 0
    for i = 1, 15000 do
      metadata[i] = {}
    end
    for what, fields in pairs {
      ["admit-body"] = { messages = LARGE }, ["route-body"] = { messages = LARGE },
      ["route-metadata"] = { metadata = { a = metadata } }, ["recover-body"] = { model = "failing", messages = LARGE },
      ["admit-walk"] = { messages = { { role = "user", content = ("x"):rep(300000) } } },
    } do
      for _ = 1, 4 do
        local answer = ask("alice", what, fields)
        assert.same({ 413, "request_too_large_for_policy" }, { answer.status, (answer:json().error or {}).code }, what)
        assert.same({ "invalid_request_error", "refused" }, { answer:json().error.type, gateway:record(answer.id).cause })
        count = count + 1
      end
      assert_served("bob", "alice")
    end
    local said = 0
    for _, line in ipairs(gateway:log()) do
      said = said + (line.event == "policy_error" and line.error == "request_too_large_for_policy" and line.level == "warn" and 1 or 0)
      assert.are_not.equal("policy_disabled", line.error)
    end
    assert.equal(count, said)
    local answer = gateway:request { path = "/v1/messages", headers = { ["x-api-key"] = "key-of-alice", ["X-Title"] = "admit-body" },
      body = { model = "mock/good", max_tokens = 10, messages = LARGE } }
    assert.same({ 413, "request_too_large" }, { answer.status, answer:json().error.type })
  end)

  it("leaves nothing behind where it was too large to be read", function()
    start(keys("alice", "bob", "carol"))
    local body = ('{"model":"mock/good","messages":[{"role":"user","content":"%s"}],"x":[%s{}]}'):format(("x"):rep(300000), ("{},"):rep(60000))
    local function ask_often(count)
      for _ = 1, count do
        local answer = gateway:request { path = "/v1/chat/completions", key = "key-of-alice", headers = { ["X-Title"] = "admit-body" }, body = body }
        assert.equal(413, answer.status)
      end
      return (gateway.process:memory())
    end
    local before, after = ask_often(10), ask_often(40)
    assert.is_true(gateway.process:is_sanitized() or after - before < 6 * 1024, ("%d KB more"):format(after - before)) -- a body is 500 KB
  end)

  it("is counted by users where it is not its size: three must be stopped, not one however often", function()
    start(keys("alice", "bob", "carol", "dave"))
    for i = 1, 8 do
      assert.equal("policy_timeout", ask("alice", "admit-loop", {}):json().error.code)
      assert.equal("policy_memory", ask(i % 2 == 0 and "bob" or "alice", "admit-hog", {}):json().error.code)
    end
    assert_served("dave", "bob", "alice")
    assert.equal("policy_timeout", ask("carol", "admit-loop", {}):json().error.code)
    local answer = ask("dave", "nothing", {})
    assert.same({ 500, "policy_disabled" }, { answer.status, answer:json().error.code })
    local wait = math.tointeger(answer.headers["retry-after"])
    assert.is_true(wait > 0 and wait <= 60)
    gateway:edit_policy("mine", POLICY .. "\n-- mended\n")
    assert.is_truthy(http.eventually(function() return gateway:generation() == 2 end))
    assert_served("dave")
  end)

  it("and two keys of one user are one user; of two users known half of the calls count", function()
    start(keys("alice", "bob"))
    assert_served("bob", "bob", "bob")
    for i = 1, 3 do
      local key = (i % 2 == 0 and "other-" or "") .. "key-of-alice"
      local answer = gateway:chat({ model = "mock/good" }, { key = key, headers = { ["X-Title"] = "route-loop" } })
      assert.equal("policy_timeout", answer:json().error.code)
    end
    assert.equal("policy_disabled", ask("bob", "nothing", {}):json().error.code)
  end)

  it("is refused where it is too large for a provider's adapter, tried at the next target, and costs the others nothing", function()
    server = scripted.start()
    start(keys("alice", "bob", "carol"), server.origin)
    server:answer(200, "application/json", '{"ref":"r","model":"m","output":{"text":"hello"},"ended":"eos","tokens":{"prompt":1,"completion":1}}')
    local large = messages(2000000)
    for _ = 1, 8 do
      local answer = ask("alice", "nothing", { model = "house/m", messages = large })
      assert.same({ 413, "request_too_large_for_policy" }, { answer.status, answer:json().error.code })
    end
    assert.equal("mock", ask("alice", "nothing", { model = "spare", messages = large }).headers["x-provider"])
    assert.equal("hello", launch.text(ask("bob", "nothing", { model = "house/m" })))
  end)
end)
