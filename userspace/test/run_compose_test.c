// SPDX-License-Identifier: MIT
/*
 * What of a compose file is run, what is refused, and what has to be asked for
 *
 * Copyright The dstack for Linux authors
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../run/run.h"
#include "vectors.h"

#define HEX	"564a5aebc33495d5610626d23cb9e3da8e9d531d0edff9e38aa1ccaf059c15d3"
#define IMAGE	"reg.example/a/web@sha256:" HEX
#define WEB	"services:\n  web:\n    image: " IMAGE "\n"
#define APP_ID	"1111111111111111111111111111111111111111"

static char said[LIBDSTACK_MESSAGE_MAX];
static yyjson_doc *environment;
static bool live;

static void tell(const char *message)
{
	snprintf(said, sizeof(said), "%s", message);
}

static void assert_says(const char *what)
{
	if (!strstr(said, what))
		fail_msg("'%s' is not in: %s", what, said);
}

/* As app-compose.json grants it: @extension is what is in "dstack". */
static int read_with(const char *text, const char *extension,
		     struct run_compose **out)
{
	char document[1024];
	struct app_compose *app;
	struct run_input input = {
		.app_id = APP_ID, .dir = "/run/keys", .data = "/data/app",
		.environment = yyjson_doc_get_root(environment), .tell = tell,
		.live = live,
	};
	int err;

	*said = '\0';
	snprintf(document, sizeof(document), "{\"manifest_version\":2,\"name\":\"n\",\"runner\":\"docker-compose\",\"dstack\":{%s}}",
		 extension);
	assert_int_equal(app_compose_parse(document, strlen(document), &app,
					   tell), 0);
	input.app = app;
	err = run_compose_read(text, &input, out);
	app_compose_free(app);
	return err;
}

static struct run_compose *reads_with(const char *text, const char *extension)
{
	struct run_compose *compose;

	if (read_with(text, extension, &compose))
		fail_msg("%s\n%s", said, text);
	assert_string_equal(said, "");
	return compose;
}

static void refuses_with(const char *text, const char *extension,
			 const char *says)
{
	struct run_compose *compose;

	if (read_with(text, extension, &compose) != -EBADMSG)
		fail_msg("%s\n%s", said, text);
	assert_null(compose);
	assert_says(says);
}

/* The service web with one more line. */
static char *web(const char *line)
{
	static char text[4096];

	snprintf(text, sizeof(text), WEB "    %s\n", line);
	return text;
}

static void refuses(const char *line, const char *says)
{
	refuses_with(web(line), "", "service 'web': ");
	assert_says(says);
}

/* What the compose program gets for it; "" if nothing. */
static void gives_with(const char *line, const char *extension,
		       const char *key, const char *json)
{
	struct run_compose *compose = reads_with(web(line), extension);
	yyjson_doc *doc = yyjson_read(compose->text, compose->len, 0);
	char pointer[64], *text;
	yyjson_val *value;

	snprintf(pointer, sizeof(pointer), "/services/web/%s", key);
	value = yyjson_doc_ptr_get(doc, pointer);
	text = value ? yyjson_val_write(value, 0, NULL) : strdup("");
	assert_string_equal(text, json);
	free(text);
	yyjson_doc_free(doc);
	run_compose_free(compose);
}

static void gives(const char *line, const char *key, const char *json)
{
	gives_with(line, "", key, json);
}

static void a_service_is_annotated_with_what_it_is(void **state)
{
	struct run_compose *compose = reads_with(WEB, "");

	(void)state;
	assert_int_equal(compose->nr, 1);
	assert_string_equal(compose->project, "dstack");
	assert_string_equal(compose->services[0].name, "web");
	assert_string_equal(compose->services[0].section, "web");
	assert_string_equal(compose->services[0].image.name, IMAGE);
	assert_string_equal(compose->services[0].image.repository,
			    "reg.example/a/web");
	assert_int_equal(compose->services[0].image.digest[0], 0x56);
	run_compose_free(compose);
	gives("", "annotations", "{\"org.dstack.section\":\"web\","
	      "\"org.dstack.app-id\":\"" APP_ID "\","
	      "\"org.dstack.image-digest\":\"sha256:" HEX "\"}");
	gives("", "pull_policy", "\"never\"");
	gives("pull_policy: always", "pull_policy", "\"never\"");
	gives_with("", "\"containers\":{\"web\":{\"section\":\"s1\"}}",
		   "annotations/org.dstack.section", "\"s1\"");
}

