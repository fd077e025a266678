/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * dstack: run-time measurement, policy and evidence for confidential VMs
 *
 * Copyright The dstack for Linux authors
 *
 * ioctls on /dev/dstack are what a process asks for itself: its identity is
 * the container of the caller and of the opener of the file.  Generic netlink
 * is the control plane: CAP_SYS_ADMIN in the initial namespaces, never from
 * inside a container.  Documentation/userspace-api/dstack.rst explains both,
 * errno by errno.
 */
#ifndef _UAPI_LINUX_DSTACK_H
#define _UAPI_LINUX_DSTACK_H

#include <linux/const.h>
#include <linux/ioctl.h>
#include <linux/types.h>

#define DSTACK_ABI		1

/* Sizes in bytes.  Names and ids include no NUL unless said otherwise. */
#define DSTACK_REPORT_DATA_SIZE	64
#define DSTACK_REGISTER_SIZE	48	/* SHA-384 */
#define DSTACK_DIGEST_SIZE	32	/* of a file, whatever the algorithm */
#define DSTACK_APP_ID_SIZE	20
#define DSTACK_ID_SIZE		128	/* container id, with NUL */
#define DSTACK_SECTION_SIZE	64	/* section of a policy, with NUL */
#define DSTACK_NAME_SIZE	64	/* event name, with NUL */
#define DSTACK_QUOTE_MAX	131072
#define DSTACK_USER_DATA_MAX	1024	/* payload of one user event */
#define DSTACK_READ_LOG_MAX	1048576	/* buffer of one DSTACK_READ_LOG */
#define DSTACK_TABLE_MAX	16777216 /* binary policy table */
#define DSTACK_ROOT_MIN		32	/* root hash of dm-verity */
#define DSTACK_ROOT_MAX		64

/* Keys, in bytes. */
#define DSTACK_KEY_ROOT_SIZE	32	/* what the KMS gives an application */
#define DSTACK_KEY_ID_SIZE	16	/* names a root without telling it */
#define DSTACK_KEY_SIZE		32	/* of every key but some of bytes */
#define DSTACK_KEY_SIZE_MIN	16
#define DSTACK_KEY_SIZE_MAX	64
#define DSTACK_KEY_PATH_MAX	256	/* any bytes, no NUL added */
#define DSTACK_KEY_PURPOSE_MAX	64	/* the same */
#define DSTACK_KEY_NAME_SIZE	64	/* name in a keyring, with NUL */
#define DSTACK_KEY_NAME_PREFIX	"dstack:" /* goes before that name */
#define DSTACK_KEY_TAG_SIZE	32	/* of HMAC-SHA256 */
#define DSTACK_KEY_DATA_MAX	1048576	/* of one seal, unseal or HMAC */
#define DSTACK_SEAL_OVERHEAD	192	/* a blob has more than its data */

/* The id that every process outside a registered container has. */
#define DSTACK_HOST_ID		"host"

/**
 * enum dstack_state - what the module does with an exec in a container
 * @DSTACK_STATE_OFF: nothing; the only state in which the module unloads
 * @DSTACK_STATE_MEASURE: record and extend, allow what policy would deny
 * @DSTACK_STATE_ENFORCE: record and extend, deny what policy does not name
 * @DSTACK_STATE_LOCKED: ENFORCE until reboot, the host included
 */
enum dstack_state {
	DSTACK_STATE_OFF = 0,
	DSTACK_STATE_MEASURE = 1,
	DSTACK_STATE_ENFORCE = 2,
	DSTACK_STATE_LOCKED = 3,
	__DSTACK_STATE_MAX
};

/**
 * enum dstack_backend - the root of trust behind the register
 * @DSTACK_BACKEND_NONE: never reported
 * @DSTACK_BACKEND_TDX: RTMR3 of an Intel TD
 * @DSTACK_BACKEND_TPM: reserved: a PCR of a TPM
 * @DSTACK_BACKEND_SIM: a variable in the kernel, for development only
 */
enum dstack_backend {
	DSTACK_BACKEND_NONE = 0,
	DSTACK_BACKEND_TDX = 1,
	DSTACK_BACKEND_TPM = 2,
	DSTACK_BACKEND_SIM = 3,
	__DSTACK_BACKEND_MAX
};

