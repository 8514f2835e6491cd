// SPDX-License-Identifier: BSD-2-Clause
#include "core/runtime.h"

#include <fnmatch.h>
#include <stddef.h>
#include <string.h>

#include "base/util.h"

/* A list ends with one without words. */
struct space {
	const char *words;
	const char *const *functions;
};

/* Patterns as of fnmatch(3), without flags: "*" takes slashes. NULL at the end. */
struct row {
	const char *name;
	const char *const *files;     /* names of files, or paths if there is a slash in it */
	const char *const *functions; /* as they are demangled */
	const char *const *sources;   /* paths of source files */
	const char *const *others;  /* functions and sources that are the program's all the same */
	const char *const *signs;   /* functions that only this runtime has */
	const char *code;	    /* what it compiles, where it has no name */
	const struct space *spaces; /* what its functions have memory for; the first says most */
	const char *hint;	    /* how to have names */
};

#define PATTERNS(...) ((const char *const[]){__VA_ARGS__, NULL})

static const struct space php_spaces[] = {
	{"arrays", PATTERNS("_zend_new_array*", "zend_hash_*", "zend_array_*")},
	{"strings", PATTERNS("zend_string*", "smart_str*", "concat_function")},
	{"objects", PATTERNS("zend_objects*", "object_init*")},
	{NULL, NULL}};

static const struct space ruby_spaces[] = {
	{"strings", PATTERNS("rb_str_*", "rb_enc_str_*")},
	{"arrays", PATTERNS("rb_ary_*")},
	{"hashes", PATTERNS("rb_hash_*", "st_*")},
	{"what is read", PATTERNS("rb_io_*")},
	{"objects", PATTERNS("rb_newobj*", "rb_wb_*newobj*", "rb_obj_alloc*")},
	{NULL, NULL}};

static const struct space jvm_spaces[] = {
	{"the heap, as the collector moves what lives on",
	 PATTERNS("*CollectForAllocation*", "*CollectForMetadata*", "*Collect::doit*",
		  "*Heap::*collect*", "*GCTask*", "G1*Task::*", "G1*Closure*", "*Evacuat*",
		  "Generation::promote*", "PSPromotion*", "ZCollect*", "ZWorker*", "ZRelocate*",
		  "Shenandoah*")},
	{"memory outside of the heap (Unsafe, direct buffers)",
	 PATTERNS("Unsafe_AllocateMemory*", "Unsafe_SetMemory*", "Unsafe_CopyMemory*")},
	{"its compilers",
	 PATTERNS("CompileBroker::*", "C2Compiler::*", "Compilation::*", "Compile::*")},
	{"classes", PATTERNS("ClassFileParser::*", "SystemDictionary::*", "Metaspace::*")},
	{"the heap, where objects are made",
	 PATTERNS("*MemAllocator::allocate*", "Runtime1::new_*", "OptoRuntime::new_*",
		  "OptoRuntime::multianewarray*", "InterpreterRuntime::*new*",
		  "* new_*_array Runtime1 stub")},
	{NULL, NULL}};

static const struct space v8_spaces[] = {
	{"its heap, as the collector moves what lives on",
	 PATTERNS("v8::internal::*Scaveng*", "v8::internal::*MarkCompact*",
		  "v8::internal::*Evacuat*", "v8::internal::Heap::CollectGarbage*",
		  "v8::internal::Heap::PerformGarbage*")},
	{"Buffers and typed arrays",
	 PATTERNS("v8::internal::*TypedArray*", "v8::internal::*ArrayBuffer*", "v8::ArrayBuffer::*",
		  "v8::BackingStore::*", "v8::internal::BackingStore::*", "node::Buffer::*",
		  "node::NodeArrayBufferAllocator::*")},
	{"large objects of its heap", PATTERNS("v8::internal::*LargeObjectSpace*")},
	{"its compilers", PATTERNS("v8::internal::compiler::*", "v8::internal::Compiler::*",
				   "v8::internal::*Compilation*")},
	{"JSON", PATTERNS("v8::internal::Json*", "v8::internal::Builtin_Json*")},
	{"strings", PATTERNS("v8::internal::String*", "v8::internal::*NewConsString*",
			     "v8::internal::*IncrementalStringBuilder*")},
	{NULL, NULL}};

