// SPDX-License-Identifier: MIT
// Copyright The dstack for Linux authors
//
// An application of upstream's: npm's @phala/dstack-sdk, unchanged, against the
// guest agent.  sdk.mjs SOCKET TAPPD-SOCKET NODE_MODULES OUT; sdk.sh starts it in
// a container, and judges the evidence that it leaves in OUT.
import assert from "node:assert/strict";
import { X509Certificate, createPrivateKey, createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { createRequire } from "node:module";

const [socket, tappd_socket, modules, out] = process.argv.slice(2);
const { DstackClient, TappdClient } =
	createRequire(modules)("@phala/dstack-sdk");
const client = new DstackClient(socket);
const tappd = new TappdClient(tappd_socket);
const hex = (bytes) => Buffer.from(bytes).toString("hex");
const padded = (text) => Buffer.from(text).toString("hex").padEnd(128, "0");

async function claim(name, test) {
	try {
		await test();
		console.log(`ok ${name}`);
	} catch (error) {
		console.log(`# ${String(error.stack).replaceAll("\n", "\n# ")}`);
		console.log(`not ok ${name}`);
	}
}

// The SDK gives Info, and so a quote, half a second, which is little here.
async function reaches(client) {
	for (let i = 0; i < 10; i++)
		if (await client.isReachable())
			return true;
	return false;
}

// The register in a quote of version 4.
function register(quote, index) {
	return hex(Buffer.from(quote, "hex").subarray(376 + 48 * index,
						      424 + 48 * index));
}

// Of upstream's vectors, for the root key that sdk.sh gives the module.
const vms = "9db79b3fefe69f2a7b7efbc908c854bf845a629023361f2c9cb3db09fb99010f";
const test_link = "c8a3dcf06c4e95bd78a5d7a1c8fcff171fc5848cfae804c6fc11bda4dc" +
	"5d4062379995390843827444992c4c0e4bac70f0f878e01b9fc8b98cd7126fe5a3876b01";

await claim("sdk_reaches_the_agent", async () => {
	assert.equal(await reaches(client), true);
	assert.equal((await client.version()).version, "0.5.11");
});
await claim("sdk_key_is_upstreams", async () => {
	assert.equal(hex((await client.getKey("vms")).key), vms);
});
await claim("sdk_key_chain_is_upstreams", async () => {
	const found = await client.getKey("test", "signing");

	assert.equal(hex(found.signature_chain[0]), test_link);
});
await claim("sdk_ed25519_key_is_the_same_seed", async () => {
	assert.equal(hex((await client.getKey("vms", "", "ed25519")).key), vms);
});
await claim("sdk_unknown_algorithm_is_refused", async () => {
	await assert.rejects(client.getKey("vms", "", "rsa"));
});
for (const algorithm of ["secp256k1", "secp256k1_prehashed", "ed25519"]) {
	const data = createHash("sha256").update("signed").digest();

	await claim(`sdk_signs_with_${algorithm}`, async () => {
		const made = await client.sign(algorithm, data);

		assert.equal(made.signature_chain.length, 3);
		assert.equal((await client.verify(algorithm, data,
			made.signature, made.public_key)).valid, true);
		assert.equal((await client.verify(algorithm, Buffer.alloc(32),
			made.signature, made.public_key)).valid, false);
	});
}
await claim("sdk_event_is_recorded", async () => {
	await client.emitEvent("from-the-sdk", "payload");
});
await claim("sdk_quote_explains_its_register", async () => {
	const found = await client.getQuote("nonce");

	assert.equal(found.report_data, padded("nonce"));
	assert.equal(found.replayRtmrs()[3], register(found.quote, 3));
	writeFileSync(`${out}/quote`, Buffer.from(found.quote, "hex"));
	writeFileSync(`${out}/log.json`, found.event_log);
});
await claim("sdk_report_data_that_is_too_long_is_refused", async () => {
	await assert.rejects(client.getQuote("x".repeat(65)), /too large/);
});
await claim("sdk_attestation_is_had", async () => {
	const found = await client.attest("nonce");

	writeFileSync(`${out}/attestation`,
		Buffer.from(found.attestation, "hex"));
});
// The chain ends in a certificate that signed itself, and fits the key.
function check_chain(found, subject) {
	const chain = found.certificate_chain.map((c) => new X509Certificate(c));

	assert.ok(chain.length >= 2);
	assert.match(chain[0].subject, new RegExp(`CN=${subject}`));
	assert.ok(chain[0].checkPrivateKey(createPrivateKey(found.key)));
	for (let i = 0; i < chain.length; i++) {
		const issuer = chain[i + 1] ?? chain[i];

		assert.ok(chain[i].checkIssued(issuer));
		assert.ok(chain[i].verify(issuer.publicKey));
	}
	return chain;
}

await claim("sdk_tls_key_chains", async () => {
	const found = await client.getTlsKey({ subject: "sdk.example",
		altNames: ["sdk.example", "127.0.0.1"], usageRaTls: true,
		usageClientAuth: true });
	const [leaf] = check_chain(found, "sdk.example");

	assert.equal(leaf.checkHost("sdk.example"), "sdk.example");
	assert.equal(leaf.checkIP("127.0.0.1"), "127.0.0.1");
	assert.ok(leaf.checkPrivateKey(createPrivateKey(found.key)));
	writeFileSync(`${out}/cert.pem`, found.certificate_chain.join(""));
});
await claim("sdk_info_is_of_the_application", async () => {
	const info = await client.info();
	const hash = createHash("sha256").update(info.tcb_info.app_compose);

	assert.equal(info.app_name, "tested");
	assert.equal(info.compose_hash, hash.digest("hex"));
	assert.equal(info.app_id, info.compose_hash.slice(0, 40));
	assert.equal(info.tcb_info.compose_hash, info.compose_hash);
	assert.match(info.tcb_info.rtmr3, /^[0-9a-f]{96}$/);
	assert.ok(info.tcb_info.event_log.some((event) =>
		event.event === "compose-hash" &&
		event.event_payload === info.compose_hash));
});
await claim("sdk_tls_keys_are_fresh", async () => {
	const [one, two] = [await client.getTlsKey(), await client.getTlsKey()];

	assert.notEqual(one.key, two.key);
});

await claim("sdk_tappd_is_reached", async () => {
	assert.equal(await reaches(tappd), true);
});
await claim("sdk_tappd_key_is_the_same_each_time", async () => {
	const one = await tappd.deriveKey("vms", "tappd.example");
	const two = await tappd.deriveKey("vms", "tappd.example");

	check_chain(one, "tappd.example");
	assert.equal(one.key, two.key);
});
await claim("sdk_tappd_quote_hashes_what_it_is_given", async () => {
	const { quote } = await tappd.tdxQuote("test");
	const hash = createHash("sha512").update("app-data:test").digest("hex");

	assert.equal(hex(Buffer.from(quote, "hex").subarray(568, 632)), hash);
});
