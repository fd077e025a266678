# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
#
# The ABI: one header for C, C++, 64 and 32 bits, and a netlink specification
# that says the same.  Part of scripts/run-tests.sh, which sets these:
: "${top:?}" "${ksrc:?}"

abi=include/uapi/linux/dstack.h
abi_genl=include/uapi/linux/dstack_genl.h
spec=Documentation/netlink/specs/dstack.yaml

abi_compiles() {
	echo '#include <linux/dstack.h>' |
		"$@" -isystem /usr/include/x86_64-linux-gnu -Iinclude/uapi \
			-Wall -Wextra -Werror -fsyntax-only -
}

# "struct member" of every member in the header.
abi_members() {
	awk '
	/^struct [a-z_]+ \{/ { name = $2; next }
	/^\}/ { name = "" }
	name && /;/ {
		sub(/;.*/, "")
		member = $NF
		sub(/\[.*/, "", member)
		print name, member
	}' "$abi"
}

# The layout for 64 bits, as assertions that a program prints.
abi_layout() {
	{
		printf '#include <linux/dstack.h>\n#include <stddef.h>\n'
		printf '#include <stdio.h>\n'
		printf '#define SAY(expr) printf("_Static_assert(%%s == %%zu,'
		printf ' \\"%%s\\");\\n", #expr, (size_t)(expr), #expr);\n'
		printf 'int main(void) {\n'
		abi_members | sed 's/\(.*\) \(.*\)/SAY(offsetof(struct \1, \2))/'
		abi_members | sed 's/ .*//; s/.*/SAY(sizeof(struct &))/' | uniq
		printf 'return 0; }\n'
	} >build/check/layout.c
	gcc -Iinclude/uapi -o build/check/layout build/check/layout.c
	build/check/layout
}

layout_is_the_same_in_32_bits() {
	{
		printf '#include <linux/dstack.h>\n#include <stddef.h>\n'
		abi_layout
	} >build/check/layout32.c
	# More than one line for each structure, or the header was not read.
	test "$(grep -c Static_assert build/check/layout32.c)" -gt 30
	gcc -m32 -ffreestanding -isystem /usr/include/x86_64-linux-gnu \
		-Iinclude/uapi -fsyntax-only build/check/layout32.c
}

structures_have_no_holes() {
	echo '#include <linux/dstack.h>' |
		gcc -Wpadded -Werror -Iinclude/uapi -fsyntax-only \
			-include include/uapi/linux/dstack.h -x c -
}

members_have_fixed_widths() {
	awk '/^struct/, /^}/' "$abi" |
		without '^(struct .*|}.*|	(__[usle0-9]+|__aligned_u64|struct dstack_digest) .*;)$' |
		no_line .
}

# What an ioctl takes is what has a size of ABI 1.
ioctl_structures_begin_with_size() {
	awk '
	/^struct [a-z_]+ \{/ {
		name = $2
		getline first[name]
	}
	/^#define DSTACK_[A-Z_]+_SIZE_VER0/ {
		name = tolower(substr($2, 1, length($2) - length("_SIZE_VER0")))
		if (first[name] != "\t__u32 size;")
			print name ": " first[name]
		count++
	}
	END {
		if (count < 5)
			print "only " count " structures"
	}' "$abi" | no_line .
}

spec_is_valid() {
	test -f "$spec" || { echo "no $spec"; return 4; }
	python3 - "$ksrc" "$spec" <<'PYTHON'
import sys
import jsonschema
import yaml
ksrc, spec = sys.argv[1:]
spec = yaml.safe_load(open(spec))
name = spec.get("protocol", "genetlink")
schema = yaml.safe_load(open(f"{ksrc}/Documentation/netlink/{name}.yaml"))
jsonschema.validate(spec, schema)
PYTHON
}

# header_values HEADER <NAMES: each name with the value it has there.
header_values() {
	{
		printf '#include "%s"\n#include <stdio.h>\n' "$1"
		printf 'int main(void) {\n'
		sed 's/.*/printf("& %d\\n", (int)&);/'
		printf 'return 0; }\n'
	} >build/check/values.c
	gcc -w -Iinclude/uapi -o build/check/values build/check/values.c &&
		build/check/values
}

spec_numbers_are_those_of_the_header() {
	local names
	test -f "$spec" || { echo "no $spec"; return 4; }
	# The generator looks for the schema where a kernel tree has it.
	mkdir -p build/check/netlink/specs
	cp "$ksrc"/Documentation/netlink/*.yaml build/check/netlink/
	cp "$spec" build/check/netlink/specs/
	python3 "$ksrc/tools/net/ynl/pyynl/ynl_gen_c.py" --mode uapi --header \
		--spec build/check/netlink/specs/dstack.yaml \
		-o build/check/generated.h || return 1
	names=$(grep -ohE '\<DSTACK_(CMD|A)_[A-Z0-9_]+\>' "$abi_genl" |
		grep -vE 'UNSPEC|_MAX$' | sort -u)
	test "$(wc -l <<<"$names")" -gt 20 || return 1
	header_values "$top/$abi" <<<"$names" >build/check/values.abi
	header_values "$top/build/check/generated.h" <<<"$names" \
		>build/check/values.spec
	diff build/check/values.abi build/check/values.spec
}

# Functions and data that programs which link the library can collide with.
library_symbols_are_prefixed() {
	nm --defined-only --extern-only -A build/userspace/libdstack.a \
		build/userspace/libdstack_verify.a |
		awk 'NF > 1 { print $NF }' | without '^(lib)?dstack_' | no_line .
}

# The shared libraries give their users what the headers declare, and no more.
shared_symbols_are_the_headers() {
	nm -D --defined-only build/userspace/libdstack.so \
		build/userspace/libdstack_verify.so |
		sed -n 's/.* T \(.*\)@@LIBDSTACK_\(VERIFY_\)\?0$/\1/p' | sort \
		>build/check/symbols.exported
	grep -ohE '\<libdstack_[a-z0-9_]+\(' userspace/include/*.h |
		tr -d '(' | sort -u >build/check/symbols.declared
	test "$(wc -l <build/check/symbols.declared)" -gt 150 || return 1
	diff build/check/symbols.declared build/check/symbols.exported
}

# builds_example shared|archives: examples/verify.c with what `make install`
# gives, and what its pkg-config files say.
builds_example() {
	local flags private
	local -x PKG_CONFIG_PATH=$top/build/check/prefix/lib/pkgconfig
	make -s -C userspace install DESTDIR= PREFIX="$top/build/check/prefix" ||
		return 1
	private=$(pkg-config --print-requires-private libdstack{_verify,})
	flags=$(pkg-config --cflags --libs libdstack_verify)
	test "$1" = shared ||
		flags=$(xargs pkg-config --cflags --libs libdstack_verify \
			<<<"$private" | sed 's/-l\(dstack[a-z_]*\)/-l:lib\1.a/g')
	# shellcheck disable=SC2086 # its words are words
	gcc -Wall -Wextra -Werror -o "build/check/example.$1" \
		userspace/examples/verify.c $flags
}

# example_says WANTED QUOTE COLLATERAL TIME, of the quotes that are genuine.
example_says() {
	local dcap=${DSTACK_VECTORS-}/dcap said
	test -d "$dcap" || { echo "no quotes in DSTACK_VECTORS"; return 4; }
	said=$(LD_LIBRARY_PATH=build/check/prefix/lib build/check/example.shared \
		"$dcap/quotes/$2" "$dcap/collateral/$3" "$(date -d "$4" +%s)" ||
		echo "status $?")
	echo "$said"
	# shellcheck disable=SC2053 # a pattern
	[[ $said == $1 ]]
}

# The block of that language in policy.rst, of which there is one.
policy_block() {
	awk -v start=".. code-block:: $1" '
	$0 == start { block = 1; next }
	block && /^[^ ]/ { exit }
	block { sub(/^  /, ""); print }' Documentation/userspace-api/policy.rst
}

policy_root_is_what_the_document_computes() {
	local stated computed shown
	policy_block json >build/check/policy.json
	policy_block python >build/check/policy_root.py
	stated=$(sed -n 's/^has the root ..\([0-9a-f]\{64\}\).*/\1/p' \
		Documentation/userspace-api/policy.rst)
	computed=$(python3 build/check/policy_root.py <build/check/policy.json)
	shown=$(build/userspace/dstackctl policy show build/check/policy.json |
		sed -n 's/^root  *sha256://p')
	echo "stated $stated, computed $computed, shown $shown"
	test -n "$stated" && test "$stated" = "$computed" &&
		test "$stated" = "$shown"
}

# policy_validates FILTER: the example, changed by jq, against the schema.
policy_validates() {
	jq "$1" build/check/policy.json >build/check/changed.json
	python3 - Documentation/userspace-api/policy.schema.json \
		build/check/changed.json <<'PYTHON'
import json
import sys

import jsonschema

schema, policy = (json.load(open(name)) for name in sys.argv[1:])
try:
    jsonschema.validate(policy, schema)
except jsonschema.ValidationError as error:
    sys.exit(error.message)
PYTHON
}

terms='{"memory": "allow", "revoked": "freeze",
	"storage": {"exec": ["disk", "fs-verity"], "kernel": []},
	"trust": {"exec": ["fs-verity"]}}'

