--- leaderboard = "file.json", "https://host/board.json" or { url = "https://…", every = "1h" }: quality points of models.
--
-- It is an object of numbers, by the name of a target ("openai/gpt-4o") or of a model ("gpt-4o"): { "gpt-4o": 0.87, … }. Points of
-- any scale will do: where one is above 1 all are divided by the highest. A value that `models` gives for a target itself takes precedence.
-- A file lies beside the config and is read with it. A URL is fetched by the running gateway, beside its work: a generation is built from
-- the last good copy, and from no points as long as there is none.
-- SPDX-License-Identifier: MIT

local check = require "gateway.check"
local fields = require "gateway.fields"
local runtime = require "gateway.runtime"
local schema = require "gateway.schema"
local url = require "gateway.url"

local leaderboard = {}

local fail, join = check.fail, check.join
local number = check.number(0, 1e9)

--- The text of a board -> name -> 0..1. `name` is that of its file, or its URL.
local function parse(text, path, name)
  local points, message = runtime.value.parse(text)
  if type(points) ~= "table" or points[1] ~= nil then
    fail(path, '%s: expected a JSON object such as { "gpt-4o": 0.87 }%s', name, message and ", got " .. message or "")
  end
  local board, highest = {}, 1
  for _, model in ipairs(check.sorted_keys(points)) do
    board[model] = number(points[model], join(path, model))
    highest = math.max(highest, board[model])
  end
  for model, value in pairs(board) do
    board[model] = value / highest
  end
  return board
end

--- What is wrong with a text that was fetched from `from`, in one line; nil: nothing.
function leaderboard.complaint(text, from)
  local ok, wrong = pcall(parse, text, "", from)
  if ok then
    return nil
  elseif type(wrong) ~= "table" then
    return tostring(wrong)
  end
  return wrong.path == "" and wrong.message or ("%s: %s: %s"):format(from, wrong.path, wrong.message)
end

-- ---------------------------------------------------------------- by URL

local function check_url(value, path)
  local origin, message = url.split(value)
  if not origin then
    fail(path, "%s", message)
  elseif origin:find "^http:" and not url.is_loopback(origin) then
    fail(path, "expected https:// (http:// only on this machine)")
  end
  return { url = value, origin = origin, path = value:match "^%a+://[^/]+(/.*)$" or "/" }
end

local BY_URL = schema.of(fields.leaderboard, { URL = check_url })

local function by_url(value, path, fetched)
  local entry = schema.check(value, path, BY_URL)
  if not entry.url then
    fail(join(path, "url"), "expected where the board is: \"https://host/board.json\"")
  end
  local place = entry.url
  place.every = entry.every
  local text = fetched and fetched(place.url)
  return text and parse(text, path, place.url) or {}, place
end

-- ---------------------------------------------------------------- the door

--- `read`: name of a file -> its text, or nil and why not; `fetched`: URL -> the last good copy, or nil.
-- -> name -> 0..1, and { url, origin, path, every } of one that is to be fetched.
function leaderboard.check(value, path, read, fetched)
  if type(value) == "table" then
    return by_url(value, path, fetched)
  elseif type(value) ~= "string" or value == "" or value:find "%c" then
    check.expected(path, 'a file such as "leaderboard.json", a URL, or { url = …, every = "1h" }', value)
  elseif value:find "^%a[%w+.-]*://" then
    return by_url({ url = value }, path, fetched)
  end
  local text, why = read(value)
  if not text then
    fail(path, "%s", check.without_user(why))
  end
  return parse(text, path, value)
end

--- What the board has for a target, by the first of these names that it knows; nil for none.
function leaderboard.points(board, ...)
  for i = 1, select("#", ...) do
    local name = select(i, ...)
    if name and board[name] then
      return board[name]
    end
  end
end

return leaderboard
