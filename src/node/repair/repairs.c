/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "node/repair/repairs_private.h"

#include <stdlib.h>
#include <string.h>

FIELDS_DEFINE(repairs_seen_row, REPAIRS_SEEN_FIELDS);

#define TELL_ROWS 64
#define TELL_MS 2000
#define SOON_MS 1000
#define LINKS_MS 10000 /* links are wanted so long after each look that found too few */

static uint64_t mono(const struct repairs *r)
{
    return env_mono_ms(r->env.env);
}

/* --- life ---------------------------------------------------------------------------------- */

void repairs_release(struct repairs *r)
{
    if (--r->pending) return;
    free(r->todo);
    free(r->own);
    buf_free(&r->body);
    buf_free(&r->losses);
    free(r);
}

static void on_hold(void *arg)
{
    struct repairs *r = arg;
    uint64_t soon = r->began_ms + SOON_MS;
    if (r->remake) remake_pump(r->remake);
    if (r->short_of && r->look_ms > soon) r->look_ms = soon;
}

struct repairs *repairs_new(const struct repairs_env *env)
{
    struct repairs *r = calloc(1, sizeof *r);
    if (!r) return NULL;
    r->env = *env;
    r->pending = 1;
    r->look = true;
    r->todo = calloc(REPAIRS_TODO_MAX, 32);
    buf_init(&r->body, TREE_BODY_MAX);
    buf_init(&r->losses, TREE_BODY_MAX);
    tree_body_start(&r->body);
    tree_body_start(&r->losses);
    if (!r->todo || !hold_watch(env->hold, on_hold, r)) {
        repairs_release(r);
        return NULL;
    }
    r->quiet_ms = mono(r);
    return r;
}

void repairs_free(struct repairs *r)
{
    if (!r) return;
    hold_unwatch(r->env.hold, r);
    r->dead = true;
    remake_free(r->remake);
    r->remake = NULL;
    repairs_release(r);
}

/* --- who there is -------------------------------------------------------------------------- */

static struct repairs_seen *seen_of(struct repairs *r, uint16_t number)
{
    for (size_t i = 0; i < r->seen_n; i++)
        if (r->seen[i].number == number) return &r->seen[i];
    if (r->seen_n == PLACE_HOLDERS_MAX) return &r->seen[0];
    r->seen[r->seen_n] = (struct repairs_seen){.number = number};
    return &r->seen[r->seen_n++];
}

static void holders(struct repairs *r, uint64_t now)
{
    struct hold_view view[HOLD_LEAVES_MAX];
    size_t n = hold_list(r->env.hold, view);
    /* Only while we are attached ourselves does anybody's absence count. */
    uint64_t since = r->holders_ms ? now - r->holders_ms : 0;
    if (since > REPAIRS_LOOK_MS) since = REPAIRS_LOOK_MS;
    r->holders_ms = now;
    r->g = 0;
    for (size_t i = 0; i < n && r->g < PLACE_HOLDERS_MAX; i++) {
        struct repairs_seen *s = seen_of(r, view[i].leaf);
        bool present = view[i].here || view[i].up || r->env.present(r->env.ctx, view[i].leaf);
        if (present ? s->absent_ms > 0 : since > 0) r->seen_dirty = true;
        if (present)
            s->absent_ms = 0;
        else
            s->absent_ms += since;
        struct plan_holder *h = &r->holders[r->g++];
        bool fit = true;
        h->number = view[i].leaf;
        h->stays = !(r->parting && view[i].here);
        h->away = s->absent_ms >= PLAN_GRACE_MS;
        h->up = view[i].up;
        h->weight = r->env.weight(r->env.ctx, view[i].leaf, &fit);
        h->fit = fit && now >= s->refused_ms;
    }
}

static void keep_seen(struct repairs *r)
{
    uint8_t items[PLACE_HOLDERS_MAX * REPAIRS_SEEN_ITEM];
    struct repairs_seen_row row = {.version = 1, .seen = {items, 0}};
    struct buf out = BUF_INIT;
    if (!r->seen_dirty || !r->env.keep) return;
    r->seen_dirty = false;
    for (size_t i = 0; i < r->seen_n; i++) {
        uint8_t *item = items + row.seen.n * REPAIRS_SEEN_ITEM;
        if (!r->seen[i].absent_ms) continue;
        put_u16(item, r->seen[i].number);
        put_u64(item + 2, r->seen[i].absent_ms);
        row.seen.n++;
    }
    if (fields_encode(&repairs_seen_row_fields, &row, &out) == ST_OK)
        r->env.keep(r->env.ctx, buf_view(&out));
    buf_free(&out);
}

