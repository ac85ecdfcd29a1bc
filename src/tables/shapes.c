/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "tables/shapes.h"

#define SHAPE(id, title, fields) \
    const struct op_shape shape_##id = {title, fields, sizeof(fields) / sizeof((fields)[0])}
#define TEXT(name, help)            \
    {                               \
        name, OP_V_TEXT, NULL, help \
    }
#define NUMBER(name, help)            \
    {                                 \
        name, OP_V_NUMBER, NULL, help \
    }
#define BOOL(name, help)            \
    {                               \
        name, OP_V_BOOL, NULL, help \
    }
#define TIME(name, help)            \
    {                               \
        name, OP_V_TIME, NULL, help \
    }
#define TEXTS(name, help)            \
    {                                \
        name, OP_V_TEXTS, NULL, help \
    }
#define LIST(name, shape, help)               \
    {                                         \
        name, OP_V_LIST, &shape_##shape, help \
    }

static const struct op_field f_done[] = {
    TEXT("text", "what happened, in plain words"),
};
SHAPE(done, "Done", f_done);

static const struct op_field f_words[] = {
    TEXTS("words", "the 24 recovery words, in order; they are never shown again"),
    TEXT("text", "what happened"),
};
SHAPE(words, "Words", f_words);

static const struct op_field f_daemon[] = {
    BOOL("running", "always true here"),
    TEXT("vault", "none, locked, working or open"),
    TEXT("version", "of the daemon"),
    NUMBER("pid", "process"),
    TEXT("home", "its directory"),
    TEXT("hosted", "HOST:PORT#PIN of the sentinel inside, or empty"),
    NUMBER("uptime_s", "seconds since it started"),
    NUMBER("last_event", "number of the newest event"),
};
SHAPE(daemon, "Daemon", f_daemon);

static const struct op_field f_version[] = {
    TEXT("version", "of the daemon"),
    TEXT("api", "of the API: v1"),
};
SHAPE(version, "Version", f_version);

static const struct op_field f_enclave[] = {
    TEXT("name", "local name"),
    TEXT("id", "64 hex digits; empty until a join is through"),
    TEXT("state", "joining, refused, member, leaving, halted or removed"),
    TEXT("nick", "your own name in it"),
    TEXT("sentinel", "HOST:PORT"),
    BOOL("online", "attached to the sentinel now"),
    TEXT("trouble", "what is wrong and what to do, or empty"),
    NUMBER("members", "how many are inside"),
    NUMBER("reachable", "how many can be reached now, you included"),
    NUMBER("open_proposals", "votes that are open"),
    NUMBER("unread", "messages not read"),
    NUMBER("epoch", "number of the key epoch"),
    TEXT("ballot", "open or secret"),
    TEXT("mode", "direct, relay or tor"),
    NUMBER("confirmed", "members, you included, who have confirmed your history"),
    BOOL("doubtful", "these are fewer than half: somebody may be shown another history"),
    BOOL("movable", "if its sentinel is lost, the enclave can move to another one of its list"),
    TEXT("removed", "why and by whom you were removed, or empty"),
    NUMBER("outbox", "entries that the sentinel has not yet acknowledged"),
    NUMBER("held_bytes", "bytes of shards kept here"),
    NUMBER("keep_ms", "this machine erases messages after so long; 0: never"),
    NUMBER("ledger_count", "entries of the ledger"),
    TEXT("head", "first 16 hex digits of the ledger chain"),
    TEXT("safety", "while joining: the code to compare with a member"),
    TEXT("text", "what happened; in answers to create and join"),
};
SHAPE(enclave, "Enclave", f_enclave);

static const struct op_field f_enclaves[] = {
    LIST("enclaves", enclave, "all of them"),
};
SHAPE(enclaves, "Enclaves", f_enclaves);

static const struct op_field f_loss[] = {
    NUMBER("members", "how many are inside, you included; 1: the enclave ends with you"),
    NUMBER("files", "files in it"),
    NUMBER("held_bytes", "bytes of shards kept here"),
    NUMBER("lost", "files that the others could not read without you"),
    NUMBER("lost_bytes", "bytes of these"),
    NUMBER("weaker", "files that would survive, but not one loss more"),
    TEXT("examples", "up to ten of the lost paths, a line each"),
    BOOL("examples_encoded", "examples is percent-encoded, for it is not UTF-8"),
};
SHAPE(loss, "Loss", f_loss);

