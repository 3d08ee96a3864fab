--- Quantities as people write them: "500ms", "32MB", "60/min 1000/hour".
--
-- Every function returns the number, or nil and a message that names what was expected, so that the caller can put
-- the field in front of it. They are meant for the top of a file; a plan's steps look theirs up in a table (plan.lua).
-- SPDX-License-Identifier: MIT

local units = {}

local SECONDS = { ms = 0.001, s = 1, m = 60, min = 60, h = 3600, d = 86400 }
local BYTES = { B = 1, KB = 1024, MB = 1024 ^ 2, GB = 1024 ^ 3, TB = 1024 ^ 4 }
local COUNTS = { [""] = 1, k = 1e3, K = 1e3, M = 1e6, G = 1e9 }
local WINDOWS = {
  s = 1, sec = 1, second = 1,
  m = 60, min = 60, minute = 60,
  h = 3600, hour = 3600,
  d = 86400, day = 86400,
}

local DURATION = 'a duration such as "500ms", "8s", "5m", "1h" or "1d"'
local SIZE = 'a size such as "64KB" or "32MB"'
local RATES = 'rates such as "60/min", "100k/day" or "5/s 1000/hour"'

local LONGEST = 366 * 86400 -- a duration beyond a year is a mistake
local TEXT_MAX = 200

--- What was given, short enough for a message.
function units.shown(value)
  if type(value) == "string" then
    return #value > 40 and ("%q..."):format(value:sub(1, 40)) or ("%q"):format(value)
  elseif type(value) == "number" or type(value) == "boolean" or value == nil then
    return tostring(value)
  end
  return "a " .. type(value)
end

local function expected(what, value)
  return nil, "expected " .. what .. ", got " .. units.shown(value)
end

--- "12.5ms" -> 12.5, "ms"; nil for anything else.
local function split(text)
  if type(text) ~= "string" or #text > TEXT_MAX then
    return nil
  end
  local number, unit = text:match "^%s*(%d+%.?%d*)%s*(%a*)%s*$"
  return tonumber(number), unit
end

--- "8s" -> 8 (seconds, a float). Zero is a duration: whether it makes sense is the asker's to say.
function units.duration(text)
  local number, unit = split(text)
  local factor = number and SECONDS[unit]
  if not factor then
    return expected(DURATION, text)
  end
  local seconds = number * factor
  if seconds > LONGEST then
    return expected(DURATION .. ", at most a year", text)
  end
  return seconds + 0.0
end

--- "32MB" -> 33554432 (bytes, an integer; KB is 1024). A whole number is taken as bytes.
function units.size(value)
  if math.type(value) == "integer" and value >= 0 then
    return value
  end
  local number, unit = split(value)
  local factor = number and BYTES[unit]
  if not factor then
    return expected(SIZE, value)
  end
  local bytes = math.tointeger(math.floor(number * factor))
  if not bytes or bytes > 2 ^ 50 then
    return expected(SIZE, value)
  end
  return bytes
end

--- "100k" -> 100000 (an integer). A whole number is taken as it is.
function units.count(value)
  if math.type(value) == "integer" and value >= 0 then
    return value
  end
  local number, unit = split(value)
  local factor = number and COUNTS[unit]
  local count = factor and math.tointeger(number * factor)
  if not count or count > 2 ^ 50 then
    return expected('a count such as 5000, "100k" or "10M"', value)
  end
  return count
end

--- "60/min 1000/hour" -> { { count = 60, seconds = 60 }, { count = 1000, seconds = 3600 } }.
function units.rates(text)
  if type(text) ~= "string" or #text > TEXT_MAX then
    return expected(RATES, text)
  end
  local list = {}
  for part in text:gmatch "[^%s,]+" do
    local number, window = part:match "^([%d%.]+%a?)/(%a+)$"
    local count = number and units.count(number)
    local seconds = WINDOWS[window]
    if not count or not seconds or count == 0 then
      return expected(RATES, text)
    end
    list[#list + 1] = { count = count, seconds = seconds }
  end
  if #list == 0 then
    return expected(RATES, text)
  end
  return list
end

return units
