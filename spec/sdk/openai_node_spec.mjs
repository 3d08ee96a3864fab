// The real openai npm package against the running gateway, once per upstream wire.
// Environment: GATEWAY (base URL), MOCK (URL of the scripted provider).
import assert from "node:assert/strict";
import { test } from "node:test";
import { createRequire } from "node:module";

const require = createRequire(process.env.SDK_MODULES + "/");
const OpenAI = require("openai");
const { GATEWAY, MOCK } = process.env;
const hello = [{ role: "user", content: "Hello, gateway!" }];
const tool = { type: "function", function: { name: "get_weather", description: "Current weather for a city",
  parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] } } };
const pixel = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
const client = (options = {}) => new OpenAI({ baseURL: GATEWAY + "/v1", apiKey: "sdk-key-0123456789", maxRetries: 0, ...options });
const rows = async (model) => {
  const ledger = await (await fetch(MOCK + "/__ledger")).json();
  return ledger.requests.filter((row) => row.model === model);
};
const until = async (check, ms = 30000) => {
  for (const end = Date.now() + ms; Date.now() < end; await new Promise((done) => setTimeout(done, 20))) if (await check()) return true;
  return false;
};

for (const provider of ["openai", "anthropic"]) {
  const model = (name) => `${provider}/${name}`;
  const ask = (name, body = {}, options = {}) => client(options).chat.completions.create({ model: model(name), messages: hello, ...body });

  test(`${provider}: chat`, async () => {
    const answer = await ask("hello");
    assert.match(answer.choices[0].message.content, /Hello, gateway!/);
    assert.equal(answer.choices[0].finish_reason, "stop");
    assert.equal(answer.usage.total_tokens, answer.usage.prompt_tokens + answer.usage.completion_tokens);
  });

  test(`${provider}: stream equals whole`, async () => {
    const whole = (await ask("hello")).choices[0].message.content;
    let text = "", finish;
    for await (const chunk of await ask("hello", { stream: true })) {
      assert.ok(!chunk.usage);
      text += chunk.choices[0]?.delta?.content ?? "";
      finish = chunk.choices[0]?.finish_reason ?? finish;
    }
    assert.deepEqual([text, finish], [whole, "stop"]);
  });

  test(`${provider}: usage in a stream when asked`, async () => {
    const seen = [];
    for await (const chunk of await ask("hello", { stream: true, stream_options: { include_usage: true } })) if (chunk.usage) seen.push(chunk);
    assert.equal(seen.length, 1);
    assert.deepEqual(seen[0].choices, []);
  });

  test(`${provider}: stream helper`, async () => {
    const runner = client().chat.completions.stream({ model: model("hello"), messages: hello });
    assert.match((await runner.finalChatCompletion()).choices[0].message.content, /Hello, gateway!/);
  });

  test(`${provider}: tools, and their result`, async () => {
    const messages = [{ role: "user", content: "Weather in Oslo?" }];
    const answer = await ask("tools", { messages, tools: [tool] });
    const call = answer.choices[0].message.tool_calls[0];
    assert.equal(answer.choices[0].finish_reason, "tool_calls");
    assert.ok("city" in JSON.parse(call.function.arguments));
    messages.push(answer.choices[0].message, { role: "tool", tool_call_id: call.id, content: "-3 C" });
    assert.equal((await ask("tools", { messages, tools: [tool] })).choices[0].finish_reason, "stop");
  });

  test(`${provider}: streamed parallel tools`, async () => {
    const runner = client().chat.completions.stream({ model: model("parallel-tools"), messages: hello, tools: [tool] });
    const message = (await runner.finalChatCompletion()).choices[0].message;
    assert.ok(message.tool_calls.length >= 2);
    for (const call of message.tool_calls) JSON.parse(call.function.arguments);
  });

  test(`${provider}: vision`, async () => {
    const content = [{ type: "text", text: "What is this?" }, { type: "image_url", image_url: { url: pixel } }];
    assert.match((await ask("hello", { messages: [{ role: "user", content }] })).choices[0].message.content, /1 image/);
  });

  test(`${provider}: json schema`, async () => {
    const schema = { type: "object", properties: { name: { type: "string" } }, required: ["name"], additionalProperties: false };
    const answer = await ask("hello", { response_format: { type: "json_schema", json_schema: { name: "thing", strict: true, schema } } });
    assert.ok("name" in JSON.parse(answer.choices[0].message.content));
  });

  const respond = (name, body = {}) => client().responses.create({ model: model(name), input: "Hello, gateway!", ...body });
  const responded = (name, body = {}) => client().responses.stream({ model: model(name), input: "Hello, gateway!", ...body }).finalResponse();

  test(`${provider}: response, whole and by the stream helper`, async () => {
    const whole = await respond("hello");
    assert.equal(whole.status, "completed");
    assert.match(whole.output_text, /Hello, gateway!/);
    const final = await responded("hello");
    assert.deepEqual([final.output_text, final.status, final.usage], [whole.output_text, whole.status, whole.usage]);
  });

  test(`${provider}: response with tools, and their result`, async () => {
    const input = [{ role: "user", content: "Weather in Oslo?" }];
    const tools = [{ type: "function", strict: false, ...tool.function }];
    for (const answer of [await respond("tools", { input, tools }), await responded("tools", { input, tools })]) {
      const call = answer.output.find((item) => item.type === "function_call");
      assert.ok("city" in JSON.parse(call.arguments));
      const back = answer.output.map(({ type, id, call_id, name, arguments: given }) => ({ type, id, call_id, name, arguments: given }));
      const result = { type: "function_call_output", call_id: call.call_id, output: "-3 C" };
      assert.match((await respond("tools", { input: [...input, ...back, result], tools })).output_text, /-3 C/);
    }
  });

  test(`${provider}: response of a schema`, async () => {
    const schema = { type: "object", properties: { name: { type: "string" } }, required: ["name"], additionalProperties: false };
    const text = { format: { type: "json_schema", name: "thing", strict: true, schema } };
    const answer = await client().responses.parse({ model: model("hello"), input: "A thing as JSON.", text });
    assert.ok("name" in JSON.parse(answer.output_text));
  });

  test(`${provider}: response that fails, response that is cut`, async () => {
    await assert.rejects(respond("fault-status-400"), OpenAI.BadRequestError);
    await assert.rejects(respond("fault-status-429-retry-7", { stream: true }), OpenAI.RateLimitError);
    let last;
    for await (const event of await respond("fault-cut-event-5", { input: "one two three four five six", stream: true })) last = event;
    assert.deepEqual([last.type, last.response.status], ["response.failed", "failed"]);
  });

  const classes = [
    ["fault-status-400", OpenAI.BadRequestError, 400], ["fault-status-401", OpenAI.AuthenticationError, 401], ["fault-status-403", OpenAI.PermissionDeniedError, 403],
    ["fault-status-404", OpenAI.NotFoundError, 404], ["fault-status-429-retry-7", OpenAI.RateLimitError, 429], ["fault-status-500", OpenAI.InternalServerError, 502],
    ["fault-status-503", OpenAI.InternalServerError, 503], ["fault-html-502", OpenAI.InternalServerError, 502], ["fault-reset-after", OpenAI.InternalServerError, 502],
  ];
  for (const [name, type, status] of classes)
    test(`${provider}: ${name} is a ${type.name}`, async () => {
      await assert.rejects(ask(name), (error) => error instanceof type && error.status === status && error.error.message.length > 0 && "code" in error.error);
    });

  test(`${provider}: an error inside a stream raises`, async () => {
    let text = "";
    await assert.rejects(async () => {
      for await (const chunk of await ask("fault-error-event-3", { stream: true })) text += chunk.choices[0]?.delta?.content ?? "";
    }, OpenAI.APIError);
    assert.ok(text.length > 0);
  });

  test(`${provider}: a cut stream raises`, async () => {
    await assert.rejects(async () => {
      for await (const _ of await ask("fault-cut-event-2", { stream: true }));
    }, OpenAI.APIError);
  });

  test(`${provider}: the SDK's own timeout`, async () => {
    await assert.rejects(ask("slow-3000", {}, { timeout: 300 }), OpenAI.APIConnectionTimeoutError);
  });

  test(`${provider}: the SDK is not invited to retry`, async () => {
    const before = (await rows("fault-status-500")).length;
    await assert.rejects(ask("fault-status-500", {}, { maxRetries: 2 }), OpenAI.InternalServerError);
    assert.ok((await rows("fault-status-500")).length - before <= 3);
  });

  test(`${provider}: 100 streams at once`, async () => {
    const one = async (i) => {
      let text = "";
      for await (const chunk of await ask("gap-5", { stream: true, messages: [{ role: "user", content: `nonce-${i}-end` }] })) text += chunk.choices[0]?.delta?.content ?? "";
      assert.ok(text.includes(`nonce-${i}-end`), text);
    };
    await Promise.all(Array.from({ length: 100 }, (_, i) => one(i)));
  });

  test(`${provider}: cancel in mid-stream`, async () => {
    const name = provider === "openai" ? "fault-gap-70" : "fault-gap-80";
    const stream = await ask(name, { stream: true, messages: [{ role: "user", content: "word ".repeat(100) }] });
    for await (const chunk of stream) if (chunk.choices[0]?.delta?.content) break;
    stream.controller.abort();
    assert.ok(await until(async () => (await rows(name)).some((row) => row.outcome === "client_closed")));
  });
}

