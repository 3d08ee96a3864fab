--- What goes to one provider, as its specs say it: wire.encode with what is the same in all of them.
-- SPDX-License-Identifier: MIT
local cjson = require "cjson"
local wire = require("gateway.runtime").wire

local encoding = {}

local json = cjson.new()

--- The call with these fields put in.
function encoding.with(call, fields)
  for name, value in pairs(fields or {}) do
    call[name] = value
  end
  return call
end

--- For a vendor and its usual model; a body is text or a table: encode(body, fields) -> text | nil, dropped | complaint;
-- sent(body, fields) -> decoded, dropped, text; refused(body, fields) -> complaint.
function encoding.of(vendor, model)
  local function encode(body, fields)
    local text = type(body) == "table" and json.encode(body) or body
    return wire.encode(encoding.with({ vendor = vendor, model = model, body = text }, fields))
  end

  local function sent(body, fields)
    local text, dropped = encode(body, fields)
    assert(type(text) == "string", type(dropped) == "table" and dropped.message or "nothing was written")
    return json.decode(text), dropped, text
  end

  local function refused(body, fields)
    local text, complaint = encode(body, fields)
    assert(text == nil, "it is not refused")
    return complaint
  end

  return encode, sent, refused
end

--- The messages of a conversation with one turn of so many calls, and a result for each.
function encoding.many_calls(count)
  local calls, results = {}, {}
  for i = 1, count do
    calls[i] = ('{"id":"c%d","type":"function","function":{"name":"f%d","arguments":"{}"}}'):format(i, i)
    results[i] = (',{"role":"tool","tool_call_id":"c%d","content":"x"}'):format(i)
  end
  return '"messages":[{"role":"user","content":"u"},{"role":"assistant","tool_calls":[' .. table.concat(calls, ",") .. "]}"
    .. table.concat(results) .. "]"
end

return encoding
