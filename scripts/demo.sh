#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
#
# The main job on real input, on one page: scan a container image, boot a
# confidential VM, run the container under the policy, take a quote, verify it
# out here. `make demo` builds first and runs this in the lab.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
cache=${DSTACK_CACHE:?run this through \'make demo\'}
work=build/demo
pki=build/tdx-module/pki
dstackctl=build/userspace/dstackctl
app=5ca1ab1e00000000000000000000000000000001

# shellcheck source=scripts/demo/page.sh
. scripts/demo/page.sh

# The container's root: Debian's essential packages, as any image has them.
make_image() {
	local key dir
	key=$(cat scripts/demo.sh /lab/packages | sha256sum | cut -c1-16)
	dir=$cache/demo-$key
	if ! test -d "$dir"; then
		rm -rf "$cache"/demo-*
		mmdebstrap --quiet --variant=essential --mode=root \
			--format=directory --dpkgopt=force-unsafe-io \
			--dpkgopt='path-exclude=/usr/share/man/*' \
			--dpkgopt='path-exclude=/usr/share/doc/*' \
			--dpkgopt='path-exclude=/usr/share/locale/*' \
			trixie "$dir.new" /etc/apt/sources.list >&2
		mv "$dir.new" "$dir"
	fi
	echo "$dir"
}

# The input of the machine: image, policy, what to do.
prepare() {
	local image=$1
	rm -rf "$work"
	mkdir -p "$work/in" "$work/out"
	cp -a "$image" "$work/in/rootfs"
	"$dstackctl" policy scan --name web --app-id "$app" --epoch 1 \
		--output "$work/in/policy.json" "$image"
	cp scripts/demo/guest.sh scripts/demo/page.sh "$work/in/"
}

verify() {
	"$dstackctl" verify quote "$work/out/quote.bin" --log "$1" \
		--root "$pki/root.pem" --report-data "$(cat "$work/out/nonce")"
}

# refused WHAT LOG: verification must fail, and say why
refused() {
	local output
	if output=$(verify "$2" 2>&1); then
		die "a log with one event $1 was accepted"
	fi
	say "one event $1: refused"
	show grep -m 2 -E '^FAIL|^dstackctl:' <<<"$output"
}

tamper() {
	local log=$work/out/log.jsonl line
	line=$(grep -n '"dstack.deny"' "$log" | head -n 1 | cut -d: -f1)
	test -n "$line" || die "the log has no denial to tamper with"

	# A denial of another file: one payload byte, in hex.
	sed "${line}s/\(\"event_payload\":\"76\)3d/\13c/" "$log" \
		>"$work/changed.jsonl"
	sed "${line}d" "$log" >"$work/dropped.jsonl"
	sed -n "$((line - 1)){h;n;G};p" "$log" >"$work/reordered.jsonl"
	refused changed "$work/changed.jsonl"
	refused dropped "$work/dropped.jsonl"
	refused reordered "$work/reordered.jsonl"
}

main() {
	local start=$SECONDS image
	image=$(make_image)

	title "Outside: a policy is scanned from the container's image"
	prepare "$image"
	show "$dstackctl" policy show "$work/in/policy.json"

	title "A confidential VM boots (kernel 7.x, TDX)"
	scripts/td run --copy "$work/in" --out "$work/out" -- \
		sh /copy/guest.sh || die "the machine's part failed"

	title "Outside: anyone can check what ran"
	say "dstackctl verify quote quote.bin --log log.jsonl --root root.pem"
	verify "$work/out/log.jsonl" >"$work/verdict" ||
		{ cat "$work/verdict"; die "the quote was refused"; }
	show grep -vE '^ +(MRTD|RTMR[012]|report data)' "$work/verdict"

	title "Outside: a log that was tampered with"
	tamper

	title "Done in $((SECONDS - start)) s; quote and log are in build/demo/out"
}

main
