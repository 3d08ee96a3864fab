--- Loads a policy: compiles its files in the sandbox, lets them require each other, checks what came out.
--
-- All files are given as text, so that the very bytes that were tried are the ones that serve. Everything a policy gets through
-- `require` is read-only, and each load has modules of its own. Whatever is wrong is one line: "policies/x.lua:12: …".
-- SPDX-License-Identifier: MIT

local runtime = require "gateway.runtime"
local check = require "gateway.check"
local defaults = require "gateway.defaults"
local frozen = require "gateway.frozen"
local limits = require "gateway.limits"
local pattern = require "gateway.pattern"
local spelling = require "gateway.spelling"

local policy = {}

local FUNCTIONS = { "admit", "route", "recover", "settle" }
local EXPORTS = { admit = "function", route = "function", recover = "function", settle = "function", strategies = "table",
  tiers = "table" }
local HELPERS = "gateway.limit, gateway.order, gateway.pattern, gateway.settings"

--- The values of gateway.* that a policy may require.
local function helper_modules(options, loading)
  local helpers = {
    ["gateway.limit"] = limits.maker(loading),
    ["gateway.order"] = frozen.copy(runtime.order, "gateway.order"),
    ["gateway.pattern"] = frozen.copy(pattern, "gateway.pattern"),
    ["gateway.settings"] = frozen.copy(options.settings or {}, "gateway.settings"),
  }
  for name, module in pairs(options.helpers or {}) do
    helpers[name] = frozen.copy(module, name)
  end
  return helpers
end

--- Why a file that may be there has no text, or nil where there is none.
local function why_unread(options, name)
  local file = ("%s/%s.lua"):format(options.folder, name)
  if options.unread and options.unread[name] then
    return ("%s: %s"):format(file, options.unread[name])
  elseif options.unread_folder then
    return ("%s: its folder %s: %s"):format(file, options.folder, options.unread_folder)
  end
end

--- Runs one file and returns its table. Runs inside the sandbox's budget; raises.
local function run_file(options, name)
  local file = ("%s/%s.lua"):format(options.folder, name)
  local chunk, message = runtime.sandbox.compile(options.sources[name], file)
  if not chunk then
    error(message, 0)
  end
  local module = chunk()
  if type(module) ~= "table" then
    error(("%s: expected a table to be returned, got %s"):format(file, type(module)), 0)
  elseif getmetatable(module) ~= nil then
    error(file .. ": expected a plain table to be returned, got one with a metatable", 0)
  end
  return module
end

--- What `require` means to the policies of this load. `modules` is filled as they are loaded.
local function make_require(options, modules, loading)
  local helpers = helper_modules(options, loading)

  return function(name)
    if helpers[name] then
      return helpers[name]
    end
    local short = name:match "^policies%.([%w_%-]+)$"
    if not short then
      error(("'%s' cannot be required: expected policies.* or one of %s"):format(name:sub(1, 60), HELPERS), 3)
    elseif modules[short] then
      return modules[short]
    elseif loading.over then
      error("require belongs at the top of a file", 3)
    elseif loading[short] then
      error(("policies.%s requires itself, perhaps through others"):format(short), 3)
    elseif not options.sources[short] then
      error(why_unread(options, short) or ("there is no %s/%s.lua"):format(options.folder, short), 3)
    end
    loading[short] = true
    modules[short] = frozen.copy(run_file(options, short), "policies." .. short)
    loading[short] = nil
    return modules[short]
  end
end

--- Iterates over a table of a policy, which may be a read-only view of a table of the gateway: its pairs function is safe.
local function each(map)
  if getmetatable(map) == false then
    return pairs(map)
  end
  return next, map
end

local function check_strategies(file, strategies)
  for name, strategy in each(strategies) do
    if type(name) ~= "string" then
      return ("%s: strategies: expected names, got a %s"):format(file, type(name))
    elseif type(strategy) ~= "table" or type(strategy.route) ~= "function" then
      return ("%s: strategies.%s: expected a policy with a function route"):format(file, name)
    end
  end
