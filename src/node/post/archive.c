/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "node/post/archive.h"

#include "base/encode.h"
#include "node/post/post.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

FIELDS_DEFINE(archive_record, ARCHIVE_FIELDS);

/* ---- the list ---- */

static void spaces_of(struct node *n, struct archive *a)
{
    a->rows = keep_space(&n->keep, "archive rows", BYTES_OF(a->r.tag));
    a->keys = keep_space(&n->keep, "archive keys", BYTES_OF(a->r.tag));
}

static void text_of(struct bytes *view, char *room, size_t n)
{
    bytes_text(*view, room, n);
    *view = bytes_str(room);
}

static bool on_record(void *arg, uint64_t slot, struct bytes plain)
{
    struct node *n = arg;
    struct archives *all = n->archives;
    if (slot >= all->next_slot) all->next_slot = slot + 1;
    if (all->n == ARCHIVES_MAX) return false;
    struct archive *a = calloc(1, sizeof *a);
    if (a == NULL) return false;
    a->slot = slot;
    if (fields_decode(&archive_record_fields, plain, &a->r) != ST_OK ||
        a->r.version != ARCHIVE_VERSION) {
        free(a);
        return true;
    }
    text_of(&a->r.name, a->name, sizeof a->name);
    text_of(&a->r.enclave, a->enclave, sizeof a->enclave);
    text_of(&a->r.nick, a->nick, sizeof a->nick);
    spaces_of(n, a);
    all->list[all->n++] = a;
    return true;
}

static void on_swept(void *arg, enum status st)
{
    struct node *n = arg;
    (void)st; /* again at the next start */
    n->commits--;
}

/* An import that a stop or a crash ended is not shown: what it had read is erased. */
static void drop_unready(struct node *n)
{
    struct keep_batch b;
    keep_begin(&b, &n->keep);
    for (size_t i = n->archives->n; i-- > 0;)
        if (!n->archives->list[i]->r.ready) archive_drop(n, n->archives->list[i], &b);
    if (b.n == 0) {
        keep_drop(&b);
        return;
    }
    if (keep_commit(&b, on_swept, n) == ST_OK) n->commits++;
}

enum status archives_load(struct node *n)
{
    n->archives = calloc(1, sizeof *n->archives);
    if (n->archives == NULL) return ST_NO_MEMORY;
    n->archives->next_slot = 1; /* 0 names none */
    n->archives->records = keep_space(&n->keep, "archives", BYTES_NONE);
    enum status st = keep_scan(&n->keep, &n->archives->records, 0, on_record, n);
    if (st == ST_OK) drop_unready(n);
    return st;
}

void archives_free(struct node *n)
{
    if (n->archives == NULL) return;
    for (size_t i = 0; i < n->archives->n; i++) free(n->archives->list[i]);
    for (size_t i = 0; i < n->archives->n_later; i++) buf_free(&n->archives->later[i].text);
    free(n->archives);
    n->archives = NULL;
}

static struct archive *find_name(struct node *n, const char *name)
{
    for (size_t i = 0; i < n->archives->n; i++)
        if (strcmp(n->archives->list[i]->name, name) == 0) return n->archives->list[i];
    return NULL;
}

struct archive *archive_named(struct node *n, const char *name)
{
    struct archive *a = find_name(n, name);
    return a != NULL && a->r.ready ? a : NULL;
}

struct archive *archive_shared_by(struct node *n, const uint8_t enclave_id[32],
                                  const uint8_t by[32])
{
    for (size_t i = 0; i < n->archives->n; i++) {
        struct archive *a = n->archives->list[i];
        if (a->r.kind == ARCHIVE_SHARED && memcmp(a->r.enclave_id, enclave_id, 32) == 0 &&
            memcmp(a->r.by, by, 32) == 0)
            return a;
    }
    return NULL;
}

