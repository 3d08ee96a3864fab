--- Every way a provider can answer that is no good answer (rows U23 and later of the matrix of upstream faults).
local fault_matrix = require "support.fault_matrix"

local FAILED, LATE, THROTTLED = { 502, "upstream_error" }, { 504, "upstream_timeout" }, { 429, "rate_limit_exceeded" }
local KEY = "sk-bad-provider-key-1234" -- of support/fault_matrix.lua's failing provider

-- ---------------------------------------------------------------- answers to be said

local function answer_of(status, headers, body)
  return ("HTTP/1.1 %d Said\r\n%sContent-Length: %d\r\n\r\n%s"):format(status, headers, #body, body)
end

local JSON, SSE = "Content-Type: application/json\r\n", "Content-Type: text/event-stream\r\n"

--- A good body in either form: `usage` is the text of its usage object, or none; `behind` what follows [DONE].
local function good_body(form, usage, behind)
  if form == "whole" then
    return ([[{"id":"x","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":]] ..
      [["Here you are."},"finish_reason":"stop"}]%s}]]):format(usage and ',"usage":' .. usage or "")
  end
  local chunk = [[data: {"id":"x","object":"chat.completion.chunk","created":1,"model":"m","choices":[%s]%s}]] .. "\n\n"
  return chunk:format([[{"index":0,"delta":{"role":"assistant","content":"Here you are."},"finish_reason":null}]], "") ..
    chunk:format([[{"index":0,"delta":{},"finish_reason":"stop"}]], "") .. (usage and chunk:format("", ',"usage":' .. usage) or "") ..
    "data: [DONE]\n\n" .. (behind and chunk:format("", ',"usage":' .. behind) or "")
end

--- The beginning of a good stream, and then an error event.
local function broken_off(form, message)
  local beginning = good_body(form):gsub("data: [^\n]*finish_reason\":\"stop.*$", "")
  return beginning .. 'data: {"error":' .. require("cjson").encode { message = message, code = message } .. "}\n\n"
end

