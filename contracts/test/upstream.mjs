// SPDX-License-Identifier: MIT
// Copyright The dstack for Linux authors
//
// What upstream's tools and contracts rely on: ABI, slots, reasons, events.
import {
	APP_INIT, Contract, NOBODY, ZERO, artifact, boot_info, claim, deploy,
	deploy_app, deploy_proxy, equal, ethers, refused, rpc, transact, word,
} from "./chain.mjs";

const [owner, stranger] = await rpc("eth_accounts");

// The first four bytes of each function, and the topic of each event.
const selectors = {
	DstackKms: "1e079198 e067ec9d 95f51931 25a992da a6c4cce9 9a4e1d18 " +
		"f6fe4f40 13eb9770 09177063 8da5cb5b e30c3978 17a1d80f " +
		"9cb9c31f 8618169d 485cc955 7d025352 18c1ecb2 736ede7a " +
		"3971db27 3ceaaa11 3e32d346 2adee48d 4d5922a1 9e6f3114 " +
		"06a3ae96 9425bac6 01ffc9a7 4f1ef286",
	DstackApp: "1e079198 8da5cb5b e30c3978 2f6622e5 bf8b211b 3440a16a " +
		"0aa58c83 54fd4d50 dfc77223 67b3f22c 2a819728 1d266200 " +
		"7c4beeb8 6e4c7422 ec669036 9ed28193 187515ca 01ffc9a7 " +
		"4f1ef286",
};
const topics = {
	PolicyChanged: "341d3bc64e32172fc5bcf27b0f7f69dc5adc19af64b7aa1dee361e5883c32375",
	AppRegistered: "0d540ad8f39e07d19909687352b9fa017405d93c91a6760981fbae9cf28bfef7",
	KmsInfoSet: "77cdad119a452bbd96c45635758fc4af8a6bde3deaccf3fada634ddf9a162706",
	AppDeployedViaFactory: "fd86d7f6962eba3b7a3bf9129c06c0b2f885e1c61ef2c9f0dbb856be0deefdee",
	ComposeHashAdded: "fecb34306dd9d8b785b54d65489d06afc8822a0893ddacedff40c50a4942d0af",
	ComposeHashRemoved: "755b79bd4b0eeab344d032284a99003b2ddc018b646752ac72d681593a6e8947",
	DeviceAdded: "67fc71ab96fe3fa3c6f78e9a00e635d591b7333ce611c0380bc577aac702243b",
	OsImageHashAdded: "4911843506849c85a5ca6e6e2c01eed2d3ab86baba619517a2aad9d5ab2aeff2",
	OsImageHashRemoved: "99b3cee95daf3138d0c982299cd0264f5b7a61aa629b42b92f3ec8966aa7f6fe",
	KmsAggregatedMrAdded: "68615a0b92795750b3d180ff73429e1291d225e449eee954a567b91104fd9837",
	KmsDeviceAdded: "f2b290637b1193e12eb38ab32b986303639b1687cc2cd1e25f993e6eae2f4041",
	GatewayAppIdSet: "5b2b64f770ea5266055ebd3ebf205ef06cbfa738e62684edf0e28356e34acf06",
	UpgradesDisabled: "0e5daa943fcd7e7182d0e893d180695c2ea9f6f1b4a1c5432faf14cf17b774e8",
};
const slots = {
	DstackKms: ["kmsInfo 0 0", "gatewayAppId 4 0", "registeredApps 5 0",
		"kmsAllowedAggregatedMrs 6 0", "kmsAllowedDeviceIds 7 0",
		"allowedOsImages 8 0", "appImplementation 9 0", "__gap 10 0"],
	DstackApp: ["allowedComposeHashes 0 0", "_upgradesDisabled 1 0",
		"allowAnyDevice 1 1", "allowedDeviceIds 2 0",
		"requireTcbUpToDate 3 0", "__gap 4 0"],
};

