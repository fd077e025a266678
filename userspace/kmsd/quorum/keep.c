// SPDX-License-Identifier: MIT
/*
 * What is kept for other KMSs: a file for each of their states
 *
 * Copyright The dstack for Linux authors
 *
 * Each is sealed by this machine, and named by the state's id.  Who brought it
 * is told by evidence; only that instance changes it, and gets a share back if
 * it shows besides that it has the share that stayed.
 */
#include "room.h"

#include <dirent.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../keys/primitives.h"
#include "../state/file.h"

#define NAME_SIZE	(2 * QUORUM_OWNER_SIZE + 1)
#define OVERHEAD_MAX	4096
#define FILE_MAX	(KEPT_SIZE_MAX + OVERHEAD_MAX)

struct entry {
	char name[NAME_SIZE];
	uint8_t who[QUORUM_HASH_SIZE];
	bool is_bad;			/* can't be read: left alone */
};

struct quorum_keeper {
	struct quorum_keeper_options options;
	int dir;
	pthread_mutex_t lock;		/* of all that is below */
	size_t nr;
	struct entry entries[QUORUM_FILES_MAX];
};

static const char unreadable[] =
	"what it kept for that state can't be read any more";

static int fail(int err, const char **why, const char *text)
{
	*why = text;
	return err;
}

/*
 * Files
 */

static int load(const struct quorum_keeper *keeper, const char *name,
		struct kept *kept)
{
	const struct state_seal *seal = keeper->options.seal;
	uint8_t file[FILE_MAX];
	size_t len, plain_len = FILE_MAX;
	char owner[NAME_SIZE];
	void *plain;
	int err = libdstack_secret_alloc(FILE_MAX, &plain);

	if (err)
		return err;
	err = file_read(keeper->dir, name, sizeof(file), file, &len);
	if (!err)
		err = seal->unseal(seal->arg, file, len, plain, &plain_len);
	if (!err)
		err = kept_read(plain, plain_len, kept);
	/* Else one could be put in the place of another. */
	if (!err && strcmp(name, libdstack_to_hex(kept->owner,
						  sizeof(kept->owner),
						  owner)) != 0)
		err = -EBADMSG;
	libdstack_secret_free(plain, FILE_MAX);
	return err;
}

static int store(const struct quorum_keeper *keeper, const char *name,
		 const struct kept *kept)
{
	const struct state_seal *seal = keeper->options.seal;
	uint8_t file[FILE_MAX];
	size_t len = 0;
	void *plain;
	int err = libdstack_secret_alloc(KEPT_SIZE_MAX, &plain);

	if (err)
		return err;
	err = seal->seal(seal->arg, plain, kept_write(kept, plain), file,
			 &len);
	libdstack_secret_free(plain, KEPT_SIZE_MAX);
	return err ? err : file_replace(keeper->dir, name, 0600, file, len);
}

static void tell(const struct quorum_keeper *keeper, const char *name,
		 const char *what)
{
	char line[LIBDSTACK_MESSAGE_MAX];

	if (!keeper->options.tell)
		return;
	snprintf(line, sizeof(line), "'%s/%s': %s", keeper->options.dir, name,
		 what);
	keeper->options.tell(line);
}

static bool is_name(const char *name)
{
	return strlen(name) == NAME_SIZE - 1 &&
		strspn(name, "0123456789abcdef") == NAME_SIZE - 1;
}

static void note(struct quorum_keeper *keeper, const char *name,
		 struct kept *kept)
{
	struct entry *entry = &keeper->entries[keeper->nr++];
	int err = load(keeper, name, kept);

	memcpy(entry->name, name, NAME_SIZE);
	entry->is_bad = err != 0;
	if (err)
		tell(keeper, name, "this share of another KMS can't be read, and is not given: it was changed, or another machine sealed it");
	else
		memcpy(entry->who, kept->who, sizeof(entry->who));
}

static int read_dir(struct quorum_keeper *keeper, struct kept *kept)
{
	int fd = dup(keeper->dir);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *file;
	int err = 0;

	if (!dir) {
		err = -errno;
		if (fd >= 0)
			close(fd);
		return err;
	}
	while (!err && (file = readdir(dir))) {
		if (!is_name(file->d_name))
			continue;
		if (keeper->nr == QUORUM_FILES_MAX)
			err = -EDQUOT;
		else
			note(keeper, file->d_name, kept);
	}
	closedir(dir);
	return err;
}

