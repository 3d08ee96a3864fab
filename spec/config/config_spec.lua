--- gateway.lua as people write it: what comes out of it, and what is said of what is wrong.
local config = require "gateway.config"
local configs = require "support.configs"
local env = require "gateway.env"
local leaderboard = require "gateway.leaderboard"
local runtime = require "gateway.runtime"
local url = require "gateway.url"

local KEYS = { OPENAI_API_KEY = "sk-openai", ANTHROPIC_API_KEY = "sk-anthropic" }

local check, build, complaint = configs.check, configs.build, configs.complaint

describe("config: defaults", function()
  it("only providers must be said", function()
    local checked = assert(check "return { providers = { mock = {} } }")
    assert.same({ host = "127.0.0.1", port = 8080, is_loopback = true }, checked.listen)
    assert.same({ connect = 2, tls = 5, headers = 300, first_token = 60, idle = 60, total = 600 }, checked.timeouts)
    assert.same({ attempts = 3, uncertain = true }, checked.retry)
    assert.same({ failures = 5, open = 5 }, checked.breaker)
    assert.equal("round_robin", checked.strategy)
    assert.equal(32 * 1024 * 1024, checked.body_limit)
    assert.equal(0, checked.workers)
  end)

  it("HOST and PORT say where to listen when the file does not", function()
    local variables = { HOST = "127.0.0.2", PORT = "9000" }
    assert.same({ host = "127.0.0.2", port = 9000, is_loopback = true }, check("return { providers = { mock = {} } }", variables).listen)
    assert.equal(81, check('return { listen = "127.0.0.1:81", providers = { mock = {} } }', variables).listen.port)
    assert.equal("::1", check("return { providers = { mock = {} } }", { HOST = "::1" }).listen.host)
  end)

  it("numbers and booleans may come from the environment as text", function()
    local checked = assert(check('return { open = env "OPEN", workers = env "WORKERS", providers = { mock = { enabled = env "ON" } } }',
      { OPEN = "yes", WORKERS = "4", ON = "1" }))
    assert.same({ true, 4, "" }, { checked.open, checked.workers, checked.statuses[1].why_off })
  end)

  it("an address that can be reached from outside wants keys, or open in words", function()
    local listen = 'return { listen = "0.0.0.0:80", providers = { mock = {} }%s }'
    assert.matches("^gateway.lua:1: listen: 0.0.0.0 can be reached from outside", complaint(listen:format ""))
    assert.truthy(check(listen:format ", open = true"))
    assert.truthy(check(listen:format ', keys = { { key = "sk-12345678", user = "a" } }'))
  end)
end)

-- What is written, and what is said of it. Every complaint names file, line, field, and what was expected.
local WRONG = {
  { 'return { providers = { mock = {} }, timeouts = { idle = 12 } }',
    'gateway.lua:1: timeouts.idle: expected a duration such as "500ms", "8s", "5m", "1h" or "1d", got 12' },
  { 'return {\n  providers = {\n    openai = {\n      -- a comment with a }\n      timeout = "soon",\n    },\n  },\n}',
    'gateway.lua:5: providers.openai.timeout: expected a duration such as "500ms", "8s", "5m", "1h" or "1d", got "soon"' },
  { "return { providers = { mock = {} }, modles = {} }", "gateway.lua:1: modles: nobody knows this name (did you mean 'models'?)" },
  { "return { providers = { mock = { bas_url = 1 } } }", "gateway.lua:1: providers.mock.bas_url: nobody knows this name (did you mean 'base_url'?)" },
  { "return { providers = { lab = { kind = 'opnai' } } }", 'providers.lab.kind: expected one of' },
  { "return { providers = { opnai = {} } }", "providers.opnai: nobody knows a provider of this name (did you mean 'openai'?)" },
  { "return { providers = { lab = { kind = 'openai', base_url = 'ftp://x' } } }",
    'providers.lab.base_url: expected a URL that begins with http:// or https://, got "ftp://..."' },
  { "return { providers = { mock = { headers = { Host = 'x' } } } }", "providers.mock.headers.Host: this header is written by the gateway" },
  { "return { providers = { mock = { headers = { X = 'a\\r\\nb' } } } }", "providers.mock.headers.X: expected plain text" },
  { "return { providers = { openai = { key = 'k', region = 'us-east-1' } } }", "providers.openai.region: only bedrock can use it, openai cannot" },
  { "return { providers = { openai = { key = 'k', api_version = 'v1' } } }",
    "providers.openai.api_version: only azure, anthropic can use it, openai cannot" },
  { "return { providers = { mock = { enabled = 'maybe' } } }", 'providers.mock.enabled: expected true, false or "alone", got "maybe"' },
  { "return { providers = { azure = { base_url = 'https://x.openai.azure.com', key = 'k', api_version = 'soon' } } }",
    "providers.azure.api_version: expected a date" },
  { "return { providers = { bedrock = { key = 'k' } } }", "providers.bedrock.region: expected a region" },
  { "return { providers = { bedrock = { key = 'k', region = 'us east' } } }", "providers.bedrock.region: expected letters" },
  { "return { providers = { bedrock = { access_key_id = 'AK', region = 'us-east-1' } } }", "providers.bedrock.secret_access_key: expected the secret" },
  { "return { providers = { vertex_ai = { key = 'ya29.x' } } }", "providers.vertex_ai.project: expected the project's id" },
  { "return { providers = { mock = { limits = { requests = 'five' } } } }", "providers.mock.limits: " },
  { "return { providers = { mock = {} }, cache = {} }", "cache: this version has no response cache" },
  { "return { providers = {} }", "providers: expected a table of providers, one at least" },
  { "return { providers = { mock = {} }, models = { a = { 'mok/x' } } }", "models.a[1]: there is no provider 'mok' (did you mean 'mock'?)" },
  { "return { providers = { mock = {} }, models = { a = { 'x' } } }", 'models.a[1]: expected a target such as "openai/gpt-4o", got "x"' },
  { "return { providers = { mock = {} }, models = {\n a = {} } }", "gateway.lua:2: models.a: expected at least one target" },
  { "return { providers = { mock = {} }, models = { a = { 'mock/x', 'mock/x' } } }", 'models.a[2]: "mock/x" is in this list already' },
  { "return { providers = { mock = {} }, models = { a = { { 'mock/x', weigth = 2 } } } }",
    "models.a[1].weigth: nobody knows this name (did you mean 'weight'?)" },
  { "return { providers = { mock = {} }, models = { a = { 'mock/x', weight = 2 } } }", "models.a: expected a list of targets: { {" },
  { "return { providers = { mock = {} }, models = { a = { { 'mock/x', price = { 1 } } } } }",
    "models.a[1].price: expected at least the prices of input and output" },
  { "return { providers = { mock = {} }, models = { a = { { 'mock/x', capabilities = { 'tool' } } } } }",
    "models.a[1].capabilities[1]: expected one of" },
  { "return { providers = { mock = {} }, keys = { { sha256 = 'abcd', user = 'a' } } }", "64 hex digits (printf %s KEY | sha256sum)" },
  { "return { providers = { mock = {} }, keys = { { user = 'a' } } }", "keys[1]: expected key or sha256: is the environment variable set" },
  { "return { providers = { mock = {} }, keys = { { key = 'short', user = 'a' } } }", "keys[1].key: expected a key of 8 to 512 characters" },
  { "return { providers = { mock = {} }, keys = { { sha256 = 'abc', user = 'a' } } }", "keys[1].sha256: expected the SHA-256 of a key" },
  { "return { providers = { mock = {} }, keys = { { key = '12345678', user = 'a', expires = '2027-02-29' } } }", "keys[1].expires: expected a day" },
  { "return { providers = { mock = {} }, listen = 'x' }", 'listen: expected an address such as "127.0.0.1:8080", got "x"' },
  { "return { providers = { mock = {} }, policy = 'default' }", "policy: expected the file of a policy" },
  { "return { providers = { mock = {} }, body_limit = '3 dogs' }", 'body_limit: expected a size such as "64KB" or "32MB", got "3 dogs"' },
  { "return { providers = { mock = {} }, cors = { origins = 'example.com' } }", "cors.origins[1]: expected an origin" },
  { "return { providers = { mock = {} }, cors = { origins = 'https://*.example.com' } }", "cors.origins[1]: expected an origin" },
  { "return { providers = { mock = {} }, cors = { origins = 'https://example.com:port' } }", "cors.origins[1]: expected an origin" },
  { "return { providers = { mock = {} }, retry = { attempts = 99 } }", "retry.attempts: expected a whole number from 1 to 8, got 99" },
  { "return { providers = { mock = {} }, log = { level = 'loud' } }", 'log.level: expected one of debug, info, warn, error, got "loud"' },
  { "return { providers = { mock = {} }, settings = { f = function() end } }", "settings.f: expected plain data" },
  { "return 5", "gateway.lua: expected a table, got 5" },
}

