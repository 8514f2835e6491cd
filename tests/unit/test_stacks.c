/* SPDX-License-Identifier: BSD-2-Clause */
/* The stacks of a report for other tools: folded lines, and a profile.proto. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "output/folded.h"
#include "output/pprof.h"

#define REPORT                                                                            \
	"{\"time\":\"2026-01-31T12:00:00.123456Z\",\"process\":{\"cmdline\":\"api -x\"}," \
	"\"recording\":{\"since_ms\":1.5,"                                                \
	"\"modules\":[{\"path\":\"/srv/app/api\",\"build_id\":\"c0ffee\"},"               \
	"{\"path\":\"[jit]\",\"build_id\":null},{\"path\":\"/unused\"}],"                 \
	"\"locations\":["                                                                 \
	"{\"address\":\"0x5010\",\"module\":0,\"offset\":\"0x1010\",\"functions\":["      \
	"{\"name\":\"copy\",\"source\":\"a.h\",\"line\":3},"                              \
	"{\"name\":\"fill\",\"source\":\"a.c\",\"line\":300}]},"                          \
	"{\"address\":\"0x5020\",\"module\":0,\"offset\":\"0x1020\",\"functions\":[]},"   \
	"{\"address\":\"0x7f00\",\"module\":1,\"offset\":\"0x7f00\",\"functions\":["      \
	"{\"name\":\"a;b\\nc \\\"</script>\",\"source\":null,\"line\":null}]},"           \
	"{\"address\":\"0x9\",\"module\":null,\"offset\":\"0x9\",\"functions\":[]}],"     \
	"\"stacks\":[{\"bytes\":4096,\"samples\":2,\"locations\":[0,1,2]},"               \
	"{\"bytes\":300,\"samples\":1,\"locations\":[3,0]},"                              \
	"{\"bytes\":5,\"samples\":1,\"locations\":[]},"                                   \
	"{\"bytes\":6,\"samples\":1,\"locations\":[99,-1,\"x\"]},"                        \
	"{\"bytes\":0,\"samples\":1,\"locations\":[0]},"                                  \
	"7]}}"

static char *output_of(int (*render)(FILE *file, const json_t *document), json_t *document,
		       size_t *ret_size)
{
	char *text = NULL;
	FILE *file = open_memstream(&text, ret_size);

	cr_assert_not_null(document);
	cr_assert_eq(render(file, document), 0);
	fclose(file);
	json_decref(document);
	return text;
}

Test(folded, stacks_are_outermost_first_with_inlined_frames)
{
	size_t size;
	_cleanup_free_ char *text = output_of(folded_write, json_loads(REPORT, 0, NULL), &size);

	cr_expect_str_eq(text,
			 "a:b\\nc \"</script>;api+0x1020;fill;copy 4096\n"
			 "fill;copy;0x9 300\n"
			 "[unknown] 5\n"
			 "[unknown];[unknown];[unknown] 6\n",
			 "%s", text);
}

/* Not from a file, which jansson would refuse, but nothing here relies on that. */
Test(folded, invalid_utf8_is_escaped)
{
	size_t size;
	_cleanup_free_ char *text =
		output_of(folded_write,
			  json_pack("{s:{s:[{s:[{s:o}]}], s:[{s:i, s:[i]}]}}", "recording",
				    "locations", "functions", "name", json_string_nocheck("a\xff"),
				    "stacks", "bytes", 1, "locations", 0),
			  &size);

	cr_expect_str_eq(text, "a\\xFF 1\n", "%s", text);
}

Test(folded, nothing_recorded_is_no_line)
{
	static const char *const cases[] = {"{}", "{\"recording\":null}", "{\"recording\":[1]}"};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		size_t size;
		_cleanup_free_ char *text =
			output_of(folded_write, json_loads(cases[i], 0, NULL), &size);

		cr_expect_eq(size, 0, "%s: %s", cases[i], text);
	}
}

/* --- profile.proto, read back -------------------------------------------------------------- */

struct span {
	const uint8_t *at, *end;
};

static uint64_t take_varint(struct span *span)
{
	uint64_t value = 0;

	for (unsigned int shift = 0; shift < 64; shift += 7) {
		cr_assert(span->at < span->end);
		value |= (uint64_t)(*span->at & 0x7f) << shift;
		if (!(*span->at++ & 0x80))
			break;
	}
	return value;
}

/* The next field: its number, and a value or its bytes. False at the end. */
static bool take_field(struct span *span, uint64_t *ret_field, uint64_t *ret_value,
		       struct span *ret_bytes)
{
	uint64_t key;

	if (span->at == span->end)
		return false;
	key = take_varint(span);
	cr_assert((key & 7) == 0 || (key & 7) == 2, "wire type %d", (int)(key & 7));
	*ret_field = key >> 3;
	*ret_value = take_varint(span);
	if ((key & 7) == 2) {
		cr_assert(*ret_value <= (uint64_t)(span->end - span->at));
		*ret_bytes = (struct span){span->at, span->at + *ret_value};
		span->at += *ret_value;
	}
	return true;
}

/* The nth field of that number; a number as *ret_value, bytes as the result. */
static struct span nth(struct span span, uint64_t wanted, size_t n, uint64_t *ret_value)
{
	struct span bytes = {};
	uint64_t field;

