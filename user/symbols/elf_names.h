/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What an ELF file's own tables call an address: DWARF, with the functions inlined there, else the
 * symbol table. Both are read when first asked for.
 */
#pragma once

#include <elfutils/libdwfl.h>
#include <stdint.h>

#include "symbols/symbols.h"

struct elf_names;

/* Borrows the module. NULL: there is no memory for it. Lives as long as the process. */
struct elf_names *elf_names_new(Dwfl_Module *module);

/*
 * Address in the process. Adds to an empty list; where there is no name but a source line, the line
 * is in the first symbol, which does not count.
 */
void elf_names_find(struct elf_names *names, uint64_t address, struct symbol_list *ret);
