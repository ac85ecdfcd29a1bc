/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* put -r and get -r. */
#include "cli/folder.h"

#include "tables/names.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define WINDOW 12    /* under way at once: fewer than the daemon remembers */
#define SLICE_MS 250 /* the longest wait for news */
#define LOOK_MS 1000 /* how often everything is looked at, for the progress */

/* A file or directory of the job. */
struct item {
    char *local;
    char *path;
    uint64_t size, mtime_ms;
    bool directory;
    uint64_t id;
    bool due; /* something was heard of it: to be looked at */
    bool over;
};

struct folder {
    struct cli *c;
    bool put;
    struct item *p;
    size_t n, room;
    size_t first, next; /* all before first are over, all before next begun */
    size_t done, failed, skipped, spreading, odd;
    uint64_t bytes, total, moved; /* moved: of those that are over */
    uint64_t began_ms, looked_ms;
    int code;
    bool out_of_memory;
    json_t *faults;
};

/* A name as it stands in JSON; NULL: no memory. */
static char *text_of(const char *path)
{
    struct buf out = BUF_INIT;
    if (names_plain(bytes_str(path)))
        buf_str(&out, path);
    else
        names_encode(bytes_str(path), &out);
    char *text = out.bad ? NULL : strndup((const char *)out.p, out.n);
    buf_free(&out);
    return text;
}

static void say_fault(struct folder *f, const char *path, const char *text)
{
    char *shown = text_of(path);
    f->failed++;
    json_array_append_new(f->faults, json_pack("{s:s?, s:s}", "path", shown, "text", text));
    free(shown);
    if (!f->c->quiet && !f->c->json) {
        if (f->c->tty_err) fputs("\r\033[K", stderr);
        cli_note(f->c, "%s: %s", path, text);
    }
}

static void add(struct folder *f, const char *local, const char *path, const struct item *like)
{
    if (f->n == f->room) {
        size_t room = f->room > 0 ? 2 * f->room : 64;
        struct item *more = realloc(f->p, room * sizeof *more);
        if (more == NULL) {
            f->out_of_memory = true;
            return;
        }
        f->p = more;
        f->room = room;
    }
    struct item *it = &f->p[f->n++];
    *it = *like;
    it->local = strdup(local);
    it->path = strdup(path);
    if (it->local == NULL || it->path == NULL) f->out_of_memory = true;
    f->total += it->size;
}

/* "a/b"; NULL: no memory. */
static char *joined(const char *dir, const char *name)
{
    size_t n = strlen(dir) + strlen(name) + 2;
    char *out = malloc(n);
    if (out != NULL) snprintf(out, n, "%s%s%s", dir, *dir != '\0' ? "/" : "", name);
    return out;
}

/* The name of an answer as bytes; NULL: no memory. */
static char *path_of(const json_t *o)
{
    const char *text = cli_text(o, "path");
    struct buf raw = BUF_INIT;
    if (!cli_bool(o, "path_encoded")) return strdup(text);
    enum status st = names_decode(bytes_str(text), &raw);
    char *out = st == ST_OK ? strndup((const char *)raw.p, raw.n) : NULL;
    buf_free(&raw);
    return out;
}

static uint64_t time_of(const json_t *o)
{
    const char *text = cli_text(o, "time");
    const char *dot = strchr(text, '.');
    return (uint64_t)cli_when(text) * 1000 + (dot != NULL ? strtoul(dot + 1, NULL, 10) : 0);
}

static uint64_t mtime_of(const struct stat *st)
{
    return (uint64_t)st->st_mtim.tv_sec * 1000 + (uint64_t)st->st_mtim.tv_nsec / 1000000;
}

/* ---- what there is to put ---- */

static int by_name(const FTSENT **a, const FTSENT **b)
{
    return strcmp((*a)->fts_name, (*b)->fts_name);
}

/* The directory of the enclave that a local one becomes, as it is now: {name: entry}, or NULL. */
static json_t *listing(struct folder *f, const char *path)
{
    json_t *all;
    size_t i;
    json_t *o;
    cli_set_param(f->c, "path", path);
    if (cli_call_args(f->c, "ls", NULL, 0) != 0 || (all = json_object()) == NULL) return NULL;
    json_array_foreach(json_object_get(f->c->doc, "files"), i, o)
        json_object_set(all, cli_text(o, "path"), o);
    return all;
}

static bool same(const json_t *list, const char *path, const struct item *it)
{
    char *text = text_of(path);
    const json_t *o = text != NULL ? json_object_get(list, text) : NULL;
    bool is = o != NULL && !cli_bool(o, "directory") && cli_number(o, "size") == it->size &&
              time_of(o) == it->mtime_ms;
    free(text);
    return is;
}

