// SPDX-License-Identifier: MIT
/*
 * Policies for quotes, in JSON
 *
 * Copyright The dstack for Linux authors
 */
#include "fuzz.h"

#include <libdstack_quote.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct libdstack_quote_policy policy;
	struct libdstack_failure failure;
	char *text = fuzz_copy(data, len);

	if (libdstack_quote_policy_parse(text, len, &policy, &failure)) {
		must(failure.reason && failure.text[0]);
	} else {
		/* Nothing that can be written allows these. */
		must(!(policy.tcb_allowed >> LIBDSTACK_TCB_REVOKED));
		must(policy.nr_devices <= LIBDSTACK_QUOTE_DEVICES_MAX);
		must(!failure.reason);
	}
	free(text);
	return 0;
}

#define HEX32	"0123456789abcdef0123456789abcdef"

void fuzz_seeds(void)
{
	fuzz_seed_text("{\"version\":1}");
	fuzz_seed_text("{\"version\":1,\"tcb_status\":[\"UpToDate\",\"OutOfDate\"],"
		       "\"grace_seconds\":86400,\"min_tcb_evaluation\":17,"
		       "\"advisories\":[\"INTEL-SA-00001\",\"INTEL-SA-00002\"]}");
	fuzz_seed_text("{\"version\":1,\"td_attributes_allowed\":[\"DEBUG\","
		       "\"SEPT_VE_DISABLE\",\"PERFMON\"],"
		       "\"td_attributes_required\":[],\"enclave_debug\":true,"
		       "\"mr_service_td\":\"" HEX32 HEX32 HEX32 "\","
		       "\"report_data\":\"" HEX32 HEX32 HEX32 HEX32 "\","
		       "\"devices\":[\"" HEX32 HEX32 "\"]}");
	fuzz_seed_text("{\"version\":1,\"mr_service_td\":\"any\"}");
}
