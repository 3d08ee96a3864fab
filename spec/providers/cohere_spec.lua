--- Cohere's second API: what a request becomes, and what its answers say. The fixtures hold the common cases; here are the edges.

local cjson = require "cjson"
local encoding = require "support.encoding"
local stream = require "support.stream"
local wire = require("gateway.runtime").wire

local json = cjson.new()

local MODEL, THINKER = "command-a-03-2025", "command-a-reasoning-08-2025"

-- ------------------------------------------------------------------ requests

local with = encoding.with
local _, decoded, complaint_about = encoding.of("cohere", MODEL)

--- What goes upstream for a body of OpenAI's dialect without its model, the names of what was left out, and the text itself.
local function sent(members, fields)
  return decoded('{"model":"x",' .. members .. "}", fields)
end

local function refused(members, fields)
  local complaint = complaint_about('{"model":"x",' .. members .. "}", fields)
  assert.equal("unsupported_parameter", complaint.kind)
  assert.is_string(complaint.message)
  return complaint.param
end

local HI = '"messages":[{"role":"user","content":"Hi"}]'
local TOOLS = [["tools":[{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object","properties":{}}}},
  {"type":"function","function":{"name":"g"}}] ]]

local function messages(list, fields)
  return (sent('"messages":' .. list, fields)).messages
end

describe("a request", function()
  it("says each parameter in the provider's words", function()
    local body, dropped = sent(HI .. [[,"max_tokens":5,"temperature":0,"top_p":0.5,"top_k":3,"seed":7,"stop":["a","b"],
      "presence_penalty":0.25,"frequency_penalty":0,"stream":true,"stream_options":{"include_usage":true}]])
    assert.same({ model = MODEL, stream = true, messages = { { role = "user", content = "Hi" } }, max_tokens = 5, temperature = 0, p = 0.5, k = 3,
      seed = 7, stop_sequences = { "a", "b" }, presence_penalty = 0.25, frequency_penalty = 0 }, body)
    assert.equal("", dropped)
  end)

  it("keeps numbers within the provider's bounds", function()
    for _, case in ipairs { { '"top_p":0', "p", 0.01 }, { '"top_p":1.0', "p", 0.99 }, { '"top_k":501', "k", 500 }, { '"top_k":0', "k", 0 },
      { '"presence_penalty":2', "presence_penalty", 1 }, { '"frequency_penalty":1e0', "frequency_penalty", 1 } } do
      local body, dropped = sent(HI .. "," .. case[1])
      assert.equal(case[3], body[case[2]], case[1])
      assert.equal("", dropped)
    end
  end)

  it("names what it cannot say", function()
    for param, members in pairs { presence_penalty = '"presence_penalty":-0.1', frequency_penalty = '"frequency_penalty":-2', seed = '"seed":-1',
      top_k = '"top_k":-1', user = '"user":"u"', metadata = '"metadata":{}', logprobs = '"logprobs":true', top_logprobs = '"top_logprobs":2',
      service_tier = '"service_tier":"flex"', logit_bias = '"logit_bias":{}', store = '"store":false', stop = '"stop":["1","2","3","4","5","6"]' } do
      local body, dropped = sent(HI .. "," .. members)
      assert.equal(param, dropped)
      assert.is_nil(body[param])
    end
    assert.equal(5, #sent(HI .. ',"stop":["1","2","3","4","5","6"]').stop_sequences)
    for _, members in ipairs { '"user":null', '"store":null', '"service_tier":"auto"', '"logprobs":false', '"parallel_tool_calls":true', '"n":1' } do
      assert.equal("", (select(2, sent(HI .. "," .. members))), members)
    end
    for _, n in ipairs { "2", "2.0", "3e0", "0" } do
      assert.equal("n", refused(HI .. ',"n":' .. n))
    end
  end)

  it("passes the provider's own fields on", function()
    local body, dropped = sent(HI .. [[,"safety_mode":"STRICT","documents":[{"data":{"text":"t"}}],"citation_options":{"mode":"FAST"},"priority":3]])
    assert.same({ "STRICT", { { data = { text = "t" } } }, { mode = "FAST" }, 3, "" },
      { body.safety_mode, body.documents, body.citation_options, body.priority, dropped })
  end)

  it("has a bound of tokens of the config's, and never more than the model has", function()
    assert.equal(9, sent(HI, { default_max_tokens = 9 }).max_tokens)
    assert.equal(8, sent(HI .. ',"max_tokens":9', { max_output = 8 }).max_tokens)
    assert.is_nil(sent(HI).max_tokens)
  end)
end)

describe("reasoning", function()
  local function thinking(members, fields)
    return sent(HI .. "," .. members, with({ model = THINKER }, fields)).thinking
  end

  it("is switched on and off, with a budget where the config has one", function()
    local budgets = { reasoning_budgets = { low = 512, xhigh = 9000 } }
    assert.same({ type = "disabled" }, thinking('"reasoning_effort":"none"', budgets))
    assert.same({ type = "enabled" }, thinking('"reasoning_effort":"high"', budgets))
    assert.same({ type = "enabled", token_budget = 512 }, thinking('"reasoning_effort":"low"', budgets))
    assert.same({ type = "enabled", token_budget = 9000 }, thinking('"reasoning_effort":"max"', budgets))
    assert.same({ type = "enabled", token_budget = 77 }, thinking('"thinking":{"type":"enabled","budget_tokens":77}', budgets))
    assert.same({ type = "disabled" }, thinking '"thinking":{"type":"disabled"}')
    assert.is_nil(sent(HI, { model = THINKER }).thinking)
  end)

  it("is not asked of a model that has none", function()
    local body, dropped = sent(HI .. ',"reasoning_effort":"high"', { capabilities = 1 })
    assert.same({ nil, "reasoning_effort" }, { body.thinking, dropped })
    body, dropped = sent(HI .. ',"reasoning_effort":"none"', { capabilities = 1 })
    assert.same({ nil, "" }, { body.thinking, dropped })
  end)

  it("goes back to models that have it, and as the plan of calls to others", function()
    local text = '[{"role":"user","content":"u"},{"role":"assistant","content":"a","reasoning_content":"r"}]'
    assert.same({ { type = "thinking", thinking = "r" }, { type = "text", text = "a" } }, messages(text, { model = THINKER })[2].content)
    assert.equal("a", messages(text)[2].content)
    assert.equal("a", sent('"reasoning_effort":"none","messages":' .. text, { model = THINKER }).messages[2].content)
    local call = [[{"role":"user","content":"u"},{"role":"assistant","content":null,"reasoning_content":"r",
      "tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":""}}]},{"role":"tool","tool_call_id":"1","content":"x"}]]
    local said = messages("[" .. call .. "]")[2]
    assert.same({ "r", nil, "{}" }, { said.tool_plan, said.content, said.tool_calls[1]["function"].arguments })
    said = messages("[" .. call .. "]", { model = THINKER })[2]
    assert.is_nil(said.tool_plan)
    assert.same({ { type = "thinking", thinking = "r" } }, said.content)
  end)
