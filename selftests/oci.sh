# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
#
# What the tests of OCI runtimes share, besides lib.sh.  "begin_oci NAME" is
# begin, and gives a root file system ($rootfs) and an application ($app) of
# its own; what the hook says is in $work/syslog.
# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

hook=/usr/libexec/dstack/dstack-oci-hook
crun_program=/usr/bin/crun
runc_program=/usr/sbin/runc

begin_oci() {
	begin "$1"
	# Runtimes make the cgroups of their containers.
	rmdir "$cgroup"
	app=$(printf '%040d' 7)
	rootfs=$work/rootfs
	mkdir -p "$rootfs"/{bin,dev,proc,sys,etc,tmp}
	cp /usr/bin/busybox "$hello" "$rootfs/bin/"
	ln -s busybox "$rootfs/bin/sleep"
	mv "$rootfs/bin/prog_hello" "$rootfs/bin/hello"
	: >"$work/syslog"
	busybox syslogd -n -S -O "$work/syslog" &
	syslogd=$!
	trap end_oci EXIT
}

end_oci() {
	kill "$syslogd"
	end
	rm -f /dev/log
}

# approve [SECTION PATH...] --...: the policy of application $app allows these,
# section by section.
approve() {
	local arguments=()
	while test $# -gt 0; do
		arguments+=(--name "$1")
		shift
		while test $# -gt 0 && test "$1" != --; do
			arguments+=("$1")
			shift
		done
		test $# = 0 || shift
	done
	epoch=$((epoch + 1))
	dstackctl policy scan --epoch "$epoch" --app-id "$app" \
		--output "$work/policy.json" "${arguments[@]}"
	dstackctl policy load "$work/policy.json" >/dev/null ||
		die "can't load the policy"
}

# bundle NAME FILTER: one that sleeps in $rootfs and has the hook, changed by
# the filter.
bundle() {
	mkdir -p "$work/$1"
	test -e "$work/config.json" || (cd "$work" && crun spec) ||
		die "crun spec failed"
	jq --arg hook "$hook" --arg rootfs "$rootfs" '
		.process.terminal = false |
		.process.args = ["/bin/busybox", "sleep", "1000"] |
		.root.path = $rootfs | .root.readonly = false |
		.hooks.createRuntime = [{path: $hook,
			args: ["dstack-oci-hook", "createRuntime"]}] |
		.hooks.poststop = [{path: $hook,
			args: ["dstack-oci-hook", "poststop"]}] | '"$2" \
		"$work/config.json" >"$work/$1/config.json" ||
		die "jq failed for $1"
}

# crun, runc: with their state in $work.
crun() {
	"$crun_program" --root "$work/crun" --cgroup-manager=cgroupfs "$@" \
		2>&1 </dev/null
}

runc() {
	"$runc_program" --root "$work/runc" "$@" 2>&1 </dev/null
}

# create RUNTIME NAME: from the bundle of that name, as $id.NAME.
create() {
	# What it prints would have to wait for the container to end.
	"$1" create --bundle "$work/$2" "$id.$2" >"$work/$2/out" ||
		cat "$work/$2/out"
}

listed() {
	dstackctl container list --json |
		jq -c --arg id "$1" '.[] | select(.id == $id) |
			[.section, .app_id, .image]'
}

containers() {
	dstackctl status --json | jq .containers
}

# of ID EVENTS: the events that name this container.
of() {
	local line
	while IFS= read -r line; do
		[[ $line != *" id=$1 "* ]] || echo "$line"
	done <<<"$2"
}

# in_order EVENTS PATTERN...: lines match these, in this order.
in_order() {
	local line text=$1
	shift
	while IFS= read -r line; do
		test $# = 0 || [[ ! $line =~ $1 ]] || shift
	done <<<"$text"
	test $# = 0 || {
		echo "no '$1', in its place, in:"
		echo "$text"
		return 1
	}
}

# The last that the hook said to syslog.
reason() {
	local line last=
	nap
	while IFS= read -r line; do
		[[ $line != *"dstack-oci-hook["* ]] || last=$line
	done <"$work/syslog"
	echo "${last#*dstack-oci-hook\[*\]: }"
}

#
# podman
#

# blob FILE: into the image layout; $blob is its descriptor without a type.
blob() {
	local digest
	digest=$(sha256 "$1")
	mv "$1" "$work/image/blobs/sha256/$digest"
	blob="\"digest\":\"sha256:$digest\",\"size\":$(stat -c %s \
		"$work/image/blobs/sha256/$digest")"
}

# An OCI image layout of $rootfs in $work/image; $manifest is its digest.
make_image() {
	local file=$work/blob type=application/vnd.oci.image layer diff_id
	mkdir -p "$work/image/blobs/sha256"
	tar -C "$rootfs" -cf "$file" .
	blob "$file"
	layer=$blob
	diff_id=${layer#'"digest":'}
	diff_id=${diff_id%,*}
	printf '{"architecture":"amd64","os":"linux","config":{"Cmd":["/bin/sleep","1000"]},"rootfs":{"type":"layers","diff_ids":[%s]}}' \
		"$diff_id" >"$file"
	blob "$file"
	printf '{"schemaVersion":2,"mediaType":"%s","config":{"mediaType":"%s",%s},"layers":[{"mediaType":"%s",%s}]}' \
		"$type.manifest.v1+json" "$type.config.v1+json" "$blob" \
		"$type.layer.v1.tar" "$layer" >"$file"
	# shellcheck disable=SC2034 # tests do
	manifest=$(sha256 "$file")
	blob "$file"
	printf '{"schemaVersion":2,"manifests":[{"mediaType":"%s",%s}]}' \
		"$type.manifest.v1+json" "$blob" >"$work/image/index.json"
	printf '{"imageLayoutVersion":"1.0.0"}' >"$work/image/oci-layout"
}

# Its hooks are those that are installed.  Collecting garbage costs more than
# it saves in a machine that is emulated.
podman() {
	GOGC=off command podman --root "$work/storage" --runroot "$work/run" \
		--tmpdir "$work/tmp" --cgroup-manager cgroupfs \
		--storage-driver "$driver" --events-backend none "$@" 2>&1
}

# begin_podman NAME DRIVER: makes the image and pulls it to storage of that
# kind; $image is what to call it.
begin_podman() {
	begin_oci "$1"
	driver=$2
	make_image
	trap end_podman EXIT
	image=$(podman pull --quiet "oci:$work/image") ||
		die "podman pull: $image"
}

end_podman() {
	empty "$cgroup_root/libpod_parent"
	find "$cgroup_root/libpod_parent" -depth -type d -exec rmdir {} +
	if mountpoint -q "$work/storage/overlay"; then
		umount -l "$work/storage/overlay"
	fi
	end_oci
}
