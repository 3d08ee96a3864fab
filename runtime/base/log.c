/* log.c -- see log.h.
 *
 * Two buffers: callers append to one under a lock held for a memcpy, the writer takes it whole and writes without the lock. It is
 * woken only when it sleeps, and rests for a moment after each write so that a busy second costs a few writes and not thousands.
 * SPDX-License-Identifier: MIT */
#include "base/log.h"
#include "base/clock.h"
#include "base/json.h"
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { GATHER_MS = 20, CLOSE_MS = 1000, FIELDS_MAX = 64 * 1024 };

struct log {
    int fd;
    atomic_int level, format;
    pthread_t writer;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct buffer queue; /* guarded by lock */
    bool sleeping, closing;
    uint64_t dropped;      /* in all; guarded by lock */
    uint64_t unreported;   /* dropped since the last line that said so */
    uint64_t lost;         /* the writer's: lines that write(2) refused since the last line that said so */
    bool torn;             /* the writer's: what was written ends within a line */
    atomic_bool abandoned; /* by one side: no one reads, or the writer is through; the second one frees */
};

static enum log_format resolve(int fd, enum log_format format)
{
    return format != LOG_UNSET ? format : isatty(fd) ? LOG_TEXT : LOG_JSON;
}

/* ---------------------------------------------------------------- the writer */

/* -> how much of it was written: less than all on a closed pipe or a full disk. Those lines are lost, the requests are not. */
static size_t write_out(struct log *log, struct slice text)
{
    size_t done = 0;
    while (done < text.len && !atomic_load(&log->abandoned)) {
        ssize_t count = write(log->fd, text.ptr + done, text.len - done);
        if (count > 0) {
            done += (size_t)count;
        } else if (count < 0 && errno == EAGAIN) {
            struct pollfd fd = {log->fd, POLLOUT, 0};
            poll(&fd, 1, 100);
        } else if (count == 0 || errno != EINTR) {
            break;
        }
    }
    if (done > 0)
        log->torn = text.ptr[done - 1] != '\n';
    return done;
}

/* {"time":"…","level":"…","event":"…",…} as "time level event key=value …" for people. */
static void append_as_text(struct buffer *out, struct slice line)
{
    struct json json;
    struct slice key, value;
    json_init(&json, line, JSON_DEPTH_MAX);
    if (!json_object(&json)) {
        buffer_append_slice(out, line);
        return;
    }
    while (json_member(&json, &key) && json_skip(&json, &value)) {
        bool bare = json_raw_equals(key, LIT("time")) || json_raw_equals(key, LIT("level")) || json_raw_equals(key, LIT("event"));
        if (bare && value.len >= 2)
            value = (struct slice){value.ptr + 1, value.len - 2};
        if (out->len > 0 && out->ptr[out->len - 1] != '\n')
            buffer_append_byte(out, ' ');
        if (!bare) {
            buffer_append_slice(out, key);
            buffer_append_byte(out, '=');
        }
        buffer_append_slice(out, value);
    }
}

static struct slice as_text(struct buffer *out, struct slice lines)
{
    while (lines.len > 0) {
        const char *end = memchr(lines.ptr, '\n', lines.len);
        size_t len = end == NULL ? lines.len : (size_t)(end - lines.ptr);
        append_as_text(out, (struct slice){lines.ptr, len});
        buffer_append_byte(out, '\n');
        len += end == NULL ? 0 : 1;
        lines.ptr += len;
        lines.len -= len;
    }
    return buffer_slice(out);
}

static void append_dropped(struct buffer *out, uint64_t count)
{
    log_begin(out, clock_wall_us(), LOG_WARN, "log_lines_dropped");
    buffer_append_lit(out, ",\"count\":");
    buffer_append_int(out, (int64_t)count);
    buffer_append_byte(out, '}');
}

/* Says what write(2) refused, in front of what it may take again; a line that was torn is ended first. */
static bool write_lost(struct log *log, bool text)
{
    struct buffer line, out;
    if (log->lost == 0)
        return true;
    buffer_init(&line, 256);
    buffer_init(&out, 512);
    append_dropped(&line, log->lost);
    if (log->torn)
        buffer_append_byte(&out, '\n');
    if (text)
        append_as_text(&out, buffer_slice(&line));
    else
        buffer_append_slice(&out, buffer_slice(&line));
    buffer_append_byte(&out, '\n');
    bool done = write_out(log, buffer_slice(&out)) == out.len;
    if (done)
        log->lost = 0;
    buffer_free(&line);
    buffer_free(&out);
    return done;
}

