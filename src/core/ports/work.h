/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * work: the port for work that takes long (hash, seal, code, Argon2).
 * A job is pure over its own buffers: it touches nothing that the loop thread
 * touches meanwhile. Real: net/work on worker threads. Simulator: run at a
 * later virtual moment.
 *
 * Owns: arg belongs to the job from submit until done.
 * Errors: ST_BUSY when the lane is full (done will not run).
 * Order: run on any thread, then done on the loop thread, never inside submit.
 *     Jobs of one lane may run side by side and end in any order.
 */
#ifndef ENCLAVE_CORE_PORTS_WORK_H
#define ENCLAVE_CORE_PORTS_WORK_H

#include "base/status.h"

enum work_lane { WORK_SHORT, WORK_BULK };

typedef void work_run(void *arg);
typedef void work_done(void *arg);

struct work {
    enum status (*submit)(void *ctx, enum work_lane lane, work_run *run, work_done *done,
                          void *arg);
    void *ctx;
};

#endif
