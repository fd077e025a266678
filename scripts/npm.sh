#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
#
# Prints a directory whose node_modules holds the packages of a directory of the
# tree, that of $1 or else scripts/npm, at the versions and with the hashes of
# its lock file.  Runs in the lab; kept in the cache under a content key.
set -euo pipefail

here=$(cd "${1:-$(dirname "${BASH_SOURCE[0]}")/npm}" && pwd -P)
cache=${DSTACK_CACHE:?run this through scripts/lab.sh}
key=$(cat "$here"/package*.json | sha256sum | cut -c1-16)
dir=$cache/npm-$key

exec {lock}>"$cache/npm.lock"
flock "$lock"
if ! test -d "$dir"; then
	rm -rf "$cache"/npm-*.new
	mkdir "$dir.new"
	cp "$here"/package*.json "$dir.new"
	# Nothing of theirs runs while it is installed.
	npm ci --ignore-scripts --no-audit --no-fund --cache "$dir.new/.cache" \
		--prefix "$dir.new" >"$cache/npm.log" 2>&1 || {
		tail -n 20 "$cache/npm.log" >&2
		echo "npm: can't install, see $cache/npm.log" >&2
		exit 1
	}
	rm -rf "$dir.new/.cache"
	mv "$dir.new" "$dir"
fi
echo "$dir"
