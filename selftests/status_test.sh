#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
#
# What the module says of itself, and of what this kernel cannot have.
# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

begin status
text=$(dstackctl status)
json=$(dstackctl status --json)
# The one feature that is not on every kernel that this project is tested on.
symbol=$(grep -cw tdx_mcall_extend_rtmr /proc/kallsyms)

claim every_feature_is_there_or_missing is \
	"$(jq -r '.features + .missing | sort | join(" ")' <<<"$json")" \
	'bpf-lsm fsverity keys sim tdx'
claim tdx_is_missing_where_the_kernel_does_not_export_it is \
	"$(jq '.missing | index("tdx") != null' <<<"$json")" \
	"$(test "$symbol" = 0 && echo true || echo false)"
claim what_is_missing_is_said_with_what_it_needs has "$text" \
	'^missing     tdx: needs kernel 6.16 or later$' \
	"$(test "$symbol" = 0 && echo 1 || echo 0)"
claim fsverity_is_there has "$json" '"fsverity"' 1
claim hooks_are_held has "$text" 'exec held(, [a-z-]+ held)+$' 1

# Nothing of the module can be steered through a file.
mkdir "$work/debug"
mount -t debugfs debugfs "$work/debug"
echo 'Automounting of tracing to debugfs is deprecated' >>"$EXPECTED_MESSAGES"
mounts+=("$work/debug")
claim attack_34_debugfs_has_nothing_of_the_module is \
	"$(find "$work/debug" -path "$work/debug/tracing" -prune -o \
		-iname '*dstack*' -print)" ''
claim attack_34_configfs_has_nothing_of_the_module is \
	"$(find /sys/kernel/config -iname '*dstack*')" ''
claim attack_34_no_parameter_can_be_written is \
	"$(find /sys/module/dstack/parameters -type f -perm /222)" ''

finish
