// SPDX-License-Identifier: MIT
/*
 * Take a quote and its signature apart
 *
 * Copyright The dstack for Linux authors
 *
 * tss2-mu prints when it meets what it does not know or what is too long for
 * its structures, and a library must not print.  So it gets a quote piece by
 * piece, and sizes and selectors are looked at first.
 */
#include "tpm.h"

#include <string.h>
#include <tss2/tss2_mu.h>

#define SELECT_MAX	3	/* bytes: registers 0 to 23 */

static uint16_t peek16(const uint8_t *p)
{
	return p[0] << 8 | p[1];
}

static int malformed(struct libdstack_failure *failure, const char *what)
{
	return verify_fail(failure, REASON(MALFORMED), "%s", what);
}

static bool is_quote(const uint8_t *p, size_t len)
{
	return len >= 6 && peek16(p) == TPM2_GENERATED_VALUE >> 16 &&
		peek16(p + 2) == (TPM2_GENERATED_VALUE & 0xffff) &&
		peek16(p + 4) == TPM2_ST_ATTEST_QUOTE;
}

static bool has_bank(const struct libdstack_tpm_verdict *v, uint16_t alg)
{
	size_t i;

	for (i = 0; i < v->nr_banks; i++)
		if (v->bank[i].alg == alg)
			return true;
	return false;
}

/* What is left to read. */
struct reader {
	const uint8_t *data;
	size_t len, at;
};

/* Does a TPM2B of at most @max bytes come next? */
static bool has_sized(const struct reader *in, size_t max)
{
	size_t size;

	if (in->len - in->at < 2)
		return false;
	size = peek16(in->data + in->at);
	return size <= max && size <= in->len - in->at - 2;
}

/* A bank once, and registers that exist. */
static int read_selection(struct reader *in, struct libdstack_tpm_verdict *v)
{
	struct libdstack_tpm_bank *bank = &v->bank[v->nr_banks];
	TPMS_PCR_SELECTION s = { .hash = 0 };
	int i;

	if (in->len - in->at < 3 || in->data[in->at + 2] > SELECT_MAX ||
	    v->nr_banks == LIBDSTACK_TPM_BANKS_MAX ||
	    Tss2_MU_TPMS_PCR_SELECTION_Unmarshal(in->data, in->len, &in->at,
						 &s))
		return malformed(&v->failure,
				 "more banks or registers than there are, or cut off");
	if (!libdstack_tcg_digest_size(s.hash))
		return verify_fail(&v->failure, REASON(UNSUPPORTED),
				   "registers of an unknown algorithm, 0x%x",
				   s.hash);
	if (has_bank(v, s.hash))
		return malformed(&v->failure, "a bank was quoted twice");
	bank->alg = s.hash;
	for (i = 0; i < s.sizeofSelect; i++)
		bank->mask |= (uint32_t)s.pcrSelect[i] << 8 * i;
	v->nr_banks++;
	return 0;
}

/* Who signed, the nonce, clock and firmware. */
static bool read_front(struct reader *in, struct libdstack_tpm_verdict *v)
{
	TPM2B_NAME name = { .size = 0 };
	TPM2B_DATA nonce = { .size = 0 };
	TPMS_CLOCK_INFO clock = { .clock = 0 };

	if (!has_sized(in, sizeof(name.name)) ||
	    Tss2_MU_TPM2B_NAME_Unmarshal(in->data, in->len, &in->at, &name) ||
	    !has_sized(in, sizeof(v->nonce)) ||
	    Tss2_MU_TPM2B_DATA_Unmarshal(in->data, in->len, &in->at, &nonce) ||
	    Tss2_MU_TPMS_CLOCK_INFO_Unmarshal(in->data, in->len, &in->at,
					      &clock) ||
	    Tss2_MU_UINT64_Unmarshal(in->data, in->len, &in->at, &v->firmware))
		return false;
	v->nonce_len = nonce.size;
	memcpy(v->nonce, nonce.buffer, nonce.size);
	v->clock = clock.clock;
	v->resets = clock.resetCount;
	v->restarts = clock.restartCount;
	v->clock_is_safe = clock.safe;
	return true;
}

static bool read_digest(struct reader *in, struct libdstack_tpm_verdict *v)
{
	TPM2B_DIGEST digest = { .size = 0 };

	if (!has_sized(in, sizeof(v->pcr_digest)) ||
	    Tss2_MU_TPM2B_DIGEST_Unmarshal(in->data, in->len, &in->at,
					   &digest))
		return false;
	v->pcr_digest_len = digest.size;
	memcpy(v->pcr_digest, digest.buffer, digest.size);
	return true;
}

int tpm_message_parse(const void *message, size_t len,
		      struct libdstack_tpm_verdict *v)
{
	struct reader in = { .data = message, .len = len, .at = 6 };
	uint32_t nr;
	int err = 0;

