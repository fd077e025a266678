// SPDX-License-Identifier: MIT
/*
 * Asks a KMS for keys, many times, and says in JSON what that costs
 *
 * Copyright The dstack for Linux authors
 */
#include "kmsd_load.h"

#include <arpa/inet.h>
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define APPS		32
#define ROUNDS		10
#define HANDSHAKES_MAX	500		/* of a round */
#define EXIT_USAGE	2

static struct {
	struct load load;
	const char *pki, *config, *app, *identity;
	long releases;
} options = {
	.config = "{}", .releases = 100, .load.clients = 4,
};

static struct load_app apps[APPS];

/* Of all rounds. */
static struct {
	double bare[ROUNDS], release[ROUNDS];	/* CPU of one, s */
	struct load_primitives one[ROUNDS];
	long rss[ROUNDS];			/* KiB behind it */
	long given, refused, failed;
	double seconds;
	uint32_t *us;
	char said[LOAD_SAID];
} seen;

static int usage(void)
{
	fputs("Usage: kmsd-load --pki DIR --at ADDRESS:PORT [OPTION]...\n\n"
	      "  --config JSON     vm_config of who asks\n"
	      "  --app HEX         the application that it is of\n"
	      "  --identity FILE   write its key and certificate, and ask nothing\n"
	      "  --releases N      how often (default: 100)\n"
	      "  --clients N       at a time (default: 4)\n"
	      "  --from ADDRESS    of loopback\n"
	      "  --first N         the number of its first instance\n"
	      "  --fresh           evidence of its own for each\n"
	      "  --given FILE      hashes of evidence that was given keys for\n"
	      "  --cost PID        of that server, beside what it can't do without\n",
	      stderr);
	return EXIT_USAGE;
}

static void take_address(const char *text, struct sockaddr_in *address)
{
	const char *colon = strrchr(text, ':');
	char host[64];

	snprintf(host, sizeof(host), "%.*s", colon ? (int)(colon - text) : 63,
		 text);
	address->sin_family = AF_INET;
	address->sin_port = htons(colon ? strtoul(colon + 1, NULL, 10) : 0);
	load_need(inet_pton(AF_INET, host, &address->sin_addr) == 1,
		  "want ADDRESS:PORT");
}

static void take(int c)
{
	switch (c) {
	case 'p':
		options.pki = optarg;
		break;
	case 'a':
		take_address(optarg, &options.load.at);
		break;
	case 'v':
		options.config = optarg;
		break;
	case 'A':
		options.app = optarg;
		break;
	case 'I':
		options.identity = optarg;
		break;
	case 'n':
		options.releases = atol(optarg);
		break;
	case 'c':
		options.load.clients = atoi(optarg);
		break;
	case 'f':
		take_address(optarg, &options.load.from);
		break;
	case 'i':
		options.load.first = strtoul(optarg, NULL, 10);
		break;
	case 'r':
		options.load.fresh = true;
		break;
	case 'g':
		options.load.given = fopen(optarg, "we");
		load_need(options.load.given, "can't write that file");
		break;
	case 's':
		options.load.server = atoi(optarg);
		break;
	default:
		exit(usage());
	}
}

static void parse(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "pki", required_argument, NULL, 'p' },
		{ "at", required_argument, NULL, 'a' },
		{ "config", required_argument, NULL, 'v' },
		{ "app", required_argument, NULL, 'A' },
		{ "identity", required_argument, NULL, 'I' },
		{ "releases", required_argument, NULL, 'n' },
		{ "clients", required_argument, NULL, 'c' },
		{ "from", required_argument, NULL, 'f' },
		{ "first", required_argument, NULL, 'i' },
		{ "fresh", no_argument, NULL, 'r' },
		{ "given", required_argument, NULL, 'g' },
		{ "cost", required_argument, NULL, 's' },
		{ }
	};
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1)
		take(c);
	if (optind != argc || !options.pki || !options.load.at.sin_family)
		exit(usage());
}

/*
 * Figures
 */

