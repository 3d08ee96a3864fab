--- Google's dialect, at the Gemini API and on Vertex AI: what a chat becomes, and how its answers are read. The fixtures hold the common cases; here are
--- the edges.

local cjson = require "cjson"
local encoding = require "support.encoding"
local stream = require "support.stream"
local wire = require("gateway.runtime").wire

local json = cjson.new()
local encode, sent = encoding.of("gemini", "gemini-2.5-flash")

local function refused(body, fields)
  local text, complaint = encode(body, fields)
  assert.is_nil(text)
  assert.equal("unsupported_parameter", complaint.kind)
  return complaint.message, complaint.param
end

--- The contents that `messages` (JSON text) become.
local function contents(messages, fields)
  return sent('{"model":"m","messages":' .. messages .. "}", fields).contents
end

local function with(members, fields)
  return sent('{"model":"m",' .. members .. ',"messages":[{"role":"user","content":"u"}]}', fields)
end

local function text(role, ...)
  local parts = {}
  for i, one in ipairs { ... } do
    parts[i] = { text = one }
  end
  return { role = role, parts = parts }
end

local TWO = { model = "gemini-2.0-flash" }
local THREE = { model = "gemini-3.5-flash" }
local VERTEX = { vendor = "vertex_ai", project = "p", location = "europe-west1" }

-- ------------------------------------------------------------------ where

describe("the place", function()
  local function url(fields)
    local call = { vendor = "gemini", model = "gemini-2.5-flash", origin = "https://g", path = "/v1beta", key = "k" }
    for name, value in pairs(fields or {}) do
      call[name] = value
    end
    return wire.head(call)
  end

  local function vertex(fields)
    local call = { vendor = "vertex_ai", origin = "https://v", path = "/v1", project = "p-1", location = "eu", key = "ya29.token" }
    for name, value in pairs(fields or {}) do
      call[name] = value
    end
    return url(call)
  end

  it("says the model and what is asked of it", function()
    assert.equal("https://g/v1beta/models/gemini-2.5-flash:generateContent", (url()))
    assert.equal("https://g/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse", (url { stream = true }))
    assert.equal("https://g/v1beta/models/x:batchEmbedContents", (url { client = "embeddings", model = "x" }))
    assert.equal("https://v/v1/projects/p-1/locations/eu/publishers/google/models/gemini-2.5-flash:generateContent", (vertex()))
  end)

  it("of embeddings on Vertex depends on the model", function()
    local at = "https://v/v1/projects/p-1/locations/eu/publishers/google/models/"
    assert.equal(at .. "gemini-embedding-001:predict", (vertex { client = "embeddings", model = "gemini-embedding-001" }))
    assert.equal(at .. "text-embedding-005:predict", (vertex { client = "embeddings", model = "text-embedding-005" }))
    assert.equal(at .. "gemini-embedding-2:batchEmbedContents", (vertex { client = "embeddings", model = "gemini-embedding-2" }))
  end)

  it("takes ids that name their collection as they are, and no other way out of it", function()
    assert.equal("https://g/v1beta/tunedModels/my-1:generateContent", (url { model = "tunedModels/my-1" }))
    assert.equal("https://g/v1beta/models/x:generateContent", (url { model = "models/x" }))
    assert.equal("https://g/v1beta/models/a%20b%2Fc%3A%C3%AB%3F:generateContent", (url { model = "a b/c:ë?" }))
    assert.equal("https://g/v1beta/models/models%2F..%2Ffiles:generateContent", (url { model = "models/../files" }))
    assert.equal("https://g/v1beta/models/a%3Fkey%3Dx%23y%26z%25:generateContent", (url { model = "a?key=x#y&z%" }))
    assert.equal("https://g/v1beta/models/a%0D%0AHost%3A%20b%09%00:generateContent", (url { model = "a\r\nHost: b\t\0" }))
    assert.equal("https://g/v1beta/models/a%3Fb%20%0D%0Ac%23:generateContent", (url { model = "models/a?b \r\nc#" }))
    assert.equal("https://g/v1beta/models/..%2F..%2Fv1%2Ffiles:generateContent", (url { model = "../../v1/files" }))
    assert.equal("https://g/v1beta/models/%252e%252e%252Ffiles:generateContent", (url { model = "%2e%2e%2Ffiles" }))
    assert.equal("https://g/v1beta/models/models%2F%2Fx:generateContent", (url { model = "models//x" }))
    assert.equal("https://g/v1beta/models/models%2F.%2Fx:generateContent", (url { model = "models/./x" }))
    assert.equal("https://g/v1beta/models/x%3AgenerateContent%3Fy:generateContent", (url { model = "models/x:generateContent?y" }))
    assert.equal("https://g/v1beta/models/files%2Fx:generateContent", (url { model = "files/x" }))
    assert.equal("https://v/v1/projects/p-1/locations/eu/publishers/google/models/projects%2Fp-1%2F..%2Fp-2:generateContent",
      (vertex { model = "projects/p-1/../p-2" }))
    assert.equal("https://v/v1/projects/p-1/locations/eu/publishers/x%3Fy%0D%0A:generateContent", (vertex { model = "publishers/x?y\r\n" }))
    assert.equal("https://v/v1/projects/p%2F..%2Fq/locations/eu%3F/publishers/google/models/m:generateContent",
      (vertex { model = "m", project = "p/../q", location = "eu?" }))
    assert.equal("https://v/v1/projects/p-1/locations/eu/endpoints/7:generateContent", (vertex { model = "endpoints/7" }))
    assert.equal("https://v/v1/projects/p-1/locations/us/endpoints/7:generateContent", (vertex { model = "projects/p-1/locations/us/endpoints/7" }))
    assert.equal("https://v/v1/projects/p-1/locations/eu/publishers/google/models/projects%2Fp-12%2Fx:generateContent",
      (vertex { model = "projects/p-12/x" }))
  end)

  it("is asked with the key it wants", function()
    assert.equal("x-goog-api-key: k\r\n", select(2, url()))
    assert.equal("Authorization: Bearer ya29.token\r\n", select(2, vertex()))
    local express, header = vertex { key = "AIzaKey", project = false, location = false }
    assert.equal("https://v/v1/publishers/google/models/gemini-2.5-flash:generateContent", express)
    assert.equal("x-goog-api-key: AIzaKey\r\n", header)
    assert.equal("", select(2, url { key = "" }))
  end)
end)

-- ------------------------------------------------------------------ turns

