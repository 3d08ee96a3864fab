--- One request through a policy and its plan, with scripted upstreams and a held clock: what testing.run does.
--
-- It plays the worker: calls the policy's functions under the gateway's budgets, feeds the walk with the events of the scripts, and
-- carries the walk's actions out.
-- SPDX-License-Identifier: MIT

local runtime = require "gateway.runtime"
local facts = require "gateway.testing.facts"
local frozen = require "gateway.frozen"
local limiting = require "gateway.testing.limits"
local plan = require "gateway.plan"
local upstreams = require "gateway.testing.upstreams"

local LIMITS = {
  attempts = 3, connect = 2, tls = 5, headers = 300, first_token = 60, idle = 60, total = 600,
  backoff_base = 0.1, backoff_max = 5, retry_after_max = 10, seed = 1,
}
local SCENARIO = { upstreams = true, limits = true, off = true, limiter = true } -- every other key is a fact of the request
local EVENTS_MAX = 10000

local function in_ms(seconds) -- to the microsecond: the clock's grain
  return math.floor(seconds * 1e6 + 0.5) / 1000
end

--- One run: its request, its targets by index, the events to come.
local run = {}
run.__index = run

local function make_request(scenario)
  local given = {}
  for key, value in pairs(scenario) do
    if not SCENARIO[key] then
      given[key] = value
    end
  end
  return facts.request(given)
end

--- `policy`: as gateway.policy loaded it.
function run.new(policy, scenario)
  local self = setmetatable({
    policy = policy,
    request = make_request(scenario),
    targets = {}, lookup = {}, scripts = scenario.upstreams or {}, used = {}, events = {}, answers = {},
    limiter = scenario.limiter or runtime.limiter.new(), result = { attempts = {} },
  }, run)
  self.started, self.now = self.request.now, self.request.now -- the held clock; 0 would mean "not yet"
  for _, target in ipairs(self.request.targets) do
    self:know(target)
  end
  for name in pairs(self.scripts) do -- what the config knows beyond the candidates
    if self.lookup[name] == nil then
      self:know(facts.target(name))
    end
  end
  for _, name in ipairs(scenario.off or {}) do
    self.lookup[name] = false
  end
  local limits = {}
  for key, value in pairs(LIMITS) do
    limits[key] = value
  end
  for key, value in pairs(scenario.limits or {}) do
    limits[key] = value
  end
  limits.stream = self.request.stream
  if limits.replay_uncertain == nil then
    limits.replay_uncertain = self.request.replayable
  end
  if limits.fallback == nil then
    limits.fallback = self.request.fallback
  end
  if limits.hedge == nil then
    limits.hedge = true
  end
  self.walk = runtime.walk.new(limits, self.now)
  return self
end

