-- The smallest config: one provider. Everything else has a default.
--
--     build/gateway examples/minimal.lua
--     curl http://127.0.0.1:8080/v1/chat/completions -d '{"model": "auto", "messages": [{"role": "user", "content": "Hello!"}]}'

return {
  providers = {
    openai = {}, -- its key is read from OPENAI_API_KEY
    mock = { enabled = "alone" }, -- answers until there is one
  },
}
