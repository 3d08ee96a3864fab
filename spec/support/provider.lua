--- The mock provider alone, and its ledger; and providers that are no server at all.
-- SPDX-License-Identifier: MIT
local http = require "support.http"
local process = require "support.process"
local socket = require "socket"

local provider = {}

local Mock = {}
Mock.__index = Mock

--- Starts `gateway mock`. options: program, arguments (list).
function provider.mock(options)
  options = options or {}
  local self = setmetatable({ directory = process.temporary_directory() }, Mock)
  local command = { options.program or provider.program(), "mock", "--port", "0" }
  table.move(options.arguments or {}, 1, #(options.arguments or {}), #command + 1, command)
  self.process = process.start { command = command, directory = self.directory, name = "mock" }
  self.port = http.eventually(function()
    assert(not self.process:status(), "the mock ended: " .. self.process:err())
    return math.tointeger(tonumber(self.process:out():match "127%.0%.0%.1:(%d+)"))
  end)
  assert(self.port, "the mock does not say its port")
  self.origin = ("http://127.0.0.1:%d"):format(self.port)
  self.hang_up_port = math.tointeger(tonumber(self.process:out():match "hangs up on http://127%.0%.0%.1:(%d+)"))
  return self
end

function provider.program()
  local path = os.getenv "GATEWAY" or "build/gateway"
  if path:sub(1, 1) ~= "/" then
    path = require("lfs").currentdir() .. "/" .. path
  end
  return path
end

function Mock:get(path)
  return http.request { port = self.port, path = path }:json()
end

--- Rows of the ledger: all, those of one request (the gateway's id), or those a function picks.
function Mock:ledger(which)
  local rows = {}
  for _, row in ipairs(self:get("/__ledger").requests) do
    if which == nil or row.request_id == which or (type(which) == "function" and which(row)) then
      rows[#rows + 1] = row
    end
  end
  return rows
end

--- Waits until a request's rows satisfy `check`; returns them, whatever they are at the end.
function Mock:ledger_when(which, check, seconds)
  local rows
  http.eventually(function()
    rows = self:ledger(which)
    return check(rows)
  end, seconds)
  return rows
end

function Mock:stats()
  return self:get "/__stats"
end

function Mock:reset()
  http.request { port = self.port, method = "POST", path = "/__reset", body = "{}" }
end

function Mock:stop()
  self.process:signal "TERM"
  self.process:wait(5)
  self.process:kill()
  os.execute("rm -rf " .. process.quote(self.directory))
end

--- A port that refuses.
function provider.refused()
  return http.free_port()
end

local Silent = {}
Silent.__index = Silent

function Silent:stop()
  for _, sock in ipairs(self.sockets) do
    sock:close()
  end
end

local function listener(backlog)
  local server = assert(socket.tcp())
  assert(server:bind("127.0.0.1", 0))
  assert(server:setoption("recv-buffer-size", 4096)) -- little fits into the kernel
  assert(server:listen(backlog))
  local _, port = server:getsockname()
  return setmetatable({ sockets = { server }, port = math.tointeger(tonumber(port)) }, Silent)
end

--- The kernel accepts; the process never reads.
function provider.deaf()
  return listener(64)
end

--- Connecting hangs: the backlog is full, so that SYNs are dropped.
function provider.black_hole()
  local self = listener(0)
  for _ = 1, 4 do
    local filler = assert(socket.tcp())
    filler:settimeout(0)
    filler:connect("127.0.0.1", self.port)
    table.insert(self.sockets, filler)
  end
  return self
end

return provider
