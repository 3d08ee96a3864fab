--- Anthropic's dialect with hostile or unexpected input: both sides, requests and answers.

local cjson = require "cjson"
local encoding = require "support.encoding"
local wire = require("gateway.runtime").wire

local json = cjson.new()
local encode, sent, refused = encoding.of("anthropic", "claude-sonnet-4-5")

local function ask(content, more)
  local body = { model = "m", max_tokens = 9, messages = { { role = "user", content = content or "u" } } }
  for name, value in pairs(more or {}) do
    body[name] = value
  end
  return body
end

describe("a file for Anthropic", function()
  local function file(data, name)
    return sent(ask { { type = "file", file = { file_data = data, filename = name } }, { type = "text", text = "?" } }).messages[1].content[1]
  end

  it("is text however it is encoded, and valid UTF-8 whatever it was", function()
    assert.equal("a b\"\n", file("data:text/plain,a%20b%22%0A").source.data)
    assert.equal("a%2", file("data:text/plain,a%2").source.data)
    assert.equal("# x", file("data:text/markdown;charset=utf-8;base64,IyB4").source.data)
    assert.equal("{}", file("DATA:application/json;BASE64,e30=").source.data)
    assert.equal("\u{fffd}", file("data:text/plain;base64,/w==").source.data)
    assert.equal("", file("data:text/plain;base64,").source.data)
  end)

  it("is a PDF where its bytes say so", function()
    for _, data in ipairs { "JVBERi0xLjQ=", "data:application/octet-stream;base64,JVBERi0xLjQ=", "data:;base64,JVBERi0x\r\nLjQ=",
      "data:application/PDF;base64,JVBERi0xLjQ%3D" } do
      assert.same({ type = "base64", media_type = "application/pdf", data = "JVBERi0xLjQ=" }, file(data).source)
    end
  end)

  it("is a picture where it is one", function()
    assert.same({ type = "image", source = { type = "base64", media_type = "image/png", data = "iVBO" } }, file("data:image/png;base64,iVBO", "a.png"))
  end)

  it("is refused where the API has no place for it", function()
    for _, data in ipairs { "data:application/zip;base64,AAAA", "file-abc", "", "http://x/a.pdf", "data:application/pdf,%25PDF" } do
      assert.equal("messages", refused(ask { { type = "file", file = { file_data = data } } }).param, data)
    end
    assert.equal("unsupported_parameter", refused(ask { { type = "file", file = { file_id = "file-1" } } }).kind)
  end)
end)

describe("a picture for Anthropic", function()
  local function picture(url)
    return sent(ask { { type = "image_url", image_url = { url = url } } }).messages[1].content[1].source
  end

  it("has one of four types", function()
    assert.equal("image/jpeg", picture("data:image/jpg;base64,AA").media_type)
    assert.equal("image/gif", picture("data:IMAGE/GIF;base64,AA").media_type)
    local escaped = [[{"model":"m","max_tokens":9,"messages":[{"role":"user","content":[{"type":"image_url",
      "image_url":{"url":"data:image\u002Fwebp;base64,\/\/8="}}]}]}]]
    assert.same({ type = "base64", media_type = "image/webp", data = "//8=" }, sent(escaped).messages[1].content[1].source)
    for _, type_ in ipairs { "image/bmp", "image/svg+xml", "text/plain", "", 'image/png","x":"' } do
      assert.equal("messages", refused(ask { { type = "image_url", image_url = { url = "data:" .. type_ .. ";base64,AA" } } }).param, type_)
    end
  end)

  it("may be anywhere but on plain http", function()
    assert.equal("HTTPS://x/a.png", picture("HTTPS://x/a.png").url)
    for _, url in ipairs { "http://x/a.png", "ftp://x", "x", "", "data:image/png,raw" } do
      assert.equal("messages", refused(ask { { type = "image_url", image_url = { url = url } } }).param, url)
    end
  end)
end)

describe("results of tools for Anthropic", function()
  local function loop(content, more)
    return ask(nil, { messages = { { role = "user", content = "u" },
      { role = "assistant", tool_calls = { { id = "a", type = "function", ["function"] = { name = "f", arguments = "{}" } } } },
      { role = "tool", tool_call_id = "a", content = content, cache_control = more } } })
  end

  it("may hold files, and nothing is lost of them", function()
    local file = { type = "file", file = { file_data = "data:application/pdf;base64,JVBERi0=" } }
    local got = sent(loop { file, { type = "text", text = "t" } }).messages[3].content[1]
    assert.same({ "document", "text" }, { got.content[1].type, got.content[2].type })
    assert.equal("messages", refused(loop { { type = "input_audio", input_audio = { data = "AA", format = "wav" } } }).param)
  end)

  it("are marked once", function()
    local marker = { type = "ephemeral" }
    local got = sent(loop({ { type = "text", text = "1" } }, marker)).messages[3].content[1]
    assert.same(marker, got.cache_control)
    assert.is_nil(got.content[1].cache_control)
  end)

  it("are found among very many, in time that grows as they do", function()
    local function seconds(count)
      local messages, calls = { { role = "user", content = "u" }, { role = "assistant" } }, {}
      for i = 1, count do
        calls[i] = { id = "c" .. i, type = "function", ["function"] = { name = "f", arguments = "{}" } }
        messages[count + 3 - i] = { role = "tool", tool_call_id = "c" .. i, content = "r" }
      end
      table.remove(messages) -- the result of c1
      messages[2].tool_calls = calls
      local body = json.encode(ask(nil, { messages = messages }))
      local least = math.huge
      for _ = 1, 5 do -- one of them in peace
        collectgarbage()
        local before = os.clock()
        local text = assert(encode(body))
        least = math.min(least, os.clock() - before)
        assert.equal(count, select(2, text:gsub('"tool_result"', "")))
        assert.matches('"tool_use_id":"c1","is_error":true,"content":"No result"}%]}%]', text)
      end
      return least
    end
    local few, many = seconds(2000), seconds(16000)
    assert.is_true(many < 32 * few, ("%f, then %f"):format(few, many)) -- by pairs it would be 64 times as long
  end)
end)

