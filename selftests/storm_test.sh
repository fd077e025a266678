#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
#
# Thousands of programs in containers of crun and of dstackctl run, side by
# side, while dstackd is killed ten times: each of them is in the log once, and
# the log replays to the register.  STORM=10000 is what the project promises;
# the default is what a test can wait for (attacks 16 and 45).
# shellcheck source=selftests/oci.sh
. "$(dirname "$0")/oci.sh"

begin_oci storm
total=${STORM:-1000}
each=250	# programs of one container
kills=10
per_kind=$((total / each / 2))
total=$((2 * per_kind * each))
approve default "$rootfs"
loop="i=0; while [ \$i -lt $each ]; do /bin/hello; i=\$((i + 1)); done"
bundle storm ".process.args = [\"/bin/busybox\", \"sh\", \"-c\",
	\"${loop//\"/\\\"}\"]"
pid_file=/run/dstack/dstackd.pid
state enforce
settle
mark

# Containers one after the other, two kinds side by side.
crun_storm() {
	local i
	for ((i = 0; i < per_kind; i++)); do
		crun run --bundle "$work/storm" "$id.crun$i"
	done
}

run_storm() {
	local i
	for ((i = 0; i < per_kind; i++)); do
		dstackctl run --name "$id.run$i" --section default \
			--policy "$work/policy.json" --rootfs "$rootfs" -- \
			/bin/busybox sh -c "$loop" 2>&1 </dev/null
	done
}

# What has run so far: "hello" and a newline for each.
progress() {
	echo $((($(stat -c %s "$work/crun.out") +
		$(stat -c %s "$work/run.out")) / 6))
}

running() {
	kill -0 "$1" 2>/dev/null
}

kill_daemon() {
	local pid
	pid=$(<"$pid_file")
	kill -KILL "$pid"
	while running "$pid"; do
		nap
	done
	dstackd --daemonize
}

# The last time half-way, so that it is not over before.
start=$SECONDS
crun_storm >"$work/crun.out" &
crun_pid=$!
run_storm >"$work/run.out" &
run_pid=$!
killed=0
while running "$crun_pid" || running "$run_pid"; do
	if test "$killed" -lt "$kills" && test "$(progress)" -gt \
			$((total * (killed + 1) / (2 * kills))); then
		kill_daemon && killed=$((killed + 1))
	fi
	nap
done
wait "$crun_pid" "$run_pid"
settle
dstackctl log --from "$marked" >"$work/log"
echo "# $total programs in $((2 * per_kind)) containers: $((SECONDS - start)) s"

ran() {
	is "$(sort "$work/crun.out" "$work/run.out" | uniq -c | sed 's/^ *//')" \
		"$total hello"
}

# Each container's programs, and as many containers as there were.
each_once() {
	is "$(sed -n 's/.*dstack\.exec id=\([^ ]*\) .*path=\/bin\/hello$/\1/p' \
		"$work/log" | sort | uniq -c | sed 's/^ *//; s/ .*//' |
		uniq -c | sed 's/^ *//')" "$((2 * per_kind)) $each"
}

file_replays() {
	local count base register
	read -r count base register < <(dstackctl status --json |
		jq -r '"\(.log_count) \(.base) \(.register)"')
	is "$(wc -l <"$log")" "$count" &&
		dstackctl replay "$log" --base "$base" --expect "$register"
}

claim every_program_ran ran
claim daemon_was_killed_ten_times is "$killed" "$kills"
claim every_program_is_in_the_log_once each_once
claim first_programs_are_in_the_log_once is "$(grep -c \
	'dstack\.exec .*path=/bin/busybox$' "$work/log")" $((2 * per_kind))
claim every_container_came_and_went is "$(grep -c 'action=add' "$work/log") \
$(grep -c 'action=remove' "$work/log")" "$((2 * per_kind)) $((2 * per_kind))"
claim log_replays_to_the_register file_replays
claim quote_is_of_the_log quote_is_replayed
claim nobody_was_denied is "$(grep -c 'dstack\.deny' "$work/log")" 0

finish
