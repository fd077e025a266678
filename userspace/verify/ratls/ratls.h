/* SPDX-License-Identifier: MIT */
/*
 * What the files of the RA-TLS room share
 *
 * Copyright The dstack for Linux authors
 *
 * extension.c finds what certificates carry, info.c and legacy.c read two of
 * the forms, parse.c puts them together, verify.c and evidence.c judge, tls.c
 * does so within handshakes, make.c and info_make.c make certificates, csr.c
 * requests for them, which sign.c judges; channel.c runs the bound channel,
 * binding.c says what it is bound to.
 */
#ifndef RATLS_H
#define RATLS_H

#include <libdstack_ratls.h>

#include "../attestation/attestation.h"

/* An uncompressed point on P-256, the curve by its name. */
#define RATLS_SPKI_SIZE	91

#define RATLS_ARC	"1.3.6.1.4.1.62397.1."

/* By the last number of their ids. */
enum ratls_slot {
	RATLS_QUOTE = 1,
	RATLS_EVENT_LOG = 2,
	RATLS_APP_ID = 3,
	RATLS_USAGE = 4,
	RATLS_ATTESTATION = 8,
	RATLS_APP_INFO = 9,
	__RATLS_SLOTS
};

/* What a certificate carries; data is NULL where it does not. */
struct ratls_extensions {
	struct libdstack_span value[__RATLS_SLOTS];
};

/* extension.c */

int ratls_extensions(X509 *cert, struct ratls_extensions *ext,
		     struct libdstack_failure *failure);
bool ratls_slot_known(int slot);

/* info.c */

int ratls_read_info(const struct libdstack_span *value,
		    struct libdstack_identity *info,
		    struct libdstack_failure *failure);

/* legacy.c */

int ratls_read_legacy(const struct libdstack_span *quote,
		      const struct libdstack_span *log,
		      struct libdstack_attestation **attestation,
		      struct libdstack_failure *failure);

/* parse.c */

/* True if @spki is what a key on P-256 is usually written as. */
bool ratls_spki_usual(const uint8_t *spki, size_t len);

/* evidence.c */

/*
 * Evidence that @peer has already holds, is for @report_data, and gives an
 * identity.
 */
int ratls_check_evidence(const uint8_t report_data[DSTACK_REPORT_DATA_SIZE],
			 const struct libdstack_trust *trust, time_t now,
			 struct libdstack_peer *peer,
			 struct libdstack_failure *failure);

/* verify.c */

int ratls_check_policy(const struct libdstack_trust *trust,
		       const struct libdstack_peer *peer,
		       struct libdstack_failure *failure);

/* binding.c */

/* What evidence of a channel is bound to. */
struct ratls_binding {
	uint8_t exporter[32];
	uint8_t *server_key, *client_key;	/* SPKI */
	size_t server_key_len, client_key_len;
	char *name;
	uint8_t client_nonce[LIBDSTACK_CHANNEL_NONCE_SIZE];
	uint8_t server_nonce[LIBDSTACK_CHANNEL_NONCE_SIZE];
};

int ratls_binding_open(SSL *ssl, const char *const *names,
		       struct ratls_binding *binding,
		       struct libdstack_failure *failure);
void ratls_binding_close(struct ratls_binding *binding);
/* What evidence of that side must carry. */
int ratls_binding_report_data(const struct ratls_binding *binding,
			      bool of_server,
			      uint8_t out[DSTACK_REPORT_DATA_SIZE]);

#endif /* RATLS_H */
