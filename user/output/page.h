/* SPDX-License-Identifier: BSD-2-Clause */
/* A report as one page for a browser, which loads nothing else. */
#pragma once

#include <jansson.h>
#include <stdio.h>

/* HTML in UTF-8; the page is page.html, with the report in it. 0, -ENOMEM or file_result(). */
int page_write(FILE *file, const json_t *document);
