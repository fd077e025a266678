// SPDX-License-Identifier: MIT
/*
 * dstackctl kms: the operator of a KMS on this machine
 *
 * Copyright The dstack for Linux authors
 */
#include "kms_admin.h"

#include <getopt.h>

#define NUMBER_MAX	((1ULL << 53) - 1)	/* as the KMS's */

struct options {
	const char *socket;
	bool json;
	char **args;			/* behind the words of the command */
};

static void usage(FILE *out)
{
	fputs("Usage: dstackctl kms COMMAND [OPTION]...\n\n"
	      "  status                 whether it may be a KMS, its key epochs, what it gave\n"
	      "  identity               what the contract has to allow, so that it may\n"
	      "  bootstrap DOMAIN       make the roots of all keys, once\n"
	      "  onboard URL DOMAIN     take over the roots of the KMS at https://NAME:PORT\n"
	      "  epoch start            make the roots of the next key epoch\n"
	      "  epoch fetch URL        take over epochs that another KMS has started or retired\n"
	      "  epoch retire NUMBER    wipe the roots of an epoch, for good\n"
	      "  audit                  how long the record of what it gave is, and its last hash\n"
	      "\n"
	      "  --socket PATH          default: " KMS_SOCKET "\n"
	      "  --json                 the KMS's answer\n\n"
	      "DOMAIN is the KMS's own name, which is in its certificate.\n",
	      out);
}

/*
 * What is done
 */

static json_t *one_text(const char *name, const char *text)
{
	return json_pack("{s:s}", name, text);
}

static int ask(const struct options *options, const char *method,
	       json_t *args, json_t **answer)
{
	return kms_admin_ask(options->socket, method, args, answer) ?
		EXIT_FAILURE : EXIT_SUCCESS;
}

/* True if that was all that there is to say. */
static bool print_json(const struct options *options, const json_t *answer)
{
	if (!options->json)
		return false;
	json_dumpf(answer, stdout, JSON_INDENT(2));
	putchar('\n');
	return true;
}

static int show(const struct options *options, const char *method,
		void (*print)(const json_t *answer))
{
	json_t *answer;
	int status = ask(options, method, NULL, &answer);

	if (status)
		return status;
	if (!print_json(options, answer))
		print(answer);
	json_decref(answer);
	return EXIT_SUCCESS;
}

static int status_command(const struct options *options)
{
	return show(options, "Admin.Status", kms_show_status);
}

static int identity_command(const struct options *options)
{
	return show(options, "Onboard.GetAttestationInfo", kms_show_identity);
}

static int audit_command(const struct options *options)
{
	int status = show(options, "Admin.Status", kms_show_audit);

	if (!status && !options->json)
		puts("Note the hash elsewhere; 'dstack-kms --check-audit FILE' reads the whole record.");
	return status;
}

static int change(const struct options *options, const char *method,
		  json_t *args, const char *done)
{
	json_t *answer;
	int status;

	if (!args) {
		error_msg("that is no text in UTF-8, or there is no memory");
		return EXIT_FAILURE;
	}
	status = ask(options, method, args, &answer);
	if (status)
		return status;
	if (!print_json(options, answer))
		puts(done);
	json_decref(answer);
	return EXIT_SUCCESS;
}

static int bootstrap_command(const struct options *options)
{
	return change(options, "Onboard.Bootstrap",
		      one_text("domain", options->args[0]),
		      "The roots are made, and the KMS serves. 'dstackctl kms status' shows them.");
}

static int onboard_command(const struct options *options)
{
	return change(options, "Onboard.Onboard",
		      json_pack("{s:s, s:s}", "source_url", options->args[0],
				"domain", options->args[1]),
		      "The roots are taken over, and the KMS serves. 'dstackctl kms status' shows them.");
}

static int start_command(const struct options *options)
{
	return change(options, "Admin.StartEpoch", json_object(),
		      "The next key epoch is there. Other KMSs get it by 'dstackctl kms epoch fetch URL';\n"
		      "then 'dstackctl contract key-epoch announce' has it begin, and the one before end.");
}

static int fetch_command(const struct options *options)
{
	return change(options, "Admin.FetchEpochs",
		      one_text("source_url", options->args[0]),
		      "Both KMSs have the same key epochs. 'dstackctl kms status' shows them.");
}

static int retire_command(const struct options *options)
{
	uint64_t number;

	if (!libdstack_parse_u64(options->args[0], NUMBER_MAX, &number)) {
		error_msg("a key epoch is a number, not '%s'",
			  options->args[0]);
		return usage_hint("kms");
	}
	return change(options, "Admin.RetireEpoch",
		      json_pack("{s:I}", "key_epoch", (json_int_t)number),
		      "Its roots are wiped here. Other KMSs learn of it by 'dstackctl kms epoch fetch URL'.");
}

/*
 * Which it is
 */

static const struct {
	const char *first, *second;	/* NULL: one word is enough */
	int nr_args;
	int (*fn)(const struct options *options);
} commands[] = {
	{ "status", NULL, 0, status_command },
	{ "identity", NULL, 0, identity_command },
	{ "bootstrap", NULL, 1, bootstrap_command },
	{ "onboard", NULL, 2, onboard_command },
	{ "epoch", "start", 0, start_command },
	{ "epoch", "fetch", 1, fetch_command },
	{ "epoch", "retire", 1, retire_command },
	{ "audit", NULL, 0, audit_command },
};

static int dispatch(int nr, char **words, struct options *options)
{
	const char *second = nr > 1 ? words[1] : "";
	size_t i;
	int used;

	for (i = 0; nr && i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strcmp(words[0], commands[i].first) != 0 ||
		    (commands[i].second && strcmp(second, commands[i].second)))
			continue;
		used = commands[i].second ? 2 : 1;
		if (nr - used != commands[i].nr_args) {
			error_msg("'kms %s%s%s' takes %d arguments, not %d",
				  words[0], used > 1 ? " " : "",
				  used > 1 ? second : "", commands[i].nr_args,
				  nr - used);
			return usage_hint("kms");
		}
		options->args = words + used;
		return commands[i].fn(options);
	}
	error_msg("unknown 'kms %s%s%s'", nr ? words[0] : "",
		  nr > 1 ? " " : "", second);
	return usage_hint("kms");
}

int cmd_kms(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "socket", required_argument, NULL, 's' },
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 }
	};
	struct options options = { .socket = KMS_SOCKET };
	int c;

	while ((c = getopt_long(argc, argv, "h", longs, NULL)) != -1) {
		switch (c) {
		case 's':
			options.socket = optarg;
			break;
		case 'j':
			options.json = true;
			break;
		case 'h':
			usage(stdout);
			return EXIT_SUCCESS;
		default:
			return usage_hint("kms");
		}
	}
	return dispatch(argc - optind, argv + optind, &options);
}
