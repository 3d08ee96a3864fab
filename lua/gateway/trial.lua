--- Tries a policy on a made-up request before it serves: a mistake refuses the policy (runtime/process/trial.c makes the requests).
-- SPDX-License-Identifier: MIT

local ask = require "gateway.ask"

local trial = {}

-- What a healthy policy may answer: waits.lua and plan.lua say these.
local FINE = { refused_by_policy = true, no_fit_target = true, wait = true }

--- The complaint as one line, with the policy's file in front where it names none.
local function told(complaint, policy, name)
  local message = complaint.message
  if policy.file ~= "" and not message:find "%.lua:%d+: " then
    message = policy.file .. ": " .. message
  end
  return ("%s: %s in %s"):format(message, complaint.kind, name)
end

--- request; policy { admit, route, lookup, file } -> what is wrong, or nil.
function trial.ask(request, policy)
  local limits, complaint = ask.admit(policy, request)
  if not limits then
    return not FINE[complaint.kind] and told(complaint, policy, "admit") or nil
  end
  local full = #request.targets == 0
  complaint = select(2, ask.route(policy, request))
  if not complaint or FINE[complaint.kind] or (full and complaint.kind == "policy_error") then
    return nil -- a policy may raise when no target has capacity: only that request fails, as it would without the policy
  end
  return told(complaint, policy, "route")
end

return trial
