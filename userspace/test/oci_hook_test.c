// SPDX-License-Identifier: MIT
/*
 * What dstack-oci-hook makes of a runtime's words, and of hostile ones
 *
 * Copyright The dstack for Linux authors
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../oci-hook/json.c" /* NOLINT(bugprone-suspicious-include) */
#include "../oci-hook/state.c" /* NOLINT(bugprone-suspicious-include) */
#include "../oci-hook/identity.c" /* NOLINT(bugprone-suspicious-include) */
#include "../oci-hook/path.c" /* NOLINT(bugprone-suspicious-include) */

#include <sys/mman.h>

#define APP	"0123456789abcdef0123456789abcdef01234567"
#define DIGEST	"00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define ZEROS	"0000000000000000000000000000000000000000000000000000000000000000"
/* JSON here has ' for ", and so have messages. */
#define STATE(more) \
	"{'ociVersion':'1.0','id':'c','status':'created'," \
	"'pid':7,'bundle':'/b'" more "}"
#define ANNOTATED(annotations) \
	STATE(",'annotations':{" annotations "}")
#define APP_ID(id)	ANNOTATED("'org.dstack.app-id':'" id "'")
#define SECTION(name)	ANNOTATED("'org.dstack.section':'" name "'")
#define IMAGE(digest)	ANNOTATED("'org.dstack.image-digest':'" digest "'")
#define FIELDS(version, id, status, bundle, more) \
	"{'ociVersion':" version ",'id':" id ",'status':" status \
	",'bundle':" bundle more "}"

static char said[4096];

static void swap(char *text, char from, char to)
{
	for (; *text; text++)
		if (*text == from)
			*text = to;
}

void msg(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(said, sizeof(said), fmt, args);
	va_end(args);
	swap(said, '"', '\'');
}

void msg_about(const char *id)
{
	(void)id;
}

static int file_of(const char *text, size_t len)
{
	int fd = memfd_create("state", MFD_CLOEXEC);
	char *copy = malloc(len + 1);

	assert_true(fd >= 0);
	assert_non_null(copy);
	memcpy(copy, text, len);
	copy[len] = '\0';
	swap(copy, '\'', '"');
	assert_int_equal(write(fd, copy, len), len);
	lseek(fd, 0, SEEK_SET);
	free(copy);
	return fd;
}

static int read_state(const char *text, struct oci_state *state)
{
	int fd = file_of(text, strlen(text)), err;

	said[0] = '\0';
	err = state_read(fd, state);
	close(fd);
	return err;
}

static void assert_refused(const char *text, const char *why)
{
	struct oci_state state;

	if (read_state(text, &state) != -EBADMSG)
		fail_msg("not refused: %s", text);
	if (!strstr(said, why))
		fail_msg("'%s' is not in '%s'", why, said);
	assert_null(state.root);
}

/*
 * The state
 */

static void state_of_every_runtime_is_read(void **unused)
{
	static const char * const texts[] = {
		/* crun, runc, and podman at poststop, as they were seen */
		"{'ociVersion':'1.0','id':'c','pid':155,'root':'rootfs',"
		"'bundle':'/tmp/b','status':'created',"
		"'annotations':{'org.dstack.section':'x'}}",
		"{'ociVersion':'1.2.0','id':'c','status':'creating',"
		"'pid':265,'bundle':'/tmp/b'}",
		"{'ociVersion':'1.2.0','id':'c','status':'stopped',"
		"'bundle':'/tmp/b','annotations':{}}",
		"{'ociVersion':'1.0.2-dev','id':'c','status':'stopped',"
		"'pid':0,'bundle':'/','future':[{}]}\n\n",
	};
	static const pid_t pids[] = { 155, 265, 0, 0 };
	struct oci_state state;
	size_t i;

	(void)unused;
	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		assert_int_equal(read_state(texts[i], &state), 0);
		assert_string_equal(state.id, "c");
		assert_int_equal(state.pid, pids[i]);
		state_free(&state);
	}
}

