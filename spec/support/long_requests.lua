--- Every list and map of a request that a client can make as long as it likes, in every client's dialect: for the specs of what length costs.
--
--     for _, case in ipairs(require "support.long_requests") do
--       case.name, case.client        -- "openai: tools", the client's wire
--       case.make(n)                  -- a body with n members of that list
--       case.to                       -- wires that take it; nil: all
--     end
-- SPDX-License-Identifier: MIT
local cases = {}

--- `count` pieces with a comma between; "#" in a text is the piece's number.
local function list(count, piece)
  local pieces = {}
  for i = 1, count do
    pieces[i] = piece:gsub("#", i)
  end
  return table.concat(pieces, ",")
end

--- The same of n, n-1, … 1.
local function reversed(count, piece)
  local pieces = {}
  for i = 1, count do
    pieces[i] = piece:gsub("#", count + 1 - i)
  end
  return table.concat(pieces, ",")
end

--- A body out of a text in which «…» stands for the list of its inside, and ‹…› for the reversed one.
local function filled(text)
  return function(count)
    local body = text:gsub("«(.-)»", function(piece) return list(count, piece) end)
    return (body:gsub("‹(.-)›", function(piece) return reversed(count, piece) end))
  end
end

local function case(client, name, text, to)
  cases[#cases + 1] = { client = client, name = client .. ": " .. name, make = type(text) == "string" and filled(text) or text, to = to }
end

local HI = '{"role":"user","content":"hi"}'

-- ------------------------------------------------------------------ schemas

local SCHEMAS = {
  properties = '{"type":"object","properties":{«"p#":{"type":"string"}»},"required":[«"p#"»],"additionalProperties":false}',
  enum = '{"type":"object","properties":{"a":{"enum":[«"e#"»]},"b":{"type":"integer","enum":[«#»]}}}',
  ["anyOf"] = '{"type":"object","properties":{"a":{"anyOf":[«{"type":"string","title":"t#"}»]}}}',
  ["oneOf given again and again"] = '{"type":"object",«"oneOf":[{"type":"object"}]»}',
  ["allOf"] = '{"type":"object","allOf":[«{"type":"object","properties":{"t#":{"type":"string"}}}»]}',
  references = '{"type":"object","$defs":{«"d#":{"type":"string"}»},"properties":{«"p#":{"$ref":"@/$defs/d#"}»}}',
  ["references to one"] = '{"type":"object","definitions":{"d":{"type":"string"},«"q#":{"type":"string"}»},"properties":{«"p#":{"$ref":"@/definitions/d"}»}}',
  ["a chain of references"] = '{"type":"object","$defs":{"d0":{"type":"string"},«"d#":{"$ref":"@/$defs/d0"}»},"properties":{"a":{"$ref":"@/$defs/d1"}}}',
  keywords = '{"type":"object","properties":{"a":{«"x-#":1»}},«"y-#":1»}',
}

for name, schema in pairs(SCHEMAS) do
  local function with(frame)
    return function(count) return (frame:gsub("SCHEMA", function() return (filled(schema)(count):gsub("@", "#")) end)) end
  end
  case("openai", "schema, " .. name, with('{"model":"m","messages":[' .. HI .. '],"tools":[{"type":"function","function":{"name":"f","parameters":SCHEMA}}],'
    .. '"response_format":{"type":"json_schema","json_schema":{"name":"s","strict":true,"schema":SCHEMA}}}'))
  case("anthropic", "schema, " .. name, with('{"model":"m","max_tokens":9,"messages":[' .. HI .. '],"tools":[{"name":"f","input_schema":SCHEMA}],'
    .. '"output_config":{"format":{"type":"json_schema","schema":SCHEMA}}}'))
end
table.sort(cases, function(a, b) return a.name < b.name end)

-- ------------------------------------------------------------------ OpenAI's chat

local CALL = '{"id":"c#","type":"function","function":{"name":"f#","arguments":"{}"}}'
local RESULT = '{"role":"tool","tool_call_id":"c#","content":"r"}'
local ODD_CALL, ODD_RESULT = CALL:gsub("f#", "f.!#"):gsub("c#", "c.!#"), RESULT:gsub("c#", "c.!#")
local TOOL = '{"type":"function","function":{"name":"f#","description":"d","parameters":{"type":"object","properties":{"a":{"type":"string"}}}}}'

local MESSAGES = {
  messages = '«' .. HI .. '»',
  turns = '«' .. HI .. ',{"role":"assistant","content":"yes"}»',
  ["system messages"] = '«{"role":"system","content":"s#"}»,' .. HI,
  ["messages of one role"] = HI .. ',«{"role":"assistant","content":"s#"}»,' .. HI,
  ["empty messages"] = HI .. ',«{"role":"assistant","content":""}»,' .. HI,
  parts = '{"role":"user","content":[«{"type":"text","text":"t#"}»]}',
  ["marked parts"] = '{"role":"user","content":[«{"type":"text","text":"t#","cache_control":{"type":"ephemeral"}}»]}',
  ["unknown parts"] = '{"role":"user","content":[«{"type":"video_#","x":1}»,{"type":"text","text":"x"}]}',
  images = '{"role":"user","content":[«{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}}»]}',
  ["unknown members of parts"] = '{"role":"user","content":[{"type":"text","text":"a",«"k#":1»}]}',
  ["unknown members of messages"] = '{"role":"user","content":"a",«"k#":1»}',
  ["the same member"] = '{"role":"user",«"content":"a#"»}',
  ["calls and results"] = HI .. ',{"role":"assistant","tool_calls":[«' .. CALL .. '»]},«' .. RESULT .. '»',
  ["calls and results, reversed"] = HI .. ',{"role":"assistant","tool_calls":[«' .. CALL .. '»]},‹' .. RESULT .. '›',
  ["calls without results"] = HI .. ',{"role":"assistant","tool_calls":[«' .. CALL .. '»]}',
  ["calls of one id"] = HI .. ',{"role":"assistant","tool_calls":[«{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}»]},'
    .. '«{"role":"tool","tool_call_id":"c","content":"r"}»',
  ["calls with odd names"] = HI .. ',{"role":"assistant","tool_calls":[«' .. ODD_CALL .. '»]},«' .. ODD_RESULT .. '»',
  ["turns of calls"] = HI .. ',«{"role":"assistant","tool_calls":[' .. CALL .. ']},' .. RESULT .. '»',
  ["results of earlier turns"] = HI .. ',«{"role":"assistant","tool_calls":[' .. CALL .. ']},' .. RESULT .. '»,' .. HI .. ',«' .. RESULT .. '»',
  ["legacy calls"] = HI .. ',«{"role":"assistant","content":null,"function_call":{"name":"f#","arguments":"{}"}},{"role":"function","name":"f#",'
    .. '"content":"r"}»',
  ["arguments"] = HI .. ',{"role":"assistant","tool_calls":[{"id":"c1","type":"function","function":{"name":"f","arguments":"{«\\"k#\\":1»}"}}]},'
    .. '{"role":"tool","tool_call_id":"c1","content":"r"}',
  ["parts of a result"] = HI .. ',{"role":"assistant","tool_calls":[{"id":"c1","type":"function","function":{"name":"f","arguments":"{}"}}]},'
    .. '{"role":"tool","tool_call_id":"c1","content":[«{"type":"text","text":"t#"}»]}',
  ["thinking blocks"] = HI .. ',{"role":"assistant","content":"x","thinking_blocks":[«{"type":"thinking","thinking":"t#","signature":"s#"}»]},' .. HI,
}
for name, text in pairs(MESSAGES) do
  case("openai", name, '{"model":"m","messages":[' .. text .. ']}')
end

local MEMBERS = {
  tools = '"tools":[«' .. TOOL .. '»]',
  ["tools with odd names"] = '"tools":[«' .. TOOL:gsub("f#", "f.!#") .. '»]',
  ["tools of one name"] = '"tools":[«' .. TOOL:gsub("f#", "f") .. '»]',
  ["allowed tools"] = '"tools":[«' .. TOOL .. '»],"tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"auto","tools":[‹'
    .. '{"type":"function","function":{"name":"f#"}}›]}}',
  ["allowed tools that are not there"] = '"tools":[«' .. TOOL .. '»],"tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"auto","tools":['
    .. '«{"type":"function","function":{"name":"g#"}}»]}}',
  ["unknown members of tools"] = '"tools":[{"type":"function",«"k#":1»,"function":{"name":"f",«"l#":1»}}]',
  logit_bias = '"logit_bias":{«"#":1»}',
  metadata = '"metadata":{«"m#":"x"»}',
  stream_options = '"stream":true,"stream_options":{«"m#":1»}',
  prediction = '"prediction":{"type":"content","content":[«{"type":"text","text":"m#"}»]}',
  modalities = '"modalities":[«"m#"»]',
}
for name, text in pairs(MEMBERS) do
  case("openai", name, '{"model":"m","messages":[' .. HI .. '],' .. text .. '}')
end
case("openai", "escapes", function(count) return '{"model":"m","messages":[{"role":"user","content":"' .. ("\\u0041\\n"):rep(count) .. '"}]}' end)
case("openai", "nested lists", filled('{"model":"m","messages":[' .. HI .. '],"x":[«' .. ("["):rep(40) .. ("]"):rep(40) .. '»]}'))
case("openai", "tools and calls", '{"model":"m","messages":[' .. HI .. ',{"role":"assistant","tool_calls":[«' .. ODD_CALL .. '»]},«' .. ODD_RESULT
  .. '»],"tools":[«' .. TOOL:gsub("f#", "f.!#") .. '»]}')
case("openai", "unknown members", '{"model":"m","messages":[' .. HI .. '],«"k#":1»}', {})
case("openai", "stop", '{"model":"m","messages":[' .. HI .. '],"stop":[«"s#"»]}', {})
case("openai", "files", '{"model":"m","messages":[{"role":"user","content":[«{"type":"file","file":{"filename":"f#.pdf",'
  .. '"file_data":"data:application/pdf;base64,AAAA"}}»]}]}',
  { "openai", "anthropic", "gemini" })

case("simple", "messages", '{"messages":[«' .. HI .. '»]}')
case("completions", "logit_bias", '{"model":"m","prompt":"p","logit_bias":{«"#":1»}}', { "openai" })
case("completions", "prompts", '{"model":"m","prompt":[«"p#"»]}', {})
case("embeddings", "inputs", '{"model":"m","input":[«"p#"»]}', { "gemini", "cohere", "ollama" })
case("embeddings", "token ids", '{"model":"m","input":[«#»]}', {})
case("embeddings", "unknown members", '{"model":"m","input":"x",«"k#":1»}', { "gemini", "cohere", "ollama" })

-- ------------------------------------------------------------------ Anthropic's messages

local USE = '{"type":"tool_use","id":"c#","name":"f#","input":{"a":1}}'
local USED = '{"type":"tool_result","tool_use_id":"c#","content":"r"}'

local BLOCKS = {
  messages = '«' .. HI .. '»',
  ["late system messages"] = HI .. ',«{"role":"system","content":"s#"}»,' .. HI,
  blocks = '{"role":"user","content":[«{"type":"text","text":"t#"}»]}',
  images = '{"role":"user","content":[«{"type":"image","source":{"type":"base64","media_type":"image/png","data":"AAAA"}}»]}',
  ["blocks of a document"] = '{"role":"user","content":[{"type":"document","source":{"type":"content","content":[«{"type":"text","text":"t#"}»]}}]}',
  ["blocks of a search result"] = '{"role":"user","content":[{"type":"search_result","source":"s","title":"t","content":[«{"type":"text","text":"t#"}»]}]}',
  ["unknown blocks"] = '{"role":"user","content":[«{"type":"video#","text":"t#"}»,{"type":"text","text":"x"}]}',
  ["unknown members of blocks"] = '{"role":"user","content":[{"type":"text","text":"a",«"k#":1»}]}',
  ["unknown members of messages"] = '{"role":"user","content":"a",«"k#":1»}',
  ["uses and results"] = HI .. ',{"role":"assistant","content":[«' .. USE .. '»]},{"role":"user","content":[‹' .. USED .. '›]}',
  ["turns of uses"] = HI .. ',«{"role":"assistant","content":[' .. USE .. ']},{"role":"user","content":[' .. USED .. ']}»',
  ["blocks of a result"] = HI .. ',{"role":"assistant","content":[{"type":"tool_use","id":"c","name":"f","input":{}}]},'
    .. '{"role":"user","content":[{"type":"tool_result","tool_use_id":"c","content":[«{"type":"text","text":"t#"}»]}]}',
  thinking = HI .. ',{"role":"assistant","content":[«{"type":"thinking","thinking":"t#","signature":"c2ln#"}»]},' .. HI,
  ["reasoning of others"] = HI .. ',{"role":"assistant","content":[«{"type":"thinking","thinking":"t#","signature":""}»,{"type":"text","text":"x"}]},' .. HI,
  ["tools that ran elsewhere"] = HI .. ',{"role":"assistant","content":[«{"type":"server_tool_use","id":"s#","name":"web_search","input":{}},'
    .. '{"type":"web_search_tool_result","tool_use_id":"s#","content":[]}»]},' .. HI,
  citations = HI .. ',{"role":"assistant","content":[{"type":"text","text":"x","citations":[«{"type":"char_location","cited_text":"t#"}»]}]},' .. HI,
  input = HI .. ',{"role":"assistant","content":[{"type":"tool_use","id":"c","name":"f","input":{«"k#":1»}}]},'
    .. '{"role":"user","content":[{"type":"tool_result","tool_use_id":"c","content":"r"}]}',
}
for name, text in pairs(BLOCKS) do
  case("anthropic", name, '{"model":"m","max_tokens":9,"messages":[' .. text .. ']}')
end
case("count_tokens", "blocks", '{"model":"m","messages":[' .. BLOCKS.blocks .. ']}', { "anthropic", "gemini", "bedrock" })

local FIELDS = {
  ["system blocks"] = '"system":[«{"type":"text","text":"t#"}»]',
  metadata = '"metadata":{«"k#":1»}',
  mcp_servers = '"mcp_servers":[«{"name":"k#"}»]',
  tools = '"tools":[«{"name":"f#","input_schema":{"type":"object"}}»]',
  ["tools that run elsewhere"] = '"tools":[«{"type":"web_search_2025#","name":"web_search#"}»]',
  ["unknown members of tools"] = '"tools":[{"name":"f","input_schema":{"type":"object"},«"k#":1»}]',
  ["edits of the context"] = '"context_management":{"edits":[«{"type":"x#"}»]}',
  output_config = '"output_config":{«"k#":1»}',
}
for name, text in pairs(FIELDS) do
  case("anthropic", name, '{"model":"m","max_tokens":9,"messages":[' .. HI .. '],' .. text .. '}')
end
case("anthropic", "unknown members", '{"model":"m","max_tokens":9,"messages":[' .. HI .. '],«"k#":1»}', {})
case("anthropic", "stop_sequences", '{"model":"m","max_tokens":9,"messages":[' .. HI .. '],"stop_sequences":[«"k#"»]}', {})

-- ------------------------------------------------------------------ OpenAI's responses

local FUNCTION_CALL = '{"type":"function_call","call_id":"c#","name":"f#","arguments":"{}"}'
local OUTPUT = '{"type":"function_call_output","call_id":"c#","output":"r"}'

local ITEMS = {
  messages = '«' .. HI .. '»',
  parts = '{"role":"user","content":[«{"type":"input_text","text":"t#"}»]}',
  images = '{"role":"user","content":[«{"type":"input_image","image_url":"data:image/png;base64,AAAA"}»]}',
  ["parts of an answer"] = HI .. ',{"type":"message","role":"assistant","content":[«{"type":"output_text","text":"t#","annotations":[]}»]},' .. HI,
  ["calls and outputs"] = HI .. ',«' .. FUNCTION_CALL .. '»,‹' .. OUTPUT .. '›',
  ["turns of calls"] = HI .. ',«' .. FUNCTION_CALL .. ',' .. OUTPUT .. '»',
  ["calls with a text between"] = HI .. ',«' .. FUNCTION_CALL .. ',' .. HI .. ',' .. OUTPUT .. '»',
  ["calls of custom tools"] = HI .. ',«{"type":"custom_tool_call","call_id":"c#","name":"f#","input":"x"},'
    .. '{"type":"custom_tool_call_output","call_id":"c#","output":"r"}»',
  reasoning = HI .. ',«{"type":"reasoning","id":"r#","summary":[{"type":"summary_text","text":"x"}]}»,' .. HI,
  ["texts of a summary"] = HI .. ',{"type":"reasoning","id":"r","summary":[«{"type":"summary_text","text":"x"}»]},'
    .. '{"type":"message","role":"assistant","content":"x"},' .. HI,
  ["reasoning of others"] = HI .. ',«{"type":"reasoning","id":"r#","summary":[],"encrypted_content":"claude#:abc"}»,' .. HI,
  ["unknown items"] = HI .. ',«{"type":"thing_#","id":"r#"}»,' .. HI,
  ["unknown members of items"] = '{"type":"message","role":"user","content":"x",«"k#":1»}',
}
for name, text in pairs(ITEMS) do
  case("responses", name, '{"model":"m","input":[' .. text .. ']}')
end

local FOREIGN = { "anthropic", "gemini", "cohere", "ollama", "bedrock" }
case("responses", "tools", '{"model":"m","input":"x","tools":[«{"type":"function","name":"f#","parameters":{"type":"object"}}»]}')
case("responses", "tools that run elsewhere", '{"model":"m","input":"x","tools":[«{"type":"web_search#"}»]}')
case("responses", "allowed tools", '{"model":"m","input":"x","tools":[«{"type":"function","name":"f#","parameters":{"type":"object"}}»],'
  .. '"tool_choice":{"type":"allowed_tools","mode":"auto","tools":[‹{"type":"function","name":"f#"}›]}}')
case("responses", "include", '{"model":"m","input":"x","include":[«"k#"»]}')
case("responses", "metadata", '{"model":"m","input":"x","metadata":{«"k#":"v"»}}')
case("responses", "unknown members", '{"model":"m","input":"x",«"k#":1»}', {})
case("responses", "names in text", '{"model":"m","input":"x","text":{«"k#":1»}}', FOREIGN)

table.sort(cases, function(a, b) return a.name < b.name end)
return cases
