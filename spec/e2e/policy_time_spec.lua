--- Instructions that hide their time: one `a < b` may look at every byte of a long text, which no count of instructions sees. A worker was held for minutes.
local launch = require "support.launch"
local http = require "support.http"

-- What a caller's `user` says is done in route; texts are made in the call, kept from the load, or come with the body.
local POLICY = [[
local nuls, same = ("\0"):rep(200000), ("\0"):rep(200000)
local long, alike, digits = ("a"):rep(400000), ("a"):rep(400000), ("0"):rep(900000)
local hollow = {}
for i = 1, 100000 do hollow[i + 0.5] = true end
for key in pairs(hollow) do hollow[key] = nil end

local dear = {}

function dear.kept_texts() while true do local _ = nuls < same or nuls > same or nuls <= same end end
function dear.new_texts() local a, b = ("\0"):rep(2e5), ("\0"):rep(2e5) while true do local _ = a < b end end
function dear.sort()
  local list = {}
  for i = 1, 40 do list[i] = ("\0"):rep(10000) .. i end
  while true do table.sort(list) end
end
function dear.equal() while true do local _ = long == alike end end
function dear.number() while true do local _ = digits + 0 end end
function dear.hollow() while true do local _ = next(hollow) end end
function dear.pairs() while true do for _ in pairs(hollow) do break end end end
function dear.arguments()
  local function none() end
  local function many(...) while true do none(...) end end
  local list = {}
  for i = 1, 4000 do list[i] = i end
  many(table.unpack(list))
end
function dear.caught() while true do pcall(function() while true do local _ = nuls < same end end) end end
function dear.body(request)
  local contents = {}
  for i, message in ipairs(request.body().messages) do contents[i] = message.content end
  for _ = 1, 1e9 do table.sort(contents) end
end

return {
  route = function(request)
    local f = dear[request.client.user]
    if f then
      f(request)
    end
    return request.targets
  end,
}
]]

-- What is compared is charged by its bytes, all else is stopped by the thread's CPU clock.
local CHARGED, CLOCK = "stopped after 1000000 instructions", "stopped after %d+ ms of CPU time"
local SHAPES = {
  kept_texts = CHARGED, new_texts = CHARGED, sort = CHARGED, caught = CHARGED, body = CHARGED,
  equal = CLOCK, number = CLOCK, hollow = CLOCK, pairs = CLOCK, arguments = CLOCK,
}

describe("a policy whose single instructions take long", function()
  for name, says in pairs(SHAPES) do
    it("holds its worker no longer than its budget: " .. name, function()
      local gateway = launch.start {
        config = [[return { workers = 1, providers = { mock = {} }, policy = "policies/mine.lua" }]], policies = { mine = POLICY },
      }
      local dear, good = table.unpack(http.all {
        function()
          local message = { role = "user", content = ("\0"):rep(2000) }
          return gateway:chat { model = "mock/good", user = name, messages = { message, message, message } }
        end,
        function() return gateway:chat { model = "mock/good" } end,
      })
      assert.same({ 500, "policy_timeout" }, { dear.status, dear:json().error.code })
      assert.equal(200, good.status)
      local line = gateway:log_line(function(line) return line.event == "policy_error" end)
      if not gateway.process:is_sanitized() then -- where the clock has ten times as much, and the instructions may come first
        assert.matches("^policies/mine.lua:%d+: " .. says, line.message)
      end
      assert.equal(200, gateway:chat({ model = "mock/good" }).status)
      assert.equal(0, gateway:stop())
    end)
  end
end)
