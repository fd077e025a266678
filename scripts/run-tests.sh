#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
#
# Every test of the project: `make check`.  A part is a function NAME_test
# that prints KTAP; parts are listed at the end.  Runs in the lab.
set -euo pipefail
shopt -s inherit_errexit

usage() {
	cat <<'USAGE'
Usage: scripts/run-tests.sh [NAME...]

Runs every test, or those named: a part (like style), a unit test (like
event_test), or a file of selftests/ (like exec_test).  "list" lists the names.

Prints one line for each part, failures in full, and at last the totals.
Everything a part said is in build/check/NAME.log.
USAGE
}

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
logs=$top/build/check
ksrc=${KSRC:-/lab/linux-source}
guest_tests=/usr/libexec/dstack/selftests
# Genuine quotes, which are not ours to distribute: tests skip without them.
test -n "${DSTACK_VECTORS-}" || ! test -d ../shared/vectors ||
	DSTACK_VECTORS=$(realpath ../shared/vectors)
export DSTACK_VECTORS
# What `make check TEST=...` hands down is for this script alone.
unset MFLAGS MAKEOVERRIDES TEST
MAKEFLAGS=-j$(nproc)
export MAKEFLAGS
cd "$top"
# shellcheck source=scripts/ktap.sh
. scripts/ktap.sh
# shellcheck source=scripts/checks/style.sh
. scripts/checks/style.sh
# shellcheck source=scripts/checks/abi.sh
. scripts/checks/abi.sh
# shellcheck source=scripts/checks/analysis.sh
. scripts/checks/analysis.sh
# shellcheck source=scripts/checks/bench.sh
. scripts/checks/bench.sh

#
# This runner
#

# counts WANTED LOG: the last line that scripts/count-ktap.awk prints for LOG.
counts() {
	local found
	found=$(printf '%b' "$2" | awk -f scripts/count-ktap.awk | tail -n 1)
	test "$found" = "$1" || {
		echo "'$found' instead of '$1' for:"
		printf '%b' "$2"
		return 1
	}
}

fails_halfway() {
	false
	true
}

# sees LINE COMMAND...: what claim makes of a command.
sees() {
	local wanted=$1 found
	shift
	found=$(ktap_count=0; claim sample "$@" | tail -n 1)
	test "$found" = "$wanted" || {
		echo "'$found' instead of '$wanted'"
		return 1
	}
}

skips() {
	echo "no sample"
	return 4
}

runner_test() {
	local inner='TAP version 13\n  TAP version 13\n  1..2\n'
	ktap_start
	claim claim_holds_with_success sees 'ok 1 - sample' true
	claim claim_fails_halfway sees 'not ok 1 - sample' fails_halfway
	claim claim_skips_with_a_reason \
		sees 'ok 1 - sample # SKIP no sample' skips
	claim counts_passed_failed_skipped counts '1 1 1' \
		'1..3\nok 1 a\nnot ok 2 - b\nok 3 c # SKIP no c\n'
	claim counts_plan_behind_results counts '2 0 0' 'ok 1 a\nok 2 b\n1..2\n'
	claim counts_several_plans counts '2 0 0' '1..1\nok 1 a\n1..1\nok 1 b\n'
	claim counts_skipped_file counts '0 0 1' '1..0 # SKIP no device\n'
	claim counts_nested_once counts '1 1 0' \
		"$inner"'  ok 1 a\n  not ok 2 b\nnot ok 1 ab\n1..1\n'
	claim counts_failed_sum counts '2 1 0' \
		"$inner"'  ok 1 a\n  ok 2 b\nnot ok 1 ab\n1..1\n'
	claim ignores_diagnostics counts '1 0 0' '1..1\n# not ok 2 x\nok 1 a\n'
	claim silence_is_a_failure counts '0 1 0' ''
	claim empty_plan_is_a_failure counts '0 1 0' '1..0\n'
	claim death_before_end_is_a_failure counts '1 1 0' '1..2\nok 1 a\n'
	claim death_before_plan_is_a_failure counts '2 1 0' \
		'ok 1 a\nTAP version 13\n1..1\nok 1 b\n'
	claim death_inside_is_a_failure counts '1 1 0' \
		"$inner"'  ok 1 a\nok 1 ab\n1..1\n'
	claim bail_out_is_a_failure counts '1 1 0' '1..1\nok 1 a\nBail out! x\n'
	ktap_finish
}

