// SPDX-License-Identifier: BSD-2-Clause
#include <elfutils/libdwelf.h>
#include <elfutils/libdwfl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/util.h"
#include "symbols/elf_names.h"
#include "symbols/symbols.h"

#define FILES_MAX 256
#define BUILD_ID_MAX 64 /* bytes; SHA-1 has 20 */
#define THREAD 1	/* the id that libdwfl asks for; any number */

struct file {
	Dwfl_Module *module;
	struct elf_names *names; /* NULL: no memory */
	struct go_table *go;
	uint64_t bias; /* addresses in the process minus those in the file */
	int debug_fd;  /* where its names are kept apart; -1: nowhere */
	char build_id[2 * BUILD_ID_MAX + 1];
};

struct code {
	Dwfl *dwfl;
	bool reported; /* no file is added any more */
	bool attached;
	struct file files[FILES_MAX];
	size_t count;
	const struct apo_stack *stack; /* the one that is being unwound */
};

/* --- files --------------------------------------------------------------------------------- */

/* Debug information is taken from the file itself, or what came with it; it is not searched for here. */
static int find_given(Dwfl_Module *module, void **userdata, const char *name, Dwarf_Addr base,
		      const char *file_name, const char *link, GElf_Word crc, char **ret_name)
{
	struct file *file = *userdata;

	(void)module, (void)name, (void)base;
	(void)file_name, (void)link, (void)crc, (void)ret_name;
	return file ? TAKE_FD(file->debug_fd) : -1;
}

static int find_no_elf(Dwfl_Module *module, void **userdata, const char *name, Dwarf_Addr base,
		       char **ret_name, Elf **ret_elf)
{
	(void)module, (void)userdata, (void)name, (void)base, (void)ret_name, (void)ret_elf;
	return -1;
}

static const Dwfl_Callbacks callbacks = {
	.find_elf = find_no_elf,
	.find_debuginfo = find_given,
};

struct code *code_new(void)
{
	struct code *code = calloc(1, sizeof(*code));

	if (!code)
		return NULL;
	code->dwfl = dwfl_begin(&callbacks);
	if (code->dwfl)
		return code;
	free(code);
	return NULL;
}

struct code *code_free(struct code *code)
{
	if (!code)
		return NULL;
	for (size_t i = 0; i < code->count; i++) {
		elf_names_free(code->files[i].names);
		close_fd(code->files[i].debug_fd);
		go_table_close(code->files[i].go);
	}
	dwfl_end(code->dwfl);
	free(code);
	return NULL;
}

/* How far the file's addresses are moved, from the segment that holds what is mapped. */
static bool find_bias(Elf *elf, uint64_t start, uint64_t offset, uint64_t *ret)
{
	size_t count;

	if (elf_getphdrnum(elf, &count))
		return false;
	for (size_t i = 0; i < count; i++) {
		GElf_Phdr segment;

		if (!gelf_getphdr(elf, (int)i, &segment) || segment.p_type != PT_LOAD)
			continue;
		/* Mappings begin at whole pages, up to 64 KiB before the segment. */
		if (offset + 0x10000 <= segment.p_offset ||
		    offset >= segment.p_offset + segment.p_filesz)
			continue;
		if (!(segment.p_flags & PF_X))
			continue;
		*ret = start - (segment.p_vaddr - segment.p_offset + offset);
		return true;
	}
	return false;
}

static void read_build_id(struct file *file)
{
	const unsigned char *bits;
	GElf_Addr address;
	int size = dwfl_module_build_id(file->module, &bits, &address);

	for (int i = 0; i < size && i < BUILD_ID_MAX; i++)
		snprintf(file->build_id + 2 * (size_t)i, 3, "%02x", bits[i]);
}

