/* SPDX-License-Identifier: BSD-2-Clause */
#include "output/recording_json.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/util.h"
#include "output/incident_json.h"
#include "unit/json_line.h"

static char *text_of(const struct incident *incident)
{
	return json_line(recording_json(incident));
}

Test(recording_json, a_full_document_is_exactly_this)
{
	struct recording_function inlined[] = {
		{.name = "std::fill", .source = "/usr/include/fill.h", .line = 3},
		{.name = "load", .source = "server.c", .line = 42},
	};
	struct recording_function allocator[] = {{.name = "malloc"}};
	struct recording_module modules[] = {
		{.path = "/lib/libc.so.6", .build_id = "ab12"},
		{.path = "/usr/bin/server", .error = "why"},
	};
	struct recording_location locations[] = {
		{.address = 0x7f0000001000,
		 .module = 0,
		 .offset = 0x1000,
		 .functions = allocator,
		 .function_count = 1},
		{.address = 0x401000,
		 .module = 1,
		 .offset = 0x1000,
		 .functions = inlined,
		 .function_count = 2},
		{.address = 0x10, .module = RECORDING_NONE, .offset = 0x10},
	};
	uint32_t first[] = {0, 1}, second[] = {1}, third[] = {2};
	struct recording_stack stacks[] = {
		{.bytes = 600, .samples = 3, .locations = first, .count = 2},
		{.bytes = 200, .samples = 1, .locations = second, .count = 1},
		{.bytes = 100, .samples = 1, .locations = third, .count = 1},
		{.bytes = 50, .samples = 1},
	};
	struct apo_usage_sample points[] = {{
		.time_ns = 8 * NSEC_PER_MSEC,
		.limit_pages = 100,
		.usage_pages = 90,
		.reclaimable_pages = 10,
		.rate_pages_s = 1000,
		.rss_pages = {1, 2, 3, 4},
		.tgid = 1234,
	}};
	struct recording recording = {
		.spike_ns = 5 * NSEC_PER_MSEC,
		.grown_bytes = 2000,
		.recorded_bytes = 1000,
		.lost_bytes = 50,
		.mappings = {.known = true,
			     .heap_bytes = 1,
			     .stack_bytes = 2,
			     .anon_bytes = 3,
			     .file_bytes = 4,
			     .shmem_bytes = 5,
			     .largest = {{"[heap]", 7, 6, 2}, {"", 1, 1, 1}}},
		.modules = modules,
		.module_count = ARRAY_SIZE(modules),
		.locations = locations,
		.location_count = ARRAY_SIZE(locations),
		.stacks = stacks,
		.stack_count = ARRAY_SIZE(stacks),
		.usage_samples = points,
		.usage_sample_count = 1,
		.page_bytes = 4096,
	};
	struct incident incident = {
		.crossed_ns = 10 * NSEC_PER_MSEC,
		.signal_ns = 10500000,
		.exit_ns = 22 * NSEC_PER_MSEC,
		.recording = &recording,
	};
	_cleanup_free_ char *text = text_of(&incident);

	cr_expect_str_eq(
		text,
		"{\"since_ms\":5.0,\"grown_bytes\":2000,\"recorded_bytes\":1000,"
		"\"lost_bytes\":50,\"trouble\":null,\"interpreter\":null,"
		"\"mappings\":{\"heap\":1,\"stack\":2,\"anon\":3,\"file\":4,\"shmem\":5,"
		"\"largest\":[{\"name\":\"[heap]\",\"bytes\":7,\"count\":2,\"largest_bytes\":6},"
		"{\"name\":\"\",\"bytes\":1,\"count\":1,\"largest_bytes\":1}]},"
		"\"top\":[{\"function\":\"load\",\"source\":\"server.c\",\"line\":42,"
		"\"module\":\"/usr/bin/"
		"server\",\"offset\":\"0x1000\",\"runtime\":null,\"space\":null,"
		"\"bytes\":800,\"share\":0.8},"
		"{\"function\":null,\"source\":null,\"line\":null,\"module\":null,"
		"\"offset\":null,\"runtime\":null,\"space\":null,\"bytes\":100,\"share\":0.1},"
		"{\"function\":null,\"source\":null,\"line\":null,\"module\":null,"
		"\"offset\":null,\"runtime\":null,\"space\":null,\"bytes\":50,\"share\":0.05}],"
		"\"hint\":null,"
		"\"modules\":[{\"path\":\"/lib/libc.so.6\",\"build_id\":\"ab12\","
		"\"error\":null},"
		"{\"path\":\"/usr/bin/server\",\"build_id\":null,\"error\":\"why\"}],"
		"\"locations\":[{\"address\":\"0x7f0000001000\",\"module\":0,"
		"\"offset\":\"0x1000\",\"functions\":[{\"name\":\"malloc\",\"source\":null,"
		"\"line\":null}]},"
		"{\"address\":\"0x401000\",\"module\":1,\"offset\":\"0x1000\",\"functions\":["
		"{\"name\":\"std::fill\",\"source\":\"/usr/include/fill.h\",\"line\":3},"
		"{\"name\":\"load\",\"source\":\"server.c\",\"line\":42}]},"
		"{\"address\":\"0x10\",\"module\":null,\"offset\":\"0x10\",\"functions\":[]}],"
		"\"stacks\":[{\"bytes\":600,\"samples\":3,\"locations\":[0,1]},"
		"{\"bytes\":200,\"samples\":1,\"locations\":[1]},"
		"{\"bytes\":100,\"samples\":1,\"locations\":[2]},"
		"{\"bytes\":50,\"samples\":1,\"locations\":[]}],"
		"\"timeline\":{\"origin\":\"line\","
		"\"columns\":[\"ms\",\"pid\",\"usage_bytes\",\"reclaimable_bytes\","
		"\"limit_bytes\",\"rate_bytes_per_s\",\"file_bytes\",\"anon_bytes\","
		"\"swap_bytes\",\"shmem_bytes\"],"
		"\"rows\":[[-2.0,1234,368640,40960,409600,4096000,4096,8192,12288,16384]],"
		"\"marks\":[{\"name\":\"line\",\"ms\":0.0},{\"name\":\"signal\",\"ms\":0.5},"
		"{\"name\":\"exit\",\"ms\":12.0}]}}\n");
}

