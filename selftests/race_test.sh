#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
#
# Programs that start on every CPU at once, while quotes are taken, dstackd is
# killed and comes back, and the policy changes.
# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

begin race
approved=$work/approved sometimes=$work/sometimes
variant "$approved"
variant "$sometimes"
digest=$(sha256 "$approved")
policy "$approved" "$sometimes"
container
state enforce
pid_file=/run/dstack/dstackd.pid

# storm NAME PROGRAM: runs it until $work/go is gone; one line for each run.
# One that the policy drops between its exec and its first mapping is killed.
storm() {
	local output
	while test -e "$work/go"; do
		output=$(run "$2")
		echo "${output:-killed}"
	done >"$work/output.$1"
}

# Until both programs have run once more.
progress() {
	local file before
	for file in "$work"/output.{1,3}; do
		before=$(<"$file")
		for _ in {1..500}; do
			[[ $(<"$file") = "$before" ]] || break
			nap
		done
	done
}

# quote: how many events it covers, and the register in it.
quotes=()
quote() {
	progress
	[[ $(dstackctl quote --out "$work/quote") =~ $quoted ]] &&
		quotes+=("${BASH_REMATCH[1]} ${BASH_REMATCH[2]}")
}

all_quotes_replay() {
	local quote
	for quote in "${quotes[@]}"; do
		dstackctl replay "$log" --count "${quote% *}" \
			--expect "${quote#* }" || return
	done
}

# Each covers more than the one before: programs did start meanwhile.
quotes_grow() {
	local quote last=0
	test "${#quotes[@]}" = 6 || return
	for quote in "${quotes[@]}"; do
		test "${quote% *}" -gt "$last" || return
		last=${quote% *}
	done
}

count() {
	grep -cE "$1" <<<"$2"
}

mark
: >"$work/go"
: >"$work/output.1"
storm 1 "$approved" &
storm 2 "$approved" &
storm 3 "$sometimes" &
quote
quote
kill -KILL "$(<"$pid_file")"
quote
policy "$approved"
quote
dstackd --daemonize
quote
policy "$approved" "$sometimes"
quote
rm "$work/go"
wait
events=$(events)
runs=$(cat "$work"/output.[12])
sometimes_runs=$(<"$work/output.3")

claim quotes_grow_while_programs_start quotes_grow
claim every_quote_is_replayed all_quotes_replay
claim approved_program_always_runs \
	is "$(count '^hello$' "$runs")" "$(count . "$runs")"
claim every_exec_is_recorded_exactly_once \
	is "$(count "dstack.exec .*$digest" "$events")" "$(count . "$runs")"
claim digest_dropped_by_the_policy_is_denied_at_once \
	has "$sometimes_runs" '^EACCES$'
claim its_allowed_runs_are_recorded_exactly_once \
	is "$(count "dstack.exec .*path=sometimes" "$events")" \
	"$(count '^(hello|killed)$' "$sometimes_runs")"
claim its_denials_are_recorded has "$events" \
	"dstack.deny .*reason=unknown-digest count=1 .*path=sometimes"

finish
