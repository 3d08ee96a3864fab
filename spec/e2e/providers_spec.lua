--- How providers are doing, for people: /providers, and breakers shown and reset.
local launch = require "support.launch"
local pair = require "support.pair"

local CONFIG = [[
return {
  workers = 1,
  providers = {
    good = { kind = "openai", base_url = "%s/v1", key = "sk-good" },
    bad  = { kind = "openai", base_url = "%s/v1", key = { "sk-1-refused", "sk-2-fine" } },
    openai = { key = env "NO_SUCH_KEY" },
  },
  models = {
    fine = { { "good/hello", price = { 1, 2 } } },
    broken = { "bad/fault-status-500" },
    keys = { "bad/hello" },
  },
  breaker = { failures = 3, open = "60s" },
  retry = { attempts = 1 },
}]]

describe("the pages about providers", function()
  local _, gateway, start, stop = pair.of(launch.mock, { config = CONFIG })
  setup(start)
  teardown(stop)

  local function page(name)
    for _, provider in ipairs(gateway:get("/providers"):json().providers) do
      if provider.provider == name then
        return provider
      end
    end
  end

  local function breaker(name)
    return gateway:get("/admin/providers/" .. name .. "/circuit-breaker")
  end

  it("say what each did and cost, and why one is off", function()
    local answer = gateway:chat { model = "fine" }:json()
    local good = page "good"
    assert.same({ "healthy", "closed", 1, 0, 1 }, { good.status, good.breaker, good.requests, good.in_flight, good.success_rate })
    assert.same({ "hello" }, good.models)
    assert.same({ input = answer.usage.prompt_tokens, output = answer.usage.completion_tokens }, good.tokens)
    assert.equal((answer.usage.prompt_tokens + 2 * answer.usage.completion_tokens) / 1e6, good.cost_usd)
    assert.is_truthy(good.latency_ms.p50 > 0)
    local off = page "openai"
    assert.equal("off", off.status)
    assert.matches("OPENAI_API_KEY", off.reason)
  end)

  it("count keys that are set aside", function()
    for _ = 1, 4 do
      gateway:chat { model = "keys" }
    end
    assert.same({ count = 2, set_aside = 1 }, page("bad").keys)
  end)

  it("show an open breaker, target by target, and close it when asked to", function()
    for _ = 1, 3 do
      gateway:chat { model = "broken" }
    end
    local shown = breaker("bad"):json()
    assert.same({ "bad", "open", 3 }, { shown.provider, shown.state, shown.failures })
    assert.is_truthy(shown.retry_in_s > 30)
    assert.matches("^%d+%-%d+%-%d+T", shown.opened_at)
    assert.equal("open", shown.history[#shown.history].state)
    local states = {}
    for _, target in ipairs(shown.targets) do
      states[target.target] = target.state
    end
    assert.equal("open", states["bad/fault-status-500"])
    assert.equal("closed", states["bad/hello"])

    local reset = gateway:request { method = "POST", path = "/admin/providers/bad/circuit-breaker/reset", body = "" }
    assert.equal(200, reset.status)
    assert.equal("closed", reset:json().state)
    assert.equal("closed", breaker("bad"):json().state)
    assert.same({ count = 2, set_aside = 0 }, page("bad").keys)
  end)

  it("know no other provider and no other path", function()
    for _, path in ipairs { "nobody/circuit-breaker", "bad/nothing", "bad", "bad/circuit-breaker/reset" } do
      assert.equal(404, gateway:get("/admin/providers/" .. path).status)
    end
    assert.equal(404, gateway:request({ method = "POST", path = "/admin/providers/nobody/circuit-breaker/reset", body = "" }).status)
  end)
end)