static int begin(struct quorum_keeper *keeper)
{
	void *kept;
	int err;

	keeper->dir = file_open_dir(keeper->options.dir, false);
	if (keeper->dir < 0)
		return keeper->dir;
	err = libdstack_secret_alloc(sizeof(struct kept), &kept);
	if (err)
		return err;
	file_clean(keeper->dir);
	err = read_dir(keeper, kept);
	libdstack_secret_free(kept, sizeof(struct kept));
	return err;
}

int quorum_keeper_open(const struct quorum_keeper_options *options,
		       struct quorum_keeper **out)
{
	struct quorum_keeper *keeper;
	int err;

	if (options->seal->overhead > OVERHEAD_MAX)
		return -EINVAL;
	keeper = calloc(1, sizeof(*keeper));
	if (!keeper)
		return -ENOMEM;
	keeper->options = *options;
	pthread_mutex_init(&keeper->lock, NULL);
	err = begin(keeper);
	if (!err) {
		*out = keeper;
		return 0;
	}
	tell(keeper, "", "shares of other KMSs can't be kept here: it must be a directory of this user that nobody else may look into (mode 0700), with 128 of them at most");
	quorum_keeper_close(keeper);
	return err;
}

void quorum_keeper_close(struct quorum_keeper *keeper)
{
	if (!keeper)
		return;
	if (keeper->dir >= 0)
		close(keeper->dir);
	pthread_mutex_destroy(&keeper->lock);
	free(keeper);
}

/*
 * What is brought
 */

static struct entry *find(struct quorum_keeper *keeper, const char *name)
{
	size_t i;

	for (i = 0; i < keeper->nr; i++)
		if (!strcmp(keeper->entries[i].name, name))
			return &keeper->entries[i];
	return NULL;
}

static size_t count_of(const struct quorum_keeper *keeper, const uint8_t *who)
{
	size_t i, nr = 0;

	for (i = 0; i < keeper->nr; i++)
		nr += !keeper->entries[i].is_bad &&
			!memcmp(keeper->entries[i].who, who, QUORUM_HASH_SIZE);
	return nr;
}

static int check_deposit(const struct quorum_deposit *deposit,
			 const char **why)
{
	const struct share *share = deposit->share;

	if (share ? share->len != QUORUM_SHARE_LEN ||
	    share->generation <= deposit->in_use : !deposit->in_use)
		return fail(-EINVAL, why, "it is no share of a generation after the one in use");
	return 0;
}

/* Those in use stay, others go, and the new one comes. */
static int change(struct kept *kept, const struct quorum_deposit *deposit,
		  const char **why)
{
	struct kept_share *shares = kept->shares;
	bool has = false;
	size_t i;

	if (deposit->in_use < kept->in_use)
		return fail(-ESTALE, why, "a later generation is in use: the state that asks is an old one");
	for (i = 0; i < kept->nr && !has; i++) {
		has = shares[i].share.generation == deposit->in_use;
		if (has && i)
			shares[0] = shares[i];
	}
	if (!deposit->share && !has)
		return fail(-ENODATA, why, "it has no share of that generation");
	kept->nr = has;
	kept->in_use = deposit->in_use;
	if (deposit->share) {
		shares[kept->nr].share = *deposit->share;
		memcpy(shares[kept->nr++].check, deposit->check,
		       QUORUM_HASH_SIZE);
	}
	return 0;
}

static int begin_kept(const uint8_t *who, const struct quorum_deposit *deposit,
		      struct kept *kept, const char **why)
{
	if (!deposit->share)
		return fail(-ENODATA, why, "it has no share of that state");
	memcpy(kept->owner, deposit->owner, sizeof(kept->owner));
	memcpy(kept->who, who, sizeof(kept->who));
	return change(kept, deposit, why);
}

static int change_known(struct quorum_keeper *keeper,
			const struct entry *entry, const uint8_t *who,
			const struct quorum_deposit *deposit,
			struct kept *kept, const char **why)
{
	int err;

	if (entry->is_bad)
		return fail(-EBADMSG, why, unreadable);
	if (memcmp(entry->who, who, QUORUM_HASH_SIZE) != 0)
		return fail(-EACCES, why, "another instance has brought that");
	err = load(keeper, entry->name, kept);
	/* It could not be stored, and is brought again. */
	if (err == -ENOENT)
		return begin_kept(who, deposit, kept, why);
	return err ? fail(err, why, unreadable) : change(kept, deposit, why);
}

