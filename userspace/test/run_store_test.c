// SPDX-License-Identifier: MIT
/*
 * What podman's store has under an image's name is looked at to the layers
 *
 * Copyright The dstack for Linux authors
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../run/run.h"

#define REPOSITORY	"reg.example/a/web"
#define DIFF_1		"1111111111111111111111111111111111111111111111111111111111111111"
#define DIFF_2		"2222222222222222222222222222222222222222222222222222222222222222"
#define LAYER_1		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define LAYER_2		"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define CONFIG		"{\"os\":\"linux\",\"rootfs\":{\"type\":\"layers\"," \
			"\"diff_ids\":[\"sha256:" DIFF_1 "\"," \
			"\"sha256:" DIFF_2 "\"]}}"
/* A layer of the store, and what it rests on. */
#define OVER(id, parent, diff) \
	"{\"id\":\"" id "\",\"parent\":\"" parent "\"," \
	"\"diff-digest\":\"sha256:" diff "\"}"
#define LAYERS	"[" OVER(LAYER_2, LAYER_1, DIFF_2) "," \
		OVER(LAYER_1, "", DIFF_1) "]"

static char said[LIBDSTACK_MESSAGE_MAX];
static struct run_store store = { .driver = "overlay" };
static struct run_image image = { .repository = REPOSITORY };
static char config_hex[65], manifest_hex[65], index_hex[65];

static void tell(const char *message)
{
	snprintf(said, sizeof(said), "%s", message);
}

static void put(const char *dir, const char *name, const char *text)
{
	char path[8192];
	FILE *file;

	snprintf(path, sizeof(path), "%s/overlay-%s", store.root, dir);
	assert_true(!mkdir(path, 0700) || errno == EEXIST);
	snprintf(path, sizeof(path), "%s/overlay-%s/%s", store.root, dir, name);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static void hash(const char *text, char hex[65])
{
	uint8_t digest[SHA256_DIGEST_LENGTH];

	SHA256((const uint8_t *)text, strlen(text), digest);
	libdstack_to_hex(digest, sizeof(digest), hex);
}

/* As the store encodes names that have a colon. */
static void put_blob(const char *key, const char *text)
{
	char name[256] = "=", dir[128];

	EVP_EncodeBlock((uint8_t *)name + 1, (const uint8_t *)key, strlen(key));
	snprintf(dir, sizeof(dir), "images/%s", config_hex);
	put(dir, name, text);
}

static void put_images(const char *name)
{
	char text[2048];

	snprintf(text, sizeof(text), "[{\"id\":\"%s\",\"digest\":\"sha256:%s\",\"names\":[\"%s\"],\"layer\":\"%s\",\"big-data-names\":[\"manifest-sha256:%s\",\"manifest\"]}]",
		 config_hex, manifest_hex, name, LAYER_2, index_hex);
	put("images", "images.json", text);
}

static void put_config(const char *text)
{
	char key[128];

	snprintf(key, sizeof(key), "sha256:%s", config_hex);
	put_blob(key, text);
}

static void pin(const char *hex)
{
	assert_true(libdstack_from_hex(hex, 64, image.digest,
				       sizeof(image.digest)));
	snprintf(image.name, sizeof(image.name), REPOSITORY "@sha256:%s", hex);
}

static int set_up(void **state)
{
	char manifest[1024], index[1024], key[128], dir[128];

	(void)state;
	strcpy(store.root, "/tmp/run_store_test.XXXXXX");
	assert_non_null(mkdtemp(store.root));
	hash(CONFIG, config_hex);
	snprintf(manifest, sizeof(manifest), "{\"config\":{\"digest\":\"sha256:%s\"},\"layers\":[]}",
		 config_hex);
	hash(manifest, manifest_hex);
	snprintf(index, sizeof(index), "{\"manifests\":[{\"digest\":\"sha256:%s\"}]}",
		 manifest_hex);
	hash(index, index_hex);
	put_images(REPOSITORY ":1");
	snprintf(dir, sizeof(dir), "images/%s", config_hex);
	put(dir, "manifest", manifest);
	snprintf(key, sizeof(key), "manifest-sha256:%s", index_hex);
	put_blob(key, index);
	put_config(CONFIG);
	put("layers", "layers.json", LAYERS);
	pin(manifest_hex);
	return 0;
}

static int tear_down(void **state)
{
	char command[8192];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf '%s'", store.root);
	return system(command);
}

static int check(void)
{
	*said = '\0';
	return run_store_check(&store, &image, tell);
}

static void refuses(const char *says)
{
	assert_int_equal(check(), -EBADMSG);
	if (!strstr(said, says) || !strstr(said, "podman rmi"))
		fail_msg("'%s' is not in: %s", says, said);
}

static void an_image_is_its_manifest_configuration_and_layers(void **state)
{
	(void)state;
	assert_int_equal(check(), 0);
	assert_string_equal(said, "");
}

static void an_image_can_be_pinned_by_its_index(void **state)
{
	char key[128], other[1024];

	(void)state;
	pin(index_hex);
	assert_int_equal(check(), 0);
	/* An index that names another manifest. */
	snprintf(other, sizeof(other), "{\"manifests\":[{\"digest\":\"sha256:%s\"}]}",
		 DIFF_1);
	hash(other, index_hex);
	snprintf(key, sizeof(key), "manifest-sha256:%s", index_hex);
	put_blob(key, other);
	put_images(REPOSITORY ":1");
	pin(index_hex);
	refuses("the index does not name the manifest");
}

static void another_digest_or_name_is_not_there(void **state)
{
	(void)state;
	pin(DIFF_1);
	assert_int_equal(check(), -ENOENT);
	assert_string_equal(said, "");
	pin(manifest_hex);
	put_images(REPOSITORY "2:1");
	assert_int_equal(check(), -ENOENT);
	put_images(REPOSITORY "/b:1");
	assert_int_equal(check(), -ENOENT);
	put_images("reg.example/a/web@sha256:" DIFF_1);
	assert_int_equal(check(), 0);
}

static void a_changed_manifest_is_refused(void **state)
{
	char dir[128];

	(void)state;
	snprintf(dir, sizeof(dir), "images/%s", config_hex);
	put(dir, "manifest", "{\"config\":{}}");
	refuses("the manifest has another digest");
}

static void a_changed_configuration_is_refused(void **state)
{
	(void)state;
	put_config(CONFIG " ");
	refuses("the configuration has another digest");
}

static void changed_layers_are_refused(void **state)
{
	static const char *const lists[][2] = {
		{ "[]", "a layer is missing" },
		{ "[" OVER(LAYER_2, LAYER_1, DIFF_1) "]",
		  "a layer has another digest" },
		{ "[" OVER(LAYER_2, LAYER_1, DIFF_2) "]",
		  "a layer is missing" },
		{ "[{\"id\":\"" LAYER_2 "\"}]", "a layer has another digest" },
		{ "[" OVER(LAYER_2, LAYER_1, DIFF_2) ","
		  OVER(LAYER_1, "x", DIFF_1) "]", "more layers" },
		{ "{", "can't be read" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(lists) / sizeof(*lists); i++) {
		put("layers", "layers.json", lists[i][0]);
		refuses(lists[i][1]);
	}
}

int main(void)
{
#define TEST(name)	cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(an_image_is_its_manifest_configuration_and_layers),
		TEST(an_image_can_be_pinned_by_its_index),
		TEST(another_digest_or_name_is_not_there),
		TEST(a_changed_manifest_is_refused),
		TEST(a_changed_configuration_is_refused),
		TEST(changed_layers_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
