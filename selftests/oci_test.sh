#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
#
# Containers of crun that register themselves, and those that must not start.
# shellcheck source=selftests/oci.sh
. "$(dirname "$0")/oci.sh"

begin_oci oci
variant "$rootfs/bin/other"
cp "$tests/prog_interp" "$rootfs/bin/interp"
approve web "$rootfs" -- default "$rootfs/bin/hello"
variant "$rootfs/bin/intruder"
image=$(sha256 "$rootfs/bin/hello")
bundle web '.annotations = {
	"org.dstack.section": "web",
	"org.dstack.app-id": "'"$app"'",
	"org.dstack.image-digest": "sha256:'"$image"'"
} | .linux.cgroupsPath = "/'"$id"'/web"'
bundle plain '.process.args = ["/bin/hello", "from plain"]'
bundle wrong '.process.args = ["/bin/busybox", "true"]'
bundle typo '.annotations = { "org.dstack.setcion": "web" } |
	.process.args = ["/bin/hello"]'
bundle bits '.annotations = {
	"org.dstack.section": "web",
	"org.dstack.securebits": "restrict"
} | .process.args = ["/bin/interp", "-b"]'
bundle users '.annotations = { "org.dstack.section": "web" } |
	.process.args = ["/bin/hello", "from users"] |
	.linux.cgroupsPath = "/'"$id"'/users" |
	.linux.namespaces += [{ type: "user" }] |
	.linux.uidMappings = [{containerID: 0, hostID: 100000, size: 1000}] |
	.linux.gidMappings = .linux.uidMappings'

# Runs, in their bundles, one after the other.
run_as() {
	crun run --bundle "$work/$1" "$id.$1"
}

#
# Registered before the first program, forgotten after the last
#

state enforce
mark
create crun web
crun start "$id.web"
started=$?
listed=$(listed "$id.web")
approved=$(crun exec "$id.web" /bin/hello from exec)
denied=$(crun exec "$id.web" /bin/intruder)
mkdir "$cgroup/web/nested"
nested=$("$tests/prog_run" -c "$cgroup/web/nested" "$rootfs/bin/intruder")
crun delete --force "$id.web"
left=$(containers)
events=$(of "$id.web" "$(events)")

claim crun_container_starts is "$started" 0
claim annotations_become_its_registration \
	is "$listed" "[\"web\",\"$app\",\"$image\"]"
claim container_is_registered_before_its_first_program in_order "$events" \
	"action=add id=$id.web section=web app=$app image=sha256:$image " \
	"dstack.exec id=$id.web .*reason=approved .*path=/bin/busybox"
claim first_program_is_recorded_once has "$events" \
	'dstack.exec .*path=/bin/busybox$' 1
claim crun_exec_is_the_container is "$approved" 'hello from exec'
claim crun_exec_of_an_approved_program_is_recorded has "$events" \
	"dstack.exec id=$id.web .*reason=approved .*path=/bin/hello\$" 1
claim crun_exec_of_an_unapproved_program_is_denied \
	has "$denied" 'Permission denied'
claim nested_cgroup_of_the_container_is_the_container is "$nested" EACCES
claim denials_are_the_containers has "$events" \
	"dstack.deny id=$id.web kind=exec .*path=(/bin|rootfs/bin)/intruder" 2
claim stopped_container_is_forgotten is "$left" 0
claim its_end_is_recorded_last \
	is "${events##*action=}" "$(sed -n 's/.*action=remove/remove/p' \
	<<<"$events")"

mark
plain=$(run_as plain)
wrong=$(run_as wrong)
users=$(run_as users)
events=$(events)
claim container_without_annotations_runs_in_section_default \
	is "$plain" 'hello from plain'
claim its_app_is_that_of_the_policy has "$events" \
	"action=add id=$id.plain section=default app=$app image=sha256:0{64} " 1
claim unapproved_first_program_never_runs has "$wrong" 'Permission denied'
claim it_was_denied_as_the_containers has "$events" \
	"dstack.deny id=$id.wrong kind=exec .*path=/bin/busybox\$" 1
claim container_with_a_user_namespace_runs is "$users" 'hello from users'
claim its_program_is_recorded has "$events" \
	"dstack.exec id=$id.users .*reason=approved .*path=/bin/hello\$" 1

