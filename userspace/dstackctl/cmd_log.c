// SPDX-License-Identifier: MIT
/*
 * dstackctl log: show the event log
 *
 * Copyright The dstack for Linux authors
 */
#include "dstackctl.h"
#include "event.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#define LINE_SIZE	65536	/* an event of the longest payload has 9 KiB */
#define FOLLOW_MS	200

struct options {
	const char *file;	/* NULL: the kernel */
	uint64_t from;
	bool json, follow;
	uint64_t drained;	/* seen without their payload */
};

static void usage(FILE *out)
{
	fputs("Usage: dstackctl log [OPTION]...\n\n"
	      "Shows the events that dstackd stored, or, if it stored none, those of the kernel.\n\n"
	      "  --json       as JSON lines, which verifiers of dstack read\n"
	      "  --from N     start at event N\n"
	      "  --follow     go on with new events as they happen\n"
	      "  --file FILE  read FILE instead of " DSTACK_LOG_FILE "\n"
	      "  --kernel     read /dev/dstack; of events that dstackd has stored,\n"
	      "               the kernel has only the digest, of the newest\n",
	      out);
}

/*
 * Values are quoted where a space or a quote would let one field look like
 * two: a container chooses the names of its files.
 */
static void print_value(const struct dstack_bytes *value)
{
	char text[DSTACK_PAYLOAD_MAX + 1];
	int i, len = dstack_event_unescape(value, text, sizeof(text));
	bool quote = len == 0;

	for (i = 0; i < len; i++)
		quote = quote || strchr(" \"='", text[i]);
	if (!quote) {
		print_safe(stdout, text, len);
		return;
	}
	putchar('"');
	for (i = 0; i < len; i++) {
		if (text[i] == '"')
			putchar('\\');
		print_safe(stdout, text + i, 1);
	}
	putchar('"');
}

/* Boot events of upstream carry text, or bytes that are shown as hex. */
static void print_foreign(const uint8_t *payload, size_t len)
{
	size_t i;

	for (i = 0; i < len && payload[i] >= 0x20 && payload[i] < 0x7f; i++)
		;
	putchar(' ');
	if (i == len) {
		print_safe(stdout, payload, len);
		return;
	}
	for (i = 0; i < len; i++)
		printf("%02x", payload[i]);
}

static void print_event(uint64_t seq, const char *name, const void *payload,
			size_t len)
{
	struct dstack_event_fields fields;
	int err = dstack_event_decode(name, payload, len, &fields);
	uint32_t i;

	printf("%6" PRIu64 " ", seq);
	print_safe(stdout, name, strlen(name));
	if (err == -EBADMSG)
		fputs(" (malformed)", stdout);
	if (err)
		print_foreign(payload, len);
	for (i = 0; !err && i < fields.nr; i++) {
		printf(" %s=", fields.key[i]);
		print_value(&fields.value[i]);
	}
	putchar('\n');
}

static void print_lost(uint64_t seq, const uint8_t *digest, const char *why)
{
	char hex[2 * DSTACK_REGISTER_SIZE + 1];

	printf("%6" PRIu64 " (%s) digest=%s\n", seq, why,
	       libdstack_to_hex(digest, DSTACK_REGISTER_SIZE, hex));
}

/* dstackd keeps the place of an event whose content was lost. */
static bool is_intact(const struct libdstack_event *event)
{
	uint8_t digest[DSTACK_REGISTER_SIZE];

	return !dstack_event_digest(event->name, strlen(event->name),
				    event->payload, event->payload_len,
				    digest) &&
		!memcmp(digest, event->digest, sizeof(digest));
}

static int print_log(const struct libdstack_log *log, uint64_t seq,
		     const struct options *opt)
{
	size_t i;

	for (i = 0; i < log->count; i++, seq++) {
		const struct libdstack_event *event = &log->events[i];
		char *line;

		if (seq < opt->from)
			continue;
		if (!opt->json && !is_intact(event)) {
			print_lost(seq, event->digest,
				   "the content is lost or was changed");
		} else if (!opt->json) {
			print_event(seq, event->name, event->payload,
				    event->payload_len);
		} else {
			if (libdstack_event_to_json(event->name,
						    strlen(event->name),
						    event->payload,
						    event->payload_len,
						    event->digest, &line))
				return EXIT_FAILURE;
			fputs(line, stdout);
			free(line);
		}
	}
	return EXIT_SUCCESS;
}

static int print_line(const char *line, size_t len, uint64_t seq,
		      const struct options *opt)
{
	struct libdstack_log *log;
	int status;

	if (seq < opt->from)
		return EXIT_SUCCESS;
	if (opt->json) {
		fwrite(line, 1, len, stdout);
		return EXIT_SUCCESS;
	}
	if (libdstack_log_parse(line, len, &log)) {
		error_msg("'%s' is damaged at event %" PRIu64, opt->file, seq);
		return EXIT_FAILURE;
	}
	status = print_log(log, seq, opt);
	libdstack_log_free(log);
	return status;
}

