--- A provider that answers every request with the bytes it was given: for shapes that no mock knows.
--
--     local server = scripted.start()
--     server:answer(200, "application/json", '{"text":"hi"}')
--     ... server:request().json.prompt
--
-- SPDX-License-Identifier: MIT
local cjson = require "cjson"
local http = require "support.http"
local lfs = require "lfs"
local process = require "support.process"

local scripted = {}

local Scripted = {}
Scripted.__index = Scripted

function scripted.start()
  local self = setmetatable({ folder = process.temporary_directory() }, Scripted)
  self.process = process.start {
    command = { "lua5.4", lfs.currentdir() .. "/spec/support/scripted_server.lua", self.folder }, directory = self.folder, name = "scripted",
  }
  self.port = http.eventually(function()
    assert(not self.process:status(), "the scripted provider ended: " .. self.process:err())
    return math.tointeger(tonumber(self.process:out():match "^(%d+)\n"))
  end)
  assert(self.port, "the scripted provider does not say its port")
  self.origin = ("http://127.0.0.1:%d"):format(self.port)
  return self
end

--- What it says from now on. The body ends with its connection unless `length` says how long it claims to be.
function Scripted:answer(status, content_type, body, headers)
  local head = ("HTTP/1.1 %d Said\r\nContent-Type: %s\r\nConnection: close\r\n%s\r\n"):format(status, content_type, headers or
    ("Content-Length: %d\r\n"):format(#body))
  process.write_file(self.folder .. "/answer", head .. body)
end

--- A stream whose events come one by one, each in a chunk of its own: what came before a fault was an answer already.
function Scripted:stream(events)
  local chunks = events:gsub("(.-\n\n)", function(event) return ("%x\r\n%s\r\n"):format(#event, event) end)
  self:answer(200, "text/event-stream", chunks .. "0\r\n\r\n", "Transfer-Encoding: chunked\r\n")
end

--- The last request: { line, headers (names in lower case), body, json }.
function Scripted:request()
  local text = assert(process.read_file(self.folder .. "/request"), "nobody asked")
  local head, body = text:match "^(.-)\n\n(.*)$"
  local request = { line = head:match "^[^\n]*", headers = {}, body = body }
  for name, value in head:gmatch "\n([^:\n]+):%s*([^\n]*)" do
    request.headers[name:lower()] = value
  end
  local ok, json = pcall(cjson.decode, body)
  request.json = ok and json or nil
  return request
end

--- How often it was asked.
function Scripted:count()
  return #(process.read_file(self.folder .. "/count") or "")
end

function Scripted:forget()
  os.remove(self.folder .. "/request")
end

function Scripted:was_asked()
  return process.read_file(self.folder .. "/request") ~= nil
end

function Scripted:stop()
  self.process:signal "TERM"
  self.process:wait(5)
  self.process:kill()
  os.execute("rm -rf " .. process.quote(self.folder))
end

return scripted
