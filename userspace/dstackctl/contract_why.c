// SPDX-License-Identifier: MIT
/*
 * dstackctl contract why: why a boot is denied, and what would allow it
 *
 * Copyright The dstack for Linux authors
 */
#include "contract.h"
#include "policy.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <string.h>

#define BOOT_MAX	(64U << 10)
#define CANT_TELL	2	/* the exit status if nothing can be said */

static bool is_set(const uint8_t *address)
{
	static const uint8_t zero[CHAIN_ADDRESS];

	return memcmp(address, zero, CHAIN_ADDRESS) != 0;
}

static bool has_data(const struct contract_remedy *remedy)
{
	static const uint8_t zero[32];

	/* A policy's root is nobody's but the owner's to say. */
	return remedy->has_call && !remedy->wait_until &&
		(remedy->call.function != CONTRACT_ANNOUNCE_POLICY ||
		 memcmp(remedy->call.args[0], zero, sizeof(zero)) != 0);
}

static json_t *remedy_json(const struct contract_remedy *remedy)
{
	char text[COMMAND_TEXT];
	json_t *root = json_object(), *tx;

	contract_put_text(root, "reason", remedy->reason);
	if (remedy->note)
		contract_put_text(root, "note", remedy->note);
	if (remedy->wait_until)
		contract_put_number(root, "allowedAt", remedy->wait_until);
	if (!has_data(remedy))
		return root;
	tx = contract_call_json(&remedy->call, remedy->to);
	if (is_set(remedy->owner))
		contract_put_hex(tx, "owner", remedy->owner, CHAIN_ADDRESS);
	json_object_set_new(root, "transaction", tx);
	contract_put_text(root, "command",
			  contract_command_of(&remedy->call, text));
	contract_put_number(root, "delay", remedy->delay);
	return root;
}

static json_t *answer_json(const struct contract_session *session,
			   const struct contract_answer *answer)
{
	const struct chain_verdict *verdict = &answer->verdict;
	json_t *list = json_array(), *root;
	size_t i;

	for (i = 0; i < answer->nr; i++)
		json_array_append_new(list, remedy_json(&answer->remedies[i]));
	root = json_pack("{s:b, s:s, s:I, s:I, s:I, s:o, s:b, s:o}",
			 "isAllowed", verdict->allowed, "evidence",
			 verdict->asked ? "asked" : "proven", "chainId",
			 (json_int_t)session->options->client.chain_id,
			 "block", (json_int_t)session->view.header.number,
			 "time", (json_int_t)session->source.time,
			 "blockHash",
			 contract_hex_json(session->view.header.hash,
					   CHAIN_HASH),
			 "canBeAllowed", answer->can_be_allowed, "denials",
			 list);
	contract_put_text(root, "reason", verdict->reason);
	if (!verdict->asked)
		contract_put_text(root, "gatewayAppId",
				  verdict->gateway_app_id);
	if (answer->beyond.text[0])
		contract_put_text(root, "unknown", answer->beyond.text);
	return root;
}

static void remedy_print(const struct contract_remedy *remedy, size_t i)
{
	char text[COMMAND_TEXT], hex[HEX_TEXT], at[TIME_TEXT];

	printf("\n%zu. %s\n", i + 1, remedy->reason);
	if (remedy->note)
		printf("   %s\n", remedy->note);
	if (remedy->wait_until)
		printf("   until %s\n",
		       contract_time(remedy->wait_until, at));
	if (!has_data(remedy))
		return;
	contract_call_print(&remedy->call, remedy->to, "   ");
	printf("     from  %s%s%s\n", contract_who(remedy->call.function),
	       is_set(remedy->owner) ? ", " : "", is_set(remedy->owner) ?
	       contract_hex(remedy->owner, CHAIN_ADDRESS, hex) : "");
	if (remedy->delay)
		printf("     it counts %" PRIu64 " s after its block\n",
		       remedy->delay);
	printf("   dstackctl contract %s --%s %s\n",
	       contract_command_of(&remedy->call, text),
	       contract_of(remedy->call.function) == CONTRACT_OF_KMS ?
	       "kms" : "app", contract_hex(remedy->to, CHAIN_ADDRESS, hex));
}

