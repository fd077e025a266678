// SPDX-License-Identifier: MIT
// Copyright The dstack for Linux authors
//
// Exec policies, device pins, key epochs, and the delay and guardian over them.
import {
	APP_INIT, Contract, DAY, NOBODY, ZERO, artifact, boot_info, claim,
	deploy, deploy_app, deploy_proxy, equal, next_at, now, pass, refused, rpc, transact, word,
} from "./chain.mjs";
import { bases, read } from "./slots.mjs";

const [owner, guardian, stranger] = await rpc("eth_accounts");
const app = await deploy_app(owner);
const locked = await deploy_app(owner);
const root = word(0xaa), other = word(0xbb), device = word(3);

await locked.send(owner, "setGuardian", guardian);
await locked.send(owner, "setDelay", 2 * DAY);

const in_force = async (contract) => (await contract.view("execPolicy"))
	.slice(0, 2).map((v) => typeof v === "bigint" ? Number(v) : v);
const allowed = async (contract) =>
	(await contract.view("isAppAllowed", boot_info()))[1];

// A policy that is in force.
async function govern(contract, value, epoch) {
	await contract.send(owner, "announceExecPolicy", value, epoch);
	await pass(2 * DAY);
}

await claim("bases_of_the_slots_follow_erc_7201", () => {
	for (const base of Object.values(bases))
		equal(Number(base & 0xffn), 0);
	equal(new Set(Object.values(bases)).size, 3);
});

await claim("without_a_delay_the_owner_is_as_free_as_upstreams", async () => {
	equal(await allowed(app), "");
	equal(await app.view("delay"), 0);
	await app.send(owner, "announceExecPolicy", root, 1);
	equal(await in_force(app), [root, 1]);
	await app.send(owner, "upgradeToAndCall",
		await deploy(owner, "DstackApp"), "0x");
});

await claim("app_without_policy_is_refused_as_upstreams_alone", async () => {
	await locked.send(owner, "announceExecPolicy", root, 1);
	equal(await in_force(locked), [ZERO, 0]);
	equal(await allowed(locked), "");
	await locked.send(guardian, "revokeExecPolicy", 1);
	equal(await allowed(locked), "");
});

await claim("announcement_says_when_it_counts", async () => {
	const at = await now() + 100;

	await next_at(at);
	const [event] = await locked.send(owner, "announceExecPolicy", root, 1);

	equal([event.name, ...event.args],
		["ExecPolicyAnnounced", 1, root, at + 2 * DAY]);
	equal(await locked.view("announcedExecPolicy"),
		[root, 1, at + 2 * DAY, 0]);
});

await claim("attack_74_policy_is_not_in_force_before_its_time", async () => {
	const at = await now() + 100;

	await next_at(at);
	await locked.send(owner, "announceExecPolicy", root, 1);
	await next_at(at + 2 * DAY - 1);
	await rpc("evm_mine");
	equal(await in_force(locked), [ZERO, 0]);
	await next_at(at + 2 * DAY);
	await rpc("evm_mine");
	equal(await in_force(locked), [root, 1]);
});

await claim("attack_73_policy_is_not_used_in_the_block_it_came_in", async () => {
	await rpc("evm_setAutomine", false);
	const hash = await rpc("eth_sendTransaction", { from: owner,
		to: locked.address, gas: "0x100000",
		data: locked.data("announceExecPolicy", [root, 1]) });

	await rpc("evm_mine");
	await rpc("evm_setAutomine", true);
	equal((await rpc("eth_getTransactionReceipt", hash)).status, "0x1");
	equal(await in_force(locked), [ZERO, 0]);
});

await claim("attack_74_announced_policy_is_cancelled_by_either", async () => {
	let epoch = 1;

	for (const who of [owner, guardian]) {
		await locked.send(owner, "announceExecPolicy", root, epoch);
		await locked.send(who, "revokeExecPolicy", epoch++);
		await pass(9 * DAY);
		equal(await in_force(locked), [ZERO, 0]);
	}
});

await claim("cancelled_policy_leaves_the_one_in_force", async () => {
	await govern(locked, root, 1);
	await locked.send(owner, "announceExecPolicy", other, 2);
	await locked.send(guardian, "revokeExecPolicy", 2);
	await pass(9 * DAY);
	equal(await in_force(locked), [root, 1]);
	equal(await allowed(locked), "");
});

await claim("attack_74_revocation_is_immediate", async () => {
	await govern(locked, root, 1);
	equal(await in_force(locked), [root, 1]);
	equal(await allowed(locked), "");
	await locked.send(guardian, "revokeExecPolicy", 1);
	equal(await in_force(locked), [ZERO, 0]);
	equal(await allowed(locked), "Exec policy revoked");
});

