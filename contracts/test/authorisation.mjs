// SPDX-License-Identifier: MIT
// Copyright The dstack for Linux authors
//
// What a KMS makes of the contracts, through servers that lie:
// authorisation.mjs MODULES BUILD PROGRAM, in KTAP.  PROGRAM is kmsd-auth.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { createInterface } from "node:readline";
import {
	DAY, NOBODY, claim, deploy, deploy_app, deploy_proxy, equal,
	ethers, finish, next_at, now, pass, rpc, start, word,
} from "./chain.mjs";

const program = process.argv[4];
const scratch = mkdtempSync(`${tmpdir()}/kmsd-auth-`);
const children = new Set();

process.on("exit", () => {
	children.forEach((child) => child.kill());
	rmSync(scratch, { recursive: true });
});

console.log("TAP version 13");
await start();

/*
 * Servers, each of which may lie
 */

class Server {
	constructor() {
		this.connections = 0;
		this.requests = 0;
		this.lie = null;
	}

	async start() {
		const http = createServer((request, response) => {
			let text = "";

			request.on("data", (part) => text += part);
			request.on("end", () => this.answer(text, response));
		});

		http.on("connection", () => this.connections++);
		http.unref();
		await new Promise((ready) =>
			http.listen(0, "127.0.0.1", ready));
		this.url = `http://127.0.0.1:${http.address().port}/`;
		return this;
	}

	async answer(text, response) {
		const call = JSON.parse(text);
		let result;

		this.requests++;
		try {
			result = await (this.lie ?? honest)(call);
		} catch (error) {
			response.writeHead(503).end();
			return;
		}
		response.writeHead(200, { "content-type": "application/json" })
			.end(JSON.stringify({ jsonrpc: "2.0", id: call.id,
				result }));
	}
}

const honest = ({ method, params }) => rpc(method, ...params);
const servers = [];

for (let i = 0; i < 3; i++)
	servers.push(await new Server().start());

function all_lie(lie, nr = 3) {
	servers.forEach((server, i) => server.lie = i < nr ? lie : null);
}

/*
 * The program
 */

const code_of = async (address) =>
	ethers.keccak256(await rpc("eth_getCode", address, "latest"));
const SLOT = "0x360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc";
const behind = async (contract) => `0x${(await rpc("eth_getStorageAt",
	contract.address, SLOT, "latest")).slice(26)}`;

async function config_of(changed = {}) {
	return {
		type: "chain", chain_id: 31337, kms_contract: kms.address,
		rpc_urls: servers.map((server) => server.url),
		block: "latest", head_s: 0, timeout_ms: 10000,
		known_code: {
			proxies: [await code_of(kms.address)],
			kms_linux: [await code_of(await behind(kms))],
			app_linux: [await code_of(await behind(app))],
		},
		...changed,
	};
}

class Asker {
	constructor(config, head = []) {
		const file = `${scratch}/${children.size}.json`;

		writeFileSync(file, JSON.stringify(config));
		this.child = spawn(program, [file, ...head.map(String)],
			{ stdio: ["pipe", "pipe", "inherit"] });
		children.add(this.child);
		this.lines = createInterface({ input: this.child.stdout })
			[Symbol.asyncIterator]();
	}

	async say(question) {
		this.child.stdin.write(`${JSON.stringify(question)}\n`);
		return JSON.parse((await this.lines.next()).value);
	}

	async ask(changed = {}, what = "app", at = undefined) {
		return this.say({ ask: what, now: at ?? await now(), boot: {
			appId: app.address, composeHash: word(7),
			deviceId: word(3), mrAggregated: word(4),
			osImageHash: word(6), ...changed } });
	}

	async allowed(changed, what) {
		const said = await this.ask(changed, what);

		equal([said.allowed, said.reason, said.error],
			[true, "", undefined], JSON.stringify(said));
		return said;
	}

