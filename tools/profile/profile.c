// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright The dstack for Linux authors
 *
 * A QEMU TCG plugin that counts the instructions of the guest's kernel, by
 * call path, between two marks that a program in the guest makes.
 *
 * A mark is CPUID with MARK_LEAF in eax and the number of a phase in ecx, 0 to
 * end it.  Outside of phases a block of code costs one comparison more.
 */
#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugin-api.h"

#define MARK_LEAF	0x70747364U
#define KERNEL_HALF	(UINT64_C(1) << 63)
#define STACK_SHIFT	14	/* the kernel's stacks are 16 KiB, aligned */
#define DEPTH_MAX	256

QEMU_PLUGIN_EXPORT int qemu_plugin_version = QEMU_PLUGIN_API_VERSION;

/**
 * struct node - a call that has not returned
 * @parent: the call that brought the caller there; &no_caller: nobody saw it
 * @address: of the block that made the call.  Not where it led to: that may
 *	only have jumped on, as thunks and tail calls do
 */
struct node {
	struct node *parent;
	uint64_t address;
};

/**
 * struct block - code that is executed as one
 * @address: of its first instruction
 * @length: in instructions
 * @calls: its last one calls a function
 * @last: where it was counted last
 */
struct block {
	uint64_t address;
	uint32_t length;
	bool calls;
	struct count *last;
};

/**
 * struct count - what a block took on one path
 * @node: in which call
 * @block: the block
 * @instructions: in this phase
 */
struct count {
	const struct node *node;
	const struct block *block;
	uint64_t instructions;
};

struct frame {
	uint64_t sp;		/* where the return address is */
	struct node *node;
};

/**
 * struct stack - the calls that have not returned on one kernel stack
 * @key: its address >> STACK_SHIFT
 * @depth: number of frames
 * @frames: the outermost first
 */
struct stack {
	uint64_t key;
	unsigned int depth;
	struct frame frames[DEPTH_MAX];
};

static struct node no_caller;
static GHashTable *blocks, *nodes, *counts, *stacks;
static struct stack *current;
static const struct block *caller;	/* the block before, if it calls */
static uint64_t user;		/* instructions of programs */
static uint64_t phase;
static qemu_plugin_u64 counting;
static struct qemu_plugin_register *rax, *rcx, *rsp;
static GByteArray *buffer;
static FILE *out;

static void die(const char *what)
{
	fprintf(stderr, "profile: %s\n", what);
	exit(1);
}

static uint64_t read_reg(struct qemu_plugin_register *reg)
{
	uint64_t value;

	g_byte_array_set_size(buffer, 0);
	if (!qemu_plugin_read_register(reg, buffer) ||
	    buffer->len != sizeof(value))
		die("the emulator refuses to read a register");
	memcpy(&value, buffer->data, sizeof(value));
	return le64toh(value);
}

/*
 * Interned things: looked up by content, made once
 */

static guint mix(uint64_t a, uint64_t b)
{
	uint64_t hash = (a ^ b * UINT64_C(0x9e3779b97f4a7c15)) *
			UINT64_C(0xff51afd7ed558ccd);

	return (guint)(hash >> 32);
}

static guint hash_block(gconstpointer key)
{
	const struct block *block = key;

	return mix(block->address, block->length);
}

static gboolean same_block(gconstpointer left, gconstpointer right)
{
	const struct block *a = left, *b = right;

	return a->address == b->address && a->length == b->length &&
	       a->calls == b->calls;
}

static guint hash_node(gconstpointer key)
{
	const struct node *node = key;

	return mix((uintptr_t)node->parent, node->address);
}

static gboolean same_node(gconstpointer left, gconstpointer right)
{
	const struct node *a = left, *b = right;

	return a->parent == b->parent && a->address == b->address;
}

static guint hash_count(gconstpointer key)
{
	const struct count *count = key;

	return mix((uintptr_t)count->node, (uintptr_t)count->block);
}

static gboolean same_count(gconstpointer left, gconstpointer right)
{
	const struct count *a = left, *b = right;

	return a->node == b->node && a->block == b->block;
}

