--- JSON text as a read-only table: what `request.body()` gives. Members that are null are not there; null in a list is false, so
--- that the list keeps its length.
-- SPDX-License-Identifier: MIT

local cjson = require "cjson.safe"
local frozen = require "gateway.frozen"

local body = {}

local decode, null = cjson.decode, cjson.null

local function without_null(value)
  for key, item in next, value do
    if item == null then
      value[key] = math.type(key) == "integer" and false or nil
    elseif type(item) == "table" then
      without_null(item)
    end
  end
  return value
end

--- The table; nil where the text is not an object or a list. `name` stands in messages.
function body.decode(text, name)
  local value = decode(text)
  if type(value) ~= "table" then
    return nil
  end
  return frozen.copy(without_null(value), name)
end

return body
