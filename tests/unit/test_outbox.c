/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <poll.h>

#include "base/outbox.h"
#include "base/wake.h"

struct message {
	uint64_t number;
	char rest[500];
};

static bool is_readable(int fd)
{
	struct pollfd poll_fd = {.fd = fd, .events = POLLIN};

	return poll(&poll_fd, 1, 0) == 1;
}

Test(outbox, messages_come_whole_and_in_order)
{
	struct outbox outbox;
	struct message message;

	cr_assert_eq(outbox_open(&outbox, sizeof(message)), 0);
	cr_expect(!is_readable(outbox_fd(&outbox)));
	for (uint64_t i = 0; i < 100; i++)
		outbox_put(&outbox, &(const struct message){.number = i});
	cr_expect(is_readable(outbox_fd(&outbox)));
	for (uint64_t i = 0; i < 100; i++) {
		cr_assert(outbox_take(&outbox, &message));
		cr_expect_eq(message.number, i);
	}
	cr_expect(!outbox_take(&outbox, &message));
	cr_expect_eq(outbox_lost(&outbox), 0);
	outbox_close(&outbox);
}

/* Nobody waits for a reader. */
Test(outbox, what_there_is_no_room_for_is_counted)
{
	struct outbox outbox;
	struct message message;
	uint64_t put = 0, taken = 0;

	cr_assert_eq(outbox_open(&outbox, sizeof(message)), 0);
	while (!outbox_lost(&outbox) && put < 100000)
		outbox_put(&outbox, &(const struct message){.number = put++});
	cr_expect_eq(outbox_lost(&outbox), 1);
	while (outbox_take(&outbox, &message))
		cr_expect_eq(message.number, taken++);
	cr_expect_eq(taken, put - 1);
	outbox_put(&outbox, &(const struct message){.number = put});
	cr_expect(outbox_take(&outbox, &message));
	cr_expect_eq(message.number, put);
	outbox_close(&outbox);
}

Test(wake, wakes_once_however_often_it_is_asked)
{
	int fd = wake_open();

	cr_assert_geq(fd, 0);
	cr_expect(!is_readable(fd));
	wake(fd);
	wake(fd);
	cr_expect(is_readable(fd));
	wake_clear(fd);
	cr_expect(!is_readable(fd));
	wake_clear(fd); /* does not wait */
	close(fd);
}
