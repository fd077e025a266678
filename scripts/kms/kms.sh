#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
#
# The KMS's part, inside its own confidential VM: it is booted as an application
# is, says what it measures, waits to be approved, and serves.
set -u

dir=/run/kms-app
socket=/run/dstack-kms/admin.sock
mkdir -p "$dir" /run/dstack-kms
chmod 700 "$dir" /run/dstack-kms

# What is on the machine of who runs this one is not on this one.
node -e 'const net = require("net");
	net.createServer((here) => {
		const there = net.connect(+process.argv[1], "10.0.2.2");
		here.pipe(there).pipe(here);
		here.on("error", () => there.destroy());
		there.on("error", () => here.destroy());
	}).listen(8545, "127.0.0.1");' "$(</copy/chain-port)" &

dstack-boot --host /copy/host --dir "$dir" --time-scale 4 || exit
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
echo "attestation: $(admin GetAttestationInfo)"
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
echo "serving"
wait "$kms"
