// SPDX-License-Identifier: MIT
/*
 * What holds for OS images by their files: a TD has booted the image that it
 * says only if the files that the hash names make its registers
 *
 * Copyright The dstack for Linux authors
 */
#include "kmsd_image_fixture.h"

static void who_booted_the_image_is_known(void **state)
{
	struct image_store *store = fixture_open(NULL);

	(void)state;
	fixture_put();
	assert_int_equal(fixture_ask(store, CONFIG), 0);
	/* Another machine that is known, and QEMU before 9. */
	fixture_boot("small", false);
	assert_int_equal(fixture_ask(store, CONFIG), 0);
	fixture_boot("small", true);
	assert_int_equal(fixture_ask(store, CONFIG), 0);
	image_store_close(store);
}

static void older_guests_give_the_whole_of_their_configuration(void **state)
{
	struct image_store *store = fixture_open(NULL);

	(void)state;
	fixture_put();
	assert_int_equal(fixture_ask(store,
				     "{\"kms_urls\":[],\"vm_config\":"
				     "\"{\\\"memory_size\\\":2147483648}\"}"),
			 0);
	image_store_close(store);
}

static void each_register_has_to_be_the_images(void **state)
{
	struct image_store *store = fixture_open(NULL);
	const struct {
		uint8_t *byte;
		const char *text;
	} others[] = {
		{ &fixture_td.mr_td[47], "MRTD is not that" },
		{ &fixture_td.rtmr[0][0], "RTMR0 is that of no machine" },
		{ &fixture_td.rtmr[1][3], "RTMR1 is not that" },
		{ &fixture_td.rtmr[2][9], "RTMR2 is not that" },
	};
	size_t i;

	(void)state;
	fixture_put();
	for (i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		*others[i].byte ^= 1;
		fixture_refused(store, CONFIG, -EACCES, others[i].text);
		*others[i].byte ^= 1;
	}
	assert_int_equal(fixture_ask(store, CONFIG), 0);
	/* What was measured at run time is somebody else's question. */
	fixture_td.rtmr[3][0] ^= 1;
	assert_int_equal(fixture_ask(store, CONFIG), 0);
	image_store_close(store);
}

static void tables_that_nobody_looked_at_are_refused(void **state)
{
	const struct image_options options = {
		.dir = fixture_dir, .tell = fixture_tell,
	};
	struct image_store *store = fixture_open(NULL);

	(void)state;
	fixture_put();
	fixture_boot("other", false);
	fixture_refused(store, CONFIG, -EACCES, "there are 2 sets");
	image_store_close(store);
	assert_int_equal(image_store_open(&options, &store), 0);
	fixture_refused(store, CONFIG, -EACCES, "there are 0 sets");
	image_store_close(store);
}

static void a_machine_that_cant_be_measured_is_refused(void **state)
{
	static const struct {
		const char *config, *text;
	} configs[] = {
		{ "", "there is no vm_config" },
		{ "{", "is no JSON object" },
		{ "[]", "is no JSON object" },
		{ "{}", "how much memory" },
		{ "{\"memory_size\":\"2G\"}", "how much memory" },
		{ "{\"memory_size\":-1}", "how much memory" },
		{ "{\"memory_size\":0}", "has no memory" },
		{ "{\"memory_size\":4096}", "memory: from 64 MiB" },
		{ "{\"memory_size\":2147483649}", "in whole pages" },
		{ "{\"memory_size\":18446744073709551615}", "memory: from" },
		{ "{\"memory_size\":4294967296}", "MRTD|RTMR" },
		{ "{\"memory_size\":2147483648,\"ovmf_variant\":\"new\"}",
		  "a variant of OVMF" },
		{ "{\"vm_config\":\"{\\\"vm_config\\\":\\\"{}\\\"}\"}",
		  "how much memory" },
		{ "{\"vm_config\":\"\"}", "vm_config" },
	};
	struct image_store *store = fixture_open(NULL);
	size_t i;

	(void)state;
	fixture_put();
	for (i = 0; i < sizeof(configs) / sizeof(configs[0]); i++)
		if (strchr(configs[i].text, '|'))
			fixture_refused(store, configs[i].config, -EACCES,
					"with that memory");
		else
			fixture_refused(store, configs[i].config, -EBADMSG,
					configs[i].text);
	image_store_close(store);
}

/*
 * Directories that are no image
 */

