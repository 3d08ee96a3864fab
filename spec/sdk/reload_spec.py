"""A policy edited while 200 streams and 2,000 requests a second run: no failed request, no stream cut, no answer from a mixture of two versions.

Environment: BUILD (absolute), MOCK (URL of the scripted provider). A version of the policy routes everything to one target, named by it; the answer says its
generation (X-Policy) and its target (X-Model): each generation must have had exactly one.
"""
import asyncio, json, os, re, shutil, signal, socket, subprocess, sys, tempfile, time
from free_port import free_port

BUILD, MOCK = os.environ["BUILD"], os.environ["MOCK"]
STREAMS, RATE, SECONDS, CONNECTIONS = 200, 2000, 6, 32
POLICY = """--- Everything to one target.
local policy = {}
function policy.route(request)
  return { "up/gap-%d" }
end
return policy
"""
served, problems, counts = {}, [], {"answers": 0, "streams": 0}


def write_policy(folder, version):
    with open(os.path.join(folder, "policy.tmp"), "w") as f:
        f.write(POLICY % version)
    os.rename(os.path.join(folder, "policy.tmp"), os.path.join(folder, "one.lua"))


def message(model, stream):
    body = json.dumps({"model": model, "stream": stream, "messages": [{"role": "user", "content": "one two three four"}]}).encode()
    return b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body


async def head_of(reader):
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    headers = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
    status = int(head.split()[1])
    if status != 200:
        problems.append(head)
        return None
    served.setdefault(headers["x-policy"], set()).add(headers["x-model"])
    return headers


async def asker(port, until, pause):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while time.monotonic() < until:
        begun = time.monotonic()
        writer.write(message("any", False))
        headers = await head_of(reader)
        if headers is None:
            return
        body = json.loads(await reader.readexactly(int(headers["content-length"])))
        if body["choices"][0]["finish_reason"] != "stop":
            problems.append(body)
        counts["answers"] += 1
        await asyncio.sleep(max(0, pause - (time.monotonic() - begun)))
    writer.close()


async def streamer(port, until):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while time.monotonic() < until:
        writer.write(message("any", True))
        if await head_of(reader) is None:
            return
        text = await reader.readuntil(b"\r\n0\r\n\r\n")
        if b"data: [DONE]" not in text or b'"error"' in text:
            problems.append(text[-300:])
        counts["streams"] += 1
    writer.close()


async def editor(folder, until):
    version = 10
    while time.monotonic() < until:
        await asyncio.sleep(0.3)
        version = 30 - version
        write_policy(folder, version)


async def load(port, folder):
    until = time.monotonic() + SECONDS
    results = await asyncio.gather(editor(folder, until), *(streamer(port, until) for _ in range(STREAMS)),
                                   *(asker(port, until, CONNECTIONS / RATE) for _ in range(CONNECTIONS)), return_exceptions=True)
    problems.extend(repr(result) for result in results if isinstance(result, BaseException))


def main():
    folder, port = tempfile.mkdtemp(), free_port()
    os.mkdir(os.path.join(folder, "policies"))
    write_policy(os.path.join(folder, "policies"), 10)
    with open(os.path.join(folder, "gateway.lua"), "w") as f:
        f.write(f'return {{ listen = "127.0.0.1:{port}", workers = 2, providers = {{ up = {{ kind = "openai", base_url = "{MOCK}/v1", key = "upstream-key-0" }} }},\n'
                f'timeouts = {{ connect = "20s" }}, models = {{ any = {{ "up/gap-10", "up/gap-20" }} }}, policy = "policies/one.lua" }}\n')
    with open(os.path.join(folder, "log"), "w") as log:
        gateway = subprocess.Popen([f"{BUILD}/gateway", "run", os.path.join(folder, "gateway.lua")], stderr=log)
    for _ in range(1500):
        try:
            socket.create_connection(("127.0.0.1", port), 5).close()
            break
        except OSError:
            time.sleep(0.02)
    asyncio.run(load(port, os.path.join(folder, "policies")))
    gateway.send_signal(signal.SIGTERM)
    status = gateway.wait(60)
    mixed = {name: models for name, models in served.items() if len(models) > 1}
    print(f"reload: {counts['answers']} answers ({counts['answers'] / SECONDS:.0f}/s), {counts['streams']} streams on {STREAMS} connections, {len(served)} generations")
    checks = {"no failed request, no cut stream": not problems, "no mixture of versions": not mixed, "several generations served": len(served) >= 5,
              "a clean end": status == 0}
    for name, good in checks.items():
        print(("ok   " if good else "FAIL ") + name)
    for problem in problems[:5]:
        print(problem)
    if mixed:
        print(mixed)
    shutil.rmtree(folder)
    print(f"{sum(checks.values())} passed, {len(checks) - sum(checks.values())} failed")


main()
