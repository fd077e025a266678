#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
#
# How long a policy of 100,000 digests takes to load: the wall clock of an
# ordinary machine.  Prints milliseconds, each time of a higher epoch.
set -eu

cp /copy/policy-100k.json /var/tmp/policy.json
for epoch in 2001 2002 2003; do
	sed -i "s/\"epoch\": [0-9]*/\"epoch\": $epoch/" /var/tmp/policy.json
	begin=${EPOCHREALTIME/./}
	dstackctl policy load /var/tmp/policy.json >/dev/null
	echo "policy_load $(((${EPOCHREALTIME/./} - begin) / 1000))"
done
