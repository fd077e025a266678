// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) The dstack for Linux authors
 *
 * mkpki: makes the test platform's PKI and collateral.
 *
 * Nothing made here is worth anything outside a test: the private keys lie in
 * the directory beside the certificates.
 */
#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <jansson.h>

#include "cert.h"
#include "collateral.h"
#include "crypto.h"
#include "files.h"
#include "platform.h"

#define DAY		86400L
#define YEAR		(365 * DAY)
#define EVAL_NUMBER	20
/* Reserved names: nobody can ever serve anything there. */
#define ROOT_CRL_URL	"https://pki.invalid/IntelSGXRootCA.der"
#define PCK_CRL_URL	"https://pki.invalid/pckcrl?ca=platform&encoding=der"

struct pki {
	struct identity root;
	struct identity platform;
	struct identity pck;
	struct identity signing;
};

struct options {
	struct collateral_plan plan;
	const char *dir;
	const char *from;
	struct period crls;
	bool new_platform;
	bool revoked_pck;
	bool revoked_platform;
	bool revoked_signer;
};

static const char usage_text[] =
"Usage: mkpki [OPTION]... DIR\n"
"Makes a test PKI for TDX quotes, and its collateral, in DIR.\n"
"\n"
"  --from=DIR           keep keys and certificates of DIR, so that quotes\n"
"                       made with them meet the collateral made here\n"
"  --new-platform       with --from, all of it but the platform, which gets a\n"
"                       key and a PCK certificate of its own\n"
"  --enclaves           the collateral is for quotes of SGX enclaves\n"
"  --status=STATUS      what the platform's TCB level is (UpToDate)\n"
"  --module-status=STATUS  the TDX module's (UpToDate)\n"
"  --qe-status=STATUS   the quoting enclave's (UpToDate)\n"
"  --fmspc=HEX          platform, 12 digits; with --from, the TCB info then\n"
"                       is another platform's\n"
"  --eval-number=N      tcbEvaluationDataNumber (20)\n"
"  --expired[=WHAT]     what expired a month ago: tcb-info, qe-identity, crls,\n"
"                       or all (the default)\n"
"  --revoked-pck        the PCK CRL lists the PCK certificate\n"
"  --revoked-platform-ca  the root CRL lists the PCK Platform CA\n"
"  --revoked-tcb-signer the root CRL lists the TCB signing certificate\n"
"  --help               this text\n"
"\n"
"STATUS is UpToDate, SWHardeningNeeded, ConfigurationNeeded,\n"
"ConfigurationAndSWHardeningNeeded, OutOfDate, OutOfDateConfigurationNeeded,\n"
"Revoked, or Unsupported, which lists no level that the platform reaches.\n"
"Module and enclave know UpToDate, OutOfDate, Revoked and Unsupported.\n";

static const char *const statuses[] = {
	"UpToDate", "OutOfDate", "Revoked", STATUS_UNSUPPORTED,
	/* of a platform only: */
	"SWHardeningNeeded", "ConfigurationNeeded",
	"ConfigurationAndSWHardeningNeeded", "OutOfDateConfigurationNeeded",
};

#define COMMON_STATUSES	4
#define ALL_STATUSES	(sizeof(statuses) / sizeof(statuses[0]))

static int usage_error(const char *problem, const char *value)
{
	fprintf(stderr, "mkpki: %s '%s', see --help\n", problem, value);
	return -EINVAL;
}

static int parse_status(const char *value, size_t known, const char **status)
{
	size_t i;

	for (i = 0; i < known; i++) {
		if (!strcmp(statuses[i], value)) {
			*status = statuses[i];
			return 0;
		}
	}
	return usage_error("unknown status", value);
}

static int parse_fmspc(const char *value, uint8_t fmspc[6])
{
	size_t i;

	if (strlen(value) != 12 ||
	    strspn(value, "0123456789abcdefABCDEF") != 12)
		return usage_error("not 12 hexadecimal digits:", value);
	for (i = 0; i < 6; i++)
		if (sscanf(value + 2 * i, "%2hhx", &fmspc[i]) != 1)
			return -EINVAL;
	return 0;
}

