/* pattern.c -- Lua patterns with a budget.
 *
 * Reading and matching are two things: the reader turns the text into nodes (one per character class, capture mark, %b, %f, back
 * reference), the matcher walks the nodes. A quantified node recurs once for what follows it, never once per character, so the
 * depth is at most the number of nodes. Every node visited and every character tried is one step.
 * SPDX-License-Identifier: MIT */
#include "lua/pattern.h"
#include <ctype.h>
#include <string.h>

enum kind {
    KIND_CHAR,
    KIND_ANY,
    KIND_CLASS,
    KIND_SET,
    KIND_OPEN,
    KIND_POSITION,
    KIND_CLOSE,
    KIND_BALANCE,
    KIND_FRONTIER,
    KIND_BACK,
    KIND_END
};
enum quant { QUANT_ONE, QUANT_MANY, QUANT_SOME, QUANT_LAZY, QUANT_OPTION };

/* %a and its kin; a letter that names no class matches itself. */
static bool in_class(unsigned char byte, unsigned char class)
{
    bool in;
    switch (tolower(class)) {
    case 'a':
        in = isalpha(byte);
        break;
    case 'c':
        in = iscntrl(byte);
        break;
    case 'd':
        in = isdigit(byte);
        break;
    case 'g':
        in = isgraph(byte);
        break;
    case 'l':
        in = islower(byte);
        break;
    case 'p':
        in = ispunct(byte);
        break;
    case 's':
        in = isspace(byte);
        break;
    case 'u':
        in = isupper(byte);
        break;
    case 'w':
        in = isalnum(byte);
        break;
    case 'x':
        in = isxdigit(byte);
        break;
    default:
        return byte == class;
    }
    return isupper(class) ? !in : in;
}

/* ---------------------------------------------------------------- reading */

struct pattern_reader {
    struct pattern *pattern;
    const unsigned char *at, *end;
    uint8_t open[PATTERN_CAPTURES_MAX]; /* captures not closed yet */
    unsigned open_count;
    bool closed[PATTERN_CAPTURES_MAX];
    const char *complaint;
};

static void complain(struct pattern_reader *reader, const char *what)
{
    if (reader->complaint == NULL)
        reader->complaint = what;
}

static struct pattern_node *add(struct pattern_reader *reader, enum kind kind, unsigned a, unsigned b)
{
    struct pattern *pattern = reader->pattern;
    struct pattern_node *node;
    if (pattern->node_count == PATTERN_NODES_MAX) {
        complain(reader, "pattern too long");
        return &pattern->nodes[0];
    }
    node = &pattern->nodes[pattern->node_count++];
    *node = (struct pattern_node){.kind = (uint8_t)kind, .quant = QUANT_ONE, .a = (uint8_t)a, .b = (uint8_t)b};
    return node;
}

static void set_add(uint8_t set[32], unsigned byte)
{
    set[byte >> 3] |= (uint8_t)(1u << (byte & 7));
}

static bool set_has(const uint8_t set[32], unsigned byte)
{
    return set[byte >> 3] >> (byte & 7) & 1;
}

/* One member of a set: %a, a-z, or a character. */
static void read_member(struct pattern_reader *reader, uint8_t set[32])
{
    unsigned char first = *reader->at++;
    if (first == '%') {
        if (reader->at == reader->end) {
            complain(reader, "malformed pattern (ends with '%')");
            return;
        }
        for (unsigned byte = 0; byte < 256; byte++)
            if (in_class((unsigned char)byte, *reader->at))
                set_add(set, byte);
        reader->at++;
    } else if (reader->end - reader->at >= 2 && reader->at[0] == '-' && reader->at[1] != ']') {
        for (unsigned byte = first; byte <= reader->at[1]; byte++)
            set_add(set, byte);
        reader->at += 2;
    } else {
        set_add(set, first);
    }
}

/* After '[': reads up to its ']' and returns the set's number. */
static unsigned read_set(struct pattern_reader *reader)
{
    struct pattern *pattern = reader->pattern;
    bool negated = reader->at < reader->end && *reader->at == '^', first = true;
    uint8_t *set;
    if (pattern->set_count == PATTERN_SETS_MAX) {
        complain(reader, "too many sets in one pattern");
        reader->at = reader->end;
        return 0;
    }
    set = pattern->sets[pattern->set_count];
    memset(set, 0, 32);
    reader->at += negated;
    while (reader->at < reader->end && (first || *reader->at != ']')) {
        read_member(reader, set);
        first = false;
    }
    if (reader->at >= reader->end) {
        complain(reader, "malformed pattern (missing ']')");
        return 0;
    }
    reader->at++;
    if (negated)
        for (unsigned i = 0; i < 32; i++)
            set[i] = (uint8_t)~set[i];
    return pattern->set_count++;
}

