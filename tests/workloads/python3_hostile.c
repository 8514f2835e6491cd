/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * python3_hostile KIND: no Python. It is called like one, says of itself what CPython 3.14 says, and its structures
 * are what no interpreter would make. It waits for SIGUSR1, and then grows until SIGTERM. KIND:
 *
 *   loops     threads, interpreters and frames that are their own next ones
 *   others    a thousand threads, none of which is the one that grows
 *   deep      frames without end, each elsewhere
 *   nowhere   pointers to the kernel, to nothing and to what is no address
 *   large     texts and tables of 2^62 bytes, characters of 7
 *   types     code objects of another type
 *   random    any of it, anew before each allocation
 */
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define READY_FD 9
#define STATE_BYTES (20UL << 20)
#define BLOCK_BYTES (64UL << 10)
#define DEPTH (1UL << 20)
#define ARENA_WORDS 4096
#define KERNEL 0xffff888000001000UL
#define NO_ADDRESS 0x5a5a5a5a5a5a5a5aUL

/* Where the members are, as the words below say it. */
enum { RUNTIME_HEAD = 64 };
struct object {
	uint64_t word[16];
};
enum { NEXT, THREADS };		    /* of an interpreter */
enum { ID = 1, FRAME };		    /* of a thread, after its next one */
enum { CODE, PREVIOUS, AT, OWNER }; /* of a frame */
enum { TYPE = 1, FILE_NAME, NAME, LINES, FIRST_LINE, INSTRUCTIONS = 8 };
enum { SIZE = 2, STATE = 4 }; /* of a text, or bytes */
#define STATE_OF(kind, is_ascii) ((uint64_t)(kind) << 2 | (uint64_t)(is_ascii) << 6)

uint64_t PyCode_Type[4] = {1};
uint64_t _PyRuntime[128] = {
	[0] = 0x7970677562656478UL, /* "xdebugpy" */
	[1] = 0x30e08f0,
	[5] = RUNTIME_HEAD * 8,
	[8] = NEXT * 8,
	[9] = THREADS * 8,
	[24] = NEXT * 8,
	[26] = FRAME * 8,
	[27] = ID * 8,
	[32] = PREVIOUS * 8,
	[33] = CODE * 8,
	[34] = AT * 8,
	[36] = OWNER * 8,
	[40] = FILE_NAME * 8,
	[42] = NAME * 8,
	[43] = LINES * 8,
	[44] = FIRST_LINE * 8,
	[48] = INSTRUCTIONS * 8,
};

static volatile sig_atomic_t stopping;
static struct object interpreter, thread, frame, code, text, lines;
static uint64_t arena[ARENA_WORDS];
static uint64_t seed = 88172645463325252UL;

static uint64_t address(const void *object)
{
	return (uint64_t)(uintptr_t)object;
}

/* An interpreter that would be understood: one thread, this one, in one frame. */
static void make_whole(void)
{
	_PyRuntime[RUNTIME_HEAD] = address(&interpreter);
	interpreter.word[THREADS] = address(&thread);
	thread.word[ID] = (uint64_t)pthread_self();
	thread.word[FRAME] = address(&frame);
	frame.word[CODE] = address(&code);
	frame.word[AT] = address(&code.word[INSTRUCTIONS]);
	code.word[TYPE] = address(PyCode_Type);
	code.word[FILE_NAME] = code.word[NAME] = address(&text);
	code.word[LINES] = address(&lines);
	text.word[SIZE] = 4;
	text.word[STATE] = STATE_OF(1, 1);
	memcpy(&text.word[5], "evil", 4);
	lines.word[SIZE] = 2;
}

static void make_loops(void)
{
	interpreter.word[NEXT] = address(&interpreter);
	thread.word[NEXT] = address(&thread);
	frame.word[PREVIOUS] = address(&frame);
}

static void make_others(void)
{
	struct object *threads = calloc(1000, sizeof(*threads));

	for (size_t i = 0; threads && i < 1000; i++) {
		threads[i].word[NEXT] = i < 999 ? address(&threads[i + 1]) : 0;
	}
	interpreter.word[THREADS] = address(threads);
	interpreter.word[NEXT] = address(&interpreter);
}

static void make_deep(void)
{
	struct object *frames = calloc(DEPTH, sizeof(*frames));

	for (size_t i = 0; frames && i < DEPTH; i++) {
		frames[i] = frame;
		frames[i].word[AT] += 2 * (i % 4096);
		frames[i].word[PREVIOUS] = address(&frames[(i + 1) % DEPTH]);
	}
	thread.word[FRAME] = address(frames);
}

static void make_nowhere(void)
{
	static const uint64_t places[] = {KERNEL, 8, NO_ADDRESS, UINT64_MAX};

	seed++;
	frame.word[PREVIOUS] = places[seed % 4];
	code.word[NAME] = places[(seed + 1) % 4];
	code.word[FILE_NAME] = places[(seed + 2) % 4];
	code.word[LINES] = places[(seed + 3) % 4];
	if (seed % 3 == 0)
		thread.word[NEXT] = thread.word[ID] = KERNEL;
	else
		make_whole();
}

static void make_large(void)
{
	text.word[SIZE] = lines.word[SIZE] = 1UL << 62;
	text.word[STATE] = STATE_OF(7, 0);
	code.word[FIRST_LINE] = UINT64_MAX;
}

static void make_types(void)
{
	code.word[TYPE] = address(&code);
}

static uint64_t any(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

/* Half of all words lead to the words, some are right, the others are anything. */
static void make_random(void)
{
	for (size_t i = 0; i < ARENA_WORDS; i++)
		arena[i] = any() % 2 ? address(&arena[any() % ARENA_WORDS]) : any() >> any() % 64;
	for (size_t i = 0; i < ARENA_WORDS; i += 16) {
		arena[i + TYPE] = any() % 2 ? address(PyCode_Type) : address(arena);
		arena[i + ID] = any() % 2 ? (uint64_t)pthread_self() : 0;
	}
	_PyRuntime[RUNTIME_HEAD] = address(&arena[any() % ARENA_WORDS]);
}

static const struct {
	const char *name;
	void (*make)(void);
	void (*make_anew)(void); /* NULL: it stays */
} kinds[] = {
	{"loops", make_loops, NULL},
	{"others", make_others, NULL},
	{"deep", make_deep, NULL},
	{"nowhere", make_nowhere, make_nowhere},
	{"large", make_large, NULL},
	{"types", make_types, NULL},
	{"random", make_random, make_random},
};

static void on_term(int number)
{
	(void)number;
	stopping = 1;
}

static void grow(void (*make_anew)(void))
{
	while (!stopping) {
		char *block = malloc(BLOCK_BYTES);

		if (make_anew)
			make_anew();
		if (block)
			memset(block, 1, BLOCK_BYTES);
	}
}

int main(int argc, char **argv)
{
	sigset_t set;
	int number;
	size_t kind = 0;
	char *state;

	while (kind < sizeof(kinds) / sizeof(*kinds) &&
	       (argc < 2 || strcmp(argv[1], kinds[kind].name) != 0))
		kind++;
	if (kind == sizeof(kinds) / sizeof(*kinds)) {
		fprintf(stderr, "python3_hostile: no such kind\n");
		return 2;
	}
	signal(SIGTERM, on_term);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	make_whole();
	kinds[kind].make();
	state = malloc(STATE_BYTES);
	if (!state)
		return 1;
	memset(state, 1, STATE_BYTES);
	if (write(READY_FD, "r", 1) != 1)
		return 1;
	sigwait(&set, &number);
	grow(kinds[kind].make_anew);
	return 0;
}
