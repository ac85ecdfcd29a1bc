/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "base/sm.h"

#include <stdio.h>
#include <stdlib.h>

void sm_init(struct sm *m, const struct sm_table *table, unsigned first)
{
    m->table = table;
    m->state = first;
}

bool sm_allows(const struct sm *m, unsigned to)
{
    return to < m->table->n && (m->table->states[m->state].next & SM_BIT(to)) != 0;
}

void sm_move(struct sm *m, unsigned to)
{
    if (!sm_allows(m, to)) {
        fprintf(stderr, "bug: %s may not go from %s to %s\n", m->table->name, sm_name(m),
                to < m->table->n ? m->table->states[to].name : "?");
        abort();
    }
    m->state = to;
}

const char *sm_name(const struct sm *m)
{
    return m->table->states[m->state].name;
}

const char *sm_table_fault(const struct sm_table *table)
{
    if (table->n == 0 || table->n > SM_MAX_STATES) return "wrong number of states";
    uint32_t all = table->n == SM_MAX_STATES ? UINT32_MAX : SM_BIT(table->n) - 1;
    uint32_t reached = 1;
    for (unsigned round = 0; round < table->n; round++)
        for (unsigned i = 0; i < table->n; i++)
            if ((reached & SM_BIT(i)) != 0) reached |= table->states[i].next;
    for (unsigned i = 0; i < table->n; i++) {
        if (table->states[i].name == NULL) return "a state without a name";
        if ((table->states[i].next & ~all) != 0) return "a successor that does not exist";
    }
    return reached == all ? NULL : "a state that cannot be reached";
}
