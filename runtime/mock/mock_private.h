/* mock_private.h -- what the files of the mock provider share: a request as read, an answer as a script, the ledger.
 *
 *      mock.c  the server          mock/http.c, mock/call.c  bytes -> request -> struct mock_call
 *      mock/answer.c, mock/wire.c  call -> script (a good answer)      mock_fault*.c  model name -> script (a bad one)
 *      mock/ledger.c  rows         mock/command.c  the program's command
 *
 * A script is an answer laid out in time: bytes, cut into pieces with a wait before each, and what happens at the end. Every fault is a
 * change to a script, so the server knows nothing of faults. All but mock.c and mock/command.c is pure: no sockets, no clock.
 * SPDX-License-Identifier: MIT */
#ifndef MOCK_MOCK_PRIVATE_H
#define MOCK_MOCK_PRIVATE_H
#include "base/bytes.h"
#include "base/json.h"
#include "mock/mock.h"
#include <stdio.h>

struct mock_settings {
    int port;     /* 0: any */
    bool pages;   /* GET /__ledger, GET /__stats, POST /__reset: for specs. Every process on the machine can read them */
    bool ledger;  /* keep rows, at most 100,000 */
    bool close;   /* one request a connection: every answer says "Connection: close" */
    bool hang_up; /* a second port, where connections are accepted and reset at once */
    /* Bench: requests are not parsed, replies are made once. */
    bool bench;
    unsigned delay_ms, events, gap_ms, reply_bytes; /* before the first byte; SSE deltas; between two; of a whole answer's text */
};

/* ---------------------------------------------------------------- bytes of a request: mock/http.c */

enum { MOCK_REQUEST_MAX = 40 * 1024 * 1024, MOCK_HEAD_MAX = 64 * 1024 };
enum mock_read { MOCK_WHOLE, MOCK_MORE, MOCK_TOO_LARGE, MOCK_MALFORMED };

struct mock_http {
    struct buffer in;
    size_t head_len, body_len; /* of the first request in `in`; head_len 0: not whole yet. A chunked body is unwrapped in place */
    size_t chunk_at;           /* where the next chunk's size line stands */
    bool chunked, close_after;
};

void mock_http_init(struct mock_http *http);
enum mock_read mock_http_read(struct mock_http *http); /* again whenever bytes were added */
void mock_http_next(struct mock_http *http);           /* the first request is done with */
struct slice mock_http_header(const struct mock_http *http, struct slice name);
struct slice mock_http_path(const struct mock_http *http);

/* ---------------------------------------------------------------- a request */

enum mock_dialect { MOCK_OPENAI, MOCK_ANTHROPIC };
enum { MOCK_STOPS_MAX = 4, MOCK_TOOLS_MAX = 8, MOCK_N_MAX = 8, MOCK_ECHO_MAX = 8000 };
enum mock_last { MOCK_LAST_NONE, MOCK_LAST_USER, MOCK_LAST_TOOL, MOCK_LAST_OTHER };

struct mock_call {
    enum mock_dialect dialect;
    uint64_t number;               /* counts requests: ids are made of it */
    int64_t created;               /* seconds */
    struct slice auth, request_id; /* headers, borrowed */
    char model[96];                /* plain, without "mock/"; cut when longer */
    bool well_formed;              /* the body is a JSON object with a model and messages */
    bool stream, include_usage;
    int64_t max_tokens; /* -1: not given */
    unsigned n;
    struct buffer stops[MOCK_STOPS_MAX];
    unsigned stop_count;
    struct buffer last_text; /* of the last user or tool message, at most MOCK_ECHO_MAX bytes */
    enum mock_last last;
    int64_t words; /* in all messages: the prompt's tokens */
    unsigned images;
    struct slice tools, tool_choice, format; /* raw JSON, or SLICE_NONE */
};

void mock_call_init(struct mock_call *call);
void mock_call_free(struct mock_call *call);
/* Fills everything that stands in the body. False: not a request of this dialect (well_formed tells specs the same). */
MUST_USE bool mock_call_read(struct mock_call *call, struct slice body);
/* The model named in the beginning of a body, before the rest has come: for faults that do not read on. */
struct slice mock_peek_model(struct slice body);
/* What a model's name says of its behaviour: all before "@". What follows is a label, so that many targets can behave alike. */
struct slice mock_behaviour(struct slice model);
/* A number behind `prefix`, as in "slow-250". False: another name. */
bool mock_number_after(struct slice name, struct slice prefix, int64_t *number);
int64_t mock_count_words(struct slice text);

