/* config_private.h -- what config.c and made.c share: targets as they are when nothing is said of them. Private to the two.
 * SPDX-License-Identifier: MIT */
#ifndef CONFIG_CONFIG_PRIVATE_H
#define CONFIG_CONFIG_PRIVATE_H
#include "config/config.h"

/* ---- config.c: `target` is zeroed but for its index; its texts go into `arena`. False: that is full. */
MUST_USE bool config_fill_target(struct config *config, struct target *target, struct arena *arena, struct provider *provider,
                                 struct slice model);
/* What is known of a dated version is what is known of its model without the date. */
void config_take_dated_facts(struct config *config, struct target *target);
MUST_USE bool config_fill_heads(struct target *target, struct arena *arena);

/* ---- made.c */
MUST_USE struct made_table *made_table_new(void);
void made_table_free(struct config *config);
/* The made target of this name, from now on held by `holds`; or one that only looks like it (config.h). NULL: there is no room. */
struct target *made_target(struct config *config, struct provider *provider, struct slice model, struct holds *holds);
#endif
