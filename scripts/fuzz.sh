#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
#
# Hostile inputs for every parser: `make fuzz`.  Runs in the lab.
set -euo pipefail

usage() {
	cat <<'USAGE'
Usage: scripts/fuzz.sh [--ktap] [NAME]...

Runs libFuzzer's targets of userspace/fuzz/, or those named, one after the other,
under AddressSanitizer and UBSan.  What they have found interesting stays in
build/fuzz/NAME, and what has broken something is build/fuzz/NAME-*.

  --ktap        print test results; begin from the seeds alone
  FUZZ_SECONDS  for each (default 60)
USAGE
}

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
cd "$top"
# shellcheck source=scripts/ktap.sh
. scripts/ktap.sh
ktap=no
seconds=${FUZZ_SECONDS:-60}
built=build/userspace/fuzz
names=()

all_names() {
	local file
	for file in userspace/fuzz/*_fuzz.c; do
		basename "$file" _fuzz.c
	done
}

# fuzz NAME: says what libFuzzer says only if something broke.
fuzz() {
	local corpus=build/fuzz/$1 said=build/fuzz/$1.log
	test "$ktap" = no || rm -rf "$corpus"
	mkdir -p "$corpus"
	FUZZ_SEEDS=$corpus "$built/$1" || return
	if ! "$built/$1" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 \
			-max_len=65536 -print_final_stats=1 \
			-artifact_prefix="build/fuzz/$1-" "$corpus" \
			>"$said" 2>&1; then
		tail -n 60 "$said"
		return 1
	fi
	grep -q '^stat::number_of_executed_units: [1-9]' "$said"
}

main() {
	local name
	for name; do
		case $name in
		--ktap) ktap=yes ;;
		--help | -h) usage; exit 0 ;;
		-*) usage; exit 2 ;;
		*) names+=("$name") ;;
		esac
	done
	test "${#names[@]}" != 0 || mapfile -t names < <(all_names)
	ktap_start
	for name in "${names[@]}"; do
		claim "${name}_parser_withstands_hostile_input" fuzz "$name"
		sed -n "s/^stat::number_of_executed_units: /# inputs: /p" \
			"build/fuzz/$name.log"
	done
	ktap_finish
}

main "$@"
