// SPDX-License-Identifier: MIT
/*
 * How old what is proven may be, and that it never gets older
 *
 * Copyright The dstack for Linux authors
 */
#include "chain.h"

#include <errno.h>
#include <string.h>

static int check_time(const struct chain_header *header,
		      const struct chain_limits *limits, uint64_t now,
		      struct chain_why *why)
{
	unsigned long long number = header->number;

	if (header->time > now && header->time - now > limits->max_ahead)
		return chain_fail(why, -EBADMSG,
				  "block %llu is %llu seconds in the future: check this machine's clock",
				  number,
				  (unsigned long long)(header->time - now));
	if (header->time < now && now - header->time > limits->max_age)
		return chain_fail(why, -ESTALE,
				  "block %llu is %llu seconds old, more than the %llu that are allowed: the server is behind, or hides newer ones",
				  number,
				  (unsigned long long)(now - header->time),
				  (unsigned long long)limits->max_age);
	return 0;
}

int chain_head_accept(struct chain_head *head,
		      const struct chain_header *header,
		      const struct chain_limits *limits, uint64_t now,
		      struct chain_why *why)
{
	int err = check_time(header, limits, now, why);

	if (err)
		return err;
	if (header->number < head->number || header->time < head->time)
		return chain_fail(why, -ESTALE,
				  "block %llu is older than block %llu, which was accepted before",
				  (unsigned long long)header->number,
				  (unsigned long long)head->number);
	if (head->time && header->number == head->number &&
	    memcmp(header->hash, head->hash, CHAIN_HASH))
		return chain_fail(why, -EBADMSG,
				  "block %llu is another one than was accepted before: the chain has forked",
				  (unsigned long long)header->number);
	if (head->time && header->number == head->number + 1 &&
	    memcmp(header->parent, head->hash, CHAIN_HASH))
		return chain_fail(why, -EBADMSG,
				  "block %llu is no child of the one that was accepted before: the chain has forked",
				  (unsigned long long)header->number);
	memcpy(head->hash, header->hash, CHAIN_HASH);
	head->number = header->number;
	head->time = header->time;
	return 0;
}
