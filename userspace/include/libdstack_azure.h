/* SPDX-License-Identifier: MIT */
/*
 * libdstack_azure: confidential VMs of Azure, whose paravisor has a virtual TPM
 *
 * Copyright The dstack for Linux authors
 *
 * The paravisor (HCL) binds the key of its TPM to a report of the hardware: the
 * report's data are the hash of a JSON text that holds the key.  What the guest
 * booted, and the nonce, are in quotes of that TPM.
 */
#ifndef LIBDSTACK_AZURE_H
#define LIBDSTACK_AZURE_H

#include <libdstack_snp.h>
#include <libdstack_tpm.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LIBDSTACK_AZURE_HCL_MAX		8192U	/* bytes */
#define LIBDSTACK_AZURE_VM_ID_MAX	40

enum libdstack_azure_type {
	LIBDSTACK_AZURE_SNP = 2,
	LIBDSTACK_AZURE_TDX = 4,
};

/* What the TPM's NV index 0x01400001 holds; pointers lead into it. */
struct libdstack_azure_hcl {
	enum libdstack_azure_type type;
	const uint8_t *report;		/* of SNP; TDREPORT is unproven */
	size_t report_len;
	const char *runtime;		/* JSON, as hashed */
	size_t runtime_len;
	uint8_t runtime_hash[32];
	char vm_id[LIBDSTACK_AZURE_VM_ID_MAX];
	bool secure_boot, console;	/* as the host configured them */
	uint8_t user_data[64];
};

/* -EBADMSG, -EOPNOTSUPP. */
int libdstack_azure_hcl_parse(const void *data, size_t len,
			      struct libdstack_azure_hcl *hcl,
			      struct libdstack_failure *failure);
/* The key in it that signs the TPM's quotes. */
int libdstack_azure_hcl_key(const struct libdstack_azure_hcl *hcl,
			    struct libdstack_tpm_key **key,
			    struct libdstack_failure *failure);

struct libdstack_azure_evidence {
	const void *hcl;
	size_t hcl_len;
	struct libdstack_tpm_quote tpm;
	/* Of a TD. */
	const void *td_quote;
	size_t td_quote_len;
	const struct libdstack_collateral *collateral;
	const void *root;		/* NULL: Intel's */
	size_t root_len;
	/* Of SNP. */
	struct libdstack_snp_chain snp;
};

struct libdstack_azure_verdict {
	struct libdstack_azure_hcl hcl;		/* proven if no step failed */
	struct libdstack_tpm_verdict tpm;
	struct libdstack_verdict td;		/* if that is the type */
	struct libdstack_snp_verdict snp;
	struct libdstack_failure failure;
};

/*
 * Hardware's report by its own verifier, the TPM's key by that, the quote by
 * the key.  0 when all is genuine: libdstack_tpm_check(), libdstack_snp_check()
 * and the TD's policy must still judge the parts.
 */
int libdstack_azure_verify(const struct libdstack_azure_evidence *evidence,
			   time_t now, struct libdstack_azure_verdict *verdict);

#ifdef __cplusplus
}
#endif

#endif /* LIBDSTACK_AZURE_H */
