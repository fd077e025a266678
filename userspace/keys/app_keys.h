/* SPDX-License-Identifier: MIT */
/*
 * What the KMS, or whatever stands in for it, gave the application
 *
 * Copyright The dstack for Linux authors
 *
 * The file is upstream's .appkeys.json; ours in it are "key_epoch", where that
 * is not 0, and of a KMS "pinned".  All of it, keys and not, is in one piece of
 * memory of libdstack_secret_alloc(): locked, in no core dump, in no child, and
 * wiped in the end.  OpenSSL's secure heap would be one more thing that a
 * program sets up first, and of one size for all that it ever holds.
 */
#ifndef KEYS_APP_KEYS_H
#define KEYS_APP_KEYS_H

#include "claims.h"

#define AGENT_APP_KEYS_FILE	".appkeys.json"
/* Those of the next key epoch, while both live; then they are the others. */
#define AGENT_APP_KEYS_NEXT	".appkeys-next.json"
#define AGENT_APP_KEYS_ALL	2
#define AGENT_APP_KEYS_FILE_MAX	65536
#define AGENT_PEM_MAX		8192	/* with NUL */
#define AGENT_URL_MAX		1024
#define AGENT_GATEWAY_MAX	64
#define AGENT_PROVIDER_ID_MAX	256

enum agent_provider {
	AGENT_PROVIDER_NONE,	/* keys of this boot alone */
	AGENT_PROVIDER_LOCAL,	/* sealed to the host's provider enclave */
	AGENT_PROVIDER_TPM,
	AGENT_PROVIDER_KMS,
};

struct agent_app_keys {
	uint8_t disk_key[DSTACK_KEY_SIZE];
	uint8_t env_key[DSTACK_KEY_SIZE];
	bool has_env_key;
	uint8_t k256_key[DSTACK_KEY_SIZE];	/* what others come of */
	struct agent_public k256_public;
	/* The second link of each chain; none without a KMS. */
	uint8_t k256_signature[AGENT_LINK_SIZE];
	size_t k256_signature_len;
	uint64_t key_epoch;		/* of the KMS, whose all of these are */
	char gateway_app_id[AGENT_GATEWAY_MAX];
	enum agent_provider provider;
	/* As measured: an enclave's or a key, and none for NONE. */
	uint8_t provider_id[AGENT_PROVIDER_ID_MAX];
	size_t provider_id_len;
	/*
	 * KMS alone: the root that the application pins, if it is another one,
	 * which that one succeeds; else none.
	 */
	uint8_t pinned_id[AGENT_PROVIDER_ID_MAX];
	size_t pinned_id_len;
	/* KMS: its root.  Else the application's own, whose key is @ca_key. */
	char ca_cert[AGENT_PEM_MAX];
	char ca_key[AGENT_PEM_MAX];
	/* KMS alone; where it gave none, the last two are "". */
	char kms_url[AGENT_URL_MAX];
	char temp_ca_cert[AGENT_PEM_MAX], temp_ca_key[AGENT_PEM_MAX];
};

/*
 * 0 or -errno, after one line to @tell, which has nothing of the keys in it.
 * -EPERM: others may read the file; -EFBIG; -EBADMSG: see the line.  What is
 * wrong with the file as such goes to the library's callback.
 */
int agent_app_keys_read(const char *path, libdstack_message_fn tell,
			struct agent_app_keys **keys);
/* @name: of the text, for the line. */
int agent_app_keys_parse(const char *name, const char *text, size_t len,
			 libdstack_message_fn tell,
			 struct agent_app_keys **keys);
/* LIBDSTACK_ROOT_*: what the module is told of them as a root key. */
unsigned int agent_app_keys_flags(const struct agent_app_keys *keys);
/* Are they of that provider, or of a root that was found to succeed it? */
bool agent_app_keys_are_of(const struct agent_app_keys *keys,
			   const uint8_t *id, size_t len);
/* In memory of libdstack_secret_alloc() with AGENT_APP_KEYS_FILE_MAX. */
int agent_app_keys_write(const struct agent_app_keys *keys, char **text,
			 size_t *len);
/* @keys may be NULL. */
void agent_app_keys_free(struct agent_app_keys *keys);

/* Both files of this directory; keys[1] is NULL if there is no next epoch. */
int agent_app_keys_read_all(const char *dir, libdstack_message_fn tell,
			    struct agent_app_keys *keys[AGENT_APP_KEYS_ALL]);
/* @keys are of a root that succeeds that of @before, and what that one does. */
void agent_app_keys_succeed(struct agent_app_keys *keys,
			    const struct agent_app_keys *before);
void agent_app_keys_free_all(struct agent_app_keys *keys[AGENT_APP_KEYS_ALL]);

#endif /* KEYS_APP_KEYS_H */
