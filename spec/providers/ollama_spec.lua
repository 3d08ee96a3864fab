--- Ollama's own API: what a request becomes, and what its lines say; where its server is. The fixtures hold the common cases; here are the edges.

local cjson = require "cjson"
local config = require "gateway.config"
local encoding = require "support.encoding"
local runtime = require "gateway.runtime"
local stream = require "support.stream"

local wire = runtime.wire
local json = cjson.new()

local MODEL = "qwen3:8b"

-- ------------------------------------------------------------------ requests

local with = encoding.with
local _, decoded, complaint_about = encoding.of("ollama", MODEL)

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
  {"type":"function","function":{"name":"g","strict":true}}] ]]

local function messages(list)
  return (sent('"messages":' .. list)).messages
end

describe("a request", function()
  it("says how to go on in options", function()
    local body, dropped = sent(HI .. [[,"max_completion_tokens":5,"temperature":0,"top_p":0.5,"top_k":-1,"seed":-7,"stop":["a","b"],"min_p":0.1,
      "presence_penalty":-2,"frequency_penalty":1.5,"num_ctx":8192,"stream":true,"keep_alive":"5m","truncate":false]])
    assert.same({ model = MODEL, stream = true, messages = { { role = "user", content = "Hi" } }, keep_alive = "5m", truncate = false, options = {
      num_predict = 5, temperature = 0, top_p = 0.5, top_k = -1, seed = -7, stop = { "a", "b" }, min_p = 0.1, presence_penalty = -2,
      frequency_penalty = 1.5, num_ctx = 8192 } }, body)
    assert.equal("", dropped)
  end)

  it("says nothing that was not said, but whether it streams", function()
    assert.same({ model = MODEL, stream = false, messages = { { role = "user", content = "Hi" } } }, (sent(HI)))
    assert.same({ num_predict = 9 }, sent(HI, { default_max_tokens = 9 }).options)
    assert.same({ num_predict = 8 }, sent(HI .. ',"max_tokens":9', { max_output = 8 }).options)
  end)

  it("names what it cannot say", function()
    for param, members in pairs { user = '"user":"u"', metadata = '"metadata":{}', logprobs = '"logprobs":true', top_logprobs = '"top_logprobs":2',
      service_tier = '"service_tier":"flex"', logit_bias = '"logit_bias":{}', store = '"store":false', reasoning_effort = '"reasoning_effort":"extreme"' } do
      local body, dropped = sent(HI .. "," .. members)
      assert.equal(param, dropped)
      assert.is_nil(body[param] or body.options)
    end
    for _, members in ipairs { '"user":null', '"num_ctx":null', '"store":null', '"logprobs":false', '"n":1' } do
      assert.equal("", (select(2, sent(HI .. "," .. members))), members)
    end
    for _, n in ipairs { "2", "2.0", "3e0", "0" } do
      assert.equal("n", refused(HI .. ',"n":' .. n))
    end
  end)

  it("thinks as hard as it was asked to", function()
    for effort, think in pairs { none = false, minimal = "low", low = "low", medium = "medium", high = "high", xhigh = "high", max = "max" } do
      assert.equal(think, sent(HI .. ',"reasoning_effort":"' .. effort .. '"').think)
    end
    for thinking, think in pairs { ['{"type":"disabled"}'] = false, ['{"type":"enabled","budget_tokens":1024}'] = "low",
      ['{"type":"enabled","budget_tokens":4096}'] = "medium", ['{"type":"enabled","budget_tokens":32000}'] = "high", ['{"type":"adaptive"}'] = true } do
      assert.equal(think, sent(HI .. ',"thinking":' .. thinking).think)
    end
    assert.is_nil(sent(HI).think)
  end)

  it("has a format", function()
    assert.equal("json", sent(HI .. ',"response_format":{"type":"json_object"}').format)
    assert.same({ type = "object" },
      sent(HI .. ',"response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{"type":"object"}}}').format)
    assert.equal("json", sent(HI .. ',"response_format":{"type":"json_schema","json_schema":{"name":"n"}}').format)
    assert.is_nil(sent(HI .. ',"response_format":{"type":"text"}').format)
  end)
end)

