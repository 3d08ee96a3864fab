/* secrets.c -- what is known to be secret, taken out of what others say of it.
 *
 * A provider that refuses a key likes to repeat it: whole, in part, or inside a header that it quotes in base64. Words that merely look
 * like keys are failures.c's business; here the secret itself is known, and any piece of it that is long enough to be of use goes.
 * SPDX-License-Identifier: MIT */
#include "providers/secrets.h"
#include "providers/vendor.h"

enum {
    PIECE_MIN = 8,  /* of a piece with a digit in it */
    WORDS_MIN = 12, /* of one without: keys that people make up have words in them */
    SECRET_MAX = 4096,
};

/* Both alphabets of base64 (RFC 4648 4 and 5) are one. */
static char folded(char byte)
{
    return byte == '+' ? '-' : byte == '/' ? '_' : byte;
}

static size_t common(const char *a, const char *a_end, const char *b, const char *b_end)
{
    size_t len = 0;
    while (a + len < a_end && b + len < b_end && folded(a[len]) == folded(b[len]))
        len++;
    return len;
}

static bool has_digit(const char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (bytes[i] >= '0' && bytes[i] <= '9')
            return true;
    return false;
}

/* The longest piece of the secret at the beginning of the text; 0: none that matters. */
static size_t piece_of(const char *at, const char *end, struct slice secret)
{
    size_t longest = 0;
    for (size_t i = 0; i + PIECE_MIN <= secret.len; i++) {
        size_t len = folded(secret.ptr[i]) == folded(*at) ? common(at, end, secret.ptr + i, secret.ptr + secret.len) : 0;
        longest = len > longest ? len : longest;
    }
    return longest >= WORDS_MIN || (longest >= PIECE_MIN && has_digit(at, longest)) ? longest : 0;
}

/* `shift` bytes of something else stand before the secret: what its own bits alone decide of the base64 text. */
static void write_base64(struct slice secret, unsigned shift, struct buffer *out)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t at = shift == 0 ? 0 : 3 - shift; at + 3 <= secret.len; at += 3) {
        unsigned bits = (unsigned)(unsigned char)secret.ptr[at] << 16 | (unsigned)(unsigned char)secret.ptr[at + 1] << 8 |
                        (unsigned char)secret.ptr[at + 2];
        for (int i = 18; i >= 0; i -= 6)
            buffer_append_byte(out, digits[bits >> i & 63]);
    }
}

static struct slice hide_pieces(struct slice text, struct slice secret, struct arena *arena)
{
    const char *end = text.ptr + text.len, *from = text.ptr, *at = text.ptr;
    struct buffer clean;
    buffer_init(&clean, 2 * text.len + 16);
    while (secret.len >= PIECE_MIN && end - at >= PIECE_MIN) {
        size_t len = piece_of(at, end, secret);
        if (len == 0) {
            at++;
            continue;
        }
        buffer_append(&clean, from, (size_t)(at - from));
        buffer_append_lit(&clean, "***");
        from = at += len;
    }
    if (from != text.ptr) {
        buffer_append(&clean, from, (size_t)(end - from));
        text = arena_copy(arena, buffer_slice(&clean));
    }
    buffer_free(&clean);
    return text;
}

struct slice secret_hide(struct slice text, struct slice secret, struct arena *arena)
{
    secret.len = secret.len > SECRET_MAX ? SECRET_MAX : secret.len;
    if (text.len < PIECE_MIN || secret.len < PIECE_MIN)
        return text;
    text = hide_pieces(text, secret, arena);
    for (unsigned shift = 0; shift < 3; shift++) {
        struct buffer encoded;
        buffer_init(&encoded, 2 * SECRET_MAX);
        write_base64(secret, shift, &encoded);
        text = hide_pieces(text, buffer_slice(&encoded), arena);
        buffer_free(&encoded);
    }
    return text;
}

void failure_hide(struct failure *failure, const struct provider *provider, struct slice token, struct arena *arena)
{
    struct slice *const texts[] = {&failure->message, &failure->code, &failure->param, &failure->details_json};
    for (unsigned t = 0; t < sizeof texts / sizeof *texts; t++) {
        for (unsigned i = 0; i < provider->key_count; i++)
            *texts[t] = secret_hide(*texts[t], provider->keys[i], arena);
        *texts[t] = secret_hide(*texts[t], provider->secret_access_key, arena);
        *texts[t] = secret_hide(*texts[t], provider->session_token, arena);
        *texts[t] = secret_hide(*texts[t], token, arena);
        for (unsigned i = 0; i < provider->header_count; i++)
            *texts[t] = secret_hide(*texts[t], provider->header_values[i], arena);
    }
}
