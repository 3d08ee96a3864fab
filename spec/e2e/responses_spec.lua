--- POST /v1/responses as its clients see it, in front of providers that speak chat or Anthropic's messages.
local cjson = require "cjson"
local launch = require "support.launch"
local pair = require "support.pair"
local stream = require "support.stream"

local CONFIG = [[
return {
  workers = 1,
  providers = {
    lab = { kind = "vllm", base_url = "%s/v1" },
    anthropic = { base_url = "%s/v1", key = "sk-ant-provider-key" },
    strict = { kind = "vllm", base_url = "%s/v1", drop_params = false },
  },
  models = { rescued = { "lab/fault-status-503", "anthropic/hello" } },
  strategy = "priority",
}]]

describe("responses", function()
  local _, gateway, start, stop = pair.of(launch.mock, { config = CONFIG })
  setup(start)
  teardown(stop)

  local function post(body)
    return gateway:request { method = "POST", path = "/v1/responses", body = cjson.encode(body) }
  end

  --- The events of a stream, numbered without a gap.
  local function events(body)
    local answer = post(body)
    assert.equal(200, answer.status)
    local list = stream.events(answer.body)
    for i, event in ipairs(list) do
      assert.equal(i - 1, event.data.sequence_number)
    end
    return list
  end

  for _, model in ipairs { "lab/hello", "anthropic/hello" } do
    it("are answered by " .. model .. ", whole and streamed", function()
      local whole = post { model = model, input = "Hello there", instructions = "Be brief" }:json()
      assert.same({ "response", "completed", "Be brief" }, { whole.object, whole.status, whole.instructions })
      assert.matches("Hello there$", whole.output[1].content[1].text)
      assert.equal(whole.usage.input_tokens + whole.usage.output_tokens, whole.usage.total_tokens)
      local list = events { model = model, input = "Hello there", instructions = "Be brief", stream = true }
      local last = list[#list].data
      assert.equal("response.completed", last.type)
      assert.same({ whole.output[1].content, whole.usage }, { last.response.output[1].content, last.response.usage })
    end)

    it("call a tool that takes text at " .. model, function()
      local list = events { model = model, input = "please use the tool apply_patch", stream = true,
        tools = { { type = "custom", name = "apply_patch" }, { type = "web_search" } } }
      local call = list[#list].data.response.output
      call = call[#call]
      assert.same({ "custom_tool_call", "apply_patch", "string" }, { call.type, call.name, type(call.input) })
    end)
  end

  it("say what was left out, or are refused where nothing may be", function()
    local answer = post { model = "lab/hello", input = "a", tools = { { type = "web_search" } } }
    assert.equal("tools[web_search]", answer.headers["x-dropped-params"])
    answer = post { model = "strict/hello", input = "a", tools = { { type = "web_search" } } }
    assert.same({ 400, "unsupported_parameter" }, { answer.status, answer:json().error.code })
  end)

  it("that need a store are refused in words", function()
    for param, value in pairs { previous_response_id = "resp_1", background = true, conversation = "conv_1" } do
      local answer = post { model = "lab/hello", input = "a", [param] = value }
      assert.same({ 400, param }, { answer.status, answer:json().error.param })
    end
  end)

  it("go to another provider before the first word, and fail as a stream after it", function()
    local answer = post { model = "rescued", input = "a" }
    assert.same({ 200, "anthropic" }, { answer.status, answer.headers["x-provider"] })
    for _, model in ipairs { "lab/fault-cut-event-3", "anthropic/fault-cut-event-5" } do
      local list = events { model = model, input = "one two three four five six", stream = true }
      local last = list[#list].data
      assert.same({ "response.failed", "failed", "server_error" }, { last.type, last.response.status, last.response.error.code })
      assert.equal("incomplete", last.response.output[1].status)
    end
  end)

  it("are said whole at the end, however long they were", function()
    local list = events { model = "lab/fault-big-700", input = "a", stream = true }
    assert.equal("response.completed", list[#list].data.type)
    assert.equal(700 * 1024, #list[#list].data.response.output[1].content[1].text)
  end)
end)
