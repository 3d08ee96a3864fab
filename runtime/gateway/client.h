/* client.h -- where a client is: the other end of its connection, or what proxies that the config believes (`proxies`) say of it.
 * SPDX-License-Identifier: MIT */
#ifndef GATEWAY_CLIENT_H
#define GATEWAY_CLIENT_H
#include "base/address.h"
#include "gateway/request.h"

/* Each proxy appends the address it was asked from to X-Forwarded-For. So it is read from its end for as long as a proxy of ours speaks: the first
 * address that is none of theirs is the client's; what stands before it anyone may have written. The text is in `room`, or the exchange's. */
struct slice client_address(const struct config *config, const struct exchange *exchange, char room[ADDRESS_TEXT_SIZE]);
/* "10.0.0.1", once worked out; loopback where there is no exchange (explain). */
struct slice request_client_address(struct request *request);
struct slice request_client_header(const struct request *request, const char *name); /* allow-listed names only; else empty */
#endif