static const struct op_field f_invitation[] = {
    TEXT("code", "enclave:..."),
    TIME("expires", "good until"),
    TEXT("text", "what happened"),
};
SHAPE(invitation, "Invitation", f_invitation);

static const struct op_field f_ballot[] = {
    TEXT("nick", "member"),
    TEXT("choice", "voted or waiting; in open ballots yes, no or waiting"),
    TIME("away", "away until then; absent if not"),
};
SHAPE(ballot, "Ballot", f_ballot);

static const struct op_field f_proposal[] = {
    NUMBER("number", "ledger index; 0 while it only knocks"),
    TEXT("ref", "what vote takes"),
    TEXT("kind", "add, remove or policy"),
    TEXT("state", "knocking, open, passed, added, removed, changed, refused, expired, withdrawn or "
                  "void"),
    TEXT("nick", "add: the newcomer; remove: whom, with commas; policy: empty"),
    TEXT("message", "add: the newcomer's word; else the reason"),
    TEXT("changes", "policy: a line each, key: old -> new"),
    TEXT("by", "who proposed it"),
    BOOL("compared", "the one who proposed compared safety codes"),
    TEXT("safety", "add: the code to compare"),
    TIME("time", "when it was made"),
    TIME("deadline", "it may end without a result from then on; absent: not known yet"),
    BOOL("secret", "a secret ballot: who said what is never known"),
    TEXT("limits", "what a secret ballot cannot hide among so few, or empty"),
    LIST("ballots", ballot, "votes so far"),
    BOOL("mine_to_vote", "you have not voted yet"),
    BOOL("mine_to_withdraw", "you may take it back"),
};
SHAPE(proposal, "Proposal", f_proposal);

static const struct op_field f_proposals[] = {
    LIST("proposals", proposal, "oldest first"),
};
SHAPE(proposals, "Proposals", f_proposals);

static const struct op_field f_vote[] = {
    BOOL("secret", "a secret ballot: nobody learns what it says"),
    TEXT("text", "what happened; the same for yes and no"),
};
SHAPE(vote, "Vote", f_vote);

static const struct op_field f_setting[] = {
    TEXT("key", "name"),
    TEXT("value", "as one types it"),
    TEXT("help", "what it does, and what it can be"),
};
SHAPE(setting, "Setting", f_setting);

static const struct op_field f_policy[] = {
    LIST("settings", setting, "all of them"),
};
SHAPE(policy, "Policy", f_policy);

static const struct op_field f_member[] = {
    NUMBER("leaf", "number of the device"),
    TEXT("nick", "name"),
    TEXT("id", "key of this enclave, hex"),
    BOOL("self", "it is you"),
    TEXT("path", "self, direct, circuit, online or offline"),
    NUMBER("since_index", "ledger index of the admission"),
    NUMBER("held_bytes", "bytes of shards it keeps, as far as known"),
    NUMBER("agreed", "entries of the ledger that it has confirmed"),
    TIME("last", "time of its last entry, as it said itself; absent: none yet"),
    TIME("away", "away until then; absent if not"),
    NUMBER("muted", "it is flooding: so many of its messages are kept and not shown; 0: it is not"),
    BOOL("silent", "nothing from it for longer than the idle time, and not away"),
};
SHAPE(member, "Member", f_member);

static const struct op_field f_members[] = {
    LIST("members", member, "in order of leaves"),
};
SHAPE(members, "Members", f_members);

static const struct op_field f_verdict[] = {
    BOOL("agrees", "all of it is sound, and its end is the one that this member keeps"),
    BOOL("fork", "a proof of two histories is kept"),
    NUMBER("entries", "of the ledger"),
    NUMBER("valid", "of these, valid"),
    NUMBER("void", "of these, void: they change nothing"),
    TEXT("voids", "the first fifty void entries: index, author, reason, a line each"),
    NUMBER("epochs", "key epochs"),
    NUMBER("commits", "changes of keys"),
    NUMBER("votes", "ballots"),
    NUMBER("tallies_secret", "secret tallies counted again"),
    NUMBER("tallies_open", "open tallies counted again"),
    NUMBER("passed", "proposals that passed"),
    NUMBER("refused", "proposals that were refused"),
    NUMBER("expired", "proposals that ran out of time"),
    NUMBER("withdrawn", "proposals that were taken back"),
    NUMBER("voided", "proposals that became void"),
    NUMBER("members", "inside now"),
    NUMBER("members_ever", "that were ever inside"),
    TEXT("head", "the ledger's chain after its last entry, 64 hex digits"),
    TEXT("text", "what happened"),
};
SHAPE(verdict, "Verdict", f_verdict);

