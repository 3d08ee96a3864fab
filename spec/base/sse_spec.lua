-- sse_spec.lua -- server-sent events: every form a provider sends, and that the same bytes give the same events however they are cut.
-- SPDX-License-Identifier: MIT
local sse = require("gateway.runtime").sse

local BOM = "\xef\xbb\xbf"

-- One event as the cases below write it: "name|data", "-" without data.
local function shown(event)
  if not event.has_data then return event.name .. "|-" end
  return event.name .. "|" .. event.data
end

local function parse(chunks)
  local events, too_big = sse.parse(chunks, true)
  local list, raw = {}, {}
  for i, event in ipairs(events) do
    list[i], raw[i] = shown(event), event.raw
  end
  return list, table.concat(raw), too_big
end

-- text; the events; what of it is in no event (a beginning without an end)
local CASES = {
  { "nothing", "", {} },
  { "one event", "data: a\n\n", { "|a" } },
  { "two events", "data: a\n\ndata: b\n\n", { "|a", "|b" } },
  { "CRLF", "data: a\r\n\r\ndata: b\r\n\r\n", { "|a", "|b" } },
  { "CR", "data: a\r\rdata: b\r\r", { "|a", "|b" } },
  { "LF then CRLF", "data: a\n\r\ndata: b\n\n", { "|a", "|b" } },
  { "CRLF then LF", "data: a\r\n\ndata: b\r\n\n", { "|a", "|b" } },
  { "CR then LF is one end", "data: a\r\ndata: b\r\n\r\n", { "|a\nb" } },
  { "LF then CR", "data: a\n\rdata: b\n\r", { "|a", "|b" } },
  { "CR then CRLF", "data: a\r\r\ndata: b\r\r\n", { "|a", "|b" } },
  { "every end in one event", "event: e\rdata: a\ndata: b\r\ndata: c\r\r", { "e|a\nb\nc" } },
  { "a BOM", BOM .. "data: a\n\n", { "|a" } },
  { "a BOM before a blank line", BOM .. "\ndata: a\n\n", { "|a" } },
  { "a BOM before a comment", BOM .. ":x\n\ndata: a\n\n", { "|-", "|a" } },
  { "a BOM in the middle is a field of another name", "data: a\n\n" .. BOM .. "data: b\n\n", { "|a", "|-" } },
  { "two BOMs", BOM .. BOM .. "data: a\n\n", { "|-" } },
  { "a comment", ": ping\n\ndata: a\n\n", { "|-", "|a" } },
  { "a comment within", "data: a\n: OPENROUTER PROCESSING\ndata: b\n\n", { "|a\nb" } },
  { "an empty comment", ":\n\n", { "|-" } },
  { "a comment that looks like data", ":data: x\n\n", { "|-" } },
  { "no space behind the colon", "data:a\n\n", { "|a" } },
  { "two spaces behind the colon", "data:  a\n\n", { "| a" } },
  { "a tab behind the colon", "data:\ta\n\n", { "|\ta" } },
  { "a trailing space", "data: a \n\n", { "|a " } },
  { "colons in the value", "data: a: b:c\n\n", { "|a: b:c" } },
  { "data without a colon", "data\n\n", { "|" } },
  { "data without a colon, twice", "data\ndata\n\n", { "|\n" } },
  { "empty data", "data:\n\n", { "|" } },
  { "empty data and a space", "data: \n\n", { "|" } },
  { "empty, then not", "data:\ndata: a\n\n", { "|\na" } },
  { "not empty, then empty", "data: a\ndata:\n\n", { "|a\n" } },
  { "three empty lines", "data:\ndata\ndata: \n\n", { "|\n\n" } },
  { "several data lines", "data: {\ndata: \"a\": 1\ndata: }\n\n", { "|{\n\"a\": 1\n}" } },
  { "a name", "event: message_start\ndata: {}\n\n", { "message_start|{}" } },
  { "a name behind the data", "data: {}\nevent: ping\n\n", { "ping|{}" } },
  { "the last name wins", "event: a\nevent: b\ndata: x\n\n", { "b|x" } },
  { "an empty name", "event: a\nevent:\ndata: x\n\n", { "|x" } },
  { "a name without data", "event: a\n\ndata: x\n\n", { "a|-", "|x" } },
  { "id and retry", "id: 7\nretry: 3000\ndata: x\n\n", { "|x" } },
  { "id and retry only", "id: 7\nretry: 3000\n\n", { "|-" } },
  { "other fields", "foo: bar\nbaz\ndata: x\nDATA: y\n Data: z\n\n", { "|x" } },
  { "a space before the name of a field", " data: x\n\n", { "|-" } },
  { "names that begin alike", "dat: 1\ndata2: 2\nevents: 3\ndata: x\n\n", { "|x" } },
  { "the end of OpenAI's streams", "data: {\"a\":1}\n\ndata: [DONE]\n\n", { "|{\"a\":1}", "|[DONE]" } },
  { "blank lines", "\n\n\ndata: a\n\n\n\ndata: b\n\n", { "|-", "|-", "|-", "|a", "|-", "|-", "|b" } },
  { "blank lines of all kinds", "\r\n\r\n\n\rdata: a\r\n\r\n\r\n\r\r\n", { "|-", "|-", "|-", "|-", "|a", "|-", "|-", "|-" } },
  { "UTF-8 and NUL", "data: \xe2\x82\xac\0\xff\n\n", { "|\xe2\x82\xac\0\xff" } },
  { "longer than a register", "data: " .. ("x"):rep(100) .. "\nevent: " .. ("n"):rep(40) .. "\n\n", { ("n"):rep(40) .. "|" .. ("x"):rep(100) } },
  { "a last event without its blank line", "data: a\n\ndata: b\n", { "|a", "|b" } },
  { "the same with CRLF", "data: a\r\n\r\nevent: e\r\ndata: b\r\n", { "|a", "e|b" } },
  { "the same with CR", "data: b\r", { "|b" } },
  { "the same with a BOM", BOM .. "data: b\n", { "|b" } },
  { "a last line that is cut", "data: a\n\ndata: b", { "|a" }, "data: b" },
  { "a last line that is cut behind a whole one", "data: a\n\ndata: b\ndata: c", { "|a" }, "data: b\ndata: c" },
  { "a last event without data", "data: a\n\nevent: e\n", { "|a" }, "event: e\n" },
  { "a last comment", "data: a\n\n: bye\n", { "|a" }, ": bye\n" },
  { "half a BOM", "\xef\xbb", {}, "\xef\xbb" },
}