#
# Building
#

rebuild_does_nothing() {
	make -s all | no_line .
}

kms_is_installed_whole() {
	local to=build/check/kms
	rm -rf "$to"
	make -s install-kmsd DESTDIR="$top/$to" &&
		test -x "$to/usr/sbin/dstack-kms" &&
		test -f "$to/usr/lib/systemd/system/dstack-kms.service" &&
		test -f "$to/usr/share/man/man8/dstack-kms.8" &&
		test -f "$to/usr/share/doc/dstack/examples/dstack-kms.json"
}

build_test() {
	ktap_start
	claim builds_module_for_kernel_7 make module KVER=7
	claim builds_module_for_kernel_6.12 make module KVER=6.12
	claim builds_bpf make bpf
	claim builds_userspace make userspace
	claim builds_contracts make contracts
	claim builds_kms make -C userspace kmsd \
		"$top/build/userspace/test/kmsd-"{auth,no-td,load}
	claim kms_takes_its_example build/userspace/dstack-kms --check-config \
		--config userspace/examples/dstack-kms.json
	claim kms_is_installed_whole kms_is_installed_whole
	claim builds_tdx_module make tdx-module
	claim builds_selftests make stage
	claim rebuild_does_nothing rebuild_does_nothing
	ktap_finish
}

#
# Unit tests
#

unit_test() {
	make -s -C userspace check
}

one_unit_test() {
	make -s -C userspace check TEST="${1%_test}"
}

# Some seconds for each parser: `make fuzz` takes longer.
parsers_test() {
	make -s fuzzers >&2
	FUZZ_SECONDS=${FUZZ_SECONDS:-8} scripts/fuzz.sh --ktap
}

# One after the other, so that what they print stays apart.
tdx_module_test() {
	make -s -j1 -C tools/tdx-module check
}

#
# In machines
#

# staged GOAL...: makes these, unless part build just did.  One at a time: a test
# must not see the files of another half installed.
staged() {
	test -n "${STAGED-}" || flock build make -s "$@" >&2
}

# machine KERNEL BACKEND [TEST]: the selftests there, with what a verifier of
# quotes trusts in /copy.
machine() {
	local kernel=$1 backend=$2 trust=$top/build/check/trust
	shift 2
	# Also where a caller's || takes set -e away.
	staged module tdx-module stage || return
	mkdir -p "$trust"
	cp build/tdx-module/pki/{root.pem,collateral.json} "$trust/"
	scripts/td run --kernel "$kernel" --backend "$backend" --timeout 1900 \
		${TDX_ARGS:+--tdx "$TDX_ARGS"} --copy "$trust" -- \
		"$guest_tests/run.sh" "$@"
}

td_7_test() {
	machine 7 tdx "$@"
}

# What a backend does.  All else is td_7's on this kernel, and sim_6_12's on this
# backend.
sim_7_test() {
	local names=("$@")
	test $# != 0 || names=(
		attack_log attack_storm change daemon device fuzz key log mode
		quote refusal registry seal status uapi unload)
	machine 7 sim "${names[@]}"
}

# What dstackd does to its files, who starts it, and what its agent shares out, are
# the same on each kernel: td_7 says it.
of_dstackd='^(kill|learn|daemon_(disk|file|manager)|agent_(attack|cert|config|quote))_test'

sim_6_12_test() {
	local names=("$@")
	test $# != 0 || mapfile -t names < <(
		selftest_names | grep -vE "$of_dstackd")
	machine 6.12 sim "${names[@]}"
}

# The TDX module and the host fail in every way that they have, and the registry
# is full.
register_faults=extend-invalid=4@100,extend-busy=4007@200
quote_faults=report-busy=2001@12,report-invalid=1@15,quote-down=1@2
quote_faults+=,quote-error=1@4,quote-huge=1@5,quote-stuck=1@40

