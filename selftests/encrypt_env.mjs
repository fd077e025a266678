// SPDX-License-Identifier: MIT
// Copyright The dstack for Linux authors
//
// Whoever deploys an application, in another language than ours: encrypt_env.mjs
// PUBLIC-KEY OUT NAME=VALUE... encrypts an environment as upstream's tools do, to
// a KMS's X25519 key in hex.
import { createCipheriv, createPublicKey, diffieHellman, generateKeyPairSync,
	randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";

const [key, out, ...variables] = process.argv.slice(2);
const env = variables.map((text) => {
	const at = text.indexOf("=");
	return { key: text.slice(0, at), value: text.slice(at + 1) };
});
const peer = createPublicKey({ format: "jwk", key: { kty: "OKP", crv: "X25519",
	x: Buffer.from(key, "hex").toString("base64url") } });
const own = generateKeyPairSync("x25519");
const secret = diffieHellman({ privateKey: own.privateKey, publicKey: peer });
const nonce = randomBytes(12);
const cipher = createCipheriv("aes-256-gcm", secret, nonce);
const text = Buffer.concat([cipher.update(JSON.stringify({ env })),
	cipher.final()]);

writeFileSync(out, Buffer.concat([
	Buffer.from(own.publicKey.export({ format: "jwk" }).x, "base64url"),
	nonce, text, cipher.getAuthTag() ]));
