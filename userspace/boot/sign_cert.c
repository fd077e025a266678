// SPDX-License-Identifier: MIT
/*
 * dstack-boot sign-cert: a certificate, by the KMS that gave the keys
 *
 * Copyright The dstack for Linux authors
 *
 * For the guest agent, which is small and serves everybody: what a KMS answers
 * is read here, in a process that then ends.  By then it has no keys any more:
 * of those of the application it wants to know who gave them, and forgets them.
 */
#include "sign_cert.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "../keys/app_keys.h"
#include "../rpc/codec.h"
#include "../app/app.h"
#include "../kms/kms.h"

#include <kms.pb-c.h>

#define DIRECTORY	"/dstack/.host-shared"
#define TIMEOUT_S	30
#define TIMEOUT_MAX	3600
#define URLS_MAX	64
#define EXIT_USAGE	2

struct options {
	const char *dir;
	uint64_t key_epoch;		/* UINT64_MAX: as it was booted */
	uint64_t timeout_s;
};

/* What is asked for, and of whom. */
struct job {
	char *url, *root;		/* of the KMS that gave the keys */
	char *older_root;		/* of the epoch before; or NULL */
	uint64_t key_epoch;
	struct app_sys_config *config;
	struct rpc_memory memory;
	Kms__SignCertRequest *request;
	char *chain;
};

void sign_cert_usage(FILE *out)
{
	fputs("Usage: dstack-boot sign-cert [OPTION]...\n\n"
	      "Has the KMS that gave the application its keys sign a certificate.\n"
	      "Reads the request, {\"csr\": HEX, \"signature\": HEX}, and writes the\n"
	      "certificate and its issuers in PEM.\n\n"
	      "  --app DIR      the application, as its boot left it\n"
	      "                 (default: " DIRECTORY ")\n"
	      "  --key-epoch N  under the root of this key epoch, of whose keys the\n"
	      "                 application has (default: the older, if two live)\n"
	      "  --timeout S    of all KMSs together (default: 30)\n",
	      out);
}

static void tell(const char *line)
{
	fprintf(stderr, "dstack-boot: sign-cert: %s\n", line);
}

static int fail(int err, const char *line)
{
	tell(line);
	return err;
}

static int path_in(const char *dir, const char *name, char path[PATH_MAX])
{
	if (snprintf(path, PATH_MAX, "%s/%s", dir, name) < PATH_MAX)
		return 0;
	return fail(-ENAMETOOLONG, "the name of the directory is too long");
}

/* Whose root it is to be under, and which the KMS may show instead. */
static int take_provider(struct agent_app_keys *const *all, uint64_t epoch,
			 struct job *job)
{
	const struct agent_app_keys *keys = all[0];

	if (keys->provider != AGENT_PROVIDER_KMS)
		return fail(-EINVAL,
			    "the application's keys are from no KMS, so none signs its certificates");
	if (epoch != UINT64_MAX && epoch != keys->key_epoch) {
		if (!all[1] || epoch != all[1]->key_epoch)
			return fail(-ENOKEY,
				    "the application has no keys of this key epoch");
		job->older_root = strdup(keys->ca_cert);
		if (!job->older_root)
			return -ENOMEM;
		keys = all[1];
	}
	job->key_epoch = keys->key_epoch;
	job->url = strdup(keys->kms_url);
	job->root = strdup(keys->ca_cert);
	return job->url && job->root ? 0 : -ENOMEM;
}

static int read_provider(const struct options *opt, struct job *job)
{
	struct agent_app_keys *keys[AGENT_APP_KEYS_ALL];
	int err = agent_app_keys_read_all(opt->dir, tell, keys);

	if (err)
		return err;
	err = take_provider(keys, opt->key_epoch, job);
	agent_app_keys_free_all(keys);
	return err;
}

static int read_app(const struct options *opt, struct job *job)
{
	char path[PATH_MAX];

	return read_provider(opt, job) ?:
		path_in(opt->dir, ".sys-config.json", path) ?:
		app_sys_config_read(path, &job->config, tell);
}

/* Of RPC_BODY_MAX at most; evidence has a log in it. */
static int read_input(char *text, size_t *len)
{
	*len = fread(text, 1, RPC_BODY_MAX + 1, stdin);
	if (ferror(stdin))
		return fail(-EIO, "the request can't be read");
	return *len <= RPC_BODY_MAX ? 0 :
		fail(-EFBIG, "the request is larger than 10 MiB");
}

