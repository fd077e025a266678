#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
#
# What the module costs, in guest instructions: `make bench`.  Runs in the lab
# after what it measures was built.  Documentation/performance.rst says what
# the figures mean.
set -euo pipefail

usage() {
	cat <<'USAGE'
Usage: scripts/bench.sh [OPTION]...

Boots a machine that counts instructions, measures in it, prints a table, and
holds the figures against the bars. Exits with 1 if one is missed.

  --backend tdx|sim  only with this backend (default: with both)
  --kernel 7|6.12    kernel to measure on (default 7; 6.12 has sim only)
  --count N          samples of each series, a multiple of 4 (default 200)
  --quick            fewer samples, nothing in seconds: part of make check
  --ktap             print the bars as test results, the table as comments
  --profile          say where the instructions go instead
  --help             this text

Figures go to build/bench-BACKEND.json, and those of tdx, if it was measured,
to build/bench.json; what the machine left to build/bench/BACKEND/. Profiles go
to build/profile/BACKEND/.
USAGE
}

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
cd "$top"
# shellcheck source=scripts/ktap.sh
. scripts/ktap.sh
guest=build/bench-guest
backends=
kernel=7
count=
quick=no
ktap=no
profile=no

wrong() {
	echo "bench: $*, see --help" >&2
	exit 2
}

parse() {
	while test $# -gt 0; do
		case $1 in
		--kernel | --backend | --count)
			test $# -gt 1 || wrong "'$1' needs a value" ;;
		esac
		case $1 in
		--kernel) kernel=$2; shift 2 ;;
		--backend) backends=$2; shift 2 ;;
		--count) count=$2; shift 2 ;;
		--quick) quick=yes; shift ;;
		--ktap) ktap=yes; shift ;;
		--profile) profile=yes; shift ;;
		--help | -h) usage; exit 0 ;;
		*) wrong "unknown argument '$1'" ;;
		esac
	done
	test -z "$count" || [[ $count =~ ^[1-9][0-9]*$ && $((count % 4)) = 0 ]] ||
		wrong "bad number of samples '$count'"
}

choose() {
	if test -z "$backends"; then
		backends="tdx sim"
		test "$kernel" = 7 || backends=sim
		# One profile says most.
		test "$profile" = no || backends=${backends%% *}
	fi
	if test -z "$count"; then
		count=200
		test "$quick" = no || count=100
		test "$profile" = no || count=48
	fi
}

# machine BACKEND [OPTION]...: one boot, in which everything is measured.
machine() {
	local backend=$1
	shift
	out=build/bench/$backend
	rm -rf "$out"
	mkdir -p "$out"
	scripts/td run --unloaded --icount --kernel "$kernel" \
		--backend "$backend" --copy "$guest" --out "$out" \
		--timeout 1200 "$@" -- env "BENCH_COUNT=$count" \
		"BENCH_QUICK=$quick" "BENCH_PROFILE=$profile" \
		bash /copy/guest.sh >&2
}

# An ordinary machine, for what is measured in seconds.
load_policies() {
	if test "$quick" = yes; then
		echo "load left out of a quick run" >>"$out/reasons"
		return
	fi
	scripts/td run --kernel "$kernel" --backend "$1" --copy "$guest" \
		--timeout 600 -- bash /copy/load.sh >"$out/loads" ||
		echo "load the machine that was to do it failed" \
			>>"$out/reasons"
}

emulator() {
	qemu-system-x86_64 --version | sed -n 's/.*version \([^ ]*\).*/\1/p'
}

# figures BACKEND: to JSON; the table to standard output.
figures() {
	local json=build/bench-$1.json status=0
	tools/bench/report.py --about "backend=$1" \
		--about "kernel=$(cat "$out/release")" \
		--about "qemu=$(emulator)" --json "$json" "$out" || status=$?
	test "$1" != tdx || cp "$json" build/bench.json
	return "$status"
}

# bar FILE NUMBER: is it met.
bar() {
	local value limit unit met reason
	IFS=$'\t' read -r met value limit unit reason < <(jq -r ".bars[$2] |
		[.met, .value, .limit, .unit, .reason // \"\"] | map(tostring) |
		join(\"\t\")" "$1")
	case $met in
	true)
		return 0 ;;
	null)
		echo "$reason"
		return 4 ;;
	esac
	echo "$value $unit, at most $limit${reason:+: $reason}"
	return 1
}

claims() {
	local json=build/bench-$1.json number=0 claim
	while read -r claim; do
		claim "$claim" bar "$json" "$number"
		number=$((number + 1))
	done < <(jq -r '.bars[].claim' "$json")
}

measure() {
	local backend status=0
	test "$ktap" = no || ktap_start
	for backend in $backends; do
		machine "$backend"
		load_policies "$backend"
		if test "$ktap" = no; then
			figures "$backend" || status=1
		else
			figures "$backend" | sed '/^Bars$/,$d; s/^/# /' || true
			claims "$backend"
		fi
	done
	test "$ktap" = no || ktap_finish || status=1
	return "$status"
}

report() {
	tools/profile/report.py --profile "$out/profile.txt" --guest "$out" \
		--count "$count" "$@"
}

# A profile of each phase, what it took more than without the module, and the
# module's part as a tree.
profiles() {
	local backend=$1 to=build/profile/$1 phase program
	machine "$backend" --plugin \
		"$top/build/profile/profile.so,out=$top/build/profile/profile.txt"
	mv build/profile/profile.txt "$out/profile.txt"
	rm -rf "$to"
	mkdir -p "$to"
	for phase in base1 every first ima; do
		for program in static dynamic; do
			grep -q " $phase.exec.$program$" "$out/phases" || continue
			report "$phase.exec.$program" >"$to/$program-$phase.txt"
			test "$phase" != base1 || continue
			report "base1.exec.$program" "$phase.exec.$program" \
				>"$to/$program-$phase-diff.txt"
			test "$phase" != ima || continue
			report --under dstack_vet "$phase.exec.$program" \
				>"$to/$program-$phase-vet.txt"
		done
	done
	report base1.map every.map >"$to/map-every-diff.txt"
	report every.extend >"$to/extend.txt"
	report keys.unseal >"$to/unseal.txt"
	ls "$to"/*.txt
	report
}

main() {
	local backend
	parse "$@"
	choose
	if test "$profile" = no; then
		measure
		return
	fi
	for backend in $backends; do
		profiles "$backend"
	done
}

main "$@"
