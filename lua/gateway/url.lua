--- URLs of providers as people paste them: with and without /v1, with a slash at the end, with the whole endpoint.
-- SPDX-License-Identifier: MIT

local runtime = require "gateway.runtime"

local url = {}

-- Endpoints that belong to a wire, not to its base.
local ENDPOINTS = { "/chat/completions$", "/completions$", "/embeddings$", "/responses$", "/messages$", "/messages/count_tokens$",
  "/models$", "/models/[^/]+:%a+$", "/projects/.*$", "/model/[^/]+/converse$", "/model/[^/]+/converse%-stream$" }
-- These may also be part of a user's own path, unless they follow a version.
local BEHIND_VERSION = { "(/v%d+)/chat$", "(/v%d+)/embed$" }
local SCHEME_SHOWN <const> = #"socks5h://"

--- "https://api.example.com/v1/" -> "https://api.example.com", "/v1"; nil and what is wrong: of a URL, which may hold a password or a key,
--- a complaint repeats the scheme and nothing else.
function url.split(text)
  if type(text) ~= "string" or #text > 1000 then
    return nil, 'expected a URL such as "https://api.example.com/v1"'
  end
  local scheme, rest = text:match "^(%a+)://(.+)$"
  scheme = scheme and scheme:lower()
  if scheme ~= "http" and scheme ~= "https" then
    local given = text:match "^%a[%w+]*:/+" -- a longer one, or one without a slash, may be a user's name or a key
    return nil, "expected a URL that begins with http:// or https://" ..
      (given and #given <= SCHEME_SHOWN and (", got %q"):format(given .. "...") or "")
  elseif rest:find "[^\33-\126]" then
    return nil, "expected a URL without blanks and control characters"
  elseif rest:find "[?#]" then
    return nil, "expected a URL without a query"
  end
  local authority, path = rest:match "^([^/]+)(.*)$"
  if not authority or authority:find "@" then
    return nil, "expected a URL with a host and without a user in it: keys go into `key`"
  end
  local host, port = authority:match "^(%[[%x:.]+%]):?(%d*)$"
  if not host then
    host, port = authority:match "^([%w.%-_]+):?(%d*)$"
  end
  if not host or (port ~= "" and (tonumber(port) < 1 or tonumber(port) > 65535)) then
    return nil, "expected a URL with a host, and a port from 1 to 65535 where it has one"
  end
  local segments = path:match "^/*(.-)/*$"
  if segments ~= "" and not runtime.text.is_model_name(segments) then
    return nil, "expected a URL without empty, '.' and '..' segments in its path"
  end
  local default = scheme == "http" and "80" or "443"
  local origin = scheme .. "://" .. host:lower() .. ((port == "" or port == default) and "" or ":" .. port)
  return origin, path:gsub("/+$", "")
end

--- Is this host this machine? An address of IPv6 may have its brackets.
function url.is_loopback_host(host)
  return host == "localhost" or host == "::1" or host == "[::1]" or host:find "^127%.%d+%.%d+%.%d+$" ~= nil
end

function url.is_loopback(origin)
  return url.is_loopback_host(origin:match "^%a+://(%[.-%])" or origin:match "^%a+://([^:/]+)")
end

--- Origin and path of a provider's base URL. `version`: the segment its wire's endpoints stand behind ("v1"), put there unless the
--- path ends in one.
function url.base(text, version)
  local origin, path = url.split(text)
  if not origin then
    return nil, path
  end
  for _, endpoint in ipairs(ENDPOINTS) do
    local at = path:find(endpoint)
    if at then
      path = path:sub(1, at - 1):gsub("/+$", "")
      break
    end
  end
  for _, endpoint in ipairs(BEHIND_VERSION) do
    path = path:gsub(endpoint, "%1")
  end
  local last = path:match "([^/]*)$"
  if version and not last:find "^v%d+%a*%d*$" then
    path = path .. "/" .. version
  end
  return origin, path
end

--- The version segment at the end of a vendor's own base URL, or nil.
function url.version(text)
  return text:match "/(v%d+%a*%d*)$"
end

return url
