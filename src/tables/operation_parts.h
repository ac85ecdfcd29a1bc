/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * operation_parts: parameters and exit codes of the operations, for the table in operation_rows.c and
 * nobody else.
 *
 * Owns nothing. Errors: none. Order: none.
 */
#ifndef ENCLAVE_TABLES_OPERATION_PARTS_H
#define ENCLAVE_TABLES_OPERATION_PARTS_H

#include "tables/operations.h"
#include "tables/shapes.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define ROWS(a) a, COUNT(a)
#define NOTHING NULL, 0

#define POSITIONAL(name, type, flags, meta, help)                   \
    {                                                               \
        name, NULL, OP_POSITIONAL, type, flags, 0, meta, NULL, help \
    }
#define OPTION(name, option, type, flags, letter, meta, help)          \
    {                                                                  \
        name, option, OP_OPTION, type, flags, letter, meta, NULL, help \
    }
#define FLAG(name, flags, letter, help)                               \
    {                                                                 \
        name, NULL, OP_FLAG, OP_BOOL, flags, letter, NULL, NULL, help \
    }
#define SECRET(name, help)                                                 \
    {                                                                      \
        name, NULL, OP_OPTION, OP_SECRET, OP_REQUIRED, 0, NULL, NULL, help \
    }
#define ENCLAVE                                                                   \
    OPTION("enclave", NULL, OP_TEXT, 0, 'e', "NAME",                              \
           "which enclave: its name, or 8 or more characters of its id; not "     \
           "needed while there is only one (ENCLAVE_NAME does the same, or NAME " \
           "alone where a command has no other words)")

/* ---- options that all verbs take ---- */

static const struct op_param globals[] = {
    OPTION("home", NULL, OP_LOCAL, OP_ONLY_CLI, 0, "DIR",
           "directory of the daemon (else ENCLAVE_HOME, else ~/.local/share/enclave)"),
    FLAG("json", OP_ONLY_CLI, 0, "print one JSON document (lines with --follow)"),
    FLAG("yes", OP_ONLY_CLI, 'y', "do not ask back"),
    FLAG("quiet", OP_ONLY_CLI, 'q', "no messages, only data and errors"),
    FLAG("no_color", OP_ONLY_CLI, 0, "no colours (NO_COLOR does the same)"),
    OPTION("timeout", NULL, OP_DURATION, OP_ONLY_CLI, 0, "TIME",
           "give up after this time, e.g. 30s (exit 13)"),
    OPTION("password_file", NULL, OP_LOCAL, OP_ONLY_CLI, 0, "FILE",
           "read the password from the first line of FILE"),
    OPTION("password_fd", NULL, OP_NUMBER, OP_ONLY_CLI, 0, "N",
           "read the password from file descriptor N"),
    FLAG("help", OP_ONLY_CLI, 'h', "show help"),
};

const struct op_param *operations_globals(size_t *ret_n)
{
    *ret_n = COUNT(globals);
    return globals;
}

/* ---- parameters ---- */

#define QR_FLAGS                                                                                  \
    FLAG("qr", OP_ONLY_CLI, 0, "show safety codes as QR codes also where stdout is no terminal"), \
        FLAG("no_qr", OP_ONLY_CLI, 0, "no QR codes")
#define REASON \
    OPTION("reason", NULL, OP_TEXT, 0, 0, "TEXT", "why, for those who vote (at most 256 bytes)")
#define NOW \
    FLAG("now", 0, 0, "your ballot leaves at once, not at a random moment: its hour may betray you")
#define WORDS_FILE                                               \
    OPTION("words_file", NULL, OP_LOCAL, OP_ONLY_CLI, 0, "FILE", \
           "read the words from FILE instead of asking")

