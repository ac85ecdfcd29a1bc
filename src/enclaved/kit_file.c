/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "enclaved/kit_file.h"

#include "api/armor.h"
#include "store/private.h"

#include <stdio.h>

void kit_file_init(struct kit_file *k, const char *home, const struct env *env)
{
    *k = (struct kit_file){.env = env, .text = BUF_INIT};
    snprintf(k->path, sizeof k->path, "%s/recovery-kit", home);
}

void kit_file_stale(struct kit_file *k)
{
    k->stale = true;
}

static void run(void *arg)
{
    struct kit_file *k = arg;
    k->st = private_write(k->path, buf_view(&k->text), true);
}

static void tell(struct kit_file *k, enum status st)
{
    if (st != ST_OK)
        env_log(k->env, ENV_WARN, "daemon", "the recovery kit cannot be written: %s",
                status_text(st));
}

static void written(void *arg)
{
    struct kit_file *k = arg;
    k->writing = false;
    buf_free(&k->text);
    tell(k, k->st);
}

void kit_file_save(struct kit_file *k, struct node *node, struct work work)
{
    struct buf kit = BUF_INIT;
    if (!k->stale || k->writing) return;
    k->stale = false;
    enum status st = node_kit(node, &kit);
    if (st == ST_OK) {
        armor_write(ARMOR_KIT, buf_view(&kit), &k->text);
        st = buf_status(&k->text);
    }
    buf_free(&kit);
    if (st == ST_OK) st = work.submit(work.ctx, WORK_SHORT, run, written, k);
    k->writing = st == ST_OK;
    if (k->writing) return;
    buf_free(&k->text);
    if (st != ST_NOT_FOUND) tell(k, st); /* no enclave, no kit */
}