/* Evidence of this backend proves nothing to anybody else. */
#define DSTACK_BACKEND_F_INSECURE	_BITUL(0)
#define __DSTACK_BACKEND_F_ALL		DSTACK_BACKEND_F_INSECURE

/**
 * enum dstack_kind - in which role a file is about to run; a mask in rules
 * @DSTACK_KIND_EXEC: a program or an interpreter; implies @DSTACK_KIND_MAP
 * @DSTACK_KIND_MAP: a library or loader mapped executable
 * @DSTACK_KIND_SCRIPT: a file that starts with #!
 * @DSTACK_KIND_KERNEL: a module or firmware that the kernel loads
 * @DSTACK_KIND_CONTROL: a program that may use the control plane when the state
 *	is DSTACK_STATE_LOCKED; counts in section "host" only
 * @DSTACK_KIND_MEMORY: executable memory that is no file's, or no longer what
 *	the file holds; never in rules
 */
enum dstack_kind {
	DSTACK_KIND_EXEC = 1,
	DSTACK_KIND_MAP = 2,
	DSTACK_KIND_SCRIPT = 4,
	DSTACK_KIND_KERNEL = 8,
	DSTACK_KIND_CONTROL = 16,
	DSTACK_KIND_MEMORY = 32,
};

#define __DSTACK_KIND_ALL \
	(DSTACK_KIND_EXEC | DSTACK_KIND_MAP | DSTACK_KIND_SCRIPT | \
	 DSTACK_KIND_KERNEL | DSTACK_KIND_CONTROL)

/**
 * enum dstack_reason - why a verdict is what it is
 * @DSTACK_REASON_APPROVED: the policy names this digest for this kind, or
 *	trusts whatever rests on this storage
 * @DSTACK_REASON_HOST: the caller is in no container
 * @DSTACK_REASON_OFF: the module is in DSTACK_STATE_OFF
 * @DSTACK_REASON_NO_POLICY: no policy was loaded
 * @DSTACK_REASON_NO_SECTION: the policy has no section for this container
 * @DSTACK_REASON_UNKNOWN: the section does not name this digest
 * @DSTACK_REASON_KIND: the section names this digest, but not for this kind
 * @DSTACK_REASON_WRITER: the file is open for writing
 * @DSTACK_REASON_STORAGE: a file system that may change what it returns, or
 *	storage that the section does not accept for this kind
 * @DSTACK_REASON_UNSEALED: a memfd that can still be written
 * @DSTACK_REASON_LOG_FULL: nobody drains the log
 * @DSTACK_REASON_REGISTER: the register could not be extended
 * @DSTACK_REASON_DIVERGED: the register was extended by somebody else
 * @DSTACK_REASON_INTERNAL: reading, hashing or allocating failed
 * @DSTACK_REASON_MEMORY: executable memory that is no file's, or can be or was
 *	written, and the section does not allow that
 * @DSTACK_REASON_UNSEEN: memory that was mapped from a file is made executable,
 *	and the file was not vetted before
 */
enum dstack_reason {
	DSTACK_REASON_APPROVED = 0,
	DSTACK_REASON_HOST = 1,
	DSTACK_REASON_OFF = 2,
	DSTACK_REASON_NO_POLICY = 3,
	DSTACK_REASON_NO_SECTION = 4,
	DSTACK_REASON_UNKNOWN = 5,
	DSTACK_REASON_KIND = 6,
	DSTACK_REASON_WRITER = 7,
	DSTACK_REASON_STORAGE = 8,
	DSTACK_REASON_UNSEALED = 9,
	DSTACK_REASON_LOG_FULL = 10,
	DSTACK_REASON_REGISTER = 11,
	DSTACK_REASON_DIVERGED = 12,
	DSTACK_REASON_INTERNAL = 13,
	DSTACK_REASON_MEMORY = 14,
	DSTACK_REASON_UNSEEN = 15,
	__DSTACK_REASON_MAX
};

