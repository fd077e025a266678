// SPDX-License-Identifier: MIT
/*
 * The threads: one that finds out who asks, and some that answer
 *
 * Copyright The dstack for Linux authors
 *
 * Callers take turns, so one that asks for much waits behind its own calls.
 * A call may be stuck in the kernel.  Who waits for it is told at its deadline,
 * and another thread stands in for the one that is stuck until it comes back.
 * So it is for one that says that it waits: both are away.
 */
#include "pool.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>

/* A caller that does not take its replies has no more made. */
#define OWED_MAX	8388608
#define STACK_BYTES	1048576	/* of address space, not of memory */

/* Lives as long as it has connections or calls. */
struct account {
	TAILQ_ENTRY(account) link;
	char id[DSTACK_ID_SIZE];
	struct calls waiting, returning; /* to begin, and to go on */
	unsigned int nr_waiting, refs;
	unsigned int running, away;	/* those that are away run, too */
	unsigned int connections;
	size_t owed;			/* bytes of replies, not taken yet */
	bool large;			/* the loop's */
	bool remote;			/* all strangers have this one */
};

TAILQ_HEAD(accounts, account);

struct thread {
	struct pool *pool;
	pthread_t id;
	bool used, ended;		/* used: to be joined */
};

struct pool {
	http_handle_fn handle;
	void *arg;
	struct caller_lookup lookup;
	struct http_limits limits;
	int wake_fd;

	pthread_mutex_t lock;		/* of all below */
	pthread_cond_t unnamed_ready, waiting_ready, thread_ended;
	struct accounts accounts;	/* whose turn it is comes first */
	struct calls unnamed, done;
	bool closing;
	unsigned int alive;		/* threads, with the namer */
	unsigned int workers;		/* of them */
	unsigned int running, away;	/* of these: with a call, and so that */
	unsigned int waiting;		/* one by their own will, not stuck */
	struct thread *threads;		/* the first is the namer */
};

static void kick(struct pool *pool);

/* accounts */

static struct account *account_get(struct pool *pool, const char *id)
{
	struct account *account;

	account = TAILQ_FIRST(&pool->accounts);
	while (account && strcmp(account->id, id))
		account = TAILQ_NEXT(account, link);
	if (!account) {
		account = calloc(1, sizeof(*account));
		if (!account)
			return NULL;
		memcpy(account->id, id, strnlen(id, sizeof(account->id) - 1));
		account->remote = !strcmp(id, CALLER_REMOTE);
		TAILQ_INIT(&account->waiting);
		TAILQ_INIT(&account->returning);
		TAILQ_INSERT_TAIL(&pool->accounts, account, link);
	}
	account->refs++;
	return account;
}

static void account_put(struct pool *pool, struct account *account)
{
	if (!account || --account->refs)
		return;
	TAILQ_REMOVE(&pool->accounts, account, link);
	free(account);
}

struct account *account_connect(struct pool *pool, struct call *call)
{
	struct account *account;

	pthread_mutex_lock(&pool->lock);
	account = call->account;
	if (account &&
	    account->connections < pool->limits.caller_connections) {
		account->connections++;
		account->refs++;
	} else {
		account = NULL;
	}
	pthread_mutex_unlock(&pool->lock);
	return account;
}

const char *account_id(const struct account *account)
{
	return account->id;
}

void account_disconnect(struct pool *pool, struct account *account)
{
	pthread_mutex_lock(&pool->lock);
	account->connections--;
	account_put(pool, account);
	pthread_mutex_unlock(&pool->lock);
}

void account_owe(struct pool *pool, struct account *account, size_t bytes)
{
	pthread_mutex_lock(&pool->lock);
	account->owed += bytes;
	pthread_mutex_unlock(&pool->lock);
}

void account_take(struct pool *pool, struct account *account, size_t bytes)
{
	pthread_mutex_lock(&pool->lock);
	account->owed -= bytes;
	kick(pool);
	pthread_mutex_unlock(&pool->lock);
}

bool account_take_large(struct account *account)
{
	if (account->large)
		return false;
	account->large = true;
	return true;
}

void account_put_large(struct account *account)
{
	account->large = false;
}

/* calls */

void pool_free_call(struct pool *pool, struct call *call)
{
	pthread_mutex_lock(&pool->lock);
	account_put(pool, call->account);
	pthread_mutex_unlock(&pool->lock);
	call_free(call);
}

/* Frees @call with the lock dropped: wiping takes its time. */
static void drop(struct pool *pool, struct call *call)
{
	pthread_mutex_unlock(&pool->lock);
	pool_free_call(pool, call);
	pthread_mutex_lock(&pool->lock);
}

