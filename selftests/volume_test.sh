#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
#
# An encrypted volume whose key goes from the module to dm-crypt and nowhere
# else, and headers that somebody tampered with.
set -u
# shellcheck source=selftests/mapper.sh
. "$(dirname "$0")/mapper.sh"

begin volume
mapper_begin
modprobe dm-crypt 2>/dev/null
# shellcheck source=selftests/keys.sh
. "$tests/keys.sh"

mapping=$id-volume
header=16384	# bytes of one
csum=448	# where its checksum is

disk=$work/disk.img
truncate -s 48M "$disk"
loop=$(losetup --find --show "$disk") || die "no loop device"

volume_end() {
	test ! -e "/dev/mapper/$mapping" || dmsetup remove "$mapping"
	losetup -d "$loop"
	mapper_end
	dstackctl key revoke --all >/dev/null
	end
}
trap volume_end EXIT

host_keys '[{path: "volume", kinds: ["bytes"], scope: ["app"],
	delivery: ["logon", "bytes"]}]'
load_root

# The key is bytes once, when the disk is made, and the log says so.
dstackctl key get --deliver bytes --scope app --kind bytes --length 64 \
	--output "$work/vk" volume || die "no key to format with"
echo passphrase | cryptsetup luksFormat -q --type luks2 \
	--cipher aes-xts-plain64 --key-size 512 --pbkdf pbkdf2 \
	--pbkdf-force-iterations 1000 --volume-key-file "$work/vk" \
	--key-file - "$loop" || die "can't format"
dd if="$loop" of="$work/header" bs="$header" count=1 status=none

open_volume() {
	dstackctl volume open "$loop" "$mapping" 2>&1
}

close_volume() {
	dmsetup remove "$mapping"
}

open_is_dm_crypt_with_a_logon_key() {
	open_volume && [[ $(dmsetup table --showkeys "$mapping") == \
		*' crypt aes-xts-plain64 :64:logon:dstack:volume 0 '* ]]
}

# The tool's own user has the same data with the passphrase.
data_is_what_cryptsetup_reads() {
	local plain
	mkfs.ext4 -q "/dev/mapper/$mapping" &&
		mkdir -p "$work/mnt" &&
		mount "/dev/mapper/$mapping" "$work/mnt" &&
		echo 'written through dm-crypt' >"$work/mnt/file" &&
		umount "$work/mnt" && close_volume || return
	echo passphrase | cryptsetup open --key-file - "$loop" "$mapping" &&
		mount "/dev/mapper/$mapping" "$work/mnt" || return
	plain=$(<"$work/mnt/file")
	umount "$work/mnt"
	cryptsetup close "$mapping"
	is "$plain" 'written through dm-crypt'
}

data_on_disk_is_not_in_the_clear() {
	sync
	! grep -q 'written through dm-crypt' "$disk"
}

opens_again() {
	open_volume && mount "/dev/mapper/$mapping" "$work/mnt" &&
		grep -q 'written through dm-crypt' "$work/mnt/file" &&
		umount "$work/mnt" && close_volume
}

key_is_in_no_keyring_afterwards() {
	! grep -q 'dstack:volume' /proc/keys
}

