/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/recording.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"

/* One place of a stack: MODULE, and the functions inlined into each other there, "NAME@SOURCE". */
struct place {
	const char *module; /* NULL: in none */
	const char *functions[3];
};

#define PLACES_MAX 12

static uint32_t module_of(struct recording *recording, const char *path)
{
	uint32_t i = 0;

	if (!path)
		return RECORDING_NONE;
	while (i < recording->module_count && strcmp(recording->modules[i].path, path) != 0)
		i++;
	recording->modules[i].path = (char *)path;
	recording->module_count = MAX(recording->module_count, (size_t)i + 1);
	return i;
}

/* "FUNCTION" that the stack is put down to; "#N" for its N-th place without a name; "= RUNTIME: SPACE"; "none". */
static const char *name_of(const struct recording *recording, const struct recording_owner *owner)
{
	static char text[128];

	if (owner->runtime) {
		snprintf(text, sizeof(text), owner->space ? "= %s: %s" : "= %s",
			 runtime_name(owner->runtime), owner->space);
		return text;
	}
	if (owner->location == RECORDING_NONE)
		return "none";
	cr_assert_lt(owner->location, recording->location_count);
	if (owner->function < recording->locations[owner->location].function_count)
		return recording->locations[owner->location].functions[owner->function].name;
	snprintf(text, sizeof(text), "#%u", owner->location);
	return text;
}

static const char *owner_of(const struct place *places)
{
	static char names[PLACES_MAX][3][128];
	struct recording_module modules[PLACES_MAX] = {};
	struct recording_function functions[PLACES_MAX][3] = {};
	struct recording_location locations[PLACES_MAX] = {};
	uint32_t indices[PLACES_MAX];
	struct recording_owner owner;
	struct recording_stack stack = {.locations = indices};
	struct recording recording = {
		.modules = modules, .locations = locations, .stacks = &stack, .stack_count = 1};

	for (uint32_t i = 0; i < PLACES_MAX && (places[i].module || places[i].functions[0]); i++) {
		for (size_t j = 0; j < 3 && places[i].functions[j]; j++) {
			char *at;

			snprintf(names[i][j], sizeof(names[i][j]), "%s", places[i].functions[j]);
			functions[i][j].name = names[i][j];
			at = strchr(names[i][j], '@');
			if (at) {
				*at = '\0';
				functions[i][j].source = at + 1;
			}
			locations[i].function_count++;
		}
		locations[i].functions = functions[i];
		locations[i].is_script = places[i].module && !strcmp(places[i].module, "script");
		locations[i].module = locations[i].is_script
					      ? RECORDING_NONE
					      : module_of(&recording, places[i].module);
		indices[stack.count++] = i;
	}
	recording.location_count = stack.count;
	cr_assert_eq(recording_owners(&recording, &owner), 0);
	return name_of(&recording, &owner);
}

