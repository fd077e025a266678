#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
#
# A container that floods the agent with requests for quotes, beside one that asks
# for one after the other: who waits for whom.
#
# For a machine whose host takes its time: quote-late=200.
set -u
# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

begin fault_flood
# shellcheck source=selftests/keys.sh
. "$tests/keys.sh"
# shellcheck source=selftests/quotes.sh
. "$tests/quotes.sh"

flooders=20
two_containers '[]'
start_without_app --quote-rate 0

quote='{"report_data": "#"}'
alone=$(many "$other" -s 4 1 /GetQuote "$quote")
many "$cgroup" -s 14 "$flooders" /GetQuote "$quote" >"$work/flooded" &
flood=$!
sleep 2
beside=$(many "$other" -s 10 1 /GetQuote "$quote")
wait "$flood"
flooded=$(<"$work/flooded")

# shown NAME TEXT
shown() {
	echo "# $1: $(wc -l <<<"$2") quotes, half within" \
		"$(percentile 50 "$2") ms, all within $(percentile 100 "$2") ms"
}

shown alone "$alone"
shown "beside a flood" "$beside"
shown "the flood" "$flooded"
claim flood_is_served has "$(statuses "$flooded")" '^[0-9]+x200$'
claim quotes_of_others_are_made_beside_it \
	has "$(statuses "$beside")" '^[0-9]+x200$'
# One quote is being made when it asks, and then it is its turn.
claim others_wait_for_a_quote_or_two_not_for_the_flood test \
	"$(percentile 50 "$beside")" -lt $((4 * $(percentile 50 "$alone")))
claim flood_waits_for_itself test "$(percentile 50 "$flooded")" -gt \
	$((3 * $(percentile 50 "$beside")))

finish
