"""LangChain's agents against the running gateway: one tool call and the answer after it, in front of either wire and over either of OpenAI's routes.

Environment: GATEWAY (base URL).
"""
import os, unittest

os.environ["LANGSMITH_TRACING"] = "false"
from langchain.agents import create_agent
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI, OpenAIEmbeddings

GATEWAY, KEY = os.environ["GATEWAY"], "sdk-key-0123456789"
ASK = {"messages": [{"role": "user", "content": "Weather in Oslo?"}]}


class Wire:
    provider = None

    def agent(self, asked, **options):
        @tool
        def get_weather(city: str) -> str:
            """Current weather for a city."""
            asked.append(city)
            return "-3 C"

        return create_agent(ChatOpenAI(model=f"scripted-{self.provider}/agent", base_url=GATEWAY + "/v1", api_key=KEY, max_retries=0, **options), [get_weather])

    def finishes(self, messages, asked):
        self.assertEqual(asked, ["Oslo"])
        self.assertEqual([message.type for message in messages], ["human", "ai", "tool", "ai"])
        self.assertEqual(messages[1].tool_calls[0]["args"], {"city": "Oslo"})
        self.assertEqual(messages[-1].text, "The tool said: -3 C")
        self.assertEqual(messages[-1].usage_metadata["total_tokens"], 28)

    def test_agent(self):
        asked = []
        self.finishes(self.agent(asked).invoke(ASK)["messages"], asked)

    def test_agent_streaming(self):
        asked = []
        self.finishes(self.agent(asked, streaming=True, stream_usage=True).invoke(ASK)["messages"], asked)

    def test_agent_over_responses(self):
        asked = []
        self.finishes(self.agent(asked, use_responses_api=True).invoke(ASK)["messages"], asked)

    def test_tokens_of_an_agent(self):
        pieces = [chunk.text for chunk, _ in self.agent([]).stream(ASK, stream_mode="messages") if chunk.type == "AIMessageChunk"]
        self.assertEqual("".join(pieces), "The tool said: -3 C")
        self.assertGreater(len(pieces), 3)


class OpenAIWire(Wire, unittest.TestCase):
    provider = "openai"

    def test_embeddings(self):
        """LangChain counts tokens itself unless told not to, and sends their numbers."""
        made = OpenAIEmbeddings(model="openai/hello", base_url=GATEWAY + "/v1", api_key=KEY, check_embedding_ctx_length=False)
        one, other = made.embed_documents(["one text", "another"])
        self.assertEqual(len(one), len(other))
        self.assertNotEqual(one, other)


class AnthropicWire(Wire, unittest.TestCase):
    provider = "anthropic"


if __name__ == "__main__":
    result = unittest.main(exit=False, verbosity=1).result
    bad = len(result.failures) + len(result.errors)
    print(f"{result.testsRun - bad} passed, {bad} failed")
