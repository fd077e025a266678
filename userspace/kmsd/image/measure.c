// SPDX-License-Identifier: MIT
/*
 * Registers of an image on a machine
 *
 * Copyright The dstack for Linux authors
 */
#include <errno.h>
#include <string.h>

#include "room.h"

static struct libdstack_mr_file file_of(const struct image_files *files,
					enum image_part part)
{
	return (struct libdstack_mr_file){
		files->data[part], files->len[part]
	};
}

static int predict(const struct libdstack_mr_input *input,
		   struct libdstack_mr *mr, struct image_why *why)
{
	struct libdstack_failure failure;
	int err = libdstack_mr_predict(input, mr, &failure);

	return err ? image_fail(why, err, "it can't be measured: %s",
				failure.text) : 0;
}

static int measure_acpi(struct libdstack_mr_input *input,
			const struct image_acpi *acpi,
			struct image_registers *registers,
			struct image_why *why)
{
	struct libdstack_mr mr;
	size_t i;
	int err = 0;

	input->have_acpi = true;
	for (i = 0; !err && i < acpi->nr; i++) {
		memcpy(input->acpi, acpi->digest[i], sizeof(input->acpi));
		err = predict(input, &mr, why);
		if (!err)
			memcpy(registers->rtmr0[registers->nr++],
			       mr.value[LIBDSTACK_RTMR0], LIBDSTACK_MR_SIZE);
	}
	return err;
}

int image_measure(const struct image_files *files, uint64_t memory,
		  const struct image_acpi *acpi,
		  struct image_registers *registers, struct image_why *why)
{
	struct libdstack_mr_input input = {
		.firmware = file_of(files, IMAGE_FIRMWARE), .memory = memory,
	}, whole = input;
	struct libdstack_mr mr;
	int err;

	memset(registers, 0, sizeof(*registers));
	whole.kernel = file_of(files, IMAGE_KERNEL);
	whole.initrd = file_of(files, IMAGE_INITRD);
	whole.cmdline = files->cmdline;
	err = predict(&whole, &mr, why);
	if (err)
		return err;
	memcpy(registers->mr_td[0], mr.value[LIBDSTACK_MRTD],
	       LIBDSTACK_MR_SIZE);
	memcpy(registers->rtmr1, mr.value[LIBDSTACK_RTMR1], LIBDSTACK_MR_SIZE);
	memcpy(registers->rtmr2, mr.value[LIBDSTACK_RTMR2], LIBDSTACK_MR_SIZE);
	input.two_pass = true;
	err = predict(&input, &mr, why);
	if (err)
		return err;
	memcpy(registers->mr_td[1], mr.value[LIBDSTACK_MRTD],
	       LIBDSTACK_MR_SIZE);
	return measure_acpi(&input, acpi, registers, why);
}

static bool same(const uint8_t *a, const uint8_t *b)
{
	return !memcmp(a, b, LIBDSTACK_MR_SIZE);
}

static bool is_one_of(const struct image_registers *registers,
		      const uint8_t *rtmr0)
{
	size_t i;

	for (i = 0; i < registers->nr; i++)
		if (same(registers->rtmr0[i], rtmr0))
			return true;
	return false;
}

int image_compare(const struct image_registers *registers,
		  const struct libdstack_td *td, struct image_why *why)
{
	if (!same(registers->mr_td[0], td->mr_td) &&
	    !same(registers->mr_td[1], td->mr_td))
		return image_fail(why, -EACCES,
				  "its MRTD is not that of its OS image's firmware");
	if (!same(registers->rtmr1, td->rtmr[1]))
		return image_fail(why, -EACCES,
				  "its RTMR1 is not that of its OS image's kernel with that memory");
	if (!same(registers->rtmr2, td->rtmr[2]))
		return image_fail(why, -EACCES,
				  "its RTMR2 is not that of its OS image's command line and initrd");
	if (!is_one_of(registers, td->rtmr[0]))
		return image_fail(why, -EACCES,
				  "its RTMR0 is that of no machine with that memory whose ACPI tables are known here: there are %zu sets",
				  registers->nr);
	return 0;
}
