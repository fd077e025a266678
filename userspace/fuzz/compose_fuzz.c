// SPDX-License-Identifier: MIT
/*
 * Compose files, from the text to what is given to the compose program
 *
 * Copyright The dstack for Linux authors
 */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "../run/run.h"

#define IMAGE	"a@sha256:0000000000000000000000000000000000000000000000000000000000000001"

static void tell(const char *message)
{
	const char *p;

	must(*message && strlen(message) < LIBDSTACK_MESSAGE_MAX);
	for (p = message; *p; p++)
		must(*p >= ' ' && *p <= '~');
}

/* Whatever it was: each service is pinned, annotated, and not privileged. */
static void check_service(yyjson_val *service)
{
	const char *image = yyjson_get_str(yyjson_obj_get(service, "image"));
	yyjson_val *said = yyjson_obj_get(service, "annotations");

	must(image && strstr(image, "@sha256:"));
	must(yyjson_obj_size(said) == 3);
	must(yyjson_get_str(yyjson_obj_get(said, "org.dstack.section")));
	must(!yyjson_obj_get(service, "privileged"));
	must(!yyjson_obj_get(service, "build"));
	must(yyjson_equals_str(yyjson_obj_get(service, "pull_policy"),
			       "never"));
}

static void check(const struct run_compose *compose)
{
	yyjson_doc *doc = yyjson_read(compose->text, compose->len, 0);
	yyjson_val *services, *name, *service;
	size_t i, nr;

	must(doc);
	services = yyjson_obj_get(yyjson_doc_get_root(doc), "services");
	must(yyjson_obj_size(services) == compose->nr && compose->nr);
	yyjson_obj_foreach(services, i, nr, name, service)
		check_service(service);
	yyjson_doc_free(doc);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const char env[] = "{\"A\":\"1\",\"B\":\"$A\"}";
	struct app_compose app = { .text = NULL };
	struct run_input input = {
		.app = &app, .dir = "/none", .data = "/data", .tell = tell,
		.app_id = "0000000000000000000000000000000000000000",
	};
	yyjson_doc *doc = yyjson_read(env, strlen(env), 0);
	char *text = malloc(len + 1);
	struct run_compose *compose;

	must(text && doc);
	memcpy(text, data, len);
	text[len] = '\0';
	input.environment = yyjson_doc_get_root(doc);
	if (!run_compose_read(text, &input, &compose))
		check(compose);
	else
		must(!compose);
	run_compose_free(compose);
	yyjson_doc_free(doc);
	free(text);
	return 0;
}

void fuzz_seeds(void)
{
	fuzz_seed_text("services:\n  web:\n    image: " IMAGE "\n    environment: [A, 'B=${A:-x}$$']\n    volumes: ['v:/v:ro', './x:/y']\nvolumes: {v: }\n");
	fuzz_seed_text("x-a: &a\n  restart: always\n  image: " IMAGE "\nservices:\n  b: {<<: *a, command: [\"$A\"]}\n  c: {<<: [*a], volumes: [{type: bind, source: /var/run/dstack.sock, target: /s}]}\n");
	fuzz_seed_text("services: {a: {image: " IMAGE ", privileged: true}}");
	fuzz_seed_text("name: n\nservices: {a: {image: 'r.example:1/" IMAGE "', healthcheck: {test: [CMD, x]}, ports: ['1:2'], labels: {a: b}, deploy: {replicas: 2}, logging: {driver: none}, cap_add: [CHOWN], tmpfs: /t, ulimits: {nofile: 3}}}\nnetworks: {n: {internal: true}}\n");
}