static void state_without_its_fields_is_refused(void **unused)
{
	(void)unused;
	assert_refused("", "no JSON object");
	assert_refused("{", "no JSON object");
	assert_refused("[]", "no JSON object");
	assert_refused("{}", "'ociVersion'");
	assert_refused(STATE("") "{}", "no JSON object");
	assert_refused(STATE("") "x", "no JSON object");
	assert_refused(STATE(",'id':'d'"), "no JSON object");
	assert_refused("{'ociVersion':'1.0','status':'x','bundle':'/'}",
		       "'id'");
	assert_refused("{'ociVersion':'1.0','id':'c','bundle':'/'}",
		       "'status'");
	assert_refused("{'ociVersion':'1.0','id':'c','status':'x'}",
		       "'bundle'");
}

/* @form with @value for its "%s". */
static void put(char *text, size_t size, const char *form, const char *value)
{
	const char *at = strstr(form, "%s");

	snprintf(text, size, "%.*s%s%s", (int)(at - form), form, value, at + 2);
}

static void fields_of_another_type_are_refused(void **unused)
{
	static const struct {
		const char *form, *field;
		const char *right;	/* of @others, the one that is */
	} fields[] = {
		{ FIELDS("%s", "'c'", "'x'", "'/'", ""), "'ociVersion'", "" },
		{ FIELDS("'1.0'", "%s", "'x'", "'/'", ""), "'id'", "" },
		{ FIELDS("'1.0'", "'c'", "%s", "'/'", ""), "'status'", "" },
		{ FIELDS("'1.0'", "'c'", "'x'", "%s", ""), "'bundle'", "" },
		{ FIELDS("'1.0'", "'c'", "'x'", "'/'", ",'pid':%s"),
		  "'pid'", "1" },
		{ FIELDS("'1.0'", "'c'", "'x'", "'/'", ",'annotations':%s"),
		  "'annotations'", "{}" },
		{ FIELDS("'1.0'", "'c'", "'x'", "'/'",
			 ",'annotations':{'k':%s}"), "'annotations'", "" },
	};
	static const char * const others[] = {
		"null", "true", "1", "1.5", "[]", "{}", "-1", "4294967296",
		"1e3",
	};
	char text[512];
	size_t i, j;

	(void)unused;
	for (i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		for (j = 0; j < sizeof(others) / sizeof(others[0]); j++) {
			if (!strcmp(fields[i].right, others[j]))
				continue;
			put(text, sizeof(text), fields[i].form, others[j]);
			assert_refused(text, fields[i].field);
		}
	assert_refused(STATE(",'annotations':'x'"), "'annotations'");
	assert_refused(FIELDS("'1.0'", "'c'", "'x'", "'/'",
			      ",'pid':18446744073709551616"), "no JSON object");
}

static void values_that_mean_nothing_here_are_refused(void **unused)
{
	(void)unused;
	assert_refused(FIELDS("'2.0'", "'c'", "'x'", "'/'", ""), "1.x");
	assert_refused(FIELDS("'1.0'", "''", "'x'", "'/'", ""), "'id'");
	assert_refused(FIELDS("'1.0'", "'../c'", "'x'", "'/'", ""), "'id'");
	assert_refused(FIELDS("'1.0'", "'c d'", "'x'", "'/'", ""), "'id'");
	assert_refused(FIELDS("'1.0'", "'c\\u0000d'", "'x'", "'/'", ""),
		       "no JSON object");
	assert_refused(FIELDS("'1.0'", "'c'", "'x'", "'b'", ""), "'bundle'");
}

static void long_id_is_taken_and_a_longer_one_refused(void **unused)
{
	const char *form = FIELDS("'1.0'", "'%s'", "'x'", "'/'", "");
	struct oci_state state;
	char id[130], text[300];

	(void)unused;
	memset(id, '7', sizeof(id));
	id[127] = '\0';
	put(text, sizeof(text), form, id);
	assert_int_equal(read_state(text, &state), 0);
	assert_string_equal(state.id, id);
	state_free(&state);
	id[127] = '7';
	id[128] = '\0';
	put(text, sizeof(text), form, id);
	assert_refused(text, "'id'");
}

/* The same state with so many bytes of white space behind it. */
static int read_padded(size_t size)
{
	const char *text = STATE("");
	char *padded = malloc(size);
	struct oci_state state;
	int fd, err;

	assert_non_null(padded);
	memset(padded, ' ', size);
	memcpy(padded, text, strlen(text));
	fd = file_of(padded, size);
	err = state_read(fd, &state);
	if (!err)
		state_free(&state);
	close(fd);
	free(padded);
	return err;
}

static void state_is_bounded(void **unused)
{
	int fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	struct oci_state state;
	char *deep;

	(void)unused;
	assert_int_equal(read_padded(STATE_MAX), 0);
	assert_int_equal(read_padded(STATE_MAX + 1), -EFBIG);
	assert_non_null(strstr(said, "more than 1048576 bytes"));
	assert_int_equal(state_read(fd, &state), -EBADMSG);
	close(fd);
	assert_int_equal(state_read(-1, &state), -EBADF);
	/* As deep as it can be. */
	deep = malloc(STATE_MAX);
	assert_non_null(deep);
	memset(deep, '[', STATE_MAX);
	fd = file_of(deep, STATE_MAX);
	assert_int_equal(state_read(fd, &state), -EBADMSG);
	close(fd);
	free(deep);
}

/*
 * What it is registered as
 */

static const uint8_t app[DSTACK_APP_ID_SIZE] = {
	0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0x01, 0x23,
	0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0x01, 0x23, 0x45, 0x67,
};

/* In whose policy every container of this test is. */
static struct libdstack_status active(void)
{
	struct libdstack_status status = { .policy_epoch = 3 };

	memcpy(status.policy_app_id, app, sizeof(app));
	return status;
}

static int identify(const char *text, const struct defaults *defaults,
		    const struct libdstack_status *status,
		    struct libdstack_container *container)
{
	struct oci_state state;
	int err;

	assert_int_equal(read_state(text, &state), 0);
	err = identity_of(&state, defaults, status, container);
	state_free(&state);
	return err;
}

static void annotations_say_what_it_is(void **unused)
{
	const struct libdstack_status status = active();
	const struct defaults defaults = { .section = "other" };
	struct libdstack_container c;
	char hex[2 * DSTACK_DIGEST_SIZE + 1];

	(void)unused;
	assert_int_equal(identify(ANNOTATED("'org.dstack.section':'web',"
					    "'org.dstack.app-id':'" APP "',"
					    "'org.dstack.image-digest':"
					    "'sha256:" DIGEST "',"
					    "'org.dstack.securebits':"
					    "'restrict',"
					    "'org.other':''"),
				  &defaults, &status, &c), 0);
	assert_string_equal(c.id, "c");
	assert_string_equal(c.section, "web");
	assert_memory_equal(c.app_id, app, sizeof(app));
	assert_string_equal(libdstack_to_hex(c.image, sizeof(c.image), hex),
			    DIGEST);
	assert_int_equal(c.flags, DSTACK_CONTAINER_F_SECUREBITS);
}

static void silent_container_is_registered_all_the_same(void **unused)
{
	static const uint8_t none[DSTACK_DIGEST_SIZE];
	const struct libdstack_status status = active();
	struct defaults defaults = { .section = NULL };
	struct libdstack_container c;

	(void)unused;
	assert_int_equal(identify(STATE(""), &defaults, &status, &c), 0);
	assert_string_equal(c.section, "default");
	assert_memory_equal(c.app_id, app, sizeof(app));
	assert_memory_equal(c.image, none, sizeof(none));
	assert_int_equal(c.flags, 0);
	defaults.section = "given";
	assert_int_equal(identify(ANNOTATED(""), &defaults, &status, &c), 0);
	assert_string_equal(c.section, "given");
}

static void malformed_annotations_are_refused(void **unused)
{
	static const char * const texts[] = {
		SECTION(""), SECTION("a b"), SECTION("web "),
		SECTION(DIGEST),
		APP_ID(""), APP_ID("0x" APP), APP_ID(APP "0"),
		APP_ID("g123456789abcdef0123456789abcdef01234567"),
		IMAGE(""), IMAGE(DIGEST), IMAGE("sha512:" DIGEST),
		IMAGE("sha256:" DIGEST "0"), IMAGE("sha256:" ZEROS),
		IMAGE("sha256:"),
		ANNOTATED("'org.dstack.securebits':''"),
		ANNOTATED("'org.dstack.securebits':'0'"),
		ANNOTATED("'org.dstack.securebits':'restrict,'"),
		ANNOTATED("'org.dstack.':''"),
		ANNOTATED("'org.dstack.sections':'web'"),
		ANNOTATED("'org.dstack.Section':'web'"),
	};
	const struct defaults defaults = { .section = "given" };
	const struct libdstack_status status = active();
	struct libdstack_container c;
	size_t i;

	(void)unused;
	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		if (identify(texts[i], &defaults, &status, &c) != -EINVAL)
			fail_msg("not refused: %s", texts[i]);
		assert_non_null(strstr(said, "annotation org.dstack."));
	}
}

