--- What each pair of dialect and wire carries, as runtime/providers/README.md shows it: made by running the matrix.
--
--     lua5.4 spec/providers/matrix_table.lua        writes it between the marks <!-- matrix --> … <!-- /matrix --> of that file
--
-- SPDX-License-Identifier: MIT
local is_program = arg and arg[0] and arg[0]:find "matrix_table%.lua$"
if is_program then
  package.path = "lua/?.lua;lua/?/init.lua;spec/?.lua;" .. package.path
  package.cpath = "build/lua/?.so;" .. package.cpath
end

local cases = require "providers.matrix_cases"
local wire = require("gateway.runtime").wire

local PATH = "runtime/providers/README.md"
local BEGIN, END = "<!-- matrix -->", "<!-- /matrix -->"

local ROUTES = { openai = "`/v1/chat/completions`", anthropic = "`/v1/messages`", responses = "`/v1/responses`", completions = "`/v1/completions`",
  simple = "`/completion`" }
local WORDS = { text = "text", tools = "tools", parallel = "parallel tools", choice = "choices of tools", results = "tool results",
  image = "images", image_url = "images by address",
  schema = "JSON schemas", thinking = "thinking", stream = "streams", error = "errors", cut = "cut streams" }
local function new_notes()
  local notes = { list = {}, numbers = {} }
  function notes.number(text)
    if not notes.numbers[text] then
      notes.list[#notes.list + 1] = text
      notes.numbers[text] = #notes.list
    end
    return notes.numbers[text]
  end
  return notes
end

--- One cell: "=" the bytes go on as they came, "✓" all is carried in other words; numbers of notes for what is not.
local function cell(client, name, notes)
  local numbers = {}
  for _, feature in ipairs(cases.features) do
    local outcome = cases.run(client, name, feature)
    if outcome[1] == "refused" then
      numbers[#numbers + 1] = notes.number(("%s are refused, naming `%s`"):format(WORDS[feature], outcome[2]))
    elseif outcome[1] == "dropped" then
      numbers[#numbers + 1] = notes.number(("%s go without `%s`, named in `X-Dropped-Params`"):format(WORDS[feature], outcome[2]))
    end
  end
  local passes = wire.passes(cases.pair(client, name, { foreign = false }))
  return (passes and "=" or "✓") .. (#numbers > 0 and " " .. table.concat(numbers, " ") or "")
end

--- What a dialect has no words for.
local function unsaid(client)
  local list = {}
  for _, feature in ipairs(cases.features) do
    if cases.run(client, cases.wires[1], feature)[1] == "unsaid" then
      list[#list + 1] = WORDS[feature]
    end
  end
  return #list > 0 and "has no words for " .. table.concat(list, ", ")
end

--- What of OpenAI's parameters a wire does not have: a line.
local function params_of(name)
  local lists = { dropped = {}, refused = {} }
  for _, param in ipairs(cases.params_of "openai") do
    local list = lists[cases.run_param("openai", name, param)[1]]
    if list and param ~= "unheard_of" then
      list[#list + 1] = "`" .. param .. "`"
    end
  end
  local parts = {}
  if #lists.dropped > 0 then
    parts[1] = "left out and named: " .. table.concat(lists.dropped, " ")
  end
  if #lists.refused > 0 then
    parts[#parts + 1] = "refused: " .. table.concat(lists.refused, " ")
  end
  return #parts > 0 and ("- %s: %s"):format(name, table.concat(parts, "; "))
end

local function make()
  local notes = new_notes()
  local lines = {
    "| asked in | " .. table.concat(cases.wires, " | ") .. " |",
    "|---" .. ("|:-:"):rep(#cases.wires) .. "|",
  }
  for _, client in ipairs(cases.clients) do
    if ROUTES[client] then
      local cells, missing = {}, unsaid(client)
      for i, name in ipairs(cases.wires) do
        cells[i] = cell(client, name, notes)
      end
      lines[#lines + 1] = ("| %s%s | %s |"):format(ROUTES[client], missing and " " .. notes.number(missing) or "", table.concat(cells, " | "))
    end
  end
  lines[#lines + 1] = ""
  lines[#lines + 1] = "`=` the bytes go on as they came; `✓` said in the other's words. Notes:"
  lines[#lines + 1] = ""
  for i, text in ipairs(notes.list) do
    lines[#lines + 1] = ("- %d: %s"):format(i, text)
  end
  for _, name in ipairs(cases.wires) do
    lines[#lines + 1] = params_of(name) or nil
  end
  return table.concat(lines, "\n")
end

local function split(text)
  local _, begins = text:find(BEGIN, 1, true)
  local ends = text:find(END, 1, true)
  assert(begins and ends and begins < ends, PATH .. " has no place for the table")
  return text:sub(1, begins), text:sub(begins + 1, ends - 1), text:sub(ends)
end

local function read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read "a"
  file:close()
  return text
end

if is_program then
  local before, _, after = split(read(PATH))
  local file = assert(io.open(PATH, "wb"))
  file:write(before, "\n", make(), "\n", after)
  file:close()
end

return { make = make, shown = function() return (select(2, split(read(PATH)))):match "^\n(.-)\n$" end }
