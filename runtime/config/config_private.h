/* config_private.h -- what config.c and made.c share: targets with default facts. Private to the two.
 * SPDX-License-Identifier: MIT */
#ifndef CONFIG_CONFIG_PRIVATE_H
#define CONFIG_CONFIG_PRIVATE_H
#include "config/config.h"

/* ---- config.c: `target` is zeroed but for its index; its texts go into `arena`. False: that is full. */
MUST_USE bool config_fill_target(struct config *config, struct target *target, struct arena *arena, struct provider *provider,
                                 struct slice model);
/* A dated version has the facts of the model without the date. */
void config_take_dated_facts(struct config *config, struct target *target);
MUST_USE bool config_fill_heads(struct target *target, struct arena *arena);

/* ---- made.c */
MUST_USE struct made_table *made_table_new(void);
void made_table_free(struct config *config);
/* The on-demand target of this name, held by `holds`; with only_looks a description (config.h). NULL: every place is held, or the arena is full. */
struct target *made_target(struct config *config, struct provider *provider, struct slice model, struct holds *holds);
#endif
