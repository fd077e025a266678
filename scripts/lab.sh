#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright (C) The dstack for Linux authors
#
# The lab: a Debian root with compilers, kernels and the emulator, in which
# this project builds and tests itself whatever the host has installed.
set -euo pipefail

usage() {
	cat <<'USAGE'
Usage: scripts/lab.sh [run COMMAND [ARG]...]

Without arguments: make the lab root if its recipe (scripts/lab/) changed,
and print its path. A first run takes a few minutes and downloads packages
from the mirror that the host's own apt uses.

  run COMMAND...  run COMMAND in the lab: same directory, same paths for this
                  checkout, /tmp and the cache; its exit status is returned
  --help          this text

Inside the lab (for scripts and makefiles):
  /lab/kernel/{7,6.12}/{vmlinuz,modules,release,headers}
                  Debian's kernels: image, module tree, release, build headers
  /lab/linux-source
                  parts of the kernel source: scripts, selftests, ynl, headers

Environment:
  DSTACK_CACHE    where roots and images are kept (/var/cache/dstack)
  DSTACK_VECTORS  a directory of test vectors, readable inside (../shared/vectors)
Passed on: TEST V KVER KSRC CI TERM SOURCE_DATE_EPOCH DSTACK_*

Needs root and Debian 12 or later (or a derivative with mmdebstrap).
USAGE
}

suite=trixie
trust=/etc/ssl/certs/ca-certificates.crt
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
recipe=$top/scripts/lab
cache=$(realpath -m "${DSTACK_CACHE:-/var/cache/dstack}")

say() {
	echo "lab: $*" >&2
}

die() {
	say "$*"
	exit 1
}

recipe_key() {
	(echo "$suite" && cat "$recipe/packages" "$recipe/setup.sh") |
		sha256sum | cut -c1-16
}

need_host() {
	test "$(id -u)" = 0 || die "must be root to enter a root file system"
	command -v unshare >/dev/null || die "no unshare: install util-linux"
	command -v apt-get >/dev/null ||
		die "no apt-get here: the lab is made on Debian 12 or later"
}

need_mmdebstrap() {
	local keys=/usr/share/keyrings/debian-archive-keyring.gpg
	if command -v mmdebstrap >/dev/null && test -e "$keys"; then
		return
	fi
	say "installing mmdebstrap and debian-archive-keyring"
	apt-get -q update >&2 || die "apt-get update failed: is there a network?"
	apt-get -q -y --no-install-recommends install \
		mmdebstrap debian-archive-keyring >&2 ||
		die "can't install mmdebstrap: install it by hand and try again"
}

# The archive that the host installs its own release from.
host_mirror() {
	# shellcheck disable=SC2016 # apt's own variables
	apt-get indextargets 'Identifier: Packages' \
		--format '$(REPO_URI) $(COMPONENT) $(RELEASE)' |
		awk -v release="$1" '$2 == "main" && $3 == release &&
			!found { found = 1; sub("/$", "", $1); print $1 }'
}

# build_root DIRECTORY: minimal Debian, then scripts/lab/setup.sh inside it
build_root() {
	local dir=$1 mirror
	# shellcheck source=/dev/null
	mirror=$(host_mirror "$(. /etc/os-release && echo "${VERSION_CODENAME-}")")
	test -n "$mirror" ||
		die "apt has no Debian archive configured: add one to its sources"
	# The quoted text runs in mmdebstrap's shell, with the root as $1.
	# shellcheck disable=SC2016
	mmdebstrap --variant=apt --mode=root --format=directory \
		--include=ca-certificates,git,xz-utils \
		--dpkgopt=force-unsafe-io \
		--dpkgopt='path-exclude=/usr/share/man/*' \
		--dpkgopt='path-exclude=/usr/share/info/*' \
		--dpkgopt='path-exclude=/usr/share/locale/*' \
		--dpkgopt='path-exclude=/usr/share/doc/*' \
		--aptopt='Acquire::Languages "none"' \
		--aptopt='Acquire::Retries "3"' \
		--customize-hook='mkdir -p "$1/lab"' \
		--customize-hook="copy-in '$recipe/packages' /lab" \
		--customize-hook="copy-in '$recipe/setup.sh' /lab" \
		--customize-hook='chroot "$1" /lab/setup.sh' \
		"$suite" "$dir" \
		"deb $mirror $suite main" \
		"deb $mirror $suite-updates main" \
		"deb $mirror $suite-backports main" >"$cache/lab.log" 2>&1
}

