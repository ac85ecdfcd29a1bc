/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "core/holder/wire.h"

FIELDS_DEFINE(holder_open, HOLDER_OPEN_FIELDS);
FIELDS_DEFINE(holder_unit, HOLDER_UNIT_FIELDS);
FIELDS_DEFINE(holder_commit, HOLDER_COMMIT_FIELDS);
FIELDS_DEFINE(holder_req, HOLDER_REQ_FIELDS);
FIELDS_DEFINE(holder_segment, HOLDER_SEGMENT_FIELDS);
FIELDS_DEFINE(holder_column, HOLDER_COLUMN_FIELDS);
FIELDS_DEFINE(holder_read, HOLDER_READ_FIELDS);
FIELDS_DEFINE(holder_status, HOLDER_STATUS_FIELDS);
FIELDS_DEFINE(holder_had, HOLDER_HAD_FIELDS);
FIELDS_DEFINE(holder_told, HOLDER_TOLD_FIELDS);
FIELDS_DEFINE(holder_leaves, HOLDER_LEAVES_FIELDS);
FIELDS_DEFINE(holder_data, HOLDER_DATA_FIELDS);
FIELDS_DEFINE(holder_room, HOLDER_ROOM_FIELDS);

static const enum status codes[] = {
    ST_OK,       ST_NOT_FOUND,     ST_DENIED,  ST_EXISTS,      ST_NO_SPACE,  ST_QUOTA,
    ST_BUSY,     ST_INTEGRITY,     ST_IO,      ST_PROTOCOL,    ST_NO_MEMORY, ST_REPLAY,
    ST_CONFLICT, ST_BAD_SIGNATURE, ST_VERSION, ST_BAD_MESSAGE,
};

#define CODES (sizeof codes / sizeof *codes)
#define CODE_IO 8

uint8_t holder_code(enum status st)
{
    for (size_t i = 0; i < CODES; i++)
        if (codes[i] == st) return (uint8_t)i;
    return CODE_IO;
}

enum status holder_code_status(uint8_t code)
{
    return code < CODES ? codes[code] : ST_IO;
}
