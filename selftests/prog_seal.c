// SPDX-License-Identifier: MIT
/*
 * A blob in a container: prog_seal seal|open PATH <input >output
 *
 * Copyright The dstack for Linux authors
 *
 * Exits with 0, or with the number of the check that the blob did not pass, or
 * with 100 for another error.
 */
#include <fcntl.h>
#include <linux/dstack.h>
#include <linux/keyctl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define DATA_MAX	4096

static char in[DATA_MAX + DSTACK_SEAL_OVERHEAD];
static char out[DATA_MAX + DSTACK_SEAL_OVERHEAD];

static void die(const char *what, int status)
{
	perror(what);
	exit(status);
}

static int get_key(int fd, const char *path)
{
	struct dstack_get_key call = {
		.size = sizeof(call),
		.kind = DSTACK_KEY_AEAD,
		.scope = DSTACK_SCOPE_CONTAINER,
		.delivery = DSTACK_DELIVER_HANDLE,
		.key_len = DSTACK_KEY_SIZE,
		.keyring = KEY_SPEC_PROCESS_KEYRING,
		.path = (unsigned long)path,
		.path_len = strlen(path),
		.name = "blob",
	};

	if (ioctl(fd, DSTACK_GET_KEY, &call))
		die("get the key", 100);
	return call.out_serial;
}

static size_t seal(int fd, int key, size_t len)
{
	struct dstack_seal call = {
		.size = sizeof(call),
		.key = key,
		.data = (unsigned long)in,
		.data_len = len,
		.blob = (unsigned long)out,
		.blob_len = sizeof(out),
	};

	if (ioctl(fd, DSTACK_SEAL, &call))
		die("seal", 100);
	return call.blob_len;
}

static size_t unseal(int fd, int key, size_t len)
{
	struct dstack_unseal call = {
		.size = sizeof(call),
		.key = key,
		.blob = (unsigned long)in,
		.blob_len = len,
		.data = (unsigned long)out,
		.data_len = sizeof(out),
	};

	if (ioctl(fd, DSTACK_UNSEAL, &call))
		die("unseal", call.out_check ? (int)call.out_check : 100);
	return call.data_len;
}

int main(int argc, char **argv)
{
	int fd = open("/dev/dstack", O_RDWR), key;
	size_t len;

	if (argc != 3 || fd < 0)
		return 100;
	len = fread(in, 1, sizeof(in), stdin);
	key = get_key(fd, argv[2]);
	len = strcmp(argv[1], "seal") ? unseal(fd, key, len) :
					seal(fd, key, len);
	return fwrite(out, 1, len, stdout) == len ? 0 : 100;
}
