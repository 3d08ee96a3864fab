--- JSON text as a read-only table: what `request.body()` gives. Members that are null are not there; null in a list is false, so
-- that the list keeps its length. Whole numbers are integers.
--
-- runtime/lua/value.c reads and writes all JSON that policies and adapters see: it keeps empty lists and integers of 64 bits, and has no
-- memory but Lua's, which matters for what comes from clients.
-- SPDX-License-Identifier: MIT

local frozen = require "gateway.frozen"
local value = require("gateway.runtime").value

local body = {}

local decode, null = value.decode, value.null

local EXACT = 2 ^ 53 -- beyond it a float may stand for several integers

local function tidy(read)
  setmetatable(read, nil) -- which marks lists, and would pass for a view
  for key, item in next, read do
    if type(item) == "table" then
      tidy(item)
    elseif type(item) == "number" then
      read[key] = item > -EXACT and item < EXACT and math.tointeger(item) or item
    elseif item == null then
      read[key] = false
    end
  end
  return read
end

--- The table; nil where the text is not an object or a list. `name` is for messages.
function body.decode(text, name)
  local read = decode(text)
  if type(read) ~= "table" then
    return nil
  end
  return frozen.copy(tidy(read), name)
end

return body
