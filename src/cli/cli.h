/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * cli: what the verbs of `enclave` share: the parsed command line, the
 * connection to the daemon, printing. stdout is data, stderr is messages and
 * progress; --json prints one document (lines with --follow).
 *
 * Owns: struct cli owns the client and the last answer. Texts of arguments live
 *     in argv or in the struct.
 * Errors: functions return exit codes (design.md 7); what went wrong has then
 *     been printed. Order: cli_parse, cli_begin, a verb, cli_end.
 */
#ifndef ENCLAVE_CLI_CLI_H
#define ENCLAVE_CLI_CLI_H

#include "enclave/enclave.h"
#include "tables/operations.h"

#include <jansson.h>
#include <pthread.h>
#include <stdatomic.h>

#define CLI_GLOBALS_MAX 16
#define CLI_PASSWORD_MAX 1024
#define CLI_SAID_MAX 32768 /* bytes of a message */
#define CLI_SAID_ROOM (CLI_SAID_MAX + 2)

struct cli_value {
    const char *text; /* NULL: not given; flags: "true" */
    char *own;        /* made here, freed at the end */
};

struct cli {
    const struct operation *op;
    struct cli_value params[OPERATION_PARAMS_MAX];
    struct cli_value globals[CLI_GLOBALS_MAX];
    bool json, quiet, yes, tty_out, tty_err, colour;
    bool chat; /* runs inside a chat: next commands are its own */
    struct enclave *client;
    struct enclave_answer *answer; /* of the last call */
    json_t *doc;                   /* the last answer, parsed */
    bool connected;
    uint64_t deadline_ms;          /* of --timeout; 0: none */
    char from[24], to[24], at[32]; /* of --range and --at: parameters point here */
    atomic_bool interrupted;
    pthread_t signals;
    bool signals_run;
};

/* ---- parse.c ---- */

/* Fills c from the words of the command line. -1: go on; else exit with that code. */
int cli_parse(struct cli *c, int argc, char **argv);
void cli_parse_free(struct cli *c);
const char *cli_param(const struct cli *c, const char *name);  /* NULL: not given */
const char *cli_global(const struct cli *c, const char *name); /* NULL: not given */
bool cli_flag(const struct cli *c, const char *name);
/* "30s", "3d" as milliseconds in decimal; NULL: it is none, or no memory. To be freed. */
char *cli_parse_duration(const char *text);
/* An absolute path of this machine; NULL: no memory. To be freed. */
char *cli_absolute(const char *path);

/* ---- call.c ---- */

