--- Checks the table that gateway.lua returned, and brings it into the form that the runtime takes.
--
-- Every field is named with its path in a complaint, and with its line where the text shows it:
-- "gateway.lua:14: providers.openai.timeout: expected a duration such as "8s", got 12". Unknown names are refused. Everything that the
-- file may leave out has its default here, and nowhere else.
-- SPDX-License-Identifier: MIT

local check = require "gateway.check"
local fields = require "gateway.fields"
local hosts = require "gateway.hosts"
local keys = require "gateway.keys"
local leaderboard = require "gateway.leaderboard"
local locate = require "gateway.locate"
local models = require "gateway.models"
local price_table = require "gateway.price_table"
local prices = require "gateway.prices"
local providers = require "gateway.providers"
local schema = require "gateway.schema"
local spelling = require "gateway.spelling"
local twins = require "gateway.twins"
local url = require "gateway.url"

local config = {}

local fail = check.fail

-- ---------------------------------------------------------------- listen

--- "127.0.0.1:8080", "[::1]:8080", ":8080" (everywhere) -> host and port.
local function check_listen(value, path)
  local host, port
  if type(value) == "string" then
    host, port = value:match "^%[([%x:.]+)%]:(%d+)$"
    if not host then
      host, port = value:match "^([%w.%-]*):(%d+)$"
    end
  end
  port = math.tointeger(tonumber(port))
  if not port or port > 65535 or #host > 63 then
    check.expected(path, 'an address such as "127.0.0.1:8080"', value)
  end
  return { host = host == "" and "0.0.0.0" or host, port = port }
end

--- HOST and PORT of the environment, when the file says nothing.
local function default_listen(env)
  local host, port = env "HOST" or "127.0.0.1", env "PORT" or "8080"
  return check_listen((host:find(":", 1, true) and "[%s]:%s" or "%s:%s"):format(host, port), "HOST, PORT")
end

-- ---------------------------------------------------------------- the rest

--- "policies/default.lua" -> its folder and its name without the ending.
local function check_policy(value, path)
  local folder, name
  if type(value) == "string" and not value:find "%c" then
    folder, name = ("./" .. value):match "^(.*)/([%w_%-]+)%.lua$"
  end
  if not name then
    check.expected(path, 'the file of a policy such as "policies/default.lua"', value)
  end
  folder = folder:sub(1, 3) == "./" .. "/" and folder:sub(3) or folder:sub(3)
  return { folder = folder == "" and "." or folder, name = name }
end

local function as_it_is(value)
  return value
end

local TOP = schema.of(fields.top, {
  address = check_listen, providers = as_it_is, models = as_it_is,
  ["file of a policy"] = check_policy, name = keys.check_name, ["list of keys"] = keys.check, origins = hosts.check_cors,
  ["list of host names"] = hosts.check_names, ["list of networks"] = hosts.check_proxies, ["file, URL or { url, every }"] = as_it_is,
  file = as_it_is, ["key of 8 to 512 characters"] = keys.check_key,
})
local LATER = {
  cache = "this version has no response cache", otel = "this version sends no traces", redis = "this version shares nothing through Redis",
  database = "this version keeps nothing in a database",
  limits = "limits of users are made in policies (policies/tiers.lua), those of providers and targets stand in their own `limits`",
}

local function check_all(raw, options)
  local top = schema.check(raw, "", TOP, LATER)
  top.listen = top.listen or default_listen(options.env)
  top.listen.is_loopback = url.is_loopback_host(top.listen.host)
  if not top.listen.is_loopback and #top.keys == 0 and not top.open then
    fail("listen", "%s can be reached from outside, and there are no keys: add keys = { { key = …, user = … } }, or say open = true",
      top.listen.host)
  end
  keys.refuse_twins(top.keys, top.admin)
  hosts.complete(top.hosts, top.cors.origins)
  local board = {}
  if top.leaderboard then
    board, top.board = leaderboard.check(top.leaderboard, "leaderboard", options.read, options.fetched)
  end
  local catalog = top.prices == nil and prices or price_table.read(top.prices, "prices", options.read)
  local on, statuses = providers.check(top.providers, "providers", options)
  top.targets, top.models, top.empty_models = models.check(top.models, "models", on, statuses, board, catalog)
  top.providers, top.statuses = on, statuses
  top.users, top.keys = top.keys, nil
  return top
end

-- ---------------------------------------------------------------- plain data as text

local function write(value, out)
  if type(value) ~= "table" then
    out[#out + 1] = ("%q"):format(value)
    return
  end
  out[#out + 1] = "{"
  for key, item in next, value do
    out[#out + 1] = ("[%q]="):format(key)
    write(item, out)
    out[#out + 1] = ","
  end
  out[#out + 1] = "}"
end

--- Plain data -> a chunk of Lua that returns it: how settings come into every script.
function config.as_text(value)
  local out = { "return " }
  write(value, out)
  return table.concat(out)
end

-- ---------------------------------------------------------------- the door

local RESERVED = "and break do else elseif end false for function goto if in local nil not or repeat return then true until while"
local is_reserved = {}
for word in RESERVED:gmatch "%a+" do
  is_reserved[word] = true
end

--- What Lua says of the file, without the piece of text that the compiler stumbled over, and without what is a name only for want of
--- quotes: both may be a key.
function config.without_text(message)
  message = message:gsub(" near '(.*)'$", function(text)
    return not is_reserved[text] and text:find "[^%p]" and "" or nil
  end)
  message = message:gsub(" %(%a+ '([^\n]*)'%)$", function(name)
    return not spelling.is_name(name) and "" or nil
  end)
  return (message:gsub("'([^'\n]*)' is not declared:", function(name)
    return not spelling.is_name(name) and "a name here is not declared:" or nil
  end))
end

--- Checks what gateway.lua returned -> the config, or nil and one line.
--
-- options: file (its name in complaints), text (of the file, for lines), env (name -> value or nil), read (name of a file beside it -> its
-- text, or nil and why not), fetched (URL -> the last good copy of what it said, or nil), vendors (name -> { name, base_url, key_env,
-- no_key }).
function config.check(raw, options)
  local function place_of(path)
    return locate.place(options.file, options.text, path)
  end
  local twin, line, first = twins.find(options.text or "")
  if twin then
    return nil, ("%s:%d: %s: is given on line %d already, and Lua would keep only one of them"):format(options.file, line, twin, first)
  end
  local ok, result = pcall(check_all, raw, options)
  if ok then
    result.listen_place = place_of(raw.listen and "listen" or "HOST, PORT")
    result.strategy_place = raw.strategy and place_of "strategy"
    result.remarks = {} -- what remarks.lua finds, once the policy is known
    result.tiers = keys.tiers(result.users, place_of)
    return result
  elseif type(result) ~= "table" then
    return nil, ("%s: %s"):format(options.file, tostring(result))
  end
  return nil, ("%s: %s"):format(place_of(result.path), result.message)
end

return config
