// SPDX-License-Identifier: MIT
// Copyright The dstack for Linux authors
//
// A test chain of its own, what is deployed there, and claims about it in KTAP:
// TEST.mjs MODULES BUILD DSTACKCTL.
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

export const [modules, build, dstackctl] = process.argv.slice(2);

export const ethers = createRequire(`${modules}/`)("ethers");

const artifacts = new Map();

export function artifact(name) {
	if (!artifacts.has(name)) {
		const made = JSON.parse(readFileSync(`${build}/${name}.json`,
			"utf8"));

		made.iface = new ethers.Interface(made.abi);
		artifacts.set(name, made);
	}
	return artifacts.get(name);
}

export const ZERO = ethers.ZeroHash;
export const NOBODY = ethers.ZeroAddress;
export const word = (n) => ethers.toBeHex(n, 32);
export const DAY = 86400;

let url, anvil, claims = 0, failed = 0;
const gas = new Map();

export async function rpc(method, ...params) {
	const reply = await fetch(url, {
		method: "POST",
		headers: { "content-type": "application/json" },
		body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }),
	});
	const { result, error } = await reply.json();

	if (error)
		throw Object.assign(new Error(error.message),
			{ data: error.data });
	return result;
}

export const chain_url = () => url;

export function start() {
	anvil = spawn(`${modules}/node_modules/@foundry-rs/` +
		"anvil-linux-amd64/bin/anvil",
		["--port", "0", "--hardfork", "shanghai",
			"--disable-block-gas-limit"],
		{ stdio: ["ignore", "pipe", "inherit"] });
	process.on("exit", () => anvil.kill());
	return new Promise((ready, fail) => {
		let said = "";

		anvil.on("exit", () => fail(new Error("the chain has ended")));
		anvil.stdout.on("data", (text) => {
			const found = /Listening on ([\d.:]+)/.exec(said += text);

			if (found)
				ready(url = `http://${found[1]}`);
		});
	});
}

export const now = async () =>
	Number((await rpc("eth_getBlockByNumber", "latest", false)).timestamp);

// Has the next transaction's block be at this time.
export const next_at = (time) => rpc("evm_setNextBlockTimestamp", time);

export async function pass(seconds) {
	await next_at(await now() + seconds);
	await rpc("evm_mine");
}

// The reason that a call was refused with, or the name of its error.
function reason_of(data, iface) {
	const text = typeof data === "string" ? data : data?.data ?? "0x";
	const found = iface.parseError(text);

	if (!found)
		return text;
	return found.name === "Error" ? found.args[0] : found.name;
}

export class Contract {
	constructor(name, address) {
		this.iface = artifact(name).iface;
		this.address = address;
	}

	data(method, args) {
		return this.iface.encodeFunctionData(method, args);
	}

	// What a view returns: one value, or several.
	async view(method, ...args) {
		const found = this.iface.decodeFunctionResult(method,
			await rpc("eth_call", { to: this.address,
				data: this.data(method, args) }, "latest"));

		return found.length === 1 ? found[0] : found.toArray();
	}

	// Why a transaction would be refused, or nothing.
	async refusal(from, method, ...args) {
		try {
			await rpc("eth_call", { from, to: this.address,
				data: this.data(method, args) }, "latest");
			return "";
		} catch (error) {
			return reason_of(error.data, this.iface);
		}
	}

	// Returns the events.
	async send(from, method, ...args) {
		const receipt = await transact({ from, to: this.address,
			data: this.data(method, args) });

		if (receipt.status !== "0x1")
			throw new Error(`${method}: ` +
				await this.refusal(from, method, ...args));
		record(method, receipt);
		return receipt.logs.map((log) => this.iface.parseLog(log));
	}

	slot(position) {
		return rpc("eth_getStorageAt", this.address, word(position),
			"latest");
	}
}

// Returns the receipt, once the transaction is in a block.
export const transact = (tx) =>
	rpc("eth_sendTransactionSync", { gas: "0x1c9c380", ...tx });

function record(method, receipt) {
	const name = method.replace(/\(.*/, "");

	// The first is the one that writes fresh slots.
	if (!gas.has(name))
		gas.set(name, Number(receipt.gasUsed));
}

export const gas_table = () => gas;

export async function deploy(from, name, ...args) {
	const { bytecode, iface } = artifact(name);
	const data = iface.encodeDeploy(args);
	const receipt = await transact({ from,
		data: ethers.concat([bytecode, data]) });

	if (receipt.status !== "0x1")
		throw new Error(`can't deploy ${name}`);
	record(`deploy ${name}`, receipt);
	return receipt.contractAddress;
}

export async function deploy_proxy(from, name, method, ...args) {
	const implementation = await deploy(from, name);
	const init = artifact(name).iface.encodeFunctionData(method, args);

	return new Contract(name,
		await deploy(from, "ERC1967Proxy", implementation, init));
}

export const APP_INIT = "initialize(address,bool,bool,bool,bytes32,bytes32)";

// An application that allows any device and this compose hash.
export const deploy_app = (owner, compose = word(7)) =>
	deploy_proxy(owner, "DstackApp", APP_INIT, owner, false, false, true,
		ZERO, compose);

export const boot_info = (changed) => ({
	appId: NOBODY, composeHash: word(7), instanceId: NOBODY,
	deviceId: word(3), mrAggregated: word(4), mrSystem: word(5),
	osImageHash: word(6), tcbStatus: "UpToDate", advisoryIds: [],
	...changed,
});

export function equal(found, wanted, what = "value") {
	const text = (value) => JSON.stringify(value,
		(_, v) => typeof v === "bigint" ? Number(v) : v);

	if (text(found) !== text(wanted))
		throw new Error(`${what} is ${text(found)}, not ${text(wanted)}`);
}

export async function refused(contract, reason, from, method, ...args) {
	equal(await contract.refusal(from, method, ...args), reason,
		`refusal of ${method}`);
}

// On a chain as it was before; one that fails shows why.
export async function claim(name, holds) {
	const before = await rpc("evm_snapshot");

	claims++;
	try {
		await holds();
		console.log(`ok ${claims} - ${name}`);
	} catch (error) {
		failed++;
		console.log(`# ${error.stack.replaceAll("\n", "\n# ")}`);
		console.log(`not ok ${claims} - ${name}`);
	}
	await rpc("evm_revert", before);
}

export function finish() {
	console.log(`1..${claims}`);
	process.exit(failed ? 1 : 0);
}
