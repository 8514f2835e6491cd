/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * relocate [-v] IMAGE: user/source/ loads the kernel side into a kernel that is not running.
 * IMAGE is an uncompressed kernel, or a BTF file. bpf(2) and the kernel's BTF are answered here, so
 * it takes neither root nor BPF, nor that kernel's architecture. libbpf puts an impossible call in
 * place of whatever this kernel does not have; where such a call can be reached, that kernel's
 * verifier would refuse the program, and it is said which line asks for it. Ends with 0 if none is.
 */
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <dlfcn.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"
#include "base/util.h"
#include "source/rss.h"
#include "source/source.h"

#define MAX_FDS 1024
#define MAX_LACKS 4096
#define MAX_HELPER 100000 /* libbpf's impossible calls are far above, the kernel's helpers below */

static struct {
	const void *btf_data;
	uint32_t btf_size;
	bool fentry;		     /* whether this kernel lets fentry attach */
	struct btf *btf_of[MAX_FDS]; /* the programs' own, by the descriptor given for it */
	unsigned int programs, wrong;
} kernel;

/* --- what can be reached -------------------------------------------------------------------- */

struct value {
	bool known;
	uint64_t bits;
};

/* What is known whenever control gets to an instruction, by any way. */
struct state {
	bool reached, queued;
	struct value r[MAX_BPF_REG];
};

struct walk {
	const struct bpf_insn *insns;
	uint32_t count;
	struct state *states;
	uint32_t *queue;
	uint32_t queued;
};

static void flow_to(struct walk *walk, int64_t to, const struct value r[MAX_BPF_REG])
{
	struct state *state;
	bool news;

	if (to < 0 || to >= walk->count)
		return;
	state = &walk->states[to];
	news = !state->reached;
	for (int i = 0; i < MAX_BPF_REG; i++) {
		if (!state->reached) {
			state->r[i] = r[i];
		} else if (state->r[i].known && !(r[i].known && r[i].bits == state->r[i].bits)) {
			state->r[i].known = false;
			news = true;
		}
	}
	state->reached = true;
	if (news && !state->queued) {
		state->queued = true;
		walk->queue[walk->queued++] = to;
	}
}

static struct value calculate(const struct bpf_insn *insn, struct value a, struct value b)
{
	bool narrow = BPF_CLASS(insn->code) == BPF_ALU;
	struct value result = {.known = a.known && b.known};
	unsigned int bits = narrow ? 32 : 64;

	switch (BPF_OP(insn->code)) {
	case BPF_MOV:
		result = b;
		break;
	case BPF_ADD:
		result.bits = a.bits + b.bits;
		break;
	case BPF_SUB:
		result.bits = a.bits - b.bits;
		break;
	case BPF_AND:
		result.bits = a.bits & b.bits;
		break;
	case BPF_OR:
		result.bits = a.bits | b.bits;
		break;
	case BPF_XOR:
		result.bits = a.bits ^ b.bits;
		break;
	case BPF_LSH:
		result.bits = a.bits << b.bits % bits;
		break;
	case BPF_RSH:
		result.bits = (narrow ? (uint32_t)a.bits : a.bits) >> b.bits % bits;
		break;
	default:
		result.known = false;
	}
	if (narrow)
		result.bits = (uint32_t)result.bits;
	return result;
}

static bool is_taken(const struct bpf_insn *insn, uint64_t a, uint64_t b)
{
	int64_t sa = a, sb = b;

	if (BPF_CLASS(insn->code) == BPF_JMP32) {
		a = (uint32_t)a;
		b = (uint32_t)b;
		sa = (int32_t)a;
		sb = (int32_t)b;
	}
	switch (BPF_OP(insn->code)) {
	case BPF_JEQ:
		return a == b;
	case BPF_JNE:
		return a != b;
	case BPF_JGT:
		return a > b;
	case BPF_JGE:
		return a >= b;
	case BPF_JLT:
		return a < b;
	case BPF_JLE:
		return a <= b;
	case BPF_JSGT:
		return sa > sb;
	case BPF_JSGE:
		return sa >= sb;
	case BPF_JSLT:
		return sa < sb;
	case BPF_JSLE:
		return sa <= sb;
	default:
		return (a & b) != 0; /* BPF_JSET */
	}
}

