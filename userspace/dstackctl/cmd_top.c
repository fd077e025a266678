// SPDX-License-Identifier: MIT
/*
 * dstackctl top: which containers run what, as it happens
 *
 * Copyright The dstack for Linux authors
 */
#include "dstackctl.h"
#include "words.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <time.h>
#include <unistd.h>

#define CONTAINERS	4096		/* the module's bound */
#define INTERVAL_MAX	3600
#define CLEAR		"\033[H\033[J"

/* The module, at one moment. */
struct look {
	struct libdstack_status status;
	struct libdstack_container *containers;	/* by id */
	size_t nr;
	struct timespec when;
};

static void usage(FILE *out)
{
	fputs("Usage: dstackctl top [--interval SECONDS] [--count N]\n\n"
	      "Shows containers, and what each was allowed and denied, again and again; those that\n"
	      "were denied most in the last interval come first.\n\n"
	      "  --interval SECONDS  between two looks (default: 1)\n"
	      "  --count N           so many looks, and then end (default: until interrupted)\n",
	      out);
}

static int add(const struct libdstack_container *container, void *arg)
{
	struct look *look = arg;

	if (look->nr == CONTAINERS)
		return -E2BIG;
	look->containers[look->nr++] = *container;
	return 0;
}

static int by_id(const void *a, const void *b)
{
	const struct libdstack_container *one = a, *two = b;

	return strcmp(one->id, two->id);
}

static int take(struct libdstack_control *control, struct look *look)
{
	int err;

	look->nr = 0;
	clock_gettime(CLOCK_MONOTONIC, &look->when);
	err = libdstack_status(control, &look->status) ?:
		libdstack_list_containers(control, add, look);
	if (!err)
		qsort(look->containers, look->nr, sizeof(*look->containers),
		      by_id);
	return err;
}

static double seconds_between(const struct look *from, const struct look *to)
{
	double s = to->when.tv_sec - from->when.tv_sec +
		(to->when.tv_nsec - from->when.tv_nsec) / 1e9;

	return s > 0.001 ? s : 0.001;
}

/* One line of the table. */
struct row {
	const struct libdstack_container *container;
	double allowed, denied;		/* a second */
};

/* Counters begin anew with a container that was registered again. */
static double rate(uint64_t from, uint64_t to, double seconds)
{
	return to > from ? (to - from) / seconds : 0;
}

static int by_denied(const void *a, const void *b)
{
	const struct row *one = a, *two = b;

	if (one->denied != two->denied)
		return one->denied < two->denied ? 1 : -1;
	if (one->allowed != two->allowed)
		return one->allowed < two->allowed ? 1 : -1;
	return strcmp(one->container->id, two->container->id);
}

static size_t make_rows(const struct look *from, const struct look *to,
			struct row *rows)
{
	const struct libdstack_container none = { 0 }, *before;
	double seconds = seconds_between(from, to);
	size_t i;

	for (i = 0; i < to->nr; i++) {
		before = bsearch(&to->containers[i], from->containers, from->nr,
				 sizeof(*from->containers), by_id) ?: &none;
		rows[i] = (struct row){
			.container = &to->containers[i],
			.allowed = rate(before->allowed,
					to->containers[i].allowed, seconds),
			.denied = rate(before->denied,
				       to->containers[i].denied, seconds),
		};
	}
	qsort(rows, to->nr, sizeof(*rows), by_denied);
	return to->nr;
}

static void show(const struct look *from, const struct look *to,
		 struct row *rows)
{
	const struct libdstack_status *s = &to->status;
	double seconds = seconds_between(from, to);
	size_t nr = make_rows(from, to, rows), i;

	if (isatty(STDOUT_FILENO))
		fputs(CLEAR, stdout);
	printf("state %s, policy epoch %" PRIu64 "%s; log %" PRIu64
	       " events, %.1f/s, %" PRIu64 " bytes pending%s\n",
	       dstack_state_name(s->state), s->policy_epoch,
	       s->policy_epoch ? "" : " (none)", s->log_count,
	       rate(from->status.log_count, s->log_count, seconds),
	       s->log_pending, s->diverged ? ", REGISTER DIVERGED" : "");
	printf("%-32s %-16s %9s %9s %10s %10s %8s %8s\n", "CONTAINER", "SECTION",
	       "ALLOWED/s", "DENIED/s", "ALLOWED", "DENIED", "PENDING",
	       "REFUSED");
	for (i = 0; i < nr; i++) {
		const struct libdstack_container *c = rows[i].container;

		printf("%-32.32s %-16.16s %9.1f %9.1f %10" PRIu64 " %10" PRIu64
		       " %8" PRIu64 " %8" PRIu64 "\n", c->id, c->section,
		       rows[i].allowed, rows[i].denied, c->allowed, c->denied,
		       c->pending, c->refused);
	}
	fflush(stdout);
}

/* @count: 0 for no end. */
static int watch(struct libdstack_control *control, struct look looks[2],
		 struct row *rows, uint64_t interval, uint64_t count)
{
	const struct timespec pause = { .tv_sec = interval };
	uint64_t i;
	int err = take(control, &looks[0]);

	for (i = 0; !err && (!count || i < count); i++) {
		nanosleep(&pause, NULL);
		err = take(control, &looks[(i + 1) % 2]);
		if (!err)
			show(&looks[i % 2], &looks[(i + 1) % 2], rows);
		if (ferror(stdout))
			break;
	}
	return err;
}

static int top(uint64_t interval, uint64_t count)
{
	struct look looks[2] = { 0 };
	struct row *rows = calloc(CONTAINERS, sizeof(*rows));
	struct libdstack_control *control;
	int err;

	looks[0].containers = calloc(CONTAINERS, sizeof(*looks->containers));
	looks[1].containers = calloc(CONTAINERS, sizeof(*looks->containers));
	if (!rows || !looks[0].containers || !looks[1].containers) {
		error_msg("out of memory");
		err = -ENOMEM;
	} else {
		err = libdstack_control_open(&control);
		if (!err) {
			err = watch(control, looks, rows, interval, count);
			libdstack_control_close(control);
		}
	}
	free(rows);
	free(looks[0].containers);
	free(looks[1].containers);
	return err ? EXIT_FAILURE : EXIT_SUCCESS;
}

int cmd_top(int argc, char **argv)
{
	static const struct option options[] = {
		{ "interval", required_argument, NULL, 'i' },
		{ "count", required_argument, NULL, 'c' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 }
	};
	uint64_t interval = 1, count = 0;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'i':
			if (libdstack_parse_u64(optarg, INTERVAL_MAX,
						&interval) && interval)
				break;
			error_msg("an interval is 1 to %d seconds, not '%s'",
				  INTERVAL_MAX, optarg);
			return EXIT_USAGE;
		case 'c':
			if (libdstack_parse_u64(optarg, UINT64_MAX, &count) &&
			    count)
				break;
			error_msg("a count is 1 or more, not '%s'", optarg);
			return EXIT_USAGE;
		case 'h':
			usage(stdout);
			return EXIT_SUCCESS;
		default:
			return usage_hint("top");
		}
	}
	if (optind != argc)
		return usage_hint("top");
	return top(interval, count);
}
