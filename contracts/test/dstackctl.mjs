// SPDX-License-Identifier: MIT
// Copyright The dstack for Linux authors
//
// The operator's command on a real chain: what it names is what is called, what
// it says is so, and what servers say is not enough.
import { execFileSync, spawn } from "node:child_process";
import {
	chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync,
} from "node:fs";
import { createServer } from "node:http";
import {
	APP_INIT, Contract, DAY, ZERO, artifact, build, chain_url, claim,
	deploy_proxy, dstackctl, equal, ethers, modules, now, pass, rpc, word,
} from "./chain.mjs";

const phrase = "test test test test test test test test test test test junk";
const wallet = (i) => ethers.HDNodeWallet.fromPhrase(phrase, undefined,
	`m/44'/60'/0'/0/${i}`);
const dir = mkdtempSync("/tmp/dstack-contract-");
const [owner, stranger, guardian] = [0, 1, 2].map((i) => {
	const { address, privateKey } = wallet(i);
	const key = `${dir}/key-${i}`;

	writeFileSync(key, `${privateKey}\n`, { mode: 0o600 });
	return { address: address.toLowerCase(), secret: privateKey, key };
});

process.on("exit", () => rmSync(dir, { recursive: true }));

// Its status, and what it says; nothing of it may have a key in it.
function run(...args) {
	const child = spawn(dstackctl, ["contract", ...args.map(String)],
		{ stdio: ["ignore", "pipe", "pipe"] });
	const said = { out: "", err: "" };

	child.stdout.on("data", (text) => said.out += text);
	child.stderr.on("data", (text) => said.err += text);
	return new Promise((done, fail) => {
		child.on("error", fail);
		child.on("close", (status, signal) => {
			for (const { secret } of [owner, stranger, guardian])
				if ((said.out + said.err).includes(secret.slice(2)))
					fail(new Error("it tells a key"));
			done({ status: signal ?? status, ...said });
		});
	});
}

// What it prints as JSON, with the status that is wanted.
async function ask(status, ...args) {
	const said = await run(...args, "--json", "--rpc", chain_url());

	equal(said.status, status, `status (${said.err})`);
	return said.out ? JSON.parse(said.out) : said;
}

const deployed = await ask(0, "deploy", "--build", build, "--key", owner.key);
const pins = `${dir}/pins`;
const kms = new Contract("DstackKms", deployed.kms);

writeFileSync(pins, JSON.stringify(deployed));

const known = ["--pins", pins];
const by = (who) => ["--key", who.key, ...known];
const made = await ask(0, "app-deploy", ...by(owner), "--compose-hash", word(7),
	"--any-device");
const app = new Contract("DstackApp", made.app);
const of_app = ["--app", made.app];

const boot_file = `${dir}/boot`;

function boot(changed) {
	const info = { appId: app.address, composeHash: word(7),
		instanceId: "0x" + "11".repeat(20), deviceId: word(3),
		mrAggregated: word(4), mrSystem: word(5),
		osImageHash: word(6), tcbStatus: "UpToDate", advisoryIds: [],
		...changed };

	writeFileSync(boot_file, JSON.stringify({ ...info,
		teeVariant: "dstack-tdx", keyProviderInfo: "" }));
	return info;
}

const why = (status, ...args) => ask(status, "why", "--boot", boot_file,
	...args);
const reasons = (answer) => answer.denials.map((d) => d.reason);

// Does what an answer names, as whoever has to.
async function obey(answer, who = owner) {
	for (const { transaction, command } of answer.denials)
		await ask(0, ...command.split(" "), ...by(who),
			transaction.to === kms.address ? "--kms" : "--app",
			transaction.to);
}

/*
 * Deploying
 */

await claim("deploy_prints_pins_by_which_all_of_it_is_proven", async () => {
	const status = await ask(0, "status", ...known, ...of_app);

	equal(status.kms.evidence, "proven");
	equal(status.kms.owner, owner.address);
	equal(status.kms.appImplementation, deployed.appImplementation);
	equal(status.kms.implementation, deployed.kmsImplementation);
	equal(status.app.evidence, "proven");
	equal(status.app.owner, owner.address);
	equal(status.app.allowAnyDevice, true);
	equal(await kms.view("owner"), ethers.getAddress(owner.address));
	equal(await kms.view("registeredApps", app.address), true);
	equal(await app.view("allowedComposeHashes", word(7)), true);
});

