--- Content that only its own dialect understands: a wire of another leaves it out, and says so.
local cjson = require "cjson"
local wire = require("gateway.runtime").wire

local function dropped_by(vendor, body, client)
  local text, dropped = wire.encode { client = client, vendor = vendor, model = "claude-sonnet-4-5", body = cjson.encode(body) }
  assert.is_string(text, type(dropped) == "table" and dropped.message or nil)
  assert.is_nil(text:find("only-mine", 1, true))
  assert.is_truthy(text:find("and this", 1, true))
  return dropped
end

local function said(part)
  return { model = "m", max_tokens = 9, messages = { { role = "user", content = { part, { type = "text", text = "and this" } } } } }
end

describe("content of another dialect", function()
  for _, vendor in ipairs { "anthropic", "gemini", "bedrock", "cohere", "ollama" } do
    it("is left out by its name for " .. vendor, function()
      assert.equal("messages.video_url", dropped_by(vendor, said { type = "video_url", video_url = { url = "only-mine" } }))
      assert.equal("messages.content", dropped_by(vendor, said { anything = "only-mine" }))
    end)
  end

  it("is left out by its name where Anthropic's clients ask others", function()
    for _, vendor in ipairs { "openai", "gemini", "bedrock", "cohere", "ollama" } do
      assert.equal("messages.container_upload", dropped_by(vendor, said { type = "container_upload", file_id = "only-mine" }, "anthropic"))
    end
  end)

  it("stays with those who know it", function()
    local text = wire.encode { vendor = "groq", model = "m", body = cjson.encode(said { type = "video_url", video_url = { url = "mine" } }) }
    assert.is_truthy(text:find("video_url", 1, true))
  end)

  it("is no parameter where an assistant said it: another house ran that tool", function()
    local body = said { type = "text", text = "and this" }
    table.insert(body.messages, { role = "assistant", content = { { type = "server_tool_use", id = "s", name = "only-mine", input = { a = 1 } },
      { type = "text", text = "found" } } })
    table.insert(body.messages, { role = "user", content = "more" })
    assert.equal("", dropped_by("openai", body, "anthropic"))
  end)
end)
