--- Every way a provider can fail before its answer means anything: connecting, sending, framing, timing, streaming (the rows U01 to U22).
-- Each is asked whole and streamed, alone and with a healthy neighbour; support/fault_matrix.lua says what a row means and what is looked at.
local fault_matrix = require "support.fault_matrix"
local house = require "support.house"

local FAILED, LATE = { 502, "upstream_error" }, { 504, "upstream_timeout" }

-- More than the kernel holds for a provider that does not read.
local LARGE = { { role = "user", content = ("word "):rep(1600 * 1024) } }

local ROWS = {
  -- connecting and sending
  { "U01", "refused/x", both = FAILED, asked = 0, phase = "connect", sent = "not_sent" },
  { "U02", "hole/x", both = LATE, asked = 0, phase = "connect", deadline = "connect", sent = "not_sent" },
  { "U03", "hangs/x", both = FAILED, asked = 0, says = "connection reset" },
  { "U03", "reset-before", both = FAILED, outcome = "reset" },
  { "U04", "deaf/x", both = LATE, asked = 0, phase = "headers", deadline = "headers", sent = "uncertain" },
  { "U04", "deaf/large", both = LATE, asked = 0, phase = "send", deadline = "headers", sent = "not_sent", fields = { messages = LARGE }, words = 1600 * 1024 },
  { "U05", "close-after", both = FAILED, phase = "headers", sent = "uncertain", outcome = "cut" },
  { "U06", "reset-after", both = FAILED, phase = "headers", sent = "uncertain", outcome = "reset" },
  { "U07", "close-idle", both = 200, outcome = "served" },
  { "U09", "excess", both = 200, outcome = "served" },
  -- answers that end before they began
  { "U10", "cut-bytes-1", both = FAILED, phase = "headers", sent = "uncertain", outcome = "cut" },
  { "U10", "cut-bytes-9", both = FAILED, phase = "headers", sent = "uncertain", outcome = "cut" },
  { "U10", "cut-bytes-16", both = FAILED, phase = "headers", sent = "uncertain", outcome = "cut" },
  { "U10", "cut-bytes-17", both = FAILED, phase = "headers", sent = "uncertain", outcome = "cut" },
  { "U10", "cut-head", both = FAILED, phase = "headers", sent = "uncertain", outcome = "cut" },
  { "U11", "stall-head", both = LATE, phase = "headers", deadline = "headers", sent = "uncertain", outcome = "client_closed" },
  { "U11", "stall-first", whole = LATE, stream = { 504, "upstream_timeout", phase = "first_token", deadline = "first_token" }, outcome = "client_closed" },
  { "U11", "slow-100", both = 200 },
  -- stalls amid the answer
  { "U12", "stall-body", whole = LATE, stream = { "cut", "timeout", deadline = "idle" }, outcome = "client_closed" },
  { "U12", "stall-event-1", stream = LATE, outcome = "client_closed" },
  { "U12", "stall-event-6", stream = { "cut", "timeout" }, deadline = "idle", outcome = "client_closed" },
  { "U12", "gap-20", both = 200 },
  -- cuts amid the answer
  { "U13", "cut-body", whole = FAILED, stream = "cut", outcome = "cut" },
  { "U13", "cut-mid-event-0", stream = FAILED },
  { "U13", "cut-mid-event-1", stream = FAILED },
  { "U13", "cut-mid-event-4", stream = "cut" },
  { "U13", "reset-event-0", stream = FAILED, outcome = "reset" },
  { "U13", "reset-event-4", stream = "cut", outcome = "reset" },
  { "U13", "short-length", whole = FAILED, stream = 200 }, -- a stream says itself where it ends
  { "U13", "short-length-4", whole = FAILED, stream = "cut" },
  { "U13", "no-last-chunk", whole = FAILED, stream = 200 },
  { "U13", "no-done", stream = 200 }, -- the finish was seen and the framing ended well
  { "U13", "no-finish", whole = FAILED, stream = "cut" },
  { "U14", "close-delimited", both = 200 },
  { "U14", "close-delimited-1", whole = FAILED, stream = FAILED },
  { "U14", "close-delimited-4", whole = FAILED, stream = "cut" },
  { "U14", "close-delimited-10", stream = "cut" }, -- all of its content, but no finish
  { "U14", "close-delimited-11", stream = 200, estimated = true }, -- the finish: usage and marker are missed
  -- bad framing
  { "U15", "garbage", both = FAILED },
  { "U15", "bad-chunk", whole = FAILED, stream = "cut" },
  { "U15", "bad-chunk-1", whole = FAILED, stream = "cut" },
  { "U15", "bad-chunk-2", whole = FAILED, stream = "cut" },
  { "U15", "bad-chunk-3", whole = FAILED, stream = "cut" },
  { "U15", "bad-chunk-4", whole = FAILED, stream = "cut" },
  { "U15", "bad-chunk-5", whole = FAILED, stream = "cut" },
  { "U15", "two-content-lengths", both = FAILED },
  { "U15", "same-lengths", both = FAILED, says = "two Content%-Length" },
  { "U15", "negative-length", both = FAILED, says = "Content%-Length is not a number" },
  { "U15", "odd-length", both = FAILED, says = "Content%-Length is not a number" },
  { "U15", "length-and-chunks", both = FAILED, says = "together" },
  { "U15", "nul-header", both = FAILED, says = "control character" },
  { "U15", "no-colon", both = FAILED, says = "proper name" },
  { "U15", "blank-colon", both = FAILED, says = "proper name" },
  { "U15", "folded-header", both = FAILED, says = "folded" },
  { "U15", "bare-lf", both = FAILED, says = "bare LF" },
  { "U16", "long-header-40", both = 200 },
  { "U16", "long-header-90", both = FAILED, says = "too large" },
  { "U16", "long-header-400", both = FAILED, says = "too large" },
  { "U16", "endless-header", both = FAILED, says = "too large" },
  { "U16", "endless-interim", both = FAILED, says = "interim" },
  { "U16", "many-headers", both = FAILED, says = "too many lines" },
  { "U16", "interim", both = 200 },
  -- streams in odd pieces and forms
  { "U17", "bytes-apart", both = 200 },
  { "U18", "sse-cr", stream = 200 },
  { "U18", "sse-crlf", stream = 200 },
  { "U18", "sse-mixed", stream = 200 },
  { "U18", "sse-comments", stream = 200 },
  { "U18", "sse-fields", stream = 200 },
  { "U18", "sse-lines", stream = 200 },
  { "U18", "sse-bom", stream = 200 },
  { "U18", "sse-tight", stream = 200 },
  { "U18", "sse-unended", stream = 200 },
  { "U18", "sse-unended-line", stream = 200 },
  { "U19", "huge-event-1024", stream = 200 },
  { "U19", "huge-event", stream = "cut", says = "larger than 4 MB" },
  { "U19", "huge-event-16384", stream = "cut", says = "larger than 4 MB", heavy = true },
  { "U19", "endless-line", stream = "cut", outcome = "client_closed", heavy = true },
  { "U19", "big-2000", whole = 200 },
  -- errors that call themselves answers
  { "U20", "error-event-0", stream = { 503, "overloaded" } },
  { "U20", "error-event-1", stream = { "cut", "overloaded" } },
  { "U20", "error-event-5", stream = { "cut", "overloaded" } },
  { "U20", "named-error", whole = FAILED, stream = "cut" },
  { "U20", "finish-error", whole = FAILED, stream = "cut" },
  { "U20", "html-event", whole = FAILED, stream = "cut" },
  { "U20", "html-data", whole = FAILED, stream = "cut" },
  { "U20", "not-json", stream = FAILED },
  { "U20", "truncated-json", stream = "cut" },
  { "U21", "error-in-200", both = FAILED },
  { "U21", "html-200", both = FAILED },
  { "U21", "not-json", whole = FAILED },
  { "U21", "truncated-json", whole = FAILED },
  { "U21", "empty-200", both = FAILED },
  { "U22", "html-502", both = FAILED },
  { "U22", "html-503", both = { 503, "upstream_error" } },
  { "U22", "html-504", both = LATE },
}

