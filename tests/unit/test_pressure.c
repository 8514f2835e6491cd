/* SPDX-License-Identifier: BSD-2-Clause */
#include "sinks/pressure.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/util.h"
#include "fixture.h"

TestSuite(pressure, .init = fixture_make, .fini = fixture_remove);

struct scene {
	struct pressure_socket socket;
	struct pressure *pressure;
	uv_loop_t loop;
};

static void begin(struct scene *scene)
{
	const char *const directories[] = {"/nonexistent", fixture_path(), NULL};

	cr_assert_eq(pressure_socket_open(directories, &scene->socket), 0);
	uv_loop_init(&scene->loop);
	cr_assert_eq(pressure_new(&scene->pressure,
				  &(const struct pressure_config){.loop = &scene->loop,
								  .fd = scene->socket.fd,
								  .watchers_fd = -1}),
		     0);
}

static void end(struct scene *scene)
{
	pressure_free(scene->pressure);
	uv_run(&scene->loop, UV_RUN_DEFAULT);
	cr_expect_eq(uv_loop_close(&scene->loop), 0);
	pressure_socket_close(&scene->socket);
	cr_expect_eq(scene->socket.fd, -1);
	cr_expect_str_eq(scene->socket.path, "");
}

static int join(const struct scene *scene)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(address.sun_path, scene->socket.path);
	cr_assert_eq(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static void go_round(struct scene *scene)
{
	for (int i = 0; i < 20; i++)
		uv_run(&scene->loop, UV_RUN_NOWAIT);
}

/* How many bytes are there; -1: the connection has ended. */
static ssize_t hear(int fd)
{
	char text[256];
	ssize_t n = recv(fd, text, sizeof(text), MSG_DONTWAIT);

	return n > 0 ? n : n < 0 && errno == EAGAIN ? 0 : -1;
}

Test(pressure, each_who_watches_gets_one_byte_for_each_word)
{
	struct scene scene;
	int one, other;

	begin(&scene);
	one = join(&scene);
	other = join(&scene);
	go_round(&scene);
	cr_expect_eq(hear(one), 0);
	pressure_tell(scene.pressure, "/some/cgroup");
	cr_expect_eq(hear(one), 1);
	pressure_tell(scene.pressure, "/some/cgroup");
	cr_expect_eq(hear(one), 1);
	cr_expect_eq(hear(other), 2);
	close(one);
	go_round(&scene);
	pressure_tell(scene.pressure, "/some/cgroup");
	cr_expect_eq(hear(other), 1);
	close(other);
	pressure_tell(scene.pressure, "/some/cgroup"); /* to one who is gone, before that is seen */
	go_round(&scene);
	end(&scene);
}

Test(pressure, who_never_reads_is_not_waited_for)
{
	struct scene scene;
	int deaf, other;
	ssize_t heard = 0;

	begin(&scene);
	deaf = join(&scene);
	other = join(&scene);
	go_round(&scene);
	for (int i = 0; i < 100000; i++) {
		pressure_tell(scene.pressure, "/some/cgroup");
		heard += hear(other);
	}
	cr_expect_eq(heard, 100000);
	cr_expect_gt(hear(deaf), 0);
	end(&scene);
	close(deaf);
	close(other);
}

Test(pressure, what_they_write_is_discarded_within_a_bound)
{
	struct scene scene;
	char text[8192] = "";
	int fd;

	begin(&scene);
	fd = join(&scene);
	cr_assert_eq(send(fd, "some 200000 1000000", 19, MSG_NOSIGNAL), 19);
	go_round(&scene);
	pressure_tell(scene.pressure, "/some/cgroup");
	cr_expect_eq(hear(fd), 1);
	cr_assert_gt(send(fd, text, sizeof(text), MSG_NOSIGNAL), 0);
	go_round(&scene);
	cr_expect_eq(hear(fd), -1);
	end(&scene);
	close(fd);
}

Test(pressure, of_too_many_the_last_are_not_let_in)
{
	static int fds[300];
	struct scene scene;
	size_t let_in = 0;

	begin(&scene);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		fds[i] = join(&scene);
		uv_run(&scene.loop, UV_RUN_NOWAIT);
	}
	go_round(&scene);
	pressure_tell(scene.pressure, "/some/cgroup");
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		let_in += hear(fds[i]) == 1;
	cr_expect_eq(let_in, 256);
	cr_expect_eq(hear(fds[ARRAY_SIZE(fds) - 1]), -1);
	end(&scene);
}

