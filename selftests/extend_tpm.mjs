// SPDX-License-Identifier: MIT
// Copyright The dstack for Linux authors
//
// Whoever else speaks to the TPM: extend_tpm.mjs DEVICE REGISTER extends its SHA-256
// register with ones, by TPM2_PCR_Extend as the TPM's specification has it.
import { openSync, readSync, writeSync } from "node:fs";

const [path, register] = process.argv.slice(2);
const u16 = (n) => [n >> 8, n & 255];
const u32 = (n) => [...u16(n >>> 16), ...u16(n & 65535)];
const auth = [...u32(0x40000009), ...u16(0), 0, ...u16(0)];
const body = [...u32(0x182), ...u32(Number(register)), ...u32(auth.length),
	...auth, ...u32(1), ...u16(0x000b), ...Array(32).fill(1)];
const file = openSync(path, "r+");
const answer = Buffer.alloc(1024);

writeSync(file, Buffer.from([...u16(0x8002), ...u32(body.length + 6), ...body]));
readSync(file, answer);
process.exit(answer.readUInt32BE(6) ? 1 : 0);
