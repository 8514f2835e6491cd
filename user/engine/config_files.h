/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The files of the configuration. The first apoptosis.conf of /etc/apoptosis, /run/apoptosis,
 * /usr/local/lib/apoptosis and /usr/lib/apoptosis; then conf.d/NAME.conf of all of these in the order of the names, of
 * one name the first: one that is empty, or a link to /dev/null, masks the others.
 */
#pragma once

#include <stdio.h>

#include "core/config.h"

/*
 * Reads them below root_fd (an open "/", or a fixture of one), or the one file `file` alone, and finishes the
 * configuration. said: what comes after them, as in a file; NULL: nothing. What makes no sense is told of; the caller asks config_mistakes(). 0; -errno where a file cannot be
 * read, whose name is in *ret_where (freed by the caller).
 */
int config_files_read(int root_fd, const char *file, const char *said, config_complain_fn complain,
		      void *userdata, struct config **ret, char **ret_where);