static const struct owner_case {
	const char *what;
	struct place places[PLACES_MAX];
	const char *owner;
} cases[] = {
	{"malloc inside libc",
	 {{"/lib/libc.so.6", {"_int_malloc"}},
	  {"/lib/libc.so.6", {"malloc"}},
	  {"/usr/bin/server", {"load"}},
	  {"/usr/bin/server", {"main"}}},
	 "load"},
	{"a libc of which no function has a name",
	 {{"/lib/libc-2.31.so", {}}, {"/usr/bin/server", {"load"}}},
	 "load"},
	{"a page touched by the program itself",
	 {{"/usr/bin/server", {"fill"}}, {"/usr/bin/server", {"main"}}},
	 "fill"},
	{"operator new inside libstdc++",
	 {{"/lib/libc.so.6", {"malloc"}},
	  {"/usr/lib/libstdc++.so.6.0.30", {"operator new"}},
	  {"/usr/bin/server", {"std::vector<int>::push_back", "hoard::fill"}},
	  {"/usr/bin/server", {"main"}}},
	 "hoard::fill"},
	{"a template of one's own over types of the library",
	 {{"/usr/bin/server", {"std::vector<int>::_M_realloc_insert<int>"}},
	  {"/usr/bin/server", {"operator new[]", "Cache<int, std::string>::add"}}},
	 "Cache<int, std::string>::add"},
	{"Rust's own library, over a type of the program",
	 {{"/usr/bin/server",
	   {"core::ptr::write_bytes",
	    "<u8 as alloc::vec::spec_from_elem::SpecFromElem>::from_elem"}},
	  {"/usr/bin/server",
	   {"<hashbrown::raw::RawTable<(u64, server::Row)>>::reserve_rehash",
	    "<server::Rows as core::iter::Extend<u8>>::extend"}}},
	 "<server::Rows as core::iter::Extend<u8>>::extend"},
	{"a runtime's own collector",
	 {{"/lib/libc.so.6", {}},
	  {"/usr/lib/libc.so.6", {"memmove"}},
	  {"/opt/jdk/lib/server/libjvm.so", {"CompactibleSpace::compact"}},
	  {"/opt/jdk/lib/server/libjvm.so", {"VMThread::run"}},
	  {"/lib/libc.so.6", {"start_thread"}}},
	 "= the JVM"},
	{"another one",
	 {{"/lib/libc.so.6", {"__memmove_avx_unaligned_erms"}},
	  {"/opt/jdk/lib/server/libjvm.so", {"Generation::promote"}},
	  {"/opt/jdk/lib/server/libjvm.so", {"DefNewGeneration::copy_to_survivor_space"}}},
	 "= the JVM: the heap, as the collector moves what lives on"},
	{"Java's library, by the names of three tools",
	 {{"/opt/jdk/lib/server/libjvm.so", {"CollectedHeap::array_allocate"}},
	  {"[jit]", {"Ljava/util/Arrays;::copyOf"}},
	  {"[jit]", {"java/util/ArrayList.grow"}},
	  {"[jit]", {"boolean java.util.ArrayList.add(java.lang.Object)"}},
	  {"[jit]", {"java.util.List shop.Cart.rows(java.lang.String, int)"}},
	  {"[jit]", {"Interpreter"}},
	  {"[jit]", {"call_stub"}}},
	 "java.util.List shop.Cart.rows(java.lang.String, int)"},
	{"a static binary",
	 {{"/server", {"__memset_avx2_unaligned_erms"}},
	  {"/server", {"calloc"}},
	  {"/server", {"load"}},
	  {"/server", {"__libc_start_main_impl"}}},
	 "load"},
	{"other allocators",
	 {{"/usr/lib/libjemalloc.so.2", {"je_arena_malloc"}},
	  {"/server", {"tc_malloc"}},
	  {"/server", {"mi_heap_malloc"}},
	  {"/server", {"fetch"}}},
	 "fetch"},
	{"Rust",
	 {{"/server", {"__rust_alloc", "alloc::alloc::alloc"}},
	  {"/server", {"<alloc::vec::Vec<T> as core::clone::Clone>::clone"}},
	  {"/server", {"hashbrown::raw::RawTable<T>::reserve", "server::cache::put"}}},
	 "server::cache::put"},
	{"Rust, printing numbers",
	 {{"/server", {"__rust_realloc"}},
	  {"/server", {"alloc::raw_vec::RawVec<T,A>::grow_amortized"}},
	  {"/server",
	   {"<alloc::string::String as core::fmt::Write>::write_str",
	    "<u32 as core::fmt::Display>::fmt"}},
	  {"/server", {"<&T as core::fmt::Debug>::fmt", "<[T] as core::fmt::Debug>::fmt"}},
	  {"/server", {"<T as alloc::string::ToString>::to_string", "server::log::line"}},
	  {"/server", {"std::rt::lang_start::{{closure}}"}}},
	 "server::log::line"},
	{"Rust, traits of the program for types of the library, and the other way round",
	 {{"/server",
	   {"<(A, B) as core::clone::Clone>::clone",
	    "<(server::Row, u8) as core::hash::Hash>::hash"}},
	  {"/server", {"<alloc::vec::Vec<server::Row> as core::clone::Clone>::clone"}},
	  {"/server",
	   {"<alloc::vec::Vec<u8> as server::Ext<<u8 as core::ops::Add>::Output>>::extend"}}},
	 "<alloc::vec::Vec<u8> as server::Ext<<u8 as core::ops::Add>::Output>>::extend"},
	{"Rust, over a reference to a type of the program",
	 {{"/server",
	   {"<dyn core::any::Any>::is", "<[server::Row]>::sort",
	    "<*mut T as core::fmt::Pointer>::fmt"}},
	  {"/server", {"<&mut server::Rows as core::iter::IntoIterator>::into_iter"}}},
	 "<&mut server::Rows as core::iter::IntoIterator>::into_iter"},
	{"Rust's library is told by its sources too",
	 {{"/server",
	   {"grow_one<u8>@/rustc/90b35a6239c3d8bdabc530a6a0816f7ff89a0aaf/library/alloc/src/"
	    "raw_vec.rs",
	    "restock@src/main.rs"}}},
	 "restock"},
	{"C++, a lambda of the library's headers, and one's own",
	 {{"/server", {"operator new"}},
	  {"/server",
	   {"_M_allocate@/usr/include/c++/12/bits/stl_vector.h", "operator()@/srv/shop.cc"}}},
	 "operator()"},
	{"Go, in the program's own package",
	 {{"/server", {"runtime.memclrNoHeapPointers"}},
	  {"/server", {"runtime.mallocgc"}},
	  {"/server", {"bytes.(*Buffer).grow"}},
	  {"/server", {"encoding/json.(*Decoder).refill"}},
	  {"/server", {"main.(*hoard).fill"}},
	  {"/server", {"main.main"}},
	  {"/server", {"runtime.main"}}},
	 "main.(*hoard).fill"},
	{"Go, in a package below a domain",
	 {{"/server", {"runtime.makeslice"}},
	  {"/server", {"strings.Repeat"}},
	  {"/server", {"github.com/acme/store.(*Cache).Put"}},
	  {"/server", {"main.main"}},
	  {"/server", {"runtime.goexit"}}},
	 "github.com/acme/store.(*Cache).Put"},
	{"Go, on the stack of the scheduler, which shows nobody else",
	 {{"/server", {"runtime.(*mspan).init"}},
	  {"/server", {"runtime.(*mheap).allocSpan"}},
	  {"/server", {"runtime.(*mheap).alloc.func1"}},
	  {"/server", {"runtime.systemstack.abi0"}}},
	 "= Go's runtime"},
	{"Go, a collector's worker",
	 {{"/server", {"runtime.(*gcWork).tryGet"}},
	  {"/server", {"runtime.gcDrain"}},
	  {"/server", {"runtime.gcBgMarkWorker"}},
	  {"/server", {"runtime.goexit"}}},
	 "= Go's runtime"},
	{"Go, generic, with a method value and a closure",
	 {{"/server", {"runtime.growslice"}},
	  {"/server", {"slices.Insert[go.shape.[]uint8,go.shape.uint8]"}},
	  {"/server", {"main.collect[go.shape.int].func1"}},
	  {"/server", {"runtime.mapassign_faststr"}}},
	 "main.collect[go.shape.int].func1"},
	{"Go's names are not taken for a library's elsewhere",
	 {{"/server", {"load.part.0"}}, {"/server", {"main"}}},
	 "load.part.0"},
	{"Python",
	 {{"/lib/libc.so.6", {"malloc"}},
	  {"/usr/lib/libpython3.12.so.1.0", {"_PyObject_Malloc"}},
	  {"[jit]", {"py::<frozen importlib._bootstrap>:<frozen>"}},
	  {"[jit]", {"py::Cache.fill:/app/cache.py"}},
	  {"[jit]", {"py::<module>:/app/main.py"}},
	  {"/usr/bin/python3.12", {"main"}}},
	 "py::Cache.fill:/app/cache.py"},
	{"Python without any name of its own",
	 {{"/lib/libc.so.6", {"__mmap64"}},
	  {"/usr/bin/python3.11", {"pymalloc_pool_extend"}},
	  {"/usr/bin/python3.11", {"list_append"}},
	  {"/usr/bin/python3.11", {"_PyEval_EvalFrameDefault"}},
	  {"/usr/bin/python3.11", {"Py_BytesMain"}},
	  {"/lib/libc.so.6", {"__libc_start_main_impl"}},
	  {"/usr/bin/python3.11", {"_start"}}},
	 "= CPython"},
	{"Python linked into a server",
	 {{"/usr/bin/uwsgi", {"pymalloc_pool_extend"}},
	  {"/usr/bin/uwsgi", {"unicode_new"}},
	  {"/usr/bin/uwsgi", {"_PyEval_EvalFrameDefault.cold"}},
	  {"/usr/bin/uwsgi", {"python_call"}},
	  {"/usr/bin/uwsgi", {"_start"}}},
	 "= CPython"},
	{"Python: its library is not the program, what was installed is",
	 {{"/usr/bin/python3.11", {"scan_once_unicode"}},
	  {"/usr/bin/python3.11", {"JSONDecoder.raw_decode@/usr/lib/python3.11/json/decoder.py"}},
	  {"/usr/bin/python3.11", {"loads@/usr/lib/python3.11/json/__init__.py"}},
	  {"/usr/bin/python3.11", {"<module>@<frozen runpy>"}},
	  {"[jit]", {"py::loads:/usr/lib/python3.12/json/__init__.py"}},
	  {"[jit]", {"py::Rows.fetch:/srv/venv/lib/python3.12/site-packages/rows/db.py"}}},
	 "py::Rows.fetch:/srv/venv/lib/python3.12/site-packages/rows/db.py"},
	{"a script, whose functions may have any name",
	 {{"/usr/bin/python3.11", {"PyList_Append"}},
	  {"script", {"JSONDecoder.raw_decode@/usr/lib/python3.11/json/decoder.py"}},
	  {"script", {"malloc@/app/rows.py"}},
	  {"script", {"<module>@<frozen runpy>"}}},
	 "malloc"},
	{"a script that is called from a library in C",
	 {{"/usr/bin/python3.11", {"PyList_Append"}},
	  {"script", {"key@/app/sort.py"}},
	  {"/usr/bin/python3.11", {"list_sort"}},
	  {"script", {"serve@/app/rows.py"}}},
	 "key"},
	{"a module in C of the library",
	 {{"/usr/lib/python3.13/lib-dynload/_json.cpython-313-x86_64-linux-gnu.so",
	   {"_parse_object_unicode"}},
	  {"script", {"loads@/usr/lib/python3.13/json/__init__.py"}},
	  {"script", {"parse@/app/rows.py"}}},
	 "parse"},
	{"a script that calls a package, in C and not",
	 {{"/srv/venv/lib/python3.11/site-packages/rows/_core.cpython-311-x86_64-linux-gnu.so",
	   {"rows_alloc"}},
	  {"script", {"full@/srv/venv/lib/python3.11/site-packages/rows/numeric.py"}},
	  {"script", {"report@/app/views.py"}},
	  {"script", {"dispatch@/srv/venv/lib/python3.11/site-packages/web/app.py"}},
	  {"script", {"<module>@/srv/venv/bin/web"}},
	  {"/usr/bin/python3.11", {"_start"}}},
	 "report"},
	{"a script that is a package itself",
	 {{"/usr/lib/python3/dist-packages/rows/_core.so", {"rows_alloc"}},
	  {"script", {"full@/usr/lib/python3/dist-packages/rows/numeric.py"}},
	  {"script", {"<module>@/usr/bin/rows"}},
	  {"/usr/bin/server", {"main"}}},
	 "full"},
	{"a module in C of the program's own",
	 {{"/app/fast.cpython-311-x86_64-linux-gnu.so", {"fast_fill"}},
	  {"script", {"report@/app/views.py"}}},
	 "fast_fill"},
	{"a script of the library alone",
	 {{"/usr/bin/python3.11", {"PyList_Append"}},
	  {"script", {"loads@/usr/lib/python3.11/json/__init__.py"}},
	  {"/usr/bin/python3.11", {"_start"}}},
	 "= CPython"},
	{"an interpreter that is one binary",
	 {{"/usr/bin/python3.11", {"PyList_Append"}}, {"/app/native.so", {"build"}}},
	 "build"},
	{"Node",
	 {{"/usr/bin/node", {"v8::internal::Heap::AllocateRaw"}},
	  {"[jit]", {"Builtin:ArrayPush"}},
	  {"[jit]", {"JS:emit node:events:513"}},
	  {"[jit]", {"JS:serve /app/server.js:10"}},
	  {"/usr/bin/node", {"node::Start(int, char**)"}}},
	 "JS:serve /app/server.js:10"},
	{"stripped: the innermost place outside of a runtime",
	 {{"/lib/libc.so.6", {"malloc"}}, {"/server", {}}, {"/server", {}}},
	 "#1"},
	{"stripped, with a name further out",
	 {{"/lib/libc.so.6", {"malloc"}}, {"/server", {}}, {"/server", {"main"}}},
	 "main"},
	{"compiled at run time without a map",
	 {{"/usr/bin/node", {"v8::internal::Heap::AllocateRaw"}}, {"[jit]", {}}},
	 "= V8: JavaScript without names"},
	{"the same in a program that has no runtime which does so",
	 {{"/lib/libc.so.6", {"malloc"}}, {"[jit]", {}}, {"/server", {}}},
	 "#1"},
	{"the program's own outside of what was compiled at run time",
	 {{"/usr/bin/node", {"v8::internal::Heap::AllocateRaw"}},
	  {"[jit]", {}},
	  {"/app/addon.node", {"addon::Fill"}}},
	 "addon::Fill"},
	{"Node's Buffers, by the functions that fill them",
	 {{"/lib/libc.so.6", {"memset"}},
	  {"/usr/bin/node", {"v8::internal::Builtin_TypedArrayPrototypeFill"}},
	  {"/usr/bin/node", {"Builtins_CEntry_Return1_ArgvOnStack_BuiltinExit"}},
	  {"[jit]", {}},
	  {"/usr/bin/node", {"node::Start"}}},
	 "= V8: Buffers and typed arrays"},
	{"Node's collector, whoever called for it",
	 {{"/usr/bin/node", {"v8::internal::Scavenger::ScavengePage"}},
	  {"/usr/bin/node", {"v8::internal::Heap::PerformGarbageCollection"}},
	  {"/usr/bin/node", {"v8::internal::Builtin_TypedArrayPrototypeFill"}},
	  {"[jit]", {}}},
	 "= V8: its heap, as the collector moves what lives on"},
	{"Java without names, in the files of the JDK",
	 {{"/usr/lib/jvm/java-17-openjdk-amd64/lib/server/libjvm.so", {}},
	  {"[jit]", {}},
	  {"[jit]", {"Interpreter"}},
	  {"/usr/lib/jvm/java-17-openjdk-amd64/lib/libjli.so", {"JavaMain"}},
	  {"/usr/lib/jvm/java-17-openjdk-amd64/bin/java", {"main"}}},
	 "= the JVM: Java without names"},
	{"Java, at the stub that makes arrays",
	 {{"/opt/jdk/lib/server/libjvm.so", {"ObjArrayAllocator::initialize"}},
	  {"/opt/jdk/lib/server/libjvm.so", {"MemAllocator::allocate"}},
	  {"/opt/jdk/lib/server/libjvm.so", {"Runtime1::new_type_array"}},
	  {"[jit]", {"new_type_array Runtime1 stub"}},
	  {"[jit]", {}},
	  {"[jit]", {"StubRoutines (1)"}}},
	 "= the JVM: the heap, where objects are made"},
	{"Java, at the stub of the other compiler, and the method that calls it",
	 {{"/opt/jdk/lib/server/libjvm.so", {"OptoRuntime::new_array_C"}},
	  {"[jit]", {"_new_array_Java"}},
	  {"[jit]", {"void Grow.serve(int, int)"}},
	  {"[jit]", {"Interpreter"}}},
	 "void Grow.serve(int, int)"},
	{"PHP, in a hash",
	 {{"/usr/bin/php8.2", {}},
	  {"/usr/bin/php8.2", {"zend_hash_real_init_mixed"}},
	  {"/usr/bin/php8.2", {"execute_ex"}}},
	 "= PHP: arrays"},
	{"Ruby, in a string",
	 {{"/usr/lib/x86_64-linux-gnu/libruby-3.1.so.3.1.2", {"rb_str_times"}},
	  {"/usr/lib/x86_64-linux-gnu/libruby-3.1.so.3.1.2", {}},
	  {"/usr/lib/x86_64-linux-gnu/libruby-3.1.so.3.1.2", {"rb_vm_exec"}}},
	 "= Ruby: strings"},
	{"in no file at all", {{NULL, {"load"}}}, "load"},
	{"everything is runtime",
	 {{"/lib/libc.so.6", {"malloc"}},
	  {"/usr/lib/libstdc++.so.6", {"operator new"}},
	  {"/lib64/ld-linux-x86-64.so.2", {"_dl_start"}}},
	 "= the C++ library"},
	{"the start of a program",
	 {{"/server", {"__libc_setup_tls"}}, {"/server", {"_start"}}},
	 "= the C library"},
	{"the kernel's own page",
	 {{"[vdso]", {"__vdso_gettimeofday"}}, {"/server", {"tick"}}},
	 "tick"},
	{"nothing", {}, "none"},
};

