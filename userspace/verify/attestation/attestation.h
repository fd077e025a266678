/* SPDX-License-Identifier: MIT */
/*
 * What the files of the container room share
 *
 * Copyright The dstack for Linux authors
 *
 * attestation.c tells the forms apart and memory.c owns what is in them,
 * scale.c and msgpack.c read the two encodings, container_scale.c,
 * container_msgpack.c and container_json.c the containers in them, events.c
 * keeps the log, explain.c compares it with registers, and verify.c asks for
 * the quote, too.
 */
#ifndef ATTESTATION_H
#define ATTESTATION_H

#include <jansson.h>
#include <libdstack_attestation.h>
#include <msgpack.h>

#include "../failure.h"
#include "event.h"
#include "lib.h"

#define ATT_REGISTERS		4
#define ATT_RUNTIME_REGISTER	3

/* attestation.c */

/* A container being parsed. */
struct att {
	struct libdstack_attestation *out;
	struct libdstack_failure *failure;
	struct libdstack_span input;	/* a copy that @out owns */
	const struct libdstack_span *quote;	/* of a TCB info */
	struct libdstack_log listed;	/* register 3 in the event log */
	size_t boot_cap, runtime_cap, listed_cap;
};

int att_fail(struct att *att, enum libdstack_reason reason,
	     const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
int att_no_memory(struct att *att);
/* Of a TD, as far as the head says; an enclave's is another kind. */
bool att_is_td_quote(const struct libdstack_span *quote);
/* A quote and its log in JSON, each from somewhere else. */
int att_from_quote(const struct libdstack_span *quote,
		   const struct libdstack_span *log,
		   struct libdstack_attestation **attestation,
		   struct libdstack_failure *failure);
/* By the first byte of the input. */
int att_parse(struct att *att);
/* A container's report data, which must have the length of one. */
int att_report_data(struct att *att, const struct libdstack_span *value);

/* memory.c */

bool att_is_zero(const uint8_t *p, size_t len);
/* Zeros that live as long as the container.  NULL: no memory. */
void *att_alloc(struct libdstack_attestation *out, size_t size);
bool att_copy(struct libdstack_attestation *out, const void *data, size_t len,
	      struct libdstack_span *copy);

/* events.c */

/* One entry of an event log, as it was written. */
struct att_event {
	uint32_t imr, type, version;	/* version 0: not said */
	struct libdstack_span digest, name, payload;
};

/* One of the container's event log, all registers. */
int att_add_listed(struct att *att, const struct att_event *event);
/* One of the list that upstream replays to register 3. */
int att_add_runtime(struct att *att, const struct att_event *event);
/* Both lists are complete: they must say the same. */
int att_check_lists(struct att *att);
/* The event log is the only list there is. */
void att_adopt_listed(struct att *att);

/* scale.c: parity's SCALE encoding, as far as containers need it */

/* Reading goes on from a failure with zeros; @why is the first one. */
struct scale {
	const uint8_t *next;
	size_t left;
	const char *why;
};

void scale_init(struct scale *s, const void *data, size_t len);
uint8_t scale_u8(struct scale *s);
bool scale_bool(struct scale *s);
uint32_t scale_u32(struct scale *s);
uint64_t scale_u64(struct scale *s);
/* A length in front of a Vec or String. */
uint32_t scale_length(struct scale *s);
/* Of items that take at least @least bytes each: no more than can follow. */
uint32_t scale_count(struct scale *s, size_t least, size_t most);
struct libdstack_span scale_fixed(struct scale *s, size_t len);
struct libdstack_span scale_bytes(struct scale *s);
void scale_refuse(struct scale *s, const char *why);

/* msgpack.c: MessagePack by name, of bounded size */

/* A named value that may be absent. */
#define MP_OPTIONAL	'?'
#define MP_FIELDS_MAX	8

/*
 * One value that fills @data.  0, -EBADMSG or -ENOMEM with *@why.  The zone
 * is to be destroyed when this returns 0.
 */
int mp_parse(const uint8_t *data, size_t len, msgpack_zone *zone,
	     msgpack_object *obj, const char **why);
/*
 * The values of a map that has these names and no others; @names ends with
 * NULL, and a name that starts with MP_OPTIONAL may be absent or nil.
 */
bool mp_fields(const msgpack_object *obj, const char *const *names,
	       const msgpack_object *out[MP_FIELDS_MAX]);
bool mp_text(const msgpack_object *obj, struct libdstack_span *out);
bool mp_is(const msgpack_object *obj, const char *text);
bool mp_u32(const msgpack_object *obj, uint32_t *out);
/* Either way to write bytes: bin, or an array of small numbers. */
bool mp_bytes(struct libdstack_attestation *out, const msgpack_object *obj,
	      struct libdstack_span *bytes);

/* container_*.c */

int att_parse_scale(struct att *att);
/*
 * The container that @s is at, up to its last byte: what a CSR ends with.
 */
int att_read_scale(struct att *att, struct scale *s);
int att_parse_msgpack(struct att *att);
int att_parse_json(struct att *att);
int att_parse_tcb_info(struct att *att);
/* The input is the log of the quote. */
int att_parse_log(struct att *att);

/* json.c: JSON of a bounded number of values */

/* NULL with the failure: not JSON, or more than @most values. */
json_t *att_json(struct libdstack_failure *failure, const void *text,
		 size_t len, size_t most, const char *what);
/* -EBADMSG or -ENOMEM; @value may be NULL. */
int att_hex(struct libdstack_attestation *out, const json_t *value,
	    struct libdstack_span *bytes);
bool att_hex_fixed(const json_t *value, void *bytes, size_t len);
/*
 * All members are among @names, which ends with NULL, and none is missing but
 * those that start with MP_OPTIONAL.  NULL, or the name that is not right.
 */
const char *att_members(const json_t *obj, const char *const *names);

#endif /* ATTESTATION_H */
