--- Everything a spec of a policy needs: facts, a held clock, scripted upstreams. No server, no network, no sleep.
--
--     local testing = require "gateway.testing"
--     local policy = testing.load "policies/fallback.lua"
--     local run = testing.run(policy, { targets = { "a/m", "b/m" },
--       upstreams = { ["a/m"] = testing.rate_limited(), ["b/m"] = testing.answer "hello" } })
--     assert.equal("b/m", run.served_by)
--
-- Policies run in the sandbox and the loader of the gateway, under its budgets; testing.run walks plans with the runtime's own state
-- machine (retries, hedges, deadlines, the attempt budget).
-- SPDX-License-Identifier: MIT

local found, runtime = pcall(require, "gateway.runtime")
if not found then
  local absent = runtime:find("' not found", 1, true)
  error(absent and "gateway.runtime is not there: `make` builds it (build/lua/gateway/runtime.so)" or runtime, 0)
end
local adapter = require "gateway.adapter"
local facts = require "gateway.testing.facts"
local loader = require "gateway.policy"
local run = require "gateway.testing.run"
local upstreams = require "gateway.testing.upstreams"

local testing = {
  target = facts.target,
  request = facts.request,
}
for name, script in pairs(upstreams) do
  testing[name] = name ~= "events" and script or nil
end

-- ---------------------------------------------------------------- loading

--- Texts of a folder, each read when asked for.
local function folder_sources(folder)
  return setmetatable({}, {
    __index = function(self, name)
      local file = io.open(("%s/%s.lua"):format(folder, name), "rb")
      if file then
        self[name] = file:read "a"
        file:close()
      end
      return rawget(self, name)
    end,
  })
end

local raw = setmetatable({}, { __mode = "k" }) -- policy as handed out -> policy as loaded

--- Loads a policy as the gateway does; raises what `gateway check` would print. options: settings, strategy, and sources (name ->
--- text) in place of the files beside it.
function testing.load(path, options)
  options = options or {}
  local folder, name = path:match "^(.-)/?([^/]+)%.lua$"
  if not name then
    error("expected a path such as policies/default.lua, got " .. tostring(path), 2)
  end
  local loaded, message = loader.load {
    name = name,
    folder = folder ~= "" and folder or ".",
    sources = options.sources or folder_sources(folder ~= "" and folder or "."),
    settings = options.settings,
    strategy = options.strategy,
  }
  if not loaded then
    error(message, 2)
  end

  local policy = { name = loaded.name, strategies = loaded.strategies, tiers = loaded.tiers }
  for _, key in ipairs { "admit", "route", "recover", "settle" } do
    policy[key] = function(request, ...)
      facts.deciding(request)
      local limits = runtime.call.limits
      local ok, first, second = runtime.call.run(loaded[key], limits.call_instructions, limits.call_memory, 2, request, ...)
      if not ok then
        error(second, 2)
      end
      return first, second
    end
  end
  raw[policy] = loaded
  return policy
end

--- Loads an adapter as the gateway does; raises what `gateway check` would print. Its functions raise what the gateway would log; what they
-- take and return are plain tables, which testing.json makes from text. options: text, in place of the file.
function testing.adapter(path, options)
  local text = options and options.text
  if not text then
    local file = io.open(path, "rb") or error("there is no " .. path, 2)
    text = file:read "a"
    file:close()
  end
  local loaded, message = adapter.load { file = path, text = text }
  if not loaded then
    error(message, 2)
  end
  local limits = runtime.call.limits
  for _, key in ipairs { "encode", "decode", "decode_event", "failure" } do
    local inner = loaded[key]
    loaded[key] = inner and function(...)
      local ok, first, second = runtime.call.run(inner, limits.call_instructions, limits.call_memory, 2, ...)
      if not ok then
        error(second, 2)
      end
      return first, second
    end
  end
  return loaded
end

--- What adapters have as gateway.json: decode, encode, array, null.
testing.json = runtime.value

--- Counters that several runs share: run(policy, { limiter = ..., now = ... }).
function testing.limiter()
  return runtime.limiter.new()
end

--- The names in a plan, in order.
function testing.names(list)
  local names = {}
  for i = 1, #list do
    local item = list[i]
    if type(item) == "table" and rawget(item, "target") ~= nil then
      item = item.target
    end
    names[i] = type(item) == "string" and item or item.name
  end
  return names
end

--- Sends a request through admit, route, the walk with recover, and settle.
--
-- scenario: targets (facts or names), upstreams (name -> script or list of scripts, one per attempt, the last repeated), off (names
-- that are known but off), limits (deadlines in seconds, attempts), limiter (testing.limiter(), for runs that count together; else each
-- counts for itself), and any fact of the request: the clock begins at `now`.
-- -> limits (what was left), served_by, text, attempts { target, outcome, ms, hedge, failure }, refusal, failure, labels, elapsed_ms
function testing.run(policy, scenario)
  local loaded = raw[policy] or error("testing.run: expected a policy from testing.load", 2)
  return run.new(loaded, scenario):go()
end

return testing
