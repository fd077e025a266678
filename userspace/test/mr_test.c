// SPDX-License-Identifier: MIT
/*
 * Which measurements a TD will have
 *
 * Copyright The dstack for Linux authors
 *
 * Reads $DSTACK_VECTORS/dstack/quote-report.json, the log of a real TD, and the
 * signed kernel of the lab.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <jansson.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>

#include <libdstack.h>

#include "mr_fixture.h"

#define KERNEL		"/lab/kernel/7/vmlinuz"
#define GIB		(1ULL << 30)

static uint8_t firmware[FIRMWARE_SIZE], kernel[KERNEL_SIZE];
static struct libdstack_failure failure;

static struct libdstack_mr_input whole(void)
{
	static const char initrd[] = "an initrd";
	struct libdstack_mr_input input = {
		.firmware = { firmware, sizeof(firmware) },
		.kernel = { kernel, sizeof(kernel) },
		.initrd = { initrd, sizeof(initrd) - 1 },
		.cmdline = "console=ttyS0", .memory = 2 * GIB,
		.have_acpi = true,
	};

	fixture_firmware(firmware);
	fixture_kernel(kernel);
	memset(input.acpi, 0xac, sizeof(input.acpi));
	return input;
}

/*
 * MRTD, from the other end: what each block must be, in a stream
 */

static void stream_block(EVP_MD_CTX *ctx, const char *what, uint64_t address)
{
	uint8_t block[128] = { 0 };

	strcpy((char *)block, what);
	mr_put(block + 16, address, 8);
	EVP_DigestUpdate(ctx, block, sizeof(block));
}

static void stream_chunks(EVP_MD_CTX *ctx, uint64_t from, uint64_t to)
{
	const uint64_t base = fixture_sections[0].address;

	for (; from < to; from += 256) {
		stream_block(ctx, "MR.EXTEND", base + from);
		EVP_DigestUpdate(ctx, firmware + FIRMWARE_CODE + from, 256);
	}
}

static void expected_mrtd(bool two_pass, uint8_t *mrtd)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	const struct fixture_section *s;
	uint64_t at;
	size_t i;

	EVP_DigestInit_ex(ctx, EVP_sha384(), NULL);
	for (i = 0; i < FIXTURE_SECTIONS; i++) {
		s = &fixture_sections[i];
		for (at = 0; at < s->size; at += 4096) {
			stream_block(ctx, "MEM.PAGE.ADD", s->address + at);
			if (!i && !two_pass)
				stream_chunks(ctx, at, at + 4096);
		}
		if (!i && two_pass)
			stream_chunks(ctx, 0, s->size);
	}
	EVP_DigestFinal_ex(ctx, mrtd, NULL);
	EVP_MD_CTX_free(ctx);
}

static void mrtd_is_that_of_pages_and_their_content(void **state)
{
	struct libdstack_mr_input input = whole();
	uint8_t want[LIBDSTACK_MR_SIZE], one_pass[LIBDSTACK_MR_SIZE];
	struct libdstack_mr mr;

	(void)state;
	assert_int_equal(libdstack_mr_predict(&input, &mr, &failure), 0);
	expected_mrtd(false, want);
	assert_memory_equal(mr.value[LIBDSTACK_MRTD], want, sizeof(want));
	memcpy(one_pass, want, sizeof(want));
	input.two_pass = true;
	assert_int_equal(libdstack_mr_predict(&input, &mr, &failure), 0);
	expected_mrtd(true, want);
	assert_memory_equal(mr.value[LIBDSTACK_MRTD], want, sizeof(want));
	assert_memory_not_equal(want, one_pass, sizeof(want));
}