await claim("deploy_says_before_what_would_be_where", async () => {
	const args = ["deploy", "--build", build, "--owner", guardian.address];
	const told = await ask(0, ...args, "--dry-run", "--from",
		stranger.address);
	const nonce = Number(await rpc("eth_getTransactionCount",
		stranger.address, "latest"));

	equal(told.map((tx) => tx.nonce), [nonce, nonce + 1, nonce + 2]);
	equal(told[0].data, artifact("DstackApp").bytecode);
	equal(told[2].data, ethers.concat([artifact("ERC1967Proxy").bytecode,
		artifact("ERC1967Proxy").iface.encodeDeploy([told[1].address,
			artifact("DstackKms").iface.encodeFunctionData(
				"initialize(address,address)",
				[guardian.address, told[0].address])])]));

	const done = await ask(0, ...args, "--key", stranger.key);

	equal([done.appImplementation, done.kmsImplementation, done.kms],
		told.map((tx) => tx.address));
	equal([done.implementations[1].codeHash,
		done.implementations[0].codeHash, done.proxies[0]],
	told.map((tx) => tx.codeHash));
});

await claim("deployed_app_is_as_it_was_asked_for", async () => {
	const other = await ask(0, "app-deploy", ...by(stranger), "--owner",
		guardian.address, "--device", word(9), "--require-tcb",
		"--disable-upgrades");
	const found = (await ask(0, "status", ...known, "--app", other.app)).app;

	equal([found.owner, found.allowAnyDevice, found.requireTcbUpToDate,
		found.upgradesDisabled],
	[guardian.address, false, true, true]);
	equal(await new Contract("DstackApp", other.app)
		.view("allowedDeviceIds", word(9)), true);
});

await claim("code_that_is_not_pinned_is_not_spoken_for", async () => {
	for (const args of [["status"], ["why", "--boot", boot_file]]) {
		boot();
		const said = await run(...args, "--kms", kms.address, "--rpc",
			chain_url());

		equal(said.status, args[0] === "why" ? 2 : 1);
		equal(said.err.includes("not among those that are known"), true);
	}
});

await claim("what_servers_say_is_what_is_proven_and_is_marked", async () => {
	await ask(0, "delay", 100, ...by(owner), ...of_app);
	await ask(0, "guardian", guardian.address, ...by(owner), ...of_app);
	await ask(0, "policy", "announce", word(0xaa), 3, ...by(owner),
		...of_app);
	await ask(0, "pins", "required", ...by(owner), ...of_app);
	await ask(0, "key-epoch", "announce", "+500", "+1000", ...by(owner),
		...of_app);

	const proven = (await ask(0, "status", ...known, ...of_app)).app;
	const asked = (await ask(0, "status", "--ask", ...of_app)).app;

	equal([proven.evidence, asked.evidence], ["proven", "asked"]);
	for (const name of Object.keys(asked))
		if (name !== "evidence")
			equal(asked[name], proven[name], name);
	equal(proven.announcedExecPolicy.root, word(0xaa));
	equal(proven.keyEpochs.announced.epoch, 1);
	equal(proven.guardian, guardian.address);
});

/*
 * Calls
 */

await claim("vectors_of_the_unit_tests_are_what_ethers_prints", () => {
	const here = new URL(".", import.meta.url).pathname;
	const printed = execFileSync("node", [`${here}/vectors.mjs`, modules],
		{ encoding: "utf8" });

	equal(printed === readFileSync(`${here}/../../userspace/test/` +
		"contract_vectors.h", "utf8"), true, "they are the same");
});

