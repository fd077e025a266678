#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
#
# The application of upstream's own simulator, its files byte by byte as they
# are there: booted, with what goes wrong on the way (no room, a clock that jumps,
# an MR_CONFIG_ID of another application), and then who it is by upstream's
# rules.  For a machine in which nothing else was booted, and which was started for
# this application.
set -u
# shellcheck source=selftests/agent.sh
. "$(dirname "$0")/agent.sh"

upstream=/copy/upstream
if ! test -d "$upstream"; then
	echo "1..0 # SKIP no files of upstream's simulator in DSTACK_VECTORS"
	exit
fi
begin booted_upstream
# shellcheck source=selftests/keys.sh
. "$tests/keys.sh"
host=$work/host
dir=$work/app
socket=$work/dstack.sock
tappd=$work/tappd.sock
server=
compose=$(sha256 "$upstream/app-compose.json")
app_id=${compose:0:40}
mkdir "$host"
cp "$upstream"/{app-compose.json,.sys-config.json} "$host/"
# As small as it can be.
fs tmpfs "$dir" -o mode=700,size=4k

upstream_end() {
	test -z "${agent-}" || kill "$agent" 2>/dev/null
	test -z "$server" || kill "$server" 2>/dev/null
	umount "$register" 2>/dev/null
	dstackctl key revoke --all >/dev/null
	end
}
trap upstream_end EXIT

