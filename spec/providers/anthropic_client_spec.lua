--- Anthropic's dialect towards clients: what its requests say and become, and how answers and errors are told in it. The fixtures (inbound_anthropic) and
--- the matrix hold the common cases; here are the edges.

local cjson = require "cjson"
local runtime = require "gateway.runtime"
local stream = require "support.stream"

local dialect, wire = runtime.dialect, runtime.wire
local json = cjson.new()
json.decode_max_depth(200)

local TOOLS, VISION, SCHEMA, REASONING, DOCUMENT = 1, 2, 4, 8, 32

--- A body: the fields that every request needs, then `fields` (JSON text of members).
local function body(fields, messages)
  return '{"model":"claude","max_tokens":100,"messages":' .. (messages or '[{"role":"user","content":"u"}]') ..
    (fields and "," .. fields or "") .. "}"
end

local function facts(text, client)
  return dialect.facts(client or "anthropic", text)
end

local function message_of(text, client)
  local got, complaint = facts(text, client)
  assert.is_nil(got)
  return complaint.message, complaint.kind
end

--- What a body becomes for a vendor: the decoded request and what was dropped.
local function sent(text, vendor, model)
  local out, dropped = dialect.chat_to("anthropic", text, vendor or "openai", model or "m")
  assert.is_string(out, type(dropped) == "table" and dropped.message or nil)
  return json.decode(out), dropped
end

local function turns(messages, vendor)
  return sent(body(nil, messages), vendor).messages
end

