--- Checks what policies return, and turns it into what the runtime takes: a list of steps, a refusal, labels.
--
-- The functions here call the policy themselves, so that one protected call with one budget covers both: a result may be a table that
-- lies about its length or loops when it is read, and nothing here raises on it. A policy that did something wrong yields nil and a
-- complaint { kind, message [, status, code, retry_after_s] }, kind as in the table of failures (or that of waits.lua).
-- SPDX-License-Identifier: MIT

local units = require "gateway.units"
local waits = require "gateway.waits"

local plan = {}

local STEPS_MAX, ITEMS_MAX, RETRIES_MAX = 32, 4096, 15
local LIMITS_MAX, LABELS_MAX, LABEL_MAX, MESSAGE_MAX = 8, 16, 256, 500

local function bad(kind, message, ...)
  return nil, { kind = kind, message = message:format(...) }
end

--- A value as a message shows it.
local function shown(value)
  if type(value) == "string" then
    return ("%q"):format(#value > 60 and value:sub(1, 60) .. "..." or value)
  elseif type(value) == "number" or type(value) == "boolean" or value == nil then
    return tostring(value)
  end
  return "a " .. type(value)
end

-- ---------------------------------------------------------------- plans

-- Strings with units are few and come back with every request: each is read once.
local durations, duration_count = {}, 0

--- A duration in seconds, above 0; numbers are seconds already (that is how `rest` carries them).
local function duration(value)
  local seconds = type(value) == "number" and value or durations[value]
  if not seconds then
    local message
    seconds, message = units.duration(value)
    if not seconds then
      return nil, message
    end
    if duration_count >= 256 then
      durations, duration_count = {}, 0
    end
    durations[value], duration_count = seconds, duration_count + 1
  end
  if not (seconds > 0 and seconds <= 366 * 86400) then
    return nil, "expected a duration above zero, got " .. shown(value)
  end
  return seconds
end

local function hedge_after(value)
  if value == "p50" or value == "p95" then
    return value
  end
  local seconds, message = duration(value)
  return seconds, message and message .. ' (or "p50", "p95")'
end

local function retries(value)
  local count = math.tointeger(value)
  if type(value) ~= "number" or not count or count < 0 or count > RETRIES_MAX then
    return nil, ("expected a whole number from 0 to %d, got %s"):format(RETRIES_MAX, shown(value))
  end
  return count
end

local OPTIONS = { first_token = duration, timeout = duration, hedge_after = hedge_after, retries = retries }

--- The index of a target or of a name: a value, false (known, but off or unfit), or nil and a complaint.
local function find_target(lookup, item, place)
  local index = lookup[item]
  if index == nil and type(item) == "string" then
    return bad("policy_unknown_target", "%s: nobody knows a target %s", place, shown(item))
  elseif index == nil then
    return bad("policy_bad_plan", "%s: expected a target, its name or a step, got %s", place, shown(item))
  end
  return index
end

--- { target = ..., first_token = "8s", ... } with its units read; false when its target is off or unfit.
local function read_step(lookup, step, place)
  local index, complaint = find_target(lookup, step.target, place .. ".target")
  if index == nil then
    return nil, complaint
  end
  local read = { target = index }
  for key, value in pairs(step) do
    if OPTIONS[key] then
      local message
      read[key], message = OPTIONS[key](value)
      if message then
        return bad("policy_bad_plan", "%s.%s: %s", place, key, message)
      end
    elseif key ~= "target" then
      return bad("policy_bad_plan", "%s: nobody knows '%s' (a step has target, first_token, timeout, retries, hedge_after)",
        place, tostring(key):sub(1, 60))
    end
  end
  return index and read
end

--- The length of what should be a list, or nil and a complaint.
local function list_length(list)
  if type(list) ~= "table" then
    return bad("policy_bad_plan", "expected a plan (a list of targets), got %s", shown(list))
  elseif rawget(list, "target") ~= nil then
    return bad("policy_bad_plan", "expected a list, got a single step: write { { target = ... } }")
  end
  local length = #list
  if math.type(length) ~= "integer" or length < 0 or length > ITEMS_MAX then
    return bad("policy_bad_plan", "expected a plan of at most %d steps", STEPS_MAX)
  end
  for key in next, list do
    if math.type(key) ~= "integer" or key < 1 or key > length then
      return bad("policy_bad_plan", "expected a list of targets, found the key %s", shown(key))
    end
  end
  return length
end

--- Turns a policy's plan into a list of what `lookup` has for its targets, or of tables
--- { target =, first_token =, timeout =, hedge_after = (seconds, or "p50", "p95"), retries = } where an item is a step.
--
-- lookup: target or name -> its value (never nil for what the config knows); false: off or unfit, which is left out. Of a longer list
-- of bare targets only the first 32 are kept, since no request can try more; 33 steps are a mistake.
function plan.check(lookup, list)
  local length, complaint = list_length(list)
  if not length then
    return nil, complaint
  elseif length == 0 then
    return bad("policy_bad_plan", "the plan is empty: expected at least one target, or nil and a refusal")
  end
  local steps, count = {}, 0
  for i = 1, length do
    local item = list[i]
    local step = lookup[item]
    if step == nil then
      if type(item) == "table" then
        if count == STEPS_MAX then
          return bad("policy_bad_plan", "expected a plan of at most %d steps", STEPS_MAX)
        end
        step, complaint = read_step(lookup, item, "step " .. i)
      else
        step, complaint = find_target(lookup, item, "step " .. i)
      end
      if step == nil then
        return nil, complaint
      end
    end
    if step and count < STEPS_MAX then
      count = count + 1
      steps[count] = step
    end
  end
  if count == 0 then
    return bad("no_fit_target", "every target of the plan is off or unfit")
  end
  return steps
end

--- What `recover` gets as `rest`: the walk's steps not begun ({ target = index, ... }, seconds, 0 for none) as a policy would write
--- them, a bare target where there is nothing to say. `targets`: index -> target.
function plan.rest(steps, targets)
  local rest = {}
  for i, step in ipairs(steps) do
    local item = { target = targets[step.target] }
    for key in next, OPTIONS do
      if step[key] and step[key] ~= 0 then
        item[key] = step[key]
      end
    end
    rest[i] = next(item, next(item)) and item or item.target
  end
  return rest
end

-- ---------------------------------------------------------------- refusals

local REFUSAL = { status = true, code = true, message = true, retry_after_s = true }

--- The second value of admit or route -> nil and a complaint of kind "refused_by_policy", or of what is wrong with it.
local function check_refusal(from, refusal)
  if type(refusal) ~= "table" then
    return bad("policy_bad_result", "%s: expected a result, or nil and { status, code, message }; got nil and %s", from, shown(refusal))
  end
  for key in pairs(refusal) do
    if not REFUSAL[key] then
      return bad("policy_bad_result", "%s: nobody knows '%s' (a refusal has status, code, message, retry_after_s)", from,
        tostring(key):sub(1, 60))
    end
  end
  local status, code, message, retry = refusal.status, refusal.code, refusal.message, refusal.retry_after_s
  if status ~= nil and (math.type(status) ~= "integer" or status < 400 or status > 599) then
    return bad("policy_bad_result", "%s: status: expected 400 to 599, got %s", from, shown(status))
  elseif code ~= nil and (type(code) ~= "string" or #code > 64 or not code:find "^[%w._%-]+$") then
    return bad("policy_bad_result", '%s: code: expected a word such as "model_not_allowed", got %s', from, shown(code))
  elseif message ~= nil and type(message) ~= "string" then
    return bad("policy_bad_result", "%s: message: expected a string, got %s", from, shown(message))
  elseif retry ~= nil and not (type(retry) == "number" and retry >= 0 and retry <= 366 * 86400) then
    return bad("policy_bad_result", "%s: retry_after_s: expected seconds, got %s", from, shown(retry))
  end
  return nil, {
    kind = "refused_by_policy",
    status = status or 403,
    code = code or "refused_by_policy",
    message = (message or "refused by policy"):sub(1, MESSAGE_MAX),
    retry_after_s = retry,
  }
end

-- ---------------------------------------------------------------- the four functions

--- Calls admit -> list of at most 8 limits | nil, complaint. `is_limit` knows what gateway.limit made; without it no limit exists.
function plan.admitted(admit, request, is_limit)
  local limits, refusal = admit(request)
  if limits == nil then
    return check_refusal("admit", refusal)
  elseif type(refusal) == "table" then
    return bad("policy_bad_result", "admit: expected limits, or nil and a refusal, got both")
  elseif type(limits) ~= "table" then
    return bad("policy_bad_result", "admit: expected a list of limits, got %s", shown(limits))
  end
  local list = {}
  for key, limit in next, limits do
    if math.type(key) ~= "integer" or key < 1 or key > LIMITS_MAX or not (is_limit and is_limit(limit)) then
      return bad("policy_bad_result", "admit: expected limits made by gateway.limit, got %s", shown(limit))
    end
    list[#list + 1] = limit
  end
  return list
end

--- Calls route -> steps | nil, complaint. request.targets is empty where all are full.
function plan.routed(lookup, route, request)
  local list, refusal = route(request)
  if list == nil and type(refusal) == "table" and refusal.wait ~= nil then
    return waits.check(request, refusal)
  elseif list == nil then
    return check_refusal("route", refusal)
  elseif type(refusal) == "table" then
    return bad("policy_bad_plan", "route: expected a plan, or nil and a refusal, got both")
  end
  local steps, complaint = plan.check(lookup, list)
  if complaint and #request.targets == 0 and type(list) == "table" and #list == 0 and next(list) == nil then
    complaint.kind = "no_fit_target"
  elseif complaint then
    complaint.message = "route: " .. complaint.message
  end
  return steps, complaint
end

--- Calls recover -> steps | nil (answer with the failure) | nil, complaint. An empty plan means: nothing left to try.
function plan.recovered(lookup, recover, request, failure, rest)
  local list, refusal = recover(request, failure, rest)
  if type(refusal) == "table" then
    return bad("policy_bad_result", "recover: expected a plan, or nil: the answer is the failure then, and nothing else can be said")
  elseif not list or (type(list) == "table" and #list == 0 and next(list) == nil) then
    return nil
  end
  local steps, complaint = plan.check(lookup, list)
  if complaint then
    if complaint.kind == "no_fit_target" then
      return nil
    end
    complaint.message = "recover: " .. complaint.message
  end
  return steps, complaint
end

--- Calls settle -> labels (name -> string, number or boolean; at most 16) | nil, complaint.
function plan.settled(settle, request, outcome)
  local labels, count, checked = settle(request, outcome), 0, {}
  if labels == nil then
    return checked
  elseif type(labels) ~= "table" then
    return bad("policy_bad_result", "settle: expected a table of labels, got %s", shown(labels))
  end
  for name, value in pairs(labels) do
    count = count + 1
    if type(name) ~= "string" or #name > 64 or not name:find "^[%a_][%w_.]*$" then
      return bad("policy_bad_result", "settle: expected names such as team, got %s", shown(name))
    elseif count > LABELS_MAX then
      return bad("policy_bad_result", "settle: at most %d labels", LABELS_MAX)
    elseif type(value) == "string" then
      checked[name] = value:sub(1, LABEL_MAX)
    elseif type(value) == "boolean" or (type(value) == "number" and value == value and math.abs(value) ~= math.huge) then
      checked[name] = value
    else
      return bad("policy_bad_result", "settle: %s: expected a string, number or boolean, got %s", name, shown(value))
    end
  end
  return checked
end

return plan
