/* SPDX-License-Identifier: MIT */
/*
 * libdstack: talk to dstack.ko, read its log, verify its evidence
 *
 * Copyright The dstack for Linux authors
 *
 * Functions return 0 or a count, or a negative errno.  They never print and
 * never exit: what is wrong, in words, goes to the message callback.  Reading,
 * replaying and verifying need neither the kernel module nor root.
 */
#ifndef LIBDSTACK_H
#define LIBDSTACK_H

#include <linux/dstack.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>
#include <time.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Room for every error message, which names the next step where one helps. */
#define LIBDSTACK_MESSAGE_MAX 1024

typedef void (*libdstack_message_fn)(const char *message);

/* Called with one line, without newline, for every error.  NULL: silence. */
void libdstack_set_message_callback(libdstack_message_fn callback);

/* Lower case and a NUL; @out takes 2 * len + 1 bytes.  Returns @out. */
char *libdstack_to_hex(const void *data, size_t len, char *out);
/* True if @text is exactly 2 * @len hex digits of either case. */
bool libdstack_from_hex(const char *text, size_t text_len, void *out,
			size_t len);

/* True if @text is all decimal digits, one at least, of a number up to @max. */
bool libdstack_parse_u64(const char *text, uint64_t max, uint64_t *value);

/* Room for an algorithm's name, ':', the hex digits and a NUL. */
#define LIBDSTACK_DIGEST_TEXT	(2 * DSTACK_DIGEST_SIZE + 32)

/* "sha256:<hex>", "fsverity-sha256:<hex>" or "none".  Returns @out. */
char *libdstack_digest_to_text(const struct dstack_digest *digest,
			       char out[LIBDSTACK_DIGEST_TEXT]);
/* The same back; lower case only, as there is one way to write a digest. */
bool libdstack_digest_from_text(const char *text,
				struct dstack_digest *digest);

/*
 * device: what a process asks for itself (ioctls on /dev/dstack)
 */

struct libdstack_quote {
	uint8_t *data;			/* free with libdstack_quote_free() */
	size_t len;
	uint8_t report_data[DSTACK_REPORT_DATA_SIZE];
	uint64_t log_count;		/* events that the quote covers */
	uint8_t register_value[DSTACK_REGISTER_SIZE];
};

/* Opens /dev/dstack (or $DSTACK_DEVICE).  Returns a descriptor or -errno. */
int libdstack_device_open(void);
int libdstack_info(int fd, struct dstack_info *info);
int libdstack_get_quote(int fd, uint32_t flags,
			const uint8_t report_data[DSTACK_REPORT_DATA_SIZE],
			struct libdstack_quote *quote);
void libdstack_quote_free(struct libdstack_quote *quote);
int libdstack_extend(int fd, const char *name, const void *data, size_t len,
		     uint64_t *seq);
/* Which kind a file would run as: by its "#!" or its ELF header. */
int libdstack_file_kind(int file, uint32_t *kind);
int libdstack_why(int fd, int file, uint32_t kind, const char *id,
		  struct dstack_why *why);
/* What the module knows a program by.  -ENOEXEC: it is none. */
int libdstack_file_digest(int file, struct dstack_digest *digest);

typedef int (*libdstack_record_fn)(const struct dstack_log_record *record,
				   void *arg);

/*
 * Calls @fn for each record from *seq on; *seq is then the next one.  Stops at
 * the end of the log, or when @fn returns other than 0, which is returned.
 */
int libdstack_read_log(int fd, uint64_t *seq, libdstack_record_fn fn,
		       void *arg);

/* Whom a descriptor of the device speaks for. */
struct libdstack_acts_for {
	char id[DSTACK_ID_SIZE];	/* DSTACK_HOST_ID: the host */
	char section[DSTACK_SECTION_SIZE];	/* of the policy */
	uint64_t cgroup_id;		/* 0: the host */
};

