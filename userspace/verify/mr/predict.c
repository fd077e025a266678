// SPDX-License-Identifier: MIT
/*
 * The registers of a TD that QEMU boots directly
 *
 * Copyright The dstack for Linux authors
 *
 * The order of events is that of OVMF's log; each is the SHA-384 of what is
 * named here (TCG PC Client Platform Firmware Profile, chapter 10, for the
 * digests of variables, actions and separators).
 */
#include "mr.h"

#include <errno.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

#define GUID_SIZE	16
#define MEMORY_MIN	(64ULL << 20)
#define MEMORY_MAX	(1ULL << 46)
#define VARIABLE_MAX	64

static const uint8_t separator[4];

/* 8be4df61-93ca-11d2-aa0d-00e098032b8c: EFI's own variables */
static const uint8_t global_guid[GUID_SIZE] = {
	0x61, 0xdf, 0xe4, 0x8b, 0xca, 0x93, 0xd2, 0x11,
	0xaa, 0x0d, 0x00, 0xe0, 0x98, 0x03, 0x2b, 0x8c
};

/* d719b2cb-3d3a-4596-a3bc-dad00e67656f: those of images' signatures */
static const uint8_t security_guid[GUID_SIZE] = {
	0xcb, 0xb2, 0x19, 0xd7, 0x3a, 0x3d, 0x96, 0x45,
	0xa3, 0xbc, 0xda, 0xd0, 0x0e, 0x67, 0x65, 0x6f
};

static const struct {
	const uint8_t *guid;
	const char *name;
} secure_boot[] = {
	{ global_guid, "SecureBoot" },
	{ global_guid, "PK" },
	{ global_guid, "KEK" },
	{ security_guid, "db" },
	{ security_guid, "dbx" },
};

/*
 * BootOrder, and Boot0000, which is OVMF's own menu: active and hidden,
 * "UiApp", firmware volume 7cb8bdc9-f8eb-4f34-aaea-3ee4af6516a1, file
 * 462caa21-7614-4503-836e-8ab6f4662331.
 */
static const uint8_t boot_order[2];
static const uint8_t boot_0000[] = {
	0x09, 0x01, 0x00, 0x00, 0x2c, 0x00,
	'U', 0, 'i', 0, 'A', 0, 'p', 0, 'p', 0, 0, 0,
	0x04, 0x07, 0x14, 0x00,
	0xc9, 0xbd, 0xb8, 0x7c, 0xeb, 0xf8, 0x34, 0x4f,
	0xaa, 0xea, 0x3e, 0xe4, 0xaf, 0x65, 0x16, 0xa1,
	0x04, 0x06, 0x14, 0x00,
	0x21, 0xaa, 0x2c, 0x46, 0x14, 0x76, 0x03, 0x45,
	0x83, 0x6e, 0x8a, 0xb6, 0xf4, 0x66, 0x23, 0x31,
	0x7f, 0xff, 0x04, 0x00
};

/* The next event of a register. */
static void extend(struct libdstack_mr *mr, enum libdstack_mr_register reg,
		   const char *what, const uint8_t digest[LIBDSTACK_MR_SIZE])
{
	struct libdstack_mr_event *event = &mr->event[mr->nr++];
	uint8_t both[2 * LIBDSTACK_MR_SIZE];

	event->reg = reg;
	event->what = what;
	memcpy(event->digest, digest, LIBDSTACK_MR_SIZE);
	memcpy(both, mr->value[reg], LIBDSTACK_MR_SIZE);
	memcpy(both + LIBDSTACK_MR_SIZE, digest, LIBDSTACK_MR_SIZE);
	SHA384(both, sizeof(both), mr->value[reg]);
}

static void measure(struct libdstack_mr *mr, enum libdstack_mr_register reg,
		    const char *what, const void *data, size_t len)
{
	uint8_t digest[LIBDSTACK_MR_SIZE];

	SHA384(data, len, digest);
	extend(mr, reg, what, digest);
}

