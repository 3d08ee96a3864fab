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

--- In one piece, cut at every offset, byte by byte.
function stream.cuts(text)
  local ways, bytes = { { text } }, {}
  for at = 1, #text do
    bytes[at] = text:sub(at, at)
    if at < #text then
      ways[#ways + 1] = { text:sub(1, at), text:sub(at + 1) }
    end
  end
  ways[#ways + 1] = bytes
  return ways
end

return stream
