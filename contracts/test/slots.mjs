// SPDX-License-Identifier: MIT
// Copyright The dstack for Linux authors
//
// The extension as a verifier of storage proofs reads it, from the slots alone,
// by the rules of Documentation/contracts/contracts.rst.
import { ethers, rpc, word } from "./chain.mjs";

// ERC-7201.
const base_of = (name) => (BigInt(ethers.id(name)) - 1n).toString(16)
	.padStart(64, "0");

function namespace(name) {
	const hash = BigInt(ethers.keccak256(`0x${base_of(name)}`));

	return hash & ~0xffn;
}

export const bases = {
	timelock: namespace("dstack.linux.timelock"),
	policy: namespace("dstack.linux.exec-policy"),
	keys: namespace("dstack.linux.keys"),
};

export const pin_slot = (device) => BigInt(ethers.keccak256(
	ethers.concat([device, word(bases.policy + 5n)])));

// The n-th u64 of a slot, the lowest first.
const u64 = (value, n) => Number((value >> BigInt(64 * n)) & (2n ** 64n - 1n));
const address = (value) => word(value & (2n ** 160n - 1n)).replace(
	/^0x0{24}/, "0x");
const at_of = (value) => u64(value >> 160n, 0);

// All in one proof, at the header that it is of.
export async function read(contract, device) {
	const block = await rpc("eth_getBlockByNumber", "latest", false);
	const keys = [];

	for (let i = 0n; i < 4n; i++)
		keys.push(bases.timelock + i);
	for (let i = 0n; i < 5n; i++)
		keys.push(bases.policy + i);
	for (let i = 0n; i < 2n; i++)
		keys.push(bases.keys + i);
	keys.push(pin_slot(device));

	const proof = await rpc("eth_getProof", contract.address,
		keys.map((k) => word(k)), block.number);
	const [t0, t1, t2, t3, p0, p1, p2, p3, p4, k0, k1, pin] =
		proof.storageProof.map((s) => BigInt(s.value));
	const now = Number(block.timestamp);
	const due = (at) => at !== 0 && at <= now;

	return {
		delay: due(u64(t0, 2)) ? u64(t0, 1) : u64(t0, 0),
		guardian: due(at_of(t2)) ? address(t2) : address(t1),
		upgrade: at_of(t3) ? address(t3) : null,
		upgrade_at: at_of(t3),
		policy: policy_of([p0, p1, p2, p3], due),
		pins_required: (p4 & 0xffn) !== 0n && !due(u64(p4 >> 8n, 0)),
		pinned: due(u64(pin, 0)) && u64(pin, 1) === 0,
		keys: keys_of(k0, k1, due),
		live: (epoch) => is_live(keys_of(k0, k1, due), epoch, now),
		now,
	};
}

function policy_of([root, meta, next_root, next_meta], due) {
	const next = { root: word(next_root), epoch: u64(next_meta, 0),
		active_at: u64(next_meta, 1), revoked_at: u64(next_meta, 2) };
	const current = { root: word(root), epoch: u64(meta, 0),
		active_at: u64(meta, 1), revoked_at: u64(meta, 2) };

	return next.epoch > current.epoch && next.revoked_at === 0 &&
		due(next.active_at) ? next : current;
}

function keys_of(k0, k1, due) {
	if (u64(k1, 0) > u64(k0, 0) && due(u64(k1, 1)))
		return [u64(k1, 0), u64(k1, 2), u64(k0, 3)];
	return [u64(k0, 0), u64(k0, 2), u64(k0, 3)];
}

const is_live = ([current, retires_at, first], epoch, now) =>
	epoch >= first && (epoch === current ||
		(epoch === current - 1 && now < retires_at));
