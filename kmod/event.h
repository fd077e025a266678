/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * One event: its name, its payload, its digest
 *
 * Copyright The dstack for Linux authors
 *
 * An event is a name and a payload.  The register is extended with upstream
 * dstack's "V1" digest of them, so that every existing verifier replays our
 * log:
 *
 *	SHA-384(le32(0x08000001) ":" name ":" payload)
 *
 * Names that start with "dstack." are the kernel's.  Their payload is one line
 * of printable ASCII: "v=1", then key=value in the order of the name's schema,
 * separated by single spaces.  A value has no space, '=' or '%'; such bytes
 * and those outside printable ASCII are written %XX.  There is exactly one
 * way to write an event, and the decoder accepts no other.
 */
#ifndef _DSTACK_EVENT_H
#define _DSTACK_EVENT_H

#include "pure.h"

struct dstack_quota;

#define DSTACK_EVENT_TYPE	0x08000001U
#define DSTACK_EVENT_PREFIX	"dstack."
#define DSTACK_EVENT_VERSION	"v=1"
#define DSTACK_PAYLOAD_MAX	4096	/* bytes of any payload */
#define DSTACK_PATH_SHOWN	512	/* bytes of a path in a payload */
#define DSTACK_EVENT_KEYS	9	/* most keys of any schema */

enum dstack_event_id {
	DSTACK_EVENT_START,	/* the module was loaded */
	DSTACK_EVENT_STATE,	/* OFF, MEASURE, ENFORCE, LOCKED */
	DSTACK_EVENT_POLICY,	/* a policy became the active one */
	DSTACK_EVENT_CONTAINER,	/* a container was registered or removed */
	DSTACK_EVENT_EXEC,	/* a program is about to run */
	DSTACK_EVENT_SCRIPT,	/* a script, first time in its container */
	DSTACK_EVENT_MAP,	/* a library, first time in its container */
	DSTACK_EVENT_DENY,	/* one of these was denied */
	DSTACK_EVENT_USER,	/* DSTACK_EXTEND by a container */
	DSTACK_EVENT_MODE,	/* which execs of a container are recorded */
	DSTACK_EVENT_REGISTER,	/* somebody else opened the register */
	DSTACK_EVENT_KERNEL,	/* a module or firmware, first time */
	DSTACK_EVENT_TAMPER,	/* an attempt to get around all this */
	DSTACK_EVENT_QUOTA,	/* a container wanted to record too much */
	DSTACK_EVENT_REVOKE,	/* what runs was dropped by a newer policy */
	DSTACK_EVENT_DEVICE,	/* a block device checks what it reads */
	DSTACK_EVENT_MEMORY,	/* may a container have memory of its own */
	DSTACK_EVENT_FORMAT,	/* a container opened binfmt_misc */
	DSTACK_EVENT_ROOT,	/* a root key came, was retired or wiped */
	DSTACK_EVENT_KEY,	/* a container got a key's bytes */
	__DSTACK_EVENT_MAX
};

/**
 * struct dstack_event - an event being written
 * @id: which of the kernel's events, __DSTACK_EVENT_MAX for a foreign name
 * @key: index of the next key to append
 * @err: first error; sticky, reported by dstack_event_end()
 * @len: bytes of @payload in use
 * @name: NUL-terminated; the schema's, or the caller's
 * @quota: kernel only: of the container that it counts against, NULL for the
 *	kernel's own; dstack_event_begin() and _foreign() set NULL
 * @payload: not terminated
 *
 * Append the values in the schema's order; a wrong key is an error, so that
 * code and schema cannot drift apart.
 */
struct dstack_event {
	enum dstack_event_id id;
	u32 key;
	int err;
	u32 len;
	const char *name;
	struct dstack_quota *quota;
	u8 payload[DSTACK_PAYLOAD_MAX];
};

/**
 * struct dstack_event_fields - a decoded payload
 * @id: which of the kernel's events
 * @nr: number of values, equal to the schema's number of keys
 * @key: the schema's keys
 * @value: still escaped, pointing into the payload
 */
struct dstack_event_fields {
	enum dstack_event_id id;
	u32 nr;
	const char *key[DSTACK_EVENT_KEYS];
	struct dstack_bytes value[DSTACK_EVENT_KEYS];
};

void dstack_event_begin(struct dstack_event *ev, enum dstack_event_id id);
void dstack_event_str(struct dstack_event *ev, const char *key,
		      const char *value);
void dstack_event_text(struct dstack_event *ev, const char *key,
		       const void *value, size_t len);
void dstack_event_path(struct dstack_event *ev, const char *key,
		       const char *path);
void dstack_event_u64(struct dstack_event *ev, const char *key, u64 value);
void dstack_event_hex(struct dstack_event *ev, const char *key,
		      const void *value, size_t len);
void dstack_event_sha256(struct dstack_event *ev, const char *key,
			 const u8 digest[DSTACK_DIGEST_SIZE]);
void dstack_event_file(struct dstack_event *ev, const char *key,
		       const struct dstack_digest *digest);
int dstack_event_end(const struct dstack_event *ev);

int dstack_event_foreign(struct dstack_event *ev, const char *name,
			 const void *payload, size_t len);
int dstack_event_decode(const char *name, const void *payload, size_t len,
			struct dstack_event_fields *out);
const struct dstack_bytes *
dstack_event_field(const struct dstack_event_fields *fields, const char *key);
int dstack_event_unescape(const struct dstack_bytes *value, void *out,
			  size_t cap);

bool dstack_event_name_ok(const char *name);
bool dstack_event_id_ok(const char *id);
bool dstack_event_name_reserved(const char *name);
const char *dstack_event_name(enum dstack_event_id id);

int dstack_event_digest(const void *name, size_t name_len, const void *payload,
			size_t len, u8 out[DSTACK_REGISTER_SIZE]);
int dstack_event_fold(u8 value[DSTACK_REGISTER_SIZE],
		      const u8 digest[DSTACK_REGISTER_SIZE]);

#endif /* _DSTACK_EVENT_H */
