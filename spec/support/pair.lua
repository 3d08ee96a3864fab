--- A gateway and the provider behind it, for the specs of a block.
--
--     local mock, gateway, start, stop = pair.of(launch.mock, { config = CONFIG })    or scripted.start
--     setup(start)
--     teardown(stop)                                                                  -- the gateway has to end with 0
--
-- Each %s in the config is the provider's origin. Both may be used as soon as `start` has run.
-- SPDX-License-Identifier: MIT
local launch = require "support.launch"

local pair = {}

-- Stands for an object that is made later, and knows all that it knows.
local function stand_in()
  local object
  return setmetatable({}, {
    __index = function(_, key) return object[key] end,
    __newindex = function(_, key, value) object[key] = value end,
  }), function(made)
    object = made
  end
end

function pair.of(start_provider, options)
  local provider, provide = stand_in()
  local gateway, launched = stand_in()
  local function start()
    provide(start_provider())
    local ready = {}
    for name, value in pairs(options) do
      ready[name] = value
    end
    ready.config = options.config:gsub("%%s", provider.origin)
    launched(launch.start(ready))
  end
  local function stop()
    local status = gateway:stop()
    provider:stop()
    assert(status == 0, ("the gateway ended with %s"):format(status))
  end
  return provider, gateway, start, stop
end

return pair