	while (take_field(&span, &field, ret_value, &bytes))
		if (field == wanted && n-- == 0)
			return bytes;
	*ret_value = 0;
	return (struct span){};
}

static size_t count(struct span span, uint64_t wanted)
{
	struct span bytes;
	uint64_t field, value;
	size_t n = 0;

	while (take_field(&span, &field, &value, &bytes))
		n += field == wanted;
	return n;
}

static uint64_t number(struct span span, uint64_t field)
{
	uint64_t value;

	nth(span, field, 0, &value);
	return value;
}

static void expect_string(struct span profile, uint64_t index, const char *expected)
{
	uint64_t length;
	struct span text = nth(profile, 6, index, &length);

	cr_expect(length == strlen(expected) && memcmp(text.at, expected, length) == 0,
		  "string %d is '%.*s', not '%s'", (int)index, (int)length, (const char *)text.at,
		  expected);
}

static struct span part(struct span span, uint64_t field, size_t n)
{
	uint64_t length;
	struct span bytes = nth(span, field, n, &length);

	cr_assert_not_null(bytes.at, "no field %d", (int)field);
	return bytes;
}

Test(pprof, a_profile_reads_back)
{
	size_t size;
	_cleanup_free_ char *text = output_of(pprof_write, json_loads(REPORT, 0, NULL), &size);
	struct span profile = {(const uint8_t *)text, (const uint8_t *)text + size}, inner, line;

	expect_string(profile, 0, "");
	cr_expect_eq(count(profile, 1), 2);
	expect_string(profile, number(part(profile, 1, 1), 1), "space");
	expect_string(profile, number(part(profile, 1, 1), 2), "bytes");
	expect_string(profile, number(profile, 14), "space");
	expect_string(profile, number(profile, 13), "api -x");
	cr_expect_eq(number(profile, 9), 1769860800ULL * NSEC_PER_SEC);
	cr_expect_eq(number(profile, 10), 1500000);

	/* Only modules that something is in. */
	cr_expect_eq(count(profile, 3), 2);
	inner = part(profile, 3, 0);
	cr_expect_eq(number(inner, 1), 1);
	cr_expect_eq(number(inner, 2), 0x5010);
	cr_expect_eq(number(inner, 3), 0x5021);
	cr_expect_eq(number(inner, 4), 0x1010);
	expect_string(profile, number(inner, 5), "/srv/app/api");
	expect_string(profile, number(inner, 6), "c0ffee");
	cr_expect_eq(number(inner, 7), 0, "one place has no name");
	cr_expect_eq(number(inner, 10), 1);

	/* Inlined functions are lines of one location, innermost first. */
	cr_expect_eq(count(profile, 4), 4);
	inner = part(profile, 4, 0);
	cr_expect_eq(number(inner, 2), 1);
	cr_expect_eq(count(inner, 4), 2);
	line = part(inner, 4, 1);
	cr_expect_eq(number(line, 2), 300);
	inner = part(profile, 5, number(line, 1) - 1);
	cr_expect_eq(number(inner, 1), number(line, 1));
	expect_string(profile, number(inner, 2), "fill");
	expect_string(profile, number(inner, 4), "a.c");
	cr_expect_eq(number(part(profile, 4, 3), 2), 0, "it is in no module");

	/* Packed: location ids, then samples and bytes. 4096 is two bytes. */
	inner = part(part(profile, 2, 0), 1, 0);
	cr_expect_arr_eq(inner.at, "\x01\x02\x03", 3);
	inner = part(part(profile, 2, 0), 2, 0);
	cr_expect_arr_eq(inner.at, "\x02\x80\x20", 3);
}

Test(pprof, of_nothing_is_a_profile_too)
{
	size_t size;
	_cleanup_free_ char *text = output_of(pprof_write, json_loads("{}", 0, NULL), &size);
	struct span profile = {(const uint8_t *)text, (const uint8_t *)text + size};

	cr_expect_eq(count(profile, 1), 2);
	cr_expect_eq(count(profile, 2), 0);
}

/* A report can be anybody's: were each place looked for in each module, this would take an hour. */
Test(pprof, modules_and_places_can_be_many, .timeout = 60)
{
	const json_int_t many = 200000;
	json_t *modules = json_array(), *locations = json_array();
	_cleanup_free_ char *text = NULL;
	struct span profile;
	size_t size;

	for (json_int_t i = 0; i < many; i++) {
		json_array_append_new(modules, json_integer(i));
		json_array_append_new(locations,
				      json_pack("{s:I, s:s}", "module", i, "address", "0x10"));
	}
	text = output_of(pprof_write,
			 json_pack("{s:{s:o, s:o}}", "recording", "modules", modules, "locations",
				   locations),
			 &size);
	profile = (struct span){(const uint8_t *)text, (const uint8_t *)text + size};
	cr_expect_eq(count(profile, 3), many);
	cr_expect_eq(count(profile, 4), many);
}

Test(pprof, names_are_utf8)
{
	size_t size;
	_cleanup_free_ char *text =
		output_of(pprof_write,
			  json_pack("{s:{s:[{s:[{s:o}]}]}}", "recording", "locations", "functions",
				    "name", json_string_nocheck("a\xff")),
			  &size);

	cr_expect_not_null(memmem(text, size, "a\xef\xbf\xbd", 4));
}
