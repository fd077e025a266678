// SPDX-License-Identifier: MIT
// Copyright The dstack for Linux authors
//
// In a container: asks for a key, again and again, and says when the answer is
// another.  key.mjs SOCKET
import { request } from "node:http";
import { setTimeout } from "node:timers/promises";

const ask = () => new Promise((resolve) => {
	const call = request({
		socketPath: process.argv[2], path: "/v1/GetKey", method: "POST",
		headers: { "Content-Type": "application/json" },
	}, (answer) => {
		answer.resume();
		answer.on("end", () => resolve(answer.statusCode === 200
			? "given" : "refused"));
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
