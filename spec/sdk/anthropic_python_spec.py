"""The real anthropic package against the running gateway: /v1/messages in front of either wire.

Environment: GATEWAY (base URL), SCRIPTED (URL of the provider that thinks and asks for tools).
"""
import asyncio, json, os, unittest, urllib.request

import anthropic

GATEWAY, SCRIPTED = os.environ["GATEWAY"], os.environ["SCRIPTED"]
KEY = "sdk-key-0123456789"
HELLO = [{"role": "user", "content": "Hello, gateway!"}]
ASK = [{"role": "user", "content": "Weather in Oslo?"}]
TOOL = {"name": "get_weather", "description": "Current weather for a city",
        "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
THINKING = {"type": "enabled", "budget_tokens": 1024}


def client(**options):
    return anthropic.Anthropic(**{"base_url": GATEWAY, "api_key": KEY, "max_retries": 0, **options})


def last_received(model):
    """The body of the last request that the scripted provider got for a model."""
    with urllib.request.urlopen(SCRIPTED + "/__ledger") as answer:
        return [row for row in json.load(answer)["requests"] if row["model"] == model][-1]["body"]


class Wire:
    provider = None

    def ask(self, name, messages=HELLO, options=None, **fields):
        return client(**(options or {})).messages.create(**{"model": f"{self.provider}/{name}", "max_tokens": 200, "messages": messages, **fields})

    def streamed(self, name, messages=HELLO, **fields):
        return client().messages.stream(model=f"{self.provider}/{name}", max_tokens=200, messages=messages, **fields)

    # ------------------------------------------------------------ answers

    def test_text(self):
        answer = self.ask("hello", system="Be brief.")
        self.assertEqual((answer.type, answer.role, answer.stop_reason), ("message", "assistant", "end_turn"))
        self.assertIn("Hello, gateway!", answer.content[0].text)
        self.assertGreater(answer.usage.input_tokens, 0)
        self.assertGreater(answer.usage.output_tokens, 0)
        self.assertTrue(answer._request_id)

    def test_bearer(self):
        self.assertTrue(self.ask("hello", options={"api_key": None, "auth_token": KEY}).content[0].text)

    def test_stream_equals_whole(self):
        whole = self.ask("hello")
        with self.streamed("hello") as stream:
            text = "".join(stream.text_stream)
            final = stream.get_final_message()
        self.assertEqual(text, whole.content[0].text)
        self.assertEqual(final.content[0].text, text)
        self.assertEqual((final.stop_reason, final.usage.output_tokens), (whole.stop_reason, whole.usage.output_tokens))
        self.assertEqual(final.usage.input_tokens, whole.usage.input_tokens)

    def test_raw_events(self):
        kinds = [event.type for event in self.ask("hello", stream=True) if event.type != "ping"]
        self.assertEqual(kinds[:2] + kinds[-3:], ["message_start", "content_block_start", "content_block_stop", "message_delta", "message_stop"])
        self.assertEqual(set(kinds[2:-3]), {"content_block_delta"})

    def test_max_tokens(self):
        self.assertEqual(self.ask("events-50", max_tokens=3).stop_reason, "max_tokens")

    def test_image(self):
        image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}}
        answer = self.ask("hello", [{"role": "user", "content": [{"type": "text", "text": "What is this?"}, image]}])
        self.assertIn("1 image", answer.content[0].text)

    def test_count_tokens(self):
        raw = client().messages.with_raw_response.count_tokens(model=f"{self.provider}/hello", messages=HELLO, tools=[TOOL])
        self.assertGreater(raw.parse().input_tokens, 0)
        self.assertEqual(raw.headers.get("x-tokens-estimated"), self.estimated)

    def test_hundred_streams(self):
        async def one(own, i):
            async with own.messages.stream(model=f"{self.provider}/gap-5", max_tokens=200, messages=[{"role": "user", "content": f"nonce-{i}-end"}]) as stream:
                return await stream.get_final_text()

        async def ask():
            async with anthropic.AsyncAnthropic(base_url=GATEWAY, api_key=KEY, max_retries=0) as own:
                return await asyncio.gather(*(one(own, i) for i in range(100)))

        for i, text in enumerate(asyncio.run(ask())):
            self.assertIn(f"nonce-{i}-end", text)

    # ------------------------------------------------------------ tools

    def test_tools_there_and_back(self):
        answer = self.ask("tools", ASK, tools=[TOOL])
        call = next(block for block in answer.content if block.type == "tool_use")
        self.assertEqual((answer.stop_reason, call.name), ("tool_use", "get_weather"))
        self.assertIn("city", call.input)
        messages = ASK + [{"role": "assistant", "content": answer.content},
                          {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call.id, "content": "-3 C"}]}]
        final = self.ask("tools", messages, tools=[TOOL])
        self.assertEqual(final.stop_reason, "end_turn")
        self.assertIn("-3 C", final.content[0].text)

    def test_streamed_parallel_tools(self):
        with self.streamed("parallel-tools", ASK, tools=[TOOL]) as stream:
            final = stream.get_final_message()
        calls = [block for block in final.content if block.type == "tool_use"]
        self.assertGreaterEqual(len(calls), 2)
        self.assertEqual(len({call.id for call in calls}), len(calls))
        self.assertTrue(all("city" in call.input for call in calls), calls)
        self.assertEqual(final.stop_reason, "tool_use")

    def test_tool_runner(self):
        """The SDK's own loop: it runs the tool and asks again."""
        asked = []

        @anthropic.beta_tool
        def get_weather(city: str) -> str:
            """Current weather for a city.

            Args:
                city: its name
            """
            asked.append(city)
            return "-3 C"

        runner = client().beta.messages.tool_runner(model=f"scripted-{self.provider}/runner", max_tokens=200, messages=ASK, tools=[get_weather])
        self.assertEqual(runner.until_done().content[0].text, "The tool said: -3 C")
        self.assertEqual(asked, ["Oslo"])
        # it sends no more than what is new, and all of it once told that nobody holds the rest
        self.assertIn("Weather in Oslo?", json.dumps(last_received("runner")["messages"]))

    # ------------------------------------------------------------ errors: each class of the SDK

    def fails(self, name, error, status, kind):
        for stream in (False, True):
            with self.assertRaises(error) as caught:
                self.ask(name, stream=stream)
            self.assertIs(type(caught.exception), error)
            self.assertEqual((caught.exception.status_code, caught.exception.body["error"]["type"]), (status, kind))
            self.assertEqual(caught.exception.body["request_id"], caught.exception.request_id)
        return caught.exception

    def test_bad_request(self):
        self.fails("fault-status-400", anthropic.BadRequestError, 400, "invalid_request_error")

    def test_not_found(self):
        self.fails("fault-status-404", anthropic.NotFoundError, 404, "not_found_error")

    def test_rate_limit(self):
        error = self.fails("fault-status-429-retry-7", anthropic.RateLimitError, 429, "rate_limit_error")
        self.assertEqual(error.response.headers["retry-after"], "7")

    def test_server_error(self):
        self.fails("fault-status-500", anthropic.InternalServerError, 500, "api_error")

    def test_upstream_key_is_not_the_clients(self):
        self.fails("fault-status-401", anthropic.InternalServerError, 500, "api_error")

    def test_overloaded(self):
        self.fails("fault-status-529", anthropic._exceptions.OverloadedError, 529, "overloaded_error")

    def raises_in_stream(self, name):
        text = []
        with self.assertRaises(anthropic.APIStatusError) as caught:
            with self.streamed(name, [{"role": "user", "content": "one two three four five six"}]) as stream:
                for piece in stream.text_stream:
                    text.append(piece)
        self.assertTrue(text, "what came before is the client's")
        return caught.exception.body["error"]["type"]

    def test_cut_stream(self):
        self.assertEqual(self.raises_in_stream("fault-cut-event-5"), "api_error")

    def test_error_in_stream(self):
        self.assertEqual(self.raises_in_stream("fault-error-event-4"), "overloaded_error")


