-- http1_spec.lua -- the reader of providers' responses: what it takes, what it refuses, and that cuts change nothing.
-- SPDX-License-Identifier: MIT
local http1 = require("gateway.runtime").http1

local OK = "HTTP/1.1 200 OK\r\n"

-- Feeds the cuts and tells what came out: the text of all data pieces in one, so that results of different cuts compare.
local function read(cuts, options)
  options = options or {}
  local reader = http1.reader(options)
  local result = { body = {} }
  local over = false
  for _, bytes in ipairs(cuts) do
    for _, piece in ipairs(reader:feed(bytes)) do
      if piece.kind == "head" then
        assert(not result.head, "two heads")
        result.head = piece
      elseif piece.kind == "data" then
        assert(result.head and not over, "data out of place")
        assert(#piece.text > 0, "an empty piece")
        result.body[#result.body + 1] = piece.text
      elseif piece.kind == "end" then
        result.complete, over = true, true
      else
        result.error, over = piece.message, true
      end
    end
  end
  if options.closed then result.closed_well = reader:finish() end
  result.body = table.concat(result.body)
  result.excess = reader:excess()
  return result
end

local function read_whole(text, options) return read({ text }, options) end

local function bytes_of(text)
  local cuts = {}
  for i = 1, #text do cuts[i] = text:sub(i, i) end
  return cuts
end

local function refusal(text, options)
  local result = read_whole(text, options)
  assert.is_nil(result.complete)
  return result.error
end

describe("a head", function()
  it("gives status, headers in order and without the blanks around values", function()
    local head = read_whole(OK .. "Content-Type: text/plain\r\nX-Empty:\r\nx-a:\t one \t\r\nContent-Length: 0\r\n\r\n").head
    assert.equal(200, head.status)
    assert.equal("text/plain", head.content_type)
    assert.same({ { "Content-Type", "text/plain" }, { "X-Empty", "" }, { "x-a", "one" }, { "Content-Length", "0" } }, head.headers)
  end)

  it("needs no reason, nor the blank before it", function()
    assert.equal(200, read_whole("HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n").head.status)
    assert.equal(200, read_whole("HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n").head.status)
  end)

  it("takes bytes above 127 in values and reasons", function()
    assert.same({ "x", "caf\xc3\xa9" }, read_whole("HTTP/1.1 200 caf\xe9\r\nx: caf\xc3\xa9\r\n\r\n").head.headers[1])
  end)

  it("says whether the connection may be used again", function()
    local function keeps(version, headers)
      return read_whole("HTTP/" .. version .. " 200 OK\r\n" .. headers .. "Content-Length: 0\r\n\r\n").head.keep_alive
    end
    assert.is_true(keeps("1.1", ""))
    assert.is_false(keeps("1.1", "Connection: close\r\n"))
    assert.is_false(keeps("1.1", "Connection: Upgrade , CLOSE\r\n"))
    assert.is_false(keeps("1.1", "Connection: keep-alive\r\nConnection: close\r\n"))
    assert.is_true(keeps("1.1", "Connection: closed\r\n"))
    assert.is_false(keeps("1.0", ""))
    assert.is_true(keeps("1.0", "Connection: Keep-Alive\r\n"))
    assert.is_false(read_whole(OK .. "\r\n").head.keep_alive)
  end)

  it("is taken up to the limits and refused past them", function()
    local function lines(count) return ("a: b\r\n"):rep(count) end
    assert.equal(http1.limits.headers, #read_whole(OK .. lines(http1.limits.headers) .. "\r\n").head.headers)
    assert.matches("too many lines", refusal(OK .. lines(http1.limits.headers + 1) .. "\r\n"))
    local function sized(size) return OK .. "a: " .. ("b"):rep(size - #OK - 7) .. "\r\n\r\n" end
    assert.equal(http1.limits.head_bytes, #sized(http1.limits.head_bytes))
    assert.is_nil(refusal(sized(http1.limits.head_bytes)))
    assert.matches("too large", refusal(sized(http1.limits.head_bytes + 1)))
    assert.matches("too large", refusal(OK .. "a: " .. ("b"):rep(400 * 1024)))
  end)
end)

describe("interim answers", function()
  it("are skipped", function()
    local result = read_whole("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" .. OK .. "Content-Length: 2\r\n\r\nhi")
    assert.equal(200, result.head.status)
    assert.equal(1, #result.head.headers)
    assert.equal("hi", result.body)
  end)

  it("are bounded, and never switch protocols", function()
    local interim = "HTTP/1.1 100 Continue\r\n\r\n"
    assert.equal(200, read_whole(interim:rep(http1.limits.interim) .. OK .. "\r\n").head.status)
    assert.matches("interim", refusal(interim:rep(http1.limits.interim + 1)))
    assert.matches("switches", refusal("HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n"))
  end)
end)

describe("a body", function()
  it("is as long as Content-Length says", function()
    local result = read_whole(OK .. "Content-Length: 5\r\n\r\nhello")
    assert.equal("hello", result.body)
    assert.equal(5, result.head.content_length)
    assert.is_true(result.complete)
    assert.equal(0, result.excess)
  end)

  it("may be empty", function()
    local result = read_whole(OK .. "Content-Length: 0\r\n\r\n")
    assert.is_true(result.complete)
    assert.is_false(result.head.has_body)
  end)

  it("comes in chunks, with extensions and trailers read over", function()
    local result = read_whole(OK .. 'Transfer-Encoding: Chunked\r\n\r\n5;a="b;c"\r\nhello\r\n1 ;x\r\n \r\nA\r\n0123456789\r\n000\r\nDigest: x\r\nb:\r\n\r\n')
    assert.equal("hello 0123456789", result.body)
    assert.equal(-1, result.head.content_length)
    assert.is_true(result.complete)
    assert.is_true(result.head.keep_alive)
  end)

  it("lasts until the close where nothing else is said", function()
    local open = read_whole(OK .. "\r\nall of it")
    assert.is_nil(open.complete)
    assert.equal("all of it", open.body)
    assert.is_true(read_whole(OK .. "\r\nall of it", { closed = true }).closed_well)
    assert.is_true(read_whole(OK .. "\r\n", { closed = true }).closed_well)
  end)

  it("is not there after 204, 304 and HEAD", function()
    assert.is_true(read_whole("HTTP/1.1 204 No Content\r\n\r\n").complete)
    assert.is_true(read_whole("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n").complete)
    assert.is_true(read_whole(OK .. "Content-Length: 9\r\n\r\n", { head_request = true }).complete)
    assert.is_true(read_whole(OK .. "Transfer-Encoding: chunked\r\n\r\n", { head_request = true }).complete)
  end)

  it("that was cut is not complete", function()
    for _, text in ipairs {
      "", "HTTP/1.1 200 O", OK, OK .. "Content-Length: 5\r\n\r\n", OK .. "Content-Length: 5\r\n\r\nhell", OK .. "Transfer-Encoding: chunked\r\n\r\n",
      OK .. "Transfer-Encoding: chunked\r\n\r\n5\r\nhello", OK .. "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
    } do
      local result = read_whole(text, { closed = true })
      assert.is_nil(result.complete, text)
      assert.is_false(result.closed_well, text)
    end
  end)
end)

describe("what stands behind the end", function()
  it("is counted and never read", function()
    local evil = OK .. "Content-Length: 4\r\n\r\nEVIL"
    for _, first in ipairs { OK .. "Content-Length: 2\r\n\r\nok", OK .. "Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", "HTTP/1.1 204 x\r\n\r\n" } do
      assert.equal(#evil, read_whole(first .. evil).excess)
      assert.equal(#evil, read({ first, evil }).excess)
      assert.equal(#evil, read(bytes_of(first .. evil)).excess)
    end
  end)
end)

describe("a reader", function()
  it("reads the next response after a reset", function()
    local reader = http1.reader()
    for _, body in ipairs { "one", "three" } do
      local pieces = reader:feed(OK .. "Content-Length: " .. #body .. "\r\n\r\n" .. body)
      assert.same({ "head", "data", "end" }, { pieces[1].kind, pieces[2].kind, pieces[3].kind })
      assert.equal(body, pieces[2].text)
      reader:reset()
    end
  end)

  it("stays broken", function()
    local reader = http1.reader()
    assert.equal("error", reader:feed("ICY 200 OK\r\n\r\n")[1].kind)
    assert.equal("error", reader:feed(OK .. "\r\n")[1].kind)
    assert.is_false(reader:finish())
    assert.is_string(reader:error())
  end)

  it("knows garbage by its first bytes, without waiting for a line", function()
    assert.matches("not HTTP", refusal("SSH-2.0"))
    assert.matches("not HTTP", refusal("HTTP/2"))
    assert.matches("not HTTP", refusal("\r\n" .. OK .. "\r\n"))
    assert.matches("not HTTP", refusal("\0"))
  end)
end)

local chunked = OK .. "Transfer-Encoding: chunked\r\n\r\n"

local refused = {
  ["a status of letters"] = "HTTP/1.1 abc\r\n\r\n",
  ["a status of two digits"] = "HTTP/1.1 99 x\r\n\r\n",
  ["a status of four digits"] = "HTTP/1.1 1000 x\r\n\r\n",
  ["a status below 100"] = "HTTP/1.1 099 x\r\n\r\n",
  ["a status above 599"] = "HTTP/1.1 600 x\r\n\r\n",
  ["two blanks before the status"] = "HTTP/1.1  200 OK\r\n\r\n",
  ["no minor version"] = "HTTP/1. 200 OK\r\n\r\n",
  ["a control character in the reason"] = "HTTP/1.1 200 O\0K\r\n\r\n",
  ["a bare LF behind the status line"] = "HTTP/1.1 200 OK\n\r\n",
  ["a bare LF behind a header"] = OK .. "a: b\nc: d\r\n\r\n",
  ["a bare LF as the empty line"] = OK .. "a: b\r\n\n",
  ["a bare CR in a header"] = OK .. "a: b\rc: d\r\n\r\n",
  ["a NUL in a value"] = OK .. "a: b\0c\r\n\r\n",
  ["a NUL in a name"] = OK .. "a\0: b\r\n\r\n",
  ["DEL in a value"] = OK .. "a: \127\r\n\r\n",
  ["a folded line"] = OK .. "a: b\r\n c\r\n\r\n",
  ["a first line that is folded"] = OK .. "\tc: d\r\n\r\n",
  ["a header without a colon"] = OK .. "nonsense\r\n\r\n",
  ["a header without a name"] = OK .. ": b\r\n\r\n",
  ["a blank before the colon"] = OK .. "Content-Length : 5\r\n\r\nhello",
  ["two different Content-Lengths"] = OK .. "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
  ["two equal Content-Lengths"] = OK .. "Content-Length: 5\r\ncontent-length: 5\r\n\r\nhello",
  ["a list of Content-Lengths"] = OK .. "Content-Length: 5, 5\r\n\r\nhello",
  ["a Content-Length with a letter"] = OK .. "Content-Length: 5x\r\n\r\nhello",
  ["a hexadecimal Content-Length"] = OK .. "Content-Length: 0x5\r\n\r\nhello",
  ["a negative Content-Length"] = OK .. "Content-Length: -5\r\n\r\nhello",
  ["a signed Content-Length"] = OK .. "Content-Length: +5\r\n\r\nhello",
  ["an empty Content-Length"] = OK .. "Content-Length:\r\n\r\nhello",
  ["a Content-Length beyond 63 bits"] = OK .. "Content-Length: 9223372036854775808\r\n\r\n",
  ["Content-Length with Transfer-Encoding"] = OK .. "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
  ["Transfer-Encoding with Content-Length"] = OK .. "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
  ["another Transfer-Encoding"] = OK .. "Transfer-Encoding: gzip, chunked\r\n\r\n",
  ["Transfer-Encoding identity"] = OK .. "Transfer-Encoding: identity\r\n\r\n",
  ["two Transfer-Encodings"] = OK .. "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
  ["chunks in HTTP/1.0"] = "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
  ["a chunk without a size"] = chunked .. "\r\nhello\r\n",
  ["a chunk size of letters"] = chunked .. "xyz\r\n",
  ["a signed chunk size"] = chunked .. "-5\r\nhello\r\n",
  ["a chunk size with 0x"] = chunked .. "0x5\r\nhello\r\n",
  ["a blank before a chunk size"] = chunked .. " 5\r\nhello\r\n",
  ["a blank behind a chunk size"] = chunked .. "5 \r\nhello\r\n",
  ["a chunk size of 16 digits"] = chunked .. "0000000000000005\r\nhello\r\n",
  ["a chunk size with a bare LF"] = chunked .. "5\nhello\r\n",
  ["a chunk longer than its size"] = chunked .. "5\r\nhello!\r\n",
  ["a chunk that ends with a bare LF"] = chunked .. "5\r\nhello\n0\r\n\r\n",
  ["a NUL in a chunk extension"] = chunked .. "5;a\0\r\nhello\r\n",
  ["a chunk extension without an end"] = chunked .. "5;" .. ("a"):rep(4096) .. "\r\nhello\r\n",
  ["a bare LF in a trailer"] = chunked .. "0\r\na: b\n\r\n",
  ["a folded trailer"] = chunked .. "0\r\n a: b\r\n\r\n",
  ["a trailer without a colon"] = chunked .. "0\r\nabc\r\n\r\n",
  ["a trailer without an end"] = chunked .. "0\r\na:" .. ("b"):rep(64 * 1024),
}

describe("it is refused:", function()
  for name, text in pairs(refused) do
    it(name, function() assert.is_string(refusal(text)) end)
  end
end)

describe("cuts", function()
  local taken = {
    OK .. "Content-Length: 5\r\nContent-Type: a/b\r\n\r\nhello",
    OK .. "Content-Length: 2\r\n\r\nokHTTP/1.1",
    OK .. 'Transfer-Encoding: chunked\r\n\r\n5;a="b"\r\nhello\r\n6 ;c\r\n world\r\n0\r\nT: v\r\n\r\nxyz',
    "HTTP/1.1 100 Continue\r\nA: b\r\n\r\n" .. OK .. "Connection: close\r\n\r\nuntil close",
    "HTTP/1.0 503\r\nRetry-After: 1\r\n\r\nbusy",
    "HTTP/1.1 204 No Content\r\n\r\n",
  }

  local function same_for_all_cuts(text)
    local options = { closed = true }
    local expected = read_whole(text, options)
    assert.same(expected, read(bytes_of(text), options), text)
    for at = 1, math.min(#text - 1, 400) do
      assert.same(expected, read({ text:sub(1, at), text:sub(at + 1) }, options), text)
    end
  end

  it("change nothing in what is taken", function()
    for _, text in ipairs(taken) do same_for_all_cuts(text) end
  end)

  it("change nothing in what is refused", function()
    for _, text in pairs(refused) do same_for_all_cuts(text) end
  end)

  it("change nothing at the limits", function()
    for _, text in ipairs {
      OK .. ("a: b\r\n"):rep(http1.limits.headers + 1) .. "\r\n",
      OK .. "a: " .. ("b"):rep(http1.limits.head_bytes) .. "\nc",
      ("HTTP/1.1 100 x\r\n\r\n"):rep(http1.limits.interim + 2),
    } do
      local expected = read_whole(text)
      assert.is_string(expected.error)
      for _, size in ipairs { 1, 7, 1000, 65535 } do
        local cuts = {}
        for at = 1, #text, size do cuts[#cuts + 1] = text:sub(at, at + size - 1) end
        assert.same(expected, read(cuts))
      end
    end
  end)

  it("change nothing in responses put together at random", function()
    local state = 12345 -- a generator of our own: the same cases on every machine
    local function random(limit)
      state = (state * 1103515245 + 12345) % 2147483648
      return state // 65536 % limit + 1
    end
    local tokens = {
      OK, "HTTP/1.1 100 C\r\n\r\n", "Content-Length: 3\r\n", "Transfer-Encoding: chunked\r\n", "Connection: close\r\n", "a: b\r\n",
      "\r\n", "\r\n", "\n", "\r", "3", "abc", "3\r\nabc\r\n", "0\r\n", ";", " ", ":", "\0",
    }
    for _ = 1, 400 do
      local parts = { OK }
      for i = 2, 2 + random(8) do parts[i] = tokens[random(#tokens)] end
      local text = table.concat(parts)
      assert.same(read_whole(text), read(bytes_of(text)), text)
      assert.same(read_whole(text), read(parts), text)
    end
  end)
end)