describe("facts", function()
  it("say what a request asks for", function()
    local got = facts(body('"stream":true,"temperature":0.5,"metadata":{"user_id":"u1"}'))
    assert.same({ "claude", true, 100, 0.5, "u1", 0 }, { got.model, got.stream, got.max_tokens, got.temperature, got.user, got.needs })
    assert.is_true(got.include_usage)
    assert.is_true(got.replayable)
  end)

  it("name what a target must be able to do, wherever it stands", function()
    local function needs(fields, messages)
      return facts(body(fields, messages)).needs
    end
    assert.equal(TOOLS, needs '"tools":[{"name":"f","input_schema":{}}]')
    assert.equal(0, needs '"tools":[ ]')
    assert.equal(REASONING, needs '"thinking":{"type":"enabled","budget_tokens":1024}')
    assert.equal(REASONING, needs '"thinking":{"type":"adaptive"}')
    assert.equal(0, needs '"thinking":{"type":"disabled"}')
    assert.equal(SCHEMA, needs '"output_config":{"format":{"type":"json_schema","schema":{}}}')
    assert.equal(SCHEMA, needs '"output_format":{"type":"json_schema","schema":{}}')
    assert.equal(VISION, needs(nil, '[{"role":"user","content":[{"source":{"type":"url","url":"https://x"},"type":"image"}]}]'))
    assert.equal(VISION | DOCUMENT, needs(nil, [[ [{"role":"user","content":[{"type":"tool_result","tool_use_id":"a","content":[{"type":"image"},
      {"type":"document","source":{"type":"text","data":"x"}}]}]}] ]]))
  end)

  it("weigh every text that goes to the model", function()
    local short, word = facts(body()).prompt_bytes, ("word "):rep(100)
    local function weighs(fields, messages)
      assert.equal(short + #word, facts(body(fields, messages)).prompt_bytes)
    end
    weighs('"system":"' .. word .. '"')
    weighs('"system":[{"type":"text","text":"' .. word .. '"}]')
    weighs(nil, '[{"role":"user","content":[{"type":"text","text":"u' .. word .. '"}]}]')
    weighs(nil, '[{"role":"user","content":[{"type":"tool_result","content":[{"type":"text","text":"u' .. word .. '"}]}]}]')
    weighs(nil, '[{"role":"user","content":[{"type":"document","source":{"type":"text","data":"u' .. word .. '"}}]}]')
  end)

  it("keep what every turn of a conversation begins with", function()
    local first = '[{"role":"user","content":"u"}'
    local short = facts(body(nil, first .. "]")).opening
    assert.equal(short, facts(body(nil, first .. ',{"role":"assistant","content":"a"},{"role":"user","content":"v"}]')).opening)
    assert.equal(first, short)
  end)

  it("refuse in the words of the API", function()
    for text, expected in pairs {
      ['{"model":"m","messages":[{"role":"user","content":"u"}]}'] = "max_tokens: Field required",
      ['{"max_tokens":1,"messages":[{"role":"user","content":"u"}]}'] = "model: Field required",
      ['{"model":"m","max_tokens":1}'] = "messages: Field required",
      ['{"model":"m","max_tokens":1,"messages":{}}'] = "messages: Input should be a valid list",
      ['{"model":"m","max_tokens":1,"messages":[]}'] = "messages: at least one message is required",
      ['{"model":"m","max_tokens":1,"messages":[1]}'] = "messages.0: Input should be a valid dictionary",
      ['{"model":"m","max_tokens":1,"messages":[{"role":"user"}]}'] = "messages.0.content: Field required",
      ['{"model":"m","max_tokens":1,"messages":[{"content":"u"}]}'] = "messages.0.role: Field required",
      ['{"model":"m","max_tokens":1,"messages":[{"role":"tool","content":"u"}]}'] = "messages.0.role: Input should be 'user' or 'assistant'",
      ['{"model":"m","max_tokens":1,"messages":[{"role":"user","content":"u"},{"role":"user","content":[1]}]}'] =
        "messages.1.content: Input should be a list of content blocks",
      ['{"model":7}'] = "model: Input should be a valid string",
      ['{"model":""}'] = "model: String should have at least 1 character",
      ['{"max_tokens":"1"}'] = "max_tokens: Input should be a valid integer",
      ['{"max_tokens":-1}'] = "max_tokens: Input should be a valid integer of at least 0",
      ['{"stream":1}'] = "stream: Input should be a valid boolean",
      ['{"system":1}'] = "system: Input should be a valid list",
      ['{"tools":{}}'] = "tools: Input should be a valid list",
      ['{"thinking":true}'] = "thinking: Input should be a valid dictionary",
    } do
      local message, kind = message_of(text)
      assert.equal(expected, message)
      assert.equal("invalid_parameter", kind)
    end
  end)

  it("of a conversation that is held elsewhere are refused in the words that clients replay it for", function()
    for _, vendor in ipairs { "openai", "gemini", "bedrock", "cohere", "ollama" } do
      local out, complaint = dialect.chat_to("anthropic", body '"thread":{"type":"continue","previous_message_id":"msg_1"}', vendor, "m")
      assert.is_nil(out)
      assert.equal("thread_not_found", complaint.kind)
    end
    local text, status = wire.failure { client = "anthropic", kind = "thread_not_found", message = "gone" }
    local error = json.decode(text).error
    assert.same({ 404, "not_found_error", "gone", "thread_not_found" }, { status, error.type, error.message, error.details.error_code })
    assert.equal("thread", select(2, sent(body '"thread":{"type":"create"}')))
    for _, none in ipairs { "null", "{}", '{"type":"create"}', '"continue"' } do
      assert.is_string((dialect.chat_to("anthropic", body('"thread":' .. none), "openai", "m")))
    end
  end)

  it("refuse what is no JSON object", function()
    for _, text in ipairs { "", " ", "[]", '"x"', "{", '{"model":"m",}', body() .. "x", '{"model":"\xff"}' } do
      assert.equal("invalid_json", select(2, message_of(text)))
    end
  end)

  it("refuse keys given twice, also when they are spelt in another way", function()
    local values = { model = '"m"', stream = "true", messages = "[]", max_tokens = "1", system = '"s"', tools = "[]", thinking = "null" }
    for name, value in pairs(values) do
      local again = name:gsub("^.", function(letter) return ("\\u%04x"):format(letter:byte()) end)
      for _, second in ipairs { name, again } do
        local fields = ('"%s":%s,"%s":%s'):format(name, name == "messages" and '[{"role":"user","content":"u"}]' or value, second, value)
        local _, kind = message_of("{" .. fields .. "}")
        assert.equal("duplicate_key", kind, fields)
      end
    end
  end)

  it("ask for less where only tokens are counted", function()
    local text = '{"model":"m","messages":[{"role":"user","content":"u"}],"stream":true}'
    local got = facts(text, "count_tokens")
    assert.is_false(got.stream)
    assert.equal(-1, got.max_tokens)
    assert.equal("messages: Field required", (message_of('{"model":"m"}', "count_tokens")))
  end)
end)

describe("a body for Anthropic itself", function()
  local function edited(text, client)
    return wire.edited { client = client or "anthropic", vendor = "anthropic", model = "claude-x", body = text }
  end

  it("is the client's, but for the model and the gateway's own fields", function()
    local before = '{ "provider":"p", "model" : "claude","fallback":false,"max_tokens":900, "messages":[ {"role":"user","content":"u"} ],' ..
      '"unknown":{"a":[ ]},"routing_strategy":"weighted"}'
    local after = '{  "model" : "claude-x","max_tokens":900, "messages":[ {"role":"user","content":"u"} ],"unknown":{"a":[ ]}}'
    assert.equal(after, edited(before))
    assert.equal((after:gsub('"max_tokens":900, ', "")), edited((before:gsub('"max_tokens":900, ', "")), "count_tokens"))
    assert.equal("weighted", facts(before).strategy)
    assert.equal(0, facts(before).fallback)
  end)

  local function history(block)
    return body('"thinking":{"type":"enabled","budget_tokens":1024},"context_management":{"edits":[]},' ..
      '"tools":[{"name":"f","input_schema":{"type":"object"}},{"type":"web_search_20250305","name":"web_search","max_uses":2}]',
      '[{"role":"user","content":"u"},{"role":"assistant","content":[' .. block ..
      ',{"type":"server_tool_use","id":"srv","name":"web_search","input":{"q":"x"}},{"type":"text","text":"t"}]},{"role":"user","content":"v"}]')
  end

  it("goes on as it is with reasoning that Anthropic signed", function()
    for _, block in ipairs { '{"type":"thinking","thinking":"t","signature":"c2ln"}', '{"type":"thinking","thinking":"","signature":"c2ln"}',
      '{"type":"redacted_thinking","data":"x"}', '{"type":"text","text":"gemini:"}' } do
      assert.is_string(edited(history(block)), block)
    end
  end)

  it("goes on without reasoning of others, and is the same byte for byte otherwise", function()
    for _, block in ipairs { '{"type":"thinking","thinking":"","signature":"gemini:c2ln"}', '{"type":"thinking","thinking":"t","signature":""}',
      '{"signature":"gemini:c2ln","thinking":"","type":"thinking"}', '{"type":"thinking","thinking":"t"}',
      '{"type":"thinking", "signature":null,"thinking":"t" }' } do
      local text = history(block)
      local expected = text:gsub('"model":"[^"]*"', '"model":"claude-x"', 1)
      local at, stop = expected:find(block .. ",", 1, true)
      expected = expected:sub(1, at - 1) .. expected:sub(stop + 1)
      assert.equal(expected, edited(text))
      assert.equal(expected, edited(text, "count_tokens"))
    end
  end)

  local FOREIGN, SIGNED = '{"type":"thinking","thinking":"t","signature":""}', '{"type":"thinking","thinking":"s","signature":"c2ln"}'
  local function after(thinking, messages)
    return json.decode(edited(body('"thinking":' .. thinking, messages)))
  end

  it("leaves out a message of nothing but reasoning of others", function()
    local got = after('{"type":"adaptive"}', '[{"role":"user","content":"u"},{"content":[' .. FOREIGN .. "," .. FOREIGN ..
      '],"role":"assistant"},{"role":"user","content":"v"}]')
    assert.same({ { role = "user", content = "u" }, { role = "user", content = "v" } }, got.messages)
    assert.same({ type = "adaptive" }, got.thinking)
    assert.same({ { role = "user", content = "." } }, after('{"type":"adaptive"}', '[{"role":"assistant","content":[' .. FOREIGN .. "]}]").messages)
    local twice = '{"type":"text","type":"thinking","signature":"c2ln","signature":"","text":"x"}' -- the last counts
    assert.same({ { role = "user", content = "u" } }, after('{"type":"adaptive"}', '[{"role":"user","content":"u"},{"role":"assistant","content":[' ..
      twice .. "]}]").messages)
  end)

  it("goes on without thinking where a tool loop lost its reasoning, and only there", function()
    local call = '{"type":"tool_use","id":"a","name":"f","input":{}}'
    local result = '{"role":"user","content":[{"type":"tool_result","tool_use_id":"a","content":"1"}%s]}'
    local function loop(block, tail, rest)
      local calls = '{"role":"assistant","content":[' .. block .. "," .. call .. "]}"
      return '[{"role":"user","content":"u"},' .. calls .. "," .. result:format(tail or "") .. (rest or "") .. "]"
    end
    for _, thinking in ipairs { '{"type":"enabled","budget_tokens":1024}', '{"type":"adaptive"}' } do
      local lost = after(thinking, loop(FOREIGN))
      assert.same({ type = "disabled" }, lost.thinking)
      assert.same({ json.decode(call) }, lost.messages[2].content)
      for _, kept in ipairs { loop(FOREIGN .. "," .. SIGNED), loop(FOREIGN, ',{"type":"text","text":"and?"}'),
        loop(FOREIGN, "", ',{"role":"user","content":"and?"}') } do
        assert.same(json.decode(thinking), after(thinking, kept).thinking, kept)
      end
    end
    assert.same({ type = "disabled", x = 1 }, after('{"type":"disabled","x":1}', loop(FOREIGN)).thinking)
  end)

  it("has its way to ask for counts", function()
    assert.equal("https://a/v1/messages/count_tokens",
      (wire.head { client = "count_tokens", vendor = "anthropic", model = "m", origin = "https://a", path = "/v1" }))
    assert.equal("https://a/v1/messages", (wire.head { client = "anthropic", vendor = "anthropic", model = "m", origin = "https://a", path = "/v1" }))
  end)
end)

describe("a conversation for others", function()
  it("has the system texts first, apart, and without the line that differs each time", function()
    local got = sent('{"model":"m","max_tokens":1,"messages":[{"role":"user","content":"u"}],"system":[' ..
      '{"type":"text","text":"x-anthropic-billing-header: cc=1"},{"type":"text","text":"One."},{"type":"text","text":"Two."}]}').messages
    assert.same({ role = "system", content = { { type = "text", text = "One." }, { type = "text", text = "Two." } } }, got[1])
    assert.same({ role = "user", content = "u" }, got[2])
    assert.same({ role = "system", content = "s" }, sent(body '"system":"s"').messages[1])
  end)

  it("keeps system texts of its middle in their place", function()
    local got = turns '[{"role":"user","content":"u"},{"role":"system","content":"s"},{"role":"user","content":[{"type":"mid_conv_system","text":"t"}]}]'
    assert.same({ { role = "user", content = "u" }, { role = "system", content = "s" }, { role = "system", content = "t" } }, got)
  end)

  local CALLS = [[ [{"role":"user","content":"u"},{"role":"assistant","content":[{"type":"thinking","thinking":"hm","signature":"s"},
    {"type":"tool_use","id":"a","name":"f","input":{"x": "\"\n"}},{"type":"tool_use","id":"b","name":"g","input":{}}]},{"role":"user","content":[ ]]

  it("answers calls before anything else is said, with pictures behind", function()
    local got = turns(CALLS .. [[ {"type":"text","text":"and?"},{"type":"tool_result","tool_use_id":"a","content":"1"},
      {"type":"tool_result","tool_use_id":"b","is_error":true,"content":[{"type":"text","text":"2"},
        {"type":"image","source":{"type":"base64","media_type":"image/png","data":"QUJD"}},{"type":"text","text":"3"}]}]}] ]])
    assert.equal(cjson.null, got[2].content)
    assert.equal('{"x": "\\"\\n"}', got[2].tool_calls[1]["function"].arguments)
    assert.equal("{}", got[2].tool_calls[2]["function"].arguments)
    assert.same({ role = "tool", tool_call_id = "a", content = "1" }, got[3])
    assert.same({ role = "tool", tool_call_id = "b", content = "23" }, got[4])
    assert.same({ role = "user", content = { { type = "image_url", image_url = { url = "data:image/png;base64,QUJD" } } } }, got[5])
    assert.same({ role = "user", content = "and?" }, got[6])
    assert.equal(6, #got)
  end)

  it("has a result for a call that came back empty, and files of results behind it", function()
    local got = turns(CALLS .. [[ {"type":"tool_result","tool_use_id":"a"},{"type":"tool_result","tool_use_id":"b","content":[
      {"type":"document","title":"n.txt","source":{"type":"text","media_type":"text/plain","data":"note"}},
      {"type":"search_result","title":"T","source":"https://s","content":[{"type":"text","text":"found"}]}]}]}] ]])
    assert.same({ role = "tool", tool_call_id = "a", content = "" }, got[3])
    assert.same({ role = "tool", tool_call_id = "b", content = "T\nhttps://s\nfound" }, got[4])
    assert.same({ role = "user", content = { { type = "text", text = "note" } } }, got[5])
  end)

  it("gives reasoning back where it is wanted", function()
    local got = turns(CALLS .. ' {"type":"tool_result","tool_use_id":"a","content":"1"}]}]', "deepseek")
    assert.equal("hm", got[2].reasoning_content)
    assert.is_nil(turns(CALLS .. "]}]")[2].reasoning_content)
  end)

  it("says nothing of what only Anthropic understands", function()
    local got = turns [[ [{"role":"user","content":"u"},{"role":"assistant","content":[{"type":"server_tool_use","id":"s","name":"web_search","input":{}},
      {"type":"web_search_tool_result","tool_use_id":"s","content":[]}]},{"role":"assistant","content":[{"type":"redacted_thinking","data":"x"},
      {"type":"text","text":"t"},{"type":"new_block"}]},{"role":"user","content":"v"}] ]]
    assert.same({ { role = "user", content = "u" }, { role = "assistant", content = "t" }, { role = "user", content = "v" } }, got)
  end)

  it("keeps texts of the user apart and joins the assistant's", function()
    local two = '[{"type":"text","text":"a"},{"type":"text","text":"b"}]'
    local got = turns('[{"role":"user","content":' .. two .. '},{"role":"assistant","content":' .. two .. "}]")
    assert.same({ { type = "text", text = "a" }, { type = "text", text = "b" } }, got[1].content)
    assert.equal("ab", got[2].content)
  end)

  it("refuses files that others cannot fetch", function()
    for _, source in ipairs { '{"type":"url","url":"https://x/a.pdf"}', '{"type":"file","file_id":"f"}' } do
      local messages = '[{"role":"user","content":[{"type":"document","source":' .. source .. "}]}]"
      local out, complaint = dialect.chat_to("anthropic", body(nil, messages), "openai", "m")
      assert.is_nil(out)
      assert.equal("unsupported_parameter", complaint.kind)
    end
  end)

  it("has Google's signatures of calls where Google looks for them", function()
    local messages = [[ [{"role":"user","content":"u"},{"role":"assistant","content":[{"type":"thinking","thinking":"","signature":"gemini:c2ln"},
      {"type":"tool_use","id":"a","name":"f","input":{}},{"type":"tool_use","id":"b","name":"f","input":{}}]},
      {"role":"user","content":[{"type":"tool_result","tool_use_id":"a","content":"1"},{"type":"tool_result","tool_use_id":"b","content":"2"}]}] ]]
    local got = sent(body('"tools":[{"name":"f","input_schema":{"type":"object"}}]', messages), "gemini", "gemini-3-pro")
    local parts = got.contents[2].parts
    assert.equal("c2ln", parts[1].thoughtSignature)
    assert.is_nil(parts[2].thoughtSignature)
    assert.equal(2, #parts)
  end)
end)