describe("a conversation", function()
  it("takes turns, the user first", function()
    assert.same({ text("user", " "), text("model", "a", "b"), text("user", "c", "d") },
      contents [[ [{"role":"assistant","content":"a"},{"role":"assistant","content":"b"},{"role":"user","content":"c"},
        {"role":"user","content":"d"}] ]])
    assert.same({ text("user", "…"), text("model", "a") },
      contents([[ [{"role":"assistant","content":"a"}] ]], { empty_text_placeholder = "…" }))
  end)

  it("has its system texts apart, wherever they stood", function()
    local body = sent [[{"model":"m","messages":[{"role":"system","content":"s"},{"role":"user","content":"u"},{"role":"developer","content":"d"}]}]]
    assert.same({ parts = { { text = "s" }, { text = "d" } } }, body.systemInstruction)
    assert.same({ text("user", "u") }, body.contents)
    body = sent [[{"model":"m","messages":[{"role":"system","content":"s"}]}]]
    assert.same({ text("user", " ") }, body.contents)
    assert.is_nil(sent([[{"model":"m","messages":[{"role":"system","content":""},{"role":"user","content":"u"}]}]]).systemInstruction)
  end)

  it("begins with them where a model knows no system instruction", function()
    local gemma = { model = "gemma-3-27b-it" }
    local body = sent([[{"model":"m","messages":[{"role":"system","content":"s"},{"role":"user","content":"u"},{"role":"assistant","content":"a"}]}]], gemma)
    assert.is_nil(body.systemInstruction)
    assert.same({ text("user", "s", "u"), text("model", "a") }, body.contents)
    assert.same({ text("user", "s"), text("model", "a") },
      contents([[ [{"role":"system","content":"s"},{"role":"assistant","content":"a"}] ]], gemma))
    assert.same({ text("user", "s") }, contents([[ [{"role":"system","content":"s"}] ]], gemma))
  end)

  it("says nothing empty", function()
    assert.same({ text("user", "a", "b") },
      contents [[ [{"role":"user","content":"a"},{"role":"assistant","content":""},
        {"role":"user","content":[{"type":"text","text":""},{"type":"text","text":"b"}]}] ]])
    assert.same({ text("user", " ") }, contents [[ [{"role":"user","content":""}] ]])
  end)

  it("keeps escapes and what is no ASCII", function()
    assert.same({ text("user", 'a"\\\n\u{1F600}ë') }, contents [[ [{"role":"user","content":"a\"\\\n\ud83d\ude00ë"}] ]])
  end)

  it("carries media by their kind", function()
    local function part(content, fields)
      return contents('[{"role":"user","content":[' .. content .. "]}]", fields)[1].parts[1]
    end
    local image = '{"type":"image_url","image_url":{"url":"%s"}}'
    assert.same({ inlineData = { mimeType = "image/png", data = "AA==" } }, part(image:format "data:image/png;base64,AA=="))
    assert.same({ fileData = { mimeType = "image/webp", fileUri = "https://x/a.WebP?b=1.png" } }, part(image:format "https://x/a.WebP?b=1.png"))
    assert.same({ fileData = { mimeType = "image/jpeg", fileUri = "https://x.png/a" } }, part(image:format "https://x.png/a"))
    assert.same({ fileData = { fileUri = "https://youtu.be/abc" } }, part(image:format "https://youtu.be/abc", TWO))
    assert.same({ fileData = { mimeType = "image/png", fileUri = "gs://b/a.png" } }, part(image:format "gs://b/a.png", VERTEX))
    assert.same({ inlineData = { mimeType = "audio/mp3", data = "AA==" } },
      part '{"type":"input_audio","input_audio":{"data":"AA==","format":"mp3"}}')
    assert.same({ inlineData = { mimeType = "application/pdf", data = "AA==" } },
      part '{"type":"file","file":{"filename":"a.pdf","file_data":"data:application/pdf;base64,AA=="}}')
  end)

  it("refuses media that it cannot carry", function()
    local function ask(part, fields)
      return (refused('{"model":"m","messages":[{"role":"user","content":[' .. part .. "]}]}", fields))
    end
    local image = '{"type":"image_url","image_url":{"url":"%s"}}'
    assert.matches("fetches no URLs", ask(image:format "https://x/a.png", TWO))
    assert.matches("https URLs or as base64", ask(image:format "gs://b/a.png"))
    assert.matches("https URLs or as base64", ask(image:format "data:image/png,plain"))
    assert.matches("not by id", ask '{"type":"file","file":{"file_id":"file-1"}}')
  end)
end)

-- ------------------------------------------------------------------ calls and results