-- raw: all bytes but a BOM, the unended rest, and the LFs that came after their CR had ended an event.
local function check_raw(case, raw, chunks)
  local text, rest = case[2], case[4] or ""
  local kept = text:sub(1, #text - #rest)
  if kept:sub(1, 3) == BOM then kept = kept:sub(4) end
  if #chunks == 1 then return assert.equal(kept, raw) end
  -- Which LF came late depends on the cut; more than one a cut there cannot be, and nothing else may be missing.
  assert.equal((kept:gsub("\n", "")), (raw:gsub("\n", "")))
  local _, ends = kept:gsub("\r\n", "")
  assert.is_true(#kept - #raw <= math.min(ends, math.max(#chunks - 1, 0)))
end

local function bytes_of(text)
  local chunks = {}
  for i = 1, #text do
    chunks[i] = text:sub(i, i)
  end
  return chunks
end

describe("sse", function()
  for _, case in ipairs(CASES) do
    local name, text, wanted = case[1], case[2], case[3]

    it("reads " .. name, function()
      local events, raw, too_big = parse({ text })
      assert.same(wanted, events)
      assert.is_false(too_big)
      check_raw(case, raw, { text })
    end)

    it("reads " .. name .. " however it is cut", function()
      for cut = 1, #text - 1 do
        local chunks = { text:sub(1, cut), text:sub(cut + 1) }
        local events, raw = parse(chunks)
        assert.same(wanted, events, "cut at " .. cut)
        check_raw(case, raw, chunks)
        assert.same(wanted, (parse({ chunks[1], "", chunks[2], "" })), "cut at " .. cut .. " with empty chunks")
      end
      local events, raw = parse(bytes_of(text))
      assert.same(wanted, events, "byte by byte")
      check_raw(case, raw, bytes_of(text))
    end)
  end

  it("reads all of them behind each other, in threes", function()
    local text, wanted = {}, {}
    for _, case in ipairs(CASES) do
      if not case[4] and case[2]:sub(1, 3) ~= BOM and (case[2] == "" or case[2]:find("[\r\n]\r?\n$") or case[2]:find("\r\r$")) then
        text[#text + 1] = case[2]
        for _, event in ipairs(case[3]) do
          wanted[#wanted + 1] = event
        end
      end
    end
    text = table.concat(text)
    -- a CR at the end of a case and an LF at the beginning of the next would become one end of line: none begins so
    assert.same(wanted, (parse({ text })))
    for size = 1, 40 do
      local chunks = {}
      for from = 1, #text, size do
        chunks[#chunks + 1] = text:sub(from, from + size - 1)
      end
      assert.same(wanted, (parse(chunks)), "in pieces of " .. size)
    end
  end)

  it("leaves out only an LF that came late", function()
    local events = sse.parse({ "data: a\r\n\r", "\ndata: b\r\n\r\n" })
    assert.equal("data: a\r\n\r", events[1].raw)
    assert.equal("data: b\r\n\r\n", events[2].raw)
    events = sse.parse({ "data: a\r", "\n\r\n" })
    assert.equal("data: a\r\n\r\n", events[1].raw)
    events = sse.parse({ "data: a\r\r", "", "\n", "\ndata: b\r\r" }) -- the second LF is a blank line of its own
    assert.same({ "data: a\r\r", "\n", "data: b\r\r" }, { events[1].raw, events[2].raw, events[3].raw })
  end)

  it("gives comments with the event behind them", function()
    local events = sse.parse({ ": one\n: two\nevent: e\ndata: a\n\n" })
    assert.equal(1, #events)
    assert.equal(": one\n: two\nevent: e\ndata: a\n\n", events[1].raw)
  end)

  it("gives whole events of one feed side by side, without a copy", function()
    local events = sse.parse({ "data: 1\n\ndata: 2\r\n\r\n: c\n\ndata: 3\r\rdata: 4\n\ndata: 5" })
    assert.equal(5, #events)
    for i = 2, 5 do
      assert.is_true(events[i].adjacent)
    end
    events = sse.parse({ "da", "ta: 1\n\ndata: 2\n\ndata: 3\n\nda", "ta: 4\n\ndata: 5\n\ndata: 6\n\n" })
    local adjacent = {}
    for i, event in ipairs(events) do
      adjacent[i] = event.adjacent
    end
    assert.same({ false, false, true, false, false, true }, adjacent)
  end)

  it("gives nothing before the end was seen", function()
    assert.equal(0, #sse.parse({ "data: a\n" }))
    assert.equal(0, #sse.parse({ "data: a\r\n" }))
    assert.equal(1, #sse.parse({ "data: a\n\r" }))
    assert.equal(1, #sse.parse({ "data: a\r\n\r" }))
  end)

  it("reads many events of one feed", function()
    local text, wanted = {}, {}
    for i = 1, 20000 do
      text[i] = ("data: {\"i\":%d}\n\n"):format(i)
      wanted[i] = ("|{\"i\":%d}"):format(i)
    end
    text = table.concat(text)
    local events, raw = parse({ text })
    assert.same(wanted, events)
    assert.equal(text, raw)
    events = parse({ text:sub(1, 100001), text:sub(100002, 200000), text:sub(200001) })
    assert.same(wanted, events)
  end)

  it("puts a large event together", function()
    local data = ("0123456789abcdef"):rep(60000)
    local text = "event: big\ndata: " .. data .. "\ndata: " .. data .. "\n\ndata: after\n\n"
    local chunks = {}
    for from = 1, #text, 16384 do
      chunks[#chunks + 1] = text:sub(from, from + 16383)
    end
    local wanted = { "big|" .. data .. "\n" .. data, "|after" }
    local events, raw = parse(chunks)
    assert.is_true(wanted[1] == events[1])
    assert.equal(wanted[2], events[2])
    assert.is_true(raw == text)
    assert.is_true(parse({ text })[1] == wanted[1])
  end)
end)

describe("an event", function()
  -- An event of so many bytes, the LF of a last CRLF not counted.
  local function event_of(size, ending)
    local counted = #ending - (ending:sub(-2) == "\r\n" and 1 or 0)
    return "data: " .. ("x"):rep(size - 6 - counted) .. ending
  end

  local function cuts_of(text)
    local half = #text // 2
    return {
      { text }, { text:sub(1, half), text:sub(half + 1) }, { text:sub(1, -2), text:sub(-1) }, { text:sub(1, -3), text:sub(-2) },
      { text:sub(1, -4), text:sub(-3) }, { text:sub(1, 1), text:sub(2) },
    }
  end

  for name, ending in pairs({ LF = "\n\n", CRLF = "\r\n\r\n", CR = "\r\r", mixed = "\n\r\n" }) do
    it("may be as large as the limit and not a byte larger, with " .. name, function()
      for _, chunks in ipairs(cuts_of(event_of(sse.event_max, ending))) do
        local events, too_big = sse.parse(chunks, true)
        assert.is_false(too_big)
        assert.equal(1, #events)
        assert.equal(sse.event_max - #ending - 6 + (ending:sub(-2) == "\r\n" and 1 or 0), #events[1].data)
      end
      for _, chunks in ipairs(cuts_of(event_of(sse.event_max + 1, ending))) do
        local events, too_big = sse.parse(chunks, true)
        assert.is_true(too_big)
        assert.equal(0, #events)
      end
    end)
  end

  it("that is too large ends everything", function()
    local chunks = { "data: before\n\n" }
    for _ = 1, 300 do
      chunks[#chunks + 1] = ("data: %s\n"):format(("y"):rep(16000))
    end
    chunks[#chunks + 1] = "\ndata: after\n\n"
    local events, too_big = sse.parse(chunks, true)
    assert.is_true(too_big)
    assert.equal(1, #events)
    assert.equal("before", events[1].data)
    events, too_big = sse.parse({ table.concat(chunks), "data: after\n\n" }, true)
    assert.is_true(too_big)
    assert.equal(1, #events)
  end)

  it("that never ends is too large as well", function()
    local events, too_big = sse.parse({ ("z"):rep(sse.event_max), "zz" }, true)
    assert.is_true(too_big)
    assert.equal(0, #events)
  end)
end)
