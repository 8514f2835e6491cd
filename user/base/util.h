/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The small things every module needs: ownership that ends with its scope, and arithmetic that
 * saturates instead of wrapping.
 *
 * An owning local carries one of the _cleanup_ attributes and leaves its function by TAKE_PTR or
 * TAKE_FD; everything else is released at every return.
 */
#pragma once

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* <sys/param.h>, which some libraries include, has its own, which evaluate twice. */
#undef MIN
#undef MAX
#define MIN(a, b)                                  \
	({                                         \
		__typeof__(a) min_a_ = (a);        \
		__typeof__(b) min_b_ = (b);        \
		min_a_ < min_b_ ? min_a_ : min_b_; \
	})

#define MAX(a, b)                                  \
	({                                         \
		__typeof__(a) max_a_ = (a);        \
		__typeof__(b) max_b_ = (b);        \
		max_a_ > max_b_ ? max_a_ : max_b_; \
	})

/* Exit statuses, beyond 0. */
#define EXIT_RUNTIME 1 /* something failed on the way */
#define EXIT_USAGE 2   /* bad option or value */
#define EXIT_CANNOT 3  /* no protection on this machine */
#define EXIT_DENIED 4  /* the daemon does not answer this user */
#define EXIT_ABSENT 7  /* no daemon runs */

#define NSEC_PER_USEC 1000ULL
#define NSEC_PER_MSEC 1000000ULL
#define NSEC_PER_SEC 1000000000ULL

/* Runs f(&local) when the local goes out of scope. */
#define _cleanup_(f) __attribute__((cleanup(f)))

#define _cleanup_free_ _cleanup_(freep)
#define _cleanup_close_ _cleanup_(closep)
#define _cleanup_fclose_ _cleanup_(fclosep)

/* The value of an owning local, which then owns nothing. */
#define TAKE_PTR(ptr)                           \
	({                                      \
		__typeof__(ptr) taken_ = (ptr); \
		(ptr) = NULL;                   \
		taken_;                         \
	})

#define TAKE_FD(fd)                \
	({                         \
		int taken_ = (fd); \
		(fd) = -1;         \
		taken_;            \
	})

/* Closes a file descriptor, if it is one; errno is kept. Returns -1, to be assigned back. */
static inline int close_fd(int fd)
{
	if (fd >= 0) {
		int saved = errno;

		close(fd);
		errno = saved;
	}
	return -1;
}

static inline void freep(void *p)
{
	free(*(void **)p);
}

static inline void closep(int *fd)
{
	close_fd(*fd);
}

static inline void fclosep(FILE **f)
{
	if (*f)
		fclose(*f);
}

/* a + b, or UINT64_MAX where that does not fit. */
static inline uint64_t sat_add(uint64_t a, uint64_t b)
{
	uint64_t sum;

	return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

/* a - b, or 0 where b is the larger: counters that went backwards, usage read before its part. */
static inline uint64_t sat_sub(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

/* a * b, or UINT64_MAX where that does not fit. */
static inline uint64_t sat_mul(uint64_t a, uint64_t b)
{
	uint64_t product;

	return __builtin_mul_overflow(a, b, &product) ? UINT64_MAX : product;
}

/* a - b as a signed number, clamped to what an int64_t holds. */
static inline int64_t sat_diff(uint64_t a, uint64_t b)
{
	if (a >= b)
		return a - b > INT64_MAX ? INT64_MAX : (int64_t)(a - b);
	return b - a > INT64_MAX ? INT64_MIN : -(int64_t)(b - a);
}
