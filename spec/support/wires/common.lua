--- What the readers and the scripted answers of all wires share: collecting what was asked, and the bytes of streams.
-- SPDX-License-Identifier: MIT
local cjson = require "cjson"

local json = cjson.new()
json.decode_max_depth(200)

local function some(value)
  if value ~= cjson.null then
    return value
  end
end

local function each(list)
  return ipairs(some(list) or {})
end

--- What is said, block by block.
local function blocks_of(said)
  local blocks = {}
  if said.reasoning then
    blocks[1] = { reasoning = said.reasoning, signature = said.signature }
  end
  if said.text then
    blocks[#blocks + 1] = { text = said.text }
  end
  for _, call in ipairs(said.calls or {}) do
    blocks[#blocks + 1] = { call = call }
  end
  return said.blocks or blocks
end

local function joined(pieces)
  return table.concat(pieces or {})
end

--- The same for wires that have one text and one list of calls.
local function flat_of(said)
  if not said.blocks then
    return said
  end
  local flat = { finish = said.finish }
  for _, block in ipairs(said.blocks) do
    for _, kind in ipairs { "reasoning", "text" } do
      flat[kind] = block[kind] and table.move(block[kind], 1, #block[kind], #(flat[kind] or {}) + 1, flat[kind] or {}) or flat[kind]
    end
    flat.calls = flat.calls or block.call and {} or nil
    table.insert(flat.calls or {}, block.call)
  end
  return flat
end

-- ------------------------------------------------------------------ collecting what was asked

local function new_ask()
  return { items = {}, system = {}, tools = {}, params = {} }
end

local function add_text(ask, role, text)
  local last = ask.items[#ask.items]
  if text == nil or text == "" then
    return
  elseif last and last.kind == "text" and last.role == role then
    last.text = last.text .. "|" .. text
  else
    ask.items[#ask.items + 1] = { kind = "text", role = role, text = text }
  end
end

local function add(ask, item)
  ask.items[#ask.items + 1] = item
end

local function add_call(ask, id, name, arguments, signature)
  if type(arguments) == "string" then
    arguments = json.decode(arguments)
  end
  add(ask, { kind = "call", id = id, name = name, arguments = arguments, signature = signature })
end

local function add_image_url(ask, url)
  local media_type, data = url:match "^data:([^;]+);base64,(.*)$"
  add(ask, { kind = "image", role = "user", media_type = media_type, data = data, url = not data and url or nil })
end

-- Top-level members and where they go; a member that a reader does not know raises, as providers refuse unknown fields.
local function take_params(ask, body, names, known)
  for name, value in pairs(body) do
    if names[name] then
      ask.params[names[name]] = value
    elseif not known[name] then
      error("a field this provider does not know: " .. name, 3)
    end
  end
end

local function set(...)
  local map = {}
  for _, name in ipairs { ... } do
    map[name] = true
  end
  return map
end

local function text_of(content)
  if type(content) ~= "table" then
    return some(content)
  end
  local texts = {}
  for _, part in ipairs(content) do
    texts[#texts + 1] = part.text or (part.document and part.document.data) or ""
  end
  return table.concat(texts, "|")
end

--- The tool that stands for a schema where the wire has none.
local JSON_TOOL = "json_tool_call"

local function read_forced_tool(ask)
  for i, tool in ipairs(ask.tools) do
    if tool.name == JSON_TOOL then
      ask.schema, ask.forced = tool.schema, JSON_TOOL
      table.remove(ask.tools, i)
      ask.choice = nil
      return
    end
  end
end

-- ------------------------------------------------------------------ bytes of streams

local function sse(event, name)
  return (name and "event: " .. name .. "\n" or "") .. "data: " .. (type(event) == "string" and event or json.encode(event)) .. "\n\n"
end

local CRC = {}
for byte = 0, 255 do
  local sum = byte
  for _ = 1, 8 do
    sum = sum & 1 == 1 and (sum >> 1) ~ 0xedb88320 or sum >> 1
  end
  CRC[byte] = sum
end

local function crc32(text)
  local sum, table, byte = 0xffffffff, CRC, string.byte
  local whole = #text - #text % 4
  for i = 1, whole, 4 do
    local a, b, c, d = byte(text, i, i + 3)
    sum = table[(sum ~ a) & 0xff] ~ (sum >> 8)
    sum = table[(sum ~ b) & 0xff] ~ (sum >> 8)
    sum = table[(sum ~ c) & 0xff] ~ (sum >> 8)
    sum = table[(sum ~ d) & 0xff] ~ (sum >> 8)
  end
  for i = whole + 1, #text do
    sum = table[(sum ~ byte(text, i)) & 0xff] ~ (sum >> 8)
  end
  return sum ~ 0xffffffff
end

--- One frame of application/vnd.amazon.eventstream.
local function aws_frame(name, payload, kind)
  local headers = ""
  local function header(key, value)
    headers = headers .. string.pack(">s1Bs2", key, 7, value)
  end
  header(kind == "exception" and ":exception-type" or ":event-type", name)
  header(":content-type", "application/json")
  header(":message-type", kind or "event")
  local text = json.encode(payload)
  local head = string.pack(">I4I4", #headers + #text + 16, #headers)
  head = head .. string.pack(">I4", crc32(head)) .. headers .. text
  return head .. string.pack(">I4", crc32(head))
end

--- Pieces of a stream and how many bytes must have come before it may count as complete: those up to the end of piece `last`, less `slack`.
local function streamed(pieces, last, slack)
  local at = 0
  for i = 1, last do
    at = at + #pieces[i]
  end
  return pieces, at - slack
end

return {
  json = json, JSON_TOOL = JSON_TOOL, some = some, each = each, joined = joined, blocks_of = blocks_of, flat_of = flat_of, new_ask = new_ask,
  add = add, add_text = add_text, add_call = add_call, add_image_url = add_image_url, take_params = take_params, set = set, text_of = text_of,
  sse = sse, streamed = streamed, aws_frame = aws_frame, read_forced_tool = read_forced_tool,
}
