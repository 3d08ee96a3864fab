--- Finds the line of a config's field in its text: "providers.lab.timeout" -> 14.
--
-- Lua forgets where a table's field was written, but people want to be sent there. So the text is read once more, as tables in tables: a
-- guess that is right for a file written the usual way (return { … } with fields in place), and nil for everything else.
-- SPDX-License-Identifier: MIT

local locate = {}

local LONG = "^%[(=*)%["

--- Skips blanks and comments from `at`.
function locate.skip(text, at)
  while true do
    at = text:match("^%s*()", at)
    if text:sub(at, at + 1) ~= "--" then
      return at
    end
    local level = text:match(LONG, at + 2)
    if level then
      local _, last = text:find("]" .. level .. "]", at + 2, true)
      at = (last or #text) + 1
    else
      at = text:match("^[^\n]*()", at)
    end
  end
end

--- The end of the string that begins at `at`, or nil when none begins there.
function locate.string_end(text, at)
  local quote = text:match("^[\"']", at)
  if quote then
    local i = at + 1
    while i <= #text do
      local byte = text:sub(i, i)
      if byte == quote or byte == "\n" then
        return i + 1
      end
      i = i + (byte == "\\" and 2 or 1)
    end
    return #text + 1
  end
  local level = text:match(LONG, at)
  if level then
    local _, last = text:find("]" .. level .. "]", at, true)
    return (last or #text) + 1
  end
end

--- The key of the field that begins at `at` -> the key, and where its value begins; nil and `at` for an item of a list.
function locate.key(text, at)
  local name, after = text:match("^([%a_][%w_]*)%s*=()", at)
  if not name then
    name, after = text:match("^%[%s*\"([^\"\\\n]*)\"%s*%]%s*=()", at)
  end
  if not name then
    name, after = text:match("^%[%s*'([^'\\\n]*)'%s*%]%s*=()", at)
  end
  if name and text:sub(after, after) ~= "=" then
    return name, after
  end
  return nil, at
end

--- Skips one value from `at` -> the position of the ',' or '}' behind it.
local function skip_value(text, at)
  local depth = 0
  while at <= #text do
    at = locate.skip(text, at)
    local byte = text:sub(at, at)
    if depth == 0 and (byte == "," or byte == ";" or byte == "}") then
      return at
    end
    local last = locate.string_end(text, at)
    if last then
      at = last
    else
      if byte == "{" or byte == "(" then
        depth = depth + 1
      elseif byte == "}" or byte == ")" then
        depth = depth - 1
      end
      at = text:match("^[%a_][%w_]*()", at) or at + 1
    end
  end
  return at
end

--- Where the field `path[index]` of the table whose '{' is at `at` begins; the deepest one that is found.
local function find(text, at, path, index)
  local place = 0
  local cursor = locate.skip(text, at + 1)
  while cursor <= #text and text:sub(cursor, cursor) ~= "}" do
    local key, value = locate.key(text, cursor)
    if not key then
      place = place + 1
    end
    value = locate.skip(text, value)
    if (key or place) == path[index] then
      if index < #path and text:sub(value, value) == "{" then
        return find(text, value, path, index + 1) or cursor
      end
      return cursor
    end
    cursor = skip_value(text, value)
    if text:sub(cursor, cursor) == "}" then
      return nil
    end
    cursor = locate.skip(text, cursor + 1)
  end
end

--- Ways to take "providers.a.b" apart: names may have dots in them.
local function parts_of(path)
  local parts = {}
  for piece in path:gmatch "[^.]+" do
    local name, rest = piece:match "^([^%[]*)(.*)$"
    if name ~= "" then
      parts[#parts + 1] = name
    end
    for number in rest:gmatch "%[(%d+)%]" do
      parts[#parts + 1] = math.tointeger(tonumber(number))
    end
  end
  return parts
end

--- The line on which the field at `path` begins, or nil.
function locate.line(text, path)
  local at
  for start in ("\n" .. text):gmatch "\n%s*return%s*(){" do
    at = start - 1
  end
  local parts = parts_of(path)
  local found = at and #parts > 0 and find(text, at, parts, 1)
  if not found then
    return nil
  end
  local _, lines = text:sub(1, found - 1):gsub("\n", "")
  return lines + 1
end

--- The place of a field as complaints begin with it: "gateway.lua:14: providers.lab.timeout"; without a line where none is found.
function locate.place(file, text, path)
  local line = text and locate.line(text, path)
  return (line and ("%s:%d"):format(file, line) or file) .. (path == "" and "" or ": " .. path)
end

return locate