	if (len > LIBDSTACK_TPM_MESSAGE_MAX)
		return malformed(&v->failure, "longer than any quote");
	if (!is_quote(message, len))
		return verify_fail(&v->failure, REASON(UNSUPPORTED),
				   "not a quote of a TPM 2.0");
	if (!read_front(&in, v) ||
	    Tss2_MU_UINT32_Unmarshal(in.data, in.len, &in.at, &nr))
		return malformed(&v->failure,
				 "the quote is cut off, or its nonce too long");
	while (nr-- && !err)
		err = read_selection(&in, v);
	if (err)
		return err;
	if (!read_digest(&in, v) || in.at != len)
		return malformed(&v->failure,
				 "the quote is cut off, or something follows it");
	return 0;
}

int libdstack_tpm_message_parse(const void *message, size_t len,
				struct libdstack_tpm_verdict *verdict)
{
	int err;

	memset(verdict, 0, sizeof(*verdict));
	err = tpm_message_parse(message, len, verdict);
	if (err)
		verify_step(&verdict->failure, "quote format");
	return err;
}

static int set_hash(struct tpm_signature *s, uint16_t hash,
		    struct libdstack_failure *failure)
{
	static const struct {
		uint16_t hash;
		const char *md;
	} known[] = {
		{ TPM2_ALG_SHA256, "SHA256" },
		{ TPM2_ALG_SHA384, "SHA384" },
		{ TPM2_ALG_SHA512, "SHA512" },
	};
	size_t i;

	for (i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (known[i].hash == hash) {
			s->hash = hash;
			s->md = known[i].md;
			return 0;
		}
	return verify_fail(failure, REASON(UNSUPPORTED),
			   "signed with a hash that is not known or too weak, 0x%x",
			   hash);
}

/* To @size bytes, for r and s must have the same. */
static bool pad(uint8_t *to, size_t size, const TPM2B_ECC_PARAMETER *number)
{
	if (number->size > size)
		return false;
	memset(to, 0, size);
	memcpy(to + size - number->size, number->buffer, number->size);
	return true;
}

/* Nothing in it is longer than its place in TPMT_SIGNATURE. */
static bool signature_fits(const void *data, size_t len)
{
	struct reader in = { .data = data, .len = len, .at = 4 };
	TPMT_SIGNATURE s;

	if (peek16(data) == TPM2_ALG_RSASSA)
		return has_sized(&in, sizeof(s.signature.rsassa.sig.buffer));
	if (!has_sized(&in, sizeof(s.signature.ecdsa.signatureR.buffer)))
		return false;
	in.at += 2 + peek16(in.data + in.at);
	return has_sized(&in, sizeof(s.signature.ecdsa.signatureS.buffer));
}

static bool read_signature(const TPMT_SIGNATURE *from, struct tpm_signature *s)
{
	const TPMS_SIGNATURE_ECDSA *ec = &from->signature.ecdsa;
	const TPMS_SIGNATURE_RSASSA *rsa = &from->signature.rsassa;

	s->ecdsa = from->sigAlg == TPM2_ALG_ECDSA;
	if (s->ecdsa) {
		s->len = sizeof(ec->signatureR.buffer);
		return 2 * s->len <= sizeof(s->data) &&
			pad(s->data, s->len, &ec->signatureR) &&
			pad(s->data + s->len, s->len, &ec->signatureS);
	}
	s->len = rsa->sig.size;
	if (s->len > sizeof(s->data))
		return false;
	memcpy(s->data, rsa->sig.buffer, s->len);
	return true;
}

int tpm_signature_parse(const void *data, size_t len, size_t key_size,
			struct tpm_signature *signature,
			struct libdstack_failure *failure)
{
	TPMT_SIGNATURE from;
	uint16_t scheme;
	size_t at = 0;

	memset(signature, 0, sizeof(*signature));
	if (len && len == key_size && len <= sizeof(signature->data)) {
		signature->len = len;
		memcpy(signature->data, data, len);
		return set_hash(signature, TPM2_ALG_SHA256, failure);
	}
	if (len < 4)
		return malformed(failure, "the signature is cut off");
	scheme = peek16(data);
	if (scheme != TPM2_ALG_RSASSA && scheme != TPM2_ALG_ECDSA)
		return verify_fail(failure, REASON(UNSUPPORTED),
				   "signed by scheme 0x%x: RSASSA and ECDSA are known",
				   scheme);
	memset(&from, 0, sizeof(from));
	if (!signature_fits(data, len) ||
	    Tss2_MU_TPMT_SIGNATURE_Unmarshal(data, len, &at, &from) ||
	    at != len || !read_signature(&from, signature))
		return malformed(failure,
				 "the signature is cut off, or something follows it");
	return set_hash(signature, from.signature.any.hashAlg, failure);
}