/* They come after what explains anything, and they are one, whatever function it was. */
Test(recording_json, runtimes_come_after_every_function_that_has_a_hundredth)
{
	struct recording_function load = {.name = "load"},
				  promote = {.name = "Generation::promote"};
	struct recording_function extend = {.name = "pymalloc_pool_extend"},
				  list = {.name = "list_resize"};
	struct recording_module modules[] = {
		{.path = "/opt/jdk/lib/server/libjvm.so"},
		{.path = "/usr/lib/libpython3.11.so.1.0"},
		{.path = "/srv/server"},
	};
	struct recording_location locations[] = {
		{.module = 0, .functions = &promote, .function_count = 1},
		{.module = 1, .functions = &extend, .function_count = 1},
		{.module = 1, .functions = &list, .function_count = 1},
		{.module = 2, .functions = &load, .function_count = 1},
	};
	uint32_t indices[] = {0, 1, 2, 3};
	struct recording_stack stacks[] = {
		{.bytes = 500, .locations = &indices[0], .count = 1},
		{.bytes = 400, .locations = &indices[1], .count = 1},
		{.bytes = 300, .locations = &indices[2], .count = 1},
		{.bytes = 100, .locations = &indices[3], .count = 1},
		{.bytes = 900},
	};
	struct recording recording = {
		.recorded_bytes = 2200,
		.modules = modules,
		.module_count = ARRAY_SIZE(modules),
		.locations = locations,
		.location_count = ARRAY_SIZE(locations),
		.stacks = stacks,
		.stack_count = ARRAY_SIZE(stacks),
	};
	struct incident incident = {.recording = &recording};
	json_t *document = recording_json(&incident), *top = json_object_get(document, "top");
	const json_t *first = json_array_get(top, 0), *second = json_array_get(top, 1);

	cr_assert_eq(json_array_size(top), 4);
	cr_expect_str_eq(json_string_value(json_object_get(first, "function")), "load");
	cr_expect_str_eq(json_string_value(json_object_get(second, "runtime")), "CPython");
	cr_expect_eq(json_integer_value(json_object_get(second, "bytes")), 700);
	cr_expect(json_is_null(json_object_get(second, "function")));
	cr_expect_str_eq(json_string_value(json_object_get(json_array_get(top, 2), "runtime")),
			 "the JVM");
	cr_expect_str_eq(json_string_value(json_object_get(json_array_get(top, 2), "space")),
			 "the heap, as the collector moves what lives on");
	json_decref(document);
	stacks[3].bytes = recording.recorded_bytes / 100 - 1;
	document = recording_json(&incident);
	first = json_array_get(json_object_get(document, "top"), 0);
	cr_expect_str_eq(json_string_value(json_object_get(first, "runtime")), "CPython");
	json_decref(document);
}

