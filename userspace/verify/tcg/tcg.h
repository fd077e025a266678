/* SPDX-License-Identifier: MIT */
/*
 * What the rooms of the event log share
 *
 * Copyright The dstack for Linux authors
 *
 * log.c takes a log apart, replay.c computes registers from it, ccel.c is about
 * those of TDX.
 */
#ifndef TCG_H
#define TCG_H

#include <libdstack_tcg.h>
#include <openssl/evp.h>

#include "../failure.h"

/* NULL if OpenSSL, as it is configured here, has no such algorithm. */
const EVP_MD *tcg_md(uint16_t alg);
/* The place of a bank in log->bank[], or -1. */
int tcg_bank(const struct libdstack_tcg_log *log, uint16_t alg);

#endif /* TCG_H */