describe("tools", function()
  it("are offered as the choice says; that one must be called cannot be said", function()
    for choice, expected in pairs { ['"auto"'] = { 2, "strict" }, ['"none"'] = { 0, "" }, ['"required"'] = { 2, "tool_choice, strict" },
      ['{"type":"function","function":{"name":"f"}}'] = { 1, "tool_choice" } } do
      local body, dropped = sent(HI .. "," .. TOOLS .. ',"tool_choice":' .. choice)
      assert.same(expected, { #(body.tools or {}), dropped }, choice)
    end
    local tools = sent(HI .. "," .. TOOLS).tools
    assert.same({ type = "function", ["function"] = { name = "f", description = "d", parameters = { type = "object", properties = {} } } }, tools[1])
    assert.same({ name = "g", parameters = { type = "object", properties = {} } }, tools[2]["function"])
    assert.equal("tool_choice", refused(HI .. "," .. TOOLS .. ',"tool_choice":{"type":"function","function":{"name":"h"}}'))
    assert.equal("tools", refused(HI .. ',"tools":[{"type":"web_search"}]'))
    assert.equal("strict, parallel_tool_calls", (select(2, sent(HI .. "," .. TOOLS .. ',"parallel_tool_calls":false'))))
  end)
end)

describe("messages", function()
  it("are one for one, each with one string", function()
    assert.same({
      { role = "system", content = "a" }, { role = "user", content = 'b"\u{e9}\nc' }, { role = "assistant", content = "", thinking = "r" },
      { role = "assistant", content = "no" }, { role = "system", content = "d" },
    }, messages [[[{"role":"developer","content":[{"type":"text","text":"a"}]},
      {"role":"user","content":[{"type":"text","text":"b\"\u00e9"},{"type":"text","text":"\nc"}]},
      {"role":"assistant","content":null,"reasoning_content":"r"},{"role":"assistant","content":null,"refusal":"no"},{"role":"system","content":"d"}] ]])
  end)

  it("have pictures as bare base64, and no addresses", function()
    assert.same({ { role = "user", content = "t", images = { "AAAA", "BBBB" } } }, messages [[[{"role":"user","content":[
      {"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}},{"type":"text","text":"t"},
      {"type":"image_url","image_url":{"url":"data:image/jpeg;base64,BBBB"}}]}] ]])
    for _, url in ipairs { "https://a/b.png", "http://a", "data:image/png,AAAA", "data:image/png;base64", "data:image/png;base64," } do
      assert.equal("messages", refused('"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"' .. url .. '"}}]}]'), url)
    end
  end)

  it("have the arguments of calls as objects, and results with their tool's name", function()
    local text = select(3, sent [=["messages":[{"role":"user","content":"u"},{"role":"assistant","content":"p","tool_calls":[
      {"id":"1","type":"function","function":{"name":"f","arguments":"{\"a\":\"\\\"\\u00eb\\n\",\"b\":[12345678901234567890,[]]}"}},
      {"type":"function","function":{"name":"g","arguments":""}}]},{"role":"tool","tool_call_id":"1","content":[{"type":"text","text":"x"},
      {"type":"text","text":"y"}]},{"role":"tool","tool_call_id":"9","content":"z"}]]=])
    assert.truthy(text:find([=["tool_calls":[{"id":"1","function":{"index":0,"name":"f","arguments":{"a":"\"\u00eb\n","b":[12345678901234567890,[]]}}},]=]
      .. [=[{"function":{"index":1,"name":"g","arguments":{}}}]]=], 1, true), text)
    assert.same({ { role = "tool", content = "xy", tool_name = "f", tool_call_id = "1" }, { role = "tool", content = "z", tool_call_id = "9" } },
      { json.decode(text).messages[3], json.decode(text).messages[4] })
  end)

  it("have results of earlier turns, of several messages, and of ids that were used again", function()
    local function call(id, name)
      return ('{"role":"assistant","tool_calls":[{"id":"%s","type":"function","function":{"name":"%s","arguments":"{}"}}]}'):format(id, name)
    end
    local function result(id)
      return ('{"role":"tool","tool_call_id":"%s","content":"x"}'):format(id)
    end
    local names = {}
    for _, message in ipairs(messages("[" .. table.concat({ call("1", "f"), call("2", "g"), result "1", result "2", call("1", "h"), result "1", result "2",
      result "9" }, ",") .. "]")) do
      names[#names + 1] = message.role == "tool" and (message.tool_name or "none") or nil
    end
    assert.same({ "f", "g", "h", "g", "none" }, names)
  end)

  it("find their tools' names however many there are", function()
    local list = (sent(encoding.many_calls(4000))).messages
    assert.equal("f4000", list[#list].tool_name)
  end)

  it("are refused where they hold what cannot be read here", function()
    for _, arguments in ipairs { "[1]", "{", "{} x", "null", "text" } do
      assert.equal("messages", refused('"messages":[{"role":"assistant","tool_calls":[{"id":"1","function":{"name":"f","arguments":"' .. arguments .. '"}}]}]'))
    end
    assert.equal("messages", refused '"messages":[{"role":"user","content":[{"type":"input_audio","input_audio":{"data":"AA","format":"wav"}}]}]')
    assert.equal("messages", refused '"messages":[{"role":"user","content":[{"type":"file","file":{"file_data":"data:application/pdf;base64,AA"}}]}]')
  end)

  it("lose their cache markers, said once", function()
    local part = '{"type":"text","text":"a","cache_control":{"type":"ephemeral"}}'
    assert.equal("cache_control", (select(2, sent(('"messages":[{"role":"user","content":[%s,%s]}]'):format(part, part)))))
  end)
end)

-- ------------------------------------------------------------------ embeddings

describe("embeddings", function()
  local function embed(members)
    local body, dropped = wire.encode { client = "embeddings", vendor = "ollama", model = "m", body = '{"model":"x",' .. members .. "}" }
    return body and json.decode(body), dropped
  end

  it("are asked for as a list", function()
    assert.same({ model = "m", input = { "a" } }, (embed '"input":"a"'))
    local body, dropped = embed '"input":["a","b\\n"],"dimensions":8,"user":"u","input_type":"search_query"'
    assert.same({ model = "m", input = { "a", "b\n" }, dimensions = 8 }, body)
    assert.equal("input_type, user", dropped)
  end)

  it("come back in order, with their tokens", function()
    local got = wire.answer { client = "embeddings", vendor = "ollama", model = "m", id = "i",
      body = '{"model":"n","embeddings":[[0.5,-1e-3],[1,2]],"prompt_eval_count":4}' }
    local body = json.decode(got.out)
    assert.same({ { 0.5, -0.001 }, { 1, 2 }, 1, "n", 4, true },
      { body.data[1].embedding, body.data[2].embedding, body.data[2].index, body.model, body.usage.prompt_tokens, got.ended })
    for _, text in ipairs { "{}", '{"embeddings":[]}', '{"embeddings":[1]}', '{"embeddings":[[]]}', '{"error":"x"}', "[]", "" } do
      got = wire.answer { client = "embeddings", vendor = "ollama", model = "m", body = text, id = "i" }
      assert.same({ "unavailable", false }, { got.failure and got.failure.kind, got.ended }, text)
    end
  end)
end)

-- ------------------------------------------------------------------ answers

local function line(message, more)
  return ('{"model":"qwen3:8b","created_at":"2026-01-01T00:00:00.5Z","message":%s,"done":false%s}\n'):format(message, more or "")
end

local function done(message, more)
  return (line(message or '{"role":"assistant","content":""}', more):gsub('"done":false', '"done":true'))
end

local COUNTS = ',"done_reason":"stop","prompt_eval_count":3,"eval_count":4'

local function answer(body, fields)
  return wire.answer(with({ vendor = "ollama", model = MODEL, body = body, id = "0123456789abcdef0123456789abcdef", created = 1 }, fields))
end

local function streamed(pieces, fields)
  if type(pieces) == "string" then
    pieces = { pieces }
  end
  return answer(nil, with({ stream = true, include_usage = true, pieces = pieces }, fields))
end

describe("an answer", function()
  it("ends for the reason it says", function()
    for reason, finish in pairs { stop = "stop", length = "length", load = "stop", unload = "stop" } do
      assert.equal(finish, answer(done('{"content":"a"}', ',"done_reason":"' .. reason .. '"')).finish)
    end
    assert.equal("stop", answer(done '{"content":"a"}').finish)
    assert.equal("tool_calls", answer(done('{"tool_calls":[{"function":{"name":"f","arguments":{}}}]}', COUNTS)).finish)
    local got = answer(done('{"content":"a"}', ',"done_reason":"something new"'))
    assert.same({ "unavailable", false }, { got.failure.kind, got.ended })
  end)

  it("is none when it is something else, or not done", function()
    for _, body in ipairs { "", " ", "<html>", "{", "[]", "{}", line '{"content":"a"}', line '{"content":"a"}' .. done(), '{"error":"x"}',
      '{"error":{"message":"x"}}' } do
      local got = answer(body)
      assert.same({ "unavailable", false }, { got.failure and got.failure.kind, got.ended }, body)
    end
  end)

  it("was made when it says", function()
    local function created(text)
      return json.decode(answer((done('{"content":"a"}'):gsub("2026%-01%-01T00:00:00%.5Z", text))).out).created
    end
    for text, seconds in pairs { ["2026-01-01T00:00:00Z"] = 1767225600, ["2026-01-01T00:00:00.999999999Z"] = 1767225600,
      ["2026-01-01T02:30:00.1+02:30"] = 1767225600, ["2025-12-31T16:00:00-08:00"] = 1767225600, ["2024-02-29T12:34:56Z"] = 1709210096,
      ["2024-03-01T00:00:00Z"] = 1709251200, ["1970-01-01T00:00:01Z"] = 1, ["2100-03-01T00:00:00z"] = 4107542400 } do
      assert.equal(seconds, created(text), text)
    end
    for _, text in ipairs { "", "yesterday", "2026-01-01", "2026-01-01T00:00:00", "2026-13-01T00:00:00Z", "2026-01-01T24:00:00Z", "2026-01-01T00:00:00+2:00",
      "2026-01-01T00:00:00Zx" } do
      assert.equal(1, created(text), text) -- our own clock's
    end
  end)

  it("has calls with ids, its own or ours, all different", function()
    local got = answer(done([[{"content":"","thinking":"t","tool_calls":[{"id":"own","function":{"name":"f","arguments":{ "a" : "x \" \u00eb y" }}},
      {"function":{"index":1,"name":"g","arguments":{ }}},{"function":{"name":"h"}},{"function":{"name":"i","arguments":"{\"b\":1}"}}]}]], COUNTS))
    local message = json.decode(got.out).choices[1].message
    local arguments, ids = {}, {}
    for i, call in ipairs(message.tool_calls) do
      arguments[i] = call["function"].arguments
      assert.is_nil(ids[call.id])
      ids[call.id] = true
      assert.matches(i == 1 and "^own$" or "^call_%w+$", call.id)
    end
    assert.same({ '{"a":"x \\" \\u00eb y"}', "{}", "{}", '{"b":1}' }, arguments)
    assert.equal("t", message.reasoning_content)
  end)

  it("counts what is there", function()
    local function usage(more)
      return answer(done('{"content":"a"}', more)).usage
    end
    assert.same({ input = 3, output = 4, cache_read = -1, cache_write = -1, reasoning = -1 }, usage(COUNTS))
    assert.equal(0, usage(',"eval_count":4').input)
    assert.equal(0, usage(',"prompt_eval_count":4').output)
    assert.is_nil(usage ',"prompt_eval_count":4,"eval_count":-1')
    assert.is_nil(usage "")
    local loaded = answer(done('{"content":""}', "")).usage -- it said nothing, and zeros are left out
    assert.same({ 0, 0 }, { loaded.input, loaded.output })
    assert.is_nil(usage ',"prompt_eval_count":-1,"eval_count":4')
    assert.is_nil(usage ',"prompt_eval_count":null')
  end)
end)

describe("a stream", function()
  local FULL = line '{"role":"assistant","content":"","thinking":"r\\u00eb"}' .. "\r\n\n" .. line '{"content":"Zo\u{eb} \\ud83d\\ude00"}'
    .. line '{"content":"","tool_calls":[{"function":{"name":"f","arguments":{"a":1}}},{"function":{"name":"g","arguments":{}}}]}'
    .. line '{"tool_calls":[{"id":"c","function":{"name":"h","arguments":{}}}]}' .. done('{"content":"!"}', COUNTS)

  it("says everything that was in it", function()
    local got = streamed(FULL)
    assert.is_nil(got.failure)
    assert.same({ true, "tool_calls" }, { got.ended, got.finish })
    local text, reasoning, calls = "", "", {}
    for _, event in ipairs(stream.events(got.out)) do
      local choice = event.data ~= "[DONE]" and event.data.choices[1]
      local said = choice and choice.delta or {}
      text, reasoning = text .. (said.content or ""), reasoning .. (said.reasoning_content or "")
      for _, call in ipairs(said.tool_calls or {}) do
        calls[call.index + 1] = (calls[call.index + 1] or "") .. (call["function"].name or "") .. call["function"].arguments
      end
    end
    assert.same({ "Zo\u{eb} \u{1f600}!", "r\u{eb}", { 'f{"a":1}', "g{}", "h{}" } }, { text, reasoning, calls })
  end)

  it("says the same however it is cut", function()
    local first = streamed(FULL)
    for _, pieces in ipairs(stream.cuts(FULL)) do
      local got = streamed(pieces)
      assert.same({ first.out, first.ended, first.usage }, { got.out, got.ended, got.usage })
    end
  end)

  it("is complete with a line that is done only", function()
    for len = 0, #FULL - 2 do
      local got = streamed(FULL:sub(1, len))
      assert.is_false(got.ended, len)
      assert.falsy((got.out or ""):find("[DONE]", 1, true))
    end
    assert.is_true(streamed(FULL:sub(1, -2)).ended) -- the last line without its end
  end)

  it("fails where the server says so, or where it is damaged", function()
    for _, case in ipairs { { '{"error":"CUDA error"}\n', "unavailable", "CUDA error" }, { '{"error":"server busy"}\n', "overloaded" },
      { '{"error":{"message":"x"}}\n', "unavailable", "x" }, { "{\n", "unavailable" }, { "data: {}\n", "unavailable" }, { "[]\n", "unavailable" } } do
      local got = streamed(line '{"content":"a"}' .. case[1] .. done('{"content":"b"}', COUNTS))
      assert.same({ case[2], "content_started", false }, { got.failure.kind, got.failure.sent, got.ended }, case[1])
      assert.equal(case[3] or got.failure.message, got.failure.message)
      assert.falsy(got.out:find('"b"', 1, true))
    end
    assert.equal("refused", streamed('{"error":"x"}\n').failure.sent)
  end)

  it("passes over what is new", function()
    assert.is_true(streamed('{"status":"loading model"}\n' .. line '{"content":"a","new":1}' .. done(nil, COUNTS)).ended)
  end)
end)

describe("a refusal", function()
  it("is what its status and its words say", function()
    for _, case in ipairs { { 400, '"m" does not support thinking', "invalid_request" },
      { 404, 'model "x" not found, try pulling it first', "model_not_found" },
      { 401, "unauthorized", "auth" }, { 403, "cloud disabled", "auth" }, { 429, "slow down", "rate_limited" }, { 500, "crash", "unavailable" },
      { 502, "cloud unreachable", "unavailable" }, { 503, "server busy, please try again.  maximum pending requests exceeded", "overloaded" } } do
      local failure = answer(cjson.encode { error = case[2] }, { status = case[1] }).failure
      assert.same({ case[3], case[2] }, { failure.kind, failure.message })
    end
  end)
end)

-- ------------------------------------------------------------------ where it is

describe("the server", function()
  local function check(entry, variables)
    local function read(name, default)
      return (variables or {})[name] or default
    end
    return config.check({ providers = { own = entry } }, { file = "gateway.lua", text = "", env = read, vendors = runtime.config.vendors() })
  end

  local function url(entry, variables)
    local one = assert(check(entry, variables)).providers[1]
    return (wire.head { vendor = one.kind, model = "m", origin = one.origin, path = one.path }), one.keys[1]
  end

  it("is where it is said to be, on this machine unless told", function()
    for host, expected in pairs { ["gpu"] = "http://gpu:11434", ["gpu:80"] = "http://gpu", [":9"] = "http://127.0.0.1:9",
      ["0.0.0.0"] = "http://127.0.0.1:11434",
      ["[::1]"] = "http://[::1]:11434", ["https://ollama.com"] = "https://ollama.com", ["http://gpu:1/x/"] = "http://gpu:1/x",
      ["http://gpu:1/api/"] = "http://gpu:1", ["http://gpu:1/api/chat"] = "http://gpu:1" } do
      assert.equal(expected .. "/api/chat", (url({ kind = "ollama" }, { OLLAMA_HOST = host })), host)
      assert.equal(expected .. "/api/chat", (url({ kind = "ollama", base_url = host })), host)
      assert.equal(expected .. "/v1/chat/completions", (url({ kind = "ollama_compat" }, { OLLAMA_API_BASE = host })), host)
    end
    assert.equal("http://localhost:11434/api/chat", (url { kind = "ollama" }))
    assert.equal("http://gpu:1/v1/chat/completions", (url { kind = "ollama_compat", base_url = "http://gpu:1/v1" }))
    local checked, message = check { kind = "ollama", base_url = "http://gpu:1/v1" }
    assert.is_nil(checked)
    assert.matches("own%.base_url: .*ollama_compat", message)
  end)

  it("wants no key, and gets one where there is one", function()
    assert.is_nil(select(2, url { kind = "ollama" }))
    assert.equal("k", (select(2, url({ kind = "ollama" }, { OLLAMA_API_KEY = "k" }))))
    local call = { vendor = "ollama", model = "m", origin = "o", path = "/api", client = "embeddings" }
    assert.same({ "o/api/embed", "" }, { wire.head(call) })
    call.key = "k"
    assert.same({ "o/api/embed", "Authorization: Bearer k\r\n" }, { wire.head(call) })
  end)

  it("is on in the stock config only where something says so", function()
    local file = assert(io.open "gateway.lua")
    local text = file:read "a"
    file:close()
    local function why_off(variables)
      local function read(name, default)
        return variables[name] or default
      end
      local raw = assert(load(text, "@gateway.lua", "t", { env = read }))()
      local checked = assert(config.check(raw, { file = "gateway.lua", text = text, env = read, vendors = runtime.config.vendors() }))
      for _, status in ipairs(checked.statuses) do
        if status.name == "ollama" then
          return status.why_off
        end
      end
    end
    assert.not_equal("", why_off {})
    assert.not_equal("", why_off { OLLAMA_HOST = "gpu", ENABLE_OLLAMA = "false" })
    for _, name in ipairs { "OLLAMA_HOST", "OLLAMA_API_BASE" } do
      assert.equal("", why_off { [name] = "gpu" })
    end
    assert.equal("", why_off { ENABLE_OLLAMA = "true" })
  end)

  it("has a likeness of OpenAI's API that reads fewer names", function()
    local body, dropped = wire.encode { vendor = "ollama_compat", model = "m", body = [[{"model":"x","messages":[{"role":"developer","content":"d"}],
      "max_completion_tokens":5,"user":"u","logit_bias":{"1":1},"seed":1}]] }
    body = json.decode(body)
    assert.same({ 5, "system", 1 }, { body.max_tokens, body.messages[1].role, body.seed })
    assert.is_nil(body.max_completion_tokens or body.user or body.logit_bias)
    assert.truthy(dropped:find "user" and dropped:find "logit_bias")
    local answered = wire.answer { vendor = "ollama_compat", model = "m", id = "i", request = "{}", body = [[{"id":"chatcmpl-1",
      "object":"chat.completion","created":1,"model":"m",
      "choices":[{"index":0,"message":{"role":"assistant","content":"a","reasoning":"r"},"finish_reason":"stop"}]}]] }
    assert.equal("r", json.decode(answered.out).choices[1].message.reasoning_content)
  end)
end)