# What the library refuses, but for what no schema can say.
schema_says_what_the_library_does() {
	local change
	policy_validates . || return
	policy_validates ".containers.web += $terms" || return
	build/userspace/dstackctl policy show build/check/changed.json ||
		return
	for change in '{memory: true}' '{revoked: "stop"}' '{more: 1}' \
		'{storage: {exec: ["untrusted"]}}' '{storage: {read: []}}' \
		'{trust: {map: ["disk", "disk"]}}' \
		'{allow: [{digest: "sha256:00", kinds: ["exec"]}]}'; do
		policy_validates ".containers.web += $change" && return 1
		build/userspace/dstackctl policy show \
			build/check/changed.json 2>&1 && return 1
	done
	return 0
}

abi_test() {
	make -s userspace
	ktap_start
	claim abi_compiles_as_c90 abi_compiles gcc -std=c90 -x c
	claim abi_compiles_as_c17 abi_compiles clang -std=c17 -x c
	claim abi_compiles_as_cxx abi_compiles g++ -std=c++11 -x c++
	claim abi_compiles_in_32_bits \
		abi_compiles gcc -m32 -ffreestanding -std=c90 -x c
	claim layout_is_the_same_in_32_bits layout_is_the_same_in_32_bits
	claim structures_have_no_holes structures_have_no_holes
	claim members_have_fixed_widths members_have_fixed_widths
	claim ioctl_structures_begin_with_size ioctl_structures_begin_with_size
	claim netlink_spec_is_valid spec_is_valid
	claim netlink_spec_has_the_headers_numbers \
		spec_numbers_are_those_of_the_header
	claim library_symbols_are_prefixed library_symbols_are_prefixed
	claim shared_libraries_export_what_headers_declare \
		shared_symbols_are_the_headers
	claim example_builds_with_installed_archives \
		builds_example archives
	claim example_builds_with_installed_shared_libraries \
		builds_example shared
	claim example_accepts_a_genuine_quote example_says 'genuine, *' \
		tdx4-90c06f-dstack-report.bin 90c06f-2026-02.json \
		2026-02-18T11:58:51Z
	claim example_refuses_a_platform_that_is_out_of_date \
		example_says $'refused: *\nstatus 1' \
		tdx4-00806f05-automata.bin 00806f05-2025-07.json \
		2025-07-07T10:20:26Z
	claim policy_root_is_what_the_document_computes \
		policy_root_is_what_the_document_computes
	claim policy_schema_says_what_the_library_does \
		schema_says_what_the_library_does
	ktap_finish
}
