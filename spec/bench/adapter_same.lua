-- The least that an adapter can do: OpenAI's own shapes, handed through Lua as they are.
return {
  path = "/chat/completions",
  stream = "sse",
  encode = function(request) return request end,
  decode = function(answer) return answer end,
  decode_event = function(event) return event.json or event.data end,
}
