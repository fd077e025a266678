// SPDX-License-Identifier: MIT
/*
 * What the file of dstack-kms says
 *
 * Copyright The dstack for Linux authors
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../app/app.h"
#include "../daemon/daemon.h"
#include "kmsd.h"

#define FILE_MAX	4194304		/* bytes: thousands of machines */
#define SOCKETS_MAX	8		/* of each kind */
#define TEXT_MAX	1024
#define PEERS_MAX	31		/* as shares have it */

static void tell(const char *line)
{
	msg("%s", line);
}

/*
 * Fields
 */

static int take_texts(const struct app_json *json, struct kmsd_options *options)
{
	const struct {
		const char *field;
		char **out;
	} texts[] = {
		{ "state", &options->state }, { "witness", &options->witness },
		{ "audit", &options->audit }, { "app", &options->app },
		{ "domain", &options->domain },
		{ "site_name", &options->site_name },
	};
	size_t i;
	int err = 0;

	for (i = 0; !err && i < sizeof(texts) / sizeof(texts[0]); i++)
		err = app_json_text(json, texts[i].field, TEXT_MAX,
				    texts[i].out);
	return err;
}

static int take_numbers(const struct app_json *json,
			struct kmsd_options *options)
{
	return app_json_number(json, "loops", 1, 64, &options->loops) ?:
		app_json_number(json, "workers", 1, 256, &options->workers) ?:
		app_json_number(json, "rate", 0, 100000, &options->rate) ?:
		app_json_number(json, "burst", 0, 100000, &options->burst) ?:
		app_json_number(json, "request_rate", 0, 100000,
				&options->request_rate) ?:
		app_json_number(json, "request_burst", 0, 100000,
				&options->request_burst) ?:
		app_json_number(json, "lease_s", 0, 31536000,
				&options->lease_s) ?:
		app_json_bool(json, "any_image", &options->any_image) ?:
		app_json_bool(json, "any_self", &options->any_self);
}

/* All of them are the options' from here, whatever comes. */
static int take_image(const struct app_json *json, struct kmsd_options *options)
{
	struct image_options *image = &options->image;
	char *dir = NULL, *url = NULL, *acpi = NULL;
	int err = app_json_text(json, "image_dir", TEXT_MAX, &dir) ?:
		app_json_text(json, "image_url", TEXT_MAX, &url) ?:
		app_json_text(json, "acpi_dir", TEXT_MAX, &acpi) ?:
		app_json_number(json, "image_timeout", 1, 3600,
				&image->seconds);

	image->dir = dir;
	image->url = url;
	image->acpi = acpi;
	image->tell = tell;
	if (err || dir)
		return err;
	if (url || acpi)
		return app_json_refuse(json, "image_dir", "has to be there with \"image_url\" or \"acpi_dir\"");
	return 0;
}

static int take_auth(const struct app_json *json, struct kmsd_options *options)
{
	struct app_json inner;
	int err = app_json_enter(json, "auth", "auth", &inner);

	if (err)
		return err;
	if (!inner.value)
		return app_json_refuse(json, "auth", "has to be there: it says who may have keys");
	return auth_config_read(&inner, &options->auth);
}

static int take_collateral(const struct app_json *json,
			   struct kmsd_options *options)
{
	static const char *const known[] = {
		"dir", "url", "root_crl_url", "ca_file", NULL
	};
	struct app_json inner;
	char *texts[4] = { NULL };
	int i, err = app_json_enter(json, "collateral", "collateral", &inner);

	if (err || !inner.value)
		return err;
	err = app_json_check(&inner, known);
	for (i = 0; !err && known[i]; i++)
		err = app_json_text(&inner, known[i], TEXT_MAX, &texts[i]);
	/* All of them are the options' from here, whatever comes. */
	options->collateral.dir = texts[0];
	options->collateral.url = texts[1];
	options->collateral.root_crl_url = texts[2];
	options->collateral.ca_file = texts[3];
	return err;
}

/* Trusted in place of Intel's. */
static int take_root(const struct app_json *json, struct kmsd_options *options)
{
	char *path = NULL;
	int err = app_json_text(json, "root", TEXT_MAX, &path);

	if (!err && path)
		err = app_path_read(path, 65536, &options->root,
				    &options->root_len, tell);
	free(path);
	options->collateral.root = options->root;
	options->collateral.root_len = options->root_len;
	return err;
}

/* Of quotes: contracts look at the TCB's status, and this at all else. */
static void any_status(struct libdstack_quote_policy *policy)
{
	libdstack_quote_policy_default(policy);
	policy->tcb_allowed = (1U << LIBDSTACK_TCB_REVOKED) - 1;
}

static int take_policy(const struct app_json *json,
		       struct kmsd_options *options)
{
	struct libdstack_failure failure;
	char *path = NULL, *text = NULL;
	size_t len;
	int err = app_json_text(json, "quote_policy", TEXT_MAX, &path);

