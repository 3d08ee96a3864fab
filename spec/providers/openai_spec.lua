--- OpenAI's dialect: what a request says, what is refused, what goes on as it came, and what a client gets of an answer.

local cjson = require "cjson"
local wire = require("gateway.runtime").wire

local json = cjson.new()
local HELLO = '"messages":[{"role":"user","content":"hello"}]'

local TOOLS, VISION, SCHEMA, REASONING, AUDIO, DOCUMENT = 1, 2, 4, 8, 16, 32

local function refused(body)
  local facts, complaint = wire.facts(body)
  assert.is_nil(facts, "accepted: " .. body)
  return complaint
end

local function accepted(body)
  local facts, complaint = wire.facts(body)
  assert.truthy(facts, complaint and complaint.message)
  return facts
end

describe("the facts of a request", function()
  it("are what it says", function()
    local facts = accepted [[ {
      "model": "gpt-4o", "stream": true, "max_tokens": 100, "temperature": 0.5, "user": "u-1",
      "messages": [ {"role": "system", "content": "be brief"}, {"role": "user", "content": "hello"} ],
      "stream_options": {"include_usage": true} } ]]
    assert.equal("gpt-4o", facts.model)
    assert.is_true(facts.stream)
    assert.is_true(facts.include_usage)
    assert.equal(100, facts.max_tokens)
    assert.equal(0.5, facts.temperature)
    assert.equal("u-1", facts.user)
    assert.equal(#"be brief" + #"hello", facts.prompt_bytes)
    assert.equal(0, facts.needs)
    assert.is_true(facts.replayable)
    assert.equal(-1, facts.fallback)
  end)

  it("say less where less was given", function()
    local facts = accepted('{"model":"m",' .. HELLO .. "}")
    assert.is_false(facts.stream)
    assert.equal(-1, facts.max_tokens)
    assert.is_nil(facts.temperature)
    assert.is_nil(facts.user)
  end)

  it("take max_completion_tokens before max_tokens in either order", function()
    assert.equal(7, accepted('{"max_tokens":3,"max_completion_tokens":7,"model":"m",' .. HELLO .. "}").max_tokens)
    assert.equal(7, accepted('{"max_completion_tokens":7,"max_tokens":3,"model":"m",' .. HELLO .. "}").max_tokens)
  end)

  it("name what a target must be able to do", function()
    local function needs(part)
      return accepted('{"model":"m","messages":[{"role":"user","content":[' .. part .. "]}]}").needs
    end
    assert.equal(0, needs '{"type":"text","text":"x"}')
    assert.equal(VISION, needs '{"type":"image_url","image_url":{"url":"https://x"}}')
    assert.equal(VISION, needs '{"type":"image\\u005furl","image_url":{"url":"https://x"}}')
    assert.equal(AUDIO, needs '{"type":"input_audio","input_audio":{"data":"","format":"wav"}}')
    assert.equal(DOCUMENT, needs '{"type":"file","file":{"file_id":"f"}}')
    local function field(text)
      return accepted('{"model":"m",' .. text .. "," .. HELLO .. "}").needs
    end
    assert.equal(TOOLS, field '"tools":[{"type":"function","function":{"name":"f"}}]')
    assert.equal(0, field '"tools":[]')
    assert.equal(SCHEMA, field '"response_format":{"type":"json_schema","json_schema":{}}')
    assert.equal(0, field '"response_format":{"type":"json_object"}')
    assert.equal(REASONING, field '"reasoning_effort":"low"')
    assert.equal(0, field '"reasoning_effort":"none"')
  end)

  it("count text that is spelt with escaped keys", function()
    local facts = accepted '{"model":"m","messages":[{"r\\u006fle":"user","c\\u006fntent":"12345"}]}'
    assert.equal(5, facts.prompt_bytes)
  end)

  it("keep the beginning of a conversation apart", function()
    local first = accepted '{"model":"m","messages":[{"role":"system","content":"s"},{"role":"user","content":"1"}]}'
    local later = accepted [[{"model":"m","messages":[{"role":"system","content":"s"},{"role":"user","content":"1"},
      {"role":"assistant","content":"a"},{"role":"user","content":"2"}]}]]
    assert.equal(first.opening, later.opening)
    local other = accepted '{"model":"m","messages":[{"role":"system","content":"s"},{"role":"user","content":"2"}]}'
    assert.not_equal(first.opening, other.opening)
  end)

  it("know what may not be sent twice", function()
    assert.is_false(accepted('{"model":"m","store":true,' .. HELLO .. "}").replayable)
    assert.is_true(accepted('{"model":"m","store":false,' .. HELLO .. "}").replayable)
  end)

  it("take the gateway's own fields", function()
    local facts = accepted('{"routing_strategy":"weighted","provider":"groq","fallback":false,"model":"m",' .. HELLO .. "}")
    assert.equal("weighted", facts.strategy)
    assert.equal("groq", facts.provider)
    assert.equal(0, facts.fallback)
    assert.is_nil(accepted('{"provider":{"order":["x"]},"model":"m",' .. HELLO .. "}").provider)
  end)
end)

describe("a request that is refused", function()
  it("is not a JSON object", function()
    for _, body in ipairs { "", " \n", "null", "[]", "1", '"x"', "{", '{"model"', '{"model":"m",}', "{}x", "nope", '{"a":01}', '{"model":"\xff"}' } do
      local complaint = refused(body)
      assert.equal("invalid_json", complaint.kind, body)
      assert.truthy(#complaint.message > 10)
    end
    assert.matches("empty", refused("").message)
    assert.matches("null", refused("null").message)
    assert.matches("an array", refused("[]").message)
  end)

  it("is nested without end", function()
    assert.equal("invalid_json", refused('{"model":"m","x":' .. ("["):rep(5000) .. ("]"):rep(5000) .. "," .. HELLO .. "}").kind)
  end)

  it("says something twice that must be read one way", function()
    local twice = {
      model = '"m"', stream = "true", messages = "[]", max_tokens = "1", max_completion_tokens = "1", tools = "[]",
      stream_options = "{}", routing_strategy = '"x"', provider = '"x"', fallback = "true",
    }
    for name, value in pairs(twice) do
      for _, spelling in ipairs { name, ("\\u%04x"):format(name:byte()) .. name:sub(2) } do
        local head = name == "model" and "" or '"model":"m",'
        head = head .. (name == "messages" and "" or HELLO .. ",")
        local given = name == "messages" and HELLO or ('"%s":%s'):format(name, value)
        local complaint = refused(('{%s%s,"%s":%s}'):format(head, given, spelling, value))
        assert.equal("duplicate_key", complaint.kind, spelling)
        assert.equal(name, complaint.param)
      end
    end
  end)

  it("leaves out what it must say", function()
    local cases = {
      ['{"model":"m"}'] = "messages", ["{" .. HELLO .. "}"] = "model", ["{}"] = "model",
      ['{"model":"m","messages":[{"content":"x"}]}'] = "messages[0].role",
      ['{"model":"m","messages":[{"role":"user"},{}]}'] = "messages[1].role",
    }
    for body, param in pairs(cases) do
      local complaint = refused(body)
      assert.equal("invalid_parameter", complaint.kind)
      assert.equal(param, complaint.param)
      assert.equal(("Missing required parameter: '%s'."):format(param), complaint.message)
    end
  end)

  it("gives a value of the wrong kind", function()
    local wrong = {
      { '"stream":"true"', "stream" }, { '"stream":1', "stream" }, { '"max_tokens":"100"', "max_tokens" }, { '"max_tokens":1.5', "max_tokens" },
      { '"max_tokens":0', "max_tokens" }, { '"max_tokens":-1', "max_tokens" }, { '"max_tokens":1e400', "max_tokens" },
      { '"max_tokens":99999999999999999999', "max_tokens" }, { '"max_completion_tokens":[]', "max_completion_tokens" },
      { '"temperature":"hot"', "temperature" }, { '"temperature":1e400', "temperature" }, { '"tools":{}', "tools" }, { '"n":0', "n" },
      { '"stream_options":true', "stream_options" }, { '"stream_options":{"include_usage":"yes"}', "stream_options.include_usage" },
      { '"response_format":"json"', "response_format" }, { '"user":1', "user" }, { '"provider":1', "provider" },
      { '"routing_strategy":[]', "routing_strategy" }, { '"fallback":"no"', "fallback" }, { '"reasoning_effort":3', "reasoning_effort" },
    }
    for _, case in ipairs(wrong) do
      local complaint = refused('{"model":"m",' .. case[1] .. "," .. HELLO .. "}")
      assert.equal("invalid_parameter", complaint.kind, case[1])
      assert.equal(case[2], complaint.param)
    end
    assert.equal("Invalid type for 'stream': expected a boolean, but got a string instead.",
      refused('{"model":"m","stream":"true",' .. HELLO .. "}").message)
  end)

  it("names no model or one that ends early", function()
    for _, model in ipairs { '""', "1", "null", '["m"]', '"a\\u0000b"' } do
      local complaint = refused('{"model":' .. model .. "," .. HELLO .. "}")
      assert.equal("invalid_parameter", complaint.kind)
      assert.equal("model", complaint.param)
    end
  end)

  it("has messages that are none", function()
    local wrong = {
      ["[]"] = "messages", ["{}"] = "messages", ['"hi"'] = "messages", ["null"] = "messages", ['["hi"]'] = "messages[0]",
      ['[{"role":"king","content":"x"}]'] = "messages[0].role", ['[{"role":7}]'] = "messages[0].role",
      ['[{"role":"user","content":7}]'] = "messages[0].content", ['[{"role":"user","content":{}}]'] = "messages[0].content",
      ['[{"role":"user","content":["x"]}]'] = "messages[0].content[]",
    }
    for messages, param in pairs(wrong) do
      local complaint = refused('{"model":"m","messages":' .. messages .. "}")
      assert.equal("invalid_parameter", complaint.kind)
      assert.equal(param, complaint.param)
    end
  end)
end)

describe("the client's own bytes", function()
  local function edited(body, vendor, model)
    return wire.edited { body = body, vendor = vendor or "openai", model = model or "m" }
  end

  it("go on untouched where nothing must change", function()
    local body = '{ "model" : "m" ,\n"big":12345678901234567890, "empty":[], "e":1e2, ' .. HELLO .. " }"
    assert.equal(body, edited(body))
  end)

  it("name the model that the target knows", function()
    assert.equal('{"model":"a\\"b",' .. HELLO .. "}", edited('{"model":"other",' .. HELLO .. "}", "openai", 'a"b'))
  end)

  it("ask for usage when they stream", function()
    local asked = edited('{"model":"m","stream":true,' .. HELLO .. "}")
    assert.is_true(json.decode(asked).stream_options.include_usage)
    for _, options in ipairs { "null", "{}", '{"include_usage":false}', '{"include_usage":null}', '{"x":1}', '{"x":1,"include_usage":false}' } do
      local value = json.decode(edited('{"stream_options":' .. options .. ',"model":"m","stream":true,' .. HELLO .. "}"))
      assert.is_true(value.stream_options.include_usage, options)
    end
    local already = '{"model":"m","stream":true,"stream_options":{"include_usage":true},' .. HELLO .. "}"
    assert.equal(already, edited(already))
  end)

  it("leave the gateway's own fields behind, wherever they stand", function()
    local own = { '"routing_strategy":"x"', '"provider":"groq"', '"fallback":true' }
    local plain = json.decode('{"model":"m",' .. HELLO .. "}")
    local rest = { '"model":"m"', HELLO }
    local function check(list)
      for _, glue in ipairs { ",", " , " } do
        assert.same(plain, json.decode(edited("{" .. table.concat(list, glue) .. "}")))
      end
    end
    check { own[1], own[2], own[3], rest[1], rest[2] }
    check { rest[1], own[1], own[2], rest[2], own[3] }
    check { own[1], rest[1], rest[2], own[2] }
    check { rest[1], rest[2], own[1], own[2], own[3] }
  end)

  it("are renamed for models that call things otherwise", function()
    local function edited_for(model, body)
      return wire.edited { body = body, vendor = "openai", model = model }
    end
    assert.equal('{"model":"o3","max_completion_tokens":5,' .. HELLO .. "}", edited_for("o3", '{"model":"m","max_tokens":5,' .. HELLO .. "}"))
    assert.equal('{"model":"gpt-4o","max_tokens":5,' .. HELLO .. "}", edited_for("gpt-4o", '{"model":"m","max_tokens":5,' .. HELLO .. "}"))
    assert.is_nil(edited_for("o3", '{"model":"m","top_p":0.5,' .. HELLO .. "}"))
    assert.is_nil(edited_for("o3", '{"model":"m","t\\u006fp_p":0.5,' .. HELLO .. "}"))
    assert.is_nil(edited_for("o3", '{"model":"m","max_tokens":4,"max_completion_tokens":5,' .. HELLO .. "}"))
  end)

  it("go through the neutral form where edits are not enough", function()
    assert.is_nil(edited('{"model":"m",' .. HELLO .. "}", "mistral"))
    assert.is_nil(edited('{"model":"m","messages":[{"role":"developer","content":"x"}]}', "deepseek"))
    assert.is_nil(edited('{"model":"m","max_tokens":4,"max_completion_tokens":5,' .. HELLO .. "}", "together"))
    local body = wire.encode { body = '{"model":"m","max_tokens":4,"max_completion_tokens":5,' .. HELLO .. "}", vendor = "together", model = "m" }
    assert.same({ model = "m", max_tokens = 5, messages = { { role = "user", content = "hello" } } }, json.decode(body))
  end)
end)

-- ------------------------------------------------------------------ answers

local function chunk(delta, rest)
  local head = 'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":5,"model":"m","choices":[{"index":0,"delta":'
  return head .. delta .. "}]" .. (rest or "") .. "}\n\n"
end
local STOP = 'data: {"id":"chatcmpl-1","created":5,"model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
local DONE = "data: [DONE]\n\n"
local USAGE = '"usage":{"prompt_tokens":10,"completion_tokens":4,"total_tokens":14,"prompt_tokens_details":{"cached_tokens":6},'
  .. '"completion_tokens_details":{"reasoning_tokens":3}}'
local USAGE_CHUNK = 'data: {"id":"chatcmpl-1","created":5,"model":"m","choices":[],' .. USAGE .. "}\n\n"

local function stream(text, fields)
  local call = { vendor = "openai", stream = true, pieces = { text }, id = "x", model = "m", pass = true }
  for name, value in pairs(fields or {}) do
    call[name] = value
  end
  return wire.answer(call)
end

describe("a stream that is passed on", function()
  it("keeps its bytes", function()
    local text = ": hi\n\n" .. chunk '{"role":"assistant","content":""}' .. chunk('{"content":"a"}', ',"usage":null') .. STOP .. DONE
    local answer = stream(text)
    assert.equal(text:gsub("^: hi\n\n", ""), (answer.out:gsub("^: hi\n\n", "")))
    assert.is_true(answer.ended)
    assert.equal("stop", answer.finish)
    assert.is_nil(answer.usage)
  end)

  it("shows usage to those who asked and to us", function()
    local answer = stream(chunk '{"content":"a"}' .. STOP .. USAGE_CHUNK .. DONE)
    assert.equal(chunk '{"content":"a"}' .. STOP .. DONE, answer.out)
    assert.same({ input = 4, cache_read = 6, cache_write = -1, output = 4, reasoning = 3 }, answer.usage)
    local all = chunk '{"content":"a"}' .. STOP .. USAGE_CHUNK .. DONE
    assert.equal(all, stream(all, { include_usage = true }).out)
  end)

  it("loses usage beside choices when nobody asked", function()
    local text = chunk('{"content":"a"}', "," .. USAGE) .. STOP .. DONE
    local answer = stream(text)
    assert.equal(chunk '{"content":"a"}' .. STOP .. DONE, answer.out)
    assert.equal(4, answer.usage.output)
    assert.equal(text, stream(text, { include_usage = true }).out)
    local first = "data: {" .. USAGE .. ',"id":"1","choices":[{"index":0,"delta":{"content":"a"}}]}\n\n'
    assert.equal('data: {"id":"1","choices":[{"index":0,"delta":{"content":"a"}}]}\n\n', stream(first).out)
  end)

  it("never shows a list of no choices to those who take the first", function()
    local empty = 'data: {"id":"","model":"","choices":[],"prompt_filter_results":[]}\n\n'
    assert.equal(chunk '{"content":"a"}', stream(empty .. chunk '{"content":"a"}').out)
    assert.equal(chunk '{"content":"a"}', stream(empty .. chunk '{"content":"a"}', { include_usage = true }).out)
  end)

  it("is complete with its end marker, or with its finish", function()
    assert.is_true(stream(chunk '{"content":"a"}' .. STOP).ended)
    assert.is_false(stream(chunk '{"content":"a"}').ended)
    assert.equal("unavailable", stream(DONE).failure.kind)
  end)

  it("is not complete without its end marker while one of its choices is not", function()
    local second = 'data: {"id":"chatcmpl-1","choices":[{"index":1,"delta":{"content":"b"}}]}\n\n'
    assert.is_false(stream(chunk '{"content":"a"}' .. second .. STOP).ended)
    assert.is_true(stream(chunk '{"content":"a"}' .. second .. STOP .. STOP:gsub('"index":0', '"index":1')).ended)
  end)

  it("fails where it says so", function()
    local cases = {
      ['data: {"error":{"message":"Rate limit reached","code":"rate_limit_exceeded"}}\n\n'] = "rate_limited",
      ['data: {"error":{"message":"Overloaded","code":529}}\n\n'] = "overloaded",
      ['data: {"error":{"message":"slow down","code":"429"}}\n\n'] = "rate_limited",
      ['event: error\ndata: {"message":"the engine died"}\n\n'] = "unavailable",
      ['data: {"error":"it broke"}\n\n'] = "unavailable",
      ["data: {nope\n\n"] = "unavailable",
      ["data: <html>\n\n"] = "unavailable",
      ['data: {"choices":[{"index":0,"delta":{},"finish_reason":"error"}]}\n\n'] = "unavailable",
    }
    for text, kind in pairs(cases) do
      local answer = stream(text .. DONE)
      assert.truthy(answer.failure, text)
      assert.equal(kind, answer.failure.kind, text)
      assert.is_false(answer.ended)
      assert.is_nil(answer.out and answer.out:match "DONE")
    end
    assert.equal("refused", stream('data: {"error":{"message":"x"}}\n\n').failure.sent)
    assert.equal("content_started", stream(chunk '{"content":"a"}' .. 'data: {"error":{"message":"x"}}\n\n').failure.sent)
  end)
end)

describe("a stream that is written anew", function()
  local function calls(text)
    local list = {}
    for line in stream(text, { pass = false, vendor = "vllm" }).out:gmatch "data: ({[^\n]*})" do
      local delta = json.decode(line).choices[1].delta
      for _, call in ipairs(delta.tool_calls or {}) do
        local one = list[call.index + 1] or { arguments = "" }
        list[call.index + 1] = one
        one.id = one.id or call.id
        one.name = one.name or call["function"].name
        one.arguments = one.arguments .. call["function"].arguments
      end
    end
    return list
  end

  it("closes calls that have no arguments", function()
    assert.same({ { id = "c1", name = "now", arguments = "{}" } },
      calls(chunk '{"tool_calls":[{"index":0,"id":"c1","type":"function","function":{"name":"now","arguments":""}}]}' .. STOP .. DONE))
  end)

  it("tells parallel calls apart though all are said to be the first", function()
    assert.same({ { id = "a", name = "f", arguments = '{"x":1}' }, { id = "b", name = "g", arguments = '{"y":2}' } },
      calls(chunk '{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{\\"x\\":"}}]}'
        .. chunk '{"tool_calls":[{"index":0,"function":{"arguments":"1}"}}]}'
        .. chunk '{"tool_calls":[{"index":0,"id":"b","function":{"name":"g","arguments":{"y":2}}}]}' .. STOP .. DONE))
  end)

  it("keeps every one of many calls, and adds nothing to what was said of any", function()
    local text, expected = {}, {}
    for i = 1, 200 do
      local arguments = i % 2 == 0 and "" or '{\\"n\\":' .. i .. "}"
      text[i] = chunk(('{"tool_calls":[{"index":%d,"id":"c%d","function":{"name":"f","arguments":"%s"}}]}'):format(i - 1, i, arguments))
      expected[i] = { id = "c" .. i, name = "f", arguments = i % 2 == 0 and "{}" or '{"n":' .. i .. "}" }
    end
    assert.same(expected, calls(table.concat(text) .. STOP .. DONE))
  end)

  it("fails when there are more calls than can be kept apart", function()
    local text = {}
    for i = 1, 600 do
      text[i] = chunk(('{"tool_calls":[{"index":%d,"id":"c%d","function":{"name":"f","arguments":"{}"}}]}'):format(i - 1, i))
    end
    local answer = stream(table.concat(text) .. STOP .. DONE, { pass = false, vendor = "vllm" })
    assert.is_false(answer.ended)
    assert.equal("unavailable", answer.failure.kind)
    assert.is_nil(answer.out:match "DONE")
  end)

  it("never mixes a choice beyond all bounds into another", function()
    local far = 'data: {"id":"1","choices":[{"index":%d,"delta":{"content":"far"},"finish_reason":"stop"}]}\n\n'
    for _, index in ipairs { 32, 33, 4294967296, 9007199254740992 } do
      local answer = stream(chunk '{"content":"a"}' .. far:format(index) .. STOP .. DONE, { pass = false, vendor = "vllm" })
      assert.is_true(answer.ended)
      assert.is_nil(answer.out:match "far", index)
    end
  end)

  it("keeps logprobs where it is written anew, on one line", function()
    local lp = '{"content":[{"token":"Hi",\n"logprob":-0.5}]}'
    local function said(logprobs)
      return ('{"id":"a","model":"m","created":5,"choices":[{"index":0,"delta":{"content":"Hi"},"logprobs":%s,"finish_reason":null}]}'):format(logprobs)
    end
    local text = "data: " .. said(lp):gsub("\n", "\ndata: ") .. "\n\ndata: " .. said "null" .. "\n\ndata: " .. said '{"content":[]}'
      .. "\n\ndata: " .. said '{"tokens":["Hi"]}' .. "\n\n" .. STOP .. DONE
    local heard = {}
    for line in stream(text, { vendor = "azure", pass = false }).out:gmatch "data: ({.-})\n\n" do
      local choice = json.decode(line).choices[1]
      heard[#heard + 1] = choice.logprobs and choice.logprobs ~= cjson.null and choice.logprobs.content[1].logprob or nil
    end
    assert.same({ -0.5 }, heard)
    assert.is_nil(stream(text, { vendor = "azure", pass = false }).out:find('"content":[{', 1, true) == nil or nil)
  end)

  it("costs what its provider says, where it says so", function()
    local function cost(vendor, said)
      local usage = ('{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2,"cost":%s}'):format(said)
      return wire.answer({ vendor = vendor, id = "x", model = "m", body = '{"id":"a","choices":[{"message":{"content":"x"},"finish_reason":"stop"}],"usage":'
        .. usage .. "}" }).usage.cost
    end
    assert.equal(0.00012, cost("openrouter", "0.00012"))
    assert.equal(0, cost("openrouter", "0"))
    for _, nonsense in ipairs { "-1", "null", '"1"', "1e300" } do
      assert.is_nil(cost("openrouter", nonsense))
    end
    assert.is_nil(cost("vllm", "0.5"))
  end)

  it("says a refusal to clients that know text only", function()
    local answer = stream(chunk '{"refusal":"I will not"}' .. STOP .. DONE, { pass = false, client = "simple" })
    assert.matches("I will not", answer.out)
  end)

  it("finishes with tool_calls where there were calls", function()
    local answer = stream(chunk '{"tool_calls":[{"id":"a","function":{"name":"f","arguments":"{}"}}]}' .. STOP .. DONE, { pass = false, vendor = "vllm" })
    assert.equal("tool_calls", answer.finish)
  end)
end)

describe("a whole answer", function()
  local function whole(body, vendor, pass)
    return wire.answer { vendor = vendor or "openai", body = body, id = "x", model = "m", created = 9, pass = pass ~= false }
  end

  it("says how it ended and what it cost", function()
    local answer = whole('{"id":"1","choices":[{"index":0,"message":{"role":"assistant","content":"hi"},"finish_reason":"length"}],' .. USAGE .. "}")
    assert.is_true(answer.ended)
    assert.equal("length", answer.finish)
    assert.equal(4, answer.usage.input)
  end)

  it("is an answer only when it is complete", function()
    local good = '{"id":"1","choices":[{"index":0,"message":{"content":"hi"},"finish_reason":"stop"}]}'
    for cut = 0, #good - 1 do
      local answer = whole(good:sub(1, cut))
      assert.is_false(answer.ended)
      assert.equal("unavailable", answer.failure.kind)
    end
    assert.is_true(whole("\n\n \n" .. good).ended)
    for _, body in ipairs { "<html>502</html>", "{}", "[]", "null", '{"choices":null}', '{"choices":[]}', '{"choices":{}}', good .. "x" } do
      assert.equal("unavailable", whole(body).failure.kind, body)
    end
  end)

  it("may be an error in a 200", function()
    assert.equal("rate_limited", whole('{"error":{"message":"slow down","code":429},"user_id":"u"}').failure.kind)
    assert.equal("context_length", whole('{"error":{"message":"This model\'s maximum context length is 8 tokens","code":400}}').failure.kind)
    assert.is_true(whole('{"error":null,"choices":[{"index":0,"message":{"content":"hi"},"finish_reason":"stop"}]}').ended)
  end)

  it("keeps every choice when it is written anew", function()
    local choices = {}
    for i = 1, 12 do
      choices[i] = ('{"index":%d,"message":{"content":"c%d"},"finish_reason":"stop"}'):format(i - 1, i)
    end
    local answer = json.decode(whole('{"choices":[' .. table.concat(choices, ",") .. "]}", "together", false).out)
    assert.equal(12, #answer.choices)
    assert.equal("c12", answer.choices[12].message.content)
  end)

  it("fails when the pieces of its calls are mixed, rather than lose one", function()
    local answer = whole('{"choices":[{"index":0,"message":{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{\\"x\\":"}},'
      .. '{"index":1,"id":"b","function":{"name":"g","arguments":"{}"}},{"index":0,"id":"a","function":{"arguments":"1}"}}]},'
      .. '"finish_reason":"tool_calls"}]}', "together", false)
    assert.is_true(answer.overflow)
  end)

  it("counts what is nonsense without going below nothing", function()
    local answer = whole [[{"choices":[{"index":0,"message":{"content":""},"finish_reason":"stop"}],"usage":{"prompt_tokens":5,
      "completion_tokens":2,"prompt_tokens_details":{"cached_tokens":50},"completion_tokens_details":{"reasoning_tokens":9}}}]]
    assert.same({ input = 0, cache_read = 5, cache_write = -1, output = 2, reasoning = 2 }, answer.usage)
  end)
end)
