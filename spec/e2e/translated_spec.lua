--- What no provider of the client's own dialect judges: mistakes in a request that is translated are refused by name, and nothing vanishes.
-- SPDX-License-Identifier: MIT
local cjson = require "cjson"
local pair = require "support.pair"
local scripted = require "support.scripted"

local CONFIG = [[
return {
  workers = 1,
  providers = {
    ant = { kind = "anthropic", base_url = "%s", key = "k" },
    lab = { kind = "openai", base_url = "%s" },
  },
}]]

local ANTHROPIC = [[{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[{"type":"text","text":"Hi"}],
  "stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":1,"output_tokens":1}}]]
local OPENAI = [[{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"Hi"},
  "finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}]]

local HELLO = '{"role":"user","content":"Hello"}'
local FUNCTION = '{"type":"function","function":{"name":"f"}}'

-- Field, value, and the parameter that is named.
local CHAT = {
  { "top_p", '"x"', "top_p" }, { "seed", '"x"', "seed" }, { "presence_penalty", '"x"', "presence_penalty" }, { "logprobs", '"x"', "logprobs" },
  { "top_logprobs", '"x"', "top_logprobs" }, { "parallel_tool_calls", '"x"', "parallel_tool_calls" },
  { "stop", "5", "stop" }, { "stop", "[5]", "stop" }, { "tools", "[5]", "tools" },
  { "tools", '[{"type":"function"}]', "tools" }, { "tools", '[{"type":"function","function":{"name":"f","parameters":"x"}}]', "tools" },
  { "tools", "[" .. FUNCTION .. '],"tool_choice":{"type":"function","function":{"name":"g"}}', "tool_choice" },
  { "response_format", "{}", "response_format" }, { "response_format", '{"type":"zzz"}', "response_format" },
  { "response_format", '{"type":"json_schema"}', "response_format" }, { "response_format", '{"type":"json_schema","json_schema":{}}', "response_format" },
  { "messages", '[{"role":"tool","content":"x"}]', "messages" }, { "messages", '[{"role":"assistant","tool_calls":5}]', "messages" },
  { "messages", "[" .. HELLO .. ',{"role":"assistant","tool_calls":[{"id":"a","type":"function","function":{"arguments":"{}"}}]}]', "messages" },
}
local MESSAGES = {
  { "top_p", '"x"', "top_p" }, { "top_k", '"x"', "top_k" }, { "stop_sequences", '"x"', "stop_sequences" }, { "tools", "[5]", "tools" },
  { "tools", "[{}]", "tool" }, { "tools", '[{"name":"f","input_schema":"x"}]', "parameters" },
  { "output_config", '{"format":{"type":"json_schema"}}', "schema" },
  { "tools", '[{"name":"f","input_schema":{"type":"object"}}],"tool_choice":{"type":"tool","name":"g"}', "must be called" },
  { "messages", '[{"role":"user","content":[{"type":"tool_result","content":"x"}]}]', "result" },
  { "messages", "[" .. HELLO .. ',{"role":"assistant","content":[{"type":"tool_use","id":"a"}]}]', "name" },
}
local RESPONSES = {
  { "input", '[{"type":"function_call","arguments":"{}"}]', "input" }, { "input", '[{"type":"function_call_output","output":"x"}]', "input" },
  { "text", '{"format":{"type":"json_schema","name":"x"}}', "text.format" },
}

describe("a request that is translated", function()
  local provider, gateway, start, stop = pair.of(scripted.start, { config = CONFIG })
  setup(start)
  teardown(stop)

  local function ask(path, base, field, value)
    base[field] = nil
    local text = cjson.encode(base):gsub("}$", (next(base) and "," or "") .. ('"%s":%s}'):format(field, value):gsub("%%", "%%%%"))
    provider:forget()
    return gateway:request { method = "POST", path = path, body = text }
  end

  for _, case in ipairs(CHAT) do
    it(("/v1/chat/completions: %s %s is refused by name"):format(case[1], case[2]), function()
      local answer = ask("/v1/chat/completions", { model = "ant/claude-sonnet-4-5", messages = { { role = "user", content = "Hello" } } },
        case[1], case[2])
      assert.same({ 400, case[3], "invalid_parameter" }, { answer.status, answer:json().error.param, answer:json().error.code })
      assert.is_false(provider:was_asked())
    end)
  end

  for _, case in ipairs(MESSAGES) do
    it(("/v1/messages: %s %s is refused in words"):format(case[1], case[2]), function()
      local answer = ask("/v1/messages", { model = "lab/m", max_tokens = 9, messages = { { role = "user", content = "Hello" } } }, case[1], case[2])
      assert.same({ 400, "invalid_request_error" }, { answer.status, answer:json().error.type })
      assert.matches(case[3], answer:json().error.message, 1, true)
      assert.is_false(provider:was_asked())
    end)
  end

  for _, case in ipairs(RESPONSES) do
    it(("/v1/responses: %s %s is refused by name"):format(case[1], case[2]), function()
      local answer = ask("/v1/responses", { model = "lab/m", input = "Hello" }, case[1], case[2])
      assert.same({ 400, case[3] }, { answer.status, answer:json().error.param })
      assert.is_false(provider:was_asked())
    end)
  end

  it("takes an answer that comes in one large piece, in every dialect", function()
    local text = ("word "):rep(200000)
    local function event(value)
      return ("event: %s\ndata: %s\n\n"):format(value.type, cjson.encode(value))
    end
    provider:answer(200, "text/event-stream", event { type = "message_start", message = { id = "msg_1", type = "message", role = "assistant",
      model = "m", content = cjson.empty_array, usage = { input_tokens = 1, output_tokens = 1 } } }
      .. event { type = "content_block_start", index = 0, content_block = { type = "text", text = "" } }
      .. event { type = "content_block_delta", index = 0, delta = { type = "text_delta", text = text } }
      .. event { type = "content_block_stop", index = 0 }
      .. event { type = "message_delta", delta = { stop_reason = "end_turn" }, usage = { output_tokens = 200000 } }
      .. event { type = "message_stop" })
    for path, fields in pairs {
      ["/v1/responses"] = { input = "Hi" }, ["/v1/messages"] = { max_tokens = 9 }, ["/v1/chat/completions"] = {}, ["/completion"] = {},
    } do
      local body = { model = "ant/claude-sonnet-4-5", stream = true, messages = not fields.input and { { role = "user", content = "Hi" } } or nil }
      for name, value in pairs(fields) do
        body[name] = value
      end
      local answer = gateway:request { path = path, body = body }
      assert.equal(200, answer.status)
      assert.is_truthy(answer.body:find(text, 1, true), path)
      assert.is_nil(answer.body:find('"error":{', 1, true), path)
    end
  end)

  it("says null where it means nothing", function()
    provider:answer(200, "application/json", ANTHROPIC)
    for _, field in ipairs { "top_p", "seed", "stop", "tools", "tool_choice", "response_format", "logprobs", "parallel_tool_calls", "user" } do
      local answer = ask("/v1/chat/completions", { model = "ant/claude-sonnet-4-5", messages = { { role = "user", content = "Hello" } } }, field, "null")
      assert.same({ 200, nil }, { answer.status, answer.headers["x-dropped-params"] }, field)
    end
  end)

  it("loses a choice among tools that are not there, and says so", function()
    provider:answer(200, "application/json", ANTHROPIC)
    local answer = ask("/v1/chat/completions", { model = "ant/claude-sonnet-4-5", messages = { { role = "user", content = "Hello" } } },
      "tool_choice", '"required"')
    assert.same({ 200, "tool_choice" }, { answer.status, answer.headers["x-dropped-params"] })
    provider:answer(200, "application/json", OPENAI)
    answer = ask("/v1/messages", { model = "lab/m", max_tokens = 9, messages = { { role = "user", content = "Hello" } } },
      "tools", '[{"type":"web_search_20250305","name":"web_search"}],"tool_choice":{"type":"tool","name":"web_search"}')
    assert.equal(200, answer.status)
    assert.matches("tool_choice", answer.headers["x-dropped-params"])
    assert.is_nil(provider:request().json.tool_choice)
  end)
end)
