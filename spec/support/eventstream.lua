--- AWS event stream frames, made independently of the gateway's reader.
-- SPDX-License-Identifier: MIT

local eventstream = {}

local TABLE = {}
for i = 0, 255 do
  local crc = i
  for _ = 1, 8 do
    crc = crc & 1 == 1 and (crc >> 1) ~ 0xedb88320 or crc >> 1
  end
  TABLE[i] = crc
end

--- CRC-32 as in zlib, bit by bit from its polynomial.
function eventstream.crc32(text)
  local crc = 0xffffffff
  for i = 1, #text do
    crc = TABLE[(crc ~ text:byte(i)) & 0xff] ~ (crc >> 8)
  end
  return crc ~ 0xffffffff
end

--- One header; type 7, a string, unless `kind` says otherwise (then `value` is its encoding).
function eventstream.header(name, value, kind)
  return string.pack("s1B", name, kind or 7) .. (kind and value or string.pack(">s2", value))
end

--- A frame of encoded headers and a payload; both checksums right.
function eventstream.raw(headers, payload)
  local prelude = string.pack(">I4I4", #headers + #payload + 16, #headers)
  local text = prelude .. string.pack(">I4", eventstream.crc32(prelude)) .. headers .. payload
  return text .. string.pack(">I4", eventstream.crc32(text))
end

--- An event as Bedrock frames it.
function eventstream.event(name, payload)
  return eventstream.raw(eventstream.header(":event-type", name) .. eventstream.header(":content-type", "application/json")
    .. eventstream.header(":message-type", "event"), payload)
end

function eventstream.exception(name, payload)
  return eventstream.raw(eventstream.header(":exception-type", name) .. eventstream.header(":content-type", "application/json")
    .. eventstream.header(":message-type", "exception"), payload)
end

function eventstream.error(code, message)
  return eventstream.raw(eventstream.header(":error-code", code) .. eventstream.header(":error-message", message)
    .. eventstream.header(":message-type", "error"), "")
end

return eventstream
