/* SPDX-License-Identifier: MIT */
/*
 * libdstack_mr: which measurements a TD will have
 *
 * Copyright The dstack for Linux authors
 *
 * From the files that a TD boots and the shape of its machine: MRTD, as the TDX
 * module computes it of the firmware's pages, and RTMR 0 to 2, as OVMF extends
 * them when QEMU boots a kernel directly.  Nothing else is predicted: another
 * boot loader measures other things (Documentation/verify/mr.rst).
 */
#ifndef LIBDSTACK_MR_H
#define LIBDSTACK_MR_H

#include <libdstack_verify.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LIBDSTACK_MR_SIZE	48
#define LIBDSTACK_MR_FILE_MAX	536870912U	/* bytes of each file */

/* What QEMU hands to the firmware, each measured into RTMR0. */
enum libdstack_acpi {
	LIBDSTACK_ACPI_LOADER,
	LIBDSTACK_ACPI_RSDP,
	LIBDSTACK_ACPI_TABLES,
	__LIBDSTACK_ACPI_MAX
};

struct libdstack_mr_file {
	const void *data;
	size_t len;
};

/* A machine.  Files that are not there leave out what they decide. */
struct libdstack_mr_input {
	struct libdstack_mr_file firmware;	/* OVMF with TDX metadata */
	struct libdstack_mr_file kernel;	/* bzImage with an EFI stub */
	struct libdstack_mr_file initrd;
	const char *cmdline;			/* as given to QEMU */
	uint64_t memory;			/* bytes */
	/* All pages of a section first, then their content: QEMU before 9. */
	bool two_pass;
	/* QEMU writes into the kernel's header before the firmware sees it. */
	bool kernel_as_file;
	/* SHA-384 of each; RTMR0 needs all three. */
	bool have_acpi;
	uint8_t acpi[__LIBDSTACK_ACPI_MAX][LIBDSTACK_MR_SIZE];
};

enum libdstack_mr_register {
	LIBDSTACK_MRTD,
	LIBDSTACK_RTMR0,
	LIBDSTACK_RTMR1,
	LIBDSTACK_RTMR2,
	__LIBDSTACK_MR_MAX
};

#define LIBDSTACK_MR_EVENTS_MAX	32

/* An event as the TD's log (CCEL) will have it. */
struct libdstack_mr_event {
	enum libdstack_mr_register reg;
	const char *what;
	uint8_t digest[LIBDSTACK_MR_SIZE];
};

struct libdstack_mr {
	bool have[__LIBDSTACK_MR_MAX];
	uint8_t value[__LIBDSTACK_MR_MAX][LIBDSTACK_MR_SIZE];
	struct libdstack_mr_event event[LIBDSTACK_MR_EVENTS_MAX];
	size_t nr;
};

/*
 * 0, and which registers @mr has; -EBADMSG: a file is not what it should be,
 * or the memory is not a machine's; -ENOMEM.
 */
int libdstack_mr_predict(const struct libdstack_mr_input *input,
			 struct libdstack_mr *mr,
			 struct libdstack_failure *failure);

/* What tools/tdx-module says of the files that it was given. */
int libdstack_mr_emulated(const struct libdstack_mr_input *input,
			  struct libdstack_mr *mr,
			  struct libdstack_failure *failure);

/*
 * The hash of a PE file that its signature covers, or would: all of it but the
 * checksum and the signature (Microsoft, "Windows Authenticode Portable
 * Executable Signature Format").  @algorithm: OpenSSL's name.  @hash: as many
 * bytes as the algorithm's.  -EBADMSG: not a PE file.
 */
int libdstack_mr_authenticode(const void *image, size_t len,
			      const char *algorithm, uint8_t *hash,
			      struct libdstack_failure *failure);

#ifdef __cplusplus
}
#endif

#endif /* LIBDSTACK_MR_H */
