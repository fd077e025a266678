#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
#
# The KMS's part, inside its own confidential VM: it is booted as an application
# is, says what it measures, waits to be approved, and serves until somebody calls
# at port 9000.  What it had on its disk then is in /out; /copy/disk is that of
# its last boot.
set -u

tests=/usr/libexec/dstack/selftests
dir=/run/kms-app
disk=/disk
socket=/run/dstack-kms/admin.sock
mkdir -p "$dir" "$disk" /run/dstack-kms
chmod 700 "$dir" "$disk" /run/dstack-kms
test ! -d /copy/disk || cp -a /copy/disk/. "$disk/"

# What is on the machine of who runs this one is not on this one.
node -e 'const net = require("net");
	net.createServer((here) => {
		const there = net.connect(+process.argv[1], "10.0.2.2");
		here.pipe(there).pipe(here);
		here.on("error", () => there.destroy());
		there.on("error", () => here.destroy());
	}).listen(8545, "127.0.0.1");' "$(</copy/chain-port)" &

# Nor is its host, whose enclave gives this machine its key.
modprobe vsock_loopback
"$tests/key-enclave-stand-in" --pki /copy/pki --seed host --enclave good \
	>/run/enclave-url &
until test -s /run/enclave-url; do
	sleep 0.1
done
url=$(</run/enclave-url)
"$tests/prog_vsock" 12345 "${url##*:}" >/dev/null &
jq --arg pccs "$url" '.collateral_urls.pccs = $pccs' /copy/host/.sys-config.json \
	>/run/sys-config && mv /run/sys-config /copy/host/.sys-config.json

dstack-boot --host /copy/host --dir "$dir" --enclave-root /copy/pki/root.pem \
	--time-scale 4 || exit
dstackd agent --app "$dir" --socket /run/dstack-kms/agent.sock \
	--tappd /run/dstack-kms/tappd.sock &
until curl -s --unix-socket /run/dstack-kms/agent.sock \
	http://dstack/Version >/dev/null; do
	sleep 0.2
done
/copy/dstack-kms --config /copy/dstack-kms.json &
kms=$!

# admin METHOD [JSON]
admin() {
	curl -s --unix-socket "$socket" --json "${2-null}" \
		"http://kms/prpc/Onboard.$1?json" | jq -c
}

until test -S "$socket"; do
	sleep 0.2
	kill -0 "$kms" || exit
done
# Until it may be a KMS, and by a stranger then.
make_roots() {
	local answer
	until answer=$(admin Bootstrap '{"domain": "10.0.2.2"}') &&
		test "$(jq -r .error <<<"$answer")" = null; do
		echo "bootstrap: $answer"
		sleep 1
	done
	echo "bootstrapped: $(jq -c 'del(.attestation)' <<<"$answer")"
	until curl -sk https://127.0.0.1:8000/health; do
		sleep 0.2
	done
	echo "again: $(admin Bootstrap '{"domain": "10.0.2.2"}')"
	echo "stranger: $(curl -sk --json '{"domain": "10.0.2.2"}' \
		'https://127.0.0.1:8000/prpc/Onboard.Bootstrap?json' | jq -c)"
	dstackctl kms epoch start >/dev/null || exit
	echo "epochs: $(dstackctl kms status --json | jq -c '[.epochs[].state]')"
	echo "retire: $(dstackctl kms epoch retire 0 2>&1 | head -n 1)"
}

echo "attestation: $(admin GetAttestationInfo)"
test -d /copy/disk || make_roots
until curl -sk https://127.0.0.1:8000/health; do
	sleep 0.2
	kill -0 "$kms" || exit
done
echo "serving"
node -e 'require("net").createServer(() => process.exit()).listen(9000)'
kill "$kms"
wait "$kms"
cp -a "$disk/." /out/