/*
 * From now on what is asked through @fd is asked by the container of this
 * process, which comes back.  Whoever has a pidfd of it looks afterwards
 * whether it still lives, or the number was another process's.  -EBUSY: this
 * @fd acts for somebody.
 */
int libdstack_act_for(int fd, pid_t pid, struct libdstack_acts_for *who);

/*
 * keys: of the caller's container, by the same ioctls
 * (Documentation/userspace-api/dstack.rst)
 */

/* Zeroed memory, locked, in no core dump and in no child.  0 or -errno. */
int libdstack_secret_alloc(size_t size, void **secret);
/* Wipes it too.  @size as allocated; @secret may be NULL. */
void libdstack_secret_free(void *secret, size_t size);
/*
 * A file of the caller's, or of root's, that nobody else may read: a descriptor
 * or -errno; -EPERM if it is none.
 */
int libdstack_secret_open(const char *path);
/*
 * From @fd to its end, at most @max bytes, into memory for
 * libdstack_secret_free() with @max + 1.  -EFBIG: there are more.  @name: of
 * what is read, for the message.
 */
int libdstack_secret_read(int fd, const char *name, size_t max, void **secret,
			  size_t *len);

/* Which key, and how it is wanted. */
struct libdstack_key {
	enum dstack_key_kind kind;
	enum dstack_key_scope scope;
	enum dstack_key_delivery delivery;
	uint32_t flags;			/* DSTACK_KEY_F_* */
	uint32_t len;			/* bytes of it; 0: DSTACK_KEY_SIZE */
	const void *path, *purpose;
	size_t path_len, purpose_len;
	int32_t keyring;		/* KEY_SPEC_*; not for bytes */
	const char *name;		/* in that keyring */
	uint64_t epoch;			/* in with DSTACK_KEY_F_EPOCH; out */
};

/*
 * DSTACK_DELIVER_BYTES: to @bytes, which the caller wipes; else into the
 * keyring, and *@serial is the key's number there.
 */
int libdstack_get_key(int fd, struct libdstack_key *key, void *bytes,
		      int32_t *serial);
int libdstack_hmac(int fd, int32_t key, const void *data, size_t len,
		   uint8_t tag[DSTACK_KEY_TAG_SIZE]);
/* -EBADMSG: the tag is another. */
int libdstack_hmac_verify(int fd, int32_t key, const void *data, size_t len,
			  const uint8_t tag[DSTACK_KEY_TAG_SIZE]);
/* @blob has room for @len + DSTACK_SEAL_OVERHEAD bytes, and gets as many. */
int libdstack_seal(int fd, int32_t key, uint32_t flags, const void *data,
		   size_t len, void *blob);
/*
 * *@len: room in @data, and then the bytes in it.  *@check: which check the
 * blob did not pass, with -EBADMSG, -EKEYREJECTED, -EKEYREVOKED or -ENOKEY.
 */
int libdstack_unseal(int fd, int32_t key, const void *blob, size_t blob_len,
		     void *data, size_t *len, enum dstack_seal_check *check);

/*
 * Makes /dev/mapper/@name of the LUKS2 volume on @device, with the
 * application's key of @path, which goes from the module to dm-crypt.
 * -EBADMSG: its header is not one to trust.
 */
int libdstack_open_volume(const char *device, const char *name,
			  const char *path, bool readonly);

/*
 * control: the daemon's and the operator's side (generic netlink, root only)
 */

struct libdstack_control;		/* one socket */