static void other_app_than_the_policys_is_refused(void **unused)
{
	const char *other = APP_ID("f123456789abcdef0123456789abcdef01234567");
	struct libdstack_status status = active();
	struct defaults defaults = { .section = NULL };
	struct libdstack_container c;

	(void)unused;
	assert_int_equal(identify(other, &defaults, &status, &c), -EACCES);
	assert_non_null(strstr(said, "active policy to app " APP));
	defaults.has_app_id = true;
	assert_int_equal(identify(STATE(""), &defaults, &status, &c), -EACCES);
	/* Its own word counts, not the default. */
	assert_int_equal(identify(APP_ID(APP), &defaults, &status, &c), 0);
	memcpy(defaults.app_id, app, sizeof(app));
	assert_int_equal(identify(STATE(""), &defaults, &status, &c), 0);
}

static void without_a_policy_somebody_must_name_the_app(void **unused)
{
	const struct libdstack_status status = { .policy_epoch = 0 };
	struct defaults defaults = { .section = NULL };
	struct libdstack_container c;

	(void)unused;
	assert_int_equal(identify(STATE(""), &defaults, &status, &c), -ENODATA);
	assert_non_null(strstr(said, "dstackctl policy load"));
	assert_int_equal(identify(APP_ID(APP), &defaults, &status, &c), 0);
	assert_memory_equal(c.app_id, app, sizeof(app));
	defaults.has_app_id = true;
	assert_int_equal(identify(STATE(""), &defaults, &status, &c), 0);
}

