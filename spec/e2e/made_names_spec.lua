--- Names that no config lists are made when a client first asks for them, 4,096 at most: a key that may not use them makes none, looking makes none, and when
-- the table is full the one that was named longest ago gives way, but none that a request holds.
local launch = require "support.launch"
local http = require "support.http"
local pair = require "support.pair"

local CONFIG = [[
return {
  workers = 2,
  policy = "policies/mine.lua",
  providers = {
    lab    = { kind = "openai", base_url = "%s/v1", key = "sk-lab-provider-key" },
    claude = { kind = "anthropic", base_url = "%s", key = "sk-claude-provider-key" },
  },
  keys = { { key = "key-of-none", user = "none", models = { "listed" } }, { key = "key-of-all", user = "all" } },
  models = { listed = { "lab/hello" } },
  admin = { key = "key-of-admin" },
  timeouts = { connect = "60s", first_token = "60s", idle = "60s" },
}]]

-- A name of the flood is made, and no provider is asked. `kept` is a target of an earlier request: what a policy should not do.
local POLICY = [[
local kept
return {
  admit = function(request)
    if request.model:find "flood" and #request.targets == 1 then
      kept = kept or request.targets[1]
      return nil, { status = 429, code = "flooded" }
    end
    return {}
  end,
  route = function(request)
    if request.client.user == "stale" then
      local _ = kept.latency.p50_ms or kept.in_flight
      return { kept, request.targets[1] }
    end
    return request.client.user == "named" and { "lab/hello@named" } or request.targets
  end,
}]]

local COUNT = 4300

describe("a table of made names", function()
  local _, gateway, start, stop = pair.of(launch.mock, { config = CONFIG, policies = { mine = POLICY }, key = "key-of-all" })
  setup(start)
  teardown(stop)

  --- Adds what asks for `COUNT` names on 8 connections to the jobs; every answer has this status.
  local function add_flood(jobs, prefix, key, status, method)
    for part = 1, 8 do
      jobs[#jobs + 1] = function()
        local connection = http.connect { port = gateway.port }
        for i = part, COUNT, 8 do
          local name = ("%s-%d"):format(prefix, i)
          assert(connection:send(http.format { method = method, path = method and "/v1/models/" .. name or "/v1/chat/completions",
            headers = { Authorization = "Bearer " .. key }, body = not method and launch.body { model = name } or nil }))
          local answer = connection:answer():read()
          assert.equal(status, answer.status, answer.body)
        end
        connection:close()
      end
    end
    return jobs
  end

  local function flood(...)
    http.all(add_flood({}, ...))
  end

  local function works(name, fields)
    fields = fields or {}
    fields.model = name
    local answer = gateway:chat(fields)
    assert.equal(200, answer.status, answer.body)
    assert.equal(name, answer.headers["x-provider"] .. "/" .. answer.headers["x-model"])
    assert.equal(name, gateway:record(answer.id).attempts[1].target)
  end

  -- A policy that kept the target of another request, whose place was taken since, fails its own request and no other.
  local function stale()
    local answer = gateway:chat { model = "lab/hello@stale", user = "stale" }
    assert.is_true(answer.status == 200 or answer:json().error.code == "policy_error", answer.body)
  end

  it("is not filled by a key that may use none of them", function()
    flood("lab/none", "key-of-none", 403)
    works "lab/hello@first"
  end)

  it("is not filled by looking", function()
    flood("lab/looked", "key-of-all", 200, "GET")
    works "lab/hello@second"
  end)

  it("gives the place of the one named longest ago to a new one, and of none that is held", function()
    local held = gateway:open_stream { model = "claude/fault-stall-event-6@held" }
    flood("lab/flood", "key-of-all", 429)
    works "lab/hello@third"
    works "claude/hello@third"
    works "lab/hello@first" -- made anew
    works("lab/hello@named", { user = "named" })
    stale()
    flood("claude/flood", "key-of-all", 429)
    works "lab/hello@third"
    held:close()
    assert.equal("claude/fault-stall-event-6@held", gateway:record(held.id).attempts[1].target)
    stale()
    assert.equal(200, gateway:request({ path = "/providers", key = "key-of-admin" }).status)
    assert.equal(200, gateway:chat({ model = "listed" }).status)
  end)

  it("holds while many fill it at once, from all sides", function()
    local jobs = {}
    for part = 1, 16 do
      jobs[part] = function()
        for i = 1, 20 do
          local name = ("%s/hello@%d-%d"):format(part % 2 == 0 and "lab" or "claude", part, i % 4)
          local answer = part % 3 == 0 and gateway:stream { model = name } or gateway:chat { model = name, messages = { { role = "user", content = name } } }
          assert.equal(200, answer.status)
          assert.equal(name, answer.headers["x-provider"] .. "/" .. answer.headers["x-model"])
        end
      end
    end
    add_flood(jobs, "lab/flood-more", "key-of-all", 429)
    jobs[#jobs + 1] = function()
      for _ = 1, 20 do
        assert.equal(200, gateway:request({ path = "/providers", key = "key-of-admin" }).status)
      end
    end
    http.all(jobs)
  end)
end)
