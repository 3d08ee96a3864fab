/* hash.c -- see hash.h. SipHash after Aumasson and Bernstein, "SipHash: a fast short-input PRF" (2012).
 * SPDX-License-Identifier: MIT */
#define OPENSSL_API_COMPAT                                                                                                                 \
    0x10100000L /* SHA256_Init and kin: the newer calls look their algorithm up and allocate, for each key that comes */
#include "base/hash.h"
#include <errno.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <sys/random.h>
#include <unistd.h>

void hash_sha256(struct slice text, uint8_t out[SHA256_BYTES])
{
    SHA256_CTX context;
    SHA256_Init(&context);
    SHA256_Update(&context, text.ptr == NULL ? "" : text.ptr, text.len);
    SHA256_Final(out, &context);
}

bool hash_from_hex(struct slice hex, uint8_t *out, size_t out_len)
{
    if (hex.len != 2 * out_len)
        return false;
    for (size_t i = 0; i < out_len; i++) {
        int high = hex_value((unsigned char)hex.ptr[2 * i]), low = hex_value((unsigned char)hex.ptr[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        out[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

void hash_to_hex(const uint8_t *bytes, size_t len, char *out)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < len; i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 15];
    }
}

static uint64_t rotate_left(uint64_t x, int bits)
{
    return (x << bits) | (x >> (64 - bits));
}

static void sip_rounds(uint64_t v[4], int rounds)
{
    while (rounds-- > 0) {
        v[0] += v[1];
        v[1] = rotate_left(v[1], 13) ^ v[0];
        v[0] = rotate_left(v[0], 32);
        v[2] += v[3];
        v[3] = rotate_left(v[3], 16) ^ v[2];
        v[0] += v[3];
        v[3] = rotate_left(v[3], 21) ^ v[0];
        v[2] += v[1];
        v[1] = rotate_left(v[1], 17) ^ v[2];
        v[2] = rotate_left(v[2], 32);
    }
}

static uint64_t read_word(const void *at, size_t len)
{
    uint64_t word = 0;
    memcpy(&word, at, len); /* little-endian hosts only, as all of Debian's amd64 and arm64 are */
    return word;
}

uint64_t hash_sip(const uint8_t key[16], struct slice text)
{
    uint64_t k0 = read_word(key, 8), k1 = read_word(key + 8, 8);
    uint64_t v[4] = {k0 ^ 0x736f6d6570736575ULL, k1 ^ 0x646f72616e646f6dULL, k0 ^ 0x6c7967656e657261ULL, k1 ^ 0x7465646279746573ULL};
    size_t whole = text.len & ~(size_t)7;
    for (size_t i = 0; i < whole; i += 8) {
        uint64_t word = read_word(text.ptr + i, 8);
        v[3] ^= word;
        sip_rounds(v, 2);
        v[0] ^= word;
    }
    uint64_t last = (uint64_t)text.len << 56;
    if (text.len > whole)
        last |= read_word(text.ptr + whole, text.len - whole);
    v[3] ^= last;
    sip_rounds(v, 2);
    v[0] ^= last;
    v[2] ^= 0xff;
    sip_rounds(v, 4);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

bool hash_equal(const uint8_t *a, const uint8_t *b, size_t len)
{
    unsigned difference = 0;
    for (size_t i = 0; i < len; i++)
        difference |= a[i] ^ b[i];
    return difference == 0;
}

/* Keys of tables that clients fill, ids, the draw of a policy: nothing runs on without. */
void hash_random(void *out, size_t len)
{
    for (uint8_t *at = out; len > 0;) { /* a signal may cut what is longer than 256 bytes */
        ssize_t count = getrandom(at, len, 0);
        if (count < 0 && errno != EINTR) {
            perror("gateway: getrandom");
            _exit(71); /* EX_OSERR */
        }
        at += count < 0 ? 0 : count;
        len -= count < 0 ? 0 : (size_t)count;
    }
}
