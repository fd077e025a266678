// SPDX-License-Identifier: MIT
/*
 * Key epochs: the next one comes, and the one before ends
 *
 * Copyright The dstack for Linux authors
 *
 * While both live there are two files of keys, and two root keys in the
 * module: what is new is of the next epoch, and what is old opens.  Each of
 * these moves can be ended anywhere and done again: how far it came is seen in
 * the files and in the module.
 */
#include "follow.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MOVES_MAX	8	/* in one look: there are five in a row */

int epochs_read(struct follow *follow)
{
	struct agent_app_keys *keys[AGENT_APP_KEYS_ALL];
	int err = agent_app_keys_read_all(follow->options->app, follow_tell,
					  keys);

	if (err)
		return err;
	agent_app_keys_free_all(follow->keys);
	memcpy(follow->keys, keys, sizeof(keys));
	return 0;
}

/*
 * Whom it asks
 */

int epochs_pin(struct follow *follow, const struct agent_app_keys *keys)
{
	struct kms_session *session;
	int err = kms_session_open(&follow->kms, &session);

	if (err)
		return err;
	kms_session_close(follow->session);
	follow->session = session;
	memcpy(follow->pin, keys->provider_id, keys->provider_id_len);
	follow->kms.provider_id = follow->pin;
	follow->kms.provider_id_len = keys->provider_id_len;
	return 0;
}

/*
 * What is here
 */

static int on_root(const struct libdstack_root *root, void *arg)
{
	struct follow *follow = arg;
	struct follow_epochs *epochs = &follow->epochs;

	if (memcmp(root->app_id, follow->app_id, APP_ID_SIZE))
		return 0;
	if (root->epoch == epochs->has)
		epochs->has_root = true;
	else if (root->epoch == epochs->next)
		epochs->next_root = true;
	else if (root->epoch < epochs->has)
		epochs->older_root = true;
	else
		epochs->other_root = true;
	return 0;
}

static struct disk disk_of(const struct follow *follow)
{
	return (struct disk){
		follow->options->app, follow->app, follow_tell
	};
}

int epochs_look(struct follow *follow)
{
	const struct disk disk = disk_of(follow);
	struct agent_app_keys *const *keys = follow->keys;

	follow->epochs = (struct follow_epochs){
		.has = keys[0]->key_epoch,
		.next = keys[!!keys[1]]->key_epoch,
	};
	follow->epochs.disk_waits = keys[1] && disk_is_there(&disk) &&
		follow->disk_epoch != keys[1]->key_epoch;
	return libdstack_list_roots(follow->control, on_root, follow);
}

static int ensure(struct follow *follow, const struct agent_app_keys *keys)
{
	return libdstack_ensure_root(follow->control, follow->app_id,
				     keys->key_epoch, keys->k256_key,
				     agent_app_keys_flags(keys));
}

int epochs_restore(struct follow *follow)
{
	int err = ensure(follow, follow->keys[0]);

	/* Somebody may have retired it by hand, for there is the next one. */
	if (follow->keys[1] && (!err || err == -ESTALE))
		err = ensure(follow, follow->keys[1]);
	return err;
}

/*
 * The next one
 */

/* Keys that were given for another epoch would be of that one for ever. */
static bool is_other(const struct agent_app_keys *keys,
		     const struct agent_app_keys *before)
{
	return memcmp(keys->k256_key, before->k256_key, DSTACK_KEY_SIZE) &&
		memcmp(keys->disk_key, before->disk_key, DSTACK_KEY_SIZE);
}

static int store(struct follow *follow, const struct kms_app_keys *from,
		 struct agent_app_keys *keys)
{
	char *text;
	size_t len;
	int err = kms_app_keys_keep(from, keys);

	if (err == -EMSGSIZE)
		follow_say("a certificate or a name that KMS '%s' gave is too long",
			   from->url);
	if (err)
		return err;
	if (!is_other(keys, follow->keys[0])) {
		follow_say("KMS '%s' gave the keys of key epoch %llu as those of %llu",
			   from->url,
			   (unsigned long long)follow->keys[0]->key_epoch,
			   (unsigned long long)keys->key_epoch);
		return -EKEYREJECTED;
	}
	agent_app_keys_succeed(keys, follow->keys[0]);
	err = agent_app_keys_write(keys, &text, &len);
	if (err)
		return err;
	err = record_replace(follow->app, AGENT_APP_KEYS_NEXT, text);
	libdstack_secret_free(text, AGENT_APP_KEYS_FILE_MAX);
	return err;
}

