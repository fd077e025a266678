// SPDX-License-Identifier: MIT
/*
 * dstackctl contract: the contracts that say what gets keys
 *
 * Copyright The dstack for Linux authors
 */
#include "contract.h"

#include <string.h>

static void usage(FILE *out)
{
	fputs("Usage: dstackctl contract COMMAND --rpc URL [OPTION]...\n\n"
	      "  status                  who decides, what is in force, what is announced\n"
	      "  why --boot FILE         why a boot is denied, and the transactions that would\n"
	      "                          allow it; exits with 0 if it is allowed, 1 if not, 2 if\n"
	      "                          that can't be told\n"
	      "    --as-kms              as a KMS, not as an application\n"
	      "    --root HEX            of a policy to announce, where one is needed\n"
	      "  deploy --build DIR      DstackKms and the code of applications, on a test chain\n"
	      "    --owner ADDRESS       default: whose the key is\n"
	      "  app-deploy              an application, and its id\n"
	      "    --owner, --compose-hash HEX, --device HEX, --any-device, --require-tcb,\n"
	      "    --disable-upgrades\n"
	      "  allow KIND HEX          and deny: os-image, kms-mr, kms-device of a KMS;\n"
	      "                          compose-hash, device of an application\n"
	      "  allow any-device        and deny, allow old-tcb, deny old-tcb\n"
	      "  allow app ADDRESS       register what is deployed\n"
	      "  policy announce ROOT EPOCH, policy revoke EPOCH\n"
	      "  pin DEVICE, unpin DEVICE, pins required, pins optional\n"
	      "  key-epoch announce STARTS RETIRES, key-epoch revoke EPOCH\n"
	      "                          times in seconds since 1970, or +SECONDS from now\n"
	      "  delay SECONDS, guardian ADDRESS\n\n"
	      "  --kms ADDRESS           of DstackKms\n"
	      "  --app ADDRESS           of the application\n"
	      "  --rpc URL               a server, for each; https, or http to this machine\n"
	      "  --quorum N              how many of them have to agree; default: more than half\n"
	      "  --chain ID              the chain's number, if it is none for tests\n"
	      "  --yes-chain ID          the same, and deploy there\n"
	      "  --pins FILE             which code is known, as 'deploy --json' prints it\n"
	      "  --ask                   where code is not known: believe the servers\n"
	      "  --block TAG             finalized (default; latest on test chains), safe, latest\n"
	      "  --max-age SECONDS       of that block (default: 1800)\n"
	      "  --key FILE              64 hex digits, in a file for its owner alone\n"
	      "  --dry-run               print the transaction, and send none\n"
	      "  --from ADDRESS          who would send it, without a key\n"
	      "  --max-fee GWEI          for a unit of gas (default: 100)\n"
	      "  --wait SECONDS          until it is proven (default: 120)\n"
	      "  --ca-file FILE          whom to trust for https\n"
	      "  --json\n", out);
}

int cmd_contract(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "";
	int i;

	for (i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--help") != 0 && strcmp(argv[i], "-h"))
			continue;
		usage(stdout);
		return EXIT_SUCCESS;
	}
	argc--;
	argv++;
	if (contract_is_call(name))
		return contract_call_command(argc, argv);
	if (!strcmp(name, "status"))
		return contract_status(argc, argv);
	if (!strcmp(name, "why"))
		return contract_why_command(argc, argv);
	if (!strcmp(name, "deploy"))
		return contract_deploy(argc, argv);
	if (!strcmp(name, "app-deploy"))
		return contract_app_deploy(argc, argv);
	error_msg("unknown 'contract %s'", name);
	return usage_hint("contract");
}
