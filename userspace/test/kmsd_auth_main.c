// SPDX-License-Identifier: MIT
/*
 * Asks who may have keys, for tests with real contracts
 *
 * Copyright The dstack for Linux authors
 *
 * kmsd-auth CONFIG [NUMBER TIME HASH]: a line of JSON in is a question, a line
 * out the answer.  The three are the block that was accepted before.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "../kmsd/auth/auth.h"
#include "lib.h"

#define CONFIG_MAX	65536

static void tell(const char *line)
{
	fprintf(stderr, "# %s\n", line);
}

static int keep(void *arg, const struct chain_head *head)
{
	*(struct chain_head *)arg = *head;
	return 0;
}

static bool read_config(const char *path, struct auth_config *config)
{
	struct app_json json = {
		.file = path, .object = "auth", .tell = tell,
	};
	yyjson_doc *doc = NULL;
	char *text = NULL;
	size_t len;
	bool good = !dstack_file_read(path, CONFIG_MAX, &text, &len) &&
		!app_json_open(&json, text, len, &doc) &&
		!auth_config_read(&json, config);

	yyjson_doc_free(doc);
	free(text);
	return good;
}

static void get_hex(yyjson_val *object, const char *name, uint8_t *out,
		    size_t len)
{
	yyjson_val *value = yyjson_obj_get(object, name);

	if (value && !chain_json_fixed(value, out, len))
		exit(2);
}

static void get_boot(yyjson_val *object, struct auth_boot *boot)
{
	const char *status = yyjson_get_str(yyjson_obj_get(object,
							   "tcbStatus"));

	*boot = (struct auth_boot){
		.tee_variant = "dstack-tdx", .instance_id.len = 20,
		.tcb_status = status ? status : "UpToDate",
	};
	get_hex(object, "appId", boot->app_id, sizeof(boot->app_id));
	get_hex(object, "composeHash", boot->compose_hash, 32);
	get_hex(object, "osImageHash", boot->os_image_hash, 32);
	get_hex(object, "deviceId", boot->device_id, 32);
	get_hex(object, "mrAggregated", boot->mr_aggregated, 32);
}

static void say_error(int err, const struct chain_why *why)
{
	const char *c;

	printf("{\"error\":\"%s\",\"why\":\"", strerrorname_np(-err));
	for (c = why->text; *c; c++)
		putchar(*c == '"' || *c == '\\' ? '\'' : *c);
	puts("\"}");
}

static void say_epochs(const char *name, const struct chain_epochs *epochs)
{
	printf(",\"%s\":[%" PRIu64 ",%" PRIu64 ",%" PRIu64 "]", name,
	       epochs->current, epochs->previous_ends, epochs->first_live);
}

static void say_number(const char *name, uint64_t number)
{
	printf(",\"%s\":%" PRIu64, name, number);
}

static void say_verdict(const struct auth_verdict *verdict)
{
	char hash[2 * CHAIN_HASH + 1], root[2 * 32 + 1];

	printf("{\"allowed\":%s,\"reason\":\"%s\",\"how\":\"%s\"",
	       verdict->allowed ? "true" : "false", verdict->reason,
	       auth_how_name(verdict->how));
	printf(",\"gateway\":\"%s\",\"hash\":\"%s\",\"policyRoot\":\"%s\"",
	       verdict->gateway_app_id,
	       libdstack_to_hex(verdict->block.hash, CHAIN_HASH, hash),
	       libdstack_to_hex(verdict->policy_root, 32, root));
	say_number("block", verdict->block.number);
	say_number("time", verdict->block.time);
	say_number("policyEpoch", verdict->policy_epoch);
	say_epochs("kmsKeys", &verdict->kms_keys);
	say_epochs("appKeys", &verdict->app_keys);
	puts("}");
}

static void ask_info(struct auth *auth, uint64_t now)
{
	struct chain_why why = { "" };
	struct auth_info info;
	int err = auth_info(auth, now, &info, &why);

	if (err) {
		say_error(err, &why);
		return;
	}
	printf("{\"contract\":\"%s\",\"implementation\":\"%s\"",
	       info.kms_contract, info.app_implementation);
	printf(",\"gateway\":\"%s\"", info.gateway_app_id);
	say_number("chain", info.chain_id);
	puts("}");
}

static void ask(struct auth *auth, yyjson_val *question)
{
	uint64_t now = yyjson_get_uint(yyjson_obj_get(question, "now"));
	const char *what = yyjson_get_str(yyjson_obj_get(question, "ask"));
	struct chain_why why = { "" };
	struct auth_verdict verdict;
	struct auth_boot boot;
	int err;

	if (what && !strcmp(what, "info")) {
		ask_info(auth, now);
		return;
	}
	get_boot(yyjson_obj_get(question, "boot"), &boot);
	if (what && !strcmp(what, "kms"))
		err = auth_kms(auth, &boot, now, &verdict, &why);
	else
		err = auth_app(auth, &boot, now, &verdict, &why);
	if (err)
		say_error(err, &why);
	else
		say_verdict(&verdict);
}

static void get_head(char **argv, struct chain_head *head)
{
	head->number = strtoull(argv[0], NULL, 10);
	head->time = strtoull(argv[1], NULL, 10);
	if (!libdstack_from_hex(argv[2], strlen(argv[2]), head->hash,
				CHAIN_HASH))
		exit(2);
}

int main(int argc, char **argv)
{
	struct auth_options options = { .version = "0", .tell = tell };
	struct auth_config config;
	struct chain_head kept;
	struct auth *auth;
	char *line = NULL;
	size_t room = 0;
	yyjson_doc *doc;

	if ((argc != 2 && argc != 5) || chain_client_init() ||
	    !read_config(argv[1], &config))
		return 2;
	options.config = &config;
	options.keep = keep;
	options.arg = &kept;
	if (argc == 5)
		get_head(argv + 2, &options.head);
	if (auth_open(&options, &auth))
		return 1;
	setlinebuf(stdout);
	while (getline(&line, &room, stdin) > 0) {
		doc = yyjson_read(line, strlen(line), 0);
		ask(auth, yyjson_doc_get_root(doc));
		yyjson_doc_free(doc);
	}
	free(line);
	auth_close(auth);
	auth_config_clear(&config);
	return 0;
}