	async denied(reason, changed, what) {
		const said = await this.ask(changed, what);

		equal([said.allowed, said.reason, said.how],
			[false, reason, "proof"], JSON.stringify(said));
		return said;
	}

	// No verdict at all.
	async fails(error, why, changed, at) {
		const said = await this.ask(changed, "app", at);

		equal(said.error, error, JSON.stringify(said));
		equal(said.why.includes(why), true,
			`"${why}" in "${said.why}"`);
		equal(said.allowed, undefined);
	}
}

const asker = async (changed, head) =>
	new Asker(await config_of(changed), head);

/*
 * Claims
 */

const [owner] = await rpc("eth_accounts");
const app = await deploy_app(owner);
const kms = await deploy_proxy(owner, "DstackKms", "initialize", owner,
	await deploy(owner, "DstackApp"));

await kms.send(owner, "addOsImageHash", word(6));
await kms.send(owner, "setGatewayAppId", "0x1234");

const claims = async (name, holds) => claim(name, async () => {
	all_lie(null);
	await holds();
});
const registered = () => kms.send(owner, "registerApp", app.address);

await claims("app_is_denied_until_a_transaction_allows_it", async () => {
	const a = await asker();

	await a.denied("App not registered");
	await registered();

	const said = await a.allowed();
	const block = await rpc("eth_getBlockByNumber", "latest", false);

	equal([said.how, said.gateway, `0x${said.hash}`],
		["proof", "0x1234", block.hash]);
	await a.denied("Compose hash not allowed", { composeHash: word(8) });
	await a.denied("OS image is not allowed", { osImageHash: word(8) });
	await a.denied("App not registered", { appId: NOBODY });
	await app.send(owner, "removeComposeHash", word(7));
	await a.denied("Compose hash not allowed");
});

await claims("kms_is_judged_by_its_own_list", async () => {
	const a = await asker();

	await a.denied("Aggregated MR not allowed", {}, "kms");
	await kms.send(owner, "addKmsAggregatedMr", word(4));
	await a.denied("KMS is not allowed to boot on this device", {}, "kms");
	await kms.send(owner, "addKmsDevice", word(3));
	await a.allowed({}, "kms");
	await a.denied("TCB status is not up to date",
		{ tcbStatus: "OutOfDate" }, "kms");
});

await claims("info_is_proven_as_well", async () => {
	const a = await asker();
	const said = await a.say({ ask: "info", now: await now() });

	equal(said, { contract: kms.address.toLowerCase(),
		implementation: (await kms.view("appImplementation"))
			.toLowerCase(),
		gateway: "0x1234", chain: 31337 });
});

await claims("attack_74_policy_counts_when_its_time_has_come", async () => {
	const a = await asker();

	await registered();
	await app.send(owner, "setDelay", 2 * DAY);
	await app.send(owner, "announceExecPolicy", word(0xaa), 1);
	equal((await a.allowed()).policyEpoch, 0);
	await pass(2 * DAY);

	const said = await a.allowed();

	equal([said.policyEpoch, `0x${said.policyRoot}`], [1, word(0xaa)]);
	await app.send(owner, "revokeExecPolicy", 1);
	equal((await a.ask()).allowed, false);
});

await claims("attack_63_epochs_of_keys_are_those_of_the_contract", async () => {
	const a = await asker();

	await registered();
	equal((await a.allowed()).appKeys, [0, 0, 0]);

	const at = await now() + 10;

	await app.send(owner, "announceKeyEpoch", at, at + DAY);
	await pass(20);
	equal((await a.allowed()).appKeys, [1, at + DAY, 0]);
	await app.send(owner, "revokeKeyEpoch", 0);
	equal((await a.allowed()).appKeys[2], 1);
});

/*
 * Lies.  One liar of three is not heard, and all together are not believed.
 */