void repairs_restore(struct repairs *r, struct bytes row)
{
    struct repairs_seen_row s;
    if (fields_decode(&repairs_seen_row_fields, row, &s) != ST_OK || s.version != 1) return;
    for (size_t i = 0; i < s.seen.n; i++) {
        const uint8_t *item = list_at(s.seen, i, REPAIRS_SEEN_ITEM);
        seen_of(r, get_u16(item))->absent_ms = get_u64(item + 2);
    }
}

/* When we may begin with a segment: who stands before us in its order, and is there, has let its
 * time pass in silence. */
static uint64_t turn_ms(const struct repairs *r, const uint8_t segment_id[32])
{
    uint16_t leaves[PLACE_HOLDERS_MAX];
    size_t n = 0;
    uint64_t at = r->noticed_ms;
    for (size_t i = 0; i < r->g; i++)
        if (r->holders[i].number < REPAIRS_LEAVES) leaves[n++] = r->holders[i].number;
    plan_order(segment_id, leaves, n);
    for (size_t i = 0; i < n && leaves[i] != r->env.own; i++) {
        if (!r->env.present(r->env.ctx, leaves[i])) continue;
        if (r->heard_ms[leaves[i]] > at) at = r->heard_ms[leaves[i]];
        at += PLAN_TURN_MS;
    }
    return at;
}

/* --- what there is to do ------------------------------------------------------------------- */

static bool sent_in_vain(const struct repairs *r, const uint8_t id[32], uint8_t index,
                         uint16_t holder, uint64_t now)
{
    unsigned n = 0;
    for (size_t i = 0; i < REPAIRS_SENT; i++) {
        const struct repairs_sent *s = &r->sent_lately[i];
        n += s->at_ms != 0 && now - s->at_ms < REPAIRS_SENT_MS && s->index == index &&
             s->holder == holder && memcmp(s->id, id, 32) == 0;
    }
    return n >= REPAIRS_SENT_MOST;
}

/* Leaves out what was sent in vain; it is looked at again later. */
static void leave_out(const struct repairs *r, const uint8_t id[32], uint64_t now, struct plan *p)
{
    unsigned m = 0;
    for (unsigned i = 0; i < p->placed; i++) {
        if (sent_in_vain(r, id, p->index[i], p->to[i], now)) continue;
        p->index[m] = p->index[i];
        p->to[m++] = p->to[i];
    }
    p->placed = m;
}

/* What can be made again of a segment now. When parting only the own columns count; evened out is what
 * nothing else is due for. */
static void plan_of(const struct repairs *r, const struct tree_segment *t, uint64_t now,
                    struct plan *ret)
{
    bool open = !r->parting && now - r->quiet_ms >= REPAIRS_QUIET_MS;
    plan_segment(r->holders, r->g, t->at, t->k, t->n, open, ret);
    if (r->evening && !r->parting && !ret->due) plan_even_out(r->holders, r->g, t->at, t->n, ret);
    if (!r->parting) {
        leave_out(r, t->id, now, ret);
        return;
    }
    unsigned m = 0;
    unsigned due = 0;
    for (unsigned c = 0; c < t->n; c++) due += t->at[c] == r->env.own;
    for (unsigned i = 0; i < ret->placed; i++) {
        if (t->at[ret->index[i]] != r->env.own) continue;
        ret->index[m] = ret->index[i];
        ret->to[m++] = ret->to[i];
    }
    ret->placed = m;
    ret->due = ret->due ? due : 0;
}

