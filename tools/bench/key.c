// SPDX-License-Identifier: MIT
/*
 * What keys cost
 *
 * Copyright The dstack for Linux authors
 */
#include <fcntl.h>
#include <linux/dstack.h>
#include <linux/keyctl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "bench.h"

#define PATH		"bench/key"
#define DATA_SIZE	4096

static unsigned char data[DATA_SIZE];
static unsigned char blob[DATA_SIZE + DSTACK_SEAL_OVERHEAD];
static int device;
static int key;

static void ask_for(struct dstack_get_key *call, unsigned int kind,
		    unsigned int delivery)
{
	memset(call, 0, sizeof(*call));
	call->size = sizeof(*call);
	call->kind = kind;
	call->scope = DSTACK_SCOPE_CONTAINER;
	call->delivery = delivery;
	call->key_len = DSTACK_KEY_SIZE;
	call->path = (uintptr_t)PATH;
	call->path_len = strlen(PATH);
}

static int get_handle(unsigned int kind, size_t number)
{
	struct dstack_get_key call;

	ask_for(&call, kind, DSTACK_DELIVER_HANDLE);
	call.keyring = KEY_SPEC_PROCESS_KEYRING;
	snprintf((char *)call.name, sizeof(call.name), "bench-%zu", number);
	if (ioctl(device, DSTACK_GET_KEY, &call))
		die("get a handle");
	return call.out_serial;
}

static int do_bytes(size_t i)
{
	struct dstack_get_key call;
	unsigned char out[DSTACK_KEY_SIZE];

	(void)i;
	ask_for(&call, DSTACK_KEY_BYTES, DSTACK_DELIVER_BYTES);
	call.bytes = (uintptr_t)out;
	return ioctl(device, DSTACK_GET_KEY, &call);
}

static int do_handle(size_t i)
{
	return get_handle(DSTACK_KEY_HMAC, i + 1) < 0;
}

static int do_hmac(size_t i)
{
	struct dstack_hmac call = {
		.size = sizeof(call), .key = key,
		.data = (uintptr_t)data, .data_len = DSTACK_KEY_TAG_SIZE,
	};

	(void)i;
	return ioctl(device, DSTACK_HMAC, &call);
}

static int do_seal(size_t i)
{
	struct dstack_seal call = {
		.size = sizeof(call), .key = key,
		.data = (uintptr_t)data, .data_len = sizeof(data),
		.blob = (uintptr_t)blob, .blob_len = sizeof(blob),
	};

	(void)i;
	return ioctl(device, DSTACK_SEAL, &call);
}

static int do_unseal(size_t i)
{
	struct dstack_unseal call = {
		.size = sizeof(call), .key = key,
		.blob = (uintptr_t)blob, .blob_len = sizeof(blob),
		.data = (uintptr_t)data, .data_len = sizeof(data),
	};

	(void)i;
	return ioctl(device, DSTACK_UNSEAL, &call);
}

static const struct {
	const char *name;
	unsigned int kind;	/* of the handle that it wants */
	int (*fn)(size_t i);
} calls[] = {
	{ "bytes", 0, do_bytes },
	{ "handle", 0, do_handle },
	{ "hmac", DSTACK_KEY_HMAC, do_hmac },
	{ "seal", DSTACK_KEY_AEAD, do_seal },
	{ "unseal", DSTACK_KEY_AEAD, do_unseal },
};

static void measure(const struct options *opt, int (*fn)(size_t i))
{
	struct series series;
	uint64_t begin, took;
	size_t i;

	series_init(&series, opt->count);
	for (i = 0; i < opt->warm + opt->count; i++) {
		if (i == opt->warm)
			mark(opt->phase);
		begin = ticks();
		if (fn(i))
			die("use a key");
		took = ticks() - begin;
		if (i >= opt->warm)
			series_add(&series, took);
	}
	mark(0);
	series_print(&series, opt->name);
}

/* key WHAT: one of the calls above, over and over. */
int cmd_key(const struct options *opt, char **args)
{
	size_t i;

	enter(opt->cgroup);
	device = open("/dev/dstack", O_RDWR | O_CLOEXEC);
	if (device < 0)
		die("open /dev/dstack");
	for (i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		if (strcmp(args[0], calls[i].name))
			continue;
		if (calls[i].kind)
			key = get_handle(calls[i].kind, 0);
		if (calls[i].kind == DSTACK_KEY_AEAD && do_seal(0))
			die("seal");
		measure(opt, calls[i].fn);
		return 0;
	}
	die(args[0]);
}