Test(recording, a_stack_is_put_down_to_what_a_programmer_can_change)
{
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		cr_expect_str_eq(owner_of(cases[i].places), cases[i].owner, "%s: %s, not %s",
				 cases[i].what, owner_of(cases[i].places), cases[i].owner);
}

/* Beside what the interpreter that is linked in does, a server has code of its own. */
Test(recording, a_program_with_python_linked_in_has_functions_of_its_own)
{
	struct recording_function interpreter = {.name = (char *)"_PyEval_EvalFrameDefault"};
	struct recording_function helper = {.name = (char *)"python_call"};
	struct recording_function own = {.name = (char *)"cache_fill"};
	struct recording_module module = {.path = (char *)"/usr/bin/uwsgi"};
	struct recording_location locations[] = {
		{.functions = &helper, .function_count = 1},
		{.functions = &interpreter, .function_count = 1},
		{.functions = &own, .function_count = 1},
	};
	uint32_t python[] = {0, 1}, server[] = {2};
	struct recording_stack stacks[] = {
		{.locations = python, .count = ARRAY_SIZE(python)},
		{.locations = server, .count = ARRAY_SIZE(server)},
	};
	const struct recording recording = {
		.modules = &module,
		.module_count = 1,
		.locations = locations,
		.location_count = ARRAY_SIZE(locations),
		.stacks = stacks,
		.stack_count = ARRAY_SIZE(stacks),
	};
	struct recording_owner owners[ARRAY_SIZE(stacks)];

	cr_assert_eq(recording_owners(&recording, owners), 0);
	cr_expect_eq(owners[0].runtime, RUNTIME_PYTHON);
	cr_expect_eq(owners[0].location, RECORDING_NONE);
	cr_expect_eq(owners[1].runtime, RUNTIME_NONE);
	cr_expect_eq(owners[1].location, 2);
}

