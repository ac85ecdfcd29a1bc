/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "core/room/limits.h"

#define MIB ((uint64_t)1 << 20)

void room_limits_default(struct room_limits *l)
{
    *l = (struct room_limits){
        .rooms = 10000,
        .seats = ROOM_SEATS_MAX,
        .room_bytes = 1024 * MIB,
        .feed_bytes = {128 * MIB, 64 * MIB, 512 * MIB, 128 * MIB},
        .mail_ms = 14 * ROOM_DAY_MS,
        .receipts_ms = 90 * ROOM_DAY_MS,
        .idle_ms = 400 * ROOM_DAY_MS,
        .dropped_ms = 90 * ROOM_DAY_MS,
        .reply_ms = 30 * ROOM_DAY_MS,
        .doors = 192,
        .knocks = 256,
        .connections = 16384,
        .requests = 64,
        .requests_minute = 6000,
        .strangers_minute = 120,
        .signals_minute = 1200,
        .entries_hour = 36000,
        .bytes_hour = 2048 * MIB,
        .circuits = 64,
        .waiting_polls = 256,
        .stranger_ms = 60000,
        .pending_bytes = 24 * MIB,
        .pending_total = 256 * MIB,
    };
}