const calls = [
	[["allow", "os-image", word(1)], "addOsImageHash", [word(1)]],
	[["deny", "os-image", word(1)], "removeOsImageHash", [word(1)]],
	[["allow", "kms-mr", word(1)], "addKmsAggregatedMr", [word(1)]],
	[["deny", "kms-mr", word(1)], "removeKmsAggregatedMr", [word(1)]],
	[["allow", "kms-device", word(1)], "addKmsDevice", [word(1)]],
	[["deny", "kms-device", word(1)], "removeKmsDevice", [word(1)]],
	[["allow", "app", app.address], "registerApp", [app.address]],
	[["allow", "compose-hash", word(1)], "addComposeHash", [word(1)]],
	[["deny", "compose-hash", word(1)], "removeComposeHash", [word(1)]],
	[["allow", "device", word(1)], "addDevice", [word(1)]],
	[["deny", "device", word(1)], "removeDevice", [word(1)]],
	[["deny", "any-device"], "setAllowAnyDevice", [false]],
	[["allow", "any-device"], "setAllowAnyDevice", [true]],
	[["deny", "old-tcb"], "setRequireTcbUpToDate", [true]],
	[["allow", "old-tcb"], "setRequireTcbUpToDate", [false]],
	[["policy", "announce", word(1), 5], "announceExecPolicy", [word(1), 5]],
	[["policy", "revoke", 5], "revokeExecPolicy", [5]],
	[["pin", word(1)], "pinDevice", [word(1)]],
	[["unpin", word(1)], "revokeDevicePin", [word(1)]],
	[["pins", "required"], "setDevicePinsRequired", [true]],
	[["pins", "optional"], "setDevicePinsRequired", [false]],
	[["key-epoch", "announce", 4000000000, 4000000001], "announceKeyEpoch",
		[4000000000, 4000000001]],
	[["key-epoch", "revoke", 0], "revokeKeyEpoch", [0]],
	[["guardian", guardian.address], "setGuardian", [guardian.address]],
	[["delay", 77], "setDelay", [77]],
];

const target = (name) => kms.iface.getFunction(name) ? kms : app;

await claim("every_call_is_encoded_as_ethers_does", async () => {
	for (const [args, name, values] of calls) {
		const contract = target(name);
		const told = await ask(0, ...args, ...known, "--dry-run",
			...contract === app ? of_app : []);

		equal([told.to, told.data, told.done], [contract.address,
			contract.data(name, values), false], name);
	}
});

await claim("every_call_does_what_it_says", async () => {
	const before = Number(await rpc("eth_getTransactionCount",
		owner.address, "latest"));
	let sent = 0;

	for (const [args, name, values] of calls) {
		// Times of the list are too late for a chain.
		const at = await now();
		const given = name === "announceKeyEpoch" ?
			[...args.slice(0, 2), at + 100, at + 200] : args;
		const contract = target(name);
		const told = await ask(0, ...given, ...by(owner),
			...contract === app ? of_app : []);

		equal(told.done, true, name);
		equal((await rpc("eth_getTransactionByHash", told.transaction))
			.to, contract.address, name);
		if (name !== "announceKeyEpoch")
			equal((await rpc("eth_getTransactionByHash",
				told.transaction)).input,
			contract.data(name, values), name);
		sent++;
	}
	equal(Number(await rpc("eth_getTransactionCount", owner.address,
		"latest")), before + sent);
});

await claim("delay_epochs_and_guardian_are_the_kmss_or_an_apps", async () => {
	await ask(0, "delay", 50, ...by(owner));
	await ask(0, "guardian", guardian.address, ...by(owner));
	await ask(0, "key-epoch", "announce", "+10", "+60", ...by(owner));
	await pass(20);
	await ask(0, "key-epoch", "revoke", 0, ...by(guardian));

	const { kms: found, app: other } = await ask(0, "status", ...known,
		...of_app);

	equal([found.delay, other.delay], [50, 0]);
	equal([found.keyEpochs.current, found.keyEpochs.firstLive], [1, 1]);
	equal(found.guardian, guardian.address);
});