static int parse_number(const char *value, unsigned int *number)
{
	char *end;
	unsigned long n;

	errno = 0;
	n = strtoul(value, &end, 10);
	if (errno || *end || value[0] < '0' || value[0] > '9' || n > 1000000)
		return usage_error("not a number up to 1000000:", value);
	*number = (unsigned int)n;
	return 0;
}

static struct period around_now(long from, long to)
{
	time_t now = time(NULL);

	return (struct period){ .from = now + from, .to = now + to };
}

static int parse_expired(const char *what, struct options *options)
{
	const struct period past = around_now(-60 * DAY, -30 * DAY);
	bool all = !what || !strcmp(what, "all"), known = all;
	const struct {
		const char *name;
		struct period *period;
	} parts[] = {
		{ "tcb-info", &options->plan.tcb_info },
		{ "qe-identity", &options->plan.qe_identity },
		{ "crls", &options->crls },
	};
	size_t i;

	for (i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		if (!all && strcmp(parts[i].name, what))
			continue;
		*parts[i].period = past;
		known = true;
	}
	return known ? 0 : usage_error("nothing to expire is called", what);
}

static const struct option long_options[] = {
	{ "from", required_argument, NULL, 'f' },
	{ "new-platform", no_argument, NULL, 'N' },
	{ "enclaves", no_argument, NULL, 'E' },
	{ "status", required_argument, NULL, 's' },
	{ "module-status", required_argument, NULL, 'm' },
	{ "qe-status", required_argument, NULL, 'q' },
	{ "fmspc", required_argument, NULL, 'F' },
	{ "eval-number", required_argument, NULL, 'n' },
	{ "expired", optional_argument, NULL, 'e' },
	{ "revoked-pck", no_argument, NULL, 'P' },
	{ "revoked-platform-ca", no_argument, NULL, 'A' },
	{ "revoked-tcb-signer", no_argument, NULL, 'S' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

static int parse_option(int option, struct options *options)
{
	struct collateral_plan *plan = &options->plan;

	switch (option) {
	case 'f':
		options->from = optarg;
		return 0;
	case 'N':
		options->new_platform = true;
		return 0;
	case 'E':
		plan->enclaves = true;
		return 0;
	case 's':
		return parse_status(optarg, ALL_STATUSES, &plan->tcb_status);
	case 'm':
		return parse_status(optarg, COMMON_STATUSES,
				    &plan->module_status);
	case 'q':
		return parse_status(optarg, COMMON_STATUSES, &plan->qe_status);
	case 'F':
		return parse_fmspc(optarg, plan->fmspc);
	case 'n':
		return parse_number(optarg, &plan->eval_number);
	case 'e':
		return parse_expired(optarg, options);
	case 'P':
		options->revoked_pck = true;
		return 0;
	case 'A':
		options->revoked_platform = true;
		return 0;
	case 'S':
		options->revoked_signer = true;
		return 0;
	case 'h':
		fputs(usage_text, stdout);
		exit(0);
	default:
		fputs("mkpki: see --help\n", stderr);
		return -EINVAL;
	}
}

static int parse_options(int argc, char **argv, struct options *options)
{
	static const uint8_t fmspc[6] = PLATFORM_FMSPC;
	struct collateral_plan *plan = &options->plan;
	int option, err = 0;

	memset(options, 0, sizeof(*options));
	plan->tcb_status = statuses[0];
	plan->module_status = statuses[0];
	plan->qe_status = statuses[0];
	plan->eval_number = EVAL_NUMBER;
	memcpy(plan->fmspc, fmspc, sizeof(fmspc));
	plan->tcb_info = around_now(-DAY, YEAR);
	plan->qe_identity = plan->tcb_info;
	options->crls = plan->tcb_info;
	while (!err && (option = getopt_long(argc, argv, "", long_options,
					     NULL)) != -1)
		err = parse_option(option, options);
	if (err)
		return err;
	if (options->revoked_platform && options->revoked_signer)
		return usage_error("choose one certificate for",
				   "the root CRL");
	if (options->new_platform && !options->from)
		return usage_error("--from is needed with", "--new-platform");
	if (optind + 1 != argc)
		return usage_error("needs one directory, not",
				   optind < argc ? argv[optind] : "");
	options->dir = argv[optind];
	return 0;
}

static int issue_pck(struct pki *pki, const uint8_t fmspc[6])
{
	const struct profile pck = { CN_PCK, -1, PCK_CRL_URL, fmspc };

	return cert_issue(&pki->pck, &pki->platform, &pck);
}

static int make_identities(struct pki *pki, const uint8_t fmspc[6])
{
	const struct profile root = { CN_ROOT, 1, ROOT_CRL_URL, NULL };
	const struct profile platform = { CN_PLATFORM, 0, ROOT_CRL_URL, NULL };
	const struct profile signing = { CN_SIGNING, -1, ROOT_CRL_URL, NULL };

	if (cert_issue(&pki->root, NULL, &root) ||
	    cert_issue(&pki->platform, &pki->root, &platform) ||
	    issue_pck(pki, fmspc) ||
	    cert_issue(&pki->signing, &pki->root, &signing)) {
		fputs("mkpki: OpenSSL can't make the certificates\n", stderr);
		return -EIO;
	}
	return 0;
}

/* Of @options->from, with a platform of its own if that is wanted. */
static int read_identities(struct pki *pki, const struct options *options)
{
	const char *dir = options->from;
	int err = identity_read(dir, "root", &pki->root);

	if (!err)
		err = identity_read(dir, "platform", &pki->platform);
	if (!err)
		err = options->new_platform ?
			issue_pck(pki, options->plan.fmspc) :
			identity_read(dir, "pck", &pki->pck);
	if (!err)
		err = identity_read(dir, "signing", &pki->signing);
	return err;
}

static int write_identities(const struct pki *pki, const char *dir)
{
	int err = identity_write(dir, "root", &pki->root);

	if (!err)
		err = identity_write(dir, "platform", &pki->platform);
	if (!err)
		err = identity_write(dir, "pck", &pki->pck);
	if (!err)
		err = identity_write(dir, "signing", &pki->signing);
	return err;
}

static int write_root_der(const char *dir, X509 *cert)
{
	uint8_t *der = NULL;
	int size = i2d_X509(cert, &der);
	int err = -ENOMEM;

	if (size > 0)
		err = file_write(dir, "root.der", der, (size_t)size);
	OPENSSL_free(der);
	return err;
}

/* A text goes into the bundle under its key and into a file of its own. */
static int publish(const struct options *options, json_t *bundle,
		   const char *key, const char *file, const char *text)
{
	if (!text || json_object_set_new(bundle, key, json_string(text)))
		return -ENOMEM;
	return file ? file_write(options->dir, file, text, strlen(text)) : 0;
}

static int publish_chain(const struct options *options, json_t *bundle,
			 const char *key, const char *file,
			 X509 *const *certs, size_t count)
{
	char *text = chain_text(certs, count);
	int err = publish(options, bundle, key, file, text);

	free(text);
	return err;
}

static int publish_crl(const struct options *options, json_t *bundle,
		       const char *key, const char *file,
		       const struct identity *issuer, X509 *revoked)
{
	time_t now = time(NULL);
	X509_CRL *crl = crl_issue(issuer, revoked,
				  (long)(options->crls.from - now),
				  (long)(options->crls.to - now));
	uint8_t *der = NULL;
	char *hex = NULL;
	int err = -EIO, size = crl ? i2d_X509_CRL(crl, &der) : 0;

	if (size > 0) {
		hex = hex_text(der, (size_t)size);
		err = publish(options, bundle, key, NULL, hex);
	}
	if (!err)
		err = file_write(options->dir, file, der, (size_t)size);
	free(hex);
	OPENSSL_free(der);
	X509_CRL_free(crl);
	return err;
}

/* KEY, and its signature as KEY_signature. */
static int publish_signed(const struct options *options, json_t *bundle,
			  const char *key, const char *file, EVP_PKEY *signer,
			  char *text)
{
	uint8_t raw[P256_RAW_SIZE];
	char signature_key[64];
	char *hex = NULL;
	int err = publish(options, bundle, key, file, text);

	snprintf(signature_key, sizeof(signature_key), "%s_signature", key);
	if (!err)
		err = p256_sign_raw(signer, text, strlen(text), raw);
	if (!err) {
		hex = hex_text(raw, sizeof(raw));
		err = publish(options, bundle, signature_key, NULL, hex);
	}
	free(hex);
	free(text);
	return err;
}

static int publish_all(const struct options *options, const struct pki *pki,
		       json_t *bundle)
{
	X509 *pck_chain[] = {
		pki->pck.cert, pki->platform.cert, pki->root.cert
	};
	X509 *tcb_chain[] = { pki->signing.cert, pki->root.cert };
	X509 *revoked = options->revoked_platform ? pki->platform.cert :
			options->revoked_signer ? pki->signing.cert : NULL;
	char *pck_text = chain_text(pck_chain, 3);
	int err = -ENOMEM;

	if (pck_text)
		err = file_write(options->dir, PKI_PCK_CHAIN, pck_text,
				 strlen(pck_text));
	free(pck_text);
	if (err ||
	    publish_chain(options, bundle, "pck_crl_issuer_chain", NULL,
			  pck_chain + 1, 2) ||
	    publish_crl(options, bundle, "root_ca_crl", "root_crl.der",
			&pki->root, revoked) ||
	    publish_crl(options, bundle, "pck_crl", "pck_crl.der",
			&pki->platform,
			options->revoked_pck ? pki->pck.cert : NULL) ||
	    publish_chain(options, bundle, "tcb_info_issuer_chain",
			  "tcb_chain.pem", tcb_chain, 2) ||
	    publish_signed(options, bundle, "tcb_info", "tcb_info.json",
			   pki->signing.key, tcb_info_text(&options->plan)) ||
	    publish_chain(options, bundle, "qe_identity_issuer_chain", NULL,
			  tcb_chain, 2) ||
	    publish_signed(options, bundle, "qe_identity", "qe_identity.json",
			   pki->signing.key, qe_identity_text(&options->plan)))
		return -EIO;
	return 0;
}

static int write_bundle(const char *dir, json_t *bundle)
{
	char *text = json_dumps(bundle, JSON_INDENT(1));
	int err = -ENOMEM;

	if (text)
		err = file_write(dir, "collateral.json", text, strlen(text));
	free(text);
	return err;
}

/* The bundle last: whoever finds it finds everything. */
static int write_all(const struct options *options, const struct pki *pki)
{
	json_t *bundle = json_object();
	int err = write_identities(pki, options->dir);

	if (!err)
		err = write_root_der(options->dir, pki->root.cert);
	if (!err)
		err = publish_all(options, pki, bundle);
	if (!err)
		err = write_bundle(options->dir, bundle);
	json_decref(bundle);
	return err;
}

int main(int argc, char **argv)
{
	struct options options;
	struct pki pki = { 0 };
	int err;

	if (parse_options(argc, argv, &options))
		return 2;
	if (mkdir(options.dir, 0755) && errno != EEXIST) {
		fprintf(stderr, "mkpki: can't make '%s': %s\n", options.dir,
			strerror(errno));
		return 1;
	}
	if (options.from)
		err = read_identities(&pki, &options);
	else
		err = make_identities(&pki, options.plan.fmspc);
	if (!err)
		err = write_all(&options, &pki);
	if (err)
		fprintf(stderr, "mkpki: '%s' is not complete\n", options.dir);
	identity_free(&pki.root);
	identity_free(&pki.platform);
	identity_free(&pki.pck);
	identity_free(&pki.signing);
	return err ? 1 : 0;
}
