--- Finds a field that a config's text gives twice in one table: Lua silently keeps the last.
--
-- Table constructors are followed in any expression, but not in functions: the commas there do not
-- separate fields.
-- SPDX-License-Identifier: MIT

local locate = require "gateway.locate"

local twins = {}

--- The path of a field, as complaints write it.
local function path_of(tables, key)
  local path = ""
  for i = 2, #tables do
    local name = tables[i].name
    if name then
      path = path .. (math.type(name) == "integer" and ("[%d]"):format(name) or (path == "" and "" or ".") .. name)
    end
  end
  return path == "" and key or path .. "." .. key
end

--- The field that begins at `at` in the table -> where its value begins; or the path and the offsets of both, where it is there already.
local function enter_field(tables, text, at)
  local current = tables[#tables]
  local key, value = locate.key(text, at)
  if not key then
    current.items = current.items + 1
    current.field = current.items
    return value
  elseif current.at[key] then
    return nil, path_of(tables, key), current.at[key], at
  end
  current.at[key], current.field = at, key
  return value
end

local DEEPER = { ["function"] = 1, ["if"] = 1, ["do"] = 1, ["repeat"] = 1, ["end"] = -1, ["until"] = -1 }

--- Skips the function that begins at `at`.
local function skip_function(text, at)
  local depth = 0
  repeat
    at = locate.skip(text, at)
    local word, after = text:match("^([%a_][%w_]*)()", at)
    depth = depth + (DEEPER[word] or 0)
    at = after or locate.string_end(text, at) or at + 1
  until depth == 0 or at > #text
  return at
end

--- -> the path of the first field that is given twice and the offsets of both places; nil where there is none.
local function find(text)
  local tables, at, begins = { { at = {}, items = 0, closer = "" } }, 1, false
  while true do
    at = locate.skip(text, at)
    local byte = text:sub(at, at)
    local current = tables[#tables]
    if byte == "" then
      return nil
    elseif begins and byte ~= "}" then
      local value, path, first, second = enter_field(tables, text, at)
      if path then
        return path, first, second
      end
      at, begins = locate.skip(text, value), false
      byte = text:sub(at, at)
    end
    local last = locate.string_end(text, at)
    if last then
      at = last
    elseif byte == "{" or byte == "(" or byte == "[" then
      tables[#tables + 1] = { at = {}, items = 0, name = current.field, is_table = byte == "{" }
      begins, at = byte == "{", at + 1
    elseif (byte == "}" or byte == ")" or byte == "]") and #tables > 1 then
      tables[#tables] = nil
      begins, at = false, at + 1
    else
      begins = current.is_table and (byte == "," or byte == ";") or false
      at = text:find("^function%f[^%w_]", at) and skip_function(text, at) or text:match("^[%a_][%w_]*()", at) or at + 1
    end
  end
end

local function line_at(text, at)
  local _, lines = text:sub(1, at - 1):gsub("\n", "")
  return lines + 1
end

--- -> the path, the line of the second and the line of the first; nil where no field is given twice.
function twins.find(text)
  local path, first, second = find(text)
  if path then
    return path, line_at(text, second), line_at(text, first)
  end
end

return twins
