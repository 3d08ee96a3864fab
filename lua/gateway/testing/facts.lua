--- The facts that policies read, for specs: requests and targets with every default, read-only, and no fact that does not exist.
-- SPDX-License-Identifier: MIT

local frozen = require "gateway.frozen"

local facts = {}

-- A fact that may be nil needs a name all the same.
local REQUEST = {
  id = "00000000000000000000000000000001", model = "test-model", dialect = "openai", route = "/v1/chat/completions", stream = false,
  user = { id = "anonymous", tier = "default", name = "anonymous", metadata = {} },
  client = { user = "", metadata = {}, headers = {}, address = "127.0.0.1" },
  strategy = "round_robin", preference = "", fallback = true, replayable = true,
  estimate = { input_tokens = 100, output_tokens = 200 },
  needs = { tools = false, vision = false, json_schema = false, reasoning = false, context = 300 },
  affinity = "0000000000000000", turn = 0, now = 1000, random = 0.5, waited_ms = 0,
}
local REQUEST_OPTIONAL = { max_tokens = true, temperature = true, body = true, targets = true, unfit = true }

local TARGET = {
  weight = 1, priority = 1, quality = 0, leaderboard = 0, context = 128000, max_output = 16384, max_temperature = 2,
  capabilities = { tools = true, vision = true, json_schema = true, reasoning = true },
  in_flight = 0, success_rate = 1, breaker = "closed", cooldown_s = 0,
}
local TARGET_OPTIONAL = { name = true, provider = true, model = true, price = true, cost_usd = true, expected_ms = true, latency = true,
  reason = true }
local LATENCY = { first_token_ms = true, per_token_ms = true, p50_ms = true, p95_ms = true, samples = true }

local NESTED = { user = true, client = true, estimate = true, needs = true, capabilities = true }

local facts_of = setmetatable({}, { __mode = "k" }) -- proxy -> its facts
local deciding -- the request whose policy runs: what depends on it is worked out for it

--- What a target costs the request that is deciding, in USD; nil where it has no price.
local function cost_of(target)
  local price = target.price
  if not price or not deciding then
    return nil
  end
  return (deciding.estimate.input_tokens * (price.input or 0) + deciding.estimate.output_tokens * (price.output or 0)) / 1e6
end

local function measured_ms(target)
  local latency = target.latency
  if latency.samples == 0 or not deciding then
    return nil
  end
  return latency.first_token_ms + latency.per_token_ms * deciding.estimate.output_tokens
end

--- How long this request would take; by the pool's median where the target was never measured.
local function expected_of(target)
  local own = measured_ms(target)
  if own or not deciding then
    return own
  end
  local all = {}
  for _, other in ipairs(deciding.targets) do
    all[#all + 1] = measured_ms(facts_of[other])
  end
  table.sort(all)
  return all[(#all + 1) // 2]
end

local WORKED_OUT = { cost_usd = cost_of, expected_ms = expected_of }

local function proxy(what, values, known)
  local made = setmetatable({}, {
    __index = function(_, key)
      local value = values[key]
      if value == nil and WORKED_OUT[key] and what == "a target" then
        return WORKED_OUT[key](values)
      elseif value == nil and not known(key) then
        error(("%s has no fact '%s'"):format(what, tostring(key)), 2)
      end
      return value
    end,
    __newindex = function(_, key)
      error(("the facts of %s are read-only ('%s')"):format(what, tostring(key)), 2)
    end,
    __pairs = function(self)
      return function(_, key) return next(values, key) end, self, nil
    end,
    __name = what,
    __metatable = false,
  })
  facts_of[made] = values
  return made
end

--- A copy of the defaults with what was given on top, one level deep; raises where a name is unknown.
local function overlay(what, defaults, given, level)
  local values = {}
  for key, value in pairs(defaults) do
    values[key] = value
  end
  for key, value in pairs(given) do
    if defaults[key] == nil then
      error(("%s has no fact '%s'"):format(what, tostring(key)), level)
    elseif type(value) ~= type(defaults[key]) then
      error(("%s.%s: expected a %s, got a %s"):format(what, key, type(defaults[key]), type(value)), level)
    end
    values[key] = value
  end
  return values
end

--- The defaults as policies see them: read-only, so that all may have the same.
local function frozen_defaults(what, defaults)
  local values = {}
  for key, value in pairs(defaults) do
    values[key] = NESTED[key] and frozen.copy(value, what .. "." .. key) or value
  end
  return values
end

local FROZEN = { [REQUEST] = frozen_defaults("a request", REQUEST), [TARGET] = frozen_defaults("a target", TARGET) }

local function fill(what, defaults, optional, given)
  local values = {}
  for key, value in next, FROZEN[defaults] do
    values[key] = value
  end
  for key, value in pairs(given) do
    if defaults[key] == nil and not optional[key] then
      error(("%s has no fact '%s'"):format(what, tostring(key)), 3)
    elseif defaults[key] ~= nil and type(value) ~= type(defaults[key]) then
      error(("%s.%s: expected a %s, got a %s"):format(what, key, type(defaults[key]), type(value)), 3)
    elseif NESTED[key] then
      value = frozen.copy(overlay(what .. "." .. key, defaults[key], value, 4), what .. "." .. key)
    end
    values[key] = value
  end
  return values
end

--- A target: its name, or a table of its facts; first_token_ms, per_token_ms, p50_ms, p95_ms and samples go into `latency`.
function facts.target(given)
  if type(given) == "string" then
    given = { name = given }
  elseif facts_of[given] then
    return given
  end
  local rest, latency = {}, { first_token_ms = 0, per_token_ms = 0, p50_ms = 0, p95_ms = 0, samples = 0 }
  for key, value in pairs(given) do
    if LATENCY[key] then
      latency[key] = value
      latency.samples = given.samples or 1
    else
      rest[key] = value
    end
  end
  local values = fill("a target", TARGET, TARGET_OPTIONAL, rest)
  if type(values.name) ~= "string" or not values.name:find "^[^/]+/." then
    error("a target's name is provider/model, got " .. tostring(values.name), 2)
  end
  values.provider = values.provider or values.name:match "^[^/]+"
  values.model = values.model or values.name:match "^[^/]+/(.+)$"
  values.latency = frozen.copy(values.latency or latency, "a target.latency")
  values.price = frozen.copy(values.price, "a target.price")
  return proxy("a target", values, function(key)
    return TARGET_OPTIONAL[key] or TARGET[key] ~= nil
  end)
end

local function target_list(given, what)
  local list = {}
  for i, target in ipairs(given) do
    list[i] = facts.target(target)
  end
  return frozen.view(list, what)
end

--- A request with the facts given and the defaults for the rest. `targets` and `unfit` are lists of targets or names, `body` a table.
function facts.request(given)
  given = given or {}
  if facts_of[given] then
    return given
  end
  local values = fill("a request", REQUEST, REQUEST_OPTIONAL, given)
  values.targets = target_list(given.targets or { "a/m", "b/m" }, "request.targets")
  values.unfit = target_list(given.unfit or {}, "request.unfit")
  local body = frozen.copy(given.body or {}, "request.body()")
  values.body = function()
    return body
  end
  local request = proxy("a request", values, function(key)
    return REQUEST_OPTIONAL[key] or REQUEST[key] ~= nil
  end)
  facts.deciding(request)
  return request
end

--- From now on facts that depend on the request are worked out for this one.
function facts.deciding(request)
  deciding = facts_of[request] or deciding
end

return facts