/*
 * Its cgroup
 */

static void path_is_that_of_the_unified_hierarchy(void **unused)
{
	char path[PATH_MAX];

	(void)unused;
	assert_int_equal(path_of_process("0::/a/b c..d\n", path), 0);
	assert_string_equal(path, "/a/b c..d");
	assert_int_equal(path_of_process("0::/...\n", path), 0);
}

static void what_is_no_cgroup_of_a_container_is_refused(void **unused)
{
	static const struct {
		const char *text;
		int err;
	} wrong[] = {
		{ "", -EOPNOTSUPP },
		{ "12:cpu,cpuacct:/x\n0::/x\n", -EOPNOTSUPP },
		{ "1:name=systemd:/x\n", -EOPNOTSUPP },
		{ "0::/x\n1:name=foo:/\n", -EOPNOTSUPP },
		{ "0:name=foo:/x\n", -EOPNOTSUPP },
		{ "00::/x\n", -EOPNOTSUPP },
		{ "0::/\n", -ELOOP },
		{ "0::\n", -EBADMSG },
		{ "0::x\n", -EBADMSG },
		{ "0::/../x\n", -EXDEV },
		{ "0::/x/..\n", -EXDEV },
		{ "0::/x/../y\n", -EXDEV },
		{ "0::/x (deleted)\n", -ENODEV },
		{ "0::/x", -ENAMETOOLONG },
	};
	char path[PATH_MAX];
	size_t i;

	(void)unused;
	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		if (path_of_process(wrong[i].text, path) != wrong[i].err)
			fail_msg("not refused so: %s", wrong[i].text);
}

static void longest_path_is_bounded(void **unused)
{
	char text[PATH_MAX + 8] = "0::/", path[PATH_MAX];

	(void)unused;
	memset(text + 4, 'x', PATH_MAX);
	text[PATH_MAX + 2] = '\n';
	text[PATH_MAX + 3] = '\0';
	assert_int_equal(path_of_process(text, path), 0);
	assert_int_equal(strlen(path), PATH_MAX - 1);
	text[PATH_MAX + 2] = 'x';
	text[PATH_MAX + 3] = '\n';
	text[PATH_MAX + 4] = '\0';
	assert_int_equal(path_of_process(text, path), -ENAMETOOLONG);
}

