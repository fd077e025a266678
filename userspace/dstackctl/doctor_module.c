// SPDX-License-Identifier: MIT
/*
 * The module, and who serves it
 *
 * Copyright The dstack for Linux authors
 */
#include "doctor.h"
#include "words.h"

#include <curl/curl.h>
#include <errno.h>
#include <inttypes.h>
#include <time.h>
#include <unistd.h>

#define AGENT_SOCKET	"/run/dstack.sock"
#define AGENT_SECONDS	12L		/* a little more than it takes */
#define LATE_BYTES	(1U << 20)	/* that wait for dstackd */

static const char after_module[] = "the module is not there";
static const char after_control[] = "the module's status is not known";

enum doctor_verdict doctor_device(struct doctor *d)
{
	int fd = libdstack_device_open(), err;

	if (fd == -EACCES || fd == -EPERM)
		return doctor_say(d, DOCTOR_FAIL, "run this as root",
				  "/dev/dstack can't be opened: %s",
				  strerror(-fd));
	if (fd < 0)
		return doctor_say(d, DOCTOR_FAIL,
				  "modprobe dstack; if there is no such module, 'make dkms' installs it",
				  "no /dev/dstack");
	err = libdstack_info(fd, &d->info);
	close(fd);
	if (err)
		return doctor_say(d, DOCTOR_FAIL,
				  "load the module of this release",
				  "the module does not answer: %s",
				  strerror(-err));
	d->have_info = true;
	return doctor_say(d, DOCTOR_OK, NULL, "abi %u", d->info.out_abi);
}

enum doctor_verdict doctor_backend(struct doctor *d)
{
	if (!d->have_info)
		return doctor_say(d, DOCTOR_SKIP, NULL, after_module);
	if (d->info.out_backend_flags & DSTACK_BACKEND_F_INSECURE)
		return doctor_say(d, DOCTOR_WARN,
				  "use a TD, and a kernel from 6.16 on",
				  "%s: evidence of this machine proves nothing",
				  dstack_backend_name(d->info.out_backend));
	return doctor_say(d, DOCTOR_OK, NULL, "%s",
			  dstack_backend_name(d->info.out_backend));
}

enum doctor_verdict doctor_control(struct doctor *d)
{
	struct libdstack_control *control;
	int err;

	if (!d->have_info)
		return doctor_say(d, DOCTOR_SKIP, NULL, after_module);
	err = libdstack_control_open(&control);
	if (!err) {
		err = libdstack_status(control, &d->status);
		libdstack_control_close(control);
	}
	if (err)
		return doctor_say(d, DOCTOR_FAIL,
				  "run this as root, outside of containers",
				  "the module's status can't be asked: %s",
				  strerror(-err));
	d->have_status = true;
	return doctor_say(d, DOCTOR_OK, NULL, "%u containers, %" PRIu64
			  " verdicts denied", d->status.containers,
			  d->status.denied);
}

enum doctor_verdict doctor_hooks(struct doctor *d)
{
	const uint32_t all = (1U << __DSTACK_HOOK_MAX) - 1;

	if (!d->have_status)
		return doctor_say(d, DOCTOR_SKIP, NULL, after_control);
	if ((d->status.hooks & all) == all)
		return doctor_say(d, DOCTOR_OK, NULL, "all %d are held",
				  __DSTACK_HOOK_MAX);
	return doctor_say(d, DOCTOR_FAIL, "systemctl restart dstackd",
			  "%d of %d are held: not all that runs is seen",
			  __builtin_popcount(d->status.hooks & all),
			  __DSTACK_HOOK_MAX);
}

enum doctor_verdict doctor_register(struct doctor *d)
{
	if (!d->have_status)
		return doctor_say(d, DOCTOR_SKIP, NULL, after_control);
	if (d->status.diverged)
		return doctor_say(d, DOCTOR_FAIL,
				  "reboot; and find who writes to the register",
				  "somebody else extended it: quotes and log differ");
	return doctor_say(d, DOCTOR_OK, NULL, "the log explains it");
}

enum doctor_verdict doctor_log(struct doctor *d)
{
	const struct libdstack_status *s = &d->status;

	if (!d->have_status)
		return doctor_say(d, DOCTOR_SKIP, NULL, after_control);
	if (s->log_pending > LATE_BYTES)
		return doctor_say(d, DOCTOR_FAIL,
				  "systemctl restart dstackd, and read what it says",
				  "%" PRIu64 " bytes wait for dstackd: containers will soon start nothing",
				  s->log_pending);
	return doctor_say(d, DOCTOR_OK, NULL, "%" PRIu64 " events, %" PRIu64
			  " of them stored", s->log_count, s->log_acked);
}

