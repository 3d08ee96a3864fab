--- Calls a policy's function for a request that is not sent: for `explain`, and for the trial before a policy serves.
-- SPDX-License-Identifier: MIT

local plan = require "gateway.plan"
local runtime = require "gateway.runtime"

local ask = {}

local NO_LINE = { policy_bad_plan = true, policy_bad_result = true, policy_unknown_target = true }

--- A complaint about what a function returned has no line of its own: it gets the line of the function.
local function with_place(complaint, asked)
  local at = debug.getinfo(asked, "S")
  if complaint and NO_LINE[complaint.kind] and at.linedefined > 0 then
    complaint.message = ("%s:%d: %s"):format(at.short_src, at.linedefined, complaint.message)
  end
  return complaint
end

--- Calls a function of plan.lua under the gateway's budget, for the policy's function `asked` -> what it made, or nil and a complaint.
local function call(asked, fn, ...)
  local limits = runtime.call.limits
  local ok, first, second = runtime.call.run(fn, limits.call_instructions, limits.call_memory, 2, ...)
  if not ok then
    return nil, { kind = first, message = second }
  end
  return first, with_place(second, asked)
end

--- policy { admit, route, lookup } -> limits | nil, complaint { kind, message, … }.
function ask.admit(policy, request)
  return call(policy.admit, plan.admitted, policy.admit, request, runtime.limit.is_rule)
end

--- The same -> steps (plan.lua) | nil, complaint.
function ask.route(policy, request)
  return call(policy.route, plan.routed, policy.lookup, policy.route, request)
end

return ask
