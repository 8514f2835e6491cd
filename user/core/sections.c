/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/sections.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void sections_clear(struct sections *sections)
{
	for (size_t i = 0; i < sections->count; i++) {
		for (size_t j = 0; j < sections->all[i].count; j++)
			free(sections->all[i].values[j].text);
		free(sections->all[i].values);
		free(sections->all[i].title);
	}
	for (size_t i = 0; i < sections->file_count; i++)
		free(sections->files[i]);
	free(sections->files);
	free(sections->all);
	*sections = (struct sections){};
}

const char *sections_keep_file(struct sections *sections, const char *file)
{
	char **more = reallocarray(sections->files, sections->file_count + 1, sizeof(*more));
	char *copy = more ? strdup(file) : NULL;

	if (more)
		sections->files = more;
	if (copy)
		sections->files[sections->file_count++] = copy;
	return copy;
}

const struct section *sections_find(const struct sections *sections, const char *title)
{
	for (size_t i = 0; i < sections->count; i++)
		if (!strcmp(sections->all[i].title, title))
			return &sections->all[i];
	return NULL;
}

struct section *sections_of(struct sections *sections, const char *title)
{
	struct section *found = (struct section *)sections_find(sections, title), *more;
	char *copy;

	if (found)
		return found;
	more = reallocarray(sections->all, sections->count + 1, sizeof(*more));
	if (!more)
		return NULL;
	sections->all = more;
	copy = strdup(title);
	if (!copy)
		return NULL;
	more[sections->count] = (struct section){.title = copy};
	return &more[sections->count++];
}

int section_put(struct section *section, const struct section_value *value)
{
	struct section_value *found = (struct section_value *)section_value(section, value->key);
	struct section_value *more;

	if (found) {
		free(found->text);
		*found = *value;
		return 0;
	}
	more = reallocarray(section->values, section->count + 1, sizeof(*more));
	if (!more) {
		free(value->text);
		return -ENOMEM;
	}
	section->values = more;
	more[section->count++] = *value;
	return 0;
}

const struct section_value *section_value(const struct section *section, const char *key)
{
	for (size_t i = 0; section && i < section->count; i++)
		if (!strcmp(section->values[i].key, key))
			return &section->values[i];
	return NULL;
}

bool section_says_yes(const struct section *section, const char *key)
{
	const struct section_value *value = section_value(section, key);

	return value && !strcmp(value->text, "yes");
}

/* FNV-1a, the NUL included. */
static uint32_t mix(uint32_t hash, const char *text)
{
	do
		hash = (hash ^ (unsigned char)*text) * 16777619U;
	while (*text++);
	return hash;
}

uint32_t sections_fingerprint(const struct sections *sections)
{
	uint32_t hash = 2166136261U;

	for (size_t i = 0; i < sections->count; i++) {
		const struct section *section = &sections->all[i];

		hash = mix(hash, section->title);
		for (size_t j = 0; j < section->count; j++)
			hash = mix(mix(hash, section->values[j].key), section->values[j].text);
	}
	return hash ?: 1;
}
