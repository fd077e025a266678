// SPDX-License-Identifier: MIT
/*
 * What a KMS answered, for a person
 *
 * Copyright The dstack for Linux authors
 */
#include "kms_admin.h"

#include <time.h>

static const char *text_of(const json_t *json, const char *name)
{
	const char *text = json_string_value(json_object_get(json, name));

	return text ? text : "";
}

static unsigned long long number_of(const json_t *json, const char *name)
{
	return (unsigned long long)json_integer_value(json_object_get(json,
								      name));
}

static void say(const json_t *json, const char *name)
{
	const char *text = text_of(json, name);

	print_safe(stdout, text, strlen(text));
}

/* "-": not at all. */
static void say_time(unsigned long long seconds)
{
	time_t when = (time_t)seconds;
	struct tm tm;
	char text[32];

	if (!seconds || !gmtime_r(&when, &tm) ||
	    !strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm))
		snprintf(text, sizeof(text), "-");
	printf("%-21s", text);
}

static void show_epochs(const json_t *status)
{
	const json_t *list = json_object_get(status, "epochs"), *epoch;
	size_t i;

	printf("\n%-6s%-13s%-21s%-21s%s\n", "EPOCH", "STATE", "SINCE",
	       "RETIRED", "ROOT (secp256k1)");
	json_array_foreach(list, i, epoch) {
		printf("%-6llu%-13.12s", number_of(epoch, "number"),
		       text_of(epoch, "state"));
		say_time(number_of(epoch, "created"));
		say_time(number_of(epoch, "retired"));
		say(epoch, "k256_pubkey");
		putchar('\n');
	}
	if (json_is_integer(json_object_get(status, "contract_epoch")))
		printf("The KMS's contract is at epoch %llu; 'dstackctl contract status' says what is announced.\n",
		       number_of(status, "contract_epoch"));
	else
		puts("No contract says which live: all that are not retired do.");
}

void kms_show_audit(const json_t *status)
{
	printf("record:  %llu lines, SHA-256 of the last: ",
	       number_of(status, "audit_lines"));
	say(status, "audit_hash");
	putchar('\n');
}

static void show_keys(const json_t *status)
{
	if (!*text_of(status, "domain")) {
		puts("keys:    none yet: 'dstackctl kms bootstrap DOMAIN' makes some, 'dstackctl kms\n"
		     "         onboard URL DOMAIN' takes over another KMS's");
		return;
	}
	fputs("domain:  ", stdout);
	say(status, "domain");
	printf("\nblock:   %llu of ", number_of(status, "block"));
	say_time(number_of(status, "block_time"));
	putchar('\n');
}

void kms_show_status(const json_t *status)
{
	const char *trouble = text_of(status, "trouble");

	fputs("version: ", stdout);
	say(status, "version");
	fputs("\nmay be:  ", stdout);
	if (*trouble)
		say(status, "trouble");
	else
		fputs("a KMS", stdout);
	putchar('\n');
	show_keys(status);
	printf("given:   %llu, denied %llu, failed %llu since it began\n",
	       number_of(status, "given"), number_of(status, "denied"),
	       number_of(status, "failed"));
	kms_show_audit(status);
	if (*text_of(status, "domain"))
		show_epochs(status);
}

void kms_show_identity(const json_t *identity)
{
	static const struct {
		const char *name, *label, *kind;
	} ids[] = {
		{ "os_image_hash", "OS image", "os-image" },
		{ "mr_aggregated", "measurements", "kms-mr" },
		{ "device_id", "device", "kms-device" },
	};
	const size_t nr = sizeof(ids) / sizeof(ids[0]);
	size_t i;

	for (i = 0; i < nr; i++) {
		printf("%-14s", ids[i].label);
		say(identity, ids[i].name);
		putchar('\n');
	}
	fputs("TEE           ", stdout);
	say(identity, "tee_variant");
	fputs("\ncontract      ", stdout);
	say(identity, "kms_contract_address");
	puts("\n\nThe contract's owner allows it to be a KMS by");
	for (i = 0; i < nr; i++) {
		printf("  dstackctl contract allow %s ", ids[i].kind);
		say(identity, ids[i].name);
		putchar('\n');
	}
}
