// SPDX-License-Identifier: MIT
/*
 * A quote is taken apart where the format says, or not at all
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

#include "dcap/dcap.h"
#include "quote_fixture.h"

#define CHAIN	"certificates"

static const struct {
	int version, type;
} kinds[] = {
	{ 4, FIXTURE_TD10 }, { 5, FIXTURE_TD10 }, { 5, FIXTURE_TD15 },
	{ 3, FIXTURE_SGX }, { 4, FIXTURE_SGX }, { 5, FIXTURE_SGX },
};

#define NR_TD_KINDS	3	/* the first ones */

#define NR_KINDS (sizeof(kinds) / sizeof(kinds[0]))

static struct fixture fixture;

static void make(size_t kind)
{
	fixture_make_body(&fixture, kinds[kind].version, kinds[kind].type,
			  CHAIN, strlen(CHAIN));
}

/* Parse a copy that is exactly as long, so that a byte too far is noticed. */
static int parse(size_t len, const char **why)
{
	struct dcap_quote quote = { 0 };
	uint8_t *copy = malloc(len ? len : 1);
	int err;

	memcpy(copy, fixture.data, len);
	err = dcap_quote_parse(copy, len, &quote, why);
	assert_true(!err == !*why);
	free(copy);
	return err;
}

static void assert_refused_as(int err, const char *want)
{
	const char *why;

	assert_int_equal(parse(fixture.len, &why), err);
	assert_string_equal(why, want);
}

static void assert_refused(const char *want)
{
	assert_refused_as(-EBADMSG, want);
}

static void assert_unknown(const char *want)
{
	assert_refused_as(-EOPNOTSUPP, want);
}

static void parts_are_found(void **state)
{
	const struct fixture *f = &fixture;
	struct dcap_quote q;
	const char *why;
	size_t i;

	(void)state;
	for (i = 0; i < NR_KINDS; i++) {
		make(i);
		memset(&q, 0, sizeof(q));
		assert_int_equal(dcap_quote_parse(f->data, f->len, &q, &why),
				 0);
		assert_int_equal(q.version, kinds[i].version);
		assert_int_equal(q.body_type, kinds[i].type);
		assert_ptr_equal(q.signed_part, f->data);
		assert_int_equal(q.signed_len, f->sig_len);
		assert_ptr_equal(q.body, f->data + f->body);
		assert_ptr_equal(q.signature, f->data + f->signature);
		assert_ptr_equal(q.key, f->data + f->key);
		assert_ptr_equal(q.qe_report, f->data + f->qe_report);
		assert_ptr_equal(q.qe_signature, f->data + f->qe_signature);
		assert_ptr_equal(q.qe_auth, f->data + f->auth);
		assert_int_equal(q.qe_auth_len, FIXTURE_AUTH_SIZE);
		assert_int_equal(q.chain_len, strlen(CHAIN));
		assert_memory_equal(q.chain, CHAIN, strlen(CHAIN));
	}
}

static void td_report_fields_are_at_their_offsets(void **state)
{
	struct libdstack_td td;
	struct dcap_quote q;
	const char *why;
	size_t i, k;
	const struct {
		const uint8_t *field;
		size_t len, offset;
	} fields[] = {
		{ td.tee_tcb_svn, 16, 0 }, { td.mr_seam, 48, 16 },
		{ td.mr_signer_seam, 48, 64 }, { td.seam_attributes, 8, 112 },
		{ td.attributes, 8, 120 }, { td.xfam, 8, 128 },
		{ td.mr_td, 48, 136 }, { td.mr_config_id, 48, 184 },
		{ td.mr_owner, 48, 232 }, { td.mr_owner_config, 48, 280 },
		{ td.rtmr[0], 48, 328 }, { td.rtmr[1], 48, 376 },
		{ td.rtmr[2], 48, 424 }, { td.rtmr[3], 48, 472 },
		{ td.report_data, 64, 520 },
		/* of TD 1.5 only */
		{ td.tee_tcb_svn2, 16, 584 }, { td.mr_service_td, 48, 600 },
	};
	static const uint8_t zeros[64];

	(void)state;
	for (i = 0; i < NR_TD_KINDS; i++) {
		make(i);
		assert_int_equal(dcap_quote_parse(fixture.data, fixture.len,
						  &q, &why), 0);
		dcap_quote_td(&q, &td);
		for (k = 0; k < sizeof(fields) / sizeof(fields[0]); k++) {
			const uint8_t *want = zeros;

			if (k < 15 || kinds[i].type == FIXTURE_TD15)
				want = fixture.data + fixture.body +
					fields[k].offset;
			assert_memory_equal(fields[k].field, want,
					    fields[k].len);
		}
	}
}