static void top_of_the_container_is_found(void **unused)
{
	static const struct {
		const char *own, *cgroups_path, *id, *top;
	} cases[] = {
		/* cgroupfs */
		{ "/p/libpod-1", "/p/libpod-1", "1", "/p/libpod-1" },
		{ "/p/libpod-1/sub/sub", "/p/libpod-1", "1", "/p/libpod-1" },
		{ "/p/libpod-1", "//p/./libpod-1/", "1", "/p/libpod-1" },
		{ "/user/1", "1", "1", "/user/1" },
		{ "/user/a/b/init", "a/b", "1", "/user/a/b" },
		{ "/docker/12/init", "/docker/12", "12", "/docker/12" },
		/* a name with colons is one, too */
		{ "/a:b:c/d", "/a:b:c", "1", "/a:b:c" },
		/* systemd */
		{ "/machine.slice/libpod-1.scope/container",
		  "machine.slice:libpod:1", "1",
		  "/machine.slice/libpod-1.scope" },
		{ "/a.slice/a-b.slice/cri-containerd-1.scope",
		  "a-b.slice:cri-containerd:1", "1",
		  "/a.slice/a-b.slice/cri-containerd-1.scope" },
		{ "/system.slice/docker-1.scope/init", ":docker:1", "1",
		  "/system.slice/docker-1.scope" },
		{ "/a.slice/b.slice/x", "a.slice:none:b.slice", "1",
		  "/a.slice/b.slice" },
		/* chosen by the runtime */
		{ "/c1", NULL, "c1", "/c1" },
		{ "/c1/nested", NULL, "c1", "/c1" },
		{ "/user.slice/c1/x", NULL, "c1", "/user.slice/c1" },
		{ "/system.slice/crun-c1.scope/container", NULL, "c1",
		  "/system.slice/crun-c1.scope" },
		{ "/system.slice/crun-container.scope/container", NULL,
		  "container", "/system.slice/crun-container.scope" },
		/* not by its id: then what it is in */
		{ "/c11/xc1", NULL, "c1", "/c11/xc1" },
		{ "/x/c1.scope", NULL, "c1", "/x/c1.scope" },
		{ "/x/crunc1.scope/y", NULL, "c1", "/x/crunc1.scope/y" },
	};
	char top[PATH_MAX];
	size_t i;

	(void)unused;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (path_of_container(cases[i].own, cases[i].cgroups_path,
				      cases[i].id, top))
			fail_msg("%s: %s", cases[i].own, said);
		assert_string_equal(top, cases[i].top);
	}
}

static void process_outside_of_its_path_is_refused(void **unused)
{
	static const struct {
		const char *own, *cgroups_path;
	} cases[] = {
		{ "/a/b", "/b" },
		{ "/a/bc", "/a/b" },
		{ "/ab", "b" },
		{ "/a/b", "/" },
		{ "/a/b", "." },
		{ "/a/b", "/a/../a/b" },
		{ "/a/b", "a.slice:x" },
		{ "/a/x-b.scope", "a:x:b:c" },
		{ "/a/x-b.scopes", "a:x:b" },
		{ "/a/x-.scope", "a:x:" },
		{ "/b/c.scope", "a:/b:c" },
	};
	char top[PATH_MAX];
	size_t i;

	(void)unused;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (path_of_container(cases[i].own, cases[i].cgroups_path, "1",
				      top) != -EXDEV)
			fail_msg("%s was found in %s", cases[i].own,
				 cases[i].cgroups_path);
}

static void longest_configured_path_is_bounded(void **unused)
{
	char top[PATH_MAX], *path = malloc(CONFIG_MAX);

	(void)unused;
	assert_non_null(path);
	memset(path, 'x', CONFIG_MAX - 1);
	path[CONFIG_MAX - 1] = '\0';
	assert_int_equal(path_of_container("/a", path, "1", top), -EXDEV);
	memset(path, ':', 2);
	assert_int_equal(path_of_container("/a", path, "1", top), -EXDEV);
	free(path);
}

