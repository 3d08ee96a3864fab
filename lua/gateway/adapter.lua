--- Loads an adapter: a file of Lua that translates between its provider's wire and OpenAI's chat completions.
--
-- It is compiled in the sandbox of policies and runs within their budgets; all it may require is gateway.json. Whatever is wrong with it is
-- one line: "examples/providers/house.lua:12: …".
-- SPDX-License-Identifier: MIT

local runtime = require "gateway.runtime"
local frozen = require "gateway.frozen"

local adapter = {}

local FIELDS = { path = true, stream = true, auth = true, encode = true, decode = true, decode_event = true, failure = true }
local FUNCTIONS = { encode = true, decode = true, decode_event = true, failure = false } -- whether it must be there
local NAMES = "path, stream, auth, encode, decode, decode_event, failure"

--- What an adapter's file sees: the sandbox, and a `require` of its own.
local function environment()
  local value = runtime.value
  local json = frozen.copy({ decode = value.decode, encode = value.encode, array = value.array, null = value.null }, "gateway.json")
  local names = setmetatable({
    require = function(name)
      if name ~= "gateway.json" then
        error(("'%s' cannot be required: adapters have gateway.json"):format(tostring(name):sub(1, 60)), 2)
      end
      return json
    end,
  }, { __index = runtime.sandbox.environment() })
  return setmetatable({}, {
    __index = names,
    __newindex = function(_, key)
      error(("'%s' is not declared: adapters have no globals, write local %s"):format(tostring(key), tostring(key)), 2)
    end,
    __metatable = false,
  })
end

local function run_file(chunk)
  return chunk()
end

local function expected(file, field, what, value)
  local shown = type(value) == "string" and ("%q"):format(value:sub(1, 40)) or value == nil and "nothing" or "a " .. type(value)
  return nil, ("%s: %s: expected %s, got %s"):format(file, field, what, shown)
end

--- A path behind the provider's base_url, as it goes into a request line.
local function is_path(value)
  return type(value) == "string" and #value <= 1024 and value:find "^/[^%c %z\127-\255#]*$" ~= nil
end

local function check_path(file, value)
  if is_path(value) then
    return { chat = value, stream = value }
  elseif type(value) ~= "table" then
    return expected(file, "path", 'a path such as "/generate", or { chat = …, stream = … }', value)
  end
  for key in next, value do
    if key ~= "chat" and key ~= "stream" then
      return nil, ("%s: path: expected chat and stream, found the key %s"):format(file, tostring(key):sub(1, 40))
    end
  end
  for _, key in ipairs { "chat", "stream" } do
    if not is_path(value[key]) then
      return expected(file, "path." .. key, 'a path such as "/generate"', value[key])
    end
  end
  return { chat = value.chat, stream = value.stream }
end

local function check(file, module)
  if type(module) ~= "table" then
    return nil, ("%s: expected a table to be returned, got %s"):format(file, type(module))
  elseif getmetatable(module) ~= nil then
    return nil, file .. ": expected a plain table to be returned, got one with a metatable"
  end
  for key in next, module do
    if not FIELDS[key] then
      return nil, ("%s: '%s' is none of %s"):format(file, tostring(key):sub(1, 60), NAMES)
    end
  end
  for name, required in pairs(FUNCTIONS) do
    if type(module[name]) ~= "function" and (required or module[name] ~= nil) then
      return expected(file, name, "a function", module[name])
    end
  end
  if module.stream ~= "sse" and module.stream ~= "ndjson" then
    return expected(file, "stream", '"sse" or "ndjson"', module.stream)
  elseif module.auth ~= nil and not (type(module.auth) == "string" and #module.auth <= 64 and module.auth:find "^[%w-]+$") then
    return expected(file, "auth", 'the name of a header such as "X-Api-Key"', module.auth)
  end
  local path, message = check_path(file, module.path)
  if not path then
    return nil, message
  end
  return {
    file = file, path = path, stream = module.stream, auth = module.auth or "", encode = module.encode, decode = module.decode,
    decode_event = module.decode_event, failure = module.failure,
  }
end

--- Loads the adapter of which this is the text -> its fields, `path` as { chat, stream } and `auth` "" where it says nothing; or nil and
--- what is wrong.
--
-- options: file (its name in messages), text.
function adapter.load(options)
  local chunk, message = runtime.sandbox.compile(options.text, options.file)
  if not chunk then
    return nil, message
  end
  debug.setupvalue(chunk, 1, environment())
  local limits = runtime.call.limits
  local ok, module, why = runtime.call.run(run_file, limits.load_instructions, limits.load_memory, 1, chunk)
  if not ok then
    return nil, why:find(options.file, 1, true) and why or ("%s: %s"):format(options.file, why)
  end
  return check(options.file, module)
end

return adapter
