/* keeper_token.c -- see keeper.h: fetches access tokens and renews them.
 *
 * One asking per credential (struct access_token), however many providers name it. A reload that keeps the credential does not disturb it; an asking that
 * begins with a valid token, left by an earlier keeper, waits until it is to be renewed.
 * SPDX-License-Identifier: MIT */
#include "process/keeper_private.h"
#include "providers/credentials/google.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { ANSWER_ARENA_MAX = 256 * 1024 };

#define RETRY_US     (US_PER_S)
#define RETRY_MAX_US (300 * US_PER_S)
#define TIMEOUT_US   (10 * US_PER_S)

struct minted {
    struct asking asking;            /* the first member: asking_drop frees it */
    const struct provider *provider; /* both of the generation followed: the first one that wants it */
    struct access_token *token;
    const char *result;       /* what was logged last; NULL: nothing yet */
    char said[COMPLAINT_MAX]; /* and why */
};

static struct minted *minted_of(const struct asking *asking)
{
    return container_of(asking, struct minted, asking);
}

static void log_token(const struct minted *minted, enum log_level level, const char *result, struct slice message)
{
    log_event(minted->asking.keeper->gateway->log, level, "token", log_text("provider", minted->provider->name),
              log_text("result", slice_of(result)), log_text("message", message));
}

/* Logged only at a change: the first token, one after a failure, a failure, and that no valid token is left. */
static void say(struct minted *minted, const char *result, struct slice why)
{
    char text[COMPLAINT_MAX];
    int len = (int)(why.len < sizeof text - 1 ? why.len : sizeof text - 1);
    snprintf(text, sizeof text, "%.*s", len, len == 0 ? "" : why.ptr);
    if (minted->result != NULL && strcmp(minted->result, result) == 0 && strcmp(minted->said, text) == 0)
        return;
    log_token(minted, why.len == 0 ? LOG_INFO : LOG_WARN, result, slice_of(text));
    minted->result = result;
    memcpy(minted->said, text, sizeof text);
}

static bool judge_token(struct asking *asking, int status, struct slice why)
{
    struct minted *minted = minted_of(asking);
    struct slice body = buffer_slice(&asking->body), sent = buffer_slice(&asking->request);
    struct google_token fresh;
    struct arena arena;
    const char *wrong = "";
    arena_init(&arena, NULL, ANSWER_ARENA_MAX);
    bool good = status == 200 && google_read_token(body, &arena, &fresh, &wrong);
    if (good) {
        access_token_put(minted->token, fresh.text, asking->asked_us + fresh.life_us, asking->asked_us + google_renew_us(fresh.life_us));
        say(minted, "taken", SLICE_NONE);
    } else {
        bool left = access_token_is_good(minted->token, loop_now_us(asking->keeper->loop));
        if (status == 200)
            why = slice_of(wrong);
        else if (status != 0)
            why = google_read_refusal(minted->provider->credential, sent, status, body, &arena);
        say(minted, left ? "kept" : "missing", why);
    }
    arena_free(&arena);
    return good;
}

/* A token decides when the next is due. */
static void plan_token(struct asking *asking, bool good)
{
    struct minted *minted = minted_of(asking);
    if (good)
        asking->schedule.due_us = access_token_renew_us(minted->token, asking->asked_us);
    else
        access_token_missed(minted->token, asking->schedule.due_us);
}

static void ask_token(struct asking *asking)
{
    struct minted *minted = minted_of(asking);
    const struct google_credential *credential = minted->provider->credential;
    struct slice proxy = credential->kind == GOOGLE_METADATA ? SLICE_NONE
                                                             : minted->provider->proxy; /* that server is on this machine's link */
    buffer_clear(&asking->request);
    asking->asked_us = loop_now_us(asking->keeper->loop);
    if (google_write_request(credential, loop_wall_us(asking->keeper->loop), &asking->request))
        asking_send(asking, credential->origin, proxy, TIMEOUT_US);
    else
        asking_end(asking, 0, LIT("the private key does not sign"));
}

/* ---------------------------------------------------------------- following generations */

static void begin(struct keeper *keeper, struct minted *minted)
{
    struct asking *asking = &minted->asking;
    int64_t now_us = loop_now_us(keeper->loop), renew_us = access_token_renew_us(minted->token, now_us);
    *asking = (struct asking){
        .keeper = keeper, .next = keeper->tokens, .wants_body = BODY_ALWAYS, .ask = ask_token, .judge = judge_token, .planned = plan_token};
    keeper->tokens = asking;
    asking_begin(asking, keeper->loop, keeper->upstream, RETRY_MAX_US, RETRY_US);
    asking->schedule.due_us = renew_us > now_us ? renew_us : now_us;
    loop_timer_set(keeper->loop, &asking->timer, asking->schedule.due_us);
}

static void follow(struct keeper *keeper, const struct provider *provider, struct access_token *token)
{
    struct asking *asking = keeper->tokens;
    while (asking != NULL && minted_of(asking)->token != token)
        asking = asking->next;
    if (asking != NULL && asking->kept)
        return; /* another provider has the same */
    struct minted *minted = asking == NULL ? xcalloc(1, sizeof *minted) : minted_of(asking);
    minted->provider = provider;
    minted->token = token;
    if (asking == NULL)
        begin(keeper, minted);
    minted->asking.kept = true;
}

bool tokens_are_needed(const struct config *config)
{
    bool needed = false;
    for (unsigned i = 0; i < config->provider_count; i++)
        needed |= config->access_tokens[i] != NULL;
    return needed;
}

void tokens_follow(struct keeper *keeper)
{
    const struct config *config = keeper->generation->config;
    for (unsigned i = 0; i < config->provider_count; i++)
        if (config->access_tokens[i] != NULL)
            follow(keeper, &config->providers[i], config->access_tokens[i]);
    asking_drop(&keeper->tokens);
}

void tokens_stop(struct keeper *keeper)
{
    asking_drop(&keeper->tokens);
}

/* ---------------------------------------------------------------- early renewals */

static void on_wish(struct watch *watch, uint32_t events)
{
    struct keeper *keeper = container_of(watch, struct keeper, wishes);
    uint64_t count;
    (void)events;
    if (read(watch->fd, &count, sizeof count) < 0)
        return; /* the eventfd was read already */
    for (struct asking *asking = keeper->tokens; asking != NULL; asking = asking->next)
        if (access_token_take_wish(minted_of(asking)->token))
            asking_hurry(asking, loop_now_us(keeper->loop));
}

bool tokens_watch(struct keeper *keeper)
{
    keeper->wishes = (struct watch){.ready = on_wish, .fd = keeper->gateway->token_fd};
    return keeper->wishes.fd < 0 || loop_watch(keeper->loop, &keeper->wishes, EPOLLIN);
}
