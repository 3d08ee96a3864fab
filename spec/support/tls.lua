--- Certificates made for a spec, and doors that show them: TLS in front of the mock, well and badly (tls_server.py).
-- SPDX-License-Identifier: MIT
local http = require "support.http"
local lfs = require "lfs"
local process = require "support.process"

local tls = {}

local Doors = {}
Doors.__index = Doors

local function make(folder, text, ...)
  local command = ("cd %s && (%s) >/dev/null 2>openssl.err"):format(process.quote(folder), text:format(...))
  assert(os.execute(command), process.read_file(folder .. "/openssl.err"))
end

-- One key will do for all; `signer` signs for `subject` with extensions.
local function sign(folder, name, signer, days, extensions)
  process.write_file(folder .. "/" .. name .. ".ext", extensions)
  make(folder, "openssl req -new -key key.pem -subj /CN=%s -out %s.csr && openssl x509 -req -in %s.csr -CA %s.pem -CAkey key.pem -CAcreateserial " ..
    "-days %d -extfile %s.ext -out %s.pem", name, name, name, signer, days, name, name)
end

local LOCALHOST = "subjectAltName=DNS:localhost\n"

--- What can be behind a door: how it behaves and the certificate it shows. `ca` of the result is the file to trust.
local DOORS = {
  fine = { "pass", "fine" }, self_signed = { "pass", "self" }, expired = { "pass", "expired" }, wrong_host = { "pass", "other" },
  chain_missing = { "pass", "leaf" }, chain = { "pass", "chain" }, old = { "old", "fine" }, stall = { "stall" }, reset = { "reset" }, plain = { "plain" },
  reset_behind = { "reset-behind", "fine" },
}

--- port: the mock's.
function tls.start(port)
  local self = setmetatable({ folder = process.temporary_directory(), ports = {} }, Doors)
  local folder = self.folder
  make(folder, "openssl ecparam -genkey -name prime256v1 -noout -out key.pem")
  make(folder, "openssl req -x509 -new -key key.pem -subj /CN=spec -days 2 -out ca.pem -addext basicConstraints=critical,CA:TRUE")
  make(folder, "openssl req -x509 -new -key key.pem -subj /CN=localhost -days 2 -out self.pem -addext subjectAltName=DNS:localhost")
  sign(folder, "fine", "ca", 2, LOCALHOST)
  sign(folder, "expired", "ca", -1, LOCALHOST)
  sign(folder, "other", "ca", 2, "subjectAltName=DNS:elsewhere.example\n")
  sign(folder, "between", "ca", 2, "basicConstraints=critical,CA:TRUE\n")
  sign(folder, "leaf", "between", 2, LOCALHOST)
  make(folder, "cat leaf.pem between.pem >chain.pem")
  local lines = {}
  for name, door in pairs(DOORS) do
    local certificate = door[2] and folder .. "/" .. door[2] .. ".pem" or "-"
    lines[#lines + 1] = ("%s %s %s %s/key.pem\n"):format(name, door[1], certificate, folder)
  end
  process.write_file(folder .. "/doors", table.concat(lines))
  self.ca = folder .. "/ca.pem"
  self.process = process.start {
    command = { "python3", lfs.currentdir() .. "/spec/support/tls_server.py", folder, tostring(port) }, directory = folder, name = "doors",
  }
  assert(http.eventually(function()
    assert(not self.process:status(), "the doors ended: " .. self.process:err())
    return self.process:out():find "\nready\n"
  end), "the doors do not open")
  for name, number in self.process:out():gmatch "([%w_]+) (%d+)\n" do
    self.ports[name] = math.tointeger(tonumber(number))
  end
  return self
end

function Doors:stop()
  self.process:kill()
  os.execute("rm -rf " .. process.quote(self.folder))
end

return tls
