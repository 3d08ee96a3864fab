--- The reference of the config is what its fields say.
local fields = require "gateway.fields"

describe("fields", function()
  it("are in the reference as they are: make reference writes it", function()
    local file = assert(io.open "examples/README.md")
    local text = file:read "a"
    file:close()
    assert.equal(fields.with_reference(text), text)
  end)
end)