await claim("attack_74_nothing_undoes_a_revocation_but_waiting", async () => {
	await govern(locked, root, 1);
	await locked.send(guardian, "revokeExecPolicy", 1);
	await refused(locked, "Policy is revoked", owner, "revokeExecPolicy", 1);
	await refused(locked, "Policy epoch must rise", owner,
		"announceExecPolicy", root, 1);
	await locked.send(owner, "announceExecPolicy", root, 2);
	await pass(DAY);
	equal(await allowed(locked), "Exec policy revoked");
	await pass(DAY);
	equal(await in_force(locked), [root, 2]);
	equal(await allowed(locked), "");
});

await claim("attack_73_older_policy_never_comes_back", async () => {
	await govern(locked, root, 1);
	await govern(locked, other, 2);
	equal(await in_force(locked), [other, 2]);
	await locked.send(guardian, "revokeExecPolicy", 2);
	await pass(9 * DAY);
	equal(await in_force(locked), [ZERO, 0]);
	await refused(locked, "No policy of this epoch", owner,
		"revokeExecPolicy", 1);
});

await claim("attack_76_epoch_of_policies_never_falls", async () => {
	await govern(locked, root, 5);
	for (const epoch of [0, 1, 4, 5])
		await refused(locked, "Policy epoch must rise", owner,
			"announceExecPolicy", other, epoch);
	await locked.send(owner, "announceExecPolicy", other, 9);
	await refused(locked, "Another policy is announced", owner,
		"announceExecPolicy", root, 10);
	await locked.send(owner, "revokeExecPolicy", 9);
	await refused(locked, "Policy epoch must rise", owner,
		"announceExecPolicy", root, 9);
	await refused(locked, "Policy epoch too great", owner,
		"announceExecPolicy", root, 2n ** 53n);
	await refused(locked, "Invalid policy root", owner,
		"announceExecPolicy", ZERO, 10);
});

await claim("attack_75_approval_is_of_this_hash_alone", async () => {
	const hash = `0x${"5a".repeat(32)}`;

	await app.send(owner, "addComposeHash", hash);
	for (let i = 0; i < 32; i++) {
		const byte = `0x${hash.slice(2, 2 + 2 * i)}5b` +
			hash.slice(4 + 2 * i);

		equal(await app.view("isAppAllowed",
			boot_info({ composeHash: byte })),
		[false, "Compose hash not allowed"]);
	}
});

await claim("attack_74_shorter_delay_waits_for_the_longer", async () => {
	await locked.send(owner, "setDelay", 0);
	equal(await locked.view("delay"), 2 * DAY);
	await locked.send(owner, "announceExecPolicy", root, 1);
	await pass(2 * DAY - 10);
	equal(await locked.view("delay"), 2 * DAY);
	equal(await in_force(locked), [ZERO, 0]);
	await pass(10);
	equal(await locked.view("delay"), 0);
});

await claim("delay_shortens_from_the_shorter_one_that_came", async () => {
	await locked.send(owner, "setDelay", DAY);
	await pass(2 * DAY);
	await locked.send(owner, "setDelay", 0);
	equal(await locked.view("delay"), DAY);
	await pass(DAY);
	equal(await locked.view("delay"), 0);
});

await claim("attack_74_longer_delay_counts_at_once_and_drops_a_shorter",
	async () => {
		await locked.send(owner, "setDelay", 0);
		await locked.send(owner, "setDelay", 5 * DAY);
		equal(await locked.view("delay"), 5 * DAY);
		await pass(9 * DAY);
		equal(await locked.view("delay"), 5 * DAY);
		await refused(locked, "Delay too long", owner, "setDelay",
			365 * DAY + 1);
	});

await claim("attack_74_announced_time_stays_when_the_delay_changes", async () => {
	await locked.send(owner, "announceExecPolicy", root, 1);
	const [, , at] = await locked.view("announcedExecPolicy");

	await locked.send(owner, "setDelay", 300 * DAY);
	equal((await locked.view("announcedExecPolicy"))[2], at);
	await pass(2 * DAY);
	equal(await in_force(locked), [root, 1]);
});

await claim("attack_74_upgrade_waits_as_a_policy_does", async () => {
	const code = await deploy(owner, "DstackApp");
	const upgrade = ["upgradeToAndCall", code, "0x"];

	await refused(locked, "Upgrade not announced", owner, ...upgrade);
	await locked.send(owner, "announceUpgrade", code);
	await refused(locked, "Upgrade not yet active", owner, ...upgrade);
	await refused(locked, "Upgrade not announced", owner,
		"upgradeToAndCall", await deploy(owner, "DstackApp"), "0x");
	await pass(2 * DAY);
	await locked.send(owner, ...upgrade);
	await refused(locked, "Upgrade not announced", owner, ...upgrade);
});

