// SPDX-License-Identifier: BSD-2-Clause
#include "source/tables.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"

struct table {
	char *keys, *values; /* run in parallel */
	size_t key_size, value_size, n;
};

struct tables {
	pthread_mutex_t mutex;
	struct table *tables;
	size_t count;
};

int tables_new(struct tables **ret, size_t count)
{
	struct tables *tables = calloc(1, sizeof(*tables));
	pthread_mutexattr_t attr;

	if (tables)
		tables->tables = calloc(count, sizeof(*tables->tables));
	if (!tables || !tables->tables) {
		free(tables);
		return -ENOMEM;
	}
	tables->count = count;
	/* The responder may wait for another thread, which then runs at its priority. */
	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setprotocol(&attr, PTHREAD_PRIO_INHERIT);
	pthread_mutex_init(&tables->mutex, &attr);
	pthread_mutexattr_destroy(&attr);
	*ret = tables;
	return 0;
}

struct tables *tables_free(struct tables *tables)
{
	if (!tables)
		return NULL;
	for (size_t i = 0; i < tables->count; i++) {
		free(tables->tables[i].keys);
		free(tables->tables[i].values);
	}
	free(tables->tables);
	pthread_mutex_destroy(&tables->mutex);
	free(tables);
	return NULL;
}

/* The index of an entry; the number of entries: there is none. */
static size_t find(const struct table *table, const void *key)
{
	size_t i = 0;

	while (i < table->n && memcmp(table->keys + i * table->key_size, key, table->key_size) != 0)
		i++;
	return i;
}

static int grow(struct table *table)
{
	char *keys = reallocarray(table->keys, table->n + 1, table->key_size), *values;

	if (!keys)
		return -ENOMEM;
	table->keys = keys;
	values = reallocarray(table->values, table->n + 1, table->value_size);
	if (!values)
		return -ENOMEM;
	table->values = values;
	table->n++;
	return 0;
}

static int put(struct table *table, const void *key, const void *value)
{
	size_t i = find(table, key);
	int r = i < table->n ? 0 : i >= TABLES_ROOM ? -E2BIG : grow(table);

	if (r)
		return r;
	memcpy(table->keys + i * table->key_size, key, table->key_size);
	memcpy(table->values + i * table->value_size, value, table->value_size);
	return 0;
}

int tables_put(struct tables *tables, size_t table, const void *key, size_t key_size,
	       const void *value, size_t value_size)
{
	int r;

	pthread_mutex_lock(&tables->mutex);
	tables->tables[table].key_size = key_size;
	tables->tables[table].value_size = value_size;
	r = put(&tables->tables[table], key, value);
	pthread_mutex_unlock(&tables->mutex);
	return r;
}

/* The last one takes its place. */
static int delete (struct table *table, const void *key)
{
	size_t i = find(table, key), last;

	if (i == table->n)
		return -ENOENT;
	last = --table->n;
	if (i == last)
		return 0;
	memcpy(table->keys + i * table->key_size, table->keys + last * table->key_size,
	       table->key_size);
	memcpy(table->values + i * table->value_size, table->values + last * table->value_size,
	       table->value_size);
	return 0;
}

int tables_delete(struct tables *tables, size_t table, const void *key)
{
	int r;

	pthread_mutex_lock(&tables->mutex);
	r = delete (&tables->tables[table], key);
	pthread_mutex_unlock(&tables->mutex);
	return r;
}

int tables_get(struct tables *tables, size_t table, const void *key, void *ret)
{
	const struct table *it = &tables->tables[table];
	size_t i;
	int r = -ENOENT;

	pthread_mutex_lock(&tables->mutex);
	i = find(it, key);
	if (i < it->n) {
		memcpy(ret, it->values + i * it->value_size, it->value_size);
		r = 0;
	}
	pthread_mutex_unlock(&tables->mutex);
	return r;
}

static int copy(const struct table *table, void **ret_keys, void **ret_values, size_t *ret_n)
{
	_cleanup_free_ char *keys = NULL, *values = NULL;
	size_t room = MAX(table->n, (size_t)1);

	keys = calloc(room, MAX(table->key_size, (size_t)1));
	values = calloc(room, MAX(table->value_size, (size_t)1));
	if (!keys || !values)
		return -ENOMEM;
	if (table->n) {
		memcpy(keys, table->keys, table->n * table->key_size);
		memcpy(values, table->values, table->n * table->value_size);
	}
	*ret_keys = TAKE_PTR(keys);
	*ret_values = TAKE_PTR(values);
	*ret_n = table->n;
	return 0;
}

int tables_copy(struct tables *tables, size_t table, void **ret_keys, void **ret_values,
		size_t *ret_n)
{
	int r;

	pthread_mutex_lock(&tables->mutex);
	r = copy(&tables->tables[table], ret_keys, ret_values, ret_n);
	pthread_mutex_unlock(&tables->mutex);
	return r;
}
