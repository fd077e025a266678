#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
#
# An application's part, inside its own confidential VM: it boots as soon as a
# KMS gives it its keys.
set -u

dir=/run/app
mkdir -p "$dir"
chmod 700 "$dir"
n=0
until dstack-boot --host /copy/host --dir "$dir" --time-scale 4; do
	n=$((n + 1))
	test "$n" -lt 60 || exit
	sleep 1
done
echo "disk: $(jq -r .disk_crypt_key "$dir/.appkeys.json" | sha256sum)"
