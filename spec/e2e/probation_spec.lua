--- A policy that passes its trial and fails those who ask it within seconds of a reload: the last good generation comes back by itself.
local launch = require "support.launch"
local http = require "support.http"

local USERS = { "alice", "bob", "carol", "dave" }
local CONFIG = [[
return {
  providers = { mock = {} }, models = { smart = { "mock/one", "mock/two" } }, policy = "policies/mine.lua",
  keys = { { key = "key-of-alice", user = "alice" }, { key = "key-of-bob", user = "bob" }, { key = "key-of-carol", user = "carol" },
    { key = "key-of-dave", user = "dave" } },
  admin = { key = "key-of-admin" },
}]]
local KEYLESS = 'return { providers = { mock = {} }, policy = "policies/mine.lua" }'

local GOOD = 'return { route = function() return { "mock/one" } end }'
-- No made request says what these requests say.
local BAD = [[
return { route = function(request)
  if request.max_tokens == 7 then error "on purpose" end
  return { "mock/two" }
end }]]

describe("a generation that fails its first callers", function()
  local gateway

  local function start(config)
    gateway = launch.start { config = config or CONFIG, policies = { mine = GOOD } }
  end
  after_each(function() assert.equal(0, gateway:stop()) end)

  local function reload()
    return gateway:request { method = "POST", path = "/admin/reload", body = "", key = "key-of-admin" }
  end

  local function take(text, generation)
    gateway:edit_policy("mine", text)
    assert.equal(200, reload().status)
    assert.equal(generation, gateway:generation())
  end

  --- `count` requests, users in turn, one after the other -> how many were answered with each status. `wrong`: such as the bad policy fails on.
  local function ask(count, wrong, users)
    local statuses = {}
    for i = 1, count do
      local user = (users or USERS)[(i - 1) % #(users or USERS) + 1]
      local answer = gateway:chat({ model = "smart", max_tokens = wrong and 7 or 5 }, { key = "key-of-" .. user })
      statuses[answer.status] = (statuses[answer.status] or 0) + 1
    end
    return statuses
  end

  local function label()
    return gateway:chat({ model = "mock/one" }, { key = "key-of-alice" }).headers["x-policy"]
  end

  local function ready()
    local answer = gateway:get "/health/ready"
    assert.equal(200, answer.status)
    return answer:json().checks.policy
  end

  local function is_taken_back(generation)
    return gateway:log_line(function(line)
      return line.event == "reload" and line.result == "taken_back" and line.generation == generation
    end)
  end

  it("is taken back, said in the log, in /health/ready and X-Policy, and stays out until its file changes", function()
    start()
    take(BAD, 2)
    assert.equal("ok", ready())
    assert.same({ [500] = 20 }, ask(20, true))
    local line = is_taken_back(1)
    assert.equal("error", line.level)
    assert.matches("^generation 2 is taken back, generation 1 is in force again: the policy failed in 20 of 20 calls", line.message)
    assert.equal("mine@1", label())
    assert.equal("degraded: generation 2 failed and was taken back, mine@1 is in force", ready())
    assert.same({ [200] = 25 }, ask(25, true))

    take(BAD .. "\n-- mended, says its author", 3)
    assert.same({ "ok", "mine@3" }, { ready(), label() })
    assert.equal(19, ask(19, true)[500])
    assert.is_truthy(http.eventually(function() return label() == "mine@1" end))
    assert.equal(200, reload().status) -- who asks for it gets it again
    assert.equal("mine@4", label())
    gateway:edit_policy("mine", GOOD)
    assert.is_truthy(http.eventually(function() return label() == "mine@5" end))
    assert.same({ [200] = 25 }, ask(25, true))
    assert.equal("ok", ready())
  end)

  it("stays with 19 calls, with fewer than half, and where two of four users are the only ones", function()
    start()
    take(BAD, 2)
    assert.same({ [500] = 19 }, ask(19, true))
    take(BAD .. "\n", 3)
    assert.same({ [200] = 11 }, ask(11, false))
    assert.same({ [500] = 9 }, ask(9, true))
    assert.same({ [200] = 9 }, ask(9, false))
    take(BAD .. "\n\n", 4)
    assert.same({ [500] = 30 }, ask(30, true, { "alice", "bob" }))
    assert.equal("mine@4", label())
    assert.same({ [500] = 1 }, ask(1, true, { "carol" }))
    assert.is_truthy(is_taken_back(3))
  end)

  it("is taken back as well where the last of the 20 calls went well, and none comes after", function()
    start()
    take(BAD, 2)
    assert.same({ [500] = 10 }, ask(10, true))
    assert.same({ [200] = 10 }, ask(10, false))
    assert.is_truthy(is_taken_back(1))
  end)

  it("needs no three users where fewer are known", function()
    start(KEYLESS)
    take(BAD, 2)
    for _ = 1, 20 do
      assert.equal(500, gateway:chat({ model = "mock/one", max_tokens = 7 }).status)
    end
    assert.is_truthy(is_taken_back(1))
    assert.equal("mine@1", label())
  end)

  it("fails in admit, in recover and by what it returns as well, and a refusal is no failure", function()
    start()
    take('return { admit = function(r) return r.max_tokens == 7 and { 1 } or {} end }', 2)
    assert.same({ [500] = 20 }, ask(20, true))
    assert.is_truthy(is_taken_back(1))
    take('return { admit = function(r) if r.max_tokens == 7 then return nil, { status = 403 } end return {} end }', 3)
    assert.same({ [403] = 30 }, ask(30, true))
    assert.equal("mine@3", label())
    take([[return { route = function(r) return r.max_tokens == 7 and { "mock/fault-status-500" } or r.targets end,
      recover = function() return { "nowhere/nothing" } end }]], 4)
    assert.same({ [500] = 10 }, ask(10, true))
    assert.is_truthy(is_taken_back(3))
  end)

  it("goes back to the one before, and past one that did badly itself", function()
    start()
    take(GOOD .. "\n", 2)
    assert.same({ [200] = 2 }, ask(2, true))
    take(BAD, 3)
    assert.same({ [500] = 10 }, ask(10, true))
    take(BAD .. "\n", 4)
    assert.same({ [500] = 20 }, ask(20, true))
    assert.is_truthy(is_taken_back(2))
    assert.equal("mine@2", label())
  end)

  it("goes back twice, where the one before was no better", function()
    start()
    take(BAD, 2)
    assert.same({ [200] = 2 }, ask(2, false))
    assert.equal(200, reload().status)
    assert.same({ [500] = 20 }, ask(20, true))
    assert.is_truthy(is_taken_back(2))
    assert.equal("mine@2", label())
    assert.equal(19, ask(19, true)[500])
    assert.is_truthy(is_taken_back(1))
    assert.equal("mine@1", label())
    assert.same({ [200] = 25 }, ask(25, true))
  end)

  it("in another folder is not loaded over and over, and is taken when it is mended there", function()
    start()
    assert(os.execute(("mkdir %s/other"):format(gateway.folder)))
    gateway:edit_policy("../other/new", BAD)
    gateway:edit_config((CONFIG:gsub("policies/mine", "other/new")))
    assert.is_truthy(http.eventually(function() return (label() or ""):find "new@" end))
    local failed = gateway:generation()
    assert.is_truthy(http.eventually(function() -- it may have been loaded twice, and answered us well before: one goes after the other
      ask(10, true)
      return label() == "mine@1"
    end))
    local before = #gateway:log()
    gateway:edit_policy("../other/new", GOOD)
    assert.is_truthy(http.eventually(function() return (label() or ""):find "new@" end))
    assert.is_truthy(gateway:generation() > failed)
    local loaded = 0
    for i = before + 1, #gateway:log() do
      loaded = loaded + (gateway:log()[i].event == "reload" and 1 or 0)
    end
    assert.is_truthy(loaded <= 2, loaded .. " reloads")
  end)

  it("under load costs the requests it got and no more", function()
    start()
    take(BAD, 2)
    local stop, failed, after = false, 0, 0
    local jobs = {}
    for i = 1, 8 do
      jobs[i] = function()
        while not stop do
          local answer = gateway:chat({ model = "smart", max_tokens = 7 }, { key = "key-of-" .. USERS[i % 4 + 1] })
          if answer.headers["x-policy"] == "mine@1" then
            assert.equal(200, answer.status)
            after = after + 1
          else
            assert.same({ 500, "mine@2" }, { answer.status, answer.headers["x-policy"] })
            failed = failed + 1
          end
          stop = stop or after >= 100
        end
      end
    end
    http.all(jobs)
    assert.is_truthy(failed >= 20)
    assert.equal("mine@1", label())
  end)
end)
