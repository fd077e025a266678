// SPDX-License-Identifier: MIT
/*
 * What dstack-kms wants of the TD that it runs in, where there is none
 *
 * Copyright The dstack for Linux authors
 *
 * In place of attest/make.c and agent/device.c: evidence of the platform in
 * DSTACK_TEST_PKI, and callers that are all the host.  With kmsd_no_td_seal.c
 * all else of kmsd-no-td is dstack-kms.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../agent/agent.h"
#include "../attest/attest.h"
#include "kmsd_evidence_fixture.h"

static const struct guest kms = { NULL, "this KMS is none, no" };

int attest_make(const char *log,
		const uint8_t report_data[DSTACK_REPORT_DATA_SIZE],
		const char *vm_config, bool stripped,
		enum libdstack_attestation_form form, uint8_t **out,
		size_t *len)
{
	static struct container c;

	(void)log;
	if (*vm_config)
		guest_config = vm_config;
	assert_true(stripped && form == LIBDSTACK_FORM_SCALE);
	if (!pck)
		use_pki(getenv("DSTACK_TEST_PKI"));
	make_evidence(&kms, report_data, &c);
	*out = malloc(c.len);
	assert_non_null(*out);
	memcpy(*out, c.data, c.len);
	*len = c.len;
	return 0;
}

int agent_device_find(pid_t pid, struct http_caller *caller)
{
	(void)pid;
	snprintf(caller->id, sizeof(caller->id), "%s", DSTACK_HOST_ID);
	return 0;
}
