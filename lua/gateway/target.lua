--- The facts of a target: one model at one provider.
--
-- It comes from three places, each overriding the one before: the catalog (prices.lua, or the table that replaces it), the provider's
-- `models`, and the item that names the target in `models`.
-- SPDX-License-Identifier: MIT

local check = require "gateway.check"
local fields = require "gateway.fields"
local leaderboard = require "gateway.leaderboard"
local limits = require "gateway.limits"
local schema = require "gateway.schema"
local without_date = require("gateway.runtime").text.without_date

local target = {}

local fail, join = check.fail, check.join

local CAPABILITIES, ALL_CAPABILITIES = {}, (1 << #fields.capabilities) - 1
for i, row in ipairs(fields.capabilities) do
  CAPABILITIES[row[1]] = 1 << (i - 1)
end

local function check_capability(name, path)
  if not CAPABILITIES[name] then
    check.expected(path, "one of " .. table.concat(check.sorted_keys(CAPABILITIES), ", "), name)
  end
  return name
end

local capability_list = check.words(check_capability)

--- A list of abilities: these and no others. A table { vision = false }: as known, but for these.
local function check_capabilities(value, path)
  if type(value) == "table" and next(value) ~= nil and #value == 0 then
    local changes = {}
    for name, able in pairs(value) do
      check_capability(name, path)
      changes[name] = check.boolean(able, join(path, name))
    end
    return { changes = changes }
  end
  local bits = 0
  for _, name in ipairs(capability_list(value, path)) do
    bits = bits | CAPABILITIES[name]
  end
  return { bits = bits }
end

local function capability_bits(known, said)
  local bits = known or ALL_CAPABILITIES
  if said and said.bits then
    return said.bits
  end
  for name, able in pairs(said and said.changes or {}) do
    bits = able and bits | CAPABILITIES[name] or bits & ~CAPABILITIES[name]
  end
  return bits
end

local PRICES, BY_NAME = {}, schema.of(fields.price)
for i, row in ipairs(fields.price) do
  PRICES[i] = row[1]
end

--- USD per million tokens, by name or in this order: input, output, cache_read, cache_write.
local function check_price(value, path)
  if type(value) ~= "table" then
    check.expected(path, "{ input, output, cache_read, cache_write } in USD per million tokens", value)
  end
  local price = {}
  for i, name in ipairs(PRICES) do
    if rawget(value, i) ~= nil then
      price[name] = BY_NAME.by_name[name].check(value[i], join(path, i))
    end
  end
  local rest = {}
  for key, item in next, value do
    if math.type(key) ~= "integer" or key < 1 or key > #PRICES then
      rest[key] = item
    end
  end
  for name, item in pairs(schema.check(rest, path, BY_NAME)) do
    price[name] = item
  end
  if not price.input or not price.output then
    fail(path, "expected at least the prices of input and output, in USD per million tokens")
  end
  return price
end

--- What an item of `models` may say.
target.FIELDS = schema.of(fields.target, { prices = check_price, capabilities = check_capabilities, limits = limits.of_config })

--- The catalog's row for a model, or nil. A base_model may be of any vendor; the provider's own come first.
local function catalog_row(catalog, kind, id, base_model)
  local rows = catalog[kind] or {}
  if not base_model then
    return rows[id] or rows[without_date(id)]
  end
  local row = rows[base_model] or rows[without_date(base_model)]
  for _, other in ipairs(row and {} or check.sorted_keys(catalog)) do
    row = row or catalog[other][base_model] or catalog[other][without_date(base_model)]
  end
  return row
end

--- USD per million tokens -> pico-dollars per token.
local function pico(usd)
  return usd and math.tointeger(math.floor(usd * 1e6 + 0.5))
end

--- Pico-dollars per token as the runtime wants them: four rates; and for long prompts the threshold and four more. -1: unpriced.
local function price_list(price, long)
  local list = {}
  for i, name in ipairs(PRICES) do
    list[i] = pico(price[name]) or -1
  end
  if long then
    list[#PRICES + 1] = long.above
    for i, name in ipairs(PRICES) do
      list[#PRICES + 1 + i] = pico(long[name]) or list[i]
    end
  end
  return list
end

--- All that is known of model `id` at `provider`, with `said` on top. `board`: points by name; `catalog`: kind -> id -> row.
function target.facts(provider, id, said, board, catalog)
  local facts = { model = id, provider = provider.index }
  for _, layer in ipairs { provider.defaults, provider.models[id] or {}, said or {} } do
    for key, value in pairs(layer) do
      facts[key] = value
    end
  end
  local row = catalog_row(catalog, provider.kind, id, facts.base_model) or {}
  local known = row.capabilities and capability_bits(nil, check_capabilities(row.capabilities, ""))
  local own = provider.models[id]
  if own and own.capabilities and said and said.capabilities then
    known = capability_bits(known, own.capabilities)
  end
  facts.capabilities = capability_bits(known, facts.capabilities)
  facts.context = facts.context or row.context
  facts.max_output = facts.max_output or row.max_output
  facts.leaderboard = facts.leaderboard
    or leaderboard.points(board, provider.name .. "/" .. id, id, without_date(id), facts.base_model)
  if row.capabilities then
    facts.makes = row.embeds and "vectors" or "text"
  end
  local own_price, is_known = facts.price, provider.is_vendors or facts.base_model
  facts.price = price_list(own_price or is_known and row.price or {}, not own_price and is_known and row.long_price)
  return facts
end

return target
