#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
#
# Containers of runc, which runs itself from a sealed memfd.
# shellcheck source=selftests/oci.sh
. "$(dirname "$0")/oci.sh"

begin_oci oci_runc
approve web "$rootfs"
variant "$rootfs/bin/intruder"
bundle web '.annotations = { "org.dstack.section": "web" } |
	.linux.cgroupsPath = "/'"$id"'/web"'
bundle typo '.annotations = { "org.dstack.section": "a b" }'

state enforce
mark
create runc web
runc start "$id.web"
started=$?
approved=$(runc exec "$id.web" /bin/hello from exec)
denied=$(runc exec "$id.web" /bin/intruder)
runc delete --force "$id.web"
left=$(containers)
events=$(of "$id.web" "$(events)")
claim runc_container_starts is "$started" 0
claim container_is_registered_before_its_first_program in_order "$events" \
	"action=add id=$id.web section=web app=$app " \
	"dstack.exec id=$id.web .*reason=approved .*path=/bin/busybox" \
	"dstack.exec id=$id.web .*reason=approved .*path=/bin/hello"
claim runc_exec_is_the_container is "$approved" 'hello from exec'
claim runc_exec_of_an_unapproved_program_is_denied \
	has "$denied" '[Pp]ermission denied'
claim the_denial_is_the_containers has "$events" \
	"dstack.deny id=$id.web kind=exec .*path=/bin/intruder\$" 1
claim stopped_container_is_forgotten is "$left" 0

typo=$(runc run --bundle "$work/typo" "$id.typo")
claim container_with_a_malformed_annotation_does_not_start has "$typo" \
	"hook .*container $id.typo: annotation org.dstack.section: 'a b' is not " 1

#
# An engine in a container: all of it is that container, runc included
#

bundle inner '.hooks = {} | .process.args = ["/bin/hello", "from inside"] |
	.linux.cgroupsPath = "/'"$id"'/inner"'
mkdir -p "$cgroup/engine"
dstackctl container add --cgroup "$cgroup" --id "$id" --section engine \
	--app-id "$app" || die "can't add container $id"
inner() {
	"$tests/prog_run" -c "$cgroup/engine" "$runc_program" \
		--root "$work/inner-state" run --bundle "$work/inner" \
		"$id.inner" 2>&1 </dev/null
}

approve engine "$rootfs"
without=$(inner)
# What the loader says that it maps, by the paths behind its links.
mapfile -t libraries < <(/lib64/ld-linux-x86-64.so.2 --list "$runc_program" |
	sed -n 's,.*[[:blank:]]\(/[^ ]*\) (0x.*,\1,p' | xargs realpath)
approve engine "$rootfs" "$runc_program" "${libraries[@]}"
digest=$(sha256 "$runc_program")
mark
with=$(inner)
events=$(of "$id" "$(events)")
empty "$cgroup"
claim runc_that_the_policy_does_not_name_is_denied is "$without" EACCES
claim runc_that_it_names_runs_a_container is "$with" 'hello from inside'
claim it_ran_itself_from_a_sealed_memfd_by_its_digest in_order "$events" \
	"dstack.exec .*digest=sha256:$digest reason=approved .*storage=disk path=$runc_program" \
	"dstack.exec .*digest=sha256:$digest reason=approved .*storage=memfd path=\"?/memfd:" \
	"dstack.exec .*reason=approved .*path=/bin/hello"

finish
