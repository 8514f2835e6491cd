// SPDX-License-Identifier: BSD-2-Clause
#include "engine/views.h"

#include <errno.h>
#include <string.h>

#include "base/log.h"

static json_t *on_status_request(void *userdata)
{
	return overview_json(userdata);
}

static void open_control(struct views *views, const struct views_config *views_config,
			 uv_loop_t *loop, const struct overview *overview)
{
	const struct control_config config = {
		.loop = loop,
		.group = views_config->control_group,
		.fd = views_config->control_fd,
		.status = on_status_request,
		.userdata = (void *)overview,
	};
	int r = control_new(&views->control, &config);

	if (r)
		log_warn("no control socket, apoptosis status will not find us: %s%s, ignoring",
			 strerror(-r),
			 r == -EEXIST ? ": control.sock in the runtime directory is no socket"
				      : "");
}

void views_open(struct views *views, const struct views_config *config, uv_loop_t *loop,
		const struct overview *overview, struct sinks *sinks)
{
	const struct exporter_config exporter = {
		.loop = loop,
		.overview = overview,
		.sinks = sinks,
		.textfile = config->metrics_textfile,
		.listen = config->metrics_listen,
	};
	int r;

	if (config->has_control)
		open_control(views, config, loop, overview);
	r = exporter.textfile || exporter.listen ? exporter_new(&views->exporter, &exporter) : 0;
	if (r)
		log_warn("no metrics: %s, ignoring", strerror(-r));
}

int views_leave(struct views *views)
{
	exporter_leave(views->exporter);
	return control_leave(views->control);
}

void views_return(struct views *views)
{
	control_return(views->control);
	exporter_return(views->exporter);
}

void views_close(struct views *views)
{
	views->control = control_free(views->control);
	views->exporter = exporter_free(views->exporter);
}