static void *intern(GHashTable *table, const void *wanted, gsize size)
{
	void *found = g_hash_table_lookup(table, wanted);

	if (!found) {
		found = g_memdup2(wanted, size);
		g_hash_table_add(table, found);
	}
	return found;
}

/*
 * Who called whom
 */

static struct stack *find_stack(uint64_t sp)
{
	uint64_t key = sp >> STACK_SHIFT;

	if (current && current->key == key)
		return current;
	current = g_hash_table_lookup(stacks, &key);
	if (!current) {
		current = g_new0(struct stack, 1);
		current->key = key;
		g_hash_table_insert(stacks, &current->key, current);
	}
	return current;
}

/* The call in which the block that comes now is executed. */
static struct node *locate(void)
{
	uint64_t sp = read_reg(rsp);
	struct stack *stack = find_stack(sp);
	struct node *top;

	while (stack->depth && stack->frames[stack->depth - 1].sp < sp)
		stack->depth--;
	top = &no_caller;
	if (stack->depth)
		top = stack->frames[stack->depth - 1].node;
	if (caller && stack->depth < DEPTH_MAX) {
		struct node call = {
			.parent = top,
			.address = caller->address,
		};

		top = intern(nodes, &call, sizeof(call));
		stack->frames[stack->depth++] = (struct frame){
			.sp = sp, .node = top,
		};
	}
	return top;
}

static void on_block(unsigned int vcpu, void *data)
{
	struct block *block = data;
	struct count *count = block->last;
	struct node *node;

	(void)vcpu;
	if (!(block->address & KERNEL_HALF)) {
		user += block->length;
		caller = NULL;
		return;
	}
	node = locate();
	caller = block->calls ? block : NULL;
	if (!count || count->node != node) {
		struct count wanted = { .node = node, .block = block };

		count = intern(counts, &wanted, sizeof(wanted));
		block->last = count;
	}
	count->instructions += block->length;
}

/*
 * Phases
 */

static void write_path(const struct node *node)
{
	if (node == &no_caller)
		return;
	write_path(node->parent);
	fprintf(out, "%" PRIx64 ";", node->address);
}

/* A line: phase, instructions, callers from the outermost in, block. */
static void write_phase(void)
{
	GHashTableIter iter;
	struct count *count;

	fprintf(out, "%" PRIu64 " %" PRIu64 " user\n", phase, user);
	g_hash_table_iter_init(&iter, counts);
	while (g_hash_table_iter_next(&iter, (gpointer *)&count, NULL)) {
		if (!count->instructions)
			continue;
		fprintf(out, "%" PRIu64 " %" PRIu64 " ", phase,
			count->instructions);
		write_path(count->node);
		fprintf(out, "%" PRIx64 "\n", count->block->address);
		count->instructions = 0;
	}
	fflush(out);
}

static void on_cpuid(unsigned int vcpu, void *unused)
{
	uint32_t next;

	(void)unused;
	if ((uint32_t)read_reg(rax) != MARK_LEAF)
		return;
	next = (uint32_t)read_reg(rcx);
	if (phase)
		write_phase();
	g_hash_table_remove_all(stacks);
	current = NULL;
	caller = NULL;
	user = 0;
	phase = next;
	qemu_plugin_u64_set(counting, vcpu, phase != 0);
}

/*
 * Translation
 */

/* E8, and FF /2 behind whatever prefixes: call. */
static bool is_call(const struct qemu_plugin_insn *insn)
{
	uint8_t code[16];
	size_t len = qemu_plugin_insn_data(insn, code, sizeof(code)), i = 0;

	while (i < len && (code[i] == 0x2e || code[i] == 0x3e ||
			   code[i] == 0x66 || code[i] == 0xf2 ||
			   (code[i] & 0xf0) == 0x40))
		i++;
	if (i < len && code[i] == 0xe8)
		return true;
	return i + 1 < len && code[i] == 0xff && (code[i + 1] & 0x38) == 0x10;
}

