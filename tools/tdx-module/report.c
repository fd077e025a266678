// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) The dstack for Linux authors
 *
 * TDREPORT: what the TD is, in a form only this module can have made.
 */
#include "td.h"

#include <endian.h>
#include <string.h>
#include <openssl/crypto.h>

#include "crypto.h"
#include "platform.h"

/* Which fields of TEE_TCB_INFO are filled in, as TDX 1.0 modules say it. */
#define TCB_INFO_VALID	0x301ffull

static void put_le64(uint8_t bytes[8], uint64_t value)
{
	value = htole64(value);
	memcpy(bytes, &value, sizeof(value));
}

static void hash_tcb_info(const struct tdx_report *report, uint8_t digest[48])
{
	sha384(report->tcb_valid, TDX_REPORT_TCB_INFO_SIZE, digest);
}

static void hash_td_info(const struct tdx_report *report, uint8_t digest[48])
{
	sha384(report->attributes, TDX_REPORT_TD_INFO_SIZE, digest);
}

static void compute_mac(const struct td *td, const struct tdx_report *report,
			uint8_t mac[32])
{
	hmac_sha256(td->mac_key, report, offsetof(struct tdx_report, mac), mac);
}

void report_build(const struct td *td, const uint8_t data[TDX_REPORT_DATA],
		  struct tdx_report *report)
{
	static const uint8_t cpusvn[16] = PLATFORM_CPUSVN;
	static const uint8_t tee_tcb_svn[16] = PLATFORM_TEE_TCB_SVN;
	const struct td_config *config = &td->config;

	memset(report, 0, sizeof(*report));
	put_le64(report->attributes, config->attributes);
	put_le64(report->xfam, config->xfam);
	memcpy(report->mrtd, config->mrtd, TDX_DIGEST);
	memcpy(report->mrconfigid, config->mrconfigid, TDX_DIGEST);
	memcpy(report->mrowner, config->mrowner, TDX_DIGEST);
	memcpy(report->mrownerconfig, config->mrownerconfig, TDX_DIGEST);
	memcpy(report->rtmr, td->rtmr, sizeof(report->rtmr));

	/* MRSEAM and its signer stay zero: Intel's own modules report zero. */
	put_le64(report->tcb_valid, TCB_INFO_VALID);
	memcpy(report->tcb_svn, tee_tcb_svn, sizeof(tee_tcb_svn));

	report->type[0] = TDX_TEE_TYPE;
	memcpy(report->cpusvn, cpusvn, sizeof(cpusvn));
	memcpy(report->report_data, data, TDX_REPORT_DATA);
	hash_tcb_info(report, report->tcb_info_hash);
	hash_td_info(report, report->td_info_hash);
	compute_mac(td, report, report->mac);
}

/*
 * EVERIFYREPORT2 of a real CPU: the quote service signs only reports that
 * the module itself made in this run, whatever the guest put in the buffer.
 */
bool report_is_genuine(const struct td *td, const struct tdx_report *report)
{
	uint8_t digest[TDX_DIGEST];
	uint8_t mac[32];

	compute_mac(td, report, mac);
	if (CRYPTO_memcmp(mac, report->mac, sizeof(mac)))
		return false;
	hash_tcb_info(report, digest);
	if (memcmp(digest, report->tcb_info_hash, TDX_DIGEST))
		return false;
	hash_td_info(report, digest);
	return !memcmp(digest, report->td_info_hash, TDX_DIGEST);
}
