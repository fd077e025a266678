// SPDX-License-Identifier: MIT
/*
 * An event has one form, and its digest is upstream's
 *
 * Copyright The dstack for Linux authors
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "event.h"
#include "lib.h"
#include "words.h"

#define EXEC_PAYLOAD \
	"v=1 id=web digest=sha256:00 reason=approved epoch=3 " \
	"storage=disk path=/bin/sh"

#define ZEROS	"000000000000000000000000000000000000000000000000000000000000"

/* How each of the kernel's events looks with "x" for every value. */
static const struct {
	enum dstack_event_id id;
	const char *name, *payload;
} forms[] = {
	{ DSTACK_EVENT_START, "dstack.start", "v=1 backend=x abi=x base=x" },
	{ DSTACK_EVENT_STATE, "dstack.state", "v=1 from=x to=x" },
	{ DSTACK_EVENT_POLICY, "dstack.policy",
	  "v=1 epoch=x app=x table=x document=x rules=x" },
	{ DSTACK_EVENT_CONTAINER, "dstack.container",
	  "v=1 action=x id=x section=x app=x image=x cgroup=x flags=x" },
	{ DSTACK_EVENT_EXEC, "dstack.exec",
	  "v=1 id=x digest=x reason=x epoch=x storage=x path=x" },
	{ DSTACK_EVENT_SCRIPT, "dstack.script",
	  "v=1 id=x digest=x reason=x epoch=x storage=x path=x" },
	{ DSTACK_EVENT_MAP, "dstack.map",
	  "v=1 id=x digest=x reason=x epoch=x storage=x path=x" },
	{ DSTACK_EVENT_DENY, "dstack.deny",
	  "v=1 id=x kind=x digest=x reason=x count=x epoch=x storage=x "
	  "path=x" },
	{ DSTACK_EVENT_USER, "dstack.user", "v=1 id=x name=x data=x" },
	{ DSTACK_EVENT_MODE, "dstack.mode", "v=1 id=x from=x to=x epoch=x" },
	{ DSTACK_EVENT_REGISTER, "dstack.register",
	  "v=1 id=x verdict=x count=x path=x" },
	{ DSTACK_EVENT_KERNEL, "dstack.kernel",
	  "v=1 id=x digest=x reason=x epoch=x storage=x path=x" },
	{ DSTACK_EVENT_TAMPER, "dstack.tamper",
	  "v=1 id=x what=x verdict=x count=x" },
	{ DSTACK_EVENT_QUOTA, "dstack.quota", "v=1 id=x what=x count=x" },
	{ DSTACK_EVENT_REVOKE, "dstack.revoke",
	  "v=1 id=x digest=x action=x epoch=x processes=x path=x" },
	{ DSTACK_EVENT_DEVICE, "dstack.device",
	  "v=1 action=x class=x device=x root=x" },
	{ DSTACK_EVENT_MEMORY, "dstack.memory",
	  "v=1 id=x from=x to=x epoch=x" },
	{ DSTACK_EVENT_FORMAT, "dstack.format",
	  "v=1 id=x verdict=x count=x path=x" },
	{ DSTACK_EVENT_ROOT, "dstack.root",
	  "v=1 action=x app=x epoch=x key=x" },
	{ DSTACK_EVENT_KEY, "dstack.key",
	  "v=1 id=x path=x purpose=x kind=x scope=x epoch=x delivery=x" },
};

static int decode(const char *name, const char *payload, size_t len,
		  struct dstack_event_fields *fields)
{
	/* Exactly as long as the payload, so that a byte too far is noticed. */
	static char *copy;
	int err;

	free(copy);
	copy = malloc(len ? len : 1);
	memcpy(copy, payload, len);
	err = dstack_event_decode(name, copy, len, fields);
	if (err) {
		free(copy);
		copy = NULL;
	}
	return err;
}

static void assert_payload(const struct dstack_event *ev, const char *want)
{
	assert_int_equal(dstack_event_end(ev), 0);
	assert_int_equal(ev->len, strlen(want));
	assert_memory_equal(ev->payload, want, ev->len);
}

