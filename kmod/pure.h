/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * What the pure rooms (blob, event, kdf, table, words) need, in the kernel and
 * outside
 *
 * Copyright The dstack for Linux authors
 *
 * Pure rooms allocate nothing, take no lock and call nobody but the hash
 * below, so that the library, the tests and the fuzzers build the same code
 * that the kernel runs.
 */
#ifndef _DSTACK_PURE_H
#define _DSTACK_PURE_H

#ifdef __KERNEL__
#include <linux/build_bug.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/string.h>
#include <linux/types.h>
#include <linux/unaligned.h>
#else
#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;

#define le16_to_cpu(v) le16toh(v)
#define le32_to_cpu(v) le32toh(v)
#define le64_to_cpu(v) le64toh(v)
#define cpu_to_le16(v) htole16(v)
#define cpu_to_le32(v) htole32(v)
#define cpu_to_le64(v) htole64(v)
#ifndef ARRAY_SIZE	/* kselftest has it too */
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#endif
#endif

#include <uapi/linux/dstack.h>

/**
 * struct dstack_bytes - bytes that somebody else owns
 * @data: the first of them
 * @len: how many
 */
struct dstack_bytes {
	const void *data;
	size_t len;
};

/**
 * dstack_sha384() - hash the parts as one message
 * @parts: the message in pieces
 * @nr: number of pieces
 * @out: the digest
 *
 * The kernel's is in hash.c, the library's on OpenSSL.
 *
 * Return: 0 or -errno of the implementation.
 */
int dstack_sha384(const struct dstack_bytes *parts, size_t nr,
		  u8 out[DSTACK_REGISTER_SIZE]);

struct dstack_mac;

/**
 * dstack_mac() - HMAC-SHA256 of the parts as one message
 * @mac: the key
 * @parts: the message in pieces
 * @nr: number of pieces
 * @out: the tag
 *
 * The kernel's is in mac.c, the library's on OpenSSL.
 *
 * Context: any; of several callers with one key at once none waits.
 * Return: 0 or -errno of the implementation.
 */
int dstack_mac(const struct dstack_mac *mac, const struct dstack_bytes *parts,
	       size_t nr, u8 out[DSTACK_KEY_TAG_SIZE]);

#endif /* _DSTACK_PURE_H */
