--- The output of `gateway explain`: the facts of a request, the targets that could serve it, and what the policy decides. Nothing is sent.
-- SPDX-License-Identifier: MIT

local ask = require "gateway.ask"
local cjson = require "cjson.safe"

local explain = {}

local TARGET_FACTS = {
  "name", "weight", "priority", "quality", "leaderboard", "context", "max_output", "cost_usd", "expected_ms", "in_flight", "success_rate",
  "breaker", "cooldown_s",
}

-- ---------------------------------------------------------------- JSON that people read

local write

local LISTS = { left_out = true, limits = true, plan = true, targets = true, unfit = true } -- lists also when they are empty

local function quoted(text)
  return (cjson.encode(text):gsub("\\/", "/"))
end

local function write_list(list, indent, out)
  if #list == 0 then
    out[#out + 1] = "[]"
    return
  end
  out[#out + 1] = "[\n"
  for i, item in ipairs(list) do
    out[#out + 1] = indent .. "  "
    write(item, indent .. "  ", out)
    out[#out + 1] = i < #list and ",\n" or "\n"
  end
  out[#out + 1] = indent .. "]"
end

local function write_object(object, indent, out)
  local names = {}
  for name in pairs(object) do
    names[#names + 1] = tostring(name)
  end
  table.sort(names)
  if #names == 0 then
    out[#out + 1] = "{}"
    return
  end
  out[#out + 1] = "{\n"
  for i, name in ipairs(names) do
    out[#out + 1] = ("%s  %s: "):format(indent, quoted(name))
    if indent == "" and LISTS[name] then
      write_list(object[name], indent .. "  ", out)
    else
      write(object[name], indent .. "  ", out)
    end
    out[#out + 1] = i < #names and ",\n" or "\n"
  end
  out[#out + 1] = indent .. "}"
end

function write(value, indent, out)
  if type(value) == "table" or type(value) == "userdata" then
    if type(value) == "table" and #value > 0 then
      write_list(value, indent, out)
    else
      write_object(value, indent, out)
    end
  elseif type(value) == "number" and (value ~= value or value == math.huge or value == -math.huge) then
    out[#out + 1] = "null"
  elseif type(value) == "string" then
    out[#out + 1] = quoted(value)
  else
    out[#out + 1] = tostring(value)
  end
end

-- ---------------------------------------------------------------- the parts

local function facts_of(request)
  local facts = {}
  for name, value in pairs(request) do
    if name ~= "targets" and name ~= "unfit" and name ~= "body" then
      facts[name] = value
    end
  end
  return facts
end

local function targets_of(list, more)
  local targets = {}
  for i, target in ipairs(list) do
    targets[i] = { [more or "name"] = target[more or "name"] }
    for _, name in ipairs(TARGET_FACTS) do
      targets[i][name] = target[name]
    end
  end
  return targets
end

--- Every candidate that will not be tried, and why: unfit, off, or fit and not named by the plan.
local function left_out_of(request, off, steps)
  local planned, list = {}, {}
  for _, target in ipairs(request.unfit) do
    list[#list + 1] = { target = target.name, reason = target.reason }
  end
  for _, name in ipairs(off) do
    list[#list + 1] = { target = name, reason = "off" }
  end
  for _, step in ipairs(steps or {}) do
    planned[step.target] = true
  end
  for _, target in ipairs(request.targets) do
    if steps and not planned[target.name] then
      list[#list + 1] = { target = target.name, reason = "not in the plan" }
    end
  end
  return list
end

--- Steps with the names of their targets; those that are unfit for this request say why.
local function steps_of(request, steps, policy)
  local reasons, list = {}, {}
  for _, target in ipairs(request.unfit) do
    reasons[target.name] = target.reason
  end
  for i, step in ipairs(steps) do
    local shown = {}
    for key, value in pairs(type(step) == "table" and step or { target = step }) do
      shown[key] = value
    end
    local name = policy.proxies[shown.target].name
    shown.target, shown.skipped = name, reasons[name] or policy.unfit_reason(shown.target)
    list[i] = shown
  end
  return list
end

--- request; policy { admit, route, lookup, proxies, off (names), unfit_reason (of an index) } -> text.
function explain.run(request, policy)
  local answer = { facts = facts_of(request), targets = targets_of(request.targets), unfit = targets_of(request.unfit, "reason") }
  local limits, complaint = ask.admit(policy, request)
  answer.limits = limits
  if limits and #request.targets == 0 then
    complaint = { kind = "no_fit_target", message = "no target of this model is fit for this request" }
  elseif limits then
    local steps
    steps, complaint = ask.route(policy, request)
    answer.plan = steps and steps_of(request, steps, policy)
  end
  answer.left_out = left_out_of(request, policy.off, answer.plan)
  answer.refusal = complaint
  local out = {}
  write(answer, "", out)
  return table.concat(out)
end

return explain
