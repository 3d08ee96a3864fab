--- The estimate of a prompt's tokens, beside what OpenAI's vocabularies o200k and cl100k make of the same texts.
--
-- The counts were made once with the package js-tiktoken; the bounds are the errors that estimate.c and the README promise.
local cjson = require "cjson"
local fixtures = require "support.fixtures"
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

local HI = '"messages":[{"role":"user","content":"hi"}]'
local PROSE = ("The river rose in the night; by dawn it stood at the mill. "):rep(17000)
local BASE64 = ("iVBORw0KGgoAAAANSUhEUgAAB9AAAAfQ+/"):rep(29000)

local function tokens(body, client)
  local facts, complaint = wire.facts(body, client)
  return assert(facts, complaint and complaint.message).tokens
end

-- Where a megabyte of prose may stand: client, place, body. What is not said here to be a text is held by the floor alone.
local PLACES = {
  { "openai", "name", '{"model":"m","messages":[{"role":"user","content":"hi","name":"%s"}]}' },
  { "openai", "prediction", '{"model":"m",' .. HI .. ',"prediction":{"type":"content","content":"%s"}}' },
  { "openai", "response_format", '{"model":"m",' .. HI .. ',"response_format":{"type":"json_schema","json_schema":{"name":"x",'
    .. '"schema":{"description":"%s"}}}}' },
  { "openai", "reasoning_content", '{"model":"m","messages":[{"role":"assistant","content":"hi","reasoning_content":"%s"}]}' },
  { "openai", "function_call.arguments", '{"model":"m","messages":[{"role":"assistant","content":null,"function_call":{"name":"f","arguments":"%s"}}]}' },
  { "openai", "refusal", '{"model":"m","messages":[{"role":"assistant","content":null,"refusal":"%s"}]}' },
  { "openai", "an unknown part", '{"model":"m","messages":[{"role":"user","content":[{"type":"video","video":"%s"}]}]}' },
  { "openai", "an unknown member of a part", '{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"hi","x":"%s"}]}]}' },
  { "openai", "a picture's place in a text", '{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"hi",'
    .. '"image_url":{"url":"data:image/png;base64,%s"}}]}]}', true },
  { "openai", "a picture's address", '{"model":"m","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://x.y/%s"}}]}]}', true },
  { "openai", "a picture that is a text", '{"model":"m","messages":[{"role":"user","content":[{"type":"image_url",'
    .. '"image_url":{"url":"data:text/plain;base64,%s"}}]}]}', true },
  { "openai", "a file that is a text", '{"model":"m","messages":[{"role":"user","content":[{"type":"file","file":{"file_data":"data:text/plain;base64,'
    .. '%s"}}]}]}', true },
  { "openai", "a picture's data", '{"model":"m","messages":[{"role":"user","content":[{"type":"image_url",'
    .. '"image_url":{"url":"data:image/png;base64,%s"}}]}]}' },
  { "openai", "a sound's data", '{"model":"m","messages":[{"role":"user","content":[{"type":"input_audio","input_audio":{"data":"%s",'
    .. '"format":"wav"}}]}]}' },
  { "openai", "a film's data", '{"model":"m","messages":[{"role":"user","content":[{"type":"video_url",'
    .. '"video_url":{"url":"data:video/mp4;base64,%s"}}]}]}' },
  { "openai", "a file's data", '{"model":"m","messages":[{"role":"user","content":[{"type":"file","file":{"filename":"a.pdf","file_data":"%s"}}]}]}' },
  { "openai", "a film that is a text", '{"model":"m","messages":[{"role":"user","content":[{"type":"video_url",'
    .. '"video_url":{"url":"data:text/plain;base64,%s"}}]}]}', true },
  { "openai", "a film's place in a text", '{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"hi",'
    .. '"video_url":{"url":"data:video/mp4;base64,%s"}}]}]}', true },
  { "openai", "a file's name", '{"model":"m","messages":[{"role":"user","content":[{"type":"file","file":{"file_id":"f","filename":"%s"}}]}]}', true },
  { "openai", "a text that is given twice", '{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"%s","text":"hi"}]}]}' },
  { "openai", "a content that is given twice", '{"model":"m","messages":[{"role":"user","content":"%s","content":"hi"}]}' },
  { "openai", "an unknown member", '{"model":"m",' .. HI .. ',"x":"%s"}', true },
  { "openai", "an unknown member that is given twice", '{"model":"m",' .. HI .. ',"x":1,"x":"%s"}', true },
  { "openai", "a key", '{"model":"m",' .. HI .. ',"%s":1}', true },
  { "openai", "metadata", '{"model":"m",' .. HI .. ',"metadata":{"a":"%s"}}', true },
  { "openai", "thinking_blocks", '{"model":"m","messages":[{"role":"assistant","content":"hi","thinking_blocks":[{"type":"thinking","thinking":"%s"}]}]}',
    true },
  { "simple", "name", '{"messages":[{"role":"user","content":"hi","name":"%s"}]}' },
  { "completions", "suffix", '{"model":"m","prompt":"hi","suffix":"%s"}' },
  { "completions", "an unknown member", '{"model":"m","prompt":"hi","x":"%s"}', true },
  { "embeddings", "an unknown member", '{"model":"m","input":"hi","x":"%s"}', true },
  { "anthropic", "an unknown block", '{"model":"m","max_tokens":9,"messages":[{"role":"user","content":[{"type":"video","x":"%s"}]}]}' },
  { "anthropic", "a document's title", '{"model":"m","max_tokens":9,"messages":[{"role":"user","content":[{"type":"document","title":"%s",'
    .. '"source":{"type":"text","media_type":"text/plain","data":"hi"}}]}]}' },
  { "anthropic", "a document's blocks", '{"model":"m","max_tokens":9,"messages":[{"role":"user","content":[{"type":"document",'
    .. '"source":{"type":"content","content":[{"type":"text","text":"%s"}]}}]}]}' },
  { "anthropic", "a picture's data", '{"model":"m","max_tokens":9,"messages":[{"role":"user","content":[{"type":"image",'
    .. '"source":{"type":"base64","media_type":"image/png","data":"%s"}}]}]}' },
  { "anthropic", "a document's data", '{"model":"m","max_tokens":9,"messages":[{"role":"user","content":[{"type":"document",'
    .. '"source":{"type":"base64","media_type":"application/pdf","data":"%s"}}]}]}' },
  { "anthropic", "a document that is a text", '{"model":"m","max_tokens":9,"messages":[{"role":"user","content":[{"type":"document",'
    .. '"source":{"type":"base64","media_type":"text/plain","data":"%s"}}]}]}', true },
  { "anthropic", "a signature", '{"model":"m","max_tokens":9,"messages":[{"role":"assistant","content":[{"type":"thinking","thinking":"x",'
    .. '"signature":"%s"}]}]}', true },
  { "anthropic", "output_config", '{"model":"m","max_tokens":9,' .. HI .. ',"output_config":{"format":{"type":"json_schema","schema":{"description":"%s"}}}}' },
  { "anthropic", "a member of a message", '{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"hi","name":"%s"}]}' },
  { "anthropic", "an unknown member", '{"model":"m","max_tokens":9,' .. HI .. ',"x":"%s"}', true },
  { "count_tokens", "an unknown block", '{"model":"m","messages":[{"role":"user","content":[{"type":"video","x":"%s"}]}]}' },
  { "responses", "a picture's data", '{"model":"m","input":[{"role":"user","content":[{"type":"input_image","image_url":"data:image/png;base64,%s"}]}]}' },
  { "responses", "a file's data", '{"model":"m","input":[{"role":"user","content":[{"type":"input_file","filename":"a.pdf","file_data":"%s"}]}]}' },
  { "responses", "an unknown part", '{"model":"m","input":[{"role":"user","content":[{"type":"video","x":"%s"}]}]}' },
  { "responses", "an unknown item", '{"model":"m","input":[{"type":"thing","x":"%s"}]}' },
  { "responses", "a summary", '{"model":"m","input":[{"type":"reasoning","summary":[{"type":"summary_text","text":"%s"}]}]}' },
  { "responses", "text.format", '{"model":"m","input":"hi","text":{"format":{"type":"json_schema","name":"x","schema":{"description":"%s"}}}}' },
  { "responses", "a prompt's variables", '{"model":"m","input":"hi","prompt":{"id":"p","variables":{"a":"%s"}}}' },
  { "responses", "encrypted_content", '{"model":"m","input":[{"type":"reasoning","summary":[],"encrypted_content":"%s"}]}', true },
  { "responses", "an unknown member", '{"model":"m","input":"hi","x":"%s"}', true },
}

