--- leaderboard = "file.json": how well models do on some public board, read with the config.
--
-- The file is an object of numbers, by the name of a target ("openai/gpt-4o") or of a model ("gpt-4o"): { "gpt-4o": 0.87, … }. Points of
-- any scale will do: where one is above 1 all are divided by the highest. What `models` says of a target itself stands over it.
-- A file beside the config only; a URL is not read.
-- SPDX-License-Identifier: MIT

local check = require "gateway.check"
local cjson = require "cjson.safe"

local leaderboard = {}

local fail, join = check.fail, check.join
local number = check.number(0, 1e9)

--- `read`: name of a file -> its text, or nil and why not. -> name -> 0..1
function leaderboard.check(name, path, read)
  if type(name) ~= "string" or name == "" or name:find "%c" then
    check.expected(path, 'a file such as "leaderboard.json"', name)
  elseif name:find "^%a[%w+.-]*://" then
    fail(path, "expected a file beside the config: this version reads no leaderboard from a URL")
  end
  local text, why = read(name)
  if not text then
    fail(path, "%s", why)
  end
  local points, message = cjson.decode(text)
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