static void step_jump(struct walk *walk, uint32_t at, struct value r[MAX_BPF_REG])
{
	const struct value none[MAX_BPF_REG] = {};
	const struct bpf_insn *insn = &walk->insns[at];
	struct value a = r[insn->dst_reg],
		     b = {.known = true, .bits = (uint64_t)(int64_t)insn->imm};

	switch (BPF_OP(insn->code)) {
	case BPF_EXIT:
		return;
	case BPF_JA:
		flow_to(walk, (int64_t)at + 1 + insn->off, r);
		return;
	case BPF_CALL:
		if (insn->src_reg == BPF_PSEUDO_CALL)
			flow_to(walk, (int64_t)at + 1 + insn->imm, none);
		memset(r, 0, sizeof(*r) * BPF_REG_6); /* the others are kept over calls */
		flow_to(walk, (int64_t)at + 1, r);
		return;
	}
	if (BPF_SRC(insn->code) == BPF_X)
		b = r[insn->src_reg];
	if (!a.known || !b.known || is_taken(insn, a.bits, b.bits))
		flow_to(walk, (int64_t)at + 1 + insn->off, r);
	if (!a.known || !b.known || !is_taken(insn, a.bits, b.bits))
		flow_to(walk, (int64_t)at + 1, r);
}

static void step(struct walk *walk, uint32_t at)
{
	const struct value none[MAX_BPF_REG] = {};
	const struct bpf_insn *insn = &walk->insns[at];
	struct value r[MAX_BPF_REG],
		operand = {.known = true, .bits = (uint64_t)(int64_t)insn->imm};
	bool wide = insn->code == (BPF_LD | BPF_IMM | BPF_DW);

	memcpy(r, walk->states[at].r, sizeof(r));
	switch (BPF_CLASS(insn->code)) {
	case BPF_JMP:
	case BPF_JMP32:
		step_jump(walk, at, r);
		return;
	case BPF_ALU:
	case BPF_ALU64:
		if (BPF_SRC(insn->code) == BPF_X)
			operand = r[insn->src_reg];
		r[insn->dst_reg] = calculate(insn, r[insn->dst_reg], operand);
		break;
	case BPF_LD:
		r[insn->dst_reg].known = wide && insn->src_reg == 0;
		if (wide)
			r[insn->dst_reg].bits = (uint32_t)insn->imm | (uint64_t)insn[1].imm << 32;
		if (wide && insn->src_reg == BPF_PSEUDO_FUNC)
			flow_to(walk, (int64_t)at + 1 + insn->imm, none);
		break;
	case BPF_LDX:
		r[insn->dst_reg].known = false;
		break;
	}
	flow_to(walk, (int64_t)at + (wide ? 2 : 1), r);
}

/* --- what libbpf said ----------------------------------------------------------------------- */

/* "prog 'P': relo #1: <byte_off> [7] struct s.field (0:1 @ offset 8)", then, if this kernel lacks
 * it, "prog 'P': relo #1: substituting insn #12 w/ invalid insn". P may be a subprogram. */
static struct {
	char function[64], what[128];
	unsigned int insn;
} lacks[MAX_LACKS];
static size_t lack_count;
static bool verbose;

void log_print(enum log_level level, const char *fmt, va_list args)
{
	static char what[sizeof(lacks->what)];
	char line[512], function[sizeof(lacks->function)];
	unsigned int insn;
	int end = 0;

	(void)level;
	vsnprintf(line, sizeof(line), fmt, args);
	if (verbose)
		fputs(line, stderr);
	if (sscanf(line, "libbpf: prog '%63[^']': relo #%*u: substituting insn #%u", function,
		   &insn) == 2) {
		if (lack_count < MAX_LACKS) {
			snprintf(lacks[lack_count].function, sizeof(function), "%s", function);
			snprintf(lacks[lack_count].what, sizeof(what), "%s", what);
			lacks[lack_count++].insn = insn;
		}
	} else if (sscanf(line, "libbpf: prog '%*[^']': relo #%*u: <%*[a-z_]> [%*u] %n", &end) >=
			   0 &&
		   end > 0) {
		char *details = strstr(line + end, " (");

		if (details)
			*details = 0;
		snprintf(what, sizeof(what), "%.127s", line + end);
	}
}