/* Go's own table, for programs whose symbols have been stripped. */
static void find_go_table(struct file *file)
{
	const uint8_t *table = NULL;
	size_t names, table_size = 0;
	uint64_t text = 0;
	GElf_Addr bias;
	Elf *elf = dwfl_module_getelf(file->module, &bias);

	if (!elf || elf_getshdrstrndx(elf, &names))
		return;
	for (Elf_Scn *section = elf_nextscn(elf, NULL); section;
	     section = elf_nextscn(elf, section)) {
		GElf_Shdr header;
		const char *name = gelf_getshdr(section, &header)
					   ? elf_strptr(elf, names, header.sh_name)
					   : NULL;
		Elf_Data *data;

		if (!name)
			continue;
		if (strcmp(name, ".text") == 0)
			text = header.sh_addr;
		if (strcmp(name, ".gopclntab") != 0 && strcmp(name, ".data.rel.ro.gopclntab") != 0)
			continue;
		data = elf_rawdata(section, NULL);
		table = data ? data->d_buf : NULL;
		table_size = data ? data->d_size : 0;
	}
	if (table)
		file->go = go_table_open(table, table_size, text);
}

bool code_add(struct code *code, int fd, uint64_t start, uint64_t offset, const char **ret_error)
{
	bool ok = code->count < FILES_MAX && !code->reported;
	struct file file = {.debug_fd = -1};
	Elf *elf = NULL;
	char name[24];

	*ret_error = "it is no ELF file that can be read";
	elf_version(EV_CURRENT);
	if (ok)
		elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
	ok = elf && find_bias(elf, start, offset, &file.bias);
	elf_end(elf);
	snprintf(name, sizeof(name), "file%zu", code->count);
	/* For a program at a fixed address libdwfl ignores this base: its own is the same. */
	if (ok)
		file.module = dwfl_report_elf(code->dwfl, name, name, fd, file.bias, true);
	if (!file.module) {
		close_fd(fd);
		return false;
	}
	code->files[code->count++] = file;
	*ret_error = NULL;
	return true;
}

/* 0: it has none. */
static ssize_t build_id_of(int fd, unsigned char ret[BUILD_ID_MAX])
{
	Elf *elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
	const void *bits;
	ssize_t size = elf ? dwelf_elf_gnu_build_id(elf, &bits) : 0;

	if (size > BUILD_ID_MAX)
		size = 0;
	if (size > 0)
		memcpy(ret, bits, (size_t)size);
	elf_end(elf);
	return MAX(size, 0);
}

void code_add_debug(struct code *code, int fd)
{
	struct file *file = code->count ? &code->files[code->count - 1] : NULL;
	unsigned char id[BUILD_ID_MAX];
	const unsigned char *its;
	void **userdata = NULL;
	GElf_Addr address;
	ssize_t size;

	if (fd < 0)
		return;
	size = file ? build_id_of(fd, id) : 0;
	if (!size || dwfl_module_build_id(file->module, &its, &address) != (int)size ||
	    memcmp(its, id, (size_t)size) != 0) {
		close_fd(fd);
		return;
	}
	dwfl_module_info(file->module, &userdata, NULL, NULL, NULL, NULL, NULL, NULL);
	*userdata = file;
	file->debug_fd = fd;
}

/* Ends the adding of files, at the first use of them. */
static void report(struct code *code)
{
	if (code->reported)
		return;
	code->reported = true;
	dwfl_report_end(code->dwfl, NULL, NULL);
	for (size_t i = 0; i < code->count; i++) {
		read_build_id(&code->files[i]);
		find_go_table(&code->files[i]);
		code->files[i].names = elf_names_new(code->files[i].module);
	}
}

static struct file *file_at(struct code *code, uint64_t address)
{
	Dwfl_Module *module = dwfl_addrmodule(code->dwfl, address);

	for (size_t i = 0; module && i < code->count; i++)
		if (code->files[i].module == module)
			return &code->files[i];
	return NULL;
}

