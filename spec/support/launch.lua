--- A gateway of its own for a spec: started on a config in a temporary folder, asked, watched, stopped.
--
--     local gateway = launch.start { config = [[return { providers = { mock = {} } }]] }
--     local answer = gateway:chat { model = "mock/hello" }
--
-- SPDX-License-Identifier: MIT
local cjson = require "cjson"
local http = require "support.http"
local lfs = require "lfs"
local process = require "support.process"
local provider = require "support.provider"

local launch = { http = http, mock = provider.mock, provider = provider }

local Gateway = {}
Gateway.__index = Gateway

local function absolute(path)
  return path:sub(1, 1) == "/" and path or lfs.currentdir() .. "/" .. path
end

-- A gateway that stands still for two seconds finds that they passed before it was connected: a config that says nothing of it gets more.
local function patient(config)
  return config:find "timeouts%s*=" and config or (config:gsub("^return {", '%0 timeouts = { connect = "60s" },', 1))
end

--- Lays out a folder: the config as gateway.lua, the project's policies (not with no_policies), and `policies` (name -> text) over them.
local function lay_out(options)
  local folder = process.temporary_directory()
  process.write_file(folder .. "/gateway.lua", options.config)
  if not options.no_policies then
    assert(os.execute(("cp -R %s %s/policies && chmod -R u+w %s/policies"):format(process.quote(absolute "policies"), process.quote(folder),
      process.quote(folder))))
  end
  for name, text in pairs(options.policies or {}) do
    process.write_file(("%s/policies/%s.lua"):format(folder, name), text)
  end
  for name, text in pairs(options.files or {}) do
    process.write_file(folder .. "/" .. name, text)
  end
  return folder
end

