// SPDX-License-Identifier: MIT
/*
 * The stand-in for a host with a key enclave as a program, for machines
 *
 * Copyright The dstack for Linux authors
 */
#include "key_enclave.h"

#include <getopt.h>
#include <signal.h>
#include <string.h>

#define EXIT_USAGE	2

static int usage(void)
{
	fputs("Usage: key-enclave-stand-in [OPTION]...\n\n"
	      "Serves the host's API and a PCCS for tests, and says its URL.  It verifies no\n"
	      "evidence.\n\n"
	      "  --pki DIR          mkpki's, with collateral in its enclaves/ and old/\n"
	      "  --port PORT        on loopback (default: any)\n"
	      "  --seed TEXT        of its sealing key: the same gives the same keys\n"
	      "  --enclave TEXT     what it is: the same has the same MRENCLAVE\n"
	      "  --fault NAME       what is wrong with it\n",
	      stderr);
	return EXIT_USAGE;
}

static bool take_fault(const char *name, enum key_enclave_fault *fault)
{
	for (*fault = 0; *fault < __KEY_ENCLAVE_MAX; ++*fault)
		if (!strcmp(name, key_enclave_fault_name(*fault)))
			return true;
	return false;
}

static bool parse(int argc, char **argv, struct key_enclave_config *config,
		  enum key_enclave_fault *fault)
{
	static const struct option options[] = {
		{ "pki", required_argument, NULL, 'k' },
		{ "port", required_argument, NULL, 'p' },
		{ "seed", required_argument, NULL, 's' },
		{ "enclave", required_argument, NULL, 'e' },
		{ "fault", required_argument, NULL, 'f' },
		{ NULL, 0, NULL, 0 }
	};
	bool good = true;
	int c;

	while (good && (c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'k':
			config->pki = optarg;
			break;
		case 'p':
			config->port = atoi(optarg);
			break;
		case 's':
			config->seed = optarg;
			break;
		case 'e':
			config->enclave = optarg;
			break;
		case 'f':
			good = take_fault(optarg, fault);
			break;
		default:
			good = false;
		}
	}
	return good && config->pki;
}

int main(int argc, char **argv)
{
	struct key_enclave_config config = {
		.seed = "stand-in", .enclave = "stand-in",
	};
	enum key_enclave_fault fault = KEY_ENCLAVE_GOOD;
	struct key_enclave *enclave;
	int signal_number;
	sigset_t set;

	if (!parse(argc, argv, &config, &fault))
		return usage();
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	enclave = key_enclave_start(&config);
	enclave->fault = fault;
	puts(enclave->url);
	fflush(stdout);
	sigwait(&set, &signal_number);
	key_enclave_stop(enclave);
	return EXIT_SUCCESS;
}