static int read_request(struct job *job)
{
	const struct rpc_method method = {
		.in = &kms__sign_cert_request__descriptor,
	};
	struct rpc_error error = { 0 };
	ProtobufCMessage *msg = NULL;
	struct rpc_request text = { 0 };
	char *data = malloc(RPC_BODY_MAX + 1);
	int err = data ? read_input(data, &text.len) : -ENOMEM;

	text.body = data;
	job->memory.left = text.len + (1u << 20);
	if (!err) {
		err = rpc_json_read(&text, &method, &job->memory, &msg,
				    &error);
		if (err)
			tell(error.text);
	}
	job->request = (Kms__SignCertRequest *)msg;
	free(data);
	return err;
}

/* The one that gave the keys first; others have its root, or are refused. */
static size_t list_urls(const struct job *job, const char *urls[URLS_MAX])
{
	char **next = job->config->kms_urls;
	size_t nr = 0;

	urls[nr++] = job->url;
	for (; next && *next && nr < URLS_MAX; next++)
		if (strcmp(*next, job->url) != 0)
			urls[nr++] = *next;
	return nr;
}

static int sign(struct job *job, const struct options *opt)
{
	const Kms__SignCertRequest *in = job->request;
	const struct kms_csr csr = {
		.data = in->csr.data, .len = in->csr.len,
		.signature = in->signature.data,
		.signature_len = in->signature.len,
	};
	/* A KMS of upstream's knows no number, and gives what is 0 here. */
	const struct kms_signer signer = {
		.epoch = job->key_epoch ? job->key_epoch : KMS_EPOCH_OLDEST,
		.ca_cert = job->root, .older_ca_cert = job->older_root,
	};
	const char *urls[URLS_MAX];
	const struct kms kms = {
		.urls = urls, .nr = list_urls(job, urls),
		.vm_config = job->config->vm_config, .tell = tell,
		.timeout_s = opt->timeout_s, .total_s = opt->timeout_s,
	};

	return kms_sign_cert(&kms, &signer, &csr, &job->chain);
}

static int run(struct job *job, const struct options *opt)
{
	int err;

	err = kms_init() ?: read_app(opt, job) ?: read_request(job) ?:
		sign(job, opt);
	if (err)
		return err;
	if (fputs(job->chain, stdout) < 0 || fflush(stdout))
		return fail(-EIO, "the certificates can't be written");
	return 0;
}

static void drop(struct job *job)
{
	ProtobufCAllocator allocator = rpc_memory_for_messages(&job->memory);

	if (job->request)
		protobuf_c_message_free_unpacked(&job->request->base,
						 &allocator);
	app_sys_config_free(job->config);
	free(job->url);
	free(job->root);
	free(job->older_root);
	free(job->chain);
}

/* Returns -1 to go on, or the exit status. */
static int parse(int argc, char **argv, struct options *opt)
{
	static const struct option options[] = {
		{ "app", required_argument, NULL, 'a' },
		{ "key-epoch", required_argument, NULL, 'e' },
		{ "timeout", required_argument, NULL, 't' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 }
	};
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'a':
			opt->dir = optarg;
			break;
		case 'e':
			if (libdstack_parse_u64(optarg, KEY_EPOCH_NUMBER_MAX,
						&opt->key_epoch))
				break;
			tell("a key epoch is a whole number");
			return EXIT_USAGE;
		case 't':
			if (libdstack_parse_u64(optarg, TIMEOUT_MAX,
						&opt->timeout_s) &&
			    opt->timeout_s)
				break;
			tell("a timeout is a number of seconds, from 1 to 3600");
			return EXIT_USAGE;
		case 'h':
			sign_cert_usage(stdout);
			return EXIT_SUCCESS;
		default:
			sign_cert_usage(stderr);
			return EXIT_USAGE;
		}
	}
	if (optind == argc)
		return -1;
	sign_cert_usage(stderr);
	return EXIT_USAGE;
}

int sign_cert_main(int argc, char **argv)
{
	struct options opt = {
		.dir = DIRECTORY, .key_epoch = UINT64_MAX,
		.timeout_s = TIMEOUT_S,
	};
	struct job job = { .memory.secret = true };
	int status = parse(argc, argv, &opt), err;

	if (status >= 0)
		return status;
	libdstack_set_message_callback(tell);
	err = run(&job, &opt);
	drop(&job);
	return err ? EXIT_FAILURE : EXIT_SUCCESS;
}
