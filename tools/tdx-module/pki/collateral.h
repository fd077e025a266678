/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) The dstack for Linux authors
 *
 * What Intel's provisioning service would say of the test platform.
 */
#ifndef TDX_PKI_COLLATERAL_H
#define TDX_PKI_COLLATERAL_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

/* No level matches: the platform's SVNs are below every one listed. */
#define STATUS_UNSUPPORTED	"Unsupported"

struct period {
	time_t from;
	time_t to;
};

/**
 * struct collateral_plan - the verdict that collateral is to lead to
 * @tcb_status: of the platform's TCB level
 * @module_status: of the TDX module
 * @qe_status: of the quoting enclave
 * @enclaves: it is of the platform's enclaves (SGX), not of its TDs
 * @fmspc: platform named in the TCB info
 * @eval_number: tcbEvaluationDataNumber
 * @tcb_info: when the TCB info was made, and when a newer one must be fetched
 * @qe_identity: the same of the QE identity
 */
struct collateral_plan {
	const char *tcb_status;
	const char *module_status;
	const char *qe_status;
	bool enclaves;
	uint8_t fmspc[6];
	unsigned int eval_number;
	struct period tcb_info;
	struct period qe_identity;
};

/* Both return JSON text, exactly as it is to be signed; NULL: no memory. */
char *tcb_info_text(const struct collateral_plan *plan);
char *qe_identity_text(const struct collateral_plan *plan);

#endif