/* -> how many of the lines are lost. */
static uint64_t write_lines(struct log *log, struct slice lines)
{
    bool text = atomic_load(&log->format) == LOG_TEXT;
    uint64_t lost = 0;
    struct buffer out;
    buffer_init(&out, 2 * (size_t)LOG_QUEUE_MAX);
    if (text)
        lines = as_text(&out, lines);
    for (size_t at = write_lost(log, text) ? write_out(log, lines) : 0; at < lines.len; at++)
        lost += lines.ptr[at] == '\n';
    log->lost += lost;
    buffer_free(&out);
    return lost;
}

static void gather(void)
{
    struct timespec moment = {0, GATHER_MS * 1000000L};
    nanosleep(&moment, NULL);
}

/* The lock is held. Whole lines or nothing. */
static bool enqueue(struct log *log, struct slice line)
{
    if (line.len >= log->queue.limit - log->queue.len)
        return false;
    buffer_append_slice(&log->queue, line);
    buffer_append_byte(&log->queue, '\n');
    return true;
}

/* The lock is held. True: nothing is missing in the log without a line that says so. */
static bool report_dropped(struct log *log)
{
    if (log->unreported == 0)
        return true;
    struct buffer line;
    buffer_init(&line, 256);
    append_dropped(&line, log->unreported);
    if (enqueue(log, buffer_slice(&line)))
        log->unreported = 0;
    buffer_free(&line);
    return log->unreported == 0;
}

static void free_log(struct log *log)
{
    buffer_free(&log->queue);
    pthread_mutex_destroy(&log->lock);
    pthread_cond_destroy(&log->wake);
    free(log);
}

static void *run(void *arg)
{
    struct log *log = arg;
    struct buffer taken;
    buffer_init(&taken, LOG_QUEUE_MAX);
    pthread_mutex_lock(&log->lock);
    while (!log->closing || log->queue.len > 0 || log->unreported > 0) {
        if (log->queue.len == 0 && log->unreported == 0) {
            log->sleeping = true;
            pthread_cond_wait(&log->wake, &log->lock);
            log->sleeping = false;
            continue;
        }
        struct buffer swap = log->queue;
        log->queue = taken;
        taken = swap;
        report_dropped(log); /* where the lines are missing: behind those taken, before those to come */
        bool closing = log->closing;
        pthread_mutex_unlock(&log->lock);
        uint64_t lost = write_lines(log, buffer_slice(&taken));
        buffer_clear(&taken);
        if (!closing)
            gather();
        pthread_mutex_lock(&log->lock);
        log->dropped += lost;
    }
    pthread_mutex_unlock(&log->lock);
    buffer_free(&taken);
    if (atomic_exchange(&log->abandoned, true)) { /* by the other side: the log is left to us */
        pthread_detach(pthread_self());
        free_log(log);
    }
    return NULL;
}

/* ---------------------------------------------------------------- life */

struct log *log_open(int fd, enum log_level level, enum log_format format)
{
    struct log *log = xcalloc(1, sizeof *log);
    log->fd = fd;
    atomic_init(&log->level, (int)level);
    atomic_init(&log->format, (int)resolve(fd, format));
    pthread_mutex_init(&log->lock, NULL);
    pthread_cond_init(&log->wake, NULL);
    buffer_init(&log->queue, LOG_QUEUE_MAX);
    /* Signals are for the threads that wait for them; and a pipe whose reader went away is an error of write(2) then, not the end. */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool started = pthread_create(&log->writer, NULL, run, log) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!started) {
        free_log(log);
        return NULL;
    }
    return log;
}

void log_close(struct log *log)
{
    struct timespec until;
    if (log == NULL)
        return;
    pthread_mutex_lock(&log->lock);
    log->closing = true;
    pthread_cond_signal(&log->wake);
    pthread_mutex_unlock(&log->lock);
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += CLOSE_MS / 1000;
    if (pthread_timedjoin_np(log->writer, NULL, &until) != 0) {
        if (!atomic_exchange(&log->abandoned, true))
            return; /* stuck in write(2) on a reader that stopped: the process is ending, or else the writer frees what is left */
        pthread_join(log->writer, NULL);
    }
    free_log(log);
}

