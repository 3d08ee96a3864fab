--- Every fixture of a wire: what goes to the provider, and what the client gets of its answer, however its bytes are cut.
--
-- The comparison rules are those of the fixtures' README: requests as JSON values, volatile paths ignored, a missing key
-- equals null, arguments parsed, chunks that only carry thinking_blocks may be ignored.

local lfs = require "lfs"
local cjson = require "cjson"
local wire = require("gateway.runtime").wire

local ROOT = "spec/fixtures/"
local json = cjson.new()
json.decode_max_depth(200)

local function read(path)
  local file = io.open(path, "rb")
  if not file then
    return nil
  end
  local text = file:read "a"
  file:close()
  return text
end

local function decode(path)
  local text = read(path)
  return text and json.decode(text)
end

-- ------------------------------------------------------------------ comparison

local function is_null(value)
  return value == nil or value == cjson.null
end

local function parsed(text)
  local ok, value = pcall(json.decode, text)
  return ok and value or text
end

local IGNORED = { id = true, created = true, system_fingerprint = true, description = true, service_tier = true }

local function differ(path, expected, got)
  return ("%s: expected %s, got %s"):format(path, type(expected) == "table" and json.encode(expected) or tostring(expected),
    type(got) == "table" and json.encode(got) or tostring(got))
end

--- nil when equal, else where they differ.
local function compare(path, expected, got, ignored)
  if is_null(expected) and is_null(got) then
    return nil
  end
  if type(expected) ~= "table" or type(got) ~= "table" then
    if path:match "arguments$" and type(expected) == "string" and type(got) == "string" then
      expected, got = parsed(expected), parsed(got)
      if type(expected) == "table" and type(got) == "table" then
        return compare(path .. "*", expected, got, ignored)
      end
    end
    if tostring(expected):match "^%$ID9" and type(got) == "string" and got:match "^%w%w%w%w%w%w%w%w%w$" then
      return nil
    end
    return expected ~= got and differ(path, expected, got) or nil
  end
  for key, value in pairs(expected) do
    if not ignored[key] then
      local found = compare(path .. "." .. tostring(key), value, got[key], ignored)
      if found then
        return found
      end
    end
  end
  for key, value in pairs(got) do
    if not ignored[key] and is_null(expected[key]) and not is_null(value) then
      return differ(path .. "." .. tostring(key), nil, value)
    end
  end
end

-- ------------------------------------------------------------------ what the fixtures call things

local function strip_prefix(model)
  return (model:gsub("^[^/]+/", "", 1))
end

local ALIASES = { together_ai = "together", hosted_vllm = "vllm", anthropic = "anthropic" }

--- The one table that maps the fixtures' names to ours.
local function settings(meta, request)
  local config = meta.config or {}
  local model = strip_prefix(request.model)
  local capabilities = 0xffff
  local own = (config.model_capabilities or {})[model]
  if own and own.structured_output == false then
    capabilities = capabilities & ~4
  end
  return {
    vendor = ALIASES[meta.provider] or meta.provider,
    model = model,
    capabilities = capabilities,
    default_max_tokens = config.default_max_tokens,
    reasoning_budgets = config.reasoning_budgets,
  }
end

-- ------------------------------------------------------------------ one case

local function lowered(headers)
  local out = {}
  for name, value in pairs(headers or {}) do
    out[name:lower()] = tostring(value)
  end
  return out
end

