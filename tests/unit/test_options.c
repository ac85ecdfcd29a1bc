/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* uses: base tables */
#include "tables/nearest.h"
#include "tables/options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct options *fresh(void)
{
    struct options *o = NULL;
    assert_int_equal(options_new(options_all(), &o), ST_OK);
    return o;
}

static enum status read_text(struct options *o, const char *text, struct options_fault *fault)
{
    fault->text[0] = '\0';
    return options_read_yaml(o, bytes_str(text), "f.yaml", fault);
}

static void seeds_file_is_read(void **state)
{
    (void)state;
    struct options *o = fresh();
    struct options_fault fault;
    const char *text = "# as in the seeds\n"
                       "coordinator:\n  host: \"0.0.0.0\"\n  port: 8001\n  max_peers: 1000\n"
                       "node:\n  data_dir: \"./data/p2p_node\"\n  port: 9000\n"
                       "  max_storage_gb: 10\n  redundancy_factor: 4\n  shards_total: 20\n"
                       "  shards_required: 8\n"
                       "security:\n  min_reputation: 0.25\n  max_upload_size_mb: 100\n"
                       "  require_encryption: true\n";
    assert_int_equal(read_text(o, text, &fault), ST_OK);
    assert_int_equal(options_number(o, "coordinator.port"), 8001);
    assert_string_equal(options_text(o, "node.data_dir"), "./data/p2p_node");
    assert_int_equal(options_millionths(o, "security.min_reputation"), 250000);
    assert_true(options_flag(o, "security.require_encryption"));
    assert_int_equal(options_origin_of(o, "node.port"), OPTIONS_FILE);
    assert_int_equal(options_check(o, &fault), ST_OK);
    options_free(o);
}

static void mistakes_name_line_and_remedy(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"coordinator:\n  host: x\n  prot: 1\n",
         "f.yaml:3: unknown key coordinator.prot; did you mean coordinator.port?"},
        {"\n\ncoordinatr:\n  port: 1\n",
         "f.yaml:4: unknown section coordinatr; did you mean coordinator?"},
        {"node:\n  port: ninety\n",
         "f.yaml:2: node.port must be a number from 0 to 65535, not \"ninety\""},
        {"node:\n  port: 65536\n", "f.yaml:2: node.port must be"},
        {"node:\n  port: -1\n", "f.yaml:2: node.port must be"},
        {"node:\n  port: 99999999999999999999999\n", "f.yaml:2: node.port must be"},
        {"security:\n  require_encryption: yes\n",
         "f.yaml:2: security.require_encryption must be true or false, not \"yes\""},
        {"security:\n  min_reputation: 1.5\n", "must be a fraction from 0 to 1"},
        {"security:\n  min_reputation: .\n", "must be a fraction"},
        {"security:\n  min_reputation: 0.1234567\n", "must be a fraction"},
        {"node:\n  port: 1\n  port: 2\n", "f.yaml:3: node.port is given twice"},
        {"node:\n  port: 1\nnode:\n  port: 2\n", "section node is given twice"},
        {"node: 7\n", "f.yaml:1: node is a section"},
        {"a: &a 1\nb: *a\n", "anchors and tags are not allowed"},
        {"node: *a\n", "f.yaml:1: aliases are not allowed"},
        {"node: !!map {}\n", "anchors and tags"},
        {"node: [1, 2]\n", "lists are not allowed"},
        {"- a\n", "lists are not allowed"},
        {"node: {port: {deep: 1}}\n", "nested too deep"},
        {"? {a: b}\n: c\n", "nested too deep"},
        {"hello\n", "expected \"section:\""},
        {"profile: low-latncy\n",
         "f.yaml:1: unknown profile low-latncy; did you mean low-latency?"},
        {"profile: low-latency\n---\nprofile: low-latency\n", "only one document"},
        {"node:\n\tport: 1\n", "f.yaml:2: not valid YAML"},
        {"node: \"\\x00\"\n", ""},
        {"\xff\xfe", "f.yaml:1: not valid YAML"},
        {"N\xc3\x96: 1\n", "a key may have only"},
        {"log:\n  level: \"\"\n", "log.level must have 4 to 5 characters"},
        {"node:\n  ballot_delay: 20\n", "f.yaml:2: node.ballot_delay must be a time such as"},
        {"node:\n  ballot_delay: 2h\n", "0s to 3600s, not \"2h\""},
        {"node:\n  ballot_delay: s\n", "node.ballot_delay must be a time"},
        {"node:\n  ballot_delay: 1 s\n", "node.ballot_delay must be a time"},
        {"node:\n  ballot_delay: 9999999999s\n", "node.ballot_delay must be a time"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct options *o = fresh();
        struct options_fault fault;
        assert_int_equal(read_text(o, cases[i].text, &fault), ST_CONFIG);
        if (strstr(fault.text, cases[i].says) == NULL)
            fail_msg("case %zu: \"%s\" does not say \"%s\"", i, fault.text, cases[i].says);
        options_free(o);
    }
}

