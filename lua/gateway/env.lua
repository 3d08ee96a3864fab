--- .env files: one NAME=value per line, as Docker and shells read them.
--
--     # a comment
--     export NAME=value          # blanks around and a comment behind are not part of it
--     QUOTED="two words\n"       # \n \r \t \" \\ mean what they mean
--     LITERAL='as it $stands'
--
-- No value refers to another: what is written is what is meant.
-- SPDX-License-Identifier: MIT

local env = {}

local ESCAPES = { n = "\n", r = "\r", t = "\t", ['"'] = '"', ["\\"] = "\\" }

--- The text behind "NAME=" -> the value, or nil and what is wrong.
local function read_value(text)
  local quote = text:match "^[\"']"
  if not quote then
    return (text:gsub("%s+#.*$", ""):gsub("^#.*$", ""):gsub("%s+$", ""))
  elseif quote == "'" then
    local value, rest = text:match "^'([^']*)'%s*(.*)$"
    if value and (rest == "" or rest:find "^#") then
      return value
    end
    return nil, "a quote is not closed"
  end
  local value, at = {}, 2
  while true do
    local piece, mark = text:match('^([^"\\]*)(["\\])', at)
    if not piece then
      return nil, "a quote is not closed"
    end
    value[#value + 1] = piece
    at = at + #piece + 1
    if mark == '"' then
      break
    end
    local escaped = text:sub(at, at)
    value[#value + 1] = ESCAPES[escaped] or "\\" .. escaped
    at = at + 1
  end
  local rest = text:sub(at)
  if not rest:find "^%s*$" and not rest:find "^%s*#" then
    return nil, "there is text behind the closing quote"
  end
  return table.concat(value)
end

--- The text of a file -> name -> value; or nil and a complaint: ".env:3: expected NAME=value". Values are never part of a complaint.
function env.parse(text, file)
  local values, number = {}, 0
  text = text:gsub("^\239\187\191", "") -- a byte order mark
  for line in (text .. "\n"):gmatch "(.-)\r?\n" do
    number = number + 1
    line = line:match "^%s*(.-)%s*$"
    if line ~= "" and line:sub(1, 1) ~= "#" then
      local name, rest = line:gsub("^export%s+", ""):match "^([%a_][%w_]*)%s*=%s*(.*)$"
      local value, message
      if name then
        value, message = read_value(rest)
      end
      if not value then
        return nil, ("%s:%d: %s"):format(file, number, message or "expected NAME=value")
      end
      values[name] = value
    end
  end
  return values
end

return env
