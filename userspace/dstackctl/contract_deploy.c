// SPDX-License-Identifier: MIT
/*
 * dstackctl contract deploy, app-deploy: contracts begin
 *
 * Copyright The dstack for Linux authors
 *
 * What is at an address is not what a server says: its code has to have the
 * hash of what was built.
 */
#include "contract.h"
#include "policy.h"

#include <errno.h>
#include <getopt.h>
#include <string.h>

#define BUILD_MAX	(4U << 20)

struct deployment {
	struct contract_session session;
	struct contract_build app, kms, proxy;
	uint8_t app_at[CHAIN_ADDRESS], kms_at[CHAIN_ADDRESS];
	uint8_t proxy_at[CHAIN_ADDRESS];
	uint8_t owner[CHAIN_ADDRESS];
	json_t *plan;			/* of --dry-run: transactions */
	uint64_t next;			/* the nonce of the next of them */
};

static int read_build(const char *dir, const char *name,
		      struct contract_build *build)
{
	struct chain_why why = { "" };
	char path[4096];
	void *text;
	size_t len;
	int err;

	snprintf(path, sizeof(path), "%s/%s.json", dir, name);
	err = read_file(path, BUILD_MAX, &text, &len);
	if (err)
		return err;
	err = contract_build_read(text, len, build, &why);
	free(text);
	if (err)
		error_msg("'%s': %s", path, why.text);
	return err;
}

struct expected {
	uint8_t at[CHAIN_ADDRESS], hash[CHAIN_HASH];
};

static int is_there(void *arg, const struct chain_source *source,
		    const struct contract_receipt *receipt, bool *shown,
		    struct chain_why *why)
{
	const struct expected *expected = arg;
	struct chain_account account;
	int err = source->prove(source->arg, expected->at, NULL, 0, &account,
				why);

	(void)receipt;
	*shown = !err && account.has_code &&
		!memcmp(account.code_hash, expected->hash, CHAIN_HASH);
	return err;
}

/*
 * What would be sent.  Only the first is asked about: the others are made of
 * what it makes.
 */
static int plan(struct deployment *d, const char *name,
		struct contract_build *build, uint8_t at[CHAIN_ADDRESS],
		uint8_t hash[CHAIN_HASH])
{
	struct contract_tx tx = { .data = { build->code, build->code_len } };
	char *data = contract_data_text(build->code, build->code_len);
	struct chain_why why = { "" };
	json_t *item = json_object();
	int err = 0;

	if (!json_array_size(d->plan)) {
		err = contract_prepare(&d->session.sender, &tx, &why);
		d->next = tx.nonce;
	}
	if (!err && !contract_made_at(d->session.sender.from, d->next, at))
		err = -EIO;
	if (!err)
		err = contract_build_hash(build, at, hash, &why);
	contract_put_text(item, "contract", name);
	contract_put_number(item, "nonce", d->next++);
	contract_put_hex(item, "from", d->session.sender.from, CHAIN_ADDRESS);
	contract_put_hex(item, "address", at, CHAIN_ADDRESS);
	contract_put_hex(item, "codeHash", hash, CHAIN_HASH);
	contract_put_text(item, "data", data ?: "");
	json_array_append_new(d->plan, item);
	free(data);
	return err ? contract_error(err, &why) : 0;
}

/* One contract; its code becomes what is pinned. */
static int make(struct deployment *d, const char *name,
		struct contract_build *build, uint8_t at[CHAIN_ADDRESS],
		uint8_t hash[CHAIN_HASH])
{
	struct contract_session *session = &d->session;
	struct contract_tx tx = {
		.chain_id = session->options->client.chain_id,
		.data = { build->code, build->code_len },
	};
	struct expected expected;
	const struct contract_check check = { is_there, &expected };
	struct contract_receipt receipt;
	struct chain_why why = { "" };
	int err;

	if (session->options->dry_run)
		return plan(d, name, build, at, hash);
	err = contract_prepare(&session->sender, &tx, &why);
	if (!err && !contract_made_at(session->sender.from, tx.nonce, at))
		err = -EIO;
	if (!err)
		err = contract_build_hash(build, at, hash, &why);
	memcpy(expected.at, at, CHAIN_ADDRESS);
	memcpy(expected.hash, hash, CHAIN_HASH);
	if (!err)
		err = contract_send(&session->sender, &tx, &check, &receipt,
				    &why);
	if (err)
		error_msg("can't deploy %s: %s", name, why.text);
	return err;
}

static int make_proxy(struct deployment *d)
{
	struct contract_build *proxy = &d->proxy;
	struct contract_pins *pins = &d->session.pins;
	/* What is read has room behind it for this. */
	size_t len = 6 * 32;

	if (!contract_encode_proxy(d->kms_at, d->owner, d->app_at,
				   proxy->code + proxy->code_len, &len))
		return -EIO;
	proxy->code_len += len;
	pins->known.nr_proxies = 1;
	return make(d, "ERC1967Proxy", proxy, d->proxy_at, pins->proxies[0]);
}

