/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) The dstack for Linux authors
 *
 * The platform that the module claims to run on.
 *
 * The quote service reports these values and mkpki certifies them: the two
 * must agree for a quote to be judged UpToDate, so both include this file.
 */
#ifndef TDX_PLATFORM_H
#define TDX_PLATFORM_H

#include <stdint.h>

/* Module version 1 (byte 1), its SVN 11 (byte 0), microcode SVN 4 (byte 2). */
#define PLATFORM_MODULE_VERSION		1
#define PLATFORM_MODULE_SVN		11
#define PLATFORM_UCODE_SVN		4
#define PLATFORM_TEE_TCB_SVN \
	{ PLATFORM_MODULE_SVN, PLATFORM_MODULE_VERSION, PLATFORM_UCODE_SVN }

/* SVNs of the 16 SGX TCB components, and of the provisioning enclave. */
#define PLATFORM_SGX_TCB_SVN	{ 4, 4, 2, 2, 4, 1, 0, 5 }
#define PLATFORM_PCE_SVN	13
#define PLATFORM_CPUSVN		{ 4, 4, 2, 2, 4, 1, 0, 5 }
#define PLATFORM_PCE_ID		{ 0, 0 }

/* No machine has this one: bytes 2..5 say "TEST" in no vendor's numbering. */
#define PLATFORM_FMSPC		{ 0x00, 0x0d, 'T', 'E', 'S', 'T' }

/* The quoting enclave. Its signer is the SHA-256 of a sentence, see below. */
#define PLATFORM_QE_PRODID	2
#define PLATFORM_QE_SVN		6
#define PLATFORM_QE_ATTRIBUTES \
	{ 0x15, 0, 0, 0, 0, 0, 0, 0, 0xe7, 0, 0, 0, 0, 0, 0, 0 }
#define PLATFORM_QE_SIGNER_LABEL	"dstack test quoting enclave signer"
#define PLATFORM_QE_ENCLAVE_LABEL	"dstack test quoting enclave"

/* Files of a PKI directory that the quote service reads. */
#define PKI_PCK_KEY		"pck.key"
#define PKI_PCK_CHAIN		"pck_chain.pem"

#endif
