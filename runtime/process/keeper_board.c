/* keeper_board.c -- see keeper.h: fetches the leaderboard.
 * SPDX-License-Identifier: MIT */
#include "process/keeper_private.h"
#include <stdio.h>

#define RETRY_US   (10 * US_PER_S)
#define TIMEOUT_US (10 * US_PER_S)

static void log_board(const struct keeper *keeper, enum log_level level, const char *result, const char *message)
{
    log_event(keeper->gateway->log, level, "leaderboard", log_text("url", keeper->generation->config->board.url),
              log_text("result", slice_of(result)), log_text("message", slice_of(message)));
}

/* A valid text: put in force when it is new. */
static void take_board(struct keeper *keeper, struct slice url, struct slice text)
{
    bool known = copies_has(keeper->gateway->copies, url, text);
    if (!known)
        copies_put(keeper->gateway->copies, url, text);
    if (!known || keeper->said[0] != '\0')
        log_board(keeper, LOG_INFO, known ? "unchanged" : "taken", "");
    keeper->said[0] = '\0';
    if (!known)
        gateway_ask_reload(keeper->gateway);
}

static bool judge_board(struct asking *asking, int status, struct slice why)
{
    struct keeper *keeper = asking->keeper;
    struct slice url = keeper->generation->config->board.url, text = buffer_slice(&asking->body);
    char complaint[COMPLAINT_MAX] = "";
    if (status == 200 && (copies_has(keeper->gateway->copies, url, text) || keeper->gateway->engine->is_board(text, url, complaint))) {
        take_board(keeper, url, text);
        return true;
    }
    if (status == 0)
        snprintf(complaint, sizeof complaint, "%.*s", (int)why.len, why.ptr);
    else if (status != 200)
        snprintf(complaint, sizeof complaint, "it answered %d", status);
    if (strcmp(complaint, keeper->said) != 0)
        log_board(keeper, LOG_WARN, "kept", complaint);
    memcpy(keeper->said, complaint, sizeof complaint);
    return false;
}

static void ask_board(struct asking *asking)
{
    const struct board *board = &asking->keeper->generation->config->board;
    buffer_clear(&asking->request);
    buffer_append_slice(&asking->request, board->head);
    asking_send(asking, board->origin, SLICE_NONE, TIMEOUT_US);
}

void board_follow(struct keeper *keeper, const struct board *old, const struct board *fresh)
{
    if (old != NULL && old->url.len > 0 && slice_equals(old->url, fresh->url)) {
        asking_go_on(&keeper->board, fresh->every_us);
        return;
    }
    if (old != NULL && old->url.len > 0)
        asking_stop(&keeper->board);
    keeper->said[0] = '\0';
    keeper->board = (struct asking){.keeper = keeper, .wants_body = BODY_OF_200, .ask = ask_board, .judge = judge_board};
    if (fresh->url.len > 0)
        asking_begin(&keeper->board, keeper->loop, keeper->upstream, fresh->every_us, RETRY_US);
}

void board_stop(struct keeper *keeper)
{
    if (keeper->generation != NULL && keeper->generation->config->board.url.len > 0)
        asking_stop(&keeper->board);
}