faults_test() {
	local status=0
	staged module tdx-module stage
	scripts/td run --tdx "$register_faults,$quote_faults" \
		-- "$guest_tests/run.sh" fault_tdx || status=$?
	scripts/td run --tdx quote-late=45000 \
		-- "$guest_tests/run.sh" fault_late || status=$?
	scripts/td run --tdx quote-late=15000,quote-slow=1@2 \
		-- "$guest_tests/run.sh" fault_quote || status=$?
	scripts/td run --tdx quote-late=200 \
		-- "$guest_tests/run.sh" fault_flood || status=$?
	scripts/td run --backend sim -- "$guest_tests/run.sh" crowd || status=$?
	return "$status"
}

# State locked, in machines of their own, as there is no way back.
locked_test() {
	local status=0
	machine 7 tdx locked || status=$?
	machine 6.12 sim locked || status=$?
	machine 7 tdx locked_kms || status=$?
	# Nothing runs after it, so that it is no test of run.sh's.
	scripts/td run --backend sim -- "$guest_tests/locked_end_test" ||
		status=$?
	return "$status"
}

# The application of upstream's simulator, in a machine that the host started for
# it by MR_CONFIG_ID.
upstream_test() {
	local from=${DSTACK_VECTORS-}/dstack to=$top/build/check/trust/upstream
	local hash TDX_ARGS=
	rm -rf "$to"
	if test -e "$from/simulator-app-compose.json"; then
		mkdir -p "$to"
		cp "$from/simulator-app-compose.json" "$to/app-compose.json"
		cp "$from/simulator-sys-config.json" "$to/.sys-config.json"
		read -r hash _ < <(sha256sum "$to/app-compose.json")
		TDX_ARGS=mrconfigid=01$hash$(printf '%030d' 0)
	fi
	machine 7 tdx booted_upstream
}

# An application was booted in this machine, of which nothing can be undone.
booted_test() {
	local status=0
	upstream_test || status=$?
	machine 7 tdx booted_clients booted_info || status=$?
	machine 7 sim booted_info || status=$?
	machine 7 tdx booted_kms || status=$?
	machine 7 sim booted_tpm || status=$?
	machine 7 sim booted_locked || status=$?
	machine 7 tdx app boot || status=$?
	return "$status"
}

# Many events, files, threads.  How many, DSTACK_VOLUME, DSTACK_DISTINCT and
# DSTACK_STORM say; else so many as a check can wait for.
load_test() {
	local status=0
	staged module tdx-module stage
	scripts/td run --backend sim --timeout 3000 -- env TEST_SECONDS=2000 \
		"VOLUME=${DSTACK_VOLUME-}" "DISTINCT=${DSTACK_DISTINCT-}" \
		"STORM=${DSTACK_STORM-}" "$guest_tests/run.sh" \
		load_storm load_quota load_volume || status=$?
	# Where a nanosecond is an instruction.
	scripts/td run --backend tdx --icount --timeout 900 -- env \
		INSTRUCTIONS=1 "$guest_tests/run.sh" load_agent || status=$?
	return "$status"
}

# What two processors do more than one shows only where both are idle.
scaling_test() {
	staged module stage
	scripts/td run --backend sim -- "$guest_tests/run.sh" load_keys
}

# migrate BACKEND FROM TO [OPTION]...: one stage, in a machine of its own.
migrate() {
	local backend=$1 from=$2 to=$3
	shift 3
	mkdir -p "$from" "$to"
	scripts/td run --backend "$backend" --copy "$from" --out "$to" "$@"
}

# Blobs go from machine to machine: to another TEE, and to another firmware.
migration_test() {
	local status=0 dir=build/check/migration script=$guest_tests/migrate.sh
	staged module tdx-module stage
	rm -rf "$dir"
	migrate sim "$dir/0" "$dir/1" -- "$script" || status=$?
	migrate tdx "$dir/1" "$dir/2" -- "$script" open || status=$?
	migrate tdx "$dir/2" "$dir/3" --tdx "mrtd=$(printf '%096d' 1)" -- \
		"$script" open || status=$?
	return "$status"
}