for (const name of ["DstackKms", "DstackApp"]) {
	await claim(`${name}_has_every_function_of_upstream`, () => {
		const found = new Set();

		artifact(name).iface.forEachFunction((f) => found.add(f.selector.slice(2)));
		equal(selectors[name].split(" ").filter((s) => !found.has(s)),
			[], "what is missing");
	});
	await claim(`${name}_has_the_slots_of_upstream`, () => {
		equal(artifact(name).storage.storage.map((s) =>
			`${s.label} ${s.slot} ${s.offset}`), slots[name]);
	});
	await claim(`${name}_fits_into_a_block_of_code`, () => {
		const size = (artifact(name).deployed.length - 2) / 2;

		console.log(`# ${name}: ${size} bytes of code`);
		equal(size <= 24576, true, `${size} <= 24576`);
	});
}

await claim("events_have_the_topics_of_upstream", () => {
	const all = [...artifact("DstackKms").abi, ...artifact("DstackApp").abi]
		.filter((entry) => entry.type === "event");
	const iface = new ethers.Interface(all);

	for (const [name, topic] of Object.entries(topics))
		equal(iface.getEvent(name).topicHash, `0x${topic}`, name);
});

const app = await deploy_app(owner);
const kms = await deploy_proxy(owner, "DstackKms", "initialize", owner,
	await deploy(owner, "DstackApp"));

await claim("interfaces_of_upstream_are_supported", async () => {
	for (const id of ["0x1e079198", "0x8fd37527", "0x01ffc9a7"])
		equal(await app.view("supportsInterface", id), true, id);
	equal(await app.view("supportsInterface", "0xffffffff"), false);
	equal(await kms.view("supportsInterface", "0x1e079198"), true);
	equal(await app.view("version"), 2);
});

await claim("code_is_that_of_the_build_but_for_its_own_address", async () => {
	const { deployed, immutable } = artifact("DstackApp");
	const address = await deploy(stranger, "DstackApp");
	let found = await rpc("eth_getCode", address, "latest");

	for (const { start, length } of Object.values(immutable).flat())
		found = found.slice(0, 2 + 2 * start) + "00".repeat(length) +
			found.slice(2 + 2 * (start + length));
	equal(found === deployed, true, "code is as built");
});

await claim("values_are_where_proofs_of_upstream_look", async () => {
	const at = (key, slot) => BigInt(ethers.keccak256(
		ethers.concat([ethers.zeroPadValue(key, 32), word(slot)])));
	const [one, short] = [word(1), word((0xabn << 248n) | 2n)];

	for (const [contract, method, arg, slot] of [
		[app, "addComposeHash", word(9), 0],
		[app, "addDevice", word(9), 2],
		[kms, "registerApp", stranger, 5],
		[kms, "addKmsAggregatedMr", word(9), 6],
		[kms, "addKmsDevice", word(9), 7],
		[kms, "addOsImageHash", word(9), 8],
	]) {
		equal(await contract.slot(at(arg, slot)), ZERO, method);
		await contract.send(owner, method, arg);
		equal(await contract.slot(at(arg, slot)), one, method);
	}
	await kms.send(owner, "setKmsInfo", Array(4).fill("0xab"));
	for (let i = 0; i < 4; i++)
		equal(await kms.slot(i), short, `kmsInfo ${i}`);
	await kms.send(owner, "setGatewayAppId", "a");
	equal(await kms.slot(4), word((0x61n << 248n) | 2n), "gatewayAppId");
	await kms.send(owner, "setAppImplementation", stranger);
	equal(await kms.slot(9), ethers.zeroPadValue(stranger, 32));
});

await claim("kms_refuses_with_the_reasons_of_upstream", async () => {
	const info = boot_info();
	const says = (reason, changed) => kms.view("isKmsAllowed",
		{ ...info, ...changed }).then((found) =>
		equal(found, [reason === "", reason]));

	await says("TCB status is not up to date", { tcbStatus: "OutOfDate" });
	await says("OS image is not allowed");
	await kms.send(owner, "addOsImageHash", info.osImageHash);
	await says("Aggregated MR not allowed");
	await kms.send(owner, "addKmsAggregatedMr", info.mrAggregated);
	await says("KMS is not allowed to boot on this device");
	await kms.send(owner, "addKmsDevice", info.deviceId);
	await says("");
	await kms.send(owner, "removeKmsDevice", info.deviceId);
	await says("KMS is not allowed to boot on this device");
	await kms.send(owner, "removeKmsAggregatedMr", info.mrAggregated);
	await says("Aggregated MR not allowed");
	await kms.send(owner, "removeOsImageHash", info.osImageHash);
	await says("OS image is not allowed");
});

