/* model_name.h -- what a model may be called: what providers, proxies and patterns of keys read alike.
 * SPDX-License-Identifier: MIT */
#ifndef CONFIG_MODEL_NAME_H
#define CONFIG_MODEL_NAME_H
#include "base/bytes.h"

/* False: it has an empty, "." or ".." segment ("lab/good/../secret" is another model than the pattern "lab/good*" shows), a control byte, or a byte
 * that no UTF-8 has; also where these are percent-encoded, in any number of layers, and with backslashes for slashes. Pure; linear in its length. */
bool model_name_is_plain(struct slice name);
/* "gpt-4o-2024-08-06" and "claude-haiku-4-5-20251001" without their dates; empty when there is none. */
struct slice model_name_without_date(struct slice name);
#endif
