--- The providers of gateway.lua -> those that are on, complete for the runtime, and why the others are off.
-- SPDX-License-Identifier: MIT

local adapter = require "gateway.adapter"
local check = require "gateway.check"
local fields = require "gateway.fields"
local health_check = require "gateway.health_check"
local limits = require "gateway.limits"
local places = require "gateway.places"
local runtime = require "gateway.runtime"
local schema = require "gateway.schema"
local spelling = require "gateway.spelling"
local target = require "gateway.target"
local url = require "gateway.url"

local providers = {}

local fail, join = check.fail, check.join

local function check_key(value, path)
  value = check.string(value, path)
  if value:find "[^\33-\126]" then
    fail(path, "expected a key without blanks")
  end
  return value
end

local function check_keys(value, path)
  if type(value) == "table" then
    return check.list(check_key, "a key or a list of keys")(value, path)
  end
  return { check_key(value, path) }
end

-- Headers that say how a message is framed or that this gateway writes itself.
local OWN_HEADERS = { host = true, connection = true, ["content-length"] = true, ["transfer-encoding"] = true, ["accept-encoding"] = true,
  ["content-type"] = true, ["x-request-id"] = true, traceparent = true, upgrade = true, te = true, trailer = true, expect = true }
local HEADERS_MAX = 16

