#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
#
# Files with fs-verity are known by their fs-verity digest, and never read.
# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

begin verity
good=$work/good bad=$work/bad later=$work/later long=$work/long
for file in "$good" "$bad" "$later" "$long"; do
	variant "$file"
done
sha256_of_good=$(sha256 "$good")
fsverity enable "$good" || die "can't enable fs-verity"
fsverity enable "$bad"
fsverity enable --hash-alg=sha512 "$long"
verity_of_good=$(fsverity measure "$good")
verity_of_good=${verity_of_good%% *}
# The descriptor of good as a file: its SHA-256 is the fs-verity digest of good.
fsverity dump_metadata descriptor "$good" >"$work/descriptor"

policy "$good" "$long" --fsverity "$later"
names=$(jq -r '.containers.test.allow[].digest' "$work/policy.json")
container
state enforce

hashed() {
	dstackctl status --json | jq .cache_misses
}

#
# By its fs-verity digest
#

before=$(hashed)
mark
approved=$(run "$good")
unapproved=$(run "$bad")
after=$(hashed)
events=$(events)
claim scan_lists_the_digest_that_a_file_has has "$names" \
	"^fsverity-$verity_of_good\$" 1
claim approved_program_with_fsverity_runs is "$approved" hello
claim its_record_has_the_digest_that_fsverity_measures has "$events" \
	"dstack.exec id=$id digest=fsverity-$verity_of_good reason=approved" 1
claim unapproved_program_with_fsverity_denied is "$unapproved" EACCES
claim its_denial_has_its_fsverity_digest has "$events" \
	"dstack.deny id=$id kind=exec digest=fsverity-sha256:[0-9a-f]{64} reason=unknown-digest" 1
claim files_with_fsverity_are_not_hashed is "$((after - before))" 0

lower=$work/lower
mkdir "$lower" "$work/upper" "$work/wdir"
cp "$bad" "$lower/program"
cp "$good" "$lower/good"
fsverity enable "$lower/good"
fs overlay "$work/overlay" -o \
	"lowerdir=$lower,upperdir=$work/upper,workdir=$work/wdir"
mark
over=$(run "$work/overlay/good")
claim approved_program_with_fsverity_below_overlayfs_runs is "$over" hello
claim its_record_has_the_fsverity_digest_of_the_lower_file has "$(events)" \
	"dstack.exec id=$id digest=fsverity-$verity_of_good reason=approved .*path=overlay/good\$" 1

#
# What an image builder enables after the scan
#

before=$(run "$later")
fsverity enable "$later"
claim file_scanned_with_fsverity_runs_without_it is "$before" hello
claim file_scanned_with_fsverity_runs_with_it is "$(run "$later")" hello

#
# Of another algorithm than SHA-256 there is no digest: the content counts
#

mark
of_sha512=$(run "$long")
claim file_with_fsverity_of_sha512_runs_by_its_content is "$of_sha512" hello
claim its_record_has_the_sha256_of_the_content has "$(events)" \
	"dstack.exec id=$id digest=sha256:$(sha256 "$long") reason=approved" 1

#
# The two kinds of digest are never taken for each other
#

reason() {
	dstackctl why --container "$id" --kind exec --json "$1" |
		jq -r '"\(.digest) \(.reason)"'
}

claim attack_75_descriptor_as_content_is_not_the_file_that_it_describes \
	is "$(reason "$work/descriptor")" \
	"$verity_of_good unknown-digest"
policy -j 'map(select(.digest | startswith("sha256:")))' "$good"
claim sha256_of_the_content_does_not_name_a_file_with_fsverity \
	is "$(jq -r '.containers.test.allow[].digest' "$work/policy.json") $(run "$good")" \
	"sha256:$sha256_of_good EACCES"

finish
