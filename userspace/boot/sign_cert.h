/* SPDX-License-Identifier: MIT */
/*
 * dstack-boot sign-cert: a certificate, by the KMS that gave the keys
 *
 * Copyright The dstack for Linux authors
 */
#ifndef BOOT_SIGN_CERT_H
#define BOOT_SIGN_CERT_H

#include <stdio.h>

void sign_cert_usage(FILE *out);
/* @argv[0] is "sign-cert".  Returns the exit status. */
int sign_cert_main(int argc, char **argv);

#endif /* BOOT_SIGN_CERT_H */
