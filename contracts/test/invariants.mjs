// SPDX-License-Identifier: MIT
// Copyright The dstack for Linux authors
//
// What holds whatever an owner and a guardian do, in any order, at any time.
// CONTRACTS_SEED= repeats a run, CONTRACTS_STEPS= makes it longer.
import {
	DAY, NOBODY, claim, deploy, deploy_app, equal, ethers, next_at, now, rpc,
	word,
} from "./chain.mjs";
import { read } from "./slots.mjs";

const [owner, guardian, second, stranger] = await rpc("eth_accounts");
const steps = Number(process.env.CONTRACTS_STEPS ?? 150);
let seed = Number(process.env.CONTRACTS_SEED ?? Date.now() % 2 ** 31);

console.log(`# CONTRACTS_SEED=${seed}`);

// Numbers that are the same for the same seed (mulberry32).
function random(below) {
	let t = seed = (seed + 0x6d2b79f5) | 0;

	t = Math.imul(t ^ (t >>> 15), t | 1);
	t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
	return ((t ^ (t >>> 14)) >>> 0) % below;
}

const pick = (...of) => of[random(of.length)];
const device = () => word(1 + random(3));
const code = await deploy(owner, "DstackApp");
const upgrades = [code, await deploy(owner, "DstackApp")];

// Arguments that are right now and then.
const calls = {
	setDelay: () => [pick(0, 1, DAY / 2, DAY, 2 * DAY, 400 * DAY)],
	setGuardian: () => [pick(guardian, second, NOBODY)],
	announceUpgrade: () => [pick(...upgrades)],
	revokeUpgrade: () => [],
	upgradeToAndCall: () => [pick(...upgrades), "0x"],
	announceExecPolicy: (seen) => [word(1 + random(9)),
		seen.epoch + pick(0, 1, 1, 2)],
	revokeExecPolicy: (seen) => [pick(seen.epoch, seen.policy.epoch)],
	pinDevice: () => [device()],
	revokeDevicePin: () => [device()],
	setDevicePinsRequired: () => [pick(true, false)],
	announceKeyEpoch: (_, time) => [time + random(DAY),
		time + DAY + random(4 * DAY)],
	revokeKeyEpoch: (seen) => [Math.max(0, seen.keys[0] - random(2))],
};

// Kept beside the contract, from what was done alone: what it is to say is
// derived in another way than it does that.
class Witness {
	constructor() {
		this.delays = [{ at: 0, value: 0 }];
		this.policies = [];
		this.pins = new Map();
		this.upgrade = null;
		this.keys = [{ from: 0, until: Infinity }];
		this.guardians = [{ at: 0, value: NOBODY }];
		this.pins_until = 0;
	}

	delay(time) {
		return this.delays.findLast((d) => d.at <= time).value;
	}

	guardian(time) {
		return this.guardians.findLast((g) => g.at <= time).value;
	}

	required(time) {
		return time < this.pins_until;
	}

	// A key epoch's end is known once the next one starts.
	lives(epoch, time) {
		const key = this.keys[epoch], next = this.keys[epoch + 1];

		if (!key || key.from > time || key.until <= time)
			return false;
		return !(next?.from <= time && next.previous_until <= time);
	}

	did(method, args, time) {
		const wait = this.delay(time);

		switch (method) {
		case "setDelay":
			this.delays = this.delays.filter((d) => d.at <= time);
			this.delays.push({ value: args[0],
				at: args[0] >= wait ? time : time + wait });
			break;
		case "announceExecPolicy":
			this.policies.push({ root: args[0], epoch: args[1],
				from: time + wait, until: Infinity });
			break;
		case "revokeExecPolicy":
			this.policies.find((p) => p.epoch === args[0]).until =
				time;
			break;
		case "pinDevice":
			this.pins.set(args[0], time + wait);
			break;
		case "revokeDevicePin":
			this.pins.set(args[0], Infinity);
			break;
		case "announceUpgrade":
			this.upgrade = { code: args[0], from: time + wait };
			break;
		case "revokeUpgrade":
			this.upgrade = null;
			break;
		case "upgradeToAndCall":
			if (wait !== 0)
				equal(this.upgrade?.code === args[0] &&
					this.upgrade.from <= time, true,
				"upgrade was announced in time");
			this.upgrade = null;
			break;
		case "setGuardian":
			this.guardians = this.guardians.filter((g) =>
				g.at <= time);
			this.guardians.push({ value: args[0], at: time +
				(this.guardian(time) === NOBODY ? 0 : wait) });
			break;
		case "setDevicePinsRequired":
			this.pins_until = args[0] ? Infinity : time + wait;
			break;
		case "announceKeyEpoch":
			if (this.keys.at(-1).from > time)
				this.keys.pop();
			this.keys.push({ from: args[0], until: Infinity,
				previous_until: args[1] });
			break;
		case "revokeKeyEpoch":
			for (let e = 0; e <= args[0]; e++)
				this.keys[e].until = Math.min(time,
					this.keys[e].until);
			break;
		}
	}

