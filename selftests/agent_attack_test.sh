#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
#
# One container asks the guest agent for what is another's: keys, quotes, its
# name, its turn.  Each way fails where it does not for whom it is meant.
set -u
# shellcheck source=selftests/agent.sh
. "$(dirname "$0")/agent.sh"

begin_agent agent_attack
client=$tests/prog_agent
own=$work/test.sock
write_app "$app" '{"none": {"methods": ["Version", "GetKey", "EmitEvent"]}}'
start_agent --container-socket "test=$own"

denied_to_other() {
	refused "$(call "$other" "$@")" "section 'none' call .*\"agent\".\"none\"" \
		403
}

#
# Methods
#

data='{"report_data": "00"}'
full="{\"report_data\": \"$(printf '%0128d' 7)\"}"
for path in /GetQuote /v0/GetQuote /Attest /v0/Attest /v1/Attest; do
	claim "attack_40_${path//\//_}_is_had" \
		is "$(tail -n 1 <<<"$(guest "$path" "$data")")" 200
	claim "attack_40_${path//\//_}_is_denied" \
		denied_to_other "$socket" "$path" "$data"
done
for path in /prpc/Tappd.TdxQuote /prpc/RawQuote; do
	claim "attack_40_${path//\//_}_is_had" is "$(tail -n 1 \
		<<<"$(call "$cgroup" "$tappd" "$path" "$full")")" 200
	claim "attack_40_${path//\//_}_is_denied" \
		denied_to_other "$tappd" "$path" "$full"
done
claim denial_is_told_by_container_and_method has "$(<"$work/said")" \
	"container '$id.other' of section 'none' .* /v1/Attest: status 403"
claim method_that_is_named_is_served \
	is "$(tail -n 1 <<<"$(call "$other" "$socket" /v1/Version)")" 200
claim path_with_escapes_is_no_way_around is "$(tail -n 1 \
	<<<"$(call "$other" "$socket" /v1/%41ttest "$data")")" 404
claim codec_is_no_way_around is "$(inside "$other" curl -s -o "$work/body" \
	-w '%{http_code}' --unix-socket "$socket" --data-binary '' \
	-H 'Content-Type: application/octet-stream' \
	http://localhost/v1/Attest)" 403
claim query_is_no_way_around is "$(inside "$other" curl -s -o "$work/body" \
	-w '%{http_code}' --unix-socket "$socket" \
	'http://localhost/v1/Attest?report_data=00')" 403

#
# The socket of one section
#

claim socket_of_a_section_serves_it \
	is "$(tail -n 1 <<<"$(call "$cgroup" "$own" /v1/Version)")" 200
touch "$work/mounted"
mount --bind "$own" "$work/mounted"
mounts+=("$work/mounted")
claim it_serves_it_where_it_is_mounted is "$(tail -n 1 \
	<<<"$(call "$cgroup" "$work/mounted" /v1/Version)")" 200
claim socket_without_a_section_is_refused \
	has "$(dstackd agent --container-socket /x 2>&1)" 'SECTION=PATH'
claim it_serves_no_other refused "$(call "$other" "$own" /v1/Version)" \
	"socket is for containers of section 'test'" 403
claim nor_the_host refused "$(call "$cgroup_root" "$own" /v1/Version)" \
	"socket is for containers of section 'test'" 403
claim it_has_no_methods_of_the_oldest_api is "$(tail -n 1 \
	<<<"$(call "$cgroup" "$own" /prpc/Tappd.RawQuote "$full")")" 404

#
# Whose connection this is
#

body='{"path": "app/x"}'

# hold MODE CGROUP: a process there, whose child has connected for it; it asks
# once $work/go is there.
hold() {
	rm -f "$work/go" "$work/held"
	inside "$2" "$client" "$1" "$socket" "$work/go" /GetKey "$body" \
		>"$work/held" &
	holder=$!
	for _ in {1..500}; do
		test ! -s "$work/held" || break
		nap
	done
	read -r number <"$work/held"
}

# go [CGROUP]: what it hears, there.
go() {
	test $# = 0 || echo "$holder" >"$1/cgroup.procs"
	touch "$work/go"
	wait "$holder"
	heard=$(<"$work/held")
}

hold given "$other"
go "$cgroup"
claim connection_is_of_the_container_that_made_it has "$heard" '^400$'
hold given "$cgroup"
go "$other"
claim it_serves_whoever_holds_it_as_long_as_its_maker_lives \
	has "$heard" '^200$'
