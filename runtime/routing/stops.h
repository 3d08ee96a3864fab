/* stops.h -- decides when a function that keeps using up its budget is switched off for a while. Pure: time is an argument.
 *
 * Each stop costs every request of its worker some milliseconds, so a function that is stopped repeatedly is not called for a minute. One user alone must
 * not cause that for all: where at least three users are known, it takes stops for three of them within a minute, and for a tenth of that minute's calls;
 * where fewer are known, it takes three stops and half of the calls.
 * SPDX-License-Identifier: MIT */
#ifndef ROUTING_STOPS_H
#define ROUTING_STOPS_H
#include "shared/keyring.h"

enum { STOPS_USERS = 3, STOPS_LEAST = 3, STOPS_SLOTS = 6 };

/* Zeroed: nothing was called yet. */
struct stops {
    struct {
        int64_t began_us;
        unsigned calls, stopped;
    } slots[STOPS_SLOTS]; /* ten seconds each, a ring */
    struct {
        uint64_t user;
        int64_t at_us;
    } users[STOPS_USERS]; /* the last ones that were stopped, each once */
    unsigned user_count;
    int64_t off_until_us;
};

/* The function is being called. */
void stops_called(struct stops *stops, int64_t now_us);
/* The function was stopped while it worked for `user` (any number that identifies the user); `known`: users in all. True: it is off from now. */
bool stops_add(struct stops *stops, uint64_t user, unsigned known, int64_t now_us);
/* The same for one of `users`; `user` NULL: a caller without a key. */
bool stops_add_user(struct stops *stops, const struct user *user, const struct user *users, unsigned user_count, int64_t now_us);
/* For how long it is not to be called; 0: it may be. */
int64_t stops_off_us(const struct stops *stops, int64_t now_us);
#endif