/**
 * enum dstack_storage - what the file's bytes rest on
 * @DSTACK_STORAGE_DISK: a local file system, no authentication known
 * @DSTACK_STORAGE_MEMORY: tmpfs, ramfs, hugetlbfs
 * @DSTACK_STORAGE_MEMFD: a memfd sealed against every change
 * @DSTACK_STORAGE_MEMFD_OPEN: a memfd that can still be written
 * @DSTACK_STORAGE_UNTRUSTED: FUSE or a network; may answer differently twice
 * @DSTACK_STORAGE_PSEUDO: proc, sysfs and their like
 * @DSTACK_STORAGE_FSVERITY: the file has fs-verity, on whatever file system
 * @DSTACK_STORAGE_DMVERITY: a block device that dm-verity checks
 * @DSTACK_STORAGE_AUTHENTICATED: a block device whose blocks are checked
 *	against a key
 */
enum dstack_storage {
	DSTACK_STORAGE_DISK = 0,
	DSTACK_STORAGE_MEMORY = 1,
	DSTACK_STORAGE_MEMFD = 2,
	DSTACK_STORAGE_MEMFD_OPEN = 3,
	DSTACK_STORAGE_UNTRUSTED = 4,
	DSTACK_STORAGE_PSEUDO = 5,
	DSTACK_STORAGE_FSVERITY = 6,
	DSTACK_STORAGE_DMVERITY = 7,
	DSTACK_STORAGE_AUTHENTICATED = 8,
	__DSTACK_STORAGE_MAX
};

/*
 * Storage that a policy can accept or trust, as bits.  What may answer
 * differently each time it is read is none of it.
 */
#define __DSTACK_STORAGE_ACCEPTABLE					\
	(1U << DSTACK_STORAGE_DISK | 1U << DSTACK_STORAGE_MEMORY |	\
	 1U << DSTACK_STORAGE_MEMFD | 1U << DSTACK_STORAGE_FSVERITY |	\
	 1U << DSTACK_STORAGE_DMVERITY |				\
	 1U << DSTACK_STORAGE_AUTHENTICATED)

/**
 * enum dstack_alg - how a file's digest is made of its content
 * @DSTACK_ALG_NONE: the file was not identified
 * @DSTACK_ALG_SHA256: SHA-256 of the content, as sha256sum(1) prints it
 * @DSTACK_ALG_FSVERITY_SHA256: the fs-verity digest of a file that has
 *	fs-verity with SHA-256, as fsverity(1) prints it; found without reading
 *	the file, and checked by the file system at every read
 */
enum dstack_alg {
	DSTACK_ALG_NONE = 0,
	DSTACK_ALG_SHA256 = 1,
	DSTACK_ALG_FSVERITY_SHA256 = 2,
	__DSTACK_ALG_MAX
};

/**
 * struct dstack_digest - what a file is known by
 * @alg: enum dstack_alg
 * @value: the digest; zeros for @DSTACK_ALG_NONE
 *
 * Two digests are the same only if both members are: a file can be made whose
 * SHA-256 is the fs-verity digest of another.
 */
struct dstack_digest {
	__u32 alg;
	__u8 value[DSTACK_DIGEST_SIZE];
};

/**
 * enum dstack_mode - which execs of a container are recorded
 * @DSTACK_MODE_EVERY: each one
 * @DSTACK_MODE_FIRST: of each file the first
 *
 * The policy chooses, section by section.  Scripts and mappings are recorded
 * once in either mode, denials are counted in either.
 */
enum dstack_mode {
	DSTACK_MODE_EVERY = 0,
	DSTACK_MODE_FIRST = 1,
	__DSTACK_MODE_MAX
};

/**
 * enum dstack_action - what becomes of a container that runs a file which the
 * former policy approved and the new one does not
 * @DSTACK_ACTION_LOG: it is recorded, and goes on
 * @DSTACK_ACTION_KILL: each of its processes gets SIGKILL
 * @DSTACK_ACTION_FREEZE: each of its processes gets SIGSTOP
 */
enum dstack_action {
	DSTACK_ACTION_LOG = 0,
	DSTACK_ACTION_KILL = 1,
	DSTACK_ACTION_FREEZE = 2,
	__DSTACK_ACTION_MAX
};

