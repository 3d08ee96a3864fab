/* near.c -- names in refusals: those nearest to an unknown one, and whether a key may know of a provider.
 * SPDX-License-Identifier: MIT */
#include "base/spelling.h"
#include "config/config_private.h"

enum {
    NEAREST_NAMES_MAX = 1024, /* names looked at for one 404 */
    NEAREST_LEN_MAX = 64,
};

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

struct near {
    struct slice *names;
    unsigned scores[16], count, max;
};

/* Keeps the nearest, in order; a name that is no more similar than a random one is left out. */
static void consider(struct near *near, struct slice wanted, struct slice name)
{
    unsigned most = (unsigned)wanted.len / 3 + 1, score, at = near->count;
    if (name.len > NEAREST_LEN_MAX || name.len > wanted.len + most || wanted.len > name.len + most)
        return;
    score = spelling_distance(wanted, name);
    if (score > most)
        return;
    while (at > 0 && near->scores[at - 1] > score)
        at--;
    if (at >= near->max)
        return;
    if (near->count < near->max)
        near->count++;
    for (unsigned i = near->count - 1; i > at; i--) {
        near->names[i] = near->names[i - 1];
        near->scores[i] = near->scores[i - 1];
    }
    near->names[at] = name;
    near->scores[at] = score;
}

unsigned config_nearest(const struct config *config, const struct user *user, struct slice name, struct slice *names, unsigned max)
{
    struct near near = {.names = names, .max = least(max, 16)};
    unsigned left = NEAREST_NAMES_MAX;
    bool full = name.len > 0 && memchr(name.ptr, '/', name.len) != NULL;
    if (name.len == 0 || name.len > NEAREST_LEN_MAX)
        return 0;
    for (unsigned i = 0; i < config->model_count && left > 0; i++, left--)
        if (user == NULL || user_may_use(user, config->models[i].name))
            consider(&near, name, config->models[i].name);
    for (unsigned i = 0; full && i < config->listed_target_count && left > 0; i++, left--)
        if (user == NULL || user_may_use(user, config->targets[i]->name))
            consider(&near, name, config->targets[i]->name);
    return near.count;
}

static bool leads_to(const struct model *model, const struct provider *provider)
{
    for (unsigned i = 0; i < model->target_count; i++)
        if (model->targets[i]->provider == provider)
            return true;
    return false;
}

bool config_may_name(const struct config *config, const struct user *user, const struct provider *provider)
{
    if (user == NULL || user_may_begin(user, provider->name))
        return true;
    for (unsigned p = 0; p < 3 && provider->vendor->prefix[p] != NULL; p++)
        if (user_may_begin(user, slice_of(provider->vendor->prefix[p])))
            return true;
    for (unsigned i = 0; i < config->model_count; i++)
        if (leads_to(&config->models[i], provider) && user_may_use(user, config->models[i].name))
            return true;
    return false;
}
