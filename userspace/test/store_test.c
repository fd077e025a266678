// SPDX-License-Identifier: MIT
/*
 * What dstackd does about its log file when somebody else did something to it
 *
 * Copyright The dstack for Linux authors
 */
#include "recover_fixture.h"

/* A store that holds @nr events, all acknowledged. */
static void open_with(struct world *w, struct store *store, int nr)
{
	append_events(w, 0, nr);
	w->kernel.acked = nr;
	must(!store_open(store, w->path));
	assert_int_equal(store_recover(store, &w->kernel, &w->next), 0);
}

static void assert_changed(struct store *store, const char *how)
{
	const char *what;

	assert_int_equal(store_check(store, &what), 0);
	if (how)
		assert_string_equal(what ?: "left alone", how);
	else
		assert_null(what);
}

/* It is noticed as this, and then @nr events but for @lost are there. */
static void assert_mended(struct world *w, struct store *store,
			  const char *how, int nr, unsigned int lost,
			  int others)
{
	assert_changed(store, how);
	assert_int_equal(store_recover(store, &w->kernel, &w->next), 0);
	assert_changed(store, NULL);
	assert_int_equal(w->next, nr);
	assert_int_equal(store_add(store, "test", 4, "payload 7", 9,
				   w->digests[7]), 0);
	assert_int_equal(store_commit(store), 0);
	assert_changed(store, NULL);
	w->kernel.acked = nr;
	store_close(store);
	if (nr < 7) {
		free(w->lines[nr]);
		w->lines[nr] = strdup(w->lines[7]);
		memcpy(w->digests[nr], w->digests[7], DSTACK_REGISTER_SIZE);
	}
	assert_holds(w, nr + 1, lost);
	assert_int_equal(count_others(w), others);
}

static void own_writes_are_no_change(void **state)
{
	struct world *w = *state;
	struct store store;

	open_with(w, &store, 3);
	assert_mended(w, &store, NULL, 3, 0, 0);
}

static void removed_file_is_written_from_the_open_one(void **state)
{
	struct world *w = *state;
	struct store store;

	open_with(w, &store, 5);
	assert_int_equal(unlink(w->path), 0);
	assert_mended(w, &store, "removed", 5, 0, 0);
}

static void removed_directory_is_made_again(void **state)
{
	struct world *w = *state;
	struct store store;
	char dir[128];

	open_with(w, &store, 5);
	assert_int_equal(unlink(w->path), 0);
	snprintf(dir, sizeof(dir), "%s/log", w->dir);
	assert_int_equal(rmdir(dir), 0);
	assert_mended(w, &store, "removed", 5, 0, 0);
}

static void moved_file_is_copied_back(void **state)
{
	struct world *w = *state;
	struct store store;
	char other[160];

	open_with(w, &store, 5);
	snprintf(other, sizeof(other), "%s.1", w->path);
	assert_int_equal(rename(w->path, other), 0);
	assert_mended(w, &store, "moved", 5, 0, 1);
}

static void file_in_its_place_is_kept_aside(void **state)
{
	struct world *w = *state;
	struct store store;

	open_with(w, &store, 5);
	assert_int_equal(unlink(w->path), 0);
	append(w, "hello\n");
	assert_mended(w, &store, "replaced", 5, 0, 1);
}

/* As when its file system was forcibly unmounted, and mounted again. */
static void unreadable_file_is_given_up_for_the_one_in_its_place(void **state)
{
	struct world *w = *state;
	struct store store;

	open_with(w, &store, 5);
	close(store.fd);
	store.fd = open("/proc/self/mem", O_RDONLY);
	must(store.fd >= 0);
	/* Not if that has less: it may be read again. */
	assert_int_equal(truncate(w->path, strlen(w->lines[0])), 0);
	assert_changed(&store, "replaced");
	assert_int_equal(store_recover(&store, &w->kernel, &w->next), -EIO);
	append_events(w, 1, 5);
	assert_mended(w, &store, "replaced", 5, 0, 0);
}

