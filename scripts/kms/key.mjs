// SPDX-License-Identifier: MIT
// Copyright The dstack for Linux authors
//
// In a container: asks for a key, again and again, and says when the answer is
// another.  key.mjs SOCKET
import { createHash } from "node:crypto";
import { request } from "node:http";
import { setTimeout } from "node:timers/promises";

// Which one it is tells nothing of it.
const name = (key) =>
	createHash("sha256").update(key).digest("hex").slice(0, 8);

const ask = () => new Promise((resolve) => {
	const call = request({
		socketPath: process.argv[2], path: "/v1/GetKey", method: "POST",
		headers: { "Content-Type": "application/json" },
	}, (answer) => {
		let text = "";

		answer.on("data", (part) => { text += part; });
		answer.on("end", () => resolve(answer.statusCode === 200
			? `given, ${name(JSON.parse(text).key)}` : "refused"));
	});

	call.on("error", () => resolve("not to be asked for"));
	call.end(JSON.stringify({ domain: "a", algorithm: "secp256k1" }));
});

let last = "";

for (;;) {
	const now = await ask();

	if (now !== last)
		console.log(`key: ${now}`);
	last = now;
	await setTimeout(200);
}
