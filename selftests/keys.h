/* SPDX-License-Identifier: MIT */
/*
 * What the tests of keys share: root keys, terms of policies, asking for keys
 *
 * Copyright The dstack for Linux authors
 */
#ifndef DSTACK_KEYS_H
#define DSTACK_KEYS_H

#include "dstack_test.h"
#include "upload.h"

#include <linux/keyctl.h>
#include <openssl/core_names.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <sys/syscall.h>

/* Upstream's own test key, and another. */
static const uint8_t root_key[DSTACK_KEY_ROOT_SIZE] = {
	0x1a, 0x2b, 0x3c, 0x4d, 0x5e, 0x6f, 0x7a, 0x8b,
	0x9c, 0x0d, 0x1e, 0x2f, 0x3a, 0x4b, 0x5c, 0x6d,
	0x7e, 0x8f, 0x9a, 0x0b, 0x1c, 0x2d, 0x3e, 0x4f,
	0x5a, 0x6b, 0x7c, 0x8d, 0x9e, 0x0f, 0x1a, 0x2b,
};

static const uint8_t other_key[DSTACK_KEY_ROOT_SIZE] = { 0x42 };

/*
 * Policies of two sections, "host" and the containers', with these terms
 */

struct term {
	const char *path;
	uint8_t kinds, scopes, delivery;
};

struct key_table {
	struct dstack_table_header header;
	struct dstack_table_section sections[2];
	struct dstack_table_key keys[8];
};

static const struct term all_terms[] = {
	{ "", __DSTACK_KEY_KIND_ALL, __DSTACK_SCOPE_ALL, __DSTACK_DELIVER_ALL },
};

static inline void key_section(struct dstack_table_section *section,
			       const char *name)
{
	int kind;

	strcpy(section->name, name);
	for (kind = 0; kind < DSTACK_TABLE_KINDS; kind++) {
		section->accept[kind] = htole16(__DSTACK_STORAGE_ACCEPTABLE);
		/* The host's own programs run in every state. */
		if (!strcmp(name, "host"))
			section->trust[kind] = section->accept[kind];
	}
}

/* A policy whose containers have these terms; the host has the same. */
static inline int key_policy(struct genl *genl,
			     struct libdstack_control *control,
			     const struct term *terms, size_t nr)
{
	struct libdstack_status status;
	struct key_table table;
	size_t i, size = offsetof(struct key_table, keys) +
			 2 * nr * sizeof(table.keys[0]);
	int err = libdstack_status(control, &status);

	if (err)
		return err;
	memset(&table, 0, sizeof(table));
	memcpy(table.header.magic, DSTACK_TABLE_MAGIC, 8);
	table.header.size = htole32(size);
	table.header.sections = htole32(2);
	table.header.keys = htole32(2 * nr);
	table.header.epoch = htole64(status.policy_epoch + 1);
	key_section(&table.sections[0], "host");
	key_section(&table.sections[1], "selftest");
	for (i = 0; i < 2; i++) {
		table.sections[i].first_key = htole32(i * nr);
		table.sections[i].count_keys = htole32(nr);
	}
	for (i = 0; i < 2 * nr; i++) {
		const struct term *term = &terms[i % nr];

		memcpy(table.keys[i].path, term->path, strlen(term->path));
		table.keys[i].path_len = strlen(term->path);
		table.keys[i].kinds = term->kinds;
		table.keys[i].scopes = term->scopes;
		table.keys[i].delivery = term->delivery;
	}
	return load(genl, &table, size);
}

static inline int key_policy_all(struct genl *genl,
				 struct libdstack_control *control)
{
	return key_policy(genl, control, all_terms, 1);
}

/* Registered with an image, of which @image is every byte. */
static inline int key_container(struct libdstack_control *control,
				struct container *c, const char *name,
				uint8_t image)
{
	int fd, err;

	container_name(c, name);
	memset(c->as.image, image, sizeof(c->as.image));
	fd = cgroup_make(c->cgroup);
	if (fd < 0)
		return fd;
	err = libdstack_add_container(control, fd, &c->as);
	close(fd);
	if (err)
		cgroup_remove(c->cgroup);
	return err;
}

/*
 * Root keys, of the application whose id is all zeros
 */

static inline int load_root(struct genl *genl, uint64_t epoch,
			    const uint8_t key[DSTACK_KEY_ROOT_SIZE])
{
	static const uint8_t app_id[DSTACK_APP_ID_SIZE];
	struct nl_msg *msg = genl_new(genl, DSTACK_CMD_KEY_LOAD, 0);

	nla_put(msg, DSTACK_A_APP_ID, sizeof(app_id), app_id);
	nla_put_u64(msg, DSTACK_A_KEY_EPOCH, epoch);
	nla_put(msg, DSTACK_A_KEY_ROOT, DSTACK_KEY_ROOT_SIZE, key);
	return genl_ask(genl, msg);
}

static inline int retire_roots(struct genl *genl, uint64_t epoch)
{
	static const uint8_t app_id[DSTACK_APP_ID_SIZE];
	struct nl_msg *msg = genl_new(genl, DSTACK_CMD_KEY_RETIRE, 0);

	nla_put(msg, DSTACK_A_APP_ID, sizeof(app_id), app_id);
	nla_put_u64(msg, DSTACK_A_KEY_EPOCH, epoch);
	return genl_ask(genl, msg);
}

