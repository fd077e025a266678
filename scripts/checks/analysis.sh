# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
#
# What compilers and analysers say.  Part of scripts/run-tests.sh, which
# sets this:
: "${top:?}"

# module_warnings KERNEL: a W=1 build in which every warning is an error.
module_warnings() {
	scripts/build-module.sh "$1" "w1-$1" W=1 KCFLAGS=-Werror
}

# Options of the kernel's build that only gcc has.
gcc_only='-mpreferred-stack-boundary=[0-9]+|-mindirect-branch[a-z=-]*'
gcc_only+='|-fmin-function-alignment=[0-9]+|-fconserve-stack'
gcc_only+='|-fsanitize=bounds-strict|-mrecord-mcount'
gcc_only+='|-fno-allow-store-data-races'

# Each command with which the build in $PWD compiled a file, for clang.
clang_commands() {
	local cmd
	while read -r cmd; do
		sed -n '1s/^savedcmd_[^ ]* := *//p' "$cmd" | sed 's/;.*//' |
			sed -E "s/^[^ ]*gcc[^ ]* /clang-19 /; s/ ($gcc_only)//g
				s/ -Werror / /; s/ -Wp,-MMD,[^ ]*//; s/ -o [^ ]*\.o / /
				s/ -c / -fsyntax-only /"
	done < <(find "$1/kmod" -name '.*.o.cmd' | sort)
}

# clang reads what gcc compiled in module_warnings: the kernels are gcc's, and
# their headers neither support a module that clang builds nor please clang.
module_clang_warnings() {
	local src=$top/build/kmod-w1-$1/src commands output
	# Where the commands were run: beside the module, before 6.13 not yet.
	cd "$src" || return 1
	if grep -q '^savedcmd_/' kmod/.main.o.cmd; then
		cd "/lab/kernel/$1/headers" || return 1
	fi
	commands=$(clang_commands "$src")
	test "$(wc -l <<<"$commands")" -gt 10 || {
		echo "nothing was compiled in $src"
		return 1
	}
	# Warnings that only gcc knows are in the commands as well.
	output=$(while read -r command; do
		eval "$command -Wno-unknown-warning-option \
			-Wno-ignored-optimization-argument" 2>&1 ||
			echo "kmod/:0:0: failed: $command"
	done <<<"$commands")
	no_line '(^|/)(kmod|uapi/linux)/[^ ]*:[0-9]+:[0-9]+: ' <<<"$output"
}

# Lines of the sparse log that are not about us:
# declared: kfuncs are called by BPF only; nobody can declare them
# constant: __MODULE_INFO of 7.x uses what this sparse does not evaluate
sparse_ignored="symbol 'bpf_dstack_[a-z_]*' was not declared"
sparse_ignored+='|: error: bad constant expression'

# -Wno-context: sparse does not follow guard(); lockdep does, at run time.
# KBUILD_CHECKSRC, __typeof_unqual__: kernel 7 refuses this sparse for want of
# that one keyword, through a script that header packages lack.
module_sparse_warnings() {
	local output
	output=$(V='' scripts/build-module.sh "$1" "sparse-$1" C=2 \
		KBUILD_CHECKSRC=2 \
		CF="-Wno-context -D__typeof_unqual__=__typeof__" 2>&1) || {
		echo "$output"
		return 1
	}
	without "$sparse_ignored" <<<"$output" |
		no_line '(kmod|include)/[^ ]*:[0-9]+:[0-9]+: '
}

module_analysis_test() {
	local kernel
	ktap_start
	for kernel in 7 6.12; do
		claim "module_has_no_W1_warnings_on_$kernel" \
			module_warnings "$kernel"
		claim "module_has_no_clang_warnings_on_$kernel" \
			module_clang_warnings "$kernel"
		claim "module_has_no_sparse_warnings_on_$kernel" \
			module_sparse_warnings "$kernel"
	done
	ktap_finish
}

# The build that is there is gcc's; clang has a directory of its own.
builds_with_gcc() {
	make -s -C userspace all chain
}

builds_with_clang() {
	make -s -C userspace BUILD="$top/build/userspace-clang" CC=clang-19 \
		all chain kmsd
}

# Where the analysers find headers; libraries' are not theirs to judge.
user_flags() {
	echo -std=gnu17 -D_GNU_SOURCE -Iuserspace/include -iquoteuserspace/lib \
		-iquoteuserspace/verify -iquotekmod -isystem include/uapi \
		-Iinclude -isystem build/bpf \
		-isystem build/userspace/messages -isystem build/userspace/blst
	pkg-config --cflags libnl-3.0 libnl-genl-3.0 libcrypto jansson yyjson \
		libbpf libelf libarchive devmapper libssl libcurl libcbor tss2-mu \
		msgpack-c libsecp256k1 libevent | sed 's/-I/-isystem/g'
}

# Tests and fuzz targets are left out: analysers do not know that an assertion
# does not return.
user_sources() {
	tracked 'userspace/*.c' ':!userspace/test/*' \
		':!userspace/fuzz/*' kmod/{blob,event,kdf,table,words}.c
}

tidied=${DSTACK_CACHE:-build/check}/tidy

# tidy FILE FLAG...: what passed once is not asked again until it, a header of
# it or the configuration changes.
tidy() {
	local file=$1 key
	shift
	key=$(clang -E "$@" "$file" | cat - .clang-tidy | sha256sum | cut -c1-32)
	test ! -e "$tidied/$key" || return 0
	clang-tidy --quiet "$file" -- "$@" 2>/dev/null || return 1
	touch "$tidied/$key"
}

clang_tidy_is_silent() {
	local flags file bad=0
	mkdir -p "$tidied"
	read -ra flags <<<"$(user_flags | paste -sd ' ')"
	while read -r file; do
		tidy "$file" "${flags[@]}" || bad=1
	done < <(user_sources)
	return "$bad"
}

# Suppressed, for all files:
# missingIncludeSystem	the analyser has no use for the libraries' headers
# checkersReport	a note, not a finding
# normalCheckLevelMaxBranches	the same
# unusedStructMember	members of formats are there to be laid out
# constParameterCallback, constParameterPointer, constVariablePointer
#			callbacks have the type their caller wants; elsewhere
#			const is said where it is a promise to the caller
# variableScope		declarations open their block, as in the kernel
# unmatchedSuppression	one list for every file
cppcheck_is_silent() {
	local files
	mapfile -t files < <(user_sources)
	mkdir -p build/check/cppcheck
	cppcheck --quiet --enable=warning,performance,portability,style \
		--std=c17 --inline-suppr --error-exitcode=1 -j "$(nproc)" \
		--cppcheck-build-dir=build/check/cppcheck \
		--suppress=missingIncludeSystem --suppress=checkersReport \
		--suppress=normalCheckLevelMaxBranches \
		--suppress=unusedStructMember \
		--suppress=constParameterCallback \
		--suppress=constParameterPointer \
		--suppress=constVariablePointer \
		--suppress=variableScope --suppress=unmatchedSuppression \
		-D__x86_64__ -Iuserspace/include -Iuserspace/lib \
		-Iuserspace/verify -Iinclude/uapi -Iinclude "${files[@]}"
}

user_analysis_test() {
	ktap_start
	claim userspace_builds_with_gcc builds_with_gcc
	claim userspace_builds_with_clang builds_with_clang
	claim cppcheck_is_silent cppcheck_is_silent
	claim clang_tidy_is_silent clang_tidy_is_silent
	ktap_finish
}
