/* provider.h -- how dialects meet: one neutral conversation (struct chat), one neutral event (struct event), and a table
 * of functions per wire. Never a translator per pair.
 *
 * A *wire* is a dialect of HTTP bodies: "openai", "anthropic", "gemini", … It can stand on the client's side (read a request, write an answer)
 * and on the provider's side (write a request, read an answer); some stand on one side only. What is asked for is an *operation*: a chat, an
 * embedding, a count of tokens; each client wire asks for one. A *vendor* is a row of data: the wires it speaks and its quirks; its first wire carries
 * every conversation, the others only pass the bytes of clients of the same wire. Everything here is pure: bytes in, bytes out, no I/O, no clock, no lock.
 *
 * Text is raw. Every slice named *_raw, and the text of parts and events, is the inside of a JSON string as it stood there, still
 * escaped (base/json.h). Ids and names too. Tool arguments are raw as well: the JSON object's text, escaped once as in OpenAI's
 * `arguments` string (a wire that carries an object unescapes when it writes and escapes when it reads). Values that are whole JSON values are named *_json.
 *
 * Same wire on both sides: the client's bytes go on with the edits that facts/`wire->edits` declare; the answer's bytes go back as they came,
 * and the wire's reader only *taps* them (usage, finish, first content, errors).
 *
 * The headers: chat.h the neutral request, event.h the neutral answer, facts.h what one scan of a request says, vendor.h who is asked, wire.h the table
 * of functions, reader.h and writer.h the state of an answer on its way in and out, encode.h the state of a request on its way out with turns.h and
 * family.h. Client wires read requests with scan.h and take.h. All wires share failures.h, usage.h, names.h, calls.h and secrets.h. A wire includes this
 * file.
 * SPDX-License-Identifier: MIT */
#ifndef PROVIDERS_PROVIDER_H
#define PROVIDERS_PROVIDER_H
#include "providers/calls.h"
#include "providers/failures.h"
#include "providers/names.h"
#include "providers/secrets.h"
#include "providers/wire.h"
#endif