#define DAEMON_OPTIONS                                                                          \
    OPTION("listen", NULL, OP_TEXT, OP_ONLY_CLI, 0, "HOST:PORT",                                \
           "let members connect here directly (port 0: any); else all goes through sentinels"), \
        OPTION("host", NULL, OP_TEXT, OP_ONLY_CLI, 0, "HOST:PORT",                              \
               "run a sentinel inside this daemon at this address"),                            \
        OPTION("config", NULL, OP_LOCAL, OP_ONLY_CLI, 0, "FILE", "enclave.yaml to use"),        \
        OPTION("log_level", NULL, OP_TEXT, OP_ONLY_CLI, 0, "LEVEL", "error, warn, info or debug")

static const struct op_param p_init[] = {SECRET("password", "protects everything in the home"),
                                         DAEMON_OPTIONS};
static const struct op_param p_daemon_start[] = {SECRET("password", "of the vault"),
                                                 DAEMON_OPTIONS};
static const struct op_param p_create[] = {
    POSITIONAL("name", OP_TEXT, OP_REQUIRED, "NAME",
               "letters, digits, '-', '_' and '.'; known to members only"),
    OPTION("nick", "as", OP_TEXT, 0, 0, "NICK", "your name in this enclave"),
    OPTION("sentinel", NULL, OP_TEXT, 0, 0, "HOST:PORT#PIN",
           "the sentinel to meet at, as it prints it when it starts; several with commas: the "
           "first is used, the enclave may move to the others (enclave rehome)"),
    FLAG("host", 0, 0, "meet at the sentinel inside this daemon (enclave daemon start --host)"),
    {"ballot", NULL, OP_OPTION, OP_CHOICE, 0, 0, "KIND", "open|secret",
     "how members vote: secret (the default: nobody learns who said what) or "
     "open (each vote is signed with its name)"},
    {"mode", NULL, OP_OPTION, OP_CHOICE, 0, 0, "MODE", "direct|relay|tor",
     "direct: members connect to each other and see each other's addresses; relay: only the "
     "sentinel does; tor: nobody does, through the proxy that socks in enclave.yaml names"}};
static const struct op_param p_enclave[] = {ENCLAVE};
static const struct op_param p_status[] = {QR_FLAGS};
static const struct op_param p_invite[] = {
    ENCLAVE, OPTION("ttl", "expires", OP_DURATION, 0, 0, "TIME", "how long it is good for (7d)")};
static const struct op_param p_join[] = {
    POSITIONAL("code", OP_TEXT, OP_REQUIRED, "CODE", "the invitation: enclave:..."),
    OPTION("nick", "as", OP_TEXT, OP_REQUIRED, 0, "NICK", "your name in this enclave"),
    OPTION("name", NULL, OP_TEXT, 0, 0, "NAME",
           "what you call the enclave (default: its own name)"),
    OPTION("message", NULL, OP_TEXT, 0, 'm', "TEXT", "a word to those who vote"),
    {"mode", NULL, OP_OPTION, OP_CHOICE, 0, 0, "MODE", "direct|tor",
     "tor: go through the proxy from the first byte; an enclave that meets over tor wants it"},
    FLAG("wait", OP_ONLY_CLI, 0, "wait until everybody has voted"),
    QR_FLAGS};
static const struct op_param p_key_show[] = {QR_FLAGS};
#define OWN_NICK OPTION("nick", "as", OP_TEXT, 0, 0, "NICK", "your name, as the others will see it")
static const struct op_param p_key_export[] = {
    OPTION("out", NULL, OP_LOCAL, OP_ONLY_CLI, 'o', "FILE.pub", "where to write it (stdout)"),
    OWN_NICK, FLAG("bare", 0, 0, "without the address of the sentinel inside your daemon"),
    QR_FLAGS};
#define PEER                                                                                     \
    POSITIONAL("peer", OP_TEXT, OP_REQUIRED, "PEER",                                             \
               "the contact: the enclave's name, the nick on the card, or 8 or more characters " \
               "of its fingerprint")
