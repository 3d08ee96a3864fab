--- The catalog: public facts of well-known models, by vendor and by the id the vendor knows.
--
-- A row gives what a policy may weigh (context, longest answer, abilities) and what a request costs, in USD per million tokens:
-- input, output, read from and written to the provider's cache; then, for some, the rates of a prompt longer than so many tokens,
-- which hold for the whole of that request. Prices are list prices, last read in August 2026 from the public table that LiteLLM
-- maintains: check them before billing anyone, and override them per target with `price`.
-- A model that is not here works all the same: it is unpriced, and nothing is assumed to be beyond it.
-- SPDX-License-Identifier: MIT

local PRICES = { "input", "output", "cache_read", "cache_write" }

--- `long`: { above how many tokens of prompt, input, output, cache_read, cache_write }.
local function model(context, max_output, abilities, input, output, cache_read, cache_write, long)
  local row = {
    context = context > 0 and context or nil,
    max_output = max_output > 0 and max_output or nil,
    capabilities = {},
    price = { input = input, output = output, cache_read = cache_read, cache_write = cache_write },
  }
  for name in abilities:gmatch "%S+" do
    row.capabilities[#row.capabilities + 1] = name
  end
  if long then
    row.long_price = { above = long[1] }
    for i, name in ipairs(PRICES) do
      row.long_price[name] = long[i + 1]
    end
  end
  return row
end

--- A model that makes vectors and does not talk. How long one text may be says nothing of a request, which may bring many.
local function embedding(input)
  return { embeds = true, capabilities = {}, price = { input = input, output = 0 } }
end

local catalog = {
  openai = {
    ["gpt-5.6"] = model(1050000, 128000, "tools vision json_schema reasoning document", 5, 30, 0.5, 6.25, { 272000, 10, 45, 1, 12.5 }),
    ["gpt-5.5"] = model(1050000, 128000, "tools vision json_schema reasoning document", 5, 30, 0.5, nil, { 272000, 10, 45, 1 }),
    ["gpt-5.4"] = model(1050000, 128000, "tools vision json_schema reasoning document", 2.5, 15, 0.25, nil, { 272000, 5, 22.5, 0.5 }),
    ["gpt-5.4-mini"] = model(272000, 128000, "tools vision json_schema reasoning document", 0.75, 4.5, 0.075),
    ["gpt-5.4-nano"] = model(272000, 128000, "tools vision json_schema reasoning document", 0.2, 1.25, 0.02),
    ["gpt-5.1"] = model(272000, 128000, "tools vision json_schema reasoning document", 1.25, 10, 0.125),
    ["gpt-5"] = model(272000, 128000, "tools vision json_schema reasoning document", 1.25, 10, 0.125),
    ["gpt-5-mini"] = model(272000, 128000, "tools vision json_schema reasoning document", 0.25, 2, 0.025),
    ["gpt-5-nano"] = model(272000, 128000, "tools vision json_schema reasoning document", 0.05, 0.4, 0.005),
    ["gpt-4.1"] = model(1047576, 32768, "tools vision json_schema document", 2, 8, 0.5),
    ["gpt-4.1-mini"] = model(1047576, 32768, "tools vision json_schema document", 0.4, 1.6, 0.1),
    ["gpt-4o"] = model(128000, 16384, "tools vision json_schema document", 2.5, 10, 1.25),
    ["gpt-4o-mini"] = model(128000, 16384, "tools vision json_schema document", 0.15, 0.6, 0.075),
    o3 = model(200000, 100000, "tools vision json_schema reasoning document", 2, 8, 0.5),
    ["o4-mini"] = model(200000, 100000, "tools vision json_schema reasoning document", 1.1, 4.4, 0.275),
    ["text-embedding-3-small"] = embedding(0.02),
    ["text-embedding-3-large"] = embedding(0.13),
  },
  anthropic = {
    ["claude-opus-5"] = model(1000000, 128000, "tools vision json_schema reasoning document", 5, 25, 0.5, 6.25),
    ["claude-opus-4-8"] = model(1000000, 128000, "tools vision json_schema reasoning document", 5, 25, 0.5, 6.25),
    ["claude-opus-4-7"] = model(1000000, 128000, "tools vision json_schema reasoning document", 5, 25, 0.5, 6.25),
    ["claude-opus-4-6"] = model(1000000, 128000, "tools vision json_schema reasoning document", 5, 25, 0.5, 6.25),
    ["claude-opus-4-5"] = model(200000, 64000, "tools vision json_schema reasoning document", 5, 25, 0.5, 6.25),
    ["claude-opus-4-1"] = model(200000, 32000, "tools vision json_schema reasoning document", 15, 75, 1.5, 18.75),
    ["claude-opus-4"] = model(200000, 32000, "tools vision json_schema reasoning document", 15, 75, 1.5, 18.75),
    ["claude-fable-5"] = model(1000000, 128000, "tools vision json_schema reasoning document", 10, 50, 1, 12.5),
    ["claude-sonnet-5"] = model(1000000, 128000, "tools vision json_schema reasoning document", 3, 15, 0.3, 3.75),
    ["claude-sonnet-4-6"] = model(1000000, 64000, "tools vision json_schema reasoning document", 3, 15, 0.3, 3.75),
    ["claude-sonnet-4-5"] = model(200000, 64000, "tools vision json_schema reasoning document",
      3, 15, 0.3, 3.75, { 200000, 6, 22.5, 0.6, 7.5 }),
    ["claude-sonnet-4"] = model(200000, 64000, "tools vision json_schema reasoning document", 3, 15, 0.3, 3.75),
    ["claude-haiku-4-5"] = model(200000, 64000, "tools vision json_schema reasoning document", 1, 5, 0.1, 1.25),
  },
  gemini = {
    ["gemini-3.1-pro-preview"] = model(1048576, 65536, "tools vision json_schema reasoning audio document",
      2, 12, 0.2, nil, { 200000, 4, 18, 0.4 }),
    ["gemini-3.6-flash"] = model(1048576, 65536, "tools vision json_schema reasoning audio document", 1.5, 7.5, 0.15),
    ["gemini-3.5-flash"] = model(1048576, 65535, "tools vision json_schema reasoning audio document", 1.5, 9, 0.15),
    ["gemini-3.5-flash-lite"] = model(1048576, 65536, "tools vision json_schema reasoning audio document", 0.3, 2.5, 0.03),
    ["gemini-2.5-pro"] = model(1048576, 65535, "tools vision json_schema reasoning audio document",
      1.25, 10, 0.125, nil, { 200000, 2.5, 15, 0.25 }),
    ["gemini-2.5-flash"] = model(1048576, 65535, "tools vision json_schema reasoning audio document", 0.3, 2.5, 0.03),
    ["gemini-2.5-flash-lite"] = model(1048576, 65535, "tools vision json_schema reasoning audio document", 0.1, 0.4, 0.01),
    ["gemini-embedding-001"] = embedding(0.15),
  },
  groq = {
    ["llama-3.1-8b-instant"] = model(128000, 8192, "tools", 0.05, 0.08),
    ["llama-3.3-70b-versatile"] = model(128000, 32768, "tools", 0.59, 0.79),
    ["openai/gpt-oss-120b"] = model(131072, 32766, "tools json_schema reasoning", 0.15, 0.6, 0.075),
    ["openai/gpt-oss-20b"] = model(131072, 32768, "tools json_schema reasoning", 0.075, 0.3, 0.0375),
    ["qwen/qwen3-32b"] = model(131000, 131000, "tools reasoning", 0.29, 0.59),
  },
  mistral = {
    ["mistral-large-latest"] = model(262144, 262144, "tools vision json_schema", 0.5, 1.5),
    ["mistral-medium-latest"] = model(262144, 262144, "tools vision json_schema reasoning", 1.5, 7.5),
    ["mistral-small-latest"] = model(131072, 131072, "tools vision json_schema", 0.06, 0.18),
    ["codestral-latest"] = model(32000, 8191, "tools json_schema", 1, 3),
    ["mistral-embed"] = embedding(0.1),
  },
  deepseek = {
    ["deepseek-chat"] = model(131072, 8192, "tools json_schema", 0.28, 0.42, 0.028, 0),
    ["deepseek-reasoner"] = model(131072, 65536, "json_schema reasoning", 0.28, 0.42, 0.028),
    ["deepseek-v4-flash"] = model(1000000, 8192, "tools json_schema reasoning", 0.14, 0.28, 0.0028, 0),
    ["deepseek-v4-pro"] = model(1000000, 8192, "tools json_schema reasoning", 0.435, 0.87, 0.003625, 0),
  },
  xai = {
    ["grok-4.5"] = model(500000, 500000, "tools vision json_schema reasoning", 2, 6, 0.5, nil, { 200000, 4, 12, 1 }),
    ["grok-4.3"] = model(1000000, 1000000, "tools vision json_schema reasoning", 1.25, 2.5, 0.2, nil, { 200000, 2.5, 5, 0.4 }),
    ["grok-4-1-fast-reasoning"] = model(2000000, 2000000, "tools vision json_schema reasoning audio",
      0.2, 0.5, 0.05, nil, { 128000, 0.4, 1 }),
    ["grok-code-fast-1"] = model(256000, 256000, "tools reasoning", 0.2, 1.5, 0.02),
  },
  cohere = {
    ["command-a-03-2025"] = model(256000, 8000, "tools json_schema", 2.5, 10),
    ["command-r-plus-08-2024"] = model(128000, 4096, "tools json_schema", 2.5, 10),
    ["command-r-08-2024"] = model(128000, 4096, "tools json_schema", 0.15, 0.6),
    ["command-r7b-12-2024"] = model(128000, 4096, "tools json_schema", 0.0375, 0.15),
    ["embed-v4.0"] = embedding(0.12),
  },
  together = {
    ["meta-llama/Llama-3.3-70B-Instruct-Turbo"] = model(0, 0, "tools json_schema", 0.88, 0.88),
    ["openai/gpt-oss-120b"] = model(131072, 131072, "tools json_schema reasoning", 0.15, 0.6),
    ["moonshotai/Kimi-K2.5"] = model(256000, 256000, "tools vision reasoning", 0.5, 2.8),
  },
  bedrock = {
    ["anthropic.claude-sonnet-4-5-20250929-v1:0"] = model(200000, 64000, "tools vision json_schema reasoning document",
      3, 15, 0.3, 3.75, { 200000, 6, 22.5, 0.6, 7.5 }),
    ["us.anthropic.claude-haiku-4-5-20251001-v1:0"] = model(200000, 64000, "tools vision json_schema reasoning document",
      1.1, 5.5, 0.11, 1.375),
    ["amazon.nova-pro-v1:0"] = model(300000, 10000, "tools vision json_schema document", 0.8, 3.2),
    ["amazon.nova-lite-v1:0"] = model(300000, 10000, "tools vision json_schema document", 0.06, 0.24),
    ["amazon.nova-micro-v1:0"] = model(128000, 10000, "tools json_schema", 0.035, 0.14),
  },
  openrouter = {
    ["anthropic/claude-sonnet-4.6"] = model(1000000, 128000, "tools vision reasoning", 3, 15, 0.3, 3.75, { 200000, 6, 22.5, 0.6, 7.5 }),
    ["openai/gpt-5-mini"] = model(272000, 128000, "tools vision json_schema reasoning document", 0.25, 2, 0.025),
  },
  ollama = {
    ["llama3.1"] = model(0, 0, "tools json_schema", 0, 0),
  },
}

-- The same models in another place of their makers', at the same prices.
catalog.azure = catalog.openai
catalog.vertex_ai = catalog.gemini
catalog.ollama_compat = catalog.ollama

return catalog
