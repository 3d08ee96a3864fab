--- Every line of every policy is reached by the policy's own spec.
--
-- The specs run once more, under a hook that counts lines while a policy runs. A policy runs in a thread of its own with the hook of its
-- budget, so for this one run calls into policies are plain calls.
local lfs = require "lfs"
local runtime = require "gateway.runtime"

local function policies()
  local names = {}
  for file in lfs.dir "policies" do
    names[#names + 1] = file:match "^(.+)%.lua$"
  end
  table.sort(names)
  return names
end

--- Runs a spec file here and now: what it describes is done as it is read.
local function run_spec(path)
  local function now(_, body)
    body()
  end
  local words = setmetatable({ describe = now, it = now }, { __index = _ENV })
  assert(loadfile(path, "t", words))()
end

--- Whether something happens on a line: not where it only closes what others began, or what the
--- compiler does (constants, the first line of a function).
local function does_something(line)
  local code = line:gsub("^%s*%-%-.*$", ""):gsub("%s%-%-.*$", "")
  if code:find "^local [%u_]+ <const>" or code:find "^%s*local function" then
    return false
  end
  return code:gsub("%f[%w]end%f[%W]", ""):gsub("%f[%w]else%f[%W]", ""):gsub("%f[%w]do%f[%W]", ""):find "[^%s%(%){},]" ~= nil
end

--- Runs `body` -> the lines of the file at `path` that were reached.
local function count(path, body)
  local reached, run, source = {}, runtime.call.run, "@" .. path
  local sethook, getinfo, depth = debug.sethook, debug.getinfo, 0
  local function seen(_, line)
    if getinfo(2, "S").source == source then
      reached[line] = true
    end
  end
  local function leave(...)
    depth = depth - 1
    if depth == 0 then
      sethook()
    end
    return ...
  end
  runtime.call.run = function(fn, _, _, _, ...)
    depth = depth + 1
    sethook(seen, "l")
    return leave(pcall(fn, ...))
  end
  local ok, message = pcall(body)
  sethook()
  runtime.call.run = run
  assert(ok, message)
  return reached
end

local function missed_of(name)
  local path, missed, number = ("policies/%s.lua"):format(name), {}, 0
  local reached = count(path, function() run_spec(("spec/policies/%s_spec.lua"):format(name)) end)
  for line in io.lines(path) do
    number = number + 1
    if does_something(line) and not reached[number] then
      missed[#missed + 1] = ("%s:%d: %s"):format(path, number, line)
    end
  end
  return missed
end

describe("the spec of a policy reaches every line of", function()
  for _, name in ipairs(policies()) do
    it(name, function()
      assert.same({}, missed_of(name))
    end)
  end
end)
