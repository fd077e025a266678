#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
#
# podman, with nothing but the installed hooks: run, exec, restart.
# shellcheck source=selftests/oci.sh
. "$(dirname "$0")/oci.sh"

modprobe overlay
begin_podman oci_podman overlay
approve web "$work/image"

state enforce
mark
container=$(podman run --detach --network none \
	--annotation org.dstack.section=web \
	--annotation org.dstack.app-id="$app" \
	--annotation org.dstack.image-digest="sha256:$manifest" "$image")
listed=$(listed "$container")
approved=$(podman exec "$container" /bin/hello from exec)
# What somebody copies into the running container.
read -r pid <"$cgroup_root/libpod_parent/libpod-$container/cgroup.procs"
variant "/proc/$pid/root/bin/intruder"
denied=$(podman exec "$container" /bin/intruder)
podman restart --time 0 "$container" >"$work/out" || cat "$work/out"
podman rm --force --time 0 "$container" >"$work/out" || cat "$work/out"
left=$(containers)
events=$(of "$container" "$(events)")

claim podman_container_has_its_id_and_the_digest_of_its_image \
	is "$listed" "[\"web\",\"$app\",\"$manifest\"]"
claim container_is_registered_before_its_first_program in_order "$events" \
	"action=add id=$container section=web app=$app image=sha256:$manifest " \
	"dstack.exec id=$container .*reason=approved .*path=/bin/busybox"
claim podman_exec_is_the_container is "$approved" 'hello from exec'
claim podman_exec_of_an_unapproved_program_is_denied \
	has "$denied" '[Pp]ermission denied'
claim the_denial_is_the_containers has "$events" \
	"dstack.deny id=$container kind=exec .*path=/bin/intruder\$" 1
claim restarted_container_is_registered_anew in_order "$events" \
	"action=add id=$container " "path=/bin/busybox" "path=/bin/intruder" \
	"action=remove id=$container " "action=add id=$container " \
	"reason=approved .*path=/bin/busybox" "action=remove id=$container "
claim removed_container_is_forgotten is "$left" 0

wrong=$(podman run --rm --network none \
	--annotation org.dstack.image-digest=latest "$image" /bin/hello)
reason=$(reason)
claim container_with_a_malformed_annotation_does_not_start \
	has "$wrong" "error executing hook .$hook"
claim its_program_did_not_run has_not "$wrong" '^hello'
claim its_reason_is_in_the_system_log has "$reason" \
	"^container [0-9a-f]{64}: annotation org.dstack.image-digest: 'latest' is not " 1

finish
