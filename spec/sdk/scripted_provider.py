"""A provider that plays an agent's model: asks for one tool call, and when the result is there, says what it was.

Speaks OpenAI's chat completions and Anthropic's messages, whole and streamed. The last message decides: a tool's result is answered with
"The tool said: …", anything else with a call of the first tool in CALLS that the client offers, or with plain words where it offers none.
A model "thinker" thinks first (Anthropic's wire). GET /__ledger lists the requests. Run: scripted_provider.py PORT.
"""
import json, re, sys, threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMAND = "echo tool-was-here"
CALLS = {  # what coding tools and the agents of the specs call theirs
    "Bash": {"command": COMMAND, "description": "Say a word"},
    "exec_command": {"cmd": COMMAND},
    "shell_command": {"command": COMMAND},
    "shell": {"command": ["sh", "-c", COMMAND]},
    "get_weather": {"city": "Oslo"},
}
THOUGHT, SIGNATURE = "The tool knows; ask it.", "c2lnbmF0dXJlLW9mLWEtdGhvdWdodA=="
ledger, lock = [], threading.Lock()


def words(content):
    """The text in a message's content, of whichever wire."""
    if isinstance(content, str):
        return content
    return "".join(words(part.get("text") or part.get("content") or "") for part in content or [] if isinstance(part, dict))


def script(body, anthropic):
    """(name of the tool to call or None, text)"""
    last = body["messages"][-1]
    tool_result = last["role"] == "tool"
    content = last.get("content")
    if anthropic and isinstance(content, list):
        results = [part for part in content if part.get("type") == "tool_result"]
        tool_result, content = bool(results), results or content
    if tool_result:
        return None, "The tool said: " + words(content).strip()
    offered = {(tool.get("function") or tool).get("name") for tool in body.get("tools") or []}
    wanted = next((name for name in CALLS if name in offered), None)
    return wanted, "" if wanted else "You said: " + words(content)[-200:]


def pieces(text):
    return re.findall(r"\s*\S+", text) or [""]


# ---------------------------------------------------------------- OpenAI


def openai_whole(body):
    name, text = script(body, False)
    message = {"role": "assistant", "content": None if name else text}
    if name:
        message["tool_calls"] = [{"id": "call_scripted_1", "type": "function", "function": {"name": name, "arguments": json.dumps(CALLS[name])}}]
    return {"id": "chatcmpl-scripted", "object": "chat.completion", "created": 1700000000, "model": body["model"],
            "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls" if name else "stop"}],
            "usage": {"prompt_tokens": 20, "completion_tokens": 8, "total_tokens": 28}}


def openai_events(body):
    name, text = script(body, False)
    deltas = [{"role": "assistant", "content": "" if not name else None}]
    if name:
        arguments = json.dumps(CALLS[name])
        half = len(arguments) // 2
        deltas.append({"tool_calls": [{"index": 0, "id": "call_scripted_1", "type": "function", "function": {"name": name, "arguments": ""}}]})
        deltas += [{"tool_calls": [{"index": 0, "function": {"arguments": part}}]} for part in (arguments[:half], arguments[half:])]
    else:
        deltas += [{"content": piece} for piece in pieces(text)]
    base = {"id": "chatcmpl-scripted", "object": "chat.completion.chunk", "created": 1700000000, "model": body["model"]}
    for delta in deltas:
        yield None, {**base, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
    yield None, {**base, "choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls" if name else "stop"}]}
    if (body.get("stream_options") or {}).get("include_usage"):
        yield None, {**base, "choices": [], "usage": {"prompt_tokens": 20, "completion_tokens": 8, "total_tokens": 28}}
    yield None, "[DONE]"


# ---------------------------------------------------------------- Anthropic


def anthropic_blocks(body):
    name, text = script(body, True)
    blocks = []
    if body["model"] == "thinker" and (body.get("thinking") or {}).get("type") == "enabled":
        blocks.append({"type": "thinking", "thinking": THOUGHT, "signature": SIGNATURE})
    if name:
        blocks.append({"type": "tool_use", "id": "toolu_scripted_1", "name": name, "input": CALLS[name]})
    else:
        blocks.append({"type": "text", "text": text})
    return blocks, "tool_use" if name else "end_turn"


def anthropic_whole(body):
    blocks, reason = anthropic_blocks(body)
    return {"id": "msg_scripted", "type": "message", "role": "assistant", "model": body["model"], "content": blocks, "stop_reason": reason,
            "stop_sequence": None, "usage": {"input_tokens": 20, "output_tokens": 8}}


def block_events(block):
    kind = block["type"]
    if kind == "tool_use":
        text = json.dumps(block["input"])
        half = len(text) // 2
        return {**block, "input": {}}, [{"type": "input_json_delta", "partial_json": part} for part in ("", text[:half], text[half:])]
    if kind == "thinking":
        return {"type": kind, "thinking": "", "signature": ""}, ([{"type": "thinking_delta", "thinking": piece} for piece in pieces(block["thinking"])]
                                                                 + [{"type": "signature_delta", "signature": block["signature"]}])
    return {"type": kind, "text": ""}, [{"type": "text_delta", "text": piece} for piece in pieces(block["text"])]


def anthropic_events(body):
    blocks, reason = anthropic_blocks(body)
    message = {**anthropic_whole(body), "content": [], "stop_reason": None, "usage": {"input_tokens": 20, "output_tokens": 1}}
    yield "message_start", {"message": message}
    for index, block in enumerate(blocks):
        start, deltas = block_events(block)
        yield "content_block_start", {"index": index, "content_block": start}
        for delta in deltas:
            yield "content_block_delta", {"index": index, "delta": delta}
        yield "content_block_stop", {"index": index}
    yield "message_delta", {"delta": {"stop_reason": reason, "stop_sequence": None}, "usage": {"output_tokens": 8}}
    yield "message_stop", {}


# ---------------------------------------------------------------- HTTP


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, value):
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def stream(self, events):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for name, data in events:
            text = data if isinstance(data, str) else json.dumps({"type": name, **data} if name else data)
            event = ((f"event: {name}\n" if name else "") + f"data: {text}\n\n").encode()
            self.wfile.write(b"%x\r\n%s\r\n" % (len(event), event))
        self.wfile.write(b"0\r\n\r\n")

    def do_GET(self):
        with lock:
            self.answer(200, {"requests": ledger})

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)))
        anthropic = self.path.startswith("/v1/messages")
        with lock:
            ledger.append({"path": self.path, "model": body.get("model"), "stream": bool(body.get("stream")), "last": body["messages"][-1]["role"],
                           "tools": [(tool.get("function") or tool).get("name") for tool in body.get("tools") or []], "body": body})
        if (body.get("thread") or {}).get("type") == "continue":
            self.answer(404, {"type": "error", "error": {"type": "not_found_error", "message": "No such thread.", "details": {"error_code": "thread_not_found"}}})
        elif self.path.endswith("/count_tokens"):
            self.answer(200, {"input_tokens": 20})
        elif self.path not in ("/v1/messages", "/v1/chat/completions"):
            self.answer(404, {"error": {"message": "No such route.", "type": "invalid_request_error", "param": None, "code": None}})
        elif body.get("stream"):
            self.stream(anthropic_events(body) if anthropic else openai_events(body))
        else:
            self.answer(200, anthropic_whole(body) if anthropic else openai_whole(body))


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
