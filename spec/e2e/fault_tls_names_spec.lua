--- Providers that cannot be trusted, and names that lead nowhere or where they must not (rows U34 and U35 of the matrix of upstream faults).
local fault_matrix = require "support.fault_matrix"
local launch = require "support.launch"
local http = require "support.http"
local tls = require "support.tls"
local world = require "support.world"

local FAILED, LATE = { 502, "upstream_error" }, { 504, "upstream_timeout" }

local ROWS = {
  { "U34", "fine/hello", both = 200 },
  { "U34", "chain/hello", both = 200 },
}

for door, says in pairs {
  self_signed = "is not trusted", expired = "is not trusted: .*expired", wrong_host = "is not trusted: .*localhost", chain_missing = "is not trusted",
  old = "handshake failed", reset = "handshake failed", plain = "handshake failed",
} do
  ROWS[#ROWS + 1] = { "U34", door .. "/hello", both = FAILED, asked = 0, phase = "tls", sent = "not_sent", says = says }
end
ROWS[#ROWS + 1] = { "U34", "plain_mock/hello", both = LATE, asked = 0, phase = "tls", deadline = "tls", sent = "not_sent" }
ROWS[#ROWS + 1] = { "U34", "stall/hello", both = LATE, asked = 0, phase = "tls", deadline = "tls", sent = "not_sent" }
ROWS[#ROWS + 1] = { "U34", "reset_behind/hello", both = FAILED, asked = 0 }

local NAMES = {
  { "nobody", "nobody", FAILED, "cannot resolve the name nobody.example" },
  { "here", "127.0.0.1", FAILED, "no provider can have" },
  { "metadata", "169.254.169.254", FAILED, "no provider can have" },
  { "unspecified", "0.0.0.0", FAILED, "no provider can have" },
  { "many", "224.0.0.1", FAILED, "no provider can have" },
  { "here6", "::1", FAILED, "no provider can have" },
  { "mapped", "::ffff:127.0.0.1", FAILED, "no provider can have" },
  { "link6", "fe80::1", FAILED, "no provider can have" },
  { "all", "127.0.0.1,169.254.169.254,::1", FAILED, "no provider can have" },
  { "silent", "wait", LATE },
}
for _, name in ipairs(NAMES) do
  ROWS[#ROWS + 1] = { "U35", name[1] .. "/hello", name = name[1] .. " = " .. name[2], both = name[3], says = name[4], asked = 0, phase = "connect",
    sent = "not_sent", deadline = name[3] == LATE and "connect" or nil }
end
ROWS[#ROWS + 1] = { "U35", "dual/hello", name = "IPv6 is dead, IPv4 alive", both = 200 }
ROWS[#ROWS + 1] = { "U35", "neighbourhood/hello", name = "a name of the own network", both = 200 }

local doors, names

local function entries(run)
  local lines, port = {}, run.bad.port
  local function entry(name, url)
    lines[#lines + 1] = ('["%s"] = { kind = "openai", base_url = "%s/v1", key = "sk-bad-provider-key-9999" },'):format(name, url)
  end
  for name, door in pairs(doors.ports) do
    entry(name, "https://localhost:" .. door)
  end
  entry("plain_mock", "https://localhost:" .. port) -- waits for the end of a head that does not come
  for _, name in ipairs(NAMES) do
    entry(name[1], ("http://%s.example:%d"):format(name[1], port))
  end
  entry("dual", "http://dual.test:" .. port)
  entry("neighbourhood", "http://neighbourhood:" .. port)
  return table.concat(lines, "\n    ")
end

local run = fault_matrix.new {
  rows = ROWS, providers = entries,
  start = function(self)
    doors, names = tls.start(self.bad.port), world.new()
    for _, name in ipairs(NAMES) do
      names:host(name[1] .. ".example", name[2])
    end
    names:host("dual.test", "100::1,127.0.0.1") -- RFC 6666: whatever is sent there is thrown away
    names:host("neighbourhood", "127.0.0.1")
    self.env = names:env()
    self.env.SSL_CERT_FILE = doors.ca
  end,
  stop = function()
    doors:stop()
    names:stop()
  end,
}

describe("a provider that is not there", function()
  setup(function() run:start() end)
  teardown(function()
    names:host("silent.example", "nobody") -- ends look-ups that still wait
    assert.equal(0, run:stop())
  end)

  for _, case in ipairs(run.cases) do
    it(case.name, function() run:check(case) end)
  end
end)

describe("U35 a name that led somewhere", function()
  local CONFIG = [[
    return {
      workers = 1,
      providers = {
        moving = { kind = "openai", base_url = "http://moving.test:%d/v1", key = "sk-moving" },
        mock = { kind = "openai", base_url = "%s/v1", key = "sk-mock" },
      },
      timeouts = { connect = "20s", headers = "60s", total = "60s" },
      breaker = { failures = 1000 },
    }]]
  local mock, gateway, earth

  setup(function() mock = launch.mock { arguments = { "--close" } } end)
  teardown(function() mock:stop() end)
  before_each(function()
    earth = world.new()
    earth:host("moving.test", "127.0.0.1")
    gateway = launch.start { config = CONFIG:format(mock.port, mock.origin), env = earth:env() }
    assert.equal(200, gateway:chat({ model = "moving/hello" }).status)
  end)
  after_each(function()
    earth:host("moving.test", "nobody")
    assert.equal(0, gateway:stop())
    earth:stop()
  end)

  --- Behind what libcurl remembers of names (a minute).
  local function later(seconds, answer)
    earth:host("moving.test", answer)
    earth:pass(seconds)
  end

  local function ask()
    local answer = gateway:chat { model = "moving/hello" }
    local record = gateway:record(answer.id)
    assert.equal(1, #record.attempts)
    return answer.status, record.attempts[1].message
  end

  it("is found there for five minutes while nobody knows it any more", function()
    later(70, "nobody")
    assert.equal(200, (ask()))
    assert.equal(200, (ask()))
    later(200, "nobody")
    assert.equal(200, (ask()))
    later(60, "nobody")
    local status, message = ask()
    assert.equal(502, status)
    assert.matches("cannot resolve the name moving.test", message)
  end)

  it("is found there while it leads where it must not", function()
    later(70, "169.254.169.254")
    assert.equal(200, (ask()))
    later(300, "169.254.169.254")
    local status, message = ask()
    assert.equal(502, status)
    assert.matches("no provider can have", message)
  end)

  it("is found there when looking it up takes too long, and others go on meanwhile", function()
    later(70, "wait")
    local id = launch.next_id()
    local waiting = http.connect { port = gateway.port }
    assert(waiting:send(http.format { path = "/v1/chat/completions", headers = { ["X-Request-ID"] = id }, body = launch.body { model = "moving/hello" } }))
    assert.is_truthy(http.eventually(function()
      for _, one in ipairs(gateway:get("/providers"):json().providers) do
        if one.provider == "moving" then
          return one.in_flight == 1
        end
      end
    end))
    assert.equal(200, gateway:chat({ model = "mock/hello" }).status)
    earth:pass(21)
    gateway:get "/health" -- who sleeps until a deadline does not see that the clock was put forward
    assert.equal(504, waiting:answer().status)
    assert.equal("connect", gateway:record(id).attempts[1].deadline)
    waiting:close()
    assert.equal(200, (ask()))
  end)

  it("is looked up again when nobody is there any more", function()
    later(70, "127.0.0.2") -- the mock listens on 127.0.0.1 alone
    local status, message = ask()
    assert.equal(502, status)
    assert.matches("refused", message)
    later(70, "127.0.0.1")
    assert.equal(200, (ask()))
  end)
end)
