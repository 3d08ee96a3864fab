--- The provider's side of every wire, for specs: what a request of that wire says, and scripted answers in its form. Written from the providers'
-- documents, not from the adapters: a mistake has to be made twice to pass.
--
--     local one = wires.anthropic
--     one.vendor, one.model
--     one.read(body) -> { items, system, tools, choice, params, schema, … }     what was asked, in neutral words
--     one.answer(said) -> body                                                  a whole answer
--     one.stream(said) -> pieces, whole_at                                      a stream; before byte whole_at it is not complete
--     one.refusals -> { { name, status, body, headers, kind }, … }; one.breaks -> an event that says that the stream failed
--     one.usage -> the usage vector that its answers report
--
-- `said` = { reasoning = { pieces }, signature, text = { pieces }, calls = { { id, name, arguments = { pieces } } }, finish }, or in any order
-- { blocks = { { reasoning, signature }, { text }, { call } , … }, finish }; Google's own signature is call.signature.
-- Items are one flat list: { kind = "text" | "image" | "reasoning" | "call" | "result", role, … }; consecutive texts of one role are joined by "|".
-- SPDX-License-Identifier: MIT
local cjson = require "cjson"

local json = cjson.new()
json.decode_max_depth(200)

local wires = {}

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
  local sum = 0xffffffff
  for i = 1, #text do
    sum = CRC[(sum ~ text:byte(i)) & 0xff] ~ (sum >> 8)
  end
  return sum ~ 0xffffffff
end

--- One frame of application/vnd.amazon.eventstream.
function wires.aws_frame(name, payload, kind)
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

-- ------------------------------------------------------------------ openai

local openai = { vendor = "openai", model = "gpt-4o" }
wires.openai = openai

local OPENAI_PARAMS = { max_tokens = "max_tokens", max_completion_tokens = "max_tokens", temperature = "temperature", top_p = "top_p", stop = "stop",
  seed = "seed", presence_penalty = "presence_penalty", frequency_penalty = "frequency_penalty", logit_bias = "logit_bias", logprobs = "logprobs",
  top_logprobs = "top_logprobs", n = "n", user = "user", metadata = "metadata", parallel_tool_calls = "parallel_tool_calls",
  service_tier = "service_tier", reasoning_effort = "reasoning_effort", verbosity = "verbosity", top_k = "top_k" }
local OPENAI_KNOWN = set("model", "messages", "tools", "tool_choice", "response_format", "stream", "stream_options")

local function read_openai_content(ask, role, content)
  if type(content) ~= "table" then
    return add_text(ask, role, some(content))
  end
  for _, part in ipairs(content) do
    if part.type == "text" then
      add_text(ask, role, part.text)
    elseif part.type == "image_url" then
      add_image_url(ask, part.image_url.url)
    else
      error("a part this provider does not know: " .. tostring(part.type))
    end
  end
end

