--- The estimate of a prompt's tokens, beside what OpenAI's vocabularies o200k and cl100k make of the same texts.
--
-- The counts were made once with the package js-tiktoken; the bounds are the errors that estimate.c and the README promise.
local cjson = require "cjson"
local wire = require("gateway.runtime").wire

local function estimate(text)
  local body = cjson.encode { model = "m", messages = { { role = "user", content = text } } }
  return wire.facts(body).prompt_tokens - 5 -- one message and the one that is always added
end

-- name, o200k, cl100k, the most it may be off: below, above (of the nearer vocabulary's count on each side)
local SAMPLES = {
  { "en.txt", 113, 113, 0.05, 0.05 },
  { "de.txt", 96, 124, 0.06, 0.05 },
  { "code.c.txt", 1554, 1547, 0.15, 0.15 },
  { "code.lua.txt", 1612, 1611, 0.15, 0.15 },
  { "markdown.txt", 1576, 1574, 0.15, 0.15 },
  { "compact.json.txt", 1802, 1803, 0.15, 0.30 },
  { "indented.json.txt", 1807, 1808, 0.20, 0.30 },
  { "zh.txt", 152, 236, 0.05, 0.05 },
  { "ja.txt", 147, 204, 0.05, 0.05 },
  { "ru.txt", 103, 184, 0.05, 0.05 },
}

describe("the estimate of tokens", function()
  for _, sample in ipairs(SAMPLES) do
    local name, one, other, below, above = table.unpack(sample)
    it("is near for " .. name, function()
      local file <close> = assert(io.open("spec/fixtures/tokens/" .. name))
      local got = estimate(file:read "a")
      local low, high = math.min(one, other), math.max(one, other)
      assert.is_truthy(got >= low * (1 - below) and got <= high * (1 + above), ("%d for %d to %d"):format(got, low, high))
    end)
  end

  it("counts the same however long the text is", function()
    local words = { "word ", "12, ", "{\"a\"}", "\u{4e2d}\u{6587}", "\u{0434}\u{0430}", "é " }
    for _, word in ipairs(words) do
      local long = estimate(word:rep(1000))
      for count = 1, 40 do
        assert.is_truthy(math.abs(estimate(word:rep(count)) - long * count / 1000) <= 1.01)
      end
    end
  end)

  it("grows with messages, tools and images", function()
    local function tokens(body)
      return wire.facts(cjson.encode(body)).prompt_tokens
    end
    local message = { role = "user", content = "hello" }
    local one = tokens { model = "m", messages = { message } }
    assert.equal(one + 5, tokens { model = "m", messages = { message, message } })
    assert.is_truthy(tokens { model = "m", messages = { message }, tools = { { type = "function", ["function"] = { name = "f" } } } } > one)
    local image = { role = "user", content = { { type = "image_url", image_url = { url = "data:image/png;base64," .. ("A"):rep(100000) } } } }
    assert.equal(805, tokens { model = "m", messages = { image } })
  end)
end)
