// SPDX-License-Identifier: BSD-2-Clause
#include "profile/inspection.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/util.h"

#define MAPPINGS_BYTES_MAX (4L << 20)
#define FDS_MAX (SNAPSHOT_FILES_MAX + 2) /* the mappings, the perf map; the kernel takes 253 */

/* One packet: a part, with the descriptors of a snapshot in the order in which they are told of. */
struct packet {
	uint32_t part;
	int32_t error;
	struct mapping_sums sums;
	struct tmpfs_files tmpfs;
	uint32_t file_count;
	uint32_t has_perf_map;
	struct {
		uint32_t mapping;
		uint32_t is_open;
	} files[SNAPSHOT_FILES_MAX];
	uint32_t cmdline_length;
	char cmdline[INSPECTION_CMDLINE_MAX];
};

struct descriptors {
	int fds[FDS_MAX];
	size_t count;
};

void inspected_clear(struct inspected *inspected)
{
	free(inspected->cmdline);
	snapshot_clear(&inspected->snapshot);
	*inspected = INSPECTED_NONE;
}

/* --- sending ------------------------------------------------------------------------------- */

/* A file of what is mapped, which is too much for a packet. */
static int write_mappings(const struct mappings *mappings)
{
	_cleanup_close_ int fd = memfd_create("mappings", MFD_CLOEXEC);
	FILE *file = fd < 0 ? NULL : fdopen(dup(fd), "w");
	struct stat info;

	if (!file)
		return -ENOMEM;
	mappings_write(mappings, file);
	if (fclose(file) || fstat(fd, &info))
		return -ENOMEM;
	return info.st_size > MAPPINGS_BYTES_MAX ? -E2BIG : TAKE_FD(fd);
}

static void pack_snapshot(const struct snapshot *snapshot, struct packet *packet,
			  struct descriptors *passed)
{
	packet->file_count = snapshot->file_count;
	for (size_t i = 0; i < snapshot->file_count; i++) {
		const struct snapshot_file *file = &snapshot->files[i];

		packet->files[i].mapping = file->mapping;
		packet->files[i].is_open = file->fd >= 0;
		if (file->fd >= 0)
			passed->fds[passed->count++] = file->fd;
	}
	packet->has_perf_map = snapshot->perf_map_fd >= 0;
	if (packet->has_perf_map)
		passed->fds[passed->count++] = snapshot->perf_map_fd;
}

static int send_packet(int socket, const struct packet *packet, const struct descriptors *passed)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int) * FDS_MAX)];
	} control = {};
	struct iovec data = {.iov_base = (void *)packet, .iov_len = sizeof(*packet)};
	struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1};
	struct cmsghdr *header;

	if (passed->count) {
		message.msg_control = &control;
		message.msg_controllen = CMSG_SPACE(sizeof(int) * passed->count);
		header = CMSG_FIRSTHDR(&message);
		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = CMSG_LEN(sizeof(int) * passed->count);
		memcpy(CMSG_DATA(header), passed->fds, sizeof(int) * passed->count);
	}
	return sendmsg(socket, &message, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

int inspection_send(int socket, const struct inspected *inspected, enum inspection_part part)
{
	struct packet packet = {
		.part = part,
		.error = inspected->error,
		.sums = inspected->sums,
		.tmpfs = inspected->files,
	};
	_cleanup_close_ int mappings_fd = -1;
	struct descriptors passed = {};

	if (part == INSPECTION_CMDLINE && inspected->cmdline) {
		packet.cmdline_length =
			MIN(strlen(inspected->cmdline), (size_t)INSPECTION_CMDLINE_MAX);
		memcpy(packet.cmdline, inspected->cmdline, packet.cmdline_length);
	}
	if (part == INSPECTION_NAMES && !packet.error) {
		mappings_fd = write_mappings(&inspected->snapshot.mappings);
		packet.error = mappings_fd < 0 ? mappings_fd : 0;
	}
	if (mappings_fd >= 0) {
		passed.fds[passed.count++] = mappings_fd;
		pack_snapshot(&inspected->snapshot, &packet, &passed);
	}
	return send_packet(socket, &packet, &passed);
}

/* --- receiving ----------------------------------------------------------------------------- */

static void close_rest(struct descriptors *received, size_t from)
{
	for (size_t i = from; i < received->count; i++)
		close_fd(received->fds[i]);
}

/* Whether there was one. Descriptors are the caller's. */
static bool receive_packet(int socket, struct packet *ret, struct descriptors *received)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int) * FDS_MAX)];
	} control;
	struct iovec data = {.iov_base = ret, .iov_len = sizeof(*ret)};
	struct msghdr message = {
		.msg_iov = &data,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	ssize_t n = recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	struct cmsghdr *header = n < 0 ? NULL : CMSG_FIRSTHDR(&message);

	received->count = 0;
	if (header && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS) {
		received->count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		memcpy(received->fds, CMSG_DATA(header), sizeof(int) * received->count);
	}
	return n == (ssize_t)sizeof(*ret);
}

