/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Words that speak of other words: answers, edits, taking back, reactions; and what is said with a file,
 * a name or an end. */
#include "node/post/archive.h"
#include "node/post/post.h"

#include "core/files/tree.h"
#include "node/shelf/shelf.h"

#include <ctype.h>
#include <string.h>

/* ---- who is named ---- */

static bool name_goes_on(struct bytes text, size_t at)
{
    return at < text.n && (isalnum(text.p[at]) || text.p[at] == '_' || text.p[at] >= 0x80);
}

bool post_names(struct bytes text, const char *nick)
{
    size_t n = strlen(nick);
    for (size_t i = 0; n > 0 && i + n < text.n; i++) {
        if (text.p[i] != '@' || (i > 0 && name_goes_on(text, i - 1))) continue;
        if (memcmp(text.p + i + 1, nick, n) == 0 && !name_goes_on(text, i + 1 + n)) return true;
    }
    return false;
}

size_t post_mentioned(const struct enclave *e, struct bytes text,
                      uint8_t ret[2 * NOTE_MENTIONS_MAX])
{
    const struct ledger *l = group_ledger(e->group);
    size_t n = 0;
    for (size_t i = 0; i < ledger_leaves(l) && n < NOTE_MENTIONS_MAX; i++) {
        const struct ledger_leaf *leaf = ledger_leaf(l, (uint16_t)i);
        if (leaf->member_now && post_names(text, leaf->nick)) put_u16(ret + 2 * n++, leaf->leaf);
    }
    return n;
}

/* ---- what it does to rows ---- */

/* Whoever said something may have one sign under a message; an empty one takes it back. */
static enum status sign_row(struct bytes old, uint16_t leaf, struct bytes sign, struct buf *out)
{
    struct cursor c = cursor_of(old);
    buf_init(out, POST_SIGNS_MAX);
    while (c.left > 0) {
        uint16_t of = cursor_u16(&c);
        struct bytes was = cursor_take(&c, cursor_u8(&c));
        if (c.bad) break;
        if (of == leaf) continue;
        buf_u16(out, of);
        buf_u8(out, (uint8_t)was.n);
        buf_bytes(out, was);
    }
    if (sign.n > 0) {
        buf_u16(out, leaf);
        buf_u8(out, (uint8_t)sign.n);
        buf_bytes(out, sign);
    }
    return buf_status(out);
}

/* What was said to all is changed before all, and a private word between the two. */
static bool between(const struct message_row *m, uint16_t by, uint16_t with)
{
    if (with == POST_ALL || m->to == POST_ALL) return m->to == with;
    return (m->leaf == by && m->to == with) || (m->leaf == with && m->to == by);
}

struct own_acts {
    struct enclave *e;
    uint16_t leaf; /* of the message */
    const uint8_t *uuid;
    unsigned acts;
    struct keep_batch *b;
};

static bool is_about(const struct own_acts *a, struct bytes content)
{
    struct note note;
    return note_read(content, &note) == ST_OK && note.of_leaf == a->leaf &&
           memcmp(note.of_uuid, a->uuid, 16) == 0 && (a->acts >> note.act & 1U) != 0;
}

/* Words that we shared with a newcomer, the message among them: what else it shares is shared again by
 * hand if it should turn out late. */
static bool shares(const struct own_acts *a, struct bytes content)
{
    struct cursor c = cursor_of(content);
    struct history_row m;
    const struct ledger_leaf *leaf = ledger_leaf(group_ledger(a->e->group), a->leaf);
    while (leaf != NULL && (a->acts & POST_ACT_SHARED) != 0 && c.left > 0 &&
           history_get(&c, &m) == ST_OK)
        if (memcmp(m.uuid, a->uuid, 16) == 0 && memcmp(m.author, leaf->id, 32) == 0) return true;
    return false;
}

