// SPDX-License-Identifier: MIT
/*
 * Reports of Azure's paravisor, and the key in them
 *
 * Copyright The dstack for Linux authors
 */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#define assert_true(ok)		must(ok)
#define assert_non_null(p)	must(p)

#include "../test/azure_fixture.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	uint8_t *copy = fuzz_copy(data, len);
	struct libdstack_failure failure;
	struct libdstack_azure_hcl hcl;
	struct libdstack_tpm_key *key;

	if (!libdstack_azure_hcl_parse(copy, len, &hcl, &failure)) {
		must(hcl.report == copy + 32 &&
		     (const uint8_t *)hcl.runtime + hcl.runtime_len <=
		     copy + len && strlen(hcl.vm_id) < sizeof(hcl.vm_id));
		must(!libdstack_azure_hcl_key(&hcl, &key, &failure) ==
		     !*failure.text);
		libdstack_tpm_key_free(key);
	} else {
		must(*failure.step && *failure.text);
	}
	free(copy);
	return 0;
}

void fuzz_seeds(void)
{
	static const uint8_t report[1184];
	static struct azure_fixture f;
	EVP_PKEY *key = pki_rsa_key();

	azure_json(&f, key);
	azure_assemble(&f, report, LIBDSTACK_AZURE_SNP);
	fuzz_seed(f.hcl, f.len);
	azure_assemble(&f, report, LIBDSTACK_AZURE_TDX);
	fuzz_seed(f.hcl, f.len);
	EVP_PKEY_free(key);
}
