/* compare.c -- how Lua compares texts: byte by byte, and the policy that asks pays for it.
 *
 * For `<` on two texts Lua consults no metamethod: it calls strcoll for what stands before the first zero byte, then strlen, then again for what
 * stands before the next one. So a text of 200 KB of zero bytes is 200,000 calls for one instruction, which no count of instructions sees: a loop of
 * such comparisons held a worker for minutes. And by strcoll the order would depend on the machine's locale.
 * The program therefore has its own strcoll, found by liblua before the C library's, as recv() is by libmicrohttpd (net/guard.c). It costs the call in
 * progress a step for each piece and one for every few bytes, and once the budget is used up it says "different", which ends Lua's walk at once: what comes
 * out then is wrong, and no one sees it, since the call is over at its next instruction.
 * Under plain lua5.4 (busted) Lua is bound to the C library's: there the CPU clock stops such a loop alone.
 * SPDX-License-Identifier: MIT */
#include "lua/call.h"

enum { BYTES_PER_STEP = 8 };

/* The name is given by hand: a function of that name is built into the compiler. */
int compare_texts(const char *a, const char *b) __asm__("strcoll") __attribute__((visibility("default"), used));
int compare_texts(const char *a, const char *b)
{
    size_t at = 0;
    while (a[at] == b[at] && a[at] != '\0')
        at++;
    if (!call_spend_comparing(1 + at / BYTES_PER_STEP))
        return 1;
    return (unsigned char)a[at] - (unsigned char)b[at];
}
