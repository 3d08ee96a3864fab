--- The gemini wire at the provider, for specs: see support/wires.lua.
-- SPDX-License-Identifier: MIT
local common = require "support.wires.common"

local gemini = { vendor = "gemini", model = "gemini-2.5-flash" }

local GEMINI_PARAMS = { maxOutputTokens = "max_tokens", temperature = "temperature", topP = "top_p", topK = "top_k", stopSequences = "stop", seed = "seed",
  presencePenalty = "presence_penalty", frequencyPenalty = "frequency_penalty", candidateCount = "n", responseLogprobs = "logprobs",
  logprobs = "top_logprobs" }
local GEMINI_CONFIG = common.set("responseMimeType", "responseJsonSchema", "responseSchema", "thinkingConfig", "responseModalities")
local GEMINI_KNOWN = common.set("contents", "systemInstruction", "tools", "toolConfig", "generationConfig", "safetySettings", "serviceTier", "labels")
local MODES = { AUTO = "auto", ANY = "required", NONE = "none", VALIDATED = "auto" }

local function read_gemini_part(ask, role, part)
  if part.functionCall then
    local call = part.functionCall
    common.add_call(ask, call.id, call.name, call.args or {}, part.thoughtSignature)
  elseif part.functionResponse then
    local response = part.functionResponse.response
    local text = response.result or response.output or response.error
    assert(part.functionResponse.name, "a result wants the function's name")
    common.add(ask, { kind = "result", id = part.functionResponse.id, name = part.functionResponse.name,
      text = type(text) == "string" and text or common.json.encode(response) })
  elseif part.inlineData then
    common.add(ask, { kind = "image", role = role, media_type = part.inlineData.mimeType, data = part.inlineData.data })
  elseif part.fileData then
    assert(part.fileData.mimeType)
    common.add(ask, { kind = "image", role = role, url = part.fileData.fileUri })
  elseif part.thought then
    common.add(ask, { kind = "reasoning", text = part.text, signature = part.thoughtSignature })
  else
    assert(part.text and part.text ~= "", "a part this provider does not know")
    common.add_text(ask, role, part.text)
    ask.items[#ask.items].signature = part.thoughtSignature or ask.items[#ask.items].signature
  end
end

function gemini.read(body)
  local ask = common.new_ask()
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
  for _, group in common.each(body.tools) do
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
  common.take_params(ask, config, GEMINI_PARAMS, GEMINI_CONFIG)
  common.take_params(ask, body, {}, GEMINI_KNOWN)
  return ask
end

gemini.usage = { input = 36, cache_read = 64, cache_write = -1, output = 12, reasoning = 5 }
local GEMINI_USAGE = { promptTokenCount = 100, candidatesTokenCount = 7, thoughtsTokenCount = 5, cachedContentTokenCount = 64, totalTokenCount = 112 }
local GEMINI_STOPS = { stop = "STOP", tool_calls = "STOP", length = "MAX_TOKENS", content_filter = "SAFETY" }

local function gemini_parts(said)
  local parts = {}
  for _, block in ipairs(common.blocks_of(said)) do
    local call = block.call
    for _, text in ipairs(block.reasoning or block.text or {}) do
      parts[#parts + 1] = { text = text, thought = block.reasoning and true or nil }
    end
    if call then
      parts[#parts + 1] = { functionCall = { id = call.id, name = call.name, args = common.json.decode(common.joined(call.arguments)) },
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
  return common.json.encode(gemini_body(gemini_parts(said), GEMINI_STOPS[said.finish], GEMINI_USAGE))
end

function gemini.stream(said)
  local pieces, parts = {}, gemini_parts(said)
  for i, part in ipairs(parts) do
    local last = i == #parts
    pieces[i] = common.sse(gemini_body({ part }, last and GEMINI_STOPS[said.finish] or nil, last and GEMINI_USAGE or { promptTokenCount = 100 }))
  end
  return common.streamed(pieces, #pieces, 2)
end

local function google_error(code, status, message, details)
  return common.json.encode { error = { code = code, message = message, status = status, details = details } }
end

gemini.finishes = { "length", "content_filter" }
gemini.refusals = {
  { status = 429, kind = "rate_limited", body = google_error(429, "RESOURCE_EXHAUSTED", "Resource has been exhausted",
    { { ["@type"] = "type.googleapis.com/google.rpc.RetryInfo", retryDelay = "7s" } }) },
  { status = 400, kind = "auth", body = google_error(400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.",
    { { ["@type"] = "type.googleapis.com/google.rpc.ErrorInfo", reason = "API_KEY_INVALID" } }) },
  { status = 400, kind = "context_length",
    body = google_error(400, "INVALID_ARGUMENT", "The input token count (12) exceeds the maximum number of tokens allowed (10).") },
  { status = 503, kind = "overloaded", body = google_error(503, "UNAVAILABLE", "The model is overloaded. Please try again later.") },
}
gemini.breaks = common.sse(google_error(503, "UNAVAILABLE", "The model is overloaded."))

return gemini
