-- json_spec.lua -- the JSON reader: what it takes and refuses (after JSONTestSuite), what each call promises, and the texts within strings.
-- SPDX-License-Identifier: MIT
local json = require("gateway.runtime").json

local SYNTAX, DEEP, UTF8, TYPE = "not valid JSON", "nested too deeply", "not valid UTF-8", "a value of another type was expected"

local function shown(text) return (text:gsub("[^\32-\126]", function(byte) return ("\\x%02x"):format(byte:byte()) end)):sub(1, 100) end

local ACCEPT = {
  -- scalars and blanks
  "null", "true", "false", "0", "-0", "1", "-1", "10", "1234567890", "0.5", "-0.5", "0.0", "1.25", "123.456e78", "1e5", "1E5", "1e+5", "1e-5",
  "1E+5", "0e1", "0e+1", "-0e-1", "0E0", "20e1", "1.5E-10", "1e999", "-1e-999", "123456789012345678901234567890", "-123123e100000",
  "0.3333333333333333333333333333333333333333333333", '""', '"a"', '" "', '"asd "', " 1 ", "\t\n\r 1\t\n\r ", " null\n", "\r\n[\r\n]\r\n",
  -- arrays
  "[]", "[ ]", "[\n]", "[[]]", "[1]", "[1,2,3]", "[ 1 , 2 ]", "[null,true,false]", "[1,null,null,null,2]", "[[],[[],[]]]", '[""]', '["a",{}]',
  "[\"\"\n,\t{}\r, [ ] ]", " [1]", "[1] ", "[[] ]", "[false\n,\n4]", "[-0]", "[-123]", "[0e+1]", "[1E-2]", "[123.456789]",
  -- objects
  "{}", "{ }", "{\n}", '{"a":1}', '{"a":1,"b":2}', '{ "a" : 1 , "b" : 2 }', '{"":0}', '{"a":{}}', '{"a":[]}', '{"a":[{"b":[{}]}]}',
  '{"a":"b","a":"c"}', '{"a":"b","a":"b"}', '{"foo\\u0000bar": 42}', '{"a":null}', '{"x":[{"id": "xx"}], "id": "x"}', '{"title":"\\u041f"}',
  '{\n"a": "b"\n}', '{"min": -1.0e+28, "max": 1.0e+28}', '{"a":true,"b":false,"c":null,"d":0,"e":"","f":[],"g":{}}',
  -- strings
  '"\\""', '"\\\\"', '"\\/"', '"\\b\\f\\n\\r\\t"', '"\\u0000"', '"\\u0041"', '"\\uFFFF"', '"\\uabcd\\uABCD"', '"\\ud83d\\ude00"', '"\\\\a"', '"\\\\n"',
  '"\\u0012"', '"\\ud800"', '"\\udc00"', '"\\ud800\\ud800"', '"\\ud800x"', '"\\uDC00\\uD800"', '"/*x*/"', '"\127"', '"a\127b"', '"\\\\u12"', '"\\\\\\""',
  '"caf\xc3\xa9"', '"\xc2\x80"', '"\xdf\xbf"', '"\xe0\xa0\x80"', '"\xe2\x82\xac"', '"\xed\x9f\xbf"', '"\xee\x80\x80"', '"\xef\xbf\xbf"', '"\xef\xbf\xbd"',
  '"\xf0\x90\x80\x80"', '"\xf0\x9f\x98\x80"', '"\xf4\x8f\xbf\xbf"', '"\xe2\x80\xa8\xe2\x80\xa9"', '"\xef\xbb\xbf"', '{"\xe2\x82\xac":1}',
}

