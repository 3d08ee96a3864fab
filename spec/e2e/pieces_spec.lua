--- What a provider sends arrives in any pieces; and what a breaker learns.
--
-- The provider here is a socket of the spec's own: it sends a piece, then waits until the client has every event of it, then sends the
-- next one. So each piece is a read of the gateway's, and nothing sleeps.
-- SPDX-License-Identifier: MIT
local cjson = require "cjson"
local launch = require "support.launch"
local http = require "support.http"
local socket = require "socket"

local CONFIG = [[
return {
  workers = 1,
  providers = {
    mock = {},
    openai = { base_url = "http://127.0.0.1:%d/v1", key = "sk-provider-key" },
  },
  breaker = { failures = 2, open = "100ms" },
}]]

-- What differs stands first: a beginning that is written over another one's must show.
local function chunk(text)
  return ('data: {"choices":[{"delta":{"content":"%s"},"index":0}],"id":"c1","object":"chat.completion.chunk","created":1,"model":"m"}\n\n'):format(text)
end

local FINISH = 'data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"m",' ..
  '"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'

describe("a provider's bytes", function()
  local server, gateway

  setup(function()
    server = assert(socket.bind("127.0.0.1", 0))
    server:settimeout(http.TIMEOUT)
    local _, port = server:getsockname()
    gateway = launch.start { config = CONFIG:format(port) }
  end)
  teardown(function()
    server:close()
    assert.equal(0, gateway:stop())
  end)

  -- Sends a request for a stream and accepts it as the provider: both ends.
  local function begin()
    local client = http.connect { port = gateway.port }
    client:send(http.format { path = "/v1/chat/completions", body = launch.body { model = "openai/x", stream = true } })
    local provider = assert(server:accept())
    provider:settimeout(http.TIMEOUT)
    provider:setoption("tcp-nodelay", true)
    local length = 0
    for line in function() return assert(provider:receive "*l") end do
      length = tonumber(line:lower():match "^content%-length: (%d+)") or length
      if line == "" then break end
    end
    assert(provider:receive(length))
    return client, provider
  end

  for _, cut in ipairs { 1, 5, 44, 90 } do
    it(("become the same events when each is cut after %d bytes"):format(cut), function()
      local client, provider = begin()
      provider:send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n" .. chunk "w1" .. chunk("w2"):sub(1, cut))
      local answer = assert(client:answer())
      local texts = {}
      local function take()
        local event = assert(answer:event())
        texts[#texts + 1] = cjson.decode(event.data).choices[1].delta.content
      end
      take()
      for i = 2, 8 do -- the rest of one event and the beginning of the next arrive together
        provider:send(chunk("w" .. i):sub(cut + 1) .. chunk("w" .. i + 1):sub(1, cut))
        take()
      end
      provider:send(chunk("w9"):sub(cut + 1) .. FINISH .. "data: [DONE]\n\n")
      provider:close()
      take()
      assert.same({ "w1", "w2", "w3", "w4", "w5", "w6", "w7", "w8", "w9" }, texts)
      assert.equal("stop", cjson.decode(assert(answer:event()).data).choices[1].finish_reason)
      assert.equal("[DONE]", assert(answer:event()).data)
      client:close()
    end)
  end

  it("may be one whole answer where a stream was asked for", function()
    local client, provider = begin()
    local body = '{"id":"c1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,' ..
      '"message":{"role":"assistant","content":"all of it"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":3}}'
    provider:send(("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s"):format(#body, body))
    provider:close()
    local answer = assert(client:answer())
    assert.equal("text/event-stream", answer.headers["content-type"])
    local text, done = "", false
    for _, event in ipairs(answer:events()) do
      if event.data == "[DONE]" then
        done = true
      else
        text = text .. (cjson.decode(event.data).choices[1].delta.content or "")
      end
    end
    assert.equal("all of it", text)
    assert.is_true(done)
    client:close()
  end)

  it("are not missed when the last event lacks its blank line", function()
    local client, provider = begin()
    provider:send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n" .. chunk "w1" .. FINISH .. "data: [DONE]\n")
    provider:close()
    local answer = assert(client:answer())
    local last
    for _, event in ipairs(answer:events()) do
      last = event.data
    end
    assert.equal("[DONE]", last)
    client:close()
  end)

  it("close a breaker again once they are good", function()
    local model = "mock/first-2-fault-status-500"
    local function breaker()
      return gateway:get("/health"):json().providers.mock.breaker
    end
    assert.equal("closed", breaker())
    for _ = 1, 2 do
      assert.equal(502, gateway:chat({ model = model }).status)
    end
    assert.are_not.equal("closed", breaker()) -- open, or half-open where the machine took its time
    assert.is_truthy(http.eventually(function()
      gateway:chat { model = model } -- the only target: it is asked in any case
      return breaker() == "closed"
    end))
  end)
end)
