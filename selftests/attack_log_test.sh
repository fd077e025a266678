#!/bin/bash
# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
#
# A log that is not the one of the quote: what a verifier says about it.
# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

begin attack_log
good=$work/good bad=$work/bad
variant "$good"
variant "$bad"
policy "$good"
container
state enforce
mark
run "$good" >/dev/null
run "$bad" >/dev/null
run "$good" >/dev/null
settle
dstackctl quote --report-data 6e6f6e6365 --out "$work/quote" >/dev/null
run "$good" >/dev/null
settle
cp "$log" "$work/log"
# The lines of this test's first events: an exec, a denial, an exec.
exec=$((marked + $(dstackctl log --from "$marked" |
	grep -n -m 1 'dstack\.exec' | cut -d : -f 1)))
deny=$((exec + 1))

# What the runner brings: the root and the collateral of the emulated platform.
trust=(--root /copy/root.pem)
if test "${DSTACK_BACKEND-}" = sim; then
	trust=(--insecure-sim)
elif ! test -e /copy/root.pem; then
	trust=()
fi

verify() {
	test "${#trust[@]}" != 0 ||
		skip "no /copy/root.pem to verify quotes of backend tdx" || return
	dstackctl verify quote "$work/quote" --report-data 6e6f6e6365 \
		--log "$1" "${trust[@]}" "${@:2}" 2>&1
}

# refused REASON LOG [OPTION...]: by the verifier, with this reason.
refused() {
	local output status=0
	output=$(verify "${@:2}") || status=$?
	test "$status" != 4 || skip "$output" || return
	is "$status" 1 && has "$output" "$1"
}

# forge FILTER: a log whose denial is changed by jq, with a digest that fits.
forge() {
	sed -n "${deny}p" "$work/log" | jq -c "$1" >"$work/event"
	event_digest "$work/event" >"$work/digest"
	jq -c --rawfile digest "$work/digest" '.digest = $digest' \
		"$work/event" >"$work/line"
	sed -e "${deny}r $work/line" -e "${deny}d" "$work/log"
}

# SHA-384(le32(0x08000001) ":" name ":" payload)
event_digest() {
	{
		printf '\001\000\000\010:%s:' "$(jq -r .event "$1")"
		jq -r .event_payload "$1" | tr a-f A-F | basenc --base16 -d
	} | sha384sum | cut -c -96 | tr -d '\n'
}

hex() {
	printf %s "$1" | basenc --base16 -w 0 | tr A-F a-f
}

claim attack_43_untouched_log_is_accepted verify "$work/log"
claim attack_43_events_after_the_quote_do_not_matter \
	verify <(sed '$d' "$work/log")

changed=$(hex "$bad") other=$(hex "${bad%bad}dab")
sed "${deny}s/$changed/$other/" "$work/log" >"$work/changed"
claim attack_43_changed_payload_refused \
	refused "event $((deny - 1)) .'dstack.deny'. was changed" "$work/changed"

forge '.event = "dstack.exec"' >"$work/renamed"
claim attack_43_changed_name_with_fitting_digest_refused \
	refused 'an event is missing, added, out of order' "$work/renamed"

forge ".event_payload |= sub(\"$(hex unknown-digest)\"; \"$(hex approved)\")" \
	>"$work/forged"
claim attack_43_changed_payload_with_fitting_digest_refused \
	refused 'an event is missing, added, out of order' "$work/forged"

sed "${deny}d" "$work/log" >"$work/dropped"
claim attack_43_dropped_event_refused \
	refused 'an event is missing, added, out of order' "$work/dropped"

sed "${deny}{h;d};$((deny + 1)){G}" "$work/log" >"$work/reordered"
claim attack_43_reordered_events_refused \
	refused 'an event is missing, added, out of order' "$work/reordered"

sed "${deny}p" "$work/log" >"$work/duplicated"
claim attack_43_duplicated_event_refused \
	refused 'an event is missing, added, out of order' "$work/duplicated"

head -n "$deny" "$work/log" >"$work/truncated"
claim attack_43_truncated_log_refused \
	refused 'the log ends before the quote was made' "$work/truncated"

sed "1,${exec}d" "$work/log" >"$work/beheaded"
claim attack_43_log_without_its_beginning_refused \
	refused 'the log starts after something else|an event is missing, added' \
	"$work/beheaded"

sed "${exec}s/.*/{}/" "$work/log" >"$work/garbage"
claim attack_43_line_that_is_no_event_refused \
	refused "log entry $exec: imr, event_type, digest, event or event_payload is missing" \
	"$work/garbage"

claim attack_48_quote_for_other_report_data_refused \
	refused 'made for somebody else, or is replayed' "$work/log" \
	--report-data 6e6f7065

finish
