// SPDX-License-Identifier: MIT
// Copyright The dstack for Linux authors
//
// What an application gets of an enclave, by upstream's formulas and in another
// language than ours: local_key.mjs SEED LOG MRTD RTMR0 RTMR1 RTMR2, each register
// as hex digits.  The key is made of register 3 as it is after "boot-mr-done".
import { createHash, hkdfSync } from "node:crypto";
import { readFileSync } from "node:fs";

const sha = (name, ...parts) => parts.reduce((hash, part) => hash.update(part),
	createHash(name)).digest();
const [seed, log, ...registers] = process.argv.slice(2);

let register = Buffer.alloc(48);
for (const line of readFileSync(log, "utf8").trimEnd().split("\n")) {
	const entry = JSON.parse(line);
	register = sha("sha384", register, Buffer.from(entry.digest, "hex"));
	if (entry.event === "boot-mr-done")
		break;
}
const key = sha("sha256", sha("sha256", seed).subarray(0, 16),
	...registers.map((hex) => Buffer.from(hex, "hex")), register);
console.log(Buffer.from(hkdfSync("sha256", key, "RATLS", "app-k256-key", 32))
	.toString("hex"));
