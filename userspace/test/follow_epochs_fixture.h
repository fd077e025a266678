/* SPDX-License-Identifier: MIT */
/*
 * What stands in for the module, the KMS and the disk of a guest that follows
 *
 * Copyright The dstack for Linux authors
 */
#ifndef FOLLOW_EPOCHS_FIXTURE_H
#define FOLLOW_EPOCHS_FIXTURE_H

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../follow/follow.h"
#include "app_keys_fixture.h"

#define ROOTS	8
#define KILLED	9

/* What outlives a process. */
struct module {
	uint64_t epochs[ROOTS], floor;
	uint8_t keys[ROOTS];		/* the first byte of each */
	size_t nr;
	int loads, retired, fetched;
	uint8_t disk;			/* the first byte of its key */
};

static struct module *module;
static struct follow follow;
static struct follow_options options;
static struct kms_app_state state;
static const char *why;
static char dir[64], said[2048];
static int kill_at;			/* 0: nothing ends it */
static bool no_kms, no_disk, old_keys;
static const uint8_t app_id[APP_ID_SIZE] = { 7 };

void follow_say(const char *fmt, ...)
{
	size_t len = strlen(said);
	va_list args;

	va_start(args, fmt);
	vsnprintf(said + len, sizeof(said) - len, fmt, args);
	va_end(args);
}

void follow_tell(const char *line)
{
	follow_say("%s\n", line);
}

/* Whatever changes something: the process may be ended before it. */
static void step(void)
{
	if (kill_at && !--kill_at)
		_exit(KILLED);
}

int __real_renameat(int olddir, const char *old, int newdir, const char *new);
int __wrap_renameat(int olddir, const char *old, int newdir, const char *new);
ssize_t __real_write(int fd, const void *data, size_t len);
ssize_t __wrap_write(int fd, const void *data, size_t len);
ssize_t __real_pwrite(int fd, const void *data, size_t len, off_t at);
ssize_t __wrap_pwrite(int fd, const void *data, size_t len, off_t at);

int __wrap_renameat(int olddir, const char *old, int newdir, const char *new)
{
	step();
	return __real_renameat(olddir, old, newdir, new);
}

ssize_t __wrap_write(int fd, const void *data, size_t len)
{
	step();
	return __real_write(fd, data, len);
}

ssize_t __wrap_pwrite(int fd, const void *data, size_t len, off_t at)
{
	step();
	return __real_pwrite(fd, data, len, at);
}

/*
 * The module
 */

static int find(uint64_t epoch)
{
	size_t i;

	for (i = 0; i < module->nr; i++)
		if (module->epochs[i] == epoch)
			return (int)i;
	return -1;
}

int __wrap_libdstack_list_roots(struct libdstack_control *control,
				int (*fn)(const struct libdstack_root *root,
					  void *arg), void *arg);
int __wrap_libdstack_ensure_root(struct libdstack_control *control,
				 const uint8_t id[DSTACK_APP_ID_SIZE],
				 uint64_t epoch,
				 const uint8_t key[DSTACK_KEY_ROOT_SIZE],
				 unsigned int flags);
int __wrap_libdstack_retire_roots(struct libdstack_control *control,
				  const uint8_t id[DSTACK_APP_ID_SIZE],
				  uint64_t epoch);

int __wrap_libdstack_list_roots(struct libdstack_control *control,
				int (*fn)(const struct libdstack_root *root,
					  void *arg), void *arg)
{
	struct libdstack_root root = { .epoch = 0 };
	size_t i;
	int err = 0;

	(void)control;
	memcpy(root.app_id, app_id, sizeof(app_id));
	for (i = 0; !err && i < module->nr; i++) {
		root.epoch = module->epochs[i];
		err = fn(&root, arg);
	}
	/* Another application's say nothing about this one. */
	root.app_id[0] ^= 1;
	root.epoch = 0;
	return err ? err : fn(&root, arg);
}

int __wrap_libdstack_ensure_root(struct libdstack_control *control,
				 const uint8_t id[DSTACK_APP_ID_SIZE],
				 uint64_t epoch,
				 const uint8_t key[DSTACK_KEY_ROOT_SIZE],
				 unsigned int flags)
{
	int at = find(epoch);

	(void)control;
	assert_int_equal(flags, 0);
	assert_memory_equal(id, app_id, sizeof(app_id));
	step();
	if (at >= 0)
		return module->keys[at] == *key ? 0 : -EEXIST;
	if (epoch < module->floor)
		return -ESTALE;
	module->epochs[module->nr] = epoch;
	module->keys[module->nr++] = *key;
	module->loads++;
	step();
	return 0;
}

int __wrap_libdstack_retire_roots(struct libdstack_control *control,
				  const uint8_t id[DSTACK_APP_ID_SIZE],
				  uint64_t epoch)
{
	size_t i, left = 0;

	(void)control;
	(void)id;
	step();
	for (i = 0; i < module->nr; i++)
		if (module->epochs[i] > epoch) {
			module->epochs[left] = module->epochs[i];
			module->keys[left++] = module->keys[i];
		}
	module->nr = left;
	module->floor = epoch + 1;
	module->retired++;
	step();
	return 0;
}

/*
 * The disk: which byte its key begins with
 */

int __wrap_disk_move(const struct disk *disk,
		     const uint8_t old[DSTACK_KEY_SIZE],
		     const uint8_t new[DSTACK_KEY_SIZE]);

int __wrap_disk_move(const struct disk *disk,
		     const uint8_t old[DSTACK_KEY_SIZE],
		     const uint8_t new[DSTACK_KEY_SIZE])
{
	assert_int_equal(disk->dir, follow.app);
	step();
	if (no_disk)
		return -EIO;
	assert_true(module->disk == *old || module->disk == *new);
	module->disk = *new;
	step();
	return 0;
}

/*
 * The KMS
 */

int kms_session_open(const struct kms *kms, struct kms_session **session)
{
	*session = (void *)kms;
	return 0;
}

void kms_session_close(struct kms_session *session)
{
	(void)session;
}

static uint8_t byte_of(uint64_t epoch)
{
	return 0x10 + (old_keys ? 0 : epoch);
}

int kms_get_app_keys(const struct kms *kms, uint64_t epoch,
		     struct kms_app_keys *keys)
{
	/* It is held to a root that is known. */
	assert_int_equal(kms->provider_id_len, 91);
	*keys = (struct kms_app_keys){ .key_epoch = epoch };
	if (no_kms)
		return -EHOSTUNREACH;
	module->fetched++;
	keys->ca_cert = strdup(cert_pem);
	keys->gateway_app_id = strdup("");
	keys->url = strdup("https://kms");
	keys->tmp_ca_cert = strdup("");
	keys->tmp_ca_key = strdup("");
	keys->provider_id_len = 91;
	keys->provider_id = malloc(91);
	memset(keys->provider_id, 0x20 + (int)epoch, 91);
	memset(keys->disk_crypt_key, byte_of(epoch), DSTACK_KEY_SIZE);
	memset(keys->k256_key, byte_of(epoch), DSTACK_KEY_SIZE);
	keys->k256_signature_len = KMS_SIGNATURE_SIZE;
	return 0;
}

void kms_app_keys_wipe(struct kms_app_keys *keys)
{
	free(keys->ca_cert);
	free(keys->gateway_app_id);
	free(keys->url);
	free(keys->tmp_ca_cert);
	free(keys->tmp_ca_key);
	free(keys->provider_id);
	memset(keys, 0, sizeof(*keys));
}

#endif /* FOLLOW_EPOCHS_FIXTURE_H */
