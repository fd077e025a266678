#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
#
# Real containers: by crun, and by dstackctl run.
# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

begin container
# crun makes the cgroup of its container.
rmdir "$cgroup"
rootfs=$work/bundle/rootfs
crun=(crun --root "$work/crun" --cgroup-manager=cgroupfs)
mkdir -p "$rootfs"/{bin,dev,proc,sys,etc,tmp}
cp /usr/bin/busybox "$rootfs/bin/busybox"
cp "$hello" "$rootfs/bin/hello"
cp "$tests/prog_run" "$work/prog_run"
policy "$rootfs" "$work/prog_run"
# What comes after the scan is not approved.
variant "$rootfs/bin/intruder"
variant "$rootfs/bin/other"
intruder=$(sha256 "$rootfs/bin/intruder")

# The configuration that crun suggests, running as a sleeping busybox.
(cd "$work/bundle" && crun spec && jq --arg cgroup "/$id" '
	.process.terminal = false |
	.process.args = ["/bin/busybox", "sleep", "1000"] |
	.root.readonly = false |
	.linux.cgroupsPath = $cgroup' config.json >config.new &&
	mv config.new config.json) || die "crun spec failed"

crun_exec() {
	"${crun[@]}" exec "$id" "$@" 2>&1 </dev/null
}

ids_of() {
	sed -n "s/.*dstack\.$1 .*id=\([^ ]*\) .*/\1/p" <<<"$2" | sort -u |
		paste -sd ' '
}

#
# Created, registered, started
#

state enforce
mark
"${crun[@]}" create --bundle "$work/bundle" "$id" >/dev/null 2>&1 </dev/null ||
	die "crun create failed"
container
"${crun[@]}" start "$id" 2>/dev/null
started=$?
approved=$(crun_exec /bin/hello from inside)
denied=$(crun_exec /bin/intruder)
# A shell inside tries it, too.
shell=$(crun_exec /bin/busybox sh -c '/bin/intruder; echo $?')
events=$(events)

claim crun_container_starts is "$started" 0
claim approved_program_runs_in_crun_container \
	is "$approved" 'hello from inside'
claim copied_in_program_denied_in_crun_container \
	has "$denied" 'Permission denied'
claim copied_in_program_denied_to_a_shell_in_the_container \
	has "$shell" '^126$' 1
claim events_have_the_id_of_the_container \
	is "$(ids_of exec "$events") $(ids_of deny "$events")" "$id $id"
claim first_program_of_the_container_is_recorded has "$events" \
	"dstack.exec id=$id .*reason=approved .*path=/bin/busybox\$"
claim denial_of_copied_in_program_is_recorded has "$events" \
	"dstack.deny id=$id kind=exec digest=sha256:$intruder reason=unknown-digest count=1 .*path=/bin/intruder\$" 1

#
# Who is inside
#

mkdir "$cgroup_root/$id.next"
nested=$cgroup/nested
mkdir "$nested"
mark
in_nested=$("$tests/prog_run" -c "$nested" "$rootfs/bin/other")
in_sibling=$("$tests/prog_run" -c "$cgroup_root/$id.next" \
	"$rootfs/bin/other")
# The second one moves itself out of the container that the first entered.
moved_out=$("$tests/prog_run" -c "$nested" "$work/prog_run" \
	-c "$cgroup_root" "$rootfs/bin/other")
events=$(events)
claim nested_cgroup_is_the_container is "$in_nested" EACCES
claim sibling_cgroup_is_the_host is "$in_sibling" hello
claim process_that_root_moved_out_is_the_host is "$moved_out" hello
claim only_the_container_is_recorded \
	is "$(ids_of exec "$events") $(ids_of deny "$events")" "$id $id"
claim host_runs_what_the_policy_does_not_name \
	is "$("$rootfs/bin/intruder")" hello

#
# Registration
#

claim container_is_listed is "$(dstackctl container list --json |
	jq -r --arg id "$id" '.[] | select(.id == $id) | .section')" test
claim container_with_processes_is_not_removed \
	is "$(dstackctl container remove "$id" 2>/dev/null; echo $?)" 1
claim id_is_not_given_twice is "$(dstackctl container add --id "$id" \
	--cgroup "$cgroup_root/$id.next" --app-id "$app_id" 2>/dev/null;
	echo $?)" 1
claim cgroup_is_not_given_twice is "$(dstackctl container add --id "$id.2" \
	--cgroup "$cgroup" --app-id "$app_id" 2>/dev/null; echo $?)" 1
claim cgroup_of_the_caller_is_refused is "$(dstackctl container add \
	--id "$id.2" --cgroup "$cgroup_root" --app-id "$app_id" 2>/dev/null;
	echo $?)" 1
claim directory_that_is_no_cgroup_is_refused is "$(dstackctl container add \
	--id "$id.2" --cgroup "$work" --app-id "$app_id" 2>/dev/null; echo $?)" 1

why=$(dstackctl why --container "$id" --rootfs "$rootfs" /bin/intruder)
status=$?
claim why_says_denied is "$status" 1
claim why_shows_the_digest has "$why" "^digest +sha256:$intruder\$" 1
claim why_shows_the_reason has "$why" '^verdict +denied .unknown-digest.' 1
claim why_shows_the_next_step has "$why" '^next .*dstackctl policy scan' 1
claim why_approves_what_runs is "$(dstackctl why --container "$id" --json \
	--rootfs "$rootfs" /bin/hello | jq -c '[.runs, .reason]')" \
	'[true,"approved"]'

"${crun[@]}" delete --force "$id" 2>/dev/null
claim container_without_processes_is_removed dstackctl container remove "$id"
rmdir "$cgroup_root/$id.next"

#
# dstackctl run
#

run_container() {
	dstackctl run --name "$id.run" --section test \
		--policy "$work/policy.json" --rootfs "$rootfs" -- "$@" \
		2>&1 </dev/null
}

mark
approved=$(run_container /bin/hello there)
denied=$(run_container /bin/intruder)
status=$?
events=$(events)
claim dstackctl_run_runs_an_approved_program is "$approved" 'hello there'
claim dstackctl_run_exits_with_126_if_denied is "$status" 126
claim dstackctl_run_explains_the_denial has "$denied" "sha256:$intruder"
claim dstackctl_run_says_the_next_step has "$denied" 'dstackctl policy scan'
claim dstackctl_run_is_a_container_of_its_own \
	is "$(ids_of exec "$events") $(ids_of deny "$events")" \
	"$id.run $id.run"
claim dstackctl_run_leaves_no_container_behind is "$(dstackctl status --json |
	jq .containers)" 0
claim dstackctl_run_leaves_no_cgroup_behind \
	test ! -e "$cgroup_root/dstack/$id.run"

finish
