/* SPDX-License-Identifier: BSD-2-Clause */
/* The table of what nobody who has to mend a program can change: what is in it, and what only looks so. */
#include "core/runtime.h"

#include <criterion/criterion.h>
#include <string.h>

#include "base/util.h"

struct named {
	const char *function;
	enum runtime runtime;
};

static void expect_all(enum runtime file, const struct named *list, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		enum runtime found = runtime_of_function(file, list[i].function, NULL);

		cr_expect_eq(found, list[i].runtime, "%s: %s, not %s", list[i].function,
			     runtime_name(found) ?: "the program's",
			     runtime_name(list[i].runtime) ?: "the program's");
	}
}
#define EXPECT_ALL(file, list) expect_all(file, list, ARRAY_SIZE(list))

Test(runtime, functions_in_c_and_cpp)
{
	static const struct named list[] = {
		{"__memset_avx512_unaligned_erms", RUNTIME_C},
		{"__GI___libc_malloc", RUNTIME_C},
		{"sysmalloc_mmap.isra.0", RUNTIME_C},
		{"_int_malloc", RUNTIME_C},
		{"vasprintf", RUNTIME_C},
		{"fread", RUNTIME_C},
		{"pthread_create@@GLIBC_2.34", RUNTIME_C},
		{"je_arena_palloc", RUNTIME_ALLOCATOR},
		{"_rjem_malloc", RUNTIME_ALLOCATOR},
		{"<tikv_jemallocator::Jemalloc as core::alloc::GlobalAlloc>::alloc",
		 RUNTIME_ALLOCATOR},
		{"tcmalloc::CentralFreeList::Populate", RUNTIME_ALLOCATOR},
		{"(anonymous namespace)::do_malloc", RUNTIME_ALLOCATOR},
		{"_mi_page_malloc", RUNTIME_ALLOCATOR},
		{"operator new", RUNTIME_CPP},
		{"operator new[]", RUNTIME_CPP},
		{"std::__cxx11::basic_string<char>::_M_mutate", RUNTIME_CPP},
		{"__gnu_cxx::new_allocator<shop::Row>::allocate", RUNTIME_CPP},
		{"non-virtual thunk to std::basic_iostream::~basic_iostream", RUNTIME_CPP},
		/* Of the program, whatever they are like. */
		{"reader", RUNTIME_NONE},
		{"mallocate", RUNTIME_NONE},
		{"read_rows", RUNTIME_NONE},
		{"shop::operator new", RUNTIME_NONE},
		{"stdx::fill", RUNTIME_NONE},
		{"(anonymous namespace)::fill", RUNTIME_NONE},
		{"Cache<std::string>::add", RUNTIME_NONE},
	};

	EXPECT_ALL(RUNTIME_NONE, list);
}

Test(runtime, functions_in_rust)
{
	static const struct named list[] = {
		{"__rust_alloc", RUNTIME_RUST},
		{"__rustc::__rust_alloc", RUNTIME_RUST},
		{"__rustc[5224e6b81cd82a8f]::__rust_realloc", RUNTIME_RUST},
		{"<u32 as core::fmt::Display>::fmt", RUNTIME_RUST},
		{"<core::iter::adapters::map::Map<I,F> as "
		 "core::iter::traits::iterator::Iterator>::fold",
		 RUNTIME_RUST},
		{"<hashbrown::map::HashMap<K,V,S,A> as core::iter::traits::collect::Extend<(K,V)>>"
		 "::extend",
		 RUNTIME_RUST},
		{"alloc::slice::<impl [T]>::to_vec", RUNTIME_RUST},
		{"<alloc::string::String as core::iter::FromIterator<char>>::from_iter",
		 RUNTIME_RUST},
		{"std::io::Read::read_to_end", RUNTIME_CPP}, /* C++ has such names, too */
		{"<std::fs::File as std::io::Read>::read_to_end", RUNTIME_RUST},
		{"<F as core::ops::function::FnOnce<()>>::call_once", RUNTIME_RUST},
		{"<server::Rows as core::iter::Extend<u8>>::extend", RUNTIME_NONE},
		{"<server::Rows>::push", RUNTIME_NONE},
		{"server::main::{closure#0}", RUNTIME_NONE},
		{"allocator::fill", RUNTIME_NONE},
	};

	EXPECT_ALL(RUNTIME_NONE, list);
}

