/* family.c -- what each family of models behind Converse accepts, as data.
 * COMPAT(bedrock, 2026-08): from AWS's tables "Supported models and model features" and of structured output; whoever is not listed gets the plain form.
 * SPDX-License-Identifier: MIT */
#include "providers/bedrock/bedrock.h"

unsigned bedrock_family(const struct model_facts *model)
{
    static const struct {
        const char *part; /* of the model's id */
        unsigned flags;
    } families[] = {
        {"anthropic.", BEDROCK_CLAUDE | BEDROCK_FORCED},
        {"claude", BEDROCK_CLAUDE | BEDROCK_FORCED},
        {"nova-2", BEDROCK_NOVA | BEDROCK_NOVA_2 | BEDROCK_FORCED},
        {"nova", BEDROCK_NOVA | BEDROCK_FORCED},
        {"gpt-oss", BEDROCK_GPT_OSS | BEDROCK_STRUCTURED},
        {"mistral-large-3", BEDROCK_ID9 | BEDROCK_FORCED | BEDROCK_STRUCTURED},
        {"mistral-large", BEDROCK_ID9 | BEDROCK_FORCED},
        {"mistral-7b", BEDROCK_ID9 | BEDROCK_NO_SYSTEM},
        {"mixtral", BEDROCK_ID9 | BEDROCK_NO_SYSTEM},
        {"ministral", BEDROCK_ID9 | BEDROCK_STRUCTURED},
        {"magistral", BEDROCK_ID9 | BEDROCK_STRUCTURED},
        {"mistral", BEDROCK_ID9},
        {"titan-t", BEDROCK_NO_SYSTEM},
        {"cohere.command-text", BEDROCK_NO_SYSTEM},
        {"cohere.command-light", BEDROCK_NO_SYSTEM},
        {"ai21.j2", BEDROCK_NO_SYSTEM},
        {"qwen3", BEDROCK_STRUCTURED},
        {"deepseek.v3", BEDROCK_STRUCTURED},
        {"gemma-3", BEDROCK_STRUCTURED},
        {"minimax", BEDROCK_STRUCTURED},
        {"kimi", BEDROCK_STRUCTURED},
        {"nemotron", BEDROCK_STRUCTURED},
        {"", 0},
    };
    struct slice id = model->base_model.len > 0 ? model->base_model : model->model;
    unsigned i = 0;
    while (families[i].part[0] != '\0' && slice_find(id, slice_of(families[i].part)) == NULL)
        i++;
    return families[i].flags;
}
