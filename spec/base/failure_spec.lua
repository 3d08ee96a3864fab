-- failure_spec.lua -- the table of failures: that its rows agree with each other and with the dialects' own rules.
-- SPDX-License-Identifier: MIT
local failure = require("gateway.runtime").base.failure
local rows = failure.rows()

-- Anthropic's documented types and the status that each comes with (docs: API errors); 402, 408, 499 and the like are ours to choose.
local ANTHROPIC = {
  invalid_request_error = { [400] = true, [405] = true, [415] = true }, authentication_error = { [401] = true }, permission_error = { [403] = true },
  not_found_error = { [404] = true }, request_too_large = { [413] = true }, rate_limit_error = { [429] = true },
  api_error = { [499] = true, [500] = true, [502] = true }, timeout_error = { [504] = true }, overloaded_error = { [503] = true, [529] = true },
}
local OPENAI_STATUS = {
  invalid_request_error = { [400] = true, [404] = true, [405] = true, [413] = true, [415] = true }, authentication_error = { [401] = true },
  permission_error = { [403] = true }, rate_limit_error = { [429] = true }, insufficient_quota = { [429] = true },
  server_error = { [499] = true, [500] = true, [502] = true, [503] = true }, timeout_error = { [504] = true },
}

describe("the table of failures", function()
  it("finds every row by its name, and each name once", function()
    for kind, row in ipairs(rows) do
      assert.equal(kind, failure.kind_of(row.name), row.name)
      assert.is_truthy(row.name:match("^[a-z][a-z_]*$"))
    end
    for _, name in ipairs({ "", "n", "nonesuch", "RATE_LIMITED", "rate_limited ", "rate_limite", "timeout\0" }) do
      assert.is_nil(failure.kind_of(name))
    end
  end)

  for _, row in ipairs(rows) do
    it("says of " .. row.name .. " what both dialects can say", function()
      assert.is_truthy((OPENAI_STATUS[row.openai_type] or {})[row.openai_status], row.openai_type .. row.openai_status)
      assert.is_truthy((ANTHROPIC[row.anthropic_type] or {})[row.anthropic_status], row.anthropic_type .. row.anthropic_status)
      -- the same class of answer in both; 529 is Anthropic's 503
      assert.equal(row.openai_status // 100, row.anthropic_status // 100)
      if row.ours then assert.is_string(row.openai_code) end
    end)

    it("draws from " .. row.name .. " what follows", function()
      if row.ours then assert.same({ false, false, false }, { row.retry, row.fallback, row.health }) end
      if row.retry then assert.is_true(row.fallback) end -- what the same target may do, another one may
      if row.health then assert.is_true(row.openai_status >= 500) end -- a client's mistake is no fault of the target
    end)
  end

  it("retries what a moment may cure", function()
    local retried, blamed = {}, {}
    for _, row in ipairs(rows) do
      if row.retry then retried[#retried + 1] = row.name end
      if row.health then blamed[#blamed + 1] = row.name end
    end
    assert.same({ "rate_limited", "overloaded", "unavailable", "timeout", "starved" }, retried)
    assert.same({ "overloaded", "unavailable", "timeout" }, blamed)
  end)

  it("begins a failure with nothing but its kind, its message and no retry hint", function()
    local kind = failure.kind_of("timeout")
    assert.same({
      kind = kind, message = "too slow", phase = "none", sent = "not_sent", deadline = "none", status = 0, retry_after_us = -1, code_len = 0, param_len = 0,
    }, failure.make(kind, "too slow"))
    assert.equal("", failure.make(1, "").message)
  end)

  it("names phases, what was sent, and deadlines as policies see them", function()
    assert.same({ "none", "connect", "tls", "send", "headers", "first_token", "body", "stream" }, failure.phases())
    assert.same({ "not_sent", "refused", "uncertain", "content_started" }, failure.sents())
    assert.same({ "none", "connect", "tls", "headers", "first_token", "idle", "total" }, failure.deadlines())
  end)
end)
