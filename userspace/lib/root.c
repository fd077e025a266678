// SPDX-License-Identifier: MIT
/*
 * Root keys: into the module, and which are there
 *
 * Copyright The dstack for Linux authors
 */
#include "kdf.h"
#include "lib.h"
#include "mac.h"
#include "netlink.h"

#include <errno.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <stdlib.h>
#include <string.h>

#define DUMP_TRIES	8	/* keys may come and go while we read */

static int put_which(struct nl_msg *msg,
		     const uint8_t app_id[DSTACK_APP_ID_SIZE], uint64_t epoch)
{
	return nla_put(msg, DSTACK_A_APP_ID, DSTACK_APP_ID_SIZE, app_id) ?:
		nla_put_u64(msg, DSTACK_A_KEY_EPOCH, epoch);
}

int libdstack_load_root(struct libdstack_control *control,
			const uint8_t app_id[DSTACK_APP_ID_SIZE],
			uint64_t epoch,
			const uint8_t root[DSTACK_KEY_ROOT_SIZE],
			unsigned int flags)
{
	struct nl_msg *msg = dstack_request_new(control, DSTACK_CMD_KEY_LOAD,
						0, 128);

	if (!msg)
		return -ENOMEM;
	if (put_which(msg, app_id, epoch) ||
	    (flags & LIBDSTACK_ROOT_LOCAL &&
	     nla_put_flag(msg, DSTACK_A_KEY_LOCAL)) ||
	    nla_put(msg, DSTACK_A_KEY_ROOT, DSTACK_KEY_ROOT_SIZE, root)) {
		dstack_request_wipe(msg);
		return -EMSGSIZE;
	}
	return dstack_request_secret(control, msg, "load the root key");
}

int libdstack_retire_roots(struct libdstack_control *control,
			   const uint8_t app_id[DSTACK_APP_ID_SIZE],
			   uint64_t epoch)
{
	struct nl_msg *msg = dstack_request_new(control, DSTACK_CMD_KEY_RETIRE,
						0, 128);

	if (!msg)
		return -ENOMEM;
	if (put_which(msg, app_id, epoch)) {
		nlmsg_free(msg);
		return -EMSGSIZE;
	}
	return dstack_request(control, msg, "retire the key epoch", NULL, NULL);
}

int libdstack_wipe_roots(struct libdstack_control *control)
{
	struct nl_msg *msg = dstack_request_new(control, DSTACK_CMD_KEY_WIPE,
						0, 0);

	if (!msg)
		return -ENOMEM;
	return dstack_request(control, msg, "wipe the root keys", NULL, NULL);
}

struct root_list {
	struct libdstack_root *items;
	size_t nr;
};

static int root_reply(struct nlattr **attrs, void *arg)
{
	struct root_list *list = arg;
	struct libdstack_root *root;

	if (!attrs[DSTACK_A_APP_ID] || !attrs[DSTACK_A_KEY_EPOCH] ||
	    !attrs[DSTACK_A_KEY_ID])
		return -EPROTO;
	root = reallocarray(list->items, list->nr + 1, sizeof(*root));
	if (!root)
		return -ENOMEM;
	list->items = root;
	root += list->nr++;
	memcpy(root->app_id, nla_data(attrs[DSTACK_A_APP_ID]),
	       sizeof(root->app_id));
	root->epoch = nla_get_u64(attrs[DSTACK_A_KEY_EPOCH]);
	memcpy(root->id, nla_data(attrs[DSTACK_A_KEY_ID]), sizeof(root->id));
	return 0;
}

int libdstack_list_roots(struct libdstack_control *control,
			 int (*fn)(const struct libdstack_root *root,
				   void *arg), void *arg)
{
	struct root_list list = { NULL, 0 };
	int err, tries = 0;
	size_t i;

	do {
		struct nl_msg *msg;

		list.nr = 0;
		msg = dstack_request_new(control, DSTACK_CMD_KEY_GET,
					 NLM_F_DUMP, 0);
		err = msg ? dstack_request(control, msg, "list the root keys",
					   root_reply, &list) : -ENOMEM;
	} while (err == -ESTALE && ++tries < DUMP_TRIES);
	/* Called last, so that @fn may use the socket itself. */
	for (i = 0; !err && i < list.nr; i++)
		err = fn(&list.items[i], arg);
	free(list.items);
	return err;
}

/* As the module computes it. */
static int root_id(const uint8_t root[DSTACK_KEY_ROOT_SIZE],
		   uint8_t id[DSTACK_KEY_ID_SIZE])
{
	const struct dstack_bytes *salt = dstack_kdf_salt(DSTACK_KDF_OWN);
	const struct dstack_bytes ikm = { root, DSTACK_KEY_ROOT_SIZE };
	struct dstack_mac *extract, *prk = NULL;
	uint8_t bytes[DSTACK_KEY_TAG_SIZE];
	int err;

	err = dstack_mac_alloc(salt->data, salt->len, &extract);
	if (!err)
		err = dstack_mac(extract, &ikm, 1, bytes);
	if (!err)
		err = dstack_mac_alloc(bytes, sizeof(bytes), &prk);
	if (!err)
		err = dstack_kdf_id(prk, id);
	explicit_bzero(bytes, sizeof(bytes));
	dstack_mac_free(extract);
	dstack_mac_free(prk);
	return err;
}

struct same_root {
	const struct libdstack_root *wanted;
	bool found, same;
};

static int compare_root(const struct libdstack_root *root, void *arg)
{
	const struct libdstack_root *wanted = ((struct same_root *)arg)->wanted;
	struct same_root *it = arg;

	if (root->epoch == wanted->epoch &&
	    !memcmp(root->app_id, wanted->app_id, sizeof(root->app_id))) {
		it->found = true;
		it->same = !memcmp(root->id, wanted->id, sizeof(root->id));
	}
	return 0;
}

int libdstack_ensure_root(struct libdstack_control *control,
			  const uint8_t app_id[DSTACK_APP_ID_SIZE],
			  uint64_t epoch,
			  const uint8_t root[DSTACK_KEY_ROOT_SIZE],
			  unsigned int flags)
{
	struct libdstack_root wanted = { .epoch = epoch };
	struct same_root it = { .wanted = &wanted };
	int err;

	memcpy(wanted.app_id, app_id, sizeof(wanted.app_id));
	err = root_id(root, wanted.id) ?:
		libdstack_list_roots(control, compare_root, &it);
	if (err)
		return err;
	if (!it.found)
		return libdstack_load_root(control, app_id, epoch, root,
					   flags);
	if (it.same)
		return 0;
	dstack_message("the module has another root key of key epoch %llu: 'dstackctl key revoke --all' wipes it",
		       (unsigned long long)epoch);
	return -EEXIST;
}
