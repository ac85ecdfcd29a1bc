/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "link/session.h"

#include "base/sm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A PING is not answered while this much waits: who does not read gets no more. */
#define PONG_WAITING ((size_t)64 << 10)

enum { SHAKING, GREETING, OPEN, OVER };

static const struct sm_state states[] = {
    [SHAKING] = {"shaking", SM_BIT(GREETING) | SM_BIT(OVER)},
    [GREETING] = {"greeting", SM_BIT(OPEN) | SM_BIT(OVER)},
    [OPEN] = {"open", SM_BIT(OVER)},
    [OVER] = {"over", 0},
};
static const struct sm_table table = {"session", states, 4};

struct session {
    struct tls *tls;
    struct spare *spare;
    enum tls_role role;
    struct sm sm;
    struct frame_reader reader;
    uint8_t *stage; /* plain bytes that fill a record together, TLS_RECORD */
    size_t staged, stage_used;
    struct hello ours;
    struct hello theirs;
    uint64_t now, started, heard, progress; /* progress: when bytes last went out */
    uint64_t ping_number;
    uint64_t pinged_at;
    bool pinged;
    bool eof;
    bool told; /* SESSION_CLOSED was given */
    enum status status;
    char reason[TLS_REASON];
};

static void over(struct session *s, enum status why, const char *reason)
{
    if (s->sm.state == OVER) return;
    s->staged = 0;
    s->status = why;
    snprintf(s->reason, sizeof s->reason, "%s", reason ? reason : status_text(why));
    sm_move(&s->sm, OVER);
}

static void tls_over(struct session *s)
{
    enum status why = tls_status(s->tls);
    /* In TLS 1.3 a server judges the caller's key when the client is already done; it then ends
     * without HELLO. */
    if (s->sm.state == GREETING && why == ST_CLOSED && !s->eof &&
        (s->role == TLS_TO_PEER || s->role == TLS_TO_SERVER))
        over(s, ST_DENIED, "the other side turned us away before it said HELLO");
    else
        over(s, why, tls_reason(s->tls));
}

enum status session_new(struct tls_ctx *c, const struct tls_config *config,
                        const struct hello *ours, uint64_t now_ms, struct session **ret)
{
    struct session *s = calloc(1, sizeof *s);
    if (!s) return ST_NO_MEMORY;
    enum status st = tls_new(c, config, &s->tls);
    if (st != ST_OK) {
        free(s);
        return st;
    }
    s->role = config->role;
    s->ours = *ours;
    s->ours.more = BYTES_NONE;
    s->now = s->started = s->heard = s->progress = now_ms;
    sm_init(&s->sm, &table, SHAKING);
    s->spare = tls_ctx_spare(c);
    frame_reader_init(&s->reader, s->spare);
    *ret = s;
    return ST_OK;
}

static void stage_free(struct session *s)
{
    spare_give(s->spare, s->stage, s->stage_used);
    s->stage = NULL;
    s->staged = s->stage_used = 0;
}

void session_free(struct session *s)
{
    if (!s) return;
    tls_free(s->tls);
    frame_reader_free(&s->reader);
    stage_free(s);
    bytes_wipe(s, sizeof *s);
    free(s);
}

/* ---- out ---- */

static enum status flush(struct session *s)
{
    if (s->staged == 0) return ST_OK;
    enum status st = tls_write(s->tls, BYTES(s->stage, s->staged));
    s->staged = 0;
    return st;
}

/* Small frames share a record; the inside of a large one is sealed from where it lies. */
static enum status stage_bytes(struct session *s, struct bytes in)
{
    enum status st = ST_OK;
    while (in.n) {
        if (s->staged == 0 && in.n >= TLS_RECORD) {
            size_t whole = in.n - in.n % TLS_RECORD;
            TRY(tls_write(s->tls, BYTES(in.p, whole)));
            in = BYTES(in.p + whole, in.n - whole);
            continue;
        }
        if (!s->stage && !(s->stage = spare_take(s->spare))) return ST_NO_MEMORY;
        size_t n = TLS_RECORD - s->staged < in.n ? TLS_RECORD - s->staged : in.n;
        memcpy(s->stage + s->staged, in.p, n);
        s->staged += n;
        if (s->staged > s->stage_used) s->stage_used = s->staged;
        in = BYTES(in.p + n, in.n - n);
        if (s->staged == TLS_RECORD) TRY(flush(s));
    }
out:
    return st;
}

static enum status put_frame(struct session *s, uint8_t type, struct bytes payload)
{
    uint8_t head[FRAME_HEADER];
    if (session_waiting(s) == 0) s->progress = s->now; /* nothing is stuck yet */
    frame_header(type, payload.n, head);
    enum status st = stage_bytes(s, BYTES_OF(head));
    if (st == ST_OK) st = stage_bytes(s, payload);
    /* Half a frame in the stream cannot be taken back. */
    if (st != ST_OK) {
        tls_close(s->tls, st, NULL);
        over(s, st, tls_reason(s->tls));
    }
    return st;
}

