# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
#
# What the shell tests of keys share, besides lib.sh.
# shellcheck disable=SC2154 # app_id and work are lib.sh's

# section NAME KEYS: a policy of one section that may ask for these keys, a jq
# expression.
section_keys() {
	epoch=$((epoch + 1))
	jq -n --arg name "$1" --arg app "$app_id" --argjson epoch "$epoch" \
		"{version: 1, app_id: \$app, epoch: \$epoch,
		  containers: {(\$name): {allow: [], keys: $2}}}" \
		>"$work/policy.json"
	dstackctl policy load "$work/policy.json" >/dev/null ||
		die "can't load the policy"
}

host_keys() {
	section_keys host "$1"
}

# inside CGROUP COMMAND...: in that container, without another program before.
inside() {
	# shellcheck disable=SC2016 # expanded by the inner shell
	bash -c 'echo $$ >"$1/cgroup.procs" && shift && ulimit -c unlimited &&
		exec "$@"' inside "$@"
}

# load_root: the next key epoch, from a random root key in $work/root, which grep
# can look for: it has no end of a line in it.  "local_root" in the environment:
# it is of this machine alone.
load_root() {
	local n
	(umask 077 && tr -d '\n' </dev/urandom | head -c 32 >"$work/root")
	for n in {0..999}; do
		! dstackctl key load --app-id "$app_id" --epoch "$n" \
			--file "$work/root" ${local_root:+--local} \
			2>/dev/null || return 0
	done
	die "can't load a root key"
}
