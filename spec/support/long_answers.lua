--- Every list of an answer that a provider can make as long as it likes, whole and streamed, on every wire: for the specs of what length costs.
--
--     for _, case in ipairs(require "support.long_answers") do
--       case.name, case.vendor, case.clients, case.stream, case.request      -- as wire.answer takes them
--       case.make(n)                                                         -- a body, or the pieces of a stream, with n of it
--     end
-- SPDX-License-Identifier: MIT
local eventstream = require "support.eventstream"

local cases = {}
local READERS, CALLERS = { "openai", "anthropic", "responses", "simple", "completions" }, { "openai", "anthropic", "responses" }

local function list(count, piece)
  local pieces = {}
  for i = 1, count do
    pieces[i] = piece:gsub("#", i)
  end
  return table.concat(pieces, ",")
end

local function case(fields)
  fields.name = ("%s %s: %s"):format(fields.vendor, fields.stream and "stream" or "whole", fields[1])
  fields.clients = fields.clients or READERS
  cases[#cases + 1] = fields
end

--- A whole body: «…» stands for the list of its inside. `most`: as many as the wire lets through.
local function whole(vendor, name, text, clients, most)
  case { name, vendor = vendor, clients = clients, foreign = vendor == "vllm",
    make = function(count) return (text:gsub("«(.-)»", function(piece) return list(math.min(count, most or count), piece) end)) end }
end

-- ------------------------------------------------------------------ whole

local CHAT = '{"id":"x","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant",%s},"finish_reason":"%s"}],'
  .. '"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}'
whole("vllm", "calls", CHAT:format('"content":null,"tool_calls":[«{"id":"c#","type":"function","function":{"name":"f#","arguments":"{}"}}»]', "tool_calls"),
  CALLERS, 500)
whole("vllm", "texts", CHAT:format('"content":[«{"type":"text","text":"t#"}»]', "stop"))
whole("vllm", "thoughts and texts", CHAT:format('"content":[«{"type":"thinking","thinking":[{"type":"text","text":"t#"}]},{"type":"text","text":"t#"}»]',
  "stop"))
whole("vllm", "unknown members", CHAT:format('"content":"a",«"k#":1»', "stop"))
whole("vllm", "the same member", CHAT:format('«"content":"t#"»', "stop"))
whole("vllm", "annotations", CHAT:format('"content":"a","annotations":[«{"type":"url_citation","n":#}»]', "stop"))
whole("vllm", "likelihoods", '{"id":"x","choices":[{"index":0,"message":{"role":"assistant","content":"x"},"logprobs":{"content":['
  .. '«{"token":"a","logprob":-1,"top_logprobs":[]}»]},"finish_reason":"stop"}]}')
whole("vllm", "members of usage", '{"id":"x","choices":[{"index":0,"message":{"role":"assistant","content":"x"},"finish_reason":"stop"}],"usage":{«"k#":1»}}')

local MESSAGE = '{"id":"m","type":"message","role":"assistant","model":"c","content":[%s],"stop_reason":"%s","usage":{"input_tokens":1,"output_tokens":1%s}}'
whole("anthropic", "texts", MESSAGE:format('«{"type":"text","text":"t#"}»', "end_turn", ""))
whole("anthropic", "calls", MESSAGE:format('«{"type":"tool_use","id":"c#","name":"f#","input":{"a":1}}»', "tool_use", ""), CALLERS)
whole("anthropic", "thoughts and texts", MESSAGE:format('«{"type":"thinking","thinking":"t#","signature":"c2ln"},{"type":"text","text":"x"}»', "end_turn", ""))
whole("anthropic", "tools that ran there", MESSAGE:format('«{"type":"server_tool_use","id":"s#","name":"web_search","input":{}}»,{"type":"text","text":"x"}',
  "end_turn", ""))
whole("anthropic", "citations", MESSAGE:format('{"type":"text","text":"x","citations":[«{"type":"char_location","n":#}»]}', "end_turn", ""))
whole("anthropic", "input", MESSAGE:format('{"type":"tool_use","id":"c","name":"f","input":{«"k#":1»}}', "tool_use", ""), CALLERS)
whole("anthropic", "iterations", MESSAGE:format('{"type":"text","text":"x"}', "end_turn", ',"iterations":[«{"type":"message","input_tokens":1,'
  .. '"output_tokens":1}»]'))

local CANDIDATE = '{"candidates":[{"content":{"role":"model","parts":[%s]},"index":0,"finishReason":"STOP"%s}],"usageMetadata":{"promptTokenCount":1,'
  .. '"candidatesTokenCount":1,"totalTokenCount":2}}'
whole("gemini", "texts", CANDIDATE:format('«{"text":"t#"}»', ""))
whole("gemini", "thoughts and texts", CANDIDATE:format('«{"text":"t#","thought":true},{"text":"x"}»', ""))
whole("gemini", "calls", CANDIDATE:format('«{"functionCall":{"name":"f#","args":{"a":1}},"thoughtSignature":"s#"}»', ""), CALLERS)
whole("gemini", "sources", CANDIDATE:format('{"text":"x"}', ',"groundingMetadata":{"chunks":[«{"web":{"n":#}}»]}'))

local COHERE = '{"id":"c","finish_reason":"%s","message":{"role":"assistant",%s},"usage":{"tokens":{"input_tokens":1,"output_tokens":1}}}'
whole("cohere", "texts", COHERE:format("COMPLETE", '"content":[«{"type":"text","text":"t#"}»]'))
whole("cohere", "thoughts and texts", COHERE:format("COMPLETE", '"content":[«{"type":"thinking","thinking":"t#"},{"type":"text","text":"x"}»]'))
whole("cohere", "calls", COHERE:format("TOOL_CALL", '"content":[],"tool_calls":[«{"id":"c#","type":"function","function":{"name":"f#","arguments":"{}"}}»]'),
  CALLERS)
whole("cohere", "citations", COHERE:format("COMPLETE", '"content":[{"type":"text","text":"x"}],"citations":[«{"start":#}»]'))

local OLLAMA = '{"model":"q","created_at":"2026-01-01T00:00:00Z","message":{"role":"assistant",%s},"done":true,"done_reason":"stop",'
  .. '"prompt_eval_count":1,"eval_count":1}'
whole("ollama", "calls", OLLAMA:format '"content":"","tool_calls":[«{"function":{"name":"f#","arguments":{"a":1}}}»]', CALLERS)
whole("ollama", "unknown members", OLLAMA:format '"content":"x",«"k#":1»')

local CONVERSE = '{"output":{"message":{"role":"assistant","content":[%s]}},"stopReason":"%s","usage":{"inputTokens":1,"outputTokens":1,"totalTokens":2}}'
whole("bedrock", "texts", CONVERSE:format('«{"text":"t#"}»', "end_turn"))
whole("bedrock", "calls", CONVERSE:format('«{"toolUse":{"toolUseId":"c#","name":"f#","input":{"a":1}}}»', "tool_use"), CALLERS)
whole("bedrock", "thoughts and texts", CONVERSE:format('«{"reasoningContent":{"reasoningText":{"text":"t#","signature":"s#"}}},{"text":"x"}»', "end_turn"))
whole("bedrock", "cited texts", CONVERSE:format('{"citationsContent":{"content":[«{"text":"t#"}»]}}', "end_turn"))

local RESPONSE = '{"id":"r","object":"response","status":"completed","model":"m","output":[%s],"usage":{"input_tokens":1,"output_tokens":1,"total_tokens":2}}'
whole("openai", "items", RESPONSE:format '«{"type":"message","id":"m#","role":"assistant","content":[{"type":"output_text","text":"t#"}]}»', { "responses" })
whole("openai", "calls of a response", RESPONSE:format '«{"type":"function_call","id":"m#","call_id":"c#","name":"f#","arguments":"{}"}»', { "responses" })
whole("openai", "vectors", '{"object":"list","data":[«{"object":"embedding","index":#,"embedding":[0.1,0.2]}»],"model":"m","usage":{"prompt_tokens":1,'
  .. '"total_tokens":1}}',
  { "embeddings" })
whole("gemini", "vectors", '{"embeddings":[«{"values":[0.1,0.2]}»]}', { "embeddings" })
whole("cohere", "vectors", '{"id":"x","embeddings":{"float":[«[0.1,0.2]»]},"meta":{"billed_units":{"input_tokens":1}}}', { "embeddings" })
whole("ollama", "vectors", '{"model":"m","embeddings":[«[0.1,0.2]»],"prompt_eval_count":1}', { "embeddings" })

-- ------------------------------------------------------------------ streamed

local function sse(name, data)
  return (name and "event: " .. name .. "\n" or "") .. "data: " .. data .. "\n\n"
end

--- `fill(count, put, pieces)` puts the middle of a stream, where put(…) adds one event; its result is the finish.
local function stream(vendor, name, fill, clients, frame, request)
  case { name, vendor = vendor, clients = clients, stream = true, foreign = vendor == "vllm", request = request,
    make = function(count)
      local pieces = {}
      local put, close = frame(pieces)
      close(fill(count, put, pieces))
      return pieces
    end }
end

local function chat_frame(pieces)
  local function put(delta, finish)
    pieces[#pieces + 1] = sse(nil, '{"id":"x","created":1,"model":"m","choices":[{"index":0,"delta":' .. delta .. ',"finish_reason":'
      .. (finish and '"' .. finish .. '"' or "null") .. "}]}")
  end
  return put, function(finish)
    put("{}", finish or "stop")
    pieces[#pieces + 1] = "data: [DONE]\n\n"
  end
end

local function chat(name, fill, clients)
  stream("vllm", name, fill, clients, chat_frame)
end

local function begin(index, arguments)
  return ('{"tool_calls":[{"index":%d,"id":"c%d","type":"function","function":{"name":"f%d","arguments":"%s"}}]}'):format(index, index, index, arguments)
end

local function more(index, arguments)
  return ('{"tool_calls":[{"index":%d,"function":{"arguments":"%s"}}]}'):format(index, arguments)
end

chat("texts", function(count, put) for i = 1, count do put('{"content":"t' .. i .. '"}') end end)
chat("thoughts and texts", function(count, put) for i = 1, count do put('{"reasoning_content":"t' .. i .. '"}') put '{"content":"x"}' end end)
chat("refusals and texts", function(count, put) for i = 1, count do put('{"refusal":"t' .. i .. '"}') put '{"content":"x"}' end end)
chat("calls", function(count, put) for i = 0, math.min(count, 500) - 1 do put(begin(i, "{}")) end return "tool_calls" end, CALLERS)
chat("pieces of one call", function(count, put)
  put(begin(0, '{\\"a\\":\\"'))
  for _ = 1, count do put(more(0, "x")) end
  put(more(0, '\\"}'))
  return "tool_calls"
end, CALLERS)
chat("pieces of many calls in turn", function(count, put)
  local calls = math.min(count, 500)
  for i = 0, calls - 1 do put(begin(i, '{\\"a\\":\\"')) end
  for i = 1, count do put(more(i % calls, "x")) end
  for i = 0, calls - 1 do put(more(i, '\\"}')) end
  return "tool_calls"
end, { "anthropic", "responses" })
chat("items behind calls that are open", function(count, put)
  local calls = math.min(count, 200)
  for i = 0, calls - 1 do put(begin(i, '{\\"a\\":')) end
  for _ = 1, count do put '{"content":"t"}' put '{"reasoning_content":"t"}' end
  for i = 0, calls - 1 do put(more(i, "1}")) end
  return "tool_calls"
end, { "openai", "responses" })
chat("items behind one long call", function(count, put)
  put(begin(0, '{\\"a\\":\\"' .. ("x"):rep(10 * count)))
  for _ = 1, count do put '{"content":"t"}' put '{"reasoning_content":"t"}' end
  put(more(0, '\\"}'))
  return "tool_calls"
end, { "openai", "responses" })
chat("comments", function(count, put, pieces) for _ = 1, count do pieces[#pieces + 1] = ": ping\n\n" end put '{"content":"x"}' end)
chat("lines of one event", function(count, _, pieces)
  pieces[#pieces + 1] = 'data: {"choices":[{"index":0,"delta":{"content":"x","y":[\n'
  for _ = 1, count do pieces[#pieces + 1] = "data: 1,\n" end
  pieces[#pieces + 1] = "data: 1]}}]}\n\n"
end)
chat("bytes that come one by one", function(count, _, pieces)
  local text = sse(nil, '{"choices":[{"index":0,"delta":{"content":"' .. ("x"):rep(count) .. '"}}]}')
  for i = 1, #text do pieces[#pieces + 1] = text:sub(i, i) end
end)
chat("events in one read", function(count, _, pieces) pieces[#pieces + 1] = sse(nil, '{"choices":[{"index":0,"delta":{"content":"x"}}]}'):rep(count) end)
chat("counts", function(count, put, pieces)
  for i = 1, count do pieces[#pieces + 1] = sse(nil, '{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":' .. i .. "}}") end
  put '{"content":"x"}'
end)
chat("likelihoods", function(count, _, pieces)
  for _ = 1, count do
    pieces[#pieces + 1] = sse(nil, '{"choices":[{"index":0,"delta":{"content":"x"},"logprobs":{"content":[{"token":"a","logprob":-1}]}}]}')
  end
end)

local function message_frame(pieces)
  local function put(name, data)
    pieces[#pieces + 1] = sse(name, '{"type":"' .. name .. '"' .. data .. "}")
  end
  put("message_start", ',"message":{"id":"m","type":"message","role":"assistant","model":"c","content":[],"usage":{"input_tokens":1,"output_tokens":1}}')
  return put, function(reason)
    put("message_delta", ',"delta":{"stop_reason":"' .. (reason or "end_turn") .. '"},"usage":{"output_tokens":12}')
    put("message_stop", "")
  end
end

local function start(put, index, block) put("content_block_start", ',"index":' .. index .. ',"content_block":' .. block) end
local function delta(put, index, what) put("content_block_delta", ',"index":' .. index .. ',"delta":' .. what) end
local function stop(put, index) put("content_block_stop", ',"index":' .. index) end
local function use(index) return '{"type":"tool_use","id":"c' .. index .. '","name":"f","input":{}}' end

local function message(name, fill, clients, request)
  stream("anthropic", name, fill, clients, message_frame, request)
end

message("texts", function(count, put)
  start(put, 0, '{"type":"text","text":""}')
  for _ = 1, count do delta(put, 0, '{"type":"text_delta","text":"x"}') end
  stop(put, 0)
end)
message("blocks", function(count, put)
  for i = 0, count - 1 do start(put, i, '{"type":"text","text":""}') delta(put, i, '{"type":"text_delta","text":"x"}') stop(put, i) end
end)
message("calls", function(count, put)
  for i = 0, count - 1 do start(put, i, use(i)) delta(put, i, '{"type":"input_json_delta","partial_json":"{}"}') stop(put, i) end
  return "tool_use"
end, CALLERS)
message("calls that nothing ends", function(count, put)
  for i = 0, count - 1 do start(put, i, use(i)) delta(put, i, '{"type":"input_json_delta","partial_json":"{\\"a\\":1"}') end
  return "tool_use"
end, CALLERS)
message("pieces of a call", function(count, put)
  start(put, 0, use(0))
  delta(put, 0, '{"type":"input_json_delta","partial_json":"{\\"a\\":\\""}')
  for _ = 1, count do delta(put, 0, '{"type":"input_json_delta","partial_json":"x"}') end
  delta(put, 0, '{"type":"input_json_delta","partial_json":"\\"}"}')
  stop(put, 0)
  return "tool_use"
end, CALLERS)
message("signed thoughts", function(count, put)
  for i = 0, count - 1 do
    start(put, i, '{"type":"thinking","thinking":"","signature":""}')
    delta(put, i, '{"type":"thinking_delta","thinking":"x"}')
    delta(put, i, '{"type":"signature_delta","signature":"s"}')
    stop(put, i)
  end
end)
message("pieces of a signature", function(count, put)
  start(put, 0, '{"type":"thinking","thinking":"","signature":""}')
  delta(put, 0, '{"type":"thinking_delta","thinking":"x"}')
  for _ = 1, count do delta(put, 0, '{"type":"signature_delta","signature":"' .. ("s"):rep(64) .. '"}') end
  stop(put, 0)
end, CALLERS)
message("unknown events", function(count, put) for i = 1, count do put("thing_" .. i, "") end end)

-- The request's own lists, again for each call of the answer.
local function odd_tools(count, frame, tool)
  return (frame:gsub("TOOLS", function() return list(count, tool) end))
end
message("calls where the request has many tools", function(count, put)
  for i = 0, math.min(count, 400) - 1 do start(put, i, use(i)) stop(put, i) end
  return "tool_use"
end, { "openai" }, odd_tools(2000, '{"model":"m","messages":[{"role":"user","content":"u"}],"tools":[TOOLS]}',
  '{"type":"function","function":{"name":"f.!#"}}'))
message("calls where the request has many custom tools", function(count, put)
  for i = 0, math.min(count, 400) - 1 do start(put, i, use(i)) stop(put, i) end
  return "tool_use"
end, { "responses" }, odd_tools(2000, '{"model":"m","input":"u","tools":[TOOLS]}', '{"type":"custom","name":"f#"}'))

local function content_frame(pieces)
  local function put(part, finish)
    pieces[#pieces + 1] = sse(nil, '{"candidates":[{"content":{"role":"model","parts":[' .. part .. ']},"index":0'
      .. (finish and ',"finishReason":"STOP"' or "")
      .. '}],"usageMetadata":{"promptTokenCount":1,"candidatesTokenCount":1,"totalTokenCount":2}}')
  end
  return put, function() put('{"text":""}', true) end
end
stream("gemini", "texts", function(count, put) for _ = 1, count do put '{"text":"x"}' end end, nil, content_frame)
stream("gemini", "thoughts and texts", function(count, put) for _ = 1, count do put '{"text":"x","thought":true}' put '{"text":"y"}' end end, nil,
  content_frame)
stream("gemini", "calls", function(count, put)
  for i = 1, count do put('{"functionCall":{"name":"f","args":{"a":1}},"thoughtSignature":"s' .. i .. '"}') end
end, CALLERS, content_frame)

local function cohere_frame(pieces)
  local function put(name, data)
    pieces[#pieces + 1] = sse(name, '{"type":"' .. name .. '"' .. data .. "}")
  end
  put("message-start", ',"id":"c","delta":{"message":{"role":"assistant"}}')
  return put, function(finish) put("message-end", ',"delta":{"finish_reason":"' .. (finish or "COMPLETE")
    .. '","usage":{"tokens":{"input_tokens":1,"output_tokens":1}}}') end
end
stream("cohere", "texts", function(count, put)
  put("content-start", ',"index":0,"delta":{"message":{"content":{"type":"text","text":""}}}')
  for _ = 1, count do put("content-delta", ',"index":0,"delta":{"message":{"content":{"text":"x"}}}') end
  put("content-end", ',"index":0')
end, nil, cohere_frame)
stream("cohere", "calls", function(count, put)
  for i = 0, count - 1 do
    put("tool-call-start", ',"index":' .. i .. ',"delta":{"message":{"tool_calls":{"id":"c' .. i
      .. '","type":"function","function":{"name":"f","arguments":""}}}}')
    put("tool-call-delta", ',"index":' .. i .. ',"delta":{"message":{"tool_calls":{"function":{"arguments":"{}"}}}}')
    put("tool-call-end", ',"index":' .. i)
  end
  return "TOOL_CALL"
end, CALLERS, cohere_frame)

local function line_frame(pieces)
  local function put(said, rest)
    pieces[#pieces + 1] = '{"model":"q","created_at":"2026-01-01T00:00:00Z","message":{"role":"assistant",' .. said .. "}," .. (rest or '"done":false') .. "}\n"
  end
  return put, function() put('"content":""', '"done":true,"done_reason":"stop","prompt_eval_count":1,"eval_count":1') end
end
stream("ollama", "texts", function(count, put) for _ = 1, count do put '"content":"x"' end end, nil, line_frame)
stream("ollama", "calls", function(count, put)
  for i = 1, count do put('"content":"","tool_calls":[{"id":"c' .. i .. '","function":{"name":"f","arguments":{"a":1}}}]') end
end, CALLERS, line_frame)

local function converse_frame(pieces)
  local function put(name, data)
    pieces[#pieces + 1] = eventstream.event(name, data)
  end
  put("messageStart", '{"role":"assistant"}')
  return put, function(reason)
    put("messageStop", '{"stopReason":"' .. (reason or "end_turn") .. '"}')
    put("metadata", '{"usage":{"inputTokens":1,"outputTokens":1,"totalTokens":2}}')
  end
end
stream("bedrock", "texts", function(count, put)
  for _ = 1, count do put("contentBlockDelta", '{"contentBlockIndex":0,"delta":{"text":"x"}}') end
end, nil, converse_frame)
stream("bedrock", "calls", function(count, put)
  for i = 0, count - 1 do
    put("contentBlockStart", ('{"contentBlockIndex":%d,"start":{"toolUse":{"toolUseId":"c%d","name":"f"}}}'):format(i, i))
    put("contentBlockDelta", ('{"contentBlockIndex":%d,"delta":{"toolUse":{"input":"{}"}}}'):format(i))
    put("contentBlockStop", ('{"contentBlockIndex":%d}'):format(i))
  end
  return "tool_use"
end, CALLERS, converse_frame)
stream("bedrock", "pieces of a signature", function(count, put)
  put("contentBlockDelta", '{"contentBlockIndex":0,"delta":{"reasoningContent":{"text":"x"}}}')
  for _ = 1, count do put("contentBlockDelta", '{"contentBlockIndex":0,"delta":{"reasoningContent":{"signature":"' .. ("s"):rep(64) .. '"}}}') end
  put("contentBlockStop", '{"contentBlockIndex":0}')
end, CALLERS, converse_frame)

local function response_frame(pieces)
  local function put(name, data)
    pieces[#pieces + 1] = sse(name, '{"type":"' .. name .. '"' .. data .. "}")
  end
  put("response.created", ',"response":{"id":"r","object":"response","status":"in_progress","model":"m","output":[]}')
  return put, function() put("response.completed", ',"response":{"id":"r","object":"response","status":"completed","model":"m","output":[],"usage":null}') end
end
stream("openai", "texts of a response", function(count, put)
  for _ = 1, count do put("response.output_text.delta", ',"item_id":"m","output_index":0,"content_index":0,"delta":"x"') end
end, { "responses" }, response_frame)
stream("openai", "items of a response", function(count, put)
  for i = 0, count - 1 do
    local item = ('"item":{"type":"function_call","id":"i%d","call_id":"c%d","name":"f","arguments":""}'):format(i, i)
    put("response.output_item.added", ',"output_index":' .. i .. "," .. item)
    put("response.function_call_arguments.delta", ',"item_id":"i' .. i .. '","output_index":' .. i .. ',"delta":"{}"')
    put("response.output_item.done", ',"output_index":' .. i .. "," .. item)
  end
end, { "responses" }, response_frame)

return cases
