/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * folder: put -r and get -r, a directory with all that is in it, file by file. What
 * is there with the same size and time is passed over: so the same command
 * goes on where it was broken off, and puts later only what changed.
 *
 * Owns nothing. Errors: exit codes, told already. Order: none.
 */
#ifndef ENCLAVE_CLI_FOLDER_H
#define ENCLAVE_CLI_FOLDER_H

#include "cli/cli.h"

int cli_put_folder(struct cli *c);
int cli_get_folder(struct cli *c);

#endif
