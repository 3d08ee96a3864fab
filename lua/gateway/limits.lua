--- Limits as policies write them: gateway.limit { name = "pro", per = "user", requests = "300/min", tokens = "10M/day" }.
--
-- Read and checked when the policy's file loads, so that a typo, or a limit that nothing could hold, fails the load and names the line.
-- What comes back is a value that the gateway charges (runtime/shared/limiter.h): a policy hands it on and can do nothing to it.
-- SPDX-License-Identifier: MIT

local check = require "gateway.check"
local fields = require "gateway.fields"
local runtime = require "gateway.runtime"
local units = require "gateway.units"

local limits = {}

local KEYS, KNOWN = { name = true, per = true }, "name, per"
for _, row in ipairs(fields.limits) do
  KEYS[row[1]], KNOWN = true, KNOWN .. ", " .. row[1]
end
local PER = { user = true, model = true }
local NAME_MAX = 64
local METERS_MAX = 6
local FASTEST = 1000000 -- of a bucket, per second: finer than the clock it could not be kept
local SLOWEST = 366 * 86400 -- seconds in which a bucket fills: beyond a year it is a mistake

local function shown(value)
  return type(value) == "string" and ("%q"):format(value:sub(1, 60)) or type(value) == "table" and "a table" or tostring(value)
end

--- "user" or { "user", "model" } -> the list.
local function read_per(per)
  if per == nil then
    return {}
  end
  local list, seen = type(per) == "string" and { per } or per, {}
  if type(list) ~= "table" or #list == 0 then
    return nil, 'per: expected "user", "model" or a list of them, got ' .. shown(per)
  end
  local read = {}
  for i = 1, #list do
    if not PER[list[i]] or seen[list[i]] then
      return nil, 'per: expected "user" or "model", each once, got ' .. shown(list[i])
    end
    read[i], seen[list[i]] = list[i], true
  end
  return read
end

--- "100/min 5/s" -> meters. A longer window must allow more than a shorter one, or one of them would never be felt.
local function add_rates(meters, unit, text)
  local rates, message = units.rates(text)
  if not rates then
    return unit .. ": " .. message
  end
  table.sort(rates, function(a, b) return a.seconds < b.seconds end)
  for i, rate in ipairs(rates) do
    local shorter = rates[i - 1]
    if shorter and (rate.seconds == shorter.seconds or rate.count <= shorter.count) then
      return ("%s: %q contradicts itself: expected more per longer window, each window once"):format(unit, text)
    end
    meters[#meters + 1] = { unit = unit, count = rate.count, seconds = rate.seconds }
  end
end

local function add_slots(meters, concurrent)
  local count, message = units.count(concurrent)
  if not count or count == 0 then
    return "concurrent: " .. (message or "expected at least 1, got 0")
  end
  meters[#meters + 1] = { unit = "concurrent", count = count }
end

--- A bucket in place of the one window there is.
local function make_bucket(meters, spec)
  local count, message = units.count(spec.burst)
  if not count or count == 0 then
    return "burst: " .. (message or "expected at least 1, got 0")
  elseif #meters ~= 1 or (spec.requests and spec.tokens) then
    return "burst: expected beside one rate of requests or of tokens (write another limit for the rest)"
  elseif meters[1].count / meters[1].seconds > FASTEST then
    return ("burst: expected a rate of at most %d/s beside it"):format(FASTEST)
  elseif count / meters[1].count * meters[1].seconds > SLOWEST then
    return ("burst: expected at most what comes back within a year, %d"):format(meters[1].count * (SLOWEST // meters[1].seconds))
  end
  meters[1].burst = count
end

--- The meters of a limit, or nil and what is wrong.
local function read_meters(spec)
  local meters, wrong = {}, nil
  for _, unit in ipairs { "requests", "tokens" } do
    if spec[unit] ~= nil and not wrong then
      wrong = add_rates(meters, unit, spec[unit])
    end
  end
  if not wrong and spec.burst ~= nil then
    wrong = make_bucket(meters, spec)
  end
  if not wrong and spec.concurrent ~= nil then
    wrong = add_slots(meters, spec.concurrent)
  end
  if not wrong and #meters == 0 then
    wrong = "expected at least one of requests, tokens, concurrent"
  elseif not wrong and #meters > METERS_MAX then
    wrong = ("expected at most %d windows in all"):format(METERS_MAX)
  end
  return not wrong and meters or nil, wrong
end

--- What was written, for `explain` and for policies that look.
local function facts(spec, per)
  local written = {}
  for key in pairs(KEYS) do
    written[key] = spec[key]
  end
  written.per = #per > 0 and table.concat(per, ", ") or nil
  return written
end

--- A table as a policy writes it -> a limit, or nil and what is wrong with it.
function limits.read(spec)
  if type(spec) ~= "table" then
    return nil, "limit: expected a table { name, requests, … }, got " .. shown(spec)
  end
  local name = spec.name
  if type(name) ~= "string" or #name > NAME_MAX or not name:find "^[%w._%-]+$" then
    return nil, 'limit: name: expected a word such as "pro" (it is the limit\'s identity), got ' .. shown(name)
  end
  local function wrong(message)
    return nil, ("limit '%s': %s"):format(name, message)
  end
  for key in pairs(spec) do
    if not KEYS[key] then
      return wrong(("nobody knows %s (a limit has %s)"):format(shown(key), KNOWN))
    end
  end
  local per, meters, message
  per, message = read_per(spec.per)
  if per then
    meters, message = read_meters(spec)
  end
  if not meters then
    return wrong(message)
  end
  return runtime.limit.rule { name = name, per = per, meters = meters, shown = facts(spec, per) }
end

--- `limits` of a provider or a target in the config: { requests = "100/min 5/s", tokens = "100k/min", concurrent = 10 }.
function limits.of_config(value, path)
  if type(value) ~= "table" then
    check.expected(path, 'a table such as { requests = "100/min 5/s", concurrent = 10 }', value)
  end
  local spec = { name = "config" }
  for key, item in pairs(value) do
    if key == "name" or key == "per" or not KEYS[key] then
      check.fail(check.join(path, tostring(key)), "expected requests, tokens, concurrent or burst")
    end
    spec[key] = item
  end
  local limit, message = limits.read(spec)
  if not limit then
    check.fail(path, "%s", (message:gsub("^limit 'config': ", "")))
  end
  return limit
end

--- gateway.limit for one load; `loading.over` is set when its files are through.
function limits.maker(loading)
  local made = {}
  return function(spec)
    if loading.over then
      error("limit belongs at the top of a file", 2)
    end
    local limit, message = limits.read(spec)
    if not limit then
      error(message, 2)
    elseif made[limit.name] then
      error(("limit '%s': there is one of that name already (the name is its identity)"):format(limit.name), 2)
    end
    made[limit.name] = true
    return limit
  end
end

return limits
