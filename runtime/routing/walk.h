/* walk.h -- how a plan is carried out: retries, hedges, fallback, deadlines and the attempt budget, as one pure state machine.
 *
 * Decided elsewhere and passed in: which steps the plan has and which of them are hopeless (before walk_plan), whether there are attempts to spare
 * (shared/model_stats.h; settings.frugal), and whether another key of the same target is worth an attempt (gateway/attempt_end.c; failure.other_key).
 * It opens no socket, reads no clock and calls nothing back. The worker (and specs, gateway.testing) reports each event with
 * `now`, then calls walk_next until it returns false and carries out the actions:
 *
 *      walk_begin ── walk_plan ──► START ─► events of that attempt ─► COMMIT (streamed: first content) ─► ANSWER (complete)
 *                        ▲                        │ failure                                      └──► FAIL (cut after commit)
 *                        │                        ▼
 *                        │       same step again (retries, back-off) while allowed
 *                        │                        ▼ nothing is in flight any more
 *                        └──── recover's plan ◄─ ASK ──(walk_give_up: no plan)──► FAIL
 *
 * Rules it keeps: one attempt budget and one total deadline per request, over retries, hedges and fallbacks; nothing is
 * committed before first content; after commit nothing is tried again; a target that failed is never started again in this
 * request except by its step's own retries; the loser of a hedge is cancelled.
 * Uncertain attempts: the provider may have carried the request out (the failure is uncertain, or the answer was cut before the commit). After one, another
 * starts, at any target, only with replay_uncertain; after two, none: no caller pays for more than one replay.
 * A hedge sends twice on purpose, so it needs replay_uncertain too, and no uncertain failure before it.
 * ASK comes only where a START would be allowed; otherwise a failure ends in FAIL, unasked.
 * Stale connections: an attempt that fails with UNAVAILABLE on a reused connection, before any byte of the answer, is repeated at once on a fresh one, once per
 * step, without using up the step's retries (the budget and the rule above hold). Where the request had been sent whole, the repetition is the one replay
 * that is allowed: where the plan names another target (and `fallback` is set), that target gets it.
 * Deadlines are examined when WALK_TIME comes: an event that was reported before it wins. connect and tls apply until the next
 * event; headers from READY to HEADERS (which also catches a peer that does not read); first_token, streams only, from START to
 * first content; idle between bytes: of a stream after its first content, of a body that is not streamed after its head; timeout and total
 * always. A deadline that passes makes CANCEL, and a TIMEOUT failure with a message like "deadline first_token passed".
 * A refusal counts from its head on: after REFUSED the attempt has WALK_REFUSAL_US, or until its other deadlines where they are nearer, to read the body.
 * Then walk_is_due is true, and the caller reports FAILED with what it has, before it reports TIME.
 * A PING is not a deadline and moves none: it concerns the client only, not the provider.
 * A client that leaves before the first content (of a body that is not streamed: before its head) cancels everything. Later the attempt is read on for
 * WALK_LEFT_US at most, because the usage comes at its end; however it ends, OVER follows.
 * Times are microseconds, monotonic, above 0.
 * SPDX-License-Identifier: MIT */
#ifndef ROUTING_WALK_H
#define ROUTING_WALK_H
#include "base/failure.h"

enum { WALK_ATTEMPTS_MAX = 8, PLAN_STEPS_MAX = 32, WALK_REFUSAL_US = 1000000, WALK_LEFT_US = 2000000 };

/* One step of a plan. */
struct step {
    unsigned target;        /* index of a target in the config of this generation */
    int64_t first_token_us; /* 0: the settings' */
    int64_t timeout_us;     /* each attempt of this step as a whole; 0: none but total. Firing it leaves failure.deadline NONE */
    int64_t hedge_after_us; /* start the next step as well when no content came by then; 0: never. At most two run at a time */
    unsigned retries;       /* more attempts at this very target, after a back-off */
};

struct plan {
    struct step steps[PLAN_STEPS_MAX];
    unsigned count;
};