describe("fields for others", function()
  local function with(fields, vendor, model)
    return sent(body(fields), vendor, model)
  end

  it("are mapped", function()
    local got = with '"top_p":0.5,"stop_sequences":["a"],"service_tier":"standard_only","stream":true,"metadata":{"user_id":"u1"}'
    assert.same({ 100, 0.5, { "a" }, "default", true, "u1" },
      { got.max_completion_tokens, got.top_p, got.stop, got.service_tier, got.stream, got.user })
    assert.same({ include_usage = true }, got.stream_options)
    assert.equal("auto", with('"service_tier":"auto"').service_tier)
    assert.equal(1, (sent '{"model":"m","max_tokens":0,"messages":[{"role":"user","content":"u"}]}').max_completion_tokens)
  end)

  it("that cannot be mapped are named", function()
    local got, dropped = with '"top_k":5,"context_management":{"edits":[]},"container":null,"stop_sequences":["1","2","3","4","5"]'
    assert.same({ "1", "2", "3", "4" }, got.stop)
    assert.is_nil(got.top_k)
    assert.is_nil(got.context_management)
    local names = {}
    for name in dropped:gmatch "[^, ]+" do
      names[#names + 1] = name
    end
    table.sort(names)
    assert.same({ "context_management", "stop", "top_k" }, names)
    assert.equal(5, with('"top_k":5', "openrouter").top_k)
  end)

  it("hash a long name of a user, always to the same", function()
    local long = ("x"):rep(65)
    local first = with('"metadata":{"user_id":"' .. long .. '"}').user
    assert.matches("^%x+$", first)
    assert.equal(64, #first)
    assert.equal(first, with('"metadata":{"user_id":"' .. long .. '"}').user)
    assert.are_not.equal(first, with('"metadata":{"user_id":"' .. long .. 'y"}').user)
  end)

  it("turn budgets into efforts", function()
    for thinking, effort in pairs {
      ['{"type":"enabled","budget_tokens":1024}'] = "low", ['{"type":"enabled","budget_tokens":2048}'] = "low",
      ['{"type":"enabled","budget_tokens":2049}'] = "medium", ['{"type":"enabled","budget_tokens":8193}'] = "high",
      ['{"type":"adaptive"}'] = "medium",
    } do
      assert.equal(effort, with('"thinking":' .. thinking).reasoning_effort)
    end
    assert.is_nil(with('"thinking":{"type":"disabled"},"output_config":{"effort":"low"}').reasoning_effort)
    assert.equal("low", with('"thinking":{"type":"adaptive"},"output_config":{"effort":"low"}').reasoning_effort)
    assert.equal("high", with('"output_config":{"effort":"max"}').reasoning_effort)
    local call = { client = "anthropic", vendor = "openai", model = "gpt-4o", body = body '"thinking":{"type":"adaptive"}', capabilities = 0 }
    local out, dropped = wire.encode(call)
    assert.is_nil(json.decode(out).reasoning_effort)
    assert.equal("reasoning_effort", dropped)
  end)

  it("ask for schemas strictly where they can be taken so", function()
    local function strict(schema)
      local got = with('"output_config":{"format":{"type":"json_schema","schema":' .. schema .. "}}").response_format.json_schema
      assert.same(json.decode(schema), got.schema)
      return got.strict
    end
    local closed = '{"type":"object","additionalProperties":false,"required":["a"],"properties":{"a":%s}}'
    assert.is_true(strict(closed:format '{"type":"string"}'))
    assert.is_true(strict(closed:format(closed:format '{"enum":[{"type":"object"}]}')))
    assert.is_true(strict(closed:format '{"type":"array","items":{"type":"string"}}'))
    for _, open in ipairs { '{"type":"object","properties":{"a":{}}}', '{"type":"object","additionalProperties":false,"properties":{"a":{}}}',
      closed:format '{"type":"object"}', closed:format '{"type":"array","items":{"type":"object","properties":{}}}',
      closed:format '{"allOf":[]}', '{"type":"string"}', '{}' } do
      assert.is_nil(strict(open), open)
    end
  end)

  it("choose tools", function()
    local tools = '"tools":[{"name":"f","input_schema":{"type":"object"}}],"tool_choice":'
    for given, expected in pairs { auto = "auto", any = "required", none = "none" } do
      assert.equal(expected, with(tools .. '{"type":"' .. given .. '"}').tool_choice)
    end
    assert.same({ type = "function", ["function"] = { name = "f" } }, with(tools .. '{"type":"tool","name":"f"}').tool_choice)
    local got = with(tools .. '{"type":"auto","disable_parallel_tool_use":true}')
    assert.is_false(got.parallel_tool_calls)
    for _, bad in ipairs { '{"type":"tool"}', '{"type":"some"}', "{}", '"auto"' } do
      local out, complaint = dialect.chat_to("anthropic", body(tools .. bad), "openai", "m")
      assert.is_nil(out)
      assert.equal("tool_choice", complaint.param)
    end
  end)

  it("give tools that Anthropic defines a schema, and leave those it runs to Anthropic", function()
    local got, dropped = with [["tools":[{"type":"bash_20250124","name":"bash"},{"type":"text_editor_20250728","name":"str_replace_based_edit_tool"},
      {"type":"web_search_20250305","name":"web_search"},{"type":"custom","name":"f","description":"d","input_schema":{"type":"object"},"strict":true,
      "defer_loading":true,"cache_control":{"type":"ephemeral"}},{"type":"code_execution_20250825","name":"code_execution"}]
      ]]
    local names = {}
    for i, tool in ipairs(got.tools) do
      names[i] = tool["function"].name
      assert.equal("object", tool["function"].parameters.type)
    end
    assert.same({ "bash", "str_replace_based_edit_tool", "f" }, names)
    assert.same({ name = "f", description = "d", parameters = { type = "object" }, strict = true }, got.tools[3]["function"])
    assert.equal("tools", dropped)
  end)

  it("shorten long names of tools, and find them again", function()
    local long = "mcp__" .. ("server_"):rep(12) .. "tool"
    local text = body('"tools":[{"name":"' .. long .. '","input_schema":{"type":"object"}}],"tool_choice":{"type":"tool","name":"' .. long .. '"}',
      '[{"role":"user","content":"u"},{"role":"assistant","content":[{"type":"tool_use","id":"a","name":"' .. long .. '","input":{}}]},' ..
      '{"role":"user","content":[{"type":"tool_result","tool_use_id":"a","content":"1"}]}]')
    local got = sent(text)
    local short = got.tools[1]["function"].name
    assert.is_true(#short <= 64)
    assert.equal(short, got.tool_choice["function"].name)
    assert.equal(short, got.messages[2].tool_calls[1]["function"].name)
    local out = dialect.answer { wire = "anthropic", vendor = "openai", model = "m", request = text,
      body = '{"id":"x","model":"m","choices":[{"index":0,"finish_reason":"tool_calls","message":{"tool_calls":[{"id":"a","type":"function",' ..
        '"function":{"name":"' .. short .. '","arguments":"{}"}}]}}]}' }
    assert.equal(long, json.decode(out).content[1].name)
  end)
end)

-- ------------------------------------------------------------------ answers

local THINKS = body '"thinking":{"type":"enabled","budget_tokens":1024}'

local function chunk(delta, finish, more)
  return ('data: {"id":"chatcmpl-U1","model":"m","choices":[{"index":0,"delta":%s,"finish_reason":%s}]%s}\n\n'):format(delta,
    finish and '"' .. finish .. '"' or "null", more or "")
end

local function call_chunk(index, name, arguments, more)
  local begin = name and ('"id":"call_%d","type":"function",'):format(index) or ""
  local named = name and ('"name":"%s",'):format(name) or ""
  return chunk(('{"tool_calls":[{"index":%d,%s"function":{%s"arguments":%s}%s}]}'):format(index, begin, named, json.encode(arguments), more or ""))
end

local USAGE = 'data: {"id":"chatcmpl-U1","model":"m","choices":[],"usage":{"prompt_tokens":8,"completion_tokens":2,"total_tokens":10}}\n\n'
local DONE = "data: [DONE]\n\n"

--- Events of a streamed answer, and its bytes.
local function heard(pieces, options)
  local call = { wire = "anthropic", vendor = "openai", model = "m", asked = "claude", stream = true, pieces = pieces, id = ("0"):rep(32) }
  for name, value in pairs(options or {}) do
    call[name] = value
  end
  local out, answer = dialect.answer(call)
  return stream.events(out), answer, out
end

--- Short words for events: "start 0 text", "text 0 Hi", "stop 0".
local function told(events)
  local list = {}
  for _, event in ipairs(events) do
    local data = event.data
    assert.equal(event.event, data.type)
    if data.type == "content_block_start" then
      list[#list + 1] = ("start %d %s%s"):format(data.index, data.content_block.type, data.content_block.name and " " .. data.content_block.name or "")
    elseif data.type == "content_block_delta" then
      local delta = data.delta
      list[#list + 1] = ("%s %d %s"):format(delta.type:gsub("_delta", ""), data.index,
        delta.text or delta.thinking or delta.partial_json or delta.signature)
    elseif data.type == "content_block_stop" then
      list[#list + 1] = ("stop %d"):format(data.index)
    elseif data.type == "message_delta" then
      list[#list + 1] = data.delta.stop_reason
    elseif data.type ~= "ping" then
      list[#list + 1] = data.type
    end
  end
  return list
end

describe("a stream", function()
  it("holds what belongs to a later call until the one before it is whole", function()
    local events = heard { call_chunk(0, "f", ""), call_chunk(1, "g", ""), call_chunk(1, nil, '{"b":'), call_chunk(0, nil, '{"a":"}'),
      call_chunk(1, nil, "2}"), call_chunk(0, nil, '"}'), chunk("{}", "tool_calls"), USAGE, DONE }
    assert.same({ "message_start", "start 0 tool_use f", 'input_json 0 {"a":"}', 'input_json 0 "}', "stop 0", "start 1 tool_use g", 'input_json 1 {"b":2}',
      "stop 1", "tool_use", "message_stop" }, told(events))
  end)

  it("does not wait where calls come one after another", function()
    local events = heard { chunk '{"content":"Ok"}', call_chunk(0, "f", '{"a":[{}]}'), call_chunk(1, "g", "{"), call_chunk(1, nil, "}") }
    assert.same({ "message_start", "start 0 text", "text 0 Ok", "stop 0", "start 1 tool_use f", 'input_json 1 {"a":[{}]}', "stop 1",
      "start 2 tool_use g", "input_json 2 {", "input_json 2 }" }, { table.unpack(told(events), 1, 10) })
  end)

  it("sees the end of arguments however their quotes are escaped", function()
    for _, arguments in ipairs { [["{\"a\":\"}\\\"\"}"]], [["{\"a\":\"\\u007d\\\\\"}"]], [["\u007b\u0022a\u0022:\u005b\"]\"\u005d\u007d"]] } do
      local raw = chunk('{"tool_calls":[{"index":0,"id":"c","function":{"name":"f","arguments":' .. arguments .. "}}]}")
      local events = told((heard { raw, call_chunk(1, "g", "") }))
      assert.same({ "stop 0", "start 1 tool_use g" }, { events[4], events[5] }, arguments)
      local open = arguments:gsub("}\"$", "\""):gsub("\\u007d\"$", "\"")
      local cut = chunk('{"tool_calls":[{"index":0,"id":"c","function":{"name":"f","arguments":' .. open .. "}}]}")
      assert.equal(3, #told((heard { cut, call_chunk(1, "g", "") })), arguments)
    end
  end)

  it("says text behind a call in a block of its own", function()
    local events = heard { chunk '{"content":"a"}', call_chunk(0, "f", "{"), chunk '{"content":"b"}', call_chunk(0, nil, "}"), chunk '{"content":"c"}',
      chunk("{}", "tool_calls"), DONE }
    assert.same({ "message_start", "start 0 text", "text 0 a", "stop 0", "start 1 tool_use f", "input_json 1 {", "input_json 1 }", "stop 1", "start 2 text",
      "text 2 b", "text 2 c", "stop 2", "tool_use", "message_stop" }, told(events))
  end)

  it("thinks aloud only for who asked for it", function()
    local pieces = { chunk '{"reasoning_content":"hm"}', chunk '{"content":"a"}', chunk("{}", "stop"), DONE }
    assert.same({ "message_start", "start 0 thinking", "thinking 0 hm", "stop 0", "start 1 text", "text 1 a", "stop 1", "end_turn", "message_stop" },
      told((heard(pieces, { request = THINKS }))))
    assert.same({ "message_start", "start 0 text", "text 0 a", "stop 0", "end_turn", "message_stop" }, told((heard(pieces, { request = body() }))))
    assert.same(told((heard(pieces))), told((heard(pieces, { request = body '"thinking":{"type":"disabled"}' }))))
  end)

  it("carries Google's signatures to who thinks", function()
    local signed = call_chunk(0, "f", "{}", ',"extra_content":{"google":{"thought_signature":"c2ln"}}')
    local pieces = { signed, chunk("{}", "tool_calls"), DONE }
    assert.same({ "message_start", "start 0 thinking", "signature 0 gemini:c2ln", "stop 0", "start 1 tool_use f", "input_json 1 {}", "stop 1" },
      { table.unpack(told((heard(pieces, { request = THINKS }))), 1, 7) })
    assert.same({ "message_start", "start 0 tool_use f" }, { table.unpack(told((heard(pieces, { request = body() }))), 1, 2) })
  end)

  it("begins with message_start and keeps the line alive from then on", function()
    local events = heard({ 'event: ping\ndata: {"type":"ping"}\n\n',
      'event: message_start\ndata: {"type":"message_start","message":{"id":"msg_1","model":"x","usage":{"input_tokens":3,"output_tokens":1}}}\n\n',
      'event: ping\ndata: {"type":"ping"}\n\n' }, { vendor = "anthropic", estimated_input = 7 })
    assert.same({ "message_start", "ping", "ping" }, { events[1].event, events[2].event, events[3].event })
    assert.same({ "msg_1", "claude", 7 }, { events[1].data.message.id, events[1].data.message.model, events[1].data.message.usage.input_tokens })
  end)

  it("tells redacted and signed reasoning of Anthropic again, where its bytes were not passed on", function()
    local function event(data)
      return "event: " .. data:match '"type":"([%w_]+)"' .. "\ndata: " .. data .. "\n\n"
    end
    local pieces = {
      event '{"type":"message_start","message":{"id":"msg_1","model":"x","usage":{"input_tokens":3,"output_tokens":1}}}',
      event '{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}',
      event '{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"c2ln"}}',
      event '{"type":"content_block_stop","index":0}',
      event '{"type":"content_block_start","index":1,"content_block":{"type":"redacted_thinking","data":"ZGF0YQ=="}}',
      event '{"type":"content_block_stop","index":1}',
      event '{"type":"content_block_start","index":2,"content_block":{"type":"text","text":""}}',
      event '{"type":"content_block_delta","index":2,"delta":{"type":"text_delta","text":"a"}}',
      event '{"type":"content_block_stop","index":2}',
      event '{"type":"message_delta","delta":{"stop_reason":"stop_sequence","stop_sequence":"END"},"usage":{"output_tokens":5}}',
      event '{"type":"message_stop"}',
    }
    local events = heard(pieces, { vendor = "anthropic", request = THINKS })
    assert.same({ "message_start", "start 0 thinking", "signature 0 c2ln", "stop 0", "start 1 redacted_thinking", "stop 1", "start 2 text", "text 2 a",
      "stop 2", "stop_sequence", "message_stop" }, told(events))
    assert.equal("END", events[#events - 1].data.delta.stop_sequence)
    assert.same({ input_tokens = 3, output_tokens = 5, cache_read_input_tokens = 0, cache_creation_input_tokens = 0 }, events[#events - 1].data.usage)
    local _, answer, out = heard(pieces, { vendor = "anthropic", request = THINKS, pass = true })
    assert.equal(table.concat(pieces), out)
    assert.same({ true, 3, 5 }, { answer.ended, answer.usage.input, answer.usage.output })
  end)

  it("is cut where the provider cut it", function()
    local events, answer = heard { chunk '{"content":"a"}' }
    assert.is_false(answer.ended)
    assert.same({ "message_start", "start 0 text", "text 0 a" }, told(events))
    events = heard { chunk '{"content":"a"}', 'data: {"error":{"message":"no","code":503}}\n\n' }
    assert.same({ "message_start", "start 0 text", "text 0 a", "error" }, told(events))
  end)

  it("says nothing to who wanted no token", function()
    local request = '{"model":"m","max_tokens":0,"messages":[{"role":"user","content":"u"}]}'
    assert.same({ "message_start", "max_tokens", "message_stop" },
      told((heard({ chunk '{"content":"a"}', chunk("{}", "length"), DONE }, { request = request }))))
  end)
end)

describe("a whole answer", function()
  local function whole(message, finish, options)
    local call = { wire = "anthropic", vendor = "openai", model = "m", asked = "claude", id = ("0"):rep(32), estimated_input = 7,
      body = ('{"id":"chatcmpl-U1","model":"m","choices":[{"index":0,"message":%s,"finish_reason":"%s"}]%s}'):format(message, finish or "stop",
        options and options.usage or "") }
    for name, value in pairs(options or {}) do
      call[name] = value
    end
    return json.decode((dialect.answer(call)))
  end

  it("has reasoning first, for who asked for it", function()
    local message = '{"content":"a","reasoning_content":"hm"}'
    assert.same({ { type = "thinking", thinking = "hm", signature = "" }, { type = "text", text = "a" } },
      whole(message, "stop", { request = THINKS }).content)
    assert.same({ { type = "text", text = "a" } }, whole(message).content)
  end)

  it("hands over arguments as an object, or as the text they are", function()
    local function input(arguments)
      local message = '{"content":null,"tool_calls":[{"id":"functions.f:0","type":"function","function":{"name":"f","arguments":' ..
        json.encode(arguments) .. "}}]}"
      local got = whole(message, "tool_calls")
      assert.same({ "tool_use", "functions_f_0", "tool_use" }, { got.content[1].type, got.content[1].id, got.stop_reason })
      return got.content[1].input
    end
    assert.same({ a = "\"\n" }, input [[{"a":"\"\n"}]])
    assert.same({}, input "")
    assert.same({}, input "{}")
    for _, bad in ipairs { '{"a":', "[1]", "null", "nope" } do
      assert.same({ _raw = bad }, input(bad))
    end
  end)

  it("says why it ended", function()
    for finish, reason in pairs { stop = "end_turn", length = "max_tokens", content_filter = "refusal" } do
      assert.equal(reason, whole('{"content":"a"}', finish).stop_reason)
    end
    local refused = whole '{"content":null,"refusal":"I will not."}'
    assert.same({ "refusal", { { type = "text", text = "I will not." } } }, { refused.stop_reason, refused.content })
  end)

  it("counts what was cached apart", function()
    local usage = ',"usage":{"prompt_tokens":100,"completion_tokens":5,"prompt_tokens_details":{"cached_tokens":60,"cache_write_tokens":10}}'
    assert.same({ input_tokens = 30, cache_read_input_tokens = 60, cache_creation_input_tokens = 10, output_tokens = 5 },
      whole('{"content":"a"}', "stop", { usage = usage }).usage)
    assert.same({ input_tokens = 7, cache_read_input_tokens = 0, cache_creation_input_tokens = 0, output_tokens = 0 }, whole('{"content":"a"}').usage)
  end)

  it("may be empty", function()
    local out = dialect.answer { wire = "anthropic", vendor = "openai", model = "m",
      body = '{"id":"x","model":"m","choices":[{"index":0,"message":{"content":""},"finish_reason":"stop"}]}' }
    assert.truthy(out:find('"content":[]', 1, true))
  end)
end)

describe("a count of tokens", function()
  local function count(text, options)
    local call = { wire = "count_tokens", vendor = "anthropic", model = "m", body = text }
    for name, value in pairs(options or {}) do
      call[name] = value
    end
    return dialect.answer(call)
  end

  it("is the provider's", function()
    local out, answer = count '{"input_tokens":2095,"context_management":null}'
    assert.equal('{"input_tokens":2095}', out)
    assert.is_true(answer.ended)
  end)

  it("fails when the provider does not count", function()
    for _, bad in ipairs { "", "{}", '{"input_tokens":-1}', '{"input_tokens":"7"}', "<html>", '{"type":"error","error":{"type":"api_error","message":"x"}}' } do
      local out, answer = count(bad)
      assert.is_false(answer.ended)
      assert.equal("error", json.decode(out).type)
    end
  end)
end)

-- ------------------------------------------------------------------ errors

describe("an error", function()
  local function failed(status, message, stream_too)
    local text, answer = dialect.answer { wire = "anthropic", vendor = "openai", model = "m", status = status, stream = stream_too,
      body = json.encode { error = { message = message } } }
    local got = json.decode(text)
    assert.equal("error", got.type)
    assert.is_string(got.request_id)
    return got.error.message, answer.failure.status, got.error.type
  end

  it("of our own credentials is none of the client's", function()
    for _, status in ipairs { 401, 403 } do
      assert.same({ "upstream authentication failed", 500, "api_error" }, { failed(status, "Incorrect API key provided: sk-abc") })
    end
    local text, status = wire.failure { client = "anthropic", kind = "invalid_api_key", message = "no such key" }
    assert.same({ 401, "authentication_error", "no such key" }, { status, json.decode(text).error.type, json.decode(text).error.message })
  end)

  it("of load says so as Anthropic does", function()
    assert.same({ 529, "overloaded_error" }, { select(2, failed(503, "The engine is overloaded")) })
    assert.same({ 429, "rate_limit_error" }, { select(2, failed(429, "slow down")) })
    assert.same({ 500, "api_error" }, { select(2, failed(500, "oops")) })
    assert.same({ 413, "request_too_large" }, { select(2, failed(413, "body too big")) })
    assert.same({ 404, "not_found_error" }, { select(2, failed(404, "no such model")) })
    assert.same({ 400, "invalid_request_error" }, { select(2, failed(400, "bad field")) })
  end)

  it("of a prompt that is too long says how long, in the words that clients look for", function()
    for message, words in pairs {
      ["This model's maximum context length is 128000 tokens. However, your messages resulted in 130000 tokens."] = "130000 tokens > 128000 maximum",
      ["This model's maximum context length is 8192 tokens. However, you requested 10000 tokens (9000 in the messages, 1000 in the completion)."] =
        "10000 tokens > 8192 maximum",
      ["The input token count (1200000) exceeds the maximum number of tokens allowed (1048576)."] = "1200000 tokens > 1048576 maximum",
      ["This model's maximum prompt length is 131072 but the request contains 537812 tokens."] = "537812 tokens > 131072 maximum",
      ["Prompt contains 40,000 tokens, too large for model with 32,768 maximum context length"] = "40000 tokens > 32768 maximum",
      ["prompt is too long: 210000 tokens > 200000 maximum"] = "210000 tokens > 200000 maximum",
      ["input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000"] =
        "input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000",
      ["Input is too long for requested model gpt-4-32768."] = "Input is too long for requested model gpt-4-32768.",
    } do
      assert.equal("prompt is too long: " .. words, (failed(400, message)))
    end
  end)

  it("of Anthropic keeps what it says to programs", function()
    local details = '{"error_code":"thread_unsupported_request","unsupported":["thinking"]}'
    local function shown(given)
      local answer = wire.answer { client = "anthropic", vendor = "anthropic", model = "m", status = 400, pass = true,
        body = '{"type":"error","error":{"type":"invalid_request_error","message":"no","details":' .. given .. "}}" }
      return json.decode(answer.failure.body).error
    end
    assert.same({ type = "invalid_request_error", message = "no", details = json.decode(details) }, shown(details))
    for _, none in ipairs { "null", "7", '"x"', '{"a":"' .. ("x"):rep(5000) .. '"}' } do
      assert.is_nil(shown(none).details)
    end
  end)

  it("after first content is an event", function()
    local text = wire.failure { client = "anthropic", kind = "overloaded", message = "busy", stream = true }
    local events = stream.events(text)
    assert.same({ "error", "overloaded_error", "busy" }, { events[1].event, events[1].data.error.type, events[1].data.error.message })
  end)
end)