-- The stream of this message has a role event, nine of content, the finish, usage (we ask for it) and [DONE].
local EVENTS, FIRST_CONTENT, USAGE, MARKER = 13, 2, 12, 13
for events = 0, EVENTS do
  local outcome = events < FIRST_CONTENT and FAILED or events < MARKER and "cut" or 200
  ROWS[#ROWS + 1] = { "U13", "cut-event-" .. events, stream = outcome, counted = events >= USAGE }
end

-- The same of another wire, for a client who speaks OpenAI's.
for _, row in ipairs {
  { "U06", "reset-after", both = FAILED },
  { "U10", "cut-head", both = FAILED },
  { "U11", "stall-head", both = LATE },
  { "U12", "stall-event-3", stream = LATE },
  { "U12", "stall-event-6", stream = { "cut", "timeout" } },
  { "U12", "gap-20", stream = 200 },
  { "U13", "cut-body", both = FAILED },
  { "U13", "cut-mid-event-3", stream = FAILED },
  { "U13", "cut-mid-event-5", stream = "cut" },
  { "U13", "reset-event-6", stream = "cut" },
  { "U13", "no-done", stream = "cut" }, -- here the end has a marker that is never left out
  { "U13", "no-finish", stream = "cut" },
  { "U15", "bad-chunk", both = FAILED },
  { "U20", "error-event-0", stream = { 503, "overloaded" } },
  { "U20", "error-event-2", stream = { "cut", "overloaded" } },
  { "U20", "not-json", stream = FAILED },
  { "U20", "truncated-json", stream = FAILED },
  { "U21", "error-in-200", both = FAILED },
  { "U21", "not-json", whole = FAILED },
  { "U21", "truncated-json", whole = FAILED },
  { "U21", "empty-200", both = FAILED },
  { "U22", "html-502", whole = FAILED },
} do
  row[2] = "claude/fault-" .. row[2]
  ROWS[#ROWS + 1] = row
end

-- Three events before the first of nine with content; then block, finish and marker.
for events = 0, 15 do
  local outcome = events < 4 and FAILED or events < 15 and "cut" or 200
  ROWS[#ROWS + 1] = { "U13", "claude/fault-cut-event-" .. events, stream = outcome }
end

local run = fault_matrix.new { rows = ROWS }

describe("a provider that fails", function()
  setup(function() run:start() end)
  teardown(function() assert.equal(0, run:stop()) end)

  for _, case in ipairs(run.cases) do
    it(case.name, function() run:check(case) end)
  end

  local function ask(model, is_stream)
    if is_stream then
      return run.gateway:stream { model = model }
    end
    return run.gateway:chat { model = model }
  end

  -- What became of a request at `good`, which keeps its connections, behind one that left such a connection.
  local function on_a_used_connection(model, is_stream)
    assert.equal(200, run.gateway:chat({ model = "good/hello" }).status)
    local answer = ask(model, is_stream)
    local record = run.gateway:record(answer.id)
    assert.equal(tostring(#record.attempts), answer.headers["x-attempts"])
    assert.equal(#record.attempts, #run.good:ledger(record.request_id))
    return answer, record.attempts
  end

  it("U06 makes a request again on a fresh connection when the pooled one was dead, and says so", function()
    local answer, attempts = on_a_used_connection "good/once-fault-reset-after"
    assert.equal(200, answer.status)
    assert.same({ 2, true }, { #attempts, attempts[2].fresh })
    answer, attempts = on_a_used_connection("good/first-1-fault-close-after", true)
    assert.is_true(answer.done)
    assert.same({ 2, true }, { #attempts, attempts[2].fresh })
  end)

  it("U06 never makes it a third time there", function()
    local answer, attempts = on_a_used_connection "good/fault-reset-after"
    assert.equal(502, answer.status)
    assert.equal(2, #attempts)
  end)

  for _, fault in ipairs { "not-json", "html-200", "truncated-json", "empty-200", "error-in-200", "two-content-lengths", "cut-head", "cut-body",
    "status-500", "compressed" } do
    it("U06 takes a bad answer for an answer, not for a dead connection: " .. fault, function()
      local answer, attempts = on_a_used_connection("good/fault-" .. fault)
      assert.is_truthy(answer.status >= 500)
      assert.equal(1, #attempts)
    end)
  end

  it("U08 gives the next request a clean connection after stray bytes", function()
    for _ = 1, 20 do
      assert.equal(200, run.gateway:chat({ model = "good/fault-stray" }).status)
      -- The stray bytes must be there before the connection is used again, or nobody could tell them from an answer.
      local rows = run.good:ledger_when(function(row) return row.model == "fault-stray" end, function(rows) return rows[#rows].outcome == "served" end)
      assert.equal("served", rows[#rows].outcome)
      local answer = run.gateway:chat { model = "good/hello" }
      assert.equal("This is the mock provider. You said: Hello there", house.text(answer))
    end
  end)

  it("keeps serving, with no more memory than bounded answers need", function()
    assert.equal(200, run.gateway:chat({ model = "good/hello" }).status)
    local _, peak = run.gateway.process:memory()
    assert.is_truthy(peak < 400 * 1024 or run.gateway.process:is_sanitized(), ("peak of %d KB"):format(peak))
  end)
end)