# Roots of older recipes go, unless somebody still works in them.
remove_old_roots() {
	local lock
	for lock in "$cache"/lab-*.lock; do
		if test "$lock" != "$1.lock" && flock -n -x "$lock" \
				rm -rf --one-file-system "${lock%.lock}"; then
			rm -f "$lock"
		fi
	done
}

# The root's path, after making it if need be; one maker at a time.
make_root() {
	local root lock
	root=$cache/lab-$(recipe_key)
	if ! test -d "$root"; then
		mkdir -p "$cache"
		exec {lock}>"$cache/lab.lock"
		flock "$lock"
		if ! test -d "$root"; then
			need_mmdebstrap
			say "making $root (a few minutes, log: $cache/lab.log)"
			rm -rf --one-file-system "$cache"/lab-*.new
			: >"$root.lock"
			build_root "$root.new" {lock}>&- || {
				tail -n 20 "$cache/lab.log" >&2
				die "can't make the lab, see $cache/lab.log"
			}
			mv "$root.new" "$root"
			remove_old_roots "$root"
			say "made $root in $SECONDS s"
		fi
		exec {lock}>&-
	fi
	echo "$root"
}

bind() {
	local source=$1 target=$2$1
	if test -d "$source"; then
		mkdir -p "$target"
	else
		mkdir -p "${target%/*}"
		test -e "$target" || : >"$target"
	fi
	mount --rbind "$source" "$target"
}

bind_read_only() {
	bind "$@"
	mount -o remount,bind,ro "$2$1"
}

# enter ROOT COMMAND...: already in a mount namespace of our own, so nothing
# of this outlives the command. The root itself is read-only in there.
enter() {
	local root=$1 cwd=$PWD name dir shared
	local environment=()
	shift
	mount --bind "$root" "$root"
	for dir in /proc /sys /dev /tmp; do
		bind "$dir" "$root"
	done
	for dir in /run /root /var/tmp; do
		mount -t tmpfs lab "$root$dir"
	done
	bind "$top" "$root"
	bind "$cache" "$root"
	bind_read_only "$(realpath /etc/resolv.conf)" "$root"
	# Whom the machine trusts, the lab does: there may be a proxy of its own.
	! test -f "$trust" || bind_read_only "$trust" "$root"
	for shared in "${top%/*}/shared" "${DSTACK_VECTORS:-}"; do
		test -d "$shared" || continue
		bind_read_only "$(realpath "$shared")" "$root"
	done
	mount -o remount,bind,ro "$root"
	test -d "$root$cwd" ||
		die "'$cwd' is not in the lab: start below $top or /tmp"

	for name in $(compgen -e); do
		case $name in
		TEST | V | KVER | KSRC | CI | TERM | SOURCE_DATE_EPOCH | DSTACK_*)
			environment+=("$name=${!name}") ;;
		esac
	done
	exec chroot "$root" /usr/bin/env -i -C "$cwd" \
		PATH=/usr/local/bin:/usr/sbin:/usr/bin HOME=/root LANG=C.UTF-8 \
		DSTACK_CACHE="$cache" NODE_EXTRA_CA_CERTS="$trust" "${environment[@]}" DSTACK_IN_LAB=1 "$@"
}

run() {
	local root lock
	test $# -gt 0 || die "run needs a command, see --help"
	need_host
	root=$(make_root)
	# Held until the command ends: keeps the root from being removed.
	exec {lock}<"$root.lock"
	flock -s "$lock"
	exec unshare --mount --propagation private -- \
		"$0" enter "$root" "$@"
}

main() {
	case ${1-} in
	run)
		shift
		test -z "${DSTACK_IN_LAB-}" || exec "$@"
		run "$@" ;;
	enter)
		shift
		enter "$@" ;;
	'')
		test -z "${DSTACK_IN_LAB-}" || { echo /; return; }
		need_host
		make_root ;;
	--help | -h)
		usage ;;
	*)
		say "unknown argument '$1', see --help"
		exit 2 ;;
	esac
}

main "$@"
