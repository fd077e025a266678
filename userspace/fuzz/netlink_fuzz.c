// SPDX-License-Identifier: MIT
/*
 * Attributes of the module's answers
 *
 * Copyright The dstack for Linux authors
 */
#include "fuzz.h"

#include "../lib/control.c" /* NOLINT(bugprone-suspicious-include) */
#include "../lib/root.c" /* NOLINT(bugprone-suspicious-include) */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct container_list list = { NULL, 0, 0 };
	struct root_list roots = { NULL, 0 };
	struct nlattr *attrs[__DSTACK_A_MAX];
	struct libdstack_status status;
	void *copy = fuzz_copy(data, len);

	if (!nla_parse(attrs, DSTACK_A_MAX, copy, len, dstack_attr_policy)) {
		memset(&status, 0, sizeof(status));
		status_reply(attrs, &status);
		container_reply(attrs, &list);
		root_reply(attrs, &roots);
	}
	free(roots.items);
	free(list.items);
	free(copy);
	return 0;
}

static const uint8_t zeros[DSTACK_REGISTER_SIZE];

static int put_status(struct nl_msg *msg, size_t start_len)
{
	return nla_put_u32(msg, DSTACK_A_STATE, 1) ||
	       nla_put_u32(msg, DSTACK_A_BACKEND, 3) ||
	       nla_put_u32(msg, DSTACK_A_HOOKS, 31) ||
	       nla_put(msg, DSTACK_A_REGISTER, sizeof(zeros), zeros) ||
	       nla_put(msg, DSTACK_A_BASE, sizeof(zeros), zeros) ||
	       nla_put_u64(msg, DSTACK_A_LOG_COUNT, 9) ||
	       nla_put_u64(msg, DSTACK_A_LOG_ACKED, 9) ||
	       nla_put_u64(msg, DSTACK_A_LOG_FIRST, 1) ||
	       nla_put(msg, DSTACK_A_LOG_START, start_len, zeros);
}

static int put_container(struct nl_msg *msg, size_t app_len)
{
	return nla_put_string(msg, DSTACK_A_ID, "c") ||
	       nla_put_string(msg, DSTACK_A_SECTION, "s") ||
	       nla_put_u64(msg, DSTACK_A_CGROUP_ID, 5) ||
	       nla_put(msg, DSTACK_A_APP_ID, app_len, zeros) ||
	       nla_put_u64(msg, DSTACK_A_REFUSED, 1);
}

static int put_root(struct nl_msg *msg, size_t id_len)
{
	return nla_put(msg, DSTACK_A_APP_ID, DSTACK_APP_ID_SIZE, zeros) ||
	       nla_put_u64(msg, DSTACK_A_KEY_EPOCH, 3) ||
	       nla_put(msg, DSTACK_A_KEY_ID, id_len, zeros);
}

static void seed(int (*fill)(struct nl_msg *msg, size_t len), size_t len)
{
	struct nl_msg *msg = nlmsg_alloc_simple(0, 0);
	struct nlmsghdr *hdr;

	must(msg && !fill(msg, len));
	hdr = nlmsg_hdr(msg);
	fuzz_seed(nlmsg_data(hdr), nlmsg_datalen(hdr));
	nlmsg_free(msg);
}

/* What is shorter than it must be is no answer, and was read past its end. */
void fuzz_seeds(void)
{
	seed(put_status, sizeof(zeros));
	seed(put_status, 1);
	seed(put_container, DSTACK_APP_ID_SIZE);
	seed(put_container, 1);
	seed(put_root, DSTACK_KEY_ID_SIZE);
	seed(put_root, 1);
}
