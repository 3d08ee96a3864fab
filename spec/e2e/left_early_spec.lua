--- A client that leaves once it has read what it wanted pays what its answer cost all the same: what is near of it is read for its count, else what was
-- reserved is charged. Before the first content leaving cancels at once and costs nothing.
local launch = require "support.launch"
local http = require "support.http"
local socket = require "socket"

local CONFIG = [[
return {
  workers = 1,
  policy = "policies/mine.lua",
  providers = {
    spied  = { kind = "openai", base_url = "http://127.0.0.1:%d/v1", key = "sk-spied-provider-key" },
    claude = { kind = "anthropic", base_url = "http://127.0.0.1:%d", key = "sk-claude-provider-key" },
    tight  = { kind = "openai", base_url = "http://127.0.0.1:%d/v1", key = "sk-tight-provider-key", limits = { tokens = "60000/day" } },
    mock   = {},
  },
  models = { priced = { { "spied/m", price = { 1, 2 } } } },
  keys = { { key = "key-of-alice", user = "alice" }, { key = "key-of-free", user = "free" }, { key = "key-of-slots", user = "slots" } },
  timeouts = { connect = "60s", headers = "60s", first_token = "60s", idle = "60s" },
  breaker = { failures = 1000 },
}]]

local POLICY = [[
local limit = require "gateway.limit"
local tokens, slots = limit { name = "tokens", per = "user", tokens = "100M/day" }, limit { name = "slots", per = "user", concurrent = 1 }
return {
  admit = function(request)
    return request.user.id == "alice" and { tokens } or request.user.id == "slots" and { slots } or {}
  end,
}]]

local HIDDEN = 500111
local TEXT = ("Here you are: "):rep(12) -- 168 bytes, 43 tokens by the estimate