# Linux 6.14 has the bits; a container that wants them does not run without.
mark
bits=$(run_as bits)
bits_reason=$(reason)
events=$(events)
if test "$("$tests/prog_interp" -k "$rootfs/bin/interp")" = EINVAL; then
	claim container_that_needs_securebits_does_not_start \
		has "$bits" "error executing hook .$hook"
	claim the_reason_says_that_the_kernel_has_none has "$bits_reason" \
		"^container $id.bits: .*this kernel has no securebits"
else
	claim annotation_sets_securebits is "$bits" 0xf00
	claim its_registration_says_so has "$events" \
		"action=add id=$id.bits .* flags=securebits\$" 1
fi

#
# A runtime that is killed has no poststop
#

# Its processes die, its state is lost; the cgroup stays, or goes as well.
crash() {
	empty "$cgroup/web"
	rm -rf "$work/crun/$id.web"
}

mark
create crun web
crash
in_place=$(create crun web; crun start "$id.web" && echo started)
crash
find "$cgroup/web" -depth -type d -exec rmdir {} +
anew=$(create crun web; crun start "$id.web" && echo started)
approved=$(crun exec "$id.web" /bin/hello)
crun delete --force "$id.web"
events=$(of "$id.web" "$(events)")
claim same_container_starts_again_in_the_cgroup_it_left is "$in_place" started
claim same_container_starts_again_after_its_cgroup_is_gone is "$anew" started
claim it_runs_what_is_approved is "$approved" hello
claim heir_is_recorded_after_the_end_of_the_dead in_order "$events" \
	"action=add id=$id.web " "action=remove id=$id.web " \
	"action=add id=$id.web " 'path=/bin/hello' "action=remove id=$id.web "

#
# The whole container, whatever the runtime does below
#

# call CGROUP PATH [OPTION]...: the hook, for a process in CGROUP of a
# container that has PATH in its configuration.
call() {
	local cgroup=$cgroup/$1 path=$2 pid
	shift 2
	mkdir -p "$cgroup" "$work/called"
	"$tests/prog_run" -c "$cgroup" "$rootfs/bin/sleep" 1000 &
	pid=$!
	disown
	until [[ $(<"$cgroup/cgroup.procs") == "$pid" ]]; do
		nap
	done
	printf '{"linux":{"cgroupsPath":"%s"}}' "$path" \
		>"$work/called/config.json"
	printf '{"ociVersion":"1.0","id":"%s","status":"creating","pid":%d,"bundle":"%s","annotations":{%s}}' \
		"$id.called" "$pid" "$work/called" "$annotations" |
		"$@" "$hook" createRuntime 2>&1
	called=$?
}

annotations='"org.dstack.section":"web"'
mkdir -p "$cgroup"
call "test.slice/crun-$id.called.scope/container" \
	"test.slice:crun:$id.called" command >"$work/out"
scope=$cgroup/test.slice/crun-$id.called.scope
mkdir "$scope/sibling"
claim hook_registers_a_process_in_a_sub_cgroup is "$called" 0
claim hook_registers_the_whole_scope_of_systemd \
	is "$(dstackctl container list --json | jq .[0].cgroup_id)" \
	"$(stat -c %i "$scope")"
claim sibling_of_the_first_process_is_the_container \
	is "$("$tests/prog_run" -c "$scope/sibling" "$rootfs/bin/intruder")" \
	EACCES
empty "$scope"
claim populated_container_is_not_forgotten_but_empty_one_is \
	dstackctl container remove "$id.called"

# Engines without hooks place their containers below one that is registered.
bundle placed '.hooks = {} | .process.args = ["/bin/hello", "from below"] |
	.linux.cgroupsPath = "/'"$id"'/parent/placed"'
mkdir -p "$cgroup/parent"
dstackctl container add --cgroup "$cgroup/parent" --id "$id.parent" \
	--section default --app-id "$app" || die "can't add a container"
mark
placed=$(run_as placed)
events=$(events)
claim container_below_a_registered_cgroup_runs is "$placed" 'hello from below'
claim it_is_recorded_as_part_of_it has "$events" \
	"dstack.exec id=$id.parent .*reason=approved .*path=/bin/hello\$" 1
dstackctl container remove "$id.parent"

#
# What does not start, and why
#

