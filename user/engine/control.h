/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The control socket: answers those who may connect to it (output/control.h). It is control.sock in the runtime
 * directory, for root, and for a group if one is named. On the engine's loop, which no client can hold up: a few of
 * them, of whom each gets one answer at a time; one that does not read is let go of, and so is the one that has been
 * quiet longest where there are too many. An answer is as old as a fifth of a second, so that asking all the time
 * costs no more than asking five times a second.
 */
#pragma once

#include <jansson.h>
#include <sys/types.h>
#include <uv.h>

struct control;

#define CONTROL_NO_GROUP ((gid_t)-1)

struct control_config {
	uv_loop_t *loop; /* borrowed */
	gid_t group;	 /* whose members may ask, beside root; CONTROL_NO_GROUP: none */
	int fd;		 /* of control_leave() in the program before this one; -1: there is none */
	/* A document, which is given away; NULL: it cannot be had. */
	json_t *(*status)(void *userdata);
	void *userdata;
};

/*
 * Takes the place of the socket of an instance that is gone. 0 or -errno: -EEXIST, there is something else of that
 * name; others are of the runtime directory.
 */
int control_new(struct control **ret, const struct control_config *config);
/*
 * Before exec(3): the socket stays open, so that who connects meanwhile waits for the next program and is not turned
 * away. Its descriptor; -1: none. control_return(): there will be none.
 */
int control_leave(struct control *control);
void control_return(struct control *control);

/* Before the loop is closed. The socket goes. Takes NULL. Returns NULL. */
struct control *control_free(struct control *control);

/*
 * A connection to the daemon, which blocks, half a minute at most. The descriptor or -errno: -ENOENT and
 * -ECONNREFUSED, there is none; -EAGAIN, it does not answer.
 */
int control_connect(void);
