--- The matrix of upstream faults: every row asked whole and streamed, alone and beside a healthy neighbour, side by side, and looked at one by one.
--
--     local run = fault_matrix.new { rows = ROWS }
--     describe("…", function()
--       setup(function() run:start() end)
--       teardown(function() assert.equal(0, run:stop()) end)
--       for _, case in ipairs(run.cases) do
--         it(case.name, function() run:check(case) end)
--       end
--     end)
--
-- A row is { "U13", what, whole = …, stream = … } or { "U13", what, both = … }. `what` is a fault of the mock ("cut-event-4"), or "provider/model".
-- What a form is to come to, without a neighbour:
--
--     200                                  a good answer
--     { 502, "upstream_error" }            a refusal: its status and code; with a third element the attempt's outcome
--     "cut", { "cut", "timeout" }          an error event behind content; the attempt's outcome ("unavailable" unless it is said)
--
-- Such a table, or the row, may say more: `phase` `sent` `deadline` `says` (a pattern of the message) of the failed attempt in the log; `outcome` of the
-- provider's ledger (or a set of them); `attempts` (1) without a neighbour; `asked` (as many) how often the provider hears of it; `breaker` (1 for what
-- counts against a target, else 0) failures the target is charged with; `estimated` (a good answer whose tokens are ours to count); `tokens` ({ input,
-- output } of one whose provider says so); `counted` (a cut one that the provider had counted before); `final` (no neighbour is asked); `retry_after`
-- (the header); `bare` (a refusal without x-should-retry). `fields` goes into the request's body (with `words` in its messages, 2 without), `request` are
-- options of its HTTP request, `say` what the failing provider is to say (bytes, or a function of the form and the run; the fault is "say" then), a
-- `heavy` row is asked by itself, `name` stands for the fault, `check` is called with the case when all else was well. A form that a row does not name
-- is one in which its fault cannot happen.
-- SPDX-License-Identifier: MIT
local assert = require "luassert"
local launch = require "support.launch"
local http = require "support.http"
local provider = require "support.provider"

local fault_matrix = { FORMS = { "whole", "stream" }, COMPANY = { "alone", "pair" } }

local CONFIG = [[
return {
  workers = 1,
  providers = {
    bad     = { kind = "openai", base_url = "%s/v1", key = "sk-bad-provider-key-1234"@TIMEOUT@ },
    claude  = { kind = "anthropic", base_url = "%s", key = "sk-bad-provider-key-5678"@TIMEOUT@ },
    good    = { kind = "openai", base_url = "%s/v1", key = "sk-good-provider-key-1234" },
    refused = { kind = "openai", base_url = "http://127.0.0.1:%d/v1", key = "sk-refused-key-1234" },
    hole    = { kind = "openai", base_url = "http://127.0.0.1:%d/v1", key = "sk-hole-key-1234" },
    deaf    = { kind = "openai", base_url = "http://127.0.0.1:%d/v1", key = "sk-deaf-key-1234" },
    hangs   = { kind = "openai", base_url = "http://127.0.0.1:%d/v1", key = "sk-hangs-key-1234" },
    %s
  },
  models = {
    %s
  },
  strategy = "priority",
  timeouts = @TIMEOUTS@,
  breaker = { failures = 1000 },
  %s
}]]

-- Only what is to end by a deadline meets short ones. With them a machine that stands still for a second ends what is good: everything else is patient.
local TIMES = {
  patient = { TIMEOUT = "", TIMEOUTS = '{ connect = "60s", tls = "60s", headers = "60s", first_token = "60s", idle = "60s", total = "120s" }' },
  brief = { TIMEOUT = ', timeout = "2s"',
    TIMEOUTS = '{ connect = "1s", tls = "1s", headers = "1s", first_token = "1400ms", idle = "1s", total = "8s" }' },
}
local TRIES = 4 -- of a case that met a deadline it was not to meet

