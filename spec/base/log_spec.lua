-- log_spec.lua -- the log: whole lines in their order, dropped lines are counted, a reader that stops or leaves delays no thread.
-- SPDX-License-Identifier: MIT
local runtime = require("gateway.runtime")
local base, json = runtime.base, runtime.json

-- What a log writes into a file while `use` has it.
local function written(level, format, use)
  local file = assert(io.tmpfile())
  local log = base.log(file, level, format)
  use(log)
  log:close()
  file:seek("set", 0)
  local text = file:read("a")
  file:close()
  return text
end

local function lines_of(text)
  local lines = {}
  for line in text:gmatch("([^\n]*)\n") do
    lines[#lines + 1] = line
  end
  return lines
end

-- Reads from the pipe until all lines are there or told as missing; returns the lines and how many were told.
local function drain(reader, sent)
  local lines, told = {}, 0
  while #lines + told < sent do
    local line = reader:read("L")
    assert(line:sub(-1) == "\n" and json.check(line), "a broken line")
    if json.find_string(line, "event") == "log_lines_dropped" then
      told = told + json.to_count(json.find(line, "count"))
    else
      lines[#lines + 1] = line
    end
  end
  return lines, told
end

local function numbered(i, size) return ('{"i":%d,"x":"%s"}'):format(i, ("x"):rep(size)) end

describe("the log", function()
  it("writes whole lines in their order", function()
    local wanted = {}
    local text = written("info", "json", function(log)
      for i = 1, 5000 do
        wanted[i] = numbered(i, i % 50)
        log:line(wanted[i])
      end
      assert.equal(0, log:dropped())
    end)
    assert.equal(table.concat(wanted, "\n") .. "\n", text)
  end)

  it("writes what is queued before it closes", function()
    assert.equal('{"a":1}\n', written("info", "json", function(log) log:line('{"a":1}') end))
    assert.equal("", written("info", "json", function() end))
  end)

  it("writes events as JSON that says when, how bad and what", function()
    local lines = lines_of(written("debug", "json", function(log)
      log:event("debug", "one")
      log:event("error", "two", ',"a":1,"b":{"c":"d e"}')
    end))
    assert.equal(2, #lines)
    for i, event in ipairs({ "one", "two" }) do
      assert.is_true(json.check(lines[i]))
      assert.equal(event, json.find_string(lines[i], "event"))
      assert.is_truthy(json.find_string(lines[i], "time"):match("^%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%d%.%d%d%dZ$"))
    end
    assert.equal("debug", json.find_string(lines[1], "level"))
    assert.equal("error", json.find_string(lines[2], "level"))
    assert.equal('{"c":"d e"}', json.find(lines[2], "b"))
  end)

  it("writes long fields whole", function()
    local long = ("x"):rep(60000)
    local lines = lines_of(written("debug", "json", function(log) log:event("info", "long", ',"a":"' .. long .. '"') end))
    assert.is_true(json.check(lines[1]))
    assert.is_true(json.find_string(lines[1], "a") == long)
  end)

  it("leaves fields that are too long out rather than cut them", function()
    for size, kept in pairs({ [65536] = true, [65537] = false }) do
      local fields = ',"a":"' .. ("x"):rep(size - 7) .. '"'
      assert.equal(size, #fields)
      local lines = lines_of(written("debug", "json", function(log) log:event("info", "long", fields) end))
      assert.is_true(json.check(lines[1]))
      assert.equal("long", json.find_string(lines[1], "event"))
      assert.equal(kept, json.find(lines[1], "a") ~= nil)
    end
  end)

  it("begins a line that its caller goes on with", function()
    assert.equal('{"time":"2026-11-21T05:52:34.123Z","level":"warn","event":"e"', base.log_begin(1795240354123456, "warn", "e"))
  end)

  it("writes nothing below its level", function()
    local order = { "debug", "info", "warn", "error" }
    for least, level in ipairs(order) do
      local lines = lines_of(written(level, "json", function(log)
        for i, each in ipairs(order) do
          assert.equal(i >= least, log:wants(each))
          log:event(each, each)
        end
      end))
      assert.equal(#order - least + 1, #lines)
      assert.equal(level, json.find_string(lines[1], "event"))
    end
  end)

  it("changes level and format while it runs", function()
    local file = assert(io.tmpfile())
    local log = base.log(file, "error", "json")
    assert.is_false(log:wants("info"))
    assert.equal("json", log:format())
    log:set_level("info", "text")
    assert.is_true(log:wants("info"))
    assert.is_false(log:wants("debug"))
    assert.equal("text", log:format())
    log:close()
    file:close()
  end)

  it("writes text for people", function()
    local text = written("info", "text", function(log)
      log:line('{"time":"2026-11-21T05:52:34.123Z","level":"info","event":"started","port":8080,"who":"a b","list":[1, 2],"none":null}')
      log:line('{ "event" : "spaced" , "a" : true }')
      log:line("not JSON at all")
      log:line("{}")
      log:line('{"event":"last"}')
    end)
    assert.same({
      '2026-11-21T05:52:34.123Z info started port=8080 who="a b" list=[1, 2] none=null', "spaced a=true", "not JSON at all", "", "last",
    }, lines_of(text))
  end)
end)

describe("a log whose reader stops", function()
  for _, nonblocking in ipairs({ false, true }) do
    it("drops what has no room, counts it and says so" .. (nonblocking and ", on a pipe that does not block" or ""), function()
      local reader, writer = base.pipe(nonblocking)
      local log = base.log(writer, "info", "json")
      local size, sent = 4000, 0
      while log:dropped() < 100 do -- without a reader two queues and a pipe fill up
        sent = sent + 1
        log:line(numbered(sent, size))
        assert.is_true(sent * size < 4 * base.log_queue_max)
      end
      local dropped = log:dropped()
      assert.is_true(sent * size > base.log_queue_max)
      local lines, told = drain(reader, sent)
      assert.equal(dropped, told)
      assert.equal(sent - dropped, #lines)
      local last = 0 -- in order; where the writer was slow to begin, lines are missing before it took the first as well
      for _, line in ipairs(lines) do
        local number = tonumber(json.find(line, "i"))
        assert.is_true(number > last)
        last = number
      end
      log:line(numbered(sent + 1, 1)) -- and goes on
      assert.equal(numbered(sent + 1, 1) .. "\n", reader:read("L"))
      assert.equal(dropped, log:dropped())
      log:close()
      reader:close()
      writer:close()
    end)
  end

  it("tells of a line that is larger than the queue although none follows", function()
    local text = written("info", "json", function(log)
      log:line('{"a":1}')
      log:line(("x"):rep(base.log_queue_max))
      assert.equal(1, log:dropped())
    end)
    local lines = lines_of(text)
    assert.equal(2, #lines)
    assert.equal('{"a":1}', lines[1])
    assert.equal("log_lines_dropped", json.find_string(lines[2], "event"))
    assert.equal("1", json.find(lines[2], "count"))
    assert.is_string(json.find_string(lines[2], "time"))
  end)

  it("tells of a dropped line although there is no other", function()
    local lines = lines_of(written("info", "json", function(log) log:line(("x"):rep(base.log_queue_max)) end))
    assert.equal(1, #lines)
    assert.equal("1", json.find(lines[1], "count"))
  end)

  it("takes a line that just fits", function()
    local line = ("x"):rep(base.log_queue_max - 1)
    assert.is_true(written("info", "json", function(log) log:line(line) end) == line .. "\n")
  end)

  it("is closed although nobody ever reads", function()
    local reader, writer = base.pipe()
    local log = base.log(writer, "info", "json")
    for i = 1, 100 do
      log:line(numbered(i, 4000))
    end
    log:close() -- waits a second at most; without that this spec would never end
    reader:close() -- which ends the write that the writer stands in
    assert.has_error(function() log:line("{}") end)
  end)

  it("survives a reader that leaves", function()
    local reader, writer = base.pipe()
    local log = base.log(writer, "info", "json")
    log:line('{"a":1}')
    assert.equal('{"a":1}\n', reader:read("L"))
    reader:close()
    for i = 1, 100 do
      log:line(numbered(i, 4000)) -- SIGPIPE would end this process
    end
    log:close()
    writer:close()
  end)
end)

describe("a log whose disk is full for a while", function()
  local self = assert(io.open("/proc/self/stat"))
  local process = self:read("n")
  self:close()

  -- How large a file may grow, for this process: a disk that is full is seen in the same way, by a write that is cut and one that fails.
  local function allow(bytes) assert(os.execute(("prlimit --pid %d --fsize=%s:"):format(process, bytes))) end

  local function poll(done)
    for _ = 1, 1000 do
      if done() then
        return
      end
      os.execute("sleep 0.01")
    end
    error "it never came"
  end

  for _, format in ipairs({ "json", "text" }) do
    it("ends the line that was torn and says how many are missing (" .. format .. ")", function()
      local line = '{"event":"' .. ("x"):rep(84) .. '"}' -- 96 bytes of JSON, 84 of text, and a newline
      local whole = 1000 // (format == "json" and 97 or 85)
      local text = written("info", format, function(log)
        finally(function() allow "unlimited" end)
        allow(1000)
        for _ = 1, 20 do
          log:line(line)
        end
        poll(function() return log:dropped() == 20 - whole end)
        allow "unlimited"
        log:line '{"event":"again"}'
      end)
      local lines = lines_of(text)
      assert.equal(whole + 3, #lines)
      assert.is_true(#lines[whole + 1] < #lines[whole])
      assert.matches("log_lines_dropped", lines[whole + 2])
      assert.matches(format == "json" and ('"count":%d}'):format(20 - whole) or ("count=%d$"):format(20 - whole), lines[whole + 2])
      assert.matches("again", lines[whole + 3])
    end)
  end
end)
