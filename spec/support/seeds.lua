--- The bodies of all fixtures as files, for the fuzzers to begin with: lua5.4 spec/support/seeds.lua FOLDER, at the project's root.
-- SPDX-License-Identifier: MIT
package.path = "spec/?.lua;" .. package.path
local fixtures = require "support.fixtures"
local lfs = require "lfs"

local FIELDS = { "asks", "sent", "answer", "stream", "gets", "events" }

local folder = arg[1]
lfs.mkdir(folder)
for _, wire in ipairs(fixtures.wires()) do
  for _, case in ipairs(fixtures.cases(wire)) do
    for _, field in ipairs(FIELDS) do
      if case[field] then
        local file <close> = assert(io.open(("%s/%s.%s.%s"):format(folder, wire, case.name, field), "wb"))
        file:write(case[field])
      end
    end
  end
end
