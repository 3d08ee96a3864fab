// The real @anthropic-ai/sdk package against the running gateway: /v1/messages in front of either wire.
// Environment: GATEWAY (base URL), SDK_MODULES (where it is installed).
import assert from "node:assert/strict";
import { test } from "node:test";
import { createRequire } from "node:module";

const require = createRequire(process.env.SDK_MODULES + "/");
const Anthropic = require("@anthropic-ai/sdk");
const { GATEWAY } = process.env;
const hello = [{ role: "user", content: "Hello, gateway!" }];
const weather = [{ role: "user", content: "Weather in Oslo?" }];
const tool = { name: "get_weather", description: "Current weather for a city",
  input_schema: { type: "object", properties: { city: { type: "string" } }, required: ["city"] } };
const pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
const client = (options = {}) => new Anthropic({ baseURL: GATEWAY, apiKey: "sdk-key-0123456789", authToken: null, maxRetries: 0, ...options });

for (const provider of ["openai", "anthropic"]) {
  const fields = (name, body) => ({ model: `${provider}/${name}`, max_tokens: 200, messages: hello, ...body });
  const ask = (name, body = {}, options = {}) => client(options).messages.create(fields(name, body));
  const streamed = (name, body = {}) => client().messages.stream(fields(name, body));

  test(`${provider}: text`, async () => {
    const answer = await ask("hello");
    assert.deepEqual([answer.type, answer.role, answer.stop_reason], ["message", "assistant", "end_turn"]);
    assert.match(answer.content[0].text, /Hello, gateway!/);
    assert.ok(answer.usage.input_tokens > 0 && answer.usage.output_tokens > 0);
    assert.ok(answer._request_id);
  });

  test(`${provider}: the stream helper's message equals the whole`, async () => {
    const whole = await ask("hello");
    let text = "";
    const stream = streamed("hello").on("text", (piece) => (text += piece));
    const final = await stream.finalMessage();
    assert.equal(text, whole.content[0].text);
    assert.equal(final.content[0].text, text);
    assert.deepEqual([final.stop_reason, final.usage.output_tokens], [whole.stop_reason, whole.usage.output_tokens]);
  });

  test(`${provider}: tools, and their result`, async () => {
    const answer = await ask("tools", { messages: weather, tools: [tool] });
    const call = answer.content.find((block) => block.type === "tool_use");
    assert.deepEqual([answer.stop_reason, call.name, typeof call.input.city], ["tool_use", "get_weather", "string"]);
    const messages = [...weather, { role: "assistant", content: answer.content },
      { role: "user", content: [{ type: "tool_result", tool_use_id: call.id, content: "-3 C" }] }];
    const final = await ask("tools", { messages, tools: [tool] });
    assert.equal(final.stop_reason, "end_turn");
    assert.match(final.content[0].text, /-3 C/);
  });

  test(`${provider}: streamed parallel tools`, async () => {
    const final = await streamed("parallel-tools", { messages: weather, tools: [tool] }).finalMessage();
    const calls = final.content.filter((block) => block.type === "tool_use");
    assert.ok(calls.length >= 2);
    assert.equal(new Set(calls.map((call) => call.id)).size, calls.length);
    for (const call of calls) assert.equal(typeof call.input.city, "string");
  });

  test(`${provider}: image`, async () => {
    const image = { type: "image", source: { type: "base64", media_type: "image/png", data: pixel } };
    const answer = await ask("hello", { messages: [{ role: "user", content: [{ type: "text", text: "What is this?" }, image] }] });
    assert.match(answer.content[0].text, /1 image/);
  });

  test(`${provider}: count of tokens`, async () => {
    assert.ok((await client().messages.countTokens({ model: `${provider}/hello`, messages: hello })).input_tokens > 0);
  });

  const classes = [
    ["fault-status-400", Anthropic.BadRequestError, 400, "invalid_request_error"], ["fault-status-404", Anthropic.NotFoundError, 404, "not_found_error"],
    ["fault-status-429-retry-7", Anthropic.RateLimitError, 429, "rate_limit_error"], ["fault-status-500", Anthropic.InternalServerError, 500, "api_error"],
    ["fault-status-401", Anthropic.InternalServerError, 500, "api_error"], ["fault-status-529", Anthropic.InternalServerError, 529, "overloaded_error"],
  ];
  for (const [name, type, status, kind] of classes)
    test(`${provider}: ${name} is a ${type.name}`, async () => {
      const check = (error) => error instanceof type && error.status === status && error.error.error.type === kind &&
        (status !== 429 || error.headers.get("retry-after") === "7");
      await assert.rejects(ask(name), check);
      await assert.rejects(streamed(name).finalMessage(), check);
    });

  for (const [name, kind] of [["fault-cut-event-5", "api_error"], ["fault-error-event-4", "overloaded_error"]])
    test(`${provider}: ${name} raises in mid-stream`, async () => {
      let text = "";
      const stream = streamed(name, { messages: [{ role: "user", content: "one two three four five six" }] }).on("text", (piece) => (text += piece));
      await assert.rejects(stream.finalMessage(), (error) => error instanceof Anthropic.APIError && error.error.error.type === kind);
      assert.ok(text.length > 0);
    });

  test(`${provider}: the SDK's own timeout`, async () => {
    await assert.rejects(ask("slow-3000", {}, { timeout: 300 }), Anthropic.APIConnectionTimeoutError);
  });
}

test("thinking passes to and from Anthropic", async () => {
  const body = { model: "scripted-anthropic/thinker", max_tokens: 2000, messages: hello, thinking: { type: "enabled", budget_tokens: 1024 } };
  for (const message of [await client().messages.create(body), await client().messages.stream(body).finalMessage()])
    assert.deepEqual(message.content[0], { type: "thinking", thinking: "The tool knows; ask it.", signature: "c2lnbmF0dXJlLW9mLWEtdGhvdWdodA==" });
});

test("no such key, no such model", async () => {
  const body = { model: "openai/hello", max_tokens: 20, messages: hello };
  await assert.rejects(client({ apiKey: "wrong-key-00000" }).messages.create(body), Anthropic.AuthenticationError);
  await assert.rejects(client().messages.create({ ...body, model: "rescue" }), Anthropic.NotFoundError);
  assert.ok((await client({ apiKey: null, authToken: "sdk-key-0123456789" }).messages.create(body)).content[0].text);
});

test("models", async () => {
  const names = [];
  for await (const model of client().models.list()) names.push(model.id);
  assert.ok(names.includes("rescued"));
});