/* Parting: whether those who stay can do without the columns that we still have. */
static bool settled(const struct repairs *r, const struct tree_segment *t, const struct plan *p)
{
    uint16_t at[PLACE_COLUMNS_MAX];
    unsigned stay = 0;
    unsigned holders_n;
    for (size_t i = 0; i < r->g; i++) stay += r->holders[i].stays && !r->holders[i].away;
    for (unsigned c = 0; c < t->n; c++) {
        at[c] = PLACE_NOBODY;
        for (size_t i = 0; i < r->g; i++)
            if (r->holders[i].number == t->at[c] && r->holders[i].stays) at[c] = t->at[c];
    }
    int may = place_may_vanish(at, t->n, t->k, &holders_n);
    return !stay || p->live == t->n || may >= 1 || (stay == 1 && may >= 0);
}

struct looking {
    struct repairs *r;
    uint64_t now, wall;
    uint8_t well[(UINT16_MAX + 1) / 8]; /* holders that stay and are not away */
};

/* Most segments lack nothing: they cost a glance at each column. */
static bool all_well(const struct looking *l, const struct tree_segment *t)
{
    for (unsigned c = 0; c < t->n; c++)
        if (!(l->well[t->at[c] / 8] >> t->at[c] % 8 & 1)) return false;
    return true;
}

static bool look_at(void *arg, const struct tree_segment *t)
{
    struct looking *l = arg;
    struct repairs *r = l->r;
    struct plan p;
    if (!r->evening && all_well(l, t)) return true;
    plan_of(r, t, l->now, &p);
    if (!p.due || !tree_needs(r->env.tree(r->env.ctx), t->id)) return true;
    if (!p.placed) {
        if (!r->parting || !settled(r, t, &p)) r->short_of = true;
        return true;
    }
    r->total += p.placed * t->rows * (uint64_t)SHARD_UNIT;
    r->left++;
    if (r->todo_n == REPAIRS_TODO_MAX) return true; /* of the next pass */
    memcpy(r->todo[r->todo_n++], t->id, 32);
    return true;
}

static void look(struct repairs *r, uint64_t now)
{
    if (r->sent > r->told_sent && r->env.told)
        r->env.told(r->env.ctx, r->sent - r->told_sent, r->read - r->told_read);
    r->told_sent = r->sent;
    r->told_read = r->read;
    struct looking l = {.r = r, .now = now, .wall = env_wall_ms(r->env.env)};
    r->look = false;
    r->todo_n = r->todo_at = 0;
    r->short_of = r->more = false;
    r->total = r->done = r->left = 0;
    r->began_ms = now;
    holders(r, now);
    for (size_t i = 0; i < r->g; i++)
        if (r->holders[i].stays && !r->holders[i].away)
            l.well[r->holders[i].number / 8] |= (uint8_t)(1U << r->holders[i].number % 8);
    tree_segments(r->env.tree(r->env.ctx), NULL, look_at, &l);
    if (!r->todo_n)
        r->noticed_ms = 0;
    else if (!r->noticed_ms)
        r->noticed_ms = now;
    keep_seen(r);
    r->look_ms = now + (r->short_of ? REPAIRS_AGAIN_MS : REPAIRS_LOOK_MS);
}

/* --- telling ------------------------------------------------------------------------------- */

static void on_appended(void *arg, enum status st, uint64_t index)
{
    struct repairs *r = arg;
    (void)st;
    (void)index;
    r->appending--;
    repairs_release(r);
}

static void tell(struct repairs *r, struct buf *body)
{
    if (get_u16(body->p) == 0) return;
    r->appending++;
    r->pending++;
    r->env.append(r->env.ctx, TREE_PLACED, buf_view(body), on_appended, r);
    tree_body_start(body);
}

void repairs_lost(struct repairs *r, uint16_t holder, const uint8_t segment_id[32], uint8_t index)
{
    const struct tree_segment *t = tree_segment(r->env.tree(r->env.ctx), segment_id);
    if (!t || index >= t->n || t->at[index] != holder) return;
    enum status st = tree_add_loss(&r->losses, segment_id, index, holder);
    if (st == ST_TOO_BIG) {
        tell(r, &r->losses);
        st = tree_add_loss(&r->losses, segment_id, index, holder);
    }
    if (st != ST_OK) r->look = true; /* no memory: it is found again */
}

/* --- one segment --------------------------------------------------------------------------- */

