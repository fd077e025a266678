// SPDX-License-Identifier: MIT
// Copyright The dstack for Linux authors
//
// A server of a beacon chain that has one checkpoint, and one update after it, of
// Ethereum's own: light.mjs DIRECTORY.  Each path that is asked for is a line.
import { readFileSync } from "node:fs";
import { createServer } from "node:http";

const file = (name) => readFileSync(`${process.argv[2]}/${name}`);
const bootstrap = file("bootstrap-deneb.ssz");
const update = file("update-1421-deneb.ssz");

createServer((request, answer) => {
	const path = request.url.replace("/eth/v1/beacon/light_client/", "");

	console.log(path);
	if (path.startsWith("bootstrap/0xd9717ecc"))
		answer.end(bootstrap);
	else if (path.startsWith("updates?start_period=1421"))
		answer.end(update);
	else
		answer.writeHead(path.startsWith("updates") ? 200 : 404).end();
}).listen(9001, "127.0.0.1");
