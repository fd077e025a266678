# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
#
# How the sources read.  Part of scripts/run-tests.sh, which sets these:
: "${top:?}" "${ksrc:?}"

# tracked GLOB...: files of the tree, new ones included, generated ones not.
tracked() {
	local file
	git ls-files --cached --others --exclude-standard -- "$@" |
		while read -r file; do
			test ! -f "$file" || echo "$file"
		done
}

shell_scripts() {
	local file
	tracked | while read -r file; do
		case $file in
		*.sh)
			echo "$file" ;;
		*)
			if head -n 1 "$file" | grep -aqE '^#!.*\<(ba)?sh\>'; then
				echo "$file"
			fi ;;
		esac
	done
}

#
# checkpatch is law, less the types below.
#

# LONG_LINE_STRING	a message stays in one piece, so that grep finds it
# PREFER_KERNEL_TYPES	pure rooms spell the kernel's types in userspace
kernel_ignored=LONG_LINE_STRING,PREFER_KERNEL_TYPES

# kmod/compat/ is the one place that knows versions, and may look like a range.
compat_ignored=$kernel_ignored,LINUX_VERSION_CODE,CONSTANT_COMPARISON

# Tracepoints have a layout of their own, which checkpatch knows by the name of
# the kernel's directory.
trace_ignored=$kernel_ignored,PARENTHESIS_ALIGNMENT,OPEN_ENDED_LINE

# What is about kernel code only, for the rest of the C sources:
# ALLOC_WITH_SIZEOF, ARRAY_SIZE, BIT_MACRO, PREFER_DEFINED_ATTRIBUTE_MACRO,
# STRCPY, STRNCPY	name the kernel's own; clang-tidy looks at strings
# AVOID_EXTERNS		environ, and what the emulator's header would declare
# CAMELCASE		names of libraries, and of fields of quotes
# CONST_STRUCT		the kernel's list of structures
# EMBEDDED_FUNCTION_NAME functions are named with common words
# FUNCTION_WITHOUT_ARGS	takes X_new() of OpenSSL for a definition; gcc looks
# NEW_TYPEDEFS		what a library's macros declare
# SPLIT_STRING		help texts are one string of many lines
# STATIC_CONST_CHAR_ARRAY argv has the type that execv() wants
user_ignored=$kernel_ignored,ALLOC_WITH_SIZEOF,ARRAY_SIZE,BIT_MACRO
user_ignored+=,PREFER_DEFINED_ATTRIBUTE_MACRO,STRCPY,STRNCPY,AVOID_EXTERNS
user_ignored+=,CAMELCASE,CONST_STRUCT,EMBEDDED_FUNCTION_NAME
user_ignored+=,FUNCTION_WITHOUT_ARGS,NEW_TYPEDEFS,SPLIT_STRING
user_ignored+=,STATIC_CONST_CHAR_ARRAY

# The key under which it is remembered that a file passed.
checkpatch_key() {
	{
		echo "$1"
		cat scripts/checks/typedefs "$ksrc/scripts/checkpatch.pl" "$2"
	} | sha256sum | cut -c1-32
}

# follows_checkpatch IGNORED GLOB...: what passed once is not asked again until
# it changes.
follows_checkpatch() {
	local ignored=$1 file key findings
	local passed=${DSTACK_CACHE:-build/check}/checkpatch
	local files=()
	declare -A keys
	shift
	mkdir -p "$passed"
	while read -r file; do
		key=$passed/$(checkpatch_key "$ignored" "$file")
		test ! -e "$key" || continue
		files+=("$top/$file")
		keys[$file]=$key
	done < <(tracked "$@")
	test "${#files[@]}" != 0 || return 0

	# --no-tree: this is not the kernel's; --strict: CHECK counts too.  Not
	# at the top, where it would leave a cache.
	findings=$(cd build && "$ksrc/scripts/checkpatch.pl" --no-tree \
		--strict --quiet --terse --show-types --no-summary \
		--max-line-length=80 --ignore "$ignored" \
		--typedefsfile "$top/scripts/checks/typedefs" \
		--file "${files[@]}" 2>/dev/null | sed "s,^$top/,,") || true
	for file in "${!keys[@]}"; do
		grep -qF "$file:" <<<"$findings" || touch "${keys[$file]}"
	done
	no_line . <<<"$findings"
}

