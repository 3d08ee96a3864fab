-- An adapter for an in-house server: POST /generate with shapes of its own, and /generate/stream with events of its own.
--
--     -> { model, system, turns = { { speaker = "human" | "model" | "tool", text, images, calls, ref } }, functions, pick, sampling }
--     <- { ref, model, output = { text, thinking, calls = { { ref, fn, args } } }, ended = "eos", tokens = { prompt, cached, completion } }
--     <- event: piece { text } | { thinking }; event: call { ref, fn, args }; event: end { ended, tokens }; event: fault { reason, detail }
--
-- How such a file is written: README.md beside it.

local json = require "gateway.json"

local SPEAKERS = { user = "human", assistant = "model", tool = "tool" }
local FINISHES = { eos = "stop", stop_word = "stop", budget = "length", calls = "tool_calls", filtered = "content_filter" }
local SAMPLING = {
  temperature = "temperature", top_p = "top_p", top_k = "top_k", max_tokens = "max_new_tokens", stop = "stop", seed = "seed",
}
local REASONS = {
  busy = "overloaded", slow_down = "rate_limited", too_long = "context_length", bad_key = "auth", no_such_model = "model_not_found",
  filtered = "content_filter",
}
-- What the server has no word for: named to the client, never lost in silence.
local UNKNOWN = { "n", "logprobs", "top_logprobs", "logit_bias", "presence_penalty", "frequency_penalty", "response_format",
  "parallel_tool_calls", "reasoning_effort" }

-- ---------------------------------------------------------------- the request

local function add_content(turn, content)
  if type(content) ~= "table" then
    turn.text = content
    return
  end
  local texts, images = {}, {}
  for _, part in ipairs(content) do
    if part.type == "text" then
      texts[#texts + 1] = part.text
    elseif part.type == "image_url" then
      images[#images + 1] = part.image_url.url
    else
      error("the server takes text and images, not " .. part.type)
    end
  end
  turn.text = table.concat(texts)
  turn.images = #images > 0 and images or nil
end

local function turn_of(message)
  local turn = { speaker = SPEAKERS[message.role], ref = message.tool_call_id }
  add_content(turn, message.content)
  for i, call in ipairs(message.tool_calls or {}) do
    turn.calls = turn.calls or {}
    turn.calls[i] = { ref = call.id, fn = call["function"].name, args = json.decode(call["function"].arguments) or {} }
  end
  return turn
end

local function functions_of(tools)
  local list = {}
  for i, tool in ipairs(tools) do
    local described = tool["function"]
    list[i] = { fn = described.name, doc = described.description, args_schema = described.parameters }
  end
  return list
end

-- "auto", "none" and "required" mean the same here and there.
local function pick_of(choice)
  return type(choice) == "table" and choice["function"].name or choice
end

local function encode(request, target)
  local body = { model = target.model, turns = json.array {}, sampling = {}, pick = pick_of(request.tool_choice) }
  local systems, dropped = {}, {}
  for _, message in ipairs(request.messages) do
    local turn = turn_of(message)
    if message.role == "system" then
      systems[#systems + 1] = turn.text
    else
      body.turns[#body.turns + 1] = turn
    end
  end
  body.system = #systems > 0 and table.concat(systems, "\n\n") or nil
  body.functions = request.tools and functions_of(request.tools)
  for ours, theirs in pairs(SAMPLING) do
    body.sampling[theirs] = request[ours]
  end
  for _, name in ipairs(UNKNOWN) do
    if request[name] ~= nil then
      dropped[#dropped + 1] = name
    end
  end
  return body, dropped
end

-- ---------------------------------------------------------------- the answer

local function call_of(call, index)
  return { index = index, id = call.ref, type = "function", ["function"] = { name = call.fn, arguments = json.encode(call.args or {}) } }
end

local function usage_of(tokens)
  return tokens and {
    prompt_tokens = tokens.prompt, completion_tokens = tokens.completion, prompt_tokens_details = { cached_tokens = tokens.cached },
  }
end

-- An unknown finish reason does not make an answer complete.
local function finish_of(ended)
  return FINISHES[ended] or error("the server ended with " .. tostring(ended))
end

local function decode(answer)
  local message = { role = "assistant", content = answer.output.text, reasoning_content = answer.output.thinking }
  for i, call in ipairs(answer.output.calls or {}) do
    message.tool_calls = message.tool_calls or {}
    message.tool_calls[i] = call_of(call, i - 1)
  end
  return {
    id = answer.ref, model = answer.model, usage = usage_of(answer.tokens),
    choices = { { index = 0, message = message, finish_reason = finish_of(answer.ended) } },
  }
end

-- ---------------------------------------------------------------- the stream

local function delta(fields)
  return { choices = { { index = 0, delta = fields } } }
end

local events = {}

function events.piece(event)
  return delta { content = event.text, reasoning_content = event.thinking }
end

-- Calls come whole, one an event; an id of its own is all that a further one needs.
function events.call(event)
  return delta { tool_calls = { call_of(event) } }
end

events["end"] = function(event)
  return { { choices = { { index = 0, delta = {}, finish_reason = finish_of(event.ended) } }, usage = usage_of(event.tokens) }, "[DONE]" }
end

function events.fault(event)
  return { error = { message = event.detail, type = event.reason == "busy" and "overloaded_error" or event.reason } }
end

local function decode_event(event)
  local read = events[event.name] -- the server may learn events that we do not know
  return read and read(event.json)
end

-- ---------------------------------------------------------------- errors

local function failure(_, _, body)
  local kind = type(body) == "table" and REASONS[body.reason]
  return kind and { kind = kind, message = body.detail } or nil
end

return {
  path = { chat = "/generate", stream = "/generate/stream" },
  stream = "sse",
  auth = "X-House-Key",
  encode = encode,
  decode = decode,
  decode_event = decode_event,
  failure = failure,
}
