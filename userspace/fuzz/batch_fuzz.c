// SPDX-License-Identifier: MIT
/*
 * Parts of batches, in JSON
 *
 * Copyright The dstack for Linux authors
 */
#include "fuzz.h"

#include <libdstack_batch.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const struct libdstack_batch_wanted anything;
	uint8_t report_data[DSTACK_REPORT_DATA_SIZE] = { 0 };
	struct libdstack_failure failure;
	struct libdstack_batch part;
	char *text = fuzz_copy(data, len);

	if (libdstack_batch_parse(text, len, &part, &failure)) {
		must(failure.reason && failure.text[0]);
	} else {
		must(part.index < part.count && part.id[0]);
		must(part.nr <= LIBDSTACK_BATCH_DEPTH);
		must(libdstack_batch_check(&part, &anything, report_data,
					   &failure));
		/* It leads to what it leads to, or nowhere. */
		if (!libdstack_batch_report_data(&part, report_data))
			must(!libdstack_batch_check(&part, &anything,
						    report_data, &failure));
	}
	free(text);
	return 0;
}

#define H64	"0123abcd0123abcd0123abcd0123abcd" \
		"0123abcd0123abcd0123abcd0123abcd"
#define PART(index, count, path) \
	"{\"index\":" index ",\"count\":" count ",\"path\":[" path "]," \
	"\"container\":\"web.1\",\"salt\":\"" H64 "\",\"report_data\":\"" \
	H64 H64 "\",\"program\":\"sha256:" H64 "\",\"policy_epoch\":7}"

void fuzz_seeds(void)
{
	fuzz_seed_text(PART("0", "1", ""));
	fuzz_seed_text(PART("2", "3", "\"" H64 "\""));
	fuzz_seed_text("{\"quote\":\"0011\",\"event_log\":\"[]\","
		       "\"report_data\":\"\",\"vm_config\":\"\",\"batch\":"
		       PART("1", "4", "\"" H64 "\",\"" H64 "\"") "}");
	fuzz_seed_text("{\"batch\":{\"index\":0}}");
}
