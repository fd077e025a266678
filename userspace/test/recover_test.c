// SPDX-License-Identifier: MIT
/*
 * What dstackd's log file holds after a crash, a reboot, or damage
 *
 * Copyright The dstack for Linux authors
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "../dstackd/store.c" /* NOLINT(bugprone-suspicious-include) */
#include "../dstackd/lines.c" /* NOLINT(bugprone-suspicious-include) */
#include "../dstackd/recover.c" /* NOLINT(bugprone-suspicious-include) */

#define EVENTS 8

void msg(const char *fmt, ...)
{
	(void)fmt;
}

void notify_alive(void)
{
}

void library_message(const char *message)
{
	(void)message;
}

/* As assert_true(), in a way that analysers understand. */
static void must(bool ok)
{
	if (ok)
		return;
	fail();
	abort();
}

/* A directory with a log file in it, and what the kernel says of its log. */
struct world {
	char dir[64];
	char path[128];
	struct kernel_log kernel;
	uint8_t digests[EVENTS][DSTACK_REGISTER_SIZE];
	char *lines[EVENTS];
	uint64_t next;
};

static void make_event(struct world *w, int i)
{
	char payload[32];
	int len = snprintf(payload, sizeof(payload), "payload %d", i);

	assert_int_equal(dstack_event_digest("test", 4, payload, len,
					     w->digests[i]), 0);
	assert_int_equal(libdstack_event_to_json("test", 4, payload, len,
						 w->digests[i], &w->lines[i]),
			 0);
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	int i;

	assert_non_null(w);
	snprintf(w->dir, sizeof(w->dir), "/tmp/recover_test.XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	snprintf(w->path, sizeof(w->path), "%s/log/log.jsonl", w->dir);
	for (i = 0; i < EVENTS; i++)
		make_event(w, i);
	w->kernel.digests = w->digests;
	w->kernel.count = EVENTS;
	*state = w;
	return 0;
}

static int remove_entry(const char *path, const struct stat *st, int type,
			struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static int teardown(void **state)
{
	struct world *w = *state;
	int i;

	assert_int_equal(nftw(w->dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS),
			 0);
	for (i = 0; i < EVENTS; i++)
		free(w->lines[i]);
	free(w);
	return 0;
}

/* Add text to the log file, as an earlier daemon or bad luck did. */
static void append(struct world *w, const char *text)
{
	struct store store;

	must(!store_open(&store, w->path));
	assert_int_equal(write_all(store.fd, text, strlen(text)), 0);
	store_close(&store);
}

static void append_events(struct world *w, int from, int to)
{
	for (; from < to; from++)
		append(w, w->lines[from]);
}

static void recover(struct world *w)
{
	struct store store;

	must(!store_open(&store, w->path));
	assert_int_equal(store_recover(&store, &w->kernel, &w->next), 0);
	store_close(&store);
}

static char *content(const struct world *w)
{
	size_t len;
	char *text;
	FILE *in = fopen(w->path, "r");

	text = calloc(1, 65536);
	must(in && text);
	len = fread(text, 1, 65535, in);
	text[len] = '\0';
	fclose(in);
	return text;
}

/* The file is exactly the events [0, nr), but for those in @lost. */
static void assert_holds(const struct world *w, int nr, unsigned int lost)
{
	char *text = content(w), *at = text;
	struct libdstack_log *log;
	int i;

	for (i = 0; i < nr; i++) {
		char *end = strchr(at, '\n');

		assert_non_null(end);
		if (lost & 1U << i) {
			assert_int_equal(libdstack_log_parse(at, end - at,
							     &log), 0);
			assert_string_equal(log->events[0].name, "lost");
			assert_memory_equal(log->events[0].digest,
					    w->digests[i],
					    DSTACK_REGISTER_SIZE);
			libdstack_log_free(log);
		} else {
			assert_memory_equal(at, w->lines[i], end + 1 - at);
		}
		at = end + 1;
	}
	assert_int_equal(*at, '\0');
	free(text);
}

/* How many files are beside the log: kept ones, or forgotten ones. */
static int count_others(const struct world *w)
{
	char path[128];
	struct dirent *entry;
	int nr = -1;		/* the log itself */
	DIR *dir;

	snprintf(path, sizeof(path), "%s/log", w->dir);
	dir = opendir(path);
	must(dir);
	while ((entry = readdir(dir)))
		nr += entry->d_name[0] != '.';
	closedir(dir);
	return nr;
}

static void no_file_starts_at_the_first_event(void **state)
{
	struct world *w = *state;

	recover(w);
	assert_int_equal(w->next, 0);
	assert_holds(w, 0, 0);
}

static void whole_file_goes_on_behind_it(void **state)
{
	struct world *w = *state;

	append_events(w, 0, 5);
	w->kernel.acked = 5;
	recover(w);
	assert_int_equal(w->next, 5);
	assert_holds(w, 5, 0);
	assert_int_equal(count_others(w), 0);
}

static void stored_but_not_acknowledged_is_not_stored_twice(void **state)
{
	struct world *w = *state;

	append_events(w, 0, 6);
	w->kernel.acked = 2;
	recover(w);
	assert_int_equal(w->next, 6);
	assert_holds(w, 6, 0);
}

static void torn_last_line_is_cut_off(void **state)
{
	struct world *w = *state;
	char torn[20] = "";

	append_events(w, 0, 4);
	memcpy(torn, w->lines[4], sizeof(torn) - 1);
	append(w, torn);
	w->kernel.acked = 4;
	recover(w);
	assert_int_equal(w->next, 4);
	assert_holds(w, 4, 0);
	assert_int_equal(count_others(w), 0);
}

static void torn_only_line_is_cut_off(void **state)
{
	struct world *w = *state;

	append(w, "{\"imr\":3");
	recover(w);
	assert_int_equal(w->next, 0);
	assert_holds(w, 0, 0);
}

static void missing_tail_keeps_the_places(void **state)
{
	struct world *w = *state;

	append_events(w, 0, 3);
	w->kernel.acked = 5;
	recover(w);
	assert_int_equal(w->next, 5);
	assert_holds(w, 5, 1U << 3 | 1U << 4);
	recover(w);
	assert_int_equal(w->next, 5);
	assert_holds(w, 5, 1U << 3 | 1U << 4);
	assert_int_equal(count_others(w), 0);
}

static void damaged_line_is_the_only_loss(void **state)
{
	struct world *w = *state;

	append_events(w, 0, 2);
	append(w, "not an event\n");
	append_events(w, 3, 6);
	w->kernel.acked = 6;
	recover(w);
	assert_int_equal(w->next, 6);
	assert_holds(w, 6, 1U << 2);
	assert_int_equal(count_others(w), 1);
}

static void changed_payload_is_damage(void **state)
{
	struct world *w = *state;
	char *bad = strdup(w->lines[1]), *at;

	assert_non_null(bad);
	at = strstr(bad, "event_payload\":\"");
	assert_non_null(at);
	at[strlen("event_payload\":\"")] ^= 1;
	append_events(w, 0, 1);
	append(w, bad);
	append_events(w, 2, 4);
	free(bad);
	w->kernel.acked = 4;
	recover(w);
	assert_holds(w, 4, 1U << 1);
	assert_int_equal(count_others(w), 1);
}

static void damage_that_the_kernel_can_mend_is_no_loss(void **state)
{
	struct world *w = *state;

	append_events(w, 0, 3);
	append(w, "not an event\n");
	w->kernel.acked = 2;
	recover(w);
	assert_int_equal(w->next, 2);
	assert_holds(w, 2, 0);
	assert_int_equal(count_others(w), 1);
}

static void doubled_and_swapped_lines_are_put_in_order(void **state)
{
	struct world *w = *state;

	append_events(w, 0, 2);
	append_events(w, 1, 2);
	append_events(w, 3, 4);
	append_events(w, 2, 3);
	w->kernel.acked = 4;
	recover(w);
	assert_int_equal(w->next, 4);
	assert_holds(w, 4, 0);
	assert_int_equal(count_others(w), 1);
}

static void line_without_bound_is_no_event(void **state)
{
	struct world *w = *state;
	char *line = malloc(LINE_MAX_LEN + 3);

	must(line);
	memset(line, ' ', LINE_MAX_LEN + 1);
	line[LINE_MAX_LEN + 1] = '\n';
	line[LINE_MAX_LEN + 2] = '\0';
	append(w, line);
	free(line);
	append_events(w, 0, 1);
	w->kernel.acked = 1;
	recover(w);
	assert_int_equal(w->next, 1);
	assert_holds(w, 1, 0);
}

static void file_of_another_boot_is_kept_aside(void **state)
{
	struct world *w = *state;

	append_events(w, 4, 8);
	w->kernel.count = 3;
	recover(w);
	assert_int_equal(w->next, 0);
	assert_holds(w, 0, 0);
	assert_int_equal(count_others(w), 1);
}

static void longer_file_than_the_kernels_log_is_kept_aside(void **state)
{
	struct world *w = *state;

	append_events(w, 0, 8);
	w->kernel.count = 3;
	w->kernel.acked = 3;
	recover(w);
	assert_int_equal(w->next, 3);
	assert_holds(w, 3, 0);
	assert_int_equal(count_others(w), 1);
}

static void module_that_was_loaded_again_goes_on(void **state)
{
	struct world *w = *state;
	int i;

	append_events(w, 0, 5);
	for (i = 0; i < 3; i++)
		assert_int_equal(dstack_event_fold(w->kernel.base,
						   w->digests[i]), 0);
	w->kernel.digests = w->digests + 3;
	w->kernel.count = EVENTS - 3;
	w->kernel.acked = 2;
	recover(w);
	assert_int_equal(w->next, 2);
	assert_holds(w, 5, 0);
	assert_int_equal(count_others(w), 0);
}

static void damage_behind_an_earlier_module_spares_its_events(void **state)
{
	struct world *w = *state;
	int i;

	append_events(w, 0, 4);
	append(w, "not an event\n");
	append_events(w, 5, 6);
	for (i = 0; i < 3; i++)
		assert_int_equal(dstack_event_fold(w->kernel.base,
						   w->digests[i]), 0);
	w->kernel.digests = w->digests + 3;
	w->kernel.count = EVENTS - 3;
	w->kernel.acked = 3;
	recover(w);
	assert_int_equal(w->next, 3);
	assert_holds(w, 6, 1U << 4);
}

static void failed_write_leaves_the_file_as_it_was(void **state)
{
	struct world *w = *state;
	struct rlimit old, limit;
	struct store store;

	append_events(w, 0, 2);
	must(!store_open(&store, w->path));
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	limit = old;
	limit.rlim_cur = store.size + 10;	/* in the middle of a line */
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	assert_int_equal(store_add(&store, "test", 4, "payload 2", 9,
				   w->digests[2]), 0);
	assert_int_equal(store_commit(&store), -EFBIG);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_holds(w, 2, 0);
	assert_int_equal(store_add(&store, "test", 4, "payload 2", 9,
				   w->digests[2]), 0);
	assert_int_equal(store_commit(&store), 0);
	assert_holds(w, 3, 0);
	store_close(&store);
}

/*
 * Somebody does something to the file while it is open
 */

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

static void symbolic_link_is_refused(void **state)
{
	struct world *w = *state;
	struct store store;
	int err;

	recover(w);
	assert_int_equal(unlink(w->path), 0);
	assert_int_equal(symlink("/dev/null", w->path), 0);
	err = store_open(&store, w->path);
	store_close(&store);
	assert_int_equal(err, -ELOOP);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(no_file_starts_at_the_first_event),
		TEST(whole_file_goes_on_behind_it),
		TEST(stored_but_not_acknowledged_is_not_stored_twice),
		TEST(torn_last_line_is_cut_off),
		TEST(torn_only_line_is_cut_off),
		TEST(missing_tail_keeps_the_places),
		TEST(damaged_line_is_the_only_loss),
		TEST(changed_payload_is_damage),
		TEST(damage_that_the_kernel_can_mend_is_no_loss),
		TEST(doubled_and_swapped_lines_are_put_in_order),
		TEST(line_without_bound_is_no_event),
		TEST(file_of_another_boot_is_kept_aside),
		TEST(longer_file_than_the_kernels_log_is_kept_aside),
		TEST(module_that_was_loaded_again_goes_on),
		TEST(damage_behind_an_earlier_module_spares_its_events),
		TEST(failed_write_leaves_the_file_as_it_was),
		TEST(own_writes_are_no_change),
		TEST(removed_file_is_written_from_the_open_one),
		TEST(removed_directory_is_made_again),
		TEST(moved_file_is_copied_back),
		TEST(file_in_its_place_is_kept_aside),
		TEST(lines_of_a_file_in_its_place_are_used),
		TEST(symbolic_link_in_its_place_is_an_error_until_it_goes),
		TEST(cut_file_keeps_the_places),
		TEST(cut_file_is_not_made_longer_after_a_failed_write),
		TEST(lines_of_somebody_else_are_kept_aside),
		TEST(changed_byte_is_found),
		TEST(half_written_new_file_is_removed),
		TEST(symbolic_link_is_refused),
	};

	return cmocka_run_group_tests_name("recover", tests, NULL, NULL);
}