await claim("attack_74_upgrade_of_the_kms_waits_too", async () => {
	const kms = await deploy_proxy(owner, "DstackKms", "initialize", owner,
		NOBODY);
	const code = await deploy(owner, "DstackKms");

	await kms.send(owner, "setDelay", DAY);
	await refused(kms, "Upgrade not announced", owner, "upgradeToAndCall",
		code, "0x");
	await kms.send(owner, "announceUpgrade", code);
	await pass(DAY);
	await kms.send(owner, "upgradeToAndCall", code, "0x");
});

await claim("attack_74_guardian_stops_an_upgrade", async () => {
	const code = await deploy(owner, "DstackApp");

	await locked.send(owner, "announceUpgrade", code);
	await locked.send(guardian, "revokeUpgrade");
	await pass(9 * DAY);
	await refused(locked, "Upgrade not announced", owner,
		"upgradeToAndCall", code, "0x");
	await refused(locked, "No upgrade announced", guardian,
		"revokeUpgrade");
});

await claim("guardian_can_revoke_and_nothing_else", async () => {
	const revokes = ["revokeExecPolicy", "revokeDevicePin",
		"revokeKeyEpoch", "revokeUpgrade"];
	const open = ["initialize", "acceptOwnership"];

	for (const f of artifact("DstackApp").abi) {
		if (f.type !== "function" || /view|pure/.test(f.stateMutability) ||
		    open.includes(f.name))
			continue;
		const args = f.inputs.map((i) => ({ address: stranger,
			bool: false, bytes32: word(1), bytes: "0x",
			uint64: 1 })[i.type]);
		const said = await locked.refusal(guardian, f.name, ...args);

		equal(said !== "OwnableUnauthorizedAccount",
			revokes.includes(f.name), f.name);
	}
	await refused(locked, "Caller is neither owner nor guardian", stranger,
		"revokeExecPolicy", 1);
});

await claim("attack_74_guardian_in_office_stays_for_the_delay", async () => {
	await govern(locked, root, 1);
	await locked.send(owner, "setGuardian", NOBODY);
	await pass(2 * DAY - 10);
	equal((await locked.view("guardian")).toLowerCase(), guardian);
	await locked.send(guardian, "revokeExecPolicy", 1);
	await pass(10);
	equal(await locked.view("guardian"), NOBODY);
	await refused(locked, "Guardian must not be the owner", owner,
		"setGuardian", owner);
});

await claim("guardian_revokes_where_no_owner_is_left", async () => {
	await govern(locked, root, 1);
	await locked.send(owner, "renounceOwnership");
	await locked.send(guardian, "revokeExecPolicy", 1);
	equal(await in_force(locked), [ZERO, 0]);
});

await claim("attack_58_device_is_refused_unless_pinned", async () => {
	await locked.send(owner, "setDevicePinsRequired", true);
	equal(await allowed(locked), "Device not pinned");
	await locked.send(owner, "pinDevice", device);
	await refused(locked, "Device is pinned", owner, "pinDevice", device);
	equal(await allowed(locked), "Device not pinned");
	await pass(2 * DAY);
	equal(await allowed(locked), "");
	await locked.send(guardian, "revokeDevicePin", device);
	equal(await allowed(locked), "Device not pinned");
	await refused(locked, "Device is not pinned", owner, "revokeDevicePin",
		device);
	await locked.send(owner, "pinDevice", device);
	equal(await allowed(locked), "Device not pinned");
	await pass(2 * DAY);
	equal(await allowed(locked), "");
});

await claim("attack_74_pins_stop_counting_after_the_delay_only", async () => {
	await locked.send(owner, "setDevicePinsRequired", true);
	await locked.send(owner, "setDevicePinsRequired", false);
	await pass(DAY);
	equal(await allowed(locked), "Device not pinned");
	await pass(DAY);
	equal(await allowed(locked), "");
	await refused(locked, "Device pins are not required", owner,
		"setDevicePinsRequired", false);
});

const live = async (...epochs) => {
	const found = [];

	for (const epoch of epochs)
		found.push(await locked.view("isKeyEpochLive", epoch));
	return found;
};