/**
 * enum dstack_key_kind - what a key is for; a mask in policies
 * @DSTACK_KEY_BYTES: whatever the workload does with it
 * @DSTACK_KEY_HMAC: HMAC-SHA256, by DSTACK_HMAC
 * @DSTACK_KEY_AEAD: AES-256-GCM, by DSTACK_SEAL and DSTACK_UNSEAL
 * @DSTACK_KEY_ED25519: an Ed25519 seed
 * @DSTACK_KEY_SECP256K1: a secp256k1 scalar, big-endian
 * @DSTACK_KEY_P256: a P-256 scalar, big-endian
 *
 * A kind is part of what a key is derived from: keys of two kinds have nothing
 * to do with each other, but for those of upstream's first derivation.
 */
enum dstack_key_kind {
	DSTACK_KEY_BYTES = 1,
	DSTACK_KEY_HMAC = 2,
	DSTACK_KEY_AEAD = 4,
	DSTACK_KEY_ED25519 = 8,
	DSTACK_KEY_SECP256K1 = 16,
	DSTACK_KEY_P256 = 32,
};

#define __DSTACK_KEY_KIND_ALL \
	(DSTACK_KEY_BYTES | DSTACK_KEY_HMAC | DSTACK_KEY_AEAD | \
	 DSTACK_KEY_ED25519 | DSTACK_KEY_SECP256K1 | DSTACK_KEY_P256)

/**
 * enum dstack_key_scope - whose key it is; a mask in policies
 * @DSTACK_SCOPE_CONTAINER: of the containers of one image of one application
 * @DSTACK_SCOPE_APP: of the whole application.  What upstream derives too has
 *	upstream's value: bytes and seeds of DSTACK_KEY_SIZE
 */
enum dstack_key_scope {
	DSTACK_SCOPE_CONTAINER = 1,
	DSTACK_SCOPE_APP = 2,
};

#define __DSTACK_SCOPE_ALL	(DSTACK_SCOPE_CONTAINER | DSTACK_SCOPE_APP)

/**
 * enum dstack_key_delivery - how the caller gets a key; a mask in policies
 * @DSTACK_DELIVER_HANDLE: as a key of type "dstack" in a keyring, for the
 *	ioctls below: the secret stays where it is.  Kinds HMAC and AEAD
 * @DSTACK_DELIVER_LOGON: as a key of type "logon", which the kernel uses and
 *	nobody reads: dm-crypt.  Kind BYTES
 * @DSTACK_DELIVER_FSCRYPT: as a key of type "fscrypt-provisioning", for
 *	FS_IOC_ADD_ENCRYPTION_KEY.  Kind BYTES
 * @DSTACK_DELIVER_BYTES: as bytes in the caller's memory, which is an event in
 *	the log.  Any kind
 * @DSTACK_DELIVER_AGENT: the same, but for whom DSTACK_ACT_FOR lets act for the
 *	container, which uses the key there and does not tell it: signatures
 */
enum dstack_key_delivery {
	DSTACK_DELIVER_HANDLE = 1,
	DSTACK_DELIVER_LOGON = 2,
	DSTACK_DELIVER_FSCRYPT = 4,
	DSTACK_DELIVER_BYTES = 8,
	DSTACK_DELIVER_AGENT = 16,
};

#define __DSTACK_DELIVER_ALL \
	(DSTACK_DELIVER_HANDLE | DSTACK_DELIVER_LOGON | \
	 DSTACK_DELIVER_FSCRYPT | DSTACK_DELIVER_BYTES | \
	 DSTACK_DELIVER_AGENT)

/**
 * enum dstack_seal_check - which check a sealed blob did not pass
 * @DSTACK_SEAL_OK: it passed all
 * @DSTACK_SEAL_FORMAT: it is no blob, of another version, or cut short
 * @DSTACK_SEAL_APP: another application sealed it
 * @DSTACK_SEAL_IMAGE: a container of another image sealed it
 * @DSTACK_SEAL_NAME: a key of another path, purpose or scope did
 * @DSTACK_SEAL_EPOCH: its key epoch is retired, or not loaded yet
 * @DSTACK_SEAL_POLICY: it opens under another policy only
 * @DSTACK_SEAL_TAG: it was changed, or sealed from another root key
 */
