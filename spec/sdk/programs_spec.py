"""Claude Code and Codex without a terminal: a session with one tool call each against the running gateway, in front of either wire.

Environment: GATEWAY (base URL), SCRIPTED (URL of the provider that asks for the tool), SDK_MODULES (where the programs are installed), HOMES (a folder for
their homes, emptied before). A program that is not there or does not start is a failure, said in words.
"""
import json, os, shutil, subprocess, unittest, urllib.request

GATEWAY, SCRIPTED, MODULES, HOMES = (os.environ[name] for name in ("GATEWAY", "SCRIPTED", "SDK_MODULES", "HOMES"))
KEY, WORD, PROMPT = "sdk-key-0123456789", "tool-was-here", "Say the word with your tool."
CODEX = f"""model_provider = "gateway"
[model_providers.gateway]
name = "gateway"
base_url = "{GATEWAY}/v1"
env_key = "GATEWAY_KEY"
wire_api = "responses"
"""


def asked(model):
    with urllib.request.urlopen(SCRIPTED + "/__ledger") as answer:
        return [row for row in json.load(answer)["requests"] if row["model"] == model]


class Program:
    program = None

    def setUp(self):
        self.path = os.path.join(MODULES, ".bin", self.program)
        if not os.path.exists(self.path):
            self.fail(f"NOT TRIED: {self.program} is not installed (npm has no build of it for this machine?)")
        self.home = os.path.join(HOMES, self.id())
        shutil.rmtree(self.home, ignore_errors=True)
        os.makedirs(os.path.join(self.home, "work"))

    def run_program(self, arguments, environment):
        try:
            done = subprocess.run([self.path, *arguments], cwd=os.path.join(self.home, "work"), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=200,
                                  env={"PATH": os.environ["PATH"], "HOME": self.home, **environment})
        except (OSError, subprocess.TimeoutExpired) as error:
            self.fail(f"{self.program} did not come to its end: {error}")
        self.assertEqual(done.returncode, 0, done.stdout[-2000:] + done.stderr[-2000:])
        return done.stdout

    def went(self, model):
        """The provider was asked for the tool, was told its result, and nothing else of this session."""
        rows = asked(model)
        self.assertEqual(len(rows), 2, [row["last"] for row in rows])
        self.assertNotIn(WORD, json.dumps(rows[0]["body"]))
        self.assertIn(WORD, json.dumps(rows[1]["body"]["messages"][-1]["content"]))
        self.assertTrue(all(row["stream"] for row in rows))

    def test_openai_wire(self):
        self.session("scripted-openai", "programs-" + self.program)

    def test_anthropic_wire(self):
        self.session("scripted-anthropic", "programs-claude-" + self.program)


class ClaudeCode(Program, unittest.TestCase):
    program = "claude"

    def session(self, provider, model):
        name = f"{provider}/{model}"
        text = self.run_program(["-p", PROMPT, "--model", name, "--output-format", "json", "--allowedTools", "Bash(echo:*)"], {
            "ANTHROPIC_BASE_URL": GATEWAY, "ANTHROPIC_AUTH_TOKEN": KEY, "ANTHROPIC_DEFAULT_HAIKU_MODEL": name,
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1", "DISABLE_AUTOUPDATER": "1"})
        result = json.loads(text)
        self.assertEqual((result["subtype"], result["is_error"], result["num_turns"], result["permission_denials"]), ("success", False, 2, []))
        self.assertEqual(result["result"], "The tool said: " + WORD)
        self.assertEqual((result["usage"]["input_tokens"], result["usage"]["output_tokens"]), (40, 16))
        self.went(model)


class Codex(Program, unittest.TestCase):
    program = "codex"

    def session(self, provider, model):
        with open(os.path.join(self.home, "config.toml"), "w") as file:
            file.write(CODEX)
        text = self.run_program(["exec", "--json", "--skip-git-repo-check", "-s", "danger-full-access", "-m", f"{provider}/{model}", PROMPT],
                                {"CODEX_HOME": self.home, "GATEWAY_KEY": KEY})
        events = [json.loads(line) for line in text.splitlines()]
        items = [event["item"] for event in events if event["type"] == "item.completed"]
        command = [item for item in items if item["type"] == "command_execution"]
        self.assertEqual([(item["exit_code"], item["aggregated_output"]) for item in command], [(0, WORD + "\n")])
        self.assertTrue(items[-1]["type"] == "agent_message" and items[-1]["text"].startswith("The tool said: ") and items[-1]["text"].endswith(WORD), items[-1])
        self.assertEqual(events[-1]["type"], "turn.completed")
        self.assertEqual((events[-1]["usage"]["input_tokens"], events[-1]["usage"]["output_tokens"]), (40, 16))
        self.went(model)


if __name__ == "__main__":
    result = unittest.main(exit=False, verbosity=1).result
    bad = len(result.failures) + len(result.errors)
    print(f"{result.testsRun - bad} passed, {bad} failed")