# forge FILTER: the header's JSON through jq, with a checksum that is right.
forge() {
	local digest i
	head -c 4096 "$work/header" >"$work/forged"
	tail -c +4097 "$work/header" | tr -d '\0' | jq -cj "$1" \
		>>"$work/forged" || return
	truncate -s "$header" "$work/forged"
	head -c 64 /dev/zero |
		dd of="$work/forged" bs=1 seek="$csum" conv=notrunc status=none
	digest=$(sha256 "$work/forged")
	for ((i = 0; i < ${#digest}; i += 2)); do
		printf '%b' "\\x${digest:i:2}"
	done |
		dd of="$work/forged" bs=1 seek="$csum" conv=notrunc status=none
	dd if="$work/forged" of="$loop" conv=notrunc status=none
	sync
}

restore() {
	dd if="$work/header" of="$loop" conv=notrunc status=none
	sync
}

forged_without_a_change_opens() {
	forge . && open_volume && close_volume
}

# refused REASON FILTER
refused() {
	local text
	forge "$2" || return
	if text=$(open_volume); then
		close_volume
		echo "opened"
		return 1
	fi
	restore
	echo "$text"
	[[ $text == *"$1"* ]]
}

wrong_checksum_is_refused() {
	local text
	printf X | dd of="$loop" bs=1 seek=4200 conv=notrunc status=none
	text=$(open_volume)
	restore
	[[ $text == *checksum* ]]
}

# What is checked is what is used: a disk that changes all the time is opened
# as it should be, or not at all.
swapped_header_is_never_used() {
	local swapper good=0 i
	forge '.segments["0"].encryption = "cipher_null-ecb"'
	(while :; do
		dd if="$work/header" of="$loop" conv=notrunc status=none
		dd if="$work/forged" of="$loop" conv=notrunc status=none
	done) &
	swapper=$!
	for i in {1..40}; do
		open_volume >/dev/null || continue
		good=$((good + 1))
		[[ $(dmsetup table "$mapping") == *' crypt aes-xts-plain64 '* ]] ||
			good=-1000
		close_volume
	done
	kill "$swapper"
	wait "$swapper" 2>/dev/null
	restore
	echo "opened $good times of $i"
	test "$good" -ge 0
}

without_approval_there_is_no_volume() {
	host_keys '[]'
	! open_volume
}

claim volume_opens_with_a_key_that_nobody_sees open_is_dm_crypt_with_a_logon_key
claim volume_is_the_one_that_cryptsetup_formatted data_is_what_cryptsetup_reads
claim volume_is_not_in_the_clear data_on_disk_is_not_in_the_clear
claim volume_opens_again opens_again
claim volume_leaves_no_key_behind key_is_in_no_keyring_afterwards
claim volume_with_a_rewritten_header_opens forged_without_a_change_opens
claim attack_66_null_cipher_refused refused 'cipher is not' \
	'.segments["0"].encryption = "cipher_null-ecb"'
claim attack_66_few_rounds_refused refused 'too few rounds' \
	'.keyslots["0"].kdf.iterations = 999'
claim attack_66_other_kdf_refused refused 'not derived with PBKDF2' \
	'.keyslots["0"].kdf = {type: "argon2i", time: 1, memory: 8, cpus: 1, salt: ""}'
claim attack_66_weak_hash_refused refused 'not derived with PBKDF2' \
	'.keyslots["0"].kdf.hash = "sha1"'
claim attack_66_extra_keyslot_refused refused 'not one keyslot' \
	'.keyslots["1"] = .keyslots["0"]'
claim attack_66_keyslot_of_null_cipher_refused refused 'keyslot is not encrypted' \
	'.keyslots["0"].area.encryption = "cipher_null-ecb"'
claim attack_66_reencryption_refused refused 'flags or requirements' \
	'.config.requirements = {mandatory: ["online-reencrypt-v2"]}'
claim attack_66_extra_segment_refused refused 'not one segment' \
	'.segments["1"] = .segments["0"]'
claim attack_66_plain_segment_refused refused 'not one segment' \
	'.segments["0"].type = "linear"'
claim attack_66_other_offset_refused refused 'begins nowhere' \
	'.segments["0"].offset = "4096"'
claim attack_66_token_refused refused 'tokens' \
	'.tokens["0"] = {type: "luks2-keyring", keyslots: ["0"], key_description: "x"}'
claim attack_66_extra_digest_refused refused 'not one digest' \
	'.digests["1"] = .digests["0"]'
claim attack_66_unknown_member_refused refused 'other members' '.more = {}'
claim attack_66_wrong_checksum_refused wrong_checksum_is_refused
claim attack_66_header_swapped_while_it_is_opened swapped_header_is_never_used
claim volume_needs_the_policys_approval without_approval_there_is_no_volume
finish
