/* main.c -- the program: reads the command line and runs its command, with Lua as the engine.
 * SPDX-License-Identifier: MIT */
#include "begin.h"
#include "base/log.h"
#include "base/spelling.h"
#include "mock/mock.h"
#include "process/process.h"
#include "lua/engine/engine.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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
    "  Logs to stderr from its first line to its last: text on a terminal, JSON lines elsewhere, or what log.format says. Config and\n"
    "  policies are read again when a file changes, on SIGHUP and on POST /admin/reload; a broken file changes nothing. Exit status 0\n"
    "  after a clean drain, 1 when the config is refused or requests were cut, 2 when the command line is wrong.\n";

static const char check_help[] =
    "gateway check [CONFIG]\n"
    "\n"
    "  Loads the config and every policy exactly as a start would and runs the policy on made requests. Prints what a start would print, "
    "then what\n"
    "  is sound and looks wrong: models, patterns and settings that match nothing, deadlines that cannot pass, variables that are not set. "
    "Then\n"
    "  \"ok\"; or, on standard error, the file, line and field that are wrong and what was expected. Exit status 0 or 1.\n";

static const char explain_help[] =
    "gateway explain [--user NAME] [CONFIG] REQUEST.json\n"
    "\n"
    "  Reads the body of a chat request from a file (- for standard input) and prints, as JSON, the facts a policy sees, which targets\n"
    "  are fit or why not, the limits and the plan. Nothing is sent. --user says whose key it comes with; without it nobody's, as user\n"
    "  \"anonymous\". Exit status 1 when no policy would be asked (bad JSON, no such model); what a policy refuses is explained.\n";

static const char *const commands[] = {"run", "check", "explain", "mock", "help", "--help", "--version", NULL};

/* What follows a command: at most two words, and options. */
struct arguments {
    const char *words[2];
    int count;
    const char *user; /* --user, explain's */
};

static int say(const char *text)
{
    fputs(text, stdout);
    return 0;
}

static int refuse_option(enum log_format format, const char *option, const char *const *options)
{
    char hint[SPELLING_MAX];
    int len = (int)strcspn(option, "="); /* behind it may stand a key */
    return log_no_start(format, 2, "unknown option '%.*s'%s (see gateway --help)", len, option, spelling_hint(option, options, hint));
}

/* Called by assert(3): its message becomes a line of the log. */
void __assert_fail(const char *assertion, const char *file, unsigned line, const char *function)
{
    char message[512];
    snprintf(message, sizeof message, "%s:%u: %s: %s does not hold", file, line, function, assertion);
    log_now(LOG_UNSET, LOG_ERROR, "abort", message);
    abort();
}

static bool wants_help(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return true;
    return false;
}

static bool is_option(const char *word)
{
    return word[0] == '-' && word[1] != '\0';
}

/* 0, or the exit status, after a message. `explains`: --user NAME and a second word are allowed. */
static int read_arguments(int argc, char **argv, enum log_format format, bool explains, struct arguments *out)
{
    static const char *const none[] = {"--help", "--version", NULL}, *const own[] = {"--user", "--help", NULL};
    for (int i = 0; i < argc; i++) {
        if (explains && strcmp(argv[i], "--user") == 0) {
            if (++i == argc)
                return log_no_start(format, 2, "--user wants a name (see gateway explain --help)");
            out->user = argv[i];
        } else if (is_option(argv[i])) {
            return refuse_option(format, argv[i], explains ? own : none);
        } else if (out->count == (explains ? 2 : 1)) {
            return log_no_start(format, 2, "one argument too many: '%s' (see gateway --help)", argv[i]);
        } else {
            out->words[out->count++] = argv[i];
        }
    }
    return 0;
}

static const char *config_of(const struct arguments *arguments)
{
    return arguments->words[0] != NULL ? arguments->words[0] : "gateway.lua";
}

static int run(int argc, char **argv)
{
    struct arguments arguments = {0};
    int status = read_arguments(argc, argv, LOG_UNSET, false, &arguments);
    return status != 0 ? status : process_run(&lua_engine, config_of(&arguments));
}

static int check(int argc, char **argv)
{
    struct arguments arguments = {0};
    int status = read_arguments(argc, argv, LOG_TEXT, false, &arguments);
    return status != 0 ? status : process_check(&lua_engine, config_of(&arguments));
}

static int explain(int argc, char **argv)
{
    struct arguments arguments = {0};
    int status = read_arguments(argc, argv, LOG_TEXT, true, &arguments);
    if (status != 0)
        return status;
    if (arguments.count == 0)
        return log_no_start(LOG_TEXT, 2, "explain wants the file of a request (see gateway explain --help)");
    return process_explain(&lua_engine, arguments.count == 2 ? arguments.words[0] : "gateway.lua", arguments.words[arguments.count - 1],
                           arguments.user);
}

/* A word that is no command is the config's name where it looks like one, or where there is such a file. */
static bool is_config(const char *word)
{
    return strpbrk(word, "./") != NULL || access(word, F_OK) == 0;
}

int main(int argc, char **argv)
{
    const char *command = argc > 1 ? argv[1] : "run";
    int rest = argc > 2 ? argc - 2 : 0;
    char hint[SPELLING_MAX];
    if (strcmp(command, "--version") == 0)
        return say("gateway " GATEWAY_VERSION "\n");
    if (strcmp(command, "--help") == 0 || strcmp(command, "-h") == 0 || strcmp(command, "help") == 0)
        return say(help);
    if (strcmp(command, "mock") == 0 || strcmp(command, "check") == 0 || strcmp(command, "explain") == 0)
        begin_without_reload();
    if (strcmp(command, "mock") == 0)
        return mock_main(argc - 1, argv + 1);
    if (strcmp(command, "check") == 0)
        return wants_help(argc, argv) ? say(check_help) : check(rest, argv + 2);
    if (strcmp(command, "explain") == 0)
        return wants_help(argc, argv) ? say(explain_help) : explain(rest, argv + 2);
    if (strcmp(command, "run") == 0)
        return wants_help(argc, argv) ? say(run_help) : run(rest, argv + 2);
    if (is_option(command))
        return refuse_option(LOG_UNSET, command, commands);
    if (!is_config(command))
        return log_no_start(LOG_UNSET, 2, "unknown command '%s'%s (see gateway --help)", command, spelling_hint(command, commands, hint));
    return wants_help(argc, argv) ? say(run_help) : run(argc - 1, argv + 1);
}
