/* sigv4.c -- see sigv4.h. The chain of keys is made anew for each request: four HMACs of a few bytes, beside a hash of the body.
 * SPDX-License-Identifier: MIT */
#include "providers/credentials/sigv4.h"
#include "base/clock.h"
#include "base/hash.h"
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <time.h>

enum { HEX_BYTES = 2 * SHA256_BYTES, CANONICAL_MAX = 64 * 1024, STAMP_BYTES = 16, DAY_BYTES = 8, SECRET_MAX = 512 };

static bool hash_parts(const struct slice *parts, unsigned part_count, char hex[HEX_BYTES])
{
    uint8_t digest[SHA256_BYTES];
    EVP_MD_CTX *hash = EVP_MD_CTX_new();
    bool good = hash != NULL && EVP_DigestInit_ex(hash, EVP_sha256(), NULL) == 1;
    for (unsigned i = 0; good && i < part_count; i++)
        good = parts[i].len == 0 || EVP_DigestUpdate(hash, parts[i].ptr, parts[i].len) == 1;
    good = good && EVP_DigestFinal_ex(hash, digest, NULL) == 1;
    EVP_MD_CTX_free(hash);
    if (good)
        hash_to_hex(digest, sizeof digest, hex);
    return good;
}

static bool sign(struct slice key, struct slice text, uint8_t out[SHA256_BYTES])
{
    unsigned len = SHA256_BYTES;
    return HMAC(EVP_sha256(), key.ptr, (int)key.len, (const unsigned char *)text.ptr, text.len, out, &len) != NULL;
}

/* "20150830T123600Z"; its first eight bytes are the day. */
static bool write_stamp(int64_t wall_us, char stamp[STAMP_BYTES + 1])
{
    struct tm tm;
    time_t seconds = (time_t)(wall_us / US_PER_S);
    return wall_us >= 0 && gmtime_r(&seconds, &tm) != NULL && strftime(stamp, STAMP_BYTES + 1, "%Y%m%dT%H%M%SZ", &tm) == STAMP_BYTES;
}

static void append_encoded(struct buffer *out, struct slice path)
{
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < path.len; i++) {
        unsigned char byte = (unsigned char)path.ptr[i];
        bool plain = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9') ||
                     (byte != '\0' && strchr("-._~/", byte) != NULL);
        if (plain) {
            buffer_append_byte(out, (char)byte);
        } else {
            const char code[3] = {'%', digits[byte >> 4], digits[byte & 15]};
            buffer_append(out, code, sizeof code);
        }
    }
}

static void append_signed_names(struct buffer *out, const struct sigv4 *request)
{
    if (request->content_type.len > 0)
        buffer_append_lit(out, "content-type;");
    buffer_append_lit(out, "host;x-amz-date");
    if (request->session_token.len > 0)
        buffer_append_lit(out, ";x-amz-security-token");
}

static void append_scope(struct buffer *out, const struct sigv4 *request, const char *stamp)
{
    buffer_append(out, stamp, DAY_BYTES);
    buffer_append_byte(out, '/');
    buffer_append_slice(out, request->region);
    buffer_append_byte(out, '/');
    buffer_append_slice(out, request->service);
    buffer_append_lit(out, "/aws4_request");
}

static void append_line(struct buffer *out, const char *name, struct slice value)
{
    buffer_append(out, name, strlen(name));
    buffer_append_slice(out, value);
    buffer_append_byte(out, '\n');
}

static void append_canonical(struct buffer *out, const struct sigv4 *request, const char *stamp, const char body[HEX_BYTES])
{
    buffer_append_lit(out, "POST\n");
    append_encoded(out, request->path);
    buffer_append_lit(out, "\n\n"); /* no query */
    if (request->content_type.len > 0)
        append_line(out, "content-type:", request->content_type);
    append_line(out, "host:", request->host);
    append_line(out, "x-amz-date:", (struct slice){stamp, STAMP_BYTES});
    if (request->session_token.len > 0)
        append_line(out, "x-amz-security-token:", request->session_token);
    buffer_append_byte(out, '\n');
    append_signed_names(out, request);
    buffer_append_byte(out, '\n');
    buffer_append(out, body, HEX_BYTES);
}

static bool sign_text(const struct sigv4 *request, const char *stamp, struct slice text, uint8_t out[SHA256_BYTES])
{
    char first[4 + SECRET_MAX] = "AWS4";
    uint8_t key[SHA256_BYTES];
    const struct slice links[] = {{stamp, DAY_BYTES}, request->region, request->service, LIT("aws4_request")};
    struct slice with = {first, 4 + request->secret_access_key.len};
    bool good = request->secret_access_key.len <= SECRET_MAX;
    if (good && request->secret_access_key.len > 0)
        memcpy(first + 4, request->secret_access_key.ptr, request->secret_access_key.len);
    for (unsigned i = 0; good && i < sizeof links / sizeof *links; i++) {
        uint8_t next[SHA256_BYTES];
        good = sign(with, links[i], next);
        memcpy(key, next, sizeof key);
        OPENSSL_cleanse(next, sizeof next);
        with = (struct slice){(const char *)key, sizeof key};
    }
    good = good && sign(with, text, out);
    OPENSSL_cleanse(first, sizeof first);
    OPENSSL_cleanse(key, sizeof key);
    return good;
}

void sigv4_write(const struct sigv4 *request, const struct slice *parts, unsigned part_count, struct buffer *out)
{
    char stamp[STAMP_BYTES + 1], hex[HEX_BYTES];
    uint8_t signature[SHA256_BYTES];
    struct buffer text;
    if (!write_stamp(request->wall_us, stamp) || !hash_parts(parts, part_count, hex))
        return;
    buffer_init(&text, CANONICAL_MAX);
    append_canonical(&text, request, stamp, hex);
    struct slice canonical = buffer_slice(&text);
    bool good = !text.overflow && hash_parts(&canonical, 1, hex);
    buffer_clear(&text);
    buffer_append_lit(&text, "AWS4-HMAC-SHA256\n");
    buffer_append(&text, stamp, STAMP_BYTES);
    buffer_append_byte(&text, '\n');
    append_scope(&text, request, stamp);
    buffer_append_byte(&text, '\n');
    buffer_append(&text, hex, sizeof hex);
    good = good && !text.overflow && sign_text(request, stamp, buffer_slice(&text), signature);
    buffer_free(&text);
    if (!good)
        return;
    buffer_append_lit(out, "X-Amz-Date: ");
    buffer_append(out, stamp, STAMP_BYTES);
    if (request->session_token.len > 0) {
        buffer_append_lit(out, "\r\nX-Amz-Security-Token: ");
        buffer_append_slice(out, request->session_token);
    }
    buffer_append_lit(out, "\r\nAuthorization: AWS4-HMAC-SHA256 Credential=");
    buffer_append_slice(out, request->access_key_id);
    buffer_append_byte(out, '/');
    append_scope(out, request, stamp);
    buffer_append_lit(out, ", SignedHeaders=");
    append_signed_names(out, request);
    buffer_append_lit(out, ", Signature=");
    hash_to_hex(signature, sizeof signature, hex);
    buffer_append(out, hex, sizeof hex);
    buffer_append_lit(out, "\r\n");
}
