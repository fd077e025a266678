// SPDX-License-Identifier: MIT
/*
 * The stand-in for a KMS as a program, for tests in machines
 *
 * Copyright The dstack for Linux authors
 */
#include "stand_in_kms.h"

#include <getopt.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#define EXIT_USAGE	2

static void usage(FILE *out)
{
	fputs("Usage: kms-stand-in [OPTION]...\n\n"
	      "Serves the methods of a KMS for tests, and says its URL.  It verifies no evidence.\n\n"
	      "  --listen ADDRESS   (default: 127.0.0.1)\n"
	      "  --name NAME        in its certificate and URL (default: the address)\n"
	      "  --port PORT        (default: any)\n"
	      "  --seed TEXT        who it is: the same gives the same keys\n"
	      "  --before TEXT      whom it succeeds: the seed of another one\n"
	      "  --gateway ID       the application id of the gateway\n"
	      "  --image HEX        the hash of the system that it has allowed\n"
	      "  --fault NAME       what is wrong with it; \"list\" lists them\n",
	      out);
}

static int list_faults(void)
{
	enum stand_in_fault fault;

	for (fault = 0; fault < __STAND_IN_MAX; fault++)
		puts(stand_in_fault_name(fault));
	return EXIT_SUCCESS;
}

static int take_fault(const char *name, enum stand_in_fault *fault)
{
	for (*fault = 0; *fault < __STAND_IN_MAX; ++*fault)
		if (!strcmp(name, stand_in_fault_name(*fault)))
			return -1;
	if (!strcmp(name, "list"))
		return list_faults();
	usage(stderr);
	return EXIT_USAGE;
}

static const char *seed_before;		/* NULL: it succeeds nobody */
static struct stand_in_record record;

/* Nothing of another one is behind it. */
static void take_seed(const char *text, uint8_t seed[STAND_IN_SEED])
{
	memset(seed, 0, STAND_IN_SEED);
	snprintf((char *)seed, STAND_IN_SEED, "%s", text);
}

static void succeed(struct stand_in_config *config)
{
	struct stand_in_roots before, now;
	uint8_t seed[STAND_IN_SEED];

	if (!seed_before)
		return;
	take_seed(seed_before, seed);
	stand_in_roots_init(&before, seed);
	stand_in_roots_init(&now, config->seed);
	stand_in_succeed(before.issue, 1, now.issue, &record);
	config->records = &record;
	config->nr_records = 1;
	stand_in_roots_clear(&before);
	stand_in_roots_clear(&now);
}

/* Returns -1 to go on, or the exit status. */
static int parse(int argc, char **argv, struct stand_in_config *config,
		 enum stand_in_fault *fault)
{
	static const struct option options[] = {
		{ "listen", required_argument, NULL, 'l' },
		{ "name", required_argument, NULL, 'n' },
		{ "port", required_argument, NULL, 'p' },
		{ "seed", required_argument, NULL, 's' },
		{ "before", required_argument, NULL, 'b' },
		{ "gateway", required_argument, NULL, 'g' },
		{ "image", required_argument, NULL, 'i' },
		{ "fault", required_argument, NULL, 'f' },
		{ NULL, 0, NULL, 0 }
	};
	int c, status = -1;

	while (status < 0 &&
	       (c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'l':
			config->listen = optarg;
			break;
		case 'n':
			config->name = optarg;
			break;
		case 'p':
			config->port = atoi(optarg);
			break;
		case 's':
			take_seed(optarg, config->seed);
			break;
		case 'b':
			seed_before = optarg;
			break;
		case 'g':
			config->gateway_app_id = optarg;
			break;
		case 'i':
			config->image = optarg;
			break;
		case 'f':
			status = take_fault(optarg, fault);
			break;
		default:
			usage(stderr);
			status = EXIT_USAGE;
		}
	}
	return status;
}

int main(int argc, char **argv)
{
	struct stand_in_config config = { .seed = "stand-in" };
	enum stand_in_fault fault = STAND_IN_GOOD;
	struct stand_in_kms *kms;
	int signal_number, status;
	sigset_t set;

	status = parse(argc, argv, &config, &fault);
	if (status >= 0)
		return status;
	if (!config.name)
		config.name = config.listen;
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	succeed(&config);
	kms = stand_in_start(&config);
	kms->fault = fault;
	puts(kms->url);
	fflush(stdout);
	sigwait(&set, &signal_number);
	stand_in_stop(kms);
	return EXIT_SUCCESS;
}
