/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* storaged: a storage node. Its parts are put together in storage.c; here are the command line and
 * the configuration. */
#include "crypto/secret.h"
#include "net/env.h"
#include "storaged/storage.h"
#include "tables/options.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
    "Example:\n"
    "  storaged --data /var/lib/storaged --listen 0.0.0.0:9000 --announce store.example.org\n"
    "  storaged --data /var/lib/storaged --offer 50        # prints an offer of 50 GB\n"
    "  enclave storage add enclave-storage:... --quota 50G # what a member types with it\n"
    "\n"
    "usage: storaged --data DIR [--listen HOST:PORT] [options]\n"
    "\n"
    "Keeps shards for enclaves that take it on. It cannot read them, is no member, and holds no\n"
    "key of an enclave. Whoever has an offer can have up to its gigabytes here, once.\n"
    "\n"
    "  --data DIR          key, shards and the list of enclaves; mode 0700, made if missing\n"
    "  --listen HOST:PORT  where members connect (default: node.host and node.port of the\n"
    "                      configuration); port 0 lets the system choose once\n"
    "  --announce HOST     the name or address that offers tell (default: the host of --listen)\n"
    "  --offer GB          prints a fresh offer of so many gigabytes, good for 30 days, and ends;\n"
    "                      also while the node runs\n"
    "  --check             reads every shard, names those that are not whole, and ends (8: some)\n"
    "  --rebuild-index     puts a damaged list of enclaves aside, and ends: shards stay, each\n"
    "                      enclave is back when one of its members connects\n"
    "  --config FILE       YAML; every key and its default: storaged --dump-config\n"
    "  --set KEY=VALUE     one key of the configuration\n"
    "  --check-config      says what is wrong with the configuration, or nothing, and ends\n"
    "  --dump-config       writes the configuration as it would be used, and ends\n"
    "  --log-level LEVEL   error, warn, info or debug; the log goes to standard error\n"
    "  --version, --help\n"
    "\n"
    "Standard output gets two lines once it listens: a sentence, and an offer of all it has to\n"
    "give (node.max_storage_gb). SIGTERM and SIGINT end it in order. Exit codes: 0 ended in\n"
    "order, 1 failed, 2 wrong use or configuration, 8 damaged shards.\n";

enum {
    DATA = 256,
    LISTEN,
    ANNOUNCE,
    OFFER,
    LOOK,
    REBUILD,
    CONFIG,
    SET,
    CHECK,
    DUMP,
    LEVEL,
    VERSION,
    HELP
};

static const struct option long_options[] = {{"data", required_argument, NULL, DATA},
                                             {"listen", required_argument, NULL, LISTEN},
                                             {"announce", required_argument, NULL, ANNOUNCE},
                                             {"offer", required_argument, NULL, OFFER},
                                             {"check", no_argument, NULL, LOOK},
                                             {"rebuild-index", no_argument, NULL, REBUILD},
                                             {"config", required_argument, NULL, CONFIG},
                                             {"set", required_argument, NULL, SET},
                                             {"check-config", no_argument, NULL, CHECK},
                                             {"dump-config", no_argument, NULL, DUMP},
                                             {"log-level", required_argument, NULL, LEVEL},
                                             {"version", no_argument, NULL, VERSION},
                                             {"help", no_argument, NULL, HELP},
                                             {NULL, 0, NULL, 0}};

struct program {
    struct options *options;
    const char *listen;
    char listen_room[LINK_ADDRESS_MAX + 16];
    uint64_t offer;
    bool look, rebuild, check, dump;
    struct net_env log;
    struct env env;
    struct storage_options o;
};

static int complain(const char *text, int code)
{
    fprintf(stderr, "storaged: %s\n", text);
    return code;
}

static enum status set_pair(struct program *p, const char *pair, struct options_fault *fault)
{
    char key[128];
    const char *equals = strchr(pair, '=');
    size_t n = equals != NULL ? (size_t)(equals - pair) : 0;
    if (n == 0 || n >= sizeof key) {
        snprintf(fault->text, sizeof fault->text, "--set wants KEY=VALUE, not \"%.200s\"", pair);
        return ST_USAGE;
    }
    memcpy(key, pair, n);
    key[n] = '\0';
    return options_set(p->options, key, equals + 1, "--set", fault);
}

static enum status set_offer(struct program *p, const char *text, struct options_fault *fault)
{
    char *end = NULL;
    unsigned long long gb = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end != '\0' || gb < 1 || gb > 1000000) {
        snprintf(fault->text, sizeof fault->text,
                 "--offer wants gigabytes from 1 to 1000000, not \"%.100s\"", text);
        return ST_USAGE;
    }
    p->offer = gb * UINT64_C(1000000000);
    return ST_OK;
}

static enum status take_option(struct program *p, int option, struct options_fault *fault)
{
    switch (option) {
    case DATA: return options_set(p->options, "node.data_dir", optarg, "--data", fault);
    case LISTEN: p->listen = optarg; return ST_OK;
    case ANNOUNCE: return options_set(p->options, "node.announce", optarg, "--announce", fault);
    case OFFER: return set_offer(p, optarg, fault);
    case LOOK: p->look = true; return ST_OK;
    case REBUILD: p->rebuild = true; return ST_OK;
    case CONFIG: return options_read_file(p->options, optarg, fault);
    case SET: return set_pair(p, optarg, fault);
    case CHECK: p->check = true; return ST_OK;
    case DUMP: p->dump = true; return ST_OK;
    case LEVEL: return options_set(p->options, "log.level", optarg, "--log-level", fault);
    default: return ST_USAGE;
    }
}