/* Every register says what it should, and no other. */
static void each_input_changes_its_registers_alone(void **state)
{
	static const struct {
		const char *what;
		bool changes[__LIBDSTACK_MR_MAX];
	} cases[] = {
		{ "code", { true, false, false, false } },
		{ "configuration", { false, true, false, false } },
		{ "memory", { false, true, true, false } },
		{ "acpi", { false, true, false, false } },
		{ "kernel", { false, false, true, false } },
		{ "initrd's size", { false, false, true, true } },
		{ "cmdline", { false, false, false, true } },
	};
	struct libdstack_mr_input input = whole(), changed;
	struct libdstack_mr before, after;
	size_t i, reg;

	(void)state;
	assert_int_equal(libdstack_mr_predict(&input, &before, &failure), 0);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		changed = whole();
		firmware[FIRMWARE_CODE] ^= i == 0;
		firmware[0] ^= i == 1;
		changed.memory -= i == 2 ? 4096 * 16 : 0;
		changed.acpi[LIBDSTACK_ACPI_TABLES][0] ^= i == 3;
		kernel[0x500] ^= i == 4;
		changed.initrd.len -= i == 5 ? 1 : 0;
		changed.cmdline += i == 6;
		assert_int_equal(libdstack_mr_predict(&changed, &after,
						      &failure), 0);
		for (reg = 0; reg < __LIBDSTACK_MR_MAX; reg++)
			assert_int_equal(!!memcmp(before.value[reg],
						  after.value[reg],
						  LIBDSTACK_MR_SIZE),
					 cases[i].changes[reg]);
	}
}

static void what_is_not_given_is_not_predicted(void **state)
{
	struct libdstack_mr_input input = whole();
	struct libdstack_mr mr;

	(void)state;
	input.have_acpi = false;
	input.kernel.data = NULL;
	input.cmdline = NULL;
	assert_int_equal(libdstack_mr_predict(&input, &mr, &failure), 0);
	assert_true(mr.have[LIBDSTACK_MRTD]);
	assert_false(mr.have[LIBDSTACK_RTMR0]);
	assert_false(mr.have[LIBDSTACK_RTMR1]);
	assert_false(mr.have[LIBDSTACK_RTMR2]);
}

/*
 * The log of a real TD
 */

static json_t *real_log(uint64_t *memory)
{
	const char *vectors = getenv("DSTACK_VECTORS");
	json_t *doc, *log, *config;
	char path[4096];

	if (!vectors) {
		print_message("# no test vectors: set DSTACK_VECTORS to their directory\n");
		skip();
	}
	snprintf(path, sizeof(path), "%s/dstack/quote-report.json", vectors);
	doc = json_load_file(path, 0, NULL);
	log = json_loads(json_string_value(json_object_get(doc, "event_log")),
			 0, NULL);
	config = json_loads(json_string_value(json_object_get(doc,
							      "vm_config")),
			    0, NULL);
	*memory = json_integer_value(json_object_get(config, "memory_size"));
	json_decref(config);
	json_decref(doc);
	assert_non_null(log);
	return log;
}

/* The digest of the @nth event of a register. */
static void real_digest(const json_t *log, int imr, int nth,
			uint8_t digest[LIBDSTACK_MR_SIZE])
{
	const json_t *event;
	const char *hex;
	size_t i;

	json_array_foreach(log, i, event)
		if (json_integer_value(json_object_get(event, "imr")) == imr &&
		    !nth--) {
			hex = json_string_value(json_object_get(event,
								"digest"));
			assert_true(libdstack_from_hex(hex, strlen(hex),
						       digest,
						       LIBDSTACK_MR_SIZE));
			return;
		}
	fail();
}

static void list_of_memory_is_that_of_a_real_td(void **state)
{
	struct libdstack_mr_file image = { firmware, sizeof(firmware) };
	uint8_t want[LIBDSTACK_MR_SIZE], digest[LIBDSTACK_MR_SIZE];
	struct tdvf tdvf;
	uint64_t memory;
	json_t *log = real_log(&memory);

	(void)state;
	fixture_firmware(firmware);
	assert_int_equal(tdvf_parse(&image, &tdvf, &failure), 0);
	assert_int_equal(hob_digest(&tdvf, memory, digest, &failure), 0);
	real_digest(log, 0, 0, want);
	assert_memory_equal(digest, want, sizeof(want));
	assert_int_equal(hob_digest(&tdvf, memory - GIB, digest, &failure), 0);
	assert_memory_not_equal(digest, want, sizeof(want));
	json_decref(log);
}

