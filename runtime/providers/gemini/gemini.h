/* gemini.h -- what the files of wire_gemini share: Google's Gemini API and Vertex AI. All others go through wire.h.
 *
 *   family.c          what each model family accepts          read_answer.c  reading an answer, whole and streamed
 *   write_request.c   struct chat -> request, but its turns   embed.c        embeddings and counts of tokens, both ways
 *   write_messages.c  the turns of a request                  failure.c      reading a refusal
 *   write_schema.c    JSON Schema -> the OpenAPI subset
 * SPDX-License-Identifier: MIT */
#ifndef PROVIDERS_GEMINI_GEMINI_H
#define PROVIDERS_GEMINI_GEMINI_H
#include "providers/encode.h"

enum {
    GEMINI_SYSTEM = 1,          /* knows a system instruction */
    GEMINI_JSON_SCHEMA = 2,     /* takes JSON Schema as it is; the others an OpenAPI subset */
    GEMINI_URLS = 4,            /* fetches public URLs itself */
    GEMINI_BUDGET = 8,          /* thinking is bounded by tokens */
    GEMINI_LEVEL = 16,          /* thinking has levels and cannot be switched off */
    GEMINI_LEVEL_MINIMAL = 32,  /* … the lowest of which is "minimal", else "low" */
    GEMINI_LEVEL_MEDIUM = 64,   /* … and there is one between low and high */
    GEMINI_ALWAYS_THINKS = 128, /* the budget cannot be 0 */
    GEMINI_SIGNED = 256,        /* function calls must be signed by thought signatures; media may stand inside of a function's response */
    GEMINI_JSON_BESIDE_TOOLS = 512, /* a format of the answer and functions in one request */
    /* Of a request: */
    GEMINI_VERTEX = 1024,
    GEMINI_IN_WORDS = 2048, /* the format of the answer is asked for in words, as this family cannot do otherwise */
};

const struct family *gemini_family(const struct model_facts *model);
bool gemini_is_vertex(const struct vendor *vendor);
/* Vertex: models that are asked by :predict, in a shape of its own. */
bool gemini_is_predicted(const struct model_facts *model);
/* Letters, digits and "_.:-", at most 64, not a digit first. */
extern const struct name_rule gemini_names;

/* What is being written, and how. */
struct gemini_encode {
    struct encode base;
    size_t schema_work; /* bytes of schemas that were looked through */
};
struct gemini_encode gemini_begin(const struct encode *given);

/* "systemInstruction" and "contents"; "tools" and "toolConfig"; of a struct gemini_encode. False: complaint. */
bool gemini_write_contents(struct encode *encode);
bool gemini_write_tools(struct encode *encode);
/* The schema in the OpenAPI subset, appended to out. *empty: it is an object without properties. False: complaint about `param`. */
bool gemini_write_subset(struct encode *encode, struct slice schema_json, struct slice param, bool *empty);

bool gemini_write_request(struct encode *encode);
bool gemini_write_embed(struct encode *encode);
bool gemini_write_count(struct encode *encode);
/* Gemini API: "models/x", or the id itself where it names its collection. */
struct slice gemini_resource(const struct provider *provider, const struct model_facts *model, struct arena *arena);

/* ---------------------------------------------------------------- answers */

enum { GEMINI_CHOICES_MAX = 8 }; /* candidateCount goes no further */

struct gemini_choice {
    bool used;
    enum finish finish; /* FINISH_NONE: not said yet */
    unsigned tools;
};

struct gemini_reader {
    struct reader base;
    struct gemini_choice choices[GEMINI_CHOICES_MAX];
    bool blocked;
};

void gemini_read_event(struct reader *reader, struct slice name, struct slice data);
void gemini_read_answer(struct reader *reader, struct slice body);
void gemini_read_eof(struct reader *reader);
struct failure gemini_read_failure(const struct error_answer *error_answer);

void gemini_read_vectors(struct gemini_reader *self, struct slice text);
void gemini_read_count(struct gemini_reader *self, struct slice text);
/* The error of a body: {"error": {…}} or [{"error": {…}}]; empty: none. */
struct slice gemini_error_of(struct slice body);
#endif
