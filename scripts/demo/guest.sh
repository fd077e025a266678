#!/bin/sh
# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
#
# The demo's part inside the confidential VM: a Debian container under crun.
set -eu

# shellcheck source=scripts/demo/page.sh
. /copy/page.sh

bundle=/run/demo
app=5ca1ab1e00000000000000000000000000000001
nonce=$(od -An -N64 -tx1 /dev/urandom | tr -d ' \n')

# The runtime's configuration: its default one, in a cgroup of our naming.
make_bundle() {
	mkdir -p "$bundle"
	cd "$bundle"
	crun spec
	jq '.root = {path: "/copy/rootfs", readonly: false}
	    | .process.args = ["/usr/bin/sleep", "1000"]
	    | .process.terminal = false
	    | .linux.cgroupsPath = "/web"
	    | .linux.namespaces |= map(select(.type != "network"))' \
		config.json >config.new
	mv config.new config.json
}

inside() {
	crun --cgroup-manager=cgroupfs exec web "$@"
}

title "Inside: the container is registered before its first exec"
make_bundle
show dstackctl policy load /copy/policy.json
show dstackctl state enforce
crun --cgroup-manager=cgroupfs create --bundle "$bundle" web >/dev/null
dstackctl container add --cgroup /sys/fs/cgroup/web --id web --app-id "$app"
crun --cgroup-manager=cgroupfs start web
show dstackctl container list

title "Inside: a program of the image runs, and is in the log and in RTMR3"
say "# crun exec web /usr/bin/sha256sum /etc/debian_version"
show inside /usr/bin/sha256sum /etc/debian_version
show sh -c 'dstackctl log | grep sha256sum | tail -n 1'
show sh -c 'dstackctl status | grep -E "^(state|backend|register|log)"'

title "Inside: a program that was copied in after the scan is denied"
cp /usr/bin/busybox /copy/rootfs/usr/bin/intruder
say "# crun exec web /usr/bin/intruder"
if inside /usr/bin/intruder true >/run/demo/denied 2>&1; then
	die "the intruder ran"
fi
show tail -n 1 /run/demo/denied
show sh -c 'dstackctl log | grep dstack.deny | tail -n 1'
say "# dstackctl why --container web /copy/rootfs/usr/bin/intruder"
show dstackctl why --container web /copy/rootfs/usr/bin/intruder

title "Inside: a quote over all of it, with the verifier's nonce"
show dstackctl quote --report-data "$nonce" --out /out/quote.bin
printf %s "$nonce" >/out/nonce
cp /var/lib/dstack/log.jsonl /out/
crun --cgroup-manager=cgroupfs delete --force web
