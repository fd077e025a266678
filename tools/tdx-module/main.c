// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) The dstack for Linux authors
 *
 * A QEMU TCG plugin that plays the TDX module.
 *
 * It takes over two instructions, CPUID (for one leaf) and TDCALL, which the
 * emulated CPU has not got. Only blocks that hold one of them are touched, so
 * the guest runs at the emulator's full speed.
 */
#include <endian.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "plugin-api.h"
#include "td.h"

#define VCPUS_MAX	4096
#define IDLE_FIRST_US	50
#define BUSY_NS		300000

QEMU_PLUGIN_EXPORT int qemu_plugin_version = QEMU_PLUGIN_API_VERSION;

/**
 * struct vcpu - what is known of one virtual CPU
 * @regs: handles of its registers
 * @buffer: for all transfers; a call never returns, so nothing is allocated
 *          while it runs
 * @idle_us: how long the next HLT sleeps
 * @woken: when the last HLT ended
 */
struct vcpu {
	struct qemu_plugin_register *regs[REG_COUNT];
	GByteArray *buffer;
	uint64_t idle_us;
	struct timespec woken;
};

static const char *const reg_names[REG_COUNT] = {
	"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
	"r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
};

/* Covers the_td. Not held while a vCPU sleeps or changes its registers. */
static pthread_mutex_t td_lock = PTHREAD_MUTEX_INITIALIZER;
static struct td the_td;
static struct vcpu *vcpus;
static unsigned int vcpu_count;

/* The caller of guest_read() and guest_write() is always a vCPU's thread. */
static __thread GByteArray *memory_buffer;

static void die(const char *what)
{
	fprintf(stderr, "tdx-module: %s\n", what);
	exit(1);
}

int guest_read(uint64_t gpa, void *data, size_t size)
{
	if (qemu_plugin_read_memory_hwaddr(gpa, memory_buffer, size) ||
	    memory_buffer->len < size)
		return -EFAULT;
	memcpy(data, memory_buffer->data, size);
	return 0;
}

int guest_write(uint64_t gpa, const void *data, size_t size)
{
	g_byte_array_set_size(memory_buffer, (guint)size);
	memcpy(memory_buffer->data, data, size);
	return qemu_plugin_write_memory_hwaddr(gpa, memory_buffer) ?
	       -EFAULT : 0;
}

static uint64_t read_reg(struct vcpu *vcpu, enum reg reg)
{
	uint64_t value;

	g_byte_array_set_size(vcpu->buffer, 0);
	if (!qemu_plugin_read_register(vcpu->regs[reg], vcpu->buffer) ||
	    vcpu->buffer->len != sizeof(value))
		die("the emulator refuses to read a register");
	memcpy(&value, vcpu->buffer->data, sizeof(value));
	return le64toh(value);
}

static void write_reg(struct vcpu *vcpu, enum reg reg, uint64_t value)
{
	value = htole64(value);
	g_byte_array_set_size(vcpu->buffer, sizeof(value));
	memcpy(vcpu->buffer->data, &value, sizeof(value));
	if (!qemu_plugin_write_register(vcpu->regs[reg], vcpu->buffer))
		die("the emulator refuses to write a register");
}

static int64_t ns_since(const struct timespec *then)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (now.tv_sec - then->tv_sec) * 1000000000LL +
	       now.tv_nsec - then->tv_nsec;
}

/*
 * HLT must return at once, for only the emulator's loop sees interrupts. A
 * short sleep gives the host thread away meanwhile; it grows as long as the
 * vCPU finds nothing to do and starts small again after work, so that neither
 * a busy guest waits nor an idle one burns a core.
 */
static void idle(struct vcpu *vcpu)
{
	uint64_t longest = the_td.config.idle_us;

	if (!longest)
		return;
	if (ns_since(&vcpu->woken) > BUSY_NS || !vcpu->idle_us)
		vcpu->idle_us = IDLE_FIRST_US;
	else
		vcpu->idle_us *= 2;
	if (vcpu->idle_us > longest)
		vcpu->idle_us = longest;
	usleep((useconds_t)vcpu->idle_us);
	clock_gettime(CLOCK_MONOTONIC, &vcpu->woken);
}

static void on_tdcall(unsigned int index, void *next_pc)
{
	struct vcpu *vcpu = &vcpus[index];
	uint64_t before[REG_COUNT], after[REG_COUNT];
	enum call_result result;
	enum reg reg;

	memory_buffer = vcpu->buffer;
	for (reg = 0; reg < REG_COUNT; reg++)
		before[reg] = read_reg(vcpu, reg);
	memcpy(after, before, sizeof(after));
	pthread_mutex_lock(&td_lock);
	result = tdcall(&the_td, index, after);
	pthread_mutex_unlock(&td_lock);
	if (result == CALL_STOP)
		exit(1);
	for (reg = 0; reg < REG_COUNT; reg++)
		if (after[reg] != before[reg])
			write_reg(vcpu, reg, after[reg]);
	if (result == CALL_IDLE)
		idle(vcpu);
	qemu_plugin_set_pc((uintptr_t)next_pc);
}

/* "IntelTDX    " in ebx, edx, ecx; every other leaf is the emulator's own. */
static void on_cpuid(unsigned int index, void *next_pc)
{
	struct vcpu *vcpu = &vcpus[index];

	if ((uint32_t)read_reg(vcpu, RAX) != TDX_CPUID_LEAF)
		return;
	write_reg(vcpu, RAX, 0);
	write_reg(vcpu, RBX, 0x65746e49);
	write_reg(vcpu, RDX, 0x5844546c);
	write_reg(vcpu, RCX, 0x20202020);
	qemu_plugin_set_pc((uintptr_t)next_pc);
}

