--- The provider's side of every wire, for specs: what a request of that wire says, and scripted answers in its form. Written from the providers'
-- documents, not from the adapters: a mistake has to be made twice to pass.
--
--     local one = wires.anthropic
--     one.vendor, one.model
--     one.read(body) -> { items, system, tools, choice, params, schema, … }     what was asked, in neutral words
--     one.answer(said) -> body                                                  a whole answer
--     one.stream(said) -> pieces, whole_at                                      a stream; before byte whole_at it is not complete
--     one.refusals -> { { name, status, body, headers, kind }, … }; one.breaks -> an event that says that the stream failed
--     one.finishes                                                              how an answer can end beside "stop" and "tool_calls"
--     one.usage -> the usage vector that its answers report
--
-- `said` = { reasoning = { pieces }, signature, text = { pieces }, calls = { { id, name, arguments = { pieces } } }, finish }, or in any order
-- { blocks = { { reasoning, signature }, { text }, { call } , … }, finish }; Google's own signature is call.signature.
-- Items are one flat list: { kind = "text" | "image" | "reasoning" | "call" | "result", role, … }; consecutive texts of one role are joined by "|".
-- SPDX-License-Identifier: MIT
local wires = { names = { "openai", "anthropic", "gemini", "cohere", "ollama", "bedrock" } }

for _, name in ipairs(wires.names) do
  wires[name] = require("support.wires." .. name)
end

return wires
