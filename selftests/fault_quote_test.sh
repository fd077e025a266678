#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
#
# A host that makes no quote for 15 seconds: whoever waits is told so in time, keys
# are served meanwhile, and then all is as it was.
#
# For a machine whose third quote is that late: quote-late=15000,quote-slow=1@2.
set -u
# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

begin fault_quote
# shellcheck source=selftests/keys.sh
. "$tests/keys.sh"
# shellcheck source=selftests/quotes.sh
. "$tests/quotes.sh"

callers=100
two_containers '[{path: "app/", kinds: ["secp256k1"], scope: ["app"],
	delivery: ["bytes"]}]'
mkdir "$work/replies"
load_root
start_without_app --quote-rate 0

threads() {
	local tasks=("/proc/$agent/task/"*)
	echo "${#tasks[@]}"
}

# status_of NAME: a line of /proc/PID/status, in KiB.
status_of() {
	awk -v name="$1:" '$1 == name { print $2 }' "/proc/$agent/status"
}

quote='{"report_data": "#"}'
key='{"path": "app/x"}'
many "$cgroup" 2 /v0/GetKey "$key" >/dev/null
before=$(threads)
claim quotes_are_made is "$(statuses "$(many "$cgroup" 2 /GetQuote "$quote")")" \
	2x200

begun=${EPOCHREALTIME/./}
since() {
	echo $(((${EPOCHREALTIME/./} - begun) / 1000))
}

many "$cgroup" -o "$work/replies" "$callers" /GetQuote "$quote" \
	>"$work/quotes" &
waiting=$!
many "$other" -s 7 1 /GetKey "$key" >"$work/others" &
keys=$!
many "$cgroup" -s 7 1 /GetKey "$key" >"$work/own" &
own=$!
sleep 4
echo "# with $callers callers that wait: $(threads) threads," \
	"$(status_of VmRSS) KiB resident, $(status_of RssAnon) of them its own"
claim agent_with_all_that_wait_has_16_mib \
	test "$(status_of VmRSS)" -le 16384
wait "$keys"
wait "$own"
late=$(many "$other" 1 /GetQuote "$quote")
echo "# after $(since) ms one more caller: $late"
wait "$waiting"
answered=$(since)

for who in others own; do
	times=$(<"$work/$who")
	echo "# keys meanwhile, $who: $(wc -l <<<"$times"), half within" \
		"$(percentile 50 "$times") ms, all within" \
		"$(percentile 100 "$times") ms"
	claim "keys_are_served_meanwhile_to_$who" \
		has "$(statuses "$times")" '^[0-9]+x200$'
	claim "keys_of_${who}_do_not_wait_for_quotes" \
		test "$(percentile 99 "$times")" -lt 3000
done
failed=$(<"$work/quotes")
echo "# quotes: $(statuses "$failed"), all within" \
	"$(percentile 100 "$failed") ms"
claim each_caller_has_an_error has "$(statuses "$failed")" \
	"^(${callers}x504|[0-9]+x50[34] [0-9]+x50[34])$"
# Ten seconds, and what a busy machine takes to send and receive so many.
claim each_has_it_in_time test "$(percentile 100 "$failed")" -lt 13000
claim all_are_told_what_is_stuck is \
	"$(grep -l 'the host of this machine has' "$work/replies/"* | wc -l)" \
	"$callers"
claim who_comes_late_is_told_at_once test "$(percentile 100 "$late")" -lt 2000
claim and_with_which_status within "$late" 503 1 1
claim errors_came_before_the_quote test "$answered" -lt 15000

again=$(call "$cgroup" "$socket" /GetQuote '{"report_data": ""}')
while [[ ${again##*$'\n'} != 200 && $(since) -lt 40000 ]]; do
	sleep 0.5
	again=$(call "$cgroup" "$socket" /GetQuote '{"report_data": ""}')
done
echo "# the first quote is there after $(since) ms"
claim quotes_are_made_again_when_the_host_does test "$(since)" -lt 30000
claim any_number_of_them is "$(statuses "$(many "$cgroup" 20 /v1/BatchQuote \
	"$quote")")" 20x200
for _ in {1..100}; do
	test "$(threads)" != "$before" || break
	nap
done
claim no_thread_is_lost is "$(threads)" "$before"
claim agent_is_the_same_process kill -0 "$agent"
kill "$agent"
wait "$agent"
claim agent_ends_when_it_is_told is $? 0
agent=

finish