local REJECT = {
  -- nothing, words, blanks that are none
  "", " ", "\n", "nul", "nulL", "NULL", "True", "tru", "fals", "n", "t", "f", "nan", "NaN", "Infinity", "-Infinity", "inf", "undefined", "nullx",
  "null null", "truefalse", "1 2", "\f1", "1\f", "\v1", "\xc2\xa01", "1\xc2\xa0", "\xef\xbb\xbf{}", "\xef\xbb\xbf", "1\0", "\0", "[1]\0", "null\0", "*", "&",
  "'a'", "a", "<null>", "//x\n1", "/**/1", "1//x", "1/**/", "#x\n1", "[1]#", "[1]/**/", "\xe2\x81\xa0[]",
  -- numbers
  "-", "+", "+1", "01", "00", "-01", "-00", "012", "1.", "-1.", ".1", "-.1", ".", "1.e1", "1e", "1E", "1e+", "1e-", "1.5e", "1.5e+", "0e", "0e+", "0.e1",
  "1ee5", "1e5.5", "1e1e1", "1.2.3", "--1", "++1", "-+1", "1-", "1+1", "1_000", "1,000", "0x10", "0b1", "1f", "1 000", "-a", "1a", "1.a", "1eE2", "[1e", "[-",
  "[1.", "2.e+3", "[-2.]", "[0.1.2]", "-1x", "0x", "[012]", "[-012]", "[1\xff]", "1\xe5", "\xef\xbc\x91", "[+Inf]", "[-NaN]", "9.e+",
  -- strings
  '"', '"a', '"\\', '"\\"', '"a\\"', '"\\x41"', '"\\a"', '"\\0"', '"\\v"', "\"\\'\"", '"\\ "', '"\\u"', '"\\u1"', '"\\u12"', '"\\u123"', '"\\u123g"',
  '"\\u00G0"',
  '"\\u-123"', '"\\U0041"', '"\\u 041"', '"\\ud83d\\u"', '"\\ud83d\\ude0"', '"a\nb"', '"\t"', '"\r"', '"\0"', '"\31"', '"\\\n"', '"a" "b"', '"a"b', '"a""b"',
  '"\\u{41}"', '"\\\xe2\x82\xac"', '"\\\0"', '"\\u00\0000"', "\"\\u000\"0\"", '\xe2\x80\x9ca\xe2\x80\x9d', '"\\uD800\\x"', '"\\N"', '"\\B"',
  -- arrays
  "[", "]", "[]]", "[[]", "[[[]", "[,]", "[1,]", "[,1]", "[1,,2]", "[1 2]", "[1 true]", "[1;2]", "[1:2]", "[1}", "[}", "[\"a\":1]", "[1,2", "[1,\n", '["a',
  '["a"', '["a",', "[nul]", "[*]", "[...]", "[x]", "[]1", "[][]", "[] []", "[1],", ",[1]", "[1]]", "[\"\": 1]", "[3[4]]", "[\11", "[\f]", "[1,\n1\n,1", "[{}",
  '[{"a":1]', "[1,{]", "[(1)]", "[ , \"\"]", '["x"', "[\"\",]", "[\"x\"]]", "[<null>]", "[true, fals]", "[\"a\xe5\"\"]",
  -- objects
  "{", "}", "{}}", "{{}", "{,}", '{"a"}', '{"a":}', '{"a" 1}', '{"a"::1}', '{"a":1,}', '{,"a":1}', '{"a":1,,"b":2}', '{"a":1 "b":2}', '{"a":1;"b":2}',
  '{a:1}',
  "{'a':1}", "{1:1}", "{null:1}", "{true:1}", "{[]:1}", "{{}:1}", '{"a":1]', '{]', '{"a', '{"a"', '{"a":', '{"a":1', '{"a":1,', '{"a":1,"b"',
  '{"a",1}', '{"a"=1}', '{"a":1}1',
  '{"a":1}}', '{"a":1}{}', '{"a":1},', '{"a":1 2}', '{"a":"b"', '{"a":"b}', '{"a":/**/1}', '{"a":1/*x*/}', '{"a":1}//', '{"a":1}#', "{:1}",
  '{"a":1,"b"}', '{"a": true false}',
  '{"a":"b",,"c":"d"}', '{"a": [1, }', '{"a": tru}', '{"a" : "b" # x\n}', '{"a"\0:1}', '{"a":\0001}', '{"\n":1}', '{"x"::"b"}', '{key: "v"}',
  '{"id":0,,,,,}', '{ "foo" : "bar", "a" }',
}

