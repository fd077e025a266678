/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The contract between the module and a root of trust
 *
 * Copyright The dstack for Linux authors
 */
#ifndef _DSTACK_BACKEND_OPS_H
#define _DSTACK_BACKEND_OPS_H

#include <linux/types.h>
#include <uapi/linux/dstack.h>

#define DSTACK_REPORT_MAX 1024

/**
 * struct dstack_report - what the hardware says at one moment
 * @value: the register
 * @len: bytes in @data
 * @data: the report, which only the backend's quote() understands
 */
struct dstack_report {
	u8 value[DSTACK_REGISTER_SIZE];
	size_t len;
	u8 data[DSTACK_REPORT_MAX];
};

/**
 * struct dstack_backend_ops - one root of trust
 * @name: as the backend= parameter takes it
 * @id: enum dstack_backend
 * @flags: DSTACK_BACKEND_F_*
 * @feature: DSTACK_FEATURE_* bit that says this kernel can have it, or 0
 * @attribute: name of the sysfs attribute by which others can extend the
 *	register, NULL if there is none
 * @probe: take the hardware; -ENODEV: not here, -EOPNOTSUPP: this kernel
 *	cannot; NULL never
 * @remove: give it back
 * @extend: register := SHA-384(register || digest)
 * @report: the register and the caller's 64 bytes in a report
 * @quote: turn a report into evidence; kvfree() the result
 *
 * probe, remove, extend and report are called one at a time.  quote may run
 * beside them and serialises itself.  All may sleep.  Besides what is said
 * above: -EBUSY after bounded retries, -EIO if the hardware refuses.
 */
struct dstack_backend_ops {
	const char *name;
	enum dstack_backend id;
	u32 flags;
	u64 feature;
	const char *attribute;

	int (*probe)(void);
	void (*remove)(void);
	int (*extend)(const u8 digest[DSTACK_REGISTER_SIZE]);
	int (*report)(const u8 report_data[DSTACK_REPORT_DATA_SIZE],
		      struct dstack_report *report);
	int (*quote)(const struct dstack_report *report, void **quote,
		     size_t *len);
};

/* Only backend.c uses these names. */
extern const struct dstack_backend_ops dstack_backend_tdx;
extern const struct dstack_backend_ops dstack_backend_sim;

#endif /* _DSTACK_BACKEND_OPS_H */
