/* SPDX-License-Identifier: BSD-2-Clause */
#include "source/tables.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>

#include "base/util.h"

struct value {
	uint64_t a, b;
};

static struct tables *made(void)
{
	struct tables *tables;

	cr_assert_eq(tables_new(&tables, 3), 0);
	return tables;
}

static int put(struct tables *tables, size_t table, uint32_t key, uint64_t a)
{
	const struct value value = {a, ~a};

	return tables_put(tables, table, &key, sizeof(key), &value, sizeof(value));
}

/* 0: there is none. */
static uint64_t get(struct tables *tables, size_t table, uint32_t key)
{
	struct value value = {};

	if (tables_get(tables, table, &key, &value))
		return 0;
	cr_expect_eq(value.b, ~value.a);
	return value.a;
}

Test(tables, a_later_value_takes_the_place_of_an_earlier_one)
{
	struct tables *tables = made();

	cr_expect_eq(get(tables, 1, 7), 0);
	cr_expect_eq(put(tables, 1, 7, 70), 0);
	cr_expect_eq(put(tables, 1, 8, 80), 0);
	cr_expect_eq(put(tables, 1, 7, 71), 0);
	cr_expect_eq(get(tables, 1, 7), 71);
	cr_expect_eq(get(tables, 1, 8), 80);
	cr_expect_eq(get(tables, 2, 7), 0, "tables are apart");
	tables_free(tables);
}

Test(tables, what_is_deleted_is_gone_and_nothing_else)
{
	struct tables *tables = made();
	uint32_t key = 2;

	for (uint32_t i = 1; i <= 4; i++)
		cr_expect_eq(put(tables, 0, i, i * 10), 0);
	cr_expect_eq(tables_delete(tables, 0, &key), 0);
	cr_expect_eq(tables_delete(tables, 0, &key), -ENOENT);
	key = 4;
	cr_expect_eq(tables_delete(tables, 0, &key), 0);
	cr_expect_eq(get(tables, 0, 1), 10);
	cr_expect_eq(get(tables, 0, 2), 0);
	cr_expect_eq(get(tables, 0, 3), 30);
	cr_expect_eq(get(tables, 0, 4), 0);
	tables_free(tables);
}

Test(tables, a_copy_has_all_of_one)
{
	struct tables *tables = made();
	_cleanup_free_ uint32_t *keys = NULL, *none_keys = NULL;
	_cleanup_free_ struct value *values = NULL, *none = NULL;
	uint64_t sum = 0;
	size_t n;

	for (uint32_t i = 1; i <= 100; i++)
		cr_expect_eq(put(tables, 0, i, i), 0);
	cr_assert_eq(tables_copy(tables, 0, (void **)&keys, (void **)&values, &n), 0);
	cr_expect_eq(n, 100);
	for (size_t i = 0; i < n; i++) {
		cr_expect_eq(values[i].a, keys[i]);
		sum += values[i].a;
	}
	cr_expect_eq(sum, 5050);
	cr_assert_eq(tables_copy(tables, 1, (void **)&none_keys, (void **)&none, &n), 0);
	cr_expect_eq(n, 0);
	cr_expect_not_null(none);
	tables_free(tables);
}

Test(tables, one_that_is_full_takes_nothing_new)
{
	struct tables *tables = made();

	for (uint32_t i = 1; i <= TABLES_ROOM; i++)
		cr_assert_eq(put(tables, 0, i, i), 0);
	cr_expect_eq(put(tables, 0, TABLES_ROOM + 1, 1), -E2BIG);
	cr_expect_eq(put(tables, 0, 5, 55), 0);
	cr_expect_eq(get(tables, 0, 5), 55);
	tables_free(tables);
}