hold orphan "$cgroup"
go "$other"
claim it_ends_with_the_process_that_made_it has "$heard" '^403$'
claim and_gave_no_key has_not "$heard" '"key"'

# Now with a process of the container that may, under the number of the one that
# connected: the number is nothing.
hold orphan "$other"

# Until the kernel gives that number again: the next one after the last.
again() {
	local _
	for _ in {1..100}; do
		echo $((number - 1)) >/proc/sys/kernel/ns_last_pid 2>/dev/null ||
			return
		sleep 60 >/dev/null 2>&1 &
		imposter=$!
		test "$imposter" != "$number" || return 0
		# Of which no trap of this shell hears.
		kill -KILL "$imposter"
	done
	return 1
}

if again; then
	echo "$imposter" >"$cgroup/cgroup.procs"
	claim number_is_that_of_a_process_of_the_other_container \
		has "$(<"$cgroup/cgroup.procs")" "^$number$"
	go
	kill -KILL "$imposter"
	claim attack_40_number_of_a_process_that_ended_is_nobodys \
		has "$heard" '^403$'
else
	go
	claim attack_40_number_of_a_process_that_ended_is_nobodys \
		skip "no number can be given again"
fi

#
# Names and evidence
#

mark
for name in compose-hash boot-mr-done system-ready dstack.exec; do
	claim "attack_42_event_${name}_is_the_containers" is "$(tail -n 1 <<<"$(
		guest /EmitEvent "{\"event\": \"$name\", \"payload\": \"00\"}")")" 200
done
said=$(events)
claim attack_42_they_are_events_of_the_container \
	has "$said" "dstack.user id=$id name=[a-z.-]+ data=00$" 4
claim attack_42_no_event_has_their_name \
	has_not "$said" ' (compose-hash|boot-mr-done|system-ready|dstack.exec) .*00$'
claim attack_42_name_with_a_line_in_it_is_refused \
	refused "$(guest /EmitEvent '{"event": "a\ndstack.exec", "payload": ""}')" \
	'A-Za-z0-9'
tag=$(printf 'dstack-bound-v1' | od -An -tx1 | tr -d ' \n')00
bound=$tag$(printf '%096d' 1)
for path in /GetQuote /v1/Attest; do
	claim "attack_49_report_data_of_the_kernel_is_refused_at_${path//\//_}" \
		refused "$(guest "$path" "{\"report_data\": \"$bound\"}")" \
		'dstack-bound-v1.* is for the kernel to make'
	claim "attack_49_report_data_beside_it_is_taken_at_${path//\//_}" \
		is "$(tail -n 1 <<<"$(guest "$path" \
			"{\"report_data\": \"01${bound%??}\"}")")" 200
done

#
# Restarts, and floods
#

settle
before=$(dstackctl status --json | jq .log_count)
for _ in {1..10}; do
	stop_agent || break
	start_agent --container-socket "test=$own"
done
settle
claim attack_45_agent_that_starts_again_records_nothing \
	is "$(dstackctl status --json | jq .log_count)" "$before"
claim attack_45_and_serves \
	is "$(tail -n 1 <<<"$(guest /v1/Version)")" 200

# What it may record at once, and then some by the agent.  However slow the
# machine is: time gives some back, and the daemon stores them meanwhile.
event='{"event": "flood", "payload": ""}'
"$tests/prog_volume" -b -c "$other" 100000 >"$work/flooded" 2>&1
claim attack_46_container_recorded_what_it_may \
	has "$(<"$work/flooded")" '^EDQUOT after [1-9]'
flooded=$(inside "$other" "$client" flood "$socket" 300 /EmitEvent "$event")
claim attack_46_then_it_is_refused has "$flooded" '^400 [1-9]'
claim attack_46_refusal_says_so has "$flooded" 'recorded too much: try again'
claim attack_46_other_containers_record_on is "$(tail -n 1 \
	<<<"$(guest /EmitEvent "$event")")" 200
claim attack_46_and_get_keys \
	is "$(tail -n 1 <<<"$(guest /GetKey "$body")")" 200
claim attack_46_host_records_on is "$(tail -n 1 \
	<<<"$(call "$cgroup_root" "$socket" /EmitEvent "$event")")" 200
claim attack_46_refusals_are_counted test "$(dstackctl container list --json |
	jq --arg id "$id.other" '.[] | select(.id == $id) | .refused')" -gt 0
claim refusals_do_not_fill_the_log test "$(wc -l <"$work/said")" -lt 200

finish
