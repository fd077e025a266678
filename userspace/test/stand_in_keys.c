// SPDX-License-Identifier: MIT
/*
 * The stand-in's roots, and who asks it
 *
 * Copyright The dstack for Linux authors
 */
#include "stand_in_kms.h"

#include <string.h>

#include "../keys/p256.h"
#include "../keys/pem.h"
#include "key_epoch_fixture.h"

static void derive(const uint8_t *seed, const char *name,
		   uint8_t out[DSTACK_KEY_SIZE])
{
	const struct part context = { name, strlen(name) };

	stand_in_need(!p256_derive(seed, &context, 1, out));
}

void stand_in_roots_init(struct stand_in_roots *roots, const uint8_t *seed)
{
	static const char *const none[__ISSUE_CA_MAX];
	struct issue_roots numbers;
	const char *why;

	derive(seed, "root ca", numbers.ca);
	derive(seed, "root k256", numbers.k256);
	derive(seed, "temp ca", numbers.temp_ca);
	stand_in_need(!issue_open(&numbers, none, time(NULL), &roots->issue,
				  &why));
	memcpy(roots->k256, numbers.k256, sizeof(roots->k256));
	roots->ca_key = p256_key(numbers.ca);
	roots->temp_key = p256_key(numbers.temp_ca);
	roots->ca = pem_read_cert(issue_cert(roots->issue, ISSUE_ROOT_CA));
	roots->temp_ca = pem_read_cert(issue_cert(roots->issue,
						  ISSUE_TEMP_CA));
	stand_in_need(roots->ca_key && roots->temp_key && roots->ca &&
		      roots->temp_ca);
	issue_roots_wipe(&numbers);
}

void stand_in_roots_clear(struct stand_in_roots *roots)
{
	EVP_PKEY_free(roots->ca_key);
	EVP_PKEY_free(roots->temp_key);
	X509_free(roots->ca);
	X509_free(roots->temp_ca);
	issue_close(roots->issue);
}

void stand_in_epoch(const struct stand_in_roots *roots, uint64_t number,
		    struct key_epoch *epoch)
{
	const char *temp = issue_cert(roots->issue, ISSUE_TEMP_CA);
	const char *ca = issue_cert(roots->issue, ISSUE_ROOT_CA);

	epoch_make(number, epoch);
	if (number)
		return;
	memcpy(epoch->k256, roots->k256, sizeof(epoch->k256));
	stand_in_need(!p256_scalar(roots->ca_key, epoch->ca) &&
		      !p256_scalar(roots->temp_key, epoch->temp_ca) &&
		      !secp_public(epoch->k256, epoch->k256_public) &&
		      strlen(ca) < KEY_EPOCH_CERT_MAX &&
		      strlen(temp) < KEY_EPOCH_CERT_MAX);
	memcpy(epoch->ca_cert, ca, strlen(ca) + 1);
	memcpy(epoch->temp_ca_cert, temp, strlen(temp) + 1);
}

void stand_in_succeed(const struct issue *from, uint64_t epoch,
		      const struct issue *to, struct stand_in_record *record)
{
	struct key_succession made;

	stand_in_need(!issue_succession_make(from, epoch, issue_public(to),
					     &made));
	record->epoch = epoch;
	record->next = *issue_public(to);
	record->ca_len = sizeof(record->next.ca);
	record->len = key_succession_write(&made, record->record);
}

/* The first of that name, before the boot was complete. */
static const struct libdstack_event *
find(const struct libdstack_attestation *att, const char *name)
{
	const struct libdstack_event *event = att->runtime.events;
	size_t i;

	for (i = 0; i < att->runtime.count; i++, event++) {
		if (!strcmp(event->name, name))
			return event;
		if (!strcmp(event->name, "system-ready"))
			break;
	}
	return NULL;
}

static void take_id(const struct libdstack_attestation *att, const char *name,
		    struct libdstack_id *id)
{
	const struct libdstack_event *event = find(att, name);

	id->len = 0;
	if (!event || event->payload_len > sizeof(id->data))
		return;
	id->len = event->payload_len;
	if (id->len)
		memcpy(id->data, event->payload, id->len);
}

bool stand_in_client_read(const struct libdstack_attestation *att,
			  const void *spki, size_t len,
			  struct libdstack_identity *client, const char **why)
{
	uint8_t want[DSTACK_REPORT_DATA_SIZE];

	*why = "No attestation provided";
	if (!att)
		return false;
	*why = "its evidence is for another key";
	stand_in_need(!libdstack_report_data(LIBDSTACK_TAG_RATLS_CERT, NULL,
					     spki, len, want));
	if (!att->have_report_data ||
	    memcmp(att->report_data, want, sizeof(want)) != 0)
		return false;
	*why = "its log names no application";
	*client = (struct libdstack_identity){ .tee = att->tee };
	take_id(att, "app-id", &client->app_id);
	if (client->app_id.len != DSTACK_APP_ID_SIZE)
		return false;
	take_id(att, "instance-id", &client->instance_id);
	take_id(att, "compose-hash", &client->compose_hash);
	return true;
}
