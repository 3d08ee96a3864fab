--- The mock provider: what it answers, how it fails, what its ledger says. The other specs lean on it.
local launch = require "support.launch"
local http = require "support.http"

describe("the mock provider", function()
  local mock

  setup(function() mock = launch.mock() end)
  teardown(function() mock:stop() end)
  before_each(function() mock:reset() end)

  local function chat(fields)
    return http.request { port = mock.port, path = "/v1/chat/completions", body = launch.body(fields) }
  end

  local function stream(fields)
    fields.stream = true
    local answer = http.open { port = mock.port, path = "/v1/chat/completions", body = launch.body(fields) }
    answer.list = answer:events()
    answer:close()
    launch.read_stream(answer)
    return answer
  end

  local function messages(fields)
    fields.max_tokens = fields.max_tokens or 100
    local answer = http.open { port = mock.port, path = "/v1/messages", body = launch.body(fields) }
    if fields.stream then
      answer.list = answer:events()
    else
      answer:read()
    end
    answer:close()
    return answer
  end

  local TOOL = { type = "function", ["function"] = { name = "get_weather", parameters = {
    type = "object", required = { "city", "days" },
    properties = { city = { type = "string" }, days = { type = "integer", minimum = 2 }, unit = { enum = { "c", "f" } } },
  } } }

  it("says what it heard, and counts words", function()
    local body = chat { model = "mock/hello" }:json()
    assert.equal("This is the mock provider. You said: Hello there", body.choices[1].message.content)
    assert.equal("stop", body.choices[1].finish_reason)
    assert.same({ 2, 9, 11 }, { body.usage.prompt_tokens, body.usage.completion_tokens, body.usage.total_tokens })
    assert.equal("hello", body.model)
  end)

  it("streams the same words, and usage where asked", function()
    local plain, counted = stream { model = "hello" }, stream { model = "hello", stream_options = { include_usage = true } }
    assert.equal("This is the mock provider. You said: Hello there", plain.text)
    assert.is_true(plain.done)
    assert.is_nil(plain.usage)
    assert.equal(9, counted.usage.completion_tokens)
  end)

  it("obeys max_tokens, stop and n", function()
    local short = chat { model = "hello", max_tokens = 3 }:json()
    assert.same({ "This is the", "length" }, { short.choices[1].message.content, short.choices[1].finish_reason })
    assert.equal("This is the mock ", chat { model = "hello", stop = { "provider" } }:json().choices[1].message.content)
    assert.equal(2, #chat { model = "hello", n = 2 }:json().choices)
  end)

  it("calls tools with arguments that fit their schema, then speaks of the result", function()
    local message = chat { model = "tools", tools = { TOOL } }:json().choices[1].message
    assert.equal("get_weather", message.tool_calls[1]["function"].name)
    assert.equal('{"city":"mock","days":2}', (message.tool_calls[1]["function"].arguments:gsub('{"days":2,"city":"mock"}', '{"city":"mock","days":2}')))
    assert.equal(2, #chat { model = "parallel-tools", tools = { TOOL } }:json().choices[1].message.tool_calls)
    local after = chat { model = "tools", tools = { TOOL }, messages = { { role = "user", content = "x" }, message,
      { role = "tool", tool_call_id = message.tool_calls[1].id, content = "sunny" } } }
    assert.equal("This is the mock provider. The tool said: sunny", launch.text(after))
  end)

  it("gives JSON by the schema, and says how many images it sees", function()
    local schema = { type = "object", required = { "ok" }, properties = { ok = { type = "boolean" } } }
    assert.equal('{"ok":true}', launch.text(chat { model = "x", response_format = { type = "json_schema", json_schema = { schema = schema } } }))
    assert.matches("I see 1 image%.", launch.text(chat { model = "x", messages = { { role = "user", content = {
      { type = "text", text = "What is it?" }, { type = "image_url", image_url = { url = "data:image/png;base64,AA==" } } } } } }))
  end)

  it("speaks Anthropic's dialect, whole and streamed", function()
    local whole = messages { model = "hello" }:json()
    assert.same({ "message", "end_turn", 2, 9 }, { whole.type, whole.stop_reason, whole.usage.input_tokens, whole.usage.output_tokens })
    assert.equal("tool_use", messages { model = "tools", tools = { { name = "f", input_schema = { type = "object" } } } }:json().stop_reason)
    local events = messages { model = "hello", stream = true }.list
    assert.same({ "message_start", "content_block_start", "ping", "content_block_delta" }, { events[1].name, events[2].name, events[3].name, events[4].name })
    assert.same({ "content_block_stop", "message_delta", "message_stop" }, { events[#events - 2].name, events[#events - 1].name, events[#events].name })
  end)

  it("fails in the vendor's shape, only as often as it was told to", function()
    local answer = chat { model = "fault-status-429-retry-7" }
    assert.same({ 429, "7" }, { answer.status, answer.headers["retry-after"] })
    assert.equal("rate_limit_error", messages { model = "fault-status-429" }:json().error.type)
    assert.same({ 503, 503, 200 }, { chat { model = "first-2-fault-status-503" }.status, chat { model = "first-2-fault-status-503" }.status,
      chat { model = "first-2-fault-status-503" }.status })
  end)

  it("ends a stream behind as many events as it was told to", function()
    for events = 0, 12 do
      local answer = stream { model = "fault-cut-event-" .. events }
      assert.equal(events, #answer.list)
      assert.is_nil(answer.complete)
    end
  end)

  it("takes bodies of 32 MB, chunked ones, Expect, and pipelined requests", function()
    local large = chat { model = "hello", messages = { { role = "user", content = ("word "):rep(6 * 1024 * 1024) } } }
    assert.equal(6 * 1024 * 1024, large:json().usage.prompt_tokens)
    local body = '{"model":"hello","messages":[{"role":"user","content":"chunks"}]}'
    local connection = http.connect { port = mock.port }
    assert(connection:send(("POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n%x\r\n%s\r\n0\r\n\r\n"):format(
      20, body:sub(1, 20), #body - 20, body:sub(21))))
    assert.matches("chunks", connection:answer():read().body)
    local request = http.format { path = "/v1/chat/completions", body = body }
    assert(connection:send(request:rep(3)))
    for _ = 1, 3 do
      assert.matches("chunks", connection:answer():read().body)
    end
    assert(connection:send((request:gsub("\r\n\r\n.*", "\r\nExpect: 100-continue\r\n\r\n"))))
    assert.equal(100, connection:answer().status)
    assert(connection:send(body))
    assert.equal(200, connection:answer():read().status)
    connection:close()
  end)

  it("keeps a ledger: what came, what was served, who left", function()
    chat { model = "hello" }
    chat { model = "fault-status-503" }
    stream { model = "fault-cut-event-4" }
    pcall(chat, { model = "fault-reset-after" })
    local answer = http.open { port = mock.port, path = "/v1/chat/completions", body = launch.body { model = "gap-1000", stream = true } }
    answer:close()
    local rows = mock:ledger_when(nil, function(rows) return rows[5] and rows[5].outcome == "client_closed" end)
    local seen = {}
    for i, row in ipairs(rows) do
      seen[i] = { row.model, row.status, row.outcome, row.tokens }
    end
    assert.same({
      { "hello", 200, "served", 9 }, { "fault-status-503", 503, "served", 0 }, { "fault-cut-event-4", 200, "cut", 3 },
      { "fault-reset-after", 0, "reset", 0 }, { "gap-1000", 200, "client_closed", 0 },
    }, seen)
  end)

  it("resets before it has read the body, and answers before it too", function()
    local function half(model)
      local connection = http.connect { port = mock.port }
      connection:send('POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 9999\r\n\r\n{"model":"' .. model .. '", "mess')
      local answer, why = connection:answer()
      connection:close()
      return answer and answer.status or why
    end
    assert.same({ "closed", 413 }, { half "fault-reset-before", half "fault-early-413" })
  end)
end)
