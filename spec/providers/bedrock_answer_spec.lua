--- Bedrock's answers: whole ones, streams of frames, refusals and embeddings. The fixtures hold the common cases; here are the edges.

local cjson = require "cjson"
local encoding = require "support.encoding"
local make = require "support.eventstream"
local stream = require "support.stream"
local wire = require("gateway.runtime").wire

local json = cjson.new()
local with = encoding.with

local CLAUDE = "anthropic.claude-sonnet-4-5-20250929-v1:0"

-- ------------------------------------------------------------------ whole answers

local function answer(body, fields)
  return wire.answer(with({ vendor = "bedrock", model = CLAUDE, body = body, id = "i", created = 1 }, fields))
end

local function whole(content, reason, usage)
  return ('{"output":{"message":{"role":"assistant","content":%s}},"stopReason":"%s","usage":%s}'):format(content, reason, usage or "null")
end

describe("a whole answer", function()
  it("ends for the reason it says", function()
    for reason, finish in pairs { end_turn = "stop", stop_sequence = "stop", max_tokens = "length", model_context_window_exceeded = "length",
      guardrail_intervened = "content_filter", content_filtered = "content_filter" } do
      local got = answer(whole('[{"text":"a"}]', reason))
      assert.is_nil(got.failure)
      assert.equal(finish, json.decode(got.out).choices[1].finish_reason)
    end
    local call = '[{"toolUse":{"toolUseId":"t","name":"f","input":{}}}]'
    assert.equal("tool_calls", answer(whole(call, "tool_use")).finish)
    assert.equal("tool_calls", answer(whole(call, "end_turn")).finish)
  end)

  it("is no answer without a reason that is an end", function()
    for _, reason in ipairs { "malformed_model_output", "malformed_tool_use", "something_new", "" } do
      local got = answer(whole('[{"text":"a"}]', reason))
      assert.same({ "unavailable", false, 502 }, { got.failure.kind, got.ended, got.failure.status })
    end
  end)

  it("is no answer when it is something else", function()
    for _, body in ipairs { "", " ", "<html>", "{", "[]", "{}", '{"output":{}}', '{"message":"x"}',
      '{"output":{"message":{"content":"text"}},"stopReason":"end_turn"}' } do
      local got = answer(body)
      assert.equal("unavailable", got.failure.kind)
      assert.is_false(got.ended)
    end
    assert.equal("rate_limited", answer('{"__type":"com.amazon.coral#ThrottlingException","message":"slow down"}').failure.kind)
  end)

  it("has its texts, its calls and its reasoning in order", function()
    local got = answer(whole([[[{"reasoningContent":{"reasoningText":{"text":"r","signature":"s"}}},
      {"reasoningContent":{"redactedContent":"QUI="}},{"text":"a"},{"citationsContent":{"content":[{"text":"b"}],"citations":[]}},{"new":{}},
      {"toolUse":{"toolUseId":"t","name":"f","input":{ "a" : "x \" y" }}},{"toolUse":{"toolUseId":"v","name":"g","input":{}}}] ]], "tool_use"))
    local message = json.decode(got.out).choices[1].message
    assert.equal("ab", message.content)
    assert.equal("r", message.reasoning_content)
    assert.same({ { type = "thinking", thinking = "r", signature = "s" }, { type = "redacted_thinking", data = "QUI=" } }, message.thinking_blocks)
    assert.equal('{"a":"x \\" y"}', message.tool_calls[1]["function"].arguments)
    assert.equal("{}", message.tool_calls[2]["function"].arguments)
  end)

  it("counts what was cached apart", function()
    local got = answer(whole('[{"text":"a"}]', "end_turn",
      '{"inputTokens":10,"outputTokens":2,"totalTokens":1062,"cacheReadInputTokens":1000,"cacheWriteInputTokens":50}'))
    assert.same({ input = 10, output = 2, cache_read = 1000, cache_write = 50, reasoning = -1 }, got.usage)
    for _, usage in ipairs { "{}", '{"inputTokens":-5,"outputTokens":2}', '{"inputTokens":"7"}', "[]", '{"inputTokens":1e300}' } do
      assert.is_nil(answer(whole('[{"text":"a"}]', "end_turn", usage)).usage)
    end
  end)
end)