# local_key STAGE FROM TO [OPTION]...: one stage, in a machine of its own.
local_key() {
	local stage=$1 from=$2 to=$3
	shift 3
	mkdir -p "$from" "$to"
	scripts/enclave-pki.sh "$from/pki" || return
	scripts/td run --copy "$from" --out "$to" "$@" -- \
		"$guest_tests/local_key.sh" "$stage"
}

# An enclave of the host gives the same machine the same keys, and none of its own
# to another.
local_key_test() {
	local status=0 dir=build/check/local_key
	staged module tdx-module stage || return
	rm -rf "$dir"
	local_key first "$dir/0" "$dir/1" || status=$?
	local_key again "$dir/1" "$dir/2" || status=$?
	local_key other "$dir/2" "$dir/3" --tdx "mrtd=$(printf '%096d' 1)" ||
		status=$?
	return "$status"
}

# What others have made for the same evidence says the same of it.
peers_test() {
	local modules dir=build/check/peers status=0
	modules=$(scripts/npm.sh)
	ktap_start
	claim dcap_qvl_says_what_is_on_record dcap_qvl_agrees "$modules"
	ktap_finish || status=$?
	staged module tdx-module stage || return
	rm -rf "$dir"
	mkdir -p "$dir"
	cp -r "$modules/node_modules" build/tdx-module/pki/root.pem \
		build/tdx-module/pki/collateral.json "$dir/"
	scripts/td run --copy "$dir" -- "$guest_tests/sdk.sh" || status=$?
	return "$status"
}

# On a chain of their own, which ends with it.
contracts_test() {
	local modules
	flock build make -s contracts >&2
	flock build make -s -C userspace "$top/build/userspace/dstackctl" >&2
	modules=$(scripts/npm.sh contracts)
	node contracts/test/run.mjs "$modules" build/contracts \
		build/userspace/dstackctl
}

# What a KMS makes of the contracts, by proof.
authorisation_test() {
	local modules program=build/userspace/test/kmsd-auth
	flock build make -s contracts >&2
	flock build make -s -C userspace "$top/$program" >&2
	modules=$(scripts/npm.sh contracts)
	node contracts/test/authorisation.mjs "$modules" build/contracts \
		"$program"
}

# A chain, a KMS and applications, each in a machine of its own.
kms_test() {
	staged module tdx-module stage || return
	flock build make -s contracts >&2
	flock build make -s -C userspace kmsd >&2
	scripts/kms/run.sh
}

# The same server without a TD, on loopback: how fast, and what it survives.  How
# many releases of keys, DSTACK_RELEASES says.
kms_load_test() {
	local status=0 dir=$top/build/userspace/test
	flock build make -s tdx-module contracts >&2
	flock build make -s -C userspace "$dir/kmsd-no-td" "$dir/kmsd-load" >&2
	scripts/kms/load.sh || status=$?
	scripts/kms/limits.sh || status=$?
	scripts/kms/leases.sh || status=$?
	scripts/kms/faults.sh || status=$?
	scripts/kms/quorum.sh || status=$?
	scripts/kms/owner.sh || status=$?
	scripts/kms/light.sh || status=$?
	return "$status"
}

dcap_qvl_agrees() {
	local script=$top/scripts/checks/dcap_qvl.mjs
	test -d "${DSTACK_VECTORS-}/dcap" ||
		{ echo "no quotes in DSTACK_VECTORS"; return 4; }
	(cd "$1" && node "$script" "$DSTACK_VECTORS")
}

# What a TD measured is what was computed before it started.
measured_test() {
	local dir=build/check/measured name args=
	staged module tdx-module stage
	rm -rf "$dir"
	mkdir -p "$dir"
	for name in kernel initrd cmdline; do
		echo "no $name, but measured" >"$dir/$name"
		args+=${args:+,}$name=$dir/$name
	done
	scripts/td run --copy "$dir" --tdx "$args" -- \
		"$guest_tests/measured.sh"
}

