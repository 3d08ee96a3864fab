/* estimate.c -- how many tokens a text has, before a provider counts them.
 *
 * A weight per kind of character, fitted to OpenAI's o200k and cl100k vocabularies. Against those two it is off by: English and German prose -6 to -2 %,
 * C and Lua -6 to +6 %, Markdown -11 %, JSON -14 to +25 %, Chinese and Japanese +14 to +26 % (o200k) or -19 to -18 % (cl100k),
 * Russian +39 % or -22 %. Other vendors' vocabularies were not measured.
 * SPDX-License-Identifier: MIT */
#include "providers/provider.h"
#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* Thousandths of a token. Blanks belong to the word behind them; a backslash to the escape it begins. */
enum { LETTER = 235, DIGIT = 400, MARK = 700, PAIR = 400, TRIPLE = 850 };

struct kinds {
    size_t letters, digits, quiet, pairs, triples, high; /* quiet: blanks, control bytes, backslashes; high: all bytes from 0x80 on */
};

static void count_byte(struct kinds *kinds, unsigned char byte)
{
    unsigned char folded = byte | 0x20;
    if (folded >= 'a' && folded <= 'z')
        kinds->letters++;
    else if (byte >= '0' && byte <= '9')
        kinds->digits++;
    else if (byte <= ' ' || byte == '\\')
        kinds->quiet++;
    kinds->high += byte >= 0x80;
    kinds->triples += byte >= 0xE0; /* first bytes of characters of three bytes and more */
    kinds->pairs += byte >= 0xC0 && byte < 0xE0;
}

#ifdef __SSE2__
static size_t count_in(__m128i mask)
{
    return (size_t)__builtin_popcount((unsigned)_mm_movemask_epi8(mask));
}

static __m128i at_least(__m128i bytes, unsigned char low)
{
    return _mm_cmpeq_epi8(_mm_max_epu8(bytes, _mm_set1_epi8((char)low)), bytes);
}

static __m128i in_range(__m128i bytes, unsigned char low, unsigned char high)
{
    return _mm_and_si128(at_least(bytes, low), _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8((char)high)), bytes));
}

static size_t count_blocks(struct kinds *kinds, struct slice text)
{
    size_t i = 0;
    for (; i + 16 <= text.len; i += 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)(text.ptr + i));
        kinds->letters += count_in(in_range(_mm_or_si128(bytes, _mm_set1_epi8(0x20)), 'a', 'z'));
        kinds->digits += count_in(in_range(bytes, '0', '9'));
        kinds->quiet += count_in(_mm_or_si128(in_range(bytes, 0, ' '), _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'))));
        size_t high = count_in(bytes); /* the sign bit */
        if (high == 0)
            continue;
        size_t triples = count_in(at_least(bytes, 0xE0));
        kinds->high += high;
        kinds->triples += triples;
        kinds->pairs += count_in(at_least(bytes, 0xC0)) - triples;
    }
    return i;
}
#endif

void facts_add_text(struct facts *facts, struct slice text_raw)
{
    struct kinds kinds = {.letters = 0};
    size_t i = 0;
#ifdef __SSE2__
    i = count_blocks(&kinds, text_raw);
#endif
    for (; i < text_raw.len; i++)
        count_byte(&kinds, (unsigned char)text_raw.ptr[i]);
    size_t marks = text_raw.len - kinds.letters - kinds.digits - kinds.quiet - kinds.high;
    facts->prompt_bytes += text_raw.len;
    facts->prompt_weight += (uint64_t)kinds.letters * LETTER + (uint64_t)kinds.digits * DIGIT + (uint64_t)marks * MARK +
                            (uint64_t)kinds.pairs * PAIR + (uint64_t)kinds.triples * TRIPLE;
}

/* What a message costs beside its text, and an image of a middling size. */
enum { PER_MESSAGE = 4, PER_IMAGE = 800 };

int64_t facts_tokens(const struct facts *facts)
{
    return (int64_t)(facts->prompt_weight / 1000) + (int64_t)facts->message_count * PER_MESSAGE + (int64_t)facts->image_count * PER_IMAGE +
           1;
}
