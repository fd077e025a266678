// SPDX-License-Identifier: MIT
/*
 * The state as others see it: open, made once, kept
 *
 * Copyright The dstack for Linux authors
 */
#include "room.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define HEAD_EVERY_S	30

int state_fail(const struct state *state, int err, const char *fmt, ...)
{
	char line[LIBDSTACK_MESSAGE_MAX];
	va_list args;

	va_start(args, fmt);
	vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	if (state->options.tell)
		state->options.tell(line);
	return err;
}

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

static void later(struct state *state)
{
	unsigned int s = state->options.head_every_s;

	state->head_due_ms = now_ms() + (s ? s : HEAD_EVERY_S) * 1000LL;
}

int state_store(struct state *state)
{
	size_t len;
	int err;

	/* Also after an error: a full disk is not asked at each request. */
	later(state);
	state->content->generation++;
	err = envelope_seal(state, &len);
	if (err)
		return err;
	err = file_replace(state->dir, STATE_FILE, 0600, state->file, len);
	if (err)
		return state_fail(state, err, "can't write '%s/" STATE_FILE "': %s",
				  state->options.dir, strerror(-err));
	state->head_is_new = false;
	return witness_note(state, state->file, len);
}

/*
 * Open
 */

static const char *dir_help(int err)
{
	switch (err) {
	case -EBUSY:
		return "another KMS has it";
	case -EPERM:
		return "it must be a directory of this user that nobody else "
		       "may look into (mode 0700), and no link";
	default:
		return strerror(-err);
	}
}

static int open_dirs(struct state *state)
{
	const struct state_options *opt = &state->options;

	state->dir = file_open_dir(opt->dir, false);
	if (state->dir < 0) {
		state_fail(state, state->dir, "can't use '%s': %s", opt->dir,
			   dir_help(state->dir));
		return state->dir;
	}
	if (!opt->witness)
		return 0;
	state->witness = file_open_dir(opt->witness, true);
	if (state->witness < 0)
		return state_fail(state, state->witness, "can't use '%s', which must be in memory (tmpfs): %s",
				  opt->witness, dir_help(state->witness));
	return 0;
}

static int get_memory(struct state *state)
{
	void *content, *plain = NULL;
	int err = libdstack_secret_alloc(sizeof(*state->content), &content) ?:
		libdstack_secret_alloc(PLAIN_MAX, &plain);

	state->content = content;
	state->plain = plain;
	state->file = malloc(FILE_MAX);
	return err ? err : state->file ? 0 : -ENOMEM;
}

static void destroy(struct state *state)
{
	libdstack_secret_free(state->content, sizeof(*state->content));
	libdstack_secret_free(state->plain, PLAIN_MAX);
	free(state->file);
	if (state->witness >= 0)
		close(state->witness);
	if (state->dir >= 0)
		close(state->dir);
	pthread_mutex_destroy(&state->lock);
	free(state);
}

static int begin(const struct state_options *options, struct state **out)
{
	struct state *state = calloc(1, sizeof(*state));
	int err;

	*out = NULL;
	if (!state)
		return -ENOMEM;
	state->options = *options;
	state->dir = -1;
	state->witness = -1;
	pthread_mutex_init(&state->lock, NULL);
	err = options->seal->id && options->seal->overhead <= OVERHEAD_MAX ?
		get_memory(state) : -EINVAL;
	if (!err)
		err = open_dirs(state);
	if (err) {
		destroy(state);
		return err;
	}
	*out = state;
	return 0;
}

static const char *file_help(int err)
{
	return err != -EPERM ? strerror(-err) :
		"it must be a plain file of this user that nobody else may "
		"read (mode 0600), with no other name";
}

static int load(struct state *state)
{
	size_t len;
	int err;

	err = file_read(state->dir, STATE_FILE, FILE_MAX, state->file, &len);
	if (err == -ENOENT)
		return err;
	if (err)
		return state_fail(state, err, "can't read '%s/" STATE_FILE "': %s",
				  state->options.dir, file_help(err));
	err = envelope_open(state, len);
	if (err)
		return err;
	return witness_check(state, state->file, len);
}

