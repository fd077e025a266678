#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
#
# The part of scripts/bench.sh that runs in the machine, which has counted
# instructions and one CPU, and the module not loaded.  Everything is measured
# in one boot: without the module, with it, without it again, under IMA.
#
# Leaves in /out: samples (a line for each series: PHASE.WHAT VALUE...), reasons
# (PHASE TEXT: why there is none), phases (NUMBER NAME), kallsyms.PHASE.
set -eu

count=${BENCH_COUNT:-200}
warm=${BENCH_WARM:-20}
profile=${BENCH_PROFILE:-no}
out=/out
work=/var/tmp/bench
cgroup=/sys/fs/cgroup/bench
app_id=$(printf '%040d' 0)
libc=$(ldd /usr/bin/true | sed -n 's/.*libc\.so[^/]*\(\/[^ ]*\).*/\1/p')
loader=$(ldd /usr/bin/true | sed -n 's/[[:space:]]*\(\/[^ ]*ld-linux[^ ]*\).*/\1/p')
programs=(static dynamic musl)
phase=none
number=0
epoch=0

say() {
	echo "bench: $*" >&2
}

# take WHAT [OPTION]... COMMAND [ARG]...: one series of this phase.  Each is a
# phase of its own to the profile.
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

# What an exec costs; and the kernel's symbols, if somebody will ask.
take_execs() {
	local program
	for program in "${programs[@]}"; do
		take "exec.$program" -c "$cgroup" -w "$warm" -n "$count" \
			exec "$work/subject-$program"
	done
	test "$profile" != yes || cat /proc/kallsyms >"$out/kallsyms.$phase"
}

take_map() {
	take map -c "$cgroup" -w "$warm" -n "$count" map "$libc"
}

prepare() {
	mkdir -p "$work" "$cgroup"
	cp /copy/* "$work/"
	: >"$out/samples"
	: >"$out/reasons"
	: >"$out/phases"
	echo 1 >/proc/sys/net/core/bpf_jit_kallsyms
	sync
	# What a boot leaves to be done: noise.
	sleep 2
}

without_module() {
	phase=$1
	take_execs
	take_map
}

# policy [FILTER]: allows the programs, with what the jq filter makes of it.
policy() {
	epoch=$((epoch + 1))
	dstackctl policy scan --epoch "$epoch" --name bench \
		--output "$work/scanned.json" "$work"/subject-* \
		"$libc" "$loader" &&
		jq "${1:-.}" "$work/scanned.json" >"$work/policy.json" &&
		dstackctl policy load "$work/policy.json"
}

load() {
	insmod /usr/lib/dstack/dstack.ko "backend=$DSTACK_BACKEND"
	dstackd --daemonize
	policy
	dstackctl container add --cgroup "$cgroup" --id bench \
		--section bench --app-id "$app_id"
	dstackctl state enforce
	"$work/bench" settle >/dev/null
}

daemon() {
	cat /run/dstack/dstackd.pid
}

# Stopped, the daemon takes no part: what is left is the exec's own.
hold_daemon() {
	"$work/bench" settle >/dev/null
	kill -STOP "$(daemon)"
}

release_daemon() {
	kill -CONT "$(daemon)"
	"$work/bench" settle >/dev/null
}

measure_every() {
	phase=every
	hold_daemon
	take_execs
	take_map
	take extend -w "$warm" -n "$count" extend
	release_daemon
}

measure_first() {
	local why
	phase=first
	if ! why=$(policy '.containers.bench.measure = "first"' 2>&1); then
		echo "first the policy is refused: ${why##*$'\n'}" \
			>>"$out/reasons"
		return
	fi
	hold_daemon
	take_execs
	take_map
	release_daemon
}

unload() {
	local pid
	dstackctl container remove bench
	dstackctl state off
	pid=$(daemon)
	kill "$pid"
	while test -e "/proc/$pid"; do
		sleep 0.1
	done
	until rmmod dstack 2>/dev/null; do
		sleep 0.1
	done
}

with_ima() {
	local policy=/sys/kernel/security/ima/policy
	phase=ima
	if ! test -w "$policy"; then
		echo "ima this kernel offers no $policy" >>"$out/reasons"
		return
	fi
	echo 'measure func=BPRM_CHECK' >"$policy"
	take_execs
}

prepare
"$work/bench" -N calibrate -n 5 calibrate >>"$out/samples"
without_module base1
load
measure_every
measure_first
unload
without_module base2
with_ima
