--- What a model may be called: a name whose segments lead elsewhere is another model than a pattern of a key shows.
local configs = require "support.configs"
local runtime = require "gateway.runtime"

local is_model_name = runtime.text.is_model_name

describe("a name of a model", function()
  it("is what models are called", function()
    for _, name in ipairs {
      "gpt-4o", "openai/gpt-4o", "lab/good", "a/b/c", "@cf/meta/llama-3.1-8b-instruct", "accounts/fireworks/models/x", "hf.co/org/model:Q4_K_M",
      "org/.hidden", "org/...", "org/..x", "org/x..", "gpt-4..1", "ft:gpt-4o:acme::AbC", "arn:aws:bedrock:eu-west-1:1234:inference-profile/eu.x-v1:0",
      "models/gemini-2.5-pro", "projects/p/locations/l/endpoints/1", "claude@20250101", "100%", "a%zz", "a%2", "x%20y", "ä/漢字", "model;version=2",
      ("x"):rep(1024),
    } do
      assert.is_true(is_model_name(name), name)
    end
  end)

  it("is none with a segment that leads elsewhere, however it is written", function()
    local ways = { "", ".", "..", "..;x", ".;" }
    local codings = {
      function(text) return text end,
      function(text) return (text:gsub(".", function(byte) return ("%%%02x"):format(byte:byte()) end)) end,
      function(text) return (text:gsub("%.", "%%2E", 1)) end,
    }
    local slashes = { "/", "\\", "%2f", "%2F", "%5c", "%5C" }
    for _, way in ipairs(ways) do
      for _, coding in ipairs(codings) do
        for _, slash in ipairs(slashes) do
          local once = "lab/good" .. slash .. coding(way) .. slash .. "secret"
          local twice = once:gsub("%%", "%%25")
          local thrice = twice:gsub("%%", "%%25")
          for _, name in ipairs { once, twice, thrice, "lab" .. slash .. coding(way), coding(way) .. slash .. "lab" } do
            assert.is_false(is_model_name(name), name)
          end
        end
      end
    end
    for _, name in ipairs { "", "/", "/x", "x/", "//", ".", "..", "%2e%2e", "a/./b", "a/../b", "a//b", "%25252525252e%25252525252e/x", ("x"):rep(1025) } do
      assert.is_false(is_model_name(name), name)
    end
  end)

  it("is none with a control byte or a byte that no text has", function()
    for byte = 0, 255 do
      local odd = byte < 32 or byte == 127 or byte == 0xc0 or byte == 0xc1 or byte > 0xf4
      if odd or byte > 127 then
        assert.equal(not odd, is_model_name("lab/x" .. string.char(byte) .. "y"), byte)
        assert.equal(not odd, is_model_name(("lab/x%%%02xy"):format(byte)), byte)
        assert.equal(not odd, is_model_name(("lab/x%%25%02xy"):format(byte)), byte)
      end
    end
    assert.is_false(is_model_name "lab/good/%c0%ae%c0%ae/secret") -- dots, overlong
  end)

  for what, case in pairs {
    ["a name of a model"] = { 'models = { ["lab/../x"] = { "mock/x" } }', "models.*expected a name without empty, '.' and '..' segments" },
    ["an encoded one"] = { 'models = { ["lab/%2e%2e/x"] = { "mock/x" } }', "models.*without empty, '.' and '..' segments" },
    ["a target"] = { 'models = { good = { "mock/x/../y" } }', "models%.good%[1%]: expected a name without empty, '.' and '..' segments" },
    ["a target in a table"] = { 'models = { good = { { "mock/x//y", weight = 2 } } }', "models%.good%[1%]: expected a name without empty" },
    ["a model of a provider, an Azure deployment"] = { '{ kind = "azure", base_url = "https://x.openai.azure.com", key = "k", models = { [".."] = {} } }',
      "providers%.lab%.models: expected an id without empty", provider = true },
    ["a base URL"] = { '"https://x.example/v1/../admin"', "base_url: expected a URL without empty, '.' and '..' segments in its path", url = true },
    ["an encoded base URL"] = { '"https://x.example/v1/%2e%2E/admin"', "base_url: expected a URL without empty", url = true },
    ["a path of checks"] = { 'check = { path = "/../models" }', "check%.path: expected a path without empty, '.' and '..' segments", check = true },
  } do
    it("is refused at load as " .. what .. " where it leads elsewhere", function()
      local text
      if case.url then
        text = ('return { providers = { lab = { kind = "openai", key = "k", base_url = %s } } }'):format(case[1])
      elseif case.check then
        text = ('return { providers = { lab = { kind = "openai", key = "k", base_url = "http://x/v1", %s } } }'):format(case[1])
      elseif case.provider then
        text = ("return { providers = { lab = %s } }"):format(case[1])
      else
        text = ("return { providers = { mock = {} }, %s }"):format(case[1])
      end
      assert.matches(case[2], configs.complaint(text))
    end)
  end
end)
