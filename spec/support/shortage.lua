--- Shortages of what the system gives, made for a gateway of a spec.
--
--     local shortage = shortage.new(port)                    -- the port that the gateway is to listen on
--     launch.start { env = shortage:env(), … }
--     shortage:of("accept4", "EMFILE")                       -- from now on; "socket", "open", "epoll_create1"
--     shortage:over()
--     shortage.allow(pid, 1)                                 -- one more descriptor than it has now; nil: as many as before
--     shortage.allow_exactly(pid, 1)                         -- the same once it holds still, so that no descriptor comes free later
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

-- What the descriptors of a process lead to, by their numbers.
local function descriptors(pid)
  local folder, links = ("/proc/%d/fd"):format(pid), {}
  for name in lfs.dir(folder) do
    links[tonumber(name) or -1] = lfs.symlinkattributes(folder .. "/" .. name, "target")
  end
  links[-1] = nil
  return links
end

local function are_same(one, other)
  for number, link in pairs(one) do
    if other[number] ~= link then
      return false
    end
  end
  for number in pairs(other) do
    if not one[number] then
      return false
    end
  end
  return true
end

-- The limit that leaves `more` free numbers beside those in use.
local function limit_for(used, more)
  local limit = 0
  while used[limit] or more > 0 do
    more = more - (used[limit] and 0 or 1)
    limit = limit + 1
  end
  return limit
end

local function set_limit(pid, limit)
  assert(os.execute(("prlimit --pid %d --nofile=%s:"):format(pid, limit)))
end

--- Leaves a process `more` descriptors than it has; nil: what it had before.
function shortage.allow(pid, more)
  set_limit(pid, more and limit_for(descriptors(pid), more)
    or process.read_file(("/proc/%d/limits"):format(pid)):match "Max open files%s+%d+%s+(%d+)")
end

local LOOKS = 5
local LOOK_EVERY_S = 0.02

-- The descriptors of a process once several looks in a row found the same.
local function quiet_descriptors(pid)
  local before, equal = descriptors(pid), 1
  assert(http.eventually(function()
    http.pause(LOOK_EVERY_S)
    local now = descriptors(pid)
    equal = are_same(before, now) and equal + 1 or 1
    before = now
    return equal == LOOKS
  end), "the process opens and closes descriptors all the time")
  return before
end

--- As `allow`, in a process that serves nothing just now: a descriptor that is about to be closed is waited for. What is open for a moment (a file, a look-up)
--- would otherwise be counted as in use, and be free for the request that must find none.
function shortage.allow_exactly(pid, more)
  assert(http.eventually(function()
    local used = quiet_descriptors(pid)
    set_limit(pid, limit_for(used, more))
    if are_same(used, quiet_descriptors(pid)) then
      return true
    end
    shortage.allow(pid)
  end), "the descriptors change with each limit")
end

--- How many TCP connections the process holds, whatever their state; a listening socket is none.
function shortage.connections(pid)
  local inodes, count = {}, 0
  for _, link in pairs(descriptors(pid)) do
    inodes[link:match "^socket:%[(%d+)%]$" or ""] = true
  end
  for _, name in ipairs { "tcp", "tcp6" } do
    for state, inode in process.read_file("/proc/net/" .. name):gmatch "\n *%d+: %S+ %S+ (%x%x) %S+ %S+ %S+ +%d+ +%d+ (%d+)" do
      count = count + (inodes[inode] and state ~= "0A" and 1 or 0)
    end
  end
  return count
end

return shortage