describe("a prompt weighs something wherever its bulk stands", function()
  local as_content = tokens('{"model":"m","messages":[{"role":"user","content":"' .. PROSE .. '"}]}')
  for _, place in ipairs(PLACES) do
    local client, name, frame, floor = table.unpack(place)
    it(("%s: %s"):format(client, name), function()
      local got = tokens(frame:gsub("%%s", function() return PROSE end), client)
      assert.is_truthy(got >= (floor and #PROSE / 8 - 1000 or 0.9 * as_content), ("%d, as content %d"):format(got, as_content))
      assert.is_truthy(got < 1.3 * as_content, got)
    end)
  end

  it("blanks and escapes as well", function()
    assert.is_truthy(tokens('{"model":"m",' .. HI .. (" "):rep(1000000) .. "}") > 100000)
    assert.is_truthy(tokens('{"model":"m","messages":[{"role":"user","content":"' .. (" "):rep(1000000) .. '"}]}') > 100000)
    assert.is_truthy(tokens('{"model":"m","messages":[{"role":"user","content":"' .. ("\\u0061"):rep(160000) .. '"}]}') > 100000)
    assert.is_truthy(tokens('{"model":"m","messages":[{"role":"user","content":"hi"},' .. ('{"role":"user","content":""},'):rep(30000)
      .. '{"role":"user","content":""}]}') > 100000)
  end)

  it("base64 where text stands is text", function()
    assert.is_truthy(tokens('{"model":"m","messages":[{"role":"user","content":"data:image/png;base64,' .. BASE64 .. '"}]}') > 200000)
    assert.is_truthy(tokens('{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"data:image/png;base64,' .. BASE64 .. '"}]}]}') > 200000)
  end)
end)

describe("pictures, sounds and files weigh by what a provider makes of them", function()
  local FRAMES = {
    openai = { '{"model":"m","messages":[{"role":"user","content":[%s]}]}', {
      film = '{"type":"video_url","video_url":{"url":"data:video/mp4;base64,%s"}}',
      image = '{"type":"image_url","image_url":{"url":"data:image/png;base64,%s"}}', audio = '{"type":"input_audio","input_audio":{"data":"%s",'
        .. '"format":"wav"}}',
      file = '{"type":"file","file":{"filename":"a.pdf","file_data":"data:application/pdf;base64,%s"}}' } },
    anthropic = { '{"model":"m","max_tokens":9,"messages":[{"role":"user","content":[%s]}]}', {
      image = '{"type":"image","source":{"type":"base64","media_type":"image/png","data":"%s"}}',
      file = '{"type":"document","source":{"type":"base64","media_type":"application/pdf","data":"%s"}}' } },
    responses = { '{"model":"m","input":[{"role":"user","content":[%s]}]}', {
      image = '{"type":"input_image","image_url":"data:image/png;base64,%s"}', audio = '{"type":"input_audio","input_audio":{"data":"%s","format":"wav"}}',
      file = '{"type":"input_file","filename":"a.pdf","file_data":"data:application/pdf;base64,%s"}' } },
  }
  for client, dialect in pairs(FRAMES) do
    for kind, part in pairs(dialect[2]) do
      it(("%s: %s"):format(client, kind), function()
        local function of(count, data)
          local one = part:gsub("%%s", function() return data end)
          return tokens(dialect[1]:gsub("%%s", function() return (one .. ","):rep(count - 1) .. one end), client)
        end
        local small, large, two = of(1, BASE64:sub(1, 4000)), of(1, BASE64), of(2, BASE64)
        local least = { image = 800, audio = #BASE64 // 256, film = #BASE64 // 256, file = #BASE64 // 64 }
        assert.equal(least[kind], large - 5)
        assert.equal(2 * least[kind], two - 5)
        assert.is_truthy(kind == "image" and small == large or small < large)
        assert.is_truthy(kind ~= "file" or small > 1000)
      end)
    end
  end

  it("a file whose type is not said: by how it begins", function()
    local function of(data, type)
      return tokens('{"model":"m","messages":[{"role":"user","content":[{"type":"file","file":{"filename":"a","file_data":"' .. type .. data .. '"}}]}]}')
    end
    for _, type in ipairs { "", "data:;base64," } do
      for _, pages in ipairs { "JVBERi0xLjcK", "UEsDBBQABgAI", "0M8R4KGxGuEA" } do
        assert.equal((#pages + #BASE64) // 64, of(pages .. BASE64, type) - 5)
        assert.equal(1500, of(pages, type) - 5)
      end
      assert.is_truthy(of(("QUJD"):rep(250000), type) > 120000)
      assert.equal(1500, of("QUJD", type) - 5)
    end
  end)
end)

describe("the floor", function()
  --- The same JSON without blanks outside of strings.
  local function compact(text)
    local out, inside, i = {}, false, 1
    while i <= #text do
      local byte = text:sub(i, i)
      if inside and byte == "\\" then
        out[#out + 1] = text:sub(i, i + 1)
        i = i + 1
      elseif inside or not byte:find "%s" then
        out[#out + 1] = byte
        inside = (byte == '"') ~= inside
      end
      i = i + 1
    end
    return table.concat(out)
  end

  it("raises no ordinary prompt, however its JSON is laid out", function()
    local turns, spread = {}, {}
    for _, sample in ipairs(SAMPLES) do
      local file <close> = assert(io.open("spec/fixtures/tokens/" .. sample[1]))
      local text = cjson.encode(file:read "a")
      local call = ('{"id":"call_%s","type":"function","function":{"name":"get_weather","arguments":"{\\"city\\":\\"Paris\\"}"}}'):format(("x"):rep(24))
      turns[#turns + 1] = ('{"role":"user","content":%s},{"role":"assistant","content":null,"tool_calls":[%s]},'):format(text, call)
        .. ('{"role":"tool","tool_call_id":"call_%s","content":"Sunny, 21 degrees"},{"role":"assistant","content":"It is sunny."}'):format(("x"):rep(24))
    end
    local frame = '{"model":"gpt-4o","temperature":0.7,"stream":true,"stream_options":{"include_usage":true},"user":"0123456789abcdef","messages":[%s]}'
    local body = frame:gsub("%%s", function() return table.concat(turns, ",") end)
    for i, turn in ipairs(turns) do
      spread[i] = turn:gsub('{"role"', '{\n      "role"'):gsub('","content"', '",\n      "content"')
    end
    local pretty = frame:gsub("%%s", function() return "\n    " .. table.concat(spread, ",\n    ") .. "\n  " end)
    assert.equal(tokens(compact(body)), tokens(pretty))
    local short = '{"role":"user","content":"Hello!"},{"role":"assistant","content":"Hi."}'
    local many = frame:gsub("%%s", function() return (short .. ","):rep(200) .. short end)
    assert.equal(402 * 4 + 201 * (5 * 235 + 700 + 2 * 235 + 700) // 1000, tokens(many) - 1)
  end)

  it("raises none of the fixtures' requests", function()
    local count = 0
    local function look(name, client, text)
      local facts = text and wire.facts(text, client)
      if facts then
        count = count + 1
        assert.equal(wire.facts(compact(text), client).tokens, facts.tokens, name)
      end
    end
    for _, folder in ipairs(fixtures.wires()) do
      local client = folder:match "^inbound_(%a+)"
      for _, case in ipairs(fixtures.cases(folder)) do
        look(case.name, client or "openai", case.asks)
        look(case.name, "openai", client and case.sent)
      end
    end
    assert.is_truthy(count > 100, count)
  end)
end)