static const struct op_field f_hurt[] = {
    TEXT("path", "in the enclave"),
    BOOL("path_encoded", "path is percent-encoded"),
    NUMBER("bad", "of its shards, damaged or missing"),
    BOOL("readable", "enough are left"),
};
SHAPE(hurt, "Hurt", f_hurt);

static const struct op_field f_check[] = {
    TEXT("enclave", "name"),
    TEXT("state", "entries, listing, shards, mending or done"),
    BOOL("sound", "nothing that was found damaged is left so"),
    NUMBER("bytes", "of shards, read"),
    NUMBER("total", "bytes to be read"),
    NUMBER("rate", "bytes a second"),
    NUMBER("eta_ms", "time left; 0: not known, or none"),
    NUMBER("entries", "kept entries that were verified"),
    NUMBER("entries_bad", "of these, damaged or missing"),
    NUMBER("entries_mended", "of these, there again"),
    NUMBER("shards", "on this machine, verified"),
    NUMBER("shards_bad", "of these, damaged"),
    NUMBER("shards_missing", "that should be here and are not"),
    NUMBER("shards_mended", "made again"),
    NUMBER("shards_spare", "of those here, of no file that the enclave has (yet)"),
    NUMBER("far", "shards of the others, read"),
    NUMBER("far_bad", "of these, damaged or missing"),
    NUMBER("far_away", "whose holder did not answer"),
    NUMBER("files_hurt", "files with damaged shards"),
    NUMBER("files_lost", "of these, not readable now"),
    LIST("files", hurt, "the first 64 of them"),
    TEXT("detail", "a line for each of the first damaged entries and shards"),
    TEXT("text", "in plain words"),
    TEXT("next", "what to type next, or empty"),
};
SHAPE(check, "Check", f_check);

static const struct op_field f_proof[] = {
    TEXT("proof", "enclave-proof: and base64url"),
};
SHAPE(proof, "Proof", f_proof);

static const struct op_field f_kit[] = {
    TEXT("kit", "enclave-kit: and base64url, in lines"),
};
SHAPE(kit, "Kit", f_kit);

static const struct op_field f_revoked[] = {
    NUMBER("enclaves", "that were to be told"),
    NUMBER("told", "that have taken it"),
    TEXT("detail", "a line each: its name and what happened"),
    TEXT("text", "what happened"),
};
SHAPE(revoked, "Revoked", f_revoked);

static const struct op_field f_sent[] = {
    NUMBER("number", "of the message"),
    TEXT("text", "what happened"),
};
SHAPE(sent, "Sent", f_sent);

static const struct op_field f_sign[] = {
    TEXT("nick", "whose"),
    TEXT("sign", "the reaction"),
    BOOL("sign_encoded", "sign is percent-encoded, for it is not UTF-8"),
};
SHAPE(sign, "Sign", f_sign);

static const struct op_field f_message[] = {
    NUMBER("number", "local, ascending"),
    TEXT("nick", "who wrote it"),
    BOOL("own", "you wrote it"),
    BOOL("sent", "own: the sentinel has it"),
    BOOL("settled", "it has its place in the room; false: in `early` only, number is 0"),
    TIME("time", "as the writer says"),
    BOOL("odd_time", "that was more than 5 minutes off"),
    TEXT("text", "the message"),
    BOOL("text_encoded", "text is percent-encoded, for it is not UTF-8"),
    TEXT("uuid", "its id"),
    NUMBER("lost_before", "messages of this writer that never came before this one"),
    BOOL("private", "a private word: only its writer and one reader have it"),
    TEXT("to", "own private word: its reader; else empty"),
    BOOL("unsaid", "its writer took it back: there is no text"),
    BOOL("muted", "its writer was flooding when it came: show it only to who asks for it"),
    BOOL("mentions_you", "it names you"),
    BOOL("answers", "it answers another message"),
    NUMBER("reply", "that message's number; 0: it is not here"),
    TIME("edited", "when its writer changed it last; absent: never"),
    TIME("ends", "when this machine drops it; absent: never"),
    TEXT("file", "a file of the enclave that goes with it, or empty"),
    BOOL("file_encoded", "file is percent-encoded, for it is not UTF-8"),
    NUMBER("delivered", "own: members who have it, you left out"),
    NUMBER("read", "own: members who have read it and let you know"),
    NUMBER("of", "own: members, you left out"),
    LIST("signs", sign, "reactions"),
};
SHAPE(message, "Message", f_message);

