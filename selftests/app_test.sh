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

registry=
# What dstack-boot calls, as oci.sh has it.
cat >/usr/local/bin/podman <<'SCRIPT'
#!/bin/busybox sh
GOGC=off exec /usr/bin/podman "$@"
SCRIPT
chmod 755 /usr/local/bin/podman
app_end() {
	test -z "$registry" || kill "$registry"
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

#
# What a registry has
#

port=5000
podman rmi --all --force >/dev/null
export CONTAINERS_REGISTRIES_CONF=$work/registries.conf
printf '[[registry]]\nlocation = "127.0.0.1:%d"\ninsecure = true\n' "$port" \
	>"$CONTAINERS_REGISTRIES_CONF"
node "$tests/registry.mjs" "$work/image/blobs/sha256" "$port" \
	"$work/serves" &
registry=$!
eventually test -e "$work/serves" || die "no registry"

# pull_killed REPOSITORY PATTERN [FILE]: what dstack-boot says until that is said
# and there is this file, when it is killed.
pull_killed() {
	local pid
	application "${good//$repository/127.0.0.1:$port/app/$1}"
	dstack-boot app --app "$work/app" >"$work/said" 2>&1 </dev/null &
	pid=$!
	eventually grep -qE "$2" "$work/said"
	eventually test -e "${3:-$work/said}"
	kill -9 "$pid"
	wait "$pid" 2>/dev/null
	cat "$work/said"
}

wrong=$(pull_killed wrong 'podman: Error|services run')
cut=$(pull_killed cut 'podman: Error|services run')
none=$(containers)
# podman names a layer before it asks for it.
half=$(pull_killed web 'layer 1 \(|services run' "$work/serves.half")
nap
pulling=$(pgrep -cf 'podman pull')
pulled=$(dstack-boot app --app "$work/app" 2>&1 </dev/null)
run_app --down >/dev/null

claim a_manifest_of_another_digest_is_not_pulled has "$wrong" \
	'podman: Error: .*digest'
claim a_layer_that_was_cut_is_not_pulled has "$cut" 'podman: Error: .*'
claim nothing_of_them_runs is "$none" 0
claim layers_are_told_while_they_are_pulled has "$half" \
	'pulling 127.0.0.1:5000/app/web@.*: layer 1 \([0-9a-f]{12}\) after'
claim a_pull_ends_with_who_asked_for_it is "$pulling" 0
claim a_pull_that_was_killed_is_begun_anew has "$pulled" \
	'2 services run, each registered before its first program'
claim its_end_is_told has "$pulled" 'all 1 layers are here after'

finish
