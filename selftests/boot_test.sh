#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
#
# dstack-boot: an application is measured as upstream does it, each event once
# however often the boot is ended and started again; what a hostile host shares
# is refused before anything is measured.
set -u
# shellcheck source=selftests/mapper.sh
. "$(dirname "$0")/mapper.sh"
# shellcheck source=selftests/daemon.sh
. "$(dirname "$0")/daemon.sh"

begin boot
mapper_begin
host=$work/host
dir=$work/app
disk=
mkdir "$host"
modprobe dm-crypt 2>/dev/null
truncate -s 64M "$work/disk.img"

boot_end() {
	umount "$work/data" 2>/dev/null
	dmsetup remove dstack-data 2>/dev/null
	test -z "$disk" || losetup -d "$disk"
	umount "$dir" 2>/dev/null
	dstackctl key revoke --all >/dev/null
	end
}
trap boot_end EXIT
disk=$(losetup --find --show "$work/disk.img") || die "no loop device"
settle
if grep -q '"event":"system-preparing"' "$log"; then
	echo "1..0 # SKIP this machine has booted an application already"
	exit
fi

# boot [OPTION]...: what it says, says looks at.
boot() {
	dstack-boot --host "$host" --dir "$dir" --data-device "$disk" \
		--mount "$work/data" --time-scale "$((TIME_SCALE * 2))" "$@" \
		>"$work/said" 2>&1
}

# says PATTERN
says() {
	has "$(<"$work/said")" "$1"
}

# compose [FILTER]: what the host shares of the application.
compose() {
	jq -n --argjson epoch "$((epoch + 1))" '{manifest_version: "3",
		name: "test", runner: "bash", key_provider: "none",
		secure_time: false, public_logs: true,
		allowed_envs: ["A"], init_script: $ARGS.positional,
		dstack: {state: "enforce", policy: {version: 1, epoch: $epoch,
			containers: {web: {allow: []}}}}} |
		'"${1:-.}" --args "${scripts[@]}" >"$host/app-compose.json"
}
# They can be run twice, and say that they were run.
scripts=('echo one; echo one >>ran; test ! -e fails' 'pwd; echo two >>ran')

instance() {
	jq -n --arg id "$app_id" --arg seed "$(printf '%040d' 7)" \
		'{app_id: $id, instance_id_seed: $seed, instance_id: ""}' \
		>"$host/.instance_info"
}

# own: names and payloads of the boot's events, a line each.
own() {
	settle
	tail -n "+$((marked + 1))" "$log" |
		jq -r '"\(.event)=\(.event_payload)"' | grep -v '^dstack[.-]'
}

# refuses PATTERN [OPTION]...: nothing of it is measured.
refuses() {
	local before after
	before=$(wc -l <"$log")
	boot "${@:2}" && return 1
	settle
	after=$(wc -l <"$log")
	says "$1" && is "$after" "$before"
}

mark

#
# What a host may share instead (attack 83)
#

claim nothing_is_refused refuses 'files: there is no app-compose.json'
compose
instance
for name in app-compose.json .sys-config.json .encrypted-env .user-config \
	.instance_info; do
	rm -rf "$work/aside"
	test ! -e "$host/$name" || mv "$host/$name" "$work/aside"
	ln -s /etc/passwd "$host/$name"
	claim "attack_83_link_$name" refuses "$name: a symbolic link"
	rm "$host/$name"
	mkfifo "$host/$name"
	claim "attack_83_pipe_$name" refuses "$name: a pipe"
	rm "$host/$name"
	mknod "$host/$name" c 1 5
	claim "attack_83_device_$name" refuses "$name: a device"
	rm "$host/$name"
	truncate -s 100M "$host/$name"
	claim "attack_83_huge_$name" refuses "$name: larger than"
	rm "$host/$name"
	test ! -e "$work/aside" || mv "$work/aside" "$host/$name"
