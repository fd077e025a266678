// SPDX-License-Identifier: MIT
/*
 * Collateral, the levels of a TCB and the identity of a quoting enclave
 *
 * Copyright The dstack for Linux authors
 *
 * The first byte says which: 't', 'q', or all in one document.
 */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "dcap/dcap.h"

static void parse_collateral(const uint8_t *data, size_t len)
{
	struct libdstack_collateral *collateral;
	char *text = fuzz_copy(data, len);

	if (!libdstack_collateral_parse(text, len, &collateral))
		libdstack_collateral_free(collateral);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct dcap_qe_identity qe = { .tdx = false };
	struct dcap_tcb_info info = { .tdx = false };
	const char *field = NULL;
	char *text;

	if (!len || (*data != 't' && *data != 'q')) {
		parse_collateral(data, len);
		return 0;
	}
	text = strndup((const char *)data + 1, len - 1);
	must(text);
	if (*data == 't') {
		dcap_tcb_info_parse(text, &info, &field);
		dcap_tcb_info_free(&info);
	} else {
		dcap_qe_identity_parse(text, &qe, &field);
		dcap_qe_identity_free(&qe);
	}
	free(text);
	return 0;
}

#define HEX16	"00000000000000000000000000000000"
#define DATES \
	"\"issueDate\":\"2026-01-01T00:00:00Z\"," \
	"\"nextUpdate\":\"2026-02-01T00:00:00Z\","
#define LEVEL(tcb) \
	"{\"tcb\":" tcb ",\"tcbDate\":\"2025-01-01T00:00:00Z\"," \
	"\"tcbStatus\":\"UpToDate\",\"advisoryIDs\":[\"INTEL-SA-00001\"]}"
#define SVN	"{\"svn\":1},"
#define SVNS \
	"[" SVN SVN SVN SVN SVN SVN SVN SVN SVN SVN SVN SVN SVN SVN SVN \
	"{\"svn\":255}]"
#define MODULE \
	"\"mrsigner\":\"" HEX16 HEX16 HEX16 "\"," \
	"\"attributes\":\"0000000000000000\"," \
	"\"attributesMask\":\"FFFFFFFFFFFFFFFF\""

void fuzz_seeds(void)
{
	fuzz_seed_text("t{\"id\":\"TDX\",\"version\":3," DATES
		       "\"fmspc\":\"00806F050000\",\"pceId\":\"0000\","
		       "\"tcbType\":0,\"tcbEvaluationDataNumber\":20,"
		       "\"tdxModule\":{" MODULE "},"
		       "\"tdxModuleIdentities\":[{\"id\":\"TDX_01\"," MODULE
		       ",\"tcbLevels\":[" LEVEL("{\"isvsvn\":6}") "]}],"
		       "\"tcbLevels\":["
		       LEVEL("{\"sgxtcbcomponents\":" SVNS
			     ",\"tdxtcbcomponents\":" SVNS ",\"pcesvn\":9}")
		       "]}");
	fuzz_seed_text("q{\"id\":\"TD_QE\",\"version\":2," DATES
		       "\"tcbEvaluationDataNumber\":20,"
		       "\"miscselect\":\"00000000\","
		       "\"miscselectMask\":\"FFFFFFFF\","
		       "\"attributes\":\"" HEX16 "\","
		       "\"attributesMask\":\"" HEX16 "\","
		       "\"mrsigner\":\"" HEX16 HEX16 "\",\"isvprodid\":2,"
		       "\"tcbLevels\":[" LEVEL("{\"isvsvn\":4}") "]}");
	fuzz_seed_text("{\"tcb_info\":\"{}\",\"tcb_info_signature\":\"00\",\"qe_identity\":\"{}\"}");
}
