/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright The dstack for Linux authors
 *
 * What this plugin uses of QEMU's TCG plugin interface beyond what the TDX
 * module's header declares.
 */
#ifndef PROFILE_PLUGIN_API_H
#define PROFILE_PLUGIN_API_H

#include "../tdx-module/plugin-api.h"

struct qemu_plugin_scoreboard;

/* One number for each vCPU, which generated code can read. */
typedef struct {
	struct qemu_plugin_scoreboard *score;
	size_t offset;
} qemu_plugin_u64;

enum qemu_plugin_cond {
	QEMU_PLUGIN_COND_NEVER,
	QEMU_PLUGIN_COND_ALWAYS,
	QEMU_PLUGIN_COND_EQ,
	QEMU_PLUGIN_COND_NE,
};

struct qemu_plugin_scoreboard *qemu_plugin_scoreboard_new(size_t element_size);
void qemu_plugin_u64_set(qemu_plugin_u64 entry, unsigned int vcpu,
			 uint64_t value);

void qemu_plugin_register_vcpu_tb_exec_cond_cb(struct qemu_plugin_tb *tb,
					       qemu_plugin_vcpu_cb_t cb,
					       enum qemu_plugin_cb_flags flags,
					       enum qemu_plugin_cond cond,
					       qemu_plugin_u64 entry,
					       uint64_t imm, void *data);

uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *tb);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *insn);

#endif