--- The client's events of a stream: decoded chunks, "[DONE]".
local function events(out)
  local list = {}
  for line in (out or ""):gmatch "data: ([^\n]*)\n\n" do
    list[#list + 1] = line == "[DONE]" and line or json.decode(line)
  end
  return list
end

local function is_only_blocks(chunk)
  local choice = type(chunk) == "table" and type(chunk.choices) == "table" and chunk.choices[1]
  local delta = choice and choice.delta
  return delta and delta.thinking_blocks ~= nil and next(delta, next(delta)) == nil
end

--- What a client that gathers chunks would have: so that start and arguments in one chunk equal the two apart.
local function aggregate(list)
  local sum = { choices = {}, order = {} }
  for _, chunk in ipairs(list) do
    if chunk == "[DONE]" then
      sum.done = true
    elseif chunk.error then
      sum.error = chunk.error
    else
      sum.model = chunk.model
      if not is_null(chunk.usage) then
        sum.usage = chunk.usage
      end
      for _, choice in ipairs(chunk.choices or {}) do
        local into = sum.choices[choice.index + 1] or { text = "", reasoning = "", refusal = "", calls = {} }
        sum.choices[choice.index + 1] = into
        local delta = choice.delta or {}
        into.text = into.text .. (is_null(delta.content) and "" or delta.content)
        into.reasoning = into.reasoning .. (is_null(delta.reasoning_content) and "" or delta.reasoning_content)
        into.refusal = into.refusal .. (is_null(delta.refusal) and "" or delta.refusal)
        for _, call in ipairs(is_null(delta.tool_calls) and {} or delta.tool_calls) do
          local one = into.calls[call.index + 1] or { arguments = "" }
          into.calls[call.index + 1] = one
          one.id = one.id or call.id
          local fn = call["function"] or {}
          one.name = one.name or (not is_null(fn.name) and fn.name or nil)
          one.arguments = one.arguments .. (is_null(fn.arguments) and "" or fn.arguments)
        end
        if not is_null(choice.finish_reason) then
          into.finish = choice.finish_reason
        end
      end
    end
  end
  return sum
end

local function stream_of(answer)
  local list = {}
  for _, chunk in ipairs(events(answer.out)) do
    if not is_only_blocks(chunk) then
      list[#list + 1] = chunk
    end
  end
  if answer.failure and answer.content then
    for _, chunk in ipairs(events(answer.failure.body)) do
      list[#list + 1] = chunk
    end
  end
  return list
end

local function cut_everywhere(text)
  local ways = { { text } }
  local bytes = {}
  for at = 1, #text do
    bytes[at] = text:sub(at, at)
    ways[#ways + 1] = { text:sub(1, at), text:sub(at + 1) }
  end
  ways[#ways + 1] = bytes
  return ways
end

local function ask(meta, setup, fields)
  local call = { vendor = setup.vendor, model = setup.model, created = meta.clock, id = "none" }
  for key, value in pairs(fields) do
    call[key] = value
  end
  return wire.answer(call)
end

local function ignored_of(meta)
  local ignored = {}
  for name in pairs(IGNORED) do
    ignored[name] = true
  end
  for _, path in ipairs(meta.volatile or {}) do
    ignored[path] = true
  end
  return ignored
end

local function check_whole(meta, setup, dir)
  local body = read(dir .. "upstream_response.json") or read(dir .. "upstream_response_raw.txt")
  local expected = decode(dir .. "openai_response.json")
  local answer = ask(meta, setup, { body = body, status = meta.upstream_status, headers = lowered(meta.upstream_response_headers) })
  local ignored = ignored_of(meta)
  if expected.error then
    assert.truthy(answer.failure, "a failure was expected")
    assert.equal(meta.expect.status, answer.failure.status)
    ignored.message = meta.files.upstream_response == nil or nil
    assert.is_nil(compare("", expected, json.decode(answer.failure.body), ignored))
    if meta.expect.retry_after_ms then
      assert.equal(meta.expect.retry_after_ms, math.floor(answer.failure.retry_after_s * 1000 + 0.5))
    end
    return
  end
  assert.is_nil(answer.failure and answer.failure.message)
  assert.is_nil(compare("", expected, json.decode(answer.out), ignored))
end

local function check_stream(meta, setup, dir, request)
  local raw = read(dir .. "upstream_stream.txt")
  local include_usage = type(request.stream_options) == "table" and request.stream_options.include_usage == true
  local first
  for _, pieces in ipairs(cut_everywhere(raw)) do
    local answer = ask(meta, setup, { stream = true, include_usage = include_usage, pieces = pieces })
    local seen = json.encode { answer.out or "", answer.failure and answer.failure.body or "", answer.finish, answer.ended }
    first = first or seen
    assert.equal(first, seen)
  end
  local answer = ask(meta, setup, { stream = true, include_usage = include_usage, pieces = { raw } })
  local whole = decode(dir .. "openai_response.json")
  if whole then -- the first event was an error: nothing had been sent
    assert.falsy(answer.content)
    assert.equal(meta.expect.status, answer.failure.status)
    assert.is_nil(compare("", whole, json.decode(answer.failure.body), ignored_of(meta)))
    return
  end
  local expected = {}
  for _, chunk in ipairs(decode(dir .. "openai_chunks.json")) do
    if not is_only_blocks(chunk) then
      expected[#expected + 1] = chunk
    end
  end
  assert.is_nil(compare("", aggregate(expected), aggregate(stream_of(answer)), ignored_of(meta)))
end

local function check_request(setup, dir, text)
  local expected = decode(dir .. "upstream_request.json")
  if not expected then
    return
  end
  local call = { body = text }
  for key, value in pairs(setup) do
    call[key] = value
  end
  local body, complaint = wire.encode(call)
  assert.truthy(body, complaint and complaint.message)
  assert.is_nil(compare("", expected, json.decode(body), { description = true }))
end

for _, folder in ipairs { "anthropic", "openai_compat" } do
  describe(folder, function()
    local cases = {}
    for name in lfs.dir(ROOT .. folder) do
      if name:sub(1, 1) ~= "." and lfs.attributes(ROOT .. folder .. "/" .. name, "mode") == "directory" then
        cases[#cases + 1] = name
      end
    end
    table.sort(cases)
    for _, name in ipairs(cases) do
      local dir = ROOT .. folder .. "/" .. name .. "/"
      local meta = decode(dir .. "meta.json")
      if meta.kind == "chat" then -- lists of models are not asked from providers yet
        it(name .. ": " .. meta.description, function()
          local text = read(dir .. "openai_request.json")
          local request = json.decode(text)
          local setup = settings(meta, request)
          check_request(setup, dir, text)
          if meta.stream then
            check_stream(meta, setup, dir, request)
          else
            check_whole(meta, setup, dir)
          end
        end)
      end
    end
  end)
end
