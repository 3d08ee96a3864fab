/* pattern.h -- Lua patterns with a budget: what string.find, match, gmatch and gsub of policies run on.
 *
 * The language is that of the Lua 5.4 manual, section 6.4.1. A pattern is read once into nodes, so a malformed one is an error
 * even where it would never be reached; matching backtracks over the nodes and counts every step, so that no pattern runs away.
 * Pure: no allocation, no Lua state. Depth of recursion is bounded by the number of nodes.
 * SPDX-License-Identifier: MIT */
#ifndef LUA_PATTERN_H
#define LUA_PATTERN_H
#include "base/must_use.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PATTERN_NODES_MAX = 160, PATTERN_SETS_MAX = 32, PATTERN_CAPTURES_MAX = 32 };

struct pattern_node {
    uint8_t kind;  /* private */
    uint8_t quant; /* private */
    uint8_t a, b;
};

struct pattern {
    struct pattern_node nodes[PATTERN_NODES_MAX];
    uint8_t sets[PATTERN_SETS_MAX][32]; /* one bit per byte value */
    unsigned node_count, set_count, capture_count;
    bool anchored; /* began with ^ */
};

enum { PATTERN_UNCLOSED = -1, PATTERN_POSITION = -2 };

struct pattern_capture {
    size_t start;
    ptrdiff_t len; /* or PATTERN_POSITION */
};

struct pattern_match {
    size_t start, end; /* of the whole match */
    struct pattern_capture captures[PATTERN_CAPTURES_MAX];
};

enum pattern_result { PATTERN_NO, PATTERN_YES, PATTERN_EXHAUSTED };

/* Reads a pattern. With `anchors` a leading ^ anchors, else it is a plain character. NULL, or what is wrong with it. */
MUST_USE const char *pattern_compile(struct pattern *pattern, const char *text, size_t len, bool anchors);
/* A match that begins exactly at `at`. */
enum pattern_result pattern_match_at(const struct pattern *pattern, const char *subject, size_t len, size_t at, struct pattern_match *match,
                                     int64_t *steps);
/* The first match that begins at `from` or later (only at `from` when anchored). `steps` is counted down. */
enum pattern_result pattern_search(const struct pattern *pattern, const char *subject, size_t len, size_t from, struct pattern_match *match,
                                   int64_t *steps);
#endif
