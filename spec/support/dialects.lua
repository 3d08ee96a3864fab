--- The client's side of every dialect, for specs: requests written in it, and answers read as its SDKs read them. Written from the documents of
-- the APIs, not from the adapters.
--
--     local one = dialects.anthropic
--     one.request(ask) -> body                          `ask` in neutral words (spec/providers/matrix_cases.lua)
--     one.read(body) -> said                            a whole answer: { text, reasoning, signature, calls, finish, usage, message }
--     one.hear(bytes) -> said                           a stream: the same, and { ended, error }
--     one.refusal(body) -> { kind_of_error, message }   an error body; raises when the shape is not the dialect's
--     one.reply(ask, said, results)                     appends an answer and the results of its calls to the conversation, as clients do
--     one.says                                          what requests of it can say
--     one.params                                        OpenAI's parameters that it has -> their names in it; openai has them all
--
-- usage is { prompt, completion, cached, written, reasoning }: prompt includes what was cached.
-- SPDX-License-Identifier: MIT
local cjson = require "cjson"
local stream = require "support.stream"

local json = cjson.new()
json.decode_max_depth(200)

local dialects = {}

local function some(value)
  if value ~= cjson.null then
    return value
  end
end

local function set(...)
  local map = {}
  for _, name in ipairs { ... } do
    map[name] = true
  end
  return map
end

local function data_url(image)
  return image.url or ("data:%s;base64,%s"):format(image.media_type, image.data)
end

local function copy_params(body, ask, names)
  for name, value in pairs(ask.params or {}) do
    if names == nil then
      body[name] = value
    elseif names[name] then
      body[names[name]] = value
    end
  end
end

-- ------------------------------------------------------------------ openai

local openai = { says = set("text", "tools", "image", "schema", "thinking") }
dialects.openai = openai

local function openai_content(parts)
  if #parts == 1 and parts[1].text then
    return parts[1].text
  end
  local list = {}
  for i, part in ipairs(parts) do
    list[i] = part.text and { type = "text", text = part.text, cache_control = part.cached }
      or { type = "image_url", image_url = { url = data_url(part.image) } }
  end
  return list
end

local function openai_turn(turn)
  local message = { role = "assistant", content = cjson.null }
  for _, part in ipairs(turn.parts) do
    if part.call then
      message.tool_calls = message.tool_calls or {}
      table.insert(message.tool_calls, { id = part.call.id, type = "function",
        ["function"] = { name = part.call.name, arguments = part.call.arguments } })
    else
      message.content = part.text
    end
  end
  return message
end

