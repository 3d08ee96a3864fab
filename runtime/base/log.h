/* log.h -- one JSON object a line, written by a thread of its own so that a stopped reader never stops a request.
 *
 * A line is put together in the caller's buffer and handed over whole. The queue is bounded (LOG_QUEUE_MAX); what does not fit is
 * dropped and counted, and the next line that fits says how many. Lines that a full disk refuses are counted too; a line that was written in part is ended first.
 * Secrets never reach this file: callers pass typed fields.
 * SPDX-License-Identifier: MIT */
#ifndef BASE_LOG_H
#define BASE_LOG_H
#include "base/bytes.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };
enum log_format { LOG_JSON, LOG_TEXT, LOG_UNSET }; /* LOG_UNSET: text where the descriptor is a terminal, else JSON */
enum { LOG_QUEUE_MAX = 4 * 1024 * 1024 };

struct log;

/* Starts the writer thread on `fd` (not owned). */
MUST_USE struct log *log_open(int fd, enum log_level level, enum log_format format);
void log_close(struct log *log);                             /* writes what is queued (waits at most 1 s), joins */
bool log_wants(const struct log *log, enum log_level level); /* any thread */
void log_set_level(struct log *log, enum log_level level, enum log_format format);
enum log_format log_format(const struct log *log); /* LOG_JSON or LOG_TEXT */
/* Hands over one line without its newline. Any thread; never blocks on the reader. */
void log_line(struct log *log, struct slice line);
/* A field of a line, by log_text, log_number or log_members. */
struct log_field {
    const char *name; /* NULL: `text` is JSON members already, each with a comma before it */
    struct slice text;
    int64_t number;
    bool is_number;
};

static inline struct log_field log_text(const char *name, struct slice text)
{
    return (struct log_field){.name = name, .text = text};
}

static inline struct log_field log_number(const char *name, int64_t number)
{
    return (struct log_field){.name = name, .number = number, .is_number = true};
}

static inline struct log_field log_members(struct slice members)
{
    return (struct log_field){.text = members};
}

/* {"time":…,"level":…,"event":"event", and the fields}. Not for the hot path. When the fields are too long together, they are left out. */
#define log_event(log, level, event, ...)                                                                                                  \
    log_write_event(log, level, event, (const struct log_field[]){__VA_ARGS__},                                                            \
                    sizeof((const struct log_field[]){__VA_ARGS__}) / sizeof(struct log_field))
void log_write_event(struct log *log, enum log_level level, const char *event, const struct log_field *fields, size_t count);
/* Opens a line in `out`: {"time":"…","level":"info","event":"…"  -- the caller appends ,"name":value members and "}". */
void log_begin(struct buffer *out, int64_t wall_us, enum log_level level, const char *event);
uint64_t log_dropped(const struct log *log);
/* One line written to standard error at once, of any level: for messages before there is a log, or when the process must end. Text: "gateway: message";
 * JSON: a line of the log with `message`. */
void log_now(enum log_format format, enum log_level level, const char *event, const char *message);
/* Says with log_now why the program does not start. Returns `status`, for the program to exit with. */
int log_no_start(enum log_format format, int status, const char *why, ...) __attribute__((format(printf, 3, 4)));
#endif
