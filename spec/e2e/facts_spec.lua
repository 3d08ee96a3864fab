--- What a policy reads of a request, in the program itself: every fact, read-only, and gone when the request is.
local launch = require "support.launch"

-- The body's `user` names what to look at; the answer comes back as a refusal's message.
local POLICY = [[
local look = {}
local kept

local function join(list)
  local names = {}
  for i, item in ipairs(list) do names[i] = item.name end
  return table.concat(names, " ")
end

local function try(f, ...)
  local ok, message = pcall(f, ...)
  return ok and "no error" or tostring(message)
end

function look.id(r) return r.id end
function look.plain(r) return table.concat({ r.model, r.dialect, r.route, tostring(r.stream), r.strategy, r.preference }, " ") end
function look.flags(r) return table.concat({ tostring(r.fallback), tostring(r.replayable) }, " ") end
function look.numbers(r) return table.concat({ tostring(r.max_tokens), tostring(r.temperature) }, " ") end
function look.user(r)
  local u = r.user
  return table.concat({ u.id, u.tier, u.name, tostring(u.metadata.team), tostring(u.metadata.list and u.metadata.list[2]) }, " ")
end
function look.client(r) local c = r.client return table.concat({ c.user, tostring(c.metadata.trace), c.address, tostring(c.headers["user-agent"]) }, " ") end
function look.secrets(r) local h = r.client.headers return tostring(h.authorization) .. tostring(h["x-api-key"]) .. tostring(h.cookie) end
function look.estimate(r) return r.estimate.input_tokens .. " " .. r.estimate.output_tokens .. " " .. r.needs.context end
function look.needs(r) local n = r.needs return table.concat({ tostring(n.tools), tostring(n.vision), tostring(n.json_schema), tostring(n.reasoning) }, " ") end
function look.affinity(r) return r.affinity end
function look.turn(r) return tostring(r.turn) end
function look.time(r) return tostring(r.now) end
function look.random(r) return tostring(r.random >= 0 and r.random < 1) end
function look.targets(r) return join(r.targets) .. " of " .. #r.targets end
function look.unfit(r) local t = r.unfit[1] return #r.unfit .. " " .. tostring(t and t.name .. " " .. t.reason .. " " .. t.context) end
function look.target(r)
  local t = r.targets[1]
  return table.concat({ t.name, t.provider, t.model, t.weight, t.priority, t.quality, t.leaderboard, t.context, t.max_output, t.max_temperature,
    t.price.input, t.price.output, tostring(t.price.cache_read), ("%.6f"):format(t.cost_usd), tostring(t.capabilities.vision),
    t.in_flight, t.success_rate, t.breaker, t.cooldown_s }, " ")
end
function look.latency(r) local l = r.targets[1].latency return tostring(l.samples > 0 and l.p50_ms > 0 and r.targets[1].expected_ms > 0) end
function look.unpriced(r) return tostring(r.targets[2].price) .. tostring(r.targets[2].cost_usd) end
function look.body(r) local b = r.body() return table.concat({ b.messages[1].content, tostring(b.absent), tostring(b.seed), #b.stop }, " ") end
function look.same_body(r) return tostring(r.body() == r.body()) end
function look.write(r) return try(function() r.model = "x" end) end
function look.write_target(r) return try(function() r.targets[1].weight = 9 end) end
function look.write_list(r) return try(function() r.targets[1] = nil end) end
function look.write_user(r) return try(function() r.user.tier = "pro" end) end
function look.write_body(r) return try(function() r.body().messages[1].content = "x" end) end
function look.unknown(r) return try(function() return r.modle end) end
function look.unknown_target(r) return try(function() return r.targets[1].weigth end) end
function look.unknown_user(r) return try(function() return r.user.teir end) end
function look.metatable(r) return try(function() return setmetatable({}, r) end) .. try(setmetatable, r.targets[1], {}) end
function look.sort(r) return try(table.sort, r.targets) end
function look.pairs(r)
  local names = {}
  for name in pairs(r) do names[#names + 1] = name end
  table.sort(names)
  return table.concat(names, " ")
end
function look.pairs_target(r)
  local names = {}
  for name in pairs(r.targets[1]) do names[#names + 1] = name ~= "expected_ms" and name or nil end -- there once it was measured
  table.sort(names)
  return table.concat(names, " ")
end
function look.pairs_unfit(r)
  local facts = {}
  for name, fact in pairs(r.unfit[1]) do facts[#facts + 1] = name == "reason" and "reason=" .. fact or name ~= "expected_ms" and name or nil end
  table.sort(facts)
  return table.concat(facts, " ")
end
function look.pairs_list(r)
  local count = 0
  for i, target in pairs(r.targets) do count = count + i * #target.name end
  return tostring(count)
end
function look.next(r) local f = pairs(r) return try(f, {}, nil) end
function look.keep(r) kept = r return "kept" end
function look.kept() return try(function() return kept.model end) end
function look.keep_deep(r) kept = { r.user, r.client.headers, r.body } return "kept" end
function look.kept_deep()
  return try(function() return kept[1].id end) .. "|" .. try(function() return kept[2].origin end) .. "|" .. try(kept[3])
end

return {
  admit = function(request)
    local what = look[request.client.user]
    if what then
      return nil, { status = 400, code = "look", message = what(request) }
    end
    return {}
  end,
  route = function(request)
    if request.client.user == "names" then return { "off/x", "mock/second", { target = request.targets[1], retries = 1 } } end
    if request.client.user == "only-off" then return { "off/x" } end
    if request.client.user == "ad-hoc" then return { "mock/elsewhere" } end
    if request.client.user == "both" then return { request.unfit[1], request.targets[1] } end
    return request.targets
  end,
  recover = function(request, failure, rest)
    if request.client.user == "failure" then
      return nil, failure
    end
    for _, name in ipairs { "target", "attempt", "elapsed_ms", "status", "message", "kind", "phase", "sent" } do
      if failure[name] == nil then error("no " .. name) end
    end
    if failure.kind ~= "unavailable" or failure.status ~= 500 or #rest ~= 1 or rest[1].name ~= "mock/second" then error "odd" end
    return rest
  end,
  settle = function(request, outcome)
    return { model = request.model, cause = outcome.cause, status = outcome.status, target = outcome.target or "none", attempts = outcome.attempts,
      tokens = outcome.usage.output_tokens or 0, took = outcome.duration_ms > 0, cached = outcome.cached }
  end,
}
]]

local CONFIG = [[return { workers = 1, policy = "policies/mine.lua",
  providers = { mock = {}, off = { kind = "openai", key = env "NO_SUCH_KEY" } },
  models = {
    pair = { { "mock/first", weight = 3, priority = 2, quality = 0.5, leaderboard = 7, context = 1000, max_output = 99, price = { 1, 2.5 } }, "mock/second" },
    blind = { { "mock/blind", capabilities = { "tools" }, context = 8 }, "mock/sees" },
    hopeless = { { "mock/blind2", capabilities = {} } },
    failing = { "mock/fault-status-500", "mock/second" },
  },
  keys = { { key = "key-of-alice", user = "alice", tier = "pro", name = "Alice", metadata = { team = "ml", list = { 1, 2 } } },
           { key = "key-of-bob-0", user = "bob" } },
}]]

describe("the facts of a request", function()
  local gateway

  setup(function()
    gateway = launch.start { config = CONFIG, policies = { mine = POLICY }, key = "key-of-alice" }
  end)
  teardown(function() assert.equal(0, gateway:stop()) end)

  local function look(what, fields, request)
    fields = fields or {}
    fields.user, fields.model = what, fields.model or "pair"
    local answer = gateway:chat(fields, request)
    local failure = answer:json().error
    assert.equal("look", failure and failure.code)
    return failure.message
  end

  it("of the request itself", function()
    assert.matches("^%x+$", look "id")
    assert.equal("pair openai /v1/chat/completions false round_robin ", look "plain")
    assert.equal("pair openai /v1/chat/completions true round_robin mock", look("plain", { stream = true, provider = "mock" }))
    assert.equal("true true", look "flags")
    assert.equal("false false", look("flags", { fallback = false, store = true }))
    assert.equal("nil nil", look "numbers")
    assert.equal("7 0.25", look("numbers", { max_tokens = 7, temperature = 0.25 }))
    assert.equal("true", look "random")
    assert.is_truthy(math.abs(tonumber(look "time") - os.time()) < 60)
    assert.equal(1, tonumber(look "turn") - tonumber(look "turn") + 2)
  end)

  it("of who asks: what we know, and what they claim", function()
    assert.equal("alice pro Alice ml 2", look "user")
    assert.equal("bob default bob nil nil", look("user", nil, { key = "key-of-bob-0" }))
    assert.equal("client t-1 127.0.0.1 specs", look("client", { metadata = { trace = "t-1" } }, { headers = { ["User-Agent"] = "specs" } }))
    assert.equal("nilnilnil", look("secrets", nil, { headers = { Cookie = "a=b", ["X-Api-Key"] = "key-of-alice" } }))
  end)

  it("of what it needs and may cost", function()
    assert.equal("false false false false", look "needs")
    assert.equal("true false false false", look("needs", { tools = { { type = "function", ["function"] = { name = "f" } } } }))
    local input, output, context = look("estimate", { max_tokens = 50 }):match "(%d+) (%d+) (%d+)"
    assert.same({ "50", tonumber(input) + 50 }, { output, tonumber(context) })
  end)

  it("of the conversation: one affinity for all its turns, another for another caller", function()
    local first = { { role = "user", content = "one" } }
    local second = { { role = "user", content = "one" }, { role = "assistant", content = "two" }, { role = "user", content = "three" } }
    local affinity = look("affinity", { messages = first })
    assert.matches("^%x+$", affinity)
    assert.equal(affinity, look("affinity", { messages = second }))
    assert.are_not.equal(affinity, look("affinity", { messages = { { role = "user", content = "other" } } }))
    assert.are_not.equal(affinity, look("affinity", { messages = first }, { key = "key-of-bob-0" }))
  end)

  it("of targets: what stands, what changes, what is worked out for this request", function()
    assert.equal("mock/first mock/second of 2", look "targets")
    assert.matches("^mock/first mock first 3 2 0.5 7 1000 99 2 1.0 2.5 nil 0.0%d+ true 0 1.0 closed 0.0$", look "target")
    assert.equal("nilnil", look "unpriced")
    for _ = 1, 2 do
      assert.equal(200, gateway:stream({ model = "pair" }).status)
    end
    assert.equal("true", look "latency")
  end)

  it("of targets that are unfit, with the reason", function()
    local image = { { role = "user", content = { { type = "image_url", image_url = { url = "data:image/png;base64,AAAA" } } } } }
    assert.equal("0 nil", look "unfit")
    assert.equal("1 mock/blind vision 8", look("unfit", { model = "blind", messages = image }))
    assert.equal("breaker capabilities context cooldown_s in_flight latency leaderboard max_output max_temperature model name priority provider " ..
      "quality reason=vision success_rate weight", look("pairs_unfit", { model = "blind", messages = image }))
    assert.equal("mock/sees of 1", look("targets", { model = "blind", messages = image }))
    local refused = gateway:chat { model = "hopeless", messages = image }
    assert.equal(400, refused.status)
    assert.matches("mock/blind2 %(vision%)", refused:json().error.message)
  end)

  it("the body, decoded once", function()
    assert.equal("Hello there nil 7 2", look("body", { seed = 7, stop = { "a", "b" } }))
    assert.equal("true", look "same_body")
  end)

  it("cannot be set, and do not exist under another name", function()
    assert.matches("the facts of request are read%-only %('model'%)", look "write")
    assert.matches("a target is read%-only %('weight'%)", look "write_target")
    assert.matches("request.targets is read%-only", look "write_list")
    assert.matches("request.user are read%-only", look "write_user")
    assert.matches("read%-only", look "write_body")
    assert.matches("request has no fact 'modle'", look "unknown")
    assert.matches("a target has no fact 'weigth'", look "unknown_target")
    assert.matches("request.user has no fact 'teir'", look "unknown_user")
    assert.is_nil(look("metatable"):find("no error", 1, true))
    assert.is_nil(look("sort"):find("no error", 1, true))
    assert.is_nil(look("next"):find("no error", 1, true))
  end)

  it("can be listed", function()
    assert.equal("affinity body client dialect estimate fallback id model needs now preference random replayable route strategy stream targets " ..
      "turn unfit user waited_ms", look "pairs")
    assert.equal("breaker capabilities context cooldown_s cost_usd in_flight latency leaderboard max_output max_temperature model name " ..
      "price priority provider quality success_rate weight", look "pairs_target")
    assert.equal(tostring(#"mock/first" + 2 * #"mock/second"), look "pairs_list")
  end)

  it("are gone when the request is over", function()
    assert.equal("kept", look "keep")
    assert.matches("the request is over", look "kept")
    assert.equal("kept", look "keep_deep")
    local message = look "kept_deep"
    local _, count = message:gsub("the request is over", "")
    assert.equal(3, count, message)
  end)
end)

describe("a plan", function()
  local gateway

  setup(function()
    gateway = launch.start { config = CONFIG, policies = { mine = POLICY }, key = "key-of-alice" }
  end)
  teardown(function() assert.equal(0, gateway:stop()) end)

  it("may name targets; what is off is skipped", function()
    local answer = gateway:chat { model = "pair", user = "names" }
    assert.same({ 200, "second" }, { answer.status, answer.headers["x-model"] })
    answer = gateway:chat { model = "pair", user = "only-off" }
    assert.same({ 503, "no_fit_target" }, { answer.status, answer:json().error.code })
    assert.equal("elsewhere", gateway:chat({ model = "pair", user = "ad-hoc" }).headers["x-model"])
  end)

  it("leaves out what is unfit for this request", function()
    local image = { { role = "user", content = { { type = "image_url", image_url = { url = "data:image/png;base64,AAAA" } } } } }
    local answer = gateway:chat { model = "blind", messages = image, user = "both" }
    assert.same({ 200, "sees" }, { answer.status, answer.headers["x-model"] }, answer.body)
  end)

  it("goes on with what recover returns, who sees the failure whole", function()
    local answer = gateway:chat { model = "failing" }
    assert.same({ 200, "second", "2" }, { answer.status, answer.headers["x-model"], answer.headers["x-attempts"] })
  end)

  it("settle's labels are in the log line, under a name of their own", function()
    local answer = gateway:chat { model = "failing" }
    local record = gateway:record(answer.id)
    assert.same({ model = "failing", cause = "ok", status = 200, target = "mock/second", attempts = 2, tokens = record.tokens.output, took = true,
      cached = false }, record.labels)
  end)

  it("an unknown routing_strategy is the client's mistake", function()
    -- this policy exports none, so there is no name to ask for
    local answer = gateway:chat { model = "pair", routing_strategy = "whatever" }
    assert.equal(400, answer.status)
    assert.equal("routing_strategy", answer:json().error.param)
  end)
end)