#
# Licences: COPYING says the same in words.
#

license_of() {
	case $1 in
	kmod/blob.* | kmod/event.* | kmod/kdf.* | kmod/table.* | \
	kmod/words.* | kmod/pure.h)
		echo 'GPL-2.0-only OR MIT' ;;
	kmod/* | bpf/* | Kbuild | dkms.conf)
		echo 'GPL-2.0-only' ;;
	include/uapi/*)
		echo 'GPL-2.0-only WITH Linux-syscall-note' ;;
	tools/tdx-module/* | tools/profile/*)
		echo 'GPL-2.0-or-later' ;;
	Documentation/*)
		echo 'GPL-2.0-only' ;;
	*)
		echo 'MIT' ;;
	esac
}

# Files without comments, and the licences themselves.
has_no_header() {
	case $1 in
	COPYING | LICENSES/* | MAINTAINERS | *.json | *.gitignore)
		return 0 ;;
	# Entries in the kernel's form, which has no place for one.
	Documentation/ABI/*)
		return 0 ;;
	# The generators of the kernel tree want their own tag in a spec.
	Documentation/netlink/specs/*)
		return 0 ;;
	esac
	return 1
}

files_have_their_license() {
	local file wanted found bad=0
	while read -r file; do
		! has_no_header "$file" || continue
		wanted=$(license_of "$file")
		found=$(sed -n '1,3s/.*SPDX-License-Identifier: *//p' "$file" |
			sed 's/ *\(\*\/\|-->\)$//')
		if test "$found" != "$wanted"; then
			echo "$file: SPDX '$found' instead of '$wanted'"
			bad=1
		fi
	done < <(tracked)
	return "$bad"
}

sources_have_the_copyright() {
	local file bad=0
	while read -r file; do
		if ! head -n 12 "$file" | grep -qE \
				'Copyright (\(C\) )?The dstack for Linux authors'; then
			echo "$file: no line 'Copyright The dstack for Linux authors'"
			bad=1
		fi
	done < <(tracked '*.c' '*.h' '*.sh' '*.py' '*.awk' Makefile '*/Makefile')
	return "$bad"
}

#
# Words
#

# Libraries' and the kernel's names that look like mistakes.
spelling_is_right() {
	local files
	mapfile -t files < <(tracked | grep -v '^LICENSES/')
	codespell --ignore-words-list=fo,nd,uptodate "${files[@]}"
}

# Each word with a bracket, so that this file does not have it.
unfinished='\<(T[O]DO|F[I]XME|X[X]X|p[l]aceholder)\>|\<(for|For) [n]ow\>|(not|Not) [i]mplemented'
foreign='(^|[^[:alnum:].])/w[o]rk/|\<c[l]aude\>|a[n]thropic|o[p]enai|c[h]atgpt'

# has_no WORDS: no file does
has_no() {
	local files
	mapfile -t files < <(tracked | grep -v '^LICENSES/')
	! grep -nIE "$1" "${files[@]}"
}

files_are_under_700_lines() {
	local files
	mapfile -t files < <(tracked '*.c' '*.h' '*.sh' '*.py')
	wc -l "${files[@]}" | awk '$2 != "total" && $1 > 700' | no_line .
}

text_has_no_stray_blanks() {
	local files
	mapfile -t files < <(tracked | grep -v '^LICENSES/')
	! grep -nIE '[[:blank:]]+$|'$'\r' "${files[@]}"
}

shellcheck_is_silent() {
	local files
	mapfile -t files < <(shell_scripts)
	shellcheck -x --source-path=SCRIPTDIR:. "${files[@]}"
}

# kernel-doc is a directive of the kernel's own tools.
documents_are_well_formed() {
	local file status=0
	while IFS= read -r file; do
		sed '/^\.\. kernel-doc::/,/^$/d' "$file" |
			rst2html --report=2 --halt=2 - /dev/null 2>&1 |
			sed "s|^<stdin>|$file|" | no_line . || status=1
	done < <(tracked '*.rst')
	return "$status"
}

python_compiles() {
	local file bad=0
	while read -r file; do
		python3 -W error -c \
			'import sys; compile(open(sys.argv[1]).read(), *sys.argv[1:], "exec")' \
			"$file" || bad=1
	done < <(tracked '*.py')
	return "$bad"
}

