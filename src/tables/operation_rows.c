/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The operations: a new one is one row here, a handler in src/api and, where the plain printing of
 * its result will not do, a printer in src/cli. */
#include "tables/operation_parts.h"

/* ---- the table ---- */

#define START "Start"
#define PEOPLE "People"
#define WORDS "Words"
#define FILES "Files"
#define CARE "Care"

static const struct operation rows[] = {
    {"vault_init", "init", START, "make a new home: a password, recovery words, a running daemon",
     "POST", "/v1/vault/init", ROWS(p_init), &shape_words,
     "Makes the home directory and its vault, starts the daemon and shows the 24 recovery words, "
     "once. They open the vault if the password is forgotten: write them on paper. On a terminal "
     "three of them are asked back.",
     "enclave init\n"
     "enclave --home ~/other init --password-file pw.txt   # a second person on this machine\n"
     "enclave init --host 0.0.0.0:8000                     # with a sentinel inside",
     ROWS(x_init), OPERATION_LOCKED},
    {"vault_unlock", "daemon start", START, "start the daemon and open the vault", "POST",
     "/v1/vault/unlock", ROWS(p_daemon_start), &shape_done,
     "Starts enclaved in the background if it does not run, and opens the vault. Its log is "
     "daemon.log in the home directory.",
     "enclave daemon start\n"
     "enclave daemon start --password-file pw.txt --listen 192.0.2.7:0",
     ROWS(x_password), OPERATION_LOCKED},
    {"daemon_stop", "daemon stop", START, "stop the daemon", "POST", "/v1/daemon/stop", NOTHING,
     &shape_done,
     "Ends links, finishes what is being written, and stops. Transfers go on at the "
     "next start.",
     "enclave daemon stop", NOTHING, OPERATION_LOCKED},
    {"daemon_status", "daemon status", START, "does the daemon run, is the vault open", "GET",
     "/v1/daemon", NOTHING, &shape_daemon, "Tells whether the daemon runs and the vault is open.",
     "enclave daemon status", ROWS(x_daemon_status), OPERATION_LOCKED},
    {"status", "status", START, "what is going on, and what needs doing", "GET", "/v1/status",
     ROWS(p_status), &shape_status,
     "Shows each enclave: who is reachable, how many members have confirmed your history, what is "
     "unread, which votes wait for you, how files spread, and the next command to type.",
     "enclave status\n"
     "enclave status --json",
     NOTHING, OPERATION_LOCKED},

    {"create", "create", PEOPLE, "found an enclave; you are its first member", "POST",
     "/v1/enclaves", ROWS(p_create), &shape_enclave,
     "Founds an enclave at a sentinel. The sentinel learns no name, no text and no file: it orders "
     "sealed entries. Everybody who comes later needs the yes of everybody inside.",
     "enclave create family --as ada --sentinel sentinel.example.org:8000#5f3a...\n"
     "enclave create family --as ada --host    # at the sentinel inside this daemon\n"
     "enclave create board --as ada --sentinel A,B --ballot open --mode relay",
     ROWS(x_create), 0},
    {"enclaves", NULL, PEOPLE, "all enclaves of this home", "GET", "/v1/enclaves", NOTHING,
     &shape_enclaves, "", "", NOTHING, 0},
    {"enclave", NULL, PEOPLE, "one enclave", "GET", "/v1/enclaves/{enclave}", ROWS(p_enclave),
     &shape_enclave, "", "", ROWS(x_name), 0},
    {"invite", "invite", PEOPLE, "make an invitation for one newcomer", "POST",
     "/v1/enclaves/{enclave}/invitations", ROWS(p_invite), &shape_invitation,
     "Prints an invitation to hand to one person, by a way that you trust. It only opens the door: "
     "everybody inside still has to vote yes.",
     "enclave invite\n"
     "enclave invite --enclave family --expires 2d",
     ROWS(x_name), 0},
    {"join", "join", PEOPLE, "ask to be let in, with an invitation", "POST", "/v1/joins",
     ROWS(p_join), &shape_enclave,
     "Knocks with an invitation. The request stays while you are away; the same command tells how "
     "it stands, --wait waits for the end. Compare the safety code it shows with a member, by "
     "voice: equal codes mean that nobody stands between you.",
     "enclave join enclave:... --as bob --wait\n"
     "enclave join enclave:... --as bob --message 'Bob from the choir'",
     ROWS(x_join), 0},
    {"proposals", "proposals", PEOPLE, "what is voted on, and who has voted", "GET",
     "/v1/enclaves/{enclave}/proposals", ROWS(p_proposals), &shape_proposals,
     "Shows who asks to be let in (message, safety code), whom somebody wants to remove and why, "
     "what shall change; until when, and who has voted. In secret ballots nobody learns more than "
     "who has voted.",
     "enclave proposals\n"
     "enclave proposals --all",
     ROWS(x_name), 0},
    {"vote", "vote", PEOPLE, "vote: one no is enough to refuse", "POST",
     "/v1/enclaves/{enclave}/votes", ROWS(p_vote), &shape_vote,
     "Casts your vote. It passes when everybody who may vote has said yes; whom it would remove "
     "has no vote. In a secret ballot nobody learns what you said, and it leaves at a "
     "random moment. A vote cannot be taken back.",
     "enclave vote yes bob --compared\n"
     "enclave vote no",
     ROWS(x_vote), 0},
    {"remove", "remove", PEOPLE, "propose that a member be removed (files: rm)", "POST",
     "/v1/enclaves/{enclave}/removals", ROWS(p_remove), &shape_done,
     "Proposes to remove a member, with your own yes. All others but the one concerned vote. When "
     "it passes, new keys shut them out of all that comes; what they have read they keep. Several "
     "can be named at once only if each let a vote expire without a word since it began, and those "
     "who stay are more than half: two who are gone for good cannot block each other's removal.",
     "enclave remove bob --reason 'lost his machine'\n"
     "enclave remove bob,eve --yes",
     ROWS(x_propose), 0},
    {"policy", "policy", PEOPLE, "the rules of an enclave", "GET", "/v1/enclaves/{enclave}/policy",
     ROWS(p_enclave), &shape_policy,
     "Shows the rules that can be changed by vote: how votes are cast, how members connect, how "
     "long a vote stays open, and so on.",
     "enclave policy", ROWS(x_name), 0},
    {"policy_set", "policy set", PEOPLE, "propose other rules", "POST",
     "/v1/enclaves/{enclave}/policy", ROWS(p_policy_set), &shape_done,
     "Proposes a change of one or more rules, with your own yes. Everybody votes on it as a whole.",
     "enclave policy set idle=30d history=no\n"
     "enclave policy set ballot=open --reason 'we are three'",
     ROWS(x_propose), 0},
    {"withdraw", "withdraw", PEOPLE, "take back a proposal of yours", "POST",
     "/v1/enclaves/{enclave}/withdrawals", ROWS(p_withdraw), &shape_done,
     "Takes back an open proposal that you made. What has been voted on it counts no more.",
     "enclave withdraw\n"
     "enclave withdraw bob",
     ROWS(x_withdraw), 0},
    {"members", "members", PEOPLE, "who is inside, and who can be reached now", "GET",
     "/v1/enclaves/{enclave}/members", ROWS(p_enclave), &shape_members,
     "Lists the members and how they are reached: directly, by a circuit through the sentinel, or "
     "not at all now; how much of the ledger each has confirmed, who is away, who has fallen "
     "silent.",
     "enclave members", ROWS(x_name), 0},
    {"away", "away", PEOPLE, "tell the others that you are away", "POST",
     "/v1/enclaves/{enclave}/away", ROWS(p_away), &shape_done,
     "Tells the others until when you are away: they see why a vote waits, and you are not shown "
     "as silent. It is a word, no rule: a vote may still expire without you. back takes it back.",
     "enclave away 3d\n"
     "enclave away 2026-12-24\n"
     "enclave away back",
     ROWS(x_name), 0},
    {"leave", "leave", PEOPLE, "leave an enclave for good and shred its keys here", "DELETE",
     "/v1/enclaves/{enclave}", ROWS(p_leave), &shape_done,
     "First hands over to the others what their files need of the shards kept here (it goes on "
     "over restarts; --now goes without). Then tells them, gives your seat back and shreds this "
     "enclave's keys on this machine. Your copies of its words and files cannot be read "
     "afterwards. With the last member the enclave itself is gone.",
     "enclave leave --enclave family\n"
     "enclave leave --enclave family --yes\n"
     "enclave leave --enclave family --now",
     ROWS(x_name), 0},
    {"leave_preview", NULL, PEOPLE, "what would be lost by leaving", "GET",
     "/v1/enclaves/{enclave}/leave", ROWS(p_enclave), &shape_loss, "", "", ROWS(x_name), 0},
    {"destroy", "destroy", PEOPLE, "erase this machine's copy at once, telling nobody", "POST",
     "/v1/enclaves/{enclave}/destroy", ROWS(p_destroy), &shape_done,
     "Shreds the keys and erases all that this machine holds of an enclave, at once, whatever the "
     "others and the sentinel say. To the others you are still a member. For what you were removed "
     "from, what cannot be left in order, and emergencies; else leave. Without --yes-really it "
     "only says what would be lost.",
     "enclave destroy --enclave family\n"
     "enclave destroy --yes-really family",
     ROWS(x_name), 0},

    {"key_show", "key show", PEOPLE, "the fingerprint of your contact card", "GET", "/v1/key",
     ROWS(p_key_show), &shape_key,
     "Shows your fingerprint in hex, in twelve words to be read out (they are no secret, and not "
     "the recovery words), and as a QR code with your sentinel's address. Keys are too large for a "
     "QR code: the card itself is a file.",
     "enclave key show\n"
     "enclave key show --qr",
     ROWS(x_key), 0},
    {"key_export", "key export", PEOPLE, "your contact card, for others to add", "POST",
     "/v1/key/card", ROWS(p_key_export), &shape_key,
     "Writes your contact card: keys made for this and for nothing else, your name, and where the "
     "sentinel inside your daemon is, if there is one. A card is a standing identity: two people "
     "who both have yours can tell that it is the same person. The enclaves that come of it have "
     "keys of their own; for people who shall not be able to compare, use invitations.",
     "enclave key export --as ada --out ada.pub\n"
     "enclave key export --bare > ada.pub",
     ROWS(x_key), 0},
    {"peer_add", "peer add", PEOPLE, "an enclave of two with somebody whose card you have", "POST",
     "/v1/peers", ROWS(p_peer_add), &shape_peer,
     "Both type this, each with the other's card, in either order; the two daemons then come "
     "together by themselves, with no server but the sentinel inside one of them (enclave daemon "
     "start --host HOST:PORT). Nobody else can come in, not even with both cards. The same "
     "command again tells how it stands, and takes a newer card or another address. Everywhere an "
     "enclave or a member is named, 8 or more characters of the fingerprint name this contact.",
     "enclave peer add bob.pub                             # you host\n"
     "enclave peer add ada.pub --address 192.0.2.7:8000    # the other one hosts\n"
     "enclave send --enclave 3f9c02d1 'Hello'",
     ROWS(x_peer_add), 0},
    {"peers", "peer list", PEOPLE, "your contacts, and how each stands", "GET", "/v1/peers",
     NOTHING, &shape_peers,
     "Lists whose cards you added: fingerprint, who hosts, whether you are connected and what to "
     "do if not.",
     "enclave peer list\n"
     "enclave peer list --json",
     NOTHING, 0},
    {"peer_remove", "peer remove", PEOPLE, "leave the enclave of you two and forget the card",
     "DELETE", "/v1/peers/{peer}", ROWS(p_peer), &shape_done,
     "Leaves the enclave as enclave leave does, shreds its keys here, and forgets the card.",
     "enclave peer remove bob\n"
     "enclave peer remove 3f9c02d1 --yes",
     ROWS(x_peer), 0},
    {"peer_address", "peer address", PEOPLE, "where a contact's sentinel is now", "POST",
     "/v1/peers/{peer}/address", ROWS(p_peer_address), &shape_peer,
     "Its key stays the one of the card, so a false address can do no harm.",
     "enclave peer address bob 192.0.2.9:8000", ROWS(x_peer), 0},

    {"send", "send", WORDS, "say something to everybody in the enclave", "POST",
     "/v1/enclaves/{enclave}/messages", ROWS(p_send), &shape_sent,
     "Sends a message to all members, also to those who are away now, or with --to to some only. "
     "It is safe on disk when the "
     "command returns, and goes out as soon as the sentinel can be reached. @NICK names a member.",
     "enclave send 'Dinner at eight, @bob'\n"
     "enclave send --reply 7 'Yes'\n"
     "enclave send --file plans/house.pdf 'The plan'\n"
     "enclave send --for 1d 'The door code is 4711'\n"
     "enclave send --to bob 'Between you and me'\n"
     "echo hello | enclave send -\n"
     "tail -f alarms.log | enclave send --lines -",
     ROWS(x_send), 0},
    {"edit", "edit", WORDS, "change a message of yours", "POST",
     "/v1/enclaves/{enclave}/messages/edit", ROWS(p_edit), &shape_sent,
     "Replaces the text of an earlier message of yours for everybody. It is shown as edited; who "
     "read it before has read it.",
     "enclave edit 7 'Dinner at nine'", ROWS(x_message), 0},
    {"unsay", "unsay", WORDS, "take a message of yours back", "POST",
     "/v1/enclaves/{enclave}/messages/unsay", ROWS(p_unsay), &shape_sent,
     "Every member's machine drops the text of an earlier message of yours, and its keys with it. "
     "No machine can be forced to, and who read it has read it.",
     "enclave unsay 7", ROWS(x_message), 0},
    {"react", "react", WORDS, "put a sign under a message", "POST",
     "/v1/enclaves/{enclave}/messages/react", ROWS(p_react), &shape_sent,
     "Puts one sign of yours under a message; another one takes its place, none takes it away.",
     "enclave react 7 +1\n"
     "enclave react 7",
     ROWS(x_message), 0},
    {"read", "read", WORDS, "read what was said", "GET", "/v1/enclaves/{enclave}/messages",
     ROWS(p_read), &shape_messages,
     "Shows what is unread (or the last 20 messages if nothing is) and marks it as read. With "
     "--follow what a linked member says is shown when it comes, before the sentinel has it, with "
     "... for its number, and not again when it has one; with --json only what is settled. Of a "
     "member that says too much in an hour (messages.mute_messages, messages.mute_mb) the rest is "
     "kept and shown with --muted only, until it says less.",
     "enclave read\n"
     "enclave read --follow\n"
     "enclave read --last 500 --muted",
     ROWS(x_name), 0},
    {"search", "search", WORDS, "find messages by their words", "GET",
     "/v1/enclaves/{enclave}/messages/search", ROWS(p_search), &shape_search,
     "Shows the messages that hold all the words, in any order and case, also the names of files "
     "said with them. The history is opened in memory only: no index of it lies on the disk.",
     "enclave search dinner eight\n"
     "enclave search --json door code",
     ROWS(x_name), 0},
    {"history", "history", WORDS, "what is kept of earlier words, and what came from elsewhere",
     "GET", "/v1/history", NOTHING, &shape_history,
     "Shows how long this machine keeps the words of each enclave, and the archives: words from an "
     "imported file or shared by a member. Archives are only read, and stand apart: this machine "
     "has not checked their authors' signatures.",
     "enclave history", NOTHING, 0},
    {"history_read", "history read", WORDS, "read imported or shared words", "GET",
     "/v1/archives/{archive}/messages", ROWS(p_history_read), &shape_search,
     "Shows an archive's messages. Who shared them, or wrote the file, vouches for them, nobody "
     "else.",
     "enclave history read family-ada\n"
     "enclave history read family-ada --find 'dinner eight'",
     ROWS(x_archive), 0},
    {"history_share", "history share", WORDS, "show a newcomer what was said before", "POST",
     "/v1/enclaves/{enclave}/history/share", ROWS(p_history_share), &shape_shared,
     "Newcomers see nothing of what was said before they came, unless a member shares it. This "
     "sends the last 1000 messages or fewer to one member, as private words. What was private, was "
     "taken back or is dropped after a time is never shared. They see that it comes from you: you "
     "vouch for it, for the authors' signatures are not in it.",
     "enclave history share bob\n"
     "enclave history share bob --since 30d --last 200",
     ROWS(x_share), 0},
    {"history_keep", "history keep", WORDS, "how long this machine keeps messages", "POST",
     "/v1/enclaves/{enclave}/history/keep", ROWS(p_history_keep), &shape_done,
     "Messages that came longer ago are erased from this disk, now and from now on, also from "
     "imported and shared words of the enclave. It is this machine's choice alone: the others keep "
     "theirs. What is not sent yet stays.",
     "enclave history keep 90d --enclave family\n"
     "enclave history keep forever",
     ROWS(x_keep), 0},
    {"history_export", "history export", WORDS, "write all messages to one sealed file", "POST",
     "/v1/enclaves/{enclave}/history/export", ROWS(p_history_export), &shape_history_job,
     "Asks for a password and writes all messages of an enclave to a file sealed under it: for a "
     "new machine, or to keep them after leaving. Messages that were taken back, and those that "
     "are "
     "dropped after a time, are left out; private words of yours are in it.",
     "enclave history export family.history\n"
     "enclave history export family.history --enclave family --password-file pw.txt\n"
     "enclave history export family.jsonl --plain    # readable by whoever gets it",
     ROWS(x_export), 0},
    {"history_import", "history import", WORDS, "read such a file, to look at its messages", "POST",
     "/v1/history/import", ROWS(p_history_import), &shape_history_job,
     "Asks for the file's password and keeps its messages as an archive of this home, to be read "
     "with history read. What an enclave here has already is left out. A file that was altered or "
     "cut off is refused as a whole.",
     "enclave history import family.history\n"
     "enclave history import family.history --as old-family",
     ROWS(x_import), 0},
    {"history_forget", "history forget", WORDS, "erase imported or shared words", "DELETE",
     "/v1/archives/{archive}", ROWS(p_history_forget), &shape_done,
     "Erases an archive from this machine.", "enclave history forget family-ada", ROWS(x_archive),
     0},
    {"history_job", NULL, WORDS, "the export or import that runs, or the last one", "GET",
     "/v1/history/job", NOTHING, &shape_history_job, "", "", NOTHING, 0},
    {"chat", "chat", WORDS, "talk: what comes is shown while you type", NULL, NULL, ROWS(p_chat),
     NULL,
     "Shows the last 20 messages and all that comes; a line you type is said to everybody in the "
     "enclave. Lines that begin with a slash are commands: /members, /peers, /votes, /vote, /add, "
     "/file, /send, /broadcast, /quit; /help explains them. Tab completes names, commands and "
     "paths; the "
     "up key brings back what you typed in this chat (it is kept in memory only). With --plain, or "
     "in a pipe, each message is one line (12:04 ada: text), and lines that begin with * are the "
     "program's own.",
     "enclave chat\n"
     "enclave chat family\n"
     "enclave chat family --plain < lines.txt",
     ROWS(x_name), 0},
    {"broadcast", "broadcast", WORDS, "say the same to several enclaves", NULL, NULL,
     ROWS(p_broadcast), NULL,
     "Says the same words to all your enclaves, or to those that --to names, in any order and with "
     "random gaps of some seconds. It warns first, and asks back: the same words at the same "
     "moment link your enclaves. The report counts those whose message is safe on this disk; it "
     "goes out from there as with send.",
     "enclave broadcast 'I have a new number'\n"
     "enclave broadcast --to family,choir 'I am away until Sunday'\n"
     "enclave broadcast --now --yes 'The lake house burns'",
     ROWS(x_broadcast), 0},
    {"mark_read", NULL, WORDS, "everything up to a message is read", "POST",
     "/v1/enclaves/{enclave}/messages/read", ROWS(p_mark_read), &shape_done, "", "", ROWS(x_name),
     0},

    {"put", "put", FILES, "keep a file in the enclave", "POST", "/v1/enclaves/{enclave}/puts",
     ROWS(p_put), &shape_transfer,
     "Seals a file, cuts it into shards and spreads them over the members. It returns when the "
     "loss of one member would do no harm (exit 0 if it is as safe as it can be, 3 if it still "
     "spreads); --wait stays to the end. An interrupted put goes on by itself.",
     "enclave put report.pdf\n"
     "enclave put photos.zip pictures/2026.zip --wait\n"
     "enclave put big.iso --profile 8/20\n"
     "enclave put -r photos\n"
     "pg_dump shop | enclave put - backup/shop.sql",
     ROWS(x_put), 0},
    {"get", "get", FILES, "fetch a file from the enclave", "POST", "/v1/enclaves/{enclave}/gets",
     ROWS(p_get), &shape_transfer,
     "Fetches enough shards, checks every one, names what was bad, and writes the file whole or "
     "not at all. To standard output each chunk goes as soon as it is verified; only exit code 0 "
     "says that all came, and that the whole has its hash.",
     "enclave get report.pdf\n"
     "enclave get pictures/2026.zip /tmp/photos.zip --replace\n"
     "enclave get -r photos\n"
     "enclave get backup/shop.sql -o - | psql shop\n"
     "enclave get big.iso -o head --range 0-1000000",
     ROWS(x_get), 0},
    {"ls", "ls", FILES, "list files, and how safe each is", "GET", "/v1/enclaves/{enclave}/files",
     ROWS(p_ls), &shape_files, "Lists a directory of the enclave.",
     "enclave ls\n"
     "enclave ls pictures",
     ROWS(x_path), 0},
    {"info", "info", FILES, "all about a file, or about the enclave", "GET",
     "/v1/enclaves/{enclave}/files/info", ROWS(p_info), &shape_file,
     "Without PATH: the enclave itself, its epoch, ledger and sentinel. With PATH: where the "
     "shards "
     "lie, how many members may vanish, what was damaged.",
     "enclave info\n"
     "enclave info report.pdf",
     ROWS(x_path), 0},
    {"drill", "drill", FILES, "rehearse an outage: which files could be read without some members",
     "GET", "/v1/enclaves/{enclave}/drill", ROWS(p_drill), &shape_drill,
     "Looks at where the shards really lie and says which files could be read if some members were "
     "gone, how many more may then vanish, how likely the weakest file survives, and on whom it "
     "leans most. Nothing is moved. Without --without: how things stand.",
     "enclave drill\n"
     "enclave drill --enclave family --without bob,carol",
     ROWS(x_path), 0},
    {"rebalance", "rebalance", FILES, "move shards to members who have few", "POST",
     "/v1/enclaves/{enclave}/rebalance", ROWS(p_rebalance), &shape_done,
     "After somebody came: moves shards of the files that are there to whoever has fewest of them, "
     "so that every member carries as much and a loss costs less. How many of N shards a file "
     "needs stays as it was put. The old copy of a moved shard is kept until the file goes.",
     "enclave rebalance\n"
     "enclave rebalance --enclave family",
     ROWS(x_path), 0},
    {"mkdir", "mkdir", FILES, "make a directory", "POST", "/v1/enclaves/{enclave}/directories",
     ROWS(p_mkdir), &shape_done, "Makes a directory in the enclave.", "enclave mkdir pictures",
     ROWS(x_change), 0},
    {"mv", "mv", FILES, "move or rename", "POST", "/v1/enclaves/{enclave}/files/move", ROWS(p_mv),
     &shape_done, "Renames a file or directory, or moves it into another directory.",
     "enclave mv report.pdf archive/report-2026.pdf", ROWS(x_change), 0},
    {"rm", "rm", FILES, "remove a file or directory", "DELETE", "/v1/enclaves/{enclave}/files",
     ROWS(p_rm), &shape_done,
     "Removes a file for everybody, with its old versions: 30 days in the trash (enclave trash), "
     "then its shards are thrown away.",
     "enclave rm report.pdf\n"
     "enclave rm -r pictures",
     ROWS(x_change), 0},
    {"storage", "storage", FILES, "who keeps shards, and how much", "GET",
     "/v1/enclaves/{enclave}/storage", ROWS(p_enclave), &shape_storage,
     "Lists the holders of an enclave's shards: its members and the storage nodes it took on, with "
     "what each uses, has free and offers.",
     "enclave storage", ROWS(x_name), 0},
    {"storage_list", "storage list", FILES, "the same", NULL, NULL, ROWS(p_enclave), &shape_storage,
     "The same as enclave storage.", "enclave storage list", ROWS(x_name), OPERATION_HIDDEN},
    {"storage_add", "storage add", FILES, "take a storage node on", "POST",
     "/v1/enclaves/{enclave}/storage", ROWS(p_storage_add), &shape_done,
     "Takes on a storage node whose owner gave you an offer: a machine that keeps shards and can "
     "read none of them. All members use it once the daemons of more than half of them have "
     "signed, "
     "which they do by themselves. The grant lasts 90 days and is renewed by itself.",
     "enclave storage add enclave-storage:AUWq... --quota 50G", ROWS(x_storage_add), 0},
    {"storage_remove", "storage remove", FILES, "let go of a storage node", "DELETE",
     "/v1/enclaves/{enclave}/storage/{number}", ROWS(p_storage_remove), &shape_done,
     "Nothing new goes there any more. It forgets what it keeps a week after the grant ends.",
     "enclave storage remove 4096", ROWS(x_storage_remove), 0},
    {"storage_offer", "storage offer", FILES, "how much this machine keeps for each enclave",
     "POST", "/v1/storage", ROWS(p_storage_offer), &shape_done,
     "Sets how much this machine keeps of the others' shards, for each enclave, from now on; "
     "node.max_storage_gb of enclave.yaml holds until then. What is kept already stays.",
     "enclave storage offer 50G", NOTHING, 0},
    {"versions", "versions", FILES, "earlier versions of a file", "GET",
     "/v1/enclaves/{enclave}/files/versions", ROWS(p_versions), &shape_file_versions,
     "Each put of a path makes a version. Which ones are kept, enclave retention says. Times are "
     "by the clocks of those who put.",
     "enclave versions report.pdf\n"
     "enclave get report.pdf old.pdf --version 17",
     ROWS(x_path), 0},
    {"trash", "trash", FILES, "removed files that can be restored", "GET",
     "/v1/enclaves/{enclave}/trash", ROWS(p_trash), &shape_file_versions,
     "A removed file stays here for 30 days, with its versions. enclave restore brings it back.",
     "enclave trash\n"
     "enclave trash pictures",
     ROWS(x_path), 0},
    {"restore", "restore", FILES, "bring an old version or a removed file back", "POST",
     "/v1/enclaves/{enclave}/files/restore", ROWS(p_restore), &shape_done,
     "Puts an old version again, as the newest; the one that it replaces stays a version. No bytes "
     "move. A directory: all below it that was removed, or (--at) all that was another version "
     "then; what came later stays.",
     "enclave restore report.pdf\n"
     "enclave restore report.pdf --version 17\n"
     "enclave restore pictures --at 2h",
     ROWS(x_restore), 0},
    {"retention", "retention", FILES, "which old versions the enclave keeps", "GET",
     "/v1/enclaves/{enclave}/retention", ROWS(p_enclave), &shape_retention,
     "Says what happens to versions that a put replaces.", "enclave retention", ROWS(x_name), 0},
    {"retention_set", "retention set", FILES, "say which old versions to keep", "POST",
     "/v1/enclaves/{enclave}/retention", ROWS(p_retention_set), &shape_done,
     "Holds for all members at once, and for the versions that are there.",
     "enclave retention set all", ROWS(x_name), 0},
    {"gc", "gc", FILES, "what the trash and old versions would free, and free it", "GET",
     "/v1/enclaves/{enclave}/gc", ROWS(p_enclave), &shape_gc,
     "Shows which versions the retention and the 30 days of the trash no longer keep, and asks "
     "before it lets them go (--yes: does not ask). By itself this happens with the next change.",
     "enclave gc\n"
     "enclave gc --yes",
     ROWS(x_name), 0},
    {"gc_run", NULL, FILES, "let go what the rules no longer keep", "POST",
     "/v1/enclaves/{enclave}/gc", ROWS(p_enclave), &shape_done, "", "", ROWS(x_name), 0},
    {"transfers", "transfers", FILES, "puts and gets that run or have ended", "GET",
     "/v1/transfers", NOTHING, &shape_transfers, "Lists transfers and how they go.",
     "enclave transfers", NOTHING, 0},
    {"transfer", NULL, FILES, "one transfer", "GET", "/v1/transfers/{id}", ROWS(p_transfer),
     &shape_transfer, "", "", ROWS(x_transfer), 0},
    {"audits", "audit", FILES, "do the others still have what they keep", "GET",
     "/v1/enclaves/{enclave}/audits", ROWS(p_audit), &shape_audits,
     "Shows what this member knows of the others as holders of shards: it asks each of them every "
     "hour for random pieces, and checks them. --now asks at once and waits. A loss is repaired by "
     "itself.",
     "enclave audit family --now\n"
     "enclave audit",
     ROWS(x_audit), 0},
    {"audit_now", NULL, FILES, "ask all holders now", "POST", "/v1/enclaves/{enclave}/audits",
     ROWS(p_enclave), &shape_done, "", "", ROWS(x_audit), 0},
    {"audit_log", "audit log", FILES, "what all members' audits found", "GET",
     "/v1/enclaves/{enclave}/audits/log", ROWS(p_enclave), &shape_audit_log,
     "Lists the receipts of all members: who asked whom, and what was right, late, lost or wrong.",
     "enclave audit log", ROWS(x_name), 0},
    {"audit_verify", "audit verify", FILES, "do the receipts hang together", "GET",
     "/v1/enclaves/{enclave}/audits/verify", ROWS(p_enclave), &shape_audit_verdict,
     "Reads all receipts again: every signature, the chain of each author, that no audit is left "
     "out, every proof of a loss, and every daily sum in the ledger.",
     "enclave audit verify", ROWS(x_audit_verify), 0},
    {"storage_why", "storage why", FILES, "why a holder is trusted, or not", "GET",
     "/v1/enclaves/{enclave}/audits/why", ROWS(p_storage_why), &shape_audit,
     "Lists a holder's failed audits with their causes, how its score moved, and what will happen "
     "next.",
     "enclave storage why bob", ROWS(x_why), 0},

    {"vault_recover", "recover", CARE, "open the vault with the recovery words", "POST",
     "/v1/vault/recover", ROWS(p_recover), &shape_done,
     "Asks for the 24 recovery words and a new password, which takes the place of the forgotten "
     "one.",
     "enclave recover\n"
     "enclave recover --words-file words.txt --password-file new.txt",
     ROWS(x_password), OPERATION_LOCKED},
    {"vault_test", "recovery test", CARE, "would your recovery words work?", "POST",
     "/v1/vault/recovery-test", ROWS(p_recovery_test), &shape_done,
     "Checks that the words on your paper open this vault. Changes nothing.",
     "enclave recovery test", ROWS(x_password), OPERATION_LOCKED},
    {"kit", "recovery kit", CARE, "a kit to revoke this machine with, from anywhere", "GET",
     "/v1/recovery-kit", ROWS(p_kit), &shape_kit,
     "Writes the recovery kit: where your enclaves can be reached, sealed under the 24 words. "
     "With it and the words you can revoke this machine from any other (enclave revoke-self). Keep "
     "a copy elsewhere; it is recovery-kit in the home, always up to date, and worth nothing "
     "without the words.",
     "enclave recovery kit /media/stick/enclave-kit.txt\n"
     "enclave recovery kit > kit.txt",
     NOTHING, 0},
    {"revoke", "revoke-self", CARE, "revoke a lost or stolen machine of yours", "POST",
     "/v1/revocations", ROWS(p_revoke), &shape_revoked,
     "Asks for the 24 recovery words of the lost machine and, with its recovery kit, tells its "
     "enclaves to shut it out. Works from any machine, with no vault open and no member asked. It "
     "cannot be taken back: come in again by invitation.",
     "enclave revoke-self --kit kit.txt\n"
     "enclave revoke-self family --kit kit.txt --words-file words.txt",
     ROWS(x_revoke), OPERATION_LOCKED},
    {"verify", "verify", CARE, "read the whole ledger again and count every vote", "GET",
     "/v1/enclaves/{enclave}/verify", ROWS(p_verify), &shape_verdict,
     "Reads the ledger from its first entry: signatures, chain, keys, every vote counted again; "
     "compares the end with what this member keeps. --save-proof writes the proof of two histories "
     "if one is kept; --proof checks one that somebody brought.",
     "enclave verify\n"
     "enclave verify --save-proof fork.txt\n"
     "enclave verify --proof fork.txt",
     ROWS(x_verify), 0},
    {"check", "check", CARE, "is what this machine keeps sound?", "POST",
     "/v1/enclaves/{enclave}/checks", ROWS(p_check), &shape_check,
     "Verifies the kept entries of every feed against their chains and every shard on this disk "
     "against the roots that the members agreed on; with --read-data also a share of the shards of "
     "the others, chosen at random. Names what is damaged, the files that suffer and whether they "
     "can still be read, and the next command to type. It changes nothing.",
     "enclave check\n"
     "enclave check family --read-data 10     # a tenth of what the others keep\n"
     "enclave check --json",
     ROWS(x_check), 0},
    {"repair", "repair", CARE, "make again what is damaged here", "POST",
     "/v1/enclaves/{enclave}/repairs", ROWS(p_repair), &shape_check,
     "Checks, then mends: a damaged or missing shard of this machine is made again from the shards "
     "of the others, a damaged entry comes again from the sentinel, proven by the entries beside "
     "it. What is damaged is replaced only when what takes its place is made and verified. It asks "
     "first; --yes answers.",
     "enclave repair\n"
     "enclave repair family --yes",
     ROWS(x_check), 0},
    {"check_look", NULL, CARE, "the check that runs, or the last one", "GET",
     "/v1/enclaves/{enclave}/checks", ROWS(p_enclave), &shape_check, "", "", ROWS(x_check), 0},
    {"proof", NULL, CARE, "the kept proof of two histories", "GET", "/v1/enclaves/{enclave}/proof",
     ROWS(p_enclave), &shape_proof, "", "", ROWS(x_proof), 0},
    {"proof_check", NULL, CARE, "check a proof of two histories", "POST", "/v1/proofs/check",
     ROWS(p_proof_check), &shape_done, "", "", ROWS(x_proof_check), OPERATION_LOCKED},
    {"rekey", "rekey", CARE, "new keys for an enclave, now", "POST", "/v1/enclaves/{enclave}/rekey",
     ROWS(p_rekey), &shape_done,
     "Begins a new key epoch: whoever copied this enclave's keys from a machine before can read "
     "nothing that comes after. It happens by itself from time to time. --files: instead, the keys "
     "of all files and versions are sealed anew under this epoch's key, so that the keys of epochs "
     "before need not be kept; an interrupted one goes on where it was.",
     "enclave rekey\n"
     "enclave rekey --files",
     ROWS(x_rekey), 0},
    {"rehome", "rehome", CARE, "move an enclave to another sentinel of its list", "POST",
     "/v1/enclaves/{enclave}/rehome", ROWS(p_rehome), &shape_done,
     "Rebuilds the room at another sentinel of the list that was voted on (create --sentinel A,B, "
     "or policy set sentinels=...), from this member's copy. For a sentinel that is gone for good.",
     "enclave rehome\n"
     "enclave rehome other.example.org:8000",
     ROWS(x_rehome), 0},
    {"vault_password", "password change", CARE, "change the password", "POST", "/v1/vault/password",
     ROWS(p_password), &shape_done,
     "Asks for the password and a new one. The recovery words stay valid.",
     "enclave password change", ROWS(x_password), OPERATION_LOCKED},
    {"events", "events", CARE, "what happened, for scripts", "GET", "/v1/events", ROWS(p_events),
     &shape_events,
     "Prints events as JSON lines. With stream=true (--follow) the API answers with NDJSON that "
     "does "
     "not end; with wait it waits for the next event.",
     "enclave events --follow", NOTHING, OPERATION_STREAM | OPERATION_LOCKED},
    {"version", "version", CARE, "versions of the command and the daemon", "GET", "/v1/version",
     NOTHING, &shape_version, "Shows versions.", "enclave version", NOTHING, OPERATION_LOCKED},
    {"help", "help", CARE, "explain a command", NULL, NULL, ROWS(p_help), NULL,
     "Explains a command, its example first.", "enclave help put", NOTHING, OPERATION_LOCKED},
    {"openapi", "openapi", CARE, "the local API as OpenAPI 3.1", NULL, NULL, NOTHING, NULL,
     "Prints docs/openapi.yaml, made from the table of operations.",
     "enclave openapi > docs/openapi.yaml", NOTHING, OPERATION_LOCKED | OPERATION_HIDDEN},
};

const struct operation *operations_all(size_t *ret_n)
{
    *ret_n = COUNT(rows);
    return rows;
}
