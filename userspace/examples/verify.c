// SPDX-License-Identifier: MIT
/* Is a quote genuine and good?  Copyright The dstack for Linux authors */
#include <libdstack_quote.h>
#include <stdio.h>
#include <stdlib.h>

static unsigned char quote[DSTACK_QUOTE_MAX];

int main(int argc, char **argv)
{
	struct libdstack_collateral *collateral;
	struct libdstack_quote_policy policy;
	struct libdstack_verdict verdict;
	struct libdstack_failure why;
	FILE *file = argc > 2 ? fopen(argv[1], "rb") : NULL;
	size_t len = file ? fread(quote, 1, sizeof(quote), file) : 0;
	time_t at = argc > 3 ? strtoll(argv[3], NULL, 10) : time(NULL);

	if (file)
		fclose(file);
	if (!len || libdstack_collateral_read(argv[2], &collateral))
		return fputs("verify QUOTE COLLATERAL [TIME]\n", stderr), 2;
	libdstack_quote_policy_default(&policy);
	libdstack_quote_verify(quote, len, collateral, NULL, 0, at, &verdict);
	libdstack_collateral_free(collateral);
	if (libdstack_quote_policy_check(&policy, &verdict, NULL, NULL, &why))
		return printf("refused: %s: %s\n", why.step, why.text), 1;
	printf("genuine, %s\n", libdstack_tcb_status_name(verdict.status));
	return 0;
}
