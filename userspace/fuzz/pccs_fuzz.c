// SPDX-License-Identifier: MIT
/*
 * What a PCCS answers: signed texts and revocation lists
 *
 * Copyright The dstack for Linux authors
 *
 * The first byte says which: 's' or 'c'.
 */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "dcap/source.h"

static void take_signed(const char *text, size_t len)
{
	struct dcap_signed part;
	json_error_t error;
	json_t *value;

	if (!dcap_reply_signed(text, len, "tcbInfo", &part))
		return;
	/* What was cut out is all of one object, and within the reply. */
	must(part.text >= text && part.len <= len &&
	     (size_t)(part.text - text) <= len - part.len);
	value = json_loadb(part.text, part.len, 0, &error);
	must(json_is_object(value));
	must(strlen(part.signature) == 2 * DCAP_SIGNATURE_SIZE);
	json_decref(value);
}

static void take_crl(const char *text, size_t len)
{
	char *hex = dcap_reply_crl(text, len);

	must(!hex || strspn(hex, "0123456789abcdefABCDEF") == strlen(hex));
	free(hex);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char *text;

	if (!len)
		return 0;
	text = fuzz_copy(data + 1, len - 1);
	if (*data == 's')
		take_signed(text, len - 1);
	else
		take_crl(text, len - 1);
	free(text);
	return 0;
}

#define HEX32	"0123456789abcdef0123456789abcdef"
#define SIGNATURE "\"signature\":\"" HEX32 HEX32 HEX32 HEX32 "\""

void fuzz_seeds(void)
{
	fuzz_seed_text("s{\"tcbInfo\":{\"id\":\"TDX\",\"a\":[1,{}]}," SIGNATURE
		       "}");
	fuzz_seed_text("s{" SIGNATURE ", \"tcbInfo\" : { } }\n");
	fuzz_seed_text("c30820122");
	fuzz_seed_text("c\x30\x82\x01\x02\x03");
	fuzz_seed_text("c-----BEGIN X509 CRL-----\nMAA=\n"
		       "-----END X509 CRL-----\n");
}
