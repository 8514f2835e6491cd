/* SPDX-License-Identifier: BSD-2-Clause */
#include "sense/mountinfo.h"

#include <stdbool.h>
#include <string.h>

#include "base/util.h"

static bool is_octal(char c)
{
	return c >= '0' && c <= '7';
}

/* Undoes the kernel's mangle_path() (\040 and the like) in place: the result is never longer. */
static char *unescape(char *text)
{
	char *out = text;

	for (const char *in = text; *in; out++) {
		if (in[0] == '\\' && in[1] >= '0' && in[1] <= '3' && is_octal(in[2]) &&
		    is_octal(in[3])) {
			*out = (char)((in[1] - '0') << 6 | (in[2] - '0') << 3 | (in[3] - '0'));
			in += 4;
		} else {
			*out = *in++;
		}
	}
	*out = '\0';
	return text;
}

int mountinfo_parse(char *line, struct mountinfo *ret)
{
	struct mountinfo entry = {0};
	char *root, *point, *type, *field;

	line[strcspn(line, "\n")] = '\0';

	/* Split at every single blank: the source may be an empty string. */
	for (int i = 0; i < 3; i++)
		if (!strsep(&line, " "))
			return -EBADMSG;
	root = strsep(&line, " ");
	point = strsep(&line, " ");
	if (!strsep(&line, " ")) /* mount options */
		return -EBADMSG;
	do
		field = strsep(&line, " ");
	while (field && strcmp(field, "-") != 0);
	type = strsep(&line, " ");
	if (!strsep(&line, " ") || !line) /* source */
		return -EBADMSG;

	entry.root = unescape(root);
	entry.point = unescape(point);
	entry.type = unescape(type);
	entry.options = line;
	if (entry.root[0] != '/' || entry.point[0] != '/' || *entry.type == '\0')
		return -EBADMSG;
	*ret = entry;
	return 0;
}