Test(runtime, functions_in_go)
{
	static const struct named list[] = {
		{"runtime.(*mspan).init", RUNTIME_GO},
		{"runtime.(*mheap).alloc.func1", RUNTIME_GO},
		{"internal/bytealg.MakeNoZero", RUNTIME_GO},
		{"encoding/json.(*encodeState).marshal", RUNTIME_GO},
		{"vendor/golang.org/x/net/http2/hpack.(*Decoder).readString", RUNTIME_GO},
		{"type:.eq.main.row", RUNTIME_GO},
		{"gcWriteBarrier2", RUNTIME_GO},
		{"strings.Repeat", RUNTIME_GO},
		{"main.encodePart", RUNTIME_NONE},
		{"main.(*cache[...]).put", RUNTIME_NONE},
		{"github.com/acme/store.(*Cache).Put", RUNTIME_NONE},
		{"example.com/runtime.Fill", RUNTIME_NONE},
	};

	EXPECT_ALL(RUNTIME_GO, list);
}

Test(runtime, functions_of_virtual_machines)
{
	static const struct named list[] = {
		{"v8::internal::Heap::AllocateRaw", RUNTIME_V8},
		{"node::Buffer::New", RUNTIME_V8},
		{"Builtins_ArrayPush", RUNTIME_V8},
		{"JS:emit node:events:513", RUNTIME_V8},
		{"_new_array_Java", RUNTIME_JVM},
		{"new_type_array Runtime1 stub", RUNTIME_JVM},
		{"Interpreter", RUNTIME_JVM},
		{"boolean java.util.ArrayList.add(java.lang.Object)", RUNTIME_JVM},
		{"_PyObject_GC_NewVar", RUNTIME_PYTHON},
		{"pymalloc_alloc", RUNTIME_PYTHON},
		{"JS:serve /app/server.js:10", RUNTIME_NONE},
		{"void Grow.serve(int, int)", RUNTIME_NONE},
		{"py::Cache.fill:/app/cache.py", RUNTIME_NONE},
	};

	EXPECT_ALL(RUNTIME_NONE, list);
}

Test(runtime, files)
{
	static const struct {
		const char *path;
		enum runtime runtime;
	} list[] = {
		{"/usr/lib/jvm/java-17-openjdk-amd64/bin/java", RUNTIME_JVM},
		{"/usr/lib/jvm/java-17-openjdk-amd64/lib/libjli.so", RUNTIME_JVM},
		{"/usr/lib/jvm/java-21-openjdk-amd64/lib/libnet.so", RUNTIME_JVM},
		{"/opt/jdk/lib/server/libjvm.so", RUNTIME_JVM},
		{"/usr/bin/node", RUNTIME_V8},
		{"/usr/bin/ruby3.1", RUNTIME_RUBY},
		{"/usr/lib/x86_64-linux-gnu/libruby-3.1.so.3.1.2", RUNTIME_RUBY},
		{"/usr/sbin/php-fpm8.2", RUNTIME_PHP},
		{"/usr/lib/php/20220829/opcache.so", RUNTIME_PHP},
		{"/usr/local/lib/php/extensions/no-debug-non-zts-20220829/intl.so", RUNTIME_PHP},
		{"/usr/lib/apache2/modules/libphp8.2.so", RUNTIME_PHP},
		{"/usr/lib/x86_64-linux-gnu/libtcmalloc_minimal.so.4", RUNTIME_ALLOCATOR},
		{"/usr/lib/x86_64-linux-gnu/libmimalloc.so.2", RUNTIME_ALLOCATOR},
		{"/usr/lib/x86_64-linux-gnu/libstdc++.so.6.0.30", RUNTIME_CPP},
		{"/srv/shop", RUNTIME_NONE},
		{"/srv/javaish", RUNTIME_NONE},
		{"/srv/node_modules/addon/build/addon.node", RUNTIME_NONE},
		{NULL, RUNTIME_NONE},
	};

	for (size_t i = 0; i < ARRAY_SIZE(list); i++)
		cr_expect_eq(runtime_of_file(list[i].path), list[i].runtime, "%s",
			     list[i].path ?: "none");
}

/* What says most of a stack is told, wherever in it that is. */
Test(runtime, spaces_are_ranked)
{
	unsigned int collector = 9, buffers = 0;

	cr_expect_str_eq(runtime_space(RUNTIME_V8, "v8::internal::Scavenger::Process", &collector),
			 "its heap, as the collector moves what lives on");
	cr_expect_str_eq(runtime_space(RUNTIME_V8, "node::Buffer::New", &buffers),
			 "Buffers and typed arrays");
	cr_expect_lt(collector, buffers);
	cr_expect_null(runtime_space(RUNTIME_V8, "node::Start", &buffers));
	cr_expect_null(runtime_space(RUNTIME_C, "malloc", &buffers));
}
