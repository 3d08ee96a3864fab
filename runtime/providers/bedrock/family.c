/* family.c -- what each family of models behind Converse accepts, as data.
 * COMPAT(bedrock, 2026-08): from AWS's tables "Supported models and model features" and of structured output; what is not listed gets the plain form.
 * SPDX-License-Identifier: MIT */
#include "providers/bedrock/bedrock.h"

unsigned bedrock_family(const struct model_facts *model)
{
    static const struct family families[] = {
        {.ids = "*anthropic.*", .flags = BEDROCK_CLAUDE | BEDROCK_FORCED},
        {.ids = "*claude*", .flags = BEDROCK_CLAUDE | BEDROCK_FORCED},
        {.ids = "*nova-2*", .flags = BEDROCK_NOVA | BEDROCK_NOVA_2 | BEDROCK_FORCED},
        {.ids = "*nova*", .flags = BEDROCK_NOVA | BEDROCK_FORCED},
        {.ids = "*gpt-oss*", .flags = BEDROCK_GPT_OSS | BEDROCK_STRUCTURED},
        {.ids = "*mistral-large-3*", .flags = BEDROCK_ID9 | BEDROCK_FORCED | BEDROCK_STRUCTURED},
        {.ids = "*mistral-large*", .flags = BEDROCK_ID9 | BEDROCK_FORCED},
        {.ids = "*mistral-7b*", .flags = BEDROCK_ID9 | BEDROCK_NO_SYSTEM},
        {.ids = "*mixtral*", .flags = BEDROCK_ID9 | BEDROCK_NO_SYSTEM},
        {.ids = "*ministral*", .flags = BEDROCK_ID9 | BEDROCK_STRUCTURED},
        {.ids = "*magistral*", .flags = BEDROCK_ID9 | BEDROCK_STRUCTURED},
        {.ids = "*mistral*", .flags = BEDROCK_ID9},
        {.ids = "*titan-t*", .flags = BEDROCK_NO_SYSTEM},
        {.ids = "*cohere.command-text*", .flags = BEDROCK_NO_SYSTEM},
        {.ids = "*cohere.command-light*", .flags = BEDROCK_NO_SYSTEM},
        {.ids = "*ai21.j2*", .flags = BEDROCK_NO_SYSTEM},
        {.ids = "*qwen3*", .flags = BEDROCK_STRUCTURED},
        {.ids = "*deepseek.v3*", .flags = BEDROCK_STRUCTURED},
        {.ids = "*gemma-3*", .flags = BEDROCK_STRUCTURED},
        {.ids = "*minimax*", .flags = BEDROCK_STRUCTURED},
        {.ids = "*kimi*", .flags = BEDROCK_STRUCTURED},
        {.ids = "*nemotron*", .flags = BEDROCK_STRUCTURED},
        {.ids = "*", .flags = 0},
    };
    unsigned flags = family_find(families, model_id(model), 0)->flags;
    return flags & BEDROCK_CLAUDE ? flags | anthropic_family(model)->flags : flags;
}