end)

describe("messages", function()
  it("keep their order and their roles, and join their texts", function()
    assert.same({
      { role = "system", content = "a" }, { role = "user", content = 'b"\u{e9}\nc' }, { role = "assistant", content = "no" },
      { role = "system", content = "d" },
    }, messages [[[{"role":"developer","content":[{"type":"text","text":"a"}]},{"role":"system","content":""},
      {"role":"user","content":[{"type":"text","text":"b\"\u00e9"},{"type":"text","text":"\nc"}]},{"role":"assistant","content":""},
      {"role":"assistant","content":null,"refusal":"no"},{"role":"system","content":"d"}] ]])
  end)

  it("have pictures as the client sent them", function()
    local content = messages([[[{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://a/b.png","detail":"low"}},{"type":"text","text":""},
      {"type":"text","text":"t"},{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}}]}] ]])[1].content
    assert.same({ { type = "image_url", image_url = { url = "https://a/b.png", detail = "low" } }, { type = "text", text = "t" },
      { type = "image_url", image_url = { url = "data:image/png;base64,AAAA" } } }, content)
  end)

  it("say what a tool gave, and that a result was lost", function()
    local list = messages [[[{"role":"user","content":"u"},{"role":"assistant","content":"plan","tool_calls":[
      {"id":"1","type":"function","function":{"name":"f","arguments":"{\"a\":1}"}},{"id":"2","type":"function","function":{"name":"g","arguments":"{}"}}]},
      {"role":"tool","tool_call_id":"2","content":[{"type":"text","text":"x"},{"type":"text","text":"y"}]},{"role":"user","content":"v"}] ]]
    assert.equal("plan", list[2].tool_plan)
    assert.is_nil(list[2].content)
    assert.same({ { id = "1", type = "function", ["function"] = { name = "f", arguments = '{"a":1}' } },
      { id = "2", type = "function", ["function"] = { name = "g", arguments = "{}" } } }, list[2].tool_calls)
    assert.same({ { role = "tool", tool_call_id = "1", content = "No result" }, { role = "tool", tool_call_id = "2", content = "xy" },
      { role = "user", content = "v" } }, { list[3], list[4], list[5] })
    assert.equal(5, #list)
  end)

  it("find their results however many there are", function()
    assert.equal(4002, #(sent(encoding.many_calls(4000))).messages)
  end)

  it("have a placeholder where the config wants one", function()
    assert.equal("…", messages('[{"role":"user","content":""}]', { empty_text_placeholder = "…" })[1].content)
    assert.equal("", messages('[{"role":"user","content":""}]')[1].content)
  end)

  it("are refused where they hold what cannot be read here", function()
    assert.equal("messages", refused '"messages":[{"role":"user","content":[{"type":"input_audio","input_audio":{"data":"AA","format":"wav"}}]}]')
    assert.equal("messages", refused '"messages":[{"role":"user","content":[{"type":"file","file":{"file_data":"data:application/pdf;base64,AA"}}]}]')
    assert.equal("messages", refused [["messages":[{"role":"tool","tool_call_id":"1","content":[{"type":"image_url","image_url":{"url":"https://a"}}]}] ]])
  end)

  it("lose their cache markers, said once", function()
    local part = '{"type":"text","text":"a","cache_control":{"type":"ephemeral"}}'
    assert.equal("cache_control", (select(2, sent(('"messages":[{"role":"user","content":[%s,%s]}]'):format(part, part)))))
  end)
end)

describe("tools", function()
  it("are said as they are", function()
    local body = sent(HI .. "," .. TOOLS)
    assert.same({ type = "function", ["function"] = { name = "f", description = "d", parameters = { type = "object", properties = {} } } }, body.tools[1])
    assert.same({ type = "object", properties = {} }, body.tools[2]["function"].parameters)
    assert.is_nil(body.tool_choice)
    assert.is_nil(body.strict_tools)
    assert.is_true(sent(HI .. ',"tools":[{"type":"function","function":{"name":"f","strict":true}}]').strict_tools)
  end)

  it("are chosen as the client says", function()
    for choice, expected in pairs { ['"auto"'] = false, ['"required"'] = "REQUIRED", ['"none"'] = "NONE" } do
      local body = sent(HI .. "," .. TOOLS .. ',"tool_choice":' .. choice)
      assert.equal(expected, body.tool_choice or false)
      assert.equal(2, #body.tools)
    end
    local body = sent(HI .. "," .. TOOLS .. ',"tool_choice":{"type":"function","function":{"name":"g"}}')
    assert.same({ "REQUIRED", 1, "g" }, { body.tool_choice, #body.tools, body.tools[1]["function"].name })
    assert.equal("tool_choice", refused(HI .. "," .. TOOLS .. ',"tool_choice":{"type":"function","function":{"name":"h"}}'))
    assert.equal("tools", refused(HI .. ',"tools":[{"type":"web_search"}]'))
    assert.is_nil(sent(HI .. ',"tool_choice":"required"').tool_choice)
    assert.equal("parallel_tool_calls", (select(2, sent(HI .. "," .. TOOLS .. ',"parallel_tool_calls":false'))))
  end)

  it("have names that are allowed, and the client its own again", function()
    local request = '{"model":"x",' .. HI .. ',"tools":[{"type":"function","function":{"name":"mcp-get.it"}},{"type":"function","function":{"name":"3d"}}]}'
    local body = json.decode((wire.encode { vendor = "cohere", model = MODEL, body = request }))
    local names = { body.tools[1]["function"].name, body.tools[2]["function"].name }
    for i, own in ipairs { "mcp-get.it", "3d" } do
      assert.matches("^[%a_][%w_]*$", names[i])
      local answer = wire.answer { vendor = "cohere", model = MODEL, request = request, id = "i", body = ([[{"id":"1","finish_reason":"TOOL_CALL",
        "message":{"tool_calls":[{"id":"c","type":"function","function":{"name":"%s","arguments":"{}"}}]}}]]):format(names[i]) }
      assert.equal(own, json.decode(answer.out).choices[1].message.tool_calls[1]["function"].name)
    end
  end)
end)

describe("a format", function()
  local SCHEMA = '"response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{"type":"object","required":["a"]}}}'

  it("is an object, by a schema where there is one", function()
    assert.same({ type = "json_object" }, sent(HI .. ',"response_format":{"type":"json_object"}').response_format)
    assert.same({ type = "json_object", json_schema = { type = "object", required = { "a" } } }, sent(HI .. "," .. SCHEMA).response_format)
    assert.is_nil(sent(HI .. ',"response_format":{"type":"text"}').response_format)
  end)

  it("gives way to tools and documents, and stands where no tool may be called", function()
    for _, other in ipairs { TOOLS, '"documents":["d"]' } do
      local body, dropped = sent(HI .. "," .. SCHEMA .. "," .. other)
      assert.same({ nil, "response_format" }, { body.response_format, dropped })
    end
    local body, dropped = sent(HI .. "," .. SCHEMA .. "," .. TOOLS .. ',"tool_choice":"none"')
    assert.is_nil(body.tools)
    assert.is_table(body.response_format)
    assert.equal("", dropped)
  end)
end)

-- ------------------------------------------------------------------ embeddings

describe("embeddings", function()
  local function embed(members, fields)
    local body, dropped = wire.encode(with({ client = "embeddings", vendor = "cohere", model = "embed-v4.0", body = '{"model":"x",' .. members .. "}" },
      fields))
    return body and json.decode(body), dropped
  end

  it("say what they are for", function()
    assert.same({ model = "embed-v4.0", texts = { "a", "b\n" }, input_type = "search_document", embedding_types = { "float" } }, embed '"input":["a","b\\n"]')
    assert.equal("clustering", embed('"input":"a"', { default_input_type = "clustering" }).input_type)
    assert.equal("search_query", embed('"input":"a","input_type":"search_query"', { default_input_type = "clustering" }).input_type)
    assert.equal(256, embed('"input":"a","dimensions":256').output_dimension)
    assert.equal("user", (select(2, embed '"input":"a","user":"u"')))
  end)

  it("are of 96 texts at most", function()
    assert.equal(96, #embed('"input":[' .. ('"a",'):rep(95) .. '"a"]').texts)
    local body, complaint = embed('"input":[' .. ('"a",'):rep(96) .. '"a"]')
    assert.is_nil(body)
    assert.same({ "unsupported_parameter", "input" }, { complaint.kind, complaint.param })
  end)

  it("come back in order, with their tokens", function()
    local got = wire.answer { client = "embeddings", vendor = "cohere", model = "embed-v4.0", request = '{"input":["a","b"]}', id = "i",
      body = '{"id":"e","embeddings":{"float":[[0.5,-1e-3],[1,2]]},"meta":{"billed_units":{"input_tokens":4.0}}}' }
    local body = json.decode(got.out)
    assert.same({ { 0, { 0.5, -0.001 } }, { 1, { 1, 2 } } }, { { body.data[1].index, body.data[1].embedding }, { body.data[2].index, body.data[2].embedding } })
    assert.same({ "embed-v4.0", 4 }, { body.model, body.usage.prompt_tokens })
    assert.is_true(got.ended)
  end)

  it("are none when they are not lists of numbers", function()
    for _, body in ipairs { "{}", '{"embeddings":{}}', '{"embeddings":{"float":[]}}', '{"embeddings":{"float":[[]]}}', '{"embeddings":{"float":[["a"]]}}',
      '{"embeddings":{"float":[[1],null]}}', '{"embeddings":[[1]]}', "[]", "<html>" } do
      local got = wire.answer { client = "embeddings", vendor = "cohere", model = "m", body = body, id = "i" }
      assert.same({ "unavailable", false }, { got.failure and got.failure.kind, got.ended }, body)
    end
  end)
end)

-- ------------------------------------------------------------------ whole answers

local function answer(body, fields)
  return wire.answer(with({ vendor = "cohere", model = MODEL, body = body, id = "i", created = 1 }, fields))
end

local function whole(message, reason, usage)
  return ('{"id":"c","finish_reason":"%s","message":%s,"usage":%s}'):format(reason, message, usage or "null")
end

local TEXT = '{"role":"assistant","content":[{"type":"text","text":"a"}]}'
local CALL = '{"tool_calls":[{"id":"t","type":"function","function":{"name":"f","arguments":%s}}]}'

describe("a whole answer", function()
  it("ends for the reason it says", function()
    for reason, finish in pairs { COMPLETE = "stop", STOP_SEQUENCE = "stop", MAX_TOKENS = "length", ERROR_TOXIC = "content_filter" } do
      local got = answer(whole(TEXT, reason))
      assert.is_nil(got.failure)
      assert.equal(finish, json.decode(got.out).choices[1].finish_reason)
    end
    for _, reason in ipairs { "TOOL_CALL", "COMPLETE" } do
      assert.equal("tool_calls", answer(whole(CALL:format '"{}"', reason)).finish)
    end
  end)

  it("is no answer without a reason that is an end", function()
    for reason, expected in pairs { ERROR = { "unavailable", 502 }, TIMEOUT = { "timeout", 504 }, USER_CANCEL = { "unavailable", 502 },
      SOMETHING_NEW = { "unavailable", 502 }, [""] = { "unavailable", 502 } } do
      local got = answer(whole(TEXT, reason))
      assert.same({ expected[1], expected[2], false }, { got.failure.kind, got.failure.status, got.ended }, reason)
    end
  end)

  it("is no answer when it is something else", function()
    for _, body in ipairs { "", " ", "<html>", "{", "[]", "{}", '{"message":"x"}', '{"message":[]}',
      '{"finish_reason":"COMPLETE"}', whole("null", "COMPLETE") } do
      local got = answer(body)
      assert.same({ "unavailable", false }, { got.failure and got.failure.kind, got.ended }, body)
    end
  end)

  it("has its thinking, its text, its plan and its calls", function()
    local got = answer(whole([[{"content":[{"type":"thinking","thinking":"t1 "},{"type":"text","text":"a\u00eb"},{"type":"new","x":1}],"tool_plan":"p",
      "tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":"{\"a\":\"\\\"\"}"}},{"id":"2","function":{"name":"g","arguments":null}},
      {"id":"3","function":{"name":"h","arguments":"null"}}],"citations":[{"start":0}]}]], "TOOL_CALL"))
    local message = json.decode(got.out).choices[1].message
    assert.same({ "a\u{eb}", "t1 p" }, { message.content, message.reasoning_content })
    local calls = {}
    for i, call in ipairs(message.tool_calls) do
      calls[i] = { call.id, call["function"].name, call["function"].arguments }
    end
    assert.same({ { "1", "f", '{"a":"\\""}' }, { "2", "g", "{}" }, { "3", "h", "{}" } }, calls)
  end)

  it("counts what the prompt had, floats and all", function()
    local function usage(text)
      return answer(whole(TEXT, "COMPLETE", text)).usage
    end
    assert.same({ input = 30, output = 5, cache_read = 70, cache_write = -1, reasoning = -1 },
      usage '{"billed_units":{"input_tokens":1.0},"tokens":{"input_tokens":100.0,"output_tokens":5.0},"cached_tokens":70.0}')
    assert.same({ input = 1, output = 2, cache_read = -1, cache_write = -1, reasoning = -1 }, usage '{"billed_units":{"input_tokens":1.0,"output_tokens":2}}')
    assert.equal(-1, usage('{"tokens":{"input_tokens":10,"output_tokens":5},"cached_tokens":11}').cache_read)
    for _, text in ipairs { "null", "{}", "[]", '{"tokens":{"input_tokens":10,"output_tokens":-5}}',
      '{"tokens":{"input_tokens":-1}}', '{"tokens":{"input_tokens":1.5}}', '{"tokens":{"input_tokens":"7"}}',
      '{"tokens":{"input_tokens":1e300}}' } do
      assert.is_nil(usage(text), text)
    end
  end)
end)

-- ------------------------------------------------------------------ streams

local function event(text)
  return ("event: %s\ndata: %s\n\n"):format(text:match '"type":"([%w-]+)"' or "message", text)
end

local function content(text)
  return event(('{"type":"content-delta","index":0,"delta":{"message":{"content":%s}}}'):format(text))
end

local function call_event(kind, index, text)
  return event(('{"type":"tool-call-%s","index":%d,"delta":{"message":{"tool_calls":%s}}}'):format(kind, index, text or "null"))
end

local START = event '{"type":"message-start","id":"c","delta":{"message":{"role":"assistant"}}}'

local USAGE = ',"usage":{"tokens":{"input_tokens":3.0,"output_tokens":4.0}}'

local function over(reason, more)
  return event(('{"type":"message-end","delta":{"finish_reason":"%s"%s}}'):format(reason, more or USAGE))
end

local function streamed(pieces, fields)
  if type(pieces) == "string" then
    pieces = { pieces }
  end
  return wire.answer(with({ vendor = "cohere", model = MODEL, stream = true, include_usage = true, pieces = pieces, id = "i", created = 1 }, fields))
end

describe("a stream", function()
  local FULL = START .. event '{"type":"debug","prompt":"x"}'
    .. event '{"type":"content-start","index":0,"delta":{"message":{"content":{"type":"thinking","thinking":"r"}}}}'
    .. content '{"thinking":"\\u00eb "}' .. event '{"type":"content-end","index":0}' .. content '{"text":"Zo\u{eb} \\ud83d\\ude00"}'
    .. event '{"type":"citation-start","index":0,"delta":{"message":{"citations":{"text":"Zo"}}}}'
    .. event '{"type":"tool-plan-delta","delta":{"message":{"tool_plan":"plan"}}}'
    .. call_event("start", 0, '{"id":"1","type":"function","function":{"name":"f","arguments":"{"}}')
    .. call_event("start", 1, '{"id":"2","function":{"name":"g"}}')
    .. call_event("delta", 0, '{"function":{"arguments":"\\"a\\""}}') .. call_event("delta", 1, '{"function":{"arguments":"null"}}')
    .. call_event("delta", 0, '{"function":{"arguments":":1}"}}') .. call_event("end", 0) .. call_event("end", 1)
    .. call_event("start", 0, '{"id":"3","function":{"name":"h","arguments":""}}') .. over "TOOL_CALL" .. "data: [DONE]\n\n"

  it("says everything that was in it", function()
    local got = streamed(FULL)
    assert.is_nil(got.failure)
    assert.same({ true, "tool_calls" }, { got.ended, got.finish })
    assert.same({ input = 3, output = 4, cache_read = -1, cache_write = -1, reasoning = -1 }, got.usage)
    assert.same({ text = "Zo\u{eb} \u{1f600}", reasoning = "r\u{eb} plan", done = true, calls = {
      { id = "1", name = "f", arguments = '{"a":1}' }, { id = "2", name = "g", arguments = "{}" }, { id = "3", name = "h", arguments = "{}" },
    } }, stream.gathered(got.out))
  end)

  it("says the same however it is cut", function()
    local first = streamed(FULL)
    for _, pieces in ipairs(stream.cuts(FULL)) do
      local got = streamed(pieces)
      assert.same({ first.out, first.ended, first.usage }, { got.out, got.ended, got.usage })
    end
  end)

  it("is complete with message-end only", function()
    local before = START .. content '{"text":"a"}' .. event '{"type":"content-end","index":0}'
    for _, tail in ipairs { "", "data: [DONE]\n\n", "event: message-end\n", event '{"type":"message-end","delta":{}}', event '{"type":"message-end"}' } do
      local got = streamed(before .. tail)
      assert.is_false(got.ended, tail)
      assert.falsy(got.out:find("[DONE]", 1, true))
    end
    assert.is_true(streamed(before .. over "COMPLETE").ended)
    local full = before .. over "COMPLETE"
    for len = 0, #full - 3 do
      assert.is_false(streamed(full:sub(1, len)).ended, len)
    end
  end)

  it("ends for the reason it says, or fails", function()
    for reason, finish in pairs { COMPLETE = "stop", STOP_SEQUENCE = "stop", MAX_TOKENS = "length", ERROR_TOXIC = "content_filter" } do
      assert.equal(finish, streamed(START .. content '{"text":"a"}' .. over(reason)).finish)
    end
    for _, case in ipairs { { "ERROR", ',"error":"out of memory"', "unavailable", "out of memory" }, { "TIMEOUT", "", "timeout" },
      { "TIMEOUT", ',"error":"too slow"', "timeout", "too slow" }, { "ERROR", ',"error":"too many tokens"', "context_length" }, { "ERROR", "", "unavailable" },
      { "NEW", "", "unavailable" } } do
      local got = streamed(START .. content '{"text":"a"}' .. over(case[1], case[2]) .. content '{"text":"b"}')
      assert.same({ case[3], "content_started", false }, { got.failure.kind, got.failure.sent, got.ended })
      assert.equal(case[4] or got.failure.message, got.failure.message)
      assert.falsy(got.out:find('"b"', 1, true))
    end
    assert.same({ "unavailable", "refused" }, { streamed(over("ERROR", ',"error":"x"')).failure.kind, streamed(over("ERROR", ',"error":"x"')).failure.sent })
  end)

  it("fails where it is damaged", function()
    for _, bad in ipairs { content '{"text":"a"}', over "COMPLETE", START .. "data: {\n\n", START .. "data: [1]\n\n",
      START .. call_event("delta", 0, '{"function":{"arguments":"{"}}'),
      event '{"message":"internal server error"}', START .. event '{"error":{"message":"x"}}' } do
      local got = streamed(bad .. over "COMPLETE")
      assert.same({ "unavailable", false }, { got.failure and got.failure.kind, got.ended }, bad)
    end
    local many = START
    for index = 1, 40 do
      many = many .. call_event("start", index, '{"id":"1","function":{"name":"f"}}')
    end
    assert.equal("unavailable", streamed(many .. over "TOOL_CALL").failure.kind)
  end)

  it("passes over what is new", function()
    local got = streamed(START .. event '{"type":"something-new","delta":{"message":{"content":{"text":"x"}}}}' .. content '{"image":"x"}' .. ": ping\n\n"
      .. content '{"text":"a"}' .. over "COMPLETE")
    assert.same({ true, "a" }, { got.ended, stream.gathered(got.out).text })
  end)
end)

-- ------------------------------------------------------------------ refusals, addresses

describe("a refusal", function()
  local function kind(status, message, headers)
    local failure = answer(cjson.encode { id = "e", message = message }, { status = status, headers = headers }).failure
    return failure.kind, failure.retry_after_s
  end

  it("is what its status and its words say", function()
    for _, case in ipairs {
      { 400, "too many tokens: total number of tokens in the prompt cannot exceed 256000", "context_length" }, { 400, "invalid request", "invalid_request" },
      { 401, "invalid api token", "auth" }, { 402, "billing", "quota" }, { 404, "model 'x' not found", "model_not_found" }, { 422, "bad", "invalid_request" },
      { 429, "You are using a Trial key, which is limited to 20 API calls / minute.", "rate_limited" },
      { 429, "You are using a Trial key, which is limited to 1000 API calls / month.", "quota" }, { 498, "blocked", "auth" },
      { 500, "internal", "unavailable" }, { 501, "not implemented", "unavailable" }, { 503, "down", "unavailable" }, { 503, "overloaded", "overloaded" },
      { 504, "slow", "timeout" },
    } do
      assert.equal(case[3], (kind(case[1], case[2])), case[1])
    end
    assert.same({ "rate_limited", 3 }, { kind(429, "slow down", { ["retry-after"] = "3" }) })
  end)
end)

describe("the address", function()
  it("is the operation's", function()
    local call = { vendor = "cohere", model = "m", key = "k", origin = "https://api.cohere.com", path = "/v2" }
    assert.same({ "https://api.cohere.com/v2/chat", "Authorization: Bearer k\r\n" }, { wire.head(call) })
    call.client = "embeddings"
    assert.equal("https://api.cohere.com/v2/embed", (wire.head(call)))
    assert.equal("cohere", wire.vendor("cohere_chat").name)
  end)

  it("counts no tokens", function()
    local body, complaint = wire.encode { client = "count_tokens", vendor = "cohere", model = "m",
      body = '{"model":"x","messages":[{"role":"user","content":"a"}]}' }
    assert.is_nil(body)
    assert.equal("model", complaint.param)
  end)
end)