/* The proxy is one of these, and says what it was told. */
static int check_proxy(struct deployment *d)
{
	struct contract_state state;
	struct chain_why why = { "" };
	int err;

	d->session.options->client.tag = "latest";
	err = contract_look(&d->session);
	if (err)
		return err;
	err = contract_state_read(&d->session.source, &d->session.pins.known,
				  d->proxy_at, &state, &why);
	if (err)
		return contract_error(err, &why);
	if (!memcmp(state.owner, d->owner, CHAIN_ADDRESS) &&
	    !memcmp(state.app_code, d->app_at, CHAIN_ADDRESS) &&
	    !memcmp(state.implementation, d->kms_at, CHAIN_ADDRESS))
		return 0;
	error_msg("the proxy is not what it was made to be");
	return -EBADMSG;
}

static int make_all(struct deployment *d)
{
	struct contract_pins *pins = &d->session.pins;
	int err;

	pins->codes[0].layout = CHAIN_KMS_LINUX;
	pins->codes[1].layout = CHAIN_APP_LINUX;
	pins->known.nr_codes = 2;
	err = make(d, "DstackApp", &d->app, d->app_at, pins->codes[1].hash);
	if (!err)
		err = make(d, "DstackKms", &d->kms, d->kms_at,
			   pins->codes[0].hash);
	if (!err)
		err = make_proxy(d);
	return err || d->session.options->dry_run ? err : check_proxy(d);
}

static json_t *code_json(const struct chain_code *code)
{
	json_t *root = json_object();

	contract_put_hex(root, "codeHash", code->hash, CHAIN_HASH);
	contract_put_text(root, "layout", contract_layout_name(code->layout));
	return root;
}

static json_t *pins_json(const struct deployment *d)
{
	const struct contract_pins *pins = &d->session.pins;
	json_t *root = json_object(), *codes = json_array();
	size_t i;

	for (i = 0; i < pins->known.nr_codes; i++)
		json_array_append_new(codes, code_json(&pins->codes[i]));
	contract_put_number(root, "chainId",
			    d->session.options->client.chain_id);
	contract_put_hex(root, "kms", d->proxy_at, CHAIN_ADDRESS);
	contract_put_hex(root, "owner", d->owner, CHAIN_ADDRESS);
	contract_put_hex(root, "kmsImplementation", d->kms_at, CHAIN_ADDRESS);
	contract_put_hex(root, "appImplementation", d->app_at, CHAIN_ADDRESS);
	json_object_set_new(root, "proxies",
			    json_pack("[o]", contract_hex_json(pins->proxies[0],
							       CHAIN_HASH)));
	json_object_set_new(root, "implementations", codes);
	return root;
}

static void pins_print(const struct deployment *d)
{
	const struct contract_pins *pins = &d->session.pins;
	char at[HEX_TEXT], hash[HEX_TEXT];

	printf("DstackKms             %s\n",
	       contract_hex(d->proxy_at, CHAIN_ADDRESS, at));
	printf("  owner               %s\n",
	       contract_hex(d->owner, CHAIN_ADDRESS, at));
	printf("  proxy's code        %s\n",
	       contract_hex(pins->proxies[0], CHAIN_HASH, hash));
	printf("  implementation      %s\n    code              %s\n",
	       contract_hex(d->kms_at, CHAIN_ADDRESS, at),
	       contract_hex(pins->codes[0].hash, CHAIN_HASH, hash));
	printf("  applications' code  %s\n    code              %s\n",
	       contract_hex(d->app_at, CHAIN_ADDRESS, at),
	       contract_hex(pins->codes[1].hash, CHAIN_HASH, hash));
	puts("\nall of it is proven; --json prints it as --pins reads it");
}

static int plan_print(struct deployment *d)
{
	const json_t *item;
	size_t i;

	if (d->session.options->json)
		return write_json("-", json_incref(d->plan));
	for (i = 0; i < json_array_size(d->plan); i++) {
		item = json_array_get(d->plan, i);
		printf("%-13s nonce %lld, will be at %s\n%-13s code %s\n",
		       json_string_value(json_object_get(item, "contract")),
		       (long long)json_integer_value(json_object_get(item,
								     "nonce")),
		       json_string_value(json_object_get(item, "address")), "",
		       json_string_value(json_object_get(item, "codeHash")));
	}
	puts("\nnothing was sent; --json prints the data as well");
	return EXIT_SUCCESS;
}

/* What can't be undone has to be meant. */
static bool may_deploy(const struct contract_options *options)
{
	uint64_t id = options->client.chain_id;

	if (options->yes_chain || contract_is_test_chain(id))
		return true;
	error_msg("this is chain %llu: to deploy there, for good and for money, say --yes-chain %llu",
		  (unsigned long long)id, (unsigned long long)id);
	return false;
}

