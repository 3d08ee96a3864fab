/* must_use.h -- results that must not be ignored: what says that something failed, and what the caller owns.
 * SPDX-License-Identifier: MIT */
#ifndef BASE_MUST_USE_H
#define BASE_MUST_USE_H
#define MUST_USE __attribute__((warn_unused_result))
#endif