/* Its parent ends at once, so that it is nobody's of ours. */
Test(pressure, who_is_no_child_of_ours_is_not_let_in)
{
	struct scene scene;
	int gate[2], result[2];
	char byte = 0;

	begin(&scene);
	cr_assert_eq(pipe(gate), 0);
	cr_assert_eq(pipe(result), 0);
	if (fork() == 0) {
		if (fork() == 0) {
			int fd;

			close(gate[1]);
			while (read(gate[0], &byte, 1) > 0)
				;
			fd = join(&scene);
			byte = recv(fd, &byte, 1, 0) == 0 ? 'n' : 'y';
			_exit(write(result[1], &byte, 1) != 1);
		}
		_exit(0);
	}
	wait(NULL);
	close(gate[1]);
	close(result[1]);
	uv_run(&scene.loop, UV_RUN_ONCE);
	cr_assert_eq(read(result[0], &byte, 1), 1);
	cr_expect_eq(byte, 'n');
	end(&scene);
}

Test(pressure, the_socket_is_open_to_all_who_know_its_name)
{
	const char *const nowhere[] = {"/nonexistent", "/proc", NULL};
	struct pressure_socket none;
	struct scene scene;
	struct stat info;

	begin(&scene);
	cr_expect_eq(stat(scene.socket.path, &info), 0);
	cr_expect_eq(info.st_mode & 0777, 0666);
	cr_expect_eq(stat(scene.socket.directory, &info), 0);
	cr_expect_eq(info.st_mode & 0777, 0711);
	end(&scene);
	cr_expect_lt(pressure_socket_open(nowhere, &none), 0);
}

/* --- the daemon's -------------------------------------------------------------------------- */

static const char *cgroup_now; /* of whoever connects */

static int cgroup_of(pid_t pid, char **ret, void *userdata)
{
	(void)pid;
	(void)userdata;
	*ret = strdup(cgroup_now);
	return *ret ? 0 : -ENOMEM;
}

static void begin_for_all(struct scene *scene, int watchers_fd)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/watch/socket", fixture_path());
	cr_assert_eq(pressure_socket_open_at(path, &scene->socket), 0);
	uv_loop_init(&scene->loop);
	cr_assert_eq(pressure_new(&scene->pressure,
				  &(const struct pressure_config){.loop = &scene->loop,
								  .fd = scene->socket.fd,
								  .is_for_all = true,
								  .watchers_fd = watchers_fd,
								  .cgroup_of = cgroup_of}),
		     0);
}

static int join_from(struct scene *scene, const char *cgroup)
{
	int fd;

	cgroup_now = cgroup;
	fd = join(scene);
	go_round(scene);
	return fd;
}

Test(pressure, each_hears_of_the_limits_at_and_above_its_cgroup)
{
	struct scene scene;
	int inner, beside;

	begin_for_all(&scene, -1);
	inner = join_from(&scene, "/a/b");
	beside = join_from(&scene, "/ab");
	pressure_tell(scene.pressure, "/a");
	cr_expect_eq(hear(inner), 1);
	cr_expect_eq(hear(beside), 0);
	pressure_tell(scene.pressure, "/a/b");
	cr_expect_eq(hear(inner), 1);
	pressure_tell(scene.pressure, "/a/b/c");
	cr_expect_eq(hear(inner), 0);
	pressure_tell(scene.pressure, "/");
	cr_expect_eq(hear(inner), 1);
	cr_expect_eq(hear(beside), 1);
	pressure_tell(scene.pressure, NULL);
	cr_expect_eq(hear(inner), 0);
	end(&scene);
	close(inner);
	close(beside);
}

Test(pressure, a_cgroup_has_so_many_and_others_have_theirs)
{
	static int fds[300];
	struct scene scene;
	size_t let_in = 0;
	int other;

	begin_for_all(&scene, -1);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		fds[i] = join_from(&scene, "/many");
	other = join_from(&scene, "/other");
	pressure_tell(scene.pressure, "/");
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		let_in += hear(fds[i]) == 1;
	cr_expect_eq(let_in, 256);
	cr_expect_eq(hear(other), 1);
	end(&scene);
}

/* By the cgroup that each was in when it came, whatever there is of it now. */
Test(pressure, the_next_program_has_those_who_watch)
{
	struct scene before, after;
	int fd, left;

	begin_for_all(&before, -1);
	fd = join_from(&before, "/a");
	left = pressure_leave(before.pressure);
	cr_assert_geq(left, 0);
	/* As exec() would: what the program before has is gone, and the descriptors are not. */
	cgroup_now = "/elsewhere";
	begin_for_all(&after, left);
	pressure_tell(after.pressure, "/a");
	cr_expect_eq(hear(fd), 1);
	pressure_tell(after.pressure, "/elsewhere");
	cr_expect_eq(hear(fd), 0);
	close(fd);
}

Test(pressure, without_a_socket_those_who_watched_are_let_go)
{
	struct scene before;
	int fd;

	begin_for_all(&before, -1);
	fd = join_from(&before, "/a");
	pressure_let_go(pressure_leave(before.pressure));
	cr_expect_eq(hear(fd), -1);
	close(fd);
}
