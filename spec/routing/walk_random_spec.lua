--- Random walks: the walk and a reference written from its header must agree on every step, and the promises that need
-- no reference (the budget, one end, nothing started after the commit) are watched on their own.
-- SEQUENCES=1000000 for a night; SEED=n SEQUENCES=1 repeats one that failed.
-- Asked for by the million, and busted looks a global up in all its contexts.
local assert, error, ipairs, math, os, pairs, pcall, setmetatable, table, tonumber, tostring =
  assert, error, ipairs, math, os, pairs, pcall, setmetatable, table, tonumber, tostring

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

-- The reference: the header's rules once more, with plain tables, looking everything up instead of keeping it. It is
-- told what came and says what must follow; only the length of a back-off is not its to know, so there it accepts what
-- lies within the bounds.
local Reference = {}
Reference.__index = Reference

local NEVER = math.maxinteger
local rank = { start = 1, connected = 2, ready = 3, sent = 4, refused = 5, headers = 6, content = 7 }
local phases = { "connect", "tls", "send", "headers", "headers", "first_token", "stream" }
local phase_deadlines = { "connect", "tls", "headers", "headers", nil, "idle", "idle" }
local REFUSAL, LEFT = 1000000, 2000000
local again = { rate_limited = true, overloaded = true, unavailable = true, timeout = true }

local function after(now, span)
  return span > 0 and now + span or NEVER
end

function Reference.new(limits, now)
  local reference = { limits = limits, attempts = {}, stage = "new", total = after(now, limits.total), plan = {} }
  return setmetatable(reference, Reference)
end

