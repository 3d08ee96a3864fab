/* chat_check.h -- whether a conversation is complete enough to be written in another dialect, whichever that is.
 * SPDX-License-Identifier: MIT */
#ifndef PROVIDERS_CHAT_CHECK_H
#define PROVIDERS_CHAT_CHECK_H
#include "providers/chat.h"

/* False: *complaint names what is missing, in the words of the wire that read it (chat->wire). A choice of tools where there are none is left out, and
 * named in chat->dropped. */
MUST_USE bool chat_check(struct chat *chat, struct arena *arena, struct complaint *complaint);
#endif