enum dstack_seal_check {
	DSTACK_SEAL_OK = 0,
	DSTACK_SEAL_FORMAT = 1,
	DSTACK_SEAL_APP = 2,
	DSTACK_SEAL_IMAGE = 3,
	DSTACK_SEAL_NAME = 4,
	DSTACK_SEAL_EPOCH = 5,
	DSTACK_SEAL_POLICY = 6,
	DSTACK_SEAL_TAG = 7,
	__DSTACK_SEAL_MAX
};

/*
 * Every exec in the container gets SECBIT_EXEC_RESTRICT_FILE and
 * SECBIT_EXEC_DENY_INTERACTIVE, locked: its interpreters are told to ask the
 * kernel before they run a file, and to run nothing else.  Since Linux 6.14.
 */
#define DSTACK_CONTAINER_F_SECUREBITS	_BITUL(0)
#define __DSTACK_CONTAINER_F_ALL	DSTACK_CONTAINER_F_SECUREBITS

/* Parts of the module that this build and this kernel have. */
#define DSTACK_FEATURE_TDX	_BITULL(0)
#define DSTACK_FEATURE_SIM	_BITULL(1)
#define DSTACK_FEATURE_BPF_LSM	_BITULL(2)
#define DSTACK_FEATURE_FSVERITY	_BITULL(3)
#define DSTACK_FEATURE_KEYS	_BITULL(4)
#define __DSTACK_FEATURE_ALL \
	(DSTACK_FEATURE_TDX | DSTACK_FEATURE_SIM | DSTACK_FEATURE_BPF_LSM | \
	 DSTACK_FEATURE_FSVERITY | DSTACK_FEATURE_KEYS)

/*
 * ioctls
 *
 * Every structure starts with its size: an older kernel accepts a newer
 * structure whose unknown tail is zero (else E2BIG), a newer kernel accepts an
 * older one.  Flags and __reserved that the kernel does not know: EOPNOTSUPP.
 */
#define DSTACK_IOC_TYPE		0xDC
#define DSTACK_INFO		_IO(DSTACK_IOC_TYPE, 0x00)
#define DSTACK_GET_QUOTE	_IO(DSTACK_IOC_TYPE, 0x01)
#define DSTACK_READ_LOG		_IO(DSTACK_IOC_TYPE, 0x02)
#define DSTACK_EXTEND		_IO(DSTACK_IOC_TYPE, 0x03)
#define DSTACK_WHY		_IO(DSTACK_IOC_TYPE, 0x04)
#define DSTACK_GET_KEY		_IO(DSTACK_IOC_TYPE, 0x05)
#define DSTACK_HMAC		_IO(DSTACK_IOC_TYPE, 0x06)
#define DSTACK_SEAL		_IO(DSTACK_IOC_TYPE, 0x07)
#define DSTACK_UNSEAL		_IO(DSTACK_IOC_TYPE, 0x08)
#define DSTACK_ACT_FOR		_IO(DSTACK_IOC_TYPE, 0x09)

/**
 * struct dstack_info - DSTACK_INFO: what this kernel offers
 * @size: sizeof(struct dstack_info)
 * @out_abi: DSTACK_ABI of the module
 * @out_features: DSTACK_FEATURE_* bits
 * @out_errata: bits of fixed mistakes; none yet
 * @out_backend: enum dstack_backend
 * @out_backend_flags: DSTACK_BACKEND_F_*
 * @out_state: enum dstack_state
 * @__reserved: must be 0
 * @out_id: the caller's container id, or "host", NUL-terminated
 */
struct dstack_info {
	__u32 size;
	__u32 out_abi;
	__aligned_u64 out_features;
	__aligned_u64 out_errata;
	__u32 out_backend;
	__u32 out_backend_flags;
	__u32 out_state;
	__u32 __reserved;
	__u8 out_id[DSTACK_ID_SIZE];
};

#define DSTACK_INFO_SIZE_VER0	168