static const struct op_param p_peer_add[] = {
    POSITIONAL("file", OP_LOCAL, OP_REQUIRED | OP_ONLY_CLI, "FILE.pub", "the other's card"),
    OPTION("card", NULL, OP_TEXT, OP_REQUIRED | OP_ONLY_API, 0, "TEXT", "its whole text"),
    OPTION("address", NULL, OP_TEXT, 0, 'a', "HOST:PORT",
           "the sentinel inside the other's daemon (default: as the card says; without one, yours "
           "hosts)"),
    OPTION("name", NULL, OP_TEXT, 0, 0, "NAME",
           "what you call the enclave of you two (default: the nick on the card)"),
    OWN_NICK,
    OPTION("fingerprint", NULL, OP_TEXT, 0, 0, "HEX",
           "refuse a card whose fingerprint does not begin so (32 or more characters)"),
    FLAG("wait", OP_ONLY_CLI, 0, "wait until you are connected")};
static const struct op_param p_peer[] = {PEER};
static const struct op_param p_peer_address[] = {
    PEER, POSITIONAL("address", OP_TEXT, OP_REQUIRED, "HOST:PORT", "where its sentinel is now")};
static const struct op_param p_proposals[] = {
    ENCLAVE, FLAG("all", 0, 'a', "also those that are closed"), QR_FLAGS};
static const struct op_param p_vote[] = {
    {"choice", NULL, OP_POSITIONAL, OP_CHOICE, OP_REQUIRED, 0, "yes|no", "yes|no", "your vote"},
    POSITIONAL("who", OP_TEXT, 0, "WHO",
               "the name of whom it is about, or the proposal's ref; not needed if one vote is "
               "open"),
    ENCLAVE,
    FLAG("compared", 0, 0, "you compared the safety codes with the newcomer"),
    NOW};
static const struct op_param p_remove[] = {
    POSITIONAL(
        "who", OP_TEXT, OP_REQUIRED, "WHO[,WHO]",
        "the member's name; several at once only if each let a vote expire and was silent since"),
    ENCLAVE, REASON, NOW};
static const struct op_param p_policy_set[] = {
    POSITIONAL("changes", OP_TEXT, OP_REQUIRED | OP_REST, "KEY=VALUE...",
               "what shall change (enclave policy lists the keys); in the API with ';' between"),
    ENCLAVE, REASON, NOW};
static const struct op_param p_withdraw[] = {
    POSITIONAL("who", OP_TEXT, 0, "WHO",
               "the name of whom the proposal is about, or its ref; not needed if one is yours"),
    ENCLAVE};
static const struct op_param p_away[] = {
    POSITIONAL("until", OP_TEXT, OP_REQUIRED, "UNTIL",
               "a time from now (12h, 3d), a date (2026-12-24: to its end), or back; in the API "
               "RFC 3339 in UTC, or back"),
    ENCLAVE};
static const struct op_param p_verify[] = {
    ENCLAVE,
    OPTION("proof", NULL, OP_LOCAL, OP_ONLY_CLI, 0, "FILE",
           "check a proof of two histories that somebody gave you; needs no enclave"),
    OPTION("save_proof", NULL, OP_LOCAL, OP_ONLY_CLI, 0, "FILE",
           "write the proof that this member keeps, if there is one")};
static const struct op_param p_check[] = {
    ENCLAVE,
    OPTION("read_data", NULL, OP_NUMBER, 0, 0, "PERCENT",
           "read this share of what the others keep, too (1 to 100)"),
    FLAG("background", OP_ONLY_CLI, 0, "return at once; an event tells how it ended"),
    FLAG("progress", OP_ONLY_CLI, 0, "progress as JSON lines on stderr")};
static const struct op_param p_repair[] = {
    ENCLAVE, FLAG("progress", OP_ONLY_CLI, 0, "progress as JSON lines on stderr")};
static const struct op_param p_proof_check[] = {
    OPTION("proof", NULL, OP_TEXT, OP_REQUIRED, 0, "TEXT",
           "enclave-proof: and the proof's bytes in base64url without padding")};
static const struct op_param p_rehome[] = {
    POSITIONAL("address", OP_TEXT, 0, "HOST:PORT",
               "a sentinel of the voted list (default: the next one that answers)"),
    ENCLAVE};
