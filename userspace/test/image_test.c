// SPDX-License-Identifier: MIT
/*
 * What holds for scans of images: layers add up as a container runtime would
 * unpack them, and a layout that lies is refused
 *
 * Copyright The dstack for Linux authors
 */
#include "image_fixture.h"

static void layers_add_up(void **state)
{
	struct elf64 a = make_elf(ET_EXEC, 1), b = make_elf(ET_EXEC, 2);
	struct elf64 c = make_elf(ET_DYN, 3), d = make_elf(ET_EXEC, 4);
	struct libdstack_policy *policy;

	(void)state;
	start_layout();
	add_layer(DIRECTORY("bin/"), prog("bin/replaced", &a),
		  prog("bin/kept", &b), words("etc/conf", "x"),
		  prog("bin/turned-text", &d));
	add_layer(prog("bin/replaced", &c), words("bin/turned-text", "x"),
		  words("./bin/script", "#!/bin/sh"));
	finish_layout();
	policy = scan_layout();
	assert_rules(policy, 3);
	assert_rule(policy, &b, sizeof(b), DSTACK_KIND_EXEC, "/bin/kept");
	assert_rule(policy, &c, sizeof(c), DSTACK_KIND_MAP, "/bin/replaced");
	assert_rule(policy, "#!/bin/sh", 9, DSTACK_KIND_SCRIPT, "/bin/script");
	libdstack_policy_free(policy);
}

static void whiteouts_hide_lower_layers_only(void **state)
{
	struct elf64 elf[10];
	struct libdstack_policy *policy;
	uint32_t i;

	(void)state;
	for (i = 0; i < 10; i++)
		elf[i] = make_elf(ET_EXEC, i);
	start_layout();
	add_layer(prog("gone", &elf[0]), prog("dir/gone", &elf[1]),
		  prog("opaque/gone", &elf[2]),
		  prog("opaque/sub/gone", &elf[3]), prog("stays", &elf[4]),
		  prog("early/gone", &elf[8]));
	add_layer(WHITEOUT(".wh.gone"), WHITEOUT(".wh.dir"),
		  prog("opaque/sub/new", &elf[5]),
		  WHITEOUT("opaque/.wh..wh..opq"),
		  prog("opaque/later", &elf[6]), prog("dir/again", &elf[7]),
		  prog("early/new", &elf[9]), WHITEOUT(".wh.early"),
		  WHITEOUT(".wh..wh.plnk"), WHITEOUT(".wh.never-there"),
		  WHITEOUT("no/such/.wh.file"));
	finish_layout();
	policy = scan_layout();
	assert_rules(policy, 5);
	assert_rule(policy, &elf[9], sizeof(*elf), 1, "/early/new");
	assert_rule(policy, &elf[4], sizeof(*elf), 1, "/stays");
	assert_rule(policy, &elf[5], sizeof(*elf), 1, "/opaque/sub/new");
	assert_rule(policy, &elf[6], sizeof(*elf), 1, "/opaque/later");
	assert_rule(policy, &elf[7], sizeof(*elf), 1, "/dir/again");
	libdstack_policy_free(policy);
}

static void directory_and_file_replace_each_other(void **state)
{
	struct elf64 a = make_elf(ET_EXEC, 1), b = make_elf(ET_EXEC, 2);
	struct elf64 c = make_elf(ET_EXEC, 3);
	struct libdstack_policy *policy;

	(void)state;
	start_layout();
	add_layer(prog("x/below", &a), prog("y", &b));
	add_layer(prog("x", &c), DIRECTORY("y/"));
	finish_layout();
	policy = scan_layout();
	assert_rules(policy, 1);
	assert_rule(policy, &c, sizeof(c), 1, "/x");
	libdstack_policy_free(policy);
}

