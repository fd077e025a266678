// SPDX-License-Identifier: MIT
/*
 * What a guest was launched with says what its launch is measured to
 *
 * Copyright The dstack for Linux authors
 *
 * Reads $DSTACK_VECTORS/snp/measurement.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <jansson.h>
#include <openssl/sha.h>
#include <string.h>

#include "ovmf_fixture.h"
#include "vectors.h"

#define EPYC_V4		0x800f12

static struct ovmf_fixture f;
static struct libdstack_snp_guest guest;
static struct libdstack_failure why;
static uint8_t digest[48];
static const uint8_t hash[32] = { 7 };

static void make(void)
{
	ovmf_make(&f);
	memset(&guest, 0, sizeof(guest));
	guest.firmware = f.data;
	guest.firmware_len = sizeof(f.data);
	guest.vcpus = 2;
	guest.features = 1;
	guest.cpu_signature = EPYC_V4;
	guest.kernel = hash;
	guest.cmdline = "quiet";
}

static int measure(void)
{
	return libdstack_snp_measure(&guest, digest, &why);
}

static void refused(int err)
{
	static const uint8_t none[48];

	assert_int_equal(measure(), err);
	assert_string_equal(why.step, "launch measurement");
	assert_string_not_equal(why.text, "");
	assert_memory_equal(digest, none, sizeof(none));
}

/* It is another one than @before. */
static void differs(const uint8_t before[48])
{
	assert_int_equal(measure(), 0);
	assert_memory_not_equal(digest, before, 48);
}

static void everything_that_is_given_is_measured(void **state)
{
	uint8_t before[48], other[32] = { 8 }, firmware[48] = { 1 };

	(void)state;
	make();
	assert_int_equal(measure(), 0);
	memcpy(before, digest, sizeof(before));
	assert_int_equal(measure(), 0);
	assert_memory_equal(digest, before, sizeof(before));
	f.data[0] ^= 1;
	differs(before);
	make();
	guest.vcpus = 3;
	differs(before);
	make();
	guest.features = 0x21;
	differs(before);
	make();
	guest.cpu_signature++;
	differs(before);
	make();
	guest.vmm = LIBDSTACK_SNP_EC2;
	differs(before);
	make();
	guest.kernel = other;
	differs(before);
	make();
	guest.initrd = hash;
	differs(before);
	make();
	guest.cmdline = "loud";
	differs(before);
	make();
	guest.kernel = NULL;
	guest.cmdline = NULL;
	differs(before);
	make();
	guest.firmware_digest = firmware;
	differs(before);
}

static void absent_texts_are_empty_ones(void **state)
{
	uint8_t before[48], empty[32];

	(void)state;
	make();
	guest.cmdline = NULL;
	assert_int_equal(measure(), 0);
	memcpy(before, digest, sizeof(before));
	guest.cmdline = "";
	SHA256(NULL, 0, empty);
	guest.initrd = empty;
	assert_int_equal(measure(), 0);
	assert_memory_equal(digest, before, sizeof(before));
}

static void impossible_guests_are_rejected(void **state)
{
	(void)state;
	make();
	guest.vcpus = 0;
	refused(-EINVAL);
	guest.vcpus = LIBDSTACK_SNP_VCPUS_MAX + 1;
	refused(-EINVAL);
	make();
	guest.firmware_len--;
	refused(-EINVAL);
	make();
	guest.firmware_len = 0;
	refused(-EINVAL);
	make();
	guest.kernel = NULL;
	refused(-EINVAL);
	make();
	guest.vmm = 7;
	refused(-EINVAL);
}

static void firmware_must_have_what_the_guest_needs(void **state)
{
	(void)state;
	make();
	f.data[OVMF_RESET_GUID] ^= 1;	/* where other CPUs begin */
	refused(-EBADMSG);
	guest.vcpus = 1;
	assert_int_equal(measure(), 0);
	make();
	f.data[OVMF_HASHES_GUID] ^= 1;
	refused(-EBADMSG);
	make();
	f.data[OVMF_SECTION(OVMF_SECTIONS - 1) + 8] = 1;
	refused(-EBADMSG);
	make();
	f.data[OVMF_METADATA_GUID] ^= 1;
	refused(-EBADMSG);
	make();
	f.data[OVMF_FOOTER_GUID] ^= 1;
	refused(-EBADMSG);
	make();
	f.data[OVMF_SECTION(0) + 8] = 9;
	refused(-EOPNOTSUPP);
}

