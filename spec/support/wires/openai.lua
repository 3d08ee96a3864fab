--- The openai wire at the provider, for specs: see support/wires.lua.
-- SPDX-License-Identifier: MIT
local cjson = require "cjson"
local common = require "support.wires.common"

local openai = { vendor = "openai", model = "gpt-4o" }

local OPENAI_PARAMS = { max_tokens = "max_tokens", max_completion_tokens = "max_tokens", temperature = "temperature", top_p = "top_p", stop = "stop",
  seed = "seed", presence_penalty = "presence_penalty", frequency_penalty = "frequency_penalty", logit_bias = "logit_bias", logprobs = "logprobs",
  top_logprobs = "top_logprobs", n = "n", user = "user", metadata = "metadata", parallel_tool_calls = "parallel_tool_calls",
  service_tier = "service_tier", reasoning_effort = "reasoning_effort", verbosity = "verbosity", top_k = "top_k" }
local OPENAI_KNOWN = common.set("model", "messages", "tools", "tool_choice", "response_format", "stream", "stream_options")

local function read_openai_content(ask, role, content)
  if type(content) ~= "table" then
    return common.add_text(ask, role, common.some(content))
  end
  for _, part in ipairs(content) do
    if part.type == "text" then
      common.add_text(ask, role, part.text)
    elseif part.type == "image_url" then
      common.add_image_url(ask, part.image_url.url)
    else
      error("a part this provider does not know: " .. tostring(part.type))
    end
  end
end

function openai.read(body)
  local ask = common.new_ask()
  for _, message in ipairs(body.messages) do
    if message.role == "system" or message.role == "developer" then
      ask.system[#ask.system + 1] = common.text_of(message.content)
    elseif message.role == "tool" then
      common.add(ask, { kind = "result", id = message.tool_call_id, text = common.text_of(message.content) })
    else
      if common.some(message.reasoning_content) and message.reasoning_content ~= "" then
        common.add(ask, { kind = "reasoning", text = message.reasoning_content })
      end
      read_openai_content(ask, message.role, message.content)
      for _, call in common.each(message.tool_calls) do
        assert(call.type == "function" and type(call["function"].arguments) == "string")
        common.add_call(ask, call.id, call["function"].name, call["function"].arguments)
      end
    end
  end
  for _, tool in common.each(body.tools) do
    assert(tool.type == "function")
    local fn = tool["function"]
    ask.tools[#ask.tools + 1] = { name = fn.name, description = fn.description, schema = fn.parameters }
  end
  local choice = common.some(body.tool_choice)
  ask.choice = type(choice) == "table" and choice["function"].name or choice
  local format = common.some(body.response_format)
  if format and format.type == "json_schema" then
    ask.schema = format.json_schema.schema
  end
  ask.json = format and format.type == "json_object" or nil
  ask.model, ask.streams = body.model, body.stream == true
  ask.thinks = common.some(body.reasoning_effort) ~= nil and body.reasoning_effort ~= "none" or nil
  common.take_params(ask, body, OPENAI_PARAMS, OPENAI_KNOWN)
  return ask
end

openai.usage = { input = 36, cache_read = 64, cache_write = -1, output = 12, reasoning = 5 }
local OPENAI_USAGE = { prompt_tokens = 100, completion_tokens = 12, total_tokens = 112, prompt_tokens_details = { cached_tokens = 64 },
  completion_tokens_details = { reasoning_tokens = 5 } }

function openai.answer(said)
  said = common.flat_of(said)
  local message = { role = "assistant", content = said.text and common.joined(said.text) or cjson.null, refusal = cjson.null }
  message.reasoning_content = said.reasoning and common.joined(said.reasoning) or nil
  for i, call in ipairs(said.calls or {}) do
    message.tool_calls = message.tool_calls or {}
    message.tool_calls[i] = { id = call.id, type = "function", ["function"] = { name = call.name, arguments = common.joined(call.arguments) } }
  end
  return common.json.encode { id = "chatcmpl-1", object = "chat.completion", created = 1700000000, model = "gpt-4o-2024-08-06",
    choices = { { index = 0, message = message, logprobs = cjson.null, finish_reason = said.finish } }, usage = OPENAI_USAGE }
end

function openai.stream(said)
  said = common.flat_of(said)
  local pieces = {}
  local function chunk(delta, finish)
    pieces[#pieces + 1] = common.sse { id = "chatcmpl-1", object = "chat.completion.chunk", created = 1700000000, model = "gpt-4o-2024-08-06",
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
    .. '"choices":[],"usage":' .. common.json.encode(OPENAI_USAGE) .. "}\n\n"
  pieces[#pieces + 1] = "data: [DONE]\n\n"
  return common.streamed(pieces, finish_at, 2)
end

openai.finishes = { "length", "content_filter" }
openai.refusals = {
  { status = 429, headers = { ["retry-after"] = "7" }, kind = "rate_limited",
    body = [[{"error":{"message":"Rate limit reached","type":"requests","param":null,"code":"rate_limit_exceeded"}}]] },
  { status = 401, kind = "auth", body = [[{"error":{"message":"Incorrect API key","type":"invalid_request_error","param":null,"code":"invalid_api_key"}}]] },
  { status = 400, kind = "context_length",
    body = [[{"error":{"message":"This model's maximum context length is 10 tokens.","type":"invalid_request_error","param":"messages",]]
      .. [["code":"context_length_exceeded"}}]] },
  { status = 503, kind = "overloaded", body = [[{"error":{"message":"The model is overloaded.","type":"server_error","param":null,"code":null}}]] },
}
openai.breaks = common.sse { error = { message = "The server had an error", type = "server_error", param = cjson.null, code = cjson.null } }

return openai
