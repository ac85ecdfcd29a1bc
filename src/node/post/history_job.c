/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Export and import of an enclave's words as one sealed file: a chunk at a time, so that memory is bounded
 * and other work goes on between. */
#include "crypto/secret.h"
#include "node/post/share.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define READ_SIZE ((size_t)256 << 10)
#define LOOK_ROWS 2000 /* rows looked at for one chunk */
#define FILE_MODE 0600

struct job_keys { /* guarded */
    uint8_t password[PASSWORD_MAX];
    size_t password_n;
    uint8_t root[32];
    struct history_keys file;
};

enum job_state { JOB_OPENING, JOB_DERIVING, JOB_RUNNING, JOB_DONE, JOB_FAILED };

struct history_job {
    struct node *node;
    bool export;
    bool replace;
    enum job_state state;
    uint64_t id;
    char local[NODE_PATH_MAX + 1];
    char name[NODE_NAME_MAX + 1]; /* wished for, then the archive's */
    struct job_keys *keys;
    struct history_cost cost;
    enum status derived;
    struct file *file;
    uint64_t size, offset;
    struct buf in, plain, out;
    uint8_t head[HISTORY_HEAD];
    uint64_t slot;         /* of the enclave, or of the archive; 0: none yet */
    uint64_t number, last; /* export: the next message, and the last one */
    uint64_t messages, known;
    uint64_t since_ms;
    enum status st;
    char text[NODE_REASON_MAX];
    node_done *done; /* told that it has begun, or why not */
    void *arg;
};

static void step(struct history_job *j);

/* ---- its end ---- */

static struct archive *archive_of(const struct history_job *j)
{
    const struct archives *all = j->node->archives;
    for (size_t i = 0; !j->export && all != NULL && i < all->n; i++)
        if (all->list[i]->slot == j->slot) return all->list[i];
    return NULL;
}

static struct enclave *enclave_of(const struct history_job *j)
{
    for (size_t i = 0; j->export && i < j->node->n; i++)
        if (j->node->enclaves[i]->slot == j->slot && !j->node->enclaves[i]->removed)
            return j->node->enclaves[i];
    return NULL;
}

static void view_of(const struct history_job *j, struct node_history_job *v)
{
    static const char *const states[] = {"opening", "deriving", "", "done", "failed"};
    uint64_t now = env_mono_ms(j->node->ports.env);
    *v = (struct node_history_job){.id = j->id,
                                   .kind = j->export ? "export" : "import",
                                   .state = states[j->state],
                                   .local = j->local,
                                   .archive = j->export ? "" : j->name,
                                   .messages = j->messages,
                                   .done = j->export ? j->number : j->offset,
                                   .total = j->export ? j->last : j->size,
                                   .st = j->st,
                                   .text = j->text};
    if (j->state == JOB_RUNNING) v->state = j->export ? "writing" : "reading";
    if (v->done > v->total) v->done = v->total;
    if (now > j->since_ms) v->rate = v->done * 1000 / (now - j->since_ms);
    if (v->rate > 0 && j->state == JOB_RUNNING) v->eta_ms = (v->total - v->done) * 1000 / v->rate;
}

static void answer(struct history_job *j, enum status st)
{
    struct node_history_job v;
    node_done *done = j->done;
    view_of(j, &v);
    j->done = NULL;
    if (done != NULL) node_finish(done, j->arg, st, j->text, st == ST_OK ? &v : NULL);
}

static void finish(struct history_job *j, enum status st)
{
    j->st = st;
    j->state = st == ST_OK ? JOB_DONE : JOB_FAILED;
    if (j->file != NULL && j->export)
        j->node->ports.file.ops->abandon(j->file, false);
    else if (j->file != NULL)
        j->node->ports.file.ops->close(j->file);
    j->file = NULL;
    secret_free(j->keys);
    j->keys = NULL;
    buf_free(&j->in);
    buf_free(&j->plain);
    buf_free(&j->out);
    j->node->commits--; /* node_stop waits for it */
    struct node_event e = {"history", "",          j->text,
                           "",        j->messages, env_wall_ms(j->node->ports.env)};
    if (j->done == NULL) node_tell(j->node, &e);
    answer(j, st);
}

static void on_undone(void *arg, enum status st)
{
    (void)st; /* what is left is erased at the next start */
    struct history_job *j = arg;
    finish(j, j->st);
}