done
compose
printf '{"name":"\377"}' >"$host/app-compose.json"
claim attack_83_text_that_is_none refuses 'app-compose.json: not JSON'
compose
printf '\0' >>"$host/app-compose.json"
claim attack_83_nul refuses 'app-compose.json: not JSON'
compose
sed -i 's/"name"/"name":"x","name"/' "$host/app-compose.json"
claim attack_83_field_that_is_there_twice refuses 'name: occurs twice'

#
# What the application wants and the machine is not
#

compose '.requirements = {os_version: ">=0.5"}'
claim unknown_os_is_refused refuses 'requirements.os_version'
compose '.dstack.policy = {sha256: ("0" * 64)}'
claim absent_policy_is_refused refuses 'there is no policy.json'
echo '{}' >"$host/policy.json"
claim policy_of_another_hash_is_refused refuses 'policy.json: not the one'
compose ".requirements = {platforms: []} |
	.dstack.policy = {sha256: \"$(sha256 "$host/policy.json")\"}"
claim policy_of_this_hash_is_taken refuses 'requirements.platforms'
compose '.requirements = {platforms: []}'
claim no_platform_is_refused refuses 'requirements.platforms'
compose '.event_log_version = 2'
claim other_event_log_is_refused refuses 'event_log_version'
compose '.requirements = {launch_token_hash: ("0" * 64)}'
claim missing_token_is_refused refuses 'requirements.launch_token_hash'
jq -n '{dstack: {launch_token: ("x" * 32)}}' >"$host/.user-config"
claim wrong_token_is_refused refuses 'launch_token: is not the one'
claim messages_name_the_step says '^dstack-boot: requirements: '

#
# Once, whatever happens
#

token=$(printf 'dstack-launch-token/v1:%032d' 5)
jq -n --arg token "${token#*:}" '{dstack: {launch_token: $token}}' \
	>"$host/.user-config"
compose ".requirements = {launch_token_hash: \"$(printf %s "$token" |
	sha256sum | cut -d' ' -f1)\"}"
hash=$(sha256 "$host/app-compose.json")
empty=$(printf '{}' | sha256sum | cut -d' ' -f1)
seed=$(printf '%040d' 7)

claim boot_ends_where_it_is_told boot --until application
claim directory_is_in_memory is "$(stat -f -c %T "$dir")" tmpfs
claim directory_is_nobody_elses is "$(stat -c %a "$dir")" 700
first=$(own)
instance_id=$(jq -r .instance_id "$dir/.instance_info")
claim another_seed_than_the_hosts_without_a_key_provider \
	test "$(jq -r .instance_id_seed "$dir/.instance_info")" != "$seed"
claim events_are_upstreams_in_upstreams_order is "$first" "system-preparing=
app-id=$app_id
compose-hash=$hash
init-script-hash=$(printf %s "${scripts[0]}" | sha256sum | cut -d' ' -f1)
init-script-hash=$(printf %s "${scripts[1]}" | sha256sum | cut -d' ' -f1)
gpu-policy-hash=$empty
instance-id=$instance_id
boot-mr-done="
boot --until application
claim nothing_is_measured_twice is "$(own)" "$first"
claim it_says_so says 'compose-hash: was measured before'
cp "$host/app-compose.json" "$work/good.json"
jq '.name = "other"' "$work/good.json" >"$host/app-compose.json"
claim another_application_is_refused refuses \
	"measured 'compose-hash' \($hash\) where 'compose-hash' "
cp "$work/good.json" "$host/app-compose.json"
(
	# The lock is that of flock alone, and goes with it.
	flock -o "$dir" sleep 5 &
	nap
	boot --until directory
	kill $!
	wait
	says 'another dstack-boot is at work'
)
claim only_one_boots_at_a_time is $? 0

