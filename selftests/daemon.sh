# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
#
# What the tests of dstackd share, besides lib.sh.  "begin_daemon NAME" is
# begin, with a program that may run ($good), one that may not ($bad), and what
# status says of hooks that are held ($all_hooks).
# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

pid_file=/run/dstack/dstackd.pid

begin_daemon() {
	begin "$1"
	export all_hooks
	all_hooks=$(hooks)
	good=$work/good bad=$work/bad
	variant "$good"
	variant "$bad"
	policy "$good"
	container
	state enforce
}

gone() {
	! kill -0 "$1" 2>/dev/null
}

# down SIGNAL: until it is gone.
down() {
	local pid
	pid=$(<"$pid_file")
	kill "-$1" "$pid"
	eventually gone "$pid"
}

up() {
	dstackd --daemonize 2>&1
}

# Lines of the file and events of the kernel, both replayed to the register.
file_replays() {
	local count base register
	settle
	read -r count base register < <(dstackctl status --json |
		jq -r '"\(.log_count) \(.base) \(.register)"')
	is "$(wc -l <"$log")" "$count" &&
		dstackctl replay "$log" --base "$base" --expect "$register"
}

hooks() {
	dstackctl status --json | jq -c .hooks
}

#
# In the foreground, with a service manager that listens
#

# manage SOCKET: until the test ends; what it hears is in $work/heard.
manage() {
	socket=$1
	: >"$work/heard"
	"$tests/prog_notify" "$socket" >>"$work/heard" &
	manager=$!
	trap end_manage EXIT
	eventually heard listening
}

end_manage() {
	kill "$manager"
	if ! test -e "$pid_file" || gone "$(<"$pid_file")"; then
		dstackd --daemonize
	fi
	end
}

# heard PATTERN, said PATTERN: by the manager, by dstackd; quick and silent.
heard() {
	matches "$1" <"$work/heard"
}

said() {
	matches "$1" <"$work/said"
}

matches() {
	local line
	while IFS= read -r line; do
		[[ ! $line =~ $1 ]] || return 0
	done
	return 1
}

# From here on only what is said and heard from now on counts.
hush() {
	: >"$work/said"
	: >"$work/heard"
}

# serve [VARIABLE=VALUE]... -- [OPTION]...: until it is ready.
serve() {
	local variables=(NOTIFY_SOCKET="$socket")
	while test "$1" != --; do
		variables+=("$1")
		shift
	done
	shift
	hush
	env "${variables[@]}" dstackd --log "$log" "$@" \
		>/dev/null 2>>"$work/said" &
	disown
	eventually heard '(^| )READY=1'
}

# How often it was said that it is ready.
readies() {
	local line count=0
	while IFS= read -r line; do
		[[ " $line" != *' READY=1'* ]] || count=$((count + 1))
	done <"$work/heard"
	echo "$count"
}

readies_are() {
	test "$(readies)" -ge "$1"
}

# reload: until that is done.
reload() {
	local before
	before=$(readies)
	kill -HUP "$(<"$pid_file")"
	eventually readies_are $((before + 1))
}

events_waiting() {
	dstackctl status --json | jq '.log_count - .log_acked'
}

#
# Another disk, and what becomes of it
#

expect_message() {
	echo "$1" >>"${EXPECTED_MESSAGES:-/dev/null}"
}

# move_to DIRECTORY: has dstackd, watched, keep the log there.
move_to() {
	local new=$1/${log##*/}
	down TERM
	test "$log" = "$new" || cp "$log" "$new"
	log=$new
	serve WATCHDOG_USEC=100000 --
}

# programs_run: one more event.
programs_run() {
	is "$(run "$good")" hello
}

# fails PATTERN: the next event cannot be stored, and that is told.
fails() {
	programs_run && eventually said "can't store events in '$log': $1" &&
		eventually heard "^STATUS=Can't store events in $log: $1"
}

waits() {
	local waiting
	waiting=$(events_waiting)
	test "$waiting" -ge "$1" || {
		echo "$waiting events wait"
		return 1
	}
}

is_alive() {
	: >"$work/heard"
	eventually heard '^WATCHDOG=1$' && : >"$work/heard" &&
		eventually heard '^WATCHDOG=1$'
}

# goes_on: nothing was lost, and it was said once that it failed, once that
# it works.  SIGHUP spares the wait for the next attempt.
goes_on() {
	reload
	eventually said "events are stored in '$log' again" && file_replays &&
		has "$(<"$work/said")" "can't store" 1 &&
		has "$(<"$work/said")" 'stored in .* again' 1 &&
		eventually heard "^STATUS=Storing events in $log"
}

# What is left of the last page takes some events.
fill() {
	local i
	for ((i = 0; i < 50; i++)); do
		programs_run && settle_or_full || return
		! said "can't store" || return 0
	done
}
settle_or_full() {
	eventually stored_or_full
}
stored_or_full() {
	said "can't store" || test "$(events_waiting)" = 0
}
