--- Every way a provider can fail, streamed and not, alone and with a healthy neighbour: what the client gets, and that three stories agree
-- on how often a provider was asked: X-Attempts, the log line, and the provider's own ledger.
local house = require "support.house"
local http = require "support.http"
local provider = require "support.provider"

local CONFIG = [[
return {
  workers = 1,
  providers = {
    bad     = { kind = "openai", base_url = "%s/v1", key = "sk-bad-provider-key-1234", timeout = "700ms" },
    good    = { kind = "openai", base_url = "%s/v1", key = "sk-good-provider-key-1234", timeout = "700ms" },
    claude  = { kind = "anthropic", base_url = "%s", key = "sk-bad-provider-key-5678", timeout = "700ms" },
    refused = { kind = "openai", base_url = "http://127.0.0.1:%d/v1", key = "sk-refused-key-1234" },
    hole    = { kind = "openai", base_url = "http://127.0.0.1:%d/v1", key = "sk-hole-key-1234" },
    deaf    = { kind = "openai", base_url = "http://127.0.0.1:%d/v1", key = "sk-deaf-key-1234" },
  },
  models = { %s },
  strategy = "priority",
  timeouts = { connect = "300ms", headers = "400ms", first_token = "400ms", idle = "400ms", total = "3s" },
  breaker = { failures = 1000 },
}]]

-- A row: the target (a fault of the mock unless it names a provider), and what comes of it without a neighbour. `status` and `code` are
-- the refusal's; 200 is a good answer; "cut" an error event behind content. `final`: no neighbour is asked. `asked`: how often the
-- provider hears of it (0: never). What only one of the two forms shows has only that one.
local ROWS = {
  { "refused/x", asked = 0, whole = { 502, "upstream_error" }, stream = { 502, "upstream_error" } },
  { "hole/x", asked = 0, whole = { 504, "upstream_timeout" }, stream = { 504, "upstream_timeout" } },
  { "deaf/x", asked = 0, whole = { 504, "upstream_timeout" }, stream = { 504, "upstream_timeout" } },
  { "reset-before", whole = { 502, "upstream_error" }, stream = { 502, "upstream_error" } },
  { "reset-after", whole = { 502, "upstream_error" }, stream = { 502, "upstream_error" } },
  { "close-after", whole = { 502, "upstream_error" }, stream = { 502, "upstream_error" } },
  { "cut-head", whole = { 502, "upstream_error" }, stream = { 502, "upstream_error" } },
  { "cut-body", whole = { 502, "upstream_error" }, stream = "cut" },
  { "cut-mid-event-0", stream = { 502, "upstream_error" } },
  { "cut-mid-event-1", stream = { 502, "upstream_error" } },
  { "cut-mid-event-4", stream = "cut" },
  { "reset-event-0", stream = { 502, "upstream_error" } },
  { "reset-event-4", stream = "cut" },
  { "no-done", stream = 200 }, -- the finish was seen and the framing ended well
  { "no-finish", whole = { 502, "upstream_error" }, stream = "cut" },
  { "stall-head", whole = { 504, "upstream_timeout" }, stream = { 504, "upstream_timeout" } },
  { "stall-first", whole = { 504, "upstream_timeout" }, stream = { 504, "upstream_timeout" } },
  { "stall-body", whole = { 504, "upstream_timeout" }, stream = "cut" },
  { "stall-event-1", stream = { 504, "upstream_timeout" } },
  { "stall-event-6", stream = "cut" },
  { "garbage", whole = { 502, "upstream_error" }, stream = { 502, "upstream_error" } },
  { "endless-header", whole = { 502, "upstream_error" }, stream = { 502, "upstream_error" } },
  { "endless-interim", whole = { 502, "upstream_error" }, stream = { 502, "upstream_error" } },
  { "many-headers", whole = { 502, "upstream_error" }, stream = { 502, "upstream_error" } },
  { "two-content-lengths", whole = { 502, "upstream_error" }, stream = { 502, "upstream_error" } },
  { "compressed", whole = { 502, "upstream_error" }, stream = { 502, "upstream_error" } },
  { "bad-chunk", whole = { 502, "upstream_error" }, stream = "cut" },
  { "interim", whole = 200, stream = 200 },
  { "slow-100", whole = 200, stream = 200 },
  { "gap-20", whole = 200, stream = 200 },
  { "usage-none", whole = 200, stream = 200 },
  { "big-2000", whole = 200 },
  { "status-302", whole = { 502, "upstream_error" }, stream = { 502, "upstream_error" } },
  { "status-400", final = true, whole = { 400 }, stream = { 400 } },
  { "status-401", whole = { 401, "invalid_api_key" }, stream = { 401, "invalid_api_key" } },
  { "status-404", whole = { 404, "model_not_found" }, stream = { 404, "model_not_found" } },
  { "status-408", whole = { 504, "upstream_timeout" } },
  { "status-413", final = true, whole = { 413, "request_too_large" } },
  { "status-422", final = true, whole = { 400 } },
  { "status-429", whole = { 429, "rate_limit_exceeded" }, stream = { 429, "rate_limit_exceeded" } },
  { "status-500", whole = { 502, "upstream_error" }, stream = { 502, "upstream_error" } },
  { "status-502", whole = { 502, "upstream_error" } },
  { "status-503", whole = { 503, "upstream_error" }, stream = { 503, "upstream_error" } },
  { "status-504", whole = { 504, "upstream_timeout" } },
  { "status-529", whole = { 503, "overloaded" } },
  { "quota", whole = { 429, "insufficient_quota" } },
  { "context-length", whole = { 400, "context_length_exceeded" }, stream = { 400, "context_length_exceeded" } },
  { "html-502", whole = { 502, "upstream_error" }, stream = { 502, "upstream_error" } },
  { "html-200", whole = { 502, "upstream_error" } },
  { "error-in-200", whole = { 502, "upstream_error" }, stream = { 502, "upstream_error" } },
  { "error-event-0", stream = { 503, "overloaded" } },
  { "error-event-1", stream = "cut" },
  { "error-event-5", stream = "cut" },
  { "not-json", whole = { 502, "upstream_error" }, stream = { 502, "upstream_error" } },
  { "truncated-json", whole = { 502, "upstream_error" }, stream = "cut" },
  { "empty-200", whole = { 502, "upstream_error" }, stream = { 502, "upstream_error" } },
  { "early-413", final = true, whole = { 413, "request_too_large" } },
  { "echo-auth", whole = { 401, "invalid_api_key" } },
  { "huge-event", stream = "cut" },
}