static void hard_links_are_files_of_their_own(void **state)
{
	struct elf64 a = make_elf(ET_EXEC, 1), b = make_elf(ET_EXEC, 2);
	struct libdstack_policy *policy;

	(void)state;
	start_layout();
	add_layer(prog("z/a", &a), prog("z/b", &b), HARDLINK("b2", "z/b"));
	add_layer(HARDLINK("a2", "./z/a"), WHITEOUT("z/.wh.a"),
		  WHITEOUT("z/.wh.b"), HARDLINK("a2", "a2"));
	finish_layout();
	policy = scan_layout();
	assert_rules(policy, 2);
	assert_rule(policy, &a, sizeof(a), 1, "/a2");
	assert_rule(policy, &b, sizeof(b), 1, "/b2");
	libdstack_policy_free(policy);
}

/* As when a layer is unpacked over a root with /lib -> usr/lib. */
static void symlinked_directories_are_followed(void **state)
{
	struct elf64 elf[4];
	struct libdstack_policy *policy;
	uint32_t i;

	(void)state;
	for (i = 0; i < 4; i++)
		elf[i] = make_elf(ET_DYN, i);
	start_layout();
	add_layer(prog("usr/lib/old", &elf[0]), prog("usr/lib/gone", &elf[1]),
		  SYMLINK("lib", "usr/lib"),
		  SYMLINK("up", "../../../usr/./lib/../lib"),
		  SYMLINK("abs", "/up"));
	add_layer(prog("lib/old", &elf[2]), WHITEOUT("abs/.wh.gone"),
		  prog("up/new", &elf[3]));
	finish_layout();
	policy = scan_layout();
	assert_rules(policy, 2);
	assert_rule(policy, &elf[2], sizeof(*elf), 2, "/usr/lib/old");
	assert_rule(policy, &elf[3], sizeof(*elf), 2, "/usr/lib/new");
	libdstack_policy_free(policy);
}

static void layers_may_be_compressed(void **state)
{
	static const char *const filters[] = { "gzip", "zstd" };
	struct libdstack_policy *policy;
	struct elf64 exec[2];
	char type[64];
	uint32_t i;

	(void)state;
	start_layout();
	for (i = 0; i < 2; i++) {
		const struct entry list[] = {
			{ i ? "b" : "a", AE_IFREG, &exec[i], sizeof(*exec) },
		};

		exec[i] = make_elf(ET_EXEC, i);
		snprintf(type, sizeof(type), LAYER "+%s", filters[i]);
		add_layer_as(type, filters[i], list, 1);
	}
	finish_layout();
	policy = scan_layout();
	assert_rules(policy, 2);
	libdstack_policy_free(policy);
}

static void program_of_many_blocks_survives_a_layer(void **state)
{
	size_t len = 1000001;
	struct libdstack_policy *policy;
	struct elf64 *exec = allocated(calloc(1, len));

	(void)state;
	*exec = make_elf(ET_EXEC, 1);
	((char *)exec)[len - 1] = 1;
	start_layout();
	add_layer({ "prog", AE_IFREG, exec, len });
	finish_layout();
	policy = scan_layout();
	assert_rule(policy, exec, len, DSTACK_KIND_EXEC, "/prog");
	free(exec);
	libdstack_policy_free(policy);
}

static void name_in_utf8_is_kept_in_any_locale(void **state)
{
	struct elf64 exec = make_elf(ET_EXEC, 1), again = make_elf(ET_EXEC, 2);
	struct libdstack_policy *policy;
	char name[256] = "\xc3\xbc/";

	(void)state;
	/* Too long for a plain header, so that pax is used. */
	memset(name + 3, 'x', 200);
	start_layout();
	add_layer(prog("\xc3\xbc/a", &exec), prog(name, &again));
	finish_layout();
	policy = scan_layout();
	assert_rules(policy, 2);
	assert_rule(policy, &exec, sizeof(exec), 1, "/\xc3\xbc/a");
	memmove(name + 1, name, sizeof(name) - 1);
	*name = '/';
	assert_rule(policy, &again, sizeof(again), 1, name);
	libdstack_policy_free(policy);
}

