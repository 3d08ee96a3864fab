/* stops.h -- when a function that uses up its budget is left alone for a while. Pure: time is an argument.
 *
 * Each stop costs every request of its worker some milliseconds, so a function that is stopped again and again is not called for a minute. One user must
 * not bring that about for all: where at least three users are known, three of them must have been stopped within a minute, and a tenth of that minute's
 * calls; where fewer are known it takes three stops and half of the calls.
 * SPDX-License-Identifier: MIT */
#ifndef ROUTING_STOPS_H
#define ROUTING_STOPS_H
#include "shared/keyring.h"

enum { STOPS_USERS = 3, STOPS_LEAST = 3, STOPS_SLOTS = 6 };

/* All zero: nothing was called yet. */
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

/* It is being called. */
void stops_called(struct stops *stops, int64_t now_us);
/* It was stopped, for this user (any number that is the user's own) of `known` in all. True: that was once too often, and it is off from now. */
bool stops_add(struct stops *stops, uint64_t user, unsigned known, int64_t now_us);
/* The same for a user of these (NULL: a caller without a key). */
bool stops_add_user(struct stops *stops, const struct user *user, const struct user *users, unsigned user_count, int64_t now_us);
/* For how long it is not to be called; 0: it may be. */
int64_t stops_off_us(const struct stops *stops, int64_t now_us);
#endif
