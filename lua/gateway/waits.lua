--- Checks what a policy's `route` returns to let a request wait for capacity: { wait = "2s" [, priority = 1] }.
-- SPDX-License-Identifier: MIT

local units = require "gateway.units"

local waits = {}

local KNOWN = { wait = true, priority = true }
local WAIT_MIN, WAIT_MAX = 0.01, 60
local CLASSES, CLASS = 10, 5

local function bad(message, ...)
  return nil, { kind = "policy_bad_result", message = "route: " .. message:format(...) }
end

local function shown(value)
  local plain = type(value) == "string" or type(value) == "number" or type(value) == "boolean"
  return plain and tostring(value):sub(1, 60) or "a " .. type(value)
end

--- -> nil and { kind = "wait", wait_s, priority }, or nil and a complaint of what is wrong with it.
function waits.check(request, wish)
  for key in pairs(wish) do
    if not KNOWN[key] then
      return bad("nobody knows '%s' (a wait has wait, priority)", tostring(key):sub(1, 60))
    end
  end
  local priority = wish.priority
  local seconds = type(wish.wait) == "string" and units.duration(wish.wait)
  if not seconds or seconds < WAIT_MIN or seconds > WAIT_MAX then
    return bad('wait: expected a duration from "10ms" to "60s", got %s', shown(wish.wait))
  elseif priority ~= nil and (math.type(priority) ~= "integer" or priority < 0 or priority >= CLASSES) then
    return bad("priority: expected a whole number from 0 (first) to 9, got %s", shown(priority))
  elseif #request.targets > 0 then
    return bad "wait: there is nothing to wait for, request.targets is not empty"
  end
  return nil, { kind = "wait", message = "waits for room", wait_s = seconds, priority = priority or CLASS }
end

return waits
