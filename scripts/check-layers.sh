#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
#
# Who may include and name whom.  The tree's architecture is the table below;
# this script keeps the sources true to it.
set -euo pipefail

usage() {
	cat <<'USAGE'
Usage: scripts/check-layers.sh [TREE]
       scripts/check-layers.sh --self-test

Checks the layering rules in TREE (this tree unless given); prints KTAP.
--self-test breaks each rule in a tree made for that, to see it caught.
USAGE
}

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
# shellcheck source=scripts/ktap.sh
. "$here/ktap.sh"

# level and room of kmod/.  A file includes only rooms of lower levels, and its
# own header.  NAME/ stands for every file of that directory.
levels='
0 compat/ bounds trace/ pure
1 words hash mac gcm kdf quota block cache seen backend_ops
2 event blob
3 storage table draft fold backend/ identity
4 backend digest log policy root signal
5 measure
6 follow tamper quote key custody revoke
7 vet seal
8 guard witness control memory
9 netlink_block netlink_key netlink_policy device_key
10 device netlink kfuncs
11 main
'

# code FILE...: path:line:text of what is left without comments.
code() {
	test $# -gt 0 || return 0
	awk '
	FNR == 1 { comment = 0 }
	{
		line = $0; out = ""
		while (line != "") {
			if (comment) {
				end = index(line, "*/")
				if (!end)
					break
				line = substr(line, end + 2); comment = 0
			} else if (match(line, /\/\*|\/\//)) {
				out = out substr(line, 1, RSTART - 1)
				if (substr(line, RSTART, 2) == "//")
					break
				line = substr(line, RSTART + 2); comment = 1
			} else {
				out = out line
				break
			}
		}
		if (out ~ /[^ \t]/)
			print FILENAME ":" FNR ":" out
	}' "$@"
}

# sources DIRECTORY...: the C files below, of those directories that exist.
sources() {
	local dir
	for dir in "$@"; do
		test ! -d "$dir" || find "$dir" -name '*.[ch]'
	done | sort
}

# all_but PATH...: filters lines of code(), away with those of these files.  A
# path that ends in / is a directory.
all_but() {
	local path pattern=
	for path in "$@"; do
		path=${path//./\\.}
		test "${path%/}" != "$path" || path="$path:"
		pattern+="${pattern:+|}^$path"
	done
	without "$pattern"
}

# only WHAT FILE...: no line of kmod/ outside these files matches WHAT.
only() {
	local what=$1
	shift
	mapfile -t files < <(sources kmod)
	code "${files[@]}" | all_but "$@" | no_line "$what"
}

includes_point_downward() {
	mapfile -t files < <(sources kmod)
	code "${files[@]}" | awk -v levels="$levels" '
	function room(path,    name) {
		sub(/^kmod\//, "", path)
		if (path ~ /\//) {
			name = path
			sub(/\/.*/, "/", name)
			return name
		}
		sub(/\.[ch]$/, "", path)
		return path
	}
	function resolve(dir, name) {
		while (name ~ /^\.\.\//) {
			sub(/^\.\.\//, "", name)
			sub(/[^\/]*\/$/, "", dir)
		}
		# -I kmod: a name that is not beside the file is from there.
		return name ~ /\// ? "kmod/" name : dir name
	}
	function say(why) {
		print file ":" line ": " why
	}
	BEGIN {
		count = split(levels, lines, "\n")
		for (i = 1; i <= count; i++) {
			words = split(lines[i], word, " ")
			for (j = 2; j <= words; j++)
				level[word[j]] = word[1]
		}
		FS = ":"
	}
	{
		file = $1; line = $2; from = room(file)
		if (from == "selftest/")
			next
		if (!(from in level) && !seen[from]++)
			say("room \"" from "\" has no level in check-layers.sh")
	}
	match($0, /#[ \t]*include[ \t]*"[^"]*"/) {
		name = substr($0, RSTART, RLENGTH)
		gsub(/^[^"]*"|"$/, "", name)
		dir = file
		sub(/[^\/]*$/, "", dir)
		to = room(resolve(dir, name))
		# What stands in for a room has the rights of that room.
		if (from == "compat/")
			up = level[to] >= 3
		else
			up = from != to && level[to] >= level[from]
		if (!(to in level))
			say("includes \"" name "\", which is no room")
		else if (up)
			say("level " level[from] " includes \"" name \
			    "\" of level " level[to])
	}' | no_line .
}

only_device_touches_user_memory() {
	only '\<__user\>|\<copy_(to|from)_user\>|\<(get|put)_user\>' \
		kmod/device.c kmod/device_key.c
}

only_netlink_touches_messages() {
	only 'sk_buff|\<genlmsg?_|\<nla_|<net/' kmod/netlink.c kmod/netlink.h \
		kmod/netlink_block.c kmod/netlink_block.h \
		kmod/netlink_key.c kmod/netlink_key.h \
		kmod/netlink_policy.c kmod/netlink_policy.h
}

only_kfuncs_touches_bpf() {
	only '<linux/(bpf|btf)|\<BTF_|__bpf_kfunc' kmod/kfuncs.c
}

only_key_touches_keyrings() {
	only '<keys/|<linux/key[.-]' kmod/key.c kmod/key.h
}

# words.c has the words for them, as for every enumeration of the ABI.
only_backend_c_names_backends() {
	only '\<dstack_(tdx|tpm|sim)|DSTACK_(BACKEND|FEATURE)_(TDX|TPM|SIM)\>' \
		kmod/backend.c kmod/backend/ kmod/compat/ kmod/words.c
}

backends_see_only_their_contract() {
	mapfile -t files < <(sources kmod/backend)
	code "${files[@]}" |
		without '"\.\./(backend_ops|pure|bounds|hash)\.h"' |
		no_line '#[ \t]*include[ \t]*"'
}

module_exports_nothing() {
	only 'EXPORT_SYMBOL' no-file
}

versions_are_known_only_in_compat() {
	mapfile -t files < <(sources kmod include bpf)
	code "${files[@]}" | all_but kmod/compat/ |
		no_line 'LINUX_VERSION_CODE|KERNEL_VERSION|\<HAVE_'
}

no_ifdef_inside_functions() {
	mapfile -t files < <(sources kmod | grep '\.c$')
	code "${files[@]}" | awk -F: '
	{ text = substr($0, length($1) + length($2) + 3) }
	text ~ /^{/ { inside = 1 }
	text ~ /^}/ { inside = 0 }
	inside && text ~ /^#[ \t]*if/' | no_line .
}

only_the_library_calls_ioctl() {
	# An example shows the bare ABI; tests stand in for the kernel.
	mapfile -t files < <(sources userspace |
		grep -vE '^userspace/(lib|examples|test)/')
	code "${files[@]}" | no_line '\<ioctl *\(|<sys/ioctl\.h>'
}

programs_include_only_the_library() {
	local dir own allowed='libdstack(_[a-z]+)?\.h|(event|table|words)\.h|dstack\.skel\.h'
	# Pure rooms are shared; the daemon carries the BPF skeleton.
	for dir in userspace/dstackctl userspace/dstackd userspace/oci-hook; do
		mapfile -t files < <(sources "$dir")
		own=$(printf '%s\n' "${files[@]##*/}" |
			sed -n '/\.h$/s/\./\\./gp' | paste -sd '|')
		# dstackd has the agent in it, and reads its files as that does.
		test "$dir" != userspace/dstackd ||
			own+='|\.\./(agent/(agent|routes|metrics/metrics)|app/(app|json)|daemon/daemon|http/http)\.h'
		# The owner's command has what an owner does on a chain.
		test "$dir" != userspace/dstackctl ||
			own+='|\.\./contract/(contract|state)\.h'
		code "${files[@]}" | without "[\"<]($allowed${own:+|$own})[\">]"
	done | no_line '#[ \t]*include[ \t]*("|<dstack|<linux/dstack)'
}

# Each can be read, and tested, without the others and without the agent.
rooms_of_userspace_are_apart() {
	local room
	for room in daemon http keys rpc spawn; do
		mapfile -t files < <(sources "userspace/$room")
		code "${files[@]}" |
			without '"\.\./rpc/wipe\.h"'
	done | no_line '#[ \t]*include[ \t]*"(\.\./|.*agent\.h)'
}

# Who may have what, and what time it is, was decided before.
what_is_issued_follows_from_arguments() {
	mapfile -t files < <(sources userspace/issue)
	code "${files[@]}" |
		without '"\.\./(keys/[a-z0-9_]+|attest/attest)\.h"' |
		no_line '#[ \t]*include[ \t]*"\.\./|<(sys|net|event2|curl)/|\<(time|clock_gettime|gettimeofday|open|fopen|BIO_new_file|socket|getenv) *\('
}

# What a KMS keeps is read without the server, as pure of it as keys are.
rooms_of_a_kms_see_only_keys() {
	mapfile -t files < <(sources userspace/kmsd/state userspace/kmsd/shares)
	code "${files[@]}" |
		without '"\.\./\.\./keys/(epoch|pem|primitives)\.h"' |
		no_line '#[ \t]*include[ \t]*("\.\./|<(event2|curl)/)'
}

# How others are asked is told to it.
quorum_is_above_state_and_shares() {
	mapfile -t files < <(sources userspace/kmsd/quorum)
	code "${files[@]}" |
		without '"\.\./(\.\./keys/primitives|shares/shares|state/(file|state))\.h"' |
		no_line '#[ \t]*include[ \t]*("\.\./|<(event2|curl)/)'
}

# Who may have keys is judged away from the keys, and from who serves them.
who_may_have_keys_is_apart_from_keys() {
	mapfile -t files < <(sources userspace/kmsd/auth)
	code "${files[@]}" |
		without '"\.\./\.\./(app/json|chain/[a-z]+|chain/light/light)\.h"' |
		no_line '#[ \t]*include[ \t]*("\.\./|<(event2|curl)/)'
}

# What an image measures follows from its files: no keys, and nobody to ask.
images_are_apart_from_keys_and_chain() {
	mapfile -t files < <(sources userspace/kmsd/image)
	code "${files[@]}" | without '"\.\./\.\./app/(app|json)\.h"' |
		no_line '#[ \t]*include[ \t]*("\.\./|<event2/)'
}

# What a guest does follows from what it saw: it is judged without looking.
what_follows_is_judged_apart() {
	mapfile -t files < <(find userspace/follow -name 'judge.c' 2>/dev/null)
	test "${#files[@]}" -eq 0 || code "${files[@]}" | without '"follow\.h"' |
		no_line '#[ \t]*include[ \t]*("|<(sys|unistd|time|fcntl|curl))|\<(libdstack|kms|act|record|time|clock_gettime)[a-z_]* *\('
}

contracts_are_above_chain_and_keys() {
	{
		mapfile -t files < <(sources userspace/contract)
		code "${files[@]}" |
			without '"\.\./(chain/(rlp|rpc)|keys/primitives)\.h"'
		mapfile -t files < <(sources userspace/chain)
		code "${files[@]}" | without '"\.\./[a-z]+\.h"'
	} | no_line '#[ \t]*include[ \t]*"\.\./'
}

library_never_prints_or_exits() {
	mapfile -t files < <(sources userspace/lib; sources userspace/verify)
	code "${files[@]}" | no_line \
		'\<(_?exit|abort|v?printf|puts|putchar|perror|errx?|warnx?) *\(|\<std(out|err)\>'
}

bpf_carries_facts_not_policy() {
	mapfile -t files < <(sources bpf)
	code "${files[@]}" | no_line 'BPF_MAP_TYPE|SEC\("\.maps"\)'
}

rules=(
	includes_point_downward
	only_device_touches_user_memory
	only_netlink_touches_messages
	only_kfuncs_touches_bpf
	only_key_touches_keyrings
	only_backend_c_names_backends
	backends_see_only_their_contract
	module_exports_nothing
	versions_are_known_only_in_compat
	no_ifdef_inside_functions
	only_the_library_calls_ioctl
	programs_include_only_the_library
	rooms_of_userspace_are_apart
	what_is_issued_follows_from_arguments
	rooms_of_a_kms_see_only_keys
	quorum_is_above_state_and_shares
	who_may_have_keys_is_apart_from_keys
	images_are_apart_from_keys_and_chain
	what_follows_is_judged_apart
	contracts_are_above_chain_and_keys
	library_never_prints_or_exits
	bpf_carries_facts_not_policy
)

# One line that breaks the rule of that name: file, then text.
broken='
includes_point_downward kmod/log.c #include "measure.h"
includes_point_downward kmod/event.h #include "log.h"
includes_point_downward kmod/netlink.c #include "device.h"
includes_point_downward kmod/backend/sim.c #include "../log.h"
includes_point_downward kmod/lounge.c int lounge;
only_device_touches_user_memory kmod/quote.c void __user *p;
only_netlink_touches_messages kmod/log.c struct sk_buff *skb;
only_kfuncs_touches_bpf kmod/vet.c #include <linux/bpf.h>
only_key_touches_keyrings kmod/quote.c #include <linux/key-type.h>
only_backend_c_names_backends kmod/quote.c dstack_tdx_backend.quote();
backends_see_only_their_contract kmod/backend/tdx.c #include "../policy.h"
module_exports_nothing kmod/vet.c EXPORT_SYMBOL_GPL(dstack_vet);
versions_are_known_only_in_compat kmod/vet.c #ifdef HAVE_VERITY
only_the_library_calls_ioctl userspace/dstackctl/cmd_x.c ioctl(fd, 1);
programs_include_only_the_library userspace/dstackd/main.c #include "lib.h"
rooms_of_userspace_are_apart userspace/rpc/rpc.c #include "../http/http.h"
what_is_issued_follows_from_arguments userspace/issue/sign.c #include "../rpc/rpc.h"
what_is_issued_follows_from_arguments userspace/issue/ca.c now = time(NULL);
rooms_of_a_kms_see_only_keys userspace/kmsd/state/x.c #include "../auth/auth.h"
quorum_is_above_state_and_shares userspace/kmsd/quorum/x.c #include "../../kms/kms.h"
who_may_have_keys_is_apart_from_keys userspace/kmsd/auth/x.c #include "../../keys/epoch.h"
images_are_apart_from_keys_and_chain userspace/kmsd/image/x.c #include "../auth/auth.h"
what_follows_is_judged_apart userspace/follow/judge.c #include "../kms/kms.h"
what_follows_is_judged_apart userspace/follow/judge.c now = time(NULL);
contracts_are_above_chain_and_keys userspace/contract/tx.c #include "../rpc/rpc.h"
contracts_are_above_chain_and_keys userspace/chain/rpc.c #include "../contract/contract.h"
library_never_prints_or_exits userspace/lib/log.c exit(1);
bpf_carries_facts_not_policy bpf/dstack.bpf.c } rules SEC(".maps");
'

clean_is_accepted() {
	local rule
	mkdir -p "$1/kmod"
	printf '%s\n' '/* __user sk_buff EXPORT_SYMBOL */' \
		'#include "event.h" // "main.h"' >"$1/kmod/log.c"
	cd "$1"
	for rule in "${rules[@]}"; do
		"$rule"
	done
}

break_is_caught() {
	local tree=$1 rule=$2 file=$3 text=$4
	mkdir -p "$tree/${file%/*}"
	printf '%s\n' "$text" >"$tree/$file"
	cd "$tree"
	! "$rule"
}

ifdef_is_caught() {
	mkdir -p "$1/kmod"
	printf '%s\n' 'int f(void)' '{' '#ifdef A' '#endif' '}' >"$1/kmod/f.c"
	cd "$1"
	! no_ifdef_inside_functions
}

self_test() {
	local scratch rule file text number=0
	scratch=$(mktemp -d)
	# shellcheck disable=SC2064 # the value of now
	trap "rm -rf '$scratch'" EXIT
	ktap_start
	claim layers_accept_a_clean_tree clean_is_accepted "$scratch/clean"
	claim layers_catch_ifdef_inside_function \
		ifdef_is_caught "$scratch/ifdef"
	while read -r rule file text; do
		test -n "$rule" || continue
		number=$((number + 1))
		claim "layers_catch_break_${number}_of_$rule" break_is_caught \
			"$scratch/$number" "$rule" "$file" "$text"
	done <<<"$broken"
	ktap_finish
}

main() {
	local rule
	case ${1-} in
	--self-test)
		self_test
		return ;;
	-*)
		usage
		exit 2 ;;
	esac
	cd "${1:-$here/..}"
	ktap_start
	for rule in "${rules[@]}"; do
		claim "$rule" "$rule"
	done
	ktap_finish
}

main "$@"
