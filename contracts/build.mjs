// SPDX-License-Identifier: MIT
// Copyright The dstack for Linux authors
//
// Compiles the contracts: build.mjs MODULES OUT, where MODULES has node_modules.
// OUT/NAME.json of each contract is its ABI, code, and storage layout.
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync }
	from "node:fs";
import { createRequire } from "node:module";

const [modules, out] = process.argv.slice(2);
const solc = createRequire(`${modules}/`)("solc");
const here = new URL(".", import.meta.url).pathname;
const sources = {};

for (const dir of ["src", "test"])
	for (const name of readdirSync(`${here}${dir}`))
		if (name.endsWith(".sol"))
			sources[`${dir}/${name}`] = {
				content: readFileSync(`${here}${dir}/${name}`,
					"utf8"),
			};

function find(path) {
	const file = `${modules}/node_modules/${path}`;

	return existsSync(file) ? { contents: readFileSync(file, "utf8") } :
		{ error: `no package has ${path}` };
}

// "none": code does not depend on where comments and names of files are.
const result = JSON.parse(solc.compile(JSON.stringify({
	language: "Solidity",
	sources,
	settings: {
		evmVersion: "shanghai",
		optimizer: { enabled: true, runs: 200 },
		metadata: { appendCBOR: false, bytecodeHash: "none" },
		outputSelection: { "*": { "*": ["abi", "evm.bytecode.object",
			"evm.deployedBytecode.object",
			"evm.deployedBytecode.immutableReferences",
			"storageLayout"] } },
	},
}), { import: find }));

for (const error of result.errors ?? [])
	console.error(error.formattedMessage);
if (result.errors?.length)
	process.exit(1);

mkdirSync(out, { recursive: true });
for (const file of Object.values(result.contracts))
	for (const [name, contract] of Object.entries(file))
		writeFileSync(`${out}/${name}.json`, JSON.stringify({
			abi: contract.abi,
			bytecode: `0x${contract.evm.bytecode.object}`,
			deployed: `0x${contract.evm.deployedBytecode.object}`,
			immutable: contract.evm.deployedBytecode
				.immutableReferences,
			storage: contract.storageLayout,
		}));