/*
 * Bind the quote to the caller: @report_data is taken as a nonce, and the
 * quote's report data becomes DSTACK_BOUND_TAG followed by the SHA-384 of
 * tag, nonce, container id, digest of the caller's program and policy epoch.
 * The exact layout is in Documentation/userspace-api/dstack.rst.
 */
#define DSTACK_QUOTE_F_BOUND	_BITUL(0)
#define __DSTACK_QUOTE_F_ALL	DSTACK_QUOTE_F_BOUND
#define DSTACK_BOUND_TAG	"dstack-bound-v1"	/* 16 bytes with NUL */
#define DSTACK_BOUND_TAG_SIZE	16

/**
 * struct dstack_get_quote - DSTACK_GET_QUOTE: evidence for a relying party
 * @size: sizeof(struct dstack_get_quote)
 * @flags: DSTACK_QUOTE_F_*
 * @report_data: in: the caller's data, or nonce; out: what the quote holds
 * @quote: pointer to a buffer for the quote
 * @quote_len: in: its size in bytes; out: the quote's, also with ENOSPC
 * @__reserved: must be 0
 * @out_log_count: the quote covers the events [0, @out_log_count)
 * @out_register: the register in the quote; equals replay of these events
 */
struct dstack_get_quote {
	__u32 size;
	__u32 flags;
	__u8 report_data[DSTACK_REPORT_DATA_SIZE];
	__aligned_u64 quote;
	__u32 quote_len;
	__u32 __reserved;
	__aligned_u64 out_log_count;
	__u8 out_register[DSTACK_REGISTER_SIZE];
};

#define DSTACK_GET_QUOTE_SIZE_VER0	144

/* The daemon has stored this record: name and payload are no longer here. */
#define DSTACK_RECORD_F_DRAINED	_BITUL(0)

/**
 * struct dstack_log_record - one event as DSTACK_READ_LOG returns it
 * @size: of this record in bytes, a multiple of 8
 * @flags: DSTACK_RECORD_F_*
 * @seq: position in the log, from 0
 * @digest: what the register was extended with
 * @name_len: bytes of name in @data
 * @__reserved: 0
 * @payload_len: bytes of payload in @data, after the name
 * @data: name, payload, zeros up to @size
 */
struct dstack_log_record {
	__u32 size;
	__u32 flags;
	__aligned_u64 seq;
	__u8 digest[DSTACK_REGISTER_SIZE];
	__u16 name_len;
	__u16 __reserved;
	__u32 payload_len;
	__u8 data[];
};

/**
 * struct dstack_read_log - DSTACK_READ_LOG: copy whole records
 * @size: sizeof(struct dstack_read_log)
 * @flags: must be 0
 * @seq: first record wanted
 * @buf: pointer to a buffer for struct dstack_log_record
 * @buf_len: its size in bytes, at most DSTACK_READ_LOG_MAX
 * @out_len: bytes written to @buf
 * @out_next: the @seq to go on with; poll() reports records from here.  With
 *	ENODATA, the first record that is left
 * @out_count: events in the log
 */
struct dstack_read_log {
	__u32 size;
	__u32 flags;
	__aligned_u64 seq;
	__aligned_u64 buf;
	__u32 buf_len;
	__u32 out_len;
	__aligned_u64 out_next;
	__aligned_u64 out_count;
};

#define DSTACK_READ_LOG_SIZE_VER0	48

/**
 * struct dstack_extend - DSTACK_EXTEND: put an event of the caller's own in
 * @size: sizeof(struct dstack_extend)
 * @flags: must be 0
 * @name: NUL-terminated, [A-Za-z0-9._-]+
 * @data: pointer to the event's data
 * @data_len: its length in bytes, at most DSTACK_USER_DATA_MAX
 * @__reserved: must be 0
 * @out_seq: the event's position in the log
 *
 * The event is recorded as "dstack.user" with the caller's container id, so
 * that no user event can pass for one of the kernel or of the boot.
 */
struct dstack_extend {
	__u32 size;
	__u32 flags;
	__u8 name[DSTACK_NAME_SIZE];
	__aligned_u64 data;
	__u32 data_len;
	__u32 __reserved;
	__aligned_u64 out_seq;
};

