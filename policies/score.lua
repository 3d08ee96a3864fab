--- The best all round: a weighted sum of what we know about each target.

local order = require "gateway.order"

-- How much each part counts; each part is from 0 to 1.
local PRIORITY <const>    = 1.0 -- what gateway.lua says: 1 is first in line
local LEADERBOARD <const> = 2.0 -- how well the model does on a public board
local PARAMETERS <const>  = 0.5 -- can it write as much as asked for, and as wildly
local CONTEXT <const>     = 0.5 -- room left after this prompt

local policy = {}

function policy.route(request)
  local prompt, wanted = request.estimate.input_tokens, request.max_tokens or 1
  local temperature = request.temperature or 1

  local function score(target)
    local first = target.priority > 1 and 1 / target.priority or 1
    local length = target.max_output < wanted and target.max_output / wanted or 1
    local able = temperature <= target.max_temperature and (length + 1) / 2 or length / 2
    local room = prompt < target.context and 1 - prompt / target.context or 0
    return -(PRIORITY * first + LEADERBOARD * target.leaderboard
      + PARAMETERS * able + CONTEXT * room)
  end

  return order.by(request.targets, score, { margin = 0, turn = request.turn })
end

return policy
