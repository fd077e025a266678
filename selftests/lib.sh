# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
#
# What the shell tests share.  A test begins with "begin NAME", which gives it
# a directory ($work), a cgroup ($cgroup) and a container ($id) of its own, does
# its deeds, states its claims about them, and ends with "finish".  Whatever
# happens, the machine is left in state measure and without the container.

tests=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
# shellcheck source=scripts/ktap.sh
. "$tests/ktap.sh"

cgroup_root=/sys/fs/cgroup
log=/var/lib/dstack/log.jsonl
app_id=$(printf '%040d' 0)
hello=$tests/prog_hello

#
# Beginning and end
#

die() {
	echo "Bail out! $*"
	exit 1
}

begin() {
	id=$1.$$
	work=$(mktemp -d "/var/tmp/$1.XXXXXX")
	chmod 755 "$work"
	cgroup=$cgroup_root/$id
	mkdir "$cgroup"
	mounts=()
	exec {never}<> <(:)
	trap end EXIT
	ktap_start
	[[ $(dstackctl status) =~ policy\ +(epoch|none)\ *([0-9]*) ]] ||
		die "dstackctl status failed"
	epoch=${BASH_REMATCH[2]:-0}
}

# A short sleep, without a process.  Whoever waits naps so many times: longer on
# a slow machine, see run.sh.
nap=$(printf '0.%03d' $((20 * ${TIME_SCALE:-1})))
nap() {
	read -r -t "$nap" -u "$never"
}

# Until COMMAND succeeds, for as long as it may take on a busy machine.
eventually() {
	for _ in {1..1000}; do
		! "$@" || return 0
		nap
	done
	echo "never: $*"
	return 1
}

# empty CGROUP: ends what runs in it and in the cgroups below.
empty() {
	test -d "$1" || return 0
	echo 1 >"$1/cgroup.kill"
	for _ in {1..500}; do
		[[ $(<"$1/cgroup.events") == *'populated 1'* ]] || break
		nap
	done
}

end() {
	local mount
	state measure
	empty "$cgroup"
	dstackctl container remove "$id" 2>/dev/null
	find "$cgroup" -depth -type d -exec rmdir {} + 2>/dev/null
	for mount in "${mounts[@]}"; do
		umount -l "$mount"
	done
	rm -rf "$work"
}

finish() {
	ktap_finish
}

# fs TYPE DIR [OPTION...]: mounts one there until the test ends.
fs() {
	mkdir -p "$2"
	mount -t "$1" "${@:3}" "$1" "$2" || die "can't mount a $1"
	mounts=("$2" "${mounts[@]}")
}

# image FILE DIR [OPTION...]: mounts what is in FILE there until the test ends.
image() {
	mkdir -p "$2"
	mount -o loop "${@:3}" "$1" "$2" || die "can't mount $1"
	mounts=("$2" "${mounts[@]}")
}

# clock [DATE]: what the clock shows from here on; or again what it would have shown.
clock() {
	local up now
	read -r up _ </proc/uptime
	now=$(date +%s)
	clock_began=${clock_began:-$((now - ${up%.*}))}
	date -s "${1:-@$((clock_began + ${up%.*}))}" >/dev/null
}

#
# Files that are approved or not
#

# variant FILE [PROGRAM]: the same program with a digest of its own; all have
# the same size.
variants=0
variant() {
	variants=$((variants + 1))
	cp "${2:-$hello}" "$1"
	printf '%-16s' "variant $variants" >>"$1"
}

# rewrite FILE: changes the content in place; inode, size and mtime stay.
rewrite() {
	local mtime size
	variants=$((variants + 1))
	mtime=$(stat -c %.Y "$1")
	size=$(stat -c %s "$1")
	printf '%-16s' "variant $variants" |
		dd of="$1" bs=1 seek=$((size - 16)) conv=notrunc status=none
	touch -d "@$mtime" "$1"
}

sha256() {
	local digest
	read -r digest _ < <(busybox sha256sum "$1")
	echo "$digest"
}

# policy [-j FILTER] [-t FILTER] FILE...: only these may run, in the role that
# they have, or in those that a jq filter gives to .containers.test.allow; -t is
# for a filter of all that the section says.
policy() {
	local filter=.
	if test "$1" = -j; then
		filter=".containers.test.allow |= $2"
		shift 2
	fi
	if test "$1" = -t; then
		filter+="|.containers.test |= ($2)"
		shift 2
	fi
	epoch=$((epoch + 1))
	dstackctl policy scan --epoch "$epoch" --name test \
		--output "$work/policy.json" "$@"
	if test "$filter" != .; then
		mv "$work/policy.json" "$work/scanned.json"
		jq "$filter" "$work/scanned.json" >"$work/policy.json"
	fi
	dstackctl policy load "$work/policy.json" >/dev/null ||
		die "can't load the policy"
}

#
# Containers
#

# Registers the test's cgroup.
container() {
	dstackctl container add --cgroup "$cgroup" --id "$id" \
		--section test --app-id "$app_id" ||
		die "can't add container $id"
}

state() {
	dstackctl state "$1" >/dev/null || die "can't set state $1"
}

# run [OPTION]... FILE [ARGUMENT]...: runs it as the container's, see prog_run.
run() {
	"$tests/prog_run" -c "$cgroup" "$@" 2>&1 </dev/null
}

#
# The log
#

# Until dstackd has stored what the kernel recorded.
settle() {
	"$tests/prog_settle" || die "dstackd does not drain the log"
}

# From here on events are this test's.
mark() {
	settle
	marked=$(wc -l <"$log")
}

# What was recorded since mark, as text; paths are relative to $work.
events() {
	local text
	settle
	text=$(dstackctl log --from "$marked")
	echo "${text//path=$work\//path=}"
}

# How often something was denied in this container, or would be in enforce.
denied() {
	dstackctl container list --json |
		jq --arg id "$id" '.[] | select(.id == $id) | .denied'
}

# What dstackctl quote says: the events covered, and the register.
quoted=$'log_count +([0-9]+)\nregister +([0-9a-f]+)'

# A module that was loaded again counts from where the file goes on.
quote_is_replayed() {
	local count register before
	[[ $(dstackctl quote --out "$work/quote") =~ $quoted ]] || return
	count=${BASH_REMATCH[1]}
	register=${BASH_REMATCH[2]}
	settle
	before=$(($(wc -l <"$log") - $(dstackctl status --json |
		jq .log_count)))
	dstackctl replay "$log" --count $((before + count)) --expect "$register"
}

#
# Claims: claim NAME is ..., claim NAME has ...
#

is() {
	test "$1" = "$2" || {
		echo "'$1' instead of '$2'"
		return 1
	}
}

# has TEXT PATTERN [COUNT]: that many lines match, or at least one.  Without
# grep: in an emulated machine a new process is what takes time.
has() {
	local line count=0
	while IFS= read -r line; do
		[[ ! $line =~ $2 ]] || count=$((count + 1))
	done <<<"$1"
	if test $# = 2; then
		test "$count" = 0 || return 0
	else
		test "$count" != "$3" || return 0
	fi
	echo "$count lines match '$2', ${3:-some} should:"
	echo "$1"
	return 1
}

has_not() {
	has "$1" "$2" 0
}

skip() {
	echo "$*"
	return 4
}
