// SPDX-License-Identifier: MIT
/*
 * Prometheus' text format
 *
 * Copyright The dstack for Linux authors
 */
#include "metrics.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#define MS_PER_S	1000.0

static void head(FILE *out, const char *name, const char *type,
		 const char *help)
{
	fprintf(out, "# HELP dstack_%s %s\n# TYPE dstack_%s %s\n", name, help,
		name, type);
}

static void value(FILE *out, const char *name, uint64_t number)
{
	fprintf(out, "dstack_%s %" PRIu64 "\n", name, number);
}

static void labelled(FILE *out, const char *name, const char *label,
		     const char *text, uint64_t number)
{
	fprintf(out, "dstack_%s{%s=\"%s\"} %" PRIu64 "\n", name, label, text,
		number);
}

static void single(FILE *out, const char *name, const char *type,
		   const char *help, uint64_t number)
{
	head(out, name, type, help);
	value(out, name, number);
}

/* What may not stand in a label as it is. */
static void put_label(FILE *out, const char *name, const char *text)
{
	fprintf(out, "%s=\"", name);
	for (; *text; text++) {
		if (*text == '\n')
			fputs("\\n", out);
		else if (*text == '"' || *text == '\\')
			fprintf(out, "\\%c", *text);
		else
			fputc(*text, out);
	}
	fputc('"', out);
}

static void write_module(FILE *out, const struct libdstack_status *s)
{
	single(out, "state", "gauge",
	       "0 off, 1 measure, 2 enforce, 3 locked", s->state);
	single(out, "hooks_held", "gauge", "BPF hooks that the module holds",
	       __builtin_popcount(s->hooks));
	single(out, "register_diverged", "gauge",
	       "1 once somebody else extended the register", !!s->diverged);
	single(out, "policy_epoch", "gauge", "0 without a policy",
	       s->policy_epoch);
	single(out, "containers", "gauge", "Registered containers",
	       s->containers);
	single(out, "keys_in_keyrings", "gauge",
	       "Keys that were made of root keys", s->keys);
	single(out, "log_events_total", "counter", "Events that were measured",
	       s->log_count);
	single(out, "log_stored_events_total", "counter",
	       "Of these, such as dstackd has stored", s->log_acked);
	single(out, "log_pending_bytes", "gauge",
	       "What waits for dstackd; when it is full, nothing starts",
	       s->log_pending);
	head(out, "verdicts_total", "counter", "On files that were to run");
	labelled(out, "verdicts_total", "verdict", "allowed", s->allowed);
	labelled(out, "verdicts_total", "verdict", "denied", s->denied);
	head(out, "digests_total", "counter", "Of files that were to run");
	labelled(out, "digests_total", "from", "cache", s->cache_hits);
	labelled(out, "digests_total", "from", "file", s->cache_misses);
}

static void container_value(FILE *out, const char *name,
			    const struct libdstack_container *c,
			    const char *verdict, uint64_t number)
{
	fprintf(out, "dstack_%s{", name);
	put_label(out, "container", c->id);
	fputc(',', out);
	put_label(out, "section", c->section);
	if (verdict)
		fprintf(out, ",verdict=\"%s\"", verdict);
	fprintf(out, "} %" PRIu64 "\n", number);
}

static void write_containers(FILE *out, const struct metrics_source *source)
{
	const struct libdstack_container *c = source->containers;
	size_t i, nr = source->nr_containers;

	head(out, "container_verdicts_total", "counter",
	     "On files that were to run there");
	for (i = 0; i < nr; i++) {
		container_value(out, "container_verdicts_total", &c[i],
				"allowed", c[i].allowed);
		container_value(out, "container_verdicts_total", &c[i],
				"denied", c[i].denied);
	}
	head(out, "container_pending_bytes", "gauge",
	     "Of its events that wait for dstackd");
	for (i = 0; i < nr; i++)
		container_value(out, "container_pending_bytes", &c[i], NULL,
				c[i].pending);
	head(out, "container_refused_total", "counter",
	     "How often it wanted to record too much");
	for (i = 0; i < nr; i++)
		container_value(out, "container_refused_total", &c[i], NULL,
				c[i].refused);
}