static void digest_is_upstreams(void **state)
{
	/* Of events that genuine upstream guests recorded. */
	static const struct {
		const char *name, *payload, *digest;
	} known[] = {
		{
			"system-ready", "",
			"1a76b2a80a0be71eae59f80945d876351a7a3fb8e9fd1ff1cede5734aa84ea11fd72b4edfbb6f04e5a85edd114c751bd",
		}, {
			"boot-mr-done", "",
			"98bd7e6bd3952720b65027fd494834045d06b4a714bf737a06b874638b3ea00ff402f7f583e3e3b05e921c8570433ac6",
		}, {
			"storage-fs", "zfs",
			"ba51104636900268b0e059fa3d266419d079d1e94aea26fb9fcbb8d764bf4c89a67ac271b8a0d1a3989945132a111fc7",
		},
	};
	uint8_t digest[DSTACK_REGISTER_SIZE];
	char hex[2 * DSTACK_REGISTER_SIZE + 1];
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(known); i++) {
		assert_int_equal(dstack_event_digest(known[i].name,
						     strlen(known[i].name),
						     known[i].payload,
						     strlen(known[i].payload),
						     digest), 0);
		assert_string_equal(libdstack_to_hex(digest, sizeof(digest),
						     hex), known[i].digest);
	}
}

static void fold_is_sha384_of_value_and_digest(void **state)
{
	uint8_t value[DSTACK_REGISTER_SIZE], digest[DSTACK_REGISTER_SIZE];
	uint8_t both[2 * DSTACK_REGISTER_SIZE], want[DSTACK_REGISTER_SIZE];
	const struct dstack_bytes whole = { both, sizeof(both) };

	(void)state;
	memset(value, 1, sizeof(value));
	memset(digest, 2, sizeof(digest));
	memcpy(both, value, sizeof(value));
	memcpy(both + sizeof(value), digest, sizeof(digest));
	assert_int_equal(dstack_sha384(&whole, 1, want), 0);
	assert_int_equal(dstack_event_fold(value, digest), 0);
	assert_memory_equal(value, want, sizeof(want));
}

static void every_event_has_its_form(void **state)
{
	struct dstack_event_fields fields;
	struct dstack_event ev;
	size_t i, key;

	(void)state;
	assert_int_equal(ARRAY_SIZE(forms), __DSTACK_EVENT_MAX);
	for (i = 0; i < ARRAY_SIZE(forms); i++) {
		const char *payload = forms[i].payload;

		assert_string_equal(dstack_event_name(forms[i].id),
				    forms[i].name);
		assert_int_equal(decode(forms[i].name, payload,
					strlen(payload), &fields), 0);
		assert_int_equal(fields.id, forms[i].id);
		dstack_event_begin(&ev, forms[i].id);
		assert_string_equal(ev.name, forms[i].name);
		for (key = 0; key < fields.nr; key++)
			dstack_event_str(&ev, fields.key[key], "x");
		assert_payload(&ev, payload);
	}
}

static void values_have_one_spelling(void **state)
{
	static const uint8_t digest[DSTACK_DIGEST_SIZE] = { 0xab, 0xcd };
	struct dstack_event ev;

	(void)state;
	dstack_event_begin(&ev, DSTACK_EVENT_POLICY);
	dstack_event_u64(&ev, "epoch", UINT64_MAX);
	dstack_event_hex(&ev, "app", "\x01\xfe", 2);
	dstack_event_sha256(&ev, "table", digest);
	dstack_event_text(&ev, "document", " =%\n\x7f\xff~!", 8);
	dstack_event_u64(&ev, "rules", 0);
	assert_payload(&ev, "v=1 epoch=18446744073709551615 app=01fe table=sha256:abcd000000000000000000000000000000000000000000000000000000000000 document=%20%3D%25%0A%7F%FF~! rules=0");
}