static void answer_print(const struct contract_session *session,
			 const struct contract_answer *answer)
{
	const struct chain_verdict *verdict = &answer->verdict;
	size_t i;

	printf("%s%s%s\n", verdict->allowed ? "allowed" : "denied: ",
	       verdict->reason, verdict->asked ?
	       " (as servers say, not proven)" : "");
	printf("%s block %" PRIu64 " of chain %" PRIu64 "\n",
	       verdict->asked ? "asked at" : "proven by",
	       session->view.header.number,
	       session->options->client.chain_id);
	if (verdict->allowed)
		return;
	for (i = 0; i < answer->nr; i++)
		remedy_print(&answer->remedies[i], i);
	if (answer->can_be_allowed)
		puts("\nThen it is allowed.");
	else if (answer->beyond.text[0])
		printf("\nWhat comes then is not known: %s\n",
		       answer->beyond.text);
	else if (verdict->asked)
		puts("\nWhat comes then can't be said before it is done.");
	else
		puts("\nAs it is, this boot can't be allowed.");
}

/* The first reason is all that servers say. */
static int ask(struct contract_session *session,
	       const struct contract_question *question,
	       struct contract_answer *answer, struct chain_why *why)
{
	struct contract_remedy *remedy = &answer->remedies[0];
	int err = chain_view_ask(&session->view, question->kms,
				 question->boot, question->is_kms,
				 &answer->verdict, why);

	answer->nr = 0;
	if (err || answer->verdict.allowed)
		return err;
	answer->nr = 1;
	if (!contract_remedy_of(question, answer->verdict.reason, remedy))
		remedy->note = "nothing is known that would allow it";
	else if (remedy->has_call &&
		 strcmp(contract_who(remedy->call.function), "anybody") != 0)
		err = contract_ask_owner(&session->view, remedy->to,
					 remedy->owner, why);
	return err;
}

static int tell(struct contract_session *session, const struct chain_boot *boot)
{
	const struct contract_options *options = session->options;
	const struct contract_question question = {
		.source = &session->source, .known = &session->pins.known,
		.kms = options->kms, .boot = boot, .is_kms = options->as_kms,
		.root = options->has_root ? options->root : NULL,
	};
	struct contract_answer answer;
	struct chain_why why = { "" };
	int err = contract_why(&question, &answer, &why);

	if (err == -EOPNOTSUPP && options->ask) {
		why.text[0] = 0;
		err = ask(session, &question, &answer, &why);
	} else if (err == -EOPNOTSUPP) {
		error_msg("%s: name it in --pins, or --ask servers", why.text);
		return CANT_TELL;
	}
	if (err) {
		contract_error(err, &why);
		return CANT_TELL;
	}
	if (!options->json)
		answer_print(session, &answer);
	else if (write_json("-", answer_json(session, &answer)))
		return CANT_TELL;
	return answer.verdict.allowed ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int read_boot(const char *path, struct contract_boot *boot)
{
	struct chain_why why = { "" };
	void *text;
	size_t len;
	int err = read_file(path, BOOT_MAX, &text, &len);

	if (err)
		return err;
	err = contract_boot_read(text, len, boot, &why);
	free(text);
	if (err)
		error_msg("'%s': %s", path, why.text);
	return err;
}

int contract_why_command(int argc, char **argv)
{
	struct contract_options options;
	struct contract_session session;
	struct contract_boot boot = { .doc = NULL };
	int status = CANT_TELL;

	if (!contract_options(argc, argv, CONTRACT_READS "BMR", &options) ||
	    optind != argc)
		return usage_hint("contract");
	if (!options.boot) {
		error_msg("contract why needs --boot FILE");
		return usage_hint("contract");
	}
	if (!contract_open(&session, &options, false)) {
		if (!options.has_kms)
			error_msg("--kms ADDRESS is needed");
		else if (!read_boot(options.boot, &boot) &&
			 !contract_look(&session))
			status = tell(&session, &boot.boot);
	}
	contract_boot_clear(&boot);
	contract_close(&session);
	return status;
}
