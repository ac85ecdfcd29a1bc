/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * stream: a file that comes in on standard input or goes out on standard output.
 * The daemon gets the path of a named pipe in its home (core/ports/file.h).
 *
 * Owns: struct cli_stream is the caller's; pipe and child end with cli_stream_end.
 * Errors: cli_stream_open: an exit code, told already; 0: go on.
 * Order: cli_stream_open, the request with s->path, cli_stream_end.
 */
#ifndef ENCLAVE_CLI_STREAM_H
#define ENCLAVE_CLI_STREAM_H

#include "cli/cli.h"

#include <sys/types.h>

struct cli_stream {
    char path[4200];
    pid_t child;
};

int cli_stream_open(struct cli *c, bool in, struct cli_stream *s);
/* good: waits for the last bytes; else breaks off. false: they could not be carried. */
bool cli_stream_end(struct cli_stream *s, bool good);

#endif
