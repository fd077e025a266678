#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
#
# The module unloaded: what holds it, what it leaves behind, how it comes back.
# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

begin unload
module=/usr/lib/dstack/dstack.ko
backend=${DSTACK_BACKEND:-sim}
variant "$work/good"
policy "$work/good"
container
run "$work/good" >/dev/null

# load ARGUMENT...: prints the errno that insmod names, if any.
load() {
	load_file "$module" "$@"
}

load_file() {
	insmod "$@" 2>&1 | sed 's/.*: //'
}

expect_message() {
	echo "$1" >>"${EXPECTED_MESSAGES:-/dev/null}"
}

stop_daemon() {
	local pid
	pid=$(</run/dstack/dstackd.pid)
	kill "$pid"
	for _ in {1..500}; do
		kill -0 "$pid" 2>/dev/null || return 0
		nap
	done
	return 1
}

# The last reference to a BPF program is dropped some time after its link's.
unload() {
	local output
	for _ in {1..50}; do
		output=$(rmmod dstack 2>&1) && return
		nap
	done
	echo "$output"
	return 1
}

bpf_programs() {
	"$tests/prog_bpf" | grep -c '^dstack_'
}

# hook POINT: what the hook of OCI runtimes says for some container.
hook() {
	printf '{"ociVersion":"1.0","id":"%s","status":"created","pid":%d,"bundle":"/"}' \
		"$id" "$$" | /usr/libexec/dstack/dstack-oci-hook "$1" 2>&1
	echo "status $?"
}

hook_refuses() {
	local said
	said=$(hook createRuntime)
	has "$said" "$1" 1 && has "$said" '^status 1$' 1
}

#
# What holds it
#

claim module_is_not_loaded_twice is "$(load "backend=$backend")" 'File exists'
claim hooks_hold_the_module has "$(rmmod dstack 2>&1)" 'in use'
claim programs_are_loaded is "$(bpf_programs)" \
	"$(dstackctl status --json | jq '.hooks | length')"
claim netlink_family_is_there has "$(genl ctrl list)" dstack 1
claim device_is_there test -c /dev/dstack
dstackctl container remove "$id"
state off
settle
register=$(dstackctl status --json | jq -r .register)
lines=$(wc -l <"$log")
claim daemon_stops stop_daemon
claim module_is_unloaded unload

#
# What it leaves behind
#

claim no_device_is_left test ! -e /dev/dstack
claim no_netlink_family_is_left has_not "$(genl ctrl list)" dstack
claim no_program_is_left is "$(bpf_programs)" 0
claim no_module_is_left test ! -e /sys/module/dstack
claim dstackctl_says_what_is_missing \
	has "$(dstackctl status 2>&1; echo "status $?")" 'status 1'
claim no_oci_container_starts_without_the_module \
	hook_refuses "the dstack module is not loaded: .*modprobe dstack"
claim oci_container_can_end_without_it is "$(hook poststop)" 'status 0'
claim programs_run_unseen is "$(run "$work/good")" hello

#
# How it comes back
#

expect_message "dstack: unknown backend 'nosuch'"
claim unknown_backend_is_refused \
	is "$(load backend=nosuch)" 'Invalid parameters'
if test "$backend" = sim; then
	expect_message 'dstack: no usable backend'
	claim tdx_backend_is_refused_outside_of_a_td \
		has "$(load backend=tdx)" '^(No such device|Operation not supported)$'
fi
# Without BTF the kernel would register no kfunc, and say that it did.
LC_ALL=C sed 's/\.BTF\x00/.XTF\x00/' "$module" >"$work/no-btf.ko"
expect_message 'dstack: this module has no BTF'
expect_message 'dstack: backend sim: evidence of this machine proves nothing'
claim attack_32_module_without_btf_is_refused \
	is "$(load_file "$work/no-btf.ko" "backend=$backend")" \
	'Invalid module format'
claim module_is_loaded_again is "$(load "backend=$backend")" ''
claim no_oci_container_starts_before_the_daemon \
	hook_refuses 'nothing would see what it runs: start dstackd'
base=$(dstackctl status --json | jq -r .base)
claim daemon_starts_again dstackd --daemonize
settle

# A register of hardware stands where it stood: the file goes on.
goes_on() {
	is "$base" "$register" &&
		is "$(sed -n "$((lines + 1))p" "$log" | jq -r .event)" \
			dstack.start &&
		dstackctl replay "$log" --expect "$(dstackctl status --json |
			jq -r .register)"
}

# A register of software starts at zero: so does the file.
starts_anew() {
	is "$base" "$(printf '%096d' 0)" &&
		is "$(head -n 1 "$log" | jq -r .event)" dstack.start &&
		test -e "$(echo "$log".[0-9]*)" &&
		dstackctl replay "$log" --expect "$(dstackctl status --json |
			jq -r .register)"
}

if test "$backend" = sim; then
	claim log_starts_anew_with_a_register_of_zeros starts_anew
else
	claim log_goes_on_where_the_register_stood goes_on
fi
container
policy "$work/good"
state enforce
variant "$work/bad"
claim reloaded_module_enforces \
	is "$(run "$work/good") $(run "$work/bad")" 'hello EACCES'

finish