await claim("app_is_refused_with_the_reasons_of_upstream", async () => {
	const info = boot_info({ appId: app.address });
	const says = (reason, changed) => kms.view("isAppAllowed",
		{ ...info, ...changed }).then((found) =>
		equal(found, [reason === "", reason]));

	await says("App not registered");
	await kms.send(owner, "registerApp", app.address);
	await says("OS image is not allowed");
	await kms.send(owner, "addOsImageHash", info.osImageHash);
	await says("");
	await kms.send(owner, "registerApp", stranger);
	await says("App not deployed or invalid address", { appId: stranger });
	await says("", { tcbStatus: "OutOfDate" });
	await app.send(owner, "setRequireTcbUpToDate", true);
	await says("TCB status is not up to date",
		{ tcbStatus: "OutOfDate", composeHash: ZERO });
	await says("Compose hash not allowed", { composeHash: word(8) });
	await app.send(owner, "setAllowAnyDevice", false);
	await says("Device not allowed");
	await app.send(owner, "addDevice", info.deviceId);
	await says("");
	await app.send(owner, "removeDevice", info.deviceId);
	await says("Device not allowed");
	await app.send(owner, "removeComposeHash", info.composeHash);
	await says("Compose hash not allowed");
});

await claim("mutators_revert_with_the_reasons_of_upstream", async () => {
	const bare = await deploy_proxy(owner, "DstackKms", "initialize", owner,
		NOBODY);

	await refused(kms, "Invalid app ID", owner, "registerApp", NOBODY);
	await refused(kms, "Invalid implementation address", owner,
		"setAppImplementation", NOBODY);
	await refused(bare, "DstackApp implementation not set", owner,
		"deployAndRegisterApp(address,bool,bool,bytes32,bytes32)",
		owner, false, true, ZERO, ZERO);
	await refused(kms, "Invalid owner address", owner,
		"deployAndRegisterApp(address,bool,bool,bytes32,bytes32)",
		NOBODY, false, true, ZERO, ZERO);
	await refused(app, "invalid compose hash", owner, "addComposeHash",
		ZERO);
	await refused(app, "invalid device ID", owner, "addDevice", ZERO);
	await app.send(owner, "disableUpgrades");
	await refused(app, "Upgrades are permanently disabled", owner,
		"upgradeToAndCall", await deploy(owner, "DstackApp"), "0x");
});

await claim("factory_deploys_what_both_forms_ask_for", async () => {
	const long = "deployAndRegisterApp(address,bool,bool,bool,bytes32,bytes32)";
	const short = "deployAndRegisterApp(address,bool,bool,bytes32,bytes32)";

	for (const [form, args, tcb] of [
		[long, [stranger, true, true, false, word(1), word(2)], true],
		[short, [stranger, true, false, word(1), word(2)], false],
	]) {
		const events = await kms.send(stranger, form, ...args);
		const { appId } = events.findLast((e) =>
			e?.name === "AppDeployedViaFactory").args;
		const made = new Contract("DstackApp", appId);

		equal(await kms.view("registeredApps", appId), true);
		equal(await made.view("owner"), stranger.replace(/.*/,
			ethers.getAddress));
		equal(await made.view("requireTcbUpToDate"), tcb);
		equal(await made.view("allowAnyDevice"), false);
		equal(await made.view("allowedDeviceIds", word(1)), true);
		equal(await made.view("allowedComposeHashes", word(2)), true);
		await refused(made, "Upgrades are permanently disabled",
			stranger, "upgradeToAndCall",
			await deploy(owner, "DstackApp"), "0x");
	}
});