static const struct op_field f_messages[] = {
    LIST("messages", message, "in order of arrival"),
    LIST("early", message, "with early: what has no place in the room yet, in order of arrival"),
    BOOL("more", "there are more than one answer holds: ask again from the next number"),
};
SHAPE(messages, "Messages", f_messages);

static const struct op_field f_search[] = {
    LIST("messages", message, "that hold all the words, oldest first"),
    NUMBER("next", "go on from this number; 0: that was all"),
};
SHAPE(search, "Search", f_search);

static const struct op_field f_kept[] = {
    TEXT("enclave", "its name"),
    NUMBER("keep_ms", "this machine erases messages after so long; 0: never"),
    NUMBER("first", "number of the oldest message that is here; 0: none"),
    NUMBER("last", "number of the newest message so far"),
    TIME("since", "when the oldest was said; absent: there is none"),
};
SHAPE(kept, "Kept", f_kept);

static const struct op_field f_archive[] = {
    TEXT("name", "what history read and history forget take"),
    BOOL("shared", "by a member, who alone vouches for it; else it came from a file"),
    TEXT("enclave", "of which enclave it is, as the file or the member calls it"),
    TEXT("by", "who shares it, or wrote the file"),
    NUMBER("messages", "how many"),
    TIME("since", "when the first was said"),
    TIME("until", "when the last was said"),
    TIME("time", "when it came here"),
};
SHAPE(archive, "Archive", f_archive);

static const struct op_field f_history[] = {
    LIST("enclaves", kept, "what this machine keeps of each"),
    LIST("archives", archive, "from files and from members, kept apart"),
};
SHAPE(history, "History", f_history);

static const struct op_field f_history_job[] = {
    NUMBER("id", "another one with each export or import"),
    TEXT("kind", "export or import"),
    TEXT("state", "opening, deriving, writing, reading, done or failed"),
    TEXT("local", "the file"),
    BOOL("local_encoded", "local is percent-encoded"),
    TEXT("archive", "import: its name once it is done; empty if all of it was here already"),
    NUMBER("messages", "so far"),
    NUMBER("done", "export: the last message's number; import: bytes"),
    NUMBER("total", "of these"),
    NUMBER("rate", "of these in a second"),
    NUMBER("eta_ms", "time left; 0: not known, or none"),
    TEXT("status", "OK, or why it failed"),
    NUMBER("exit", "exit code of that"),
    TEXT("text", "in plain words"),
};
SHAPE(history_job, "HistoryJob", f_history_job);

static const struct op_field f_shared[] = {
    NUMBER("messages", "that are on their way"),
    TEXT("text", "what happened"),
};
SHAPE(shared, "Shared", f_shared);

static const struct op_field f_transfer[] = {
    NUMBER("id", "number"),
    TEXT("enclave", "name"),
    TEXT("kind", "put, get, repair, rebalance or leave (handing over)"),
    TEXT("path", "in the enclave"),
    BOOL("path_encoded", "path is percent-encoded"),
    TEXT("local", "on this machine"),
    BOOL("local_encoded", "local is percent-encoded"),
    TEXT("state", "queued, reading, spreading, accepted, safe, fetching, done, failed or waiting"),
    NUMBER("total", "bytes of the file"),
    NUMBER("bytes", "bytes done"),
    NUMBER("saved", "put: bytes of chunks that were there already and are not moved"),
    NUMBER("rate", "bytes a second, lately"),
    NUMBER("eta_ms", "time left; 0: not known, or none"),
    NUMBER("holders_done", "holders that have acknowledged all"),
    NUMBER("holders", "holders wanted"),
    TEXT("status", "OK, or why it failed"),
    NUMBER("exit", "exit code of that"),
    TEXT("text", "in plain words"),
};
SHAPE(transfer, "Transfer", f_transfer);

