/* SPDX-License-Identifier: MIT */
/*
 * What the tests in C share
 *
 * Copyright The dstack for Linux authors
 *
 * Helpers return 0 or a negative errno, so that a test says in one line what
 * it expects.  Tests leave the machine as they found it: their containers and
 * cgroups go, the daemon runs on.
 */
#ifndef DSTACK_TEST_H
#define DSTACK_TEST_H

#include <kselftest_harness.h>

#include <fcntl.h>
#include <libdstack.h>
#include <openssl/evp.h>
#include <signal.h>
#include <spawn.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define DEVICE		"/dev/dstack"
#define CGROUP_ROOT	"/sys/fs/cgroup"
#define DAEMON_PID_FILE	"/run/dstack/dstackd.pid"
#define NOBODY		65534
#define PATIENCE_MS	(10000 * time_scale())	/* for what must happen soon */

/* How many times slower than others this machine is, see run.sh. */
static inline int time_scale(void)
{
	const char *text = getenv("TIME_SCALE");

	return text ? atoi(text) : 1;
}

/* Time limits are in metadata that is made before main(). */
static inline int run_tests(int argc, char **argv)
{
	struct __fixture_metadata *fixture;
	struct __test_metadata *test;

	for (fixture = __fixture_list; fixture; fixture = fixture->next)
		for (test = fixture->tests; test; test = test->next)
			test->timeout *= time_scale();
	return test_harness_run(argc, argv);
}

/* For TEST_HARNESS_MAIN. */
#define test_harness_run run_tests

