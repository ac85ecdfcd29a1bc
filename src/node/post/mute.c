/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Who says too much: its words are taken in like any other, and neither told nor shown unasked. By the
 * signed author and the reader's own clock; each reader for itself. */
#include "node/post/post.h"

#include <stdio.h>
#include <string.h>

#define HOUR_MS UINT64_C(3600000)

static uint64_t less(uint64_t level, uint64_t limit, uint64_t ms)
{
    if (ms >= 2 * HOUR_MS) return 0;
    return level > limit * ms ? level - limit * ms : 0;
}

/* The levels as they are at a time, which only goes forward. */
static void settle(const struct enclave *e, struct post_voice *v, uint64_t at_ms)
{
    const struct node_options *o = &e->node->options;
    uint64_t now = env_wall_ms(e->node->ports.env);
    if (v->at_ms > now) v->at_ms = now; /* the clock was set back */
    if (at_ms <= v->at_ms) return;
    v->messages = less(v->messages, o->mute_messages, at_ms - v->at_ms);
    v->bytes = less(v->bytes, o->mute_bytes, at_ms - v->at_ms);
    v->at_ms = at_ms;
}

static bool over(uint64_t level, uint64_t limit)
{
    return limit != 0 && level > limit * HOUR_MS;
}

static void add(uint64_t *level, uint64_t limit, uint64_t n)
{
    uint64_t most = 2 * limit * HOUR_MS, more = n * HOUR_MS;
    *level = most - *level > more ? *level + more : most;
}

static void tell(struct enclave *e, uint16_t leaf, const struct post_voice *v, bool begins)
{
    char text[NODE_REASON_MAX];
    const char *nick = enclave_nick(e, leaf);
    if (begins)
        snprintf(
            text, sizeof text,
            "%s is flooding: what more comes is kept and not shown. Type: enclave read %s --muted",
            nick, e->name);
    else
        snprintf(text, sizeof text,
                 "%s floods no more: %llu messages were not shown. Type: enclave read %s --muted",
                 nick, (unsigned long long)v->hidden, e->name);
    enclave_tell(e, "warning", nick, 0, text);
}

bool post_mute(struct enclave *e, uint16_t leaf, size_t messages, uint64_t time_ms, size_t bytes)
{
    const struct node_options *o = &e->node->options;
    struct post_voice *v = &e->post->voices[leaf % LEDGER_EVER_MAX];
    uint64_t now = env_wall_ms(e->node->ports.env);
    /* What is read after an absence was said over all of it: the author is believed when, within that. */
    if (time_ms < e->post->synced_ms) time_ms = e->post->synced_ms;
    if (time_ms > now) time_ms = now;
    settle(e, v, time_ms);
    add(&v->messages, o->mute_messages, messages);
    add(&v->bytes, o->mute_bytes, bytes);
    bool muted = over(v->messages, o->mute_messages) || over(v->bytes, o->mute_bytes);
    if (muted && !v->muted) v->hidden = 0;
    if (muted != v->muted) tell(e, leaf, v, muted);
    v->muted = muted;
    v->hidden += muted ? messages : 0;
    return muted;
}

uint64_t post_muted(const struct enclave *e, uint16_t leaf)
{
    const struct node_options *o = &e->node->options;
    if (e->post == NULL || leaf >= LEDGER_EVER_MAX) return 0;
    struct post_voice v = e->post->voices[leaf];
    settle(e, &v, env_wall_ms(e->node->ports.env));
    bool muted = over(v.messages, o->mute_messages) || over(v.bytes, o->mute_bytes);
    return v.muted && muted ? v.hidden : 0;
}

const char *post_flooding(struct enclave *e)
{
    size_t n = 0;
    if (e->post == NULL || e->group == NULL) return "";
    char *text = e->post->flooding;
    const struct ledger *l = group_ledger(e->group);
    text[0] = '\0';
    for (size_t i = 0; i < ledger_leaves(l) && n < sizeof e->post->flooding; i++) {
        uint64_t hidden = post_muted(e, (uint16_t)i);
        if (hidden == 0) continue;
        int w = snprintf(text + n, sizeof e->post->flooding - n,
                         "%s%s is flooding: %llu messages muted", n == 0 ? "" : "; ",
                         enclave_nick(e, (uint16_t)i), (unsigned long long)hidden);
        n += w < 0 ? 0 : (size_t)w;
    }
    return text;
}