Test(recording, an_empty_one_is_freed)
{
	cr_expect_null(recording_free(NULL));
	cr_expect_null(recording_free(recording_new()));
}

/* --- the bound of its size ----------------------------------------------------------------- */

static struct recording *make(size_t stacks, size_t depth, size_t locations, size_t name_bytes)
{
	struct recording *recording = recording_new();

	recording->page_bytes = 4096;
	recording->modules = calloc(1, sizeof(*recording->modules));
	recording->modules[recording->module_count++].path = strdup("/server");
	recording->locations = calloc(locations, sizeof(*recording->locations));
	recording->location_count = locations;
	for (size_t i = 0; i < locations; i++) {
		struct recording_location *location = &recording->locations[i];

		location->address = i;
		location->functions = calloc(1, sizeof(*location->functions));
		location->function_count = 1;
		location->functions[0].name = calloc(1, name_bytes + 1);
		memset(location->functions[0].name, 'f', name_bytes);
	}
	recording->stacks = calloc(stacks, sizeof(*recording->stacks));
	recording->stack_count = stacks;
	for (size_t i = 0; i < stacks; i++) {
		struct recording_stack *stack = &recording->stacks[i];

		stack->bytes = 1000 - MIN(i, (size_t)999);
		recording->recorded_bytes += stack->bytes;
		stack->count = depth;
		stack->locations = calloc(depth, sizeof(*stack->locations));
		for (size_t j = 0; j < depth; j++)
			stack->locations[j] = (uint32_t)((i * depth + j) % locations);
	}
	return recording;
}

