-- What `make lint` holds Lua to.
std = "lua54"
max_line_length = 140
cache = false
self = false

files["spec/"] = { std = "+busted", max_line_length = 160 }
files["spec/fixtures/"] = { max_line_length = false } -- streams as they came

-- A policy sees what the sandbox gives it and nothing else, so a forgotten `local` or an `os.execute` is found here and not in production.
local safe_string = { "byte", "char", "find", "format", "gmatch", "gsub", "len", "lower", "match", "rep", "reverse", "sub", "upper" }
local safe_table = { "concat", "insert", "move", "pack", "remove", "sort", "unpack" }
local safe_math = { "abs", "acos", "asin", "atan", "ceil", "cos", "deg", "exp", "floor", "fmod", "huge", "log", "max", "maxinteger", "min",
  "mininteger", "modf", "pi", "rad", "sin", "sqrt", "tan", "tointeger", "type", "ult" }

local function fields(names)
  local map = {}
  for _, name in ipairs(names) do
    map[name] = {}
  end
  return { fields = map }
end

local sandbox = {
  "assert", "error", "ipairs", "next", "pairs", "pcall", "require", "select", "setmetatable", "tonumber", "tostring", "type",
  string = fields(safe_string), table = fields(safe_table), math = fields(safe_math),
}
files["policies/"] = { std = "none", read_globals = sandbox, max_line_length = 100 }

-- The config may call env and nothing else of the system.
files["gateway.lua"] = {
  std = "none",
  read_globals = { "env", "ipairs", "next", "pairs", "select", "tonumber", "tostring", "type", "string", "table", "math" },
}
files["examples/"] = files["gateway.lua"]
files["examples/providers/"] = { std = "none", read_globals = sandbox } -- adapters see what policies see
files["spec/sdk/gateway.lua"] = files["gateway.lua"]
