/* google.c -- see google.h. Claims and answers as Google describes them ("Using OAuth 2.0 for server to server applications"), the metadata server as
 * "Authenticate workloads using the metadata server" does.
 * SPDX-License-Identifier: MIT */
#include "providers/credentials/google.h"
#include "base/clock.h"
#include "base/json.h"
#include "providers/provider.h"
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

enum { PART_MAX = 32 * 1024, SIGNATURE_MAX = 2048, KEY_BITS_MIN = 2048, TOKEN_MAX = 8 * 1024, LIFE_S = 3600, SKEW_S = 10 };

/* Google's own libraries renew 3 min 45 s before the end: the metadata server has a new token from four minutes before it on. */
static const int64_t RENEW_BEFORE_US = 225 * US_PER_S, LIFE_MAX_US = 24 * 3600 * US_PER_S;

static const char SCOPE[] = "https://www.googleapis.com/auth/cloud-platform";

/* ---------------------------------------------------------------- signing */

/* OpenSSL would ask for one on the terminal. */
static int no_passphrase(char *into, int size, int writing, void *with)
{
    (void)into, (void)size, (void)writing, (void)with;
    return 0;
}

/* Whatever fails here stays in OpenSSL's queue of this thread, where the next connection would find it. */
static EVP_PKEY *read_key(struct slice pem)
{
    BIO *bio = pem.len == 0 ? NULL : BIO_new_mem_buf(pem.ptr, (int)pem.len);
    EVP_PKEY *key = bio == NULL ? NULL : PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
    BIO_free(bio);
    if (key != NULL && (EVP_PKEY_get_base_id(key) != EVP_PKEY_RSA || EVP_PKEY_get_bits(key) < KEY_BITS_MIN)) {
        EVP_PKEY_free(key);
        key = NULL;
    }
    ERR_clear_error();
    return key;
}

bool google_is_key(struct slice pem)
{
    EVP_PKEY *key = read_key(pem);
    EVP_PKEY_free(key);
    return key != NULL;
}

/* base64url without padding (RFC 7515 2). */
static void append_base64url(struct buffer *out, const unsigned char *bytes, size_t len)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    for (size_t i = 0; i < len; i += 3) {
        size_t left = len - i;
        unsigned bits = (unsigned)bytes[i] << 16 | (left > 1 ? (unsigned)bytes[i + 1] << 8 : 0) | (left > 2 ? bytes[i + 2] : 0);
        for (size_t d = 0; d < (left > 2 ? 4 : left + 1); d++)
            buffer_append_byte(out, digits[bits >> (18 - 6 * d) & 63]);
    }
}

static void append_signature(struct buffer *out, struct slice pem, struct slice text)
{
    unsigned char signature[SIGNATURE_MAX];
    size_t len = sizeof signature;
    EVP_PKEY *key = read_key(pem);
    EVP_MD_CTX *context = key == NULL ? NULL : EVP_MD_CTX_new();
    if (context != NULL && EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, key) == 1 &&
        EVP_DigestSign(context, signature, &len, (const unsigned char *)text.ptr, text.len) == 1)
        append_base64url(out, signature, len);
    EVP_MD_CTX_free(context);
    EVP_PKEY_free(key);
    ERR_clear_error();
}

static void append_part(struct buffer *out, const struct buffer *json)
{
    append_base64url(out, (const unsigned char *)json->ptr, json->len);
}

static void write_claims(const struct google_credential *credential, int64_t now_s, struct buffer *out)
{
    buffer_append_lit(out, "{\"iss\":");
    json_append_string(out, credential->client_email);
    buffer_printf(out, ",\"scope\":\"%s\",\"aud\":", SCOPE);
    json_append_string(out, credential->token_uri);
    buffer_printf(out, ",\"iat\":%lld,\"exp\":%lld}", (long long)now_s, (long long)now_s + LIFE_S);
}

