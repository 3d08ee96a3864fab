/* hash.h -- SHA-256 (OpenSSL's) for keys, SipHash-2-4 for tables, and comparison in constant time.
 * SPDX-License-Identifier: MIT */
#ifndef BASE_HASH_H
#define BASE_HASH_H
#include "base/bytes.h"

enum { SHA256_BYTES = 32 };

void hash_sha256(struct slice text, uint8_t out[SHA256_BYTES]);
MUST_USE bool hash_from_hex(struct slice hex, uint8_t *out, size_t out_len); /* exactly 2*out_len hex digits */
void hash_to_hex(const uint8_t *bytes, size_t len, char *out);               /* lower case, no NUL */
uint64_t hash_sip(const uint8_t key[16], struct slice text);
bool hash_equal(const uint8_t *a, const uint8_t *b, size_t len); /* time depends on len only */
void hash_random(void *out, size_t len);                         /* getrandom(2); ends the process where there is none */
#endif
