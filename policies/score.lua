--- The best all round: a weighted sum of what we know about each target.

local order = require "gateway.order"

-- How much each part counts.
local PRIORITY    = 1.0 -- what gateway.lua says: 1 is first in line
local LEADERBOARD = 2.0 -- how well the model does on a public board, 0..1
local PARAMETERS  = 0.5 -- can it do what the request asks for, 0..1
local CONTEXT     = 0.5 -- room left after this prompt, 0..1

local function parameter_score(target, wanted, temperature)
  local output = math.min(1, target.max_output / wanted)
  local cool = temperature <= target.max_temperature and 1 or 0
  return (output + cool) / 2
end

local policy = {}

function policy.route(request)
  local prompt = request.estimate.input_tokens
  local wanted, temperature = math.max(1, request.max_tokens or 1), request.temperature or 1
  return order.by(request.targets, function(target)
    return -(PRIORITY / math.max(1, target.priority)
      + LEADERBOARD * target.leaderboard
      + PARAMETERS * parameter_score(target, wanted, temperature)
      + CONTEXT * math.max(0, 1 - prompt / target.context))
  end, { margin = 0, turn = request.turn })
end

return policy