--- Runs a command of the program to its end in such a folder: exit status, stdout, stderr.
function launch.run(options)
  local folder = lay_out(options)
  local command = { provider.program() }
  table.move(options.arguments, 1, #options.arguments, 2, command)
  local run = process.start { command = command, env = options.env, directory = folder, name = "gateway", cwd = folder }
  local status = run:wait(options.seconds)
  run:kill()
  local out, err = run:out(), run:err()
  os.execute("rm -rf " .. process.quote(folder))
  return status, out, err
end

--- The last line of what a command printed.
function launch.last_line(text)
  return text:match "[^\n]*\n?$"
end

--- Starts a gateway and waits until it answers. options: config (text), policies, files, env, under (words before its own, such as
-- prlimit's), host (where it is asked whether it answers). The config need not say `listen`.
function launch.start(options)
  local folder = lay_out(options)
  process.write_file(folder .. "/gateway.lua", patient(options.config))
  local env = { HOST = "127.0.0.1", PORT = "0" }
  for name, value in pairs(options.env or {}) do
    env[name] = value
  end
  local self = setmetatable({ folder = folder, host = "127.0.0.1", key = options.key }, Gateway)
  local command = table.move(options.under or {}, 1, #(options.under or {}), 1, {})
  table.move({ provider.program(), "run", "gateway.lua" }, 1, 3, #command + 1, command)
  self.process = process.start { command = command, env = env, directory = folder, name = "gateway", cwd = folder }
  self.pid = self.process.pid
  self.port = http.eventually(function()
    if self.process:status() then
      error("the gateway did not start: " .. self.process:err(), 0)
    end
    local said = self.process:err() -- the start's line in JSON, or for people
    return math.tointeger(tonumber(said:match '"address":"http://[^"]-:(%d+)"' or said:match "on http://[^%s]-:(%d+),"))
  end)
  assert(self.port, "the gateway does not say its port")
  self.url = ("http://127.0.0.1:%d"):format(self.port)
  assert(http.eventually(function()
    local ok, answer = pcall(http.request, { host = options.host, port = self.port, path = "/health/live", timeout = 1 })
    return ok and answer.status == 200
  end), "the gateway does not answer")
  return self
end

-- ---------------------------------------------------------------- asking

local counter = 0

--- An id for X-Request-ID that this run never used.
function launch.next_id()
  counter = counter + 1
  return ("spec-%d-%d"):format(counter, math.random(1 << 30))
end

local function complete(self, request)
  request.port = self.port
  request.headers = request.headers or {}
  request.id = request.id or launch.next_id()
  request.headers["X-Request-ID"] = request.headers["X-Request-ID"] or request.id
  local key = request.key or self.key
  if key then
    request.headers.Authorization = "Bearer " .. key
  end
  return request
end

-- A gateway that died says why in its last lines.
local function asked(self, ask, request)
  local ok, answer = pcall(ask, complete(self, request))
  if not ok then
    local dead = self.process:wait(0.2)
    error(dead and ("the gateway ended with %d: %s"):format(dead, self.process:err():sub(-2000)) or answer, 3)
  end
  answer.id = request.id
  return answer
end

--- One request and its whole answer; answer.id is the id it was sent with.
function Gateway:request(request)
  return asked(self, http.request, request)
end

--- The same, with the body still to come.
function Gateway:open(request)
  return asked(self, http.open, request)
end

function Gateway:get(path, headers)
  return self:request { path = path, headers = headers }
end

--- A chat body: fields over { messages = one user message }.
function launch.body(fields)
  local body = { messages = { { role = "user", content = "Hello there" } } }
  for name, value in pairs(fields) do
    body[name] = value
  end
  return body
end

--- A whole chat completion.
function Gateway:chat(fields, request)
  request = request or {}
  request.path = request.path or "/v1/chat/completions"
  request.body = request.body or launch.body(fields)
  return self:request(request)
end

--- A streamed one, with its body still to come.
function Gateway:open_stream(fields, request)
  fields.stream = true
  request = request or {}
  request.path = request.path or "/v1/chat/completions"
  request.body = request.body or launch.body(fields)
  return self:open(request)
end

--- A streamed one, to its end: the answer with `events`, `text` (its content), `done` ([DONE] came), `failure` (the error event).
function Gateway:stream(fields, request)
  local answer = self:open_stream(fields, request)
  if (answer.headers["content-type"] or ""):find("text/event-stream", 1, true) then
    answer.list = answer:events()
    launch.read_stream(answer)
  else
    answer:read()
  end
  answer:close()
  return answer
end

--- What an OpenAI stream said.
function launch.read_stream(answer)
  local text = {}
  answer.chunks = {}
  for _, event in ipairs(answer.list) do
    if event.data == "[DONE]" then
      answer.done = true
    elseif event.data then
      local chunk = cjson.decode(event.data)
      answer.chunks[#answer.chunks + 1] = chunk
      if chunk.error and chunk.error ~= cjson.null then
        answer.failure = chunk.error
      end
      if chunk.usage and chunk.usage ~= cjson.null then
        answer.usage = chunk.usage
      end
      local choice = chunk.choices and chunk.choices[1]
      local content = choice and choice.delta and choice.delta.content
      if type(content) == "string" then
        text[#text + 1] = content
      end
      if choice and choice.finish_reason and choice.finish_reason ~= cjson.null then
        answer.finish = choice.finish_reason
      end
    end
  end
  answer.text = table.concat(text)
end

--- The text of a whole chat completion.
function launch.text(answer)
  local body = answer:json()
  return body and body.choices and body.choices[1].message.content
end

-- ---------------------------------------------------------------- watching

--- The log's JSON lines. Only what was written since the last look is read: logs grow long.
function Gateway:log()
  self.lines, self.read_to = self.lines or {}, self.read_to or 0
  local file = io.open(self.process:file "err", "rb")
  if file then
    file:seek("set", self.read_to)
    local text = file:read "a"
    file:close()
    local whole = text:match "^.*\n" or "" -- the last line may still be written
    self.read_to = self.read_to + #whole
    for line in whole:gmatch "[^\n]+" do
      local ok, value = pcall(cjson.decode, line)
      if ok and type(value) == "table" then
        self.lines[#self.lines + 1] = value
      end
    end
  end
  return self.lines
end

--- Waits for a log line that `pick` takes; nil when none came.
function Gateway:log_line(pick, seconds)
  return http.eventually(function()
    for _, line in ipairs(self:log()) do
      if pick(line) then
        return line
      end
    end
  end, seconds)
end

--- The request_complete line of a request, by the id it was sent with.
function Gateway:record(id)
  return self:log_line(function(line) return line.event == "request_complete" and line.client_request_id == id end)
end

--- All request_complete lines by the caller's id.
function Gateway:records()
  local map = {}
  for _, line in ipairs(self:log()) do
    if line.event == "request_complete" and line.client_request_id then
      map[line.client_request_id] = line
    end
  end
  return map
end

function Gateway:generation()
  return self:get("/health"):json().generation
end

-- ---------------------------------------------------------------- changing and ending

function Gateway:edit_policy(name, text)
  process.write_file(("%s/policies/%s.lua"):format(self.folder, name), text)
end

function Gateway:edit_config(text)
  process.write_file(self.folder .. "/gateway.lua", patient(text))
end

function Gateway:signal(name)
  return self.process:signal(name)
end

--- Drains and ends it: the exit status. A gateway that does not end is killed, and the status is nil.
function Gateway:stop()
  local status = self.process:status()
  if not status then
    self:signal "TERM"
    status = self.process:wait()
    self.process:kill()
  end
  self.last_log = self.process:err()
  os.execute("rm -rf " .. process.quote(self.folder))
  return status
end

return launch