static const struct op_param p_destroy[] = {ENCLAVE,
                                            OPTION("yes_really", NULL, OP_TEXT, 0, 0, "NAME",
                                                   "the enclave's name, to say that you mean it")};
static const struct op_param p_kit[] = {
    POSITIONAL("file", OP_LOCAL, OP_ONLY_CLI, "FILE",
               "where to write it, readable by you alone (default: stdout)")};
static const struct op_param p_revoke[] = {
    SECRET("words", "the 24 recovery words of the machine to revoke"),
    POSITIONAL("name", OP_TEXT, 0, "NAME",
               "revoke it in this enclave only (default: in all that the kit knows)"),
    OPTION("kit_file", "kit", OP_LOCAL, OP_ONLY_CLI, 0, "FILE",
           "its recovery kit (default: recovery-kit in this home)"),
    OPTION("kit", NULL, OP_TEXT, OP_REQUIRED | OP_ONLY_API, 0, "TEXT",
           "the whole text of the recovery kit"),
    WORDS_FILE};
static const struct op_param p_send[] = {
    POSITIONAL("text", OP_TEXT, OP_REST, "TEXT",
               "the message; - reads it from stdin; not needed with --file"),
    ENCLAVE,
    OPTION("to", NULL, OP_TEXT, 0, 't', "MEMBER",
           "private words: only these members (nicks or ids, with commas) can open them"),
    OPTION("reply", NULL, OP_NUMBER, 0, 'r', "N", "it answers message N"),
    OPTION("file", NULL, OP_BYTES, 0, 'f', "PATH", "a file of the enclave that goes with it"),
    OPTION("for", NULL, OP_DURATION, 0, 0, "TIME",
           "each member's copy is dropped so long after it "
           "came (1s .. 366d); no machine can be forced to"),
    FLAG("lines", 0, 'l', "each line is a message of its own, to everybody; many go out together")};
#define MESSAGE_NUMBER POSITIONAL("number", OP_NUMBER, OP_REQUIRED, "N", "the message's number")
static const struct op_param p_edit[] = {
    MESSAGE_NUMBER, POSITIONAL("text", OP_TEXT, OP_REQUIRED | OP_REST, "TEXT", "what it shall say"),
    ENCLAVE};
static const struct op_param p_unsay[] = {MESSAGE_NUMBER, ENCLAVE};
static const struct op_param p_react[] = {
    MESSAGE_NUMBER,
    POSITIONAL("sign", OP_TEXT, 0, "SIGN", "an emoji or a few letters; none takes yours away"),
    ENCLAVE};
static const struct op_param p_read[] = {
    ENCLAVE,
    OPTION("last", NULL, OP_NUMBER, 0, 'n', "N", "only the last N messages"),
    OPTION("from", NULL, OP_NUMBER, 0, 0, "N", "messages from number N on"),
    FLAG("early", OP_ONLY_API, 0, "also what members handed over before it is settled"),
    FLAG("follow", OP_ONLY_CLI, 'f', "go on and show new ones as they come"),
    FLAG("muted", OP_ONLY_CLI, 0, "also what was muted because its writer was flooding"),
    FLAG("keep", OP_ONLY_CLI, 0, "do not mark them as read")};
static const struct op_param p_search[] = {
    POSITIONAL("words", OP_TEXT, OP_REQUIRED | OP_REST, "WORDS", "what to look for"), ENCLAVE,
    OPTION("from", NULL, OP_NUMBER, 0, 0, "N", "messages from number N on")};
static const struct op_param p_chat[] = {
    ENCLAVE,
    FLAG("plain", OP_ONLY_CLI, 0,
         "no line editing and no escape sequences, a line a message: for screen readers and "
         "scripts (the default where stdin or stdout is no terminal)")};