function run:know(target)
  self.targets[#self.targets + 1] = target
  self.lookup[target], self.lookup[target.name] = #self.targets, #self.targets
end

--- Calls a function of plan.lua under the gateway's budget -> its two results, or nil and a complaint.
function run:call(fn, ...)
  facts.deciding(self.request)
  local limits = runtime.call.limits
  local ok, first, second = runtime.call.run(fn, limits.call_instructions, limits.call_memory, 2, ...)
  if not ok then
    return nil, { kind = first, message = second }
  end
  return first, second
end

--- Hedges by percentile become seconds, or nothing where the target was never measured.
function run:steps(list)
  local steps = {}
  for i, step in ipairs(list) do
    if type(step) == "table" and type(step.hedge_after) == "string" then
      local latency = self.targets[step.target].latency
      local copy = {}
      for key, value in pairs(step) do
        copy[key] = value
      end
      copy.hedge_after = latency.samples > 0 and latency[step.hedge_after .. "_ms"] / 1000 or nil
      step = copy
    end
    steps[i] = step
  end
  return steps
end

--- The script of the next attempt at a target; the last one goes on for ever.
function run:script(name)
  local scripts = self.scripts[name]
  if not scripts then
    error(("testing.run: no upstream is scripted for %s"):format(name), 0)
  elseif scripts.after then
    return scripts
  end
  self.used[name] = math.min((self.used[name] or 0) + 1, #scripts)
  return scripts[self.used[name]] or error(("testing.run: the scripts of %s are empty"):format(name), 0)
end

function run:start(action)
  local script = self:script(self.targets[action.target].name)
  self.answers[action.attempt] = script
  for _, event in ipairs(upstreams.events(script, self.now, self.request.stream)) do
    event.attempt = action.attempt
    self:schedule(event)
  end
end

--- Keeps events in order of time, and of coming where times are equal.
function run:schedule(event)
  local at = #self.events + 1
  while at > 1 and self.events[at - 1].at > event.at do
    at = at - 1
  end
  table.insert(self.events, at, event)
end

function run:forget(attempt, kind)
  for i = #self.events, 1, -1 do
    if self.events[i].attempt == attempt and (not kind or self.events[i].kind == kind) then
      table.remove(self.events, i)
    end
  end
end

function run:end_with(complaint)
  if complaint.kind == "refused_by_policy" then
    self.result.refusal = complaint
    complaint.kind = nil
  else
    self.result.failure = complaint
  end
  self.over = true
end

--- What recover sees of a failure.
function run:failure_facts(action)
  local attempt = action.attempt and self.walk:attempts()[action.attempt]
  local failure = {}
  for key, value in pairs(action.failure) do
    failure[key] = value
  end
  failure.attempt = action.attempt
  failure.target = attempt and self.targets[attempt.target].name
  failure.elapsed_ms = attempt and in_ms((attempt.ended or self.now) - attempt.began)
  return failure
end

function run:ask(action)
  local rest = plan.rest(self.walk:rest(), self.targets)
  local failure = frozen.copy(self:failure_facts(action), "failure")
  local steps, complaint = self:call(plan.recovered, self.lookup, self.policy.recover, self.request, failure, rest)
  if complaint then
    self:end_with(complaint)
  elseif steps then
    self.walk:plan(self:steps(steps), self.now)
  else
    self.walk:give_up(self.now)
  end
end

function run:answered(action)
  local attempt = self.walk:attempts()[action.attempt]
  self.result.served_by = self.targets[attempt.target].name
  self.result.text = self.answers[action.attempt].text
  self.usage = self.answers[action.attempt].usage
  self.over = true
end

local ACTIONS = {
  start = run.start,
  ask = run.ask,
  answer = run.answered,
  cancel = function(self, action)
    self:forget(action.attempt)
  end,
  wake = function(self, action)
    self:forget(0, "time")
    self:schedule { at = action.at, kind = "time", attempt = 0 }
  end,
  commit = function(self, action)
    self.result.text = self.answers[action.attempt].text
    self.committed = action.attempt
  end,
  fail = function(self, action)
    self.result.failure = self:failure_facts(action)
    self.over = true
  end,
  over = function(self)
    self.over = true
  end,
}

function run:drain()
  for action in function() return self.walk:next() end do
    if not self.over then
      ACTIONS[action.kind](self, action)
    end
  end
end

--- Lets the held clock jump from event to event until the walk is over.
function run:attempt(steps)
  self.walk:plan(self:steps(steps), self.now)
  self:drain()
  for _ = 1, EVENTS_MAX do
    if self.over then
      return
    end
    local event = table.remove(self.events, 1)
    if not event then
      error("testing.run: nothing more happens, and the request is not over", 0)
    end
    self.now = math.max(self.now, event.at)
    self.walk:event(event.kind, event.attempt > 0 and event.attempt or nil, self.now, event.failure)
    self:drain()
  end
  error("testing.run: too many events", 0)
end

local OUTCOMES = { done = "ok", cancelled = "cancelled" }

--- The attempts as they ended, and what settle says about them.
function run:finish()
  local result = self.result
  for i, attempt in ipairs(self.walk:attempts()) do
    local failure = attempt.failure
    result.attempts[i] = {
      target = self.targets[attempt.target].name,
      outcome = OUTCOMES[attempt.state] or (failure and failure.kind) or "cancelled",
      ms = in_ms((attempt.ended or self.now) - attempt.began),
      hedge = attempt.hedge,
      failure = failure,
    }
  end
  result.elapsed_ms = in_ms(self.now - self.started)
  if self.reservation then
    self.reservation:settle(self.now, limiting.used(self.usage, result.attempts))
  end
  local kind = result.failure and result.failure.kind or ""
  local cause = result.refusal and "refused" or kind == "rate_limit_exceeded" and "limited" or kind:find "^policy" and "policy"
    or result.failure and "failed" or "ok"
  local outcome = frozen.copy({
    status = result.served_by and 200 or (result.refusal and result.refusal.status) or result.failure.status or 500,
    target = result.served_by, attempts = #result.attempts, duration_ms = result.elapsed_ms, cached = false, cause = cause,
    usage = self.usage or {},
  }, "outcome")
  local labels, complaint = self:call(plan.settled, self.policy.settle, self.request, outcome)
  result.labels, result.settle_error = labels or {}, complaint
  return result
end

--- Admit, route, the walk with recover, settle -> the result.
function run:go()
  local limits, complaint = self:call(plan.admitted, self.policy.admit, self.request, runtime.limit.is_rule)
  local steps
  if limits and #limits > 0 then
    self.reservation, self.result.limits, complaint = limiting.charge(self.limiter, limits, self.request, self.now)
  end
  if not complaint then
    steps, complaint = self:call(plan.routed, self.lookup, self.policy.route, self.request)
  end
  if complaint and complaint.kind == "wait" then -- what comes of it is another run, with waited_ms
    self.result.wait = { seconds = complaint.wait_s, priority = complaint.priority }
    return self.result
  elseif complaint then
    self:end_with(complaint)
  else
    self:attempt(steps)
  end
  return self:finish()
end

return run