static void finish(struct pool *pool, struct call *call)
{
	bool first = TAILQ_EMPTY(&pool->done);

	if (call->abandoned) {
		drop(pool, call);
		return;
	}
	call->stage = CALL_DONE;
	TAILQ_INSERT_TAIL(&pool->done, call, link);
	if (first)
		eventfd_write(pool->wake_fd, 1);
}

struct call *pool_done(struct pool *pool)
{
	struct call *call;

	pthread_mutex_lock(&pool->lock);
	call = TAILQ_FIRST(&pool->done);
	if (call)
		TAILQ_REMOVE(&pool->done, call, link);
	pthread_mutex_unlock(&pool->lock);
	return call;
}

/* namer */

static void name(struct pool *pool, struct call *call)
{
	int err;

	pthread_mutex_unlock(&pool->lock);
	err = caller_find(&pool->lookup, &call->peer, &call->request.caller);
	caller_peer_close(&call->peer);
	pthread_mutex_lock(&pool->lock);
	if (call->abandoned || err) {
		reply_error(&call->reply, 403);
		finish(pool, call);
		return;
	}
	call->account = account_get(pool, call->request.caller.id);
	if (!call->account || call->names_only) {
		finish(pool, call);
	} else if (call->account->nr_waiting >= pool->limits.caller_queue) {
		reply_error(&call->reply, 503);
		finish(pool, call);
	} else {
		call->stage = CALL_WAITING;
		TAILQ_INSERT_TAIL(&call->account->waiting, call, link);
		call->account->nr_waiting++;
		kick(pool);
	}
}

void pool_name(struct pool *pool, struct call *call)
{
	int err = caller_find(&pool->lookup, &call->peer,
			      &call->request.caller);

	if (err)
		return;
	pthread_mutex_lock(&pool->lock);
	call->account = account_get(pool, call->request.caller.id);
	pthread_mutex_unlock(&pool->lock);
}

void pool_submit(struct pool *pool, struct call *call)
{
	pthread_mutex_lock(&pool->lock);
	call->pool = pool;
	if (call->peer.remote) {
		/* Its address is its name: there is nothing to wait for. */
		call->stage = CALL_NAMING;
		name(pool, call);
	} else {
		call->stage = CALL_UNNAMED;
		TAILQ_INSERT_TAIL(&pool->unnamed, call, link);
		pthread_cond_signal(&pool->unnamed_ready);
	}
	pthread_mutex_unlock(&pool->lock);
}

static void thread_end(struct thread *thread)
{
	struct pool *pool = thread->pool;

	thread->ended = true;
	pool->alive--;
	pthread_cond_broadcast(&pool->thread_ended);
	pthread_mutex_unlock(&pool->lock);
}

static void *namer(void *arg)
{
	struct thread *thread = arg;
	struct pool *pool = thread->pool;
	struct call *call;

	pthread_mutex_lock(&pool->lock);
	while (!pool->closing) {
		call = TAILQ_FIRST(&pool->unnamed);
		if (!call) {
			pthread_cond_wait(&pool->unnamed_ready, &pool->lock);
			continue;
		}
		TAILQ_REMOVE(&pool->unnamed, call, link);
		call->stage = CALL_NAMING;
		name(pool, call);
	}
	thread_end(thread);
	return NULL;
}

/* workers */

static unsigned int at_work(const struct pool *pool)
{
	return pool->running - pool->away;
}

/* A caller has not all places at work, and none while it takes no replies. */
static bool has_place(const struct pool *pool, const struct account *account)
{
	unsigned int share = pool->limits.workers > 1 && !account->remote ?
			     pool->limits.workers - 1 : 1;

	return account->owed < OWED_MAX &&
		account->running - account->away < share;
}

/*
 * Nor has it more than half of the threads that there can ever be, however many
 * of its calls are stuck or wait.
 */
static bool may_begin(const struct pool *pool, const struct account *account)
{
	return account->nr_waiting &&
		(!account->running ||
		 account->running < (pool->limits.workers_max + 1) / 2);
}

static struct account *whose_turn(const struct pool *pool)
{
	struct account *account;

	if (at_work(pool) >= pool->limits.workers)
		return NULL;
	TAILQ_FOREACH(account, &pool->accounts, link)
		if (has_place(pool, account) &&
		    (!TAILQ_EMPTY(&account->returning) ||
		     may_begin(pool, account)))
			break;
	return account;
}

static void had_turn(struct pool *pool, struct account *account)
{
	TAILQ_REMOVE(&pool->accounts, account, link);
	TAILQ_INSERT_TAIL(&pool->accounts, account, link);
}

static struct call *begin(struct pool *pool, struct account *account)
{
	struct call *call = TAILQ_FIRST(&account->waiting);

