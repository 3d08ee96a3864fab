--- Names and time as a spec wants them, for a gateway it starts.
--
--     local world = world.new()
--     world:host("api.provider.example", "127.0.0.1")        -- "nobody", "wait": see world.c
--     launch.start { env = world:env(), … }
--     world:pass(70)                                         -- seconds, at once
--
-- SPDX-License-Identifier: MIT
local lfs = require "lfs"
local process = require "support.process"

local world = {}

local World = {}
World.__index = World

function world.new()
  local self = setmetatable({ folder = process.temporary_directory(), hosts = {}, ahead = 0 }, World)
  local compile = ("cc -O1 -shared -fPIC -o %s/world.so %s/spec/support/world.c"):format(process.quote(self.folder), process.quote(lfs.currentdir()))
  assert(os.execute(compile))
  process.write_file(self.folder .. "/clock", string.pack("<i8", 0))
  self:host("nobody.example", "nobody")
  return self
end

--- What a name leads to from now on.
function World:host(name, answer)
  self.hosts[name] = answer
  local lines = {}
  for one, said in pairs(self.hosts) do
    lines[#lines + 1] = ("%s %s\n"):format(one, said)
  end
  process.write_file(self.folder .. "/hosts", table.concat(lines))
end

--- Lets time pass. The file stays the one that is mapped.
function World:pass(seconds)
  self.ahead = self.ahead + seconds * 1000000000
  local file = assert(io.open(self.folder .. "/clock", "r+b"))
  file:write(string.pack("<i8", self.ahead))
  file:close()
end

function World:env()
  return {
    LD_PRELOAD = self.folder .. "/world.so", WORLD_HOSTS = self.folder .. "/hosts", WORLD_CLOCK = self.folder .. "/clock",
    ASAN_OPTIONS = (os.getenv "ASAN_OPTIONS" or "") .. ":verify_asan_link_order=0",
  }
end

function World:stop()
  os.execute("rm -rf " .. process.quote(self.folder))
end

return world
