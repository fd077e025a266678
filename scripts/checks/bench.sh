# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
#
# What the module costs, held against the bars, and whether the bars can be
# missed at all.  Part of scripts/run-tests.sh, which sets this:
: "${top:?}"

# left_by_machine DIRECTORY EVERY: what a machine leaves in which a program
# starts for 100,000 instructions without the module, and for EVERY with it;
# whose first exec takes 3 for each byte where the hash takes 2.
left_by_machine() {
	local phase program size
	mkdir -p "$1"
	echo "first the policy is refused: it says so" >"$1/reasons"
	{
		echo calibrate 2000 2000
		for phase in base1 base2 every; do
			for program in static dynamic musl; do
				echo "$phase.exec.$program" \
					"$(test "$phase" = every && echo "$2" ||
						echo 100000) 900000"
			done
		done
		for size in 32 1024; do
			echo "base1.cold.$size 100000"
			echo "every.cold.$size $((130000 + size * 1024 * 3))"
			echo "every.hash.$size $((5000 + size * 1024 * 2))"
			echo "every.content.$size $((5000 + size * 1024 * 2))"
		done
	} >"$1/samples"
}

# figure FILTER WANTED EVERY: what the report makes of it.
figure() {
	local dir=build/check/bench-sample found
	rm -rf "$dir"
	left_by_machine "$dir" "$3"
	tools/bench/report.py --json "$dir/json" "$dir" >"$dir/table" &&
		return 1
	found=$(jq -c "$1" "$dir/json")
	test "$found" = "$2" || {
		echo "'$found' instead of '$2'"
		return 1
	}
}

# Instructions, which a busy machine does not change; see scripts/bench.sh.
bench_test() {
	local every='.bars[] | select(.figure == "warm_every_pct") | .met'
	staged module tdx-module stage
	make -s bench-tools >&2
	ktap_start
	claim bench_meets_a_bar figure "$every" true 102900
	claim bench_misses_a_bar figure "$every" false 103100
	claim bench_misses_what_was_not_measured figure \
		'.bars[] | select(.figure == "warm_first_pct") |
			[.met, .reason]' \
		'[false,"the policy is refused: it says so"]' 100000
	claim bench_tells_the_hash_from_the_rest figure \
		'[.hash_instructions_per_byte, .cold_over_hash_instructions] |
			map(round)' '[2,1073576]' 100000
	ktap_finish
	scripts/bench.sh --quick --ktap --backend tdx
}