	TAILQ_REMOVE(&account->waiting, call, link);
	account->nr_waiting--;
	account->running++;
	pool->running++;
	call->stage = CALL_RUNNING;
	had_turn(pool, account);
	return call;
}

static void come_back(struct pool *pool, struct call *call)
{
	call->away = false;
	call->account->away--;
	pool->away--;
}

/* Its thread goes on. */
static void release(struct call *call)
{
	TAILQ_REMOVE(&call->account->returning, call, link);
	pthread_cond_signal(call->turn);
	call->turn = NULL;
}

static void go_on(struct pool *pool, struct account *account)
{
	struct call *call = TAILQ_FIRST(&account->returning);

	come_back(pool, call);
	release(call);
	had_turn(pool, account);
}

/* A call to begin, if it is the turn of one; those that go on have threads. */
static struct call *take(struct pool *pool)
{
	struct account *account;

	while ((account = whose_turn(pool))) {
		if (TAILQ_EMPTY(&account->returning))
			return begin(pool, account);
		go_on(pool, account);
	}
	return NULL;
}

static void run(struct pool *pool, struct call *call)
{
	pthread_mutex_unlock(&pool->lock);
	pool->handle(pool->arg, &call->request, &call->reply);
	pthread_mutex_lock(&pool->lock);
	call->account->running--;
	pool->running--;
	if (call->away)
		come_back(pool, call);
	finish(pool, call);
}

static unsigned int spare(const struct pool *pool)
{
	return pool->workers - pool->running;
}

static void *worker(void *arg)
{
	struct thread *thread = arg;
	struct pool *pool = thread->pool;
	struct call *call;

	pthread_mutex_lock(&pool->lock);
	while (!pool->closing) {
		call = take(pool);
		if (call) {
			kick(pool);
			run(pool, call);
			continue;
		}
		/* Never are so many wanted at a time. */
		if (spare(pool) > pool->limits.workers)
			break;
		pthread_cond_wait(&pool->waiting_ready, &pool->lock);
	}
	pool->workers--;
	thread_end(thread);
	return NULL;
}

/* Signals are for the program's own threads. */
static int thread_start(struct thread *thread, void *(*fn)(void *arg))
{
	pthread_attr_t attr;
	sigset_t all, old;
	int err;

	if (thread->used)
		pthread_join(thread->id, NULL);
	thread->used = false;
	thread->ended = false;
	err = pthread_attr_init(&attr);
	if (err)
		return -err;
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &old);
	err = pthread_create(&thread->id, &attr, fn, thread);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	if (err)
		return -err;
	thread->used = true;
	thread->pool->alive++;
	return 0;
}

static int worker_start(struct pool *pool)
{
	unsigned int i;
	int err;

	for (i = 1; i <= pool->limits.workers_max; i++)
		if (!pool->threads[i].used || pool->threads[i].ended)
			break;
	if (i > pool->limits.workers_max)
		return -EAGAIN;
	err = thread_start(&pool->threads[i], worker);
	if (!err)
		pool->workers++;
	return err;
}

/* Something may be possible that was not: who can go on does. */
static void kick(struct pool *pool)
{
	struct account *account;

	while ((account = whose_turn(pool))) {
		if (!TAILQ_EMPTY(&account->returning)) {
			go_on(pool, account);
			continue;
		}
		if (spare(pool))
			pthread_cond_signal(&pool->waiting_ready);
		else
			worker_start(pool);
		break;
	}
}

static void go_away(struct pool *pool, struct call *call)
{
	call->away = true;
	call->account->away++;
	pool->away++;
	kick(pool);
}

static void abandon_running(struct pool *pool, struct call *call)
{
	call->abandoned = true;
	if (!call->away)
		go_away(pool, call);
	/* It stays away, so that it keeps nobody up. */
	if (call->turn)
		release(call);
}

/* Some are kept for calls that need not wait, whoever waits for what. */
static unsigned int may_wait(const struct pool *pool)
{
	unsigned int kept = 4 * pool->limits.workers;

	return pool->limits.workers_max > kept ?
		pool->limits.workers_max - kept : 0;
}

int http_leave(const struct http_caller *caller)
{
	struct call *call = caller->call;
	struct pool *pool = call ? call->pool : NULL;
	int err = -EAGAIN;

	if (!pool)
		return 0;
	pthread_mutex_lock(&pool->lock);
	if (pool->waiting < may_wait(pool)) {
		pool->waiting++;
		if (!call->away)
			go_away(pool, call);
		err = 0;
	}
	pthread_mutex_unlock(&pool->lock);
	return err;
}

