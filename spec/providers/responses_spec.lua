--- The dialect of POST /v1/responses, both sides: what a request says and becomes, what an answer looks like, what passes. The fixtures hold the
--- common cases; here are the edges.

local cjson = require "cjson"
local stream = require "support.stream"
local wire = require("gateway.runtime").wire

local json = cjson.new()
json.decode_max_depth(200)

local ID = "0123456789abcdef0123456789abcdef"

local function with(base, fields)
  local all = {}
  for _, from in ipairs { base, fields or {} } do
    for name, value in pairs(from) do
      all[name] = value
    end
  end
  return all
end

local function facts(body)
  return wire.facts(body, "responses")
end

local function encode(body, vendor)
  return wire.encode { client = "responses", vendor = vendor or "xai", model = "m", body = body }
end

--- The request that goes to a provider of OpenAI's chat, decoded, and what was left out.
local function sent(body, vendor)
  local text, dropped = encode(body, vendor)
  assert.is_string(text, type(dropped) == "table" and dropped.message or nil)
  return json.decode(text), dropped
end

local function asks(fields)
  return '{"model":"m","input":"Hi",' .. fields .. "}"
end

--- The messages that a list of items becomes.
local function messages(items, vendor)
  return sent('{"model":"m","input":' .. items .. "}", vendor).messages
end

local function refused(body)
  local text, complaint = encode(body)
  assert.is_nil(text)
  return complaint
end

