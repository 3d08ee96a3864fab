--- Scripted upstreams: what a provider does with one attempt, as the events the runtime would see.
--
-- A script is a table { after = seconds until its answer or failure begins, lasts = seconds of an answer, text, failure, … }; times
-- may be given as "200ms". Nothing waits: the clock is held.
-- SPDX-License-Identifier: MIT

local units = require "gateway.units"

local upstreams = {}

local CONNECT_S = 0.001

local function seconds(value, default, level)
  if value == nil then
    return default
  elseif type(value) == "number" then
    return value
  end
  local read, message = units.duration(value)
  if not read then
    error(message, level or 4)
  end
  return read
end

local OPTIONS = { after = true, lasts = true, usage = true, retry_after = true, status = true, message = true, code = true }

local function read_options(options)
  options = options or {}
  for key in pairs(options) do
    if not OPTIONS[key] then
      error(("an upstream's script has no '%s' (after, lasts, usage, retry_after, status, message, code)"):format(tostring(key)), 4)
    end
  end
  return options
end

--- A failure that comes as the provider's answer (or instead of one).
local function failing(kind, status, sent, phase, default_message)
  return function(options)
    options = read_options(options)
    return {
      after = seconds(options.after, 0.05),
      failure = {
        kind = kind, status = options.status or status, sent = sent, phase = phase, code = options.code,
        message = options.message or default_message,
        retry_after_s = seconds(options.retry_after),
      },
    }
  end
end

--- The whole answer; options: after = "200ms" until its first content, lasts = "1s" from there to its end, usage = { input_tokens,
--- output_tokens }.
function upstreams.answer(text, options)
  options = read_options(options)
  return { text = text or "", after = seconds(options.after, 0.2), lasts = seconds(options.lasts, 1), usage = options.usage }
end

--- An answer that ends before its end: the connection is cut after the first content.
function upstreams.cut(text, options)
  local script = upstreams.answer(text, options)
  script.failure = { kind = "unavailable", sent = "content_started", phase = "stream", message = "the stream ended before its end" }
  script.cut = true
  return script
end

--- Silence: takes the request and says nothing more (with a text: nothing after that), until a deadline passes.
function upstreams.stall(text, options)
  local script = upstreams.answer(text, options)
  script.stall, script.silent = true, text == nil
  return script
end

upstreams.rate_limited = failing("rate_limited", 429, "refused", "headers", "rate limit reached")
upstreams.quota = failing("quota", 429, "refused", "headers", "quota exceeded")
upstreams.overloaded = failing("overloaded", 503, "refused", "headers", "overloaded")
upstreams.unavailable = failing("unavailable", 502, "refused", "headers", "bad gateway")
upstreams.auth = failing("auth", 401, "refused", "headers", "invalid api key")
upstreams.invalid_request = failing("invalid_request", 400, "refused", "headers", "the request is wrong")
upstreams.model_not_found = failing("model_not_found", 404, "refused", "headers", "no such model")
upstreams.context_length = failing("context_length", 400, "refused", "headers", "the prompt is too long")
upstreams.content_filter = failing("content_filter", 400, "refused", "headers", "filtered")
--- An upstream that refuses connections.
upstreams.refused = failing("unavailable", nil, "not_sent", "connect", "connection refused")
--- The connection broke after the request was sent whole: it may have been done.
upstreams.reset = failing("unavailable", nil, "uncertain", "headers", "connection reset")
--- The provider says itself that it ran out of time.
upstreams.timeout = failing("timeout", 504, "uncertain", "headers", "gateway timeout")

--- The events of one attempt: a list of { at, kind [, failure] }, in order. `stream`: whether content is told apart.
function upstreams.events(script, began, stream)
  local events = {}
  local function add(after, kind, failure)
    events[#events + 1] = { at = began + after, kind = kind, failure = failure }
  end
  local failure = script.failure
  if failure and failure.phase == "connect" then
    add(script.after, "failed", failure)
    return events
  end
  add(CONNECT_S, "connected")
  add(CONNECT_S, "ready")
  add(CONNECT_S, "sent")
  local after = math.max(script.after, CONNECT_S)
  if failure and not script.cut then
    add(after, "failed", failure)
    return events
  elseif script.silent then
    return events
  end
  add(after, "headers")
  if stream then
    add(after, "content")
  end
  if script.cut then
    add(after + script.lasts, "failed", failure)
  elseif not script.stall then
    add(after + script.lasts, "done")
  end
  return events
end

return upstreams
