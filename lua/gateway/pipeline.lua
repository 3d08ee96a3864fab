--- The way of a request, from its body to its log line. Start reading here.
--
-- The steps have the same names in code and logs. What they do is C (runtime/lua/engine/steps.c, and gateway/life.c and walker.c below it);
-- what they decide is the policy's: four functions that run in a sandbox, on a budget, and can only answer, not act. A step returns
-- nothing when the request is over: refused, answered with an error, or its client gone.
-- SPDX-License-Identifier: MIT

local steps = require "gateway.steps"

local pipeline = {}

function pipeline.run(request)
  -- identify: the user of the key, the facts of the body, the model, and the targets that could serve it
  -- admit:    policy.admit names limits, or refuses; all of them are charged, or none (gateway/limits.c)
  -- route:    policy.route orders the targets: the plan
  local plan = steps.identify(request) and steps.admit(request) and steps.route(request)

  -- attempt:  the walk tries the plan's steps, with their retries, hedges and deadlines; it sleeps here meanwhile
  -- answer:   bytes go to the client from the first content on, in C; Lua is not entered per chunk
  if plan then
    local failure, rest = steps.attempt(request, plan)
    while failure do -- nothing was sent to the client yet, and another attempt would be allowed
      plan = steps.recover(request, failure, rest)
      failure, rest = steps.attempt(request, plan)
    end
  end

  -- settle:   what was reserved became what was used as soon as it ended; policy.settle sees how and may label it
  steps.settle(request)

  -- record:   one line in the log
  steps.record(request)
end

return pipeline
