-- Asked for by the million, and busted looks a global up in all its contexts.
local assert, error, ipairs, math, pairs, pcall, rawget, select, string, table, tostring, type, utf8 =
  assert, error, ipairs, math, pairs, pcall, rawget, select, string, table, tostring, type, utf8

local runtime = require "gateway.runtime"
local call, sandbox = runtime.call, runtime.sandbox

local INSTRUCTIONS, MEMORY = call.limits.call_instructions, call.limits.call_memory

--- Runs a text as a policy's function would run -> true, results | false, kind, message | nil, message (does not compile).
local function run(text, ...)
  local _, chunk, message = call.run(sandbox.compile, call.limits.load_instructions, call.limits.load_memory, 2, text, "policies/attack.lua")
  if type(chunk) ~= "function" then
    return nil, message
  end
  return call.run(chunk, INSTRUCTIONS, MEMORY, 3, ...)
end

--- Nothing that an attack did may be left: the host's libraries, its strings, its globals, and the next call.
local function assert_clean()
  assert.equal("XX", ("x"):rep(2):upper())
  assert.equal("function", type(string.dump))
  assert.is_nil(rawget(_G, "leaked"))
  local ok, sum, text, kind = run "return 1 + 1, ('x'):upper(), type(string.find)"
  assert.is_true(ok)
  assert.same({ 2, "X", "function" }, { sum, text, kind })
end

-- What every attack ends in. A list of kinds: which one comes first may depend on what else is in memory.
local LOOP, HOG = { policy_timeout = true }, { policy_memory = true }
local EITHER = { policy_memory = true, policy_timeout = true }
local ERROR = { policy_error = true }
local ANY = { policy_error = true, policy_memory = true, policy_timeout = true }

