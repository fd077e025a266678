/* SPDX-License-Identifier: MIT */
/*
 * Programs that do a part of the work
 *
 * Copyright The dstack for Linux authors
 *
 *	start.c		the child, until it is that program
 *	spawn.c		what is said to it, what it says, and its end
 *	hear.c		what may be done with what it says
 *	lines.c		what it says, line by line for a log
 *
 * A program has nothing of ours that it was not given: no variable, no open
 * file, no signal that is blocked or ignored.  It ends when we do, and leads a
 * group of its own, so that whoever it started can be ended with it.  When it
 * has ended, what it left in the background stays, and is no longer heard.
 *
 * Who gives programs input ignores SIGPIPE.
 */
#ifndef SPAWN_H
#define SPAWN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SPAWN_EXIT_SIGNAL	128	/* and its number: what ended it */
#define SPAWN_LINE_MAX		512

/* Some of what it says.  Not 0: it is ended, and this is why. */
typedef int (*spawn_hear_fn)(void *arg, const char *data, size_t len);

struct spawn_ear {
	spawn_hear_fn fn;		/* NULL: it has our descriptor */
	void *arg;
};

struct spawn {
	const char *const *argv;	/* the first is found by its PATH */
	const char *const *env;		/* all that it has; NULL: nothing */
	const char *dir;		/* where it runs; NULL: here */
	const void *input;		/* NULL: it reads /dev/null */
	size_t input_len;
	struct spawn_ear out, err;
	bool together;			/* errors are heard as output */
	int64_t timeout_ms;		/* for all of it; 0: no end */
	int64_t grace_ms;		/* from SIGTERM to SIGKILL */
};

/* start.c */

enum { SPAWN_IN, SPAWN_OUT, SPAWN_ERR, SPAWN_FILES };

/* With these as its files, of which -1 is ours.  Returns when it has begun. */
int spawn_start(const struct spawn *spawn, const int files[SPAWN_FILES],
		int *pid);

/* spawn.c */

/*
 * How it ended.  -ETIMEDOUT, or what hearing it gave: it was ended, and with
 * it its group; another -errno: it did not begin.
 */
int spawn_run(const struct spawn *spawn);
/* Of a clock that nobody sets. */
int64_t spawn_now_ms(void);

/* hear.c */

int spawn_ignore(void *arg, const char *data, size_t len);

/* All of it, for free(), with a NUL behind it.  -EFBIG: there is more. */
struct spawn_text {
	size_t max, len;
	char *data;		/* NULL: it said nothing */
};

int spawn_keep(void *text, const char *data, size_t len);

/* Of several lines the last, which says what came of it all. */
struct spawn_line {
	size_t len;
	bool over;
	char text[SPAWN_LINE_MAX];
};

int spawn_keep_line(void *line, const char *data, size_t len);

/* lines.c */

/* One line of printable letters. */
typedef void (*spawn_tell_fn)(void *arg, const char *line);

/* Line by line, and not more than a log can take. */
struct spawn_lines {
	spawn_tell_fn tell;
	void *arg;
	size_t len;
	char line[256];
	bool cut;		/* the rest of this line is left out */
	size_t room;		/* lines that may follow */
	size_t left_out;	/* lines */
	int64_t since;		/* milliseconds */
};

void spawn_lines_start(struct spawn_lines *lines, spawn_tell_fn tell,
		       void *arg);
int spawn_lines_hear(void *lines, const char *data, size_t len);
/* What was no whole line, too. */
void spawn_lines_end(struct spawn_lines *lines);

#endif /* SPAWN_H */
