--- The ollama wire at the provider, for specs: see support/wires.lua.
-- SPDX-License-Identifier: MIT
local common = require "support.wires.common"

local ollama = { vendor = "ollama", model = "qwen3:8b" }

local OLLAMA_PARAMS = { num_predict = "max_tokens", temperature = "temperature", top_p = "top_p", top_k = "top_k", stop = "stop", seed = "seed",
  presence_penalty = "presence_penalty", frequency_penalty = "frequency_penalty", num_ctx = "num_ctx", min_p = "min_p" }
local OLLAMA_KNOWN = common.set("model", "messages", "tools", "format", "stream", "think", "options", "keep_alive", "truncate")

function ollama.read(body)
  local ask = common.new_ask()
  for _, message in ipairs(body.messages) do
    assert(type(message.content) == "string", "content is one string")
    if message.role == "system" then
      ask.system[#ask.system + 1] = message.content
    elseif message.role == "tool" then
      common.add(ask, { kind = "result", id = message.tool_call_id, name = message.tool_name, text = message.content })
    else
      if message.thinking then
        common.add(ask, { kind = "reasoning", text = message.thinking })
      end
      common.add_text(ask, message.role, message.content)
      for _, image in common.each(message.images) do
        assert(not image:find "^data:" and not image:find "^http", "images are bare base64")
        common.add(ask, { kind = "image", role = message.role, data = image })
      end
      for _, call in common.each(message.tool_calls) do
        assert(type(call["function"].arguments) == "table")
        common.add_call(ask, call.id, call["function"].name, call["function"].arguments)
      end
    end
  end
  for _, tool in common.each(body.tools) do
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
  common.take_params(ask, body.options or {}, OLLAMA_PARAMS, {})
  common.take_params(ask, body, { logprobs = "logprobs", top_logprobs = "top_logprobs" }, OLLAMA_KNOWN)
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
  return common.json.encode(line) .. "\n"
end

local function ollama_calls(said)
  local calls
  for i, call in ipairs(said.calls or {}) do
    calls = calls or {}
    calls[i] = { id = call.id, ["function"] = { index = i - 1, name = call.name, arguments = common.json.decode(common.joined(call.arguments)) } }
  end
  return calls
end

local OLLAMA_STOPS = { stop = "stop", tool_calls = "stop", length = "length" }

function ollama.answer(said)
  said = common.flat_of(said)
  return ollama_line({ content = common.joined(said.text), thinking = said.reasoning and common.joined(said.reasoning), tool_calls = ollama_calls(said) },
    OLLAMA_STOPS[said.finish])
end

function ollama.stream(said)
  said = common.flat_of(said)
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
  return common.streamed(pieces, #pieces, 1)
end

ollama.finishes = { "length" }
ollama.refusals = {
  { status = 429, headers = { ["retry-after"] = "7" }, kind = "rate_limited", body = [[{"error":"rate limit exceeded"}]] },
  { status = 401, kind = "auth", body = [[{"error":"unauthorized","signin_url":"https://ollama.com/connect"}]] },
  { status = 400, kind = "context_length", body = [[{"error":"the prompt exceeds the available context size"}]] },
  { status = 503, kind = "overloaded", body = [[{"error":"server busy, please try again.  maximum pending requests exceeded"}]] },
}
ollama.breaks = '{"error":"an error was encountered while running the model: CUDA error"}\n'

return ollama