static void file_is_named_by_algorithm_and_digest(void **state)
{
	static const struct {
		struct dstack_digest digest;
		const char *want;
	} cases[] = {
		{ { DSTACK_ALG_NONE, { 0 } }, "none" },
		{ { DSTACK_ALG_SHA256, { 0xab, 0xcd } },
		  "sha256:abcd" ZEROS },
		{ { DSTACK_ALG_FSVERITY_SHA256, { 0xef, 0 } },
		  "fsverity-sha256:ef00" ZEROS },
	};
	char text[LIBDSTACK_DIGEST_TEXT], payload[256];
	struct dstack_digest back;
	struct dstack_event ev;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		dstack_event_begin(&ev, DSTACK_EVENT_STATE);
		dstack_event_file(&ev, "from", &cases[i].digest);
		dstack_event_str(&ev, "to", "x");
		snprintf(payload, sizeof(payload), "v=1 from=%s to=x",
			 cases[i].want);
		assert_payload(&ev, payload);
		assert_string_equal(libdstack_digest_to_text(&cases[i].digest,
							     text),
				    cases[i].want);
		memset(&back, 0xff, sizeof(back));
		assert_int_equal(libdstack_digest_from_text(text, &back),
				 cases[i].digest.alg != DSTACK_ALG_NONE);
		if (cases[i].digest.alg != DSTACK_ALG_NONE)
			assert_memory_equal(&back, &cases[i].digest,
					    sizeof(back));
	}
}

static void long_path_keeps_its_tail(void **state)
{
	char path[DSTACK_PATH_SHOWN + 2], want[DSTACK_PATH_SHOWN + 64];
	struct dstack_event_fields fields;
	const struct dstack_bytes *value;
	struct dstack_event ev;
	size_t len;

	(void)state;
	for (len = DSTACK_PATH_SHOWN; len <= DSTACK_PATH_SHOWN + 1; len++) {
		memset(path, 'p', len);
		path[0] = '/';
		path[len] = '\0';
		dstack_event_begin(&ev, DSTACK_EVENT_EXEC);
		dstack_event_str(&ev, "id", "x");
		dstack_event_str(&ev, "digest", "x");
		dstack_event_str(&ev, "reason", "x");
		dstack_event_str(&ev, "epoch", "x");
		dstack_event_str(&ev, "storage", "x");
		dstack_event_path(&ev, "path", path);
		assert_int_equal(dstack_event_end(&ev), 0);
		assert_int_equal(decode(ev.name, (char *)ev.payload, ev.len,
					&fields), 0);
		value = dstack_event_field(&fields, "path");
		snprintf(want, sizeof(want), "%s%s",
			 len > DSTACK_PATH_SHOWN ? "..." : "",
			 path + len - DSTACK_PATH_SHOWN);
		assert_int_equal(value->len, strlen(want));
		assert_memory_equal(value->data, want, value->len);
	}
}

