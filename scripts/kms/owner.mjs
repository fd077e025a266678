// SPDX-License-Identifier: MIT
// Copyright The dstack for Linux authors
//
// An owner of contracts, with ethers and nothing of ours:
// owner.mjs MODULES BUILD ADDRESS:PORT WORK.  The first line that it prints says
// where its contracts are; the KMS of that address and of WORK serves when a line
// comes.  Then KTAP.
import { X509Certificate, createPrivateKey, createPublicKey } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { request } from "node:https";
import {
	APP_INIT, ZERO, boot_info, chain_url, claim,
	deploy, deploy_proxy, equal, ethers, finish, rpc, start, word,
} from "../../contracts/test/chain.mjs";

const [at, work] = process.argv.slice(4);
const COMPOSE = ethers.hexlify(ethers.toUtf8Bytes(
	"compose hash of that application"));
const SLOT = "0x360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc";
const NEW_S = 300;
const { concat, dataSlice, keccak256, toUtf8Bytes } = ethers;

/*
 * The chain
 */

await start();
const [owner] = await rpc("eth_accounts");
const template = await deploy(owner, "DstackApp");
const kms = await deploy_proxy(owner, "DstackKms",
	"initialize(address,address)", owner, template);
// Any device, and no code yet.
const app = await deploy_proxy(owner, "DstackApp", APP_INIT, owner, false,
	false, true, ZERO, ZERO);
const code_of = async (address) =>
	keccak256(await rpc("eth_getCode", address, "latest"));
const behind = async (contract) => dataSlice(await rpc("eth_getStorageAt",
	contract.address, SLOT, "latest"), 12);

await kms.send(owner, "registerApp", app.address);
await kms.send(owner, "addOsImageHash", word(6));

console.log(JSON.stringify({ app: app.address.slice(2), auth: {
	type: "chain", chain_id: 31337, kms_contract: kms.address,
	rpc_urls: [chain_url()], block: "latest", head_s: 0,
	known_code: {
		proxies: [await code_of(kms.address)],
		kms_linux: [await code_of(await behind(kms))],
		app_linux: [await code_of(await behind(app))],
	},
} }));

/*
 * The KMS
 */

await once(process.stdin, "data");

// Over a connection of its own, whose certificate is looked at by Node.
async function call(method, fields, tls) {
	const [host, port] = at.split(":");
	const sent = request({ host, port, method: "POST", agent: false,
		path: `/prpc/${method}?json`, servername: "kms.test",
		headers: { "content-type": "application/json" }, ...tls });
	let text = "";

	sent.end(JSON.stringify(fields));
	const [answer] = await once(sent, "response");

	for await (const part of answer)
		text += part;
	return { status: answer.statusCode, ...JSON.parse(text) };
}

const identity = readFileSync(`${work}/app.pem`, "utf8");
const hex = (text) => `0x${text}`;

// What came with the evidence of its first start, which an owner has verified.
const first = JSON.parse(readFileSync(`${work}/state/bootstrap-info.json`));

await kms.send(owner, "setKmsInfo", [hex(first.k256_pubkey),
	hex(first.ca_pubkey), "0x", "0x"]);

// From here on the contract says who the KMS is.
const [k256, ca] = await kms.view("kmsInfo");
const root = ethers.computeAddress(k256);
const meta = await call("GetMeta", {}, { rejectUnauthorized: false });
const verified = { ca: meta.ca_cert };
const ask_env = () => call("GetAppEnvEncryptPubKey",
	{ app_id: app.address.slice(2) }, verified);
const ask_keys = () => call("GetAppKey", { api_version: 1, vm_config: "" },
	{ ...verified, key: identity, cert: identity });

/*
 * Signatures
 */

// Who signed, as ethers reads r, s, v; nothing if nobody can have.
function signer(parts, signature) {
	try {
		return ethers.recoverAddress(keccak256(concat(parts)),
			hex(signature));
	} catch {
		return null;
	}
}

function signed(parts, signature) {
	equal(signature.length, 130, "digits of the signature");
	equal(signer(parts, signature), root, "who signed");
}

const flip = (bytes, bit) => {
	const flipped = ethers.getBytes(bytes);

	flipped[bit >> 3] ^= 1 << (bit & 7);
	return ethers.hexlify(flipped);
};

// One bit of each byte of what is signed, and of the signature.
function changes_are_refused(parts, signature) {
	const text = concat(parts), bytes = ethers.dataLength(text);

	for (let i = 0; i < bytes; i++)
		equal(signer([flip(text, 8 * i + i % 8)], signature) === root,
			false, `with another byte ${i}`);
	for (let i = 0; i < 65; i++)
		equal(signer(parts, flip(hex(signature), 8 * i).slice(2)) ===
			root, false, `with another byte ${i} of the signature`);
}

const env_parts = (said) => [toUtf8Bytes("dstack-env-encrypt-pubkey:"),
	app.address, hex(said.public_key)];