end

local function check_tiers(file, tiers)
  for place, name in each(tiers) do
    if math.type(place) ~= "integer" then
      return ("%s: tiers: expected a list of names, found the key %s"):format(file, tostring(place):sub(1, 60))
    elseif type(name) ~= "string" then
      return ("%s: tiers[%d]: expected a name, got a %s"):format(file, place, type(name))
    end
  end
end

local function names_of(tiers)
  local names = {}
  for _, name in each(tiers) do
    names[#names + 1] = name
  end
  table.sort(names)
  return names
end

--- A tier that the policy does not know would have none of its limits. `given`: tier -> the place where a key has it.
local function check_given(file, tiers, given)
  local names, known = names_of(tiers), {}
  for _, name in ipairs(names) do
    known[name] = true
  end
  for _, tier in ipairs(check.sorted_keys(given)) do
    if not known[tier] then
      return ("%s: expected one of %s (%s), got %q%s"):format(given[tier], table.concat(names, ", "), file, tier,
        spelling.hint(tier, names))
    end
  end
end

--- nil when the table has the shape of a policy, else what is wrong.
local function check_shape(file, module)
  local has_function = false
  for key, value in next, module do
    local expected = EXPORTS[key]
    if not expected then
      return ("%s: '%s' is none of admit, route, recover, settle, strategies, tiers"):format(file, tostring(key):sub(1, 60))
    elseif type(value) ~= expected then
      return ("%s: %s: expected a %s, got a %s"):format(file, key, expected, type(value))
    end
    has_function = has_function or expected == "function"
  end
  if not has_function then
    return file .. ": expected at least one of admit, route, recover, settle"
  end
  return module.strategies and check_strategies(file, module.strategies) or module.tiers and check_tiers(file, module.tiers)
end

--- Loads the policy `name` -> a table with admit, route, recover, settle (functions), name, tiers (a list) and strategies (name -> true),
--- both nil where it says nothing of them; or nil and what is wrong.
--
-- options: name "default"; sources: name -> text of every file in the folder; folder: its name in messages ("policies"); unread: name ->
-- why a file could not be read; unread_folder: why the folder could not; settings: the config's; strategy: the config's;
-- strategy_place: where it is given ("gateway.lua:3: strategy"), nil where it is the default; tiers: those of the config's keys,
-- tier -> place; config: the config's file name; helpers: more modules, name -> table.
function policy.load(options)
  options.folder = options.folder or "policies"
  local name = options.name
  local file = ("%s/%s.lua"):format(options.folder, name)
  if type(options.sources[name]) ~= "string" then
    return nil, why_unread(options, name) or file .. ": there is no such file"
  end

  local modules, loading = {}, { [name] = true }
  runtime.sandbox.set_require(make_require(options, modules, loading))
  local budget = runtime.call.limits
  local ok, module, message = runtime.call.run(run_file, budget.load_instructions, budget.load_memory, 1, options, name)
  loading.over = true
  if not ok then
    return nil, message
  end
  local complaint = check_shape(file, module) or module.tiers and options.tiers and check_given(file, module.tiers, options.tiers)
  if complaint then
    return nil, complaint
  end

  local loaded = { name = name }
  for _, key in ipairs(FUNCTIONS) do
    loaded[key] = module[key] or defaults[key]
  end
  loaded.tiers = module.tiers and names_of(module.tiers)
  if module.strategies then
    loaded.strategies = {}
    for strategy in each(module.strategies) do
      loaded.strategies[strategy] = true
    end
    if options.strategy and not loaded.strategies[options.strategy] then
      local known = check.sorted_keys(loaded.strategies)
      return nil, ("%s: expected one of %s (%s), got %q%s"):format(
        options.strategy_place or (options.config or "gateway.lua") .. ": strategy", table.concat(known, ", "), file, options.strategy,
        spelling.hint(options.strategy, known))
    end
  elseif options.strategy_place then
    return nil, ("%s: %s has no strategies to choose from: leave it out"):format(options.strategy_place, file)
  end
  return loaded
end

return policy