-- ------------------------------------------------------------------ streams

local START, STOP = make.event("messageStart", '{"role":"assistant","p":"abc"}'), make.event("messageStop", '{"stopReason":"end_turn","p":"ab"}')
local USAGE = make.event("metadata", '{"usage":{"inputTokens":3,"outputTokens":4,"totalTokens":7},"metrics":{"latencyMs":1},"p":"abcd"}')

local function delta(index, text)
  return make.event("contentBlockDelta", ('{"contentBlockIndex":%d,"delta":%s,"p":"abcdefghijklmnopqrstuvwxyz"}'):format(index, text))
end

local function tool_start(index, id, name)
  return make.event("contentBlockStart", ('{"contentBlockIndex":%d,"start":{"toolUse":{"toolUseId":"%s","name":"%s"}}}'):format(index, id, name))
end

local function block_stop(index)
  return make.event("contentBlockStop", ('{"contentBlockIndex":%d}'):format(index))
end

local function streamed(pieces, fields)
  if type(pieces) == "string" then
    pieces = { pieces }
  end
  return wire.answer(with({ vendor = "bedrock", model = CLAUDE, stream = true, include_usage = true, pieces = pieces, id = "i", created = 1 }, fields))
end

describe("a stream", function()
  local FULL = START .. delta(0, '{"reasoningContent":{"text":"r1"}}') .. delta(0, '{"reasoningContent":{"text":"r2"}}')
    .. delta(0, '{"reasoningContent":{"signature":"s1"}}') .. delta(0, '{"reasoningContent":{"signature":"s2"}}') .. block_stop(0)
    .. delta(1, '{"reasoningContent":{"redactedContent":"QUI="}}') .. block_stop(1)
    .. delta(2, '{"text":"Zo\xc3\xab "}') .. delta(2, '{"text":"\\u00eb"}') .. block_stop(2)
    .. tool_start(3, "t1", "f") .. delta(3, '{"toolUse":{"input":"{\\"a\\""}}') .. delta(3, '{"toolUse":{"input":":1}"}}') .. block_stop(3)
    .. tool_start(4, "t2", "g") .. delta(4, '{"toolUse":{"input":""}}') .. block_stop(4)
    .. make.event("messageStop", '{"stopReason":"tool_use"}') .. USAGE

  it("says everything that was in it", function()
    local got = streamed(FULL)
    assert.is_true(got.ended)
    assert.equal("tool_calls", got.finish)
    assert.same({ input = 3, output = 4, cache_read = -1, cache_write = -1, reasoning = -1 }, got.usage)
    local sum = stream.gathered(got.out)
    assert.equal("Zo\xc3\xab \xc3\xab", sum.text)
    assert.same({ { id = "t1", name = "f", arguments = '{"a":1}' }, { id = "t2", name = "g", arguments = "{}" } }, sum.calls)
    assert.truthy(got.out:find('"thinking":"r1r2","signature":"s1s2"', 1, true))
    assert.truthy(got.out:find('"data":"QUI="', 1, true))
  end)

  it("is the same however it is cut", function()
    local first = streamed(FULL)
    for _, pieces in ipairs(stream.cuts(FULL)) do
      assert.same(first, streamed(pieces))
    end
  end)

  it("that is cut off is never a success before messageStop came whole", function()
    local enough = #FULL - #USAGE
    for at = 0, #FULL - 1 do
      local got = streamed(FULL:sub(1, at))
      assert.equal(at >= enough, got.ended, at)
      assert.equal(at >= enough, stream.gathered(got.out).done or false, at)
      assert.is_nil(got.usage)
    end
  end)

  it("ends with its counts, and nothing behind them is heard", function()
    local got = streamed(START .. delta(0, '{"text":"a"}') .. STOP .. USAGE .. delta(0, '{"text":"b"}') .. make.exception("throttlingException", "{}"))
    assert.equal("a", stream.gathered(got.out).text)
    assert.is_true(got.ended)
    assert.is_nil(got.failure)
  end)

  it("fails by its exceptions", function()
    for name, want in pairs { throttlingException = "rate_limited", internalServerException = "unavailable", modelStreamErrorException = "unavailable",
      serviceUnavailableException = "overloaded", validationException = "invalid_request", modelTimeoutException = "timeout", newException = "unavailable" } do
      for _, before in ipairs { "", START, START .. delta(0, '{"text":"a"}'), START .. delta(0, '{"text":"a"}') .. STOP } do
        local got = streamed(before .. make.exception(name, '{"message":"because"}') .. USAGE)
        assert.same({ want, "because", false }, { got.failure.kind, got.failure.message, got.ended })
        assert.equal(#before > #START and "content_started" or "refused", got.failure.sent)
        assert.is_false(stream.gathered(got.out).done or false)
      end
    end
    local long = make.exception("validationException", '{"message":"Input is too long for requested model."}')
    assert.equal("context_length", streamed(START .. long).failure.kind)
  end)

  it("fails by an error frame", function()
    local got = streamed(START .. make.error("InternalFailure", "it broke") .. STOP)
    assert.same({ "unavailable", "it broke", false }, { got.failure.kind, got.failure.message, got.ended })
    assert.equal("rate_limited", streamed(START .. make.error("ThrottlingException", "slow")).failure.kind)
  end)

  it("fails where it is damaged", function()
    local bad = delta(0, '{"text":"b"}')
    bad = bad:sub(1, 40) .. string.char(bad:byte(41) ~ 1) .. bad:sub(42)
    local got = streamed(START .. delta(0, '{"text":"a"}') .. bad .. STOP .. USAGE)
    assert.same({ "unavailable", false, "a" }, { got.failure.kind, got.ended, stream.gathered(got.out).text })
    assert.equal("unavailable", streamed(START .. make.event("contentBlockDelta", "{") .. STOP).failure.kind)
    assert.equal("unavailable", streamed("HTTP says no, but with 200").failure.kind)
  end)

  it("fails where its order makes no sense", function()
    for _, text in ipairs { delta(0, '{"text":"a"}'), STOP, START .. delta(0, '{"toolUse":{"input":"x"}}'), START .. STOP .. delta(0, '{"text":"late"}'),
      START .. make.event("messageStop", '{"stopReason":"malformed_tool_use"}'), START .. make.event("messageStop", "{}") } do
      local got = streamed(text .. USAGE)
      assert.equal("unavailable", got.failure.kind)
      assert.is_false(got.ended)
    end
  end)

  it("passes over what is new", function()
    local got = streamed(make.event("initial-response", "{}") .. START .. delta(0, '{"citation":{}}') .. delta(0, '{"text":"a"}')
      .. make.event("contentBlockNew", '{"contentBlockIndex":0}') .. make.event("heartbeat", "{}") .. block_stop(7) .. STOP .. USAGE)
    assert.is_nil(got.failure)
    assert.equal("a", stream.gathered(got.out).text)
  end)

  it("may have calls that grow side by side and are never closed", function()
    local got = streamed(START .. tool_start(0, "t1", "f") .. tool_start(1, "t2", "g") .. delta(0, '{"toolUse":{"input":"{"}}')
      .. delta(1, '{"toolUse":{"input":"[]"}}') .. delta(0, '{"toolUse":{"input":"}"}}') .. make.event("messageStop", '{"stopReason":"tool_use"}') .. USAGE)
    assert.same({ { id = "t1", name = "f", arguments = "{}" }, { id = "t2", name = "g", arguments = "[]" } }, stream.gathered(got.out).calls)
  end)

  it("has at most so many open blocks", function()
    local text = { START }
    for i = 1, 65 do
      text[#text + 1] = tool_start(i, "t" .. i, "f")
    end
    assert.equal("unavailable", streamed(table.concat(text) .. STOP).failure.kind)
  end)

  it("gives the JSON tool's input as text", function()
    local got = streamed(START .. tool_start(0, "j", "json_tool_call") .. delta(0, '{"toolUse":{"input":"{\\"n\\":"}}')
      .. delta(0, '{"toolUse":{"input":"2}"}}') .. block_stop(0) .. make.event("messageStop", '{"stopReason":"tool_use"}') .. USAGE)
    assert.same({ '{"n":2}', 0, "stop" }, { stream.gathered(got.out).text, #stream.gathered(got.out).calls, got.finish })
    got = streamed(START .. tool_start(0, "j", "json_tool_call") .. block_stop(0) .. make.event("messageStop", '{"stopReason":"tool_use"}') .. USAGE)
    assert.equal("{}", stream.gathered(got.out).text)
  end)
end)

-- ------------------------------------------------------------------ refusals

describe("a refusal", function()
  local function failure(status, name, message, headers)
    return answer(json.encode { message = message or "m" }, { status = status,
      headers = with({ ["x-amzn-errortype"] = name and name .. ":http://internal.amazon.com/coral/com.amazon.bedrock/" }, headers) }).failure
  end

  it("is what its exception says", function()
    for _, case in ipairs {
      { 400, "ValidationException", "invalid_request", 400 }, { 403, "AccessDeniedException", "auth", 403 },
      { 403, "UnrecognizedClientException", "auth", 403 }, { 403, "InvalidSignatureException", "auth", 403 },
      { 403, "ExpiredTokenException", "auth", 403 }, { 404, "ResourceNotFoundException", "model_not_found", 404 },
      { 408, "ModelTimeoutException", "timeout", 504 }, { 424, "ModelErrorException", "unavailable", 502 },
      { 424, "ModelStreamErrorException", "unavailable", 502 }, { 429, "ThrottlingException", "rate_limited", 429 },
      { 429, "ModelNotReadyException", "overloaded", 503 }, { 400, "ServiceQuotaExceededException", "quota", 429 },
      { 500, "InternalServerException", "unavailable", 502 }, { 503, "ServiceUnavailableException", "overloaded", 503 },
      { 429, nil, "rate_limited", 429 }, { 424, nil, "unavailable", 502 }, { 418, "Teapot", "invalid_request", 400 },
    } do
      local got = failure(case[1], case[2])
      assert.same({ case[3], case[4] }, { got.kind, got.status }, case[2])
      assert.equal("refused", got.sent)
    end
  end)

  it("has its exception in the body where the header is missing", function()
    local got = answer('{"__type":"com.amazon.coral.service#ModelNotReadyException","Message":"wait"}', { status = 429 }).failure
    assert.same({ "overloaded", "wait" }, { got.kind, got.message })
  end)

  it("of a request may be about its length or its content", function()
    assert.equal("context_length", failure(400, "ValidationException", "prompt is too long: 5 tokens > 4 maximum").kind)
    assert.equal("content_filter", failure(400, "ValidationException", "Output blocked by content filtering policy").kind)
    assert.equal("rate_limited", failure(429, "ThrottlingException", "Too many tokens, please wait before trying again.").kind)
  end)

  it("says when to come back", function()
    assert.equal(7, failure(429, "ThrottlingException", "m", { ["retry-after"] = "7" }).retry_after_s)
  end)

  it("of a proxy in between is read as well", function()
    local got = answer("<html>no</html>", { status = 502 }).failure
    assert.same({ "unavailable", "the provider answered 502 with an HTML page" }, { got.kind, got.message })
  end)
end)

-- ------------------------------------------------------------------ embeddings and counts

describe("embeddings", function()
  local TITAN, COHERE = "amazon.titan-embed-text-v2:0", "cohere.embed-english-v3"
  local function embed(members, model, fields)
    return wire.encode(with({ vendor = "bedrock", client = "embeddings", model = model, body = '{"model":"m",' .. members .. "}" }, fields))
  end

  it("of Titan are asked for one by one", function()
    local body, dropped = embed('"input":"a\\u00eb","dimensions":256', TITAN)
    assert.equal('{"inputText":"a\\u00eb","dimensions":256}', body)
    assert.equal("", dropped)
    assert.equal('{"inputText":"a"}', (embed('"input":["a"]', TITAN)))
    local nothing, complaint = embed('"input":["a","b"]', TITAN)
    assert.is_nil(nothing)
    assert.same({ "unsupported_parameter", "input" }, { complaint.kind, complaint.param })
    body, dropped = embed('"input":"a","dimensions":256,"input_type":"search_query","user":"u"', "amazon.titan-embed-text-v1")
    assert.equal('{"inputText":"a"}', body)
    assert.equal("user, dimensions, input_type", dropped)
    assert.equal('{"inputText":"a","embeddingConfig":{"outputEmbeddingLength":256}}', (embed('"input":"a","dimensions":256', "amazon.titan-embed-image-v1")))
  end)

  it("of Cohere are asked for together", function()
    assert.equal('{"texts":["a","b"],"input_type":"search_document"}', (embed('"input":["a","b"]', COHERE)))
    assert.equal('{"texts":["a"],"input_type":"search_query"}', (embed('"input":"a","input_type":"search_query"', COHERE)))
    assert.equal('{"texts":["a"],"input_type":"clustering"}', (embed('"input":"a"', COHERE, { default_input_type = "clustering" })))
    assert.equal('{"texts":["a"],"input_type":"search_document","output_dimension":512}', (embed('"input":"a","dimensions":512', "us.cohere.embed-v4:0")))
    assert.equal("dimensions", select(2, embed('"input":"a","dimensions":512', COHERE)))
    local texts = {}
    for i = 1, 97 do
      texts[i] = '"a"'
    end
    assert.equal("input", select(2, embed('"input":[' .. table.concat(texts, ",") .. "]", COHERE)).param)
  end)

  it("come from no other model", function()
    assert.equal("model", select(2, embed('"input":"a"', CLAUDE)).param)
  end)

  local function vectors(body)
    return wire.answer { vendor = "bedrock", client = "embeddings", model = TITAN, body = body, request = '{"model":"m","input":"a"}', id = "i", created = 1 }
  end

  it("are read in every form", function()
    local got = vectors '{"embedding":[0.5,-1,2e-3],"embeddingsByType":{"float":[1]},"inputTextTokenCount":5}'
    local list = json.decode(got.out)
    assert.same({ 0.5, -1, 0.002 }, list.data[1].embedding)
    assert.equal(5, list.usage.prompt_tokens)
    for _, body in ipairs { '{"id":"x","texts":["a","b"],"embeddings":[[1,2],[3,4]]}',
      '{"response_type":"embeddings_by_type","embeddings":{"float":[[1,2],[3,4]]}}' } do
      list = json.decode(vectors(body).out)
      assert.same({ { 1, 2 }, { 3, 4 } }, { list.data[1].embedding, list.data[2].embedding })
      assert.same({ 0, 1 }, { list.data[1].index, list.data[2].index })
    end
  end)

  it("are no answer when they are something else", function()
    for _, body in ipairs { "{}", '{"embedding":[]}', '{"embedding":"x"}', '{"embedding":[1,"a"]}', '{"embeddings":[]}',
      '{"embeddings":[[1],null]}', '{"embeddings":{}}', '{"embeddings":{"int8":[[1]]}}', "" } do
      local got = vectors(body)
      assert.equal("unavailable", got.failure.kind)
      assert.is_false(got.ended)
    end
  end)
end)

describe("a count of tokens", function()
  local BODY = '{"model":"m","max_tokens":5,"temperature":0.5,"system":"s","tools":[{"name":"f","input_schema":{"type":"object"}}],'
    .. '"messages":[{"role":"user","content":"u"}]}'
  local function counted(body, fields)
    return wire.answer(with({ vendor = "bedrock", client = "count_tokens", model = CLAUDE, body = body, request = BODY, id = "i", created = 1 }, fields))
  end

  it("is asked of the foundation model, for what costs tokens", function()
    local call = { vendor = "bedrock", client = "count_tokens", body = BODY, origin = "https://h", key = "k" }
    assert.equal("https://h/model/anthropic.claude-sonnet-4-5-20250929-v1%3A0/count-tokens", (wire.head(with(call, { model = "us." .. CLAUDE }))))
    local got = json.decode((wire.encode(with(call, { model = CLAUDE }))))
    assert.same({ input = { converse = {
      system = { { text = "s" } }, messages = { { role = "user", content = { { text = "u" } } } },
      toolConfig = { tools = { { toolSpec = { name = "f", inputSchema = { json = { type = "object" } } } } } },
    } } }, got)
  end)

  it("is a number or no answer", function()
    assert.same({ input_tokens = 42 }, json.decode(counted('{"inputTokens":42}').out))
    for _, body in ipairs { "{}", '{"inputTokens":-1}', '{"inputTokens":"42"}', "[42]", "" } do
      local got = counted(body)
      assert.equal("unavailable", got.failure.kind)
      assert.is_false(got.ended)
    end
  end)
end)