static enum status put_message(struct session *s, uint8_t type, const struct fields *f,
                               const void *message)
{
    struct buf b = BUF_INIT;
    enum status st = fields_encode(f, message, &b);
    if (st == ST_OK) st = put_frame(s, type, buf_view(&b));
    buf_free(&b);
    return st;
}

enum status session_send(struct session *s, uint8_t type, struct bytes payload)
{
    if (s->sm.state != OPEN) return ST_CLOSED;
    if (type < LINK_APP || type > LINK_APP_LAST) return ST_USAGE;
    if (payload.n > FRAME_PAYLOAD_MAX) return ST_TOO_BIG;
    if (session_waiting(s) > LINK_HIGH_WATER) return ST_BUSY;
    return put_frame(s, type, payload);
}

void session_close(struct session *s, enum status why, const char *text)
{
    if (s->sm.state == OVER) return;
    if (tls_state(s->tls) == TLS_OPEN) {
        struct link_bye bye = {.code = close_code_of(why)};
        if (text) bye.text = bytes_str(text);
        if (bye.text.n > CLOSE_TEXT_MAX) bye.text.n = CLOSE_TEXT_MAX;
        (void)put_message(s, LINK_CLOSE, &link_bye_fields, &bye);
        (void)flush(s);
    }
    tls_close(s->tls, why, text);
    over(s, why, text);
}

/* ---- in ---- */

uint8_t *session_space(struct session *s, size_t *ret_room)
{
    return tls_space(s->tls, ret_room);
}

void session_filled(struct session *s, size_t n, uint64_t now_ms)
{
    if (n) tls_filled(s->tls, n);
    s->now = s->heard = now_ms;
    s->pinged = false;
}

enum status session_put(struct session *s, struct bytes in, uint64_t now_ms)
{
    s->now = s->heard = now_ms;
    s->pinged = false;
    return tls_put(s->tls, in);
}

size_t session_unread(const struct session *s)
{
    return tls_unread(s->tls);
}

void session_eof(struct session *s)
{
    s->eof = true;
}

static void greeted(struct session *s, struct bytes payload)
{
    struct hello theirs;
    uint8_t version;
    /* The range comes first for ever, so that a version we cannot read is named as such. */
    if (payload.n >= 2) {
        theirs = (struct hello){.version_min = payload.p[0], .version_max = payload.p[1]};
        if (hello_meet(&s->ours, &theirs, &version) == ST_VERSION) {
            char text[CLOSE_TEXT_MAX];
            snprintf(text, sizeof text, "they speak link versions %u to %u, we speak %u to %u",
                     payload.p[0], payload.p[1], s->ours.version_min, s->ours.version_max);
            session_close(s, ST_VERSION, text);
            return;
        }
    }
    if (fields_decode(&hello_fields, payload, &theirs) != ST_OK ||
        hello_meet(&s->ours, &theirs, &version) != ST_OK) {
        session_close(s, ST_PROTOCOL, "a HELLO that is none");
        return;
    }
    theirs.more = BYTES_NONE; /* points into the reader */
    s->theirs = theirs;
    sm_move(&s->sm, OPEN);
}

static void own_frame(struct session *s, const struct frame *f)
{
    struct ping ping;
    struct link_bye bye;
    switch (f->type) {
    case LINK_PING:
        if (fields_decode(&ping_fields, f->payload, &ping) != ST_OK) break;
        if (session_waiting(s) < PONG_WAITING) (void)put_message(s, LINK_PONG, &ping_fields, &ping);
        return;
    case LINK_PONG:
        if (fields_decode(&ping_fields, f->payload, &ping) != ST_OK) break;
        return;
    case LINK_CLOSE: {
        if (fields_decode(&link_bye_fields, f->payload, &bye) != ST_OK) break;
        char text[CLOSE_TEXT_MAX + 1] = "";
        size_t n = 0; /* their words go to our log: printable characters only */
        for (size_t i = 0; i < bye.text.n; i++)
            if (bye.text.p[i] >= 0x20 && bye.text.p[i] < 0x7F) text[n++] = (char)bye.text.p[i];
        enum status why = close_status(bye.code);
        char reason[TLS_REASON];
        snprintf(reason, sizeof reason, "closed by the other side: %s", n ? text : "done");
        tls_close(s->tls, why, reason);
        over(s, why, reason);
        return;
    }
    default: break;
    }
    session_close(s, ST_PROTOCOL, "a frame of the link that is malformed or not legal now");
}