describe("a request", function()
  it("says what policies decide by", function()
    local got = facts [[{"model":"openai/gpt","instructions":"Brief","stream":true,"max_output_tokens":77,"temperature":0.5,"user":"u","metadata":{},
      "reasoning":{"effort":"low"},"text":{"format":{"type":"json_schema","name":"n","schema":{}}},"tools":[{"type":"function","name":"f"}],
      "input":[{"role":"developer","content":"sys"},{"role":"user","content":[{"type":"input_text","text":"four"},{"type":"input_image",
      "image_url":"https://x"},{"type":"input_file","file_data":"data:x"}]},{"role":"user","content":"more"}],
      "routing_strategy":"weighted","provider":"groq","fallback":false}]]
    assert.same({ "openai/gpt", true, 77, 0.5, "u", "weighted", "groq", 0, 1 },
      { got.model, got.stream, got.max_tokens, got.temperature, got.user, got.strategy, got.provider, got.fallback, got.image_count })
    assert.equal(1 + 2 + 4 + 8 + 32, got.needs)
    assert.is_true(got.replayable)
    assert.matches('^%[{"role":"developer".*"data:x"}%]}$', got.opening)
  end)

  it("is as long as the same words in a chat", function()
    local tools = '"tools":[{"type":"function","name":"f","description":"What the weather is like"}]'
    local chat = wire.facts('{"model":"m",' .. tools .. [[,"messages":[{"role":"system","content":"Be brief and kind."},{"role":"user",
      "content":"What about the weather in Oslo?"},{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://x"}}]}]}]])
    local got = facts('{"model":"m","instructions":"Be brief and kind.",' .. tools .. [[,"input":[{"role":"user",
      "content":"What about the weather in Oslo?"},{"role":"user","content":[{"type":"input_image","image_url":"https://x"}]}]}]])
    assert.same({ chat.prompt_bytes, chat.prompt_tokens }, { got.prompt_bytes, got.prompt_tokens })
    local plain = facts [[{"model":"m","input":"What about the weather in Oslo?"}]]
    assert.equal(wire.facts([[{"model":"m","messages":[{"role":"user","content":"What about the weather in Oslo?"}]}]]).prompt_tokens,
      plain.prompt_tokens)
    local worked = facts [[{"model":"m","input":[{"role":"user","content":"u"},{"type":"function_call","call_id":"a","name":"f",
      "arguments":"{\"city\":\"Oslo\"}"},{"type":"function_call_output","call_id":"a","output":"It is raining in Oslo, as it does"}]}]]
    assert.is_true(worked.prompt_tokens > facts('{"model":"m","input":"u"}').prompt_tokens + 15)
  end)

  it("is not sent twice where it is stored", function()
    assert.is_true(facts(asks '"store":false').replayable)
    assert.is_true(facts(asks '"store":null').replayable)
    assert.is_false(facts(asks '"store":true').replayable)
  end)

  it("is refused in words", function()
    local function complaint(body)
      local got, why = facts(body)
      assert.is_nil(got)
      return { why.kind, why.param }
    end
    assert.same({ "invalid_json" }, complaint "")
    assert.same({ "invalid_json" }, complaint '{"model":"m","input":"a"')
    assert.same({ "invalid_json" }, complaint '["m"]')
    assert.same({ "invalid_parameter", "model" }, complaint '{"input":"a"}')
    assert.same({ "invalid_parameter", "input" }, complaint '{"model":"m"}')
    assert.same({ "invalid_parameter", "input" }, complaint '{"model":"m","input":[]}')
    assert.same({ "invalid_parameter", "input" }, complaint '{"model":"m","input":7}')
    assert.same({ "invalid_parameter", "input[1]" }, complaint '{"model":"m","input":[{"role":"user","content":"a"},7]}')
    assert.same({ "invalid_parameter", "input[0].role" }, complaint '{"model":"m","input":[{"role":"tool","content":"a"}]}')
    assert.same({ "invalid_parameter", "input[0].content" }, complaint '{"model":"m","input":[{"role":"user","content":7}]}')
    assert.same({ "invalid_parameter", "max_output_tokens" }, complaint(asks '"max_output_tokens":0'))
    assert.same({ "invalid_parameter", "stream" }, complaint(asks '"stream":"yes"'))
    assert.same({ "invalid_parameter", "tools" }, complaint(asks '"tools":{}'))
    assert.same({ "duplicate_key", "input" }, complaint(asks '"input":"b"'))
    assert.same({ "duplicate_key", "model" }, complaint(asks '"mod\\u0065l":"b"'))
    assert.same({ "unsupported_parameter", "background" }, complaint(asks '"background":true'))
    assert.truthy(facts(asks '"background":false'))
  end)

  it("that needs a store is refused where there is none", function()
    for param, value in pairs { previous_response_id = '"resp_1"', conversation = '{"id":"conv_1"}', prompt = '{"id":"pmpt_1"}' } do
      local why = refused(asks(('"%s":%s'):format(param, value)))
      assert.same({ "unsupported_parameter", param }, { why.kind, why.param })
      assert.matches("stores no", why.message)
      assert.truthy(wire.edited { client = "responses", vendor = "openai", model = "m", body = asks(('"%s":%s'):format(param, value)) })
    end
    local why = refused [[{"model":"m","input":[{"role":"user","content":"a"},{"type":"item_reference","id":"msg_1"}]}]]
    assert.same({ "unsupported_parameter", "input[1]" }, { why.kind, why.param })
    assert.equal("input[0]", refused([[{"model":"m","input":[{"id":"msg_1"}]}]]).param)
    assert.equal("input[0].content", refused([[{"model":"m","input":[{"role":"user","content":[{"type":"input_image","file_id":"f"}]}]}]]).param)
    assert.equal("input[0].content",
      refused([[{"model":"m","input":[{"role":"user","content":[{"type":"input_file","file_url":"https://x"}]}]}]]).param)
  end)
end)

describe("items", function()
  it("of the assistant are gathered until somebody else speaks", function()
    local got = messages [[ [{"role":"user","content":"u"},
      {"type":"function_call","call_id":"a","name":"f","arguments":"{}"},{"type":"message","role":"assistant","content":[{"type":"output_text","text":"t"}]},
      {"type":"function_call","call_id":"b","name":"g","arguments":"{\"n\":1}"},
      {"type":"function_call_output","call_id":"a","output":"1"},{"type":"function_call_output","call_id":"b","output":[{"type":"input_text","text":"2"}]},
      {"role":"assistant","content":"x"},{"role":"assistant","content":"y"},{"role":"system","content":"s"}] ]]
    assert.same({ "user", "assistant", "tool", "tool", "assistant", "assistant", "system" },
      { got[1].role, got[2].role, got[3].role, got[4].role, got[5].role, got[6].role, got[7].role })
    assert.equal("t", got[2].content)
    assert.same({ "a", "f", "b", "g" }, { got[2].tool_calls[1].id, got[2].tool_calls[1]["function"].name, got[2].tool_calls[2].id,
      got[2].tool_calls[2]["function"].name })
    assert.same({ "a", "1", "b", "2" }, { got[3].tool_call_id, got[3].content, got[4].tool_call_id, got[4].content })
    assert.same({ "x", "y", 7 }, { got[5].content, got[6].content, #got })
  end)

  it("of results show their pictures where a result may hold none", function()
    local got = messages [[ [{"role":"user","content":"u"},{"type":"function_call","call_id":"a","name":"f","arguments":"{}"},
      {"type":"function_call_output","call_id":"a","output":[{"type":"input_text","text":"t"},{"type":"input_image","image_url":"data:image/png;base64,AA"},
      {"type":"input_text","text":"w"}]}] ]]
    assert.same({ "tool", "tw", "user" }, { got[3].role, got[3].content, got[4].role })
    assert.same({ { type = "image_url", image_url = { url = "data:image/png;base64,AA" } } }, got[4].content)
  end)

  it("bring files as data", function()
    for given, expected in pairs { ["data:application/pdf;base64,AA"] = "data:application/pdf;base64,AA", AA = "data:application/pdf;base64,AA" } do
      local got = messages('[{"role":"user","content":[{"type":"input_file","filename":"a.pdf","file_data":"' .. given .. '"}]}]')
      assert.same({ { type = "file", file = { filename = "a.pdf", file_data = expected } } }, got[1].content)
    end
  end)

  it("of reasoning that led to nothing are not sent", function()
    local got = messages [[ [{"role":"user","content":"u"},{"type":"reasoning","id":"rs_1","summary":[{"type":"summary_text","text":"hm"}]},
      {"role":"user","content":"v"}] ]]
    assert.same({ "user", "user", 2 }, { got[1].role, got[2].role, #got })
  end)

  it("give Claude its signed reasoning back", function()
    local items = [[ [{"role":"user","content":"u"},
      {"type":"reasoning","id":"rs_1","summary":[{"type":"summary_text","text":"let me \"see\""}],"encrypted_content":"claude:c2ln+/=="},
      {"type":"reasoning","id":"rs_2","summary":[],"encrypted_content":"claude-redacted:b3BhcXVl"},
      {"type":"function_call","call_id":"a","name":"f","arguments":"{}"},{"type":"function_call_output","call_id":"a","output":"1"}] ]]
    local body = '{"model":"m","reasoning":{"effort":"low"},"max_output_tokens":9000,"tools":[{"type":"function","name":"f"}],"input":' .. items .. "}"
    local text = assert(wire.encode { client = "responses", vendor = "anthropic", model = "claude-sonnet-4-5", body = body })
    local said = json.decode(text).messages[2].content
    assert.same({ type = "thinking", thinking = 'let me "see"', signature = "c2ln+/==" }, said[1])
    assert.same({ type = "redacted_thinking", data = "b3BhcXVl" }, said[2])
    assert.equal("tool_use", said[3].type)
  end)

  it("give nobody a seal that is not theirs", function()
    local text = assert(encode([[{"model":"m","input":[{"role":"user","content":"u"},
      {"type":"reasoning","summary":[{"type":"summary_text","text":"hm"}],"encrypted_content":"claude:SEALED"},
      {"type":"reasoning","summary":[],"encrypted_content":"gAAAASEALED"},{"role":"assistant","content":"a"},{"role":"user","content":"v"}]}]]))
    assert.is_nil(text:find "SEALED")
    assert.is_nil(text:find "hm")
  end)

  it("give Gemini the thoughts of its calls and texts back", function()
    local text = assert(wire.encode { client = "responses", vendor = "gemini", model = "gemini-3-pro", body = [[{"model":"m",
      "tools":[{"type":"function","name":"f"}],"input":[{"role":"user","content":"u"},{"role":"assistant","content":"t"},
      {"type":"reasoning","summary":[],"encrypted_content":"gemini-text:VEVYVA=="},
      {"type":"reasoning","summary":[],"encrypted_content":"gemini:Q0FMTA=="},
      {"type":"function_call","call_id":"a","name":"f","arguments":"{}"},{"type":"function_call","call_id":"b","name":"f","arguments":"{}"},
      {"type":"function_call_output","call_id":"a","output":"1"},{"type":"function_call_output","call_id":"b","output":"2"}]}]] })
    local parts = json.decode(text).contents[2].parts
    assert.same({ "t", "VEVYVA==" }, { parts[1].text, parts[1].thoughtSignature })
    assert.same({ "f", "Q0FMTA==" }, { parts[2].functionCall.name, parts[2].thoughtSignature })
    assert.equal("f", parts[3].functionCall.name)
    assert.not_equal("Q0FMTA==", parts[3].thoughtSignature)
  end)

  it("of hosted tools are left out and named", function()
    local got, dropped = sent [[{"model":"m","input":[{"role":"user","content":[{"type":"input_text","text":"u"},{"type":"computer_screenshot"}]},
      {"type":"web_search_call","id":"ws_1","status":"completed"},{"type":"web_search_call","id":"ws_2"},{"type":"mcp_call","id":"m"},
      {"type":"Odd, name\r\n"},{"role":"user","content":"v"}]}]]
    assert.equal(2, #got.messages)
    assert.equal("content[computer_screenshot], input[web_search_call], input[mcp_call], input", dropped)
  end)
end)

describe("tools", function()
  it("are flat, and those of other houses are left out and named", function()
    local got, dropped = sent(asks [["tools":[{"type":"web_search"},{"type":"function","name":"f","description":"d","parameters":{"type":"object"}},
      {"type":"file_search"},{"type":"web_search"}],"tool_choice":{"type":"web_search"}]])
    assert.equal("tools[web_search], tools[file_search], tool_choice[web_search]", dropped)
    assert.same({ { type = "function", ["function"] = { name = "f", description = "d", parameters = { type = "object" } } } }, got.tools)
    assert.is_nil(got.tool_choice)
  end)

  it("are not chosen from where none is left", function()
    local got, dropped = sent(asks [["tools":[{"type":"web_search"}],"tool_choice":"required","parallel_tool_calls":true]])
    assert.same({}, { got.tools, got.tool_choice, got.parallel_tool_calls })
    assert.equal("tools[web_search], tool_choice", dropped)
  end)

  it("are chosen as in chat", function()
    local tools = '"tools":[{"type":"function","name":"f"},{"type":"function","name":"g"},{"type":"custom","name":"patch"}],"tool_choice":'
    assert.equal("required", sent(asks(tools .. '"required"')).tool_choice)
    assert.same({ type = "function", ["function"] = { name = "g" } }, sent(asks(tools .. '{"type":"function","name":"g"}')).tool_choice)
    assert.same({ type = "function", ["function"] = { name = "patch" } }, sent(asks(tools .. '{"type":"custom","name":"patch"}')).tool_choice)
    local got = sent(asks(tools .. '{"type":"allowed_tools","mode":"required","tools":[{"type":"function","name":"g"}]}'))
    assert.same({ "required", 1, "g" }, { got.tool_choice, #got.tools, got.tools[1]["function"].name })
    assert.equal("tool_choice", refused(asks(tools .. '"some"')).param)
    assert.equal("tool_choice", refused(asks(tools .. '{"type":"function"}')).param)
  end)

  it("that take text become functions with one argument", function()
    local got = sent(asks [["tools":[{"type":"custom","name":"apply_patch","description":"Edit files",
      "format":{"type":"grammar","syntax":"lark","definition":"start: \"x\"\n"}}],"stream":false]])
    local tool = got.tools[1]["function"]
    assert.equal("apply_patch", tool.name)
    assert.equal('Edit files\n\nThe input must match this lark grammar:\nstart: "x"\n', tool.description)
    assert.same({ type = "object", properties = { input = { type = "string" } }, required = { "input" }, additionalProperties = false }, tool.parameters)
  end)

  it("that take text are remembered as they were called", function()
    local got = messages [[ [{"role":"user","content":"u"},{"type":"custom_tool_call","call_id":"c","name":"apply_patch","input":"*** \"Begin\"\n\\ ☃"},
      {"type":"custom_tool_call_output","call_id":"c","output":"Done"}] ]]
    assert.same({ input = '*** "Begin"\n\\ ☃' }, json.decode(got[2].tool_calls[1]["function"].arguments))
    assert.same({ "tool", "c", "Done" }, { got[3].role, got[3].tool_call_id, got[3].content })
  end)
end)

describe("parameters", function()
  it("go on under their names in chat", function()
    local got, dropped = sent(asks [=["max_output_tokens":77,"top_p":0.9,"parallel_tool_calls":false,"tools":[{"type":"function","name":"f"}],
      "reasoning":{"effort":"high","summary":"auto"},"text":{"format":{"type":"json_object"},"verbosity":"low"},"service_tier":"auto",
      "safety_identifier":"s","prompt_cache_key":"k","metadata":{"a":"b"},"user":"u","store":false,"truncation":"disabled",
      "include":["reasoning.encrypted_content"]]=])
    assert.same({ 77, 0.9, false, "high", "json_object", "low", "auto", "s", "k", "b", "u" },
      { got.max_completion_tokens, got.top_p, got.parallel_function_calling, got.reasoning_effort, got.response_format.type, got.verbosity,
        got.service_tier, got.safety_identifier, got.prompt_cache_key, got.metadata.a, got.user })
    for _, name in ipairs { "store", "truncation", "include", "input", "instructions", "text", "reasoning" } do
      assert.is_nil(got[name], name)
    end
    assert.equal("", dropped)
  end)

  it("that no other wire carries are named", function()
    local _, dropped = sent(asks [["truncation":"auto","max_tool_calls":3,"include":["file_search_call.results"],"client_metadata":{"a":"b"},
      "Odd\\r\\nname":1,"unsaid":null,"stream_options":{"include_obfuscation":false},"store":false,"routing_strategy":"weighted","provider":"xai"]])
    assert.equal("client_metadata, unknown, truncation, max_tool_calls, include", dropped)
    assert.equal("provider", select(2, sent(asks [["provider":{"order":["x"]}]])))
    assert.equal("text.format.type", refused(asks '"text":{"format":{"type":"grammar"}}').param)
  end)
end)

-- ------------------------------------------------------------------ answers in this dialect

--- A stream of chat chunks -> the client's events.
local function chunk(delta, finish)
  return ('data: {"id":"c","object":"chat.completion.chunk","created":5,"model":"up","choices":[{"index":0,"delta":%s,"finish_reason":%s}]}\n\n')
    :format(delta, finish and ('"%s"'):format(finish) or "null")
end
local USAGE = 'data: {"id":"c","created":5,"model":"up","choices":[],"usage":{"prompt_tokens":10,"completion_tokens":4,"total_tokens":14,'
  .. '"prompt_tokens_details":{"cached_tokens":6}}}\n\n'
local DONE = USAGE .. "data: [DONE]\n\n"

local function answer(pieces, fields)
  return wire.answer(with({ client = "responses", vendor = "xai", model = "m", id = ID, created = 5, stream = true, pieces = pieces,
    request = asks '"stream":true' }, fields))
end

--- Events of a stream, checked for what must hold of all of them.
local function heard(text, fields)
  local got = answer({ text }, fields)
  local events = stream.events((got.out or "") .. (got.failure and got.content and got.failure.body or ""))
  local items = {}
  for i, event in ipairs(events) do
    local data = event.data
    assert.equal(event.event, data.type)
    assert.equal(i - 1, data.sequence_number)
    if data.type == "response.output_item.added" then
      assert.equal(#items, data.output_index)
      items[#items + 1] = data.item.id
    elseif data.output_index then
      assert.equal(items[data.output_index + 1], data.item_id or data.item.id)
    end
  end
  local last = events[#events] and events[#events].data.response
  for i, item in ipairs(last and last.output or {}) do
    assert.equal(items[i], item.id)
  end
  return events, last, got
end

local function types(events)
  local list = {}
  for i, event in ipairs(events) do
    list[i] = event.event:gsub("^response%.", "")
  end
  return list
end

local function custom_call(arguments)
  return chunk('{"tool_calls":[{"index":0,"id":"call_1","function":{"name":"apply_patch","arguments":""}}]}')
    .. chunk('{"tool_calls":[{"index":0,"function":{"arguments":' .. json.encode(arguments) .. "}}]}") .. chunk("{}", "tool_calls") .. DONE
end

describe("an answer", function()
  it("says the same whole and streamed", function()
    local body = [[{"id":"c","object":"chat.completion","created":5,"model":"up","choices":[{"index":0,"message":{"role":"assistant",
      "reasoning_content":"hm","content":"Hello","tool_calls":[{"id":"call_1","type":"function","function":{"name":"f","arguments":"{\"a\":1}"}}]},
      "finish_reason":"tool_calls"}],"usage":{"prompt_tokens":10,"completion_tokens":4,"total_tokens":14,
      "prompt_tokens_details":{"cached_tokens":6}}}]]
    local whole = json.decode(wire.answer({ client = "responses", vendor = "xai", model = "m", id = ID, created = 5, body = body,
      request = asks '"stream":true' }).out)
    local _, last = heard(chunk '{"reasoning_content":"hm"}' .. chunk '{"content":"Hel"}' .. chunk '{"content":"lo"}'
      .. chunk [[{"tool_calls":[{"index":0,"id":"call_1","function":{"name":"f","arguments":"{\"a\":1}"}}]}]] .. chunk("{}", "tool_calls") .. DONE)
    assert.same(whole, last)
    assert.equal("resp_" .. ID, whole.id)
    assert.same({ "completed", 10, 6, 4, 14 }, { whole.status, whole.usage.input_tokens, whole.usage.input_tokens_details.cached_tokens,
      whole.usage.output_tokens, whole.usage.total_tokens })
  end)

  it("repeats what was asked", function()
    local asked = [[{"model":"m","input":"Hi","instructions":"Be
 brief","tools":[
      {"type":"function","name":"f"}],"tool_choice":"none","temperature":0.1,"top_p":1,"max_output_tokens":9,"reasoning":{"effort":"low"},
      "text":{"verbosity":"low"},"store":true,"metadata":{"a":"b"},"user":"u","parallel_tool_calls":false,"service_tier":"flex"}]]
    asked = asked:gsub("Be\n", "Be\\n")
    local _, last = heard(chunk('{"content":"a"}', "stop") .. DONE, { request = asked })
    local expected = json.decode(asked)
    for _, name in ipairs { "instructions", "tools", "tool_choice", "temperature", "top_p", "max_output_tokens", "metadata", "user",
      "parallel_tool_calls", "service_tier" } do
      assert.same(expected[name], last[name], name)
    end
    assert.same({ effort = "low", summary = cjson.null }, last.reasoning)
    assert.same({ format = { type = "text" }, verbosity = "low" }, last.text)
    assert.is_false(last.store) -- nothing is stored
    assert.same({ cjson.null, cjson.null, cjson.null }, { last.error, last.incomplete_details, last.previous_response_id })
  end)

  it("does not repeat what is too large to say three times", function()
    local asked = asks('"stream":true,"instructions":"' .. ("x"):rep(200 * 1024) .. '"')
    local events, last, got = heard(chunk('{"content":"a"}', "stop") .. DONE, { request = asked })
    assert.equal("response.completed", events[#events].event)
    assert.equal(cjson.null, last.instructions)
    assert.is_true(#got.out < 64 * 1024)
  end)

  it("without a word is an answer all the same", function()
    local events, last = heard(chunk("{}", "stop") .. DONE)
    assert.same({ "created", "in_progress", "completed" }, types(events))
    assert.same({}, last.output)
  end)

  it("says a refusal as one", function()
    local events, last = heard(chunk '{"refusal":"I "}' .. chunk '{"refusal":"will not"}' .. chunk("{}", "stop") .. DONE)
    assert.same({ "created", "in_progress", "output_item.added", "content_part.added", "refusal.delta", "refusal.delta", "refusal.done",
      "content_part.done", "output_item.done", "completed" }, types(events))
    assert.same({ { type = "refusal", refusal = "I will not" } }, last.output[1].content)
  end)

  it("that was cut says so, and where", function()
    local events, last = heard(chunk '{"content":"a"}' .. chunk("{}", "length") .. DONE)
    assert.equal("response.incomplete", events[#events].event)
    assert.same({ "incomplete", "max_output_tokens", "incomplete" }, { last.status, last.incomplete_details.reason, last.output[1].status })
    last = select(2, heard(chunk '{"content":"a"}' .. chunk("{}", "content_filter") .. DONE))
    assert.equal("content_filter", last.incomplete_details.reason)
    last = select(2, heard(chunk '{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{}"}}]}'
      .. chunk [[{"tool_calls":[{"index":1,"id":"b","function":{"name":"f","arguments":"{\"n\":"}}]}]] .. chunk("{}", "length") .. DONE))
    assert.same({ "completed", "incomplete" }, { last.output[1].status, last.output[2].status })
  end)

  it("that breaks off never looks like one", function()
    local events, last, got = heard(chunk '{"content":"Par"}' .. 'data: {"error":{"message":"boom","code":"rate_limit_exceeded"}}\n\n')
    assert.equal("response.failed", events[#events].event)
    assert.same({ "failed", "rate_limit_exceeded", "boom", "incomplete" }, { last.status, last.error.code, last.error.message, last.output[1].status })
    assert.is_false(got.ended)
    got = answer({ chunk '{"content":"Par"}' }, { wants_end = true })
    assert.is_false(got.ended)
    events = stream.events(got.out .. got.failure.body)
    assert.same({ "response.failed", #events - 1, "server_error" },
      { events[#events].event, events[#events].data.sequence_number, events[#events].data.response.error.code })
  end)

  it("keeps the pieces of calls apart that a provider mixes", function()
    local function piece(index, rest)
      return chunk(('{"tool_calls":[{"index":%d,%s}]}'):format(index, rest))
    end
    local _, last = heard(piece(0, '"id":"a","function":{"name":"f","arguments":""}') .. piece(1, '"id":"b","function":{"name":"g","arguments":""}')
      .. piece(0, [["function":{"arguments":"{\"x\":"}]]) .. piece(1, [["function":{"arguments":"{\"y\":2}"}]])
      .. piece(0, [["function":{"arguments":"1}"}]]) .. chunk("{}", "tool_calls") .. DONE)
    assert.same({ '{"x":1}', '{"y":2}' }, { last.output[1].arguments, last.output[2].arguments })
  end)

  it("gives a call without arguments an empty object", function()
    local events, last = heard(chunk '{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":""}}]}' .. chunk("{}", "tool_calls") .. DONE)
    assert.equal("{}", last.output[1].arguments)
    assert.equal("{}", events[4].data.delta)
  end)

  it("calls a tool that takes text with text", function()
    local request = asks [=["stream":true,"tools":[{"type":"function","name":"f"},{"type":"custom","name":"apply_patch"}]]=]
    for arguments, input in pairs {
      [ [[{"input":"*** \"Begin\" ☃\n\\"}]] ] = '*** "Begin" ☃\n\\', ["*** plain"] = "*** plain", [ [[{"patch":1}]] ] = [[{"patch":1}]], [""] = "",
    } do
      local events, last = heard(custom_call(arguments), { request = request })
      local item = last.output[1]
      assert.same({ "custom_tool_call", "call_1", "apply_patch", input, "completed" },
        { item.type, item.call_id, item.name, item.input, item.status })
      assert.is_nil(item.arguments)
      assert.matches("^ctc_", item.id)
      assert.same(input == "" and { "output_item.added", "custom_tool_call_input.done", "output_item.done" } or
        { "output_item.added", "custom_tool_call_input.delta", "custom_tool_call_input.done", "output_item.done" },
        { table.unpack(types(events), 3, #events - 1) })
    end
  end)

  it("seals Claude's reasoning, and takes it back", function()
    local function event(name, data)
      return ("event: %s\ndata: %s\n\n"):format(name, data)
    end
    local text = event("message_start", '{"type":"message_start","message":{"id":"m","model":"c","usage":{"input_tokens":3,"output_tokens":1}}}')
      .. event("content_block_start", '{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":""}}')
      .. event("content_block_delta", '{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"let me \\"see\\""}}')
      .. event("content_block_delta", '{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"c2ln+/=="}}')
      .. event("content_block_stop", '{"type":"content_block_stop","index":0}')
      .. event("content_block_start", '{"type":"content_block_start","index":1,"content_block":{"type":"redacted_thinking","data":"b3BhcXVl"}}')
      .. event("content_block_stop", '{"type":"content_block_stop","index":1}')
      .. event("content_block_start", '{"type":"content_block_start","index":2,"content_block":{"type":"tool_use","id":"t","name":"f","input":{}}}')
      .. event("content_block_stop", '{"type":"content_block_stop","index":2}')
      .. event("message_delta", '{"type":"message_delta","delta":{"stop_reason":"tool_use"},"usage":{"output_tokens":9}}')
      .. event("message_stop", '{"type":"message_stop"}')
    local _, last = heard(text, { vendor = "anthropic", model = "claude-sonnet-4-5" })
    assert.same({ "claude:c2ln+/==", "claude-redacted:b3BhcXVl", "function_call" },
      { last.output[1].encrypted_content, last.output[2].encrypted_content, last.output[3].type })
    assert.equal('let me "see"', last.output[1].summary[1].text)
    local input = { { role = "user", content = "u" } }
    table.move(last.output, 1, #last.output, 2, input)
    input[#input + 1] = { type = "function_call_output", call_id = "t", output = "1" }
    local back = json.decode((assert(wire.encode { client = "responses", vendor = "anthropic", model = "claude-sonnet-4-5", body = json.encode {
      model = "m", input = input, reasoning = { effort = "low" }, max_output_tokens = 9000, tools = { { type = "function", name = "f" } } } })))
    assert.same({ type = "thinking", thinking = 'let me "see"', signature = "c2ln+/==" }, back.messages[2].content[1])
    assert.same({ type = "redacted_thinking", data = "b3BhcXVl" }, back.messages[2].content[2])
  end)

  it("fails before its first word as every other route does", function()
    local body, status = wire.failure { client = "responses", kind = "rate_limited", message = "slow down" }
    assert.equal(429, status)
    assert.same({ message = "slow down", type = "rate_limit_error", param = cjson.null, code = "rate_limit_exceeded" }, json.decode(body).error)
    local event = stream.events((wire.failure { client = "responses", kind = "context_length", message = "long", stream = true }))[1]
    local nested = event.data.error -- as OpenAI sends it; its SDKs raise for this one only
    assert.same({ "error", "error", "context_length_exceeded", "long" }, { event.event, event.data.type, event.data.code, event.data.message })
    assert.same({ "invalid_request_error", "context_length_exceeded", "long", cjson.null },
      { nested.type, nested.code, nested.message, nested.param })
  end)
end)

-- ------------------------------------------------------------------ a provider that speaks it

describe("the same bytes", function()
  local function edited(body, model)
    return wire.edited { client = "responses", vendor = "openai", model = model or "gpt-x", body = body }
  end

  it("go to OpenAI with its model's name and without our own fields", function()
    assert.equal('{"model":"gpt-x","input": [ {"role":"user","content":"a"} ],"tools":[ ]}',
      edited('{"routing_strategy":"weighted","model":"openai/gpt-x","input": [ {"role":"user","content":"a"} ],"fallback":true,"tools":[ ]}'))
    local body = '{"model":"gpt-x","input":"a","previous_response_id":"resp_1","store":true,"stream":true}'
    assert.equal(body, edited(body))
  end)

  it("go without reasoning that another provider sealed", function()
    local items = '{"role":"user","content":"u"}, %s{"type":"reasoning","id":"rs_9","summary":[],"encrypted_content":"gAAAAB"},{"role":"user","content":"v"}'
    local ours = '{"type":"reasoning","id":"rs_1","summary":[],"encrypted_content":"%s"},'
    local all = ours:format "claude:x" .. ours:format "claude-redacted:x" .. ours:format "gemini:x" .. ours:format "gemini-text:x"
    local got = json.decode(edited('{"input":[' .. items:format(all) .. '],"model":"openai/gpt-x"}'))
    assert.same(json.decode("[" .. items:format "" .. "]"), got.input)
    assert.equal("gpt-x", got.model)
  end)

  it("are asked for at its own path", function()
    local url, headers = wire.head { client = "responses", vendor = "openai", origin = "https://api.openai.com", path = "/v1", model = "m", key = "k" }
    assert.equal("https://api.openai.com/v1/responses", url)
    assert.equal("Authorization: Bearer k\r\n", headers)
    assert.is_true(wire.passes { client = "responses", vendor = "openai" })
    assert.is_false(wire.passes { client = "responses", vendor = "groq" })
  end)
end)

local function native(type, fields)
  return ('event: %s\ndata: {"type":"%s","sequence_number":0%s}\n\n'):format(type, type, fields and "," .. fields or "")
end
local BEGUN = native("response.created", '"response":{"id":"resp_9","model":"gpt-x-1","created_at":7,"status":"in_progress","output":[]}')
local SPENT = '"usage":{"input_tokens":10,"input_tokens_details":{"cached_tokens":4},"output_tokens":6,"output_tokens_details":{"reasoning_tokens":2},'
  .. '"total_tokens":16}'

local function over(type, status, rest)
  return native(type, ('"response":{"id":"resp_9","model":"gpt-x-1","created_at":7,"status":"%s","error":null,%s,%s}'):format(status,
    rest or '"incomplete_details":null', SPENT))
end

local function tapped(text, fields)
  return answer({ text }, with({ vendor = "openai", pass = true }, fields))
end

describe("an answer that passes", function()
  local TEXT = native("response.output_text.delta", '"item_id":"msg","output_index":0,"content_index":0,"delta":"Hel"')

  it("goes back as it came, and is counted", function()
    local text = BEGUN .. ": keep-alive\n\n" .. TEXT .. native("response.web_search_call.searching", '"output_index":1')
      .. over("response.completed", "completed")
    local got = tapped(text)
    assert.equal((text:gsub(": keep%-alive\n\n", "")), got.out)
    assert.is_true(got.ended)
    assert.equal("stop", got.finish)
    assert.same({ input = 6, cache_read = 4, cache_write = -1, output = 6, reasoning = 2 }, got.usage)
  end)

  it("gives the same however it is cut", function()
    local text = BEGUN .. TEXT .. over("response.completed", "completed")
    for _, pieces in ipairs(stream.cuts(text)) do
      local got = answer(pieces, { vendor = "openai", pass = true })
      assert.same({ text, true, 6 }, { got.out, got.ended, got.usage.output })
    end
  end)

  it("ends as its last event says", function()
    assert.equal("length", tapped(BEGUN .. TEXT .. over("response.incomplete", "incomplete", '"incomplete_details":{"reason":"max_output_tokens"}')).finish)
    assert.equal("content_filter",
      tapped(BEGUN .. TEXT .. over("response.incomplete", "incomplete", '"incomplete_details":{"reason":"content_filter"}')).finish)
    local item = '"output_index":0,"item":{"type":"function_call","id":"fc","call_id":"c","name":"f","arguments":"{}"}'
    local got = tapped(BEGUN .. native("response.output_item.added", item) .. native("response.output_item.done", item)
      .. over("response.completed", "completed"))
    assert.same({ true, "tool_calls" }, { got.content, got.finish })
  end)

  it("is no success without its end", function()
    for _, tail in ipairs { "", "data: [DONE]\n\n", native "response.output_text.done", over("response.completed", "in_progress"),
      over("response.completed", "queued") } do
      assert.is_false(tapped(BEGUN .. TEXT .. tail).ended)
    end
    assert.is_false(tapped(BEGUN .. TEXT .. over("response.completed", "completed"):sub(1, 60)).ended)
  end)

  it("fails where it says so", function()
    local failed = native("response.failed", '"response":{"id":"resp_9","status":"failed","error":{"code":"rate_limit_exceeded","message":"Slow down"}}')
    local got = tapped(BEGUN .. failed)
    assert.same({ "rate_limited", "Slow down", "refused" }, { got.failure.kind, got.failure.message, got.failure.sent })
    assert.equal("content_started", tapped(BEGUN .. TEXT .. failed).failure.sent)
    got = tapped(BEGUN .. native("error", '"code":"server_error","message":"Broke","param":null'))
    assert.same({ false, "Broke" }, { got.ended, got.failure.message })
    assert.truthy(tapped(BEGUN .. "data: {nonsense\n\n").failure)
  end)

  it("whole is read as well", function()
    local function whole(body, fields)
      return wire.answer(with({ client = "responses", vendor = "openai", model = "m", body = body }, fields or { pass = true }))
    end
    local body = [[{"id":"resp_9","object":"response","created_at":7,"model":"gpt-x-1","status":"completed","error":null,"output":[
      {"type":"reasoning","summary":[{"type":"summary_text","text":"hm"}]},{"type":"message","content":[{"type":"output_text","text":"Hello"}]},
      {"type":"custom_tool_call","call_id":"c","name":"apply_patch","input":"*** \"x\"\n"}],]] .. SPENT .. "}"
    local got = whole(body)
    assert.same({ true, "tool_calls", 6 }, { got.ended, got.finish, got.usage.output })
    local again = json.decode(whole(body, { id = ID, request = asks '"tools":[{"type":"custom","name":"apply_patch"}]' }).out)
    assert.same({ "hm", "Hello", '*** "x"\n' }, { again.output[1].summary[1].text, again.output[2].content[1].text, again.output[3].input })
    for _, bad in ipairs { "", "<html>", "{", "[]", '{"status":"queued"}', '{"object":"response"}',
      '{"status":"failed","error":{"code":"server_error","message":"x"}}' } do
      got = whole(bad)
      assert.is_false(got.ended, bad)
      assert.truthy(got.failure, bad)
    end
  end)

  it("never counts less than nothing", function()
    local function usage(output)
      return tapped(BEGUN .. TEXT .. native("response.completed", '"response":{"id":"r","status":"completed","usage":{"input_tokens":3,' ..
        '"input_tokens_details":{"cached_tokens":9},"output_tokens":' .. output .. ',"output_tokens_details":{"reasoning_tokens":7}}}')).usage
    end
    assert.same({ 0, 3, 0 }, { usage(0).input, usage(0).cache_read, usage(0).output })
    assert.is_nil(usage(-5))
  end)
end)