	// The newest that has come into force, even if revoked since.
	policy(time) {
		return this.policies.findLast((p) =>
			p.from <= time && p.until >= p.from);
	}
}

async function check(app, witness, before) {
	const dev = device();
	const epochs = [...Array(before.keys[0] + 3).keys()];
	const [seen, [root, epoch], delay, pinned, required, guards, keys,
		...lives] = await Promise.all([read(app, dev),
		app.view("execPolicy"), app.view("delay"),
		app.view("isDevicePinned", dev), app.view("devicePinsRequired"),
		app.view("guardian"), app.view("keyEpochs"),
		...epochs.map((e) => app.view("isKeyEpochLive", e))]);
	const time = seen.now;
	const policy = witness.policy(time);
	const live = policy?.until === Infinity ? policy : null;
	const pin = (witness.pins.get(dev) ?? Infinity) <= time;

	equal([root, epoch], live ? [live.root, live.epoch] :
		[ethers.ZeroHash, 0], "policy in force");
	equal([seen.policy.epoch, seen.policy.revoked_at !== 0],
		[policy?.epoch ?? 0, policy ? !live : false], "policy's slots");
	equal(seen.policy.epoch >= before.policy.epoch, true, "epoch falls not");
	equal([delay, seen.delay], Array(2).fill(witness.delay(time)), "delay");
	equal([pinned, seen.pinned], [pin, pin], "pin");
	equal([required, seen.pins_required],
		Array(2).fill(witness.required(time)), "pins required");
	equal([guards.toLowerCase(), seen.guardian],
		Array(2).fill(witness.guardian(time)), "guardian");
	equal(keys, seen.keys, "key epochs");
	equal(seen.keys[0] - before.keys[0] <= 1 &&
		seen.keys[0] >= before.keys[0], true, "key epochs go by one");
	equal(seen.keys[2] >= before.keys[2], true, "revoked keys stay so");
	for (const e of epochs)
		equal([lives[e], seen.live(e)],
			Array(2).fill(witness.lives(e, time)), `key epoch ${e}`);
	return seen;
}

await claim("attack_73_no_order_of_calls_breaks_a_promise", async () => {
	const app = await deploy_app(owner);
	const slots = [await app.slot(0), await app.slot(1), await app.slot(3)];
	const witness = new Witness();
	let seen = await read(app, word(1)), done = 0;

	seen.epoch = 0;
	for (let step = 0; step < steps; step++) {
		const time = await now() + pick(1, 60, DAY / 2, DAY, 2 * DAY);
		const method = pick(...Object.keys(calls));
		const args = calls[method](seen, time);
		const from = pick(owner, owner, owner, owner, owner, owner, guardian,
			second, stranger);
		const said = `${step}: ${method}(${args}) at ${time}`;

		await next_at(time);
		try {
			await app.send(from, method, ...args);
			done++;
		} catch (error) {
			if (!/^\w+: /.test(error.message))
				throw error;
			seen = Object.assign(await check(app, witness, seen),
				{ epoch: seen.epoch });
			continue;
		}
		// Who is in office then, and not when the last block was made.
		equal(from === owner || (/^revoke/.test(method) &&
			witness.guardian(time) === from), true,
		`${from} may ${said}`);
		witness.did(method, args, time);
		try {
			const { epoch } = seen;

			seen = await check(app, witness, seen);
			seen.epoch = method === "announceExecPolicy" ?
				args[1] : epoch;
		} catch (error) {
			error.message = `after ${said}: ${error.message}`;
			throw error;
		}
	}
	equal([await app.slot(0), await app.slot(1), await app.slot(3)], slots,
		"slots of upstream");
	console.log(`# ${done} of ${steps} calls were accepted`);
});

// What isAppAllowed says of any combination, beside the order of the reasons.
await claim("any_boot_gets_the_first_reason_that_holds", async () => {
	const app = await deploy_app(owner, ethers.ZeroHash);

	await app.send(owner, "addComposeHash", word(1));
	await app.send(owner, "addDevice", word(1));
	for (let i = 0; i < 40; i++) {
		const [tcb, any] = [i & 1, i & 2].map(Boolean);
		const info = { appId: stranger, instanceId: stranger,
			composeHash: word(1 + random(2)),
			deviceId: word(1 + random(2)),
			mrAggregated: word(random(9)),
			mrSystem: word(random(9)), osImageHash: word(random(9)),
			tcbStatus: pick("UpToDate", "OutOfDate", "", "uptodate",
				"UpToDate "),
			advisoryIds: Array(random(4)).fill("INTEL-SA-1") };
		const reason =
			tcb && info.tcbStatus !== "UpToDate" ?
				"TCB status is not up to date" :
			info.composeHash !== word(1) ?
				"Compose hash not allowed" :
			!any && info.deviceId !== word(1) ?
				"Device not allowed" : "";

		if (tcb !== await app.view("requireTcbUpToDate"))
			await app.send(owner, "setRequireTcbUpToDate", tcb);
		if (any !== await app.view("allowAnyDevice"))
			await app.send(owner, "setAllowAnyDevice", any);
		equal(await app.view("isAppAllowed", info),
			[reason === "", reason]);
	}
});