const char *code_build_id(struct code *code, uint64_t address)
{
	const struct file *file = file_at(code, address);

	return file && file->build_id[0] ? file->build_id : NULL;
}

/* --- symbols and data ---------------------------------------------------------------------- */

static bool has_symbol(Dwfl_Module *module, const char *name, uint64_t *ret_address)
{
	int count = dwfl_module_getsymtab(module);

	for (int i = 1; i < count; i++) {
		GElf_Sym symbol;
		GElf_Addr address;
		const char *found =
			dwfl_module_getsym_info(module, i, &symbol, &address, NULL, NULL, NULL);

		if (found && symbol.st_shndx != SHN_UNDEF && strcmp(found, name) == 0) {
			*ret_address = address;
			return true;
		}
	}
	return false;
}

bool code_symbol(struct code *code, const char *name, uint64_t *ret_address)
{
	report(code);
	for (size_t i = 0; i < code->count; i++)
		if (has_symbol(code->files[i].module, name, ret_address))
			return true;
	return false;
}

bool code_data(struct code *code, uint64_t address, void *ret, size_t size)
{
	const struct file *file = file_at(code, address);
	GElf_Addr bias = 0;
	Elf *elf = file ? dwfl_module_getelf(file->module, &bias) : NULL;
	GElf_Phdr segment;
	uint64_t at = address - bias;

	for (int i = 0; elf && gelf_getphdr(elf, i, &segment); i++) {
		Elf_Data *data;

		if (segment.p_type != PT_LOAD || at < segment.p_vaddr ||
		    at - segment.p_vaddr > sat_sub(segment.p_filesz, size))
			continue;
		data = elf_getdata_rawchunk(elf, (int64_t)(segment.p_offset + at - segment.p_vaddr),
					    size, ELF_T_BYTE);
		if (!data || data->d_size < size)
			return false;
		memcpy(ret, data->d_buf, size);
		return true;
	}
	return false;
}

/* --- unwinding ----------------------------------------------------------------------------- */

static pid_t next_thread(Dwfl *dwfl, void *userdata, void **ret_thread)
{
	(void)dwfl;
	if (*ret_thread)
		return 0;
	*ret_thread = userdata;
	return THREAD;
}

static bool get_thread(Dwfl *dwfl, pid_t tid, void *userdata, void **ret_thread)
{
	(void)dwfl, (void)tid;
	*ret_thread = userdata;
	return true;
}

/* Reads from the copy alone: code and data of the program are no stack. */
static bool read_memory(Dwfl *dwfl, Dwarf_Addr address, Dwarf_Word *ret, void *userdata)
{
	const struct apo_stack *stack = ((struct code *)userdata)->stack;
	uint64_t offset = address - stack->sp;
	uint64_t bytes = MIN((uint64_t)stack->bytes, (uint64_t)sizeof(stack->copy));

	(void)dwfl;
	if (address < stack->sp || bytes < sizeof(*ret) || offset > bytes - sizeof(*ret))
		return false;
	memcpy(ret, stack->copy + offset, sizeof(*ret));
	return true;
}

#if defined(__x86_64__)
#define PC_WORD 16
#elif defined(__aarch64__)
#define PC_WORD 32
#else
#define PC_WORD 0
#endif

static bool set_registers(Dwfl_Thread *thread, void *userdata)
{
	const __u64 *saved = ((struct code *)userdata)->stack->registers;
#if defined(__x86_64__)
	/* Where the n-th register of DWARF is in struct pt_regs: rax, rdx, rcx, rbx, ... rip. */
	static const int places[] = {10, 12, 11, 5, 13, 14, 4, 19, 9, 8, 7, 6, 3, 2, 1, 0, PC_WORD};
	Dwarf_Word registers[ARRAY_SIZE(places)];

	for (size_t i = 0; i < ARRAY_SIZE(places); i++)
		registers[i] = saved[places[i]];
	return dwfl_thread_state_registers(thread, 0, ARRAY_SIZE(registers), registers);
#elif defined(__aarch64__)
	Dwarf_Word registers[32]; /* x0 to x30, sp */

	memcpy(registers, saved, sizeof(registers));
	dwfl_thread_state_register_pc(thread, saved[PC_WORD]);
	return dwfl_thread_state_registers(thread, 0, ARRAY_SIZE(registers), registers);
#else
	(void)thread, (void)saved;
	return false;
#endif
}

