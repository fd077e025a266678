// SPDX-License-Identifier: MIT
/*
 * Events: name, ':', payload
 *
 * Copyright The dstack for Linux authors
 */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "event.h"

/* There is one way to write an event: what was read is written the same. */
static void write_again(const struct dstack_event_fields *fields,
			const uint8_t *payload, size_t len)
{
	static struct dstack_event ev;
	static char value[DSTACK_PAYLOAD_MAX];
	uint32_t i;
	int n;

	dstack_event_begin(&ev, fields->id);
	for (i = 0; i < fields->nr; i++) {
		n = dstack_event_unescape(&fields->value[i], value,
					  sizeof(value));
		must(n >= 0);
		dstack_event_text(&ev, fields->key[i], value, n);
	}
	must(!dstack_event_end(&ev) && ev.len == len &&
	     !memcmp(ev.payload, payload, len));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const uint8_t *colon = len ? memchr(data, ':', len) : NULL;
	struct dstack_event_fields fields;
	char name[DSTACK_NAME_SIZE] = "";
	size_t name_len;
	void *payload;

	if (!colon || (size_t)(colon - data) >= sizeof(name))
		return 0;
	name_len = colon - data;
	memcpy(name, data, name_len);
	len -= name_len + 1;
	payload = fuzz_copy(colon + 1, len);
	if (!dstack_event_decode(name, payload, len, &fields))
		write_again(&fields, payload, len);
	free(payload);
	return 0;
}

void fuzz_seeds(void)
{
	static const char * const seeds[] = {
		"dstack.start:v=1 backend=tdx abi=1 base=00ff",
		"dstack.state:v=1 from=off to=measure",
		"dstack.exec:v=1 id=c digest=sha256:00 reason=approved epoch=1 storage=disk path=/a%20b%3D%25",
		"dstack.deny:v=1 id=c kind=map digest=none reason=storage count=8 epoch=1 storage=disk path=",
		"dstack.user:v=1 id=host name=x data=",
		"dstack.quota:v=1 id=c what=room count=1",
		"dstack.root:v=1 action=load app=00 epoch=1 key=ff",
		"dstack.key:v=1 id=c path=%00 purpose= kind=bytes scope=app epoch=1 delivery=bytes",
		"system-ready:",
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(seeds); i++)
		fuzz_seed_text(seeds[i]);
}
