--- A raw HTTP/1.1 client for specs: bytes as they are, deadlines instead of sleeps, many conversations at once.
--
-- `http.all { f, g, … }` runs functions side by side on one thread: one that waits for a socket lets the others go on, so rows that stall
-- cost their time once. Outside of it everything simply blocks. Nothing here repairs what a server sends.
-- SPDX-License-Identifier: MIT
local cjson = require "cjson"
local socket = require "socket"

-- How long anything is waited for that is to happen. Long: only what is broken waits for all of it, and a busy machine may stand still for seconds.
local http = { TIMEOUT = 30 }

-- ---------------------------------------------------------------- waiting

local scheduled = setmetatable({}, { __mode = "k" }) -- coroutines that http.all runs

--- Waits until `sock` can be read or written; false when the deadline passed.
local function wait(sock, mode, deadline)
  local thread = coroutine.running()
  if scheduled[thread] then
    return coroutine.yield(sock, mode, deadline)
  end
  local left = math.max(0, deadline - socket.gettime())
  local readable, writable = socket.select(mode == "read" and { sock } or nil, mode == "write" and { sock } or nil, left)
  return #readable + #writable > 0
end

--- Lets others go on for `seconds`: for polling, where there is no socket to wait for.
function http.pause(seconds)
  if scheduled[coroutine.running()] then
    coroutine.yield(nil, "pause", socket.gettime() + seconds)
  else
    socket.sleep(seconds)
  end
end

--- Asks `check` until it says something else than nil or false, at most `seconds`; returns it, or nil.
function http.eventually(check, seconds)
  local deadline = socket.gettime() + (seconds or http.TIMEOUT)
  while true do
    local result = check()
    if result then
      return result
    elseif socket.gettime() > deadline then
      return nil
    end
    http.pause(0.005)
  end
end

local function resume(job, ...)
  local ok, sock, mode, deadline = coroutine.resume(job.thread, ...)
  if not ok then
    job.failure = type(sock) == "table" and sock or debug.traceback(job.thread, tostring(sock))
  elseif coroutine.status(job.thread) == "dead" then
    job.result = sock
  else
    job.sock, job.mode, job.deadline = sock, mode, deadline
    return true
  end
  job.over = true
end

local function wait_for_any(jobs)
  local read, write, soonest = {}, {}, math.huge
  for _, job in ipairs(jobs) do
    if not job.over then
      soonest = math.min(soonest, job.deadline)
      if job.mode ~= "pause" then
        table.insert(job.mode == "read" and read or write, job.sock)
      end
    end
  end
  local left = math.max(0, soonest - socket.gettime())
  if #read + #write == 0 then
    socket.sleep(left)
    return {}, {}
  end
  return socket.select(read, write, left)
end

--- Runs the functions side by side; returns their results in order. The first error of any is raised when all have ended.
function http.all(functions)
  local jobs, running = {}, 0
  for i, f in ipairs(functions) do
    jobs[i] = { thread = coroutine.create(f) }
    scheduled[jobs[i].thread] = true
    running = running + (resume(jobs[i]) and 1 or 0)
  end
  while running > 0 do
    local readable, writable = wait_for_any(jobs)
    local now = socket.gettime()
    for _, job in ipairs(jobs) do
      local ready = not job.over and job.sock and (readable[job.sock] or writable[job.sock]) ~= nil
      if not job.over and (ready or job.deadline <= now) and not resume(job, ready) then
        running = running - 1
      end
    end
  end
  local results = {}
  for i, job in ipairs(jobs) do
    if job.failure then
      error(job.failure, 0)
    end
    results[i] = job.result
  end
  return results
end