# The KMS that these files name, or what says so.
url=$(jq -r '.kms_urls[0]' "$host/.sys-config.json")
name=${url#https://}
echo "127.0.0.1 ${name%:*}" >>/etc/hosts
image=$(jq -r '.vm_config | fromjson | .os_image_hash' "$host/.sys-config.json")
"$tests/kms-stand-in" --name "${name%:*}" --port "${name#*:}" \
	--image "$image" >"$work/url" &
server=$!
for _ in {1..500}; do
	test ! -s "$work/url" || break
	nap
done

boot() {
	dstack-boot --host "$host" --dir "$dir" \
		--time-scale "$((TIME_SCALE * 2))" "$@" >"$work/said" 2>&1
}

says() {
	has "$(<"$work/said")" "$1"
}

# own: names and payloads of the boot's events, a line each.
own() {
	settle
	jq -r 'select(.event_type == 134217729) |
		"\(.event)=\(.event_payload)"' "$log" | grep -v '^dstack\.'
}

#
# No room: each file is there as a whole or not at all, each event once
#

# larger STEP: until it boots so far, and once more, a page more each time.
pages=1
larger() {
	local tries=0
	until boot --until "$1" && boot --until "$1"; do
		says "can't write '.*': No space left on device: .* larger" ||
			return
		test ! -e "$dir/.new" || return
		tries=$((tries + 1))
		pages=$((pages + 1))
		mount -o "remount,size=$((4 * pages))k" "$dir"
	done
	test "$tries" -ge 2
}
claim files_want_room_and_are_told_so larger store
first="system-preparing=
app-id=$app_id
compose-hash=$compose
gpu-policy-hash=$(printf '{}' | sha256sum | cut -d' ' -f1)
instance-id=$(jq -r .instance_id "$dir/.instance_info")
boot-mr-done="
claim nothing_is_measured_twice is "$(own)" "$first"

#
# A clock that jumps: what it says of certificates is what it changes, and a
# KMS's begin in 1975
#

clock 1974-01-02
boot --until keys
claim clock_that_jumped_back_is_told says \
	'certificate is not yet valid: is this machine.s clock right'
clock 2090-01-02
boot --until keys
claim clock_that_jumped_ahead_is_told says \
	'certificate has expired: is this machine.s clock right'
clock
claim no_clock_measures_anything is "$(own)" "$first"
claim no_clock_stores_keys test ! -e "$dir/.appkeys.json"

#
# MR_CONFIG_ID: what this machine was started for
#

register=/sys/class/misc/tdx_guest/measurements/mrconfigid
# boot_with HEX: the boot of a machine with this register.
boot_with() {
	local status=0
	from_hex <<<"$1$(printf '%096d' 0 | cut -c "$((${#1} + 1))-")" \
		>"$work/register"
	mount --bind "$work/register" "$register"
	boot --until provider || status=$?
	umount "$register"
	return "$status"
}
# for_another HEX WHAT
for_another() {
	boot_with "$1" && return 1
	says "MR_CONFIG_ID.*$2"
}
of_a_td() {
	test "$DSTACK_BACKEND" = tdx || skip "no TD" || return
	"$@"
}
config_id_is_the_applications() {
	is "$(od -An -v -tx1 "$register" | tr -d ' \n')" \
		"01$compose$(printf '%030d' 0)"
}
claim machine_was_started_for_this_application \
	of_a_td config_id_is_the_applications
claim machine_for_another_application_is_refused \
	of_a_td for_another "01$(printf '%064d' 1)" 'another compose hash'
claim machine_for_another_provider_is_refused \
	of_a_td for_another "02$(printf '%064d' 1)" 'or key provider'
claim machine_for_what_is_not_explained_is_refused \
	of_a_td for_another "03$(printf '%064d' 1)" 'gave no mr_config'
claim machine_of_an_unknown_version_is_refused \
	of_a_td for_another "04$(printf '%064d' 1)" 'of version 4'
claim none_of_them_measured_its_provider is "$(own)" "$first"
document="{\"compose_hash\":\"$compose\",\"key_provider\":\"kms\",\"version\":3}"
explained=$(printf 'dstack-mr-config-v3:\0%s' "$document" | sha256sum)
jq --arg document "$document" '.mr_config = $document' \
	"$upstream/.sys-config.json" >"$host/.sys-config.json"
claim another_document_is_refused \
	of_a_td for_another "03$(printf '%064d' 1)" 'another mr_config'
claim document_of_this_application_is_taken of_a_td boot_with "03${explained%% *}"
cp "$upstream/.sys-config.json" "$host/"


#
# Booted
#

# The keys of this boot are asked for once: .appkeys.json takes a page or two.
claim keys_want_room_and_are_told_so larger key-store
mount -o remount,size=256m "$dir"
claim application_of_upstream_boots boot
provider=$(jq -r .key_provider.Kms.pubkey "$dir/.appkeys.json")
said=$(printf '{"name":"kms","id":"%s"}' "$provider")
claim each_event_is_there_once is "$(own)" "$first
os-image-hash=$image
key-provider=$(printf %s "$said" | od -An -v -tx1 | tr -d ' \n')
system-ready="
claim boot_is_done_once_more boot
claim log_replays_to_the_register quote_is_replayed

#
# Who it is
#

agent_policy
dstackctl container add --cgroup "$cgroup" --id "$id" --section test \
	--app-id "$app_id" || die "no container"
app=$dir
key_epoch=0
start_agent
info=$(guest /Info)
claim info_is_had has "$info" '^200$'
value .tcb_info "$info" >"$work/tcb.json"
value .quote "$(guest /GetQuote '{"report_data": ""}')" | from_hex \
	>"$work/quote"
stop_agent
claim tcb_info_has_upstreams_shape is "$(jq -r 'keys_unsorted | @csv' \
	"$work/tcb.json")" "$(jq -nr '["mrtd", "rtmr0", "rtmr1", "rtmr2",
		"rtmr3", "mr_aggregated", "os_image_hash", "compose_hash",
		"device_id", "event_log", "app_compose"] | @csv')"
claim application_is_in_it_byte_by_byte is "$(jq -rj .app_compose \
	"$work/tcb.json" | busybox sha256sum)" "$compose  -"

# As another reader of upstream's format has it.
replayed=$(node "$tests/replay.mjs" "$work/tcb.json")
claim upstreams_rules_give_the_register \
	has "$replayed" "^rtmr3=$(jq -r .rtmr3 "$work/tcb.json")\$"
claim they_give_the_application has "$replayed" "^app-id=$app_id\$"
claim they_give_its_hash has "$replayed" "^compose-hash=$compose\$"
claim they_give_who_gave_the_keys has "$replayed" \
	"^key-provider=$(printf %s "$said" | od -An -v -tx1 | tr -d ' \n')\$"

verifier_accepts_it() {
	dstackctl verify quote "$work/quote" --tcb-info "$work/tcb.json" \
		"${trust[@]}"
}
claim verifier_accepts_it of_a_td verifier_accepts_it

#
# What it would run
#

# runs FILTER: with this changed, what is said.
runs() {
	mkdir -p "$work/other"
	jq "$1" "$dir/app-compose.json" >"$work/other/app-compose.json"
	dstack-boot app --app "$work/other" --check 2>&1
}
# Said by the application itself: the network of the machine, and images by digest.
allowed='del(.pre_launch_script) |
	.dstack.containers["dstack-agent"].allow = ["host-network"]'
no_root='.docker_compose_file |= gsub(" *- /:/host/\n"; "")'
pinned='.docker_compose_file |= gsub("(?<i>image: [^\n]*)";
	.i + "@sha256:'$(printf '%064d' 1)'")'
claim script_outside_of_containers_is_refused has "$(runs .)" \
	'pre_launch_script: it would run outside of every container'
claim network_of_the_machine_is_refused_unless_said has \
	"$(runs 'del(.pre_launch_script)')" "'dstack-agent': network_mode: "
claim root_of_the_machine_as_a_volume_is_refused has "$(runs "$allowed")" \
	"'dstack-agent': volumes: it would be more than a container"
claim tags_are_refused has "$(runs "$allowed | $no_root")" 'not pinned'
claim pinned_and_without_that_it_is_run is "$(runs \
	"$allowed | $no_root | $pinned" | jq -c '.services | keys')" \
	'["dstack-agent","dstack-verifier"]'

finish