/* UEFI_VARIABLE_DATA of a variable that is empty. */
static void measure_variable(struct libdstack_mr *mr,
			     const uint8_t guid[GUID_SIZE], const char *name)
{
	uint8_t data[GUID_SIZE + 16 + 2 * VARIABLE_MAX] = { 0 };
	size_t i, len = strlen(name);

	memcpy(data, guid, GUID_SIZE);
	mr_put(data + GUID_SIZE, len, 8);
	for (i = 0; i < len; i++)
		data[GUID_SIZE + 16 + 2 * i] = name[i];
	measure(mr, LIBDSTACK_RTMR0, name, data, GUID_SIZE + 16 + 2 * len);
}

static int predict_rtmr0(const struct libdstack_mr_input *input,
			 const struct tdvf *tdvf, struct libdstack_mr *mr,
			 struct libdstack_failure *failure)
{
	static const char *const tables[__LIBDSTACK_ACPI_MAX] = {
		"ACPI loader", "ACPI RSDP", "ACPI tables"
	};
	const struct tdvf_section *cfv = tdvf_find(tdvf, TDVF_CFV);
	const enum libdstack_mr_register reg = LIBDSTACK_RTMR0;
	uint8_t digest[LIBDSTACK_MR_SIZE];
	size_t i;
	int err;

	if (!cfv || !cfv->data)
		return verify_fail(failure, REASON(MALFORMED),
				   "firmware: no volume of configuration");
	err = hob_digest(tdvf, input->memory, digest, failure);
	if (err)
		return err;
	extend(mr, reg, "list of memory", digest);
	measure(mr, reg, "firmware's configuration", cfv->data, cfv->len);
	for (i = 0; i < sizeof(secure_boot) / sizeof(secure_boot[0]); i++)
		measure_variable(mr, secure_boot[i].guid, secure_boot[i].name);
	measure(mr, reg, "separator", separator, sizeof(separator));
	for (i = 0; i < __LIBDSTACK_ACPI_MAX; i++)
		extend(mr, reg, tables[i], input->acpi[i]);
	measure(mr, reg, "BootOrder", boot_order, sizeof(boot_order));
	measure(mr, reg, "Boot0000", boot_0000, sizeof(boot_0000));
	mr->have[reg] = true;
	return 0;
}

static void measure_action(struct libdstack_mr *mr, const char *action)
{
	measure(mr, LIBDSTACK_RTMR1, action, action, strlen(action));
}

static int predict_rtmr1(const struct libdstack_mr_input *input,
			 struct libdstack_mr *mr,
			 struct libdstack_failure *failure)
{
	const enum libdstack_mr_register reg = LIBDSTACK_RTMR1;
	uint8_t digest[LIBDSTACK_MR_SIZE], *image;
	int err = 0;

	image = malloc(input->kernel.len ? input->kernel.len : 1);
	if (!image)
		return verify_fail(failure, REASON(MEMORY), "out of memory");
	memcpy(image, input->kernel.data, input->kernel.len);
	if (!input->kernel_as_file)
		err = linux_image_load(image, input, failure);
	if (!err)
		err = libdstack_mr_authenticode(image, input->kernel.len,
						"SHA384", digest, failure);
	free(image);
	if (err)
		return err;
	extend(mr, reg, "kernel", digest);
	measure_action(mr, "Calling EFI Application from Boot Option");
	measure(mr, reg, "separator", separator, sizeof(separator));
	measure_action(mr, "Exit Boot Services Invocation");
	measure_action(mr, "Exit Boot Services Returned with Success");
	mr->have[reg] = true;
	return 0;
}

/* UTF-16 with its NUL; the kernel's stub asks for the initrd by that name. */
static int measure_cmdline(const struct libdstack_mr_input *input,
			   struct libdstack_mr *mr)
{
	static const char initrd[] = " initrd=initrd";
	size_t i, len = strlen(input->cmdline);
	size_t all = len + (input->initrd.len ? strlen(initrd) : 0) + 1;
	uint8_t *text = calloc(all, 2);

