--- How a plan is walked: every (state x fault) with its one outcome, then the rules one by one.
-- walk_random_spec.lua lets long random walks run against a second, slower walk written from the header alone.
local walk = require("gateway.runtime").walk

-- One word per action, so that an outcome reads as a line.
local function in_words(action)
  local words = { action.kind }
  if action.attempt then
    words[#words + 1] = tostring(action.attempt)
  end
  if action.kind == "start" then
    words[#words + 1] = "-> " .. action.target .. (action.fresh and " fresh" or "")
  end
  local failure = action.failure
  if failure then
    words[#words + 1] = table.concat({ failure.kind, failure.phase or "-", failure.sent, failure.deadline or "-" }, " ")
  end
  return table.concat(words, " ")
end

local stock = {
  attempts = 3, stream = true, replay_uncertain = true, hedge = true,
  connect = 2, tls = 5, headers = 30, first_token = 60, idle = 20, total = 600,
  backoff_base = 0, backoff_max = 0, retry_after_max = 10, seed = 7,
}

-- A walk under a held clock. Every call returns what it caused, wakes apart.
local function begin(changes, plan)
  local limits = {}
  for name, value in pairs(stock) do
    limits[name] = value
  end
  for name, value in pairs(changes or {}) do
    limits[name] = value
  end
  local run = { now = 100, walk = walk.new(limits, 100) }
  function run:drain()
    local seen = {}
    for action in function() return self.walk:next() end do
      if action.kind == "wake" then
        assert.is_true(self.wake == nil or action.at < self.wake, "a wake must come nearer or be the only one")
        self.wake = action.at
      else
        seen[#seen + 1] = in_words(action)
        self.last = action
      end
    end
    return seen
  end
  function run:plan(steps)
    self.walk:plan(steps, self.now)
    return self:drain()
  end
  function run:event(kind, attempt, failure)
    if kind == "time" then
      self.wake = nil -- it has come
    end
    self.walk:event(kind, attempt, self.now, failure)
    return self:drain()
  end
  function run:at(now) -- time passes; the wakes asked for are given
    local seen = {}
    while self.wake and self.wake <= now do
      self.now = self.wake
      table.move(self:event("time"), 1, 9, #seen + 1, seen)
    end
    self.now = now
    return seen
  end
  if plan then
    run.started = run:plan(plan)
  end
  return run
end

local ways = { connected = 1, ready = 2, sent = 3, headers = 4, content = 5 }
local order = { "connected", "ready", "sent", "headers", "content" }
local function advance(run, attempt, state)
  for i = 1, ways[state] or 0 do
    run:event(order[i], attempt)
  end
  return run
end

local function failure(kind, changes)
  local made = { kind = kind, sent = "refused", phase = "headers", message = kind }
  for name, value in pairs(changes or {}) do
    made[name] = value
  end
  return made
end

describe("a state and a fault", function()
  -- state reached -> fault -> everything that follows. Two targets, no retries; streamed unless the state says body.
  local refused = failure("unavailable")
  local cases = {
    { "start", "deadline", 102, "cancel 1", "ask 1 timeout connect not_sent connect" },
    { "connected", "deadline", 105, "cancel 1", "ask 1 timeout tls not_sent tls" },
    { "ready", "deadline", 130, "cancel 1", "ask 1 timeout send not_sent headers" },
    { "sent", "deadline", 130, "cancel 1", "ask 1 timeout headers uncertain headers" },
    { "headers", "deadline", 160, "cancel 1", "ask 1 timeout first_token uncertain first_token" },
    { "content", "deadline", 120, "cancel 1", "fail 1 timeout stream content_started idle" },
    { "body", "deadline", 120, "cancel 1", "ask 1 timeout body uncertain idle" },
    { "start", "failed", refused, "ask 1 unavailable headers refused -" },
    { "connected", "failed", failure("unavailable", { sent = "not_sent", phase = "tls" }),
      "ask 1 unavailable tls not_sent -" },
    { "ready", "failed", failure("rate_limited"), "ask 1 rate_limited headers refused -" },
    { "sent", "failed", failure("unavailable", { sent = "uncertain" }), "ask 1 unavailable headers uncertain -" },
    { "headers", "failed", failure("overloaded"), "ask 1 overloaded headers refused -" },
    { "content", "failed", failure("unavailable", { sent = "uncertain", phase = "stream" }),
      "fail 1 unavailable stream content_started -" },
    { "body", "failed", failure("unavailable", { sent = "content_started", phase = "body" }),
      "ask 1 unavailable body content_started -" },
    { "sent", "failed", failure("auth", { status = 401 }), "ask 1 auth headers refused -" },
    { "sent", "failed", failure("invalid_request", { status = 400 }), "ask 1 invalid_request headers refused -" },
    { "content", "done", nil, "answer 1" },
    { "headers", "done", nil, "commit 1", "answer 1" },
    { "body", "done", nil, "answer 1" },
    { "headers", "content", nil, "commit 1" },
    { "sent", "headers", nil },
    { "sent", "content", nil, "commit 1" },
    { "headers", "sent", nil },
    { "body", "content", nil },
    { "headers", "chunk", nil },
    { "content", "chunk", nil },
  }
  for _, state in ipairs { "start", "connected", "ready", "sent", "headers", "content", "body" } do
    local reads_on = state == "content" or state == "body"
    cases[#cases + 1] = { state, "gone", nil, not reads_on and "cancel 1" or nil, not reads_on and "over" or nil }
    cases[#cases + 1] = { state, "stop", nil, "cancel 1", "over" }
    cases[#cases + 1] = { state, "time", nil }
  end
  for _, case in ipairs(cases) do
    local state, fault, detail = case[1], case[2], case[3]
    local title = ("%s + %s %s"):format(state, fault, type(detail) == "table" and detail.kind or tostring(detail or ""))
    it(title, function()
      local run = begin({ stream = state ~= "body" }, { 1, 2 })
      assert.same({ "start 1 -> 1" }, run.started)
      advance(run, 1, state == "body" and "headers" or state)
      local seen
      if fault == "deadline" then
        assert.same({}, run:at(detail - 0.001))
        seen = run:at(detail)
      else
        seen = run:event(fault, 1, detail)
      end
      assert.same({ table.unpack(case, 4) }, seen)
    end)
  end

  it("names the deadline in the message", function()
    local run = begin({}, { 1 })
    run:at(102)
    assert.equal("deadline connect passed", run.last.failure.message)
  end)

  it("lets a report that came first win over a deadline that passed meanwhile", function()
    local run = begin({}, { 1 })
    run.now = 103
    assert.same({}, run:event("ready", 1))
    assert.same({}, run:at(132.9))
    assert.same({ "cancel 1", "ask 1 timeout send not_sent headers" }, run:at(133))
  end)

  it("does without deadlines that are 0", function()
    local run = begin({ connect = 0, tls = 0, headers = 0, first_token = 0, idle = 0, total = 0 }, { 1 })
    assert.is_nil(run.wake)
    advance(run, 1, "content")
    assert.is_nil(run.wake)
  end)
end)

describe("deadlines", function()
  it("take the step's own first_token before that of the limits", function()
    local run = begin({}, { { target = 1, first_token = 8 } })
    advance(run, 1, "headers")
    assert.same({ "cancel 1", "ask 1 timeout first_token uncertain first_token" }, run:at(108))
  end)

  it("bound an attempt by the step's timeout, which has no name among the six", function()
    local run = begin({ stream = false }, { { target = 1, timeout = 10 } })
    advance(run, 1, "headers")
    assert.same({ "cancel 1", "ask 1 timeout body uncertain -" }, run:at(110))
    assert.equal("timeout of the step passed", run.last.failure.message)
  end)

  it("end a committed stream at the total deadline, however lively it is", function()
    local run = begin({ total = 50 }, { 1 })
    advance(run, 1, "content")
    for now = 105, 145, 5 do
      run:at(now)
      assert.same({}, run:event("chunk", 1))
    end
    assert.same({ "cancel 1", "fail 1 timeout stream content_started total" }, run:at(150))
    assert.is_true(run.walk:exhausted())
  end)

  it("let a silent stream live exactly as long as idle after its last bytes", function()
    local run = begin({}, { 1 })
    advance(run, 1, "content")
    run:at(119)
    run:event("chunk", 1)
    assert.same({}, run:at(138.999))
    assert.same({ "cancel 1", "fail 1 timeout stream content_started idle" }, run:at(139))
  end)

  it("let a body that is not streamed live exactly as long as idle after its head and after its last bytes", function()
    local run = begin({ stream = false }, { 1 })
    advance(run, 1, "headers")
    run:at(119)
    run:event("chunk", 1)
    run:at(138)
    run:event("chunk", 1)
    assert.same({}, run:at(157.999))
    assert.same({ "cancel 1", "ask 1 timeout body uncertain idle" }, run:at(158))
  end)

  it("give a refusal a second for its words, or what is left to another deadline", function()
    for limits, due in pairs {
      [{}] = 102, [{ stream = false }] = 102, [{ headers = 2 }] = 102, [{ first_token = 1.5 }] = 101.5, [{ total = 1.25 }] = 101.25, [{ idle = 0 }] = 102,
    } do
      local run = begin(limits, { { target = 1 }, 2 })
      advance(run, 1, "sent")
      run:at(101)
      assert.same({}, run:event("refused", 1))
      assert.is_false(run.walk:due(1, due - 0.001))
      assert.is_true(run.walk:due(1, due))
      assert.same({}, run:at(due - 0.001))
      assert.equal(due, run.wake) -- the caller is awake then, and reports:
      run.now = due
      local throttled = failure("rate_limited", { status = 429, retry_after_s = 7 })
      local seen = run:event("failed", 1, throttled)
      assert.same({ (limits.total and "fail" or "ask") .. " 1 rate_limited headers refused -" }, seen)
      assert.equal(7, run.last.failure.retry_after_s)
      assert.is_false(run.walk:due(1, due))
    end
  end)

  it("ask for no wake per chunk", function()
    local run = begin({}, { 1 })
    advance(run, 1, "content")
    local wake = run.wake
    for now = 101, 110 do
      run.now = now
      run.walk:event("chunk", 1, now)
      assert.is_nil(run.walk:next())
    end
    assert.equal(wake, run.wake)
  end)

  it("give the wake again when the time came early", function()
    local run = begin({}, { 1 })
    assert.equal(102, run.wake)
    run.now = 101.999
    assert.same({}, run:event("time"))
    assert.equal(102, run.wake)
  end)

  it("leave nothing to ask for when a failure comes with the total deadline", function()
    local run = begin({ total = 5 }, { { target = 1, retries = 1 }, 2 })
    run.now = 105
    assert.same({ "fail 1 unavailable headers refused -" }, run:event("failed", 1, failure("unavailable")))
    assert.is_true(run.walk:exhausted())
  end)

  it("ask for no wake once the walk is over", function()
    local run = begin({ connect = 0, first_token = 0, total = 0 }, { 1, { target = 2 } })
    run:event("failed", 1, failure("unavailable"))
    assert.is_nil(run.wake)
    run.walk:plan({ { target = 2, timeout = 9 } }, run.now)
    run.walk:event("done", 2, run.now)
    assert.same({ "start 2 -> 2", "commit 2", "answer 2" }, run:drain())
    assert.is_nil(run.wake)
  end)

  it("refuse a plan that comes after the total deadline", function()
    local run = begin({ total = 5 }, { 1, 2 })
    run:event("failed", 1, failure("unavailable"))
    run.now = 105
    assert.same({ "fail 1 timeout - not_sent total" }, run:plan { 2 })
  end)
end)

describe("a ping", function()
  it("is due whenever a committed client was sent nothing for so long, and keeps no silent provider", function()
    local run = begin({ ping = 15, idle = 40 }, { 1 })
    advance(run, 1, "content")
    assert.same({}, run:at(114.999))
    assert.same({ "ping" }, run:at(115))
    assert.same({}, run:at(129.999))
    assert.same({ "ping" }, run:at(130))
    assert.same({ "cancel 1", "fail 1 timeout stream content_started idle" }, run:at(140))
    assert.same({}, run:at(160))
  end)

  it("is not due before the commit, nor of what is not streamed", function()
    for _, stream in ipairs { true, false } do
      local run = begin({ ping = 15, stream = stream, idle = 0 }, { 1 })
      advance(run, 1, "headers")
      assert.same({}, run:at(159.999))
    end
    local run = begin({ ping = 15, stream = false, idle = 0 }, { 1 })
    advance(run, 1, "content")
    assert.same({}, run:at(159.999))
  end)

  it("is put off by what went on to the client, not by what came from the provider", function()
    local run = begin({ ping = 15, idle = 30 }, { 1 })
    advance(run, 1, "content")
    run:at(110)
    run:event("chunk", 1, true)
    assert.same({}, run:at(124.999))
    assert.same({ "ping" }, run:at(125))
    run:at(139)
    run:event("chunk", 1, false)
    assert.same({ "ping" }, run:at(140))
  end)

  it("asks for no wake per chunk", function()
    local run = begin({ ping = 15 }, { 1 })
    advance(run, 1, "content")
    local wake = run.wake
    for now = 101, 110 do
      run.now = now
      run.walk:event("chunk", 1, now, true)
      assert.is_nil(run.walk:next())
    end
    assert.equal(wake, run.wake)
  end)

  it("is one, however late its time was looked at", function()
    local run = begin({ ping = 5 }, { 1 })
    advance(run, 1, "content")
    run.now = 118
    assert.same({ "ping" }, run:event("time"))
    assert.same({ "cancel 1", "fail 1 timeout stream content_started idle" }, run:at(120))
  end)

  it("gives way to a deadline of the same moment", function()
    for deadline, limits in pairs { idle = { ping = 20 }, total = { ping = 20, total = 20, idle = 0 } } do
      local run = begin(limits, { 1 })
      advance(run, 1, "content")
      assert.same({ "cancel 1", "fail 1 timeout stream content_started " .. deadline }, run:at(120))
    end
  end)

  it("comes for as long as the silence lasts", function()
    local run = begin({ ping = 1, idle = 0, total = 0 }, { 1 })
    advance(run, 1, "content")
    for now = 101, 400 do
      assert.same({ "ping" }, run:at(now))
    end
    assert.same({ "answer 1" }, run:event("done", 1))
  end)
end)

describe("a client that left", function()
  local function leave(limits, state)
    local run = begin(limits, { 1, 2 })
    advance(run, 1, state or "content")
    run:at(110)
    assert.same({}, run:event("gone", 1))
    return run
  end

  it("is read on for two seconds at most, whatever comes", function()
    for _, run in ipairs { leave {}, leave({ stream = false }, "headers"), leave { ping = 1 } } do
      assert.is_true(run.wake <= 112)
      run:at(111)
      run:event("chunk", 1)
      run:at(111.9)
      run:event("chunk", 1, true)
      assert.same({}, run:event("gone"))
      assert.same({}, run:at(111.999))
      assert.same({ "cancel 1", "over 1" }, run:at(112))
    end
  end)

  it("is over as soon as its answer ends, well or badly, and nothing is tried again", function()
    for _, limits in ipairs { {}, { stream = false } } do
      local state = limits.stream == nil and "content" or "headers"
      assert.same({ "over 1" }, leave(limits, state):event("done", 1))
      assert.same({ "over 1" }, leave(limits, state):event("failed", 1, failure("unavailable")))
      assert.same({ "cancel 1", "over 1" }, leave(limits, state):event("stop"))
    end
  end)

  it("gets no more time by leaving than it had", function()
    assert.same({ "cancel 1", "over 1" }, leave({ total = 11 }):at(111))
    assert.same({ "cancel 1", "over 1" }, leave({ idle = 11 }):at(111))
  end)

  it("leaves nothing running beside what is read on", function()
    local run = begin({ stream = false }, { { target = 1, hedge_after = 1 }, 2 })
    advance(run, 1, "sent")
    assert.same({ "start 2 -> 2" }, run:at(101))
    run:event("headers", 2)
    assert.same({ "cancel 1" }, run:event("gone"))
    assert.same({ "over 2" }, run:event("done", 2))
    run = begin({ stream = false }, { { target = 1, hedge_after = 5 }, 2 })
    advance(run, 1, "headers")
    run:at(104)
    run:event("gone")
    assert.same({}, run:at(105.5)) -- no hedge for a client that left
    run = begin({ stream = false }, { 1, 2 })
    run:event("refused", 1)
    assert.same({ "cancel 1", "over" }, run:event("gone")) -- a refusal costs nothing
  end)
end)

describe("retries", function()
  it("repeat the same target as often as the step says, then ask", function()
    local run = begin({ attempts = 8 }, { { target = 4, retries = 2 }, 5 })
    assert.same({ "start 2 -> 4" }, run:event("failed", 1, failure("overloaded")))
    assert.same({ "start 3 -> 4" }, run:event("failed", 2, failure("overloaded")))
    assert.same({ "ask 3 overloaded headers refused -" }, run:event("failed", 3, failure("overloaded")))
    assert.same({ { target = 5, retries = 0, first_token = 0, timeout = 0, hedge_after = 0 } }, run.walk:rest())
  end)

  it("wait with full jitter, never longer than base * 2^n and the maximum", function()
    local bounds, seen = { 0.1, 0.2, 0.4, 0.4 }, {}
    for seed = 1, 50 do
      local limits = { attempts = 8, seed = seed, backoff_base = 0.1, backoff_max = 0.4 }
      local run = begin(limits, { { target = 1, retries = 4 } })
      for n = 1, 4 do
        local failed_at = run.now
        run:event("failed", n, failure("unavailable"))
        local wait = run.wake - failed_at
        assert.is_true(wait >= 0 and wait <= bounds[n] + 1e-6)
        seen[n] = math.max(seen[n] or 0, wait)
        assert.same({ ("start %d -> 1"):format(n + 1) }, run:at(run.wake))
      end
    end
    for n = 1, 4 do
      assert.is_true(seen[n] > bounds[n] / 2, "the whole range is used")
    end
  end)

  it("wait at least as long as the target asked for", function()
    local run = begin({}, { { target = 1, retries = 1 } })
    assert.same({}, run:event("failed", 1, failure("rate_limited", { retry_after_s = 7 })))
    assert.same({}, run:at(106.999))
    assert.same({ "start 2 -> 1" }, run:at(107))
  end)

  it("do not wait for a hint that is too long", function()
    local run = begin({}, { { target = 1, retries = 1 } })
    assert.same({ "ask 1 rate_limited headers refused -" },
      run:event("failed", 1, failure("rate_limited", { retry_after_s = 10.5 })))
  end)

  it("fit before the total deadline with time to spare, or are not made", function()
    local throttled = failure("rate_limited", { retry_after_s = 6 })
    assert.same({ "ask 1 rate_limited headers refused -" },
      begin({ total = 6 }, { { target = 1, retries = 1 } }):event("failed", 1, throttled))
    assert.same({}, begin({ total = 6.001 }, { { target = 1, retries = 1 } }):event("failed", 1, throttled))
  end)

  it("are not for failures that would only come again", function()
    local kinds = { "auth", "quota", "invalid_request", "model_not_found", "context_length", "content_filter" }
    for _, kind in ipairs(kinds) do
      local run = begin({}, { { target = 1, retries = 1 } })
      assert.same({ ("ask 1 %s headers refused -"):format(kind) }, run:event("failed", 1, failure(kind)))
    end
  end)

  it("leave when the client leaves during the wait", function()
    local run = begin({ backoff_base = 1, backoff_max = 1 }, { { target = 1, retries = 1 } })
    run:event("failed", 1, failure("unavailable"))
    assert.same({ "over" }, run:event("gone"))
    assert.same({}, run:at(110))
  end)
end)

describe("the budget", function()
  it("spans retries and fallbacks: five failing targets, budget three, three attempts", function()
    local run = begin({ attempts = 3 }, { 1, 2, 3, 4, 5 })
    run:event("failed", 1, failure("unavailable"))
    assert.same({ "start 2 -> 2" }, run:plan(run.walk:rest()))
    run:event("failed", 2, failure("unavailable"))
    assert.is_false(run.walk:exhausted())
    assert.same({ "start 3 -> 3" }, run:plan(run.walk:rest()))
    assert.same({ "fail 3 overloaded headers refused -" }, run:event("failed", 3, failure("overloaded")))
    assert.is_true(run.walk:exhausted())
    assert.is_true(run.walk:over())
  end)

  it("is at least one and at most what a walk can hold", function()
    local run = begin({ attempts = 0 }, { 1, 2 })
    assert.same({ "fail 1 unavailable headers refused -" }, run:event("failed", 1, failure("unavailable")))
    run = begin({ attempts = 1000 }, { { target = 1, retries = 1000 } })
    for n = 1, walk.ATTEMPTS_MAX - 1 do
      assert.same({ ("start %d -> 1"):format(n + 1) }, run:event("failed", n, failure("unavailable")))
    end
    assert.same({ ("fail %d unavailable headers refused -"):format(walk.ATTEMPTS_MAX) },
      run:event("failed", walk.ATTEMPTS_MAX, failure("unavailable")))
  end)
end)

describe("recover's plan", function()
  it("never reaches a dead target again, and may bring a cure", function()
    local run = begin({ attempts = 5 }, { 1, 2, 1 })
    run:event("failed", 1, failure("context_length"))
    assert.equal(2, run.walk:rest()[1].target)
    assert.equal(1, #run.walk:rest())
    assert.same({ "start 2 -> 9" }, run:plan { 1, 9, 1 })
    run:event("failed", 2, failure("unavailable"))
    assert.same({ "fail 2 unavailable headers refused -" }, run:plan { 1, 9, 1 })
  end)

  it("may be missing: the failure is the answer", function()
    local run = begin({}, { 1, 2 })
    run:event("failed", 1, failure("invalid_request", { message = "max_tokens: too big", status = 400 }))
    run.walk:give_up(run.now)
    assert.same({ "fail 1 invalid_request headers refused -" }, run:drain())
    assert.equal("max_tokens: too big", run.last.failure.message)
    assert.is_false(run.walk:exhausted())
  end)

  it("is not taken unasked", function()
    local run = begin({}, { 1 })
    assert.same({}, run:plan { 2 })
    run.walk:give_up(run.now)
    assert.same({}, run:drain())
  end)

  it("that is empty from the first is the policy's mistake", function()
    assert.same({ "fail policy_bad_plan - not_sent -" }, begin({}, {}).started)
  end)
end)

describe("an uncertain attempt", function()
  local uncertain = failure("timeout", { sent = "uncertain" })

  it("is made again once, at the same target or another", function()
    local run = begin({ attempts = 5 }, { { target = 1, retries = 3 }, 2 })
    assert.same({ "start 2 -> 1" }, run:event("failed", 1, uncertain))
    assert.same({ "fail 2 timeout headers uncertain -" }, run:event("failed", 2, uncertain))
    run = begin({ attempts = 5 }, { 1, 2, 3 })
    run:event("failed", 1, uncertain)
    assert.same({ "start 2 -> 2" }, run:plan(run.walk:rest()))
    assert.same({ "fail 2 timeout headers uncertain -" }, run:event("failed", 2, uncertain))
    assert.is_true(run.walk:exhausted())
  end)

  it("leaves room for another target when its replay was refused", function()
    local run = begin({ attempts = 5 }, { 1, 2, 3 })
    run:event("failed", 1, uncertain)
    run:plan(run.walk:rest())
    assert.same({ "ask 2 rate_limited headers refused -" }, run:event("failed", 2, failure("rate_limited")))
    assert.same({ "start 3 -> 3" }, run:plan(run.walk:rest()))
  end)

  it("is never made again where that is not allowed", function()
    local run = begin({ replay_uncertain = false }, { { target = 1, retries = 3 }, 2 })
    assert.same({ "fail 1 timeout headers uncertain -" }, run:event("failed", 1, uncertain))
    assert.is_true(run.walk:exhausted())
  end)
end)

describe("a reused connection that was stale", function()
  local stale = failure("unavailable", { sent = "not_sent", phase = "send", reused = true })

  it("is replaced by a fresh one at once, without using up a retry", function()
    local run = begin({ attempts = 4, backoff_base = 1, backoff_max = 1 }, { { target = 1, retries = 1 } })
    assert.same({ "start 2 -> 1 fresh" }, run:event("failed", 1, stale))
    assert.same({}, run:event("failed", 2, failure("unavailable")))
    assert.same({ "start 3 -> 1 fresh" }, run:at(run.wake))
    assert.same({ "ask 3 unavailable send not_sent -" }, run:event("failed", 3, stale))
  end)

  it("counts against the budget", function()
    local run = begin({ attempts = 1 }, { 1 })
    assert.same({ "fail 1 unavailable send not_sent -" }, run:event("failed", 1, stale))
  end)

  it("is not replaced silently when the request may have been done", function()
    local maybe = failure("unavailable", { sent = "uncertain", reused = true })
    local run = begin({ replay_uncertain = false }, { 1 })
    assert.same({ "fail 1 unavailable headers uncertain -" }, run:event("failed", 1, maybe))
    run = begin({}, { 1 })
    assert.same({ "start 2 -> 1 fresh" }, run:event("failed", 1, maybe))
  end)

  it("is replaced by another target when the request may have been done, since that is the one replay there is", function()
    local maybe = failure("unavailable", { sent = "uncertain", reused = true })
    local run = begin({ fallback = true }, { 1, 2 })
    assert.same({ "ask 1 unavailable headers uncertain -" }, run:event("failed", 1, maybe))
    run = begin({ fallback = true }, { 1, 1 }) -- no other target
    assert.same({ "start 2 -> 1 fresh" }, run:event("failed", 1, maybe))
    run = begin({ fallback = true }, { 1, 2 }) -- it cannot have been done: the same one at once
    assert.same({ "start 2 -> 1 fresh" }, run:event("failed", 1, stale))
  end)

  it("is no excuse for an answer that came over it", function()
    local run = begin({}, { 1 })
    assert.same({ "ask 1 unavailable headers refused -" },
      run:event("failed", 1, failure("unavailable", { reused = true, status = 502 })))
  end)
end)

describe("a hedge", function()
  local plan = { { target = 1, hedge_after = 4 }, { target = 2 }, { target = 3 } }

  it("starts the next step beside; first content wins and the other is cancelled", function()
    local run = begin({}, plan)
    assert.same({}, run:at(101))
    advance(run, 1, "sent")
    assert.same({ "start 2 -> 2" }, run:at(104))
    assert.is_true(run.walk:attempts()[2].hedge)
    advance(run, 2, "headers")
    assert.same({ "commit 2", "cancel 1" }, run:event("content", 2))
    assert.equal("cancelled", run.walk:attempts()[1].state)
    assert.same({}, run:event("failed", 1, failure("unavailable")))
    assert.same({ "answer 2" }, run:event("done", 2))
  end)

  it("goes by the whole answer where nothing is streamed", function()
    local run = begin({ stream = false }, plan)
    advance(run, 1, "headers")
    run:at(104)
    assert.same({ "cancel 2", "answer 1" }, run:event("done", 1))
  end)

  it("loses one and goes on with the other, unasked", function()
    local steps = { { target = 1, hedge_after = 1, retries = 2 }, { target = 2, retries = 1 }, { target = 3 } }
    local run = begin({ attempts = 4 }, steps)
    run:at(101)
    assert.same({}, run:event("failed", 1, failure("unavailable")))
    assert.same({ "start 3 -> 2" }, run:event("failed", 2, failure("unavailable")))
    assert.same({ "ask 3 unavailable headers refused -" }, run:event("failed", 3, failure("unavailable")))
    assert.equal(3, run.walk:rest()[1].target)
    assert.equal(1, #run.walk:rest())
  end)

  it("is not started without permission, budget, another target, or when content is there", function()
    assert.same({}, begin({ hedge = false, connect = 0 }, plan):at(110))
    assert.same({}, begin({ replay_uncertain = false, connect = 0 }, plan):at(110))
    assert.same({}, begin({ attempts = 1, connect = 0 }, plan):at(110))
    assert.same({}, begin({ connect = 0 }, { plan[1] }):at(110))
    assert.same({}, begin({ connect = 0 }, { plan[1], { target = 1 } }):at(110))
    assert.same({}, advance(begin({}, plan), 1, "content"):at(110))
  end)

  it("is not a third one", function()
    local run = begin({ connect = 0 }, { { target = 1, hedge_after = 1 }, { target = 2, hedge_after = 1 }, 3 })
    assert.same({ "start 2 -> 2" }, run:at(110))
  end)

  it("is cancelled with the other when the client leaves or the total deadline passes", function()
    local run = begin({}, plan)
    advance(run, 1, "sent")
    run:at(104)
    assert.same({ "cancel 1", "cancel 2", "over" }, run:event("gone"))
    run = begin({ total = 5, connect = 0 }, plan)
    assert.same({ "start 2 -> 2", "cancel 1", "cancel 2", "fail 1 timeout connect not_sent total" }, run:at(105))
  end)
end)

describe("the answer of a throttled request", function()
  it("tells the soonest of all hints, less what has passed since", function()
    local run = begin({}, { 1, 2, 3 })
    run:event("failed", 1, failure("rate_limited", { retry_after_s = 30 }))
    run:plan(run.walk:rest())
    run:event("failed", 2, failure("rate_limited", { retry_after_s = 11 }))
    run:plan(run.walk:rest())
    run.now = 101
    run:event("failed", 3, failure("rate_limited", { retry_after_s = 20 }))
    assert.equal("fail", run.last.kind)
    assert.equal(10, run.last.failure.retry_after_s)
    assert.equal(20, run.walk:attempts()[3].failure.retry_after_s)
  end)

  it("tells no moment that has passed", function()
    local run = begin({}, { 1, 2 })
    run:event("failed", 1, failure("rate_limited", { retry_after_s = 3 }))
    run:plan { 2 }
    run.now = 105
    run:event("failed", 2, failure("rate_limited", { retry_after_s = 20 }))
    run.walk:give_up(run.now)
    run:drain()
    assert.equal(0, run.last.failure.retry_after_s)
  end)
end)

describe("the door", function()
  it("raises for what nobody knows", function()
    assert.has_error(function() walk.new({ atempts = 1 }, 1) end, "limits: nobody knows 'atempts'")
    local one = walk.new({}, 1)
    assert.has_error(function() one:plan({ { target = 1, retry = 1 } }, 1) end, "step: nobody knows 'retry'")
    assert.has_error(function() one:event("failed", 1, 1, { kind = "moon" }) end, "failure.kind: nobody knows 'moon'")
  end)
end)

describe("a walk of a pool that has no attempts to spare", function()
  local plan = { { target = 1, retries = 3, hedge_after = 4 }, { target = 2 } }

  it("retries nothing, but asks for another target", function()
    local run = begin({ frugal = true }, plan)
    assert.same({ "ask 1 unavailable headers refused -" }, run:event("failed", 1, failure("unavailable")))
    assert.same({ "start 2 -> 2" }, run:plan { 2 })
  end)

  it("hedges nothing", function()
    assert.same({}, begin({ frugal = true, connect = 0 }, plan):at(110))
    assert.same({ "start 2 -> 2" }, begin({ connect = 0 }, plan):at(110))
  end)

  it("still replaces a connection that was stale", function()
    local run = begin({ frugal = true }, plan)
    assert.same({ "start 2 -> 1 fresh" }, run:event("failed", 1, failure("unavailable", { sent = "not_sent", phase = "send", reused = true })))
  end)
end)