#define DSTACK_EXTEND_SIZE_VER0	96

/**
 * struct dstack_why - DSTACK_WHY: the verdict on a file, without running it
 * @size: sizeof(struct dstack_why)
 * @flags: must be 0
 * @fd: the file, open for reading
 * @kind: one enum dstack_kind
 * @id: container to ask for, NUL-terminated; empty: the caller's own
 * @out_verdict: 0, or the negative errno that the exec or mmap would give
 * @out_reason: enum dstack_reason; in DSTACK_STATE_MEASURE a reason other than
 *	DSTACK_REASON_APPROVED with @out_verdict 0 is what ENFORCE would deny
 * @out_storage: enum dstack_storage
 * @out_kinds: kinds for which the policy names the digest
 * @out_epoch: epoch of the policy asked
 * @out_digest: what the file is known by
 * @__reserved: must be 0
 */
struct dstack_why {
	__u32 size;
	__u32 flags;
	__s32 fd;
	__u32 kind;
	__u8 id[DSTACK_ID_SIZE];
	__s32 out_verdict;
	__u32 out_reason;
	__u32 out_storage;
	__u32 out_kinds;
	__aligned_u64 out_epoch;
	struct dstack_digest out_digest;
	__u32 __reserved;
};

#define DSTACK_WHY_SIZE_VER0	208

/* @epoch names the key epoch; without it, it is the newest. */
#define DSTACK_KEY_F_EPOCH	_BITUL(0)
/* Upstream's second derivation ("v1"), not its first; scope APP, seeds only. */
#define DSTACK_KEY_F_V1		_BITUL(1)
#define __DSTACK_KEY_F_ALL	(DSTACK_KEY_F_EPOCH | DSTACK_KEY_F_V1)

/**
 * struct dstack_get_key - DSTACK_GET_KEY: a key of the caller's container
 * @size: sizeof(struct dstack_get_key)
 * @flags: DSTACK_KEY_F_*
 * @kind: one enum dstack_key_kind
 * @scope: one enum dstack_key_scope
 * @delivery: one enum dstack_key_delivery
 * @key_len: bytes of the key: DSTACK_KEY_SIZE, or with kind BYTES any from
 *	DSTACK_KEY_SIZE_MIN to DSTACK_KEY_SIZE_MAX
 * @keyring: KEY_SPEC_THREAD_KEYRING, KEY_SPEC_PROCESS_KEYRING or
 *	KEY_SPEC_SESSION_KEYRING; 0 with DSTACK_DELIVER_BYTES and _AGENT
 * @out_serial: the key's number in the keyrings
 * @path: pointer to the path, which policies approve by prefix
 * @purpose: pointer to what it is for; none in scope APP
 * @bytes: pointer to a buffer of @key_len bytes, with DSTACK_DELIVER_BYTES and
 *	DSTACK_DELIVER_AGENT
 * @path_len: at most DSTACK_KEY_PATH_MAX
 * @purpose_len: at most DSTACK_KEY_PURPOSE_MAX
 * @epoch: in, with DSTACK_KEY_F_EPOCH, and out: the key epoch
 * @name: with a keyring: what the key is called there after
 *	DSTACK_KEY_NAME_PREFIX; NUL-terminated, [A-Za-z0-9._-]+
 */
struct dstack_get_key {
	__u32 size;
	__u32 flags;
	__u32 kind;
	__u32 scope;
	__u32 delivery;
	__u32 key_len;
	__s32 keyring;
	__s32 out_serial;
	__aligned_u64 path;
	__aligned_u64 purpose;
	__aligned_u64 bytes;
	__u32 path_len;
	__u32 purpose_len;
	__aligned_u64 epoch;
	__u8 name[DSTACK_KEY_NAME_SIZE];
};

#define DSTACK_GET_KEY_SIZE_VER0	136

/* Compare with @tag, in constant time, instead of telling it. */
#define DSTACK_HMAC_F_VERIFY	_BITUL(0)
#define __DSTACK_HMAC_F_ALL	DSTACK_HMAC_F_VERIFY

