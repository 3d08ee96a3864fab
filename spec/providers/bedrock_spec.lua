--- Bedrock's Converse towards the provider: what a chat becomes, and how it is signed. The fixtures hold the common cases; here are the edges.

local cjson = require "cjson"
local encoding = require "support.encoding"
local wire = require("gateway.runtime").wire

local json = cjson.new()
local with = encoding.with

local CLAUDE, OLD_CLAUDE, NEW_CLAUDE = "anthropic.claude-sonnet-4-5-20250929-v1:0", "anthropic.claude-3-haiku-20240307-v1:0", "us.anthropic.claude-opus-4-7"
local NOVA, NOVA_2, GPT, LLAMA = "amazon.nova-pro-v1:0", "us.amazon.nova-2-lite-v1:0", "openai.gpt-oss-120b-1:0", "meta.llama3-3-70b-instruct-v1:0"
local MISTRAL, OLD_MISTRAL = "mistral.mistral-large-2402-v1:0", "mistral.mistral-7b-instruct-v0:2"

local encode, sent, refused = encoding.of("bedrock", CLAUDE)

local function turns(messages, fields)
  return sent('{"model":"m","messages":' .. messages .. "}", fields).messages
end

--- A request with these members and one question, to this model.
local function asked(members, model, fields)
  return sent('{"model":"m",' .. members .. ',"messages":[{"role":"user","content":"u"}]}', with({ model = model }, fields))
end

-- ------------------------------------------------------------------ where to, and who says so

describe("an address", function()
  local function url(model, fields)
    return (wire.head(with({ vendor = "bedrock", model = model, origin = "https://h", key = "k" }, fields)))
  end

  it("names the model, every reserved byte of it escaped", function()
    assert.equal("https://h/model/anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse", url(CLAUDE))
    assert.equal("https://h/model/arn%3Aaws%3Abedrock%3Aeu-west-1%3A1%3Ainference-profile%2Fx~_-.y/converse-stream",
      url("arn:aws:bedrock:eu-west-1:1:inference-profile/x~_-.y", { stream = true }))
    assert.equal("https://h/model/%C3%AB%20%25%3F%23/converse", url "\xc3\xab %?#")
  end)

  it("is one segment of the path, whatever the model is called", function()
    for name, segment in pairs { ["a/../b"] = "a%2F..%2Fb", [".."] = "%2E%2E", ["."] = "%2E", ["a\r\nX: y"] = "a%0D%0AX%3A%20y", ["a%2fb"] = "a%252fb",
      ["a?b#c d"] = "a%3Fb%23c%20d", ["a\0b"] = "a%00b" } do
      assert.equal("https://h/model/" .. segment .. "/converse", url(name))
    end
  end)

  it("is another one for embeddings", function()
    assert.equal("https://h/model/amazon.titan-embed-text-v2%3A0/invoke", url("amazon.titan-embed-text-v2:0", { client = "embeddings" }))
  end)
end)

