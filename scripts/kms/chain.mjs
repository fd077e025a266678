// SPDX-License-Identifier: MIT
// Copyright The dstack for Linux authors
//
// A chain with the contracts on it, for machines: chain.mjs MODULES BUILD.  The
// first line that it prints says where what is, in JSON; then it does what the
// lines of its standard input say, each answered by one of JSON, until they end.
// A block comes each second.
import { createInterface } from "node:readline";
import {
	Contract, chain_url, deploy, deploy_proxy, ethers, rpc, start, word,
} from "../../contracts/test/chain.mjs";

const SLOT = "0x360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc";

await start();
const [owner] = await rpc("eth_accounts");
const template = await deploy(owner, "DstackApp");
const kms = await deploy_proxy(owner, "DstackKms",
	"initialize(address,address)", owner, template);
const apps = new Map();

const code_of = async (address) =>
	ethers.keccak256(await rpc("eth_getCode", address, "latest"));
const behind = async (address) => `0x${(await rpc("eth_getStorageAt",
	address, SLOT, "latest")).slice(26)}`;
const hex = (text) => `0x${text}`;

const commands = {
	image: (hash) => kms.send(owner, "addOsImageHash", hex(hash)),
	"kms-mr": (hash) => kms.send(owner, "addKmsAggregatedMr", hex(hash)),
	"kms-device": (id) => kms.send(owner, "addKmsDevice", hex(id)),
	// An application that allows any device, and no compose hash yet.
	async app(name) {
		const events = await kms.send(owner,
			"deployAndRegisterApp(address,bool,bool,bool,bytes32,bytes32)",
			owner, false, false, true, word(0), word(0));
		const { appId } = events.find((event) =>
			event?.name === "AppDeployedViaFactory").args;

		apps.set(name, new Contract("DstackApp", appId));
		return appId;
	},
	allow: (name, hash) => apps.get(name).send(owner, "addComposeHash",
		hex(hash)),
	deny: (name, hash) => apps.get(name).send(owner, "removeComposeHash",
		hex(hash)),
	announce: (name, root, epoch) => apps.get(name).send(owner,
		"announceExecPolicy", hex(root), BigInt(epoch)),
	revoke: (name, epoch) => apps.get(name).send(owner,
		"revokeExecPolicy", BigInt(epoch)),
	// The KMS's next one, from here on; the one before lives for an hour.
	async "key-epoch"() {
		const { timestamp } = await rpc("eth_getBlockByNumber", "latest",
			false);
		const starts = BigInt(timestamp) + 2n;

		return kms.send(owner, "announceKeyEpoch", starts, starts + 3600n);
	},
	"end-key-epoch": (epoch) => kms.send(owner, "revokeKeyEpoch",
		BigInt(epoch)),
};

await rpc("evm_setIntervalMining", 1);
console.log(JSON.stringify({
	url: chain_url(), chain_id: 31337, kms: kms.address, known_code: {
		proxies: [await code_of(kms.address)],
		kms_linux: [await code_of(await behind(kms.address))],
		app_linux: [await code_of(template)],
	},
}));
for await (const line of createInterface({ input: process.stdin })) {
	const [name, ...args] = line.trim().split(" ");

	try {
		const done = await commands[name](...args);

		console.log(JSON.stringify({ done: typeof done === "string"
			? done : name }));
	} catch (error) {
		console.log(JSON.stringify({ failed: String(error) }));
	}
}
process.exit(0);
