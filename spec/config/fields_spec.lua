--- The reference of the config is what its fields say.
local fields = require "gateway.fields"
local schema = require "gateway.schema"

-- Checked by what else they may be, not by schema.check: target.lua and limits.lua make their names of the rows.
local BY_HAND = { "capabilities", "limits" }

--- The tables of rows that the checks of the config are made of: all modules are loaded once more.
local function rows_in_use()
  local used, kept, of = {}, {}, schema.of
  for name, module in pairs(package.loaded) do
    if name:find "^gateway%." and name ~= "gateway.fields" and name ~= "gateway.schema" and name ~= "gateway.runtime" then
      kept[name], package.loaded[name] = module, nil
    end
  end
  schema.of = function(rows, own)
    used[rows] = true
    return of(rows, own)
  end
  require "gateway.config"
  schema.of = of
  for name, module in pairs(kept) do
    package.loaded[name] = module
  end
  return used
end

describe("fields", function()
  it("are in the reference as they are: make reference writes it", function()
    local file = assert(io.open "examples/README.md")
    local text = file:read "a"
    file:close()
    assert.equal(fields.with_reference(text), text)
  end)

  it("that a check accepts all have a section in the reference, and a meaning", function()
    local used, listed = rows_in_use(), {}
    for _, name in ipairs(BY_HAND) do
      used[fields[name]] = true
    end
    for _, name in ipairs(fields.SECTIONS) do
      listed[fields[name]] = true
      for _, row in ipairs(fields[name]) do
        assert(not row[2] or row.says, name .. "." .. row[1])
      end
    end
    assert.same(listed, used)
  end)
end)
