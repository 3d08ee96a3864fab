/* grammar.h -- the alphabets and small grammars of HTTP that both readers check by: framing.c that of requests, http1.c that of responses.
 * SPDX-License-Identifier: MIT */
#ifndef HTTP_GRAMMAR_H
#define HTTP_GRAMMAR_H
#include "base/bytes.h"
#include <strings.h>

/* RFC 9110 5.6.2: tchar */
static inline bool is_token(unsigned char byte)
{
    static const uint64_t words[4] = {0x03ff6cfa00000000ULL, 0x57ffffffc7fffffeULL, 0, 0};
    return words[byte >> 6] >> (byte & 63) & 1;
}

/* RFC 9110 5.5: field-vchar, SP, HTAB, obs-text */
static inline bool is_value(unsigned char byte)
{
    return byte == '\t' || (byte >= 0x20 && byte != 0x7f);
}

/* The first byte that is not allowed in a field value, eight bytes a step. */
static inline unsigned char *skip_value(unsigned char *at, unsigned char *end)
{
    const uint64_t ones = 0x0101010101010101ULL, highs = 0x8080808080808080ULL;
    while (at < end) {
        uint64_t word;
        if (end - at >= 8) {
            memcpy(&word, at, 8);
            uint64_t del = word ^ (ones * 0x7f);
            if ((((word - ones * 0x20) & ~word) | ((del - ones) & ~del)) & highs) {
                for (int i = 0; i < 8; i++, at++)
                    if (!is_value(*at))
                        return at;
                continue; /* it was a tab */
            }
            at += 8;
        } else if (is_value(*at)) {
            at++;
        } else {
            return at;
        }
    }
    return at;
}

/* RFC 9110 7.6.1: whether a list of tokens has this one. */
static inline bool list_has(const char *text, size_t len, const char *token)
{
    const char *end = text + len;
    while (text < end) {
        while (text < end && (*text == ' ' || *text == '\t' || *text == ','))
            text++;
        const char *from = text;
        while (text < end && *text != ',')
            text++;
        const char *last = text;
        while (last > from && (last[-1] == ' ' || last[-1] == '\t'))
            last--;
        if ((size_t)(last - from) == strlen(token) && strncasecmp(from, token, strlen(token)) == 0)
            return true;
    }
    return false;
}

#endif