static inline int wipe_roots(struct genl *genl)
{
	return genl_ask(genl, genl_new(genl, DSTACK_CMD_KEY_WIPE, 0));
}

/*
 * Key epochs do not come back: every test takes the next one, which the
 * module tells by what it refuses.
 */
static inline int load_next_root(struct genl *genl, uint64_t *epoch,
				 const uint8_t key[DSTACK_KEY_ROOT_SIZE])
{
	int err;

	for (*epoch = 0; *epoch < 4096; ++*epoch) {
		err = load_root(genl, *epoch, key);
		if (err != -ESTALE && err != -EEXIST)
			return err;
	}
	return -ERANGE;
}

static inline int count_one(const struct libdstack_root *root, void *arg)
{
	(void)root;
	++*(int *)arg;
	return 0;
}

static inline int count_roots(struct libdstack_control *control)
{
	int count = 0, err = libdstack_list_roots(control, count_one, &count);

	return err ?: count;
}

/*
 * Keys
 */

static inline void ask_for(struct dstack_get_key *get, uint32_t kind,
			   uint32_t scope, const char *path)
{
	memset(get, 0, sizeof(*get));
	get->size = sizeof(*get);
	get->kind = kind;
	get->scope = scope;
	get->key_len = DSTACK_KEY_SIZE;
	get->path = address(path);
	get->path_len = strlen(path);
}

static inline void of_epoch(struct dstack_get_key *get, uint64_t epoch)
{
	get->flags |= DSTACK_KEY_F_EPOCH;
	get->epoch = epoch;
}

static inline int get_bytes(int fd, struct dstack_get_key *get, uint8_t *out)
{
	get->delivery = DSTACK_DELIVER_BYTES;
	get->bytes = address(out);
	return device_call(fd, DSTACK_GET_KEY, get);
}

/* Its number, or an errno. */
static inline int get_in_ring(int fd, struct dstack_get_key *get,
			      uint32_t delivery, int32_t keyring,
			      const char *name)
{
	get->delivery = delivery;
	get->keyring = keyring;
	snprintf((char *)get->name, sizeof(get->name), "%s", name);
	return device_call(fd, DSTACK_GET_KEY, get) ?: get->out_serial;
}

/* In the process keyring, which goes with the process. */
static inline int get_handle(int fd, uint32_t kind, const char *path)
{
	static int number;
	struct dstack_get_key get;
	char name[32];

	ask_for(&get, kind, DSTACK_SCOPE_CONTAINER, path);
	snprintf(name, sizeof(name), "handle-%d", number++);
	return get_in_ring(fd, &get, DSTACK_DELIVER_HANDLE,
			   KEY_SPEC_PROCESS_KEYRING, name);
}

static inline int hmac(int fd, int key, const void *text, size_t len,
		       uint8_t tag[DSTACK_KEY_TAG_SIZE])
{
	struct dstack_hmac call = {
		.size = sizeof(call), .key = key,
		.data = address(text), .data_len = len,
	};
	int err = device_call(fd, DSTACK_HMAC, &call);

	memcpy(tag, call.tag, sizeof(call.tag));
	return err;
}

static inline int seal(int fd, int key, uint32_t flags, const void *text,
		       size_t len, uint8_t *blob)
{
	struct dstack_seal call = {
		.size = sizeof(call), .flags = flags, .key = key,
		.data = address(text), .data_len = len,
		.blob = address(blob), .blob_len = len + DSTACK_SEAL_OVERHEAD,
	};

	return device_call(fd, DSTACK_SEAL, &call);
}

/* The errno, and which check it was. */
static inline int unseal(int fd, int key, const void *blob, size_t len,
			 void *text, uint32_t *check)
{
	struct dstack_unseal call = {
		.size = sizeof(call), .key = key,
		.blob = address(blob), .blob_len = len,
		.data = address(text), .data_len = len,
	};
	int err = device_call(fd, DSTACK_UNSEAL, &call);

	*check = call.out_check;
	return err;
}

static inline long keyctl(int op, unsigned long a, unsigned long b,
			  unsigned long c, unsigned long d)
{
	long ret = syscall(SYS_keyctl, op, a, b, c, d);

	return ret < 0 ? -errno : ret;
}

/* HKDF-SHA256 of RFC 5869, by OpenSSL. */
static inline void hkdf(const uint8_t key[DSTACK_KEY_ROOT_SIZE],
			const char *salt, const void *info, size_t info_len,
			uint8_t *out, size_t len)
{
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
	EVP_KDF_CTX *ctx = EVP_KDF_CTX_new(kdf);
	OSSL_PARAM params[] = {
		OSSL_PARAM_utf8_string(OSSL_KDF_PARAM_DIGEST, "SHA256", 6),
		OSSL_PARAM_octet_string(OSSL_KDF_PARAM_KEY, (void *)key,
					DSTACK_KEY_ROOT_SIZE),
		OSSL_PARAM_octet_string(OSSL_KDF_PARAM_SALT, (void *)salt,
					strlen(salt)),
		OSSL_PARAM_octet_string(OSSL_KDF_PARAM_INFO, (void *)info,
					info_len),
		OSSL_PARAM_END
	};

	if (EVP_KDF_derive(ctx, out, len, params) <= 0)
		abort();
	EVP_KDF_CTX_free(ctx);
	EVP_KDF_free(kdf);
}

#endif /* DSTACK_KEYS_H */
