"""The real openai package against the running gateway, once per upstream wire.

Environment: GATEWAY (base URL), MOCK (URL of the scripted provider).
"""
import asyncio, json, os, time, unittest, urllib.request

import openai, pydantic

GATEWAY, MOCK = os.environ["GATEWAY"], os.environ["MOCK"]
KEY = "sdk-key-0123456789"
HELLO = [{"role": "user", "content": "Hello, gateway!"}]
TOOL = {"type": "function", "function": {"name": "get_weather", "description": "Current weather for a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}, "unit": {"type": "string", "enum": ["c", "f"]}}, "required": ["city"]}}}
SCHEMA = {"type": "object", "properties": {"name": {"type": "string"}, "count": {"type": "integer"}}, "required": ["name", "count"], "additionalProperties": False}
PIXEL = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


class Order(pydantic.BaseModel):
    name: str
    count: int


def client(**options):
    return openai.OpenAI(base_url=GATEWAY + "/v1", api_key=options.pop("api_key", KEY), max_retries=options.pop("max_retries", 0), **options)


def ledger():
    with urllib.request.urlopen(MOCK + "/__ledger") as answer:
        return json.load(answer)


def rows(model):
    return [row for row in ledger()["requests"] if row.get("model") == model]


def until(check, seconds=30):
    """Asks again until it holds: the ledger is written by another process."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if check():
            return True
        time.sleep(0.02)
    return False


class Wire:
    provider = None

    def model(self, name):
        return f"{self.provider}/{name}"

    # ------------------------------------------------------------ answers

    def test_chat(self):
        answer = client().chat.completions.create(model=self.model("hello"), messages=HELLO)
        self.assertEqual(answer.object, "chat.completion")
        self.assertEqual(answer.choices[0].message.role, "assistant")
        self.assertIn("Hello, gateway!", answer.choices[0].message.content)
        self.assertEqual(answer.choices[0].finish_reason, "stop")
        self.assertGreater(answer.usage.prompt_tokens, 0)
        self.assertEqual(answer.usage.total_tokens, answer.usage.prompt_tokens + answer.usage.completion_tokens)

    def test_headers(self):
        raw = client().chat.completions.with_raw_response.create(model=self.model("hello"), messages=HELLO, extra_headers={"X-Request-ID": "my-own.id_1"})
        self.assertEqual(raw.headers["x-request-id"], "my-own.id_1")
        self.assertEqual(raw.headers["x-provider"], self.provider)
        self.assertEqual(raw.headers["x-model"], "hello")
        self.assertEqual(raw.headers["x-attempts"], "1")
        self.assertRegex(raw.headers["x-policy"], r"^default@\d+$")
        self.assertRegex(raw.headers["server-timing"], r"gateway;dur=[\d.]+, upstream;dur=[\d.]+")

    def test_stream(self):
        whole = client().chat.completions.create(model=self.model("hello"), messages=HELLO).choices[0].message.content
        text, finish, usage, ids = "", None, [], set()
        for chunk in client().chat.completions.create(model=self.model("hello"), messages=HELLO, stream=True):
            ids.add(chunk.id)
            usage.append(chunk.usage)
            for choice in chunk.choices:
                text += choice.delta.content or ""
                finish = choice.finish_reason or finish
        self.assertEqual((text, finish), (whole, "stop"))
        self.assertEqual(len(ids), 1)
        self.assertFalse(any(usage), "usage nobody asked for")

    def test_stream_usage(self):
        chunks = list(client().chat.completions.create(model=self.model("hello"), messages=HELLO, stream=True, stream_options={"include_usage": True}))
        with_usage = [chunk for chunk in chunks if chunk.usage]
        self.assertEqual(len(with_usage), 1)
        self.assertEqual(with_usage[0].choices, [])
        self.assertGreater(with_usage[0].usage.completion_tokens, 0)

    def test_stream_headers(self):
        with client().chat.completions.with_streaming_response.create(model=self.model("hello"), messages=HELLO, stream=True) as raw:
            self.assertTrue(raw.headers["content-type"].startswith("text/event-stream"))
            self.assertEqual(raw.headers["x-accel-buffering"], "no")
            list(raw.iter_lines())

    def test_stream_helper(self):
        with client().chat.completions.stream(model=self.model("hello"), messages=HELLO) as stream:
            for _ in stream:
                pass
            self.assertIn("Hello, gateway!", stream.get_final_completion().choices[0].message.content)

    # ------------------------------------------------------------ tools

    def tool_call(self, answer):
        call = answer.choices[0].message.tool_calls[0]
        self.assertEqual(answer.choices[0].finish_reason, "tool_calls")
        self.assertEqual((call.type, call.function.name), ("function", "get_weather"))
        self.assertIn("city", json.loads(call.function.arguments))
        return call

    def test_tools_there_and_back(self):
        messages = [{"role": "user", "content": "Weather in Oslo?"}]
        answer = client().chat.completions.create(model=self.model("tools"), messages=messages, tools=[TOOL])
        call = self.tool_call(answer)
        messages += [answer.choices[0].message, {"role": "tool", "tool_call_id": call.id, "content": "-3 C"}]
        final = client().chat.completions.create(model=self.model("tools"), messages=messages, tools=[TOOL])
        self.assertEqual(final.choices[0].finish_reason, "stop")
        self.assertTrue(final.choices[0].message.content)

    def test_forced_tool(self):
        answer = client().chat.completions.create(model=self.model("hello"), messages=HELLO, tools=[TOOL],
                                                  tool_choice={"type": "function", "function": {"name": "get_weather"}})
        self.assertEqual(answer.choices[0].message.tool_calls[0].function.name, "get_weather")

    def gather(self, model):
        calls, finish = {}, None
        for chunk in client().chat.completions.create(model=model, messages=[{"role": "user", "content": "Weather in Oslo?"}], tools=[TOOL], stream=True):
            for choice in chunk.choices:
                finish = choice.finish_reason or finish
                for piece in choice.delta.tool_calls or []:
                    call = calls.setdefault(piece.index, {"id": None, "name": None, "arguments": ""})
                    call["id"] = piece.id or call["id"]
                    call["name"] = piece.function.name or call["name"]
                    call["arguments"] += piece.function.arguments or ""
        return calls, finish

    def test_streamed_tools(self):
        calls, finish = self.gather(self.model("tools"))
        self.assertEqual((list(calls), finish), ([0], "tool_calls"))
        self.assertIn("city", json.loads(calls[0]["arguments"]))

    def test_streamed_parallel_tools(self):
        calls, finish = self.gather(self.model("parallel-tools"))
        self.assertEqual((sorted(calls), finish), (list(range(len(calls))), "tool_calls"))
        self.assertGreaterEqual(len(calls), 2)
        self.assertEqual(len({call["id"] for call in calls.values()}), len(calls))
        for call in calls.values():
            json.loads(call["arguments"])

    # ------------------------------------------------------------ formats and parts

    def test_json_mode(self):
        answer = client().chat.completions.create(model=self.model("hello"), messages=[{"role": "user", "content": "Give me JSON."}],
                                                  response_format={"type": "json_object"})
        self.assertTrue(answer.choices[0].message.content)
        if self.provider == "openai":
            self.assertIsInstance(json.loads(answer.choices[0].message.content), dict)

    def test_json_schema(self):
        answer = client().chat.completions.create(model=self.model("hello"), messages=[{"role": "user", "content": "Two pens as JSON."}],
                                                  response_format={"type": "json_schema", "json_schema": {"name": "order", "strict": True, "schema": SCHEMA}})
        self.assertEqual(set(json.loads(answer.choices[0].message.content)), {"name", "count"})

    def test_vision(self):
        answer = client().chat.completions.create(model=self.model("hello"), messages=[{"role": "user", "content": [
            {"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": {"url": PIXEL}}]}])
        self.assertIn("1 image", answer.choices[0].message.content)

    def test_length(self):
        answer = client().chat.completions.create(model=self.model("events-50"), messages=HELLO, max_tokens=3)
        self.assertEqual(answer.choices[0].finish_reason, "length")

    # ------------------------------------------------------------ responses

    def respond(self, name, given="Hello, gateway!", **fields):
        return client().responses.create(model=self.model(name), input=given, **fields)

    def responded(self, name, given="Hello, gateway!", **fields):
        """The stream helper's final response, and the text of its deltas."""
        text = ""
        with client().responses.stream(model=self.model(name), input=given, **fields) as stream:
            for event in stream:
                text += event.delta if event.type == "response.output_text.delta" else ""
            return stream.get_final_response(), text

    def test_response(self):
        answer = self.respond("hello", instructions="Be brief.")
        self.assertEqual((answer.object, answer.status, answer.instructions), ("response", "completed", "Be brief."))
        self.assertIn("Hello, gateway!", answer.output_text)
        self.assertGreater(answer.usage.input_tokens, 0)
        self.assertEqual(answer.usage.total_tokens, answer.usage.input_tokens + answer.usage.output_tokens)

    def test_response_stream_helper(self):
        whole = self.respond("hello")
        final, text = self.responded("hello")
        self.assertEqual((text, final.output_text), (whole.output_text, whole.output_text))
        self.assertEqual((final.status, final.usage), (whole.status, whole.usage))

    def test_response_tools_there_and_back(self):
        asked = [{"role": "user", "content": "Weather in Oslo?"}]
        tool = {"type": "function", "strict": False, **TOOL["function"]}
        for answer in (self.respond("tools", asked, tools=[tool]), self.responded("tools", asked, tools=[tool])[0]):
            call = next(item for item in answer.output if item.type == "function_call")
            self.assertEqual(call.name, "get_weather")
            self.assertIn("city", json.loads(call.arguments))
            back = [item.model_dump(include={"type", "id", "call_id", "name", "arguments"}) for item in answer.output]
            final = self.respond("tools", asked + back + [{"type": "function_call_output", "call_id": call.call_id, "output": "-3 C"}], tools=[tool])
            self.assertIn("-3 C", final.output_text)

    def test_response_parsed(self):
        answer = client().responses.parse(model=self.model("hello"), input="Two pens as JSON.", text_format=Order)
        self.assertIsInstance(answer.output_parsed, Order)
        final, _ = self.responded("hello", "Two pens as JSON.", text_format=Order)
        self.assertIsInstance(final.output_parsed, Order)

    def test_response_image(self):
        parts = [{"type": "input_text", "text": "What is this?"}, {"type": "input_image", "image_url": PIXEL, "detail": "auto"}]
        self.assertIn("1 image", self.respond("hello", [{"role": "user", "content": parts}]).output_text)

    def test_response_cut_by_length(self):
        answer = self.respond("events-50", max_output_tokens=16)
        self.assertEqual((answer.status, answer.incomplete_details.reason), ("incomplete", "max_output_tokens"))

    def test_response_errors(self):
        for name, error in (("fault-status-400", openai.BadRequestError), ("fault-status-404", openai.NotFoundError),
                            ("fault-status-429-retry-7", openai.RateLimitError), ("fault-status-500", openai.InternalServerError)):
            for stream in (False, True):
                with self.assertRaises(error):
                    self.respond(name, stream=stream)

    def test_response_cut_stream(self):
        """The SDK takes a failed response for an event; its helper then has no completed response to give."""
        last = list(self.respond("fault-cut-event-5", "one two three four five six", stream=True))[-1]
        self.assertEqual((last.type, last.response.status, last.response.error.code), ("response.failed", "failed", "server_error"))
        with self.assertRaisesRegex(RuntimeError, "response.completed"):
            self.responded("fault-cut-event-5", "one two three four five six")

    # ------------------------------------------------------------ errors: each class of the SDK

    def fails(self, name, error, status=None, **options):
        with self.assertRaises(error) as caught:
            client(**options).chat.completions.create(model=self.model(name), messages=HELLO)
        if status:
            self.assertEqual(caught.exception.status_code, status)
            self.assertEqual(set(caught.exception.body), {"message", "type", "param", "code"})
            self.assertTrue(caught.exception.response.headers["x-request-id"])
        return caught.exception

    def test_bad_request(self):
        self.fails("fault-status-400", openai.BadRequestError, 400)

    def test_context_length(self):
        error = self.fails("fault-context-length", openai.BadRequestError, 400)
        self.assertEqual(error.code, "context_length_exceeded")

    def test_upstream_auth(self):
        self.fails("fault-status-401", openai.AuthenticationError, 401)

    def test_upstream_permission(self):
        self.fails("fault-status-403", openai.PermissionDeniedError, 403)

    def test_upstream_not_found(self):
        self.fails("fault-status-404", openai.NotFoundError, 404)

    def test_rate_limit(self):
        error = self.fails("fault-status-429-retry-7", openai.RateLimitError, 429)
        self.assertEqual(error.response.headers["retry-after"], "7")

    def test_server_errors(self):
        self.fails("fault-status-500", openai.InternalServerError, 502)
        self.fails("fault-status-503", openai.InternalServerError, 503)
        self.fails("fault-status-529", openai.InternalServerError, 503)
        self.fails("fault-html-502", openai.InternalServerError, 502)
        self.fails("fault-error-in-200", openai.APIStatusError)
        self.fails("fault-reset-after", openai.InternalServerError, 502)
        self.fails("fault-truncated-json", openai.InternalServerError, 502)

    def test_deadline(self):
        with self.assertRaises(openai.InternalServerError) as caught:
            list(client().chat.completions.create(model="stalled-" + self.provider, messages=HELLO, stream=True))
        self.assertEqual(caught.exception.status_code, 504)
        self.assertIn("first_token", str(caught.exception))

    def test_error_in_stream(self):
        text = ""
        with self.assertRaises(openai.APIError):
            for chunk in client().chat.completions.create(model=self.model("fault-error-event-3"), messages=HELLO, stream=True):
                text += chunk.choices[0].delta.content or "" if chunk.choices else ""
        self.assertTrue(text, "what came before the error is the client's")

    def test_cut_stream(self):
        with self.assertRaises(openai.APIError):
            list(client().chat.completions.create(model=self.model("fault-cut-event-3"), messages=HELLO, stream=True))

    # ------------------------------------------------------------ retries and time

    def test_sdk_retries_are_not_invited(self):
        """Our attempts are used up: the SDK, told to retry twice, must not."""
        name = "fault-status-500"
        before = len(rows(name))
        self.fails(name, openai.InternalServerError, 502, max_retries=2)
        sent = len(rows(name)) - before
        self.assertLessEqual(sent, 3)

    def test_sdk_timeout(self):
        with self.assertRaises(openai.APITimeoutError):
            client(timeout=0.3).chat.completions.create(model=self.model("slow-3000"), messages=HELLO)

    def test_async(self):
        async def ask():
            async with openai.AsyncOpenAI(base_url=GATEWAY + "/v1", api_key=KEY, max_retries=0) as own:
                answers = await asyncio.gather(*(own.chat.completions.create(model=self.model("hello"), messages=[{"role": "user", "content": f"nonce {i}"}])
                                                 for i in range(20)))
            return [answer.choices[0].message.content for answer in answers]

        for i, text in enumerate(asyncio.run(ask())):
            self.assertIn(f"nonce {i}", text)

    def test_hundred_streams(self):
        async def one(own, i):
            text = ""
            async for chunk in await own.chat.completions.create(model=self.model("gap-5"), messages=[{"role": "user", "content": f"nonce-{i}-end"}], stream=True):
                text += chunk.choices[0].delta.content or "" if chunk.choices else ""
            return text

        async def ask():
            async with openai.AsyncOpenAI(base_url=GATEWAY + "/v1", api_key=KEY, max_retries=0) as own:
                return await asyncio.gather(*(one(own, i) for i in range(100)))

        for i, text in enumerate(asyncio.run(ask())):
            self.assertIn(f"nonce-{i}-end", text)

    def test_cancel(self):
        name = "fault-gap-50" if self.provider == "openai" else "fault-gap-60"
        stream = client().chat.completions.create(model=self.model(name), messages=[{"role": "user", "content": "word " * 100}], stream=True)
        for chunk in stream:
            if chunk.choices and chunk.choices[0].delta.content:
                break
        stream.close()
        self.assertTrue(until(lambda: any(row["outcome"] == "client_closed" for row in rows(name))), rows(name))


class OpenAIWire(Wire, unittest.TestCase):
    provider = "openai"

    def test_several_choices(self):
        answer = client().chat.completions.create(model=self.model("hello"), messages=HELLO, n=2)
        self.assertEqual([choice.index for choice in answer.choices], [0, 1])


    def test_embeddings(self):
        """The SDK asks for base64 unless told; the numbers are those of the other form."""
        coded = client().embeddings.create(model=self.model("hello"), input=["one text", "another"])
        plain = client().embeddings.create(model=self.model("hello"), input=["one text", "another"], encoding_format="float")
        self.assertEqual([item.index for item in coded.data], [0, 1])
        self.assertNotEqual(coded.data[0].embedding, coded.data[1].embedding)
        for one, other in zip(coded.data, plain.data):
            self.assertEqual(len(one.embedding), len(other.embedding))
            self.assertTrue(all(abs(a - b) < 1e-6 for a, b in zip(one.embedding, other.embedding)))
        self.assertEqual(coded.usage, plain.usage)
        self.assertGreater(coded.usage.prompt_tokens, 0)

    def test_embeddings_fail(self):
        with self.assertRaises(openai.RateLimitError) as caught:
            client().embeddings.create(model=self.model("fault-status-429-retry-7"), input="x")
        self.assertEqual(caught.exception.response.headers["retry-after"], "7")


class AnthropicWire(Wire, unittest.TestCase):
    provider = "anthropic"

    def test_dropped_parameters_are_named(self):
        raw = client().chat.completions.with_raw_response.create(model=self.model("hello"), messages=HELLO, seed=7)
        self.assertIn("seed", raw.headers["x-dropped-params"])

    def test_has_no_embeddings(self):
        with self.assertRaises(openai.BadRequestError):
            client().embeddings.create(model=self.model("hello"), input="x")

    def test_what_cannot_be_done_is_refused(self):
        with self.assertRaises(openai.BadRequestError) as caught:
            client().chat.completions.create(model=self.model("hello"), messages=HELLO, n=2)
        self.assertEqual(caught.exception.param, "n")


class Gateway(unittest.TestCase):
    def test_no_key_and_wrong_key(self):
        for key in ("wrong-key-00000", "sdk-key-012345678"):
            with self.assertRaises(openai.AuthenticationError) as caught:
                client(api_key=key).chat.completions.create(model="openai/hello", messages=HELLO)
            self.assertEqual(caught.exception.code, "invalid_api_key")

    def test_model_of_another(self):
        with self.assertRaises(openai.PermissionDeniedError):
            client(api_key="sdk-key-narrow-0123").chat.completions.create(model="openai/hello", messages=HELLO)
        self.assertTrue(client(api_key="sdk-key-narrow-0123").chat.completions.create(model="limited", messages=HELLO).choices)

    def test_unknown_model(self):
        with self.assertRaises(openai.NotFoundError) as caught:
            client().chat.completions.create(model="rescue", messages=HELLO)
        self.assertEqual(caught.exception.code, "model_not_found")
        self.assertIn("rescued", str(caught.exception))

    def test_bad_parameters(self):
        for options, param in (({"max_tokens": -1}, "max_tokens"), ({"temperature": "hot"}, "temperature"), ({"messages": []}, "messages")):
            with self.assertRaises(openai.BadRequestError) as caught:
                client().chat.completions.create(**{"model": "openai/hello", "messages": HELLO, **options})
            self.assertEqual(caught.exception.param, param)

    def test_fallback(self):
        for stream in (False, True):
            raw = client().chat.completions.with_raw_response.create(model="rescued", messages=HELLO, stream=stream)
            self.assertEqual(raw.headers["x-provider"] if raw.headers["x-attempts"] == "2" else "anthropic", "anthropic")
            raw.parse() if not stream else list(raw.parse())

    def test_models(self):
        names = [model.id for model in client().models.list()]
        self.assertIn("rescued", names)
        self.assertEqual(client().models.retrieve("rescued").id, "rescued")
        with self.assertRaises(openai.NotFoundError):
            client().models.retrieve("nobody-knows-this")

    def test_nobody_listens(self):
        with self.assertRaises(openai.APIConnectionError):
            openai.OpenAI(base_url="http://127.0.0.1:9/v1", api_key=KEY, max_retries=0).models.list()


if __name__ == "__main__":
    result = unittest.main(exit=False, verbosity=1).result
    bad = len(result.failures) + len(result.errors)
    print(f"{result.testsRun - bad} passed, {bad} failed")
