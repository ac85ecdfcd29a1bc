/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * node_private: the node's inside, shared by the workflow folders below
 * src/node; nobody above includes it.
 *
 * Owns: the enclaves in the list. Errors, Order: see node.h.
 */
#ifndef ENCLAVE_NODE_PRIVATE_H
#define ENCLAVE_NODE_PRIVATE_H

#include "node/keep.h"
#include "node/node.h"

struct enclave;
struct later;
struct revoke;
struct contacts;
struct archives;
struct history_job;

#define NODE_BROKEN_MAX 16

/* One that did not load: shown, and nothing else. Its rows stay as they are. */
struct node_broken {
    char name[NODE_NAME_MAX + 1];
    char text[NODE_REASON_MAX];
};

struct node {
    struct node_ports ports;
    struct node_options options;
    struct keep keep;
    uint8_t *recovery; /* guarded: from it each enclave's revocation key */
    bool started;
    bool stopping;
    struct keep_space records;
    struct keep_space places; /* copied.c */
    struct enclave *enclaves[NODE_ENCLAVES_MAX];
    size_t n;
    struct node_broken broken[NODE_BROKEN_MAX];
    size_t n_broken;
    uint64_t next_slot;
    uint64_t next_transfer;
    node_listener *listener;
    void *listener_arg;
    /* Commits on the way; node_stop waits for them. */
    size_t commits;
    node_done *stop_done;
    void *stop_arg;
    struct later *later;         /* answers that wait for the next tick */
    struct archives *archives;   /* node/post/archive.h */
    struct history_job *history; /* the last export or import; NULL */
    struct revoke *revoke;       /* one at a time; NULL */
    struct contacts *contacts;
    uint64_t gate_ms;   /* gate.h: another enclave than the last dials not before */
    uint64_t gate_last; /* slot of the last one, 0: none yet */
};

/* ---- offer.c ---- */
enum status node_offer_load(struct node *n) MUST_USE;

/* ---- revoke.c ---- */
void revoke_free(struct revoke *r);
uint64_t revoke_next_ms(const struct revoke *r); /* 0: at once */
void revoke_tick(struct revoke *r, uint64_t now_ms);

/* ---- contact/contact.c ---- */
enum status contacts_start(struct node *n) MUST_USE;
void contacts_stop(struct node *n); /* whoever waits is told */
void contacts_free(struct node *n);
uint64_t contacts_next_ms(const struct node *n);
void contacts_tick(struct node *n, uint64_t now_ms);
struct enclave_knock;
/* Somebody knocked at a door of e: the contact that it was made for is let in. */
void contacts_knocked(struct enclave *e, struct enclave_knock *k);
/* Whether the other one of e is the contact whose fingerprint begins so (8 or more characters). */
bool contacts_means(const struct enclave *e, const char *text, size_t len);
/* The enclave of the i-th contact whose fingerprint begins so; *ret_more: there is such a contact (its
 * enclave may not be there yet). */
struct enclave *contacts_begin(struct node *n, const char *text, size_t i, bool *ret_more);
/* ---- node/post/archive.c, history_job.c ---- */
enum status archives_load(struct node *n) MUST_USE;
void archives_free(struct node *n);
void history_job_free(struct node *n);

struct enclave *node_find(struct node *n, const char *name);
/* NULL: name is free; else what is wrong with it, in words. */
const char *node_name_fault(struct node *n, const char *name);
enum status node_add(struct node *n, struct enclave *e) MUST_USE;
void node_remove(struct node *n, struct enclave *e); /* frees it at the next tick */
void node_tell(struct node *n, const struct node_event *e);
/* At the next tick; text is static, info is copied. */
void node_later(struct node *n, node_done *done, void *arg, enum status st, const char *text,
                const struct node_enclave_info *info);
void node_later_kv(struct node *n, struct enclave *e, kv_done *done, void *arg, enum status st);

/* Calls done with a status and words. */
void node_finish(node_done *done, void *arg, enum status st, const char *text, const void *data);

#endif
