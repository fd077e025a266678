// SPDX-License-Identifier: MIT
/*
 * Two policies that take turns a thousand times while programs start: one of
 * them decides about each start, and the log says which
 *
 * Copyright The dstack for Linux authors
 */
#include "dstack_test.h"
#include "event.h"

#include <sys/sendfile.h>

#define SWAPS		1000
#define STARTERS	4
#define SECONDS		110
#define LOG_FILE	"/var/lib/dstack/log.jsonl"
#define HELLO		"/usr/libexec/dstack/selftests/prog_hello"

/* Policies of odd epochs approve the one, of even epochs the other. */
static const char *const files[2] = {
	"/var/tmp/dstack-selftest-swap-even", "/var/tmp/dstack-selftest-swap-odd"
};

FIXTURE(swap)
{
	int fd;
	struct libdstack_control *control;
	struct libdstack_status before;
	struct container c;
	struct dstack_digest digests[2];
	uint64_t epoch;
	pid_t starters[STARTERS];
};

/* prog_hello with a tail of its own. */
static int make_file(const char *path, char tail, struct dstack_digest *digest)
{
	int from = open(HELLO, O_RDONLY | O_CLOEXEC);
	int to = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
	int err = -EIO;

	if (sendfile(to, from, NULL, 1 << 24) > 0 && write(to, &tail, 1) == 1)
		err = 0;
	close(from);
	close(to);
	to = open(path, O_RDONLY | O_CLOEXEC);
	digest->alg = DSTACK_ALG_SHA256;
	err = err ?: file_sha256(to, digest->value);
	close(to);
	return err;
}

/* The next policy, which approves the other file. */
static int swap(FIXTURE_DATA(swap) * self)
{
	static const uint8_t app_id[DSTACK_APP_ID_SIZE];
	static const uint8_t document[DSTACK_DIGEST_SIZE];
	struct libdstack_policy *policy;
	void *table = NULL;
	size_t size;
	int err;

	err = libdstack_policy_new(app_id, ++self->epoch, &policy);
	if (err)
		return err;
	err = libdstack_policy_add(policy, self->c.as.section,
				   &self->digests[self->epoch % 2],
				   DSTACK_KIND_EXEC, NULL) ?:
	      libdstack_policy_compile(policy, &table, &size) ?:
	      libdstack_load_table(self->control, table, size, document);
	free(table);
	libdstack_policy_free(policy);
	return err;
}

/* In the container: one file after the other, until the container ends. */
static void start_programs(const char *cgroup, unsigned int i)
{
	int null = open("/dev/null", O_WRONLY);
	pid_t pid;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(null, STDOUT_FILENO);
	if (cgroup_enter(cgroup))
		_exit(1);
	for (;; i++) {
		pid = fork();
		if (!pid) {
			execl(files[i % 2], "hello", NULL);
			_exit(1);
		}
		waitpid(pid, NULL, 0);
	}
}

FIXTURE_SETUP(swap)
{
	int i;

	self->fd = device_open();
	if (self->fd == -ENOENT)
		SKIP(return, "no " DEVICE ": load the module");
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, libdstack_control_open(&self->control));
	ASSERT_EQ(0, libdstack_status(self->control, &self->before));
	self->epoch = self->before.policy_epoch;
	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, make_file(files[i], '0' + i, &self->digests[i]));
	ASSERT_EQ(0, container_add(self->control, &self->c, "swap"));
}

FIXTURE_TEARDOWN(swap)
{
	int i;

	cgroup_kill(self->c.cgroup);
	for (i = 0; i < STARTERS; i++)
		if (self->starters[i])
			waitpid(self->starters[i], NULL, 0);
	EXPECT_EQ(0, libdstack_set_state(self->control, self->before.state));
	EXPECT_EQ(0, container_remove(self->control, &self->c));
	for (i = 0; i < 2; i++)
		unlink(files[i]);
	libdstack_control_close(self->control);
	close(self->fd);
}

/* What the log says of our container, and of the policies around it. */
struct told {
	size_t policies, ran, denied;
	uint64_t active;
	const char *wrong;
};

