#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
#
# The part of scripts/bench.sh that runs in a machine whose instructions are
# counted, with one CPU and the module not loaded.  Everything is measured in
# one boot: without the module, with it, without it again, under IMA.
#
# Leaves in /out: samples (PHASE.WHAT VALUE..., a line for each series), reasons
# (METRIC TEXT: why there is none), phases (NUMBER PHASE.WHAT), kallsyms.PHASE.
set -eu

count=${BENCH_COUNT:-200}
warm=${BENCH_WARM:-20}
quick=${BENCH_QUICK:-no}
profile=${BENCH_PROFILE:-no}
out=/out
work=/var/tmp/bench
cgroups=/sys/fs/cgroup
app_id=$(printf '%040d' 0)
libc=$(ldd /usr/bin/true | sed -n 's/.*libc\.so[^/]*\(\/[^ ]*\).*/\1/p')
loader=$(ldd /usr/bin/true |
	sed -n 's/[[:space:]]*\(\/[^ ]*ld-linux[^ ]*\).*/\1/p')
# Files that nobody knows yet: sizes in KiB, so many of each.
sizes=(32 256 1024)
test "$quick" = yes || sizes+=(4096)
files=3
looks=256
rounds=$(test "$profile" = yes && echo 1 || echo 4)
phase=
number=0
epoch=0

# take WHAT [OPTION]... COMMAND [ARG]...: one series of this phase, which has a
# number of its own in the profile.
take() {
	local what=$1 mark=0
	shift
	if test "$profile" = yes; then
		number=$((number + 1))
		mark=$number
		echo "$number $phase.$what" >>"$out/phases"
	fi
	"$work/bench" -N "$phase.$what" -p "$mark" "$@" >>"$out/samples"
}

take_exec() {
	local program=$1
	take "exec.$program" -c "$cgroups/bench" -w "$warm" \
		-n "$((count / rounds))" exec "$work/subject-$program"
}

# In rounds, so that what the machine does besides meets all of them.  The
# kernel's symbols are those of now: modules and BPF programs go.
take_execs() {
	local program round
	for ((round = 0; round < rounds; round++)); do
		for program in static dynamic musl; do
			take_exec "$program"
		done
	done
	test "$profile" != yes || cat /proc/kallsyms >"$out/kallsyms.$phase"
}

# What a machine does only in its first seconds shall be over.
warm_up() {
	local program
	for program in static dynamic musl; do
		"$work/bench" -c "$cgroups/bench" -n 200 \
			exec "$work/subject-$program" >/dev/null
	done
}

# In a cgroup as deep as the container's that is none.
take_host() {
	take host -c "$cgroups/plain" -w "$warm" -n "$count" \
		exec "$work/subject-static"
}

take_map() {
	take map -c "$cgroups/bench" -w "$warm" -n "$count" map "$libc"
}

why_none() {
	echo "$*" >>"$out/reasons"
}

#
# Before
#

# file NAME KIB: a program of that size, each with content of its own.
make_file() {
	cp "$work/subject-musl" "$1"
	head -c "$2K" /dev/urandom >>"$1"
	truncate -s "$2K" "$1"
}

make_files() {
	local size i
	for size in "${sizes[@]}"; do
		for ((i = 0; i < files; i++)); do
			make_file "$work/cold-$size-$i" "$size"
			make_file "$work/verity-$size-$i" "$size"
		done
	done
	sync
	for i in "$work"/verity-*; do
		fsverity enable "$i"
	done
	# All of it is in memory from here on.
	cat "$work"/{cold,verity}-* >/dev/null
}

