// SPDX-License-Identifier: MIT
/*
 * dstackctl status: what the kernel module is doing
 *
 * Copyright The dstack for Linux authors
 */
#include "dstackctl.h"
#include "words.h"

#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <unistd.h>

/* Of a feature that is not there, what it takes. */
static const struct bit_name {
	uint64_t bit;
	const char *name, *needs;
} features[] = {
	{ DSTACK_FEATURE_TDX, "tdx", "kernel 6.16 or later" },
	{ DSTACK_FEATURE_SIM, "sim", NULL },
	{ DSTACK_FEATURE_BPF_LSM, "bpf-lsm", NULL },
	{ DSTACK_FEATURE_FSVERITY, "fsverity", "CONFIG_FS_VERITY" },
	{ DSTACK_FEATURE_KEYS, "keys", NULL },
}, hooks[__DSTACK_HOOK_MAX] = {
	{ 1U << DSTACK_HOOK_EXEC, "exec", NULL },
	{ 1U << DSTACK_HOOK_MAP, "map", NULL },
	{ 1U << DSTACK_HOOK_OPEN, "open", NULL },
	{ 1U << DSTACK_HOOK_RESIZE, "resize", NULL },
	{ 1U << DSTACK_HOOK_SUPER, "super", NULL },
	{ 1U << DSTACK_HOOK_TRACE, "trace", NULL },
	{ 1U << DSTACK_HOOK_TRACEME, "traceme", NULL },
	{ 1U << DSTACK_HOOK_PRCTL, "prctl", NULL },
	{ 1U << DSTACK_HOOK_CAPABLE, "capable", NULL },
	{ 1U << DSTACK_HOOK_READ_FILE, "read-file", NULL },
	{ 1U << DSTACK_HOOK_LOAD_DATA, "load-data", NULL },
	{ 1U << DSTACK_HOOK_BPF, "bpf", NULL },
	{ 1U << DSTACK_HOOK_BPF_PROG, "bpf-prog", NULL },
	{ 1U << DSTACK_HOOK_ROOT, "root", NULL },
	{ 1U << DSTACK_HOOK_MOUNT, "mount", NULL },
	{ 1U << DSTACK_HOOK_PROTECT, "protect", NULL },
	{ 1U << DSTACK_HOOK_CHECK, "check", NULL },
	{ 1U << DSTACK_HOOK_FAULT, "fault", NULL },
};

static void usage(FILE *out)
{
	fputs("Usage: dstackctl status [--json]\n\n"
	      "Shows state, register, event log, hooks, policy and counters of the module.\n",
	      out);
}

static void print_hooks(const struct libdstack_status *s)
{
	size_t i;

	fputs("hooks       ", stdout);
	for (i = 0; i < ARRAY_SIZE(hooks); i++)
		printf("%s%s %s", i ? ", " : "", hooks[i].name,
		       s->hooks & hooks[i].bit ? "held" : "MISSING");
	if (!s->hooks)
		fputs(": nothing sees what runs, start dstackd", stdout);
	putchar('\n');
}

static void print_policy(const struct libdstack_status *s)
{
	char hex[2 * DSTACK_DIGEST_SIZE + 1];

	if (!s->policy_epoch) {
		puts("policy      none: load one with 'dstackctl policy load'");
		return;
	}
	printf("policy      epoch %" PRIu64 "\n", s->policy_epoch);
	printf("  app id    %s\n",
	       libdstack_to_hex(s->policy_app_id, sizeof(s->policy_app_id),
				hex));
	printf("  document  sha256:%s\n",
	       libdstack_to_hex(s->policy_document, sizeof(s->policy_document),
				hex));
	printf("  table     sha256:%s\n",
	       libdstack_to_hex(s->policy_table, sizeof(s->policy_table), hex));
}

