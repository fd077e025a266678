#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
#
# Makes a kernel that watches itself, with KASAN, lockdep, kmemleak and the rest
# of scripts/debug/config, and prints the directory of its build, in which
# modules can be built for it.  Runs in the lab; kept in the cache under a
# content key, in 4 GiB.  Takes a quarter of an hour on two CPUs.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
cache=${DSTACK_CACHE:?run this in the lab}
# The source of the kernel that the lab has as 6.12.
package=linux-source-6.12

say() {
	echo "debug: $*" >&2
}

key() {
	cat "$here/kernel.sh" "$here/config" /lab/kernel/6.12/release |
		sha256sum | cut -c1-16
}

# fetch DIRECTORY: the package, there; the lab itself is read-only.
fetch() {
	local options=(-q -o "Dir::State::lists=$1/lists" -o "Dir::Cache=$1")
	mkdir -p "$1/lists/partial" "$1/archives/partial"
	apt-get "${options[@]}" update
	(cd "$1" && apt-get "${options[@]}" -o APT::Sandbox::User=root \
		download "$package")
}

unpack() {
	mkdir -p "$2"
	dpkg-deb --fsys-tarfile "$1"/"$package"_*.deb |
		tar -xO --wildcards "./usr/src/$package.tar.xz" | xz -dc |
		tar -x -C "$2" --strip-components=1 --no-same-owner
}

# Options that the kernel dropped would make a kernel that watches less.
configure() {
	local option
	make -s tinyconfig
	./scripts/kconfig/merge_config.sh -m .config "$here/config"
	make -s olddefconfig
	grep -o '^CONFIG_[A-Z0-9_]*=y' "$here/config" | while read -r option; do
		grep -qx "$option" .config || {
			echo "the kernel has no $option"
			return 1
		}
	done
}

make_kernel() {
	local dir=$1
	fetch "$dir/package"
	unpack "$dir/package" "$dir/linux"
	rm -rf "$dir/package"
	cd "$dir/linux"
	configure
	make -s "-j$(nproc)" bzImage modules
}

main() {
	local dir lock
	dir=$cache/debug-$(key)
	if ! test -d "$dir"; then	# somebody else may be making it
		exec {lock}>"$cache/debug.lock"
		flock "$lock"
	fi
	if ! test -d "$dir"; then
		say "making the kernel (a quarter of an hour, log: $cache/debug.log)"
		rm -rf "$cache"/debug-*/ "$dir.new"
		mkdir "$dir.new"
		make_kernel "$dir.new" >"$cache/debug.log" 2>&1 {lock}>&- &
		wait $! || {
			tail -n 20 "$cache/debug.log" >&2
			say "can't make the kernel, see $cache/debug.log"
			exit 1
		}
		mv "$dir.new" "$dir"
		say "made $dir in $SECONDS s"
	fi
	echo "$dir/linux"
}

main
