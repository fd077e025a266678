/* SPDX-License-Identifier: MIT */
/*
 * dstack-boot follow: what a contract says now is done in the guest that runs
 *
 * Copyright The dstack for Linux authors
 *
 * A process of its own: whatever a KMS does to it, nobody waits for it.
 * Documentation/admin-guide/kms-follow.rst is for who runs it.
 *
 *	main.c		its options, and the files that a boot left
 *	loop.c		one look a second
 *	judge.c		what follows from what was seen: PURE
 *	document.c	policies by name, and what is left of a revoked one
 *	act.c		in the module
 *	epochs.c	keys of the next key epoch, and the end of the last
 *	record.c	what is kept from one start to the next, and metrics
 *
 * Functions return 0 or -errno, after a line.
 */
#ifndef FOLLOW_H
#define FOLLOW_H

#include <stdio.h>

#include "../app/app.h"
#include "../disk/disk.h"
#include "../keys/app_keys.h"
#include "../kms/kms.h"

struct follow_options {
	const char *app;		/* as its boot left it */
	const char *host;		/* where further policies are */
	const char *log;		/* the event log */
	const char *run;		/* what is kept until the next boot */
};

/* main.c */

/* @argv[0] is "follow".  Returns the exit status. */
int follow_main(int argc, char **argv);
/* One line, to stderr. */
void follow_say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void follow_tell(const char *line);
/* Whether what is wrong was said a moment ago, and need not be again. */
void follow_hush(bool hush);

/* judge.c */

enum follow_step {
	FOLLOW_KEEP,			/* all is as it should be */
	FOLLOW_WAIT,			/* it is not known, or not to be had */
	FOLLOW_LOAD,			/* another policy is in force */
	FOLLOW_WITHDRAW,		/* nothing is allowed any more */
};

/* What is known, from one look to the next. */
struct follow_view {
	uint64_t grace_s;		/* of not knowing; 0: for ever */
	uint64_t block;			/* the newest that was seen */
	int64_t since_ms;		/* when all was last known */
	/* Keys could not be had so often, and are not asked for before. */
	unsigned int failed;
	int64_t again_ms;
};

/* What the module has. */
struct follow_active {
	uint64_t epoch;			/* 0: no policy */
	uint8_t document[DSTACK_DIGEST_SIZE];
	bool withdrawn;			/* it is what is left of one */
};

/*
 * @state: what was answered; NULL: nothing.  *@why: static, of WAIT and of a
 * WITHDRAW for want of an answer; else NULL.
 */
enum follow_step follow_judge(struct follow_view *view,
			      const struct kms_app_state *state,
			      const struct follow_active *active,
			      int64_t now_ms, const char **why);
/* LOAD did not work: it is as if nothing had been answered. */
enum follow_step follow_judge_without(const struct follow_view *view,
				      int64_t now_ms);

enum follow_move {
	FOLLOW_STAY,
	FOLLOW_FETCH,			/* keys of the next epoch */
	FOLLOW_ADD,			/* they are to be in the module */
	FOLLOW_DISK,			/* is to open with them */
	FOLLOW_END,			/* of the old epoch */
	FOLLOW_RETIRE,			/* what ended, in the module as well */
};

/* The key epochs whose keys are here. */
struct follow_epochs {
	uint64_t has, next;		/* the same: there is no next one */
	/* What the module has: root keys of them, of any before, of others. */
	bool has_root, next_root, older_root, other_root;
	bool disk_waits;		/* it opens with the old key */
};

/*
 * One after the other until it is to stay.  *@epoch: which to fetch; *@why:
 * static, why it stays although an epoch has ended, else NULL.
 */
enum follow_move follow_judge_epochs(const struct follow_view *view,
				     const struct kms_app_state *state,
				     const struct follow_epochs *epochs,
				     int64_t now_ms, uint64_t *epoch,
				     const char **why);
/* FETCH or DISK did not work: it is not tried again at once. */
void follow_judge_failed(struct follow_view *view, int64_t now_ms);

/* document.c */

struct follow_document {
	char *text;			/* NULL: none */
	uint8_t digest[DSTACK_DIGEST_SIZE];	/* of its canonical form */
};

void follow_document_free(struct follow_document *document);
/* @text is taken over, also if this fails. */
int follow_document_take(char *text, struct follow_document *document);
/* With the application's id in it, where it has none. */
int follow_document_complete(const char *text,
			     const uint8_t app_id[APP_ID_SIZE],
			     struct follow_document *document);
/* What is left once its containers are taken out. */
int follow_document_withdraw(const struct follow_document *from,
			     struct follow_document *to);
/*
 * "policy-ROOT.json" in @dir.  It must have that digest, be of this epoch, and
 * of this application.  -ENOENT, of which nothing is said: there is none.
 */
int follow_document_find(int dir, const struct kms_app_state *state,
			 const uint8_t app_id[APP_ID_SIZE],
			 struct follow_document *document);

/* act.c */

struct follow {
	const struct follow_options *options;
	const struct app_compose *compose;
	struct agent_app_keys *keys[AGENT_APP_KEYS_ALL];
	struct follow_epochs epochs;
	uint64_t disk_epoch;		/* to which it was moved here */
	uint8_t app_id[APP_ID_SIZE];
	struct libdstack_control *control;
	int host, app, run;		/* directories */
	/* The root that is asked: of keys that are here. */
	struct kms kms;
	uint8_t pin[AGENT_PROVIDER_ID_MAX];
	struct kms_session *session;
	struct follow_view view;
	/* Of the policy that is active, if it is one that we know. */
	struct follow_document active, left;
	struct follow_active module;
	uint8_t sought[DSTACK_DIGEST_SIZE];	/* and not found among ours */
	/* Counted since this process began. */
	uint64_t answers, failures, withdrawals, loads;
};

/* What the module has now, in follow->module. */
int act_look(struct follow *follow);
/* Takes the policy of its containers away, and the keys. */
int act_withdraw(struct follow *follow);
/* That is in force; and the keys again, if they were taken away. */
int act_load(struct follow *follow, const struct kms_app_state *state);

/* epochs.c */

/* Both files; what was read before is freed. */
int epochs_read(struct follow *follow);
/* Which there are, in the files and in the module, in follow->epochs. */
int epochs_look(struct follow *follow);
/* All that the module is to have, unless it has it. */
int epochs_restore(struct follow *follow);
/*
 * All that is to be done, until it is to stay, or something failed.  Keys that
 * can't be had are no failure: they are asked for again later.
 */
int epochs_follow(struct follow *follow, const struct kms_app_state *state,
		  int64_t now_ms, const char **why);
/* A session with the KMS that has this root. */
int epochs_pin(struct follow *follow, const struct agent_app_keys *keys);

/* record.c */

/* All of it or nothing, for root's eyes only. */
int record_replace(int dir, const char *name, const char *text);
/* What was seen before this process was there; 0 if nothing was. */
int record_read_block(int run, uint64_t *block);
/* Block and metrics.  @state: NULL, nothing was answered. */
int record_write(const struct follow *follow,
		 const struct kms_app_state *state);

/* loop.c */

/* Until it is ended by a signal. */
int loop_run(struct follow *follow, unsigned int interval_s);

#endif /* FOLLOW_H */
