#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
#
# dstackd under a service manager: what it tells it, when it says that it is
# alive, and what SIGHUP does.
# shellcheck source=selftests/daemon.sh
. "$(dirname "$0")/daemon.sh"

begin_daemon daemon_manager
down TERM
manage "$work/socket"

#
# sd_notify
#

claim daemon_tells_that_it_is_ready serve --
claim daemon_tells_what_it_does heard "^STATUS=Storing events in $log\$"
claim unwatched_daemon_sends_no_watchdog has_not "$(<"$work/heard")" WATCHDOG
hush
down TERM
claim daemon_tells_that_it_stops eventually heard '^STOPPING=1$'

# Half of this is 50 ms.
serve WATCHDOG_USEC=100000 --
hush
claim watched_daemon_says_that_it_is_alive eventually heard '^WATCHDOG=1$'
hush
claim watched_daemon_says_so_again eventually heard '^WATCHDOG=1$'

kill -STOP "$(<"$pid_file")"
eventually grep -q '^State:.*T (stopped)' "/proc/$(<"$pid_file")/status"
hush
for _ in {1..25}; do
	nap
done
claim stopped_daemon_says_nothing has_not "$(<"$work/heard")" WATCHDOG
claim attack_31_stopped_daemon_leaves_enforcement \
	is "$(run "$bad") $(run "$good")" 'EACCES hello'
kill -CONT "$(<"$pid_file")"
claim daemon_that_goes_on_says_so eventually heard '^WATCHDOG=1$'
down TERM

serve WATCHDOG_USEC=100000 WATCHDOG_PID=1 --
run "$good" >/dev/null
settle
claim watchdog_of_another_process_is_not_ours \
	has_not "$(<"$work/heard")" WATCHDOG
down TERM
for usec in 0 x -1 '' 18446744073709551615 99999999999999999999; do
	serve "WATCHDOG_USEC=$usec" --
	claim "watchdog_of_'$usec'_is_none" has_not "$(<"$work/heard")" WATCHDOG
	down TERM
done
socket=@dstack.$$
kill "$manager"
manage "$socket"
claim abstract_socket_is_reached serve --
down TERM
claim socket_that_is_gone_is_no_reason_to_fail eventually \
	env NOTIFY_SOCKET="$work/none" dstackd --daemonize
down TERM

#
# SIGHUP
#

cp "$work/policy.json" "$work/own.json"
serve -- --policy "$work/own.json"
hush
reload
claim reload_is_told heard '^RELOADING=1 MONOTONIC_USEC=[0-9]+$'
claim reload_without_news_says_nothing is "$(<"$work/said")" ''

hush
sed -i "s/\"epoch\": *$epoch/\"epoch\": $((epoch + 1))/" "$work/own.json"
reload
claim reload_loads_a_newer_policy is \
	"$(dstackctl status --json | jq .policy.epoch)" $((epoch + 1))
claim newer_policy_is_told said "epoch $((epoch + 1)) is active"
epoch=$((epoch + 1))

hush
sed -i "s/\"epoch\": *$epoch/\"epoch\": $((epoch - 1))/" "$work/own.json"
reload
claim older_policy_is_not_loaded is \
	"$(dstackctl status --json | jq .policy.epoch)" "$epoch"
claim older_policy_is_told said "epoch $epoch is active, newer"

hush
echo '{' >"$work/own.json"
reload
claim malformed_policy_is_told said 'not loaded: that of epoch .* stays'
claim former_policy_stays is "$(dstackctl status --json |
	jq .policy.epoch) $(run "$good")" "$epoch hello"
hush
rm "$work/own.json"
reload
claim missing_policy_is_told said 'not loaded: that of epoch .* stays'

state off
hush
reload
claim reload_attaches_the_hooks_again \
	is "$(hooks)" "$all_hooks"
claim attached_hooks_are_told said 'hooks are attached'
state enforce
claim enforcement_is_back is "$(run "$bad") $(run "$good")" 'EACCES hello'
down TERM

#
# Its configuration
#

# configure POLICY STATE
configure() {
	jq -n --arg log "$log" --arg policy "$1" --arg state "$2" \
		'{dstackd: {log: $log, policy: $policy, state: $state}}' \
		>"$work/dstackd.json"
}

state_is() {
	test "$(dstackctl status --json | jq -r .state)" = "$1"
}

jq ".epoch = $((epoch + 1))" "$work/policy.json" >"$work/own.json"
configure "$work/own.json" enforce
serve -- --config "$work/dstackd.json"
claim daemon_loads_the_policy_of_its_configuration is \
	"$(dstackctl status --json | jq .policy.epoch)" $((epoch + 1))
epoch=$((epoch + 1))
configure "$work/own.json" measure
reload
claim reload_sets_the_state_of_another_configuration state_is measure
state enforce
reload
claim reload_leaves_a_state_that_was_set_meanwhile state_is enforce
hush
configure "$work/own.json" closed
reload
claim wrong_configuration_is_told said "state must be .*, not 'closed'"
claim wrong_configuration_changes_nothing state_is enforce
claim file_replays_at_last file_replays
down TERM

finish
