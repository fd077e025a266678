#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
#
# A KMS beside a chain, asked by a program of others' making: what an owner checks
# with ethers before trusting its keys with anything.  Prints KTAP.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
test -n "${KMS_NETWORK-}" || KMS_NETWORK=1 exec unshare --net "$0" "$@"
work=build/kms-owner
# shellcheck source=scripts/kms/loopback.sh
. scripts/kms/loopback.sh

modules=$(scripts/npm.sh contracts)
coproc OWNER { node scripts/kms/owner.mjs "$modules" build/contracts "$at" \
	"$work"; }
# This shell forgets both when it ends.
owner=$OWNER_PID
exec {from}<&"${OWNER[0]}" {to}>&"${OWNER[1]}"

# First where its contracts are, and what is deployed there.
read -r chain <&"$from"
configure ".auth = $(jq -c .auth <<<"$chain")"
start_kms
ask --app "$(jq -r .app <<<"$chain")" --identity "$work/app.pem"
echo >&"$to"
cat <&"$from"
wait "$owner"
