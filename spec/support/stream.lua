--- Streams as clients read them: bytes -> events, whole and in order; and the ways to cut bytes.
-- Independent of the reader in C: a few lines of string matching for what this gateway itself writes.
-- SPDX-License-Identifier: MIT
local cjson = require "cjson"

local stream = {}

local json = cjson.new()
json.decode_max_depth(200)

--- "event: x\ndata: {…}\n\n" -> { { event = "x" | nil, data = decoded | "[DONE]" }, … }. Anything that is no such event raises.
function stream.events(bytes)
  local list = {}
  for block in (bytes or ""):gmatch "(.-)\n\n" do
    local event = {}
    for line in block:gmatch "[^\n]+" do
      local name, value = line:match "^(%a+): ?(.*)$"
      if name == "data" then
        event.data = (event.data or "") .. value
      elseif name == "event" then
        event.event = value
      elseif line:sub(1, 1) ~= ":" then
        error("a line that belongs to no event: " .. line, 2)
      end
    end
    if event.data then
      event.data = event.data == "[DONE]" and "[DONE]" or json.decode(event.data)
      list[#list + 1] = event
    end
  end
  assert(bytes == nil or bytes == "" or bytes:sub(-2) == "\n\n", "the last event lacks its end")
  return list
end

--- What a client of OpenAI's chat gathers of them: text, reasoning, calls by index, the last thinking blocks, whether it ended.
function stream.gathered(bytes)
  local sum = { text = "", reasoning = "", calls = {} }
  for _, event in ipairs(stream.events(bytes)) do
    local choice = event.data ~= "[DONE]" and event.data.choices[1]
    local said = choice and choice.delta or {}
    sum.text = sum.text .. (type(said.content) == "string" and said.content or "")
    sum.reasoning = sum.reasoning .. (said.reasoning_content or "")
    sum.blocks = said.thinking_blocks or sum.blocks
    for _, call in ipairs(said.tool_calls or {}) do
      local one = sum.calls[call.index + 1] or { arguments = "" }
      sum.calls[call.index + 1] = one
      one.id, one.name = one.id or call.id, one.name or call["function"].name
      one.arguments = one.arguments .. (call["function"].arguments or "")
    end
    sum.done = event.data == "[DONE]"
  end
  return sum
end

local last_text, last_ways -- each client of a provider asks for the same

--- In one piece, cut at every offset, byte by byte. Not to be changed.
function stream.cuts(text)
  if text == last_text then
    return last_ways
  end
  local ways, bytes = { { text } }, {}
  for at = 1, #text do
    bytes[at] = text:sub(at, at)
    if at < #text then
      ways[#ways + 1] = { text:sub(1, at), text:sub(at + 1) }
    end
  end
  ways[#ways + 1] = bytes
  last_text, last_ways = text, ways
  return ways
end

return stream