/* An entry of the walk; list: what is in its directory of the enclave. */
static void found(struct folder *f, const FTSENT *e, const char *path, const json_t *list)
{
    struct item it = {0};
    switch (e->fts_info) {
    case FTS_F:
        it.size = (uint64_t)e->fts_statp->st_size;
        it.mtime_ms = mtime_of(e->fts_statp);
        if (S_ISREG(e->fts_statp->st_mode) && same(list, path, &it))
            f->skipped++;
        else if (S_ISREG(e->fts_statp->st_mode))
            add(f, e->fts_path, path, &it);
        else
            f->odd++;
        break;
    case FTS_SL:
    case FTS_SLNONE:
    case FTS_DEFAULT: f->odd++; break;
    case FTS_DNR:
    case FTS_NS:
    case FTS_ERR: say_fault(f, e->fts_path, strerror(e->fts_errno)); break;
    case FTS_DC: say_fault(f, e->fts_path, "a directory that holds itself"); break;
    default: break;
    }
}

static void walk(struct folder *f, char *local, const char *path)
{
    char *const roots[] = {local, NULL};
    FTS *w = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, by_name);
    json_t *lists[64] = {NULL}; /* by depth; deeper ones are asked for each time */
    size_t skip = strlen(local);
    for (FTSENT *e; w != NULL && (e = fts_read(w)) != NULL && !f->out_of_memory;) {
        if (atomic_load(&f->c->interrupted)) break;
        const char *rest = e->fts_path + skip;
        char *own = joined(path, *rest == '/' ? rest + 1 : rest);
        if (own == NULL) break;
        size_t n = strlen(own);
        if (n > 0 && own[n - 1] == '/') own[n - 1] = '\0'; /* the root itself */
        size_t depth = e->fts_level < 0 ? 0 : (size_t)e->fts_level;
        if (e->fts_info == FTS_D && depth < 63) {
            json_decref(lists[depth + 1]);
            lists[depth + 1] = listing(f, own);
            FTSENT *child = fts_children(w, 0);
            const struct item empty = {.directory = true};
            if (*own != '\0' && child == NULL && errno == 0 && lists[depth + 1] == NULL)
                add(f, e->fts_path, own, &empty);
        }
        found(f, e, own, depth < 64 ? lists[depth] : NULL);
        free(own);
    }
    for (size_t i = 0; i < 64; i++) json_decref(lists[i]);
    if (w == NULL) say_fault(f, local, strerror(errno));
    if (w != NULL) fts_close(w);
}

/* ---- what there is to get ---- */

/* 0, or an exit code: the directory cannot be listed. */
static int list_tree(struct folder *f, const char *path, const char *local)
{
    size_t i;
    json_t *o;
    cli_set_param(f->c, "path", path);
    int code = cli_call_args(f->c, "ls", NULL, 0);
    if (code != 0) return code;
    json_t *doc = json_incref(f->c->doc);
    const struct item dir = {.directory = true};
    add(f, local, path, &dir);
    json_array_foreach(json_object_get(doc, "files"), i, o)
    {
        char *own = path_of(o);
        char *to = own != NULL && local != NULL
                       ? joined(local, own + strlen(path) + (*path != '\0'))
                       : NULL;
        struct stat st;
        struct item it = {.size = cli_number(o, "size"), .mtime_ms = time_of(o)};
        if (to == NULL)
            f->out_of_memory = true;
        else if (cli_bool(o, "directory"))
            code = list_tree(f, own, to);
        else if (lstat(to, &st) != 0)
            add(f, to, own, &it);
        else if ((uint64_t)st.st_size == it.size && mtime_of(&st) == it.mtime_ms)
            f->skipped++;
        else if (S_ISREG(st.st_mode) && cli_flag(f->c, "replace"))
            add(f, to, own, &it);
        else
            say_fault(f, to, "it exists already (--replace puts the other in its place)");
        free(own);
        free(to);
        if (code != 0 || f->out_of_memory || atomic_load(&f->c->interrupted)) break;
    }
    json_decref(doc);
    return code;
}

/* ---- doing it ---- */

/* Broken off by the person, or the daemon is gone. */
static bool fatal(int code)
{
    return code == 130 || code == 13;
}

static int begin(struct folder *f, struct item *it)
{
    struct cli *c = f->c;
    int code = 0;
    cli_set_param(c, "local", it->local);
    cli_set_param(c, "path", it->path);
    if (it->directory) {
        it->over = true;
        if (f->put)
            code = cli_call_args(c, "mkdir", NULL, 0);
        else if (mkdir(it->local, 0777) != 0 && errno != EEXIST)
            say_fault(f, it->local, strerror(errno));
        return fatal(code) ? code : 0;
    }
    code = cli_call_args(c, f->put ? "put" : "get", NULL, 0);
    if (code == 0) {
        it->id = cli_number(c->doc, "id");
        return 0;
    }
    if (fatal(code)) return code;
    it->over = true;
    f->code = code;
    say_fault(f, it->path, enclave_text(c->answer));
    return 0;
}