/* What config.json of a bundle that has this text says; -errno or 0. */
static int configured(const char *text, char **path)
{
	char dir[] = "/tmp/dstack-bundle-XXXXXX", file[64];
	struct oci_state state = { .bundle = dir };
	char copy[512];
	int fd, err;

	assert_non_null(mkdtemp(dir));
	snprintf(file, sizeof(file), "%s/config.json", dir);
	fd = open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	snprintf(copy, sizeof(copy), "%s", text);
	swap(copy, '\'', '"');
	assert_int_equal(write(fd, copy, strlen(copy)), strlen(copy));
	close(fd);
	err = state_cgroups_path(&state, path);
	unlink(file);
	rmdir(dir);
	return err;
}

static void configured_path_is_read(void **unused)
{
	char *path;

	(void)unused;
	assert_int_equal(configured("{'linux':{'cgroupsPath':'a:b:c'}}",
				    &path), 0);
	assert_string_equal(path, "a:b:c");
	free(path);
	assert_int_equal(configured("{'linux':{'cgroupsPath':''}}",
				    &path), 0);
	assert_null(path);
	assert_int_equal(configured("{'linux':{}}", &path), 0);
	assert_null(path);
	assert_int_equal(configured("{}", &path), 0);
	assert_null(path);
	assert_int_equal(configured("", &path), -EBADMSG);
	assert_int_equal(configured("[]", &path), -EBADMSG);
	assert_int_equal(configured("{'linux':1}", &path), -EBADMSG);
	assert_int_equal(configured("{'linux':{'cgroupsPath':null}}",
				    &path), -EBADMSG);
}

static void bundle_without_a_plain_config_is_refused(void **unused)
{
	char dir[] = "/tmp/dstack-bundle-XXXXXX", file[64], *path;
	struct oci_state state = { .bundle = "/nonexistent" };

	(void)unused;
	assert_int_equal(state_cgroups_path(&state, &path), -ENOENT);
	assert_non_null(mkdtemp(dir));
	state.bundle = dir;
	snprintf(file, sizeof(file), "%s/config.json", dir);
	assert_int_equal(state_cgroups_path(&state, &path), -ENOENT);
	assert_int_equal(symlink("/etc/passwd", file), 0);
	assert_int_equal(state_cgroups_path(&state, &path), -ELOOP);
	unlink(file);
	assert_int_equal(mkfifo(file, 0600), 0);
	assert_int_equal(state_cgroups_path(&state, &path), -EINVAL);
	unlink(file);
	assert_int_equal(mkdir(file, 0700), 0);
	assert_int_equal(state_cgroups_path(&state, &path), -EINVAL);
	rmdir(file);
	rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(state_of_every_runtime_is_read),
		cmocka_unit_test(state_without_its_fields_is_refused),
		cmocka_unit_test(fields_of_another_type_are_refused),
		cmocka_unit_test(values_that_mean_nothing_here_are_refused),
		cmocka_unit_test(long_id_is_taken_and_a_longer_one_refused),
		cmocka_unit_test(state_is_bounded),
		cmocka_unit_test(annotations_say_what_it_is),
		cmocka_unit_test(silent_container_is_registered_all_the_same),
		cmocka_unit_test(malformed_annotations_are_refused),
		cmocka_unit_test(other_app_than_the_policys_is_refused),
		cmocka_unit_test(without_a_policy_somebody_must_name_the_app),
		cmocka_unit_test(path_is_that_of_the_unified_hierarchy),
		cmocka_unit_test(what_is_no_cgroup_of_a_container_is_refused),
		cmocka_unit_test(longest_path_is_bounded),
		cmocka_unit_test(top_of_the_container_is_found),
		cmocka_unit_test(process_outside_of_its_path_is_refused),
		cmocka_unit_test(longest_configured_path_is_bounded),
		cmocka_unit_test(configured_path_is_read),
		cmocka_unit_test(bundle_without_a_plain_config_is_refused),
	};

	return cmocka_run_group_tests_name("oci_hook", tests, NULL, NULL);
}
