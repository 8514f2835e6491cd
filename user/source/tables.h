/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Maps that are memory of ours, for where the kernel side cannot be had: the same keys and values, read and written by
 * several threads. For source/maps.c only. There are few entries: they are searched one by one.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct tables;

/* So many of them, all empty. 0 or -ENOMEM. */
int tables_new(struct tables **ret, size_t count);
/* Takes NULL. Returns NULL. */
struct tables *tables_free(struct tables *tables);

/* Sizes of keys and values are those of the first entry. As maps_put() and so on. */
int tables_put(struct tables *tables, size_t table, const void *key, size_t key_size,
	       const void *value, size_t value_size);
int tables_delete(struct tables *tables, size_t table, const void *key);
int tables_get(struct tables *tables, size_t table, const void *key, void *ret);
int tables_copy(struct tables *tables, size_t table, void **ret_keys, void **ret_values,
		size_t *ret_n);

/* Entries that a table has room for. */
#define TABLES_ROOM 4096U
