/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Which way an enclave's connections go: straight, or each through the proxy with credentials that
 * only this enclave has. Where the proxy is wanted there is no other way: docs/spec/tor.md. */
#include "node/enclave/enclave.h"

#include "base/encode.h"

#include <stdio.h>
#include <string.h>

#define NO_PROXY                                                                                 \
    "over tor only, and no proxy is set: nothing was dialled. Put socks: 127.0.0.1:9050 (tor's " \
    "port) into enclave.yaml, then: enclave daemon stop; enclave daemon start"

const char *enclave_no_proxy(void)
{
    return NO_PROXY;
}

static bool meets_by(const struct enclave *e, uint8_t mode)
{
    return e->group != NULL && ledger_started(group_ledger(e->group)) &&
           ledger_mode(group_ledger(e->group)) == mode;
}

static bool tor_only(const struct enclave *e)
{
    return e->via == ENCLAVE_VIA_TOR || meets_by(e, LEDGER_TOR);
}

bool enclave_routed(const struct enclave *e)
{
    return e->node->options.socks_all || tor_only(e);
}

bool enclave_direct(const struct enclave *e)
{
    return meets_by(e, LEDGER_DIRECT) && !tor_only(e);
}

/* What comes after a pause (the machine slept) takes a fresh path behind the proxy. */
static void used(struct enclave *e)
{
    uint64_t now = env_mono_ms(e->node->ports.env);
    if (now - e->socks_used_ms >= ENCLAVE_SOCKS_IDLE_MS) e->socks_count++;
    e->socks_used_ms = now;
}

/* Drawn at the first use and kept in memory only: two runs of a daemon cannot be told to be one. */
static void credentials(struct enclave *e, struct link_route *ret)
{
    const struct env *env = e->node->ports.env;
    if (e->socks_user[0] == '\0') {
        uint8_t raw[16];
        env_random(env, raw, sizeof raw);
        hex_encode(BYTES_OF(raw), e->socks_user);
        e->socks_used_ms = env_mono_ms(env);
    }
    used(e);
    snprintf(ret->user, sizeof ret->user, "%s", e->socks_user);
    snprintf(ret->pass, sizeof ret->pass, "%u", (unsigned)e->socks_count);
}

enum status enclave_route(void *arg, struct link_route *ret, bool *ret_routed)
{
    struct enclave *e = arg;
    const char *proxy = e->node->options.socks;
    *ret_routed = false;
    if (!enclave_routed(e)) return ST_OK;
    if (proxy == NULL || strlen(proxy) > LINK_ADDRESS_MAX) {
        enclave_trouble(e, "this enclave meets " NO_PROXY);
        return ST_PROXY;
    }
    *ret = (struct link_route){.proxy = ""};
    memcpy(ret->proxy, proxy, strlen(proxy) + 1);
    credentials(e, ret);
    *ret_routed = true;
    return ST_OK;
}

/* A vote may change the mode: from then on nothing may go the old way. */
void enclave_follow_mode(struct enclave *e)
{
    if (e->socks_user[0] != '\0' && uplink_up(&e->up)) used(e);
    if (e->peers == NULL || !enclave_in(e)) return;
    bool direct = enclave_direct(e);
    if (peers_are_direct(e->peers) != direct) {
        peers_direct(e->peers, direct);
        if (direct) enclave_listen(e);
    }
    if (enclave_routed(e) && e->up.link != NULL && !e->up.routed) uplink_redial(&e->up, ST_CLOSED);
}

void enclave_down_trouble(struct enclave *e, bool was_attached, enum status why)
{
    const char *proxy = e->node->options.socks;
    if (why == ST_UNTRUSTED)
        enclave_trouble(
            e,
            "the server at %.100s has another key than this enclave's sentinel: nothing "
            "was sent to it",
            e->address);
    else if (why == ST_PROXY)
        enclave_trouble(
            e,
            "the proxy at %.100s does not answer as a SOCKS5 proxy, and nothing goes "
            "around it. Start it, or set socks in enclave.yaml. Trying again by itself.",
            proxy != NULL ? proxy : "");
    else if (!was_attached && e->trouble[0] == '\0' && why != ST_CLOSED && why != ST_OK)
        enclave_trouble(e, "the sentinel at %.100s: %s%s. Trying again by itself.", e->address,
                        status_text(why), e->up.routed ? " through the proxy" : "");
}