/* All but the configuration, the tables and the kernel, which nobody has. */
static void other_events_are_those_of_a_real_td(void **state)
{
	static const char *const files[] = {
		"firmware's configuration", "ACPI loader", "ACPI RSDP",
		"ACPI tables", "kernel"
	};
	struct libdstack_mr_input input = whole();
	uint8_t want[LIBDSTACK_MR_SIZE];
	int nth[2] = { 0 }, same = 0;
	struct libdstack_mr mr;
	size_t i, k;
	json_t *log = real_log(&input.memory);

	(void)state;
	assert_int_equal(libdstack_mr_predict(&input, &mr, &failure), 0);
	for (i = 0; i < mr.nr && mr.event[i].reg != LIBDSTACK_RTMR2; i++) {
		k = mr.event[i].reg - LIBDSTACK_RTMR0;
		real_digest(log, k, nth[k]++, want);
		for (k = 0; k < sizeof(files) / sizeof(files[0]); k++)
			if (!strcmp(files[k], mr.event[i].what))
				break;
		if (k < sizeof(files) / sizeof(files[0]))
			continue;
		assert_memory_equal(mr.event[i].digest, want, sizeof(want));
		same++;
	}
	assert_int_equal(same, 13);
	assert_int_equal(nth[0], 13);
	assert_int_equal(nth[1], 5);
	json_decref(log);
}

/*
 * PE files
 */

/* In a signature: DigestInfo of SHA-256, before the 32 bytes. */
static const uint8_t digest_info[] = {
	0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65,
	0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20
};

static void hash_of_a_kernel_is_what_its_signer_signed(void **state)
{
	FILE *file = fopen(KERNEL, "r");
	uint8_t *data, *found, hash[SHA256_DIGEST_LENGTH];
	const size_t max = 64 << 20;
	size_t len;

	(void)state;
	if (!file) {
		print_message("# no signed kernel at " KERNEL "\n");
		skip();
	}
	data = malloc(max);
	assert_non_null(data);
	len = fread(data, 1, max, file);
	fclose(file);
	assert_int_equal(libdstack_mr_authenticode(data, len, "SHA256", hash,
						   &failure), 0);
	found = memmem(data, len, digest_info, sizeof(digest_info));
	assert_non_null(found);
	assert_memory_equal(found + sizeof(digest_info), hash, sizeof(hash));
	data[len / 2] ^= 1;
	assert_int_equal(libdstack_mr_authenticode(data, len, "SHA256", hash,
						   &failure), 0);
	assert_memory_not_equal(found + sizeof(digest_info), hash,
				sizeof(hash));
	free(data);
}

/* @image is @nr bytes long: no byte behind is read, and the caller hears. */
static int predict_cut(size_t nr, bool is_kernel)
{
	struct libdstack_mr_input input = whole();
	struct libdstack_mr_file *file = is_kernel ? &input.kernel :
						     &input.firmware;
	uint8_t *cut = malloc(nr ? nr : 1);
	struct libdstack_mr mr;
	int err;

	assert_non_null(cut);
	memcpy(cut, file->data, nr);
	file->data = cut;
	file->len = nr;
	err = libdstack_mr_predict(&input, &mr, &failure);
	if (err)
		assert_int_equal(failure.reason, REASON(MALFORMED));
	free(cut);
	return err;
}

static void files_cut_short_are_refused(void **state)
{
	size_t len;

	(void)state;
	for (len = 0; len < sizeof(kernel); len += len < 0x500 ? 1 : 257)
		assert_int_equal(predict_cut(len, true), len < 0x2400 ?
				 -EBADMSG : 0);
	for (len = 0; len < sizeof(firmware); len += 61)
		assert_int_equal(predict_cut(len, false), -EBADMSG);
}

/* Writes @value at @at of the firmware's metadata or the kernel. */
static int predict_with(uint8_t *data, size_t at, uint64_t value, int bytes)
{
	struct libdstack_mr_input input = whole();
	struct libdstack_mr mr;

	mr_put(data + at, value, bytes);
	return libdstack_mr_predict(&input, &mr, &failure);
}

