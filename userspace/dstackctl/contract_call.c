// SPDX-License-Identifier: MIT
/*
 * dstackctl contract allow, deny, pin, policy...: one transaction each
 *
 * Copyright The dstack for Linux authors
 */
#include "contract.h"
#include "policy.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <string.h>

static const struct verb {
	const char *command, *kind;	/* NULL: it has none */
	enum contract_function function;
	const char *fixed;		/* the argument, or those of argv */
} verbs[] = {
	{ "allow", "os-image", CONTRACT_ADD_OS_IMAGE, NULL },
	{ "deny", "os-image", CONTRACT_REMOVE_OS_IMAGE, NULL },
	{ "allow", "kms-mr", CONTRACT_ADD_KMS_MR, NULL },
	{ "deny", "kms-mr", CONTRACT_REMOVE_KMS_MR, NULL },
	{ "allow", "kms-device", CONTRACT_ADD_KMS_DEVICE, NULL },
	{ "deny", "kms-device", CONTRACT_REMOVE_KMS_DEVICE, NULL },
	{ "allow", "app", CONTRACT_REGISTER_APP, NULL },
	{ "allow", "compose-hash", CONTRACT_ADD_COMPOSE_HASH, NULL },
	{ "deny", "compose-hash", CONTRACT_REMOVE_COMPOSE_HASH, NULL },
	{ "allow", "device", CONTRACT_ADD_DEVICE, NULL },
	{ "deny", "device", CONTRACT_REMOVE_DEVICE, NULL },
	{ "allow", "any-device", CONTRACT_ALLOW_ANY_DEVICE, "true" },
	{ "deny", "any-device", CONTRACT_ALLOW_ANY_DEVICE, "false" },
	{ "allow", "old-tcb", CONTRACT_REQUIRE_TCB, "false" },
	{ "deny", "old-tcb", CONTRACT_REQUIRE_TCB, "true" },
	{ "policy", "announce", CONTRACT_ANNOUNCE_POLICY, NULL },
	{ "policy", "revoke", CONTRACT_REVOKE_POLICY, NULL },
	{ "pin", NULL, CONTRACT_PIN_DEVICE, NULL },
	{ "unpin", NULL, CONTRACT_UNPIN_DEVICE, NULL },
	{ "pins", "required", CONTRACT_REQUIRE_PINS, "true" },
	{ "pins", "optional", CONTRACT_REQUIRE_PINS, "false" },
	{ "delay", NULL, CONTRACT_SET_DELAY, NULL },
	{ "guardian", NULL, CONTRACT_SET_GUARDIAN, NULL },
	{ "key-epoch", "announce", CONTRACT_ANNOUNCE_KEYS, NULL },
	{ "key-epoch", "revoke", CONTRACT_REVOKE_KEYS, NULL },
};

#define VERBS	(sizeof(verbs) / sizeof(verbs[0]))

bool contract_is_call(const char *name)
{
	size_t i;

	for (i = 0; i < VERBS; i++)
		if (!strcmp(verbs[i].command, name))
			return true;
	return false;
}

static bool has_fixed(const struct verb *verb,
		      const struct contract_call *call)
{
	char text[CONTRACT_TEXT];

	return !verb->fixed ||
		!strcmp(contract_arg_text(call, 0, text), verb->fixed);
}

char *contract_command_of(const struct contract_call *call,
			  char text[COMMAND_TEXT])
{
	char arg[CONTRACT_TEXT];
	size_t i, len = 0, n;

	text[0] = '\0';
	for (i = 0; i < VERBS; i++)
		if (verbs[i].function == call->function &&
		    has_fixed(&verbs[i], call))
			break;
	if (i == VERBS)
		return text;
	len = snprintf(text, COMMAND_TEXT, "%s%s%s", verbs[i].command,
		       verbs[i].kind ? " " : "", verbs[i].kind ?: "");
	for (n = 0; !verbs[i].fixed && n < contract_args(call->function); n++)
		len += snprintf(text + len, COMMAND_TEXT - len, " %s",
				contract_arg_text(call, n, arg));
	return text;
}

