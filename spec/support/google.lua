--- Credentials of Google Cloud for specs: a key of our own, the files made of it, and what others would make of a signed claim.
--
--     local account = google.service_account { token_uri = server.origin .. "/token" }      -- JSON text
--     local claims, header = google.verify(assertion, wall)
--
-- SPDX-License-Identifier: MIT
local cjson = require "cjson"
local process = require "support.process"

local google = {}

-- Canaries: each would be found by itself wherever it came out.
google.SECRETS = { client_secret = "GOCSPX-canary-7Yq2secret", refresh_token = "1//0canary9refresh-Token_x" }

local keys

local function run(command)
  assert(os.execute(command .. " >/dev/null 2>&1"), command)
end

--- Paths of a private key and its public half, made once; and the private one as PEM.
function google.key()
  if not keys then
    local folder = process.temporary_directory()
    local path = process.quote(folder)
    run(("openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out %s/key.pem"):format(path))
    run(("openssl pkey -in %s/key.pem -pubout -out %s/public.pem"):format(path, path))
    keys = setmetatable({ folder = folder, pem = process.read_file(folder .. "/key.pem") },
      { __gc = function(self) os.execute("rm -rf " .. process.quote(self.folder)) end })
  end
  return keys
end

--- A key of another kind as PEM: arguments of `openssl genpkey`.
function google.other_key(arguments)
  local pipe = assert(io.popen("openssl genpkey " .. arguments .. " 2>/dev/null"))
  local pem = pipe:read "a"
  pipe:close()
  return pem
end

local function with(fields, over)
  for name, value in pairs(over or {}) do
    fields[name] = value
  end
  return cjson.encode(fields)
end

function google.service_account(over)
  return with({ type = "service_account", project_id = "my-project-1", private_key_id = "kid-canary-0123456789", private_key = google.key().pem,
    client_email = "robot@my-project-1.iam.gserviceaccount.com", client_id = "1234567890" }, over)
end

function google.user(over)
  return with({ type = "authorized_user", client_id = "12345.apps.googleusercontent.com", client_secret = google.SECRETS.client_secret,
    refresh_token = google.SECRETS.refresh_token, quota_project_id = "payer-1" }, over)
end

local function decode(text)
  local base64 = text:gsub("-", "+"):gsub("_", "/")
  local pipe = assert(io.popen(("printf %%s '%s%s' | openssl base64 -d -A"):format(base64, ("="):rep(-#base64 % 4))))
  local bytes = pipe:read "a"
  pipe:close()
  return bytes
end

--- The claims and the header of a JWT whose signature OpenSSL's program finds to be this key's; raises where it does not.
function google.verify(assertion)
  local header, claims, signature = assertion:match "^([%w_-]+)%.([%w_-]+)%.([%w_-]+)$"
  assert(header, "that is no JWT")
  local folder = google.key().folder
  process.write_file(folder .. "/text", header .. "." .. claims)
  process.write_file(folder .. "/signature", decode(signature))
  local path = process.quote(folder)
  run(("openssl dgst -sha256 -verify %s/public.pem -signature %s/signature %s/text"):format(path, path, path))
  return cjson.decode(decode(claims)), cjson.decode(decode(header))
end

--- application/x-www-form-urlencoded -> name -> value.
function google.form(text)
  local fields = {}
  for name, value in text:gmatch "([^&=]+)=([^&]*)" do
    fields[name] = value:gsub("+", " "):gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end)
  end
  return fields
end

return google