function openai.read(body)
  local ask = new_ask()
  for _, message in ipairs(body.messages) do
    if message.role == "system" or message.role == "developer" then
      ask.system[#ask.system + 1] = text_of(message.content)
    elseif message.role == "tool" then
      add(ask, { kind = "result", id = message.tool_call_id, text = text_of(message.content) })
    else
      if some(message.reasoning_content) and message.reasoning_content ~= "" then
        add(ask, { kind = "reasoning", text = message.reasoning_content })
      end
      read_openai_content(ask, message.role, message.content)
      for _, call in each(message.tool_calls) do
        assert(call.type == "function" and type(call["function"].arguments) == "string")
        add_call(ask, call.id, call["function"].name, call["function"].arguments)
      end
    end
  end
  for _, tool in each(body.tools) do
    assert(tool.type == "function")
    local fn = tool["function"]
    ask.tools[#ask.tools + 1] = { name = fn.name, description = fn.description, schema = fn.parameters }
  end
  local choice = some(body.tool_choice)
  ask.choice = type(choice) == "table" and choice["function"].name or choice
  local format = some(body.response_format)
  if format and format.type == "json_schema" then
    ask.schema = format.json_schema.schema
  end
  ask.json = format and format.type == "json_object" or nil
  ask.model, ask.streams = body.model, body.stream == true
  ask.thinks = some(body.reasoning_effort) ~= nil and body.reasoning_effort ~= "none" or nil
  take_params(ask, body, OPENAI_PARAMS, OPENAI_KNOWN)
  return ask
end

openai.usage = { input = 36, cache_read = 64, cache_write = -1, output = 12, reasoning = 5 }
local OPENAI_USAGE = { prompt_tokens = 100, completion_tokens = 12, total_tokens = 112, prompt_tokens_details = { cached_tokens = 64 },
  completion_tokens_details = { reasoning_tokens = 5 } }

function openai.answer(said)
  said = flat_of(said)
  local message = { role = "assistant", content = said.text and joined(said.text) or cjson.null, refusal = cjson.null }
  message.reasoning_content = said.reasoning and joined(said.reasoning) or nil
  for i, call in ipairs(said.calls or {}) do
    message.tool_calls = message.tool_calls or {}
    message.tool_calls[i] = { id = call.id, type = "function", ["function"] = { name = call.name, arguments = joined(call.arguments) } }
  end
  return json.encode { id = "chatcmpl-1", object = "chat.completion", created = 1700000000, model = "gpt-4o-2024-08-06",
    choices = { { index = 0, message = message, logprobs = cjson.null, finish_reason = said.finish } }, usage = OPENAI_USAGE }
end

function openai.stream(said)
  said = flat_of(said)
  local pieces = {}
  local function chunk(delta, finish)
    pieces[#pieces + 1] = sse { id = "chatcmpl-1", object = "chat.completion.chunk", created = 1700000000, model = "gpt-4o-2024-08-06",
      choices = { { index = 0, delta = delta, finish_reason = finish or cjson.null } }, usage = cjson.null }
  end
  chunk { role = "assistant", content = "" }
  for _, text in ipairs(said.reasoning or {}) do
    chunk { reasoning_content = text }
  end
  for _, text in ipairs(said.text or {}) do
    chunk { content = text }
  end
  for i, call in ipairs(said.calls or {}) do
    chunk { tool_calls = { { index = i - 1, id = call.id, type = "function", ["function"] = { name = call.name, arguments = "" } } } }
    for _, text in ipairs(call.arguments) do
      chunk { tool_calls = { { index = i - 1, ["function"] = { arguments = text } } } }
    end
  end
  chunk({}, said.finish)
  local finish_at = #pieces
  pieces[#pieces + 1] = 'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,"model":"gpt-4o-2024-08-06",'
    .. '"choices":[],"usage":' .. json.encode(OPENAI_USAGE) .. "}\n\n"
  pieces[#pieces + 1] = "data: [DONE]\n\n"
  return streamed(pieces, finish_at, 2)
end

openai.refusals = {
  { status = 429, headers = { ["retry-after"] = "7" }, kind = "rate_limited",
    body = [[{"error":{"message":"Rate limit reached","type":"requests","param":null,"code":"rate_limit_exceeded"}}]] },
  { status = 401, kind = "auth", body = [[{"error":{"message":"Incorrect API key","type":"invalid_request_error","param":null,"code":"invalid_api_key"}}]] },
  { status = 400, kind = "context_length",
    body = [[{"error":{"message":"This model's maximum context length is 10 tokens.","type":"invalid_request_error","param":"messages",]]
      .. [["code":"context_length_exceeded"}}]] },
  { status = 503, kind = "overloaded", body = [[{"error":{"message":"The model is overloaded.","type":"server_error","param":null,"code":null}}]] },
}
openai.breaks = sse { error = { message = "The server had an error", type = "server_error", param = cjson.null, code = cjson.null } }

-- ------------------------------------------------------------------ anthropic

local anthropic = { vendor = "anthropic", model = "claude-sonnet-4-5" }
wires.anthropic = anthropic

local ANTHROPIC_PARAMS = { max_tokens = "max_tokens", temperature = "temperature", top_p = "top_p", top_k = "top_k", stop_sequences = "stop",
  service_tier = "service_tier" }
local ANTHROPIC_KNOWN = set("model", "messages", "system", "tools", "tool_choice", "stream", "thinking", "output_config", "metadata", "cache_control")
local CHOICES = { auto = "auto", any = "required", none = "none" }
local JSON_TOOL = "json_tool_call"

local function read_anthropic_block(ask, role, block)
  if block.type == "text" then
    assert(block.text:find "%S", "a blank text block")
    add_text(ask, role, block.text)
  elseif block.type == "image" then
    local source = block.source
    add(ask, { kind = "image", role = role, media_type = source.media_type, data = source.data, url = source.url })
  elseif block.type == "thinking" then
    add(ask, { kind = "reasoning", text = block.thinking, signature = block.signature })
  elseif block.type == "redacted_thinking" then
    add(ask, { kind = "redacted", data = block.data })
  elseif block.type == "tool_use" then
    assert(type(block.input) == "table" and block.id:find "^[%w_-]+$")
    add_call(ask, block.id, block.name, block.input)
  elseif block.type == "tool_result" then
    add(ask, { kind = "result", id = block.tool_use_id, text = text_of(block.content), is_error = block.is_error or nil })
  else
    error("a block this provider does not know: " .. tostring(block.type))
  end
  if block.cache_control then
    ask.items[#ask.items].cached = block.cache_control
  end
end

local function read_forced_tool(ask, name)
  for i, tool in ipairs(ask.tools) do
    if tool.name == name then
      ask.schema = tool.schema
      table.remove(ask.tools, i)
      ask.choice = nil
      return
    end
  end
end

function anthropic.read(body)
  local ask = new_ask()
  for _, block in ipairs(type(body.system) == "string" and { { type = "text", text = body.system } } or body.system or {}) do
    ask.system[#ask.system + 1] = block.text
    ask.system_cached = ask.system_cached or block.cache_control
  end
  local turn
  for _, message in ipairs(body.messages) do
    assert(message.role ~= turn, "two turns of one role")
    turn = message.role
    if type(message.content) == "string" then
      add_text(ask, turn, message.content)
    else
      for _, block in ipairs(message.content) do
        read_anthropic_block(ask, turn, block)
      end
    end
  end
  assert(body.messages[1].role == "user")
  for _, tool in each(body.tools) do
    assert(tool.input_schema.type == "object")
    ask.tools[#ask.tools + 1] = { name = tool.name, description = tool.description, schema = tool.input_schema, cached = tool.cache_control }
  end
  local choice = some(body.tool_choice)
  if choice then
    ask.choice = choice.type == "tool" and choice.name or CHOICES[choice.type]
    if choice.disable_parallel_tool_use then
      ask.params.parallel_tool_calls = false
    end
  end
  if ask.choice == JSON_TOOL then
    read_forced_tool(ask, JSON_TOOL)
  end
  local config = body.output_config or {}
  ask.schema = config.format and config.format.schema or ask.schema
  ask.model, ask.streams = body.model, body.stream == true
  ask.thinks = body.thinking and body.thinking.type ~= "disabled" or nil
  ask.params.reasoning_effort = ask.thinks and "asked"
  ask.params.user = body.metadata and body.metadata.user_id
  assert(math.type(body.max_tokens) or body.max_tokens, "max_tokens is wanted")
  take_params(ask, body, ANTHROPIC_PARAMS, ANTHROPIC_KNOWN)
  return ask
end

anthropic.usage = { input = 28, cache_read = 64, cache_write = 8, output = 12, reasoning = -1 }
local ANTHROPIC_STOPS = { stop = "end_turn", length = "max_tokens", tool_calls = "tool_use", content_filter = "refusal" }

function anthropic.answer(said)
  local content = {}
  for i, block in ipairs(blocks_of(said)) do
    local call = block.call
    content[i] = block.reasoning and { type = "thinking", thinking = joined(block.reasoning), signature = block.signature }
      or block.text and { type = "text", text = joined(block.text) }
      or { type = "tool_use", id = call.id, name = call.name, input = json.decode(joined(call.arguments)) }
  end
  return json.encode { id = "msg_1", type = "message", role = "assistant", model = "claude-sonnet-4-5-20250929", content = content,
    stop_reason = ANTHROPIC_STOPS[said.finish], stop_sequence = cjson.null,
    usage = { input_tokens = 28, cache_read_input_tokens = 64, cache_creation_input_tokens = 8, output_tokens = 12 } }
end

function anthropic.stream(said)
  local pieces, index = {}, -1
  local function event(name, fields)
    fields.type = name
    pieces[#pieces + 1] = sse(fields, name)
  end
  local function block(start, deltas)
    index = index + 1
    event("content_block_start", { index = index, content_block = start })
    for _, delta in ipairs(deltas) do
      event("content_block_delta", { index = index, delta = delta })
    end
    event("content_block_stop", { index = index })
  end
  local function deltas(kind, field, texts)
    local list = {}
    for i, text in ipairs(texts) do
      list[i] = { type = kind, [field] = text }
    end
    return list
  end
  pieces[1] = sse([[{"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"claude-sonnet-4-5-20250929","content":[],]]
    .. [["stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":28,"cache_read_input_tokens":64,"cache_creation_input_tokens":8,"output_tokens":1}}}]],
    "message_start")
  event("ping", {})
  for _, one in ipairs(blocks_of(said)) do
    if one.reasoning then
      local list = deltas("thinking_delta", "thinking", one.reasoning)
      list[#list + 1] = { type = "signature_delta", signature = one.signature }
      block({ type = "thinking", thinking = "", signature = "" }, list)
    elseif one.text then
      block({ type = "text", text = "" }, deltas("text_delta", "text", one.text))
    else
      block({ type = "tool_use", id = one.call.id, name = one.call.name, input = {} }, deltas("input_json_delta", "partial_json", one.call.arguments))
    end
  end
  event("message_delta", { delta = { stop_reason = ANTHROPIC_STOPS[said.finish], stop_sequence = cjson.null }, usage = { output_tokens = 12 } })
  event("message_stop", {})
  return streamed(pieces, #pieces, 2)
end

local function anthropic_error(kind, message)
  return json.encode { type = "error", error = { type = kind, message = message }, request_id = "req_1" }
end

anthropic.refusals = {
  { status = 429, headers = { ["retry-after"] = "7" }, kind = "rate_limited", body = anthropic_error("rate_limit_error", "Too many requests") },
  { status = 401, kind = "auth", body = anthropic_error("authentication_error", "invalid x-api-key") },
  { status = 400, kind = "context_length", body = anthropic_error("invalid_request_error", "prompt is too long: 12 tokens > 10 maximum") },
  { status = 529, kind = "overloaded", body = anthropic_error("overloaded_error", "Overloaded") },
}
anthropic.breaks = sse(anthropic_error("overloaded_error", "Overloaded"), "error")

-- ------------------------------------------------------------------ gemini

local gemini = { vendor = "gemini", model = "gemini-2.5-flash" }
wires.gemini = gemini

local GEMINI_PARAMS = { maxOutputTokens = "max_tokens", temperature = "temperature", topP = "top_p", topK = "top_k", stopSequences = "stop", seed = "seed",
  presencePenalty = "presence_penalty", frequencyPenalty = "frequency_penalty", candidateCount = "n", responseLogprobs = "logprobs",
  logprobs = "top_logprobs" }
local GEMINI_CONFIG = set("responseMimeType", "responseJsonSchema", "responseSchema", "thinkingConfig", "responseModalities")
local GEMINI_KNOWN = set("contents", "systemInstruction", "tools", "toolConfig", "generationConfig", "safetySettings", "serviceTier", "labels")
local MODES = { AUTO = "auto", ANY = "required", NONE = "none", VALIDATED = "auto" }

local function read_gemini_part(ask, role, part)
  if part.functionCall then
    local call = part.functionCall
    add_call(ask, call.id, call.name, call.args or {}, part.thoughtSignature)
  elseif part.functionResponse then
    local response = part.functionResponse.response
    local text = response.result or response.output or response.error
    assert(part.functionResponse.name, "a result wants the function's name")
    add(ask, { kind = "result", id = part.functionResponse.id, name = part.functionResponse.name,
      text = type(text) == "string" and text or json.encode(response) })
  elseif part.inlineData then
    add(ask, { kind = "image", role = role, media_type = part.inlineData.mimeType, data = part.inlineData.data })
  elseif part.fileData then
    assert(part.fileData.mimeType)
    add(ask, { kind = "image", role = role, url = part.fileData.fileUri })
  elseif part.thought then
    add(ask, { kind = "reasoning", text = part.text, signature = part.thoughtSignature })
  else
    assert(part.text and part.text ~= "", "a part this provider does not know")
    add_text(ask, role, part.text)
    ask.items[#ask.items].signature = part.thoughtSignature or ask.items[#ask.items].signature
  end
end

function gemini.read(body)
  local ask = new_ask()
  for _, part in ipairs((body.systemInstruction or {}).parts or {}) do
    ask.system[#ask.system + 1] = part.text
  end
  local turn, after_results
  for _, content in ipairs(body.contents) do
    local role, results = content.role == "model" and "assistant" or content.role, content.parts[1].functionResponse ~= nil
    assert(role == "user" or role == "assistant")
    assert(role ~= turn or (after_results and not results), "turns in turn, but for what is said behind results")
    turn, after_results = role, results
    for _, part in ipairs(content.parts) do
      assert(results == (part.functionResponse ~= nil), "results stand alone")
      read_gemini_part(ask, role, part)
    end
  end
  assert(body.contents[1].role == "user")
  for _, group in each(body.tools) do
    for _, fn in ipairs(group.functionDeclarations) do
      ask.tools[#ask.tools + 1] = { name = fn.name, description = fn.description, schema = fn.parametersJsonSchema or fn.parameters }
    end
  end
  local mode = ((body.toolConfig or {}).functionCallingConfig or {})
  ask.choice = mode.allowedFunctionNames and mode.allowedFunctionNames[1] or MODES[mode.mode]
  local config = body.generationConfig or {}
  ask.schema = config.responseJsonSchema or config.responseSchema
  ask.json = config.responseMimeType == "application/json" and not ask.schema or nil
  local thinking = config.thinkingConfig
  ask.thinks = thinking and (thinking.thinkingLevel or thinking.thinkingBudget ~= 0) and true or nil
  ask.params.reasoning_effort = thinking and "asked"
  ask.params.service_tier = body.serviceTier
  take_params(ask, config, GEMINI_PARAMS, GEMINI_CONFIG)
  take_params(ask, body, {}, GEMINI_KNOWN)
  return ask
end

gemini.usage = { input = 36, cache_read = 64, cache_write = -1, output = 12, reasoning = 5 }
local GEMINI_USAGE = { promptTokenCount = 100, candidatesTokenCount = 7, thoughtsTokenCount = 5, cachedContentTokenCount = 64, totalTokenCount = 112 }
local GEMINI_STOPS = { stop = "STOP", tool_calls = "STOP", length = "MAX_TOKENS", content_filter = "SAFETY" }

local function gemini_parts(said)
  local parts = {}
  for _, block in ipairs(blocks_of(said)) do
    local call = block.call
    for _, text in ipairs(block.reasoning or block.text or {}) do
      parts[#parts + 1] = { text = text, thought = block.reasoning and true or nil }
    end
    if call then
      parts[#parts + 1] = { functionCall = { id = call.id, name = call.name, args = json.decode(joined(call.arguments)) },
        thoughtSignature = call.signature }
    end
  end
  return parts
end

local function gemini_body(parts, finish, usage)
  return { candidates = { { content = { role = "model", parts = parts }, index = 0, finishReason = finish } }, usageMetadata = usage,
    modelVersion = "gemini-2.5-flash", responseId = "g1" }
end

function gemini.answer(said)
  return json.encode(gemini_body(gemini_parts(said), GEMINI_STOPS[said.finish], GEMINI_USAGE))
end

function gemini.stream(said)
  local pieces, parts = {}, gemini_parts(said)
  for i, part in ipairs(parts) do
    local last = i == #parts
    pieces[i] = sse(gemini_body({ part }, last and GEMINI_STOPS[said.finish] or nil, last and GEMINI_USAGE or { promptTokenCount = 100 }))
  end
  return streamed(pieces, #pieces, 2)
end

local function google_error(code, status, message, details)
  return json.encode { error = { code = code, message = message, status = status, details = details } }
end

gemini.refusals = {
  { status = 429, kind = "rate_limited", body = google_error(429, "RESOURCE_EXHAUSTED", "Resource has been exhausted",
    { { ["@type"] = "type.googleapis.com/google.rpc.RetryInfo", retryDelay = "7s" } }) },
  { status = 400, kind = "auth", body = google_error(400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.",
    { { ["@type"] = "type.googleapis.com/google.rpc.ErrorInfo", reason = "API_KEY_INVALID" } }) },
  { status = 400, kind = "context_length",
    body = google_error(400, "INVALID_ARGUMENT", "The input token count (12) exceeds the maximum number of tokens allowed (10).") },
  { status = 503, kind = "overloaded", body = google_error(503, "UNAVAILABLE", "The model is overloaded. Please try again later.") },
}
gemini.breaks = sse(google_error(503, "UNAVAILABLE", "The model is overloaded."))

-- ------------------------------------------------------------------ cohere

local cohere = { vendor = "cohere", model = "command-a-reasoning-08-2025" }
wires.cohere = cohere

local COHERE_PARAMS = { max_tokens = "max_tokens", temperature = "temperature", p = "top_p", k = "top_k", stop_sequences = "stop", seed = "seed",
  presence_penalty = "presence_penalty", frequency_penalty = "frequency_penalty", logprobs = "logprobs" }
local COHERE_KNOWN = set("model", "messages", "tools", "tool_choice", "response_format", "stream", "thinking", "strict_tools", "documents", "safety_mode",
  "citation_options", "priority")
local COHERE_CHOICES = { REQUIRED = "required", NONE = "none" }

function cohere.read(body)
  local ask = new_ask()
  for _, message in ipairs(body.messages) do
    if message.role == "system" then
      ask.system[#ask.system + 1] = text_of(message.content)
    elseif message.role == "tool" then
      add(ask, { kind = "result", id = message.tool_call_id, text = text_of(message.content) })
    else
      for _, part in ipairs(type(message.content) == "table" and message.content or {}) do
        if part.type == "thinking" then
          add(ask, { kind = "reasoning", text = part.thinking })
        elseif part.type == "image_url" then
          add_image_url(ask, part.image_url.url)
        else
          add_text(ask, message.role, part.text)
        end
      end
      add_text(ask, message.role, type(message.content) == "string" and message.content or nil)
      add_text(ask, message.role, some(message.tool_plan))
      for _, call in each(message.tool_calls) do
        assert(type(call["function"].arguments) == "string")
        add_call(ask, call.id, call["function"].name, call["function"].arguments)
      end
    end
  end
  for _, tool in each(body.tools) do
    ask.tools[#ask.tools + 1] = { name = tool["function"].name, description = tool["function"].description, schema = tool["function"].parameters }
  end
  ask.choice = COHERE_CHOICES[body.tool_choice]
  local format = body.response_format
  assert(not format or #ask.tools == 0, "a format beside tools is refused")
  ask.schema = format and format.json_schema
  ask.json = format and format.type == "json_object" and not ask.schema or nil
  ask.model, ask.streams = body.model, body.stream == true
  ask.thinks = body.thinking and body.thinking.type == "enabled" or nil
  ask.params.reasoning_effort = body.thinking and "asked"
  take_params(ask, body, COHERE_PARAMS, COHERE_KNOWN)
  return ask
end

cohere.usage = { input = 36, cache_read = 64, cache_write = -1, output = 12, reasoning = -1 }
local COHERE_USAGE = '{"billed_units":{"input_tokens":40.0,"output_tokens":12.0},"tokens":{"input_tokens":100.0,"output_tokens":12.0},"cached_tokens":64.0}'
local COHERE_STOPS = { stop = "COMPLETE", length = "MAX_TOKENS", tool_calls = "TOOL_CALL", content_filter = "ERROR_TOXIC" }

--- With calls the text is the plan.
function cohere.answer(said)
  said = flat_of(said)
  local content = {}
  if said.reasoning then
    content[#content + 1] = { type = "thinking", thinking = joined(said.reasoning) }
  end
  if said.text then
    content[#content + 1] = { type = "text", text = joined(said.text) }
  end
  local message = { role = "assistant", content = content }
  for i, call in ipairs(said.calls or {}) do
    message.tool_calls = message.tool_calls or {}
    message.tool_calls[i] = { id = call.id, type = "function", ["function"] = { name = call.name, arguments = joined(call.arguments) } }
  end
  local text = json.encode { id = "c-1", finish_reason = COHERE_STOPS[said.finish], message = message }
  return text:sub(1, -2):gsub('"content":{}', '"content":[]') .. ',"usage":' .. COHERE_USAGE .. "}"
end

function cohere.stream(said)
  said = flat_of(said)
  local pieces, index = {}, -1
  local function event(name, fields)
    fields.type = name
    pieces[#pieces + 1] = sse(fields, name)
  end
  local function content(kind, texts)
    index = index + 1
    event("content-start", { index = index, delta = { message = { content = { type = kind == "thinking" and "thinking" or "text", [kind] = "" } } } })
    for _, text in ipairs(texts) do
      event("content-delta", { index = index, delta = { message = { content = { [kind] = text } } } })
    end
    event("content-end", { index = index })
  end
  event("message-start", { id = "c-1", delta = { message = { role = "assistant" } } })
  if said.reasoning then
    content("thinking", said.reasoning)
  end
  if said.text then
    content("text", said.text)
  end
  for i, call in ipairs(said.calls or {}) do
    event("tool-call-start", { index = i - 1, delta = { message = { tool_calls = { id = call.id, type = "function",
      ["function"] = { name = call.name, arguments = "" } } } } })
    for _, text in ipairs(call.arguments) do
      event("tool-call-delta", { index = i - 1, delta = { message = { tool_calls = { ["function"] = { arguments = text } } } } })
    end
    event("tool-call-end", { index = i - 1 })
  end
  pieces[#pieces + 1] = sse(('{"type":"message-end","delta":{"finish_reason":"%s","usage":%s}}'):format(COHERE_STOPS[said.finish], COHERE_USAGE),
    "message-end")
  return streamed(pieces, #pieces, 2)
end

cohere.refusals = {
  { status = 429, headers = { ["retry-after"] = "7" }, kind = "rate_limited", body = [[{"id":"e","message":"You are using a Trial key, rate limit reached"}]] },
  { status = 401, kind = "auth", body = [[{"id":"e","message":"invalid api token"}]] },
  { status = 400, kind = "context_length", body = [[{"id":"e","message":"too many tokens: 12"}]] },
  { status = 503, kind = "overloaded", body = [[{"id":"e","message":"the model is overloaded"}]] },
}
cohere.breaks = sse({ type = "message-end", delta = { finish_reason = "ERROR", error = "internal" } }, "message-end")

-- ------------------------------------------------------------------ ollama

local ollama = { vendor = "ollama", model = "qwen3:8b" }
wires.ollama = ollama

local OLLAMA_PARAMS = { num_predict = "max_tokens", temperature = "temperature", top_p = "top_p", top_k = "top_k", stop = "stop", seed = "seed",
  presence_penalty = "presence_penalty", frequency_penalty = "frequency_penalty", num_ctx = "num_ctx", min_p = "min_p" }
local OLLAMA_KNOWN = set("model", "messages", "tools", "format", "stream", "think", "options", "keep_alive", "truncate")

function ollama.read(body)
  local ask = new_ask()
  for _, message in ipairs(body.messages) do
    assert(type(message.content) == "string", "content is one string")
    if message.role == "system" then
      ask.system[#ask.system + 1] = message.content
    elseif message.role == "tool" then
      add(ask, { kind = "result", id = message.tool_call_id, name = message.tool_name, text = message.content })
    else
      if message.thinking then
        add(ask, { kind = "reasoning", text = message.thinking })
      end
      add_text(ask, message.role, message.content)
      for _, image in each(message.images) do
        assert(not image:find "^data:" and not image:find "^http", "images are bare base64")
        add(ask, { kind = "image", role = message.role, data = image })
      end
      for _, call in each(message.tool_calls) do
        assert(type(call["function"].arguments) == "table")
        add_call(ask, call.id, call["function"].name, call["function"].arguments)
      end
    end
  end
  for _, tool in each(body.tools) do
    ask.tools[#ask.tools + 1] = { name = tool["function"].name, description = tool["function"].description, schema = tool["function"].parameters }
  end
  ask.schema = type(body.format) == "table" and body.format or nil
  ask.json = body.format == "json" or nil
  assert(type(body.stream) == "boolean", "it streams unless told")
  ask.model, ask.streams = body.model, body.stream
  ask.thinks = body.think and true or nil
  if body.think ~= nil then
    ask.params.reasoning_effort = "asked"
  end
  take_params(ask, body.options or {}, OLLAMA_PARAMS, {})
  take_params(ask, body, { logprobs = "logprobs", top_logprobs = "top_logprobs" }, OLLAMA_KNOWN)
  return ask
end

ollama.usage = { input = 100, cache_read = -1, cache_write = -1, output = 12, reasoning = -1 }

local function ollama_line(message, done)
  local line = { model = "qwen3:8b", created_at = "2026-01-01T00:00:00.123456789Z", message = message, done = done ~= nil }
  message.role = "assistant"
  message.content = message.content or ""
  if done then
    line.done_reason, line.prompt_eval_count, line.eval_count, line.total_duration = done, 100, 12, 900000000
  end
  return json.encode(line) .. "\n"
end

local function ollama_calls(said)
  local calls
  for i, call in ipairs(said.calls or {}) do
    calls = calls or {}
    calls[i] = { id = call.id, ["function"] = { index = i - 1, name = call.name, arguments = json.decode(joined(call.arguments)) } }
  end
  return calls
end

local OLLAMA_STOPS = { stop = "stop", tool_calls = "stop", length = "length" }

function ollama.answer(said)
  said = flat_of(said)
  return ollama_line({ content = joined(said.text), thinking = said.reasoning and joined(said.reasoning), tool_calls = ollama_calls(said) },
    OLLAMA_STOPS[said.finish])
end

function ollama.stream(said)
  said = flat_of(said)
  local pieces = {}
  for _, text in ipairs(said.reasoning or {}) do
    pieces[#pieces + 1] = ollama_line { thinking = text }
  end
  for _, text in ipairs(said.text or {}) do
    pieces[#pieces + 1] = ollama_line { content = text }
  end
  if said.calls then
    pieces[#pieces + 1] = ollama_line { tool_calls = ollama_calls(said) }
  end
  pieces[#pieces + 1] = ollama_line({}, OLLAMA_STOPS[said.finish])
  return streamed(pieces, #pieces, 1)
end

ollama.refusals = {
  { status = 429, headers = { ["retry-after"] = "7" }, kind = "rate_limited", body = [[{"error":"rate limit exceeded"}]] },
  { status = 401, kind = "auth", body = [[{"error":"unauthorized","signin_url":"https://ollama.com/connect"}]] },
  { status = 400, kind = "context_length", body = [[{"error":"the prompt exceeds the available context size"}]] },
  { status = 503, kind = "overloaded", body = [[{"error":"server busy, please try again.  maximum pending requests exceeded"}]] },
}
ollama.breaks = '{"error":"an error was encountered while running the model: CUDA error"}\n'

-- ------------------------------------------------------------------ bedrock

local bedrock = { vendor = "bedrock", model = "anthropic.claude-sonnet-4-5-20250929-v1:0" }
wires.bedrock = bedrock

local BEDROCK_PARAMS = { maxTokens = "max_tokens", temperature = "temperature", topP = "top_p", stopSequences = "stop" }
local BEDROCK_KNOWN = set("messages", "system", "toolConfig", "inferenceConfig", "additionalModelRequestFields", "requestMetadata", "outputConfig",
  "serviceTier")

local function read_bedrock_result(block)
  local texts = {}
  for _, part in ipairs(block.content) do
    texts[#texts + 1] = part.text or (part.json and json.encode(part.json))
  end
  assert(#texts > 0 or block.content[1], "a result says something")
  return table.concat(texts, "|")
end

local function read_bedrock_block(ask, role, block)
  if block.text then
    assert(block.text:find "%S", "a blank text")
    add_text(ask, role, block.text)
  elseif block.image then
    add(ask, { kind = "image", role = role, media_type = "image/" .. block.image.format, data = block.image.source.bytes })
  elseif block.reasoningContent and block.reasoningContent.reasoningText then
    add(ask, { kind = "reasoning", text = block.reasoningContent.reasoningText.text, signature = block.reasoningContent.reasoningText.signature })
  elseif block.reasoningContent then
    add(ask, { kind = "redacted", data = block.reasoningContent.redactedContent })
  elseif block.toolUse then
    assert(type(block.toolUse.input) == "table" and block.toolUse.toolUseId:find "^[%w_.:-]+$")
    add_call(ask, block.toolUse.toolUseId, block.toolUse.name, block.toolUse.input)
  elseif block.toolResult then
    add(ask, { kind = "result", id = block.toolResult.toolUseId, text = read_bedrock_result(block.toolResult),
      is_error = block.toolResult.status == "error" or nil })
  elseif block.cachePoint then
    ask.items[#ask.items].cached = block.cachePoint
  else
    error("a block this provider does not know: " .. tostring(next(block)))
  end
end

local function read_bedrock_tools(ask, config)
  for _, tool in each(config.tools) do
    if tool.cachePoint then
      ask.tools[#ask.tools].cached = tool.cachePoint
    else
      local spec = tool.toolSpec
      ask.tools[#ask.tools + 1] = { name = spec.name, description = spec.description, schema = spec.inputSchema.json }
    end
  end
  local choice = config.toolChoice
  ask.choice = choice and (choice.auto and "auto" or choice.any and "required" or choice.tool.name)
end

function bedrock.read(body)
  local ask = new_ask()
  for _, block in ipairs(body.system or {}) do
    ask.system[#ask.system + 1] = block.text
    ask.system_cached = ask.system_cached or block.cachePoint
  end
  local turn
  for _, message in ipairs(body.messages) do
    assert(message.role ~= turn, "two turns of one role")
    turn = message.role
    for _, block in ipairs(message.content) do
      read_bedrock_block(ask, turn, block)
    end
  end
  assert(body.messages[1].role == "user")
  read_bedrock_tools(ask, body.toolConfig or {})
  if ask.choice == JSON_TOOL then
    read_forced_tool(ask, JSON_TOOL)
  end
  local format = body.outputConfig and body.outputConfig.textFormat
  if format then
    ask.schema = json.decode(format.structure.jsonSchema.schema)
  end
  local more = body.additionalModelRequestFields or {}
  ask.thinks = more.thinking and more.thinking.type ~= "disabled" or nil
  ask.params.reasoning_effort = ask.thinks and "asked"
  ask.params.top_k = more.top_k
  if more.tool_choice and more.tool_choice.disable_parallel_tool_use then
    ask.params.parallel_tool_calls = false
  end
  for name, value in pairs(body.requestMetadata or {}) do
    ask.params[name:find "user" and "user" or "metadata"] = value
  end
  ask.params.service_tier = body.serviceTier
  take_params(ask, body.inferenceConfig or {}, BEDROCK_PARAMS, {})
  take_params(ask, body, {}, BEDROCK_KNOWN)
  return ask
end

bedrock.usage = { input = 28, cache_read = 64, cache_write = 8, output = 12, reasoning = -1 }
local BEDROCK_USAGE = { inputTokens = 28, cacheReadInputTokens = 64, cacheWriteInputTokens = 8, outputTokens = 12, totalTokens = 112 }
local BEDROCK_STOPS = { stop = "end_turn", length = "max_tokens", tool_calls = "tool_use", content_filter = "content_filtered" }

function bedrock.answer(said)
  local content = {}
  for i, block in ipairs(blocks_of(said)) do
    local call = block.call
    content[i] = block.reasoning and { reasoningContent = { reasoningText = { text = joined(block.reasoning), signature = block.signature } } }
      or block.text and { text = joined(block.text) }
      or { toolUse = { toolUseId = call.id, name = call.name, input = json.decode(joined(call.arguments)) } }
  end
  return json.encode { output = { message = { role = "assistant", content = content } }, stopReason = BEDROCK_STOPS[said.finish], usage = BEDROCK_USAGE,
    metrics = { latencyMs = 400 } }
end

function bedrock.stream(said)
  local pieces, index = {}, -1
  local function frame(name, payload)
    payload.p = "abcdefgh" -- padding that Bedrock puts there
    pieces[#pieces + 1] = wires.aws_frame(name, payload)
  end
  local function block(start, deltas)
    index = index + 1
    if start then
      frame("contentBlockStart", { contentBlockIndex = index, start = start })
    end
    for _, delta in ipairs(deltas) do
      frame("contentBlockDelta", { contentBlockIndex = index, delta = delta })
    end
    frame("contentBlockStop", { contentBlockIndex = index })
  end
  frame("messageStart", { role = "assistant" })
  for _, one in ipairs(blocks_of(said)) do
    local deltas = {}
    for i, text in ipairs(one.reasoning or one.text or one.call.arguments) do
      deltas[i] = one.reasoning and { reasoningContent = { text = text } } or one.text and { text = text } or { toolUse = { input = text } }
    end
    if one.reasoning then
      deltas[#deltas + 1] = { reasoningContent = { signature = one.signature } }
    end
    block(one.call and { toolUse = { toolUseId = one.call.id, name = one.call.name } }, deltas)
  end
  frame("messageStop", { stopReason = BEDROCK_STOPS[said.finish] })
  local stop_at = #pieces
  frame("metadata", { usage = BEDROCK_USAGE, metrics = { latencyMs = 400 } })
  return streamed(pieces, stop_at, 0)
end

local function bedrock_refusal(status, class, message, kind)
  return { status = status, kind = kind, headers = { ["x-amzn-errortype"] = class .. ":http://internal.amazon.com/" },
    body = json.encode { message = message } }
end

bedrock.refusals = {
  bedrock_refusal(429, "ThrottlingException", "Too many requests, please wait before trying again.", "rate_limited"),
  bedrock_refusal(403, "UnrecognizedClientException", "The security token included in the request is invalid.", "auth"),
  bedrock_refusal(400, "ValidationException", "Input is too long for requested model.", "context_length"),
  bedrock_refusal(503, "ServiceUnavailableException", "The service is overloaded.", "overloaded"),
}
bedrock.breaks = wires.aws_frame("modelStreamErrorException", { message = "The model failed" }, "exception")

wires.names = { "openai", "anthropic", "gemini", "cohere", "ollama", "bedrock" }
return wires
