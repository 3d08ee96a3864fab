/* estimate.c -- how many tokens a text has, before a provider counts them.
 *
 * A weight per kind of character, fitted to OpenAI's o200k and cl100k vocabularies. Against those two it is off by: English and German prose -6 to -2 %,
 * C and Lua -6 to +6 %, Markdown -11 %, JSON -14 to +25 %, Chinese and Japanese +14 to +26 % (o200k) or -19 to -18 % (cl100k),
 * Russian +39 % or -22 %. Other vendors' vocabularies were not measured.
 *
 * A prompt cannot hide: what stands where no text is looked for weighs as text (facts_add_rest), and under all is a floor by the bytes of the body, blanks
 * and members that are given twice included. Only data in the places that a wire has for pictures, sounds and files is not text.
 * SPDX-License-Identifier: MIT */
#include "providers/facts.h"
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
/* Sixteen counters of a byte each: they count a lane's matches, 255 at most before they are emptied. x86-64 has no popcount of its own. */
struct lanes {
    __m128i letters, digits, quiet, high, pairs, triples;
    bool any_high; /* else the last three are zero */
};

enum { LANE_MAX = 255 };

static size_t sum(__m128i lanes)
{
    __m128i halves = _mm_sad_epu8(lanes, _mm_setzero_si128());
    return (size_t)(_mm_cvtsi128_si64(halves) + _mm_cvtsi128_si64(_mm_unpackhi_epi64(halves, halves)));
}

static void empty(struct lanes *lanes, struct kinds *kinds)
{
    kinds->letters += sum(lanes->letters);
    kinds->digits += sum(lanes->digits);
    kinds->quiet += sum(lanes->quiet);
    if (lanes->any_high) {
        kinds->high += sum(lanes->high);
        kinds->pairs += sum(lanes->pairs);
        kinds->triples += sum(lanes->triples);
    }
    *lanes = (struct lanes){.letters = _mm_setzero_si128()};
}

static __m128i at_least(__m128i bytes, unsigned char low)
{
    return _mm_cmpeq_epi8(_mm_max_epu8(bytes, _mm_set1_epi8((char)low)), bytes);
}

static __m128i in_range(__m128i bytes, unsigned char low, unsigned char high)
{
    return _mm_and_si128(at_least(bytes, low), _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8((char)high)), bytes));
}

/* A match is all ones, which is -1. */
static void count_block(struct lanes *lanes, __m128i bytes)
{
    __m128i quiet = _mm_or_si128(in_range(bytes, 0, ' '), _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\')));
    lanes->letters = _mm_sub_epi8(lanes->letters, in_range(_mm_or_si128(bytes, _mm_set1_epi8(0x20)), 'a', 'z'));
    lanes->digits = _mm_sub_epi8(lanes->digits, in_range(bytes, '0', '9'));
    lanes->quiet = _mm_sub_epi8(lanes->quiet, quiet);
    if (_mm_movemask_epi8(bytes) == 0)
        return;
    lanes->any_high = true;
    lanes->high = _mm_sub_epi8(lanes->high, at_least(bytes, 0x80));
    lanes->pairs = _mm_sub_epi8(lanes->pairs, in_range(bytes, 0xC0, 0xDF));
    lanes->triples = _mm_sub_epi8(lanes->triples, at_least(bytes, 0xE0));
}

/* The last 16 bytes; those that are counted already become marks, which are not. */
static __m128i last_block(struct slice text, size_t rest)
{
    static const unsigned char window[32] = {[16] = 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255};
    __m128i keep = _mm_loadu_si128((const __m128i *)(const void *)(window + rest));
    __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)(text.ptr + text.len - 16));
    return _mm_or_si128(_mm_and_si128(keep, bytes), _mm_andnot_si128(keep, _mm_set1_epi8('!')));
}

