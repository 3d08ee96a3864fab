--- Providers whose wire is a file of Lua: examples/providers/house.lua in front of a scripted provider, and adapters that go wrong.
local cjson = require "cjson"
local launch = require "support.launch"
local http = require "support.http"
local pair = require "support.pair"
local process = require "support.process"
local scripted = require "support.scripted"

local CONFIG = [[
return {
  workers = 1,
  providers = {
    house = { kind = "house.lua", base_url = "%s/api", key = "house-key-1" },
    odd = { kind = "odd.lua", base_url = "%s" },
    mock = {},
  },
  models = { spare = { { "odd/m", priority = 1 }, { "mock/hello", priority = 2 } } },
  policy = "policies/default.lua",
  strategy = "priority",
  retry = { attempts = 2 },
  breaker = { failures = 1000 },
}]]

--- An adapter that passes OpenAI's own shapes, with one function replaced.
local function odd(replaced)
  local functions = {
    encode = "function(request) return request end", decode = "function(answer) return answer end",
    decode_event = 'function(event) return event.json or event.data end',
  }
  for name, text in pairs(replaced or {}) do
    functions[name] = text
  end
  local out = { 'local json = require "gateway.json"\n' }
  for _, name in ipairs { "encode", "decode", "decode_event", "failure" } do
    if functions[name] then
      out[#out + 1] = ("local %s = %s\n"):format(name, functions[name])
    end
  end
  out[#out + 1] = 'return { path = "/chat", stream = "sse", encode = encode, decode = decode, decode_event = decode_event, failure = failure,\n'
  return table.concat(out) .. "}\n"
end

local function events(list)
  local out = {}
  for _, event in ipairs(list) do
    out[#out + 1] = ("event: %s\ndata: %s\n\n"):format(event[1], type(event[2]) == "string" and event[2] or cjson.encode(event[2]))
  end
  return table.concat(out)
end

local COMPLETION = '{"id":"c1","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"hello"},"finish_reason":"stop"}]}'
local CHUNKS = 'data: {"id":"c1","model":"m","choices":[{"index":0,"delta":{"content":"hel"}}]}\n\n' ..
  'data: {"choices":[{"index":0,"delta":{"content":"lo"},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'

describe("an adapter in Lua", function()
  local server, gateway, start, stop = pair.of(scripted.start, {
    config = CONFIG, files = { ["house.lua"] = process.read_file "examples/providers/house.lua", ["odd.lua"] = odd() },
  })
  setup(start)
  teardown(stop)
  before_each(function() server:forget() end)

  --- Puts another odd adapter in force.
  local function change(replaced)
    process.write_file(gateway.folder .. "/odd.lua", odd(replaced))
    local answer = gateway:request { method = "POST", path = "/admin/reload", body = "" }
    assert.equal(200, answer.status, answer.body)
  end

  local function adapter_error(id)
    return gateway:log_line(function(line)
      return line.event == "adapter_error" and line.request_id == id
    end)
  end

  describe("carries", function()
    it("a conversation out and its answer back, with usage and what was dropped", function()
      server:answer(200, "application/json", cjson.encode {
        ref = "r-1", model = "large-2", output = { text = "Grüße \"du\"\n" }, ended = "eos", tokens = { prompt = 9, cached = 4, completion = 3 },
      })
      local answer = gateway:chat {
        model = "house/large", temperature = 0.25, max_completion_tokens = 77, stop = { "END" }, logit_bias = { ["5"] = 1 },
        messages = { { role = "system", content = "Be short" }, { role = "user", content = { { type = "text", text = "Hi" },
          { type = "image_url", image_url = { url = "data:image/png;base64,AAAA" } } } } },
      }
      assert.equal(200, answer.status, answer.body)
      local asked = server:request()
      assert.equal("POST /api/generate HTTP/1.1", asked.line)
      assert.equal("house-key-1", asked.headers["x-house-key"])
      assert.is_nil(asked.headers.authorization)
      assert.same({ model = "large", system = "Be short", turns = { { speaker = "human", text = "Hi", images = { "data:image/png;base64,AAAA" } } },
        sampling = { temperature = 0.25, max_new_tokens = 77, stop = { "END" } } }, asked.json)
      local body = answer:json()
      assert.equal("Grüße \"du\"\n", body.choices[1].message.content)
      assert.equal("stop", body.choices[1].finish_reason)
      assert.same({ "chatcmpl-r-1", "large-2" }, { body.id, body.model })
      assert.same({ 9, 3, 12, 4 }, { body.usage.prompt_tokens, body.usage.completion_tokens, body.usage.total_tokens,
        body.usage.prompt_tokens_details.cached_tokens })
      assert.matches("logit_bias", cjson.encode(answer.headers))
      assert.equal("house", answer.headers["x-provider"])
    end)

    it("tools and calls, both ways", function()
      server:answer(200, "application/json", '{"ref":"r-2","model":"large-2","output":{"calls":[{"ref":"k1","fn":"add","args":{"list":[],"n":' ..
        '9007199254740993}},{"ref":"k2","fn":"now"}]},"ended":"calls","tokens":{"prompt":5,"completion":2}}')
      local answer = gateway:chat({}, { body = '{"model":"house/large","seed":9007199254740993,"tool_choice":"auto",' ..
        '"tools":[{"type":"function","function":{"name":"add",' ..
        '"description":"Adds","parameters":{"type":"object","properties":{},"required":[]}}}],"messages":[{"role":"user","content":"go"},' ..
        '{"role":"assistant","content":null,"tool_calls":[{"id":"k0","type":"function","function":{"name":"add","arguments":"{\\"a\\":[]}"}}]},' ..
        '{"role":"tool","tool_call_id":"k0","content":"7"}]}' })
      assert.equal(200, answer.status, answer.body)
      local asked = server:request()
      assert.matches('"args_schema":{"type":"object","properties":{},"required":%[%]}', asked.body)
      assert.matches('"args":{"a":%[%]}', asked.body)
      assert.same({ speaker = "tool", ref = "k0", text = "7" }, asked.json.turns[3])
      assert.equal("auto", asked.json.pick)
      assert.matches('"seed":9007199254740993', asked.body)
      local message = answer:json().choices[1].message
      assert.equal("tool_calls", answer:json().choices[1].finish_reason)
      assert.same({ "k1", "add" }, { message.tool_calls[1].id, message.tool_calls[1]["function"].name })
      assert.equal('{"n":9007199254740993,"list":[]}', message.tool_calls[1]["function"].arguments)
      assert.same({ "k2", "{}" }, { message.tool_calls[2].id, message.tool_calls[2]["function"].arguments })
    end)

    it("a stream, with calls, usage and its end", function()
      server:answer(200, "text/event-stream", events {
        { "piece", { thinking = "hm" } }, { "piece", { text = "Hel" } }, { "piece", { text = "lo" } }, { "weather", { of = "no concern" } },
        { "call", { ref = "k1", fn = "add", args = { a = 1 } } }, { "call", { ref = "k2", fn = "sub", args = { b = 2 } } },
        { "end", { ended = "calls", tokens = { prompt = 11, completion = 6 } } },
      }, "")
      local answer = gateway:stream { model = "house/large", stream_options = { include_usage = true } }
      assert.equal(200, answer.status)
      assert.equal("POST /api/generate/stream HTTP/1.1", server:request().line)
      assert.equal("text/event-stream", server:request().headers.accept)
      assert.same({ "Hello", true, "tool_calls" }, { answer.text, answer.done, answer.finish })
      assert.same({ 11, 6 }, { answer.usage.prompt_tokens, answer.usage.completion_tokens })
      local calls = {}
      for _, chunk in ipairs(answer.chunks) do
        local delta = chunk.choices[1] and chunk.choices[1].delta or {}
        for _, call in ipairs(delta.tool_calls or {}) do
          local known = calls[call.index + 1] or { arguments = "" }
          calls[call.index + 1] = known
          known.id, known.name = known.id or call.id, known.name or call["function"].name
          known.arguments = known.arguments .. (call["function"].arguments or "")
        end
      end
      assert.same({ { id = "k1", name = "add", arguments = '{"a":1}' }, { id = "k2", name = "sub", arguments = '{"b":2}' } }, calls)
    end)

    it("lines of JSON, and a body that the adapter wrote itself", function()
      process.write_file(gateway.folder .. "/odd.lua", [[
        local json = require "gateway.json"
        return {
          path = "/lines?v=2", stream = "ndjson",
          encode = function(request, target)
            return "{\"ask\":" .. json.encode(target) .. ",\"again\":" .. json.encode(request.messages) .. "}"
          end,
          decode = function() error "not here" end,
          decode_event = function(event)
            return { choices = { { index = 0, delta = { content = event.json.t }, finish_reason = event.json.over and "stop" or nil } } }
          end,
        }]])
      assert.equal(200, gateway:request({ method = "POST", path = "/admin/reload", body = "" }).status)
      server:answer(200, "application/x-ndjson", '{"t":"one "}\n{"t":"two"}\n{"t":"","over":true}\n', "")
      local answer = gateway:stream { model = "odd/m" }
      assert.same({ "one two", true, "stop" }, { answer.text, answer.done, answer.finish })
      local asked = server:request()
      assert.equal("POST /lines?v=2 HTTP/1.1", asked.line)
      assert.equal("application/x-ndjson", asked.headers.accept)
      assert.equal('{"ask":{"model":"m","provider":"odd","stream":true},"again":[{"content":"Hello there","role":"user"}]}', asked.body)
      server:answer(200, "application/x-ndjson", '{"t":"one "}\n{"t":"tw', "")
      answer = gateway:stream { model = "odd/m" }
      assert.equal("one ", answer.text)
      assert.is_nil(answer.done)
      assert.matches("not valid JSON", answer.failure.message)
      change()
    end)

    it("the dialects of all clients", function()
      server:answer(200, "text/event-stream", events { { "piece", { text = "Hello" } }, { "end", { ended = "budget", tokens = { prompt = 3,
        completion = 1 } } } }, "")
      local answer = gateway:request { method = "POST", path = "/v1/messages", body = { model = "house/large", max_tokens = 5, stream = true,
        messages = { { role = "user", content = "hi" } } } }
      assert.equal(200, answer.status, answer.body)
      assert.matches('"text":"Hello"', answer.body)
      assert.matches('"stop_reason":"max_tokens"', answer.body)
      assert.matches("event: message_stop", answer.body)
    end)
  end)

  describe("says of the provider's", function()
    for status, case in pairs {
      [503] = { reason = "busy", kind = "overloaded" }, [429] = { reason = "slow_down", kind = "rate_limited" },
      [422] = { reason = "too_long", kind = "context_length" }, [403] = { reason = "bad_key", kind = "auth" },
      [500] = { reason = "who knows", kind = "unavailable" },
    } do
      it(("status %d, %s, that it is %s"):format(status, case.reason, case.kind), function()
        server:answer(status, "application/json", cjson.encode { reason = case.reason, detail = "because of sk-proj-abcdefghijklmnop1234567890" })
        local answer = gateway:chat { model = "house/large" }
        local record = gateway:record(answer.id)
        assert.equal(case.kind, record.attempts[1].outcome or record.attempts[1].error)
        assert.not_matches("abcdefghijklmnop", answer.body)
      end)
    end

    it("fault within a stream that it failed, and gives no end", function()
      server:stream(events { { "piece", { text = "Hel" } }, { "fault", { reason = "busy", detail = "too many" } } })
      local answer = gateway:stream { model = "house/large" }
      assert.equal("Hel", answer.text)
      assert.is_nil(answer.done)
      assert.matches("too many", answer.failure.message)
    end)

    it("stream without an end that it is incomplete", function()
      server:answer(200, "text/event-stream", events { { "piece", { text = "Hel" } } }, "")
      local answer = gateway:stream { model = "house/large" }
      assert.is_nil(answer.done)
      assert.matches("end marker", answer.failure.message)
    end)

    it("ending that nobody knows that it is no end", function()
      server:stream(events { { "piece", { text = "Hel" } }, { "end", { ended = "tired" } } })
      local answer = gateway:stream { model = "house/large" }
      assert.is_nil(answer.done)
      assert.matches("adapter", answer.failure.message)
      assert.matches("tired", adapter_error(gateway:record(answer.id).request_id).message)
    end)

    it("broken JSON that it is no answer", function()
      server:answer(200, "application/json", '{"ref":"r","output":{"text":"cut')
      local answer = gateway:chat { model = "house/large" }
      assert.equal(502, answer.status)
      assert.matches("not valid JSON", answer:json().error.message)
      server:answer(200, "text/html", "<html>no</html>")
      assert.matches("HTML", gateway:chat({ model = "house/large" }):json().error.message)
      server:stream(events { { "piece", { text = "Hel" } }, { "piece", '{"text":"lo' }, { "end", { ended = "eos" } } })
      answer = gateway:stream { model = "house/large" }
      assert.equal("Hel", answer.text)
      assert.is_nil(answer.done)
      assert.matches("not valid JSON", answer.failure.message)
    end)
  end)

  describe("that goes wrong", function()
    after_each(function() change() end)

    local WRONG = {
      ["raises"] = { text = "function(x)\n  return x.no.where\nend", says = "odd%.lua:%d+: .*nil value", error = "error" },
      ["raises a table"] = { text = "function()\n  error {}\nend", says = "odd%.lua:%d+: ", error = "error" },
      ["never ends"] = { text = "function()\n  while true do end\nend", says = "odd%.lua:%d+: stopped after", error = "timeout" },
      ["never ends behind a pcall"] = { text = "function()\n  while true do pcall(function() while true do end end) end\nend",
        says = "stopped after", error = "timeout" },
      ["wants the moon"] = { text = "function()\n  local t = {}\n  for i = 1, 1e9 do t[i] = ('x'):rep(1000) .. i end\nend", says = "of memory",
        error = "memory" },
      ["returns a number"] = { text = "function() return 7 end", says = "odd%.lua: [%w_]+: expected .*, got number", error = "error" },
      ["returns a function inside"] = { text = "function() return { choices = { print or function() end } } end", says = "cannot be JSON",
        error = "error" },
      ["returns itself inside"] = { text = "function() local t = {} t.t = t return t end", says = "nested deeper", error = "error" },
      ["returns what is not a number"] = { text = "function() return { created = 0 / 0 } end", says = "not finite", error = "error" },
    }

    for what, case in pairs(WRONG) do
      it("and " .. what .. " costs its own attempt, in each of its functions; only the log says where", function()
        for _, name in ipairs { "encode", "decode", "decode_event" } do
          change { [name] = case.text }
          local answer
          if name == "decode_event" then
            server:answer(200, "text/event-stream", CHUNKS, "")
            answer = gateway:stream { model = "odd/m" }
          else
            server:answer(200, "application/json", COMPLETION)
            answer = gateway:chat { model = "odd/m" }
          end
          assert.equal(502, answer.status, name)
          assert.equal(name ~= "encode", server:was_asked())
          assert.matches("adapter of this provider failed in " .. name, answer:json().error.message)
          assert.not_matches("%.lua", answer:json().error.message)
          local record = gateway:record(answer.id)
          local line = adapter_error(record.request_id)
          assert.same({ name, case.error, "odd.lua" }, { line["function"], line.error, line.adapter })
          assert.matches(case.says, line.message)
          server:forget()
        end
      end)
    end

    for what, case in pairs { ["never ends"] = WRONG["never ends"], ["wants the moon"] = WRONG["wants the moon"] } do
      it("and " .. what .. " three times within a minute is set aside for a minute, or until it changes", function()
        for _, name in ipairs { "encode", "decode", "decode_event" } do
          local function ask()
            if name == "decode_event" then
              server:answer(200, "text/event-stream", CHUNKS, "")
              return gateway:stream { model = "odd/m" }
            end
            server:answer(200, "application/json", COMPLETION)
            return gateway:chat { model = "odd/m" }
          end
          change { [name] = case.text }
          for _ = 1, 3 do
            assert.matches("failed in " .. name, ask():json().error.message)
          end
          server:forget()
          for _ = 1, 3 do
            local answer = ask()
            assert.equal(502, answer.status)
            assert.equal("the adapter of this provider was stopped too often and is not asked for a minute", answer:json().error.message)
          end
          assert.is_false(server:was_asked(), "nobody could have read the answer")
          local answer = gateway:chat { model = "spare" }
          assert.same({ 200, "mock" }, { answer.status, answer.headers["x-provider"] })
          assert.is_truthy(gateway:log_line(function(line)
            return line.event == "adapter_error" and line.error == "disabled" and line["function"] == name
          end))
          change()
          server:answer(200, "application/json", COMPLETION)
          assert.equal("hello", launch.text(gateway:chat { model = "odd/m" }))
        end
      end)
    end

    it("and raises is not set aside: that is over at once", function()
      change { encode = WRONG.raises.text }
      for _ = 1, 5 do
        assert.matches("failed in encode", gateway:chat({ model = "odd/m" }):json().error.message)
      end
    end)

    it("leaves the request to the next target", function()
      change { encode = "function() error 'no' end" }
      local answer = gateway:chat { model = "spare" }
      assert.equal(200, answer.status, answer.body)
      assert.equal("mock", answer.headers["x-provider"])
    end)

    it("after the first content breaks the stream, and says so", function()
      change { decode_event = "function(event) if event.data == '[DONE]' then error 'no' end return event.json end" }
      server:stream((CHUNKS:gsub(',"finish_reason":"stop"', "")))
      local answer = gateway:stream { model = "odd/m" }
      assert.equal("hello", answer.text)
      assert.is_nil(answer.done)
      assert.matches("adapter of this provider failed in decode_event", answer.failure.message)
    end)

    it("in failure leaves the house's own verdict", function()
      change { failure = "function() error 'no' end" }
      server:answer(429, "application/json", '{"error":{"message":"slower"}}')
      local answer = gateway:chat { model = "odd/m" }
      assert.equal(429, answer.status)
      assert.matches("slower", answer:json().error.message)
      change { failure = "function() return { kind = 'policy_error' } end" }
      answer = gateway:chat { model = "odd/m" }
      assert.equal(429, answer.status)
      assert.matches("failure: kind: expected one of", adapter_error(gateway:record(answer.id).request_id).message)
    end)
  end)

  describe("while it is changed", function()
    after_each(function() change() end)

    it("is taken by itself, and a request keeps the one it began with", function()
      server:answer(200, "application/json", COMPLETION)
      assert.equal("hello", launch.text(gateway:chat { model = "odd/m" }))
      process.write_file(gateway.folder .. "/odd.lua",
        odd { decode = "function(answer) answer.choices[1].message.content = 'changed' return answer end" })
      assert.is_truthy(http.eventually(function() return launch.text(gateway:chat { model = "odd/m" }) == "changed" end))
    end)

    for what, case in pairs {
      ["does not compile"] = { text = "return {\n  path = \n}", says = "gateway%.lua:%d+: providers%.odd%.kind: odd%.lua:3: " },
      ["lacks a function"] = { text = "return { path = '/x', stream = 'sse', encode = function() end, decode = function() end }",
        says = "odd%.lua: decode_event: expected a function, got nothing" },
      ["has a field that nobody knows"] = { text = "return { paths = '/x' }", says = "'paths' is none of path, stream" },
      ["requires what it may not"] = { text = "local os = require 'os'\nreturn {}", says = "odd%.lua:1: 'os' cannot be required" },
      ["reaches for the system"] = { text = "return { path = os.getenv 'HOME' }", says = "odd%.lua:1: " },
      ["never ends loading"] = { text = "while true do end", says = "odd%.lua:1: stopped after" },
      ["names a path that is none"] = { text = "return { path = 'x y', stream = 'sse', encode = print, decode = print, decode_event = print }",
        says = "odd%.lua: " },
      ["is gone"] = { says = "providers%.odd%.kind: odd%.lua: No such file" },
    } do
      it("and " .. what .. ": refused, with its place, and the old one stays", function()
        server:answer(200, "application/json", COMPLETION)
        if case.text then
          process.write_file(gateway.folder .. "/odd.lua", case.text)
        else
          os.remove(gateway.folder .. "/odd.lua")
        end
        local answer = gateway:request { method = "POST", path = "/admin/reload", body = "" }
        assert.equal(400, answer.status)
        assert.matches(case.says, answer:json().error.message)
        assert.equal("hello", launch.text(gateway:chat { model = "odd/m" }))
      end)
    end
  end)

  it("is checked by `gateway check`, as by a start", function()
    local config = 'return { providers = {\n  house = { kind = "house.lua", base_url = "http://127.0.0.1:9" } } }'
    local status, out = launch.run { config = config, files = { ["house.lua"] = odd() }, arguments = { "check" } }
    assert.same({ 0, "ok\n" }, { status, launch.last_line(out) })
    local said
    status, out, said = launch.run { config = config, files = { ["house.lua"] = "return {}\n" }, arguments = { "check" } }
    assert.equal(1, status)
    assert.matches("gateway%.lua:2: providers%.house%.kind: house%.lua: ", out .. said)
    status, out, said = launch.run { config = config, arguments = { "check" } }
    assert.equal(1, status)
    assert.matches("gateway%.lua:2: providers%.house%.kind: house%.lua: No such file", out .. said)
    status, out, said = launch.run { config = (config:gsub(', base_url = "[^"]*"', "")), files = { ["house.lua"] = odd() }, arguments = { "check" } }
    assert.equal(1, status)
    assert.matches("providers%.house%.base_url: expected a URL", out .. said)
  end)
end)