static void image_is_the_digest_of_the_manifest(void **state)
{
	struct elf64 exec = make_elf(ET_EXEC, 1);
	struct libdstack_policy *policy = new_policy();
	char hex[2 * DSTACK_DIGEST_SIZE + 1];
	uint8_t image[DSTACK_DIGEST_SIZE];
	json_t *manifest;

	(void)state;
	start_layout();
	add_layer(prog("a", &exec));
	manifest = write_manifest("amd64");
	write_index(json_pack("[O]", manifest));
	json_decref(layers);
	assert_int_equal(libdstack_policy_scan(policy, "s", dir, 0, image), 0);
	assert_string_equal(json_string_value(json_object_get(manifest,
							      "digest")) + 7,
			    libdstack_to_hex(image, sizeof(image), hex));
	json_decref(manifest);
	libdstack_policy_free(policy);
}

static void image_for_this_platform_is_chosen(void **state)
{
	struct elf64 exec = make_elf(ET_EXEC, 1), other = make_elf(ET_EXEC, 2);
	struct libdstack_policy *policy;
	json_t *amd64, *arm64, *index;

	(void)state;
	start_layout();
	add_layer(prog("a", &other));
	arm64 = write_manifest("arm64");
	set_platform(arm64, "arm64");
	json_array_clear(layers);
	add_layer(prog("a", &exec));
	amd64 = write_manifest("amd64");
	set_platform(amd64, "amd64");
	index = write_json_blob(INDEX, json_pack("{s:[O, O]}", "manifests",
						 arm64, amd64));
	/* With a second tag of the image, and something else altogether. */
	write_index(json_pack("[o, O, {s:s, s:s}]", index, amd64,
			      "mediaType", "application/vnd.example",
			      "digest", "none"));
	json_decref(amd64);
	json_decref(arm64);
	json_decref(layers);
	policy = scan_layout();
	assert_rules(policy, 1);
	assert_rule(policy, &exec, sizeof(exec), 1, "/a");
	libdstack_policy_free(policy);
}

static void two_images_are_refused(void **state)
{
	struct elf64 exec = make_elf(ET_EXEC, 1);
	json_t *one;

	(void)state;
	start_layout();
	one = write_manifest("amd64");
	add_layer(prog("a", &exec));
	write_index(json_pack("[o, o]", one, write_manifest("amd64")));
	json_decref(layers);
	assert_scan_fails(dir, -EBADMSG, "names 2 images");
}

static void image_for_another_platform_is_refused(void **state)
{
	json_t *manifest;

	(void)state;
	start_layout();
	manifest = write_manifest("arm64");
	write_index(json_pack("[O]", manifest));
	assert_scan_fails(dir, -EBADMSG, "another platform");
	set_platform(manifest, "arm64");
	write_index(json_pack("[o]", manifest));
	json_decref(layers);
	assert_scan_fails(dir, -EBADMSG, "names 0 images");
}

static void index_below_an_index_in_an_index_is_refused(void **state)
{
	json_t *index;

	(void)state;
	start_layout();
	index = write_json_blob(INDEX, json_pack("{s:[o]}", "manifests",
						 write_manifest("amd64")));
	index = write_json_blob(INDEX, json_pack("{s:[o]}", "manifests",
						 index));
	write_index(json_pack("[o]", index));
	json_decref(layers);
	assert_scan_fails(dir, -EBADMSG, "is an index in an index");
}

static void layout_of_another_version_is_refused(void **state)
{
	(void)state;
	start_layout();
	finish_layout();
	write_json("oci-layout", json_pack("{s:s}", "imageLayoutVersion",
					   "2.0.0"));
	assert_scan_fails(dir, -EBADMSG, "'oci-layout' is not of version");
}

/* The path of a blob that a descriptor names. */
static const char *blob_path(json_t *descriptor)
{
	static char name[128];

	snprintf(name, sizeof(name), "blobs/sha256/%s",
		 json_string_value(json_object_get(descriptor, "digest")) + 7);
	return name;
}

/*
 * Each kind of blob in turn: the first layer, whose last padding byte says
 * nothing, the configuration, the manifest.
 */