enum doctor_verdict doctor_policy(struct doctor *d)
{
	if (!d->have_status)
		return doctor_say(d, DOCTOR_SKIP, NULL, after_control);
	if (!d->status.policy_epoch)
		return doctor_say(d, DOCTOR_WARN,
				  "dstackctl policy load FILE ('policy scan' writes one)",
				  "none: nothing is approved");
	return doctor_say(d, DOCTOR_OK, NULL, "epoch %" PRIu64,
			  d->status.policy_epoch);
}

enum doctor_verdict doctor_state(struct doctor *d)
{
	if (!d->have_status)
		return doctor_say(d, DOCTOR_SKIP, NULL, after_control);
	if (d->status.state < DSTACK_STATE_ENFORCE)
		return doctor_say(d, DOCTOR_WARN,
				  "dstackctl state enforce, once the policy is right",
				  "%s: what is not approved runs, too",
				  dstack_state_name(d->status.state));
	return doctor_say(d, DOCTOR_OK, NULL, "%s",
			  dstack_state_name(d->status.state));
}

static int count_root(const struct libdstack_root *root, void *arg)
{
	unsigned int *nr = arg;

	(void)root;
	(*nr)++;
	return 0;
}

enum doctor_verdict doctor_keys(struct doctor *d)
{
	struct libdstack_control *control;
	unsigned int nr = 0;
	int err;

	if (!d->have_status)
		return doctor_say(d, DOCTOR_SKIP, NULL, after_control);
	err = libdstack_control_open(&control);
	if (!err) {
		err = libdstack_list_roots(control, count_root, &nr);
		libdstack_control_close(control);
	}
	if (err)
		return doctor_say(d, DOCTOR_FAIL, NULL,
				  "root keys can't be listed: %s",
				  strerror(-err));
	if (!nr)
		return doctor_say(d, DOCTOR_WARN,
				  "boot the application, or dstackctl key load",
				  "no root key: containers get no keys");
	return doctor_say(d, DOCTOR_OK, NULL, "%u root keys", nr);
}

enum doctor_verdict doctor_quote(struct doctor *d)
{
	static const uint8_t report_data[DSTACK_REPORT_DATA_SIZE];
	struct timespec begin, end;
	struct libdstack_quote quote;
	int fd, err;
	long ms;

	if (!d->have_info)
		return doctor_say(d, DOCTOR_SKIP, NULL, after_module);
	fd = libdstack_device_open();
	clock_gettime(CLOCK_MONOTONIC, &begin);
	err = fd < 0 ? fd : libdstack_get_quote(fd, 0, report_data, &quote);
	clock_gettime(CLOCK_MONOTONIC, &end);
	if (fd >= 0)
		close(fd);
	if (err)
		return doctor_say(d, DOCTOR_FAIL,
				  "have the host's operator look at its quote generation service",
				  "no quote: %s", strerror(-err));
	libdstack_quote_free(&quote);
	ms = (end.tv_sec - begin.tv_sec) * 1000 +
		(end.tv_nsec - begin.tv_nsec) / 1000000;
	return doctor_say(d, DOCTOR_OK, NULL, "made in %ld ms", ms);
}

static size_t drop(char *data, size_t size, size_t nr, void *arg)
{
	(void)data;
	(void)arg;
	return size * nr;
}

enum doctor_verdict doctor_agent(struct doctor *d)
{
	CURL *curl = curl_easy_init();
	CURLcode code = CURLE_OUT_OF_MEMORY;

	if (curl) {
		curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, AGENT_SOCKET);
		curl_easy_setopt(curl, CURLOPT_URL,
				 "http://localhost/v1/Version");
		curl_easy_setopt(curl, CURLOPT_TIMEOUT, AGENT_SECONDS);
		curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L);
		curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, drop);
		code = curl_easy_perform(curl);
		curl_easy_cleanup(curl);
	}
	if (code != CURLE_OK)
		return doctor_say(d, DOCTOR_WARN,
				  "systemctl start dstack-agent",
				  "nobody answers on " AGENT_SOCKET ": %s",
				  curl_easy_strerror(code));
	return doctor_say(d, DOCTOR_OK, NULL, "it answers on " AGENT_SOCKET);
}
