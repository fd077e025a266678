/* SPDX-License-Identifier: MIT */
/*
 * Headers of LUKS2, read strictly
 *
 * Copyright The dstack for Linux authors
 */
#ifndef DSTACK_LIB_LUKS_H
#define DSTACK_LIB_LUKS_H

#include <stddef.h>
#include <stdint.h>

#define LUKS_SIZE_MIN	16384U		/* of a header with its JSON area */
#define LUKS_SIZE_MAX	4194304U
#define LUKS_KEY_SIZE	64U		/* of aes-xts-plain64 with AES-256 */

/**
 * struct luks - what a header says of the data
 * @offset: of the data, in bytes
 * @area: where its keyslot's encrypted key is, in bytes
 * @area_size: and how long
 * @sector_size: unit of encryption, in bytes
 */
struct luks {
	uint64_t offset;
	uint64_t area, area_size;
	uint32_t sector_size;
};

/*
 * The size that a header claims in its first @len bytes, at least 4096 of
 * them.  0, after a message, if it is none of LUKS2, or of no such size.
 */
size_t dstack_luks_size(const void *data, size_t len);

/*
 * Checks the whole header of @size bytes, and says what of it is wanted.
 * -EBADMSG, after a message, if it is not as 'cryptsetup luksFormat --type
 * luks2 --cipher aes-xts-plain64 --key-size 512 --pbkdf pbkdf2' makes it.
 */
int dstack_luks_check(const void *data, size_t size, struct luks *luks);

/*
 * The same of all @len bytes before the data, which have two headers: readers
 * take the one with the higher number.  The one that was checked stays, the
 * other is wiped: the first, unless only the second passes, as when writing
 * the first was cut short.
 */
int dstack_luks_keep_checked(void *data, size_t len, struct luks *luks);

#endif /* DSTACK_LIB_LUKS_H */