struct libdstack_status {
	uint32_t state, backend, backend_flags, diverged, hooks, containers;
	uint32_t keys;			/* in keyrings, made from root keys */
	uint8_t register_value[DSTACK_REGISTER_SIZE];
	uint8_t base[DSTACK_REGISTER_SIZE];
	uint64_t log_count, log_acked, log_pending, log_memory;
	uint64_t log_first;		/* first event with a digest there */
	uint8_t log_start[DSTACK_REGISTER_SIZE]; /* before that event */
	uint64_t policy_epoch;		/* 0: no policy */
	uint8_t policy_app_id[DSTACK_APP_ID_SIZE];
	uint8_t policy_table[DSTACK_DIGEST_SIZE];
	uint8_t policy_document[DSTACK_DIGEST_SIZE];
	uint64_t allowed, denied, cache_hits, cache_misses;
};

struct libdstack_container {
	char id[DSTACK_ID_SIZE];
	char section[DSTACK_SECTION_SIZE];
	uint8_t app_id[DSTACK_APP_ID_SIZE];
	uint8_t image[DSTACK_DIGEST_SIZE];	/* zeros: not given */
	uint64_t cgroup_id;
	uint64_t allowed, denied;
	uint64_t pending;	/* bytes of its events that wait for dstackd */
	uint64_t refused;	/* how often it wanted to record too much */
	enum dstack_mode measure;	/* which execs are recorded */
	uint32_t flags;			/* DSTACK_CONTAINER_F_* */
};

int libdstack_control_open(struct libdstack_control **control);
void libdstack_control_close(struct libdstack_control *control);
int libdstack_status(struct libdstack_control *control,
		     struct libdstack_status *status);
int libdstack_set_state(struct libdstack_control *control, uint32_t state);
int libdstack_load_table(struct libdstack_control *control,
			 const void *table, size_t size,
			 const uint8_t document[DSTACK_DIGEST_SIZE]);
struct libdstack_policy;
/* Loads @policy unless it is the active one.  @app_id: the policy's. */
int libdstack_ensure_policy(struct libdstack_control *control,
			    const struct libdstack_policy *policy,
			    uint8_t app_id[DSTACK_APP_ID_SIZE]);
int libdstack_add_container(struct libdstack_control *control, int cgroup_fd,
			    const struct libdstack_container *container);
int libdstack_remove_container(struct libdstack_control *control,
			       const char *id);
int libdstack_list_containers(struct libdstack_control *control,
			      int (*fn)(const struct libdstack_container *c,
					void *arg), void *arg);
/* A block device that checks what it reads. */
struct libdstack_device {
	uint32_t major, minor;
	enum dstack_storage storage;	/* listed as DISK: it was changed */
	uint8_t root[DSTACK_ROOT_MAX];
	size_t root_len;		/* 0: it has no root hash */
};

/*
 * Asks device-mapper.  -ENOTBLK: not one of its devices; -EBADMSG: one that
 * does not check every read, and the message says why.
 */
int libdstack_identify_device(const char *path,
			      struct libdstack_device *device);
int libdstack_add_device(struct libdstack_control *control,
			 const struct libdstack_device *device);
int libdstack_remove_device(struct libdstack_control *control,
			    const struct libdstack_device *device);
int libdstack_list_devices(struct libdstack_control *control,
			   int (*fn)(const struct libdstack_device *d,
				     void *arg), void *arg);

/* A root key, which the module does not tell. */
struct libdstack_root {
	uint8_t app_id[DSTACK_APP_ID_SIZE];
	uint64_t epoch;
	uint8_t id[DSTACK_KEY_ID_SIZE];	/* the same for the same root key */
};

/* The key is of this machine alone: no event tells it from another's. */
#define LIBDSTACK_ROOT_LOCAL	(1U << 0)

/* @root stays the caller's to wipe.  @flags: LIBDSTACK_ROOT_*. */
int libdstack_load_root(struct libdstack_control *control,
			const uint8_t app_id[DSTACK_APP_ID_SIZE],
			uint64_t epoch,
			const uint8_t root[DSTACK_KEY_ROOT_SIZE],
			unsigned int flags);
