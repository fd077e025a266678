// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) The dstack for Linux authors
 *
 * check-quote PKI [FILE]: checks PKI's collateral, or with FILE a quote, whose
 * fields it prints if it is a good one.
 */
#include <stdint.h>
#include <stdio.h>

#include "verify.h"

#define QUOTE_MAX	65536

static void print_hex(const char *name, const uint8_t *data, size_t size)
{
	printf("%s=", name);
	while (size--)
		printf("%02x", *data++);
	putchar('\n');
}

static void print_fields(const uint8_t *quote)
{
	const uint8_t *body = quote + 48;

	print_hex("tee_tcb_svn", body, 16);
	print_hex("attributes", body + 120, 8);
	print_hex("mrtd", body + 136, 48);
	print_hex("mrconfigid", body + 184, 48);
	print_hex("rtmr0", body + 328, 48);
	print_hex("rtmr1", body + 376, 48);
	print_hex("rtmr2", body + 424, 48);
	print_hex("rtmr3", body + 472, 48);
	print_hex("report_data", body + 520, 64);
}

static const char *check_file(const char *pki, const char *path)
{
	static uint8_t quote[QUOTE_MAX];
	const char *problem;
	size_t size;
	FILE *file;

	file = fopen(path, "rb");
	if (!file)
		return "can't open the quote";
	size = fread(quote, 1, sizeof(quote), file);
	fclose(file);
	problem = verify_quote(quote, size, pki);
	if (!problem)
		print_fields(quote);
	return problem;
}

int main(int argc, char **argv)
{
	const char *problem;

	if (argc < 2 || argc > 3) {
		fputs("Usage: check-quote PKI [FILE]\n", stderr);
		return 2;
	}
	problem = argc == 3 ? check_file(argv[1], argv[2]) :
			      verify_collateral(argv[1]);
	if (problem)
		fprintf(stderr, "check-quote: %s\n", problem);
	return problem ? 1 : 0;
}