static int ask(struct follow *follow, uint64_t epoch,
	       struct kms_app_keys *from)
{
	void *keys;
	int err = kms_get_app_keys(&follow->kms, epoch, from) ?:
		libdstack_secret_alloc(sizeof(struct agent_app_keys), &keys);

	if (err)
		return err;
	err = store(follow, from, keys);
	agent_app_keys_free(keys);
	return err;
}

static int fetch(struct follow *follow, uint64_t epoch)
{
	void *from;
	int err = libdstack_secret_alloc(sizeof(struct kms_app_keys), &from);

	if (err)
		return err;
	err = ask(follow, epoch, from);
	kms_app_keys_wipe(from);
	libdstack_secret_free(from, sizeof(struct kms_app_keys));
	if (!err)
		err = epochs_read(follow);
	if (!err)
		follow_say("the keys of key epoch %llu are here",
			   (unsigned long long)epoch);
	return err;
}

static int add(struct follow *follow)
{
	int err = ensure(follow, follow->keys[1]);

	if (!err)
		follow_say("new keys are of key epoch %llu, and what was sealed in %llu opens",
			   (unsigned long long)follow->keys[1]->key_epoch,
			   (unsigned long long)follow->keys[0]->key_epoch);
	return err;
}

static int move_disk(struct follow *follow)
{
	const struct disk disk = disk_of(follow);
	int err = disk_move(&disk, follow->keys[0]->disk_key,
			    follow->keys[1]->disk_key);

	if (err)
		return err;
	follow->disk_epoch = follow->keys[1]->key_epoch;
	follow_say("the disk opens with the key of key epoch %llu",
		   (unsigned long long)follow->disk_epoch);
	return 0;
}

/*
 * The end of the one before
 */

/* The file is in memory, and nobody finds it by its name any more. */
static void wipe(int fd)
{
	static const char zeros[4096];
	off_t at = 0;
	struct stat st;
	ssize_t nr;

	if (fd < 0)
		return;
	if (fstat(fd, &st))
		st.st_size = 0;
	for (; at < st.st_size; at += nr) {
		nr = pwrite(fd, zeros, sizeof(zeros), at);
		if (nr <= 0)
			break;
	}
	close(fd);
}

static int retire(struct follow *follow, uint64_t epoch)
{
	int err = libdstack_retire_roots(follow->control, follow->app_id,
					 epoch);

	if (!err)
		follow_say("key epoch %llu has ended: its keys are gone",
			   (unsigned long long)epoch);
	return err;
}

static int end(struct follow *follow)
{
	uint64_t ended = follow->epochs.has;
	int fd = openat(follow->app, AGENT_APP_KEYS_FILE,
			O_WRONLY | O_NOFOLLOW | O_CLOEXEC), err = 0;

	if (renameat(follow->app, AGENT_APP_KEYS_NEXT, follow->app,
		     AGENT_APP_KEYS_FILE))
		err = -errno;
	if (err) {
		close(fd);
		return err;
	}
	wipe(fd);
	/* Who has the old root is a KMS to nobody here any more. */
	err = epochs_read(follow) ?: epochs_pin(follow, follow->keys[0]);
	return err ? err : retire(follow, ended);
}

/*
 * One after the other
 */

static int move(struct follow *follow, enum follow_move move, uint64_t epoch)
{
	switch (move) {
	case FOLLOW_FETCH:
		return fetch(follow, epoch);
	case FOLLOW_ADD:
		return add(follow);
	case FOLLOW_DISK:
		return move_disk(follow);
	case FOLLOW_END:
		return end(follow);
	case FOLLOW_RETIRE:
		return retire(follow, follow->epochs.has - 1);
	case FOLLOW_STAY:
		break;
	}
	return 0;
}

/* Whoever could not give keys, or change a disk, said so. */
static int try_move(struct follow *follow, enum follow_move which,
		    uint64_t epoch, int64_t now_ms)
{
	int err = move(follow, which, epoch);

	if (err && (which == FOLLOW_FETCH || which == FOLLOW_DISK)) {
		follow_judge_failed(&follow->view, now_ms);
		follow->failures++;
		return 0;
	}
	if (!err)
		follow->view.failed = 0;
	return err ?: epochs_look(follow);
}

int epochs_follow(struct follow *follow, const struct kms_app_state *state,
		  int64_t now_ms, const char **why)
{
	enum follow_move next;
	uint64_t epoch = 0;
	int i, err = 0;

	*why = NULL;
	for (i = 0; !err && i < MOVES_MAX; i++) {
		next = follow_judge_epochs(&follow->view, state,
					   &follow->epochs, now_ms, &epoch,
					   why);
		if (next == FOLLOW_STAY)
			break;
		err = try_move(follow, next, epoch, now_ms);
	}
	return err;
}