static void hook(struct qemu_plugin_insn *insn, qemu_plugin_vcpu_cb_t cb,
		 size_t insn_size)
{
	uint64_t next_pc = qemu_plugin_insn_vaddr(insn) + insn_size;

	qemu_plugin_register_vcpu_insn_exec_cb(insn, cb,
					       QEMU_PLUGIN_CB_RW_REGS_PC,
					       (void *)(uintptr_t)next_pc);
}

static void on_translate(struct qemu_plugin_tb *tb, void *unused)
{
	static const uint8_t op_cpuid[] = { 0x0f, 0xa2 };
	static const uint8_t op_tdcall[] = { 0x66, 0x0f, 0x01, 0xcc };
	size_t count = qemu_plugin_tb_n_insns(tb), i, got;
	struct qemu_plugin_insn *insn;
	uint8_t code[4];

	(void)unused;
	for (i = 0; i < count; i++) {
		insn = qemu_plugin_tb_get_insn(tb, i);
		got = qemu_plugin_insn_data(insn, code, sizeof(code));
		if (got >= sizeof(op_cpuid) &&
		    !memcmp(code, op_cpuid, sizeof(op_cpuid)))
			hook(insn, on_cpuid, sizeof(op_cpuid));
		else if (got >= sizeof(op_tdcall) &&
			 !memcmp(code, op_tdcall, sizeof(op_tdcall)))
			hook(insn, on_tdcall, sizeof(op_tdcall));
	}
}

static void find_registers(struct vcpu *vcpu, GArray *list)
{
	struct qemu_plugin_reg_descriptor *desc;
	enum reg reg;
	guint i;

	for (i = 0; i < list->len; i++) {
		desc = &g_array_index(list, struct qemu_plugin_reg_descriptor,
				      i);
		for (reg = 0; reg < REG_COUNT; reg++)
			if (!strcmp(desc->name, reg_names[reg]))
				vcpu->regs[reg] = desc->handle;
	}
	for (reg = 0; reg < REG_COUNT; reg++)
		if (!vcpu->regs[reg])
			die("the emulated CPU has no 64-bit registers");
}

static void on_vcpu_init(unsigned int index, void *unused)
{
	GArray *list = qemu_plugin_get_registers();

	(void)unused;
	if (index >= vcpu_count)
		die("more vCPUs than the machine was made for");
	if (g_array_get_element_size(list) !=
	    sizeof(struct qemu_plugin_reg_descriptor))
		die("this QEMU's plugin interface is not the one of 11.1");
	find_registers(&vcpus[index], list);
	vcpus[index].buffer = g_byte_array_new();
	g_array_free(list, TRUE);
}

/*
 * With -icount the guest's clock counts instructions, and a vCPU that sleeps
 * here holds it still: idle time would pass a thousand times too slowly.
 */
static bool counts_instructions(void)
{
	char word[64];
	size_t len = 0;
	bool found = false;
	FILE *file = fopen("/proc/self/cmdline", "rb");
	int c;

	if (!file)
		return false;
	while (!found && (c = fgetc(file)) != EOF) {
		if (len < sizeof(word) - 1)
			word[len++] = (char)c;
		if (c)
			continue;
		word[len - 1] = '\0';
		found = !strcmp(word, "-icount") || !strcmp(word, "--icount");
		len = 0;
	}
	fclose(file);
	return found;
}

static int open_quoter(struct td *td)
{
	const char *name;
	int err;

	if (!td->config.pki)
		return 0;
	err = quoter_open(&td->quoter, td->config.pki, &name);
	if (err)
		fprintf(stderr,
			"tdx-module: can't use %s/%s: %s; make it with mkpki\n",
			td->config.pki, name, strerror(-err));
	return err;
}

static int check_emulator(const struct qemu_plugin_info *info)
{
	if (info->system_emulation && !strcmp(info->target_name, "x86_64") &&
	    info->version.cur == QEMU_PLUGIN_API_VERSION &&
	    info->system.max_vcpus > 0 && info->system.max_vcpus <= VCPUS_MAX)
		return 0;
	fprintf(stderr, "tdx-module: needs qemu-system-x86_64 with plugin interface %d\n",
		QEMU_PLUGIN_API_VERSION);
	return -EINVAL;
}

static int set_up(const struct qemu_plugin_info *info, int argc, char **argv)
{
	struct td_config config;
	int err;

	err = check_emulator(info);
	if (err)
		return err;
	config_defaults(&config, (unsigned int)info->system.smp_vcpus);
	if (counts_instructions())
		config.idle_us = 0;
	err = config_parse(&config, argc, argv);
	if (!err)
		err = td_init(&the_td, &config);
	if (!err)
		err = open_quoter(&the_td);
	if (err)
		return err;
	vcpu_count = (unsigned int)info->system.max_vcpus;
	vcpus = calloc(vcpu_count, sizeof(*vcpus));
	return vcpus ? 0 : -ENOMEM;
}

/* What it allocates lives as long as the process, and is not given back. */
QEMU_PLUGIN_EXPORT int qemu_plugin_install(qemu_plugin_id_t id,
					   const struct qemu_plugin_info *info,
					   int argc, char **argv)
{
	if (set_up(info, argc, argv))
		return -1;
	qemu_plugin_register_vcpu_init_cb(id, on_vcpu_init, NULL);
	qemu_plugin_register_vcpu_tb_trans_cb(id, on_translate, NULL);
	return 0;
}
