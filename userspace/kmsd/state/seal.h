/* SPDX-License-Identifier: MIT */
/*
 * How the state is sealed
 *
 * Copyright The dstack for Linux authors
 */
#ifndef KMSD_STATE_SEAL_H
#define KMSD_STATE_SEAL_H

#include <stddef.h>
#include <stdint.h>

/* In files: numbers are never used again.  0 is none, and never will be one. */
#define STATE_SEAL_MODULE	1
#define STATE_SEAL_QUORUM	2	/* and for it shares of other KMSs */

struct state_seal {
	uint16_t id;
	size_t overhead;	/* bytes that a blob has more, at most */
	/*
	 * @blob has room for @len + overhead bytes.  A blob opens on this
	 * machine, or for this application, alone, and not if a bit of it was
	 * changed: -EBADMSG, -EKEYREJECTED, -EKEYREVOKED, -ENOKEY.
	 */
	int (*seal)(void *arg, const void *data, size_t len, void *blob,
		    size_t *blob_len);
	/* *@len: room in @data, and then the bytes in it. */
	int (*unseal)(void *arg, const void *blob, size_t blob_len, void *data,
		      size_t *len);
	void *arg;
};

/*
 * By the kernel module, with a key of this application that never leaves it.
 * To be called before there are threads: the key's handle is in the process
 * keyring, which they inherit.  0 or -errno, after a line of the library's.
 */
int state_seal_module_open(struct state_seal *seal);
void state_seal_module_close(struct state_seal *seal);

#endif /* KMSD_STATE_SEAL_H */