static void print_features(const struct dstack_info *info)
{
	size_t i;

	if (!info)
		return;
	printf("abi         %u, features", info->out_abi);
	for (i = 0; i < ARRAY_SIZE(features); i++)
		if (info->out_features & features[i].bit)
			printf(" %s", features[i].name);
	if (info->out_errata)
		printf(", errata %#" PRIx64, (uint64_t)info->out_errata);
	putchar('\n');
	for (i = 0; i < ARRAY_SIZE(features); i++)
		if (!(info->out_features & features[i].bit))
			printf("missing     %s: needs %s\n", features[i].name,
			       features[i].needs ?: "another module");
}

static void print_devices(const json_t *devices)
{
	const json_t *device;
	size_t i;

	for (i = 0; i < json_array_size(devices); i++) {
		device = json_array_get(devices, i);
		printf("device      %s is %s\n",
		       json_string_value(json_object_get(device, "device")),
		       json_string_value(json_object_get(device, "storage")));
	}
}

static void print_keys(const struct libdstack_status *s, const json_t *roots)
{
	const json_t *root;
	size_t i;

	printf("keys        %u in keyrings%s\n", s->keys,
	       json_array_size(roots) ? "" : ", no root key");
	for (i = 0; i < json_array_size(roots); i++) {
		root = json_array_get(roots, i);
		printf("  root      of %s, epoch %" PRId64 "\n",
		       json_string_value(json_object_get(root, "app_id")),
		       (int64_t)json_integer_value(json_object_get(root,
								   "epoch")));
	}
}

static void print_text(const struct libdstack_status *s,
		       const struct dstack_info *info, const json_t *devices,
		       const json_t *roots)
{
	char hex[2 * DSTACK_REGISTER_SIZE + 1];

	printf("state       %s\n", dstack_state_name(s->state));
	printf("backend     %s%s\n", dstack_backend_name(s->backend),
	       s->backend_flags & DSTACK_BACKEND_F_INSECURE ?
	       " (INSECURE: its evidence proves nothing to anybody)" : "");
	printf("register    %s\n",
	       libdstack_to_hex(s->register_value, sizeof(s->register_value),
				hex));
	if (s->diverged)
		puts("            DIVERGED: somebody else extended it; quotes no longer match the log until reboot");
	printf("log         %" PRIu64 " events, %" PRIu64 " stored by the daemon, %"
	       PRIu64 " bytes pending\n", s->log_count, s->log_acked,
	       s->log_pending);
	printf("            %" PRIu64 " bytes of kernel memory, digests from event %"
	       PRIu64 " on\n", s->log_memory, s->log_first);
	print_hooks(s);
	print_policy(s);
	print_devices(devices);
	print_keys(s, roots);
	printf("containers  %u\n", s->containers);
	printf("verdicts    %" PRIu64 " allowed, %" PRIu64 " denied%s\n",
	       s->allowed, s->denied, s->state == DSTACK_STATE_MEASURE ?
	       " (measured only: they ran)" : "");
	printf("digests     %" PRIu64 " from the cache, %" PRIu64 " computed\n",
	       s->cache_hits, s->cache_misses);
	print_features(info);
}

static json_t *json_hex(const void *data, size_t len)
{
	char hex[2 * DSTACK_REGISTER_SIZE + 1];

	return json_string(libdstack_to_hex(data, len, hex));
}

/* Names of the bits that are set. */
static json_t *json_bits(uint64_t bits, bool of_hooks)
{
	size_t nr = of_hooks ? ARRAY_SIZE(hooks) : ARRAY_SIZE(features);
	const struct bit_name *list = of_hooks ? hooks : features;
	json_t *array = json_array();
	size_t i;

	for (i = 0; i < nr; i++) {
		if (!(bits & list[i].bit))
			continue;
		json_array_append_new(array, json_string(list[i].name));
	}
	return array;
}

