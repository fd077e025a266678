// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) The dstack for Linux authors
 *
 * Claims about the plugin's arguments.
 */
#include "unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "crypto.h"

#define HEX_47 "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292A2B2C2D2E"
#define HEX_48 HEX_47 "2F"

static bool refused(const char *arguments)
{
	struct td_config config;
	int err = parse_quietly(&config, arguments);

	config_free(&config);
	return err < 0;
}

static void no_arguments_give_a_safe_td(void)
{
	static const uint8_t zeroes[TDX_DIGEST];
	struct td_config config;

	CHECK(parse_quietly(&config, "") == 0);
	CHECK(config.attributes == TD_ATTR_SEPT_VE_DISABLE);
	CHECK(config.gpa_width == 53 && config.vcpus == 2);
	CHECK(memcmp(config.mrtd, config.rtmr[0], TDX_DIGEST) != 0);
	CHECK(memcmp(config.mrtd, zeroes, TDX_DIGEST) != 0);
	CHECK(memcmp(config.rtmr[3], zeroes, TDX_DIGEST) == 0);
	CHECK(memcmp(config.mrconfigid, zeroes, TDX_DIGEST) == 0);
	CHECK(config.quote_down.count == 0 && !config.pki);
}

static void digests_are_taken_in_either_case(void)
{
	struct td_config config;
	uint8_t i;

	CHECK(parse_quietly(&config, "mrtd=" HEX_48 " rtmr2=" HEX_48) == 0);
	for (i = 0; i < TDX_DIGEST; i++)
		CHECK(config.mrtd[i] == i && config.rtmr[2][i] == i);
}

static void digests_of_wrong_length_or_letters_are_refused(void)
{
	CHECK(refused("mrtd=00"));
	CHECK(refused("mrtd=" HEX_48 "00"));
	CHECK(refused("mrowner=x" HEX_48));
	CHECK(refused("rtmr1=" HEX_47 "0g"));
}

static void unknown_arguments_are_refused(void)
{
	CHECK(refused("mrt=" HEX_48));
	CHECK(refused("mrtdx=" HEX_48));
	CHECK(refused("rtmr3=" HEX_48));
	CHECK(refused("debug"));
	CHECK(refused("=1"));
}

static void empty_and_repeated_arguments_are_refused(void)
{
	CHECK(refused("pki="));
	CHECK(refused("vcpus=1 vcpus=2"));
}

static void numbers_are_bounded(void)
{
	struct td_config config;

	CHECK(parse_quietly(&config, "attributes=0x10000001 gpaw=52") == 0);
	CHECK(config.attributes == 0x10000001 && config.gpa_width == 52);
	CHECK(refused("gpaw=54"));
	CHECK(refused("vcpus=0"));
	CHECK(refused("vcpus=-1"));
	CHECK(refused("vcpus=1x"));
	CHECK(refused("attributes=0x10000000000000000"));
	CHECK(refused("quote-late=600001"));
}

static void switches_are_on_or_off(void)
{
	struct td_config config;

	CHECK(parse_quietly(&config, "debug=on") == 0 && config.debug);
	CHECK(parse_quietly(&config, "debug=off") == 0 && !config.debug);
	CHECK(refused("debug=yes"));
}

static void faults_take_a_count_and_a_start(void)
{
	struct td_config config;

	CHECK(parse_quietly(&config, "extend-busy=3 quote-down=2@10 "
				     "quote-huge=all report-busy=all@4") == 0);
	CHECK(config.extend_busy.count == 3 && config.extend_busy.after == 0);
	CHECK(config.quote_down.count == 2 && config.quote_down.after == 10);
	CHECK(config.quote_huge.count == UINT64_MAX);
	CHECK(config.report_busy.count == UINT64_MAX &&
	      config.report_busy.after == 4);
	CHECK(refused("extend-busy=some"));
	CHECK(refused("extend-busy=1@"));
	CHECK(refused("extend-busy=1@x"));
	CHECK(refused("extend-busy=1@2@3"));
	CHECK(refused("extend-busy=allx"));
}

static void a_fault_strikes_where_it_was_put(void)
{
	struct fault fault = { .after = 2, .count = 2 };
	int i;

	for (i = 0; i < 6; i++)
		CHECK(fault_strikes(&fault) == (i == 2 || i == 3));
	fault = (struct fault){ .after = 1, .count = UINT64_MAX };
	CHECK(!fault_strikes(&fault));
	CHECK(fault_strikes(&fault) && fault_strikes(&fault));
}

static void write_file(char *path, const char *text)
{
	int fd = mkstemp(path);

	CHECK(fd >= 0);
	CHECK(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
}

/* RTMR2 is extended with the command line first, as boot loaders do. */
static void files_are_measured_in_boot_order(void)
{
	char cmdline[] = "/tmp/tdx-unit-XXXXXX";
	char initrd[] = "/tmp/tdx-unit-XXXXXX";
	uint8_t expect[TDX_DIGEST] = { 0 }, digest[TDX_DIGEST];
	struct td_config config;
	char arguments[128];

	write_file(initrd, "initrd");
	write_file(cmdline, "quiet");
	snprintf(arguments, sizeof(arguments), "initrd=%s cmdline=%s", initrd,
		 cmdline);
	CHECK(parse_quietly(&config, arguments) == 0);
	sha384("quiet", 5, digest);
	sha384_extend(expect, digest);
	sha384("initrd", 6, digest);
	sha384_extend(expect, digest);
	CHECK(!memcmp(config.rtmr[2], expect, TDX_DIGEST));
	unlink(initrd);
	unlink(cmdline);
}

static void missing_files_and_mixtures_are_refused(void)
{
	CHECK(refused("kernel=/nonexistent"));
	CHECK(refused("kernel=/dev/null rtmr1=" HEX_48));
	CHECK(refused("cmdline=/dev/null rtmr2=" HEX_48));
	CHECK(!refused("kernel=/dev/null rtmr2=" HEX_48));
}

#define CLAIM(name) { #name, name }

const struct claim arg_claims[] = {
	CLAIM(no_arguments_give_a_safe_td),
	CLAIM(digests_are_taken_in_either_case),
	CLAIM(digests_of_wrong_length_or_letters_are_refused),
	CLAIM(unknown_arguments_are_refused),
	CLAIM(empty_and_repeated_arguments_are_refused),
	CLAIM(numbers_are_bounded),
	CLAIM(switches_are_on_or_off),
	CLAIM(faults_take_a_count_and_a_start),
	CLAIM(a_fault_strikes_where_it_was_put),
	CLAIM(files_are_measured_in_boot_order),
	CLAIM(missing_files_and_mixtures_are_refused),
	{ NULL, NULL },
};