/* What the config says, for this request. */
struct walk_settings {
    unsigned attempts;     /* in all: 1 .. WALK_ATTEMPTS_MAX, clamped */
    bool stream;           /* commit at first content; otherwise at the complete answer */
    bool replay_uncertain; /* after an attempt that may have been done one more may follow */
    bool fallback;         /* another target may be asked */
    bool hedge;            /* hedging is allowed for this request. The caller keeps it up to date, like frugal */
    bool frugal;           /* no attempts to spare: neither retries nor hedges. The caller keeps it up to date */
    int64_t connect_us, tls_us, headers_us, first_token_us, idle_us, total_us; /* 0: no such deadline */
    int64_t backoff_base_us, backoff_max_us;                                   /* full jitter: random(0, min(max, base * 2^n)) */
    int64_t retry_after_max_us; /* a longer hint means: do not retry this target. A hint within it: wait no less */
    int64_t ping_us;            /* how long a committed client may be sent nothing before a ping is due; 0: no pings */
    uint64_t seed;              /* for the jitter */
};

enum walk_event_kind {
    WALK_CONNECTED, /* TCP is there; TLS begins if the target speaks it. Steps may be left out, never reported backwards */
    WALK_READY,     /* the connection can carry the request (also at once for a pooled one) */
    WALK_SENT,      /* the last byte of the request left */
    WALK_HEADERS,   /* a 2xx head came */
    WALK_REFUSED,   /* another head came: FAILED follows when its body is read, or walk_is_due */
    WALK_CONTENT,   /* streamed: first text, reasoning, tool or refusal delta, or the finish */
    WALK_CHUNK,     /* more bytes: keeps the idle deadline away */
    WALK_DONE,      /* the answer is complete by the provider's own end marker (not streamed: whole and parsed) */
    WALK_FAILED,    /* `failure` says how; also for a refusal, an error event, an incomplete answer */
    WALK_TIME,      /* no attempt: the time asked for with WAKE has come (early or late calls do no harm) */
    WALK_GONE,      /* no attempt: the client left */
    WALK_STOP,      /* no attempt: nothing is wanted any more, at once */
};

struct walk_event {
    enum walk_event_kind kind;
    unsigned attempt;       /* the number START gave */
    bool reused;            /* for WALK_FAILED: the connection had carried another request before */
    bool wrote;             /* for WALK_CHUNK: something went on to the client */
    struct failure failure; /* for WALK_FAILED; slices must live as long as the walk */
};

enum walk_action_kind {
    ACTION_START,  /* begin `attempt` at `target`; `fresh`: not on a pooled connection */
    ACTION_CANCEL, /* `attempt` is not wanted any more (hedge lost, deadline, client gone): close its connection; report nothing.
                    * Its state says which: FAILED (a deadline: `failure` counts for health) or CANCELLED (neutral) */
    ACTION_WAKE,   /* call again with WALK_TIME at `at_us` or a little later; replaces any earlier WAKE. Void once the walk is over */
    ACTION_PING,   /* the client was sent nothing for ping_us since the commit: send it a keep-alive. As often as it is due */
    ACTION_COMMIT, /* `attempt` has won: from now on send its content to the client (streamed only) */
    ACTION_ANSWER, /* `attempt` is complete: answer with it (streamed: end the stream properly). The walk is over */
    ACTION_ASK,    /* ask policy.recover: `failure` and the steps not tried yet (walk_rest). Answer with walk_plan or walk_give_up */
    ACTION_FAIL,   /* answer with `failure` (after COMMIT: as an error event). The walk is over */
    ACTION_OVER,   /* the client left and everything has ended; `attempt`: the one that was read on. The walk is over */
};

struct walk_action {
    enum walk_action_kind kind;
    unsigned attempt;              /* START CANCEL COMMIT ANSWER OVER; for ASK and FAIL the attempt that failed last, or WALK_NO_ATTEMPT */
    unsigned target;               /* START */
    bool fresh;                    /* START */
    int64_t at_us;                 /* WAKE */
    const struct failure *failure; /* ASK FAIL: lives as long as the walk. FAIL's retry_after is the soonest any target hinted at */
};

enum { WALK_NO_ATTEMPT = ~0u };

enum attempt_state {
    ATTEMPT_NONE,
    ATTEMPT_CONNECTING,
    ATTEMPT_TLS,
    ATTEMPT_SENDING,
    ATTEMPT_SENT,
    ATTEMPT_REFUSED,
    ATTEMPT_HEADERS,
    ATTEMPT_STREAMING, /* running, in this order */
    ATTEMPT_DONE,
    ATTEMPT_FAILED,
    ATTEMPT_CANCELLED,
};