static enum session_event taken(struct session *s, const struct frame *f)
{
    if (s->sm.state == GREETING) {
        if (f->type == LINK_HELLO) {
            greeted(s, f->payload);
            return s->sm.state == OPEN ? SESSION_OPENED : SESSION_NONE;
        }
        if (f->type != LINK_CLOSE)
            session_close(s, ST_PROTOCOL, "another frame before HELLO");
        else
            own_frame(s, f);
        return SESSION_NONE;
    }
    if (f->type >= LINK_APP && f->type <= LINK_APP_LAST) return SESSION_FRAME;
    own_frame(s, f);
    return SESSION_NONE;
}

static void shake(struct session *s)
{
    tls_step(s->tls);
    if (tls_state(s->tls) != TLS_OPEN) return;
    sm_move(&s->sm, GREETING);
    (void)put_message(s, LINK_HELLO, &hello_fields, &s->ours);
}

/* Plain bytes into the reader; false if there are none now. */
static bool more(struct session *s)
{
    size_t room;
    uint8_t *p = frame_space(&s->reader, &room);
    if (!p) {
        session_close(s, ST_NO_MEMORY, NULL);
        return true;
    }
    size_t n = tls_read(s->tls, p, room);
    frame_filled(&s->reader, n);
    return n > 0;
}

enum session_event session_next(struct session *s, struct frame *ret)
{
    for (;;) {
        if (s->told) return SESSION_NONE;
        if (s->sm.state == SHAKING) shake(s);
        if (s->sm.state == OVER) {
            s->told = true;
            return SESSION_CLOSED;
        }
        struct frame f;
        enum status st = s->sm.state == SHAKING ? ST_PENDING : frame_next(&s->reader, &f);
        if (st == ST_OK) {
            enum session_event e = taken(s, &f);
            if (e == SESSION_FRAME) *ret = f;
            if (e != SESSION_NONE) return e;
        } else if (st == ST_TOO_BIG) {
            session_close(s, ST_TOO_BIG, "a frame over the limit");
        } else if (tls_state(s->tls) == TLS_CLOSED) {
            tls_over(s);
        } else if (s->sm.state == SHAKING || (!more(s) && tls_state(s->tls) != TLS_CLOSED)) {
            if (!s->eof) return SESSION_NONE;
            tls_eof(s->tls); /* only now: what came before the end counts */
        }
    }
}

bool session_open(const struct session *s)
{
    return s->sm.state == OPEN;
}

bool session_over(const struct session *s)
{
    return s->sm.state == OVER;
}

size_t session_output(struct session *s, struct bytes *ret, size_t max)
{
    if (tls_state(s->tls) == TLS_OPEN && flush(s) != ST_OK) tls_over(s);
    return tls_output(s->tls, ret, max);
}

void session_sent(struct session *s, size_t n, uint64_t now_ms)
{
    tls_sent(s->tls, n);
    s->now = s->progress = now_ms;
}

size_t session_waiting(const struct session *s)
{
    return tls_waiting(s->tls) + s->staged;
}

void session_rest(struct session *s)
{
    frame_rest(&s->reader);
    tls_rest(s->tls);
    if (s->staged == 0) stage_free(s);
}

/* ---- time ---- */

uint64_t session_deadline(const struct session *s)
{
    if (s->sm.state == OVER) return UINT64_MAX;
    if (s->sm.state != OPEN) return s->started + SESSION_HANDSHAKE_MS;
    /* Counted from the PING: a machine that slept asks before it gives up. */
    uint64_t quiet =
        s->pinged ? s->pinged_at + SESSION_DEAD_MS - SESSION_PING_MS : s->heard + SESSION_PING_MS;
    uint64_t stuck = session_waiting(s) ? s->progress + SESSION_STUCK_MS : UINT64_MAX;
    return quiet < stuck ? quiet : stuck;
}

void session_tick(struct session *s, uint64_t now_ms)
{
    s->now = now_ms;
    if (now_ms >= s->heard + SESSION_IDLE_MS) {
        frame_trim(&s->reader);
        tls_trim(s->tls);
    }
    if (now_ms < session_deadline(s)) return;
    if (s->sm.state != OPEN) {
        tls_close(s->tls, ST_TIMEOUT, NULL);
        over(s, ST_TIMEOUT, "no handshake in time");
    } else if (session_waiting(s) && now_ms >= s->progress + SESSION_STUCK_MS) {
        session_close(s, ST_TIMEOUT, "the other side takes nothing any more");
    } else if (s->pinged) {
        session_close(s, ST_TIMEOUT, "nothing was heard for too long");
    } else {
        s->pinged = true;
        s->pinged_at = now_ms;
        struct ping ping = {.number = ++s->ping_number};
        (void)put_message(s, LINK_PING, &ping_fields, &ping);
    }
}

const struct link_peer *session_peer(const struct session *s)
{
    return tls_peer(s->tls);
}

const struct hello *session_hello(const struct session *s)
{
    return &s->theirs;
}

enum status session_status(const struct session *s)
{
    return s->status;
}

const char *session_reason(const struct session *s)
{
    return s->reason;
}
