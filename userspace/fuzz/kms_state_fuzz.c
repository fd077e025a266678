// SPDX-License-Identifier: MIT
/*
 * The state of a KMS: what is around the seal, and what is in it
 *
 * Copyright The dstack for Linux authors
 *
 * The seal is taken off by the target: what a KMS wrote once may be of any
 * version, and only the seal says that a KMS wrote it.
 */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "../kmsd/state/room.h"
#include "../test/key_epoch_fixture.h"

static struct content content;
static uint8_t written[CONTENT_MAX];

static void try_content(const uint8_t *data, size_t len)
{
	const char *why;
	int err;

	memset(&content, 0, sizeof(content));
	err = content_read(data, len, &content, &why);
	must(!err == !why);
	if (err)
		return;
	must(content.nr && content.nr <= KEY_EPOCHS_MAX);
	must(state_domain_ok(content.domain));
	must(content_write(&content, written) == len);
	must(!memcmp(written, data, len));
}

static void try_envelope(const uint8_t *data, size_t len)
{
	uint8_t header[HEADER_SIZE];
	struct envelope envelope;
	const char *why;

	if (envelope_read(data, len, &envelope, &why)) {
		must(*why);
		return;
	}
	envelope_write(&envelope, header);
	must(!memcmp(header, data, HEADER_SIZE));
	must(envelope.body_len == len - HEADER_SIZE);
	try_content(data + HEADER_SIZE, envelope.body_len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	uint8_t *copy;

	if (!len)
		return 0;
	copy = fuzz_copy(data + 1, len - 1);
	if (*data == 'f')
		try_envelope(copy, len - 1);
	else
		try_content(copy, len - 1);
	free(copy);
	return 0;
}

static void seed(size_t nr, bool retired)
{
	static uint8_t data[1 + HEADER_SIZE + CONTENT_MAX];
	struct envelope envelope = { .seal = 1, .generation = 7 };
	size_t i;

	memset(&content, 0, sizeof(content));
	content.generation = 7;
	content.head = (struct state_head){ .number = 5, .time = 6 };
	strcpy(content.domain, "kms.example.com");
	content.nr = nr;
	for (i = 0; i < nr; i++)
		epoch_make(i, &content.epochs[i]);
	if (retired) {
		content.epochs[0].retired = 8;
		key_epoch_wipe(&content.epochs[0]);
	}
	data[0] = 'c';
	envelope.body_len = content_write(&content, data + 1);
	fuzz_seed(data, 1 + envelope.body_len);
	data[0] = 'f';
	envelope_write(&envelope, data + 1);
	content_write(&content, data + 1 + HEADER_SIZE);
	fuzz_seed(data, 1 + HEADER_SIZE + envelope.body_len);
}

void fuzz_seeds(void)
{
	seed(1, false);
	seed(2, true);
	seed(3, false);
}
