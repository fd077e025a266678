#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
#
# State locked, against root: what leads there, what no longer works, and that
# everything is still enforced and proven afterwards.  There is no way back, so
# this has a machine of its own.
# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/mapper.sh
. "$tests/mapper.sh"

begin locked
# There is no other state to leave the machine in.
end() {
	empty "$cgroup"
	umount -l "$work"/{tmpfs,trace,debug,checked} 2>/dev/null
	rm -rf "$work"
}
cat >>"$EXPECTED_MESSAGES" <<-'MESSAGES'
	'.*' in .* denied: (trace|memory|program|kexec|module|unload|bpf|disk|mount)
	rtmr[0-9]:sha384: opened for writing by
	Lockdown: .* is restricted
	Kernel is locked down from securityfs
	Automounting of tracing to debugfs is deprecated
MESSAGES

tamper=$tests/prog_tamper
good=$work/good bad=$work/bad
variant "$good"
variant "$bad"
fs tmpfs "$work/tmpfs"
variant "$work/tmpfs/program"

# Everything on the root disk is trusted outside of containers, but only two
# programs speak to the module.
# host_policy [FILTER]: of the next epoch, to stdout
host_policy() {
	local control=() file
	for file in "$(command -v dstackctl)" "$(command -v dstackd)"; do
		control+=("{digest: \"sha256:$(sha256 "$file")\",
			kinds: [\"exec\", \"control\"]}")
	done
	dstackctl policy scan --epoch $((epoch + 1)) --name test --output - \
		"$good" |
		jq ".containers.host = {allow: [${control[0]}, ${control[1]}],
			measure: \"first\",
			trust: {exec: [\"disk\"], map: [\"disk\"],
				script: [\"disk\"]}} | ${1:-.}"
}
# complaint COMMAND...: what it says of its failure
complaint() {
	{ "$@" >/dev/null; } 2>&1
}
# load [FILTER]
load() {
	host_policy "$@" >"$work/policy.json"
	complaint dstackctl policy load "$work/policy.json" || return
	epoch=$((epoch + 1))
}
lock() {
	complaint dstackctl state locked
}

# What the runner brings: the root and the collateral of the emulated platform.
trust=(--root /copy/root.pem --collateral /copy/collateral.json)
test "$DSTACK_BACKEND" != sim || trust=(--insecure-sim)
verify_quote() {
	settle
	dstackctl quote --report-data 6e6f6e6365 --out "$work/quote" &&
		dstackctl verify quote "$work/quote" --log "$log" \
			--report-data 6e6f6e6365 "${trust[@]}"
}

# Disks: one that checks what it reads, and one that does not.
mapper_begin
root=$(findmnt -no SOURCE /)
mkdir "$work/tree"
cp "$good" "$work/tree/good"
mke2fs -q -t ext4 -b 4096 -O ^has_journal -d "$work/tree" "$work/disk.img" 8M
cp "$work/disk.img" "$work/other.img"
loop=$(losetup -f --show "$work/other.img")
verity checked "$work/disk.img"
verity other "$work/disk.img"
dstackctl device add "/dev/mapper/$id-checked" || die "can't register"
mkdir "$work/checked"
mount -o ro "/dev/mapper/$id-checked" "$work/checked" || die "can't mount"

#
# The way there
#

load 'del(.containers.host)'
container
mark
claim locked_does_not_follow_measure has "$(lock)" 'follows enforce'
state enforce
claim locked_needs_a_section_for_the_host has "$(lock)" 'no section "host"'
load
claim locked_needs_the_kernel_locked_down has "$(lock)" 'lockdown=confidentiality'
echo integrity >/sys/kernel/security/lockdown
claim lockdown_for_integrity_is_not_enough \
	has "$(lock)" 'lockdown=confidentiality'
claim host_runs_anything_until_then is "$("$work/tmpfs/program")" hello
claim nothing_is_locked_yet \
	is "$(dstackctl status --json | jq -r .state)" enforce
echo confidentiality >/sys/kernel/security/lockdown
"$tests/prog_act" 1 "$work/locked" >"$work/acted" &
acting=$!
for ((i = 0; i < 1000; i++)); do
	test ! -s "$work/acted" || break
	sleep 0.01
done
claim root_acts_for_any_container_until_then is "$(<"$work/acted")" host
claim state_becomes_locked lock
touch "$work/locked"
wait "$acting"
claim what_acted_before_acts_no_more has "$(<"$work/acted")" '^Permission denied$'
claim it_is_in_the_log has "$(events)" 'dstack.state from=enforce to=locked$' 1
claim locked_twice_is_no_error lock
claim status_says_locked is "$(dstackctl status --json | jq -r .state)" locked

#
# The host is a container now
#

mark
variant "$work/new"
claim host_runs_what_its_section_trusts is "$("$work/new")" hello
claim host_does_not_run_what_it_does_not \
	is "$("$tests/prog_run" "$work/tmpfs/program")" EACCES
"$work/new" >/dev/null
events=$(events)
claim execs_of_the_host_are_recorded has "$events" \
	'dstack.exec id=host digest=.* reason=approved .*path=new$' 1
claim denials_of_the_host_are_recorded has "$events" \
	'dstack.deny id=host kind=exec .* count=1 .*path=tmpfs/program$' 1
claim container_runs_what_is_approved is "$(run "$good")" hello
claim container_runs_nothing_else is "$(run "$bad")" EACCES

#
# Root tries everything, in one script that runs to its end
#

"$tests/prog_run" -c "$cgroup" "$good" >/dev/null
module=$(find "/usr/lib/modules/$(uname -r)/" -name 'failover.ko*' -print -quit)
measurements=/sys/devices/virtual/misc/tdx_guest/measurements
cp "$(command -v dstackctl)" "$work/dstackctl"
echo >>"$work/dstackctl"
before=$(dstackctl status --json | jq -c '[.hooks, .policy.epoch]')
host_policy '.epoch = 1' >"$work/old.json"
host_policy 'del(.containers.host)' >"$work/no_host.json"
host_policy '.app_id = ("1" * 40)' >"$work/other_app.json"
mark

cat >"$work/hostile" <<HOSTILE
#!/bin/bash
try() {
	local name=\$1
	shift
	if output=\$("\$@" 2>&1 </dev/null) && [[ ! \$output =~ ^E[A-Z]+\$ ]]; then
		echo "\$name: done \$output"
	else
		echo "\$name: refused \$output"
	fi
}
write() { printf '%048d' 0 >"\$1"; }
try off dstackctl state off
try measure dstackctl state measure
try enforce dstackctl state enforce
try act_for "$tests/prog_act" 1
try old_policy dstackctl policy load "$work/old.json"
try policy_without_host dstackctl policy load "$work/no_host.json"
try policy_of_another dstackctl policy load "$work/other_app.json"
try other_dstackctl "$work/dstackctl" state locked
try other_dstackctl_ack "$work/dstackctl" container remove "$id"
mkdir -p "$work/bpffs"
mount -t bpf bpf "$work/bpffs"
rm -rf "$work"/bpffs/* /sys/fs/bpf/*
umount "$work/bpffs" /sys/fs/bpf
try take_prog "$tamper" take-prog
try take_link "$tamper" take-link
try load_tracing "$tamper" load-tracing
try unload "$tamper" unload dstack
try unload_by_force "$tamper" unload-by-force dstack
try rmmod rmmod dstack
try rmmod_force rmmod -f dstack
try insmod insmod "$module"
try load_file "$tamper" load-file "$module"
try load_memory "$tamper" load-memory "$module"
try kexec "$tamper" kexec
try kexec_file "$tamper" kexec-file "$module"
kill -STOP \$(</run/dstack/dstackd.pid)
try attach_daemon "$tamper" attach \$(</run/dstack/dstackd.pid)
try write_daemon "$tamper" write-memory \$(</run/dstack/dstackd.pid)
try write_self "$tamper" write-memory self
try become "$tamper" become "$(command -v dstackctl)"
kill -CONT \$(</run/dstack/dstackd.pid)
kill -KILL \$(</run/dstack/dstackd.pid)
for register in $measurements/rtmr[0-3]*; do
	test -e "\$register" && try register_\${register##*/} write "\$register"
done
mkdir -p "$work/trace" "$work/debug"
mount -t tracefs tracefs "$work/trace"
mount -t debugfs debugfs "$work/debug"
try kprobe_events write "$work/trace/kprobe_events"
try set_ftrace_filter write "$work/trace/set_ftrace_filter"
try error_injection write "$work/debug/error_injection/list"
try kcore head -c 1 /proc/kcore
mknod "$work/mem" c 1 1
mknod "$work/port" c 1 4
mknod "$work/msr" c 202 0
try mem head -c 1 "$work/mem"
try mem_write write "$work/mem"
try port head -c 1 "$work/port"
try msr write "$work/msr"
try disk_write "$tests/prog_disk" direct "$root"
try disk_mount "$tests/prog_disk" mount "$loop" "$work/debug" ext4
try disk_mapper "$tests/prog_disk" read /dev/mapper/control
try disk_device dstackctl device add "/dev/mapper/$id-other"
try disk_changed dmsetup suspend "$id-checked"
try in_a_namespace unshare -mpf "$work/tmpfs/program"
try as_a_user chroot --userspec=1000:1000 / "$work/tmpfs/program"
try by_the_loader /lib64/ld-linux-x86-64.so.2 "$work/tmpfs/program"
try from_memory "$tests/prog_run" -s "$bad" &&
echo end
HOSTILE
chmod +x "$work/hostile"
script=$("$work/hostile")
claim hostile_script_runs_to_its_end has "$script" '^end$'
refused() {
	local name
	for name; do
		claim "$(number "$name")${name}_is_refused" \
			has "$script" "^$name: refused" 1
	done
}
number() {
	case $1 in
	insmod | load_* | kexec*) echo attack_29_ ;;
	take_* | unload* | rmmod*) echo attack_30_ ;;
	attach* | write_* | become) echo attack_21_ ;;
	mem* | port | msr | kcore | kprobe* | set_ftrace* | error*)
		echo attack_33_ ;;
	disk_*) echo attack_23_ ;;
	old_policy) echo attack_76_ ;;
	esac
}
refused off measure enforce act_for old_policy policy_without_host policy_of_another \
	other_dstackctl other_dstackctl_ack take_prog take_link load_tracing \
	unload unload_by_force rmmod rmmod_force insmod load_file load_memory \
	kexec kexec_file attach_daemon write_daemon write_self become \
	kprobe_events set_ftrace_filter error_injection kcore mem mem_write \
	port msr disk_write disk_mount disk_mapper disk_device disk_changed \
	in_a_namespace as_a_user by_the_loader
for register in "$measurements"/rtmr[0-3]*; do
	test ! -e "$register" || claim "attack_39_register_${register##*/}_is_refused" \
		has "$script" "^register_${register##*/}: refused" 1
done

#
# Nothing came of it
#

claim daemon_starts_again dstackd --daemonize --state enforce
claim state_is_still_locked is "$(dstackctl status --json | jq -r .state)" locked
claim hooks_and_policy_are_the_same \
	is "$(dstackctl status --json | jq -c '[.hooks, .policy.epoch]')" "$before"
claim attempts_are_recorded has "$(events)" \
	'dstack.tamper id=host what=[a-z]* verdict=denied count=1$'
claim container_still_runs_what_is_approved is "$(run "$good")" hello
claim container_still_runs_nothing_else is "$(run "$bad")" EACCES
claim host_still_does_not_run_what_is_not_trusted \
	is "$("$tests/prog_run" "$work/tmpfs/program")" EACCES
claim what_was_registered_before_still_counts has \
	"$(dstackctl why --container "$id" --kind exec "$work/checked/good")" \
	dm-verity
claim newer_policy_is_loaded load
claim quote_still_verifies verify_quote
claim register_is_replayed quote_is_replayed

finish