static bool on_own_act(void *arg, uint64_t n, struct bytes plain)
{
    struct own_acts *a = arg;
    struct act_row row;
    if (fields_decode(&act_row_fields, plain, &row) == ST_OK &&
        (row.kind == MAIL_HISTORY ? shares(a, row.content) : is_about(a, row.content)))
        keep_erase(a->b, &a->e->s_acts, n);
    return true;
}

void post_forget_acts(struct enclave *e, uint16_t leaf, const uint8_t uuid[16], unsigned acts,
                      struct keep_batch *b)
{
    struct own_acts a = {e, leaf, uuid, acts, b};
    if (keep_scan(&e->node->keep, &e->s_acts, 0, on_own_act, &a) != ST_OK) b->bad = true;
    /* Rows that are still on their way to the disk: what they say has not left yet. */
    for (const struct outgoing *o = e->out_first; o != NULL; o = o->next)
        if (o->kind == MAIL_NOTE && o->number == 0 && is_about(&a, buf_view(&o->content)))
            keep_erase(b, &e->s_acts, post_key(group_leaf(e->group), o->uuid));
}

/* A message that is not here may lie in what somebody shared, or in an imported file. */
static void change_apart(struct enclave *e, uint16_t by, uint64_t time_ms, const struct note *note,
                         struct keep_batch *b)
{
    const struct ledger_leaf *leaf = ledger_leaf(group_ledger(e->group), by);
    if (leaf != NULL && (note->act == NOTE_EDIT || note->act == NOTE_UNSAY))
        archive_change(e->node, e->enclave_id, leaf->id, note->of_uuid, note->text, time_ms, b);
}

/* ST_NOT_FOUND: the message is not here (a newcomer's first words may speak of older ones). */
static enum status apply(struct enclave *e, uint16_t by, uint16_t with, uint64_t time_ms,
                         const struct note *note, struct keep_batch *b)
{
    struct buf row, signs = BUF_INIT;
    struct message_row m;
    uint64_t number;
    uint16_t of = note->act == NOTE_REACT ? note->of_leaf : by; /* nobody changes another's words */
    if (note->of_leaf != of) return ST_DENIED;
    buf_init(&row, KV_VALUE_MAX);
    enum status st = post_find(e, of, note->of_uuid, &row, &m, &number);
    if (st == ST_NOT_FOUND && with == POST_ALL) change_apart(e, by, time_ms, note, b);
    if (st == ST_OK && ((m.state & POST_UNSAID) != 0 || !between(&m, by, with))) st = ST_NOT_FOUND;
    if (st != ST_OK) {
        buf_free(&row);
        return st;
    }
    const char *kind = "reaction";
    if (note->act == NOTE_EDIT) {
        kind = "edit";
        m.text = note->text;
        m.edited_ms = time_ms == 0 ? 1 : time_ms;
        if (note_mentions(note, group_leaf(e->group))) m.state |= POST_MENTIONS;
    } else if (note->act == NOTE_UNSAY) {
        kind = "unsaid";
        m.text = m.path = m.signs = BYTES(NULL, 0);
        m.state = POST_UNSAID;
        m.reply = 0;
        post_forget_acts(e, m.leaf, m.uuid, 1U << NOTE_EDIT | 1U << NOTE_REACT | POST_ACT_SHARED,
                         b);
    } else {
        st = sign_row(m.signs, by, note->text, &signs);
        m.signs = buf_view(&signs);
    }
    if (st == ST_OK) {
        (void)post_bundle_blank(e, number, b);
        post_put(e, number, &m, kind, by, b);
    }
    buf_free(&signs);
    buf_free(&row);
    return st;
}

bool post_noted(struct enclave *e, const struct mail_message *m, uint16_t with,
                const struct note *note, struct keep_batch *b)
{
    if (note->act == NOTE_SAY) return false;
    (void)!apply(e, m->leaf, with, m->time_ms, note,
                 b); /* refused: it changes nothing, for anybody */
    return true;
}

