// SPDX-License-Identifier: BSD-2-Clause
/*
 * hoard: remembers every request it makes up, without end. All its memory comes from malloc() in
 * remember_request(), so that a report can be held against that. SIGTERM ends it at once, with
 * status 0: nothing of it is left to be looked at.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define REQUEST_BYTES (512 * 1024)

struct request {
	struct request *next;
	char body[REQUEST_BYTES];
};

static struct request *requests;

static void on_term(int signal_number)
{
	(void)signal_number;
	_exit(0);
}

__attribute__((noinline)) static int remember_request(int number)
{
	struct request *request = malloc(sizeof(*request));

	if (!request)
		return -1;
	memset(request->body, number, sizeof(request->body));
	request->next = requests;
	requests = request;
	return request->body[number & 1023];
}

__attribute__((noinline)) static int serve(int number)
{
	return remember_request(number) + 1;
}

int main(void)
{
	int sum = 0;

	signal(SIGTERM, on_term);
	for (int i = 0; i < 8192; i++) /* 4 GiB */
		sum += serve(i);
	printf("%d requests remembered (%d)\n", 8192, sum);
	return 1;
}