# A clock that jumps is nobody's but that of certificates.
clock 1980-01-02
claim clock_that_jumps_back_changes_nothing boot --until store
clock 2090-01-02
claim clock_that_jumps_ahead_changes_nothing boot --until store
claim nothing_more_was_measured is "$(own)" "$first"
clock

# Wherever it is: between steps, and in them.
touch "$work/fails"
for n in {1..18}; do
	dstack-boot --host "$host" --dir "$dir" --data-device "$disk" \
		--mount "$work/data" >/dev/null 2>&1 &
	read -r -t "$(printf '0.%03d' $((n * 25)))" -u "$never"
	kill -9 $! 2>/dev/null
	wait $! 2>/dev/null
done
boot
claim script_that_fails_ends_the_boot is $? 1
claim it_is_told_how says 'init_script 1 ended with status 1: no container'
claim it_is_heard says '^dstack-boot: scripts: init_script 1: one$'
claim no_other_is_run_then has_not "$(<"$work/ran")" two
rm "$work/fails"
claim boot_goes_on_where_it_was_killed boot
claim application_is_booted says 'scripts: the application.s init scripts have run'
claim scripts_begin_beside_the_directory says "init_script 2: $work\$"
last="$first
key-provider=$(printf '{"name":"none","id":""}' | od -An -tx1 | tr -d ' \n')
storage-fs=$(printf ext4 | od -An -tx1 | tr -d ' \n')
system-ready="
claim kills_leave_each_event_once is "$(own)" "$last"
keys=$(sha256 "$dir/.appkeys.json")
claim policy_is_loaded has "$(dstackctl status)" "epoch +$((epoch + 1))"
claim state_is_the_policys has "$(dstackctl status)" '^state +enforce'
epoch=$((epoch + 1))

cp "$work/ran" "$work/has_run"
claim boot_can_be_started_again boot
claim it_runs_no_script_again cmp "$work/ran" "$work/has_run"
claim the_last_was_run_once has "$(<"$work/ran")" two 1
claim it_measures_nothing is "$(own)" "$last"
claim it_keeps_the_keys is "$(sha256 "$dir/.appkeys.json")" "$keys"
for name in app-compose.json .sys-config.json .instance_info .appkeys.json \
	.decrypted-env .decrypted-env.json; do
	claim "mode_of_$name" is "$(stat -c %a "$dir/$name")" 600
done
claim application_is_as_delivered cmp "$dir/app-compose.json" \
	"$work/good.json"
claim root_key_is_in_the_module has "$(dstackctl key list 2>&1)" "$app_id"
claim log_replays_to_the_register quote_is_replayed

#
# The disk
#

claim disk_is_mounted is "$(stat -f -c %T "$work/data")" ext2/ext3
claim disk_is_encrypted has "$(dmsetup table dstack-data)" ' crypt aes-xts'
passphrase=$(jq -r .disk_crypt_key "$dir/.appkeys.json")
claim passphrase_is_upstreams cryptsetup open --test-passphrase --key-file - \
	"$disk" < <(printf %s "$passphrase")
echo stays >"$work/data/file"
umount "$work/data"
dmsetup remove dstack-data
claim disk_is_opened_again boot
claim what_was_written_is_there is "$(<"$work/data/file")" stays
umount "$work/data"
dmsetup remove dstack-data

# As a boot leaves it that was killed while it formatted the disk.
: >"$dir/.disk-new"
dd if=/dev/urandom of="$disk" bs=4096 count=9 conv=notrunc status=none
claim format_that_was_ended_is_begun_again boot
claim disk_is_mounted_then is "$(stat -f -c %T "$work/data")" ext2/ext3
umount "$work/data"
dmsetup remove dstack-data
# What cryptsetup would take: a second header with a higher number, that opens
# with another passphrase.  It is not looked at while the first is good.
sync
cp "$work/disk.img" "$work/other.img"
printf x >"$work/x"
cryptsetup luksChangeKey --batch-mode --key-slot 0 --pbkdf pbkdf2 \
	--pbkdf-force-iterations 1000 --key-file - "$work/other.img" \
	"$work/x" < <(printf %s "$(jq -r .disk_crypt_key "$dir/.appkeys.json")") ||
	die "can't change the passphrase of a copy"