static void what_belongs_together_is_checked(void **state)
{
    (void)state;
    static const char *const bad[] = {"node: {shards_total: 5}\n",
                                      "node: {shards_total: 5, shards_required: 6}\n",
                                      "security: {require_encryption: false}\n"};
    for (size_t i = 0; i < 3; i++) {
        struct options *o = fresh();
        struct options_fault fault;
        assert_int_equal(read_text(o, bad[i], &fault), ST_OK);
        assert_int_equal(options_check(o, &fault), ST_CONFIG);
        options_free(o);
    }
}

static void origins_keep_their_rank(void **state)
{
    (void)state;
    struct options *o = fresh();
    struct options_fault fault;
    char *const environment[] = {(char *)"PATH=/bin", (char *)"ENCLAVE_HOME=/x",
                                 (char *)"ENCLAVE_NODE_PORT=77",
                                 (char *)"ENCLAVE_COORDINATOR_MAX_PEERS=5", NULL};
    assert_int_equal(options_set(o, "node.port", "99", "--port", &fault), ST_OK);
    assert_int_equal(options_read_environment(o, environment, &fault), ST_OK);
    assert_int_equal(
        read_text(o, "profile: high-throughput\nnode: {port: 1, max_storage_gb: 3}\n", &fault),
        ST_OK);
    assert_int_equal(options_number(o, "node.port"), 99);
    assert_int_equal(options_number(o, "coordinator.max_peers"), 5);
    assert_int_equal(options_number(o, "node.workers"), 40);
    assert_int_equal(options_set(o, "profile", "low-latency", "--profile", &fault), ST_OK);
    assert_int_equal(options_number(o, "node.workers"), 10);
    assert_int_equal(options_set(o, "profile", "", "--profile", &fault), ST_OK);
    assert_int_equal(options_number(o, "node.workers"), 0);
    assert_int_equal(options_set(o, "node.port", "x", "--port", &fault), ST_CONFIG);
    assert_non_null(strstr(fault.text, "--port: node.port must be"));
    char *const wrong[] = {(char *)"ENCLAVE_NODE_PROT=77", NULL};
    assert_int_equal(options_read_environment(o, wrong, &fault), ST_CONFIG);
    assert_non_null(strstr(fault.text, "did you mean ENCLAVE_NODE_PORT?"));
    options_free(o);
}

static void dump_reads_back(void **state)
{
    (void)state;
    struct options *o = fresh();
    struct options *again = fresh();
    struct options_fault fault;
    struct buf out = BUF_INIT;
    assert_int_equal(options_set(o, "node.data_dir", "a \"b\" \\ c", "x", &fault), ST_OK);
    assert_int_equal(options_ms(o, "node.ballot_delay"), 20000);
    assert_int_equal(options_set(o, "node.ballot_delay", "250ms", "x", &fault), ST_OK);
    options_dump(o, ~0U, &out);
    assert_int_equal(buf_status(&out), ST_OK);
    assert_int_equal(options_ms(o, "node.ballot_delay"), 250);
    if (options_read_yaml(again, buf_view(&out), "dump", &fault) != ST_OK)
        fail_msg("%s", fault.text);
    for (size_t i = 0; i < options_all()->n; i++) {
        const struct option_row *row = &options_all()->rows[i];
        assert_non_null(row->help);
        assert_true(row->programs != 0);
        if (row->type == OPTION_TEXT)
            assert_string_equal(options_text(o, row->key), options_text(again, row->key));
    }
    buf_free(&out);
    options_free(o);
    options_free(again);
}

