#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright (C) The dstack for Linux authors
#
# Makes what every test machine shares, and prints the directory that holds
# it: root.img (a Debian root with both kernels' modules), agent, for each
# kernel initrd-<name> and vmlinux-<name>, and initrd-custom for kernels that
# need no modules. Runs in the lab; kept in the cache under a content key.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
cache=${DSTACK_CACHE:?run this through scripts/td}
kernels=(7 6.12)

# Loaded in this order, with whatever they depend on, before the root is there.
boot_modules=(virtio_pci virtio_blk virtio_console ext4)

# Kernel modules that a test may want; whole hardware classes stay out.
module_dirs=(
	arch block crypto fs lib mm net virt
	drivers/block drivers/char drivers/crypto/virtio drivers/dax
	drivers/firmware drivers/md drivers/net/wireguard drivers/nvdimm
	drivers/vhost drivers/virt drivers/virtio
)
module_files=(drivers/net/{dummy,tun,veth,virtio_net,net_failover,macvlan}.ko.xz)

say() {
	echo "td: $*" >&2
}

key() {
	{ cat "$here/image.sh" "$here/packages" "$here/init" "$here/agent.c" \
		/lab/packages /lab/setup.sh /lab/kernel/*/release; } |
		sha256sum | cut -c1-16
}

# copy_modules NAME ROOT: /usr/lib/modules/<release>, decompressed, because
# xz in an emulated machine is slow
copy_modules() {
	local source=/lab/kernel/$1/modules release target name
	release=$(cat "/lab/kernel/$1/release")
	target=$2/usr/lib/modules/$release
	mkdir -p "$target"
	cp "$source"/modules.{builtin,builtin.modinfo,order} "$target"
	for name in "${module_dirs[@]}" "${module_files[@]}"; do
		test -e "$source/kernel/$name" || continue
		mkdir -p "$target/kernel/${name%/*}"
		cp -r "$source/kernel/$name" "$target/kernel/${name%/*}/"
	done
	find "$target" -name '*.ko.xz' -print0 | xargs -0 -r -n 64 -P 2 xz -d
	sed -i 's/\.ko\.xz$/.ko/' "$target/modules.order"
	depmod -b "$2" "$release"
}

make_root() {
	local dir=$1 packages
	packages=$(sed 's/#.*//; /^$/d' "$here/packages" | paste -sd,)
	mmdebstrap --variant=minbase --mode=root --format=directory \
		--include="$packages" \
		--dpkgopt=force-unsafe-io \
		--dpkgopt='path-exclude=/usr/share/man/*' \
		--dpkgopt='path-exclude=/usr/share/info/*' \
		--dpkgopt='path-exclude=/usr/share/locale/*' \
		--dpkgopt='path-exclude=/usr/share/doc/*' \
		--aptopt='Acquire::Languages "none"' \
		--aptopt='Acquire::Retries "3"' \
		trixie "$dir" /etc/apt/sources.list
	rm -rf "$dir"/var/cache/apt/* "$dir"/var/lib/apt/lists/*
	mkdir -p "$dir"/{copy,out}
}

# An empty xfs for a loop device: what makes one would bring a hundred
# megabytes of packages into the guest.  The file is sparse.
make_xfs() {
	mkdir -p "${1%/*}"
	truncate -s 300M "$1"
	mkfs.xfs -q "$1"
}

# boot_modules_of NAME ROOT: their files, in the order in which they load.
boot_modules_of() {
	local release module
	release=$(cat "/lab/kernel/$1/release")
	for module in "${boot_modules[@]}"; do
		modprobe -d "$2" -S "$release" --show-depends "$module" |
			sed -n 's/^insmod \([^ ]*\).*/\1/p'
	done | awk '!seen[$0]++'
}

# make_initrd FILE [MODULE]...
make_initrd() {
	local file=$1 tree=$1.tree path
	shift
	mkdir -p "$tree"/{bin,dev,root,modules}
	cp /usr/bin/busybox "$tree/bin/"
	install -m 755 "$here/init" "$tree/init"
	: >"$tree/modules/order"
	for path; do
		cp "$path" "$tree/modules/"
		echo "${path##*/}" >>"$tree/modules/order"
	done
	(cd "$tree" && find . | cpio -o -H newc --quiet) >"$file"
	rm -rf "$tree"
}

# The emulator can start the kernel proper, and then needs not emulate a BIOS
# and the decompression: a quarter of the time it takes to boot.
make_vmlinux() {
	bash /lab/linux-source/scripts/extract-vmlinux "/lab/kernel/$1/vmlinuz" \
		>"$2"
	test -s "$2"
}

make_all() {
	local dir=$1 name modules
	mkdir -p "$dir"
	gcc -std=gnu17 -O2 -Wall -Wextra -Werror -static -s \
		-o "$dir/agent" "$here/agent.c"
	make_root "$dir/root"
	for name in "${kernels[@]}"; do
		copy_modules "$name" "$dir/root"
		mapfile -t modules < <(boot_modules_of "$name" "$dir/root")
		make_initrd "$dir/initrd-$name" "${modules[@]}"
		make_vmlinux "$name" "$dir/vmlinux-$name"
	done
	make_initrd "$dir/initrd-custom"
	make_xfs "$dir/root/usr/share/td/xfs.img"
	# No journal: nothing survives the run. verity: fs-verity is tested.
	mke2fs -q -t ext4 -O ^has_journal,verity -m 0 \
		-E root_owner=0:0,lazy_itable_init=1 \
		-d "$dir/root" "$dir/root.img" 2G
	rm -rf "$dir/root"
}

# Images of older recipes go, unless a machine still runs from them.
remove_old() {
	local lock
	for lock in "$cache"/guest-*.lock; do
		if test "$lock" != "$1.lock" && flock -n -x "$lock" \
				rm -rf "${lock%.lock}"; then
			rm -f "$lock"
		fi
	done
}

main() {
	local dir lock
	dir=$cache/guest-$(key)
	if ! test -d "$dir"; then
		exec {lock}>"$cache/guest.lock"
		flock "$lock"
		if ! test -d "$dir"; then
			say "making the guest image (a minute, log: $cache/guest.log)"
			rm -rf "$cache"/guest-*.new
			make_all "$dir.new" >"$cache/guest.log" 2>&1 {lock}>&- &
			wait $! || {
				tail -n 20 "$cache/guest.log" >&2
				say "can't make the guest image, see $cache/guest.log"
				exit 1
			}
			: >"$dir.lock"
			mv "$dir.new" "$dir"
			remove_old "$dir"
			say "made $dir in $SECONDS s"
		fi
	fi
	echo "$dir"
}

main