/* The same unless it is there already.  -EEXIST: another one is. */
int libdstack_ensure_root(struct libdstack_control *control,
			  const uint8_t app_id[DSTACK_APP_ID_SIZE],
			  uint64_t epoch,
			  const uint8_t root[DSTACK_KEY_ROOT_SIZE],
			  unsigned int flags);
/* This key epoch and all before it, until the next boot. */
int libdstack_retire_roots(struct libdstack_control *control,
			   const uint8_t app_id[DSTACK_APP_ID_SIZE],
			   uint64_t epoch);
/* All, of all applications; each can be loaded again. */
int libdstack_wipe_roots(struct libdstack_control *control);
int libdstack_list_roots(struct libdstack_control *control,
			 int (*fn)(const struct libdstack_root *root,
				   void *arg), void *arg);

int libdstack_add_event(struct libdstack_control *control, const char *name,
			const void *payload, size_t len);
int libdstack_ack_log(struct libdstack_control *control, uint64_t count);
/* Descriptors of the BPF links, by hook; the module keeps them. */
int libdstack_set_hooks(struct libdstack_control *control,
			const int links[__DSTACK_HOOK_MAX]);

/*
 * log: the events as a file, one JSON object a line in the form of upstream's
 * event log:
 *   {"imr":3,"event_type":134217729,"digest":HEX,"event":NAME,
 *    "event_payload":HEX}
 * A reader also takes one JSON array of the same objects.  Upstream leaves
 * digests out of some logs (""): they are then computed.  Its logs also hold
 * the boot's events of registers 0 to 2, which are counted and left out.
 */

#define LIBDSTACK_LOG_FILE_MAX	1073741824U	/* bytes of a log */
#define LIBDSTACK_LOG_ENTRY_MAX	65536U		/* bytes of one event in it */

struct libdstack_event {
	uint32_t imr;				/* 3 */
	uint32_t event_type;			/* 0x08000001 */
	uint32_t version;			/* of the digest; 0: 1 */
	uint8_t digest[DSTACK_REGISTER_SIZE];	/* as recorded */
	char *name;
	uint8_t *payload;
	size_t payload_len;
};

struct libdstack_log {
	struct libdstack_event *events;
	size_t count;
	size_t others;			/* events of other registers */
};

/* -EBADMSG: not a log, and the message says which entry; -EFBIG: too large. */
int libdstack_log_read(const char *path, struct libdstack_log **log);
int libdstack_log_parse(const char *text, size_t len,
			struct libdstack_log **log);
void libdstack_log_free(struct libdstack_log *log);
/* One line with its newline, for free().  -EINVAL: not an event's name. */
int libdstack_event_to_json(const char *name, size_t name_len,
			    const void *payload, size_t len,
			    const uint8_t digest[DSTACK_REGISTER_SIZE],
			    char **line);
/*
 * Folds the first @count events into @value, which holds the start value
 * (zeros after boot).  Each digest is computed from name and payload; one that
 * differs from the recorded digest is -EBADMSG, *bad its index.
 */
int libdstack_log_replay(const struct libdstack_log *log, size_t count,
			 uint8_t value[DSTACK_REGISTER_SIZE], size_t *bad);
/*
 * The number of events after which @value, the start value, has become @want.
 * -ENOENT: after none, @value is then that of the whole log; -EBADMSG as above.
 */
int libdstack_log_find(const struct libdstack_log *log,
		       uint8_t value[DSTACK_REGISTER_SIZE],
		       const uint8_t want[DSTACK_REGISTER_SIZE],
		       size_t *count, size_t *bad);

/*
 * policy: the JSON document, and the table that the kernel takes
 * (Documentation/userspace-api/policy.rst)
 */

#define LIBDSTACK_POLICY_FILE_MAX	67108864U	/* bytes of a text */
#define LIBDSTACK_POLICY_PATH_MAX	4096		/* with NUL */
#define LIBDSTACK_POLICY_EPOCH_MAX	9007199254740991ULL	/* 2^53 - 1 */

struct libdstack_policy;