/* ---- its bytes ---- */

enum status post_content(struct enclave *e, const struct message_row *m, uint8_t *ret_kind,
                         struct buf *out)
{
    uint8_t mentions[2 * NOTE_MENTIONS_MAX];
    struct buf row;
    struct message_row of;
    struct note note = {.act = NOTE_SAY, .lasts_s = m->lasts_s, .path = m->path, .text = m->text};
    note.mentions = (struct list){mentions, post_mentioned(e, m->text, mentions)};
    buf_init(&row, KV_VALUE_MAX);
    if ((m->state & POST_ANSWERS) != 0 && post_get(e, m->reply, &row, &of) == ST_OK) {
        note.of_leaf = of.leaf;
        memcpy(note.of_uuid, of.uuid, 16);
    }
    buf_free(&row);
    if (m->text.n > 0 && note.mentions.n == 0 && note.lasts_s == 0 && note.path.n == 0 &&
        bytes_zero(BYTES_OF(note.of_uuid))) {
        *ret_kind = MAIL_TEXT;
        buf_bytes(out, m->text);
        return buf_status(out);
    }
    *ret_kind = MAIL_NOTE;
    return note_write(&note, out);
}

/* ---- saying it ---- */

static enum status member_of(struct node *n, const char *name, struct enclave **ret)
{
    if (!n->started) return ST_LOCKED;
    *ret = node_find(n, name);
    if (*ret == NULL) return ST_NOT_FOUND;
    return enclave_in(*ret) ? ST_OK : ST_DENIED;
}

/* ret_only: the only one who may read it, for it answers private words; else POST_ALL. */
static enum status check_say(struct enclave *e, const struct node_say *what, struct message_row *m,
                             uint16_t *ret_only)
{
    struct buf row;
    struct message_row of;
    *ret_only = POST_ALL;
    if (what->text.n == 0 && what->path.n == 0) return ST_USAGE;
    if (what->text.n > NODE_TEXT_MAX || what->path.n > NOTE_PATH_MAX) return ST_TOO_BIG;
    if (what->lasts_s > NOTE_LASTS_MAX_S) return ST_USAGE;
    if (what->path.n > 0 && !enclave_files_there(e, what->path)) return ST_NOT_FOUND;
    if (what->reply == 0) return ST_OK;
    buf_init(&row, KV_VALUE_MAX);
    enum status st = post_get(e, what->reply, &row, &of);
    if (st == ST_OK && of.to != POST_ALL) *ret_only = of.own ? of.to : of.leaf;
    buf_free(&row);
    m->state |= POST_ANSWERS;
    return st;
}

/* One message, to all or to one. */
static enum status say(struct enclave *e, const struct message_row *m, struct keep_batch *b)
{
    struct outgoing *o;
    struct buf content;
    uint8_t kind;
    buf_init(&content, KV_VALUE_MAX);
    enum status st = post_content(e, m, &kind, &content);
    if (st == ST_OK)
        st = post_outgoing(e, kind, m->to, m->uuid, e->next_message, m->time_ms, buf_view(&content),
                           &o);
    buf_free(&content);
    if (st != ST_OK) return st;
    e->next_message++;
    post_queue(e, o, b);
    post_put(e, o->number, m, "message", m->leaf, b);
    if (e->read_upto + 1 == o->number) e->read_upto = o->number;
    return ST_OK;
}

enum status post_say_line(struct enclave *e, struct bytes text, struct keep_batch *b)
{
    uint64_t now = env_wall_ms(e->node->ports.env);
    struct message_row m = {.leaf = group_leaf(e->group),
                            .to = POST_ALL,
                            .own = 1,
                            .time_ms = now,
                            .arrived_ms = now,
                            .index = POST_NO_INDEX,
                            .nick = bytes_str(e->nick),
                            .text = text};
    post_uuid(e, m.uuid);
    return say(e, &m, b);
}

