--- When no target has capacity: wait for it, paying users first, instead of a 503.

local default = require "policies.default"
local first = { pro = 0 } -- classes by tier: 0 goes before all others, 9 after them

local policy = {
  strategies = default.strategies, tiers = default.tiers,
  admit = default.admit, recover = default.recover,
}

function policy.route(request)
  if #request.targets == 0 then
    return nil, { wait = "2s", priority = first[request.user.tier] or 5 }
  end
  return default.route(request)
end

return policy
