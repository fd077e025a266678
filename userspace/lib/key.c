// SPDX-License-Identifier: MIT
/*
 * Keys of the caller's container, by ioctls on /dev/dstack
 *
 * Copyright The dstack for Linux authors
 */
#include "lib.h"
#include "words.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

static bool into_keyring(const struct libdstack_key *key)
{
	return key->delivery != DSTACK_DELIVER_BYTES &&
		key->delivery != DSTACK_DELIVER_AGENT;
}

/* Of several causes all, in the order in which the kernel looks. */
static const char *get_key_help(int err, bool keyring)
{
	switch (err) {
	case -EACCES:
		return "the policy does not let this container have it, the "
		       "state is off, or the container ran what no policy "
		       "approved: see \"keys\" of its section, 'dstackctl "
		       "status' and 'dstackctl log'";
	case -EPERM:
		return "only a service that acts for a container gets a key "
		       "to use there: ask it to sign";
	case -EINVAL:
		return "there is no such key, or it can't be had this way: "
		       "kind, scope, length, purpose, delivery and name must "
		       "fit together";
	case -ENODATA:
		return "keys in scope container belong to an image, and this "
		       "container was registered without one: register it "
		       "with its digest, or ask in scope app";
	case -ENOKEY:
		return "no root key is loaded for this application, or not "
		       "of this key epoch: load one with 'dstackctl key load', "
		       "for development 'dstackctl key load --test'";
	case -EKEYREVOKED:
		return "its key epoch is retired, or what allowed it has "
		       "ended: ask for the newest epoch";
	case -EKEYREJECTED:
		return "what is derived is no key of this kind: take another "
		       "path";
	case -EEXIST:
		return "the keyring has a key of this name: unlink that, or "
		       "take another name";
	case -EDQUOT:
		if (keyring)
			return "the container or the user has too many keys: "
			       "unlink some";
		return "this container took key bytes too often, more will be "
		       "possible later";
	case -ENODEV:
		return "this kernel has no such type of key (fscrypt: "
		       "CONFIG_FS_ENCRYPTION)";
	default:
		return NULL;
	}
}

static void fill_request(struct dstack_get_key *req,
			 const struct libdstack_key *key, void *bytes)
{
	memset(req, 0, sizeof(*req));
	req->size = sizeof(*req);
	req->flags = key->flags;
	req->kind = key->kind;
	req->scope = key->scope;
	req->delivery = key->delivery;
	req->key_len = key->len ? key->len : DSTACK_KEY_SIZE;
	req->path = (uintptr_t)key->path;
	req->path_len = key->path_len;
	req->purpose = (uintptr_t)key->purpose;
	req->purpose_len = key->purpose_len;
	req->epoch = (key->flags & DSTACK_KEY_F_EPOCH) ? key->epoch : 0;
	if (!into_keyring(key)) {
		req->bytes = (uintptr_t)bytes;
		return;
	}
	req->keyring = key->keyring;
	memcpy(req->name, key->name, strlen(key->name));
}

static int check_sizes(const struct libdstack_key *key)
{
	if (key->path_len > DSTACK_KEY_PATH_MAX ||
	    key->purpose_len > DSTACK_KEY_PURPOSE_MAX) {
		dstack_message("a key's path has at most %d bytes, its purpose %d",
			       DSTACK_KEY_PATH_MAX, DSTACK_KEY_PURPOSE_MAX);
		return -EINVAL;
	}
	if (into_keyring(key) &&
	    (!key->name || strlen(key->name) >= DSTACK_KEY_NAME_SIZE)) {
		dstack_message("a key's name in a keyring has 1 to %d characters",
			       DSTACK_KEY_NAME_SIZE - 1);
		return -EINVAL;
	}
	return 0;
}

int libdstack_get_key(int fd, struct libdstack_key *key, void *bytes,
		      int32_t *serial)
{
	struct dstack_get_key req;
	const char *help;
	int err;

	err = check_sizes(key);
	if (err)
		return err;
	fill_request(&req, key, bytes);
	if (ioctl(fd, DSTACK_GET_KEY, &req)) {
		err = -errno;
		help = get_key_help(err, into_keyring(key));
		if (!help)
			return dstack_device_error(err, "get a key");
		dstack_message("can't get a key: %s", help);
		return err;
	}
	key->epoch = req.epoch;
	if (into_keyring(key))
		*serial = req.out_serial;
	return 0;
}