/* One file that containers of a section may run. */
struct libdstack_rule {
	const char *section;
	struct dstack_digest digest;
	uint32_t kinds;			/* mask of enum dstack_kind */
	const char *path;		/* for people only; NULL: not known */
};

#define LIBDSTACK_KINDS	5	/* from the lowest bit of enum dstack_kind */

/* What containers of one kind may run. */
struct libdstack_section {
	const char *name;
	enum dstack_mode measure;	/* which of their execs are recorded */
	bool memory;			/* executable, that is no file's */
	enum dstack_action revoked;	/* if one runs what was dropped */
	/* For each kind: bits 1 << enum dstack_storage. */
	uint32_t accept[LIBDSTACK_KINDS];
	uint32_t trust[LIBDSTACK_KINDS];	/* without a rule */
	size_t rules, keys;
};

/* Keys that containers of a section may ask for. */
struct libdstack_key_term {
	const char *section;
	const char *path;		/* what their paths begin with */
	uint32_t kinds;			/* mask of enum dstack_key_kind */
	uint32_t scopes;		/* of enum dstack_key_scope */
	uint32_t delivery;		/* of enum dstack_key_delivery */
};

/* Return other than 0 to stop; that is what the caller then gets. */
typedef int (*libdstack_rule_fn)(const struct libdstack_rule *rule, void *arg);
typedef int (*libdstack_section_fn)(const struct libdstack_section *section,
				    void *arg);
typedef int (*libdstack_key_term_fn)(const struct libdstack_key_term *term,
				     void *arg);

/*
 * -EBADMSG: not a policy, and the message says where and how to mend it;
 * -E2BIG: more rules, sections or key terms than a table holds; -EFBIG: too
 * long a text.
 */
int libdstack_policy_read(const char *path, struct libdstack_policy **policy);
int libdstack_policy_parse(const char *text, size_t len,
			   struct libdstack_policy **policy);
int libdstack_policy_new(const uint8_t app_id[DSTACK_APP_ID_SIZE],
			 uint64_t epoch, struct libdstack_policy **policy);
void libdstack_policy_free(struct libdstack_policy *policy);
/* A section that exists stays as it is; a new one has every exec recorded. */
int libdstack_policy_add_section(struct libdstack_policy *policy,
				 const char *section);
/* These add the section if need be. */
int libdstack_policy_set_measure(struct libdstack_policy *policy,
				 const char *section,
				 enum dstack_mode measure);
int libdstack_policy_set_memory(struct libdstack_policy *policy,
				const char *section, bool allow);
int libdstack_policy_set_revoked(struct libdstack_policy *policy,
				 const char *section,
				 enum dstack_action action);
/*
 * What files of one kind may rest on, and on what they need no rule: bits
 * 1 << enum dstack_storage.  -EINVAL: what no policy can accept, or something
 * to trust that is not accepted.
 */
int libdstack_policy_set_storage(struct libdstack_policy *policy,
				 const char *section, enum dstack_kind kind,
				 uint32_t accept, uint32_t trust);
/* In the place of a term that the section has for the same path. */
int libdstack_policy_set_keys(struct libdstack_policy *policy,
			      const struct libdstack_key_term *term);
/*
 * Adds the section too if need be.  A digest that the section has gets the
 * new kinds as well, and of two paths the one that sorts first is kept, so
 * that the order of calls does not matter.
 */
int libdstack_policy_add(struct libdstack_policy *policy, const char *section,
			 const struct dstack_digest *digest, uint32_t kinds,
			 const char *path);
uint64_t libdstack_policy_epoch(const struct libdstack_policy *policy);
const uint8_t *libdstack_policy_app_id(const struct libdstack_policy *policy);
/*
 * Sections by name; the rules of one section (NULL: of all) by digest, its key
 * terms by path.
 */
int libdstack_policy_each_section(const struct libdstack_policy *policy,
				  libdstack_section_fn fn, void *arg);
