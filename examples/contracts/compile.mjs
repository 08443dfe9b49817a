#!/usr/bin/env node
// Compiles the contracts in this folder with the ordinary Solidity compiler, and writes what comes out beside them.
//
//   npm ci && node compile.mjs            writes compiled/*.json
//   npm ci && node compile.mjs --check    says whether that is what is there
import { readFileSync, writeFileSync, existsSync, mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import solc from "solc";

const folder = dirname(fileURLToPath(import.meta.url));
const names = ["Conduit", "ConduitNest", "Guarantee", "GuaranteeNest", "HiddenMoves", "Purse", "Subscription", "Swap"];
// Nothing creates a purse: it is in a channel's first state with the code that it runs.
const running = ["Purse"];

// No hash of the metadata in the code: what it runs then depends on nothing but the source and these settings.
const settings = {
  evmVersion: "cancun",
  optimizer: { enabled: true, runs: 200 },
  metadata: { appendCBOR: false, bytecodeHash: "none" },
  outputSelection: { "*": { "*": ["abi", "evm.bytecode.object", "evm.deployedBytecode.object", "evm.methodIdentifiers"] } },
};
const sources = Object.fromEntries(
  names.map((name) => [`${name}.sol`, { content: readFileSync(join(folder, `${name}.sol`), "utf8") }]),
);
const output = JSON.parse(solc.compile(JSON.stringify({ language: "Solidity", sources, settings })));
for (const error of output.errors ?? []) console.error(error.formattedMessage);
if (output.errors?.some((error) => error.severity === "error")) process.exit(1);

const check = process.argv.includes("--check");
mkdirSync(join(folder, "compiled"), { recursive: true });
for (const name of names) {
  const { abi, evm } = output.contracts[`${name}.sol`][name];
  const code = { create: evm.bytecode.object, ...(running.includes(name) && { run: evm.deployedBytecode.object }) };
  const compiled = { compiler: solc.version(), selectors: evm.methodIdentifiers, ...code, abi };
  const text = `${JSON.stringify(compiled, null, 1)}\n`;
  const file = join(folder, "compiled", `${name}.json`);
  if (!check) writeFileSync(file, text);
  else if (!existsSync(file) || readFileSync(file, "utf8") !== text) {
    console.error(`${name} is not what its source compiles to; run node compile.mjs`);
    process.exitCode = 1;
  }
}
