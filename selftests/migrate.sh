#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
#
# One stage of a migration: "migrate.sh" alone seals a text to /out, "migrate.sh
# open" opens what the machine before left in /copy, and seals it again.  The
# machines have nothing in common but the application's root key.
set -u
# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

begin migrate
# shellcheck source=selftests/keys.sh
. "$tests/keys.sh"
program=$tests/prog_seal
image=$(printf '%064d' 7)

# load_key BYTE EPOCH
load_key() {
	head -c 32 /dev/zero | tr '\0' "$1" |
		dstackctl key load --app-id "$app_id" --epoch "$2" --file -
}

# register CGROUP IMAGE: a container of its own.
register() {
	mkdir -p "$1"
	dstackctl container add --cgroup "$1" --id "${1##*/}" --section test \
		--app-id "$app_id" --image "$2" || die "no container"
}

other=$cgroup_root/$id-other
forget_other() {
	empty "$other"
	dstackctl container remove "${other##*/}" 2>/dev/null
	rmdir "$other"
	end
}
trap forget_other EXIT

policy -t '.keys = [{path: "", kinds: ["aead"], delivery: ["handle"]}]' \
	"$program"
load_key r 7 || die "no root key"
register "$cgroup" "$image"
register "$other" "$(printf '%064d' 8)"

opens() {
	is "$(inside "$cgroup" "$program" open state </copy/blob)" \
		"sealed before"
}

# refused CHECK CGROUP BLOB: by that check, as the ABI numbers them.
refused() {
	local status
	inside "$2" "$program" open state <"$3" >"$work/text" 2>&1
	status=$?
	is "$status" "$1"
}

flipped() {
	cp /copy/blob "$work/flipped"
	printf '\377' |
		dd of="$work/flipped" bs=1 seek=190 conv=notrunc status=none
	refused 7 "$cgroup" "$work/flipped"
}

seals() {
	echo "sealed before" | inside "$cgroup" "$program" seal state >/out/blob
}

retired() {
	load_key s 8 && dstackctl key revoke --app-id "$app_id" --epoch 7 &&
		refused 5 "$cgroup" /copy/blob
}

if test "${1-}" = open; then
	claim blob_opens_in_another_machine opens
	claim blob_of_another_machine_is_refused_to_another_image \
		refused 3 "$other" /copy/blob
	claim blob_that_was_changed_on_the_way_is_refused flipped
fi
claim blob_is_sealed_for_the_next_machine seals
test "${1-}" != open ||
	claim blob_of_another_machine_is_refused_once_its_epoch_is_retired \
		retired
finish