/* Of the ioctls that use a key. */
static const char *use_help(int err)
{
	switch (err) {
	case -EACCES:
		return "the key is not in a keyring of this process, or "
		       "belongs to another container";
	case -EINVAL:
		return "this is no key for it, or the data has more than 1 MiB";
	case -ENOKEY:
		return "there is no such key, or no root key of its epoch is "
		       "loaded";
	case -EKEYREVOKED:
		return "what allowed the key has ended: the policy changed, "
		       "its key epoch is retired, the root keys are gone, or "
		       "the container ran what no policy approved; ask for "
		       "the key again";
	case -EKEYEXPIRED:
		return "the key has expired: ask for it again";
	case -ENODATA:
		return "there is no policy to bind to";
	case -ENOPKG:
		return "this kernel has no AES-GCM: CONFIG_CRYPTO_GCM, "
		       "'modprobe gcm'";
	default:
		return NULL;
	}
}

static int use_error(int err, const char *what)
{
	const char *help = use_help(err);

	if (!help)
		return dstack_device_error(err, what);
	dstack_message("can't %s: %s", what, help);
	return err;
}

static int hmac(int fd, struct dstack_hmac *req, const void *data, size_t len,
		const char *what)
{
	if (len > DSTACK_KEY_DATA_MAX)
		return use_error(-EINVAL, what);
	req->size = sizeof(*req);
	req->data = (uintptr_t)data;
	req->data_len = len;
	return ioctl(fd, DSTACK_HMAC, req) ? -errno : 0;
}

int libdstack_hmac(int fd, int32_t key, const void *data, size_t len,
		   uint8_t tag[DSTACK_KEY_TAG_SIZE])
{
	struct dstack_hmac req = { .key = key };
	int err = hmac(fd, &req, data, len, "compute an HMAC");

	if (err)
		return use_error(err, "compute an HMAC");
	memcpy(tag, req.tag, sizeof(req.tag));
	return 0;
}

int libdstack_hmac_verify(int fd, int32_t key, const void *data, size_t len,
			  const uint8_t tag[DSTACK_KEY_TAG_SIZE])
{
	struct dstack_hmac req = {
		.key = key, .flags = DSTACK_HMAC_F_VERIFY,
	};
	int err;

	memcpy(req.tag, tag, sizeof(req.tag));
	err = hmac(fd, &req, data, len, "verify an HMAC");
	if (err == -EBADMSG) {
		dstack_message("the HMAC is not that of this data under this key");
		return err;
	}
	return err ? use_error(err, "verify an HMAC") : 0;
}

int libdstack_seal(int fd, int32_t key, uint32_t flags, const void *data,
		   size_t len, void *blob)
{
	struct dstack_seal req = {
		.size = sizeof(req), .flags = flags, .key = key,
		.data = (uintptr_t)data, .data_len = len,
		.blob = (uintptr_t)blob,
		.blob_len = len + DSTACK_SEAL_OVERHEAD,
	};

	if (len > DSTACK_KEY_DATA_MAX || ioctl(fd, DSTACK_SEAL, &req))
		return use_error(len > DSTACK_KEY_DATA_MAX ? -EINVAL : -errno,
				 "seal");
	return 0;
}

/* What a check that failed means, and what helps. */
static const char *check_help(uint32_t check)
{
	switch (check) {
	case DSTACK_SEAL_FORMAT:
		return "it is no sealed blob, of another version, or cut short";
	case DSTACK_SEAL_APP:
		return "another application sealed it";
	case DSTACK_SEAL_IMAGE:
		return "a container of another image sealed it; what is to "
		       "outlive an image is sealed in scope app";
	case DSTACK_SEAL_NAME:
		return "a key of another path, purpose or scope sealed it";
	case DSTACK_SEAL_EPOCH:
		return "its key epoch is retired, not loaded, or not the one "
		       "that was asked for";
	case DSTACK_SEAL_POLICY:
		return "it opens under the policy that it was sealed under, "
		       "and no other";
	case DSTACK_SEAL_TAG:
		return "it was changed, or sealed from another root key";
	default:
		return "for a reason that this program does not know";
	}
}

int libdstack_unseal(int fd, int32_t key, const void *blob, size_t blob_len,
		     void *data, size_t *len, enum dstack_seal_check *check)
{
	struct dstack_unseal req = {
		.size = sizeof(req), .key = key,
		.blob = (uintptr_t)blob, .blob_len = blob_len,
		.data = (uintptr_t)data, .data_len = *len,
	};
	int err = 0;

	*check = DSTACK_SEAL_OK;
	if (blob_len > DSTACK_KEY_DATA_MAX + DSTACK_SEAL_OVERHEAD)
		return use_error(-EINVAL, "unseal");
	if (ioctl(fd, DSTACK_UNSEAL, &req))
		err = -errno;
	if (!err && req.data_len > *len)
		err = -EPROTO;
	if (!err || err == -ENOSPC)
		*len = req.data_len;
	if (!err)
		return 0;
	/* Without one it failed before any. */
	if (req.out_check == DSTACK_SEAL_OK)
		return use_error(err, "unseal");
	*check = req.out_check;
	dstack_message("can't unseal: check '%s' failed: %s",
		       dstack_seal_check_name(req.out_check),
		       check_help(req.out_check));
	return err;
}
