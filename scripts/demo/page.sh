# shellcheck shell=sh
# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
#
# How the demo prints its page; sourced outside and in the machine.

title() {
	printf '\n== %s\n' "$*"
}

say() {
	printf '   %s\n' "$*"
}

# Runs a command and shows its output, indented, long digests cut short.
show() {
	"$@" 2>&1 |
		sed -E 's/([0-9a-f]{12})[0-9a-f]{20,}/\1../g; s/^/   | /'
}

die() {
	printf 'demo: %s\n' "$*" >&2
	exit 1
}