/* Each bucket has what is in those before it, too. */
static void write_times(FILE *out, const struct agent_quote_stats *q)
{
	const size_t last = AGENT_QUOTE_BOUNDS - 1;
	size_t i;

	head(out, "quote_seconds", "histogram",
	     "From asking the host for a quote to having it");
	for (i = 0; i < last; i++)
		fprintf(out, "dstack_quote_seconds_bucket{le=\"%g\"} %" PRIu64 "\n",
			agent_quote_bounds_ms[i] / MS_PER_S, q->within[i]);
	fprintf(out, "dstack_quote_seconds_bucket{le=\"+Inf\"} %" PRIu64 "\n"
		"dstack_quote_seconds_sum %.3f\n"
		"dstack_quote_seconds_count %" PRIu64 "\n", q->within[last],
		q->total_ms / MS_PER_S, q->within[last]);
	head(out, "quote_longest_seconds", "gauge",
	     "That one took since the start");
	fprintf(out, "dstack_quote_longest_seconds %.3f\n",
		q->longest_ms / MS_PER_S);
}

static void write_quotes(FILE *out, const struct agent_quote_stats *q)
{
	head(out, "quotes_total", "counter", "That the host was asked for");
	labelled(out, "quotes_total", "result", "made", q->made);
	labelled(out, "quotes_total", "result", "failed", q->failed);
	head(out, "quote_callers_total", "counter",
	     "Who had not a quote alone");
	labelled(out, "quote_callers_total", "result", "shared", q->batched);
	labelled(out, "quote_callers_total", "result", "limited", q->limited);
	labelled(out, "quote_callers_total", "result", "timed_out",
		 q->timed_out);
	single(out, "quote_retries_total", "counter",
	       "Of a host that was not ready", q->retries);
	single(out, "quote_waiting", "gauge", "Callers that wait for one",
	       q->waiting);
}

static void write_counters(FILE *out, const struct metrics_counters *c)
{
	const atomic_uint_fast64_t *v = c->value;
	char status[] = "0xx";
	size_t i;

	head(out, "agent_replies_total", "counter", "By HTTP status");
	for (i = 2; i < 6; i++) {
		status[0] = '0' + i;
		labelled(out, "agent_replies_total", "status", status,
			 v[METRICS_REPLIES + i]);
	}
	single(out, "agent_keys_total", "counter",
	       "Keys that were told to containers", v[METRICS_KEYS]);
	single(out, "agent_signatures_total", "counter",
	       "Made with keys that containers do not get",
	       v[METRICS_SIGNATURES]);
	single(out, "agent_certificates_total", "counter",
	       "Certificates that were issued", v[METRICS_CERTIFICATES]);
	head(out, "kms_calls_total", "counter", "Of the agent");
	labelled(out, "kms_calls_total", "result", "answered",
		 v[METRICS_KMS_CALLS] - v[METRICS_KMS_FAILURES]);
	labelled(out, "kms_calls_total", "result", "failed",
		 v[METRICS_KMS_FAILURES]);
}

int metrics_write(const struct metrics_source *source, char **text,
		  size_t *len)
{
	FILE *out = open_memstream(text, len);

	if (!out)
		return -ENOMEM;
	single(out, "up", "gauge", "1 if the module answers",
	       !!source->status);
	if (source->status) {
		write_module(out, source->status);
		write_containers(out, source);
	}
	write_quotes(out, source->quotes);
	write_times(out, source->quotes);
	write_counters(out, source->counters);
	if (!fclose(out))
		return 0;
	free(*text);
	*text = NULL;
	return -ENOMEM;
}
