--- Every way a provider can answer that is no good answer (rows U23 and later of the matrix of upstream faults).
local fault_matrix = require "support.fault_matrix"

local ROWS = {
  { "U23", "status-400", both = { 400 }, final = true },
  { "U23", "status-401", both = { 401, "invalid_api_key" } },
  { "U23", "status-404", both = { 404, "model_not_found" } },
  { "U23", "status-413", both = { 413, "request_too_large" }, final = true },
  { "U23", "status-422", both = { 400 }, final = true },
  { "U23", "context-length", both = { 400, "context_length_exceeded" } },
  { "U24", "status-408", both = { 504, "upstream_timeout" } },
  { "U24", "status-500", both = { 502, "upstream_error" } },
  { "U24", "status-502", both = { 502, "upstream_error" } },
  { "U24", "status-503", both = { 503, "upstream_error" } },
  { "U24", "status-504", both = { 504, "upstream_timeout" } },
  { "U24", "status-529", both = { 503, "overloaded" } },
  { "U25", "status-429", both = { 429, "rate_limit_exceeded" } },
  { "U25", "quota", both = { 429, "insufficient_quota" } },
  { "U27", "status-302", both = { 502, "upstream_error" } },
  { "U28", "compressed", both = { 502, "upstream_error" } },
  { "U36", "early-413", both = { 413, "request_too_large" }, final = true },
  { "U42", "usage-none", both = 200, estimated = true },
  { "U44", "echo-auth", both = { 401, "invalid_api_key" } },
}

-- The same of another wire, for a client who speaks OpenAI's.
for _, row in ipairs {
  { "U23", "status-400", whole = { 400 }, final = true },
  { "U23", "status-401", whole = { 401, "invalid_api_key" } },
  { "U23", "context-length", whole = { 400, "context_length_exceeded" } },
  { "U24", "status-500", whole = { 502, "upstream_error" } },
  { "U24", "status-529", both = { 503, "overloaded" } },
  { "U25", "status-429", both = { 429, "rate_limit_exceeded" } },
  { "U42", "usage-none", both = 200, estimated = true },
  { "U44", "echo-auth", whole = { 401, "invalid_api_key" } },
} do
  row[2] = "claude/fault-" .. row[2]
  ROWS[#ROWS + 1] = row
end

local run = fault_matrix.new { rows = ROWS, models = [[
    ["pair-500"] = { "bad/fault-status-500", "good/hello" },
    ["pair-reset"] = { "bad/fault-reset-after", "good/hello" },
]] }

describe("a provider that refuses", function()
  setup(function() run:start() end)
  teardown(function() assert.equal(0, run:stop()) end)

  for _, case in ipairs(run.cases) do
    it(case.name, function() run:check(case) end)
  end

  it("U25 passes the provider's hint on, and does not ask again sooner", function()
    local answer = run.gateway:chat { model = "bad/fault-status-429-retry-7" }
    assert.same({ 429, "7" }, { answer.status, answer.headers["retry-after"] })
  end)

  it("U36 is heard when it answers before it has read a large body", function()
    local large = { { role = "user", content = ("word "):rep(2 * 1024 * 1024) } }
    -- The model must stand first, or the provider cannot know it yet.
    local function body(model)
      return ('{"model":"%s","messages":%s}'):format(model, require("cjson").encode(large))
    end
    for _, provider_name in ipairs { "bad", "good" } do
      local refused = run.gateway:chat({}, { body = body(provider_name .. "/fault-early-413") })
      assert.same({ 413, "request_too_large" }, { refused.status, refused:json().error.code })
      assert.equal(502, run.gateway:chat({}, { body = body(provider_name .. "/fault-reset-before") }).status)
    end
  end)

  it("is left alone by a client who wants one target only", function()
    local answer = run.gateway:chat { model = "pair-500", fallback = false }
    assert.same({ 502, "1" }, { answer.status, answer.headers["x-attempts"] })
  end)

  it("does not make a request twice that says it must not be", function()
    local answer = run.gateway:chat { model = "pair-reset", store = true }
    assert.same({ 502, "1" }, { answer.status, answer.headers["x-attempts"] })
    assert.equal(200, run.gateway:chat({ model = "pair-500", store = true }).status)
  end)
end)
