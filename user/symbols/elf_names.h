/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Names of addresses from an ELF file's own tables: DWARF, with the functions inlined there, else
 * the symbol table. Both are read at the first use.
 */
#pragma once

#include <elfutils/libdwfl.h>
#include <stdint.h>

#include "symbols/symbols.h"

struct elf_names;

/* Borrows the module. NULL: there is no memory for it. */
struct elf_names *elf_names_new(Dwfl_Module *module);
/* Takes NULL. Returns NULL. */
struct elf_names *elf_names_free(struct elf_names *names);

/*
 * address: in the process. *ret: an empty list. Where there is a source line but no name, the line
 * is in the first symbol, and the count stays 0.
 */
void elf_names_find(struct elf_names *names, uint64_t address, struct symbol_list *ret);