static inline int device_open(void)
{
	int fd = open(DEVICE, O_RDWR | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static inline int device_call(int fd, unsigned long cmd, void *arg)
{
	return ioctl(fd, cmd, arg) ? -errno : 0;
}

/* All there are, with the smallest structure that each takes. */
static const struct {
	unsigned long cmd;
	size_t size;
} ioctls[] = {
	{ DSTACK_INFO, DSTACK_INFO_SIZE_VER0 },
	{ DSTACK_GET_QUOTE, DSTACK_GET_QUOTE_SIZE_VER0 },
	{ DSTACK_READ_LOG, DSTACK_READ_LOG_SIZE_VER0 },
	{ DSTACK_EXTEND, DSTACK_EXTEND_SIZE_VER0 },
	{ DSTACK_WHY, DSTACK_WHY_SIZE_VER0 },
	{ DSTACK_GET_KEY, DSTACK_GET_KEY_SIZE_VER0 },
	{ DSTACK_HMAC, DSTACK_HMAC_SIZE_VER0 },
	{ DSTACK_SEAL, DSTACK_SEAL_SIZE_VER0 },
	{ DSTACK_UNSEAL, DSTACK_UNSEAL_SIZE_VER0 },
	{ DSTACK_ACT_FOR, DSTACK_ACT_FOR_SIZE_VER0 },
};

#ifdef __x86_64__
/* ioctl(2) as a 32-bit process calls it. */
static inline int compat_ioctl(int fd, unsigned long cmd, void *arg)
{
	long ret = 54;

	asm volatile("int $0x80"
		     : "+a" (ret)
		     : "b" ((long)fd), "c" (cmd), "d" (arg)
		     : "memory", "cc", "r8", "r9", "r10", "r11");
	return ret;
}
#endif

static inline uint64_t address(const void *pointer)
{
	return (uintptr_t)pointer;
}

static inline void sleep_ms(unsigned int ms)
{
	usleep(ms * 1000);
}

/* Tell run.sh that the kernel will rightly complain with such a line. */
static inline void expect_message(const char *pattern)
{
	const char *path = getenv("EXPECTED_MESSAGES");
	FILE *file = path ? fopen(path, "ae") : NULL;

	if (!file)
		return;
	fprintf(file, "%s\n", pattern);
	fclose(file);
}

/*
 * Digests, computed here and not by the library under test
 */

struct piece {
	const void *data;
	size_t len;
};

static inline void hash(const char *name, const struct piece *pieces,
			size_t nr, uint8_t *out)
{
	EVP_MD_CTX *ctx;
	size_t i;

	ctx = EVP_MD_CTX_new();
	if (!ctx ||
	    !EVP_DigestInit_ex(ctx, EVP_get_digestbyname(name), NULL))
		abort();
	for (i = 0; i < nr; i++)
		if (!EVP_DigestUpdate(ctx, pieces[i].data, pieces[i].len))
			abort();
	if (!EVP_DigestFinal_ex(ctx, out, NULL))
		abort();
	EVP_MD_CTX_free(ctx);
}

/* What an extend does to a register. */
static inline void fold(uint8_t value[DSTACK_REGISTER_SIZE],
			const uint8_t digest[DSTACK_REGISTER_SIZE])
{
	const struct piece pieces[] = {
		{ value, DSTACK_REGISTER_SIZE },
		{ digest, DSTACK_REGISTER_SIZE },
	};

	hash("SHA384", pieces, ARRAY_SIZE(pieces), value);
}

/* Does a record that was not drained hold the digest of its event? */
static inline bool digest_matches(const struct dstack_log_record *record)
{
	static const uint8_t type[] = { 0x01, 0x00, 0x00, 0x08 };
	const uint8_t *payload = record->data + record->name_len;
	const struct piece pieces[] = {
		{ type, sizeof(type) }, { ":", 1 },
		{ record->data, record->name_len }, { ":", 1 },
		{ payload, record->payload_len },
	};
	uint8_t digest[DSTACK_REGISTER_SIZE];

	hash("SHA384", pieces, ARRAY_SIZE(pieces), digest);
	return !memcmp(digest, record->digest, sizeof(digest));
}

static inline int file_sha256(int fd, uint8_t out[DSTACK_DIGEST_SIZE])
{
	struct stat st;
	struct piece piece;
	void *data;

	if (fstat(fd, &st))
		return -errno;
	data = mmap(NULL, st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (data == MAP_FAILED)
		return -errno;
	piece.data = data;
	piece.len = st.st_size;
	hash("SHA256", &piece, 1, out);
	munmap(data, st.st_size);
	return 0;
}

/* The value of a register, from the log as it grows. */
struct replay {
	int fd;
	uint64_t next;
	uint64_t end;
	uint8_t value[DSTACK_REGISTER_SIZE];
};

static inline int replay_record(const struct dstack_log_record *record,
				void *arg)
{
	struct replay *replay = arg;

	if (replay->next == replay->end)
		return 1;
	if (record->seq != replay->next)
		return -EILSEQ;
	fold(replay->value, record->digest);
	replay->next++;
	return 0;
}

/* From the first event whose digest the module has not forgotten. */
static inline void replay_begin(struct replay *replay,
				const struct libdstack_status *status)
{
	replay->next = status->log_first;
	memcpy(replay->value, status->log_start, sizeof(replay->value));
}

/* Fold in what there is before event @end. */
static inline int replay_to(struct replay *replay, uint64_t end)
{
	uint64_t seq = replay->next;
	int err;

	replay->end = end;
	if (replay->next > end)
		return -ERANGE;
	err = libdstack_read_log(replay->fd, &seq, replay_record, replay);
	if (err < 0)
		return err;
	return replay->next == end ? 0 : -ENODATA;
}

/* The log replays to its register, and nobody else has extended that. */
static inline int log_replays(struct libdstack_control *control, int fd)
{
	struct replay replay = { .fd = fd };
	struct libdstack_status status;
	int err;

	err = libdstack_status(control, &status);
	if (err)
		return err;
	replay_begin(&replay, &status);
	err = replay_to(&replay, status.log_count);
	if (err)
		return err;
	if (memcmp(replay.value, status.register_value, sizeof(replay.value)))
		return -EBADMSG;
	return status.diverged ? -ENOTRECOVERABLE : 0;
}

/*
 * Processes
 */

typedef int (*child_fn)(void *arg);

static inline int cgroup_enter(const char *cgroup)
{
	char path[256];
	int fd, err = 0;

	snprintf(path, sizeof(path), "%s/cgroup.procs", cgroup);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (write(fd, "0", 1) != 1)
		err = -errno;
	close(fd);
	return err;
}

static inline int wait_child(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid)
		return -errno;
	return WIFEXITED(status) ? -WEXITSTATUS(status) : -EINTR;
}

/* What @fn returns in a child in this cgroup; NULL: in ours. */
static inline int in_cgroup(const char *cgroup, child_fn fn, void *arg)
{
	pid_t pid = fork();

	if (pid < 0)
		return -errno;
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		/* No errno is 255: the test must not take it for @fn's. */
		_exit(cgroup && cgroup_enter(cgroup) ? 255 : -fn(arg));
	}
	return wait_child(pid);
}

static inline int in_child(child_fn fn, void *arg)
{
	return in_cgroup(NULL, fn, arg);
}

/* For good: the process keeps its descriptors and loses its capabilities. */
static inline int become_nobody(void)
{
	return setresgid(NOBODY, NOBODY, NOBODY) ||
	       setresuid(NOBODY, NOBODY, NOBODY) ? -errno : 0;
}

/*
 * Containers
 */

struct container {
	struct libdstack_container as;
	char cgroup[sizeof(CGROUP_ROOT "/") + DSTACK_ID_SIZE];
};

static inline int cgroup_make(const char *cgroup)
{
	int fd;

	if (mkdir(cgroup, 0755))
		return -errno;
	fd = open(cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static inline void cgroup_kill(const char *cgroup)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/cgroup.kill", cgroup);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	if (write(fd, "1", 1) != 1)
		fprintf(stderr, "# can't kill what is in %s\n", cgroup);
	close(fd);
}

/* A process may be counted in its cgroup for a moment after its death. */
static inline int cgroup_remove(const char *cgroup)
{
	int ms;

	for (ms = 0; ms < PATIENCE_MS; ms += 10) {
		if (!rmdir(cgroup))
			return 0;
		if (errno != EBUSY)
			return -errno;
		sleep_ms(10);
	}
	return -EBUSY;
}

static inline void container_name(struct container *c, const char *name)
{
	memset(c, 0, sizeof(*c));
	snprintf(c->as.id, sizeof(c->as.id), "selftest-%s", name);
	snprintf(c->as.section, sizeof(c->as.section), "selftest");
	snprintf(c->cgroup, sizeof(c->cgroup), CGROUP_ROOT "/%s", c->as.id);
}

/* A cgroup of its own, registered; nothing is left if this fails. */
static inline int container_add(struct libdstack_control *control,
				struct container *c, const char *name)
{
	int fd, err;

	container_name(c, name);
	fd = cgroup_make(c->cgroup);
	if (fd < 0)
		return fd;
	err = libdstack_add_container(control, fd, &c->as);
	close(fd);
	if (err)
		cgroup_remove(c->cgroup);
	return err;
}

/* Who was waited for may be in its cgroup for a moment longer. */
static inline int container_forget(struct libdstack_control *control,
				   const struct container *c)
{
	int ms, err = -EBUSY;

	for (ms = 0; err == -EBUSY && ms < PATIENCE_MS; ms += 10) {
		err = libdstack_remove_container(control, c->as.id);
		if (err == -EBUSY)
			sleep_ms(10);
	}
	return err;
}

static inline int container_remove(struct libdstack_control *control,
				   const struct container *c)
{
	int err;

	cgroup_kill(c->cgroup);
	err = container_forget(control, c);
	return cgroup_remove(c->cgroup) ?: err;
}

/* Run a program over and over until killed, as its parent's child. */
static inline pid_t spawn_forever(const char *cgroup, const char *program)
{
	char *argv[] = { (char *)program, NULL };
	pid_t worker = fork(), pid;

	if (worker)
		return worker;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (cgroup && cgroup_enter(cgroup))
		_exit(1);
	for (;;) {
		if (posix_spawn(&pid, program, NULL, NULL, argv, NULL))
			_exit(2);
		if (wait_child(pid))
			_exit(3);
	}
}

/*
 * The daemon
 */

/* The state letter of a process as proc(5) has it, 0 if there is none. */
static inline char process_state(pid_t pid)
{
	char path[64], state = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	file = fopen(path, "re");
	if (!file)
		return 0;
	if (fscanf(file, "%*d (%*[^)]) %c", &state) != 1)
		state = 0;
	fclose(file);
	return state;
}

static inline pid_t daemon_pid(void)
{
	FILE *file = fopen(DAEMON_PID_FILE, "re");
	int pid = 0;

	if (!file)
		return -errno;
	if (fscanf(file, "%d", &pid) != 1 || pid <= 1 || !process_state(pid))
		pid = -ESRCH;
	fclose(file);
	return pid;
}

/*
 * Stop the daemon, so that records keep their names and payloads.  Returns a
 * descriptor: the daemon goes on once it is closed, even by our death, for a
 * guardian outside of our process group waits for that.
 */
static inline int daemon_pause(void)
{
	pid_t daemon = daemon_pid();
	int fds[2], ms;
	char byte;

	if (daemon < 0)
		return daemon;
	if (pipe2(fds, O_CLOEXEC))
		return -errno;
	switch (fork()) {
	case -1:
		return -errno;
	case 0:
		setsid();
		close(fds[1]);
		while (read(fds[0], &byte, 1) < 0 && errno == EINTR)
			;
		kill(daemon, SIGCONT);
		_exit(0);
	}
	close(fds[0]);
	kill(daemon, SIGSTOP);
	for (ms = 0; process_state(daemon) != 'T'; ms += 10) {
		if (ms >= PATIENCE_MS) {
			close(fds[1]);
			return -ETIMEDOUT;
		}
		sleep_ms(10);
	}
	return fds[1];
}

/* Until all that there is was stored and acknowledged. */
static inline int daemon_catch_up(struct libdstack_control *control)
{
	struct libdstack_status status;
	int ms, err;

	for (ms = 0; ms < PATIENCE_MS; ms += 10) {
		err = libdstack_status(control, &status);
		if (err)
			return err;
		if (status.log_acked == status.log_count)
			return 0;
		sleep_ms(10);
	}
	return -ETIMEDOUT;
}

#endif /* DSTACK_TEST_H */