describe("a request", function()
  it("carries the key where there is one", function()
    local _, headers = wire.head { vendor = "bedrock", model = "m", key = "bedrock-key", access_key_id = "AKIDEXAMPLE", secret_access_key = "s" }
    assert.equal("Authorization: Bearer bedrock-key\r\n", headers)
  end)

  -- The signatures are botocore's for the same requests.
  local VECTORS = {
    { "a model with a colon", { region = "us-east-1", origin = "https://bedrock-runtime.us-east-1.amazonaws.com", model = CLAUDE, body = '{"messages":[]}' },
      "content-type;host;x-amz-date", "b103ed8afc3664d93d04d6a557c1a620a6e218225be2abad17ceda3e1569a3ec" },
    { "temporary credentials, an ARN and no body", { region = "eu-west-1", origin = "https://bedrock-runtime.eu-west-1.amazonaws.com", stream = true, body = "",
      session_token = "tok/en+==", model = "arn:aws:bedrock:eu-west-1:123456789012:application-inference-profile/abc" },
      "content-type;host;x-amz-date;x-amz-security-token", "a3431ff1a5382b716fad2d415f630c83174a2875be399f1c898e374b2536bd0a" },
    { "another host with a port and a path", { region = "us-east-1", origin = "http://127.0.0.1:8099", path = "/base", client = "embeddings", model = "m",
      body = "Zo\xc3\xab" }, "content-type;host;x-amz-date", "3b9d6d8812227abc4b06a0db1709e5d7ad9f5538a4660be7e5c51c57f8ed36bf" },
  }
  for _, case in ipairs(VECTORS) do
    it("is signed without one: " .. case[1], function()
      local call = case[2]
      local _, headers = wire.head(with({ vendor = "bedrock", access_key_id = "AKIDEXAMPLE", wall_s = 1440938160,
        secret_access_key = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY" }, call))
      assert.equal("X-Amz-Date: 20150830T123600Z\r\n" .. (call.session_token and "X-Amz-Security-Token: " .. call.session_token .. "\r\n" or "")
        .. "Authorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/" .. call.region .. "/bedrock/aws4_request, SignedHeaders=" .. case[3]
        .. ", Signature=" .. case[4] .. "\r\n", headers)
    end)
  end

  it("is signed for its very body, path, region and second", function()
    local seen = {}
    for _, fields in ipairs { {}, { body = "b" }, { model = "n" }, { region = "eu-west-1" }, { wall_s = 1440938161 }, { secret_access_key = "t" },
      { origin = "https://i" }, { stream = true }, { session_token = "t" } } do
      local _, headers = wire.head(with({ vendor = "bedrock", access_key_id = "A", secret_access_key = "s", region = "us-east-1", origin = "https://h",
        model = "m", body = "a", wall_s = 1440938160 }, fields))
      local signature = headers:match "Signature=(%x+)\r\n$"
      assert.equal(64, #signature)
      assert.is_nil(seen[signature])
      seen[signature] = true
    end
  end)

  it("is not signed at a time that has no date", function()
    assert.equal("", (select(2, wire.head { vendor = "bedrock", access_key_id = "A", secret_access_key = "s", region = "r", model = "m", wall_s = -5 })))
  end)
end)

-- ------------------------------------------------------------------ conversations

describe("a conversation", function()
  it("begins with the user and takes turns", function()
    assert.same({
      { role = "user", content = { { text = "." } } },
      { role = "assistant", content = { { text = "a" }, { text = "b" } } },
      { role = "user", content = { { text = "c" }, { text = "d" } } },
    }, turns [[ [{"role":"assistant","content":"a"},{"role":"assistant","content":"b"},{"role":"user","content":"c"},{"role":"user","content":"d"}] ]])
    assert.same({ { role = "user", content = { { text = "." } } } }, turns "[]")
  end)

  it("has its system texts apart, or in the first turn of models that know none", function()
    local body = [[{"model":"m","messages":[{"role":"system","content":"s"},{"role":"user","content":"u"},{"role":"developer","content":"d"}]}]]
    local got = sent(body)
    assert.same({ { text = "s" }, { text = "d" } }, got.system)
    assert.same({ { role = "user", content = { { text = "u" } } } }, got.messages)
    got = sent(body, { model = OLD_MISTRAL })
    assert.is_nil(got.system)
    assert.same({ { role = "user", content = { { text = "s" }, { text = "d" }, { text = "u" } } } }, got.messages)
    got = turns([[ [{"role":"system","content":"s"},{"role":"assistant","content":"a"}] ]], { model = OLD_MISTRAL })
    assert.same({ role = "user", content = { { text = "s" } } }, got[1])
  end)

  it("says nothing blank", function()
    for _, blank in ipairs { "", " ", "\\n\\t " } do
      assert.same({ { role = "user", content = { { text = "." } } } }, turns('[{"role":"user","content":"' .. blank .. '"}]'))
      assert.same({ { role = "user", content = { { text = "u" } } } },
        turns('[{"role":"user","content":"u"},{"role":"assistant","content":"' .. blank .. '"}]'))
      assert.is_nil(sent('{"model":"m","messages":[{"role":"system","content":"' .. blank .. '"},{"role":"user","content":"u"}]}').system)
    end
    assert.same({ { text = "(empty)" } }, turns('[{"role":"user","content":""}]', { empty_text_placeholder = "(empty)" })[1].content)
  end)

  it("ends a beginning of the assistant without blanks", function()
    assert.same({ { text = "{" } }, turns([[ [{"role":"user","content":"u"},{"role":"assistant","content":"{ \n"}] ]])[2].content)
    assert.same({ { text = "a\\n" } }, turns([[ [{"role":"user","content":"u"},{"role":"assistant","content":"a\\n"}] ]])[2].content)
  end)

  it("keeps every escape as it stood there", function()
    local _, _, text = sent [[{"model":"m","messages":[{"role":"user","content":"Zo\u00eb \"q\" \\ \ud83d\ude00"}]}]]
    assert.truthy(text:find([[{"text":"Zo\u00eb \"q\" \\ \ud83d\ude00"}]], 1, true))
  end)

  it("has cache points where the client marked them, on models that know them", function()
    local body = [[{"model":"m","tools":[{"type":"function","function":{"name":"f"},"cache_control":{"type":"ephemeral"}}],"messages":[
      {"role":"user","content":[{"type":"text","text":"a","cache_control":{"type":"ephemeral","ttl":"1h"}},{"type":"text","text":"b"}]}]}]]
    local got, dropped = sent(body)
    assert.same({ { text = "a" }, { cachePoint = { type = "default", ttl = "1h" } }, { text = "b" } }, got.messages[1].content)
    assert.same({ cachePoint = { type = "default" } }, got.toolConfig.tools[2])
    assert.equal("", dropped)
    assert.same({ cachePoint = { type = "default" } }, sent(body, { model = NOVA }).messages[1].content[2])
    got, dropped = sent(body, { model = LLAMA })
    assert.same({ { text = "a" }, { text = "b" } }, got.messages[1].content)
    assert.equal("cache_control", dropped)
    got = asked '"cache_control":{"type":"ephemeral"}'
    assert.same({ { text = "u" }, { cachePoint = { type = "default" } } }, got.messages[1].content)
  end)
end)

-- ------------------------------------------------------------------ calls and results in the history

local CALL = '{"id":"%s","type":"function","function":{"name":"f","arguments":"%s"}}'
local function loop(ids, rest)
  local calls = {}
  for i, id in ipairs(ids) do
    calls[i] = CALL:format(id, '{\\"n\\":' .. i .. "}")
  end
  return '[{"role":"user","content":"u"},{"role":"assistant","content":null,"tool_calls":[' .. table.concat(calls, ",") .. "]}" .. (rest or "") .. "]"
end

local function result(id, text)
  return { toolResult = { toolUseId = id, content = { { text = text } } } }
end

describe("a tool loop", function()
  it("answers all calls of a turn at once, before anything else is said", function()
    local got = turns(loop({ "a", "b" }, [[,{"role":"tool","tool_call_id":"a","content":"1"},{"role":"user","content":"and?"},
      {"role":"tool","tool_call_id":"b","content":"2"}]]))
    assert.same({ { toolUse = { toolUseId = "a", name = "f", input = { n = 1 } } }, { toolUse = { toolUseId = "b", name = "f", input = { n = 2 } } } },
      got[2].content)
    assert.same({ result("a", "1"), result("b", "2"), { text = "and?" } }, got[3].content)
    assert.equal(3, #got)
  end)

  it("says which results were lost", function()
    local lost = { toolResult = { toolUseId = "b", content = { { text = "No result" } }, status = "error" } }
    assert.same({ lost, result("a", "1") }, turns(loop({ "a", "b" }, ',{"role":"tool","tool_call_id":"a","content":"1"}'))[3].content)
    assert.same({ lost }, turns(loop { "b" })[3].content)
    assert.same({ lost, { text = "x" } }, turns(loop({ "b" }, ',{"role":"user","content":"x"}'))[3].content)
    assert.same({ result("b", "No result") }, turns(loop { "b" }, { model = LLAMA })[3].content, "a status is not for every model")
  end)

  it("names calls as the API allows, the same for call and result, and never two alike", function()
    local function ids(id, model)
      local got = turns(loop({ id }, ',{"role":"tool","tool_call_id":"' .. id .. '","content":"1"}'), { model = model })
      assert.equal(got[2].content[1].toolUse.toolUseId, got[3].content[1].toolResult.toolUseId)
      return got[2].content[1].toolUse.toolUseId
    end
    assert.equal("call.1:x_-", ids "call.1:x_-")
    for _, id in ipairs { "call 1", "call/1", "caf\xc3\xa9", ("x"):rep(65) } do
      local made = ids(id)
      assert.matches("^[%w_.:-]+$", made)
      assert.truthy(#made <= 64)
    end
    assert.not_equal(ids "call 1", ids "call/1")
    assert.not_equal(ids(("x"):rep(65)), ids(("x"):rep(66)))
    assert.equal("abcDEF123", ids("abcDEF123", MISTRAL))
    assert.matches("^%w%w%w%w%w%w%w%w%w$", ids("call_1", MISTRAL))
    assert.not_equal(ids("call_1", MISTRAL), ids("call_2", MISTRAL))
  end)

  it("takes no arguments for an empty object and refuses what is none", function()
    local function body(text)
      return '{"model":"m","messages":[{"role":"user","content":"u"},{"role":"assistant","tool_calls":[' .. CALL:format("a", text) .. "]}]}"
    end
    assert.matches('"input":{}', (encode(body "")), 1, true)
    assert.matches('"input":{}', (encode(body " ")), 1, true)
    for _, text in ipairs { "[1]", "nope", '{\\"a\\":', "1", ('{\\"a\\":'):rep(60) .. "1" .. ("}"):rep(60) } do
      local complaint = refused(body(text))
      assert.same({ "unsupported_parameter", "messages" }, { complaint.kind, complaint.param })
    end
  end)

  it("has no blank texts in a result, and never an empty one", function()
    local got = turns(loop({ "a" }, [[,{"role":"tool","tool_call_id":"a","content":[{"type":"text","text":" "},{"type":"text","text":"r"}]}]]))
    assert.same({ result("a", "r") }, got[3].content)
    assert.same({ result("a", ".") }, turns(loop({ "a" }, ',{"role":"tool","tool_call_id":"a","content":""}'))[3].content)
  end)

  it("has its cache point behind a result", function()
    local got = turns(loop({ "a" },
      [[,{"role":"tool","tool_call_id":"a","content":[{"type":"text","text":"r","cache_control":{"type":"ephemeral"}}]}]]))
    assert.same({ result("a", "r"), { cachePoint = { type = "default" } } }, got[3].content)
  end)

  it("is bounded", function()
    local ids = {}
    for i = 1, 1001 do
      ids[i] = "i" .. i
    end
    assert.equal("messages", refused('{"model":"m","messages":' .. loop(ids) .. "}").param)
  end)
end)

describe("reasoning of before", function()
  local BLOCKS = [[{"role":"assistant","thinking_blocks":[{"type":"thinking","thinking":"t\n\u00eb","signature":"s/+=\u003d"},
    {"type":"redacted_thinking","data":"QUI="}],"content":null,"tool_calls":[]] .. CALL:format("a", "") .. "]}"
  local function history(members)
    return '{"model":"m"' .. members .. ',"messages":[{"role":"user","content":"u"},' .. BLOCKS .. ',{"role":"tool","tool_call_id":"a","content":"1"}]}'
  end

  it("goes back first, byte for byte, while the model thinks", function()
    local got, _, text = sent(history ',"reasoning_effort":"low"')
    local signed = [[{"reasoningContent":{"reasoningText":{"text":"t\n\u00eb","signature":"s/+=\u003d"}}}]]
    assert.truthy(text:find(signed .. ',{"reasoningContent":{"redactedContent":"QUI="}},{"toolUse"', 1, true))
    assert.same({ type = "enabled", budget_tokens = 1024 }, got.additionalModelRequestFields.thinking)
  end)

  it("stays away when it does not, or is another family's", function()
    assert.equal(1, #sent(history "").messages[2].content)
    assert.equal(1, #sent(history ',"reasoning_effort":"low"', { model = GPT }).messages[2].content)
  end)

  it("that was lost in the middle of a loop turns thinking off", function()
    local results = ',{"role":"tool","tool_call_id":"a","content":"1"}'
    local got, dropped = sent('{"model":"m","reasoning_effort":"high","messages":' .. loop({ "a" }, results) .. "}")
    assert.is_nil(got.additionalModelRequestFields)
    assert.equal("reasoning_effort", dropped)
  end)

  it("without a signature is left out", function()
    local got = turns [[ [{"role":"user","content":"u"},{"role":"assistant","reasoning_content":"r","content":"a"},{"role":"user","content":"v"}] ]]
    assert.same({ { text = "a" } }, got[2].content)
  end)
end)

-- ------------------------------------------------------------------ pictures and files

describe("pictures and files", function()
  local function body(part)
    return '{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"?"},' .. part .. "]}]}"
  end
  local function image(url)
    return body('{"type":"image_url","image_url":{"url":"' .. url .. '","detail":"low"}}')
  end
  local function file(name, url)
    return ('{"type":"file","file":{"filename":"%s","file_data":"%s"}}'):format(name, url)
  end

  it("go as bytes", function()
    for type, format in pairs { ["image/png"] = "png", ["image/jpeg"] = "jpeg", ["image/jpg"] = "jpeg", ["image\\/gif"] = "gif", ["image/webp"] = "webp" } do
      assert.same({ image = { format = format, source = { bytes = "QU/D" } } }, sent(image("data:" .. type .. ";base64,QU\\/D")).messages[1].content[2])
    end
    assert.same({ document = { format = "pdf", name = "a", source = { bytes = "QUJD" } } },
      sent(body(file("a.pdf", "data:application/pdf;base64,QUJD"))).messages[1].content[2])
  end)

  it("are refused otherwise, and the parameter is named", function()
    for _, text in ipairs { image "https://x/y.png", image "http://x/y.png", image "data:image/png,raw", image "data:image/bmp;base64,QQ==", image "",
      body '{"type":"file","file":{"file_id":"f"}}', body(file("a.zip", "data:application/zip;base64,QQ==")), body(file("a.pdf", "https://x/a.pdf")),
      body '{"type":"input_audio","input_audio":{"data":"QQ==","format":"wav"}}' } do
      local complaint = refused(text)
      assert.same({ "unsupported_parameter", "messages" }, { complaint.kind, complaint.param })
      assert.truthy(#complaint.message > 10)
    end
  end)

  it("have names that the API takes, each one once", function()
    local parts = {}
    for i, name in ipairs { "a.pdf", "a.pdf", "a (2).pdf", "year_2026  end/x?.pdf", "", "\\u00eb.pdf", "..." } do
      parts[i] = file(name, "data:application/pdf;base64,QUJD")
    end
    local names = {}
    for i, block in ipairs(sent(body(table.concat(parts, ","))).messages[1].content) do
      names[i - 1] = block.document and block.document.name
    end
    assert.same({ "a", "a (2)", "a (2) (2)", "year 2026 end-x-", "document", "-", "--" }, names)
    for i = 1, #names do
      assert.matches("^[%w%-%(%)%[%] ]+$", names[i])
      assert.is_nil(names[i]:find "  ")
      for k = 1, i - 1 do
        assert.not_equal(names[k], names[i])
      end
    end
  end)

  it("tell their format by their name where the type does not", function()
    assert.equal("docx", sent(body(file("a.DOCX", "data:application/octet-stream;base64,QQ=="))).messages[1].content[2].document.format)
  end)

  it("have a text beside them", function()
    local got = sent('{"model":"m","messages":[{"role":"user","content":[' .. file("a.csv", "data:text/csv;base64,QQ==") .. "]}]}")
    assert.same({ text = "." }, got.messages[1].content[2])
    assert.equal(2, #sent(body(file("a.csv", "data:text/csv;base64,QQ=="))).messages[1].content)
  end)

  it("are not countless", function()
    local parts = {}
    for i = 1, 102 do
      parts[i] = file("same.pdf", "data:application/pdf;base64,QQ==")
    end
    assert.equal("messages", refused(body(table.concat(parts, ","))).param)
  end)
end)

-- ------------------------------------------------------------------ tools and formats

local TOOLS = '"tools":[{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object"},"strict":true}},'
  .. '{"type":"function","function":{"name":"g h"}}]'
local TOOL_LOOP = loop({ "a" }, ',{"role":"tool","tool_call_id":"a","content":"1"}')

describe("tools", function()
  it("have a schema in any case, and strictness where it is known", function()
    local got, dropped = asked(TOOLS)
    assert.same({ name = "f", description = "d", inputSchema = { json = { type = "object" } }, strict = true }, got.toolConfig.tools[1].toolSpec)
    assert.same({ json = { type = "object", properties = {} } }, got.toolConfig.tools[2].toolSpec.inputSchema)
    assert.is_nil(got.toolConfig.tools[2].toolSpec.description)
    assert.is_nil(got.toolConfig.toolChoice)
    assert.equal("", dropped)
    got, dropped = asked(TOOLS, LLAMA)
    assert.is_nil(got.toolConfig.tools[1].toolSpec.strict)
    assert.equal("strict", dropped)
  end)

  it("have names that the API takes, and their own in the answer", function()
    local body = '{"model":"m",' .. TOOLS .. ',"tool_choice":{"type":"function","function":{"name":"g h"}},"messages":[{"role":"user","content":"u"}]}'
    local got = sent(body)
    local name = got.toolConfig.tools[2].toolSpec.name
    assert.matches("^[%w_-]+$", name)
    assert.same({ tool = { name = name } }, got.toolConfig.toolChoice)
    local answer = wire.answer { vendor = "bedrock", model = CLAUDE, request = body, id = "i", created = 1,
      body = json.encode { stopReason = "tool_use",
        output = { message = { content = { { toolUse = { toolUseId = "t", name = name, input = { a = 1 } } } } } } } }
    assert.equal("g h", json.decode(answer.out).choices[1].message.tool_calls[1]["function"].name)
  end)

  it("may be left to the model, wanted or named", function()
    assert.same({ auto = {} }, asked(TOOLS .. ',"tool_choice":"auto"').toolConfig.toolChoice)
    for _, model in ipairs { CLAUDE, NOVA, MISTRAL } do
      assert.same({ any = {} }, asked(TOOLS .. ',"tool_choice":"required"', model).toolConfig.toolChoice)
      assert.same({ tool = { name = "f" } }, asked(TOOLS .. ',"tool_choice":{"type":"function","function":{"name":"f"}}', model).toolConfig.toolChoice)
    end
    local got, dropped = asked(TOOLS .. ',"tool_choice":"required"', LLAMA)
    assert.same({ auto = {} }, got.toolConfig.toolChoice)
    assert.equal("tool_choice, strict", dropped)
  end)

  it("are left out for the choice none, unless the history has calls", function()
    local got, dropped = asked(TOOLS .. ',"tool_choice":"none"')
    assert.is_nil(got.toolConfig)
    assert.equal("", dropped)
    got, dropped = sent('{"model":"m",' .. TOOLS .. ',"tool_choice":"none","messages":' .. TOOL_LOOP .. "}")
    assert.equal(2, #got.toolConfig.tools)
    assert.same({ auto = {} }, got.toolConfig.toolChoice)
    assert.equal("tool_choice", dropped)
  end)

  it("are there when the history has calls, even if none is offered any more", function()
    local got = sent('{"model":"m","messages":' .. TOOL_LOOP .. "}")
    assert.equal(1, #got.toolConfig.tools)
    assert.is_nil(got.toolConfig.toolChoice)
  end)

  it("are called one by one where the model can be told so", function()
    local function choice(text)
      return asked(TOOLS .. ',"parallel_tool_calls":false' .. text).additionalModelRequestFields.tool_choice
    end
    assert.same({ type = "auto", disable_parallel_tool_use = true }, choice "")
    assert.same({ type = "any", disable_parallel_tool_use = true }, choice ',"tool_choice":"required"')
    assert.same({ type = "tool", name = "f", disable_parallel_tool_use = true }, choice ',"tool_choice":{"type":"function","function":{"name":"f"}}')
    assert.is_nil(asked(TOOLS .. ',"parallel_tool_calls":true').additionalModelRequestFields)
    assert.is_nil(asked('"parallel_tool_calls":false').additionalModelRequestFields)
    local got, dropped = asked(TOOLS .. ',"parallel_tool_calls":false', NOVA)
    assert.is_nil(got.additionalModelRequestFields)
    assert.equal("parallel_tool_calls, strict", dropped)
  end)

  it("are functions, not nested without end", function()
    assert.equal("tools", refused('{"model":"m","tools":[{"type":"web_search"}],"messages":[{"role":"user","content":"u"}]}').param)
    local deep = ('{"a":'):rep(58) .. "1" .. ("}"):rep(58)
    assert.equal("tools", refused('{"model":"m","tools":[{"type":"function","function":{"name":"f","parameters":' .. deep
      .. '}}],"messages":[{"role":"user","content":"u"}]}').param)
  end)
end)

local SCHEMA = '"response_format":{"type":"json_schema","json_schema":{"name":"an order","schema":{"type":"object",'
  .. '"properties":{"n":{"type":"integer","minimum":1}}}}}'

describe("JSON by a schema", function()
  it("is a forced tool, beside others one that must be called", function()
    local got = asked(SCHEMA)
    assert.same({ tool = { name = "json_tool_call" } }, got.toolConfig.toolChoice)
    got = asked(SCHEMA .. "," .. TOOLS)
    assert.equal("json_tool_call", got.toolConfig.tools[3].toolSpec.name)
    assert.same({ any = {} }, got.toolConfig.toolChoice)
  end)

  local function schema_of(got)
    local format = got.outputConfig.textFormat
    assert.equal("json_schema", format.type)
    assert.matches("^[%w_-]+$", format.structure.jsonSchema.name)
    return json.decode(format.structure.jsonSchema.schema)
  end

  it("is outputConfig where a tool cannot be forced, or would forbid to think", function()
    local closed = { type = "object", properties = { n = { type = "integer" } }, additionalProperties = false }
    local open = { type = "object", properties = { n = { type = "integer", minimum = 1 } } }
    assert.same(closed, schema_of(asked(SCHEMA, NEW_CLAUDE)))
    local got = asked(SCHEMA .. ',"reasoning_effort":"low"')
    assert.same(closed, schema_of(got))
    assert.equal("enabled", got.additionalModelRequestFields.thinking.type)
    assert.is_nil(got.toolConfig)
    assert.same(open, schema_of(asked(SCHEMA, GPT)))
  end)

  it("is said in words to models that know neither, and named", function()
    local got, dropped = asked(SCHEMA, LLAMA)
    assert.matches("JSON schema: {\"type\":\"object\"", got.system[1].text)
    assert.equal("response_format", dropped)
    got, dropped = asked(SCHEMA, GPT, { capabilities = 1 })
    assert.matches("JSON schema", got.system[1].text)
    assert.equal("response_format", dropped)
  end)

  it("turns thinking off on models that have nothing but the tool", function()
    for _, name in ipairs { "reasoning_effort", "thinking" } do
      local value = name == "thinking" and '{"type":"enabled","budget_tokens":2000}' or '"low"'
      local got, dropped = asked(SCHEMA .. (',"%s":%s'):format(name, value), OLD_CLAUDE)
      assert.is_nil(got.additionalModelRequestFields)
      assert.same({ tool = { name = "json_tool_call" } }, got.toolConfig.toolChoice)
      assert.equal(name, dropped)
    end
  end)

  it("and JSON without one is said in words", function()
    assert.same({ { text = "Answer with one valid JSON object and nothing else." } }, asked('"response_format":{"type":"json_object"}').system)
  end)

  it("gives the tool's input as the answer's text", function()
    local body = '{"output":{"message":{"content":[{"toolUse":{"toolUseId":"j","name":"json_tool_call","input":{ "a" : [1, "x y"] }}}]}},'
      .. '"stopReason":"tool_use"}'
    local choice = json.decode(wire.answer { vendor = "bedrock", model = CLAUDE, body = body, id = "i", created = 1 }.out).choices[1]
    assert.same({ '{"a":[1,"x y"]}', "stop", nil }, { choice.message.content, choice.finish_reason, choice.message.tool_calls })
  end)
end)

-- ------------------------------------------------------------------ sampling, reasoning, the rest

describe("sampling", function()
  it("is clamped to what the API takes", function()
    for given, want in pairs { ["1.2"] = 1, ["-0.5"] = 0, ["0.25"] = 0.25, ["1"] = 1, ["0"] = 0 } do
      assert.equal(want, asked('"temperature":' .. given, NOVA).inferenceConfig.temperature)
    end
    assert.equal(0.9, asked('"top_p":0.9', NOVA).inferenceConfig.topP)
  end)

  it("is what the family takes", function()
    local got, dropped = asked('"temperature":0.5,"top_p":0.9,"top_k":7')
    assert.same({ 0.5, nil, 7 }, { got.inferenceConfig.temperature, got.inferenceConfig.topP, got.additionalModelRequestFields.top_k })
    assert.equal("top_p", dropped)
    got, dropped = asked('"temperature":0.5,"top_p":0.9,"top_k":7', NEW_CLAUDE)
    assert.is_nil(got.inferenceConfig.temperature)
    assert.equal("temperature, top_p, top_k", dropped)
    assert.same({ topK = 7 }, asked('"top_k":7', NOVA).additionalModelRequestFields.inferenceConfig)
    got, dropped = asked('"top_k":7', LLAMA)
    assert.is_nil(got.additionalModelRequestFields)
    assert.equal("top_k", dropped)
  end)

  it("has no blank stops", function()
    assert.same({ "a", "b " }, asked('"stop":["a"," ","\\n","b "]').inferenceConfig.stopSequences)
    assert.is_nil(asked('"stop":[" "]', LLAMA).inferenceConfig)
  end)

  it("has a bound for Claude in any case", function()
    assert.equal(4096, asked('"n":1').inferenceConfig.maxTokens)
    assert.equal(9000, asked('"n":1', CLAUDE, { max_output = 9000 }).inferenceConfig.maxTokens)
    assert.equal(9000, asked('"max_tokens":10000', CLAUDE, { max_output = 9000 }).inferenceConfig.maxTokens)
    assert.equal(77, asked('"n":1', LLAMA, { default_max_tokens = 77 }).inferenceConfig.maxTokens)
    assert.is_nil(asked('"n":1', LLAMA).inferenceConfig)
    assert.equal("n", refused('{"model":"m","n":2,"messages":[{"role":"user","content":"u"}]}').param)
  end)
end)

describe("reasoning", function()
  it("is a budget, an effort or a level, by family", function()
    assert.same({ thinking = { type = "enabled", budget_tokens = 2048 } }, asked('"reasoning_effort":"medium"').additionalModelRequestFields)
    assert.same({ thinking = { type = "adaptive" }, output_config = { effort = "xhigh" } },
      asked('"reasoning_effort":"xhigh"', NEW_CLAUDE).additionalModelRequestFields)
    assert.same({ reasoning_effort = "low" }, asked('"reasoning_effort":"minimal"', GPT).additionalModelRequestFields)
    assert.same({ reasoningConfig = { type = "enabled", maxReasoningEffort = "high" } },
      asked('"reasoning_effort":"high"', NOVA_2).additionalModelRequestFields)
    assert.same({ thinking = { type = "enabled", budget_tokens = 3000 } },
      asked('"thinking":{"type":"enabled","budget_tokens":3000}').additionalModelRequestFields)
    assert.is_nil(asked('"reasoning_effort":"none"').additionalModelRequestFields)
    assert.is_nil(asked('"thinking":{"type":"disabled"}').additionalModelRequestFields)
  end)

  it("has its budget on top of what was asked for", function()
    assert.equal(1124, asked('"reasoning_effort":"low","max_tokens":100').inferenceConfig.maxTokens)
    assert.equal(3000, asked('"reasoning_effort":"low","max_tokens":3000').inferenceConfig.maxTokens)
  end)

  it("keeps the bound of the client rather than the highest effort", function()
    local got, dropped = asked('"reasoning_effort":"high","max_tokens":100', NOVA_2)
    assert.same({ 100, "medium" }, { got.inferenceConfig.maxTokens, got.additionalModelRequestFields.reasoningConfig.maxReasoningEffort })
    assert.equal("reasoning_effort", dropped)
  end)

  it("takes no temperature beside it", function()
    local got, dropped = asked('"reasoning_effort":"low","temperature":0.3,"top_p":0.5,"top_k":3')
    assert.is_nil(got.inferenceConfig.temperature)
    assert.equal("temperature, top_p, top_k", dropped)
    assert.equal("", select(2, asked('"reasoning_effort":"low","temperature":1')))
  end)

  it("is off where a tool is forced, and named where it is not known", function()
    assert.is_nil(asked(TOOLS .. ',"tool_choice":"required","reasoning_effort":"low"').additionalModelRequestFields)
    assert.equal("reasoning_effort", select(2, asked('"reasoning_effort":"low"', LLAMA)))
    assert.equal("thinking", select(2, asked('"thinking":{"type":"enabled","budget_tokens":3000}', LLAMA)))
    assert.equal("reasoning_effort", select(2, asked('"reasoning_effort":"none"', GPT)))
    assert.equal("", select(2, asked('"reasoning_effort":"none"', LLAMA)))
  end)
end)

describe("the rest of a request", function()
  it("goes into the account's own logs where it fits", function()
    local got, dropped = asked '"user":"u-1","metadata":{"team":"a b","bad":"\\u00eb"}'
    assert.same({ team = "a b", user = "u-1" }, got.requestMetadata)
    assert.equal("metadata", dropped)
    got, dropped = asked '"user":"\\"x\\"","metadata":{"user":"m"}'
    assert.same({ user = "m" }, got.requestMetadata)
    assert.equal("", dropped)
    assert.equal("user", select(2, asked '"user":"\\"x\\""'))
    local pairs_of = {}
    for i = 1, 17 do
      pairs_of[i] = ('"k%02d":"v"'):format(i)
    end
    got, dropped = asked('"user":"u","metadata":{' .. table.concat(pairs_of, ",") .. "}")
    assert.equal("metadata, user", dropped)
    assert.equal("v", got.requestMetadata.k16)
    assert.is_nil(got.requestMetadata.k17)
  end)

  it("is Converse's own, or named", function()
    assert.same({ type = "flex" }, asked('"service_tier":"flex"').serviceTier)
    assert.is_nil(asked('"service_tier":"auto"').serviceTier)
    assert.equal("service_tier", select(2, asked('"service_tier":"scale"')))
    local got, dropped = asked('"guardrailConfig":{"guardrailIdentifier":"g"},"performanceConfig":{"latency":"optimized"},"seed":1,'
      .. '"presence_penalty":1,"frequency_penalty":1,"logprobs":true,"top_logprobs":2,"logit_bias":{"1":2},"own":null')
    assert.same({ guardrailIdentifier = "g" }, got.guardrailConfig)
    assert.same({ latency = "optimized" }, got.performanceConfig)
    assert.equal("seed, presence_penalty, frequency_penalty, logprobs, top_logprobs, logit_bias", dropped)
  end)
end)
