--- Anthropic's dialect towards the provider: what a chat becomes, and how its answers are read. The fixtures hold the common cases; here are the edges.

local cjson = require "cjson"
local encoding = require "support.encoding"
local wire = require("gateway.runtime").wire

local json = cjson.new()
local encode, sent = encoding.of("anthropic", "claude-sonnet-4-5")

--- The messages that `messages` (JSON text) become.
local function turns(messages, fields)
  return sent('{"model":"m","messages":' .. messages .. "}", fields).messages
end

local function with(fields, options)
  return sent('{"model":"m",' .. fields .. ',"messages":[{"role":"user","content":"u"}]}', options)
end

describe("a conversation", function()
  it("begins with the user and takes turns", function()
    local got = turns [[ [{"role":"assistant","content":"a"},{"role":"assistant","content":"b"},{"role":"user","content":"c"},
      {"role":"user","content":"d"}] ]]
    assert.same({
      { role = "user", content = { { type = "text", text = "." } } },
      { role = "assistant", content = { { type = "text", text = "a" }, { type = "text", text = "b" } } },
      { role = "user", content = { { type = "text", text = "c" }, { type = "text", text = "d" } } },
    }, got)
  end)

  it("has its system texts apart, wherever they stood", function()
    local body = sent [[{"model":"m","messages":[{"role":"system","content":"s"},{"role":"user","content":"u"},{"role":"developer","content":"d"}]}]]
    assert.same({ { type = "text", text = "s" }, { type = "text", text = "d" } }, body.system)
    assert.same({ { role = "user", content = "u" } }, body.messages)
    assert.equal("s", sent([[{"model":"m","messages":[{"role":"system","content":"s"},{"role":"user","content":"u"}]}]]).system)
  end)

  it("says nothing empty", function()
    for _, blank in ipairs { "", " ", "\\n\\t " } do
      assert.same({ { role = "user", content = { { type = "text", text = "." } } } }, turns('[{"role":"user","content":"' .. blank .. '"}]'))
      assert.same({ { role = "user", content = "u" } },
        turns('[{"role":"user","content":"u"},{"role":"assistant","content":"' .. blank .. '"}]'))
      assert.is_nil(sent('{"model":"m","messages":[{"role":"system","content":"' .. blank .. '"},{"role":"user","content":"u"}]}').system)
    end
  end)

  it("ends a beginning of the assistant without blanks", function()
    assert.equal("{", turns([[ [{"role":"user","content":"u"},{"role":"assistant","content":"{ \n"}] ]])[2].content)
    assert.equal("a\\n", turns([[ [{"role":"user","content":"u"},{"role":"assistant","content":"a\\n"}] ]])[2].content)
  end)

  local CALL = '{"id":"%s","type":"function","function":{"name":"f","arguments":"%s"}}'
  local function loop(ids, rest)
    local calls = {}
    for i, id in ipairs(ids) do
      calls[i] = CALL:format(id, '{\\"n\\":' .. i .. "}")
    end
    return '[{"role":"user","content":"u"},{"role":"assistant","content":null,"tool_calls":[' .. table.concat(calls, ",") .. "]}" .. (rest or "") .. "]"
  end

  it("answers all calls of a turn at once, before anything else is said", function()
    local got = turns(loop({ "a", "b" }, [[,{"role":"tool","tool_call_id":"a","content":"1"},{"role":"user","content":"and?"},
      {"role":"tool","tool_call_id":"b","content":"2"}]]))
    assert.same({
      { type = "tool_use", id = "a", name = "f", input = { n = 1 } }, { type = "tool_use", id = "b", name = "f", input = { n = 2 } },
    }, got[2].content)
    assert.same({
      { type = "tool_result", tool_use_id = "a", content = "1" }, { type = "tool_result", tool_use_id = "b", content = "2" },
      { type = "text", text = "and?" },
    }, got[3].content)
    assert.equal(3, #got)
  end)

  it("says which results were lost", function()
    local lost = { type = "tool_result", tool_use_id = "b", is_error = true, content = "No result" }
    local got = turns(loop({ "a", "b" }, ',{"role":"tool","tool_call_id":"a","content":"1"}'))
    assert.same({ { type = "tool_result", tool_use_id = "a", content = "1" }, lost }, got[3].content)
    assert.same({ lost }, turns(loop { "b" })[3].content)
    assert.same({ lost, { type = "text", text = "x" } }, turns(loop({ "b" }, ',{"role":"user","content":"x"}'))[3].content)
  end)

  it("names calls as the API allows, the same for call and result", function()
    local got = turns(loop({ "call.1:x" }, ',{"role":"tool","tool_call_id":"call.1:x","content":"1"}'))
    assert.equal("call_1_x", got[2].content[1].id)
    assert.equal("call_1_x", got[3].content[1].tool_use_id)
  end)

  it("takes no arguments for an empty object and refuses what is none", function()
    local function arguments(text)
      return '{"model":"m","messages":[{"role":"user","content":"u"},{"role":"assistant","tool_calls":[' .. CALL:format("a", text) .. "]}]}"
    end
    assert.matches('"input":{}', (encode(arguments "")))
    assert.matches('"input":{}', (encode(arguments " ")))
    for _, text in ipairs { "[1]", "nope", '{\\"a\\":', "1" } do
      local body, complaint = encode(arguments(text))
      assert.is_nil(body)
      assert.equal("unsupported_parameter", complaint.kind)
    end
  end)

  it("has no blank texts in a result of parts", function()
    local got = turns(loop({ "a" }, [[,{"role":"tool","tool_call_id":"a","content":[{"type":"text","text":" "},{"type":"text","text":"r"}]}]]))
    assert.same({ { type = "text", text = "r" } }, got[3].content[1].content)
  end)
end)

describe("pictures and files", function()
  local function part(text)
    return '{"model":"m","messages":[{"role":"user","content":[' .. text .. "]}]}"
  end

  it("go as data or as https", function()
    local function source(url)
      return sent(part('{"type":"image_url","image_url":{"url":"' .. url .. '","detail":"low"}}')).messages[1].content[1].source
    end
    assert.same({ type = "url", url = "https://x/y.png" }, source "https://x/y.png")
    assert.same({ type = "base64", media_type = "image/png", data = "QUJD" }, source "data:image/png;base64,QUJD")
    assert.same({ type = "base64", media_type = "image/png", data = "QU/D" }, source "data:image\\/png;base64,QU\\/D")
    local file = sent(part '{"type":"file","file":{"filename":"a.pdf","file_data":"data:application/pdf;base64,QUJD"}}').messages[1].content[1]
    assert.same({ type = "document", source = { type = "base64", media_type = "application/pdf", data = "QUJD" }, title = "a.pdf" }, file)
  end)

  it("are refused when they are neither", function()
    for _, text in ipairs {
      '{"type":"image_url","image_url":{"url":"http://x/y.png"}}', '{"type":"image_url","image_url":{"url":"data:image/png,raw"}}',
      '{"type":"image_url","image_url":{"url":""}}', '{"type":"file","file":{"file_id":"f"}}',
      '{"type":"input_audio","input_audio":{"data":"","format":"wav"}}',
    } do
      local body, complaint = encode(part(text))
      assert.is_nil(body)
      assert.equal("unsupported_parameter", complaint.kind)
      assert.equal("messages", complaint.param)
    end
  end)

  it("are large", function()
    local data = ("QUJD"):rep(500000)
    assert.equal(data, sent(part('{"type":"image_url","image_url":{"url":"data:image/png;base64,' .. data .. '"}}')).messages[1].content[1].source.data)
  end)
end)

describe("parameters", function()
  it("always have max_tokens", function()
    assert.equal(7, with('"max_completion_tokens":7').max_tokens)
    assert.equal(9, with('"user":"u"', { default_max_tokens = 9 }).max_tokens)
    assert.equal(11, with('"user":"u"', { max_output = 11 }).max_tokens)
    assert.equal(11, with('"max_tokens":100', { max_output = 11 }).max_tokens)
    assert.equal(4096, with('"user":"u"').max_tokens)
  end)

  it("are those that the family takes", function()
    local both = '"temperature":1.5,"top_p":0.5,"top_k":3'
    local old, old_dropped = with(both, { model = "claude-sonnet-4-20250514" })
    assert.same({ 1, 0.5, 3 }, { old.temperature, old.top_p, old.top_k })
    assert.equal("", old_dropped)
    local one, one_dropped = with(both, { model = "claude-haiku-4-5" })
    assert.same({ 1, nil, 3 }, { one.temperature, one.top_p, one.top_k })
    assert.equal("top_p", one_dropped)
    for _, model in ipairs { "claude-opus-4-7", "claude-sonnet-5", "claude-unheard-of-9" } do
      local new, new_dropped = with(both, { model = model })
      assert.is_nil(new.temperature or new.top_p or new.top_k)
      assert.equal("temperature, top_p, top_k", new_dropped)
    end
  end)

  it("that cannot be carried are named", function()
    local body, dropped = with '"seed":1,"logit_bias":{},"presence_penalty":1,"own":2,"null_one":null,"provider":"x","service_tier":"flex"'
    assert.is_nil(body.seed or body.logit_bias or body.own or body.provider)
    for _, name in ipairs { "seed", "logit_bias", "presence_penalty", "own", "service_tier" } do
      assert.truthy(dropped:find(name, 1, true), name)
    end
    assert.is_nil(dropped:find("null_one", 1, true) or dropped:find("provider", 1, true))
  end)

  it("ask for one answer only", function()
    local body, complaint = encode '{"model":"m","n":2,"messages":[{"role":"user","content":"u"}]}'
    assert.is_nil(body)
    assert.equal("n", complaint.param)
    assert.is_nil(with('"n":1').n)
  end)

  it("have no blank stops", function()
    assert.same({ "a" }, with('"stop":[" ","a","\\n"]').stop_sequences)
    assert.same({ "x" }, with('"stop":"x"').stop_sequences)
    assert.is_nil(with('"stop":["\\n"]').stop_sequences)
  end)

  local TOOL = '"tools":[{"type":"function","function":{"name":"f"}}]'

  it("choose tools in the API's words", function()
    local cases = {
      ['"auto"'] = { type = "auto" }, ['"none"'] = { type = "none" }, ['"required"'] = { type = "any" },
      ['{"type":"function","function":{"name":"f"}}'] = { type = "tool", name = "f" },
    }
    for choice, want in pairs(cases) do
      assert.same(want, with(TOOL .. ',"tool_choice":' .. choice).tool_choice)
    end
    assert.same({ type = "auto", disable_parallel_tool_use = true }, with(TOOL .. ',"parallel_tool_calls":false').tool_choice)
    assert.same({ type = "none" }, with(TOOL .. ',"tool_choice":"none","parallel_tool_calls":false').tool_choice)
    assert.same({ { name = "f", input_schema = { type = "object", properties = {} } } }, with(TOOL).tools)
  end)

  it("think by budget or by effort", function()
    local budget = with('"reasoning_effort":"medium","max_tokens":100,"temperature":0.2', { model = "claude-sonnet-4-5" })
    assert.same({ type = "enabled", budget_tokens = 2048 }, budget.thinking)
    assert.equal(2148, budget.max_tokens)
    assert.is_nil(budget.temperature)
    assert.equal(3000, with('"reasoning_effort":"high"', { reasoning_budgets = { high = 3000 } }).thinking.budget_tokens)
    assert.equal(1024, with('"reasoning_effort":"high"', { reasoning_budgets = { high = 5 } }).thinking.budget_tokens)
    local adaptive = with('"reasoning_effort":"xhigh"', { model = "claude-opus-4-6" })
    assert.same({ type = "adaptive" }, adaptive.thinking)
    assert.equal("high", adaptive.output_config.effort)
    assert.equal("xhigh", with('"reasoning_effort":"xhigh"', { model = "claude-opus-4-7" }).output_config.effort)
    assert.is_nil(with('"reasoning_effort":"none"').thinking)
  end)

  it("do not think where a tool is forced", function()
    assert.is_nil(with(TOOL .. ',"tool_choice":"required","reasoning_effort":"high"').thinking)
    local schema = '"response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{"type":"object"}}},"reasoning_effort":"high"'
    local body = with(schema, { model = "claude-sonnet-4-20250514" })
    assert.same({ type = "tool", name = "json_tool_call" }, body.tool_choice)
    assert.is_nil(body.thinking)
    assert.truthy(with(schema).thinking)
  end)

  it("close a schema and leave out what the API refuses, but not properties of such names", function()
    local body = with [["response_format":{"type":"json_schema","json_schema":{"name":"n","strict":true,"schema":{"type":"object",
      "properties":{"pattern":{"type":"string","pattern":"x","format":"odd"},"list":{"type":"array","maxItems":3,"items":{"type":"object",
      "properties":{}}},"either":{"oneOf":[{"type":"integer","minimum":1},{"type":"string","format":"date"}]}},"required":["pattern"]}}}]]
    assert.same({
      type = "object", additionalProperties = false, required = { "pattern" },
      properties = {
        pattern = { type = "string" },
        list = { type = "array", items = { type = "object", properties = {}, additionalProperties = false } },
        either = { anyOf = { { type = "integer" }, { type = "string", format = "date" } } },
      },
    }, body.output_config.format.schema)
  end)
end)

-- ------------------------------------------------------------------ answers

local function event(text)
  return "event: x\ndata: " .. text .. "\n\n"
end
local START = event '{"type":"message_start","message":{"id":"msg_1","model":"c","usage":{"input_tokens":5,"output_tokens":1}}}'
local FINISH = event '{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":9}}'
local STOP = event '{"type":"message_stop"}'

local function block(start, ...)
  local list = { event('{"type":"content_block_start","index":0,"content_block":' .. start .. "}") }
  for _, delta in ipairs { ... } do
    list[#list + 1] = event('{"type":"content_block_delta","index":0,"delta":' .. delta .. "}")
  end
  list[#list + 1] = event '{"type":"content_block_stop","index":0}'
  return table.concat(list)
end

local TEXT = block('{"type":"text","text":""}', '{"type":"text_delta","text":"hi"}')

local function stream(text)
  return wire.answer { vendor = "anthropic", stream = true, include_usage = true, pieces = { text }, id = "x", model = "m", created = 1 }
end

local function deltas(answer)
  local list = {}
  for line in answer.out:gmatch "data: ({[^\n]*})" do
    local choice = json.decode(line).choices[1]
    list[#list + 1] = choice and choice.delta
  end
  return list
end

describe("a stream", function()
  it("is complete at message_stop and not before", function()
    local answer = stream(START .. TEXT .. FINISH .. STOP)
    assert.is_true(answer.ended)
    assert.same({ input = 5, output = 9, cache_read = 0, cache_write = 0, reasoning = -1 }, answer.usage)
    assert.is_false(stream(START .. TEXT .. FINISH).ended)
    assert.is_false(stream(START .. TEXT).ended)
    assert.equal("unavailable", stream(START .. TEXT .. STOP).failure.kind)
    assert.equal("unavailable", stream(TEXT).failure.kind)
    assert.equal("unavailable", stream(START .. "data: {oops\n\n").failure.kind)
  end)

  it("gives the arguments of a call once", function()
    local function arguments(start, ...)
      local sum = ""
      for _, delta in ipairs(deltas(stream(START .. block(start, ...) .. FINISH .. STOP))) do
        for _, call in ipairs(delta.tool_calls or {}) do
          sum = sum .. call["function"].arguments
        end
      end
      return sum
    end
    local head = '{"type":"tool_use","id":"t","name":"f","input":'
    assert.equal("{}", arguments(head .. "{}}"))
    assert.equal("{}", arguments(head .. "{}}", '{"type":"input_json_delta","partial_json":""}'))
    assert.equal('{"a":1}', arguments(head .. "{}}", '{"type":"input_json_delta","partial_json":"{\\"a\\""}',
      '{"type":"input_json_delta","partial_json":":1}"}'))
    assert.equal('{"a":"x y"}', arguments(head .. '{ "a" : "x y" }}', '{"type":"input_json_delta","partial_json":"{\\"a\\":\\"x y\\"}"}'))
  end)

  it("keeps reasoning with its signature, in pieces as well", function()
    local text = block('{"type":"thinking","thinking":"","signature":""}', '{"type":"thinking_delta","thinking":"a\\n"}',
      '{"type":"thinking_delta","thinking":"b"}', '{"type":"signature_delta","signature":"s1"}', '{"type":"signature_delta","signature":"s2"}')
    local blocks
    for _, delta in ipairs(deltas(stream(START .. text .. block '{"type":"redacted_thinking","data":"r"}' .. TEXT .. FINISH .. STOP))) do
      for _, one in ipairs(delta.thinking_blocks or {}) do
        blocks = blocks or {}
        blocks[#blocks + 1] = one
      end
    end
    assert.same({ { type = "thinking", thinking = "a\nb", signature = "s1s2" }, { type = "redacted_thinking", data = "r" } }, blocks)
  end)

  it("fails where it says so, and says nothing after", function()
    for kind, class in pairs { overloaded_error = "overloaded", rate_limit_error = "rate_limited", api_error = "unavailable", made_up = "unavailable" } do
      local failing = event('{"type":"error","error":{"type":"' .. kind .. '","message":"no"}}')
      local first, later = stream(failing .. STOP), stream(START .. TEXT .. failing .. TEXT .. FINISH .. STOP)
      assert.equal(class, first.failure.kind)
      assert.equal("refused", first.failure.sent)
      assert.is_false(first.content)
      assert.equal(class, later.failure.kind)
      assert.equal("content_started", later.failure.sent)
      assert.is_false(later.ended)
    end
  end)
end)

describe("a whole answer", function()
  local GOOD = '{"id":"msg_1","type":"message","model":"c","content":[{"type":"text","text":"hi"}],"stop_reason":"end_turn",'
    .. '"usage":{"input_tokens":1,"output_tokens":2}}'

  it("is an answer only when it is complete", function()
    local function whole(body)
      return wire.answer { vendor = "anthropic", body = body, id = "x", model = "m", created = 1 }
    end
    assert.equal("hi", json.decode(whole(GOOD).out).choices[1].message.content)
    for cut = 0, #GOOD - 1 do
      assert.equal("unavailable", whole(GOOD:sub(1, cut)).failure.kind)
    end
    for _, body in ipairs { "<html></html>", "{}", "[]", '{"content":[]}', '{"content":null,"stop_reason":"end_turn"}', GOOD .. "x" } do
      assert.equal("unavailable", whole(body).failure.kind, body)
    end
    assert.equal("overloaded", whole('{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}').failure.kind)
  end)
end)
