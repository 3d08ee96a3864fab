/* client.h -- the address of a client: the other end of its connection, or what the config's trusted `proxies` say.
 * SPDX-License-Identifier: MIT */
#ifndef GATEWAY_CLIENT_H
#define GATEWAY_CLIENT_H
#include "base/address.h"
#include "gateway/request.h"

/* Each proxy appends the address of its own client to X-Forwarded-For. So it is read from its end, past the trusted proxies: the first address
 * that is not one of them is the client's; what comes before it could be forged. The text is in `text`, or the exchange's. */
struct slice client_address(const struct config *config, const struct exchange *exchange, char text[ADDRESS_TEXT_SIZE]);
/* "10.0.0.1", computed once; loopback where there is no exchange (explain). */
struct slice request_client_address(struct request *request);
struct slice request_client_header(const struct request *request, const char *name); /* allow-listed names only; else empty */
#endif