	if (!text)
		return -ENOMEM;
	for (i = 0; i + 1 < all; i++)
		text[2 * i] = i < len ? input->cmdline[i] : initrd[i - len];
	measure(mr, LIBDSTACK_RTMR2, "command line", text, 2 * all);
	free(text);
	return 0;
}

static int predict_rtmr2(const struct libdstack_mr_input *input,
			 struct libdstack_mr *mr,
			 struct libdstack_failure *failure)
{
	const char *p;

	for (p = input->cmdline; *p; p++)
		if (*p & 0x80)
			return verify_fail(failure, REASON(UNSUPPORTED),
					   "the command line is not ASCII");
	if (measure_cmdline(input, mr))
		return verify_fail(failure, REASON(MEMORY), "out of memory");
	if (input->initrd.len)
		measure(mr, LIBDSTACK_RTMR2, "initrd", input->initrd.data,
			input->initrd.len);
	mr->have[LIBDSTACK_RTMR2] = true;
	return 0;
}

static int predict_firmware(const struct libdstack_mr_input *input,
			    struct libdstack_mr *mr,
			    struct libdstack_failure *failure)
{
	struct tdvf tdvf;
	int err;

	err = tdvf_parse(&input->firmware, &tdvf, failure);
	if (err)
		return err;
	if (tdvf_mrtd(&tdvf, input->two_pass, mr->value[LIBDSTACK_MRTD]))
		return verify_fail(failure, REASON(MEMORY), "out of memory");
	mr->have[LIBDSTACK_MRTD] = true;
	if (!input->have_acpi || !input->memory)
		return 0;
	return predict_rtmr0(input, &tdvf, mr, failure);
}

int libdstack_mr_predict(const struct libdstack_mr_input *input,
			 struct libdstack_mr *mr,
			 struct libdstack_failure *failure)
{
	int err = 0;

	memset(mr, 0, sizeof(*mr));
	memset(failure, 0, sizeof(*failure));
	if (input->memory && (input->memory % MR_PAGE ||
			      input->memory < MEMORY_MIN ||
			      input->memory > MEMORY_MAX))
		return verify_fail(failure, REASON(MALFORMED),
				   "memory: from 64 MiB to 64 TiB, in whole pages");
	if (input->firmware.data)
		err = predict_firmware(input, mr, failure);
	if (!err && input->kernel.data &&
	    (input->memory || input->kernel_as_file))
		err = predict_rtmr1(input, mr, failure);
	if (!err && input->cmdline)
		err = predict_rtmr2(input, mr, failure);
	if (err)
		memset(mr, 0, sizeof(*mr));
	return err;
}

static void label(uint8_t value[LIBDSTACK_MR_SIZE], const char *text)
{
	SHA384((const uint8_t *)text, strlen(text), value);
}

int libdstack_mr_emulated(const struct libdstack_mr_input *input,
			  struct libdstack_mr *mr,
			  struct libdstack_failure *failure)
{
	memset(failure, 0, sizeof(*failure));
	memset(mr, 0, sizeof(*mr));
	memset(mr->have, true, sizeof(mr->have));
	label(mr->value[LIBDSTACK_MRTD], "dstack test mrtd");
	label(mr->value[LIBDSTACK_RTMR0], "dstack test rtmr0");
	if (input->kernel.data)
		measure(mr, LIBDSTACK_RTMR1, "kernel", input->kernel.data,
			input->kernel.len);
	/* As a file: without a NUL. */
	if (input->cmdline)
		measure(mr, LIBDSTACK_RTMR2, "command line", input->cmdline,
			strlen(input->cmdline));
	if (input->initrd.data)
		measure(mr, LIBDSTACK_RTMR2, "initrd", input->initrd.data,
			input->initrd.len);
	return 0;
}
