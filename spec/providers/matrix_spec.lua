--- Every dialect against every wire: see matrix_cases.lua. What each pair carries stands in runtime/providers/README.md as this makes it.

local cases = require "providers.matrix_cases"

for _, client in ipairs(cases.clients) do
  for _, wire in ipairs(cases.wires) do
    describe(client .. " -> " .. wire, function()
      for _, feature in ipairs(cases.features) do
        it(feature, function()
          cases.run(client, wire, feature)
        end)
      end
      for _, feature in ipairs { "text", "tools", "parallel", "results", "image", "schema", "thinking" } do
        it(feature .. ", all in escapes", function()
          cases.run_escaped(client, wire, feature)
        end)
      end
    end)
  end
end

for _, client in ipairs { "openai", "anthropic", "responses" } do
  it(client .. " hears calls that come by turns", function()
    cases.run_by_turns(client)
  end)
  for _, wire in ipairs(cases.wires) do
    describe(("parameters, %s -> %s"):format(client, wire), function()
      for _, param in ipairs(cases.params_of(client)) do
        it(param, function()
          cases.run_param(client, wire, param)
        end)
      end
    end)
  end
end

for _, wire in ipairs(cases.wires) do
  for _, client in ipairs(cases.clients) do
    if wire == client then
      describe(client .. " as it came", function()
        for _, feature in ipairs { "text", "tools", "parallel", "results", "image", "image_url", "schema", "thinking" } do
          it(feature, function()
            cases.run_same(client, feature)
          end)
        end
      end)
    end
  end
end

describe("README.md", function()
  it("shows what each pair carries, as it is", function()
    local shown = require "providers.matrix_table"
    assert.equal(shown.make(), shown.shown(), "make it anew: lua5.4 spec/providers/matrix_table.lua")
  end)
end)