/**
 * struct dstack_hmac - DSTACK_HMAC: HMAC-SHA256 of data
 * @size: sizeof(struct dstack_hmac)
 * @flags: DSTACK_HMAC_F_*
 * @key: number of a key of type "dstack" of kind HMAC
 * @data_len: at most DSTACK_KEY_DATA_MAX
 * @data: pointer to the data
 * @tag: out; with DSTACK_HMAC_F_VERIFY in
 */
struct dstack_hmac {
	__u32 size;
	__u32 flags;
	__s32 key;
	__u32 data_len;
	__aligned_u64 data;
	__u8 tag[DSTACK_KEY_TAG_SIZE];
};

#define DSTACK_HMAC_SIZE_VER0	56

/* The blob opens under the policy that is active now, and no other. */
#define DSTACK_SEAL_F_POLICY	_BITUL(0)
#define __DSTACK_SEAL_F_ALL	DSTACK_SEAL_F_POLICY

/**
 * struct dstack_seal - DSTACK_SEAL: make data a blob that only its owner opens
 * @size: sizeof(struct dstack_seal)
 * @flags: DSTACK_SEAL_F_*
 * @key: number of a key of type "dstack" of kind AEAD
 * @data_len: at most DSTACK_KEY_DATA_MAX
 * @data: pointer to the data
 * @blob: pointer to a buffer of @data_len + DSTACK_SEAL_OVERHEAD bytes
 * @blob_len: in: its size in bytes; out: the blob's, also with ENOSPC
 * @__reserved: must be 0
 */
struct dstack_seal {
	__u32 size;
	__u32 flags;
	__s32 key;
	__u32 data_len;
	__aligned_u64 data;
	__aligned_u64 blob;
	__u32 blob_len;
	__u32 __reserved;
};

#define DSTACK_SEAL_SIZE_VER0	40

/**
 * struct dstack_unseal - DSTACK_UNSEAL: the data of a blob
 * @size: sizeof(struct dstack_unseal)
 * @flags: must be 0
 * @key: number of a key of type "dstack" of kind AEAD
 * @blob_len: at most DSTACK_KEY_DATA_MAX + DSTACK_SEAL_OVERHEAD
 * @blob: pointer to the blob
 * @data: pointer to a buffer
 * @data_len: in: its size in bytes; out: the data's, also with ENOSPC
 * @out_check: enum dstack_seal_check, which one failed; also with EBADMSG,
 *	EKEYREJECTED, EKEYREVOKED and ENOKEY
 */
struct dstack_unseal {
	__u32 size;
	__u32 flags;
	__s32 key;
	__u32 blob_len;
	__aligned_u64 blob;
	__aligned_u64 data;
	__u32 data_len;
	__u32 out_check;
};

#define DSTACK_UNSEAL_SIZE_VER0	40

/**
 * struct dstack_act_for - DSTACK_ACT_FOR: let this file speak for a process
 * @size: sizeof(struct dstack_act_for)
 * @flags: must be 0
 * @pid: the process, as the caller's pid namespace numbers it
 * @__reserved: must be 0
 * @out_cgroup_id: of its container; 0 for the host
 * @out_id: of its container, or "host", NUL-terminated
 * @out_section: of the policy that applies to it, NUL-terminated; "host" too
 *
 * From then on all that is asked through the file is asked by the container in
 * which that process is now.  Once, and for services of the host alone, which
 * serve containers: CAP_SYS_ADMIN in the initial user namespace, and in
 * DSTACK_STATE_LOCKED approved for DSTACK_KIND_CONTROL, at each call.  A pid
 * can come to be another process's: who has a pidfd asks it afterwards.
 */
struct dstack_act_for {
	__u32 size;
	__u32 flags;
	__s32 pid;
	__u32 __reserved;
	__aligned_u64 out_cgroup_id;
	__u8 out_id[DSTACK_ID_SIZE];
	__u8 out_section[DSTACK_SECTION_SIZE];
};

#define DSTACK_ACT_FOR_SIZE_VER0	216

#include "dstack_genl.h"

#endif /* _UAPI_LINUX_DSTACK_H */
