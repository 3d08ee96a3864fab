--- What a provider's refusal means: its class, when to come back, and its words made safe to show.

local wire = require("gateway.runtime").wire

describe("the class of a refusal", function()
  local function class(status, text, code)
    return wire.classify(status, code or "", text or "")
  end

  it("comes from the status where nothing else is known", function()
    local kinds = {
      [400] = "invalid_request", [401] = "auth", [402] = "quota", [403] = "auth", [404] = "model_not_found", [408] = "timeout",
      [413] = "invalid_request", [422] = "invalid_request", [429] = "rate_limited", [498] = "overloaded", [499] = "canceled",
      [500] = "unavailable", [502] = "unavailable", [503] = "unavailable", [504] = "timeout", [520] = "unavailable", [524] = "timeout",
      [529] = "overloaded", [0] = "unavailable", [302] = "unavailable",
    }
    for status, kind in pairs(kinds) do
      assert.equal(kind, class(status), status)
    end
  end)

  it("comes from words where they say more", function()
    local cases = {
      { 400, "This model's maximum context length is 8192 tokens", "context_length" },
      { 400, "prompt is too long: 210000 tokens > 200000 maximum", "context_length" },
      { 413, "Please reduce the length of the messages", "context_length" },
      { 400, "Your credit balance is too low to access the API", "quota" },
      { 429, "You exceeded your current quota, please check your plan and billing details", "quota" },
      { 400, "API key not valid. Please pass a valid API key.", "auth" },
      { 400, "The response was filtered due to the content management policy", "content_filter" },
      { 400, "Output blocked by content filtering policy", "content_filter" },
      { 403, "Your input was flagged by moderation", "content_filter" },
      { 413, "Request too large for model `x` on tokens per minute (TPM)", "rate_limited" },
      { 500, "RESOURCE_EXHAUSTED", "rate_limited" },
      { 503, "The model is overloaded", "overloaded" },
      { 503, "server busy, please try again later. maximum pending requests exceeded", "overloaded" },
      { 400, "on-demand throughput isn't supported", "model_not_found" },
    }
    for _, case in ipairs(cases) do
      assert.equal(case[3], class(case[1], case[2]), case[2])
      assert.equal(case[3], class(case[1], case[2]:upper()), case[2])
    end
  end)

  it("comes from the provider's code", function()
    assert.equal("context_length", class(400, "", "context_length_exceeded"))
    assert.equal("quota", class(429, "", "insufficient_quota"))
    assert.equal("overloaded", class(498, "", "capacity_exceeded"))
    assert.equal("invalid_request", class(400, "a string of at most 10 is expected: maximum context length", "string_above_max_length"))
  end)

  it("does not believe words where they cannot be meant", function()
    assert.equal("auth", class(401, "rate_limit_exceeded"))
    assert.equal("rate_limited", class(429, "maximum context length"))
    assert.equal("invalid_request", class(400, "the value 429 is not allowed"))
    assert.equal("unavailable", class(502, "content_filter"))
  end)
end)

describe("the time to come back", function()
  local function after(headers, now)
    return wire.retry_after(headers, now or 0)
  end

  it("is read in every form", function()
    local forms = {
      ["7"] = 7, ["0"] = 0, ["7.66"] = 7.66, ["7.66s"] = 7.66, ["6m0s"] = 360, ["1h2m3s"] = 3723, ["120ms"] = 0.12, ["2m59.56s"] = 179.56, [" 3 "] = 3,
      ["Thu, 01 Jan 1970 00:02:00 GMT"] = 120, ["1970-01-01T00:02:00Z"] = 120, ["1970-01-01T00:02:00.5Z"] = 120, ["1970-01-01T00:02:00+00:00"] = 120,
    }
    for text, seconds in pairs(forms) do
      assert.near(seconds, after { ["retry-after"] = text }, 1e-5, text)
    end
  end)

  it("is not read from nonsense", function()
    for _, text in ipairs { "soon", "-1", "+1", "1x", "1..2", ".", "s", "1e999", "NaN", ("9"):rep(400), "Thu, 99 Xxx", "1970-01-01T00:02:00-07:00" } do
      assert.is_nil(after { ["retry-after"] = text }, text)
    end
    assert.is_nil(after {})
  end)

  it("is a month at most", function()
    local month = 31 * 86400
    for _, headers in ipairs {
      { ["retry-after"] = "1000000000" }, { ["retry-after"] = "999999999" }, { ["retry-after-ms"] = "1e15" }, { ["retry-after"] = "1000000h" },
      { ["retry-after"] = "Fri, 31 Dec 2100 23:59:59 GMT" }, { ["x-ratelimit-remaining"] = "0", ["x-ratelimit-reset"] = "4133980799" },
    } do
      assert.equal(month, after(headers))
    end
  end)

  it("may be the seconds or milliseconds since 1970 where a limit says it", function()
    local now = 1700000000
    for text, seconds in pairs { ["1700000007"] = 7, ["1700000007500"] = 7.5, ["1600000000"] = 0, ["999999999"] = 31 * 86400, ["7"] = 7, ["1m30s"] = 90 } do
      assert.near(seconds, after({ ["x-ratelimit-remaining"] = "0", ["x-ratelimit-reset"] = text }, now), 1e-5, text)
    end
  end)

  it("is over when its date has passed", function()
    assert.equal(0, after({ ["retry-after"] = "Thu, 01 Jan 1970 00:02:00 GMT" }, 1e6))
  end)

  it("is taken in milliseconds first", function()
    assert.near(0.25, after { ["retry-after-ms"] = "250", ["retry-after"] = "9" }, 1e-6)
    assert.near(9, after { ["retry-after-ms"] = "x", ["retry-after"] = "9" }, 1e-6)
  end)

  it("is when the limit that is used up is free again", function()
    assert.near(6, after { ["x-ratelimit-remaining-requests"] = "0", ["x-ratelimit-reset-requests"] = "6s" }, 1e-6)
    assert.near(60, after { ["x-ratelimit-remaining-tokens"] = "0", ["x-ratelimit-reset-tokens"] = "1m0s",
      ["x-ratelimit-remaining-requests"] = "0", ["x-ratelimit-reset-requests"] = "6s" }, 1e-6)
    assert.near(120, after { ["anthropic-ratelimit-tokens-remaining"] = "0", ["anthropic-ratelimit-tokens-reset"] = "1970-01-01T00:02:00Z" }, 1e-6)
    assert.is_nil(after { ["x-ratelimit-remaining-requests"] = "5", ["x-ratelimit-reset-requests"] = "6s" })
  end)
end)

