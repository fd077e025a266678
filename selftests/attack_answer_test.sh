#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
#
# Attack 22: a file that is not the same each time it is read.  Whoever asks for
# its digest gets the one, and what runs is the other: so nothing runs from there,
# whatever the policy says.
# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

begin attack_answer
good=$work/good bad=$work/bad
variant "$good"
# It says so when it runs.
sed 's/hello\x00/gotya\x00/' "$good" >"$bad"
chmod 755 "$bad"
policy "$good"
container

#
# FUSE: the second who opens it gets something else
#

modprobe fuse
serve() {
	mkdir -p "$work/fuse"
	"$tests/prog_fuse" "$work/fuse" "$good" "$bad" </dev/null ||
		die "can't mount a fuse"
	mounts=("$work/fuse")
}
again() {
	umount "$work/fuse"
	serve
}

serve
first=$(sha256 "$work/fuse/file")
mark
second=$(run "$work/fuse/file")
events=$(events)
again
state enforce
enforced_first=$(sha256 "$work/fuse/file")
enforced=$(run "$work/fuse/file")
again
policy -t '.trust = {"exec": ["fs-verity", "dm-verity", "authenticated",
	"disk", "memory", "memfd"]}' "$good"
trusted=$(run "$work/fuse/file")
claim attack_22_who_asks_for_the_digest_gets_the_approved_one \
	is "$first $enforced_first" "$(sha256 "$good") $(sha256 "$good")"
claim attack_22_another_program_runs_in_measure is "$second" gotya
claim attack_22_its_record_has_no_digest_that_could_lie has "$events" \
	"dstack.exec id=$id digest=none reason=untrusted-storage .*path=fuse/file\$" 1
claim attack_22_nothing_runs_in_enforce is "$enforced" EACCES
claim attack_22_nothing_runs_where_every_class_is_trusted is "$trusted" EACCES
umount "$work/fuse"
mounts=()

#
# NFS: what it answers is up to another machine, here to this one
#

modprobe -a nfsd nfsv4 || die "this kernel has no NFS"
echo 'NFSD: ' >>"$EXPECTED_MESSAGES"
mkdir "$work/exported" "$work/nfs"
cp "$good" "$work/exported/program"
mount -t nfsd nfsd /proc/fs/nfsd
exportfs -o ro,no_root_squash,fsid=0,insecure,no_subtree_check \
	"127.0.0.1:$work/exported" || die "can't export"
rpc.mountd -N 3 --no-udp || die "can't start rpc.mountd"
rpc.nfsd -N 3 -V 4 -G 10 -L 10 --host 127.0.0.1 1 ||
	die "can't start an NFS server"
mount -t nfs4 -o ro,soft,retry=0 127.0.0.1:/ "$work/nfs" ||
	die "can't mount an NFS"
# Until the server has waited for clients of an earlier life.
head -c 1 "$work/nfs/program" >/dev/null
state measure
mark
measured=$(run "$work/nfs/program")
events=$(events)
policy "$good"
state enforce
claim attack_22_program_on_nfs_runs_in_measure is "$measured" hello
claim attack_22_its_record_says_untrusted_storage has "$events" \
	"dstack.exec id=$id digest=none reason=untrusted-storage .*path=nfs/program\$" 1
claim attack_22_approved_program_on_nfs_denied \
	is "$(run "$work/nfs/program")" EACCES
umount "$work/nfs"
rpc.nfsd 0
exportfs -ua
umount /proc/fs/nfsd
kill "$(pidof rpc.mountd)"

finish