prepare() {
	local name
	mkdir -p "$work"
	for name in bench plain lookup absent keys; do
		mkdir -p "$cgroups/$name"
	done
	: >"$out/samples"
	: >"$out/reasons"
	: >"$out/phases"
	uname -r >"$out/release"
	cp /copy/* "$work/"
	test "$profile" = yes || make_files
	echo 1 >/proc/sys/net/core/bpf_jit_kallsyms
	sync
	"$work/bench" pin "$libc" "$loader" "$work"/subject-* &
	"$work/bench" -N calibrate -w 1 -n 5 calibrate >>"$out/samples"
	warm_up
}

#
# Phases
#

# The same files as later, which here nobody reads.
base_of_cold() {
	local size
	for size in "${sizes[@]}"; do
		take "cold.$size" -c "$cgroups/bench" -w "$files" -n "$files" \
			exec "$work/cold-$size"-*
	done
}

without_module() {
	phase=$1
	take_execs
	take_map
	test "$profile" = yes || take_host
}

# policy [FILTER]: allows the programs, with what the jq filter makes of it.
policy() {
	local program allowed=("$libc" "$loader")
	for program in "$work"/subject-* "$work"/cold-*; do
		test ! -e "$program" || allowed+=("$program")
	done
	epoch=$((epoch + 1))
	dstackctl policy scan --epoch "$epoch" --name bench \
		--output "$work/scanned.json" "${allowed[@]}" &&
		jq "${1:-.}" "$work/scanned.json" >"$work/policy.json" &&
		dstackctl policy load "$work/policy.json" >/dev/null
}

container() {
	dstackctl container add --cgroup "$cgroups/$1" --id "$1" \
		--section "$1" --app-id "$app_id"
}

load() {
	insmod /usr/lib/dstack/dstack.ko "backend=$DSTACK_BACKEND"
	dstackd --daemonize
	policy
	container bench
	dstackctl state enforce >/dev/null
	settle
}

daemon() {
	cat /run/dstack/dstackd.pid
}

settle() {
	"$work/bench" settle >/dev/null
}

# Stopped, the daemon takes no part: what is left is the exec's own.
hold_daemon() {
	settle
	kill -STOP "$(daemon)"
}

release_daemon() {
	kill -CONT "$(daemon)"
	settle
}

# Its first execs, with the content in memory; the hash alone, and with the
# reading; and what fs-verity knows already.
cold() {
	local size
	for size in "${sizes[@]}"; do
		take "cold.$size" -c "$cgroups/bench" -n "$files" \
			exec "$work/cold-$size"-*
		take "hash.$size" -w 1 -n "$files" hash "$work/cold-$size-0"
		take "content.$size" -w 1 -n "$files" \
			content "$work/cold-$size-0"
		take "verity.$size" -n "$files" \
			why bench "$work/verity-$size"-*
		take "verity_again.$size" -n "$files" \
			why bench "$work/verity-$size"-*
	done
}

every() {
	phase=every
	hold_daemon
	take_execs
	take_map
	take extend -w "$warm" -n "$count" extend
	if test "$profile" != yes; then
		take_host
		cold
	fi
	release_daemon
}

# A root key, and a policy under which the container may ask for all.
keys() {
	local what
	phase=keys
	epoch=$((epoch + 1))	# first() made its policy in a subshell
	dstackctl container add --cgroup "$cgroups/keys" --id keys \
		--section keys --app-id "$app_id" \
		--image "$(printf '%064d' 1)"
	if ! policy '.containers.keys = {allow: [], keys: [{path: "",
		kinds: ["bytes", "hmac", "aead"],
		delivery: ["bytes", "handle"]}]}' ||
	   ! head -c 32 /dev/zero | dstackctl key load --app-id "$app_id" \
		--epoch 1 --file - >/dev/null; then
		why_none key "there is no root key"
		return
	fi
	hold_daemon
	for what in bytes handle hmac seal unseal; do
		take "$what" -c "$cgroups/keys" -w "$warm" -n "$count" \
			key "$what"
	done
	release_daemon
	dstackctl container remove keys
	test "$profile" != yes || cat /proc/kallsyms >"$out/kallsyms.$phase"
}

daemon_time() {
	local time
	read -r time _ <"/proc/$(daemon)/schedstat"
	echo "$time"
}

# The daemon at work, and to the end of it.
running() {
	local program before
	phase=running
	for program in static dynamic; do
		before=$(daemon_time)
		take "exec.$program" -c "$cgroups/bench" -w "$warm" \
			-n "$count" -o "$(daemon)" \
			exec "$work/subject-$program"
		settle
		echo "$phase.exec.$program.daemon $(($(daemon_time) - before))" \
			>>"$out/samples"
	done
}

first() {
	local why
	phase=first
	if ! why=$(policy '.containers.bench.measure = "first"' 2>&1); then
		why_none first "the policy is refused: ${why##*$'\n'}"
		return
	fi
	hold_daemon
	take_execs
	take_map
	release_daemon
}

# take_looks CONTAINER FILES POLICY: each file twice to warm up.
take_looks() {
	take "$1.$2_$3" -c "$cgroups/$1" -w 128 -n "$looks" \
		why "" "$work/$2"-*
}

# A microsecond is a thousand instructions here.
load_timed() {
	local begin=${EPOCHREALTIME/./}
	dstackctl policy load "$work/policy-$1.json" >/dev/null
	echo "$phase.load_$1 $(((${EPOCHREALTIME/./} - begin) * 1000))" \
		>>"$out/samples"
}

# The whole question, and the question whose section is absent: what lies
# between them is the lookup.
lookup() {
	local size
	phase=lookup
	container lookup
	container absent
	for size in 1k 100k; do
		load_timed "$size"
		take_looks absent known "$size"
		take_looks lookup known "$size"
		take_looks lookup unknown "$size"
	done
	dstackctl container remove lookup
	dstackctl container remove absent
}

unload() {
	local pid
	dstackctl container remove bench
	dstackctl state off >/dev/null
	pid=$(daemon)
	kill "$pid"
	while test -e "/proc/$pid"; do
		sleep 0.1
	done
	until rmmod dstack 2>/dev/null; do
		sleep 0.1
	done
}

# Its policy can be written once in a boot: last.
ima() {
	local policy=/sys/kernel/security/ima/policy
	phase=ima
	if ! echo 'measure func=BPRM_CHECK' 2>/dev/null >"$policy"; then
		why_none ima "this kernel takes no policy by $policy"
		return
	fi
	take_execs
	test "$profile" = yes || cold_under_ima
}

# The same files, which IMA has not seen yet.
cold_under_ima() {
	local size
	for size in "${sizes[@]}"; do
		take "cold.$size" -c "$cgroups/bench" -n "$files" \
			exec "$work/cold-$size"-*
	done
}

prepare
without_module base1
test "$profile" = yes || base_of_cold
load
every
test "$profile" = yes || running
first
keys
test "$profile" = yes || lookup
unload
without_module base2
ima