test("embeddings: base64 unless told, the same numbers", async () => {
  const body = { model: "openai/hello", input: ["one text", "another"] };
  const coded = await client().embeddings.create(body);
  const plain = await client().embeddings.create({ ...body, encoding_format: "float" });
  assert.equal(coded.data.length, 2);
  assert.notDeepEqual(coded.data[0].embedding, coded.data[1].embedding);
  coded.data.forEach((item, i) => {
    assert.equal(item.embedding.length, plain.data[i].embedding.length);
    item.embedding.forEach((number, k) => assert.ok(Math.abs(number - plain.data[i].embedding[k]) < 1e-6));
  });
  await assert.rejects(client().embeddings.create({ ...body, model: "anthropic/hello" }), OpenAI.BadRequestError);
});

test("no such key", async () => {
  await assert.rejects(client({ apiKey: "wrong-key-00000" }).models.list(), OpenAI.AuthenticationError);
});

test("models", async () => {
  const names = [];
  for await (const model of client().models.list()) names.push(model.id);
  assert.ok(names.includes("rescued"));
  assert.equal((await client().models.retrieve("rescued")).id, "rescued");
});

test("nobody listens", async () => {
  await assert.rejects(client({ baseURL: "http://127.0.0.1:9/v1" }).models.list(), OpenAI.APIConnectionError);
});
