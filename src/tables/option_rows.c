/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Every key of enclave.yaml, for all programs: a new key is one row here. */
#include "tables/options.h"

#define ALL (OPTION_FOR_SENTINEL | OPTION_FOR_DAEMON | OPTION_FOR_STORAGE)
#define HOSTS (OPTION_FOR_SENTINEL | OPTION_FOR_DAEMON) /* who may run a sentinel */
#define MEMBER OPTION_FOR_DAEMON
#define KEEPERS (OPTION_FOR_DAEMON | OPTION_FOR_STORAGE)

static const struct option_row rows[] = {
    {"profile", OPTION_TEXT, 0, 32, "",
     "a set of defaults: high-throughput (more workers and buffers) or low-latency", ALL},

    {"socks", OPTION_TEXT, 0, 255, "",
     "SOCKS5 proxy as ADDRESS:PORT, such as 127.0.0.1:9050 (tor); enclaves of mode tor go through "
     "it, each with its own user and password",
     MEMBER},
    {"socks_all", OPTION_FLAG, 0, 0, "false",
     "every enclave goes through the proxy, whatever its mode; nobody may connect here then",
     MEMBER},
    {"start_gap", OPTION_NUMBER, 0, 3600, "30",
     "at a start and after an outage your enclaves connect one after the other, at random from 2 "
     "to "
     "so many seconds apart; 0: all at once, which shows that they are one person's",
     MEMBER},

    {"coordinator.host", OPTION_TEXT, 1, 255, "0.0.0.0", "address that the sentinel listens on",
     HOSTS},
    {"coordinator.port", OPTION_NUMBER, 0, 65535, "8000",
     "port that the sentinel listens on; 0 lets the system choose", HOSTS},
    {"coordinator.max_peers", OPTION_NUMBER, 1, 100000, "16384",
     "most connections the sentinel keeps at one time", HOSTS},
    {"coordinator.io_threads", OPTION_NUMBER, 0, 16, "0",
     "threads that carry the sentinel's connections; 0: one for each core, at most 4 (inside "
     "enclaved: "
     "1)",
     HOSTS},
    {"coordinator.data_dir", OPTION_TEXT, 0, 4000, "",
     "directory of the sentinel's database and key; empty: --data says", HOSTS},

    {"coordinator.inside", OPTION_FLAG, 0, 0, "false",
     "enclaved runs a sentinel of its own at coordinator.host and port", MEMBER},
    {"coordinator.max_rooms", OPTION_NUMBER, 1, 8000000, "10000", "most rooms it keeps", HOSTS},
    {"coordinator.max_seats", OPTION_NUMBER, 1, 128, "128", "most seats of a room", HOSTS},
    {"coordinator.room_mb", OPTION_NUMBER, 1, 100000000, "1024",
     "most megabytes of entries a room may hold", HOSTS},
    {"coordinator.ledger_mb", OPTION_NUMBER, 1, 1000000, "128",
     "of these, for the ledger; it is kept for ever", HOSTS},
    {"coordinator.mail_mb", OPTION_NUMBER, 1, 1000000, "64",
     "of these, for mail; the oldest goes when it is full", HOSTS},
    {"coordinator.files_mb", OPTION_NUMBER, 1, 1000000, "512", "of these, for the lists of files",
     HOSTS},
    {"coordinator.receipts_mb", OPTION_NUMBER, 1, 1000000, "128", "of these, for receipts", HOSTS},
    {"coordinator.mail_days", OPTION_NUMBER, 1, 36500, "14", "days that mail is kept", HOSTS},
    {"coordinator.receipts_days", OPTION_NUMBER, 1, 36500, "90", "days that receipts are kept",
     HOSTS},
    {"coordinator.idle_days", OPTION_NUMBER, 1, 36500, "400",
     "days without any visit after which a room is erased", HOSTS},
    {"coordinator.max_doors", OPTION_NUMBER, 1, 10000, "192", "most open invitations of a room",
     HOSTS},
    {"coordinator.max_knocks", OPTION_NUMBER, 1, 100000, "256",
     "most knocks kept for a room, answered ones too", HOSTS},
    {"coordinator.requests_per_minute", OPTION_NUMBER, 1, 100000000, "6000",
     "most requests of one member", HOSTS},
    {"coordinator.stranger_requests_per_minute", OPTION_NUMBER, 1, 100000000, "120",
     "most requests of a connection that is no member's", HOSTS},
    {"coordinator.stranger_seconds", OPTION_NUMBER, 1, 86400, "60",
     "seconds after which a silent stranger is shown out", HOSTS},
    {"coordinator.signals_per_minute", OPTION_NUMBER, 1, 100000000, "1200",
     "most signals of one member", HOSTS},
    {"coordinator.entries_per_hour", OPTION_NUMBER, 1, 1000000000, "36000",
     "most entries of one member in one feed, a tenth of it at once", HOSTS},
    {"coordinator.mb_per_hour", OPTION_NUMBER, 1, 900000, "2048",
     "most megabytes of entries of one member, a quarter of it at once", HOSTS},
    {"coordinator.max_circuits", OPTION_NUMBER, 1, 4096, "64", "most circuits of one member",
     HOSTS},
    {"coordinator.max_waiting", OPTION_NUMBER, 1, 100000, "256",
     "most would-be members who may wait for their answer on an open connection", HOSTS},
    {"coordinator.queue_mb", OPTION_NUMBER, 4, 4096, "24",
     "most megabytes kept for one member who reads slowly", HOSTS},
    {"coordinator.queues_mb", OPTION_NUMBER, 4, 1000000, "256",
     "most megabytes kept for all of them", HOSTS},

    {"node.data_dir", OPTION_TEXT, 0, 4000, "",
     "home directory of the daemon; empty: --home, ENCLAVE_HOME or the XDG data directory",
     KEEPERS},
    {"node.host", OPTION_TEXT, 0, 255, "",
     "address that members may connect to; empty: all traffic goes through the sentinel", KEEPERS},
    {"node.port", OPTION_NUMBER, 0, 65535, "0",
     "port that members may connect to; 0 lets the system choose, a fixed one links your "
     "enclaves with each other",
     KEEPERS},
    {"node.max_storage_gb", OPTION_NUMBER, 0, 1000000, "10",
     "most gigabytes of other members' shards kept on this machine", KEEPERS},
    {"node.redundancy_factor", OPTION_NUMBER, 1, 32, "4",
     "read for the sake of older files; shards_total and shards_required decide", KEEPERS},
    {"node.shards_total", OPTION_NUMBER, 0, 64, "0",
     "columns a file is coded into; 0: by the number of holders", MEMBER},
    {"node.shards_required", OPTION_NUMBER, 0, 64, "0",
     "columns that are enough to read it; 0: by the number of holders", MEMBER},
    {"node.announce", OPTION_TEXT, 0, 255, "",
     "hosts under which members reach this machine, with commas; empty: node.host", KEEPERS},
    {"node.ballot_delay", OPTION_DURATION, 0, 3600000, "20s",
     "a ballot leaves at a random moment within this time, so that its hour tells nobody who was "
     "at the keyboard; 0s: at once",
     MEMBER},
    {"node.workers", OPTION_NUMBER, 0, 64, "0",
     "threads that hash, seal and code; 0: one a processor", KEEPERS},

    {"messages.receipts", OPTION_TEXT, 3, 9, "read",
     "what the others are told of their words to you: off, delivered, or read", MEMBER},

    {"messages.mute_messages", OPTION_NUMBER, 0, 1000000, "600",
     "messages of one author in an hour, above which the rest is kept and not shown; 0: no limit",
     MEMBER},
    {"messages.mute_mb", OPTION_NUMBER, 0, 1000000, "8", "the same in megabytes; 0: no limit",
     MEMBER},

    {"security.password_mb", OPTION_NUMBER, 64, 4096, "256",
     "memory in MiB that each guess of the password of a new vault or sealed file costs, and each "
     "opening of yours",
     MEMBER},
    {"security.min_reputation", OPTION_REAL, 0, 1000000, "0.5",
     "holders whose audits fall below get no new shards (from the version on that audits)", MEMBER},
    {"security.max_upload_size_mb", OPTION_NUMBER, 0, 1000000000, "0",
     "largest file that put takes, in megabytes; 0: no limit", MEMBER},
    {"security.require_encryption", OPTION_FLAG, 0, 0, "true",
     "must be true: there is no unencrypted mode", ALL},

    {"api.listen", OPTION_TEXT, 0, 64, "",
     "loopback address for a browser, such as 127.0.0.1:0; empty: only the Unix socket", MEMBER},

    {"log.level", OPTION_TEXT, 4, 5, "info", "error, warn, info or debug", ALL},
};

static const char *const high_throughput[] = {"coordinator.max_peers=65536", "node.workers=40",
                                              NULL};
static const char *const low_latency[] = {"coordinator.max_peers=500", "node.workers=10", NULL};

static const struct option_profile profiles[] = {
    {"high-throughput", high_throughput},
    {"low-latency", low_latency},
};

static const struct option_table table = {rows, sizeof rows / sizeof rows[0], profiles,
                                          sizeof profiles / sizeof profiles[0]};

const struct option_table *options_all(void)
{
    return &table;
}
