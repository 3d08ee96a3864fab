--- check = { path = "/models", every = "10s" } of a provider: its health check. While it fails, the provider's targets are left out.
--
-- After `fall` failures in a row all its targets are down, after `rise` successes they are back. The request is a GET of its base URL
-- and `path`, with its own key and headers; `expect` names the good statuses where 200 to 299 will not do.
-- SPDX-License-Identifier: MIT

local check = require "gateway.check"
local fields = require "gateway.fields"
local runtime = require "gateway.runtime"
local schema = require "gateway.schema"

local health_check = {}

local fail, join = check.fail, check.join

local function check_path(value, path)
  if type(value) ~= "string" or not value:find "^/[\33-\126]*$" or value:find "#" or #value > 1000 then
    check.expected(path, 'a path such as "/models"', value)
  end
  local segments = value:match "^/([^?]*)":gsub("/$", "")
  if segments ~= "" and not runtime.text.is_model_name(segments) then
    check.expected(path, "a path without empty, '.' and '..' segments", value)
  end
  return value
end

local STATUSES_MAX = 16
local check_status = check.count(200, 599)

local function check_statuses(value, path)
  if type(value) ~= "table" then
    return { check_status(value, path) }
  end
  local list = check.list(check_status, "a status or a list of statuses")(value, path)
  if #list == 0 or #list > STATUSES_MAX then
    fail(path, "expected 1 to %d statuses, got %d", STATUSES_MAX, #list)
  end
  return list
end

local CHECK = schema.of(fields.check, { path = check_path, ["status or list of statuses"] = check_statuses })
local TIMEOUT = 2

function health_check.of_config(value, path)
  local entry = schema.check(value, path, CHECK)
  if entry.timeout and entry.timeout > entry.every then
    fail(join(path, "timeout"), "expected no more than `every`, %gs, got %gs", entry.every, entry.timeout)
  end
  entry.expect = entry.expect or {}
  entry.timeout = entry.timeout or math.min(TIMEOUT, entry.every)
  return entry
end

-- Where a list of models is that costs nothing, when it is not at "/models".
local PATHS = { ollama = "/tags" }

--- The check of a provider whose place is known: with the whole path that is asked.
function health_check.at(entry, provider)
  entry.path = provider.path .. (entry.path or PATHS[provider.kind] or "/models")
  return entry
end

return health_check
