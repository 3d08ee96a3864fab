--- The bedrock wire at the provider, for specs: see support/wires.lua.
-- SPDX-License-Identifier: MIT
local common = require "support.wires.common"

local bedrock = { vendor = "bedrock", model = "anthropic.claude-sonnet-4-5-20250929-v1:0" }

local BEDROCK_PARAMS = { maxTokens = "max_tokens", temperature = "temperature", topP = "top_p", stopSequences = "stop" }
local BEDROCK_KNOWN = common.set("messages", "system", "toolConfig", "inferenceConfig", "additionalModelRequestFields", "requestMetadata", "outputConfig",
  "serviceTier")

local function read_bedrock_result(block)
  local texts = {}
  for _, part in ipairs(block.content) do
    texts[#texts + 1] = part.text or (part.json and common.json.encode(part.json))
  end
  assert(#texts > 0 or block.content[1], "a result says something")
  return table.concat(texts, "|")
end

local function read_bedrock_block(ask, role, block)
  if block.text then
    assert(block.text:find "%S", "a blank text")
    common.add_text(ask, role, block.text)
  elseif block.image then
    common.add(ask, { kind = "image", role = role, media_type = "image/" .. block.image.format, data = block.image.source.bytes })
  elseif block.reasoningContent and block.reasoningContent.reasoningText then
    common.add(ask, { kind = "reasoning", text = block.reasoningContent.reasoningText.text, signature = block.reasoningContent.reasoningText.signature })
  elseif block.reasoningContent then
    common.add(ask, { kind = "redacted", data = block.reasoningContent.redactedContent })
  elseif block.toolUse then
    assert(type(block.toolUse.input) == "table" and block.toolUse.toolUseId:find "^[%w_.:-]+$")
    common.add_call(ask, block.toolUse.toolUseId, block.toolUse.name, block.toolUse.input)
  elseif block.toolResult then
    common.add(ask, { kind = "result", id = block.toolResult.toolUseId, text = read_bedrock_result(block.toolResult),
      is_error = block.toolResult.status == "error" or nil })
  elseif block.cachePoint then
    ask.items[#ask.items].cached = block.cachePoint
  else
    error("a block this provider does not know: " .. tostring(next(block)))
  end
end

local function read_bedrock_tools(ask, config)
  for _, tool in common.each(config.tools) do
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
  local ask = common.new_ask()
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
  if ask.choice == common.JSON_TOOL then
    common.read_forced_tool(ask)
  end
  local format = body.outputConfig and body.outputConfig.textFormat
  if format then
    ask.schema = common.json.decode(format.structure.jsonSchema.schema)
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
  common.take_params(ask, body.inferenceConfig or {}, BEDROCK_PARAMS, {})
  common.take_params(ask, body, {}, BEDROCK_KNOWN)
  return ask
end

bedrock.usage = { input = 28, cache_read = 64, cache_write = 8, output = 12, reasoning = -1 }
local BEDROCK_USAGE = { inputTokens = 28, cacheReadInputTokens = 64, cacheWriteInputTokens = 8, outputTokens = 12, totalTokens = 112 }
local BEDROCK_STOPS = { stop = "end_turn", length = "max_tokens", tool_calls = "tool_use", content_filter = "content_filtered" }

function bedrock.answer(said)
  local content = {}
  for i, block in ipairs(common.blocks_of(said)) do
    local call = block.call
    content[i] = block.reasoning and { reasoningContent = { reasoningText = { text = common.joined(block.reasoning), signature = block.signature } } }
      or block.text and { text = common.joined(block.text) }
      or { toolUse = { toolUseId = call.id, name = call.name, input = common.json.decode(common.joined(call.arguments)) } }
  end
  return common.json.encode { output = { message = { role = "assistant", content = content } }, stopReason = BEDROCK_STOPS[said.finish], usage = BEDROCK_USAGE,
    metrics = { latencyMs = 400 } }
end

function bedrock.stream(said)
  local pieces, index = {}, -1
  local function frame(name, payload)
    payload.p = "abcdefgh" -- padding that Bedrock puts there
    pieces[#pieces + 1] = common.aws_frame(name, payload)
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
  for _, one in ipairs(common.blocks_of(said)) do
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
  return common.streamed(pieces, stop_at, 0)
end

local function bedrock_refusal(status, class, message, kind)
  return { status = status, kind = kind, headers = { ["x-amzn-errortype"] = class .. ":http://internal.amazon.com/" },
    body = common.json.encode { message = message } }
end

bedrock.finishes = { "length", "content_filter" }
bedrock.refusals = {
  bedrock_refusal(429, "ThrottlingException", "Too many requests, please wait before trying again.", "rate_limited"),
  bedrock_refusal(403, "UnrecognizedClientException", "The security token included in the request is invalid.", "auth"),
  bedrock_refusal(400, "ValidationException", "Input is too long for requested model.", "context_length"),
  bedrock_refusal(503, "ServiceUnavailableException", "The service is overloaded.", "overloaded"),
}
bedrock.breaks = common.aws_frame("modelStreamErrorException", { message = "The model failed" }, "exception")

return bedrock
