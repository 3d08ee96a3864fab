--- Valid settings of a config that look like mistakes: patterns, settings and models that match nothing, deadlines that cannot pass.
-- SPDX-License-Identifier: MIT

local check = require "gateway.check"
local locate = require "gateway.locate"
local pattern = require "gateway.pattern"
local spelling = require "gateway.spelling"
local units = require "gateway.units"


local remarks = {}

-- What `recover` is told of (policies/README.md), and so what settings about failures go by.
local failure_kinds = { "rate_limited", "overloaded", "unavailable", "timeout", "auth", "quota", "invalid_request", "model_not_found",
  "context_length", "content_filter", "starved" }
local join = check.join

--- May a name "provider/…", which needs no entry of its own, be one that the pattern describes?
local function may_match_provider(text, provider)
  local prefix = provider .. "/"
  local literal, star = text:match "^([^*]*)(%*?)"
  return literal:sub(1, #prefix) == prefix and (#literal > #prefix or star ~= "") or star ~= "" and prefix:sub(1, #literal) == literal
end

local function matches_something(text, checked)
  for _, model in ipairs(checked.models) do
    if pattern.any({ text }, model.name) then
      return true
    end
  end
  for _, provider in ipairs(checked.providers) do
    if may_match_provider(text, provider.name) then
      return true
    end
  end
end

local function names_of(list)
  local names = {}
  for i, item in ipairs(list) do
    names[i] = item.name
  end
  return names
end

local function look_at_keys(checked, remark)
  for _, user in ipairs(checked.users) do
    for i, text in ipairs(user.models) do
      if not matches_something(text, checked) then
        remark(join(join(user.path, "models"), i), "%s matches no model that is on%s", check.shown(text),
          spelling.hint(text, names_of(checked.models)))
      end
    end
  end
end

local function look_at_models(checked, remark)
  for _, name in ipairs(checked.empty_models) do
    remark(join("models", name), "none of its targets is on: asking for it is a 404")
  end
end

-- ---------------------------------------------------------------- deadlines

local function seconds(value)
  return value ~= nil and units.duration(value) or nil
end

--- Deadlines of a table that is given which pass after the one that ends them all. A default that is longer gives way without a word.
local function compare(given, names, whole, limit, path, remark)
  for _, name in ipairs(names) do
    local length = seconds(rawget(given, name))
    if length and limit and length > limit then
      remark(join(path, name), "%gs is longer than %s, %gs, which passes first", length, whole, limit)
    end
  end
end

--- The timeout that a target of this name has from its provider; nil: none.
local function inherited(raw, name)
  local provider, model = tostring(name):match "^([^/]+)/(.+)$"
  local entry = provider and rawget(raw.providers, provider)
  local models = entry and rawget(entry, "models")
  local own = models and rawget(models, model)
  return own and seconds(rawget(own, "timeout")) or entry and seconds(rawget(entry, "timeout"))
end

--- Wherever a provider, a model of its own or a target has one: `timeout` ends its attempt, `total` the request.
local function look_at_items(raw, value, path, total, remark)
  local own = seconds(rawget(value, "timeout"))
  local whole, name = own, "`timeout`"
  if not own and rawget(value, "first_token") then
    whole, name = inherited(raw, value[1]), "`timeout` of its provider"
  end
  if whole and whole <= total then
    compare(value, { "first_token" }, name, whole, path, remark)
  else
    compare(value, { "first_token" }, "`timeouts.total`", total, path, remark)
  end
  compare(value, { "timeout" }, "`timeouts.total`", total, path, remark)
  for _, key in ipairs(check.sorted_keys(value)) do
    if type(value[key]) == "table" then
      look_at_items(raw, value[key], join(path, key), total, remark)
    end
  end
end

local function look_at_deadlines(raw, checked, remark)
  local total = checked.timeouts.total
  compare(raw.timeouts or {}, { "connect", "tls", "headers", "first_token", "idle" }, "`total`", total, "timeouts", remark)
  look_at_items(raw, raw.providers, "providers", total, remark)
  look_at_items(raw, raw.models or {}, "models", total, remark)
end

-- ---------------------------------------------------------------- settings

--- The words of a policy and of those that it names, each a key: a setting that is none of them cannot be read by its name.
local function words_of(sources, name, words)
  words = words or {}
  for word in (sources[name] or ""):gmatch "[%a_][%w_]*" do
    if not words[word] then
      words[word] = true
      words_of(sources, word, words)
    end
  end
  return words
end

--- What policies read as settings.NAME, or require("gateway.settings").NAME.
local function names_read(sources, words)
  local seen = {}
  for name, text in pairs(sources) do
    for setting in (words[name] and text or ""):gmatch "settings[\"')]*%s*%.%s*([%a_][%w_]*)" do
      seen[setting] = true
    end
  end
  return check.sorted_keys(seen)
end

--- Names in tables of settings, and targets: what is nearly a kind of failure or a provider, and none of the policy's words, is mistyped.
local function look_inside(value, path, known, remark)
  for _, key in ipairs(check.sorted_keys(value)) do
    local item, where = value[key], join(path, key)
    local kind = type(key) == "string" and not known.words[key] and not known.kinds[key] and spelling.nearest(key, known.kind_names)
    local prefix = type(item) == "string" and item:match "^([%w._%-]+)/%S+$"
    local provider = prefix and not known.providers[prefix] and spelling.nearest(prefix, known.provider_names)
    if kind then
      remark(where, "no policy reads it (did you mean '%s'?)", kind)
    elseif provider then
      remark(where, "there is no provider '%s' (did you mean '%s'?)", prefix, provider)
    elseif type(item) == "table" then
      look_inside(item, where, known, remark)
    end
  end
end

local function look_at_settings(checked, policy, remark)
  local words = words_of(policy.sources, policy.name)
  local known = { words = words, kinds = {}, kind_names = failure_kinds, providers = {}, provider_names = names_of(checked.statuses) }
  for _, kind in ipairs(failure_kinds) do
    known.kinds[kind] = true
  end
  for _, name in ipairs(known.provider_names) do
    known.providers[name] = true
  end
  for _, name in ipairs(check.sorted_keys(checked.settings)) do
    local path, value = join("settings", name), checked.settings[name]
    if type(name) == "string" and not words[name] then
      remark(path, "no policy reads it%s", spelling.hint(name, names_read(policy.sources, words)))
    elseif type(value) == "table" then
      look_inside(value, path, known, remark)
    end
  end
end

-- ---------------------------------------------------------------- the door

--- -> a list of lines, each with its place. `raw`: what gateway.lua returned, `checked`: what became of it; `text` of the file;
--- `policy`: the `name` of the one in force, and `sources`, name -> text of those in its folder.
function remarks.of(raw, checked, file, text, policy)
  local list = {}
  local function remark(path, message, ...)
    list[#list + 1] = ("%s: %s"):format(locate.place(file, text, path), message:format(...))
  end
  look_at_keys(checked, remark)
  look_at_models(checked, remark)
  look_at_deadlines(raw, checked, remark)
  look_at_settings(checked, policy, remark)
  return list
end

return remarks
