--- The way of a request: which step follows which, and which are left out when the request is over.

--- Runs the pipeline over steps that answer what `answers` says (name -> list of results, one per call); -> the steps taken.
local function way(answers)
  local taken = {}
  local steps = setmetatable({}, {
    __index = function(_, name)
      return function(request, ...)
        assert.equal("the request", request)
        local count = select("#", ...)
        taken[#taken + 1] = count > 0 and name .. "(" .. table.concat({ tostring((...)) }, ",") .. ")" or name
        local results = answers[name] and table.remove(answers[name], 1) or {}
        return table.unpack(results, 1, results.n or #results)
      end
    end,
  })
  local before = package.loaded["gateway.steps"]
  package.loaded["gateway.steps"], package.loaded["gateway.pipeline"] = steps, nil
  local pipeline = require "gateway.pipeline"
  package.loaded["gateway.steps"], package.loaded["gateway.pipeline"] = before, nil
  pipeline.run "the request"
  return table.concat(taken, " ")
end

describe("the pipeline", function()
  it("identify, admit, route, attempt, settle, record", function()
    assert.equal("identify admit route attempt(plan) settle record",
      way { identify = { { true } }, admit = { { true } }, route = { { "plan" } } })
  end)

  it("a request that is over goes on with settle and record, wherever it ended", function()
    assert.equal("identify settle record", way { identify = { {} } })
    assert.equal("identify admit settle record", way { identify = { { true } }, admit = { {} } })
    assert.equal("identify admit route settle record", way { identify = { { true } }, admit = { { true } }, route = { {} } })
  end)

  it("after each failure recover is asked, and its plan is walked", function()
    assert.equal("identify admit route attempt(one) recover(f1) attempt(two) recover(f2) attempt(three) settle record", way {
      identify = { { true } }, admit = { { true } }, route = { { "one" } },
      attempt = { { "f1", "rest" }, { "f2", "rest" }, {} }, recover = { { "two" }, { "three" } },
    })
  end)

  it("no plan from recover still goes to attempt, which answers with the failure", function()
    assert.equal("identify admit route attempt(one) recover(f1) attempt(nil) settle record", way {
      identify = { { true } }, admit = { { true } }, route = { { "one" } }, attempt = { { "f1", "rest" }, {} }, recover = { {} },
    })
  end)
end)