/* "": there is none. */
static const char *hint_of(const struct recording *recording)
{
	static char kept[512];
	const struct incident incident = {.recording = recording};
	json_t *document = recording_json(&incident);

	snprintf(kept, sizeof(kept), "%s",
		 json_string_value(json_object_get(document, "hint")) ?: "");
	json_decref(document);
	return kept;
}

/* How they get names: of the runtime that has most, where it is a tenth, and where there are none yet. */
static const char *hint_for(const char *function, uint64_t bytes)
{
	struct recording_function names[] = {{.name = "v8::internal::Heap::AllocateRaw"},
					     {.name = (char *)function}};
	struct recording_module modules[] = {{.path = "/usr/bin/node"}, {.path = RECORDING_JIT}};
	struct recording_location locations[] = {
		{.module = 0, .functions = &names[0], .function_count = 1},
		{.module = 1, .functions = &names[1], .function_count = function != NULL},
	};
	uint32_t indices[] = {0, 1};
	struct recording_stack stacks[] = {
		{.bytes = bytes, .locations = indices, .count = ARRAY_SIZE(indices)},
		{.bytes = 1000 - bytes},
	};
	struct recording recording = {
		.recorded_bytes = 1000,
		.modules = modules,
		.module_count = ARRAY_SIZE(modules),
		.locations = locations,
		.location_count = ARRAY_SIZE(locations),
		.stacks = stacks,
		.stack_count = ARRAY_SIZE(stacks),
	};
	return hint_of(&recording);
}

/* Two places of a file that is stripped, one of them lighter than a runtime's. */
static const char *hint_for_file(const struct recording_module *module)
{
	struct recording_function promote = {.name = "Generation::promote"};
	struct recording_module modules[] = {*module, {.path = "/opt/jdk/lib/server/libjvm.so"}};
	struct recording_location locations[] = {
		{.module = 0, .address = 1},
		{.module = 0, .address = 2},
		{.module = 1, .functions = &promote, .function_count = 1},
	};
	uint32_t indices[] = {0, 1, 2};
	struct recording_stack stacks[] = {
		{.bytes = 300, .locations = &indices[0], .count = 1},
		{.bytes = 300, .locations = &indices[1], .count = 1},
		{.bytes = 400, .locations = &indices[2], .count = 1},
	};
	struct recording recording = {
		.recorded_bytes = 1000,
		.modules = modules,
		.module_count = ARRAY_SIZE(modules),
		.locations = locations,
		.location_count = ARRAY_SIZE(locations),
		.stacks = stacks,
		.stack_count = ARRAY_SIZE(stacks),
	};
	return hint_of(&recording);
}

Test(recording_json, which_symbols_to_install_is_told)
{
	cr_expect_str_eq(
		hint_for_file(&(const struct recording_module){.path = (char[]){"/srv/shop"},
							       .build_id = (char[]){"ab12cd"}}),
		"shop is stripped of its symbols: install its debug package (-dbgsym, -dbg "
		"or -debuginfo), or put what `debuginfod-find debuginfo ab12cd` finds where "
		"the next report looks: /usr/lib/debug/.build-id/ab/12cd.debug.");
	cr_expect_str_eq(
		hint_for_file(&(const struct recording_module){.path = (char[]){"shop"}}),
		"shop is stripped of its symbols and has no build id by which they could be "
		"found: build it with -g, or link it with --build-id.");
	/* Nothing to install for what could not be read: what the other has is told. */
	cr_expect_not_null(strstr(hint_for_file(&(const struct recording_module){
					  .path = (char[]){"/srv/shop"}, .error = (char[]){"why"}}),
				  "jcmd"));
}

Test(recording_json, how_functions_get_names_is_told_where_they_have_none)
{
	cr_expect_not_null(strstr(hint_for(NULL, 100), "--perf-basic-prof"));
	cr_expect_str_eq(hint_for(NULL, 99), "");
	cr_expect_str_eq(hint_for("JS:serve /app/server.js:10", 100), "");
}

Test(recording_json, an_empty_one_says_what_is_not_known)
{
	struct recording recording = {.trouble = "why"};
	struct incident incident = {.recording = &recording};
	_cleanup_free_ char *text = text_of(&incident);

	cr_expect_not_null(strstr(text, "\"since_ms\":null"));
	cr_expect_not_null(strstr(
		text, "\"trouble\":\"why\",\"interpreter\":null,\"mappings\":null,\"top\":[],"
		      "\"hint\":null,\"modules\":[],\"locations\":[],\"stacks\":[]"));
	cr_expect_not_null(strstr(text, "\"timeline\":{\"origin\":null,"));
	cr_expect_not_null(strstr(text, "\"rows\":[],\"marks\":[]"));
}

