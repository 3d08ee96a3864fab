--- Checks of values in a config: each takes (value, path) and returns the value as the gateway wants it, or complains.
--
-- A complaint names the field's path and what was expected: "providers.lab.timeout: expected a duration such as …, got 12". It is
-- raised as a table { path, message }; gateway.config catches it and puts the file in front.
-- Values that come from the environment are text: numbers and booleans are taken in words too.
-- SPDX-License-Identifier: MIT

local units = require "gateway.units"

local check = {}

--- The part of a URL before an "@" may be a user and a password.
function check.without_user(text)
  return (text:gsub("^.*@", "...@"))
end

--- What was given, as a message may show it.
local function shown(value)
  return units.shown(type(value) == "string" and check.without_user(value) or value)
end
check.shown = shown

--- Raises a complaint about the field at `path`.
function check.fail(path, message, ...)
  error({ path = path, message = select("#", ...) > 0 and message:format(...) or message }, 0)
end
local fail = check.fail

-- Where keys stand, or are put by mistake: a complaint about these fields says of what type a value is, and nothing else of it.
local SECRETS = { "^keys$", "^keys%[%d+%]$", "^admin$", "^providers$", "^providers%.[^.]+$", "%.key$", "%.key%[%d+%]$", "%.sha256$",
  "^providers%..*%.headers", "^providers%..*%.credentials$", "_key$", "_key_id$", "_token$", "_url$", "%.proxy$" }

--- May the value at `path` be a secret, which messages must not repeat?
function check.is_secret(path)
  for _, pattern in ipairs(SECRETS) do
    if path:find(pattern) then
      return true
    end
  end
end

--- What was given at `path`, as a message may show it.
local function shown_at(path, value)
  return check.is_secret(path) and value ~= nil and "a " .. type(value) or shown(value)
end

--- The same of a key.
function check.found_at(path, key)
  return check.is_secret(path) and "a name" or "the key " .. shown(key)
end

local function expected(path, what, value)
  fail(path, "expected %s, got %s", what, shown_at(path, value))
end
check.expected = expected

-- ---------------------------------------------------------------- names

--- Numbers before strings.
function check.sorted_keys(map)
  local keys = {}
  for key in pairs(map) do
    keys[#keys + 1] = key
  end
  table.sort(keys, function(a, b)
    local of_a, of_b = type(a), type(b)
    return of_a < of_b or of_a == of_b and a < b
  end)
  return keys
end

local function join(path, key)
  if math.type(key) == "integer" then
    return ("%s[%d]"):format(path, key)
  end
  return path == "" and tostring(key) or path .. "." .. tostring(key)
end
check.join = join

-- ---------------------------------------------------------------- single values

function check.string(value, path)
  if type(value) ~= "string" or value == "" then
    expected(path, "a string", value)
  elseif value:find "[%z\1-\31\127]" then
    fail(path, "expected plain text, found a control character")
  end
  return value
end

local WORDS = { ["true"] = true, ["1"] = true, yes = true, on = true, ["false"] = false, ["0"] = false, no = false, off = false }

--- `what` is expected: for a field that may be something else besides.
function check.boolean(value, path, what)
  local said = value
  if type(value) == "string" then
    said = WORDS[value:lower()]
  end
  if type(said) ~= "boolean" then
    expected(path, what or "true or false", value)
  end
  return said
end

--- A check of numbers from `low` to `high`; `whole`: integers only.
local function range(low, high, whole)
  local what = ("a %snumber from %.14g to %.14g"):format(whole and "whole " or "", low, high)
  return function(value, path)
    local number = tonumber(value)
    if whole then
      number = number and math.tointeger(number)
    end
    if not number or number ~= number or number < low or number > high then
      expected(path, what, value)
    end
    return number
  end
end

function check.number(low, high)
  return range(low, high, false)
end

function check.count(low, high)
  return range(low, high, true)
end

--- Seconds; `zero` says whether 0 makes sense.
local function duration(zero)
  return function(value, path)
    local seconds, message = units.duration(value)
    if not seconds then
      fail(path, "%s", message)
    elseif seconds == 0 and not zero then
      fail(path, "expected a duration above zero, got %s", shown(value))
    end
    return seconds
  end
end
check.duration = duration(false)
check.duration_or_zero = duration(true)

--- A check of durations from `low` to `high`, in words: "1s", "1h".
function check.duration_between(low, high)
  local least, most = units.duration(low), units.duration(high)
  return function(value, path)
    local seconds, message = units.duration(value)
    if not seconds then
      fail(path, "%s", message)
    elseif seconds < least or seconds > most then
      fail(path, "expected a duration from %q to %q, got %s", low, high, shown(value))
    end
    return seconds
  end
end

function check.size(low, high)
  return function(value, path)
    local bytes, message = units.size(value)
    if not bytes then
      fail(path, "%s", message)
    elseif bytes < low or bytes > high then
      fail(path, "expected a size from %d to %d bytes, got %s", low, high, shown(value))
    end
    return bytes
  end
end

function check.one_of(...)
  local names, known = { ... }, {}
  for _, name in ipairs(names) do
    known[name] = true
  end
  return function(value, path)
    if not known[value] then
      expected(path, "one of " .. table.concat(names, ", "), value)
    end
    return value
  end
end

-- ---------------------------------------------------------------- tables

local function is_table(value, path, what)
  if type(value) ~= "table" then
    expected(path, what, value)
  end
end

--- A check of lists; a list may have holes where the environment did not say anything: they are closed.
function check.list(item, what)
  return function(value, path)
    is_table(value, path, what or "a list")
    local places, list = {}, {}
    for key in next, value do
      if math.type(key) ~= "integer" or key < 1 or key > 1e6 then
        fail(path, "expected %s, found %s", what or "a list", check.found_at(path, key))
      end
      places[#places + 1] = key
    end
    table.sort(places)
    for i, place in ipairs(places) do
      list[i] = item(value[place], join(path, place))
    end
    return list
  end
end

--- The same; text is taken as items between commas: "a, b".
function check.words(item)
  local list = check.list(item)
  return function(value, path)
    if type(value) == "string" then
      local items = {}
      for word in value:gmatch "[^,%s]+" do
        items[#items + 1] = word
      end
      value = items
    end
    return list(value, path)
  end
end

local DEEPEST = 32

local function plain(value, path, depth)
  local kind = type(value)
  if kind == "table" then
    if depth > DEEPEST then
      fail(path, "tables nested deeper than %d", DEEPEST)
    end
    local copy = {}
    for key, item in next, value do
      if type(key) ~= "string" and math.type(key) ~= "integer" then
        fail(path, "expected plain data, found the key %s", shown(key))
      end
      copy[key] = plain(item, join(path, key), depth + 1)
    end
    return copy
  elseif kind ~= "string" and kind ~= "boolean" and not (kind == "number" and value == value and math.abs(value) ~= math.huge) then
    expected(path, "plain data (tables, strings, numbers, booleans)", value)
  end
  return value
end

--- Tables of strings, numbers and booleans, and nothing else: a copy.
function check.plain(value, path)
  is_table(value, path, "a table of plain data")
  return plain(value, path, 1)
end

return check
