/* SPDX-License-Identifier: MIT */
/*
 * libdstack_attestation: the containers in which dstack sends evidence
 *
 * Copyright The dstack for Linux authors
 *
 * A container holds evidence of one TEE, the event log that explains it, and
 * what the guest says about itself.  Parsing shows what is in it; nothing of
 * that is proven before it was verified.  Documentation/verify/attestation.rst
 * has the formats.
 */
#ifndef LIBDSTACK_ATTESTATION_H
#define LIBDSTACK_ATTESTATION_H

#include <libdstack.h>
#include <libdstack_verify.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LIBDSTACK_ATTESTATION_MAX		10485760U	/* bytes */
#define LIBDSTACK_ATTESTATION_EVENTS_MAX	65536U
#define LIBDSTACK_ATTESTATION_CERTS_MAX		8
#define LIBDSTACK_ATTESTATION_PCRS_MAX		64
#define LIBDSTACK_ATTESTATION_TPM_EVENTS_MAX	4096

enum libdstack_tee {
	LIBDSTACK_TEE_TDX,
	LIBDSTACK_TEE_GCP_TDX,		/* TDX and a virtual TPM */
	LIBDSTACK_TEE_NITRO_ENCLAVE,
	LIBDSTACK_TEE_SEV_SNP,
	LIBDSTACK_TEE_AWS_NITRO_TPM,
	__LIBDSTACK_TEE_MAX
};

/* "dstack-tdx" and so on, as upstream names them; NULL for none. */
const char *libdstack_tee_name(enum libdstack_tee tee);

enum libdstack_attestation_form {
	LIBDSTACK_FORM_SCALE,		/* upstream's "V0" */
	LIBDSTACK_FORM_MSGPACK,		/* upstream's "V1" */
	LIBDSTACK_FORM_JSON,		/* replies of a guest agent */
};

/* Bytes that somebody else owns. */
struct libdstack_span {
	const uint8_t *data;
	size_t len;
};

/* What a guest with a TPM adds. */
struct libdstack_tpm_evidence {
	struct libdstack_span message;		/* TPMS_ATTEST */
	struct libdstack_span signature;
	struct libdstack_span ak_cert;		/* DER */
	struct libdstack_tpm_pcr {
		uint32_t index;
		struct libdstack_span algorithm;	/* "sha256" */
		struct libdstack_span value;
	} *pcrs;
	size_t nr_pcrs;
	struct libdstack_tpm_event {
		uint32_t pcr;
		struct libdstack_span digest;
	} *events;
	size_t nr_events;
};

/* A container taken apart.  Texts are neither terminated nor checked. */
struct libdstack_attestation {
	enum libdstack_tee tee;
	enum libdstack_attestation_form form;
	/* The quote, the SNP report, or the signed document of Nitro. */
	struct libdstack_span evidence;
	struct libdstack_tpm_evidence tpm;	/* GCP */
	struct libdstack_span certs[LIBDSTACK_ATTESTATION_CERTS_MAX]; /* SNP */
	size_t nr_certs;
	struct libdstack_span mr_config;	/* SNP: what HOST_DATA hashes */
	struct libdstack_log boot;		/* registers 0 to 2, by imr */
	struct libdstack_log runtime;		/* register 3 */
	bool have_report_data;
	uint8_t report_data[DSTACK_REPORT_DATA_SIZE];
	struct libdstack_span config;		/* JSON, see identity */
	bool pod;				/* report data is of @payload */
	struct libdstack_span payload;
	struct libdstack_span app_compose;	/* of a TCB info, or empty */
	void *memory;				/* of all this; not for use */
};

/*
 * Any form: told apart by the first byte.  -EBADMSG, -EOPNOTSUPP or -ENOMEM
 * with @failure; *@attestation is set when it returns 0 only.
 */
int libdstack_attestation_parse(const void *data, size_t len,
				struct libdstack_attestation **attestation,
				struct libdstack_failure *failure);
/*
 * A guest agent's TCB info (the JSON text in the reply of its Info) explains
 * @quote: its log, and the registers and hashes in it, which must agree.
 */
int libdstack_tcb_info_parse(const char *text, size_t len,
			     const void *quote, size_t quote_len,
			     struct libdstack_attestation **attestation,
			     struct libdstack_failure *failure);
void libdstack_attestation_free(struct libdstack_attestation *attestation);

struct libdstack_attestation_verdict {
	struct libdstack_verdict quote;
	/*
	 * The log explains the register.  Certificates carry logs without the
	 * boot's events: these registers are then only values to compare.
	 */
	bool replayed[4];
	struct libdstack_failure failure;
};

/*
 * Of TDX: the quote (libdstack_quote_verify()), that it carries the
 * container's report data, and that the log explains its registers.
 * -EOPNOTSUPP for other TEEs: take their evidence to its own verifier.
 */
int libdstack_attestation_verify(const struct libdstack_attestation *att,
				 const struct libdstack_collateral *collateral,
				 const void *root, size_t root_len, time_t now,
				 struct libdstack_attestation_verdict *verdict);
/* The same without the first step, for a TD that was verified already. */
int libdstack_attestation_explains(const struct libdstack_attestation *att,
				   const struct libdstack_td *td,
				   bool replayed[4],
				   struct libdstack_failure *failure);

/*
 * report data: hash(tag ":" content), zeros behind it
 */

#define LIBDSTACK_TAG_APP_DATA		"app-data"
#define LIBDSTACK_TAG_RATLS_CERT	"ratls-cert"
#define LIBDSTACK_TAG_KMS_ROOT_CA	"kms-root-ca"

/*
 * @hash: "sha512" or one of upstream's other names ("sha256", "sha384",
 * "sha3-256", "keccak256", ...), NULL for the default, or "raw": @content is
 * all of it.  -EOPNOTSUPP: no such hash; -EINVAL: raw of another length.
 */
int libdstack_report_data(const char *tag, const char *hash,
			  const void *content, size_t len,
			  uint8_t out[DSTACK_REPORT_DATA_SIZE]);

#ifdef __cplusplus
}
#endif

#endif /* LIBDSTACK_ATTESTATION_H */
