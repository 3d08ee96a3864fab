--- Read-only views of plain data: what policies get instead of the tables themselves.
--
-- A view is an empty table in front of a copy: reading, #, ipairs and pairs work, setting a field raises, and nothing leads to the
-- copy. Tables that have a metatable of their own (views, targets) stay as they are.
-- SPDX-License-Identifier: MIT

local frozen = {}

local DEEPEST = 32

local function view(copy, name)
  return setmetatable({}, {
    __index = copy,
    __len = function() return #copy end,
    __newindex = function(_, key)
      error(("%s is read-only ('%s')"):format(name, tostring(key)), 2)
    end,
    __pairs = function(self)
      return function(_, key) return next(copy, key) end, self, nil
    end,
    __metatable = false,
  })
end

local function freeze(value, name, seen, depth)
  if type(value) ~= "table" or getmetatable(value) ~= nil then
    return value
  elseif seen[value] then
    return seen[value]
  elseif depth > DEEPEST then
    error(("%s: tables nested deeper than %d"):format(name, DEEPEST), 0)
  end
  local copy = {}
  seen[value] = view(copy, name)
  for key, item in next, value do
    copy[key] = type(item) == "table" and freeze(item, ("%s.%s"):format(name, tostring(key)), seen, depth + 1) or item
  end
  return seen[value]
end

--- A read-only view of everything in `value`; the name is for messages. What is added to `value` later does not show.
function frozen.copy(value, name)
  return freeze(value, name, {}, 1)
end

--- A read-only view of this very table, for a list whose items are read-only already.
frozen.view = view

return frozen
