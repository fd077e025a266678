// SPDX-License-Identifier: MIT
/* Seal a line and open it again.  Copyright The dstack for Linux authors */
#include <fcntl.h>
#include <linux/dstack.h>
#include <linux/keyctl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

static char line[80], opened[80], blob[80 + DSTACK_SEAL_OVERHEAD];
static struct dstack_seal seal = { sizeof(seal), .blob_len = sizeof(blob) };
static struct dstack_unseal unseal = { sizeof(unseal), .data_len = 80 };
static struct dstack_get_key get = {
	.size = sizeof(get), .kind = DSTACK_KEY_AEAD, .name = "example",
	.scope = DSTACK_SCOPE_CONTAINER, .delivery = DSTACK_DELIVER_HANDLE,
	.keyring = KEY_SPEC_PROCESS_KEYRING, .key_len = DSTACK_KEY_SIZE,
};

int main(void)
{
	int fd = open("/dev/dstack", O_RDWR | O_CLOEXEC);

	get.path = (unsigned long)"disk";
	get.path_len = 4;
	if (!fgets(line, 80, stdin) || ioctl(fd, DSTACK_GET_KEY, &get))
		return perror("no key"), 1;
	seal.key = get.out_serial;
	seal.data = (unsigned long)line;
	seal.data_len = strlen(line);
	seal.blob = (unsigned long)blob;
	if (ioctl(fd, DSTACK_SEAL, &seal))
		return perror("not sealed"), 1;
	unseal.key = get.out_serial;
	unseal.blob = seal.blob;
	unseal.blob_len = seal.blob_len;
	unseal.data = (unsigned long)opened;
	if (ioctl(fd, DSTACK_UNSEAL, &unseal))
		return perror("not opened"), 1;
	return fputs(opened, stdout) < 0;
}