/* A JWT (RFC 7519), valid since a moment ago: clocks differ. False: it could not be signed. */
static bool append_assertion(const struct google_credential *credential, int64_t wall_us, struct buffer *out)
{
    struct buffer json;
    size_t from = out->len;
    buffer_init(&json, PART_MAX);
    buffer_append_lit(&json, "{\"alg\":\"RS256\",\"typ\":\"JWT\"");
    if (credential->private_key_id.len > 0) {
        buffer_append_lit(&json, ",\"kid\":");
        json_append_string(&json, credential->private_key_id);
    }
    buffer_append_byte(&json, '}');
    append_part(out, &json);
    buffer_append_byte(out, '.');
    bool fits = !json.overflow;
    buffer_clear(&json);
    write_claims(credential, wall_us / US_PER_S - SKEW_S, &json);
    append_part(out, &json);
    fits = fits && !json.overflow && !out->overflow;
    buffer_free(&json);
    struct slice text = {out->ptr + from, out->len - from};
    struct buffer signature;
    buffer_init(&signature, 2 * SIGNATURE_MAX);
    if (fits)
        append_signature(&signature, credential->private_key, text);
    bool signed_ = signature.len > 0;
    buffer_append_byte(out, '.');
    buffer_append_slice(out, buffer_slice(&signature));
    buffer_free(&signature);
    return signed_;
}

/* ---------------------------------------------------------------- asking */

/* application/x-www-form-urlencoded; everything but what is unreserved is encoded (RFC 3986 2.3). */
static void append_field(struct buffer *out, const char *name, struct slice value)
{
    static const char digits[] = "0123456789ABCDEF";
    if (out->len > 0)
        buffer_append_byte(out, '&');
    buffer_append(out, name, strlen(name));
    buffer_append_byte(out, '=');
    for (size_t i = 0; i < value.len; i++) {
        unsigned char byte = (unsigned char)value.ptr[i];
        bool plain = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9') ||
                     (byte != '\0' && strchr("-._~", byte) != NULL);
        if (plain) {
            buffer_append_byte(out, (char)byte);
        } else {
            const char code[3] = {'%', digits[byte >> 4], digits[byte & 15]};
            buffer_append(out, code, sizeof code);
        }
    }
}

static bool write_form(const struct google_credential *credential, int64_t wall_us, struct buffer *out)
{
    if (credential->kind == GOOGLE_USER) {
        append_field(out, "grant_type", LIT("refresh_token"));
        append_field(out, "client_id", credential->client_id);
        append_field(out, "client_secret", credential->client_secret);
        append_field(out, "refresh_token", credential->refresh_token);
        return true;
    }
    append_field(out, "grant_type", LIT("urn:ietf:params:oauth:grant-type:jwt-bearer"));
    buffer_append_lit(out, "&assertion="); /* nothing in it needs to be encoded */
    return append_assertion(credential, wall_us, out);
}

static void write_head(const struct google_credential *credential, const char *method, struct buffer *out)
{
    const char *host = slice_find(credential->origin, LIT("://"));
    size_t skip = host == NULL ? 0 : (size_t)(host + 3 - credential->origin.ptr);
    buffer_append(out, method, strlen(method));
    buffer_append_slice(out, credential->path);
    buffer_append_lit(out, " HTTP/1.1\r\nHost: ");
    buffer_append(out, credential->origin.ptr + skip, credential->origin.len - skip);
    buffer_append_lit(out, "\r\nUser-Agent: gateway/" GATEWAY_VERSION
                           "\r\nAccept: application/json\r\nAccept-Encoding: identity\r\nConnection: close\r\n");
}

bool google_write_request(const struct google_credential *credential, int64_t wall_us, struct buffer *out)
{
    struct buffer form;
    if (credential->kind == GOOGLE_METADATA) {
        write_head(credential, "GET ", out);
        buffer_append_lit(out, "Metadata-Flavor: Google\r\n\r\n");
        return !out->overflow;
    }
    buffer_init(&form, out->limit);
    bool written = write_form(credential, wall_us, &form) && !form.overflow;
    write_head(credential, "POST ", out);
    buffer_append_lit(out, "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: ");
    buffer_append_int(out, (int64_t)form.len);
    buffer_append_lit(out, "\r\n\r\n");
    buffer_append_slice(out, buffer_slice(&form));
    buffer_free(&form);
    return written && !out->overflow;
}