/* Each byte of the body is its offset, modulo 256. */
static void enclave_report_fields_are_at_their_offsets(void **state)
{
	struct libdstack_enclave e;
	struct dcap_quote q;
	const char *why;
	size_t i, k;
	const struct {
		const uint8_t *field;
		size_t len, offset;
	} fields[] = {
		{ e.cpu_svn, 16, 0 }, { e.ext_prod_id, 16, 32 },
		{ e.attributes, 16, 48 }, { e.mr_enclave, 32, 64 },
		{ e.mr_signer, 32, 128 }, { e.config_id, 64, 192 },
		{ e.family_id, 16, 304 }, { e.report_data, 64, 320 },
	};

	(void)state;
	for (i = NR_TD_KINDS; i < NR_KINDS; i++) {
		make(i);
		assert_int_equal(dcap_quote_parse(fixture.data, fixture.len,
						  &q, &why), 0);
		dcap_enclave(q.body, &e);
		for (k = 0; k < sizeof(fields) / sizeof(fields[0]); k++)
			assert_memory_equal(fields[k].field,
					    fixture.data + fixture.body +
					    fields[k].offset, fields[k].len);
		assert_int_equal(e.misc_select, 0x13121110);
		assert_int_equal(e.prod_id, 0x0100);
		assert_int_equal(e.svn, 0x0302);
		assert_int_equal(e.config_svn, 0x0504);
	}
}

static void quote_cut_off_anywhere_is_refused(void **state)
{
	const char *why;
	size_t i, len;

	(void)state;
	for (i = 0; i < NR_KINDS; i++) {
		make(i);
		for (len = 0; len < fixture.len; len++)
			assert_int_equal(parse(len, &why), -EBADMSG);
	}
}

static void padding_is_not_read(void **state)
{
	const char *why;

	(void)state;
	make(0);
	memset(fixture.data + fixture.len, 0xff, 3065);
	assert_int_equal(parse(fixture.len + 3065, &why), 0);
}

static void attack_47_quote_beyond_the_limit_is_refused(void **state)
{
	uint8_t *big = calloc(1, DSTACK_QUOTE_MAX + 1);
	struct dcap_quote q = { 0 };
	const char *why;

	(void)state;
	make(0);
	memcpy(big, fixture.data, fixture.len);
	assert_int_equal(dcap_quote_parse(big, DSTACK_QUOTE_MAX, &q, &why), 0);
	assert_int_equal(dcap_quote_parse(big, DSTACK_QUOTE_MAX + 1, &q, &why),
			 -EBADMSG);
	free(big);
}