Test(recording_json, without_a_trip_times_count_from_the_kill)
{
	struct apo_usage_sample point = {.time_ns = 8 * NSEC_PER_MSEC};
	struct recording recording = {.spike_ns = 7 * NSEC_PER_MSEC,
				      .usage_samples = &point,
				      .usage_sample_count = 1,
				      .page_bytes = 4096};
	struct incident incident = {.killed_ns = 10 * NSEC_PER_MSEC, .recording = &recording};
	_cleanup_free_ char *text = text_of(&incident);

	cr_expect_not_null(strstr(text, "\"since_ms\":3.0"));
	cr_expect_not_null(strstr(text, "\"timeline\":{\"origin\":\"kill\","));
	cr_expect_not_null(strstr(text, "\"rows\":[[-2.0,"));
	cr_expect_not_null(strstr(text, "\"marks\":[{\"name\":\"kill\",\"ms\":0.0}]"));
}

Test(recording_json, hostile_names_stay_one_valid_document)
{
	static const char *const names[] = {
		"\",\"evil\":\"",
		"\\\"}]}",
		"line\nbreak\r\t\x1b[31m",
		"\xff\xfe\x80",
		"\x01\x02\x1f",
		"caf\xc3\xa9 \xf0\x9f\x98\x80",
		"cut \xe2\x82",
		"</script>",
		"\xed\xa0\x80",
		"",
		"\xe2\x80\xae",
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct recording_function function = {.name = (char *)names[i],
						      .source = (char *)names[i]};
		struct recording_module module = {.path = (char *)names[i],
						  .build_id = (char *)names[i],
						  .error = (char *)names[i]};
		struct recording_location location = {.functions = &function, .function_count = 1};
		uint32_t index = 0;
		struct recording_stack stack = {.bytes = 1, .locations = &index, .count = 1};
		struct recording recording = {
			.recorded_bytes = 1,
			.modules = &module,
			.module_count = 1,
			.locations = &location,
			.location_count = 1,
			.stacks = &stack,
			.stack_count = 1,
		};
		struct incident incident = {.recording = &recording};
		_cleanup_free_ char *text = text_of(&incident);
		json_t *document = json_loads(text, JSON_REJECT_DUPLICATES, NULL);

		cr_assert_not_null(document, "case %zu: %s", i, text);
		cr_expect_eq(json_object_size(document), 13);
		cr_expect_eq(strchr(text, '\n'), text + strlen(text) - 1);
		cr_expect_null(json_object_get(document, "evil"));
		json_decref(document);
	}
}

Test(recording_json, numbers_beyond_json_are_clamped)
{
	struct apo_usage_sample point = {.limit_pages = UINT64_MAX - 1, .usage_pages = INT64_MAX};
	struct recording recording = {
		.grown_bytes = UINT64_MAX - 1,
		.recorded_bytes = INT64_MAX,
		.usage_samples = &point,
		.usage_sample_count = 1,
		.page_bytes = 65536,
	};
	struct incident incident = {.crossed_ns = UINT64_MAX, .recording = &recording};
	_cleanup_free_ char *text = text_of(&incident);
	json_t *document = json_loads(text, 0, NULL);

	cr_assert_not_null(document, "%s", text);
	cr_expect_eq(json_integer_value(json_object_get(document, "grown_bytes")), INT64_MAX);
	json_decref(document);
}

/* --- the bound of its size ----------------------------------------------------------------- */

/* `length` bytes of what takes most in JSON, of its own kind each time. */
static char *worst_text(size_t length, unsigned int number)
{
	static const char kinds[] = {'\x01', '\xff', '"', 'x'};
	char *text = calloc(1, length + 1);

	cr_assert_not_null(text);
	memset(text, kinds[number % ARRAY_SIZE(kinds)], length);
	return text;
}

static struct recording *worst_recording(void)
{
	struct recording *recording = recording_new();

