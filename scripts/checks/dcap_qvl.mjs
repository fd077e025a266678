// SPDX-License-Identifier: MIT
// Copyright The dstack for Linux authors
//
// What @phala/dcap-qvl says of each genuine quote, beside what vectors_test takes
// for its word: dcap_qvl.mjs VECTORS, in a directory with node_modules.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const { verify } = createRequire(`${process.cwd()}/`)("@phala/dcap-qvl");
const dir = `${process.argv[2]}/dcap`;
const read = (name) => readFileSync(`${dir}/${name}`);
const rows = JSON.parse(read("expected.json")).expect;
let differ = 0;

function verdict(row) {
	const quote = new Uint8Array(read(`quotes/${row.quote}`));
	const collateral = JSON.parse(read(`collateral/${row.collateral}`));

	try {
		const found = verify(quote, collateral,
			Date.parse(row.time) / 1000);

		return `${found.status} ${JSON.stringify(found.advisory_ids)}`;
	} catch (error) {
		return `ERR ${error.message}`;
	}
}

for (const row of rows) {
	const said = verdict(row);
	const same = said.startsWith(row.dcap_qvl_js);

	differ += !same;
	console.log(`${same ? "same" : "DIFFERENT"}: ${row.quote}: ${said}`);
}
console.log(`${rows.length} quotes, ${differ} differ`);
process.exitCode = differ || rows.length < 31 ? 1 : 0;