/* Leaves of "bob,carol". */
static enum status readers(const struct enclave *e, const char *who,
                           uint16_t ret[LEDGER_MEMBERS_MAX], size_t *ret_n)
{
    *ret_n = 0;
    for (const char *at = who; *at != '\0';) {
        size_t len = strcspn(at, ",");
        if (*ret_n == LEDGER_MEMBERS_MAX) return ST_USAGE;
        enum status st = enclave_find_member(e, at, len, &ret[*ret_n]);
        if (st != ST_OK) return st;
        if (ret[*ret_n] == group_leaf(e->group)) return ST_USAGE;
        for (size_t i = 0; i < *ret_n; i++)
            if (ret[i] == ret[*ret_n]) return ST_USAGE;
        ++*ret_n;
        at += len + (at[len] == ',');
    }
    return *ret_n == 0 ? ST_USAGE : ST_OK;
}

enum status node_send(struct node *n, const char *name, const struct node_say *what,
                      node_done *done, void *arg)
{
    struct enclave *e;
    struct keep_batch b;
    uint16_t to[LEDGER_MEMBERS_MAX] = {POST_ALL};
    uint16_t only;
    size_t n_to = 1;
    enum status st = member_of(n, name, &e);
    if (st != ST_OK) return st;
    uint64_t now = env_wall_ms(n->ports.env);
    struct message_row m = {.leaf = group_leaf(e->group),
                            .own = 1,
                            .time_ms = now,
                            .arrived_ms = now,
                            .index = POST_NO_INDEX,
                            .reply = what->reply,
                            .lasts_s = what->lasts_s,
                            .nick = bytes_str(e->nick),
                            .path = what->path,
                            .text = what->text};
    st = check_say(e, what, &m, &only);
    if (st == ST_OK && what->to != NULL) st = readers(e, what->to, to, &n_to);
    /* To others it would tell that there were private words, and what was answered. */
    if (st == ST_OK && only != POST_ALL && (n_to > 1 || to[0] != only)) st = ST_USAGE;
    if (st != ST_OK) return st;
    size_t said = 0;
    keep_begin(&b, &n->keep);
    for (; st == ST_OK && said < n_to; said += st == ST_OK) {
        m.to = to[said];
        post_uuid(e, m.uuid);
        st = say(e, &m, &b);
    }
    if (said == 0) {
        keep_drop(&b);
        return st;
    }
    enclave_mail_commit(e, &b, done, arg, e->next_message - 1);
    return ST_OK;
}

enum status node_send_lines(struct node *n, const char *name, struct bytes text, node_done *done,
                            void *arg)
{
    struct enclave *e;
    struct keep_batch b;
    enum status st = member_of(n, name, &e);
    if (st != ST_OK) return st;
    uint64_t before = e->next_message;
    keep_begin(&b, &n->keep);
    st = post_say_lines(e, text, &b);
    if (e->next_message == before) {
        keep_drop(&b);
        return st;
    }
    enclave_mail_commit(e, &b, done, arg, e->next_message - 1);
    return ST_OK;
}

void post_put_act(struct enclave *e, const struct outgoing *o, struct keep_batch *b)
{
    struct buf row;
    struct act_row a = {
        .kind = o->kind, .to = o->to, .time_ms = o->time_ms, .content = buf_view(&o->content)};
    memcpy(a.uuid, o->uuid, 16);
    buf_init(&row, KV_VALUE_MAX);
    if (fields_encode(&act_row_fields, &a, &row) == ST_OK)
        keep_put(b, &e->s_acts, post_key(group_leaf(e->group), o->uuid), buf_view(&row));
    else
        b->bad = true;
    buf_free(&row);
}

struct old_acts {
    uint64_t before_ms;
    struct enclave *e;
    struct keep_batch *b;
};