static const char php_hint[] =
	"PHP tells nobody else of its functions: with a memory_limit (php.ini) below the "
	"limit of the cgroup it names the file and line itself.";

static const char ruby_hint[] =
	"Ruby tells nobody else of its methods: after "
	"ObjectSpace.trace_object_allocations_start (require 'objspace') it can tell in "
	"the handler of the signal where each object was made: "
	"ObjectSpace.allocation_sourcefile, allocation_sourceline.";

static const char jvm_hint[] =
	"To have methods of Java named, start it with -XX:+PreserveFramePointer, and run "
	"jcmd PID Compiler.perfmap (JDK 17 and newer) when it has warmed up.";

static const char v8_hint[] =
	"To have functions of JavaScript named, start Node with "
	"NODE_OPTIONS=\"--perf-basic-prof --interpreted-frames-native-stack\".";

static const char *const c_functions[] = {"malloc",
					  "calloc",
					  "realloc",
					  "reallocarray",
					  "free",
					  "posix_memalign",
					  "aligned_alloc",
					  "memalign",
					  "valloc",
					  "pvalloc",
					  "memset",
					  "memcpy",
					  "memmove",
					  "mempcpy",
					  "__mem*",
					  "__str*",
					  "__wmem*",
					  "strdup",
					  "strndup",
					  "_int_malloc",
					  "_int_realloc",
					  "_int_free",
					  "_int_memalign",
					  "_mid_memalign",
					  "sysmalloc*",
					  "systrim*",
					  "malloc_consolidate",
					  "unlink_chunk*",
					  "tcache_*",
					  "alloc_perturb",
					  "new_heap",
					  "grow_heap",
					  "arena_get2*",
					  "ptmalloc_init*",
					  "__libc_*",
					  "__GI_*",
					  "__morecore",
					  "brk",
					  "__brk",
					  "sbrk",
					  "__sbrk",
					  "mmap",
					  "mmap64",
					  "__mmap*",
					  "mremap",
					  "__mremap",
					  "madvise",
					  "__madvise",
					  "clear_page*",
					  "_start",
					  "_init",
					  "_dl_*",
					  "start_thread",
					  "clone",
					  "__clone*",
					  "clone3",
					  "_IO_*",
					  "asprintf",
					  "vasprintf",
					  "__vasprintf*",
					  "getline",
					  "getdelim",
					  "getwline",
					  "fopen",
					  "fopen64",
					  "fdopen",
					  "fread",
					  "fread_unlocked",
					  "fwrite",
					  "fwrite_unlocked",
					  "fgets",
					  "fputs",
					  "setvbuf",
					  "printf",
					  "fprintf",
					  "vprintf",
					  "vfprintf",
					  "snprintf",
					  "vsnprintf",
					  "__vfprintf_internal",
					  "printf_positional",
					  "qsort",
					  "qsort_r",
					  "__qsort_r",
					  "opendir",
					  "fdopendir",
					  "readdir",
					  "readdir64",
					  "scandir",
					  "scandir64",
					  "glob",
					  "glob64",
					  "regcomp",
					  "regexec",
					  "getaddrinfo",
					  "popen",
					  "fork",
					  "__fork",
					  "vfork",
					  "pthread_create*",
					  "__pthread_create*",
					  "allocate_stack*",
					  "allocate_thread_stack*",
					  "dlopen",
					  "dlsym",
					  "dlmopen",
					  "setlocale",
					  "open_memstream",
					  "read",
					  "pread",
					  "pread64",
					  "recv",
					  "recvfrom",
					  "recvmsg",
					  NULL};