describe("names for Anthropic", function()
  --- What the client of `request` reads of an answer that calls the tool of that name.
  local function called(request, name)
    local answer = wire.answer { vendor = "anthropic", model = "m", id = "x", created = 1, request = request, body = json.encode {
      id = "msg_1", type = "message", model = "c", content = { { type = "tool_use", id = "t", name = name, input = { a = 1 } } },
      stop_reason = "tool_use", usage = { input_tokens = 1, output_tokens = 1 } } }
    return json.decode(answer.out).choices[1]
  end

  it("of tools are fitted, and found again", function()
    local long = ("n"):rep(200)
    for _, name in ipairs { "mcp.server/tool", long, "\u{e9}", 'q"' } do
      local body = json.encode(ask(nil, { tools = { { type = "function", ["function"] = { name = name } } },
        tool_choice = { type = "function", ["function"] = { name = name } } }))
      local got = sent(body)
      local fitted = got.tools[1].name
      assert.matches("^[%w_-]+$", fitted)
      assert.is_true(#fitted <= 128)
      assert.equal(fitted, got.tool_choice.name)
      assert.equal(name, called(body, fitted).message.tool_calls[1]["function"].name)
    end
  end)

  it("of a client's own tool mean that tool", function()
    local body = json.encode(ask(nil, { tools = { { type = "function", ["function"] = { name = "json_tool_call" } } } }))
    local choice = called(body, "json_tool_call")
    assert.same({ "json_tool_call", "tool_calls" }, { choice.message.tool_calls[1]["function"].name, choice.finish_reason })
  end)
end)

describe("what Anthropic counts", function()
  local function usage(text)
    return wire.answer { vendor = "anthropic", model = "m", id = "x", created = 1,
      body = '{"id":"m","type":"message","model":"c","content":[],"stop_reason":"end_turn","usage":' .. text .. "}" }.usage
  end

  it("of iterations is summed only where it can be", function()
    local entry = '{"type":"%s","input_tokens":%s,"output_tokens":%s}'
    local function iterations(...)
      return usage('{"input_tokens":5,"output_tokens":2,"iterations":[' .. table.concat({ ... }, ",") .. "]}")
    end
    assert.same({ 15, 5 }, { iterations(entry:format("compaction", 10, 3), entry:format("message", 5, 2)).input, 5 })
    for _, odd in ipairs { "-7", "1e300", '"x"', "null", "9007199254740993" } do
      local got = iterations(entry:format("compaction", odd, odd), entry:format("message", 5, 2))
      assert.same({ 5, 2 }, { got.input, got.output }, odd)
    end
    assert.same(5, iterations(entry:format("compaction", 10, 3), entry:format("fallback_message", 5, 2)).input)
    assert.same(5, iterations(entry:format("message", 5, 2), entry:format("advisor_message", 50, 2)).input)
    local much = {}
    for i = 1, 2000 do
      much[i] = entry:format("compaction", 9007199254740991, 1)
    end
    assert.same(5, iterations(table.unpack(much)).input)
  end)
end)

describe("an answer for clients of Anthropic's dialect", function()
  it("that calls tools says so, whatever its provider said", function()
    local call = { id = "c", type = "function", ["function"] = { name = "f", arguments = "{}" } }
    local request = json.encode(ask(nil, { tools = { { name = "f", input_schema = { type = "object" } } }, tool_choice = { type = "tool", name = "f" } }))
    local whole = wire.answer { client = "anthropic", vendor = "openai", model = "m", id = "x", created = 1, request = request, body = json.encode {
      id = "c", model = "m", choices = { { index = 0, finish_reason = "stop", message = { role = "assistant", tool_calls = { call } } } } } }
    assert.equal("tool_use", json.decode(whole.out).stop_reason)
    local stream = wire.answer { client = "anthropic", vendor = "openai", model = "m", id = "x", created = 1, request = request, stream = true, pieces = {
      'data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"c","function":{"name":"f","arguments":"{}"}}]}}]}\n\n',
      'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n' } }
    assert.matches('"stop_reason":"tool_use"', stream.out)
    local cut = wire.answer { client = "anthropic", vendor = "openai", model = "m", id = "x", created = 1, request = request, body = json.encode {
      id = "c", model = "m", choices = { { index = 0, finish_reason = "length", message = { role = "assistant", tool_calls = { call } } } } } }
    assert.equal("max_tokens", json.decode(cut.out).stop_reason)
  end)
end)
