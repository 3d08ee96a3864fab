/* sse.c -- see sse.h.
 *
 * Two steps: a scan that finds where an event ends (its state survives a cut), and a parse of the whole event once its end was seen.
 * SPDX-License-Identifier: MIT */
#include "base/sse.h"
#ifdef __SSE2__
#include <emmintrin.h>
#endif

void sse_init(struct sse *sse)
{
    *sse = (struct sse){.started = false};
    buffer_init(&sse->rest, SSE_EVENT_MAX + 1); /* and the LF of a last CRLF, see passes_limit */
    buffer_init(&sse->join, SSE_EVENT_MAX);
}

void sse_free(struct sse *sse)
{
    buffer_free(&sse->rest);
    buffer_free(&sse->join);
}

void sse_feed(struct sse *sse, struct slice bytes)
{
    sse->input = bytes;
}

bool sse_too_big(const struct sse *sse)
{
    return sse->too_big;
}

/* The first CR or LF from `at` on, or `end`. */
static const char *find_line_end(const char *at, const char *end)
{
#ifdef __SSE2__
    const __m128i cr = _mm_set1_epi8('\r'), lf = _mm_set1_epi8('\n');
    while (end - at >= 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)at);
        unsigned mask = (unsigned)_mm_movemask_epi8(_mm_or_si128(_mm_cmpeq_epi8(bytes, cr), _mm_cmpeq_epi8(bytes, lf)));
        if (mask != 0)
            return at + __builtin_ctz(mask);
        at += 16;
    }
#endif
    while (at < end && *at != '\r' && *at != '\n')
        at++;
    return at;
}

/* How many bytes of the input belong to the event that is being scanned; *whole: its blank line is among them. */
static size_t scan(struct sse *sse, bool *whole)
{
    const char *begin = sse->input.ptr, *at = begin, *end = begin + sse->input.len;
    *whole = false;
    while (at < end) {
        if (sse->after_cr && *at == '\n') {
            sse->after_cr = false;
            at++;
            continue;
        }
        sse->after_cr = false;
        const char *line_end = find_line_end(at, end);
        if (line_end > at)
            sse->in_line = true;
        if (line_end == end)
            return sse->input.len;
        at = line_end + 1;
        sse->after_cr = *line_end == '\r';
        *whole = !sse->in_line;
        sse->in_line = false;
        if (!*whole)
            continue;
        if (sse->after_cr && at < end && *at == '\n') {
            sse->after_cr = false;
            at++;
        }
        break;
    }
    return (size_t)(at - begin);
}

/* ---------------------------------------------------------------- one event */

/* Cuts the next line off `text`; it ends at CR, LF, CRLF or the end of the text. */
static struct slice take_line(struct slice *text)
{
    const char *end = text->ptr + text->len, *line_end = find_line_end(text->ptr, end);
    struct slice line = {text->ptr, (size_t)(line_end - text->ptr)};
    const char *next = line_end;
    if (next < end && *next == '\r')
        next++;
    if (next < end && *next == '\n')
        next++;
    *text = (struct slice){next, (size_t)(end - next)};
    return line;
}

/* "name: value": one space behind the colon is not part of the value; without a colon the whole line is the name. */
static struct slice split_field(struct slice line, struct slice *value)
{
    const char *colon = memchr(line.ptr, ':', line.len);
    if (colon == NULL) {
        *value = (struct slice){line.ptr + line.len, 0};
        return line;
    }
    struct slice name = {line.ptr, (size_t)(colon - line.ptr)};
    *value = (struct slice){colon + 1, line.len - name.len - 1};
    if (value->len > 0 && value->ptr[0] == ' ') {
        value->ptr++;
        value->len--;
    }
    return name;
}

static void add_data(struct sse *sse, struct sse_event *event, struct slice value)
{
    if (!event->has_data) {
        event->data = value;
        event->has_data = true;
        return;
    }
    if (sse->join.len == 0 && event->data.ptr != sse->join.ptr)
        buffer_append_slice(&sse->join, event->data);
    buffer_append_byte(&sse->join, '\n');
    buffer_append_slice(&sse->join, value);
    event->data = buffer_slice(&sse->join);
}

static void parse(struct sse *sse, struct slice raw, struct sse_event *event)
{
    /* A byte order mark is one only at the very beginning of the stream. */
    if (!sse->started && slice_starts_with(raw, LIT("\xef\xbb\xbf"))) {
        raw.ptr += 3;
        raw.len -= 3;
    }
    sse->started = true;
    *event = (struct sse_event){.raw = raw};
    buffer_clear(&sse->join);
    while (raw.len > 0) {
        struct slice value, line = take_line(&raw), name = split_field(line, &value);
        if (slice_equals(name, LIT("data")))
            add_data(sse, event, value);
        else if (slice_equals(name, LIT("event")))
            event->name = value;
    }
}

/* Whether an event (or the beginning of one) is too long. The LF of a CRLF at its end does not count, because whether it is among these
 * bytes depends on the cuts, and an event that is whole inside one feed is held to the same limit as a cut one. */
static bool passes_limit(struct slice raw)
{
    bool crlf = raw.len >= 2 && raw.ptr[raw.len - 1] == '\n' && raw.ptr[raw.len - 2] == '\r';
    return raw.len - crlf > SSE_EVENT_MAX;
}

bool sse_next(struct sse *sse, struct sse_event *event)
{
    bool whole;
    if (sse->handed_over) {
        buffer_clear(&sse->rest);
        sse->handed_over = false;
    }
    if (sse->too_big || sse->input.len == 0)
        return false;
    if (sse->rest.len == 0 && !sse->in_line && sse->after_cr && sse->input.len > 0 && sse->input.ptr[0] == '\n') {
        sse->after_cr = false; /* the second half of a CRLF whose CR already ended the last event */
        sse->input.ptr++;
        sse->input.len--;
    }
    size_t len = scan(sse, &whole);
    struct slice raw = {sse->input.ptr, len};
    sse->input.ptr += len;
    sse->input.len -= len;
    if (!whole || sse->rest.len > 0) {
        buffer_append_slice(&sse->rest, raw);
        sse->too_big = sse->rest.overflow || passes_limit(buffer_slice(&sse->rest));
        if (!whole)
            return false;
        raw = buffer_slice(&sse->rest);
        sse->handed_over = true;
    }
    sse->too_big = sse->too_big || passes_limit(raw);
    if (sse->too_big)
        return false;
    parse(sse, raw, event);
    sse->too_big = sse->join.overflow; /* it is shorter than the event: there was no memory for it */
    return !sse->too_big;
}

bool sse_finish(struct sse *sse, struct sse_event *event)
{
    if (sse->handed_over)
        buffer_clear(&sse->rest);
    sse->handed_over = false;
    if (sse->too_big || sse->rest.len == 0 || sse->in_line)
        return false;
    sse->handed_over = true;
    parse(sse, buffer_slice(&sse->rest), event);
    sse->too_big = sse->join.overflow;
    return event->has_data && !sse->too_big;
}