# watched TIMEOUT COMMAND: on a kernel that watches itself, which is some ten times
# slower than others, and stops at its first warning.
watched() {
	local kernel
	# Also where a caller's || takes set -e away.
	kernel=$(scripts/debug/kernel.sh) || return
	make -s module KVER=custom "KDIR=$kernel" >&2 || return
	staged stage || return
	scripts/td run --kernel "$kernel" --backend sim --memory 4G \
		--timeout "$1" -- bash -c "sysctl -qw kernel.panic_on_warn=1
		export TIME_SCALE=10; $2"
}

# No part of a check without names, as making that kernel takes long.
debug_test() {
	local status=0
	watched 2000 "$guest_tests/run.sh fault_alloc" || status=$?
	watched 12000 "$guest_tests/run.sh" || status=$?
	watched 2000 "$guest_tests/run.sh locked" || status=$?
	return "$status"
}

# What hostile callers make up by chance, with new numbers each time, until
# FUZZ_SECONDS are over.  A part of `make fuzz`.
fuzz_kernel_test() {
	local seconds=${FUZZ_SECONDS:-60}
	watched $((seconds + 2000)) "SECONDS=0
		while $guest_tests/run.sh fuzz change netlink_abuse \
				policy_abuse upload; do
			test \$SECONDS -lt $seconds || exit 0
		done
		exit 1"
}

one_selftest_test() {
	local status=0
	td_7_test "$1" || status=$?
	sim_7_test "$1" || status=$?
	sim_6_12_test "$1" || status=$?
	return "$status"
}

#
# The runner
#

# Parts, each with its time limit in seconds, which are for slow machines.
declare -A limits=(
	[build]=900 [runner]=60 [style]=1000 [layers]=60 [abi]=200 [unit]=2000
	[module_analysis]=600 [user_analysis]=1500 [tdx_module]=400
	[td_7]=3000 [sim_7]=1400 [sim_6_12]=1800 [faults]=800 [bench]=600
	[locked]=400 [load]=3000 [parsers]=2000 [migration]=400
	[measured]=200 [local_key]=900 [peers]=300 [scaling]=300 [booted]=1500
	[contracts]=600 [authorisation]=600 [kms]=1200 [kms_load]=900
	[one_selftest]=1400 [debug]=16000 [fuzz_kernel]=20000
)
# In this order: what takes long begins early, what is quick tells early; the
# first and the last have the machine for themselves.
first=build
then=(
	td_7 runner layers abi style unit parsers sim_7 user_analysis sim_6_12
	tdx_module module_analysis faults locked migration measured booted
	local_key peers contracts authorisation load bench
)
last=(kms kms_load scaling)

names_of() {
	local file
	for file in "$@"; do
		test ! -e "$file" || basename "${file%.*}"
	done
}

