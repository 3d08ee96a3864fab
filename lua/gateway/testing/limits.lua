--- Limits in specs: the gateway's own limiter under the held clock, charged and settled as gateway/limits.c does it.
-- SPDX-License-Identifier: MIT

local limits = {}

local UNITS = { "requests", "tokens", "concurrent" }

--- Charges a run's request. -> the reservation and what is left of each unit { limit, remaining, reset_s }; or nil, that, and the failure.
function limits.charge(limiter, rules, request, now)
  local tokens = request.estimate.input_tokens + (request.max_tokens or request.estimate.output_tokens)
  local reservation, verdict = limiter:charge(rules, { user = request.user.id, model = request.model }, now, tokens)
  local left = {}
  for _, unit in ipairs(UNITS) do
    local facts = verdict[unit]
    left[unit] = facts and { limit = facts.limit, remaining = facts.remaining, reset_s = math.max(0, facts.reset - now) }
  end
  if reservation then
    return reservation, left
  end
  return nil, left, {
    kind = "rate_limit_exceeded", status = 429, message = verdict.message, limit = verdict.limit, retry_after_s = verdict.retry_after,
  }
end

--- The tokens that a test's walk used: `usage` of the upstream that answered; 0 where no provider acted; nil: unknown.
function limits.used(usage, attempts)
  if usage then
    return (usage.input_tokens or 0) + (usage.output_tokens or 0)
  end
  for _, attempt in ipairs(attempts) do
    local sent = attempt.failure and attempt.failure.sent
    if not attempt.failure or sent == "uncertain" or sent == "content_started" then
      return nil
    end
  end
  return 0
end

return limits