static const struct op_param p_broadcast[] = {
    POSITIONAL("text", OP_TEXT, OP_REQUIRED | OP_REST, "TEXT",
               "the message; - reads it from stdin"),
    OPTION("to", NULL, OP_TEXT, OP_ONLY_CLI, 't', "NAME,NAME",
           "these enclaves (default: all you are a member of)"),
    FLAG("now", OP_ONLY_CLI, 0, "no gaps between them: it is said to all at the same moment")};
static const struct op_param p_history_keep[] = {
    POSITIONAL("time", OP_TEXT, OP_REQUIRED, "TIME", "30d or more, 1y, or forever (the default)"),
    ENCLAVE};
static const struct op_param p_history_share[] = {
    POSITIONAL("who", OP_TEXT, OP_REQUIRED, "MEMBER", "the newcomer"), ENCLAVE,
    OPTION("since", NULL, OP_DURATION, 0, 0, "TIME", "what was said since so long (default: all)"),
    OPTION("last", NULL, OP_NUMBER, 0, 'n', "N", "only the last N of it (at most 1000)")};
static const struct op_param p_history_export[] = {
    SECRET("password", "seals the file"),
    POSITIONAL("local", OP_LOCAL, OP_REQUIRED, "FILE", "the file to write"), ENCLAVE,
    FLAG("replace", 0, 'f', "replace FILE if it exists"),
    FLAG("plain", OP_ONLY_CLI, 0,
         "readable JSON lines without any seal: whoever gets the file reads it")};
static const struct op_param p_history_import[] = {
    SECRET("password", "that seals the file"),
    POSITIONAL("local", OP_LOCAL, OP_REQUIRED, "FILE", "the file to read"),
    OPTION("name", "as", OP_TEXT, 0, 0, "NAME", "what you call it (default: as its enclave)")};
static const struct op_param p_history_read[] = {
    POSITIONAL("archive", OP_TEXT, OP_REQUIRED, "NAME", "as enclave history lists it"),
    OPTION("find", NULL, OP_TEXT, 0, 0, "WORDS", "only messages that hold all these words"),
    OPTION("from", NULL, OP_NUMBER, 0, 0, "N", "messages from number N on")};
static const struct op_param p_history_forget[] = {
    POSITIONAL("archive", OP_TEXT, OP_REQUIRED, "NAME", "as enclave history lists it")};
static const struct op_param p_mark_read[] = {
    ENCLAVE, OPTION("number", NULL, OP_NUMBER, OP_REQUIRED, 0, "N", "the last message read")};
static const struct op_param p_put[] = {
    POSITIONAL("local", OP_LOCAL, OP_REQUIRED, "FILE",
               "the file on this machine; -: what comes in on standard input"),
    POSITIONAL("path", OP_BYTES, 0, "PATH",
               "its name in the enclave (default: the same, at the top)"),
    ENCLAVE,
    OPTION(
        "profile", NULL, OP_TEXT, 0, 0, "NAME",
        "balanced (default), thrifty, mirror (a copy with everybody), or K/N: any K of N columns "
        "suffice"),
    FLAG("recursive", OP_ONLY_CLI, 'r',
         "a directory and all that is in it; what is there unchanged is passed over"),
    FLAG("strict", 0, 0, "let the others see it only when every shard is kept"),
    FLAG("wait", OP_ONLY_CLI, 'w', "return only when the file is as safe as it can be"),
    FLAG("background", OP_ONLY_CLI, 0, "return at once; enclave transfers shows how it goes"),
    FLAG("progress", OP_ONLY_CLI, 0, "progress as JSON lines on stderr")};
#define WHICH_VERSION                                                                          \
    OPTION("version", NULL, OP_NUMBER, 0, 0, "N",                                              \
           "the version of that number (enclave versions)"),                                   \
        OPTION("at", NULL, OP_TEXT, 0, 0, "TIME",                                              \
               "as it was then: so long ago (2h, 3d), a date (to its end), or a time such as " \
               "2026-12-24T18:00; in the API RFC 3339 in UTC")
