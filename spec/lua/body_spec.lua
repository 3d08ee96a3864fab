--- What request.body() is made of: JSON read by the gateway's own reader, as adapters have it.
local body = require "gateway.body"

describe("a request's body for a policy", function()
  it("keeps integers beyond 2^53, lists that are empty and the places of nulls", function()
    local read = body.decode('{"seed":9007199254740993,"tools":[],"stop":["a",null,"b"],"user":null}', "request.body()")
    assert.equal(9007199254740993, read.seed)
    assert.equal("integer", math.type(read.seed))
    assert.equal(0, #read.tools)
    assert.is_nil(next(read.tools))
    assert.same({ 3, "a", false, "b" }, { #read.stop, read.stop[1], read.stop[2], read.stop[3] })
    assert.is_nil(read.user)
  end)

  it("has whole numbers as integers, however they were written", function()
    local read = body.decode('{"a":1.0,"b":1e2,"c":-0.0,"d":0.5,"e":1e300}', "request.body()")
    assert.same({ 1, 100, 0, 0.5, 1e300 }, { read.a, read.b, read.c, read.d, read.e })
    assert.same({ "integer", "integer", "integer", "float", "float" },
      { math.type(read.a), math.type(read.b), math.type(read.c), math.type(read.d), math.type(read.e) })
  end)

  it("is nothing where the text is neither an object nor a list", function()
    for _, text in ipairs { "", "1", '"x"', "null", "{", "[1,]" } do
      assert.is_nil(body.decode(text, "request.body()"))
    end
  end)
end)
