--- The address of a provider: from the config, else from its usual variables, else the vendor's own.
--
-- places.find(entry, vendor, path, env, read) -> { origin, path, and fields of the provider that were looked up }, or nil and why it is
-- off. Complaints are raised with the field's path.
-- SPDX-License-Identifier: MIT

local check = require "gateway.check"
local credentials = require "gateway.credentials"
local url = require "gateway.url"

local places = {}

local fail, join = check.fail, check.join

--- The first of these variables that is set, and its name.
local function first(env, names)
  for _, name in ipairs(names) do
    local value = env(name)
    if value and value ~= "" then
      return value, name
    end
  end
end

local function base(text, version, path)
  local origin, rest = url.base(text, version)
  if not origin then
    fail(join(path, "base_url"), "%s", rest)
  end
  return origin, rest
end

--- A name that becomes a part of a host or a path.
local function label(value, path, example)
  if not value:find "^[%w%-]+$" or #value > 63 then
    fail(path, "expected letters, digits and '-', such as %q, got %s", example, check.shown(value))
  end
  return value:lower()
end

local kinds = {}

--- https://NAME.openai.azure.com: "/openai/v1" by default; "/openai" with a dated api_version, then deployments are named in the path.
function kinds.azure(entry, _, path, env)
  local text = entry.base_url or first(env, { "AZURE_OPENAI_ENDPOINT", "AZURE_API_BASE" })
  if not text then
    return nil, "AZURE_OPENAI_ENDPOINT is not set"
  end
  local said -- the portal's "target URI" ends in ?api-version=…
  text, said = text:match "^([^?]*)%??(.*)$"
  said = ("&" .. said):match "&api%-version=([^&]+)"
  local version = entry.api_version or said or first(env, { "AZURE_API_VERSION" }) or "v1"
  local month, day = version:gsub("%-preview$", ""):match "^%d%d%d%d%-(%d%d)%-(%d%d)$"
  local dated = month and month >= "01" and month <= "12" and day >= "01" and day <= "31"
  if not dated and version ~= "v1" and version ~= "preview" then
    fail(join(path, "api_version"), 'expected a date such as "2024-10-21" or "2025-04-01-preview", "v1" or "preview", got %s',
      check.shown(version))
  end
  local origin, rest = base(text, nil, path)
  rest = rest:gsub("/openai.*$", "") .. (dated and "/openai" or "/openai/v1")
  return { origin = origin, path = rest, api_version = version, dated_api = dated or false }
end

function kinds.bedrock(entry, _, path, env)
  local key_id = entry.access_key_id or env "AWS_ACCESS_KEY_ID"
  local secret = entry.secret_access_key or env "AWS_SECRET_ACCESS_KEY"
  if not entry.key and not env "AWS_BEARER_TOKEN_BEDROCK" then
    if not key_id then
      return nil, "AWS_BEARER_TOKEN_BEDROCK or AWS_ACCESS_KEY_ID is not set"
    elseif not secret then
      fail(join(path, "secret_access_key"), "expected the secret that belongs to access_key_id (or AWS_SECRET_ACCESS_KEY)")
    end
  end
  local region = entry.region or first(env, { "AWS_REGION", "AWS_DEFAULT_REGION" })
  if not region then
    fail(join(path, "region"), 'expected a region such as "us-east-1" (or AWS_REGION)')
  end
  region = label(region, join(path, "region"), "us-east-1")
  local place = { region = region, access_key_id = key_id, secret_access_key = secret,
    session_token = entry.session_token or (not entry.access_key_id and env "AWS_SESSION_TOKEN" or nil) }
  place.origin, place.path = ("https://bedrock-runtime.%s.amazonaws.com"):format(region), ""
  if entry.base_url then
    place.origin, place.path = base(entry.base_url, nil, path)
  end
  return place
end

local VERTEX_HOSTS = { global = "aiplatform.googleapis.com", us = "aiplatform.us.rep.googleapis.com",
  eu = "aiplatform.eu.rep.googleapis.com" }

