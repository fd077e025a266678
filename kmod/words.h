/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * The words for the numbers of the ABI
 *
 * Copyright The dstack for Linux authors
 *
 * Events, policies and people see words.  What has none is "unknown", which no
 * number is called.
 */
#ifndef _DSTACK_WORDS_H
#define _DSTACK_WORDS_H

#include "pure.h"

/**
 * enum dstack_tamper - what somebody tried
 * @DSTACK_TAMPER_TRACE: to trace a process, or write to its memory
 * @DSTACK_TAMPER_MEMORY: to write to its own memory past its protection
 * @DSTACK_TAMPER_PROGRAM: to pass for another program
 * @DSTACK_TAMPER_KEXEC: to boot another kernel
 * @DSTACK_TAMPER_MODULE: to load kernel code that is in no file
 * @DSTACK_TAMPER_UNLOAD: to unload a module
 * @DSTACK_TAMPER_BPF: to run a BPF program that could answer for the hooks
 * @DSTACK_TAMPER_DISK: to reach a disk below the file systems that use it
 * @DSTACK_TAMPER_MOUNT: to mount a disk, which it may change from below
 */
enum dstack_tamper {
	DSTACK_TAMPER_TRACE,
	DSTACK_TAMPER_MEMORY,
	DSTACK_TAMPER_PROGRAM,
	DSTACK_TAMPER_KEXEC,
	DSTACK_TAMPER_MODULE,
	DSTACK_TAMPER_UNLOAD,
	DSTACK_TAMPER_BPF,
	DSTACK_TAMPER_DISK,
	DSTACK_TAMPER_MOUNT,
	__DSTACK_TAMPER_MAX
};

const char *dstack_state_name(u32 state);
const char *dstack_kind_name(u32 kind);
const char *dstack_reason_name(u32 reason);
const char *dstack_storage_name(u32 storage);
const char *dstack_alg_name(u32 alg);
const char *dstack_mode_name(u32 mode);
const char *dstack_action_name(u32 action);
const char *dstack_backend_name(u32 backend);
const char *dstack_tamper_name(u32 what);
const char *dstack_key_kind_name(u32 kind);
const char *dstack_key_scope_name(u32 scope);
const char *dstack_key_delivery_name(u32 delivery);
const char *dstack_seal_check_name(u32 check);

#endif /* _DSTACK_WORDS_H */
