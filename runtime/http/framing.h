/* framing.h -- the strict checker of what clients send: a pure function over bytes (RFC 9112, RFC 9110 section 5).
 *
 * It sits in front of libmicrohttpd, which accepts too much (guard.h says how it is placed). Bytes come in as they were read; what may pass is left in the same
 * buffer: leading empty lines, chunk extensions and trailers are taken out, so that they never reach a parser that reads them differently.
 * The verdict does not depend on how the bytes were cut. Of a refused request no byte that came with the offending read passes.
 * SPDX-License-Identifier: MIT */
#ifndef HTTP_FRAMING_H
#define HTTP_FRAMING_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct framing_limits {
    uint32_t target;    /* bytes of the request target: 414 */
    uint32_t line;      /* bytes of one header line: 431 */
    uint16_t headers;   /* lines: 431 */
    uint16_t arguments; /* of the query: 414 */
    uint16_t cookies;   /* 431 */
    uint32_t pool;      /* what libmicrohttpd has for a head and its own answer's head: 431 before it would say so itself, twice */
    uint64_t body;      /* 413 */
    uint16_t pipeline;  /* requests waiting behind each other: 400 */
};

enum framing_state {
    FRAMING_START,
    FRAMING_START_LF,
    FRAMING_METHOD,
    FRAMING_TARGET,
    FRAMING_VERSION,
    FRAMING_LINE_LF,
    FRAMING_HEADER,
    FRAMING_NAME,
    FRAMING_BLANKS,
    FRAMING_VALUE,
    FRAMING_VALUE_LF,
    FRAMING_HEAD_LF,
    /* from here on the head is complete */
    FRAMING_BODY,
    FRAMING_CHUNK_SIZE,
    FRAMING_CHUNK_EXTENSION,
    FRAMING_CHUNK_SIZE_LF,
    FRAMING_CHUNK_DATA,
    FRAMING_CHUNK_CR,
    FRAMING_CHUNK_LF,
    FRAMING_TRAILER,
    FRAMING_TRAILER_NAME,
    FRAMING_TRAILER_VALUE,
    FRAMING_TRAILER_LF,
    FRAMING_END_LF,
    FRAMING_STATES,
};

enum framing_header {
    HEADER_OTHER,
    HEADER_CONTENT_LENGTH,
    HEADER_TRANSFER_ENCODING,
    HEADER_HOST,
    HEADER_EXPECT,
    HEADER_CONNECTION,
    HEADER_COOKIE,
    HEADER_AUTHORIZATION
};

struct framing {
    const struct framing_limits *limits;
    int status; /* 0, or why the request is refused; sticky */
    const char *reason;
    bool closing; /* the last request said Connection: close (or is 1.0): what follows is dropped unseen */
    bool excess;  /* something did follow */
    bool any;     /* a byte came */

    /* how much was checked, for the interlock with libmicrohttpd (guard.c) */
    uint32_t heads, requests, answered; /* `answered` is set by the guard */
    uint64_t body_bytes;

    /* the request under way */
    enum framing_state state;
    bool http10, wants_close, wants_keep, expect, expect_bad, chunked, has_encoding;
    uint8_t empty_lines, lengths, hosts, authorizations;
    uint16_t header_count, argument_count, cookie_count;
    uint32_t head_bytes, line_bytes, cookie_bytes, target_len;
    uint64_t content_length, left, received, chunk;
    enum framing_header header;
    uint8_t method_len, version_len, name_len, percent, percent_value, segment, digits;
    uint16_t value_len, extension_len;
    bool in_query;
    char method[8], version[8], name[20], value[256];
    char path[128]; /* how the target begins, for the answer to a refused request: it may be refused before its head was handed on */
};

extern const struct framing_limits framing_defaults;

size_t framing_path_len(const struct framing *framing); /* of `path`, without the query; 0 where it is longer */

void framing_init(struct framing *framing, const struct framing_limits *limits);
/* Checks buf[0..len), edits it in place, returns how many bytes of it may pass on. After a refusal (status != 0) give it nothing more. */
size_t framing_check(struct framing *framing, unsigned char *buf, size_t len);
/* A request or its beginning has come and is not complete. */
bool framing_in_request(const struct framing *framing);
bool framing_in_body(const struct framing *framing);
#endif
