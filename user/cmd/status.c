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
	return json ? json_write_line(stdout, document)
		    : status_text(stdout, document, common_terminal().colour);
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
		status = common_written(print(document, options.json));
	json_decref(document);
	client_close(client);
	return status;
}
