/* bytes.h -- slices of borrowed memory, and buffers that grow up to a limit.
 *
 * A function that keeps the bytes of a slice copies them. A buffer belongs to the function or struct that initialised it.
 * SPDX-License-Identifier: MIT */
#ifndef BASE_BYTES_H
#define BASE_BYTES_H
#include "base/memory.h"
#include <stdint.h>
#include <string.h>

struct slice {
    const char *ptr; /* not NUL-terminated; may be NULL when len is 0 */
    size_t len;
};

#define SLICE_NONE ((struct slice){NULL, 0})
/* A slice of a string literal. */
#define LIT(s) ((struct slice){(s), sizeof(s) - 1})

static inline struct slice slice_of(const char *text)
{
    return (struct slice){text, text == NULL ? 0 : strlen(text)};
}

static inline bool slice_equals(struct slice a, struct slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

/* The value of a hex digit of either case, or -1. */
static inline int hex_value(unsigned char digit)
{
    unsigned char lower = digit | 0x20;
    return digit >= '0' && digit <= '9' ? digit - '0' : lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* The byte that the "%XX" at the beginning of `text` encodes; -1: it does not begin with one. */
static inline int percent_byte(struct slice text)
{
    int high = text.len >= 3 && text.ptr[0] == '%' ? hex_value((unsigned char)text.ptr[1]) : -1;
    int low = high < 0 ? -1 : hex_value((unsigned char)text.ptr[2]);
    return low < 0 ? -1 : high << 4 | low;
}

/* ASCII case folding only: for header names and schemes (RFC 9110 5.1). */
bool slice_equals_nocase(struct slice a, struct slice b);
bool slice_starts_with(struct slice text, struct slice prefix);
/* Without leading and trailing SP, HTAB, CR, LF. */
struct slice slice_trim(struct slice text);
/* The first occurrence of `needle`, or NULL. */
const char *slice_find(struct slice text, struct slice needle);
/* Decimal digits only, no sign, no blanks; false on anything else or above INT64_MAX. */
MUST_USE bool slice_to_int(struct slice text, int64_t *out);

/* Bytes that grow. `limit` bounds len; an append that would pass it appends nothing, sets `overflow`
 * and is ignored from then on, so that a writer checks once at its end. Memory that cannot be had says the same, and `starved` beside it. */
struct buffer {
    char *ptr;
    size_t len, cap, limit;
    struct memory *memory; /* what counts it; borrowed; NULL: nothing */
    bool overflow, starved;
};

void buffer_init(struct buffer *buffer, size_t limit); /* allocates nothing yet; not counted */
void buffer_init_counted(struct buffer *buffer, size_t limit, struct memory *memory);
void buffer_free(struct buffer *buffer);  /* back to the state after init */
void buffer_clear(struct buffer *buffer); /* len 0, overflow and starved false, memory kept */
/* Room for `room` more bytes (not counted in len yet); NULL and overflow when the limit forbids or memory is out. */
char *buffer_reserve(struct buffer *buffer, size_t room);
/* Whether `part`, a piece of `out`, has a hole; where that is for want of memory, `out` says so. */
bool buffer_has_hole(const struct buffer *part, struct buffer *out);
void buffer_trim(struct buffer *buffer); /* gives back what was reserved beyond the text */
void buffer_append(struct buffer *buffer, const void *bytes, size_t len);
void buffer_append_slice(struct buffer *buffer, struct slice text);
#define buffer_append_lit(buffer, s) buffer_append((buffer), (s), sizeof(s) - 1)
void buffer_append_byte(struct buffer *buffer, char byte);
void buffer_append_int(struct buffer *buffer, int64_t number);
/* Appends the template; each % in it becomes the next of the slices, as it stands: buffer_write(out, "{\"id\":\"%\"}", id). */
#define buffer_write(buffer, template, ...) buffer_fill((buffer), (template), (const struct slice[]){__VA_ARGS__})
void buffer_fill(struct buffer *buffer, const char *template, const struct slice *values);
/* A number as one of them; it lives as long as the block it stands in. */
enum { DIGITS_MAX = 20 }; /* "-9223372036854775808" */
#define DIGITS(number) digits_of((number), (char[DIGITS_MAX]){0})
struct slice digits_of(int64_t number, char digits[DIGITS_MAX]);
/* printf into the buffer: for places that are not hot. */
void buffer_printf(struct buffer *buffer, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Drops `count` bytes from the front (memmove). */
void buffer_consume(struct buffer *buffer, size_t count);

static inline struct slice buffer_slice(const struct buffer *buffer)
{
    return (struct slice){buffer->ptr, buffer->len};
}

/* Small fixed things: ends the process with a line on stderr when memory is out. Anything sized by a client comes
 * from a buffer or an arena with a limit instead. */
MUST_USE void *xmalloc(size_t size);
MUST_USE void *xcalloc(size_t count, size_t size);
MUST_USE void *xrealloc(void *old, size_t size);
MUST_USE char *xstrndup(const char *text, size_t len);
#endif