await claim("dry_run_sends_nothing_and_tells_what_would_be", async () => {
	const before = await rpc("eth_blockNumber");
	const [fine, refused] = [
		await ask(0, "allow", "os-image", word(1), ...known,
			"--dry-run", "--from", owner.address),
		await ask(1, "allow", "os-image", word(1), ...known,
			"--dry-run", "--from", stranger.address),
	];

	equal(fine.gas > 21000, true);
	equal(refused.error, "the contract refuses: " +
		`OwnableUnauthorizedAccount(${stranger.address})`);
	equal(await rpc("eth_blockNumber"), before);
});

/*
 * Refusals
 */

await claim("wrong_key_is_refused_by_name_and_nothing_is_sent", async () => {
	const before = await rpc("eth_blockNumber");
	const told = await ask(1, "allow", "device", word(1), ...by(stranger),
		...of_app);

	equal(told.error, "the contract refuses: " +
		`OwnableUnauthorizedAccount(${stranger.address})`);
	equal(told.done, false);
	equal(await rpc("eth_blockNumber"), before);
});

await claim("reasons_of_the_contract_are_told", async () => {
	for (const [args, reason] of [
		[["policy", "revoke", 9], "No policy of this epoch"],
		[["unpin", word(1)], "Device is not pinned"],
		[["pins", "optional"], "Device pins are not required"],
		[["allow", "device", ZERO], "invalid device ID"],
		[["delay", 10 ** 9], "Delay too long"],
		[["guardian", owner.address], "Guardian must not be the owner"],
		[["key-epoch", "announce", 1, 2], "Key epoch starts in the past"],
	])
		equal((await ask(1, ...args, ...by(owner), ...of_app)).error,
			`the contract refuses: ${reason}`);
});

await claim("keys_that_others_can_read_are_refused", async () => {
	const open = `${dir}/open`, bad = `${dir}/bad`;

	writeFileSync(open, owner.secret);
	chmodSync(open, 0o640);
	writeFileSync(bad, "00".repeat(32), { mode: 0o600 });
	for (const [key, says] of [[open, "nobody else may read"],
		[bad, "no key of secp256k1"]]) {
		const said = await run("allow", "os-image", word(1), ...known,
			"--rpc", chain_url(), "--key", key);

		equal(said.status, 1);
		equal(said.err.includes(says), true, said.err);
	}
});

await claim("command_lines_that_are_wrong_are_refused", async () => {
	for (const [status, ...args] of [
		[2, "allow", "device"], [2, "allow", "everything", word(1)],
		[2, "allow", "device", word(1), word(2)],
		[1, "allow", "device", "0x12", ...of_app],
		[2, "delay"], [2, "deploy"], [2, "why"], [2, "no"],
		[2, "status", "--key", owner.key],
		[2, "delay", 1, "--block", "safe"],
		[2, "delay", 1, "--yes-chain", 31337],
		[2, "delay", 1, "--kms", "0x12"],
		[1, "delay", "1x"], [1, "policy", "announce", word(1), 1],
	])
		equal((await run(...args, "--rpc", chain_url(), ...status === 1 ?
			by(owner) : [])).status, status, args.join(" "));
});

/*
 * Why
 */

// Both say the same of every boot.
async function agrees(answer, info, method = "isAppAllowed") {
	const [allowed, reason] = await kms.view(method, info);

	equal([answer.isAllowed, answer.reason], [allowed, reason]);
	equal(answer.evidence, "proven");
}