static int run_deploy(struct deployment *d, struct contract_options *options)
{
	int err = contract_open(&d->session, options, true);

	if (!err && !options->dry_run && !may_deploy(options))
		err = -EPERM;
	if (!err && options->dry_run && !options->key && !options->has_from) {
		error_msg("contract deploy --dry-run needs --from ADDRESS or --key FILE");
		err = -EINVAL;
	}
	if (!err)
		err = read_build(options->build, "DstackApp", &d->app) ?:
			read_build(options->build, "DstackKms", &d->kms) ?:
			read_build(options->build, "ERC1967Proxy", &d->proxy);
	memcpy(d->owner, options->has_owner ? options->owner :
	       d->session.sender.from, CHAIN_ADDRESS);
	return err ?: make_all(d);
}

int contract_deploy(int argc, char **argv)
{
	struct contract_options options;
	struct deployment d = { .plan = json_array() };
	int status = EXIT_FAILURE;

	/* Without --pins: what is deployed is what is pinned. */
	if (!contract_options(argc, argv, "rcyqCmjhKFdfwbo", &options))
		return usage_hint("contract");
	if (!options.build || optind != argc) {
		error_msg("contract deploy needs --build DIR, as 'make contracts' makes it");
		return usage_hint("contract");
	}
	if (!run_deploy(&d, &options)) {
		status = EXIT_SUCCESS;
		if (options.dry_run)
			status = plan_print(&d);
		else if (options.json)
			status = write_json("-", pins_json(&d));
		else
			pins_print(&d);
	}
	json_decref(d.plan);
	contract_build_clear(&d.app);
	contract_build_clear(&d.kms);
	contract_build_clear(&d.proxy);
	contract_close(&d.session);
	return status;
}

/*
 * Applications
 */

struct application {
	const struct contract_session *session;
	const struct contract_call *call;
};

/* By arguments of the call: what the new contract has to have. */
static int has_entry(const struct chain_source *source, const uint8_t *app,
		     enum contract_function function, const uint8_t *word,
		     bool *shown, struct chain_why *why)
{
	static const uint8_t zero[32];
	struct contract_call entry = { .function = function };

	memcpy(entry.args[0], word, sizeof(entry.args[0]));
	if (!memcmp(word, zero, sizeof(zero)))
		return 0;
	return contract_shown(source, app, &entry, shown, why);
}

static int app_is_there(void *arg, const struct chain_source *source,
			const struct contract_receipt *receipt, bool *shown,
			struct chain_why *why)
{
	const struct application *app = arg;
	const struct contract_options *options = app->session->options;
	struct contract_call entry = { .function = CONTRACT_REGISTER_APP };
	const uint8_t (*args)[32] = app->call->args;
	struct contract_state state;
	int err;

	if (!receipt->has_app)
		return chain_fail(why, -EBADMSG,
				  "its receipt names no application");
	memcpy(entry.args[0] + 32 - CHAIN_ADDRESS, receipt->app,
	       CHAIN_ADDRESS);
	err = contract_shown(source, options->kms, &entry, shown, why);
	if (err || !*shown)
		return err;
	if (app->session->pins.known.nr_codes) {
		err = contract_state_read(source, &app->session->pins.known,
					  receipt->app, &state, why);
		if (err)
			return err;
		*shown = state.is_app && !memcmp(state.owner, args[0] + 12,
						 CHAIN_ADDRESS) &&
			state.upgrades_off == args[1][31] &&
			state.tcb_required == args[2][31] &&
			state.any_device == args[3][31];
	}
	if (*shown)
		err = has_entry(source, receipt->app, CONTRACT_ADD_DEVICE,
				args[4], shown, why);
	if (!err && *shown)
		err = has_entry(source, receipt->app,
				CONTRACT_ADD_COMPOSE_HASH, args[5], shown,
				why);
	return err;
}

static void set_app(const struct contract_session *session,
		    struct contract_call *call)
{
	const struct contract_options *options = session->options;

	call->function = CONTRACT_DEPLOY_APP;
	memcpy(call->args[0] + 32 - CHAIN_ADDRESS, options->has_owner ?
	       options->owner : session->sender.from, CHAIN_ADDRESS);
	call->args[1][31] = options->no_upgrades;
	call->args[2][31] = options->require_tcb;
	call->args[3][31] = options->any_device;
	memcpy(call->args[4], options->device, 32);
	memcpy(call->args[5], options->compose_hash, 32);
}

int contract_app_deploy(int argc, char **argv)
{
	struct contract_options options;
	struct contract_session session;
	struct contract_call call = { 0 };
	struct application app = { &session, &call };
	const struct contract_check check = { app_is_there, &app };
	int status = EXIT_FAILURE;

	if (!contract_options(argc, argv, CONTRACT_SENDS "oDHNTU", &options) ||
	    optind != argc)
		return usage_hint("contract");
	if (!contract_open(&session, &options, true)) {
		set_app(&session, &call);
		if (options.has_kms)
			status = contract_run(&session, &call, options.kms,
					      &check);
		else
			error_msg("--kms ADDRESS is needed");
	}
	contract_close(&session);
	return status;
}
