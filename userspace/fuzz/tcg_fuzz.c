// SPDX-License-Identifier: MIT
/*
 * Event logs of firmware, taken apart and replayed
 *
 * Copyright The dstack for Linux authors
 */
#include "fuzz.h"

#include <stdlib.h>

#include "../test/tcg_fixture.h"

/* As many events as were counted, all of them within the log. */
static void check(const struct libdstack_tcg_log *log, const uint8_t *data,
		  size_t len)
{
	struct libdstack_tcg_event event = { 0 };
	size_t nr = 0;

	must(log->data >= data && log->data + log->len <= data + len);
	while (libdstack_tcg_log_next(log, &event)) {
		must(event.data >= data &&
		     event.data + event.len <= data + len);
		must(libdstack_tcg_digest(log, &event, log->bank[0].alg));
		libdstack_tcg_data_is_measured(log, &event);
		nr++;
	}
	must(nr == log->nr_events && event.end == log->len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	uint8_t value[LIBDSTACK_TCG_DIGEST_MAX], rtmr[LIBDSTACK_TCG_RTMRS][48];
	uint8_t *copy = fuzz_copy(data, len);
	struct libdstack_failure failure;
	struct libdstack_tcg_ccel ccel;
	struct libdstack_tcg_log log;

	libdstack_tcg_ccel_parse(copy, len, &ccel, &failure);
	if (!libdstack_tcg_log_parse(copy, len, &log, &failure)) {
		check(&log, copy, len);
		libdstack_tcg_replay(&log, log.bank[0].alg, 0, value,
				     &failure);
		libdstack_tcg_replay_rtmrs(&log, rtmr, &failure);
	} else {
		must(*failure.step && *failure.text);
	}
	free(copy);
	return 0;
}

void fuzz_seeds(void)
{
	static const uint16_t banks[] = {
		LIBDSTACK_TCG_SHA384, LIBDSTACK_TCG_SHA256
	};
	static struct tcg_fixture f;
	int nr;

	for (nr = 1; nr <= 2; nr++) {
		tcg_begin(&f, banks, nr);
		tcg_add(&f, 0, LIBDSTACK_TCG_EV_NO_ACTION, banks, nr, 0,
			"StartupLocality\0\3", 17);
		tcg_add(&f, 1, 4, banks, nr, 1, "\0\0\0\0", 4);
		tcg_add(&f, 2, 0xd, banks, nr, 2, "a command line", 14);
		fuzz_seed(f.data, f.len);
	}
}