static void fail(struct history_job *j, enum status st, const char *text)
{
    struct keep_batch b;
    struct archive *a = archive_of(j);
    snprintf(j->text, sizeof j->text, "%s", text);
    j->st = st;
    if (a == NULL) {
        finish(j, st);
        return;
    }
    keep_begin(&b, &j->node->keep);
    archive_drop(j->node, a, &b);
    if (keep_commit(&b, on_undone, j) != ST_OK) finish(j, st);
}

static bool stopped(struct history_job *j)
{
    if (!j->node->stopping) return false;
    fail(j, ST_CANCELLED, "the daemon stops: nothing was done");
    return true;
}

void history_job_free(struct node *n)
{
    if (n->history == NULL) return;
    secret_free(n->history->keys);
    buf_free(&n->history->in);
    buf_free(&n->history->plain);
    buf_free(&n->history->out);
    free(n->history);
    n->history = NULL;
}

/* ---- the key ---- */

static void run(void *arg)
{
    struct history_job *j = arg;
    j->derived = password_root(BYTES(j->keys->password, j->keys->password_n), j->cost.salt,
                               j->cost.passes, j->cost.memory_kib, j->keys->root);
}

static void begin_rows(struct history_job *j)
{
    const struct enclave *e = enclave_of(j);
    if (e == NULL) {
        fail(j, ST_NOT_FOUND, "the enclave is gone meanwhile");
        return;
    }
    struct history_about about = {.made_ms = env_wall_ms(j->node->ports.env),
                                  .name = bytes_str(e->name),
                                  .nick = bytes_str(e->nick)};
    memcpy(about.enclave_id, e->enclave_id, 32);
    memcpy(about.by, e->id, 32);
    enum status st = history_start(&j->cost, j->keys->root, &j->keys->file, &j->out);
    if (st == ST_OK) st = history_put_about(&about, &j->plain);
    if (st != ST_OK)
        fail(j, st, "the file could not be begun");
    else
        step(j);
}

static void on_derived(void *arg)
{
    struct history_job *j = arg;
    bytes_wipe(j->keys->password, sizeof j->keys->password);
    if (stopped(j)) return;
    j->state = JOB_RUNNING;
    j->since_ms = env_mono_ms(j->node->ports.env);
    if (j->derived != ST_OK) {
        fail(j, j->derived, "the password cannot be used: it must be UTF-8, and memory be free");
        return;
    }
    if (j->export) {
        begin_rows(j);
        return;
    }
    enum status st = history_open(BYTES_OF(j->head), j->keys->root, &j->keys->file);
    bytes_wipe(j->keys->root, sizeof j->keys->root);
    if (st != ST_OK)
        fail(j, st, "wrong password, or the beginning of the file was altered");
    else
        step(j);
}

static void derive(struct history_job *j)
{
    j->state = JOB_DERIVING;
    if (j->node->ports.work.submit(j->node->ports.work.ctx, WORK_BULK, run, on_derived, j) !=
        ST_OK) {
        fail(j, ST_BUSY, "the machine is busy: try again");
        return;
    }
    snprintf(j->text, sizeof j->text, "begun");
    answer(j, ST_OK);
}

/* ---- export ---- */

struct filling {
    struct history_job *j;
    struct enclave *e;
    size_t looked;
    bool more;
    enum status st;
};

static bool on_message(void *arg, uint64_t number, const struct message_row *m)
{
    struct filling *f = arg;
    if (f->looked++ == LOOK_ROWS || f->j->plain.n >= HISTORY_CHUNK) {
        f->more = true;
        return false;
    }
    f->j->number = number;
    if (!share_may_leave(m)) return true;
    f->st = share_row(f->e, m, &f->j->plain);
    f->j->messages += f->st == ST_OK;
    return f->st == ST_OK;
}

static void on_saved(void *arg, enum status st, size_t n)
{
    struct history_job *j = arg;
    (void)n;
    snprintf(j->text, sizeof j->text, "%" PRIu64 " messages are in %.160s", j->messages, j->local);
    if (st == ST_EXISTS)
        snprintf(j->text, sizeof j->text, "%.160s exists already", j->local);
    else if (st != ST_OK)
        snprintf(j->text, sizeof j->text, "%.160s could not be written: %s", j->local,
                 status_text(st));
    finish(j, st);
}

