// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) The dstack for Linux authors
 *
 * Unit tests of everything but the part that knows QEMU.
 *
 * unit PKI [FILE]: prints KTAP; leaves a quote in FILE for other tests.
 */
#include "unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <fcntl.h>

#define ARGS_MAX	16

uint8_t guest_memory[GUEST_MEMORY];
const char *test_pki;

static int failures_now;

void unit_fail(const char *file, int line, const char *what)
{
	printf("# %s:%d: %s does not hold\n", file, line, what);
	failures_now++;
}

int guest_read(uint64_t gpa, void *data, size_t size)
{
	if (gpa >= GUEST_MEMORY || size > GUEST_MEMORY - gpa)
		return -EFAULT;
	memcpy(data, guest_memory + gpa, size);
	return 0;
}

int guest_write(uint64_t gpa, const void *data, size_t size)
{
	if (gpa >= GUEST_MEMORY || size > GUEST_MEMORY - gpa)
		return -EFAULT;
	memcpy(guest_memory + gpa, data, size);
	return 0;
}

/* What the parser says on stderr would only clutter the results. */
int parse_quietly(struct td_config *config, const char *arguments)
{
	char text[8192], *argv[ARGS_MAX], *save, *word;
	int argc = 0, err, keep = dup(2), null = open("/dev/null", O_WRONLY);

	snprintf(text, sizeof(text), "%s", arguments);
	for (word = strtok_r(text, " ", &save); word && argc < ARGS_MAX;
	     word = strtok_r(NULL, " ", &save))
		argv[argc++] = word;
	config_defaults(config, 2);
	dup2(null, 2);
	err = config_parse(config, argc, argv);
	dup2(keep, 2);
	close(keep);
	close(null);
	return err;
}

void make_td(struct td *td, const char *arguments, bool with_pki)
{
	struct td_config config;
	const char *name;

	memset(guest_memory, 0, sizeof(guest_memory));
	if (parse_quietly(&config, arguments) || td_init(td, &config) ||
	    (with_pki && quoter_open(&td->quoter, test_pki, &name))) {
		printf("Bail out! no TD for '%s'\n", arguments);
		exit(1);
	}
}

uint64_t call(struct td *td, uint64_t regs[REG_COUNT])
{
	CHECK(tdcall(td, 0, regs) == CALL_DONE);
	return regs[RAX];
}

static int run(const struct claim *claims, int *count)
{
	int failed = 0;

	for (; claims->name; claims++) {
		failures_now = 0;
		claims->test();
		if (failures_now)
			failed++;
		printf("%sok %d - %s\n", failures_now ? "not " : "", ++*count,
		       claims->name);
	}
	return failed;
}

static int leave_quote(const char *path)
{
	static const uint8_t data[TDX_REPORT_DATA] = "unit test";
	uint8_t quote[QUOTE_MAX];
	struct tdx_report report;
	struct td td;
	FILE *file = fopen(path, "wb");
	int size, err = 1;

	make_td(&td, "", true);
	report_build(&td, data, &report);
	size = quote_build(td.quoter, &report, quote, sizeof(quote));
	if (file && size > 0)
		err = fwrite(quote, (size_t)size, 1, file) != 1;
	if (file)
		err |= fclose(file);
	td_exit(&td);
	return err;
}

int main(int argc, char **argv)
{
	int count = 0, failed = 0;

	if (argc < 2 || argc > 3) {
		fputs("Usage: unit PKI [FILE]\n", stderr);
		return 2;
	}
	test_pki = argv[1];
	puts("KTAP version 1");
	failed += run(arg_claims, &count);
	failed += run(call_claims, &count);
	failed += run(quote_claims, &count);
	printf("1..%d\n# unit: %d passed, %d failed\n", count, count - failed,
	       failed);
	if (argc == 3 && leave_quote(argv[2])) {
		fprintf(stderr, "unit: can't write '%s'\n", argv[2]);
		failed++;
	}
	return failed ? 1 : 0;
}