int state_open(const struct state_options *options, struct state **state)
{
	int err = begin(options, state);

	if (err)
		return err;
	file_clean((*state)->dir);
	err = load(*state);
	if (!err) {
		later(*state);
		return 0;
	}
	destroy(*state);
	*state = NULL;
	return err;
}

/*
 * Made once
 */

static int fill(struct state *state, const char *domain,
		const struct key_epoch *epochs, size_t nr)
{
	struct content *content = state->content;
	const char *why;
	int err;

	if (!state_domain_ok(domain))
		return state_fail(state, -EINVAL, "the domain is no name of a host");
	err = key_epochs_check(epochs, nr, &why);
	if (err)
		return state_fail(state, err, "%s", why);
	snprintf(content->domain, sizeof(content->domain), "%s", domain);
	memcpy(content->epochs, epochs, nr * sizeof(*epochs));
	content->nr = nr;
	return 0;
}

/* Whatever has the name: a link that leads nowhere as well. */
static int must_be_new(const struct state *state)
{
	struct stat st;

	if (fstatat(state->dir, STATE_FILE, &st, AT_SYMLINK_NOFOLLOW))
		return errno == ENOENT ? 0 : -errno;
	return state_fail(state, -EEXIST, "'%s/" STATE_FILE "' is there: a KMS is set up once, and keeps its roots",
			  state->options.dir);
}

int state_create(const struct state_options *options, const char *domain,
		 const struct key_epoch *epochs, size_t nr,
		 struct state **state)
{
	int err = begin(options, state);

	if (err)
		return err;
	err = must_be_new(*state) ?: fill(*state, domain, epochs, nr) ?:
		state_store(*state);
	if (!err)
		return 0;
	destroy(*state);
	*state = NULL;
	return err;
}

int state_close(struct state *state)
{
	int err = 0;

	if (!state)
		return 0;
	pthread_mutex_lock(&state->lock);
	if (state->head_is_new)
		err = state_store(state);
	pthread_mutex_unlock(&state->lock);
	destroy(state);
	return err;
}

/*
 * Heads
 */

static int compare(const struct state *state, const struct state_head *head)
{
	const struct state_head *was = &state->content->head;

	if (head->number < was->number)
		return state_fail(state, -ESTALE, "block %llu is before %llu, which was final already",
				  (unsigned long long)head->number,
				  (unsigned long long)was->number);
	if (head->number == was->number &&
	    (head->time != was->time ||
	     memcmp(head->hash, was->hash, sizeof(was->hash)) != 0))
		return state_fail(state, -ESTALE, "block %llu is another than the one that was final already",
				  (unsigned long long)head->number);
	if (head->time < was->time)
		return state_fail(state, -ESTALE, "block %llu is of a time before that of an earlier block",
				  (unsigned long long)head->number);
	return 0;
}

/*
 * A crash loses the heads of one interval.  They are not what a KMS answers by:
 * the light client goes on from the stored one, and refuses heads that are too
 * old by the clock, whatever the stored one is.
 */
int state_set_head(struct state *state, const struct state_head *head)
{
	struct content *content = state->content;
	int err;

	pthread_mutex_lock(&state->lock);
	err = compare(state, head);
	if (!err && head->number > content->head.number) {
		content->head = *head;
		state->head_is_new = true;
	}
	if (!err && state->head_is_new && now_ms() >= state->head_due_ms)
		err = state_store(state);
	pthread_mutex_unlock(&state->lock);
	return err;
}

void state_get_head(struct state *state, struct state_head *head)
{
	pthread_mutex_lock(&state->lock);
	*head = state->content->head;
	pthread_mutex_unlock(&state->lock);
}

const char *state_domain(const struct state *state)
{
	return state->content->domain;
}

uint64_t state_generation(struct state *state)
{
	uint64_t generation;

	pthread_mutex_lock(&state->lock);
	generation = state->content->generation;
	pthread_mutex_unlock(&state->lock);
	return generation;
}