static const struct op_param p_get[] = {
    POSITIONAL("path", OP_BYTES, OP_REQUIRED, "PATH", "the file in the enclave"),
    POSITIONAL("local", OP_LOCAL, 0, "FILE", "where to write it (default: here, the same name)"),
    ENCLAVE,
    OPTION("output", NULL, OP_TEXT, OP_ONLY_CLI, 'o', "FILE",
           "the same as FILE; -: to standard output, every chunk verified before it is written"),
    OPTION("range", NULL, OP_TEXT, OP_ONLY_CLI, 0, "FROM-TO",
           "only the bytes from FROM up to, not with, TO (counted from 0; without TO: to the end)"),
    OPTION("from", NULL, OP_NUMBER, OP_ONLY_API, 0, "N", "the first byte that is wanted"),
    OPTION("to", NULL, OP_NUMBER, OP_ONLY_API, 0, "N", "the byte to end before; 0: the end"),
    WHICH_VERSION,
    FLAG("recursive", OP_ONLY_CLI, 'r',
         "a directory and all that is in it; what is there unchanged is passed over"),
    FLAG("replace", 0, 'f', "replace FILE if it exists"),
    FLAG("background", OP_ONLY_CLI, 0, "return at once; enclave transfers shows how it goes"),
    FLAG("progress", OP_ONLY_CLI, 0, "progress as JSON lines on stderr")};
static const struct op_param p_ls[] = {
    POSITIONAL("path", OP_BYTES, 0, "PATH", "a directory in the enclave (default: the top)"),
    ENCLAVE};
static const struct op_param p_leave[] = {
    ENCLAVE,
    FLAG("now", 0, 0, "hand nothing over first: files may become unreadable for the others"),
    FLAG("background", 0, 0, "answer when it has begun; transfers shows how far it is")};
static const struct op_param p_info[] = {
    POSITIONAL("path", OP_BYTES, 0, "PATH", "a file or directory (default: the enclave itself)"),
    ENCLAVE};
static const struct op_param p_drill[] = {ENCLAVE, OPTION("without", NULL, OP_TEXT, 0, 0, "NICKS",
                                                          "members taken to be gone, with commas")};
static const struct op_param p_rebalance[] = {
    ENCLAVE,
    FLAG("background", OP_ONLY_CLI, 0, "return at once; enclave transfers shows how it goes")};
static const struct op_param p_mkdir[] = {
    POSITIONAL("path", OP_BYTES, OP_REQUIRED, "PATH", "the new directory"), ENCLAVE};
static const struct op_param p_mv[] = {
    POSITIONAL("from", OP_BYTES, OP_REQUIRED, "FROM", "what to move"),
    POSITIONAL("to", OP_BYTES, OP_REQUIRED, "TO", "its new name, or a directory to move it into"),
    ENCLAVE};
static const struct op_param p_rm[] = {
    POSITIONAL("path", OP_BYTES, OP_REQUIRED, "PATH", "what to remove"), ENCLAVE,
    FLAG("recursive", 0, 'r', "a directory and all that is in it")};
static const struct op_param p_storage_add[] = {
    POSITIONAL("offer", OP_TEXT, OP_REQUIRED, "OFFER",
               "as storaged printed it: enclave-storage:..."),
    ENCLAVE,
    OPTION("quota", NULL, OP_TEXT, 0, 0, "SIZE", "how much of it, such as 50G (default: all)")};
static const struct op_param p_storage_remove[] = {
    POSITIONAL("number", OP_NUMBER, OP_REQUIRED, "NUMBER", "as enclave storage shows it"), ENCLAVE};
static const struct op_param p_storage_offer[] = {
    POSITIONAL("size", OP_TEXT, OP_REQUIRED, "SIZE", "such as 50G")};
static const struct op_param p_versions[] = {
    POSITIONAL("path", OP_BYTES, OP_REQUIRED, "PATH", "a file, also one that was removed"),
    ENCLAVE};
static const struct op_param p_trash[] = {
    POSITIONAL("path", OP_BYTES, 0, "PATH",
               "a file, or a directory for all below it (default: all)"),
    ENCLAVE};