/* Of what the programs do once they are attached, which they are not here. */
void log_info(const char *fmt, ...)
{
	(void)fmt;
}

void log_debug(const char *fmt, ...)
{
	(void)fmt;
}

void log_never_wait(void)
{
}

void log_error(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
}

void log_warn(const char *fmt, ...)
{
	(void)fmt;
}

static const char *lack_find(const char *function, unsigned int insn)
{
	for (size_t i = lack_count; i-- > 0;) {
		if (strcmp(lacks[i].function, function) == 0 && lacks[i].insn == insn)
			return lacks[i].what;
	}
	return "something";
}

/* --- the programs --------------------------------------------------------------------------- */

static bool is_impossible(const struct bpf_insn *insn)
{
	if (insn->code != (BPF_JMP | BPF_CALL))
		return false;
	return insn->src_reg == 0 ? insn->imm > MAX_HELPER
				  : insn->src_reg == BPF_PSEUDO_KFUNC_CALL && insn->imm == 0;
}

/* The last record of an array, sorted by its first member, an instruction, that is not past `at`. */
static const void *record_at(uint64_t records, uint32_t count, uint32_t size, uint32_t at)
{
	const char *found = NULL;

	for (uint32_t i = 0; i < count; i++) {
		const char *record = (const char *)records + (size_t)i * size;

		if (*(const uint32_t *)record <= at)
			found = record;
	}
	return found;
}

static void say_where(const union bpf_attr *attr, uint32_t at)
{
	const struct bpf_line_info *line =
		record_at(attr->line_info, attr->line_info_cnt, attr->line_info_rec_size, at);
	const struct bpf_func_info *func =
		record_at(attr->func_info, attr->func_info_cnt, attr->func_info_rec_size, at);
	const struct btf *btf = attr->prog_btf_fd < MAX_FDS ? kernel.btf_of[attr->prog_btf_fd]
							    : NULL;
	const struct btf_type *type = btf && func ? btf__type_by_id(btf, func->type_id) : NULL;
	const char *function = type ? btf__str_by_offset(btf, type->name_off) : attr->prog_name;

	fprintf(stderr, "%s:%u: %s() needs %s, which this kernel has not (or not so)\n",
		btf && line ? btf__str_by_offset(btf, line->file_name_off) : "?",
		line ? BPF_LINE_INFO_LINE_NUM(line->line_col) : 0, function,
		lack_find(function, func ? at - func->insn_off : at));
}

static void check_program(const union bpf_attr *attr)
{
	const struct value none[MAX_BPF_REG] = {};
	struct walk walk = {.insns = (const void *)attr->insns, .count = attr->insn_cnt};

	kernel.programs++;
	walk.states = calloc(walk.count, sizeof(*walk.states));
	walk.queue = calloc(walk.count, sizeof(*walk.queue)); /* each instruction is in it once */
	if (!walk.states || !walk.queue)
		abort();
	flow_to(&walk, 0, none);
	while (walk.queued > 0) {
		uint32_t at = walk.queue[--walk.queued];

		walk.states[at].queued = false;
		step(&walk, at);
	}
	for (uint32_t at = 0; at < walk.count; at++) {
		if (walk.states[at].reached && is_impossible(&walk.insns[at])) {
			say_where(attr, at);
			kernel.wrong++;
		}
	}
	free(walk.states);
	free(walk.queue);
}

/* --- the kernel that is not there ----------------------------------------------------------- */

struct btf *btf__load_vmlinux_btf(void)
{
	return btf__new(kernel.btf_data, kernel.btf_size);
}

/* A descriptor that can be mapped, since libbpf maps global data. */
static int object_new(uint64_t size)
{
	int fd = memfd_create("object", MFD_CLOEXEC);

	if (fd >= 0 && (fd >= MAX_FDS || ftruncate(fd, (off_t)(size + (64 << 10))) < 0))
		abort();
	return fd;
}