static json_t *descriptors[3];

static void make_good_layout(void)
{
	static struct elf64 exec;
	json_t *manifest, *root;

	exec = make_elf(ET_EXEC, 1);
	start_layout();
	add_layer(prog("a", &exec));
	manifest = write_manifest("amd64");
	root = json_load_file(in_dir(blob_path(manifest)), 0, NULL);
	descriptors[0] = json_incref(json_array_get(layers, 0));
	descriptors[1] = json_incref(json_object_get(root, "config"));
	descriptors[2] = json_incref(manifest);
	json_decref(root);
	write_index(json_pack("[o]", manifest));
	json_decref(layers);
	libdstack_policy_free(scan_layout());
}

static void drop_descriptors(void)
{
	int i;

	for (i = 0; i < 3; i++)
		json_decref(descriptors[i]);
}

static char *read_blob(json_t *descriptor, size_t *len)
{
	char *text;

	assert_int_equal(dstack_file_read(in_dir(blob_path(descriptor)),
					  TAR_MAX, &text, len), 0);
	return text;
}

static void blob_with_another_digest_is_refused(void **state)
{
	size_t len;
	char *text;
	int i;

	(void)state;
	make_good_layout();
	for (i = 0; i < 3; i++) {
		text = read_blob(descriptors[i], &len);
		text[len - 1] ^= 1;
		write_at(blob_path(descriptors[i]), text, len, 0644);
		assert_scan_fails(dir, -EBADMSG, "blob with another digest");
		text[len - 1] ^= 1;
		write_at(blob_path(descriptors[i]), text, len, 0644);
		free(text);
	}
	libdstack_policy_free(scan_layout());
	drop_descriptors();
}

static void blob_with_another_size_is_refused(void **state)
{
	size_t len;
	char *text;
	int i;

	(void)state;
	make_good_layout();
	for (i = 0; i < 3; i++) {
		text = read_blob(descriptors[i], &len);
		write_at(blob_path(descriptors[i]), text, len - 1, 0644);
		assert_scan_fails(dir, -EBADMSG, "and its descriptor says");
		write_at(blob_path(descriptors[i]), text, len, 0644);
		free(text);
	}
	libdstack_policy_free(scan_layout());
	drop_descriptors();
}

static void missing_blob_is_refused(void **state)
{
	int i;

	(void)state;
	make_good_layout();
	for (i = 0; i < 3; i++) {
		assert_int_equal(unlink(in_dir(blob_path(descriptors[i]))), 0);
		assert_scan_fails(dir, -ENOENT, "can't be opened");
	}
	drop_descriptors();
}

static void blob_behind_a_symlink_is_refused(void **state)
{
	char other[PATH_MAX];

	(void)state;
	make_good_layout();
	snprintf(other, sizeof(other), "%s", in_dir("moved"));
	assert_int_equal(rename(in_dir(blob_path(descriptors[0])), other), 0);
	assert_int_equal(symlink(other, in_dir(blob_path(descriptors[0]))), 0);
	assert_scan_fails(dir, -ELOOP, "can't be opened");
	assert_int_equal(unlink(in_dir(blob_path(descriptors[0]))), 0);
	assert_int_equal(mkfifo(in_dir(blob_path(descriptors[0])), 0644), 0);
	assert_scan_fails(dir, -EBADMSG, "not a regular file");
	drop_descriptors();
}

/* One layer with one or two entries, which are malformed. */
static void assert_layer_refused(const struct entry *entries, size_t nr,
				 int err, const char *says)
{
	start_layout();
	add_layer_as(LAYER, NULL, entries, nr);
	finish_layout();
	assert_scan_fails(dir, err, says);
}

#define refuse_layer(err, says, ...) do { \
	const struct entry list[] = { __VA_ARGS__ }; \
	assert_layer_refused(list, sizeof(list) / sizeof(list[0]), err, \
			     says); \
} while (0)

