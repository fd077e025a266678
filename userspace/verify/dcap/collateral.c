// SPDX-License-Identifier: MIT
/*
 * Collateral: what Intel publishes about platforms, as one JSON file
 *
 * Copyright The dstack for Linux authors
 *
 * Nothing in it is believed here: trust.c checks the signatures first.
 */
#include "dcap.h"

#include <errno.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

#define CHAIN_LENGTH	2	/* signer, root */

static const char * const known[] = {
	"tcb_info", "tcb_info_signature", "tcb_info_issuer_chain",
	"qe_identity", "qe_identity_signature", "qe_identity_issuer_chain",
	"pck_crl", "pck_crl_issuer_chain", "root_ca_crl",
};

#define NR_KNOWN (sizeof(known) / sizeof(known[0]))

static int refuse(const char *key, const char *why)
{
	dstack_message("collateral: %s%s%s", key, *key ? " " : "", why);
	return -EBADMSG;
}

/* All of the known members, all strings, and no others. */
static int check_members(const json_t *doc)
{
	const char *key;
	json_t *value;
	size_t i;

	for (i = 0; i < NR_KNOWN; i++)
		if (!json_is_string(json_object_get(doc, known[i])))
			return refuse(known[i], "is missing or not a string");
	json_object_foreach((json_t *)doc, key, value) {
		for (i = 0; i < NR_KNOWN; i++)
			if (!strcmp(key, known[i]))
				break;
		if (i == NR_KNOWN)
			return refuse(key, "is not a known member");
	}
	return 0;
}

static const char *member(const struct libdstack_collateral *c,
			  const char *key, size_t *len)
{
	const json_t *value = json_object_get(c->doc, key);

	if (len)
		*len = json_string_length(value);
	return json_string_value(value);
}

static int get_signature(const struct libdstack_collateral *c, const char *key,
			 uint8_t out[DCAP_SIGNATURE_SIZE])
{
	size_t len;
	const char *hex = member(c, key, &len);

	if (!libdstack_from_hex(hex, len, out, DCAP_SIGNATURE_SIZE))
		return refuse(key, "is not 64 bytes of hex");
	return 0;
}

static int get_chain(const struct libdstack_collateral *c, const char *key,
		     STACK_OF(X509) **chain)
{
	size_t len;
	const char *pem = member(c, key, &len);

	*chain = dcap_chain_parse(pem, len, CHAIN_LENGTH);
	if (!*chain)
		return refuse(key, "is not a signer's and a root's certificate in PEM");
	return 0;
}

static int get_crl(const struct libdstack_collateral *c, const char *key,
		   X509_CRL **crl)
{
	size_t len;
	const char *hex = member(c, key, &len);
	const unsigned char *p;
	uint8_t *der;

	der = malloc(len / 2 + 1);
	if (!der)
		return -ENOMEM;
	p = der;
	if (libdstack_from_hex(hex, len, der, len / 2))
		*crl = d2i_X509_CRL(NULL, &p, len / 2);
	if (*crl && p != der + len / 2) {
		X509_CRL_free(*crl);
		*crl = NULL;
	}
	free(der);
	ERR_clear_error();
	return *crl ? 0 : refuse(key, "is not a revocation list in hex");
}

static int parse_members(struct libdstack_collateral *c)
{
	int err;

	err = get_signature(c, "tcb_info_signature", c->tcb_info_signature);
	if (!err)
		err = get_signature(c, "qe_identity_signature",
				    c->qe_identity_signature);
	if (!err)
		err = get_chain(c, "tcb_info_issuer_chain", &c->tcb_info_chain);
	if (!err)
		err = get_chain(c, "qe_identity_issuer_chain",
				&c->qe_identity_chain);
	if (!err)
		err = get_chain(c, "pck_crl_issuer_chain", &c->pck_crl_chain);
	if (!err)
		err = get_crl(c, "pck_crl", &c->pck_crl);
	if (!err)
		err = get_crl(c, "root_ca_crl", &c->root_crl);
	c->tcb_info = member(c, "tcb_info", NULL);
	c->qe_identity = member(c, "qe_identity", NULL);
	return err;
}

int libdstack_collateral_parse(const char *text, size_t len,
			       struct libdstack_collateral **collateral)
{
	struct libdstack_collateral *c;
	json_error_t error;
	int err;

	if (len > LIBDSTACK_COLLATERAL_MAX)
		return -EFBIG;
	c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	c->doc = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);
	if (c->doc)
		err = check_members(c->doc);
	else
		err = refuse("", error.text);
	if (!err)
		err = parse_members(c);
	if (err)
		libdstack_collateral_free(c);
	else
		*collateral = c;
	return err;
}

int libdstack_collateral_read(const char *path,
			      struct libdstack_collateral **collateral)
{
	size_t len;
	char *text;
	int err;

	err = dstack_file_read(path, LIBDSTACK_COLLATERAL_MAX, &text, &len);
	if (err)
		return err;
	err = libdstack_collateral_parse(text, len, collateral);
	if (err)
		dstack_message("'%s' is not collateral that can be used: %s",
			       path, strerror(-err));
	free(text);
	return err;
}

struct libdstack_collateral *
dcap_collateral_share(struct libdstack_collateral *c)
{
	atomic_fetch_add(&c->shared, 1);
	return c;
}

void libdstack_collateral_free(struct libdstack_collateral *c)
{
	if (!c || atomic_fetch_sub(&c->shared, 1))
		return;
	certs_free(c->tcb_info_chain);
	certs_free(c->qe_identity_chain);
	certs_free(c->pck_crl_chain);
	X509_CRL_free(c->root_crl);
	X509_CRL_free(c->pck_crl);
	if (c->trust)
		dcap_trust_close(c->trust);
	free(c->trust);
	json_decref(c->doc);
	free(c);
}
