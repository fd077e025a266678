#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
#
# A file is hashed once, by one of those who want it, and again when it may
# have changed.
# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

begin cache
program=$work/program large=$work/large huge=$work/huge
variant "$program"
variant "$large"
# Zeros behind the end of an ELF file change nothing but the digest.
truncate -s 8M "$large"
cp "$hello" "$huge"
truncate -s 8G "$huge"
policy "$program"
container

hashed() {
	dstackctl status --json | jq .cache_misses
}

# hashes COMMAND...: how many files are hashed by it.
hashes() {
	local before after
	before=$(hashed)
	"$@" >/dev/null 2>&1
	after=$(hashed)
	echo $((after - before))
}

#
# Once
#

twice() {
	run "$1"
	run "$1"
}

modprobe -a loop xfs btrfs
truncate -s 200M "$work/btrfs.img"
mkfs.btrfs -q "$work/btrfs.img"
image "$work/btrfs.img" "$work/btrfs"
image /usr/share/td/xfs.img "$work/xfs"
fs tmpfs "$work/tmpfs"
fs ramfs "$work/ramfs"
mkdir "$work/lower" "$work/upper" "$work/wdir"
fs overlay "$work/overlay" -o \
	"lowerdir=$work/lower,upperdir=$work/upper,workdir=$work/wdir"
for name in . btrfs xfs tmpfs ramfs overlay; do
	cp "$program" "$work/$name/once"
	claim "file_on_${name/./ext4}_is_hashed_once" \
		is "$(hashes twice "$work/$name/once")" 1
done

at_once() {
	for _ in {1..8}; do
		run "$large" &
	done
	wait
}

claim concurrent_first_execs_hash_once is "$(hashes at_once)" 1

#
# Again
#

changes() {
	"$@"
	run "$program"
}

claim touched_file_is_hashed_again is "$(hashes changes touch "$program")" 1
open_and_close() {
	: >>"$program"
}
claim file_that_was_open_for_writing_is_hashed_again \
	is "$(hashes changes open_and_close)" 1
read_it() {
	cat "$program" >/dev/null
}
claim file_that_was_read_is_not_hashed_again is "$(hashes changes read_it)" 0
claim resized_file_is_hashed_again \
	is "$(hashes changes truncate -s +1 "$program")" 1
short_of_memory() {
	echo 2 >/proc/sys/vm/drop_caches
}
claim digests_give_way_when_memory_is_short \
	is "$(hashes changes short_of_memory)" 1
off_and_on() {
	state off
	kill -HUP "$(<"/run/dstack/dstackd.pid")"
	for _ in {1..250}; do
		[[ $(dstackctl status --json) != *'"hooks": []'* ]] && break
		nap
	done
	state measure
}
claim digests_do_not_outlive_the_hooks is "$(hashes changes off_and_on)" 1

#
# Killed
#

# starts FILE: its first exec, which takes long; sets $!.
starts() {
	exec 4< <(exec "$tests/prog_run" -c "$cgroup" "$1" 2>&1)
}

# ends PID: within five seconds.
ends() {
	for _ in {1..250}; do
		test -e "/proc/$1/exe" || return 0
		nap
	done
	echo "it lives"
	return 1
}

starts "$huge"
first=$!
for _ in {1..50}; do
	[[ $(<"/proc/$first/cgroup") != "0::/$id" ]] || break
	nap
done
before=$(hashed)
starts "$huge"
second=$!
nap
kill -KILL "$second"
claim killed_while_waiting_for_a_digest_ends ends "$second"
claim who_hashes_goes_on test -e "/proc/$first/exe"
claim who_waits_hashes_nothing is "$(hashed)" "$before"
kill -KILL "$first"
claim killed_while_hashing_a_huge_file_ends ends "$first"
claim killed_leave_nothing_behind_that_keeps_writers_out \
	truncate -s 1M "$huge"
claim what_is_left_is_hashed_anew is "$(hashes run "$huge")" 1

# A disk that gives 64 KiB a second.
slow=$work/slow
variant "$slow"
head -c 1M /dev/urandom >>"$slow"
sync
echo +io >"$cgroup_root/cgroup.subtree_control"
disk=$(stat -c %Hd:%Ld "$work")
echo "$disk rbps=65536" >"$cgroup/io.max" || die "can't slow the disk down"
echo 1 >/proc/sys/vm/drop_caches
starts "$slow"
sleep 1
claim slow_file_is_being_hashed test -e "/proc/$!/exe"
kill -KILL "$!"
claim killed_while_hashing_a_slow_file_ends ends "$!"

finish