static uint64_t kept_bytes(const struct recording *recording)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < recording->stack_count; i++)
		bytes += recording->stacks[i].bytes;
	return bytes;
}

Test(recording, a_small_one_is_left_as_it_is)
{
	struct recording *recording = make(10, 20, 100, 30);

	recording->usage_samples = calloc(100, sizeof(*recording->usage_samples));
	recording->usage_sample_count = 100;
	recording_fit(recording);
	cr_expect_eq(recording->stack_count, 10);
	cr_expect_eq(recording->location_count, 100);
	cr_expect_eq(recording->usage_sample_count, 100);
	cr_expect_eq(recording->lost_bytes, 0);
	cr_expect_eq(recording->stacks[9].locations[19], 99);
	recording_free(recording);
}

Test(recording, of_a_large_one_the_heaviest_stacks_are_kept)
{
	struct recording *recording = make(1024, 127, 20000, 200);
	uint64_t whole = recording->recorded_bytes;

	recording_fit(recording);
	cr_expect_gt(recording->stack_count, 8);
	cr_expect_lt(recording->stack_count, 1024);
	cr_expect_eq(kept_bytes(recording) + recording->lost_bytes, whole);
	cr_expect_eq(recording->stacks[7].bytes, 1000 - 7);
	for (size_t i = 0; i < recording->stack_count && recording->stacks[i].bytes > 1; i++) {
		size_t was = 1000 - recording->stacks[i].bytes;

		cr_expect_geq(was, i, "in order");
		for (size_t j = 0; j < 127; j++) {
			uint32_t index = recording->stacks[i].locations[j];

			cr_assert_lt(index, recording->location_count);
			cr_assert_eq(recording->locations[index].address, (was * 127 + j) % 20000);
		}
	}
	recording_free(recording);
}