/* -1: go on; else the exit code. */
static int read_arguments(struct program *p, int argc, char **argv)
{
    struct options_fault fault = {{0}};
    enum status st = ST_OK;
    int option;
    while (st == ST_OK && (option = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
        if (option == VERSION) return printf("storaged %s\n", ENCLAVE_VERSION), 0;
        if (option == HELP) return fputs(help, stdout), 0;
        if (option == '?') return complain("type storaged --help for what there is", 2);
        st = take_option(p, option, &fault);
    }
    if (st == ST_OK && optind < argc) {
        snprintf(fault.text, sizeof fault.text, "\"%.200s\" is not an option; type storaged --help",
                 argv[optind]);
        st = ST_USAGE;
    }
    if (st == ST_OK) st = options_read_environment(p->options, environ, &fault);
    if (st == ST_OK) st = options_check(p->options, &fault);
    if (st != ST_OK) return complain(fault.text[0] != '\0' ? fault.text : status_text(st), 2);
    if (p->dump) {
        struct buf out = BUF_INIT;
        options_dump(p->options, OPTION_FOR_STORAGE, &out);
        if (buf_status(&out) == ST_OK) fwrite(out.p, 1, out.n, stdout);
        buf_free(&out);
    }
    return p->dump || p->check ? 0 : -1;
}

static void fill(struct program *p)
{
    const char *host = options_text(p->options, "node.host");
    snprintf(p->listen_room, sizeof p->listen_room, "%s:%llu", *host == '\0' ? "0.0.0.0" : host,
             (unsigned long long)options_number(p->options, "node.port"));
    p->o = (struct storage_options){
        .env = &p->env,
        .data = options_text(p->options, "node.data_dir"),
        .listen = p->listen != NULL ? p->listen : p->listen_room,
        .announce = options_text(p->options, "node.announce"),
        .most = options_number(p->options, "node.max_storage_gb") * UINT64_C(1000000000),
        .workers = (unsigned)options_number(p->options, "node.workers")};
}

static void name_bad(const char *file, enum status why)
{
    printf("%s: %s\n", file, status_text(why));
}

/* What needs no listening. -1: go on; else the exit code. */
static int only_once(struct program *p)
{
    struct storage_fault fault = {{0}};
    struct storage_found found;
    char text[GRANT_TEXT_MAX];
    enum status st = ST_OK;
    if (p->rebuild) {
        st = storage_rebuild(&p->o, &fault);
        if (st == ST_OK) puts("The list of enclaves is put aside. Start storaged again.");
    }
    if (st == ST_OK && p->look) {
        st = storage_check(&p->o, &found, name_bad, &fault);
        if (st == ST_OK)
            printf("%llu shards, %llu bytes, %llu not whole\n", (unsigned long long)found.shards,
                   (unsigned long long)found.bytes, (unsigned long long)found.rotten);
        if (st == ST_OK && found.rotten > 0) return status_exit(ST_INTEGRITY);
    }
    if (st == ST_OK && p->offer > 0) {
        st = storage_offer(&p->o, p->offer, text, &fault);
        if (st == ST_OK) puts(text);
    }
    if (st != ST_OK) return complain(fault.text, st == ST_USAGE ? 2 : 1);
    return p->rebuild || p->look || p->offer > 0 ? 0 : -1;
}

static int run(struct program *p)
{
    struct storage_fault fault = {{0}};
    struct storage *s = NULL;
    char text[GRANT_TEXT_MAX];
    if (storage_new(&p->o, &s) != ST_OK) return complain("out of memory", 1);
    enum status st = storage_start(s, &fault);
    if (st == ST_OK) {
        printf("storaged listening on %s\n", storage_address(s));
        if (storage_offer(&p->o, p->o.most, text, &fault) == ST_OK)
            puts(text);
        else
            complain(fault.text, 0);
        fflush(stdout);
    } else {
        complain(fault.text, 1);
    }
    uv_run(storage_loop(s), UV_RUN_DEFAULT);
    storage_free(s);
    return st == ST_OK ? 0 : st == ST_USAGE ? 2 : 1;
}

int main(int argc, char **argv)
{
    struct program p = {.log = {.fd = 2}};
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is a full disk, not the end */
    if (secret_harden_process() != ST_OK || crypto_start() != ST_OK)
        return complain("the cryptographic libraries do not start", 1);
    if (options_new(options_all(), &p.options) != ST_OK) return complain("out of memory", 1);
    int code = read_arguments(&p, argc, argv);
    if (code == -1) {
        static const char *const names[] = {"error", "warn", "info", "debug"};
        enum env_level level = ENV_INFO;
        for (unsigned i = 0; i < 4; i++)
            if (strcmp(options_text(p.options, "log.level"), names[i]) == 0)
                level = (enum env_level)i;
        code = net_env_open(&p.log, NULL, level) == ST_OK ? -1 : 1;
    }
    if (code == -1) {
        p.env = net_env(&p.log);
        fill(&p);
        code = only_once(&p);
        if (code == -1) code = run(&p);
        net_env_close(&p.log);
    }
    options_free(p.options);
    return code;
}