int libdstack_policy_each_rule(const struct libdstack_policy *policy,
			       const char *section, libdstack_rule_fn fn,
			       void *arg);
int libdstack_policy_each_keys(const struct libdstack_policy *policy,
			       const char *section, libdstack_key_term_fn fn,
			       void *arg);
/*
 * Canonical JSON (RFC 8785) for free(), and its SHA-256.  A policy that was
 * read and not changed is written with its arrays in the author's order.
 */
int libdstack_policy_canonical(const struct libdstack_policy *policy,
			       char **text, size_t *len);
int libdstack_policy_digest(const struct libdstack_policy *policy,
			    uint8_t digest[DSTACK_DIGEST_SIZE]);
/* The binary table (kmod/table.h) for free(), and its SHA-256. */
int libdstack_policy_compile(const struct libdstack_policy *policy,
			     void **table, size_t *size);
int libdstack_policy_table_digest(const struct libdstack_policy *policy,
				  uint8_t digest[DSTACK_DIGEST_SIZE]);

/*
 * The Merkle root of what a policy says, whatever its order and paths, and a
 * proof that a rule or a key term is part of it (policy.rst has the tree).
 */

#define LIBDSTACK_LEAF_MAX	256
#define LIBDSTACK_PROOF_MAX	64

struct libdstack_proof {
	uint64_t index, count;		/* of the leaf, of leaves */
	size_t leaf_len, nr;		/* bytes of @leaf, hashes of @path */
	uint8_t leaf[LIBDSTACK_LEAF_MAX];
	uint8_t path[LIBDSTACK_PROOF_MAX][DSTACK_DIGEST_SIZE];
};

int libdstack_policy_root(const struct libdstack_policy *policy,
			  uint8_t root[DSTACK_DIGEST_SIZE]);
/* -ENOENT: the section has no rule for this digest. */
int libdstack_policy_prove(const struct libdstack_policy *policy,
			   const char *section,
			   const struct dstack_digest *digest,
			   struct libdstack_proof *proof);
/* -ENOENT: the section has no key term with this very path. */
int libdstack_policy_prove_keys(const struct libdstack_policy *policy,
				const char *section, const char *path,
				struct libdstack_proof *proof);
/* 0 if the leaf is at its index in the tree of this root; or -EBADMSG. */
int libdstack_proof_check(const struct libdstack_proof *proof,
			  const uint8_t root[DSTACK_DIGEST_SIZE]);
/* What the leaf says, which is nothing before the check: or -EBADMSG. */
int libdstack_proof_rule(const struct libdstack_proof *proof,
			 char section[DSTACK_SECTION_SIZE],
			 struct dstack_digest *digest, uint32_t *kinds);

/*
 * Adds every ELF file and script of a root directory, of an OCI image layout
 * (linux/amd64), or one such file, to a section.  *@image is the SHA-256 of
 * the layout's manifest, or zeros.  A file that has fs-verity gets a rule with
 * that digest as well: it is the one that the kernel asks for.  After an error
 * the section may have a part of the files: throw the policy away.  What was
 * left out, a mounted file system for instance, is said through the message
 * callback.
 */
int libdstack_policy_scan(struct libdstack_policy *policy, const char *section,
			  const char *path, uint32_t flags,
			  uint8_t image[DSTACK_DIGEST_SIZE]);
/*
 * Rules for the fs-verity digests that the files would have, too, with SHA-256,
 * blocks of 4 KiB and no salt.
 */
#define LIBDSTACK_SCAN_FSVERITY		1U
/*
 * Rules of kind kernel for modules, whatever their compression, and for what is
 * in lib/firmware.  For the host's section: a container need not load any.
 */
#define LIBDSTACK_SCAN_KERNEL		2U

#ifdef __cplusplus
}
#endif

#endif /* LIBDSTACK_H */
