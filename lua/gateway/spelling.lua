--- Suggestions for mistyped names.
-- SPDX-License-Identifier: MIT

local spelling = {}

local distance = require("gateway.runtime").text.distance
local WORD_MAX <const>, CANDIDATE_MAX <const> = 64, 256 -- a candidate that is longer is never near

--- The name nearest to `name`, or nil when none is near.
function spelling.nearest(name, names)
  local best, best_score
  for _, candidate in ipairs(names) do
    local score = #name <= WORD_MAX and #candidate <= CANDIDATE_MAX and distance(name:lower(), candidate:lower())
    if score and score <= #name // 3 + 1 and (not best or score < best_score) then
      best, best_score = candidate, score
    end
  end
  return best
end

--- " (did you mean 'x'?)", or nothing.
function spelling.hint(name, names)
  local near = spelling.nearest(name, names)
  return near and (" (did you mean '%s'?)"):format(near) or ""
end

local SHORT <const>, LONGEST <const> = 16, 64

--- May a message repeat this name? A long text of mixed characters may be a key in the wrong place.
function spelling.is_name(text)
  local one_case = text:find "^[%u%d_]+$" or text:find "^[%l_]+$"
  return text:find "^[%a_][%w_]*$" ~= nil and #text <= (one_case and LONGEST or SHORT)
end

return spelling