static int read_mappings(int fd, struct mappings *ret)
{
	struct stat info;
	FILE *file;
	int r;

	if (fstat(fd, &info) || info.st_size > MAPPINGS_BYTES_MAX || lseek(fd, 0, SEEK_SET) ||
	    !(file = fdopen(fd, "r"))) {
		close_fd(fd);
		return -EBADMSG;
	}
	r = mappings_parse(file, ret);
	fclose(file);
	return r;
}

/* The next descriptor, now its owner's; -1: there is none. */
static int next_fd(struct descriptors *received, size_t *at)
{
	return *at < received->count ? received->fds[(*at)++] : -1;
}

static int unpack_snapshot(const struct packet *packet, struct descriptors *received,
			   struct snapshot *ret)
{
	size_t at = 0;
	int fd = next_fd(received, &at);
	int r = fd < 0 ? -EBADMSG : read_mappings(fd, &ret->mappings);

	for (size_t i = 0; !r && i < MIN(packet->file_count, (uint32_t)SNAPSHOT_FILES_MAX); i++) {
		if (packet->files[i].mapping >= ret->mappings.count) {
			r = -EBADMSG;
			break;
		}
		fd = packet->files[i].is_open ? next_fd(received, &at) : -1;
		file_keep(&fd);
		ret->files[ret->file_count++] = (struct snapshot_file){
			.mapping = packet->files[i].mapping,
			.fd = fd,
		};
	}
	if (!r && packet->has_perf_map)
		ret->perf_map_fd = next_fd(received, &at);
	close_rest(received, at);
	return r;
}

/* A helper that has been made to misbehave says nothing that is not bounded here. */
static void take_files(const struct tmpfs_files *files, struct tmpfs_files *ret)
{
	*ret = *files;
	ret->count = MIN(ret->count, (uint32_t)TMPFS_FILES_MAX);
	for (size_t i = 0; i < ret->count; i++)
		ret->list[i].path[TMPFS_PATH_MAX - 1] = '\0';
}

static void take_sums(const struct mapping_sums *sums, struct mapping_sums *ret)
{
	*ret = *sums;
	ret->group_count = MIN(ret->group_count, (uint64_t)MAPPING_GROUPS_MAX);
	for (size_t i = 0; i < ret->group_count; i++)
		ret->groups[i].name[MAPPING_NAME_MAX - 1] = '\0';
}

static void take_packet(const struct packet *packet, struct descriptors *received,
			struct inspected *ret)
{
	if (ret->parts & packet->part) /* each once */
		return close_rest(received, 0);
	if (packet->part == INSPECTION_NAMES && !packet->error) {
		ret->error = unpack_snapshot(packet, received, &ret->snapshot);
		if (ret->error)
			snapshot_clear(&ret->snapshot);
	} else {
		close_rest(received, 0);
	}
	if (packet->part == INSPECTION_NAMES && packet->error)
		ret->error = packet->error;
	if (packet->part == INSPECTION_SUMS)
		take_sums(&packet->sums, &ret->sums);
	if (packet->part == INSPECTION_FILES)
		take_files(&packet->tmpfs, &ret->files);
	if (packet->part == INSPECTION_CMDLINE && packet->cmdline_length)
		ret->cmdline = strndup(packet->cmdline, MIN(packet->cmdline_length,
							    (uint32_t)INSPECTION_CMDLINE_MAX));
	ret->parts |= packet->part;
}

void inspection_receive(int socket, struct inspected *ret)
{
	struct descriptors received;
	struct packet packet;

	*ret = INSPECTED_NONE;
	while (receive_packet(socket, &packet, &received))
		take_packet(&packet, &received, ret);
	if (ret->error)
		ret->parts &= ~INSPECTION_NAMES;
}