static void over(struct folder *f, struct item *it, const char *state)
{
    it->over = true;
    f->moved += it->size;
    if (strcmp(state, "failed") == 0) {
        f->code = (int)cli_number(f->c->doc, "exit");
        if (f->code == 0) f->code = 1;
        say_fault(f, it->path, cli_text(f->c->doc, "text"));
        return;
    }
    f->done++;
    f->bytes += it->size;
    if (strcmp(state, "accepted") == 0) f->spreading++;
    if (!f->put) { /* so that the next time tells what is there already */
        const struct timespec when = {(time_t)(it->mtime_ms / 1000),
                                      (long)(it->mtime_ms % 1000) * 1000000};
        const struct timespec both[2] = {when, when};
        (void)utimensat(AT_FDCWD, it->local, both, AT_SYMLINK_NOFOLLOW);
    }
}

static void show(struct folder *f, uint64_t partly, unsigned holders_done, unsigned holders)
{
    char done[16];
    char total[16];
    char rate[16];
    char eta[16];
    const struct cli *c = f->c;
    uint64_t bytes = f->moved + partly;
    uint64_t ms = cli_now_ms() - f->began_ms + 1;
    uint64_t speed = bytes * 1000 / ms;
    uint64_t left_ms = speed > 0 && f->total > bytes ? (f->total - bytes) * 1000 / speed : 0;
    if (cli_flag(c, "progress"))
        fprintf(stderr,
                "{\"files\":%zu,\"files_total\":%zu,\"bytes\":%llu,\"total\":%llu,\"rate\":%llu,"
                "\"eta_ms\":%llu}\n",
                f->first, f->n, (unsigned long long)bytes, (unsigned long long)f->total,
                (unsigned long long)speed, (unsigned long long)left_ms);
    if (!c->tty_err || c->quiet || c->json || cli_flag(c, "progress")) return;
    cli_size(bytes, done);
    cli_size(f->total, total);
    cli_size(speed, rate);
    cli_duration(left_ms, eta);
    fprintf(stderr, "\r\033[K%zu of %zu files  %s of %s  %s/s", f->first, f->n, done, total, rate);
    if (left_ms > 0) fprintf(stderr, "  %s left", eta);
    if (holders > 0) fprintf(stderr, "  %u of %u holders", holders_done, holders);
    fflush(stderr);
}

/* Waits for news; of what there is some is marked. 0, or an exit code that ends it all. */
static int listen(struct folder *f, uint64_t *event)
{
    size_t i;
    json_t *e;
    int code = cli_wait_event(f->c, event, SLICE_MS);
    if (code != 0) return code;
    json_array_foreach(json_object_get(f->c->doc, "events"), i, e)
    {
        uint64_t ref = cli_number(e, "ref");
        if (strcmp(cli_text(e, "kind"), "transfer") != 0) continue;
        for (size_t n = f->first; n < f->next; n++)
            if (f->p[n].id == ref) f->p[n].due = true;
    }
    return 0;
}

/* Looks at what is due; now and then at everything. 0, or an exit code that ends it all. */
static int look(struct folder *f)
{
    char id[24];
    uint64_t partly = 0;
    unsigned holders = 0;
    unsigned holders_done = 0;
    bool all = cli_now_ms() - f->looked_ms >= LOOK_MS;
    for (size_t i = f->first; i < f->next; i++) {
        struct item *it = &f->p[i];
        if (it->over || (!all && !it->due)) continue;
        it->due = false;
        snprintf(id, sizeof id, "%llu", (unsigned long long)it->id);
        struct enclave_param params[] = {{"id", id, 0}};
        int code = cli_call(f->c, "transfer", params, 1);
        if (fatal(code)) return code;
        const char *state = code == 0 ? cli_text(f->c->doc, "state") : "failed";
        bool wait = f->put && cli_flag(f->c, "wait");
        bool ended = strcmp(state, "failed") == 0 || strcmp(state, "safe") == 0 ||
                     strcmp(state, "done") == 0 || (strcmp(state, "accepted") == 0 && !wait);
        if (ended) {
            over(f, it, state);
            continue;
        }
        partly += cli_number(f->c->doc, "bytes");
        holders = (unsigned)cli_number(f->c->doc, "holders");
        holders_done = (unsigned)cli_number(f->c->doc, "holders_done");
    }
    while (f->first < f->next && f->p[f->first].over) f->first++;
    if (all) {
        f->looked_ms = cli_now_ms();
        show(f, partly, holders_done, holders);
    }
    return 0;
}

