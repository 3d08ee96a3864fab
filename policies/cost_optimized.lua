--- Cheapest first, by what this request would cost on each target.
--
-- `cost_usd` is the prompt and the answer to be expected, at the target's own
-- prices. Equally cheap targets take turns. An unpriced target is not a free
-- one: `order.by` puts what is unknown last.

local order = require "gateway.order"

local policy = {}

function policy.route(request)
  return order.by(request.targets, "cost_usd", { margin = 0, turn = request.turn })
end

return policy
