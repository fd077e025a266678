// SPDX-License-Identifier: MIT
/*
 * The program whose start is measured: it does nothing
 *
 * Copyright The dstack for Linux authors
 */
int main(void)
{
	return 0;
}
