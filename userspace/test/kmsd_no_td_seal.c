// SPDX-License-Identifier: MIT
/*
 * A seal that everybody opens, in place of state/module.c
 *
 * Copyright The dstack for Linux authors
 */
#include "kms_state_fixture.h"

int state_seal_module_open(struct state_seal *seal)
{
	*seal = seal_of_tests;
	return 0;
}

void state_seal_module_close(struct state_seal *seal)
{
	memset(seal, 0, sizeof(*seal));
}