--- The same, at most `width` at a time (sockets are few in select).
function http.all_by(width, functions)
  local results = {}
  for from = 1, #functions, width do
    table.move(http.all(table.move(functions, from, math.min(from + width - 1, #functions), 1, {})), 1, width, from, results)
  end
  return results
end

-- ---------------------------------------------------------------- a connection

local Connection = {}
Connection.__index = Connection

--- options: host, port, receive_buffer. Raises when the port is closed.
function http.connect(options)
  local sock = assert(socket.tcp())
  sock:settimeout(0)
  if options.receive_buffer then
    sock:setoption("recv-buffer-size", options.receive_buffer)
  end
  local ok, message = sock:connect(options.host or "127.0.0.1", options.port)
  if not ok and message ~= "timeout" and message ~= "Operation already in progress" then
    sock:close()
    error("connect: " .. message, 2)
  end
  if not ok then
    assert(wait(sock, "write", socket.gettime() + http.TIMEOUT), "connect: timeout")
    ok, message = sock:connect(options.host or "127.0.0.1", options.port)
    if not ok and message ~= "already connected" then
      sock:close()
      error("connect: " .. message, 2)
    end
  end
  sock:setoption("tcp-nodelay", true)
  return setmetatable({ sock = sock, rest = "" }, Connection)
end

function Connection:close()
  if self.sock then
    self.sock:close()
    self.sock = nil
  end
end

--- RST instead of FIN.
function Connection:reset()
  self.sock:setoption("linger", { on = true, timeout = 0 })
  self:close()
end

--- Sends all, or as much as the peer takes. Returns true, or nil and why not.
function Connection:send(bytes, deadline)
  deadline = deadline or socket.gettime() + http.TIMEOUT
  local at = 1
  while at <= #bytes do
    local last, message, partial = self.sock:send(bytes, at)
    at = (last or partial) + 1
    if message == "timeout" then
      if not wait(self.sock, "write", deadline) then
        return nil, "timeout"
      end
    elseif message then
      return nil, message
    end
  end
  return true
end

--- More bytes into self.rest: true, or nil and "closed" (also for RST) or "timeout".
function Connection:fill(deadline)
  while true do
    local bytes, message, partial = self.sock:receive(65536)
    bytes = bytes or partial
    if bytes and #bytes > 0 then
      self.rest = self.rest .. bytes
      return true
    elseif message == "closed" or (message and message ~= "timeout") then
      return nil, "closed"
    elseif not wait(self.sock, "read", deadline) then
      return nil, "timeout"
    end
  end
end

--- Bytes up to and with `mark`.
function Connection:upto(mark, deadline)
  local from = 1
  while true do
    local _, stop = self.rest:find(mark, from, true)
    if stop then
      local text = self.rest:sub(1, stop)
      self.rest = self.rest:sub(stop + 1)
      return text
    end
    from = math.max(1, #self.rest - #mark + 2)
    local ok, message = self:fill(deadline)
    if not ok then
      return nil, message
    end
  end
end

function Connection:exactly(count, deadline)
  if #self.rest < count then -- large bodies: joined once
    local parts, have = { self.rest }, #self.rest
    while have < count do
      self.rest = ""
      local ok, message = self:fill(deadline)
      if not ok then
        self.rest = table.concat(parts)
        return nil, message
      end
      parts[#parts + 1] = self.rest
      have = have + #self.rest
    end
    self.rest = table.concat(parts)
  end
  local text = self.rest:sub(1, count)
  self.rest = self.rest:sub(count + 1)
  return text
end

--- Everything until the peer closes. Returns the bytes and "closed" or "timeout".
function Connection:drain(deadline)
  local parts = {}
  while true do
    parts[#parts + 1] = self.rest
    self.rest = ""
    local ok, message = self:fill(deadline or socket.gettime() + http.TIMEOUT)
    if not ok then
      return table.concat(parts), message
    end
  end
end

--- True when the peer closes within `seconds` without sending anything more.
function Connection:is_closed(seconds)
  local rest, why = self:drain(socket.gettime() + (seconds or http.TIMEOUT))
  return rest == "" and why == "closed"
end

-- ---------------------------------------------------------------- requests

--- method, path, authority (its Host), headers (map or list of { name, value }), body (text, or a table for JSON) -> bytes.
function http.format(request)
  local body = request.body
  if type(body) == "table" then
    body = cjson.encode(body)
  end
  local lines = { ("%s %s HTTP/1.1"):format(request.method or (body and "POST" or "GET"), request.path or "/"), "Host: " .. (request.authority or "127.0.0.1") }
  for name, value in pairs(request.headers or {}) do
    if type(name) == "number" then
      name, value = value[1], value[2]
    end
    lines[#lines + 1] = ("%s: %s"):format(name, value)
  end
  if body then
    if not request.content_type then
      lines[#lines + 1] = "Content-Type: application/json"
    elseif request.content_type ~= "" then
      lines[#lines + 1] = "Content-Type: " .. request.content_type
    end
    lines[#lines + 1] = "Content-Length: " .. #body
  end
  return table.concat(lines, "\r\n") .. "\r\n\r\n" .. (body or "")
end

-- ---------------------------------------------------------------- answers

local Answer = {}
Answer.__index = Answer

--- Reads the head of the next answer. Nil and "closed" or "timeout" when none came.
function Connection:answer(deadline)
  deadline = deadline or socket.gettime() + http.TIMEOUT
  local head, message = self:upto("\r\n\r\n", deadline)
  if not head then
    return nil, message
  end
  local answer = setmetatable({ connection = self, deadline = deadline, head = head, headers = {}, events_seen = 0 }, Answer)
  answer.status = tonumber(head:match "^HTTP/1%.1 (%d%d%d) ")
  for name, value in head:gmatch "\r\n([^:\r\n]+):[ \t]*([^\r\n]*)" do
    name = name:lower()
    answer.headers[name] = answer.headers[name] and answer.headers[name] .. ", " .. value or value
  end
  answer.chunked = (answer.headers["transfer-encoding"] or ""):lower() == "chunked"
  answer.left = tonumber(answer.headers["content-length"])
  if answer.status and (answer.status < 200 or answer.status == 204 or answer.status == 304) then
    answer.chunked, answer.left = false, 0
  end
  return answer
end

--- The next piece of the body: a chunk, or all of it. Nil at its end, with why (nil: a good end).
function Answer:piece(deadline)
  deadline = deadline or self.deadline
  if self.complete or self.why then
    return nil, self.why
  end
  local text, message
  if self.chunked then
    local line
    line, message = self.connection:upto("\r\n", deadline)
    local size = line and tonumber(line:match "^(%x+)", 16)
    if size then
      text, message = self.connection:exactly(size + 2, deadline)
      text = text and text:sub(1, size)
      if text == "" then
        self.complete = true
        return nil
      end
    elseif line then
      message = "not a chunk: " .. line
    end
  elseif self.left then
    text, message = self.connection:exactly(self.left, deadline)
    self.complete = text ~= nil
    if text == "" then
      return nil
    end
  else
    text = self.connection:drain(deadline)
    self.complete = true
  end
  if not text then
    if message ~= "timeout" then
      self.why = message
    end
    return nil, message
  end
  return text
end

--- The whole body. `complete` says whether its framing ended well.
function Answer:read()
  local parts = { self.body }
  while true do
    local text = self:piece()
    if not text then
      break
    end
    parts[#parts + 1] = text
  end
  self.body = table.concat(parts)
  return self
end

function Answer:json()
  local ok, value = pcall(cjson.decode, self.body or "")
  return ok and value or nil
end

-- Lines end with CR, LF or CRLF (WHATWG HTML 9.2); a CRLF may be cut.
local function with_lf(self, piece)
  if self.after_cr and piece:sub(1, 1) == "\n" then
    piece = piece:sub(2)
  end
  self.after_cr = piece:sub(-1) == "\r"
  return (piece:gsub("\r\n", "\n"):gsub("\r", "\n"))
end

--- The next event of a stream: { data, name, at }, at being when its last byte was read. Nil at the end, with why.
function Answer:event(deadline)
  self.pending, self.pieces = self.pending or "", self.pieces or {}
  while true do
    local text, stop = self.pending:match "^(.-)\n\n()"
    if text then
      self.pending = self.pending:sub(stop)
      if self.events_seen == 0 and text:sub(1, 3) == "\xef\xbb\xbf" then
        text = text:sub(4)
      end
      self.events_seen = self.events_seen + 1
      local event = { at = socket.gettime(), raw = text .. "\n\n" }
      for name, value in (text .. "\n"):gmatch "([^:\n]*):? ?([^\n]*)\n" do
        if name == "data" then
          event.data = event.data and event.data .. "\n" .. value or value
        elseif name == "event" then
          event.name = value
        end
      end
      return event
    end
    local piece, why = self:piece(deadline)
    if not piece then
      return nil, why
    end
    table.insert(self.pieces, piece)
    self.pending = self.pending .. with_lf(self, piece)
  end
end

--- All events until the end; `body` has their bytes as they came.
function Answer:events()
  local list = {}
  while true do
    local event, why = self:event()
    if not event then
      self.body = table.concat(self.pieces)
      return list, why
    end
    list[#list + 1] = event
  end
end

function Answer:close()
  self.connection:close()
end

-- ---------------------------------------------------------------- whole conversations

--- Sends one request on a connection of its own and reads the head: the answer's body is still to be read. Raises when no answer comes.
function http.open(request)
  local connection = http.connect(request)
  local deadline = socket.gettime() + (request.timeout or http.TIMEOUT)
  local sent, why_not = connection:send(request.raw or http.format(request), deadline)
  local answer, why = connection:answer(deadline)
  if not answer then
    connection:close()
    error(("no answer: %s (sent: %s)"):format(why, sent and "all" or why_not), 2)
  end
  return answer
end

--- One request and its whole answer, on a connection of its own.
function http.request(request)
  local answer = http.open(request):read()
  answer:close()
  return answer
end

--- A closed port, which the kernel does not assign to a socket that asks for any: it lies below those that the kernel gives to listeners and clients.
function http.free_port()
  for _ = 1, 1000 do
    local port = math.random(12000, 31999)
    local server = socket.bind("127.0.0.1", port)
    if server then
      server:close()
      return port
    end
  end
  error "no port is free"
end

return http
