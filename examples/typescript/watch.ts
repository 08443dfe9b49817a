/**
 * Connects to the cheapest exit, and prints what it costs until it is stopped.
 *
 * After `cargo xtask test --only client-test`, which compiles the client:
 *   DIR=~/.local/share/byway/local npx tsx examples/typescript/watch.ts
 */

import { BywayError, clientOf } from "../../clients/typescript/src/node.js";

const dir = process.env.DIR;
if (!dir) throw new Error("Set DIR to the node's folder, the one with run.json.");

const byway = clientOf(dir, { onState: (state) => console.log("link:", state) });
byway.on("session", (session) => {
  console.log(`${session.id.slice(0, 8)} ${session.state}: ${session.bytes_down} bytes down for ${session.cost} WAY`);
});

// Before anything costs something, so that whoever stops it at once pays for nothing more.
process.once("SIGINT", async () => {
  await byway.call("disconnect");
  byway.close();
});

try {
  const session = await byway.call("connect", {});
  console.log(`connected through ${session.country ?? "somewhere"} for ${session.price.amount} per MB`);
} catch (error) {
  if (!(error instanceof BywayError)) throw error;
  console.error(`${error.code}: ${error.message}`);
  byway.close();
}
