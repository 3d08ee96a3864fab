--- Environment variables that are not set, and the parts of the config that are off because of that.
--
-- A mistyped name in env "…" is nil, and Lua makes no field of nil. So the config is computed once more for each of them as if it were set:
-- what is there then and was not before, its absence left out. Where that is nothing, switches may stand the other way.
-- SPDX-License-Identifier: MIT

local check = require "gateway.check"
local spelling = require "gateway.spelling"

local unset = {}

local PROBES = { "1", "true", "x" } -- of a value that none can be computed with nothing is said
local SHOWN = 3

--- Paths of what `there` has and `here` has not: a table that is new counts as one.
local function added(here, there, path, list)
  for key, value in next, there do
    local mine = rawget(here, key)
    if mine == nil then
      list[#list + 1] = check.join(path, key)
    elseif type(mine) == "table" and type(value) == "table" then
      added(mine, value, check.join(path, key), list)
    end
  end
  return list
end

--- Paths of switches that the variable would turn: env "LOCKED" == nil.
local function turned(here, there, path, list)
  for key, mine in next, here do
    local value = rawget(there, key)
    if type(mine) == "boolean" and type(value) == "boolean" and mine ~= value then
      list[#list + 1] = check.join(path, key)
    elseif type(mine) == "table" and type(value) == "table" then
      turned(mine, value, check.join(path, key), list)
    end
  end
  return list
end

--- -> what its absence does, and to which paths.
local function left_out(raw, name, with)
  for _, probe in ipairs(PROBES) do
    local other = with(name, probe)
    if type(raw) == "table" and type(other) == "table" then
      local list, switches = added(raw, other, "", {}), turned(raw, other, "", {})
      local what = #list > 0 and "no value for" or "it would turn"
      list = #list > 0 and list or switches
      table.sort(list)
      return what, list
    end
  end
  return "", {}
end

--- A text that is not spelt like a variable may be the key itself, in place of its variable's name.
local function told(name)
  return spelling.is_name(name) and name .. " is not set" or
    "env expects the name of a variable, and what stands here is none that is set"
end

--- -> a line each, as text. `raw`: what the config returned; `names`: name -> the line of the first env "…" that found nothing;
--- `with`: (name, value) -> what the config returns where the variable has this value, or nil.
function unset.lines(file, raw, names, with)
  local found = {}
  for name, line in pairs(names) do
    local what, fields = left_out(raw, name, with)
    if #fields > 0 then
      local rest = #fields > SHOWN and (" and %d more"):format(#fields - SHOWN) or ""
      found[#found + 1] = { line, ("%s:%d: %s: %s %s%s\n"):format(file, line, told(name), what,
        table.concat(fields, ", ", 1, math.min(#fields, SHOWN)), rest) }
    end
  end
  table.sort(found, function(a, b) return a[1] < b[1] or a[1] == b[1] and a[2] < b[2] end)
  for i, item in ipairs(found) do
    found[i] = item[2]
  end
  return table.concat(found)
end

return unset