-- USD for a million tokens: what is paid says to whom.
local PRICE = { failing = { 1, 2 }, neighbour = { 3, 4 } }

local OUTCOMES = {
  upstream_error = "unavailable", upstream_timeout = "timeout", overloaded = "overloaded", rate_limit_exceeded = "rate_limited",
  insufficient_quota = "quota", invalid_api_key = "auth", model_not_found = "model_not_found", context_length_exceeded = "context_length",
}
local COUNTS = { unavailable = true, timeout = true, overloaded = true } -- against the target (the table of failures: HEALTH)

-- ---------------------------------------------------------------- rows and cases

local SAID = { "phase", "sent", "deadline", "says", "outcome", "attempts", "asked", "breaker", "estimated", "counted", "final", "retry_after", "bare",
  "tokens" }

--- What a form of a row is to come to: { kind = "good" | "refusal" | "cut", status, code, failure, … }.
local function expectation(row, form)
  local said = row[form] or row.both
  if not said then
    return nil
  end
  local list = type(said) == "table" and said or { said }
  local expected = {}
  for _, name in ipairs(SAID) do
    expected[name] = list[name]
    if expected[name] == nil then
      expected[name] = row[name]
    end
  end
  if list[1] == 200 then
    expected.kind, expected.status = "good", 200
  elseif list[1] == "cut" then
    expected.kind, expected.status, expected.failure = "cut", 200, list[2] or "unavailable"
  else
    expected.kind, expected.status, expected.code = "refusal", list[1], list[2]
    expected.failure = list[3] or OUTCOMES[list[2]] or "invalid_request"
  end
  expected.attempts = expected.attempts or 1
  expected.asked = expected.asked or expected.attempts
  expected.breaker = expected.breaker or (COUNTS[expected.failure] and 1 or 0)
  return expected
end

-- Each case has a target of its own, so that the health of one says nothing of another: what follows "@" is nothing to the mock.
local function target_of(row, number)
  local where = row[2]:find("/", 1, true) and row[2] or "bad/fault-" .. row[2]
  return ("%s@%d"):format(where, number)
end

local function cases_of(rows)
  local cases = {}
  for _, row in ipairs(rows) do
    for _, form in ipairs(fault_matrix.FORMS) do
      local expected = expectation(row, form)
      for _, company in ipairs(expected and fault_matrix.COMPANY or {}) do
        local number = #cases + 1
        cases[number] = {
          row = row, form = form, company = company, expected = expected, number = number, model = "case-" .. number, target = target_of(row, number),
          name = ("%s %s, %s, %s"):format(row[1], row.name or row[2], form, company),
          falls_back = company == "pair" and expected.kind == "refusal" and not expected.final,
        }
      end
    end
  end
  return cases
end

local function models_of(cases)
  local lines = {}
  for _, case in ipairs(cases) do
    local neighbour = case.company == "pair" and (', { "good/hello@%d", priority = 2, price = { %d, %d } }'):format(case.number,
      PRICE.neighbour[1], PRICE.neighbour[2]) or ""
    lines[#lines + 1] = ('["%s"] = { { %q, priority = 1, price = { %d, %d } }%s },'):format(case.model, case.target, PRICE.failing[1],
      PRICE.failing[2], neighbour)
  end
  return table.concat(lines, "\n    ")
end

-- ---------------------------------------------------------------- the run

local Run = {}
Run.__index = Run

--- options: rows; providers, models (more entries of the config, as text), config (more of its members, as text); all may be functions of the run, whose
--- mocks stand by then; start and stop, called with the run before its gateway starts (and may set `env`) and when all is over.
function fault_matrix.new(options)
  return setmetatable({ options = options, cases = cases_of(options.rows) }, Run)
end

local function text_of(self, option)
  local value = self.options[option]
  if type(value) == "function" then
    value = value(self)
  end
  return value or ""
end