static const char *place;		/* of the image */

static void is_named_otherwise(void)
{
	char other[160];

	fixture_add_sum("metadata.json.old", "x", 1);
	fixture_name_it();
	snprintf(other, sizeof(other), "%s/%s", fixture_dir, fixture_name);
	assert_int_equal(rename(place, other), 0);
}

/* With sums that say so, and are those of its name. */
static void say(const char *line)
{
	char old[160], new[160];

	snprintf(old, sizeof(old), "%s", place);
	strcat(fixture_sums, line);
	fixture_name_it();
	snprintf(new, sizeof(new), "%s/%s", fixture_dir, fixture_name);
	assert_int_equal(rename(old, new), 0);
	fixture_write(new, "sha256sum.txt", fixture_sums,
		      strlen(fixture_sums));
}

#define DIGITS	"0123456789abcdef0123456789abcdef" \
		"0123456789abcdef0123456789abcdef"

static void names_a_parent(void)
{
	say(DIGITS "  ../secret\n");
}

static void names_a_root(void)
{
	say(DIGITS "  /etc/passwd\n");
}

static void names_a_hidden_one(void)
{
	say(DIGITS "  .profile\n");
}

static void names_one_twice(void)
{
	say(DIGITS "  bzImage\n");
}

static void has_a_short_digest(void)
{
	say("0123  other\n");
}

static void has_no_name(void)
{
	say(DIGITS " *\n");
}

static void has_many_names(void)
{
	char line[128];
	int i;

	for (i = 0; i < IMAGE_FILES_MAX; i++) {
		snprintf(line, sizeof(line), "%s  f%d\n", DIGITS, i);
		strncat(fixture_sums, line,
			sizeof(fixture_sums) - strlen(fixture_sums) - 1);
	}
	say("");
}

static void has_a_digest_of_nothing(void)
{
	say(DIGITS "  other\n");
}

static void has_a_long_list(void)
{
	static char list[70000];

	memset(list, '\n', sizeof(list));
	fixture_write(place, "sha256sum.txt", list, sizeof(list));
}

static void lost(const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", place, name);
	assert_int_equal(unlink(path), 0);
}

static void has_no_sums(void)
{
	lost("sha256sum.txt");
}

static void has_no_kernel(void)
{
	lost("bzImage");
}

static void has_no_root(void)
{
	lost("rootfs.img");
}

static void has_another_initrd(void)
{
	fixture_write(place, "initrd.gz", "an initrD", 9);
}

static void has_another_root(void)
{
	fixture_write(place, "rootfs.img", "A root", 6);
}

static void has_a_link(void)
{
	char path[256], there[256];

	lost("bzImage");
	snprintf(path, sizeof(path), "%s/bzImage", place);
	snprintf(there, sizeof(there), "%s/kernel", fixture_root);
	fixture_write(fixture_root, "kernel", fixture_bzimage, KERNEL_SIZE);
	assert_int_equal(symlink(there, path), 0);
}

static void has_a_linked_root(void)
{
	char path[256];

	lost("rootfs.img");
	snprintf(path, sizeof(path), "%s/rootfs.img", place);
	assert_int_equal(symlink("/dev/zero", path), 0);
}

static void has_a_pipe(void)
{
	char path[256];

	lost("rootfs.img");
	snprintf(path, sizeof(path), "%s/rootfs.img", place);
	assert_int_equal(mkfifo(path, 0600), 0);
}

static void is_a_link(void)
{
	char there[160];

	snprintf(there, sizeof(there), "%s/elsewhere", fixture_root);
	assert_int_equal(rename(place, there), 0);
	assert_int_equal(symlink(there, place), 0);
}

static void is_a_file(void)
{
	char there[160];

	snprintf(there, sizeof(there), "%s/elsewhere", fixture_root);
	assert_int_equal(rename(place, there), 0);
	fixture_write(fixture_dir, fixture_name, "", 0);
}

/* None of which is on the disk. */
static void has_a_huge_file(void)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/metadata.json", place);
	assert_int_equal(truncate(path, 1L << 40), 0);
}