static void path_that_leads_out_is_refused(void **state)
{
	struct elf64 exec = make_elf(ET_EXEC, 1);

	(void)state;
	refuse_layer(-EBADMSG, "'..'", prog("../a", &exec));
	refuse_layer(-EBADMSG, "'..'", prog("a/../../b", &exec));
	refuse_layer(-EBADMSG, "'..'", prog("a/..", &exec));
	refuse_layer(-EBADMSG, "'..'", DIRECTORY(".."));
	refuse_layer(-EBADMSG, "'..'", SYMLINK("a/../b", "c"));
	refuse_layer(-EBADMSG, "'..'", WHITEOUT("../.wh.a"));
	refuse_layer(-EBADMSG, "'..'", prog("a", &exec),
		     HARDLINK("b", "../a"));
}

static void malformed_entry_is_refused(void **state)
{
	struct elf64 exec = make_elf(ET_EXEC, 1);

	(void)state;
	refuse_layer(-EBADMSG, "leads through a file", prog("a", &exec),
		     prog("a/b", &exec));
	refuse_layer(-EBADMSG, "hard link to no file", HARDLINK("a", "b"));
	refuse_layer(-EBADMSG, "hard link to no file", DIRECTORY("b/"),
		     HARDLINK("a", "b"));
	refuse_layer(-EBADMSG, "whiteout of nothing", WHITEOUT("x/.wh."));
	refuse_layer(-EBADMSG, "whiteout of nothing", WHITEOUT(".wh.."));
	refuse_layer(-EBADMSG, "whiteout of nothing", WHITEOUT(".wh..."));
	refuse_layer(-ELOOP, "too many", SYMLINK("a", "b"), SYMLINK("b", "a"),
		     prog("a/x", &exec));
	refuse_layer(-EISDIR, "can't be placed", prog(".", &exec));
}

static void attack_47_path_too_deep_is_refused(void **state)
{
	struct elf64 exec = make_elf(ET_EXEC, 1);
	char path[2 * SCAN_DEPTH_MAX + 3];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(path) - 1; i++)
		path[i] = i % 2 ? '/' : 'a';
	path[i] = '\0';
	refuse_layer(-ELOOP, "too many", prog(path, &exec));
}

static void layer_of_unknown_type_is_refused(void **state)
{
	struct elf64 exec = make_elf(ET_EXEC, 1);
	const struct entry list[] = { prog("a", &exec) };

	(void)state;
	start_layout();
	add_layer_as("application/vnd.oci.image.layer.v1.tar+encrypted", NULL,
		     list, 1);
	finish_layout();
	assert_scan_fails(dir, -EBADMSG, "media type");
}

static void layer_that_is_no_tar_is_refused(void **state)
{
	(void)state;
	start_layout();
	json_array_append_new(layers, write_blob(LAYER, "not a tar", 9));
	finish_layout();
	assert_scan_fails(dir, -EBADMSG, "not a layer that can be read");
}

static void layer_cut_short_is_refused(void **state)
{
	struct elf64 exec = make_elf(ET_EXEC, 1);
	const struct entry list[] = { prog("a", &exec), prog("b", &exec) };
	size_t len, cut;
	char *tar = make_tar(list, 2, NULL, &len);

	(void)state;
	assert_true(len >= 2048);
	for (cut = 600; cut < 2048; cut += 300) {
		start_layout();
		json_array_append_new(layers, write_blob(LAYER, tar, cut));
		finish_layout();
		if (cut != 1024)	/* a whole entry */
			assert_scan_fails(dir, -EBADMSG, "can");
	}
	free(tar);
}

