#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
#
# Attack 27: what is opened, written and truncated through io_uring is seen as
# by system calls.
# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

begin attack_uring
uring=$tests/prog_uring program=$work/program
variant "$program"
policy "$program"
container
state enforce

# hold: open for writing from now on; until let_go.
hold() {
	coproc { exec "$uring" hold "$program" 2>&1; }
	holder=$COPROC_PID
	to=${COPROC[1]} from=${COPROC[0]}
	read -r held <&"$from"
}
let_go() {
	exec {to}>&- {from}<&-
	wait "$holder"
}

mark
claim attack_27_program_runs_before is "$(run "$program")" hello
hold
claim attack_27_it_is_held_open is "$held" worked
claim attack_27_program_held_open_does_not_run is "$(run "$program")" ETXTBSY
let_go
claim attack_27_it_runs_once_it_is_closed is "$(run "$program")" hello
claim attack_27_it_is_written is "$("$uring" write "$program" $'\x7fELX')" worked
claim attack_27_written_program_is_denied is "$(run "$program")" EACCES
claim attack_27_it_is_mended is "$("$uring" write "$program" $'\x7fELF')" worked
claim attack_27_mended_program_runs is "$(run "$program")" hello
claim attack_27_it_is_truncated is "$("$uring" truncate "$program")" worked
claim attack_27_truncated_program_is_denied is "$(run "$program")" EACCES
claim attack_27_denials_are_recorded has "$(events)" \
	"dstack.deny id=$id kind=exec .* reason=unknown-digest count=1 " 2
claim register_is_replayed quote_is_replayed

finish