/* The longest path and id must not be a way to run without a record. */
static void worst_exec_event_fits(void **state)
{
	struct dstack_digest digest = { .alg = DSTACK_ALG_FSVERITY_SHA256 };
	char path[4096];
	struct dstack_event ev;

	(void)state;
	memset(path, 0xff, sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	dstack_event_begin(&ev, DSTACK_EVENT_DENY);
	dstack_event_text(&ev, "id", path, DSTACK_ID_SIZE - 1);
	dstack_event_str(&ev, "kind", "script");
	dstack_event_file(&ev, "digest", &digest);
	dstack_event_str(&ev, "reason", "untrusted-storage");
	dstack_event_u64(&ev, "count", UINT64_MAX);
	dstack_event_u64(&ev, "epoch", UINT64_MAX);
	dstack_event_str(&ev, "storage", "memfd-open");
	dstack_event_path(&ev, "path", path);
	assert_int_equal(dstack_event_end(&ev), 0);
}

static void ids_are_longer_than_names(void **state)
{
	char text[DSTACK_ID_SIZE + 1];

	(void)state;
	memset(text, 'n', sizeof(text));
	text[DSTACK_NAME_SIZE - 1] = '\0';
	assert_true(dstack_event_name_ok(text));
	text[DSTACK_NAME_SIZE - 1] = 'n';
	text[DSTACK_NAME_SIZE] = '\0';
	assert_false(dstack_event_name_ok(text));
	text[DSTACK_NAME_SIZE] = 'n';
	text[DSTACK_ID_SIZE - 1] = '\0';
	assert_true(dstack_event_id_ok(text));
	text[DSTACK_ID_SIZE - 1] = 'n';
	text[DSTACK_ID_SIZE] = '\0';
	assert_false(dstack_event_id_ok(text));
	assert_false(dstack_event_id_ok(""));
	assert_false(dstack_event_id_ok("a/b"));
	assert_false(dstack_event_id_ok("a:b"));
}

static void largest_user_event_fits(void **state)
{
	static const uint8_t data[DSTACK_USER_DATA_MAX];
	char name[DSTACK_NAME_SIZE];
	struct dstack_event ev;

	(void)state;
	memset(name, 'n', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	dstack_event_begin(&ev, DSTACK_EVENT_USER);
	dstack_event_str(&ev, "id", name);
	dstack_event_str(&ev, "name", name);
	dstack_event_hex(&ev, "data", data, sizeof(data));
	assert_int_equal(dstack_event_end(&ev), 0);
}

/* Path and purpose are any bytes, as many as the ABI takes. */
static void largest_key_event_fits(void **state)
{
	char bytes[DSTACK_KEY_PATH_MAX];
	struct dstack_event_fields fields;
	struct dstack_event ev;

	(void)state;
	memset(bytes, 0xff, sizeof(bytes));
	dstack_event_begin(&ev, DSTACK_EVENT_KEY);
	dstack_event_text(&ev, "id", bytes, DSTACK_ID_SIZE - 1);
	dstack_event_text(&ev, "path", bytes, DSTACK_KEY_PATH_MAX);
	dstack_event_text(&ev, "purpose", bytes, DSTACK_KEY_PURPOSE_MAX);
	dstack_event_str(&ev, "kind", dstack_key_kind_name(DSTACK_KEY_ED25519));
	dstack_event_str(&ev, "scope",
			 dstack_key_scope_name(DSTACK_SCOPE_CONTAINER));
	dstack_event_u64(&ev, "epoch", UINT64_MAX);
	dstack_event_str(&ev, "delivery",
			 dstack_key_delivery_name(DSTACK_DELIVER_BYTES));
	assert_int_equal(dstack_event_end(&ev), 0);
	assert_int_equal(decode(ev.name, (char *)ev.payload, ev.len, &fields),
			 0);
}

/* No path is another than the one that is called "none", or NUL. */
static void key_without_a_path_has_its_own_spelling(void **state)
{
	static const struct {
		const char *path, *shown;
		size_t len;
	} cases[] = {
		{ "", "", 0 }, { "none", "none", 4 }, { "", "%00", 1 },
		{ "a/ =%", "a/%20%3D%25", 5 },
	};
	char back[DSTACK_KEY_PATH_MAX + 1], want[128];
	struct dstack_event_fields fields;
	struct dstack_event ev;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		dstack_event_begin(&ev, DSTACK_EVENT_KEY);
		dstack_event_str(&ev, "id", "web");
		dstack_event_text(&ev, "path", cases[i].path, cases[i].len);
		dstack_event_text(&ev, "purpose", NULL, 0);
		dstack_event_str(&ev, "kind", "bytes");
		dstack_event_str(&ev, "scope", "app");
		dstack_event_u64(&ev, "epoch", 0);
		dstack_event_str(&ev, "delivery", "bytes");
		snprintf(want, sizeof(want), "v=1 id=web path=%s purpose= "
			 "kind=bytes scope=app epoch=0 delivery=bytes",
			 cases[i].shown);
		assert_payload(&ev, want);
		assert_int_equal(decode(ev.name, (char *)ev.payload, ev.len,
					&fields), 0);
		assert_int_equal(dstack_event_unescape(&fields.value[1], back,
						       sizeof(back)),
				 cases[i].len);
		assert_memory_equal(back, cases[i].path, cases[i].len);
	}
}

static void encoder_refuses_keys_out_of_order(void **state)
{
	struct dstack_event ev;

	(void)state;
	dstack_event_begin(&ev, DSTACK_EVENT_STATE);
	assert_int_equal(dstack_event_end(&ev), -EINVAL);
	dstack_event_str(&ev, "from", "x");
	assert_int_equal(dstack_event_end(&ev), -EINVAL);
	dstack_event_str(&ev, "to", "x");
	assert_int_equal(dstack_event_end(&ev), 0);
	dstack_event_str(&ev, "more", "x");
	assert_int_equal(dstack_event_end(&ev), -EINVAL);

	dstack_event_begin(&ev, DSTACK_EVENT_STATE);
	dstack_event_str(&ev, "to", "x");
	dstack_event_str(&ev, "from", "x");
	dstack_event_str(&ev, "to", "x");
	assert_int_equal(dstack_event_end(&ev), -EINVAL);
}

static void event_that_outgrows_its_room_is_refused(void **state)
{
	static const char data[DSTACK_PAYLOAD_MAX + 1];
	struct dstack_event ev;

	(void)state;
	dstack_event_begin(&ev, DSTACK_EVENT_STATE);
	dstack_event_text(&ev, "from", data, DSTACK_PAYLOAD_MAX / 3);
	dstack_event_str(&ev, "to", "x");
	assert_int_equal(dstack_event_end(&ev), -EMSGSIZE);
	assert_int_equal(dstack_event_foreign(&ev, "a", data, sizeof(data)),
			 -EMSGSIZE);
	assert_int_equal(dstack_event_foreign(&ev, "a", data,
					      DSTACK_PAYLOAD_MAX), 0);
	assert_int_equal(ev.len, DSTACK_PAYLOAD_MAX);
}

static void foreign_event_cannot_take_a_reserved_name(void **state)
{
	static const char * const refused[] = {
		"dstack.exec", "dstack.", "dstack.new", "", "a:b", "a b",
		"a\n", "a/b", "\xc3\xa9",
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
	};
	static const char * const taken[] = {
		"dstack", "dstackx", "Dstack.exec", "x.dstack.exec", ".", "-",
		"compose-hash", "LIUM_MINER_HOTKEY",
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
	};
	struct dstack_event ev;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(refused); i++)
		assert_int_equal(dstack_event_foreign(&ev, refused[i], "", 0),
				 -EINVAL);
	for (i = 0; i < ARRAY_SIZE(taken); i++) {
		assert_int_equal(dstack_event_foreign(&ev, taken[i], "p", 1),
				 0);
		assert_string_equal(ev.name, taken[i]);
		assert_int_equal(ev.len, 1);
	}
}