local function check_headers(value, path)
  if type(value) ~= "table" then
    check.expected(path, 'a table such as { ["X-Team"] = "ml" }', value)
  end
  local list = {}
  for name, text in pairs(value) do
    if type(name) ~= "string" or not name:find "^[%w!#$%%&'*+.^_`|~-]+$" then
      fail(path, "expected names of headers such as X-Team")
    elseif OWN_HEADERS[name:lower()] then
      fail(join(path, name), "this header is written by the gateway")
    end
    list[#list + 1] = { name, check.string(text, join(path, name)) }
  end
  if #list > HEADERS_MAX then
    fail(path, "expected at most %d headers, got %d", HEADERS_MAX, #list)
  end
  table.sort(list, function(a, b) return a[1] < b[1] end)
  return list
end

local function check_proxy(value, path)
  local origin, message = url.split(value)
  if not origin then
    fail(path, "%s", message)
  end
  return origin
end

local function check_model_facts(value, path)
  local models = {}
  for id, facts in pairs(check.plain(value, path)) do
    if type(id) ~= "string" or id == "" or #id > 200 or id:find "[%c ]" then
      fail(path, "expected ids of models, got %s", check.shown(id))
    elseif not runtime.text.is_model_name(id) then
      fail(path, "expected an id without empty, '.' and '..' segments, got %s", check.shown(id))
    end
    models[id] = schema.check(facts, join(path, id), target.FIELDS)
  end
  return models
end

--- on, off, or alone: on while no other provider is.
local function check_enabled(value, path)
  if value == "alone" then
    return value
  end
  return check.boolean(value, path, "true, false or \"alone\"")
end

local PROVIDER = schema.of(fields.provider, {
  ["key or list of keys"] = check_keys, ["true, false or \"alone\""] = check_enabled, headers = check_headers, URL = check_proxy,
  ["facts of models"] = check_model_facts, limits = limits.of_config, ["health check"] = health_check.of_config, key = check_key,
})
--- A file of Lua: loaded here to see whether it can be, and once more by every script.
local function adapter_of(file, path, context)
  local options, message = { file = file }, "adapters cannot be read here"
  if context.read_adapter then
    options, message = context.read_adapter(file)
  end
  local loaded = options and options.text
  if loaded then
    loaded, message = adapter.load(options)
  end
  if not loaded then
    fail(path, "%s", message)
  end
  return { name = file, key_env = {}, base_env = {}, no_key = true, adapter = {
    index = options.index, file = file, chat = loaded.path.chat, stream = loaded.path.stream, form = loaded.stream, auth = loaded.auth,
  } }
end

local function vendor_of(name, entry, path, context)
  local vendors = context.vendors
  local kind = entry.kind or name
  if entry.kind and kind:find "%.lua$" and not kind:find '[%c"\\]' then
    return adapter_of(kind, join(path, "kind"), context)
  end
  local vendor = vendors[kind]
  if not vendor then
    local kinds = check.sorted_keys(vendors)
    if entry.kind then
      fail(join(path, "kind"), "expected one of %s, or an adapter's file.lua, got %s", table.concat(kinds, ", "), check.shown(kind))
    end
    fail(path, "nobody knows a provider of this name%s: say which one it is like, kind = \"openai\" for instance (%s)",
      spelling.hint(name, kinds), table.concat(kinds, ", "))
  end
  return vendor
end

--- The keys given; without any and at the vendor's own address, the first of its usual variables that is set.
local function find_keys(entry, vendor, env)
  if entry.key or entry.credentials or entry.access_key_id or (entry.base_url and vendor.base_url) then
    return entry.key or {}
  end
  for _, name in ipairs(vendor.key_env) do
    local key = env(name)
    if key then
      return { check_key(key, name) }
    end
  end
  return {}
end

--- Why a provider is off, or nil.
local function why_off(provider, vendor, entry)
  if #provider.keys == 0 and not vendor.no_key and not provider.access_key_id and not provider.credential and
    (provider.is_vendors or entry.key) then
    return vendor.key_env[1] and vendor.key_env[1] .. " is not set" or "it has no key"
  end
end

--- A field that only other vendors use would do nothing here.
local function refuse_foreign(given, vendor, path)
  for _, row in ipairs(fields.provider) do
    local vendors = row.of and rawget(given, row[1]) ~= nil and table.concat(row.of, ", ")
    if vendors and not (", " .. vendors .. ","):find(", " .. vendor.name .. ",", 1, true) then
      fail(join(path, row[1]), row[1] == "credentials" and "only vertex_ai has them; other providers have `key`" or
        "only %s can use it, %s cannot", vendors, vendor.name)
    end
  end
end

local function check_provider(name, value, path, context)
  if not name:find "^%w[%w._%-]*$" or #name > 64 then
    fail(path, "expected a name of letters, digits, '.', '_' and '-'")
  end
  local entry = schema.check(value, path, PROVIDER)
  local vendor = vendor_of(name, entry, path, context)
  local provider, budgets = {}, {}
  for key, item in pairs(entry) do
    provider[key] = item
  end
  provider.name, provider.kind, provider.adapter, provider.alone = name, vendor.name, vendor.adapter, entry.enabled == "alone"
  provider.is_vendors = entry.base_url == nil or vendor.base_url == nil
  provider.keys = find_keys(entry, vendor, context.env)
  provider.defaults = { timeout = entry.timeout, first_token = entry.first_token }
  for i, row in ipairs(fields.budgets) do
    budgets[i] = entry.reasoning_budgets[row[1]] or 0
  end
  provider.reasoning_budgets = budgets
  if entry.enabled == false then
    return provider, "enabled = false"
  end
  refuse_foreign(value, vendor, path)
  local place, off = places.find(entry, vendor, path, context.env, context.read)
  if not place then
    return provider, off
  end
  for _, row in ipairs(fields.provider) do
    if row.place then
      provider[row[1]] = place[row[1]]
    end
  end
  provider.credential = place.credential
  provider.check = entry.check and health_check.at(entry.check, provider)
  return provider, why_off(provider, vendor, entry)
end

--- config.providers -> a list of those that are on, by name; and for all of them { name, why_off }.
function providers.check(value, path, context)
  if type(value) ~= "table" or next(value) == nil then
    check.expected(path, "a table of providers, one at least: { mock = {} }", value)
  end
  for name in next, value do
    if type(name) ~= "string" then
      fail(path, "expected names of providers, found a %s as a key", type(name))
    end
  end
  local on, off, others = {}, {}, 0
  local names = check.sorted_keys(value)
  for _, name in ipairs(names) do
    local provider, reason = check_provider(name, value[name], join(path, name), context)
    off[name] = reason
    on[name] = not reason and provider or nil
    others = others + ((reason or provider.alone) and 0 or 1)
  end
  local list, statuses = {}, {}
  for _, name in ipairs(names) do
    local provider = on[name]
    if provider and provider.alone and others > 0 then
      off[name], provider = "other providers are on", nil
    end
    if provider then
      list[#list + 1] = provider
      provider.index = #list
    end
    statuses[#statuses + 1] = { name = name, why_off = off[name] or "" }
  end
  return list, statuses
end

return providers
