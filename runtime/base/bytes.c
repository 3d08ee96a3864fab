/* bytes.c -- see bytes.h.
 * SPDX-License-Identifier: MIT */
#include "base/bytes.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static unsigned char lower(char byte)
{
    return (unsigned char)(byte >= 'A' && byte <= 'Z' ? byte | 0x20 : byte);
}

bool slice_equals_nocase(struct slice a, struct slice b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++)
        if (lower(a.ptr[i]) != lower(b.ptr[i]))
            return false;
    return true;
}

bool slice_starts_with(struct slice text, struct slice prefix)
{
    return text.len >= prefix.len && (prefix.len == 0 || memcmp(text.ptr, prefix.ptr, prefix.len) == 0);
}

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

struct slice slice_trim(struct slice text)
{
    while (text.len > 0 && is_blank(text.ptr[0])) {
        text.ptr++;
        text.len--;
    }
    while (text.len > 0 && is_blank(text.ptr[text.len - 1]))
        text.len--;
    return text;
}

const char *slice_find(struct slice text, struct slice needle)
{
    if (needle.len == 0)
        return text.ptr;
    return text.len < needle.len ? NULL : memmem(text.ptr, text.len, needle.ptr, needle.len);
}

bool slice_to_int(struct slice text, int64_t *out)
{
    int64_t number = 0;
    if (text.len == 0)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return false;
        if (__builtin_mul_overflow(number, 10, &number) || __builtin_add_overflow(number, text.ptr[i] - '0', &number))
            return false;
    }
    *out = number;
    return true;
}

/* ---------------------------------------------------------------- buffers */

void buffer_init(struct buffer *buffer, size_t limit)
{
    *buffer = (struct buffer){.limit = limit};
}

void buffer_init_counted(struct buffer *buffer, size_t limit, struct memory *memory)
{
    *buffer = (struct buffer){.limit = limit, .memory = memory};
}

void buffer_free(struct buffer *buffer)
{
    free(buffer->ptr);
    memory_give(buffer->memory, memory_counted(buffer->cap));
    buffer_init_counted(buffer, buffer->limit, buffer->memory);
}

void buffer_clear(struct buffer *buffer)
{
    buffer->len = 0;
    buffer->overflow = buffer->starved = false;
}

/* False: no memory for so much, and nothing has changed. */
static bool resize(struct buffer *buffer, size_t cap)
{
    size_t had = memory_counted(buffer->cap), wants = memory_counted(cap);
    if (wants > had && !memory_take(buffer->memory, wants - had))
        return false;
    char *moved = realloc(buffer->ptr, cap);
    if (moved == NULL) {
        if (cap <= MEMORY_LARGE)
            memory_is_out();
        memory_give(buffer->memory, wants > had ? wants - had : 0);
        return false;
    }
    memory_give(buffer->memory, had > wants ? had - wants : 0);
    buffer->ptr = moved;
    buffer->cap = cap;
    return true;
}

/* Doubling keeps appends linear; a large piece gets what it needs and not twice that. Where memory is short, what it needs must do. */
static bool grow(struct buffer *buffer, size_t need) __attribute__((noinline, cold)); /* so that the way without it is short */
static bool grow(struct buffer *buffer, size_t need)
{
    size_t cap = buffer->cap < 256 ? 256 : buffer->cap * 2;
    if (cap < need)
        cap = need;
    if (cap > buffer->limit)
        cap = buffer->limit;
    if (cap == 0) /* a limit of none: NULL says overflow and nothing else */
        cap = 1;
    return resize(buffer, cap) || (need < cap && resize(buffer, need));
}

char *buffer_reserve(struct buffer *buffer, size_t room)
{
    if (buffer->overflow || room > buffer->limit - buffer->len) {
        buffer->overflow = true;
        return NULL;
    }
    if ((room > buffer->cap - buffer->len || buffer->ptr == NULL) && !grow(buffer, buffer->len + room)) {
        buffer->overflow = buffer->starved = true;
        return NULL;
    }
    return buffer->ptr + buffer->len;
}

bool buffer_has_hole(const struct buffer *part, struct buffer *out)
{
    out->starved |= part->starved;
    return part->overflow;
}

void buffer_trim(struct buffer *buffer)
{
    if (buffer->ptr != NULL && buffer->cap > buffer->len + 1)
        resize(buffer, buffer->len + 1);
}

void buffer_append(struct buffer *buffer, const void *bytes, size_t len)
{
    if (len == 0)
        return;
    char *to = buffer_reserve(buffer, len);
    if (to == NULL)
        return;
    memcpy(to, bytes, len);
    buffer->len += len;
}

void buffer_append_slice(struct buffer *buffer, struct slice text)
{
    buffer_append(buffer, text.ptr, text.len);
}

void buffer_append_byte(struct buffer *buffer, char byte)
{
    buffer_append(buffer, &byte, 1);
}

struct slice digits_of(int64_t number, char digits[DIGITS_MAX])
{
    char *const end = digits + DIGITS_MAX, *at = end;
    uint64_t left = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
    do {
        *--at = (char)('0' + left % 10);
        left /= 10;
    } while (left > 0);
    if (number < 0)
        *--at = '-';
    return (struct slice){at, (size_t)(end - at)};
}

void buffer_append_int(struct buffer *buffer, int64_t number)
{
    buffer_append_slice(buffer, DIGITS(number));
}

void buffer_fill(struct buffer *buffer, const char *template, const struct slice *values)
{
    for (const char *hole; (hole = strchr(template, '%')) != NULL; template = hole + 1, values++) {
        size_t before = (size_t)(hole - template);
        char *to = buffer_reserve(buffer, before + values->len);
        if (to == NULL)
            return;
        memcpy(to, template, before);
        if (values->len > 0)
            memcpy(to + before, values->ptr, values->len);
        buffer->len += before + values->len;
    }
    buffer_append_slice(buffer, slice_of(template));
}

void buffer_printf(struct buffer *buffer, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (len >= 0 && buffer_reserve(buffer, (size_t)len) != NULL) {
        char *text = malloc((size_t)len + 1); /* the NUL may have no room within the limit */
        if (text == NULL) {
            buffer->overflow = buffer->starved = true;
        } else {
            vsnprintf(text, (size_t)len + 1, format, again);
            buffer_append(buffer, text, (size_t)len);
            free(text);
        }
    }
    va_end(again);
}

void buffer_consume(struct buffer *buffer, size_t count)
{
    if (count >= buffer->len) {
        buffer->len = 0;
        return;
    }
    buffer->len -= count;
    memmove(buffer->ptr, buffer->ptr + count, buffer->len);
}

/* ---------------------------------------------------------------- small fixed things */

static void *check(void *memory)
{
    if (memory == NULL)
        memory_is_out();
    return memory;
}

void *xmalloc(size_t size)
{
    return check(malloc(size == 0 ? 1 : size));
}

void *xcalloc(size_t count, size_t size)
{
    return check(calloc(count == 0 ? 1 : count, size == 0 ? 1 : size));
}

void *xrealloc(void *old, size_t size)
{
    return check(realloc(old, size == 0 ? 1 : size));
}

char *xstrndup(const char *text, size_t len)
{
    char *copy = xmalloc(len + 1);
    if (len > 0)
        memcpy(copy, text, len);
    copy[len] = '\0';
    return copy;
}
