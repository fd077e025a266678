#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
#
# How the guest agent is told what to do, and what it tells: its configuration,
# read anew while it serves, what it counts, and what the journal gets of it.
set -u
# shellcheck source=selftests/agent.sh
. "$(dirname "$0")/agent.sh"

begin_agent agent_config
write_app "$app"
config=$work/dstackd.json
metrics=$work/metrics.sock

# configure [FILTER]: of what this agent is told besides.
configure() {
	jq -n --arg socket "$socket" --arg tappd "$tappd" \
		--arg metrics "$metrics" --arg app "$app" \
		--argjson epoch "$key_epoch" '{dstackd: {}, agent: {
		socket: $socket, "tappd-socket": $tappd,
		"metrics-socket": $metrics, app: $app, "key-epoch": $epoch}} |
		'"${1-.}" >"$work/new.json"
	mv "$work/new.json" "$config"
}

# Its words, as the journal gets them.
said=$work/said
reloads() {
	grep -cE 'configuration (is read|stays|is not good)' "$said"
}

reload() {
	local before
	before=$(reloads)
	kill -HUP "$agent"
	eventually reloads_are "$before"
}

reloads_are() {
	test "$(reloads)" -gt "$1"
}

# metric NAME: its value, labels and all in the name.
metric() {
	call "$cgroup_root" "$metrics" /metrics |
		awk -v name="$1" '$1 == name { print $2 }'
}

configure
claim good_configuration_is_said_to_be_good \
	dstackd agent --config "$config" --check-config
configure '.agent["quote-rat"] = 1'
claim unknown_name_is_refused has "$(dstackd agent --config "$config" \
	--check-config 2>&1)" 'dstackd.json: agent.quote-rat: not known'
configure '.agent["key-epoch"] = "x"'
claim agent_does_not_start_with_a_wrong_value has \
	"$(dstackd agent --config "$config" 2>&1)" 'key-epoch: want a number'
configure '.agent["metrics-socket"] = "127.0.0.1:9000"'
claim what_is_the_hosts_is_told_at_no_address has \
	"$(dstackd agent --config "$config" 2>&1)" 'needs an absolute path'
configure
export JOURNAL_STREAM=1:1
dstackd agent --config "$config" >"$said" 2>&1 &
agent=$!
"$tests/prog_agent" first "$socket" /v1/Version >/dev/null
claim agent_serves_what_the_file_says \
	has "$(guest /GetKey '{"path": "app/x"}')" '^200$'

#
# What is counted
#

claim key_is_counted is "$(metric dstack_agent_keys_total)" 1
guest /GetKey '{"path": "app/y"}' >/dev/null
guest /GetQuote '{"report_data": "00"}' >/dev/null
guest /Nothing >/dev/null
claim second_key_is_counted is "$(metric dstack_agent_keys_total)" 2
claim quote_is_counted is "$(metric 'dstack_quotes_total{result="made"}')" 1
claim its_time_is_in_a_bucket \
	is "$(metric 'dstack_quote_seconds_bucket{le="+Inf"}')" 1
claim refusal_is_counted \
	is "$(metric 'dstack_agent_replies_total{status="4xx"}')" 1
claim events_are_those_of_the_module is \
	"$(metric dstack_log_events_total)" \
	"$(dstackctl status --json | jq .log_count)"
claim containers_denials_are_told has "$(metric \
	"dstack_container_verdicts_total{container=\"$id\",section=\"test\",verdict=\"denied\"}")" \
	'^[0-9]+$'
claim container_is_told_nothing has \
	"$(call "$cgroup" "$metrics" /metrics)" '^403$'
claim there_is_nothing_else has "$(call "$cgroup_root" "$metrics" /GetKey)" \
	'^404$'

#
# Another configuration
#

configure '.agent["quote-rate"] = 1 | .agent["quote-burst"] = 1'
reload
guest /GetQuote '{"report_data": "00"}' >/dev/null
claim rate_of_the_new_configuration_holds has \
	"$(guest /GetQuote '{"report_data": "00"}')" '^429$'
configure '.agent["quote-rate"] = 0 | .agent["quote-burst"] = false'
reload
claim wrong_value_is_told has "$(<"$said")" 'quote-burst: want a number'
claim what_was_there_before_holds has "$(for _ in 1 2 3; do
	guest /GetQuote '{"report_data": "00"}'; done)" '^429$'
configure '.agent["tappd-socket"] = "/x/y.sock"'
reload
claim what_takes_a_restart_is_told has "$(<"$said")" \
	'to change a socket takes a restart'
rm "$config"
reload
claim configuration_that_is_gone_is_told has "$(<"$said")" 'No such file'
configure '.agent["quote-rate"] = 0'
reload
claim no_rate_is_none has_not "$(for _ in {1..5}; do
	guest /GetQuote '{"report_data": "00"}'; done)" '^429$'

for _ in {1..50}; do
	kill -HUP "$agent"
done &
flood=$("$tests/prog_agent" flood "$socket" 300 /v1/Version '{}')
claim no_request_is_lost_while_it_is_read_anew has "$flood" '200:? *300'
wait $!

#
# The journal
#

before=$(grep -c "container 'host'" "$said")
"$tests/prog_agent" flood "$socket" 500 /v1/Nothing '{}' >/dev/null
all_are_told() {
	local left
	left=$(sed -n 's/.* \([0-9]*\) more were refused$/\1/p' "$said" |
		awk '{ n += $1 } END { print n + 0 }')
	test $((left + $(grep -c "container 'host'" "$said"))) -ge \
		$((500 + before))
}
claim refusals_that_are_left_out_are_told eventually all_are_told
lines=$(($(grep -c "container 'host'" "$said") - before))
echo "# $lines lines of 500 refusals"
claim refusals_do_not_fill_the_journal test "$lines" -lt 60
claim refusal_is_a_warning_to_the_journal \
	has "$(<"$said")" "^<4>dstackd: agent: container 'host'"
claim what_is_wrong_is_an_error_to_the_journal \
	has "$(<"$said")" '^<3>dstackd: agent: to change'
claim no_key_is_said has_not "$(<"$said")" "${root:0:16}|${vms:0:16}"
stop_agent
claim agent_ends_when_it_is_told is $? 0
claim its_sockets_are_gone test ! -e "$metrics"

finish
