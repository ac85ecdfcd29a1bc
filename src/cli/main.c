/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* enclave: the command line. What it understands is the operation table; what it does with a
 * result, where the plain document will not do, is in *_verbs.c. */
#include "cli/cli.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *id;
    cli_verb *run;
} verbs[] = {
    {"vault_init", verb_init},
    {"vault_unlock", verb_daemon_start},
    {"daemon_stop", verb_daemon_stop},
    {"daemon_status", verb_daemon_status},
    {"status", verb_status},
    {"create", verb_create},
    {"invite", verb_invite},
    {"join", verb_join},
    {"proposals", verb_proposals},
    {"vote", verb_vote},
    {"remove", verb_remove},
    {"policy", verb_policy},
    {"policy_set", verb_policy_set},
    {"withdraw", verb_withdraw},
    {"members", verb_members},
    {"away", verb_away},
    {"leave", verb_leave},
    {"destroy", verb_destroy},
    {"key_show", verb_key_show},
    {"key_export", verb_key_export},
    {"peer_add", verb_peer_add},
    {"peers", verb_peers},
    {"peer_remove", verb_peer_remove},
    {"send", verb_send},
    {"broadcast", verb_broadcast},
    {"read", verb_read},
    {"search", verb_search},
    {"history", verb_history},
    {"history_keep", verb_history_keep},
    {"history_share", verb_history_share},
    {"history_export", verb_history_export},
    {"history_import", verb_history_import},
    {"history_read", verb_history_read},
    {"history_forget", verb_history_forget},
    {"chat", verb_chat},
    {"put", verb_put},
    {"get", verb_get},
    {"ls", verb_ls},
    {"info", verb_info},
    {"storage", verb_storage},
    {"storage_list", verb_storage},
    {"storage_remove", verb_storage_remove},
    {"versions", verb_versions},
    {"trash", verb_trash},
    {"restore", verb_restore},
    {"retention", verb_retention},
    {"gc", verb_gc},
    {"drill", verb_drill},
    {"rebalance", verb_rebalance},
    {"transfers", verb_transfers},
    {"audits", verb_audit},
    {"audit_log", verb_audit_log},
    {"audit_verify", verb_audit_verify},
    {"storage_why", verb_storage_why},
    {"vault_recover", verb_recover},
    {"vault_test", verb_recovery_test},
    {"vault_password", verb_password},
    {"kit", verb_kit},
    {"revoke", verb_revoke},
    {"verify", verb_verify},
    {"check", verb_check},
    {"repair", verb_repair},
    {"events", verb_events},
    {"version", verb_version},
    {"help", verb_help},
    {"openapi", verb_openapi},
};

int main(int argc, char **argv)
{
    struct cli c = {.op = NULL};
    cli_verb *run = verb_plain;
    signal(SIGPIPE, SIG_IGN);
    int code = cli_parse(&c, argc, argv);
    if (code == -1) code = cli_begin(&c);
    if (code == -1) {
        for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
            if (strcmp(verbs[i].id, c.op->id) == 0) run = verbs[i].run;
        code = run(&c);
    }
    cli_end(&c);
    /* Data that did not reach its reader must not look like success. */
    if (fflush(stdout) != 0 && code == 0) code = 1;
    return code;
}