--- With an API key ("express mode") neither project nor location is needed. Without any key tokens are asked for with credentials.
function kinds.vertex_ai(entry, _, path, env, read)
  local key = entry.key and entry.key[1] or (not entry.credentials and first(env, { "VERTEXAI_ACCESS_TOKEN" }) or nil)
  local credential, why_off
  if entry.credentials and not key then
    credential = credentials.of_config(entry.credentials, join(path, "credentials"), env, read)
  elseif not key then
    credential, why_off = credentials.of_env(env, read)
  end
  if not key and not credential then
    return nil, why_off
  end
  local place = { path = "/v1", origin = "https://" .. VERTEX_HOSTS.global, credential = credential }
  if not key or not key:find "^AIza" then
    local project = entry.project or first(env, { "VERTEXAI_PROJECT", "GOOGLE_CLOUD_PROJECT" }) or credential and credential.project
    local location = entry.location or first(env, { "VERTEXAI_LOCATION", "GOOGLE_CLOUD_LOCATION" }) or "global"
    if not project and credential and not entry.credentials then
      return nil, "VERTEXAI_PROJECT is not set" -- the variable names a file for whatever else there is in Google's cloud
    elseif not project then
      fail(join(path, "project"), "expected the project's id (or VERTEXAI_PROJECT)")
    end
    place.project = label(project, join(path, "project"), "my-project-1")
    place.location = label(location, join(path, "location"), "europe-west1")
    place.origin = "https://" .. (VERTEX_HOSTS[place.location] or place.location .. "-aiplatform.googleapis.com")
  end
  if entry.base_url then
    place.origin, place.path = base(entry.base_url, "v1", path)
  end
  return place
end

--- OLLAMA_HOST may be bare, "host", "host:port" or ":port", and 0.0.0.0 there means: every address of this machine.
local function ollama(entry, vendor, path, env)
  local text = entry.base_url or first(env, vendor.base_env) or vendor.base_url
  if not text:find "^%a+://" then
    local host, rest = text:match "^([^/]*)(.*)$"
    host = host:find "^:" and "127.0.0.1" .. host or host
    text = "http://" .. host .. (host:find ":%d+$" and "" or ":11434") .. rest
  end
  return base(text:gsub("//0%.0%.0%.0", "//127.0.0.1"), nil, path)
end

function kinds.ollama(entry, vendor, path, env)
  local origin, rest = ollama(entry, vendor, path, env)
  if rest:find "/v1$" then
    fail(join(path, "base_url"), 'expected the native API, without /v1; for the other one say kind = "ollama_compat"')
  end
  return { origin = origin, path = rest:gsub("/api.*$", "") .. "/api" }
end

--- The same server's likeness of OpenAI's API.
function kinds.ollama_compat(entry, vendor, path, env)
  local origin, rest = ollama(entry, vendor, path, env)
  return { origin = origin, path = rest:gsub("/api.*$", ""):gsub("/v1$", "") .. "/v1" }
end

--- All other vendors: an address, with the version that comes before the wire's endpoints.
local function plain(entry, vendor, path, env)
  local text = entry.base_url or first(env, vendor.base_env) or vendor.base_url
  if not text then
    if vendor.base_env[1] then
      return nil, vendor.base_env[1] .. " is not set"
    end
    fail(join(path, "base_url"), 'expected a URL such as "http://127.0.0.1:8000/v1"')
  elseif text == "" then
    return { origin = "", path = "/v1" } -- the mock's origin is known once it runs
  end
  local version = not vendor.adapter and "v1" or nil -- adapters name their paths themselves
  if vendor.base_url and vendor.base_url ~= "" then
    version = url.version(vendor.base_url)
  end
  local origin, rest = base(text, version, path)
  return { origin = origin, path = rest, api_version = entry.api_version }
end

function places.find(entry, vendor, path, env, read)
  return (kinds[vendor.name] or plain)(entry, vendor, path, env, read)
end

return places