/*
 * Line by line, so that a log of any size can be followed.  A last line
 * without its newline is being written: it is read again when it is whole.
 */
static int show_lines(FILE *in, const struct options *opt)
{
	static char line[LINE_SIZE];
	uint64_t seq = 0;
	off_t at = 0;

	if (fseeko(in, 0, SEEK_SET)) {
		error_msg_errno(errno, "can't read '%s'", opt->file);
		return EXIT_FAILURE;
	}
	for (;;) {
		size_t len = 0;

		if (fgets(line, sizeof(line), in))
			len = strlen(line);
		if (len && line[len - 1] == '\n') {
			if (print_line(line, len, seq, opt))
				return EXIT_FAILURE;
			seq++;
			at += len;
			continue;
		}
		if (ferror(in) || !feof(in)) {
			error_msg("'%s' can't be read, or is no event log",
				  opt->file);
			return EXIT_FAILURE;
		}
		if (!opt->follow)
			return EXIT_SUCCESS;
		if (fflush(stdout))
			return EXIT_FAILURE;
		poll(NULL, 0, FOLLOW_MS);
		if (fseeko(in, at, SEEK_SET))
			return EXIT_FAILURE;
	}
}

/* A log of elsewhere may be one JSON array. */
static int show_array(const struct options *opt)
{
	struct libdstack_log *log;
	int status;

	if (libdstack_log_read(opt->file, &log))
		return EXIT_FAILURE;
	status = print_log(log, 0, opt);
	libdstack_log_free(log);
	return status;
}

static int show_file(const struct options *opt)
{
	FILE *in = fopen(opt->file, "re");
	int c, status;

	if (!in) {
		error_msg_errno(errno, "can't open '%s'", opt->file);
		return EXIT_FAILURE;
	}
	while ((c = getc(in)) != EOF && isspace(c))
		;
	if (c == '[')
		status = show_array(opt);
	else
		status = show_lines(in, opt);
	fclose(in);
	return status;
}

static int show_record(const struct dstack_log_record *record, void *arg)
{
	struct options *opt = arg;
	const uint8_t *payload = record->data + record->name_len;
	char name[DSTACK_NAME_SIZE];
	char *line;
	int err;

	if (record->flags & DSTACK_RECORD_F_DRAINED) {
		opt->drained++;
		if (!opt->json)
			print_lost(record->seq, record->digest,
				   "stored by dstackd");
		return 0;
	}
	if (opt->json) {
		err = libdstack_event_to_json((const char *)record->data,
					      record->name_len, payload,
					      record->payload_len,
					      record->digest, &line);
		if (err)
			return err;
		fputs(line, stdout);
		free(line);
		return 0;
	}
	if (record->name_len >= sizeof(name))
		return -EPROTO;
	memcpy(name, record->data, record->name_len);
	name[record->name_len] = '\0';
	print_event(record->seq, name, payload, record->payload_len);
	return 0;
}

static int show_kernel(struct options *opt)
{
	uint64_t seq = opt->from;
	int fd, err;

	fd = libdstack_device_open();
	if (fd < 0)
		return EXIT_FAILURE;
	for (;;) {
		struct pollfd wait = { .fd = fd, .events = POLLIN };

		do
			err = libdstack_read_log(fd, &seq, show_record, opt);
		while (err == -ENODATA);
		if (err || !opt->follow || fflush(stdout))
			break;
		poll(&wait, 1, -1);
	}
	close(fd);
	if (opt->json && opt->drained)
		error_msg("%" PRIu64 " events are not shown: the kernel gave their content to dstackd, see '%s'",
			  opt->drained, DSTACK_LOG_FILE);
	return err ? EXIT_FAILURE : EXIT_SUCCESS;
}

int cmd_log(int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "from", required_argument, NULL, 'n' },
		{ "follow", no_argument, NULL, 'f' },
		{ "file", required_argument, NULL, 'i' },
		{ "kernel", no_argument, NULL, 'k' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 }
	};
	struct options opt = { .file = NULL };
	bool kernel = false;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'j':
			opt.json = true;
			break;
		case 'n':
			if (!libdstack_parse_u64(optarg, UINT64_MAX,
						 &opt.from)) {
				error_msg("'%s' is not a number", optarg);
				return usage_hint("log");
			}
			break;
		case 'f':
			opt.follow = true;
			break;
		case 'i':
			opt.file = optarg;
			break;
		case 'k':
			kernel = true;
			break;
		case 'h':
			usage(stdout);
			return EXIT_SUCCESS;
		default:
			return usage_hint("log");
		}
	}
	if (optind != argc || (kernel && opt.file))
		return usage_hint("log");
	if (!kernel && !opt.file && !access(DSTACK_LOG_FILE, R_OK))
		opt.file = DSTACK_LOG_FILE;
	return opt.file ? show_file(&opt) : show_kernel(&opt);
}
