/* SPDX-License-Identifier: BSD-2-Clause */
#include "cmd/commands.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "base/util.h"
#include "cmd/common.h"
#include "sinks/report_dir.h"
#include "output/document.h"
#include "output/folded.h"
#include "output/json.h"
#include "output/page.h"
#include "output/pprof.h"
#include "output/report.h"

/* Reads a report. NULL, with the reason in *ret_why: it cannot be read, or is no report. */
static json_t *load(int dirfd, const char *name, const char **ret_why)
{
	_cleanup_free_ char *text = NULL;
	json_t *document;
	size_t size;
	int r = file_read(dirfd, name, &text, &size);

	if (r) {
		*ret_why = strerror(-r);
		return NULL;
	}
	document = report_parse(text, size);
	if (!document)
		*ret_why = "it is no report of this version";
	return document;
}

static int render_page(FILE *out, void *userdata)
{
	return page_write(out, userdata);
}

/* Refuses to replace what is no plain file, such as /dev/null. */
static int check_replaced(int dirfd, const char *name)
{
	struct stat st;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW))
		return errno == ENOENT ? 0 : -errno;
	return S_ISREG(st.st_mode) ? 0 : S_ISDIR(st.st_mode) ? -EISDIR : -EEXIST;
}

static int write_page(const char *path, json_t *document)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	_cleanup_free_ char *dir = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
	_cleanup_free_ char *shown = text_escape_line(path);
	_cleanup_close_ int dirfd = -1;
	int r;

	if (!dir || !shown) {
		log_error("out of memory");
		return EXIT_RUNTIME;
	}
	dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	r = dirfd < 0 ? -errno : check_replaced(dirfd, name);
	if (!r)
		r = file_write_atomic(dirfd, name, 0600, render_page, document);
	if (!r)
		return 0;
	log_error("cannot write the page to '%s': %s; give a file in a directory that takes one, "
		  "or - for standard output",
		  shown, r == -EEXIST ? "it is there, and no plain file" : strerror(-r));
	return EXIT_USAGE;
}

/* Formats that hold nothing but stacks. */
static int write_stacks(const json_t *document, enum output_format format)
{
	if (!json_array_size(document_at(document, "recording.stacks"))) {
		log_error("this report has no stacks: nothing was recorded of who allocated");
		return EXIT_USAGE;
	}
	if (format == FORMAT_PPROF && isatty(STDOUT_FILENO)) {
		log_error("--pprof is binary: redirect it to a file, as in > profile.pb");
		return EXIT_USAGE;
	}
	return common_written(format == FORMAT_PPROF ? pprof_write(stdout, document)
						     : folded_write(stdout, document));
}

static int show_document(json_t *document, const struct options *options)
{
	const struct terminal here = common_terminal();

	switch (options_format(options)) {
	case FORMAT_JSON:
		return common_written(json_write_line(stdout, document));
	case FORMAT_FOLDED:
		return write_stacks(document, FORMAT_FOLDED);
	case FORMAT_PPROF:
		return write_stacks(document, FORMAT_PPROF);
	case FORMAT_HTML:
		return strcmp(options->html, "-") == 0
			       ? common_written(page_write(stdout, document))
			       : write_page(options->html, document);
	case FORMAT_TEXT:
		break;
	}
	return common_written(report_text(stdout, document, &here));
}

static int show(int dirfd, const char *name, const char *what, const struct options *options)
{
	const char *why = NULL;
	json_t *document = load(dirfd, name, &why);
	int status;

	if (!document) {
		_cleanup_free_ char *shown = text_escape_line(what);

		log_error("cannot show report '%s': %s; give an ID of apoptosis report list, or a "
			  "file",
			  shown ?: "?", why);
		return EXIT_USAGE;
	}
	status = show_document(document, options);
	json_decref(document);
	return status;
}

static bool is_since(const struct report_file *file, uint64_t since_ns)
{
	return !since_ns ||
	       clock_of_timespec(&file->written) >= sat_sub(clock_ns(CLOCK_REALTIME), since_ns);
}

static bool is_of_guard(const json_t *document, const char *guard)
{
	const char *name = document_text(document, "guard");

	return !guard || (name && !strcmp(name, guard));
}

/* A file that cannot be read is logged and passed over: it may be in the writing. */
static int list(int dirfd, const struct report_file *files, size_t count,
		const struct options *options)
{
	const struct terminal here = common_terminal();
	int r = options->json ? 0 : report_row(stdout, NULL, &here);

	for (size_t i = 0; i < count && !r; i++) {
		const char *why = NULL;
		json_t *document;

		if (!is_since(&files[i], options->since_ns))
			continue;
		document = load(dirfd, files[i].name, &why);
		if (!document) {
			log_warn("cannot read %s: %s, ignoring", files[i].name, why);
			continue;
		}
		json_object_del(document, "recording"); /* of one report it is megabytes */
		if (is_of_guard(document, options->guard))
			r = options->json ? json_write_line(stdout, document)
					  : report_row(stdout, document, &here);
		json_decref(document);
	}
	return common_written(r);
}

/* The file of an ID, of which the first digits are enough. NULL: none, or more than one, which is logged. */
static const char *find_id(const struct report_file *files, size_t count, const char *id)
{
	_cleanup_free_ char *shown = text_escape_line(id);
	const char *found = NULL;
	size_t n = 0;

	for (size_t i = 0; i < count; i++) {
		if (!text_starts_with(files[i].name, id))
			continue;
		found = files[i].name;
		n++;
	}
	if (n == 1)
		return found;
	if (n)
		log_error("%zu reports begin with '%s': give more of the ID", n, shown ?: "?");
	else
		log_error("there is no report '%s': give an ID of apoptosis report list, or a file",
			  shown ?: "?");
	return NULL;
}

int cmd_report(int argc, char **argv)
{
	_cleanup_free_ struct report_file *files = NULL;
	_cleanup_close_ int dirfd = -1;
	struct options options;
	const char *dir, *what, *name;
	size_t count = 0;
	int r, status = common_options(COMMAND_REPORT, argc, argv, &options);

	if (status >= 0)
		return status;
	what = options.report ?: "latest";
	if (strchr(what, '/') || text_ends_with(what, ".json"))
		return show(AT_FDCWD, what, what, &options);
	dir = options.report_dir ?: report_dir_default();
	dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	r = dirfd < 0 ? -errno : report_dir_list(dirfd, &files, &count);
	if (r) {
		log_error("cannot read the reports in %s: %s; %s", dir, strerror(-r),
			  r == -EACCES ? "they are root's: sudo apoptosis report"
				       : "give the --report-dir that watch or run was given");
		return EXIT_USAGE;
	}
	if (strcmp(what, "list") == 0)
		return list(dirfd, files, count, &options);
	if (strcmp(what, "latest") == 0) {
		if (count)
			return show(dirfd, files[count - 1].name, what, &options);
		log_error("no reports in %s: nothing has happened, or --report-dir is another",
			  dir);
		return EXIT_USAGE;
	}
	name = find_id(files, count, what);
	return name ? show(dirfd, name, what, &options) : EXIT_USAGE;
}