/* Of what is left in @argv.  NULL after a message. */
static const struct verb *find_verb(const char *command, int argc, char **argv)
{
	size_t i;

	for (i = 0; i < VERBS; i++)
		if (!strcmp(verbs[i].command, command) &&
		    (!verbs[i].kind ||
		     (argc && !strcmp(verbs[i].kind, argv[0]))))
			return &verbs[i];
	error_msg("'contract %s' needs one of:", command);
	for (i = 0; i < VERBS; i++)
		if (!strcmp(verbs[i].command, command))
			fprintf(stderr, "  %s\n", verbs[i].kind);
	return NULL;
}

/* "+60" is a minute after the newest block. */
static int set_time(struct contract_session *session,
		    struct contract_call *call, size_t i, const char *arg,
		    struct chain_why *why)
{
	uint64_t after;
	int err;

	if (!libdstack_parse_u64(arg + 1, UINT32_MAX, &after))
		return chain_fail(why, -EINVAL, "'%.80s' is no time", arg);
	/* What is final may be a quarter of an hour old. */
	if (!session->view.client) {
		session->options->client.tag = "latest";
		err = contract_look(session);
		if (err)
			return err;
	}
	contract_put_u64(call->args[i], session->source.time + after);
	return 0;
}

static int set_args(struct contract_session *session, const struct verb *verb,
		    struct contract_call *call, char **argv)
{
	bool times = verb->function == CONTRACT_ANNOUNCE_KEYS;
	size_t nr = contract_args(verb->function), i;
	struct chain_why why = { "" };
	int err = 0;

	call->function = verb->function;
	for (i = 0; !err && i < nr; i++)
		err = times && argv[i][0] == '+' ?
			set_time(session, call, i, argv[i], &why) :
			contract_set_arg(call, i, verb->fixed ?: argv[i],
					 &why);
	if (err && why.text[0])
		error_msg("%s", why.text);
	return err;
}

/* What both contracts have goes to the application, if one is named. */
static const uint8_t *find_target(const struct contract_options *options,
				  const struct verb *verb)
{
	unsigned int of = contract_of(verb->function);

	if ((of & CONTRACT_OF_APP) && options->has_app)
		return options->app;
	if ((of & CONTRACT_OF_KMS) && options->has_kms)
		return options->kms;
	error_msg("%s is needed", of == CONTRACT_OF_APP ? "--app ADDRESS" :
		  of == CONTRACT_OF_KMS ? "--kms ADDRESS" :
		  "--kms ADDRESS or --app ADDRESS");
	return NULL;
}

/*
 * Sending
 */

struct outcome {
	struct contract_tx tx;
	struct contract_receipt receipt;
	struct chain_why why;
	int err;
	bool known_sender, sent;
};

static json_t *outcome_json(const struct contract_session *session,
			    const struct contract_call *call,
			    const uint8_t *to, const struct outcome *outcome)
{
	const struct contract_receipt *receipt = &outcome->receipt;
	json_t *root = contract_call_json(call, to);

	contract_put_number(root, "chainId",
			    session->options->client.chain_id);
	json_object_set_new(root, "done",
			    json_boolean(outcome->sent && !outcome->err));
	if (outcome->known_sender)
		contract_put_hex(root, "from", session->sender.from,
				 CHAIN_ADDRESS);
	if (outcome->known_sender && !outcome->err)
		contract_put_number(root, "gas", outcome->tx.gas);
	if (outcome->err)
		contract_put_text(root, "error", outcome->why.text);
	if (!outcome->sent)
		return root;
	contract_put_hex(root, "transaction", receipt->hash, CHAIN_HASH);
	if (outcome->err)
		return root;
	contract_put_number(root, "block", receipt->block);
	contract_put_number(root, "gasUsed", receipt->gas_used);
	if (receipt->has_app)
		contract_put_hex(root, "app", receipt->app, CHAIN_ADDRESS);
	return root;
}

