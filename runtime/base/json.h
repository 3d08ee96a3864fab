/* json.h -- a pull reader and a few writers over JSON text (RFC 8259). Builds no tree, allocates nothing.
 *
 * The reader walks the text once; each call takes the next value. It is strict: no comments, no trailing
 * commas, no NaN, valid UTF-8 only, depth bounded. The first error sticks: every later call returns false, so a caller
 * may check once at the end. String slices are *raw*: the bytes between the quotes, still escaped; that is also how
 * struct chat and struct event carry text, so that text crosses from one JSON wire to another without a copy.
 * SPDX-License-Identifier: MIT */
#ifndef BASE_JSON_H
#define BASE_JSON_H
#include "base/arena.h"

enum { JSON_DEPTH_MAX = 64 };

enum json_type { JSON_BAD, JSON_NULL, JSON_FALSE, JSON_TRUE, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

enum json_error {
    JSON_OK,
    JSON_SYNTAX,
    JSON_TOO_DEEP,
    JSON_BAD_UTF8,
    JSON_WRONG_TYPE, /* the next value is of another type than the caller asked for */
};

struct json {
    const char *start, *at, *end;
    unsigned depth, depth_max;
    bool first; /* nothing of the innermost object or array was read yet */
    enum json_error error;
    uint64_t is_object; /* bit per depth */
};

void json_init(struct json *json, struct slice text, unsigned depth_max); /* depth_max <= JSON_DEPTH_MAX */
/* The type of the next value; JSON_BAD at an error. Consumes blanks only. */
enum json_type json_peek(struct json *json);
/* Where the next value begins (after blanks), as an offset from the start of the text; after an error where it was found. */
size_t json_offset(const struct json *json);

bool json_object(struct json *json);                    /* enters { */
bool json_member(struct json *json, struct slice *key); /* next key, raw; false behind the last one ('}' consumed) or at an error */
bool json_array(struct json *json);                     /* enters [ */
bool json_element(struct json *json);                   /* true: a value follows; false behind the last one or at an error */
/* Enters the object or list that stands next; false: another value stood there, and is skipped. */
bool json_enter(struct json *json, enum json_type type);
/* Begins a walk over the values of a list with json_next; where the text is not a list it has none. */
struct json json_list(struct slice text);
bool json_next(struct json *json, struct slice *raw); /* the next value of a list, as json_skip gives it */
/* Where these five fail, their result is empty, or false. */
bool json_string(struct json *json, struct slice *raw);
bool json_string_here(struct json *json, struct slice *raw); /* the same, right after json_peek has found JSON_STRING */
bool json_number(struct json *json, struct slice *raw);      /* the digits as they were written */
bool json_bool(struct json *json, bool *value);
bool json_skip(struct json *json, struct slice *raw); /* any value, fully checked; raw (may be NULL): its text with quotes or brackets */
/* Begins a walk over the members of an object with json_pair; where the text is no object it has none, and an error. */
struct json json_members(struct slice text);
static inline bool json_pair(struct json *json, struct slice *key, struct slice *value)
{
    return json_member(json, key) && json_skip(json, value);
}
/* True: the next value is null, and is consumed. Otherwise false, without an error. */
bool json_take_null(struct json *json);
MUST_USE bool json_finish(struct json *json); /* only blanks remain and no error happened */
const char *json_error_text(enum json_error error);

/* The whole text is one JSON object, fully checked. */
bool json_is_object(struct slice text);
/* The text of a JSON value without the blanks between its tokens. SLICE_NONE when the arena is full. */
struct slice json_compact(struct arena *arena, struct slice text);
/* True when the raw (escaped) string means `plain`. Fast where nothing is escaped. */
bool json_raw_equals(struct slice raw, struct slice plain);
/* The same, inline: for keys and words, which are seldom spelt with escapes. */
static inline bool json_is(struct slice raw, struct slice plain)
{
    return slice_equals(raw, plain) || (raw.len > plain.len && memchr(raw.ptr, '\\', raw.len) != NULL && json_raw_equals(raw, plain));
}
/* Nothing but printable ASCII without quotes and backslashes: good as the inside of a string as it is. */
bool json_is_plain(struct slice text);
/* Raw -> UTF-8 bytes. Returns raw itself when nothing is escaped; otherwise a copy in the arena. A lone surrogate
 * becomes U+FFFD. SLICE_NONE (ptr NULL) when the arena is full. */
struct slice json_unescape(struct arena *arena, struct slice raw);
/* UTF-8 bytes -> raw. Returns text itself when nothing must be escaped. */
struct slice json_escape(struct arena *arena, struct slice text);
void json_append_unescaped(struct buffer *out, struct slice raw);
void json_append_escaped(struct buffer *out, struct slice text);         /* without quotes; invalid UTF-8 becomes U+FFFD */
void json_append_string(struct buffer *out, struct slice text);          /* with quotes, escaping what must be */
void json_append_quoted(struct buffer *out, struct slice raw);           /* with quotes; it is escaped already */
void json_append_comma(struct buffer *out, bool *first);                 /* unless this is the first of its object or list */
void json_append_key(struct buffer *out, bool *first, struct slice raw); /* the comma, "raw" and the colon */
/* A raw number to a count: integers, and floats with a whole value ("12.0"); false for negative or above 2^53. */
MUST_USE bool json_to_count(struct slice number, int64_t *out);
MUST_USE bool json_to_double(struct slice number, double *out);
/* The raw value (as json_skip gives it) of a member of the object `object`, or SLICE_NONE: for short, cold texts (errors). */
struct slice json_find(struct slice object, const char *key);
/* The same, and the count that it is; -1: it is none. */
int64_t json_find_count(struct slice object, const char *key);
/* The same, and the inner raw text when that value is a string, else SLICE_NONE. */
struct slice json_find_string(struct slice object, const char *key);
#endif