const timed_parts = (said) => env_parts(said).toSpliced(2, 0,
	ethers.toBeHex(said.timestamp, 8));
const k256_parts = (said) => [toUtf8Bytes("dstack-kms-issued:"), app.address,
	ethers.SigningKey.computePublicKey(hex(said.k256_key), true)];

/*
 * Claims.  No transaction is in one: what a claim does to the chain is undone.
 */

console.log("TAP version 13");

await claim("kms_that_answers_is_that_of_the_contract", async () => {
	const of_ca = new X509Certificate(meta.ca_cert).publicKey
		.export({ type: "spki", format: "der" });

	equal([hex(meta.k256_pubkey), ethers.hexlify(of_ca)], [k256, ca]);
	equal(meta.bootstrap_info.k256_pubkey, first.k256_pubkey);
});

await claim("kms_that_answers_asks_that_contract", async () => {
	equal([meta.kms_contract_address, meta.chain_id,
		meta.app_auth_implementation],
	[kms.address.toLowerCase(), Number(await rpc("eth_chainId")),
		template.toLowerCase()]);
});

await claim("its_certificate_leads_to_that_ca", async () => {
	equal((await call("GetMeta", {}, verified)).ca_cert, meta.ca_cert);
});

await claim("another_ca_is_refused", async () => {
	const { temp_ca_cert } = await call("GetTempCaCert", {}, verified);
	const why = await call("GetMeta", {}, { ca: temp_ca_cert })
		.then(() => "", (error) => error.code);

	equal(["UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
		"SELF_SIGNED_CERT_IN_CHAIN",
		"UNABLE_TO_VERIFY_LEAF_SIGNATURE"].includes(why), true, why);
});

await claim("another_name_is_refused", async () => {
	const why = await call("GetMeta", {}, { ...verified,
		servername: "other.test" }).then(() => "", (e) => e.code);

	equal(why, "ERR_TLS_CERT_ALTNAME_INVALID");
});

await claim("key_of_environments_is_signed_by_the_root", async () => {
	const said = await ask_env();

	signed(env_parts(said), said.signature);
	signed(timed_parts(said), said.signature_v1);
});

await claim("and_the_answer_is_a_new_one", async () => {
	const { timestamp } = await ask_env();

	equal(Math.abs(Date.now() / 1000 - timestamp) < NEW_S, true);
});

await claim("attack_changed_key_of_environments_is_refused", async () => {
	const said = await ask_env();

	changes_are_refused(env_parts(said), said.signature);
	changes_are_refused(timed_parts(said), said.signature_v1);
	// Neither counts as the other.
	equal([signer(env_parts(said), said.signature_v1) === root,
		signer(timed_parts(said), said.signature) === root],
	[false, false]);
});

await claim("attack_key_of_another_application_is_refused", async () => {
	const other = await call("GetAppEnvEncryptPubKey",
		{ app_id: kms.address.slice(2) }, verified);

	equal(other.public_key === (await ask_env()).public_key, false);
	equal(signer(env_parts(other), other.signature) === root, false);
});

await claim("unapproved_code_is_denied_as_the_contract_says", async () => {
	const [allowed, reason] = await kms.view("isAppAllowed", boot_info({
		appId: app.address, composeHash: COMPOSE }));
	const said = await ask_keys();

	equal([allowed, said.status, said.error],
		[false, 400, `Boot denied: ${reason}`]);
	equal(reason, "Compose hash not allowed");
});

await app.send(owner, "addComposeHash", COMPOSE);

await claim("approved_code_has_its_keys", async () => {
	const said = await ask_keys();

	equal([said.status, said.ca_cert, said.os_image_hash],
		[200, meta.ca_cert, word(6).slice(2)]);
});

await claim("application_s_key_is_signed_by_the_root", async () => {
	const said = await ask_keys();

	signed(k256_parts(said), said.k256_signature);
});

await claim("attack_changed_application_s_key_is_refused", async () => {
	const said = await ask_keys();

	changes_are_refused(k256_parts(said), said.k256_signature);
});

await claim("application_opens_what_is_encrypted_to_it", async () => {
	// RFC 8410: a private key of X25519, in DER.
	const der = Buffer.from("302e020100300506032b656e04220420" +
		(await ask_keys()).env_crypt_key, "hex");
	const spki = createPublicKey(createPrivateKey({ key: der,
		format: "der", type: "pkcs8" })).export({ type: "spki",
		format: "der" });

	equal(dataSlice(spki, spki.length - 32),
		hex((await ask_env()).public_key));
});

await app.send(owner, "removeComposeHash", COMPOSE);

await claim("code_that_is_approved_no_more_is_denied", async () => {
	const said = await ask_keys();

	equal([said.status, said.error],
		[400, "Boot denied: Compose hash not allowed"]);
});

finish();