local function chunk(text)
  return ("%x\r\n%s\r\n"):format(#text, text)
end

-- What a provider says, in pieces: head, text, and the end with its count.
local SAID = {
  spied = {
    stream = {
      head = "",
      text = 'data: {"id":"x","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":"'
        .. TEXT .. '"},"finish_reason":null}]}\n\n',
      count = 'data: {"id":"x","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
        .. ('data: {"id":"x","object":"chat.completion.chunk","created":1,"model":"m","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":%d}}\n\n')
        :format(HIDDEN) .. "data: [DONE]\n\n",
    },
    whole = {
      head = '{"id":"x","object":"chat.completion","created":1,"model":"m",',
      text = '"choices":[{"index":0,"message":{"role":"assistant","content":"' .. TEXT .. '"},"finish_reason":"stop"}],',
      count = ('"usage":{"prompt_tokens":3,"completion_tokens":%d}}'):format(HIDDEN),
    },
  },
  claude = {
    stream = {
      head = 'event: message_start\ndata: {"type":"message_start","message":{"id":"x","type":"message","role":"assistant","model":"m","content":[],'
        .. '"usage":{"input_tokens":3,"output_tokens":1}}}\n\n',
      text = 'event: content_block_start\ndata: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}\n\n'
        .. 'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"' .. TEXT .. '"}}\n\n',
      count = 'event: content_block_stop\ndata: {"type":"content_block_stop","index":0}\n\n'
        .. ('event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":%d}}\n\n'):format(HIDDEN)
        .. 'event: message_stop\ndata: {"type":"message_stop"}\n\n',
    },
  },
}
SAID.tight = SAID.spied

describe("a client that leaves early", function()
  local spy, gateway

  setup(function()
    spy = assert(socket.bind("127.0.0.1", 0, 64))
    spy:settimeout(http.TIMEOUT)
    local _, port = spy:getsockname()
    gateway = launch.start { config = CONFIG:format(port, port, port), policies = { mine = POLICY }, key = "key-of-alice" }
  end)
  teardown(function()
    assert.equal(0, gateway:stop())
    spy:close()
  end)

  --- Asks, and takes the request at the provider's end. options: provider, model, form, key, path, version, headers, fields.
  local function ask(options)
    local self = { id = launch.next_id(), form = options.form or "stream", client = http.connect { port = gateway.port } }
    local provider = options.provider or "spied"
    local fields = { model = options.model or provider .. "/m", stream = self.form == "stream", max_tokens = 20000 }
    for name, value in pairs(options.fields or {}) do
      fields[name] = value or nil
    end
    local headers = { ["X-Request-ID"] = self.id, Authorization = "Bearer " .. (options.key or "key-of-alice") }
    for name, value in pairs(options.headers or {}) do
      headers[name] = value
    end
    local request = http.format { path = options.path or "/v1/chat/completions", headers = headers, body = launch.body(fields) }
    assert(self.client:send((request:gsub("HTTP/1.1", options.version or "HTTP/1.1", 1))))
    self.provider = assert(spy:accept(), "the provider was not asked")
    self.provider:settimeout(http.TIMEOUT)
    local length = 0
    for line in function() return assert(self.provider:receive "*l") end do
      if line == "" then
        break
      end
      length = tonumber(line:lower():match "^content%-length: (%d+)") or length
    end
    assert(self.provider:receive(length))
    self.said = SAID[provider][self.form]
    return self
  end

  local function say(self, text)
    assert(self.provider:send(chunk(text)))
  end

  --- The provider's head, and whatever comes before the text.
  local function begin(self)
    assert(self.provider:send(("HTTP/1.1 200 OK\r\nContent-Type: %s\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"):format(
      self.form == "stream" and "text/event-stream" or "application/json")))
    if self.said.head ~= "" then
      say(self, self.said.head)
    end
  end

  --- The text, and waits until the client of a stream has it.
  local function speak(self)
    say(self, self.said.text)
    if self.form == "stream" then
      assert(self.client:upto(TEXT:sub(-10), socket.gettime() + http.TIMEOUT))
    else
      http.pause(0.05) -- its head is at the gateway
    end
  end

  local function leave(self, way)
    if way == "half" then
      self.client.sock:shutdown "send"
    elseif way == "reset" then
      self.client:reset()
    else
      self.client:close()
    end
    http.pause(0.05) -- it is known
  end

  local function finish(self)
    self.provider:send(chunk(self.said.count) .. "0\r\n\r\n")
    self.provider:close()
    local record = assert(gateway:record(self.id), "no log line")
    self.client:close()
    return record
  end

  --- Waits until the gateway hangs up: the moment at which it did.
  local function hung_up(self)
    local _, why = self.provider:receive(1)
    assert.equal("closed", why)
    self.provider:close()
    self.client:close()
    return socket.gettime()
  end

  local function left_of_alice()
    return tonumber(gateway:chat({ model = "mock/hello", max_tokens = 1 }).headers["x-ratelimit-remaining-tokens"])
  end

  -- On a machine that stands still things may come in another order: a head behind the client's leaving, say. A gateway that is at fault fails each time.
  local function in_order(check)
    local ok, message
    assert(http.eventually(function()
      ok, message = pcall(check)
      return ok
    end, 20), message)
  end

  for name, options in pairs {
    ["of the provider's own dialect"] = {}, ["of another dialect"] = { path = "/v1/messages" }, ["of Anthropic's wire"] = { provider = "claude" },
    ["passed on by Anthropic's wire"] = { provider = "claude", path = "/v1/messages" }, ["by a reset"] = { way = "reset" },
    ["by its half of the connection"] = { way = "half" }, ["of HTTP/1.0"] = { version = "HTTP/1.0" }, ["of a whole answer"] = { form = "whole" },
    ["of /v1/responses"] = { path = "/v1/responses", fields = { max_tokens = false, max_output_tokens = 20000, messages = false, input = "Hello" } },
    ["of /completion"] = { path = "/completion" },
  } do
    it("pays what the provider counts behind the text: " .. name, function()
      in_order(function()
        local before = left_of_alice()
        local self = ask(options)
        begin(self)
        speak(self)
        leave(self, options.way)
        local record = finish(self)
        assert.same({ "client_closed", 499, { input = 3, output = HIDDEN } }, { record.cause, record.status, record.tokens })
        assert.equal("ok", record.attempts[1].outcome)
        local charged = before - left_of_alice()
        assert.is_true(charged >= HIDDEN and charged < HIDDEN + 100, charged)
      end)
    end)
  end

  it("pays its price", function()
    local self = ask { model = "priced" }
    begin(self)
    speak(self)
    leave(self)
    assert.is_true(math.abs(finish(self).cost_usd - (3 + 2 * HIDDEN) / 1e6) < 1e-9)
  end)

  it("pays what was reserved where the count does not come soon, and what came where nothing was", function()
    in_order(function()
      local before = left_of_alice()
      local silent, whole, free, started = ask {}, ask { form = "whole" }, ask { key = "key-of-free" }, ask { provider = "claude" }
      local early = ask { fields = { max_tokens = 3000000 } }
      begin(early) -- a head, and no content
      http.pause(0.05)
      for _, self in ipairs { silent, whole, free, started } do
        begin(self)
        speak(self)
        leave(self)
      end
      leave(early)
      local at_once, later = hung_up(early), math.huge
      for _, self in ipairs { silent, whole, free, started } do
        later = math.min(later, hung_up(self))
      end
      assert.is_true(later > at_once, "before the first content leaving cancels at once")
      for _, self in ipairs { silent, whole, started } do
        local record = gateway:record(self.id)
        assert.same({ "client_closed", 499, true }, { record.cause, record.status, record.tokens.estimated })
        local sum = record.tokens.input + record.tokens.output
        assert.is_true(sum >= 20000 and sum < 20100, sum)
      end
      local record = gateway:record(free.id)
      assert.same({ "client_closed", 43, true }, { record.cause, record.tokens.output, record.tokens.estimated })
      assert.is_nil(gateway:record(early.id).tokens)
      local charged = before - left_of_alice()
      assert.is_true(charged >= 60000 and charged < 60300, charged)
    end)
  end)

  it("is read on for 64 KB, not for more", function()
    local self, sent = ask {}, 0
    begin(self)
    speak(self)
    leave(self)
    local filler = ('data: {"id":"x","choices":[{"index":0,"delta":{"reasoning_content":"%s"},"finish_reason":null}]}\n\n'):format(("x"):rep(8000))
    repeat
      local done, _, partial = self.provider:send(chunk(filler))
      sent = sent + (done and #filler or partial or 0)
    until not done or sent > 64 << 20
    assert.is_true(sent < 64 << 20, "more than 64 MB were read") -- what the kernel holds for both ends, and not much more
    self.provider:close()
    local tokens = gateway:record(self.id).tokens
    assert.is_true(tokens.estimated and tokens.input + tokens.output >= 20000)
  end)

  it("is charged to what its provider lets us send as well", function()
    local self = ask { provider = "tight", fields = { max_tokens = 50000 } }
    begin(self)
    speak(self)
    leave(self)
    hung_up(self)
    assert.is_truthy(gateway:record(self.id))
    local answer = gateway:chat { model = "tight/m", max_tokens = 50000 }
    assert.same({ 503, "no_fit_target" }, { answer.status, answer:json().error.code })
  end)

  it("pays no less by a time of its own that ends within its answer", function()
    local self = ask { headers = { ["x-request-timeout-ms"] = "1000" } }
    begin(self)
    speak(self)
    hung_up(self)
    local record = gateway:record(self.id)
    assert.same({ "failed", "total", true }, { record.cause, record.attempts[1].deadline, record.tokens.estimated })
    assert.is_true(record.tokens.input + record.tokens.output >= 20000)
  end)

  it("holds its slot until then, and not longer", function()
    in_order(function()
      local self = ask { key = "key-of-slots" }
      begin(self)
      speak(self)
      leave(self)
      assert.equal("client_closed", finish(self).cause)
      assert.equal(200, gateway:chat({ model = "mock/hello" }, { key = "key-of-slots" }).status)
    end)
  end)

  it("is waited for by a drain, and written down when a second signal ends it", function()
    for _, signals in ipairs { 1, 2 } do
      local kept = gateway
      local _, port = spy:getsockname()
      gateway = launch.start { config = CONFIG:format(port, port, port), policies = { mine = POLICY }, key = "key-of-alice" }
      local self = ask {}
      begin(self)
      speak(self)
      leave(self)
      gateway:signal "TERM"
      assert.is_truthy(gateway:log_line(function(line) return line.event == "drain" end))
      if signals == 1 then
        assert.same({ input = 3, output = HIDDEN }, finish(self).tokens)
      else
        gateway:signal "TERM"
        local record = gateway:record(self.id)
        assert.same({ "client_closed", true }, { record.cause, record.tokens.estimated })
        self.provider:close()
      end
      assert.equal(signals - 1, gateway.process:wait())
      gateway:stop()
      gateway = kept
    end
  end)
end)