static const struct row rows[RUNTIMES] = {
	[RUNTIME_C] =
		{
			.name = "the C library",
			.files = PATTERNS("libc.so.*", "libc-2.*.so", "ld-linux*.so.*", "ld-2.*.so",
					  "ld-musl-*", "libm.so.*", "libpthread*.so.*", "[[]vdso]",
					  "[[]vsyscall]"),
			.functions = c_functions,
		},
	[RUNTIME_ALLOCATOR] =
		{
			.name = "an allocator",
			.files = PATTERNS("libjemalloc.*", "libtcmalloc*", "libmimalloc*",
					  "libsnmalloc*", "librpmalloc*"),
			.functions = PATTERNS(
				"je_*", "_rjem_*", "tc_*", "mi_*", "_mi_*", "tcmalloc::*",
				"TCMalloc*", "(anonymous namespace)::do_malloc",
				"(anonymous namespace)::do_memalign", "snmalloc::*", "rpmalloc*",
				"rprealloc*", "rpcalloc*", "tikv_jemallocator::*",
				"jemallocator::*", "<tikv_jemallocator::*", "<jemallocator::*",
				"mimalloc::*", "<mimalloc::*"),
		},
	[RUNTIME_CPP] =
		{
			.name = "the C++ library",
			.files = PATTERNS("libstdc++.so.*", "libc++.so.*", "libc++abi.so.*",
					  "libgcc_s.so.*"),
			.functions = PATTERNS("operator new*", "operator delete*", "std::*",
					      "__gnu_cxx::*", "__cxxabiv1::*", "__cxa_*",
					      "*thunk to std::*", "_Unwind_*", "_GLOBAL__sub_*",
					      "__static_initialization_*"),
			.sources = PATTERNS("/usr/include/c++/*", "/usr/lib/llvm*/include/c++/*"),
		},
	[RUNTIME_RUST] =
		{
			.name = "Rust's library",
			/* Implementations ("<u32 as core::fmt::Display>::fmt"): is_rust_library(). */
			.functions = PATTERNS("core::*", "alloc::*", "std::*", "hashbrown::*",
					      "__rust_*", "__rdl_*", "__rg_*", "__rustc::*",
					      "__rustc[[]*", "rust_begin_unwind",
					      "rust_eh_personality", "lang_start*", "rust_oom",
					      "backtrace::*", "rustc_demangle::*"),
			.sources =
				PATTERNS("/rustc/*/library/*", "*/lib/rustlib/src/rust/library/*"),
		},
	[RUNTIME_GO] =
		{
			.name = "Go's runtime",
			/* The rest of its library: is_go_library(). */
			.functions = PATTERNS("runtime.*", "runtime/*", "_rt0_*", "crosscall*",
					      "_cgo_*", "x_cgo_*"),
			.signs = PATTERNS("runtime.*"),
		},
	[RUNTIME_ERLANG] = {.name = "Erlang's VM", .files = PATTERNS("beam.smp", "beam")},
	[RUNTIME_LUA] =
		{
			.name = "Lua",
			.files = PATTERNS("lua", "lua5*", "luajit*", "liblua*"),
		},
	[RUNTIME_PERL] = {.name = "Perl", .files = PATTERNS("perl", "perl5*", "libperl.so*")},
	[RUNTIME_PHP] =
		{
			.name = "PHP",
			/* Extensions are in C, too: opcache, those of the distribution. */
			.files = PATTERNS("php*", "libphp*", "*/php/*.so"),
			.spaces = php_spaces,
			.hint = php_hint,
		},
	[RUNTIME_RUBY] =
		{
			.name = "Ruby",
			.files = PATTERNS("ruby*", "libruby*"),
			.spaces = ruby_spaces,
			.hint = ruby_hint,
		},
	[RUNTIME_NET] =
		{
			.name = ".NET",
			.files = PATTERNS("libcoreclr.so", "libclr*.so", "libSystem.*.so",
					  "libhost*.so", "dotnet"),
		},
	[RUNTIME_JVM] =
		{
			.name = "the JVM",
			.files = PATTERNS("libjvm.so", "libjava.so", "libjimage.so", "libzip.so",
					  "libj9*.so", "libjli.so", "libnio.so", "libverify.so",
					  "libinstrument.so", "*/jvm/*/lib/*.so", "java"),
			/* As perf-map-agent, async-profiler and jcmd write them; its stubs. */
			.functions =
				PATTERNS("Ljava/*", "Ljavax/*", "Ljdk/*", "Lsun/*", "java/*",
					 "javax/*", "jdk/*", "sun/*", "* java.*(*", "* javax.*(*",
					 "* jdk.*(*", "* sun.*(*", "Interpreter", "call_stub",
					 "StubRoutines*", "* adapters", "vtable stub*",
					 "itable stub*", "* Runtime1 stub",
					 "nmethod stub*", "RuntimeStub *", "SafepointBlob*",
					 "DeoptimizationBlob*", "ExceptionBlob*",
					 "UncommonTrapBlob*", "_*_Java", "flush_icache_stub"),
			.code = "Java without names",
			.spaces = jvm_spaces,
			.hint = jvm_hint,
		},
	[RUNTIME_V8] =
		{
			.name = "V8",
			.files = PATTERNS("node", "nodejs", "libnode.so.*",
					  "libv8*", "deno", "electron"),
			.functions = PATTERNS("v8::*", "node::*", "cppgc::*", "heap::base::*",
					      "Builtin:*", "Builtins_*", "BytecodeHandler:*",
					      "Stub:*", "RegExp:*", "* node:*"),
			.code = "JavaScript without names",
			.spaces = v8_spaces,
			.hint = v8_hint,
		},
	[RUNTIME_PYTHON] =
		{
			.name = "CPython",
			.files =
				PATTERNS("libpython*", "python3*", "*/lib/python3.*/lib-dynload/*"),
			.functions = PATTERNS("_Py*", "Py*", "pymalloc_*", "py::<frozen*",
					      "py::*:<frozen *", "py::*:*/lib/python3.*/*"),
			.sources = PATTERNS("<frozen *", "*/lib/python3.*/*",
					    "*/lib/python3[0-9]*.zip/*"),
			.others = PATTERNS("*/site-packages/*", "*/dist-packages/*"),
			/* The first of them gives way to the program's own frames; then one of the others is there. */
			.signs = PATTERNS("_PyEval_EvalFrameDefault*", "_PyEval_Vector*",
					  "_PyFunction_Vectorcall*", "_PyEval_EvalCodeWithName*",
					  "PyEval_EvalCode*"),
		},
};

