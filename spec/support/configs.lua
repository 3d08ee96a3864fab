--- The text of a gateway.lua -> checked as the program checks it, without a file and without the environment.
-- SPDX-License-Identifier: MIT
local config = require "gateway.config"
local runtime = require "gateway.runtime"

local configs = {}

--- -> checked, or nil and the complaint. `variables`: the environment; `files`: name -> text of what lies beside it; `fetched`: URL -> text.
function configs.check(text, variables, files, fetched)
  local values = variables or {}
  local function read(name, default)
    return values[name] or default
  end
  local raw = assert(load(text, "@gateway.lua", "t", { env = read }))()
  local function read_file(name)
    local found = files and files[name]
    return found, not found and name .. ": No such file or directory" or nil
  end
  return config.check(raw, { file = "gateway.lua", text = text, env = read, read = read_file, vendors = runtime.config.vendors(),
    fetched = function(from) return fetched and fetched[from] end })
end

function configs.build(text, variables)
  return assert(runtime.config.build(assert(configs.check(text, variables)), "gateway.lua"))
end

--- What is said of a config that is wrong.
function configs.complaint(text, variables, files, fetched)
  local checked, message = configs.check(text, variables, files, fetched)
  assert(checked == nil, "the config was taken")
  return message
end

return configs
