--- Policies that misbehave: each costs its own request a defined answer and nothing else.
local launch = require "support.launch"
local http = require "support.http"

-- One policy file; the model's name says what it does wrong: one that the config does not list where a trial would find it.
local POLICY = [[
local strategy = require "policies.round_robin"
local wrong = {}

function wrong.loop() while true do end end
function wrong.pcall_loop() while true do pcall(function() while true do end end) end end
function wrong.memory() local t = {} for i = 1, 1e9 do t[i] = { i } end end
function wrong.string() local s = "x" for _ = 1, 60 do s = s .. s end end
function wrong.rep() return { ("x"):rep(1 << 40) } end
function wrong.raise() error "on purpose" end
function wrong.raise_nil() error() end
function wrong.raise_table() error({}) end
function wrong.index() local t = nil return t.x end
function wrong.write(request) request.model = "other" end
function wrong.number() return 42 end
function wrong.text() return "mock/good" end
function wrong.flag() return true end
function wrong.empty() return {} end
function wrong.junk() return { false } end
function wrong.step() return { { target = "mock/good", retries = "many" } } end
function wrong.unknown() return { "nowhere/nothing" } end
function wrong.path() return { "../../etc/passwd" } end
function wrong.url() return { "http://169.254.169.254/x" } end
function wrong.cycle() local t = {} t[1] = t return t end

return {
  route = function(request)
    local f = wrong[request.model:match "^mock/bad%-(.*)$"]
    if f then
      return f(request)
    end
    return strategy.route(request)
  end,
  recover = function(request, failure, rest)
    if request.model == "recover-raises" then error "in recover" end
    if request.model == "recover-unknown" then return { "nowhere/nothing" } end
    if request.model == "recover-loops" then while true do end end
    if request.model == "recover-same" then return { "mock/fault-status-500" } end
    return rest
  end,
  settle = function(request)
    if request.model == "settle-raises" then error "in settle" end
    if request.model == "settle-labels" then return { team = "ml" } end
  end,
  admit = function(request)
    if request.model == "admit-refuses" then
      return nil, { status = 402, code = "no_money", message = "Top up first." }
    end
    if request.model == "admit-later" then
      return nil, { status = 429, code = "later", message = "Not now.", retry_after_s = 9 }
    end
    if request.model == "mock/admit-raises" then error "in admit" end
    return {}
  end,
}
]]

-- What each must come to.
local EXPECTED = {
  loop = "policy_timeout", pcall_loop = "policy_timeout", memory = "policy_memory", string = "policy_memory", rep = "policy_memory|policy_error",
  raise = "policy_error", raise_nil = "policy_error", raise_table = "policy_error", index = "policy_error", write = "policy_error",
  number = "policy_bad_plan", text = "policy_bad_plan", flag = "policy_bad_plan", empty = "policy_bad_plan", junk = "policy_bad_plan",
  step = "policy_bad_plan", unknown = "policy_unknown_target", path = "policy_unknown_target", url = "policy_unknown_target",
  cycle = "policy_bad_plan",
}

local function config()
  local lines = {}
  for _, name in ipairs { "settle-raises", "settle-labels", "admit-refuses", "admit-later", "good" } do
    lines[#lines + 1] = ('["%s"] = { "mock/good" },'):format(name)
  end
  for _, name in ipairs { "recover-raises", "recover-unknown", "recover-loops", "recover-same", "recover-rest" } do
    lines[#lines + 1] = ('["%s"] = { "mock/fault-status-500", "mock/good" },'):format(name)
  end
  return ([[return { workers = 1, providers = { mock = {} }, policy = "policies/mine.lua", breaker = { failures = 1000 },
    models = { %s } }]]):format(table.concat(lines, "\n"))
end

describe("a policy that misbehaves", function()
  local gateway

  -- A policy that was stopped often enough is set aside, so each case has a gateway of its own.
  before_each(function()
    gateway = launch.start { config = config(), policies = { mine = POLICY } }
  end)
  after_each(function() assert.equal(0, gateway:stop()) end)

  for what, code in pairs(EXPECTED) do
    it("in route, " .. what .. ": " .. code, function()
      local bad, good = table.unpack(http.all {
        function() return gateway:chat { model = "mock/bad-" .. what } end,
        function() return gateway:chat { model = "good" } end,
      })
      assert.equal(500, bad.status)
      local failure = bad:json().error
      assert.is_truthy(("|" .. code .. "|"):find("|" .. failure.code .. "|", 1, true), failure.code)
      assert.equal("server_error", failure.type)
      assert.is_truthy(#failure.message > 0 and #failure.message <= 500)
      assert.equal(200, good.status)
      assert.equal(200, gateway:chat({ model = "good" }).status)
      local record = gateway:record(bad.id)
      assert.same({ 500, "policy" }, { record.status, record.cause })
    end)
  end

  it("is set aside when it was stopped three times, for a minute or until it changes", function()
    local codes = {}
    for i = 1, 4 do
      codes[i] = gateway:chat({ model = "mock/bad-loop" }):json().error.code
    end
    assert.same({ "policy_timeout", "policy_timeout", "policy_timeout", "policy_disabled" }, codes)
    gateway:edit_policy("mine", POLICY .. "\n-- mended\n")
    assert.is_truthy(http.eventually(function() return gateway:generation() == 2 end))
    assert.equal(200, gateway:chat({ model = "good" }).status)
  end)

  it("is not set aside for raising: that is over at once", function()
    for _ = 1, 5 do
      assert.equal("policy_error", gateway:chat({ model = "mock/bad-raise" }):json().error.code)
    end
    assert.equal(200, gateway:chat({ model = "good" }).status)
  end)

  it("does not hold up others for longer than its budget", function()
    local answers = {}
    local jobs = { function() gateway:chat { model = "mock/bad-loop" } end }
    for i = 1, 10 do
      jobs[#jobs + 1] = function() answers[i] = gateway:chat { model = "good" } end
    end
    http.all(jobs)
    for i = 1, 10 do
      assert.equal(200, answers[i].status)
    end
  end)

  it("in recover: the request ends with a defined answer", function()
    for model, code in pairs { ["recover-raises"] = "policy_error", ["recover-unknown"] = "policy_unknown_target", ["recover-loops"] = "policy_timeout" } do
      local answer = gateway:chat { model = model }
      assert.same({ 500, code }, { answer.status, answer:json().error.code })
    end
  end)

  it("in recover, naming what has failed already: it is not asked again", function()
    local answer = gateway:chat { model = "recover-same" }
    assert.is_truthy(answer.status >= 500)
    assert.equal("1", answer.headers["x-attempts"])
    assert.equal(200, gateway:chat({ model = "recover-rest" }).status)
  end)

  it("in settle: the answer stands", function()
    assert.equal(200, gateway:chat({ model = "settle-raises" }).status)
    local answer = gateway:chat { model = "settle-labels" }
    assert.equal(200, answer.status)
    local record = gateway:record(answer.id)
    assert.equal("ml", record.labels and record.labels.team or record.team)
  end)

  it("in admit; and a refusal says what the policy said", function()
    assert.equal("policy_error", gateway:chat({ model = "mock/admit-raises" }):json().error.code)
    local refused = gateway:chat { model = "admit-refuses" }
    assert.same({ 402, "no_money", "Top up first." }, { refused.status, refused:json().error.code, refused:json().error.message })
    local later = gateway:chat { model = "admit-later" }
    assert.same({ 429, "later", "9" }, { later.status, later:json().error.code, later.headers["retry-after"] })
  end)
end)