await claim("what_why_names_is_enough_and_needed", async () => {
	const locked = await deploy_proxy(owner.address, "DstackApp", APP_INIT,
		owner.address, false, true, false, ZERO, ZERO);
	const info = boot({ appId: locked.address, tcbStatus: "OutOfDate" });
	const pinned = `${dir}/more`;

	await locked.send(owner.address, "setDevicePinsRequired", true);
	await locked.send(owner.address, "announceExecPolicy", word(1), 4);
	await locked.send(owner.address, "revokeExecPolicy", 4);

	// It is no proxy of our implementation: its own has to be pinned.
	const code = await rpc("eth_getCode", "0x" + (await rpc(
		"eth_getStorageAt", locked.address,
		"0x360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc",
		"latest")).slice(26), "latest");

	writeFileSync(pinned, JSON.stringify({ ...deployed, implementations: [
		...deployed.implementations,
		{ codeHash: ethers.keccak256(code), layout: "app-linux" }] }));

	const args = ["--pins", pinned, "--root", word(0xbb)];
	let answer = await why(1, ...args);

	await agrees(answer, info);
	equal(reasons(answer), ["App not registered", "OS image is not allowed",
		"TCB status is not up to date", "Compose hash not allowed",
		"Device not allowed", "Device not pinned",
		"Exec policy revoked"]);
	equal(answer.canBeAllowed, true);

	// One after the other: each takes one reason away, as was said.
	for (const [i, { transaction: tx, reason }] of
		answer.denials.entries()) {
		const left = await why(1, ...args);

		await agrees(left, info);
		equal(left.reason, reason);
		equal(reasons(left).length, 7 - i);
		equal(tx.owner, tx.sender === "anybody" ? undefined :
			owner.address);
		equal((await rpc("eth_sendTransactionSync", { from:
			owner.address, to: tx.to, data: tx.data,
		gas: "0xf4240" })).status, "0x1", reason);
	}
	answer = await why(0, ...args);
	await agrees(answer, info);
	equal([answer.isAllowed, answer.denials], [true, []]);
});

await claim("commands_that_why_names_are_its_transactions", async () => {
	const info = boot({ composeHash: word(0x77) });
	const answer = await why(1, ...known);

	equal(reasons(answer), ["OS image is not allowed",
		"Compose hash not allowed"]);
	await obey(answer);
	await agrees(await why(0, ...known), info);
});

await claim("kms_is_told_what_it_lacks", async () => {
	const info = boot();
	const answer = await why(1, ...known, "--as-kms");

	await agrees(answer, info, "isKmsAllowed");
	equal(reasons(answer), ["OS image is not allowed",
		"Aggregated MR not allowed",
		"KMS is not allowed to boot on this device"]);
	await obey(answer);
	await agrees(await why(0, ...known, "--as-kms"), info, "isKmsAllowed");

	const old = boot({ tcbStatus: "OutOfDate" });
	const never = await why(1, ...known, "--as-kms");

	await agrees(never, old, "isKmsAllowed");
	equal([never.canBeAllowed, never.denials[0].transaction],
		[false, undefined]);
});

await claim("nothing_allows_an_app_that_is_not_deployed", async () => {
	boot({ appId: stranger.address });

	const answer = await why(1, ...known);

	equal(reasons(answer), ["App not registered", "OS image is not allowed",
		"App not deployed or invalid address"]);
	equal(answer.canBeAllowed, false);
	equal(answer.denials[2].transaction, undefined);
});

await claim("what_is_behind_unknown_code_is_not_guessed", async () => {
	const other = await deploy_proxy(owner.address, "DstackApp", APP_INIT,
		owner.address, false, false, false, ZERO, ZERO);

	boot({ appId: other.address });

	const answer = await why(1, ...known);

	equal(reasons(answer), ["App not registered",
		"OS image is not allowed"]);
	equal(answer.canBeAllowed, false);
	equal(answer.unknown.includes("not among those that are known"), true);
	await obey(answer);
	await why(2, ...known);
});

await claim("why_says_what_waits_and_until_when", async () => {
	boot();
	await kms.send(owner.address, "addOsImageHash", word(6));
	await ask(0, "pins", "required", ...by(owner), ...of_app);
	await ask(0, "policy", "announce", word(1), 1, ...by(owner), ...of_app);
	await ask(0, "policy", "revoke", 1, ...by(owner), ...of_app);
	await ask(0, "delay", DAY, ...by(owner), ...of_app);

	let answer = await why(1, ...known);

	equal(reasons(answer), ["Device not pinned", "Exec policy revoked"]);
	equal(answer.denials[0].delay, DAY);
	equal(answer.denials[1].transaction, undefined);
	equal(answer.canBeAllowed, true);

	await ask(0, "pin", word(3), ...by(owner), ...of_app);
	const pinned = await now();
	await ask(0, "policy", "announce", word(2), 2, ...by(owner), ...of_app);
	const announced = await now();

	answer = await why(1, ...known);
	equal(answer.denials.map((d) => d.allowedAt),
		[pinned + DAY, announced + DAY]);
	equal(answer.denials.map((d) => d.transaction), [undefined, undefined]);
	await pass(DAY);
	equal((await why(0, ...known)).isAllowed, true);
});