/* What became of each attempt: for the log line, X-Attempts and the ledger. */
struct walk_attempt {
    unsigned target;
    unsigned step; /* which step of the plan in force when it began */
    enum attempt_state state;
    int64_t began_us, ended_us; /* ended 0: still running */
    int64_t content_us;         /* 0: none came */
    struct failure failure;     /* state FAILED; deadline TOTAL: the request's time was over, which need not be this target's fault */
    bool hedge;                 /* started beside another */
    bool fresh;                 /* made again because a reused connection was stale */
    /* deadlines in force, private to walk*.c */
    int64_t phase_due_us, content_due_us, timeout_due_us, hedge_due_us;
};

enum walk_stage { STAGE_NEW, STAGE_RUNNING, STAGE_ASKING, STAGE_COMMITTED, STAGE_LEFT, STAGE_OVER };

/* A whole walk makes fewer actions than this between two drains: START, CANCEL and ASK per attempt, COMMIT, a PING, and one end. */
enum { WALK_QUEUE_MAX = 3 * WALK_ATTEMPTS_MAX + 3 };

/* Below 4 KB: one lives in every request. */
struct walk {
    struct walk_settings settings;
    struct plan plan;
    struct walk_attempt attempts[WALK_ATTEMPTS_MAX];
    unsigned attempt_count;
    unsigned next_step; /* the first step not begun */
    /* the rest is private to walk*.c; it is here so that a walk needs no allocation */
    enum walk_stage stage;
    unsigned in_flight;
    unsigned plan_began; /* the first attempt of the plan in force */
    unsigned last_failed;
    unsigned retry_of; /* the attempt to make again at retry_due_us */
    bool exhausted;
    bool dirty; /* a deadline may have come nearer: look before the drain ends */
    int64_t began_us, total_due_us, retry_due_us;
    int64_t ping_due_us;
    int64_t wake_us; /* the WAKE given and not come yet */
    uint64_t random;
    struct failure failure; /* what FAIL answers with */
    struct {
        uint8_t kind, attempt;
    } queue[WALK_QUEUE_MAX]; /* actions not drained yet */
    uint8_t queue_head, queue_tail;
};

/* Starts the total deadline. The walk lives inside the request and needs no free. */
void walk_begin(struct walk *walk, const struct walk_settings *settings, int64_t now_us);
/* Hands over a plan: the first one, or recover's answer to ASK; ignored at any other time. Steps whose target already failed in
 * this request are skipped; when none is left, FAIL with the failure ASK showed (without one, an empty first plan: POLICY_BAD_PLAN). */
void walk_plan(struct walk *walk, const struct plan *plan, int64_t now_us);
/* Answers ASK with: no plan. */
void walk_give_up(struct walk *walk, int64_t now_us);
void walk_event(struct walk *walk, const struct walk_event *event, int64_t now_us);
/* The next action, or false when all are drained. Drain after every call above; a call from inside a drain is fine, its actions
 * come out of the same drain. */
MUST_USE bool walk_next(struct walk *walk, struct walk_action *action);
/* The steps of the current plan that were not begun and whose target did not fail: what recover gets as `rest`. */
void walk_rest(const struct walk *walk, struct plan *rest);
/* A deadline of this attempt, or that of the whole walk, has come: TIME would end it. */
bool walk_is_due(const struct walk *walk, unsigned attempt, int64_t now_us);
/* Another attempt may still begin: nothing is committed, and the budget and the rule of uncertain ones allow it. */
bool walk_may_start(const struct walk *walk);
/* Another target may be asked, and the plan names one that neither failed nor runs. */
bool walk_has_other(const struct walk *walk);
/* The attempt that is read on although the client left, or WALK_NO_ATTEMPT. */
unsigned walk_read_on(const struct walk *walk);
bool walk_is_over(const struct walk *walk);
bool walk_is_committed(const struct walk *walk);
/* For specs. No further attempt would have been allowed: budget, total deadline, uncertain ones. */
bool walk_is_exhausted(const struct walk *walk);
#endif