static const struct op_param p_restore[] = {
    POSITIONAL("path", OP_BYTES, OP_REQUIRED, "PATH",
               "a file, or a directory for all that was removed below it"),
    ENCLAVE, WHICH_VERSION};
static const struct op_param p_retention_set[] = {
    {"keep", NULL, OP_POSITIONAL, OP_CHOICE, OP_REQUIRED, 0, "none|staggered|all",
     "none|staggered|all",
     "none: replaced versions stay 30 days; staggered: one each 30 s, after an hour one an hour, "
     "after a day one a day, after 30 days one a week; all: all"},
    ENCLAVE};
static const struct op_param p_rekey[] = {
    ENCLAVE, FLAG("files", 0, 0, "wrap the keys of all files under the present epoch's key")};
static const struct op_param p_transfer[] = {
    OPTION("id", NULL, OP_NUMBER, OP_REQUIRED, 0, "N", "the transfer's number")};
static const struct op_param p_audit[] = {
    ENCLAVE, FLAG("now", OP_ONLY_CLI, 0, "ask everybody now, and wait for the answers")};
static const struct op_param p_storage_why[] = {
    POSITIONAL(
        "who", OP_TEXT, OP_REQUIRED, "HOLDER",
        "a member: its nick, or 8 or more characters of its id; or a storage node: its number or "
        "address"),
    ENCLAVE};
static const struct op_param p_recover[] = {SECRET("words", "the 24 recovery words"),
                                            SECRET("password", "the new password"), WORDS_FILE,
                                            DAEMON_OPTIONS};
static const struct op_param p_recovery_test[] = {SECRET("words", "the 24 recovery words"),
                                                  WORDS_FILE};
static const struct op_param p_password[] = {
    SECRET("password", "the one that is valid now"), SECRET("new_password", "the new one"),
    OPTION("new_password_file", NULL, OP_LOCAL, OP_ONLY_CLI, 0, "FILE",
           "read the new password from the first line of FILE")};
static const struct op_param p_events[] = {
    OPTION("after", NULL, OP_NUMBER, 0, 0, "N", "only events after number N"),
    OPTION("wait", NULL, OP_DURATION, 0, 0, "TIME",
           "if there is none yet, wait this long for one (at most 60s)"),
    {"stream", "follow", OP_FLAG, OP_BOOL, 0, 'f', NULL, NULL,
     "go on and show new ones as they come"}};
static const struct op_param p_help[] = {
    POSITIONAL("verb", OP_TEXT, OP_ONLY_CLI | OP_REST, "VERB", "what to explain")};

/* ---- exit codes ---- */

static const struct op_exit x_init[] = {{5, "there is a vault already"}};
static const struct op_exit x_password[] = {{4, "there is no vault yet"}, {12, "wrong password"}};
static const struct op_exit x_name[] = {{4, "no such enclave"}};
static const struct op_exit x_key[] = {{2, "no name is on your card yet: --as NICK"}};
static const struct op_exit x_peer[] = {{4, "no such contact"},
                                        {5, "several contacts begin like that"}};
static const struct op_exit x_peer_add[] = {
    {8, "the card is not whole, or of another person than --fingerprint says"}};
static const struct op_exit x_message[] = {{4, "no such enclave or message"},
                                           {5, "it is not yours"}};
static const struct op_exit x_keep[] = {{4, "no such enclave"}};
static const struct op_exit x_share[] = {{4, "no such enclave or member"},
                                         {5, "there is nothing to share"},
                                         {6, "the policy says history=no"}};
static const struct op_exit x_export[] = {{4, "no such enclave"},
                                          {5, "FILE exists (see --replace)"},
                                          {9, "no space left here"},
                                          {130, "interrupted: it goes on in the daemon"}};
static const struct op_exit x_import[] = {{4, "no such file"},
                                          {8, "the file was altered or is not whole"},
                                          {9, "no space left here"},
                                          {12, "wrong password"},
                                          {130, "interrupted: it goes on in the daemon"}};