static const struct {
	void (*spoil)(void);
	int err;
	const char *text;
} hostile[] = {
	{ is_named_otherwise, -EBADMSG, "sha256sum.txt has another hash" },
	{ names_a_parent, -EBADMSG, "each with a plain name" },
	{ names_a_root, -EBADMSG, "each with a plain name" },
	{ names_a_hidden_one, -EBADMSG, "each with a plain name" },
	{ names_one_twice, -EBADMSG, "that occurs once" },
	{ has_a_short_digest, -EBADMSG, "no list of digests" },
	{ has_no_name, -EBADMSG, "each with a plain name" },
	{ has_many_names, -EBADMSG, "no list of digests" },
	{ has_a_digest_of_nothing, -EBADMSG, "'other' can't be read" },
	{ has_a_long_list, -EBADMSG, "sha256sum.txt can't be read: File too" },
	{ has_no_sums, -EBADMSG, "sha256sum.txt can't be read" },
	{ has_no_kernel, -EBADMSG, "'bzImage' can't be read" },
	{ has_no_root, -EBADMSG, "'rootfs.img' can't be read" },
	{ has_another_initrd, -EBADMSG, "'initrd.gz' has another sum" },
	{ has_another_root, -EBADMSG, "'rootfs.img' has another sum" },
	{ has_a_link, -EBADMSG, "'bzImage' can't be read" },
	{ has_a_linked_root, -EBADMSG, "'rootfs.img' can't be read" },
	{ has_a_pipe, -EBADMSG, "'rootfs.img' can't be read" },
	{ is_a_link, -EBADMSG, "is no directory" },
	{ is_a_file, -EBADMSG, "is no directory" },
	{ has_a_huge_file, -EBADMSG, "'metadata.json' can't be read: File" },
};

static void what_is_not_the_image_is_refused(void **state)
{
	struct image_store *store;
	size_t i;

	for (i = 0; i < sizeof(hostile) / sizeof(hostile[0]); i++) {
		fixture_teardown(state);
		assert_int_equal(fixture_setup(state), 0);
		place = fixture_put();
		store = fixture_open(NULL);
		assert_int_equal(fixture_ask(store, CONFIG), 0);
		image_store_close(store);
		store = fixture_open(NULL);
		hostile[i].spoil();
		fixture_refused(store, CONFIG, hostile[i].err,
				hostile[i].text);
		image_store_close(store);
	}
}

static void what_it_boots_has_to_be_said_and_summed(void **state)
{
	static const struct {
		const char *metadata, *text;
	} all[] = {
		{ "", "can't be understood" },
		{ "[]", "can't be understood" },
		{ "{\"kernel\":\"bzImage\",\"initrd\":\"initrd.gz\","
		  "\"cmdline\":\"x\"}", "does not say its bios" },
		{ "{\"bios\":\"ovmf.fd\",\"kernel\":\"bzImage\","
		  "\"initrd\":\"initrd.gz\"}", "its command line" },
		{ "{\"bios\":\"ovmf.fd\",\"bios\":\"x\",\"kernel\":\"bzImage\","
		  "\"initrd\":\"initrd.gz\",\"cmdline\":\"x\"}",
		  "can't be understood" },
		{ "{\"bios\":\"../x\",\"kernel\":\"bzImage\","
		  "\"initrd\":\"initrd.gz\",\"cmdline\":\"x\"}",
		  "'../x' is not in its" },
		{ "{\"bios\":\"bzImage\",\"kernel\":\"bzImage\","
		  "\"initrd\":\"initrd.gz\",\"cmdline\":\"x\"}",
		  "it can't be measured: firmware" },
		{ "{\"bios\":\"ovmf.fd\",\"kernel\":\"initrd.gz\","
		  "\"initrd\":\"initrd.gz\",\"cmdline\":\"x\"}",
		  "it can't be measured" },
	};
	struct fixture_file *file = &fixture_files[FIXTURE_FILES - 1];
	const struct fixture_file old = *file;
	struct image_store *store;
	size_t i;

	for (i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		fixture_teardown(state);
		file->data = all[i].metadata;
		file->len = strlen(all[i].metadata);
		assert_int_equal(fixture_setup(state), 0);
		fixture_put();
		store = fixture_open(NULL);
		fixture_refused(store, CONFIG, -EBADMSG, all[i].text);
		image_store_close(store);
	}
	*file = old;
}

/*
 * What is kept
 */