static bool on_act(void *arg, uint64_t n, struct bytes plain)
{
    struct old_acts *old = arg;
    struct act_row a;
    if (fields_decode(&act_row_fields, plain, &a) != ST_OK || a.time_ms < old->before_ms)
        keep_erase(old->b, &old->e->s_acts, n);
    return true;
}

void post_drop_old_acts(struct enclave *e)
{
    struct keep_batch b;
    uint64_t now = env_wall_ms(e->node->ports.env);
    struct old_acts old = {now < POST_ACT_KEEP_MS ? 0 : now - POST_ACT_KEEP_MS, e, &b};
    keep_begin(&b, &e->node->keep);
    if (keep_scan(&e->node->keep, &e->s_acts, 0, on_act, &old) == ST_OK && b.n > 0)
        enclave_commit(e, &b, NULL, NULL);
    else
        keep_drop(&b);
}

/* number: the message it speaks of. */
static enum status act(struct node *n, const char *name, uint64_t number, struct note *note,
                       node_done *done, void *arg)
{
    struct enclave *e;
    struct outgoing *o;
    struct keep_batch b;
    struct buf row, content;
    struct message_row of;
    uint8_t uuid[16], mentions[2 * NOTE_MENTIONS_MAX];
    uint16_t with = POST_ALL;
    enum status st = member_of(n, name, &e);
    if (st != ST_OK) return st;
    buf_init(&row, KV_VALUE_MAX);
    buf_init(&content, KV_VALUE_MAX);
    uint64_t now = env_wall_ms(n->ports.env);
    st = post_get(e, number, &row, &of);
    if (st == ST_OK && (of.state & POST_UNSAID) != 0) st = ST_NOT_FOUND;
    if (st == ST_OK && note->act != NOTE_REACT && of.own == 0) st = ST_CONFLICT;
    if (st == ST_OK) {
        note->of_leaf = of.leaf;
        memcpy(note->of_uuid, of.uuid, 16);
        if (note->act == NOTE_EDIT)
            note->mentions = (struct list){mentions, post_mentioned(e, note->text, mentions)};
        if (of.to != POST_ALL) with = of.own ? of.to : of.leaf;
        post_uuid(e, uuid);
        st = note_write(note, &content);
    }
    if (st == ST_OK) st = post_outgoing(e, MAIL_NOTE, with, uuid, 0, now, buf_view(&content), &o);
    if (st == ST_OK) {
        keep_begin(&b, &n->keep);
        post_queue(e, o, &b);
        (void)!apply(e, group_leaf(e->group), with, now, note, &b);
        /* An older edit that turned out late would take the place of this one. */
        if (note->act == NOTE_EDIT)
            post_forget_acts(e, note->of_leaf, note->of_uuid, 1U << NOTE_EDIT, &b);
        post_put_act(e, o, &b);
        enclave_mail_commit(e, &b, done, arg, number);
    }
    note->mentions = (struct list){NULL, 0}; /* they lie here */
    buf_free(&content);
    buf_free(&row);
    return st;
}

enum status node_edit(struct node *n, const char *name, uint64_t number, struct bytes text,
                      node_done *done, void *arg)
{
    struct note note = {.act = NOTE_EDIT, .text = text};
    if (text.n == 0) return ST_USAGE;
    if (text.n > NODE_TEXT_MAX) return ST_TOO_BIG;
    return act(n, name, number, &note, done, arg);
}

enum status node_unsay(struct node *n, const char *name, uint64_t number, node_done *done,
                       void *arg)
{
    struct note note = {.act = NOTE_UNSAY};
    return act(n, name, number, &note, done, arg);
}

enum status node_react(struct node *n, const char *name, uint64_t number, struct bytes sign,
                       node_done *done, void *arg)
{
    struct note note = {.act = NOTE_REACT, .text = sign};
    if (sign.n > NOTE_SIGN_MAX) return ST_TOO_BIG;
    return act(n, name, number, &note, done, arg);
}
