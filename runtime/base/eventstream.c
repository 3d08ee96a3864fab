/* eventstream.c -- see eventstream.h. AWS's description: "Event stream encoding" of the Amazon Transcribe and SDK guides.
 * SPDX-License-Identifier: MIT */
#include "base/eventstream.h"

enum { PRELUDE = 12, CHECKSUM = 4, FRAME_MIN = PRELUDE + CHECKSUM, HEADERS_MAX = 128 * 1024 };

static uint32_t read_u32(const char *at)
{
    const unsigned char *byte = (const unsigned char *)at;
    return ((uint32_t)byte[0] << 24) | ((uint32_t)byte[1] << 16) | ((uint32_t)byte[2] << 8) | byte[3];
}

/* CRC-32 of ISO 3309 (zlib's), by half bytes: a frame is a few hundred bytes. */
static uint32_t crc32_of(struct slice bytes)
{
    static const uint32_t table[16] = {0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
                                       0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c, 0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c};
    uint32_t crc = 0xffffffff;
    for (size_t i = 0; i < bytes.len; i++) {
        crc ^= (unsigned char)bytes.ptr[i];
        crc = (crc >> 4) ^ table[crc & 15];
        crc = (crc >> 4) ^ table[crc & 15];
    }
    return ~crc;
}

/* The size of a header's value where the type fixes it; -1: two bytes of length stand before it, -2: no such type. */
static int fixed_size(unsigned type)
{
    static const int sizes[] = {0, 0, 1, 2, 4, 8, -1, -1, 8, 16}; /* true false i8 i16 i32 i64 bytes string timestamp uuid */
    return type < sizeof sizes / sizeof *sizes ? sizes[type] : -2;
}

static bool cut(struct slice *from, size_t len, struct slice *part)
{
    if (from->len < len)
        return false;
    *part = (struct slice){from->ptr, len};
    from->ptr += len;
    from->len -= len;
    return true;
}

static bool read_header(struct slice *rest, struct slice *name, struct slice *value)
{
    struct slice byte, length;
    if (!cut(rest, 1, &byte) || !cut(rest, (unsigned char)byte.ptr[0], name) || !cut(rest, 1, &byte))
        return false;
    int size = fixed_size((unsigned char)byte.ptr[0]);
    if (size == -2)
        return false;
    if (size >= 0)
        return cut(rest, (size_t)size, value);
    return cut(rest, 2, &length) && cut(rest, ((size_t)(unsigned char)length.ptr[0] << 8) | (unsigned char)length.ptr[1], value);
}

static bool read_headers(struct slice rest, struct eventstream_frame *frame)
{
    struct slice name, value, message = SLICE_NONE;
    while (rest.len > 0) {
        if (!read_header(&rest, &name, &value))
            return false;
        if (slice_equals(name, LIT(":event-type")) || slice_equals(name, LIT(":exception-type")) || slice_equals(name, LIT(":error-code")))
            frame->name = value;
        else if (slice_equals(name, LIT(":message-type")))
            frame->is_error = !slice_equals(value, LIT("event"));
        else if (slice_equals(name, LIT(":error-message")))
            message = value;
    }
    if (message.ptr != NULL)
        frame->payload = message;
    return true;
}

int64_t eventstream_read(struct slice bytes, size_t max, struct eventstream_frame *frame)
{
    if (bytes.len < PRELUDE)
        return 0;
    size_t total = read_u32(bytes.ptr), headers = read_u32(bytes.ptr + 4);
    if (crc32_of((struct slice){bytes.ptr, 8}) != read_u32(bytes.ptr + 8))
        return -1;
    if (total < FRAME_MIN || total > max || headers > HEADERS_MAX || headers > total - FRAME_MIN)
        return -1;
    if (bytes.len < total)
        return 0;
    if (crc32_of((struct slice){bytes.ptr, total - CHECKSUM}) != read_u32(bytes.ptr + total - CHECKSUM))
        return -1;
    *frame = (struct eventstream_frame){.payload = {bytes.ptr + PRELUDE + headers, total - FRAME_MIN - headers}};
    return read_headers((struct slice){bytes.ptr + PRELUDE, headers}, frame) ? (int64_t)total : -1;
}
