#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) The dstack for Linux authors
#
# boot.sh BUILD KERNEL SCENARIO [PLUGIN-ARGUMENTS [QEMU-OPTION...]]
# Boots KERNEL (a directory with vmlinuz and modules/) with the plugin, and
# runs a scenario of guest-init in it. What the guest says goes to
# BUILD/test/run/result, its console and the plugin's to .../console. Exits
# with QEMU's status, or 124 if the guest did not end.
set -euo pipefail

build=$1
kernel=$2
scenario=$3
plugin=$build/tdx-module.so${4:+,$4}
shift "$(($# < 4 ? $# : 4))"
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
name=$(basename "$kernel")
run=$build/test/run
initrd=$build/test/initrd-$name

unpack_module() {
	local file
	file=$(find -L "$kernel/modules/kernel" -name "$1.ko*" -print -quit)
	case $file in
	*.xz) xz -dc "$file" >"$2/$1.ko" ;;
	*.zst) zstd -dcq "$file" >"$2/$1.ko" ;;
	*.ko) cp "$file" "$2/$1.ko" ;;
	esac
}

make_initrd() {
	local root module
	root=$(mktemp -d)
	mkdir -p "$root"/{bin,dev,proc,sys,modules}
	cp "$(command -v busybox)" "$root/bin/busybox"
	ln -s busybox "$root/bin/sh"
	cp "$here/guest-init" "$root/init"
	cp "$build/test/tdx_guest_test" "$root/"
	cp "$build/test/report-data" "$root/"
	# configfs and one of the two tsm modules, by the kernel's version.
	for module in configfs tsm tsm_report tdx-guest; do
		unpack_module "$module" "$root/modules"
	done
	(cd "$root" && find . -print0 | cpio -o0 -H newc --quiet | gzip -1) \
		>"$initrd.new"
	rm -rf "$root"
	mv "$initrd.new" "$initrd"
}

mkdir -p "$run"
if test ! "$initrd" -nt "$here/guest-init" || test ! "$initrd" -nt "$0"; then
	make_initrd
fi
: >"$run/result"
status=0
timeout "${TIMEOUT:-180}" qemu-system-x86_64 \
	-accel tcg,thread=multi -machine q35 -cpu max,vendor=GenuineIntel \
	-smp 2 -m 1024 -nodefaults -no-reboot -display none \
	-serial "file:$run/console" -serial "file:$run/result" \
	-kernel "$kernel/vmlinuz" -initrd "$initrd" \
	-append "console=ttyS0 quiet panic=-1 scenario=$scenario" \
	-plugin "$plugin" "$@" </dev/null >"$run/qemu" 2>&1 || status=$?
cat "$run/qemu" >>"$run/console"
exit "$status"
