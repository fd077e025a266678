// SPDX-License-Identifier: MIT
// Copyright The dstack for Linux authors
//
// registry.mjs BLOBS PORT FILE: a registry that has the blobs of an OCI image
// layout.  What it does wrong depends on the repository: app/wrong has
// manifests of other bytes, app/cut has layers that end halfway, and app/web
// never ends the first layer that it is asked for.  FILE is made when it serves,
// and FILE.half when that half layer is under way.
import { readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";

const [blobs, port, ready] = process.argv.slice(2);
const type = "application/vnd.oci.image.manifest.v1+json";
let begun = false;

const server = createServer((request, response) => {
	const [, repository, kind, hex] = request.url.match(
		/^\/v2\/app\/(\w+)\/(manifests|blobs)\/sha256:([0-9a-f]{64})$/)
		?? [];
	if (!hex) {
		response.writeHead(request.url === "/v2/" ? 200 : 404);
		return response.end();
	}
	let data = readFileSync(`${blobs}/${hex}`);
	const layer = kind === "blobs" && data[0] !== 0x7b;
	if (kind === "manifests" && repository === "wrong")
		data = Buffer.concat([data, Buffer.from(" ")]);
	if (layer && repository === "cut")
		data = data.subarray(0, data.length / 2);
	response.writeHead(200, {
		"Content-Type": kind === "blobs" ? "application/octet-stream"
			: type,
		"Content-Length": data.length,
	});
	if (request.method === "HEAD")
		return response.end();
	if (layer && repository === "web" && !begun) {
		begun = true;
		return response.write(data.subarray(0, data.length / 2),
			() => writeFileSync(`${ready}.half`, ""));
	}
	return response.end(data);
});

server.listen(port, "127.0.0.1", () => writeFileSync(ready, ""));
