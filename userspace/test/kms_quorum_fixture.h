/* SPDX-License-Identifier: MIT */
/*
 * Several KMSs, each with a machine and a disk of its own
 *
 * Copyright The dstack for Linux authors
 *
 * They ask each other by calls.  The first one's state is what it is about.
 */
#ifndef KMS_QUORUM_FIXTURE_H
#define KMS_QUORUM_FIXTURE_H

#include "../kmsd/quorum/room.h"
#include "kms_state_fixture.h"

#define KMSS	5

/* What is wrong with one, for those who ask it. */
enum wrong {
	GOOD, DOWN, LIES, OTHER_GENERATION, GIVES_ANOTHERS, REVOKED_US,
	LOSES_ANSWER,		/* it did what was asked */
};

struct machine {
	uint8_t seal_key[32], who[QUORUM_HASH_SIZE];
	char dir[128], kept[128], name[32];
	struct state_seal seal;
	struct quorum_keeper *keeper;
	enum wrong wrong;
};

static struct machine machines[KMSS];
static struct share given;		/* the last one */
static bool has_given;
static char lines[16384];		/* all that was said */
static unsigned int waits, waits_max;	/* for more shares */
static void (*on_wait)(void), (*on_settle)(void);

static inline int seal_here(void *arg, const void *data, size_t len,
			    void *blob, size_t *blob_len)
{
	memcpy(seal_key, ((struct machine *)arg)->seal_key, sizeof(seal_key));
	return test_seal(NULL, data, len, blob, blob_len);
}

static inline int unseal_here(void *arg, const void *blob, size_t blob_len,
			      void *data, size_t *len)
{
	memcpy(seal_key, ((struct machine *)arg)->seal_key, sizeof(seal_key));
	return test_unseal(NULL, blob, blob_len, data, len);
}

static inline void add_line(const char *line)
{
	size_t len = strlen(lines);

	snprintf(lines + len, sizeof(lines) - len, "%s\n", line);
}

static inline const char *name_of(void *arg, size_t i)
{
	(void)arg;
	return machines[i + 1].name;
}

static inline int refuse(size_t i, int err, const char *why)
{
	char line[512];

	snprintf(line, sizeof(line), "KMS '%s': %s", machines[i + 1].name,
		 why);
	add_line(line);
	return err;
}

static inline int bring_to(void *arg, size_t i,
			   const struct quorum_deposit *deposit)
{
	struct machine *to = &machines[i + 1];
	const char *why = "";
	int err;

	if (!deposit->share && on_settle)
		on_settle();
	if (to->wrong == DOWN)
		return refuse(i, -EHOSTUNREACH, "can't be asked");
	if (to->wrong == REVOKED_US)
		return refuse(i, -EACCES, "refused: Boot denied");
	err = quorum_keep(to->keeper, ((struct machine *)arg)->who, deposit,
			  &why);
	if (err)
		return refuse(i, err, why);
	return to->wrong != LOSES_ANSWER ? 0 :
		refuse(i, -EBADMSG, "its answer ends early");
}

static inline int give_of(void *arg, size_t i, const struct quorum_claim *claim,
			  struct share *share)
{
	struct machine *from = &machines[i + 1];
	const char *why = "";
	int err;

	if (from->wrong == DOWN)
		return refuse(i, -EHOSTUNREACH, "can't be asked");
	if (from->wrong == REVOKED_US)
		return refuse(i, -EACCES, "refused: Boot denied");
	err = quorum_give(from->keeper, ((struct machine *)arg)->who, claim,
			  share, &why);
	if (err)
		return refuse(i, err, why);
	if (from->wrong == LIES)
		share->data[9] ^= 1;
	if (from->wrong == OTHER_GENERATION)
		share->generation++;
	if (from->wrong == GIVES_ANOTHERS && has_given)
		*share = given;
	given = *share;
	has_given = true;
	return 0;
}

static inline bool wait_for_more(void *arg, unsigned int seconds)
{
	(void)arg;
	epoch_need(seconds);
	if (on_wait)
		on_wait();
	return waits++ < waits_max;
}

static struct quorum_peers peers = {
	.name = name_of, .keep = bring_to, .give = give_of,
	.wait = wait_for_more, .tell = add_line, .arg = &machines[0],
};

static inline void open_keeper(struct machine *machine)
{
	const struct quorum_keeper_options keeper = {
		.dir = machine->kept, .seal = &machine->seal,
		.tell = add_line,
	};

	epoch_need(!quorum_keeper_open(&keeper, &machine->keeper));
}

static inline void close_keepers(void)
{
	size_t i;

	for (i = 0; i < KMSS; i++) {
		quorum_keeper_close(machines[i].keeper);
		machines[i].keeper = NULL;
	}
}

static inline void open_keepers(void)
{
	size_t i;

	for (i = 0; i < KMSS; i++)
		open_keeper(&machines[i]);
}

static inline void machine_init(struct machine *machine, int i)
{
	memset(machine, 0, sizeof(*machine));
	memset(machine->who, i + 1, sizeof(machine->who));
	epoch_need(RAND_bytes(machine->seal_key, 32) == 1);
	snprintf(machine->name, sizeof(machine->name), "kms-%d", i);
	snprintf(machine->dir, sizeof(machine->dir), "%s/state-%d", work, i);
	snprintf(machine->kept, sizeof(machine->kept), "%s/kept-%d", work, i);
	machine->seal = (struct state_seal){
		.id = STATE_SEAL_MODULE, .overhead = IV_SIZE + TAG_SIZE,
		.seal = seal_here, .unseal = unseal_here, .arg = machine,
	};
}

/* The first has a state that nobody else has a share of yet. */
static inline void quorum_begin(size_t nr)
{
	struct state *made;
	int i;

	state_begin();
	for (i = 0; i < KMSS; i++)
		machine_init(&machines[i], i);
	snprintf(where, sizeof(where), "%s", machines[0].dir);
	options.seal = &machines[0].seal;
	options.tell = add_line;
	epoch_need(!create(&made) && !state_close(made));
	open_keepers();
	peers.nr = nr - 1;
	waits = 0;
	waits_max = 0;
	on_wait = NULL;
	on_settle = NULL;
	has_given = false;
	*lines = '\0';
}

static inline void quorum_end(void)
{
	close_keepers();
	state_end();
}

static inline struct quorum *new_quorum(const struct machine *machine)
{
	const struct quorum_options quorum_options = {
		.inner = &machine->seal, .peers = &peers,
	};
	struct quorum *made;

	epoch_need(!quorum_open(&quorum_options, &made));
	return made;
}

/* As at a start: by how the file says that it is sealed. */
static inline int start(struct quorum *quorum, struct state **state)
{
	uint16_t id;
	int err = state_sealed_as(options.dir, &id);

	if (err)
		return err;
	options.seal = id == STATE_SEAL_QUORUM ? quorum_seal(quorum) :
		&machines[0].seal;
	return state_open(&options, state);
}

#endif /* KMS_QUORUM_FIXTURE_H */