await claim("one_that_is_asked_is_marked_and_says_the_first", async () => {
	const info = boot({ composeHash: word(0x77) });
	const args = ["--kms", kms.address, "--ask"];
	const answer = await why(1, ...args);

	equal([answer.evidence, answer.canBeAllowed], ["asked", false]);
	equal(reasons(answer), ["OS image is not allowed"]);
	equal(answer.denials[0].transaction.data,
		kms.data("addOsImageHash", [info.osImageHash]));
	equal(answer.denials[0].transaction.owner, owner.address);
});

await claim("boots_that_are_not_whole_are_refused", async () => {
	const whole = boot();

	for (const [changed, says] of [
		[{ composeHash: undefined }, "has no field composeHash"],
		[{ composeHash: "0x" + "1".repeat(65) }, "composeHash is not"],
		[{ composeHash: "zz" }, "composeHash is not"],
		[{ composeHash: 7 }, "composeHash is not"],
		[{ surprise: 1 }, "'surprise', which is not known"],
		[{ tcbStatus: "x".repeat(129) }, "tcbStatus is not"],
		[{ advisoryIds: ["x".repeat(257)] }, "advisoryIds is not"],
		[{ advisoryIds: Array(129).fill("") }, "advisoryIds is not"],
	]) {
		writeFileSync(boot_file, JSON.stringify({ ...whole, ...changed }));
		const said = await run("why", "--boot", boot_file, ...known,
			"--rpc", chain_url());

		equal(said.status, 2);
		equal(said.err.includes(says), true, said.err);
	}
	// Short is with zeros in front, as upstream's webhook takes it.
	boot({ osImageHash: "6", composeHash: "07" });
	await kms.send(owner.address, "addOsImageHash", word(6));
	equal((await why(0, ...known)).isAllowed, true);
});

/*
 * Servers that lie
 */

// One that says what @lie says instead of the chain, where that says something.
async function liar(lie) {
	const server = createServer(async (request, response) => {
		let text = "";

		for await (const part of request)
			text += part;
		const { id, method, params } = JSON.parse(text);
		let reply = {};

		try {
			const own = await lie(method, params);

			if (own === "silent")
				return;
			reply.result = own !== undefined ? own :
				await rpc(method, ...params);
		} catch ({ message, data }) {
			reply = { error: { code: 3, message, data } };
		}
		response.end(JSON.stringify({ jsonrpc: "2.0", id, ...reply }));
	});

	await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
	return { url: `http://127.0.0.1:${server.address().port}`,
		close: () => {
			server.closeAllConnections();
			server.close();
		} };
}

// How it ends where servers lie, and that it ends in time.
async function among(lies, status, ...args) {
	const servers = await Promise.all(lies.map(liar));
	const urls = servers.flatMap(({ url }) => ["--rpc", url]);
	const began = Date.now();
	const said = await run(...args, ...urls, "--json", "--wait", "4");

	servers.forEach((server) => server.close());
	equal(said.status, status, `status (${said.err})`);
	equal(Date.now() - began < 60000, true, "it ends in time");
	return said;
}

const honest = () => undefined;
const allow = ["allow", "os-image", word(0x1234), ...by(owner)];
const is_so = () => kms.view("allowedOsImages", word(0x1234));

// Keeps the transaction, and says of it what @receipt has.
const keeps = (receipt) => (method, [raw]) => {
	if (method === "eth_sendRawTransaction")
		return ethers.keccak256(raw);
	if (method !== "eth_getTransactionReceipt")
		return undefined;
	return receipt && { transactionHash: raw, blockNumber: "0x1",
		gasUsed: "0x5208", status: "0x1", logs: [], ...receipt };
};

await claim("transaction_that_never_comes_ends_in_time", async () => {
	const said = await among([keeps(null)], 1, ...allow);

	equal(said.err.includes("no server has it in a block"), true, said.err);
	equal(JSON.parse(said.out).done, false);
	equal(JSON.parse(said.out).transaction.length, 66);
});

