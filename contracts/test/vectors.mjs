// SPDX-License-Identifier: MIT
// Copyright The dstack for Linux authors
//
// Prints userspace/test/contract_vectors.h: what ethers makes of transactions, calls
// and refusals, for the tests of what we make of them.  vectors.mjs MODULES.
import { createRequire } from "node:module";

const ethers = createRequire(`${process.argv[2]}/`)("ethers");
const key = `0x${"46".repeat(32)}`;
const word = (n) => ethers.toBeHex(n, 32);
const address = (n) => `0x${n.toString(16).padStart(2, "0").repeat(20)}`;

function signed(fields) {
	const tx = ethers.Transaction.from({ type: 2, value: 0, accessList: [],
		...fields });

	tx.signature = new ethers.SigningKey(key).sign(tx.unsignedHash);
	return [tx.serialized, tx.hash];
}

// Each number in each of its lengths, data on both sides of each of RLP's bounds.
const transactions = [
	{ chainId: 31337, nonce: 0, maxPriorityFeePerGas: 0, maxFeePerGas: 0,
		gasLimit: 21000, to: address(1), data: "0x" },
	{ chainId: 1, nonce: 127, maxPriorityFeePerGas: 1, maxFeePerGas: 128,
		gasLimit: 255, to: address(2), data: "0x7f" },
	{ chainId: 2035, nonce: 128, maxPriorityFeePerGas: 1500000000,
		maxFeePerGas: 30000000000, gasLimit: 16777216, to: address(3),
		data: "0x80" },
	{ chainId: 11155111, nonce: 256, maxPriorityFeePerGas: 256,
		maxFeePerGas: 2n ** 64n - 1n, gasLimit: 65536, to: address(4),
		data: `0x${"ab".repeat(55)}` },
	{ chainId: 5, nonce: 65535, maxPriorityFeePerGas: 2, maxFeePerGas: 3,
		gasLimit: 4, to: address(5), data: `0x${"cd".repeat(56)}` },
	{ chainId: 5, nonce: 65536, maxPriorityFeePerGas: 2, maxFeePerGas: 3,
		gasLimit: 4, to: null, data: `0x${"ef".repeat(256)}` },
];

const calls = [
	["addComposeHash(bytes32)", [word(7)]],
	["registerApp(address)", [address(0xa1)]],
	["setAllowAnyDevice(bool)", [true]],
	["setDelay(uint64)", [2n ** 64n - 1n]],
	["announceExecPolicy(bytes32,uint64)", [word(9), 258]],
	["announceKeyEpoch(uint64,uint64)", [1800000000, 1800000001]],
	["deployAndRegisterApp(address,bool,bool,bool,bytes32,bytes32)",
		[address(0xa2), true, false, true, word(3), word(4)]],
];

const refusals = [
	["Error(string)", ["Upgrade not announced"], "Upgrade not announced"],
	["Error(string)", [""], ""],
	["OwnableUnauthorizedAccount(address)", [address(0xb1)],
		`OwnableUnauthorizedAccount(${address(0xb1)})`],
	["InvalidInitialization()", [], "InvalidInitialization"],
	["UUPSUnsupportedProxiableUUID(bytes32)", [word(5)],
		`UUPSUnsupportedProxiableUUID(${word(5)})`],
	["Panic(uint256)", [0x11], "Panic(0x11)"],
	["Surprise(uint256)", [1],
		`an unknown error ${ethers.id("Surprise(uint256)").slice(0, 10)}`],
];

const text = (value) => JSON.stringify(value);
const lines = [];

function table(type, name, rows) {
	lines.push("", `static const struct ${type} ${name}[] = {`);
	for (const row of rows)
		lines.push("\t{", ...row.map((value) => `\t\t${value},`), "\t},");
	lines.push("};");
}

lines.push(`/* SPDX-License-Identifier: MIT */
/*
 * What ethers makes of transactions, calls and refusals
 *
 * Copyright The dstack for Linux authors
 *
 * Printed by contracts/test/vectors.mjs.
 */
#ifndef CONTRACT_VECTORS_H
#define CONTRACT_VECTORS_H

#include <stdint.h>

struct tx_vector {
	uint64_t chain_id, nonce, priority_fee, max_fee, gas;
	const char *to, *data, *raw, *hash;
};

struct call_vector {
	const char *signature, *args, *data;
};

struct refusal_vector {
	const char *data, *text;
};

#define VECTOR_KEY	${text(key.slice(2))}
#define VECTOR_ADDRESS	${text(ethers.computeAddress(key).toLowerCase().slice(2))}
#define VECTOR_MADE_0	${text(ethers.getCreateAddress({ from:
	ethers.computeAddress(key), nonce: 0 }).toLowerCase().slice(2))}
#define VECTOR_MADE_300	${text(ethers.getCreateAddress({ from:
	ethers.computeAddress(key), nonce: 300 }).toLowerCase().slice(2))}`);

table("tx_vector", "tx_vectors", transactions.map((tx) => [tx.chainId, tx.nonce,
	tx.maxPriorityFeePerGas, `${tx.maxFeePerGas}U`, tx.gasLimit,
	tx.to ? text(tx.to.slice(2)) : "0", text(tx.data.slice(2)),
	...signed(tx).map((value) => text(value.slice(2)))]));

table("call_vector", "call_vectors", calls.map(([signature, args]) => {
	const iface = new ethers.Interface([`function ${signature}`]);
	const name = signature.replace(/\(.*/, "");

	return [signature, args.join(" "), iface.encodeFunctionData(name, args)
		.slice(2)].map(text);
}));

table("refusal_vector", "refusal_vectors", refusals.map(([error, args, says]) => {
	const iface = new ethers.Interface([`error ${error}`]);

	return [iface.encodeErrorResult(error.replace(/\(.*/, ""), args)
		.slice(2), says].map(text);
}));

// The constructor of a proxy, whose call is of an odd length.
const abi = ethers.AbiCoder.defaultAbiCoder();
const init = new ethers.Interface(["function initialize(address,address)"]);

lines.push("", `#define VECTOR_PROXY \\
	${text(abi.encode(["address", "bytes"], [address(0xc1),
		init.encodeFunctionData("initialize",
			[address(0xc2), address(0xc3)])]).slice(2))}`,
"", "#endif /* CONTRACT_VECTORS_H */");
console.log(lines.join("\n"));
