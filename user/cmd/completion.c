// SPDX-License-Identifier: BSD-2-Clause
#include "cmd/commands.h"

#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "base/text.h"
#include "base/util.h"
#include "cmd/common.h"
#include "output/completion.h"

int cmd_completion(int argc, char **argv)
{
	struct options options;
	int r, status = common_options(COMMAND_COMPLETION, argc, argv, &options);

	if (status >= 0)
		return status;
	r = completion_write(stdout, options.shell);
	if (r == -EINVAL) {
		_cleanup_free_ char *shell = text_escape_line(options.shell);

		log_error("there are no completions for '%s': give " COMPLETION_SHELLS,
			  shell ?: "?");
		return EXIT_USAGE;
	}
	return common_written(r);
}
