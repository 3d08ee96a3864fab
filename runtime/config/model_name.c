/* model_name.c -- see model_name.h.
 * SPDX-License-Identifier: MIT */
#include "config/model_name.h"

enum {
    LENGTH_MAX = 1024,
    LAYERS_MAX = 4, /* of percent-encoding: a name with more is refused */
};

/* Empty, "." or "..": segments that change the path. Some servers drop a ';' and what follows before they resolve it. */
static bool is_way(const char *segment, size_t len)
{
    const char *end = len == 0 ? NULL : memchr(segment, ';', len);
    size_t stem = end == NULL ? len : (size_t)(end - segment);
    return len == 0 || (stem == 1 && segment[0] == '.') || (stem == 2 && segment[0] == '.' && segment[1] == '.');
}

static bool is_odd(unsigned char byte)
{
    return byte < ' ' || byte == 0x7f || byte == 0xc0 || byte == 0xc1 || byte > 0xf4;
}

static bool is_layer_plain(const char *text, size_t len)
{
    size_t from = 0;
    for (size_t at = 0; at <= len; at++) {
        if (at < len && is_odd((unsigned char)text[at]))
            return false;
        if (at < len && text[at] != '/' && text[at] != '\\')
            continue;
        if (is_way(text + from, at - from))
            return false;
        from = at + 1;
    }
    return true;
}

/* Takes one layer of percent-encoding off, in place. Returns the length that is left. */
static size_t decode(char *text, size_t len)
{
    size_t to = 0;
    for (size_t at = 0; at < len; at++) {
        int coded = percent_byte((struct slice){text + at, len - at});
        text[to++] = coded < 0 ? text[at] : (char)coded;
        at += coded < 0 ? 0 : 2;
    }
    return to;
}

bool model_name_is_plain(struct slice name)
{
    char text[LENGTH_MAX];
    if (name.len == 0 || name.len > sizeof text || !is_layer_plain(name.ptr, name.len))
        return false;
    if (memchr(name.ptr, '%', name.len) == NULL)
        return true;
    memcpy(text, name.ptr, name.len);
    for (size_t layer = 0, before = name.len, len; layer < LAYERS_MAX; layer++, before = len) {
        len = decode(text, before);
        if (!is_layer_plain(text, len))
            return false;
        if (len == before)
            return true;
    }
    return false;
}

static bool digits_at(struct slice text, size_t at, size_t count)
{
    for (size_t i = at; i < at + count; i++)
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return false;
    return true;
}

struct slice model_name_without_date(struct slice name)
{
    size_t len = name.len;
    if (len > 11 && name.ptr[len - 11] == '-' && name.ptr[len - 6] == '-' && name.ptr[len - 3] == '-' && digits_at(name, len - 10, 4) &&
        digits_at(name, len - 5, 2) && digits_at(name, len - 2, 2))
        return (struct slice){name.ptr, len - 11};
    if (len > 9 && name.ptr[len - 9] == '-' && digits_at(name, len - 8, 8))
        return (struct slice){name.ptr, len - 9};
    return SLICE_NONE;
}