local ATTACKS = {
  -- L01, L02: loops, and what catches errors around them
  { "plain loop", "while true do end", LOOP },
  { "repeat loop", "repeat until false", LOOP },
  { "numeric loop", "for i = 1, math.maxinteger do end", LOOP },
  { "goto loop", "::top:: goto top", LOOP },
  { "infinite recursion by tail calls", "local function f() return f() end f()", LOOP },
  { "infinite recursion", "local function f() return 1 + f() end f()", ANY },
  { "pcall around a loop", "pcall(function() while true do end end) return 1", LOOP },
  { "pcall in a loop", "while true do pcall(function() while true do end end) end", LOOP },
  { "nested pcall", "local function f() pcall(f) while true do end end f()", ANY },
  { "pcall that calls itself at the tail", "local function f() return pcall(f) end while true do f() end", EITHER },
  { "pcall of pcall", "while true do pcall(pcall, pcall, function() while true do end end) end", LOOP },
  { "pcall around error", "while true do pcall(error, 'x') end", EITHER },
  -- L03: xpcall
  { "xpcall with a looping handler", "xpcall(error, function() while true do end end)", ERROR },
  { "xpcall inside a comparator", "table.sort({ 3, 2, 1 }, function() xpcall(error, function() while true do end end) end)", ERROR },
  -- L04: loops where the machine calls back
  { "comparator of sort", "table.sort({ 3, 2, 1 }, function() while true do end end)", LOOP },
  { "pcall inside a comparator", "table.sort({ 3, 2, 1 }, function() while true do pcall(function() while true do end end) end end)", LOOP },
  { "callback of gsub", "('x'):gsub('x', function() while true do end end)", LOOP },
  { "pcall in a callback of gsub", "while true do pcall(string.gsub, 'x', 'x', function() while true do end end) end", LOOP },
  { "table of gsub", "('x'):gsub('x', setmetatable({}, { __index = function() while true do end end }))", LOOP },
  { "__index", "return setmetatable({}, { __index = function() while true do end end }).x", LOOP },
  { "__newindex", "setmetatable({}, { __newindex = function() while true do end end }).x = 1", LOOP },
  { "__lt", "local m = { __lt = function() while true do end end } return setmetatable({}, m) < setmetatable({}, m)", LOOP },
  { "__lt in sort", "local m = { __lt = function() while true do end end } table.sort { setmetatable({}, m), setmetatable({}, m) }", LOOP },
  { "__eq", "local m = { __eq = function() while true do end end } return setmetatable({}, m) == setmetatable({}, m)", LOOP },
  { "__concat", "return setmetatable({}, { __concat = function() while true do end end }) .. 'x'", LOOP },
  { "__call", "setmetatable({}, { __call = function() while true do end end })()", LOOP },
  { "__len", "return #setmetatable({}, { __len = function() while true do end end })", LOOP },
  { "__len in unpack", "return table.unpack(setmetatable({}, { __len = function() while true do end end }))", LOOP },
  { "__tostring", "return tostring(setmetatable({}, { __tostring = function() while true do end end }))", LOOP },
  { "__tostring in format", "return ('%s'):format(setmetatable({}, { __tostring = function() while true do end end }))", LOOP },
  { "__pairs", "for _ in pairs(setmetatable({}, { __pairs = function() while true do end end })) do end", LOOP },
  { "chain of __index", "local t = {} for _ = 1, 3000 do t = setmetatable({}, { __index = t }) end return t.x", ERROR },
  { "__gc", "setmetatable({}, { __gc = function() while true do end end })", ERROR },
  { "__close", "local x <close> = setmetatable({}, { __close = function() while true do end end })", ERROR },
  { "__close set afterwards", [[local m = {} local x <close> = nil local t = setmetatable({}, m)
     m.__close = function() while true do pcall(function() while true do end end) end end
     do local y <close> = t end]], LOOP },
  { "__close after the end", [[local m = {} local t = setmetatable({}, m)
     m.__close = function() while true do pcall(function() while true do end end) end end
     local y <close> = t while true do end]], LOOP },
  { "__metatable", "setmetatable({}, { __metatable = 1 })", ERROR },
  { "__mode", "setmetatable({}, { __mode = 'k' })", ERROR },
  { "coroutine", "coroutine.wrap(function() while true do end end)()", ERROR },
  -- L05: memory
  { "rep", "return ('x'):rep(1 << 30)", ERROR },
  { "rep with a separator", "return ('x'):rep(1 << 20, ('y'):rep(1 << 19))", ERROR },
  { "doubling", "local s = 'x' while true do s = s .. s end", HOG },
  { "doubling in pcall", "local s = 'x' while true do pcall(function() while true do s = s .. s end end) end", EITHER },
  { "table fill", "local t = {} for i = 1, 1e9 do t[i] = i end", HOG },
  { "table of tables", "local t = {} while true do t = { t } end", HOG },
  { "hash fill", "local t = {} for i = 1, 1e9 do t['k' .. i] = true end", HOG },
  { "closures", "local t = {} while true do t[#t + 1] = function() return t end end", HOG },
  { "growth by gsub", "local s = ('x'):rep(1000) while true do s = s:gsub('x', 'xx') end", ANY },
  { "growth by concat", "local t = { ('x'):rep(1000) } while true do t[#t + 1] = table.concat(t) end", ANY },
  { "format of two megabytes", "return ('%q'):format(('\\0'):rep(1 << 20)) .. 'x'", ANY },
  { "format many times over", "local s = ('x'):rep(1 << 18) return ('%s%s%s%s%s%s%s%s'):format(s, s, s, s, s, s, s, s)", ERROR },
  { "varargs", "local function f(...) return f(1, 2, 3, 4, 5, 6, 7, 8, ...) end f()", ANY },
  { "held over pcall", "local t = {} while true do pcall(function() while true do t[#t + 1] = ('x'):rep(1000) end end) end", EITHER },
  -- L06: C functions with huge ranges and lying lengths
  { "rep of nothing", "return #('').rep('', 1 << 40)", nil },
  { "move of a huge range", "table.move({}, 1, 1 << 40, 2)", ANY },
  { "move in steps", "while true do table.move({}, 1, 1e6, 2) end", LOOP },
  { "insert with a lying length", "table.insert(setmetatable({}, { __len = function() return 1 << 40 end }), 1, 1)", ERROR },
  { "remove with a lying length", "table.remove(setmetatable({}, { __len = function() return 1 << 40 end }), 1)", ERROR },
  { "concat with a lying length", "table.concat(setmetatable({}, { __len = function() return 1 << 40 end, __index = function() return '' end }))", LOOP },
  { "concat of a huge range", "table.concat(setmetatable({}, { __index = function() return '' end }), '', 1, math.maxinteger)", LOOP },
  { "unpack with a lying length", "return table.unpack(setmetatable({}, { __len = function() return 1 << 40 end }))", ERROR },
  { "unpack of a huge range", "return table.unpack({}, math.mininteger, math.maxinteger)", ERROR },
  { "sort with a lying length", "table.sort(setmetatable({}, { __len = function() return 1 << 40 end }))", ERROR },
  { "byte of everything", "return ('x'):rep(1e5):byte(1, -1)", ERROR },
  -- L07: patterns
  { "nested stars", "return ('a'):rep(30):find(('a*'):rep(20) .. 'b')", LOOP },
  { "many lazy runs", "return ('a'):rep(2000):find(('.-'):rep(12) .. 'b')", LOOP },
  { "three lazy runs", "return ('x'):rep(30000):find('.-.-.-y')", LOOP },
  { "gmatch", "for _ in ('a'):rep(30000):gmatch('a-a-b') do end", LOOP },
  { "lazy run over 100 KB", "return ('a'):rep(100000):find('.-b')", LOOP },
  { "anchored lazy runs", "return ('a'):rep(5000):match('^.-.-.-$x')", LOOP },
  { "gsub", "return ('a'):rep(50000):gsub('a*b', '')", LOOP },
  { "patterns in pcall", "while true do pcall(string.find, ('a'):rep(1000), ('a*'):rep(20) .. 'b') end", LOOP },
  { "frontiers", "return ('a '):rep(50000):find(('%f[%a].-'):rep(8) .. 'z')", LOOP },
  { "balance", "return ('('):rep(50000):find('%b()')", LOOP },
  { "back references", "return ('a'):rep(5000):find('(.-)(.-)%1%2b')", LOOP },
  { "plain find in plain find", "local s, p = ('a'):rep(3e5), ('a'):rep(1.5e5) .. 'b' while true do s:find(p, 1, true) end", LOOP },
  -- L08: sort
  { "sort of all that fits, again and again", "local t = {} for i = 1, 3e4 do t[i] = -i end while true do table.sort(t) end", LOOP },
  { "comparator that contradicts itself", "local t = {} for i = 1, 500 do t[i] = i % 7 end table.sort(t, function() return true end)", ANY },
  -- L09: poison
  { "string metatable", "getmetatable('').__index.upper = nil", ERROR },
  { "string library", "string.upper = nil", ERROR },
  { "string library through a string", "local s = ('').format s.x = 1", ERROR },
  { "rawset", "rawset(string, 'upper', nil)", ERROR },
  { "insert into a library", "table.insert(string, 1)", ERROR },
  { "move into a library", "table.move({ 1 }, 1, 1, 1, math)", ERROR },
  { "sort of a library", "table.sort(string)", ERROR },
  { "setmetatable of a library", "setmetatable(string, {})", ERROR },
  { "global", "leaked = true", ERROR },
  { "global through _ENV", "_ENV.leaked = true", ERROR },
  { "metatable of _ENV", "setmetatable(_ENV, nil)", ERROR },
  { "_G", "_G.leaked = true", ERROR },
  -- L10: code
  { "load", "load('return 1')()", ERROR },
  { "dump", "return string.dump(function() end)", ERROR },
  { "dump through a string", "return ('').dump(function() end)", ERROR },
  { "pointers", "return ('%p'):format({})", ERROR },
  -- L11: the system
  { "os", "os.exit(1)", ERROR },
  { "io", "io.popen('true')", ERROR },
  { "debug", "debug.sethook()", ERROR },
  { "package", "return package.loaded._G", ERROR },
  { "require", "require 'os'", ERROR },
  { "dofile", "dofile '/etc/passwd'", ERROR },
  { "collectgarbage", "collectgarbage 'stop'", ERROR },
  { "print", "print 'x'", ERROR },
  { "random", "return math.random()", ERROR },
  -- L12: errors
  { "error of a string", "error 'x'", ERROR },
  { "error of nil", "error(nil)", ERROR },
  { "error of a table", "error {}", ERROR },
  { "error with a looping __tostring", "error(setmetatable({}, { __tostring = function() while true do end end }))", ERROR },
  { "error of 500 KB", "error(('x'):rep(500000))", ANY },
  { "error in an error", "error(setmetatable({}, { __tostring = function() error 'y' end }))", ERROR },
  { "assert of a table", "assert(false, {})", ERROR },
}