/* Attack 54. */
static void attack_54_other_kinds_of_quote_are_refused(void **state)
{
	static const struct {
		size_t at;
		uint8_t value;
		const char *why;
	} cases[] = {
		{ 0, 2, "not a quote of version 3, 4 or 5" },
		{ 0, 6, "not a quote of version 3, 4 or 5" },
		{ 1, 1, "not a quote of version 3, 4 or 5" },
		/* In version 3 there are no TDs. */
		{ 0, 3, "neither a quote of a TD nor of an enclave" },
		{ 4, 1, "neither a quote of a TD nor of an enclave" },
		{ 7, 1, "neither a quote of a TD nor of an enclave" },
		{ 2, 3, "the attestation key is not ECDSA on P-256" },
		{ 3, 1, "the attestation key is not ECDSA on P-256" },
		{ 12, 0, "the quoting enclave is not Intel's" },
		{ 27, 0, "the quoting enclave is not Intel's" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		make(0);
		fixture.data[cases[i].at] = cases[i].value;
		assert_unknown(cases[i].why);
	}
}

static void body_of_another_type_or_size_is_refused(void **state)
{
	(void)state;
	make(1);
	fixture.data[48] = 0;
	assert_unknown("the body is neither a TD's nor an enclave's report");
	fixture.data[48] = 4;
	assert_unknown("the body is neither a TD's nor an enclave's report");
	fixture.data[48] = 1;
	assert_refused("the body is not of the kind that the header says");
	fixture.data[48] = 3;
	assert_refused("the body's size is not that of its type");
	make(2);
	fixture.data[48] = 2;
	assert_refused("the body's size is not that of its type");
	make(2);
	put_le(fixture.data + 50, 649, 4);
	assert_refused("the body's size is not that of its type");
	put_le(fixture.data + 50, UINT32_MAX, 4);
	assert_refused("the body's size is not that of its type");
	make(5);
	fixture.data[48] = 2;
	assert_refused("the body is not of the kind that the header says");
	make(5);
	fixture.data[4] = 0x81;
	assert_refused("the body is not of the kind that the header says");
}

/* Every length, one too small, one too large, none and all. */
static void sizes_must_nest_exactly(void **state)
{
	static const int deltas[] = { -1, 1 };
	struct fixture *f = &fixture;
	const char *why;
	size_t i;

	(void)state;
	for (i = 0; i < 2; i++) {
		int d = deltas[i];

		make(0);
		put_le(f->data + f->sig_len, f->len - f->signature + d, 4);
		assert_int_equal(parse(f->len, &why), -EBADMSG);
		make(0);
		put_le(f->data + f->qe_cert + 2, f->len - f->qe_report + d, 4);
		assert_refused("no quoting enclave's report, or of a wrong size");
		make(0);
		put_le(f->data + f->auth_len, FIXTURE_AUTH_SIZE + d, 2);
		assert_int_equal(parse(f->len, &why), -EBADMSG);
		make(0);
		put_le(f->data + f->chain_cert + 2, strlen(CHAIN) + d, 4);
		assert_refused("no certificate chain, or of a wrong size");
	}
	make(0);
	put_le(f->data + f->sig_len, UINT32_MAX, 4);
	assert_refused("cut off before the end of the signature data");
	put_le(f->data + f->sig_len, 0, 4);
	assert_refused("cut off in the signature");
	make(0);
	put_le(f->data + f->auth_len, UINT16_MAX, 2);
	assert_refused("cut off in the quoting enclave's data");
}

static void attack_54_other_certification_data_is_refused(void **state)
{
	int type;

	(void)state;
	for (type = 0; type < 10; type++) {
		make(0);
		put_le(fixture.data + fixture.qe_cert, type, 2);
		if (type != 6)
			assert_unknown("the attestation key is not certified by a quoting enclave's report (type 6)");
		make(type % NR_KINDS);
		put_le(fixture.data + fixture.chain_cert, type, 2);
		if (type != 5)
			assert_unknown("the quote does not carry its certificates (type 5): let the platform's quote provider add them");
	}
}

/* Attack 54: whatever length the enclave's own data have, and one beyond. */
static void attack_54_every_length_of_qe_data_is_bounded(void **state)
{
	struct fixture *f = &fixture;
	struct dcap_quote q;
	const char *why;
	size_t len, rest;

	(void)state;
	for (len = 0; len <= FIXTURE_AUTH_SIZE; len++) {
		make(0);
		/* Shorter data: what is behind them moves up. */
		rest = f->len - f->chain_cert;
		memmove(f->data + f->auth + len, f->data + f->chain_cert, rest);
		f->len -= FIXTURE_AUTH_SIZE - len;
		put_le(f->data + f->auth_len, len, 2);
		put_le(f->data + f->sig_len, f->len - f->signature, 4);
		put_le(f->data + f->qe_cert + 2, f->len - f->qe_report, 4);
		assert_int_equal(dcap_quote_parse(f->data, f->len, &q, &why),
				 0);
		assert_int_equal(q.qe_auth_len, len);
		put_le(f->data + f->auth_len, len + rest + 1, 2);
		assert_refused("cut off in the quoting enclave's data");
	}
}

static void mutated_quote_is_parsed_or_refused(void **state)
{
	unsigned int seed = 11;
	const char *why;
	size_t i, n;
	int err;

	(void)state;
	for (i = 0; i < 50000; i++) {
		make(i % NR_KINDS);
		for (n = rand_r(&seed) % 4 + 1; n; n--)
			fixture.data[rand_r(&seed) % fixture.len] =
				rand_r(&seed);
		err = parse(rand_r(&seed) % (fixture.len + 1), &why);
		assert_true(err == 0 || err == -EBADMSG || err == -EOPNOTSUPP);
	}
}

static void sim_quote_is_told_apart(void **state)
{
	uint8_t data[8 + 64 + 48 + 1] = "DSTKSIM1";
	const size_t len = sizeof(data) - 1;
	struct libdstack_sim_quote sim;

	(void)state;
	data[8] = 1;
	data[8 + 64] = 2;
	assert_int_equal(libdstack_sim_quote_parse(data, len, &sim), 0);
	assert_int_equal(sim.report_data[0], 1);
	assert_int_equal(sim.register_value[0], 2);
	assert_int_equal(libdstack_sim_quote_parse(data, len - 1, &sim),
			 -EBADMSG);
	assert_int_equal(libdstack_sim_quote_parse(data, len + 1, &sim),
			 -EBADMSG);
	assert_int_equal(libdstack_sim_quote_parse(data, 7, &sim), -ENODATA);
	make(0);
	assert_int_equal(libdstack_sim_quote_parse(fixture.data, fixture.len,
						   &sim), -ENODATA);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parts_are_found),
		cmocka_unit_test(td_report_fields_are_at_their_offsets),
		cmocka_unit_test(enclave_report_fields_are_at_their_offsets),
		cmocka_unit_test(quote_cut_off_anywhere_is_refused),
		cmocka_unit_test(padding_is_not_read),
		cmocka_unit_test(attack_47_quote_beyond_the_limit_is_refused),
		cmocka_unit_test(attack_54_other_kinds_of_quote_are_refused),
		cmocka_unit_test(body_of_another_type_or_size_is_refused),
		cmocka_unit_test(sizes_must_nest_exactly),
		cmocka_unit_test(attack_54_other_certification_data_is_refused),
		cmocka_unit_test(attack_54_every_length_of_qe_data_is_bounded),
		cmocka_unit_test(mutated_quote_is_parsed_or_refused),
		cmocka_unit_test(sim_quote_is_told_apart),
	};

	return cmocka_run_group_tests_name("quote", tests, NULL, NULL);
}
