--- A gateway of which large allocations fail, as often as a spec says.
--
--     local starve = starve.new()
--     launch.start { env = starve:env(), … }
--     starve:set(300)                            -- of a thousand; 0: none
--     starve:counts() -> asked, refused
--
-- SPDX-License-Identifier: MIT
local lfs = require "lfs"
local process = require "support.process"

local starve = {}

local Starve = {}
Starve.__index = Starve

function starve.new()
  local self = setmetatable({ folder = process.temporary_directory() }, Starve)
  local compile = "LD_PRELOAD= cc -O1 -shared -fPIC -o %s/starve.so %s/spec/support/starve.c" -- no sanitizer inside the compiler
  assert(os.execute(compile:format(process.quote(self.folder), process.quote(lfs.currentdir()))))
  process.write_file(self.folder .. "/state", ("\0"):rep(4096))
  return self
end

function Starve:set(permille)
  local file = assert(io.open(self.folder .. "/state", "r+b"))
  file:write(string.pack("<i4", permille))
  file:close()
end

function Starve:counts()
  return string.unpack("<i4i4", process.read_file(self.folder .. "/state"), 5)
end

function Starve:env()
  return { LD_PRELOAD = self.folder .. "/starve.so", STARVE = self.folder .. "/state" }
end

function Starve:stop()
  os.execute("rm -rf " .. process.quote(self.folder))
end

return starve