static int carry_out(struct folder *f)
{
    int code = cli_call(f->c, "daemon_status", NULL, 0);
    uint64_t event = code == 0 ? cli_number(f->c->doc, "last_event") : 0;
    f->began_ms = cli_now_ms();
    while (code == 0 && f->first < f->n) {
        while (code == 0 && f->next < f->n && f->next - f->first < WINDOW)
            code = begin(f, &f->p[f->next++]);
        if (code == 0) code = look(f);
        if (code == 0 && cli_timed_out(f->c)) code = 13;
        bool full = f->next - f->first == WINDOW || f->next == f->n;
        if (code == 0 && f->first < f->n && full) code = listen(f, &event);
    }
    if (f->c->tty_err && !f->c->quiet && !f->c->json) fputs("\r\033[K", stderr);
    return code;
}

/* ---- the two verbs ---- */

static int report(struct folder *f, const char *path)
{
    char size[16];
    int code = f->failed > 0 ? (f->code != 0 ? f->code : 1) : f->spreading > 0 ? 3 : 0;
    cli_size(f->bytes, size);
    if (f->c->json) {
        char *shown = text_of(path);
        json_t *o = json_pack("{s:s?, s:I, s:I, s:I, s:I, s:I, s:O}", "path", shown, "files",
                              (json_int_t)f->done, "bytes", (json_int_t)f->bytes, "unchanged",
                              (json_int_t)f->skipped, "spreading", (json_int_t)f->spreading,
                              "passed_over", (json_int_t)f->odd, "failed", f->faults);
        char *text = o != NULL ? json_dumps(o, JSON_COMPACT) : NULL;
        if (text != NULL) puts(text);
        free(text);
        free(shown);
        json_decref(o);
        return code;
    }
    cli_put(f->c, STYLE_BOLD, path, false);
    printf(": %zu files %s, %s", f->done, f->put ? "put" : "fetched", size);
    if (f->skipped > 0) printf("; %zu were there already", f->skipped);
    if (f->odd > 0) printf("; %zu links and special files were passed over", f->odd);
    if (f->spreading > 0) printf("; %zu still spread", f->spreading);
    if (f->failed > 0) printf("; %zu failed", f->failed);
    printf("\n");
    return code;
}

static int finish(struct folder *f, int code, const char *path)
{
    if (code == 0 && f->out_of_memory) code = cli_fail(f->c, 1, NULL, "out of memory");
    if (code == 0 && atomic_load(&f->c->interrupted)) code = 130;
    if (code == 0) code = carry_out(f);
    if (code == 0)
        code = report(f, path);
    else if (code == 130)
        cli_note(f->c, "It was broken off after %zu of %zu files; the same command goes on.",
                 f->first, f->n);
    else if (code == 13 && cli_timed_out(f->c))
        code = cli_fail(f->c, 13, "the same command goes on", "it takes longer");
    for (size_t i = 0; i < f->n; i++) {
        free(f->p[i].local);
        free(f->p[i].path);
    }
    free(f->p);
    json_decref(f->faults);
    cli_set_param(f->c, "local", NULL);
    cli_set_param(f->c, "path", NULL);
    return code;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

/* Without slashes at its end (and, of a name in the enclave, at its beginning). */
static char *trimmed(const char *path, bool local)
{
    while (!local && *path == '/') path++;
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/') n--;
    return strndup(path, n);
}

int cli_put_folder(struct cli *c)
{
    struct folder f = {.c = c, .put = true, .faults = json_array()};
    struct stat st;
    char *local = trimmed(cli_param(c, "local"), true);
    const char *said = cli_param(c, "path");
    char *path = local != NULL ? trimmed(said != NULL ? said : base_name(local), false) : NULL;
    int code = 0;
    if (path == NULL || f.faults == NULL)
        code = cli_fail(c, 1, NULL, "out of memory");
    else if (stat(local, &st) != 0)
        code = cli_fail(c, errno == ENOENT ? 4 : 1, NULL, "%s: %s", local, strerror(errno));
    else if (!S_ISDIR(st.st_mode))
        code = cli_fail(c, 2, "the same without -r", "%s is not a directory", local);
    if (code == 0 && local != NULL && path != NULL) walk(&f, local, path);
    code = finish(&f, code, path);
    free(local);
    free(path);
    return code;
}

int cli_get_folder(struct cli *c)
{
    struct folder f = {.c = c, .faults = json_array()};
    char *path = trimmed(cli_param(c, "path"), false);
    const char *said = cli_param(c, "local");
    char *local = NULL;
    int code = 0;
    if (path != NULL) local = said != NULL ? trimmed(said, true) : cli_absolute(base_name(path));
    if (local == NULL || f.faults == NULL) code = cli_fail(c, 1, NULL, "out of memory");
    if (code == 0) {
        code = list_tree(&f, path, local);
        if (code != 0) code = cli_problem(c);
    }
    code = finish(&f, code, path);
    free(local);
    free(path);
    return code;
}
