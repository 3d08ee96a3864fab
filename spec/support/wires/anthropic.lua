--- The anthropic wire at the provider, for specs: see support/wires.lua.
-- SPDX-License-Identifier: MIT
local cjson = require "cjson"
local common = require "support.wires.common"

local anthropic = { vendor = "anthropic", model = "claude-sonnet-4-5" }

local ANTHROPIC_PARAMS = { max_tokens = "max_tokens", temperature = "temperature", top_p = "top_p", top_k = "top_k", stop_sequences = "stop",
  service_tier = "service_tier" }
local ANTHROPIC_KNOWN = common.set("model", "messages", "system", "tools", "tool_choice", "stream", "thinking", "output_config", "metadata", "cache_control")
local CHOICES = { auto = "auto", any = "required", none = "none" }

local function read_anthropic_block(ask, role, block)
  if block.type == "text" then
    assert(block.text:find "%S", "a blank text block")
    common.add_text(ask, role, block.text)
  elseif block.type == "image" then
    local source = block.source
    common.add(ask, { kind = "image", role = role, media_type = source.media_type, data = source.data, url = source.url })
  elseif block.type == "thinking" then
    common.add(ask, { kind = "reasoning", text = block.thinking, signature = block.signature })
  elseif block.type == "redacted_thinking" then
    common.add(ask, { kind = "redacted", data = block.data })
  elseif block.type == "tool_use" then
    assert(type(block.input) == "table" and block.id:find "^[%w_-]+$")
    common.add_call(ask, block.id, block.name, block.input)
  elseif block.type == "tool_result" then
    common.add(ask, { kind = "result", id = block.tool_use_id, text = common.text_of(block.content), is_error = block.is_error or nil })
  else
    error("a block this provider does not know: " .. tostring(block.type))
  end
  if block.cache_control then
    ask.items[#ask.items].cached = block.cache_control
  end
end

function anthropic.read(body)
  local ask = common.new_ask()
  for _, block in ipairs(type(body.system) == "string" and { { type = "text", text = body.system } } or body.system or {}) do
    ask.system[#ask.system + 1] = block.text
    ask.system_cached = ask.system_cached or block.cache_control
  end
  local turn
  for _, message in ipairs(body.messages) do
    assert(message.role ~= turn, "two turns of one role")
    turn = message.role
    if type(message.content) == "string" then
      common.add_text(ask, turn, message.content)
    else
      for _, block in ipairs(message.content) do
        read_anthropic_block(ask, turn, block)
      end
    end
  end
  assert(body.messages[1].role == "user")
  for _, tool in common.each(body.tools) do
    assert(tool.input_schema.type == "object")
    ask.tools[#ask.tools + 1] = { name = tool.name, description = tool.description, schema = tool.input_schema, cached = tool.cache_control }
  end
  local choice = common.some(body.tool_choice)
  if choice then
    ask.choice = choice.type == "tool" and choice.name or CHOICES[choice.type]
    if choice.disable_parallel_tool_use then
      ask.params.parallel_tool_calls = false
    end
  end
  if ask.choice == common.JSON_TOOL then
    common.read_forced_tool(ask)
  end
  local config = body.output_config or {}
  ask.schema = config.format and config.format.schema or ask.schema
  ask.model, ask.streams = body.model, body.stream == true
  ask.thinks = body.thinking and body.thinking.type ~= "disabled" or nil
  ask.params.reasoning_effort = ask.thinks and "asked"
  ask.params.user = body.metadata and body.metadata.user_id
  assert(math.type(body.max_tokens) or body.max_tokens, "max_tokens is wanted")
  common.take_params(ask, body, ANTHROPIC_PARAMS, ANTHROPIC_KNOWN)
  return ask
end

anthropic.usage = { input = 28, cache_read = 64, cache_write = 8, output = 12, reasoning = -1 }
local ANTHROPIC_STOPS = { stop = "end_turn", length = "max_tokens", tool_calls = "tool_use", content_filter = "refusal" }

function anthropic.answer(said)
  local content = {}
  for i, block in ipairs(common.blocks_of(said)) do
    local call = block.call
    content[i] = block.reasoning and { type = "thinking", thinking = common.joined(block.reasoning), signature = block.signature }
      or block.text and { type = "text", text = common.joined(block.text) }
      or { type = "tool_use", id = call.id, name = call.name, input = common.json.decode(common.joined(call.arguments)) }
  end
  return common.json.encode { id = "msg_1", type = "message", role = "assistant", model = "claude-sonnet-4-5-20250929", content = content,
    stop_reason = ANTHROPIC_STOPS[said.finish], stop_sequence = cjson.null,
    usage = { input_tokens = 28, cache_read_input_tokens = 64, cache_creation_input_tokens = 8, output_tokens = 12 } }
end

function anthropic.stream(said)
  local pieces, index = {}, -1
  local function event(name, fields)
    fields.type = name
    pieces[#pieces + 1] = common.sse(fields, name)
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
  pieces[1] = common.sse([[{"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"claude-sonnet-4-5-20250929",]]
    .. [["content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":28,"cache_read_input_tokens":64,]]
    .. [["cache_creation_input_tokens":8,"output_tokens":1}}}]],
    "message_start")
  event("ping", {})
  for _, one in ipairs(common.blocks_of(said)) do
    if one.reasoning then
      local list = deltas("thinking_delta", "thinking", one.reasoning)
      list[#list + 1] = { type = "signature_delta", signature = one.signature }
      block({ type = "thinking", thinking = "", signature = "" }, list)
    elseif one.text then
      block({ type = "text", text = "" }, deltas("text_delta", "text", one.text))
    else
      block({ type = "tool_use", id = one.call.id, name = one.call.name, input = {} },
        deltas("input_json_delta", "partial_json", one.call.arguments))
    end
  end
  event("message_delta", { delta = { stop_reason = ANTHROPIC_STOPS[said.finish], stop_sequence = cjson.null }, usage = { output_tokens = 12 } })
  event("message_stop", {})
  return common.streamed(pieces, #pieces, 2)
end

local function anthropic_error(kind, message)
  return common.json.encode { type = "error", error = { type = kind, message = message }, request_id = "req_1" }
end

anthropic.finishes = { "length", "content_filter" }
anthropic.refusals = {
  { status = 429, headers = { ["retry-after"] = "7" }, kind = "rate_limited", body = anthropic_error("rate_limit_error", "Too many requests") },
  { status = 401, kind = "auth", body = anthropic_error("authentication_error", "invalid x-api-key") },
  { status = 400, kind = "context_length", body = anthropic_error("invalid_request_error", "prompt is too long: 12 tokens > 10 maximum") },
  { status = 529, kind = "overloaded", body = anthropic_error("overloaded_error", "Overloaded") },
}
anthropic.breaks = common.sse(anthropic_error("overloaded_error", "Overloaded"), "error")

return anthropic
