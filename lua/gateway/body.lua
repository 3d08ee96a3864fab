--- JSON text as a read-only table: what `request.body()` gives. Members that are null are not there; null in a list is false, so
--- that the list keeps its length. Whole numbers are integers.
-- SPDX-License-Identifier: MIT

local cjson = require "cjson"
local frozen = require "gateway.frozen"

local body = {}

local decode, null = cjson.decode, cjson.null

local NO_MEMORY = "not enough memory"
local EXACT = 2 ^ 53 -- beyond it a float may stand for several integers

local function tidy(value)
  for key, item in next, value do
    if type(item) == "table" then
      tidy(item)
    elseif type(item) == "number" then
      value[key] = item > -EXACT and item < EXACT and math.tointeger(item) or item
    elseif item == null then
      value[key] = math.type(key) == "integer" and false or nil
    end
  end
  return value
end

--- The table; nil where the text is not an object or a list. `name` stands in messages.
function body.decode(text, name)
  local ok, value = pcall(decode, text)
  if value == NO_MEMORY then
    error(value, 0) -- a policy must not take it for a body that is none
  elseif not ok or type(value) ~= "table" then
    return nil
  end
  return frozen.copy(tidy(value), name)
end

return body
