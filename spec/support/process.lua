--- Programs that specs start: in the background, with an environment of their own, watched through files.
-- SPDX-License-Identifier: MIT
local http = require "support.http"

local process = {}

local Process = {}
Process.__index = Process

-- What a failed spec left running ends with the specs.
local started = setmetatable({}, { __gc = function(list)
  for _, one in ipairs(list) do
    if not one:status() then
      one:signal "KILL"
      os.execute("rm -rf " .. process.quote(one.directory))
    end
  end
end })

--- Shell quoting.
function process.quote(text)
  return "'" .. tostring(text):gsub("'", "'\\''") .. "'"
end

function process.read_file(path)
  local file = io.open(path, "rb")
  if not file then
    return nil
  end
  local text = file:read "a"
  file:close()
  return text
end

function process.write_file(path, text)
  local file = assert(io.open(path .. ".new", "wb"))
  assert(file:write(text))
  file:close()
  assert(os.rename(path .. ".new", path)) -- a watcher never sees half of it
end

function process.temporary_directory()
  local pipe = assert(io.popen("mktemp -d " .. process.quote((os.getenv "TMPDIR" or "/tmp") .. "/gateway-spec-XXXXXX")))
  local path = pipe:read "l"
  pipe:close()
  return assert(path, "mktemp failed")
end

-- What a program needs to run at all, and what sanitizers are told. Keys of providers must not leak in.
local PASSED = { "PATH", "HOME", "TMPDIR", "LANG", "ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS", "LSAN_OPTIONS" }

--- options: command (list), env (map), directory (for its files: out, err, pid, status), cwd.
function process.start(options)
  local words = { "exec", "env", "-i" }
  for _, name in ipairs(PASSED) do
    if os.getenv(name) then
      words[#words + 1] = process.quote(name .. "=" .. os.getenv(name))
    end
  end
  for name, value in pairs(options.env or {}) do
    words[#words + 1] = process.quote(name .. "=" .. value)
  end
  for _, word in ipairs(options.command) do
    words[#words + 1] = process.quote(word)
  end
  local self = setmetatable({ directory = options.directory, name = options.name or "program" }, Process)
  local inner = ("cd %s && %s >%s 2>%s"):format(process.quote(options.cwd or "."), table.concat(words, " "), self:path "out", self:path "err")
  local outer = ("(sh -c %s & pid=$!; echo $pid >%s; wait $pid; echo $? >%s) </dev/null >/dev/null 2>&1 &"):format(
    process.quote(inner), self:path "pid.new", self:path "status.new")
  outer = outer:gsub("; wait", "; mv " .. self:path "pid.new" .. " " .. self:path "pid" .. "; wait", 1)
  outer = outer:gsub("%) </dev", "; mv " .. self:path "status.new" .. " " .. self:path "status" .. ") </dev", 1)
  assert(os.execute(outer))
  self.pid = assert(http.eventually(function() return tonumber(process.read_file(self:file "pid")) end), "the program did not start")
  started[#started + 1] = self
  return self
end

function Process:file(what)
  return ("%s/%s.%s"):format(self.directory, self.name, what)
end

function Process:path(what)
  return process.quote(self:file(what))
end

--- Its exit status (128 + n when signal n ended it), or nil while it runs.
function Process:status()
  return tonumber(process.read_file(self:file "status"))
end

--- Waits for its end, at most `seconds`: the exit status, or nil.
function Process:wait(seconds)
  return http.eventually(function() return self:status() end, seconds)
end

function Process:signal(name)
  return os.execute(("kill -%s %d 2>/dev/null"):format(name, self.pid))
end

--- Ends it for good.
function Process:kill()
  if not self:status() then
    self:signal "KILL"
    self:wait(5)
  end
end

function Process:out()
  return process.read_file(self:file "out") or ""
end

function Process:err()
  return process.read_file(self:file "err") or ""
end

--- Resident memory in KB, and the highest it was.
function Process:memory()
  local text = process.read_file(("/proc/%d/status"):format(self.pid)) or ""
  return tonumber(text:match "VmRSS:%s*(%d+)"), tonumber(text:match "VmHWM:%s*(%d+)")
end

--- A sanitizer's memory says nothing of ours.
function Process:is_sanitized()
  return (process.read_file(("/proc/%d/maps"):format(self.pid)) or ""):find "lib[atu]san" ~= nil
end

--- How many descriptors it holds.
function Process:descriptors()
  local pipe = assert(io.popen(("ls /proc/%d/fd 2>/dev/null | wc -l"):format(self.pid)))
  local count = pipe:read "n"
  pipe:close()
  return count
end

return process