Test(recording, a_stack_that_does_not_fit_leaves_room_for_those_that_do)
{
	struct recording *recording = make(3, 1500, 4500, 3000);

	recording->stacks[1].count = recording->stacks[2].count = 10;
	recording_fit(recording);
	cr_assert_eq(recording->stack_count, 2);
	cr_expect_eq(recording->stacks[0].bytes, 999);
	cr_expect_eq(recording->lost_bytes, 1000);
	cr_assert_eq(recording->location_count, 20);
	cr_expect_eq(recording->locations[recording->stacks[1].locations[9]].address, 3009);
	recording_free(recording);
}

/* It would have to be in the list of functions as well. */
Test(recording, a_name_longer_than_a_report_is_not_in_it)
{
	struct recording *recording = make(1, 1, 1, RECORDING_BYTES_MAX);

	recording_fit(recording);
	cr_expect_eq(recording->stack_count, 0);
	cr_expect_eq(recording->location_count, 0);
	cr_expect_eq(recording->lost_bytes, 1000);
	recording_free(recording);
}

Test(recording, before_it_is_unwound_its_stacks_keep_their_places)
{
	struct recording *recording = make(1024, 0, 1, 1);

	recording_fit(recording);
	cr_expect_eq(recording->stack_count, 1024);
	recording_free(recording);
}