/* ---------------------------------------------------------------- a script */

enum mock_end {
    MOCK_KEEP,   /* the connection stays open for the next request */
    MOCK_CLOSE,  /* FIN: the answer is cut */
    MOCK_LEAVE,  /* FIN behind an answer that was whole */
    MOCK_RESET,  /* RST */
    MOCK_STALL,  /* nothing more, for ever */
    MOCK_REPEAT, /* the last piece again and again */
};

struct mock_piece {
    size_t end;       /* its bytes end here in script->bytes */
    unsigned wait_ms; /* before it is sent */
    unsigned tokens;  /* words of the model in it: what a provider would bill */
    bool event;       /* one event of a stream */
    bool content;     /* an event that carries content */
    bool marker;      /* the event that ends the wire's stream */
    bool apart;       /* sent by itself, not together with what stands before it */
};

struct mock_script {
    struct buffer bytes, scratch;
    struct mock_piece *pieces;
    unsigned count, cap;
    int status;
    enum mock_end end;
    bool chunked;
    bool close; /* answers say "Connection: close" */
};

void mock_script_init(struct mock_script *script);
void mock_script_free(struct mock_script *script);
void mock_script_clear(struct mock_script *script);               /* all but `close` */
struct mock_piece *mock_script_piece(struct mock_script *script); /* the bytes since the last one become a piece */
/* Head of a stream; then events: write into script->scratch, then mock_script_event; then the last chunk. */
void mock_script_begin_stream(struct mock_script *script);
struct mock_piece *mock_script_event(struct mock_script *script);
void mock_script_end_stream(struct mock_script *script);
/* A whole answer out of script->scratch: head, and the body in two halves. `headers`: more lines, each with CRLF. */
void mock_script_whole(struct mock_script *script, int status, const char *headers, unsigned tokens);

/* ---------------------------------------------------------------- answers */

/* A neutral answer: text, or tool calls. */
struct mock_reply {
    struct buffer text;
    struct {
        struct slice name; /* raw */
        struct buffer arguments;
    } tools[MOCK_TOOLS_MAX];
    unsigned tool_count;
    const char *finish; /* OpenAI's names: stop, length, tool_calls */
    struct slice stopped_by;
    int64_t words; /* completion tokens of one choice */
    bool no_usage;
    unsigned huge_bytes; /* >0: one more event this large */
};

/* What a good provider would say. */
void mock_reply_make(struct mock_reply *reply, const struct mock_call *call);
void mock_reply_free(struct mock_reply *reply);
/* What all connections play in bench mode: by dialect, stream and include_usage (bits 4, 2, 1 of the index). */
enum { MOCK_BENCH_SCRIPTS = 8 };
void mock_bench_make(struct mock_script scripts[MOCK_BENCH_SCRIPTS], const struct mock_settings *settings);
/* mock/wire.c: the reply in the caller's dialect, whole or streamed. */
void mock_wire_answer(const struct mock_call *call, const struct mock_reply *reply, struct mock_script *script);
/* An error in the vendor's shape, with its status. `code` NULL: what goes with the status. */
void mock_wire_error_body(const struct mock_call *call, int status, const char *code, struct slice message, struct buffer *out);
void mock_wire_error(const struct mock_call *call, int status, const char *code, struct slice message, const char *headers,
                     struct mock_script *script);
/* mock/embeddings.c: the answer to a request for embeddings. */
void mock_embed(const struct mock_call *call, struct slice body, struct mock_script *script);
void mock_wire_models(struct buffer *out);

/* ---------------------------------------------------------------- faults */

struct mock_fault;

/* One use of a fault: the script holds the good answer to the call. */
struct mock_case {
    const struct mock_fault *fault;
    const struct mock_call *call;
    struct mock_script *script;
    int64_t number; /* behind the fault's name; 0: none */
};

/* An event of a stream, to be written in another form. */
struct mock_event {
    struct slice text;
    unsigned number; /* from 0 */
    bool is_last;
};

