--- The cohere wire at the provider, for specs: see support/wires.lua.
-- SPDX-License-Identifier: MIT
local common = require "support.wires.common"

local cohere = { vendor = "cohere", model = "command-a-reasoning-08-2025" }

local COHERE_PARAMS = { max_tokens = "max_tokens", temperature = "temperature", p = "top_p", k = "top_k", stop_sequences = "stop", seed = "seed",
  presence_penalty = "presence_penalty", frequency_penalty = "frequency_penalty", logprobs = "logprobs" }
local COHERE_KNOWN = common.set("model", "messages", "tools", "tool_choice", "response_format", "stream", "thinking", "strict_tools", "documents",
  "safety_mode", "citation_options", "priority")
local COHERE_CHOICES = { REQUIRED = "required", NONE = "none" }

function cohere.read(body)
  local ask = common.new_ask()
  for _, message in ipairs(body.messages) do
    if message.role == "system" then
      ask.system[#ask.system + 1] = common.text_of(message.content)
    elseif message.role == "tool" then
      common.add(ask, { kind = "result", id = message.tool_call_id, text = common.text_of(message.content) })
    else
      for _, part in ipairs(type(message.content) == "table" and message.content or {}) do
        if part.type == "thinking" then
          common.add(ask, { kind = "reasoning", text = part.thinking })
        elseif part.type == "image_url" then
          common.add_image_url(ask, part.image_url.url)
        else
          common.add_text(ask, message.role, part.text)
        end
      end
      common.add_text(ask, message.role, type(message.content) == "string" and message.content or nil)
      common.add_text(ask, message.role, common.some(message.tool_plan))
      for _, call in common.each(message.tool_calls) do
        assert(type(call["function"].arguments) == "string")
        common.add_call(ask, call.id, call["function"].name, call["function"].arguments)
      end
    end
  end
  for _, tool in common.each(body.tools) do
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
  common.take_params(ask, body, COHERE_PARAMS, COHERE_KNOWN)
  return ask
end

cohere.usage = { input = 36, cache_read = 64, cache_write = -1, output = 12, reasoning = -1 }
local COHERE_USAGE = '{"billed_units":{"input_tokens":40.0,"output_tokens":12.0},"tokens":{"input_tokens":100.0,"output_tokens":12.0},"cached_tokens":64.0}'
local COHERE_STOPS = { stop = "COMPLETE", length = "MAX_TOKENS", tool_calls = "TOOL_CALL", content_filter = "ERROR_TOXIC" }

--- With calls the text is the plan.
function cohere.answer(said)
  said = common.flat_of(said)
  local content = {}
  if said.reasoning then
    content[#content + 1] = { type = "thinking", thinking = common.joined(said.reasoning) }
  end
  if said.text then
    content[#content + 1] = { type = "text", text = common.joined(said.text) }
  end
  local message = { role = "assistant", content = content }
  for i, call in ipairs(said.calls or {}) do
    message.tool_calls = message.tool_calls or {}
    message.tool_calls[i] = { id = call.id, type = "function", ["function"] = { name = call.name, arguments = common.joined(call.arguments) } }
  end
  local text = common.json.encode { id = "c-1", finish_reason = COHERE_STOPS[said.finish], message = message }
  return text:sub(1, -2):gsub('"content":{}', '"content":[]') .. ',"usage":' .. COHERE_USAGE .. "}"
end

function cohere.stream(said)
  said = common.flat_of(said)
  local pieces, index = {}, -1
  local function event(name, fields)
    fields.type = name
    pieces[#pieces + 1] = common.sse(fields, name)
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
  pieces[#pieces + 1] = common.sse(('{"type":"message-end","delta":{"finish_reason":"%s","usage":%s}}'):format(COHERE_STOPS[said.finish], COHERE_USAGE),
    "message-end")
  return common.streamed(pieces, #pieces, 2)
end

cohere.finishes = { "length", "content_filter" }
cohere.refusals = {
  { status = 429, headers = { ["retry-after"] = "7" }, kind = "rate_limited", body = [[{"id":"e","message":"You are using a Trial key, rate limit reached"}]] },
  { status = 401, kind = "auth", body = [[{"id":"e","message":"invalid api token"}]] },
  { status = 400, kind = "context_length", body = [[{"id":"e","message":"too many tokens: 12"}]] },
  { status = 503, kind = "overloaded", body = [[{"id":"e","message":"the model is overloaded"}]] },
}
cohere.breaks = common.sse({ type = "message-end", delta = { finish_reason = "ERROR", error = "internal" } }, "message-end")

return cohere
