/* usage.c -- what an answer cost, in integers.
 * SPDX-License-Identifier: MIT */
#include "base/json.h"
#include "providers/usage.h"

/* Adds tokens * price. False: more than can be counted. */
static bool add(int64_t *sum, int64_t tokens, int64_t price)
{
    int64_t part;
    if (tokens <= 0 || price <= 0)
        return true;
    return !__builtin_mul_overflow(tokens, price, &part) && !__builtin_add_overflow(*sum, part, sum);
}

const int64_t *price_rates(const int64_t *price, int64_t prompt)
{
    return price[PRICE_ABOVE] > 0 && prompt > price[PRICE_ABOVE] ? price + PRICE_LONG : price;
}

int64_t usage_cost_pico(const struct usage *usage, const int64_t *price)
{
    int64_t sum = 0;
    if (usage->billed)
        return usage->cost_pico; /* who sends the bill knows best */
    if (price != NULL)
        price = price_rates(price, usage_count(usage->input) + usage_count(usage->cache_read) + usage_count(usage->cache_write));
    if (!usage->known || price == NULL || price[PRICE_INPUT] < 0 || (price[PRICE_OUTPUT] < 0 && usage->output > 0))
        return -1; /* embeddings have no output to be priced */
    /* A cache without a price of its own costs what plain input costs. */
    int64_t read = price[PRICE_CACHE_READ] < 0 ? price[PRICE_INPUT] : price[PRICE_CACHE_READ];
    int64_t write = price[PRICE_CACHE_WRITE] < 0 ? price[PRICE_INPUT] : price[PRICE_CACHE_WRITE];
    bool counted = add(&sum, usage->input, price[PRICE_INPUT]) && add(&sum, usage->output, price[PRICE_OUTPUT]) &&
                   add(&sum, usage->cache_read, read) && add(&sum, usage->cache_write, write);
    return counted ? sum : -1;
}

void usage_take_count(struct slice object, const char *name, int64_t *into)
{
    int64_t count = json_find_count(object, name);
    if (count >= 0)
        *into = count;
}

void usage_make_disjoint(struct usage *usage)
{
    int64_t *const cached[] = {&usage->cache_read, &usage->cache_write};
    for (unsigned i = 0; i < 2 && usage->input >= 0; i++) {
        if (*cached[i] > usage->input)
            *cached[i] = usage->input;
        usage->input -= usage_count(*cached[i]);
    }
    if (usage->reasoning > usage->output)
        usage->reasoning = usage->output;
}

int64_t usage_total(const struct usage *usage)
{
    return usage_count(usage->input) + usage_count(usage->cache_read) + usage_count(usage->cache_write) + usage_count(usage->output);
}

bool usage_adds_up(const struct usage *usage)
{
    return usage->total < 0 || usage->total == usage_total(usage);
}
