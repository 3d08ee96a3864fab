--- Every fixture of every wire: what goes to the provider and where, and what the client gets of its answer, however its bytes are cut.
--
-- The rules of comparison: requests as JSON values; volatile paths left out; a missing key equals null; arguments parsed; chunks as one run of
-- what they say, pieces of one text joined; chunks that only carry thinking_blocks may be there or not. The settings go through the config that
-- people write, so an address or a name that gateway.lua cannot say fails here.

-- Asked for by the million, and busted looks a global up in all its contexts.
local assert, ipairs, math, next, pairs, tostring, type = assert, ipairs, math, next, pairs, tostring, type

local cjson = require "cjson"
local compare = require "support.compare"
local config = require "gateway.config"
local fixtures = require "support.fixtures"
local runtime = require "gateway.runtime"
local stream = require "support.stream"

local wire = runtime.wire

local FOLDERS = { "openai_compat", "anthropic", "azure", "bedrock", "gemini", "cohere", "ollama", "inbound_anthropic", "inbound_responses" }

local CLOCK = 1767225600

local json = cjson.new()
json.decode_max_depth(200)

local function decode(text)
  return text and json.decode(text)
end

-- ------------------------------------------------------------------ what the fixtures call things

-- The fixtures' provider -> our kind.
local KINDS = { together_ai = "together", hosted_vllm = "vllm", gemini = "gemini" }
-- Addresses that no vendor row has.
local ADDRESSES = { hosted_vllm = "http://vllm.internal:8000/v1" }
-- DeepSeek documents both addresses; ours is the one with the version.
local SAME_URL = { ["https://api.deepseek.com/chat/completions"] = "https://api.deepseek.com/v1/chat/completions" }

local CAPABILITIES = {
  structured_output = function(value) return { json_schema = value } end,
  json_schema = function() return {} end, -- "openapi_subset": which models want it is the wire's own knowledge
}

--- A fixture's `config` -> an entry of `providers` and one of its models.
local function entry_of(case, model)
  local said = case.config or {}
  local entry = {
    kind = KINDS[case.provider] or case.provider, key = "test-key", base_url = said.api_base or ADDRESSES[case.provider],
    api_version = said.api_version, region = said.region, project = said.vertex_project, location = said.vertex_location,
    default_max_tokens = said.default_max_tokens, default_input_type = said.default_input_type, reasoning_budgets = said.reasoning_budgets,
    include_thoughts = said.include_thoughts,
  }
  local facts = { base_model = said.base_model }
  for name, value in pairs((said.model_capabilities or {})[model] or {}) do
    facts.capabilities = next(CAPABILITIES[name](value)) and CAPABILITIES[name](value) or nil
  end
  if next(facts) then
    entry.models = { [model] = facts }
  end
  return entry
end

local function checked_config(case, model)
  local function none(_, default)
    return default
  end
  local checked, message = config.check({
    providers = { [case.provider] = entry_of(case, model) },
    models = { asked = { case.provider .. "/" .. model } },
  }, { file = "gateway.lua", text = "", env = none, vendors = runtime.config.vendors() })
  assert(checked, message)
  return checked
end

--- What wire.* wants to know of provider and model, by way of gateway.lua.
local function settings(case, model)
  local checked = checked_config(case, model)
  local call = { created = CLOCK, id = "0123456789abcdef0123456789abcdef" }
  for _, from in ipairs { checked.providers[1], checked.targets[1] } do
    for key, value in pairs(from) do
      call[key] = value
    end
  end
  call.vendor, call.key, call.model = call.kind, call.keys[1], model
  return call
end

local function with(call, fields)
  local all = {}
  for _, from in ipairs { call, fields } do
    for key, value in pairs(from) do
      all[key] = value
    end
  end
  return all
end

-- ------------------------------------------------------------------ what may differ

-- By the notes of a fixture: places that are ours to choose.
local OURS = {
  ["message text is the gateway's own"] = { "error.message", "response.error.message", "[].error.message" },
  ["an adapter for OpenAI itself may keep type tokens"] = { "error.type" },
  ["an implementation may keep a human-readable copy of dropped constraints in description; compare without description"] = { "description" },
  ["tool name and description are the gateway's own choice"] = { "description" },
  ["reasoning_details may be kept as an extension: Anthropic/Gemini tool loops need them echoed"] = { "reasoning_details" },
  ["created/in_progress responses also echo tools; compare those two loosely"] = { "response.tools" },
  ["detail fields other than cached_tokens/reasoning_tokens may be kept"] = { "audio_tokens", "accepted_prediction_tokens",
    "rejected_prediction_tokens", "text_tokens", "image_tokens" },
}

