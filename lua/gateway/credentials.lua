--- credentials = "path.json" or "metadata": what access tokens of Google Cloud are asked for with. The running gateway asks for them,
-- and renews them.
--
-- The file is a key of a service account, or what `gcloud auth application-default login` writes of a user; it lies beside the config (or
-- has a whole path) and is read with it. "metadata" is the server that machines, containers and functions in Google's cloud have.
-- Nothing of a file is ever part of a complaint but the names of its fields.
-- SPDX-License-Identifier: MIT

local check = require "gateway.check"
local runtime = require "gateway.runtime"
local url = require "gateway.url"

local credentials = {}

local fail, join = check.fail, check.join

local FILE_MAX = 64 * 1024
local FILE <const> = 'expected a file such as "service-account.json", or "metadata"'
local TOKEN_URI = "https://oauth2.googleapis.com/token"
local METADATA_HOST, METADATA_PATH = "metadata.google.internal", "/computeMetadata/v1/instance/service-accounts/default/token"

local function read_json(name, path, read)
  if name:find "[%c{]" or #name > 1000 then -- the contents of the file instead of its name
    fail(path, FILE)
  end
  local text, why = read(name)
  if not text then
    local is_file = name:find "%.json$" or name:find "^[%./]" -- what looks like none may be a token
    fail(path, "%s", is_file and why or FILE .. why:sub(#name + 1))
  elseif #text > FILE_MAX then
    fail(path, "%s: expected at most %d KB", name, FILE_MAX // 1024)
  end
  local object = runtime.value.parse(text)
  if type(object) ~= "table" or object[1] ~= nil then
    fail(path, "%s: expected a JSON object with credentials of Google Cloud", name)
  end
  return object
end

--- A field of the file: text; nil where it is not there and need not be.
local function text_of(file, name, path, what)
  local value = file.object[name]
  if value == nil or value == runtime.value.null then
    if what then
      fail(join(path, name), "%s: expected %s, found nothing", file.name, what)
    end
    return nil
  elseif type(value) ~= "string" or value == "" then
    fail(join(path, name), "%s: expected text", file.name)
  end
  return value
end

--- A value that goes into a header.
local function word_of(file, name, path)
  local value = text_of(file, name, path)
  if value and (value:find "[^\33-\126]" or #value > 200) then
    fail(join(path, name), "%s: expected a word without blanks", file.name)
  end
  return value
end

local function where(file, path)
  local uri = text_of(file, "token_uri", path) or TOKEN_URI
  local origin, message = url.split(uri)
  local field = join(path, "token_uri")
  if not origin then
    fail(field, "%s: %s", file.name, message)
  elseif origin:find "^http:" and not url.is_loopback(origin) then
    fail(field, "%s: expected https:// (http:// only on this machine)", file.name)
  end
  return uri, origin, uri:match "^%a+://[^/]+(/.*)$" or "/"
end

local kinds = {}

function kinds.service_account(file, path)
  local key = text_of(file, "private_key", path, "the private key")
  if not runtime.text.is_private_key(key) then
    fail(join(path, "private_key"), "%s: expected an RSA key of 2048 bits or more in PEM, without a passphrase", file.name)
  end
  return { private_key = key, client_email = text_of(file, "client_email", path, "the account's address"),
    private_key_id = text_of(file, "private_key_id", path), project = text_of(file, "project_id", path) }
end

function kinds.authorized_user(file, path)
  return { client_id = text_of(file, "client_id", path, "the client's id"),
    client_secret = text_of(file, "client_secret", path, "the client's secret"),
    refresh_token = text_of(file, "refresh_token", path, "the user's refresh token") }
end

local function from_file(name, path, read)
  local file = { name = name, object = read_json(name, path, read) }
  local kind = text_of(file, "type", path, "the kind of credentials")
  if not kinds[kind] then
    fail(join(path, "type"), '%s: expected "service_account" or "authorized_user"; others are not supported', name)
  end
  local credential = kinds[kind](file, path)
  credential.kind = kind
  credential.quota_project = word_of(file, "quota_project_id", path)
  credential.token_uri, credential.origin, credential.path = where(file, path)
  return credential
end

local function from_metadata(env)
  local uri = ("http://%s%s"):format(env "GCE_METADATA_HOST" or METADATA_HOST, METADATA_PATH)
  local origin, message = url.split(uri)
  if not origin then
    fail("GCE_METADATA_HOST", "%s", message)
  end
  return { kind = "metadata", token_uri = uri, origin = origin, path = METADATA_PATH }
end

--- What the config says -> { kind, origin, path, project, … }; complains where it cannot be used.
function credentials.of_config(value, path, env, read)
  return value == "metadata" and from_metadata(env) or from_file(value, path, read)
end

--- The same of GOOGLE_APPLICATION_CREDENTIALS, or nil and why. Many set it for other programs: what is wrong with it is no reason
-- not to start.
function credentials.of_env(env, read)
  local name <const> = "GOOGLE_APPLICATION_CREDENTIALS"
  local value = env(name)
  if not value or value == "" then
    return nil, "VERTEXAI_ACCESS_TOKEN or GOOGLE_APPLICATION_CREDENTIALS is not set"
  end
  local ok, found = pcall(credentials.of_config, value, name, env, read)
  if ok then
    return found
  elseif type(found) ~= "table" then
    error(found, 0)
  end
  return nil, ("%s: %s"):format(found.path, found.message)
end

return credentials