/* By its label a container is known to be of this very file. */
static void another_file_has_another_hash(void **state)
{
	struct run_compose *one = reads_with(web("command: a"), "");
	struct run_compose *same = reads_with(web("command: 'a'"), "");
	struct run_compose *other = reads_with(web("command: b"), "");
	char label[128];

	(void)state;
	assert_string_equal(one->hash, same->hash);
	assert_string_not_equal(one->hash, other->hash);
	snprintf(label, sizeof(label), "\"org.dstack.compose\": \"%s\"",
		 one->hash);
	assert_non_null(strstr(one->text, label));
	run_compose_free(one);
	run_compose_free(same);
	run_compose_free(other);
}

static void images_are_pinned_and_named_in_full(void **state)
{
	static const struct {
		const char *text, *name;
	} good[] = {
		{ "nginx", "docker.io/library/nginx" },
		{ "nginx:1.25", "docker.io/library/nginx" },
		{ "a/b", "docker.io/a/b" },
		{ "a/b:v1", "docker.io/a/b" },
		{ "r.example/b", "r.example/b" },
		{ "r.example:5000/b/c:v1", "r.example:5000/b/c" },
		{ "localhost/b", "localhost/b" },
	};
	static const char *const bad[] = {
		"/a", "a//b", "-a", "A", "a/../b", "a b", "r.example/", ".x/a",
		"a:b:c/d", "", "--privileged", "r.example/--x", "r.example:1/-x",
	};
	struct run_image image;
	char text[256], want[256];
	const char *why;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(good) / sizeof(*good); i++) {
		snprintf(text, sizeof(text), "%s@sha256:" HEX, good[i].text);
		snprintf(want, sizeof(want), "%s@sha256:" HEX, good[i].name);
		assert_int_equal(run_image_parse(text, &image, &why), 0);
		assert_string_equal(image.name, want);
		assert_string_equal(image.repository, good[i].name);
		assert_int_equal(run_image_parse(good[i].text, &image, &why),
				 -EINVAL);
		assert_non_null(strstr(why, "not pinned"));
	}
	for (i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		snprintf(text, sizeof(text), "%s@sha256:" HEX, bad[i]);
		assert_int_equal(run_image_parse(text, &image, &why), -EINVAL);
	}
	assert_int_equal(run_image_parse("a@sha256:" HEX "0", &image, &why),
			 -EINVAL);
	assert_int_equal(run_image_parse("a@sha512:" HEX, &image, &why),
			 -EINVAL);
}

static void an_unpinned_image_is_refused_by_its_service(void **state)
{
	(void)state;
	refuses_with("services: {db: {image: 'postgres:16'}}", "", "service 'db': image: 'postgres:16': not pinned");
	refuses_with("services: {db: {image: '${I}@sha256:" HEX "'}}", "", "service 'db': image: no variables here");
	refuses_with("services: {db: {command: x}}", "", "service 'db': image: is missing");
	refuses_with("services: {db: }", "", "service 'db': name: want a mapping");
	refuses_with("services: {'a b': {}}", "", "name: want 1 to 63");
	refuses_with("services: {}", "", "services: want 1 to 64");
	refuses_with("x: 1", "", "'x' is not taken");
}

static void more_than_a_container_has_to_be_asked_for(void **state)
{
	static const struct {
		const char *line, *word;
	} cases[] = {
		{ "privileged: true", "privileged" },
		{ "pid: host", "host-pid" },
		{ "network_mode: host", "host-network" },
		{ "cap_add: [SYS_ADMIN]", "capabilities" },
		{ "cap_add: [CHOWN, CAP_SYS_PTRACE]", "capabilities" },
		{ "devices: ['/dev/vda:/dev/vda']", "devices" },
		{ "devices: [/dev/dstack, /dev/mem]", "devices" },
		{ "device_cgroup_rules: ['c 1:3 mr']", "devices" },
		{ "gpus: all", "devices" },
		{ "deploy: {resources: {reservations: {devices: [{}]}}}",
		  "devices" },
		{ "security_opt: ['seccomp=unconfined']", "security-options" },
		{ "volumes: ['/etc:/etc']", "host-paths" },
		{ "volumes: ['/run/docker.sock:/run/docker.sock']",
		  "host-paths" },
		{ "volumes: [{type: bind, source: /etc, target: /etc}]",
		  "host-paths" },
	};
	char allow[128];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		refuses(cases[i].line, "more than a container");
		assert_says(cases[i].word);
		/* What another service may have is no help. */
		snprintf(allow, sizeof(allow), "\"containers\":{\"web\":{\"allow\":[\"%s\"]}}",
			 cases[i].word);
		run_compose_free(reads_with(web(cases[i].line), allow));
	}
	refuses_with("services:\n  a: {image: '" IMAGE "'}\n"
		     "  web: {image: '" IMAGE "', privileged: true}",
		     "\"containers\":{\"a\":{\"allow\":[\"privileged\"]}}",
		     "service 'web': privileged: ");
}

