-- What spec/bench/adapters.c measures: the same conversation with a provider in C and with two in Lua.
return {
  workers = 1,
  providers = {
    openai = { base_url = "http://127.0.0.1:9", key = "bench-key-0123456789" },
    house = { kind = "../../examples/providers/house.lua", base_url = "http://127.0.0.1:9" },
    same = { kind = "adapter_same.lua", base_url = "http://127.0.0.1:9" },
  },
  models = { all = { "openai/m", "house/m", "same/m" } },
}
