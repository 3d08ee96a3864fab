// The Vercel AI SDK's agents against the running gateway: one tool call and the answer after it, in front of either wire.
// Environment: GATEWAY (base URL), SDK_MODULES (where it is installed).
import assert from "node:assert/strict";
import { test } from "node:test";
import { createRequire } from "node:module";

const require = createRequire(process.env.SDK_MODULES + "/");
const load = async (name) => import(require.resolve(name));
const { ToolLoopAgent, generateText, streamText, stepCountIs, tool, Output, APICallError } = await load("ai");
const { createOpenAICompatible } = await load("@ai-sdk/openai-compatible");
const { z } = await load("zod");
const gateway = createOpenAICompatible({ name: "gateway", baseURL: process.env.GATEWAY + "/v1", apiKey: "sdk-key-0123456789", includeUsage: true,
  supportsStructuredOutputs: true });
const prompt = "Weather in Oslo?";
const told = (asked) => ({ get_weather: tool({ description: "Current weather for a city", inputSchema: z.object({ city: z.string() }),
  execute: async ({ city }) => (asked.push(city), "-3 C") }) });

for (const provider of ["openai", "anthropic"]) {
  const model = gateway(`scripted-${provider}/agent`);
  const check = (asked, steps, text) => {
    assert.deepEqual(asked, ["Oslo"]);
    assert.deepEqual(steps.map((step) => step.finishReason), ["tool-calls", "stop"]);
    assert.equal(text, "The tool said: -3 C");
    assert.equal(steps[1].usage.totalTokens, 28);
  };

  test(`${provider}: agent`, async () => {
    const asked = [];
    const result = await new ToolLoopAgent({ model, tools: told(asked), maxRetries: 0 }).generate({ prompt });
    check(asked, result.steps, result.text);
  });

  test(`${provider}: agent, whole`, async () => {
    const asked = [];
    const result = await generateText({ model, prompt, tools: told(asked), stopWhen: stepCountIs(3), maxRetries: 0 });
    check(asked, result.steps, result.text);
  });

  test(`${provider}: agent, streamed`, async () => {
    const asked = [];
    let text = "";
    const result = streamText({ model, prompt, tools: told(asked), stopWhen: stepCountIs(3), maxRetries: 0 });
    for await (const piece of result.textStream) text += piece;
    check(asked, await result.steps, text);
  });

  test(`${provider}: an object of a schema`, async () => {
    const schema = z.object({ name: z.string(), count: z.number() });
    const { output } = await generateText({ model: gateway(`${provider}/hello`), prompt: "Two pens.", output: Output.object({ schema }), maxRetries: 0 });
    assert.deepEqual([typeof output.name, typeof output.count], ["string", "number"]);
  });

  test(`${provider}: a limit is an APICallError that may be retried`, async () => {
    await assert.rejects(generateText({ model: gateway(`${provider}/fault-status-429-retry-7`), prompt, maxRetries: 0 }),
      (error) => APICallError.isInstance(error) && error.statusCode === 429 && error.isRetryable && error.responseHeaders["retry-after"] === "7");
  });

  test(`${provider}: a cut stream is an error, not an end`, async () => {
    const errors = [], finishes = [];
    const result = streamText({ model: gateway(`${provider}/fault-cut-event-5`), prompt, maxRetries: 0, onError: ({ error }) => errors.push(error) });
    for await (const part of result.fullStream) if (part.type === "finish-step") finishes.push(part.finishReason);
    assert.equal(errors.length, 1);
    assert.ok(!finishes.includes("stop"));
  });
}