/* ---------------------------------------------------------------- what comes back */

static bool is_whole(struct slice body)
{
    struct json json;
    json_init(&json, body, JSON_DEPTH_MAX);
    return json_peek(&json) == JSON_OBJECT && json_skip(&json, NULL) && json_finish(&json);
}

/* It goes into a header. */
static bool is_token(struct slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] <= ' ' || text.ptr[i] > '~')
            return false;
    return text.len > 0 && text.len <= TOKEN_MAX;
}

bool google_read_token(struct slice body, struct arena *arena, struct google_token *token, const char **why)
{
    int64_t seconds = 0;
    *why = "its answer is no JSON object";
    if (!is_whole(body))
        return false;
    token->text = json_unescape(arena, json_find_string(body, "access_token"));
    *why = "its answer has no access_token that could be sent";
    if (!is_token(token->text))
        return false;
    *why = "the token that it gave is not of type Bearer";
    if (!slice_equals_nocase(json_find_string(body, "token_type"), LIT("bearer")))
        return false;
    *why = "it does not say how long its token is good: expires_in";
    if (!json_to_count(json_find(body, "expires_in"), &seconds) || seconds <= 0)
        return false;
    token->life_us = seconds > LIFE_MAX_US / US_PER_S ? LIFE_MAX_US : seconds * US_PER_S;
    return true;
}

/* error and error_description (RFC 6749 5.2), or whatever else an object says: cleaned as failures of providers are. */
static struct slice words_of(struct slice object, int status, struct arena *arena)
{
    struct slice error = json_find_string(object, "error"), description = json_find_string(object, "error_description");
    if (error.len == 0 || description.len == 0)
        return failure_message(object, status, arena);
    struct slice both = arena_printf(arena, "{\"error\":\"%.*s: %.*s\"}", (int)error.len, error.ptr, (int)description.len, description.ptr);
    return failure_message(both, status, arena);
}

struct slice google_read_refusal(const struct google_credential *credential, struct slice sent, int status, struct slice body,
                                 struct arena *arena)
{
    struct slice object = failure_object(body), words = SLICE_NONE;
    const char *assertion = slice_find(sent, LIT("assertion="));
    if (is_whole(object))
        words = words_of(object, status, arena);
    if (assertion != NULL)
        words = secret_hide(words, (struct slice){assertion + 10, (size_t)(sent.ptr + sent.len - assertion - 10)}, arena);
    words = secret_hide(words, credential->client_secret, arena);
    words = secret_hide(words, credential->refresh_token, arena);
    return arena_printf(arena, "it answered %d%s%.*s", status, words.len > 0 ? ": " : "", (int)words.len, words.len == 0 ? "" : words.ptr);
}

int64_t google_renew_us(int64_t life_us)
{
    int64_t before_us = life_us / 4 < RENEW_BEFORE_US ? life_us / 4 : RENEW_BEFORE_US;
    return life_us - before_us;
}

/* ---------------------------------------------------------------- telling credentials apart */

void google_digest(const struct google_credential *credential, uint8_t digest[SHA256_BYTES])
{
    const struct slice fields[] = {credential->token_uri, credential->client_email,  credential->private_key,  credential->private_key_id,
                                   credential->client_id, credential->client_secret, credential->refresh_token};
    enum { COUNT = sizeof fields / sizeof *fields };
    uint8_t all[COUNT * SHA256_BYTES + 1]; /* of each its own, so that none can be read as a part of the next */
    for (unsigned i = 0; i < COUNT; i++)
        hash_sha256(fields[i], all + i * SHA256_BYTES);
    all[COUNT * SHA256_BYTES] = (uint8_t)credential->kind;
    hash_sha256((struct slice){(const char *)all, sizeof all}, digest);
}