static void decoder_finds_every_field(void **state)
{
	struct dstack_event_fields fields;
	const struct dstack_bytes *value;

	(void)state;
	assert_int_equal(decode("dstack.exec", EXEC_PAYLOAD,
				strlen(EXEC_PAYLOAD), &fields), 0);
	assert_int_equal(fields.nr, 6);
	value = dstack_event_field(&fields, "storage");
	assert_int_equal(value->len, 4);
	assert_memory_equal(value->data, "disk", 4);
	assert_null(dstack_event_field(&fields, "none"));
}

static void decoder_takes_an_empty_value(void **state)
{
	struct dstack_event_fields fields;

	(void)state;
	assert_int_equal(decode("dstack.state", "v=1 from= to=",
				strlen("v=1 from= to="), &fields), 0);
	assert_int_equal(dstack_event_field(&fields, "to")->len, 0);
}

static void decoder_refuses_all_but_the_canonical_form(void **state)
{
	static const char * const refused[] = {
		"", "v", "v=1", "v=2 from=a to=b", "v=1  from=a to=b",
		" v=1 from=a to=b", "v=1 from=a to=b ", "v=1 from=a to=b\n",
		"v=1 from=a  to=b", "v=1 from=a\tto=b", "v=1 to=b from=a",
		"v=1 from=a", "v=1 from=a to", "v=1 from=a to=b more=c",
		"v=1 from=a to=b to=b", "v=1 from=a=a to=b", "V=1 from=a to=b",
		"v=1 from=a to=\x7f", "v=1 from=a to=\xc3\xa9",
		/* escapes: lower case, cut off, of what needs none */
		"v=1 from=a to=%3d", "v=1 from=a to=%3", "v=1 from=a to=%",
		"v=1 from=a to=%41", "v=1 from=a to=%7E", "v=1 from=a to=%G0",
		"v=1 from=a to=%2", "v=1 from=%3 to=b",
	};
	struct dstack_event_fields fields;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(refused); i++)
		assert_int_equal(decode("dstack.state", refused[i],
					strlen(refused[i]), &fields),
				 -EBADMSG);
	assert_int_equal(decode("dstack.state", "v=1 from=a to=\0", 15,
				&fields), -EBADMSG);
}

