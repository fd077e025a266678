// SPDX-License-Identifier: MIT
/*
 * A certificate: whether it may be, what is in it, and who signs it
 *
 * Copyright The dstack for Linux authors
 */
#include "cert.h"
#include "metrics/metrics.h"

#include <errno.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

#define POLICY_PATH	"tls"	/* what a policy calls certificates */
#define SUBJECT_MAX	64	/* characters of a common name, by X.520 */
#define HOST_MAX	253	/* of a host */
#define LAST_SECOND	253402300799	/* the last second of the year 9999 */
/* What upstream has where nothing is said: 1975, and in ten years. */
#define NOT_BEFORE	157766400
#define VALID_S		(3650 * 86400LL)

/*
 * What was asked for
 */

/* Of UTF-8, which the codec has checked. */
static size_t characters(const char *text)
{
	size_t nr = 0;

	for (; *text; text++)
		nr += (*text & 0xc0) != 0x80;
	return nr;
}

static bool is_name(const char *name)
{
	size_t i;

	for (i = 0; name[i]; i++)
		if (name[i] <= ' ' || name[i] > '~' || i >= HOST_MAX)
			return false;
	return i;
}

static int check_names(const struct agent_cert *cert, struct rpc_error *error)
{
	size_t i;

	if (characters(cert->subject) > SUBJECT_MAX)
		return rpc_fail(error, -EINVAL,
				"subject: a common name has at most %d characters",
				SUBJECT_MAX);
	if (cert->nr_names > AGENT_CERT_NAMES_MAX)
		return rpc_fail(error, -E2BIG, "alt_names: more than %d names",
				AGENT_CERT_NAMES_MAX);
	for (i = 0; i < cert->nr_names; i++)
		if (!is_name(cert->names[i]))
			return rpc_fail(error, -EINVAL,
					"alt_names: each is a host's name or an address, in ASCII: xn--... for others");
	return 0;
}

static int check_times(struct agent_cert *cert, struct rpc_error *error)
{
	if (!cert->have_not_before)
		cert->not_before = NOT_BEFORE;
	if (!cert->have_not_after)
		cert->not_after = time(NULL) + VALID_S;
	if (cert->not_after > LAST_SECOND)
		return rpc_fail(error, -EINVAL,
				"not_after: certificates end in the year 9999");
	if (cert->not_before < cert->not_after)
		return 0;
	if (cert->have_not_after)
		return rpc_fail(error, -EINVAL,
				"not_before must be before not_after");
	return rpc_fail(error, -EINVAL,
			"not_before must be before not_after, which is ten years from now, and now is %lld s after 1970: is this machine's clock right?",
			(long long)(cert->not_after - VALID_S));
}

/*
 * A certificate speaks for the application, which is as good as a key of it.
 * So the policy is asked as for one, and the event log says to whom it went.
 */
static int check_policy(const struct http_caller *caller,
			struct agent_cert *cert, struct rpc_error *error)
{
	const struct agent_key_request ask = {
		.kind = DSTACK_KEY_P256, .delivery = DSTACK_DELIVER_AGENT,
		.path = POLICY_PATH, .path_len = strlen(POLICY_PATH),
	};
	uint8_t key[DSTACK_KEY_SIZE];
	uint64_t epoch;
	int err = agent_get_key(caller, &ask, key, &epoch, error);

	explicit_bzero(key, sizeof(key));
	if (!err && cert->derived && epoch != cert->key_epoch) {
		error->status = 503;
		return rpc_fail(error, -EAGAIN,
				"the key epoch moved on meanwhile: try again");
	}
	cert->key_epoch = epoch;
	if (err != -EACCES)
		return err;
	return rpc_fail(error, err,
			"the policy does not let container '%s' have certificates: its section needs \"keys\" with path '%s', kind p256, scope app and delivery agent",
			caller->id, POLICY_PATH);
}

/*
 * What is in it
 */

static int write_container(const struct agent *agent, struct agent_cert *cert,
			   const struct attest_evidence *evidence)
{
	struct libdstack_attestation parts;
	int err = attest_parts(evidence, agent->vm_config, &parts);

	if (err)
		return err;
	err = attest_encode(&parts, LIBDSTACK_FORM_SCALE, true,
			    &cert->container, &cert->container_len);
	attest_parts_free(&parts);
	return err;
}

static int write_info(const struct agent *agent, struct agent_cert *cert,
		      const struct attest_evidence *evidence,
		      struct rpc_error *error)
{
	struct libdstack_identity identity;
	int err;

	if (!cert->app_info)
		return 0;
	err = agent_identity(agent, evidence, &identity, error);
	return err ?: libdstack_ratls_info(&identity, &cert->info,
					   &cert->info_len);
}

static int add_evidence(const struct agent *agent,
			const struct http_caller *caller,
			struct agent_cert *cert, struct rpc_error *error)
{
	uint8_t report_data[DSTACK_REPORT_DATA_SIZE];
	struct attest_evidence evidence;
	int err;

	err = libdstack_report_data(LIBDSTACK_TAG_RATLS_CERT, NULL, cert->spki,
				    cert->spki_len, report_data) ?:
		agent_evidence(agent, caller, report_data, &evidence, error);
	if (err)
		return err;
	err = write_container(agent, cert, &evidence) ?:
		write_info(agent, cert, &evidence, error);
	attest_evidence_free(&evidence);
	return err;
}

static int sign(const struct agent *agent, const struct http_caller *caller,
		struct agent_cert *cert, struct agent_chain_text *chain,
		struct rpc_error *error)
{
	bool kms = agent_epochs_provider(agent->epochs) == AGENT_PROVIDER_KMS;
	int len = i2d_PUBKEY(cert->key, &cert->spki), err = 0;

	if (len <= 0)
		return -ENOMEM;
	cert->spki_len = len;
	/* A KMS signs for who proves itself, whatever is in the certificate. */
	if (kms || cert->evidence || cert->app_info)
		err = add_evidence(agent, caller, cert, error);
	if (err)
		return err;
	return kms ? agent_cert_sign_kms(agent, cert, chain, error) :
		agent_cert_sign_own(agent, cert, chain, error);
}

static int check(const struct agent *agent, struct agent_cert *cert,
		 struct rpc_error *error)
{
	int err = check_names(cert, error) ?: check_times(cert, error);

	if (!err && !agent->epochs)
		err = rpc_fail(error, -ENOKEY,
			       "this agent was not told which application it serves, and whose authority signs for it (dstackd agent --app DIR)");
	return err;
}

int agent_cert_issue(const struct agent *agent,
		     const struct http_caller *caller,
		     struct agent_cert *cert, struct agent_chain_text *chain,
		     struct rpc_error *error)
{
	return check(agent, cert, error) ?: check_policy(caller, cert, error) ?:
		agent_cert_make(agent, caller, cert, chain, error);
}

int agent_cert_make(const struct agent *agent,
		    const struct http_caller *caller,
		    struct agent_cert *cert, struct agent_chain_text *chain,
		    struct rpc_error *error)
{
	int err = check(agent, cert, error) ?:
		sign(agent, caller, cert, chain, error);

	OPENSSL_free(cert->spki);
	free(cert->container);
	free(cert->info);
	ERR_clear_error();
	if (!err)
		metrics_count(agent->counters, METRICS_CERTIFICATES);
	return err;
}