# refused PATTERN: the last call failed, and said so in one line.
refused() {
	is "$called" 1 && has "$said" . 1 && has "$said" "$1" 1 &&
		has "$(reason)" "$1" 1 && is "$(containers)" 0
}

try() {
	call "$@" >"$work/out"
	said=$(<"$work/out")
	empty "$cgroup"
}

annotations='"org.dstack.section":"a\nb\u001b[31m"'
try x "/$id/x" command
claim malformed_section_is_refused_in_one_line \
	refused "'a.b.\\[31m' is not the name of a section"
annotations='"org.dstack.app-id":"'"${app%7}8"'"'
try x "/$id/x" command
claim app_of_another_policy_is_refused \
	refused 'it belongs to app 0*8, the active policy to app 0*7: load '
annotations=
try x "/$id/y" command
claim process_outside_of_its_configured_cgroup_is_refused \
	refused "is in cgroup '/$id/x', not below 'linux.cgroupsPath'"
try x "/$id/x" "$tests/prog_run" -c "$cgroup/x"
claim cgroup_of_the_engine_is_refused \
	refused "of the engine is in the container's cgroup '/$id/x'"
try x "/$id/x" setpriv --reuid 65534 --regid 65534 --clear-groups
claim rootless_engine_is_refused \
	refused 'CAP_SYS_ADMIN .*; the containers of rootless engines'
try x "/$id/x" unshare --user --map-root-user --net
claim engine_in_another_network_namespace_is_refused \
	refused "not in this network namespace"
try x "/$id/x" unshare --fork --pid
claim hook_in_another_pid_namespace_is_refused \
	refused "not that of this hook's pid namespace"

typo=$(run_as typo)
typo_reason=$(reason)
claim container_with_a_malformed_annotation_does_not_start \
	has "$typo" "error executing hook .$hook"
claim its_program_did_not_run has_not "$typo" '^hello'
claim its_reason_is_in_the_system_log has "$typo_reason" \
	"^container $id.typo: unknown annotation org.dstack.setcion: there are "

# With any hierarchy of v1 a process is in two places.
mkdir "$work/v1"
mount -t cgroup -o none,name=selftest none "$work/v1" || die "no cgroup v1"
v1=$(run_as plain)
v1_reason=$(reason)
umount "$work/v1"
for _ in {1..500}; do
	[[ $(</proc/self/cgroup) == 0::* ]] && break
	nap
done
claim container_on_a_host_with_cgroup_v1_does_not_start \
	has "$v1" "error executing hook .$hook"
claim the_reason_says_what_to_do has "$v1_reason" \
	"^container $id.plain: this host has cgroup v1 .*unified_cgroup_hierarchy=1"

# dstackd is there, but for the module it is as if it had never been.
dstackctl state off >/dev/null
off=$(run_as plain)
off_reason=$(reason)
kill -HUP "$(</run/dstack/dstackd.pid)"
for _ in {1..500}; do
	[[ $(dstackctl status) != *MISSING* ]] && break
	nap
done
idle=$(run_as plain)
idle_reason=$(reason)
state measure
again=$(run_as plain)
claim container_without_dstackd_does_not_start \
	has "$off" "error executing hook .$hook"
claim the_reason_says_to_start_it has "$off_reason" \
	"^container $id.plain: nothing would see what it runs: start dstackd"
claim container_in_state_off_does_not_start \
	has "$idle" "error executing hook .$hook"
claim the_reason_says_to_change_the_state has "$idle_reason" \
	"^container $id.plain: .*off.*'dstackctl state measure'"
claim it_starts_when_that_is_done is "$again" 'hello from plain'

#
# As dstackctl run would have recorded it
#

# What happened to whom is in id, path and cgroup.
alike() {
	sed -E 's/^ *[0-9]+ //; s/ id=[^ ]*//; s/ path=.*//; s/ cgroup=.*//' \
		<<<"$1"
}

mark
run_as plain >"$work/out"
ours=$(of "$id.plain" "$(events)")
mark
dstackctl run --name "$id.run" --section default \
	--policy "$work/policy.json" --rootfs "$rootfs" -- /bin/hello from run \
	>"$work/out" 2>&1 </dev/null
theirs=$(of "$id.run" "$(events)")
claim crun_container_is_recorded_as_one_of_dstackctl_run \
	is "$(alike "$ours")" "$(alike "$theirs")"

finish
