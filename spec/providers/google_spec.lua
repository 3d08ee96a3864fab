--- Access tokens of Google Cloud: what is asked, what is made of the answer. Signatures are checked by OpenSSL's own program.
local cjson = require "cjson"
local runtime = require "gateway.runtime"
local google = runtime.google
local support = require "support.google"

local WALL <const> = 1800000000

local ACCOUNT = {
  kind = "service_account", origin = "https://oauth2.googleapis.com", path = "/token", token_uri = "https://oauth2.googleapis.com/token",
  client_email = 'robot"@my-project-1.iam', private_key = support.key().pem, private_key_id = "kid-1",
}
local USER = {
  kind = "authorized_user", origin = "http://127.0.0.1:99", path = "/a/b", token_uri = "http://127.0.0.1:99/a/b", client_id = "id 1&x=y",
  client_secret = support.SECRETS.client_secret, refresh_token = support.SECRETS.refresh_token,
}
local METADATA = {
  kind = "metadata", origin = "http://metadata.google.internal", path = "/computeMetadata/v1/instance/service-accounts/default/token",
}

local function with(credential, over)
  local copy = {}
  for name, value in pairs(credential) do
    copy[name] = value
  end
  for name, value in pairs(over) do
    copy[name] = value or nil
  end
  return copy
end

--- Line, headers (names in lower case), body.
local function read(request)
  local head, body = request:match "^(.-)\r\n\r\n(.*)$"
  local headers = {}
  for name, value in head:gmatch "\r\n([^:]+): ([^\r]*)" do
    assert.is_nil(headers[name:lower()])
    headers[name:lower()] = value
  end
  return head:match "^[^\r]*", headers, body
end

local function assertion_of(credential, wall)
  local _, _, body = read(assert(google.request(credential, wall or WALL)))
  return support.form(body).assertion
end

