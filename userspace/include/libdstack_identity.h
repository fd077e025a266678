/* SPDX-License-Identifier: MIT */
/*
 * libdstack_identity: who is behind verified evidence, and what ran there
 *
 * Copyright The dstack for Linux authors
 *
 * The values are upstream dstack's, computed as its verifier, KMS and gateway
 * compute them, so that allow-lists made for those can be used.  All of this is
 * for evidence that was verified: of other evidence it proves nothing.
 * Documentation/verify/identity.rst says where each value comes from.
 */
#ifndef LIBDSTACK_IDENTITY_H
#define LIBDSTACK_IDENTITY_H

#include <libdstack_attestation.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LIBDSTACK_ID_MAX		32
#define LIBDSTACK_INIT_SCRIPTS_MAX	5
#define LIBDSTACK_KEY_PROVIDER_MAX	1024	/* with NUL */

/* Bytes of a length that is part of what they say; 0: none. */
struct libdstack_id {
	uint8_t len;
	uint8_t data[LIBDSTACK_ID_MAX];
};

struct libdstack_identity {
	enum libdstack_tee tee;
	struct libdstack_id app_id;		/* 20 bytes */
	struct libdstack_id compose_hash;	/* 32: SHA-256 of app-compose */
	struct libdstack_id instance_id;	/* 20, or none */
	/*
	 * 32.  What the guest's configuration says; @os_image_measured: a KMS
	 * said the same at boot, and that was measured.  It becomes true by
	 * comparing the image's measurements with those of the quote.
	 */
	struct libdstack_id os_image_hash;
	bool os_image_measured;
	uint8_t device_id[32], mr_system[32], mr_aggregated[32];
	/* {"name":...,"id":...} as measured, and its parts. */
	char key_provider_info[LIBDSTACK_KEY_PROVIDER_MAX];
	char key_provider[16];			/* "kms", "local-sgx", ... */
	char key_provider_id[LIBDSTACK_KEY_PROVIDER_MAX];	/* hex */
	struct libdstack_id init_scripts[LIBDSTACK_INIT_SCRIPTS_MAX];
	size_t nr_init_scripts;
	struct libdstack_id gpu_policy_hash;
	bool config_bound;	/* by MRCONFIGID or HOST_DATA as well */
	bool ready;		/* the boot was complete */
};

/* As KMSs do for certificates: what was measured after boot does not count. */
#define LIBDSTACK_IDENTITY_F_BOOT	(1U << 0)

/*
 * Of a verified TD.  @ppid: of the verdict; NULL where it is not known, which
 * upstream's values can't tell from a platform without one.  -EKEYREJECTED:
 * parts that do not belong together; -EBADMSG: an event that dstack does not
 * write; -EOPNOTSUPP: an MRCONFIGID of an unknown version, or no Keccak-256 in
 * this OpenSSL.
 */
int libdstack_identity_of_td(const struct libdstack_attestation *att,
			     const struct libdstack_td *td,
			     const uint8_t ppid[16], uint32_t flags,
			     struct libdstack_identity *identity,
			     struct libdstack_failure *failure);
/* Of a verified SNP report: its fields. */
int libdstack_identity_of_snp(const struct libdstack_attestation *att,
			      const uint8_t measurement[48],
			      const uint8_t host_data[32],
			      const uint8_t chip_id[64],
			      struct libdstack_identity *identity,
			      struct libdstack_failure *failure);
/* Of a verified Nitro enclave: PCR 0, 1 and 2, and its module's id. */
int libdstack_identity_of_enclave(const struct libdstack_attestation *att,
				  const uint8_t pcr[3][48],
				  const char *module_id,
				  struct libdstack_identity *identity,
				  struct libdstack_failure *failure);

/*
 * What ran, from the events of our kernel module.  Texts point into the log,
 * which must stay; they hold printable ASCII only, %XX for all else: a
 * container chooses the names of its files, but not what they look like.
 */

enum libdstack_run_kind {
	LIBDSTACK_RUN_CONTAINER,	/* one was registered */
	LIBDSTACK_RUN_EXEC,
	LIBDSTACK_RUN_SCRIPT,
	LIBDSTACK_RUN_MAP,		/* a library */
	LIBDSTACK_RUN_DENIED,
	LIBDSTACK_RUN_REVOKED,		/* running, and no longer allowed */
	LIBDSTACK_RUN_EVENT,		/* what a container said itself */
	LIBDSTACK_RUN_KEY,		/* it got a key as bytes */
	LIBDSTACK_RUN_ROOT,		/* root keys came or went */
	__LIBDSTACK_RUN_MAX
};

/* "container", "exec" and so on; NULL for none. */
const char *libdstack_run_name(enum libdstack_run_kind kind);

/* All events of one container that say the same. */
struct libdstack_run {
	enum libdstack_run_kind kind;
	struct libdstack_span id;	/* of the container */
	/* Image; digest of a file; an event's name; purpose; a root's id. */
	struct libdstack_span digest;
	/* Section of the policy; reason; action; delivery. */
	struct libdstack_span reason;
	/* Its app; of a denial: of what; kind of key. */
	struct libdstack_span type;
	/* Where a file was seen first; path of a key; key epoch of a root. */
	struct libdstack_span path;
	uint64_t count;
};

struct libdstack_runs {
	struct libdstack_run *run;	/* by container, kind, digest */
	size_t nr;
	size_t events, later;		/* that these are from; that are not */
	/* Of the module at the end; empty: none was recorded. */
	struct libdstack_span state, epoch, table, document;
};

/* The first @count events of a verified log.  -ENOMEM. */
int libdstack_runs_of_log(const struct libdstack_log *log, size_t count,
			  struct libdstack_runs **runs);
void libdstack_runs_free(struct libdstack_runs *runs);

struct libdstack_kernel_events {
	size_t nr, starts;	/* events; times that the module was loaded */
};

/*
 * Events with reserved names are such as a kernel writes: well-formed, after
 * the module's first, and it found the register that the log makes of @base.
 */
int libdstack_kernel_events_check(const struct libdstack_log *log, size_t count,
				  const uint8_t base[DSTACK_REGISTER_SIZE],
				  struct libdstack_kernel_events *found,
				  struct libdstack_failure *failure);
/* The register that a dstack.start found; false for other events. */
bool libdstack_start_base(const struct libdstack_event *event,
			  uint8_t base[DSTACK_REGISTER_SIZE]);

#ifdef __cplusplus
}
#endif

#endif /* LIBDSTACK_IDENTITY_H */
