--- What the gateway does when nobody says otherwise.
--
-- The strategy decides in which order targets are tried, fallback.lua what
-- happens when one fails. gateway.lua names the strategy; a client may ask for
-- another by any of these names.

local fallback = require "policies.fallback"

local strategies = {}
for _, name in ipairs {
  "round_robin", "weighted", "priority", "lowest_latency", "least_busy",
  "cost_optimized", "quality", "score", "sticky",
} do
  strategies[name] = require("policies." .. name)
end
strategies.least_latency = strategies.lowest_latency
strategies.lowest_cost = strategies.cost_optimized

local policy = {
  strategies = strategies,
  recover = fallback.recover,
}

function policy.route(request)
  return strategies[request.strategy].route(request)
end

return policy