static void hostile_files_are_refused(void **state)
{
    (void)state;
    struct options *o = fresh();
    struct options_fault fault;
    struct buf big = BUF_INIT;
    buf_zero(&big, OPTIONS_FILE_MAX + 1);
    assert_int_equal(options_read_yaml(o, buf_view(&big), "big", &fault), ST_TOO_BIG);
    /* Deep nesting, of flow and block kind, ends early and quickly. */
    buf_clear(&big);
    for (int i = 0; i < 60000; i++) buf_u8(&big, '{');
    assert_int_equal(options_read_yaml(o, buf_view(&big), "deep", &fault), ST_CONFIG);
    buf_clear(&big);
    for (int i = 0; i < 30000; i++) buf_str(&big, "- ");
    assert_int_equal(options_read_yaml(o, buf_view(&big), "deep", &fault), ST_CONFIG);
    buf_free(&big);
    assert_int_equal(options_read_file(o, "/nowhere/at/all", &fault), ST_NOT_FOUND);
    assert_int_equal(options_read_file(o, "/", &fault), ST_IO);
    options_free(o);
}

static void mutated_files_never_crash(void **state)
{
    (void)state;
    static const char base[] = "profile: low-latency\ncoordinator:\n  host: \"a\"\n  port: 1\n"
                               "node: {port: 2, data_dir: 'x'}\n";
    uint32_t seed = 7;
    for (int i = 0; i < 4000; i++) {
        char text[sizeof base];
        memcpy(text, base, sizeof base);
        for (int j = 0; j < 3; j++) {
            seed = seed * 1664525U + 1013904223U;
            text[(seed >> 8) % (sizeof base - 1)] = (char)(seed >> 24);
        }
        struct options *o = fresh();
        struct options_fault fault = {""};
        size_t n = i % 5 == 0 ? (seed >> 9) % sizeof base : sizeof base - 1;
        enum status st = options_read_yaml(o, BYTES(text, n), "m", &fault);
        assert_true(st == ST_OK || (st == ST_CONFIG && fault.text[0] != '\0'));
        options_free(o);
    }
}

static void near_words_are_found(void **state)
{
    (void)state;
    assert_int_equal(nearest_distance("", "abc"), 3);
    assert_int_equal(nearest_distance("vote", "vote"), 0);
    assert_int_equal(nearest_distance("vtoe", "vote"), 1);
    assert_int_equal(nearest_distance("proposal", "proposals"), 1);
    struct nearest n = {.word = "stauts"};
    nearest_try(&n, "start");
    nearest_try(&n, "status");
    assert_string_equal(n.best, "status");
    struct nearest far = {.word = "xyzzy"};
    nearest_try(&far, "vote");
    assert_null(far.best);
}

static void a_proxy_is_a_numeric_address(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool good;
    } cases[] = {{"127.0.0.1:9050", true},   {"localhost:9050", true},
                 {"[::1]:9050", true},       {"tor.example:9050", false},
                 {"127.0.0.1", false},       {"127.0.0.1:0", false},
                 {"127.0.0.1:70000", false}, {"::1:9050", false},
                 {":9050", false},           {"[]:1", false}};
    struct options_fault fault;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct options *o = fresh();
        assert_int_equal(options_set(o, "socks", cases[i].text, "--socks", &fault), ST_OK);
        assert_int_equal(options_check(o, &fault) == ST_OK, cases[i].good);
        if (!cases[i].good) assert_non_null(strstr(fault.text, "127.0.0.1:9050"));
        options_free(o);
    }
    struct options *o = fresh();
    assert_int_equal(options_number(o, "start_gap"), 30);
    assert_int_equal(options_set(o, "socks_all", "true", "--set", &fault), ST_OK);
    assert_int_equal(options_check(o, &fault), ST_CONFIG);
    assert_non_null(strstr(fault.text, "socks_all needs a proxy"));
    options_free(o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(seeds_file_is_read),
        cmocka_unit_test(mistakes_name_line_and_remedy),
        cmocka_unit_test(what_belongs_together_is_checked),
        cmocka_unit_test(origins_keep_their_rank),
        cmocka_unit_test(dump_reads_back),
        cmocka_unit_test(hostile_files_are_refused),
        cmocka_unit_test(mutated_files_never_crash),
        cmocka_unit_test(near_words_are_found),
        cmocka_unit_test(a_proxy_is_a_numeric_address),
    };
    return !!cmocka_run_group_tests(tests, NULL, NULL);
}
