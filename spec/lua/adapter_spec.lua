--- Adapters in Lua without a server: the loader, and the functions of the shipped example alone.
local adapter = require "gateway.adapter"
local testing = require "gateway.testing"

local json = testing.json

local GOOD = [[
local json = require "gateway.json"
return {
  path = "/x", stream = "sse",
  encode = function(request) return request end,
  decode = function(answer) return answer end,
  decode_event = function(event) return event.json end,
}]]

local function load(text)
  return adapter.load { file = "providers/mine.lua", text = text }
end

describe("the loader of adapters", function()
  it("fills in what a file may leave out", function()
    local loaded = assert(load(GOOD))
    assert.same({ { chat = "/x", stream = "/x" }, "sse", "" }, { loaded.path, loaded.stream, loaded.auth })
    assert.is_nil(loaded.failure)
  end)

  it("takes two paths, lines of JSON, a header for the key and a judge of errors", function()
    local loaded = assert(load((GOOD:gsub('path = "/x", stream = "sse"',
      'path = { chat = "/a?v=1", stream = "/b" }, stream = "ndjson", auth = "X-Key", failure = function() end'))))
    assert.same({ { chat = "/a?v=1", stream = "/b" }, "ndjson", "X-Key" }, { loaded.path, loaded.stream, loaded.auth })
    assert.is_function(loaded.failure)
  end)

  for what, case in pairs {
    ["syntax"] = { from = "return {", to = "return {{", says = "^providers/mine%.lua:%d+: " },
    ["an error"] = { from = "return {", to = "error 'no'\nreturn {", says = "^providers/mine%.lua:2: no" },
    ["a global"] = { from = "return {", to = "x = 1\nreturn {", says = "^providers/mine%.lua:2: 'x' is not declared" },
    ["a module of the house"] = { from = '"gateway.json"', to = '"gateway.limit"', says = "mine%.lua:1: 'gateway.limit' cannot be required" },
    ["bytecode"] = { from = "^.*$", to = string.dump(function() end):gsub("%%", "%%%%"), says = "^providers/mine%.lua" },
    ["no table"] = { from = "return {.*", to = "return 7", says = "expected a table to be returned, got number" },
    ["a metatable"] = { from = "return (%b{})", to = "return setmetatable(%1, {})", says = "got one with a metatable" },
    ["a name nobody knows"] = { from = "decode_event", to = "decode_events", says = "'decode_events' is none of path, stream, auth, encode" },
    ["a function missing"] = { from = "encode =[^\n]*\n", to = "\n", says = "mine%.lua: encode: expected a function, got nothing" },
    ["a function that is none"] = { from = "encode =[^\n]*\n", to = "encode = 'x',\n", says = 'encode: expected a function, got "x"' },
    ["a form nobody knows"] = { from = '"sse"', to = '"websocket"', says = 'stream: expected "sse" or "ndjson", got "websocket"' },
    ["a path without its slash"] = { from = '"/x"', to = '"x"', says = 'path: expected a path such as "/generate"' },
    ["a path with a line break"] = { from = '"/x"', to = '"/x\\r\\nHost: evil"', says = "path: expected a path" },
    ["a path of which half is missing"] = { from = '"/x"', to = '{ chat = "/x" }', says = "path%.stream: expected a path" },
    ["a third path"] = { from = '"/x"', to = '{ chat = "/x", stream = "/x", embed = "/e" }', says = "found the key embed" },
    ["a header that is none"] = { from = "stream =", to = 'auth = "X: y", stream =', says = "auth: expected the name of a header" },
  } do
    it("refuses " .. what .. ", by its place", function()
      local text, count = GOOD:gsub(case.from, case.to, 1)
      assert.equal(1, count)
      local loaded, message = load(text)
      assert.is_nil(loaded)
      assert.matches(case.says, message)
    end)
  end

  it("stops a file that never ends", function()
    local loaded, message = load "while true do end"
    assert.is_nil(loaded)
    assert.matches("^providers/mine%.lua:1: stopped after", message)
  end)

  it("gives each file an environment of its own, read-only", function()
    local loaded = assert(load((GOOD:gsub("decode = function%(answer%) return answer end", [[decode = function()
      return { not pcall(function() json.encode = 1 end), not pcall(function() string.len = 1 end), io == nil, os == nil, debug == nil,
        not pcall(function() require "io" end), getmetatable == nil }
    end]]))))
    assert.same({ true, true, true, true, true, true, true }, loaded.decode())
  end)
end)

