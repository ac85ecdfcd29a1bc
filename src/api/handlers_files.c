/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Files and transfers. */
#include "api/call.h"
#include "api/shapes_json.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static json_t *transfer_begun(const struct call *c, const struct node_result *r)
{
    (void)c;
    return r->data == NULL ? json_object() : json_transfer(r->data);
}

/* A path of this machine means the same to the daemon only if it is absolute. */
static bool is_absolute(struct call *c, const char *local)
{
    if (local != NULL && local[0] == '/') return true;
    call_fail(c, ST_USAGE, "local must be an absolute path", "");
    return false;
}

bool api_path_fits(struct call *c, const char *name)
{
    if (call_bytes(c, name).n <= NODE_PATH_MAX) return true;
    call_fail(c, ST_TOO_BIG, "the path is longer than 4096 bytes", "a shorter one");
    return false;
}

/* The owner's own limit (security.max_upload_size_mb). */
static bool size_fits(struct call *c, const char *local)
{
    struct stat st;
    char text[128];
    uint64_t most = c->api->o.upload_max;
    if (most == 0 || stat(local, &st) != 0 || (uint64_t)st.st_size <= most) return true;
    snprintf(text, sizeof text, "the file is larger than security.max_upload_size_mb (%llu) allows",
             (unsigned long long)(most / 1000000));
    call_fail(c, ST_TOO_BIG, text, "a larger limit in enclave.yaml");
    return false;
}

void api_handle_put(struct call *c)
{
    char room[NODE_NAME_MAX + 1];
    const char *local = call_text(c, "local");
    if (!is_absolute(c, local) || !api_path_fits(c, "path") || !size_fits(c, local)) return;
    const char *name = api_enclave_of(c, room, sizeof room);
    if (name == NULL) return;
    struct stat st_local;
    struct node_put req = {.enclave = name,
                           .local = local,
                           .path = call_bytes(c, "path"),
                           .profile = call_given(c, "profile") ? call_text(c, "profile")
                                                               : c->api->o.profile,
                           .strict = call_flag(c, "strict"),
                           .stream = stat(local, &st_local) == 0 && S_ISFIFO(st_local.st_mode),
                           .most = c->api->o.upload_max};
    c->result = transfer_begun;
    enum status st = node_put(c->api->o.node, &req, call_done, c);
    if (st == ST_USAGE && req.profile != NULL)
        call_fail(
            c, st,
            "that profile is not possible: balanced, thrifty, mirror, or K/N with K <= N <= 64",
            "enclave help put");
    else if (st != ST_OK)
        api_refused(c, name, st);
}

void api_handle_get(struct call *c)
{
    char room[NODE_NAME_MAX + 1];
    const char *local = call_text(c, "local");
    if (!is_absolute(c, local) || !api_path_fits(c, "path")) return;
    const char *name = api_enclave_of(c, room, sizeof room);
    if (name == NULL) return;
    struct node_get req = {.enclave = name,
                           .path = call_bytes(c, "path"),
                           .local = local,
                           .replace = call_flag(c, "replace"),
                           .from = call_number(c, "from", 0),
                           .to = call_number(c, "to", 0)};
    if (req.to != 0 && req.to <= req.from) {
        call_fail(c, ST_USAGE, "the part ends before it begins", "from less than to");
        return;
    }
    if (!api_version_of(c, &req.of)) return;
    c->result = transfer_begun;
    enum status st = node_get(c->api->o.node, &req, call_done, c);
    if (st == ST_TOO_BIG)
        call_fail(c, ST_USAGE, "the file ends before that", "enclave info tells its size");
    else if (st == ST_EXISTS)
        call_fail(c, st, "the file exists already", "the same with --replace");
    else if (st == ST_USAGE)
        call_fail(c, st, "that is a directory of the enclave", "enclave ls shows what is in it");
    else if (st != ST_OK)
        api_refused(c, name, st);
}

static void add_file(void *arg, const struct node_file *f)
{
    json_add(arg, "files", json_file(f));
}

void api_handle_ls(struct call *c)
{
    char room[NODE_NAME_MAX + 1];
    if (!api_path_fits(c, "path")) return;
    const char *name = api_enclave_of(c, room, sizeof room);
    if (name == NULL) return;
    json_t *o = json_object();
    json_add(o, "files", NULL);
    enum status st = node_ls(c->api->o.node, name, call_bytes(c, "path"), add_file, o);
    if (st == ST_OK) {
        call_answer(c, o);
        return;
    }
    json_decref(o);
    api_refused(c, name, st);
}

