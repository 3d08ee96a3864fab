--- The mock provider inside the gateway: it runs while the config has it, and has no ledger.
local launch = require "support.launch"
local http = require "support.http"

local WITH = "return { workers = 1, providers = { mock = {} } }"
local WITHOUT = 'return { workers = 1, providers = { lab = { kind = "vllm", base_url = "http://127.0.0.1:1/v1" } } }'

describe("the embedded mock", function()
  local gateway

  after_each(function() assert.equal(0, gateway:stop()) end)

  -- The ports that the gateway's process listens on, besides its own.
  local function other_ports()
    local inodes, ports = {}, {}
    local links = assert(io.popen("ls -l /proc/" .. gateway.pid .. "/fd"))
    for inode in links:read("a"):gmatch "socket:%[(%d+)%]" do
      inodes[inode] = true
    end
    links:close()
    for line in io.lines "/proc/net/tcp" do
      local port, state, inode = line:match "^%s*%d+: %x+:(%x+) %x+:%x+ (%x+) %S+ %S+ %S+ +%d+ +%d+ (%d+)"
      if state == "0A" and inodes[inode] and tonumber(port, 16) ~= gateway.port then
        ports[#ports + 1] = tonumber(port, 16)
      end
    end
    return ports
  end

  local function becomes(count, seconds)
    return http.eventually(function() return #other_ports() == count end, seconds)
  end

  it("is no second port where the config has none", function()
    gateway = launch.start { config = WITHOUT }
    assert.same({}, other_ports())
  end)

  it("has no ledger, and no other page of its own", function()
    gateway = launch.start { config = WITH }
    local ports = other_ports()
    assert.equal(1, #ports)
    assert.equal(200, gateway:chat({ model = "mock/hello" }).status)
    for _, path in ipairs { "/__ledger", "/__ledger?model=hello", "/__stats", "/__reset" } do
      assert.equal(404, http.request({ port = ports[1], path = path }).status)
    end
  end)

  it("begins with a reload that brings it, and ends when nothing uses it any more", function()
    gateway = launch.start { config = WITHOUT }
    gateway:edit_config(WITH)
    assert.is_truthy(becomes(1))
    assert.is_truthy(http.eventually(function() return gateway:chat({ model = "mock/hello" }).status == 200 end))
    local stream = gateway:open_stream { model = "mock/gap-300" }
    gateway:edit_config(WITHOUT)
    assert.is_truthy(http.eventually(function() return gateway:chat({ model = "mock/hello" }).status == 404 end))
    assert.equal(1, #other_ports())
    assert.equal("[DONE]", table.remove(stream:events()).data)
    stream:close()
    assert.is_truthy(becomes(0, 20)) -- the generation before may come back while the one in force is on probation
  end)
end)