static void decoder_knows_whose_name_it_is(void **state)
{
	struct dstack_event_fields fields;

	(void)state;
	assert_int_equal(decode("compose-hash", "x", 1, &fields), -ENOENT);
	assert_int_equal(decode("dstack", "x", 1, &fields), -ENOENT);
	assert_int_equal(decode("dstack.", "v=1", 3, &fields), -EBADMSG);
	assert_int_equal(decode("dstack.unheard", "v=1", 3, &fields),
			 -EBADMSG);
}

static void decoder_refuses_a_payload_beyond_the_limit(void **state)
{
	static char payload[DSTACK_PAYLOAD_MAX + 1];
	struct dstack_event_fields fields;

	(void)state;
	memset(payload, 'x', sizeof(payload));
	memcpy(payload, "v=1 from=a to=", 14);
	assert_int_equal(decode("dstack.state", payload, DSTACK_PAYLOAD_MAX,
				&fields), 0);
	assert_int_equal(decode("dstack.state", payload,
				DSTACK_PAYLOAD_MAX + 1, &fields), -EBADMSG);
}

static void unescape_gives_the_bytes_back(void **state)
{
	struct dstack_event_fields fields;
	uint8_t all[256], out[257];
	struct dstack_event ev;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(all); i++)
		all[i] = i;
	dstack_event_begin(&ev, DSTACK_EVENT_STATE);
	dstack_event_text(&ev, "from", all, sizeof(all));
	dstack_event_str(&ev, "to", "");
	assert_int_equal(dstack_event_end(&ev), 0);
	assert_int_equal(decode(ev.name, (char *)ev.payload, ev.len, &fields),
			 0);
	assert_int_equal(dstack_event_unescape(&fields.value[0], out,
					       sizeof(out)), sizeof(all));
	assert_memory_equal(out, all, sizeof(all));
	assert_int_equal(out[256], 0);
	assert_int_equal(dstack_event_unescape(&fields.value[0], out,
					       sizeof(out) - 1), -ENOSPC);
}

/* If @payload is accepted, encoding its fields gives the same bytes. */
static bool canonical(const char *payload, size_t len)
{
	struct dstack_event_fields fields;
	uint8_t value[DSTACK_PAYLOAD_MAX];
	struct dstack_event ev;
	uint32_t i;
	int n;

	if (decode("dstack.exec", payload, len, &fields))
		return false;
	dstack_event_begin(&ev, DSTACK_EVENT_EXEC);
	for (i = 0; i < fields.nr; i++) {
		n = dstack_event_unescape(&fields.value[i], value,
					  sizeof(value));
		assert_true(n >= 0);
		dstack_event_text(&ev, fields.key[i], value, n);
	}
	assert_int_equal(dstack_event_end(&ev), 0);
	assert_int_equal(ev.len, len);
	assert_memory_equal(ev.payload, payload, len);
	return true;
}

static void mutated_payload_is_canonical_or_refused(void **state)
{
	static const char interesting[] = " =%019AFaf/v\n\0\xff";
	static const char seed_text[] = EXEC_PAYLOAD "%20%0A%3D";
	unsigned int seed = 7, accepted = 0;
	char copy[sizeof(seed_text) + 3];
	size_t i, n, len, at;

	(void)state;
	for (i = 0; i < 100000; i++) {
		len = sizeof(seed_text) - 1;
		memcpy(copy, seed_text, len);
		for (n = rand_r(&seed) % 3 + 1; n; n--) {
			at = rand_r(&seed) % len;
			switch (rand_r(&seed) % 3) {
			case 0:		/* replace */
				copy[at] = interesting[rand_r(&seed) %
					(sizeof(interesting) - 1)];
				break;
			case 1:		/* remove */
				memmove(copy + at, copy + at + 1,
					--len - at);
				break;
			default:	/* insert */
				memmove(copy + at + 1, copy + at, len++ - at);
				copy[at] = interesting[rand_r(&seed) %
					(sizeof(interesting) - 1)];
			}
		}
		accepted += canonical(copy, len);
	}
	/* Both happen, or nothing was tested. */
	assert_in_range(accepted, 1000, 99000);
}

