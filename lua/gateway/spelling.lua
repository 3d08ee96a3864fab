--- Names that people mistyped, and what they may have meant.
-- SPDX-License-Identifier: MIT

local spelling = {}

--- Edit distance, for names people mistyped.
local function distance(a, b)
  local row = {}
  for j = 0, #b do
    row[j] = j
  end
  for i = 1, #a do
    local diagonal = row[0]
    row[0] = i
    for j = 1, #b do
      local change = diagonal + (a:byte(i) == b:byte(j) and 0 or 1)
      diagonal = row[j]
      row[j] = math.min(row[j] + 1, row[j - 1] + 1, change)
    end
  end
  return row[#b]
end

--- The name nearest to `name`, or nil when none is near.
function spelling.nearest(name, names)
  local best, best_score
  for _, candidate in ipairs(names) do
    local score = #name <= 64 and distance(name:lower(), candidate:lower())
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

return spelling
