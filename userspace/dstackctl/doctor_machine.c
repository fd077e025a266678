// SPDX-License-Identifier: MIT
/*
 * The kernel that runs here, and what is installed
 *
 * Copyright The dstack for Linux authors
 */
#include "doctor.h"

#include <errno.h>
#include <linux/magic.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

#define LSM_LIST	"/sys/kernel/security/lsm"
#define BTF		"/sys/kernel/btf/vmlinux"
#define CGROUP		"/sys/fs/cgroup"
#define OCI_HOOK	"/usr/libexec/dstack/dstack-oci-hook"
#define OCI_HOOK_CONF	"/usr/share/containers/oci/hooks.d/90-dstack.json"
/* No machine boots before this was written: 2026-01-01. */
#define EARLIEST	1767225600
#define SPACE_MIN	(64ULL << 20)	/* bytes for events */

static bool has_word(const char *list, const char *word)
{
	size_t len = strlen(word);
	const char *p;

	for (p = strstr(list, word); p; p = strstr(p + len, word))
		if ((p == list || p[-1] == ',') &&
		    (!p[len] || p[len] == ',' || p[len] == '\n'))
			return true;
	return false;
}

enum doctor_verdict doctor_lsm(struct doctor *d)
{
	char list[256] = "";
	FILE *file = fopen(LSM_LIST, "re");

	if (!file)
		return doctor_say(d, DOCTOR_FAIL,
				  "mount -t securityfs none /sys/kernel/security",
				  "can't read " LSM_LIST ": %s",
				  strerror(errno));
	if (!fgets(list, sizeof(list), file))
		list[0] = '\0';
	fclose(file);
	list[strcspn(list, "\n")] = '\0';
	if (!has_word(list, "bpf"))
		return doctor_say(d, DOCTOR_FAIL,
				  "boot with lsm= and this list and ',bpf', on a kernel with CONFIG_BPF_LSM",
				  "the kernel asks no BPF program: %s", list);
	return doctor_say(d, DOCTOR_OK, NULL, "%s", list);
}

enum doctor_verdict doctor_btf(struct doctor *d)
{
	if (access(BTF, R_OK))
		return doctor_say(d, DOCTOR_FAIL,
				  "use a kernel with CONFIG_DEBUG_INFO_BTF",
				  "no " BTF ": the kernel does not describe its types");
	return doctor_say(d, DOCTOR_OK, NULL, "the kernel describes its types");
}

enum doctor_verdict doctor_cgroup(struct doctor *d)
{
	struct statfs fs;

	if (statfs(CGROUP, &fs) || fs.f_type != CGROUP2_SUPER_MAGIC)
		return doctor_say(d, DOCTOR_FAIL,
				  "boot without cgroup v1: systemd.unified_cgroup_hierarchy=1",
				  "no cgroup2 on " CGROUP ": containers can't be told apart");
	return doctor_say(d, DOCTOR_OK, NULL, CGROUP " is cgroup2");
}

enum doctor_verdict doctor_clock(struct doctor *d)
{
	struct timex timex = { 0 };
	time_t now = time(NULL);
	char text[32] = "";
	struct tm tm;

	if (gmtime_r(&now, &tm))
		strftime(text, sizeof(text), "%FT%TZ", &tm);
	if (now < EARLIEST)
		return doctor_say(d, DOCTOR_FAIL, "start a time service",
				  "it is not %s: certificates can't be judged",
				  text);
	if (adjtimex(&timex) == TIME_ERROR)
		return doctor_say(d, DOCTOR_WARN,
				  "start a time service with authentication (NTS)",
				  "%s, as the host says it: nothing keeps it right",
				  text);
	return doctor_say(d, DOCTOR_OK, NULL, "%s, kept right", text);
}

/* Looks where a shell would. */
static bool in_path(const char *name)
{
	static const char *const dirs[] = {
		"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin",
	};
	char path[64];
	size_t i;

	for (i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", dirs[i], name);
		if (!access(path, X_OK))
			return true;
	}
	return false;
}

enum doctor_verdict doctor_runtime(struct doctor *d)
{
	static const char *const names[] = {
		"podman", "docker", "containerd", "crun", "runc",
	};
	char list[64] = "";
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (in_path(names[i]))
			snprintf(list + strlen(list),
				 sizeof(list) - strlen(list), "%s%s",
				 *list ? ", " : "", names[i]);
	if (!*list)
		return doctor_say(d, DOCTOR_WARN,
				  "install podman, or start containers with 'dstackctl run'",
				  "no container engine is installed");
	return doctor_say(d, DOCTOR_OK, NULL, "%s", list);
}

enum doctor_verdict doctor_oci_hook(struct doctor *d)
{
	if (access(OCI_HOOK, X_OK))
		return doctor_say(d, DOCTOR_WARN, "'make install'",
				  "no " OCI_HOOK ": engines register nothing");
	if (access(OCI_HOOK_CONF, R_OK))
		return doctor_say(d, DOCTOR_WARN,
				  "put 90-dstack.json of the sources there",
				  "no " OCI_HOOK_CONF ": podman has no hook");
	return doctor_say(d, DOCTOR_OK, NULL,
			  "podman's containers register themselves");
}

enum doctor_verdict doctor_space(struct doctor *d)
{
	unsigned long long left;
	struct statvfs fs;

	if (access(DSTACK_LOG_FILE, F_OK))
		return doctor_say(d, DOCTOR_FAIL,
				  "systemctl start dstackd",
				  "dstackd has no log: %s: %s",
				  DSTACK_LOG_FILE, strerror(errno));
	if (statvfs(DSTACK_LOG_FILE, &fs))
		return doctor_say(d, DOCTOR_FAIL, NULL, "%s: %s",
				  DSTACK_LOG_FILE, strerror(errno));
	left = (unsigned long long)fs.f_bavail * fs.f_frsize;
	if (left < SPACE_MIN)
		return doctor_say(d, DOCTOR_FAIL,
				  "make room there: when it is full, containers start nothing more",
				  "%llu MiB are left for %s", left >> 20,
				  DSTACK_LOG_FILE);
	return doctor_say(d, DOCTOR_OK, NULL, "%llu MiB are left for %s",
			  left >> 20, DSTACK_LOG_FILE);
}
