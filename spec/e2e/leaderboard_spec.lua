--- A leaderboard by URL: fetched beside the work, in force when it changes, the last good copy kept whatever its server does.
local launch = require "support.launch"
local http = require "support.http"
local scripted = require "support.scripted"

local CONFIG = [[
return {
  workers = 2,
  leaderboard = { url = "%s", every = "1s" },
  providers = { mock = {} },
  models = { pair = { "mock/one", "mock/two" } },
  strategy = "score",
}]]

describe("a leaderboard by URL", function()
  local server, gateway

  local function publish(board)
    server:answer(200, "application/json", board)
  end

  local function served()
    local answer = gateway:chat { model = "pair" }
    assert.equal(200, answer.status)
    return answer.headers["x-model"]
  end

  -- With equal points the two take turns.
  local function always(model)
    for _ = 1, 4 do
      if served() ~= model then
        return false
      end
    end
    return true
  end

  local function becomes(model)
    assert.is_truthy(http.eventually(function() return always(model) end), "the order does not change")
  end

  local function lines(result)
    local found = {}
    for _, line in ipairs(gateway:log()) do
      if line.event == "leaderboard" and (result == nil or line.result == result) then
        found[#found + 1] = line
      end
    end
    return found
  end

  local function warned(message)
    assert.is_truthy(http.eventually(function()
      for _, line in ipairs(lines "kept") do
        if line.message:find(message, 1, true) then
          return line.level == "warn"
        end
      end
    end), "it does not say: " .. message)
  end

  before_each(function() server = scripted.start() end)
  after_each(function()
    local status = gateway and gateway:stop()
    if server then
      server:stop()
    end
    assert.equal(0, status)
  end)

  it("orders targets, anew when it changes", function()
    publish '{ "one": 0.9, "two": 0.1 }'
    gateway = launch.start { config = CONFIG:format(server.origin .. "/boards/chat.json") }
    becomes "one"
    assert.equal("GET /boards/chat.json HTTP/1.1", server:request().line)
    publish '{ "one": 1100, "mock/two": 1200 }'
    becomes "two"
    assert.is_truthy(http.eventually(function() return #lines "taken" == 2 end))
    local generation = gateway:generation()
    for _ = 1, 3 do -- the same again: nothing to reload for
      server:forget()
      assert.is_truthy(http.eventually(function() return server:was_asked() end))
    end
    assert.equal(generation, gateway:generation())
  end)

  it("is kept when its server talks nonsense, fails or is gone, over reloads too; each is said once", function()
    publish '{ "one": 0.1, "two": 0.9 }'
    gateway = launch.start { config = CONFIG:format(server.origin .. "/board.json") }
    becomes "two"
    for _, case in ipairs {
      { 200, "<html>sign in</html>", "expected a JSON object such as" },
      { 200, '{ "one": "good" }', "one: expected a number" },
      { 302, '{ "one": 1 }', "it answered 302" },
      { 200, '{ "one": 1, "x": "' .. ("x"):rep(1024 * 1024) .. '" }', "it is longer than 1 MB" },
    } do
      server:answer(case[1], "application/json", case[2])
      warned(case[3])
      assert.is_true(always "two")
    end
    server:answer(200, "application/json", '{ "one": 1, ', "Content-Length: 1000\r\n")
    warned "answer cut"
    publish '{ "one": 0.1, "two": 0.9 }'
    assert.is_truthy(http.eventually(function()
      local all = lines()
      return all[#all].result == "unchanged"
    end))
    server:stop()
    server = nil
    warned "connection refused"
    gateway:signal "HUP"
    assert.is_truthy(http.eventually(function() return gateway:generation() == 3 end))
    assert.is_true(always "two")
    local said, before = {}, nil
    for _, line in ipairs(lines()) do
      if line.result == "kept" and not line.message:find("in time", 1, true) then -- a server that stands still is one more case
        assert.are_not.equal(before, line.message, "it is said twice")
        said[line.message] = true
      end
      before = line.result == "kept" and line.message or nil
    end
    local count = 0
    for _ in pairs(said) do
      count = count + 1
    end
    assert.equal(6, count)
    assert.equal(1, #lines "taken")
  end)

  it("that nobody serves stops nobody from starting", function()
    local deaf = launch.provider.deaf()
    gateway = launch.start { config = CONFIG:format(("http://127.0.0.1:%d/board.json"):format(deaf.port)) }
    assert.equal(200, gateway:chat({ model = "pair" }).status)
    publish '{ "two": 1 }'
    gateway:edit_config(CONFIG:format(server.origin .. "/board.json"))
    becomes "two"
    deaf:stop()
  end)

  it("is not looked at by check and explain, and they say so", function()
    gateway = nil
    publish '{ "two": 1 }'
    local config = CONFIG:format(server.origin .. "/board.json")
    local status, out, err = launch.run { config = config, arguments = { "check" } }
    assert.same({ 0, "ok\n" }, { status, launch.last_line(out) })
    assert.equal(("gateway: the leaderboard at %s/board.json was not fetched: only a running gateway does\n"):format(server.origin), err)
    status, out, err = launch.run { config = config, arguments = { "explain", "gateway.lua", "request.json" },
      files = { ["request.json"] = '{ "model": "pair", "messages": [ { "role": "user", "content": "Hello" } ] }' } }
    assert.equal(0, status)
    assert.matches('"leaderboard": 0', out, 1, true)
    assert.matches("was not fetched", err)
    assert.is_false(server:was_asked())
    gateway = launch.start { config = config }
    becomes "two"
  end)
end)