static const struct op_field f_transfers[] = {
    LIST("transfers", transfer, "oldest first"),
};
SHAPE(transfers, "Transfers", f_transfers);

static const struct op_field f_file[] = {
    TEXT("path", "in the enclave"),
    BOOL("path_encoded", "path is percent-encoded"),
    BOOL("directory", "it is a directory"),
    NUMBER("size", "bytes"),
    TIME("time", "last change"),
    NUMBER("version", "grows with each change"),
    TEXT("by", "who put it"),
    TEXT("safety", "how safe it is, in words"),
    NUMBER("may_vanish", "how many members may vanish"),
    NUMBER("holders", "members that keep shards of it"),
    NUMBER("k", "columns needed"),
    NUMBER("n", "columns made"),
    NUMBER("shared", "bytes that lie in segments of other versions (info only)"),
    NUMBER("segments", "segments"),
    NUMBER("bad_shards", "known to be damaged"),
    TEXT("detail", "info: where the shards lie, a line a holder"),
    TEXT("sha256", "info: of the content"),
    TEXT("survival", "chance that it can be read, each holder there as it was measured"),
    TEXT("weakest", "the holder whose loss would cost most of that chance"),
};
SHAPE(file, "File", f_file);

static const struct op_field f_drill[] = {
    NUMBER("without", "how many are taken to be gone"),
    NUMBER("files", "files in the enclave"),
    NUMBER("readable", "files that could be read"),
    NUMBER("lost", "files that could not"),
    NUMBER("lost_bytes", "bytes of these"),
    NUMBER("weaker", "files that could be read, but not with one loss more"),
    NUMBER("may_vanish", "how many of the rest may vanish: of the weakest file"),
    NUMBER("holders", "those who then keep shards of that file"),
    TEXT("safety", "the same in words"),
    TEXT("survival", "chance that the weakest file can be read"),
    NUMBER("loss_ppb", "the chance that it cannot, in billionths"),
    TEXT("weakest_file", "the file with the smallest chance"),
    TEXT("weakest_holder", "the holder whose loss would cost most of that chance"),
    TEXT("examples", "up to ten paths that could not be read, a line each"),
};
SHAPE(drill, "Drill", f_drill);

static const struct op_field f_files[] = {
    LIST("files", file, "by name"),
};
SHAPE(files, "Files", f_files);

static const struct op_field f_file_version[] = {
    TEXT("path", "in the enclave"),
    BOOL("path_encoded", "path is percent-encoded"),
    NUMBER("number", "of the version; unique in the enclave"),
    NUMBER("size", "bytes"),
    TIME("time", "when it was put, by the clock of who did"),
    TIME("changed", "last change of the file that was put"),
    TEXT("by", "who put it"),
    TEXT("state", "living, replaced or removed"),
    TIME("gone", "when it was replaced or removed; absent if it lives"),
    TEXT("gone_by", "who did that"),
    TIME("until", "removed: it leaves the trash then; else absent"),
    NUMBER("older", "trash: older versions that were removed with it"),
};
SHAPE(file_version, "FileVersion", f_file_version);

static const struct op_field f_file_versions[] = {
    LIST("versions", file_version, "of one path oldest first"),
};
SHAPE(file_versions, "FileVersions", f_file_versions);

static const struct op_field f_retention[] = {
    TEXT("keep", "none, staggered or all"),
};
SHAPE(retention, "Retention", f_retention);

static const struct op_field f_gc[] = {
    LIST("versions", file_version, "that the rules no longer keep"),
    NUMBER("bytes", "of shards, at all holders, that nothing would need"),
};
SHAPE(gc, "Gc", f_gc);

static const struct op_field f_audit_fault[] = {
    TIME("time", "when it was last seen"),
    TEXT("cause", "in plain words"),
    TEXT("by", "who saw it"),
    TEXT("segment", "the first 16 hex digits of its id"),
    NUMBER("shard", "which shard of the segment"),
    NUMBER("times", "how often"),
    NUMBER("leaf", "the first piece of 4 KiB that was wrong; absent if it is not about one"),
};
SHAPE(audit_fault, "AuditFault", f_audit_fault);

