// SPDX-License-Identifier: MIT
// Copyright The dstack for Linux authors
//
// Upstream's rules for who a guest is, in another language than ours:
// replay.mjs TCB-INFO.  Prints RTMR3 as its events give it, and what counts of
// each name, a line each: the first, and none that follows "system-ready".
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";

const EVENT_TYPE = 0x08000001;
const info = JSON.parse(readFileSync(process.argv[2]));
const first = new Map();
let register = Buffer.alloc(48);
let ready = false;

// The digest in the log is not believed.
function digest({ event, event_payload }) {
	const type = Buffer.alloc(4);
	type.writeUInt32LE(EVENT_TYPE);
	return createHash("sha384").update(type).update(":").update(event)
		.update(":").update(Buffer.from(event_payload, "hex")).digest();
}

for (const entry of info.event_log) {
	if (entry.imr !== 3)
		continue;
	if (entry.event_type !== EVENT_TYPE)
		throw new Error(`an event of type ${entry.event_type}`);
	register = createHash("sha384").update(register).update(digest(entry))
		.digest();
	if (!ready && !first.has(entry.event))
		first.set(entry.event, entry.event_payload);
	ready ||= entry.event === "system-ready";
}
console.log(`rtmr3=${register.toString("hex")}`);
for (const [name, payload] of first)
	console.log(`${name}=${payload}`);