local function openai_messages(ask)
  local list = {}
  if ask.system then
    list[1] = { role = "system", content = ask.system_cached and { { type = "text", text = ask.system, cache_control = ask.system_cached } } or ask.system }
  end
  for _, turn in ipairs(ask.turns) do
    if turn.raw then
      list[#list + 1] = turn.raw
    elseif turn.results then
      for _, result in ipairs(turn.results) do
        list[#list + 1] = { role = "tool", tool_call_id = result.id, content = result.text }
      end
    elseif turn.role == "user" then
      list[#list + 1] = { role = "user", content = openai_content(turn.parts) }
    else
      list[#list + 1] = openai_turn(turn)
    end
  end
  return list
end

local function openai_tools(body, ask)
  for i, tool in ipairs(ask.tools or {}) do
    body.tools = body.tools or {}
    body.tools[i] = { type = "function", cache_control = tool.cached,
      ["function"] = { name = tool.name, description = tool.description, parameters = tool.schema } }
  end
  if ask.named then
    body.tool_choice = { type = "function", ["function"] = { name = ask.named } }
  else
    body.tool_choice = ask.choice
  end
end

function openai.request(ask)
  local body = { model = "asked", messages = openai_messages(ask), stream = ask.stream or nil, reasoning_effort = ask.effort }
  body.stream_options = ask.stream and { include_usage = true } or nil
  openai_tools(body, ask)
  if ask.schema then
    body.response_format = { type = "json_schema", json_schema = { name = "order", strict = true, schema = ask.schema } }
  elseif ask.json then
    body.response_format = { type = "json_object" }
  end
  copy_params(body, ask)
  return json.encode(body)
end

local function openai_usage(usage)
  local prompt, completion = some(usage.prompt_tokens_details) or {}, some(usage.completion_tokens_details) or {}
  assert(usage.total_tokens == usage.prompt_tokens + usage.completion_tokens, "the sum of tokens")
  return { prompt = usage.prompt_tokens, completion = usage.completion_tokens, cached = some(prompt.cached_tokens) or 0,
    written = some(prompt.cache_write_tokens) or 0, reasoning = some(completion.reasoning_tokens) or 0 }
end

local function openai_calls(message)
  local calls = {}
  for i, call in ipairs(some(message.tool_calls) or {}) do
    assert(call.type == "function")
    calls[i] = { id = call.id, name = call["function"].name, arguments = call["function"].arguments }
  end
  return calls
end

function openai.read(body)
  local answer = json.decode(body)
  assert(answer.object == "chat.completion" and #answer.choices == 1)
  local message = answer.choices[1].message
  assert(message.role == "assistant")
  local block = (some(message.thinking_blocks) or {})[1]
  return { text = some(message.content) or "", reasoning = some(message.reasoning_content) or "", signature = block and block.signature,
    calls = openai_calls(message), finish = answer.choices[1].finish_reason, usage = answer.usage and openai_usage(answer.usage), message = message }
end

--- Gathers as openai-python does: pieces by index.
local function openai_gather(into, delta)
  into.text = into.text .. (some(delta.content) or "")
  into.reasoning = into.reasoning .. (some(delta.reasoning_content) or "")
  for _, block in ipairs(some(delta.thinking_blocks) or {}) do
    into.signature = into.signature or block.signature
    into.blocks[#into.blocks + 1] = block
  end
  for _, call in ipairs(some(delta.tool_calls) or {}) do
    local one = into.calls[call.index + 1]
    if not one then
      assert(call.index == #into.calls, "calls are numbered in order")
      one = { id = call.id, name = call["function"].name, arguments = "", extra_content = call.extra_content }
      into.calls[call.index + 1] = one
    end
    one.arguments = one.arguments .. (some(call["function"].arguments) or "")
  end
end

--- The message that a client which gathered a stream gives back.
local function openai_message(said)
  local message = { role = "assistant", content = said.text ~= "" and said.text or cjson.null }
  message.reasoning_content = said.reasoning ~= "" and said.reasoning or nil
  message.thinking_blocks = said.blocks[1] and said.blocks
  for i, call in ipairs(said.calls) do
    message.tool_calls = message.tool_calls or {}
    message.tool_calls[i] = { id = call.id, type = "function", extra_content = call.extra_content,
      ["function"] = { name = call.name, arguments = call.arguments } }
  end
  return message
end

function openai.hear(bytes)
  local said = { text = "", reasoning = "", calls = {}, blocks = {} }
  for i, event in ipairs(stream.events(bytes)) do
    local chunk = event.data
    assert(not said.ended and not said.error, "nothing follows the end")
    if chunk == "[DONE]" then
      said.ended = true
    elseif some(chunk.error) then
      said.error = chunk.error
    else
      assert(chunk.object == "chat.completion.chunk")
      for _, choice in ipairs(chunk.choices) do
        assert(i > 1 or choice.delta.role == "assistant")
        openai_gather(said, choice.delta)
        said.finish = some(choice.finish_reason) or said.finish
      end
      said.usage = some(chunk.usage) and openai_usage(chunk.usage) or said.usage
    end
  end
  said.message = openai_message(said)
  return said
end

function openai.refusal(body)
  local failure = json.decode(body).error
  assert(type(failure.message) == "string" and failure.type and failure.param ~= nil and failure.code ~= nil, "four members, always")
  return failure
end

function openai.reply(ask, said, results)
  ask.turns[#ask.turns + 1] = { raw = said.message }
  ask.turns[#ask.turns + 1] = { results = results }
end

-- ------------------------------------------------------------------ anthropic

local anthropic = { says = set("text", "tools", "image", "schema", "thinking") }
dialects.anthropic = anthropic

local function anthropic_blocks(turn)
  local blocks = {}
  for _, result in ipairs(turn.results or {}) do
    blocks[#blocks + 1] = { type = "tool_result", tool_use_id = result.id, content = result.text }
  end
  for _, part in ipairs(turn.parts or {}) do
    local image, call = part.image, part.call
    blocks[#blocks + 1] = part.text and { type = "text", text = part.text, cache_control = part.cached }
      or image and { type = "image", source = image.url and { type = "url", url = image.url }
        or { type = "base64", media_type = image.media_type, data = image.data } }
      or call and { type = "tool_use", id = call.id, name = call.name, input = json.decode(call.arguments) }
  end
  return blocks
end

local ANTHROPIC_CHOICES = { auto = "auto", required = "any", none = "none" }
local ANTHROPIC_PARAMS = { max_tokens = "max_tokens", temperature = "temperature", top_p = "top_p", top_k = "top_k", stop = "stop_sequences" }
local BUDGETS = { low = 2048, medium = 8192, high = 16384 }

function anthropic.request(ask)
  local body = { model = "asked", max_tokens = 4000, messages = {}, stream = ask.stream or nil }
  body.system = ask.system and (ask.system_cached and { { type = "text", text = ask.system, cache_control = ask.system_cached } } or ask.system)
  for _, turn in ipairs(ask.turns) do
    local plain = turn.parts and #turn.parts == 1 and not turn.parts[1].cached and turn.parts[1].text
    local message = turn.raw or { role = turn.role, content = plain or anthropic_blocks(turn) }
    local last = body.messages[#body.messages]
    if last and last.role == message.role then -- what a user says behind results stands in one message with them
      local blocks = anthropic_blocks(turn)
      table.move(blocks, 1, #blocks, #last.content + 1, last.content)
    else
      body.messages[#body.messages + 1] = message
    end
  end
  for i, tool in ipairs(ask.tools or {}) do
    body.tools = body.tools or {}
    body.tools[i] = { name = tool.name, description = tool.description, input_schema = tool.schema, cache_control = tool.cached }
  end
  if ask.named then
    body.tool_choice = { type = "tool", name = ask.named }
  elseif ask.choice then
    body.tool_choice = { type = ANTHROPIC_CHOICES[ask.choice] }
  end
  if ask.schema then
    body.output_config = { format = { type = "json_schema", schema = ask.schema } }
  end
  body.thinking = ask.effort and { type = "enabled", budget_tokens = BUDGETS[ask.effort] } or nil
  copy_params(body, ask, ANTHROPIC_PARAMS)
  if ask.params and ask.params.parallel_tool_calls == false then
    body.tool_choice = body.tool_choice or { type = "auto" }
    body.tool_choice.disable_parallel_tool_use = true
  end
  if ask.params and ask.params.user then
    body.metadata = { user_id = ask.params.user }
  end
  return json.encode(body)
end

local ANTHROPIC_STOPS = { end_turn = "stop", stop_sequence = "stop", max_tokens = "length", tool_use = "tool_calls", refusal = "content_filter" }

local function anthropic_usage(usage)
  local read, written = some(usage.cache_read_input_tokens) or 0, some(usage.cache_creation_input_tokens) or 0
  return { prompt = usage.input_tokens + read + written, completion = usage.output_tokens, cached = read, written = written, reasoning = 0 }
end

local function anthropic_content(said, content)
  for _, block in ipairs(content) do
    if block.type == "text" then
      said.text = said.text .. block.text
    elseif block.type == "thinking" then
      said.reasoning = said.reasoning .. block.thinking
      said.signature = said.signature or (block.signature ~= "" and block.signature or nil)
    elseif block.type == "tool_use" then
      assert(type(block.input) == "table")
      said.calls[#said.calls + 1] = { id = block.id, name = block.name, arguments = json.encode(block.input) }
    end
  end
end

function anthropic.read(body)
  local answer = json.decode(body)
  assert(answer.type == "message" and answer.role == "assistant")
  local said = { text = "", reasoning = "", calls = {}, finish = ANTHROPIC_STOPS[answer.stop_reason], usage = anthropic_usage(answer.usage),
    message = { role = "assistant", content = answer.content } }
  anthropic_content(said, answer.content)
  return said
end

local HEARD = { text_delta = "text", thinking_delta = "thinking", signature_delta = "signature" }

--- As anthropic-python's accumulator: blocks by index, one after the other.
local function anthropic_event(state, name, data)
  assert(data.type == name and not state.ended and not state.error)
  if name == "message_start" then
    state.message = data.message
    state.usage = data.message.usage
  elseif name == "content_block_start" then
    assert(not state.open and data.index == #state.content, "blocks one after the other")
    state.open = data.content_block
    state.content[#state.content + 1] = state.open
    state.partial = ""
  elseif name == "content_block_delta" then
    assert(data.index == #state.content - 1 and state.open)
    if data.delta.type == "input_json_delta" then
      state.partial = state.partial .. data.delta.partial_json
    else
      local field = assert(HEARD[data.delta.type])
      state.open[field] = assert(state.open[field]) .. data.delta[field]
    end
  elseif name == "content_block_stop" then
    if state.open.type == "tool_use" then
      state.open.input = state.partial ~= "" and json.decode(state.partial) or state.open.input
    end
    state.open = nil
  elseif name == "message_delta" then
    state.stop_reason = data.delta.stop_reason
    for field, count in pairs(data.usage) do
      state.usage[field] = some(count) or state.usage[field]
    end
  elseif name == "message_stop" then
    assert(not state.open)
    state.ended = true
  elseif name == "error" then
    state.error = data.error
  else
    assert(name == "ping", name)
  end
end

function anthropic.hear(bytes)
  local state = { content = {} }
  for _, event in ipairs(stream.events(bytes)) do
    anthropic_event(state, event.event, event.data)
  end
  local said = { text = "", reasoning = "", calls = {}, ended = state.ended, error = state.error, finish = ANTHROPIC_STOPS[state.stop_reason] }
  if state.ended then
    said.usage = anthropic_usage(state.usage)
    said.message = { role = "assistant", content = state.content }
  end
  anthropic_content(said, state.content)
  return said
end

function anthropic.refusal(body)
  local answer = json.decode(body)
  assert(answer.type == "error" and type(answer.error.message) == "string" and type(answer.error.type) == "string")
  return answer.error
end

function anthropic.reply(ask, said, results)
  ask.turns[#ask.turns + 1] = { raw = said.message }
  ask.turns[#ask.turns + 1] = #results > 0 and { results = results, role = "user" } or nil
end

-- ------------------------------------------------------------------ responses

local responses = { says = set("text", "tools", "image", "schema", "thinking") }
dialects.responses = responses

local function response_items(ask)
  local items = {}
  for _, turn in ipairs(ask.turns) do
    for _, item in ipairs(turn.raw_items or {}) do
      items[#items + 1] = item
    end
    for _, result in ipairs(turn.results or {}) do
      items[#items + 1] = { type = "function_call_output", call_id = result.id, output = result.text }
    end
    local content = {}
    for _, part in ipairs(turn.parts or {}) do
      if part.call then
        items[#items + 1] = { type = "function_call", call_id = part.call.id, name = part.call.name, arguments = part.call.arguments }
      elseif turn.role == "assistant" then
        items[#items + 1] = { type = "message", role = "assistant", content = { { type = "output_text", text = part.text } } }
      else
        content[#content + 1] = part.text and { type = "input_text", text = part.text } or { type = "input_image", image_url = data_url(part.image) }
      end
    end
    if #content > 0 then
      items[#items + 1] = { type = "message", role = "user", content = content }
    end
  end
  return items
end

local RESPONSES_PARAMS = { max_tokens = "max_output_tokens", temperature = "temperature", top_p = "top_p", user = "user", metadata = "metadata",
  parallel_tool_calls = "parallel_tool_calls", service_tier = "service_tier" }

anthropic.params = { max_tokens = "max_tokens", temperature = "temperature", top_p = "top_p", top_k = "top_k", stop = "stop_sequences",
  parallel_tool_calls = "tool_choice", user = "metadata" }
responses.params = RESPONSES_PARAMS

function responses.request(ask)
  local body = { model = "asked", instructions = ask.system, input = response_items(ask), stream = ask.stream or nil, store = false }
  for i, tool in ipairs(ask.tools or {}) do
    body.tools = body.tools or {}
    body.tools[i] = { type = "function", name = tool.name, description = tool.description, parameters = tool.schema, strict = false }
  end
  body.tool_choice = ask.named and { type = "function", name = ask.named } or ask.choice
  if ask.schema then
    body.text = { format = { type = "json_schema", name = "order", schema = ask.schema, strict = true } }
  elseif ask.json then
    body.text = { format = { type = "json_object" } }
  end
  body.reasoning = ask.effort and { effort = ask.effort, summary = "auto" } or nil
  copy_params(body, ask, RESPONSES_PARAMS)
  return json.encode(body)
end

local function responses_usage(usage)
  assert(usage.total_tokens == usage.input_tokens + usage.output_tokens, "the sum of tokens")
  return { prompt = usage.input_tokens, completion = usage.output_tokens, cached = usage.input_tokens_details.cached_tokens,
    written = some(usage.input_tokens_details.cache_write_tokens) or 0, reasoning = usage.output_tokens_details.reasoning_tokens }
end

local REASONS = { max_output_tokens = "length", content_filter = "content_filter" }

local function read_response(answer)
  local said = { text = "", reasoning = "", calls = {}, items = answer.output, usage = some(answer.usage) and responses_usage(answer.usage) }
  assert(answer.object == "response")
  for _, item in ipairs(answer.output) do
    if item.type == "message" then
      for _, part in ipairs(item.content) do
        said.text = said.text .. (part.text or part.refusal)
      end
    elseif item.type == "reasoning" then
      for _, part in ipairs(item.summary) do
        said.reasoning = said.reasoning .. part.text
      end
      said.signature = some(item.encrypted_content)
    else
      assert(item.type == "function_call")
      said.calls[#said.calls + 1] = { id = item.call_id, name = item.name, arguments = item.arguments, item_id = item.id }
    end
  end
  local why = some(answer.incomplete_details)
  said.finish = why and REASONS[why.reason] or #said.calls > 0 and "tool_calls" or "stop"
  assert((answer.status == "incomplete") == (why ~= nil))
  return said
end

function responses.read(body)
  local answer = json.decode(body)
  assert(answer.status == "completed" or answer.status == "incomplete")
  return read_response(answer)
end

--- Pieces are gathered as they come, and must be what the last event says.
function responses.hear(bytes)
  local text, reasoning, said, arguments, open = "", "", nil, {}, {}
  local failed, partial = nil, nil
  for i, event in ipairs(stream.events(bytes)) do
    local data = event.data
    assert(data.type == event.event and data.sequence_number == i - 1, "numbered from 0 without gaps")
    assert(not said and not failed, "nothing follows the end")
    if event.event == "response.output_text.delta" then
      text = text .. data.delta
    elseif event.event == "response.function_call_arguments.delta" then
      assert(open[data.output_index] == data.item_id, "a piece of an item that is open") -- calls may grow by turns
      arguments[data.item_id] = arguments[data.item_id] .. data.delta
    elseif event.event == "response.output_item.added" then
      open[data.output_index], arguments[data.item.id] = data.item.id, ""
    elseif event.event == "response.output_item.done" then
      assert(open[data.output_index] == data.item.id)
      open[data.output_index] = nil
    elseif event.event == "response.reasoning_summary_text.delta" then
      reasoning = reasoning .. data.delta
    elseif event.event == "response.completed" or event.event == "response.incomplete" then
      said = read_response(data.response)
    elseif event.event == "response.failed" then
      failed, partial = data.response.error, data.response
    elseif event.event == "error" then
      failed = data
    end
  end
  if failed or not said then
    return { text = text, reasoning = reasoning, calls = {}, error = failed, partial = partial }
  end
  for _, call in ipairs(said.calls) do
    assert(call.arguments == arguments[call.item_id], "the pieces are the whole")
  end
  assert(said.text == text and said.reasoning == reasoning and not next(open), "the pieces are the whole")
  said.ended = true
  return said
end

responses.refusal = openai.refusal

function responses.reply(ask, said, results)
  ask.turns[#ask.turns + 1] = { raw_items = said.items }
  ask.turns[#ask.turns + 1] = { results = results }
end

-- ------------------------------------------------------------------ completions

local completions = { says = set("text") }
dialects.completions = completions

function completions.request(ask)
  local body = { model = "asked", prompt = ask.turns[1].parts[1].text, stream = ask.stream or nil }
  body.stream_options = ask.stream and { include_usage = true } or nil
  openai_tools(body, ask) -- which no completion can say
  copy_params(body, ask)
  return json.encode(body)
end

function completions.read(body)
  local answer = json.decode(body)
  assert(answer.object == "text_completion" and #answer.choices == 1)
  return { text = answer.choices[1].text, reasoning = "", calls = {}, finish = answer.choices[1].finish_reason, usage = openai_usage(answer.usage) }
end

function completions.hear(bytes)
  local said = { text = "", reasoning = "", calls = {} }
  for _, event in ipairs(stream.events(bytes)) do
    local chunk = event.data
    assert(not said.ended and not said.error, "nothing follows the end")
    if chunk == "[DONE]" then
      said.ended = true
    elseif some(chunk.error) then
      said.error = chunk.error
    else
      assert(chunk.object == "text_completion")
      for _, choice in ipairs(chunk.choices) do
        said.text = said.text .. choice.text
        said.finish = some(choice.finish_reason) or said.finish
      end
      said.usage = some(chunk.usage) and openai_usage(chunk.usage) or said.usage
    end
  end
  return said
end

completions.refusal = openai.refusal

-- ------------------------------------------------------------------ simple

local simple = { says = set("text", "image", "schema", "thinking"), no_finish = true, no_streamed_usage = true }
dialects.simple = simple

simple.request = openai.request

function simple.read(body)
  local answer = json.decode(body)
  assert(answer.model and answer.provider and answer.request_id and answer.cached == false)
  return { text = answer.content, reasoning = "", calls = {}, usage = openai_usage(answer.usage) }
end

function simple.hear(bytes)
  local said = { text = "", reasoning = "", calls = {} }
  for _, event in ipairs(stream.events(bytes)) do
    assert(not said.ended and not said.error, "nothing follows the end")
    if event.data == "[DONE]" then
      said.ended = true
    elseif event.data.error then
      said.error = event.data.error
    else
      said.text = said.text .. event.data.content
    end
  end
  return said
end

simple.refusal = openai.refusal

dialects.names = { "openai", "anthropic", "responses", "completions", "simple" }
return dialects