static const struct op_field f_audit[] = {
    NUMBER("holder", "its number"),
    TEXT("nick", "its name"),
    BOOL("asking", "it is being asked now, or its turn is coming"),
    NUMBER("score", "percent: 100 is faultless"),
    TEXT("standing", "good, suspended (nothing new is placed there) or drained (what is there is "
                     "made again elsewhere)"),
    NUMBER("before", "score at the end of an earlier day; absent if there is none"),
    NUMBER("availability", "percent of the last 30 days, as measured"),
    NUMBER("looks", "at which it was measured"),
    NUMBER("rounds", "audits so far"),
    TIME("last", "the last audit; absent if there was none"),
    NUMBER("asked", "pieces asked for in it"),
    NUMBER("right", "that came and were right"),
    NUMBER("late", "that did not come, though asked for twice"),
    NUMBER("lost", "of shards that the holder itself says are gone or damaged"),
    NUMBER("wrong", "that were signed and wrong: proven"),
    TEXT("text", "how the last look ended"),
    TEXT("next", "what will happen next"),
    LIST("faults", audit_fault, "newest first; with storage why only"),
};
SHAPE(audit, "Audit", f_audit);

static const struct op_field f_audits[] = {
    LIST("holders", audit, "the other members, and storage nodes"),
};
SHAPE(audits, "Audits", f_audits);

static const struct op_field f_audit_entry[] = {
    NUMBER("index", "in the receipts feed"),
    TIME("time", "when"),
    TEXT("by", "who asked"),
    TEXT("text", "whom, and what came of it"),
};
SHAPE(audit_entry, "AuditEntry", f_audit_entry);

static const struct op_field f_audit_log[] = {
    LIST("entries", audit_entry, "oldest first"),
};
SHAPE(audit_log, "AuditLog", f_audit_log);

static const struct op_field f_audit_verdict[] = {
    BOOL("whole", "nothing is wrong with the receipts"),
    NUMBER("entries", "looked at"),
    NUMBER("unreadable", "of epochs before this member's keys"),
    NUMBER("rounds", "audits that they tell of"),
    NUMBER("proofs", "proofs of a loss that hold"),
    NUMBER("malformed", "entries that are none"),
    NUMBER("broken", "chains of an author that are broken"),
    NUMBER("missing", "audits that an author left out"),
    NUMBER("false_proofs", "proofs that do not hold"),
    NUMBER("digests", "daily sums in the ledger that are right"),
    NUMBER("unread_digests", "sums whose receipts are not here or not readable"),
    NUMBER("false_digests", "sums that are false"),
    TEXT("text", "in plain words"),
};
SHAPE(audit_verdict, "AuditVerdict", f_audit_verdict);

static const struct op_field f_event[] = {
    NUMBER("number", "ascending from 1 at each start of the daemon"),
    TEXT("kind",
         "message, sent, edit, unsaid, reaction, receipt, gone, history, proposal, vote, member, "
         "epoch, file, transfer, sentinel, warning, join, "
         "left, kit or vault"),
    TEXT("enclave", "name, or empty"),
    TEXT("text", "one plain line"),
    TEXT("who", "name, or empty"),
    NUMBER("ref", "message number, proposal index, transfer id; 0 if none"),
    TIME("time", "when"),
};
SHAPE(event, "Event", f_event);

static const struct op_field f_events[] = {
    LIST("events", event, "oldest first"),
    NUMBER("last", "number of the newest event: ask after it"),
    BOOL("missed", "events between are gone from the ring"),
};
SHAPE(events, "Events", f_events);

static const struct op_field f_status[] = {
    TEXT("version", "of the daemon"),
    TEXT("vault", "none, locked, working or open"),
    TEXT("home", "the daemon's directory"),
    TEXT("hosted", "HOST:PORT#PIN of the sentinel inside, or empty"),
    NUMBER("last_event", "number of the newest event"),
    LIST("enclaves", enclave, "all of them"),
    LIST("transfers", transfer, "that have not ended"),
};
SHAPE(status, "Status", f_status);

