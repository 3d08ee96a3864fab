--- The strategies of the stock policy behind the real doors: who may ask for which, and what is said of who was left out.
local cjson = require "cjson"
local launch = require "support.launch"
local lfs = require "lfs"

local NAMES = "cost_optimized, least_busy, least_latency, lowest_cost, lowest_latency, priority, quality, round_robin, score, sticky, weighted"

local CONFIG = [[return { workers = 1, leaderboard = "board.json",
  providers = { mock = {}, other = { kind = "mock" }, off = { kind = "openai", key = env "NO_SUCH_KEY" } },
  models = {
    trio = { { "mock/dear", price = { 9, 9 }, quality = 0.9, priority = 3 }, { "mock/cheap", price = { 1, 1 }, quality = 0.1, priority = 2 },
             { "other/first", priority = 1, weight = 9 } },
    picture = { { "mock/blind", capabilities = { "tools" } }, { "mock/tiny", context = 8 }, "off/gpt-4o", "mock/able" },
    dying = { { "mock/fault-status-500", priority = 1 }, { "other/healthy", priority = 2 } },
  },
  settings = { cure = { context_length = { "other/large" } } },
}]]
local IMAGE = { { role = "user", content = {
  { type = "text", text = "What is on this picture, who painted it, and when did they?" },
  { type = "image_url", image_url = { url = "data:image/png;base64,AAAA" } },
} } }

describe("strategies", function()
  local gateway

  setup(function()
    gateway = launch.start { config = CONFIG, files = { ["board.json"] = '{ "cheap": 1300, "first": 650 }' } }
  end)
  teardown(function() assert.equal(0, gateway:stop()) end)

  local function served(strategy, fields)
    fields = fields or {}
    fields.model, fields.routing_strategy = fields.model or "trio", strategy
    local answer = gateway:chat(fields)
    assert.equal(200, answer.status, answer.body)
    return answer.headers["x-model"]
  end

  it("are asked for by name", function()
    for strategy, model in pairs { priority = "first", cost_optimized = "cheap", lowest_cost = "cheap", quality = "dear", score = "cheap" } do
      assert.equal(model, served(strategy), strategy)
    end
    for _, strategy in ipairs { "round_robin", "weighted", "lowest_latency", "least_latency", "least_busy", "sticky" } do
      assert.is_truthy(({ dear = true, cheap = true, first = true })[served(strategy)], strategy)
    end
  end)

  it("keep a conversation where it is", function()
    local first = served "sticky"
    for _ = 1, 5 do
      assert.equal(first, served "sticky")
    end
  end)

  it("that nobody knows are the client's mistake, and it is told which there are", function()
    for _, headers in ipairs { {}, { ["X-Routing-Strategy"] = "fastest" } } do
      local answer = gateway:chat({ model = "trio", routing_strategy = next(headers) == nil and "fastest" or nil }, { headers = headers })
      assert.equal(400, answer.status)
      assert.equal("routing_strategy", answer:json().error.param)
      assert.equal("Unknown routing strategy. This gateway knows: " .. NAMES, answer:json().error.message)
    end
  end)

  it("of providers that nobody knows neither", function()
    for _, name in ipairs { "nix", "off" } do
      local answer = gateway:chat { model = "trio", provider = name }
      assert.equal(400, answer.status)
      assert.equal("provider", answer:json().error.param)
      assert.equal("Unknown provider. Providers that are on: mock, other", answer:json().error.message)
    end
  end)

  it("stay with the provider and the one target that were asked for", function()
    assert.equal("first", served("cost_optimized", { provider = "other" }))
    local answer = gateway:chat { model = "dying", routing_strategy = "priority", fallback = false }
    assert.same({ 502, "1" }, { answer.status, answer.headers["x-attempts"] })
    assert.equal("healthy", served("priority", { model = "dying" }))
  end)

  it("who was left out stands in the log line, with the reason", function()
    local answer = gateway:chat { model = "picture", messages = IMAGE }
    assert.equal("able", answer.headers["x-model"])
    local record = gateway:record(answer.id)
    assert.same({ { target = "mock/blind", reason = "vision" }, { target = "mock/tiny", reason = "context" } }, record.left_out)
    assert.equal(1, #record.attempts)
    assert.is_nil(gateway:record(gateway:chat({ model = "trio" }).id).left_out)
  end)
end)

describe("explain", function()
  local function explain(request, policy)
    local _, out = launch.run {
      config = policy and CONFIG:gsub("return {", 'return { policy = "policies/mine.lua",', 1) or CONFIG, policies = { mine = policy },
      files = { ["board.json"] = '{ "cheap": 1300, "first": 650 }', ["request.json"] = cjson.encode(launch.body(request)) },
      arguments = { "explain", "gateway.lua", "request.json" },
    }
    return cjson.decode(out)
  end

  it("shows every candidate that was left out, and why", function()
    local explained = explain { model = "picture", messages = IMAGE }
    assert.same({ { target = "mock/able" } }, explained.plan)
    assert.same({
      { target = "mock/blind", reason = "vision" }, { target = "mock/tiny", reason = "context" }, { target = "off/gpt-4o", reason = "off" },
    }, explained.left_out)
    assert.same({ "mock/blind", "vision" }, { explained.unfit[1].name, explained.unfit[1].reason })
  end)

  it("shows whom the policy did not name, and whom it named in vain", function()
    local explained = explain({ model = "picture", messages = IMAGE }, [[return {
      route = function() return { "mock/blind", { target = "other/elsewhere", retries = 1 } } end }]])
    assert.same({ { target = "mock/blind", skipped = "vision" }, { target = "other/elsewhere", retries = 1 } }, explained.plan)
    assert.same({ target = "mock/able", reason = "not in the plan" }, explained.left_out[4])
    local outside = explain({ model = "trio", messages = IMAGE }, [[return { route = function() return { "mock/blind" } end }]])
    assert.same({ { target = "mock/blind", skipped = "vision" } }, outside.plan)
  end)

  it("shows what a strategy decides by", function()
    local explained = explain { model = "trio", routing_strategy = "score" }
    assert.same({ "mock/cheap", "other/first", "mock/dear" },
      { explained.plan[1].target, explained.plan[2].target, explained.plan[3].target })
    assert.same({ 0.9, 0, 1 }, { explained.targets[1].quality, explained.targets[1].leaderboard, explained.targets[2].leaderboard })
  end)
end)

describe("each file of policies/", function()
  for file in lfs.dir "policies" do
    if file:find "%.lua$" then
      it("can be the config's policy: " .. file, function()
        local status, _, err = launch.run { arguments = { "check", "gateway.lua" },
          config = ('return { providers = { mock = {} }, policy = "policies/%s" }'):format(file) }
        assert.same({ 0, "" }, { status, err })
      end)
    end
  end
end)