struct one {
    json_t *o;
};

static void keep_file(void *arg, const struct node_file *f)
{
    struct one *one = arg;
    json_decref(one->o);
    one->o = json_file(f);
}

void api_handle_info(struct call *c)
{
    char room[NODE_NAME_MAX + 1];
    struct one one = {NULL};
    if (!api_path_fits(c, "path")) return;
    const char *name = api_enclave_of(c, room, sizeof room);
    if (name == NULL) return;
    enum status st = node_info(c->api->o.node, name, call_bytes(c, "path"), keep_file, &one);
    if (st == ST_OK && one.o != NULL) {
        call_answer(c, one.o);
        return;
    }
    json_decref(one.o);
    api_refused(c, name, st == ST_OK ? ST_NOT_FOUND : st);
}

static void keep_drill(void *arg, const struct node_drill_view *v)
{
    struct one *one = arg;
    json_decref(one->o);
    one->o = json_drill(v);
}

void api_handle_drill(struct call *c)
{
    char room[NODE_NAME_MAX + 1];
    struct one one = {NULL};
    const char *name = api_enclave_of(c, room, sizeof room);
    if (name == NULL) return;
    const char *without = call_given(c, "without") ? call_text(c, "without") : NULL;
    enum status st = node_drill(c->api->o.node, name, without, keep_drill, &one);
    if (st == ST_OK && one.o != NULL) {
        call_answer(c, one.o);
        return;
    }
    json_decref(one.o);
    if (st == ST_USAGE)
        call_fail(c, st, "one of these names is no member who keeps shards", "enclave members");
    else
        api_refused(c, name, st == ST_OK ? ST_NOT_FOUND : st);
}

void api_handle_rebalance(struct call *c)
{
    char room[NODE_NAME_MAX + 1];
    const char *name = api_enclave_of(c, room, sizeof room);
    if (name == NULL) return;
    enum status st = node_rebalance(c->api->o.node, name, call_done, c);
    if (st != ST_OK) api_refused(c, name, st);
}

void api_handle_mkdir(struct call *c)
{
    char room[NODE_NAME_MAX + 1];
    if (!api_path_fits(c, "path")) return;
    const char *name = api_enclave_of(c, room, sizeof room);
    if (name == NULL) return;
    enum status st = node_mkdir(c->api->o.node, name, call_bytes(c, "path"), call_done, c);
    if (st == ST_EXISTS)
        call_fail(c, st, "there is a file or directory of that name already", "another name");
    else if (st != ST_OK)
        api_refused(c, name, st);
}

void api_handle_mv(struct call *c)
{
    char room[NODE_NAME_MAX + 1];
    if (!api_path_fits(c, "from") || !api_path_fits(c, "to")) return;
    const char *name = api_enclave_of(c, room, sizeof room);
    if (name == NULL) return;
    enum status st =
        node_mv(c->api->o.node, name, call_bytes(c, "from"), call_bytes(c, "to"), call_done, c);
    if (st != ST_OK) api_refused(c, name, st);
}

void api_handle_rm(struct call *c)
{
    char room[NODE_NAME_MAX + 1];
    if (!api_path_fits(c, "path")) return;
    const char *name = api_enclave_of(c, room, sizeof room);
    if (name == NULL) return;
    enum status st = node_rm(c->api->o.node, name, call_bytes(c, "path"), call_flag(c, "recursive"),
                             call_done, c);
    if (st == ST_CONFLICT && !call_flag(c, "recursive"))
        call_fail(c, st, "the directory is not empty", "the same with --recursive");
    else if (st != ST_OK)
        api_refused(c, name, st);
}

static void add_transfer(void *arg, const struct node_transfer *t)
{
    json_add(arg, "transfers", json_transfer(t));
}

void api_handle_transfers(struct call *c)
{
    json_t *o = json_object();
    json_add(o, "transfers", NULL);
    node_transfers(c->api->o.node, add_transfer, o);
    call_answer(c, o);
}

static void keep_transfer(void *arg, const struct node_transfer *t)
{
    struct one *one = arg;
    json_decref(one->o);
    one->o = json_transfer(t);
}

void api_handle_transfer(struct call *c)
{
    struct one one = {NULL};
    enum status st = node_transfer(c->api->o.node, call_number(c, "id", 0), keep_transfer, &one);
    if (st == ST_OK && one.o != NULL) {
        call_answer(c, one.o);
        return;
    }
    json_decref(one.o);
    call_fail(c, ST_NOT_FOUND, "there is no such transfer", "enclave transfers");
}
