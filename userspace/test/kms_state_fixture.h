/* SPDX-License-Identifier: MIT */
/*
 * A KMS's state in a directory of its own, under a seal that everybody opens
 *
 * Copyright The dstack for Linux authors
 */
#ifndef KMS_STATE_FIXTURE_H
#define KMS_STATE_FIXTURE_H

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../kmsd/state/room.h"
#include "key_epoch_fixture.h"

#define SEAL_OF_TESTS	0xfff0
#define IV_SIZE		12
#define TAG_SIZE	16
#define DOMAIN		"kms.example.com"

static char work[64], where[128], memory[128], said[LIBDSTACK_MESSAGE_MAX];
static uint8_t seal_key[32];
static int nr_sealed;

/* AES-256-GCM: nonce, data, tag. */
static inline int test_seal(void *arg, const void *data, size_t len,
			    void *blob, size_t *blob_len)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	uint8_t *out = blob;
	int n;

	(void)arg;
	nr_sealed++;
	epoch_need(ctx && RAND_bytes(out, IV_SIZE) == 1 &&
		   EVP_EncryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, seal_key,
				      out) == 1 &&
		   EVP_EncryptUpdate(ctx, out + IV_SIZE, &n, data, len) == 1 &&
		   EVP_EncryptFinal_ex(ctx, out + IV_SIZE + n, &n) == 1 &&
		   EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, TAG_SIZE,
				       out + IV_SIZE + len) == 1);
	EVP_CIPHER_CTX_free(ctx);
	*blob_len = IV_SIZE + len + TAG_SIZE;
	return 0;
}

static inline int test_unseal(void *arg, const void *blob, size_t blob_len,
			      void *data, size_t *len)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	const uint8_t *in = blob;
	bool good;
	int n;

	(void)arg;
	if (blob_len < IV_SIZE + TAG_SIZE ||
	    blob_len - IV_SIZE - TAG_SIZE > *len) {
		EVP_CIPHER_CTX_free(ctx);
		return -EBADMSG;
	}
	*len = blob_len - IV_SIZE - TAG_SIZE;
	good = ctx && EVP_DecryptInit_ex(ctx, EVP_aes_256_gcm(), NULL,
					 seal_key, in) == 1 &&
		EVP_DecryptUpdate(ctx, data, &n, in + IV_SIZE, *len) == 1 &&
		EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_SET_TAG, TAG_SIZE,
				    (void *)(in + IV_SIZE + *len)) == 1 &&
		EVP_DecryptFinal_ex(ctx, (uint8_t *)data + n, &n) == 1;
	EVP_CIPHER_CTX_free(ctx);
	return good ? 0 : -EBADMSG;
}

static const struct state_seal seal_of_tests = {
	.id = SEAL_OF_TESTS, .overhead = IV_SIZE + TAG_SIZE,
	.seal = test_seal, .unseal = test_unseal,
};

static void note(const char *line)
{
	snprintf(said, sizeof(said), "%s", line);
}

static struct state_options options = {
	.dir = where, .seal = &seal_of_tests, .tell = note,
};

/* A directory that is not there yet, on a disk, and one in memory. */
static inline void state_begin(void)
{
	snprintf(work, sizeof(work), "%s", "/tmp/kms_state_test.XXXXXX");
	epoch_need(mkdtemp(work));
	snprintf(where, sizeof(where), "%s/state.d", work);
	snprintf(memory, sizeof(memory), "/dev/shm%s", strrchr(work, '/'));
	options.witness = NULL;
	options.head_every_s = 0;
	options.seal = &seal_of_tests;
	*said = '\0';
}

static inline void state_end(void)
{
	char command[512];

	snprintf(command, sizeof(command), "rm -rf '%s' '%s'", work, memory);
	epoch_need(!system(command));
}

static inline const char *path_of(const char *name)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/%s", where, name);
	return path;
}

static inline size_t load_file(const char *name, uint8_t data[FILE_MAX])
{
	int fd = open(path_of(name), O_RDONLY | O_CLOEXEC);
	ssize_t len;

	epoch_need(fd >= 0);
	len = read(fd, data, FILE_MAX);
	epoch_need(len >= 0);
	close(fd);
	return len;
}

/* In place, as a host may do it. */
static inline void put_file(const char *name, const void *data, size_t len)
{
	int fd = open(path_of(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
		      0600);

	epoch_need(fd >= 0 && write(fd, data, len) == (ssize_t)len);
	close(fd);
}

/* With epoch 0 alone. */
static inline int create(struct state **state)
{
	static struct key_epoch epoch;

	epoch_make(0, &epoch);
	return state_create(&options, DOMAIN, &epoch, 1, state);
}

#endif /* KMS_STATE_FIXTURE_H */