static void attack_47_sections_that_lie_are_rejected(void **state)
{
	(void)state;
	make();			/* 4 GiB of them */
	memset(f.data + OVMF_SECTION(0) + 5, 0xff, 3);
	refused(-EBADMSG);
	make();			/* half a page */
	f.data[OVMF_SECTION(0) + 5] = 8;
	refused(-EBADMSG);
	make();			/* as many as there are numbers */
	memset(f.data + OVMF_LIST + 12, 0xff, 4);
	refused(-EBADMSG);
	make();			/* beyond the end */
	f.data[OVMF_LIST + 12] = 60;
	refused(-EBADMSG);
	make();			/* before the begin */
	f.data[OVMF_METADATA + 2] = 0xff;
	refused(-EBADMSG);
	make();			/* a list longer than the firmware */
	f.data[OVMF_FOOTER_GUID - 1] = 0xff;
	refused(-EBADMSG);
	make();			/* an entry longer than the list, or nothing */
	f.data[OVMF_RESET_GUID - 1] = 0xff;
	refused(-EBADMSG);
	make();
	f.data[OVMF_RESET_GUID - 2] = 0;
	refused(-EBADMSG);
}

static const char *text_of(const json_t *row, const char *key)
{
	const char *text = json_string_value(json_object_get(row, key));

	assert_non_null(text);
	return text;
}

static void measure_row(const json_t *row)
{
	const bool kernel = strcmp(text_of(row, "kernel_file"), "None") != 0;
	const char *expected = text_of(row, "expected_launch_digest");
	const char *known = text_of(row, "ovmf_hash_str");
	uint8_t want[48], firmware[48], empty[32];
	struct vector file;
	char path[256];

	snprintf(path, sizeof(path), "snp/measurement/%s",
		 text_of(row, "ovmf_file"));
	file = vector_load(path);
	SHA256(NULL, 0, empty);
	memset(&guest, 0, sizeof(guest));
	guest.firmware = file.data;
	guest.firmware_len = file.len;
	if (libdstack_from_hex(known, strlen(known), firmware, 48))
		guest.firmware_digest = firmware;
	/* It is always an empty one. */
	guest.kernel = kernel ? empty : NULL;
	if (strcmp(text_of(row, "append"), "None"))
		guest.cmdline = text_of(row, "append");
	guest.vmm = strstr(text_of(row, "vmm_type"), "EC2") ?
		LIBDSTACK_SNP_EC2 : LIBDSTACK_SNP_QEMU;
	guest.vcpus = strtoul(text_of(row, "vcpus"), NULL, 10);
	guest.cpu_signature = EPYC_V4;
	guest.features = strstr(text_of(row, "guest_features"), "0x21") ?
		0x21 : 1;
	assert_true(libdstack_from_hex(expected, strlen(expected), want, 48));
	assert_int_equal(measure(), 0);
	if (memcmp(digest, want, sizeof(want)))
		fail_msg("%s", text_of(row, "name"));
	free(file.data);
}

static void answers_of_others_are_met(void **state)
{
	struct vector file;
	const json_t *row;
	json_t *doc;
	size_t i;

	(void)state;
	file = vector_load("snp/measurement/cases.json");
	doc = json_loadb(file.data, file.len, 0, NULL);
	assert_int_equal(json_array_size(doc), 14);
	json_array_foreach(doc, i, row)
		measure_row(row);
	json_decref(doc);
	free(file.data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(everything_that_is_given_is_measured),
		cmocka_unit_test(absent_texts_are_empty_ones),
		cmocka_unit_test(impossible_guests_are_rejected),
		cmocka_unit_test(firmware_must_have_what_the_guest_needs),
		cmocka_unit_test(attack_47_sections_that_lie_are_rejected),
		cmocka_unit_test(answers_of_others_are_met),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
