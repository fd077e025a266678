#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
#
# Attack 16: a thousand threads in ten containers start programs as fast as they
# can, for STORM seconds.  A minute is what the project promises; the default is
# what a test can wait for.  With instructions counted, a nanosecond is one.
# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

begin load_storm
seconds=${STORM:-10}
containers=10
threads=100	# in each
good=$work/good bad=$work/bad
variant "$good" "$tests/prog_id"
variant "$bad" "$tests/prog_id"
good_digest=$(sha256 "$good")
policy "$good"
for ((i = 0; i < containers; i++)); do
	mkdir "$cgroup.$i"
	dstackctl container add --cgroup "$cgroup.$i" --id "$id.$i" \
		--section test --app-id "$app_id" || die "can't add a container"
done
state enforce

# KiB that the kernel's own objects take and cannot give back.
kernel_memory() {
	sed -n 's/^SUnreclaim: *\([0-9]*\) kB/\1/p' /proc/meminfo
}

# Half of the threads try a program that may not run.
storm() {
	"$tests/prog_storm" -c "$cgroup.$1" -s "$threads" "$2" \
		"$good" "$bad" 2>&1 </dev/null | grep -v '^uid=' >"$work/came.$1"
}

storms() {
	local i pids=()
	for ((i = 0; i < containers; i++)); do
		storm "$i" "$1" &
		pids+=($!)
	done
	wait "${pids[@]}"
}

# numbers NAME: what each container said, in order.
numbers() {
	sed -n "s/^$1 //p" "$work"/came.* | sort -n
}

sum() {
	numbers "$1" | awk '{ sum += $1 } END { print sum + 0 }'
}

denials() {
	dstackctl container list --json | jq '[.[] | .denied] | add'
}

# Whatever caches there are fill.
storms 2
settle
denials_before=$(denials)
lines=$(wc -l <"$log")
memory=$(kernel_memory)
start=$SECONDS
storms "$seconds"
took=$((SECONDS - start))
settle
grown=$(($(kernel_memory) - memory))
ran=$(sum ok)
denied=$(sum EACCES)
echo "# $ran programs ran and $denied were denied in $took s; least and most" \
	"in one container: $(numbers ok | sed -n '1p;$p' | paste -sd ' ');" \
	"the kernel keeps $grown KiB more"
echo "# of a start in ns, or instructions: p50 $(numbers p50 |
	sed -n "$((containers / 2))p"), p99 $(numbers p99 | tail -n 1)," \
	"most $(numbers max | tail -n 1)"

nothing_else_came() {
	is "$(sed '/^\(ok\|EACCES\|p50\|p99\|max\) [0-9]*$/d' "$work"/came.*)" ''
}

# No container has less than half of what the others have on average.
nobody_starves() {
	local least
	least=$(numbers ok | sed -n 1p)
	test $((least * containers * 2)) -ge "$ran" || {
		echo "$least of $ran in ten containers"
		return 1
	}
}

register_is_the_logs() {
	dstackctl replay "$log" \
		--expect "$(dstackctl status --json | jq -r .register)"
}

claim attack_16_a_thousand_threads_end test "$took" -lt $((seconds * 3 + 60))
claim attack_16_approved_programs_run_and_others_do_not nothing_else_came
tail -n +$((lines + 1)) "$log" >"$work/log"
dstackctl log --file "$work/log" >"$work/text"
claim attack_16_no_record_is_lost is "$(grep -c \
	"dstack.exec .* digest=sha256:$good_digest " "$work/text")" "$ran"
claim attack_16_each_denial_is_counted is $(($(denials) - denials_before)) \
	"$denied"
claim attack_16_nothing_is_refused_for_quota is "$(dstackctl container list \
	--json | jq '[.[] | .refused] | add')" 0
claim attack_16_no_container_starves nobody_starves
claim attack_16_memory_stays_bounded test "$grown" -lt 16384
claim attack_16_register_is_replayed register_is_the_logs

for ((i = 0; i < containers; i++)); do
	dstackctl container remove "$id.$i"
	rmdir "$cgroup.$i"
done
finish