-- Sequences that RFC 3629 has not: overlong, surrogates, above U+10FFFF, lone and missing continuation bytes.
local BAD_UTF8 = {
  "\x80", "\xbf", "\xc0\x80", "\xc0\xaf", "\xc1\xbf", "\xc2", "\xc2a", "\xc2\xc2", "\xc3\x28", "\xe0\x80\x80", "\xe0\x9f\xbf", "\xe2\x82",
  "\xe2\x28\xa1", "\xe2\x82\x28", "\xe2",
  "\xed\xa0\x80", "\xed\xbf\xbf", "\xf0\x80\x80\x80", "\xf0\x8f\xbf\xbf", "\xf0\x9f\x98", "\xf0\x9f", "\xf0", "\xf0\x28\x8c\xbc", "\xf0\x90\x28\xbc",
  "\xf0\x90\x8c\x28", "\xf4\x90\x80\x80",
  "\xf5\x80\x80\x80", "\xf8\x88\x80\x80\x80", "\xfc\x84\x80\x80\x80\x80", "\xfe", "\xff", "\xe9", "\xe5\x91",
}

describe("json.check", function()
  for _, text in ipairs(ACCEPT) do
    it("takes " .. shown(text), function() assert.same({ true }, { json.check(text) }) end)
  end

  for _, text in ipairs(REJECT) do
    it("refuses " .. shown(text), function()
      local ok, why, offset = json.check(text)
      assert.is_nil(ok)
      assert.is_truthy(why == SYNTAX or why == UTF8)
      assert.is_true(offset >= 0 and offset <= #text)
    end)
  end

  -- Every text again inside an array: what ends a text must also end a value.
  it("takes and refuses the same inside an array and an object", function()
    for _, text in ipairs(ACCEPT) do
      assert.is_true(json.check("[" .. text .. "," .. text .. "]"), text)
      assert.is_true(json.check('{"k":' .. text .. ',"l":' .. text .. "}"), text)
    end
    for _, text in ipairs({ "", "nul", "01", "1.", "-", '"', '"\\x41"', "[1,]", "{,}", '{"a"}', "nullx", "1 2", "[", "{" }) do
      assert.is_nil(json.check("[" .. text .. ",0]"), text)
      assert.is_nil(json.check('{"k":' .. text .. "}"), text)
    end
  end)

  it("refuses every beginning of a document", function()
    local text = '{"a":[1.5e3,"\\u00e9\xc3\xa9",true,false,null,{}],"b":{"c":[]}}'
    assert.is_true(json.check(text))
    for cut = 0, #text - 1 do
      assert.is_nil(json.check(text:sub(1, cut)), text:sub(1, cut))
    end
  end)

  for _, bytes in ipairs(BAD_UTF8) do
    it("refuses the bytes " .. shown(bytes), function()
      -- at every place around the 16 bytes that are looked at together, with and without text behind
      for lead = 0, 34 do
        for _, behind in ipairs({ "", "xyz", ("x"):rep(40) }) do
          local ok, why, offset = json.check('"' .. ("a"):rep(lead) .. bytes .. behind .. '"')
          assert.is_nil(ok)
          assert.equal(UTF8, why)
          assert.is_true(offset >= lead + 1 and offset <= lead + #bytes)
        end
      end
      assert.equal(UTF8, select(2, json.check('"' .. bytes)))
      assert.equal(UTF8, select(2, json.check('{"' .. bytes .. '":1}')))
    end)
  end

  it("finds the end, an escape and a control byte wherever they stand", function()
    for lead = 0, 50 do
      local run = ("x"):rep(lead)
      assert.is_true(json.check('"' .. run .. '"'))
      assert.is_true(json.check('"' .. run .. '\\n"'))
      assert.is_true(json.check('"' .. run .. '\xe2\x82\xac' .. run .. '"'))
      assert.same({ n = 3, nil, SYNTAX, lead + 1 }, table.pack(json.check('"' .. run)))
      for _, bad in ipairs({ "\0", "\1", "\t", "\n", "\31", "\\", "\\x", "\\u12" }) do
        assert.same({ n = 3, nil, SYNTAX, lead + 1 }, table.pack(json.check('"' .. run .. bad)), shown(bad))
      end
    end
  end)

  it("takes every byte in a string that RFC 8259 takes, and no other", function()
    for byte = 0, 255 do
      local good = byte >= 0x20 and byte < 0x80 and byte ~= 0x22 and byte ~= 0x5c
      assert.equal(good or nil, (json.check('"' .. string.char(byte) .. '"')), byte)
    end
  end)

  it("takes every code point in UTF-8 and no surrogate", function()
    for code = 0x80, 0x10ffff, 0x3d do
      local bytes = utf8.char(code)
      assert.equal(not (code >= 0xd800 and code <= 0xdfff) or nil, (json.check('"' .. bytes .. '"')), code)
    end
  end)

  it("says where", function()
    assert.same({ n = 3, nil, SYNTAX, 3 }, table.pack(json.check("[1 2]")))
    assert.same({ n = 3, nil, SYNTAX, 7 }, table.pack(json.check('{"a":1,}')))
    assert.same({ n = 3, nil, SYNTAX, 2 }, table.pack(json.check("1 x")))
    assert.same({ n = 3, nil, SYNTAX, 0 }, table.pack(json.check("")))
  end)
end)

describe("depth", function()
  local function nested(depth) return ("["):rep(depth) .. ("]"):rep(depth) end
  local function objects(depth) return ('{"a":'):rep(depth) .. "0" .. ("}"):rep(depth) end

  it("is bounded exactly", function()
    for _, depth in ipairs({ 0, 1, 2, 31, 32, 33, 63, 64 }) do
      assert.is_true(json.check(depth == 0 and "1" or nested(depth), depth))
      assert.is_true(json.check(objects(depth), depth))
      assert.equal(DEEP, select(2, json.check(nested(depth + 1), depth)))
      assert.equal(DEEP, select(2, json.check(objects(depth + 1), depth)))
    end
  end)

  it("is never more than the bits allow", function()
    assert.equal(64, json.depth_max)
    assert.equal(DEEP, select(2, json.check(nested(65), 1000)))
    assert.equal(DEEP, select(2, json.check(("["):rep(1000000))))
    assert.equal(DEEP, select(2, json.check(('{"a":['):rep(100000))))
  end)

  it("does not count what was closed", function() assert.is_true(json.check("[" .. ("[[]],"):rep(1000) .. "{}]", 3)) end)

  it("keeps objects and arrays apart on every level", function()
    local open, close = "", ""
    for level = 1, 64 do
      open = open .. (level % 3 == 0 and "[" or '{"a":')
      close = (level % 3 == 0 and "]" or "}") .. close
    end
    assert.is_true(json.check(open .. "0" .. close))
    for at = 1, 64 do
      local wrong = close:sub(1, at - 1) .. (close:sub(at, at) == "]" and "}" or "]") .. close:sub(at + 1)
      assert.equal(SYNTAX, select(2, json.check(open .. "0" .. wrong)))
    end
  end)
end)

describe("the pull reader", function()
  -- The whole text as Lua values, by the calls that a caller with a schema uses.
  local function walk(reader)
    local kind = reader:peek()
    if kind == "object" then
      reader:object()
      local list = { kind = "object" }
      for key in function() return reader:member() end do
        list[#list + 1] = { key, walk(reader) }
      end
      return list
    elseif kind == "array" then
      reader:array()
      local list = { kind = "array" }
      while reader:element() do
        list[#list + 1] = walk(reader)
      end
      return list
    elseif kind == "string" then
      return '"' .. (reader:string() or "")
    elseif kind == "number" then
      return reader:number()
    elseif kind == "true" or kind == "false" then
      return reader:bool()
    elseif kind == "null" then
      return reader:take_null() and "null" or nil
    end
  end

  it("walks a document", function()
    local reader = json.reader(' {"a" : [1, -2.50e1, "x\\ny", [], {}], "b\\u0041":{"c":true , "d":false,"e": null}, "":"\xe2\x82\xac"}\n')
    assert.same({
      kind = "object",
      { "a", { kind = "array", "1", "-2.50e1", '"x\\ny', { kind = "array" }, { kind = "object" } } },
      { "b\\u0041", { kind = "object", { "c", true }, { "d", false }, { "e", "null" } } },
      { "", '"\xe2\x82\xac' },
    }, walk(reader))
    assert.is_true(reader:finish())
    assert.is_nil(reader:error())
  end)

  it("walks whatever json.check takes, and fails where it fails", function()
    for _, text in ipairs(ACCEPT) do
      local reader = json.reader(text)
      walk(reader)
      assert.is_true(reader:finish(), text)
    end
    for _, text in ipairs(REJECT) do
      local reader = json.reader(text)
      walk(reader)
      assert.is_false(reader:finish(), shown(text))
      assert.equal(select(2, json.check(text)), reader:error())
    end
  end)

  it("skips and gives the raw text of any value", function()
    local values = { "null", "true", "false", "-1.5e3", '"a\\"b"', "[ 1 , [ ] ]", '{ "a" : { } }', "[]", "{}", '""' }
    local reader = json.reader("[ " .. table.concat(values, " , ") .. " ]")
    assert.is_true(reader:array())
    for _, value in ipairs(values) do
      assert.is_true(reader:element())
      assert.equal(value, reader:skip())
    end
    assert.is_false(reader:element())
    assert.is_true(reader:finish())
  end)

  it("checks what it skips", function()
    for _, text in ipairs({ '{"a":[1,}', '{"a":"\\x"}', '{"a":01}', '{"a":[1}}', '{"a":nul}' }) do
      local reader = json.reader(text)
      reader:object()
      assert.equal("a", reader:member())
      assert.is_true(reader:skip() == nil or reader:member() == nil)
      assert.equal(SYNTAX, reader:error())
    end
  end)

  it("tells where the next value begins", function()
    local reader = json.reader('  {"model" :  "m", "stream": true}')
    assert.equal(2, reader:offset())
    reader:object()
    reader:member()
    assert.equal(14, reader:offset())
    reader:string()
    assert.equal(17, reader:offset())
    reader:member()
    assert.equal(29, reader:offset())
    assert.equal("true", reader:peek())
    assert.equal(29, reader:offset())
    reader:bool()
    assert.is_nil(reader:member())
    assert.equal(34, reader:offset())
    assert.is_true(reader:finish())
  end)

  it("peeks as often as one likes", function()
    local reader = json.reader("[1]")
    for _ = 1, 3 do
      assert.equal("array", reader:peek())
    end
    reader:array()
    reader:element()
    for _ = 1, 3 do
      assert.equal("number", reader:peek())
    end
    assert.equal("1", reader:number())
  end)

  it("takes null only where it stands, without an error", function()
    for _, text in ipairs({ "0", '"null"', "true", "[]", "{}" }) do
      local reader = json.reader(text)
      assert.is_false(reader:take_null())
      assert.is_nil(reader:error())
      assert.equal(text, reader:skip())
      assert.is_true(reader:finish())
    end
    local reader = json.reader(" null ")
    assert.is_true(reader:take_null())
    assert.is_true(reader:finish())
    reader = json.reader("nul")
    assert.is_false(reader:take_null())
    assert.is_false(reader:finish())
    reader = json.reader("")
    assert.is_false(reader:take_null())
    assert.is_nil(reader:error())
  end)

  local ASK = { object = "{}", array = "[]", string = '"s"', number = "1", bool = "true" }
  for call, good in pairs(ASK) do
    it("refuses to read " .. call .. " where another type stands", function()
      for other, text in pairs({ object = "{}", array = "[]", string = '"s"', number = "1", bool = "false", null = "null" }) do
        if other ~= call then
          local reader = json.reader(text)
          assert.is_falsy(reader[call](reader))
          assert.equal(TYPE, reader:error())
        end
      end
      local reader = json.reader(good)
      assert.is_truthy(reader[call](reader))
      assert.is_nil(reader:error())
      for _, text in ipairs({ "", " ", "?", "]" }) do
        reader = json.reader(text)
        assert.is_falsy(reader[call](reader))
        assert.equal(SYNTAX, reader:error())
      end
    end)
  end

  it("sticks to its first error", function()
    local broken = {
      [TYPE] = function() local r = json.reader('[1,{"a":2}]'); r:array(); r:element(); r:string(); return r end,
      [SYNTAX] = function() local r = json.reader('[1 {"a":2}]'); r:array(); r:element(); r:number(); r:element(); return r end,
      [UTF8] = function() local r = json.reader('["\xff",{"a":2}]'); r:array(); r:element(); r:string(); return r end,
      [DEEP] = function() local r = json.reader('[[1,{"a":2}]]', 1); r:array(); r:element(); r:array(); return r end,
    }
    for why, make in pairs(broken) do
      for _, call in ipairs({ "object", "member", "array", "element", "string", "number", "bool", "skip", "take_null", "finish" }) do
        local reader = make()
        assert.equal(why, reader:error())
        local offset = reader:offset()
        assert.is_falsy(reader[call](reader))
        assert.equal("bad", reader:peek())
        assert.equal(why, reader:error())
        assert.equal(offset, reader:offset())
      end
    end
  end)

  it("refuses a finish that comes too early", function()
    local reader = json.reader("[1]")
    reader:array()
    assert.is_false(reader:finish())
    reader = json.reader("1 1")
    reader:number()
    assert.is_false(reader:finish())
    assert.equal(SYNTAX, reader:error())
  end)

  it("closes nothing that was not opened", function()
    for text, call in pairs({ ["}"] = "member", ["]"] = "element", ['"a":1}'] = "member", ["1]"] = "element" }) do
      local reader = json.reader(text)
      assert.is_falsy(reader[call](reader))
      assert.equal(SYNTAX, reader:error())
    end
    local reader = json.reader("{}}")
    reader:object()
    assert.is_nil(reader:member())
    assert.is_nil(reader:error())
    assert.is_nil(reader:member()) -- asked on behind the end
    assert.equal(SYNTAX, reader:error())
    reader = json.reader("[]")
    reader:array()
    assert.is_nil(reader:member()) -- members of an array
    assert.equal(SYNTAX, reader:error())
  end)
end)

describe("json.find", function()
  local text = '{"error":{"message":"no\\n","code":null},"n":1,"mess\\u0061ge":"x","n":2,"":"empty"}'

  it("gives the first value of a key, however it is written", function()
    assert.equal('{"message":"no\\n","code":null}', json.find(text, "error"))
    assert.equal("1", json.find(text, "n"))
    assert.equal('"x"', json.find(text, "message"))
    assert.equal("x", json.find_string(text, "message"))
    assert.equal("empty", json.find_string(text, ""))
    assert.equal("no\\n", json.find_string(json.find(text, "error"), "message"))
    assert.equal("", json.find_string('{"a":""}', "a"))
  end)

  it("gives nothing where there is none", function()
    assert.is_nil(json.find(text, "code"))
    assert.is_nil(json.find_string(text, "n"))
    assert.is_nil(json.find_string('{"a":"', "a"))
    for _, bad in ipairs({ "", "[]", "1", '"a"', '{"b":01,"a":1}', "{", "<html>" }) do
      assert.is_nil(json.find(bad, "a"), bad)
      assert.is_nil(json.find_string(bad, "a"), bad)
    end
  end)
end)

describe("raw strings", function()
  -- raw, plain
  local PAIRS = {
    { "", "" }, { "abc", "abc" }, { '\\"', '"' }, { "\\\\", "\\" }, { "\\/", "/" }, { "\\b\\f\\n\\r\\t", "\b\f\n\r\t" }, { "a\\nb", "a\nb" },
    { "\\u0041", "A" }, { "\\u00e9\\u00E9", "\xc3\xa9\xc3\xa9" }, { "\\u20ac", "\xe2\x82\xac" }, { "\\uffff", "\xef\xbf\xbf" }, { "\\u0000x", "\0x" },
    { "\\u007f\\u0080\\u07ff\\u0800", "\127\xc2\x80\xdf\xbf\xe0\xa0\x80" },
    { "\\ud83d\\ude00", "\xf0\x9f\x98\x80" }, { "\\uD800\\uDC00", "\xf0\x90\x80\x80" }, { "\\udbff\\udfff", "\xf4\x8f\xbf\xbf" },
    { "\\ud800", "\xef\xbf\xbd" }, { "\\udfff", "\xef\xbf\xbd" }, { "\\ud800x", "\xef\xbf\xbdx" }, { "\\ud800\\n", "\xef\xbf\xbd\n" },
    { "\\ud800\\u0041", "\xef\xbf\xbdA" },
    { "\\ud800\\ud800\\udc00", "\xef\xbf\xbd\xf0\x90\x80\x80" }, { "\\udc00\\ud800", "\xef\xbf\xbd\xef\xbf\xbd" },
    { "\\ud800\\ue000", "\xef\xbf\xbd\xee\x80\x80" }, { "\\ud800\\udbff", "\xef\xbf\xbd\xef\xbf\xbd" }, { "\\ud7ff\\ue000",
    "\xed\x9f\xbf\xee\x80\x80" }, { "\\\\u0041", "\\u0041" },
    { "mod\\u0065l", "model" },
    { "\xe2\x82\xac\\t\xe2\x82\xac", "\xe2\x82\xac\t\xe2\x82\xac" }, { ("x"):rep(100) .. "\\n", ("x"):rep(100) .. "\n" }, { "\\n" .. ("x"):rep(100),
    "\n" .. ("x"):rep(100) },
  }

  it("mean what they mean", function()
    for _, pair in ipairs(PAIRS) do
      assert.equal(pair[2], (json.unescape(pair[1])))
      assert.equal(pair[2], json.append_unescaped(pair[1]))
      assert.is_true(json.raw_equals(pair[1], pair[2]), pair[1])
    end
  end)

  it("equal nothing else", function()
    for i, pair in ipairs(PAIRS) do
      for k, other in ipairs(PAIRS) do
        if i ~= k and pair[2] ~= other[2] then assert.is_false(json.raw_equals(pair[1], other[2])) end
      end
      assert.is_false(json.raw_equals(pair[1], pair[2] .. "x"))
      assert.is_false(json.raw_equals(pair[1] .. "x", pair[2]))
      if #pair[2] > 0 then assert.is_false(json.raw_equals(pair[1], pair[2]:sub(1, -2))) end
    end
    assert.is_false(json.raw_equals("\\n", "\\n"))
    assert.is_false(json.raw_equals("abc", "abd"))
  end)

  it("are not copied where nothing is escaped", function()
    assert.same({ "plain \xe2\x82\xac", true }, { json.unescape("plain \xe2\x82\xac") })
    assert.same({ "a\n", false }, { json.unescape("a\\n") })
    assert.same({ "plain \xe2\x82\xac\127/", true }, { json.escape("plain \xe2\x82\xac\127/") })
    assert.same({ "a\\n", false }, { json.escape("a\n") })
  end)

  it("escape what must be and come back the same", function()
    local all = {}
    for code = 0, 0x7f do
      all[#all + 1] = utf8.char(code)
    end
    all = table.concat(all) .. "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"
    local raw = json.escape(all)
    assert.is_true(json.check('"' .. raw .. '"'))
    assert.equal(all, (json.unescape(raw)))
    assert.is_true(json.raw_equals(raw, all))
    assert.equal(raw, json.append_escaped(all))
    assert.equal('"' .. raw .. '"', json.append_string(all))
    assert.equal('\\"\\\\\\b\\f\\n\\r\\t\\u0000\\u001f/\127', json.append_escaped('"\\\b\f\n\r\t\0\31/\127'))
    assert.equal('""', json.append_string(""))
    assert.same({ "" }, { (json.escape("")) })
  end)

  it("put U+FFFD in the place of what is not UTF-8", function()
    for _, bytes in ipairs(BAD_UTF8) do
      for _, text in ipairs({ bytes, "a" .. bytes, bytes .. "\n", "a" .. bytes .. "\xe2\x82\xac" }) do
        local raw = json.append_escaped(text)
        assert.is_true(json.check('"' .. raw .. '"'))
        assert.is_truthy(raw:find("\xef\xbf\xbd", 1, true))
        assert.equal(raw, (json.escape(text)))
      end
    end
    assert.equal("\xef\xbf\xbdA", json.append_escaped("\xffA"))
    assert.equal("\xef\xbf\xbd(", json.append_escaped("\xc3("))
  end)

  it("stop at the limit", function()
    assert.is_nil((json.unescape(("\\n"):rep(1000), 100)))
    assert.is_nil((json.escape(("\n"):rep(1000), 100)))
    assert.is_nil(json.append_escaped(("\n"):rep(1000), 1999))
    assert.equal(2000, #json.append_escaped(("\n"):rep(1000), 2000))
    assert.is_nil(json.append_unescaped(("\\n"):rep(1000), 999))
    assert.is_nil(json.append_string("abc", 4))
    assert.equal('"abc"', json.append_string("abc", 5))
  end)

  it("read nothing behind their end even where they are none", function()
    for _, raw in ipairs({ "\\", "a\\", "\\u", "\\u1", "\\u12", "\\u123", "\\ud83d\\", "\\ud83d\\u", "\\ud83d\\ude0", "\\q", "\\uzzzz" }) do
      assert.is_string((json.unescape(raw)))
      assert.is_false(json.raw_equals(raw, "never equal to this"))
      assert.is_true(#json.append_unescaped(raw) <= #raw)
    end
  end)
end)

describe("raw numbers", function()
  it("become counts where they are whole", function()
    for text, count in pairs({ ["0"] = 0, ["-0"] = 0, ["1"] = 1, ["4096"] = 4096, ["12.0"] = 12, ["1e3"] = 1000, ["1.5e1"] = 15, ["1200e-2"] = 12,
      ["0.0"] = 0, ["9007199254740992"] = 2 ^ 53 | 0, ["9.007199254740992e15"] = 2 ^ 53 | 0 }) do
      assert.equal(count, json.to_count(text), text)
    end
    for _, text in ipairs({ "-1", "1.5", "-12.0", "1e-1", "9007199254740993", "9223372036854775807", "9223372036854775808", "1e16", "1e999", "-1e999",
      "18446744073709551617", ("9"):rep(500), "", "x", "0x10", " 1", "1 ", "nan", "inf" }) do
      assert.is_nil(json.to_count(text), text)
    end
  end)

  it("become doubles where they are finite", function()
    for _, text in ipairs({ "0", "-1", "0.1", "1.5e-3", "123456789.123456789", "1e308", "-2.5E+10", "1e-400" }) do
      assert.equal(tonumber(text) + 0.0, json.to_double(text), text)
    end
    for _, text in ipairs({ "", "1e999", "-1e999", "0x10", "nan", "inf", "Infinity", " 1", "1 ", "1x", "--1", "1e", ("1"):rep(500) }) do
      assert.is_nil(json.to_double(text), text)
    end
  end)
end)
