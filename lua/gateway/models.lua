--- config.models, the catalog, and what providers say of their models -> targets and the names a client may ask for.
--
-- Where two lists say different things of one target (another weight, say), each gets a target of its own; both share the name,
-- and so health and breaker.
-- SPDX-License-Identifier: MIT

local check = require "gateway.check"
local runtime = require "gateway.runtime"
local schema = require "gateway.schema"
local spelling = require "gateway.spelling"
local target = require "gateway.target"

local models = {}

local fail, join, is_model_name = check.fail, check.join, runtime.text.is_model_name

local NOT_PLAIN = "expected a name without empty, '.' and '..' segments: %s is a 404 to every client"
local TARGETS_MAX = 4096 / 2 -- the other half is for those that clients name
local AUTO = "auto"

--- Facts as text, to see whether two items say the same.
local function fingerprint(facts)
  local parts = {}
  for _, key in ipairs(check.sorted_keys(facts)) do
    local value = facts[key]
    parts[#parts + 1] = key .. "=" .. (type(value) == "table" and table.concat(value, ",") or tostring(value))
  end
  return table.concat(parts, ";")
end

--- The target with these facts, made when it is new.
local function add(state, provider, id, said, path)
  local facts = target.facts(provider, id, said, state.board, state.catalog)
  local mark = provider.name .. "/" .. fingerprint(facts)
  if not state.by_mark[mark] then
    if #state.targets == TARGETS_MAX then
      fail(path, "expected at most %d targets in all", TARGETS_MAX)
    end
    state.targets[#state.targets + 1] = facts
    state.by_mark[mark] = #state.targets
    local name = provider.name .. "/" .. id
    state.by_name[name] = state.by_name[name] or #state.targets
  end
  return state.by_mark[mark]
end

--- "provider/model" or { "provider/model", weight = 3, … } -> its target's index, or nil and its name where the provider is off.
local function check_item(state, item, path)
  local said, name = {}, item
  if type(item) == "table" then
    name = rawget(item, 1)
    for key, value in next, item do
      if key ~= 1 then
        said[key] = value
      end
    end
    said = schema.check(said, path, target.FIELDS)
  end
  local prefix, id
  if type(name) == "string" and #name <= 264 and not name:find "[%c ]" then
    prefix, id = name:match "^([^/]+)/(.+)$"
  end
  if not prefix then
    check.expected(path, 'a target such as "openai/gpt-4o"', name)
  elseif not is_model_name(id) then
    fail(path, NOT_PLAIN, check.shown(name))
  elseif state.off[prefix] == nil and not state.on[prefix] then
    fail(path, "there is no provider '%s'%s", prefix, spelling.hint(prefix, state.names))
  end
  if not state.on[prefix] then
    return nil, name
  end
  return add(state, state.on[prefix], id, said, path)
end

--- One entry of config.models -> indexes of its targets, and the names of those whose providers are off.
local function check_model(state, value, path)
  if type(value) == "string" then
    value = { value }
  elseif type(value) == "table" and type(rawget(value, 1)) == "string" then
    for key in next, value do
      if type(key) == "string" then
        fail(path, 'expected a list of targets: { { "openai/gpt-4o", %s = … } }', key)
      end
    end
  end
  local list, off, seen = {}, {}, {}
  for i, item in ipairs(check.list(function(item) return item end, "a list of targets")(value, path)) do
    local name = type(item) == "table" and rawget(item, 1) or item
    if seen[name] then
      fail(join(path, i), "%s is in this list already", check.shown(name))
    end
    seen[name or item] = true
    local index, off_name = check_item(state, item, join(path, i))
    list[#list + 1], off[#off + 1] = index, off_name
  end
  if next(seen) == nil then
    fail(path, "expected at least one target")
  end
  return list, off
end

local function check_named(state, value, path)
  value = check.plain(value, path)
  for name in next, value do
    if type(name) ~= "string" or name == "" or #name > 200 or name:find "[%c ]" then
      fail(path, "expected names of models, got %s", check.shown(name))
    elseif not is_model_name(name) then
      fail(path, NOT_PLAIN, check.shown(name))
    end
  end
  for _, name in ipairs(check.sorted_keys(value)) do
    local list, off = check_model(state, value[name], join(path, name))
    if #list > 0 then
      state.models[#state.models + 1] = { name = name, targets = list, off = off, from_catalog = false }
    else
      state.empty[#state.empty + 1] = name
    end
    state.taken[name] = true
  end
end

--- What providers say of their own models: names with the provider in front.
local function add_owned(state, list)
  for _, provider in ipairs(list) do
    for _, id in ipairs(check.sorted_keys(provider.models)) do
      local name = provider.name .. "/" .. id
      local index = state.by_name[name] or add(state, provider, id, nil, "providers." .. provider.name .. ".models")
      if not state.taken[name] then
        state.taken[name] = true
        state.models[#state.models + 1] = { name = name, targets = { index }, off = {}, from_catalog = false }
      end
    end
  end
end

-- What these have is what their owner put there: no name of the catalog means that it is.
local DEPLOYED = { azure = true, ollama = true, ollama_compat = true, vllm = true }

--- Names of the catalog, each at every provider that is the vendor's own.
local function add_catalog(state, list)
  local bare = {}
  for _, provider in ipairs(list) do
    local rows = provider.is_vendors and not DEPLOYED[provider.kind] and state.catalog[provider.kind] or {}
    for _, id in ipairs(check.sorted_keys(rows)) do
      local index = state.by_name[provider.name .. "/" .. id] or add(state, provider, id, nil, "providers." .. provider.name)
      local name = id:find("/", 1, true) and provider.name .. "/" .. id or id
      bare[name] = bare[name] or {}
      table.insert(bare[name], index)
    end
  end
  for _, name in ipairs(check.sorted_keys(bare)) do
    if not state.taken[name] then
      state.taken[name] = true
      state.models[#state.models + 1] = { name = name, targets = bare[name], off = {}, from_catalog = true }
    end
  end
end

--- Every target once, under a name of its own.
local function add_auto(state)
  if state.taken[AUTO] or #state.targets == 0 then
    return
  end
  local all = {}
  for _, index in pairs(state.by_name) do
    all[#all + 1] = index
  end
  table.sort(all)
  state.models[#state.models + 1] = { name = AUTO, targets = all, off = {}, from_catalog = false }
end

--- `board`: points of the leaderboard by name; `catalog`: kind -> id -> what is known of that model.
-- -> targets (a list of facts), models (a list of { name, targets = indexes, off = names, from_catalog }), and names that have no target.
function models.check(value, path, on, statuses, board, catalog)
  local state = { board = board, catalog = catalog,
    targets = {}, models = {}, empty = {}, by_mark = {}, by_name = {}, taken = {}, on = {}, off = {}, names = {} }
  for _, provider in ipairs(on) do
    state.on[provider.name] = provider
  end
  for i, status in ipairs(statuses) do
    state.names[i] = status.name
    state.off[status.name] = not state.on[status.name]
  end
  check_named(state, value, path)
  add_owned(state, on)
  add_catalog(state, on)
  add_auto(state)
  return state.targets, state.models, state.empty
end

return models
