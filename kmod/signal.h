/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * All processes of the machine, one by one, and all of a container at once
 *
 * Copyright The dstack for Linux authors
 */
#ifndef _DSTACK_SIGNAL_H
#define _DSTACK_SIGNAL_H

struct dstack_container;
struct pid;

struct pid *dstack_signal_next(int *nr);
void dstack_signal_container(const struct dstack_container *container, int sig);

#endif /* _DSTACK_SIGNAL_H */