--- A test of places: the fixture's volatile paths, and what its notes leave to us. A bare name counts at the top level of outbound answers,
--- at any depth of inbound ones where it is no id that a client gives back.
local function ignored_of(case)
  local places, names = {}, {}
  for _, path in ipairs(case.volatile or {}) do
    path = path:gsub(" in message_start$", "")
    places[path] = true
    names[path] = case.wire == "inbound_responses" or nil
  end
  if case.wire == "inbound_anthropic" then
    places["message.usage.input_tokens"] = true
  end
  for _, note in ipairs(case.notes or {}) do
    for _, path in ipairs(OURS[note] or {}) do
      if path:find("[.]") then
        places[path] = true
      else
        names[path] = true
      end
    end
  end
  return function(place, key)
    return places[place] or names[key] or false
  end
end

-- ------------------------------------------------------------------ chunks as one run

local function is_only_blocks(chunk)
  local choice = type(chunk) == "table" and type(chunk.choices) == "table" and chunk.choices[1]
  local delta = choice and choice.delta
  return delta and delta.thinking_blocks ~= nil and next(delta, next(delta)) == nil and compare.is_null(choice.finish_reason)
end

local PIECES = { "content", "reasoning_content", "refusal" }

--- What chunks say, in order: { { "content", 0, "text" }, { "call", 0, 0, id, name }, { "arguments", 0, 0, "…" }, { "finish", 0, "stop" }, … }.
local function run_of(chunks)
  local run = {}
  local function say(kind, choice, index, text)
    local last = run[#run]
    if compare.is_null(text) or text == "" then
      return
    elseif last and last.kind == kind and last.choice == choice and last.index == index then
      last.arguments = last.arguments .. text -- named so that whole arguments are compared parsed
    else
      run[#run + 1] = { kind = kind, choice = choice, index = index, arguments = text }
    end
  end
  for _, chunk in ipairs(chunks) do
    if chunk == "[DONE]" then
      run[#run + 1] = { kind = "done" }
    elseif chunk.error then
      run[#run + 1] = { kind = "error", error = chunk.error }
    elseif not is_only_blocks(chunk) then
      for _, choice in ipairs(chunk.choices or {}) do
        local delta = choice.delta or {}
        for _, name in ipairs(PIECES) do
          say(name, choice.index, nil, delta[name])
        end
        for _, call in ipairs(compare.is_null(delta.tool_calls) and {} or delta.tool_calls) do
          if not compare.is_null(call.id) then
            run[#run + 1] = { kind = "call", choice = choice.index, index = call.index, call_id = call.id, name = call["function"].name,
              extra_content = call.extra_content }
          end
          say("arguments", choice.index, call.index, (call["function"] or {}).arguments)
        end
        if not compare.is_null(choice.finish_reason) then
          run[#run + 1] = { kind = "finish", choice = choice.index, finish = choice.finish_reason }
        end
      end
      if not compare.is_null(chunk.usage) then
        run[#run + 1] = { kind = "usage", usage = chunk.usage }
      end
    end
  end
  return run
end

--- What must hold of all chunks of one answer.
local function check_chunks(chunks, expected)
  local first
  for _, chunk in ipairs(chunks) do
    if type(chunk) == "table" and not chunk.error then
      first = first or chunk
      assert.same({ first.id, first.created, first.model, "chat.completion.chunk" }, { chunk.id, chunk.created, chunk.model, chunk.object })
    end
  end
  if first then
    assert.equal(expected[1].model, first.model)
    assert.equal("assistant", first.choices[1].delta.role)
  end
end

-- ------------------------------------------------------------------ one case

local function lowered(headers)
  local out = {}
  for name, value in pairs(headers or {}) do
    out[name:lower()] = tostring(value)
  end
  return out
end

local CLIENTS = { inbound_anthropic = "anthropic", inbound_responses = "responses" }

--- The dialect that a case's client speaks; inbound cases are of a client that is not OpenAI's, in front of an upstream that is.
local function client_of(case)
  return CLIENTS[case.wire] or (case.kind == "embeddings" and "embeddings" or "openai")
end

local function check_head(case, call)
  if CLIENTS[case.wire] then
    return
  end
  local url, headers = wire.head(call)
  assert.equal(SAME_URL[case.url] or case.url, url)
  local got = {}
  for name, value in headers:gmatch "([%w-]+): ([^\r\n]*)\r\n" do
    got[name:lower()] = value
  end
  for name, value in pairs(lowered(case.headers)) do
    if name ~= "content-type" then -- every body is JSON
      assert.equal(value:find "^AWS4" and "Bearer test-key" or value, got[name], name)
    end
  end
end

local function check_request(case, call)
  local expected = decode(case.sent)
  local ignored = ignored_of(case)
  local function request_place(place, key)
    return key == "description" and ignored(place, key)
  end
  local body, complaint = wire.encode(call)
  local edited = not call.foreign and wire.edited(call)
  assert.truthy(body or edited, complaint and complaint.message)
  if body and not (case.kind == "embeddings" and edited) then -- what goes is the client's own
    assert.is_nil(compare.json(expected, json.decode(body), request_place))
  end
  if edited then
    assert.is_nil(compare.json(expected, json.decode(edited), request_place))
  end
end

local function check_failure(case, expected, failure)
  assert.truthy(failure, "a failure was expected")
  assert.equal(case.expect.status, failure.status)
  local class = case.expect.error_class
  assert.equal(class, failure.kind == "model_not_found" and "invalid_request" or failure.kind)
  assert.is_nil(compare.json(expected, json.decode(failure.body), ignored_of(case)))
  if case.expect.retry_after_ms then
    assert.equal(case.expect.retry_after_ms, math.floor(failure.retry_after_s * 1000 + 0.5))
  end
end

local function check_whole(case, call)
  local body = case.answer
  local expected = decode(case.gets)
  local answer = wire.answer(with(call, { body = body, status = case.status, headers = lowered(case.answer_headers) }))
  if not compare.is_null(expected.error) then
    return check_failure(case, expected, answer.failure)
  end
  assert.is_nil(answer.failure and answer.failure.message)
  assert.is_true(answer.ended)
  local passed = case.kind == "embeddings" and wire.passes(call) -- vectors go back as they came, and are not read
  assert.is_nil(compare.json(expected, json.decode(passed and body or answer.out), ignored_of(case)))
end

--- All that the client reads of a stream: what was written, and the error event when it ended badly.
local function heard(answer)
  return (answer.out or "") .. (answer.failure and answer.content and answer.failure.body or "")
end

local function refusal_of(answer)
  return answer.failure and answer.failure.body
end

local function is_same_usage(one, other)
  for name, count in pairs(one or {}) do
    if not other or other[name] ~= count then
      return false
    end
  end
  return (one == nil) == (other == nil)
end

local function check_cuts(call, raw)
  local one, first = with(call, {}), nil
  for _, pieces in ipairs(stream.cuts(raw)) do
    one.pieces = pieces
    local answer = wire.answer(one)
    first = first or answer
    if answer.out ~= first.out or refusal_of(answer) ~= refusal_of(first) or answer.finish ~= first.finish or answer.ended ~= first.ended
      or not is_same_usage(first.usage, answer.usage) or not is_same_usage(answer.usage, first.usage) then
      assert.same({ first.out, refusal_of(first), first.finish, first.ended, first.usage },
        { answer.out, refusal_of(answer), answer.finish, answer.ended, answer.usage })
      error("cut elsewhere the answer is another")
    end
  end
end

local function check_openai_stream(case, expected, events)
  local chunks = {}
  for i, event in ipairs(events) do
    assert.is_nil(event.event)
    chunks[i] = event.data
  end
  check_chunks(chunks, expected)
  assert.is_nil(compare.json(run_of(expected), run_of(chunks), ignored_of(case)))
end

--- A vendor whose bytes go back as they came: they say the same.
local function check_passed(case, call, raw, expected)
  local one, said = with(call, { pass = true, wants_end = true }), nil
  for _, pieces in ipairs(stream.cuts(raw)) do -- to the byte, wherever it is cut
    one.pieces = pieces
    local got = heard(wire.answer(one))
    said = said or got
    if got ~= said then
      assert.equal(said, got)
    end
  end
  local chunks = {}
  for i, event in ipairs(stream.events(said)) do
    chunks[i] = event.data
  end
  assert.is_nil(compare.json(run_of(expected), run_of(chunks), ignored_of(case)))
end

--- Events of the other dialects: element for element, adjacent pieces of one text joined.
local function joined(events)
  local list = {}
  for _, event in ipairs(events) do
    local last, delta = list[#list], event.data.delta
    local same = last and last.event == event.event and last.data.index == event.data.index and last.data.output_index == event.data.output_index
    if type(delta) == "string" and same then
      last.data.delta = last.data.delta .. delta
    elseif type(delta) == "table" and same and last.data.delta.type == delta.type and event.event == "content_block_delta" then
      for _, name in ipairs { "text", "thinking", "partial_json" } do
        last.data.delta[name] = delta[name] and last.data.delta[name] .. delta[name] or nil
      end
    else
      list[#list + 1] = event
    end
  end
  return list
end

local function check_events(case, expected, events)
  local ignored = ignored_of(case)
  expected, events = joined(expected), joined(events)
  for i, event in ipairs(expected) do
    assert.equal(event.event, events[i] and events[i].event, "event " .. i)
    event.data.sequence_number, events[i].data.sequence_number = nil, nil -- pieces were joined; counted below
    assert.is_nil(compare.json(event.data, events[i].data, ignored), event.event)
  end
  assert.equal(#expected, #events)
end

local function check_numbers(events)
  for i, event in ipairs(events) do
    assert.equal(i - 1, event.data.sequence_number)
  end
end

local function check_stream(case, call, request)
  local raw = case.stream
  call.include_usage = type(request.stream_options) == "table" and request.stream_options.include_usage == true
  check_cuts(call, raw)
  local whole = decode(case.gets)
  local answer = wire.answer(with(call, { pieces = { raw }, wants_end = true }))
  if whole then -- the first event was an error: nothing had been sent
    assert.falsy(answer.content)
    return check_failure(case, whole, answer.failure)
  end
  assert.equal(case.expect.error_class, answer.failure and answer.failure.kind)
  local events, expected = stream.events(heard(answer)), decode(case.events)
  if answer.failure and not answer.content then -- nothing was committed yet: an ordinary refusal instead of a broken stream
    return assert.is_nil(compare.json(expected[#expected], json.decode(answer.failure.body), ignored_of(case)))
  end
  if wire.passes(call) then
    check_passed(case, call, raw, expected)
  end
  if call.client == "openai" then
    return check_openai_stream(case, expected, events)
  elseif call.client == "responses" then
    check_numbers(events)
  end
  check_events(case, expected, events)
end

local function check_chat(case)
  local text = case.asks
  local request = json.decode(text)
  local asked = request.model
  local model = ((case.config or {}).model_aliases or {})[asked] or asked
  local call = settings(case, (model:gsub("^[^/]+/", "", 1)))
  call.client, call.body, call.request, call.asked, call.stream = client_of(case), text, text, asked, case.stream ~= nil
  call.foreign = CLIENTS[case.wire] ~= nil or nil
  check_head(case, call)
  check_request(case, call)
  if case.stream then
    check_stream(case, call, request)
  else
    check_whole(case, call)
  end
end

--- A provider that does not count: the gateway's estimate is the answer.
local function check_count(case)
  local text = case.asks
  local facts, complaint = wire.facts(text, "count_tokens")
  assert.truthy(facts, complaint and complaint.message)
  local body, refused = wire.encode { client = "count_tokens", body = text, vendor = "openai", model = "m" }
  assert.is_nil(body)
  assert.equal("unsupported_parameter", refused.kind)
  local answer = json.decode(wire.answer({ client = "count_tokens", vendor = "openai", model = "m", estimate = facts.tokens }).out)
  assert.equal("input_tokens", (next(answer)))
  assert.is_nil(next(answer, "input_tokens"))
  assert.truthy(math.type(answer.input_tokens) and answer.input_tokens >= 8 and answer.input_tokens <= 30, tostring(answer.input_tokens))
end

--- The gateway lists the names of its config and asks no provider for a list; what a provider would list can be asked for by the names that the
-- fixture wants.
local function check_models(case)
  local built = assert(runtime.config.build(checked_config(case, "any"), "gateway.lua"))
  local theirs = decode(case.answer).data
  for i, model in ipairs(decode(case.gets).data) do
    assert.equal(case.provider .. "/" .. theirs[i].id, model.id)
    assert.same({ model.id }, built:model(model.id))
  end
end

local CHECKS = { chat = check_chat, embeddings = check_chat, count_tokens = check_count, models = check_models }

it("no folder of cases is left out", function()
  local listed = {}
  for _, folder in ipairs(FOLDERS) do
    listed[folder] = true
  end
  for _, name in ipairs(fixtures.wires()) do
    assert.truthy(listed[name], name)
  end
end)

for _, folder in ipairs(FOLDERS) do
  describe(folder, function()
    local cases = fixtures.cases(folder)
    it("is there", function()
      assert.truthy(#cases > 0)
    end)
    for _, case in ipairs(cases) do
      it(case.name .. ": " .. case.description, function()
        CHECKS[case.kind](case)
      end)
    end
  end)
end