static void what_was_measured_is_not_measured_again(void **state)
{
	struct image_store *store = fixture_open(NULL);

	(void)state;
	place = fixture_put();
	assert_int_equal(fixture_ask(store, CONFIG), 0);
	has_another_initrd();
	assert_int_equal(fixture_ask(store, CONFIG), 0);
	assert_int_equal(image_store_clear(store, "", "", &why), 0);
	assert_int_equal(fixture_ask(store, CONFIG), 0);
	assert_int_equal(image_store_clear(store, fixture_name, "", &why), 0);
	fixture_refused(store, CONFIG, -EBADMSG, "'initrd.gz' has another sum");
	image_store_close(store);
}

/* Who asks again and again does not make us read again and again. */
static void what_failed_is_kept_until_it_is_cleared(void **state)
{
	struct image_store *store = fixture_open(NULL);

	(void)state;
	fixture_refused(store, CONFIG, -ENOENT, "is not here");
	fixture_put();
	fixture_refused(store, CONFIG, -ENOENT, "is not here");
	assert_int_equal(image_store_clear(store, "", "all", &why), 0);
	assert_int_equal(fixture_ask(store, CONFIG), 0);
	image_store_close(store);
}

static void many_sizes_of_memory_take_the_room_of_a_few(void **state)
{
	struct image_store *store = fixture_open(NULL);
	char config[64];
	int i;

	(void)state;
	fixture_put();
	for (i = 0; i < 200; i++) {
		snprintf(config, sizeof(config), "{\"memory_size\":%llu}",
			 MEMORY + (i + 1) * 4096ULL);
		fixture_refused(store, config, -EACCES, "RTMR");
	}
	assert_int_equal(fixture_ask(store, CONFIG), 0);
	image_store_close(store);
}

static void files_that_cant_come_again_are_not_removed(void **state)
{
	struct image_store *store = fixture_open(NULL);

	(void)state;
	fixture_put();
	assert_int_equal(image_store_clear(store, "all", "all", &why), 0);
	assert_int_equal(fixture_ask(store, CONFIG), 0);
	image_store_close(store);
}

static void only_a_hash_is_cleared(void **state)
{
	static const char *const texts[] = {
		"ALL", "..", "00", "../" DIGITS, DIGITS "0", " "
	};
	struct image_store *store = fixture_open(NULL);
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		assert_int_equal(image_store_clear(store, texts[i], "", &why),
				 -EINVAL);
		assert_non_null(strstr(why.text, "image_hash"));
		assert_int_equal(image_store_clear(store, "", texts[i], &why),
				 -EINVAL);
		assert_non_null(strstr(why.text, "config_hash"));
	}
	image_store_close(store);
}

static void what_is_no_set_of_tables_ends_the_start(void **state)
{
	const struct image_options options = {
		.dir = fixture_dir, .acpi = fixture_tables,
		.tell = fixture_tell,
	};
	struct image_store *store;
	char path[256], name[32];
	int i;

	(void)state;
	snprintf(path, sizeof(path), "%s/large/rsdp", fixture_tables);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(image_store_open(&options, &store), -ENOENT);
	assert_non_null(strstr(fixture_said, "want a directory with the"));
	fixture_write(fixture_tables, "large/rsdp", "x", 1);
	for (i = 0; i < IMAGE_ACPI_MAX - 2; i++) {
		snprintf(name, sizeof(name), "m%d", i);
		fixture_put_tables(name);
	}
	assert_int_equal(image_store_open(&options, &store), 0);
	image_store_close(store);
	fixture_put_tables("more");
	assert_int_equal(image_store_open(&options, &store), -E2BIG);
	fixture_write(fixture_tables, "notes", "x", 1);
	assert_true(image_store_open(&options, &store) < 0);
}

#define claim(name) \
	cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		claim(who_booted_the_image_is_known),
		claim(older_guests_give_the_whole_of_their_configuration),
		claim(each_register_has_to_be_the_images),
		claim(tables_that_nobody_looked_at_are_refused),
		claim(a_machine_that_cant_be_measured_is_refused),
		claim(what_is_not_the_image_is_refused),
		claim(what_it_boots_has_to_be_said_and_summed),
		claim(what_was_measured_is_not_measured_again),
		claim(what_failed_is_kept_until_it_is_cleared),
		claim(many_sizes_of_memory_take_the_room_of_a_few),
		claim(files_that_cant_come_again_are_not_removed),
		claim(only_a_hash_is_cleared),
		claim(what_is_no_set_of_tables_ends_the_start),
	};

	return cmocka_run_group_tests_name("kmsd_image", tests, NULL, NULL);
}