--- A stream whose events have a chunk each.
local function chunked(body)
  local chunks = body:gsub("\n\n", "\n\n\0"):gsub("%Z+", function(event) return ("%x\r\n%s\r\n"):format(#event, event) end):gsub("%z", "")
  return ("HTTP/1.1 200 Said\r\n%sTransfer-Encoding: chunked\r\n\r\n%s0\r\n\r\n"):format(SSE, chunks)
end

local function good(usage, headers, behind)
  return function(form)
    return answer_of(200, (form == "whole" and JSON or SSE) .. (headers or ""), good_body(form, usage, behind))
  end
end

local function error_of(status, message, headers)
  return answer_of(status, JSON .. (headers or ""), require("cjson").encode { error = { message = message, type = "x", code = "y" } })
end

local function gzip(text)
  local path = os.tmpname()
  local pipe = assert(io.popen("gzip -nc >" .. path, "w"))
  pipe:write(text)
  pipe:close()
  local bytes = require("support.process").read_file(path)
  os.remove(path)
  return bytes
end

local function coded(coding, body)
  return function(form)
    return answer_of(200, (form == "whole" and JSON or SSE) .. ("Content-Encoding: %s\r\n"):format(coding), body or gzip(good_body(form, nil)))
  end
end

-- ---------------------------------------------------------------- the rows

local ROWS = {
  -- U23: what is wrong with the request is not tried again anywhere; a key or a model that one provider lacks another may have
  { "U23", "status-400", both = { 400 }, final = true },
  { "U23", "status-401", both = { 401, "invalid_api_key" } },
  { "U23", "status-403", both = { 403, "permission_denied", "auth" } },
  { "U23", "status-404", both = { 404, "model_not_found" } },
  { "U23", "status-413", both = { 413, "request_too_large" }, final = true },
  { "U23", "status-422", both = { 400 }, final = true },
  { "U23", "context-length", both = { 400, "context_length_exceeded" } },
  { "U24", "status-408", both = LATE },
  { "U24", "status-409", both = { 400 }, final = true },
  { "U24", "status-500", both = FAILED },
  { "U24", "status-502", both = FAILED },
  { "U24", "status-503", both = { 503, "upstream_error" } },
  { "U24", "status-504", both = LATE },
  { "U24", "status-529", both = { 503, "overloaded" } },
  { "U25", "quota", both = { 429, "insufficient_quota" } },
  { "U27", "status-301", both = FAILED },
  { "U27", "status-302", both = FAILED },
  { "U27", "status-303", both = FAILED },
  { "U27", "status-307", both = FAILED },
  { "U27", "status-308", both = FAILED },
  { "U28", "compressed", both = FAILED, says = "compressed" },
  { "U29", "interim", both = 200 },
  { "U36", "early-413", both = { 413, "request_too_large" }, final = true },
  { "U42", "usage-none", both = 200, estimated = true },
  { "U44", "echo-auth", both = { 401, "invalid_api_key" } },
}

local function row(number, name, say, expected, more)
  local new = { number, "say", name = name, say = say, both = expected }
  for key, value in pairs(more or {}) do
    new[key] = value
  end
  if new.whole or new.stream then
    new.both = nil
  end
  ROWS[#ROWS + 1] = new
end

-- The state machine is driven under a held clock elsewhere (shared/health_spec.lua, providers/errors_spec.lua): here only that the hint reaches it.
local function cools(case)
  local seconds = case.breaker.cooldown_s or 0
  assert.is_truthy(seconds <= case.row.cools, ("%s s of cool-down"):format(seconds))
  assert.is_truthy(case.row.cools < 60 or seconds > 5, ("only %s s of cool-down"):format(seconds))
end

-- U25: how long a target is left alone, and what the client hears: { headers, seconds for the client, seconds of cool-down }.
for _, hint in ipairs {
  { "", nil, 5 },
  { "Retry-After: 7", "7", 7 },
  { "Retry-After: 1.5", "2", 1.5 },
  { "Retry-After: 0", "0", 1 },
  { "Retry-After: -5", nil, 5 },
  { "Retry-After: soon", nil, 5 },
  { "Retry-After: 1000000000", "3600", 60 },
  { "Retry-After: Fri, 31 Dec 1999 23:59:59 GMT", "0", 1 },
  { "Retry-After: Fri, 31 Dec 2100 23:59:59 GMT", "3600", 60 },
  { "Retry-After: Fri, 31 Dec 2100 23:59:59 PST", nil, 5 },
  { "retry-after-ms: 2500", "3", 2.5 },
  { "retry-after-ms: -1\r\nRetry-After: 9", "9", 9 },
  { "retry-after-ms: 1500\r\nRetry-After: 9", "2", 1.5 },
  { "x-ratelimit-remaining-requests: 0\r\nx-ratelimit-reset-requests: 1s", "1", 1 },
  { "x-ratelimit-remaining-tokens: 0\r\nx-ratelimit-reset-tokens: 6m0s", "360", 60 },
  { "x-ratelimit-remaining-tokens: 3\r\nx-ratelimit-reset-tokens: 6m0s", nil, 5 },
  { "x-ratelimit-remaining: 0\r\nx-ratelimit-reset: 1000000001", "0", 1 },
  { "x-ratelimit-remaining: 0\r\nx-ratelimit-reset: 4133980799000", "3600", 60 },
} do
  row("U25", "429 with " .. (hint[1] == "" and "no hint" or hint[1]:gsub("\r\n", ", ")), error_of(429, "slow down", hint[1] == "" and "" or
    hint[1] .. "\r\n"), THROTTLED, { retry_after = hint[2], cools = hint[3], check = cools })
end

-- U27: nowhere is gone to, whatever stands there.
for _, place in ipairs { "file:///etc/passwd", "http://169.254.169.254/latest/meta-data/", "//good/", "GOOD" } do
  row("U27", "308 to " .. place, function(_, run)
    return answer_of(308, "Location: " .. place:gsub("GOOD", run.good.origin .. "/v1/chat/completions") .. "\r\n", "")
  end, FAILED)
end

row("U28", "gzip", coded "gzip", FAILED, { says = "compressed" })
row("U28", "gzip, said as x-gzip, identity", coded "x-gzip, identity", FAILED, { says = "compressed" })
row("U28", "br", coded("br", "\x0b\x02\x80hello\x03"), FAILED, { says = "compressed" })
row("U28", "bad gzip", coded("gzip", "\x1f\x8b\x08nonsense"), FAILED, { says = "compressed" })
row("U28", "gzip bomb", coded("gzip", gzip((" "):rep(2 << 20))), FAILED, { says = "compressed" })
row("U28", "gzip that is not said", function(form) return answer_of(200, form == "whole" and JSON or SSE, gzip(good_body(form))) end, FAILED)
row("U28", "a compressed refusal", answer_of(500, JSON .. "Content-Encoding: gzip\r\n", gzip '{"error":{"message":"secret"}}'), FAILED,
  { says = "^the provider answered 500$" })
row("U28", "identity", good('{"prompt_tokens":3,"completion_tokens":4}', "Content-Encoding: identity\r\n"), 200, { tokens = { 3, 4 } })

for _, status in ipairs { 204, 205, 206, 304 } do
  row("U29", tostring(status), function(form) return answer_of(status, form == "whole" and JSON or SSE, good_body(form)) end, FAILED)
end
row("U29", "103 and then the answer", function(form)
  return "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" .. good '{"prompt_tokens":3,"completion_tokens":4}' (form)
end, 200, { tokens = { 3, 4 } })
row("U29", "101", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n", FAILED, { says = "switches protocols" })

for _, line in ipairs { "ICY 200 OK", "HTTP/1.1 abc Said", "HTTP/1.1 99 Said", "HTTP/1.1 099 Said", "HTTP/1.1 1000 Said", "HTTP/1.1 600 Said",
  "HTTP/1.1  200 Said", "HTTP/2 200", "http/1.1 200 OK", "HTTP/0.9 200 OK" } do
  row("U30", line, function(form) return (good()(form):gsub("^[^\r]*", line)) end, FAILED, { phase = "headers" })
end
row("U30", "HTTP/0.9", function(form) return good_body(form) end, FAILED, { phase = "headers", says = "not HTTP" })

-- U42: who counts nonsense is not believed: the tokens are estimated, and the log says so.
for _, usage in ipairs {
  '{"prompt_tokens":-3,"completion_tokens":4}', '{"prompt_tokens":3,"completion_tokens":-4}', '{"prompt_tokens":1e18,"completion_tokens":4}',
  '{"prompt_tokens":3,"completion_tokens":1000000000000000000}', '{"prompt_tokens":"3","completion_tokens":"4"}', '{"prompt_tokens":3}', "{}", "null",
  '"3"', "[3,4]", '{"prompt_tokens":1e400,"completion_tokens":4}', '{"prompt_tokens":0.5,"completion_tokens":4}',
} do
  row("U42", "usage of " .. usage, good(usage), 200, { estimated = true })
end
row("U42", "usage of integers written as floats", good '{"prompt_tokens":3.0,"completion_tokens":4e0}', 200, { tokens = { 3, 4 } })
row("U42", "more cached than there was", good '{"prompt_tokens":3,"completion_tokens":4,"prompt_tokens_details":{"cached_tokens":-7}}', 200,
  { tokens = { 3, 4 } })
row("U42", "usage that comes twice", function(form)
  local once = '{"prompt_tokens":3,"completion_tokens":4}'
  return (good(once)(form):gsub("data: %[DONE%]", function(mark)
    return ('data: {"id":"x","choices":[],"usage":%s}\n\n%s'):format(once, mark)
  end):gsub("Content%-Length: %d+\r\n", form == "stream" and "" or "%0"))
end, 200, { tokens = { 3, 4 } })
row("U42", "usage behind [DONE]", good(nil, "", '{"prompt_tokens":300,"completion_tokens":400}'), nil, { stream = 200, estimated = true })

-- The same of Anthropic's wire, which counts at both ends of a stream.
local function claudes(first, last)
  return function(form)
    if form == "whole" then
      return answer_of(200, JSON, ([[{"id":"x","type":"message","role":"assistant","model":"m","content":[{"type":"text","text":"Here you are."}],]] ..
        [["stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":%s,"output_tokens":%s}}]]):format(first, last))
    end
    return answer_of(200, SSE, ([[
event: message_start
data: {"type":"message_start","message":{"id":"x","type":"message","role":"assistant","model":"m","content":[],"usage":{"input_tokens":%s,"output_tokens":1}}}

event: content_block_start
data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Here you are."}}

event: content_block_stop
data: {"type":"content_block_stop","index":0}

event: message_delta
data: {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":%s}}

event: message_stop
data: {"type":"message_stop"}

]]):format(first, last))
  end
end

row("U42", "Anthropic's usage", claudes("3", "4"), 200, { [2] = "claude/fault-say", tokens = { 3, 4 } })
for _, count in ipairs { "-3", "1e18", '"3"', "null", "{}" } do
  row("U42", "Anthropic's prompt of " .. count, claudes(count, "4"), 200, { [2] = "claude/fault-say", estimated = true })
end
row("U42", "Anthropic's answer of -4", claudes("3", "-4"), 200, { [2] = "claude/fault-say", estimated = true })

-- U44: what the provider repeats of the key it was sent.
local function no_key(case, run)
  local body, log = case.answer.body or "", run.gateway.process:err()
  for _, event in ipairs(case.answer.list or {}) do
    body = body .. event.raw
  end
  for _, piece in ipairs { KEY:sub(1, 12), KEY:sub(-12), "bad-provider-key", require("mime").b64("Bearer " .. KEY):sub(12, -8) } do
    assert.is_nil(body:find(piece, 1, true), "the client is shown " .. piece)
    assert.is_nil(log:find(piece, 1, true), "the log shows " .. piece)
  end
end

for name, text in pairs {
  ["whole"] = "bad key " .. KEY, ["in part"] = "bad key ending in " .. KEY:sub(-14), ["its beginning"] = "bad key " .. KEY:sub(1, 14) .. "...",
  ["in base64"] = "you sent " .. require("mime").b64("Bearer " .. KEY), ["as a header"] = "Authorization: Bearer " .. KEY,
  ["quoted"] = '{"headers":{"authorization":"Bearer ' .. KEY .. '"}}', ["amid letters"] = "xx" .. KEY .. "yy",
} do
  row("U44", "401, the key " .. name, error_of(401, text), { 401, "invalid_api_key" }, { check = no_key })
  row("U44", "500, the key " .. name, error_of(500, text), FAILED, { check = no_key })
  row("U44", "200 with an error, the key " .. name, error_of(200, text), FAILED, { check = no_key })
  row("U44", "an error event behind content, the key " .. name, function(form) return chunked(broken_off(form, text)) end, nil,
    { stream = "cut", check = no_key })
end
-- Content that came together with a failure was not sent on: another target may still answer.
row("U20", "an error event in one piece with content", function(form) return answer_of(200, SSE, broken_off(form, "no more")) end, nil,
  { stream = FAILED, phase = "stream", sent = "content_started", says = "no more" })
row("U44", "HTML, the key whole", answer_of(500, "Content-Type: text/html\r\n", "<html>" .. KEY .. "</html>"), FAILED, { check = no_key })
row("U44", "plain text, the key whole", answer_of(400, "Content-Type: text/plain\r\n", "no: " .. KEY), { 400 }, { final = true, check = no_key })

-- The same of another wire, for a client who speaks OpenAI's.
for _, other in ipairs {
  { "U23", "status-400", whole = { 400 }, final = true },
  { "U23", "status-401", whole = { 401, "invalid_api_key" } },
  { "U23", "context-length", whole = { 400, "context_length_exceeded" } },
  { "U24", "status-500", whole = { 502, "upstream_error" } },
  { "U24", "status-529", both = { 503, "overloaded" } },
  { "U25", "status-429", both = { 429, "rate_limit_exceeded" } },
  { "U42", "usage-none", both = 200, estimated = true },
  { "U44", "echo-auth", whole = { 401, "invalid_api_key" } },
} do
  other[2] = "claude/fault-" .. other[2]
  ROWS[#ROWS + 1] = other
end

local run = fault_matrix.new { rows = ROWS, models = [[
    ["pair-500"] = { "bad/fault-status-500", "good/hello" },
    ["pair-reset"] = { "bad/fault-reset-after", "good/hello" },
]] }

describe("a provider that refuses", function()
  setup(function() run:start() end)
  teardown(function() assert.equal(0, run:stop()) end)

  for _, case in ipairs(run.cases) do
    it(case.name, function() run:check(case) end)
  end

  it("U25 passes the provider's hint on, and does not ask again sooner", function()
    local answer = run.gateway:chat { model = "bad/fault-status-429-retry-7" }
    assert.same({ 429, "7" }, { answer.status, answer.headers["retry-after"] })
  end)

  it("U36 is heard when it answers before it has read a large body", function()
    local large = { { role = "user", content = ("word "):rep(2 * 1024 * 1024) } }
    -- The model must stand first, or the provider cannot know it yet.
    local function body(model)
      return ('{"model":"%s","messages":%s}'):format(model, require("cjson").encode(large))
    end
    for _, provider_name in ipairs { "bad", "good" } do
      local refused = run.gateway:chat({}, { body = body(provider_name .. "/fault-early-413") })
      assert.same({ 413, "request_too_large" }, { refused.status, refused:json().error.code })
      assert.equal(502, run.gateway:chat({}, { body = body(provider_name .. "/fault-reset-before") }).status)
    end
  end)

  it("is left alone by a client who wants one target only", function()
    local answer = run.gateway:chat { model = "pair-500", fallback = false }
    assert.same({ 502, "1" }, { answer.status, answer.headers["x-attempts"] })
  end)

  it("does not make a request twice that says it must not be", function()
    local answer = run.gateway:chat { model = "pair-reset", store = true }
    assert.same({ 502, "1" }, { answer.status, answer.headers["x-attempts"] })
    assert.equal(200, run.gateway:chat({ model = "pair-500", store = true }).status)
  end)
end)
