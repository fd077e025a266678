#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
#
# What the module costs, in guest instructions: `make bench`.  Runs in the lab
# after `make all`.  Documentation/performance.rst says what the figures mean.
set -euo pipefail

usage() {
	cat <<'USAGE'
Usage: scripts/bench.sh [OPTION]...

  --kernel 7|6.12    kernel to measure on (default 7)
  --backend tdx|sim  backend to measure with (default sim)
  --count N          samples of each series (default 200, in a profile 50)
  --profile          say where the instructions go instead: writes
                     build/profile-*.txt
  --help             this text
USAGE
}

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
cd "$top"
kernel=7
backend=sim
count=
profile=no
guest=build/bench-guest
out=build/bench
plugin=build/profile/profile.so

parse() {
	while test $# -gt 0; do
		case $1 in
		--kernel) kernel=$2; shift 2 ;;
		--backend) backend=$2; shift 2 ;;
		--count) count=$2; shift 2 ;;
		--profile) profile=yes; shift ;;
		--help | -h) usage; exit 0 ;;
		*) usage >&2; exit 2 ;;
		esac
	done
}

# machine [OPTION]...: one boot, in which everything is measured.
machine() {
	rm -rf "$out"
	mkdir -p "$out"
	scripts/td run --unloaded --icount --kernel "$kernel" \
		--backend "$backend" --copy "$guest" --out "$out" \
		--timeout 900 "$@" -- env "BENCH_COUNT=$count" \
		"BENCH_PROFILE=$profile" bash /copy/guest.sh
}

report() {
	tools/profile/report.py --profile "$out/profile.txt" --guest "$out" \
		--count "$count" "$@"
}

profiles() {
	local program
	for program in static dynamic; do
		report "base1.exec.$program" >"build/profile-$program-base.txt"
		report "every.exec.$program" >"build/profile-$program-every.txt"
		report "base1.exec.$program" "every.exec.$program" \
			>"build/profile-$program-diff.txt"
		report --under dstack_vet "every.exec.$program" \
			>"build/profile-$program-vet.txt"
		grep -q ' first.exec' "$out/phases" || continue
		report "first.exec.$program" >"build/profile-$program-first.txt"
		report "base1.exec.$program" "first.exec.$program" \
			>"build/profile-$program-first-diff.txt"
		report --under dstack_vet "first.exec.$program" \
			>"build/profile-$program-first-vet.txt"
	done
	report base1.map every.map >build/profile-map-diff.txt
	report every.extend >build/profile-extend.txt
	ls build/profile-*.txt
}

main() {
	parse "$@"
	test -n "$count" || count=$(test "$profile" = yes && echo 50 || echo 200)
	if test "$profile" = yes; then
		machine --plugin "$top/$plugin,out=$top/$out.profile"
		mv "$out.profile" "$out/profile.txt"
		profiles
	else
		machine
	fi
}

main "$@"
