/* SPDX-License-Identifier: MIT */
/*
 * A BPF link that can be handed over as a hook, and is none
 *
 * Copyright The dstack for Linux authors
 */
#ifndef DSTACK_OTHER_LINK_H
#define DSTACK_OTHER_LINK_H

#include "dstack_test.h"

#include <bpf/bpf.h>
#include <linux/filter.h>

/* Of a program that has nothing to do with execs, nor with the module. */
static inline int other_link(const char *cgroup)
{
	static const struct bpf_insn code[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .imm = 1 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	int dir = open(cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int prog, link;

	prog = bpf_prog_load(BPF_PROG_TYPE_CGROUP_SKB, "other", "GPL", code,
			     ARRAY_SIZE(code), NULL);
	link = prog < 0 ? prog :
	       bpf_link_create(prog, dir, BPF_CGROUP_INET_EGRESS, NULL);
	close(prog);
	close(dir);
	return link;
}

#endif /* DSTACK_OTHER_LINK_H */