static bool matches(const char *const patterns[], const char *text)
{
	for (size_t i = 0; patterns && text && patterns[i]; i++)
		if (fnmatch(patterns[i], text, 0) == 0)
			return true;
	return false;
}

const char *runtime_name(enum runtime runtime)
{
	return rows[runtime].name;
}

const char *runtime_code(enum runtime runtime)
{
	return rows[runtime].code;
}

const char *runtime_hint(enum runtime runtime)
{
	return rows[runtime].hint;
}

const char *runtime_space(enum runtime runtime, const char *function, unsigned int *ret_rank)
{
	const struct space *spaces = rows[runtime].spaces;

	for (unsigned int i = 0; spaces && spaces[i].words; i++) {
		if (!matches(spaces[i].functions, function))
			continue;
		*ret_rank = i;
		return spaces[i].words;
	}
	return NULL;
}

enum runtime runtime_of_file(const char *path)
{
	const char *slash = path ? strrchr(path, '/') : NULL;
	const char *name = slash ? slash + 1 : path;

	for (enum runtime i = RUNTIME_NONE; i < RUNTIMES; i++)
		if (matches(rows[i].files, name) || matches(rows[i].files, path))
			return i;
	return RUNTIME_NONE;
}

bool runtime_owns_files(enum runtime runtime)
{
	return rows[runtime].files;
}

enum runtime runtime_of_sign(const char *function)
{
	for (enum runtime i = RUNTIME_NONE; i < RUNTIMES; i++)
		if (matches(rows[i].signs, function))
			return i;
	return RUNTIME_NONE;
}

