// SPDX-License-Identifier: MIT
// Copyright The dstack for Linux authors
//
// All tests of the contracts, in KTAP: run.mjs MODULES BUILD DSTACKCTL.
import { finish, start } from "./chain.mjs";

console.log("TAP version 13");
await start();
await import("./upstream.mjs");
await import("./extension.mjs");
await import("./invariants.mjs");
await import("./gas.mjs");
await import("./dstackctl.mjs");
finish();
