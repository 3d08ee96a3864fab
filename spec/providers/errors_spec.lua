--- What a provider's refusal means: its class, when to come back, and its words made safe to show.

local cjson = require "cjson"
local wire = require("gateway.runtime").wire

local json = cjson.new()

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
      { 400, "This model's maximum context limit is 10", "context_length" },
      { 400, "input length and `max_tokens` exceed context limit: 1 + 2 > 2", "context_length" },
      { 400, "Too many input tokens. Max input tokens: 1", "context_length" },
      { 400, "Malformed input request: expected maxLength: 5, actual: 9", "context_length" },
      { 400, "The input token count (2) exceeds the maximum number of tokens allowed (1).", "context_length" },
      { 400, "too many tokens: size limit exceeded by 1 tokens", "context_length" },
      { 500, "too many tokens", "context_length" },
      { 422, "`inputs` tokens + `max_new_tokens` must be <= 4096", "context_length" },
      { 400, "Prompt contains 9 tokens, too large for model with 8 maximum context", "context_length" },
      { 400, "The prompt is longer than the model's context length", "context_length" },
      { 400, "This model's maximum prompt length is 131072", "context_length" },
      { 400, "the request exceeds the available context size", "context_length" },
      { 400, "maximum input length is 8192 tokens", "context_length" },
      { 400, "Input tokens exceed the configured limit of 1 tokens", "context_length" },
      { 400, "prompt tokens (300000) exceed model maximum (200000)", "context_length" },
      { 429, "Too many tokens, please wait before trying again.", "rate_limited" },
      { 400, "ResponsibleAIPolicyViolation", "content_filter" },
      { 400, "Your request was rejected as a result of our safety system", "content_filter" },
      { 400, "Invalid prompt: your prompt was flagged as potentially violating our usage policy", "content_filter" },
      { 403, "Content violates usage guidelines", "content_filter" },
      { 402, "", "quota" },
      { 429, "Monthly spend limit reached", "quota" },
      { 403, "This method requires billing to be enabled", "quota" },
      { 429, "Rate limit reached for gpt-4o. You can raise it at https://platform.openai.com/account/billing", "rate_limited" },
      { 403, "API rate limit exceeded", "rate_limited" },
      { 500, "rate_limit_error: slow down", "rate_limited" },
      { 503, "Quota exceeded for quota metric 'Requests'", "rate_limited" },
      { 429, "Service tier capacity exceeded for this model.", "rate_limited" },
      { 400, "Incorrect API key provided: te***ey", "auth" },
      { 400, "invalid x-api-key", "auth" },
      { 403, "The security token included in the request is invalid.", "auth" },
      { 403, "ExpiredTokenException", "auth" },
      { 503, "This model is currently experiencing high demand", "overloaded" },
      { 503, "We are at capacity", "overloaded" },
      { 503, "The engine is busy", "overloaded" },
      { 503, "Service overload", "overloaded" },
      { 502, "The server is at capacity planning", "unavailable" },
      { 503, "Service Unavailable", "unavailable" },
      { 404, "model 'x' not found, try pulling it first", "model_not_found" },
      { 400, "models/x is not found for API version v1beta", "model_not_found" },
      { 0, "Rate limit reached", "rate_limited" },
      { 0, "overloaded", "overloaded" },
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
    assert.equal("context_length", class(413, "Request body too large for gpt-4o model. Max size: 8000 tokens.", "tokens_limit_reached"))
    assert.equal("overloaded", class(503, "", "NoCapacity"))
    assert.equal("quota", class(400, "", "billing_hard_limit_reached"))
    assert.equal("content_filter", class(400, "", "content_policy_violation"))
    assert.equal("rate_limited", class(429, "", "ThrottlingException"))
    assert.equal("model_not_found", class(404, "", "DeploymentNotFound"))
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
      ["7"] = 7, ["0"] = 0, ["7.66"] = 7.66, ["7.66s"] = 7.66, ["6m0s"] = 360, ["1h0m0s"] = 3600, ["0h2m3s"] = 123, ["120ms"] = 0.12,
      ["2m59.56s"] = 179.56, [" 3 "] = 3,
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

  it("is an hour at most, in whichever form a provider says it", function()
    for _, headers in ipairs {
      { ["retry-after"] = "3601" }, { ["retry-after"] = "2678400" }, { ["retry-after"] = "1h0m1s" }, { ["retry-after-ms"] = "3600001" },
      { ["x-ratelimit-remaining-tokens"] = "0", ["x-ratelimit-reset-tokens"] = "23h59m" },
      { ["anthropic-ratelimit-requests-remaining"] = "0", ["anthropic-ratelimit-requests-reset"] = "1970-01-02T00:00:00Z" },
      { ["retry-after"] = "1000000000" }, { ["retry-after"] = "999999999" }, { ["retry-after-ms"] = "1e15" }, { ["retry-after"] = "1000000h" },
      { ["retry-after"] = "Fri, 31 Dec 2100 23:59:59 GMT" }, { ["x-ratelimit-remaining"] = "0", ["x-ratelimit-reset"] = "4133980799" },
    } do
      assert.equal(3600, after(headers))
    end
    assert.equal(3600, after { ["retry-after"] = "3600" })
    assert.equal(3599, after { ["retry-after-ms"] = "3599000" })
  end)

  it("may be the seconds or milliseconds since 1970 where a limit says it", function()
    local now = 1700000000
    for text, seconds in pairs { ["1700000007"] = 7, ["1700000007500"] = 7.5, ["1600000000"] = 0, ["999999999"] = 3600, ["7"] = 7, ["1m30s"] = 90 } do
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
    for _, reset in ipairs { "1767225660", "1767225660000" } do
      assert.near(60, after({ ["x-ratelimit-remaining"] = "0", ["x-ratelimit-reset"] = reset }, 1767225600), 1e-6)
    end
    assert.equal(0, after({ ["x-ratelimit-remaining"] = "0", ["x-ratelimit-reset"] = "1767225660" }, 1767225700))
  end)

  it("is found in words where no header says it", function()
    local function said(text, status)
      return wire.answer({ client = "openai", vendor = "openai", model = "m", status = status or 429,
        body = '{"error":{"message":"' .. text .. '"}}' }).failure.retry_after_s
    end
    for text, seconds in pairs {
      ["Please retry after 6 seconds."] = 6, ["Please retry after 1 second."] = 1, ["Please retry after 2 minutes."] = 120,
      ["Rate limit reached. Please try again in 7.66s. Need more?"] = 7.66, ["Please try again in 300ms."] = 0.3,
      ["Please try again in 6m0s."] = 360,
      ["Please try again in 8h0m0s."] = 3600, ["Please retry after 90 minutes."] = 3600,
      ["try again in 99999999h"] = 3600, ["Please try again in 20 seconds"] = 20,
    } do
      assert.near(seconds, said(text), 1e-6, text)
    end
    for _, text in ipairs { "retry after a while", "try again in 5", "try again in x", "retry after " } do
      assert.is_nil(said(text), text)
    end
    assert.is_nil(said("the words: try again in 5s", 400))
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

  it("are found in complaints that are no strings", function()
    for body, want in pairs {
      ['{"object":"error","message":{"detail":[{"type":"missing","loc":["body"],"msg":"Field required","input":{}},{"msg":"Too \\u00e4lt"}]}}'] =
        "Field required; Too ält",
      ['{"error":{"message":{"detail":[{"msg":"Extra inputs are not permitted"}]}}}'] = "Extra inputs are not permitted",
      ['{"detail":[{"loc":["body","x"],"msg":"one"},"two",{"message":"three"},7]}'] = "one; two; three",
      ['{"message":{"detail":"it is so"}}'] = "it is so",
      ['{"errors":[{"message":"it is so"}]}'] = "it is so",
      ['{"errors":["a","b"]}'] = "a; b",
      ['[{"error":{"code":400,"message":"it is so"}}]'] = "it is so",
      ['\xef\xbb\xbf{"message":"it is so"}'] = "it is so",
      ['{"error":null,"message":"it is so"}'] = "it is so",
      ['{"error":{"message":""},"detail":"it is so"}'] = "it is so",
      ['{"statusCode":401,"message":"it is so"}'] = "it is so",
    } do
      assert.equal(want, words(body), body)
    end
    assert.equal('{"nothing":"known"}', words '{"nothing":"known"}')
    assert.truthy(#words('{"detail":[' .. ('{"msg":"' .. ("x"):rep(90) .. '"},'):rep(900) .. '{"msg":"y"}]}') <= 2048)
  end)

  it("are ours where the provider has none", function()
    assert.equal("the provider answered 502 with an HTML page", words("\xef\xbb\xbf<!DOCTYPE html><html>secret", 502))
    assert.equal("the provider answered 503 with an HTML page", words("upstream error\n<HTML><body>secret", 503))
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
      ["token eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl is bad"] = "token *** is bad",
      ["ya29.a0AfH6SMB is bad"] = "*** is bad",
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

-- ------------------------------------------------------------------ to the client

describe("a refusal of an OpenAI-compatible server", function()
  local function refused(status, body, headers)
    return wire.answer({ client = "openai", vendor = "openai", model = "m", status = status, body = body, headers = headers }).failure
  end
  local function said(status, body)
    local failure = refused(status, body)
    local error = json.decode(failure.body).error
    return { failure.status, failure.kind, error.type, error.param, error.code, error.message }
  end

  it("keeps what it says in the shape that SDKs know", function()
    local null = cjson.null
    for _, case in ipairs {
      { 400, '{"error":{"message":"m","type":"BadRequestError","param":null,"code":400}}', 400, "invalid_request", "invalid_request_error", null, "400" },
      { 400, '{"object":"error","message":"m","type":"BadRequestError","param":"stop","code":40001}', 400, "invalid_request",
        "invalid_request_error", "stop", "40001" },
      { 401, '{"error":"Unauthorized"}', 401, "auth", "authentication_error", null, "invalid_api_key", "Unauthorized" },
      { 401, '{"statusCode":401,"message":"m"}', 401, "auth", "authentication_error", null, "invalid_api_key" },
      { 401, '{"message":"Unauthorized","request_id":"r"}', 401, "auth", "authentication_error", null, "invalid_api_key", "Unauthorized" },
      { 403, '{"error":{"code":"unsupported_country","message":"m"}}', 403, "auth", "permission_error", null, "permission_denied" },
      { 404, '{"error":{"code":"model_not_found","message":"m"}}', 404, "model_not_found", "invalid_request_error", "model", "model_not_found" },
      { 413, '{"error":{"message":"m","type":"invalid_request_error"}}', 413, "invalid_request", "invalid_request_error", null, null },
      { 409, '{"error":{"message":"m"}}', 400, "invalid_request", "invalid_request_error", null, null },
      { 422, '{"detail":[{"loc":["body","n"],"msg":"m"}]}', 400, "invalid_request", "invalid_request_error", null, null },
      { 400, '{"error":{"message":"m","type":"invalid_request_error","param":"max_tokens","code":"unsupported_parameter"}}', 400,
        "invalid_request", "invalid_request_error", "max_tokens", "unsupported_parameter" },
      { 400, '{"error":{"message":"m","code":"content_filter","status":400,"innererror":{"code":"ResponsibleAIPolicyViolation"}}}', 400,
        "content_filter", "invalid_request_error", null, "content_filter" },
      { 429, '{"error":{"message":"m","type":"insufficient_quota","code":"insufficient_quota"}}', 429, "quota", "insufficient_quota", null,
        "insufficient_quota" },
      { 429, '{"error":{"message":"m","type":"requests","code":"rate_limit_exceeded"}}', 429, "rate_limited", "rate_limit_error", null,
        "rate_limit_exceeded" },
      { 402, '{"error":{"code":402,"message":"m","metadata":{}}}', 429, "quota", "insufficient_quota", null, "insufficient_quota" },
      { 403, '{"error":{"code":403,"message":"m","metadata":{"reasons":["violence"],"flagged_input":"x"}}}', 400, "content_filter",
        "invalid_request_error", null, "content_filter" },
      { 400, '{"error":{"code":400,"message":"m","metadata":{"raw":"{\\"error\\":{\\"message\\":\\"maximum context length is 5\\"}}"}}}', 400,
        "context_length", "invalid_request_error", "messages", "context_length_exceeded" },
      { 500, '[{"error":{"code":429,"message":"m","status":"X"}}]', 429, "rate_limited", "rate_limit_error", null, "rate_limit_exceeded" },
      { 500, '{"error":{"message":"m","type":"server_error"}}', 502, "unavailable", "server_error", null, "upstream_error" },
      { 503, '{"error":{"message":"m","type":"server_error"}}', 503, "unavailable", "server_error", null, "upstream_error" },
      { 504, "m", 504, "timeout", "timeout_error", null, "upstream_timeout" },
      { 524, "m", 504, "timeout", "timeout_error", null, "upstream_timeout" },
      { 521, "m", 502, "unavailable", "server_error", null, "upstream_error" },
      { 500, "m", 502, "unavailable", "server_error", null, "upstream_error" },
      { 529, "m", 503, "overloaded", "server_error", null, "overloaded" },
      { 400, '{"error":{"message":"m","param":7,"code":{"a":1}}}', 400, "invalid_request", "invalid_request_error", null, null },
      { 400, '{"error":{"message":"m","param":"' .. ("p"):rep(999) .. '","code":"' .. ("c"):rep(999) .. '"}}', 400, "invalid_request",
        "invalid_request_error", null, null },
    } do
      local status, body = table.unpack(case, 1, 2)
      assert.same({ case[3], case[4], case[5], case[6], case[7], case[8] or "m" }, said(status, body), body)
    end
  end)

  it("keeps its status where it is a page, plain text or nothing (U22)", function()
    for status, own in pairs { [502] = 502, [503] = 503, [504] = 504 } do
      for _, body in ipairs { "<html><body>" .. ("secret "):rep(9000) .. "</body></html>", "", " \n", ("x"):rep(9000), "\xff\xfe\0\1" } do
        local failure = refused(status, body)
        assert.equal(own, failure.status)
        local error = json.decode(failure.body).error
        assert.is_string(error.message)
        assert.is_truthy(#error.message > 0 and #error.message <= 2048 and utf8.len(error.message))
        assert.is_nil(error.message:find "secret")
        assert.is_nil(error.message:find "%c")
        assert.same({ cjson.null, "string" }, { error.param, type(error.code) })
      end
    end
  end)

  it("cut in its middle is still of its class", function()
    assert.same({ "auth", 401 }, { refused(401, '{"error":{"message":"Incorr').kind, refused(401, '{"err').status })
    assert.equal("rate_limited", refused(429, "").kind)
    assert.equal("context_length", refused(400, '{"error":{"message":"This model\'s maximum context length is').kind)
  end)
end)
