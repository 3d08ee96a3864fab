--- Malformed requests over a socket: one refusal and the connection closed, nothing of them served; what is allowed is served, in step.
local cjson = require "cjson"
local framing = require("gateway.runtime").framing
local cases = require "http.framing_cases"
local launch = require "support.launch"
local socket = require "socket"

local LAST = "GET /health/live HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
local SECONDS = 30 -- a bound on what should take none

describe("over a socket", function()
  local gateway

  setup(function()
    gateway = launch.start { config = [[return { workers = 1, providers = { openai = { base_url = "http://127.0.0.1:9/v1", key = "sk-spec" } },
      hosts = { "a", "a.example" } }]] }
  end)
  teardown(function()
    assert.equal(0, gateway:stop())
  end)

  -- The other side may have closed in the middle of it: what it said first is still to be read.
  local function send(connection, bytes)
    local at = 1
    while at <= #bytes do
      local last = connection:send(bytes, at)
      if not last then return end
      at = last + 1
    end
  end

  local function connect()
    local connection = assert(socket.connect(gateway.host, gateway.port))
    connection:setoption("tcp-nodelay", true)
    connection:settimeout(SECONDS)
    return connection
  end

  local function read_to_end(connection, text)
    while true do
      local bytes, why, rest = connection:receive(65536)
      text = text .. (bytes or rest)
      if not bytes then return text, why end
    end
  end

  -- The final answer at the head of `text`, and what is behind it; nil while it is incomplete. Interim ones (100) are stepped over.
  local function take_answer(text)
    while text:find "^HTTP/1.1 1%d%d " do
      local last = select(2, text:find("\r\n\r\n", 1, true))
      if not last then return nil, text end
      text = text:sub(last + 1)
    end
    local head, behind = text:match "^(HTTP/1.1 %d%d%d .-\r\n\r\n)()"
    if not head then return nil, text end
    local length = tonumber(head:lower():match "\r\ncontent%-length: (%d+)") or 0
    if #text < behind - 1 + length then return nil, text end
    return { status = tonumber(head:sub(10, 12)), head = head, body = text:sub(behind, behind + length - 1) }, text:sub(behind + length)
  end

  local function take_answers(text)
    local answers = {}
    while true do
      local answer
      answer, text = take_answer(text)
      if not answer then return answers, text end
      answers[#answers + 1] = answer
    end
  end

  local function read_answers(connection, count)
    local text, answers = "", {}
    while #answers < count do
      local bytes, why, rest = connection:receive(1)
      text = text .. (bytes or rest)
      local answer
      answer, text = take_answer(text)
      answers[#answers + 1] = answer
      if not bytes and not answer then error(("%s after %d of %d answers: %q"):format(why, #answers, count, text), 0) end
    end
    return answers, text
  end

  local function code_of(answer)
    local ok, body = pcall(cjson.decode, answer.body)
    return ok and type(body.error) == "table" and body.error.code
  end

  local function assert_served(answers, count)
    assert.equal(count, #answers)
    for _, answer in ipairs(answers) do
      assert.is_nil(tostring(code_of(answer)):match "^http_", answer.body)
    end
  end

  local function closes(bytes)
    local checker = framing.checker {}
    checker:check(bytes)
    return checker:facts().closing
  end

  for _, case in ipairs(cases) do
    it(("%s: %s"):format(case.name, case.verdict), function()
      local connection = connect()
      send(connection, case.bytes)
      if case.verdict == "served" and not closes(case.bytes) then
        local answers = read_answers(connection, case.requests)
        assert_served(answers, case.requests)
        send(connection, LAST) -- both sides still agree where a request begins
        local text, why = read_to_end(connection, "")
        assert.equal("closed", why)
        local last, rest = take_answers(text)
        assert.equal("", rest)
        assert.equal(1, #last)
        assert.equal(200, last[1].status)
      else
        if case.verdict == "waits" then connection:shutdown "send" end
        local text, why = read_to_end(connection, "")
        assert.equal("closed", why)
        local answers, rest = take_answers(text)
        assert.equal("", rest)
        if type(case.verdict) == "number" then
          local refusal = table.remove(answers)
          assert.is_table(refusal, "no answer")
          assert.equal(case.verdict, refusal.status)
          assert.matches("\r\nConnection: close\r\n", refusal.head, 1, true)
          local failure = cjson.decode(refusal.body).error
          assert.is_string(failure.message)
          assert.is_string(failure.type)
          assert.equal(cjson.null, failure.param)
        end
        assert_served(answers, case.requests)
      end
      connection:close()
    end)
  end

  it("a chunked body with all its freedoms is the same byte by byte", function()
    local connection = connect()
    local bytes = "\r\nPOST /v1/nothing HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\nX-T: 1\r\n\r\n"
    for at = 1, #bytes do send(connection, bytes:sub(at, at)) end
    assert_served(read_answers(connection, 1), 1)
    send(connection, LAST)
    assert.matches("^HTTP/1.1 200 ", (read_to_end(connection, "")))
  end)

  it("a client that is still sending hears its refusal", function()
    for _ = 1, 20 do
      local connection = connect()
      send(connection, "POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n")
      send(connection, ("x"):rep(1 << 20))
      local answers = take_answers((read_to_end(connection, "")))
      assert.equal(1, #answers)
      assert.equal(413, answers[1].status)
      connection:close()
    end
  end)
end)