unit_names() {
	names_of userspace/test/*_test.c
}

selftest_names() {
	names_of selftests/*_test.{c,sh} | grep -vE '^(app_|boot_|booted_|fault_|crowd_|load_|locked_)'
}

list() {
	echo "parts: $first ${then[*]} ${last[*]}"
	echo "unit tests:" "$(unit_names | paste -sd ' ')"
	echo "selftests:" "$(selftest_names | paste -sd ' ')"
}

# knows NAME LIST: with or without _test.
knows() {
	grep -qxE "$1(_test)?" <<<"$2"
}

# What NAME means as arguments of --part; one name may mean two tests.
resolve() {
	local name=$1 found=no
	if test -n "${limits[$name]-}"; then
		echo "$name"
		return
	fi
	if knows "$name" "$(unit_names)"; then
		echo "one_unit ${name%_test}_test"
		found=yes
	fi
	if knows "$name" "$(selftest_names)"; then
		echo "one_selftest ${name%_test}_test"
		found=yes
	fi
	test "$found" = yes
}

# label_of PART [NAME]: for its log and its line.
label_of() {
	local label=${*#one_}
	echo "${label// /-}"
}

# number LABEL: its place in the plan.
number() {
	local i
	for i in "${!labels[@]}"; do
		test "${labels[i]}" != "$1" || echo "$((i + 1))"
	done
}

# report LABEL STATUS SECONDS: what its log says, for people; totals to a file.
report() {
	local label=$1 status=$2 seconds=$3 log=build/check/$1.log lines
	local passed failed skipped
	lines=$(awk -f scripts/count-ktap.awk "$log")
	read -r passed failed skipped <<<"${lines##*$'\n'}"
	if test "$status" = 124; then
		failed=$((failed + 1))
		lines="not ok it hit its time limit"$'\n'$lines
	elif test "$status" != 0 && test "$failed" = 0; then
		failed=1
		lines="not ok it left with status $status"$'\n'$lines
	fi
	echo "$passed $failed $skipped" >"$logs/$label.total"
	{
		if test "$failed" != 0; then
			echo "# $label: $log:"
			sed 's/^/# /' "$log"
			echo "# $label: failed:"
			grep '^not ok' <<<"$lines" | sed 's/^not ok /#   /'
			printf 'not '
		fi
		echo "ok $(number "$label") - $label # $passed passed," \
			"$failed failed, $skipped skipped, $seconds s"
		sed -n 's/^skip /#   skipped: /p' <<<"$lines"
	} | flock "$logs" cat
}

# run PART [NAME]: under its time limit.
run() {
	local label status=0 start=$SECONDS
	label=$(label_of "$@")
	timeout -k 10 "${limits[$1]-300}" "$0" --part "$@" \
		>"$logs/$label.log" 2>&1 </dev/null &
	child=$!
	wait "$child" || status=$?
	child=
	report "$label" "$status" $((SECONDS - start))
}

# as_many_as_cpus PART...: so many at a time, in this order.
as_many_as_cpus() {
	local part running=0 cpus
	cpus=$(nproc)
	for part; do
		if test "$running" = "$cpus"; then
			wait -n
			running=$((running - 1))
		fi
		(
			trap 'test -z "$child" || kill "$child"; exit 1' TERM
			# shellcheck disable=SC2086 # a part and its name
			run $part
		) &
		running=$((running + 1))
	done
	wait
}

# Children are in process groups of their own: tell them.
stop() {
	trap - EXIT INT TERM
	local pids
	pids=$(jobs -p)
	# shellcheck disable=SC2086 # several
	test -z "$pids" || kill $pids 2>/dev/null || true
	wait
}

# total LABEL...: the last line.
total() {
	(cd "$logs" && cat "${@/%/.total}") | awk '
	{ passed += $1; failed += $2; skipped += $3 }
	END {
		printf "%d passed, %d failed, %d skipped\n",
			passed, failed, skipped
		exit failed > 0 || passed == 0
	}'
}

main() {
	local name part found chosen=()
	child=
	labels=()
	case ${1-} in
	--part)
		shift
		name=$1
		shift
		"${name}_test" "$@"
		return ;;
	list)
		list
		return ;;
	-*)
		usage
		exit 2 ;;
	esac
	for name; do
		found=$(resolve "$name") || {
			echo "no test is called '$name', there are:" >&2
			list >&2
			exit 2
		}
		mapfile -t -O "${#chosen[@]}" chosen <<<"$found"
	done

	test $# -gt 0 || chosen=("$first" "${then[@]}" "${last[@]}")
	for part in "${chosen[@]}"; do
		# shellcheck disable=SC2086 # a part and its name
		labels+=("$(label_of $part)")
	done

	mkdir -p "$logs"
	(cd "$logs" && rm -f "${labels[@]/%/.log}" "${labels[@]/%/.total}")
	trap stop EXIT
	trap 'exit 130' INT TERM
	printf 'TAP version 13\n1..%d\n' "${#labels[@]}"
	if test $# -gt 0; then
		as_many_as_cpus "${chosen[@]}"
	else
		as_many_as_cpus "$first"
		[[ $(<"$logs/$first.total") != *' 0 '* ]] || export STAGED=yes
		as_many_as_cpus "${then[@]}"
		for part in "${last[@]}"; do
			as_many_as_cpus "$part"
		done
	fi
	total "${labels[@]}"
}

main "$@"
