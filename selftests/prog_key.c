// SPDX-License-Identifier: MIT
/*
 * Use a key, and perhaps die of it: prog_key hmac|bytes PATH use|abort
 *
 * Copyright The dstack for Linux authors
 *
 * What is left of the secret in this process is then in its core dump.
 */
#include <fcntl.h>
#include <linux/dstack.h>
#include <linux/keyctl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static unsigned char secret[DSTACK_KEY_SIZE];

static int get(int fd, const char *what, const char *path)
{
	struct dstack_get_key call = {
		.size = sizeof(call),
		.kind = DSTACK_KEY_HMAC,
		.scope = DSTACK_SCOPE_CONTAINER,
		.key_len = DSTACK_KEY_SIZE,
		.path = (unsigned long)path,
		.path_len = strlen(path),
	};

	if (!strcmp(what, "bytes")) {
		call.delivery = DSTACK_DELIVER_BYTES;
		call.bytes = (unsigned long)secret;
	} else {
		call.delivery = DSTACK_DELIVER_HANDLE;
		call.keyring = KEY_SPEC_PROCESS_KEYRING;
		strcpy((char *)call.name, "prog");
	}
	if (ioctl(fd, DSTACK_GET_KEY, &call)) {
		perror("get the key");
		exit(1);
	}
	return call.out_serial;
}

static void use(int fd, int key)
{
	struct dstack_hmac call = {
		.size = sizeof(call),
		.key = key,
		.data = (unsigned long)"data",
		.data_len = 4,
	};
	size_t i;

	if (ioctl(fd, DSTACK_HMAC, &call)) {
		perror("use the key");
		exit(1);
	}
	for (i = 0; i < sizeof(call.tag); i++)
		printf("%02x", call.tag[i]);
	putchar('\n');
}

int main(int argc, char **argv)
{
	int fd = open("/dev/dstack", O_RDWR), key;

	if (argc != 4 || fd < 0)
		return 2;
	key = get(fd, argv[1], argv[2]);
	if (key)
		use(fd, key);
	else if (!strcmp(argv[3], "use") &&
		 write(STDOUT_FILENO, secret, sizeof(secret)) < 0)
		return 1;
	fflush(stdout);
	if (!strcmp(argv[3], "abort"))
		abort();
	return 0;
}
