// SPDX-License-Identifier: BSD-2-Clause
#include "cmd/commands.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/util.h"
#include "cmd/client.h"
#include "cmd/common.h"
#include "output/json.h"
#include "output/status.h"

static int print(const json_t *document, bool json)
{
	bool colour = isatty(STDOUT_FILENO) && !getenv("NO_COLOR");
	int r = json ? json_write_line(stdout, document) : status_text(stdout, document, colour);

	if (r < 0)
		log_error("cannot write to standard output: %s", strerror(-r));
	return r < 0 ? EXIT_RUNTIME : 0;
}

int cmd_status(int argc, char **argv)
{
	struct client *client = NULL;
	json_t *document = NULL;
	struct options options;
	int status = common_options(COMMAND_STATUS, argc, argv, &options);

	if (status >= 0)
		return status;
	status = client_open(&client);
	if (status)
		return status;
	status = client_ask(client, CONTROL_STATUS, &document);
	if (status)
		log_error("%s", client_why(client));
	else
		status = print(document, options.json);
	json_decref(document);
	client_close(client);
	return status;
}