/*
 * Go's names begin with the path of their package. The standard library's has no dot in its first
 * part, and a program's own code is in "main" or below a domain.
 */
static bool is_go_library(const char *name)
{
	size_t part = strcspn(name, "/");
	bool in_path = name[part] == '/';

	if (strncmp(name, "main.", 5) == 0)
		return false;
	return !in_path || !memchr(name, '.', part);
}

/* A path within Rust's own crates; a name without any path is a primitive type or a parameter. */
static bool is_rust_path(const char *path, size_t length)
{
	static const char *const crates[] = {"core::", "alloc::", "std::", "hashbrown::"};

	for (size_t i = 0; i < ARRAY_SIZE(crates); i++)
		if (length >= strlen(crates[i]) && !strncmp(path, crates[i], strlen(crates[i])))
			return true;
	return !memmem(path, length, "::", 2);
}

/* Where the angle bracket that the name begins with is closed, and its " as ", if there is one; -1: no such place. */
static void find_parts(const char *name, ptrdiff_t *ret_as, ptrdiff_t *ret_end)
{
	size_t depth = 0;

	*ret_as = *ret_end = -1;
	for (const char *c = name; *c; c++) {
		if (strchr("<([", *c))
			depth++;
		else if (strchr(")]", *c) || (*c == '>' && c[-1] != '-'))
			depth--;
		else if (depth == 1 && *ret_as < 0 && strncmp(c, " as ", 4) == 0)
			*ret_as = c - name;
		if (depth == 0) {
			*ret_end = c - name;
			return;
		}
	}
}

/* References are of the crate of what they refer to; slices, tuples and pointers are Rust's. */
static bool is_rust_type(const char *type, size_t length)
{
	static const char *const prefixes[] = {"&", "mut ", "dyn "};

	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++) {
		size_t prefix = strlen(prefixes[i]);

		if (length > prefix && strncmp(type, prefixes[i], prefix) == 0) {
			type += prefix;
			length -= prefix;
		}
	}
	return strchr("*[(!", *type) || is_rust_path(type, MIN(length, strcspn(type, "<")));
}

/*
 * "<TYPE as TRAIT>::method", or "<TYPE>::method". An implementation is in the crate of the type or in
 * that of the trait: if both are Rust's, it is Rust's. So it is of traits of alloc, which are
 * implemented there for all types that have another.
 */
static bool is_rust_library(const char *name)
{
	ptrdiff_t as, end;
	const char *trait;

	if (name[0] != '<')
		return false;
	find_parts(name, &as, &end);
	if (end < 0)
		return false;
	if (as < 0)
		return is_rust_type(name + 1, (size_t)end - 1);
	trait = name + as + strlen(" as ");
	if (strncmp(trait, "alloc::", 7) == 0)
		return true;
	return is_rust_type(name + 1, (size_t)as - 1) &&
	       is_rust_path(trait, MIN((size_t)(name + end - trait), strcspn(trait, "<")));
}

static bool is_of(enum runtime runtime, const char *function, const char *source)
{
	const struct row *row = &rows[runtime];

	return (matches(row->functions, function) || matches(row->sources, source)) &&
	       !matches(row->others, function) && !matches(row->others, source);
}

enum runtime runtime_of_function(enum runtime file, const char *function, const char *source)
{
	if (file == RUNTIME_GO && is_go_library(function))
		return RUNTIME_GO;
	for (enum runtime i = RUNTIME_NONE; i < RUNTIMES; i++)
		if (is_of(i, function, source))
			return i;
	return is_rust_library(function) ? RUNTIME_RUST : RUNTIME_NONE;
}

enum runtime runtime_of_script(const char *source)
{
	return is_of(RUNTIME_PYTHON, NULL, source) ? RUNTIME_PYTHON : RUNTIME_NONE;
}

bool runtime_is_package(const char *path)
{
	return matches(rows[RUNTIME_PYTHON].others, path);
}

bool runtime_is_package_script(const char *source)
{
	return runtime_is_package(source) || (source && fnmatch("*/bin/*", source, 0) == 0);
}