describe("the sandbox", function()
  for _, attack in ipairs(ATTACKS) do
    local name, text, expected = attack[1], attack[2], attack[3]
    it("contains: " .. name, function()
      local ok, kind, message = run(text)
      if expected then
        assert.is_false(ok, tostring(kind))
        assert.is_true(expected[kind], ("%s: %s"):format(kind, message))
        assert.is_true(#message <= 200)
      else
        assert.is_true(ok, message)
      end
      assert_clean()
    end)
  end

  it("names the file and the line where a policy was stopped", function()
    local _, _, message = run "local x = 1\nwhile true do\n  x = x + 1\nend"
    assert.truthy(message:find("^policies/attack.lua:[23]: stopped after 1000000 instructions$"), message)
    _, _, message = run "\n\nlocal t = {}\nwhile true do t[#t + 1] = ('x'):rep(1000) end"
    assert.equal("policies/attack.lua:4: more than 1024 KB of memory", message)
    _, _, message = run "\nerror {}"
    assert.equal("policies/attack.lua:2: error value is a table", message)
  end)

  it("stops by the CPU clock what hides its time within instructions", function()
    for what, text in pairs {
      ["equal texts"] = "local a, b = ('a'):rep(2.5e5), ('a'):rep(2.5e5) while true do local _ = a == b end",
      ["zero bytes"] = "local a, b = ('\\0'):rep(2e5), ('\\0'):rep(2e5) while true do local _ = a < b end",
      ["texts as numbers"] = "local s = ('0'):rep(4e5) while true do pcall(function() while true do local _ = s + 0 end end) end",
      ["varargs"] = [[local list = {} for i = 1, 4000 do list[i] = i end
        local function none() end
        local function many(...) while true do none(...) end end
        many(table.unpack(list))]],
    } do
      local ok, kind, message = run(text)
      assert.same({ false, "policy_timeout" }, { ok, kind }, what)
      if not os.getenv "LD_PRELOAD" then -- a sanitizer's: the clock has ten times as much there, and the instructions may come first
        assert.matches("^policies/attack.lua:%d: stopped after %d+ ms of CPU time$", message, nil, what)
      end
      assert_clean()
    end
  end)

  it("stops what makes long texts of numbers, by the clock or by the memory they take, whichever is first", function()
    local ok, kind = run "while true do local _ = ('%99.99f%99.99f%99.99f%99.99f'):format(1e308, 1e308, 1e308, 1e308) end"
    assert.is_true(not ok and (kind == "policy_timeout" or kind == "policy_memory"), kind)
    assert_clean()
  end)

  it("gives a text no more room than a call has, at load too", function()
    local chunk = sandbox.compile("local s = ('x'):rep(1e6) s = s .. s return #s", "policies/attack.lua")
    local _, kind, message = call.run(chunk, call.limits.load_instructions, call.limits.load_memory, 1)
    assert.same({ "policy_memory", "policies/attack.lua:1: a text of more than 1920 KB" }, { kind, message })
    assert_clean()
  end)

  it("charges by what they take: names that are drawn, facts that are read, values that are written", function()
    local many = "local lib, list, name = ..., {}, ('x'):rep(3e5) for i = 1, 4000 do list[i] = { name = name } end "
    for text, expected in pairs {
      [many .. "return lib.order.rendezvous(list, 'x')"] = "stopped after 1000000 instructions",
      [many .. "return lib.order.by(list, name)"] = "the name of a fact has at most 64 bytes",
      [many .. "return lib.order.least_of_two(list, name, 0.5)"] = "the name of a fact has at most 64 bytes",
      ["local lib, t = ..., {} for _ = 1, 60 do t = { t, t } end return lib.value.encode(t)"] = "stopped after 1000000 instructions",
    } do
      local ok, _, message = run(text, runtime)
      assert.is_false(ok)
      assert.matches("^policies/attack.lua:1: .*" .. expected, message)
    end
  end)

  it("stops the same call at the same place every time", function()
    local seen = {}
    for _ = 1, 5 do
      local steps = 0
      call.run(function()
        while true do
          steps = steps + 1
        end
      end, 50000, MEMORY, 0)
      seen[#seen + 1] = steps
    end
    assert.same({ seen[1], seen[1], seen[1], seen[1], seen[1] }, seen)
    assert.is_true(seen[1] > 10000 and seen[1] < 50000)
  end)

  it("cuts a long message between two characters", function()
    local _, _, message = run "error(('é'):rep(300), 0)"
    assert.is_true(#message > 190 and #message <= 200)
    assert.truthy(utf8.len(message))
    _, _, message = run "error('x' .. ('é'):rep(300), 0)"
    assert.truthy(utf8.len(message))
  end)

  it("never leaks memory or globals over many calls (L16)", function()
    local chunk = sandbox.compile("local ok = pcall(function() X = 1 end) return ok, X", "policies/attack.lua")
    collectgarbage()
    local before = collectgarbage "count"
    for _ = 1, 20000 do
      local _, ok, x = call.run(chunk, INSTRUCTIONS, MEMORY, 2)
      assert(ok == false and x == nil)
    end
    collectgarbage()
    assert.is_true(collectgarbage "count" - before < 64)
  end)

  it("frees what stopped calls held", function()
    run "local t = {} while true do t[#t + 1] = t end"
    collectgarbage()
    local before = collectgarbage "count"
    for _ = 1, 20 do
      run "local t = {} while true do t[#t + 1] = t end"
    end
    collectgarbage()
    assert.is_true(collectgarbage "count" - before < 64)
  end)

  it("calls no policy while too much is kept from call to call, and does again when that is gone", function()
    local kept = {}
    local keep = sandbox.compile("local kept, x = ..., ('x'):rep(100000) for _ = 1, 6 do kept[#kept + 1] = x .. #kept end", "policies/attack.lua")
    local ok, calls, kind, message = true, 0
    while ok and calls < 1000 do
      ok, kind, message = call.run(keep, INSTRUCTIONS, MEMORY, 0, kept)
      calls = calls + 1
    end
    assert.same({ "policy_memory", "more than 128 MB kept by this worker" }, { kind, message })
    assert.is_true(calls > 10)
    assert.is_falsy((run "return 1"))
    while #kept > 0 do
      table.remove(kept)
    end
    for _ = 1, 200 do -- the collector is asked now and then
      ok = ok or run "return 1"
    end
    assert.is_true(ok)
    assert_clean()
  end)

  it("counts what is only left over to no one", function()
    for _ = 1, 400 do
      assert.is_true((run "local s = ('x'):rep(100000) for i = 1, 4 do local _ = s .. i end"))
    end
  end)

  it("goes on when the errors of a policy are its own affair", function()
    assert.is_true(select(2, run "local ok = pcall(error, 'x') return not ok"))
    local ok, first, second = run "local t = { 3, 1, 2 } table.sort(t) return table.concat(t, ','), select('#', table.unpack(t))"
    assert.same({ true, "1,2,3", 3 }, { ok, first, second })
  end)

  it("takes text only, and not too much of it (L10)", function()
    assert.is_nil((run(string.dump(function() end))))
    assert.is_nil((run("return 1 --" .. ("x"):rep(1 << 20))))
    local ok, message = run(("("):rep(1e5))
    assert.is_nil(ok)
    assert.truthy(message:find("policies/attack.lua:", 1, true))
    assert.is_nil((run("return 1" .. ("+1"):rep(6e5))))
    assert.is_nil((run("return " .. ("{"):rep(5e4))))
    for seed = 1, 200 do -- mutated bytecode does not come as far as the reader
      local code = string.dump(assert(load "local a = ... return a + 1"))
      local at = seed % #code + 1
      assert.is_nil((run(code:sub(1, at - 1) .. string.char(seed) .. code:sub(at + 1))))
    end
    assert_clean()
  end)

  it("shows nothing but the allow-list (L11, L23)", function()
    local reached, seen = {}, {}
    local function walk(value, path, depth)
      if type(value) ~= "table" and type(value) ~= "function" or seen[value] or depth > 6 then
        return
      end
      seen[value] = true
      reached[path] = type(value)
      for _, name in ipairs { "string", "table", "math", "_G", "io", "os", "debug", "package", "load", "rawset", "rawget", "getmetatable",
        "coroutine", "utf8", "print", "xpcall", "collectgarbage", "random", "dump", "pack", "__index", "__metatable" } do
        local ok, inner = pcall(function() return value[name] end)
        if ok then
          walk(inner, path .. "." .. name, depth + 1)
        end
      end
    end
    walk(sandbox.environment(), "_ENV", 1)
    assert.same({ ["_ENV"] = "table", ["_ENV.string"] = "table", ["_ENV.table"] = "table", ["_ENV.math"] = "table",
      ["_ENV.table.pack"] = "function" }, reached)
  end)

  it("prints no addresses", function()
    local _, a, b, c = run "return tostring({}), tostring(print or pairs), ('%s|%10s'):format({}, pairs)"
    assert.same({ "table", "function", "table|  function" }, { a, b, c })
  end)

  it("keeps the budget of the caller when a call is made inside a call", function()
    local inner = sandbox.compile("while true do end", "policies/inner.lua")
    local ok, result, kind = call.run(function()
      local fine, why = call.run(inner, 1000, MEMORY, 0)
      return fine, why
    end, INSTRUCTIONS, MEMORY, 2)
    assert.same({ true, false, "policy_timeout" }, { ok, result, kind })
    assert_clean()
  end)

  it("keeps the thread of an inner call when the outer one is stopped", function()
    for _ = 1, 10 do
      local ok = call.run(function()
        assert(call.run(function() return 1 end, 1000, MEMORY, 1))
        error "outer"
      end, INSTRUCTIONS, MEMORY, 0)
      assert.is_false(ok)
      collectgarbage()
      assert_clean()
    end
  end)

  it("refuses to wait", function()
    local ok, kind, message = call.run(coroutine.yield, INSTRUCTIONS, MEMORY, 0)
    assert.same({ false, "policy_error", "a policy may not wait" }, { ok, kind, message })
    assert_clean()
  end)

  it("pads and cuts results to what was asked for", function()
    assert.same({ true, 1, n = 4 }, table.pack(call.run(function() return 1 end, 1000, MEMORY, 3)))
    assert.same({ true, 1, n = 2 }, table.pack(call.run(function() return 1, 2, 3 end, 1000, MEMORY, 1)))
    assert.same({ true, n = 1 }, table.pack(call.run(function() return 1 end, 1000, MEMORY, 0)))
    assert.same({ true, 3, n = 2 }, table.pack(call.run(select, 1000, MEMORY, 1, "#", nil, nil, nil)))
  end)
end)

describe("the library of policies", function()
  local env = sandbox.environment()

  --- The same packed values, number by number and text by text.
  local function alike(theirs, ours)
    for i = 1, theirs.n do
      if theirs[i] ~= ours[i] or math.type(theirs[i]) ~= math.type(ours[i]) then
        return false
      end
    end
    return theirs.n == ours.n
  end

  --- Both libraries must say the same, errors apart.
  local function same(name, ...)
    local theirs, ours = table.pack(pcall(string[name], ...)), table.pack(pcall(env.string[name], ...))
    if theirs[1] ~= ours[1] then
      assert.equal(theirs[1], ours[1], ("%s: %s"):format(name, tostring(ours[2])))
    elseif theirs[1] and not alike(theirs, ours) then
      assert.same(theirs, ours)
      error("the values are of other types")
    end
  end

  local SUBJECTS = { "", "a", "aaa", "hello world", "key = value", "  trim  ", "a,b,,c", "x=1, y=22", "(a(b)c)d", "THE (quick) fox", "a\0b", "[]]", "a.b-c",
    "2024-01-02", "aXbXc", "%d", "äöü" }
  local PATTERNS = { "", "a", "a*", "a+", "a-", "a?", ".", ".-", "%a+", "%s*", "^a", "a$", "^$", "(a)(b)", "()", "(%w+)=(%w+)", "(%w+)%s*=%s*(%w+)",
    "[abc]", "[^abc]+", "[a-c]+", "[%a_][%w_]*", "[]]", "[^]]", "[%]]", "[a-]", "%b()", "%f[%w]%w+", "(.)%1", "((a)(b))", "%d+-%d+", "[%s%p]",
    "^%s*(.-)%s*$", "%%", "\0", "x*", "()a()", "%u%l*", "[^%s]", "$", "^", "a^", "a$b", "(a*(.)%w(%s*))", "[\1-\255]", "%x+", "%g+", "%c", "%S+",
    "[", "[a", "%", "(", ")", "(()", "%b", "%bx", "%f", "%1", "(a%1)", "[%", "%f[a", "[%a-z]", "[a-%%]" }

  it("finds, matches and iterates as Lua does", function()
    for _, subject in ipairs(SUBJECTS) do
      for _, pattern in ipairs(PATTERNS) do
        for _, init in ipairs { 1, 2, -1, 100, -100, 0 } do
          -- Lua notices what is wrong with a pattern only where it gets that far
          local ours = table.pack(pcall(env.string.find, subject, pattern, init))
          local theirs = table.pack(pcall(string.find, subject, pattern, init))
          if theirs[1] and ours[1] then
            if not alike(theirs, ours) then
              assert.same(theirs, ours, ("find %q %q %d"):format(subject, pattern, init))
              error("the values are of other types")
            end
            same("match", subject, pattern, init)
          elseif ours[1] then
            assert.is_false(ours[1], ("%q %q %d: %s"):format(subject, pattern, init, tostring(theirs[2])))
          end
        end
      end
    end
  end)

  it("iterates and replaces as Lua does", function()
    local compared = 0
    for _, subject in ipairs(SUBJECTS) do
      for _, pattern in ipairs(PATTERNS) do
        if pcall(env.string.find, subject, pattern) and pcall(string.gsub, subject, pattern, "<%0>") then
          compared = compared + 1
          same("gsub", subject, pattern, "<%0>")
          same("gsub", subject, pattern, "%1%%", 2)
          same("gsub", subject, pattern, { a = "A", b = false, x = 7 })
          same("gsub", subject, pattern, function(a, b) return b or (a and "<" .. a .. ">") end)
          local theirs, ours = {}, {}
          for a, b in string.gmatch(subject, pattern) do theirs[#theirs + 1] = tostring(a) .. ":" .. tostring(b) end
          for a, b in env.string.gmatch(subject, pattern) do ours[#ours + 1] = tostring(a) .. ":" .. tostring(b) end
          if table.concat(theirs, "\0") ~= table.concat(ours, "\0") or #theirs ~= #ours then
            assert.same(theirs, ours, ("gmatch %q %q"):format(subject, pattern))
          end
        end
      end
    end
    assert.is_true(compared > 500)
  end)

  it("does the rest as Lua does", function()
    for _, subject in ipairs(SUBJECTS) do
      for i = -4, 4 do
        for j = -4, 4 do
          same("sub", subject, i, j)
          same("byte", subject, i, j)
        end
        same("byte", subject, i)
        same("rep", subject, i)
        same("rep", subject, i, ", ")
        same("find", subject, "a", i, true)
      end
      same("upper", subject)
      same("lower", subject)
      same("reverse", subject)
      same("len", subject)
      same("format", "%s|%5.1f|%d|%q|%-5s|%%", subject, 1.25, 3, subject, "x")
    end
    same("gsub", "abc", "b", "%2")
    same("gsub", "abc", "b", "%")
    same("gsub", "abc", "b", "%x")
    same("gsub", "abc", "b", true)
    same("gsub", "abc", "b", function() return {} end)
    same("gsub", "a1", "%d", 7)
    same("format", "%d", "x")
    same("find", nil, "x")
    same("char", 72, 105)
  end)

  it("does with tables as Lua does", function()
    local function both(name, ...)
      local theirs, ours = {}, {}
      for i, list in ipairs { theirs, ours } do
        for _, value in ipairs { "c", "a", "b" } do
          list[#list + 1] = value
        end
        local library = i == 1 and table or env.table
        list.result = table.pack(pcall(library[name], list, ...))
        if not list.result[1] then
          list.result = "error"
        else
          list.result[2] = list.result[2] ~= list and list.result[2] or "itself"
        end
      end
      assert.same(theirs, ours, name)
    end
    both("insert", "d")
    for at = -1, 5 do
      both("insert", at, "d")
      both("remove", at)
      both("unpack", at)
      both("concat", "+", at > 0 and at or 1)
    end
    both "insert"
    both("insert", 1, 2, 3)
    both "remove"
    both "sort"
    both("sort", function(a, b) return a > b end)
    both("move", 1, 3, 2)
    both("concat", ", ", 2, 3)
    assert.same({ 1, nil, 3, n = 3 }, env.table.pack(1, nil, 3))
    local empty = {}
    assert.is_nil(env.table.remove(empty))
    assert.same({}, empty)
    assert.has_error(function() env.table.concat { {} } end)
  end)

  it("has arithmetic on strings and the whole of math but chance", function()
    assert.equal(11, select(2, run "return '10' + 1"))
    for name in pairs(math) do
      if name ~= "random" and name ~= "randomseed" then
        assert.equal(math[name], env.math[name], name)
      end
    end
    assert.is_nil(env.math.random)
  end)
end)
