--- Tables of the config, checked by the rows that fields.lua has for them.
-- SPDX-License-Identifier: MIT

local check = require "gateway.check"
local fields = require "gateway.fields"
local spelling = require "gateway.spelling"

local schema = {}

local fail, join = check.fail, check.join

-- Types of fields.lua's rows -> how to check a value. A row's own numbers and words are in it.
local TYPES = {
  text = function() return check.string end,
  ["true or false"] = function() return check.boolean end,
  duration = function() return check.duration end,
  ["duration or 0s"] = function() return check.duration_or_zero end,
  ["duration between"] = function(row) return check.duration_between(row.least, row.most) end,
  number = function(row) return check.number(row.low, row.high) end,
  ["whole number"] = function(row) return check.count(row.low, row.high) end,
  ["whole number, or \"auto\""] = function(row)
    local number = check.count(row.low, row.high)
    return function(value, path) return value == "auto" and 0 or number(value, path) end
  end,
  size = function(row) return check.size(row.low, row.high) end,
  ["one of"] = function(row) return check.one_of(table.unpack(row.words)) end,
  ["plain data"] = function() return check.plain end,
  table = function(row, own) return schema.table(fields[row.fields], own) end,
}

--- Rows of fields.lua -> what schema.check wants. `own`: type -> check, for types that only this table has.
function schema.of(rows, own)
  local made = { names = {}, by_name = {} }
  for _, row in ipairs(rows) do
    local name, kind = row[1], row[2]
    if kind then
      made.names[#made.names + 1] = name
      made.by_name[name] = { check = own and own[kind] or TYPES[kind](row, own), default = row.default }
    end
  end
  table.sort(made.names)
  return made
end

--- Checks a table by its schema; what is left out is as if its default had been written. `later`: name -> what it will be, refused until
--- then, since a setting that does nothing is worse than none.
function schema.check(value, path, made, later)
  if type(value) ~= "table" then
    check.expected(path, "a table", value)
  end
  local known = made.names
  for key in next, value do
    if type(key) ~= "string" or not made.by_name[key] then
      if later and later[key] then
        fail(join(path, key), "%s", later[key])
      end
      if type(key) ~= "string" then
        fail(path, "expected names (%s), found %s", table.concat(known, ", "), check.found_at(path, key))
      end
      local hint = spelling.hint(key, known)
      if check.is_secret(path) and not key:find "^[%a_]+$" then
        fail(path, "expected one of %s, found another name", table.concat(known, ", "))
      end
      fail(join(path, key:sub(1, 60)), "nobody knows this name%s",
        hint ~= "" and hint or ": expected one of " .. table.concat(known, ", "))
    end
  end
  local checked = {}
  for _, key in ipairs(known) do
    local rule, given = made.by_name[key], rawget(value, key)
    if given == nil then
      given = rule.default
    end
    if given ~= nil then
      checked[key] = rule.check(given, join(path, key))
    end
  end
  return checked
end

--- A check of tables with these rows.
function schema.table(rows, own)
  local made = schema.of(rows, own)
  return function(value, path)
    return schema.check(value, path, made)
  end
end

return schema