# Units are read as systemd reads them, with all that they name.
units_are_well_formed() {
	local root=build/check/units file from=/usr/lib/systemd/system
	local units=() others=(basic.target local-fs.target multi-user.target
		network-online.target shutdown.target sysinit.target
		modprobe@.service)
	rm -rf "$root"
	mkdir -p "$root$from"
	ln -s usr/lib "$root/lib"
	for file in "${others[@]}"; do
		cp "$from/$file" "$root$from/"
	done
	for file in userspace/systemd/*.service; do
		cp "$file" "$root$from/"
		units+=("${file##*/}")
	done
	sed -n 's/^Exec[A-Za-z]*=\([^ ]*\).*/\1/p' userspace/systemd/* |
		sort -u | while read -r file; do
		install -D /bin/true "$root$file"
	done
	systemd-analyze --root="$root" --man=no verify "${units[@]}" 2>&1 |
		no_line .
}

# Of 100, by systemd's own count: what is there to be had by who breaks in.
servers_are_confined() {
	local unit
	for unit in dstackd dstack-agent dstack-kms; do
		systemd-analyze --offline=true --threshold=30 security \
			"userspace/systemd/$unit.service" >/dev/null || return
	done
}

# Under 73 columns, "room: subject"; what was checked out without its history
# has nothing to check.
commit_subjects_are_short() {
	git rev-parse -q --verify HEAD >/dev/null || return 0
	git log --no-merges --format=%s |
		awk 'length > 72 || !/^[^ ].*: [^ ]/' | no_line .
}

versions_agree() {
	local version
	version=$(sed -n 's/^PACKAGE_VERSION="\(.*\)"/\1/p' dkms.conf)
	grep -q "^## $version " NEWS.md || {
		echo "NEWS.md has no heading for $version of dkms.conf"
		return 1
	}
	grep -qF "MODULE_VERSION(\"$version\")" kmod/main.c || {
		echo "kmod/main.c has another MODULE_VERSION than dkms.conf"
		return 1
	}
	grep -qP "AGENT_VERSION\t+\"$version\"" userspace/agent/agent.h || {
		echo "userspace/agent/agent.h has another AGENT_VERSION"
		return 1
	}
}

maintainers_patterns_match() {
	local pattern patterns bad=0
	mapfile -t patterns < <(sed -n 's/^F:[[:space:]]*//p' MAINTAINERS)
	for pattern in "${patterns[@]}"; do
		if test -z "$(compgen -G "$pattern")"; then
			echo "MAINTAINERS: no file matches $pattern"
			bad=1
		fi
	done
	return "$bad"
}

style_test() {
	ktap_start
	claim module_and_abi_follow_checkpatch follows_checkpatch \
		"$kernel_ignored" 'kmod/*.[ch]' ':!kmod/compat/*' \
		':!kmod/trace/dstack.h' 'bpf/*.[ch]' 'include/*.h'
	claim tracepoints_follow_checkpatch follows_checkpatch \
		"$trace_ignored" kmod/trace/dstack.h
	claim compat_follows_checkpatch follows_checkpatch \
		"$compat_ignored" 'kmod/compat/*.[ch]'
	claim userspace_follows_checkpatch follows_checkpatch \
		"$user_ignored" 'userspace/*.[ch]' 'selftests/*.[ch]' \
		'tools/*.[ch]' 'scripts/*.[ch]'
	claim files_have_their_license files_have_their_license
	claim sources_have_the_copyright sources_have_the_copyright
	claim shellcheck_is_silent shellcheck_is_silent
	claim documents_are_well_formed documents_are_well_formed
	claim python_compiles python_compiles
	claim spelling_is_right spelling_is_right
	claim nothing_is_unfinished has_no "$unfinished"
	claim tree_speaks_of_itself_alone has_no "$foreign"
	claim files_are_under_700_lines files_are_under_700_lines
	claim text_has_no_stray_blanks text_has_no_stray_blanks
	claim versions_agree versions_agree
	claim units_are_well_formed units_are_well_formed
	claim servers_are_confined servers_are_confined
	claim maintainers_patterns_match maintainers_patterns_match
	claim commit_subjects_are_short commit_subjects_are_short
	ktap_finish
}

layers_test() {
	scripts/check-layers.sh
	scripts/check-layers.sh --self-test
}
