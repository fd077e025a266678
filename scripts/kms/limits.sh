#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
#
# Who asks a KMS for much without evidence, or only shakes hands: is slowed down,
# and nobody else is.  Prints KTAP.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
test -n "${KMS_NETWORK-}" || KMS_NETWORK=1 exec unshare --net "$0" "$@"
work=build/kms-limits
# shellcheck source=scripts/ktap.sh
. scripts/ktap.sh
# shellcheck source=scripts/kms/loopback.sh
. scripts/kms/loopback.sh

# get ADDRESS PATH TIMES: how many got which status; 000 is no TLS at all.
get() {
	local i urls=()
	for ((i = 0; i < $3; i++)); do
		urls+=(-o /dev/null "https://$at/$2")
	done
	curl -sk --interface "$1" --max-time 60 -w '%{http_code}\n' \
		"${urls[@]}" | sort | uniq -c | awk '{ print $2 ":" $1 }'
}

# gets ADDRESS PATH TIMES STATUS: all of them that status.
gets() {
	local found
	found=$(get "$1" "$2" "$3") || true
	test "$found" = "$4:$3" || {
		echo "'$found' instead of '$4:$3'"
		return 1
	}
}

# Of 127.0.0.1, so many connections that are no TLS.
bad_handshakes() {
	local i
	for ((i = 0; i < $1; i++)); do
		exec {fd}<>/dev/tcp/127.0.0.1/8000
		echo "GET / HTTP/1.1" >&"$fd" || true
		exec {fd}>&-
	done
	# The last one is over for the KMS, too, and no new one is due.
	sleep 0.3
}

# counted NAME TIMES: at least that often.
counted() {
	local found
	found=$(curl -s --unix-socket "$work/admin.sock" http://kms/metrics |
		awk -v "name=dstack_kms_$1_total" '$1 == name { print $2 }')
	echo "$1: $found"
	test "$found" -ge "$2"
}

# slowed PATH STATUS: some get that, and others are told to wait.
slowed() {
	local found
	found=$(get 127.0.0.2 "$1" 60)
	echo "$found"
	grep -q "^$2:" <<<"$found"
	grep -q '^429:' <<<"$found"
}

says_when() {
	# One may be due meanwhile.
	curl -sk --interface 127.0.0.2 -D - \
		"https://$at/prpc/GetMeta?json&"{1..9} |
		grep -aiE '^retry-after: [1-9]'
}

ktap_start
configure '.request_rate = 0'
start_kms
claim without_limits_all_is_answered gets 127.0.0.2 prpc/GetMeta?json 60 200
bad_handshakes 60
claim without_limits_bad_handshakes_change_nothing gets 127.0.0.1 health 1 200
stop_kms

configure '.request_rate = 1 | .request_burst = 10'
start_kms
claim who_asks_without_evidence_is_slowed_down \
	slowed prpc/GetMeta?json 200
claim and_told_when_to_ask_again says_when
sleep 2
claim whatever_is_asked_for slowed no/such/thing 404
claim others_are_not gets 127.0.0.3 prpc/GetTempCaCert?json 5 200
claim health_is_answered_meanwhile gets 127.0.0.2 health 20 200
claim limited_requests_are_counted counted limited 40
# Those of the first sixty that came before one of them had ended are let in.
bad_handshakes 60
bad_handshakes 60
claim who_only_shakes_hands_is_turned_away counted turned_away 30
claim others_may_connect gets 127.0.0.4 prpc/GetMeta?json 5 200
sleep 3
claim and_may_come_again_later gets 127.0.0.1 health 1 200
ktap_finish