await claim("each_change_of_policy_is_an_event_with_its_actor", async () => {
	const wanted = [
		[app, "addComposeHash", [word(9)], "compose-hash", word(9), true],
		[app, "removeComposeHash", [word(9)], "compose-hash", word(9), false],
		[app, "addDevice", [word(9)], "device", word(9), true],
		[app, "removeDevice", [word(9)], "device", word(9), false],
		[app, "setAllowAnyDevice", [true], "allow-any-device", ZERO, true],
		[app, "setRequireTcbUpToDate", [true], "require-tcb-up-to-date",
			ZERO, true],
		[app, "disableUpgrades", [], "upgrades-disabled", ZERO, true],
		[kms, "addOsImageHash", [word(9)], "os-image", word(9), true],
		[kms, "removeKmsDevice", [word(9)], "kms-device", word(9), false],
		[kms, "addKmsAggregatedMr", [word(9)], "kms-aggregated-mr",
			word(9), true],
		[kms, "setGatewayAppId", ["x"], "gateway-app-id",
			ethers.id("x"), true],
		[kms, "setKmsInfo", [["0x02", "0x", "0x", "0x"]], "kms-info",
			ethers.keccak256("0x02"), true],
	];

	for (const [contract, method, args, name, value, enabled] of wanted) {
		const events = await contract.send(owner, method, ...args);
		const found = events.at(-1);

		equal(events.length, 2, `events of ${method}`);
		equal([found.name, ...found.args], ["PolicyChanged",
			ethers.getAddress(owner), ethers.id(name), value,
			enabled], method);
	}
});

await claim("ownership_moves_in_two_steps", async () => {
	await app.send(owner, "transferOwnership", stranger);
	equal((await app.view("owner")).toLowerCase(), owner);
	await refused(app, "OwnableUnauthorizedAccount", stranger,
		"addDevice", word(1));
	await app.send(stranger, "acceptOwnership");
	equal((await app.view("owner")).toLowerCase(), stranger);
	await refused(app, "OwnableUnauthorizedAccount", owner, "addDevice",
		word(1));
});

await claim("attack_73_who_is_not_the_owner_changes_nothing", async () => {
	const open = ["registerApp", "deployAndRegisterApp", "initialize",
		"acceptOwnership"];

	for (const [contract, name] of [[app, "DstackApp"], [kms, "DstackKms"]])
		for (const f of artifact(name).abi) {
			if (f.type !== "function" || open.includes(f.name) ||
			    /view|pure/.test(f.stateMutability))
				continue;
			const form = contract.iface.fragments.find((i) =>
				i.name === f.name && i.type === "function");
			const args = form.inputs.map((i) =>
				sample(i));

			equal(/OwnableUnauthorizedAccount|neither owner/.test(
				await contract.refusal(stranger, form.format(),
					...args)), true, `${name}.${f.name}`);
		}
});

function sample(input) {
	if (input.components)
		return input.components.map(sample);
	return { address: stranger, bool: true, bytes32: word(1), bytes: "0x",
		string: "", uint64: 1 }[input.type];
}

await claim("attack_73_nothing_is_initialized_twice", async () => {
	const bare = new Contract("DstackApp", await deploy(owner, "DstackApp"));
	const args = [stranger, false, true, ZERO, ZERO];

	for (const victim of [app, bare]) {
		await refused(victim, "InvalidInitialization", stranger,
			APP_INIT, stranger, false, false, true, ZERO, ZERO);
		await refused(victim, "InvalidInitialization", stranger,
			"initialize(address,bool,bool,bytes32,bytes32)",
			...args);
	}
	await refused(kms, "InvalidInitialization", stranger, "initialize",
		stranger, NOBODY);
	await refused(bare, "UUPSUnauthorizedCallContext", owner,
		"upgradeToAndCall", bare.address, "0x");
});

await claim("attack_73_upgrade_moves_no_slot", async () => {
	const before = [];

	await app.send(owner, "addDevice", word(5));
	await app.send(owner, "setRequireTcbUpToDate", true);
	for (let i = 0; i < 4; i++)
		before.push(await app.slot(i));
	await app.send(owner, "upgradeToAndCall",
		await deploy(owner, "DstackApp"), "0x");
	for (let i = 0; i < 4; i++)
		equal(await app.slot(i), before[i], `slot ${i}`);
	equal(await app.view("allowedDeviceIds", word(5)), true);
	equal(before[1], word(0x0100), "slot 1");
	equal(before[3], word(1), "slot 3");
});
