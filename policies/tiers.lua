--- The models and the rate limit of each tier.
--
-- The name of a limit is its identity: after a reload the same counters are
-- found again, so editing this file does not reset a user's daily limit.

local limit = require "gateway.limit"
local pattern = require "gateway.pattern"
local settings = require "gateway.settings"

local tiers = {
  default = { -- for callers without a tier; gateway.lua may set a limit for them
    models = { "*" },
    limit = settings.default_limit and limit(settings.default_limit),
  },
  free = {
    models = { "*-mini", "mock/*" },
    limit = limit {
      name = "free", per = "user", requests = "20/min", tokens = "100k/day", concurrent = 2,
    },
  },
  pro = {
    models = { "*" },
    limit = limit { name = "pro", per = "user", requests = "300/min", tokens = "10M/day" },
  },
}

-- Known at load: a key of gateway.lua with another tier is a mistake, and refused.
local policy = { tiers = {} }
for name in pairs(tiers) do
  policy.tiers[#policy.tiers + 1] = name
end

function policy.admit(request)
  local tier = tiers[request.user.tier] or tiers.default
  if not pattern.any(tier.models, request.model) then
    local message = "your tier does not include " .. request.model
    return nil, { status = 403, code = "model_not_allowed", message = message }
  end
  return { tier.limit }
end

return policy