static const struct op_exit x_archive[] = {{4, "no such archive"}};
static const struct op_exit x_send[] = {{4, "no such enclave, member, message or file"},
                                        {5, "several members have this name"}};
static const struct op_exit x_broadcast[] = {
    {3, "some took it, some did not: each that did not is named"},
    {4, "no such enclave: nothing was said"},
    {6, "you were refused in one of them: nothing was said"},
    {7, "you are not inside one of them yet: nothing was said"},
    {130, "interrupted: the rest was not said"}};
static const struct op_exit x_create[] = {{5, "the name is taken"}};
static const struct op_exit x_join[] = {
    {4, "the invitation is used up, withdrawn or too old"},
    {5, "the name is taken"},
    {6, "refused by vote"},
    {7, "the vote is still open: the same command tells later"}};
static const struct op_exit x_vote[] = {{4, "no such enclave or proposal"},
                                        {5, "you voted before, or the vote is closed"}};
static const struct op_exit x_propose[] = {{4, "no such enclave or member"},
                                           {5, "the same is proposed already"},
                                           {6, "you may not propose it"}};
static const struct op_exit x_withdraw[] = {{4, "no such enclave or open proposal"},
                                            {5, "it is closed already"},
                                            {6, "somebody else proposed it"}};
static const struct op_exit x_verify[] = {
    {4, "no such enclave, or no proof is kept"},
    {8, "what is kept here does not agree, or the proof proves nothing"}};
static const struct op_exit x_check[] = {
    {4, "no such enclave"},
    {5, "a check runs already"},
    {8, "something is damaged: it is shown what, and what to type next"}};
static const struct op_exit x_proof[] = {{4, "no such enclave, or no proof is kept"}};
static const struct op_exit x_proof_check[] = {{8, "it proves nothing"}};
static const struct op_exit x_rehome[] = {{4, "no such enclave, or no such sentinel in its list"}};
static const struct op_exit x_revoke[] = {{3, "some sentinels could not be reached: again later"},
                                          {4, "no such enclave in the kit"},
                                          {8, "these words do not open this kit"}};
static const struct op_exit x_put[] = {{3, "accepted, still spreading (never with --wait)"},
                                       {4, "no such file or enclave"},
                                       {5, "the name is taken by a directory"},
                                       {9, "no room at the holders"},
                                       {130, "interrupted: it goes on in the daemon"}};
static const struct op_exit x_get[] = {{4, "no such file or enclave"},
                                       {5, "FILE exists (see --replace)"},
                                       {8, "too few sound shards: nothing was written"},
                                       {9, "no space left here"},
                                       {130, "interrupted: the same command goes on"}};
static const struct op_exit x_path[] = {{4, "no such path or enclave"}};
static const struct op_exit x_storage_add[] = {{4, "no such enclave"},
                                               {5, "the offer is too old"},
                                               {7, "somebody is coming in or leaving: again later"},
                                               {9, "more than the offer gives"}};
static const struct op_exit x_storage_remove[] = {{4, "no such enclave or storage node"}};
static const struct op_exit x_change[] = {{4, "no such path or enclave"},
                                          {5, "the name is taken, or the directory is not empty"}};
static const struct op_exit x_restore[] = {
    {4, "no such path, version or enclave, or nothing was there at that time"},
    {5, "it is as it was then"}};
static const struct op_exit x_rekey[] = {{4, "no such enclave"},
                                         {5, "--files: nothing is left to do"}};
static const struct op_exit x_daemon_status[] = {{13, "the daemon does not run"}};
static const struct op_exit x_audit[] = {{4, "no such enclave"},
                                         {8, "a holder lost or altered something"},
                                         {13, "not connected, so nobody can be asked"}};
static const struct op_exit x_audit_verify[] = {
    {4, "no such enclave"}, {8, "the receipts do not hang together, or a proof does not hold"}};
static const struct op_exit x_why[] = {{4, "no such enclave or member"},
                                       {5, "several members are called so"}};
static const struct op_exit x_transfer[] = {{4, "no such transfer"}};

#endif
