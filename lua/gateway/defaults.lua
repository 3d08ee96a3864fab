--- The defaults of a policy: it admits every caller, tries targets in the order of the config, and goes on after a failure unless that
--- would be pointless or might do the same thing twice.
-- SPDX-License-Identifier: MIT

local defaults = {}

function defaults.admit()
  return {}
end

function defaults.route(request)
  return request.targets
end

function defaults.recover(request, failure, rest)
  if not request.fallback or failure.kind == "invalid_request" then
    return nil
  elseif failure.sent == "uncertain" and not request.replayable then
    return nil
  end
  return rest
end

function defaults.settle()
  return {}
end

return defaults
