--- The best all round: a weighted sum of what we know about each target.

local order = require "gateway.order"

-- How much each part counts; each part is from 0 to 1.
local PRIORITY <const>    = 1.0 -- what gateway.lua says: 1 is first in line
local LEADERBOARD <const> = 2.0 -- the model's quality points
local PARAMETERS <const>  = 0.5 -- can it write as much as asked for, and as wildly
local CONTEXT <const>     = 0.5 -- context left after this prompt

local policy = {}

function policy.route(request)
  local prompt, wanted = request.estimate.input_tokens, request.max_tokens or 1
  local temperature = request.temperature or 1

  local function score(target)
    local priority, output, context = target.priority, target.max_output, target.context
    local points = LEADERBOARD * target.leaderboard
      + PRIORITY / (priority > 1 and priority or 1)
      + PARAMETERS / 2 * (output < wanted and output / wanted or 1)
    if temperature <= target.max_temperature then
      points = points + PARAMETERS / 2
    end
    if prompt < context then
      points = points + CONTEXT * (1 - prompt / context)
    end
    return -points
  end

  return order.by(request.targets, score, { margin = 0, turn = request.turn })
end

return policy