/* A header that says there are 64 GiB and a byte. */
static void attack_47_layer_that_is_too_large_is_refused(void **state)
{
	struct elf64 exec = make_elf(ET_EXEC, 1);
	const struct entry list[] = { prog("a", &exec) };
	size_t i, len;
	char *tar = make_tar(list, 1, NULL, &len);
	unsigned int sum = 0;

	(void)state;
	memset(tar + 124, 0, 12);
	tar[124] = (char)0x80;		/* base 256 from here */
	tar[131] = 16;			/* 16 * 2^32 */
	tar[135] = 1;
	memset(tar + 148, ' ', 8);
	for (i = 0; i < 512; i++)
		sum += (unsigned char)tar[i];
	snprintf(tar + 148, 8, "%06o", sum);
	start_layout();
	json_array_append_new(layers, write_blob(LAYER, tar, len));
	finish_layout();
	assert_scan_fails(dir, -EFBIG, "larger than");
	free(tar);
}

/*
 * A kilobyte that unpacks to a million entries: one compressed frame, many
 * times.
 */
static void layer_with_too_many_entries_is_refused(void **state)
{
	enum { ENTRIES = 4096, FRAMES = SCAN_ENTRIES_MAX / ENTRIES + 1 };
	const struct entry list[] = { words("a", "") };
	size_t i, len, frame_len;
	char *tar = make_tar(list, 1, NULL, &len);
	char *plain = allocated(malloc(512 * ENTRIES));
	char *frame = allocated(malloc(TAR_MAX));
	struct archive *raw = archive_write_new();
	struct archive_entry *entry = archive_entry_new();

	(void)state;
	for (i = 0; i < ENTRIES; i++)
		memcpy(plain + 512 * i, tar, 512);
	archive_write_set_format_raw(raw);
	archive_write_add_filter_by_name(raw, "zstd");
	archive_write_set_bytes_in_last_block(raw, 1);
	archive_write_open_memory(raw, frame, TAR_MAX, &frame_len);
	archive_entry_set_filetype(entry, AE_IFREG);
	archive_write_header(raw, entry);
	archive_write_data(raw, plain, 512 * ENTRIES);
	archive_write_close(raw);
	archive_write_free(raw);
	archive_entry_free(entry);
	assert_true(frame_len * FRAMES < TAR_MAX);
	for (i = 1; i < FRAMES; i++)
		memcpy(frame + i * frame_len, frame, frame_len);
	start_layout();
	json_array_append_new(layers, write_blob(LAYER "+zstd", frame,
						 frame_len * FRAMES));
	finish_layout();
	assert_scan_fails(dir, -E2BIG, "more than 1048576 files");
	free(tar);
	free(plain);
	free(frame);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		scan_unit_test(layers_add_up),
		scan_unit_test(whiteouts_hide_lower_layers_only),
		scan_unit_test(directory_and_file_replace_each_other),
		scan_unit_test(hard_links_are_files_of_their_own),
		scan_unit_test(symlinked_directories_are_followed),
		scan_unit_test(layers_may_be_compressed),
		scan_unit_test(program_of_many_blocks_survives_a_layer),
		scan_unit_test(name_in_utf8_is_kept_in_any_locale),
		scan_unit_test(image_is_the_digest_of_the_manifest),
		scan_unit_test(image_for_this_platform_is_chosen),
		scan_unit_test(two_images_are_refused),
		scan_unit_test(image_for_another_platform_is_refused),
		scan_unit_test(index_below_an_index_in_an_index_is_refused),
		scan_unit_test(layout_of_another_version_is_refused),
		scan_unit_test(blob_with_another_digest_is_refused),
		scan_unit_test(blob_with_another_size_is_refused),
		scan_unit_test(missing_blob_is_refused),
		scan_unit_test(blob_behind_a_symlink_is_refused),
		scan_unit_test(path_that_leads_out_is_refused),
		scan_unit_test(malformed_entry_is_refused),
		scan_unit_test(attack_47_path_too_deep_is_refused),
		scan_unit_test(layer_of_unknown_type_is_refused),
		scan_unit_test(layer_that_is_no_tar_is_refused),
		scan_unit_test(layer_cut_short_is_refused),
		scan_unit_test(attack_47_layer_that_is_too_large_is_refused),
		scan_unit_test(layer_with_too_many_entries_is_refused),
	};

	libdstack_set_message_callback(keep_message);
	return cmocka_run_group_tests(tests, make_top, remove_top);
}