describe("function calls", function()
  local CALL = '{"id":"%s","type":"function","function":{"name":"%s","arguments":"%s"}}'
  local function call(id, name, arguments)
    return CALL:format(id, name or "f", arguments or "{}")
  end
  local function loop(calls, rest)
    return '[{"role":"user","content":"u"},{"role":"assistant","content":null,"tool_calls":[' .. table.concat(calls, ",") .. "]}" .. (rest or "") .. "]"
  end
  local function result(id, content)
    return (',{"role":"tool","tool_call_id":"%s","content":%s}'):format(id, content or '"r"')
  end

  it("are answered one by one, in their order, apart from anything else", function()
    local got = contents(loop({ call("a", "f", '{\\"n\\": [1]}'), call("b", "g") },
      result("b", '"2"') .. ',{"role":"user","content":"and?"}' .. result("a", [["{\"x\":1}"]])))
    assert.same({
      { functionCall = { id = "a", name = "f", args = { n = { 1 } } } }, { functionCall = { id = "b", name = "g", args = {} } },
    }, got[2].parts)
    assert.same({ role = "user", parts = {
      { functionResponse = { id = "a", name = "f", response = { x = 1 } } },
      { functionResponse = { id = "b", name = "g", response = { result = "2" } } },
    } }, got[3])
    assert.same(text("user", "and?"), got[4])
    assert.is_nil(got[5])
  end)

  it("whose results were lost are said to be lost", function()
    local lost = { functionResponse = { id = "b", name = "g", response = { error = "No result" } } }
    assert.same(lost, contents(loop({ call "a", call("b", "g") }, result "a"))[3].parts[2])
    assert.same({ role = "user", parts = { lost } }, contents(loop { call("b", "g") })[3])
  end)

  it("may share an id", function()
    local got = contents(loop({ call("", "f"), call("", "g") }, result("", '"1"') .. result("", '"2"')))
    assert.same({
      { functionResponse = { name = "f", response = { result = "1" } } }, { functionResponse = { name = "g", response = { result = "2" } } },
    }, got[3].parts)
  end)

  it("of an earlier turn lend their names to late results", function()
    local got = contents(loop({ call("a", "f") }, result "a" .. ',{"role":"assistant","content":"x"}' .. result("a", '"again"')))
    assert.same({ { functionResponse = { id = "a", name = "f", response = { result = "again" } } } }, got[5].parts)
    assert.same("h", contents('[{"role":"function","name":"h","content":"r"}]')[1].parts[1].functionResponse.name)
    assert.matches("answers no tool call", (refused('{"model":"m","messages":[' .. result("z"):sub(2) .. "]}")))
  end)

  it("have results of several parts", function()
    local image = '{"type":"image_url","image_url":{"url":"data:image/png;base64,AA=="}}'
    local content = '[{"type":"text","text":"x"},{"type":"text","text":"y"},' .. image .. "]"
    local inline = { inlineData = { mimeType = "image/png", data = "AA==" } }
    local three = contents(loop({ call "a" }, result("a", content)), THREE)
    assert.same({ { functionResponse = { id = "a", name = "f", response = { result = "x\ny" }, parts = { inline } } } }, three[3].parts)
    local older = contents(loop({ call "a" }, result("a", content) .. ',{"role":"user","content":"see"}'))
    assert.same({ { functionResponse = { id = "a", name = "f", response = { result = "x\ny" } } } }, older[3].parts)
    assert.same({ role = "user", parts = { inline, { text = "see" } } }, older[4])
  end)

  it("carry no id on Vertex", function()
    local got = contents(loop({ call "a" }, result "a"), VERTEX)
    assert.same({ functionCall = { name = "f", args = {} } }, got[2].parts[1])
    assert.same({ functionResponse = { name = "f", response = { result = "r" } } }, got[3].parts[1])
  end)

  it("have arguments that are an object", function()
    assert.same({}, contents(loop { call("a", "f", "") })[2].parts[1].functionCall.args)
    for _, arguments in ipairs { "[1]", "x", "{", "1", '\\"{}\\"' } do
      assert.matches("not a JSON object", (refused('{"model":"m","messages":' .. loop { call("a", "f", arguments) } .. "}")))
    end
  end)

  it("go by names that fit, and come back by their own", function()
    local body = [[{"model":"m","tools":[{"type":"function","function":{"name":"1 look/up"}},{"type":"function","function":{"name":"a.b:c-d_E9"}}],
      "tool_choice":{"type":"function","function":{"name":"1 look/up"}},"messages":]] .. loop({ call("a", "1 look/up") }, result "a") .. "}"
    local got = sent(body)
    local name = got.tools[1].functionDeclarations[1].name
    assert.matches("^t1_look_up_%x+$", name)
    assert.equal("a.b:c-d_E9", got.tools[1].functionDeclarations[2].name)
    assert.same({ name }, got.toolConfig.functionCallingConfig.allowedFunctionNames)
    assert.equal(name, got.contents[2].parts[1].functionCall.name)
    assert.equal(name, got.contents[3].parts[1].functionResponse.name)
    local answer = wire.answer { vendor = "gemini", model = "gemini-2.5-flash", request = body, id = "x", body = json.encode {
      candidates = { { content = { parts = { { functionCall = { name = name } } } }, finishReason = "STOP" } } } }
    assert.equal("1 look/up", json.decode(answer.out).choices[1].message.tool_calls[1]["function"].name)
  end)

  it("are signed where that is asked for", function()
    local google = '"extra_content":{"google":{"thought_signature":"%s"}}'
    local function signed(id, signature)
      return '{"id":"' .. id .. '",' .. google:format(signature) .. ',"type":"function","function":{"name":"f","arguments":"{}"}}'
    end
    local function signatures(messages, fields)
      local list = {}
      for _, content in ipairs(contents(messages, fields)) do
        for _, part in ipairs(content.parts) do
          if part.functionCall or part.thoughtSignature then
            list[#list + 1] = part.thoughtSignature or "-"
          end
        end
      end
      return table.concat(list, " ")
    end
    local stand_in = "skip_thought_signature_validator"
    assert.equal("s1 -", signatures(loop { signed("a", "s1"), call "b" }, THREE))
    assert.equal(stand_in .. " s2", signatures(loop { call "a", signed("b", "s2") }, THREE))
    assert.equal("- -", signatures(loop { signed("a", "s1"), call "b" })) -- 2.5 wants none
    local second = result "a" .. ',{"role":"assistant","content":"t",' .. google:format "s3" .. ',"tool_calls":[' .. call "c" .. "]}"
    assert.equal("s1 s3 " .. stand_in, signatures(loop({ signed("a", "s1") }, second), THREE)) -- every step has its own
  end)
end)

-- ------------------------------------------------------------------ tools and formats

describe("tools", function()
  local function tool(function_members)
    return '{"type":"function","function":{"name":"f"' .. function_members .. "}}"
  end
  local function declared(members, fields)
    return with('"tools":[' .. tool(members) .. "]", fields).tools[1].functionDeclarations[1]
  end

  it("have a schema when they have parameters", function()
    for _, parameters in ipairs { "", ',"parameters":{}', ',"parameters":{"type":"object","properties":{}}', ',"parameters":null',
      ',"parameters":{"type":"object","additionalProperties":false}' } do
      for _, fields in ipairs { {}, TWO } do
        assert.same({ name = "f" }, declared(parameters, fields), parameters)
      end
    end
    local schema = '{"type":"object","properties":{"a":{"type":["integer","null"]}},"$defs":{"x":{"type":"string"}}}'
    assert.same({ name = "f", description = "d", parametersJsonSchema = json.decode(schema) },
      declared(',"description":"d","parameters":' .. schema))
    assert.same({ name = "f", parameters = { type = "object", properties = { a = { type = "integer", nullable = true } } } },
      declared(',"parameters":' .. schema, TWO))
  end)

  it("are chosen as asked", function()
    local function config(choice, more)
      return with('"tools":[' .. tool(more or "") .. "]" .. (choice and ',"tool_choice":' .. choice or "")).toolConfig
    end
    local function mode(name)
      return { functionCallingConfig = { mode = name } }
    end
    assert.is_nil(config())
    assert.same(mode "AUTO", config '"auto"')
    assert.same(mode "NONE", config '"none"')
    assert.same(mode "ANY", config '"required"')
    assert.same(mode "VALIDATED", config(nil, ',"strict":true'))
    assert.same(mode "ANY", config('"required"', ',"strict":true'))
    assert.is_nil(with('"tool_choice":"none"').toolConfig)
  end)

  it("of Google's own are asked for in its words, others refused", function()
    assert.same({ { functionDeclarations = { { name = "f" } } }, { googleSearch = {} } },
      with('"tools":[{"google_search":{}},' .. tool "" .. "]", THREE).tools)
    assert.same({ { urlContext = {} } }, with('"tools":[{"urlContext":{}}]').tools)
    assert.matches("no tools but functions", (refused '{"model":"m","tools":[{"type":"web_search"}],"messages":[{"role":"user","content":"u"}]}'))
  end)
end)

describe("a format of the answer", function()
  local SCHEMA = '{"type":"object","properties":{"a":{"type":"string"}},"additionalProperties":false}'
  local ASK = '"response_format":{"type":"json_schema","json_schema":{"name":"x","schema":' .. SCHEMA .. "}}"
  local TOOL = '"tools":[{"type":"function","function":{"name":"f"}}]'

  it("is a type, and a schema as the model takes it", function()
    assert.same({ responseMimeType = "application/json" }, with('"response_format":{"type":"json_object"}').generationConfig)
    assert.same({ responseMimeType = "application/json", responseJsonSchema = json.decode(SCHEMA) }, with(ASK).generationConfig)
    local subset = { responseMimeType = "application/json", responseSchema = { type = "object", properties = { a = { type = "string" } } } }
    assert.same(subset, with(ASK, TWO).generationConfig)
    assert.same(subset, with(ASK, { capabilities = 0 }).generationConfig)
    assert.is_nil(with('"response_format":{"type":"text"}').generationConfig)
  end)

  it("beside tools is said in words where the model takes only one of the two", function()
    local body = with(ASK .. "," .. TOOL)
    assert.is_nil(body.generationConfig)
    assert.matches("match this JSON schema: " .. SCHEMA, body.systemInstruction.parts[1].text, 1, true)
    assert.matches("one valid JSON value", with('"response_format":{"type":"json_object"},' .. TOOL, TWO).systemInstruction.parts[1].text)
    body = with(ASK .. "," .. TOOL, THREE)
    assert.same(json.decode(SCHEMA), body.generationConfig.responseJsonSchema)
    assert.is_nil(body.systemInstruction)
  end)
end)

describe("the subset of schemas", function()
  local function subset(schema)
    return with('"response_format":{"type":"json_schema","json_schema":{"name":"x","schema":' .. schema .. "}}", TWO).generationConfig.responseSchema
  end
  local function no(schema)
    return (refused('{"model":"m","response_format":{"type":"json_schema","json_schema":{"name":"x","schema":' .. schema
      .. '}},"messages":[{"role":"user","content":"u"}]}', TWO))
  end
  local function of(property)
    return subset('{"type":"object","properties":{"p":' .. property .. "}}").properties.p
  end

  it("keeps what it knows", function()
    local kept = [[{"type":"STRING","title":"t","description":"d","format":"date-time","minLength":1,"maxLength":2,
      "pattern":"a\\d","default":"x","example":"y"}]]
    assert.same(json.decode(kept), of(kept))
    kept = '{"type":"array","items":{"type":"number","format":"double","minimum":0.5,"maximum":2},"minItems":1,"maxItems":3}'
    assert.same(json.decode(kept), of(kept))
    kept = [[{"type":"object","properties":{"type":{"type":"string"},"enum":{"type":"boolean"}},"required":["type"],
      "propertyOrdering":["enum","type"],"minProperties":1}]]
    assert.same(json.decode(kept), of(kept))
  end)

  it("leaves out what it does not", function()
    assert.same({ type = "string" }, of '{"type":"string","format":"email","examples":["a"],"$comment":"c"}')
    assert.same({ type = "integer", minimum = 1 }, of '{"type":"integer","minimum":1,"exclusiveMaximum":9,"multipleOf":2,"format":"uint"}')
    assert.same({ type = "object" }, of '{"type":"object","additionalProperties":{"type":"string"},"patternProperties":{},"required":["gone"]}')
    assert.same({ type = "object", properties = { a = { type = "object" } }, required = { "a" } },
      of '{"properties":{"a":true},"required":["a","b"],"if":{},"then":{},"anyOf":[{"required":["a"]},{"required":["b"]}]}')
  end)

  it("says what may be null", function()
    assert.same({ type = "string", nullable = true }, of '{"type":["null","string"]}')
    assert.same({ type = "string", description = "d", nullable = true }, of '{"description":"d","anyOf":[{"type":"string"},{"type":"null"}]}')
    assert.same({ anyOf = { { type = "string" }, { type = "integer" } }, nullable = true },
      of '{"oneOf":[{"type":"string"},{"type":"integer"},{"type":"null"}]}')
    assert.same({ anyOf = { { type = "string" }, { type = "array", items = { type = "integer" } } } },
      of '{"type":["string","array"],"items":{"type":"integer"}}')
    assert.same({ type = "string", enum = { "a" }, nullable = true }, of '{"enum":["a",null]}')
  end)

  it("has values as strings", function()
    assert.same({ type = "string", enum = { "a", "b" } }, of '{"type":"string","enum":["a","","b"]}')
    assert.same({ type = "integer", format = "enum", enum = { "1", "-2" } }, of '{"enum":[1,-2]}')
    assert.same({ type = "number", format = "enum", enum = { "1.5" } }, of '{"const":1.5}')
    assert.same({ type = "boolean" }, of '{"const":true}')
  end)

  it("writes references out", function()
    assert.same({ type = "object", properties = { a = { type = "string", description = "mine" }, b = { type = "string", description = "theirs" } } },
      subset [[{"type":"object","properties":{"a":{"description":"mine","$ref":"#/$defs/s~1t"},"b":{"allOf":[{"$ref":"#/$defs/s~1t"}]}},
        "$defs":{"s/t":{"type":"string","description":"theirs"}}}]])
    assert.same({ type = "object", properties = { a = { type = "string" }, b = { type = "integer" } }, required = { "a", "b" } },
      of '{"allOf":[{"properties":{"a":{"type":"string"}},"required":["a"]},{"properties":{"b":{"type":"integer"},"a":{"type":"number"}},"required":["b"]}]}')
    assert.same({ type = "array", items = { anyOf = { { type = "string" }, { type = "integer" } } } },
      of '{"type":"array","prefixItems":[{"type":"string"},{"type":"integer"}]}')
  end)

  it("is bounded in what it costs and in what it becomes", function()
    local function schema(count, defs, folder)
      local list = {}
      for i = 1, count do
        list[i] = ('"p%d":{"$ref":"#/%s/a"}'):format(i, folder or "$defs")
      end
      return ('{"type":"object","properties":{%s},"%s":{%s}}'):format(table.concat(list, ","), folder or "$defs", defs)
    end
    local long, tools = ("x"):rep(90000), {}
    assert.matches("too large", no(schema(900, '"a":{"type":"string","description":"' .. long .. '"}')))
    for i = 1, 10 do
      tools[i] = ('{"type":"function","function":{"name":"f%d","parameters":%s}}'):format(i, schema(900, '"z":"' .. long .. '","a":{"type":"string"}',
        "elsewhere"))
    end
    assert.matches("too large", (refused('{"model":"m","tools":[' .. table.concat(tools, ",") .. '],"messages":[{"role":"user","content":"u"}]}', TWO)))
  end)

  it("refuses circles, loose ends and what never ends", function()
    assert.matches("recursive", no '{"type":"object","properties":{"child":{"$ref":"#"}}}')
    assert.matches("recursive", no '{"$ref":"#/$defs/a","$defs":{"a":{"$ref":"#/$defs/b"},"b":{"allOf":[{"$ref":"#/$defs/a"}]}}}')
    assert.matches("points nowhere", no '{"type":"object","properties":{"a":{"$ref":"#/$defs/none"}}}')
    assert.matches("points nowhere", no '{"type":"object","properties":{"a":{"$ref":"https://x/y"}}}')
    local defs = { '"d0":{"type":"string"}' }
    for i = 1, 30 do -- 2^30 strings
      defs[#defs + 1] = ('"d%d":{"type":"object","properties":{"a":{"$ref":"#/$defs/d%d"},"b":{"$ref":"#/$defs/d%d"}}}'):format(i, i - 1, i - 1)
    end
    assert.matches("too large", no('{"$ref":"#/$defs/d30","$defs":{' .. table.concat(defs, ",") .. "}}"))
    assert.matches("too large", no('{"type":"string","description":"' .. ("x"):rep(200000) .. '"}'))
  end)
end)

-- ------------------------------------------------------------------ thinking

describe("thinking", function()
  local function config(members, fields)
    local body, dropped = with(members, fields)
    return (body.generationConfig or {}).thinkingConfig, dropped
  end
  local function effort(word, model, more)
    local fields = { model = model }
    for name, value in pairs(more or {}) do
      fields[name] = value
    end
    return config('"reasoning_effort":"' .. word .. '"', fields)
  end

  it("is bounded by a budget in 2.5", function()
    local budgets = { none = 0, minimal = 1024, low = 1024, medium = 8192, high = 24576, xhigh = 24576 }
    for word, budget in pairs(budgets) do
      assert.same({ thinkingBudget = budget }, (effort(word, "gemini-2.5-flash")), word)
    end
    assert.same({ thinkingBudget = 128 }, (effort("none", "gemini-2.5-pro")))
    assert.same({ thinkingBudget = 32768 }, (effort("xhigh", "gemini-2.5-pro")))
    assert.same({ thinkingBudget = 512 }, (effort("low", "gemini-2.5-flash-lite", { reasoning_budgets = { low = 100 } })))
    assert.same({ thinkingBudget = 2000 }, (effort("low", "my-own", { base_model = "gemini-2.5-flash", reasoning_budgets = { low = 2000 } })))
  end)

  it("has levels in 3", function()
    local cases = {
      { "gemini-3-pro-preview", { none = "low", minimal = "low", low = "low", medium = "high", high = "high" } },
      { "gemini-3.1-pro", { minimal = "low", medium = "medium", xhigh = "high" } },
      { "gemini-3-flash", { none = "minimal", minimal = "minimal", low = "low", medium = "medium", high = "high" } },
      { "gemini-3.6-flash", { none = "minimal" } }, { "gemini-3.7-flash", { none = "low", minimal = "low" } },
      { "gemini-flash-latest", { none = "low" } }, { "gemini-3.10-flash", { none = "low" } },
    }
    for _, case in ipairs(cases) do
      for word, level in pairs(case[2]) do
        assert.same({ thinkingLevel = level }, (effort(word, case[1])), case[1] .. " " .. word)
      end
    end
  end)

  it("is left out, and named, where there is none", function()
    for _, model in ipairs { "gemini-2.0-flash", "gemma-3-27b-it", "gemini-2.5-flash-image", "gemini-1.5-pro" } do
      local said, dropped = effort("low", model)
      assert.is_nil(said)
      assert.equal("reasoning_effort", dropped)
      said, dropped = effort("none", model)
      assert.is_nil(said)
      assert.equal("", dropped)
    end
    assert.equal("reasoning_effort", select(2, effort("enormous", "gemini-2.5-flash")))
  end)

  it("is shown when somebody waits for it", function()
    assert.same({ includeThoughts = true }, (config('"user":""', { include_thoughts = true })))
    assert.same({ thinkingBudget = 0 }, (effort("none", "gemini-2.5-flash", { include_thoughts = true })))
    assert.is_nil(config('"user":""', { model = "gemini-2.0-flash", include_thoughts = true }))
    local enabled = '"thinking":{"type":"enabled","budget_tokens":%d}'
    assert.same({ thinkingBudget = 3000, includeThoughts = true }, (config(enabled:format(3000))))
    assert.same({ thinkingLevel = "medium", includeThoughts = true }, (config(enabled:format(3000), THREE)))
    assert.same({ thinkingBudget = 0 }, (config '"thinking":{"type":"disabled"}'))
    assert.same({ thinkingBudget = -1, includeThoughts = true }, (config '"thinking":{"type":"adaptive"}'))
    assert.equal("thinking", select(2, config(enabled:format(3000), TWO)))
  end)
end)

-- ------------------------------------------------------------------ parameters

describe("parameters", function()
  it("are mapped", function()
    assert.same({ maxOutputTokens = 5, temperature = 0.25, topP = 0.5, topK = 3, candidateCount = 2, stopSequences = { "a", "b" } },
      with('"max_tokens":5,"temperature":0.25,"top_p":0.5,"top_k":3,"n":2,"stop":["a","","b"]').generationConfig)
    assert.is_nil(with('"n":1,"stop":[],"parallel_tool_calls":true,"service_tier":"auto"').generationConfig)
    assert.equal(0, with('"max_tokens":0', { default_max_tokens = 70 }).generationConfig.maxOutputTokens)
    assert.equal(100, with('"max_tokens":500', { max_output = 100 }).generationConfig.maxOutputTokens)
    assert.equal(70, with('"user":""', { default_max_tokens = 70 }).generationConfig.maxOutputTokens)
    assert.same({ { category = "c", threshold = "OFF" } }, with('"safety_settings":[{"category":"c","threshold":"OFF"}]').safetySettings)
    assert.same({ "TEXT", "IMAGE" }, with('"modalities":["text","image"]').generationConfig.responseModalities)
    assert.is_nil(with('"modalities":["text"]').generationConfig)
  end)

  it("that have no place are left out and named", function()
    local body, dropped = with([["user":"Me","seed":1,"logprobs":true,"top_logprobs":2,"logit_bias":{"1":1},"metadata":{"a":"b"},
      "store":true,"service_tier":"flex",
      "parallel_tool_calls":false,"verbosity":null,"modalities":["text","audio"],"stop":["1","2","3","4","5","6"],"own":1]])
    assert.same({ seed = 1, stopSequences = { "1", "2", "3", "4", "5" } }, body.generationConfig)
    local names = {}
    for name in dropped:gmatch "[^, ]+" do
      names[#names + 1] = name
    end
    table.sort(names)
    assert.same({ "logit_bias", "logprobs", "metadata", "modalities", "own", "parallel_tool_calls", "service_tier",
      "stop", "store", "top_logprobs", "user" }, names)
    body.generationConfig, body.contents = nil, nil
    assert.same({}, body)
  end)

  it("name the user on the bill of Vertex", function()
    local body, dropped = with('"user":"u-1_a"', VERTEX)
    assert.same({ user = "u-1_a" }, body.labels)
    assert.equal("", dropped)
    assert.equal("user", select(2, with('"user":"Me@x"', VERTEX)))
  end)

  it("ask for no more answers than there can be", function()
    assert.same({ "this provider gives at most 8 answers per request", "n" },
      { refused '{"model":"m","n":9,"messages":[{"role":"user","content":"u"}]}' })
  end)
end)

-- ------------------------------------------------------------------ answers

local function answer(fields)
  local call = { vendor = "gemini", model = "gemini-2.5-flash", id = "none" }
  for name, value in pairs(fields) do
    call[name] = value
  end
  return wire.answer(call)
end

--- A whole answer of these candidates (JSON text).
local function whole(candidates, more)
  return answer { body = '{"responseId":"r","modelVersion":"v","candidates":[' .. candidates .. "]" .. (more or "") .. "}" }
end

local function chosen(candidates, more)
  local got = whole(candidates, more)
  assert.is_nil(got.failure and got.failure.message)
  return json.decode(got.out).choices
end

local function candidate(parts, reason, index)
  return ('{"content":{"role":"model","parts":[%s]},"finishReason":"%s"%s}'):format(parts, reason or "STOP", index and ',"index":' .. index or "")
end

describe("an answer", function()
  it("says what it says", function()
    local message = chosen(candidate [[{"text":"Hm. ","thought":true},{"text":"a\n"},
      {"executableCode":{"code":"1"}},{"text":"\u00eb","thoughtSignature":"s"},{"text":""}]])[1].message
    assert.equal("a\në", message.content)
    assert.equal("Hm. ", message.reasoning_content)
    assert.is_nil(message.extra_content)
  end)

  it("calls functions, whatever it gives as its reason", function()
    local choice = chosen(candidate [[{"text":"t"},{"functionCall":{"name":"f","id":"i1","args":{"a": [1, "x y"] , "b":{}}},"thoughtSignature":"s1"},
      {"functionCall":{"name":"g"}}]])[1]
    assert.equal("tool_calls", choice.finish_reason)
    local calls = choice.message.tool_calls
    assert.same({ "i1", "f", [[{"a":[1,"x y"],"b":{}}]], "s1" }, { calls[1].id, calls[1]["function"].name, calls[1]["function"].arguments,
      calls[1].extra_content.google.thought_signature })
    assert.same({ "g", "{}" }, { calls[2]["function"].name, calls[2]["function"].arguments })
    assert.matches("^call_", calls[2].id)
    assert.is_nil(calls[2].extra_content)
    assert.equal("length", chosen(candidate('{"functionCall":{"name":"f"}}', "MAX_TOKENS"))[1].finish_reason)
  end)

  it("shows pictures in its text", function()
    assert.equal("![image](data:image/png;base64,AA==)", chosen(candidate '{"inlineData":{"mimeType":"image/png","data":"AA=="}}')[1].message.content)
  end)

  it("says why it finished", function()
    local reasons = {
      stop = { "STOP", "OTHER", "FINISH_REASON_UNSPECIFIED", "NO_IMAGE", "SOMETHING_NEW", "MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL",
        "TOO_MANY_TOOL_CALLS" }, length = { "MAX_TOKENS" },
      content_filter = { "SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "IMAGE_SAFETY", "IMAGE_RECITATION", "LANGUAGE" },
    }
    for finish, list in pairs(reasons) do
      for _, reason in ipairs(list) do
        assert.equal(finish, chosen(candidate('{"text":"x"}', reason))[1].finish_reason, reason)
        assert.equal("", chosen('{"finishReason":"' .. reason .. '"}')[1].message.content)
      end
    end
  end)

  it("that the model broke off is none", function()
    for _, reason in ipairs { "MALFORMED_RESPONSE", "MISSING_THOUGHT_SIGNATURE" } do
      local got = whole('{"finishReason":"' .. reason .. '","index":0}')
      assert.equal("unavailable", got.failure.kind)
      assert.matches(reason, got.failure.message)
      assert.equal("uncertain", got.failure.sent)
    end
  end)

  it("has several choices", function()
    local choices = chosen(candidate('{"text":"a"}') .. "," .. candidate('{"text":"b"}', "MAX_TOKENS", 1))
    assert.same({ "a", "stop", "b", "length" },
      { choices[1].message.content, choices[1].finish_reason, choices[2].message.content, choices[2].finish_reason })
    assert.equal("unavailable", whole(candidate('{"text":"a"}', "STOP", 8)).failure.kind)
    assert.equal("unavailable", whole(candidate('{"text":"a"}', "STOP", -1)).failure.kind)
  end)

  it("is filtered when the prompt was blocked", function()
    local got = answer { body = '{"promptFeedback":{"blockReason":"SAFETY"}}' }
    assert.equal("content_filter", got.finish)
    assert.is_true(got.ended)
    assert.is_true(whole("", ',"promptFeedback":{"safetyRatings":[]}').failure ~= nil)
  end)

  it("may come as the list that a stream is without SSE", function()
    local list = [=[[{"candidates":[{"content":{"parts":[{"text":"a"}]}}]},
      {"candidates":[{"content":{"parts":[{"text":"b"}]},"finishReason":"STOP"}]}]]=]
    assert.equal("ab", json.decode(answer({ body = list }).out).choices[1].message.content)
    assert.equal("rate_limited", answer({ body = '[{"error":{"code":429,"status":"RESOURCE_EXHAUSTED","message":"slow"}}]' }).failure.kind)
  end)

  it("that is none is a failure", function()
    for _, body in ipairs { "", "<html>", "{", "[]", "null", "7", "{}", '{"candidates":[]}', '{"candidates":[{"content":{"parts":[{"text":"a"}]}}]}', "[1]",
      '{"error":"odd"}', candidate('{"text":"a"}') } do
      local got = answer { body = body }
      assert.truthy(got.failure, body)
      assert.is_false(got.ended)
    end
  end)
end)

describe("usage", function()
  local function usage(metadata)
    return whole(candidate '{"text":"a"}', ',"usageMetadata":' .. metadata).usage
  end

  it("counts nothing twice and nothing not", function()
    assert.same({ input = 36, cache_read = 64, cache_write = -1, output = 12, reasoning = 5 },
      usage '{"promptTokenCount":100,"candidatesTokenCount":7,"thoughtsTokenCount":5,"cachedContentTokenCount":64,"totalTokenCount":112}')
    assert.same({ input = 15, cache_read = -1, cache_write = -1, output = 3, reasoning = -1 },
      usage '{"promptTokenCount":10,"toolUsePromptTokenCount":5,"candidatesTokenCount":3,"totalTokenCount":18}')
    assert.same({ input = 10, cache_read = -1, cache_write = -1, output = 8, reasoning = 5 }, -- the thoughts are in there already
      usage '{"promptTokenCount":10,"candidatesTokenCount":8,"thoughtsTokenCount":5,"totalTokenCount":18}')
    assert.same({ input = 10, cache_read = -1, cache_write = -1, output = 5, reasoning = 5 },
      usage '{"promptTokenCount":10,"thoughtsTokenCount":5,"totalTokenCount":15}')
  end)

  it("tells sound and pictures apart", function()
    local got = usage [[{"promptTokenCount":100,"cachedContentTokenCount":30,"candidatesTokenCount":9,"totalTokenCount":109,
      "promptTokensDetails":[{"modality":"TEXT","tokenCount":10},{"modality":"AUDIO","tokenCount":40},{"modality":"IMAGE","tokenCount":50}],
      "cacheTokensDetails":[{"modality":"AUDIO","tokenCount":30}],"candidatesTokensDetails":[{"modality":"AUDIO","tokenCount":4}]}]]
    assert.same({ 10, 50, 4 }, { got.audio_input, got.image_input, got.audio_output })
  end)

  it("that is absurd is not known", function()
    assert.is_nil(usage '{"promptTokenCount":-1,"candidatesTokenCount":3}')
    assert.is_nil(usage '{"trafficType":"ON_DEMAND"}')
    assert.is_nil(usage '{"promptTokenCount":10,"candidatesTokenCount":-3}')
    local got = usage '{"promptTokenCount":10,"cachedContentTokenCount":11,"thoughtsTokenCount":1e300}'
    assert.same({ input = 10, cache_read = -1, cache_write = -1, output = 0, reasoning = -1 }, got)
  end)
end)

-- ------------------------------------------------------------------ streams

local function event(body)
  return "data: " .. body .. "\r\n\r\n"
end

local function piece(parts, more)
  return event('{"responseId":"r","candidates":[{"content":{"parts":[' .. parts .. "]}" .. (more or "") .. "}]}")
end

--- However its bytes are cut, a stream is the same; its one outcome.
local function streamed(raw)
  local first, got
  for _, pieces in ipairs(stream.cuts(raw)) do
    local one = answer { stream = true, include_usage = true, pieces = pieces }
    local seen = json.encode { one.out or "", one.failure and one.failure.body or "", one.finish, one.ended, one.usage or "" }
    first, got = first or seen, got or one
    assert.equal(first, seen)
  end
  return got
end

describe("a stream", function()
  local CALL = '{"functionCall":{"name":"%s","args":{"ë":"☃"}}}'

  it("counts its calls through all events and ends with its bytes", function()
    local got = streamed(piece(CALL:format "f" .. "," .. CALL:format "g") .. piece('{"text":"✓"}') .. piece(CALL:format "h", ',"finishReason":"STOP"')
      .. event '{"usageMetadata":{"promptTokenCount":3,"totalTokenCount":3}}' .. event '{"usageMetadata":{"trafficType":"ON_DEMAND"}}')
    assert.is_true(got.ended)
    assert.equal("tool_calls", got.finish)
    assert.equal(3, got.usage.input)
    local seen, last = {}, nil
    for _, one in ipairs(stream.events(got.out)) do
      last = one.data
      for _, call in ipairs(type(last) == "table" and last.choices[1] and last.choices[1].delta.tool_calls or {}) do
        seen[#seen + 1] = ("%d"):format(call.index) .. (call["function"].name or call["function"].arguments)
      end
    end
    assert.same({ "0f", '0{"ë":"☃"}', "1g", '1{"ë":"☃"}', "2h", '2{"ë":"☃"}' }, seen)
    assert.equal("[DONE]", last)
  end)

  it("without a reason to end was cut", function()
    for _, raw in ipairs { "", piece '{"text":"a"}', event '{"usageMetadata":{"promptTokenCount":3}}', piece '{"text":"a"}' .. event "[DONE]" } do
      local got = streamed(raw)
      assert.is_false(got.ended)
      assert.is_nil(got.failure)
    end
  end)

  it("ends when every choice did", function()
    local one = '{"content":{"parts":[{"text":"a"}]},"index":%d%s}'
    local open = event('{"candidates":[' .. one:format(0, ',"finishReason":"STOP"') .. "," .. one:format(1, "") .. "]}")
    assert.is_false(streamed(open).ended)
    assert.is_true(streamed(open .. event '{"candidates":[{"index":1,"finishReason":"MAX_TOKENS"}]}').ended)
  end)

  it("may be blocked in its course", function()
    local got = streamed(piece '{"text":"a"}' .. event '{"promptFeedback":{"blockReason":"PROHIBITED_CONTENT"}}')
    assert.is_true(got.ended)
    assert.equal("content_filter", got.finish)
  end)

  it("may fail in its course", function()
    local failures = {
      { event '{"error":{"code":429,"status":"RESOURCE_EXHAUSTED","message":"m"}}', "rate_limited" },
      { event '[{"error":{"code":500,"status":"INTERNAL","message":"m"}}]', "unavailable" },
      { event '{"error":{"message":"m"}}', "unavailable" }, { event "oops", "unavailable" },
      { event '{"candidates":[{"finishReason":"MALFORMED_RESPONSE"}]}', "unavailable" },
    }
    for _, case in ipairs(failures) do
      local got = streamed(piece '{"text":"a"}' .. case[1] .. piece('{"text":"b"}', ',"finishReason":"STOP"'))
      assert.equal(case[2], got.failure.kind)
      assert.equal("content_started", got.failure.sent)
      assert.is_false(got.ended)
      assert.is_nil(got.out:find('"b"', 1, true))
      got = streamed(case[1])
      assert.not_equal("content_started", got.failure.sent)
      assert.is_false(got.content)
    end
  end)
end)

-- ------------------------------------------------------------------ refusals

describe("a refusal", function()
  local function failure(status, body, headers)
    return answer({ status = status, body = body, headers = headers }).failure
  end
  local function google(code, status, message, details)
    return ('{"error":{"code":%d,"status":"%s","message":"%s"%s}}'):format(code, status, message or "m", details and ',"details":[' .. details .. "]" or "")
  end

  it("is known by its canonical status", function()
    local kinds = {
      { 400, "INVALID_ARGUMENT", "invalid_request" }, { 400, "FAILED_PRECONDITION", "auth" }, { 401, "UNAUTHENTICATED", "auth" },
      { 403, "PERMISSION_DENIED", "auth" }, { 404, "NOT_FOUND", "model_not_found" }, { 429, "RESOURCE_EXHAUSTED", "rate_limited" },
      { 499, "CANCELLED", "canceled" }, { 500, "INTERNAL", "unavailable" }, { 503, "UNAVAILABLE", "overloaded" }, { 504, "DEADLINE_EXCEEDED", "timeout" },
    }
    for _, case in ipairs(kinds) do
      for _, body in ipairs { google(case[1], case[2]), "[" .. google(case[1], case[2]) .. "]" } do
        local got = failure(case[1], body)
        assert.equal(case[3], got.kind, case[2])
        assert.equal("m", got.message)
        assert.equal("refused", got.sent)
      end
    end
    assert.equal("rate_limited", failure(500, google(429, "RESOURCE_EXHAUSTED")).kind)
    assert.equal("rate_limited", failure(503, '{"error":{"code":429,"message":"m"}}').kind)
    assert.equal("auth", failure(400, google(400, "INVALID_ARGUMENT", "no", '{"reason":"API_KEY_INVALID"}')).kind)
    assert.equal("unavailable", failure(502, "<html>").kind)
    assert.equal("auth", failure(401, "").kind)
  end)

  it("of a day's quota is no matter of a moment", function()
    local quota = '{"@type":"q","violations":[{"quotaId":"RequestsPerMinute"},{"quotaId":"%s"}]},{"@type":"r","retryDelay":"%s"}'
    local words = "You exceeded your current quota, please check your plan and billing details."
    local got = failure(429, google(429, "RESOURCE_EXHAUSTED", words, quota:format("TokensPerDayPerProject", "7s")))
    assert.equal("quota", got.kind)
    got = failure(429, google(429, "RESOURCE_EXHAUSTED", words, quota:format("TokensPerMinute", "7.25s")))
    assert.equal("rate_limited", got.kind)
    assert.equal(7.25, got.retry_after_s)
    assert.equal(3, failure(429, google(429, "RESOURCE_EXHAUSTED", "m", quota:format("x", "7s")), { ["retry-after"] = "3" }).retry_after_s)
    for _, long in ipairs { "3601s", "86400s", "900000000s" } do
      assert.equal(3600, failure(429, google(429, "RESOURCE_EXHAUSTED", "m", quota:format("x", long))).retry_after_s)
    end
    for _, odd in ipairs { "", "s", "-1s", "7", "1e30s", "xs" } do
      assert.is_nil(failure(429, google(429, "RESOURCE_EXHAUSTED", "m", quota:format("x", odd))).retry_after_s)
    end
  end)
end)

-- ------------------------------------------------------------------ embeddings and counts

describe("embeddings", function()
  local function ask(members, fields)
    local call = { client = "embeddings" }
    for name, value in pairs(fields or {}) do
      call[name] = value
    end
    return sent('{"model":"m","input":' .. members .. "}", call)
  end
  local function vectors(body, fields)
    local call = { client = "embeddings", body = body, estimated_input = 9 }
    for name, value in pairs(fields or {}) do
      call[name] = value
    end
    return answer(call)
  end

  it("are asked for all at once", function()
    local body, dropped = ask('["a","b\\n"],"dimensions":3,"input_type":"search_query","user":"u"', { model = "gemini-embedding-001" })
    local function request(one)
      return { model = "models/gemini-embedding-001", content = { parts = { { text = one } } }, taskType = "RETRIEVAL_QUERY", outputDimensionality = 3 }
    end
    assert.same({ requests = { request "a", request "b\n" } }, body)
    assert.equal("user", dropped)
    body, dropped = ask('"a","input_type":"odd"', { model = "x", default_input_type = "search_document" })
    assert.same({ requests = { { model = "models/x", content = { parts = { { text = "a" } } } } } }, body)
    assert.equal("input_type", dropped)
    assert.equal("RETRIEVAL_DOCUMENT", ask('"a"', { default_input_type = "search_document" }).requests[1].taskType)
  end)

  it("are asked for in two ways on Vertex", function()
    local vertex = { vendor = "vertex_ai", project = "p", location = "l" }
    vertex.model = "text-embedding-005"
    assert.same({ instances = { { content = "a", task_type = "CLUSTERING" }, { content = "b", task_type = "CLUSTERING" } },
      parameters = { outputDimensionality = 3 } }, (ask('["a","b"],"dimensions":3,"input_type":"clustering"', vertex)))
    vertex.model = "gemini-embedding-2"
    assert.same({ requests = { { content = { parts = { { text = "a" } } }, embedContentConfig = { outputDimensionality = 3 } } } },
      (ask('"a","dimensions":3', vertex)))
  end)

  it("are read in order, with their count where there is one", function()
    local got = vectors '{"embeddings":[{"values":[0.5, 1]},{"values":[2,3]}]}'
    assert.is_true(got.ended)
    local body = json.decode(got.out)
    assert.same({ { 0.5, 1 }, { 2, 3 } }, { body.data[1].embedding, body.data[2].embedding })
    assert.same({ 0, 1, 9 }, { body.data[1].index, body.data[2].index, body.usage.prompt_tokens })
    body = json.decode(vectors([[{"predictions":[{"embeddings":{"values":[1],"statistics":{"token_count":2.0}}},
      {"embeddings":{"values":[2],"statistics":{"token_count":3}}}]}]], { vendor = "vertex_ai" }).out)
    assert.same({ { 1 }, { 2 }, 5 }, { body.data[1].embedding, body.data[2].embedding, body.usage.prompt_tokens })
    assert.equal(4, json.decode(vectors('{"embeddings":[{"values":[1]}],"usageMetadata":{"promptTokenCount":4}}').out).usage.prompt_tokens)
  end)

  it("that are missing are a failure", function()
    for _, body in ipairs { "{}", '{"embeddings":[]}', '{"embeddings":[{}]}', '{"embeddings":[{"values":[]}]}',
      '{"embeddings":[{"values":[1]},7]}', "[]", "x" } do
      local got = vectors(body)
      assert.equal("unavailable", got.failure and got.failure.kind, body)
      assert.is_false(got.ended)
    end
    assert.equal("model_not_found", vectors('{"error":{"code":404,"status":"NOT_FOUND","message":"m"}}', { status = 404 }).failure.kind)
  end)
end)

-- The dialect that asks for counts is Anthropic's.
describe("counts", function()
  local asks = wire.clients().count_tokens and it or pending
  local BODY = '{"model":"m","system":"s","messages":[{"role":"user","content":"u"}]}'

  asks("are asked for with all that a chat would send", function()
    local body = sent(BODY, { client = "count_tokens" })
    assert.same({ generateContentRequest = { model = "models/gemini-2.5-flash", systemInstruction = { parts = { { text = "s" } } },
      contents = { text("user", "u") } } }, body)
    body = sent(BODY, { client = "count_tokens", vendor = "vertex_ai" })
    assert.same({ systemInstruction = { parts = { { text = "s" } } }, contents = { text("user", "u") } }, body)
    assert.equal("/models/gemini-2.5-flash:countTokens", (wire.head { vendor = "gemini", model = "gemini-2.5-flash", client = "count_tokens", key = "k" }))
  end)

  asks("are one number", function()
    assert.equal(31, json.decode(answer({ client = "count_tokens", body = '{"totalTokens":31,"promptTokensDetails":[]}' }).out).input_tokens)
    assert.equal("unavailable", answer({ client = "count_tokens", body = '{"totalTokens":-1}' }).failure.kind)
  end)
end)