	recording->page_bytes = 65536;
	recording->spike_ns = 1;
	recording->modules = calloc(200, sizeof(*recording->modules));
	recording->locations = calloc(20000, sizeof(*recording->locations));
	recording->stacks = calloc(1024, sizeof(*recording->stacks));
	recording->usage_samples = calloc(20000, sizeof(*recording->usage_samples));
	for (; recording->module_count < 200; recording->module_count++)
		recording->modules[recording->module_count] = (struct recording_module){
			.path = worst_text(4095, 0),
			.build_id = worst_text(128, 3),
			.error = worst_text(40, 3),
		};
	for (uint32_t i = 0; i < 20000; i++) {
		struct recording_location *location = &recording->locations[i];

		recording->location_count++;
		location->address = location->offset = UINT64_MAX - i;
		location->module = i % 200;
		location->functions = calloc(8, sizeof(*location->functions));
		for (; location->function_count < 1 + i % 8; location->function_count++)
			location->functions[location->function_count] = (struct recording_function){
				.name = worst_text(511, i),
				.source = worst_text(511, i + 1),
				.line = UINT32_MAX,
			};
	}
	for (uint32_t i = 0; i < 1024; i++) {
		struct recording_stack *stack = &recording->stacks[i];

		recording->stack_count++;
		stack->bytes = stack->samples = INT64_MAX;
		stack->locations = calloc(127, sizeof(*stack->locations));
		/* Deep ones and short ones, for which there is room. */
		for (; stack->count < (i % 2 ? 127 : 1); stack->count++)
			stack->locations[stack->count] = (i * 131 + (uint32_t)stack->count) % 20000;
	}
	for (uint64_t i = 0; i < 20000; i++)
		recording->usage_samples[recording->usage_sample_count++] =
			(struct apo_usage_sample){
				.time_ns = i * 1234567 + 1,
				.limit_pages = INT64_MAX,
				.usage_pages = INT64_MAX,
				.reclaimable_pages = INT64_MAX,
				.rate_pages_s = INT64_MAX,
				.rss_pages = {INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX},
				.tgid = UINT32_MAX,
			};
	return recording;
}

Test(recording_json, the_worst_one_has_room_in_a_report)
{
	struct recording *recording = worst_recording();
	struct incident incident = {
		.crossed_ns = INT64_MAX,
		.signal_ns = 1,
		.delivered_ns = 1,
		.airbag_ns = 1,
		.exit_ns = 1,
		.recording = recording,
	};
	_cleanup_free_ char *long_name = worst_text(4096, 0);
	_cleanup_free_ char *text = NULL, *rest = NULL;
	json_t *document;

	incident.grower = (struct incident_process){
		.comm = long_name, .cmdline = long_name, .cgroup = long_name};
	incident.target = incident.grower;
	incident.limit_cgroup = long_name;
	recording_fit(recording);
	text = text_of(&incident);
	cr_expect_leq(strlen(text), RECORDING_BYTES_MAX, "%zu", strlen(text));
	cr_expect_gt(recording->stack_count, 0);
	cr_expect_gt(recording->usage_sample_count, 0);
	document = incident_json(&incident, NULL);
	rest = json_dumps(document, JSON_COMPACT);
	cr_expect_leq(strlen(text) + strlen(rest), FILE_READ_MAX);
	json_decref(document);
	recording_free(recording);
}

/* The estimate is not so careful that reports of plain programs are cut. */
Test(recording_json, most_of_what_there_is_room_for_is_used)
{
	struct recording *recording = recording_new();
	struct incident incident = {.recording = recording};
	_cleanup_free_ char *text = NULL;

	recording->locations = calloc(50000, sizeof(*recording->locations));
	recording->stacks = calloc(1000, sizeof(*recording->stacks));
	for (uint32_t i = 0; i < 50000; i++) {
		struct recording_location *location = &recording->locations[i];

		recording->location_count++;
		location->address = 0x7f0000000000 + i;
		location->module = RECORDING_NONE;
		location->functions = calloc(1, sizeof(*location->functions));
		location->function_count = 1;
		location->functions[0].name = worst_text(80, 3);
		location->functions[0].source = worst_text(40, 3);
	}
	for (uint32_t i = 0; i < 1000; i++) {
		struct recording_stack *stack = &recording->stacks[i];

		recording->stack_count++;
		stack->bytes = 1;
		stack->locations = calloc(50, sizeof(*stack->locations));
		for (; stack->count < 50; stack->count++)
			stack->locations[stack->count] = i * 50 + (uint32_t)stack->count;
	}
	recording_fit(recording);
	text = text_of(&incident);
	cr_expect_leq(strlen(text), RECORDING_BYTES_MAX);
	cr_expect_gt(strlen(text), RECORDING_BYTES_MAX / 2, "%zu", strlen(text));
	recording_free(recording);
}
