/* SPDX-License-Identifier: BSD-2-Clause */
#include "unit/json_line.h"

#include <criterion/criterion.h>
#include <stdio.h>

#include "output/json.h"

char *json_line(json_t *document)
{
	char *text = NULL;
	size_t size;
	FILE *file = open_memstream(&text, &size);

	cr_assert_not_null(document);
	cr_assert_eq(json_write_line(file, document), 0);
	fclose(file);
	json_decref(document);
	return text;
}