class OpenAIWire(Wire, unittest.TestCase):
    provider, estimated = "openai", "true"


class AnthropicWire(Wire, unittest.TestCase):
    provider, estimated = "anthropic", None

    def test_thinking_passes(self):
        fields = {"model": "scripted-anthropic/thinker", "max_tokens": 2000, "messages": HELLO, "thinking": THINKING}
        with client().messages.stream(**fields) as stream:
            final = stream.get_final_message()
        for message in (client().messages.create(**fields), final):
            thought, text = message.content
            self.assertEqual((thought.type, thought.thinking), ("thinking", "The tool knows; ask it."))
            self.assertEqual(thought.signature, "c2lnbmF0dXJlLW9mLWEtdGhvdWdodA==")
            self.assertIn("Hello, gateway!", text.text)

    def test_a_thought_goes_back_as_it_came(self):
        fields = {"model": "scripted-anthropic/thinker", "max_tokens": 2000, "thinking": THINKING, "tools": [TOOL]}
        answer = client().messages.create(messages=ASK, **fields)
        call = answer.content[-1]
        client().messages.create(messages=ASK + [{"role": "assistant", "content": answer.content}, {"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": call.id, "content": "-3 C"}]}], **fields)
        body = last_received("thinker")
        self.assertEqual(body["thinking"], THINKING)
        self.assertEqual(body["messages"][1]["content"][0], {"type": "thinking", "thinking": "The tool knows; ask it.", "signature": "c2lnbmF0dXJlLW9mLWEtdGhvdWdodA=="})


class Gateway(unittest.TestCase):
    def refused(self, error, **options):
        fields = {"model": options.pop("model", "openai/hello"), "max_tokens": options.pop("max_tokens", 20), "messages": HELLO}
        with self.assertRaises(error) as caught:
            client(**options).messages.create(**fields)
        return caught.exception.body["error"]["type"]

    def test_wrong_key(self):
        self.assertEqual(self.refused(anthropic.AuthenticationError, api_key="wrong-key-00000"), "authentication_error")
        self.assertEqual(self.refused(anthropic.PermissionDeniedError, api_key="sdk-key-narrow-0123"), "permission_error")

    def test_unknown_model(self):
        self.assertEqual(self.refused(anthropic.NotFoundError, model="rescue"), "not_found_error")

    def test_bad_parameter(self):
        self.assertEqual(self.refused(anthropic.BadRequestError, max_tokens=-1), "invalid_request_error")

    def test_fallback(self):
        raw = client().messages.with_raw_response.create(model="rescued", max_tokens=20, messages=HELLO)
        self.assertTrue(raw.parse().content[0].text)

    def test_models(self):
        self.assertIn("rescued", [model.id for model in client().models.list()])
        self.assertEqual(client().models.retrieve("rescued").id, "rescued")


if __name__ == "__main__":
    result = unittest.main(exit=False, verbosity=1).result
    bad = len(result.failures) + len(result.errors)
    print(f"{result.testsRun - bad} passed, {bad} failed")
