/* SPDX-License-Identifier: BSD-2-Clause */
/* A report read back, in every form that it is shown in. Names in it are those of programs. */
#include "output/report.h"

#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "fuzz/fuzz.h"
#include "output/folded.h"
#include "output/incident_json.h"
#include "output/json.h"
#include "output/page.h"
#include "output/pprof.h"

static const struct terminal plain, unicode = {.unicode = true};

static int text_plain(FILE *file, const json_t *document)
{
	return report_text(file, document, &plain);
}

static int text_unicode(FILE *file, const json_t *document)
{
	return report_text(file, document, &unicode);
}

static int row(FILE *file, const json_t *document)
{
	return report_row(file, document, &plain);
}

enum promise { NOTHING, IS_PRINTABLE, IS_PAGE };

static const struct form {
	int (*write)(FILE *file, const json_t *document);
	enum promise promise;
} forms[] = {
	{text_plain, IS_PRINTABLE},   {text_unicode, IS_PRINTABLE}, {row, IS_PRINTABLE},
	{folded_write, IS_PRINTABLE}, {json_write_line, NOTHING},   {page_write, IS_PAGE},
	{pprof_write, NOTHING},
};

static char *written(const json_t *document, const struct form *form, size_t *ret_size)
{
	char *text = NULL;
	FILE *file = open_memstream(&text, ret_size);

	FUZZ_CHECK(file);
	FUZZ_CHECK(form->write(file, document) == 0);
	fclose(file);
	return text;
}

static size_t count_tags(const char *page)
{
	size_t count = 0;

	while ((page = strchr(page, '<'))) {
		page++;
		count++;
	}
	return count;
}

/* Those of the page itself: a report has none. */
static size_t own_tags(const struct form *form)
{
	static const char least[] = "{\"schema\":1,\"id\":\"a\",\"verdict\":\"saved\"}";
	static size_t count, size;

	if (!count) {
		json_t *document = report_parse(least, strlen(least));
		_cleanup_free_ char *page = written(document, form, &size);

		count = count_tags(page);
		json_decref(document);
	}
	return count;
}

static void show(const json_t *document, const struct form *form)
{
	size_t size;
	_cleanup_free_ char *text = written(document, form, &size);

	if (form->promise == IS_PRINTABLE)
		FUZZ_CHECK(strlen(text) == size && fuzz_is_printable(text, true));
	if (form->promise == IS_PAGE)
		FUZZ_CHECK(count_tags(text) == own_tags(form));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct loan_facts loan = {.lent_bytes = 1};
	const struct comeback comeback = {.outcome = COMEBACK_DOWN, .unit = "web.service"};
	const struct amendment amendment = {.loan = &loan, .comeback = &comeback};
	json_t *document = report_parse((const char *)data, size);

	for (size_t i = 0; document && i < ARRAY_SIZE(forms); i++)
		show(document, &forms[i]);
	if (document)
		(void)incident_json_amend(document, &amendment);
	json_decref(document);
	return 0;
}