const changed_block = (change) => async (call) => {
	const result = await honest(call);

	return call.method === "eth_getBlockByNumber" ?
		{ ...result, ...change(result) } : result;
};
const changed_proof = (change) => async (call) => {
	const result = await honest(call);

	return call.method === "eth_getProof" ? change(result, call) : result;
};
// The last digit of the last node.
const flip = (nodes) => [...nodes.slice(0, -1), nodes.at(-1).replace(/.$/,
	(digit) => digit === "0" ? "1" : "0")];

const lies = {
	block_with_another_state: changed_block(() =>
		({ stateRoot: word(1) })),
	block_with_another_time: changed_block((block) =>
		({ timestamp: `0x${(Number(block.timestamp) + 1)
			.toString(16)}` })),
	block_with_another_hash: changed_block(() => ({ hash: word(1) })),
	no_block: async (call) => call.method === "eth_getBlockByNumber" ?
		null : honest(call),
	another_chain: async (call) => call.method === "eth_chainId" ?
		"0x1" : honest(call),
	account_of_another: changed_proof((proof, call) => call.params[0] ===
		kms.address.toLowerCase() ? honest({ method: "eth_getProof",
			params: [app.address, ...call.params.slice(1)] }) :
		proof),
	nodes_that_were_changed: changed_proof((proof) => ({ ...proof,
		accountProof: flip(proof.accountProof) })),
	slots_that_were_changed: changed_proof((proof) => ({ ...proof,
		storageProof: proof.storageProof.map((slot) => ({ ...slot,
			value: "0x1", proof: flip(slot.proof) })) })),
	slots_that_are_missing: changed_proof((proof) => ({ ...proof,
		storageProof: proof.storageProof.slice(1) })),
	slots_in_another_order: changed_proof((proof) => ({ ...proof,
		storageProof: proof.storageProof.toReversed() })),
	proof_at_another_block: changed_proof((proof, call) => honest({
		...call, params: [call.params[0], call.params[1], "0x3"] })),
	nothing: async () => { throw new Error("nothing"); },
};

for (const [name, lie] of Object.entries(lies))
	await claims(`attack_72_lie_is_refused_${name}`, async () => {
		const a = await asker();

		await registered();
		all_lie(lie, 1);
		await a.allowed();
		all_lie(lie);

		// One to whom nothing was proven before.
		const said = await (await asker()).ask();

		equal([said.allowed, said.error !== undefined],
			[undefined, true], JSON.stringify(said));
		equal(said.why.includes("127.0.0.1:"), false, said.why);
	});

// What is said beside the nodes is not looked at.
await claims("values_without_proof_change_nothing", async () => {
	const a = await asker();

	all_lie(changed_proof((proof) => ({ ...proof, codeHash: word(1),
		storageHash: word(1), storageProof: proof.storageProof
			.map((slot) => ({ ...slot, value: "0x1" })) })));
	await a.denied("App not registered");
});

const at_block = (number) => async (call) =>
	honest(call.method === "eth_getBlockByNumber" &&
		call.params[0] === "latest" ?
		{ ...call, params: [number, false] } : call);

await claims("attack_72_revoked_approval_is_not_shown_by_an_old_block", async () => {
	const a = await asker();

	await registered();

	const old = await rpc("eth_blockNumber");

	await app.send(owner, "removeComposeHash", word(7));
	await a.denied("Compose hash not allowed");
	all_lie(at_block(old));
	await a.fails("ESTALE", "older than block");
	// One that is behind is not heard.
	all_lie(at_block(old), 1);
	await a.denied("Compose hash not allowed");
});

await claims("attack_79_restart_does_not_forget_the_newest_block", async () => {
	await registered();

	const old = await rpc("eth_blockNumber");

	await app.send(owner, "removeComposeHash", word(7));

	const said = await (await asker()).denied("Compose hash not allowed");

	all_lie(at_block(old));
	await (await asker({}, [said.block, said.time, said.hash]))
		.fails("ESTALE", "older than block");
	// The other half of the pair: without it, that is what would happen.
	await (await asker()).allowed();
});

