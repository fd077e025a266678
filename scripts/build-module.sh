#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
#
# Builds dstack.ko from a copy of its sources in build/kmod-<name>/src: the
# kernel's build system writes beside the sources it reads, and the builds for
# two kernels, or of two checks, must not meet there.
set -euo pipefail

usage() {
	cat <<'USAGE'
Usage: scripts/build-module.sh KERNEL [NAME [MAKE_ARGUMENT...]]

Builds dstack.ko for the lab's kernel KERNEL (7 or 6.12), or with "custom" for
the headers in $KDIR, into build/kmod-NAME (NAME: KERNEL unless given). More
arguments go to the kernel's make, as W=1 or C=2.
USAGE
}

die() {
	echo "build-module: $*" >&2
	exit 1
}

# Copies what changed and removes what is gone; build products stay.
mirror() {
	mkdir -p "$1"
	(cd "$top" && rsync -a --delete \
		--filter='P *.o' --filter='P *.ko' --filter='P .*.cmd' \
		--filter='P *.mod' --filter='P *.mod.c' --filter='P *.d' \
		--filter='P .*.d' --filter='P modules.order' \
		--filter='P Module.symvers' --filter='P .module-common.c' \
		Kbuild kmod include "$1/")
}

main() {
	local kernel=${1-} name=${2-${1-}} headers out
	local options=(-s)
	case $kernel in
	'' | -*)
		usage
		exit 2 ;;
	custom)
		headers=${KDIR:?is not set: make KDIR=/path/to/headers} ;;
	*)
		headers=/lab/kernel/$kernel/headers ;;
	esac
	test -e "$headers/Makefile" || die "no kernel headers in '$headers'"
	# Without either the module has no BTF: no kfuncs, so no enforcement.
	test -e "$headers/vmlinux" ||
		die "no vmlinux in '$headers': the module would have no BTF"
	command -v pahole >/dev/null ||
		die "no pahole: the module would have no BTF, install it"
	test "$#" -lt 2 || shift
	shift
	test -z "${V-}" || options=(V=1)
	case ${MAKEFLAGS-} in
	*jobserver*) ;;
	*) options+=("-j$(nproc)") ;;
	esac

	out=$top/build/kmod-$name
	mirror "$out/src"
	make "${options[@]}" -C "$headers" M="$out/src" "$@" modules
	# Kbuild says so and succeeds when it could not make BTF.
	grep -q '\.BTF' <<<"$(objdump -h "$out/src/dstack.ko")" ||
		die "dstack.ko has no .BTF section"
	cp "$out/src/dstack.ko" "$out/dstack.ko"
}

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
main "$@"
