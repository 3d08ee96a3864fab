/* family.c -- see family.h.
 * SPDX-License-Identifier: MIT */
#include "providers/family.h"

struct slice model_id(const struct model_facts *model)
{
    return model->base_model.len > 0 ? model->base_model : model->model;
}

static bool is_like(struct slice id, const char *pattern)
{
    const char *at = id.ptr, *end = id.ptr + id.len, *star = NULL, *retry = NULL;
    while (at < end) {
        if (*pattern == '*') {
            star = pattern++;
            retry = at;
        } else if (*pattern != '\0' && (*pattern == *at || (*pattern == '#' && *at >= '1' && *at <= '9'))) {
            pattern++;
            at++;
        } else if (star != NULL) { /* let the last * stand for one byte more */
            pattern = star + 1;
            at = ++retry;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return *pattern == '\0';
}

const struct family *family_find(const struct family *families, struct slice id, unsigned version)
{
    while (version < families->since || !is_like(id, families->ids))
        families++;
    return families;
}