static void metadata_that_makes_no_sense_is_refused(void **state)
{
	const size_t first = FIRMWARE_TABLE + 16;
	static const struct {
		size_t at;
		uint64_t value;
		int bytes;
	} cases[] = {
		{ 0, 0, 4 },			/* signature */
		{ 4, 16, 4 },			/* length */
		{ 8, 2, 4 },			/* version */
		{ 12, 0, 4 }, { 12, 65, 4 }, { 12, UINT32_MAX, 4 },
		{ 16, UINT32_MAX, 4 },		/* offset */
		{ 20, 0x4001, 4 }, { 20, UINT32_MAX, 4 },
		{ 24, 1, 8 }, { 24, UINT64_MAX & ~0xfffULL, 8 },
		{ 32, 0, 8 }, { 32, 1, 8 }, { 32, UINT64_MAX & ~0xfffULL, 8 },
		{ 40, 7, 4 },			/* type */
		{ 44, 4, 4 }, { 44, 3, 4 },	/* attributes */
		{ 80 + 8, 0x80b000, 8 },	/* overlaps the mailbox */
		{ 80 + 8, 0x7ffff000, 8 },	/* beyond the memory */
	};
	size_t i;

	(void)state;
	assert_int_equal(mr_get32(firmware + first), FIRMWARE_CODE);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(predict_with(firmware, FIRMWARE_TABLE +
					      cases[i].at, cases[i].value,
					      cases[i].bytes), -EBADMSG);
}

static void kernel_that_makes_no_sense_is_refused(void **state)
{
	static const struct {
		size_t at;
		uint64_t value;
		int bytes;
	} cases[] = {
		{ 0, 0, 2 }, { 60, UINT32_MAX, 4 }, { KERNEL_PE, 0, 4 },
		{ KERNEL_PE + 6, 97, 2 }, { KERNEL_PE + 20, 0xffff, 2 },
		{ KERNEL_OPTIONAL, 0x107, 2 },
		{ KERNEL_OPTIONAL + 60, 16, 4 },
		{ KERNEL_OPTIONAL + 60, UINT32_MAX, 4 },
		{ KERNEL_OPTIONAL + 108, UINT32_MAX, 4 },
		{ KERNEL_OPTIONAL + 112 + 36, 8, 4 },	/* signature inside */
		{ KERNEL_SECTIONS + 16, UINT32_MAX, 4 },
		{ KERNEL_SECTIONS + 20, 0x500, 4 },	/* overlap */
		{ 0x202, 0, 4 }, { 0x206, 0x20a, 2 }, { 0x211, 0, 1 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(predict_with(kernel, cases[i].at,
					      cases[i].value, cases[i].bytes),
				 -EBADMSG);
}

static void machine_that_makes_no_sense_is_refused(void **state)
{
	static const uint64_t sizes[] = {
		1, 4096, (64ULL << 20) - 4096, GIB + 1, (1ULL << 46) + 4096,
		UINT64_MAX
	};
	struct libdstack_mr_input input;
	struct libdstack_mr mr;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		input = whole();
		input.memory = sizes[i];
		assert_int_equal(libdstack_mr_predict(&input, &mr, &failure),
				 -EBADMSG);
	}
	input = whole();
	input.cmdline = "vga=ask";
	assert_int_equal(libdstack_mr_predict(&input, &mr, &failure),
			 -EOPNOTSUPP);
	input.cmdline = "na\xc3\xafve";
	assert_int_equal(libdstack_mr_predict(&input, &mr, &failure),
			 -EOPNOTSUPP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mrtd_is_that_of_pages_and_their_content),
		cmocka_unit_test(each_input_changes_its_registers_alone),
		cmocka_unit_test(what_is_not_given_is_not_predicted),
		cmocka_unit_test(list_of_memory_is_that_of_a_real_td),
		cmocka_unit_test(other_events_are_those_of_a_real_td),
		cmocka_unit_test(hash_of_a_kernel_is_what_its_signer_signed),
		cmocka_unit_test(files_cut_short_are_refused),
		cmocka_unit_test(metadata_that_makes_no_sense_is_refused),
		cmocka_unit_test(kernel_that_makes_no_sense_is_refused),
		cmocka_unit_test(machine_that_makes_no_sense_is_refused),
	};

	return cmocka_run_group_tests_name("mr", tests, NULL, NULL);
}
