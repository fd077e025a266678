#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) The dstack for Linux authors
#
# check-guest.sh BUILD KERNEL...: boots kernels as TDX guests and checks, from
# inside and outside, what they and the plugin do. Prints KTAP.
set -uo pipefail

build=$1
shift
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
pki=$build/pki
run=$build/test/run
# shellcheck source-path=SCRIPTDIR source=ktap.sh
. "$here/ktap.sh"

show_console() {
	tr -d '\r' <"$run/console" | tail -n 40 | sed 's/^/# /'
}

# boot KERNEL SCENARIO PLUGIN-ARGUMENTS: and repeat the guest's results
boot() {
	local kernel=$1 scenario=$2 args=$3 before=$failed line status=0
	prefix=${scenario}_$(basename "$kernel" | tr . _)
	"$here/boot.sh" "$build" "$kernel" "$scenario" "$args" || status=$?
	while read -r line; do
		case $line in
		"ok "*) result ok "${prefix}_${line#ok }" ;;
		"not ok "*) result "not ok" "${prefix}_${line#not ok }" ;;
		"skip "*) result skip "${prefix}_${line#skip }" ;;
		esac
	done < <(tr -d '\r' <"$run/result")
	claim "${prefix}_guest_ends_by_itself" guest_ended "$status"
	test "$failed" = "$before" || show_console
}

guest_ended() {
	test "$1" = 0 && grep -q '^end' "$run/result"
}

value() {
	tr -d '\r' <"$run/result" | sed -n "s/^value $1 //p"
}

# good_quote NAME: fetches it and checks it; its fields are in $run/NAME.txt
good_quote() {
	tr -d '\r' <"$run/result" | sed -n "s/^quote $1 //p" | base64 -d \
		>"$run/$1.bin" &&
		"$build/test/check-quote" "$pki" "$run/$1.bin" \
			>"$run/$1.txt" 2>"$run/$1.err"
}

bad_quote() {
	! good_quote "$1" && grep -q "$2" "$run/$1.err"
}

field() {
	sed -n "s/^$2=//p" "$run/$1.txt"
}

# What RTMR3 holds after COUNT extends with the start of the report data.
replay() {
	perl -MDigest::SHA=sha384,sha384_hex -e '
		my ($count, $path) = @ARGV;
		open(my $in, "<:raw", $path) or die;
		read($in, my $data, 48);
		my $rtmr = "\0" x 48;
		$rtmr = sha384($rtmr . $data) for 1 .. $count;
		print unpack("H*", $rtmr);' "$1" "$build/test/report-data"
}

report_data() {
	od -An -v -tx1 "$build/test/report-data" | tr -d ' \n'
}

check_plain() {
	local name extends
	boot "$1" plain "pki=$pki"
	for name in plain second reload; do
		claim "${prefix}_${name}_quote_verifies" good_quote $name
	done
	claim "${prefix}_quote_carries_the_report_data" \
		same "$(field plain report_data)" "$(report_data)"
	extends=1
	test -n "$(value rtmr3)" || extends=0
	claim "${prefix}_quote_carries_the_extended_register" \
		same "$(field plain rtmr3)" "$(replay $extends)"
	test "$extends" = 1 || return
	claim "${prefix}_sysfs_shows_the_extended_register" \
		same "$(value rtmr3)" "$(replay 1)"
	claim "${prefix}_sysfs_and_quote_name_the_same_mrtd" \
		same "$(value mrtd)" "$(field plain mrtd)"
}

# Counts are relative to one another: see the order of requests in guest-init
# and of checks in service.c.
check_faults() {
	local faults=report-busy=1@1,report-invalid=1@1
	faults+=,extend-busy=1@1,extend-invalid=1@1
	faults+=,quote-down=1@1,quote-error=1@1,quote-foreign=1@1
	faults+=,quote-corrupt=1@2,quote-huge=1@3,quote-stuck=1@5
	boot "$1" faults "pki=$pki,$faults"
	claim "${prefix}_quote_before_faults_verifies" good_quote before
	claim "${prefix}_foreign_quote_verifies" good_quote foreign
	claim "${prefix}_foreign_quote_names_another_mrtd" \
		differ "$(field foreign mrtd)" "$(field before mrtd)"
	claim "${prefix}_foreign_quote_has_our_report_data" \
		same "$(field foreign report_data)" "$(report_data)"
	claim "${prefix}_corrupt_quote_does_not_verify" \
		bad_quote corrupt "quote's signature is wrong"
	claim "${prefix}_refused_extends_leave_the_register_alone" \
		same "$(value rtmr3)" "$(replay 2)"
}

check_late() {
	boot "$1" late "pki=$pki,quote-late=3000"
	claim "${prefix}_late_quote_verifies" good_quote late
}

check_measured() {
	local mrtd
	mrtd=$(printf '%096d' 7)
	"$here/boot.sh" "$build" "$1" plain \
		"pki=$pki,mrtd=$mrtd,kernel=$1/vmlinuz"
	claim measured_boot_quote_verifies good_quote plain
	claim mrtd_argument_is_in_the_quote same "$(field plain mrtd)" "$mrtd"
	claim kernel_argument_is_measured_into_rtmr1 same \
		"$(field plain rtmr1)" "$(measured "$1/vmlinuz")"
}

measured() {
	perl -MDigest::SHA=sha384_hex -e '
		my $digest = Digest::SHA->new(384)->addfile($ARGV[0], "b");
		print sha384_hex("\0" x 48 . $digest->digest);' "$1"
}

# A kernel that finds its TD configured wrongly stops, and says why.
stops_with() {
	local message=$1
	shift
	! "$here/boot.sh" "$build" "$@" && grep -q "$message" "$run/console"
}

check_refusals() {
	claim unsafe_attributes_stop_the_guest stops_with \
		'guest reports a fatal error' "$1" plain attributes=0
	claim unknown_argument_stops_qemu stops_with \
		"unknown argument 'frob=1'" "$1" plain frob=1
	claim missing_pki_stops_qemu stops_with \
		'make it with mkpki' "$1" plain "pki=$build/test/nowhere"
}

echo "KTAP version 1"
kernels=()
for kernel in "$@"; do
	if test -f "$kernel/vmlinuz"; then
		kernels+=("$kernel")
	else
		result skip "no kernel in $kernel"
	fi
done
for kernel in "${kernels[@]}"; do
	check_plain "$kernel"
done
# The rest needs registers in sysfs, so the newest kernel: the first.
if test "${#kernels[@]}" -gt 0; then
	check_faults "${kernels[0]}"
	check_late "${kernels[0]}"
	check_measured "${kernels[0]}"
	check_refusals "${kernels[0]}"
fi
summary guest
