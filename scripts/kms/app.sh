#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
#
# An application's part, inside its own confidential VM: it boots as soon as a
# KMS gives it its keys, and opens its disk.  Then, if it is to, it lives: it runs
# containers and says what they may do, while dstack-boot follows what the contract
# says, until somebody calls at port 9000.  It leaves the disk to the next machine in
# /out.
set -u

dir=/run/app
cgroups=/sys/fs/cgroup
mkdir -p "$dir"
chmod 700 "$dir"
modprobe -a loop dm-crypt
# Nobody runs udev here.
export DM_DISABLE_UDEV=1
if test -e /copy/disk/disk.gz; then
	zcat /copy/disk/disk.gz >/run/disk
else
	truncate -s 24M /run/disk
fi
disk=$(losetup --find --show /run/disk)

n=0
until dstack-boot --host /copy/host --dir "$dir" --data-device "$disk" \
	--mount /data --time-scale 4; do
	n=$((n + 1))
	test "$n" -lt 60 || exit
	sleep 1
done
echo "disk: $(cat /data/file 2>/dev/null || echo new)"
echo "keys: $(jq '.key_epoch // 0' "$dir/.appkeys.json")"
echo "what $(</copy/name) wrote" >/data/file

leave_disk() {
	umount /data
	dmsetup remove dstack-data
	losetup -d "$disk"
	gzip -1 </run/disk >/out/disk.gz
}

if test ! -e /copy/lives; then
	leave_disk
	exit
fi
node -e 'require("net").createServer(() => process.exit()).listen(9000)' &
lives=$!

dstackd agent --app "$dir" --socket "$dir/agent.sock" \
	--tappd "$dir/tappd.sock" &
until curl -s --unix-socket "$dir/agent.sock" http://dstack/Version >/dev/null; do
	sleep 0.2
done
chmod 755 "$dir"

# container SECTION
container() {
	mkdir "$cgroups/$1"
	dstackctl container add --cgroup "$cgroups/$1" --id "$1" \
		--section "$1" \
		--app-id "$(jq -r .app_id "$dir/.instance_info")" || exit
}

# inside SECTION COMMAND...: as a process of that container.
inside() (
	echo "$BASHPID" >"$cgroups/$1/cgroup.procs"
	exec "${@:2}"
)

container web
container tool
# Without JIT: who lost his policy gets no memory for code any more, and would end.
inside tool "$(command -v node)" --jitless /copy/key.mjs "$dir/agent.sock" &
inside web /copy/busybox sleep 100000 &
runs=$!
dstack-boot follow --app "$dir" --host /copy/host &
follows=$!

record() {
	dstackctl log | grep -E 'dstack\.(policy|revoke|root) ' | tail -n 40 |
		sed 's/^/record: /'
}

last=
while sleep 0.1 && kill -0 "$lives" 2>/dev/null; do
	if inside web /copy/busybox true 2>/dev/null; then
		now=allowed
	else
		now=denied
	fi
	if test "$now" != "$last"; then
		echo "exec: $now"
		last=$now
		sleep 2
		record
	fi
	if test -n "$runs" && ! kill -0 "$runs" 2>/dev/null; then
		echo "what ran: ended"
		runs=
	fi
done
kill "$follows"
wait "$follows"
leave_disk
