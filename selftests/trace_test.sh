#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
#
# Tracepoints show what was decided, recorded and put in force.
# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

begin trace
tracing=/sys/kernel/tracing
test -d "$tracing/events/dstack" || die "no tracepoints in $tracing/events"
good=$work/good bad=$work/bad
variant "$good"
variant "$bad"
container
state enforce
echo >"$tracing/trace"
echo 1 >"$tracing/events/dstack/enable"
policy "$good"
run "$good" >/dev/null
run "$bad" >/dev/null
refused=$(dstackctl policy load "$work/policy.json" 2>&1)
echo 0 >"$tracing/events/dstack/enable"
trace=$(grep -v '^#' "$tracing/trace")
table=$(dstackctl status --json | jq -r .policy.table)
good_digest=sha256:$(sha256 "$good")
bad_digest=sha256:$(sha256 "$bad")

claim policy_that_came_into_force_is_traced has "$trace" \
	"dstack_policy: epoch=$epoch rules=1 table=sha256:$table err=0" 1
claim policy_that_was_refused_is_traced_with_its_error has "$trace" \
	"dstack_policy: epoch=$epoch rules=1 table=sha256:.* err=-116" 1
claim refusal_was_one has "$refused" 'epoch'
claim approved_exec_is_traced has "$trace" \
	"dstack_vet: id=$id kind=exec reason=approved epoch=$epoch digest=$good_digest err=0" 1
claim denied_exec_is_traced_with_its_error has "$trace" \
	"dstack_vet: id=$id kind=exec reason=unknown-digest epoch=$epoch digest=$bad_digest err=-13" 1

# The digests in the trace are those of the log.
settle
extended=$(sed -n 's/.*dstack_extend: seq=\([0-9]*\) name=\([^ ]*\) digest=\([0-9a-f]*\) err=0.*/\1 \2 \3/p' \
	<<<"$trace")
base=$(jq -r .event "$log" | grep -n -m1 . | cut -d: -f1)
in_log() {
	local seq name digest count=0
	while read -r seq name digest; do
		is "$(sed -n "$((seq + base))p" "$log" |
			jq -r '"\(.event) \(.digest)"')" "$name $digest" ||
			return
		count=$((count + 1))
	done <<<"$extended"
	test "$count" -ge 3
}
claim every_extend_is_traced_as_the_log_has_it in_log

finish