describe("the words of a refusal", function()
  local function words(body, status)
    return wire.message(body, status or 400)
  end

  it("are found in every shape of body", function()
    for _, body in ipairs {
      '{"error":{"message":"it is so"}}', '{"error":"it is so"}', '{"message":"it is so"}', '{"Message":"it is so"}', '{"detail":"it is so"}',
      '{"type":"error","error":{"type":"x","message":"it is so"}}', '{"object":"error","message":"it is so","code":1}', "it is so", "  it is so\n",
      '{"code":"x","error":"it is so"}',
    } do
      assert.equal("it is so", words(body), body)
    end
    assert.matches("Field required", words '{"object":"error","message":{"detail":[{"type":"missing","msg":"Field required"}]}}')
    assert.matches("Field required", words '{"detail":[{"type":"missing","msg":"Field required"}]}')
    assert.matches("gone", words '[{"error":{"message":"gone"}}]')
  end)

  it("are ours where the provider has none", function()
    assert.equal("the provider answered 502 with an HTML page", words("<html>secret stack</html>", 502))
    assert.equal("the provider answered 503", words("", 503))
    assert.equal("the provider answered 503", words(" \r\n", 503))
  end)

  it("do not show what is known to be secret, in pieces or in base64 either", function()
    local key = "Tr0ub4dor-and-a-horse-Staple9"
    local mime = require "mime"
    for text, want in pairs {
      ["no " .. key .. "!"] = "no ***!", [key] = "***", ["ends in " .. key:sub(-10)] = "ends in ***", ["x" .. key:sub(1, 9)] = "x***",
      [key:sub(1, 7)] = key:sub(1, 7), ["a horse"] = "a horse", [key .. key] = "******", [""] = "", ["-and-a-horse-"] = "***", ["and-a-horse"] = "and-a-horse",
    } do
      assert.equal(want, wire.hide(text, key), text)
    end
    for _, before in ipairs { "", "x", "xy", "xyz", "Bearer ", "user:" } do
      for _, behind in ipairs { "", "1", "22" } do
        local hidden = wire.hide("= " .. mime.b64(before .. key .. behind) .. " =", key)
        assert.is_nil((mime.unb64(hidden:match "= (.-) =":gsub("%*%*%*", "")) or ""):find(key:sub(5, 12), 1, true))
        assert.is_truthy(#hidden < 30, hidden)
        assert.equal(hidden, wire.hide("= " .. mime.b64(before .. key .. behind):gsub("+", "-"):gsub("/", "_") .. " =", key))
      end
    end
    assert.equal("a short one", wire.hide("a short one", "short"))
    assert.equal("as it was", wire.hide("as it was", ""))
  end)

  it("show no secrets", function()
    local secret = "sk-proj-abcDEF123456789"
    for text, want in pairs {
      ["Incorrect API key provided: " .. secret .. "."] = "Incorrect API key provided: ***",
      ["Authorization: Bearer abcd"] = "Authorization: Bearer ***",
      ["x-api-key: a1b2c3d4e5"] = "x-api-key: ***",
      ["api_key=a1b2c3d4e5&x=1"] = "api_key=***&x=1",
      ['\\"key\\": \\"a1b2c3d4e5\\"'] = '"key": "***"',
      ["token 0123456789abcdef0123456789abcdef01 x"] = "token *** x",
      ["gsk_aaaaaaaaaaaa"] = "***",
    } do
      local got = words('{"error":{"message":"' .. text .. '"}}')
      assert.equal(want, got:sub(1, #want))
      assert.is_nil(got:find(secret, 1, true))
      assert.is_nil(got:find("a1b2c3d4e5", 1, true))
    end
  end)

  it("keep words that are no secrets", function()
    for _, text in ipairs {
      "Incorrect API key provided", "Unsupported parameter: 'max_tokens'", "claude-sonnet-4-5-20250929 is not available", "key: expected a string",
      "Rate limit reached for gpt-4o in organization org-1 on tokens per min (TPM): Limit 30000, Used 29000",
    } do
      assert.equal(text, words('{"error":{"message":"' .. text .. '"}}'))
    end
  end)

  it("are short, valid UTF-8 without control bytes", function()
    local long = words('{"message":"' .. ("ä"):rep(5000) .. '"}')
    assert.truthy(#long <= 2048 and #long > 2000)
    assert.truthy(utf8.len(long))
    assert.truthy(utf8.len(words(("\xff\xfe\xc3"):rep(900))))
    assert.equal("a b c", words "a\1b\127c")
    assert.equal("a b", words '{"message":"a\\nb"}')
  end)
end)