static void directory_in_its_place_is_an_error_until_it_goes(void **state)
{
	struct world *w = *state;
	struct store store;

	open_with(w, &store, 5);
	assert_int_equal(unlink(w->path), 0);
	assert_int_equal(mkdir(w->path, 0700), 0);
	assert_changed(&store, "replaced");
	assert_int_equal(store_recover(&store, &w->kernel, &w->next), -EINVAL);
	assert_int_equal(rmdir(w->path), 0);
	assert_mended(w, &store, "removed", 5, 0, 0);
}

/* Cut, then replaced by a whole one: lines are good wherever they are. */
static void lines_of_a_file_in_its_place_are_used(void **state)
{
	struct world *w = *state;
	struct store store;

	open_with(w, &store, 5);
	assert_int_equal(truncate(w->path, strlen(w->lines[0])), 0);
	assert_int_equal(unlink(w->path), 0);
	append_events(w, 3, 5);
	assert_mended(w, &store, "replaced", 5, 1U << 1 | 1U << 2, 1);
}

static void symbolic_link_in_its_place_is_an_error_until_it_goes(void **state)
{
	struct world *w = *state;
	struct store store;

	open_with(w, &store, 5);
	assert_int_equal(unlink(w->path), 0);
	assert_int_equal(symlink("/dev/null", w->path), 0);
	assert_changed(&store, "replaced");
	assert_int_equal(store_recover(&store, &w->kernel, &w->next), -ELOOP);
	assert_int_equal(unlink(w->path), 0);
	assert_mended(w, &store, "removed", 5, 0, 0);
}

static void cut_file_keeps_the_places(void **state)
{
	struct world *w = *state;
	struct store store;

	open_with(w, &store, 5);
	assert_int_equal(truncate(w->path, strlen(w->lines[0]) + 5), 0);
	assert_mended(w, &store, "cut", 5, 0x1e, 0);
}

static void cut_file_is_not_made_longer_after_a_failed_write(void **state)
{
	struct world *w = *state;
	struct store store;

	open_with(w, &store, 5);
	store.dirty = true;
	assert_int_equal(truncate(w->path, 0), 0);
	assert_mended(w, &store, "cut", 5, 0x1f, 0);
}

static void lines_of_somebody_else_are_kept_aside(void **state)
{
	struct world *w = *state;
	struct store store;

	open_with(w, &store, 5);
	append(w, "hello\n");
	assert_mended(w, &store, "appended to", 5, 0, 1);
}

static void changed_byte_is_found(void **state)
{
	struct world *w = *state;
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT },
				     { .tv_sec = 1 } };
	struct store store;
	int fd;

	open_with(w, &store, 5);
	fd = open(w->path, O_WRONLY);
	must(fd >= 0);
	assert_int_equal(pwrite(fd, "x", 1, strlen(w->lines[0]) + 30), 1);
	/* The clock of file systems is coarse: as if it had been later. */
	assert_int_equal(futimens(fd, times), 0);
	close(fd);
	assert_mended(w, &store, "written to", 5, 1U << 1, 1);
}

static void half_written_new_file_is_removed(void **state)
{
	struct world *w = *state;
	char path[160];
	FILE *out;

	append_events(w, 0, 3);
	w->kernel.acked = 3;
	snprintf(path, sizeof(path), "%s.new", w->path);
	out = fopen(path, "w");
	must(out);
	fputs("half", out);
	fclose(out);
	recover(w);
	assert_holds(w, 3, 0);
	assert_int_equal(count_others(w), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(own_writes_are_no_change),
		TEST(removed_file_is_written_from_the_open_one),
		TEST(removed_directory_is_made_again),
		TEST(moved_file_is_copied_back),
		TEST(file_in_its_place_is_kept_aside),
		TEST(unreadable_file_is_given_up_for_the_one_in_its_place),
		TEST(directory_in_its_place_is_an_error_until_it_goes),
		TEST(lines_of_a_file_in_its_place_are_used),
		TEST(symbolic_link_in_its_place_is_an_error_until_it_goes),
		TEST(cut_file_keeps_the_places),
		TEST(cut_file_is_not_made_longer_after_a_failed_write),
		TEST(lines_of_somebody_else_are_kept_aside),
		TEST(changed_byte_is_found),
		TEST(half_written_new_file_is_removed),
	};

	return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