static void on_sent(void *arg, uint8_t index, uint16_t holder)
{
    struct repairs *r = arg;
    struct repairs_sent *s = &r->sent_lately[r->sent_at++ % REPAIRS_SENT];
    *s = (struct repairs_sent){.index = index, .holder = holder, .at_ms = mono(r)};
    memcpy(s->id, r->now.id, 32);
    r->fresh[index] = holder;
    r->any_fresh = true;
    r->done += r->now.rows * (uint64_t)SHARD_UNIT;
}

static void on_refused(void *arg, uint8_t index, uint16_t holder, enum status why)
{
    struct repairs *r = arg;
    if (why != ST_QUOTA && why != ST_NO_SPACE && why != ST_DENIED) return;
    struct repairs_seen *s = seen_of(r, holder);
    if (s->refused_ms <= mono(r))
        env_log(r->env.env, ENV_WARN, "repair", "holder %u takes no shards now: %s", holder,
                status_text(why));
    (void)index;
    s->refused_ms = mono(r) + REPAIRS_REFUSED_MS;
}

static void on_bad(void *arg, uint16_t holder, uint8_t index, enum status why)
{
    struct repairs *r = arg;
    if (why == ST_INTEGRITY || why == ST_NOT_FOUND) repairs_lost(r, holder, r->now.id, index);
}

static void on_done(void *arg, enum status st)
{
    struct repairs *r = arg;
    struct remake *m = r->remake;
    uint64_t read;
    uint64_t sent;
    r->remake = NULL;
    remake_moved(m, &read, &sent);
    r->read += read;
    r->sent += sent;
    remake_free(m);
    r->todo_at++;
    r->left--;
    if (st != ST_OK || !r->any_fresh) r->short_of = true;
    if (!r->any_fresh) return;
    r->more = true;
    memcpy(r->now.at, r->fresh, sizeof r->now.at);
    if (get_u16(r->body.p) == 0) r->body_ms = mono(r);
    if (tree_add_placed(&r->body, &r->now) == ST_OK) return;
    tell(r, &r->body);
    if (tree_add_placed(&r->body, &r->now) != ST_OK) r->short_of = true;
}

/* Parting and evening out move columns that are there. */
static bool copies(const struct repairs *r, const struct tree_segment *t, const struct plan *p)
{
    if (!r->parting && !r->evening) return false;
    for (unsigned i = 0; i < p->placed; i++)
        if (!hold_up(r->env.hold, t->at[p->index[i]])) return false;
    return true;
}

static bool begin(struct repairs *r, const struct tree_segment *t, const struct plan *p)
{
    struct remake_config c = {.env = r->env.env,
                              .work = r->env.work,
                              .hold = r->env.hold,
                              .bad = on_bad,
                              .sent = on_sent,
                              .refused = on_refused,
                              .done = on_done,
                              .arg = r};
    struct remake_want *w = &c.want;
    memcpy(w->id, t->id, 32);
    memcpy(w->root, t->root, 32);
    w->k = t->k;
    w->n = t->n;
    w->rows = t->rows;
    w->m = p->placed;
    w->copy = copies(r, t, p);
    memcpy(w->index, p->index, p->placed);
    memcpy(w->to, p->to, p->placed * sizeof w->to[0]);
    for (unsigned i = 0; i < PLACE_COLUMNS_MAX; i++) {
        bool known = i < t->n && t->at[i] != PLACE_LOST;
        w->at[i] = known ? t->at[i] : PLACE_NOBODY;
        r->fresh[i] = PLACE_NOBODY;
    }
    r->any_fresh = false;
    r->now = *t;
    r->remake = remake_new(&c);
    return r->remake != NULL;
}

/* There is a link to whoever can be reached, or there was time enough to make one. Else it is looked
 * again soon: a segment that is seen to in two goes is read twice. */
static bool links_tried(struct repairs *r, uint64_t since, uint64_t now)
{
    bool all = true;
    for (size_t i = 0; i < r->g; i++)
        all = all && (r->holders[i].up || !r->env.present(r->env.ctx, r->holders[i].number));
    if (all || now - since >= LINKS_MS) return true;
    if (r->look_ms > now + SOON_MS) r->look_ms = now + SOON_MS;
    return false;
}