static uint64_t number(const struct dstack_event_fields *fields,
		       const char *key)
{
	const struct dstack_bytes *value = dstack_event_field(fields, key);
	char text[24] = "";

	if (value && value->len < sizeof(text))
		memcpy(text, value->data, value->len);
	return strtoull(text, NULL, 10);
}

static bool has(const struct dstack_event_fields *fields, const char *key,
		const char *want)
{
	const struct dstack_bytes *value = dstack_event_field(fields, key);

	return value && value->len == strlen(want) &&
	       !memcmp(value->data, want, value->len);
}

static void take(FIXTURE_DATA(swap) * self, struct told *told,
		 const struct dstack_event_fields *fields)
{
	char digest[LIBDSTACK_DIGEST_TEXT];
	uint64_t epoch = number(fields, "epoch");

	if (fields->id == DSTACK_EVENT_POLICY) {
		if (told->active && epoch != told->active + 1)
			told->wrong = "an epoch is missing";
		told->active = epoch;
		told->policies++;
		return;
	}
	if (!has(fields, "id", self->c.as.id))
		return;
	if (fields->id == DSTACK_EVENT_EXEC) {
		libdstack_digest_to_text(&self->digests[epoch % 2], digest);
		told->ran++;
		if (epoch != told->active)
			told->wrong = "it ran by a policy of another time";
		if (!has(fields, "digest", digest) ||
		    !has(fields, "reason", "approved"))
			told->wrong = "it ran and is not approved";
	}
	if (fields->id == DSTACK_EVENT_DENY) {
		libdstack_digest_to_text(&self->digests[!(epoch % 2)], digest);
		told->denied++;
		if (epoch > told->active)
			told->wrong = "it was denied by a policy to come";
		if (!has(fields, "digest", digest) ||
		    !has(fields, "reason", "unknown-digest"))
			told->wrong = "it was denied and is approved";
	}
}

static void read_log(FIXTURE_DATA(swap) * self, size_t from, struct told *told)
{
	struct dstack_event_fields fields;
	struct libdstack_log *log;
	size_t i;

	if (libdstack_log_read(LOG_FILE, &log)) {
		told->wrong = "there is no log";
		return;
	}
	for (i = from; i < log->count && !told->wrong; i++) {
		const struct libdstack_event *event = &log->events[i];

		if (!dstack_event_decode(event->name, event->payload,
					 event->payload_len, &fields))
			take(self, told, &fields);
	}
	libdstack_log_free(log);
}

static size_t log_length(void)
{
	struct libdstack_log *log;
	size_t count;

	if (libdstack_log_read(LOG_FILE, &log))
		return 0;
	count = log->count;
	libdstack_log_free(log);
	return count;
}

TEST_F_TIMEOUT(swap, one_epoch_decides_and_the_log_says_which,
	       SECONDS)
{
	struct told told = { 0 };
	size_t from;
	int i;

	ASSERT_EQ(0, daemon_catch_up(self->control));
	from = log_length();
	ASSERT_EQ(0, swap(self));
	ASSERT_EQ(0, libdstack_set_state(self->control, DSTACK_STATE_ENFORCE));
	for (i = 0; i < STARTERS; i++) {
		self->starters[i] = fork();
		if (!self->starters[i])
			start_programs(self->c.cgroup, i);
	}
	for (i = 1; i < SWAPS; i++) {
		sleep_ms(5 * time_scale());
		ASSERT_EQ(0, swap(self))
			TH_LOG("swap %d", i);
	}
	cgroup_kill(self->c.cgroup);
	ASSERT_EQ(0, daemon_catch_up(self->control));
	read_log(self, from, &told);
	EXPECT_EQ(NULL, told.wrong)
		TH_LOG("%s, at epoch %llu", told.wrong,
		       (unsigned long long)told.active);
	EXPECT_EQ(SWAPS, told.policies);
	EXPECT_LE(100, told.ran);
	EXPECT_LE(1, told.denied);
	EXPECT_EQ(0, log_replays(self->control, self->fd));
}

TEST_HARNESS_MAIN
