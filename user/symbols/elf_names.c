// SPDX-License-Identifier: BSD-2-Clause
#include "symbols/elf_names.h"

#include <dwarf.h>
#include <stdlib.h>

#include "base/util.h"

#define SIZELESS_MAX 4096 /* how far a symbol without a size is believed to reach */
#define RANGES_MAX 1000000
/*
 * Entries of DWARF that are looked at in all: a few seconds of work. Where siblings lead into each other's
 * children, there are more ways than there is time for. Later places have the names of the symbol table.
 */
#define DIES_MAX 50000000

/* An entry of the symbol table. libdwfl's own search goes through all of them each time. */
struct entry {
	uint64_t start, size; /* address in the process */
	const char *name;
};

/*
 * Where a compilation unit has code. Searched here, because libdwfl's own search needs a section
 * (.debug_aranges) that neither Go nor clang writes.
 */
struct range {
	uint64_t start, end; /* addresses in the process */
	Dwarf_Die unit;
	Dwarf_Addr bias;
};

struct elf_names {
	Dwfl_Module *module;
	struct range *ranges; /* by start */
	size_t range_count;
	bool has_ranges;       /* the units were read */
	size_t dies_left;      /* of DIES_MAX */
	struct entry *entries; /* by start */
	size_t entry_count;
	bool has_entries; /* the table was read */
};

struct elf_names *elf_names_new(Dwfl_Module *module)
{
	struct elf_names *names = calloc(1, sizeof(*names));

	if (names)
		*names = (struct elf_names){.module = module, .dies_left = DIES_MAX};
	return names;
}

struct elf_names *elf_names_free(struct elf_names *names)
{
	if (!names)
		return NULL;
	free(names->ranges);
	free(names->entries);
	free(names);
	return NULL;
}

/* --- DWARF --------------------------------------------------------------------------------- */

static const char *die_name(Dwarf_Die *die)
{
	Dwarf_Attribute attribute;
	const char *name = NULL;

	if (dwarf_attr_integrate(die, DW_AT_linkage_name, &attribute) ||
	    dwarf_attr_integrate(die, DW_AT_MIPS_linkage_name, &attribute))
		name = dwarf_formstring(&attribute);
	if (!name && dwarf_attr_integrate(die, DW_AT_name, &attribute))
		name = dwarf_formstring(&attribute);
	return name;
}

/* Where an inlined function was called: a place in the one around it. */
static void call_place(Dwarf_Die *unit, Dwarf_Die *inlined, struct symbol *ret)
{
	Dwarf_Attribute attribute;
	Dwarf_Word line, file;
	Dwarf_Files *files;
	size_t count;
	const char *name;

	ret->source[0] = '\0';
	ret->line = 0;
	if (dwarf_formudata(dwarf_attr(inlined, DW_AT_call_line, &attribute), &line) ||
	    dwarf_formudata(dwarf_attr(inlined, DW_AT_call_file, &attribute), &file) ||
	    dwarf_getsrcfiles(unit, &files, &count) || file >= count)
		return;
	name = dwarf_filesrc(files, file, NULL, NULL);
	symbol_copy(ret->source, name ? name : "");
	ret->line = (unsigned int)line;
}

static int by_range(const void *a, const void *b)
{
	const struct range *one = a, *other = b;

	return one->start < other->start ? -1 : one->start > other->start;
}

static bool add_range(struct elf_names *names, size_t *room, const struct range *range)
{
	if (names->range_count == RANGES_MAX)
		return false;
	if (names->range_count == *room) {
		size_t larger = *room ? *room * 2 : 256;
		struct range *grown = reallocarray(names->ranges, larger, sizeof(*grown));

		if (!grown)
			return false;
		names->ranges = grown;
		*room = larger;
	}
	names->ranges[names->range_count++] = *range;
	return true;
}

static void read_ranges(struct elf_names *names)
{
	Dwarf_Die *unit = NULL;
	Dwarf_Addr bias;
	size_t room = 0;
	bool ok = true;

	names->has_ranges = true;
	while (ok && (unit = dwfl_module_nextcu(names->module, unit, &bias))) {
		struct range range = {.unit = *unit, .bias = bias};
		ptrdiff_t next = 0;
		Dwarf_Addr base;

		while (ok &&
		       (next = dwarf_ranges(unit, next, &base, &range.start, &range.end)) > 0) {
			range.start += bias;
			range.end += bias;
			ok = add_range(names, &room, &range);
		}
	}
	if (names->range_count)
		qsort(names->ranges, names->range_count, sizeof(*names->ranges), by_range);
}

static struct range *range_at(struct elf_names *names, uint64_t address)
{
	size_t low = 0, high;