static void every_number_has_a_name(void **state)
{
	uint32_t i;

	(void)state;
	for (i = 0; i < __DSTACK_STATE_MAX; i++)
		assert_string_not_equal(dstack_state_name(i), "unknown");
	for (i = 0; i < __DSTACK_REASON_MAX; i++)
		assert_string_not_equal(dstack_reason_name(i), "unknown");
	for (i = 0; i < __DSTACK_STORAGE_MAX; i++)
		assert_string_not_equal(dstack_storage_name(i), "unknown");
	for (i = 0; i < __DSTACK_ACTION_MAX; i++)
		assert_string_not_equal(dstack_action_name(i), "unknown");
	for (i = 0; i < __DSTACK_BACKEND_MAX; i++)
		assert_string_not_equal(dstack_backend_name(i), "unknown");
	assert_string_equal(dstack_kind_name(DSTACK_KIND_EXEC), "exec");
	assert_string_equal(dstack_kind_name(DSTACK_KIND_MAP), "map");
	assert_string_equal(dstack_kind_name(DSTACK_KIND_SCRIPT), "script");
	assert_string_equal(dstack_kind_name(DSTACK_KIND_KERNEL), "kernel");
	assert_string_equal(dstack_kind_name(DSTACK_KIND_CONTROL), "control");
	assert_string_equal(dstack_kind_name(DSTACK_KIND_MEMORY), "memory");
	assert_string_equal(dstack_kind_name(3), "unknown");
	for (i = 0; i < __DSTACK_SEAL_MAX; i++)
		assert_string_not_equal(dstack_seal_check_name(i), "unknown");
	for (i = 0; i < 32; i++) {
		bool kind = __DSTACK_KEY_KIND_ALL & 1U << i;
		bool scope = __DSTACK_SCOPE_ALL & 1U << i;
		bool delivery = __DSTACK_DELIVER_ALL & 1U << i;

		assert_int_equal(strcmp(dstack_key_kind_name(1U << i),
					"unknown") != 0, kind);
		assert_int_equal(strcmp(dstack_key_scope_name(1U << i),
					"unknown") != 0, scope);
		assert_int_equal(strcmp(dstack_key_delivery_name(1U << i),
					"unknown") != 0, delivery);
	}
	assert_string_equal(dstack_key_kind_name(0), "unknown");
	assert_string_equal(dstack_key_scope_name(3), "unknown");
	assert_string_equal(dstack_key_delivery_name(6), "unknown");
	assert_string_equal(dstack_state_name(UINT32_MAX), "unknown");
	assert_string_equal(dstack_reason_name(__DSTACK_REASON_MAX),
			    "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(digest_is_upstreams),
		cmocka_unit_test(fold_is_sha384_of_value_and_digest),
		cmocka_unit_test(every_event_has_its_form),
		cmocka_unit_test(values_have_one_spelling),
		cmocka_unit_test(file_is_named_by_algorithm_and_digest),
		cmocka_unit_test(long_path_keeps_its_tail),
		cmocka_unit_test(worst_exec_event_fits),
		cmocka_unit_test(ids_are_longer_than_names),
		cmocka_unit_test(largest_user_event_fits),
		cmocka_unit_test(largest_key_event_fits),
		cmocka_unit_test(key_without_a_path_has_its_own_spelling),
		cmocka_unit_test(encoder_refuses_keys_out_of_order),
		cmocka_unit_test(event_that_outgrows_its_room_is_refused),
		cmocka_unit_test(foreign_event_cannot_take_a_reserved_name),
		cmocka_unit_test(decoder_finds_every_field),
		cmocka_unit_test(decoder_takes_an_empty_value),
		cmocka_unit_test(decoder_refuses_all_but_the_canonical_form),
		cmocka_unit_test(decoder_knows_whose_name_it_is),
		cmocka_unit_test(decoder_refuses_a_payload_beyond_the_limit),
		cmocka_unit_test(unescape_gives_the_bytes_back),
		cmocka_unit_test(mutated_payload_is_canonical_or_refused),
		cmocka_unit_test(every_number_has_a_name),
	};

	return cmocka_run_group_tests_name("event", tests, NULL, NULL);
}