static long rss_of(pid_t pid)
{
	char path[64];
	long pages = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/statm", pid);
	file = fopen(path, "re");
	load_need(file && fscanf(file, "%*d %ld", &pages) == 1,
		  "the server has ended");
	fclose(file);
	return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static void add(const struct load_result *result)
{
	memcpy(seen.us + seen.given, result->us,
	       result->given * sizeof(*seen.us));
	free(result->us);
	seen.given += result->given;
	seen.refused += result->refused;
	seen.failed += result->failed;
	seen.seconds += result->seconds;
	if (*result->said)
		memcpy(seen.said, result->said, sizeof(seen.said));
}

/* One after the other: what else this machine does meets both. */
static void measure(int round, const struct load *bare, long nr)
{
	long handshakes = nr < HANDSHAKES_MAX ? nr : HANDSHAKES_MAX;
	struct load_result result;

	load_ask(bare, apps, APPS, handshakes, &result);
	load_need(result.given == handshakes, "bare handshakes fail");
	seen.bare[round] = result.cpu / handshakes;
	free(result.us);
	load_primitives(&seen.one[round]);
	load_ask(&options.load, apps, APPS, nr, &result);
	seen.release[round] = result.cpu / nr;
	seen.rss[round] = rss_of(options.load.server);
	add(&result);
}

static int compare(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double values[ROUNDS])
{
	qsort(values, ROUNDS, sizeof(*values), compare);
	return (values[ROUNDS / 2 - 1] + values[ROUNDS / 2]) / 2;
}

/* Beside a handshake; Documentation/performance.rst counts them. */
static double signatures(const struct load_primitives *one)
{
	return 2 * one->verify + one->sign_k256;
}

static double keys(const struct load_primitives *one)
{
	return 2 * one->p256 + one->secp256k1;
}

static void say_ratios(void)
{
	double strict[ROUNDS], whole[ROUNDS], ecdsa[ROUNDS], curve[ROUNDS];
	int i;

	for (i = 0; i < ROUNDS; i++) {
		ecdsa[i] = signatures(&seen.one[i]);
		curve[i] = keys(&seen.one[i]);
		strict[i] = seen.release[i] / (seen.bare[i] + ecdsa[i]);
		whole[i] = seen.release[i] /
			(seen.bare[i] + ecdsa[i] + curve[i]);
	}
	printf(",\"ratio\":%.3f,\"ratio_with_keys\":%.3f", median(strict),
	       median(whole));
	printf(",\"signatures_us\":%.1f,\"keys_us\":%.1f",
	       median(ecdsa) * 1e6, median(curve) * 1e6);
}

static void say_cost(void)
{
	int i;

	say_ratios();
	printf(",\"release_us\":%.1f,\"handshake_us\":%.1f",
	       median(seen.release) * 1e6, median(seen.bare) * 1e6);
	printf(",\"rss_kib\":[");
	for (i = 0; i < ROUNDS; i++)
		printf("%s%ld", i ? "," : "", seen.rss[i]);
	printf("]");
}

static int compare_us(const void *a, const void *b)
{
	const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static void say(void)
{
	long nr = seen.given;

	qsort(seen.us, nr, sizeof(*seen.us), compare_us);
	printf("{\"given\":%ld,\"refused\":%ld,\"failed\":%ld,\"seconds\":%.3f",
	       nr, seen.refused, seen.failed, seen.seconds);
	if (nr)
		printf(",\"per_second\":%.1f,\"p50_ms\":%.2f,\"p99_ms\":%.2f,\"max_ms\":%.2f",
		       nr / seen.seconds, seen.us[nr / 2] / 1e3,
		       seen.us[nr * 99 / 100] / 1e3, seen.us[nr - 1] / 1e3);
	if (*seen.said)
		printf(",\"said\":%s", seen.said);
	if (options.load.server)
		say_cost();
	puts("}");
}

static void measure_all(void)
{
	struct load bare = { .clients = options.load.clients, .bare = true };
	int i;

	bare.at = options.load.at;
	bare.server = load_bare_start(&bare.at);
	for (i = 0; i < ROUNDS; i++)
		measure(i, &bare, options.releases / ROUNDS);
	load_bare_stop(bare.server);
}

static int write_identity(void)
{
	load_app_make(&apps[0], options.load.first);
	load_app_write(&apps[0], options.identity);
	load_app_end(&apps[0]);
	return 0;
}

int main(int argc, char **argv)
{
	struct load_result result;
	unsigned int i;

	signal(SIGPIPE, SIG_IGN);
	parse(argc, argv);
	load_platform(options.pki, options.config, options.app);
	if (options.identity)
		return write_identity();
	for (i = 0; i < APPS; i++)
		load_app_make(&apps[i], options.load.first + i);
	seen.us = malloc(options.releases * sizeof(*seen.us));
	load_need(seen.us, "out of memory");
	if (options.load.server) {
		measure_all();
	} else {
		load_ask(&options.load, apps, APPS, options.releases, &result);
		add(&result);
	}
	say();
	for (i = 0; i < APPS; i++)
		load_app_end(&apps[i]);
	free(seen.us);
	return 0;
}
