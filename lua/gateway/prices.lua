--- The catalog: what is publicly known of well-known models, by vendor and by the id the vendor knows.
--
-- A row gives what a policy may weigh (context, longest answer, abilities) and what a request costs, in USD per million tokens:
-- input, output, read from and written to the provider's cache. Prices are list prices, last read in August 2026 from the public table
-- that LiteLLM maintains: check them before billing anyone, and override them per target with `price`.
-- Dearer rates for very long prompts (above 200k or 272k tokens, for some models) are not in it.
-- A model that is not here works all the same: it is unpriced, and nothing is assumed to be beyond it.
-- SPDX-License-Identifier: MIT

local function model(context, max_output, abilities, input, output, cache_read, cache_write)
  local capabilities = {}
  for name in abilities:gmatch "%S+" do
    capabilities[#capabilities + 1] = name
  end
  return {
    context = context > 0 and context or nil,
    max_output = max_output > 0 and max_output or nil,
    capabilities = capabilities,
    price = { input = input, output = output, cache_read = cache_read, cache_write = cache_write },
  }
end

return {
  openai = {
    ["gpt-5.6"] = model(1050000, 128000, "tools vision json_schema reasoning document", 5, 30, 0.5, 6.25),
    ["gpt-5.5"] = model(1050000, 128000, "tools vision json_schema reasoning document", 5, 30, 0.5),
    ["gpt-5.4"] = model(1050000, 128000, "tools vision json_schema reasoning document", 2.5, 15, 0.25),
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
  },
  anthropic = {
    ["claude-opus-5"] = model(1000000, 128000, "tools vision json_schema reasoning document", 5, 25, 0.5, 6.25),
    ["claude-opus-4-8"] = model(1000000, 128000, "tools vision json_schema reasoning document", 5, 25, 0.5, 6.25),
    ["claude-opus-4-6"] = model(1000000, 128000, "tools vision json_schema reasoning document", 5, 25, 0.5, 6.25),
    ["claude-fable-5"] = model(1000000, 128000, "tools vision json_schema reasoning document", 10, 50, 1, 12.5),
    ["claude-sonnet-5"] = model(1000000, 128000, "tools vision json_schema reasoning document", 3, 15, 0.3, 3.75),
    ["claude-sonnet-4-6"] = model(1000000, 64000, "tools vision json_schema reasoning document", 3, 15, 0.3, 3.75),
    ["claude-sonnet-4-5"] = model(200000, 64000, "tools vision json_schema reasoning document", 3, 15, 0.3, 3.75),
    ["claude-haiku-4-5"] = model(200000, 64000, "tools vision json_schema reasoning document", 1, 5, 0.1, 1.25),
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
    ["codestral-latest"] = model(32000, 8191, "json_schema", 1, 3),
  },
  deepseek = {
    ["deepseek-chat"] = model(131072, 8192, "tools json_schema", 0.28, 0.42, 0.028, 0),
    ["deepseek-reasoner"] = model(131072, 65536, "json_schema reasoning", 0.28, 0.42, 0.028),
    ["deepseek-v4-flash"] = model(1000000, 8192, "tools json_schema reasoning", 0.14, 0.28, 0.0028, 0),
    ["deepseek-v4-pro"] = model(1000000, 8192, "tools json_schema reasoning", 0.435, 0.87, 0.003625, 0),
  },
  xai = {
    ["grok-4.5"] = model(500000, 500000, "tools vision json_schema reasoning", 2, 6, 0.5),
    ["grok-4.3"] = model(1000000, 1000000, "tools vision json_schema reasoning", 1.25, 2.5, 0.2),
    ["grok-4-1-fast-reasoning"] = model(2000000, 2000000, "tools vision json_schema reasoning audio", 0.2, 0.5, 0.05),
    ["grok-code-fast-1"] = model(256000, 256000, "tools reasoning", 0.2, 1.5, 0.02),
  },
  together = {
    ["meta-llama/Llama-3.3-70B-Instruct-Turbo"] = model(0, 0, "tools json_schema", 0.88, 0.88),
    ["openai/gpt-oss-120b"] = model(131072, 131072, "tools json_schema reasoning", 0.15, 0.6),
    ["moonshotai/Kimi-K2.5"] = model(256000, 256000, "tools vision reasoning", 0.5, 2.8),
  },
  openrouter = {
    ["anthropic/claude-sonnet-4.6"] = model(1000000, 128000, "tools vision reasoning", 3, 15, 0.3, 3.75),
    ["openai/gpt-5-mini"] = model(272000, 128000, "reasoning", 0.25, 2, 0.025),
  },
}