static json_t *json_policy(const struct libdstack_status *s)
{
	if (!s->policy_epoch)
		return json_null();
	return json_pack("{s:I, s:o, s:o, s:o}",
			 "epoch", (json_int_t)s->policy_epoch,
			 "app_id", json_hex(s->policy_app_id,
					    sizeof(s->policy_app_id)),
			 "document", json_hex(s->policy_document,
					      sizeof(s->policy_document)),
			 "table", json_hex(s->policy_table,
					   sizeof(s->policy_table)));
}

/* Takes @devices and @roots over. */
static int print_json(const struct libdstack_status *s,
		      const struct dstack_info *info, json_t *devices,
		      json_t *roots)
{
	json_t *root;

	root = json_pack("{s:s, s:s, s:b, s:o, s:o, s:b, s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:o, s:o, s:I, s:I, s:I, s:I, s:I, s:I}",
			 "state", dstack_state_name(s->state),
			 "backend", dstack_backend_name(s->backend),
			 "insecure",
			 !!(s->backend_flags & DSTACK_BACKEND_F_INSECURE),
			 "register", json_hex(s->register_value,
					      sizeof(s->register_value)),
			 "base", json_hex(s->base, sizeof(s->base)),
			 "diverged", !!s->diverged,
			 "log_count", (json_int_t)s->log_count,
			 "log_acked", (json_int_t)s->log_acked,
			 "log_pending", (json_int_t)s->log_pending,
			 "log_memory", (json_int_t)s->log_memory,
			 "log_first", (json_int_t)s->log_first,
			 "hooks", json_bits(s->hooks, true),
			 "policy", json_policy(s),
			 "devices", devices, "roots", roots,
			 "keys", (json_int_t)s->keys,
			 "containers", (json_int_t)s->containers,
			 "allowed", (json_int_t)s->allowed,
			 "denied", (json_int_t)s->denied,
			 "cache_hits", (json_int_t)s->cache_hits,
			 "cache_misses", (json_int_t)s->cache_misses);
	if (root && info) {
		json_object_set_new(root, "abi", json_integer(info->out_abi));
		json_object_set_new(root, "features",
				    json_bits(info->out_features, false));
		json_object_set_new(root, "missing",
				    json_bits(__DSTACK_FEATURE_ALL &
					      ~info->out_features, false));
	}
	if (!root || json_dumpf(root, stdout, JSON_INDENT(2))) {
		json_decref(root);
		error_msg("out of memory");
		return EXIT_FAILURE;
	}
	putchar('\n');
	json_decref(root);
	return EXIT_SUCCESS;
}

/* The status, and devices and root keys as JSON. */
static int ask(struct libdstack_status *status, json_t *devices, json_t *roots)
{
	struct libdstack_control *control;
	int err;

	err = libdstack_control_open(&control);
	if (err)
		return err;
	err = libdstack_status(control, status) ?:
		libdstack_list_devices(control, append_device, devices) ?:
		libdstack_list_roots(control, append_root, roots);
	libdstack_control_close(control);
	return err;
}

static int show(bool json)
{
	json_t *devices = json_array(), *roots = json_array();
	struct libdstack_status status;
	struct dstack_info info;
	bool have_info = false;
	int fd;

	if (ask(&status, devices, roots)) {
		json_decref(devices);
		json_decref(roots);
		return EXIT_FAILURE;
	}
	fd = libdstack_device_open();
	if (fd >= 0) {
		have_info = !libdstack_info(fd, &info);
		close(fd);
	}
	if (json)
		return print_json(&status, have_info ? &info : NULL, devices,
				  roots);
	print_text(&status, have_info ? &info : NULL, devices, roots);
	json_decref(devices);
	json_decref(roots);
	return EXIT_SUCCESS;
}

int cmd_status(int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 }
	};
	bool json = false;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'j':
			json = true;
			break;
		case 'h':
			usage(stdout);
			return EXIT_SUCCESS;
		default:
			return usage_hint("status");
		}
	}
	if (optind != argc)
		return usage_hint("status");
	return show(json);
}