-- The stream of this message has a role event, nine of content, the finish, usage (we ask for it) and [DONE].
local EVENTS, FIRST_CONTENT, MARKER = 13, 2, 13
for events = 0, EVENTS do
  local outcome = events < FIRST_CONTENT and { 502, "upstream_error" } or events < MARKER and "cut" or 200
  ROWS[#ROWS + 1] = { "cut-event-" .. events, stream = outcome }
end

-- The same of another wire, for a client who speaks OpenAI's.
for _, row in ipairs {
  { "reset-after", whole = { 502, "upstream_error" }, stream = { 502, "upstream_error" } },
  { "cut-head", whole = { 502, "upstream_error" }, stream = { 502, "upstream_error" } },
  { "cut-body", whole = { 502, "upstream_error" }, stream = { 502, "upstream_error" } },
  { "cut-mid-event-3", stream = { 502, "upstream_error" } },
  { "cut-mid-event-5", stream = "cut" },
  { "reset-event-6", stream = "cut" },
  { "no-done", stream = "cut" }, -- here the end has a marker that is never left out
  { "no-finish", stream = "cut" },
  { "stall-head", whole = { 504, "upstream_timeout" }, stream = { 504, "upstream_timeout" } },
  { "stall-event-3", stream = { 504, "upstream_timeout" } },
  { "stall-event-6", stream = "cut" },
  { "bad-chunk", whole = { 502, "upstream_error" }, stream = { 502, "upstream_error" } },
  { "status-400", final = true, whole = { 400 } },
  { "status-401", whole = { 401, "invalid_api_key" } },
  { "status-429", whole = { 429, "rate_limit_exceeded" }, stream = { 429, "rate_limit_exceeded" } },
  { "status-500", whole = { 502, "upstream_error" } },
  { "status-529", whole = { 503, "overloaded" }, stream = { 503, "overloaded" } },
  { "context-length", whole = { 400, "context_length_exceeded" } },
  { "html-502", whole = { 502, "upstream_error" } },
  { "error-in-200", whole = { 502, "upstream_error" }, stream = { 502, "upstream_error" } },
  { "error-event-0", stream = { 503, "overloaded" } },
  { "error-event-2", stream = "cut" },
  { "not-json", whole = { 502, "upstream_error" }, stream = { 502, "upstream_error" } },
  { "truncated-json", whole = { 502, "upstream_error" }, stream = { 502, "upstream_error" } },
  { "empty-200", whole = { 502, "upstream_error" }, stream = { 502, "upstream_error" } },
  { "echo-auth", whole = { 401, "invalid_api_key" } },
  { "usage-none", whole = 200, stream = 200 },
  { "gap-20", stream = 200 },
} do
  row[1] = "claude/fault-" .. row[1]
  ROWS[#ROWS + 1] = row
end

-- Three events before the first of nine with content; then block, finish and marker.
for events = 0, 15 do
  local outcome = events < 4 and { 502, "upstream_error" } or events < 15 and "cut" or 200
  ROWS[#ROWS + 1] = { "claude/fault-cut-event-" .. events, stream = outcome }
end

-- Each case has a target of its own, so that the cool-down of one (a 429, say) does not hide the provider from the next: "first-900-x" is
-- x to the mock.
local CASES = { "alone:whole", "alone:stream", "pair:whole", "pair:stream" }

local function target_of(row, case)
  local where, fault = (row[1]:find("/", 1, true) and row[1] or "bad/fault-" .. row[1]):match "^([^/]+)/(.+)$"
  for i, name in ipairs(CASES) do
    if name == case then
      return ("%s/first-%d-%s"):format(where, 900 + i, fault)
    end
  end
end

local function models()
  local lines = {}
  for _, row in ipairs(ROWS) do
    for _, case in ipairs(CASES) do
      local neighbour = case:find "^pair" and ', { "good/hello", priority = 2 }' or ""
      lines[#lines + 1] = ('["%s:%s"] = { { %q, priority = 1 }%s },'):format(case, row[1], target_of(row, case), neighbour)
    end
  end
  return table.concat(lines, "\n")
end

describe("a provider that fails", function()
  local bad, good, hole, deaf, gateway, seen, ledger, records

  local function ask(model, is_stream)
    if is_stream then
      return gateway:stream { model = model }
    end
    return gateway:chat { model = model }
  end

  -- Rows are asked once, side by side, and looked at one by one.
  local function each(visit)
    for _, row in ipairs(ROWS) do
      for _, form in ipairs { "whole", "stream" } do
        if row[form] then
          for _, company in ipairs { "alone", "pair" } do
            visit(row, form, company, ("%s:%s, %s"):format(company, row[1], form))
          end
        end
      end
    end
  end

  setup(function()
    -- One keeps no connections, so that every attempt of a row is on a fresh one; the other does, for what is said of pools below.
    bad, good, hole, deaf = house.mock { arguments = { "--close" } }, house.mock(), provider.black_hole(), provider.deaf()
    gateway = house.start { config = CONFIG:format(bad.origin, good.origin, bad.origin, provider.refused(), hole.port, deaf.port, models()) }
    local jobs, names = {}, {}
    each(function(row, form, company, name)
      names[#names + 1] = name
      jobs[#jobs + 1] = function() return ask(("%s:%s:%s"):format(company, form, row[1]), form == "stream") end
    end)
    seen, ledger = {}, {}
    for i, answer in ipairs(http.all_by(40, jobs)) do
      seen[names[i]] = answer
    end
    http.eventually(function()
      records = gateway:records()
      for _, answer in pairs(seen) do
        if not records[answer.id] then
          return false
        end
      end
      return true
    end)
    for _, mock in ipairs { bad, good } do
      for _, row in ipairs(mock:ledger()) do
        ledger[row.request_id] = (ledger[row.request_id] or 0) + 1
      end
    end
  end)

  teardown(function()
    local status = gateway:stop()
    for _, one in ipairs { bad, good, hole, deaf } do
      one:stop()
    end
    assert.equal(0, status)
  end)

  local function assert_refusal(answer, status, code)
    local body = answer:json()
    assert.same({ status, code or body.error.code }, { answer.status, body.error.code })
    assert.equal("string", type(body.error.message))
    assert.equal("string", type(body.error.type))
    assert.is_truthy(body.error.param ~= nil and body.error.code ~= nil, "all four keys")
    assert.is_nil(answer.body:find("sk-bad", 1, true), "a provider's key is shown")
    assert.is_nil(answer.body:find("<script", 1, true), "a provider's page is shown")
  end

  local function assert_cut(answer)
    assert.equal(200, answer.status)
    assert.is_table(answer.failure, "no error event")
    assert.equal("string", type(answer.failure.message))
    assert.is_nil(answer.done, "[DONE] behind a failure")
    assert.is_truthy(#answer.text > 0, "cut before content")
    assert.is_truthy(answer.chunks[#answer.chunks].error, "something came behind the error")
  end

  local function assert_good(answer, form)
    assert.equal(200, answer.status)
    if form == "stream" then
      assert.is_nil(answer.failure)
      assert.equal("stop", answer.finish)
      assert.is_true(answer.done)
      assert.is_true(answer.complete)
    else
      assert.equal("stop", answer:json().choices[1].finish_reason)
    end
  end

  local function assert_expected(answer, expected, form)
    if expected == 200 then
      assert_good(answer, form)
    elseif expected == "cut" then
      assert_cut(answer)
    else
      assert_refusal(answer, expected[1], expected[2])
    end
  end

  local function check(row, form, company, name)
    local answer, expected = seen[name], row[form]
    local falls_back = company == "pair" and type(expected) == "table" and not row.final
    assert_expected(answer, falls_back and 200 or expected, form)
    local record = assert(records[answer.id], "no log line")
    assert.equal(answer.status, record.status)
    local attempts = falls_back and 2 or 1
    assert.equal(attempts, #record.attempts)
    assert.equal(tostring(attempts), answer.headers["x-attempts"])
    assert.equal(attempts - (row.asked == 0 and 1 or 0), ledger[record.request_id] or 0, "the ledger tells another story")
    assert.equal(falls_back and "good" or target_of(row, company .. ":" .. form):match "^[^/]+", answer.headers["x-provider"])
  end

  each(function(row, form, company, name)
    it(name, function() check(row, form, company, name) end)
  end)

  it("passes the provider's hint on, and does not ask again sooner", function()
    local answer = gateway:chat { model = "bad/fault-status-429-retry-7" }
    assert.same({ 429, "7" }, { answer.status, answer.headers["retry-after"] })
  end)

  it("gives the next request a clean connection after stray bytes", function()
    for _ = 1, 20 do
      assert.equal(200, gateway:chat({ model = "good/fault-stray" }).status)
      -- The stray bytes must be there before the connection is used again, or nobody could tell them from an answer.
      local rows = good:ledger_when(function(row) return row.model == "fault-stray" end, function(rows) return rows[#rows].outcome == "served" end)
      assert.equal("served", rows[#rows].outcome)
      local answer = gateway:chat { model = "good/hello" }
      assert.equal("This is the mock provider. You said: Hello there", house.text(answer))
    end
  end)

  -- What became of a request at `good`, which keeps its connections, behind one that left such a connection.
  local function on_a_used_connection(model, is_stream)
    assert.equal(200, gateway:chat({ model = "good/hello" }).status)
    local answer = ask(model, is_stream)
    local record = gateway:record(answer.id)
    assert.equal(tostring(#record.attempts), answer.headers["x-attempts"])
    assert.equal(#record.attempts, #good:ledger(record.request_id))
    return answer, record.attempts
  end

  it("makes a request again on a fresh connection when the pooled one was dead, and says so", function()
    local answer, attempts = on_a_used_connection "good/once-fault-reset-after"
    assert.equal(200, answer.status)
    assert.same({ 2, true }, { #attempts, attempts[2].fresh })
    answer, attempts = on_a_used_connection("good/first-1-fault-close-after", true)
    assert.is_true(answer.done)
    assert.same({ 2, true }, { #attempts, attempts[2].fresh })
  end)

  it("never makes it a third time there", function()
    local answer, attempts = on_a_used_connection "good/fault-reset-after"
    assert.equal(502, answer.status)
    assert.equal(2, #attempts)
  end)

  for _, fault in ipairs { "not-json", "html-200", "truncated-json", "empty-200", "error-in-200", "two-content-lengths", "cut-head", "cut-body",
    "status-500", "compressed" } do
    it("takes a bad answer for an answer, not for a dead connection: " .. fault, function()
      local answer, attempts = on_a_used_connection("good/fault-" .. fault)
      assert.is_truthy(answer.status >= 500)
      assert.equal(1, #attempts)
    end)
  end

  it("is heard when it answers before it has read a large body", function()
    local large = { { role = "user", content = ("word "):rep(2 * 1024 * 1024) } }
    -- The model must stand first, or the provider cannot know it yet.
    local function body(model)
      return ('{"model":"%s","messages":%s}'):format(model, require("cjson").encode(large))
    end
    for _, provider_name in ipairs { "bad", "good" } do
      local refused = gateway:chat({}, { body = body(provider_name .. "/fault-early-413") })
      assert.same({ 413, "request_too_large" }, { refused.status, refused:json().error.code })
      assert.equal(502, gateway:chat({}, { body = body(provider_name .. "/fault-reset-before") }).status)
    end
  end)

  it("is left alone by a client who wants one target only", function()
    local answer = gateway:chat { model = "pair:whole:status-500", fallback = false }
    assert.same({ 502, "1" }, { answer.status, answer.headers["x-attempts"] })
  end)

  it("does not make a request twice that says it must not be", function()
    local answer = gateway:chat { model = "pair:whole:reset-after", store = true }
    assert.same({ 502, "1" }, { answer.status, answer.headers["x-attempts"] })
    assert.equal(200, gateway:chat({ model = "pair:whole:status-500", store = true }).status)
  end)

  it("keeps serving, with no more memory than bounded answers need", function()
    assert.equal(200, gateway:chat({ model = "good/hello" }).status)
    local _, peak = gateway.process:memory()
    assert.is_truthy(peak < 400 * 1024 or gateway.process:is_sanitized(), ("peak of %d KB"):format(peak))
  end)
end)