static const Dwfl_Thread_Callbacks thread_callbacks = {
	.next_thread = next_thread,
	.get_thread = get_thread,
	.memory_read = read_memory,
	.set_initial_registers = set_registers,
};

struct walk {
	bool (*is_code)(uint64_t address, const void *userdata);
	const void *userdata;
	struct frame *frames;
	size_t count;
};

static int on_frame(Dwfl_Frame *state, void *userdata)
{
	struct walk *walk = userdata;
	bool is_activation = false;
	Dwarf_Addr address;

	if (walk->count == FRAMES_MAX || !dwfl_frame_pc(state, &address, &is_activation) ||
	    !walk->is_code(address - !is_activation, walk->userdata))
		return DWARF_CB_ABORT;
	walk->frames[walk->count++] =
		(struct frame){.address = address, .is_return = !is_activation};
	return DWARF_CB_OK;
}

/*
 * Steps out of a function that is in no table and has no frame of its own, as some in assembly: its
 * return address is on top of the stack, or in the link register.
 */
static bool step_out_of_leaf(const struct apo_stack *stack, struct apo_stack *ret)
{
#if defined(__x86_64__)
	enum { SP = 19 };

	*ret = *stack;
	memcpy(&ret->registers[PC_WORD], stack->copy, sizeof(ret->registers[PC_WORD]));
	ret->registers[SP] += sizeof(ret->registers[PC_WORD]);
	return stack->bytes >= sizeof(ret->registers[PC_WORD]);
#elif defined(__aarch64__)
	enum { LR = 30 };

	*ret = *stack;
	ret->registers[PC_WORD] = stack->registers[LR];
	return true;
#else
	(void)stack, (void)ret;
	return false;
#endif
}

static void walk_frames(struct code *code, const struct apo_stack *stack, struct walk *walk)
{
	code->stack = stack;
	if (code->attached)
		dwfl_getthread_frames(code->dwfl, THREAD, on_frame, walk);
}

size_t code_unwind(struct code *code, const struct apo_stack *stack,
		   bool (*is_code)(uint64_t address, const void *userdata), const void *userdata,
		   struct frame frames[FRAMES_MAX])
{
	struct walk walk = {.is_code = is_code, .userdata = userdata, .frames = frames};
	static struct apo_stack outer;

	report(code);
	if (!code->attached)
		code->attached =
			dwfl_attach_state(code->dwfl, NULL, THREAD, &thread_callbacks, code);
	walk_frames(code, stack, &walk);
	/* libdwfl finds no frame at all where no file can be read. */
	if (!walk.count && is_code(stack->registers[PC_WORD], userdata))
		frames[walk.count++] = (struct frame){.address = stack->registers[PC_WORD]};
	if (walk.count == 1 && step_out_of_leaf(stack, &outer)) {
		walk_frames(code, &outer, &walk);
		if (walk.count > 1)
			frames[1].is_return = true;
	}
	return walk.count;
}

/* --- names --------------------------------------------------------------------------------- */

void code_find(struct code *code, const struct frame *frame, struct symbol_list *ret)
{
	uint64_t address = frame->address - frame->is_return;
	const struct file *file = file_at(code, address);

	*ret = (struct symbol_list){};
	if (!file)
		return;
	if (file->names)
		elf_names_find(file->names, address, ret);
	if (!ret->count && file->go)
		ret->count = go_table_find(file->go, address - file->bias, &ret->symbols[0]);
}
