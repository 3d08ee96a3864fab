--- Shortages of what the system gives, made for a gateway of a spec.
--
--     local shortage = shortage.new(port)                    -- the port that the gateway is to listen on
--     launch.start { env = shortage:env(), … }
--     shortage:of("accept4", "EMFILE")                       -- from now on; "socket", "open", "epoll_create1"
--     shortage:over()
--     shortage.allow(pid, 1)                                 -- one more descriptor than it has now; nil: as many as before
--
-- SPDX-License-Identifier: MIT
local http = require "support.http"
local lfs = require "lfs"
local process = require "support.process"

local shortage = {}

local Shortage = {}
Shortage.__index = Shortage

local ROWS = { accept4 = 0, socket = 1, open = 2, epoll_create1 = 3 }
local ROW_BYTES = 16

-- Linux's numbers.
local ERRORS = {
  EPERM = 1, EINTR = 4, EIO = 5, ENOMEM = 12, EACCES = 13, EINVAL = 22, ENFILE = 23, EMFILE = 24, EPROTO = 71, ENOBUFS = 105, ECONNABORTED = 103,
  EHOSTUNREACH = 113,
}

function shortage.new(port)
  local self = setmetatable({ folder = process.temporary_directory(), port = port }, Shortage)
  local compile = ("cc -O1 -shared -fPIC -o %s/shortage.so %s/spec/support/shortage.c"):format(process.quote(self.folder), process.quote(lfs.currentdir()))
  assert(os.execute(compile))
  process.write_file(self.folder .. "/rows", ("\0"):rep(4 * ROW_BYTES))
  return self
end

function Shortage:env()
  return {
    LD_PRELOAD = self.folder .. "/shortage.so", SHORTAGE_FILE = self.folder .. "/rows", PORT = tostring(self.port),
    SHORTAGE_PORT = tostring(self.port), ASAN_OPTIONS = (os.getenv "ASAN_OPTIONS" or "") .. ":verify_asan_link_order=0",
  }
end

local function change(self, call, error)
  local file = assert(io.open(self.folder .. "/rows", "r+b")) -- the file stays the one that is mapped
  file:seek("set", ROWS[call] * ROW_BYTES)
  file:write(string.pack("<i4", error))
  file:close()
end

--- From now on the call fails.
function Shortage:of(call, name)
  change(self, call, assert(ERRORS[name], name))
end

function Shortage:over()
  for call in pairs(ROWS) do
    change(self, call, 0)
  end
end

--- How often the call failed, and how often it came at all.
function Shortage:counts(call)
  local came, failed = string.unpack("<I4I4", process.read_file(self.folder .. "/rows"), ROWS[call] * ROW_BYTES + 5)
  return failed, came
end

--- Waits until the call failed once more than `before`.
function Shortage:felt(call, before)
  return http.eventually(function() return self:counts(call) > before end)
end

function Shortage:stop()
  os.execute("rm -rf " .. process.quote(self.folder))
end

--- Leaves a process `room` descriptors more than it has; nil: what it had before.
function shortage.allow(pid, room)
  local limit
  if room then
    local used = {}
    for name in lfs.dir(("/proc/%d/fd"):format(pid)) do
      used[tonumber(name) or -1] = true
    end
    limit = 0
    while used[limit] or room > 0 do
      room = room - (used[limit] and 0 or 1)
      limit = limit + 1
    end
  else
    limit = process.read_file(("/proc/%d/limits"):format(pid)):match "Max open files%s+%d+%s+(%d+)"
  end
  assert(os.execute(("prlimit --pid %d --nofile=%s:"):format(pid, limit)))
end

return shortage