static void on_written(void *arg, enum status st, size_t n)
{
    struct history_job *j = arg;
    if (stopped(j)) return;
    if (st != ST_OK) {
        fail(j, st,
             st == ST_NO_SPACE ? "there is no space left: nothing was written"
                               : "the file could not be written");
        return;
    }
    j->offset += n;
    buf_clear(&j->out);
    if (!j->keys->file.ended) {
        step(j);
        return;
    }
    struct file *f = j->file;
    j->file = NULL;
    j->node->ports.file.ops->commit(f, j->replace, on_saved, j);
}

static void step_export(struct history_job *j)
{
    struct filling f = {j, enclave_of(j), 0, false, ST_OK};
    if (f.e == NULL) {
        fail(j, ST_NOT_FOUND, "the enclave is gone meanwhile: nothing was written");
        return;
    }
    enum status st = post_each(f.e, j->number + 1, on_message, &f);
    if (st == ST_OK) st = f.st;
    if (st == ST_OK) st = history_seal(&j->keys->file, !f.more, buf_view(&j->plain), &j->out);
    buf_clear(&j->plain);
    if (st != ST_OK)
        fail(j, st, "a message could not be read: nothing was written");
    else
        j->node->ports.file.ops->write(j->file, j->offset, buf_view(&j->out), on_written, j);
}

static void on_created(void *arg, enum status st, struct file *f, const struct file_info *info)
{
    struct history_job *j = arg;
    (void)info;
    if (st == ST_OK) j->file = f;
    if (stopped(j)) return;
    if (st == ST_OK) {
        derive(j);
        return;
    }
    char text[NODE_REASON_MAX];
    snprintf(text, sizeof text, "%.160s cannot be written: %s", j->local, status_text(st));
    fail(j, st, text);
}

static void on_looked(void *arg, enum status st, struct file *f, const struct file_info *info)
{
    struct history_job *j = arg;
    char text[NODE_REASON_MAX];
    (void)f;
    (void)info;
    if (stopped(j)) return;
    if (st == ST_OK && !j->replace) {
        snprintf(text, sizeof text, "%.160s exists already", j->local);
        fail(j, ST_EXISTS, text);
        return;
    }
    j->node->ports.file.ops->create(j->node->ports.file.ctx, j->local, j->id, FILE_MODE, on_created,
                                    j);
}

/* ---- import ---- */

static const char CUT[] = "the file is cut off: nothing was imported";

static void fail_import(struct history_job *j, enum status st)
{
    const char *text = "the file holds something else than messages: nothing was imported";
    if (st == ST_BAD_SEAL)
        text = "the file was altered, or parts of it stand in another order: nothing was imported";
    if (st == ST_REPLAY) text = "something was put behind the file's end: nothing was imported";
    if (st == ST_QUOTA) text = "there are too many archives here: enclave history forget NAME";
    if (st == ST_NO_MEMORY) text = "out of memory: nothing was imported";
    fail(j, st == ST_REPLAY ? ST_INTEGRITY : st, text);
}

static void on_ready(void *arg, enum status st)
{
    struct history_job *j = arg;
    if (st != ST_OK) {
        fail(j, st, "the disk did not take it: nothing was imported");
        return;
    }
    if (j->messages == 0)
        snprintf(j->text, sizeof j->text, "all %" PRIu64 " messages of it are here already",
                 j->known);
    else
        snprintf(j->text, sizeof j->text,
                 "%" PRIu64 " messages imported, to be read with: enclave history read %s "
                 "(%" PRIu64 " were here already)",
                 j->messages, j->name, j->known);
    finish(j, ST_OK);
}

static void close_archive(struct history_job *j)
{
    struct keep_batch b;
    struct archive *a = archive_of(j);
    if (a == NULL) {
        fail(j, ST_CANCELLED, "the enclave was left meanwhile: nothing was imported");
        return;
    }
    keep_begin(&b, &j->node->keep);
    snprintf(j->name, sizeof j->name, "%s", j->messages == 0 ? "" : a->name);
    a->r.ready = 1;
    if (j->messages == 0)
        archive_drop(j->node, a, &b);
    else
        archive_put_record(j->node, a, &b);
    if (keep_commit(&b, on_ready, j) != ST_OK) fail(j, ST_IO, "the disk did not take it");
}