bool log_wants(const struct log *log, enum log_level level)
{
    return log != NULL && (int)level >= atomic_load_explicit(&log->level, memory_order_relaxed);
}

void log_set_level(struct log *log, enum log_level level, enum log_format format)
{
    if (log == NULL)
        return;
    atomic_store(&log->level, (int)level);
    atomic_store(&log->format, (int)resolve(log->fd, format));
}

enum log_format log_format(const struct log *log)
{
    return log == NULL ? LOG_JSON : (enum log_format)atomic_load(&log->format);
}

uint64_t log_dropped(const struct log *log)
{
    struct log *own = (struct log *)log;
    if (log == NULL)
        return 0;
    pthread_mutex_lock(&own->lock);
    uint64_t dropped = own->dropped;
    pthread_mutex_unlock(&own->lock);
    return dropped;
}

/* ---------------------------------------------------------------- lines */

void log_line(struct log *log, struct slice line)
{
    if (log == NULL)
        return;
    pthread_mutex_lock(&log->lock);
    if (!report_dropped(log) || !enqueue(log, line)) {
        log->dropped++;
        log->unreported++;
    }
    if (log->sleeping) {
        log->sleeping = false; /* one wake-up is enough */
        pthread_cond_signal(&log->wake);
    }
    pthread_mutex_unlock(&log->lock);
}

void log_begin(struct buffer *out, int64_t wall_us, enum log_level level, const char *event)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};
    char time[25];
    size_t len = clock_format(wall_us, time);
    buffer_append_lit(out, "{\"time\":\"");
    buffer_append(out, time, len);
    buffer_append_lit(out, "\",\"level\":\"");
    buffer_append(out, names[level], strlen(names[level]));
    buffer_append_lit(out, "\",\"event\":\"");
    buffer_append(out, event, strlen(event));
    buffer_append_byte(out, '"');
}

static void put_field(struct buffer *out, const struct log_field *field)
{
    if (field->name == NULL)
        return buffer_append_slice(out, field->text);
    buffer_append_lit(out, ",\"");
    buffer_append_slice(out, slice_of(field->name));
    buffer_append_lit(out, "\":");
    if (field->is_number)
        buffer_append_int(out, field->number);
    else
        json_append_string(out, field->text);
}

void log_write_event(struct log *log, enum log_level level, const char *event, const struct log_field *fields, size_t count)
{
    struct buffer out;
    if (!log_wants(log, level))
        return;
    buffer_init(&out, 2 * FIELDS_MAX);
    log_begin(&out, clock_wall_us(), level, event);
    size_t head = out.len;
    for (size_t i = 0; i < count; i++)
        put_field(&out, &fields[i]);
    if (out.overflow || out.len - head > FIELDS_MAX) { /* cut JSON would be no JSON */
        out.len = head;
        out.overflow = false;
    }
    buffer_append_byte(&out, '}');
    log_line(log, buffer_slice(&out));
    buffer_free(&out);
}

void log_now(enum log_format format, enum log_level level, const char *event, const char *message)
{
    struct buffer out;
    buffer_init(&out, FIELDS_MAX);
    if (resolve(STDERR_FILENO, format) == LOG_TEXT) {
        buffer_printf(&out, "gateway: %s\n", message);
    } else {
        log_begin(&out, clock_wall_us(), level, event);
        buffer_append_lit(&out, ",\"message\":");
        json_append_string(&out, slice_of(message));
        buffer_append_lit(&out, "}\n");
    }
    for (size_t at = 0; at < out.len;) {
        ssize_t count = write(STDERR_FILENO, out.ptr + at, out.len - at);
        if (count <= 0)
            break; /* there is nowhere else to say it */
        at += (size_t)count;
    }
    buffer_free(&out);
}

int log_no_start(enum log_format format, int status, const char *why, ...)
{
    char message[1024];
    va_list args;
    va_start(args, why);
    vsnprintf(message, sizeof message, why, args);
    va_end(args);
    log_now(format, LOG_ERROR, "start", message);
    return status;
}
