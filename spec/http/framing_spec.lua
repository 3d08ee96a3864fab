-- framing_spec.lua -- the strict checker of client bytes: its verdict on every case, and that no cut changes it.
-- SPDX-License-Identifier: MIT
-- Asked for by the million, and busted looks a global up in all its contexts.
local assert, ipairs, math, string, table, type = assert, ipairs, math, string, table, type

local framing = require("gateway.runtime").framing
local cases = require "http.framing_cases"

local function get(rest) return "GET / HTTP/1.1\r\nHost: a\r\n" .. (rest or "") .. "\r\n" end

-- What comes of these pieces; nothing is given to a checker that has refused.
local function check(pieces, limits)
  local checker = framing.checker(limits or {})
  local passed = {}
  for _, piece in ipairs(pieces) do
    passed[#passed + 1] = checker:check(piece)
    if checker:facts().status ~= 0 then break end
  end
  local facts = checker:facts()
  facts.passed = table.concat(passed)
  return facts, checker
end

local function bytes_of(text)
  local pieces = {}
  for i = 1, #text do pieces[i] = text:sub(i, i) end
  return pieces
end

local function verdict_of(facts)
  if facts.status ~= 0 then return facts.status end
  return facts.in_request and "waits" or "served"
end

-- All positions of a short text, some of a long one.
local function positions(text)
  local step = #text <= 1200 and 1 or math.ceil(#text / 600)
  local list = {}
  for at = 1, #text - 1, step do list[#list + 1] = at end
  return list
end

for _, case in ipairs(cases) do
  describe(case.name, function()
    local whole = check { case.bytes }

    it("is " .. (type(case.verdict) == "number" and "refused with " .. case.verdict or case.verdict), function()
      assert.equal(case.verdict, verdict_of(whole))
      assert.equal(case.requests, whole.requests)
      if whole.status == 0 then
        assert.equal(case.passes or case.bytes, whole.passed)
      else
        assert.is_string(whole.reason)
        local good = check { whole.passed } -- nothing of the refused request passes with the read in which it was found
        assert.equal("served", verdict_of(good))
        assert.equal(case.requests, good.requests)
      end
    end)

    local function same_as_whole(cut, where)
      local alike = whole.status == cut.status and whole.requests == cut.requests and whole.closing == cut.closing
      if whole.status == 0 then
        alike = alike and whole.passed == cut.passed and whole.body_bytes == cut.body_bytes and whole.in_body == cut.in_body
      else
        alike = alike and whole.passed == cut.passed:sub(1, #whole.passed)
      end
      if alike then
        return
      end
      local message = "cut at " .. where
      assert.equal(whole.status, cut.status, message) -- which of them it is
      assert.equal(whole.requests, cut.requests, message)
      assert.equal(whole.closing, cut.closing, message)
      if whole.status == 0 then
        assert.equal(whole.passed, cut.passed, message)
        assert.equal(whole.body_bytes, cut.body_bytes, message)
        assert.equal(whole.in_body, cut.in_body, message)
      else
        assert.equal(whole.passed, cut.passed:sub(1, #whole.passed), message)
      end
    end

    it("is the same in two pieces, wherever they are cut", function()
      for _, at in ipairs(positions(case.bytes)) do
        same_as_whole(check { case.bytes:sub(1, at), case.bytes:sub(at + 1) }, at)
      end
    end)

    it("is the same byte by byte", function()
      same_as_whole(check(bytes_of(case.bytes)), "every byte")
    end)
  end)
end

describe("every byte", function()
  local TOKEN = "^[A-Za-z0-9!#$%%&'*+%-.^_`|~]$" -- RFC 9110 5.6.2

  it("may stand in a header name when it is a tchar", function()
    for code = 0, 255 do
      local byte = string.char(code)
      local facts = check { get("X" .. byte .. "Y: 1\r\n") }
      local fine = byte:find(TOKEN) ~= nil or byte == ":" -- then the name is X
      assert.equal(fine and 0 or 400, facts.status, ("byte %d"):format(code))
    end
  end)

  it("may stand in a value when it is visible, blank, tab or above 127, wherever in a word of eight it falls", function()
    for code = 0, 255 do
      local fine = code == 9 or (code >= 32 and code ~= 127)
      for before = 0, 9 do
        local facts = check { get("X: " .. ("v"):rep(before) .. string.char(code) .. "vvvvvvvvv\r\n") }
        if facts.status ~= (fine and 0 or 400) then
          assert.equal(fine and 0 or 400, facts.status, ("byte %d behind %d"):format(code, before))
        end
      end
    end
  end)

  it("may stand in a path when a URI may hold it as it is", function()
    for code = 0, 255 do
      local byte = string.char(code)
      local fine = byte:find("^[A-Za-z0-9%-._~:/?%[%]@!$&'()*+,;=|^`{}]$") ~= nil
      local facts = check { "GET /a" .. byte .. "b HTTP/1.1\r\nHost: a\r\n\r\n" }
      assert.equal(fine and 0 or 400, facts.status, ("byte %d"):format(code))
    end
  end)
end)

describe("limits", function()
  it("are those it is given", function()
    local long = "GET /" .. ("a"):rep(50) .. " HTTP/1.1\r\nHost: a\r\n\r\n"
    assert.equal(0, check({ long }, { target = 51 }).status)
    assert.equal(414, check({ long }, { target = 50 }).status)
    assert.equal(0, check({ get("X: 123456\r\n") }, { line = 9 }).status)
    assert.equal(431, check({ get("X: 123456\r\n") }, { line = 8 }).status)
    assert.equal(0, check({ get("X: 1\r\n") }, { headers = 2 }).status)
    assert.equal(431, check({ get("X: 1\r\n") }, { headers = 1 }).status)
    assert.equal(0, check({ "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello" }, { body = 5 }).status)
    assert.equal(413, check({ "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello" }, { body = 4 }).status)
  end)

  it("on a chunked body hold for all its chunks, and as soon as they are passed", function()
    local head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert.equal(0, check({ head .. "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n" }, { body = 5 }).status)
    local facts = check({ head .. "3\r\nabc\r\n", "3\r" }, { body = 5 })
    assert.equal(413, facts.status)
    assert.equal(3, facts.body_bytes)
  end)

  it("on what is not answered yet follow the answers", function()
    local facts, checker = check({ get(), get() }, { pipeline = 2 })
    assert.equal(2, facts.requests)
    checker:answered()
    checker:check(get())
    assert.equal(0, checker:facts().status)
    checker:check(get())
    assert.equal(400, checker:facts().status)
    assert.equal(3, checker:facts().requests)
  end)

  -- A head must leave libmicrohttpd enough of its pool, else it answers by itself, and twice.
  it("on a head count what its fields cost besides their bytes", function()
    local pool = 8192
    local room = pool - 5120
    local function head_of(bytes) return get("X: " .. ("x"):rep(bytes) .. "\r\n") end
    local fixed = #head_of(0) + 2 * 72
    assert.equal(0, check({ head_of(room - fixed) }, { pool = pool }).status)
    assert.equal(431, check({ head_of(room - fixed + 1) }, { pool = pool }).status)
  end)
end)

describe("the facts for the interlock", function()
  it("count heads when they are complete and bodies as they come", function()
    local checker = framing.checker {}
    checker:check("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r")
    assert.equal(0, checker:facts().heads)
    checker:check("\nhe")
    assert.equal(1, checker:facts().heads)
    assert.equal(2, checker:facts().body_bytes)
    assert.is_true(checker:facts().in_body)
    assert.equal(0, checker:facts().requests)
    checker:check("llo")
    assert.equal(1, checker:facts().requests)
    assert.equal(5, checker:facts().body_bytes)
    assert.is_false(checker:facts().in_request)
  end)

  it("tell that something came behind the last request, and let none of it pass", function()
    local checker = framing.checker {}
    assert.equal(get("Connection: close\r\n"), checker:check(get("Connection: close\r\n")))
    assert.is_true(checker:facts().closing)
    assert.is_false(checker:facts().excess)
    assert.equal("", checker:check(get()))
    assert.is_true(checker:facts().excess)
    assert.equal(1, checker:facts().requests)
  end)

  it("know an idle connection from one where a drip of CRLF came", function()
    local checker = framing.checker {}
    assert.is_false(checker:facts().any)
    checker:check("\r\n")
    assert.is_true(checker:facts().any)
    assert.is_true(checker:facts().in_request)
  end)
end)
