--- The cases of spec/fixtures: a folder for each wire, in it a file for each kind of case (chat, streams, errors, embeddings, …). A file returns one table:
-- its named fields hold for all its cases, and its list is the cases, each with fields that are its own.
--
--     { "text_basic", "one question, one answer",   name and description
--       asks = [[…]], sent = [[…]],                  what the client asks; what goes to the provider
--       answer = [[…]], stream = [[…]],              what the provider answers: whole, or the bytes of a stream
--       gets = [[…]], events = [[…]] },              what the client gets: whole, or the list of its stream's events
--
--     kind        "chat" unless said: embeddings, models, count_tokens
--     provider, config, url, headers               the entry of `providers`; where the request goes, and with which headers
--     status, answer_headers                       of the provider's answer; 200 unless said
--     expect      { status =, error_class =, retry_after_ms = } of what the client gets; a plain 200 unless said
--     volatile, notes                              what the comparison leaves out: fixtures_spec.lua says how
--     crlf        lines of the stream end with CR LF
--     frames      { { "messageStart", [[…]] }, { exception = "throttlingException", [[…]] }, … }: a stream in AWS's frames
--     damaged     the checksum of the last frame is wrong
--
-- SPDX-License-Identifier: MIT
local eventstream = require "support.eventstream"
local lfs = require "lfs"

local fixtures = {}

local ROOT = "spec/fixtures/"
local OK = { status = 200 }

local function framed(case)
  local list = {}
  for i, frame in ipairs(case.frames) do
    list[i] = frame.exception and eventstream.exception(frame.exception, frame[1]) or eventstream.event(frame[1], frame[2])
  end
  local bytes = table.concat(list)
  return case.damaged and bytes:sub(1, -2) .. string.char(bytes:byte(-1) ~ 0xff) or bytes
end

local function read_case(wire, file, row)
  local case = { wire = wire, name = row[1], description = row[2], kind = "chat", expect = OK, status = 200 }
  for _, fields in ipairs { file, row } do
    for key, value in pairs(fields) do
      case[key] = math.type(key) == nil and value or nil
    end
  end
  if case.frames then
    case.stream = framed(case)
  elseif case.crlf then
    case.stream = case.stream:gsub("\n", "\r\n")
  end
  return case
end

local function files_of(wire)
  local list = {}
  for name in lfs.dir(ROOT .. wire) do
    list[#list + 1] = name:find "%.lua$" and ROOT .. wire .. "/" .. name or nil
  end
  return list
end

--- The names of the folders that hold cases.
function fixtures.wires()
  local list = {}
  for name in lfs.dir(ROOT) do
    list[#list + 1] = name:sub(1, 1) ~= "." and #files_of(name) > 0 and name or nil
  end
  return list
end

--- The cases of a wire, by their names; `list.NAME` is one of them.
function fixtures.cases(wire)
  local list, by_name = {}, {}
  for _, path in ipairs(files_of(wire)) do
    local file = dofile(path)
    for _, row in ipairs(file) do
      local case = read_case(wire, file, row)
      assert(not by_name[case.name], case.name)
      by_name[case.name] = case
      list[#list + 1] = case
    end
  end
  table.sort(list, function(one, other) return one.name < other.name end)
  return setmetatable(list, { __index = by_name })
end

return fixtures
