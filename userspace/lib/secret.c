// SPDX-License-Identifier: MIT
/*
 * Memory for secrets
 *
 * Copyright The dstack for Linux authors
 */
#include "lib.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static size_t whole_pages(size_t size)
{
	size_t page = sysconf(_SC_PAGESIZE);

	return (size + !size + page - 1) / page * page;
}

/*
 * Pages of its own, so that nothing else is in them.  Not every caller may
 * lock as much memory as a blob has; what is not locked is wiped all the same.
 */
int libdstack_secret_alloc(size_t size, void **secret)
{
	void *data;

	*secret = NULL;
	if (size > SIZE_MAX / 2)
		return -ENOMEM;
	data = mmap(NULL, whole_pages(size), PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (data == MAP_FAILED)
		return -ENOMEM;
	/* Neither in a core dump nor in a child. */
	if (madvise(data, whole_pages(size), MADV_DONTDUMP) ||
	    madvise(data, whole_pages(size), MADV_WIPEONFORK)) {
		int err = -errno;

		munmap(data, whole_pages(size));
		return err;
	}
	(void)mlock(data, whole_pages(size));
	*secret = data;
	return 0;
}

void libdstack_secret_free(void *secret, size_t size)
{
	if (!secret)
		return;
	explicit_bzero(secret, size);
	munmap(secret, whole_pages(size));
}
