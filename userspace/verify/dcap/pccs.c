// SPDX-License-Identifier: MIT
/*
 * The requests that make up the collateral of one platform type
 *
 * Copyright The dstack for Linux authors
 *
 * Intel's "PCS for TDX and SGX", API version 4, which PCCSs have as well; a
 * PCCS has the root's revocation list, too.
 */
#include "source.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define REPLY_MAX	262144U		/* of each of the four */

struct pccs {
	const struct libdstack_collateral_source *source;
	const struct dcap_key *key;
	struct dcap_http *http;
	json_t *doc;			/* what was collected */
	struct libdstack_failure *failure;
};

static int malformed(struct pccs *p, const char *what)
{
	return verify_fail(p->failure, REASON(MALFORMED),
			   "%.140s: its %s can't be read", p->source->url,
			   what);
}

static int put(struct pccs *p, const char *key, const char *text, size_t len)
{
	/* What is not UTF-8 is no text of anybody's. */
	if (json_object_set_new(p->doc, key, json_stringn(text, len)))
		return malformed(p, key);
	return 0;
}

/* The request @path of the service, which may have a '/' at its end. */
static int get(struct pccs *p, const char *path, const char *header,
	       struct dcap_reply *reply)
{
	size_t len = strlen(p->source->url);
	char url[DCAP_URL_MAX];

	memset(reply, 0, sizeof(*reply));
	while (len && p->source->url[len - 1] == '/')
		len--;
	if (snprintf(url, sizeof(url), "%.*s%s", (int)len, p->source->url,
		     path) >= (int)sizeof(url))
		return verify_fail(p->failure, REASON(UNAVAILABLE),
				   "the service's URL is too long");
	return dcap_http_get(p->http, url, header, REPLY_MAX, reply,
			     p->failure);
}

/* A signed text: the exact bytes, their signature, and the signer's chain. */
static int get_signed(struct pccs *p, const char *path, const char *header,
		      const char *member, const char *name)
{
	struct dcap_signed part;
	struct dcap_reply reply;
	char key[64];
	int err;

	err = get(p, path, header, &reply);
	if (!err && !dcap_reply_signed(reply.data, reply.len, member, &part))
		err = malformed(p, name);
	if (!err)
		err = put(p, name, part.text, part.len);
	snprintf(key, sizeof(key), "%s_signature", name);
	if (!err)
		err = put(p, key, part.signature, strlen(part.signature));
	snprintf(key, sizeof(key), "%s_issuer_chain", name);
	if (!err)
		err = put(p, key, reply.chain, strlen(reply.chain));
	dcap_reply_free(&reply);
	return err;
}

static int get_tcb_info(struct pccs *p)
{
	char path[128], fmspc[2 * DCAP_FMSPC_SIZE + 1];

	snprintf(path, sizeof(path), "/%s/certification/v4/tcb?fmspc=%s",
		 p->key->tdx ? "tdx" : "sgx",
		 libdstack_to_hex(p->key->fmspc, sizeof(p->key->fmspc),
				  fmspc));
	return get_signed(p, path, "TCB-Info-Issuer-Chain", "tcbInfo",
			  "tcb_info");
}

static int get_qe_identity(struct pccs *p)
{
	return get_signed(p, p->key->tdx ? "/tdx/certification/v4/qe/identity" :
			  "/sgx/certification/v4/qe/identity",
			  "SGX-Enclave-Identity-Issuer-Chain",
			  "enclaveIdentity", "qe_identity");
}

static int put_crl(struct pccs *p, const struct dcap_reply *reply,
		   const char *name)
{
	char *hex = dcap_reply_crl(reply->data, reply->len);
	int err;

	err = hex ? put(p, name, hex, strlen(hex)) : malformed(p, name);
	free(hex);
	return err;
}

static int get_pck_crl(struct pccs *p)
{
	struct dcap_reply reply;
	char path[128];
	int err;

	snprintf(path, sizeof(path),
		 "/sgx/certification/v4/pckcrl?ca=%s&encoding=der",
		 p->key->processor ? "processor" : "platform");
	err = get(p, path, "SGX-PCK-CRL-Issuer-Chain", &reply);
	if (!err)
		err = put_crl(p, &reply, "pck_crl");
	if (!err)
		err = put(p, "pck_crl_issuer_chain", reply.chain,
			  strlen(reply.chain));
	dcap_reply_free(&reply);
	return err;
}

static int get_root_crl(struct pccs *p)
{
	struct dcap_reply reply;
	int err;

	if (p->source->root_crl_url)
		err = dcap_http_get(p->http, p->source->root_crl_url, NULL,
				    REPLY_MAX, &reply, p->failure);
	else
		err = get(p, "/sgx/certification/v4/rootcacrl", NULL, &reply);
	if (!err)
		err = put_crl(p, &reply, "root_ca_crl");
	dcap_reply_free(&reply);
	return err;
}

static int collect(struct pccs *p, char **text)
{
	int err;

	err = get_tcb_info(p);
	if (!err)
		err = get_qe_identity(p);
	if (!err)
		err = get_pck_crl(p);
	if (!err)
		err = get_root_crl(p);
	if (err)
		return err;
	*text = json_dumps(p->doc, JSON_INDENT(1));
	return *text ? 0 : verify_fail(p->failure, REASON(MEMORY),
				       "out of memory");
}

int dcap_pccs_fetch(const struct libdstack_collateral_source *source,
		    const struct dcap_key *key, char **text,
		    struct libdstack_failure *failure)
{
	struct pccs p = {
		.source = source, .key = key, .failure = failure,
	};
	int err;

	p.http = dcap_http_open(source, failure);
	p.doc = json_object();
	if (p.http && p.doc)
		err = collect(&p, text);
	else
		err = verify_fail(failure, REASON(MEMORY), "out of memory");
	json_decref(p.doc);
	dcap_http_close(p.http);
	return err;
}