local function ask(self, case)
  local fields, request = { model = case.model }, {}
  for name, value in pairs(case.row.fields or {}) do
    fields[name] = value
  end
  local say = case.row.say
  if say then
    say = type(say) == "function" and say(case.form, self) or say
    fields.messages = { { role = "user", content = (say:gsub(".", function(byte) return ("%02x"):format(byte:byte()) end)) } }
  end
  for name, value in pairs(case.row.request or {}) do
    request[name] = value
  end
  if case.form == "stream" then
    return self.gateway:stream(fields, request)
  end
  return self.gateway:chat(fields, request)
end

--- Does a deadline end it?
function fault_matrix.is_late(case)
  return case.expected.failure == "timeout"
end

-- First what keeps the machine busy, one by one; last what waits for a deadline, together, so that it costs its time once.
local function in_order(cases)
  local groups = { heavy = {}, quick = {}, slow = {} }
  for _, case in ipairs(cases) do
    table.insert(groups[case.row.heavy and "heavy" or fault_matrix.is_late(case) and "slow" or "quick"], case)
  end
  return groups
end

--- Rows of a ledger by the gateway's id.
local function by_request(mock)
  local map = {}
  for _, row in ipairs(mock:ledger()) do
    map[row.request_id] = map[row.request_id] or {}
    table.insert(map[row.request_id], row)
  end
  return map
end

local function breakers_of(self)
  local map = {}
  for _, one in ipairs(self.gateway:get("/providers"):json().providers) do
    for _, target in ipairs(self.gateway:get("/admin/providers/" .. one.provider .. "/circuit-breaker"):json().targets or {}) do
      map[target.target] = target
    end
  end
  return map
end

--- Every conversation of the failing mock has ended (a stalled one: its client gave up).
local function has_ended(mock)
  for _, row in ipairs(mock:ledger()) do
    if row.outcome == "open" or row.outcome == "stalled" then
      return false
    end
  end
  return true
end

local function ask_all(self, cases, width)
  local jobs = {}
  for i, case in ipairs(cases) do
    jobs[i] = function() return ask(self, case) end
  end
  for i, answer in ipairs(http.all_by(width, jobs)) do
    cases[i].answer = answer
  end
end

--- Which deadlines hold from now on: "patient" or "brief".
function Run:set_times(name)
  self.gateway:edit_config((self.config:gsub("@(%w+)@", TIMES[name])))
  assert.equal(200, self.gateway:request({ method = "POST", path = "/admin/reload", body = "" }).status)
end

--- What the log, the ledgers and the breakers say of cases that were asked.
local function gather(self, cases)
  local records
  http.eventually(function()
    records = self.gateway:records()
    for _, case in ipairs(cases) do
      if not records[case.answer.id] then
        return false
      end
    end
    return true
  end)
  http.eventually(function() return has_ended(self.bad) end)
  local bad, good, breakers = by_request(self.bad), by_request(self.good), breakers_of(self)
  for _, case in ipairs(cases) do
    case.record = records[case.answer.id]
    case.heard = case.record and bad[case.record.request_id] or {}
    case.neighbour_heard = case.record and good[case.record.request_id] or {}
    case.breaker = breakers[case.target]
  end
end

--- A deadline of its attempts passed that was not to: the neighbour's, or another one of the failing target.
local function is_disturbed(case)
  for i, attempt in ipairs(case.record and case.record.attempts or {}) do
    if attempt.outcome == "timeout" and (i > case.expected.attempts or (case.expected.deadline or attempt.deadline) ~= attempt.deadline or
      (case.expected.phase or attempt.phase) ~= attempt.phase or case.expected.kind == "cut" and case.answer.status ~= 200) then
      return true
    end
  end
  return false
end

