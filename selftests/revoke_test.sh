#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
#
# What still runs when a newer policy drops it gets what its section says, within
# a second (attack 78).
# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

begin revoke
stay=$work/stay keeper=$work/keeper library=$work/library
variant "$stay" "$tests/prog_stay"
variant "$keeper" "$tests/prog_stay"
variant "$library" "$tests/libprobe.so"
dstackctl policy scan --name test --output "$work/base.json" \
	"$stay" "$keeper" "$library"

# load FILTER: the policy that a jq filter makes of that which allows them all.
load() {
	epoch=$((epoch + 1))
	jq ".epoch = $epoch | .containers.other = .containers.test | $1" \
		"$work/base.json" >"$work/policy.json"
	dstackctl policy load "$work/policy.json" >/dev/null ||
		die "can't load the policy"
}

# without FILE: a filter that takes its rule away.
without() {
	echo "del(.containers.test.allow[] |
		select(.digest == \"sha256:$(sha256 "$1")\"))"
}

action() {
	echo ".containers.test.revoked = \"$1\""
}

# start CGROUP COUNT FILE [OPTION]...: in the background, until it stays.
start() {
	local ready
	: >"$work/out"
	"$tests/prog_run" -c "$1" "${@:3}" >"$work/out" 2>&1 </dev/null &
	disown
	for _ in {1..250}; do
		ready=$(grep -c ready "$work/out")
		test "$ready" -lt "$2" || return 0
		nap
	done
	die "$3 does not start: $(cat "$work/out")"
}

populated() {
	[[ $(<"$cgroup/cgroup.events") == *'populated 1'* ]]
}

# Is each process of the container stopped?
stopped() {
	local pid count=0
	while read -r pid; do
		count=$((count + 1))
		grep -q '^State:.T' "/proc/$pid/status" || return 1
	done <"$cgroup/cgroup.procs"
	test "$count" -gt 0
}

# within COMMAND...: how many tenths of a second until it holds, 30 for never; on a
# slow machine seconds are longer, see run.sh.
within() {
	local began=${EPOCHREALTIME/./} tenths=0
	while test "$tenths" -lt 30; do
		if "$@"; then
			break
		fi
		nap
		tenths=$(((${EPOCHREALTIME/./} - began) /
			(100000 * ${TIME_SCALE:-1})))
	done
	echo "$tenths"
}

ended() {
	! populated
}

# A second, and what a busy machine takes to look.
soon() {
	test "$1" -le 10 || {
		echo "it took $1 tenths of a second"
		return 1
	}
}

revoked() {
	echo "dstack.revoke id=$id digest=sha256:$(sha256 "$1") action=$2 epoch=$epoch processes=$3"
}

container
other=$cgroup_root/$id.other
mkdir "$other"
dstackctl container add --cgroup "$other" --id "$id.other" --section other \
	--app-id "$app_id" || die "can't add a second container"
end_both() {
	empty "$other"
	dstackctl container remove "$id.other"
	rmdir "$other"
	end
}
trap end_both EXIT
load .
state enforce
start "$other" 1 "$stay"

#
# A policy that drops nothing
#

start "$cgroup" 1 "$stay"
mark
load "$(action kill)"
sleep 1
claim policy_that_drops_nothing_ends_nothing populated
claim and_is_no_event has_not "$(events)" "dstack.revoke"
load "$(without "$keeper") | $(action kill)"
sleep 1
claim what_was_dropped_but_does_not_run_ends_nothing populated

#
# log
#

load .
mark
load "$(without "$stay")"
again=$(run "$stay")
sleep 1
events=$(events)
claim attack_78_dropped_program_goes_on_with_log populated
claim attack_78_its_event_says_so has "$events" "$(revoked "$stay" log 1) path=stay" 1
claim attack_78_new_execs_of_it_fail_at_once is "$again" EACCES
claim event_is_behind_that_of_its_policy is "$(grep -oE \
	"dstack.(policy|revoke)" <<<"$events" | tr '\n' ' ')" \
	"dstack.policy dstack.revoke "
load "$(without "$stay") | $(action kill)"
sleep 1
claim what_an_earlier_policy_dropped_is_not_dropped_again populated
empty "$cgroup"

#
# kill
#

# kills NAME COUNT FILE [OPTION]...: FILE is dropped while it runs so.
kills() {
	load .
	start "$cgroup" "$2" "${@:3}"
	mark
	load "$(without "$3") | $(action kill)"
	took=$(within ended)
	claim "attack_78_$1_is_killed_within_a_second" soon "$took"
	claim "attack_78_event_of_$1" has "$(events)" \
		"$(revoked "$3" kill '[0-9]+') path=stay" 1
	empty "$cgroup"
}

kills dropped_program 1 "$stay"
kills program_of_five_processes 5 "$stay" -n 5
claim attack_78_its_event_has_the_number_of_processes has "$(events)" \
	"$(revoked "$stay" kill 5) " 1
kills thread_without_its_leader 1 "$stay" -t
kills program_that_forks_and_exits 1 "$stay" -f
kills program_that_changes_its_mappings 1 "$stay" -l
claim attack_78_other_containers_are_left_alone is "$(grep -c . \
	"$other/cgroup.procs")" 1

load .
start "$cgroup" 1 "$stay"
start "$cgroup" 1 "$keeper"
mark
load "$(without "$stay") | $(action kill)"
took=$(within ended)
claim attack_78_the_whole_container_is_killed soon "$took"

copy=$work/copy
cp "$stay" "$copy"
digest=$(sha256 "$copy")
load .
start "$cgroup" 1 "$copy"
mark
without=$(without "$copy")
rm "$copy"
load "$without | $(action kill)"
took=$(within ended)
claim attack_78_program_that_was_removed_is_killed soon "$took"
claim attack_78_its_event_has_its_digest has "$(events)" \
	"dstack.revoke id=$id digest=sha256:$digest action=kill .*path=.*/copy .deleted." 1

#
# A library alone
#

load .
start "$cgroup" 1 "$keeper" -m "$library"
mark
load "$(without "$library") | $(action kill)"
took=$(within ended)
claim attack_78_program_with_a_dropped_library_is_killed soon "$took"
claim attack_78_event_of_the_library has "$(events)" \
	"$(revoked "$library" kill 1) path=library" 1

# A container that may write to what it has mapped does not get away.
changed=$work/changed
cp "$library" "$changed"
load .
start "$cgroup" 1 "$keeper" -m "$changed"
mark
echo >>"$changed"
load "$(without "$library") | $(action kill)"
took=$(within ended)
claim attack_78_library_that_was_changed_after_it_was_mapped_is_found \
	soon "$took"
claim attack_78_its_event_has_the_digest_that_was_dropped has "$(events)" \
	"$(revoked "$library" kill 1) path=changed" 1

mkdir "$work/lower" "$work/upper" "$work/wdir"
cp "$library" "$work/lower/library"
fs overlay "$work/over" -o \
	"lowerdir=$work/lower,upperdir=$work/upper,workdir=$work/wdir"
load .
start "$cgroup" 1 "$keeper" -m "$work/over/library"
mark
load "$(without "$library") | $(action kill)"
took=$(within ended)
claim attack_78_library_on_overlayfs_is_found soon "$took"
claim attack_78_its_event_has_the_path_in_the_container has "$(events)" \
	"$(revoked "$library" kill 1) path=over/library" 1

#
# freeze
#

load .
start "$cgroup" 3 "$stay" -n 3
mark
load "$(without "$stay") | $(action freeze)"
took=$(within stopped)
claim attack_78_dropped_program_is_frozen_within_a_second soon "$took"
claim attack_78_event_of_the_frozen_program has "$(events)" \
	"$(revoked "$stay" freeze 3) path=stay" 1
sleep 0.5
claim it_stays_frozen stopped
xargs kill -CONT <"$cgroup/cgroup.procs"
claim operator_can_let_it_go_on is "$(stopped || echo running)" running
empty "$cgroup"

load .
start "$cgroup" 1 "$stay" -f
load "$(without "$stay") | $(action freeze)"
took=$(within stopped)
claim attack_78_program_that_forks_and_exits_is_frozen soon "$took"
empty "$cgroup"

#
# The section, and the state
#

load "$(action kill)"
start "$cgroup" 1 "$stay"
mark
load "del(.containers.test)"
took=$(within ended)
claim attack_78_section_that_is_gone_has_what_it_said_last soon "$took"
claim attack_78_event_of_a_section_that_is_gone has "$(events)" \
	"$(revoked "$stay" kill 1) " 1

# ... whatever else is in the container that nobody can identify any more.
cp "$library" "$changed"
load "$(action kill)"
start "$cgroup" 1 "$keeper" -m "$changed"
echo >>"$changed"
load "del(.containers.test)"
took=$(within ended)
claim attack_78_changed_library_saves_nobody_whose_section_is_gone soon "$took"

load .
start "$cgroup" 1 "$stay"
state measure
mark
load "$(without "$stay") | $(action kill)"
sleep 1
claim in_measure_it_goes_on populated
claim in_measure_the_event_says_log has "$(events)" \
	"$(revoked "$stay" log 1) " 1
empty "$cgroup"
claim the_log_replays quote_is_replayed

finish
