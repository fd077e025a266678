/* SPDX-License-Identifier: MIT */
/*
 * What the files of 'dstackctl kms' share
 *
 * Copyright The dstack for Linux authors
 *
 * cmd_kms.c is the command, kms_ask.c asks the KMS, kms_show.c says what it
 * answered to a person.
 */
#ifndef DSTACKCTL_KMS_ADMIN_H
#define DSTACKCTL_KMS_ADMIN_H

#include "dstackctl.h"

#include <jansson.h>

#define KMS_SOCKET	"/run/dstack-kms/admin.sock"

/*
 * kms_ask.c: @args are given away; NULL is none.  0, or -errno after an error
 * message that says what to do; *@answer is for json_decref().
 */
int kms_admin_ask(const char *socket, const char *method, json_t *args,
		  json_t **answer);

/* kms_show.c */
void kms_show_status(const json_t *status);
void kms_show_identity(const json_t *identity);
void kms_show_audit(const json_t *status);

#endif /* DSTACKCTL_KMS_ADMIN_H */