describe("config: complaints", function()
  for _, case in ipairs(WRONG) do
    it(case[2], function()
      local message = complaint(case[1], KEYS)
      assert.is_truthy(message:find(case[2], 1, true), message)
      assert.is_nil(message:find "\n")
    end)
  end

  it("never shows a key", function()
    local message = complaint "return { providers = { mock = {} }, keys = { { key = 'very secret', user = 'a' } } }"
    assert.is_nil(message:find("secret", 1, true))
    message = complaint "return { providers = { openai = { key = 'also secret' } } }"
    assert.is_nil(message:find("secret", 1, true))
  end)
end)

describe("config: providers", function()
  local function why_off(text, variables)
    local reasons = {}
    for _, status in ipairs(assert(check(text, variables)).statuses) do
      reasons[status.name] = status.why_off
    end
    return reasons
  end

  it("are off without a key, and say which variable is missing", function()
    assert.same({ mock = "", openai = "OPENAI_API_KEY is not set", groq = "enabled = false" },
      why_off "return { providers = { mock = {}, openai = {}, groq = { enabled = false } } }")
    assert.same({ openai = "" }, why_off("return { providers = { openai = {} } }", KEYS))
  end)

  it("alone: on as long as no other is", function()
    local text = "return { providers = { openai = {}, mock = { enabled = 'alone' } } }"
    assert.equal("", why_off(text).mock)
    assert.equal("other providers are on", why_off(text, KEYS).mock)
  end)

  it("do not send a vendor's key elsewhere unless told to", function()
    local checked = assert(check("return { providers = { openai = { base_url = 'http://lab:8000' } } }", KEYS))
    assert.same({}, checked.providers[1].keys)
    assert.equal("", checked.statuses[1].why_off)
  end)

  it("the shipped config needs nothing but the usual variables, each by itself", function()
    local file = assert(io.open "gateway.lua")
    local text = file:read "a"
    file:close()
    for name, lists in pairs {
      openai = { { "OPENAI_API_KEY" } }, anthropic = { { "ANTHROPIC_API_KEY" } }, groq = { { "GROQ_API_KEY" } }, mistral = { { "MISTRAL_API_KEY" } },
      together = { { "TOGETHER_API_KEY" }, { "TOGETHERAI_API_KEY" } }, gemini = { { "GEMINI_API_KEY" }, { "GOOGLE_API_KEY" } },
      cohere = { { "COHERE_API_KEY" }, { "CO_API_KEY" } }, openrouter = { { "OPENROUTER_API_KEY" } }, deepseek = { { "DEEPSEEK_API_KEY" } },
      xai = { { "XAI_API_KEY" } }, github = { { "GITHUB_TOKEN" }, { "GITHUB_API_KEY" } }, vllm = { { "HOSTED_VLLM_API_BASE" } },
      ollama = { { "OLLAMA_HOST" }, { "OLLAMA_API_BASE" } },
      azure = { { "AZURE_API_KEY", "AZURE_API_BASE" }, { "AZURE_OPENAI_API_KEY", "AZURE_OPENAI_ENDPOINT" } },
      bedrock = { { "AWS_BEARER_TOKEN_BEDROCK", "AWS_REGION" }, { "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION" } },
    } do
      for _, list in ipairs(lists) do
        local variables = {}
        for _, variable in ipairs(list) do
          variables[variable] = variable:find "REGION" and "us-east-1" or variable:find "KEY" and "k" or "http://10.0.0.1:8000"
        end
        local on = {}
        for _, provider in ipairs(assert(check(text, variables)).providers) do
          on[#on + 1] = provider.name
        end
        assert.same({ name }, on, list[1])
      end
    end
    assert.equal("", why_off(text).mock) -- and without any of them the mock
  end)

  it("the shipped config leaves AWS alone where its keys are there for something else", function()
    local file = assert(io.open "gateway.lua")
    local text = file:read "a"
    file:close()
    assert.equal("enabled = false", why_off(text, { AWS_ACCESS_KEY_ID = "k", AWS_SECRET_ACCESS_KEY = "k" }).bedrock)
    assert.matches("providers.bedrock.region: expected a region", complaint(text, { AWS_BEARER_TOKEN_BEDROCK = "k" }))
  end)

  it("close the holes that unset variables leave in a pool of keys", function()
    local checked = assert(check "return { providers = { openai = { key = { nil, 'two', nil, 'four' } } } }")
    assert.same({ "two", "four" }, checked.providers[1].keys)
  end)
end)

describe("config: base URLs", function()
  for given, expected in pairs {
    ["https://api.example.com"] = { "https://api.example.com", "/v1" },
    ["https://api.example.com/"] = { "https://api.example.com", "/v1" },
    ["https://api.example.com/v1"] = { "https://api.example.com", "/v1" },
    ["https://api.example.com/v1/"] = { "https://api.example.com", "/v1" },
    ["https://api.example.com/v1/chat/completions"] = { "https://api.example.com", "/v1" },
    ["https://API.example.com:443/openai/v1/"] = { "https://api.example.com", "/openai/v1" },
    ["https://api.example.com/openai"] = { "https://api.example.com", "/openai/v1" },
    ["https://api.example.com/v1beta"] = { "https://api.example.com", "/v1beta" },
    ["http://127.0.0.1:8000/v2"] = { "http://127.0.0.1:8000", "/v2" },
    ["http://[::1]:8000"] = { "http://[::1]:8000", "/v1" },
  } do
    it(given, function()
      assert.same(expected, { url.base(given, "v1") })
    end)
  end

  -- Every vendor's own address, as its documentation shows it: with its version, without, with a slash, with the whole endpoint.
  for kind, addresses in pairs {
    anthropic = { "https://x.test", "https://x.test/v1/", "https://x.test/v1/messages", "https://x.test/v1/messages/count_tokens", path = "/v1" },
    groq = { "https://x.test/openai/v1", "https://x.test/openai/", "https://x.test/openai/v1/chat/completions", path = "/openai/v1" },
    openrouter = { "https://x.test/api", "https://x.test/api/v1/", "https://x.test/api/v1/chat/completions", path = "/api/v1" },
    cohere = { "https://x.test", "https://x.test/v2", "https://x.test/v2/chat", "https://x.test/v2/embed/", path = "/v2" },
    gemini = { "https://x.test", "https://x.test/v1beta/", "https://x.test/v1beta/models/gemini-2.5-pro:generateContent", path = "/v1beta" },
    github = { "https://x.test/inference", "https://x.test/inference/chat/completions", path = "/inference" },
    deepseek = { "https://x.test", "https://x.test/v1", "https://x.test/chat/completions", path = "/v1" },
    ollama = { "https://x.test", "https://x.test/api/", "https://x.test/api/chat", path = "/api" },
    ollama_compat = { "https://x.test", "https://x.test/v1", "https://x.test/v1/chat/completions", path = "/v1" },
    bedrock = { "https://x.test", "https://x.test/model/m/converse", "https://x.test/model/m/converse-stream", path = "" },
    azure = { "https://x.test", "https://x.test/openai", "https://x.test/openai/v1/", "https://x.test/openai/v1/chat/completions?api-version=preview",
      path = "/openai/v1" },
  } do
    it("of " .. kind .. ", however they were pasted", function()
      for _, address in ipairs(addresses) do
        local region = kind == "bedrock" and "'us-east-1'" or "nil"
        local text = ("return { providers = { %s = { base_url = %q, key = 'k', region = %s } } }"):format(kind, address, region)
        local provider = assert(check(text)).providers[1]
        assert.same({ "https://x.test", addresses.path }, { provider.origin, provider.path }, address)
      end
    end)
  end

  it("of Azure want an api-version that is a day", function()
    local text = "return { providers = { azure = { key = 'k', base_url = 'https://x.test', api_version = '%s' } } }"
    for _, version in ipairs { "2024-13-01", "2024-00-10", "2024-10-32", "2024-10", "v2", "2024-10-21-beta" } do
      assert.matches("providers.azure.api_version: expected a date", complaint(text:format(version)))
    end
    for version, dated in pairs { ["2024-10-21"] = true, ["2025-04-01-preview"] = true, v1 = false, preview = false } do
      assert.equal(dated, assert(check(text:format(version))).providers[1].dated_api, version)
    end
  end)

  it("of Azure may bring its api-version, as the portal shows it", function()
    local text = [[return { providers = { azure = { key = 'k', base_url =
      'https://x.test/openai/deployments/prod/chat/completions?api-version=2024-10-21' } } }]]
    local provider = assert(check(text)).providers[1]
    assert.same({ "https://x.test", "/openai", "2024-10-21", true }, { provider.origin, provider.path, provider.api_version, provider.dated_api })
  end)

  it("may come from the environment", function()
    for variable, kind in pairs { OPENAI_BASE_URL = "openai", HOSTED_VLLM_API_BASE = "vllm", AZURE_API_BASE = "azure", OLLAMA_API_BASE = "ollama",
      OLLAMA_HOST = "ollama" } do
      local checked = assert(check(("return { providers = { %s = { key = 'k' } } }"):format(kind), { [variable] = "http://10.0.0.1:8000" }))
      assert.equal("http://10.0.0.1:8000", checked.providers[1].origin, variable)
    end
  end)

  for _, given in ipairs { "", "example.com", "https://", "https://user:pass@example.com", "https://example.com/?key=x", "https://exa mple.com",
    "https://example.com:99999", "https://example.com/\r\nX: y", 12 } do
    it("refuses " .. tostring(given):gsub("%c", "."), function()
      local origin, message = url.base(given, "v1")
      assert.is_nil(origin)
      assert.is_string(message)
    end)
  end
end)

describe("config: models", function()
  local TEXT = [[return {
    providers = { mock = {}, openai = {}, together = {}, lab = { kind = "openai", base_url = "http://lab:1", models = { own = { context = 4096 } } } },
    models = { smart = { { "openai/gpt-5.1", weight = 3 }, "mock/a", "together/off" }, one = "mock/b", gone = { "together/x" }, mine = { "lab/own" } },
  }]]
  local built = build(TEXT, KEYS)

  it("resolve by the config, then provider/model, then the catalog", function()
    assert.same({ "openai/gpt-5.1", "mock/a" }, built:model "smart")
    assert.same({ "mock/b" }, built:model "one")
    assert.same({ "lab/own" }, built:model "mine")
    assert.same({ "openai/gpt-4o" }, built:model "openai/gpt-4o")
    assert.same({ "mock/anything" }, built:model "mock/anything")
    assert.same({ "openai/gpt-4o" }, built:model "gpt-4o")
    assert.same({ "openai/gpt-4o-2024-08-06" }, built:model "gpt-4o-2024-08-06")
  end)

  it("are not there when every target's provider is off, or nobody knows them", function()
    for _, name in ipairs { "gone", "together/x", "claude-sonnet-5", "nonsense", "", "/", "mock/", "nobody/x", "mock/a b", ("x"):rep(5000),
      "mock/" .. ("x"):rep(300) } do
      assert.is_nil(built:model(name))
    end
  end)

  it("auto is every listed target, once", function()
    local auto, seen = built:model "auto", {}
    for _, name in ipairs(auto) do
      assert.is_nil(seen[name])
      seen[name] = true
    end
    assert.is_true(seen["mock/a"] and seen["lab/own"] and seen["openai/gpt-4o"])
    assert.is_nil(seen["together/off"])
  end)

  it("names that are nearly right are suggested", function()
    assert.equal("smart", built:nearest("smrat", 3)[1])
    assert.equal("gpt-4o", built:nearest("gtp-4o", 3)[1])
    assert.equal("openai/gpt-4o", built:nearest("opnai/gpt-4o", 3)[1])
    assert.same({}, built:nearest("something-else-altogether", 3))
    assert.same({}, built:nearest(("x"):rep(10000), 3))
  end)

  it("a target that two lists describe differently is two targets with one name", function()
    local text = [[return { providers = { mock = {} }, models = { a = { { "mock/x", weight = 5 } }, b = { "mock/x" }, c = { { "mock/x", weight = 5 } } } }]]
    local checked = assert(check(text))
    local weights = {}
    for _, model in ipairs(checked.models) do
      weights[model.name] = checked.targets[model.targets[1]].weight
    end
    assert.same({ a = 5, c = 5, auto = 5 }, weights) -- b has none of its own
    assert.equal(2, #checked.targets)
    assert.equal(5, build(text):target("mock/x").weight)
  end)

  it("ad hoc targets are bounded: the one named longest ago gives way", function()
    local many = build "return { providers = { mock = {}, lab = { kind = 'openai', base_url = 'http://lab:1' } } }"
    for i = 1, 10000 do
      local name = (i % 3 == 0 and "lab/n" or "mock/n") .. i
      assert.same({ name }, many:model(name))
      assert.same({ "mock/often" }, many:model "mock/often")
    end
    assert.same({ "mock/n7" }, many:model "mock/n7")
    assert.same({ "lab/n9999" }, many:model "lab/n9999")
  end)
end)

describe("config: facts of a target", function()
  local function target(item, name, variables)
    return build(("return { providers = { mock = {}, openai = {}, lab = { kind = 'openai', base_url = 'http://lab:1' } }, models = { a = { %s } } }")
      :format(item), variables or KEYS):target(name)
  end

  it("come from the catalog, in pico-dollars per token", function()
    local known = target("'openai/gpt-4o'", "openai/gpt-4o")
    assert.same({ 2500000, 10000000, 1250000, -1 }, known.price)
    assert.equal(128000, known.context)
    assert.equal(16384, known.max_output)
  end)

  it("come from the catalog for every vendor that is in it", function()
    for name, price in pairs {
      ["gemini/gemini-2.5-flash"] = { 300000, 2500000, 30000, -1 }, ["cohere/command-a-03-2025"] = { 2500000, 10000000, -1, -1 },
      ["azure/gpt-5-mini"] = { 250000, 2000000, 25000, -1 }, ["bedrock/amazon.nova-pro-v1:0"] = { 800000, 3200000, -1, -1 },
      ["mistral/mistral-embed"] = { 100000, 0, -1, -1 }, ["openai/text-embedding-3-small"] = { 20000, 0, -1, -1 },
      ["ollama/llama3.1"] = { 0, 0, -1, -1 }, ["together/openai/gpt-oss-120b"] = { 150000, 600000, -1, -1 },
      ["deepseek/deepseek-v4-pro"] = { 435000, 870000, 3625, 0 },
    } do
      local kind = name:match "^[^/]+"
      local text = ("return { providers = { %s = { key = 'k' } }, models = { a = { %q } } }"):format(kind, name)
      local variables = { AWS_REGION = "us-east-1", AWS_BEARER_TOKEN_BEDROCK = "k", AZURE_API_BASE = "https://x.test" }
      assert.same(price, build(text, variables):target(name).price, name)
    end
  end)

  it("bare names of the catalog find their vendor, but not what somebody deployed", function()
    local built = build("return { providers = { cohere = {}, gemini = {}, azure = {}, ollama = {}, openai = {} } }", { CO_API_KEY = "k",
      GOOGLE_API_KEY = "k", AZURE_API_KEY = "k", AZURE_API_BASE = "https://x.test", OPENAI_API_KEY = "k" })
    assert.same({ "cohere/command-a-03-2025" }, built:model "command-a-03-2025")
    assert.same({ "gemini/gemini-2.5-pro" }, built:model "gemini-2.5-pro")
    assert.same({ "openai/gpt-4o" }, built:model "gpt-4o")
    assert.same({ "openai/text-embedding-3-small" }, built:model "text-embedding-3-small")
    assert.is_nil(built:model "llama3.1")
  end)

  it("have the rates of long prompts where there are such", function()
    local price = target("'openai/gpt-5.4'", "openai/gpt-5.4").price
    assert.same({ 2500000, 15000000, 250000, -1, 272000, 5000000, 22500000, 500000, -1 }, price)
    assert.equal(4, #target("{ 'openai/gpt-5.4', price = { 1, 2 } }", "openai/gpt-5.4").price) -- who says a price means it
  end)

  it("hold for a dated version as well", function()
    assert.equal(2500000, target("'openai/gpt-4o-2024-08-06'", "openai/gpt-4o-2024-08-06").price[1])
  end)

  it("can be overridden, each by itself", function()
    local own = target("{ 'openai/gpt-4o', price = { 1, 2 }, context = 99, weight = 0.5, timeout = '3s' }", "openai/gpt-4o")
    assert.same({ 1000000, 2000000, -1, -1 }, own.price)
    assert.same({ 99, 0.5, 3, 16384 }, { own.context, own.weight, own.timeout, own.max_output })
    assert.same({ 75000, 300000, 7500, -1 }, target("{ 'mock/x', price = { input = 0.075, output = 0.3, cache_read = 0.0075 } }", "mock/x").price)
  end)

  it("of a stranger's server: what it can do is taken from the catalog, what it costs is not", function()
    local stranger = target("'lab/gpt-4o'", "lab/gpt-4o")
    assert.same({ -1, 128000 }, { stranger.price[1], stranger.context })
    assert.equal(2500000, target("{ 'lab/x', base_model = 'gpt-4o' }", "lab/x").price[1])
  end)

  it("of a base_model are the same whoever else has it", function()
    for _ = 1, 5 do
      assert.equal(150000, target("{ 'lab/x', base_model = 'openai/gpt-oss-120b' }", "lab/x").price[1])
      assert.equal(2500000, target("{ 'lab/x', base_model = 'gpt-4o-2024-08-06' }", "lab/x").price[1])
    end
  end)

  it("unknown models may do everything; a list says what they can, a table what they cannot", function()
    assert.equal(63, target("'mock/x'", "mock/x").capabilities)
    assert.equal(1 + 4, target("{ 'mock/x', capabilities = { 'tools', 'json_schema' } }", "mock/x").capabilities)
    assert.equal(63 - 2, target("{ 'mock/x', capabilities = { vision = false } }", "mock/x").capabilities)
    assert.equal(0, target("{ 'mock/x', capabilities = {} }", "mock/x").capabilities)
  end)
end)

describe("config: request heads", function()
  it("hold everything that does not change: line, host, auth, headers", function()
    local head = build([[return { models = { a = 'lab/x' },
      providers = { lab = { kind = 'openai', base_url = 'http://lab:8000/v1', key = 'sk-x', headers = { ['X-Team'] = 'ml' } } } }]]):target "lab/x"
    assert.matches("^POST /v1/chat/completions HTTP/1%.1\r\nHost: lab:8000\r\n", head.head_json)
    assert.is_truthy(head.head_json:find("\r\nAuthorization: Bearer sk-x\r\n", 1, true))
    assert.is_truthy(head.head_json:find("\r\nX-Team: ml\r\n", 1, true))
    assert.is_truthy(head.head_stream:find("\r\nAccept: text/event-stream\r\n", 1, true))
    assert.matches("\r\n$", head.head_json)
    assert.is_nil(head.head_json:find("\r\n\r\n", 1, true))
  end)

  it("leave the key out where there is a pool of them", function()
    local head = build "return { providers = { openai = { key = { 'one', 'two' } } }, models = { a = 'openai/x' } }":target "openai/x"
    assert.is_nil(head.head_json:lower():find("authorization", 1, true))
  end)
end)

describe("config: users", function()
  local built = build [[return { providers = { mock = {} }, keys = {
    { key = "key-of-alice", user = "alice", tier = "pro", metadata = { team = "x", list = { 1, 2 } }, expires = "2027-01-01" },
    { sha256 = "CF69D77E0F74CDA4366331CEBCD0CB18DDE7F3C8B1D3D2F4B4FE0D7CD7D9A4B6", user = "bob" } } }]]

  it("are found by their key until it expires", function()
    local alice = built:user("key-of-alice", 1798761599)
    assert.same({ "alice", "pro", "alice" }, { alice.user, alice.tier, alice.name })
    assert.matches('"team":"x"', alice.metadata)
    assert.matches('"list":%[1,2%]', alice.metadata)
    assert.is_nil(built:user("key-of-alice", 1798761600))
    assert.is_nil(built:user("key-of-nobody", 0))
    assert.is_nil(built:user("", 0))
  end)
end)

describe("config: settings", function()
  it("cross as text and come out as they were", function()
    local settings = { cure = { context_length = { "a/b" } }, n = 1.5, i = 1 << 40, yes = true, ['odd "key"\n'] = "x\0y", [3] = "three" }
    assert.same(settings, load(config.as_text(settings), "settings", "t", {})())
  end)
end)

describe(".env", function()
  it("is read as Docker and shells write it", function()
    assert.same({ A = "1", B = "two words", C = "as $it stands", D = "x", E = "", F = "a\nb\"c", G = "a#b" }, env.parse(
      "# comment\nA=1\n  export B = \"two words\" # and why\r\nC='as $it stands'\n\nD=x   # y\nE=\nF=\"a\\nb\\\"c\"\nG=a#b\n", ".env"))
    assert.same({ A = "1" }, env.parse("\239\187\191A=1", ".env"))
  end)

  it("names the line that is wrong, and never its value", function()
    for text, expected in pairs {
      ["A=1\nsecret words"] = ".env:2: expected NAME=value", ["1A=secret"] = ".env:1: expected NAME=value",
      ["A='secret"] = ".env:1: a quote is not closed", ['A="secret'] = ".env:1: a quote is not closed",
      ['A="secret" more'] = ".env:1: there is text behind the closing quote",
    } do
      assert.same({ n = 2, nil, expected }, table.pack(env.parse(text, ".env")))
    end
  end)
end)

describe("config: leaderboard", function()
  local TEXT = [[return { leaderboard = "board.json", providers = { mock = {}, other = { kind = "mock" } },
    models = { all = { "mock/hello", "other/hello", { "mock/mine", leaderboard = 7 }, "mock/dated-2024-08-06", "mock/unknown",
      { "mock/deployment", base_model = "hello" } } } }]]

  local function points(board)
    local checked = assert(check(TEXT, nil, { ["board.json"] = board }))
    local found = {}
    for _, target in ipairs(checked.targets) do
      local provider = checked.providers[target.provider]
      found[provider.name .. "/" .. target.model] = target.leaderboard
    end
    return found
  end

  it("gives targets their points, by their own name, their model's or its base model's", function()
    local found = points '{ "hello": 0.5, "other/hello": 0.75, "mine": 1, "dated": 0.25 }'
    assert.equal(0.5, found["mock/hello"])
    assert.equal(0.75, found["other/hello"])
    assert.equal(7, found["mock/mine"], "what gateway.lua says stands over it")
    assert.equal(0.25, found["mock/dated-2024-08-06"])
    assert.equal(0.5, found["mock/deployment"])
    assert.is_nil(found["mock/unknown"])
  end)

  it("brings points of any scale to 0..1", function()
    local found = points '{ "hello": 1200, "other/hello": 1500 }'
    assert.equal(0.8, found["mock/hello"])
    assert.equal(1, found["other/hello"])
  end)

  it("says what is wrong, and where", function()
    for board, expected in pairs {
      ["{"] = '^gateway.lua:1: leaderboard: board.json: expected a JSON object such as { "gpt%-4o": 0.87 }, got no valid JSON',
      ["[1]"] = "^gateway.lua:1: leaderboard: board.json: expected a JSON object",
      ["3"] = "^gateway.lua:1: leaderboard: board.json: expected a JSON object",
      ['{ "hello": "good" }'] = '^gateway.lua:1: leaderboard.hello: expected a number from 0 to 1000000000, got "good"',
      ['{ "hello": -1 }'] = "^gateway.lua:1: leaderboard.hello: expected a number",
      ['{ "hello": NaN }'] = "^gateway.lua:1: leaderboard: board.json: expected a JSON object",
    } do
      assert.matches(expected, complaint(TEXT, nil, { ["board.json"] = board }))
    end
    assert.matches("^gateway.lua:1: leaderboard: board.json: No such file or directory$", complaint(TEXT))
    assert.matches('^gateway.lua:1: leaderboard: expected a file such as "leaderboard.json", a URL, or { url = …, every = "1h" }, got 3$',
      complaint [[return { leaderboard = 3, providers = { mock = {} } }]])
  end)

  local BY_URL = "return { leaderboard = %s, providers = { mock = {} }, models = { all = { 'mock/hello' } } }"

  it("may be fetched: there are no points before the first copy", function()
    local checked = assert(check(BY_URL:format '"https://Example.com:8443/x/board.json"'))
    assert.same({ url = "https://Example.com:8443/x/board.json", origin = "https://example.com:8443", path = "/x/board.json", every = 3600 },
      checked.board)
    assert.is_nil(checked.targets[1].leaderboard)
    checked = assert(check(BY_URL:format '{ url = "http://127.0.0.1:81", every = "90s" }', nil, nil, { ["http://127.0.0.1:81"] = '{ "hello": 0.5 }' }))
    assert.same({ url = "http://127.0.0.1:81", origin = "http://127.0.0.1:81", path = "/", every = 90 }, checked.board)
    assert.equal(0.5, checked.targets[1].leaderboard)
    for _, near in ipairs { "http://localhost/b", "http://[::1]:9/b", "http://127.8.9.1/b" } do
      assert.is_truthy(check(BY_URL:format(("%q"):format(near))), near)
    end
  end)

  it("says what is wrong with a URL, and where", function()
    for said, expected in pairs {
      ['"ftp://example.com/b"'] = "leaderboard.url: expected a URL that begins with http:// or https://",
      ['"http://example.com/b"'] = "leaderboard.url: expected https:// %(http:// only on this machine%)",
      ['"http://127.0.0.1.evil.com/b"'] = "leaderboard.url: expected https://",
      ['"http://localhost.evil.com/b"'] = "leaderboard.url: expected https://",
      ['"https://me:secret@example.com/b"'] = "leaderboard.url: expected a URL with a host and without a user",
      ['{ url = 3 }'] = "leaderboard.url: expected a URL such as",
      ['{ every = "1h" }'] = "leaderboard.url: expected where the board is",
      ['{ url = "https://example.com/b", every = "0s" }'] = 'leaderboard.every: expected a duration from "1s" to "7d", got "0s"',
      ['{ url = "https://example.com/b", every = 3 }'] = 'leaderboard.every: expected a duration such as',
      ['{ url = "https://example.com/b", evry = "1h" }'] = "leaderboard.evry: nobody knows this name %(did you mean 'every'%?%)",
    } do
      assert.matches("^gateway.lua:1: " .. expected, complaint(BY_URL:format(said)))
    end
  end)

  it("tells the house what is wrong with a text that was fetched", function()
    local from = "https://example.com/b"
    assert.is_nil(leaderboard.complaint('{ "hello": 3 }', from))
    assert.is_nil(leaderboard.complaint("{}", from))
    assert.matches("^https://example.com/b: expected a JSON object such as", leaderboard.complaint("<html>", from))
    assert.matches("^https://example.com/b: expected a JSON object such as", leaderboard.complaint("", from))
    assert.matches("^https://example.com/b: hello: expected a number", leaderboard.complaint('{ "hello": [] }', from))
    assert.matches("^https://example.com/b: expected a JSON object", leaderboard.complaint(("["):rep(5000), from))
  end)
end)

describe("config: checks", function()
  local TEXT = [[return { providers = { lab = { kind = "openai", base_url = "http://127.0.0.1:9/v1", check = %s },
    off = { kind = "mock", enabled = false, check = {} }, mock = {} } }]]

  local function checks(said)
    local checked = assert(check(TEXT:format(said)))
    return checked.providers[1].check, checked.providers[2].check
  end

  it("are made only where they are asked for, and have defaults", function()
    local lab, mock = checks "{}"
    assert.same({ path = "/v1/models", every = 10, timeout = 2, fall = 3, rise = 2, expect = {} }, lab)
    assert.is_nil(mock)
    assert.is_nil((checks "nil"))
  end)

  it("take what is said", function()
    assert.same({ path = "/v1/up?deep=1", every = 60, timeout = 0.5, fall = 1, rise = 9, expect = { 204 } },
      (checks '{ path = "/up?deep=1", every = "1m", timeout = "500ms", fall = 1, rise = 9, expect = 204 }'))
    assert.same({ 200, 404 }, (checks "{ expect = { 200, 404 } }").expect)
    assert.equal(1, (checks '{ every = "1s" }').timeout, "no longer than it takes to the next one")
  end)

  it("of Ollama ask where its models are", function()
    local checked = assert(check [[return { providers = { ollama = { check = {} } } }]])
    assert.equal("/api/tags", checked.providers[1].check.path)
  end)

  it("say what is wrong, and where", function()
    for said, expected in pairs {
      ['"10s"'] = 'lab.check: expected a table, got "10s"',
      ['{ every = "0s" }'] = 'lab.check.every: expected a duration from "1s" to "1h", got "0s"',
      ['{ every = "999ms" }'] = 'lab.check.every: expected a duration from "1s" to "1h"',
      ['{ every = "61m" }'] = 'lab.check.every: expected a duration from "1s" to "1h"',
      ['{ every = 10 }'] = 'lab.check.every: expected a duration such as "500ms"',
      ['{ every = "1s", timeout = "2s" }'] = "lab.check.timeout: expected no more than `every`, 1s, got 2s",
      ['{ timeout = "0s" }'] = 'lab.check.timeout: expected a duration from "10ms" to "60s"',
      ['{ path = "models" }'] = 'lab.check.path: expected a path such as "/models", got "models"',
      ['{ path = "/a b" }'] = "lab.check.path: expected a path",
      ['{ path = "/a\\r\\nX: y" }'] = "lab.check.path: expected a path",
      ["{ expect = 99 }"] = "lab.check.expect: expected a whole number from 200 to 599, got 99",
      ["{ expect = { 200, 'ok' } }"] = 'lab.check.expect%[2%]: expected a whole number from 200 to 599, got "ok"',
      ["{ expect = {} }"] = "lab.check.expect: expected 1 to 16 statuses, got 0",
      ["{ fall = 0 }"] = "lab.check.fall: expected a whole number from 1 to 100, got 0",
      ["{ rise = 1.5 }"] = "lab.check.rise: expected a whole number from 1 to 100, got 1.5",
      ['{ evry = "10s" }'] = "lab.check.evry: nobody knows this name %(did you mean 'every'%?%)",
    } do
      assert.matches("^gateway.lua:1: providers." .. expected, complaint(TEXT:format(said)))
    end
  end)
end)

describe("config: prices, LiteLLM's table in place of the catalog", function()
  local TABLE = [[{
    "sample_spec": { "litellm_provider": "one of ...", "mode": "one of ...", "input_cost_per_token": "a number", "max_tokens": "text" },
    "gpt-4o": { "litellm_provider": "openai", "mode": "chat", "input_cost_per_token": 1e-06, "output_cost_per_token": 3e-06,
      "cache_read_input_token_cost": 5e-07, "max_input_tokens": 2000000.0, "max_output_tokens": 1000, "supports_function_calling": true },
    "gpt-new": { "litellm_provider": "openai", "mode": "responses", "input_cost_per_token": 3.625e-09, "output_cost_per_token": 1e-06,
      "input_cost_per_token_above_200k_tokens": 2e-06, "output_cost_per_token_above_200k_tokens": 4e-06,
      "input_cost_per_token_above_500k_tokens": 9e-06, "supports_vision": true },
    "text-embedding-x": { "litellm_provider": "openai", "mode": "embedding", "input_cost_per_token": 2e-08, "max_input_tokens": 10 },
    "dall-e": { "litellm_provider": "openai", "mode": "image_generation", "input_cost_per_pixel": 1e-08 },
    "no-price": { "litellm_provider": "openai", "mode": "chat", "max_tokens": 10 },
    "groq/llama-x": { "litellm_provider": "groq", "mode": "chat", "input_cost_per_token": 5e-08, "output_cost_per_token": 8e-08 },
    "together_ai/org/model": { "litellm_provider": "together_ai", "mode": "chat", "input_cost_per_token": 1e-06, "output_cost_per_token": 1e-06 },
    "command-x": { "litellm_provider": "cohere_chat", "mode": "chat", "input_cost_per_token": 1e-06, "output_cost_per_token": 2e-06 },
    "stranger": { "litellm_provider": "somebody", "mode": "chat", "input_cost_per_token": 1, "output_cost_per_token": 1 },
    "odd": 7, "odder": { "litellm_provider": "openai", "mode": "chat", "input_cost_per_token": -1, "output_cost_per_token": "x" }
  }]]
  local TEXT = "return { providers = { openai = {}, groq = {}, together = {}, cohere = {} }, prices = 'prices.json' }"
  local VARIABLES = { OPENAI_API_KEY = "k", GROQ_API_KEY = "k", TOGETHER_API_KEY = "k", COHERE_API_KEY = "k" }
  local built = assert(runtime.config.build(assert(check(TEXT, VARIABLES, { ["prices.json"] = TABLE })), "gateway.lua"))

  it("says what models cost and can, and which bare names there are", function()
    assert.same({ 1000000, 3000000, 500000, -1 }, built:target("openai/gpt-4o").price)
    assert.same({ 2000000, 1000, 1 }, { built:target("openai/gpt-4o").context, built:target("openai/gpt-4o").max_output,
      built:target("openai/gpt-4o").capabilities })
    assert.same({ "groq/llama-x" }, built:model "llama-x")
    assert.same({ "together/org/model" }, built:model "together/org/model")
    assert.same({ "cohere/command-x" }, built:model "command-x")
    assert.same({ 20000, 0, -1, -1 }, built:target("openai/text-embedding-x").price)
    assert.same({ 3625, 1000000, -1, -1, 200000, 2000000, 4000000, -1, -1 }, built:target("openai/gpt-new").price)
  end)

  it("passes over what it does not know, and the catalog is not asked any more", function()
    for _, name in ipairs { "dall-e", "no-price", "stranger", "odd", "odder", "sample_spec", "gpt-5.1" } do
      assert.is_nil(built:model(name), name)
    end
  end)

  it("that cannot be read is a complaint", function()
    for text, message in pairs { ["[1]"] = "expected a JSON object", ["{"] = "expected a JSON object", ["{}"] = "no model in it has a price" } do
      assert.matches("^gateway.lua:1: prices: prices.json: " .. message, complaint(TEXT, VARIABLES, { ["prices.json"] = text }))
    end
    assert.matches("prices: prices.json: No such file", complaint(TEXT, VARIABLES))
    assert.matches("prices: expected a file such as", complaint("return { providers = { mock = {} }, prices = 3 }"))
  end)
end)

describe("config: credentials of Google Cloud", function()
  local google = require "support.google"
  local TEXT = 'return { providers = {\n  vertex_ai = { credentials = "sa.json"%s },\n} }'
  local BARE = "return { providers = { vertex_ai = {}, mock = {} } }"
  local account, user = google.service_account(), google.user()

  local function credential(text, variables, files)
    for _, provider in ipairs(assert(check(text, variables, files)).providers) do
      if provider.name == "vertex_ai" then
        return provider.credential, provider
      end
    end
  end

  it("are read from the file that the entry names", function()
    local found, provider = credential(TEXT:format "", {}, { ["sa.json"] = account })
    assert.same({ kind = "service_account", client_email = "robot@my-project-1.iam.gserviceaccount.com", private_key = google.key().pem,
      private_key_id = "kid-canary-0123456789", project = "my-project-1", origin = "https://oauth2.googleapis.com", path = "/token",
      token_uri = "https://oauth2.googleapis.com/token" }, found)
    assert.same({ {}, "my-project-1", "global" }, { provider.keys, provider.project, provider.location })
    found, provider = credential(TEXT:format ', project = "other-1", location = "us-east1"', {}, { ["sa.json"] = user })
    assert.same({ kind = "authorized_user", client_id = "12345.apps.googleusercontent.com", client_secret = google.SECRETS.client_secret,
      refresh_token = google.SECRETS.refresh_token, quota_project = "payer-1", origin = "https://oauth2.googleapis.com", path = "/token",
      token_uri = "https://oauth2.googleapis.com/token" }, found)
    assert.same({ "other-1", "us-east1" }, { provider.project, provider.location })
  end)

  it("have a project of their own, under what the config or the environment says", function()
    local files = { ["sa.json"] = account }
    local function project(more, variables)
      return select(2, credential(TEXT:format(more), variables, files)).project
    end
    assert.equal("my-project-1", project("", {}))
    assert.equal("of-env", project("", { VERTEXAI_PROJECT = "of-env" }))
    assert.equal("of-config", project(', project = "of-config"', { VERTEXAI_PROJECT = "of-env" }))
  end)

  it("come from GOOGLE_APPLICATION_CREDENTIALS where nothing else is said", function()
    local files = { ["/etc/sa.json"] = account, ["sa.json"] = google.service_account { client_email = "other@x" } }
    local variables = { GOOGLE_APPLICATION_CREDENTIALS = "/etc/sa.json" }
    assert.matches("^robot@", credential(BARE, variables, files).client_email)
    assert.equal("other@x", credential(TEXT:format "", variables, files).client_email)
    assert.equal("VERTEXAI_ACCESS_TOKEN or GOOGLE_APPLICATION_CREDENTIALS is not set", check(BARE).statuses[2].why_off)
  end)

  it("stand behind a key of the config, and before a token of the environment", function()
    local files = { ["sa.json"] = account }
    local variables = { VERTEXAI_ACCESS_TOKEN = "ya29.env", GOOGLE_APPLICATION_CREDENTIALS = "sa.json", VERTEXAI_PROJECT = "p" }
    local found, provider = credential(TEXT:format ', key = "ya29.config"', variables, files)
    assert.same({ nil, { "ya29.config" } }, { found, provider.keys })
    found, provider = credential(TEXT:format "", variables, files)
    assert.same({ "service_account", {} }, { found.kind, provider.keys })
    found, provider = credential(BARE, variables, files)
    assert.same({ nil, { "ya29.env" } }, { found, provider.keys })
  end)

  it("may be the metadata server's", function()
    local text = 'return { providers = { vertex_ai = { credentials = "metadata", project = "p" } } }'
    local path = "/computeMetadata/v1/instance/service-accounts/default/token"
    assert.same({ kind = "metadata", origin = "http://metadata.google.internal", path = path, token_uri = "http://metadata.google.internal" .. path },
      credential(text, {}))
    assert.equal("http://169.254.169.254:8080", credential(text, { GCE_METADATA_HOST = "169.254.169.254:8080" }).origin)
    assert.equal("gateway.lua: GCE_METADATA_HOST: expected a URL without blanks and control characters", complaint(text, { GCE_METADATA_HOST = "a b" }))
  end)

  it("are not looked at by an entry that is off", function()
    assert.truthy(check "return { providers = { mock = {}, vertex_ai = { credentials = 'gone.json', enabled = false } } }")
    assert.truthy(check("return { providers = { mock = {}, vertex_ai = { enabled = false } } }", { GOOGLE_APPLICATION_CREDENTIALS = "gone.json" }))
  end)

  local WRONG_FILES = {
    { nil, "credentials: sa.json: No such file or directory" },
    { "", "credentials: sa.json: expected a JSON object with credentials of Google Cloud" },
    { "not JSON", "credentials: sa.json: expected a JSON object with credentials of Google Cloud" },
    { account:sub(1, -2), "credentials: sa.json: expected a JSON object with credentials of Google Cloud" },
    { "[" .. account .. "]", "credentials: sa.json: expected a JSON object with credentials of Google Cloud" },
    { account .. (" "):rep(65536), "credentials: sa.json: expected at most 64 KB" },
    { '{"client_id":"x"}', "credentials.type: sa.json: expected the kind of credentials, found nothing" },
    { google.user { type = "external_account" }, 'credentials.type: sa.json: expected "service_account" or "authorized_user"; others are not supported' },
    { google.service_account { type = 5 }, "credentials.type: sa.json: expected text" },
    { google.service_account { client_email = "" }, "credentials.client_email: sa.json: expected text" },
    { google.service_account { private_key = {} }, "credentials.private_key: sa.json: expected text" },
    { google.service_account { private_key = "-----BEGIN canary" },
      "credentials.private_key: sa.json: expected an RSA key of 2048 bits or more in PEM, without a passphrase" },
    { google.service_account { token_uri = "http://oauth2.googleapis.com/token" },
      "credentials.token_uri: sa.json: expected https:// (http:// only on this machine)" },
    { google.service_account { token_uri = "ftp://x" }, "credentials.token_uri: sa.json: expected a URL that begins with http:// or https://" },
    { google.service_account { token_uri = "https://x/y?z" }, "credentials.token_uri: sa.json: expected a URL without a query" },
    { google.service_account { private_key_id = 5 }, "credentials.private_key_id: sa.json: expected text" },
    { google.user { quota_project_id = "a\r\nX: y" }, "credentials.quota_project_id: sa.json: expected a word without blanks" },
    { google.user(), "project: expected the project's id (or VERTEXAI_PROJECT)" },
  }
  for field, what in pairs { client_email = "the account's address", private_key = "the private key" } do
    local text = account:gsub('"' .. field .. '":"[^"]*",?', ""):gsub(",}", "}")
    WRONG_FILES[#WRONG_FILES + 1] = { text, ("credentials.%s: sa.json: expected %s, found nothing"):format(field, what) }
  end
  for field, what in pairs { client_id = "the client's id", client_secret = "the client's secret", refresh_token = "the user's refresh token" } do
    local text = user:gsub('"' .. field .. '":"[^"]*",?', ""):gsub(",}", "}")
    WRONG_FILES[#WRONG_FILES + 1] = { text, ("credentials.%s: sa.json: expected %s, found nothing"):format(field, what) }
  end
  for i, case in ipairs(WRONG_FILES) do
    it(("refuse what is wrong with a file (%d): %s"):format(i, case[2]), function()
      local files = { ["sa.json"] = case[1] }
      local said = complaint(TEXT:format "", {}, files)
      assert.equal("gateway.lua:2: providers.vertex_ai." .. case[2], said:sub(1, #case[2] + 35))
      for _, secret in ipairs { "canary", "PRIVATE", google.key().pem:sub(100, 120) } do
        assert.is_nil(said:find(secret, 1, true), said)
      end
      local variables = { GOOGLE_APPLICATION_CREDENTIALS = "sa.json" }
      if case[2]:find "^project" then -- the config does not mention Vertex
        assert.equal("VERTEXAI_PROJECT is not set", assert(check(BARE, variables, files)).statuses[2].why_off)
        return
      end
      local of_env = assert(check(BARE, variables, files)).statuses[2].why_off -- which may well be meant for other programs
      assert.equal((case[2]:gsub("^credentials", "GOOGLE_APPLICATION_CREDENTIALS")), of_env:sub(1, #case[2] + 19))
    end)
  end

  it("sends the api_version of anthropic", function()
    local checked = check "return { providers = { anthropic = { key = 'k', api_version = '2099-01-01' } } }"
    assert.equal("2099-01-01", checked.providers[1].api_version)
  end)

  it("refuse what is no file's name, without showing it, and other providers", function()
    for _, said in ipairs { account, user, "{canary" } do
      local message = complaint(("return { providers = { vertex_ai = { credentials = %q } } }"):format(said))
      assert.matches("providers.vertex_ai.credentials: expected ", message)
      assert.is_nil(message:find("canary", 1, true))
      assert.is_nil(message:find("PRIVATE", 1, true))
    end
    assert.matches("providers.vertex_ai.credentials: expected a string", complaint "return { providers = { vertex_ai = { credentials = 5 } } }")
    assert.matches("providers.gemini.credentials: only vertex_ai has them",
      complaint "return { providers = { gemini = { credentials = 'sa.json' } } }")
  end)

  it("write no auth into the heads that are made once", function()
    local checked = assert(check(TEXT:format "" :gsub("} }$", "}, models = { a = { 'vertex_ai/gemini-2.5-pro' } } }"), {}, { ["sa.json"] = account }))
    local head = assert(runtime.config.build(checked, "gateway.lua")):target "vertex_ai/gemini-2.5-pro"
    assert.matches("^POST /v1/projects/my%-project%-1/locations/global/publishers/google/models/gemini%-2.5%-pro:generateContent", head.head_json)
    assert.is_nil(head.head_json:lower():find("authorization", 1, true))
  end)
end)