static const struct op_field f_key[] = {
    TEXT("fingerprint", "64 hex digits"),
    TEXT("words", "its first 128 bits as twelve words"),
    TEXT("nick", "the name on the card"),
    TEXT("address", "HOST:PORT of the sentinel inside, as the card says, or empty"),
    TEXT("card", "enclave-card: and the card's bytes in base64url"),
    TEXT("text", "what to do with it"),
};
SHAPE(key, "Key", f_key);

static const struct op_field f_peer[] = {
    TEXT("name", "of the enclave of you two"),
    TEXT("nick", "as the card says"),
    TEXT("fingerprint", "64 hex digits"),
    TEXT("words", "its first 128 bits as twelve words"),
    TEXT("state", "waiting, entering, connected, alone, refused or leaving"),
    TEXT("host", "you, peer, or empty: not known yet"),
    TEXT("address", "HOST:PORT where its sentinel is looked for, or empty"),
    BOOL("reachable", "can be reached now"),
    TEXT("safety", "the enclave's safety code, once the two are in it"),
    TEXT("text", "how it stands and what to do"),
};
SHAPE(peer, "Peer", f_peer);

static const struct op_field f_peers[] = {
    LIST("peers", peer, "all of them"),
};
SHAPE(peers, "Peers", f_peers);

static const struct op_field f_holder[] = {
    NUMBER("number", "of the holder: a member's, or 4096 and up of a storage node"),
    TEXT("who", "nick, or address of the storage node"),
    BOOL("node", "a storage node: no member, it reads and votes nothing"),
    BOOL("self", "this machine"),
    BOOL("up", "linked now"),
    TEXT("state", "member; signing, waiting, ready or let go of a storage node"),
    BOOL("told", "used, free and offered bytes are as it last said"),
    NUMBER("used_bytes", "that it keeps for this enclave"),
    NUMBER("free_bytes", "that it would still take"),
    NUMBER("offered_bytes", "in all"),
    NUMBER("placed_bytes", "that the list of files places there; members only"),
    NUMBER("trash_segments", "that it throws away within 7 days"),
    TIME("expires", "end of the grant, which is renewed before; storage nodes only"),
    TEXT("pin", "hash of the storage node's key, hex; or empty"),
    TEXT("text", "what is wrong and what to do, or empty"),
};
SHAPE(holder, "Holder", f_holder);

static const struct op_field f_storage[] = {
    LIST("holders", holder, "members first, then storage nodes"),
    NUMBER("offered_bytes", "that this machine gives each enclave"),
};
SHAPE(storage, "Storage", f_storage);

static const struct op_field f_problem[] = {
    TEXT("status", "name of the status"),
    NUMBER("exit", "exit code of the command line"),
    NUMBER("http", "HTTP status"),
    TEXT("text", "what happened"),
    TEXT("next", "what to type next, or empty"),
};
SHAPE(problem, "Problem", f_problem);

static const struct op_shape *const all[] = {
    &shape_done,    &shape_words,        &shape_daemon,        &shape_version,
    &shape_enclave, &shape_enclaves,     &shape_loss,          &shape_invitation,
    &shape_ballot,  &shape_proposal,     &shape_proposals,     &shape_vote,
    &shape_setting, &shape_policy,       &shape_member,        &shape_members,
    &shape_verdict, &shape_proof,        &shape_kit,           &shape_revoked,
    &shape_sent,    &shape_sign,         &shape_message,       &shape_messages,
    &shape_search,  &shape_transfer,     &shape_transfers,     &shape_file,
    &shape_files,   &shape_event,        &shape_events,        &shape_status,
    &shape_key,     &shape_peer,         &shape_peers,         &shape_problem,
    &shape_kept,    &shape_archive,      &shape_history,       &shape_history_job,
    &shape_shared,  &shape_holder,       &shape_storage,       &shape_hurt,
    &shape_check,   &shape_file_version, &shape_file_versions, &shape_retention,
    &shape_gc,      &shape_drill,        &shape_audit_fault,   &shape_audit,
    &shape_audits,  &shape_audit_entry,  &shape_audit_log,     &shape_audit_verdict};

const struct op_shape *const *shapes_all(size_t *ret_n)
{
    *ret_n = sizeof all / sizeof all[0];
    return all;
}