function Reference:say(...)
  self.out[#self.out + 1] = table.concat({ ... }, " ")
end

function Reference:count(condition)
  local count = 0
  for _, attempt in ipairs(self.attempts) do
    count = count + (condition(attempt) and 1 or 0)
  end
  return count
end

local function running(attempt) return attempt.status == "running" end

function Reference:uncertain()
  return self:count(function(a)
    return a.failure and (a.failure.sent == "uncertain" or a.failure.sent == "content_started")
  end)
end

function Reference:may_start(now)
  return now < self.total and #self.attempts < self.limits.attempts
    and self:uncertain() <= (self.limits.replay_uncertain and 1 or 0)
end

function Reference:startable()
  for index = self.next_step, #self.plan do
    local taken = self:count(function(a)
      return a.target == self.plan[index].target and (running(a) or a.status == "failed")
    end)
    if taken == 0 then
      return index
    end
  end
end

function Reference:start(index, now, options)
  local step, limits = self.plan[index], self.limits
  local stale = self:count(function(a) return a.plan == self.plan and a.step == index and a.fresh end) > 0
  local number = #self.attempts + 1
  self.attempts[number] = {
    target = step.target, step = index, plan = self.plan, status = "running", rank = 1, fresh = options.fresh,
    phase_due = after(now, limits.connect), timeout_due = after(now, step.timeout),
    content_due = limits.stream and after(now, step.first_token > 0 and step.first_token or limits.first_token)
      or NEVER,
    hedge_due = limits.hedge and limits.replay_uncertain and after(now, step.hedge_after) or NEVER,
  }
  self.next_step = math.max(self.next_step, index + 1)
  self.stage, self.wait = "running", nil
  self:say("start", number, "->", step.target .. ((options.fresh or stale) and " fresh" or ""))
end

function Reference:cancel(except)
  for number, attempt in ipairs(self.attempts) do
    if running(attempt) and number ~= except then
      attempt.status = "cancelled"
      self:say("cancel", number)
    end
  end
end

function Reference:finish(...)
  self.stage = "over"
  self:say(...)
end

local function words_of(failure)
  return table.concat({ failure.kind, failure.phase or "-", failure.sent, failure.deadline or "-" }, " ")
end

function Reference:failed(number, failure, now)
  local attempt = self.attempts[number]
  attempt.status, attempt.failure, self.last = "failed", failure, number
  if self.stage == "left" then
    return self:finish("over " .. number)
  elseif self.stage == "committed" then
    failure.sent = "content_started"
    return self:finish("fail", number, words_of(failure))
  elseif self:count(running) > 0 then
    return
  elseif not self:may_start(now) then
    return self:finish("fail", number, words_of(failure))
  end
  local function same_step(a) return a.plan == self.plan and a.step == attempt.step end
  local fresh = self:count(function(a) return same_step(a) and a.fresh end)
  local tries = self:count(function(a) return same_step(a) and not a.fresh end)
  local stale = failure.reused and failure.kind == "unavailable" and not failure.status
    and (failure.sent == "not_sent" or failure.sent == "uncertain")
  if stale and fresh == 0 and failure.sent == "uncertain" and self.limits.fallback and self:startable() then
    self.stage = "asking"
    return self:say("ask", number, words_of(failure))
  elseif stale and fresh == 0 then
    return self:start(attempt.step, now, { fresh = true })
  elseif failure.other_key then
    return self:start(attempt.step, now, {})
  end
  local hint = failure.retry_after or -1
  if not self.limits.frugal and again[failure.kind] and tries <= self.plan[attempt.step].retries and hint <= self.limits.retry_after_max then
    local cap = math.min(self.limits.backoff_base * 2 ^ (tries - 1) // 1 | 0, self.limits.backoff_max)
    local wait = { step = attempt.step, from = now + math.max(hint, 0), to = now + math.max(hint, cap, 0) }
    -- whether the jitter fits before the total deadline is the walk's dice: both may be right
    local asked = self.actual[#self.out + 1] == "ask " .. number .. " " .. words_of(failure)
    if wait.from < self.total and not (wait.to >= self.total and asked) then
      if wait.to == now or self.actual[#self.out + 1] then
        return self:start(attempt.step, now, {}) -- no wait at all, or the dice fell on none
      end
      self.wait = wait
      return
    end
  end
  self.stage = "asking"
  self:say("ask", number, words_of(failure))
end

local function due_of(attempt)
  local due, name = attempt.phase_due, phase_deadlines[attempt.rank]
  if attempt.content_due < due then
    due, name = attempt.content_due, "first_token"
  end
  if attempt.timeout_due < due then
    due, name = attempt.timeout_due, nil
  end
  return due, name
end

function Reference:timeout(attempt, name)
  if not attempt then
    return { kind = "timeout", sent = "not_sent", deadline = name }
  end
  local phase = attempt.rank == rank.headers and not self.limits.stream and "body" or phases[attempt.rank]
  local sent = attempt.rank < 4 and "not_sent" or attempt.rank == rank.content and "content_started" or "uncertain"
  return { kind = "timeout", phase = phase, sent = sent, deadline = name }
end

function Reference:total_passed()
  local furthest
  for number, attempt in ipairs(self.attempts) do
    if running(attempt) and (not furthest or attempt.rank > self.attempts[furthest].rank) then
      furthest = number
    end
  end
  local failure = self:timeout(self.attempts[furthest], "total")
  local named = furthest or self.last
  self:cancel()
  self:finish(named and "fail " .. named or "fail", words_of(failure))
end

function Reference:stop()
  local left
  for number, attempt in ipairs(self.attempts) do
    left = self.stage == "left" and running(attempt) and number or left
  end
  self:cancel()
  self:finish(left and "over " .. left or "over")
end

function Reference:gone(now)
  if self.stage == "left" then
    return
  end
  for number, attempt in ipairs(self.attempts) do
    if running(attempt) and attempt.rank == (self.limits.stream and rank.content or rank.headers) then
      self:cancel(number)
      self.stage, self.total, self.ping_due, attempt.hedge_due = "left", math.min(self.total, now + LEFT), nil, NEVER
      return
    end
  end
  self:stop()
end

function Reference:time(now)
  if now >= self.total and self.stage == "left" then
    return self:stop()
  elseif now >= self.total then
    return self:total_passed()
  end
  for number = 1, #self.attempts do
    local attempt = self.attempts[number]
    local due, name = due_of(attempt)
    if running(attempt) and due <= now and self.stage ~= "over" then
      self:say("cancel", number)
      self:failed(number, self:timeout(attempt, name), now)
    end
  end
  for number = 1, #self.attempts do
    local attempt = self.attempts[number]
    if self.stage == "running" and running(attempt) and attempt.hedge_due <= now then
      attempt.hedge_due = NEVER
      local index = self:startable()
      if index and not self.limits.frugal and self:count(running) == 1 and self:may_start(now) and self:uncertain() == 0 then
        self:start(index, now, {})
      end
    end
  end
  local wait = self.wait
  if self.stage == "running" and wait and (now >= wait.to or now >= wait.from and self.actual[#self.out + 1]) then
    self:start(wait.step, now, {})
  end
  if self.stage == "committed" and now >= self.ping_due then
    self.ping_due = after(now, self.limits.ping)
    self:say("ping")
  end
end

function Reference:commit(number, now)
  if self.stage ~= "committed" and self.stage ~= "left" then
    self.ping_due = after(now, self.limits.ping)
    local attempt = self.attempts[number]
    attempt.rank, attempt.content_due, attempt.hedge_due = rank.content, NEVER, NEVER
    self.stage = "committed"
    self:say("commit", number)
    self:cancel(number)
  end
end

function Reference:report(kind, number, now, failure, wrote)
  local attempt, limits = self.attempts[number], self.limits
  if not attempt or not running(attempt) then
    return
  elseif kind == "failed" then
    self:failed(number, failure, now)
  elseif kind == "done" then
    if limits.stream then
      self:commit(number, now)
    end
    attempt.status = "done"
    self:cancel()
    self:finish(self.stage == "left" and "over" or "answer", number)
  elseif kind == "content" and limits.stream or kind == "chunk" and attempt.rank == rank.content then
    self:commit(number, now)
    attempt.phase_due = after(now, limits.idle)
    if wrote and self.stage == "committed" then
      self.ping_due = after(now, limits.ping)
    end
  elseif kind == "content" or kind == "chunk" then
    if attempt.rank == rank.headers and not limits.stream then
      attempt.phase_due = after(now, limits.idle)
    end
  elseif rank[kind] > attempt.rank then
    if kind == "refused" then
      attempt.phase_due = after(now, REFUSAL)
    elseif kind == "headers" then
      attempt.phase_due = limits.stream and NEVER or after(now, limits.idle)
    elseif kind == "connected" then
      attempt.phase_due = after(now, limits.tls)
    elseif attempt.rank < 3 then
      attempt.phase_due = after(now, limits.headers)
    end
    attempt.rank = rank[kind]
  end
end

-- What must follow. `actual` is looked at only where the jitter decides.
function Reference:expect(actual, kind, now, ...)
  self.out, self.actual = {}, actual
  if self.stage == "over" then
    return self.out
  elseif kind == "plan" then
    if self.stage == "new" or self.stage == "asking" then
      self.plan, self.next_step = ..., 1
      local index = now < self.total and self:startable()
      if now >= self.total then
        self:total_passed()
      elseif index then
        self:start(index, now, {})
      else
        self:finish("fail", self.last, words_of(self.attempts[self.last].failure))
      end
    end
  elseif kind == "give_up" then
    if self.stage == "asking" then
      self:finish("fail", self.last, words_of(self.attempts[self.last].failure))
    end
  elseif kind == "gone" then
    self:gone(now)
  elseif kind == "stop" then
    self:stop()
  elseif kind == "time" then
    self:time(now)
  else
    local number, failure, wrote = ...
    self:report(kind, number, now, failure, wrote)
  end
  return self.out
end

function Reference:due(number, now)
  local attempt = self.attempts[number]
  return attempt ~= nil and running(attempt) and math.min(self.total, (due_of(attempt))) <= now
end

function Reference:earliest()
  local earliest = math.min(self.total, self.wait and self.wait.to or NEVER, self.ping_due or NEVER)
  for _, attempt in ipairs(self.attempts) do
    if running(attempt) then
      earliest = math.min(earliest, (due_of(attempt)), attempt.hedge_due)
    end
  end
  return earliest
end

local function one_of(list) return list[math.random(#list)] end
local function span(most) return math.random(4) == 1 and 0 or math.random(most) end
local seconds = {
  "connect", "tls", "headers", "first_token", "idle", "total", "backoff_base", "backoff_max", "retry_after_max",
  "timeout", "hedge_after", "ping",
}

-- At this door seconds, in the reference microseconds.
local function at_door(facts)
  local copy = {}
  for name, value in pairs(facts) do
    copy[name] = value
  end
  for _, name in ipairs(seconds) do
    copy[name] = facts[name] and facts[name] / 1e6
  end
  return copy
end

local function random_limits()
  return {
    attempts = math.random(8), seed = math.random(1 << 40),
    stream = math.random(2) == 1, replay_uncertain = math.random(3) > 1, hedge = math.random(2) == 1,
    fallback = math.random(2) == 1, frugal = math.random(4) == 1,
    connect = span(3000000), tls = span(3000000), headers = span(9000000), first_token = span(9000000),
    idle = span(5000000), total = span(20000000), ping = span(1000000),
    backoff_base = span(300000), backoff_max = span(1000000), retry_after_max = span(2000000),
  }
end

local function random_plan()
  local plan, at_the_door = {}, {}
  for i = 1, math.random(4) do
    plan[i] = {
      target = math.random(5), retries = math.random(0, 2), first_token = span(5000000),
      timeout = math.random(3) == 1 and span(9000000) or 0,
      hedge_after = math.random(2) == 1 and span(2000000) or 0,
    }
    at_the_door[i] = at_door(plan[i])
  end
  return plan, at_the_door
end

local function random_failure()
  return {
    kind = one_of { "unavailable", "unavailable", "rate_limited", "overloaded", "auth", "invalid_request" },
    phase = one_of { "connect", "send", "headers", "body" },
    sent = one_of { "not_sent", "refused", "uncertain", "content_started" },
    status = math.random(2) == 1 and 500 or nil, reused = math.random(4) == 1, other_key = math.random(10) == 1,
    retry_after = math.random(4) == 1 and math.random(0, 2500000) or nil,
  }
end

-- Drains a walk and keeps the promises that need no reference at all.
local function drain(real, watch)
  local actual = {}
  for action in function() return real:next() end do
    if action.kind == "wake" then
      local at = math.floor(action.at * 1e6 + 0.5)
      assert(not watch.wake or at < watch.wake, "a wake must come nearer or be the only one")
      assert(not watch.ended, "no wake after the end")
      watch.wake = at
    else
      assert(not watch.ended, "nothing comes after the end")
      actual[#actual + 1] = in_words(action)
      watch.tally[action.kind] = (watch.tally[action.kind] or 0) + 1
      local attempt, kind = action.attempt, action.kind
      if kind == "start" then
        watch.starts = watch.starts + 1
        assert(watch.starts <= watch.budget, "the budget")
        assert(not watch.committed, "nothing is started after the commit")
        watch.open[attempt], watch.in_flight = true, watch.in_flight + 1
        assert(watch.in_flight <= 2, "at most two at a time")
      elseif kind == "cancel" or kind == "answer" then
        assert(watch.open[attempt], "ended once")
        watch.open[attempt], watch.in_flight = nil, watch.in_flight - 1
      elseif kind == "over" and watch.open[attempt] then -- read to its end for a client that left
        watch.open[attempt], watch.in_flight = nil, watch.in_flight - 1
      elseif kind == "commit" then
        assert(not watch.committed, "committed once")
        watch.committed = true
      elseif kind == "ping" then
        assert(watch.committed, "no ping before the commit")
      elseif kind == "ask" then
        assert(watch.in_flight == 0 and not watch.committed, "asked only when nothing is in flight")
      end
      watch.ended = kind == "fail" or kind == "answer" or kind == "over"
    end
  end
  assert(not watch.ended or watch.in_flight == 0, "every attempt has ended")
  return actual
end

-- The next thing to happen: kind, attempt or plan, failure. Mostly sensible, now and then late or absurd.
local function random_input(reference, wake)
  local dice = math.random(100)
  if dice == 1 or reference.stage == "committed" and dice <= 8 then
    return math.random(4) == 1 and "stop" or "gone"
  elseif reference.stage == "asking" and dice <= 80 or reference.stage == "new" or dice == 2 then
    return "plan"
  elseif reference.stage == "asking" and dice <= 90 or dice == 3 then
    return "give_up"
  elseif dice <= 25 and wake or #reference.attempts == 0 then
    return "time"
  end
  local number = math.random(5) == 1 and math.random(walk.ATTEMPTS_MAX) or #reference.attempts
  local attempt = reference.attempts[number]
  if dice > 70 then
    return "failed", number, random_failure()
  elseif dice > 66 then
    return "done", number
  elseif attempt and attempt.rank == rank.content then
    return one_of { "chunk", "chunk", "chunk", "content" }, number
  end
  return one_of { "connected", "ready", "sent", "headers", "refused", "content", "chunk" }, number
end

local function feed(real, kind, now, subject, failure, wrote, plan_at_door)
  if kind == "plan" then
    real:plan(plan_at_door, now / 1e6)
  elseif kind == "give_up" then
    real:give_up(now / 1e6)
  else
    local at_the_door = failure and {
      kind = failure.kind, phase = failure.phase, sent = failure.sent, status = failure.status,
      reused = failure.reused, other_key = failure.other_key, retry_after_s = failure.retry_after and failure.retry_after / 1e6,
    }
    real:event(kind, subject, now / 1e6, at_the_door or wrote)
  end
end

-- One random walk; raises where the two disagree.
local function random_walk(seed, tally)
  math.randomseed(seed)
  local limits, now = random_limits(), 1000000
  local real, reference = walk.new(at_door(limits), now / 1e6), Reference.new(limits, now)
  local watch = { starts = 0, in_flight = 0, open = {}, budget = limits.attempts, tally = tally }
  for input = 1, 80 do
    local kind, subject, failure = random_input(reference, watch.wake)
    local plan_at_door
    if kind == "plan" then
      subject, plan_at_door = random_plan()
    end
    if kind == "time" then
      if watch.wake and math.random(5) > 1 then
        now = math.max(now, watch.wake) + (math.random(4) == 1 and math.random(3000000) or 0)
      end
      watch.wake = nil
    else
      now = now + math.random(0, 400000)
    end
    local wrote = kind == "chunk" and math.random(2) == 1
    feed(real, kind, now, subject, failure, wrote, plan_at_door)
    if kind == "failed" and watch.open[subject] then
      watch.open[subject], watch.in_flight = nil, watch.in_flight - 1
    end
    local actual = drain(real, watch)
    local expected = reference:expect(actual, kind, now, subject, failure, wrote)
    local a, e = table.concat(actual, "; "), table.concat(expected, "; ")
    if a ~= e then
      error(("seed %d, input %d (%s %s): got '%s', expected '%s'"):format(seed, input, kind, tostring(subject), a, e))
    end
    assert(real:over() == (reference.stage == "over"))
    for number = 1, #reference.attempts do
      assert(real:due(number, now / 1e6) == reference:due(number, now), "due or not")
    end
    if watch.ended then
      assert(#drain(real, watch) == 0)
      return
    end
    local earliest = reference:earliest()
    assert(earliest == NEVER or watch.wake and watch.wake <= earliest, "a deadline or a back-off without a wake")
  end
end

local seed = tonumber(os.getenv("SEED")) or os.time()
local sequences = tonumber(os.getenv("SEQUENCES")) or 10000

describe(("random walks (SEED=%d)"):format(seed), function()
  it("go as the reference says", function()
    local tally = {}
    for i = 0, sequences - 1 do
      local ok, result = pcall(random_walk, seed + i, tally)
      assert(ok, ok or ("SEED=%d SEQUENCES=1: %s"):format(seed + i, tostring(result)))
    end
    for _, kind in ipairs { "start", "cancel", "commit", "answer", "ask", "fail", "over", "ping" } do
      assert.is_true(sequences < 10000 or tally[kind] > sequences / 100, kind .. " was hardly ever seen")
    end
  end)
end)
