/* eventstream.c -- see eventstream.h. AWS's description: "Event stream encoding" of the Amazon Transcribe and SDK guides.
 * SPDX-License-Identifier: MIT */
#include "base/eventstream.h"

enum { PRELUDE = 12, CHECKSUM = 4, FRAME_MIN = PRELUDE + CHECKSUM, HEADERS_MAX = 128 * 1024 };

static uint32_t read_u32(const char *at)
{
    const unsigned char *byte = (const unsigned char *)at;
    return ((uint32_t)byte[0] << 24) | ((uint32_t)byte[1] << 16) | ((uint32_t)byte[2] << 8) | byte[3];
}

/* CRC-32 of ISO 3309 (zlib's), eight half bytes at a time: row k is what a half byte becomes when k more have followed it. */
static uint32_t crc32_of(struct slice bytes)
{
    static const uint32_t table[8][16] = {{0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
                                           0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c, 0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c},
                                          {0x00000000, 0x77073096, 0xee0e612c, 0x990951ba, 0x076dc419, 0x706af48f, 0xe963a535, 0x9e6495a3,
                                           0x0edb8832, 0x79dcb8a4, 0xe0d5e91e, 0x97d2d988, 0x09b64c2b, 0x7eb17cbd, 0xe7b82d07, 0x90bf1d91},
                                          {0x00000000, 0x4ac21251, 0x958424a2, 0xdf4636f3, 0xf0794f05, 0xbabb5d54, 0x65fd6ba7, 0x2f3f79f6,
                                           0x3b83984b, 0x71418a1a, 0xae07bce9, 0xe4c5aeb8, 0xcbfad74e, 0x8138c51f, 0x5e7ef3ec, 0x14bce1bd},
                                          {0x00000000, 0x191b3141, 0x32366282, 0x2b2d53c3, 0x646cc504, 0x7d77f445, 0x565aa786, 0x4f4196c7,
                                           0xc8d98a08, 0xd1c2bb49, 0xfaefe88a, 0xe3f4d9cb, 0xacb54f0c, 0xb5ae7e4d, 0x9e832d8e, 0x87981ccf},
                                          {0x00000000, 0x1c26a370, 0x384d46e0, 0x246be590, 0x709a8dc0, 0x6cbc2eb0, 0x48d7cb20, 0x54f16850,
                                           0xe1351b80, 0xfd13b8f0, 0xd9785d60, 0xc55efe10, 0x91af9640, 0x8d893530, 0xa9e2d0a0, 0xb5c473d0},
                                          {0x00000000, 0x01c26a37, 0x0384d46e, 0x0246be59, 0x0709a8dc, 0x06cbc2eb, 0x048d7cb2, 0x054f1685,
                                           0x0e1351b8, 0x0fd13b8f, 0x0d9785d6, 0x0c55efe1, 0x091af964, 0x08d89353, 0x0a9e2d0a, 0x0b5c473d},
                                          {0x00000000, 0x5019579f, 0xa032af3e, 0xf02bf8a1, 0x9b14583d, 0xcb0d0fa2, 0x3b26f703, 0x6b3fa09c,
                                           0xed59b63b, 0xbd40e1a4, 0x4d6b1905, 0x1d724e9a, 0x764dee06, 0x2654b999, 0xd67f4138, 0x866616a7},
                                          {0x00000000, 0xb8bc6765, 0xaa09c88b, 0x12b5afee, 0x8f629757, 0x37def032, 0x256b5fdc, 0x9dd738b9,
                                           0xc5b428ef, 0x7d084f8a, 0x6fbde064, 0xd7018701, 0x4ad6bfb8, 0xf26ad8dd, 0xe0df7733, 0x58631056}};
    uint32_t crc = 0xffffffff;
    size_t i = 0;
    for (; bytes.len - i >= 4; i += 4) {
        const unsigned char *at = (const unsigned char *)bytes.ptr + i;
        crc ^= at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
        crc = table[7][crc & 15] ^ table[6][crc >> 4 & 15] ^ table[5][crc >> 8 & 15] ^ table[4][crc >> 12 & 15] ^ table[3][crc >> 16 & 15] ^
              table[2][crc >> 20 & 15] ^ table[1][crc >> 24 & 15] ^ table[0][crc >> 28];
    }
    for (; i < bytes.len; i++) {
        crc ^= (unsigned char)bytes.ptr[i];
        crc = (crc >> 4) ^ table[0][crc & 15];
        crc = (crc >> 4) ^ table[0][crc & 15];
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