struct mock_fault {
    const char *name; /* behind "fault-"; a number may follow */
    void (*apply)(const struct mock_case *c);
    /* Data for `apply`; what a function does not read stays unset. */
    struct slice text;  /* bytes it sends, or an error's message */
    struct slice again; /* bytes that it repeats */
    int status;
    const char *code;    /* an error's code; NULL: what goes with the status */
    const char *headers; /* more lines, each with CRLF */
    unsigned events;     /* how many are sent before it; 0: the number behind the name */
    void (*rewrite)(const struct mock_event *event, struct buffer *out);
    enum mock_end end;
    bool marker; /* the stream's marker follows */
    bool early;  /* does not wait for the request's body */
};

/* Tables, each ended by a row without a name: mock/fault_framing.c, mock/fault_stream.c; the others are mock/fault.c's. */
extern const struct mock_fault mock_faults_of_framing[], mock_faults_of_streams[];

/* Keeps the first `count` pieces. */
void mock_keep_pieces(struct mock_script *script, int64_t count, enum mock_end end);
/* How many pieces hold the head and `events` events, or half the body. */
int64_t mock_with_events(const struct mock_script *script, int64_t events);
/* Puts bytes in the place of the whole answer. */
void mock_replace(struct mock_script *script, struct slice bytes, int status, enum mock_end end);
/* Two segments: `at` bytes, and a moment later the rest. */
void mock_split(struct mock_script *script, int64_t at);
/* What a piece says, without the framing of its chunk. */
struct slice mock_piece_text(const struct mock_script *script, unsigned piece);

/* True: this fault does not wait for the body. */
bool mock_fault_is_early(struct slice model);
/* True: "once-..." or "first-K-...": the server counts these (mock_ledger_seen). */
bool mock_fault_is_limited(struct slice model);
/* Makes the script for this call, with the fault its model names. `seen`: how many requests a limited name has had, with this one. */
void mock_fault_script(const struct mock_call *call, uint64_t seen, struct mock_script *script);

/* ---------------------------------------------------------------- the server: mock.c */

struct mock;

/* Owns stop_fd, also where it fails. `ledger`: each row is appended to it as a JSON line when it is complete; NULL: no. NULL: it cannot listen, errno. */
MUST_USE struct mock *mock_new(const struct mock_settings *settings, int stop_fd, FILE *ledger);
void mock_serve(struct mock *mock); /* until stop_fd can be read */
void mock_free(struct mock *mock);
int mock_port(const struct mock *mock);
int mock_hang_up_port(const struct mock *mock);

/* ---------------------------------------------------------------- the ledger */

enum mock_outcome { MOCK_OPEN, MOCK_SERVED, MOCK_CUT, MOCK_WAS_RESET, MOCK_STALLED, MOCK_CLIENT_CLOSED };

struct mock_row {
    uint64_t number;
    int64_t wall_us, ended_us;
    uint64_t connection; /* which connection it came on, counted from 1 */
    uint64_t bytes_in, tokens, events;
    int status; /* given; 0: none */
    bool stream;
    enum mock_outcome outcome;
    char path[32], model[64], request_id[64], auth[5]; /* auth: the last four characters */
};

enum { MOCK_LEDGER_MAX = 100000, MOCK_NAMES_MAX = 1024 };

struct mock_ledger {
    struct mock_row *rows; /* a ring; grows up to MOCK_LEDGER_MAX */
    size_t cap;
    uint64_t total;     /* rows ever added */
    uint64_t forgotten; /* of these, before the last reset */
    FILE *file;         /* not owned */
    struct {
        uint64_t hash, seen;
    } names[MOCK_NAMES_MAX]; /* how often a "once-" model was asked for */
};

void mock_ledger_init(struct mock_ledger *ledger, FILE *file);
void mock_ledger_free(struct mock_ledger *ledger);
void mock_ledger_reset(struct mock_ledger *ledger);
struct mock_row *mock_ledger_add(struct mock_ledger *ledger, uint64_t *index);
struct mock_row *mock_ledger_at(struct mock_ledger *ledger, uint64_t index); /* NULL: pushed out meanwhile, or reset */
void mock_ledger_end(struct mock_ledger *ledger, uint64_t index, enum mock_outcome outcome, int64_t wall_us);
void mock_ledger_write(const struct mock_ledger *ledger, struct slice model, struct buffer *out); /* model empty: all */
uint64_t mock_ledger_seen(struct mock_ledger *ledger, struct slice model);                        /* counts this one */
#endif
