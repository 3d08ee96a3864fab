/* eventstream.h -- one frame of an AWS event stream (application/vnd.amazon.eventstream), decoded.
 *
 * total length (u32) | headers length (u32) | CRC-32 of those eight bytes | headers | payload | CRC-32 of all before it; big-endian; CRC-32 is zlib's.
 * SPDX-License-Identifier: MIT */
#ifndef BASE_EVENTSTREAM_H
#define BASE_EVENTSTREAM_H
#include "base/bytes.h"

struct eventstream_frame {
    struct slice name;    /* :event-type; of an exception :exception-type; of an error :error-code */
    struct slice payload; /* of an error: :error-message */
    bool is_error;        /* :message-type is exception or error */
};

/* Looks at the front of bytes. > 0: a whole frame, that long, in *frame (slices of bytes). 0: more bytes are needed. -1: broken: a checksum, a length
 * above `max` or below 16, headers that do not parse. */
int64_t eventstream_read(struct slice bytes, size_t max, struct eventstream_frame *frame);
#endif