void http_return(const struct http_caller *caller)
{
	pthread_cond_t turn = PTHREAD_COND_INITIALIZER;
	struct call *call = caller->call;
	struct pool *pool = call ? call->pool : NULL;

	if (!pool)
		return;
	pthread_mutex_lock(&pool->lock);
	pool->waiting--;
	if (!call->abandoned && !pool->closing) {
		call->turn = &turn;
		TAILQ_INSERT_TAIL(&call->account->returning, call, link);
		kick(pool);
	}
	while (call->turn)
		pthread_cond_wait(&turn, &pool->lock);
	pthread_mutex_unlock(&pool->lock);
}

void pool_abandon(struct pool *pool, struct call *call)
{
	pthread_mutex_lock(&pool->lock);
	switch (call->stage) {
	case CALL_UNNAMED:
		TAILQ_REMOVE(&pool->unnamed, call, link);
		drop(pool, call);
		break;
	case CALL_NAMING:
		call->abandoned = true;
		break;
	case CALL_WAITING:
		TAILQ_REMOVE(&call->account->waiting, call, link);
		call->account->nr_waiting--;
		drop(pool, call);
		break;
	case CALL_RUNNING:
		abandon_running(pool, call);
		break;
	case CALL_DONE:
		TAILQ_REMOVE(&pool->done, call, link);
		drop(pool, call);
		break;
	}
	pthread_mutex_unlock(&pool->lock);
}

/* the pool */

static int init_conds(struct pool *pool)
{
	pthread_condattr_t attr;
	int err;

	err = pthread_condattr_init(&attr);
	if (err)
		return -err;
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	err = pthread_mutex_init(&pool->lock, NULL) ?:
	      pthread_cond_init(&pool->unnamed_ready, &attr) ?:
	      pthread_cond_init(&pool->waiting_ready, &attr) ?:
	      pthread_cond_init(&pool->thread_ended, &attr);
	pthread_condattr_destroy(&attr);
	return -err;
}

int pool_open(struct pool **out, const struct http_config *config,
	      const struct http_limits *limits, int wake_fd)
{
	struct pool *pool = calloc(1, sizeof(*pool));
	unsigned int i;
	int err;

	if (!pool)
		return -ENOMEM;
	pool->handle = config->handle;
	pool->arg = config->arg;
	pool->lookup = config->lookup;
	pool->limits = *limits;
	pool->wake_fd = wake_fd;
	TAILQ_INIT(&pool->accounts);
	TAILQ_INIT(&pool->unnamed);
	TAILQ_INIT(&pool->done);
	pool->threads = calloc(limits->workers_max + 1,
			       sizeof(*pool->threads));
	err = pool->threads ? init_conds(pool) : -ENOMEM;
	if (err) {
		free(pool->threads);
		free(pool);
		return err;
	}
	pthread_mutex_lock(&pool->lock);
	for (i = 0; i <= limits->workers_max; i++)
		pool->threads[i].pool = pool;
	err = thread_start(&pool->threads[0], namer);
	for (i = 0; !err && i < limits->workers; i++)
		err = worker_start(pool);
	pthread_mutex_unlock(&pool->lock);
	if (err)
		pool_close(pool);
	else
		*out = pool;
	return err;
}

/* 0, or -ETIMEDOUT if threads are left that are stuck. */
static int end_threads(struct pool *pool)
{
	struct account *account;
	struct timespec until;
	int err = 0;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += pool->limits.drain_ms / 1000;
	until.tv_nsec += pool->limits.drain_ms % 1000 * 1000000L;
	if (until.tv_nsec >= 1000000000L) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000L;
	}
	pthread_mutex_lock(&pool->lock);
	pool->closing = true;
	pthread_cond_broadcast(&pool->unnamed_ready);
	pthread_cond_broadcast(&pool->waiting_ready);
	TAILQ_FOREACH(account, &pool->accounts, link)
		while (!TAILQ_EMPTY(&account->returning))
			release(TAILQ_FIRST(&account->returning));
	while (pool->alive && !err)
		err = pthread_cond_timedwait(&pool->thread_ended, &pool->lock,
					     &until);
	pthread_mutex_unlock(&pool->lock);
	return -err;
}

int pool_close(struct pool *pool)
{
	unsigned int i;
	int err;

	err = end_threads(pool);
	if (err)
		return err;
	for (i = 0; i <= pool->limits.workers_max; i++)
		if (pool->threads[i].used)
			pthread_join(pool->threads[i].id, NULL);
	pthread_cond_destroy(&pool->unnamed_ready);
	pthread_cond_destroy(&pool->waiting_ready);
	pthread_cond_destroy(&pool->thread_ended);
	pthread_mutex_destroy(&pool->lock);
	free(pool->threads);
	free(pool);
	return 0;
}
