#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright (C) The dstack for Linux authors
#
# Fills a fresh Debian root with everything the lab needs: packages, two
# kernels with headers, and parts of the kernel's source. Runs inside the
# root, started by scripts/lab.sh; /lab/packages is the package list.
set -euo pipefail

# shellcheck source=/dev/null
. /etc/os-release
release=$VERSION_CODENAME
backports=$release-backports
debs=/var/tmp/lab-debs

# What the project uses of the kernel's source; the rest is never written.
source_parts=(
	Makefile
	Documentation/netlink
	arch/x86/include/uapi
	include/linux/build_bug.h
	include/uapi
	scripts
	tools/arch/x86
	tools/include
	tools/lib/bpf
	tools/net/ynl
	tools/scripts
	tools/testing/selftests/Makefile
	tools/testing/selftests/bpf/config
	tools/testing/selftests/gen_kselftest_tar.sh
	tools/testing/selftests/kselftest
	tools/testing/selftests/kselftest.h
	tools/testing/selftests/kselftest_harness.h
	tools/testing/selftests/kselftest_install.sh
	tools/testing/selftests/kselftest_module.h
	tools/testing/selftests/lib.mk
	tools/testing/selftests/run_kselftest.sh
	tools/testing/selftests/tdx
)

# Nobody boots this root: no initramfs for a kernel that comes as a dependency.
export DEBIAN_FRONTEND=noninteractive INITRD=No
apt() {
	apt-get -q -y --no-install-recommends "$@"
}

# fetch PACKAGE[/SUITE]...: the .deb files, into $debs
fetch() {
	(cd "$debs" && apt download "$@")
}

# depends_on PACKAGE SUITE PATTERN: the one dependency that matches
depends_on() {
	apt-cache show "$1/$2" | sed -n 's/^Depends: *//p' | tr ',' '\n' |
		sed 's/ *(.*//; s/^ *//' | grep -E -m1 "^$3"
}

fetch_source() {
	fetch "$(depends_on linux-source "$backports" 'linux-source-')/$backports"
	mv "$debs"/linux-source-*.deb "$debs/source"
}

# The package holds a tarball, and unpacking that takes one core for a while:
# this runs beside apt. Parts may be missing, as the tree changes with time.
extract_source() {
	local tree=/lab/linux-source
	mkdir -p "$tree"
	dpkg-deb --fsys-tarfile "$debs/source" |
		tar -xO --wildcards './usr/src/linux-source-*.tar.xz' |
		xz -dc |
		tar -x -C "$tree" --strip-components=1 --no-same-owner \
			--no-wildcards-match-slash --wildcards \
			"${source_parts[@]/#/*/}" || true
	test -x "$tree/scripts/checkpatch.pl"
	test -f "$tree/tools/testing/selftests/kselftest_harness.h"
}

# unpack_kernel NAME SUITE: /lab/kernel/NAME/{vmlinuz,modules,release,headers}
# Images are unpacked, not installed: the postinst wants an initramfs. Newer
# ones are split, the parts are among the dependencies of the image package.
unpack_kernel() {
	local suite=$2 dir=/lab/kernel/$1 image release part deb
	local parts=()
	image=$(depends_on linux-image-amd64 "$suite" 'linux-image-[0-9]')
	release=${image#linux-image-}
	for part in image base binary modules; do
		part=linux-$part-$release/$suite
		apt-cache show "$part" >/dev/null 2>&1 && parts+=("$part")
	done
	mkdir -p "$dir/root"
	fetch "${parts[@]}"
	for deb in "$debs"/*.deb; do
		dpkg-deb -x "$deb" "$dir/root"
		rm "$deb"
	done

	echo "$release" >"$dir/release"
	ln -s "root/usr/lib/modules/$release" "$dir/modules"
	ln -s "../../../usr/src/linux-headers-$release" "$dir/headers"
	if test -f "$dir/modules/vmlinuz"; then
		ln -s modules/vmlinuz "$dir/vmlinuz"
	else
		ln -s "root/boot/vmlinuz-$release" "$dir/vmlinuz"
	fi
	test -f "$dir/vmlinuz"
	test -d "$dir/modules/kernel"
	test -f "$dir/headers/Makefile"
}

install_packages() {
	local list
	mapfile -t list < <(sed 's/#.*//; s/ //g; /^$/d' /lab/packages |
		sed "s,/backports\$,/$backports,")
	list+=(
		"$(depends_on linux-headers-amd64 "$release" 'linux-headers-[0-9]')"
		"$(depends_on linux-headers-amd64 "$backports" \
			'linux-headers-[0-9]')"
	)
	apt install "${list[@]}"
}

main() {
	local source_pid
	mkdir -p /lab/kernel
	install -d -o _apt "$debs"
	fetch_source
	extract_source &
	source_pid=$!
	install_packages
	unpack_kernel 6.12 "$release"
	unpack_kernel 7 "$backports"
	wait "$source_pid" || {
		echo "lab: can't unpack the kernel source" >&2
		exit 1
	}
	# The checkout belongs to whoever made it; git in here is root.
	git config --system --add safe.directory '*'
	rm -rf "$debs"
}

main
