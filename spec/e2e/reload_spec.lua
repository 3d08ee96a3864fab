--- Reload: by signal, by the watched file, by the admin call; a broken file changes nothing and says where; under load no request fails.
local launch = require "support.launch"
local http = require "support.http"

local CONFIG = [[
return {
  providers = { mock = {} },
  models = { smart = { "mock/one", "mock/two" } },
  policy = "policies/mine.lua",
}]]

-- Routes everything to one named target.
local function policy(name)
  return ([[
return { route = function(request) return { %q } end }
]]):format(name)
end

describe("reload", function()
  local gateway

  before_each(function()
    gateway = launch.start { config = CONFIG, policies = { mine = policy "mock/one" } }
  end)
  after_each(function() assert.equal(0, gateway:stop()) end)

  local function served()
    local answer = gateway:chat { model = "smart" }
    assert.equal(200, answer.status)
    return answer.headers["x-model"], answer.headers["x-policy"]
  end

  local function becomes(model)
    return http.eventually(function() return served() == model end)
  end

  local function reloaded(count, result)
    return http.eventually(function()
      local seen = 0
      for _, line in ipairs(gateway:log()) do
        seen = seen + ((line.event == "reload" and (result == nil or line.result == result)) and 1 or 0)
      end
      return seen >= count
    end)
  end

  it("follows a changed policy file by itself", function()
    assert.same({ "one", "mine@1" }, { served() })
    gateway:edit_policy("mine", policy "mock/two")
    assert.is_truthy(becomes "two")
    local _, label = served()
    assert.equal("mine@2", label)
  end)

  it("follows a changed config file by itself, without losing a connection", function()
    local connection = http.connect { port = gateway.port }
    local request = http.format { path = "/v1/chat/completions", body = launch.body { model = "new-name" } }
    assert(connection:send(request))
    assert.equal(404, connection:answer():read().status)
    gateway:edit_config((CONFIG:gsub("smart =", '["new-name"] = { "mock/two" }, smart =')))
    assert.is_truthy(reloaded(1, "ok"))
    assert(connection:send(request))
    assert.equal(200, connection:answer():read().status)
    connection:close()
  end)

  it("happens on SIGHUP, changed or not", function()
    gateway:signal "HUP"
    assert.is_truthy(reloaded(1, "ok"))
    assert.equal(2, gateway:generation())
  end)

  it("happens on POST /admin/reload, and answers with the verdict", function()
    local answer = gateway:request { method = "POST", path = "/admin/reload", body = "" }
    assert.equal(200, answer.status)
    assert.matches("2", answer.body)
    assert.equal(2, gateway:generation())
  end)

  for what, broken in pairs {
    ["does not compile"] = { text = "return {\n  route = function(request\n}", says = "policies/mine%.lua:%d" },
    ["raises while it loads"] = { text = "local x = nil\nreturn { y = x.z }", says = "policies/mine%.lua:2" },
    ["has a misspelt name"] = { text = "return {\n rout = function() end }", says = "policies/mine%.lua.*rout" },
    ["returns nothing"] = { text = "-- nothing\n", says = "policies/mine%.lua" },
    ["never ends loading"] = { text = "while true do end", says = "policies/mine%.lua" },
  } do
    it("keeps the old policy when the new one " .. what .. ", and names the file", function()
      gateway:edit_policy("mine", broken.text)
      local answer = gateway:request { method = "POST", path = "/admin/reload", body = "" }
      assert.equal(400, answer.status)
      assert.matches(broken.says, answer:json().error.message)
      assert.is_truthy(reloaded(1, "refused"))
      assert.equal("one", (served()))
      gateway:edit_policy("mine", policy "mock/two")
      assert.is_truthy(becomes "two", "a mended file was not taken")
    end)
  end

  it("keeps the old config when the new one is wrong, and names the field", function()
    gateway:edit_config('return { providers = { mock = {} }, timeouts = { idle = "soon" } }')
    local answer = gateway:request { method = "POST", path = "/admin/reload", body = "" }
    assert.equal(400, answer.status)
    assert.matches("timeouts%.idle", answer:json().error.message)
    assert.equal("one", (served()))
  end)

  it("says what needs a restart", function()
    gateway:edit_config((CONFIG:gsub("providers", 'workers = 7, body_limit = "1MB", memory = "900MB", listen = "127.0.0.1:1", providers', 1)))
    for _, field in ipairs { "workers", "body_limit", "memory", "listen" } do
      local line = gateway:log_line(function(line) return line.event == "restart_needed" and line.field == field end)
      assert.is_truthy(line, field)
      assert.matches("a reload leaves " .. field .. " as it was at the start: restart the gateway", line.message, 1, true)
    end
  end)

  it("lets a stream finish with the policy it began with", function()
    local stream = gateway:open_stream { model = "mock/gap-60" }
    assert.equal("mine@1", stream.headers["x-policy"])
    gateway:signal "HUP"
    assert.is_truthy(reloaded(1, "ok"))
    stream.list = stream:events()
    launch.read_stream(stream)
    assert.is_true(stream.done)
    stream:close()
    assert.equal("mine@1", gateway:record(stream.id).policy)
  end)

  it("fails no request under load, and no answer mixes two policies", function()
    local stop, asked, served_by = false, 0, {}
    local jobs = {}
    for i = 1, 8 do
      jobs[i] = function()
        local connection = http.connect { port = gateway.port }
        local request = http.format { path = "/v1/chat/completions", body = launch.body { model = "smart" } }
        while not stop do
          assert(connection:send(request))
          local answer = assert(connection:answer()):read()
          assert.equal(200, answer.status)
          local generation, model = answer.headers["x-policy"], answer.headers["x-model"]
          served_by[generation] = served_by[generation] or model
          assert.equal(served_by[generation], model)
          asked = asked + 1
        end
        connection:close()
      end
    end
    jobs[#jobs + 1] = function()
      for i = 1, 20 do
        local before = asked
        gateway:edit_policy("mine", policy(i % 2 == 1 and "mock/two" or "mock/one"))
        assert.equal(200, gateway:request({ method = "POST", path = "/admin/reload", body = "" }).status)
        http.eventually(function() return asked > before + 8 end)
      end
      stop = true
    end
    http.all(jobs)
    local generations, models = 0, {}
    for _, model in pairs(served_by) do
      generations = generations + 1
      models[model] = true
    end
    assert.is_truthy(models.one and models.two)
    assert.is_truthy(generations >= 10, generations .. " generations were seen")
  end)
end)
