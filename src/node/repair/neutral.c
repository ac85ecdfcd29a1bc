/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What is thought of a holder of whom nothing was measured. */
#include "node/repair/repair.h"

double enclave_score(const struct enclave *e, uint16_t holder)
{
    (void)e;
    (void)holder;
    return 0.75;
}

double enclave_availability(const struct enclave *e, uint16_t holder)
{
    (void)e;
    (void)holder;
    return 0.9;
}