describe("a token of a service account", function()
  it("is asked for with a form of a signed claim", function()
    local line, headers, body = read(google.request(ACCOUNT, WALL))
    assert.equal("POST /token HTTP/1.1", line)
    assert.same({ "oauth2.googleapis.com", "application/x-www-form-urlencoded", "close", tostring(#body) },
      { headers.host, headers["content-type"], headers.connection, headers["content-length"] })
    local form = support.form(body)
    assert.equal("urn:ietf:params:oauth:grant-type:jwt-bearer", form.grant_type)
    form.grant_type, form.assertion = nil, nil
    assert.same({}, form)
  end)

  it("says who, for what, to whom, and from when: a moment ago, for an hour", function()
    local claims, header = support.verify(assertion_of(ACCOUNT))
    assert.same({ alg = "RS256", typ = "JWT", kid = "kid-1" }, header)
    assert.same({ iss = 'robot"@my-project-1.iam', scope = "https://www.googleapis.com/auth/cloud-platform",
      aud = "https://oauth2.googleapis.com/token", iat = WALL - 10, exp = WALL + 3590 }, claims)
  end)

  it("names no key where the file does not", function()
    local _, header = support.verify(assertion_of(with(ACCOUNT, { private_key_id = false })))
    assert.same({ alg = "RS256", typ = "JWT" }, header)
  end)

  it("is signed whatever the length of what is signed", function()
    for pad = 0, 3 do
      assert.equal(("x"):rep(pad + 1), support.verify(assertion_of(with(ACCOUNT, { client_email = ("x"):rep(pad + 1) }))).iss)
    end
  end)

  it("that changed by a letter would not be taken", function()
    local signed = assertion_of(ACCOUNT)
    assert.has_error(function() support.verify((signed:gsub("^e", "f", 1))) end)
  end)

  it("is not asked for without a key that signs", function()
    for _, pem in ipairs { "", "nonsense", support.key().pem:sub(1, 400) } do
      assert.is_nil(google.request(with(ACCOUNT, { private_key = pem }), WALL))
    end
    assert.is_nil(google.request(with(ACCOUNT, { client_email = ("x"):rep(70000) }), WALL))
  end)
end)

describe("a private key", function()
  it("is an RSA key of 2048 bits in PEM", function()
    assert.is_true(runtime.text.is_private_key(support.key().pem))
    assert.is_false(runtime.text.is_private_key(""))
    assert.is_false(runtime.text.is_private_key "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
    assert.is_false(runtime.text.is_private_key(support.key().pem:gsub("\n[^\n]+\n%-", "\n-")))
    assert.is_false(runtime.text.is_private_key(support.other_key "-algorithm RSA -pkeyopt rsa_keygen_bits:1024"))
    assert.is_false(runtime.text.is_private_key(support.other_key "-algorithm EC -pkeyopt ec_paramgen_curve:P-256"))
    assert.is_false(runtime.text.is_private_key(support.other_key "-algorithm RSA -pkeyopt rsa_keygen_bits:2048 -aes-128-cbc -pass pass:x"))
  end)
end)

describe("a token of a user", function()
  it("is asked for with the refresh token, every field encoded", function()
    local line, headers, body = read(google.request(USER, WALL))
    assert.equal("POST /a/b HTTP/1.1", line)
    assert.equal("127.0.0.1:99", headers.host)
    assert.equal(tostring(#body), headers["content-length"])
    assert.same({ grant_type = "refresh_token", client_id = "id 1&x=y", client_secret = support.SECRETS.client_secret,
      refresh_token = support.SECRETS.refresh_token }, support.form(body))
    assert.is_truthy(body:find("client_id=id%201%26x%3Dy&", 1, true), body)
    assert.is_truthy(body:find("refresh_token=1%2F%2F0canary9refresh-Token_x", 1, true), body)
  end)
end)

describe("a token of the machine", function()
  it("is asked for as the metadata server wants it", function()
    local line, headers, body = read(google.request(METADATA, WALL))
    assert.equal("GET " .. METADATA.path .. " HTTP/1.1", line)
    assert.same({ "metadata.google.internal", "Google", "" }, { headers.host, headers["metadata-flavor"], body })
  end)
end)

describe("the answer", function()
  local function answer(over)
    local fields = { access_token = "ya29.c.token-_~+/=.....", expires_in = 3599, token_type = "Bearer" }
    for name, value in pairs(over or {}) do
      fields[name] = value ~= cjson.null and value or nil
    end
    return google.token(cjson.encode(fields))
  end

  it("has a token and how long it is good", function()
    assert.same({ "ya29.c.token-_~+/=.....", 3599 }, { answer() })
    assert.same({ "ya29.c.token-_~+/=.....", 3599 }, { answer { token_type = "bearer", id_token = "x", scope = { 1 } } })
    assert.same({ "ab/c", 1 }, { google.token ' {"token_type":"Bearer","access_token":"a\\u0062\\/c","expires_in":1.0}\r\n' })
  end)

  it("is believed a day at most", function()
    assert.equal(86400, (select(2, answer { expires_in = 1e12 })))
    assert.equal(86400, (select(2, answer { expires_in = 86400 })))
  end)

  it("that lacks anything is none", function()
    for why, cases in pairs {
      ["its answer has no access_token that could be sent"] = { { access_token = cjson.null }, { access_token = "" }, { access_token = 5 },
        { access_token = "a b" }, { access_token = "a\r\nX: y" }, { access_token = "\195\188" }, { access_token = ("x"):rep(8193) } },
      ["the token that it gave is not of type Bearer"] = { { token_type = cjson.null }, { token_type = "MAC" } },
      ["it does not say how long its token is good: expires_in"] = { { expires_in = cjson.null }, { expires_in = 0 }, { expires_in = -5 },
        { expires_in = 1.5 }, { expires_in = "3599" }, { expires_in = 1e300 } },
    } do
      for i, over in ipairs(cases) do
        assert.same({ nil, why }, { answer(over) }, why .. i)
      end
    end
    assert.equal(("x"):rep(8192), (answer { access_token = ("x"):rep(8192) }))
  end)

  it("that is cut anywhere is none", function()
    local whole = '{"access_token":"ya29","expires_in":3599,"token_type":"Bearer"}'
    assert.equal("ya29", (google.token(whole)))
    for length = 0, #whole - 1 do
      assert.same({ nil, "its answer is no JSON object" }, { google.token(whole:sub(1, length)) })
    end
    for _, text in ipairs { "[]", "<html></html>", "null", whole .. "x", "[" .. whole .. "]" } do
      assert.same({ nil, "its answer is no JSON object" }, { google.token(text) })
    end
  end)
end)

describe("a refusal", function()
  local function refusal(status, body, credential)
    credential = credential or ACCOUNT
    return google.refusal(credential, google.request(credential, WALL), status, body)
  end

  it("is told in its own words", function()
    assert.equal("it answered 400: invalid_grant: Invalid JWT Signature.",
      refusal(400, '{"error":"invalid_grant","error_description":"Invalid JWT Signature."}'))
    assert.equal("it answered 401: invalid_client", refusal(401, '{"error":"invalid_client"}'))
    assert.equal("it answered 403: no such account", refusal(403, '{"error":{"code":403,"message":"no such account"}}'))
    assert.equal("it answered 400: a\\b: c \"d\"", refusal(400, [[{"error":"a\\b","error_description":"c \"d\""}]]))
  end)

  it("that is no object is told by its status", function()
    for _, body in ipairs { "", "<html>secret page</html>", "oops", "[]", '{"error":"cut' } do
      assert.equal("it answered 502", refusal(502, body))
    end
  end)

  it("never repeats a secret of the request: whole, in part, encoded", function()
    local function hidden(text, secret, credential)
      local told = refusal(400, cjson.encode { error = "bad", error_description = "you sent " .. text }, credential)
      for at = 1, #secret - 11 do
        assert.is_nil(told:find(secret:sub(at, at + 11), 1, true), told)
      end
      assert.matches("^it answered 400: bad: you sent ", told)
    end
    local assertion = assertion_of(ACCOUNT)
    hidden(assertion, assertion)
    hidden(assertion:match "%.([^.]+)$", assertion)
    hidden(assertion:sub(100, 160), assertion)
    for _, secret in pairs(support.SECRETS) do
      hidden(secret, secret, USER)
      hidden("'" .. secret:sub(4) .. "'", secret, USER)
      hidden(secret:gsub("/", "%%2F"), secret, USER)
    end
  end)
end)

describe("a token's renewal", function()
  it("is 3 min 45 s before its end, and a quarter of its life where that is short", function()
    for life, after in pairs { [3600] = 3375, [3599] = 3374, [86400] = 86175, [900] = 675, [800] = 600, [60] = 45, [4] = 3, [1] = 0.75 } do
      assert.equal(after, google.renew(life))
    end
  end)

  it("comes before the end, and never at once", function()
    for life = 1, 2000 do
      local after = google.renew(life)
      assert.is_truthy(after > 0 and after < life)
    end
  end)
end)

describe("credentials", function()
  it("are told apart by everything that a token depends on", function()
    local seen = { [google.digest(ACCOUNT)] = true, [google.digest(USER)] = true, [google.digest(METADATA)] = true }
    local count = 3
    for _, field in ipairs { "token_uri", "client_email", "private_key", "private_key_id", "client_id", "client_secret", "refresh_token" } do
      local digest = google.digest(with(ACCOUNT, { [field] = "another" }))
      assert.is_nil(seen[digest], field)
      seen[digest], count = true, count + 1
    end
    assert.equal(10, count)
    assert.equal(google.digest(ACCOUNT), google.digest(with(ACCOUNT, {})))
    assert.not_equal(google.digest(with(USER, { client_id = "ab", client_secret = "c" })), google.digest(with(USER, { client_id = "a", client_secret = "bc" })))
  end)
end)
