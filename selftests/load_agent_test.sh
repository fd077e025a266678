#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
#
# A thousand clients ask the guest agent for a key at once, each over a connection
# of its own: all have theirs, and the agent stays small.  With INSTRUCTIONS, on
# a machine that counts them as nanoseconds, also what its start takes.
set -u
# shellcheck source=selftests/agent.sh
. "$(dirname "$0")/agent.sh"

begin_agent load_agent
clients=1000
rss_max=16384		# KiB
start_max=300000000	# instructions
write_app "$app"

# Nothing of it is in memory.
sync
echo 3 >/proc/sys/vm/drop_caches
started=$("$tests/prog_agent" first "$socket" /v1/Version dstackd agent \
	--socket "$socket" --tappd-socket "$tappd" --app "$app" \
	--key-epoch "$key_epoch" 2>"$work/said")
[[ $started =~ ^pid\ ([0-9]+)\ ns\ ([0-9]+)\ own_ns\ ([0-9]+)$ ]] ||
	die "the agent does not start: $(<"$work/said")"
agent=${BASH_REMATCH[1]} own=${BASH_REMATCH[3]}
echo "# served ${BASH_REMATCH[2]} ns after its start, $own of them its own"

# memory FIELD: of the agent, in KiB.
memory() {
	awk -v field="$1:" '$1 == field { print $2 }' "/proc/$agent/status"
}

start_is_counted() {
	test -n "${INSTRUCTIONS-}" ||
		skip "needs a machine that counts instructions" || return
	test "$own" -le "$start_max"
}
claim cold_start_takes_at_most_300_million_instructions start_is_counted

echo "# before: VmHWM $(memory VmHWM) KiB, VmRSS $(memory VmRSS) KiB"
mark
answers=$(inside "$cgroup" "$tests/prog_agent" many "$socket" 20 \
	$((clients / 20)) /GetKey '{"path": "app/x", "purpose": "p"}')
echo "# $answers"
echo "# after: VmHWM $(memory VmHWM) KiB, VmRSS $(memory VmRSS) KiB"
claim thousand_clients_at_once_have_their_keys \
	has "$answers" "^clients $clients failed 0 "
claim each_key_is_an_event has "$(events)" \
	"dstack.key id=$id path=app/x .*delivery=bytes$" "$clients"
claim agent_takes_at_most_16_mib test "$(memory VmHWM)" -le "$rss_max"
claim and_serves_on is "$(tail -n 1 <<<"$(guest /v1/Version)")" 200
kill "$agent"
for _ in {1..500}; do
	kill -0 "$agent" 2>/dev/null || break
	nap
done
agent=

finish