	any_status(&options->policy);
	if (!err && path) {
		err = app_path_read(path, LIBDSTACK_QUOTE_POLICY_MAX, &text,
				    &len, tell);
		if (!err) {
			err = libdstack_quote_policy_parse(text, len,
							   &options->policy,
							   &failure);
			if (err)
				msg("%s: %s", path, failure.text);
		}
	}
	free(text);
	free(path);
	return err;
}

static bool all_are(char *const *list, bool paths)
{
	for (; list && *list; list++)
		if ((**list == '/') != paths)
			return false;
	return true;
}

static int take_sockets(const struct app_json *json,
			struct kmsd_options *options)
{
	int err = app_json_list(json, "listen", SOCKETS_MAX, TEXT_MAX,
				&options->listen) ?:
		app_json_list(json, "admin", SOCKETS_MAX, TEXT_MAX,
			      &options->admin);

	if (err)
		return err;
	if (!options->listen || !options->listen[0] ||
	    !all_are(options->listen, false))
		return app_json_refuse(json, "listen", "want ADDRESS:PORT");
	if (!all_are(options->admin, true))
		return app_json_refuse(json, "admin", "want paths of sockets");
	return 0;
}

static int want(const struct app_json *json, const char *field,
		const char *text)
{
	return text ? 0 : app_json_refuse(json, field, "has to be there");
}

/* Others that keep shares of this one's state, and where it keeps theirs. */
static int take_quorum(const struct app_json *json,
		       struct kmsd_options *options)
{
	static const char *const known[] = { "keep", "k", "peers", NULL };
	struct app_json inner;
	size_t nr = 0;
	int err = app_json_enter(json, "quorum", "quorum", &inner);

	if (err || !inner.value)
		return err;
	err = app_json_check(&inner, known) ?:
		app_json_text(&inner, "keep", TEXT_MAX, &options->keep) ?:
		app_json_number(&inner, "k", 2, PEERS_MAX + 1,
				&options->quorum_k) ?:
		app_json_list(&inner, "peers", PEERS_MAX, TEXT_MAX,
			      &options->peers) ?:
		want(&inner, "keep", options->keep);
	while (!err && options->peers && options->peers[nr])
		nr++;
	if (!err && (nr || options->quorum_k) &&
	    (options->quorum_k < 2 || options->quorum_k > nr + 1))
		err = app_json_refuse(&inner, "k", "want 2 at least, and not more than there are: this KMS and its \"peers\"");
	return err;
}

static int take_all(const struct app_json *json, struct kmsd_options *options)
{
	static const char *const known[] = {
		"listen", "admin", "state", "witness", "audit", "app",
		"domain", "site_name", "auth", "collateral", "root",
		"quote_policy", "images", "any_image", "any_self", "loops",
		"workers", "rate", "burst", "request_rate", "request_burst",
		"image_dir", "image_url", "acpi_dir", "image_timeout", "quorum",
		"lease_s", "sev_snp", "nitro", NULL
	};

	return app_json_check(json, known) ?: take_sockets(json, options) ?:
		take_texts(json, options) ?:
		take_numbers(json, options) ?: take_auth(json, options) ?:
		take_collateral(json, options) ?: take_root(json, options) ?:
		take_policy(json, options) ?:
		tees_read(json, &options->tees) ?:
		images_read(json, "images", &options->images) ?:
		take_image(json, options) ?: take_quorum(json, options) ?:
		want(json, "state", options->state) ?:
		want(json, "audit", options->audit);
}

int kmsd_options_read(const char *path, struct kmsd_options *options)
{
	struct app_json json = { .file = path, .object = "", .tell = tell };
	yyjson_doc *doc = NULL;
	char *text = NULL;
	size_t len;
	int err;

	memset(options, 0, sizeof(*options));
	options->loops = 1;
	options->workers = 4;
	options->rate = 10;
	options->burst = 100;
	options->image.seconds = 120;
	options->request_rate = 50;
	options->request_burst = 500;
	err = app_path_read(path, FILE_MAX, &text, &len, tell) ?:
		app_json_open(&json, text, len, &doc) ?:
		take_all(&json, options);
	yyjson_doc_free(doc);
	free(text);
	if (err)
		kmsd_options_clear(options);
	return err;
}

void kmsd_options_clear(struct kmsd_options *options)
{
	app_json_free_list(options->listen);
	app_json_free_list(options->admin);
	free(options->state);
	free(options->witness);
	free(options->audit);
	free(options->app);
	free(options->domain);
	free(options->site_name);
	free(options->root);
	free(options->keep);
	app_json_free_list(options->peers);
	auth_config_clear(&options->auth);
	free((char *)options->collateral.dir);
	free((char *)options->collateral.url);
	free((char *)options->collateral.root_crl_url);
	free((char *)options->collateral.ca_file);
	tees_free(options->tees);
	images_free(options->images);
	free((char *)options->image.dir);
	free((char *)options->image.url);
	free((char *)options->image.acpi);
	memset(options, 0, sizeof(*options));
}