static long answer(unsigned int command, const union bpf_attr *attr)
{
	int fd;

	switch (command) {
	case BPF_PROG_LOAD:
		check_program(attr);
		return object_new(0);
	case BPF_LINK_CREATE:
	case BPF_ITER_CREATE: /* reads as zeros */
		return object_new(0);
	case BPF_MAP_CREATE:
		return object_new((uint64_t)attr->max_entries * attr->value_size);
	case BPF_BTF_LOAD:
		fd = object_new(0);
		btf__free(kernel.btf_of[fd]);
		kernel.btf_of[fd] = btf__new((const void *)attr->btf, attr->btf_size);
		return fd;
	case BPF_RAW_TRACEPOINT_OPEN:
		if (kernel.fentry)
			return object_new(0);
		errno = EOPNOTSUPP;
		return -1;
	case BPF_MAP_UPDATE_ELEM:
	case BPF_MAP_FREEZE:
	case BPF_PROG_TEST_RUN:
	case BPF_PROG_BIND_MAP:
	case BPF_OBJ_GET_INFO_BY_FD:
		return 0;
	default:
		errno = ENOENT;
		return -1;
	}
}

/* libbpf's way to bpf(2). */
long syscall(long number, ...) /* NOLINT */
{
	long (*real)(long, ...) = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
	long a[6];
	va_list args;

	va_start(args, number);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(args, long);
	va_end(args);
	if (number == __NR_bpf)
		return answer((unsigned int)a[0], (const union bpf_attr *)a[1]);
	return real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

/* The last thing in the image that is BTF; only the whole of it satisfies btf__new(). */
static bool find_btf(const uint8_t *image, size_t size)
{
	for (size_t at = 0; at + sizeof(struct btf_header) <= size; at += 4) {
		const struct btf_header *header = (const void *)(image + at);
		uint64_t length;
		struct btf *btf;

		if (header->magic != BTF_MAGIC || header->version != BTF_VERSION ||
		    header->hdr_len < sizeof(*header))
			continue;
		length = (uint64_t)header->hdr_len + header->str_off + header->str_len;
		if (length > size - at || length < (1 << 20)) /* a kernel's has megabytes */
			continue;
		btf = btf__new(image + at, (uint32_t)length);
		if (!btf)
			continue;
		btf__free(btf);
		kernel.btf_data = image + at;
		kernel.btf_size = (uint32_t)length;
		return true;
	}
	return false;
}

static bool read_image(const char *path)
{
	FILE *file = fopen(path, "re");
	uint8_t *image = NULL;
	long size = -1;
	bool found;

	if (file && fseek(file, 0, SEEK_END) == 0)
		size = ftell(file);
	if (size > 0)
		image = malloc((size_t)size);
	if (!image) {
		perror(path);
		exit(2);
	}
	rewind(file);
	found = fread(image, 1, (size_t)size, file) == (size_t)size && find_btf(image, size);
	fclose(file);
	return found; /* the image stays, BTF points into it */
}

/* Loads everything once; says what failed. */
static bool load_all(void)
{
	const struct hook *growth = hook_find("on_rss_stat");
	struct kernel_features features = {};
	struct apo_rss rss;
	bool grows;
	int r;

	source_probe(&features);
	grows = features.hooks[growth - hooks];
	if (features.load_error)
		fprintf(stderr, "the programs do not load: %s\n", strerror(-features.load_error));
	if (!grows)
		fprintf(stderr, "this kernel has no tracepoint %s\n", growth->point);
	r = rss_read(1, 0, 1, &rss);
	if (r)
		fprintf(stderr, "the iterator does not load: %s\n", strerror(-r));
	return !features.load_error && grows && r == 0;
}

int main(int argc, char **argv)
{
	bool good = true;

	verbose = argc == 3 && strcmp(argv[1], "-v") == 0;
	if (argc != 2 && !verbose) {
		fprintf(stderr, "usage: relocate [-v] IMAGE\n");
		return 2;
	}
	if (!read_image(argv[argc - 1])) {
		fprintf(stderr, "%s: no BTF in it\n", argv[argc - 1]);
		return 2;
	}
	for (int i = 0; i < 2; i++) {
		kernel.fentry = i == 0;
		good &= load_all();
	}
	if (verbose)
		fprintf(stderr, "%u programs, %u wrong places\n", kernel.programs, kernel.wrong);
	return good && kernel.wrong == 0 ? 0 : 1;
}
