/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "link/spare.h"

#include "base/bytes.h"

#include <stdlib.h>

uint8_t *spare_take(struct spare *s)
{
    return s->n ? s->p[--s->n] : malloc(SPARE_SIZE);
}

void spare_give(struct spare *s, uint8_t *p, size_t used)
{
    if (!p) return;
    bytes_wipe(p, used);
    if (s->n < SPARE_MOST)
        s->p[s->n++] = p;
    else
        free(p);
}

void spare_free(struct spare *s)
{
    while (s->n) free(s->p[--s->n]);
}