await claim("receipt_that_lies_is_not_believed", async () => {
	for (const [receipt, says] of [
		[{}, "what it was for is not so"],
		[{ blockNumber: "0xffffffff" }, "but the newest is"],
		[{ transactionHash: word(1) }, "receipt is not what it should be"],
		[{ status: "0x2" }, "receipt is not what it should be"],
		[{ logs: Array(17).fill({}) }, "receipt is not what"],
	]) {
		const said = await among([keeps(receipt)], 1, ...allow);

		equal(said.err.includes(says), true, said.err);
		equal(await is_so(), false);
	}
});

await claim("one_that_lies_does_not_stop_the_others", async () => {
	for (const lie of [keeps(null), keeps({}), keeps({ status: "0x0" }),
		keeps({ blockNumber: "0xffffffff" }),
		(method) => method === "eth_sendRawTransaction" ? word(1) :
			undefined,
		(method) => method === "eth_getTransactionCount" ? "0xffff" :
			undefined,
		(method) => method === "eth_estimateGas" ? "0xffffffff" :
			undefined,
		(method) => method === "eth_maxPriorityFeePerGas" ?
			"0xffffffffff" : undefined,
		(method) => {
			if (method === "eth_estimateGas")
				throw Object.assign(new Error("no"),
					{ data: "0x" });
		}]) {
		const said = await among([lie, honest, honest], 0, ...allow);

		equal(JSON.parse(said.out).done, true);
		equal(await is_so(), true);
		await kms.send(owner.address, "removeOsImageHash", word(0x1234));
	}
});

await claim("app_of_somebody_else_is_not_taken_for_ones_own", async () => {
	const other = await ask(0, "app-deploy", ...by(owner), "--owner",
		stranger.address);
	const lie = keeps({ logs: [{ address: kms.address, topics: [
		ethers.id("AppDeployedViaFactory(address,address)"),
		ethers.zeroPadValue(other.app, 32),
		ethers.zeroPadValue(owner.address, 32)] }] });
	const said = await among([lie], 1, "app-deploy", ...by(owner));

	equal(said.err.includes("what it was for is not so"), true, said.err);
});

await claim("code_that_is_not_what_was_built_is_not_pinned", async () => {
	const said = await among([keeps({})], 1, "deploy", "--build", build,
		"--key", owner.key);

	equal(said.err.includes("can't deploy DstackApp"), true, said.err);
	equal(said.out, "");
});

await claim("fees_without_bounds_are_refused", async () => {
	for (const [method, value] of [
		["eth_maxPriorityFeePerGas", "0xffffffffffffffff"],
		["eth_maxPriorityFeePerGas", "0x174876e801"],
		["eth_estimateGas", "0x1000001"],
	]) {
		const said = await among([(asked) => asked === method ? value :
			undefined], 1, ...allow);

		equal(said.err.includes("a server wants"), true, said.err);
		equal(await is_so(), false);
	}
});

await claim("chain_that_a_server_chooses_is_not_signed_for", async () => {
	const other = (method) => method === "eth_chainId" ? "0x1" : undefined;
	let said = await among([other], 1, "deploy", "--build", build, "--key",
		owner.key);

	equal(said.err.includes("name yours by --chain"), true, said.err);
	said = await among([other], 1, "deploy", "--build", build, "--key",
		owner.key, "--chain", 1);
	equal(said.err.includes("say --yes-chain 1"), true, said.err);
	said = await among([other], 1, ...allow);
	equal(said.err.includes("not 31337"), true, said.err);
	equal(await is_so(), false);
});

await claim("words_of_a_server_do_not_reach_a_terminal", async () => {
	const said = await among([(method) => {
		if (method === "eth_estimateGas")
			throw Object.assign(new Error("\u001b[31m"), { data:
				artifact("DstackKms").iface.encodeErrorResult(
					"Error(string)", ["\u001b[2Jgone"]) });
	}], 1, ...allow);

	equal(said.err.includes("\u001b"), false);
	equal(said.err.includes("?[2Jgone"), true, said.err);
});
