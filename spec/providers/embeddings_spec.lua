--- POST /v1/embeddings at every provider that has them: what is asked there, and vectors back as numbers and as base64, in order. Requests are read and
-- answers written from the providers' documents.

local cjson = require "cjson"
local wire = require("gateway.runtime").wire

local json = cjson.new()

local TEXTS = { "Grüße \"aus\" Oslo ☃", "second\nline" }
local VECTORS = { { 0.5, -0.25, 1 }, { 0, 1e-3, -2 } }

--- vendor -> model, path's end, how it reads a request, what it answers, and whether it counts.
local PROVIDERS = {
  openai = {
    model = "text-embedding-3-small", ending = "/v1/embeddings", counts = 9,
    read = function(body) return { texts = body.input, dimensions = body.dimensions } end,
    answer = function()
      local data = {}
      for i, vector in ipairs(VECTORS) do
        data[i] = { object = "embedding", index = i - 1, embedding = vector }
      end
      return { object = "list", data = data, model = "text-embedding-3-small", usage = { prompt_tokens = 9, total_tokens = 9 } }
    end,
  },
  gemini = {
    model = "gemini-embedding-001", ending = "/models/gemini-embedding-001:batchEmbedContents",
    read = function(body)
      local asked = { texts = {} }
      for i, request in ipairs(body.requests) do
        assert.equal("models/gemini-embedding-001", request.model)
        asked.texts[i], asked.dimensions = request.content.parts[1].text, request.outputDimensionality
      end
      return asked
    end,
    answer = function() return { embeddings = { { values = VECTORS[1] }, { values = VECTORS[2] } } } end,
  },
  cohere = {
    model = "embed-v4.0", ending = "/v2/embed", counts = 9,
    read = function(body)
      assert.same({ "float" }, body.embedding_types)
      assert.equal("search_document", body.input_type)
      return { texts = body.texts, dimensions = body.output_dimension }
    end,
    answer = function()
      return { id = "e", response_type = "embeddings_by_type", embeddings = { float = VECTORS }, texts = TEXTS, meta = { billed_units = { input_tokens = 9 } } }
    end,
  },
  ollama = {
    model = "nomic-embed-text", ending = "/api/embed", counts = 9,
    read = function(body) return { texts = body.input, dimensions = body.dimensions } end,
    answer = function() return { model = "nomic-embed-text", embeddings = VECTORS, prompt_eval_count = 9 } end,
  },
  bedrock = {
    model = "cohere.embed-multilingual-v3", ending = "/model/cohere.embed-multilingual-v3/invoke",
    read = function(body)
      assert.is_string(body.input_type)
      return { texts = body.texts }
    end,
    answer = function() return { id = "e", texts = TEXTS, embeddings = VECTORS, response_type = "embeddings_floats" } end,
  },
}

local PATHS = { openai = "/v1", gemini = "/v1beta", cohere = "/v2", ollama = "/api", bedrock = "" }

local function call(vendor, fields)
  local all = { client = "embeddings", vendor = vendor, model = PROVIDERS[vendor].model, foreign = vendor ~= "openai", path = PATHS[vendor],
    origin = "https://x", key = "k", region = "us-east-1", default_input_type = "search_document", estimated_input = 11, id = ("0"):rep(32), created = 1 }
  for name, value in pairs(fields or {}) do
    all[name] = value
  end
  return all
end

local function asked(vendor, fields)
  fields.model = "asked"
  local body = json.encode(fields)
  local text, dropped
  if vendor == "openai" then
    text, dropped = wire.edited(call(vendor, { body = body })), ""
  else
    text, dropped = wire.encode(call(vendor, { body = body }))
  end
  assert.is_string(text, type(dropped) == "table" and dropped.message or nil)
  return PROVIDERS[vendor].read(json.decode(text)), dropped, body
end

local function vectors_of(answer)
  local list = {}
  assert.equal("list", answer.object)
  for i, item in ipairs(answer.data) do
    assert.same({ "embedding", i - 1 }, { item.object, item.index })
    local vector = item.embedding
    if type(vector) == "string" then
      local bytes, floats = require("mime").unb64(vector), {}
      for at = 1, #bytes, 4 do
        floats[#floats + 1] = string.unpack("<f", bytes, at)
      end
      vector = floats
    end
    list[i] = vector
  end
  return list
end

local function near(expected, got)
  assert.equal(#expected, #got)
  for i, vector in ipairs(expected) do
    assert.equal(#vector, #got[i])
    for k, number in ipairs(vector) do
      assert.near(number, got[i][k], 1e-9)
    end
  end
end

for vendor, provider in pairs(PROVIDERS) do
  describe("embeddings at " .. vendor, function()
    it("are asked for", function()
      local read, dropped = asked(vendor, { input = TEXTS })
      assert.same(TEXTS, read.texts)
      assert.equal("", dropped)
      local url = wire.head(call(vendor))
      assert.equal(provider.ending, url:sub(-#provider.ending))
    end)

    it("of one text", function()
      local read = asked(vendor, { input = TEXTS[1] })
      local texts = type(read.texts) == "table" and read.texts or { read.texts }
      assert.same({ TEXTS[1] }, texts)
    end)

    it("lose nothing in silence", function()
      local read, dropped = asked(vendor, { input = TEXTS, dimensions = 3, user = "u" })
      local names = ", " .. dropped .. ", "
      assert.truthy(read.dimensions == 3 or names:find(", dimensions, ", 1, true), dropped)
      assert.truthy(vendor == "openai" or names:find(", user, ", 1, true), dropped)
    end)

    it("come back in order", function()
      local answer = wire.answer(call(vendor, { body = json.encode(provider.answer()), request = json.encode { model = "asked", input = TEXTS } }))
      assert.is_nil(answer.failure and answer.failure.message)
      if vendor == "openai" then -- its bytes go back as they came
        assert.equal(9, answer.usage.input)
        return
      end
      local got = json.decode(answer.out)
      near(VECTORS, vectors_of(got))
      assert.same({ prompt_tokens = provider.counts or 11, total_tokens = provider.counts or 11 }, got.usage)
    end)

    if vendor ~= "openai" then
      it("come back as base64 where that was asked for", function()
        local request = json.encode { model = "asked", input = TEXTS, encoding_format = "base64" }
        local answer = wire.answer(call(vendor, { body = json.encode(provider.answer()), request = request }))
        local got = json.decode(answer.out)
        assert.is_string(got.data[1].embedding)
        local list = vectors_of(got)
        assert.equal(0.5, list[1][1])
        assert.near(1e-3, list[2][2], 1e-9)
      end)

      it("of token ids are refused", function()
        local body, complaint = wire.encode(call(vendor, { body = [[{"model":"asked","input":[1,2,3]}]] }))
        assert.is_nil(body)
        assert.same({ "unsupported_parameter", "input" }, { complaint.kind, complaint.param })
      end)

      it("that miss fail", function()
        local text = json.encode(provider.answer())
        for len = 0, #text - 1 do
          assert.is_false(wire.answer(call(vendor, { body = text:sub(1, len) })).ended)
        end
      end)
    end
  end)
end

it("a provider without embeddings says so", function()
  local body, complaint = wire.encode { client = "embeddings", vendor = "anthropic", model = "m", body = [[{"model":"asked","input":"x"}]] }
  assert.is_nil(body)
  assert.equal("unsupported_parameter", complaint.kind)
end)