static void read_capture_open(struct pattern_reader *reader)
{
    unsigned index = reader->pattern->capture_count;
    if (index == PATTERN_CAPTURES_MAX) {
        complain(reader, "too many captures");
        return;
    }
    reader->pattern->capture_count++;
    if (reader->at < reader->end && *reader->at == ')') {
        reader->at++;
        add(reader, KIND_POSITION, index, 0);
        return;
    }
    reader->open[reader->open_count++] = (uint8_t)index;
    add(reader, KIND_OPEN, index, 0);
}

static void read_capture_close(struct pattern_reader *reader)
{
    unsigned index;
    if (reader->open_count == 0) {
        complain(reader, "invalid pattern capture");
        return;
    }
    index = reader->open[--reader->open_count];
    reader->closed[index] = true;
    add(reader, KIND_CLOSE, index, 0);
}

static void read_quantifier(struct pattern_reader *reader, struct pattern_node *node)
{
    if (reader->at == reader->end)
        return;
    switch (*reader->at) {
    case '*':
        node->quant = QUANT_MANY;
        break;
    case '+':
        node->quant = QUANT_SOME;
        break;
    case '-':
        node->quant = QUANT_LAZY;
        break;
    case '?':
        node->quant = QUANT_OPTION;
        break;
    default:
        return;
    }
    reader->at++;
}

/* After '%': a class, %b, %f, %1 or an escaped character. */
static void read_percent(struct pattern_reader *reader)
{
    unsigned char what;
    if (reader->at == reader->end) {
        complain(reader, "malformed pattern (ends with '%')");
        return;
    }
    what = *reader->at++;
    if (what == 'b') {
        if (reader->end - reader->at < 2) {
            complain(reader, "malformed pattern (missing arguments to '%b')");
            return;
        }
        add(reader, KIND_BALANCE, reader->at[0], reader->at[1]);
        reader->at += 2;
    } else if (what == 'f') {
        if (reader->at == reader->end || *reader->at != '[') {
            complain(reader, "missing '[' after '%f' in pattern");
            return;
        }
        reader->at++;
        add(reader, KIND_FRONTIER, read_set(reader), 0);
    } else if (isdigit(what)) {
        if (what == '0' || what - '1' >= PATTERN_CAPTURES_MAX || !reader->closed[what - '1'])
            complain(reader, "invalid capture index in pattern");
        else
            add(reader, KIND_BACK, what - '1', 0);
    } else {
        read_quantifier(reader, add(reader, isalpha(what) ? KIND_CLASS : KIND_CHAR, what, 0));
    }
}

const char *pattern_compile(struct pattern *pattern, const char *text, size_t len, bool anchors)
{
    struct pattern_reader reader = {.pattern = pattern, .at = (const unsigned char *)text, .end = (const unsigned char *)text + len};
    pattern->node_count = pattern->set_count = pattern->capture_count = 0;
    pattern->anchored = anchors && len > 0 && text[0] == '^';
    reader.at += pattern->anchored;
    while (reader.at < reader.end && reader.complaint == NULL) {
        unsigned char byte = *reader.at++;
        if (byte == '(')
            read_capture_open(&reader);
        else if (byte == ')')
            read_capture_close(&reader);
        else if (byte == '$' && reader.at == reader.end)
            add(&reader, KIND_END, 0, 0);
        else if (byte == '%')
            read_percent(&reader);
        else if (byte == '[')
            read_quantifier(&reader, add(&reader, KIND_SET, read_set(&reader), 0));
        else
            read_quantifier(&reader, add(&reader, byte == '.' ? KIND_ANY : KIND_CHAR, byte, 0));
    }
    if (reader.open_count > 0)
        complain(&reader, "unfinished capture");
    return reader.complaint;
}

/* ---------------------------------------------------------------- matching */

struct matching {
    const struct pattern *pattern;
    const unsigned char *subject;
    size_t len;
    struct pattern_match *match;
    int64_t steps;
};

static bool spend(struct matching *matching, size_t steps)
{
    matching->steps -= (int64_t)steps;
    return matching->steps > 0;
}

static bool is_single(const struct matching *matching, const struct pattern_node *node, size_t at)
{
    unsigned char byte;
    if (at >= matching->len)
        return false;
    byte = matching->subject[at];
    switch (node->kind) {
    case KIND_CHAR:
        return byte == node->a;
    case KIND_ANY:
        return true;
    case KIND_CLASS:
        return in_class(byte, node->a);
    default:
        return set_has(matching->pattern->sets[node->a], byte);
    }
}

static bool walk(struct matching *matching, unsigned index, size_t at);

static bool walk_greedy(struct matching *matching, unsigned index, size_t at, size_t least)
{
    const struct pattern_node *node = &matching->pattern->nodes[index];
    size_t count = 0;
    while (is_single(matching, node, at + count) && spend(matching, 1))
        count++;
    for (; count + 1 > least && matching->steps > 0; count--) {
        if (walk(matching, index + 1, at + count))
            return true;
        if (count == 0)
            break;
    }
    return false;
}