int cli_begin(struct cli *c);
void cli_end(struct cli *c);
/* Calls the operation with params; c->answer and c->doc hold what came. Prints nothing. */
int cli_call(struct cli *c, const char *operation, const struct enclave_param *params, size_t n);
/* The same with all parameters of the command line that the daemon takes, and more. */
int cli_call_args(struct cli *c, const char *operation, const struct enclave_param *more, size_t n);
/* Prints the last answer's problem (JSON and words) and returns its exit code. */
int cli_problem(struct cli *c);
/* A problem found here. */
int cli_fail(struct cli *c, int code, const char *next, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* Prints the last answer as JSON. */
void cli_print_json(const struct cli *c);
/* Waits for something to happen after event *last, at most wait_ms; *last moves on. */
int cli_wait_event(struct cli *c, uint64_t *last, unsigned wait_ms);
uint64_t cli_now_ms(void);
bool cli_timed_out(const struct cli *c);

/* ---- print.c ---- */

enum cli_style { STYLE_PLAIN, STYLE_BOLD, STYLE_DIM, STYLE_GOOD, STYLE_WARN, STYLE_BAD };

/* A message for people on stderr, not with --quiet. */
void cli_note(const struct cli *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A text from elsewhere, safe for a terminal; newline: line breaks pass. */
void cli_put(const struct cli *c, enum cli_style style, const char *text, bool newline);
/* The next command to type, on a line of its own. */
void cli_next(const struct cli *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
void cli_size(uint64_t bytes, char out[16]);
void cli_duration(uint64_t ms, char out[16]);
/* "2026-11-21T08:20:01.123Z" as seconds since 1970; 0: it is no time. */
long long cli_when(const char *rfc3339);
/* The same as local time, short; "?" if it is none. */
void cli_time(const char *rfc3339, char out[24]);
/* Columns as wide as their widest cell; the last one is not padded. */
struct cli_table;
struct cli_table *cli_table_new(unsigned columns);
void cli_table_cell(struct cli_table *t, const char *text);
void cli_table_print(const struct cli *c, struct cli_table *t); /* and frees */

const char *cli_text(const json_t *o, const char *name); /* "" if absent */
uint64_t cli_number(const json_t *o, const char *name);
bool cli_bool(const json_t *o, const char *name);

/* ---- secrets.c ---- */

struct cli_secret {
    char text[CLI_PASSWORD_MAX + 1];
};

/* By --password-file, --password-fd or a prompt; twice: asked again to be sure. */
int cli_password(struct cli *c, const char *prompt, bool twice, struct cli_secret *ret);
int cli_secret_from_file(struct cli *c, const char *path, bool whole, struct cli_secret *ret);
int cli_new_password(struct cli *c, struct cli_secret *ret); /* --new-password-file or prompt */
int cli_words(struct cli *c, struct cli_secret *ret);        /* --words-file or prompt */
/* One line from the terminal; echo false: not shown. exit 130 on Ctrl-C. */
int cli_ask(struct cli *c, const char *prompt, bool echo, char *ret, size_t n);
bool cli_can_ask(void);
void cli_wipe(void *p, size_t n);

/* ---- spawn.c ---- */

/* Starts enclaved for this home and waits until it answers. */
int cli_spawn(struct cli *c);
bool cli_daemon_runs(struct cli *c);
/* Waits until the process has ended. */
int cli_wait_end(struct cli *c, int pid);

/* ---- ask.c: what is said and asked before something is done ---- */

/* Asks back, unless --yes: 0 go on, else an exit code. */
int cli_confirm(struct cli *c, const char *prompt);
/* Warns once, on stderr, if few members have confirmed this history: before a verb writes. */
void cli_warn_doubt(struct cli *c);
void cli_doubt(const json_t *enclave, char *out, size_t n); /* the words of it */
/* A safety code, and its QR code where it can be shown. */
void cli_safety(struct cli *c, const char *code);
/* A short text as a QR code, likewise where it can be shown. */
void cli_qr(const struct cli *c, const char *text);
/* " --enclave NAME" if the command line chose one, to be part of the next command. */
const char *cli_enclave_option(const struct cli *c, char room[96]);
/* A whole small text file, to be freed; NULL: the problem is printed, *ret_code the exit code. */
char *cli_read_file(struct cli *c, const char *path, int *ret_code);
/* A new file for its owner alone. One that is there is replaced with --yes only (exit 5). */
int cli_write_file(struct cli *c, const char *path, const char *text);

/* ---- verbs ---- */

/* words_verbs.c: a message, with the time as it is to be shown; live: shown as it comes, so receipts would
 * be old at once; one_line: line breaks as " | ", no number. */
void cli_message(const struct cli *c, const json_t *message, const char *when, bool live,
                 bool one_line);
/* words_verbs.c: the parameter text, or stdin if it is "-", read into room. NULL: none is given. */
int cli_said(struct cli *c, char room[CLI_SAID_ROOM], const char **ret);
/* files_verbs.c: a transfer on one line of stderr that is written over; end: the line is cleared. */
void cli_progress(struct cli *c, const json_t *transfer);
void cli_progress_end(const struct cli *c);
/* As if it had been typed; text lives as long as the call. */
void cli_set_param(struct cli *c, const char *name, const char *text);
/* Watches the enclave's transfer of that kind until it is over (leave: until the enclave is gone). */
int cli_watch(struct cli *c, const char *name, const char *kind);
/* lines_verb.c: stdin, a message a line. */
int cli_send_lines(struct cli *c);
/* votes_verbs.c: what kind of ballot it is, and that it takes its time, before it is cast. The last
 * answer lists the proposals; who: as in `vote`, NULL: the only one. */
void cli_tell_ballot(struct cli *c, const char *who, bool now);
/* votes_verbs.c: what a proposal is about, to be part of a sentence. */
void cli_about(const json_t *proposal, char *out, size_t n);

/* past_verbs.c: the option --at as the API wants it, in c->at; 0, or an exit code. */
int cli_at(struct cli *c);

typedef int cli_verb(struct cli *c);

cli_verb verb_init, verb_daemon_start, verb_daemon_stop, verb_daemon_status, verb_recover,
    verb_recovery_test, verb_password, verb_version, verb_help, verb_openapi;
cli_verb verb_status, verb_create, verb_invite, verb_join, verb_members, verb_leave, verb_destroy;
cli_verb verb_proposals, verb_vote, verb_remove, verb_policy, verb_policy_set, verb_withdraw;
cli_verb verb_key_show, verb_key_export, verb_peer_add, verb_peers, verb_peer_remove;
cli_verb verb_kit, verb_revoke, verb_verify, verb_away, verb_check, verb_repair;
cli_verb verb_send, verb_broadcast, verb_read, verb_search, verb_events, verb_chat;
cli_verb verb_history, verb_history_keep, verb_history_share, verb_history_export,
    verb_history_import, verb_history_read, verb_history_forget;
cli_verb verb_put, verb_get, verb_ls, verb_info, verb_drill, verb_rebalance, verb_transfers,
    verb_plain;
cli_verb verb_storage, verb_storage_remove;
cli_verb verb_versions, verb_trash, verb_restore, verb_retention, verb_gc;
cli_verb verb_audit, verb_audit_log, verb_audit_verify, verb_storage_why;

#endif
