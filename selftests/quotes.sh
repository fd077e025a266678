# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
#
# What the shell tests of quotes by the guest agent share, besides lib.sh, keys.sh
# and agent.sh: many callers at once, of two containers, and no application.
# shellcheck disable=SC2154 # what is lib.sh's
# shellcheck disable=SC2034 # agent is for who includes this
# shellcheck source=selftests/agent.sh
. "$tests/agent.sh"

socket=$work/dstack.sock
tappd=$work/tappd.sock

# two_containers KEYS: that may have these, a jq expression: that of the test, and
# $id.other in $other.  Each may run whatever is on a disk: what asks is not what is
# tested.
two_containers() {
	other=$cgroup_root/$id.other
	trap agent_end EXIT
	mkdir "$other"
	section_keys test "$1"
	epoch=$((epoch + 1))
	jq --argjson epoch "$epoch" '.epoch = $epoch |
		.containers.test.trust = {exec: ["disk"], map: ["disk"]}' \
		"$work/policy.json" >"$work/trusting.json"
	dstackctl policy load "$work/trusting.json" >/dev/null ||
		die "no policy"
	container
	dstackctl container add --cgroup "$other" --id "$id.other" \
		--section test --app-id "$app_id" || die "no other container"
}

# start_without_app [OPTION]...: on these sockets, with what it says in $work/said.
start_without_app() {
	dstackd agent --socket "$socket" --tappd-socket "$tappd" "$@" \
		>"$work/said" 2>&1 &
	agent=$!
	for _ in {1..500}; do
		test ! -S "$tappd" || break
		nap
	done
}

# many CGROUP [OPTION]... COUNT PATH [JSON]: see prog_ask.
many() {
	local cgroup=$1 options=()
	shift
	while [[ $1 = -* ]]; do
		options+=("$1" "$2")
		shift 2
	done
	inside "$cgroup" "$tests/prog_ask" "${options[@]}" "$socket" "$@"
}

# statuses TEXT: how many of each, as "98x200 2x429".
statuses() {
	awk '{ n[$2]++ } END { for (s in n) printf "%dx%s ", n[s], s }' <<<"$1" |
		sed 's/ $//'
}

# within TEXT STATUS LEAST MOST: so many had this status.
within() {
	local n
	n=$(awk -v status="$2" '$2 == status { n++ } END { print n + 0 }' \
		<<<"$1")
	test "$n" -ge "$3" -a "$n" -le "$4" || {
		echo "$n of status $2, instead of $3 to $4: $(statuses "$1")"
		return 1
	}
}

# percentile N TEXT: of the times.
percentile() {
	awk '{ print $3 }' <<<"$2" | sort -n |
		awk -v n="$1" '{ t[NR] = $1 } END {
			i = int(NR * n / 100 + 0.999); print t[i < 1 ? 1 : i] }'
}