await claim("attack_63_both_key_epochs_live_for_the_overlap_only", async () => {
	const at = await now();

	equal(await live(0, 1), [true, false]);
	await locked.send(owner, "announceKeyEpoch", at + DAY, at + 3 * DAY);
	equal(await live(0, 1), [true, false]);
	await next_at(at + DAY);
	await rpc("evm_mine");
	equal(await live(0, 1, 2), [true, true, false]);
	await next_at(at + 3 * DAY);
	await rpc("evm_mine");
	equal(await live(0, 1, 2), [false, true, false]);
});

await claim("attack_63_revoked_key_epoch_never_lives_again", async () => {
	const at = await now();

	await locked.send(owner, "announceKeyEpoch", at + DAY, at + 3 * DAY);
	await refused(locked, "Key epoch has not started", guardian,
		"revokeKeyEpoch", 1);
	await pass(DAY);
	await locked.send(guardian, "revokeKeyEpoch", 0);
	equal(await live(0, 1), [false, true]);
	await refused(locked, "Key epoch is revoked", owner, "revokeKeyEpoch",
		0);
	await locked.send(owner, "revokeKeyEpoch", 1);
	equal(await live(0, 1, 2), [false, false, false]);
	await locked.send(owner, "announceKeyEpoch", await now() + 100,
		await now() + 3 * DAY);
	await pass(200);
	equal(await live(0, 1, 2), [false, false, true]);
});

await claim("key_epoch_keeps_the_overlap_it_was_promised", async () => {
	const at = await now();

	await refused(locked, "Key epoch starts in the past", owner,
		"announceKeyEpoch", at - 1, at + 9 * DAY);
	await refused(locked, "Key epoch starts too late", owner,
		"announceKeyEpoch", at + 400 * DAY, at + 401 * DAY);
	await refused(locked, "Key epoch retires too early", owner,
		"announceKeyEpoch", at + DAY, at + 2 * DAY - 10);
	await locked.send(owner, "announceKeyEpoch", at + DAY, at + 4 * DAY);
	await pass(DAY);
	await refused(locked, "Previous key epoch still lives", owner,
		"announceKeyEpoch", at + 3 * DAY, at + 9 * DAY);
	await locked.send(owner, "announceKeyEpoch", at + 4 * DAY, at + 9 * DAY);
});

await claim("slots_say_what_the_functions_say", async () => {
	const code = await deploy(owner, "DstackApp");

	await govern(locked, root, 7);
	await locked.send(owner, "announceUpgrade", code);
	await locked.send(owner, "pinDevice", device);
	await locked.send(owner, "setDevicePinsRequired", true);
	await pass(2 * DAY);
	const slots = await read(locked, device);

	equal(slots.policy.root, root);
	equal(slots.policy.epoch, 7);
	equal(slots.policy.revoked_at, 0);
	equal([slots.guardian, slots.delay, slots.upgrade],
		[guardian, 2 * DAY, code]);
	equal([slots.pinned, slots.pins_required], [true, true]);
	await locked.send(guardian, "revokeExecPolicy", 7);
	equal((await read(locked, device)).policy.revoked_at > 0, true);
});

await claim("attack_73_extension_leaves_slots_of_upstream_alone", async () => {
	const before = [];

	for (let i = 0; i < 54; i++)
		before.push(await locked.slot(i));
	await govern(locked, root, 1);
	await locked.send(owner, "pinDevice", device);
	await locked.send(owner, "setDevicePinsRequired", true);
	await locked.send(owner, "setDelay", 9 * DAY);
	await locked.send(owner, "announceKeyEpoch", await now() + 100,
		await now() + 19 * DAY);
	for (let i = 0; i < 54; i++)
		equal(await locked.slot(i), before[i], `slot ${i}`);
});

await claim("attack_73_ten_thousand_hashes_cost_no_more_each", async () => {
	const crowd = await deploy(owner, "Crowd");
	const many = await deploy_proxy(owner, "DstackApp", APP_INIT, crowd,
		false, false, true, ZERO, ZERO);
	const iface = new Contract("Crowd", crowd);
	const call = (first, count) => transact({ from: owner, to: crowd,
		gas: "0xffffffff",
		data: iface.data("approve", [many.address, first, count]) });
	const first = await call(1e6, 100);

	equal(first.status, "0x1");
	equal((await call(2e6, 10000)).status, "0x1");
	const last = await call(3e6, 100);

	equal(Math.abs(last.gasUsed - first.gasUsed) < 100, true,
		`${last.gasUsed} - ${first.gasUsed}`);
	equal((await many.view("isAppAllowed",
		boot_info({ composeHash: word(2e6 + 9999) })))[0], true);
	equal((await many.view("isAppAllowed",
		boot_info({ composeHash: word(2e6 + 10000) })))[0], false);
});
