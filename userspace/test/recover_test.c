// SPDX-License-Identifier: MIT
/*
 * What dstackd's log file holds after a crash, a reboot, or damage
 *
 * Copyright The dstack for Linux authors
 */
#include "recover_fixture.h"

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

static char *with_changed_payload(const char *line)
{
	char *bad = strdup(line), *at;

	assert_non_null(bad);
	at = strstr(bad, "event_payload\":\"");
	assert_non_null(at);
	at[strlen("event_payload\":\"")] ^= 1;
	return bad;
}

static void changed_payload_is_damage(void **state)
{
	struct world *w = *state;
	char *bad = with_changed_payload(w->lines[1]);

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

/*
 * The kernel has forgotten the digests of the oldest events
 */

static void whole_file_proves_what_the_kernel_forgot(void **state)
{
	struct world *w = *state;

	append_events(w, 0, 6);
	w->kernel.acked = 6;
	forget(w, 4);
	recover(w);
	assert_int_equal(w->next, 6);
	assert_holds(w, 6, 0);
	assert_int_equal(count_others(w), 0);
	assert_memory_equal(w->known, w->digests, 4 * DSTACK_REGISTER_SIZE);
}

static void file_of_two_modules_proves_it_too(void **state)
{
	struct world *w = *state;
	int i;

	append_events(w, 0, 7);
	for (i = 0; i < 2; i++)
		assert_int_equal(dstack_event_fold(w->kernel.base,
						   w->digests[i]), 0);
	w->kernel.digests = w->digests + 2;
	w->kernel.count = EVENTS - 2;
	w->kernel.acked = 5;
	forget(w, 3);
	recover(w);
	assert_int_equal(w->next, 5);
	assert_holds(w, 7, 0);
	assert_int_equal(count_others(w), 0);
}

static void changed_payload_is_found_without_the_kernels_digest(void **state)
{
	struct world *w = *state;
	char *bad = with_changed_payload(w->lines[1]);

	append_events(w, 0, 1);
	append(w, bad);
	append_events(w, 2, 6);
	free(bad);
	w->kernel.acked = 6;
	forget(w, 4);
	recover(w);
	assert_int_equal(w->next, 6);
	assert_holds(w, 6, 1U << 1);
	assert_int_equal(count_others(w), 1);
	recover(w);
	assert_holds(w, 6, 1U << 1);
	assert_int_equal(count_others(w), 1);
}

/* No digest, no proof: but what has its place stays, once and for all. */
static void garbage_where_the_kernel_forgot_is_the_only_loss(void **state)
{
	struct world *w = *state;
	int i;

	append_events(w, 0, 1);
	append(w, "not an event\n");
	append_events(w, 2, 6);
	w->kernel.acked = 6;
	forget(w, 4);
	memset(w->digests[1], 0, DSTACK_REGISTER_SIZE);
	for (i = 0; i < 2; i++) {
		recover(w);
		assert_int_equal(w->next, 6);
		assert_holds(w, 6, 1U << 1);
		assert_int_equal(count_others(w), 1);
		memset(w->known, 0, 4 * DSTACK_REGISTER_SIZE);
	}
}

static void another_boots_file_never_passes_for_the_oldest_events(void **state)
{
	struct world *w = *state;
	int i;

	for (i = 3; i >= 0; i--)
		append_events(w, i, i + 1);
	append_events(w, 6, 8);
	w->kernel.count = 6;
	w->kernel.acked = 6;
	forget(w, 4);
	memset(w->digests, 0, 4 * DSTACK_REGISTER_SIZE);
	for (i = 0; i < 2; i++) {
		recover(w);
		assert_int_equal(w->next, 6);
		assert_holds(w, 6, (1U << 6) - 1);
		assert_int_equal(count_others(w), 1);
		memset(w->known, 0, 4 * DSTACK_REGISTER_SIZE);
	}
}

static void removed_file_keeps_the_places_of_what_was_forgotten(void **state)
{
	struct world *w = *state;

	w->kernel.acked = 6;
	forget(w, 4);
	memset(w->digests, 0, 4 * DSTACK_REGISTER_SIZE);
	recover(w);
	assert_int_equal(w->next, 6);
	assert_holds(w, 6, (1U << 6) - 1);
	assert_int_equal(count_others(w), 0);
}

static void copy_that_is_put_back_proves_it_again(void **state)
{
	struct world *w = *state;
	int i;

	w->kernel.acked = 6;
	forget(w, 4);
	recover(w);
	assert_int_equal(unlink(w->path), 0);
	for (i = 0; i < 6; i++)
		append_events(w, i, i + 1);
	memset(w->known, 0, 4 * DSTACK_REGISTER_SIZE);
	recover(w);
	assert_int_equal(w->next, 6);
	assert_holds(w, 6, 0);
	assert_int_equal(count_others(w), 0);
}

static void replaced_file_helps_to_prove_it(void **state)
{
	struct world *w = *state;
	struct store store;
	char moved[160];

	append_events(w, 0, 2);		/* cut, then moved away */
	w->kernel.acked = 6;
	forget(w, 4);
	must(!store_open(&store, w->path));
	snprintf(moved, sizeof(moved), "%s.moved", w->path);
	assert_int_equal(rename(w->path, moved), 0);
	append_events(w, 0, 6);
	assert_int_equal(store_recover(&store, &w->kernel, &w->next), 0);
	store_close(&store);
	assert_int_equal(w->next, 6);
	assert_holds(w, 6, 0);
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
		TEST(whole_file_proves_what_the_kernel_forgot),
		TEST(file_of_two_modules_proves_it_too),
		TEST(changed_payload_is_found_without_the_kernels_digest),
		TEST(garbage_where_the_kernel_forgot_is_the_only_loss),
		TEST(another_boots_file_never_passes_for_the_oldest_events),
		TEST(removed_file_keeps_the_places_of_what_was_forgotten),
		TEST(copy_that_is_put_back_proves_it_again),
		TEST(replaced_file_helps_to_prove_it),
		TEST(failed_write_leaves_the_file_as_it_was),
		TEST(symbolic_link_is_refused),
	};

	return cmocka_run_group_tests_name("recover", tests, NULL, NULL);
}
