// SPDX-License-Identifier: MIT
// Copyright The dstack for Linux authors
//
// What the transactions cost: printed, and compared with what the document says.
import { readFileSync } from "node:fs";
import {
	APP_INIT, DAY, ZERO, claim, deploy, deploy_proxy, equal, gas_table, now,
	rpc, word,
} from "./chain.mjs";

const doc = new URL("../../Documentation/contracts/contracts.rst",
	import.meta.url);
const [owner, guardian] = await rpc("eth_accounts");
const full = (n) => `0x${String(n).repeat(64)}`;

gas_table().clear();
const app = await deploy_proxy(owner, "DstackApp", APP_INIT, owner, false, false,
	true, ZERO, full(1));
const kms = await deploy_proxy(owner, "DstackKms", "initialize", owner,
	await deploy(owner, "DstackApp"));

for (const [contract, method, ...args] of [
	[kms, "addOsImageHash", full(1)],
	[kms, "deployAndRegisterApp(address,bool,bool,bool,bytes32,bytes32)",
		owner, false, false, true, ZERO, full(2)],
	[app, "addComposeHash", full(3)],
	[app, "setDelay", DAY],
	[app, "setGuardian", guardian],
	[app, "announceExecPolicy", full(4), 1],
	[app, "revokeExecPolicy", 1],
	[app, "pinDevice", full(5)],
	[app, "revokeDevicePin", full(5)],
	[app, "setDevicePinsRequired", true],
	[app, "announceKeyEpoch", await now() + DAY, await now() + 3 * DAY],
	[app, "revokeKeyEpoch", 0],
	[app, "announceUpgrade", await deploy(owner, "DstackApp")],
	[app, "revokeUpgrade"],
])
	await contract.send(owner, method, ...args);

for (const [name, used] of gas_table())
	console.log(`# gas ${name.padEnd(24)} ${used.toLocaleString("en")}`);

// Arguments like times have more or fewer zeros, which cost less.
await claim("gas_table_of_the_document_is_true", () => {
	const text = readFileSync(doc, "utf8");

	for (const [name, used] of gas_table()) {
		const row = new RegExp(`^\`*${name}\`* +([\\d,]+)$`, "m")
			.exec(text);
		const said = Number(row?.[1].replaceAll(",", ""));

		equal(Math.abs(said - used) <= used / 200, true,
			`${name}: ${said} of the document, ${used} used`);
	}
});
