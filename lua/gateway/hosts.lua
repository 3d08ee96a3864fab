--- cors = { origins = … }, hosts and proxies: from which pages a browser may ask, by which names a loopback listener is known, and whose
-- word on a client's address is taken.
-- SPDX-License-Identifier: MIT

local check = require "gateway.check"
local fields = require "gateway.fields"
local is_network = require("gateway.runtime").text.is_network
local schema = require "gateway.schema"

local hosts = {}

local LABELS = "^[%w_][%w_.-]*$"
local DEFAULT_PORTS = { http = ":80", https = ":443" }

--- A name or an address, and a port. No patterns: an origin is compared to the letter.
local function is_authority(text)
  return text:find "^[%w_.-]+:?%d*$" or text:find "^%[[%x:.]+%]:?%d*$"
end

--- "HTTPS://App.example.com:443" -> "https://app.example.com", as browsers write it.
local function check_origin(origin, path)
  local scheme, rest = (type(origin) == "string" and origin or ""):match "^(%a[%w+.-]*)://(.+)$"
  if origin == "*" then
    return origin
  elseif not scheme or not is_authority(rest) then
    check.expected(path, 'an origin such as "https://app.example.com", or "*"', origin)
  end
  scheme, rest = scheme:lower(), rest:lower()
  local port = DEFAULT_PORTS[scheme]
  if port and rest:sub(-#port) == port then
    rest = rest:sub(1, -#port - 1)
  end
  return scheme .. "://" .. rest
end

--- -> { origins (without "*"), any: whether "*" was among them }
local function check_origins(value, path)
  local list, found = {}, check.words(check_origin)(value, path)
  for _, origin in ipairs(found) do
    list[#list + 1] = origin ~= "*" and origin or nil
  end
  return { list = list, any = #list < #found }
end

local CORS = schema.of(fields.cors, { ["origin, list of origins, or \"*\""] = check_origins })

function hosts.check_cors(value, path)
  local origins = schema.check(value, path, CORS).origins
  return { origins = origins.list, any = origins.any }
end

--- Addresses need not be named: nothing can lead them here.
local function check_name(name, path)
  local plain = type(name) == "string" and name:lower():gsub("%.$", "")
  if not plain or #plain > 253 or not plain:find(LABELS) then
    check.expected(path, 'a host name such as "llm.internal", without scheme and port', name)
  end
  return plain
end

hosts.check_names = check.words(check_name)

local function check_proxy(value, path)
  if type(value) ~= "string" or not is_network(value) then
    check.expected(path, 'an address or a network such as "10.0.0.0/8"', value)
  end
  return value
end

hosts.check_proxies = check.words(check_proxy)

--- The host of a page's origin is accepted as a host too: the page is served from this machine.
function hosts.complete(names, origins)
  for _, origin in ipairs(origins) do
    local name = origin:match "^%a[%w+.-]*://([^:%[%]]+):?%d*$"
    names[#names + 1] = name and name:gsub("%.$", "") or nil
  end
end

return hosts
