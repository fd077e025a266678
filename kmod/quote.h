/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Evidence: a quote and the log position that it covers
 *
 * Copyright The dstack for Linux authors
 */
#ifndef _DSTACK_QUOTE_H
#define _DSTACK_QUOTE_H

#include <linux/types.h>
#include <uapi/linux/dstack.h>

struct dstack_container;

/**
 * struct dstack_quote - what a relying party gets
 * @data: the quote, for kvfree()
 * @len: its length
 * @report_data: what it holds
 * @count: events that it covers
 * @value: the register in it
 */
struct dstack_quote {
	void *data;
	size_t len;
	u8 report_data[DSTACK_REPORT_DATA_SIZE];
	u64 count;
	u8 value[DSTACK_REGISTER_SIZE];
};

int dstack_quote_get(const struct dstack_container *container,
		     const u8 report_data[DSTACK_REPORT_DATA_SIZE], bool bound,
		     struct dstack_quote *quote);

#endif /* _DSTACK_QUOTE_H */