-- A machine that stands still at the wrong moment lets brief deadlines pass that should not; a gateway that is at fault does so each time.
local function ask_late(self, cases)
  self:set_times "brief"
  for _ = 1, TRIES do
    for _, case in ipairs(cases) do -- what an earlier try left
      if case.answer then
        local name = case.target:match "^[^/]+"
        self.gateway:request { method = "POST", path = "/admin/providers/" .. name .. "/circuit-breaker/reset", body = "" }
      end
    end
    ask_all(self, cases, 120)
    gather(self, cases)
    local again = {}
    for _, case in ipairs(cases) do
      again[#again + 1] = is_disturbed(case) and case or nil
    end
    cases = again
    if #cases == 0 then
      break
    end
  end
  self:set_times "patient"
end

--- Starts everything, asks all cases and gathers what the log, the ledgers and the breakers say of them.
function Run:start()
  -- One keeps no connections, so that every attempt is on a fresh one; the other does.
  self.bad, self.good, self.hole, self.deaf = launch.mock { arguments = { "--close", "--hang-up" } }, launch.mock(), provider.black_hole(), provider.deaf()
  if self.options.start then
    self.options.start(self)
  end
  self.config = CONFIG:format(self.bad.origin, self.bad.origin, self.good.origin, provider.refused(), self.hole.port,
    self.deaf.port, self.bad.hang_up_port, text_of(self, "providers"), models_of(self.cases) .. "\n    " .. text_of(self, "models"),
    text_of(self, "config"))
  self.gateway = launch.start { config = (self.config:gsub("@(%w+)@", TIMES.patient)), env = self.env }
  self.gateway:chat { model = "good/hello" } -- what is made once is there
  self.descriptors = self:held()
  local groups = in_order(self.cases)
  ask_all(self, groups.heavy, 1)
  ask_all(self, groups.quick, 40)
  gather(self, groups.heavy)
  gather(self, groups.quick)
  ask_late(self, groups.slow)
end

--- Descriptors of the gateway, but those of idle connections (one each, and two of the multi that dialled it).
function Run:held()
  return self.gateway.process:descriptors() - 3 * self.good:stats().open
end

--- Ends everything: the gateway's exit status.
function Run:stop()
  local status = self.gateway:stop()
  for _, one in ipairs { self.bad, self.good, self.hole, self.deaf } do
    one:stop()
  end
  if self.options.stop then
    self.options.stop(self)
  end
  return status
end

-- ---------------------------------------------------------------- what the client got

local function assert_no_secrets(case)
  assert.is_nil(case.answer.body:find("sk-bad", 1, true), "a provider's key is shown")
  assert.is_nil(case.answer.body:find("<script", 1, true), "a provider's page is shown")
end

local function assert_good(case)
  local answer = case.answer
  assert.equal(200, answer.status, answer.body)
  if case.form == "stream" then
    assert.is_nil(answer.failure)
    assert.is_string(answer.finish)
    assert.is_true(answer.done)
    assert.is_true(answer.complete)
  else
    assert.is_string(answer:json().choices[1].finish_reason)
  end
end

local function assert_refusal(case)
  local answer, expected = case.answer, case.expected
  local body = answer:json()
  assert.is_table(body, "no JSON: " .. answer.body)
  assert.same({ expected.status, expected.code or body.error.code }, { answer.status, body.error.code }, body.error.message)
  assert.is_string(body.error.message)
  assert.is_string(body.error.type)
  assert.is_truthy(body.error.param ~= nil and body.error.code ~= nil, "all four keys")
  assert.is_truthy(#body.error.message <= 2048, "a message of " .. #body.error.message .. " bytes")
  assert.equal(expected.retry_after, answer.headers["retry-after"])
  if not expected.bare then
    assert.equal(not expected.retry_after and "false" or nil, answer.headers["x-should-retry"])
  end
end

local function assert_cut(case)
  local answer = case.answer
  assert.equal(200, answer.status)
  assert.is_table(answer.failure, "no error event")
  assert.is_string(answer.failure.message)
  assert.is_nil(answer.done, "[DONE] behind a failure")
  assert.is_truthy(#answer.text > 0, "cut before content")
  assert.is_truthy(answer.chunks[#answer.chunks].error, "something came behind the error")
end

local ANSWERS = { good = assert_good, refusal = assert_refusal, cut = assert_cut }

-- ---------------------------------------------------------------- what the log, the ledger and the breaker say

local function assert_attempts(case)
  local expected, record = case.expected, case.record
  local count = expected.attempts + (case.falls_back and 1 or 0)
  assert.equal(count, #record.attempts)
  assert.equal(tostring(count), case.answer.headers["x-attempts"])
  assert.equal(case.answer.status, record.status)
  local first, last = record.attempts[1], record.attempts[count]
  assert.same({ case.target, case.falls_back and "good/hello@" .. case.number or case.target }, { first.target, last.target })
  assert.equal(last.target:match "^[^/]+", case.answer.headers["x-provider"])
  assert.equal((case.falls_back or expected.kind == "good") and "ok" or expected.failure, last.outcome, last.message)
  local failed = record.attempts[expected.attempts]
  assert.equal(expected.failure or "ok", failed.outcome, failed.message)
  for _, name in ipairs { "phase", "sent", "deadline" } do
    assert.equal(expected[name] or failed[name], failed[name], failed.message)
  end
  if expected.says then
    assert.matches(expected.says, failed.message)
  end
end

local function assert_ledger(case)
  local expected = case.expected
  assert.equal(expected.asked, #case.heard, "the ledger tells another story")
  assert.equal(case.falls_back and 1 or 0, #case.neighbour_heard)
  for _, row in ipairs(expected.outcome and case.heard or {}) do
    if type(expected.outcome) == "table" then
      assert.is_truthy(expected.outcome[row.outcome], row.outcome)
    else
      assert.equal(expected.outcome, row.outcome)
    end
  end
end

local function words(text)
  local count = 0
  for _ in text:gmatch "%S+" do
    count = count + 1
  end
  return count
end

-- Nothing is paid for an answer that was not given; for a cut one the part that was; else the provider's count, or ours where it has none.
local function assert_spend(case)
  local record, expected = case.record, case.expected
  if expected.kind == "refusal" and not case.falls_back then
    assert.same({}, { record.tokens, record.cost_usd })
    return
  end
  local tokens = assert(record.tokens, "no tokens in the log")
  local price = case.falls_back and PRICE.neighbour or PRICE.failing
  local served = (case.falls_back and case.neighbour_heard or case.heard)[1]
  assert.is_truthy(math.abs(record.cost_usd - (tokens.input * price[1] + tokens.output * price[2]) / 1e6) < 1e-11, "cost " .. record.cost_usd)
  if expected.kind == "cut" and not expected.counted then
    assert.is_true(tokens.estimated)
    assert.is_truthy(tokens.input > 0)
    assert.equal(#case.answer.text // 4 + 1, tokens.output)
  elseif expected.estimated and not case.falls_back then
    assert.is_true(tokens.estimated)
    assert.is_truthy(tokens.input > 0 and tokens.output > 0)
  else
    assert.is_nil(tokens.estimated)
    local counted = not case.falls_back and expected.tokens or { case.row.words or case.row.say and 1 or 2, served.tokens }
    assert.same(counted, { tokens.input, tokens.output })
  end
  if case.form == "stream" and not case.row.fields and not case.row.say then
    assert.equal(served.tokens, words(case.answer.text), "the provider says it served another number of words")
  end
end

--- Looks at one case.
function Run:check(case)
  assert.is_table(case.answer, "no answer")
  assert.is_table(case.record, "no log line")
  local kind = case.falls_back and "good" or case.expected.kind
  ANSWERS[kind](case)
  assert_no_secrets(case)
  assert_attempts(case)
  assert_ledger(case)
  assert_spend(case)
  assert.equal(case.expected.breaker, case.breaker and case.breaker.failures, "failures of the target")
  if case.row.check then
    case.row.check(case, self)
  end
end

return fault_matrix