/* Only what one can type: letters, digits, '-', '_', '.'; a number is put behind what is taken. */
static void name_it(struct node *n, struct archive *a, const char *wish)
{
    char clean[NODE_NAME_MAX - 8 + 1];
    size_t len = 0;
    for (const char *at = wish; *at != '\0' && len < sizeof clean - 1; at++) {
        bool good = (*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') ||
                    (*at >= '0' && *at <= '9') || *at == '-' || *at == '_' || *at == '.';
        if (good && (len > 0 || (*at != '-' && *at != '.'))) clean[len++] = *at;
    }
    clean[len] = '\0';
    if (len == 0) snprintf(clean, sizeof clean, "history");
    snprintf(a->name, sizeof a->name, "%s", clean);
    for (unsigned i = 2; find_name(n, a->name) != NULL; i++)
        snprintf(a->name, sizeof a->name, "%s-%u", clean, i);
}

enum status archive_new(struct node *n, const struct archive_made *made, struct archive **ret)
{
    if (n->archives->n == ARCHIVES_MAX) return ST_QUOTA;
    struct archive *a = calloc(1, sizeof *a);
    if (a == NULL) return ST_NO_MEMORY;
    name_it(n, a, made->name);
    bytes_text(made->enclave, a->enclave, sizeof a->enclave);
    bytes_text(made->nick, a->nick, sizeof a->nick);
    a->slot = n->archives->next_slot++;
    a->r = (struct archive_record){.version = ARCHIVE_VERSION,
                                   .kind = (uint8_t)made->kind,
                                   .made_ms = env_wall_ms(n->ports.env),
                                   .next = 1,
                                   .name = bytes_str(a->name),
                                   .enclave = bytes_str(a->enclave),
                                   .nick = bytes_str(a->nick)};
    env_random(n->ports.env, a->r.tag, sizeof a->r.tag);
    memcpy(a->r.enclave_id, made->enclave_id, 32);
    memcpy(a->r.by, made->by, 32);
    spaces_of(n, a);
    n->archives->list[n->archives->n++] = a;
    *ret = a;
    return ST_OK;
}

void archive_put_record(struct node *n, struct archive *a, struct keep_batch *b)
{
    struct buf row = BUF_INIT;
    if (fields_encode(&archive_record_fields, &a->r, &row) == ST_OK)
        keep_put(b, &n->archives->records, a->slot, buf_view(&row));
    else
        b->bad = true;
    buf_free(&row);
}

static void unlist(struct archives *all, const struct archive *a)
{
    size_t i = 0;
    while (i < all->n && all->list[i] != a) i++;
    if (i == all->n) return;
    all->n--;
    memmove(&all->list[i], &all->list[i + 1], (all->n - i) * sizeof(struct archive *));
}

void archive_drop(struct node *n, struct archive *a, struct keep_batch *b)
{
    keep_erase_space(b, &a->rows);
    keep_erase_space(b, &a->keys);
    keep_erase(b, &n->archives->records, a->slot);
    unlist(n->archives, a);
    free(a);
}

static void archives_shred(struct node *n, const uint8_t enclave_id[32], struct keep_batch *b)
{
    if (n->archives == NULL || bytes_zero(BYTES(enclave_id, 32))) return;
    for (size_t i = n->archives->n; i-- > 0;)
        if (memcmp(n->archives->list[i]->r.enclave_id, enclave_id, 32) == 0)
            archive_drop(n, n->archives->list[i], b);
}

void enclave_post_shred(struct enclave *e, struct keep_batch *b)
{
    archives_shred(e->node, e->enclave_id, b);
}

/* ---- rows ---- */

/* The number under which an archive has a message; 0: it has not. */
static uint64_t place_of(struct node *n, const struct archive *a, uint64_t key)
{
    struct buf place = BUF_INIT;
    enum status st = keep_get(&n->keep, &a->keys, key, &place);
    uint64_t number = st == ST_OK && place.n == 8 ? get_u64(place.p) : 0;
    buf_free(&place);
    return number;
}

static struct enclave *enclave_of(struct node *n, const uint8_t enclave_id[32])
{
    for (size_t i = 0; i < n->n; i++)
        if (!n->enclaves[i]->removed && n->enclaves[i]->post != NULL &&
            memcmp(n->enclaves[i]->enclave_id, enclave_id, 32) == 0)
            return n->enclaves[i];
    return NULL;
}

/* Says the row at that number the same? Another archive's may be forged: it hides no other words. */
static bool says_the_same(struct node *n, const struct archive *a, uint64_t number,
                          const struct history_row *m)
{
    struct buf row;
    struct history_row has;
    buf_init(&row, KV_VALUE_MAX);
    bool same = keep_get(&n->keep, &a->rows, number, &row) == ST_OK &&
                history_row_read(buf_view(&row), &has) == ST_OK && bytes_same(has.text, m->text) &&
                memcmp(has.author, m->author, 32) == 0 && memcmp(has.uuid, m->uuid, 16) == 0;
    buf_free(&row);
    return same;
}

static bool here_already(struct node *n, const struct archive *a, const struct history_row *m)
{
    uint64_t key = history_key(m->author, m->uuid);
    for (size_t i = 0; i < n->archives->n; i++) {
        const struct archive *other = n->archives->list[i];
        if (memcmp(other->r.enclave_id, a->r.enclave_id, 32) != 0) continue;
        uint64_t number = place_of(n, other, key);
        if (number != 0 && (other == a || says_the_same(n, other, number, m))) return true;
    }
    struct enclave *e = enclave_of(n, a->r.enclave_id);
    const struct ledger_leaf *leaf =
        e == NULL || e->group == NULL ? NULL : ledger_by_id(group_ledger(e->group), m->author);
    return leaf != NULL && post_known(e, leaf->leaf, m->uuid);
}

enum status archive_add(struct node *n, struct archive *a, struct bytes row,
                        const struct history_row *m, struct keep_batch *b)
{
    uint8_t place[8];
    if (here_already(n, a, m)) return ST_EXISTS;
    if (a->r.kind == ARCHIVE_SHARED &&
        (a->r.rows >= ARCHIVE_SHARED_ROWS || a->r.bytes + row.n > ARCHIVE_SHARED_BYTES))
        return ST_QUOTA;
    keep_put(b, &a->rows, a->r.next, row);
    put_u64(place, a->r.next++);
    keep_put(b, &a->keys, history_key(m->author, m->uuid), BYTES_OF(place));
    a->r.rows++;
    a->r.bytes += row.n;
    if (a->r.since_ms == 0 || m->time_ms < a->r.since_ms) a->r.since_ms = m->time_ms;
    if (m->time_ms > a->r.until_ms) a->r.until_ms = m->time_ms;
    return ST_OK;
}

static void erase_row(struct archive *a, uint64_t number, size_t bytes, const struct history_row *m,
                      struct keep_batch *b)
{
    keep_erase(b, &a->rows, number);
    keep_erase(b, &a->keys, history_key(m->author, m->uuid));
    if (a->r.rows > 0) a->r.rows--;
    a->r.bytes -= bytes < a->r.bytes ? bytes : a->r.bytes;
}

/* The oldest falls out: more changes of shared words than that in one reading are no honest author's. */
static void change_later(struct archives *all, const uint8_t enclave_id[32],
                         const uint8_t author[32], const uint8_t uuid[16], struct bytes text,
                         uint64_t time_ms)
{
    if (all->n_later == ARCHIVES_LATER_MAX) {
        buf_free(&all->later[0].text);
        all->n_later--;
        memmove(&all->later[0], &all->later[1], all->n_later * sizeof all->later[0]);
    }
    struct archive_later *l = &all->later[all->n_later++];
    *l = (struct archive_later){.time_ms = time_ms};
    memcpy(l->enclave_id, enclave_id, 32);
    memcpy(l->author, author, 32);
    memcpy(l->uuid, uuid, 16);
    buf_init(&l->text, KV_VALUE_MAX);
    buf_bytes(&l->text, text);
}

void archives_settle(struct node *n)
{
    struct archives *all = n->archives;
    struct keep_batch b;
    if (all == NULL || all->n_later == 0 || n->commits > 0) return;
    struct archive_later *list = calloc(all->n_later, sizeof *list);
    if (list == NULL) return;
    size_t count = all->n_later;
    memcpy(list, all->later, count * sizeof *list);
    all->n_later = 0;
    keep_begin(&b, &n->keep);
    for (size_t i = 0; i < count; i++) {
        const struct archive_later *l = &list[i];
        archive_change(n, l->enclave_id, l->author, l->uuid, buf_view(&l->text), l->time_ms, &b);
        buf_free(&list[i].text);
    }
    free(list);
    if (b.n == 0)
        keep_drop(&b);
    else if (keep_commit(&b, on_swept, n) == ST_OK)
        n->commits++;
}

void archive_change(struct node *n, const uint8_t enclave_id[32], const uint8_t author[32],
                    const uint8_t uuid[16], struct bytes text, uint64_t time_ms,
                    struct keep_batch *b)
{
    uint64_t key = history_key(author, uuid);
    bool later = false;
    for (size_t i = 0; n->archives != NULL && i < n->archives->n; i++) {
        struct archive *a = n->archives->list[i];
        struct history_row m;
        struct buf row, changed;
        if (memcmp(a->r.enclave_id, enclave_id, 32) != 0) continue;
        uint64_t number = place_of(n, a, key);
        if (number == 0 && a->r.kind == ARCHIVE_SHARED && (b->n > 0 || n->commits > 0))
            later = true;
        if (number == 0) continue;
        buf_init(&row, KV_VALUE_MAX);
        buf_init(&changed, KV_VALUE_MAX);
        if (keep_get(&n->keep, &a->rows, number, &row) == ST_OK &&
            history_row_read(buf_view(&row), &m) == ST_OK && memcmp(m.author, author, 32) == 0 &&
            memcmp(m.uuid, uuid, 16) == 0) {
            if (text.n == 0) {
                erase_row(a, number, row.n, &m, b);
            } else {
                m.text = text;
                m.edited_ms = time_ms == 0 ? 1 : time_ms;
                if (fields_encode(&history_row_fields, &m, &changed) == ST_OK) {
                    keep_put(b, &a->rows, number, buf_view(&changed));
                    a->r.bytes += changed.n;
                    a->r.bytes -= row.n < a->r.bytes ? row.n : a->r.bytes;
                }
            }
            archive_put_record(n, a, b);
        }
        buf_free(&changed);
        buf_free(&row);
    }
    if (later && n->archives != NULL)
        change_later(n->archives, enclave_id, author, uuid, text, time_ms);
}

struct sweeping {
    struct archive *a;
    struct keep_batch *b;
    uint64_t before_ms;
    size_t left, done;
};

static bool on_old(void *arg, uint64_t number, struct bytes plain)
{
    struct sweeping *s = arg;
    struct history_row m;
    if (s->left == 0) return false;
    if (history_row_read(plain, &m) != ST_OK || m.time_ms >= s->before_ms) return true;
    erase_row(s->a, number, plain.n, &m, s->b);
    s->left--;
    s->done++;
    return true;
}

size_t archives_sweep(struct node *n, const uint8_t enclave_id[32], uint64_t before_ms, size_t most,
                      struct keep_batch *b)
{
    size_t done = 0;
    for (size_t i = n->archives == NULL ? 0 : n->archives->n; i-- > 0 && done < most;) {
        struct archive *a = n->archives->list[i];
        struct sweeping s = {a, b, before_ms, most - done, 0};
        if (memcmp(a->r.enclave_id, enclave_id, 32) != 0 || !a->r.ready ||
            a->r.since_ms >= before_ms)
            continue;
        if (keep_scan(&n->keep, &a->rows, 0, on_old, &s) != ST_OK) continue;
        done += s.done;
        if (s.left > 0) a->r.since_ms = before_ms; /* nothing older is left */
        if (a->r.rows == 0)
            archive_drop(n, a, b);
        else
            archive_put_record(n, a, b);
    }
    return done;
}

/* ---- looking ---- */

void node_archives(struct node *n, node_archive_visit *visit, void *arg)
{
    for (size_t i = 0; n->archives != NULL && i < n->archives->n; i++) {
        const struct archive *a = n->archives->list[i];
        struct node_archive view = {.name = a->name,
                                    .shared = a->r.kind == ARCHIVE_SHARED,
                                    .enclave = a->enclave,
                                    .by = a->nick,
                                    .messages = a->r.rows,
                                    .since_ms = a->r.since_ms,
                                    .until_ms = a->r.until_ms,
                                    .made_ms = a->r.made_ms};
        if (a->r.ready) visit(arg, &view);
    }
}

struct reading {
    struct node *node;
    const struct archive *a;
    const struct ledger *ledger; /* of the enclave, if it is here; NULL */
    node_message_visit *visit;
    void *arg;
};

/* Who it is by the ledger, if it knows; else as the row says. */
static void name_of(const struct ledger *l, const uint8_t id[32], struct bytes said,
                    char room[NODE_NICK_MAX + 1])
{
    const struct ledger_leaf *leaf = l == NULL ? NULL : ledger_by_id(l, id);
    bytes_text(leaf != NULL ? bytes_str(leaf->nick) : said, room, NODE_NICK_MAX + 1);
}

static bool on_row(void *arg, uint64_t number, struct bytes plain)
{
    struct reading *r = arg;
    struct history_row row;
    struct node_sign signs[LEDGER_LEAVES_MAX];
    char nicks[LEDGER_LEAVES_MAX][NODE_NICK_MAX + 1];
    char nick[NODE_NICK_MAX + 1], to[NODE_NICK_MAX + 1] = "", hex[33];
    struct bytes by, sign;
    if (history_row_read(plain, &row) != ST_OK) return true;
    /* Of a message that came twice in one commit the last row holds. */
    if (place_of(r->node, r->a, history_key(row.author, row.uuid)) != number) return true;
    struct cursor c = cursor_of(row.signs);
    name_of(r->ledger, row.author, row.nick, nick);
    bool private = !bytes_zero(BYTES_OF(row.to));
    bool own = r->a->r.kind == ARCHIVE_IMPORTED && (row.flags & HISTORY_OWN) != 0;
    if (private) name_of(r->ledger, row.to, row.to_nick, to);
    struct node_message m = {.number = number,
                             .nick = nick,
                             .own = own,
                             .sent = true,
                             .time_ms = row.time_ms,
                             .text = row.text,
                             .private_word = private,
                             .to = private && own ? to : "",
                             .answers = (row.flags & HISTORY_ANSWERS) != 0,
                             .edited_ms = row.edited_ms,
                             .path = row.path,
                             .signs = signs};
    if (m.answers) m.reply = place_of(r->node, r->a, history_key(row.of_author, row.of_uuid));
    while (m.n_signs < LEDGER_LEAVES_MAX && history_sign(&c, &by, &sign)) {
        bytes_text(by, nicks[m.n_signs], sizeof nicks[0]);
        signs[m.n_signs] = (struct node_sign){nicks[m.n_signs], sign};
        m.n_signs++;
    }
    hex_encode(BYTES_OF(row.uuid), hex);
    snprintf(m.uuid, sizeof m.uuid, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16,
             hex + 20);
    return r->visit(r->arg, &m);
}

enum status node_archive_read(struct node *n, const char *name, uint64_t from,
                              node_message_visit *visit, void *arg)
{
    if (!n->started) return ST_LOCKED;
    struct archive *a = archive_named(n, name);
    if (a == NULL) return ST_NOT_FOUND;
    const struct enclave *e = enclave_of(n, a->r.enclave_id);
    struct reading r = {n, a, e == NULL || e->group == NULL ? NULL : group_ledger(e->group), visit,
                        arg};
    return keep_scan(&n->keep, &a->rows, from, on_row, &r);
}

struct forgetting {
    struct node *node;
    node_done *done;
    void *arg;
};

static void on_forgotten(void *arg, enum status st)
{
    struct forgetting *f = arg;
    f->node->commits--;
    node_finish(
        f->done, f->arg, st,
        st == ST_OK ? "erased from this machine" : "the disk refused the erasing: try again", NULL);
    free(f);
}

enum status node_archive_forget(struct node *n, const char *name, node_done *done, void *arg)
{
    struct keep_batch b;
    if (!n->started) return ST_LOCKED;
    struct archive *a = archive_named(n, name);
    if (a == NULL) return ST_NOT_FOUND;
    struct forgetting *f = malloc(sizeof *f);
    if (f == NULL) return ST_NO_MEMORY;
    *f = (struct forgetting){n, done, arg};
    keep_begin(&b, &n->keep);
    archive_drop(n, a, &b);
    enum status st = keep_commit(&b, on_forgotten, f);
    if (st == ST_OK)
        n->commits++;
    else
        free(f);
    return st;
}
