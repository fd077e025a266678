#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
#
# enclave-pki.sh DIR: what key-enclave-stand-in is made of, of the platform that
# build/tdx-module plays: its keys, and collateral in which its enclaves are as
# they should be, and in "old" out of date.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
pki=build/tdx-module/pki
mkdir -p "$1"
for name in root.pem pck.key pck_chain.pem collateral.json; do
	cp "$pki/$name" "$1/"
done
build/tdx-module/mkpki --from="$pki" --enclaves "$1/enclaves"
build/tdx-module/mkpki --from="$pki" --enclaves --status=OutOfDate "$1/old"
