#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
#
# Many events, of which one in fifty is an exec, from many containers at
# once, and dstackd is killed on the way: what the kernel keeps for them, and
# that the log is whole.  VOLUME=1000000 is what the project promises; the
# default is just more than the kernel keeps digests of.
# shellcheck source=selftests/daemon.sh
. "$(dirname "$0")/daemon.sh"

begin volume
total=${VOLUME:-80000}
containers=16
test "$total" -lt 500000 || containers=48	# each has a quota
execs=$((total / 50 / containers))
users=$((total / containers - execs))
total=$((containers * (execs + users)))
digests=65536	# that the kernel keeps, as kmod/bounds.h has it
page=84		# of them go at once
limit=$((64 << 20))
good=$work/good
variant "$good" "$tests/prog_id"
policy "$good"
for ((i = 0; i < containers; i++)); do
	mkdir "$cgroup.$i"
	dstackctl container add --cgroup "$cgroup.$i" --id "$id.$i" \
		--section test --app-id "$app_id" || die "can't add a container"
done
state enforce

# field NAME: of the status.
field() {
	dstackctl status --json | jq -r ".$1"
}

# What the kernel's own objects take and cannot give back.
kernel_memory() {
	local kib
	kib=$(sed -n 's/^SUnreclaim: *\([0-9]*\) kB/\1/p' /proc/meminfo)
	echo $((kib << 10))
}

# What is in use of the kernel's caches that the log takes memory from.  Others
# grow too meanwhile, those of the programs that run, and all of them keep pages
# with room for later: that is not the log's.
caches_in_use() {
	awk '/^(kmalloc-[0-9]+k?|radix_tree_node) / { sum += $2 * $4 }
		END { print sum }' /proc/slabinfo
}

flood() {
	"$tests/prog_volume" -c "$cgroup.$1" "$users" 32 >"$work/users.$1" 2>&1
}

# Those that found no room try again, as whoever starts programs would.
run_all() {
	local left=$execs came ran
	: >"$work/execs.$1"
	while test "$left" -gt 0; do
		came=$("$tests/prog_storm" -c "$cgroup.$1" 1 "$left" "$good" \
			2>&1 | grep -v '^uid=')
		ran=$(sed -n 's/^ok //p' <<<"$came")
		left=$((left - ${ran:-0}))
		echo "$came" >>"$work/execs.$1"
		test "$left" = 0 || sleep 1
	done
}

# The most that the log took, by its own account and by the kernel's, in use, and
# by how much all of the kernel grew, until the file $work/over is there.
watch() {
	local own=0 used=0 all=0 now
	while ! test -e "$work/over"; do
		now=$(field log_memory)
		own=$((now > own ? now : own))
		now=$(($(caches_in_use) - base_in_use))
		used=$((now > used ? now : used))
		now=$(($(kernel_memory) - base_memory))
		all=$((now > all ? now : all))
		sleep 0.3
	done
	echo "$own $used $all"
}

settle
before=$(field log_count)
lines_before=$(wc -l <"$log")
base_memory=$(kernel_memory)
base_in_use=$(caches_in_use)
base_own=$(field log_memory)
start=$SECONDS
pids=()
for ((i = 0; i < containers; i++)); do
	flood "$i" &
	pids+=($!)
	run_all "$i" &
	pids+=($!)
done
watch >"$work/most" &
watcher=$!
sum() {
	awk '{ sum += $1 } END { print sum + 0 }'
}

# In the middle of it.
half() {
	test "$(field log_count)" -gt $((before + total / 2))
}
until half; do
	sleep 0.2
done
down KILL
up >/dev/null
wait "${pids[@]}"
eventually_stored() {
	test "$(events_waiting)" = 0
}
for _ in {1..30}; do
	! eventually eventually_stored >/dev/null || break
done
: >"$work/over"
wait "$watcher"
read -r own used all <"$work/most"
grown=$(($(kernel_memory) - base_memory))
in_use=$(($(caches_in_use) - base_in_use))
own_grown=$(($(field log_memory) - base_own))
count=$(field log_count)
first=$(field log_first)
echo "# $total events in $((SECONDS - start)) s; at most $own bytes of memory" \
	"by the log's account, $used in use in its caches by the kernel's, which grew" \
	"by $all with programs and all; at last $own_grown, $in_use and $grown;" \
	"waits for room:" \
	"$(sed -n 's/.*, \(.*\) waits/\1/p' "$work"/users.* | sum) for events,"\
	"$(sed -n 's/^ENOBUFS //p' "$work"/execs.* | sum) for programs"

each_said() {
	is "$(cat "$work/$1".* | sed 's/,.*//' | sort | uniq -c |
		sed 's/^ *//')" "$containers $2"
}

is_below() {
	test "$1" -lt "$2" || {
		echo "$1 is not below $2"
		return 1
	}
}

# What the log says of itself is what the kernel's own account shows.
accounts_agree() {
	local differ=$((in_use - own_grown))
	is_below "${differ#-}" $((4 << 20))
}

replays() {
	local start=${EPOCHREALTIME/./}
	dstackctl replay "$log" --expect "$(field register)" || return
	echo $(((${EPOCHREALTIME/./} - start) / 1000)) >"$work/ms"
}

recovers() {
	local lines
	lines=$(wc -l <"$log")
	down TERM && up && is "$(wc -l <"$log")" "$lines"
}

# recorded EVENT: how many there are in the file.
recorded() {
	tail -n +$((lines_before + 1)) "$log" |
		grep -c "\"event\":\"dstack.$1\""
}

claim every_user_event_was_recorded is "$(recorded user)" \
	$((containers * users))
claim every_exec_was_recorded is "$(recorded exec)" $((containers * execs))
claim every_user_event_was_taken each_said users "added $users"
claim programs_ran_or_found_no_room has_not \
	"$(cat "$work"/execs.*)" '^[^oE]|^E[^N]|^EN[^O]'
claim log_takes_no_more_than_64_mib_by_its_own_account \
	is_below "$own" "$limit"
claim log_takes_no_more_than_64_mib_by_the_kernels_account \
	is_below "$used" "$limit"
claim both_accounts_agree accounts_agree
claim old_digests_are_forgotten is "$first" \
	$(((count - digests) / page * page))
claim reading_a_forgotten_event_is_enodata_and_tells_the_first \
	is "$("$tests/prog_volume" -r 0)" "ENODATA $first"
claim the_first_that_is_left_can_be_read is \
	"$("$tests/prog_volume" -r "$first" | sed 's/ .*//')" ok
claim dstackctl_shows_what_is_left_and_says_so has \
	"$(dstackctl log --kernel 2>&1 | sed -n 1p)" \
	"kernel has forgotten the events before event $first"
claim whole_log_replays_to_the_register replays
claim daemon_recovers_a_log_whose_digests_are_forgotten recovers
claim quote_is_replayed_with_forgotten_digests quote_is_replayed
claim whole_log_still_replays replays
echo "# replayed in $(cat "$work/ms") ms here"

for ((i = 0; i < containers; i++)); do
	dstackctl container remove "$id.$i"
	rmdir "$cgroup.$i"
done
finish
