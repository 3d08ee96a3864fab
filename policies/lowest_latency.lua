--- Fastest first: the target that would finish this very answer soonest.
--
-- `expected_ms` is its time to first token plus its time per token for as many
-- tokens as this model usually answers with, both of late. Targets within a
-- tenth of the best count as equally fast and take turns, so that a small lead
-- does not draw the whole crowd.

local order = require "gateway.order"

local MARGIN  = 0.1  -- as fast as the best, for all we can tell
local EXPLORE = 0.02 -- of the requests go round in turn: a target that was slow may be fast again

local policy = {}

function policy.route(request)
  if request.random < EXPLORE then
    return order.rotate(request.targets, request.turn)
  end
  return order.by(request.targets, "expected_ms", { margin = MARGIN, turn = request.turn })
end

return policy