/* How many of the first bytes were counted: all, but of a text that is shorter than a block. */
static size_t count_blocks(struct kinds *kinds, struct slice text)
{
    struct lanes lanes = {.letters = _mm_setzero_si128()};
    size_t i = 0;
    if (text.len < 16)
        return 0;
    for (unsigned counted = 0; i + 16 <= text.len; i += 16) {
        count_block(&lanes, _mm_loadu_si128((const __m128i *)(const void *)(text.ptr + i)));
        if (++counted == LANE_MAX - 1) { /* one is left for the last block */
            empty(&lanes, kinds);
            counted = 0;
        }
    }
    if (i < text.len)
        count_block(&lanes, last_block(text, text.len - i));
    empty(&lanes, kinds);
    return text.len;
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

/* ---------------------------------------------------------------- what is no text, or not where text is looked for */

/* What a message costs beside its text; a picture of a middling size; a file of a page. Then bytes of base64 for a token: sounds of 48 kbit/s at 32 tokens a
 * second, files of 60 KB a page. */
enum { PER_MESSAGE = 4, PER_IMAGE = 800, PER_FILE = 1500, AUDIO_BYTES = 256, FILE_BYTES = 64 };
/* No prompt has fewer tokens than a byte in eight of its body, but for the data of media, and for what stands around the texts: so much in the body,
 * and so much for each message. Ordinary prose has one in five. */
enum { FLOOR_BYTES = 8, FREE_BYTES = 1024, FREE_PER_MESSAGE = 64, SHORT_MAX = 64 };

void facts_add_rest(struct facts *facts, struct slice raw)
{
    if (raw.len > SHORT_MAX)
        facts_add_text(facts, raw);
}

bool facts_skip(struct facts *facts, struct json *json)
{
    struct slice raw;
    if (!json_skip(json, &raw))
        return false;
    facts_add_rest(facts, raw);
    return true;
}

/* data:image/png;base64,AAAA -> its type and its data. False: it is an address, or its data is no base64. */
static bool split_data_url(struct slice url, struct slice *type, struct slice *data)
{
    enum { HEAD_MAX = 256 };
    size_t most = url.len < HEAD_MAX ? url.len : HEAD_MAX;
    const char *comma = slice_starts_with(url, LIT("data:")) ? memchr(url.ptr, ',', most) : NULL;
    if (comma == NULL)
        return false;
    struct slice head = {url.ptr + 5, (size_t)(comma - url.ptr) - 5};
    const char *semicolon = head.len == 0 ? NULL : memchr(head.ptr, ';', head.len);
    *type = (struct slice){head.ptr, semicolon == NULL ? head.len : (size_t)(semicolon - head.ptr)};
    *data = (struct slice){comma + 1, (size_t)(url.ptr + url.len - comma) - 1};
    return slice_find(head, LIT(";base64")) != NULL;
}

/* Pages, which a provider renders or takes the text out of. Every other file may be text, in base64 as well: it counts by its bytes.
 * Where no type is said the first bytes say it: a PDF, an office file of today (ZIP) or of before (OLE). */
static bool has_pages(struct slice type, struct slice data)
{
    static const struct slice ends[] = {LIT("pdf"), LIT("msword"), LIT("document"), LIT("sheet"), LIT("presentation"), LIT("ms-excel")};
    if (type.len == 0)
        return slice_starts_with(data, LIT("JVBERi")) || slice_starts_with(data, LIT("UEsD")) || slice_starts_with(data, LIT("0M8R4K"));
    for (unsigned i = 0; i < sizeof ends / sizeof *ends; i++)
        if (slice_starts_with(type, LIT("application")) && type.len >= ends[i].len &&
            memcmp(type.ptr + type.len - ends[i].len, ends[i].ptr, ends[i].len) == 0)
            return true;
    return false;
}

/* Base64 has no blanks; a text seldom does without. */
static bool is_base64(struct slice data)
{
    data = slice_trim(data);
    return data.len == 0 || memchr(data.ptr, ' ', data.len) == NULL;
}

static void add_tokens(struct facts *facts, size_t data_bytes, int64_t tokens)
{
    facts->media_bytes += data_bytes;
    facts->media_tokens += tokens;
}

void facts_add_media(struct facts *facts, enum part_kind kind, struct slice url_raw, struct slice type_raw, struct slice data_raw)
{
    struct slice type = type_raw, data = data_raw;
    bool has_data = data.len > 0 || split_data_url(url_raw, &type, &data);
    if (has_data && !is_base64(data)) {
        facts_add_rest(facts, data);
        has_data = false;
    }
    facts->needs |= kind == PART_IMAGE ? NEED_VISION : kind == PART_AUDIO ? NEED_AUDIO : NEED_DOCUMENT;
    facts->image_count += kind == PART_IMAGE;
    if (kind == PART_AUDIO) {
        if (has_data && (type.len == 0 || slice_starts_with(type, LIT("audio")) || slice_starts_with(type, LIT("video"))))
            add_tokens(facts, data.len, (int64_t)(data.len / AUDIO_BYTES));
    } else if (kind == PART_IMAGE) {
        if (has_data && (type.len == 0 || slice_starts_with(type, LIT("image")))) /* its pixels count, not its bytes */
            facts->media_bytes += data.len;
    } else if (has_data && has_pages(type, data)) {
        int64_t pages = (int64_t)(data.len / FILE_BYTES);
        add_tokens(facts, data.len, pages > PER_FILE ? pages : PER_FILE);
    } else if (!has_data || type.len == 0) {
        add_tokens(facts, 0, PER_FILE);
    }
}

void facts_add_file(struct facts *facts, struct slice data_raw)
{
    bool is_url = slice_starts_with(data_raw, LIT("data:"));
    facts_add_media(facts, PART_DOCUMENT, is_url ? data_raw : SLICE_NONE, SLICE_NONE, is_url ? SLICE_NONE : data_raw);
}

int64_t facts_tokens(const struct facts *facts)
{
    size_t around = facts->media_bytes + FREE_BYTES + (size_t)facts->message_count * FREE_PER_MESSAGE;
    int64_t said = (int64_t)(facts->prompt_weight / 1000) + (int64_t)facts->message_count * PER_MESSAGE;
    int64_t least = facts->body_bytes > around ? (int64_t)((facts->body_bytes - around) / FLOOR_BYTES) : 0;
    return (said > least ? said : least) + (int64_t)facts->image_count * PER_IMAGE + facts->media_tokens + 1;
}
