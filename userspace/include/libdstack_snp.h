/* SPDX-License-Identifier: MIT */
/*
 * libdstack_snp: attestation reports of AMD SEV-SNP
 *
 * Copyright The dstack for Linux authors
 *
 * Layout and meaning: AMD's "SEV Secure Nested Paging Firmware ABI
 * Specification" (56860), "Attestation"; certificates: "Versioned Chip
 * Endorsement Key (VCEK) Certificate and KDS Interface Specification" (57230).
 */
#ifndef LIBDSTACK_SNP_H
#define LIBDSTACK_SNP_H

#include <libdstack_verify.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LIBDSTACK_SNP_REPORT_SIZE	1184

/* Bits of a guest's policy. */
#define LIBDSTACK_SNP_POLICY_SMT	(1ULL << 16)
#define LIBDSTACK_SNP_POLICY_ONE	(1ULL << 17)	/* always set */
#define LIBDSTACK_SNP_POLICY_MIGRATE	(1ULL << 18)	/* by an agent */
#define LIBDSTACK_SNP_POLICY_DEBUG	(1ULL << 19)
#define LIBDSTACK_SNP_POLICY_SOCKET	(1ULL << 20)	/* one only */

enum libdstack_snp_product {
	LIBDSTACK_SNP_NO_PRODUCT,
	LIBDSTACK_SNP_MILAN,
	LIBDSTACK_SNP_GENOA,		/* and Bergamo, Siena */
	LIBDSTACK_SNP_TURIN,
	__LIBDSTACK_SNP_PRODUCT_MAX
};

/* Security patch levels. */
struct libdstack_snp_tcb {
	uint8_t fmc;			/* Turin only, else 0 */
	uint8_t bootloader, tee, snp, microcode;
};

struct libdstack_snp_firmware {
	uint8_t major, minor, build;
};

/* What a report says; bytes as in the report. */
struct libdstack_snp_report {
	uint32_t version, guest_svn, vmpl;
	uint64_t policy, platform_info;
	uint8_t family_id[16], image_id[16];
	uint8_t report_data[64], measurement[48], host_data[32];
	uint8_t id_key_digest[48], author_key_digest[48];
	uint8_t report_id[32], report_id_ma[32];
	uint8_t chip_id[64];
	struct libdstack_snp_tcb current, reported, committed, launch;
	struct libdstack_snp_firmware current_firmware, committed_firmware;
	uint8_t cpu_family, cpu_model, cpu_stepping;	/* 0 before version 3 */
	uint64_t launch_mitigations, current_mitigations; /* from version 5 */
	bool vlek;			/* a cloud's key signed, not a chip's */
	bool author_key;
};

struct libdstack_snp_verdict {
	struct libdstack_snp_report report;	/* proven if no step failed */
	enum libdstack_snp_product product;
	int64_t earliest_expiry;	/* of certificates and CRL, Unix time */
	struct libdstack_failure failure;
};

/* One or more certificates. */
struct libdstack_snp_blob {
	const void *data;		/* one in DER, or some in PEM */
	size_t len;
};

struct libdstack_snp_chain {
	const struct libdstack_snp_blob *certs;	/* in any order */
	size_t nr_certs;
	const void *crl;		/* of the ARK, DER or PEM; NULL: none */
	size_t crl_len;
	const void *root;		/* DER or PEM; NULL: an ARK of AMD's */
	size_t root_len;
};

/*
 * Chain, signature, and that chip and levels of the certificate are those of
 * the report.  With no root given, the certificates must hold the ARK, which is
 * known by its SHA-256.  0 when the report is genuine, whatever its policy and
 * levels, which libdstack_snp_check() judges.
 */
int libdstack_snp_verify(const void *report, size_t len,
			 const struct libdstack_snp_chain *chain, time_t now,
			 struct libdstack_snp_verdict *verdict);

/* All zeros and NULLs: no debugging, no migration, VMPL 0, any level. */
struct libdstack_snp_policy {
	bool allow_debug, allow_migration;
	bool allow_unknown_bits;	/* of the guest's policy */
	uint32_t max_vmpl;
	struct libdstack_snp_tcb min_tcb;	/* reported, and committed */
	uint32_t min_guest_svn;
	/* NULL: any. */
	const uint8_t *report_data;	/* 64 bytes */
	const uint8_t *measurement;	/* 48 */
	const uint8_t *host_data;	/* 32 */
	const uint8_t *id_key_digest;	/* 48 */
	const uint8_t *author_key_digest;	/* 48 */
	const uint8_t *chip_id;		/* 64 */
};

/* -EKEYREJECTED: genuine, but not what @policy asks for. */
int libdstack_snp_check(const struct libdstack_snp_report *report,
			const struct libdstack_snp_policy *policy,
			struct libdstack_failure *failure);

/*
 * What a guest's launch is measured to, from what it was launched with
 */

#define LIBDSTACK_SNP_FIRMWARE_MAX	16777216U	/* bytes */
#define LIBDSTACK_SNP_VCPUS_MAX		1024U

enum libdstack_snp_vmm {
	LIBDSTACK_SNP_QEMU,
	LIBDSTACK_SNP_EC2,
};

struct libdstack_snp_guest {
	const void *firmware;		/* OVMF, whole pages */
	size_t firmware_len;
	/* Its 48 bytes of measurement, if @firmware is but its last page. */
	const uint8_t *firmware_digest;
	/* SHA-256 of what the VMM boots; NULL: the firmware finds it itself. */
	const uint8_t *kernel, *initrd;
	const char *cmdline;		/* of that kernel; NULL: none */
	enum libdstack_snp_vmm vmm;
	uint32_t vcpus;
	/* EAX of CPUID leaf 1: 0x800f12 of EPYC-v4, 0xa00f11 of Milan. */
	uint32_t cpu_signature;
	uint64_t features;		/* SEV_FEATURES: 1, or KVM's 0x21 */
};

/*
 * The report's measurement.  -EBADMSG: the firmware has no table for SNP, or
 * none that holds hashes of a kernel; -EINVAL: no such guest.
 */
int libdstack_snp_measure(const struct libdstack_snp_guest *guest,
			  uint8_t measurement[48],
			  struct libdstack_failure *failure);

/* "Milan" and so on; NULL for none. */
const char *libdstack_snp_product_name(enum libdstack_snp_product product);

#ifdef __cplusplus
}
#endif

#endif /* LIBDSTACK_SNP_H */
