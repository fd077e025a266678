#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
#
# The containers of an application, from its compose file, by podman.
# shellcheck source=selftests/oci.sh
. "$(dirname "$0")/oci.sh"

modprobe overlay
begin_oci app
driver=overlay
make_image

# What dstack-boot calls, as oci.sh has it.
cat >/usr/local/bin/podman <<'SCRIPT'
#!/bin/busybox sh
GOGC=off exec /usr/bin/podman "$@"
SCRIPT
chmod 755 /usr/local/bin/podman
app_end() {
	rm -f /usr/local/bin/podman
	end_podman
}
trap app_end EXIT

# dstack-boot calls podman by itself: what the wrapper says goes into files.
# Nothing runs yet, and what the machine has is its own.
export CONTAINERS_CONF=$work/containers.conf
export CONTAINERS_STORAGE_CONF=$work/storage.conf
cat >"$CONTAINERS_CONF" <<CONF
[engine]
cgroup_manager = "cgroupfs"
events_logger = "none"
tmp_dir = "$work/tmp"
[containers]
log_driver = "k8s-file"
CONF
cat >"$CONTAINERS_STORAGE_CONF" <<CONF
[storage]
driver = "overlay"
graphroot = "$work/storage"
runroot = "$work/run"
CONF

repository=reg.example/app/web
image=$repository@sha256:$manifest
jq -c --arg name "$repository:1" '.manifests[0].annotations =
	{"org.opencontainers.image.ref.name": $name}' \
	"$work/image/index.json" >"$work/index.json"
mv "$work/index.json" "$work/image/index.json"
podman pull --quiet "oci:$work/image:$repository:1" >"$work/out" ||
	die "podman pull: $(<"$work/out")"

# application COMPOSE [STATE]: what dstack-boot would leave in $work/app.
application() {
	mkdir -p "$work/app"
	jq -cn --arg compose "$1" --arg state "${2:-enforce}" \
		--slurpfile policy "$work/policy.json" '{
		manifest_version: 2, name: "test", runner: "docker-compose",
		docker_compose_file: $compose,
		dstack: {policy: $policy[0], state: $state,
			containers: {db: {section: "data"}}}}' \
		>"$work/app/app-compose.json"
	printf '{"instance_id_seed":"%040d","app_id":"%s"}' 1 "$app" \
		>"$work/app/.instance_info"
	printf '{"WORD":"from the environment","OTHER":"not asked for"}' \
		>"$work/app/.decrypted-env.json"
}

run_app() {
	dstack-boot app --app "$work/app" --no-pull "$@" 2>&1 </dev/null
}

id_of() {
	dstackctl container list --json |
		jq -r --arg section "$1" '.[] | select(.section == $section).id'
}

good="services:
  web:
    image: $repository:1@sha256:$manifest
    network_mode: none
    stop_signal: SIGKILL
    command: [/bin/sleep, '1000']
  db:
    image: $image
    network_mode: none
    stop_signal: SIGKILL
    command: [/bin/sleep, '1000']
    environment: ['SAID=\${WORD}']
"

#
# What is refused, before podman is asked for anything but its store
#

approve web "$work/image" -- data /usr/bin/busybox
application "$good"
wrong_state=$(run_app)
state enforce
application "${good//@sha256:$manifest/}"
unpinned=$(run_app)
application "$good    privileged: true"
privileged=$(run_app)
application "${good//$manifest/$(printf '%064d' 1)}"
wrong_digest=$(run_app)

claim a_state_that_the_machine_is_not_in_is_refused has "$wrong_state" \
	'asks for state enforce, and the machine is in state measure'
claim a_tag_without_a_digest_is_refused has "$unpinned" \
	"service 'web': image: '$repository:1': not pinned"
claim a_privileged_service_is_refused has "$privileged" \
	"service 'db': privileged: it would be more than a container"
claim another_digest_under_the_same_name_is_refused has "$wrong_digest" \
	"image $repository@sha256:0*1 is not in podman's store"

#
# What is run
#

mark
application "$good"
started=$(run_app)
web=$(id_of web)
db=$(id_of data)
listed=$(listed "$web")$(listed "$db")
read -r pid <"$cgroup_root/libpod_parent/libpod-$db/cgroup.procs"
said=$(tr '\0' '\n' <"/proc/$pid/environ")
denied=$(podman exec "$db" /bin/hello)
again=$(run_app)
ended=$(run_app --down)
left=$(containers)
events=$(events)

claim pinned_images_are_run has "$started" \
	'2 services run, each registered before its first program'
claim their_images_were_checked has "$started" \
	"image $image is there: manifest, configuration and layers" 1
claim containers_have_their_sections_and_the_pinned_digest is "$listed" \
	"[\"web\",\"$app\",\"$manifest\"][\"data\",\"$app\",\"$manifest\"]"
claim web_is_registered_before_its_first_program in_order \
	"$(of "$web" "$events")" \
	"action=add id=$web section=web app=$app image=sha256:$manifest " \
	"dstack.exec id=$web .*reason=approved .*path=/bin/busybox"
claim db_is_registered_before_its_first_program in_order \
	"$(of "$db" "$events")" \
	"action=add id=$db section=data app=$app image=sha256:$manifest " \
	"dstack.exec id=$db .*reason=approved .*path=/bin/busybox"
claim variables_are_those_of_the_application has "$said" \
	'^SAID=from the environment' 1
claim and_no_others has_not "$said" 'OTHER|not asked for'
claim what_the_policy_does_not_name_does_not_run has "$denied" \
	'[Pp]ermission denied'
claim a_second_start_finds_what_runs has "$again" '2 of 2 services run already'
claim an_application_can_be_ended has_not "$ended" 'dstack-boot'
claim its_containers_are_forgotten is "$left" 0

finish
