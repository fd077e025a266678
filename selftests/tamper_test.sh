#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
#
# What a container may not do to the kernel, to itself or to its neighbours, and
# nobody to a container: done in measure, denied in enforce, recorded in both.
# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

begin tamper
tamper=$tests/prog_tamper
policy "$tamper"
container
cat >>"$EXPECTED_MESSAGES" <<-'MESSAGES'
	'prog_tamper' in .* denied: (trace|memory|program|kexec|module|unload|bpf)
MESSAGES

# new_victim [OPTION]...: $victim is the pid of it.
new_victim() {
	rm -f "$work/victim"
	"$tests/prog_run" "$@" "$tamper" victim >"$work/victim" 2>/dev/null &
	disown
	for _ in {1..500}; do
		! test -s "$work/victim" || break
		nap
	done
	victim=$(<"$work/victim")
}

# Of the kernel that runs; any that nobody needs, and whose name is the file's.
module=$(find "/usr/lib/modules/$(uname -r)/" -name 'failover.ko*' -print -quit)
unload() {
	rmmod failover 2>/dev/null
}

new_victim -c "$cgroup"
inside=$victim
new_victim
outside=$victim
by_container() {
	run "$tamper" "$@"
}
by_host() {
	"$tamper" "$@"
}

#
# From within
#

inner=(
	"traceme"
	"attach $inside"
	"seize $inside"
	"vm-write $inside"
	"take-fd $inside"
	"write-memory $inside"
	"write-memory self"
	"become $tamper"
	"load-memory $module"
	"unload failover"
	"kexec"
	"load-tracing"
	"take-prog"
	"take-link"
)
attempts() {
	local attempt
	for attempt in "${inner[@]}"; do
		# shellcheck disable=SC2086 # name and argument
		echo "$attempt: $(by_container $attempt)"
	done
}

mark
measured=$(attempts)
measured_events=$(events)
unload
state enforce
mark
enforced=$(attempts)
harmless=$(by_container load-device)
own_memory=$(by_container read-memory self)
enforced_events=$(events)

# says TEXT LINE
says() {
	[[ $'\n'$1$'\n' = *$'\n'"$2"$'\n'* ]] || {
		echo "no line '$2' in:"
		echo "$1"
		return 1
	}
}
number() {
	case $1 in
	traceme | attach* | seize* | vm-write* | take-fd* | *memory\ [s0-9]*)
		echo attack_21_ ;;
	load-memory* | kexec) echo attack_29_ ;;
	unload* | take-* | load-tracing) echo attack_30_ ;;
	esac
}
for attempt in "${inner[@]}"; do
	name=$(number "$attempt")${attempt%% *}
	test "$attempt" != "write-memory self" || name+=_of_oneself
	name=${name//-/_}
	claim "${name}_is_done_in_measure" says "$measured" "$attempt: worked"
	claim "${name}_is_denied_in_enforce" says "$enforced" "$attempt: EPERM"
done
claim harmless_bpf_program_is_loaded is "$harmless" worked
claim own_memory_may_be_read is "$own_memory" worked
for what in trace memory program module unload kexec bpf; do
	claim "${what}_is_recorded_in_measure" has "$measured_events" \
		"dstack.tamper id=$id what=$what verdict=allowed count=1\$" 1
	claim "${what}_is_recorded_in_enforce" has "$enforced_events" \
		"dstack.tamper id=$id what=$what verdict=denied count=[0-9]+\$"
done

#
# From without, and where nobody is in a container
#

mark
for attempt in attach seize vm-write take-fd write-memory read-memory; do
	claim "attack_21_${attempt//-/_}_by_the_host_is_denied" \
		has "$(by_host "$attempt" "$inside")" '^(EPERM|EACCES)$'
done
claim attempts_of_the_host_are_recorded has "$(events)" \
	"dstack.tamper id=host what=trace verdict=denied count=[0-9]+\$"
claim host_traces_the_host is "$(by_host attach "$outside")" worked
claim host_writes_to_its_own_memory is "$(by_host write-memory self)" worked
claim host_loads_what_traces is "$(by_host load-tracing)" worked
claim host_loads_and_unloads is \
	"$(by_host load-file "$module") $(by_host unload failover)" 'worked worked'

#
# A module is a file that the policy can approve
#

policy "$tamper"
mark
claim attack_29_unapproved_module_is_denied \
	is "$(by_container load-file "$module")" EACCES
claim attack_29_it_is_recorded has "$(events)" \
	"dstack.deny id=$id kind=kernel digest=sha256:[0-9a-f]* reason=unknown-digest count=1 "
policy -j ". + [{digest: \"sha256:$(sha256 "$module")\", kinds: [\"kernel\"]}]" \
	"$tamper"
mark
claim approved_module_is_loaded is "$(by_container load-file "$module")" worked
claim it_is_recorded_once has "$(events)" \
	"dstack.kernel id=$id digest=sha256:[0-9a-f]* reason=approved" 1
claim container_unloads_nothing is "$(by_container unload failover)" EPERM
unload

kill "$outside"
claim register_is_replayed quote_is_replayed

finish