await claims("attack_72_reorganised_approval_is_not_believed", async () => {
	const a = await asker();
	const before = await rpc("evm_snapshot");

	await registered();
	await a.allowed();
	// Another block in its place, in which nothing was registered.
	const at = await now();

	await rpc("evm_revert", before);
	await next_at(at + 1);
	await rpc("evm_mine");
	await a.fails("EBADMSG", "forked");
	await rpc("evm_mine");
	await a.fails("EBADMSG", "forked");
	// Further on it is a chain like others: for that blocks are finalised.
	await rpc("evm_mine");
	await a.denied("App not registered");
});

await claims("attack_72_split_servers_agree_on_nothing", async () => {
	const a = await asker();

	await registered();
	servers[0].lie = changed_block(() => ({ stateRoot: word(1) }));
	servers[1].lie = lies.nothing;
	await a.fails("EBADMSG", "not 2 of 3 servers agree");
});

await claims("attack_79_chain_that_stands_still_gives_nothing", async () => {
	const a = await asker({ max_head_age_s: 600 });
	const t = await now();

	await registered();
	await a.allowed();
	await a.fails("ESTALE", "seconds old", {}, t + 700);
	await a.fails("EBADMSG", "in the future", {}, t - 700);
});

await claims("attack_79_chain_that_is_away_gives_nothing", async () => {
	const a = await asker();

	await registered();
	await a.allowed();
	all_lie(lies.nothing);
	await a.fails("EBADMSG", "HTTP status 503");
	all_lie(null);
	await a.allowed();
});

await claims("finalised_blocks_are_behind_the_newest", async () => {
	const a = await asker({ block: "finalized", max_head_age_s: 86400 });

	for (let i = 0; i < 70; i++)
		await rpc("evm_mine");
	await registered();
	await a.denied("App not registered");
	for (let i = 0; i < 70; i++)
		await rpc("evm_mine");
	await a.allowed();
});

/*
 * Code
 */

await claims("attack_73_code_that_is_not_known_is_not_answered_for", async () => {
	const config = await config_of();
	const other = await deploy(owner, "DstackApp");

	await registered();
	await app.send(owner, "upgradeToAndCall", other, "0x");
	await new Asker(config).fails("EOPNOTSUPP",
		(await code_of(other)).slice(2));
	// Asked and not proven, if the operator wants that.
	const a = new Asker({ ...config, allow_unproven: true });
	const said = await a.allowed();

	equal([said.how, said.gateway], ["asked", "0x1234"]);
	equal((await a.ask({ composeHash: word(8) })).reason,
		"Compose hash not allowed");
	// Looked at and pinned, it is proven.
	config.known_code.app_linux.push(await code_of(other));
	equal((await new Asker(config).allowed()).how, "proof");
});

await claims("attack_73_other_contracts_address_is_not_the_kms", async () => {
	const a = await asker({ kms_contract: app.address });

	await registered();
	await a.fails("EOPNOTSUPP", "no DstackKms");
});

/*
 * Cost
 */

await claims("one_block_and_its_proofs_serve_for_a_while", async () => {
	const a = await asker({ head_s: 60 });

	await registered();
	await a.allowed();

	const before = servers.map((server) => server.requests);

	for (let i = 0; i < 10; i++)
		await a.allowed();
	equal(servers.map((server) => server.requests), before, "requests");
	// Another application: what is of the KMS's code is proven already.
	await a.denied("Compose hash not allowed", { composeHash: word(9) });
	equal(servers[0].requests - before[0], 1, "requests");
});

await claims("connections_are_kept", async () => {
	const a = await asker();
	const before = servers.map((server) => server.connections);

	await registered();
	for (let i = 0; i < 10; i++)
		await a.allowed();
	equal(servers.map((server, i) => server.connections - before[i]),
		[1, 1, 1], "connections");
});

finish();
