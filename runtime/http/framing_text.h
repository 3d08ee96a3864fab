/* framing_text.h -- the alphabets and small grammars that framing.c checks by; nobody else includes it.
 * SPDX-License-Identifier: MIT */
#ifndef HTTP_FRAMING_TEXT_H
#define HTTP_FRAMING_TEXT_H
#include "base/bytes.h"
#include "http/framing.h"
#include <string.h>
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

/* RFC 3986 without what must be percent-encoded */
static inline bool is_target(unsigned char byte)
{
    return byte > 0x20 && byte < 0x7f && byte != '"' && byte != '#' && byte != '<' && byte != '>' && byte != '\\';
}

/* The first byte that may not stand in a field value, eight bytes a step. */
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

/* A decoded byte of the path must not be a control byte or the beginning of overlong or impossible UTF-8. */
static inline bool is_bad_decoded(int byte)
{
    return byte < 0x20 || byte == 0x7f || byte == 0xc0 || byte == 0xc1 || byte >= 0xf5;
}

/* Which of the header fields that the checker looks at. */
static inline enum framing_header header_of(const char *name, size_t len)
{
    static const struct {
        const char *name;
        enum framing_header header;
    } known[] = {
        {"content-length", HEADER_CONTENT_LENGTH},
        {"transfer-encoding", HEADER_TRANSFER_ENCODING},
        {"host", HEADER_HOST},
        {"expect", HEADER_EXPECT},
        {"connection", HEADER_CONNECTION},
        {"cookie", HEADER_COOKIE},
        {"authorization", HEADER_AUTHORIZATION},
    };
    if (len == 0)
        return HEADER_OTHER;
    char first = (char)(name[0] | 0x20);
    if (first != 'c' && first != 't' && first != 'h' && first != 'e' && first != 'a')
        return HEADER_OTHER;
    for (unsigned i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i].name[0] == first && strlen(known[i].name) == len && strncasecmp(name, known[i].name, len) == 0)
            return known[i].header;
    return HEADER_OTHER;
}

/* reg-name, IPv4 or [IPv6], and a port: RFC 9112 3.2, RFC 3986 3.2.2 */
static inline bool is_host(const char *text, unsigned len)
{
    unsigned i = 0;
    if (len > 0 && text[0] == '[') {
        for (i = 1; i < len && (hex_value((unsigned char)text[i]) >= 0 || text[i] == ':' || text[i] == '.'); i++)
            continue;
        if (i < 3 || i == len || text[i++] != ']')
            return false;
    } else {
        while (i < len && is_token((unsigned char)text[i]) && memchr("!#$&'*+^`|", text[i], 10) == NULL)
            i++;
        if (i == 0)
            return false;
    }
    if (i == len)
        return true;
    if (text[i++] != ':' || len - i > 5)
        return false;
    while (i < len && text[i] >= '0' && text[i] <= '9')
        i++;
    return i == len;
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

static inline bool is_known_method(const char *text, size_t len)
{
    static const char *const methods[] = {"POST", "GET", "HEAD", "DELETE", "OPTIONS", "PUT", "PATCH"};
    for (unsigned i = 0; i < sizeof methods / sizeof *methods; i++)
        if (len == strlen(methods[i]) && memcmp(text, methods[i], len) == 0)
            return true;
    return false;
}
#endif
