/* main.c -- the program: what the command line says, with Lua as the scripting engine.
 * SPDX-License-Identifier: MIT */
#include "begin.h"
#include "gateway/mock.h"
#include "gateway/process.h"
#include "lua/lua_engine.h"
#include <stdio.h>
#include <string.h>

static const char help[] =
    "gateway " GATEWAY_VERSION ", an LLM gateway whose every decision is a small Lua file\n"
    "\n"
    "  gateway [run] [CONFIG]                  serve; CONFIG is ./gateway.lua unless given\n"
    "  gateway check [CONFIG]                  load the config and every policy as a start would: \"ok\", or file:line and the field\n"
    "  gateway explain [CONFIG] REQUEST.json   what the policy would do with this request: facts, limits, plan; nothing is sent\n"
    "  gateway mock [--port N] ...             the mock provider alone, with a ledger\n"
    "  gateway --version | --help\n"
    "\n"
    "  SIGHUP reloads config and policies, SIGTERM or SIGINT drains; a second one ends at once.\n"
    "  Every command has its own --help.\n";

static const char run_help[] =
    "gateway [run] [CONFIG]\n"
    "\n"
    "  Serves what CONFIG says (./gateway.lua unless given). A file .env beside it is read first and never overrides the environment.\n"
    "  Logs JSON lines to stderr. Config and policies are read again when a file changes, on SIGHUP and on POST /admin/reload; a\n"
    "  broken file changes nothing. Exit status 0 after a clean drain, 1 when the config is refused or requests were cut.\n";

static const char check_help[] =
    "gateway check [CONFIG]\n"
    "\n"
    "  Loads the config and every policy exactly as a start would, and says \"ok\", or the file, line and field that are wrong and what\n"
    "  was expected. Exit status 0 or 1.\n";

static const char explain_help[] =
    "gateway explain [--user NAME] [CONFIG] REQUEST.json\n"
    "\n"
    "  Reads the body of a chat request from a file (- for standard input) and prints, as JSON, the facts a policy sees, which targets\n"
    "  are fit or why not, the limits and the plan. Nothing is sent. --user says whose key it comes with; without it nobody's, as user\n"
    "  \"anonymous\". Exit status 1 when no policy would be asked (bad JSON, no such model); what a policy refuses is explained.\n";

static int wants_help(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return 1;
    return 0;
}

static int say(const char *text)
{
    fputs(text, stdout);
    return 0;
}

static int usage(const char *text)
{
    fputs(text, stderr);
    return 2;
}

int main(int argc, char **argv)
{
    const char *command = argc > 1 ? argv[1] : "run";
    const struct script_engine *engine = &lua_script_engine;
    if (strcmp(command, "--version") == 0)
        return say("gateway " GATEWAY_VERSION "\n");
    if (strcmp(command, "--help") == 0 || strcmp(command, "-h") == 0 || strcmp(command, "help") == 0)
        return say(help);
    if (strcmp(command, "mock") == 0 || strcmp(command, "check") == 0 || strcmp(command, "explain") == 0)
        begin_without_reload();
    if (strcmp(command, "mock") == 0)
        return mock_main(argc - 1, argv + 1);
    if (strcmp(command, "check") == 0)
        return wants_help(argc, argv) ? say(check_help)
               : argc > 3             ? usage(check_help)
                                      : process_check(engine, argc > 2 ? argv[2] : "gateway.lua");
    if (strcmp(command, "explain") == 0) {
        if (wants_help(argc, argv))
            return say(explain_help);
        const char *user = argc > 3 && strcmp(argv[2], "--user") == 0 ? argv[3] : NULL;
        int first = user == NULL ? 2 : 4;
        if (argc < first + 1 || argc > first + 2)
            return usage(explain_help);
        return process_explain(engine, argc > first + 1 ? argv[first] : "gateway.lua", argv[argc - 1], user);
    }
    if (wants_help(argc, argv))
        return say(run_help);
    if (strcmp(command, "run") == 0)
        return argc > 3 ? usage(run_help) : process_run(engine, argc > 2 ? argv[2] : "gateway.lua");
    if (command[0] == '-' || argc > 2)
        return usage(help);
    return process_run(engine, command);
}
