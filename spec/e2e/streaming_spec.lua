--- Streams: events leave one by one, usage as asked, a slow reader holds the provider back, a reader who leaves stops it.
local cjson = require "cjson"
local launch = require "support.launch"
local http = require "support.http"
local pair = require "support.pair"

local CONFIG = [[
return {
  workers = 1,
  providers = {
    openai = { base_url = "%s/v1", key = "sk-openai-provider-key" },
    claude = { kind = "anthropic", base_url = "%s", key = "sk-anthropic-provider-key" },
  },
  timeouts = { connect = "60s", first_token = "60s", idle = "60s", headers = "60s" },
  breaker = { failures = 1000 },
}]]

describe("a stream", function()
  local mock, gateway, start, stop = pair.of(launch.mock, { config = CONFIG })
  setup(start)
  teardown(stop)

  local function row_of(id)
    return function(row) return row.request_id == id end
  end

  for _, target in ipairs { "openai", "claude" } do
    it("leaves event by event: " .. target, function()
      -- The last comes eight gaps after the first; held back they would come at once. (So they do to a reader who was held up: not each time.)
      assert.is_truthy(http.eventually(function()
        local answer = gateway:open_stream { model = target .. "/gap-40" }
        answer.list = answer:events()
        answer:close()
        launch.read_stream(answer)
        assert.equal("This is the mock provider. You said: Hello there", answer.text)
        local content = {}
        for _, event in ipairs(answer.list) do
          if event.data and event.data ~= "[DONE]" then
            local choice = cjson.decode(event.data).choices[1]
            if choice and choice.delta.content and choice.delta.content ~= "" then
              content[#content + 1] = event.at
            end
          end
        end
        assert.equal(9, #content)
        return content[9] - content[1] > 0.2
      end, 10), "the events came together")
    end)

    for _, asked in ipairs { true, false } do
      for _, model in ipairs { "hello", "fault-usage-none" } do
        it(("usage %s, provider %s: %s"):format(asked and "asked for" or "not asked for", model, target), function()
          local answer = gateway:stream { model = target .. "/" .. model, stream_options = asked and { include_usage = true } or nil }
          assert.equal(200, answer.status)
          assert.is_true(answer.done)
          if asked and model == "hello" then
            assert.same({ 2, 9, 11 }, { answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens })
          elseif not asked then
            assert.is_nil(answer.usage)
            for _, chunk in ipairs(answer.chunks) do
              assert.equal(1, #chunk.choices, "a chunk without a choice")
            end
          end
          local record = gateway:record(answer.id)
          if model == "hello" then
            assert.same({ input = 2, output = 9 }, record.tokens) -- we count, whether the client asked or not
          else
            assert.equal("ok", record.cause)
          end
        end)
      end
    end

    -- Behind its first content it is read on for a moment: left_early_spec.lua.
    it("is cancelled at the provider when the client leaves, in every phase: " .. target, function()
      local jobs = {}
      for _, model in ipairs { "fault-stall-head", "fault-stall-first", "fault-stall-event-1", "fault-stall-event-6", "gap-1000", "fault-endless-stream" } do
        jobs[#jobs + 1] = function()
          local id = launch.next_id()
          local connection = http.connect { port = gateway.port }
          assert(connection:send(http.format { path = "/v1/chat/completions", headers = { ["X-Request-ID"] = id },
            body = launch.body { model = target .. "/" .. model, stream = true } }))
          local before = mock:ledger_when(function(row) return row.model == model and (row.outcome == "open" or row.outcome == "stalled") end,
            function(rows) return #rows == 1 end)
          assert.equal(1, #before, model .. ": it did not reach the provider")
          if model == "fault-stall-event-6" or model == "gap-1000" or model == "fault-endless-stream" then
            connection:answer()
          end
          connection:close()
          local after = mock:ledger_when(row_of(before[1].request_id), function(rows) return rows[1].outcome == "client_closed" end)
          assert.equal("client_closed", after[1].outcome, model)
          assert.equal("client_closed", gateway:record(id).cause, model)
        end
      end
      http.all(jobs)
    end)
  end

  it("is cancelled before it is answered as well: whole answers", function()
    local id = launch.next_id()
    local connection = http.connect { port = gateway.port }
    assert(connection:send(http.format { path = "/v1/chat/completions", headers = { ["X-Request-ID"] = id },
      body = launch.body { model = "openai/slow-60000" } }))
    mock:ledger_when(function(row) return row.model == "slow-60000" end, function(rows) return #rows == 1 end)
    connection:reset()
    local rows = mock:ledger_when(function(row) return row.model == "slow-60000" end, function(rows) return rows[1].outcome == "client_closed" end)
    assert.equal("client_closed", rows[1].outcome)
    assert.equal(499, gateway:record(id).status)
  end)

  it("carries the headers that keep proxies from holding it", function()
    local answer = gateway:stream { model = "openai/hello" }
    assert.matches("^text/event%-stream", answer.headers["content-type"])
    assert.equal("no", answer.headers["x-accel-buffering"])
    assert.matches("no%-cache", answer.headers["cache-control"])
    assert.is_nil(answer.headers["content-length"])
  end)

  it("passes the provider's events unchanged where the dialect is the same", function()
    local answer = gateway:stream { model = "openai/hello", stream_options = { include_usage = true } }
    local raw = {}
    for i, event in ipairs(answer.list) do
      raw[i] = event.raw
    end
    assert.matches('^data: {"id":"chatcmpl%-mock%d+","object":"chat.completion.chunk"', raw[1])
    assert.equal("data: [DONE]\n\n", raw[#raw])
    assert.matches('"system_fingerprint":"fp_mock"', raw[2])
  end)

  it("of tool calls comes through in both dialects", function()
    local tools = { { type = "function", ["function"] = { name = "get_weather",
      parameters = { type = "object", required = { "city" }, properties = { city = { type = "string" } } } } } }
    for _, target in ipairs { "openai", "claude" } do
      local answer = gateway:stream { model = target .. "/parallel-tools", tools = tools }
      local calls = {}
      for _, chunk in ipairs(answer.chunks) do
        local delta = chunk.choices[1] and chunk.choices[1].delta
        for _, call in ipairs(delta and type(delta.tool_calls) == "table" and delta.tool_calls or {}) do
          calls[call.index + 1] = (calls[call.index + 1] or "") .. (call["function"].arguments or "")
        end
      end
      assert.same({ '{"city":"mock"}', '{"city":"mock"}' }, calls)
      assert.equal("tool_calls", answer.finish)
    end
  end)

  it("holds the provider back when its reader is slow, within bounded memory", function()
    local before = gateway.process:memory()
    local readers = {}
    for i = 1, 8 do
      local connection = http.connect { port = gateway.port, receive_buffer = 4096 }
      assert(connection:send(http.format { path = "/v1/chat/completions", body = launch.body { model = "openai/fault-endless-stream", stream = true } }))
      readers[i] = { connection, connection:answer() }
    end
    -- The client does not read. The provider would send for ever: it is held back when its count stops growing.
    local function served()
      local sum = 0
      for _, row in ipairs(mock:ledger(function(one) return one.model == "fault-endless-stream" and one.outcome == "open" end)) do
        sum = sum + row.tokens
      end
      return sum
    end
    local last, still = -1, 0
    assert.is_truthy(http.eventually(function()
      local now = served()
      still = now == last and still + 1 or 0
      last = now
      http.pause(0.02)
      return still >= 10
    end), "the provider was never held back")
    local after = gateway.process:memory()
    assert.is_truthy(after - before < 32 * 1024 or gateway.process:is_sanitized(), ("%d KB for 8 slow readers"):format(after - before))
    for _, reader in ipairs(readers) do
      reader[1]:close()
    end
    assert.is_truthy(http.eventually(function()
      return #mock:ledger(function(row) return row.model == "fault-endless-stream" and row.outcome == "open" end) == 0
    end), "the provider still sends to nobody")
  end)

  it("by the hundred, side by side, each gets its own words", function()
    local jobs = {}
    for i = 1, 200 do
      jobs[i] = function()
        return gateway:stream { model = (i % 2 == 0 and "openai" or "claude") .. "/gap-3", messages = { { role = "user", content = "number " .. i } } }
      end
    end
    for i, answer in ipairs(http.all(jobs)) do
      assert.equal("This is the mock provider. You said: number " .. i, answer.text)
      assert.is_true(answer.done)
    end
  end)
end)