static enum status open_archive(struct history_job *j, struct cursor *c)
{
    struct history_about about;
    struct archive *a;
    char name[NODE_NAME_MAX + 1];
    enum status st = history_get_about(c, &about);
    if (st != ST_OK) return st;
    bytes_text(about.name, name, sizeof name);
    const struct archive_made made = {ARCHIVE_IMPORTED, about.enclave_id,
                                      about.by,         j->name[0] == '\0' ? name : j->name,
                                      about.name,       about.nick};
    st = archive_new(j->node, &made, &a);
    if (st == ST_OK) j->slot = a->slot;
    return st;
}

static void on_put(void *arg, enum status st)
{
    struct history_job *j = arg;
    if (stopped(j)) return;
    if (st != ST_OK)
        fail(j, st, "the disk did not take it: nothing was imported");
    else
        step(j);
}

/* The rows of a chunk that was opened. */
static void take_chunk(struct history_job *j)
{
    struct keep_batch b;
    struct cursor c = cursor_of(buf_view(&j->plain));
    struct history_row row;
    enum status st = j->slot == 0 ? open_archive(j, &c) : ST_OK;
    struct archive *a = archive_of(j);
    if (st == ST_OK && a == NULL) st = ST_CANCELLED;
    keep_begin(&b, &j->node->keep);
    while (st == ST_OK && c.left > 0) {
        struct bytes bytes = cursor_take(&c, cursor_u32(&c));
        st = c.bad ? ST_BAD_MESSAGE : history_row_read(bytes, &row);
        if (st != ST_OK) break;
        st = archive_add(j->node, a, bytes, &row, &b);
        j->messages += st == ST_OK;
        j->known += st == ST_EXISTS;
        if (st == ST_EXISTS) st = ST_OK;
    }
    buf_clear(&j->plain);
    if (st != ST_OK) {
        keep_drop(&b);
        fail_import(j, st);
        return;
    }
    archive_put_record(j->node, a, &b);
    if (keep_commit(&b, on_put, j) != ST_OK) fail(j, ST_IO, "the disk did not take it");
}

static void on_read(void *arg, enum status st, size_t n)
{
    struct history_job *j = arg;
    if (stopped(j)) return;
    j->in.n -= READ_SIZE - (st == ST_OK ? n : 0);
    j->offset += st == ST_OK ? n : 0;
    if (st != ST_OK)
        fail(j, st, "the file could not be read to its end: nothing was imported");
    else if (n == 0 && j->in.n == 0 && j->keys->file.ended)
        close_archive(j);
    else if (n == 0)
        fail(j, ST_INTEGRITY, CUT);
    else
        step(j);
}

static void step_import(struct history_job *j)
{
    size_t used;
    enum status st = history_next(&j->keys->file, buf_view(&j->in), &used, &j->plain);
    if (st == ST_OK) {
        buf_consume(&j->in, used);
        take_chunk(j);
        return;
    }
    if (st != ST_PENDING) {
        fail_import(j, st == ST_BAD_MESSAGE ? ST_REPLAY : st);
        return;
    }
    uint8_t *to = buf_space(&j->in, READ_SIZE);
    if (to == NULL)
        fail_import(j, ST_NO_MEMORY);
    else
        j->node->ports.file.ops->read(j->file, j->offset, to, READ_SIZE, on_read, j);
}

static void on_head(void *arg, enum status st, size_t n)
{
    struct history_job *j = arg;
    const struct node_options *o = &j->node->options;
    uint32_t passes = PASSWORD_FLOOR_PASSES, memory_kib = PASSWORD_FLOOR_KIB;
    if (o->passes != 0 && o->passes < passes) passes = o->passes; /* of a simulated machine */
    if (o->passes != 0 && o->memory_kib < memory_kib) memory_kib = o->memory_kib;
    if (stopped(j)) return;
    if (st == ST_OK)
        st = history_head_read(BYTES(j->head, n < HISTORY_HEAD ? n : HISTORY_HEAD), passes,
                               memory_kib, &j->cost);
    j->offset = HISTORY_HEAD;
    if (st == ST_OK)
        derive(j);
    else
        fail(j, st,
             st == ST_VERSION ? "the file was made by a newer version of this program"
                              : "this is no history file, or its beginning was altered");
}