static bool walk_lazy(struct matching *matching, unsigned index, size_t at)
{
    const struct pattern_node *node = &matching->pattern->nodes[index];
    while (matching->steps > 0) {
        if (walk(matching, index + 1, at))
            return true;
        if (!is_single(matching, node, at))
            return false;
        at++;
    }
    return false;
}

/* Captures are undone when what follows them does not match. */
static bool walk_capture(struct matching *matching, unsigned index, size_t at)
{
    const struct pattern_node *node = &matching->pattern->nodes[index];
    struct pattern_capture *capture = &matching->match->captures[node->a], before = *capture;
    if (node->kind == KIND_CLOSE)
        capture->len = (ptrdiff_t)(at - capture->start);
    else
        *capture = (struct pattern_capture){.start = at, .len = node->kind == KIND_OPEN ? PATTERN_UNCLOSED : PATTERN_POSITION};
    if (walk(matching, index + 1, at))
        return true;
    *capture = before;
    return false;
}

/* Where %bxy that begins at `at` ends, or 0. */
static size_t balance_end(struct matching *matching, const struct pattern_node *node, size_t at)
{
    size_t depth = 1;
    if (at >= matching->len || matching->subject[at] != node->a)
        return 0;
    for (size_t i = at + 1; i < matching->len && spend(matching, 1); i++) {
        if (matching->subject[i] == node->b) {
            if (--depth == 0)
                return i + 1;
        } else if (matching->subject[i] == node->a) {
            depth++;
        }
    }
    return 0;
}

static bool is_frontier(const struct matching *matching, const uint8_t *set, size_t at)
{
    unsigned before = at > 0 ? matching->subject[at - 1] : 0, here = at < matching->len ? matching->subject[at] : 0;
    return !set_has(set, before) && set_has(set, here);
}

static bool is_repeated(struct matching *matching, const struct pattern_capture *capture, size_t at)
{
    size_t len = capture->len >= 0 ? (size_t)capture->len : 0; /* what a position capture holds is empty */
    return spend(matching, len / 16) && matching->len - at >= len &&
           memcmp(matching->subject + capture->start, matching->subject + at, len) == 0;
}

static bool walk(struct matching *matching, unsigned index, size_t at)
{
    for (; spend(matching, 1); index++) {
        const struct pattern_node *node = &matching->pattern->nodes[index];
        if (index == matching->pattern->node_count) {
            matching->match->end = at;
            return true;
        }
        switch (node->kind) {
        case KIND_OPEN:
        case KIND_POSITION:
        case KIND_CLOSE:
            return walk_capture(matching, index, at);
        case KIND_END:
            if (at != matching->len)
                return false;
            break;
        case KIND_BALANCE:
            if ((at = balance_end(matching, node, at)) == 0)
                return false;
            break;
        case KIND_FRONTIER:
            if (!is_frontier(matching, matching->pattern->sets[node->a], at))
                return false;
            break;
        case KIND_BACK:
            if (!is_repeated(matching, &matching->match->captures[node->a], at))
                return false;
            at += matching->match->captures[node->a].len > 0 ? (size_t)matching->match->captures[node->a].len : 0;
            break;
        default:
            switch (node->quant) {
            case QUANT_MANY:
                return walk_greedy(matching, index, at, 0);
            case QUANT_SOME:
                return walk_greedy(matching, index, at, 1);
            case QUANT_LAZY:
                return walk_lazy(matching, index, at);
            case QUANT_OPTION:
                if (is_single(matching, node, at) && walk(matching, index + 1, at + 1))
                    return true;
                break;
            default:
                if (!is_single(matching, node, at))
                    return false;
                at++;
            }
        }
    }
    return false;
}

enum pattern_result pattern_match_at(const struct pattern *pattern, const char *subject, size_t len, size_t at, struct pattern_match *match,
                                     int64_t *steps)
{
    struct matching matching = {.pattern = pattern, .subject = (const unsigned char *)subject, .len = len, .match = match, .steps = *steps};
    bool found;
    match->start = at;
    found = walk(&matching, 0, at);
    *steps = matching.steps;
    return found ? PATTERN_YES : matching.steps > 0 ? PATTERN_NO : PATTERN_EXHAUSTED;
}

enum pattern_result pattern_search(const struct pattern *pattern, const char *subject, size_t len, size_t from, struct pattern_match *match,
                                   int64_t *steps)
{
    enum pattern_result result = PATTERN_NO;
    for (size_t at = from; at <= len && result == PATTERN_NO; at++) {
        result = pattern_match_at(pattern, subject, len, at, match, steps);
        if (pattern->anchored)
            break;
    }
    return result;
}