static int begin_new(const struct quorum_keeper *keeper, const uint8_t *who,
		     const struct quorum_deposit *deposit, struct kept *kept,
		     const char **why)
{
	if (deposit->share && (keeper->nr == QUORUM_FILES_MAX ||
			       count_of(keeper, who) >= QUORUM_FILES_OF_ONE))
		return fail(-EDQUOT, why, "it keeps shares of too many states: those that are of no use any more have to be removed there");
	return begin_kept(who, deposit, kept, why);
}

static int keep(struct quorum_keeper *keeper, const uint8_t *who,
		const struct quorum_deposit *deposit, struct kept *kept,
		const char **why)
{
	char name[NAME_SIZE];
	struct entry *entry;
	int err;

	libdstack_to_hex(deposit->owner, sizeof(deposit->owner), name);
	entry = find(keeper, name);
	err = entry ? change_known(keeper, entry, who, deposit, kept, why) :
		begin_new(keeper, who, deposit, kept, why);
	if (err)
		return err;
	/* After an error it may be there all the same. */
	if (!entry) {
		entry = &keeper->entries[keeper->nr++];
		memcpy(entry->name, name, NAME_SIZE);
		memcpy(entry->who, who, sizeof(entry->who));
		entry->is_bad = false;
	}
	err = store(keeper, name, kept);
	return err ? fail(err, why, "it can't be stored there") : 0;
}

int quorum_keep(struct quorum_keeper *keeper,
		const uint8_t who[QUORUM_HASH_SIZE],
		const struct quorum_deposit *deposit, const char **why)
{
	void *kept;
	int err = check_deposit(deposit, why);

	if (err)
		return err;
	err = libdstack_secret_alloc(sizeof(struct kept), &kept);
	if (err)
		return fail(err, why, "out of memory");
	pthread_mutex_lock(&keeper->lock);
	err = keep(keeper, who, deposit, kept, why);
	pthread_mutex_unlock(&keeper->lock);
	libdstack_secret_free(kept, sizeof(struct kept));
	return err;
}

/*
 * What is given
 */

static int take(const struct kept *kept, const struct quorum_claim *claim,
		struct share *share, const char **why)
{
	const struct part part = { claim->proof, sizeof(claim->proof) };
	uint8_t check[QUORUM_HASH_SIZE];
	size_t i;
	int err = hash_parts(HASH_SHA256, &part, 1, check);

	if (err)
		return fail(err, why, "out of memory");
	for (i = 0; i < kept->nr; i++)
		if (kept->shares[i].share.generation == claim->generation)
			break;
	if (i == kept->nr)
		return fail(-ESTALE, why, "its share is of another generation: the state was shared out anew since");
	if (CRYPTO_memcmp(check, kept->shares[i].check, sizeof(check)) != 0)
		return fail(-EACCES, why, "who asks does not have the share that stayed");
	*share = kept->shares[i].share;
	return 0;
}

static int give(struct quorum_keeper *keeper, const uint8_t *who,
		const struct quorum_claim *claim, struct kept *kept,
		struct share *share, const char **why)
{
	const struct entry *entry;
	char name[NAME_SIZE];
	int err;

	entry = find(keeper, libdstack_to_hex(claim->owner,
					      sizeof(claim->owner), name));
	if (!entry)
		return fail(-ENODATA, why, "it has no share of that state");
	if (entry->is_bad)
		return fail(-EBADMSG, why, unreadable);
	if (memcmp(entry->who, who, QUORUM_HASH_SIZE) != 0)
		return fail(-EACCES, why, "another instance has brought that");
	err = load(keeper, name, kept);
	return err ? fail(err, why, unreadable) :
		take(kept, claim, share, why);
}

int quorum_give(struct quorum_keeper *keeper,
		const uint8_t who[QUORUM_HASH_SIZE],
		const struct quorum_claim *claim, struct share *share,
		const char **why)
{
	void *kept;
	int err = libdstack_secret_alloc(sizeof(struct kept), &kept);

	if (err)
		return fail(err, why, "out of memory");
	pthread_mutex_lock(&keeper->lock);
	err = give(keeper, who, claim, kept, share, why);
	pthread_mutex_unlock(&keeper->lock);
	libdstack_secret_free(kept, sizeof(struct kept));
	return err;
}
