// SPDX-License-Identifier: MIT
/*
 * What an OCI runtime and the kernel tell the hook
 *
 * Copyright The dstack for Linux authors
 *
 * The state of a container; or, after '/', a process's cgroups, a NUL, and the
 * cgroup that the runtime was asked for.
 */
#include "fuzz.h"

#include "../oci-hook/json.c" /* NOLINT(bugprone-suspicious-include) */
#include "../oci-hook/state.c" /* NOLINT(bugprone-suspicious-include) */
#include "../oci-hook/identity.c" /* NOLINT(bugprone-suspicious-include) */
#include "../oci-hook/path.c" /* NOLINT(bugprone-suspicious-include) */

#include <sys/mman.h>

void msg(const char *fmt, ...)
{
	(void)fmt;
}

void msg_about(const char *id)
{
	(void)id;
}

static void find_cgroup(const uint8_t *data, size_t len)
{
	char own[PATH_MAX], top[PATH_MAX];
	char *text = strndup((const char *)data, len), *asked;

	must(text);
	asked = strlen(text) < len ? strndup((const char *)data +
					     strlen(text) + 1,
					     len - strlen(text) - 1) : NULL;
	if (!path_of_process(text, own) &&
	    !path_of_container(own, asked, "c", top))
		must(path_is_below(own, top));
	free(asked);
	free(text);
}

static void read_state(const uint8_t *data, size_t len)
{
	const struct defaults defaults = { .section = "x" };
	const struct libdstack_status status = { .policy_epoch = 1 };
	struct libdstack_container container;
	int fd = memfd_create("state", MFD_CLOEXEC);
	struct oci_state state;

	must(fd >= 0 && write(fd, data, len) == (ssize_t)len &&
	     !lseek(fd, 0, SEEK_SET));
	if (!state_read(fd, &state)) {
		identity_of(&state, &defaults, &status, &container);
		state_free(&state);
	}
	close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	if (len && *data == '/')
		find_cgroup(data + 1, len - 1);
	else
		read_state(data, len);
	return 0;
}

void fuzz_seeds(void)
{
	static const char cgroup[] = "/0::/a.slice/b.scope/c\n\0a.slice:b:c";

	fuzz_seed(cgroup, sizeof(cgroup));
	fuzz_seed_text("/1:name=systemd:/\n0::/x\n");
	fuzz_seed_text("{\"ociVersion\":\"1.0\",\"id\":\"c\",\"status\":\"created\",\"pid\":7,\"bundle\":\"/b\"}");
	fuzz_seed_text("{\"ociVersion\":\"1.0\",\"id\":\"c\",\"status\":\"stopped\",\"bundle\":\"/b\",\"annotations\":{\"org.dstack.section\":\"s\",\"org.dstack.app-id\":\"abababababababababababababababababababab\",\"org.dstack.image-digest\":\"sha256:00\"}}");
}
