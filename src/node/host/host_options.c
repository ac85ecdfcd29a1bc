/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "node/host/host.h"

#define MIB ((uint64_t)1 << 20)

void host_limits(const struct options *o, struct room_limits *ret)
{
    struct room_limits l;
    room_limits_default(&l);
    l.connections = options_number(o, "coordinator.max_peers");
    l.rooms = options_number(o, "coordinator.max_rooms");
    l.seats = options_number(o, "coordinator.max_seats");
    l.room_bytes = options_number(o, "coordinator.room_mb") * MIB;
    l.feed_bytes[0] = options_number(o, "coordinator.ledger_mb") * MIB;
    l.feed_bytes[1] = options_number(o, "coordinator.mail_mb") * MIB;
    l.feed_bytes[2] = options_number(o, "coordinator.files_mb") * MIB;
    l.feed_bytes[3] = options_number(o, "coordinator.receipts_mb") * MIB;
    l.mail_ms = options_number(o, "coordinator.mail_days") * ROOM_DAY_MS;
    l.receipts_ms = options_number(o, "coordinator.receipts_days") * ROOM_DAY_MS;
    l.idle_ms = options_number(o, "coordinator.idle_days") * ROOM_DAY_MS;
    l.doors = options_number(o, "coordinator.max_doors");
    l.knocks = options_number(o, "coordinator.max_knocks");
    l.requests_minute = options_number(o, "coordinator.requests_per_minute");
    l.strangers_minute = options_number(o, "coordinator.stranger_requests_per_minute");
    l.signals_minute = options_number(o, "coordinator.signals_per_minute");
    l.entries_hour = options_number(o, "coordinator.entries_per_hour");
    l.bytes_hour = options_number(o, "coordinator.mb_per_hour") * MIB;
    l.circuits = options_number(o, "coordinator.max_circuits");
    l.waiting_polls = options_number(o, "coordinator.max_waiting");
    l.stranger_ms = options_number(o, "coordinator.stranger_seconds") * 1000;
    l.pending_bytes = options_number(o, "coordinator.queue_mb") * MIB;
    l.pending_total = options_number(o, "coordinator.queues_mb") * MIB;
    *ret = l;
}
