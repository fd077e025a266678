// SPDX-License-Identifier: MIT
/*
 * A key of the application for an encrypted directory: prog_fscrypt PATH DIR
 *
 * Copyright The dstack for Linux authors
 *
 * The secret goes from the module to the file system.  An empty directory is
 * made an encrypted one; one that is encrypted already can be read then.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/dstack.h>
#include <linux/fscrypt.h>
#include <linux/keyctl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static int get_key(const char *path)
{
	struct dstack_get_key call = {
		.size = sizeof(call),
		.kind = DSTACK_KEY_BYTES,
		.scope = DSTACK_SCOPE_APP,
		.delivery = DSTACK_DELIVER_FSCRYPT,
		.key_len = DSTACK_KEY_SIZE_MAX,
		.keyring = KEY_SPEC_PROCESS_KEYRING,
		.path = (unsigned long)path,
		.path_len = strlen(path),
		.name = "fscrypt",
	};
	int fd = open("/dev/dstack", O_RDWR);

	if (fd < 0 || ioctl(fd, DSTACK_GET_KEY, &call))
		die("get the key");
	return call.out_serial;
}

int main(int argc, char **argv)
{
	struct fscrypt_add_key_arg add = {
		.key_spec.type = FSCRYPT_KEY_SPEC_TYPE_IDENTIFIER,
	};
	struct fscrypt_policy_v2 policy = {
		.version = FSCRYPT_POLICY_V2,
		.contents_encryption_mode = FSCRYPT_MODE_AES_256_XTS,
		.filenames_encryption_mode = FSCRYPT_MODE_AES_256_CTS,
		.flags = FSCRYPT_POLICY_FLAGS_PAD_32,
	};
	int dir;

	if (argc != 3)
		return 2;
	dir = open(argv[2], O_RDONLY | O_DIRECTORY);
	if (dir < 0)
		die("open the directory");
	add.key_id = get_key(argv[1]);
	if (ioctl(dir, FS_IOC_ADD_ENCRYPTION_KEY, &add))
		die("add the key");
	memcpy(policy.master_key_identifier, add.key_spec.u.identifier,
	       sizeof(policy.master_key_identifier));
	/* The same once more is no error. */
	if (ioctl(dir, FS_IOC_SET_ENCRYPTION_POLICY, &policy))
		die("set the policy");
	return 0;
}