static void what_ends_an_identity_can_not_be_had(void **state)
{
	static const char all[] = "\"containers\":{\"web\":{\"allow\":["
		"\"capabilities\",\"devices\",\"host-network\",\"host-paths\","
		"\"host-pid\",\"privileged\",\"security-options\"]}}";
	static const char *const lines[] = {
		"cgroup: host", "cgroup_parent: /x", "runtime: other",
		"volumes: ['/sys/fs/cgroup:/c']", "volumes: ['/:/host']",
		"volumes: ['/sys:/sys']", "volumes: ['/sys/fs/cgroup/a:/c']",
		"volumes: ['/sys/fs/../fs/cgroup:/c']",
		"volumes: ['/run/keys:/k']", "volumes: ['/run:/k']",
		"volumes: ['/run/keys/.appkeys.json:/k']",
		"volumes: ['//:/k']", "volumes: ['/.:/k']",
		"annotations: {org.dstack.section: other}",
		"labels: {io.podman.compose.project: other}",
		"labels: ['org.dstack.compose=x']", "ipc: host", "uts: host",
		"userns_mode: 'ns:/proc/1/ns/user'", "pid: 'container:x'",
		"network_mode: 'container:x'", "network_mode: 'ns:/proc/1/ns/net'",
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(lines) / sizeof(*lines); i++)
		refuses_with(web(lines[i]), all, "service 'web': ");
}

/* A link that is made between the look and the mount is the host's. */
static void a_link_is_followed_before_it_is_mounted(void **state)
{
	char dir[] = "/tmp/run_compose_test.XXXXXX", path[64], line[128];

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/link", dir);
	assert_int_equal(symlink("/sys/fs/cgroup", path), 0);
	snprintf(line, sizeof(line), "volumes: ['%s:/c']", path);
	if (!access("/sys/fs/cgroup", F_OK))
		refuses_with(web(line), "\"containers\":{\"web\":{\"allow\":[\"host-paths\"]}}",
			     "cgroups");
	unlink(path);
	rmdir(dir);
}

/* The file with one more thing in it. */
static void refuses_after(const char *line, const char *says)
{
	char text[1024];

	snprintf(text, sizeof(text), WEB "%s\n", line);
	refuses_with(text, "", says);
}

static void what_is_outside_of_the_file_is_refused(void **state)
{
	(void)state;
	refuses("build: .", "pinned by their digest");
	refuses("env_file: .env", "nothing outside");
	refuses("extends: {file: a.yml, service: b}", "nothing outside");
	refuses("secrets: [a]", "encrypted environment");
	refuses("configs: [a]", "encrypted environment");
	refuses("volumes_from: [a]", "each service");
	refuses("init-path: /x", "not known");
	refuses("x_podman: /x", "not known");
	refuses_after("include: [other.yml]", "'include' is not taken");
	refuses_after("secrets: {a: {file: /etc/shadow}}",
		      "'secrets' is not taken");
	refuses_after("volumes: {v: {driver_opts: {type: none, device: /}}}",
		      "'driver_opts' is not taken");
	refuses_after("volumes: {v: {external: true}}",
		      "'external' is not taken");
	refuses_after("volumes: {v: {driver: nfs}}", "driver: want \"local\"");
	refuses_after("volumes: {v: {name: 'a,b'}}", "want a name");
	refuses_after("networks: {n: {driver: macvlan}}",
		      "driver: want \"bridge\"");
	refuses_after("name: '$N'", "no variables");
	refuses_after("name: '-a'", "name: want");
}

/* Extensions of compose programs say nothing, wherever they are. */
static void extensions_are_left_out(void **state)
{
	gives("x-podman.rootfs: /", "x-podman.rootfs", "");
	refuses_with("x-podman: {in_pod: true}\n", "", "services: want");
	gives("attach: false", "attach", "");
	gives("logging: {driver: json-file, options: {max-size: 1m, max-file: '3', path: /etc/passwd}}",
	      "logging", "{\"driver\":\"json-file\",\"options\":{\"max-size\":\"1m\"}}");
	(void)state;
}