Test(recording, many_points_are_thinned_out_and_the_last_one_stays)
{
	for (size_t count = 16383; count <= 16384; count++) {
		struct recording *recording = make(1, 1, 1, 1);

		recording->usage_samples = calloc(count, sizeof(*recording->usage_samples));
		recording->usage_sample_count = count;
		for (size_t i = 0; i < count; i++)
			recording->usage_samples[i] = (struct apo_usage_sample){
				.time_ns = i + 1,
				.usage_pages = 1 << 20,
				.limit_pages = 1 << 20,
			};
		recording_fit(recording);
		cr_expect_geq(recording->usage_sample_count, 4096);
		cr_expect_leq(recording->usage_sample_count, 8192);
		cr_expect_eq(recording->usage_samples[recording->usage_sample_count - 1].time_ns,
			     count);
		cr_expect_eq(recording->stack_count, 1);
		recording_free(recording);
	}
}

Test(recording, of_long_paths_the_end_is_kept)
{
	struct recording *recording = make(1, 1, 1, 1);
	char path[4096];

	memset(path, 'd', sizeof(path));
	snprintf(path + 4000, sizeof(path) - 4000, "/libc.so.6");
	free(recording->modules[0].path);
	recording->modules[0].path = strdup(path);
	recording_fit(recording);
	cr_expect_eq(strlen(recording->modules[0].path), RECORDING_PATH_MAX);
	cr_expect_str_eq(recording->modules[0].path + RECORDING_PATH_MAX - 10, "/libc.so.6");
	recording_free(recording);
}
