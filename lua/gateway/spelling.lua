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

local SHORT <const>, LONGEST <const> = 16, 64

--- Is this a name that may be repeated? What is long and mixed may be a key that stands where a name belongs.
function spelling.is_name(text)
  local one_case = text:find "^[%u%d_]+$" or text:find "^[%l_]+$"
  return text:find "^[%a_][%w_]*$" ~= nil and #text <= (one_case and LONGEST or SHORT)
end

return spelling