/* Goes through the list to the next segment that is to be seen to now. False: there is none. */
static bool next(struct repairs *r, uint64_t now)
{
    for (; r->todo_at < r->todo_n; r->todo_at++, r->left--) {
        const struct tree_segment *t = tree_segment(r->env.tree(r->env.ctx), r->todo[r->todo_at]);
        struct plan p;
        if (!t) continue;
        plan_of(r, t, now, &p);
        if (!p.placed || (p.placed < p.due && !links_tried(r, r->noticed_ms, now))) continue;
        uint64_t at = r->parting || r->evening ? 0 : turn_ms(r, t->id);
        if (at > now) {
            if (at < r->look_ms) r->look_ms = at;
            continue;
        }
        if (begin(r, t, &p)) return true;
        r->short_of = true;
    }
    return false;
}

/* --- the pace ------------------------------------------------------------------------------ */

void repairs_look(struct repairs *r)
{
    r->look = true;
}

void repairs_heard(struct repairs *r, uint16_t leaf)
{
    uint64_t now = mono(r);
    r->quiet_ms = now;
    if (leaf < REPAIRS_LEAVES) r->heard_ms[leaf] = now;
}

void repairs_even_out(struct repairs *r)
{
    r->evening = true;
    r->evening_ms = mono(r);
    r->look = true;
    r->look_ms = mono(r) + REPAIRS_AGAIN_MS;
}

void repairs_part(struct repairs *r)
{
    r->parting = true;
    r->parted = false;
    r->look = true;
}

static bool telling_due(const struct repairs *r, uint64_t now)
{
    uint16_t rows = get_u16(r->body.p);
    return rows >= TELL_ROWS || (rows && (now - r->body_ms >= TELL_MS || !r->remake));
}

void repairs_tick(struct repairs *r)
{
    uint64_t now = mono(r);
    if (!r->env.ready(r->env.ctx)) r->holders_ms = 0;
    if (r->parted || !r->env.ready(r->env.ctx)) return;
    r->pending++;
    repairs_own_tick(r, now);
    tell(r, &r->losses);
    if (r->remake) remake_pump(r->remake);
    if (!r->remake && !r->look) {
        holders(r, now);
        next(r, now);
    }
    if (telling_due(r, now)) tell(r, &r->body);
    /* A pass is over when the tree has what it did. */
    if (!r->remake && !r->appending && (r->look || r->more || now >= r->look_ms)) {
        look(r, now);
        next(r, now);
        if (r->evening && !r->todo_n && links_tried(r, r->evening_ms, now)) r->evening = false;
        if (r->parting && !r->todo_n && !r->short_of) {
            r->parted = true;
            r->env.parted(r->env.ctx);
        }
    }
    repairs_release(r);
}

uint64_t repairs_next_ms(const struct repairs *r)
{
    uint64_t now = mono(r);
    if (r->parted || !r->env.ready(r->env.ctx)) return now + REPAIRS_AGAIN_MS;
    if (get_u16(r->losses.p)) return now;
    if (r->remake) return now + 500;
    if (r->appending) return now + 1000;
    if (r->look || r->more || r->todo_at < r->todo_n || get_u16(r->body.p)) return now;
    if (r->own_asking) return r->look_ms;
    uint64_t own = r->own_new_n || r->own_more || r->own_at < r->own_n ? now : r->own_ms;
    return own < r->look_ms ? own : r->look_ms;
}

bool repairs_wants_links(const struct repairs *r)
{
    if (r->parted) return false;
    return r->parting || r->evening || r->remake || r->noticed_ms ||
           (r->short_of && mono(r) - r->began_ms < LINKS_MS);
}

void repairs_view(const struct repairs *r, struct repairs_view *ret)
{
    uint64_t spent = mono(r) - r->began_ms;
    *ret = (struct repairs_view){.busy = r->remake != NULL || r->appending,
                                 .parting = r->parting,
                                 .evening = r->evening,
                                 .waiting = r->short_of && !r->remake && !r->appending,
                                 .total = r->total,
                                 .done = r->done,
                                 .segments = r->todo_n,
                                 .segments_left = r->left,
                                 .read = r->read,
                                 .sent = r->sent,
                                 .eta_ms = UINT64_MAX};
    if (spent) ret->rate = r->done * 1000 / spent;
    if (ret->rate)
        ret->eta_ms = (r->total - (r->done < r->total ? r->done : r->total)) * 1000 / ret->rate;
}