dd if="$work/other.img" of="$disk" bs=16384 skip=1 seek=1 count=1 \
	conv=notrunc status=none
sync
claim attack_66_second_header_is_not_opened boot
umount "$work/data"
dmsetup remove dstack-data

# One that was cut short, and both.
dd if=/dev/urandom of="$disk" bs=4096 seek=5 count=1 conv=notrunc status=none
dd if=/dev/urandom of="$disk" bs=4096 seek=1 count=1 conv=notrunc status=none
claim header_that_was_changed_is_refused refuses 'disk: '
dd if=/dev/urandom of="$disk" bs=4096 count=1 conv=notrunc status=none
claim disk_of_somebody_else_is_refused refuses \
	'something on it that is neither LUKS nor nothing'

#
# A log of which the kernel has the digests alone, and whose file lies
#

# doubts SED: what is said of a log that was changed so.
doubts() {
	sed "$1" "$log" >"$work/log"
	boot --log "$work/log" || sed -n 's/.*know what was measured: //p' \
		"$work/said"
}

settle
at=$(grep -n '"event":"app-id"' "$log" | tail -n 1 | cut -d: -f1)
lines=$(wc -l <"$log")
claim name_that_was_changed_is_noticed has "$(doubts \
	"$at"'s/"event":"app-id"/"event":"app-ie"/')" "^line $at of .* is not"
claim bit_of_a_payload_that_flipped_is_noticed has "$(doubts \
	"$at"'s/"event_payload":"0/"event_payload":"1/')" "^line $at of .* is not"
claim bit_of_a_digest_that_flipped_is_noticed has "$(doubts \
	"$at"'s/"digest":"./"digest":"x/')" "can't be read"
claim line_that_is_missing_is_noticed has "$(doubts "${at}d")" \
	"^line $at of .* is not"
claim line_that_is_there_twice_is_noticed has "$(doubts "${at}p")" \
	"^line $((at + 1)) of .* is not"
claim lines_that_changed_places_are_noticed has "$(doubts "${at}{h;d};$((at + 1))G")" \
	"^line $at of .* is not"
claim lines_that_are_missing_at_the_end_are_noticed has "$(doubts "${lines}d")" \
	"^event $lines was, and .* ends before"
head -c 300 "$log" >"$work/log"
claim file_that_ends_in_a_line_is_not_believed refuses \
	"can't know what was measured" --log "$work/log"
claim file_that_is_not_there_is_not_believed refuses \
	"is of another boot, or not there" --log "$work/none"
claim nothing_was_measured_meanwhile is "$(own)" "$last"

# Damaged while dstackd is not there: what is lost is told by it, and by us.
cp "$log" "$work/copy"
read -r pid <"$pid_file"
kill -9 "$pid"
eventually gone "$pid"
flip "$log" '"event":"app-id"'
dstackd --daemonize >"$work/daemon" 2>&1
refuses "^dstack-boot: application: can't know what was measured: line $at of" \
	>"$work/told"
claim event_that_is_lost_is_told_by_its_number is $? 0
{
	cat "$work/copy"
	tail -n "+$((lines + 1))" "$log"
} >"$work/whole"
cp "$work/whole" "$log"
kill -HUP "$(<"$pid_file")"
"$tests/ctl_event" dstack-test ''
settle
claim and_by_dstackd_as_well has "$(<"$work/daemon")" \
	"1 events are missing .* the first is event $((at - 1)):"
claim copy_that_is_put_back_is_believed boot --until provider
claim no_event_is_there_twice is "$(own)" "$last"
claim log_replays_to_the_register_still quote_is_replayed

finish