static bool is_cpuid(const struct qemu_plugin_insn *insn)
{
	uint8_t code[2];

	return qemu_plugin_insn_data(insn, code, sizeof(code)) >= 2 &&
	       code[0] == 0x0f && code[1] == 0xa2;
}

static void watch(struct qemu_plugin_insn *insn)
{
	if (is_cpuid(insn))
		qemu_plugin_register_vcpu_insn_exec_cb(insn, on_cpuid,
						       QEMU_PLUGIN_CB_R_REGS,
						       NULL);
}

static void on_translate(struct qemu_plugin_tb *tb, void *unused)
{
	size_t length = qemu_plugin_tb_n_insns(tb), i;
	struct block block = {
		.address = qemu_plugin_tb_vaddr(tb),
		.length = (uint32_t)length,
	};
	struct qemu_plugin_insn *insn;

	(void)unused;
	for (i = 0; i < length; i++) {
		insn = qemu_plugin_tb_get_insn(tb, i);
		watch(insn);
		if (i == length - 1)
			block.calls = is_call(insn);
	}
	qemu_plugin_register_vcpu_tb_exec_cond_cb(tb, on_block,
						  QEMU_PLUGIN_CB_R_REGS,
						  QEMU_PLUGIN_COND_NE,
						  counting, 0,
						  intern(blocks, &block,
							 sizeof(block)));
}

static void on_vcpu_init(unsigned int index, void *unused)
{
	GArray *list = qemu_plugin_get_registers();
	struct qemu_plugin_reg_descriptor *desc;
	guint i;

	(void)index;
	(void)unused;
	if (g_array_get_element_size(list) != sizeof(*desc))
		die("this QEMU's plugin interface is not the one of 11.1");
	for (i = 0; i < list->len; i++) {
		desc = &g_array_index(list, struct qemu_plugin_reg_descriptor,
				      i);
		if (!strcmp(desc->name, "rax"))
			rax = desc->handle;
		else if (!strcmp(desc->name, "rcx"))
			rcx = desc->handle;
		else if (!strcmp(desc->name, "rsp"))
			rsp = desc->handle;
	}
	g_array_free(list, TRUE);
	if (!rax || !rcx || !rsp)
		die("the emulated CPU has no 64-bit registers");
}

static int check_emulator(const struct qemu_plugin_info *info)
{
	if (info->system_emulation && !strcmp(info->target_name, "x86_64") &&
	    info->version.cur == QEMU_PLUGIN_API_VERSION &&
	    info->system.max_vcpus == 1)
		return 0;
	fprintf(stderr, "profile: needs qemu-system-x86_64 with plugin interface %d and one vCPU\n",
		QEMU_PLUGIN_API_VERSION);
	return -EINVAL;
}

static int open_out(int argc, char **argv)
{
	if (argc != 1 || strncmp(argv[0], "out=", 4)) {
		fputs("profile: wants one argument, out=FILE\n", stderr);
		return -EINVAL;
	}
	out = fopen(argv[0] + 4, "we");
	if (!out) {
		fprintf(stderr, "profile: can't write %s: %s\n", argv[0] + 4,
			strerror(errno));
		return -EIO;
	}
	return 0;
}

/* What it allocates lives as long as the process, and is not given back. */
QEMU_PLUGIN_EXPORT int qemu_plugin_install(qemu_plugin_id_t id,
					   const struct qemu_plugin_info *info,
					   int argc, char **argv)
{
	if (check_emulator(info) || open_out(argc, argv))
		return -1;
	buffer = g_byte_array_new();
	blocks = g_hash_table_new(hash_block, same_block);
	nodes = g_hash_table_new(hash_node, same_node);
	counts = g_hash_table_new(hash_count, same_count);
	stacks = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL,
				       g_free);
	counting.score = qemu_plugin_scoreboard_new(sizeof(uint64_t));
	qemu_plugin_register_vcpu_init_cb(id, on_vcpu_init, NULL);
	qemu_plugin_register_vcpu_tb_trans_cb(id, on_translate, NULL);
	return 0;
}
