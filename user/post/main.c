// SPDX-License-Identifier: BSD-2-Clause
/*
 * apoptosis-post: calls a web hook. In: a line with the URL, then the JSON of one event. Out: nothing, and the status 0,
 * or one line that says what went wrong, without the URL, which may be a secret.
 *
 * It is a program of its own, run as another user, because a library that speaks TLS to anybody is nothing to have in a
 * process that guards a machine.
 */
#include <curl/curl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "base/util.h"

#define BODY_MAX (1UL << 20)
#define URL_LEN 4096
#define CONNECT_S 4L
#define ALL_S 9L		/* its caller waits for ten */
#define ANSWER_MAX (64UL << 10) /* bytes that are read of it; it is not used */
#define MEMORY_MAX (512UL << 20)

static int fail(const char *what)
{
	fprintf(stderr, "apoptosis-post: %s\n", what);
	return 1;
}

/* An answer that does not end is an error. */
static size_t count(char *data, size_t size, size_t n, void *userdata)
{
	size_t *room = userdata;

	(void)data;
	if (size * n > *room)
		return 0;
	*room -= size * n;
	return size * n;
}

/* The URL and the body. */
static bool read_request(char url[URL_LEN], char *body, size_t *ret_size)
{
	char *end;

	if (!fgets(url, URL_LEN, stdin))
		return false;
	end = strchr(url, '\n');
	if (!end)
		return false;
	*end = '\0';
	*ret_size = fread(body, 1, BODY_MAX, stdin);
	return *ret_size && feof(stdin);
}

static bool set_up(CURL *curl, const char *url, const char *body, size_t size,
		   const struct curl_slist *headers, size_t *room)
{
	int r = 0;

	r |= curl_easy_setopt(curl, CURLOPT_URL, url);
	r |= curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
	r |= curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
	r |= curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 1L);
	r |= curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 2L);
	r |= curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, CONNECT_S);
	r |= curl_easy_setopt(curl, CURLOPT_TIMEOUT, ALL_S);
	r |= curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	r |= curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	r |= curl_easy_setopt(curl, CURLOPT_USERAGENT, "apoptosis/" APO_VERSION);
	r |= curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
	r |= curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)size);
	r |= curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, count);
	r |= curl_easy_setopt(curl, CURLOPT_WRITEDATA, room);
	return !r;
}

static int post(const char *url, const char *body, size_t size)
{
	struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
	CURL *curl = headers ? curl_easy_init() : NULL;
	size_t room = ANSWER_MAX;
	long status = 0;
	char text[64];
	CURLcode r;

	if (!curl || !set_up(curl, url, body, size, headers, &room))
		return fail("cannot set up the request");
	r = curl_easy_perform(curl);
	/* Not the error buffer, which quotes the URL now and then. */
	if (r)
		return fail(curl_easy_strerror(r));
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_cleanup(curl);
	curl_slist_free_all(headers);
	if (status >= 200 && status < 300)
		return 0;
	snprintf(text, sizeof(text), "the answer has status %ld%s", status,
		 status >= 300 && status < 400 ? ": redirections are not followed" : "");
	return fail(text);
}

int main(void)
{
	static char url[URL_LEN], body[BODY_MAX];
	size_t size;

	/* Others of this user must not see the URL in its memory. */
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#ifndef __SANITIZE_ADDRESS__
	setrlimit(RLIMIT_AS, &(const struct rlimit){MEMORY_MAX, MEMORY_MAX});
#endif
	if (!read_request(url, body, &size))
		return fail("bad request: it is started by apoptosis, for an event");
	if (curl_global_init(CURL_GLOBAL_DEFAULT))
		return fail("cannot set up libcurl");
	return post(url, body, size);
}