describe("the shipped adapter", function()
  local house

  setup(function() house = testing.adapter "examples/providers/house.lua" end)

  it("says in the house's words what is asked", function()
    local body, dropped = house.encode({
      messages = {
        { role = "system", content = "A" }, { role = "system", content = "B" }, { role = "user", content = "hi" },
        { role = "assistant", tool_calls = { { id = "k", ["function"] = { name = "f", arguments = '{"x":[]}' } } } },
        { role = "tool", tool_call_id = "k", content = "7" },
      },
      tools = { { type = "function", ["function"] = { name = "f", parameters = { type = "object" } } } },
      tool_choice = { type = "function", ["function"] = { name = "f" } }, max_tokens = 5, n = 2, reasoning_effort = "low",
    }, { model = "large" })
    assert.equal("A\n\nB", body.system)
    assert.same({ "large", "f", 5 }, { body.model, body.pick, body.sampling.max_new_tokens })
    assert.equal('[{"speaker":"human","text":"hi"},{"speaker":"model","calls":[{"fn":"f","ref":"k","args":{"x":[]}}]},' ..
      '{"ref":"k","speaker":"tool","text":"7"}]', json.encode(body.turns))
    assert.same({ "n", "reasoning_effort" }, dropped)
  end)

  it("keeps a list that is empty", function()
    assert.equal('{"model":"m","sampling":{},"turns":[]}', json.encode((house.encode({ messages = {} }, { model = "m" }))))
  end)

  it("refuses what the house cannot read", function()
    assert.error_matches(function()
      house.encode({ messages = { { role = "user", content = { { type = "input_audio" } } } } }, { model = "m" })
    end, "house%.lua:%d+: the server takes text and images, not input_audio")
  end)

  for ended, finish in pairs { eos = "stop", stop_word = "stop", budget = "length", calls = "tool_calls", filtered = "content_filter" } do
    it("knows that " .. ended .. " is " .. finish, function()
      local completion = house.decode { output = { text = "x" }, ended = ended }
      assert.same({ finish, "x" }, { completion.choices[1].finish_reason, completion.choices[1].message.content })
    end)
  end

  it("takes no unknown end for one", function()
    assert.error_matches(function() house.decode { output = {}, ended = "tired" } end, "ended with tired")
    assert.error_matches(function() house.decode { output = {} } end, "ended with nil")
  end)

  it("ends a stream with its end, and only then", function()
    assert.equal("hi", house.decode_event({ name = "piece", json = { text = "hi" } }).choices[1].delta.content)
    local list = house.decode_event { name = "end", json = { ended = "eos", tokens = { prompt = 3, completion = 1 } } }
    assert.same({ "stop", 3, "[DONE]" }, { list[1].choices[1].finish_reason, list[1].usage.prompt_tokens, list[2] })
    assert.is_nil(house.decode_event { name = "weather", json = {} })
    assert.error(function() house.decode_event { name = "piece" } end)
  end)

  it("judges errors by the house's reasons, and leaves the rest to the gateway", function()
    assert.same({ kind = "context_length", message = "d" }, (house.failure(422, "", { reason = "too_long", detail = "d" })))
    assert.is_nil((house.failure(500, "", { reason = "else" })))
    assert.is_nil((house.failure(502, "<html>", nil)))
  end)
end)