static void usual_keys_are_passed_on(void **state)
{
	(void)state;
	gives("restart: unless-stopped", "restart", "\"unless-stopped\"");
	gives("ports: ['8080:80', {target: 1, published: 2}]", "ports",
	      "[\"8080:80\",{\"target\":1,\"published\":2}]");
	gives("depends_on: {db: {condition: service_healthy}}", "depends_on",
	      "{\"db\":{\"condition\":\"service_healthy\"}}");
	gives("healthcheck: {test: [CMD, 'true'], retries: 3}", "healthcheck",
	      "{\"test\":[\"CMD\",\"true\"],\"retries\":3}");
	gives("cap_add: [NET_BIND_SERVICE]", "cap_add",
	      "[\"NET_BIND_SERVICE\"]");
	gives("security_opt: ['no-new-privileges:true']", "security_opt",
	      "[\"no-new-privileges:true\"]");
	gives("devices: ['/dev/dstack:/dev/dstack']", "devices",
	      "[\"/dev/dstack:/dev/dstack\"]");
	gives("privileged: false", "privileged", "");
	gives("network_mode: none", "network_mode", "\"none\"");
	gives("platform: linux/amd64", "platform", "");
	gives("tmpfs: /tmp", "tmpfs", "\"/tmp\"");
	refuses("privileged: 'false'", "want true or false");
	refuses("read_only: 1", "want true or false");
	refuses("command: {a: b}", "want a text, or a list");
	refuses("user: [a]", "want a text");
	refuses("deploy: {replicas: 100}", "replicas");
	refuses("platform: linux/arm64", "linux/amd64");
}

static void mounts_are_written_in_one_form(void **state)
{
	(void)state;
	gives("volumes: ['/var/run/dstack.sock:/var/run/dstack.sock']",
	      "volumes", "[{\"type\":\"bind\",\"target\":\"/var/run/dstack.sock\",\"source\":\"/var/run/dstack.sock\"}]");
	gives("volumes: ['/var/run/tappd.sock:/s:ro']", "volumes",
	      "[{\"type\":\"bind\",\"target\":\"/s\",\"source\":\"/var/run/tappd.sock\",\"read_only\":true}]");
	gives("volumes: ['v:/v', /anonymous]", "volumes",
	      "[{\"type\":\"volume\",\"target\":\"/v\",\"source\":\"v\"},{\"type\":\"volume\",\"target\":\"/anonymous\"}]");
	gives("volumes: ['./a/b:/v', '.:/w:rw']", "volumes",
	      "[{\"type\":\"bind\",\"target\":\"/v\",\"source\":\"/data/app/a/b\"},{\"type\":\"bind\",\"target\":\"/w\",\"source\":\"/data/app\"}]");
	gives("volumes: [{type: tmpfs, target: /t, tmpfs: {size: 10}}]",
	      "volumes", "[{\"type\":\"tmpfs\",\"target\":\"/t\",\"tmpfs\":{\"size\":10}}]");
	live = access("/var/run/tappd.sock", F_OK);
	if (live)
		refuses("volumes: ['/var/run/tappd.sock:/s']", "start dstack-agent");
	live = false;
	refuses("volumes: ['./../x:/v']", "without \"..\"");
	refuses("volumes: ['../x:/v']", "begins with");
	refuses("volumes: ['~/x:/v']", "begins with");
	refuses("volumes: ['v:/v,source=/']", "commas");
	refuses("volumes: ['v:/v:rshared']", "option 'rshared'");
	refuses("volumes: ['v,x:/v']", "no name of a volume");
	refuses("volumes: ['a:b:c:d:e']", "want SOURCE");
	refuses("volumes: ['v']", "want a path in the container");
	refuses("volumes: [{type: npipe, source: a, target: /a}]", "type 'npipe'");
	refuses("volumes: [{type: bind, target: /a}]", "source: is missing");
	refuses("volumes: [{type: bind, source: ./a, target: /a, bind: {propagation: shared}}]",
		"propagation");
	refuses("volumes: [{type: volume, source: a, target: /a, x-mount: 1}]", "not known");
	refuses("volumes: [1]", "want SOURCE");
}