	if (!names->has_ranges)
		read_ranges(names);
	for (high = names->range_count; low < high;) {
		size_t middle = low + (high - low) / 2;

		if (names->ranges[middle].start <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low && address < names->ranges[low - 1].end ? &names->ranges[low - 1] : NULL;
}

static void source_place(struct range *range, uint64_t address, struct symbol *ret)
{
	Dwarf_Line *line = dwarf_getsrc_die(&range->unit, address - range->bias);
	const char *source = line ? dwarf_linesrc(line, NULL, NULL) : NULL;
	int number = 0;

	if (!source || dwarf_lineno(line, &number))
		return;
	symbol_copy(ret->source, source);
	ret->line = number > 0 ? (unsigned int)number : 0;
}

#define SCOPES_MAX 64 /* nested in each other; each is a level of recursion */

/* The scopes that hold an address, outermost first. */
struct scopes {
	Dwarf_Addr address;
	bool in_types; /* older Rust: functions are defined within types too */
	size_t *left;  /* DIEs that may still be looked at */
	size_t count;
	Dwarf_Die list[SCOPES_MAX];
};

static bool has_code(Dwarf_Die *die, const struct scopes *scopes)
{
	return dwarf_haspc(die, scopes->address) > 0;
}

/*
 * Returns whether a function was found. dwarf_getscopes() does not serve: it descends into neither
 * namespaces, where clang and Rust define functions, nor types.
 */
static bool find_scopes(Dwarf_Die *parent, struct scopes *scopes, unsigned int depth)
{
	Dwarf_Die die;

	if (depth == SCOPES_MAX || dwarf_child(parent, &die))
		return false;
	do {
		if (!*scopes->left)
			return false;
		--*scopes->left;
		switch (dwarf_tag(&die)) {
		case DW_TAG_subprogram:
		case DW_TAG_inlined_subroutine:
			if (!has_code(&die, scopes))
				break;
			scopes->list[scopes->count++] = die;
			find_scopes(&die, scopes, depth + 1);
			return true;
		case DW_TAG_lexical_block:
			if (!has_code(&die, scopes))
				break;
			return find_scopes(&die, scopes, depth + 1);
		case DW_TAG_structure_type:
		case DW_TAG_union_type:
		case DW_TAG_enumeration_type:
			if (!scopes->in_types)
				break;
			/* fall through */
		case DW_TAG_namespace:
		case DW_TAG_module:
			if (find_scopes(&die, scopes, depth + 1))
				return true;
			break;
		default:
			break;
		}
	} while (dwarf_siblingof(&die, &die) == 0);
	return false;
}

/* The functions inlined into each other here. */
static void add_inlined(struct elf_names *names, struct range *range, uint64_t address,
			struct symbol_list *ret)
{
	struct scopes scopes = {
		.address = address - range->bias,
		.in_types = dwarf_srclang(&range->unit) == DW_LANG_Rust,
		.left = &names->dies_left,
	};
	struct symbol place = {};

	find_scopes(&range->unit, &scopes, 0);
	source_place(range, address, &place);
	for (size_t i = scopes.count; i > 0 && ret->count < SYMBOL_DEPTH; i--) {
		Dwarf_Die *scope = &scopes.list[i - 1];
		const char *name = die_name(scope);

		if (name) {
			ret->symbols[ret->count] = place;
			demangle(name, ret->symbols[ret->count++].function);
		}
		if (dwarf_tag(scope) == DW_TAG_subprogram)
			break;
		call_place(&range->unit, scope, &place);
	}
}

/* --- the symbol table ---------------------------------------------------------------------- */

static int by_start(const void *a, const void *b)
{
	const struct entry *one = a, *other = b;

	if (one->start != other->start)
		return one->start < other->start ? -1 : 1;
	return one->size < other->size ? -1 : one->size > other->size;
}

static void read_entries(struct elf_names *names)
{
	int count = dwfl_module_getsymtab(names->module);

	names->has_entries = true;
	names->entries = count > 0 ? calloc((size_t)count, sizeof(*names->entries)) : NULL;
	for (int i = 0; names->entries && i < count; i++) {
		GElf_Addr address;
		GElf_Word section;
		GElf_Sym symbol;
		const char *name = dwfl_module_getsym_info(names->module, i, &symbol, &address,
							   &section, NULL, NULL);
		int type = GELF_ST_TYPE(symbol.st_info);

		if (name && *name && section != SHN_UNDEF &&
		    (type == STT_FUNC || type == STT_GNU_IFUNC || type == STT_NOTYPE))
			names->entries[names->entry_count++] = (struct entry){
				.start = address, .size = symbol.st_size, .name = name};
	}
	if (names->entry_count)
		qsort(names->entries, names->entry_count, sizeof(*names->entries), by_start);
}

#define NEAR_ENTRIES 64 /* tried: functions may be split, and have markers within */

/* NULL: no symbol reaches to there. */
static const char *symbol_at(struct elf_names *names, uint64_t address)
{
	size_t low = 0, high;

	if (!names->has_entries)
		read_entries(names);
	for (high = names->entry_count; low < high;) {
		size_t middle = low + (high - low) / 2;

		if (names->entries[middle].start <= address)
			low = middle + 1;
		else
			high = middle;
	}
	for (size_t i = low; i > 0 && low - i < NEAR_ENTRIES; i--)
		if (address - names->entries[i - 1].start < names->entries[i - 1].size)
			return names->entries[i - 1].name;
	if (low && !names->entries[low - 1].size &&
	    address - names->entries[low - 1].start < SIZELESS_MAX)
		return names->entries[low - 1].name;
	return NULL;
}

void elf_names_find(struct elf_names *names, uint64_t address, struct symbol_list *ret)
{
	struct range *range = range_at(names, address);
	const char *name;

	if (range)
		add_inlined(names, range, address, ret);
	if (ret->count)
		return;
	if (range)
		source_place(range, address, &ret->symbols[0]);
	name = symbol_at(names, address);
	if (name) {
		demangle(name, ret->symbols[0].function);
		ret->count = 1;
	}
}
