--- keys = { { key = …, user = … }, … } and admin = { key = … }: the users of the gateway, the models each may use, and until when.
--
-- Keys are compared by their SHA-256 from here on: one key cannot be two callers', whichever way each of them is given.
-- SPDX-License-Identifier: MIT

local check = require "gateway.check"
local fields = require "gateway.fields"
local runtime = require "gateway.runtime"
local schema = require "gateway.schema"

local keys = {}

local fail, join = check.fail, check.join
local sha256, to_hex = runtime.text.sha256, runtime.text.to_hex

local NAME_MAX = 128

function keys.check_name(value, path)
  if #check.string(value, path) > NAME_MAX then
    fail(path, "expected at most %d characters", NAME_MAX)
  end
  return value
end

function keys.check_key(value, path)
  if type(value) ~= "string" or #value < 8 or #value > 512 or value:find "[^\33-\126]" then
    fail(path, "expected a key of 8 to 512 characters without blanks") -- never shown
  end
  return value
end

-- What sha256sum says where the variable of the key was not set, or with echo's line end behind nothing.
local OF_NOTHING = { [to_hex(sha256 "")] = true, [to_hex(sha256 "\n")] = true }

local function check_sha256(value, path)
  if type(value) ~= "string" or not value:find("^" .. ("%x"):rep(64) .. "$") then
    fail(path, "expected the SHA-256 of a key: 64 hex digits (printf %s KEY | sha256sum)")
  elseif OF_NOTHING[value:lower()] then
    fail(path, "this is the SHA-256 of nothing: the key was empty when it was made")
  end
  return value:lower()
end

local DAYS = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 }

--- Days from 1970-01-01 to a day of the Gregorian calendar, or nil where there is no such day.
local function days_to(year, month, day)
  local leap = year % 4 == 0 and (year % 100 ~= 0 or year % 400 == 0)
  if month < 1 or month > 12 or day < 1 or day > DAYS[month] + ((leap and month == 2) and 1 or 0) then
    return nil
  end
  local y = month <= 2 and year - 1 or year
  local m = (month + 9) % 12
  return 365 * y + y // 4 - y // 100 + y // 400 + (153 * m + 2) // 5 + day - 1 - 719468
end

--- "2027-01-01" or "2027-01-01T12:00:00Z" -> seconds since 1970 (UTC): the key is good until then.
local function check_time(value, path)
  local text = type(value) == "string" and value or ""
  local year, month, day, rest = text:match "^(%d%d%d%d)%-(%d%d)%-(%d%d)(.*)$"
  local hour, minute, second = 0, 0, 0
  if rest and rest ~= "" then
    hour, minute, second = rest:match "^[T ](%d%d):(%d%d):(%d%d)Z$"
  end
  local days = year and hour and days_to(tonumber(year), tonumber(month), tonumber(day))
  hour, minute, second = tonumber(hour), tonumber(minute), tonumber(second)
  if not days or hour > 23 or minute > 59 or second > 60 then
    check.expected(path, 'a day such as "2027-01-01" or a time such as "2027-01-01T12:00:00Z"', value)
  end
  return ((days * 24 + hour) * 60 + minute) * 60 + second
end

local KEY = schema.of(fields.user, {
  ["key of 8 to 512 characters"] = keys.check_key, ["64 hex digits"] = check_sha256, name = keys.check_name,
  ["list of patterns"] = check.words(keys.check_name), time = check_time,
})

local function check_user(value, path)
  local entry = schema.check(value, path, KEY)
  if (entry.key == nil) == (entry.sha256 == nil) then
    fail(path, entry.key and "expected key or sha256, not both" or
      "expected key or sha256: is the environment variable set that it is read from?")
  elseif not entry.user then
    fail(join(path, "user"), "expected whose key this is")
  elseif entry.models and #entry.models == 0 then -- nothing is left out in place of a name: such a key would open all
    fail(join(path, "models"), "expected at least one model or pattern (is its variable of the environment set?); all: { \"*\" }")
  end
  entry.name = entry.name or entry.user
  entry.models = entry.models or {}
  entry.path = path
  return entry
end

keys.check = check.list(check_user, "a list of keys")

local function digest_of(entry)
  return entry.sha256 or entry.key and to_hex(sha256(entry.key))
end

--- One key is one caller's: no two users', and the admin's is no user's.
function keys.refuse_twins(users, admin)
  local paths = {}
  for _, user in ipairs(users) do
    local digest = digest_of(user)
    if paths[digest] then
      fail(user.path, "the same key as %s", paths[digest])
    end
    paths[digest] = user.path
  end
  local twin = paths[digest_of(admin)]
  if twin then
    fail("admin.key", "the same key as %s: a user's key must not open the admin routes, take another", twin)
  end
end

--- The tiers that users have -> the first place of each, as complaints name it.
function keys.tiers(users, place_of)
  local tiers = {}
  for _, user in ipairs(users) do
    tiers[user.tier] = tiers[user.tier] or place_of(join(user.path, "tier"))
  end
  return tiers
end

return keys
