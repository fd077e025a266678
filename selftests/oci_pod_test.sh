#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
#
# podman: pods, whose containers are each their own, and user namespaces.
# shellcheck source=selftests/oci.sh
. "$(dirname "$0")/oci.sh"

begin_podman oci_pod vfs
approve web "$work/image" -- default "$rootfs/bin/busybox"

state enforce
mark
podman pod create --name pod --network none --infra-image "$image" \
	--infra-command "/bin/sleep 1000" >"$work/out" || cat "$work/out"
first=$(podman run --detach --pod pod --annotation org.dstack.section=web \
	"$image" /bin/hello first)
second=$(podman run --detach --pod pod "$image" /bin/sleep 1000)
podman pod rm --force --time 0 pod >"$work/out" || cat "$work/out"
left=$(containers)
events=$(events)
# It comes first, for the others to join.
infra=$(sed -n 's/.*action=add id=\([^ ]*\) .*/\1/p;T;q' <<<"$events")

# who ID SECTION PROGRAM
who() {
	in_order "$(of "$1" "$events")" "action=add id=$1 section=$2 " \
		"dstack.exec id=$1 .*reason=approved .*path=/bin/$3" \
		"action=remove id=$1 section=$2 "
}

claim container_of_a_pod_is_one_of_its_own who "$first" web hello
claim other_container_of_the_pod_is_another who "$second" default busybox
claim infra_container_of_the_pod_is_one_too who "$infra" default busybox
claim pod_has_three_containers has "$events" 'dstack.container action=add ' 3
claim all_are_forgotten_with_the_pod is "$left" 0

mark
users=$(podman run --rm --network none --uidmap 0:100000:65536 \
	--annotation org.dstack.section=web "$image" /bin/hello from users)
left=$(containers)
events=$(events)
claim container_with_a_user_namespace_runs is "$users" 'hello from users'
claim its_program_is_recorded has "$events" \
	'dstack.exec id=[0-9a-f]{64} .*reason=approved .*path=/bin/hello$' 1
claim it_is_forgotten is "$left" 0

finish
