#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
#
# Quotes through the guest agent: callers share them and can prove what is theirs,
# and each container has so many in a second.
set -u
# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

begin agent_quote
# shellcheck source=selftests/keys.sh
. "$tests/keys.sh"
# shellcheck source=selftests/quotes.sh
. "$tests/quotes.sh"

callers=100
two_containers '[]'
mkdir "$work/replies" "$work/limited"
start_without_app

#
# Batches
#

# Told apart by the number in their report data.
asked=$(many "$cgroup" -o "$work/replies" "$callers" /v1/BatchQuote \
	'{"report_data": "ba7c#"}')
quotes=$(for ((i = 0; i < callers; i++)); do
	jq -r .quote "$work/replies/$i"
done | sort -u | wc -l)
echo "# $callers callers, $quotes quotes, half within" \
	"$(percentile 50 "$asked") ms, all within $(percentile 100 "$asked") ms"
claim callers_have_replies is "$(statuses "$asked")" "${callers}x200"
claim callers_share_few_quotes test "$quotes" -le $((callers / 5))

# verifies REPLY [OPTION]...: the quote in it, and the part.
hex=
verifies() {
	local before=$hex file=$work/quote.$BASHPID
	hex=$(jq -r .quote "$1")
	test "$hex" = "$before" -a -e "$file" || from_hex <<<"$hex" >"$file"
	dstackctl verify quote "$file" --batch "$1" "${trust[@]}" "${@:2}"
}

# half_verify FIRST: every other one has the report data that it asked for, as
# this container.
half_verify() {
	local i data said=$work/verified.$1
	for ((i = $1; i < callers; i += 2)); do
		printf -v data 'ba7c%04x' "$i"
		verifies "$work/replies/$i" --report-data "$data" \
			--container "$id" >"$said" 2>&1 || {
			head -c 2000 "$said"
			return 1
		}
	done
}

all_verify() {
	local status=0
	half_verify 0 &
	half_verify 1 || status=$?
	wait $! || status=$?
	return "$status"
}

claim each_has_its_part_of_a_quote_that_verifies all_verify
jq -r .event_log "$work/replies/7" >"$work/log.json"
program=$(sha256 "$(command -v dstackd)")
claim agent_vouches_for_it_and_the_log_explains_it verifies "$work/replies/7" \
	--program "sha256:$program" --log "$work/log.json"

# not_verifies PATTERN REPLY [OPTION]...
not_verifies() {
	local said
	! said=$(verifies "${@:2}" 2>&1) && has "$said" "$1"
}

claim attack_48_part_of_another_caller_is_refused \
	not_verifies 'carries other data' "$work/replies/7" \
	--report-data ba7c0008
call "$other" "$socket" /v1/BatchQuote '{"report_data": "ba7c0007"}' |
	sed '$d' >"$work/others.json"
claim part_of_another_container_verifies_as_that verifies \
	"$work/others.json" --report-data ba7c0007 --container "$id.other"
claim attack_49_it_is_refused_as_this_containers \
	not_verifies 'another container' "$work/others.json" --container "$id"
jq --arg id "$id" '.batch.container = $id' "$work/others.json" \
	>"$work/forged.json"
claim attack_49_part_that_says_so_is_refused_too \
	not_verifies 'does not lead to' "$work/forged.json" --container "$id"
jq -n --slurpfile a "$work/replies/7" --slurpfile b "$work/others.json" \
	'$a[0] | .batch = $b[0].batch' >"$work/forged.json"
claim part_of_another_quote_is_refused \
	not_verifies 'does not lead to' "$work/forged.json"

# What the quote of a batch carries is the kernel's to say.
tag=$(jq -r '.report_data[:32]' "$work/replies/7")
claim attack_49_report_data_of_a_batch_is_refused_plain has \
	"$(call "$cgroup" "$socket" /GetQuote "$(jq -c '{report_data}' \
		"$work/replies/7")")" 'for the kernel to make'
claim attack_49_it_is_refused_to_the_host_as_well has \
	"$(call "$cgroup_root" "$socket" /GetQuote \
		"{\"report_data\": \"$tag\"}")" 'for the kernel to make'

#
# Rates
#

kill "$agent"
wait "$agent"
start_without_app --quote-rate 2 --quote-burst 5
limited=$(many "$cgroup" -o "$work/limited" 20 /GetQuote '{"report_data": "#"}')
claim container_has_its_burst_and_no_more within "$limited" 200 5 8
claim all_others_are_told_so within "$limited" 429 12 15
claim they_are_told_why has "$(cat "$work/limited/"*)" \
	"container '$id' asks for quotes too often: try again in [12] s"
claim they_are_told_when has "$limited" '^[0-9]+ 429 [0-9]+ [12]$'
claim others_are_not_limited_by_that is "$(statuses "$(many "$other" 5 \
	/GetQuote '{"report_data": "#"}')")" 5x200

#
# A long log
#

flood=1000
kill "$agent"
wait "$agent"
start_without_app
"$tests/prog_volume" "$flood" >/dev/null
settle
asked=$(many "$cgroup" "$callers" /v1/BatchQuote '{"report_data": "ba7c#"}')
echo "# with $(wc -l <"$log") events half within $(percentile 50 "$asked") ms," \
	"all within $(percentile 100 "$asked") ms"
claim callers_have_replies_whatever_was_recorded \
	is "$(statuses "$asked")" "${callers}x200"
memory=$(awk '$1 == "VmHWM:" { print $2 }' "/proc/$agent/status")
echo "# VmHWM $memory KiB"
claim replies_that_wait_to_be_taken_are_bounded test "$memory" -lt 49152

kill "$agent"
wait "$agent"
claim agent_ends_when_it_is_told is $? 0
agent=

finish