static void on_opened(void *arg, enum status st, struct file *f, const struct file_info *info)
{
    struct history_job *j = arg;
    char text[NODE_REASON_MAX];
    if (st == ST_OK) {
        j->file = f;
        j->size = info->size;
    }
    if (stopped(j)) return;
    if (st == ST_OK) {
        j->node->ports.file.ops->read(f, 0, j->head, HISTORY_HEAD, on_head, j);
        return;
    }
    snprintf(text, sizeof text, "%.160s cannot be read: %s", j->local, status_text(st));
    fail(j, st, text);
}

static void step(struct history_job *j)
{
    if (j->export)
        step_export(j);
    else
        step_import(j);
}

/* ---- asked for ---- */

static size_t characters(struct bytes text)
{
    size_t n = 0;
    for (size_t i = 0; i < text.n; i++) n += (text.p[i] & 0xC0) != 0x80;
    return n;
}

static enum status job_new(struct node *n, const struct node_history_file *req, node_done *done,
                           void *arg, struct history_job **ret)
{
    struct history_job *old = n->history;
    if (old != NULL && old->state != JOB_DONE && old->state != JOB_FAILED) return ST_BUSY;
    if (strlen(req->local) > NODE_PATH_MAX || req->password.n == 0 ||
        req->password.n > PASSWORD_MAX)
        return ST_USAGE;
    struct history_job *j = calloc(1, sizeof *j);
    if (j == NULL) return ST_NO_MEMORY;
    j->keys = secret_new(sizeof *j->keys);
    if (j->keys == NULL) {
        free(j);
        return ST_NO_MEMORY;
    }
    j->node = n;
    j->done = done;
    j->arg = arg;
    j->since_ms = env_mono_ms(n->ports.env);
    env_random(n->ports.env, (uint8_t *)&j->id, sizeof j->id);
    j->id = (j->id & UINT32_MAX) | 1; /* small enough for every reader of JSON */
    snprintf(j->local, sizeof j->local, "%s", req->local);
    memcpy(j->keys->password, req->password.p, req->password.n);
    j->keys->password_n = req->password.n;
    buf_init(&j->in, READ_SIZE + HISTORY_CHUNK_MAX + AEAD_TAG + 4);
    buf_init(&j->plain, HISTORY_CHUNK_MAX);
    buf_init(&j->out, HISTORY_CHUNK_MAX + HISTORY_HEAD + AEAD_TAG + 4);
    history_job_free(n);
    n->history = j;
    n->commits++;
    *ret = j;
    return ST_OK;
}

enum status node_history_export(struct node *n, const struct node_history_file *req,
                                node_done *done, void *arg)
{
    struct history_job *j;
    const struct node_options *o = &n->options;
    if (!n->started) return ST_LOCKED;
    const struct enclave *e = node_find(n, req->enclave);
    if (e == NULL) return ST_NOT_FOUND;
    if (e->post == NULL) return ST_PENDING;
    if (characters(req->password) < NODE_PASSWORD_MIN) return ST_USAGE;
    enum status st = job_new(n, req, done, arg, &j);
    if (st != ST_OK) return st;
    j->export = true;
    j->replace = req->replace;
    j->slot = e->slot;
    j->last = e->next_message - 1;
    j->cost.passes = o->passes != 0 ? o->passes : PASSWORD_PASSES;
    j->cost.memory_kib = o->passes != 0 ? o->memory_kib : PASSWORD_MEMORY_KIB;
    env_random(n->ports.env, j->cost.salt, sizeof j->cost.salt);
    n->ports.file.ops->info(n->ports.file.ctx, j->local, on_looked, j);
    return ST_OK;
}

enum status node_history_import(struct node *n, const struct node_history_file *req,
                                node_done *done, void *arg)
{
    struct history_job *j;
    if (!n->started) return ST_LOCKED;
    if (req->name != NULL && strlen(req->name) > NODE_NAME_MAX) return ST_USAGE;
    enum status st = job_new(n, req, done, arg, &j);
    if (st != ST_OK) return st;
    if (req->name != NULL) snprintf(j->name, sizeof j->name, "%s", req->name);
    n->ports.file.ops->open_read(n->ports.file.ctx, j->local, on_opened, j);
    return ST_OK;
}

enum status node_history_job(struct node *n, node_history_job_visit *visit, void *arg)
{
    struct node_history_job v;
    if (n->history == NULL) return ST_NOT_FOUND;
    view_of(n->history, &v);
    visit(arg, &v);
    return ST_OK;
}
