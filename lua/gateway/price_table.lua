--- prices = "file.json": the public table that LiteLLM keeps (model_prices_and_context_window.json), in place of the built-in catalog.
--
-- One object: a name of a model -> what it costs per token in USD, how long it may be, what it can do. Names carry their provider in
-- front, or not; `litellm_provider` says whose they are. Rows of providers that the gateway does not know, of other modes (pictures,
-- speech, …) and without a price of input and output are passed over. Where a longer prompt costs more, one such step is kept: the lowest.
-- SPDX-License-Identifier: MIT

local check = require "gateway.check"
local runtime = require "gateway.runtime"

local price_table = {}

local KINDS = {
  openai = "openai", ["text-completion-openai"] = "openai", azure = "azure", azure_text = "azure", anthropic = "anthropic",
  gemini = "gemini", ["vertex_ai-language-models"] = "vertex_ai", ["vertex_ai-embedding-models"] = "vertex_ai",
  bedrock = "bedrock", bedrock_converse = "bedrock", groq = "groq", mistral = "mistral", cohere = "cohere", cohere_chat = "cohere",
  together_ai = "together", deepseek = "deepseek", xai = "xai", openrouter = "openrouter", ollama = "ollama", ollama_chat = "ollama",
  hosted_vllm = "vllm", github = "github",
}
local MODES = { chat = "chat", responses = "chat", completion = "chat", embedding = "embed" }
local ABILITIES = {
  supports_function_calling = "tools", supports_tool_choice = "tools", supports_vision = "vision", supports_response_schema = "json_schema",
  supports_reasoning = "reasoning", supports_audio_input = "audio", supports_pdf_input = "document",
}
local RATES = {
  input = "input_cost_per_token", output = "output_cost_per_token", cache_read = "cache_read_input_token_cost",
  cache_write = "cache_creation_input_token_cost",
}

local function positive(value)
  return type(value) == "number" and value == value and value >= 0 and value < 1e9 and value or nil
end

local function count(value)
  value = positive(value)
  return value and value >= 1 and math.tointeger(value // 1) or nil
end

--- USD per token -> USD per million tokens.
local function rates(entry, suffix)
  local price = {}
  for name, field in pairs(RATES) do
    local value = positive(entry[field .. suffix])
    price[name] = value and value * 1e6
  end
  return price
end

--- The rates of the lowest threshold: "input_cost_per_token_above_200k_tokens".
local function long_price(entry)
  local lowest
  for field in pairs(entry) do
    local above = field:match "^input_cost_per_token_above_(%d+)k_tokens$"
    lowest = above and math.min(lowest or math.huge, tonumber(above)) or lowest
  end
  if not lowest then
    return nil
  end
  lowest = math.tointeger(lowest)
  local price = rates(entry, ("_above_%dk_tokens"):format(lowest))
  price.above = lowest * 1000
  return price.input and price
end

local function row_of(entry)
  local price = rates(entry, "")
  price.cache_read = price.cache_read or positive(entry.input_cost_per_token_cache_hit) and entry.input_cost_per_token_cache_hit * 1e6
  local embeds = MODES[entry.mode] == "embed"
  if embeds then
    price.output = price.output or 0
  end
  if not price.input or not price.output then
    return nil
  end
  local able, capabilities = {}, {}
  for field, name in pairs(ABILITIES) do
    able[name] = able[name] or entry[field] == true
  end
  for _, name in ipairs(check.sorted_keys(able)) do
    capabilities[#capabilities + 1] = able[name] and name or nil
  end
  return {
    embeds = embeds, capabilities = capabilities, price = price, long_price = long_price(entry),
    context = not embeds and count(entry.max_input_tokens) or nil,
    max_output = not embeds and (count(entry.max_output_tokens) or count(entry.max_tokens)) or nil,
  }
end

--- The id that the provider knows: the name without the provider in front.
local function id_of(name, provider, kind)
  local prefix, id = name:match "^([^/]+)/(.+)$"
  return (prefix == provider or prefix == kind) and id or name
end

local FILE <const> = 'a file such as "model_prices_and_context_window.json"'

--- `read`: name of a file -> its text, or nil and why not. -> the catalog: kind -> id -> row.
function price_table.read(value, path, read)
  if type(value) ~= "string" or value == "" or value:find "%c" then
    check.expected(path, FILE, value)
  elseif value:find "://" then
    check.fail(path, "expected %s: it is read, not fetched", FILE)
  end
  local text, why = read(value)
  if not text then
    check.fail(path, "%s", check.without_user(why))
  end
  local entries, message = runtime.value.parse(text)
  if type(entries) ~= "table" or entries[1] ~= nil then
    check.fail(path, "%s: expected a JSON object of models%s", value, message and ", got " .. message or "")
  end
  local catalog, found = {}, false
  for name, entry in pairs(entries) do
    local kind = type(entry) == "table" and KINDS[entry.litellm_provider]
    local row = kind and MODES[entry.mode] and name ~= "sample_spec" and #name <= 200 and row_of(entry)
    if row then
      catalog[kind] = catalog[kind] or {}
      catalog[kind][id_of(name, entry.litellm_provider, kind)] = row
      found = true
    end
  end
  if not found then
    check.fail(path, "%s: no model in it has a price and a provider that is known here", value)
  end
  catalog.ollama_compat = catalog.ollama
  return catalog
end

return price_table
