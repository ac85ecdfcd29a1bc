/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The half of the fake node that keeps files: holders, versions, audits.
 * Owns nothing. Errors: as fake_node.h says. No order.
 */
#ifndef ENCLAVE_TESTS_UNIT_FAKE_STORAGE_H
#define ENCLAVE_TESTS_UNIT_FAKE_STORAGE_H

#include "unit/fake_node.h"

static inline void fake_audit(node_audit_visit *visit, void *arg)
{
    static const struct node_audit_fault fault = {.time_ms = 1000,
                                                  .cause = "gone",
                                                  .by = "ada",
                                                  .segment = "0011223344556677",
                                                  .index = 3,
                                                  .times = 2,
                                                  .one_leaf = true,
                                                  .leaf = 7};
    const struct node_audit a = {.nick = "bob",
                                 .score = 61,
                                 .standing = "good",
                                 .before = 75,
                                 .availability = 90,
                                 .last_ms = 1000,
                                 .text = "all right",
                                 .next = "nothing",
                                 .faults = &fault,
                                 .n_faults = 1};
    visit(arg, &a);
}

enum status node_audits(struct node *n, const char *enclave, node_audit_visit *visit, void *arg)
{
    if (!fake_known(n, enclave)) return ST_NOT_FOUND;
    fake_audit(visit, arg);
    return ST_OK;
}

enum status node_audit_why(struct node *n, const char *enclave, const char *who,
                           node_audit_visit *visit, void *arg)
{
    if (!fake_known(n, enclave)) return ST_NOT_FOUND;
    if (strcmp(who, "me") == 0) return ST_USAGE;
    fake_audit(visit, arg);
    return ST_OK;
}

enum status node_audit_now(struct node *n, const char *enclave, node_done *done, void *arg)
{
    if (!fake_known(n, enclave)) return ST_NOT_FOUND;
    return fake_take(n, done, arg, NULL);
}

enum status node_audit_log(struct node *n, const char *enclave, node_audit_line *visit, void *arg)
{
    static const struct node_audit_entry l = {4, 1000, "ada", "bob: 24 of 24 right"};
    if (!fake_known(n, enclave)) return ST_NOT_FOUND;
    visit(arg, &l);
    return ST_OK;
}

enum status node_audit_verify(struct node *n, const char *enclave, struct node_audit_verdict *ret)
{
    *ret = (struct node_audit_verdict){.entries = 2, .rows = 5, .missing = n->number};
    return fake_known(n, enclave) ? ST_OK : ST_NOT_FOUND;
}

enum status node_storage(struct node *n, const char *enclave, node_storage_visit *visit, void *arg)
{
    if (!fake_known(n, enclave)) return ST_NOT_FOUND;
    struct node_storage v = {.who = "ada", .self = true, .state = "member", .text = ""};
    visit(arg, &v);
    v = (struct node_storage){.number = 4096,
                              .who = "store:1",
                              .node = true,
                              .state = "ready",
                              .told = true,
                              .used = 7,
                              .expiry_ms = 1,
                              .text = ""};
    visit(arg, &v);
    return ST_OK;
}
static inline enum status fake_version(struct node *n, const char *enclave, struct bytes path,
                                       node_version_visit *visit, void *arg)
{
    if (!fake_known(n, enclave)) return ST_NOT_FOUND;
    fake_keep(n, enclave, path);
    struct node_version v = {.path = BYTES_LIT("a\nb\xfe"),
                             .number = 7,
                             .by = "ada",
                             .state = "removed",
                             .gone_ms = 1,
                             .gone_by = "bob"};
    visit(arg, &v);
    return ST_OK;
}

enum status node_storage_add(struct node *n, const char *enclave, const char *offer, uint64_t quota,
                             node_done *done, void *arg)
{
    n->number = quota;
    return node_mkdir(n, enclave, bytes_str(offer), done, arg);
}

enum status node_storage_remove(struct node *n, const char *enclave, uint64_t number,
                                node_done *done, void *arg)
{
    n->number = number;
    return node_mkdir(n, enclave, BYTES_NONE, done, arg);
}

enum status node_storage_offer(struct node *n, uint64_t bytes, node_done *done, void *arg)
{
    n->number = bytes;
    return fake_take(n, done, arg, NULL);
}

uint64_t node_storage_offered(const struct node *n)
{
    return n->number;
}
enum status node_versions(struct node *n, const char *enclave, struct bytes path,
                          node_version_visit *visit, void *arg)
{
    return fake_version(n, enclave, path, visit, arg);
}

enum status node_trash(struct node *n, const char *enclave, struct bytes path,
                       node_version_visit *visit, void *arg)
{
    return fake_version(n, enclave, path, visit, arg);
}

enum status node_restore(struct node *n, const char *enclave, struct bytes path,
                         const struct node_version_of *of, node_done *done, void *arg)
{
    n->number = of->number != 0 ? of->number : of->at_ms;
    return node_mkdir(n, enclave, path, done, arg);
}

enum status node_retention(struct node *n, const char *enclave, const char **ret)
{
    *ret = "staggered";
    return fake_known(n, enclave) ? ST_OK : ST_NOT_FOUND;
}

enum status node_retention_set(struct node *n, const char *enclave, const char *keep,
                               node_done *done, void *arg)
{
    return node_mkdir(n, enclave, bytes_str(keep), done, arg);
}

enum status node_gc(struct node *n, const char *enclave, node_version_visit *visit, void *arg,
                    uint64_t *ret_bytes)
{
    *ret_bytes = 9;
    return fake_version(n, enclave, BYTES_NONE, visit, arg);
}

enum status node_gc_run(struct node *n, const char *enclave, node_done *done, void *arg)
{
    return node_mkdir(n, enclave, BYTES_NONE, done, arg);
}

enum status node_files_rekey(struct node *n, const char *enclave, size_t *ret_files,
                             node_done *done, void *arg)
{
    *ret_files = 1;
    return node_mkdir(n, enclave, BYTES_NONE, done, arg);
}

#endif
