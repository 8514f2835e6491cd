/* SPDX-License-Identifier: BSD-2-Clause */
#include "unit/symbols_run.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <gelf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define BASE 0x7f1200000000ULL
#define STACK 0x7ffc00001000ULL
#define PAGE 0x1000ULL

/* --- a program ----------------------------------------------------------------------------- */

static const char *helper_path(void)
{
	const char *path = getenv("APOPTOSIS_SYMBOLS");

	cr_assert_not_null(path, "APOPTOSIS_SYMBOLS is not set: use make unit");
	return path;
}

static Elf *open_elf(const struct program *program)
{
	Elf *elf;

	elf_version(EV_CURRENT);
	elf = elf_memory((char *)program->bytes, program->size);
	cr_assert_not_null(elf);
	return elf;
}

static void find_segment(struct program *program)
{
	Elf *elf = open_elf(program);
	GElf_Phdr segment;

	for (int i = 0; gelf_getphdr(elf, i, &segment); i++) {
		uint64_t skew = segment.p_vaddr % PAGE;

		if (segment.p_type != PT_LOAD || !(segment.p_flags & PF_X))
			continue;
		program->bias = BASE;
		program->start = BASE + segment.p_vaddr - skew;
		program->end = (BASE + segment.p_vaddr + segment.p_memsz + PAGE - 1) & ~(PAGE - 1);
		program->offset = segment.p_offset - skew;
	}
	elf_end(elf);
	cr_assert(program->start);
}

struct program program_read_file(const char *path)
{
	struct program program = {};
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat info;

	cr_assert(fd >= 0 && fstat(fd, &info) == 0, "%s: %m", path);
	program.size = (size_t)info.st_size;
	program.bytes = malloc(program.size);
	cr_assert_eq(read(fd, program.bytes, program.size), (ssize_t)program.size);
	close(fd);
	find_segment(&program);
	return program;
}

struct program program_read(void)
{
	return program_read_file(helper_path());
}

void program_free(struct program *program)
{
	free(program->bytes);
}

static Elf_Scn *find_section(Elf *elf, const char *name, GElf_Shdr *ret)
{
	size_t names;

	cr_assert_eq(elf_getshdrstrndx(elf, &names), 0);
	for (Elf_Scn *section = elf_nextscn(elf, NULL); section;
	     section = elf_nextscn(elf, section)) {
		const char *found;

		cr_assert_not_null(gelf_getshdr(section, ret));
		found = elf_strptr(elf, names, ret->sh_name);
		if (found && strcmp(found, name) == 0)
			return section;
	}
	return NULL;
}

bool program_section(const struct program *program, const char *name, size_t *ret_offset,
		     size_t *ret_size)
{
	Elf *elf = open_elf(program);
	GElf_Shdr header;
	bool found = find_section(elf, name, &header);

	elf_end(elf);
	if (found) {
		*ret_offset = header.sh_offset;
		*ret_size = header.sh_size;
	}
	return found;
}

uint64_t program_function(const struct program *program, const char *name)
{
	Elf *elf = open_elf(program);
	GElf_Shdr header;
	Elf_Scn *section = find_section(elf, ".symtab", &header);
	Elf_Data *data = section ? elf_getdata(section, NULL) : NULL;
	uint64_t found = 0;
	GElf_Sym symbol;

	cr_assert_not_null(data);
	for (int i = 0; gelf_getsym(data, i, &symbol); i++) {
		const char *its = elf_strptr(elf, header.sh_link, symbol.st_name);

		if (its && strcmp(its, name) == 0)
			found = program->bias + symbol.st_value;
	}
	elf_end(elf);
	cr_assert(found, "no function %s", name);
	return found;
}

struct apo_stack stack_at(uint64_t pc, uint64_t caller)
{
	struct apo_stack stack = {.sp = STACK, .bytes = APO_STACK_BYTES};

#if defined(__x86_64__)
	stack.registers[16] = pc;
	stack.registers[19] = stack.sp;
	memcpy(stack.copy, &caller, sizeof(caller));
#elif defined(__aarch64__)
	stack.registers[30] = caller;
	stack.registers[31] = stack.sp;
	stack.registers[32] = pc;
#endif
	return stack;
}

/* --- the helper ---------------------------------------------------------------------------- */

int memory_file(const void *bytes, size_t size)
{
	int fd = memfd_create("test", 0);

	cr_assert(fd >= 0);
	cr_assert_eq(write(fd, bytes, size), (ssize_t)size);
	cr_assert_eq(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

static char *text_of(int fd)
{
	off_t size = lseek(fd, 0, SEEK_END);
	char *text = calloc(1, (size_t)size + 1);

	cr_assert(text && size >= 0);
	cr_assert_eq(pread(fd, text, (size_t)size, 0), size);
	return text;
}

static _Noreturn void exec_helper(int in, int out, int err, int without)
{
	char *const argv[] = {"apoptosis-symbols", NULL};
	/* Its thread for leaks may not be started; what it holds it needs to its end. */
	char *const envp[] = {"ASAN_OPTIONS=detect_leaks=0", NULL};

	if (without >= 0)
		prctl(PR_CAPBSET_DROP, without, 0, 0, 0);
	if (dup2(in, STDIN_FILENO) == STDIN_FILENO && dup2(out, STDOUT_FILENO) == STDOUT_FILENO &&
	    dup2(err, STDERR_FILENO) == STDERR_FILENO)
		execve(helper_path(), argv, envp);
	_exit(99);
}

struct run_result symbols_run_text(const char *request, int without)
{
	int in = memory_file(request, strlen(request));
	int out = memory_file("", 0), err = memory_file("", 0);
	struct run_result result = {};
	struct rusage usage;
	char *text;
	pid_t pid = fork();

	cr_assert(pid >= 0);
	if (pid == 0)
		exec_helper(in, out, err, without);
	cr_assert_eq(wait4(pid, &result.status, 0, &usage), pid);
	result.cpu_s = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
		       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
	text = text_of(out);
	result.answer = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	free(text);
	result.complaint = text_of(err);
	close(in);
	close(out);
	close(err);
	return result;
}

struct run_result symbols_run(json_t *request)
{
	char *text = json_dumps(request, JSON_COMPACT);
	struct run_result result;

	cr_assert_not_null(text);
	result = symbols_run_text(text, -1);
	free(text);
	json_decref(request);
	return result;
}

void run_result_clear(struct run_result *result)
{
	json_decref(result->answer);
	free(result->complaint);
}
