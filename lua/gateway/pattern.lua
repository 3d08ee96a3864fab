--- Names with a `*` in them: "gpt-4o*", "*-mini", "mock/*".
-- SPDX-License-Identifier: MIT

local pattern = {}

local find, sub = string.find, string.sub

local TEXT_MAX = 1024 -- no name is longer; keeps the search short

--- Whether `text` is what `glob` describes; `*` stands for any run of characters, everything else for itself.
function pattern.matches(glob, text)
  if type(glob) ~= "string" or type(text) ~= "string" or #glob > TEXT_MAX or #text > TEXT_MAX then
    return false
  end
  local star = find(glob, "*", 1, true)
  if not star then
    return glob == text
  elseif sub(text, 1, star - 1) ~= sub(glob, 1, star - 1) then
    return false
  end
  local at = star -- in text: the first character not accounted for
  while true do
    local following = find(glob, "*", star + 1, true)
    local piece = sub(glob, star + 1, (following or 0) - 1)
    if not following then -- the end of the text must be the end of the glob
      return #text - at + 1 >= #piece and sub(text, #text - #piece + 1) == piece
    end
    local _, last = find(text, piece, at, true) -- the leftmost place leaves most to the others
    if not last then
      return false
    end
    at, star = last + 1, following
  end
end

--- Whether any pattern of the list describes the text.
function pattern.any(list, text)
  if type(list) ~= "table" then
    error("pattern.any: expected a list of patterns, got " .. type(list), 2)
  end
  for i = 1, #list do
    if pattern.matches(list[i], text) then
      return true
    end
  end
  return false
end

return pattern