static void outcome_print(const struct contract_session *session,
			  const struct contract_call *call, const uint8_t *to,
			  const struct outcome *outcome)
{
	const struct contract_receipt *receipt = &outcome->receipt;
	char hex[HEX_TEXT];

	contract_call_print(call, to, "");
	if (!outcome->known_sender)
		printf("  from  %s\n", contract_who(call->function));
	else
		printf("  from  %s\n", contract_hex(session->sender.from,
						    CHAIN_ADDRESS, hex));
	if (outcome->known_sender && !outcome->err)
		printf("  gas   %" PRIu64 ", of at most %" PRIu64 " gwei\n",
		       outcome->tx.gas, outcome->tx.max_fee / 1000000000);
	if (!outcome->sent)
		return;
	printf("  hash  %s\n", contract_hex(receipt->hash, CHAIN_HASH, hex));
	if (outcome->err)
		return;
	printf("done, and proven: block %" PRIu64 ", %" PRIu64 " gas\n",
	       receipt->block, receipt->gas_used);
	if (receipt->has_app)
		printf("app     %s\n", contract_hex(receipt->app,
						    CHAIN_ADDRESS, hex));
}

struct subject {
	const struct contract_call *call;
	const uint8_t *to;
};

static int shown(void *arg, const struct chain_source *source,
		 const struct contract_receipt *receipt, bool *yes,
		 struct chain_why *why)
{
	const struct subject *subject = arg;

	(void)receipt;
	return contract_shown(source, subject->to, subject->call, yes, why);
}

int contract_run(struct contract_session *session,
		 const struct contract_call *call,
		 const uint8_t to[CHAIN_ADDRESS],
		 const struct contract_check *check)
{
	const struct contract_options *options = session->options;
	struct outcome outcome = { .tx.to = to };
	uint8_t data[CONTRACT_CALL_MAX];

	outcome.known_sender = session->key || options->has_from;
	outcome.tx.chain_id = options->client.chain_id;
	outcome.tx.data.data = data;
	if (!contract_encode(call, data, &outcome.tx.data.len)) {
		error_msg("there is no KECCAK-256");
		return EXIT_FAILURE;
	}
	if (outcome.known_sender)
		outcome.err = contract_prepare(&session->sender, &outcome.tx,
					       &outcome.why);
	outcome.sent = !outcome.err && !options->dry_run;
	if (outcome.sent)
		outcome.err = contract_send(&session->sender, &outcome.tx,
					    check, &outcome.receipt,
					    &outcome.why);
	if (outcome.err)
		contract_error(outcome.err, &outcome.why);
	if (options->json &&
	    write_json("-", outcome_json(session, call, to, &outcome)))
		return EXIT_FAILURE;
	if (!options->json)
		outcome_print(session, call, to, &outcome);
	return outcome.err ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int run_verb(struct contract_options *options, const struct verb *verb,
		    char **argv)
{
	struct contract_session session;
	struct contract_call call = { 0 };
	struct subject subject = { .call = &call };
	const struct contract_check check = { shown, &subject };
	int status = EXIT_FAILURE;

	if (!contract_open(&session, options, true)) {
		subject.to = find_target(options, verb);
		if (subject.to && !set_args(&session, verb, &call, argv))
			status = contract_run(&session, &call, subject.to,
					      &check);
	}
	contract_close(&session);
	return status;
}

int contract_call_command(int argc, char **argv)
{
	struct contract_options options;
	const struct verb *verb;
	int left, want;

	if (!contract_options(argc, argv, CONTRACT_SENDS "a", &options))
		return usage_hint("contract");
	left = argc - optind;
	verb = find_verb(argv[0], left, argv + optind);
	if (!verb)
		return usage_hint("contract");
	argv += optind + !!verb->kind;
	left -= !!verb->kind;
	want = verb->fixed ? 0 : (int)contract_args(verb->function);
	if (left != want) {
		error_msg("%s takes %d arguments, not %d",
			  contract_signature(verb->function), want, left);
		return usage_hint("contract");
	}
	return run_verb(&options, verb, argv);
}
