// SPDX-License-Identifier: MIT
/*
 * Platforms whose certificates were checked before
 *
 * Copyright The dstack for Linux authors
 *
 * Who verifies many quotes meets the same platforms again.  Whether a chain
 * holds depends on its text and on the collateral, so one that held before
 * under the same collateral does so again; its time is judged anew each time.
 */
#include "dcap.h"

#include <stdlib.h>
#include <string.h>

struct dcap_known *dcap_known_open(void)
{
	struct dcap_known *known = calloc(1, sizeof(*known));

	if (known && pthread_mutex_init(&known->lock, NULL)) {
		free(known);
		known = NULL;
	}
	return known;
}

void dcap_known_close(struct dcap_known *known)
{
	size_t i;

	if (!known)
		return;
	for (i = 0; i < DCAP_KNOWN_MAX; i++) {
		X509_free(known->list[i].cert);
		free(known->list[i].text);
	}
	pthread_mutex_destroy(&known->lock);
	free(known);
}

static const struct dcap_platform *find(const struct dcap_known *known,
					const struct dcap_quote *q)
{
	const struct dcap_platform *p;
	size_t i;

	for (i = 0; i < DCAP_KNOWN_MAX; i++) {
		p = &known->list[i];
		if (p->text && p->len == q->chain_len &&
		    !memcmp(p->text, q->chain, q->chain_len))
			return p;
	}
	return NULL;
}

bool dcap_known_find(struct dcap_known *known, struct dcap *d)
{
	const struct dcap_platform *p;

	pthread_mutex_lock(&known->lock);
	p = find(known, &d->quote);
	if (p) {
		/* It may be replaced while this one is used. */
		X509_up_ref(p->cert);
		d->cert = p->cert;
		d->pck = p->pck;
		dcap_window_meet(&d->window, &p->window);
	}
	pthread_mutex_unlock(&known->lock);
	return p;
}

void dcap_known_add(struct dcap_known *known, const struct dcap *d,
		    const struct dcap_window *window)
{
	const struct dcap_quote *q = &d->quote;
	struct dcap_platform new = {
		.text = malloc(q->chain_len), .len = q->chain_len,
		.cert = d->cert, .pck = d->pck, .window = *window,
	}, old;

	if (!new.text)
		return;
	memcpy(new.text, q->chain, q->chain_len);
	X509_up_ref(new.cert);
	pthread_mutex_lock(&known->lock);
	old = known->list[known->next];
	known->list[known->next] = new;
	known->next = (known->next + 1) % DCAP_KNOWN_MAX;
	pthread_mutex_unlock(&known->lock);
	X509_free(old.cert);
	free(old.text);
}