static void variables_come_from_the_environment_alone(void **state)
{
	static const char env[] = "{\"A\":\"1\",\"EMPTY\":\"\","
		"\"D\":\"a$b${A}\",\"Q\":\"\\\"\\n: x\"}";

	(void)state;
	environment = yyjson_read(env, strlen(env), 0);
	setenv("OURS", "secret", 1);
	gives("environment: {X: '$A', Y: '${A}b', Z: '${N:-d}'}", "environment",
	      "{\"X\":\"1\",\"Y\":\"1b\",\"Z\":\"d\"}");
	gives("environment: ['X=${EMPTY:-e}', 'Y=${EMPTY-e}', 'Z=${EMPTY:+e}', 'W=${EMPTY+e}']",
	      "environment", "{\"X\":\"e\",\"Y\":\"\",\"Z\":\"\",\"W\":\"e\"}");
	gives("environment: [A, N, OURS, 'PATH']", "environment",
	      "{\"A\":\"1\"}");
	gives("environment: {A: , N: }", "environment", "{\"A\":\"1\"}");
	gives("environment: {P: 8080, B: true, F: 1.10}", "environment",
	      "{\"P\":\"8080\",\"B\":\"true\",\"F\":\"1.10\"}");
	/* A dollar that a value has is one, as is a double one. */
	gives("environment: [D, 'X=$D', 'Y=$$A']", "environment",
	      "{\"D\":\"a$$b$${A}\",\"X\":\"a$$b$${A}\",\"Y\":\"$$A\"}");
	/* Text stays in the value that it is in. */
	gives("command: ['$Q']", "command", "[\"\\\"\\n: x\"]");
	refuses("environment: ['X=${N:?}']", "not in the environment");
	refuses("environment: ['X=${A:-${B}}']", "no variables in the text");
	refuses("environment: ['X=${A']", "without");
	refuses("environment: ['X=${}']", "without a name");
	refuses("environment: ['X=${A!b}']", "is not NAME");
	refuses("environment: ['X=$ ']", "write \"$$\"");
	refuses("environment: [A, 'A=2']", "'A' is there twice");
	refuses("environment: ['=x']", "printable");
	refuses("environment: {A: [b]}", "want a text");
	refuses("user: $A", "no variables here");
	refuses("volumes: ['$A:/v']", "no variables here");
	refuses("cap_add: ['$A']", "no variables here");
	yyjson_doc_free(environment);
	environment = NULL;
}

static void what_is_granted_names_a_service(void **state)
{
	(void)state;
	refuses_with(WEB, "\"containers\":{\"wbe\":{\"allow\":[]}}",
		     "there is no service 'wbe'");
}

/* Containers of a real application, which has asked for none of it. */
static void a_real_application_is_read(void **state)
{
	static const char allow[] = "\"containers\":{"
		"\"launcher\":{\"allow\":[\"host-paths\"]},"
		"\"signer-key-export\":{\"allow\":[\"host-paths\"]}}";
	struct vector v = vector_load("dstack/near-mpc-app_compose.json");
	struct app_compose *app;
	struct run_compose *compose;

	(void)state;
	assert_int_equal(app_compose_parse((char *)v.data, v.len, &app, tell),
			 0);
	refuses_with(app->docker_compose_file, "",
		     "service 'launcher': volumes: it would be more");
	compose = reads_with(app->docker_compose_file, allow);
	assert_int_equal(compose->nr, 2);
	assert_string_equal(compose->services[0].image.repository,
			    "docker.io/nearone/mpc-launcher");
	assert_non_null(strstr(compose->text, "[ -f \\\"$$f\\\" ]"));
	run_compose_free(compose);
	app_compose_free(app);
	free(v.data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_service_is_annotated_with_what_it_is),
		cmocka_unit_test(another_file_has_another_hash),
		cmocka_unit_test(images_are_pinned_and_named_in_full),
		cmocka_unit_test(an_unpinned_image_is_refused_by_its_service),
		cmocka_unit_test(more_than_a_container_has_to_be_asked_for),
		cmocka_unit_test(what_ends_an_identity_can_not_be_had),
		cmocka_unit_test(a_link_is_followed_before_it_is_mounted),
		cmocka_unit_test(what_is_outside_of_the_file_is_refused),
		cmocka_unit_test(extensions_are_left_out),
		cmocka_unit_test(usual_keys_are_passed_on),
		cmocka_unit_test(mounts_are_written_in_one_form),
		cmocka_unit_test(variables_come_from_the_environment_alone),
		cmocka_unit_test(what_is_granted_names_a_service),
		cmocka_unit_test(a_real_application_is_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
